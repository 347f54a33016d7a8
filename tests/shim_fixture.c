//  shim_fixture.c - owns real places for tests.

#include "shim_fixture.h"

#include "clock.h"
#include "ids.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static berth_bytes_t
s_bytes (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

static berth_blobs_t
s_blobs (arena_t *arena, const char *const *texts)
{
    size_t count = 0;
    while (texts [count])
        count++;
    berth_bytes_t *items = arena_array (arena, count + 1, berth_bytes_t);
    for (size_t index = 0; index < count; index++)
        items [index] = s_bytes (arena_string (arena, texts [index]));
    return (berth_blobs_t) { count, items };
}

static const char *
s_program (place_t *self, const char *name)
{
    const char *build = getenv ("BERTH_BUILD");
    if (build)
        return fixture_path (self->arena, build, name);
    char own [4096];
    ssize_t size = readlink ("/proc/self/exe", own, sizeof own);
    assert_true (size > 0);
    while (size && own [size - 1] != '/')
        size--;
    return arena_printf (self->arena, "%.*s../%s", (int) size, own, name);
}

place_t *
place_new (bool walls)
{
    place_t *self = calloc (1, sizeof *self);
    self->arena = arena_new ();
    self->folder = fixture_folder_new ();
    berth_id_new (self->id);
    self->place = fixture_path (self->arena, self->folder, "place");
    self->socket = fixture_path (self->arena, self->folder, "s");
    assert_int_equal (mkdir (self->place, 0755), 0);
    assert_int_equal (mkdir (fixture_path (self->arena, self->folder, "spool"), 0700), 0);
    spawner_options_t options = {
        .shim_path = s_program (self, "berth-shim"), .install_id = "test", .parked = 2
    };
    assert_ok (spawner_start (&options, &self->spawner, &self->err), self->err);

    const char *init = s_program (self, "berth-init");
    const char *bare [] = { init, "{INIT_FD}", NULL };
    const char *bwrap [] = { "bwrap", "--args", "{ARGS_FD}", "/run/init", "{INIT_FD}", NULL };
    const char *args [] = {
        "--unshare-all", "--as-pid-1", "--new-session", "--ro-bind", "/usr", "/usr",
        "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
        "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev",
        "--tmpfs", "/tmp", "--ro-bind", init, "/run/init", NULL
    };
    const char *env [] = { "PATH=/usr/bin:/bin", NULL };
    const char *defaults [] = { "PATH=/usr/bin:/bin", "HOME=/tmp", NULL };
    shim_open_t *open = &self->open;
    open->v = SHIM_VERSION;
    open->place = self->id;
    open->generation = 7;
    open->folder = s_bytes (self->place);
    open->socket = s_bytes (self->socket);
    open->argv = s_blobs (self->arena, walls ? bwrap : bare);
    if (walls)
        open->args_fd = s_blobs (self->arena, args);
    open->env = s_blobs (self->arena, env);
    open->exec_env = s_blobs (self->arena, defaults);
    open->cwd = s_bytes ("/tmp");
    open->pid_namespace = walls;
    return self;
}

int
place_try (place_t *self)
{
    return spawner_open (self->spawner, &self->open, berth_mono_ms () + WAIT_MS, self->arena,
                         &self->opened, &self->err);
}

void
place_open (place_t *self)
{
    assert_ok (place_try (self), self->err);
    assert_ok (shim_link_open (self->socket, berth_mono_ms () + WAIT_MS, &self->link, &self->err),
               self->err);
    shim_message_t hello = place_wait (self, shim_op_HELLO, NULL);
    assert_int_equal (hello.v, SHIM_VERSION);
    assert_string_equal (hello.place, self->id);
}

void
place_destroy (place_t **self_p)
{
    place_t *self = *self_p;
    if (self->link && access (self->socket, F_OK) == 0)
        assert_ok (shim_link_call_close (self->socket, 0, berth_mono_ms () + WAIT_MS, &self->err),
                   self->err);
    shim_link_destroy (&self->link);
    spawner_destroy (&self->spawner);
    if (self->opened.pid)
        process_gone (self->opened.pid);
    fixture_folder_destroy (&self->folder);
    arena_destroy (&self->arena);
    free (self);
    *self_p = NULL;
}

void
place_send (place_t *self, shim_message_t *message, shim_op_t op, const char *exec)
{
    berth_put (shim_message, message, op, op);
    if (exec)
        berth_put (shim_message, message, exec, exec);
    assert_ok (shim_link_send (self->link, message, &self->err), self->err);
}

static bool
s_about (const shim_message_t *message, const char *exec)
{
    return !exec || (message->exec && strcmp (message->exec, exec) == 0);
}

void
place_progress (place_t *self, const char *exec)
{
    int64_t deadline = berth_mono_ms () + WAIT_MS;
    shim_message_t message;
    for (size_t index = 0; index < self->ended.count; index++)
        if (s_about (&self->ended.items [index], exec))
            return;
    do
        assert_ok (shim_link_wait (self->link, deadline, self->arena, &message, &self->err),
                   self->err);
    while ((message.op != shim_op_OUTPUT && message.op != shim_op_ENDED)
           || !s_about (&message, exec));
    if (message.op == shim_op_ENDED && self->ended.count < BERTH_COUNT (self->ended.items))
        self->ended.items [self->ended.count++] = message;
}

shim_message_t
place_wait (place_t *self, shim_op_t op, const char *exec)
{
    int64_t deadline = berth_mono_ms () + WAIT_MS;
    for (size_t index = 0; op == shim_op_ENDED && index < self->ended.count; index++)
        if (s_about (&self->ended.items [index], exec)) {
            shim_message_t message = self->ended.items [index];
            self->ended.items [index] = self->ended.items [--self->ended.count];
            return message;
        }
    while (true) {
        shim_message_t message;
        assert_ok (shim_link_wait (self->link, deadline, self->arena, &message, &self->err),
                   self->err);
        if (message.op == shim_op_REFUSED && op != shim_op_REFUSED)
            fail_msg ("refused: %s", message.error);
        if (message.op == op && s_about (&message, exec))
            return message;
    }
}

const char *
place_spool (place_t *self, const char *exec)
{
    return arena_printf (self->arena, "%s/spool/%s", self->folder, exec);
}

const char *
place_start_argv (place_t *self, shim_message_t *message, const char *const *argv)
{
    shim_message_t none = { 0 };
    if (!message)
        message = &none;
    char *exec = arena_take (self->arena, BERTH_ID_SIZE);
    berth_id_new (exec);
    message->argv = s_blobs (self->arena, argv);
    message->spool = s_bytes (place_spool (self, exec));
    berth_put (shim_message, message, argv, message->argv);
    berth_put (shim_message, message, spool, message->spool);
    place_send (self, message, shim_op_START, exec);
    return exec;
}

const char *
place_start (place_t *self, shim_message_t *message, const char *script)
{
    const char *argv [] = { "sh", "-c", script, NULL };
    const char *exec = place_start_argv (self, message, argv);
    (void) place_wait (self, shim_op_STARTED, exec);
    return exec;
}

shim_message_t
place_end (place_t *self, const char *exec)
{
    return place_wait (self, shim_op_ENDED, exec);
}

const char *
place_output (place_t *self, const char *exec, int stream)
{
    own (spool_reader) reader = NULL;
    assert_ok (spool_reader_open (place_spool (self, exec), &reader, &self->err), self->err);
    enum { ROOM = 1048576 };
    char *text = arena_take (self->arena, ROOM);
    size_t filled = 0, size;
    uint64_t from, offset = 0;
    int of;
    do {
        assert_ok (spool_read (reader, stream, offset, text + filled, ROOM - 1 - filled, &size,
                               &from, &of, &self->err), self->err);
        filled += size;
        offset = from + size;
    } while (size && filled < ROOM - 1);
    return text;
}

void
place_await (place_t *self, const char *exec, const char *text)
{
    while (!strstr (place_output (self, exec, SPOOL_ALL), text))
        place_progress (self, exec);
}

bool
process_lives (int64_t pid)
{
    return kill ((pid_t) pid, 0) == 0 || errno == EPERM;
}

void
process_gone (int64_t pid)
{
    int fd = (int) syscall (SYS_pidfd_open, (pid_t) pid, 0);
    if (fd < 0)
        return;
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    assert_int_equal (poll (&wait, 1, WAIT_MS), 1);
    close (fd);
}
