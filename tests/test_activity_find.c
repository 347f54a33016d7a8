//  test_activity_find.c - every filter of the log finds what a look at each entry finds, page by page,
//  and looks at little else.

#include "store_home.h"

#include "activity_inside.h"
#include "codec.h"
#include "ids.h"

enum { ENTRIES = 3 * FINDER_LAG + 44, RUNS = 40 };      //  The index does not lead to the last 44

static const action_t s_actions [] = { ACTION_RUN_READY, ACTION_LEASE_ACQUIRED, ACTION_RUN_FAILED,
                                       ACTION_EXEC_STARTED };

//  Two companies in turns; the clock runs, steps back by a little now and then, and once by an hour.
static int
s_setup (void **state)
{
    (void) home_setup (state);
    home_t *home = *state;
    store_txn_t *txn;
    fixture_random_t random = { 7 };
    int64_t now_ms = 1000000;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    for (int index = 0; index < ENTRIES; index++) {
        own (arena) arena = arena_new ();
        char id [BERTH_ID_SIZE];
        berth_id_new (id);
        now_ms += (int64_t) fixture_below (&random, 5000);
        if (fixture_below (&random, 10) == 0)
            now_ms -= 4000;
        if (index == ENTRIES / 2)
            now_ms -= 3600000;
        activity_note_t note = {
            .id = id, .company = index % 2 ? "acme" : "acm", .now_ms = now_ms,
            .run = fixture_below (&random, 3)
                ? arena_printf (arena, "run-%d", (int) fixture_below (&random, RUNS)) : NULL,
            .entity = arena_printf (arena, "thing-%d", (int) fixture_below (&random, 30)),
            .action = s_actions [fixture_below (&random, BERTH_COUNT (s_actions))],
            .details = berth_empty_map,
        };
        assert_ok (activity_add (txn, arena, &note, &home->err), home->err);
    }
    assert_ok (store_commit (&txn, &home->err), home->err);
    return 0;
}

static bool
s_wanted (const activity_filter_t *filter, const activity_t *row)
{
    size_t length = filter->action ? strlen (filter->action) : 0;
    return (!filter->run || (row->run && strcmp (filter->run, row->run) == 0))
        && (!filter->entity || strcmp (filter->entity, row->entity) == 0)
        && (!filter->since_ms || row->created_at >= filter->since_ms)
        && (!filter->until_ms || row->created_at < filter->until_ms)
        && (!length || (filter->action [length - 1] == '.'
                        ? strncmp (filter->action, row->action, length) == 0
                        : strcmp (filter->action, row->action) == 0));
}

//  Walks with the filter and holds each hit against a look at every entry. Returns entries looked at.
static size_t
s_compare (home_t *home, store_txn_t *txn, const activity_filter_t *filter)
{
    own (arena) arena = arena_new ();
    activity_walk_t walk;
    activity_t found = { 0 }, row;
    uint64_t at = filter->after;
    size_t looked = 0;
    bool fits = false, more = true;
    assert_ok (activity_walk_begin (&walk, txn, filter, &home->err), home->err);
    while (more) {
        int rc;
        do {
            rc = activity_walk_next (&walk, arena, &found, &fits, &home->err);
            looked += rc == 0;
        } while (rc == 0 && !fits);
        assert_true (rc >= 0);
        more = rc == 0;
        //  Nothing that is wanted stands between the last hit and this one.
        while (activity_next (txn, arena, filter->company, at, &row, &home->err) == 0
               && (!more || row.company_seq < found.company_seq)) {
            if (s_wanted (filter, &row))
                fail_msg ("entry %d was not found", (int) row.company_seq);
            at = row.company_seq;
        }
        if (more) {
            assert_int_equal (row.company_seq, found.company_seq);
            assert_string_equal (row.id, found.id);
            assert_true (s_wanted (filter, &row));
            at = row.company_seq;
        }
    }
    return looked;
}

static void
test_filters (void **state)
{
    home_t *home = *state;
    static const char *const actions [] = { NULL, "run.", "run.failed", "exec.", "no.such", "e" };
    static const char *const runs [] = { NULL, "run-3", "run-39", "run-", "none" };
    static const char *const entities [] = { NULL, "thing-1", "thing" };
    static const uint64_t afters [] = { 0, 700, UINT64_MAX };
    store_txn_t *txn;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    for (size_t action = 0; action < BERTH_COUNT (actions); action++)
        for (size_t run = 0; run < BERTH_COUNT (runs); run++)
            for (size_t entity = 0; entity < BERTH_COUNT (entities); entity++)
                for (size_t after = 0; after < BERTH_COUNT (afters); after++) {
                    activity_filter_t filter = {
                        .company = "acme", .after = afters [after], .run = runs [run],
                        .entity = entities [entity], .action = actions [action],
                    };
                    if (filter.after != UINT64_MAX)
                        s_compare (home, txn, &filter);
                }
    store_txn_destroy (&txn);
}

//  Also behind an hour that the clock was set back: what is newer than `since` is there.
static void
test_since (void **state)
{
    home_t *home = *state;
    store_txn_t *txn;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    for (int64_t since_ms = 1; since_ms < 5000000; since_ms += 97000) {
        activity_filter_t filter = { .company = "acme", .since_ms = since_ms };
        s_compare (home, txn, &filter);
        filter.action = "run.ready";
        s_compare (home, txn, &filter);
    }
    store_txn_destroy (&txn);
}

//  In front of the hour that the clock was set back.
static void
test_until (void **state)
{
    home_t *home = *state;
    store_txn_t *txn;
    activity_t row;
    bool fits;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    activity_filter_t filter = { .company = "acme", .since_ms = 1050000, .until_ms = 1150000 };
    activity_walk_t walk;
    assert_ok (activity_walk_begin (&walk, txn, &filter, &home->err), home->err);
    int rc, hits = 0, looked = 0;
    while ((rc = activity_walk_next (&walk, home->arena, &row, &fits, &home->err)) == 0) {
        looked++;
        hits += fits;
        assert_true (!fits || (row.created_at >= 1050000 && row.created_at < 1150000));
    }
    assert_int_equal (rc, 1);
    assert_in_range (hits, 10, 60);
    assert_true (looked < 120);         //  It stopped behind them
    store_txn_destroy (&txn);
}

//  The entries of one run are found without a look at those of others.
static void
test_little_is_looked_at (void **state)
{
    home_t *home = *state;
    store_txn_t *txn;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    activity_filter_t filter = { .company = "acme", .run = "run-3" };
    assert_in_range (s_compare (home, txn, &filter), 1, 3 * ENTRIES / 2 / RUNS);
    //  But for the last, which the index does not lead to yet
    filter = (activity_filter_t) { .company = "acme", .action = "exec.ended" };
    assert_in_range (s_compare (home, txn, &filter), 0, FINDER_LAG - 1);
    filter = (activity_filter_t) { .company = "acme", .entity = "nothing" };
    assert_in_range (s_compare (home, txn, &filter), 0, FINDER_LAG - 1);
    store_txn_destroy (&txn);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_filters), cmocka_unit_test (test_since),
        cmocka_unit_test (test_until), cmocka_unit_test (test_little_is_looked_at),
    };
    return cmocka_run_group_tests_name ("activity_find", tests, s_setup, home_teardown);
}
