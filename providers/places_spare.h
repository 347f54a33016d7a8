//  places_spare.h - the next place's folder and its shim, made before anybody asks for them.
//
//  A folder costs a millisecond and the walls' program one more until it reads its arguments; a
//  rename and a write cost nothing. There is one of each, for a place like the last one.

#ifndef BERTH_PLACES_SPARE_H_INCLUDED
#define BERTH_PLACES_SPARE_H_INCLUDED

#include "spawner.h"

typedef struct spare spare_t;

//  `folder` is where the folder is made: nothing is there yet. Copied.
spare_t *spare_new (const char *folder, spawner_t *spawner);

//  Hangs up the shim and removes the folder.
void spare_destroy (spare_t **self_p);

//  Any thread from here on. Is none there, nor being made? Then the caller makes one, and tells by
//  spare_made; with a uid of its own, if the last place had one.
bool spare_begin (spare_t *self, bool *ret_own_uid);
const char *spare_folder (const spare_t *self);

//  The folder is whole, and uid's (NULL: the caller's own); the shim is told what to execute.
void spare_made (spare_t *self, const uint64_t *uid);

//  It could not be made: the next may try.
void spare_failed (spare_t *self);

//  Gives the folder its new name. False if there is none that fits. *ret_uid is its user.
bool spare_take (spare_t *self, bool own_uid, const char *folder, uint64_t *ret_uid);

//  The call (spawner.h) of the shim that waits with what `open` says; -1: there is none. What was
//  asked is remembered for the next. The caller spends it.
int spare_take_shim (spare_t *self, const shim_open_t *open, arena_t *arena);

#endif
