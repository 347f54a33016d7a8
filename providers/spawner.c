//  spawner.c - owns the spawner: a process without threads that starts shims and keeps some parked.

#include "spawner.h"
#include "runner.h"

#include "clock.h"
#include "codec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPAWNER_MAGIC 0x590a3e81u

enum {
    CONTROL = 3,                    //  Where a shim finds its control socket, and the spawner its own
    PARKED_DEFAULT = 2, PARKED_MAX = 16,
    PARK_WAIT_MS = 40,              //  Not while the place that was asked for is being built,
    PARK_SOON_MS = 8,               //  but for when nobody is left
    ANSWER_MAX = 65536,
    GIVE_UP_MS = 3000               //  For taking back a place that was half open
};

struct spawner {
    uint32_t magic;
    int control;
    pid_t pid;
};

typedef union {
    char bytes [CMSG_SPACE (sizeof (int))];
    struct cmsghdr align;
} rights_t;

static bool
s_send_fd (int socket, int fd, uint8_t byte, int flags)
{
    rights_t rights;
    memset (&rights, 0, sizeof rights);
    struct iovec part = { &byte, 1 };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes
    };
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN (sizeof (int));
    memcpy (CMSG_DATA (header), &fd, sizeof fd);
    ssize_t sent;
    do
        sent = sendmsg (socket, &message, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    return sent == 1;
}

//  A descriptor and the byte it came with; -1: the other side is gone, -2: none came.
static int
s_receive_fd (int socket, uint8_t *ret_byte)
{
    rights_t rights;
    struct iovec part = { ret_byte, 1 };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes
    };
    ssize_t got = recvmsg (socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? -2 : -1;
    if (got == 0)
        return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return -2;
    int fd;
    memcpy (&fd, CMSG_DATA (header), sizeof fd);
    return fd;
}

//  ---- the spawner process

typedef struct {
    const char *shim_path;
    char install [9];
    size_t wanted;                  //  Parked shims, once one was asked for
    struct { int control; pid_t pid; } parked [PARKED_MAX];
    size_t parked_count;
    int signals;
    bool asked;
    int64_t park_at;
} yard_t;

static void
s_exec_shim (const yard_t *self, int control)
{
    (void) dup2 (control, CONTROL);
    (void) fcntl (CONTROL, F_SETFD, 0);
    syscall (SYS_close_range, CONTROL + 1, ~0u, 0);
    sigset_t none;
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    char *argv [] = { "berth-shim", (char *) (uintptr_t) self->install, NULL };
    char *env [] = { NULL };
    execve (self->shim_path, argv, env);
    _exit (127);
}

static bool
s_park (yard_t *self)
{
    int pair [2];
    if (self->parked_count == PARKED_MAX
    || socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return false;
    pid_t pid = fork ();
    if (pid == 0)
        s_exec_shim (self, pair [1]);
    close (pair [1]);
    if (pid < 0) {
        close (pair [0]);
        return false;
    }
    self->parked [self->parked_count].control = pair [0];
    self->parked [self->parked_count++].pid = pid;
    return true;
}

static void
s_unpark (yard_t *self, size_t index)
{
    close (self->parked [index].control);
    self->parked_count--;
    memmove (&self->parked [index], &self->parked [index + 1],
             (self->parked_count - index) * sizeof self->parked [0]);
}

//  Gives a call to the shim that has been parked longest. If there is none the call's socket
//  closes, and that is the answer.
static void
s_hand_over (yard_t *self, int call, uint8_t byte)
{
    bool given = false, pending = self->asked && self->parked_count < self->wanted;
    self->asked = true;
    for (int tries = 0; !given && tries < PARKED_MAX; tries++) {
        if (!self->parked_count && !s_park (self))
            break;
        given = s_send_fd (self->parked [0].control, call, byte, MSG_DONTWAIT);
        s_unpark (self, 0);
    }
    close (call);
    //  Who asks again and again does not put it off
    int64_t at = berth_mono_ms () + (self->parked_count ? PARK_WAIT_MS : PARK_SOON_MS);
    if (!pending || at < self->park_at)
        self->park_at = at;
}

static void
s_reap (yard_t *self)
{
    struct signalfd_siginfo info;
    while (read (self->signals, &info, sizeof info) == (ssize_t) sizeof info)
        continue;
    for (pid_t pid = waitpid (-1, NULL, WNOHANG); pid > 0; pid = waitpid (-1, NULL, WNOHANG))
        for (size_t index = 0; index < self->parked_count; index++)
            if (self->parked [index].pid == pid) {
                s_unpark (self, index);
                self->park_at = berth_mono_ms () + 1000;        //  No storm of shims that cannot run
                break;
            }
}

//  A child of its own for each program: it may wait. If there is none the call's socket closes.
static void
s_runner (int call)
{
    if (fork () == 0) {
        close (CONTROL);
        runner_serve (call);
    }
    close (call);
}

static void
s_spawner (yard_t *self)
{
    while (true) {
        bool short_of = self->asked && self->parked_count < self->wanted;
        int64_t left = self->park_at - berth_mono_ms ();
        struct pollfd wait [2] = {
            { .fd = CONTROL, .events = POLLIN }, { .fd = self->signals, .events = POLLIN }
        };
        int count = poll (wait, 2, short_of ? (int) (left > 0 ? left : 0) : -1);
        if (count < 0)
            continue;
        if (wait [1].revents)
            s_reap (self);
        if (wait [0].revents) {
            uint8_t byte;
            int call = s_receive_fd (CONTROL, &byte);
            if (call == -1)
                return;                         //  Who is parked sees the end of its socket
            if (call >= 0 && byte == SPAWNER_CALL_RUN)
                s_runner (call);
            else if (call >= 0)
                s_hand_over (self, call, byte);
        }
        else if (count == 0 && short_of) {
            (void) s_park (self);
            self->park_at = berth_mono_ms () + 1;
        }
    }
}

static void
s_become_spawner (yard_t *self, int control)
{
    //  Behind 3: nothing that berthd has open may live on in a shim
    (void) dup2 (control, CONTROL);
    (void) fcntl (CONTROL, F_SETFD, FD_CLOEXEC);
    syscall (SYS_close_range, CONTROL + 1, ~0u, 0);
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        (void) dup2 (null, fd);
    (void) setsid ();                           //  A terminal's signals are berthd's
    (void) prctl (PR_SET_NAME, "berth-spawner");
    sigset_t all;
    sigfillset (&all);
    sigprocmask (SIG_SETMASK, &all, NULL);
    sigset_t children;
    sigemptyset (&children);
    sigaddset (&children, SIGCHLD);
    for (int number = 1; number < 32; number++)
        (void) signal (number, SIG_DFL);
    self->signals = signalfd (-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signals >= 0)
        s_spawner (self);
    _exit (0);
}

//  ---- berthd's side

static bool
s_executable (char *path, size_t size, const char *folder, size_t length, const char *name)
{
    int need = snprintf (path, size, "%.*s%s", (int) length, folder, name);
    struct stat status;
    return need > 0 && (size_t) need < size && stat (path, &status) == 0
        && S_ISREG (status.st_mode) && access (path, X_OK) == 0;
}

int
spawner_find_program (const char *name, char *path, size_t size, berth_error_t *err)
{
    char own [4096], near [256];
    ssize_t length = readlink ("/proc/self/exe", own, sizeof own - 1);
    own [length > 0 ? length : 0] = 0;
    char *slash = strrchr (own, '/');
    if (slash) {
        size_t folder = (size_t) (slash - own) + 1;
        if (s_executable (path, size, own, folder, name))
            return 0;
        static const char *const others [] = { "..", BERTH_LIBEXEC };
        for (size_t index = 0; index < BERTH_COUNT (others); index++) {
            snprintf (near, sizeof near, "%s/%s", others [index], name);
            if (s_executable (path, size, own, folder, near))
                return 0;
        }
    }
    const char *list = getenv ("PATH");
    snprintf (near, sizeof near, "/%s", name);
    while (list && *list) {
        size_t part = strcspn (list, ":");
        if (part && s_executable (path, size, list, part, near))
            return 0;
        list += part + (list [part] == ':');
    }
    berth_error_set (err->remedy, sizeof err->remedy,
                     "install it beside the program that runs, in " BERTH_LIBEXEC " of its folder, or in PATH");
    return berth_fail (err, BERTH_NOT_FOUND, "the program '%s' is not installed", name);
}

int
spawner_start (const spawner_options_t *options, spawner_t **ret_self, berth_error_t *err)
{
    char path [4096];
    yard_t yard = { .shim_path = options->shim_path, .wanted = options->parked };
    if (!yard.shim_path) {
        if (spawner_find_program ("berth-shim", path, sizeof path, err))
            return -1;
        yard.shim_path = path;
    }
    else if (access (yard.shim_path, X_OK))
        return berth_fail_errno (err, BERTH_NOT_FOUND, "'%s' cannot be executed", yard.shim_path);
    if (!yard.wanted)
        yard.wanted = PARKED_DEFAULT;
    if (yard.wanted > PARKED_MAX)
        yard.wanted = PARKED_MAX;
    //  The last characters: the first are time, and the same for who was installed in one minute
    const char *install = options->install_id ? options->install_id : "0";
    size_t length = strlen (install), filled = 0;
    for (const char *at = install + (length > 8 ? length - 8 : 0); *at; at++)
        if ((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9'))
            yard.install [filled++] = *at;

    int pair [2];
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return berth_fail_errno (err, BERTH_INTERNAL, "no socket for the spawner can be made");
    pid_t pid = fork ();
    if (pid == 0)
        s_become_spawner (&yard, pair [1]);
    close (pair [1]);
    if (pid < 0) {
        int rc = berth_fail_errno (err, BERTH_INTERNAL, "the spawner cannot be started");
        close (pair [0]);
        return rc;
    }
    spawner_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    *self = (spawner_t) { .magic = SPAWNER_MAGIC, .control = pair [0], .pid = pid };
    *ret_self = self;
    return 0;
}

void
spawner_destroy (spawner_t **self_p)
{
    spawner_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, SPAWNER_MAGIC);
    int watch = (int) syscall (SYS_pidfd_open, self->pid, 0);
    close (self->control);
    struct pollfd wait = { .fd = watch, .events = POLLIN };
    if (poll (&wait, 1, 1000) <= 0)
        (void) kill (self->pid, SIGKILL);
    (void) waitpid (self->pid, NULL, 0);
    if (watch >= 0)
        close (watch);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

int
spawner_pid (const spawner_t *self)
{
    CHECK (self, SPAWNER_MAGIC);
    return self->pid;
}

//  Waits until a descriptor is ready. 0, or -1 with *err when the deadline passed.
static int
s_wait (int fd, short events, int64_t deadline, berth_error_t *err)
{
    while (true) {
        int64_t left = deadline - berth_mono_ms ();
        struct pollfd wait = { .fd = fd, .events = events };
        if (left <= 0)
            return berth_fail (err, BERTH_PROVIDER_TIMEOUT, "the place was not open in time");
        int count = poll (&wait, 1, left > INT32_MAX ? INT32_MAX : (int) left);
        if (count > 0)
            return 0;
        if (count < 0 && errno != EINTR)
            return berth_fail_errno (err, BERTH_INTERNAL, "waiting for the shim failed");
    }
}

static int
s_gone (berth_error_t *err)
{
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE, "the shim ended without an answer");
}

static int
s_write_all (int fd, const uint8_t *data, size_t size, int64_t deadline, berth_error_t *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t sent = send (fd, data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            done += (size_t) sent;
        else if (errno == EAGAIN) {
            if (s_wait (fd, POLLOUT, deadline, err))
                return -1;
        }
        else if (errno != EINTR)
            return s_gone (err);
    }
    return 0;
}

static int
s_read_all (int fd, uint8_t *data, size_t size, int64_t deadline, berth_error_t *err)
{
    for (size_t done = 0; done < size;) {
        if (s_wait (fd, POLLIN, deadline, err))
            return -1;
        ssize_t got = recv (fd, data + done, size - done, MSG_DONTWAIT);
        if (got > 0)
            done += (size_t) got;
        else if (got == 0 || (errno != EINTR && errno != EAGAIN))
            return s_gone (err);
    }
    return 0;
}

static int
s_say (int call, berth_bytes_t frame, int64_t deadline, berth_error_t *err)
{
    uint32_t length = (uint32_t) frame.size;
    if (frame.size > SHIM_FRAME_MAX)
        return berth_fail (err, BERTH_INVALID, "the place's description is too large");
    return s_write_all (call, (const uint8_t *) &length, sizeof length, deadline, err)
        || s_write_all (call, frame.data, frame.size, deadline, err) ? -1 : 0;
}

static int
s_call (int call, const shim_open_t *open, int64_t deadline, arena_t *arena,
        shim_opened_t *ret_opened, berth_error_t *err)
{
    uint32_t length;
    if (s_say (call, berth_pack (&shim_open_schema, open, arena), deadline, err)
    || s_read_all (call, (uint8_t *) &length, sizeof length, deadline, err))
        return -1;
    if (length == 0 || length > ANSWER_MAX)
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the shim's answer is no answer");
    uint8_t *answer = arena_take (arena, length);
    if (s_read_all (call, answer, length, deadline, err)
    || berth_unpack (&shim_opened_schema, (berth_bytes_t) { answer, length }, arena, ret_opened, err))
        return -1;
    if (!ret_opened->ok) {
        if (ret_opened->remedy)
            berth_error_set (err->remedy, sizeof err->remedy, "%s", ret_opened->remedy);
        if (ret_opened->cause)
            berth_error_set (err->cause, sizeof err->cause, "%s", ret_opened->cause);
        return berth_fail (err, ret_opened->code ? berth_code_of (ret_opened->code)
                                                 : BERTH_PROVIDER_ERROR, "%s",
                           ret_opened->error ? ret_opened->error : "the shim did not say why");
    }
    return s_write_all (call, (const uint8_t *) "T", 1, deadline, err);
}

void
spawner_hang_up (int *call_p)
{
    if (*call_p < 0)
        return;
    int64_t deadline = berth_mono_ms () + GIVE_UP_MS;
    char rest [256];
    (void) shutdown (*call_p, SHUT_WR);
    while (s_wait (*call_p, POLLIN, deadline, NULL) == 0) {
        ssize_t got = recv (*call_p, rest, sizeof rest, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
            break;
    }
    close (*call_p);
    *call_p = -1;
}

//  Our end of a call that a shim has, or will have.
static int
s_dial (spawner_t *self, uint8_t byte, int64_t deadline, int *ret_call, berth_error_t *err)
{
    int pair [2];
    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return berth_fail_errno (err, BERTH_INTERNAL, "no socket for the call can be made");
    int rc = 0;
    while (rc == 0 && !s_send_fd (self->control, pair [1], byte, MSG_DONTWAIT))
        if (errno == EAGAIN)
            rc = s_wait (self->control, POLLOUT, deadline, err);
        else
            rc = berth_fail (err, BERTH_PROVIDER_UNAVAILABLE, "the spawner is gone");
    close (pair [1]);
    *ret_call = pair [0];
    if (rc)
        spawner_hang_up (ret_call);
    return rc;
}

int
spawner_call (spawner_t *self, uint8_t byte, int64_t deadline_mono_ms, int *ret_call,
              berth_error_t *err)
{
    CHECK (self, SPAWNER_MAGIC);
    return s_dial (self, byte, deadline_mono_ms, ret_call, err);
}

int
spawner_dress (spawner_t *self, berth_bytes_t dress, int64_t deadline_mono_ms, int *ret_call,
               berth_error_t *err)
{
    CHECK (self, SPAWNER_MAGIC);
    int call;
    if (s_dial (self, SHIM_CALL_DRESS, deadline_mono_ms, &call, err))
        return -1;
    if (s_say (call, dress, deadline_mono_ms, err)) {
        spawner_hang_up (&call);
        return -1;
    }
    *ret_call = call;
    return 0;
}

int
spawner_open_on (int *call_p, const shim_open_t *open, int64_t deadline_mono_ms, arena_t *arena,
                 shim_opened_t *ret_opened, berth_error_t *err)
{
    if (s_call (*call_p, open, deadline_mono_ms, arena, ret_opened, err)) {
        spawner_hang_up (call_p);
        return -1;
    }
    close (*call_p);
    *call_p = -1;
    return 0;
}

int
spawner_open (spawner_t *self, const shim_open_t *open, int64_t deadline_mono_ms, arena_t *arena,
              shim_opened_t *ret_opened, berth_error_t *err)
{
    CHECK (self, SPAWNER_MAGIC);
    int call;
    return s_dial (self, SHIM_CALL_OPEN, deadline_mono_ms, &call, err)
        || spawner_open_on (&call, open, deadline_mono_ms, arena, ret_opened, err) ? -1 : 0;
}
