//  shim_link.h - a connection to a shim, for whoever polls it by its descriptor.
//
//  Nothing here waits but the calls that take a deadline. One thread at a time.

#ifndef BERTH_SHIM_LINK_H_INCLUDED
#define BERTH_SHIM_LINK_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "shim.h"

typedef struct shim_link shim_link_t;

//  The part of a place's description that a shim can be told in advance.
shim_dress_t shim_dress_of (const shim_open_t *open);

//  Connects and checks that the shim runs as our own user. Its HELLO is the first message.
//  Errors: not_found (nobody listens there), forbidden (somebody else does), provider_timeout.
int shim_link_open (const char *socket_path, int64_t deadline_mono_ms, shim_link_t **ret_self,
                    berth_error_t *err);
void shim_link_destroy (shim_link_t **self_p);

//  Gives its descriptor away, which stays open and waits for nothing; what was read and not taken is
//  dropped. Errors: as of receive, if something is unsent and cannot be sent.
int shim_link_detach (shim_link_t **self_p, int *ret_fd, berth_error_t *err);

//  Poll it for reading; for writing too while shim_link_unsent.
int shim_link_fd (const shim_link_t *self);
bool shim_link_unsent (const shim_link_t *self);

//  Packs and sends what the socket takes now; the rest goes with the next send or flush. Errors:
//  busy (4 MiB are unsent: nothing was taken), provider_unavailable (the shim is gone).
int shim_link_send (shim_link_t *self, const shim_message_t *message, berth_error_t *err);
int shim_link_flush (shim_link_t *self, berth_error_t *err);

//  Takes the next message: 1 with *ret_message in arena, 0 nothing whole is there yet, or -1: the
//  shim is gone (provider_unavailable) or says nonsense (provider_error). Call it until it says 0.
int shim_link_receive (shim_link_t *self, arena_t *arena, shim_message_t *ret_message,
                       berth_error_t *err);

//  Waits for the next message. Errors: as above, and provider_timeout.
int shim_link_wait (shim_link_t *self, int64_t deadline_mono_ms, arena_t *arena,
                    shim_message_t *ret_message, berth_error_t *err);

//  Closes a place and waits until its processes are gone. Errors: not_found (no shim listens
//  there: see shim_link_bury), provider_timeout, provider_unavailable.
int shim_link_call_close (const char *socket_path, uint64_t grace_ms, int64_t deadline_mono_ms,
                          berth_error_t *err);

//  Ends what a shim left that died: every process of the place, its cgroups, its socket, its
//  record. `folder` is the place's. What is gone is fine. Errors: conflict (the shim lives),
//  provider_timeout (processes do not end), internal (the record cannot be read).
int shim_link_bury (const char *folder, int64_t deadline_mono_ms, berth_error_t *err);

#endif
