//  page.c - owns nothing: counts what the rows of a page weigh.

#include "page.h"

#include "codec.h"
#include "wire.h"

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
