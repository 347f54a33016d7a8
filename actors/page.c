//  page.c - owns nothing: reads one page of an index, and counts what its rows weigh.

#include "page.h"

#include "codec.h"
#include "wire.h"

#include <string.h>

enum {
    PAGE_BYTES = BERTH_FRAME_MAX / 4 * 3,
    PAGE_ELEMENTS = BERTH_ELEMENTS_MAX - 64         //  The page's own map and list
};

//  As the bounded walk of whoever reads it will count them.
static size_t
s_elements (berth_bytes_t packed)
{
    wire_t wire = wire_of (packed);
    wire_token_t token;
    size_t count = 0;
    while (wire.at < wire.end && wire_next (&wire, &token) == 0)
        if (token.type == WIRE_ARRAY || token.type == WIRE_MAP)
            count += token.size;
    return count;
}

bool
page_takes (page_t *self, uint64_t limit, const berth_schema_t *schema, const void *row,
            arena_t *arena)
{
    berth_bytes_t packed = berth_pack (schema, row, arena);
    size_t elements = s_elements (packed);
    if (self->rows && (self->rows >= limit || self->bytes + packed.size > PAGE_BYTES
                       || self->elements + elements + 1 > PAGE_ELEMENTS))
        return false;
    self->rows++;
    self->bytes += packed.size;
    self->elements += elements + 1;
    return true;
}

void *
page_walk (store_txn_t *txn, arena_t *arena, const page_ask_t *ask, size_t *ret_count,
           const char **ret_next, berth_error_t *err)
{
    store_walk_t walk;
    if (walk_begin (&walk, txn, ask->index, &ask->prefix, ask->cursor, err))
        return NULL;
    uint64_t limit = ask->limit ? ask->limit : BERTH_LIST_DEFAULT;
    size_t size = ask->schema->size, count = 0;
    uint8_t *items = arena_take (arena, limit * size);
    void *row = arena_take (arena, size);
    page_t weight = { 0 };
    const char *last = NULL;
    int rc = 0;
    for (int looked = 0; looked < PAGE_LOOKED_AT_MAX; looked++) {
        if ((rc = walk_next (&walk, arena, row, err)))
            break;
        if (!ask->wants || ask->wants (ask->context, row)) {
            if (!page_takes (&weight, limit, ask->schema, row, arena))
                break;
            memcpy (items + count++ * size, row, size);
        }
        last = walk_cursor (&walk, arena);
    }
    walk_end (&walk);
    *ret_next = rc == 0 ? last : NULL;      //  There is more, or it was not looked at
    *ret_count = count;
    return rc < 0 ? NULL : items;
}
