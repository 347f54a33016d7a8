//  fuzz_codec.c - damages good messages of every schema, and JSON, over and over.
//
//  slow
//  timeout: 300
//
//  What comes out is read or refused, never a crash, a leak or a byte too far (the sanitizers
//  tell); what is read can be written, and reads as the same again. The seed is printed: a second
//  run with BERTH_SEED finds the same.

#include "fixture.h"

#include "codec.h"
#include "json.h"
#include "requests.h"
#include "wire.h"

#include <msgpack.h>
#include <stdio.h>
#include <time.h>

enum { SECONDS = 10, SIZE_MAX_HERE = 4096 };

static fixture_random_t s_random;

static uint64_t
s_below (uint64_t bound)
{
    return fixture_below (&s_random, bound);
}

//  ---- something to damage: a map with the fields of a schema, and values that are often right

static void s_pack_map (msgpack_packer *pk, const berth_schema_t *schema, unsigned depth);

static void
s_pack_text (msgpack_packer *pk, const char *text)
{
    msgpack_pack_str_with_body (pk, text, strlen (text));
}

static void
s_pack_value (msgpack_packer *pk, const berth_field_t *field, unsigned depth)
{
    switch (field->kind) {
        case KIND_BOOL: s_below (2) ? msgpack_pack_true (pk) : msgpack_pack_false (pk); break;
        case KIND_I64: case KIND_TIME: msgpack_pack_int64 (pk, (int64_t) s_below (1000)); break;
        case KIND_U64: msgpack_pack_uint64 (pk, 1 + s_below (field->limit ? field->limit : 99)); break;
        case KIND_F64: msgpack_pack_double (pk, 0.5); break;
        case KIND_STR: case KIND_BYTES: s_pack_text (pk, s_below (4) ? "x" : "a longer text"); break;
        case KIND_ID: s_pack_text (pk, "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"); break;
        case KIND_ENUM: {
            const berth_enum_t *of = field->of;
            s_pack_text (pk, of->texts [1 + s_below (of->count - 1)]);
            break;
        }
        case KIND_OBJ: s_pack_map (pk, field->of, depth ? depth - 1 : 0); break;
        case KIND_LIST: case KIND_STRS: case KIND_BLOBS: {
            size_t count = depth ? 1 + s_below (2) : 0;
            msgpack_pack_array (pk, count);
            while (count--)
                if (field->kind == KIND_LIST)
                    s_pack_map (pk, field->of, depth - 1);
                else
                    s_pack_text (pk, "item");
            break;
        }
        case KIND_ANY:
            msgpack_pack_map (pk, 1);
            s_pack_text (pk, "key");
            msgpack_pack_double (pk, 2.5);
            break;
        default:
            fail_msg ("field '%s' is of a kind that no test makes", field->name);
    }
}

static void
s_pack_map (msgpack_packer *pk, const berth_schema_t *schema, unsigned depth)
{
    uint64_t chosen = fixture_random (&s_random);
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            msgpack_pack_map (pk, count);
        for (size_t index = 0; index < schema->count; index++) {
            const berth_field_t *field = &schema->fields [index];
            bool nested = field->kind == KIND_OBJ || field->kind == KIND_LIST;
            if (!(field->flags & REQUIRED) && (!(chosen >> index & 1) || (nested && depth == 0)))
                continue;
            count += pass == 0;
            if (pass) {
                s_pack_text (pk, field->name);
                s_pack_value (pk, field, depth);
            }
        }
    }
}

//  ---- damage

static size_t
s_damage (uint8_t *data, size_t size)
{
    static const uint8_t leads [] = { 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7,
        0xca, 0xcb, 0xcf, 0xd3, 0xd4, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xff, '"', '{', '[', '\\' };
    for (uint64_t hits = s_below (4); hits && size; hits--) {
        size_t at = s_below (size), some = s_below (size - at) % 16 + 1;
        switch (s_below (5)) {
            case 0: data [at] = (uint8_t) fixture_random (&s_random); break;
            case 1: data [at] = leads [s_below (sizeof leads)]; break;
            case 2: data [at] ^= (uint8_t) (1u << s_below (8)); break;
            case 3:                                     //  Something goes
                if (some > size - at)
                    some = size - at;
                memmove (data + at, data + at + some, size - at - some);
                size -= some;
                break;
            default:                                    //  Something stands twice
                if (some > size - at)
                    some = size - at;
                if (size + some > SIZE_MAX_HERE)
                    break;
                memmove (data + at + some, data + at, size - at);
                size += some;
        }
    }
    return size;
}

static bool
s_try_codec (const berth_schema_t *schema, const uint8_t *data, size_t size, arena_t *arena)
{
    uint8_t *exact = malloc (size ? size : 1);
    assert_non_null (exact);
    memcpy (exact, data, size);
    berth_error_t err = { 0 };
    void *message = arena_take (arena, schema->size), *again = arena_take (arena, schema->size);
    bool good = berth_unpack (schema, (berth_bytes_t) { exact, size }, arena, message, &err) == 0;
    if (good) {
        berth_bytes_t packed = berth_pack (schema, message, arena);
        if (berth_unpack (schema, packed, arena, again, &err))
            fail_msg ("%s: what was read cannot be read again: %s", schema->name, err.text);
        assert_bytes (berth_pack (schema, again, arena), packed);
        (void) berth_json_text (schema, (berth_bytes_t) { exact, size }, BERTH_JSON_PRETTY, arena);
    }
    else {
        //  The store's own rows are not walked first; a damaged disk is refused all the same.
        (void) berth_unpack_own (schema, (berth_bytes_t) { exact, size }, arena, again, &err);
        assert_int_equal (err.code, BERTH_INVALID);
        assert_true (wire_is_text ((const uint8_t *) err.text, strlen (err.text)));
    }
    free (exact);
    return good;
}

static bool
s_try_json (const uint8_t *data, size_t size, arena_t *arena)
{
    char *exact = malloc (size ? size : 1);
    assert_non_null (exact);
    memcpy (exact, data, size);
    berth_error_t err = { 0 };
    berth_bytes_t bytes = { 0 }, again = { 0 };
    bool good = berth_json_parse (exact, size, arena, &bytes, &err) == 0;
    if (good) {
        assert_ok (wire_check (bytes, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, &err), err);
        const char *text = berth_json_text (NULL, bytes, BERTH_JSON_COMPACT, arena);
        assert_ok (berth_json_parse (text, strlen (text), arena, &again, &err), err);
        assert_string_equal (berth_json_text (NULL, again, BERTH_JSON_COMPACT, arena), text);
    }
    free (exact);
    return good;
}

static void
s_damaged_messages (void **state)
{
    (void) state;
    const char *seed = getenv ("BERTH_SEED");
    s_random.state = seed ? strtoull (seed, NULL, 0) : (uint64_t) time (NULL);
    print_message ("BERTH_SEED=%llu\n", (unsigned long long) s_random.state);

    own (arena) arena = arena_new ();
    uint64_t rounds = 0, good = 0, texts = 0, good_texts = 0, schemas = 0;
    while (berth_schema_at (schemas))
        schemas++;
    for (time_t until = time (NULL) + SECONDS; time (NULL) < until; rounds++) {
        const berth_schema_t *schema = berth_schema_at (rounds % schemas);
        arena_clear (arena);
        berth_buffer_t buffer = { .arena = arena };
        msgpack_packer pk;
        msgpack_packer_init (&pk, &buffer, berth_buffer_write);
        s_pack_map (&pk, schema, 2);
        if (buffer.size > SIZE_MAX_HERE)
            continue;
        uint8_t data [SIZE_MAX_HERE];
        memcpy (data, buffer.data, buffer.size);
        const char *text = berth_json_text (NULL, berth_buffer_bytes (&buffer), rounds & 1, arena);
        good += s_try_codec (schema, data, s_damage (data, buffer.size), arena);
        if (strlen (text) < SIZE_MAX_HERE) {
            memcpy (data, text, strlen (text));
            good_texts += s_try_json (data, s_damage (data, strlen (text)), arena);
            texts++;
        }
    }
    print_message ("%llu messages, %llu good; %llu texts, %llu good\n", (unsigned long long) rounds,
                   (unsigned long long) good, (unsigned long long) texts,
                   (unsigned long long) good_texts);
    assert_true (good > 100 && good < rounds && good_texts > 100 && good_texts < texts);
}

int
main (void)
{
    const struct CMUnitTest tests [] = { cmocka_unit_test (s_damaged_messages) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
