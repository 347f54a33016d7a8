//  test_tree_hostile.c - streams that mean ill: nothing is written, linked or removed outside, each
//  entry that is refused is named with its reason, and the rest goes in.

#include "tree_fixture.h"
#include "tree_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

//  ---- streams made by hand

static FILE *s_tar;

static void
s_put (const char *name, char type, const char *link, unsigned mode, const char *data)
{
    char block [512] = "";
    size_t size = data ? strlen (data) : 0;
    strncpy (block, name, 100);
    snprintf (block + 100, 8, "%07o", mode);
    snprintf (block + 108, 8, "%07o", 0u);
    snprintf (block + 116, 8, "%07o", 0u);
    snprintf (block + 124, 12, "%011o", (unsigned) size % 07777777);
    snprintf (block + 136, 12, "%011o", 0u);
    memset (block + 148, ' ', 8);
    block [156] = type;
    if (link)
        strncpy (block + 157, link, 100);
    memcpy (block + 257, "ustar\00000", 8);
    snprintf (block + 329, 8, "%07o", 1u);
    snprintf (block + 337, 8, "%07o", 3u);
    unsigned sum = 0;
    for (unsigned at = 0; at < 512; at++)
        sum += (unsigned char) block [at];
    snprintf (block + 148, 8, "%06o", sum);
    fwrite (block, 512, 1, s_tar);
    if (size) {
        char padding [512] = "";
        fwrite (data, size, 1, s_tar);
        fwrite (padding, (512 - size % 512) % 512, 1, s_tar);
    }
}

static void
s_begin (void)
{
    s_tar = fopen (in ("stream"), "we");
    assert_non_null (s_tar);
}

static void
s_end (void)
{
    char zeros [1024] = "";
    fwrite (zeros, sizeof zeros, 1, s_tar);
    assert_int_equal (fclose (s_tar), 0);
}

static const char *
s_report_of (const char *path)
{
    static char line [600];
    char start [300];
    snprintf (start, sizeof start, "refused %s: ", path);
    const char *at = strstr (folder_reports, start);
    snprintf (line, sizeof line, "%.*s", at ? (int) strcspn (at + strlen (start), "\n") : 0,
              at ? at + strlen (start) : "");
    return line;
}

static void
test_hostile (void **state)
{
    (void) state;
    folder_make ("outside");
    folder_write ("outside/secret", "secret");
    folder_make ("place");
    char absolute [4200];
    snprintf (absolute, sizeof absolute, "%s", in ("outside/secret"));
    s_begin ();
    s_put ("first", '0', NULL, 0644, "comes in");
    s_put ("/tmp/berth-absolute", '0', NULL, 0644, "x");
    s_put ("../outside/up", '0', NULL, 0644, "x");
    s_put ("a/../../outside/up", '0', NULL, 0644, "x");
    s_put ("..", '5', NULL, 0777, NULL);
    s_put ("link", '2', "../outside", 0777, NULL);
    s_put ("link/through", '0', NULL, 0644, "x");
    s_put ("link/deeper/through", '0', NULL, 0644, "x");
    s_put ("file", '0', NULL, 0644, "a file");
    s_put ("file/below", '0', NULL, 0644, "x");
    s_put ("leak", '2', "../outside/secret", 0777, NULL);
    s_put ("leak", '0', NULL, 0644, "replaced");
    s_put ("hard out", '1', "../outside/secret", 0644, NULL);
    s_put ("hard absolute", '1', strlen (absolute) < 100 ? absolute : "/etc/passwd", 0644, NULL);
    s_put ("hard through", '1', "link/secret", 0644, NULL);
    s_put ("hard link", '1', "link", 0644, NULL);
    s_put ("hard nothing", '1', "not here", 0644, NULL);
    s_put ("hard self", '1', "hard self", 0644, NULL);
    s_put ("hard folder", '1', "folder", 0644, NULL);
    s_put ("hard good", '1', "first", 0644, NULL);
    s_put ("char", '3', NULL, 0666, NULL);
    s_put ("block", '4', NULL, 0666, NULL);
    s_put ("fifo", '6', NULL, 0666, NULL);
    s_put ("setuid", '0', NULL, 06755, "root?");
    s_put ("folder", '5', NULL, 07777, NULL);
    s_put ("folder/in", '0', NULL, 0644, "in");
    s_put ("folder", '2', "../outside", 0777, NULL);
    s_put ("folder/in again", '0', NULL, 0644, "in");
    s_put ("new\nline", '0', NULL, 0644, "x");
    s_put ("./dots/./and//more/", '5', NULL, 0755, NULL);
    s_put (".git/hooks/post-checkout", '0', NULL, 0755, "#!/bin/sh\nfalse\n");
    s_put (".berth-return.tmp", '0', NULL, 0644, "x");
    s_put ("last", '0', NULL, 0644, "comes in");
    s_end ();
    tree_progress_t done = folder_unpack ("place", NULL);

    assert_string_equal (folder_read ("place/first"), "comes in");
    assert_string_equal (folder_read ("place/last"), "comes in");
    assert_string_equal (folder_read ("outside/secret"), "secret");
    assert_int_not_equal (access ("/tmp/berth-absolute", F_OK), 0);
    assert_false (folder_there ("outside/up"));
    assert_false (folder_there ("outside/through"));
    assert_false (folder_there ("outside/deeper"));
    assert_string_equal (s_report_of ("/tmp/berth-absolute"), "its name is absolute");
    assert_string_equal (s_report_of ("../outside/up"), "its name leads out with '..'");
    assert_string_equal (s_report_of ("a/../../outside/up"), "its name leads out with '..'");
    assert_string_equal (s_report_of (".."), "its name leads out with '..'");
    const char *blocked = "a link or a file stands where a folder should be";
    assert_string_equal (s_report_of ("link/through"), blocked);
    assert_string_equal (s_report_of ("link/deeper/through"), blocked);
    assert_string_equal (s_report_of ("file/below"), blocked);
    assert_string_equal (folder_read ("place/leak"), "replaced");
    const char *out = "it is a hard link to what is not in here";
    const char *none = "it is a hard link to what is no file in here";
    assert_string_equal (s_report_of ("hard out"), out);
    assert_string_equal (s_report_of ("hard absolute"), out);
    assert_string_equal (s_report_of ("hard through"), none);
    assert_string_equal (s_report_of ("hard link"), none);
    assert_string_equal (s_report_of ("hard nothing"), none);
    assert_string_equal (s_report_of ("hard self"), out);
    assert_string_equal (s_report_of ("hard folder"), none);
    assert_string_equal (folder_read ("place/hard good"), "comes in");
    assert_string_equal (s_report_of ("char"), "a device node does not cross");
    assert_string_equal (s_report_of ("block"), "a device node does not cross");
    assert_string_equal (s_report_of ("fifo"), "a fifo does not cross");
    assert_string_equal (s_report_of ("setuid"), "its setuid and setgid bits were taken away");
    assert_int_equal (folder_mode ("place/setuid"), 0755);
    assert_int_equal (folder_mode ("place/folder"), 0777);
    assert_string_equal (s_report_of ("folder"), "a folder stands where it should be");
    assert_string_equal (folder_read ("place/folder/in again"), "in");
    assert_string_equal (folder_read ("place/new\nline"), "x");
    assert_true (folder_there ("place/dots/and/more"));
    assert_string_equal (s_report_of (".berth-return.tmp"), "it is excluded");
    assert_int_equal (done.refused, 20);
    struct stat about;
    assert_int_equal (stat (in ("outside/secret"), &about), 0);
    assert_int_equal (about.st_nlink, 1);
}

//  What is said to be gone leads nowhere else either.
static void
test_hostile_removals (void **state)
{
    (void) state;
    folder_make ("outside");
    folder_write ("outside/secret", "secret");
    folder_make ("place");
    folder_make ("place/d");
    folder_write ("place/d/f", "f");
    assert_int_equal (symlink ("../outside", in ("place/link")), 0);
    static const char *const paths [] = { "../outside/secret", "/etc/hostname", "link/secret", "d",
                                          "d/../../outside", "", ".", "never was" };
    char data [400];
    size_t size = 0;
    for (unsigned index = 0; index < 8; index++)
        size += (size_t) sprintf (data + size, "%s%c", paths [index], 1);
    s_begin ();
    s_put (".berth-removed", '0', NULL, 0600, data);
    s_end ();
    //  The bytes between them are NULs, which s_put cannot take.
    int file = open (in ("stream"), O_WRONLY | O_CLOEXEC);
    for (size_t at = 0; at < size; at++)
        if (data [at] == 1)
            assert_int_equal (pwrite (file, "", 1, (off_t) (512 + at)), 1);
    close (file);
    folder_unpack ("place", NULL);
    assert_string_equal (folder_read ("outside/secret"), "secret");
    assert_true (folder_there ("place/link"));
    assert_false (folder_there ("place/d"));
    assert_true (strstr (folder_reports, "refused link/secret: "));
    folder_unpack ("staging", "removed");
    char list [400];
    file = open (in ("removed"), O_RDONLY | O_CLOEXEC);
    ssize_t got = read (file, list, sizeof list);
    close (file);
    assert_int_equal (got, sizeof "link/secret" + sizeof "d" + sizeof "never was");
}

static void
test_nonsense (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    tree_options_t options = folder_options ();
    folder_write ("stream", "this is no archive, and never was one; it is only words\n");
    assert_fails (folder_try_unpack ("place", NULL, &options, NULL, &err), err, BERTH_INVALID);
    unsigned seed = 1;
    for (unsigned round = 0; round < 200; round++) {
        s_begin ();
        s_put ("a", '0', NULL, 0644, "some data");
        s_put ("b", 'x', NULL, 0644, "30 mtime=1350244992.023960108\n20 path=hello/there\n");
        s_put ("c", '0', NULL, 0644, "more");
        s_put ("d", 'x', NULL, 0644, "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n");
        s_put ("e", '0', NULL, 0644, "1\n0\n512\n");
        s_end ();
        FILE *file = fopen (in ("stream"), "r+e");
        for (unsigned hits = 0; hits < 8; hits++) {
            fseek (file, rand_r (&seed) % 6144, SEEK_SET);
            fputc (rand_r (&seed), file);
        }
        fclose (file);
        (void) folder_try_unpack ("place", NULL, &options, NULL, &err);  //  Ends, and harms nothing
        folder_reports [0] = 0;
    }
}

typedef struct {
    char folder [4096], aside [4096], outside [4096], file [4096], secret [4096];
    atomic_bool stop;
    atomic_uint turns;
} swap_t;

//  The folder is now a folder, now a link that leads out, now nothing; the file likewise.
static void *
s_swap (void *argument)
{
    swap_t *self = argument;
    while (!self->stop) {
        char aside [4200];
        snprintf (aside, sizeof aside, "%s.%u", self->aside, self->turns);
        if (rename (self->folder, aside) == 0)
            self->turns++;
        (void) symlink (self->outside, self->folder);
        (void) unlink (self->file);
        (void) symlink (self->secret, self->file);
        (void) unlink (self->folder);
        (void) mkdir (self->folder, 0755);
    }
    return NULL;
}

//  While somebody exchanges names in the place, nothing is written outside.
static void
test_swaps (void **state)
{
    (void) state;
    folder_make ("outside");
    folder_write ("outside/secret", "secret");
    folder_make ("place");
    folder_make ("place/d");
    s_begin ();
    for (unsigned index = 0; index < 300; index++) {
        s_put ("d/x", '0', NULL, 0644, "x");
        s_put ("f", '0', NULL, 0644, "x");
        s_put ("d/deeper", '5', NULL, 0755, NULL);
        s_put ("d/twin", '1', "f", 0644, NULL);
    }
    s_end ();
    static swap_t swap;
    snprintf (swap.folder, sizeof swap.folder, "%s", in ("place/d"));
    snprintf (swap.aside, sizeof swap.aside, "%s", in ("place/aside"));
    snprintf (swap.outside, sizeof swap.outside, "%s", in ("outside"));
    snprintf (swap.file, sizeof swap.file, "%s", in ("place/f"));
    snprintf (swap.secret, sizeof swap.secret, "%s", in ("outside/secret"));
    swap.stop = false;
    swap.turns = 0;
    pthread_t thread;
    assert_int_equal (pthread_create (&thread, NULL, s_swap, &swap), 0);
    berth_error_t err = { 0 };
    tree_options_t options = folder_options ();
    while (swap.turns < 1000) {
        folder_reports [0] = 0;
        (void) folder_try_unpack ("place", NULL, &options, NULL, &err);
    }
    swap.stop = true;
    assert_int_equal (pthread_join (thread, NULL), 0);
    char command [4300];
    snprintf (command, sizeof command, "[ \"$(ls -A '%s')\" = secret ]", in ("outside"));
    assert_int_equal (system (command), 0);
    assert_string_equal (folder_read ("outside/secret"), "secret");
    struct stat about;
    assert_int_equal (stat (in ("outside/secret"), &about), 0);
    assert_int_equal (about.st_nlink, 1);
}

//  A million entries, of which few are wanted, take no more than their bytes.
static void
test_a_million (void **state)
{
    (void) state;
    int ends [2];
    assert_int_equal (pipe2 (ends, O_CLOEXEC), 0);
    pid_t child = fork ();
    assert_true (child >= 0);
    if (child == 0) {
        s_tar = fdopen (ends [1], "we");
        close (ends [0]);
        s_put ("first", '0', NULL, 0644, "comes in");
        for (unsigned index = 0; index < 1000000; index++)
            s_put (index % 2 ? "../x" : "/x", '0', NULL, 0644, NULL);
        s_put ("last", '0', NULL, 0644, "comes in");
        char zeros [1024] = "";
        _exit (fwrite (zeros, sizeof zeros, 1, s_tar) != 1 || fclose (s_tar));
    }
    close (ends [1]);
    folder_make ("place");
    int folder = open (in ("place"), O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
    tree_options_t options = { .uid = -1, .gid = -1 };
    tree_progress_t done;
    berth_error_t err = { 0 };
    assert_ok (tree_unpack (ends [0], folder, NULL, &options, &done, &err), err);
    assert_int_equal (done.refused, 1000000);
    assert_int_equal (done.files, 2);
    assert_string_equal (folder_read ("place/last"), "comes in");
    close (ends [0]);
    close (folder);
    assert_int_equal (waitpid (child, &status, 0), child);
    assert_int_equal (status, 0);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
#define TEST(name) cmocka_unit_test_setup_teardown (name, folder_setup, folder_teardown)
        TEST (test_hostile), TEST (test_hostile_removals), TEST (test_nonsense),
        TEST (test_swaps), TEST (test_a_million),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
