//  wiring.h - the sockets between actors, bound before any actor starts.
//
//  Each actor has two inboxes (PULL): one for clients' requests, bounded by the window that the front
//  door keeps (handoff.h); one for steps, whose room is reserved. The front door has one for answers.
//  Sending sockets are made once per thread and target, at the first send.

#ifndef BERTH_WIRING_H_INCLUDED
#define BERTH_WIRING_H_INCLUDED

#include "letter.h"
#include "quota.h"
#include "trust.h"

#include <czmq.h>

typedef struct wiring wiring_t;
typedef struct post post_t;

typedef enum { INBOX_CLIENTS, INBOX_INTERNAL } inbox_t;

//  Binds all inboxes. Providers get one pair each, in the order of provider_at.
wiring_t *wiring_new (void);
void wiring_destroy (wiring_t **self_p);

//  What companies may take: for every actor's kit. Before any actor is made; NULL: no limits.
void wiring_set_quotas (wiring_t *self, quotas_t *quotas);
quotas_t *wiring_quotas (const wiring_t *self);

//  Who may do what, for all actors. Set before any of them is made; outlives them.
void wiring_set_trust (wiring_t *self, trust_t *trust);
trust_t *wiring_trust (const wiring_t *self);

//  Hands an inbox over to the actor's thread, once; it destroys it.
zsock_t *wiring_take (wiring_t *self, actor_code_t actor, const char *provider, inbox_t inbox);

//  One thread's way to send to the others. Not shared between threads.
post_t *post_new (wiring_t *wiring);
void post_destroy (post_t **self_p);

//  Sends without waiting: 0, or -1 if the inbox is full. With `data_free` the data is handed over
//  without a copy (freed also on failure); else it is copied.
int post_letter (post_t *self, actor_code_t to, const char *provider, inbox_t inbox,
                 const letter_t *letter, berth_bytes_t body, berth_bytes_t data,
                 zmq_free_fn *data_free);
int post_answer (post_t *self, uint64_t ticket, reply_status_t status, berth_bytes_t body,
                 berth_bytes_t data, zmq_free_fn *data_free);

//  Tells the publisher that the log has grown. A lost kick costs only time; while nobody follows,
//  none is sent.
void post_kick (post_t *self);

//  Wakes an actor that looks at something of its own after each turn: the front door, the publisher.
void post_wake (post_t *self, actor_code_t to);

//  Does anybody follow? The publisher says so; any thread may.
void wiring_followed (wiring_t *self, bool followed);

//  Receives one message without waiting: 0, or -1 if there is none. `head` gets the first frame
//  (letter or answer), which must have exactly its size; body and data are to be closed with
//  zmq_msg_close by the caller (data is empty if there is none).
int post_receive (void *socket, void *head, size_t head_size, zmq_msg_t *ret_body,
                  zmq_msg_t *ret_data);

//  Empties the pipe of a zactor; false on $TERM.
bool pipe_runs (zsock_t *pipe);

#endif
