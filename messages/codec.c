//  codec.c - owns nothing: schemas as data, and reading packed bytes by one. Packing: pack.c.

#include "codec.h"

#include "ids.h"
#include "plant.h"
#include "wire.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

//  ---- schemas as data

static const char *const s_kinds [] = {
    [KIND_BOOL] = "bool", [KIND_I64] = "i64", [KIND_U64] = "u64", [KIND_F64] = "f64",
    [KIND_STR] = "str", [KIND_ID] = "id", [KIND_BYTES] = "bytes", [KIND_TIME] = "time",
    [KIND_ENUM] = "enum", [KIND_OBJ] = "obj", [KIND_LIST] = "list", [KIND_STRS] = "list of str",
    [KIND_BLOBS] = "list of bytes", [KIND_ANY] = "any"
};

const char *
berth_kind_text (berth_kind_t kind)
{
    return s_kinds [kind];
}

const char *
berth_enum_text (const berth_enum_t *self, int value)
{
    return value > 0 && (size_t) value < self->count ? self->texts [value] : "";
}

int
berth_enum_value (const berth_enum_t *self, const char *text, size_t size)
{
    for (size_t value = 1; value < self->count; value++)
        if (strlen (self->texts [value]) == size && memcmp (self->texts [value], text, size) == 0)
            return (int) value;
    return 0;
}

const berth_field_t *
berth_schema_field (const berth_schema_t *self, const char *name)
{
    for (size_t index = 0; index < self->count; index++)
        if (strcmp (self->fields [index].name, name) == 0)
            return &self->fields [index];
    return NULL;
}

//  ---- unpacking

//  Where we are, for the path of a bad field; lives on the stack.
typedef struct trail {
    const struct trail *up;
    const char *name;           //  Or NULL: an element
    size_t index;
} trail_t;

typedef struct {
    wire_t wire;
    arena_t *arena;
    berth_error_t *err;
    bool own;                   //  Written by ourselves: free data was looked at when it came in
} unpack_t;

static size_t
s_path (const trail_t *trail, char *text, size_t size)
{
    if (!trail)
        return 0;
    size_t used = s_path (trail->up, text, size);
    int more = trail->name
        ? snprintf (text + used, size - used, "%s%s", used ? "." : "", trail->name)
        : snprintf (text + used, size - used, "[%zu]", trail->index);
    used += more > 0 ? (size_t) more : 0;
    return used < size ? used : size - 1;
}

static int
s_wrong (unpack_t *self, const trail_t *trail, const char *what)
{
    if (self->err) {
        char path [sizeof self->err->field + 4] = "";
        s_path (trail, path, sizeof path);
        berth_error_set (self->err->field, sizeof self->err->field, "%s", path);
        return berth_fail (self->err, BERTH_INVALID, "field '%s' %s", self->err->field, what);
    }
    return -1;
}

static int s_unpack (unpack_t *self, const berth_schema_t *schema, void *message,
                     const trail_t *trail);

static int
s_read_text (unpack_t *self, const berth_field_t *field, const wire_token_t *token,
             const char **ret_text, const trail_t *trail)
{
    if (token->type != WIRE_STR)
        return s_wrong (self, trail, "must be a string");
    if (field->limit && field->kind != KIND_STRS && token->size > field->limit)
        return s_wrong (self, trail, "is longer than its limit");
    if (!wire_is_text (token->data, token->size))
        return s_wrong (self, trail, "must be UTF-8 text without NUL");
    if ((field->flags & POSITIVE) && token->size == 0)
        return s_wrong (self, trail, "must not be empty");
    *ret_text = arena_text (self->arena, (const char *) token->data, token->size);
    return 0;
}

static int
s_read_blob (unpack_t *self, const berth_field_t *field, const wire_token_t *token,
             berth_bytes_t *ret_bytes, const trail_t *trail)
{
    if (token->type != WIRE_BIN && token->type != WIRE_STR)
        return s_wrong (self, trail, "must be bytes");
    if (field->limit && field->kind == KIND_BYTES && token->size > field->limit)
        return s_wrong (self, trail, "is longer than its limit");
    if ((field->flags & POSITIVE) && field->kind == KIND_BYTES && token->size == 0)
        return s_wrong (self, trail, "must not be empty");
    *ret_bytes = (berth_bytes_t) { token->data, token->size };
    return 0;
}

static int
s_read_number (unpack_t *self, const berth_field_t *field, const wire_token_t *token, void *member,
               const trail_t *trail)
{
    if (token->type != WIRE_UINT && token->type != WIRE_INT)
        return s_wrong (self, trail, "must be an integer");
    if (field->kind == KIND_U64) {
        if (token->type == WIRE_INT)
            return s_wrong (self, trail, "must not be negative");
        if (field->limit && token->number > field->limit)
            return s_wrong (self, trail, "is above its limit");
    }
    else if (token->type == WIRE_UINT && token->number > INT64_MAX)
        return s_wrong (self, trail, "is too large");
    else if (token->type == WIRE_UINT && field->limit && token->number > field->limit)
        return s_wrong (self, trail, "is above its limit");
    if ((field->flags & POSITIVE) && (token->number == 0 || token->type == WIRE_INT))
        return s_wrong (self, trail, "must be above 0");
    *(uint64_t *) member = token->number;
    return 0;
}

static int
s_read_real (unpack_t *self, const berth_field_t *field, const wire_token_t *token, double *ret_real,
             const trail_t *trail)
{
    double real;
    if (token->type == WIRE_FLOAT)
        real = token->real;
    else if (token->type == WIRE_UINT)
        real = (double) token->number;
    else if (token->type == WIRE_INT)
        real = (double) (int64_t) token->number;
    else
        return s_wrong (self, trail, "must be a number");
    if (!isfinite (real))
        return s_wrong (self, trail, "must be a finite number");
    if (field->limit && real > (double) field->limit)
        return s_wrong (self, trail, "is above its limit");
    if ((field->flags & POSITIVE) && real <= 0)
        return s_wrong (self, trail, "must be above 0");
    *ret_real = real;
    return 0;
}

static int
s_read_list (unpack_t *self, const berth_field_t *field, const wire_token_t *token, void *member,
             const trail_t *trail)
{
    if (token->type != WIRE_ARRAY)
        return s_wrong (self, trail, "must be a list");
    if (token->size > (size_t) (self->wire.end - self->wire.at))
        return s_wrong (self, trail, "is cut off");     //  A row of our own, but a damaged disk
    if (field->limit && token->size > field->limit)
        return s_wrong (self, trail, "has more elements than its limit");
    if ((field->flags & POSITIVE) && token->size == 0)
        return s_wrong (self, trail, "must not be empty");
    const berth_schema_t *of = field->of;
    size_t width = field->kind == KIND_LIST ? of->size
                 : field->kind == KIND_STRS ? sizeof (char *) : sizeof (berth_bytes_t);
    uint8_t *items = arena_take (self->arena, token->size * width + 1);
    for (size_t index = 0; index < token->size; index++) {
        trail_t here = { trail, NULL, index };
        void *item = items + index * width;
        wire_token_t inner;
        if (field->kind == KIND_LIST) {
            if (s_unpack (self, of, item, &here))
                return -1;
        }
        else if (wire_next (&self->wire, &inner))
            return s_wrong (self, &here, "is cut off");
        else if (field->kind == KIND_STRS ? s_read_text (self, field, &inner, item, &here)
                                          : s_read_blob (self, field, &inner, item, &here))
            return -1;
    }
    berth_list_t *list = member;
    list->count = token->size;
    list->items = items;
    return 0;
}

//  Free data goes to readers that refuse the whole of a reply for one string that is none.
static bool
s_texts_are_text (berth_bytes_t bytes)
{
    wire_t wire = wire_of (bytes);
    wire_token_t token;
    while (wire.at < wire.end && wire_next (&wire, &token) == 0)
        if (token.type == WIRE_STR && !wire_is_text (token.data, token.size))
            return false;
    return true;
}

static int
s_read_any (unpack_t *self, const berth_field_t *field, void *member, const trail_t *trail)
{
    const uint8_t *start = self->wire.at;
    wire_t ahead = self->wire;
    wire_token_t token;
    if (wire_next (&ahead, &token))
        return s_wrong (self, trail, "is cut off");
    if ((field->flags & OBJECT) && token.type != WIRE_MAP)
        return s_wrong (self, trail, "must be a map");
    wire_skip (&self->wire);
    berth_bytes_t bytes = { start, (size_t) (self->wire.at - start) };
    if (field->limit && bytes.size > field->limit)
        return s_wrong (self, trail, "is larger than its limit");
    if (!self->own && !s_texts_are_text (bytes))
        return s_wrong (self, trail, "holds a string that is not UTF-8 text without NUL");
    *(berth_bytes_t *) member = bytes;
    return 0;
}

static int
s_read_value (unpack_t *self, const berth_field_t *field, void *member, const trail_t *trail)
{
    if (field->kind == KIND_ANY)
        return s_read_any (self, field, member, trail);
    if (field->kind == KIND_OBJ) {
        const berth_schema_t *of = field->of;
        void *inner = arena_take (self->arena, of->size);
        *(void **) member = inner;
        return s_unpack (self, of, inner, trail);
    }
    wire_token_t token;
    if (wire_next (&self->wire, &token))
        return s_wrong (self, trail, "is cut off");
    switch (field->kind) {
        case KIND_BOOL:
            if (token.type != WIRE_BOOL)
                return s_wrong (self, trail, "must be true or false");
            *(bool *) member = token.truth;
            return 0;
        case KIND_I64: case KIND_U64: case KIND_TIME:
            return s_read_number (self, field, &token, member, trail);
        case KIND_F64:
            return s_read_real (self, field, &token, member, trail);
        case KIND_STR:
            return s_read_text (self, field, &token, member, trail);
        case KIND_ID:
            if (s_read_text (self, field, &token, member, trail))
                return -1;
            return berth_id_is (*(const char **) member)
                ? 0 : s_wrong (self, trail, "must be a UUID in lower case");
        case KIND_BYTES:
            return s_read_blob (self, field, &token, member, trail);
        case KIND_ENUM: {
            int value = token.type == WIRE_STR
                ? berth_enum_value (field->of, (const char *) token.data, token.size) : 0;
            if (!value) {
                char what [200] = "must be one of";
                const berth_enum_t *of = field->of;
                for (size_t text = 1; text < of->count; text++) {
                    size_t used = strlen (what);
                    snprintf (what + used, sizeof what - used, "%s '%s'", text > 1 ? "," : "",
                              of->texts [text]);
                }
                return s_wrong (self, trail, what);
            }
            *(int *) member = value;
            return 0;
        }
        case KIND_LIST: case KIND_STRS: case KIND_BLOBS:
            return s_read_list (self, field, &token, member, trail);
        case KIND_OBJ: case KIND_ANY:
        default:
            ENSURE (!"a kind of field that is read");
    }
    return -1;
}

//  The field of a key. Writers mostly keep the order of the schema, so the search begins behind
//  the last hit.
static const berth_field_t *
s_field (const berth_schema_t *schema, const wire_token_t *key, size_t *hint)
{
    for (size_t tried = 0; tried < schema->count; tried++) {
        size_t index = *hint + tried;
        if (index >= schema->count)
            index -= schema->count;
        const char *name = schema->fields [index].name;
        if (schema->fields [index].name_size == key->size && memcmp (name, key->data, key->size) == 0) {
            *hint = index + 1 < schema->count ? index + 1 : 0;
            return &schema->fields [index];
        }
    }
    return NULL;
}

static int
s_unpack (unpack_t *self, const berth_schema_t *schema, void *message, const trail_t *trail)
{
    berth_message_t *head = message;
    wire_token_t map;
    if (wire_next (&self->wire, &map) || map.type != WIRE_MAP)
        return trail ? s_wrong (self, trail, "must be a map")
                     : berth_fail (self->err, BERTH_INVALID, "a %s must be a map", schema->name);
    size_t hint = 0;
    for (size_t pair = 0; pair < map.size; pair++) {
        wire_token_t key;
        if (wire_next (&self->wire, &key) || key.type != WIRE_STR)
            return s_wrong (self, trail, "has a key that is not a string");
        const berth_field_t *field = s_field (schema, &key, &hint);
        if (!field) {
            if (schema->flags & SCHEMA_STRICT) {
                char name [64] = "";
                for (size_t at = 0; at < key.size && at < 60; at++)
                    name [at] = key.data [at] ? (char) key.data [at] : '?';
                trail_t here = { trail, name, 0 };
                return s_wrong (self, &here, "is not known here");
            }
            wire_skip (&self->wire);
            continue;
        }
        trail_t here = { trail, field->name, 0 };
        uint64_t bit = 1ull << (field - schema->fields);
        if (self->wire.at < self->wire.end && *self->wire.at == 0xc0
            && (field->kind != KIND_ANY || (field->flags & (NULLABLE | OBJECT)))) {
            if (!(field->flags & NULLABLE))
                return s_wrong (self, &here, "must not be null");
            head->null |= bit;
            self->wire.at++;
            continue;
        }
        if (s_read_value (self, field, (uint8_t *) message + field->offset, &here))
            return -1;
        head->has |= bit;
    }
    for (size_t index = 0; index < schema->count; index++)
        if ((schema->fields [index].flags & REQUIRED) && !(head->has >> index & 1)) {
            trail_t here = { trail, schema->fields [index].name, 0 };
            return s_wrong (self, &here, "is missing");
        }
    return 0;
}

static int
s_unpack_all (const berth_schema_t *schema, berth_bytes_t bytes, arena_t *arena, bool own,
              void *ret_message, berth_error_t *err)
{
    unpack_t self = { wire_of (bytes), arena, err, own };
    memset (ret_message, 0, schema->size);
    return s_unpack (&self, schema, ret_message, NULL);
}

int
berth_unpack_own (const berth_schema_t *schema, berth_bytes_t bytes, arena_t *arena,
                  void *ret_message, berth_error_t *err)
{
    return s_unpack_all (schema, bytes, arena, true, ret_message, err);
}

static int
s_walk (berth_bytes_t bytes, berth_error_t *err)
{
    if (bytes.size > BERTH_FRAME_MAX)
        return berth_fail (err, BERTH_INVALID, "the frame is larger than %d bytes", BERTH_FRAME_MAX);
    int rc = wire_check (bytes, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, err);
    ENSURE (rc == 0 || !PLANTED ("malformed-crash"));
    return rc;
}

int
berth_unpack (const berth_schema_t *schema, berth_bytes_t bytes, arena_t *arena, void *ret_message,
              berth_error_t *err)
{
    return s_walk (bytes, err) ? -1 : s_unpack_all (schema, bytes, arena, false, ret_message, err);
}

int
berth_unpack_field (const char *name, const berth_schema_t *schema, berth_bytes_t bytes,
                    arena_t *arena, void *ret_message, berth_error_t *err)
{
    if (s_walk (bytes, err))
        return -1;
    unpack_t self = { wire_of (bytes), arena, err, false };
    trail_t trail = { .name = name };
    memset (ret_message, 0, schema->size);
    return s_unpack (&self, schema, ret_message, &trail);
}
