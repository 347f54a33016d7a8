//  front.h - the front door: the ROUTER sockets that clients talk to.
//
//  It reads the header of each request, looks its type up in the table, checks role and shape of
//  the frames, and hands the body on unread. It never touches the store: when an actor has not
//  come out of its batch for BERTH_STALL_MS, requests for it are answered `store_stalled`.

#ifndef BERTH_FRONT_H_INCLUDED
#define BERTH_FRONT_H_INCLUDED

#include "door.h"
#include "wiring.h"

typedef struct front front_t;

//  What the front door counts; read by any thread.
typedef struct {
    uint64_t requests, malformed, busy, unsupported, forbidden, dropped, silent;
    uint64_t unanswered;            //  Requests that wait for their answer now
    uint64_t unread;                //  Refused, or a stream ended, because the peer does not read
} front_counts_t;

//  Takes over the doors, and who may come by them is asked of `trust`. instance and install are
//  what bus.ping answers; they are copied.
front_t *front_new (door_t **doors, size_t count, trust_t *trust, const char *instance,
                    const char *install, wiring_t *wiring);
void front_destroy (front_t **self_p);

//  The body of a zactor; args is the front_t.
void front_actor (zsock_t *pipe, void *args);

front_counts_t front_counts (const front_t *self);

//  When the front door last looked around (monotonic, ms): at least each five seconds, unless it
//  is stuck. 0: not yet. Any thread.
int64_t front_turned_ms (front_t *self);

#endif
