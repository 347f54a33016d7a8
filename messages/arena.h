//  arena.h - memory that lives as long as one batch.
//
//  Everything a handler makes is in an arena; clearing it frees all at once and keeps the first
//  block for the next batch. One thread at a time. Running out of memory is a bug (it aborts).

#ifndef BERTH_ARENA_H_INCLUDED
#define BERTH_ARENA_H_INCLUDED

#include "base.h"

typedef struct arena arena_t;

arena_t *arena_new (void);
void arena_destroy (arena_t **self_p);

//  Forgets everything that was taken; pointers into the arena are dead.
void arena_clear (arena_t *self);

//  From here on until it is cleared, a secret is in it: clearing it wipes every byte.
void arena_guard (arena_t *self);

//  Zeroed bytes, aligned for any object.
void *arena_take (arena_t *self, size_t size);

//  The same without the zeros: for who writes all of them.
void *arena_raw (arena_t *self, size_t size);

//  Copies; the text copy ends with NUL even if the source does not.
char *arena_text (arena_t *self, const char *text, size_t size);
char *arena_string (arena_t *self, const char *text);       //  NULL stays NULL
void *arena_copy (arena_t *self, const void *data, size_t size);
char *arena_printf (arena_t *self, const char *format, ...) BERTH_PRINTF (2, 3);

//  Bytes in use, for limits and figures.
size_t arena_used (const arena_t *self);

//  A number that no arena had before or has again: another one means that what was in it then is gone.
uint64_t arena_age (const arena_t *self);

#define arena_new_of(self, type) ((type *) arena_take ((self), sizeof (type)))
#define arena_array(self, count, type) ((type *) arena_take ((self), (count) * sizeof (type)))

#endif
