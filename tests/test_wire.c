//  test_wire.c - the bounded walk, against every kind of malformed bytes.

#include "fixture.h"

#include "wire.h"

#define CHECKS(literal) s_check (BYTES_OF (literal), 16, 16384)

static berth_error_t s_err;

static int
s_check (berth_bytes_t bytes, unsigned depth, size_t elements)
{
    memset (&s_err, 0, sizeof s_err);
    //  At the very end of an allocation, so that a byte too far is seen.
    uint8_t *copy = malloc (bytes.size ? bytes.size : 1);
    assert_non_null (copy);
    if (bytes.size)
        memcpy (copy, bytes.data, bytes.size);
    int rc = wire_check ((berth_bytes_t) { copy, bytes.size }, depth, elements, &s_err);
    free (copy);
    return rc;
}

#define assert_good(literal) assert_ok (CHECKS (literal), s_err)
#define assert_bad(literal) assert_fails (CHECKS (literal), s_err, BERTH_INVALID)

static void
s_every_lead_byte (void **state)
{
    (void) state;
    //  With 0xff.. behind it, each is read or refused, and never reads past the end.
    for (unsigned lead = 0; lead < 256; lead++)
        for (size_t size = 1; size < 24; size++) {
            uint8_t bytes [24];
            memset (bytes, 0xff, sizeof bytes);
            bytes [0] = (uint8_t) lead;
            (void) s_check ((berth_bytes_t) { bytes, size }, 16, 16384);
            memset (bytes + 1, 0, sizeof bytes - 1);
            (void) s_check ((berth_bytes_t) { bytes, size }, 16, 16384);
        }
    assert_bad ("\xc1");
    assert_bad ("\x91\xc1");
    assert_bad ("\x81\xa1" "a\xc1");
}

static void
s_tokens_have_their_values (void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t size;
        wire_type_t type;
        uint64_t number;
    } rows [] = {
        { "\x00", 1, WIRE_UINT, 0 }, { "\x7f", 1, WIRE_UINT, 127 },
        { "\xff", 1, WIRE_INT, (uint64_t) -1 }, { "\xe0", 1, WIRE_INT, (uint64_t) -32 },
        { "\xcc\xff", 2, WIRE_UINT, 255 }, { "\xcd\x01\x00", 3, WIRE_UINT, 256 },
        { "\xce\xff\xff\xff\xff", 5, WIRE_UINT, UINT32_MAX },
        { "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, WIRE_UINT, UINT64_MAX },
        { "\xd0\x80", 2, WIRE_INT, (uint64_t) -128 }, { "\xd0\x05", 2, WIRE_UINT, 5 },
        { "\xd1\x80\x00", 3, WIRE_INT, (uint64_t) INT16_MIN },
        { "\xd2\x80\x00\x00\x00", 5, WIRE_INT, (uint64_t) INT32_MIN },
        { "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, WIRE_INT, (uint64_t) INT64_MIN },
        { "\xd3\x7f\xff\xff\xff\xff\xff\xff\xff", 9, WIRE_UINT, INT64_MAX },
    };
    for (size_t row = 0; row < BERTH_COUNT (rows); row++) {
        const uint8_t *data = (const uint8_t *) rows [row].bytes;
        wire_t wire = { data, data + rows [row].size };
        wire_token_t token = { 0 };
        assert_int_equal (wire_next (&wire, &token), 0);
        assert_int_equal (token.type, rows [row].type);
        assert_true (token.number == rows [row].number);
        assert_ptr_equal (wire.at, wire.end);
        assert_int_equal (wire_next (&wire, &token), -1);
    }
    berth_bytes_t reals = BYTES_OF ("\xca\x3f\xc0\x00\x00\xcb\xc0\x04\x00\x00\x00\x00\x00\x00");
    wire_t wire = { reals.data, reals.data + reals.size };
    wire_token_t token = { 0 };
    assert_int_equal (wire_next (&wire, &token), 0);
    assert_true (token.real == 1.5);
    assert_int_equal (wire_next (&wire, &token), 0);
    assert_true (token.real == -2.5);
}

static void
s_good_objects_pass (void **state)
{
    (void) state;
    assert_good ("\xc0");
    assert_good ("\xc3");
    assert_good ("\x80");
    assert_good ("\x90");
    assert_good ("\xa0");
    assert_good ("\xc4\x00");
    assert_good ("\x82\xa1" "a\x01\xa1" "b\x92\xc0\xa2hi");
    assert_good ("\xde\x00\x01\xd9\x01" "a\xdc\x00\x02\x01\x02");
    assert_good ("\xdf\x00\x00\x00\x01\xdb\x00\x00\x00\x01" "a\xdd\x00\x00\x00\x00");
    assert_good ("\x82\xa0\x01\xa1\x00\x02");
}

static void
s_empty_and_trailing_bytes (void **state)
{
    (void) state;
    assert_bad ("");
    assert_bad ("\xc0\xc0");
    assert_bad ("\x80\x00");
    assert_bad ("\x91\x01\x02");
}

static void
s_bombs_are_refused_by_their_announcement (void **state)
{
    (void) state;
    assert_bad ("\xdd\xff\xff\xff\xff");
    assert_bad ("\xdf\xff\xff\xff\xff");
    assert_bad ("\xdb\xff\xff\xff\xff");
    assert_bad ("\xc6\xff\xff\xff\xff");
    assert_bad ("\xc9\xff\xff\xff\xff");
    assert_bad ("\xdc\xff\xff\x01");
    assert_bad ("\xde\x80\x00\xa1" "a");
    //  Each count is below the bytes at hand, but their sum is not allowed.
    uint8_t bytes [400] = { 0xdc, 0, 100 };
    size_t size = 3;
    for (int index = 0; index < 100; index++) {
        bytes [size++] = 0x91;
        bytes [size++] = 0xc0;
    }
    berth_bytes_t nested = { bytes, size };
    assert_ok (s_check (nested, 16, 200), s_err);
    assert_fails (s_check (nested, 16, 199), s_err, BERTH_INVALID);
}

static void
s_depth_is_bounded (void **state)
{
    (void) state;
    uint8_t bytes [100000];
    memset (bytes, 0x91, sizeof bytes);
    bytes [16] = 0xc0;
    assert_ok (s_check ((berth_bytes_t) { bytes, 17 }, 16, 16384), s_err);
    bytes [16] = 0x91;
    bytes [17] = 0xc0;
    assert_fails (s_check ((berth_bytes_t) { bytes, 18 }, 16, 16384), s_err, BERTH_INVALID);
    assert_non_null (strstr (s_err.text, "deep"));
    bytes [17] = 0x91;
    assert_fails (s_check ((berth_bytes_t) { bytes, sizeof bytes }, 16, 16384), s_err,
                  BERTH_INVALID);
    uint8_t maps [100];
    for (size_t at = 0; at < 99; at += 3)
        memcpy (maps + at, "\x81\xa1" "a", 3);
    maps [48] = 0xc0;
    assert_ok (s_check ((berth_bytes_t) { maps, 49 }, 16, 16384), s_err);
    maps [48] = 0x81;
    maps [51] = 0xc0;
    assert_fails (s_check ((berth_bytes_t) { maps, 52 }, 16, 16384), s_err, BERTH_INVALID);
}

static void
s_keys_are_strings_and_stand_once (void **state)
{
    (void) state;
    assert_bad ("\x81\x01\x02");
    assert_bad ("\x81\xc4\x01" "a\x02");
    assert_bad ("\x81\xc0\x02");
    assert_bad ("\x81\x90\x02");
    assert_bad ("\x82\xa1" "a\x01\xa1" "a\x02");
    assert_bad ("\x82\xa1" "a\x01\xd9\x01" "a\x02");
    assert_bad ("\x91\x82\xa0\x01\xa0\x02");
    assert_good ("\x82\xa1" "a\x01\xa2" "a\x00\x02");
}

//  A map of `count` keys k0000.. in falling order; the last is `last`.
static berth_bytes_t
s_map (arena_t *arena, size_t count, size_t last)
{
    uint8_t *bytes = arena_take (arena, 3 + count * 7);
    size_t size = 0;
    bytes [size++] = 0xde;
    bytes [size++] = (uint8_t) (count >> 8);
    bytes [size++] = (uint8_t) count;
    for (size_t index = 0; index < count; index++) {
        bytes [size++] = 0xa5;
        size_t number = index + 1 < count ? count - index : last;
        memcpy (bytes + size, arena_printf (arena, "k%04zu", number % 10000), 5);
        size += 5;
        bytes [size++] = 0x01;
    }
    return (berth_bytes_t) { bytes, size };
}

static void
s_repeated_keys_in_maps_of_all_sizes (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    static const size_t counts [] = { 2, 3, 15, 16, 17, 18, 100, 5000 };
    for (size_t row = 0; row < BERTH_COUNT (counts); row++) {
        size_t count = counts [row];
        assert_ok (s_check (s_map (arena, count, 1), 16, 16384), s_err);
        assert_fails (s_check (s_map (arena, count, count), 16, 16384), s_err, BERTH_INVALID);
        assert_fails (s_check (s_map (arena, count, 2), 16, 16384), s_err, BERTH_INVALID);
        assert_non_null (strstr (s_err.text, "twice"));
    }
    //  A large map that is cut off gives its table back (the leak check would tell).
    berth_bytes_t map = s_map (arena, 100, 1);
    map.size -= 300;
    assert_fails (s_check (map, 16, 16384), s_err, BERTH_INVALID);
    map.size = 3 + 350;
    assert_fails (s_check (map, 16, 16384), s_err, BERTH_INVALID);
}

static void
s_extension_types_are_refused (void **state)
{
    (void) state;
    assert_bad ("\xd4\x01\x00");
    assert_bad ("\xd6\xff\x00\x00\x00\x00");
    assert_bad ("\xc7\x00\x05");
    assert_bad ("\x81\xa1" "t\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x00");
}

static void
s_every_cut_of_a_good_object_is_refused (void **state)
{
    (void) state;
    berth_bytes_t whole = BYTES_OF ("\x84\xa1" "a\xcf\x00\x00\x00\x00\x00\x00\x00\x01\xa1" "b\x93"
                                    "\xcd\x01\x00\xca\x00\x00\x00\x00\xcb\x00\x00\x00\x00\x00\x00"
                                    "\x00\x00\xa1" "c\xc5\x00\x02hi\xa1" "d\xda\x00\x02hi");
    assert_ok (s_check (whole, 16, 16384), s_err);
    for (size_t size = 0; size < whole.size; size++)
        assert_fails (s_check ((berth_bytes_t) { whole.data, size }, 16, 16384), s_err,
                      BERTH_INVALID);
    //  And what passes is skipped exactly.
    wire_t wire = { whole.data, whole.data + whole.size };
    wire_skip (&wire);
    assert_ptr_equal (wire.at, wire.end);
}

static void
s_noise_never_crashes (void **state)
{
    (void) state;
    fixture_random_t random = { 42 };
    size_t good = 0;
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes [64];
        size_t size = fixture_below (&random, sizeof bytes);
        for (size_t index = 0; index < size; index++)
            bytes [index] = (uint8_t) fixture_random (&random);
        good += s_check ((berth_bytes_t) { bytes, size }, 4, 32) == 0;
    }
    assert_in_range (good, 1, 10000);
}

static void
s_text_is_utf8_without_nul (void **state)
{
    (void) state;
#define TEXT(literal) wire_is_text ((const uint8_t *) (literal), sizeof (literal) - 1)
    assert_true (TEXT (""));
    assert_true (TEXT ("plain \x7f"));
    assert_true (TEXT ("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80"
                       "\xf4\x8f\xbf\xbf"));
    assert_false (TEXT ("a\x00" "b"));
    assert_false (TEXT ("\x80"));
    assert_false (TEXT ("\xc0\x80"));
    assert_false (TEXT ("\xc1\xbf"));
    assert_false (TEXT ("\xc2"));
    assert_false (TEXT ("\xc2\x41"));
    assert_false (TEXT ("\xe0\x9f\xbf"));
    assert_false (TEXT ("\xed\xa0\x80"));
    assert_false (TEXT ("\xe2\x82"));
    assert_false (TEXT ("\xf0\x8f\xbf\xbf"));
    assert_false (TEXT ("\xf4\x90\x80\x80"));
    assert_false (TEXT ("\xf5\x80\x80\x80"));
    assert_false (TEXT ("\xff"));
#undef TEXT
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_every_lead_byte),
        cmocka_unit_test (s_tokens_have_their_values),
        cmocka_unit_test (s_good_objects_pass),
        cmocka_unit_test (s_empty_and_trailing_bytes),
        cmocka_unit_test (s_bombs_are_refused_by_their_announcement),
        cmocka_unit_test (s_depth_is_bounded),
        cmocka_unit_test (s_keys_are_strings_and_stand_once),
        cmocka_unit_test (s_repeated_keys_in_maps_of_all_sizes),
        cmocka_unit_test (s_extension_types_are_refused),
        cmocka_unit_test (s_every_cut_of_a_good_object_is_refused),
        cmocka_unit_test (s_noise_never_crashes),
        cmocka_unit_test (s_text_is_utf8_without_nul),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
