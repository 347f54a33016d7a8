//  test_tree_diff.c - what would come home as a unified diff: `git apply` makes of it what the return
//  makes, and nothing is written meanwhile.

#include "tree_diff.h"
#include "tree_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static tree_patch_t s_patch;

static tree_result_t
s_diff (size_t max)
{
    berth_error_t err = { 0 };
    tree_result_t result;
    tree_options_t options = folder_options ();
    tree_patch_free (&s_patch);
    s_patch.max = max;
    options.patch = &s_patch;
    assert_ok (tree_return (in ("place"), in ("snap"), in ("source"), true, &options, &result,
                            &err), err);
    FILE *file = fopen (in ("patch"), "we");
    if (s_patch.size)
        assert_int_equal (fwrite (s_patch.text, s_patch.size, 1, file), 1);
    assert_int_equal (fclose (file), 0);
    return result;
}

//  Applies the patch to a copy of home, and brings the files home: both are the same.
static void
s_hold (void)
{
    char command [20000];
    snprintf (command, sizeof command,
              "cd '%s' && rm -rf applied && cp -a source applied && cd applied && "
              "GIT_CEILING_DIRECTORIES='%s' git apply -p1 --allow-empty '%s' 2>&1", in (""), in (""),
              in ("patch"));
    if (system (command))
        fail_msg ("git does not apply:\n%.*s", (int) s_patch.size, s_patch.text);
    folder_return (false);
    //  An empty folder is none to git.
    snprintf (command, sizeof command,
              "find '%s' '%s' -mindepth 1 -type d -empty -delete; diff -r --no-dereference '%s' '%s'",
              in ("source"), in ("applied"), in ("source"), in ("applied"));
    if (system (command))
        fail_msg ("it is not the same:\n%.*s", (int) s_patch.size, s_patch.text);
}

static void
test_words (void **state)
{
    (void) state;
    folder_write ("source/f", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    folder_write ("source/gone", "bye");
    folder_copy ();
    folder_write ("place/f", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n");
    folder_write ("place/new", "hello\n");
    unlink (in ("place/gone"));
    assert_int_equal (s_diff (100000).changed, 1);
    static const char wanted [] =
        "diff --git a/f b/f\n--- a/f\n+++ b/f\n"
        "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        "diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n"
        "@@ -1 +0,0 @@\n-bye\n\\ No newline at end of file\n"
        "diff --git a/new b/new\nnew file mode 100644\n--- /dev/null\n+++ b/new\n"
        "@@ -0,0 +1 @@\n+hello\n";
    assert_int_equal (s_patch.size, sizeof wanted - 1);
    assert_memory_equal (s_patch.text, wanted, sizeof wanted - 1);
    assert_string_equal (folder_read ("source/gone"), "bye");
    assert_false (folder_there ("source/new"));
    s_hold ();
}

static void
test_kinds (void **state)
{
    (void) state;
    folder_write ("source/run", "#!/bin/sh\n");
    folder_write ("source/becomes link", "a file\n");
    assert_int_equal (symlink ("old target", in ("source/link")), 0);
    assert_int_equal (symlink ("run", in ("source/becomes file")), 0);
    folder_write ("source/no end", "a\nb");
    folder_make ("source/deep");
    folder_write ("source/deep/\"odd\"\tname\n\xc3\xbc", "x\n");
    folder_copy ();
    assert_int_equal (chmod (in ("place/run"), 0755), 0);
    unlink (in ("place/becomes link"));
    assert_int_equal (symlink ("run", in ("place/becomes link")), 0);
    unlink (in ("place/link"));
    assert_int_equal (symlink ("new target", in ("place/link")), 0);
    unlink (in ("place/becomes file"));
    folder_write ("place/becomes file", "now a file\n");
    folder_write ("place/no end", "a\nb\n");
    folder_write ("place/deep/\"odd\"\tname\n\xc3\xbc", "y\n");
    folder_write ("place/empty", "");
    s_diff (100000);
    assert_false (s_patch.cut);
    s_hold ();
}

static void
test_bounds (void **state)
{
    (void) state;
    folder_copy ();
    folder_write ("place/a", "first\n");
    int file = creat (in ("place/b"), 0644);
    for (unsigned line = 0; line < 1000; line++)
        assert_int_equal (write (file, "a line of thirty bytes or so..\n", 31), 31);
    close (file);
    folder_write ("place/c", "third\n");
    assert_int_equal (s_diff (2000).added, 3);
    assert_true (s_patch.cut);
    assert_true (s_patch.size < 2000);
    assert_memory_equal (s_patch.text + s_patch.size - 7, "+first\n", 7);

    //  What is no text, or too much of it, is told.
    file = creat (in ("place/b"), 0644);
    assert_int_equal (write (file, "a\0b", 3), 3);
    close (file);
    file = creat (in ("place/c"), 0644);
    assert_int_equal (ftruncate (file, TREE_DIFF_FILE_MAX + 1), 0);
    close (file);
    s_diff (2000);
    assert_false (s_patch.cut);
    s_patch.text [s_patch.size - 1] = 0;
    assert_non_null (strstr (s_patch.text, "Binary files /dev/null and b/b differ"));
    assert_non_null (strstr (s_patch.text, "Binary files /dev/null and b/c differ"));
}

static void
s_random_file (const char *name, unsigned *seed, unsigned lines, unsigned kinds)
{
    FILE *file = fopen (in (name), "we");
    for (unsigned line = 0; line < lines; line++)
        fprintf (file, "%u%s", rand_r (seed) % kinds,
                 line + 1 == lines && rand_r (seed) % 2 ? "" : "\n");
    assert_int_equal (fclose (file), 0);
}

//  Any two texts: what git makes of the diff is the other one.
static void
test_any_texts (void **state)
{
    (void) state;
    unsigned seed = 7;
    for (unsigned round = 0; round < 30; round++) {
        char name [40];
        for (unsigned file = 0; file < 8; file++) {
            snprintf (name, sizeof name, "source/%u-%u", round, file);
            s_random_file (name, &seed, rand_r (&seed) % 60, 1 + rand_r (&seed) % 20);
        }
    }
    //  Far apart: replaced as a whole.
    s_random_file ("source/far", &seed, 9000, 1000000);
    folder_copy ();
    for (unsigned round = 0; round < 30; round++)
        for (unsigned file = 0; file < 8; file++) {
            char name [40];
            snprintf (name, sizeof name, "place/%u-%u", round, file);
            s_random_file (name, &seed, rand_r (&seed) % 60, 1 + rand_r (&seed) % 20);
        }
    s_random_file ("place/far", &seed, 9000, 1000000);
    s_diff (10000000);
    s_hold ();
    tree_patch_free (&s_patch);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
#define TEST(name) cmocka_unit_test_setup_teardown (name, folder_setup, folder_teardown)
        TEST (test_words), TEST (test_kinds), TEST (test_bounds), TEST (test_any_texts),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
