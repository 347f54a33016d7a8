//  words.h - a list of arguments that grows in an arena.

#ifndef BERTH_WORDS_H_INCLUDED
#define BERTH_WORDS_H_INCLUDED

#include "arena.h"
#include "schema.h"

typedef struct {
    arena_t *arena;
    berth_bytes_t *items;
    size_t count, room;
} words_t;

//  Copies a text behind the last.
void words_add (words_t *self, const char *text);

//  Adds all, up to a NULL.
void words_all (words_t *self, ...) __attribute__ ((sentinel));

//  Sets NAME=value, in the place of another value of that name.
void words_set (words_t *self, const char *name, size_t name_size, const char *value);

berth_blobs_t words_blobs (const words_t *self);

//  The bytes of a text, which stays its owner's.
berth_bytes_t words_bytes (const char *text);

#endif
