//  test_stuck.c - each object that does not move is told of once it should have: what, since when, why,
//  and a command; what moves is not.

#include "stage.h"

#include "codec.h"
#include "stuck.h"

#define ENV   "11111111-1111-7111-8111-111111111111"
#define LEASE_A "22222222-2222-7222-8222-222222222222"
#define EXEC_A "33333333-3333-7333-8333-333333333333"
#define SPACE "44444444-4444-7444-8444-444444444444"
#define ASK(...) arena_printf (stage->arena, __VA_ARGS__)

enum { DAY_MS = 86400000 };

typedef void (put_fn) (stage_t *stage, store_txn_t *txn);

static void
s_put (stage_t *stage, put_fn *put)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_begin (stage->store, &txn, &err), err);
    put (stage, txn);
    assert_ok (store_commit (&txn, &err), err);
}

static size_t
s_find (stage_t *stage, bus_stuck_t items [STUCK_MAX])
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    size_t count = 0;
    assert_ok (store_read (stage->store, &txn, &err), err);
    request_t now = { .now_ms = stage->now_ms, .mono_ms = stage->mono_ms, .boot = "this" };
    assert_ok (stuck_find (txn, stage->arena, &now, items, &count, &err), err);
    store_txn_destroy (&txn);
    for (size_t index = 0; index < count; index++) {        //  It goes out as it is
        bus_stuck_t again;
        assert_ok (berth_unpack (&bus_stuck_schema, berth_pack (&bus_stuck_schema, &items [index],
                   stage->arena), stage->arena, &again, &err), err);
    }
    return count;
}

//  ---- rows, as they stand when something began now

static void
s_put_lease (stage_t *stage, store_txn_t *txn, lease_t row)
{
    berth_error_t err = { 0 };
    row.provider = "bubblewrap";
    assert_ok (lease_put (txn, stage->arena, &row, &err), err);
}

static void
s_pending (stage_t *stage, store_txn_t *txn)
{
    s_put_lease (stage, txn, stage_lease (stage, LEASE_A, ENV, lease_state_PENDING));
}

static void
s_queued (stage_t *stage, store_txn_t *txn)
{
    lease_t row = stage_lease (stage, LEASE_A, ENV, lease_state_PENDING);
    row.workspace = SPACE;
    row.queued_at = stage->now_ms;
    s_put_lease (stage, txn, row);
}

static void
s_overdue (stage_t *stage, store_txn_t *txn)
{
    lease_t row = stage_lease (stage, LEASE_A, ENV, lease_state_ACTIVE);
    row.expires_at = stage->now_ms;
    s_put_lease (stage, txn, row);
}

static void
s_releasing (stage_t *stage, store_txn_t *txn)
{
    s_put_lease (stage, txn, stage_lease (stage, LEASE_A, ENV, lease_state_RELEASING));
}

static void
s_cleanup (stage_t *stage, store_txn_t *txn)
{
    lease_t row = stage_lease (stage, LEASE_A, ENV, lease_state_CLEANUP);
    berth_put (lease, &row, attempts, 3);
    row.failure = "no such machine";
    row.next_try_at = stage->now_ms + 2 * DAY_MS;
    s_put_lease (stage, txn, row);
}

static void
s_retained (stage_t *stage, store_txn_t *txn)
{
    lease_t row = stage_lease (stage, LEASE_A, ENV, lease_state_RETAINED);
    row.expires_at = stage->now_ms + 7 * DAY_MS;
    s_put_lease (stage, txn, row);
}

static void
s_closing (stage_t *stage, store_txn_t *txn)
{
    lease_t row = stage_lease (stage, LEASE_A, ENV, lease_state_RELEASED);
    row.place = place_state_CLOSING;
    row.provider_lease = "bubblewrap:x";
    row.released_at = stage->now_ms;
    row.next_try_at = stage->now_ms;
    berth_put (lease, &row, attempts, 2);
    s_put_lease (stage, txn, row);
}

static void
s_put_suspect (stage_t *stage, store_txn_t *txn, suspect_kind_t kind, bool given_up)
{
    berth_error_t err = { 0 };
    suspect_t row = {
        .id = "bubblewrap:00", .kind = kind, .provider = "bubblewrap", .company = "acme",
        .provider_lease = "bubblewrap:x", .lease = LEASE_A, .since = stage->now_ms, .seen = 1,
        .sweep = 1, .given_up = given_up,
    };
    if (given_up)
        berth_put (suspect, &row, given_up, true);
    assert_ok (suspect_put (txn, stage->arena, &row, &err), err);
}

static void
s_orphan (stage_t *stage, store_txn_t *txn)
{
    s_put_suspect (stage, txn, suspect_kind_ORPHAN, false);
}

static void
s_given_up (stage_t *stage, store_txn_t *txn)
{
    s_put_suspect (stage, txn, suspect_kind_ORPHAN, true);
}

static void
s_former (stage_t *stage, store_txn_t *txn)
{
    berth_error_t err = { 0 };
    suspect_t row;
    memset (&row, 0, sizeof row);
    s_put_suspect (stage, txn, suspect_kind_ORPHAN, false);
    assert_ok (suspect_find (txn, stage->arena, "bubblewrap", "bubblewrap:00", &row, &err), err);
    berth_put (suspect, &row, former, true);
    assert_ok (suspect_put (txn, stage->arena, &row, &err), err);
}

static void
s_missing (stage_t *stage, store_txn_t *txn)
{
    s_put_suspect (stage, txn, suspect_kind_MISSING, false);
}

static void
s_put_sweep (stage_t *stage, store_txn_t *txn, uint64_t failures, const char *lied)
{
    berth_error_t err = { 0 };
    sweep_t row = {
        .provider = "bubblewrap", .number = 9, .failures = failures, .lied = lied,
        .failing_since = failures ? stage->now_ms : 0, .done_at = stage->now_ms,
        .error = failures ? "no route (provider_error)" : NULL,
    };
    assert_ok (sweep_put (txn, stage->arena, &row, &err), err);
}

static void
s_unreadable (stage_t *stage, store_txn_t *txn)
{
    s_put_sweep (stage, txn, 2, NULL);
}

static void
s_lied (stage_t *stage, store_txn_t *txn)
{
    s_put_sweep (stage, txn, 0, "it left out place 'x', which is there");
}

static void
s_breaker (stage_t *stage, store_txn_t *txn)
{
    berth_error_t err = { 0 };
    hold_t row = {
        .id = "breaker:bubblewrap:" ENV, .kind = hold_kind_BREAKER, .held = true,
        .provider = "bubblewrap", .env = ENV, .since = stage->now_ms, .error = "no image",
        .reason = "5 acquires in a row failed with provider_error",
        .next_try_at = stage->now_ms + 2 * DAY_MS,
    };
    assert_ok (hold_put (txn, stage->arena, &row, &err), err);
}

static void
s_run (stage_t *stage, store_txn_t *txn)
{
    berth_error_t err = { 0 };
    run_t row = { .id = "r1", .company = "acme", .state = run_state_RELEASING, .step = "release",
                  .created_at = stage->now_ms, .updated_at = stage->now_ms };
    assert_ok (run_put (txn, stage->arena, &row, &err), err);
}

static void
s_put_exec (stage_t *stage, store_txn_t *txn, exec_state_t state, bool stalled, lease_state_t lease)
{
    berth_error_t err = { 0 };
    s_put_lease (stage, txn, stage_lease (stage, LEASE_A, ENV, lease));
    exec_t row = { .id = EXEC_A, .company = "acme", .lease = LEASE_A, .generation = 7, .state = state,
                   .command = BYTES_OF ("sh"), .created_at = stage->now_ms, .stalled = stalled,
                   .started_at = state == exec_state_RUNNING ? stage->now_ms : 0,
                   .on_full = exec_on_full_BLOCK };
    assert_ok (exec_put (txn, stage->arena, &row, &err), err);
}

static void
s_starting (stage_t *stage, store_txn_t *txn)
{
    s_put_exec (stage, txn, exec_state_STARTING, false, lease_state_ACTIVE);
}

static void
s_stalled (stage_t *stage, store_txn_t *txn)
{
    s_put_exec (stage, txn, exec_state_RUNNING, true, lease_state_ACTIVE);
}

static void
s_lost (stage_t *stage, store_txn_t *txn)
{
    s_put_exec (stage, txn, exec_state_RUNNING, false, lease_state_RELEASED);
}

static void
s_deleting (stage_t *stage, store_txn_t *txn)
{
    (void) txn;
    stage_put_environment (stage, ENV, ASK ("{'deletingAt':%lld}", (long long) stage->now_ms));
}

//  Not overdue, whatever the wall clock is set to: in this boot another one decides.
static void
test_clock_set (void **state)
{
    (void) state;
    bus_stuck_t items [STUCK_MAX];
    stage_t *stage = stage_new ();
    lease_t row = stage_lease (stage, LEASE_A, ENV, lease_state_ACTIVE);
    row.expires_at = stage->now_ms + 1000;
    row.deadline_mono_ms = stage->mono_ms + 1000;
    row.boot = "this";
    stage_put_lease (stage, &row);
    stage->now_ms += 30ll * DAY_MS;
    assert_int_equal (s_find (stage, items), 0);
    stage->mono_ms += 1000 + STUCK_AFTER_MS;
    assert_int_equal (s_find (stage, items), 1);
    stage_destroy (&stage);
}

//  ---- each of them, alone in its store

static const struct {
    const char *what;
    put_fn *put;
    int64_t after_ms;               //  It is stuck so long after it began, and not before
    const char *kind, *id, *state, *why, *command;
    bool meant;
} s_cases [] = {
    { "pending", s_pending, STUCK_OPENING_MS, "lease", LEASE_A, "pending", "has not opened",
      "berth lease release " LEASE_A, false },
    { "queued", s_queued, STUCK_QUEUED_MS, "lease", LEASE_A, "pending", "waits in the queue of workspace " SPACE,
      "berth lease list --environment-id " ENV " --state active", false },
    { "overdue", s_overdue, STUCK_AFTER_MS, "lease", LEASE_A, "active", "its time is over",
      "berth lease release " LEASE_A, false },
    { "releasing", s_releasing, STUCK_AFTER_MS, "lease", LEASE_A, "releasing", "has not closed",
      "berth lease release " LEASE_A, false },
    { "cleanup", s_cleanup, 0, "lease", LEASE_A, "cleanup", "3 tries, the next is in 172800 s: no such machine",
      "berth lease release " LEASE_A, false },
    { "retained", s_retained, 0, "lease", LEASE_A, "retained", "until they are fetched; that ends in 604800 s",
      "berth lease release " LEASE_A, true },
    { "closing", s_closing, 0, "place", "bubblewrap:x", "closing", "lease " LEASE_A " left",
      "berth provider probe bubblewrap", false },
    { "orphan", s_orphan, 0, "place", "bubblewrap:x", "orphan", "no lease wants this place",
      "berth provider sweep bubblewrap --now", false },
    { "former", s_former, 0, "place", "bubblewrap:x", "former", "may still run",
      "berth provider sweep bubblewrap --now --former", false },
    { "given up", s_given_up, 0, "place", "bubblewrap:x", "orphan", "abandoned", NULL, true },
    { "missing", s_missing, 0, "lease", LEASE_A, "missing", "'bubblewrap:x' is not in the list",
      "berth provider sweep bubblewrap --now", false },
    { "unreadable", s_unreadable, 0, "sweep", "bubblewrap", "unreadable", "no route",
      "berth provider sweep bubblewrap", false },
    { "lied", s_lied, 0, "sweep", "bubblewrap", "not whole", "left out place 'x'",
      "berth provider sweep bubblewrap", false },
    { "breaker", s_breaker, 0, "provider", "breaker:bubblewrap:" ENV, "left alone",
      "5 acquires in a row failed with provider_error: no image", "berth provider probe bubblewrap", false },
    { "run", s_run, STUCK_RUN_MS, "run", "r1", "releasing", "its step 'release' has no answer",
      "berth --company acme bus call run.release '{\"heartbeatRunId\":\"r1\"}'", false },
    { "starting", s_starting, STUCK_AFTER_MS, "exec", EXEC_A, "starting", "has not started it",
      "berth exec signal " EXEC_A " KILL", false },
    { "stalled", s_stalled, 0, "exec", EXEC_A, "stalled", "room on the disk", "berth store stat", false },
    { "lost", s_lost, STUCK_AFTER_MS, "exec", EXEC_A, "running", "lease " LEASE_A " is over",
      "berth exec signal " EXEC_A " KILL", false },
    { "deleting", s_deleting, STUCK_AFTER_MS, "environment", ENV, "deleting", "do not settle",
      "berth lease list --environment-id " ENV, false },
};

static void
test_each (void **state)
{
    (void) state;
    for (size_t index = 0; index < BERTH_COUNT (s_cases); index++) {
        stage_t *stage = stage_new ();
        bus_stuck_t items [STUCK_MAX];
        int64_t began_ms = stage->now_ms;
        if (s_cases [index].put == s_deleting)
            s_deleting (stage, NULL);
        else
            s_put (stage, s_cases [index].put);
        print_message ("%s\n", s_cases [index].what);
        if (s_cases [index].after_ms) {
            stage->now_ms = began_ms + s_cases [index].after_ms - 1;
            assert_int_equal (s_find (stage, items), 0);
            stage->now_ms++;
        }
        assert_int_equal (s_find (stage, items), 1);
        assert_string_equal (items [0].kind, s_cases [index].kind);
        assert_string_equal (items [0].id, s_cases [index].id);
        assert_string_equal (items [0].state, s_cases [index].state);
        assert_int_equal (items [0].since, began_ms);
        assert_non_null (strstr (items [0].why, s_cases [index].why));
        if (s_cases [index].command)
            assert_string_equal (items [0].command, s_cases [index].command);
        else
            assert_null (items [0].command);
        assert_int_equal (items [0].meant, s_cases [index].meant);
        stage_destroy (&stage);
    }
}

//  What moves, or has settled.
static void
s_well (stage_t *stage, store_txn_t *txn)
{
    berth_error_t err = { 0 };
    s_put_lease (stage, txn, stage_lease (stage, LEASE_A, ENV, lease_state_ACTIVE));
    s_put_lease (stage, txn, stage_lease (stage, SPACE, ENV, lease_state_RELEASED));
    lease_t kept = stage_lease (stage, ENV, ENV, lease_state_RELEASED);
    kept.place = place_state_KEPT;
    s_put_lease (stage, txn, kept);
    exec_t exec = { .id = EXEC_A, .company = "acme", .lease = LEASE_A, .generation = 7,
                    .state = exec_state_RUNNING, .command = BYTES_OF ("sh"),
                    .created_at = stage->now_ms, .started_at = stage->now_ms,
                    .on_full = exec_on_full_BLOCK };
    hold_t drained = { .id = "bus", .kind = hold_kind_DRAIN, .held = true, .since = stage->now_ms };
    run_t run = { .id = "r1", .company = "acme", .state = run_state_READY,
                  .created_at = stage->now_ms, .updated_at = stage->now_ms };
    assert_ok (exec_put (txn, stage->arena, &exec, &err), err);
    assert_ok (hold_put (txn, stage->arena, &drained, &err), err);
    assert_ok (run_put (txn, stage->arena, &run, &err), err);
    s_put_sweep (stage, txn, 1, NULL);              //  Once is nothing yet
}

static void
test_well (void **state)
{
    (void) state;
    stage_t *stage = stage_new ();
    bus_stuck_t items [STUCK_MAX];
    s_put (stage, s_well);
    stage->now_ms += DAY_MS;
    assert_int_equal (s_find (stage, items), 0);
    stage_destroy (&stage);
}

//  Many of one kind: bounded, and the provider behind them is still told of.
static void
s_many (stage_t *stage, store_txn_t *txn)
{
    for (int index = 0; index < 2 * STUCK_MAX; index++) {
        lease_t row = stage_lease (stage, ASK ("22222222-2222-7222-8222-%012d", index), ENV,
                                   lease_state_CLEANUP);
        s_put_lease (stage, txn, row);
    }
    s_breaker (stage, txn);
}

static void
test_many (void **state)
{
    (void) state;
    stage_t *stage = stage_new ();
    bus_stuck_t items [STUCK_MAX];
    s_put (stage, s_many);
    assert_int_equal (s_find (stage, items), STUCK_MAX);
    assert_string_equal (items [0].kind, "provider");
    stage_destroy (&stage);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_each), cmocka_unit_test (test_well), cmocka_unit_test (test_many),
        cmocka_unit_test (test_clock_set),
    };
    return cmocka_run_group_tests_name ("stuck", tests, NULL, NULL);
}
