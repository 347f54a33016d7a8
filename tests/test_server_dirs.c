//  test_server_dirs.c - directories and locks of a service: whose they are, and one holder each.

#include "fixture.h"

#include "server_dirs.h"

#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    char *folder;
    arena_t *arena;
} scene_t;

static int
s_setup (void **state)
{
    scene_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    self->folder = fixture_folder_new ();
    self->arena = arena_new ();
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    scene_t *self = *state;
    fixture_folder_destroy (&self->folder);
    arena_destroy (&self->arena);
    free (self);
    return 0;
}

static void
test_make (void **state)
{
    scene_t *self = *state;
    berth_error_t err = { 0 };
    struct stat made;
    const char *path = fixture_path (self->arena, self->folder, "a/b/state");
    assert_ok (server_make_dir (path, "state", &err), err);
    assert_ok (server_make_dir (path, "state", &err), err);
    assert_int_equal (stat (path, &made), 0);
    assert_int_equal (made.st_mode & 0777, geteuid () == 0 ? 0711 : 0700);
    assert_fails (server_make_dir ("a/b", "state", &err), err, BERTH_INVALID);
    assert_non_null (strstr (err.text, "'a/b' must be an absolute path"));
    const char *file = fixture_path (self->arena, self->folder, "file");
    FILE *stream = fopen (file, "w");
    assert_non_null (stream);
    fclose (stream);
    err = (berth_error_t) { 0 };
    assert_fails (server_make_dir (fixture_path (self->arena, file, "x"), "runtime", &err), err,
                  BERTH_FORBIDDEN);
    assert_non_null (strstr (err.remedy, "--runtime"));
}

//  Root could read and write there; that it is another's is reason enough. (Nobody else can make
//  such a folder, so another user has nothing to show here.)
static void
test_foreign (void **state)
{
    scene_t *self = *state;
    berth_error_t err = { 0 };
    const char *path = fixture_path (self->arena, self->folder, "theirs");
    assert_int_equal (mkdir (path, 0777), 0);
    if (geteuid () == 0) {
        assert_int_equal (chown (path, 65534, 65534), 0);
        assert_fails (server_make_dir (path, "state", &err), err, BERTH_FORBIDDEN);
        assert_non_null (strstr (err.text, "belongs to user 65534"));
    }
    else
        assert_ok (server_make_dir (path, "state", &err), err);
}

static void
test_lock (void **state)
{
    scene_t *self = *state;
    berth_error_t err = { 0 };
    int first = -1, second = -1;
    assert_ok (server_lock (self->folder, "lock", &first, &err), err);
    assert_fails (server_lock (self->folder, "lock", &second, &err), err, BERTH_CONFLICT);
    assert_int_equal (second, -1);
    assert_non_null (strstr (err.text, arena_printf (self->arena, "pid %d)", (int) getpid ())));
    assert_true (err.remedy [0]);
    close (first);
    assert_ok (server_lock (self->folder, "lock", &second, &err), err);
    close (second);
    //  A child of one that was killed may have the lock for a moment longer.
    int told [2];
    assert_int_equal (pipe (told), 0);
    pid_t owner = fork ();
    if (owner == 0) {
        (void) server_lock (self->folder, "lock", &first, &err);
        if (fork () == 0) {
            (void) !write (told [1], "x", 1);
            (void) poll (NULL, 0, 50);
        }
        _exit (0);
    }
    char byte;
    assert_int_equal (read (told [0], &byte, 1), 1);
    assert_int_equal (waitpid (owner, NULL, 0), owner);
    assert_ok (server_lock (self->folder, "lock", &second, &err), err);
    close (second);
    close (told [0]);
    close (told [1]);
    //  What lies there as a link is not followed.
    assert_int_equal (symlink ("/dev/null", fixture_path (self->arena, self->folder, "link")), 0);
    assert_fails (server_lock (self->folder, "link", &second, &err), err, BERTH_FORBIDDEN);
}

static void
test_endpoint (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    char endpoint [512], path [120];
    assert_ok (server_endpoint ("/run/berth", "bus.sock", endpoint, sizeof endpoint, &err), err);
    assert_string_equal (endpoint, "ipc:///run/berth/bus.sock");
    //  The longest socket below it is a shim's: /p/ and 32 digits.
    memset (path, 'a', sizeof path);
    path [0] = '/';
    path [107 - 35] = 0;
    assert_ok (server_endpoint (path, "bus.sock", endpoint, sizeof endpoint, &err), err);
    path [107 - 35] = 'a';
    path [107 - 34] = 0;
    assert_fails (server_endpoint (path, "bus.sock", endpoint, sizeof endpoint, &err), err,
                  BERTH_INVALID);
    assert_non_null (strstr (err.remedy, "--runtime"));
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_make), TEST (test_foreign), TEST (test_lock), TEST (test_endpoint),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
