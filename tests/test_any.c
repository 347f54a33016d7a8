//  test_any.c - free data: looked into, compared, laid over one another while packed.

#include "fixture.h"

#include "codec.h"
#include "wire.h"

#define KEY_A "\xa1" "a"
#define KEY_B "\xa1" "b"
#define KEY_C "\xa1" "c"

static void
s_get_finds_exact_keys (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_bytes_t map = BYTES_OF ("\x85\xa2" "ab\x01" KEY_A "\xa2hi" KEY_B "\xc3" KEY_C "\xc0"
                                  "\xa1" "d\xff");
    assert_int_equal (any_count (map), 5);
    assert_bytes (any_get (map, "a"), BYTES_OF ("\xa2hi"));
    assert_bytes (any_get (map, "ab"), BYTES_OF ("\x01"));
    assert_int_equal (any_get (map, "abc").size, 0);
    assert_int_equal (any_get (map, "").size, 0);
    assert_string_equal (any_text (map, "a", arena), "hi");
    assert_null (any_text (map, "ab", arena));
    assert_null (any_text (map, "none", arena));
    assert_int_equal (any_number (map, "ab", 7), 1);
    assert_int_equal (any_number (map, "a", 7), 7);
    assert_int_equal (any_number (map, "d", 7), 7);
    assert_true (any_truth (map, "b", false));
    assert_true (any_truth (map, "a", true));
    assert_true (any_is_null (any_get (map, "c")));
    assert_true (any_is_null (any_get (map, "none")));
    assert_false (any_is_null (any_get (map, "b")));
}

static void
s_what_is_no_map_has_nothing (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    static const berth_bytes_t nothing = { NULL, 0 };
    berth_bytes_t rows [] = { nothing, BYTES_OF ("\x80"), BYTES_OF ("\x92\x01\x02"),
                              BYTES_OF ("\xa1" "a"), BYTES_OF ("\xc0") };
    for (size_t row = 0; row < BERTH_COUNT (rows); row++) {
        size_t position = 0;
        berth_bytes_t key, value;
        assert_false (any_each (rows [row], &position, &key, &value));
        assert_int_equal (any_count (rows [row]), 0);
        assert_int_equal (any_get (rows [row], "a").size, 0);
        assert_null (any_text (rows [row], "a", arena));
    }
    //  A text that is none on the wire: NUL inside, not UTF-8.
    assert_null (any_text (BYTES_OF ("\x81" KEY_A "\xa1\x00"), "a", arena));
    assert_null (any_text (BYTES_OF ("\x81" KEY_A "\xa1\xff"), "a", arena));
}

static void
s_each_walks_over_nested_values (void **state)
{
    (void) state;
    berth_bytes_t map = BYTES_OF ("\x83" KEY_A "\x81" KEY_A "\x92\x01\x02" KEY_B "\xc4\x02xy"
                                  KEY_C "\x93\x80\x90\xa0");
    static const char *const keys [] = { "a", "b", "c" };
    static const size_t sizes [] = { 6, 4, 4 };
    size_t position = 0, count = 0;
    berth_bytes_t key, value;
    while (any_each (map, &position, &key, &value)) {
        assert_true (count < 3);
        assert_memory_equal (key.data, keys [count], 1);
        assert_int_equal (value.size, sizes [count]);
        count++;
    }
    assert_int_equal (count, 3);
}

static void
s_equal_is_equal_as_data (void **state)
{
    (void) state;
    static const struct {
        const char *left, *right;
        size_t left_size, right_size;
        bool equal;
    } rows [] = {
#define ROW(left, right, equal) { left, right, sizeof (left) - 1, sizeof (right) - 1, equal }
        ROW ("\xc0", "\xc0", true), ROW ("\xc0", "\xc2", false), ROW ("\xc2", "\xc3", false),
        ROW ("\x05", "\xcd\x00\x05", true), ROW ("\x05", "\xd0\x05", true),
        ROW ("\xff", "\xcc\xff", false), ROW ("\xff", "\xd1\xff\xff", true),
        ROW ("\xa2hi", "\xd9\x02hi", true), ROW ("\xa2hi", "\xc4\x02hi", false),
        ROW ("\xa2hi", "\xa2ha", false), ROW ("\xa0", "\xa0", true),
        ROW ("\x82" KEY_A "\x01" KEY_B "\x02", "\x82" KEY_B "\x02" KEY_A "\x01", true),
        ROW ("\x82" KEY_A "\x01" KEY_B "\x02", "\x82" KEY_B "\x02" KEY_C "\x01", false),
        ROW ("\x81" KEY_A "\x01", "\x82" KEY_A "\x01" KEY_B "\x02", false),
        ROW ("\x81" KEY_A "\xc0", "\x80", false),
        ROW ("\x92\x01\x02", "\x92\x02\x01", false), ROW ("\x92\x01\x80", "\xdc\x00\x02\x01\x80", true),
        ROW ("\x91\x82" KEY_A "\x01" KEY_B "\x02", "\x91\x82" KEY_B "\x02" KEY_A "\x01", true),
        ROW ("\xca\x3f\x80\x00\x00", "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", true),
        ROW ("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "\x01", false),
        ROW ("", "", true), ROW ("", "\xc0", false), ROW ("\x80", "\x90", false),
#undef ROW
    };
    for (size_t row = 0; row < BERTH_COUNT (rows); row++) {
        berth_bytes_t left = { (const uint8_t *) rows [row].left, rows [row].left_size };
        berth_bytes_t right = { (const uint8_t *) rows [row].right, rows [row].right_size };
        if (any_equal (left, right) != rows [row].equal
            || any_equal (right, left) != rows [row].equal)
            fail_msg ("row %zu of the table", row);
    }
}

static void
s_merge_keeps_lays_over_and_clears (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_bytes_t base = BYTES_OF ("\x83" KEY_A "\x01" KEY_B "\x81" KEY_A "\x01" KEY_C "\xc0");
    berth_bytes_t patch = BYTES_OF ("\x83" KEY_A "\xc0" KEY_B "\x81" KEY_C "\x02" "\xa1" "d\xc3");
    assert_true (any_equal (any_merge (base, patch, false, arena),
                            BYTES_OF ("\x84" KEY_A "\xc0" KEY_B "\x81" KEY_C "\x02" KEY_C "\xc0"
                                      "\xa1" "d\xc3")));
    assert_true (any_equal (any_merge (base, patch, true, arena),
                            BYTES_OF ("\x83" KEY_B "\x81" KEY_C "\x02" KEY_C "\xc0" "\xa1" "d\xc3")));
    static const berth_bytes_t nothing = { NULL, 0 };
    assert_true (any_equal (any_merge (base, nothing, true, arena), base));
    assert_true (any_equal (any_merge (nothing, patch, false, arena), patch));
    assert_bytes (any_merge (nothing, nothing, false, arena), berth_empty_map);
}

static void
s_set_and_remove (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    static const berth_bytes_t nothing = { NULL, 0 };
    berth_bytes_t map = any_set_number (berth_empty_map, "n", UINT64_MAX, arena);
    map = any_set_text (map, "t", "text", arena);
    map = any_set_truth (map, "yes", true, arena);
    map = any_set_text (map, "null", NULL, arena);
    map = any_set (map, "map", BYTES_OF ("\x81" KEY_A "\x01"), arena);
    assert_int_equal (any_count (map), 5);
    assert_true (any_number (map, "n", 0) == UINT64_MAX);
    assert_string_equal (any_text (map, "t", arena), "text");
    assert_true (any_truth (map, "yes", false));
    assert_bytes (any_get (map, "null"), BYTES_OF ("\xc0"));
    map = any_set_truth (map, "yes", false, arena);
    assert_int_equal (any_count (map), 5);
    assert_false (any_truth (map, "yes", true));
    map = any_set (map, "t", nothing, arena);
    assert_int_equal (any_count (map), 4);
    assert_int_equal (any_get (map, "t").size, 0);
    assert_bytes (any_get (map, "null"), BYTES_OF ("\xc0"));
    assert_int_equal (any_count (any_set (map, "none", nothing, arena)), 4);
    berth_error_t err = { 0 };
    assert_ok (wire_check (map, 16, 100, &err), err);
}

//  Large maps are merged in reasonable time: a handler does this inside its transaction.
static void
s_large_maps (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    enum { COUNT = 8000 };
    uint8_t *data = arena_take (arena, 3 + COUNT * 7);
    data [0] = 0xde;
    data [1] = COUNT >> 8;
    data [2] = COUNT & 0xff;
    for (unsigned index = 0; index < COUNT; index++) {
        uint8_t *pair = data + 3 + index * 7;
        memcpy (pair, arena_printf (arena, "\xa5%05u", index), 6);
        pair [6] = (uint8_t) (index & 0x7f);
    }
    berth_bytes_t map = { data, 3 + COUNT * 7 };
    berth_bytes_t merged = any_merge (map, map, false, arena);
    assert_int_equal (any_count (merged), COUNT);
    assert_true (any_equal (merged, map));
    assert_int_equal (any_number (merged, "07999", 0), 7999 & 0x7f);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_get_finds_exact_keys),
        cmocka_unit_test (s_what_is_no_map_has_nothing),
        cmocka_unit_test (s_each_walks_over_nested_values),
        cmocka_unit_test (s_equal_is_equal_as_data),
        cmocka_unit_test (s_merge_keeps_lays_over_and_clears),
        cmocka_unit_test (s_set_and_remove),
        cmocka_unit_test (s_large_maps),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
