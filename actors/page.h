//  page.h - how much fits into one answer of a list.

#ifndef BERTH_PAGE_H_INCLUDED
#define BERTH_PAGE_H_INCLUDED

#include "arena.h"
#include "tables.h"

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

//  What a list asks of an index.
typedef struct {
    store_index_t index;
    store_key_t prefix;
    const char *cursor;             //  Of the page before, or NULL
    uint64_t limit;                 //  Rows; 0: BERTH_LIST_DEFAULT
    const berth_schema_t *schema;   //  Of a row
    bool (*wants) (void *context, void *row);   //  May change what is shown; NULL: all
    void *context;
} page_ask_t;

//  One page: the rows (an array of the schema's structs, in arena) and where the next one begins,
//  NULL behind the last. NULL on failure: a cursor that is none, internal.
void *page_walk (store_txn_t *txn, arena_t *arena, const page_ask_t *ask, size_t *ret_count,
                 const char **ret_next, berth_error_t *err);

#endif
