//  fenced.h - requests that carry a generation, out of the table: each must refuse an old one.

#ifndef BERTH_FENCED_H_INCLUDED
#define BERTH_FENCED_H_INCLUDED

#include "codec.h"
#include "requests.h"

#include <string.h>

//  Is it a client's request about one lease or exec?
static inline const berth_field_t *
fenced_about (const request_row_t *row)
{
    if (row->roles & ROLE_INTERNAL)
        return NULL;
    const berth_field_t *lease = berth_schema_field (row->request, "leaseId");
    const berth_field_t *field = lease ? lease : berth_schema_field (row->request, "execId");
    return field && field->kind == KIND_ID && (field->flags & REQUIRED) ? field : NULL;
}

//  The next one of an actor that carries a generation, behind `code`; REQUEST_COUNT at the end.
static inline request_code_t
fenced_next (actor_code_t actor, int code)
{
    while (++code < REQUEST_COUNT) {
        const request_row_t *row = request_row ((request_code_t) code);
        if (row->actor == actor && fenced_about (row)
            && berth_schema_field (row->request, "generation"))
            break;
    }
    return (request_code_t) code;
}

//  Its body: about that thing, with that generation, and the least of what else it needs.
static inline berth_bytes_t
fenced_body (request_code_t code, const char *id, uint64_t generation, arena_t *arena)
{
    const request_row_t *row = request_row (code);
    berth_bytes_t body = any_set_text (berth_empty_map, fenced_about (row)->name, id, arena);
    body = any_set_number (body, "generation", generation, arena);
    for (size_t index = 0; index < row->request->count; index++) {
        const berth_field_t *field = &row->request->fields [index];
        if (!(field->flags & REQUIRED) || any_get (body, field->name).size)
            continue;
        if (field->kind == KIND_U64)
            body = any_set_number (body, field->name, 1, arena);
        else
            body = any_set_text (body, field->name, "x", arena);
    }
    return body;
}

#endif
