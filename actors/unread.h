//  unread.h - bytes that were sent to a peer and have not left for its connection yet.
//
//  Counted of frames that are large (the small ones are bounded by their number: the door's high
//  water mark). A peer that is told much and reads nothing must not fill the memory: above
//  BERTH_UNREAD_BYTES, or a sixteenth of it while all peers together have BERTH_UNREAD_ALL, its
//  requests are refused and its streams end.

#ifndef BERTH_UNREAD_H_INCLUDED
#define BERTH_UNREAD_H_INCLUDED

#include "error.h"

#include <zmq.h>

typedef struct unread unread_t;

unread_t *unread_new (void);
//  Frames on their way keep what they need.
void unread_destroy (unread_t **self_p);

//  Counts a frame, which is about to be sent, until it is out; it stays the caller's.
void unread_count (unread_t *self, zmq_msg_t *frame);

uint64_t unread_bytes (const unread_t *self);

//  0, or -1 and busy: the peer has too much of it.
int unread_check (const unread_t *self, berth_error_t *err);

#endif
