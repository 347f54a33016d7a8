//  test_tree_pack.c - a folder as a stream: there and home, whole or what differs, with bounds.

#include "tree_fixture.h"
#include "clock.h"
#include "tree_pack.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

//  ---- there

//  source > the file `stream`, and from there into `into`.
static tree_progress_t
s_pack (const char *known, const char *have, uint64_t *sent)
{
    berth_error_t err = { 0 };
    tree_progress_t done;
    tree_options_t options = folder_options ();
    tree_pack_t how = { known ? in (known) : NULL, have ? in (have) : NULL, in ("snap") };
    int to = open (in ("stream"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true (to >= 0);
    assert_ok (tree_pack (in ("source"), &how, to, &options, &done, sent, &err), err);
    close (to);
    return done;
}

static bool
s_same_trees (const char *left, const char *right)
{
    char command [9000];
    static const char list [] =
        "find . -mindepth 1 -type f -printf '%p %m %T@\\n' -o -printf '%p %l\\n' | LC_ALL=C sort";
    snprintf (command, sizeof command,
              "diff -r --no-dereference '%s' '%s' && (cd '%s'; %s) >'%s' && (cd '%s'; %s) | cmp - '%s'",
              in (left), in (right), in (left), list, in ("list"), in (right), list, in ("list"));
    return system (command) == 0;
}

static void
s_fill (void)
{
    folder_write ("source/tool", "run");
    assert_int_equal (chmod (in ("source/tool"), 06751), 0);
    struct timespec times [2] = { { 1000, 1 }, { 1234567890, 123456789 } };
    assert_int_equal (utimensat (AT_FDCWD, in ("source/tool"), times, 0), 0);
    assert_int_equal (link (in ("source/tool"), in ("source/twin")), 0);
    folder_make ("source/empty");
    folder_make ("source/closed");
    folder_write ("source/closed/inside", "in");
    assert_int_equal (chmod (in ("source/closed"), 0555), 0);
    folder_write ("source/new\nline \xff\xfe", "odd");
    folder_write ("source/h\xc3\xbcgel", "umlaut");
    char name [300] = "source/";
    memset (name + 7, 'n', 255);
    folder_write (name, "long");
    assert_int_equal (symlink ("/etc/passwd", in ("source/absolute")), 0);
    assert_int_equal (symlink ("up\xff/\xfe", in ("source/odd link")), 0);
    folder_write ("source/nothing", "");
}

static void
test_there (void **state)
{
    (void) state;
    s_fill ();
    uint64_t sent = 0;
    tree_progress_t out = s_pack (NULL, NULL, &sent);
    struct stat about;
    assert_int_equal (stat (in ("stream"), &about), 0);
    assert_int_equal (about.st_size, sent);
    assert_string_equal (folder_reports, "");
    tree_progress_t done = folder_unpack ("place", NULL);
    assert_string_equal (folder_reports, "");
    assert_int_equal (done.files, out.files);
    assert_int_equal (done.folders, 2);
    assert_int_equal (done.links, 2);
    assert_int_equal (chmod (in ("source/tool"), 0751), 0);
    assert_true (s_same_trees ("source", "place"));
    assert_int_equal (folder_mode ("place/closed"), 0555);
    assert_true (folder_there ("place/empty"));
    struct stat twin;
    assert_int_equal (lstat (in ("place/tool"), &about), 0);
    assert_int_equal (lstat (in ("place/twin"), &twin), 0);
    assert_int_equal (about.st_ino, twin.st_ino);

    //  Where there is nothing better, tar takes it, too.
    folder_make ("tar");
    char command [9000];
    snprintf (command, sizeof command, "tar --warning=no-unknown-keyword -xf '%s' -C '%s'", in ("stream"), in ("tar"));
    assert_int_equal (system (command), 0);
    assert_true (s_same_trees ("source", "tar"));
    //  And we take tar's.
    snprintf (command, sizeof command, "tar -cf '%s' -C '%s' .", in ("stream"), in ("tar"));
    assert_int_equal (system (command), 0);
    folder_unpack ("back", NULL);
    assert_string_equal (folder_reports, "");
    snprintf (command, sizeof command, "diff -r --no-dereference '%s' '%s'", in ("source"),
              in ("back"));
    assert_int_equal (system (command), 0);
}

//  Holes stay holes, at the start, between and at the end; 4 GiB of them cost nothing.
static void
test_sparse (void **state)
{
    (void) state;
    const uint64_t size = 4ull << 30;
    int file = open (in ("source/big"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal (ftruncate (file, (off_t) size), 0);
    assert_int_equal (pwrite (file, "middle", 6, 3000000000), 6);
    assert_int_equal (pwrite (file, "end", 3, (off_t) size - 3), 3);
    close (file);
    file = open (in ("source/hole"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal (ftruncate (file, 10000000), 0);
    close (file);
    file = open (in ("source/tail"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal (pwrite (file, "start", 5, 0), 5);
    assert_int_equal (ftruncate (file, 10000001), 0);
    close (file);
    uint64_t sent = 0;
    s_pack (NULL, NULL, &sent);
    assert_true (sent < 1000000);
    folder_unpack ("place", NULL);
    assert_string_equal (folder_reports, "");
    struct stat about;
    const char *names [] = { "big", "hole", "tail" };
    const uint64_t sizes [] = { size, 10000000, 10000001 };
    for (unsigned index = 0; index < 3; index++) {
        char name [40];
        snprintf (name, sizeof name, "place/%s", names [index]);
        assert_int_equal (lstat (in (name), &about), 0);
        assert_int_equal (about.st_size, sizes [index]);
        assert_true (about.st_blocks * 512 < 400000);
    }
    char text [7] = "";
    file = open (in ("place/big"), O_RDONLY | O_CLOEXEC);
    assert_int_equal (pread (file, text, 6, 3000000000), 6);
    assert_string_equal (text, "middle");
    assert_int_equal (pread (file, text, 4, (off_t) size - 3), 3);
    assert_memory_equal (text, "end", 3);
    close (file);
    //  The snapshot says what went: nothing changed.
    assert_int_equal (folder_return (false).changed, 0);
    assert_string_equal (folder_reports, "");
}

//  ---- only what differs

static void
test_only_what_differs (void **state)
{
    (void) state;
    s_fill ();
    assert_int_equal (chmod (in ("source/tool"), 0751), 0);
    folder_write ("source/same", "unchanged and of some length");
    folder_make ("source/kind");
    folder_write ("source/kind/a", "a");
    folder_write ("source/swap", "a file");
    folder_make ("source/gone");
    folder_write ("source/gone/b", "b");
    s_pack (NULL, NULL, NULL);
    folder_unpack ("place", NULL);

    berth_error_t err = { 0 };
    assert_ok (tree_snapshot_take (in ("place"), NULL, in ("have"), NULL, NULL, &err), err);
    tree_progress_t done = s_pack ("snap", "have", NULL);
    assert_int_equal (done.saved_files, done.files);
    assert_int_equal (done.saved_bytes, done.bytes);
    struct stat about;
    assert_int_equal (stat (in ("stream"), &about), 0);
    assert_true (about.st_size <= 1024);

    folder_write ("source/new", "new");
    folder_write ("source/tool", "ran");            //  Same size; its time says nothing
    struct timespec times [2] = { { 1000, 1 }, { 1234567890, 123456789 } };
    assert_int_equal (utimensat (AT_FDCWD, in ("source/tool"), times, 0), 0);
    assert_int_equal (unlink (in ("source/gone/b")), 0);
    assert_int_equal (rmdir (in ("source/gone")), 0);
    assert_int_equal (unlink (in ("source/kind/a")), 0);
    assert_int_equal (rmdir (in ("source/kind")), 0);
    folder_write ("source/kind", "a file now");
    assert_int_equal (unlink (in ("source/swap")), 0);
    folder_make ("source/swap");
    folder_write ("source/swap/c", "c");
    assert_int_equal (unlink (in ("source/absolute")), 0);
    assert_int_equal (symlink ("/etc/group", in ("source/absolute")), 0);
    //  What the place did by itself goes.
    folder_write ("place/made there", "x");
    folder_write ("place/same", "unchanged and of same length");
    assert_ok (tree_snapshot_take (in ("place"), in ("have"), in ("have"), NULL, NULL, &err), err);
    done = s_pack ("snap", "have", NULL);
    assert_true (done.saved_files > 3 && done.saved_files < done.files);
    folder_unpack ("place", NULL);
    assert_string_equal (folder_reports, "");
    assert_true (s_same_trees ("source", "place"));
    assert_string_equal (folder_read ("place/tool"), "ran");
}

//  Home: only what changed there crosses, into a folder beside; the rest is as in the snapshot.
static void
test_home_by_what_changed (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    folder_make ("source/d");
    folder_write ("source/d/one", "1");
    folder_write ("source/d/two", "2");
    folder_make ("source/gone");
    folder_write ("source/gone/x", "x");
    folder_make ("source/becomes");
    folder_write ("source/becomes/y", "y");
    folder_make ("source/less");
    folder_make ("source/less/deep");
    folder_write ("source/less/deep/gone", "g");
    folder_write ("source/less/deep/stays", "s");
    folder_write ("source/less-", "other");
    folder_write ("source/keep", "kept");
    folder_write ("source/both", "base");
    s_pack (NULL, NULL, NULL);
    folder_unpack ("place", NULL);
    assert_ok (tree_snapshot_take (in ("place"), NULL, in ("base"), NULL, NULL, &err), err);

    folder_write ("place/d/two", "two");
    folder_write ("place/d/three", "3");
    folder_write ("place/both", "theirs");
    folder_write ("source/both", "ours!!");
    unlink (in ("place/gone/x"));
    rmdir (in ("place/gone"));
    unlink (in ("place/less/deep/gone"));       //  Nothing else is done there: it does not cross
    unlink (in ("place/becomes/y"));
    rmdir (in ("place/becomes"));
    folder_write ("place/becomes", "a file");

    tree_options_t options = folder_options ();
    tree_pack_t how = { .known = in ("base"), .have = in ("base"), .snapshot = in ("now") };
    int to = open (in ("stream"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_ok (tree_pack (in ("place"), &how, to, &options, NULL, NULL, &err), err);
    close (to);
    folder_unpack ("staging", "removed");
    assert_false (folder_there ("staging/keep"));
    assert_false (folder_there ("staging/d/one"));

    options.removed = in ("removed");
    tree_result_t result;
    folder_reports [0] = 0;
    assert_ok (tree_return (in ("staging"), in ("snap"), in ("source"), false, &options, &result,
                            &err), err);
    assert_int_equal (result.changed, 2);
    assert_int_equal (result.added, 1);
    assert_int_equal (result.conflicts, 1);
    assert_int_equal (result.refused, 0);
    assert_string_equal (folder_read ("source/d/one"), "1");
    assert_string_equal (folder_read ("source/d/two"), "two");
    assert_string_equal (folder_read ("source/d/three"), "3");
    assert_string_equal (folder_read ("source/keep"), "kept");
    assert_string_equal (folder_read ("source/both"), "ours!!");
    assert_string_equal (folder_read ("source/both.berth-theirs"), "theirs");
    assert_string_equal (folder_read ("source/becomes"), "a file");
    assert_false (folder_there ("source/gone"));
    assert_false (folder_there ("staging/less"));
    assert_false (folder_there ("source/less/deep/gone"));
    assert_string_equal (folder_read ("source/less/deep/stays"), "s");
}

//  ---- bounds

static int
s_cancel (void *context, const tree_progress_t *done)
{
    (void) context;
    (void) done;
    return 1;
}

static void
test_bounds (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    for (unsigned index = 0; index < 20; index++) {
        char name [40];
        snprintf (name, sizeof name, "source/%02u", index);
        folder_write (name, "12345");
    }
    s_pack (NULL, NULL, NULL);
    tree_options_t options = folder_options ();
    options.max_entries = 19;
    assert_fails (folder_try_unpack ("few", NULL, &options, NULL, &err), err, BERTH_INVALID);
    options.max_entries = 0;
    options.max_bytes = 99;
    assert_fails (folder_try_unpack ("few", NULL, &options, NULL, &err), err, BERTH_INVALID);
    options.max_bytes = 100;
    assert_ok (folder_try_unpack ("few", NULL, &options, NULL, &err), err);

    //  Nobody reads, nobody writes: the deadline, the caller and a closed end come through.
    int ends [2];
    assert_int_equal (pipe2 (ends, O_CLOEXEC), 0);
    tree_pack_t how = { .snapshot = in ("snap") };
    int big = open (in ("source/big"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char *data = calloc (1, 1 << 20);
    memset (data, 'x', 1 << 20);
    assert_int_equal (write (big, data, 1 << 20), 1 << 20);
    free (data);
    close (big);
    options = folder_options ();
    options.deadline_mono_ms = berth_mono_ms () + 100;
    assert_fails (tree_pack (in ("source"), &how, ends [1], &options, NULL, NULL, &err), err,
                  BERTH_DEADLINE_EXCEEDED);
    assert_int_equal (fcntl (ends [1], F_GETFL) & O_NONBLOCK, 0);
    assert_false (folder_there ("snap.tmp"));
    close (ends [0]);
    signal (SIGPIPE, SIG_IGN);
    options.deadline_mono_ms = 0;
    assert_fails (tree_pack (in ("source"), &how, ends [1], &options, NULL, NULL, &err), err,
                  BERTH_PROVIDER_UNAVAILABLE);
    close (ends [1]);
    assert_int_equal (pipe2 (ends, O_CLOEXEC), 0);
    int folder = open (in ("few"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    options.progress = s_cancel;
    assert_fails (tree_unpack (ends [0], folder, NULL, &options, NULL, &err), err,
                  BERTH_DEADLINE_EXCEEDED);
    close (ends [0]);
    close (ends [1]);
    close (folder);
}

//  A stream that ends anywhere before its end is never taken for a whole one.
static void
test_cut (void **state)
{
    (void) state;
    folder_write ("source/a", "a");
    folder_make ("source/b");
    folder_write ("source/b/c", "c");
    uint64_t sent;
    s_pack (NULL, NULL, &sent);
    static char data [65536];
    int file = open (in ("stream"), O_RDONLY | O_CLOEXEC);
    ssize_t size = read (file, data, sizeof data);
    close (file);
    assert_int_equal (size, sent);
    berth_error_t err = { 0 };
    tree_options_t options = folder_options ();
    for (ssize_t cut = 0; cut < size - 1024; cut += 256) {
        file = open (in ("stream"), O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal (write (file, data, (size_t) cut), cut);
        close (file);
        assert_int_equal (folder_try_unpack ("place", NULL, &options, NULL, &err), -1);
        err = (berth_error_t) { 0 };
    }
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
#define TEST(name) cmocka_unit_test_setup_teardown (name, folder_setup, folder_teardown)
        TEST (test_there), TEST (test_sparse), TEST (test_only_what_differs),
        TEST (test_home_by_what_changed), TEST (test_bounds), TEST (test_cut),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
