//  runner.c - owns one run of a program of the host: berthd's side, and that of the spawner's child.

#include "runner.h"

#include "clock.h"
#include "codec.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

BERTH_SCHEMA (runner_ask, RUNNER_ASK, SCHEMA_STRICT, "A program to run.");
BERTH_SCHEMA (runner_done, RUNNER_DONE, SCHEMA_STRICT, "How it went.");

enum { ASK_MAX = 1 << 20, DONE_MAX = 1 << 19, OUT_MAX = 262144, ERR_MAX = 8192, SLACK_MS = 5000 };

//  ---- both sides: a frame is its size and its bytes

static int
s_write (int fd, const void *data, size_t size, int64_t deadline)
{
    for (size_t done = 0; done < size;) {
        ssize_t sent = send (fd, (const uint8_t *) data + done, size - done,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            done += (size_t) sent;
            continue;
        }
        struct pollfd wait = { .fd = fd, .events = POLLOUT };
        int64_t left = deadline - berth_mono_ms ();
        if ((sent < 0 && errno != EAGAIN && errno != EINTR) || left <= 0
            || (poll (&wait, 1, (int) (left < 1000 ? left : 1000)) < 0 && errno != EINTR))
            return -1;
    }
    return 0;
}

//  0, -1 if the other side is gone, 1 if the deadline passed.
static int
s_read (int fd, void *data, size_t size, int64_t deadline)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = recv (fd, (uint8_t *) data + done, size - done, MSG_DONTWAIT);
        if (got > 0) {
            done += (size_t) got;
            continue;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            return -1;
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int64_t left = deadline - berth_mono_ms ();
        if (left <= 0)
            return 1;
        (void) poll (&wait, 1, (int) (left < 60000 ? left : 60000));
    }
    return 0;
}

static int
s_send_frame (int fd, berth_bytes_t frame, int64_t deadline)
{
    uint32_t length = (uint32_t) frame.size;
    return s_write (fd, &length, sizeof length, deadline)
        || s_write (fd, frame.data, frame.size, deadline) ? -1 : 0;
}

static int
s_read_frame (int fd, size_t max, int64_t deadline, arena_t *arena, berth_bytes_t *ret_frame)
{
    uint32_t length;
    int rc = s_read (fd, &length, sizeof length, deadline);
    if (rc)
        return rc;
    if (length == 0 || length > max)
        return -1;
    uint8_t *data = arena_take (arena, length);
    *ret_frame = (berth_bytes_t) { data, length };
    return s_read (fd, data, length, deadline);
}

//  ---- berthd's side

int
runner_run (spawner_t *spawner, const runner_ask_t *ask, int64_t deadline_mono_ms, arena_t *arena,
            runner_done_t *ret_done, berth_error_t *err)
{
    runner_ask_t timed = *ask;
    int64_t left = deadline_mono_ms - berth_mono_ms ();
    if (left <= 0)
        return berth_fail (err, BERTH_PROVIDER_TIMEOUT, "there was no time left to run a program");
    timed.time_ms = (uint64_t) left;
    int call;
    if (spawner_call (spawner, SPAWNER_CALL_RUN, deadline_mono_ms, &call, err))
        return -1;
    berth_bytes_t frame = { NULL, 0 };
    int rc = s_send_frame (call, berth_pack (&runner_ask_schema, &timed, arena), deadline_mono_ms);
    if (rc == 0)
        rc = s_read_frame (call, DONE_MAX, deadline_mono_ms + SLACK_MS, arena, &frame);
    close (call);
    if (rc > 0)
        return berth_fail (err, BERTH_PROVIDER_TIMEOUT, "a program of the host did not end in time");
    if (rc < 0)
        return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE, "a program of the host could not be run");
    if (berth_unpack (&runner_done_schema, frame, arena, ret_done, err))
        return -1;
    return ret_done->timed_out
        ? berth_fail (err, BERTH_PROVIDER_TIMEOUT, "a program of the host did not end in time") : 0;
}

//  ---- the spawner's child

static char **
s_texts (arena_t *arena, const berth_blobs_t *blobs)
{
    char **texts = arena_array (arena, blobs->count + 1, char *);
    for (size_t index = 0; index < blobs->count; index++)
        texts [index] = arena_text (arena, (const char *) blobs->items [index].data,
                                    blobs->items [index].size);
    return texts;
}

static const char *
s_path (arena_t *arena, berth_bytes_t path, const char *otherwise)
{
    return path.size ? arena_text (arena, (const char *) path.data, path.size) : otherwise;
}

static void
s_execute (const runner_ask_t *ask, arena_t *arena, int out, int err)
{
    (void) setpgid (0, 0);
    (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
    int in = open (s_path (arena, ask->input, "/dev/null"), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0 || dup2 (in, 0) < 0 || dup2 (out, 1) < 0 || dup2 (err, 2) < 0)
        _exit (127);
    syscall (SYS_close_range, 3, ~0u, 0);
    if (berth_has (runner_ask, ask, uid) && geteuid () == 0
        && (setgroups (0, NULL) || setresgid ((gid_t) ask->gid, (gid_t) ask->gid, (gid_t) ask->gid)
            || setresuid ((uid_t) ask->uid, (uid_t) ask->uid, (uid_t) ask->uid)))
        _exit (127);
    if (chdir (s_path (arena, ask->cwd, "/")))
        _exit (127);
    sigset_t none;
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    umask (022);
    environ = s_texts (arena, &ask->env);
    char **args = s_texts (arena, &ask->args);
    execvp (args [0], args);
    _exit (127);
}

typedef struct {
    int fd;
    uint8_t *data;
    size_t size, max;
} pipe_t;

//  False at its end.
static bool
s_drain (pipe_t *self)
{
    uint8_t rest [16384];
    ssize_t got = read (self->fd, rest, sizeof rest);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    size_t room = self->max - self->size, size = (size_t) got < room ? (size_t) got : room;
    memcpy (self->data + self->size, rest, size);
    self->size += size;
    return true;
}

//  Reads until the program has ended and its pipes are empty. True: its time was over, or nobody
//  waits for it any more.
static bool
s_follow (int call, int child, pipe_t pipes [2], int64_t deadline)
{
    bool ended = false;
    while (!ended || pipes [0].fd >= 0 || pipes [1].fd >= 0) {
        struct pollfd wait [4] = {
            { .fd = pipes [0].fd, .events = POLLIN }, { .fd = pipes [1].fd, .events = POLLIN },
            { .fd = ended ? -1 : child, .events = POLLIN }, { .fd = call, .events = POLLIN }
        };
        int64_t left = deadline - berth_mono_ms ();
        if (left <= 0)
            return true;
        //  Whoever it left behind may keep the pipes open; what is in them is there by now.
        int count = poll (wait, 4, ended ? 0 : (int) (left < 60000 ? left : 60000));
        if (ended && count <= 0)
            return false;
        if (wait [3].revents)
            return true;
        for (unsigned index = 0; index < 2; index++)
            if (wait [index].revents && !s_drain (&pipes [index])) {
                close (pipes [index].fd);
                pipes [index].fd = -1;
            }
        ended |= wait [2].revents != 0;
    }
    return false;
}

static void
s_run (int call, const runner_ask_t *ask, arena_t *arena, runner_done_t *done)
{
    int out [2], err [2], status = 0;
    berth_put (runner_done, done, status, 127);
    if (pipe2 (out, O_CLOEXEC) || pipe2 (err, O_CLOEXEC))
        return;
    pid_t pid = fork ();
    if (pid == 0)
        s_execute (ask, arena, out [1], err [1]);
    close (out [1]);
    close (err [1]);
    int child = pid > 0 ? (int) syscall (SYS_pidfd_open, pid, 0) : -1;
    if (child < 0)
        return;
    (void) setpgid (pid, pid);
    pipe_t pipes [2] = { { out [0], arena_take (arena, OUT_MAX), 0, OUT_MAX },
                         { err [0], arena_take (arena, ERR_MAX), 0, ERR_MAX } };
    bool over = s_follow (call, child, pipes, berth_mono_ms () + (int64_t) ask->time_ms);
    (void) kill (-pid, SIGKILL);            //  What it left behind, too
    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
        continue;
    done->status = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
    berth_put (runner_done, done, timed_out, over);
    berth_put (runner_done, done, out, ((berth_bytes_t) { pipes [0].data, pipes [0].size }));
    berth_put (runner_done, done, err, ((berth_bytes_t) { pipes [1].data, pipes [1].size }));
}

void
runner_serve (int call)
{
    arena_t *arena = arena_new ();
    berth_bytes_t frame;
    berth_error_t err;
    runner_ask_t ask;
    runner_done_t done = { 0 };
    (void) prctl (PR_SET_NAME, "berth-runner");
    int64_t deadline = berth_mono_ms () + SLACK_MS;
    if (s_read_frame (call, ASK_MAX, deadline, arena, &frame) == 0
        && berth_unpack (&runner_ask_schema, frame, arena, &ask, &err) == 0) {
        s_run (call, &ask, arena, &done);
        (void) s_send_frame (call, berth_pack (&runner_done_schema, &done, arena),
                             berth_mono_ms () + SLACK_MS);
    }
    _exit (0);
}
