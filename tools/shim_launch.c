//  shim_launch.c - owns the launcher: a child that waits in the place's cgroup and becomes its walls.

#include "shim_state.h"

#include "codec.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

//  Where the launcher puts descriptors, and what {..} becomes.
enum { FD_INIT = 3, FD_ARGS, FD_SECCOMP, FD_INFO, FD_END };
enum { PART_LOG, PART_INIT, PART_NULL, PART_ARGS, PART_SECCOMP, PARTS };
enum { DRESS_MAX = 65536, PIPE_USUAL = 65536 };

//  The first byte says which descriptors come along: a packed shim_dress is behind it.
typedef union {
    char bytes [CMSG_SPACE (PARTS * sizeof (int))];
    struct cmsghdr align;
} rights_t;

//  A copy with {INIT_FD} and the like replaced.
static char *
s_replace (arena_t *arena, berth_bytes_t text)
{
    static const struct { const char *name; int fd; } names [] = {
        { "{INIT_FD}", FD_INIT }, { "{ARGS_FD}", FD_ARGS }, { "{SECCOMP_FD}", FD_SECCOMP },
        { "{INFO_FD}", FD_INFO }
    };
    //  No number is longer than its name
    char *copy = arena_take (arena, text.size + 1), *to = copy;
    for (size_t at = 0; at < text.size;) {
        size_t skip = 0;
        for (size_t index = 0; index < BERTH_COUNT (names) && text.data [at] == '{'; index++) {
            size_t length = strlen (names [index].name);
            if (text.size - at >= length && memcmp (text.data + at, names [index].name, length) == 0) {
                to += sprintf (to, "%d", names [index].fd);
                skip = length;
                break;
            }
        }
        if (skip)
            at += skip;
        else
            *to++ = (char) text.data [at++];
    }
    *to = 0;
    return copy;
}

static char **
s_texts (arena_t *arena, berth_blobs_t list)
{
    char **texts = arena_array (arena, list.count + 1, char *);
    for (size_t index = 0; index < list.count; index++)
        texts [index] = s_replace (arena, list.items [index]);
    return texts;
}

//  ---- the launcher's side; whatever it says goes to the place's log, its last line to the caller

static void
s_give_up (const char *what)
{
    fprintf (stderr, "%s: %s\n", what, strerror (errno));
    fflush (stderr);
    _exit (127);
}

static void
s_change_user (const shim_dress_t *dress, const char *program)
{
    if (!berth_has (shim_dress, dress, uid))
        return;
    uid_t uid = (uid_t) dress->uid;
    if (setgroups (0, NULL) || setresgid (uid, uid, uid) || setresuid (uid, uid, uid))
        s_give_up ("the place's user cannot be taken on");
    struct stat status;
    if (stat (program, &status) == 0 && !(status.st_mode & S_ISUID)
    && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))     //  A setuid bwrap needs its privileges
        s_give_up ("no_new_privs cannot be set");
}

//  Puts descriptors at their numbers and closes all others. -1: it did not come.
static void
s_arrange (const int *parts)
{
    static const int numbers [PARTS] = {
        [PART_LOG] = STDERR_FILENO, [PART_INIT] = FD_INIT, [PART_NULL] = STDIN_FILENO,
        [PART_ARGS] = FD_ARGS, [PART_SECCOMP] = FD_SECCOMP
    };
    int high [PARTS];
    for (size_t index = 0; index < PARTS; index++) {
        high [index] = parts [index] < 0 ? -1 : fcntl (parts [index], F_DUPFD, FD_END);
        if (parts [index] >= 0 && high [index] < 0)
            s_give_up ("descriptors cannot be arranged");
    }
    for (size_t index = 0; index < PARTS; index++)
        if (high [index] < 0)
            close (numbers [index]);            //  Maybe something else's
        else if (dup2 (high [index], numbers [index]) < 0)
            s_give_up ("descriptors cannot be arranged");
    if (dup2 (high [PART_LOG], STDOUT_FILENO) < 0 || dup2 (high [PART_NULL], FD_INFO) < 0)
        s_give_up ("descriptors cannot be arranged");
    if (syscall (SYS_close_range, (unsigned) FD_END, ~0u, 0))
        s_give_up ("descriptors cannot be closed");
}

//  ---- the network that is made in advance: a namespace with nothing but lo in it

static bool
s_lo_up (void)
{
    struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
    int control = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = control >= 0 && ioctl (control, SIOCSIFFLAGS, &lo) == 0;
    if (control >= 0)
        close (control);
    return up;
}

//  Where the launcher came from; -1: it is still there, and what failed is tried again and told
//  once a place asks for it.
static int
s_leave_network (void)
{
    int home = geteuid () == 0 ? open ("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
    if (home < 0)
        return -1;
    bool made = unshare (CLONE_NEWNET) == 0;
    if (made && s_lo_up ())
        return home;
    if (made && setns (home, CLONE_NEWNET))
        s_give_up ("the host's network cannot be entered again");
    close (home);
    return -1;
}

//  Stays in the network that was made, or goes back, as the place asks.
static void
s_choose_network (const shim_dress_t *dress, int home)
{
    if (dress->own_network && home < 0) {
        if (unshare (CLONE_NEWNET))
            s_give_up ("wall 'network': no network namespace can be made");
        if (!s_lo_up ())
            s_give_up ("wall 'network': lo cannot be brought up");
    }
    else if (!dress->own_network && home >= 0 && setns (home, CLONE_NEWNET))
        s_give_up ("the host's network cannot be entered again");
    if (home >= 0)
        close (home);
}

static void
s_become (berth_bytes_t frame, const int *parts, int home)
{
    dup2 (parts [PART_LOG], STDERR_FILENO);
    arena_t *arena = arena_new ();
    shim_dress_t dress;
    berth_error_t err = { 0 };
    if (berth_unpack_own (&shim_dress_schema, frame, arena, &dress, &err)) {
        fprintf (stderr, "%s\n", err.text);
        _exit (127);
    }
    char **argv = s_texts (arena, dress.argv);
    char **env = s_texts (arena, dress.env);
    struct rlimit none = { 0, 0 };
    (void) setrlimit (RLIMIT_CORE, &none);          //  The host's core handler is not the place's
    s_choose_network (&dress, home);
    s_arrange (parts);
    s_change_user (&dress, argv [0]);
    environ = env;
    execvp (argv [0], argv);
    char what [256];
    snprintf (what, sizeof what, "'%.200s' cannot be executed", argv [0]);
    s_give_up (what);
}

//  A session of its own, and nothing that an exec would pass on from the shim.
static void
s_clean_slate (void)
{
    (void) setsid ();
    (void) !chdir ("/");
    umask (022);
    sigset_t none;
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    for (int number = 1; number < 32; number++)
        signal (number, SIG_DFL);                   //  What is ignored stays ignored over exec
}

//  What needs no call is done while the shim is parked.
static void
s_launcher (int socket)
{
    //  Nothing of the parked shim stays open here: who waits for its end must see it
    (void) dup2 (socket, FD_INIT);
    syscall (SYS_close_range, FD_INIT + 1, ~0u, 0);
    s_clean_slate ();
    int home = s_leave_network ();
    static uint8_t bytes [1 + DRESS_MAX];
    rights_t rights;
    struct iovec part = { bytes, sizeof bytes };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes
    };
    ssize_t got;
    do
        got = recvmsg (FD_INIT, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    if (got <= 1 || !header)
        _exit (0);                                  //  There was no call
    int came [PARTS], parts [PARTS];
    memcpy (came, CMSG_DATA (header), header->cmsg_len - CMSG_LEN (0));
    for (size_t index = 0, next = 0; index < PARTS; index++)
        parts [index] = bytes [0] & 1u << index ? came [next++] : -1;
    s_become ((berth_bytes_t) { bytes + 1, (size_t) got - 1 }, parts, home);
}

//  ---- the shim's side

int
shim_launcher_start (shim_t *self, berth_error_t *err)
{
    int pair [2];
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "no socket can be made");
    self->walls = cgroup_fork (&self->cgroup, err);
    if (self->walls == 0)
        s_launcher (pair [1]);
    close (pair [1]);
    if (self->walls < 0) {
        close (pair [0]);
        return -1;
    }
    self->launcher = pair [0];
    return 0;
}

static int
s_send (shim_t *self, berth_bytes_t frame, const int *parts, berth_error_t *err)
{
    rights_t rights;
    memset (&rights, 0, sizeof rights);
    uint8_t which = 0;
    int given [PARTS];
    size_t count = 0;
    for (size_t index = 0; index < PARTS; index++)
        if (parts [index] >= 0) {
            which |= (uint8_t) (1u << index);
            given [count++] = parts [index];
        }
    struct iovec part [2] = { { &which, 1 }, { (void *) (uintptr_t) frame.data, frame.size } };
    struct msghdr message = {
        .msg_iov = part, .msg_iovlen = 2, .msg_control = rights.bytes,
        .msg_controllen = CMSG_SPACE (count * sizeof (int))
    };
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN (count * sizeof (int));
    memcpy (CMSG_DATA (header), given, count * sizeof (int));
    if (sendmsg (self->launcher, &message, MSG_NOSIGNAL) != (ssize_t) (1 + frame.size))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the launcher is gone");
    return 0;
}

//  A pipe: the inner end is *ret_inner, the outer one never makes us wait.
static int
s_pipe (int *ret_inner, int *ret_outer)
{
    int pair [2];
    if (pipe2 (pair, O_CLOEXEC))
        return -1;
    *ret_inner = pair [0];
    *ret_outer = pair [1];
    return fcntl (pair [1], F_SETFL, O_NONBLOCK);
}

int
shim_launch (shim_t *self, const shim_dress_t *dress, berth_error_t *err)
{
    int parts [PARTS] = { -1, -1, -1, -1, -1 };
    int log [2] = { -1, -1 }, init [2] = { -1, -1 };
    int rc = -1;
    int yes = 1;
    bool args = false;
    for (size_t index = 0; index < dress->argv.count; index++) {
        berth_bytes_t word = dress->argv.items [index];
        args |= memmem (word.data, word.size, "{ARGS_FD}", 9) != NULL;
    }
    berth_bytes_t frame = berth_pack (&shim_dress_schema, dress, self->scratch);
    if (frame.size > DRESS_MAX)
        return berth_fail (err, BERTH_INVALID, "what the shim is to execute is too large");
    if (pipe2 (log, O_CLOEXEC) || fcntl (log [0], F_SETFL, O_NONBLOCK)
    || socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, init)
    || setsockopt (init [0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes)
    || (parts [PART_NULL] = open ("/dev/null", O_RDWR | O_CLOEXEC)) < 0
    || (args && s_pipe (&parts [PART_ARGS], &self->args))
    || (dress->seccomp && s_pipe (&parts [PART_SECCOMP], &self->seccomp)))
        (void) berth_fail_errno (err, BERTH_PROVIDER_ERROR,
                                 "descriptors for the place cannot be made");
    else {
        parts [PART_LOG] = log [1];
        parts [PART_INIT] = init [1];
        rc = s_send (self, frame, parts, err);
    }
    log [1] = init [1] = -1;
    for (size_t index = 0; index < PARTS; index++)
        if (parts [index] >= 0)
            close (parts [index]);
    self->log_pipe.fd = log [0];
    self->init.fd = init [0];
    close (self->launcher);
    self->launcher = -1;
    return rc;
}

//  ---- what only the place's own description says

static int
s_rlimit (pid_t process, int which, uint64_t value, const char *what, berth_error_t *err)
{
    struct rlimit limit = { value, value };
    return prlimit (process, which, &limit, NULL)
        ? berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the walls cannot be built: %s", what) : 0;
}

static int
s_limit (const shim_t *self, bool by_rlimits, berth_error_t *err)
{
    const shim_limits_t *limits = self->open.limits;
    if (!limits)
        return 0;
    pid_t walls = self->walls;
    if ((limits->cpu_seconds
         && s_rlimit (walls, RLIMIT_CPU, limits->cpu_seconds, "CPU time cannot be limited", err))
    || (limits->file_bytes
        && s_rlimit (walls, RLIMIT_FSIZE, limits->file_bytes, "the size of files cannot be limited",
                     err))
    || (by_rlimits && limits->memory_bytes
        && s_rlimit (walls, RLIMIT_AS, limits->memory_bytes, "memory cannot be limited", err)))
        return -1;
    //  Counted by user: only a user that is the place's own can be limited so
    if (by_rlimits && limits->pids && berth_has (shim_open, &self->open, uid))
        return s_rlimit (walls, RLIMIT_NPROC, limits->pids, "processes cannot be limited", err);
    return 0;
}

//  Writes all and closes: who reads it waits for the end.
static int
s_fill (int *fd_p, berth_bytes_t bytes, berth_error_t *err)
{
    int fd = *fd_p;
    *fd_p = -1;
    if (fd < 0 && bytes.size)
        return berth_fail (err, BERTH_INVALID, "what the shim executes takes no such descriptor");
    if (fd < 0)
        return 0;
    int rc = 0;
    if ((bytes.size > PIPE_USUAL && fcntl (fd, F_SETPIPE_SZ, (int) bytes.size) < 0)
    || (bytes.size && write (fd, bytes.data, bytes.size) != (ssize_t) bytes.size))
        rc = berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the walls do not take their arguments");
    close (fd);
    return rc;
}

//  Arguments for --args FD: each ended by NUL.
static berth_bytes_t
s_args (shim_t *self)
{
    size_t room = 0, size = 0;
    for (size_t index = 0; index < self->open.args_fd.count; index++)
        room += self->open.args_fd.items [index].size + 1;
    char *text = arena_take (self->scratch, room + 1);
    for (size_t index = 0; index < self->open.args_fd.count; index++) {
        const char *one = s_replace (self->scratch, self->open.args_fd.items [index]);
        size_t length = strlen (one) + 1;
        memcpy (text + size, one, length);
        size += length;
    }
    return (berth_bytes_t) { (uint8_t *) text, size };
}

int
shim_launch_on (shim_t *self, bool by_rlimits, berth_error_t *err)
{
    berth_bytes_t args = s_args (self);
    return s_limit (self, by_rlimits, err) || s_fill (&self->seccomp, self->open.seccomp, err)
        || s_fill (&self->args, args, err) ? -1 : 0;
}

void
shim_launch_off (shim_t *self)
{
    if (self->args >= 0)
        close (self->args);
    if (self->seccomp >= 0)
        close (self->seccomp);
    self->args = self->seccomp = -1;
}
