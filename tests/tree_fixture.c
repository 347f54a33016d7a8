//  tree_fixture.c - owns the folder of a test of tree, and what was reported about it.

#include "tree_fixture.h"
#include "tree_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *s_folder;
char folder_reports [16384];

const char *
in (const char *name)
{
    static char paths [8] [4096];
    static unsigned next;
    char *path = paths [next++ % 8];
    snprintf (path, sizeof paths [0], "%s/%s", s_folder, name);
    return path;
}

void
folder_write (const char *name, const char *text)
{
    int file = open (in (name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true (file >= 0);
    assert_int_equal (write (file, text, strlen (text)), strlen (text));
    close (file);
}

const char *
folder_read (const char *name)
{
    static char texts [4] [4096];
    static unsigned next;
    char *text = texts [next++ % 4];
    int file = open (in (name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return strerrorname_np (errno);
    ssize_t size = read (file, text, sizeof texts [0] - 1);
    close (file);
    assert_true (size >= 0);
    text [size] = 0;
    return text;
}

void
folder_make (const char *name)
{
    assert_int_equal (mkdir (in (name), 0755), 0);
}

bool
folder_there (const char *name)
{
    struct stat about;
    return lstat (in (name), &about) == 0;
}

mode_t
folder_mode (const char *name)
{
    struct stat about;
    assert_int_equal (lstat (in (name), &about), 0);
    return about.st_mode & 07777;
}

static void
s_on_report (void *context, tree_change_t change, const char *path, const char *other,
             const char *reason)
{
    (void) context;
    static const char *const words [] = {
        "", "added", "changed", "deleted", "conflict", "refused"
    };
    size_t used = strlen (folder_reports);
    snprintf (folder_reports + used, sizeof folder_reports - used, "%s %s%s%s%s%s\n",
              words [change], path, other ? " -> " : "", other ? other : "", reason ? ": " : "",
              reason ? reason : "");
}

tree_options_t
folder_options (void)
{
    folder_reports [0] = 0;
    return (tree_options_t) { .uid = -1, .gid = -1, .report = s_on_report };
}

void
folder_copy (void)
{
    berth_error_t err = { 0 };
    tree_options_t options = folder_options ();
    assert_ok (tree_copy (in ("source"), in ("place"), in ("snap"), &options, NULL, &err),
               err);
}

tree_result_t
folder_return (bool dry)
{
    berth_error_t err = { 0 };
    tree_result_t result;
    tree_options_t options = folder_options ();
    assert_ok (tree_return (in ("place"), in ("snap"), in ("source"), dry, &options, &result,
                            &err), err);
    return result;
}

int
folder_try_unpack (const char *into, const char *removed, const tree_options_t *options,
              tree_progress_t *done, berth_error_t *err)
{
    (void) mkdir (in (into), 0755);
    int from = open (in ("stream"), O_RDONLY | O_CLOEXEC);
    int folder = open (in (into), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true (from >= 0 && folder >= 0);
    int rc = tree_unpack (from, folder, removed ? in (removed) : NULL, options, done, err);
    close (from);
    close (folder);
    return rc;
}

tree_progress_t
folder_unpack (const char *into, const char *removed)
{
    berth_error_t err = { 0 };
    tree_progress_t done;
    tree_options_t options = folder_options ();
    assert_ok (folder_try_unpack (into, removed, &options, &done, &err), err);
    return done;
}

int
folder_setup (void **state)
{
    (void) state;
    s_folder = fixture_folder_new ();
    folder_make ("source");
    return 0;
}

int
folder_teardown (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    assert_ok (tree_remove (s_folder, &err), err);
    assert_int_equal (access (s_folder, F_OK), -1);
    free (s_folder);
    return 0;
}

static void *
s_swap (void *argument)
{
    swapper_t *self = argument;
    while (!self->stop)
        if (renameat2 (AT_FDCWD, self->left, AT_FDCWD, self->right, RENAME_EXCHANGE))
            return "failed";
    return NULL;
}

void
swapper_start (swapper_t *self, const char *left, const char *right)
{
    snprintf (self->left, sizeof self->left, "%s", in (left));
    snprintf (self->right, sizeof self->right, "%s", in (right));
    self->stop = false;
    assert_int_equal (pthread_create (&self->thread, NULL, s_swap, self), 0);
}

void
swapper_end (swapper_t *self)
{
    void *failed;
    self->stop = true;
    assert_int_equal (pthread_join (self->thread, &failed), 0);
    assert_null (failed);
}

void
folder_hostile (const char *folder)
{
    char path [256];
    const char *base = folder;
    folder_make ("outside");
    folder_write ("outside/secret", "secret");
    snprintf (path, sizeof path, "%s/d", base);
    folder_make (path);
    snprintf (path, sizeof path, "%s/d/secret", base);
    folder_write (path, "public");
    snprintf (path, sizeof path, "%s/f", base);
    folder_write (path, "public");
    snprintf (path, sizeof path, "%s/l", base);
    assert_int_equal (symlink (in ("outside"), in (path)), 0);
    snprintf (path, sizeof path, "%s/m", base);
    assert_int_equal (symlink (in ("outside/secret"), in (path)), 0);
}

void
folder_not_secret (const char *name)
{
    if (strcmp (folder_read (name), "secret") == 0)
        fail_msg ("'%s' left the folder", name);
}

void
folder_as_nobody (int (*work) (void))
{
    pid_t child = fork ();
    assert_true (child >= 0);
    if (child == 0) {
        if (geteuid () == 0 && (setresgid (65534, 65534, 65534) || setresuid (65534, 65534, 65534)))
            _exit (1);
        int line = work ();
        if (line)
            fprintf (stderr, "as nobody: line %d\n", line);
        _exit (line ? 1 : 0);
    }
    int status;
    assert_int_equal (waitpid (child, &status, 0), child);
    assert_int_equal (status, 0);
}
