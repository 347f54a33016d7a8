//  page.h - how much fits into one answer of a list.

#ifndef BERTH_PAGE_H_INCLUDED
#define BERTH_PAGE_H_INCLUDED

#include "arena.h"
#include "schema.h"

//  A page ends at its limit of rows, and before it outgrows a frame (bytes and elements): the
//  cursor leads on from there. Begin with a zeroed one.
typedef struct {
    size_t rows, bytes, elements;
} page_t;

//  Rows looked at for one page, at most: a filter that hits nothing does not read the whole table at
//  once. A page may then hold fewer rows, or none, and has a cursor all the same.
enum { PAGE_LOOKED_AT_MAX = 20000 };

//  Counts one more row. false: it does not fit any more, the page ends before it. The first row
//  always fits.
bool page_takes (page_t *self, uint64_t limit, const berth_schema_t *schema, const void *row,
                 arena_t *arena);

#endif
