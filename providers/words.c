//  words.c - owns nothing: lists of arguments.

#include "words.h"

#include <stdarg.h>
#include <string.h>

berth_bytes_t
words_bytes (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

void
words_add (words_t *self, const char *text)
{
    if (self->count == self->room) {
        size_t room = self->room ? self->room * 2 : 64;
        berth_bytes_t *items = arena_array (self->arena, room, berth_bytes_t);
        if (self->count)
            memcpy (items, self->items, self->count * sizeof *items);
        self->items = items;
        self->room = room;
    }
    self->items [self->count++] = words_bytes (arena_string (self->arena, text));
}

void
words_all (words_t *self, ...)
{
    va_list list;
    va_start (list, self);
    const char *text;
    while ((text = va_arg (list, const char *)))
        words_add (self, text);
    va_end (list);
}

void
words_set (words_t *self, const char *name, size_t name_size, const char *value)
{
    char *entry = arena_printf (self->arena, "%.*s=%s", (int) name_size, name, value);
    for (size_t index = 0; index < self->count; index++) {
        berth_bytes_t old = self->items [index];
        if (old.size > name_size && old.data [name_size] == '='
            && memcmp (old.data, name, name_size) == 0) {
            self->items [index] = words_bytes (entry);
            return;
        }
    }
    words_add (self, entry);
}

berth_blobs_t
words_blobs (const words_t *self)
{
    return (berth_blobs_t) { self->count, self->items };
}
