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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

//  Where the launcher puts descriptors, and what {..} becomes.
enum { FD_INIT = 3, FD_ARGS, FD_SECCOMP, FD_INFO, FD_END };
enum { PART_LOG, PART_INIT, PART_NULL, PART_FRAME, PART_ARGS, PART_SECCOMP, PARTS };

typedef struct {
    uint32_t frame_size;
    uint32_t parts;                 //  Descriptors that come along, in the order above
    uint32_t by_rlimits;            //  Memory and processes are limited by rlimits
} launch_t;

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
s_rlimit (int which, uint64_t value, const char *what)
{
    struct rlimit limit = { value, value };
    if (setrlimit (which, &limit))
        s_give_up (what);
}

static void
s_limit (const shim_open_t *open, bool by_rlimits)
{
    const shim_limits_t *limits = open->limits;
    struct rlimit none = { 0, 0 };
    (void) setrlimit (RLIMIT_CORE, &none);          //  The host's core handler is not the place's
    if (!limits)
        return;
    if (limits->cpu_seconds)
        s_rlimit (RLIMIT_CPU, limits->cpu_seconds, "CPU time cannot be limited");
    if (limits->file_bytes)
        s_rlimit (RLIMIT_FSIZE, limits->file_bytes, "the size of files cannot be limited");
    if (by_rlimits && limits->memory_bytes)
        s_rlimit (RLIMIT_AS, limits->memory_bytes, "memory cannot be limited");
    //  Counted by user: only a user that is the place's own can be limited so
    if (by_rlimits && limits->pids && berth_has (shim_open, open, uid))
        s_rlimit (RLIMIT_NPROC, limits->pids, "processes cannot be limited");
}

static void
s_change_user (const shim_open_t *open, const char *program)
{
    if (!berth_has (shim_open, open, uid))
        return;
    uid_t uid = (uid_t) open->uid;
    if (setgroups (0, NULL) || setresgid (uid, uid, uid) || setresuid (uid, uid, uid))
        s_give_up ("the place's user cannot be taken on");
    struct stat status;
    if (stat (program, &status) == 0 && !(status.st_mode & S_ISUID)
    && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))     //  A setuid bwrap needs its privileges
        s_give_up ("no_new_privs cannot be set");
}

//  Puts descriptors at their numbers and closes all others.
static void
s_arrange (const int *parts, size_t count)
{
    static const int numbers [PARTS] = {
        [PART_LOG] = STDERR_FILENO, [PART_INIT] = FD_INIT, [PART_NULL] = STDIN_FILENO,
        [PART_FRAME] = -1, [PART_ARGS] = FD_ARGS, [PART_SECCOMP] = FD_SECCOMP
    };
    int high [PARTS];
    for (size_t index = 0; index < count; index++) {
        high [index] = fcntl (parts [index], F_DUPFD, FD_END);      //  Out of the way
        if (high [index] < 0)
            s_give_up ("descriptors cannot be arranged");
    }
    for (size_t index = 0; index < count; index++)
        if (numbers [index] >= 0 && dup2 (high [index], numbers [index]) < 0)
            s_give_up ("descriptors cannot be arranged");
    if (dup2 (high [PART_LOG], STDOUT_FILENO) < 0 || dup2 (high [PART_NULL], FD_INFO) < 0)
        s_give_up ("descriptors cannot be arranged");
    for (size_t index = count; index < PARTS; index++)
        close (numbers [index]);                    //  Not given, and maybe something else's
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
s_choose_network (const shim_open_t *open, int home)
{
    if (open->own_network && home < 0) {
        if (unshare (CLONE_NEWNET))
            s_give_up ("wall 'network': no network namespace can be made");
        if (!s_lo_up ())
            s_give_up ("wall 'network': lo cannot be brought up");
    }
    else if (!open->own_network && home >= 0 && setns (home, CLONE_NEWNET))
        s_give_up ("the host's network cannot be entered again");
    if (home >= 0)
        close (home);
}

static void
s_become (const launch_t *launch, const int *parts, int home)
{
    dup2 (parts [PART_LOG], STDERR_FILENO);
    arena_t *arena = arena_new ();
    shim_open_t open;
    berth_error_t err = { 0 };
    void *frame = mmap (NULL, launch->frame_size, PROT_READ, MAP_PRIVATE, parts [PART_FRAME], 0);
    if (frame == MAP_FAILED)
        s_give_up ("the launcher cannot read what to launch");
    if (berth_unpack_own (&shim_open_schema, (berth_bytes_t) { frame, launch->frame_size }, arena,
                          &open, &err)) {
        fprintf (stderr, "%s\n", err.text);
        _exit (127);
    }
    char **argv = s_texts (arena, open.argv);
    char **env = s_texts (arena, open.env);
    s_choose_network (&open, home);
    s_arrange (parts, launch->parts);
    s_limit (&open, launch->by_rlimits);
    s_change_user (&open, argv [0]);
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
    launch_t launch;
    rights_t rights;
    struct iovec part = { &launch, sizeof launch };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes
    };
    ssize_t got;
    do
        got = recvmsg (FD_INIT, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    if (got != (ssize_t) sizeof launch || !header)
        _exit (0);                                  //  There was no call
    int parts [PARTS];
    memcpy (parts, CMSG_DATA (header), launch.parts * sizeof (int));
    s_become (&launch, parts, home);
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
s_memory_file (const char *name, const void *data, size_t size, berth_error_t *err)
{
    int file = memfd_create (name, MFD_CLOEXEC);
    size_t done = 0;
    while (file >= 0 && done < size) {
        ssize_t more = write (file, (const uint8_t *) data + done, size - done);
        if (more < 0 && errno != EINTR) {
            close (file);
            file = -1;
        }
        else if (more > 0)
            done += (size_t) more;
    }
    if (file < 0)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "memory for %s cannot be had", name);
    lseek (file, 0, SEEK_SET);
    return file;
}

//  Arguments for --args FD: each ended by NUL.
static int
s_args_file (shim_t *self, berth_error_t *err)
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
    return s_memory_file ("args", text, size, err);
}

static int
s_send (shim_t *self, const launch_t *launch, const int *parts, berth_error_t *err)
{
    rights_t rights;
    memset (&rights, 0, sizeof rights);
    struct iovec part = { (void *) (uintptr_t) launch, sizeof *launch };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = rights.bytes,
        .msg_controllen = CMSG_SPACE (launch->parts * sizeof (int))
    };
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN (launch->parts * sizeof (int));
    memcpy (CMSG_DATA (header), parts, launch->parts * sizeof (int));
    if (sendmsg (self->launcher, &message, MSG_NOSIGNAL) != (ssize_t) sizeof *launch)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the launcher is gone");
    return 0;
}

int
shim_launch (shim_t *self, berth_bytes_t frame, bool by_rlimits, berth_error_t *err)
{
    launch_t launch = { .frame_size = (uint32_t) frame.size, .by_rlimits = by_rlimits };
    int parts [PARTS] = { -1, -1, -1, -1, -1, -1 };
    int log [2] = { -1, -1 }, init [2] = { -1, -1 };
    int rc = -1;
    int yes = 1;
    if (pipe2 (log, O_CLOEXEC) || fcntl (log [0], F_SETFL, O_NONBLOCK)
    || socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, init)
    || setsockopt (init [0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes)
    || (parts [PART_NULL] = open ("/dev/null", O_RDWR | O_CLOEXEC)) < 0) {
        (void) berth_fail_errno (err, BERTH_PROVIDER_ERROR, "descriptors for the place cannot be made");
        goto out;
    }
    parts [PART_LOG] = log [1];
    parts [PART_INIT] = init [1];
    parts [PART_FRAME] = s_memory_file ("open", frame.data, frame.size, err);
    if (parts [PART_FRAME] < 0 || (parts [PART_ARGS] = s_args_file (self, err)) < 0)
        goto out;
    launch.parts = PART_ARGS + 1;
    if (self->open.seccomp.size) {
        parts [PART_SECCOMP] = s_memory_file ("seccomp", self->open.seccomp.data,
                                              self->open.seccomp.size, err);
        if (parts [PART_SECCOMP] < 0)
            goto out;
        launch.parts = PART_SECCOMP + 1;
    }
    rc = s_send (self, &launch, parts, err);

out:
    for (size_t index = 0; index < PARTS; index++)
        if (parts [index] >= 0)
            close (parts [index]);
    self->log_pipe.fd = log [0];
    self->init.fd = init [0];
    close (self->launcher);
    self->launcher = -1;
    return rc;
}
