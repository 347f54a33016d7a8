//  test_store.c - how a store comes to be, is opened, migrated and refused; transactions in each
//  other; counters.

#include "store_home.h"

#include "ids.h"
#include "store_lmdb.h"
#include "tables.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID1 "11111111-1111-7111-8111-111111111111"
#define ID2 "22222222-2222-7222-8222-222222222222"

static void
s_put (home_t *home, store_txn_t *txn, const char *id, const char *name)
{
    environment_t row = {
        .id = id, .company = "acme", .name = name, .driver = environment_driver_SSH,
        .status = environment_status_ACTIVE, .config = { (const uint8_t *) "\x80", 1 },
        .created_at = 1, .updated_at = 1,
    };
    assert_ok (environment_put (txn, home->arena, &row, &home->err), home->err);
}

static bool
s_has (home_t *home, store_txn_t *txn, const char *id)
{
    environment_t row;
    berth_error_t err = { 0 };
    return environment_get (txn, home->arena, id, &row, &err) == 0;
}

static void
s_reopen (home_t *home)
{
    store_destroy (&home->store);
    assert_ok (store_open (home->folder, HOME_SIZE, &home->store, &home->err), home->err);
}

static void
s_set_meta (home_t *home, const char *name, uint64_t number, bool drop_index)
{
    store_txn_t *txn;
    store_key_t key = { 0 };
    key_text (&key, name);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    assert_ok (store_raw_put (txn, DB_META, &key,
                              (berth_bytes_t) { (const uint8_t *) &number, sizeof number },
                              &home->err), home->err);
    if (drop_index)
        assert_int_equal (mdb_drop (txn->txn, store_dbi (txn, DB_INDEX), 0), 0);
    assert_ok (store_commit (&txn, &home->err), home->err);
}

//  ---- coming to be

static void
test_created_by_rename (void **state)
{
    home_t *home = *state;
    char path [300], install [BERTH_ID_SIZE];
    snprintf (path, sizeof path, "%s/store.new-%d", home->folder, (int) getpid ());
    assert_int_equal (access (path, F_OK), -1);         //  Nothing is left of the making
    snprintf (install, sizeof install, "%s", store_install_id (home->store));
    assert_true (berth_id_is (install));
    s_reopen (home);
    assert_string_equal (store_install_id (home->store), install);
}

//  A process that was killed while it made a store leaves half of one, also under our own pid.
static void
test_leftover_of_the_making (void **state)
{
    home_t *home = *state;
    char *folder = fixture_folder_new ();
    char path [300], file [320];
    snprintf (path, sizeof path, "%s/store.new-%d", folder, (int) getpid ());
    snprintf (file, sizeof file, "%s/data.mdb", path);
    assert_int_equal (mkdir (path, 0700), 0);
    int fd = open (file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal (write (fd, "half", 4), 4);
    close (fd);
    store_t *store;
    assert_ok (store_open (folder, HOME_SIZE, &store, &home->err), home->err);
    store_destroy (&store);
    fixture_folder_destroy (&folder);
}

static void
test_not_a_store (void **state)
{
    home_t *home = *state;
    char *folder = fixture_folder_new ();
    char path [300];
    snprintf (path, sizeof path, "%s/store", folder);
    assert_int_equal (mkdir (path, 0700), 0);
    store_t *store = NULL;
    assert_fails (store_open (folder, HOME_SIZE, &store, &home->err), home->err, BERTH_CONFLICT);
    assert_non_null (strstr (home->err.text, "no store of Berth"));
    assert_null (store);
    fixture_folder_destroy (&folder);
}

static void
test_newer_is_refused (void **state)
{
    home_t *home = *state;
    s_set_meta (home, "schema", STORE_SCHEMA + 1, false);
    store_destroy (&home->store);
    assert_fails (store_open (home->folder, HOME_SIZE, &home->store, &home->err), home->err,
                  BERTH_CONFLICT);
    assert_non_null (strstr (home->err.text, "newer"));
}

static void
test_older_is_migrated (void **state)
{
    home_t *home = *state;
    store_txn_t *txn;
    store_walk_t walk;
    environment_t row;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    s_put (home, txn, ID1, "one");
    assert_ok (store_commit (&txn, &home->err), home->err);
    s_set_meta (home, "schema", 1, true);
    s_reopen (home);
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_ok (walk_begin (&walk, txn, INDEX_ENVIRONMENT_LIST, NULL, NULL, &home->err), home->err);
    assert_int_equal (walk_next (&walk, home->arena, &row, &home->err), 0);
    assert_string_equal (row.name, "one");
    assert_int_equal (walk_next (&walk, home->arena, &row, &home->err), 1);
    walk_end (&walk);
    store_txn_destroy (&txn);
    s_reopen (home);            //  Once is enough
    store_stat_t stat;
    assert_ok (store_stat (home->store, &stat, &home->err), home->err);
    assert_int_equal (stat.schema, STORE_SCHEMA);
}

//  As somebody who may not write there; root may everywhere, so it steps down for a moment.
static void
test_read_only_folder (void **state)
{
    home_t *home = *state;
    bool root = geteuid () == 0;
    char *folder = fixture_folder_new ();
    assert_int_equal (chmod (folder, root ? 0755 : 0555), 0);
    if (root)
        assert_int_equal (seteuid (65534), 0);
    store_t *store = NULL;
    int rc = store_open (folder, HOME_SIZE, &store, &home->err);
    berth_error_t fresh = home->err;
    if (root)
        assert_int_equal (seteuid (0), 0);
    assert_fails (rc, fresh, BERTH_FORBIDDEN);
    assert_null (store);
    assert_int_equal (chmod (folder, 0755), 0);
    fixture_folder_destroy (&folder);
    if (!root)
        return;
    //  A store that is there and belongs to somebody else.
    store_destroy (&home->store);
    assert_int_equal (seteuid (65534), 0);
    rc = store_open (home->folder, HOME_SIZE, &home->store, &home->err);
    assert_int_equal (seteuid (0), 0);
    assert_fails (rc, home->err, BERTH_FORBIDDEN);
}

//  ---- transactions

static void
test_commit_and_destroy (void **state)
{
    home_t *home = *state;
    store_txn_t *txn;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    s_put (home, txn, ID1, "one");
    assert_true (store_writes (txn) > 0);
    assert_ok (store_commit (&txn, &home->err), home->err);
    assert_null (txn);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    s_put (home, txn, ID2, "two");
    store_txn_destroy (&txn);
    s_reopen (home);
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_true (s_has (home, txn, ID1));
    assert_false (s_has (home, txn, ID2));
    store_txn_destroy (&txn);
}

//  A child undoes itself alone, with its counters; one that is committed counts in its parent.
static void
test_children (void **state)
{
    home_t *home = *state;
    store_txn_t *txn, *child, *grandchild;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    assert_int_equal (store_next_seq (txn), 1);
    uint64_t generation = store_next_generation (txn);
    uint64_t writes = store_writes (txn);

    assert_ok (store_child (txn, &child, &home->err), home->err);
    s_put (home, child, ID1, "undone");
    assert_int_equal (store_next_seq (child), 2);
    assert_true (store_next_generation (child) == generation + 1);
    store_txn_destroy (&child);
    assert_false (s_has (home, txn, ID1));
    assert_int_equal (store_last_seq (txn), 1);
    assert_true (store_writes (txn) == writes);

    assert_ok (store_child (txn, &child, &home->err), home->err);
    s_put (home, child, ID1, "kept");
    assert_int_equal (store_next_seq (child), 2);       //  No gap
    assert_ok (store_child (child, &grandchild, &home->err), home->err);
    s_put (home, grandchild, ID2, "undone");
    assert_int_equal (store_next_seq (grandchild), 3);
    store_txn_destroy (&grandchild);
    assert_ok (store_commit (&child, &home->err), home->err);
    assert_true (s_has (home, txn, ID1));
    assert_false (s_has (home, txn, ID2));
    assert_true (store_writes (txn) > writes);
    assert_true (store_next_generation (txn) == generation + 1);
    assert_ok (store_commit (&txn, &home->err), home->err);

    s_reopen (home);
    assert_ok (store_read (home->store, &txn, &home->err), home->err);
    assert_int_equal (store_last_seq (txn), 2);
    assert_true (s_has (home, txn, ID1));
    store_txn_destroy (&txn);
}

static void
test_generations (void **state)
{
    home_t *home = *state;
    store_txn_t *txn;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    assert_true (store_next_generation (txn) == (1ull << 40) + 1);
    assert_true (store_next_generation (txn) == (1ull << 40) + 2);
    assert_ok (store_commit (&txn, &home->err), home->err);
    //  A store that came back from a backup has a later epoch: nothing of before can be newer.
    s_set_meta (home, "epoch", 2, false);
    s_reopen (home);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    assert_true (store_next_generation (txn) == (2ull << 40) + 1);
    store_txn_destroy (&txn);
}

//  A reader sees the store as it was when it began; two of them do not see each other's time.
static void
test_two_readers (void **state)
{
    home_t *home = *state;
    store_txn_t *early, *late, *txn;
    assert_ok (store_read (home->store, &early, &home->err), home->err);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    s_put (home, txn, ID1, "one");
    (void) store_next_seq (txn);
    assert_ok (store_commit (&txn, &home->err), home->err);
    assert_ok (store_read (home->store, &late, &home->err), home->err);
    assert_false (s_has (home, early, ID1));
    assert_true (s_has (home, late, ID1));
    assert_int_equal (store_last_seq (early), 0);
    assert_int_equal (store_last_seq (late), 1);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    assert_ok (environment_del (txn, home->arena, ID1, &home->err), home->err);
    assert_ok (store_commit (&txn, &home->err), home->err);
    assert_true (s_has (home, late, ID1));
    store_txn_destroy (&early);
    store_txn_destroy (&late);
}

//  A process that dies with a reader open leaves its slot behind.
static void
test_dead_readers (void **state)
{
    home_t *home = *state;
    int ready [2];
    char byte = 0;
    store_destroy (&home->store);
    assert_int_equal (pipe2 (ready, O_CLOEXEC), 0);
    pid_t pid = fork ();
    if (pid == 0) {
        store_t *store;
        store_txn_t *txn;
        environment_t row;
        if (store_open (home->folder, HOME_SIZE, &store, NULL) || store_read (store, &txn, NULL))
            _exit (1);
        (void) environment_get (txn, home->arena, ID1, &row, NULL);
        if (write (ready [1], "r", 1) == 1)
            pause ();
        _exit (1);
    }
    close (ready [1]);
    assert_int_equal (read (ready [0], &byte, 1), 1);
    close (ready [0]);
    assert_ok (store_open (home->folder, HOME_SIZE, &home->store, &home->err), home->err);
    assert_int_equal (store_clear_readers (home->store), 0);        //  It is alive
    assert_int_equal (kill (pid, SIGKILL), 0);
    int status;
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_int_equal (store_clear_readers (home->store), 1);
    assert_int_equal (store_clear_readers (home->store), 0);
}

static void
test_full (void **state)
{
    home_t *home = *state;
    store_t *store;
    store_txn_t *txn;
    char *folder = fixture_folder_new ();
    assert_ok (store_open (folder, 256 << 10, &store, &home->err), home->err);
    assert_ok (store_begin (store, &txn, &home->err), home->err);
    int rc = 0;
    char id [BERTH_ID_SIZE], *name = arena_take (home->arena, 201);
    memset (name, 'n', 200);
    for (int row = 0; row < 5000 && rc == 0; row++) {
        berth_id_new (id);
        environment_t env = {
            .id = id, .company = "acme", .name = name, .driver = environment_driver_SSH,
            .status = environment_status_ACTIVE, .config = { (const uint8_t *) "\x80", 1 },
            .created_at = 1, .updated_at = 1,
        };
        rc = environment_put (txn, home->arena, &env, &home->err);
    }
    assert_fails (rc, home->err, BERTH_STORE_FULL);
    store_txn_destroy (&txn);
    assert_ok (store_begin (store, &txn, &home->err), home->err);   //  What was there goes on
    s_put (home, txn, ID1, "one");
    assert_ok (store_commit (&txn, &home->err), home->err);
    store_destroy (&store);
    fixture_folder_destroy (&folder);
}

static void
test_stat (void **state)
{
    home_t *home = *state;
    store_stat_t empty, filled, emptied;
    store_txn_t *txn;
    char ids [500] [BERTH_ID_SIZE];
    assert_ok (store_stat (home->store, &empty, &home->err), home->err);
    assert_int_equal (empty.max_bytes, HOME_SIZE);
    assert_true (empty.disk_free > 0);
    assert_int_equal (empty.epoch, 1);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    for (size_t index = 0; index < BERTH_COUNT (ids); index++) {
        berth_id_new (ids [index]);
        s_put (home, txn, ids [index], "a row");
    }
    assert_ok (store_commit (&txn, &home->err), home->err);
    assert_ok (store_stat (home->store, &filled, &home->err), home->err);
    assert_true (filled.used_bytes > empty.used_bytes + 50000);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    for (size_t index = 0; index < BERTH_COUNT (ids); index++)
        assert_ok (environment_del (txn, home->arena, ids [index], &home->err), home->err);
    assert_ok (store_commit (&txn, &home->err), home->err);
    assert_ok (store_stat (home->store, &emptied, &home->err), home->err);
    assert_true (emptied.used_bytes < filled.used_bytes - 50000);   //  Freed pages do not count
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, home_setup, home_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_created_by_rename), TEST (test_leftover_of_the_making), TEST (test_not_a_store),
        TEST (test_newer_is_refused), TEST (test_older_is_migrated), TEST (test_read_only_folder),
        TEST (test_commit_and_destroy), TEST (test_children), TEST (test_generations),
        TEST (test_two_readers), TEST (test_dead_readers), TEST (test_full), TEST (test_stat),
    };
    return cmocka_run_group_tests_name ("store", tests, NULL, NULL);
}
