//  any_schema.h - free data held against a JSON Schema: the config of a provider that brings its own.
//
//  Of draft 2020-12 what config forms use: type, enum, const, properties, required,
//  additionalProperties, items, minItems, maxItems, uniqueItems, minProperties, maxProperties,
//  minLength, maxLength, pattern, format, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
//  multipleOf, allOf, anyOf, oneOf, not, default. A schema that says anything else that would restrict
//  a value ($ref, if, patternProperties...) is refused as a whole: what is not understood is not
//  taken for granted. Patterns are those of PCRE2, with a bound on their work.

#ifndef BERTH_ANY_SCHEMA_H_INCLUDED
#define BERTH_ANY_SCHEMA_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "schema.h"

enum {
    ANY_SCHEMA_DEPTH = 12,          //  Of schemas in schemas
    ANY_SCHEMA_ERRORS = 64,         //  Said of one value
    ANY_SCHEMA_SECRETS = 64,        //  Fields of format secret-ref
    ANY_SCHEMA_PATTERN = 1024       //  Bytes of a pattern
};

//  Is this a schema that we can hold values against? invalid_request names the keyword and where it
//  stands.
int any_schema_sound (berth_bytes_t schema, arena_t *arena, berth_error_t *err);

//  Holds a value against a sound schema. Returns 0 and *ret_normal: the value, with defaults in place
//  of what is absent. Returns -1 and *err: invalid_request, its field the first wrong path beneath
//  `at` ("config": config.auth.region); *ret_errors (unless NULL) all sentences, at most
//  ANY_SCHEMA_ERRORS. Everything lives in arena.
int any_schema_check (berth_bytes_t schema, berth_bytes_t value, const char *at, arena_t *arena,
                      berth_bytes_t *ret_normal, berth_strs_t *ret_errors, berth_error_t *err);

//  The dotted paths of all fields of format secret-ref, also in the branches of allOf, anyOf and oneOf
//  (Paperclip: reference, 3.1).
berth_strs_t any_schema_secrets (berth_bytes_t schema, arena_t *arena);

#endif
