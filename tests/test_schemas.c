//  test_schemas.c - every schema of the house, driven by its own rows: random messages there and
//  back, each field with each thing that is wrong with it, cut and damaged bytes.

#include "fixture.h"

#include "codec.h"
#include "exec.h"
#include "ids.h"
#include "requests.h"

#include <msgpack.h>
#include <stdio.h>

//  ---- random messages

typedef struct {
    arena_t *arena;
    fixture_random_t random;
} maker_t;

static uint64_t
s_below (maker_t *self, uint64_t bound)
{
    return fixture_below (&self->random, bound);
}

static const char *
s_make_text (maker_t *self, uint64_t limit, bool filled)
{
    static const char *const parts [] = { "a", "Z", "/", " ", "\n", "\"", "\xc3\xbc", "\xe2\x82\xac",
                                          "\xf0\x9f\x9a\xa2" };
    uint64_t most = s_below (self, limit && limit < 60 ? limit + 1 : 60);
    char *text = arena_take (self->arena, 80);
    size_t size = 0;
    for (;;) {
        const char *part = parts [s_below (self, BERTH_COUNT (parts))];
        if (size + strlen (part) > most)
            break;
        memcpy (text + size, part, strlen (part));
        size += strlen (part);
    }
    return filled && size == 0 ? "x" : text;
}

static berth_bytes_t
s_make_bytes (maker_t *self, uint64_t limit, bool filled)
{
    size_t size = s_below (self, limit && limit < 60 ? limit + 1 : 60);
    if (filled && size == 0)
        size = 1;
    uint8_t *data = arena_take (self->arena, size);
    for (size_t index = 0; index < size; index++)
        data [index] = (uint8_t) fixture_random (&self->random);
    return (berth_bytes_t) { data, size };
}

static void
s_pack_any (maker_t *self, msgpack_packer *pk, unsigned depth, bool map)
{
    switch (map ? 0 : s_below (self, depth ? 8 : 6) + (depth ? 0 : 2)) {
        case 0: {
            size_t count = s_below (self, 4);
            msgpack_pack_map (pk, count);
            for (size_t index = 0; index < count; index++) {
                const char *key = arena_printf (self->arena, "%zu%s", index,
                                                s_make_text (self, 20, false));
                msgpack_pack_str_with_body (pk, key, strlen (key));
                s_pack_any (self, pk, depth - 1, false);
            }
            break;
        }
        case 1: {
            size_t count = s_below (self, 4);
            msgpack_pack_array (pk, count);
            while (count--)
                s_pack_any (self, pk, depth - 1, false);
            break;
        }
        case 2: msgpack_pack_nil (pk); break;
        case 3: msgpack_pack_true (pk); break;
        case 4: msgpack_pack_uint64 (pk, fixture_random (&self->random)); break;
        case 5: msgpack_pack_int64 (pk, -(int64_t) s_below (self, 1u << 20)); break;
        case 6: msgpack_pack_double (pk, 0.25 * (double) s_below (self, 1000)); break;
        default: {
            berth_bytes_t bytes = s_make_bytes (self, 0, false);
            msgpack_pack_bin_with_body (pk, bytes.data, bytes.size);
        }
    }
}

static berth_bytes_t
s_make_any (maker_t *self, bool map)
{
    berth_buffer_t buffer = { .arena = self->arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    s_pack_any (self, &pk, 3, map);
    return berth_buffer_bytes (&buffer);
}

static void s_make (maker_t *self, const berth_schema_t *schema, void *message, unsigned depth);

static void
s_make_items (maker_t *self, const berth_field_t *field, void *member, unsigned depth)
{
    bool filled = field->flags & POSITIVE;
    berth_list_t *list = member;
    list->count = s_below (self, field->limit && field->limit < 3 ? field->limit + 1 : 4);
    if (filled && list->count == 0)
        list->count = 1;
    if (depth == 0 && field->kind == KIND_LIST)
        list->count = 0;
    const berth_schema_t *of = field->of;
    size_t width = field->kind == KIND_LIST ? of->size
                 : field->kind == KIND_STRS ? sizeof (char *) : sizeof (berth_bytes_t);
    uint8_t *items = arena_take (self->arena, list->count * width + 1);
    list->items = items;
    for (size_t index = 0; index < list->count; index++) {
        void *item = items + index * width;
        if (field->kind == KIND_LIST)
            s_make (self, of, item, depth - 1);
        else if (field->kind == KIND_STRS)
            *(const char **) item = s_make_text (self, 0, filled);
        else
            *(berth_bytes_t *) item = s_make_bytes (self, 0, filled);
    }
}

static void
s_make_value (maker_t *self, const berth_field_t *field, void *member, unsigned depth)
{
    bool filled = field->flags & POSITIVE;
    uint64_t number = fixture_random (&self->random) >> s_below (self, 64);
    switch (field->kind) {
        case KIND_BOOL:
            *(bool *) member = number & 1;
            break;
        case KIND_U64:
            if (field->limit)
                number = number % (field->limit + 1);
            *(uint64_t *) member = filled && number == 0 ? 1 : number;
            break;
        case KIND_I64: case KIND_TIME:
            number >>= 1;
            if (field->limit)
                number = number % (field->limit + 1);
            *(int64_t *) member = filled ? (int64_t) (number ? number : 1)
                                : s_below (self, 2) ? (int64_t) number : -(int64_t) number;
            break;
        case KIND_F64:
            if (field->limit)
                number = number % (field->limit + 1);
            *(double *) member = filled && number == 0 ? 0.5 : (double) number;
            break;
        case KIND_STR:
            *(const char **) member = s_make_text (self, field->limit, filled);
            break;
        case KIND_ID: {
            char id [BERTH_ID_SIZE];
            berth_id_new (id);
            *(const char **) member = arena_string (self->arena, id);
            break;
        }
        case KIND_ENUM: {
            const berth_enum_t *of = field->of;
            *(int *) member = (int) (1 + s_below (self, of->count - 1));
            break;
        }
        case KIND_BYTES:
            *(berth_bytes_t *) member = s_make_bytes (self, field->limit, filled);
            break;
        case KIND_ANY:
            do
                *(berth_bytes_t *) member = s_make_any (self, field->flags & OBJECT);
            while (((field->flags & NULLABLE) && any_is_null (*(berth_bytes_t *) member))
                   || (field->limit && ((berth_bytes_t *) member)->size > field->limit));
            break;
        case KIND_OBJ: {
            const berth_schema_t *of = field->of;
            void *inner = arena_take (self->arena, of->size);
            *(void **) member = inner;
            s_make (self, of, inner, depth ? depth - 1 : 0);
            break;
        }
        case KIND_LIST: case KIND_STRS: case KIND_BLOBS:
            s_make_items (self, field, member, depth);
            break;
        default:
            fail_msg ("field '%s' is of a kind that no test makes", field->name);
    }
}

static void
s_make (maker_t *self, const berth_schema_t *schema, void *message, unsigned depth)
{
    berth_message_t *head = message;
    memset (message, 0, schema->size);
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        bool needed = field->flags & REQUIRED;
        bool nested = field->kind == KIND_OBJ || field->kind == KIND_LIST;
        unsigned choice = needed ? 0 : nested && depth == 0 ? 1 : (unsigned) s_below (self, 3);
        if (choice == 0) {
            s_make_value (self, field, (uint8_t *) message + field->offset, depth);
            head->has |= 1ull << index;
        }
        else if ((field->flags & NULLABLE) && (choice == 2 || (schema->flags & SCHEMA_ROW)))
            head->null |= 1ull << index;
    }
}

//  ---- equality, by the rows

static bool s_equal (const berth_schema_t *schema, const void *left, const void *right);

static bool
s_bytes_equal (const berth_bytes_t *left, const berth_bytes_t *right)
{
    return left->size == right->size
        && (left->size == 0 || memcmp (left->data, right->data, left->size) == 0);
}

static bool
s_items_equal (const berth_field_t *field, const berth_list_t *left, const berth_list_t *right)
{
    if (left->count != right->count)
        return false;
    for (size_t index = 0; index < left->count; index++) {
        const berth_schema_t *of = field->of;
        if (field->kind == KIND_LIST
            ? !s_equal (of, (const uint8_t *) left->items + index * of->size,
                        (const uint8_t *) right->items + index * of->size)
            : field->kind == KIND_STRS
            ? strcmp (((const char *const *) left->items) [index],
                      ((const char *const *) right->items) [index]) != 0
            : !s_bytes_equal ((const berth_bytes_t *) left->items + index,
                              (const berth_bytes_t *) right->items + index))
            return false;
    }
    return true;
}

static bool
s_value_equal (const berth_field_t *field, const void *left, const void *right)
{
    switch (field->kind) {
        case KIND_BOOL:
            return *(const bool *) left == *(const bool *) right;
        case KIND_I64: case KIND_U64: case KIND_F64: case KIND_TIME:
            return *(const uint64_t *) left == *(const uint64_t *) right;
        case KIND_ENUM:
            return *(const int *) left == *(const int *) right;
        case KIND_STR: case KIND_ID:
            return strcmp (*(const char *const *) left, *(const char *const *) right) == 0;
        case KIND_BYTES: case KIND_ANY:
            return s_bytes_equal (left, right);
        case KIND_OBJ:
            return s_equal (field->of, *(const void *const *) left, *(const void *const *) right);
        case KIND_LIST: case KIND_STRS: case KIND_BLOBS:
            return s_items_equal (field, left, right);
        default:
            return false;
    }
}

static bool
s_equal (const berth_schema_t *schema, const void *left, const void *right)
{
    const berth_message_t *one = left, *other = right;
    if (one->has != other->has || one->null != other->null) {
        print_error ("%s: has %llx and %llx, null %llx and %llx\n", schema->name,
                     (unsigned long long) one->has, (unsigned long long) other->has,
                     (unsigned long long) one->null, (unsigned long long) other->null);
        return false;
    }
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        if ((one->has >> index & 1)
            && !s_value_equal (field, (const uint8_t *) left + field->offset,
                               (const uint8_t *) right + field->offset)) {
            print_error ("%s.%s differs\n", schema->name, field->name);
            return false;
        }
    }
    return true;
}

//  ---- tests over all schemas

static void
s_rows_are_sound (void **state)
{
    (void) state;
    size_t count = 0;
    bool seen = false;
    for (const berth_schema_t *schema; (schema = berth_schema_at (count)); count++) {
        seen = seen || schema == &exec_schema;
        assert_true (schema->doc [0] != 0);
        for (size_t index = 0; index < schema->count; index++) {
            const berth_field_t *field = &schema->fields [index];
            unsigned presence = field->flags & (REQUIRED | OPTIONAL | NULLABLE);
            bool typed = field->kind == KIND_ENUM || field->kind == KIND_OBJ
                || field->kind == KIND_LIST;
            bool once = berth_schema_field (schema, field->name) == field;
            bool bounded = field->limit || (field->kind != KIND_STR && field->kind != KIND_BYTES
                                            && field->kind != KIND_ANY && field->kind != KIND_LIST
                                            && field->kind != KIND_STRS && field->kind != KIND_BLOBS);
            if ((presence != REQUIRED && presence != OPTIONAL && presence != NULLABLE)
                || typed != (field->of != NULL) || !once || !bounded || !field->doc [0]
                || ((field->flags & OBJECT) && field->kind != KIND_ANY))
                fail_msg ("%s.%s: %s", schema->name, field->name,
                          !bounded ? "a text, list or ANY needs a limit"
                          : !once ? "the name stands twice" : !field->doc [0] ? "it has no doc"
                          : "presence, or what it is of, is wrong");
        }
    }
    assert_true (seen);
    for (size_t one = 0; one < count; one++)
        for (size_t other = 0; other < one; other++)
            assert_string_not_equal (berth_schema_at (one)->name, berth_schema_at (other)->name);
}

static void
s_random_messages_come_back (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    const berth_schema_t *schema;
    for (size_t at = 0; (schema = berth_schema_at (at)); at++)
        for (uint64_t round = 0; round < 100; round++) {
            arena_clear (arena);
            maker_t maker = { arena, { at * 1000 + round } };
            void *sent = arena_take (arena, schema->size), *got = arena_take (arena, schema->size);
            s_make (&maker, schema, sent, 3);
            berth_bytes_t packed = berth_pack (schema, sent, arena);
            if (berth_unpack (schema, packed, arena, got, &err) || !s_equal (schema, sent, got))
                fail_msg ("%s, round %d: %s", schema->name, (int) round, err.text);
            assert_bytes (berth_pack (schema, got, arena), packed);
        }
}

static void
s_cut_and_damaged_bytes_never_crash (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    own (arena) inner = arena_new ();
    const berth_schema_t *schema;
    for (size_t at = 0; (schema = berth_schema_at (at)); at++) {
        arena_clear (arena);
        maker_t maker = { arena, { at } };
        void *sent = arena_take (arena, schema->size), *got = arena_take (arena, schema->size);
        s_make (&maker, schema, sent, 2);
        berth_bytes_t packed = berth_pack (schema, sent, arena);
        for (size_t size = 0; size < packed.size; size++) {
            berth_error_t err = { 0 };
            uint8_t *cut = malloc (size ? size : 1);
            assert_non_null (cut);
            memcpy (cut, packed.data, size);
            arena_clear (inner);
            assert_fails (berth_unpack (schema, (berth_bytes_t) { cut, size }, inner, got, &err),
                          err, BERTH_INVALID);
            free (cut);
        }
        for (int round = 0; round < 300; round++) {
            berth_error_t err = { 0 };
            uint8_t *damaged = malloc (packed.size);
            assert_non_null (damaged);
            memcpy (damaged, packed.data, packed.size);
            for (uint64_t hits = 1 + s_below (&maker, 3); hits; hits--)
                damaged [s_below (&maker, packed.size)] = (uint8_t) fixture_random (&maker.random);
            arena_clear (inner);
            if (berth_unpack (schema, (berth_bytes_t) { damaged, packed.size }, inner, got, &err))
                assert_int_equal (err.code, BERTH_INVALID);
            else
                (void) berth_pack (schema, got, inner);
            free (damaged);
        }
    }
}

//  ---- each field, each thing that is wrong with it

typedef struct {
    const berth_schema_t *schema;
    berth_bytes_t good;                 //  A packed message
    arena_t *arena;
} victim_t;

static void
s_must_refuse (victim_t *self, const berth_field_t *field, berth_bytes_t value, const char *what)
{
    berth_error_t err = { 0 };
    berth_bytes_t bad = any_set (self->good, field->name, value, self->arena);
    void *got = arena_take (self->arena, self->schema->size);
    if (berth_unpack (self->schema, bad, self->arena, got, &err) == 0)
        fail_msg ("%s.%s: %s is taken", self->schema->name, field->name, what);
    if (err.code != BERTH_INVALID
        || strncmp (err.field, field->name, strlen (field->name)) != 0
        || !strstr (err.text, field->name))
        fail_msg ("%s.%s: %s: field '%s', text '%s'", self->schema->name, field->name, what,
                  err.field, err.text);
}

//  An object of `size` in all: a str, bin, array or map by its 32-bit lead byte.
static berth_bytes_t
s_large (arena_t *arena, uint8_t lead, size_t count, uint8_t fill)
{
    uint8_t *data = arena_take (arena, 5 + count);
    memset (data, fill, 5 + count);
    data [0] = lead;
    for (int index = 0; index < 4; index++)
        data [1 + index] = (uint8_t) (count >> (24 - 8 * index));
    return (berth_bytes_t) { data, 5 + count };
}

static berth_bytes_t
s_number (arena_t *arena, uint64_t number)
{
    return any_get (any_set_number (berth_empty_map, "n", number, arena), "n");
}

static void
s_refuse_limits (victim_t *self, const berth_field_t *field)
{
    size_t over = (size_t) field->limit + 1;
    switch (field->kind) {
        case KIND_STR: case KIND_BYTES:
            if (field->limit && over < 900000)
                s_must_refuse (self, field, s_large (self->arena, 0xdb, over, 'x'), "a long text");
            if (field->flags & POSITIVE)
                s_must_refuse (self, field, BYTES_OF ("\xa0"), "an empty text");
            break;
        case KIND_ANY:
            if (field->limit && over < 900000 && !(field->flags & OBJECT))
                s_must_refuse (self, field, s_large (self->arena, 0xdb, over, 'x'), "large data");
            break;
        case KIND_I64: case KIND_U64: case KIND_TIME: case KIND_F64:
            if (field->limit && field->limit < INT64_MAX)
                s_must_refuse (self, field, s_number (self->arena, over), "a number over its limit");
            if (field->flags & POSITIVE)
                s_must_refuse (self, field, BYTES_OF ("\x00"), "0");
            break;
        case KIND_LIST: case KIND_STRS: case KIND_BLOBS:
            if (field->limit && over < 16000)
                s_must_refuse (self, field, s_large (self->arena, 0xdd, over, 0xa0), "a long list");
            if (field->flags & POSITIVE)
                s_must_refuse (self, field, BYTES_OF ("\x90"), "an empty list");
            break;
        case KIND_BOOL: case KIND_ID: case KIND_ENUM: case KIND_OBJ:
        default:
            break;
    }
}

static void
s_refuse_types (victim_t *self, const berth_field_t *field)
{
    bool text = field->kind == KIND_STR || field->kind == KIND_ID || field->kind == KIND_ENUM;
    bool number = field->kind == KIND_I64 || field->kind == KIND_U64 || field->kind == KIND_TIME
        || field->kind == KIND_F64;
    bool list = field->kind == KIND_LIST || field->kind == KIND_STRS || field->kind == KIND_BLOBS;
    bool any = field->kind == KIND_ANY;
    if (!any || (field->flags & OBJECT)) {
        if (!number)
            s_must_refuse (self, field, BYTES_OF ("\x07"), "a number");
        if (!list)
            s_must_refuse (self, field, BYTES_OF ("\x90"), "a list");
        if (field->kind != KIND_BOOL)
            s_must_refuse (self, field, BYTES_OF ("\xc3"), "true");
    }
    if (field->kind != KIND_OBJ && !any)
        s_must_refuse (self, field, BYTES_OF ("\x80"), "a map");
    if (text) {
        s_must_refuse (self, field, BYTES_OF ("\xc4\x01x"), "bin");
        s_must_refuse (self, field, BYTES_OF ("\xa1\xff"), "what is not UTF-8");
        s_must_refuse (self, field, BYTES_OF ("\xa2x\x00"), "a NUL");
    }
    if (field->kind == KIND_ID || field->kind == KIND_ENUM)
        s_must_refuse (self, field, BYTES_OF ("\xa8nonsense"), "nonsense");
    if (field->kind == KIND_U64)
        s_must_refuse (self, field, BYTES_OF ("\xff"), "a negative number");
    if (field->kind == KIND_I64 || field->kind == KIND_TIME)
        s_must_refuse (self, field, s_number (self->arena, UINT64_MAX), "more than 63 bits");
    if (number && field->kind != KIND_F64)
        s_must_refuse (self, field, BYTES_OF ("\xca\x3f\x80\x00\x00"), "1.0");
    if (field->kind == KIND_F64) {
        s_must_refuse (self, field, BYTES_OF ("\xca\x7f\x80\x00\x00"), "infinity");
        s_must_refuse (self, field, BYTES_OF ("\xca\x7f\xc0\x00\x00"), "NaN");
    }
    if (list)
        s_must_refuse (self, field, BYTES_OF ("\x91\xc3"), "a list of true");
    if (list)
        s_must_refuse (self, field, BYTES_OF ("\x91\xc0"), "a list of null");
}

static void
s_every_wrong_field_is_named (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    const berth_schema_t *schema;
    for (size_t at = 0; (schema = berth_schema_at (at)); at++)
        for (size_t index = 0; index < schema->count; index++) {
            const berth_field_t *field = &schema->fields [index];
            arena_clear (arena);
            maker_t maker = { arena, { at } };
            void *sent = arena_take (arena, schema->size);
            s_make (&maker, schema, sent, 1);
            victim_t victim = { schema, berth_pack (schema, sent, arena), arena };
            s_refuse_types (&victim, field);
            s_refuse_limits (&victim, field);
            if (field->flags & REQUIRED)
                s_must_refuse (&victim, field, (berth_bytes_t) { NULL, 0 }, "its absence");
            if (!(field->flags & NULLABLE) && (field->kind != KIND_ANY || (field->flags & OBJECT)))
                s_must_refuse (&victim, field, BYTES_OF ("\xc0"), "null");
        }
}

static void
s_unknown_keys (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    const berth_schema_t *schema;
    for (size_t at = 0; (schema = berth_schema_at (at)); at++) {
        berth_error_t err = { 0 };
        arena_clear (arena);
        maker_t maker = { arena, { at } };
        void *sent = arena_take (arena, schema->size), *got = arena_take (arena, schema->size);
        s_make (&maker, schema, sent, 1);
        berth_bytes_t more = any_set (berth_pack (schema, sent, arena), "planted",
                                      BYTES_OF ("\x81\xa1" "a\x92\x01\xc4\x01x"), arena);
        int rc = berth_unpack (schema, more, arena, got, &err);
        if (schema->flags & SCHEMA_STRICT) {
            assert_fails (rc, err, BERTH_INVALID);
            assert_string_equal (err.field, "planted");
        }
        else {
            assert_ok (rc, err);
            assert_true (s_equal (schema, sent, got));
        }
    }
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_rows_are_sound),
        cmocka_unit_test (s_random_messages_come_back),
        cmocka_unit_test (s_cut_and_damaged_bytes_never_crash),
        cmocka_unit_test (s_every_wrong_field_is_named),
        cmocka_unit_test (s_unknown_keys),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
