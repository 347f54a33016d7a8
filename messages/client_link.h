//  client_link.h - one connection of a client: whole messages out and in, and when it comes and
//  goes. Inner part of libberth; programs use client.h.

#ifndef BERTH_CLIENT_LINK_H_INCLUDED
#define BERTH_CLIENT_LINK_H_INCLUDED

#include "client_curve.h"

#include <poll.h>
#include <zmq.h>

typedef struct link link_t;

typedef enum { LINK_SAME, LINK_UP, LINK_DOWN, LINK_REFUSED } link_event_t;

enum { LINK_FRAMES = 3, LINK_DESCRIPTORS_MAX = 8 };

//  Connects a DEALER without waiting; invalid_request if that is no endpoint.
link_t *link_new (const char *endpoint, const curve_t *curve, berth_error_t *err);
void link_destroy (link_t **self_p);

//  Sends header, body and, if it has a size, data. -1: no room; nothing went. Only while the link is
//  up: what is sent otherwise waits in a queue for a service that may never have asked for it.
int link_send (link_t *self, berth_bytes_t header, berth_bytes_t body, berth_bytes_t data);

//  Takes one message of two or three frames; false when none is here. Messages of another shape
//  are dropped. The caller closes all three frames, whatever comes.
bool link_receive (link_t *self, zmq_msg_t ret_frames [LINK_FRAMES]);

//  The next thing that happened to the connection, in order; LINK_SAME when that was all.
link_event_t link_event (link_t *self);

//  Waits for a message, an event, a descriptor, or room to send if `sending`.
void link_wait (link_t *self, bool sending, struct pollfd *fds, size_t count, int64_t ms);

#endif
