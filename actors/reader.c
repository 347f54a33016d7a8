//  reader.c - owns the thread that answers from snapshots.

#include "reader.h"

#include "actor.h"
#include "leases.h"
#include "realizer.h"
#include "registry.h"
#include "runs.h"

#include <stdlib.h>

#define READER_MAGIC 0x4ead4001u

struct reader {
    uint32_t magic;
    actor_t *actor;
};

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_ENVIRONMENT_GET] = registry_get,
    [REQUEST_ENVIRONMENT_LIST] = registry_list,
    [REQUEST_WORKSPACE_GET] = workspaces_get,
    [REQUEST_WORKSPACE_LIST] = workspaces_list,
    [REQUEST_LEASE_GET] = leases_get,
    [REQUEST_LEASE_LIST] = leases_list,
    [REQUEST_LEASE_TARGET] = leases_target,
    [REQUEST_RUN_GET] = runs_get,
    [REQUEST_RUN_LIST] = runs_list,
};

reader_t *
reader_new (const context_t *context, berth_error_t *err)
{
    (void) err;
    reader_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = READER_MAGIC;
    static const actor_spec_t spec = { .code = ACTOR_READER, .handlers = s_handlers, .fd = -1 };
    self->actor = actor_new (&spec, NULL, context->store, context->wiring);
    return self;
}

void
reader_destroy (reader_t **self_p)
{
    reader_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, READER_MAGIC);
    actor_destroy (&self->actor);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
reader_actor (zsock_t *pipe, void *args)
{
    reader_t *self = args;
    CHECK (self, READER_MAGIC);
    actor_run (self->actor, pipe);
}
