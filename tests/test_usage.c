//  test_usage.c - the counters of a company are what its rows say, whatever happens to them.

#include "fixture.h"

#include "states.h"
#include "store_lmdb.h"
#include "usage.h"

typedef struct {
    char *folder;
    store_t *store;
} opened_t;

static opened_t
s_open (void)
{
    opened_t self = { .folder = fixture_folder_new () };
    berth_error_t err = { 0 };
    assert_ok (store_open (self.folder, 64 << 20, &self.store, &err), err);
    return self;
}

static void
s_close (opened_t *self)
{
    store_destroy (&self->store);
    fixture_folder_destroy (&self->folder);
}

static void
s_is (store_t *store, const char *company, uint64_t leases, uint64_t execs, uint64_t spooled)
{
    own (store_txn) txn = NULL;
    berth_error_t err = { 0 };
    usage_t usage;
    assert_int_equal (store_read (store, &txn, &err), 0);
    assert_int_equal (usage_get (txn, company, &usage, &err), 0);
    assert_int_equal (usage.leases, leases);
    assert_int_equal (usage.execs, execs);
    assert_int_equal (usage.spooled, spooled);
}

static void
s_put_lease (store_t *store, const char *id, const char *company, lease_state_t state)
{
    own (store_txn) txn = NULL;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    lease_t lease = { .id = id, .company = company, .env = id, .state = state,
                      .status = lease_status_ACTIVE, .policy = lease_policy_EPHEMERAL };
    assert_int_equal (store_begin (store, &txn, &err), 0);
    assert_int_equal (lease_put (txn, arena, &lease, &err), 0);
    assert_int_equal (store_commit (&txn, &err), 0);
}

static void
s_put_exec (store_t *store, const char *id, const char *company, exec_state_t state, uint64_t out)
{
    own (store_txn) txn = NULL;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    exec_t exec = { .id = id, .company = company, .lease = id, .state = state, .command = BYTES_OF ("true"),
                    .stdout_bytes = out, .stderr_bytes = 1, .spool_max = 100,
                    .on_full = exec_on_full_DROP_OLDEST };
    assert_int_equal (store_begin (store, &txn, &err), 0);
    assert_int_equal (exec_put (txn, arena, &exec, &err), 0);
    assert_int_equal (store_commit (&txn, &err), 0);
}

#define A "01890000-0000-7000-8000-00000000000a"
#define B "01890000-0000-7000-8000-00000000000b"

static void
s_counts_follow_the_rows (void **state)
{
    (void) state;
    opened_t here = s_open ();
    store_t *store = here.store;
    s_is (store, "acme", 0, 0, 0);
    s_put_lease (store, A, "acme", lease_state_PENDING);
    s_put_lease (store, B, "acme2", lease_state_PENDING);
    s_is (store, "acme", 1, 0, 0);
    s_put_lease (store, A, "acme", lease_state_ACTIVE);         //  The same one, further on
    s_is (store, "acme", 1, 0, 0);
    s_put_lease (store, A, "acme", lease_state_RELEASED);
    s_put_lease (store, A, "acme", lease_state_RELEASED);
    s_is (store, "acme", 0, 0, 0);
    s_is (store, "acme2", 1, 0, 0);

    s_put_exec (store, A, "acme", exec_state_STARTING, 0);
    s_put_exec (store, A, "acme", exec_state_RUNNING, 40);
    s_is (store, "acme", 0, 1, 0);                              //  Its output is known where it runs
    s_put_exec (store, A, "acme", exec_state_ENDED, 40);
    s_is (store, "acme", 0, 0, 41);
    s_put_exec (store, B, "acme", exec_state_ENDED, 4000);      //  Only spoolMax of it is kept
    s_is (store, "acme", 0, 0, 141);
    s_close (&here);
}

//  A store of an older schema has no counters: they are made of the rows.
static void
s_counts_are_rebuilt (void **state)
{
    (void) state;
    opened_t here = s_open ();
    store_t *store = here.store;
    berth_error_t err = { 0 };
    s_put_lease (store, A, "acme", lease_state_ACTIVE);
    s_put_exec (store, A, "acme", exec_state_ENDED, 9);
    own (store_txn) txn = NULL;
    assert_int_equal (store_begin (store, &txn, &err), 0);
    assert_int_equal (store_migrate (txn, 2, &err), 0);
    assert_int_equal (store_commit (&txn, &err), 0);
    s_is (store, "acme", 1, 0, 10);
    s_close (&here);
}

//  What is undone was not counted.
static void
s_a_child_that_ends_counts_nothing (void **state)
{
    (void) state;
    opened_t here = s_open ();
    store_t *store = here.store;
    berth_error_t err = { 0 };
    own (arena) arena = arena_new ();
    own (store_txn) txn = NULL;
    assert_int_equal (store_begin (store, &txn, &err), 0);
    store_txn_t *child = NULL;
    assert_int_equal (store_child (txn, &child, &err), 0);
    lease_t lease = { .id = A, .company = "acme", .env = A, .state = lease_state_ACTIVE,
                      .status = lease_status_ACTIVE, .policy = lease_policy_EPHEMERAL };
    assert_int_equal (lease_put (child, arena, &lease, &err), 0);
    store_txn_destroy (&child);
    assert_int_equal (store_commit (&txn, &err), 0);
    s_is (store, "acme", 0, 0, 0);
    s_close (&here);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_counts_follow_the_rows),
        cmocka_unit_test (s_counts_are_rebuilt),
        cmocka_unit_test (s_a_child_that_ends_counts_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
