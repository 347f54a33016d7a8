//  any_schema_sound.c - owns which schemas are understood, and where their secrets are.

#include "any_schema_inside.h"

#include "codec.h"

#include <string.h>

//  What a keyword's value is; what restricts nothing (title, description...) has no row.
typedef enum { IS_ANY, IS_SCHEMA, IS_SCHEMAS, IS_SCHEMA_LIST, IS_COUNT, IS_NUMBER, IS_TEXTS, IS_TYPE,
               IS_PATTERN, IS_TEXT, IS_BOOL, IS_LIST, IS_REFUSED } shape_t;

static const struct {
    const char *keyword;
    shape_t shape;
} s_keywords [] = {
    { "type", IS_TYPE }, { "enum", IS_LIST }, { "const", IS_ANY }, { "default", IS_ANY },
    { "properties", IS_SCHEMAS }, { "required", IS_TEXTS }, { "additionalProperties", IS_SCHEMA },
    { "items", IS_SCHEMA }, { "minItems", IS_COUNT }, { "maxItems", IS_COUNT },
    { "uniqueItems", IS_BOOL }, { "minProperties", IS_COUNT }, { "maxProperties", IS_COUNT },
    { "minLength", IS_COUNT }, { "maxLength", IS_COUNT }, { "pattern", IS_PATTERN },
    { "format", IS_TEXT }, { "minimum", IS_NUMBER }, { "maximum", IS_NUMBER },
    { "exclusiveMinimum", IS_NUMBER }, { "exclusiveMaximum", IS_NUMBER }, { "multipleOf", IS_NUMBER },
    { "allOf", IS_SCHEMA_LIST }, { "anyOf", IS_SCHEMA_LIST }, { "oneOf", IS_SCHEMA_LIST },
    { "not", IS_SCHEMA },
    { "$ref", IS_REFUSED }, { "$dynamicRef", IS_REFUSED }, { "if", IS_REFUSED }, { "then", IS_REFUSED },
    { "else", IS_REFUSED }, { "patternProperties", IS_REFUSED }, { "propertyNames", IS_REFUSED },
    { "dependentRequired", IS_REFUSED }, { "dependentSchemas", IS_REFUSED },
    { "dependencies", IS_REFUSED }, { "contains", IS_REFUSED }, { "minContains", IS_REFUSED },
    { "maxContains", IS_REFUSED }, { "prefixItems", IS_REFUSED }, { "additionalItems", IS_REFUSED },
    { "unevaluatedProperties", IS_REFUSED }, { "unevaluatedItems", IS_REFUSED },
};

typedef struct {
    arena_t *arena;
    berth_error_t *err;
} sound_t;

static int s_schema (sound_t *self, berth_bytes_t schema, const char *path, unsigned depth);

static int
s_refuse (sound_t *self, const char *path, const char *why)
{
    if (self->err)
        berth_error_set (self->err->field, sizeof self->err->field, "%s", path);
    return berth_fail (self->err, BERTH_INVALID, "the schema's %s %s", path, why);
}

static const char *
s_path (sound_t *self, const char *path, berth_bytes_t key)
{
    return arena_printf (self->arena, "%s/%.*s", path, (int) (key.size < 80 ? key.size : 80),
                         (const char *) key.data);
}

static int
s_schemas (sound_t *self, berth_bytes_t map, const char *path, unsigned depth)
{
    berth_bytes_t key, schema;
    size_t position = 0;
    if (any_schema_token (map).type != WIRE_MAP)
        return s_refuse (self, path, "must be an object");
    while (any_each (map, &position, &key, &schema))
        if (s_schema (self, schema, s_path (self, path, key), depth))
            return -1;
    return 0;
}

//  Every element by `each`, of a list that is not empty.
static int
s_list (sound_t *self, berth_bytes_t list, const char *path, unsigned depth, shape_t of)
{
    static const char *const s_types [] = { "string", "number", "integer", "boolean", "object", "array",
                                            "null" };
    wire_t wire = wire_of (list);
    wire_token_t token;
    if (wire_next (&wire, &token) || token.type != WIRE_ARRAY || (token.size == 0 && of != IS_TEXTS))
        return s_refuse (self, path, "must be a list with something in it");
    for (size_t left = token.size; left; left--) {
        const uint8_t *start = wire.at;
        wire_skip (&wire);
        berth_bytes_t item = { start, (size_t) (wire.at - start) };
        wire_token_t at = any_schema_token (item);
        if (of == IS_SCHEMA_LIST && s_schema (self, item, path, depth))
            return -1;
        if ((of == IS_TEXTS || of == IS_TYPE) && at.type != WIRE_STR)
            return s_refuse (self, path, "must be a list of texts");
        bool known = of != IS_TYPE;
        for (size_t index = 0; !known && index < BERTH_COUNT (s_types); index++)
            known = any_schema_says (&at, s_types [index]);
        if (!known)
            return s_refuse (self, path, "names a type that there is not");
    }
    return 0;
}

static int
s_type (sound_t *self, berth_bytes_t value, const char *path)
{
    if (any_schema_token (value).type != WIRE_STR)
        return s_list (self, value, path, 0, IS_TYPE);
    uint8_t *one = arena_take (self->arena, value.size + 1);        //  As a list of one
    one [0] = 0x91;
    memcpy (one + 1, value.data, value.size);
    return s_list (self, (berth_bytes_t) { one, value.size + 1 }, path, 0, IS_TYPE);
}

static int
s_keyword (sound_t *self, shape_t shape, berth_bytes_t value, const char *path, unsigned depth)
{
    wire_token_t token = any_schema_token (value);
    bool number = token.type == WIRE_UINT || token.type == WIRE_INT || token.type == WIRE_FLOAT;
    const char *why = NULL;
    switch (shape) {
        case IS_SCHEMA:
            return s_schema (self, value, path, depth + 1);
        case IS_SCHEMAS:
            return s_schemas (self, value, path, depth + 1);
        case IS_SCHEMA_LIST: case IS_TEXTS: case IS_LIST:
            return s_list (self, value, path, depth + 1, shape);
        case IS_TYPE:
            return s_type (self, value, path);
        case IS_PATTERN:
            why = any_schema_pattern_wrong (&token, self->arena);
            break;
        case IS_COUNT:
            why = token.type == WIRE_UINT ? NULL : "must be a number from 0";
            break;
        case IS_NUMBER:
            why = number ? NULL : "must be a number";
            break;
        case IS_TEXT:
            why = token.type == WIRE_STR ? NULL : "must be a text";
            break;
        case IS_BOOL:
            why = token.type == WIRE_BOOL ? NULL : "must be true or false";
            break;
        case IS_REFUSED:
            why = "is a keyword that is not understood here: it would go unchecked";
            break;
        case IS_ANY: default:
            break;
    }
    return why ? s_refuse (self, path, why) : 0;
}

static int
s_schema (sound_t *self, berth_bytes_t schema, const char *path, unsigned depth)
{
    berth_bytes_t key, value;
    size_t position = 0;
    wire_token_t token = any_schema_token (schema);
    if (token.type == WIRE_BOOL)
        return 0;
    if (token.type != WIRE_MAP)
        return s_refuse (self, path, "must be an object");
    if (depth > ANY_SCHEMA_DEPTH)
        return s_refuse (self, path, "lies too deep");
    while (any_each (schema, &position, &key, &value)) {
        wire_token_t name = { .type = WIRE_STR, .data = key.data, .size = key.size };
        for (size_t index = 0; index < BERTH_COUNT (s_keywords); index++)
            if (any_schema_says (&name, s_keywords [index].keyword)
                && s_keyword (self, s_keywords [index].shape, value, s_path (self, path, key), depth))
                return -1;
    }
    return 0;
}

int
any_schema_sound (berth_bytes_t schema, arena_t *arena, berth_error_t *err)
{
    sound_t sound = { arena, err };
    return s_schema (&sound, schema, "", 0);
}

//  ---- secrets

typedef struct {
    arena_t *arena;
    const char **paths;
    size_t count;
} secrets_t;

static void
s_add (secrets_t *self, const char *path)
{
    for (size_t index = 0; index < self->count; index++)
        if (strcmp (self->paths [index], path) == 0)
            return;                 //  In several branches
    if (self->count < ANY_SCHEMA_SECRETS)
        self->paths [self->count++] = path;
}

static void
s_secrets (secrets_t *self, berth_bytes_t schema, const char *path, unsigned depth)
{
    static const char *const s_branches [] = { "allOf", "anyOf", "oneOf" };
    wire_token_t format = any_schema_token (any_get (schema, "format"));
    berth_bytes_t key, of;
    size_t position = 0;
    if (depth > ANY_SCHEMA_DEPTH)
        return;
    if (*path && any_schema_says (&format, "secret-ref"))
        s_add (self, path);
    while (any_each (any_get (schema, "properties"), &position, &key, &of))
        s_secrets (self, of, arena_printf (self->arena, "%s%s%.*s", path, *path ? "." : "", (int) key.size,
                                           (const char *) key.data), depth + 1);
    for (size_t index = 0; index < BERTH_COUNT (s_branches); index++) {
        berth_bytes_t list = any_get (schema, s_branches [index]);
        wire_t wire = wire_of (list);
        wire_token_t token;
        if (!list.size || wire_next (&wire, &token) || token.type != WIRE_ARRAY)
            continue;
        for (size_t left = token.size; left; left--) {
            const uint8_t *start = wire.at;
            wire_skip (&wire);
            s_secrets (self, (berth_bytes_t) { start, (size_t) (wire.at - start) }, path, depth + 1);
        }
    }
}

berth_strs_t
any_schema_secrets (berth_bytes_t schema, arena_t *arena)
{
    secrets_t secrets = { .arena = arena, .paths = arena_array (arena, ANY_SCHEMA_SECRETS, const char *) };
    s_secrets (&secrets, schema, "", 0);
    return (berth_strs_t) { secrets.count, secrets.paths };
}
