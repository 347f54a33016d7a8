//  test_states.c - every move that the tables allow, and that no other is.

#include "fixture.h"

#include "states.h"

#include <stdio.h>

//  Written once more, as the design says it: a change of the table has to be meant.
static const char *const s_lease_moves [] = {
    "pending>active", "pending>releasing", "pending>failed", "pending>cleanup",
    "pending>released", "pending>expired",
    "active>releasing", "active>released", "active>expired", "active>failed", "active>retained",
    "releasing>released", "releasing>expired", "releasing>failed", "releasing>retained",
    "releasing>cleanup", "cleanup>releasing", "cleanup>released", "cleanup>expired",
    "cleanup>failed", "cleanup>retained", "retained>releasing", "retained>released", "retained>active",
};

static bool
s_listed (const char *from, const char *to)
{
    char move [64];
    snprintf (move, sizeof move, "%s>%s", from, to);
    for (size_t index = 0; index < BERTH_COUNT (s_lease_moves); index++)
        if (strcmp (move, s_lease_moves [index]) == 0)
            return true;
    return false;
}

static void
test_lease_moves (void **state)
{
    (void) state;
    size_t allowed = 0;
    for (int from = 1; from < lease_state_COUNT; from++)
        for (int to = 1; to < lease_state_COUNT; to++) {
            const char *before = berth_enum_text (&lease_state_enum, from);
            const char *after = berth_enum_text (&lease_state_enum, to);
            berth_error_t err = { 0 };
            lease_t row = { .id = "L", .state = (lease_state_t) from,
                            .status = lease_status_of ((lease_state_t) from) };
            bool moved = lease_move (&row, (lease_state_t) to, &err) == 0;
            if (moved != s_listed (before, after))
                fail_msg ("%s > %s is %s", before, after, moved ? "allowed" : "refused");
            assert_int_equal (moved, lease_may ((lease_state_t) from, (lease_state_t) to));
            assert_int_equal (row.state, moved ? to : from);
            assert_int_equal (row.status, lease_status_of (row.state));
            allowed += moved;
            if (moved)
                continue;
            assert_int_equal (err.code, BERTH_CONFLICT);
            assert_non_null (strstr (err.text, before));
            assert_non_null (strstr (err.text, after));
        }
    assert_int_equal (allowed, BERTH_COUNT (s_lease_moves));
}

//  What is settled moves nowhere, and nothing else is settled.
static void
test_settled_is_final (void **state)
{
    (void) state;
    for (int from = 1; from < lease_state_COUNT; from++) {
        bool moves = false;
        for (int to = 1; to < lease_state_COUNT; to++)
            moves = moves || lease_may ((lease_state_t) from, (lease_state_t) to);
        assert_int_equal (lease_settled ((lease_state_t) from), !moves);
    }
}

//  Only Paperclip's own words stand in `status`.
static void
test_status_words (void **state)
{
    (void) state;
    static const struct { lease_state_t state; const char *status; } cases [] = {
        { lease_state_PENDING, "active" }, { lease_state_ACTIVE, "active" },
        { lease_state_RELEASING, "active" }, { lease_state_RELEASED, "released" },
        { lease_state_EXPIRED, "expired" }, { lease_state_FAILED, "failed" },
        { lease_state_RETAINED, "retained" }, { lease_state_CLEANUP, "pending_cleanup" },
    };
    assert_int_equal (BERTH_COUNT (cases), lease_state_COUNT - 1);
    for (size_t index = 0; index < BERTH_COUNT (cases); index++)
        assert_string_equal (berth_enum_text (&lease_status_enum,
                                              (int) lease_status_of (cases [index].state)),
                             cases [index].status);
}

static void
test_exec_moves (void **state)
{
    (void) state;
    for (int from = 1; from < exec_state_COUNT; from++)
        for (int to = 1; to < exec_state_COUNT; to++) {
            berth_error_t err = { 0 };
            exec_t row = { .id = "E", .state = (exec_state_t) from };
            bool moved = exec_move (&row, (exec_state_t) to, &err) == 0;
            assert_int_equal (moved, from < to);        //  Only forward
            assert_int_equal (row.state, moved ? to : from);
        }
}

//  A run can always be released, and begun again once it is over; it is never ready unasked.
static void
test_run_moves (void **state)
{
    (void) state;
    for (int from = 1; from < run_state_COUNT; from++) {
        run_state_t at = (run_state_t) from;
        assert_int_equal (run_may (at, run_state_RELEASING), at != run_state_RELEASING);
        assert_int_equal (run_may (at, run_state_READY), at == run_state_REALIZING);
        assert_int_equal (run_may (at, run_state_RELEASED), at == run_state_RELEASING);
        berth_error_t err = { 0 };
        run_t row = { .id = "R", .state = at };
        if (!run_may (at, run_state_REALIZING))
            assert_fails (run_move (&row, run_state_REALIZING, &err), err, BERTH_CONFLICT);
        assert_int_equal (row.state, at);
    }
    assert_true (run_may (run_state_RELEASED, run_state_ACQUIRING));
    assert_true (run_may (run_state_FAILED, run_state_ACQUIRING));
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_lease_moves), cmocka_unit_test (test_settled_is_final),
        cmocka_unit_test (test_status_words), cmocka_unit_test (test_exec_moves),
        cmocka_unit_test (test_run_moves),
    };
    return cmocka_run_group_tests_name ("states", tests, NULL, NULL);
}
