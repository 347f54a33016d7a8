//  test_tables.c - rows and their indexes: what a put moves, a delete removes, a walk meets.

#include "fixture.h"

#include "codec.h"
#include "ids.h"
#include "states.h"
#include "tables.h"

#include <stdio.h>

#define ENV1 "11111111-1111-7111-8111-111111111111"
#define ENV2 "22222222-2222-7222-8222-222222222222"

typedef struct {
    char *folder;
    store_t *store;
    store_txn_t *txn;               //  One write transaction, never committed
    arena_t *arena;
    berth_error_t err;
} home_t;

static int
s_setup (void **state)
{
    home_t *home = calloc (1, sizeof *home);
    assert_non_null (home);
    home->folder = fixture_folder_new ();
    home->arena = arena_new ();
    assert_ok (store_open (home->folder, 64 << 20, &home->store, &home->err), home->err);
    assert_ok (store_begin (home->store, &home->txn, &home->err), home->err);
    *state = home;
    return 0;
}

static int
s_teardown (void **state)
{
    home_t *home = *state;
    store_txn_destroy (&home->txn);
    store_destroy (&home->store);
    fixture_folder_destroy (&home->folder);
    arena_destroy (&home->arena);
    free (home);
    return 0;
}

static const char *
s_id (home_t *home)
{
    char *id = arena_take (home->arena, BERTH_ID_SIZE);
    berth_id_new (id);
    return id;
}

static environment_t
s_environment (const char *id, const char *company, int64_t updated_at)
{
    return (environment_t) {
        .id = id, .company = company, .name = "n", .driver = environment_driver_SSH,
        .status = environment_status_ACTIVE, .config = berth_empty_map,
        .created_at = 1, .updated_at = updated_at,
    };
}

static void
s_put (home_t *home, const environment_t *row)
{
    assert_ok (environment_put (home->txn, home->arena, row, &home->err), home->err);
}

static lease_t
s_lease (home_t *home, lease_state_t state)
{
    return (lease_t) {
        .id = s_id (home), .company = "acme", .env = ENV1, .status = lease_status_of (state),
        .state = state, .policy = lease_policy_EPHEMERAL, .generation = 1, .acquired_at = 1,
        .last_used_at = 1, .created_at = 1, .updated_at = 1,
    };
}

static void
s_put_lease (home_t *home, const lease_t *row)
{
    assert_ok (lease_put (home->txn, home->arena, row, &home->err), home->err);
}

static uint64_t
s_count (home_t *home, store_index_t index, const char *company)
{
    store_key_t prefix = { 0 };
    if (company)
        key_text (&prefix, company);
    return index_entries (home->txn, index, &prefix);
}

//  ---- rows

static void
test_row (void **state)
{
    home_t *home = *state;
    environment_t row = s_environment (ENV1, "acme", 5), got;
    row.config = any_set_text (berth_empty_map, "k", "v", home->arena);
    row.metadata = any_set_number (berth_empty_map, "n", 7, home->arena);
    assert_fails (environment_get (home->txn, home->arena, ENV1, &got, &home->err), home->err,
                  BERTH_NOT_FOUND);
    assert_non_null (strstr (home->err.text, ENV1));
    s_put (home, &row);
    assert_ok (environment_get (home->txn, home->arena, ENV1, &got, &home->err), home->err);
    //  What was read stays, whatever is written behind it.
    for (int index = 0; index < 200; index++) {
        environment_t other = s_environment (s_id (home), "acme", index);
        s_put (home, &other);
    }
    assert_bytes (berth_pack (&environment_schema, &got, home->arena),
                  berth_pack (&environment_schema, &row, home->arena));
    assert_int_equal (table_rows (home->txn, TABLE_ENVIRONMENTS), 201);
    assert_ok (environment_del (home->txn, home->arena, ENV1, &home->err), home->err);
    assert_ok (environment_del (home->txn, home->arena, ENV1, &home->err), home->err);
    assert_int_equal (table_rows (home->txn, TABLE_ENVIRONMENTS), 200);
}

//  A run is of its company: the same id elsewhere is another one.
static void
test_runs_of_companies (void **state)
{
    home_t *home = *state;
    run_t one = { .id = "r", .company = "a", .state = run_state_ACQUIRING, .step = "lease",
                  .created_at = 1, .updated_at = 1 };
    run_t two = { .id = "r", .company = "ab", .state = run_state_READY, .created_at = 1,
                  .updated_at = 1 }, got;
    assert_ok (run_put (home->txn, home->arena, &one, &home->err), home->err);
    assert_ok (run_put (home->txn, home->arena, &two, &home->err), home->err);
    assert_ok (run_get (home->txn, home->arena, "ab", "r", &got, &home->err), home->err);
    assert_int_equal (got.state, run_state_READY);
    assert_fails (run_get (home->txn, home->arena, "b", "r", &got, &home->err), home->err,
                  BERTH_NOT_FOUND);
    assert_int_equal (s_count (home, INDEX_RUN_DUE, NULL), 1);
    one.step = NULL;
    assert_ok (run_put (home->txn, home->arena, &one, &home->err), home->err);
    assert_int_equal (s_count (home, INDEX_RUN_DUE, NULL), 0);
    assert_int_equal (s_count (home, INDEX_RUN_LIST, "a"), 1);
}

//  ---- indexes

static void
test_index_follows (void **state)
{
    home_t *home = *state;
    environment_t row = s_environment (ENV1, "acme", 5);
    s_put (home, &row);
    assert_int_equal (s_count (home, INDEX_ENVIRONMENT_LIST, "acme"), 1);
    assert_int_equal (s_count (home, INDEX_ENVIRONMENT_LOCAL, "acme"), 0);
    row.driver = environment_driver_LOCAL;
    row.updated_at = 6;
    s_put (home, &row);
    assert_int_equal (s_count (home, INDEX_ENVIRONMENT_LIST, "acme"), 1);
    assert_int_equal (s_count (home, INDEX_ENVIRONMENT_LOCAL, "acme"), 1);
    assert_int_equal (s_count (home, INDEX_ENVIRONMENT_LOCAL, "acm"), 0);
    row.driver = environment_driver_SSH;
    s_put (home, &row);
    assert_int_equal (s_count (home, INDEX_ENVIRONMENT_LOCAL, "acme"), 0);
    assert_ok (environment_del (home->txn, home->arena, ENV1, &home->err), home->err);
    assert_int_equal (s_count (home, INDEX_ENVIRONMENT_LIST, "acme"), 0);
}

static void
test_lease_indexes (void **state)
{
    home_t *home = *state;
    lease_t row = s_lease (home, lease_state_PENDING);
    row.workspace = ENV2;
    row.run = "run";
    row.look_mono_ms = 100;
    s_put_lease (home, &row);
    assert_int_equal (s_count (home, INDEX_LEASE_LIVE, NULL), 1);
    assert_int_equal (s_count (home, INDEX_LEASE_BY_WORKSPACE, NULL), 1);
    assert_int_equal (s_count (home, INDEX_LEASE_BY_RUN, "acme"), 1);
    row.state = lease_state_RELEASING;
    s_put_lease (home, &row);
    assert_int_equal (s_count (home, INDEX_LEASE_LIVE, NULL), 1);
    row.state = lease_state_RETAINED;
    s_put_lease (home, &row);
    assert_int_equal (s_count (home, INDEX_LEASE_LIVE, NULL), 1);
    row.state = lease_state_RELEASED;
    s_put_lease (home, &row);
    assert_int_equal (s_count (home, INDEX_LEASE_LIVE, NULL), 0);
    assert_int_equal (s_count (home, INDEX_LEASE_BY_WORKSPACE, NULL), 0);
    assert_int_equal (s_count (home, INDEX_LEASE_BY_RUN, "acme"), 1);
    assert_int_equal (s_count (home, INDEX_LEASE_LIST, "acme"), 1);
    lease_t adhoc = s_lease (home, lease_state_ACTIVE);
    s_put_lease (home, &adhoc);
    assert_int_equal (s_count (home, INDEX_LEASE_BY_RUN, NULL), 1);
}

//  A put moves the entries of what is there, also if the row was read before by who puts it, by a part of
//  the transaction, or into an arena that was emptied since.
static void
test_put_of_what_was_read (void **state)
{
    home_t *home = *state;
    own (arena) arena = arena_new ();
    lease_t row = s_lease (home, lease_state_PENDING), read;
    row.run = "run";
    berth_put (lease, &row, expires_at, 1000);
    s_put_lease (home, &row);
    for (int round = 0; round < 40; round++) {
        store_txn_t *child = NULL;
        if (round % 4 != 0)
            assert_ok (lease_get (home->txn, arena, row.id, &read, &home->err), home->err);
        if (round % 4 == 1)
            arena_clear (arena);
        if (round % 4 == 2) {
            assert_ok (store_child (home->txn, &child, &home->err), home->err);
            read.look_mono_ms = 5000 + round;
            assert_ok (lease_put (child, arena, &read, &home->err), home->err);
            assert_ok (store_commit (&child, &home->err), home->err);
        }
        assert_ok (lease_get (home->txn, arena, row.id, &read, &home->err), home->err);
        assert_int_equal (read.look_mono_ms, round % 4 == 2 ? 5000 + round : row.look_mono_ms);
        assert_string_equal (read.run, "run");
        row.look_mono_ms = read.look_mono_ms = 100 + round;
        assert_ok (lease_put (home->txn, arena, &read, &home->err), home->err);
        assert_int_equal (s_count (home, INDEX_LEASE_LIVE, NULL), 1);
        assert_int_equal (s_count (home, INDEX_LEASE_BY_RUN, "acme"), 1);
        assert_int_equal (s_count (home, INDEX_LEASE_LIST, "acme"), 1);
    }
    assert_ok (lease_get (home->txn, arena, row.id, &read, &home->err), home->err);
    assert_ok (lease_del (home->txn, arena, row.id, &home->err), home->err);
    assert_fails (lease_get (home->txn, arena, row.id, &read, &home->err), home->err, BERTH_NOT_FOUND);
    assert_int_equal (s_count (home, INDEX_LEASE_LIVE, NULL), 0);
}

//  What is looked at first comes first, and what never is comes last.
static void
test_due_order (void **state)
{
    home_t *home = *state;
    static const int64_t deadlines [] = { 70000, 300, 5, 65536, 255 };
    for (size_t index = 0; index < BERTH_COUNT (deadlines); index++) {
        lease_t row = s_lease (home, lease_state_ACTIVE);
        row.look_mono_ms = deadlines [index];
        s_put_lease (home, &row);
    }
    lease_t never = s_lease (home, lease_state_ACTIVE);
    s_put_lease (home, &never);
    store_walk_t walk;
    lease_t row;
    int64_t last = 0;
    size_t count = 0;
    assert_ok (walk_begin (&walk, home->txn, INDEX_LEASE_LIVE, NULL, NULL, &home->err), home->err);
    while (walk_next (&walk, home->arena, &row, &home->err) == 0) {
        if (count < BERTH_COUNT (deadlines))
            assert_true (row.look_mono_ms > last);
        else
            assert_string_equal (row.id, never.id);
        last = row.look_mono_ms;
        count++;
    }
    walk_end (&walk);
    assert_int_equal (count, BERTH_COUNT (deadlines) + 1);
}

//  ---- walks

static void
test_walk_order_and_cursors (void **state)
{
    home_t *home = *state;
    store_key_t prefix = { 0 };
    key_text (&prefix, "acme");
    for (int64_t index = 1; index <= 9; index++) {
        environment_t row = s_environment (s_id (home), "acme", 1000 + index / 2 * 256);
        row.created_at = index;
        s_put (home, &row);
        environment_t foreign = s_environment (s_id (home), index % 2 ? "acm" : "acmee", index);
        s_put (home, &foreign);
    }
    const char *cursor = NULL;
    int64_t updated = INT64_MAX, created = INT64_MAX;
    size_t seen = 0;
    for (bool more = true; more;) {
        store_walk_t walk;
        environment_t row;
        assert_ok (walk_begin (&walk, home->txn, INDEX_ENVIRONMENT_LIST, &prefix, cursor,
                               &home->err),
                   home->err);
        for (int taken = 0; taken < 2 && more; taken++) {
            more = walk_next (&walk, home->arena, &row, &home->err) == 0;
            if (!more)
                break;
            assert_string_equal (row.company, "acme");
            assert_true (row.updated_at < updated
                         || (row.updated_at == updated && row.created_at < created));
            updated = row.updated_at;
            created = row.created_at;
            seen++;
        }
        cursor = walk_cursor (&walk, home->arena);
        walk_end (&walk);
    }
    assert_int_equal (seen, 9);
}

//  The row of a cursor may go, and others come: the walk goes on behind where it was.
static void
test_cursor_outlives_its_row (void **state)
{
    home_t *home = *state;
    const char *ids [4];
    for (int index = 0; index < 4; index++) {
        ids [index] = s_id (home);
        environment_t row = s_environment (ids [index], "acme", 100 - index);
        s_put (home, &row);
    }
    store_key_t prefix = { 0 };
    key_text (&prefix, "acme");
    store_walk_t walk;
    environment_t row;
    assert_ok (walk_begin (&walk, home->txn, INDEX_ENVIRONMENT_LIST, &prefix, NULL, &home->err),
               home->err);
    assert_int_equal (walk_next (&walk, home->arena, &row, &home->err), 0);
    assert_int_equal (walk_next (&walk, home->arena, &row, &home->err), 0);
    assert_string_equal (row.id, ids [1]);
    const char *cursor = walk_cursor (&walk, home->arena);
    //  In the middle of a walk, too.
    assert_ok (environment_del (home->txn, home->arena, ids [1], &home->err), home->err);
    assert_ok (environment_del (home->txn, home->arena, ids [2], &home->err), home->err);
    assert_int_equal (walk_next (&walk, home->arena, &row, &home->err), 0);
    assert_string_equal (row.id, ids [3]);
    assert_int_equal (walk_next (&walk, home->arena, &row, &home->err), 1);
    walk_end (&walk);
    assert_ok (walk_begin (&walk, home->txn, INDEX_ENVIRONMENT_LIST, &prefix, cursor, &home->err),
               home->err);
    assert_int_equal (walk_next (&walk, home->arena, &row, &home->err), 0);
    assert_string_equal (row.id, ids [3]);
    walk_end (&walk);
}

//  A cursor of another list, company or nobody's.
static void
test_foreign_cursors (void **state)
{
    home_t *home = *state;
    environment_t row = s_environment (ENV1, "other", 5);
    s_put (home, &row);
    store_key_t own_prefix = { 0 }, other = { 0 };
    key_text (&own_prefix, "acme");
    key_text (&other, "other");
    store_walk_t walk;
    assert_ok (walk_begin (&walk, home->txn, INDEX_ENVIRONMENT_LIST, &other, NULL, &home->err),
               home->err);
    assert_int_equal (walk_next (&walk, home->arena, &row, &home->err), 0);
    const char *foreign = walk_cursor (&walk, home->arena);
    walk_end (&walk);
    const char *cases [] = { foreign, "", "zz", "00", "0" };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        home->err = (berth_error_t) { 0 };
        assert_fails (walk_begin (&walk, home->txn, INDEX_ENVIRONMENT_LIST, &own_prefix,
                                  cases [index], &home->err), home->err, BERTH_INVALID);
        assert_string_equal (home->err.field, "cursor");
    }
    assert_fails (walk_begin (&walk, home->txn, INDEX_WORKSPACE_LIST, &other, foreign, &home->err),
                  home->err, BERTH_INVALID);
}

//  Every index comes back from the rows, entry by entry.
static void
test_reindex (void **state)
{
    home_t *home = *state;
    for (int index = 0; index < 50; index++) {
        environment_t env = s_environment (s_id (home), index % 3 ? "acme" : "other", index);
        env.driver = index % 5 ? environment_driver_SSH : environment_driver_LOCAL;
        s_put (home, &env);
        lease_t lease = s_lease (home, (lease_state_t) (1 + index % (lease_state_COUNT - 1)));
        lease.workspace = index % 2 ? ENV2 : NULL;
        lease.run = index % 4 ? "r" : NULL;
        if (index % 6)
            berth_put (lease, &lease, expires_at, 1);
        s_put_lease (home, &lease);
    }
    uint64_t before [INDEX_COUNT], all = 0;
    for (int index = 0; index < INDEX_COUNT; index++)
        all += before [index] = s_count (home, (store_index_t) index, NULL);
    assert_true (all > 200);
    assert_ok (tables_reindex (home->txn, &home->err), home->err);
    for (int index = 0; index < INDEX_COUNT; index++)
        assert_int_equal (s_count (home, (store_index_t) index, NULL), before [index]);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_row), TEST (test_runs_of_companies), TEST (test_index_follows),
        TEST (test_lease_indexes), TEST (test_put_of_what_was_read), TEST (test_due_order), TEST (test_walk_order_and_cursors),
        TEST (test_cursor_outlives_its_row), TEST (test_foreign_cursors), TEST (test_reindex),
    };
    return cmocka_run_group_tests_name ("tables", tests, NULL, NULL);
}
