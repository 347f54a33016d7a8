//  json_schema.h - a schema as JSON Schema: what a form is rendered from.

#ifndef BERTH_JSON_SCHEMA_H_INCLUDED
#define BERTH_JSON_SCHEMA_H_INCLUDED

#include "arena.h"
#include "schema.h"

//  A packed map, in arena.
berth_bytes_t json_schema (const berth_schema_t *schema, arena_t *arena);

//  A packed list of texts.
berth_bytes_t json_texts (const char *const *items, size_t count, arena_t *arena);

#endif
