//  peers.h - who talks to the front door, and which of their requests are unanswered.
//
//  One thread. Bounded: BERTH_PEERS_MAX peers, BERTH_UNANSWERED_MAX requests each.

#ifndef BERTH_PEERS_H_INCLUDED
#define BERTH_PEERS_H_INCLUDED

#include "connections.h"
#include "requests.h"
#include "trust.h"
#include "unread.h"

typedef struct peers peers_t;

typedef struct peer {
    struct peer *next;              //  In its bucket
    uint8_t id [256];               //  Routing id of the ROUTER
    size_t id_size;
    uint8_t door;                   //  By which it comes
    char principal [TRUST_NAME_SIZE];   //  Of a door to the network; "" until it is known
    uint64_t narrowed;              //  As that principal stood when it came: see standing_t
    int fd;                         //  Of its connection there,
    far_end_t far;                  //  which is this one
    int64_t heard_ms;               //  Monotonic
    unsigned unanswered;
    unsigned streaming;             //  Of them with credit
    unread_t *unread;               //  What was sent to it and is not out
} peer_t;

//  A request that waits for its answer.
typedef struct {
    uint64_t ticket;                //  0: free
    uint32_t next_free;             //  Of a free one: see peers.c
    peer_t *peer;
    request_code_t type;            //  REQUEST_COUNT: unknown
    uint8_t id [66];                //  Of the client, packed as it came
    uint8_t id_size;
    bool streams;
    bool empty_frame;               //  A REQ: its leading empty frame is mirrored
} pending_t;

peers_t *peers_new (void);
void peers_destroy (peers_t **self_p);

//  The peer of a routing id at a door, made if it is new. When there are too many, the one that was
//  silent longest and waits for nothing makes room; NULL if all wait.
peer_t *peers_find (peers_t *self, unsigned door, const void *id, size_t size);

//  Calls `visit` with every peer; it must not make or forget one.
void peers_each (peers_t *self, void (*visit) (void *context, peer_t *peer), void *context);

//  A place for one more request, or NULL: that peer has too many.
pending_t *peers_add (peers_t *self, peer_t *peer, bool streams);

//  Says so: busy.
int peers_refuse (berth_error_t *err);

//  The request of a ticket, or NULL if it was answered or its peer went away.
pending_t *peers_pending (peers_t *self, uint64_t ticket);

//  The request of a peer by the client's own id, or NULL.
pending_t *peers_by_id (peers_t *self, const peer_t *peer, const void *id, size_t size);

//  It was answered.
void peers_done (peers_t *self, pending_t *pending);

//  Takes one request of a peer that went away (or of one that streams and was not heard since
//  `before_ms`); false if there is none.
bool peers_take_gone (peers_t *self, peer_t *peer, pending_t *ret_pending);
bool peers_take_silent (peers_t *self, int64_t before_ms, pending_t *ret_pending);

//  Forgets peers without requests that were not heard since `before_ms`.
void peers_sweep (peers_t *self, int64_t before_ms);

size_t peers_count (const peers_t *self);
size_t peers_unanswered (const peers_t *self);     //  Requests of all of them

#endif
