//  any_schema_inside.h - for any_schema*.c only.

#ifndef BERTH_ANY_SCHEMA_INSIDE_H_INCLUDED
#define BERTH_ANY_SCHEMA_INSIDE_H_INCLUDED

#include "any_schema.h"
#include "wire.h"

//  Is the text as the schema wants it? NULL, or why not, in arena.
const char *any_schema_text_wrong (berth_bytes_t schema, const wire_token_t *text, arena_t *arena);

//  Can this pattern be compiled? NULL, or why not.
const char *any_schema_pattern_wrong (const wire_token_t *pattern, arena_t *arena);

//  Does a token hold this text?
bool any_schema_says (const wire_token_t *token, const char *text);

//  The first token of a packed value; WIRE_NIL of none.
wire_token_t any_schema_token (berth_bytes_t packed);

#endif
