//  json_schema.c - owns nothing: says a schema in JSON Schema's words.

#include "json_schema.h"

#include "codec.h"

#include <msgpack.h>
#include <string.h>

berth_bytes_t
json_texts (const char *const *items, size_t count, arena_t *arena)
{
    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    msgpack_pack_array (&pk, count);
    for (size_t index = 0; index < count; index++)
        msgpack_pack_str_with_body (&pk, items [index], strlen (items [index]));
    return berth_buffer_bytes (&buffer);
}

static berth_bytes_t
s_typed (const char *type, arena_t *arena)
{
    return any_set_text (berth_empty_map, "type", type, arena);
}

static berth_bytes_t
s_number (const berth_field_t *field, arena_t *arena)
{
    berth_bytes_t out = s_typed (field->kind == KIND_F64 ? "number" : "integer", arena);
    if (field->kind == KIND_U64 || (field->flags & POSITIVE))
        out = any_set_number (out, "minimum", field->flags & POSITIVE ? 1 : 0, arena);
    return field->limit ? any_set_number (out, "maximum", field->limit, arena) : out;
}

static berth_bytes_t
s_string (const berth_field_t *field, arena_t *arena)
{
    berth_bytes_t out = s_typed ("string", arena);
    if (field->kind == KIND_ENUM) {
        const berth_enum_t *of = field->of;
        return any_set (out, "enum", json_texts (of->texts + 1, of->count - 1, arena), arena);
    }
    if (field->flags & SECRET)
        out = any_set_text (out, "format", "secret-ref", arena);
    else if (field->kind == KIND_ID)
        out = any_set_text (out, "format", "uuid", arena);
    if (field->flags & POSITIVE)
        out = any_set_number (out, "minLength", 1, arena);
    return field->limit ? any_set_number (out, "maxLength", field->limit, arena) : out;
}

static berth_bytes_t
s_array (const berth_field_t *field, berth_bytes_t items, arena_t *arena)
{
    berth_bytes_t out = any_set (s_typed ("array", arena), "items", items, arena);
    if (field->flags & POSITIVE)
        out = any_set_number (out, "minItems", 1, arena);
    return field->limit ? any_set_number (out, "maxItems", field->limit, arena) : out;
}

static berth_bytes_t
s_property (const berth_field_t *field, arena_t *arena)
{
    switch (field->kind) {
        case KIND_BOOL:
            return s_typed ("boolean", arena);
        case KIND_I64: case KIND_U64: case KIND_F64: case KIND_TIME:
            return s_number (field, arena);
        case KIND_STR: case KIND_ID: case KIND_BYTES: case KIND_ENUM:
            return s_string (field, arena);
        case KIND_STRS: case KIND_BLOBS:
            return s_array (field, s_typed ("string", arena), arena);
        case KIND_LIST:
            return s_array (field, json_schema (field->of, arena), arena);
        case KIND_OBJ:
            return json_schema (field->of, arena);
        case KIND_ANY:
            return field->flags & OBJECT ? s_typed ("object", arena) : berth_empty_map;
        default:
            return berth_empty_map;
    }
}

berth_bytes_t
json_schema (const berth_schema_t *schema, arena_t *arena)
{
    berth_bytes_t properties = berth_empty_map;
    const char **required = arena_array (arena, schema->count + 1, const char *);
    size_t count = 0;
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        berth_bytes_t property = any_set_text (s_property (field, arena), "description", field->doc,
                                               arena);
        properties = any_set (properties, field->name, property, arena);
        if (field->flags & REQUIRED)
            required [count++] = field->name;
    }
    berth_bytes_t out = any_set (s_typed ("object", arena), "properties", properties, arena);
    if (count)
        out = any_set (out, "required", json_texts (required, count, arena), arena);
    return any_set_truth (out, "additionalProperties", !(schema->flags & SCHEMA_STRICT), arena);
}
