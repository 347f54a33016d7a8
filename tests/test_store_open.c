//  test_store_open.c - a store that an older berthd left; one that comes back from a backup; and what is
//  no backup.

#include "store_home.h"

#include "activity_log.h"
#include "codec.h"
#include "backup.h"
#include "ids.h"
#include "store_lmdb.h"
#include "tables.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void
s_open (home_t *home)
{
    store_destroy (&home->store);
    assert_ok (store_open (home->folder, HOME_SIZE, &home->store, &home->err), home->err);
}

static uint64_t
s_generation (home_t *home)
{
    store_txn_t *txn;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    uint64_t generation = store_next_generation (txn);
    assert_ok (store_commit (&txn, &home->err), home->err);
    return generation;
}

static void
s_add (home_t *home, const char *entity)
{
    store_txn_t *txn;
    char id [BERTH_ID_SIZE];
    berth_id_new (id);
    activity_note_t note = { .id = id, .company = "acme", .entity = entity, .now_ms = 5,
                             .action = ACTION_RUN_READY, .details = berth_empty_map };
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    assert_ok (activity_add (txn, home->arena, &note, &home->err), home->err);
    assert_ok (store_commit (&txn, &home->err), home->err);
}

static uint64_t
s_last_seq (home_t *home)
{
    store_txn_t *txn;
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    uint64_t seq = store_last_seq (txn);
    store_txn_destroy (&txn);
    return seq;
}

static uint64_t
s_epoch (home_t *home)
{
    store_stat_t stat;
    assert_ok (store_stat (home->store, &stat, &home->err), home->err);
    return stat.epoch;
}

//  ---- an older one, as berthd 0.1.0 of schema 2 left it: 6 leases, 2 execs, 23 entries

static void
s_put_old (home_t *home)
{
    const char *source = getenv ("BERTH_SOURCE");
    assert_non_null (source);
    const char *store = fixture_path (home->arena, home->folder, "store");
    assert_int_equal (mkdir (store, 0700), 0);
    assert_int_equal (system (arena_printf (home->arena,
        "gzip -dc '%s/tests/data/store_2.mdb.gz' >'%s/data.mdb'", source, store)), 0);
}

static void
test_kept_old_store (void **state)
{
    home_t *home = *state;
    store_txn_t *txn;
    activity_verdict_t verdict;
    s_put_old (home);
    s_open (home);
    store_stat_t stat;
    assert_ok (store_stat (home->store, &stat, &home->err), home->err);
    assert_int_equal (stat.schema, STORE_SCHEMA);
    assert_int_equal (stat.epoch, 1);
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    //  Counts that were not there
    assert_int_equal (table_rows_in (txn, TABLE_LEASES, lease_state_ACTIVE), 4);
    assert_int_equal (table_rows_in (txn, TABLE_LEASES, lease_state_RELEASED), 2);
    assert_int_equal (table_rows_in (txn, TABLE_EXECS, exec_state_ENDED), 2);
    assert_int_equal (table_rows_in (txn, TABLE_RUNS, run_state_RELEASED), 1);
    //  Indexes that were not there
    assert_int_equal (index_entries (txn, INDEX_LEASE_SETTLED, NULL), 2);
    assert_int_equal (index_entries (txn, INDEX_EXEC_OUTPUT, NULL), 2);
    assert_int_equal (index_entries (txn, INDEX_RUN_SETTLED, NULL), 1);
    //  The log, its chain, and what leads to its entries
    assert_int_equal (store_last_seq (txn), 23);
    static const char *const companies [] = { "default", "other" };
    uint64_t entries = 0;
    for (size_t index = 0; index < BERTH_COUNT (companies); index++) {
        assert_ok (activity_verify (txn, companies [index], 0, 100, &verdict, &home->err), home->err);
        assert_false (verdict.broken);
        entries += verdict.looked_at;
    }
    assert_int_equal (entries, 23);
    activity_filter_t filter = { .company = "default", .run = "whole" };
    activity_walk_t walk;
    activity_t row;
    bool fits;
    int hits = 0;
    assert_ok (activity_walk_begin (&walk, txn, &filter, &home->err), home->err);
    while (activity_walk_next (&walk, home->arena, &row, &fits, &home->err) == 0)
        hits += fits;
    assert_true (hits > 5);
    filter = (activity_filter_t) { .company = "default", .since_ms = row.created_at };
    assert_ok (activity_walk_begin (&walk, txn, &filter, &home->err), home->err);
    assert_int_equal (activity_walk_next (&walk, home->arena, &row, &fits, &home->err), 0);
    store_txn_destroy (&txn);
    //  Fencing numbers go on, and so does the log
    assert_int_equal (s_generation (home), (1ull << 40) + 7);
    s_add (home, "after");
    assert_int_equal (s_last_seq (home), 24);
    s_open (home);
    assert_int_equal (s_last_seq (home), 24);
}

//  ---- back from a backup

static const char *
s_backup (home_t *home, const char *name)
{
    uint64_t bytes;
    const char *path = fixture_path (home->arena, home->folder, name);
    assert_ok (store_backup (home->store, path, 77, NULL, NULL, NULL, &bytes, &home->err), home->err);
    struct stat info;
    assert_int_equal (stat (path, &info), 0);
    assert_int_equal (info.st_mode & 0777, 0600);
    assert_true (bytes > 0 && (uint64_t) info.st_size >= bytes);
    return path;
}

static void
test_restore (void **state)
{
    home_t *home = *state;
    s_open (home);
    s_add (home, "before");
    (void) s_generation (home);
    const char *path = s_backup (home, "copy");
    s_add (home, "behind");
    uint64_t stale = s_generation (home);
    char install [BERTH_ID_SIZE];
    snprintf (install, sizeof install, "%s", store_install_id (home->store));
    assert_false (store_was_restored (home->store));
    assert_null (store_former_install_id (home->store));
    s_open (home);
    assert_false (store_was_restored (home->store));        //  The mark is in the copy only
    store_destroy (&home->store);

    home_t other = { .folder = fixture_folder_new (), .arena = home->arena };
    assert_ok (store_restore (other.folder, path, &other.err), other.err);
    s_open (&other);
    assert_true (store_was_restored (other.store));
    assert_int_equal (s_epoch (&other), 2);
    //  Who was backed up may still run: what is made here has a label of its own
    char mine [BERTH_ID_SIZE];
    snprintf (mine, sizeof mine, "%s", store_install_id (other.store));
    assert_true (berth_id_is (mine));
    assert_string_not_equal (mine, install);
    assert_string_equal (store_former_install_id (other.store), install);
    assert_int_equal (s_last_seq (&other), 1);
    assert_true (s_generation (&other) > stale);
    s_open (&other);                                        //  Once
    assert_string_equal (store_install_id (other.store), mine);
    assert_string_equal (store_former_install_id (other.store), install);
    assert_false (store_was_restored (other.store));
    assert_int_equal (s_epoch (&other), 2);
    //  Not over a store
    assert_fails (store_restore (other.folder, path, &other.err), other.err, BERTH_CONFLICT);
    //  A backup of it carries its epoch on
    const char *again = s_backup (&other, "again");
    store_destroy (&other.store);
    fixture_folder_destroy (&home->folder);
    home->folder = fixture_folder_new ();
    assert_ok (store_restore (home->folder, again, &home->err), home->err);
    s_open (home);
    assert_int_equal (s_epoch (home), 3);
    store_destroy (&other.store);
    fixture_folder_destroy (&other.folder);
}

//  Put in the place of the store with nothing but a copy of files; twice, and the second time is
//  not the first.
static void
test_restore_by_hand (void **state)
{
    home_t *home = *state;
    s_open (home);
    const char *path = s_backup (home, "copy");
    uint64_t last = s_generation (home);
    for (uint64_t epoch = 2; epoch < 5; epoch++) {
        store_destroy (&home->store);
        assert_int_equal (system (arena_printf (home->arena, "cp '%s' '%s/store/data.mdb'", path,
                                                home->folder)), 0);
        s_open (home);
        assert_int_equal (s_epoch (home), epoch);
        uint64_t next = s_generation (home);
        assert_true (next > last);
        last = next;
    }
}

static void
test_backup_is_refused (void **state)
{
    home_t *home = *state;
    uint64_t bytes;
    s_open (home);
    const char *path = s_backup (home, "copy");
    assert_fails (store_backup (home->store, path, 1, NULL, NULL, NULL, &bytes, &home->err),
                  home->err, BERTH_CONFLICT);
    assert_fails (store_backup (home->store, "copy", 1, NULL, NULL, NULL, &bytes, &home->err),
                  home->err, BERTH_INVALID);
    const char *lost = fixture_path (home->arena, home->folder, "no/such/copy");
    assert_fails (store_backup (home->store, lost, 1, NULL, NULL, NULL, &bytes, &home->err),
                  home->err, BERTH_NOT_FOUND);
    //  One that is told to stop leaves nothing behind, and the next may be made.
    atomic_bool stop = true;
    const char *other = fixture_path (home->arena, home->folder, "other");
    assert_fails (store_backup (home->store, other, 1, &stop, NULL, NULL, &bytes, &home->err),
                  home->err, BERTH_BUSY);
    assert_int_equal (system (arena_printf (home->arena, "! ls '%s' | grep other", home->folder)), 0);
    (void) s_backup (home, "other");
    if (access ("/dev/full", W_OK) == 0) {
        store_stat_t stat;
        assert_ok (store_stat (home->store, &stat, &home->err), home->err);
        assert_int_equal (stat.backup_since_ms, 0);
    }
}

static void
test_what_is_no_backup (void **state)
{
    home_t *home = *state;
    s_open (home);
    const char *path = s_backup (home, "copy");
    store_destroy (&home->store);
    char *folder = fixture_folder_new ();
    const char *half = fixture_path (home->arena, home->folder, "half");
    const char *text = fixture_path (home->arena, home->folder, "text");
    assert_int_equal (system (arena_printf (home->arena,
        "head -c 20000 '%s' >'%s'; echo no backup >'%s'", path, half, text)), 0);
    assert_fails (store_restore (folder, half, &home->err), home->err, BERTH_INVALID);
    assert_fails (store_restore (folder, text, &home->err), home->err, BERTH_INVALID);
    const char *raw = fixture_path (home->arena, home->folder, "store/data.mdb");
    assert_fails (store_restore (folder, raw, &home->err), home->err, BERTH_INVALID);
    assert_non_null (strstr (home->err.text, "no backup"));
    assert_fails (store_restore (folder, "/no/such/file", &home->err), home->err, BERTH_NOT_FOUND);
    assert_int_equal (rmdir (folder), 0);           //  Nothing was left in it
    free (folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, home_setup_bare, home_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_kept_old_store), TEST (test_restore), TEST (test_restore_by_hand),
        TEST (test_backup_is_refused), TEST (test_what_is_no_backup),
    };
    return cmocka_run_group_tests_name ("store_open", tests, NULL, NULL);
}
