//  test_tree.c - copying and removing folders: kind ones, odd ones, hostile ones.

#include "tree_fixture.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void
test_copy_keeps_what_crosses (void **state)
{
    (void) state;
    folder_write ("source/tool", "run");
    assert_int_equal (chmod (in ("source/tool"), 06751), 0);
    struct timespec times [2] = { { 1000, 1 }, { 1234567890, 123456789 } };
    assert_int_equal (utimensat (AT_FDCWD, in ("source/tool"), times, 0), 0);
    assert_int_equal (link (in ("source/tool"), in ("source/again")), 0);
    folder_make ("source/empty");
    folder_make ("source/closed");
    folder_write ("source/closed/inside", "in");
    assert_int_equal (chmod (in ("source/closed"), 0555), 0);
    folder_write ("source/new\nline \xff\xfe", "odd");
    assert_int_equal (symlink ("/etc/passwd", in ("source/absolute")), 0);
    assert_int_equal (symlink ("../../..", in ("source/up")), 0);
    assert_int_equal (symlink ("nowhere", in ("source/dangling")), 0);
    folder_copy ();
    assert_string_equal (folder_reports, "");

    struct stat about;
    assert_int_equal (lstat (in ("place/tool"), &about), 0);
    assert_int_equal (about.st_mode & 07777, 0751);
    assert_int_equal (about.st_nlink, 1);
    assert_int_equal (about.st_mtim.tv_sec, 1234567890);
    assert_int_equal (about.st_mtim.tv_nsec, 123456789);
    assert_string_equal (folder_read ("place/again"), "run");
    assert_true (folder_there ("place/empty"));
    assert_int_equal (folder_mode ("place/closed"), 0555);
    assert_string_equal (folder_read ("place/closed/inside"), "in");
    assert_string_equal (folder_read ("place/new\nline \xff\xfe"), "odd");
    const char *links [] = { "absolute", "/etc/passwd", "up", "../../..", "dangling", "nowhere" };
    for (unsigned index = 0; index < 6; index += 2) {
        char path [100], text [100] = "";
        snprintf (path, sizeof path, "place/%s", links [index]);
        assert_true (readlink (in (path), text, sizeof text - 1) > 0);
        assert_string_equal (text, links [index + 1]);
    }
    assert_int_equal (folder_mode ("snap"), 0600);
    assert_false (folder_there ("snap.tmp"));

    tree_result_t result = folder_return (false);
    assert_string_equal (folder_reports, "");
    assert_int_equal (result.added + result.changed + result.deleted + result.conflicts, 0);
}

static void
test_copy_leaves_the_rest (void **state)
{
    (void) state;
    folder_make ("source/a");
    folder_make ("source/a/b");
    folder_make ("source/b");
    folder_make ("source/node_modules");
    folder_write ("source/a/b/f", "no");
    folder_write ("source/b/f", "yes");
    folder_write ("source/node_modules/f", "no");
    assert_int_equal (mkfifo (in ("source/fifo"), 0644), 0);
    int plug = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strcpy (address.sun_path, in ("source/plug"));
    assert_int_equal (bind (plug, (struct sockaddr *) &address, sizeof address), 0);
    close (plug);
    bool root = geteuid () == 0
        && mknod (in ("source/null"), S_IFCHR | 0666, makedev (1, 3)) == 0;
    const char *excludes [] = { "node_modules", "a/b", NULL };
    tree_options_t options = folder_options ();
    options.excludes = excludes;
    tree_progress_t done;
    berth_error_t err = { 0 };
    assert_ok (tree_copy (in ("source"), in ("place"), in ("snap"), &options, &done, &err),
               err);
    assert_true (folder_there ("place/a") && folder_there ("place/b/f"));
    assert_false (folder_there ("place/a/b") || folder_there ("place/node_modules"));
    assert_false (folder_there ("place/fifo") || folder_there ("place/plug"));
    assert_false (folder_there ("place/null"));
    assert_int_equal (done.refused, root ? 3 : 2);
    assert_int_equal (done.files, 1);
    assert_non_null (strstr (folder_reports, "refused fifo: a fifo does not cross\n"));
    assert_non_null (strstr (folder_reports, "refused plug: a socket does not cross\n"));
    if (root)
        assert_non_null (strstr (folder_reports, "refused null: a device node does not cross\n"));

    //  What was excluded is not deleted at home, and what the place makes of it stays there.
    folder_make ("place/node_modules");
    folder_write ("place/node_modules/other", "no");
    tree_result_t result;
    options = folder_options ();
    options.excludes = excludes;
    assert_ok (tree_return (in ("place"), in ("snap"), in ("source"), false, &options,
                            &result, &err), err);
    assert_string_equal (folder_reports, "");
    assert_string_equal (folder_read ("source/a/b/f"), "no");
    assert_false (folder_there ("source/node_modules/other"));
}

static void
test_copy_sparse (void **state)
{
    (void) state;
    int file = open (in ("source/big"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal (ftruncate (file, 8LL << 30), 0);
    assert_int_equal (pwrite (file, "middle", 6, (5LL << 30) + 12345), 6);
    close (file);
    folder_copy ();
    struct stat about;
    assert_int_equal (stat (in ("place/big"), &about), 0);
    assert_true (about.st_size == 8LL << 30);
    assert_true (about.st_blocks * 512 < 1 << 20);
    char text [7] = "";
    file = open (in ("place/big"), O_RDWR | O_CLOEXEC);
    assert_int_equal (pread (file, text, 6, (5LL << 30) + 12345), 6);
    assert_string_equal (text, "middle");

    //  Zeros that are written are what the hole was; a byte that moves by a block is not.
    char zeros [4096] = { 0 };
    assert_int_equal (pwrite (file, zeros, sizeof zeros, 1 << 20), sizeof zeros);
    assert_int_equal (folder_return (false).changed, 0);
    assert_int_equal (pwrite (file, zeros, 6, (5LL << 30) + 12345), 6);
    assert_int_equal (pwrite (file, "middle", 6, (5LL << 30) + 12345 + 65536), 6);
    close (file);
    assert_int_equal (folder_return (false).changed, 1);
    assert_int_equal (stat (in ("source/big"), &about), 0);
    assert_true (about.st_blocks * 512 < 1 << 20);
}

static int
s_copy_unreadable (void)
{
    berth_error_t err = { 0 };
    EXPECT (tree_copy (in ("source"), in ("open/p1"), in ("open/s1"), NULL, NULL, &err));
    EXPECT (err.code == BERTH_FORBIDDEN && strstr (err.text, "'deep/secret'"));
    EXPECT (access (in ("open/s1"), F_OK) == -1 && access (in ("open/s1.tmp"), F_OK) == -1);
    EXPECT (tree_remove (in ("open/p1"), &err) == 0);
    EXPECT (tree_copy (in ("shut"), in ("open/p2"), in ("open/s2"), NULL, NULL, &err));
    EXPECT (err.code == BERTH_FORBIDDEN && strstr (err.text, "/shut'"));
    //  Folders that we may not write into cross, and go away again; so do folders of mode 0.
    EXPECT (tree_copy (in ("source/ro"), in ("open/p3"), in ("open/s3"), NULL, NULL, &err)
            == 0);
    struct stat about;
    EXPECT (stat (in ("open/p3/in/side"), &about) == 0 && (about.st_mode & 0777) == 0555);
    EXPECT (access (in ("open/p3/in/side/f"), R_OK) == 0);
    EXPECT (rmdir (in ("open/p3/in/side")) == -1 && errno == EACCES);
    EXPECT (mkdir (in ("open/p3/none"), 0) == 0);
    EXPECT (tree_remove (in ("open/p3"), &err) == 0);
    EXPECT (access (in ("open/p3"), F_OK) == -1);
    return 0;
}

static void
test_copy_without_rights (void **state)
{
    (void) state;
    folder_make ("source/deep");
    folder_write ("source/deep/secret", "x");
    assert_int_equal (chmod (in ("source/deep/secret"), 0), 0);
    folder_make ("shut");
    assert_int_equal (chmod (in ("shut"), 0), 0);
    folder_make ("source/ro");
    folder_make ("source/ro/in");
    folder_make ("source/ro/in/side");
    folder_write ("source/ro/in/side/f", "f");
    assert_int_equal (chmod (in ("source/ro/in/side"), 0555), 0);
    assert_int_equal (chmod (in ("source/ro/in"), 0555), 0);
    folder_make ("open");
    assert_int_equal (chmod (in ("open"), 0777), 0);
    folder_as_nobody (s_copy_unreadable);
}

static int
s_cancel (void *context, const tree_progress_t *progress)
{
    (void) progress;
    ++*(int *) context;
    return 1;
}

static void
test_copy_fails_and_ends (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    tree_options_t options = folder_options ();
    assert_fails (tree_copy (in ("missing"), in ("place"), in ("snap"), NULL, NULL, &err),
                  err, BERTH_NOT_FOUND);
    assert_non_null (strstr (err.text, "missing'"));
    folder_write ("source/f", "f");
    folder_write ("source/g", "g");
    folder_write ("file", "f");
    assert_fails (tree_copy (in ("file"), in ("place"), in ("snap"), NULL, NULL, &err),
                  err, BERTH_NOT_FOUND);
    assert_fails (tree_copy (in ("source"), in ("source"), in ("snap"), NULL, NULL, &err),
                  err, BERTH_CONFLICT);
    options.max_entries = 1;
    assert_fails (tree_copy (in ("source"), in ("place"), in ("snap"), &options, NULL, &err),
                  err, BERTH_INVALID);
    options.max_entries = 0;
    options.deadline_mono_ms = berth_mono_ms () - 1;
    assert_fails (tree_copy (in ("source"), in ("place"), in ("snap"), &options, NULL, &err),
                  err, BERTH_DEADLINE_EXCEEDED);
    int calls = 0;
    options.deadline_mono_ms = 0;
    options.progress = s_cancel;
    options.context = &calls;
    options.report = NULL;
    assert_fails (tree_copy (in ("source"), in ("place"), in ("snap"), &options, NULL, &err),
                  err, BERTH_DEADLINE_EXCEEDED);
    assert_int_equal (calls, 1);
    assert_false (folder_there ("snap") || folder_there ("snap.tmp"));
}

static void
test_deep (void **state)
{
    (void) state;
    char name [256];
    memset (name, 'd', 250);
    name [250] = 0;
    int fd = open (in ("source"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned depth = 0; depth < 1000; depth++) {
        assert_int_equal (mkdirat (fd, name, 0755), 0);
        int next = openat (fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close (fd);
        fd = next;
    }
    close (fd);
    folder_copy ();
    assert_string_equal (folder_reports, "");
    fd = open (in ("place"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned depth = 0; depth < 1000; depth++) {
        int next = openat (fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true (next >= 0);
        close (fd);
        fd = next;
    }
    assert_int_equal (mkdirat (fd, "more", 0755), 0);
    close (fd);
    assert_int_equal (folder_return (false).added, 1);

    //  A place may nest deeper than we follow: that part stays there, and the removal still works.
    fd = open (in ("place"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned depth = 0; depth < 5000; depth++) {
        (void) mkdirat (fd, "e", 0755);
        int next = openat (fd, "e", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close (fd);
        fd = next;
    }
    close (fd);
    tree_result_t result = folder_return (true);
    assert_int_equal (result.added, 2000);
    assert_int_equal (result.refused, 1);
    berth_error_t err = { 0 };
    assert_ok (tree_remove (in ("place"), &err), err);
    assert_false (folder_there ("place"));
}

static void
test_copy_under_swaps (void **state)
{
    (void) state;
    folder_hostile ("source");
    static swapper_t folder, file;
    swapper_start (&folder, "source/d", "source/l");
    swapper_start (&file, "source/f", "source/m");
    int64_t until_ms = berth_mono_ms () + 1500;
    unsigned rounds = 0;
    while (rounds < 3000 && berth_mono_ms () < until_ms) {
        berth_error_t err = { 0 };
        folder_copy ();
        folder_not_secret ("place/f");
        folder_not_secret ("place/m");
        struct stat about;
        if (lstat (in ("place/d"), &about) == 0 && S_ISDIR (about.st_mode))
            folder_not_secret ("place/d/secret");
        if (lstat (in ("place/l"), &about) == 0 && S_ISDIR (about.st_mode))
            folder_not_secret ("place/l/secret");
        assert_ok (tree_remove (in ("place"), &err), err);
        rounds++;
    }
    swapper_end (&folder);
    swapper_end (&file);
    assert_true (rounds > 10);
    assert_string_equal (folder_read ("outside/secret"), "secret");
}

static void
test_copy_into_itself (void **state)
{
    (void) state;
    folder_make ("source/state");
    folder_write ("source/f", "f");
    berth_error_t err = { 0 };
    tree_options_t options = folder_options ();
    assert_ok (tree_copy (in ("source"), in ("source/state/place"), in ("snap"), &options, NULL,
                          &err), err);
    assert_string_equal (folder_reports, "refused state/place: the copy is made there\n");
    assert_string_equal (folder_read ("source/state/place/f"), "f");
    assert_true (folder_there ("source/state/place/state"));
    assert_false (folder_there ("source/state/place/state/place"));
}

static void
test_remove_stays_inside (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    folder_make ("outside");
    folder_write ("outside/kept", "kept");
    folder_make ("source/d");
    folder_make ("source/d/e");
    folder_make ("source/.berth-remove-0");
    folder_write ("source/.berth-remove-0/f", "f");
    folder_write ("source/d/e/f\n\xff", "f");
    assert_int_equal (mkfifo (in ("source/d/fifo"), 0), 0);
    assert_int_equal (symlink (in ("outside"), in ("source/d/e/out")), 0);
    assert_int_equal (symlink (in ("outside"), in ("link")), 0);
    assert_ok (tree_remove (in ("source"), &err), err);
    assert_false (folder_there ("source"));
    assert_ok (tree_remove (in ("source"), &err), err);
    assert_fails (tree_remove (in ("link"), &err), err, BERTH_NOT_FOUND);
    assert_string_equal (folder_read ("outside/kept"), "kept");
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
#define TEST(name) cmocka_unit_test_setup_teardown (name, folder_setup, folder_teardown)
        TEST (test_copy_keeps_what_crosses), TEST (test_copy_leaves_the_rest),
        TEST (test_copy_sparse), TEST (test_copy_without_rights), TEST (test_copy_fails_and_ends),
        TEST (test_deep), TEST (test_copy_under_swaps), TEST (test_remove_stays_inside),
        TEST (test_copy_into_itself),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
