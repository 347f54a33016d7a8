//  arena.c - owns a chain of blocks, each twice as large as the one before.

#include "arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAGIC 0xa4e7a001u
#define FIRST_BLOCK 8192

typedef struct block {
    struct block *next;     //  Older block
    size_t size;            //  Bytes in data
    size_t used;
    _Alignas (max_align_t) uint8_t data [];
} block_t;

struct arena {
    uint32_t magic;
    block_t *first;         //  Kept over a clear
    block_t *last;          //  The one that is filled
    size_t used;
    bool guarded;           //  Wiped when it is cleared
    uint64_t age;           //  Its number among arenas, then how often it was cleared
};

static block_t *
s_block (size_t size)
{
    block_t *block = malloc (sizeof (block_t) + size);
    ENSURE (block);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

arena_t *
arena_new (void)
{
    arena_t *self = calloc (1, sizeof (arena_t));
    ENSURE (self);
    self->magic = ARENA_MAGIC;
    self->first = self->last = s_block (FIRST_BLOCK);
    static atomic_uint_fast32_t s_made;
    self->age = (uint64_t) ++s_made << 32;
    return self;
}

void
arena_destroy (arena_t **self_p)
{
    arena_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, ARENA_MAGIC);
    arena_clear (self);
    free (self->first);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
arena_clear (arena_t *self)
{
    CHECK (self, ARENA_MAGIC);
    for (block_t *block = self->guarded ? self->last : NULL; block; block = block->next)
        explicit_bzero (block->data, block->used);
    self->guarded = false;
    while (self->last != self->first) {
        block_t *older = self->last->next;
        free (self->last);
        self->last = older;
    }
    self->first->used = 0;
    self->used = 0;
    self->age++;
}

void
arena_guard (arena_t *self)
{
    CHECK (self, ARENA_MAGIC);
    self->guarded = true;
}

void *
arena_raw (arena_t *self, size_t size)
{
    size_t rounded = (size + _Alignof (max_align_t) - 1) & ~(_Alignof (max_align_t) - 1);
    ENSURE (rounded >= size);
    if (self->last->size - self->last->used < rounded) {
        size_t wanted = self->last->size * 2;
        block_t *block = s_block (wanted > rounded ? wanted : rounded);
        block->next = self->last;
        self->last = block;
    }
    void *data = self->last->data + self->last->used;
    self->last->used += rounded;
    self->used += rounded;
    return data;
}

void *
arena_take (arena_t *self, size_t size)
{
    return memset (arena_raw (self, size), 0, size);
}

char *
arena_text (arena_t *self, const char *text, size_t size)
{
    char *copy = arena_raw (self, size + 1);
    if (size)
        memcpy (copy, text, size);
    copy [size] = 0;
    return copy;
}

char *
arena_string (arena_t *self, const char *text)
{
    return text ? arena_text (self, text, strlen (text)) : NULL;
}

void *
arena_copy (arena_t *self, const void *data, size_t size)
{
    void *copy = arena_raw (self, size);
    if (size)
        memcpy (copy, data, size);
    return copy;
}

char *
arena_printf (arena_t *self, const char *format, ...)
{
    va_list args, again;
    va_start (args, format);
    va_copy (again, args);
    int size = vsnprintf (NULL, 0, format, args);
    va_end (args);
    ENSURE (size >= 0);
    char *text = arena_raw (self, (size_t) size + 1);
    vsnprintf (text, (size_t) size + 1, format, again);
    va_end (again);
    return text;
}

uint64_t
arena_age (const arena_t *self)
{
    return self->age;
}

size_t
arena_used (const arena_t *self)
{
    return self->used;
}
