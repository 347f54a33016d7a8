//  test_store_check.c - a whole store has no finding; each thing that is broken in one is named, once for
//  each kind of breach.

#include "fixture.h"

#include "activity_inside.h"
#include "check.h"
#include "codec.h"
#include "ids.h"
#include "retries.h"
#include "states.h"
#include "store_lmdb.h"
#include "tables.h"

#include <sys/stat.h>
#include <unistd.h>

#define PLACE "11111111-1111-7111-8111-111111111111"
#define HELD  "22222222-2222-7222-8222-222222222222"
#define OLD   "33333333-3333-7333-8333-333333333333"
#define ENDED "44444444-4444-7444-8444-444444444444"
#define LOST  "55555555-5555-7555-8555-555555555555"

typedef struct {
    char *folder;
    const char *spools;
    store_t *store;
    arena_t *arena;
    berth_error_t err;
} home_t;

static void
s_note (home_t *home, store_txn_t *txn, const char *company, const char *entity)
{
    char id [BERTH_ID_SIZE];
    berth_id_new (id);
    activity_note_t note = { .id = id, .company = company, .entity = entity, .run = "r", .now_ms = 5,
                             .action = ACTION_LEASE_ACQUIRED, .details = berth_empty_map };
    assert_ok (activity_add (txn, home->arena, &note, &home->err), home->err);
}

enum { ENTRIES = 20 + FINDER_LAG };     //  Of the log

static lease_t
s_lease (const char *id, lease_state_t state, uint64_t generation)
{
    return (lease_t) {
        .id = id, .company = "acme", .env = PLACE, .run = "r", .state = state,
        .status = lease_status_of (state), .policy = lease_policy_EPHEMERAL, .generation = generation,
        .acquired_at = 1, .last_used_at = 1, .created_at = 1, .updated_at = 1,
    };
}

static exec_t
s_exec (const char *id)
{
    exec_t row = {
        .id = id, .company = "acme", .lease = HELD, .generation = 1, .state = exec_state_ENDED,
        .command = BYTES_OF ("true"), .created_at = 1, .spool_max = 1, .on_full = exec_on_full_BLOCK,
    };
    berth_put (exec, &row, cause, exec_cause_EXITED);
    berth_put (exec, &row, ended_at, 2);
    return row;
}

static void
s_fill (home_t *home, store_txn_t *txn)
{
    environment_t env = {
        .id = PLACE, .company = "acme", .name = "box", .driver = environment_driver_LOCAL,
        .status = environment_status_ACTIVE, .config = berth_empty_map, .created_at = 1, .updated_at = 1,
    };
    run_t run = { .id = "r", .company = "acme", .state = run_state_READY, .lease = HELD,
                  .created_at = 1, .updated_at = 1 };
    assert_ok (environment_put (txn, home->arena, &env, &home->err), home->err);
    lease_t lease = s_lease (HELD, lease_state_ACTIVE, store_next_generation (txn));
    lease_t old = s_lease (OLD, lease_state_RELEASED, store_next_generation (txn));
    exec_t exec = s_exec (ENDED);
    assert_ok (lease_put (txn, home->arena, &lease, &home->err), home->err);
    assert_ok (lease_put (txn, home->arena, &old, &home->err), home->err);
    assert_ok (run_put (txn, home->arena, &run, &home->err), home->err);
    assert_ok (exec_put (txn, home->arena, &exec, &home->err), home->err);
    for (int index = 0; index < 20; index++)
        s_note (home, txn, index % 3 ? "acme" : "other", index % 2 ? HELD : OLD);
    for (int index = 20; index < ENTRIES; index++)          //  The finder follows behind
        s_note (home, txn, "bulk", HELD);
    retry_scope_t scope = { "operator", "acme", "lease.acquire", "k", NULL };
    retry_t retry = { .reply = berth_empty_map };
    assert_ok (retry_put (txn, home->arena, &scope, berth_empty_map, &retry, 7, &home->err), home->err);
}

static int
s_setup (void **state)
{
    home_t *home = calloc (1, sizeof *home);
    assert_non_null (home);
    home->folder = fixture_folder_new ();
    home->arena = arena_new ();
    home->spools = fixture_path (home->arena, home->folder, "spool");
    assert_ok (store_open (home->folder, 64 << 20, &home->store, &home->err), home->err);
    store_txn_t *txn;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    s_fill (home, txn);
    assert_ok (store_commit (&txn, &home->err), home->err);
    assert_int_equal (mkdir (home->spools, 0700), 0);
    assert_int_equal (mkdir (fixture_path (home->arena, home->spools, ENDED), 0700), 0);
    *state = home;
    return 0;
}

static int
s_teardown (void **state)
{
    home_t *home = *state;
    store_destroy (&home->store);
    fixture_folder_destroy (&home->folder);
    arena_destroy (&home->arena);
    free (home);
    return 0;
}

//  ---- the check

//  Findings as lines "kind where id: why".
static const char *
s_check (home_t *home)
{
    store_check_t *check = store_check_new (home->store, home->spools, INT64_MIN);
    int rc;
    do
        rc = store_check_step (check, &home->err);
    while (rc == 0);
    assert_int_equal (rc, 1);
    size_t count;
    const check_finding_t *findings = store_check_findings (check, &count);
    const char *text = "";
    for (size_t index = 0; index < count; index++)
        text = arena_printf (home->arena, "%s%s %s %s: %s\n", text, findings [index].kind,
                             findings [index].where, findings [index].id, findings [index].why);
    assert_int_equal (store_check_sums (check)->found, count);
    store_check_destroy (&check);
    return text;
}

static void
s_has (home_t *home, const char *wanted)
{
    const char *text = s_check (home);
    if (!strstr (text, wanted))
        fail_msg ("no '%s' in: %s", wanted, text);
}

static void
test_whole (void **state)
{
    home_t *home = *state;
    assert_string_equal (s_check (home), "");
    store_check_t *check = store_check_new (home->store, home->spools, INT64_MIN);
    while (store_check_step (check, &home->err) == 0)
        ;
    const check_sums_t *sums = store_check_sums (check);
    assert_int_equal (sums->rows, 5);
    assert_int_equal (sums->activity, ENTRIES);
    assert_int_equal (sums->keys, 2);
    assert_int_equal (sums->spools, 1);
    uint64_t done, total;
    assert_string_equal (store_check_phase (check, &done, &total), "done");
    assert_true (done > 0 && done <= total);
    store_check_destroy (&check);
}

//  ---- breaches, each in a transaction past the typed functions

static store_txn_t *
s_break (home_t *home)
{
    store_txn_t *txn;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    return txn;
}

static void
s_done (home_t *home, store_txn_t *txn)
{
    assert_ok (store_commit (&txn, &home->err), home->err);
}

static store_key_t
s_id_key (const char *id)
{
    store_key_t key = { 0 };
    key_id (&key, id);
    return key;
}

//  A row as it should not be, in its own place, without moving indexes or counts.
static void
s_raw_row (home_t *home, store_txn_t *txn, store_db_t db, const char *id, const berth_schema_t *schema,
           const void *row)
{
    store_key_t key = s_id_key (id);
    assert_ok (store_raw_put (txn, db, &key, berth_pack (schema, row, home->arena), &home->err),
               home->err);
}

static void
test_rows (void **state)
{
    home_t *home = *state;
    store_txn_t *txn = s_break (home);
    store_key_t key = s_id_key (OLD);
    assert_ok (store_raw_put (txn, DB_LEASES, &key, BYTES_OF ("\xc1"), &home->err), home->err);
    s_done (home, txn);
    s_has (home, "row leases " OLD ": it cannot be read");
    txn = s_break (home);
    lease_t lease = s_lease (LOST, lease_state_RELEASED, (1ull << 40) + 1);
    s_raw_row (home, txn, DB_LEASES, OLD, &lease_schema, &lease);
    s_done (home, txn);
    s_has (home, "row leases " OLD ": it says that it is " LOST);
}

static void
test_states (void **state)
{
    home_t *home = *state;
    store_txn_t *txn = s_break (home);
    lease_t lease = s_lease (HELD, lease_state_ACTIVE, (1ull << 40) + 1);
    lease.status = lease_status_FAILED;
    s_raw_row (home, txn, DB_LEASES, HELD, &lease_schema, &lease);
    exec_t exec = s_exec (ENDED);
    berth_clear (exec, &exec, cause);
    s_raw_row (home, txn, DB_EXECS, ENDED, &exec_schema, &exec);
    s_done (home, txn);
    s_has (home, "state leases " HELD ": its status failed");
    s_has (home, "state execs " ENDED ": it is ended");
    txn = s_break (home);
    run_t run = { .id = "r", .company = "acme", .state = run_state_REALIZING, .lease = HELD,
                  .created_at = 1, .updated_at = 1 };
    assert_ok (run_put (txn, home->arena, &run, &home->err), home->err);
    s_done (home, txn);
    s_has (home, "state runs acme/r: it is realizing and no step is due");
}

static void
test_counts (void **state)
{
    home_t *home = *state;
    store_txn_t *txn = s_break (home);
    txn->counters.leases [lease_state_ACTIVE]++;
    txn->counters.seq++;
    txn->counters.generation = 1;
    txn->counters_changed = true;
    s_done (home, txn);
    s_has (home, "count leases active: 1 rows are in that state, and 2 are counted");
    s_has (home, arena_printf (home->arena, "count activity %d: it is the last entry, and %d were counted",
                               ENTRIES, ENTRIES + 1));
    s_has (home, "count leases " HELD ": its generation 1099511627777 was never given out");
}

static void
test_indexes (void **state)
{
    home_t *home = *state;
    store_txn_t *txn = s_break (home);
    store_walk_t walk;
    store_key_t key;
    assert_ok (walk_begin (&walk, txn, INDEX_LEASE_LIVE, NULL, NULL, &home->err), home->err);
    assert_int_equal (walk_next_key (&walk, &key, &home->err), 0);
    key = walk.at;
    walk_end (&walk);
    assert_ok (store_raw_del (txn, DB_INDEX, &key, &home->err), home->err);
    s_done (home, txn);
    s_has (home, "index leases " HELD ": index LEASE_LIVE has no entry for it");
    //  One that leads nowhere, one that does not fit, one of no index
    txn = s_break (home);
    store_key_t lost = s_id_key (LOST), own_key = s_id_key (HELD);
    key.data [2] ^= 0x40;
    assert_ok (store_raw_put (txn, DB_INDEX, &key, (berth_bytes_t) { lost.data, lost.size }, &home->err),
               home->err);
    key.data [2] ^= 0x20;
    assert_ok (store_raw_put (txn, DB_INDEX, &key,
                              (berth_bytes_t) { own_key.data, own_key.size }, &home->err), home->err);
    key.data [0] = 0xee;
    assert_ok (store_raw_put (txn, DB_INDEX, &key,
                              (berth_bytes_t) { own_key.data, own_key.size }, &home->err), home->err);
    s_done (home, txn);
    s_has (home, "index leases " LOST ": index LEASE_LIVE names it, and it is not there");
    s_has (home, "index leases " HELD ": index LEASE_LIVE has an entry for it that does not fit");
    s_has (home, "it is of no index");
}

static void
test_references (void **state)
{
    home_t *home = *state;
    store_txn_t *txn = s_break (home);
    assert_ok (environment_del (txn, home->arena, PLACE, &home->err), home->err);
    assert_ok (lease_del (txn, home->arena, HELD, &home->err), home->err);
    lease_t lease = s_lease (LOST, lease_state_ACTIVE, store_next_generation (txn));
    assert_ok (lease_put (txn, home->arena, &lease, &home->err), home->err);
    s_done (home, txn);
    s_has (home, "reference leases " LOST ": its environment " PLACE " is not there");
    s_has (home, "reference runs acme/r: its lease " HELD " is not there");
    s_has (home, "reference execs " ENDED ": its lease " HELD " is not there");
    txn = s_break (home);
    lease = s_lease (HELD, lease_state_RELEASED, 1);
    lease.company = "other";
    assert_ok (lease_put (txn, home->arena, &lease, &home->err), home->err);
    s_done (home, txn);
    s_has (home, "reference execs " ENDED ": its lease " HELD " is of company other");
}

static void
test_log (void **state)
{
    home_t *home = *state;
    store_txn_t *txn = s_break (home);
    activity_t row;
    assert_int_equal (activity_at (txn, home->arena, 6, &row, NULL, &home->err), 0);
    row.entity = "changed";
    store_key_t sixth = { 0 }, ninth = { 0 }, head = { 0 }, found = { 0 };
    key_up (&sixth, 6);
    key_up (&ninth, 9);
    assert_ok (store_raw_put (txn, DB_ACTIVITY, &sixth,
                              berth_pack (&activity_schema, &row, home->arena), &home->err), home->err);
    s_done (home, txn);
    s_has (home, "chain activity acme/4: its hash does not fit");     //  The sixth is acme's fourth
    s_has (home, "index activity 6: it cannot be found by 'changed'");
    s_has (home, "index activity 6: the finder has an entry for it that does not fit");
    txn = s_break (home);
    assert_ok (store_raw_del (txn, DB_ACTIVITY, &ninth, &home->err), home->err);
    key_text (&head, "other");
    key_up (&head, 2);
    assert_ok (store_raw_del (txn, DB_HEADS, &head, &home->err), home->err);
    key_byte (&found, 'r');
    key_text (&found, "other");
    key_text (&found, "r");
    key_up (&found, 1);
    assert_ok (store_raw_del (txn, DB_FINDER, &found, &home->err), home->err);
    s_done (home, txn);
    s_has (home, "activity activity 9: the entry is missing");
    s_has (home, "chain activity other/2: the entry is missing");
    s_has (home, "index activity 1: it cannot be found by 'r'");
    s_has (home, "index activity 4: number 2 of company other does not lead to it");
    s_has (home, "index activity 9: the finder names it, and it is not there");
}

static void
test_keys (void **state)
{
    home_t *home = *state;
    store_txn_t *txn = s_break (home);
    store_key_t key;
    assert_int_equal (store_raw_last (txn, DB_KEYS, &key, NULL, &home->err), 0);
    assert_int_equal (key.data [0], 't');
    assert_ok (store_raw_del (txn, DB_KEYS, &key, &home->err), home->err);
    key.data [1] = 9;
    assert_ok (store_raw_put (txn, DB_KEYS, &key, BYTES_OF (""), &home->err), home->err);
    s_done (home, txn);
    const char *text = s_check (home);
    assert_non_null (strstr (text, "nothing says when it may be forgotten"));
    assert_non_null (strstr (text, "its key is not there"));
}

static void
test_spools (void **state)
{
    home_t *home = *state;
    assert_int_equal (mkdir (fixture_path (home->arena, home->spools, LOST), 0700), 0);
    assert_int_equal (mkdir (fixture_path (home->arena, home->spools, "what"), 0700), 0);
    assert_int_equal (rmdir (fixture_path (home->arena, home->spools, ENDED)), 0);
    s_has (home, "spool spool " LOST ": its exec is not there");
    s_has (home, "spool spool what: it is no exec's");
    s_has (home, "spool execs " ENDED ": its output is not there");
    //  Output that retention took is none that is missing
    store_txn_t *txn = s_break (home);
    exec_t exec = s_exec (ENDED);
    berth_put (exec, &exec, output_gone, true);
    assert_ok (exec_put (txn, home->arena, &exec, &home->err), home->err);
    s_done (home, txn);
    assert_null (strstr (s_check (home), ENDED));
}

//  What changes while it looks is no finding, and no reader is left open between slices.
static void
test_beside_writers (void **state)
{
    home_t *home = *state;
    store_check_t *check = store_check_new (home->store, NULL, INT64_MIN);
    int rc;
    do {
        rc = store_check_step (check, &home->err);
        store_txn_t *txn = s_break (home);
        size_t removed;
        int64_t oldest_ms;
        s_note (home, txn, "acme", "more");
        assert_ok (activity_trim (txn, home->arena, INT64_MAX, 1, &removed, &oldest_ms, &home->err),
                   home->err);
        lease_t lease = s_lease (OLD, rc ? lease_state_FAILED : lease_state_RELEASED, 1);
        assert_ok (lease_put (txn, home->arena, &lease, &home->err), home->err);
        s_done (home, txn);
        MDB_envinfo info;
        assert_int_equal (mdb_env_info (home->store->env, &info), 0);
        assert_true (info.me_numreaders <= 2);
    } while (rc == 0);
    assert_int_equal (rc, 1);
    size_t count;
    const check_finding_t *findings = store_check_findings (check, &count);
    if (count)
        fail_msg ("%s %s %s: %s", findings->kind, findings->where, findings->id, findings->why);
    store_check_destroy (&check);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_whole), TEST (test_rows), TEST (test_states), TEST (test_counts),
        TEST (test_indexes), TEST (test_references), TEST (test_log), TEST (test_keys),
        TEST (test_spools), TEST (test_beside_writers),
    };
    return cmocka_run_group_tests_name ("store_check", tests, NULL, NULL);
}
