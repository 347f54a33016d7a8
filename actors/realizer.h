//  realizer.h - the actor that owns execution workspaces: their records, how their files get into
//  a place, and how they come home.

#ifndef BERTH_REALIZER_H_INCLUDED
#define BERTH_REALIZER_H_INCLUDED

#include "actor.h"
#include "context.h"

typedef struct realizer realizer_t;

//  `context` outlives it. Cannot fail today; `err` is the form of every actor.
realizer_t *realizer_new (const context_t *context, berth_error_t *err);
void realizer_actor (zsock_t *pipe, void *args);
void realizer_destroy (realizer_t **self_p);

//  Its kit, to serve batches without sockets (tests, the simulation).
actor_t *realizer_kit (realizer_t *self);

//  The typed config of a workspace, read leniently: what has another type is not set. false: there
//  is none. Strings in arena.
bool workspace_config_of (const workspace_t *row, arena_t *arena, workspace_config_t *ret_config);

//  The mode of a text, legacy aliases too (project_primary, isolated); workspace_mode_NONE if it is
//  none.
workspace_mode_t workspace_mode_of (const char *text);

//  Of snapshots only, without state: the reader answers them.
handler_fn workspaces_get, workspaces_list;

#endif
