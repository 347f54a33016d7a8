//  leases.h - the actor that decides about leases and their deadlines (DESIGN section 6).

#ifndef BERTH_LEASES_H_INCLUDED
#define BERTH_LEASES_H_INCLUDED

#include "actor.h"
#include "context.h"

#include <czmq.h>

typedef struct leases leases_t;

//  Limits and defaults of this actor.
enum {
    LEASES_MAX_MS_DEFAULT = 86400000,       //  A lease's life unless the policy says otherwise
    LEASES_GRACE_MS = 10000,                //  Put on top of a deadline after another boot
    LEASES_OPEN_MS = 120000,                //  For a provider to open a place
    LEASES_CLOSE_MS = 60000,                //  For a provider to close one
    LEASES_LIST_MS = 60000,                 //  For a provider to list its places
    LEASES_ANSWER_MS = 5000,                //  Behind a call's deadline its proxy has answered for it
    LEASES_RETRY_FIRST_MS = 1000,           //  Release is tried again after that,
    LEASES_RETRY_MAX_MS = 300000,           //  doubling to this,
    LEASES_JITTER_PERCENT = 25,             //  so much sooner or later
    LEASES_REUSE_MAX = 16,                  //  Kept places looked at by one acquire
    LEASES_QUEUE_MAX = BERTH_QUEUE_MAX,     //  Leases that wait for one workspace
    LEASES_QUEUE_MS = 86400000,             //  They do so for at most a day,
    LEASES_QUEUE_RETRY_MS = 5000,           //  and where the next may not have it, that is looked at again
    LEASES_TICK_MAX = 256                   //  Leases looked at in one tick
};

leases_t *leases_new (const context_t *context, berth_error_t *err);
void leases_destroy (leases_t **self_p);
void leases_actor (zsock_t *pipe, void *args);

//  The actor's kit: tests run batches on it without sockets.
actor_t *leases_kit (leases_t *self);

//  Of snapshots only, without state: the reader answers them.
handler_fn leases_get, leases_list, leases_target;

#endif
