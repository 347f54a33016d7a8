//  test_tree_renew.c - a folder that was copied before: only what differs is written, and what the
//  place did meanwhile is undone. And what stays behind.

#include "tree_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static tree_progress_t
s_renew (void)
{
    berth_error_t err = { 0 };
    tree_progress_t done;
    tree_options_t options = folder_options ();
    assert_ok (tree_renew (in ("source"), in ("place"), in ("snap"), &options, &done, &err), err);
    return done;
}

static void
s_same_trees (void)
{
    char command [20000];
    static const char list [] = "find . -mindepth 1 -type f -printf '%p %m %T@\\n' -o -printf"
                                " '%p %m %l\\n' | LC_ALL=C sort";
    snprintf (command, sizeof command,
              "diff -r --no-dereference '%s' '%s' && (cd '%s'; %s) >'%s' && (cd '%s'; %s) | cmp - '%s'",
              in ("source"), in ("place"), in ("source"), list, in ("list"), in ("place"), list,
              in ("list"));
    assert_int_equal (system (command), 0);
}

static ino_t
s_inode (const char *name)
{
    struct stat about;
    assert_int_equal (lstat (in (name), &about), 0);
    return about.st_ino;
}

//  Sets what a file holds, and its time back to what it was.
static void
s_forge (const char *name, const char *text)
{
    struct stat about;
    assert_int_equal (lstat (in (name), &about), 0);
    assert_int_equal (about.st_size, strlen (text));
    folder_write (name, text);
    struct timespec times [2] = { about.st_atim, about.st_mtim };
    assert_int_equal (utimensat (AT_FDCWD, in (name), times, 0), 0);
}

static void
s_fill (void)
{
    folder_make ("source/d");
    folder_make ("source/d/e");
    folder_make ("source/closed");
    folder_write ("source/d/e/deep", "deep");
    folder_write ("source/f", "content");
    folder_write ("source/g", "content");
    folder_write ("source/closed/in", "in");
    assert_int_equal (chmod (in ("source/closed"), 0555), 0);
    assert_int_equal (symlink ("f", in ("source/l")), 0);
    //  Old enough that their times prove something.
    char command [5000];
    snprintf (command, sizeof command, "find '%s' -exec touch -h -d '2 days ago' {} +", in ("source"));
    assert_int_equal (system (command), 0);
}

static void
test_unchanged (void **state)
{
    (void) state;
    s_fill ();
    tree_progress_t done = s_renew ();          //  Nothing is there: the first time
    assert_int_equal (done.saved_files, 0);
    s_same_trees ();
    ino_t inode = s_inode ("place/f");
    for (unsigned round = 0; round < 3; round++) {
        done = s_renew ();
        assert_int_equal (done.files, 4);
        assert_int_equal (done.saved_files, 4);
        assert_int_equal (done.saved_bytes, done.bytes);
        assert_int_equal (done.bytes, 20);
    }
    assert_int_equal (s_inode ("place/f"), inode);
    assert_int_equal (folder_mode ("place/closed"), 0555);
    s_same_trees ();
    assert_string_equal (folder_reports, "");
}

//  Each side changes what it can, with forged times too; the place is as the source again.
static void
test_both_changed (void **state)
{
    (void) state;
    s_fill ();
    s_renew ();
    s_forge ("source/f", "CONTENT");
    s_forge ("place/g", "CoNtEnT");
    folder_write ("place/made", "there");
    folder_make ("place/own");
    folder_write ("place/own/x", "x");
    unlink (in ("place/l"));
    assert_int_equal (symlink ("/etc", in ("place/l")), 0);
    unlink (in ("place/d/e/deep"));
    rmdir (in ("place/d/e"));
    assert_int_equal (symlink ("../own", in ("place/d/e")), 0);
    folder_write ("source/new", "new");
    tree_progress_t done = s_renew ();
    s_same_trees ();
    assert_string_equal (folder_read ("place/f"), "CONTENT");
    assert_string_equal (folder_read ("place/g"), "content");
    assert_int_equal (done.saved_files, 1);     //  closed/in
    assert_int_equal (chmod (in ("source/g"), 0700), 0);
    unlink (in ("source/f"));
    folder_make ("source/f");
    folder_write ("source/f/x", "now a folder");
    unlink (in ("source/d/e/deep"));
    rmdir (in ("source/d/e"));
    folder_write ("source/d/e", "now a file");
    s_renew ();
    s_same_trees ();
    //  A time that was touched alone comes along without its bytes.
    struct timespec times [2] = { { 5, 5 }, { 1234, 5678 } };
    assert_int_equal (utimensat (AT_FDCWD, in ("source/g"), times, 0), 0);
    ino_t inode = s_inode ("place/g");
    done = s_renew ();
    assert_int_equal (done.saved_files, done.files);
    assert_int_equal (s_inode ("place/g"), inode);
    s_same_trees ();
    //  And what the place does from here on comes home.
    folder_write ("place/g", "worked");
    tree_result_t result = folder_return (false);
    assert_int_equal (result.changed, 1);
    assert_int_equal (result.added + result.deleted + result.conflicts + result.refused, 0);
}

//  A file that has a second name in the place is not written through.
static void
test_second_names (void **state)
{
    (void) state;
    s_fill ();
    s_renew ();
    folder_write ("outside", "outside");
    unlink (in ("place/f"));
    assert_int_equal (link (in ("outside"), in ("place/f")), 0);
    s_renew ();
    assert_string_equal (folder_read ("outside"), "outside");
    assert_string_equal (folder_read ("place/f"), "content");
    unlink (in ("place/f"));
    assert_int_equal (symlink ("../outside", in ("place/f")), 0);
    s_renew ();
    assert_string_equal (folder_read ("outside"), "outside");
    s_same_trees ();
}

static void
test_damaged_snapshot (void **state)
{
    (void) state;
    s_fill ();
    s_renew ();
    folder_write ("place/made", "there");
    folder_write ("snap", "nonsense");
    tree_progress_t done = s_renew ();
    assert_int_equal (done.saved_files, 0);
    assert_false (folder_there ("place/made"));
    s_same_trees ();
}

//  ---- what stays behind

static void
s_write_ignore (const char *text)
{
    folder_write ("source/.berthignore", text);
}

static int
s_excludes (const char *const *given, size_t count, arena_t *arena, tree_options_t *options,
            berth_error_t *err)
{
    return tree_excludes (in ("source"), true, given, count, arena, &options->excludes, err);
}

static void
test_excludes (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    arena_t *arena = arena_new ();
    static const char *const folders [] = { "node_modules", "a", "a/node_modules", "a/logs", "logs",
                                            ".git" };
    for (unsigned index = 0; index < 6; index++) {
        char name [60];
        snprintf (name, sizeof name, "source/%s", folders [index]);
        folder_make (name);
        snprintf (name, sizeof name, "source/%s/f", folders [index]);
        folder_write (name, "f");
    }
    folder_write ("source/x.o", "o");
    folder_write ("source/a/y.o", "o");
    folder_write ("source/keep.c", "c");
    s_write_ignore ("# words\n\n*.o  \r\n/logs/\n.git\n");
    static const char *const given [] = { "@heavy" };
    tree_options_t options = folder_options ();
    assert_ok (s_excludes (given, 1, arena, &options, &err), err);
    assert_ok (tree_renew (in ("source"), in ("place"), in ("snap"), &options, NULL, &err), err);
    assert_string_equal (folder_read ("place/keep.c"), "c");
    assert_string_equal (folder_read ("place/a/logs/f"), "f");
    static const char *const gone [] = { "node_modules", "a/node_modules", "logs", ".git", "x.o",
                                         "a/y.o" };
    for (unsigned index = 0; index < 6; index++) {
        char name [60];
        snprintf (name, sizeof name, "place/%s", gone [index]);
        assert_false (folder_there (name));
    }
    //  What stayed behind stays out on the way home, and in the next round.
    folder_make ("place/node_modules");
    folder_write ("place/node_modules/theirs", "t");
    folder_write ("place/x.o", "theirs");
    tree_result_t result = folder_return (false);
    assert_int_equal (result.added + result.conflicts + result.refused + result.deleted, 0);
    assert_ok (tree_renew (in ("source"), in ("place"), in ("snap"), &options, NULL, &err), err);
    assert_string_equal (folder_read ("place/node_modules/theirs"), "t");

    static const char *const wrong [] = { "!keep", "@light", "/", "./", "..//" };
    for (unsigned index = 0; index < 5; index++) {
        assert_fails (s_excludes (&wrong [index], 1, arena, &options, &err), err, BERTH_INVALID);
        assert_string_equal (err.field, "excludes");
        err = (berth_error_t) { 0 };
    }
    s_write_ignore ("ok\n!no\n");
    assert_fails (s_excludes (NULL, 0, arena, &options, &err), err, BERTH_INVALID);
    assert_non_null (strstr (err.text, "line 2"));
    err = (berth_error_t) { 0 };
    //  A link of that name says nothing.
    folder_write ("outside", "keep.c\n");
    unlink (in ("source/.berthignore"));
    assert_int_equal (symlink ("../outside", in ("source/.berthignore")), 0);
    assert_ok (s_excludes (NULL, 0, arena, &options, &err), err);
    assert_null (options.excludes [0]);
    arena_destroy (&arena);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
#define TEST(name) cmocka_unit_test_setup_teardown (name, folder_setup, folder_teardown)
        TEST (test_unchanged), TEST (test_both_changed), TEST (test_second_names),
        TEST (test_damaged_snapshot), TEST (test_excludes),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
