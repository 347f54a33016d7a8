//  test_keys.c - keys sort as what they are made of, and cursors come back.

#include "fixture.h"

#include "keys.h"

#define ID "0190a5b2-3c4d-7e5f-8a6b-7c8d9eafb0c1"

static int
s_compare (const store_key_t *left, const store_key_t *right)
{
    size_t size = left->size < right->size ? left->size : right->size;
    int order = memcmp (left->data, right->data, size);
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

static store_key_t
s_number (void (*append) (store_key_t *, uint64_t), uint64_t number)
{
    store_key_t key = { 0 };
    append (&key, number);
    return key;
}

static void
test_numbers_sort (void **state)
{
    (void) state;
    static const uint64_t numbers [] = { 0, 1, 255, 256, 65535, 1ull << 32, INT64_MAX, UINT64_MAX };
    for (size_t index = 1; index < BERTH_COUNT (numbers); index++) {
        store_key_t less = s_number (key_up, numbers [index - 1]);
        store_key_t more = s_number (key_up, numbers [index]);
        assert_true (s_compare (&less, &more) < 0);
        less = s_number (key_down, numbers [index - 1]);
        more = s_number (key_down, numbers [index]);
        assert_true (s_compare (&less, &more) > 0);
    }
}

//  "a" sorts before "ab", whatever follows, and is no prefix of it.
static void
test_texts_sort (void **state)
{
    (void) state;
    store_key_t shorter = { 0 }, longer = { 0 };
    key_text (&shorter, "a");
    key_text (&longer, "ab");
    assert_true (memcmp (shorter.data, longer.data, shorter.size) != 0);
    key_up (&shorter, UINT64_MAX);
    key_up (&longer, 0);
    assert_true (s_compare (&shorter, &longer) < 0);
}

static void
test_pieces (void **state)
{
    (void) state;
    store_key_t key = { 0 };
    key_byte (&key, 7);
    key_id (&key, ID);
    key_text (&key, "x");
    key_bytes (&key, "\xff\x00", 2);
    assert_int_equal (key.size, 1 + 16 + 2 + 2);
    assert_int_equal (key.data [0], 7);
    assert_int_equal (key.data [1], 0x01);
    assert_int_equal (key.data [16], 0xc1);
    assert_memory_equal (key.data + 17, "x\0\xff\0", 4);
}

static void
test_text_and_back (void **state)
{
    (void) state;
    store_key_t key = { 0 }, back = { 0 };
    char text [2 * STORE_KEY_MAX + 1];
    for (size_t size = 0; size < STORE_KEY_MAX; size++)
        key_byte (&key, (uint8_t) (size * 37));
    key_to_text (&key, text, sizeof text);
    assert_int_equal (key_from_text (&back, text), 0);
    assert_int_equal (back.size, key.size);
    assert_memory_equal (back.data, key.data, key.size);
}

static void
test_last_id (void **state)
{
    (void) state;
    store_key_t key = { 0 };
    char id [BERTH_ID_SIZE];
    key_byte (&key, 7);
    key_id (&key, "01890000-0000-7000-8000-0000000000e1");
    key_last_id (&key, id);
    assert_string_equal (id, "01890000-0000-7000-8000-0000000000e1");
}

static void
test_not_a_text (void **state)
{
    (void) state;
    char text [2 * STORE_KEY_MAX + 3];
    memset (text, 'a', sizeof text);
    text [sizeof text - 1] = 0;
    static const char *const cases [] = { "0", "0g", "0A", " 0", "00-1", "\xc3\xa9" };
    store_key_t key = { 0 };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++)
        assert_int_equal (key_from_text (&key, cases [index]), -1);
    assert_int_equal (key_from_text (&key, text), -1);
    assert_int_equal (key_from_text (&key, ""), 0);
    assert_int_equal (key.size, 0);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_numbers_sort), cmocka_unit_test (test_texts_sort),
        cmocka_unit_test (test_pieces), cmocka_unit_test (test_text_and_back),
        cmocka_unit_test (test_not_a_text), cmocka_unit_test (test_last_id),
    };
    return cmocka_run_group_tests_name ("keys", tests, NULL, NULL);
}
