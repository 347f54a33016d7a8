//  relay_ssh.c - owns the ssh processes of a relay: its own, those that it lends for files, the master's end.

#include "relay.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MASTER_MS = 2000 };

static const char *
s_text (shim_t *self, berth_bytes_t bytes)
{
    return arena_text (self->scratch, (const char *) bytes.data, bytes.size);
}

//  ssh with its options; `first` words come before them, `last` behind.
static char **
s_argv (shim_t *self, const char *const *first, const char *last)
{
    const berth_blobs_t *told = &self->relay->told->argv;
    char **argv = arena_array (self->scratch, told->count + 8, char *);
    size_t count = 0;
    for (size_t index = 0; index < told->count; index++) {
        argv [count++] = (char *) (uintptr_t) s_text (self, told->items [index]);
        for (; index == 0 && first && *first; first++)
            argv [count++] = (char *) (uintptr_t) *first;
    }
    argv [count++] = (char *) (uintptr_t) last;
    return argv;
}

static char **
s_env (shim_t *self)
{
    const berth_blobs_t *told = &self->relay->told->env;
    char **env = arena_array (self->scratch, told->count + 1, char *);
    for (size_t index = 0; index < told->count; index++)
        env [index] = (char *) (uintptr_t) s_text (self, told->items [index]);
    return env;
}

//  A process of its own group with these three descriptors.
static pid_t
s_start (char **argv, char **env, const int fds [3])
{
    pid_t pid = fork ();
    if (pid)
        return pid;
    (void) setpgid (0, 0);
    (void) !chdir ("/");
    int high [3];
    for (int fd = 0; fd < 3; fd++)
        high [fd] = fcntl (fds [fd], F_DUPFD, 3);
    for (int fd = 0; fd < 3; fd++)
        (void) dup2 (high [fd], fd);
    syscall (SYS_close_range, 3u, ~0u, 0);
    for (int number = 1; number < 32; number++)
        (void) signal (number, SIG_DFL);
    execve (argv [0], argv, env);
    fprintf (stderr, "%s: %s\n", argv [0], strerror (errno));
    _exit (127);
}

static int
s_write_key (shim_t *self)
{
    const shim_relay_t *told = self->relay->told;
    if (!told->key.size)
        return 0;
    const char *path = s_text (self, told->key_path);
    (void) unlink (path);
    int file = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return -1;
    bool whole = write (file, told->key.data, told->key.size) == (ssize_t) told->key.size
        && (told->key.data [told->key.size - 1] == '\n' || write (file, "\n", 1) == 1);
    close (file);
    return whole ? 0 : -1;
}

void
relay_remove_key (shim_t *self)
{
    if (self->relay->told->key.size)
        (void) unlink (s_text (self, self->relay->told->key_path));
}

static void
s_reap (shim_t *self)
{
    int status;
    pid_t pid;
    while ((pid = waitpid (-1, &status, WNOHANG)) > 0)  //  A master that ended is our child, too
        if (pid == self->relay->ssh)
            self->relay->ssh = 0;
}

void
relay_hang_up (shim_t *self)
{
    struct relay *relay = self->relay;
    watch_close (self, &relay->in);
    watch_close (self, &relay->out);
    watch_close (self, &relay->err);
    s_reap (self);
    if (relay->ssh) {
        (void) kill (-relay->ssh, SIGKILL);
        (void) waitpid (relay->ssh, NULL, 0);
        relay->ssh = 0;
    }
    relay_remove_key (self);
    relay_forget (&relay->sent);
    relay_forget (&relay->heard);
    relay->phase = RELAY_DOWN;
    relay->refused = false;
}

//  ---- connecting

static void
s_new_mark (struct relay *relay)
{
    char id [BERTH_ID_SIZE], *to = relay->mark;
    berth_id_new (id);
    for (const char *from = id; *from; from++)
        if (*from != '-')
            *to++ = *from;
    *to = 0;
}

static const char *
s_preamble (shim_t *self)
{
    struct relay *relay = self->relay;
    uint64_t size = 0;
    if (far_hash (s_text (self, relay->told->program), relay->hash, &size))
        snprintf (relay->hash, sizeof relay->hash, "none");
    return arena_printf (self->scratch, "%s\n%s\n%s %llu\n", relay->mark,
                         s_text (self, relay->told->base), relay->hash, (unsigned long long) size);
}

void
relay_connect (shim_t *self)
{
    struct relay *relay = self->relay;
    int in [2] = { -1, -1 }, out [2] = { -1, -1 }, err [2] = { -1, -1 };
    relay->words [0] = relay->failed [0] = 0;
    relay->retry_at = 0;
    relay->phase = RELAY_SCRIPT;
    relay->deadline = berth_mono_ms () + (relay->opened ? RELAY_CONNECT_MS
                                                        : (int64_t) relay->told->connect_ms);
    s_reap (self);
    if (pipe2 (in, O_CLOEXEC) == 0 && pipe2 (out, O_CLOEXEC) == 0 && pipe2 (err, O_CLOEXEC) == 0
        && fcntl (in [1], F_SETFL, O_NONBLOCK) == 0 && fcntl (out [0], F_SETFL, O_NONBLOCK) == 0
        && fcntl (err [0], F_SETFL, O_NONBLOCK) == 0 && s_write_key (self) == 0) {
        int fds [3] = { in [0], out [1], err [1] };
        relay->ssh = s_start (s_argv (self, NULL, FAR_SCRIPT), s_env (self), fds);
    }
    else
        snprintf (relay->words, sizeof relay->words, "berthd's host: %s", strerror (errno));
    int theirs [3] = { in [0], out [1], err [1] };
    for (int index = 0; index < 3; index++)
        if (theirs [index] >= 0)
            close (theirs [index]);
    relay_attach (self, in [1], out [0], err [0]);
    self->walls = relay->ssh > 0 ? relay->ssh : 0;
    if (relay->ssh <= 0) {
        relay->ssh = 0;
        relay_broken (self, false);
        return;
    }
    (void) setpgid (relay->ssh, relay->ssh);
    berth_error_t ignored = { 0 };              //  It says which processes are to be ended without us
    if (relay->opened)
        (void) shim_write_record (self, &ignored);
    watch_set (self, &relay->out, EPOLLIN);
    watch_set (self, &relay->err, EPOLLIN);
    s_new_mark (relay);
    const char *first = s_preamble (self);
    relay_say (self, first, strlen (first));
}

void
relay_files (shim_t *self, peer_t *peer)
{
    if (self->relay->phase != RELAY_UP) {
        shim_refuse (self, peer, NULL, "provider_unavailable: the connection to the place is down");
        return;
    }
    const char *first = s_preamble (self);
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_FILES);
    berth_put (shim_message, &message, data,
               ((berth_bytes_t) { (const uint8_t *) first, strlen (first) }));
    shim_answer (self, peer, &message);
    if (peer->gone || peer->out_size) {         //  It did not read what was told before
        peer->gone = true;
        watch_close (self, &peer->watch);
        return;
    }
    s_reap (self);
    int fds [3] = { peer->watch.fd, peer->watch.fd, self->log };
    if (s_start (s_argv (self, NULL, FAR_SCRIPT), s_env (self), fds) < 0)
        shim_log (self, "no session for files: %s", strerror (errno));
    peer->gone = true;
    watch_close (self, &peer->watch);
}

void
relay_end_master (shim_t *self)
{
    static const char *const words [] = { "-O", "exit", NULL };
    struct stat status;
    const char *control = s_text (self, self->relay->told->control);
    if (lstat (control, &status))
        return;
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
    int fds [3] = { null, null, null };
    pid_t pid = s_start (s_argv (self, words, NULL), s_env (self), fds);
    close (null);
    if (pid <= 0)
        return;
    int watch = (int) syscall (SYS_pidfd_open, pid, 0);
    struct pollfd wait = { .fd = watch, .events = POLLIN };
    if (poll (&wait, 1, MASTER_MS) < 1)
        (void) kill (pid, SIGKILL);
    (void) waitpid (pid, NULL, 0);
    if (watch >= 0)
        close (watch);
    (void) unlink (control);
}
