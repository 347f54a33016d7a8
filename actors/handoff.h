//  handoff.h - the way from the front door to the actors, fair and bounded.
//
//  Of what an actor has not taken yet, its inbox holds a small window; the rest waits here, in one
//  line per peer, and the lines take turns: first the groups (a principal of the network is one,
//  however many connections it has; a peer of this machine is one), then the peers of a group. So
//  whoever sends 256 requests at once delays another by one window, not by 256 requests.

#ifndef BERTH_HANDOFF_H_INCLUDED
#define BERTH_HANDOFF_H_INCLUDED

#include "peers.h"
#include "wiring.h"

typedef struct handoff handoff_t;

//  Who sent it.
typedef struct {
    uint64_t group;
    const peer_t *peer;
} sender_t;

//  With whom a peer takes turns: a principal of the network is one, however many connections it opens;
//  who comes by a socket of this machine is told apart only there.
sender_t handoff_sender (const peer_t *peer, bool network);

//  One thread. `peers` tells which requests were given up meanwhile: they are not handed on.
handoff_t *handoff_new (wiring_t *wiring, peers_t *peers);
void handoff_destroy (handoff_t **self_p);

//  Hands a request on, or lets it wait for its turn; everything is copied. Errors: busy.
int handoff_request (handoff_t *self, actor_code_t to, const sender_t *sender, const letter_t *letter,
                     berth_bytes_t body, berth_bytes_t data, berth_error_t *err);

//  The same for a word about a request that came before: it goes the same way, so that it does not
//  overtake it, and is never refused.
void handoff_control (handoff_t *self, actor_code_t to, const sender_t *sender, const letter_t *letter);

//  Hands on what its turn has come for. To be called whenever the thread wakes up; an actor that took
//  from a full window wakes it.
void handoff_go_on (handoff_t *self);

//  Requests and bytes that wait here.
size_t handoff_waiting (const handoff_t *self);
uint64_t handoff_waiting_bytes (const handoff_t *self);

#endif
