//  test_arena.c - memory that lives as long as one batch.

#include "fixture.h"

#include <stdalign.h>

static void
s_taken_bytes_are_zero_aligned_and_apart (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    uint8_t *taken [200];
    size_t used = 0;
    for (size_t round = 0; round < 3; round++) {
        for (size_t index = 0; index < 200; index++) {
            size_t size = index * index;
            taken [index] = arena_take (arena, size);
            assert_int_equal ((uintptr_t) taken [index] % alignof (max_align_t), 0);
            for (size_t at = 0; at < size; at++)
                assert_int_equal (taken [index] [at], 0);
            memset (taken [index], (int) index, size);
            assert_true (arena_used (arena) >= used + size);
            used = arena_used (arena);
        }
        for (size_t index = 0; index < 200; index++)
            for (size_t at = 0; at < index * index; at++)
                assert_int_equal (taken [index] [at], (uint8_t) index);
        //  What was written before is zero again after a clear.
        arena_clear (arena);
        used = 0;
        assert_int_equal (arena_used (arena), 0);
    }
}

static void
s_larger_than_any_block (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    uint8_t *large = arena_take (arena, 10000000);
    large [9999999] = 1;
    assert_non_null (arena_take (arena, 0));
    arena_clear (arena);
    assert_int_equal (((uint8_t *) arena_take (arena, 10000000)) [9999999], 0);
}

static void
s_texts (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    assert_string_equal (arena_text (arena, "hello world", 5), "hello");
    assert_string_equal (arena_text (arena, NULL, 0), "");
    assert_string_equal (arena_string (arena, "whole"), "whole");
    assert_null (arena_string (arena, NULL));
    assert_memory_equal (arena_copy (arena, "a\0b", 3), "a\0b", 3);
    assert_non_null (arena_copy (arena, NULL, 0));
    assert_string_equal (arena_printf (arena, "%s-%d", "x", 42), "x-42");
    char *large = arena_printf (arena, "%050000d", 7);
    assert_int_equal (strlen (large), 50000);
}

static void
s_destroy_takes_null (void **state)
{
    (void) state;
    arena_t *arena = arena_new ();
    arena_destroy (&arena);
    assert_null (arena);
    arena_destroy (&arena);
}

//  An arena that is where another was, or was emptied, is never taken for what it was.
static void
s_ages (void **state)
{
    (void) state;
    uint64_t before = 0;
    for (int index = 0; index < 100; index++) {
        own (arena) arena = arena_new ();
        uint64_t age = arena_age (arena);
        assert_true (age > before);
        (void) arena_take (arena, 9);
        assert_true (arena_age (arena) == age);
        arena_clear (arena);
        before = arena_age (arena);
        assert_true (before > age);
    }
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_taken_bytes_are_zero_aligned_and_apart),
        cmocka_unit_test (s_larger_than_any_block),
        cmocka_unit_test (s_texts),
        cmocka_unit_test (s_ages),
        cmocka_unit_test (s_destroy_takes_null),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
