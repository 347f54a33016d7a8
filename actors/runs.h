//  runs.h - the orchestrator: acquire, realize, release of a run (DESIGN section 8; Paperclip:
//  reference, sections 5, 6 and 8).

#ifndef BERTH_RUNS_H_INCLUDED
#define BERTH_RUNS_H_INCLUDED

#include "actor.h"
#include "context.h"

#include <czmq.h>

typedef struct runs runs_t;

enum {
    RUNS_AGAIN_MS = 10000,          //  A release that failed is asked again after that,
    RUNS_AGAIN_MAX = 256            //  so many at a time
};

runs_t *runs_new (const context_t *context, berth_error_t *err);
void runs_destroy (runs_t **self_p);
void runs_actor (zsock_t *pipe, void *args);

//  The actor's kit: tests run batches on it without sockets.
actor_t *runs_kit (runs_t *self);

//  Of snapshots only, without state: the reader answers them.
handler_fn runs_get, runs_list;

#endif
