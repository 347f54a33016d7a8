//  test_tree_return.c - the way home, case by case; against a model: test_tree_model.c.

#include "tree_fixture.h"
#include "clock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
test_merge (void **state)
{
    (void) state;
    const char *names [] = { "same", "there", "here", "both", "alike", "gone", "gone-here",
                             "gone-changed", "changed-gone", "mode", "touched" };
    for (unsigned index = 0; index < BERTH_COUNT (names); index++) {
        char path [64];
        snprintf (path, sizeof path, "source/%s", names [index]);
        folder_write (path, "base");
    }
    folder_make ("source/folder");
    folder_write ("source/folder/one", "1");
    folder_make ("source/folder/sub");
    folder_write ("source/folder/sub/two", "2");
    assert_int_equal (symlink ("base", in ("source/link")), 0);
    folder_copy ();

    folder_write ("place/there", "theirs");
    folder_write ("source/here", "ours");
    folder_write ("place/both", "theirs");
    folder_write ("source/both", "ours");
    folder_write ("place/alike", "agreed");
    folder_write ("source/alike", "agreed");
    unlink (in ("place/gone"));
    unlink (in ("source/gone-here"));
    unlink (in ("place/gone-changed"));
    folder_write ("source/gone-changed", "ours");
    folder_write ("place/changed-gone", "theirs");
    unlink (in ("source/changed-gone"));
    chmod (in ("place/mode"), 0755);
    struct timespec now [2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };
    assert_int_equal (utimensat (AT_FDCWD, in ("place/touched"), now, 0), 0);
    berth_error_t err = { 0 };
    assert_ok (tree_remove (in ("place/folder"), &err), err);
    unlink (in ("place/link"));
    assert_int_equal (symlink ("/etc/passwd", in ("place/link")), 0);
    folder_make ("place/made");
    folder_write ("place/made/new", "new");
    assert_int_equal (mkfifo (in ("place/fifo"), 0600), 0);

    const char *expected =
        "conflict both -> both.berth-theirs: it changed on both sides\n"
        "conflict changed-gone -> changed-gone.berth-theirs: it changed on both sides\n"
        "refused fifo: a fifo does not cross\n"
        "deleted gone\n"
        "conflict gone-changed: it was deleted there and changed here\n"
        "changed link\nadded made\nchanged mode\nchanged there\n"
        "added made/new\ndeleted folder/one\ndeleted folder/sub/two\ndeleted folder/sub\n"
        "deleted folder\n";
    tree_result_t dry = folder_return (true);
    assert_string_equal (folder_reports, expected);
    assert_string_equal (folder_read ("source/there"), "base");
    tree_result_t result = folder_return (false);
    assert_string_equal (folder_reports, expected);
    assert_memory_equal (&dry, &result, sizeof dry);
    assert_int_equal (result.added, 2);
    assert_int_equal (result.changed, 3);
    assert_int_equal (result.deleted, 5);
    assert_int_equal (result.conflicts, 3);
    assert_int_equal (result.refused, 1);

    assert_string_equal (folder_read ("source/there"), "theirs");
    assert_string_equal (folder_read ("source/here"), "ours");
    assert_string_equal (folder_read ("source/both"), "ours");
    assert_string_equal (folder_read ("source/both.berth-theirs"), "theirs");
    assert_string_equal (folder_read ("source/alike"), "agreed");
    assert_string_equal (folder_read ("source/gone-changed"), "ours");
    assert_string_equal (folder_read ("source/changed-gone.berth-theirs"), "theirs");
    assert_false (folder_there ("source/gone") || folder_there ("source/gone-here"));
    assert_false (folder_there ("source/changed-gone") || folder_there ("source/folder"));
    assert_int_equal (folder_mode ("source/mode"), 0755);
    assert_string_equal (folder_read ("source/made/new"), "new");
    assert_false (folder_there ("source/.berth-return.tmp"));

    //  Done again it brings nothing more, and keeps no second copy of a conflict.
    result = folder_return (false);
    assert_int_equal (result.added + result.changed + result.deleted, 0);
    assert_int_equal (result.conflicts, 3);
    assert_false (folder_there ("source/both.berth-theirs.1"));

    //  Theirs moved on: what is beside stays, too.
    folder_write ("place/both", "later");
    folder_return (false);
    assert_string_equal (folder_read ("source/both.berth-theirs"), "theirs");
    assert_string_equal (folder_read ("source/both.berth-theirs.1"), "later");
}

static void
test_merge_refuses_repositories (void **state)
{
    (void) state;
    folder_make ("source/.git");
    folder_make ("source/.git/hooks");
    folder_write ("source/.git/config", "good");
    folder_write ("source/.git/HEAD", "good");
    folder_make ("source/sub");
    folder_write ("source/sub/.git", "gitdir: here");
    folder_make ("source/other");
    folder_make ("source/other/.git");
    folder_write ("source/other/.git/config", "good");
    folder_copy ();
    folder_write ("place/.git/config", "[core] fsmonitor = evil");
    folder_write ("place/.git/hooks/post-checkout", "evil");
    unlink (in ("place/.git/HEAD"));
    folder_write ("place/sub/.git", "gitdir: /evil");
    folder_make ("place/new");
    folder_make ("place/new/.GIT");
    folder_write ("place/new/.GIT/config", "evil");
    assert_int_equal (symlink ("/evil", in ("place/new/.Git")), 0);
    folder_write ("place/new/work", "good");
    berth_error_t err = { 0 };
    assert_ok (tree_remove (in ("place/other"), &err), err);

    tree_result_t result = folder_return (false);
    const char *reason = ": a repository's own files do not cross\n";
    const char *refused [] = { ".git/config", ".git/hooks/post-checkout", ".git/HEAD", "sub/.git",
                               "new/.GIT", "new/.Git", "other/.git" };
    for (unsigned index = 0; index < BERTH_COUNT (refused); index++) {
        char line [128];
        snprintf (line, sizeof line, "refused %s%s", refused [index], reason);
        assert_non_null (strstr (folder_reports, line));
    }
    assert_int_equal (result.refused, BERTH_COUNT (refused));
    assert_int_equal (result.added, 2);
    assert_int_equal (result.changed + result.deleted + result.conflicts, 0);
    assert_string_equal (folder_read ("source/.git/config"), "good");
    assert_string_equal (folder_read ("source/.git/HEAD"), "good");
    assert_string_equal (folder_read ("source/sub/.git"), "gitdir: here");
    assert_string_equal (folder_read ("source/other/.git/config"), "good");
    assert_false (folder_there ("source/.git/hooks/post-checkout"));
    assert_false (folder_there ("source/new/.GIT") || folder_there ("source/new/.Git"));
    assert_string_equal (folder_read ("source/new/work"), "good");
}

static void
test_merge_writes_through_no_link (void **state)
{
    (void) state;
    folder_make ("outside");
    folder_make ("source/d");
    folder_write ("source/d/f", "base");
    folder_write ("source/hard", "base");
    folder_copy ();
    folder_write ("place/d/f", "theirs");
    folder_write ("place/d/g", "theirs");
    folder_write ("place/hard", "theirs");
    //  Home made links of them meanwhile.
    assert_int_equal (rename (in ("source/d"), in ("outside/d")), 0);
    assert_int_equal (symlink ("../outside/d", in ("source/d")), 0);
    assert_int_equal (link (in ("source/hard"), in ("outside/hard")), 0);
    folder_return (false);
    assert_string_equal (folder_read ("outside/d/f"), "base");
    assert_false (folder_there ("outside/d/g"));
    assert_string_equal (folder_read ("outside/hard"), "base");
    assert_string_equal (folder_read ("source/hard"), "theirs");
    assert_string_equal (folder_read ("source/d.berth-theirs/f"), "theirs");
    assert_string_equal (folder_read ("source/d.berth-theirs/g"), "theirs");
}

static void
test_return_under_swaps (void **state)
{
    (void) state;
    folder_copy ();
    folder_hostile ("place");
    folder_make ("source/d");
    folder_make ("source/l");
    unlink (in ("place/l"));
    folder_make ("place/l");
    assert_int_equal (symlink (in ("outside"), in ("link")), 0);
    assert_int_equal (symlink (in ("outside"), in ("place/w")), 0);
    static swapper_t home, place;
    swapper_start (&home, "source/d", "link");
    swapper_start (&place, "place/d", "place/w");
    int64_t until_ms = berth_mono_ms () + 1500;
    for (unsigned round = 0; round < 3000 && berth_mono_ms () < until_ms; round++) {
        char name [32];
        snprintf (name, sizeof name, "place/l/file%u", round);
        folder_write (name, "more");
        snprintf (name, sizeof name, "place/d/file%u", round);
        //  Our own write may go through the link: then it is outside, and we take it away.
        int file = open (in (name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true (file >= 0);
        close (file);
        snprintf (name, sizeof name, "outside/file%u", round);
        (void) unlink (in (name));
        folder_return (false);
        assert_false (folder_there (name));
        assert_false (folder_there ("outside/" ".berth-return.tmp"));
        assert_string_equal (folder_read ("outside/secret"), "secret");
    }
    swapper_end (&home);
    swapper_end (&place);
}

static int s_ready [2];

static void
s_hold (void *context, tree_change_t change, const char *path, const char *other,
        const char *reason)
{
    (void) context, (void) change, (void) path, (void) other, (void) reason;
    if (write (s_ready [1], "!", 1) == 1)
        for (;;)
            pause ();
}

static void
test_merge_locks (void **state)
{
    (void) state;
    folder_copy ();
    folder_write ("place/new", "new");
    folder_write ("place/newer", "newer");
    assert_int_equal (pipe2 (s_ready, O_CLOEXEC), 0);
    pid_t child = fork ();
    assert_true (child >= 0);
    if (child == 0) {
        tree_options_t options = { .uid = -1, .gid = -1, .report = s_hold };
        (void) tree_return (in ("place"), in ("snap"), in ("source"), false, &options, NULL,
                            NULL);
        _exit (1);
    }
    char mark;
    assert_int_equal (read (s_ready [0], &mark, 1), 1);
    berth_error_t err = { 0 };
    assert_fails (tree_return (in ("place"), in ("snap"), in ("source/."), false, NULL, NULL,
                               &err), err, BERTH_CONFLICT);
    char pid [32];
    snprintf (pid, sizeof pid, "process %d ", (int) child);
    assert_non_null (strstr (err.text, pid));
    assert_int_equal (kill (child, SIGKILL), 0);
    assert_int_equal (waitpid (child, NULL, 0), child);

    //  Its lock file and a half-written file are still there.
    folder_write ("source/.berth-return.tmp", "half");
    tree_result_t result = folder_return (false);
    assert_int_equal (result.added, 1);
    assert_string_equal (folder_read ("source/newer"), "newer");
    assert_false (folder_there ("source/.berth-return.tmp"));
    close (s_ready [0]);
    close (s_ready [1]);
    char command [4200];
    snprintf (command, sizeof command, "! ls -A '%s' | grep -q lock", in ("."));
    assert_int_equal (system (command), 0);
}

static void
test_snapshot_is_checked (void **state)
{
    (void) state;
    folder_write ("source/f", "f");
    folder_copy ();
    int file = open (in ("snap"), O_RDWR | O_CLOEXEC);
    uint8_t bytes [512];
    ssize_t size = read (file, bytes, sizeof bytes);
    assert_true (size > 30);
    berth_error_t err = { 0 };
    unlink (in ("place/f"));
    for (ssize_t at = 0; at < size; at++) {
        uint8_t bad = bytes [at] ^ 0x41;
        assert_int_equal (pwrite (file, &bad, 1, at), 1);
        assert_fails (tree_return (in ("place"), in ("snap"), in ("source"), false, NULL,
                                   NULL, &err), err, BERTH_INVALID);
        assert_int_equal (pwrite (file, &bytes [at], 1, at), 1);
    }
    for (ssize_t cut = 0; cut < size; cut++) {
        assert_int_equal (ftruncate (file, cut), 0);
        assert_fails (tree_return (in ("place"), in ("snap"), in ("source"), false, NULL,
                                   NULL, &err), err, BERTH_INVALID);
        assert_int_equal (pwrite (file, bytes, (size_t) size, 0), size);
    }
    close (file);
    assert_string_equal (folder_read ("source/f"), "f");
    assert_fails (tree_return (in ("place"), in ("none"), in ("source"), false, NULL, NULL,
                               &err), err, BERTH_NOT_FOUND);
    //  A place that is gone is no place where everything was deleted.
    assert_fails (tree_return (in ("lost"), in ("snap"), in ("source"), false, NULL, NULL,
                               &err), err, BERTH_NOT_FOUND);
    assert_int_equal (folder_return (false).deleted, 1);
}

//  What nobody may read or write, on either side, is left out alone.
static int
s_return_unreadable (void)
{
    berth_error_t err = { 0 };
    tree_options_t options = folder_options ();
    tree_result_t result;
    EXPECT (tree_return (in ("place"), in ("snap"), in ("open/home"), false, &options, &result,
                         &err) == 0);
    EXPECT (strstr (folder_reports,
                    "refused secret: it cannot be brought home: Permission denied"));
    EXPECT (strstr (folder_reports, "refused shut: the folder cannot be read: Permission denied"));
    EXPECT (strstr (folder_reports,
                    "refused ro/new: it cannot be brought home: Permission denied"));
    EXPECT (strstr (folder_reports,
                    "refused ro/gone: it cannot be deleted here: Permission denied"));
    EXPECT (result.refused == 4 && result.added == 1 && result.deleted == 0);
    EXPECT (strcmp (folder_read ("open/home/zebra"), "home") == 0);
    EXPECT (strcmp (folder_read ("open/home/shut/f"), "f") == 0);
    return 0;
}

static void
test_merge_without_rights (void **state)
{
    (void) state;
    folder_make ("source/shut");
    folder_write ("source/shut/f", "f");
    folder_make ("source/ro");
    folder_make ("source/ro/gone");
    folder_copy ();
    assert_int_equal (rmdir (in ("place/ro/gone")), 0);
    assert_int_equal (chmod (in ("snap"), 0644), 0);
    folder_make ("open");
    assert_int_equal (rename (in ("source"), in ("open/home")), 0);
    assert_int_equal (chmod (in ("open"), 0777), 0);
    assert_int_equal (chmod (in ("open/home"), 0777), 0);
    folder_write ("place/secret", "x");
    assert_int_equal (chmod (in ("place/secret"), 0), 0);
    assert_int_equal (chmod (in ("place/shut"), 0), 0);
    folder_write ("place/ro/new", "x");
    folder_write ("place/zebra", "home");
    folder_as_nobody (s_return_unreadable);
}

static int
s_count (void *context, const tree_progress_t *progress)
{
    (void) progress;
    return ++*(int *) context > 1;
}

static void
test_merge_ends (void **state)
{
    (void) state;
    folder_copy ();
    folder_write ("place/new", "new");
    berth_error_t err = { 0 };
    tree_options_t options = folder_options ();
    options.deadline_mono_ms = berth_mono_ms () - 1;
    assert_fails (tree_return (in ("place"), in ("snap"), in ("source"), false, &options, NULL,
                               &err), err, BERTH_DEADLINE_EXCEEDED);
    //  The first call comes at once, the second at the end, when it is too late to give up.
    int calls = 0;
    options = folder_options ();
    options.report = NULL;
    options.progress = s_count;
    options.context = &calls;
    assert_ok (tree_return (in ("place"), in ("snap"), in ("source"), true, &options, NULL, &err),
               err);
    assert_true (calls >= 2);
    options.progress = NULL;
    options.max_entries = 1;
    folder_write ("place/newer", "newer");
    assert_fails (tree_return (in ("place"), in ("snap"), in ("source"), false, &options, NULL,
                               &err), err, BERTH_INVALID);
    assert_false (folder_there ("source/new"));
    assert_int_equal (folder_return (false).added, 2);
}

static void
test_owners (void **state)
{
    (void) state;
    if (geteuid () != 0)
        skip ();
    folder_make ("source/d");
    folder_write ("source/d/f", "f");
    assert_int_equal (symlink ("x", in ("source/l")), 0);
    assert_int_equal (chown (in ("source"), 1234, 1235), 0);
    berth_error_t err = { 0 };
    tree_options_t options = folder_options ();
    options.uid = 70001;
    options.gid = 70002;
    assert_ok (tree_copy (in ("source"), in ("place"), in ("snap"), &options, NULL, &err),
               err);
    const char *out [] = { "place", "place/d", "place/d/f", "place/l" };
    struct stat about;
    for (unsigned index = 0; index < BERTH_COUNT (out); index++) {
        assert_int_equal (lstat (in (out [index]), &about), 0);
        assert_int_equal (about.st_uid, 70001);
        assert_int_equal (about.st_gid, 70002);
    }
    folder_make ("place/n");
    folder_write ("place/n/f", "f");
    assert_int_equal (symlink ("x", in ("place/n/l")), 0);
    folder_return (false);
    const char *home [] = { "source/n", "source/n/f", "source/n/l" };
    for (unsigned index = 0; index < BERTH_COUNT (home); index++) {
        assert_int_equal (lstat (in (home [index]), &about), 0);
        assert_int_equal (about.st_uid, 1234);
        assert_int_equal (about.st_gid, 1235);
    }
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
#define TEST(name) cmocka_unit_test_setup_teardown (name, folder_setup, folder_teardown)
        TEST (test_merge), TEST (test_merge_refuses_repositories),
        TEST (test_merge_writes_through_no_link), TEST (test_return_under_swaps),
        TEST (test_merge_locks), TEST (test_snapshot_is_checked), TEST (test_owners),
        TEST (test_merge_without_rights), TEST (test_merge_ends),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
