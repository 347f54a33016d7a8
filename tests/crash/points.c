//  points.c - owns the calls of berthd that touch the world: counts them, and at the nth of a kind it
//  kills the service, or lets the call fail; also of shims, whose calls fail. For LD_PRELOAD; the driver of the crash harness
//  and this share a page (BERTH_POINTS names its file), which machine.py reads and arms.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

//  As in machine.py.
enum { WRITE, PWRITE, SYNC, RENAME, SEND, FORK, MKDIR, UNLINK, KINDS };
enum { NOTHING, KILL_BEFORE, KILL_AFTER, FAIL_EIO, FAIL_ENOSPC, SHORT };

typedef struct {
    _Atomic uint32_t count [KINDS];     //  Calls so far
    _Atomic uint32_t kind;              //  What is armed: this kind,
    _Atomic uint32_t at;                //  at this count; 0: nothing
    _Atomic uint32_t times;             //  so many calls from there on (faults)
    _Atomic uint32_t action;
    _Atomic uint32_t fired;             //  Calls that were hit
    _Atomic int32_t main;               //  Who dies
    char only [64];                     //  Faults: files whose path holds this; empty: all
} points_t;

static points_t *s_points;
static pid_t (*s_fork) (void);
static ssize_t (*s_pwritev) (int, const struct iovec *, int, off_t);
static int (*s_spawn) (pid_t *, const char *, const posix_spawn_file_actions_t *,
                       const posix_spawnattr_t *, char *const [], char *const []);

__attribute__ ((constructor)) static void
s_begin (void)
{
    *(void **) &s_fork = dlsym (RTLD_NEXT, "fork");
    *(void **) &s_pwritev = dlsym (RTLD_NEXT, "pwritev");
    *(void **) &s_spawn = dlsym (RTLD_NEXT, "posix_spawn");
    const char *path = getenv ("BERTH_POINTS");
    int file = path ? open (path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap (NULL, sizeof (points_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    (void) close (file);
    if (page == MAP_FAILED)
        return;
    s_points = page;
    if (!s_points->main)
        s_points->main = getpid ();
}

static bool
s_named (int fd)
{
    if (!*s_points->only)
        return true;
    char link [64], path [512];
    (void) snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink (link, path, sizeof path - 1);
    path [size > 0 ? size : 0] = 0;
    return strstr (path, s_points->only) != NULL;
}

//  The spawner counts too; it is the service that dies.
static void
s_kill (void)
{
    pid_t victim = s_points->main;
    (void) kill (victim, SIGKILL);
    while (getpid () == victim)
        (void) pause ();
}

//  The service, or its spawner. That of a service before it may still be on its way out.
static bool
s_is_of_main (void)
{
    pid_t victim = s_points->main;
    return victim && (getpid () == victim || getppid () == victim);
}

//  Counts a call; returns what is to become of it.
static unsigned
s_enter (int kind, int fd)
{
    if (!s_points || (fd >= 0 && !s_named (fd)))
        return NOTHING;
    uint32_t count = ++s_points->count [kind], at = s_points->at, action = s_points->action;
    uint32_t times = s_points->times;
    if (!at || s_points->kind != (uint32_t) kind || count < at || count - at >= times)
        return NOTHING;
    if ((action == KILL_BEFORE || action == KILL_AFTER) && !s_is_of_main ())
        return NOTHING;
    s_points->fired++;
    if (action == KILL_BEFORE)
        s_kill ();
    errno = action == FAIL_ENOSPC ? ENOSPC : EIO;
    return action;
}

#define POINT(kind, fd, call) \
    unsigned action = s_enter (kind, fd); \
    if (action == FAIL_EIO || action == FAIL_ENOSPC) \
        return -1; \
    typeof (call) rc = call; \
    if (action == KILL_AFTER) \
        s_kill (); \
    return rc

//  What a short write writes.
#define PART(fd, kind, size, call) \
    unsigned action = s_enter (kind, fd); \
    if (action == FAIL_EIO || action == FAIL_ENOSPC) \
        return -1; \
    if (action == SHORT && size > 1) \
        size /= 2; \
    ssize_t rc = call; \
    if (action == KILL_AFTER) \
        s_kill (); \
    return rc

ssize_t
write (int fd, const void *data, size_t size)
{
    PART (fd, WRITE, size, syscall (SYS_write, fd, data, size));
}

ssize_t
pwrite (int fd, const void *data, size_t size, off_t at)
{
    PART (fd, PWRITE, size, syscall (SYS_pwrite64, fd, data, size, at));
}

ssize_t
pwrite64 (int fd, const void *data, size_t size, off_t at)
{
    PART (fd, PWRITE, size, syscall (SYS_pwrite64, fd, data, size, at));
}

//  A short one writes half of its last part.
static ssize_t
s_write_parts (int fd, const struct iovec *parts, int count, off_t at)
{
    unsigned action = s_enter (PWRITE, fd);
    if (action == FAIL_EIO || action == FAIL_ENOSPC)
        return -1;
    ssize_t rc;
    if (action == SHORT && count > 0) {
        struct iovec less [1024];
        memcpy (less, parts, (size_t) count * sizeof *parts);
        less [count - 1].iov_len /= 2;
        rc = s_pwritev (fd, less, count, at);
    } else
        rc = s_pwritev (fd, parts, count, at);
    if (action == KILL_AFTER)
        s_kill ();
    return rc;
}

ssize_t
pwritev (int fd, const struct iovec *parts, int count, off_t at)
{
    return s_write_parts (fd, parts, count, at);
}

ssize_t
pwritev64 (int fd, const struct iovec *parts, int count, off_t at)
{
    return s_write_parts (fd, parts, count, at);
}

int
fdatasync (int fd)
{
    POINT (SYNC, fd, (int) syscall (SYS_fdatasync, fd));
}

int
fsync (int fd)
{
    POINT (SYNC, fd, (int) syscall (SYS_fsync, fd));
}

int
rename (const char *from, const char *to)
{
    POINT (RENAME, -1, (int) syscall (SYS_rename, from, to));
}

int
renameat (int from_fd, const char *from, int to_fd, const char *to)
{
    POINT (RENAME, -1, (int) syscall (SYS_renameat2, from_fd, from, to_fd, to, 0));
}

int
renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    POINT (RENAME, -1, (int) syscall (SYS_renameat2, from_fd, from, to_fd, to, flags));
}

ssize_t
send (int fd, const void *data, size_t size, int flags)
{
    POINT (SEND, -1, syscall (SYS_sendto, fd, data, size, flags, NULL, 0));
}

ssize_t
sendmsg (int fd, const struct msghdr *message, int flags)
{
    POINT (SEND, -1, syscall (SYS_sendmsg, fd, message, flags));
}

pid_t
fork (void)
{
    unsigned action = s_enter (FORK, -1);
    if (action == FAIL_EIO || action == FAIL_ENOSPC) {
        errno = EAGAIN;
        return -1;
    }
    pid_t pid = s_fork ();
    if (action == KILL_AFTER && pid)
        s_kill ();
    return pid;
}

int
posix_spawn (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
             const posix_spawnattr_t *attributes, char *const argv [], char *const env [])
{
    unsigned action = s_enter (FORK, -1);
    if (action == FAIL_EIO || action == FAIL_ENOSPC)
        return EAGAIN;
    int rc = s_spawn (pid, path, actions, attributes, argv, env);
    if (action == KILL_AFTER)
        s_kill ();
    return rc;
}

int
mkdir (const char *path, mode_t mode)
{
    POINT (MKDIR, -1, (int) syscall (SYS_mkdir, path, mode));
}

int
mkdirat (int fd, const char *path, mode_t mode)
{
    POINT (MKDIR, -1, (int) syscall (SYS_mkdirat, fd, path, mode));
}

int
unlink (const char *path)
{
    POINT (UNLINK, -1, (int) syscall (SYS_unlink, path));
}

int
unlinkat (int fd, const char *path, int flags)
{
    POINT (UNLINK, -1, (int) syscall (SYS_unlinkat, fd, path, flags));
}

int
rmdir (const char *path)
{
    POINT (UNLINK, -1, (int) syscall (SYS_rmdir, path));
}
