//  keeper.h - the actor of the store itself: how full it is, whether it fits together, its backup; and
//  what it does not keep for ever.
//
//  A check and a backup run in a thread each, one of a kind at a time: who asks meanwhile for the same
//  is answered by the one that runs.

#ifndef BERTH_KEEPER_H_INCLUDED
#define BERTH_KEEPER_H_INCLUDED

#include "actor.h"
#include "context.h"

#include <czmq.h>

typedef struct keeper keeper_t;

enum { KEEPER_LOOK_MS = 1000 };         //  How often it looks how much room there is

keeper_t *keeper_new (const context_t *context, berth_error_t *err);
void keeper_actor (zsock_t *pipe, void *args);

//  False if a thread hangs (in a file system that does not answer): then nothing was freed.
bool keeper_destroy (keeper_t **self_p);

//  The actor's kit: tests run batches on it without sockets.
actor_t *keeper_kit (keeper_t *self);

#endif
