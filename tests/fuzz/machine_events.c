//  machine_events.c - owns what lies behind played descriptors that are no files: pipes, connections,
//  terminals; and how a program waits for them, for time, and for processes.

#include "machine.h"

#include "fuzz.h"

#include "cgroup.h"
#include "clock.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { PIPE_ROOM = 65536 };

machine_play_t machine_play;
static object_t s_objects [OBJECTS];

#define WRAP(type, name, args)                                                                     \
    type __real_##name args;                                                                       \
    type __wrap_##name args;                                                                       \
    type __wrap_##name args

static int
s_fail (int number)
{
    errno = number;
    return -1;
}

object_t *
machine_object (size_t index)
{
    return &s_objects [index];
}

object_t *
machine_object_of (int number)
{
    const fd_t *fd = machine_fd (number);
    return fd && fd->kind == FD_OTHER ? &s_objects [fd->of] : NULL;
}

size_t
machine_object_new (object_kind_t kind)
{
    for (size_t index = 1; index < OBJECTS; index++) {
        object_t *object = &s_objects [index];
        if (object->kind != OBJECT_FREE)
            continue;
        *object = (object_t) { .kind = kind, .room = PIPE_ROOM, .data = object->data };
        if (kind == OBJECT_STREAM && !object->data)
            object->data = malloc (STREAM_ROOM);
        return index;
    }
    return 0;
}

//  Has the other side gone? Of a pipe that the target does not hold, the program has both ends.
static bool
s_ended (const object_t *object)
{
    return object->ended || (object->kind == OBJECT_PIPE && !object->held && object->open < 2);
}

//  Descriptors hold it; so does the target, until it says that the other side has ended.
static void
s_closed (fd_t *fd)
{
    object_t *object = &s_objects [fd->of];
    object->open--;
    if (!object->open && (object->ended || !object->held))
        object->kind = OBJECT_FREE;
}

static int
s_descriptor (size_t index)
{
    machine_closed = s_closed;
    if (!index)
        return s_fail (EMFILE);
    int fd = machine_fd_new (FD_OTHER, index);
    if (fd >= 0)
        s_objects [index].open++;
    return fd;
}

static int
s_nothing (void)
{
    size_t index = machine_object_new (OBJECT_NOTHING);
    s_objects [index].ended = true;
    return s_descriptor (index);
}

void
machine_events_begin (void)
{
    for (size_t index = 0; index < OBJECTS; index++)
        s_objects [index].kind = OBJECT_FREE;
    machine_special = s_nothing;
}

int
machine_descriptor (size_t object)
{
    return s_descriptor (object);
}

//  ---- waiting

static uint32_t
s_events (const fd_t *fd)
{
    const object_t *object = &s_objects [fd->of];
    uint32_t events = 0;
    switch (object->kind) {
        case OBJECT_PIPE:
            if (object->readable_end)
                return object->ready ? EPOLLIN : s_ended (object) ? EPOLLHUP : 0;
            return s_ended (object) ? EPOLLERR | EPOLLOUT : object->room ? EPOLLOUT : 0;
        case OBJECT_TERMINAL: case OBJECT_STREAM: case OBJECT_PACKETS:
            if (object->ready || s_ended (object))
                events |= EPOLLIN;
            if (object->room || s_ended (object))
                events |= EPOLLOUT;
            return events | (s_ended (object) ? EPOLLHUP : 0);
        case OBJECT_LISTENER:
            return object->ready ? EPOLLIN : 0;
        case OBJECT_FREE: case OBJECT_NOTHING:
        default:
            return 0;
    }
}

size_t
machine_ready (int *fds, uint32_t *events, size_t room)
{
    size_t count = 0;
    for (int number = FD_FIRST; number < machine_fds_end () && count < room; number++) {
        const fd_t *fd = machine_fd (number);
        if (!fd || fd->kind != FD_OTHER || !fd->events)
            continue;
        uint32_t now = s_events (fd) & (fd->events | EPOLLHUP | EPOLLERR);
        if (now) {
            fds [count] = number;
            events [count++] = now;
        }
    }
    return count;
}

//  There is one set: whatever is watched.
WRAP (int, epoll_create1, (int flags))
{
    return machine_on ? s_nothing () : __real_epoll_create1 (flags);
}

WRAP (int, epoll_ctl, (int set, int op, int number, struct epoll_event *event))
{
    if (!machine_on)
        return __real_epoll_ctl (set, op, number, event);
    fd_t *fd = machine_fd (number);
    FUZZ_MUST (fd, "descriptor %d is watched, which is not open", number);
    if (fd->kind != FD_OTHER || s_objects [fd->of].kind == OBJECT_NOTHING)
        return s_fail (EPERM);
    FUZZ_MUST (op == EPOLL_CTL_ADD ? !fd->events : fd->events, "watching %d: %d", number, op);
    fd->events = op == EPOLL_CTL_DEL ? 0 : event->events;
    fd->watch = event->data.ptr;
    return 0;
}

WRAP (int, epoll_wait, (int set, struct epoll_event *event, int most, int timeout_ms))
{
    if (!machine_on)
        return __real_epoll_wait (set, event, most, timeout_ms);
    int number = machine_play.wait (timeout_ms);
    if (number <= 0)
        return number;
    const fd_t *fd = machine_fd (number);
    *event = (struct epoll_event) {
        .events = s_events (fd) & (fd->events | EPOLLHUP | EPOLLERR), .data.ptr = fd->watch
    };
    return 1;
}

//  Nothing happens while it waits but that time passes.
WRAP (int, poll, (struct pollfd *fds, nfds_t count, int timeout_ms))
{
    if (!machine_on)
        return __real_poll (fds, count, timeout_ms);
    int ready = 0;
    for (nfds_t index = 0; index < count; index++) {
        const fd_t *fd = machine_fd (fds [index].fd);
        uint32_t events = fd && fd->kind == FD_OTHER ? s_events (fd) : 0;
        fds [index].revents = (short) ((events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0)
                                       | (events & EPOLLHUP ? POLLHUP : 0));
        fds [index].revents &= (short) (fds [index].events | POLLHUP);
        ready += fds [index].revents != 0;
    }
    if (!ready && timeout_ms > 0)
        machine_now_ms += timeout_ms;
    return ready;
}

int64_t __wrap_berth_mono_ms (void);
int64_t
__wrap_berth_mono_ms (void)
{
    return machine_now_ms;
}

int64_t __wrap_berth_wall_ms (void);
int64_t
__wrap_berth_wall_ms (void)
{
    return 1778491800000 + machine_now_ms;
}

const char *__wrap_berth_boot_id (void);
const char *
__wrap_berth_boot_id (void)
{
    return "played";
}

//  ---- bytes

static ssize_t
s_read (int number, void *data, size_t size)
{
    object_t *object = machine_object_of (number);
    FUZZ_MUST (object, "descriptor %d is read, which is not open", number);
    if (object->ready) {
        size_t part = size < object->ready ? size : object->ready;
        if (object->kind == OBJECT_STREAM) {
            memcpy (data, object->data, part);
            memmove (object->data, object->data + part, object->ready - part);
        }
        else
            memset (data, 'o', part);
        object->ready -= part;
        return (ssize_t) part;
    }
    if (s_ended (object) || object->kind == OBJECT_NOTHING)
        return object->kind == OBJECT_TERMINAL ? s_fail (EIO) : 0;
    return s_fail (EAGAIN);
}

static ssize_t
s_write (int number, const void *data, size_t size)
{
    const fd_t *fd = machine_fd (number);
    object_t *object = machine_object_of (number);
    if (s_ended (object) && object->kind != OBJECT_NOTHING)
        return s_fail (object->kind == OBJECT_TERMINAL ? EIO : EPIPE);
    if (!object->room)
        return s_fail (EAGAIN);
    size_t part = size < object->room ? size : object->room;
    if (object->room != PIPE_ROOM || object->kind != OBJECT_STREAM)
        object->room -= part;
    if (object->kind == OBJECT_STREAM && machine_play.sent)
        machine_play.sent (fd->of, data, part);
    return (ssize_t) part;
}

WRAP (ssize_t, read, (int fd, void *data, size_t size))
{
    if (!machine_on || fd < FD_FIRST)
        return __real_read (fd, data, size);
    return machine_object_of (fd) ? s_read (fd, data, size) : machine_read_file (fd, data, size);
}

WRAP (ssize_t, write, (int fd, const void *data, size_t size))
{
    if (!machine_on || fd < FD_FIRST)
        return __real_write (fd, data, size);
    return machine_object_of (fd) ? s_write (fd, data, size) : machine_write_file (fd, data, size);
}

WRAP (ssize_t, recv, (int fd, void *data, size_t size, int flags))
{
    return machine_on ? s_read (fd, data, size) : __real_recv (fd, data, size, flags);
}

WRAP (ssize_t, send, (int fd, const void *data, size_t size, int flags))
{
    return machine_on ? s_write (fd, data, size) : __real_send (fd, data, size, flags);
}

WRAP (ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags))
{
    if (!machine_on)
        return __real_sendmsg (fd, message, flags);
    int fds [8];
    size_t count = 0;
    const struct cmsghdr *header = message->msg_control ? CMSG_FIRSTHDR (message) : NULL;
    if (header) {
        count = (header->cmsg_len - CMSG_LEN (0)) / sizeof (int);
        FUZZ_MUST (count <= BERTH_COUNT (fds), "%zu descriptors in one packet", count);
        memcpy (fds, CMSG_DATA (header), count * sizeof (int));
    }
    const object_t *object = machine_object_of (fd);
    FUZZ_MUST (object, "descriptor %d is sent to, which is not open", fd);
    if (s_ended (object))
        return s_fail (EPIPE);
    if (!object->room || !machine_play.told (message->msg_iov->iov_base, message->msg_iov->iov_len, fds,
                                             count))
        return s_fail (EAGAIN);
    return (ssize_t) message->msg_iov->iov_len;
}

WRAP (ssize_t, recvmsg, (int fd, struct msghdr *message, int flags))
{
    if (!machine_on)
        return __real_recvmsg (fd, message, flags);
    uint8_t packet [256];
    int fds [16];
    size_t count = 0;
    ssize_t size = machine_play.packet (packet, sizeof packet, fds, &count);
    message->msg_flags = 0;
    if (size < 0)
        return s_fail (EAGAIN);
    size_t part = (size_t) size < message->msg_iov->iov_len ? (size_t) size : message->msg_iov->iov_len;
    memcpy (message->msg_iov->iov_base, packet, part);
    message->msg_flags |= part < (size_t) size ? MSG_TRUNC : 0;
    size_t fit = (message->msg_controllen - CMSG_LEN (0)) / sizeof (int);
    while (count > fit) {
        (void) close (fds [--count]);
        message->msg_flags |= MSG_CTRUNC;
    }
    if (!count) {
        message->msg_controllen = 0;
        return (ssize_t) part;
    }
    struct cmsghdr *header = CMSG_FIRSTHDR (message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN (count * sizeof (int));
    memcpy (CMSG_DATA (header), fds, count * sizeof (int));
    message->msg_controllen = CMSG_SPACE (count * sizeof (int)) < message->msg_controllen
                            ? CMSG_SPACE (count * sizeof (int)) : message->msg_controllen;
    return (ssize_t) part;
}

//  ---- descriptors that are made

WRAP (int, pipe2, (int fds [2], int flags))
{
    if (!machine_on)
        return __real_pipe2 (fds, flags);
    size_t index = machine_object_new (OBJECT_PIPE);
    fds [0] = s_descriptor (index);
    if (fds [0] < 0)
        return -1;
    fds [1] = s_descriptor (index);
    if (fds [1] < 0) {
        (void) close (fds [0]);
        s_objects [index].kind = OBJECT_FREE;
        return -1;
    }
    return 0;
}

WRAP (int, memfd_create, (const char *name, unsigned flags))
{
    if (!machine_on)
        return __real_memfd_create (name, flags);
    played_file_t *node = machine_file (MACHINE_ROOT "/memory", true);
    if (!node)
        return s_fail (ENFILE);
    int fd = open (MACHINE_ROOT "/memory", O_RDWR);
    (void) unlink (MACHINE_ROOT "/memory");
    return fd;
}

int __real_fcntl (int fd, int command, ...);
int __wrap_fcntl (int fd, int command, ...);
int
__wrap_fcntl (int fd, int command, ...)
{
    va_list args;
    va_start (args, command);
    void *value = va_arg (args, void *);
    va_end (args);
    if (!machine_on || fd < FD_FIRST)
        return __real_fcntl (fd, command, value);
    const fd_t *at = machine_fd (fd);
    FUZZ_MUST (at, "descriptor %d is used, which is not open", fd);
    if (command != F_DUPFD_CLOEXEC)
        return 0;
    return at->kind == FD_OTHER ? s_descriptor (at->of) : s_fail (EBADF);
}

WRAP (int, fchown, (int fd, uid_t user, gid_t group))
{
    return machine_on ? 0 : __real_fchown (fd, user, group);
}

WRAP (int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags))
{
    if (!machine_on)
        return __real_accept4 (fd, address, size, flags);
    object_t *listener = machine_object_of (fd);
    if (!listener->ready)
        return s_fail (EAGAIN);
    listener->ready--;
    return s_descriptor ((size_t) machine_play.accepted ());
}

WRAP (int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size))
{
    if (!machine_on)
        return __real_getsockopt (fd, level, name, value, size);
    struct ucred who = { .pid = 1, .uid = geteuid (), .gid = getegid () };
    memcpy (value, &who, *size < sizeof who ? *size : sizeof who);
    return 0;
}

WRAP (int, socket, (int domain, int type, int protocol))
{
    if (!machine_on)
        return __real_socket (domain, type, protocol);
    return s_descriptor ((size_t) machine_play.accepted ());
}

WRAP (int, connect, (int fd, const struct sockaddr *address, socklen_t size))
{
    if (!machine_on)
        return __real_connect (fd, address, size);
    return machine_play.connected ? machine_play.connected (fd, ((const struct sockaddr_un *) address)->sun_path)
                                  : 0;
}

int __real_ioctl (int fd, unsigned long request, ...);
int __wrap_ioctl (int fd, unsigned long request, ...);
int
__wrap_ioctl (int fd, unsigned long request, ...)
{
    va_list args;
    va_start (args, request);
    void *value = va_arg (args, void *);
    va_end (args);
    if (!machine_on)
        return __real_ioctl (fd, request, value);
    const object_t *object = machine_object_of (fd);
    if (!object || object->kind != OBJECT_TERMINAL)
        return s_fail (ENOTTY);
    if (request == TIOCGPTN)
        *(unsigned *) value = 1;
    return 0;
}

WRAP (int, tcgetattr, (int fd, struct termios *mode))
{
    return machine_on ? s_fail (ENOTTY) : __real_tcgetattr (fd, mode);
}

WRAP (int, madvise, (void *at, size_t size, int advice))
{
    return machine_on ? 0 : __real_madvise (at, size, advice);
}

//  ---- processes: none is harmed

WRAP (int, kill, (pid_t pid, int number))
{
    return machine_on ? 0 : __real_kill (pid, number);
}

WRAP (pid_t, waitpid, (pid_t pid, int *status, int flags))
{
    if (!machine_on)
        return __real_waitpid (pid, status, flags);
    return pid > 0 ? pid : s_fail (ECHILD);
}

long __real_syscall (long number, ...);
long __wrap_syscall (long number, ...);
long
__wrap_syscall (long number, ...)
{
    va_list args;
    va_start (args, number);
    long a = va_arg (args, long), b = va_arg (args, long), c = va_arg (args, long);
    va_end (args);
    return machine_on ? 0 : __real_syscall (number, a, b, c, 0L, 0L, 0L);
}

const char *__wrap_cgroup_ends_by (const cgroup_t *self);
const char *
__wrap_cgroup_ends_by (const cgroup_t *self)
{
    (void) self;
    return "cgroup2";
}

int __wrap_cgroup_end (const cgroup_t *self, int64_t deadline_mono_ms, berth_error_t *err);
int
__wrap_cgroup_end (const cgroup_t *self, int64_t deadline_mono_ms, berth_error_t *err)
{
    (void) self, (void) deadline_mono_ms, (void) err;
    return 0;
}

void __wrap_cgroup_remove (cgroup_t *self);
void
__wrap_cgroup_remove (cgroup_t *self)
{
    (void) self;
}

uint64_t __wrap_berth_process_start (int64_t pid);
uint64_t
__wrap_berth_process_start (int64_t pid)
{
    return (uint64_t) pid;
}
