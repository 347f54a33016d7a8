//  test_clock.c - the two clocks, and how a time is written.

#include "fixture.h"

#include "clock.h"

#include <time.h>

static void
s_assert_text (int64_t wall_ms, const char *expected)
{
    char text [32];
    berth_time_text (wall_ms, text, sizeof text);
    assert_string_equal (text, expected);
}

static void
s_times_are_rfc_3339 (void **state)
{
    (void) state;
    s_assert_text (0, "1970-01-01T00:00:00.000Z");
    s_assert_text (1, "1970-01-01T00:00:00.001Z");
    s_assert_text (1709210096789, "2024-02-29T12:34:56.789Z");
    s_assert_text (253402300799999, "9999-12-31T23:59:59.999Z");
    s_assert_text (-1, "1969-12-31T23:59:59.999Z");
    s_assert_text (-1000, "1969-12-31T23:59:59.000Z");
    //  Numbers that no clock shows, but a client may send.
    char text [32];
    berth_time_text (INT64_MAX, text, sizeof text);
    assert_true (text [0] != 0);
    berth_time_text (INT64_MIN, text, sizeof text);
    assert_true (text [0] != 0);
}

static void
s_clocks_go_forward (void **state)
{
    (void) state;
    int64_t wall = berth_wall_ms ();
    assert_true (wall / 1000 <= (int64_t) time (NULL) + 1);
    assert_true (wall / 1000 >= (int64_t) time (NULL) - 60);
    int64_t before = berth_mono_ms (), now;
    assert_true (before > 0);
    while ((now = berth_mono_ms ()) == before)
        ;
    assert_true (now > before);
}

static void
s_boot_id_stays (void **state)
{
    (void) state;
    const char *boot = berth_boot_id ();
    assert_int_equal (strlen (boot), 36);
    assert_string_equal (boot, berth_boot_id ());
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_times_are_rfc_3339),
        cmocka_unit_test (s_clocks_go_forward),
        cmocka_unit_test (s_boot_id_stays),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
