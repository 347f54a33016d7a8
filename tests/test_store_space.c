//  test_store_space.c - a store that runs full, and a disk that does, are noticed before a commit fails;
//  what is refused comes back with the room.

#include "fixture.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "store_lmdb.h"
#include "tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *folder;
    store_t *store;
    arena_t *arena;
    berth_error_t err;
    int rows;
    bool mounted;
} home_t;

static int
s_setup (void **state)
{
    home_t *home = calloc (1, sizeof *home);
    assert_non_null (home);
    home->folder = fixture_folder_new ();
    home->arena = arena_new ();
    *state = home;
    return 0;
}

static int
s_teardown (void **state)
{
    home_t *home = *state;
    store_destroy (&home->store);
    if (home->mounted)
        assert_int_equal (umount (home->folder), 0);
    fixture_folder_destroy (&home->folder);
    arena_destroy (&home->arena);
    free (home);
    return 0;
}

static const char *
s_id (home_t *home, int row)
{
    return arena_printf (home->arena, "00000000-0000-7000-8000-%012d", row);
}

//  Some rows of about a kilobyte each, as one commit.
static void
s_fill (home_t *home, int count)
{
    store_txn_t *txn;
    arena_clear (home->arena);
    char *text = arena_take (home->arena, 1001);
    memset (text, 'n', 1000);
    text [1000] = 0;
    berth_bytes_t config = any_set_text (berth_empty_map, "text", text, home->arena);
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    while (count--) {
        environment_t row = {
            .id = s_id (home, home->rows++), .company = "acme", .name = "n",
            .driver = environment_driver_SSH, .status = environment_status_ACTIVE,
            .config = config, .created_at = 1, .updated_at = 1,
        };
        assert_ok (environment_put (txn, home->arena, &row, &home->err), home->err);
    }
    assert_ok (store_commit (&txn, &home->err), home->err);
}

static void
s_empty (home_t *home, int count)
{
    store_txn_t *txn;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    while (count-- && home->rows)
        assert_ok (environment_del (txn, home->arena, s_id (home, --home->rows), &home->err),
                   home->err);
    assert_ok (store_commit (&txn, &home->err), home->err);
}

static store_stat_t
s_stat (home_t *home)
{
    store_stat_t stat;
    assert_ok (store_stat (home->store, &stat, &home->err), home->err);
    return stat;
}

static bool
s_may (home_t *home, int (*ask) (store_txn_t *txn, berth_error_t *err))
{
    store_txn_t *txn;
    assert_ok (store_begin (home->store, &txn, &home->err), home->err);
    int rc = ask (txn, &home->err);
    store_txn_destroy (&txn);
    if (rc) {
        assert_int_equal (home->err.code, BERTH_STORE_FULL);
        assert_true (strlen (home->err.remedy) > 10);
    }
    return rc == 0;
}

//  ---- storeMax

static void
test_above_three_quarters (void **state)
{
    home_t *home = *state;
    uint64_t size = 16 << 20;
    assert_ok (store_open (home->folder, size, &home->store, &home->err), home->err);
    assert_true (s_may (home, store_admit) && s_may (home, store_writable));
    while (s_stat (home).used_bytes < size / 100 * 72) {
        assert_true (s_may (home, store_admit));
        s_fill (home, 100);
    }
    while (s_stat (home).used_bytes < size / 100 * 78)
        s_fill (home, 100);
    assert_int_equal (s_stat (home).fill, STORE_TIGHT);
    assert_false (s_may (home, store_admit));
    assert_true (s_may (home, store_writable));
    while (s_stat (home).used_bytes < size / 100 * 96)
        s_fill (home, 50);
    assert_int_equal (s_stat (home).fill, STORE_SHUT);
    assert_false (s_may (home, store_writable));
    //  What is deleted makes room again; each commit, and the last row.
    while (home->rows)
        s_empty (home, 20);
    assert_int_equal (s_stat (home).fill, STORE_ROOMY);
    assert_true (s_may (home, store_admit) && s_may (home, store_writable));
}

//  ---- the disk

//  Fills the file system until it has nothing left.
static void
s_hog (home_t *home, const char *name)
{
    int fd = open (fixture_path (home->arena, home->folder, name), O_CREAT | O_WRONLY | O_CLOEXEC,
                   0600);
    assert_true (fd >= 0);
    static const char zeros [4096];
    while (write (fd, zeros, sizeof zeros) > 0)
        ;
    assert_int_equal (errno, ENOSPC);
    close (fd);
}

static void
test_full_disk (void **state)
{
    home_t *home = *state;
    if (geteuid () || mount ("tmpfs", home->folder, "tmpfs", 0, "size=32m,mode=0711")) {
        printf ("no tmpfs can be mounted here: the story disk.sh needs one too\n");
        return;
    }
    home->mounted = true;
    assert_ok (store_open (home->folder, 64 << 20, &home->store, &home->err), home->err);
    s_fill (home, 10);
    store_stat_t stat = s_stat (home);
    assert_int_equal (stat.fill, STORE_ROOMY);
    assert_true (stat.reserve_bytes >= 4 << 20);    //  Blocks that nobody can take away
    assert_true (stat.room_bytes < 32 << 20);
    s_hog (home, "hog");
    assert_int_equal (s_stat (home).fill, STORE_TIGHT);
    assert_false (s_may (home, store_admit));
    assert_true (s_may (home, store_writable));
    //  On it goes, by far more commits than a service has under way, until a quarter is left.
    int commits = 0;
    while (s_may (home, store_writable)) {
        s_fill (home, 20);
        commits++;
    }
    assert_true (commits > 50);
    assert_int_equal (s_stat (home).fill, STORE_SHUT);
    for (int commit = 0; commit < 10; commit++)     //  The service's own steps
        s_fill (home, 5);
    //  Another process on the same disk has the same reserve.
    uint64_t left = s_stat (home).reserve_bytes;
    store_destroy (&home->store);
    assert_ok (store_open (home->folder, 64 << 20, &home->store, &home->err), home->err);
    assert_in_range (s_stat (home).reserve_bytes, left - 65536, left + 65536);
    for (int commit = 0; commit < 5; commit++)
        s_fill (home, 5);
    //  The space comes back; so does everything.
    assert_int_equal (unlink (fixture_path (home->arena, home->folder, "hog")), 0);
    int64_t until_ms = berth_mono_ms () + 5000;
    while (s_stat (home).fill != STORE_ROOMY && berth_mono_ms () < until_ms)
        (void) s_may (home, store_writable);        //  It asks the disk again, once a second
    assert_int_equal (s_stat (home).fill, STORE_ROOMY);
    assert_true (s_may (home, store_admit) && s_may (home, store_writable));
    assert_true (s_stat (home).reserve_bytes >= 4 << 20);
}

//  Commits find blocks that were written before; that never touches what a commit wrote, whatever grew,
//  and whoever opened it.
static void
test_written_ahead (void **state)
{
    home_t *home = *state;
    static uint8_t bytes [4096], nothing [4096];
    for (int round = 0; round < 4; round++) {
        assert_ok (store_open (home->folder, 256 << 20, &home->store, &home->err), home->err);
        for (int commit = 0; commit < 20; commit++) {
            s_fill (home, commit % 7 * commit);
            int fd = open (fixture_path (home->arena, home->folder, "store/data.mdb"), O_RDONLY);
            assert_true (fd >= 0);
            //  What the last commit left of it, behind the pages that it took
            off_t end = (off_t) s_stat (home).file_bytes, size = lseek (fd, 0, SEEK_END);
            if (commit % 7 * commit < 50)
                assert_true (size > end);
            for (off_t at = end; at < size; at += (off_t) sizeof bytes) {
                assert_int_equal (pread (fd, bytes, sizeof bytes, at), sizeof bytes);
                assert_memory_equal (bytes, nothing, sizeof bytes);
            }
            close (fd);
        }
        store_txn_t *txn;
        assert_ok (store_read (home->store, &txn, &home->err), home->err);
        for (int row = 0; row < home->rows; row++) {
            environment_t env;
            assert_ok (environment_get (txn, home->arena, s_id (home, row), &env, &home->err), home->err);
        }
        store_txn_destroy (&txn);
        store_destroy (&home->store);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = { TEST (test_above_three_quarters), TEST (test_full_disk),
                                        TEST (test_written_ahead) };
    return cmocka_run_group_tests_name ("store_space", tests, NULL, NULL);
}
