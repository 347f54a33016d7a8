//  door.h - one socket that clients come by, and who they are there.
//
//  A door on this machine (ipc) has one principal, whoever comes by it. A door to the network (TCP
//  with CURVE) asks the connection: its key was looked up when it was made, and what holds for its
//  principal is looked up again with each request, so that a change works at once.

#ifndef BERTH_DOOR_H_INCLUDED
#define BERTH_DOOR_H_INCLUDED

#include "connections.h"
#include "error.h"
#include "trust.h"

#include <czmq.h>

typedef struct door door_t;

enum { DOORS_MAX = 16, DOOR_FRAMES_MAX = 6 };   //  Routing id, empty frame, header, body, data, one too many

//  One message as it came: routing id, perhaps an empty frame, header, body, data.
typedef struct {
    zmq_msg_t frames [DOOR_FRAMES_MAX];
    size_t count;
    bool too_many;
    berth_bytes_t id;               //  Routing id
    berth_bytes_t header, body, data;
    bool empty_frame;
} envelope_t;

//  Who sent it.
typedef struct {
    const char *principal;          //  As long as the envelope
    unsigned roles;
    bool confined;                  //  Only companies of its own exist for it
    bool remote;                    //  It came over the network
    uint64_t narrowed;              //  See standing_t
} caller_t;

//  Takes over a bound ROUTER. `principal` must be one of `trust` (trust_add_local).
door_t *door_new_local (zsock_t **router_p, trust_t *trust, const char *principal);
//  Takes over a bound ROUTER with CURVE; port is the one that it listens at.
door_t *door_new_network (zsock_t **router_p, trust_t *trust, uint16_t port);
void door_destroy (door_t **self_p);

int door_fd (const door_t *self);               //  Readable: receive until there is nothing
bool door_is_network (const door_t *self);

//  Receives one message without waiting: 0, or -1 if there is none. Close it.
int door_receive (door_t *self, envelope_t *ret_envelope);
void door_close (envelope_t *envelope);

//  Who sent it: 0, or -1: unauthorized.
int door_caller (door_t *self, envelope_t *envelope, caller_t *ret_caller, berth_error_t *err);

//  The descriptor of the connection that it came by, or -1; and its far end, if it is still one of
//  this door to the network.
int door_connection (envelope_t *envelope);
bool door_far (const door_t *self, int fd, far_end_t *ret_far);

//  Sends without waiting: 0, or -1 with errno (EHOSTUNREACH: that peer is gone). Takes body and
//  data, also on failure; data may be NULL.
int door_send (door_t *self, berth_bytes_t id, bool empty_frame, berth_bytes_t header,
               zmq_msg_t *body, zmq_msg_t *data);

//  Ends connections of a door to the network, unless `keep` says they stay; how many.
size_t door_end (door_t *self, connection_keep_fn *keep, void *context);

#endif
