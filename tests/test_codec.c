//  test_codec.c - the interpreter of schemas, on messages made for it: presence, rows, strict
//  bodies, paths of bad fields. What holds for every schema is in test_schemas.c.

#include "fixture.h"

#include "codec.h"
#include "lease.h"
#include "wire.h"

#include <msgpack.h>

#define COLOR(X, T) \
    X (T, RED,   "red") \
    X (T, GREEN, "green")
BERTH_ENUM (color, COLOR);

#define INNER(F, T) \
    F (T, U64,  count, "count", REQUIRED | POSITIVE, 10, "A count.") \
    F (T, STR,  note,  "note",  NULLABLE, 5, "A note.")
BERTH_MESSAGE (inner, INNER);

#define OUTER(F, T) \
    F (T, STR,   name,   "name",   REQUIRED, 8, "A name.") \
    F (T, BOOL,  flag,   "flag",   OPTIONAL, 0, "A flag.") \
    F (T, I64,   less,   "less",   OPTIONAL, 100, "At most 100.") \
    F (T, U64,   more,   "more",   NULLABLE, 0, "Any number.") \
    F (T, F64,   real,   "real",   NULLABLE | POSITIVE, 10, "In (0, 10].") \
    F (T, TIME,  at,     "at",     NULLABLE, 0, "A time.") \
    F (T, ENUM (color), color, "color", NULLABLE, 0, "A color.") \
    F (T, BYTES, raw,    "raw",    OPTIONAL, 4, "Bytes.") \
    F (T, OBJ (inner), one, "one", NULLABLE, 0, "One.") \
    F (T, LIST (inner), all, "all", OPTIONAL, 3, "Some.") \
    F (T, STRS,  words,  "words",  OPTIONAL, 3, "Words.") \
    F (T, BLOBS, blobs,  "blobs",  OPTIONAL, 3, "Blobs.") \
    F (T, ANY,   data,   "data",   OPTIONAL, 64, "Whatever, null too.") \
    F (T, ANY,   map,    "map",    NULLABLE | OBJECT, 64, "A map.")
BERTH_MESSAGE (outer, OUTER);
BERTH_MESSAGE (strict, OUTER);
BERTH_MESSAGE (row, OUTER);

BERTH_ENUM_TABLE (color, COLOR);
BERTH_SCHEMA (inner, INNER, SCHEMA_STRICT, "Inside.");
BERTH_SCHEMA (outer, OUTER, 0, "Of every kind.");
BERTH_SCHEMA (strict, OUTER, SCHEMA_STRICT, "Of every kind, strict.");
BERTH_SCHEMA (row, OUTER, SCHEMA_ROW, "Of every kind, a row.");

static berth_error_t s_err;
static outer_t s_outer;

static int
s_read (const berth_schema_t *schema, berth_bytes_t bytes, arena_t *arena)
{
    memset (&s_err, 0, sizeof s_err);
    return berth_unpack (schema, bytes, arena, &s_outer, &s_err);
}

static void
s_three_presences_stay_apart (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    assert_ok (s_read (&outer_schema, BYTES_OF ("\x83\xa4name\xa1x\xa4more\xc0\xa2" "at\x00"),
                       arena), s_err);
    assert_string_equal (s_outer.name, "x");
    assert_false (berth_has (outer, &s_outer, more));
    assert_true (berth_null (outer, &s_outer, more));
    assert_true (berth_has (outer, &s_outer, at));          //  0 is a time, not its absence
    assert_false (berth_has (outer, &s_outer, flag));
    assert_false (berth_null (outer, &s_outer, flag));
    assert_null (s_outer.one);
    assert_bytes (berth_pack (&outer_schema, &s_outer, arena),
                  BYTES_OF ("\x83\xa4name\xa1x\xa4more\xc0\xa2" "at\x00"));
}

static void
s_put_and_clear (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    outer_t message = { .name = "x" };
    assert_bytes (berth_pack (&outer_schema, &message, arena), BYTES_OF ("\x81\xa4name\xa1x"));
    berth_put (outer, &message, more, 0);
    berth_put (outer, &message, flag, false);
    assert_bytes (berth_pack (&outer_schema, &message, arena),
                  BYTES_OF ("\x83\xa4name\xa1x\xa4" "flag\xc2\xa4more\x00"));
    berth_clear (outer, &message, more);
    assert_bytes (berth_pack (&outer_schema, &message, arena),
                  BYTES_OF ("\x83\xa4name\xa1x\xa4" "flag\xc2\xa4more\xc0"));
    berth_put (outer, &message, more, 7);
    assert_false (berth_null (outer, &message, more));
    //  What is set without a mark counts, when it is not nothing.
    message.color = color_GREEN;
    message.words = (berth_strs_t) { 1, (const char *const []) { "w" } };
    assert_bytes (berth_pack (&outer_schema, &message, arena),
                  BYTES_OF ("\x85\xa4name\xa1x\xa4" "flag\xc2\xa4more\x07\xa5" "color\xa5green"
                            "\xa5words\x91\xa1w"));
}

static void
s_rows_write_their_nulls (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    row_t message = { .name = "x" };
    berth_bytes_t packed = berth_pack (&row_schema, &message, arena);
    assert_int_equal (any_count (packed), 7);
    static const char *const nullable [] = { "more", "real", "at", "color", "one", "map" };
    for (size_t index = 0; index < BERTH_COUNT (nullable); index++)
        assert_bytes (any_get (packed, nullable [index]), BYTES_OF ("\xc0"));
    row_t again;
    assert_ok (berth_unpack_own (&row_schema, packed, arena, &again, &s_err), s_err);
    assert_true (berth_null (row, &again, map));
    assert_int_equal (again.has, 1);
}

static void
s_any_keeps_null_and_bytes (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_bytes_t bytes = BYTES_OF ("\x83\xa4name\xa1x\xa4" "data\xc0\xa3map\x81\xa1" "a\xc0");
    assert_ok (s_read (&outer_schema, bytes, arena), s_err);
    assert_true (berth_has (outer, &s_outer, data));
    assert_bytes (s_outer.data, BYTES_OF ("\xc0"));
    assert_bytes (s_outer.map, BYTES_OF ("\x81\xa1" "a\xc0"));
    assert_true (s_outer.map.data > bytes.data && s_outer.map.data < bytes.data + bytes.size);
    assert_bytes (berth_pack (&outer_schema, &s_outer, arena), bytes);
}

static void
s_any_has_only_text_in_strings (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_bytes_t bytes = BYTES_OF ("\x82\xa4name\xa1x\xa3map\x81\xa1" "a\x91\xa2" "a\xff");
    assert_fails (s_read (&outer_schema, bytes, arena), s_err, BERTH_INVALID);
    assert_string_equal (s_err.field, "map");
    //  What was let in before stays readable, and bytes are bytes.
    assert_ok (berth_unpack_own (&outer_schema, bytes, arena, &s_outer, &s_err), s_err);
    bytes = BYTES_OF ("\x82\xa4name\xa1x\xa4" "data\xc4\x01\xff");
    assert_ok (s_read (&outer_schema, bytes, arena), s_err);
    bytes = BYTES_OF ("\x82\xa4name\xa1x\xa3map\x81\xa1\xffx");
    assert_fails (s_read (&outer_schema, bytes, arena), s_err, BERTH_INVALID);
}

static void
s_empty_bytes_and_lists_are_values (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_bytes_t bytes = BYTES_OF ("\x85\xa4name\xa0\xa3raw\xc4\x00\xa3" "all\x90\xa5words\x90"
                                    "\xa5" "blobs\x91\xc4\x00");
    assert_ok (s_read (&outer_schema, bytes, arena), s_err);
    assert_string_equal (s_outer.name, "");
    assert_bytes (berth_pack (&outer_schema, &s_outer, arena), bytes);
    //  Blobs of our own that are nothing at all.
    static const berth_bytes_t nothing [1];
    outer_t message = { .name = "", .blobs = { 1, nothing } };
    assert_bytes (berth_pack (&outer_schema, &message, arena),
                  BYTES_OF ("\x82\xa4name\xa0\xa5" "blobs\x91\xc4\x00"));
}

static void
s_bad_fields_are_named_by_their_path (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    static const struct {
        const char *bytes;
        size_t size;
        const char *field, *says;
    } rows [] = {
#define ROW(literal, field, says) { literal, sizeof (literal) - 1, field, says }
#define X "\xa4name\xa1x"
        ROW ("\x80", "name", "is missing"),
        ROW ("\x81\xa4name\xc0", "name", "must not be null"),
        ROW ("\x81\xa4name\xa9xxxxxxxxx", "name", "longer"),
        ROW ("\x82" X "\xa4less\x65", "less", "above its limit"),
        ROW ("\x82" X "\xa4real\x0b", "real", "above its limit"),
        ROW ("\x82" X "\xa4real\x00", "real", "above 0"),
        ROW ("\x82" X "\xa5" "color\xa4" "blue", "color", "must be one of 'red', 'green'"),
        ROW ("\x82" X "\xa3raw\xa5xxxxx", "raw", "longer"),
        ROW ("\x82" X "\xa3one\x80", "one.count", "is missing"),
        ROW ("\x82" X "\xa3one\x81\xa5" "count\x0b", "one.count", "above its limit"),
        ROW ("\x82" X "\xa3one\x82\xa5" "count\x01\xa4note\xa6xxxxxx", "one.note", "longer"),
        ROW ("\x82" X "\xa3one\x82\xa5" "count\x01\xa4nope\x01", "one.nope", "not known"),
        ROW ("\x82" X "\xa3" "all\x92\x81\xa5" "count\x01\x81\xa5" "count\xa1x", "all[1].count",
             "must be an integer"),
        ROW ("\x82" X "\xa3" "all\x92\x81\xa5" "count\x01\x07", "all[1]", "must be a map"),
        ROW ("\x82" X "\xa3" "all\x94\x80\x80\x80\x80", "all", "more elements"),
        ROW ("\x82" X "\xa5words\x92\xa1x\xa1\xff", "words[1]", "UTF-8"),
        ROW ("\x82" X "\xa5" "blobs\x91\x01", "blobs[0]", "must be bytes"),
        ROW ("\x82" X "\xa3map\x90", "map", "must be a map"),
        ROW ("\x82" X "\xa4" "data\xc0", NULL, NULL),
        ROW ("\x82" X "\xa4nope\xc0", NULL, NULL),
#undef X
#undef ROW
    };
    for (size_t row = 0; row < BERTH_COUNT (rows); row++) {
        int rc = s_read (&outer_schema, (berth_bytes_t) { (const uint8_t *) rows [row].bytes,
                                                          rows [row].size }, arena);
        if (!rows [row].field)
            assert_ok (rc, s_err);
        else if (rc == 0 || s_err.code != BERTH_INVALID || strcmp (s_err.field, rows [row].field)
                 || !strstr (s_err.text, rows [row].says))
            fail_msg ("row %zu: field '%s', text '%s'", row, s_err.field, s_err.text);
    }
}

static void
s_what_is_no_map_is_refused (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    assert_fails (s_read (&outer_schema, BYTES_OF ("\x90"), arena), s_err, BERTH_INVALID);
    assert_fails (s_read (&outer_schema, BYTES_OF ("\xc0"), arena), s_err, BERTH_INVALID);
    assert_fails (s_read (&outer_schema, BYTES_OF (""), arena), s_err, BERTH_INVALID);
    assert_fails (s_read (&outer_schema, BYTES_OF ("\x81\xa4name\xa1x\x00"), arena), s_err,
                  BERTH_INVALID);
    size_t size = BERTH_FRAME_MAX + 1;
    uint8_t *large = arena_take (arena, size);
    memcpy (large, "\xc6\x00\x0f\xff\xfc", 5);
    assert_fails (s_read (&outer_schema, (berth_bytes_t) { large, size }, arena), s_err,
                  BERTH_INVALID);
}

//  Keys that look like a field to a careless comparison, at the end of what was allocated.
static void
s_keys_are_compared_whole (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    static const struct {
        const char *bytes;
        size_t size;
    } keys [] = { { "\xa6name\0x\x01", 8 }, { "\xa3nam\x01", 5 }, { "\xa5name\0\x01", 7 },
                  { "\xa5names\x01", 7 }, { "\xa0\x01", 2 }, { "\xa1\0\x01", 3 } };
    for (size_t row = 0; row < BERTH_COUNT (keys); row++) {
        uint8_t bytes [32] = "\x82\xa4name\xa1x";
        memcpy (bytes + 8, keys [row].bytes, keys [row].size);
        berth_bytes_t message = { bytes, 8 + keys [row].size };
        assert_ok (s_read (&outer_schema, message, arena), s_err);
        assert_string_equal (s_outer.name, "x");
        assert_int_equal (s_outer.has, 1);
        assert_fails (s_read (&strict_schema, message, arena), s_err, BERTH_INVALID);
    }
}

//  The error of a strict schema repeats the peer's key: as text, in one line.
static void
s_unknown_keys_are_told_as_text (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_bytes_t bytes = BYTES_OF ("\x82\xa4name\xa1x\xa8\xff\n\x1b[31mx\x01");
    assert_fails (s_read (&strict_schema, bytes, arena), s_err, BERTH_INVALID);
    assert_true (wire_is_text ((const uint8_t *) s_err.field, strlen (s_err.field)));
    assert_true (wire_is_text ((const uint8_t *) s_err.text, strlen (s_err.text)));
    assert_string_equal (s_err.field, "? ?[31mx");
    uint8_t longer [400] = "\x82\xa4name\xa1x\xda\x01\x00";
    memset (longer + 11, 'k', 256);
    longer [11 + 256] = 1;
    assert_fails (s_read (&strict_schema, (berth_bytes_t) { longer, 11 + 257 }, arena), s_err,
                  BERTH_INVALID);
    assert_in_range (strlen (s_err.field), 50, 95);
}

//  What msgpack-c would have written, byte for byte: hashes of the log stand on it.
static void
s_forms_are_the_shortest (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    static const uint64_t numbers [] = { 0, 1, 31, 32, 33, 127, 128, 129, 255, 256, 32767, 32768, 32769,
        65535, 65536, 2147483647, 2147483648, 2147483649, 4294967295, 4294967296, INT64_MAX };
    static const size_t sizes [] = { 0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536 };
    static char large [65537];
    memset (large, 'x', sizeof large - 1);
    for (size_t row = 0; row < 3 * BERTH_COUNT (numbers); row++) {
        uint64_t number = numbers [row / 3];
        int64_t less = row % 3 ? -(int64_t) number - (row % 3 == 2) : (int64_t) number;
        outer_t message = { .name = "x", .real = 0.25 + (double) number };
        berth_put (outer, &message, less, less);
        berth_put (outer, &message, more, number);
        berth_buffer_t buffer = { .arena = arena };
        msgpack_packer pk;
        msgpack_packer_init (&pk, &buffer, berth_buffer_write);
        msgpack_pack_map (&pk, 4);
        msgpack_pack_str_with_body (&pk, "name", 4);
        msgpack_pack_str_with_body (&pk, "x", 1);
        msgpack_pack_str_with_body (&pk, "less", 4);
        msgpack_pack_int64 (&pk, less);
        msgpack_pack_str_with_body (&pk, "more", 4);
        msgpack_pack_uint64 (&pk, number);
        msgpack_pack_str_with_body (&pk, "real", 4);
        msgpack_pack_double (&pk, message.real);
        assert_bytes (berth_pack (&outer_schema, &message, arena), berth_buffer_bytes (&buffer));
    }
    for (size_t row = 0; row < BERTH_COUNT (sizes); row++) {
        size_t size = sizes [row];
        char *name = arena_text (arena, large, size);
        berth_blobs_t blobs = { size, arena_array (arena, size + 1, berth_bytes_t) };
        outer_t message = { .name = name, .raw = { (const uint8_t *) large, size }, .blobs = blobs };
        berth_put (outer, &message, flag, row % 2);
        berth_buffer_t buffer = { .arena = arena };
        msgpack_packer pk;
        msgpack_packer_init (&pk, &buffer, berth_buffer_write);
        msgpack_pack_map (&pk, 4);
        msgpack_pack_str_with_body (&pk, "name", 4);
        msgpack_pack_str_with_body (&pk, name, size);
        msgpack_pack_str_with_body (&pk, "flag", 4);
        (void) (row % 2 ? msgpack_pack_true (&pk) : msgpack_pack_false (&pk));
        msgpack_pack_str_with_body (&pk, "raw", 3);
        msgpack_pack_bin_with_body (&pk, large, size);
        msgpack_pack_str_with_body (&pk, "blobs", 5);
        msgpack_pack_array (&pk, size);
        for (size_t index = 0; index < size; index++)
            msgpack_pack_bin_with_body (&pk, large, 0);
        assert_bytes (berth_pack (&outer_schema, &message, arena), berth_buffer_bytes (&buffer));
    }
}

//  A map of more than fifteen fields.
static void
s_rows_of_many_fields (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    lease_t lease = { .id = "0190163d-4b2c-7abc-8def-0123456789ab", .company = "c",
                      .env = "0190163d-4b2c-7abc-8def-0123456789ab", .status = lease_status_ACTIVE,
                      .state = lease_state_ACTIVE, .policy = lease_policy_EPHEMERAL };
    berth_bytes_t packed = berth_pack (&lease_schema, &lease, arena);
    assert_int_equal (packed.data [0], 0xde);
    assert_int_equal (packed.data [1] << 8 | packed.data [2], any_count (packed));
    berth_error_t err = { 0 };
    lease_t again;
    assert_ok (berth_unpack (&lease_schema, packed, arena, &again, &err), err);
    assert_bytes (berth_pack (&lease_schema, &again, arena), packed);
}

static void
s_schemas_as_data (void **state)
{
    (void) state;
    assert_string_equal (berth_kind_text (KIND_U64), "u64");
    assert_string_equal (berth_enum_text (&color_enum, color_RED), "red");
    assert_string_equal (berth_enum_text (&color_enum, 0), "");
    assert_string_equal (berth_enum_text (&color_enum, 99), "");
    assert_string_equal (berth_enum_text (&color_enum, -1), "");
    assert_int_equal (berth_enum_value (&color_enum, "green", 5), color_GREEN);
    assert_int_equal (berth_enum_value (&color_enum, "gree", 4), 0);
    assert_int_equal (berth_enum_value (&color_enum, "", 0), 0);
    assert_string_equal (berth_schema_field (&outer_schema, "all")->name, "all");
    assert_null (berth_schema_field (&outer_schema, "al"));
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_three_presences_stay_apart),
        cmocka_unit_test (s_put_and_clear),
        cmocka_unit_test (s_rows_write_their_nulls),
        cmocka_unit_test (s_any_keeps_null_and_bytes),
        cmocka_unit_test (s_any_has_only_text_in_strings),
        cmocka_unit_test (s_empty_bytes_and_lists_are_values),
        cmocka_unit_test (s_bad_fields_are_named_by_their_path),
        cmocka_unit_test (s_what_is_no_map_is_refused),
        cmocka_unit_test (s_keys_are_compared_whole),
        cmocka_unit_test (s_unknown_keys_are_told_as_text),
        cmocka_unit_test (s_forms_are_the_shortest),
        cmocka_unit_test (s_rows_of_many_fields),
        cmocka_unit_test (s_schemas_as_data),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
