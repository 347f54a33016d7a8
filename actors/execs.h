//  execs.h - the actor of execs: starts commands in leased places, tells how they end, and reads
//  their output to whoever asks.
//
//  What runs is known by the shims (messages/shim.h) and by the spools (store/spool.h); a row says
//  what was asked for and how it ended. Nothing of a command's arguments or environment is kept:
//  a start that was committed and not yet told to its shim when berthd died has failed.

#ifndef BERTH_EXECS_H_INCLUDED
#define BERTH_EXECS_H_INCLUDED

#include "actor.h"
#include "context.h"

typedef struct execs execs_t;

//  Makes <state>/spool. Errors: internal.
execs_t *execs_new (const context_t *context, berth_error_t *err);

//  The body of a zactor; args is the execs_t.
void execs_actor (zsock_t *pipe, void *args);

//  Its kit, to serve batches without sockets (the simulation).
actor_t *execs_kit (execs_t *self);
void execs_destroy (execs_t **self_p);

#endif
