//  any_schema.c - owns the walk of a value beside its schema.

#include "any_schema_inside.h"

#include "codec.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    STEPS_MAX = 20000,              //  Schemas looked at for one value: branches in branches end here
    UNIQUE_MAX = 1024               //  Items that are compared with each other
};

typedef struct {
    arena_t *arena;
    const char *texts [ANY_SCHEMA_ERRORS];
    const char *first;              //  Path of the first
    size_t count;
    unsigned quiet;                 //  In a branch that may fail
    unsigned steps;
} walk_t;

static bool s_hold (walk_t *self, berth_bytes_t schema, berth_bytes_t value, const char *path,
                    unsigned depth, berth_bytes_t *ret_normal);

//  Always false: the value is wrong.
static bool
s_wrong (walk_t *self, const char *path, const char *why)
{
    if (self->quiet)
        return false;
    if (!self->first)
        self->first = path;
    if (self->count < ANY_SCHEMA_ERRORS)
        self->texts [self->count++] = arena_printf (self->arena, "%s %s", path, why);
    return false;
}

//  ---- lists

//  The next element of a packed array: begin with *wire of its token and *left its count.
static berth_bytes_t
s_item (wire_t *wire)
{
    const uint8_t *start = wire->at;
    wire_skip (wire);
    return (berth_bytes_t) { start, (size_t) (wire->at - start) };
}

static size_t
s_array (berth_bytes_t packed, wire_t *ret_wire)
{
    wire_token_t token;
    *ret_wire = wire_of (packed);
    return packed.size && wire_next (ret_wire, &token) == 0 && token.type == WIRE_ARRAY ? token.size : 0;
}

//  ---- types and values

static bool
s_is_whole (const wire_token_t *token)
{
    return token->type == WIRE_UINT || token->type == WIRE_INT
        || (token->type == WIRE_FLOAT && isfinite (token->real) && token->real == floor (token->real));
}

static bool
s_is_type (const wire_token_t *name, const wire_token_t *value)
{
    switch (value->type) {
        case WIRE_NIL:
            return any_schema_says (name, "null");
        case WIRE_BOOL:
            return any_schema_says (name, "boolean");
        case WIRE_UINT: case WIRE_INT: case WIRE_FLOAT:
            return any_schema_says (name, "number")
                || (s_is_whole (value) && any_schema_says (name, "integer"));
        case WIRE_STR: case WIRE_BIN:
            return any_schema_says (name, "string");
        case WIRE_ARRAY:
            return any_schema_says (name, "array");
        case WIRE_MAP:
            return any_schema_says (name, "object");
        case WIRE_EXT: default:
            return false;
    }
}

static bool
s_type (walk_t *self, berth_bytes_t wanted, const wire_token_t *value, const char *path)
{
    wire_token_t name = any_schema_token (wanted);
    if (name.type == WIRE_STR)
        return s_is_type (&name, value)
            || s_wrong (self, path, arena_printf (self->arena, "must be a%s %.*s",
                                                  strchr ("aio", name.data [0]) ? "n" : "", (int) name.size,
                                                  (const char *) name.data));
    wire_t wire;
    char names [160] = "";
    for (size_t left = s_array (wanted, &wire); left; left--) {
        name = any_schema_token (s_item (&wire));
        if (s_is_type (&name, value))
            return true;
        size_t size = strlen (names);
        snprintf (names + size, sizeof names - size, "%s%.*s", size ? ", " : "", (int) name.size,
                  (const char *) name.data);
    }
    return s_wrong (self, path, arena_printf (self->arena, "must be one of: %s", names));
}

//  What a person may write there: texts as they are, other values by their kind.
static const char *
s_choices (berth_bytes_t list, arena_t *arena)
{
    wire_t wire;
    char text [320] = "";
    for (size_t left = s_array (list, &wire); left; left--) {
        wire_token_t one = any_schema_token (s_item (&wire));
        size_t size = strlen (text);
        const char *comma = size ? ", " : "";
        if (one.type == WIRE_STR)
            snprintf (text + size, sizeof text - size, "%s%.*s", comma, (int) one.size, (const char *) one.data);
        else if (one.type == WIRE_UINT)
            snprintf (text + size, sizeof text - size, "%s%llu", comma, (unsigned long long) one.number);
        else if (one.type == WIRE_BOOL || one.type == WIRE_NIL)
            snprintf (text + size, sizeof text - size, "%s%s", comma,
                      one.type == WIRE_NIL ? "null" : one.truth ? "true" : "false");
        else
            snprintf (text + size, sizeof text - size, "%s...", comma);
    }
    return arena_string (arena, text);
}

static bool
s_enum (walk_t *self, berth_bytes_t list, berth_bytes_t value, const char *path)
{
    wire_t wire;
    for (size_t left = s_array (list, &wire); left; left--)
        if (any_equal (s_item (&wire), value))
            return true;
    return s_wrong (self, path, arena_printf (self->arena, "must be one of: %s", s_choices (list, self->arena)));
}

static double
s_real (const wire_token_t *token)
{
    return token->type == WIRE_UINT ? (double) token->number
         : token->type == WIRE_INT ? (double) (int64_t) token->number : token->real;
}

static bool
s_is_number (const wire_token_t *token)
{
    return token->type == WIRE_UINT || token->type == WIRE_INT || token->type == WIRE_FLOAT;
}

static bool
s_number (walk_t *self, berth_bytes_t schema, const wire_token_t *value, const char *path)
{
    static const struct {
        const char *keyword, *sentence;
    } s_bounds [] = {
        { "minimum", "must be at least" }, { "maximum", "must be at most" },
        { "exclusiveMinimum", "must be above" }, { "exclusiveMaximum", "must be below" },
        { "multipleOf", "must be a multiple of" },
    };
    double number = s_real (value);
    bool right = true;
    for (int index = 0; index < (int) BERTH_COUNT (s_bounds); index++) {
        wire_token_t token = any_schema_token (any_get (schema, s_bounds [index].keyword));
        if (!s_is_number (&token))
            continue;
        double bound = s_real (&token);
        bool good = index == 0 ? number >= bound : index == 1 ? number <= bound
                  : index == 2 ? number > bound : index == 3 ? number < bound
                  : bound > 0 && fabs (number / bound - nearbyint (number / bound)) < 1e-9;
        if (!good)
            right = s_wrong (self, path, arena_printf (self->arena, "%s %.15g", s_bounds [index].sentence,
                                                       bound));
    }
    return right;
}

//  ---- arrays

//  Packs `count` changed items as one array.
static berth_bytes_t
s_pack_items (const berth_bytes_t *items, size_t count, arena_t *arena)
{
    size_t size = 5;
    for (size_t index = 0; index < count; index++)
        size += items [index].size;
    uint8_t *packed = arena_take (arena, size), *at = packed;
    *at++ = 0xdd;
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t) (count >> shift);
    for (size_t index = 0; index < count; index++) {
        memcpy (at, items [index].data, items [index].size);
        at += items [index].size;
    }
    return (berth_bytes_t) { packed, size };
}

static bool
s_unique (walk_t *self, const berth_bytes_t *items, size_t count, const char *path)
{
    if (count > UNIQUE_MAX)
        return s_wrong (self, path, "has too many items to be compared");
    for (size_t one = 0; one < count; one++)
        for (size_t other = one + 1; other < count; other++)
            if (any_equal (items [one], items [other]))
                return s_wrong (self, path, "must not hold the same twice");
    return true;
}

static bool
s_items (walk_t *self, berth_bytes_t schema, berth_bytes_t value, const char *path, unsigned depth,
         berth_bytes_t *ret_normal)
{
    wire_t wire;
    size_t count = s_array (value, &wire);
    uint64_t least = any_number (schema, "minItems", 0), most = any_number (schema, "maxItems", UINT64_MAX);
    berth_bytes_t each = any_get (schema, "items");
    if (count < least || count > most)
        return s_wrong (self, path, arena_printf (self->arena, "must have %s %llu items", count < least
                                                  ? "at least" : "at most",
                                                  (unsigned long long) (count < least ? least : most)));
    berth_bytes_t *items = arena_array (self->arena, count + 1, berth_bytes_t);
    bool right = true, changed = false;
    for (size_t index = 0; index < count; index++) {
        items [index] = s_item (&wire);
        if (!each.size)
            continue;
        const uint8_t *was = items [index].data;
        const char *at = arena_printf (self->arena, "%s[%zu]", path, index);
        right &= s_hold (self, each, items [index], at, depth + 1, &items [index]);
        changed |= items [index].data != was;
    }
    if (any_truth (schema, "uniqueItems", false))
        right &= s_unique (self, items, count, path);
    if (right && changed)
        *ret_normal = s_pack_items (items, count, self->arena);
    return right;
}

//  ---- objects

static bool
s_required (walk_t *self, berth_bytes_t list, berth_bytes_t value, const char *path)
{
    wire_t wire;
    bool right = true;
    for (size_t left = s_array (list, &wire); left; left--) {
        wire_token_t name = any_schema_token (s_item (&wire));
        if (name.type != WIRE_STR)
            continue;
        const char *key = arena_text (self->arena, (const char *) name.data, name.size);
        if (!any_get (value, key).size)
            right = s_wrong (self, arena_printf (self->arena, "%s.%s", path, key), "is needed");
    }
    return right;
}

//  Each member that is there, by its own schema or that of the others.
static bool
s_members (walk_t *self, berth_bytes_t schema, berth_bytes_t value, const char *path, unsigned depth,
           berth_bytes_t *ret_normal)
{
    berth_bytes_t known = any_get (schema, "properties"), others = any_get (schema, "additionalProperties");
    berth_bytes_t key, member;
    size_t position = 0;
    bool right = true;
    while (any_each (value, &position, &key, &member)) {
        const char *name = arena_text (self->arena, (const char *) key.data, key.size);
        const char *at = arena_printf (self->arena, "%s.%s", path, name);
        berth_bytes_t of = any_get (known, name), normal = member;
        if (!of.size && others.size == 1 && others.data [0] == 0xc2) {
            right = s_wrong (self, at, "is not known");
            continue;
        }
        of = of.size ? of : others;
        if (!of.size)
            continue;
        right &= s_hold (self, of, member, at, depth + 1, &normal);
        if (normal.data != member.data)
            *ret_normal = any_set (*ret_normal, name, normal, self->arena);
    }
    return right;
}

static void
s_defaults (walk_t *self, berth_bytes_t schema, berth_bytes_t *ret_normal)
{
    berth_bytes_t key, of;
    size_t position = 0;
    while (any_each (any_get (schema, "properties"), &position, &key, &of)) {
        berth_bytes_t value = any_get (of, "default");
        const char *name = arena_text (self->arena, (const char *) key.data, key.size);
        if (value.size && !any_get (*ret_normal, name).size)
            *ret_normal = any_set (*ret_normal, name, value, self->arena);
    }
}

static bool
s_object (walk_t *self, berth_bytes_t schema, berth_bytes_t value, const char *path, unsigned depth,
          berth_bytes_t *ret_normal)
{
    uint64_t least = any_number (schema, "minProperties", 0);
    uint64_t most = any_number (schema, "maxProperties", UINT64_MAX);
    size_t count = any_count (value);
    bool right = true;
    s_defaults (self, schema, ret_normal);
    if (count < least || count > most)
        right = s_wrong (self, path, arena_printf (self->arena, "must have %s %llu fields", count < least
                                                   ? "at least" : "at most",
                                                   (unsigned long long) (count < least ? least : most)));
    right &= s_required (self, any_get (schema, "required"), *ret_normal, path);
    return s_members (self, schema, value, path, depth, ret_normal) && right;
}

//  ---- branches

static bool
s_branch (walk_t *self, berth_bytes_t schema, berth_bytes_t value, const char *path, unsigned depth,
          berth_bytes_t *ret_normal)
{
    berth_bytes_t normal = value;
    self->quiet++;
    bool right = s_hold (self, schema, value, path, depth + 1, &normal);
    self->quiet--;
    if (right)
        *ret_normal = normal;
    return right;
}

static bool
s_branches (walk_t *self, berth_bytes_t schema, const char *path, unsigned depth, berth_bytes_t *ret_normal)
{
    wire_t wire;
    size_t count = s_array (any_get (schema, "allOf"), &wire);
    bool right = true;
    while (count--)
        right &= s_hold (self, s_item (&wire), *ret_normal, path, depth + 1, ret_normal);

    berth_bytes_t before = *ret_normal, normal = before;
    count = s_array (any_get (schema, "anyOf"), &wire);
    bool wanted = count > 0, fits = false;
    while (count-- && !fits)
        fits = s_branch (self, s_item (&wire), before, path, depth, &normal);
    if (wanted && !fits)
        right = s_wrong (self, path, "fits none of the shapes that it may have");

    count = s_array (any_get (schema, "oneOf"), &wire);
    size_t fitting = 0;
    wanted = count > 0;
    while (count--)
        fitting += s_branch (self, s_item (&wire), before, path, depth, &normal);
    if (wanted && fitting != 1)
        right = s_wrong (self, path, fitting ? "fits more than one of the shapes that it may have"
                                             : "fits none of the shapes that it may have");

    berth_bytes_t none = any_get (schema, "not"), ignored = before;
    if (none.size && s_branch (self, none, before, path, depth, &ignored))
        right = s_wrong (self, path, "has a shape that it must not have");
    *ret_normal = normal;
    return right;
}

//  ---- one value

static bool
s_hold (walk_t *self, berth_bytes_t schema, berth_bytes_t value, const char *path, unsigned depth,
        berth_bytes_t *ret_normal)
{
    *ret_normal = value;
    if (++self->steps > STEPS_MAX || depth > ANY_SCHEMA_DEPTH)
        return s_wrong (self, path, "cannot be checked: its schema branches too much");
    wire_token_t token = any_schema_token (schema);
    if (token.type == WIRE_BOOL)
        return token.truth || s_wrong (self, path, "must not be there");
    wire_token_t at = any_schema_token (value);
    berth_bytes_t type = any_get (schema, "type"), list = any_get (schema, "enum");
    berth_bytes_t constant = any_get (schema, "const");
    if (type.size && !s_type (self, type, &at, path))
        return false;
    bool right = true;
    if (list.size)
        right &= s_enum (self, list, value, path);
    if (constant.size && !any_equal (constant, value))
        right = s_wrong (self, path, "must be the one value that it may have");
    if (at.type == WIRE_STR || at.type == WIRE_BIN) {
        const char *why = any_schema_text_wrong (schema, &at, self->arena);
        right &= !why || s_wrong (self, path, why);
    }
    else if (s_is_number (&at))
        right &= s_number (self, schema, &at, path);
    else if (at.type == WIRE_ARRAY)
        right &= s_items (self, schema, value, path, depth, ret_normal);
    else if (at.type == WIRE_MAP)
        right &= s_object (self, schema, value, path, depth, ret_normal);
    return s_branches (self, schema, path, depth, ret_normal) && right;
}

int
any_schema_check (berth_bytes_t schema, berth_bytes_t value, const char *at, arena_t *arena,
                  berth_bytes_t *ret_normal, berth_strs_t *ret_errors, berth_error_t *err)
{
    walk_t walk = { .arena = arena };
    berth_bytes_t normal;
    bool right = s_hold (&walk, schema, value, at, 0, &normal);
    if (ret_errors) {
        const char **texts = arena_array (arena, walk.count + 1, const char *);
        memcpy (texts, walk.texts, walk.count * sizeof *texts);
        *ret_errors = (berth_strs_t) { walk.count, texts };
    }
    if (right) {
        *ret_normal = normal;
        return 0;
    }
    if (err)
        berth_error_set (err->field, sizeof err->field, "%s", walk.first);
    return berth_fail (err, BERTH_INVALID, "%s", walk.texts [0]);
}
