//  registry.h - the actor that owns environments: what they are, whether they may be selected,
//  what providers can do, and probes of them.

#ifndef BERTH_REGISTRY_H_INCLUDED
#define BERTH_REGISTRY_H_INCLUDED

#include "actor.h"
#include "context.h"

typedef struct registry registry_t;

//  `context` outlives it. Cannot fail today; `err` is the form of every actor.
registry_t *registry_new (const context_t *context, berth_error_t *err);
void registry_actor (zsock_t *pipe, void *args);
void registry_destroy (registry_t **self_p);

//  Its kit, to serve batches without sockets (tests, the simulation).
actor_t *registry_kit (registry_t *self);

//  The environment of that id, which must belong to `company` (NULL: whoever's it is); in arena.
//  environment_not_found otherwise.
int environment_find (store_txn_t *txn, arena_t *arena, const char *company, const char *id,
                      environment_t *ret_row, berth_error_t *err);

//  Takes out of a row what a principal with these roles may not read: config becomes {}, metadata
//  and policy null, and the two flags say so. Whoever works with environments reads everything.
void environment_redact (environment_t *row, unsigned roles);

//  Of snapshots only, without state: the reader answers them.
handler_fn registry_get, registry_list;

#endif
