//  played_init.h - berth-init with its system calls played: descriptors, pipes, children, blobs are numbers
//  and memory. For fuzz_init.c only, which says what is told, and what comes next.

#ifndef BERTH_PLAYED_INIT_H_INCLUDED
#define BERTH_PLAYED_INIT_H_INCLUDED

#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 64, FD_BASE = 100, CHILDREN = 64, STEPS_MAX = 150, BLOB_ROOM = 2048, TRACKED = 64 };

typedef enum { FREE, OTHER, PIPE_READ, PIPE_WRITE, BLOB } kind_t;

typedef struct {
    kind_t kind;
    int pipe;                           //  Of PIPE: the child it reports of
    size_t size;                        //  Of BLOB: as fstat says it
    uint8_t *data;                      //  That many bytes, and none behind
} played_fd_t;

typedef struct {
    pid_t pid;                          //  0: none
    bool ended;                         //  A zombie
    int status;
    int32_t words [2];                  //  What it reports
    size_t said;                        //  Bytes of it
    bool closed;                        //  It has executed, or is gone
} played_child_t;

typedef struct {
    fuzz_input_t input;
    played_fd_t fds [FDS];
    played_child_t children [CHILDREN];
    unsigned count;                     //  Children so far
    int pipe;                           //  The last pipe's number
    unsigned state [1024];              //  Of a slot: 0 free, 1 asked, 2 started, 3 exited
    pid_t owner [1024];                 //  Of one that was started
    int watched [FDS];                  //  Slot + 1 that a pipe is watched for
    size_t steps;
    bool taken;                         //  A START came for a slot that is not free
    bool reaps;                         //  A child has ended
    bool packet;                        //  There is a packet
    jmp_buf child;                      //  Where the played child ends
    bool in_child;
    uint8_t expected [BLOB_ROOM];       //  What its blob says behind the head
    size_t expected_size;
    uint32_t argc, envc;
    bool sound;
    void *tracked [TRACKED];            //  Memory of a played child, which never frees
    size_t tracked_count;
} scene_t;

static scene_t s_scene;

static played_fd_t *
s_fd (int fd)
{
    FUZZ_MUST (fd >= FD_BASE && fd < FD_BASE + FDS && s_scene.fds [fd - FD_BASE].kind != FREE,
               "descriptor %d is used, which is not open", fd);
    return &s_scene.fds [fd - FD_BASE];
}

static int
s_new (kind_t kind)
{
    for (int index = 0; index < FDS; index++)
        if (s_scene.fds [index].kind == FREE) {
            s_scene.fds [index] = (played_fd_t) { .kind = kind };
            s_scene.watched [index] = 0;
            return FD_BASE + index;
        }
    errno = EMFILE;
    return -1;
}

//  ---- the calls

static int
played_close (int fd)
{
    if (fd < FD_BASE)
        return 0;
    played_fd_t *at = s_fd (fd);
    if (!s_scene.in_child) {
        free (at->data);
        *at = (played_fd_t) { .kind = FREE };
    }
    return 0;
}

static void
s_told (const void *data, int fd);

static ssize_t
played_sendmsg (int fd, const struct msghdr *message, int flags)
{
    (void) flags;
    FUZZ_MUST (fd == 3 && !s_scene.in_child, "a report by %d", fd);
    int handed = -1;
    const struct cmsghdr *header = message->msg_controllen ? CMSG_FIRSTHDR (message) : NULL;
    if (header)
        memcpy (&handed, CMSG_DATA (header), sizeof handed);
    s_told (message->msg_iov->iov_base, handed);
    return (ssize_t) message->msg_iov->iov_len;
}

static ssize_t played_recvmsg (int fd, struct msghdr *message, int flags);
static int played_epoll_wait (int set, struct epoll_event *event, int most, int timeout);

static int
played_epoll_ctl (int set, int op, int fd, struct epoll_event *event)
{
    (void) set;
    if (fd >= FD_BASE && s_fd (fd)->kind == PIPE_READ && op == EPOLL_CTL_ADD)
        s_scene.watched [fd - FD_BASE] = (int) event->data.u32 + 1;
    return 0;
}

static int
played_pipe2 (int fds [2], int flags)
{
    (void) flags;
    if (fuzz_number (&s_scene.input, 1) % 32 == 31) {
        errno = EMFILE;
        return -1;
    }
    fds [0] = s_new (PIPE_READ);
    fds [1] = fds [0] < 0 ? -1 : s_new (PIPE_WRITE);
    if (fds [1] < 0) {
        if (fds [0] >= 0)
            played_close (fds [0]);
        errno = EMFILE;
        return -1;
    }
    s_scene.pipe = fds [0];
    s_fd (fds [0])->pipe = s_fd (fds [1])->pipe = -1;
    return 0;
}

//  The child runs at once, inside this process, until it executes or gives up.
static pid_t
played_fork (void)
{
    scene_t *self = &s_scene;
    if (self->count == CHILDREN) {
        errno = EAGAIN;
        return -1;
    }
    played_child_t *child = &self->children [self->count];
    *child = (played_child_t) { .pid = (pid_t) (1000 + self->count) };
    s_fd (self->pipe)->pipe = (int) self->count++;
    return 0;
}

static ssize_t
played_read (int fd, void *data, size_t size)
{
    if (fd < FD_BASE) {
        errno = EAGAIN;
        return -1;
    }
    played_fd_t *at = s_fd (fd);
    FUZZ_MUST (at->kind == PIPE_READ && at->pipe >= 0, "descriptor %d is read", fd);
    played_child_t *child = &s_scene.children [at->pipe];
    if (!child->said && !child->closed) {
        errno = EAGAIN;
        return -1;
    }
    size_t part = child->said < size ? child->said : size;
    memcpy (data, child->words, part);
    child->said = 0;
    return (ssize_t) part;
}

static ssize_t
played_write (int fd, const void *data, size_t size)
{
    scene_t *self = &s_scene;
    (void) fd;
    if (!self->in_child || !self->count)
        return (ssize_t) size;
    played_child_t *child = &self->children [self->count - 1];
    FUZZ_MUST (size == sizeof child->words, "a report of %zu bytes", size);
    memcpy (child->words, data, size);
    child->said = size;
    return (ssize_t) size;
}

static void
s_leave (int status)
{
    scene_t *self = &s_scene;
    played_child_t *child = &self->children [self->count - 1];
    FUZZ_MUST (self->in_child, "init ends by itself");
    child->ended = true;
    child->status = status << 8;
    child->closed = true;
    self->reaps = true;
    longjmp (self->child, 1);
}

__attribute__ ((noreturn)) static void
played__exit (int status)
{
    s_leave (status);
    abort ();
}

extern char **s_environment;
char **s_environment;

//  What is executed is what the blob says.
static int
played_execvp (const char *file, char *const argv [])
{
    scene_t *self = &s_scene;
    played_child_t *child = &self->children [self->count - 1];
    FUZZ_MUST (self->sound && file == argv [0], "a blob that lies is executed");
    const uint8_t *at = self->expected, *end = at + self->expected_size;
    at += strlen ((const char *) at) + 1;               //  Its folder
    for (int list = 0; list < 2; list++) {
        char *const *items = list ? s_environment : argv;
        uint32_t count = list ? self->envc : self->argc;
        for (uint32_t index = 0; index < count; index++) {
            FUZZ_MUST (items [index] && at < end && strcmp (items [index], (const char *) at) == 0,
                       "text %u of list %d differs", index, list);
            at += strlen ((const char *) at) + 1;
        }
        FUZZ_MUST (!items [count], "list %d has no end", list);
    }
    if (fuzz_number (&self->input, 1) & 1) {
        errno = ENOENT;
        return -1;
    }
    child->closed = true;
    longjmp (self->child, 1);
}

static int
played_fstat (int fd, struct stat *status)
{
    memset (status, 0, sizeof *status);
    status->st_size = s_fd (fd)->kind == BLOB ? (off_t) s_fd (fd)->size : 0;
    return 0;
}

static ssize_t
played_pread (int fd, void *data, size_t size, off_t at)
{
    const played_fd_t *from = s_fd (fd);
    size_t left = from->kind == BLOB && (size_t) at < from->size ? from->size - (size_t) at : 0;
    size_t part = left < size ? left : size;
    if (part)
        memcpy (data, from->data + at, part);
    return (ssize_t) part;
}

//  Exactly what the blob has: what is read behind it is seen by the sanitizer.
static void *
played_malloc (size_t size)
{
    scene_t *self = &s_scene;
    FUZZ_MUST (self->in_child, "memory is taken");
    if (self->tracked_count == TRACKED || size > 1 << 20)
        return NULL;
    return self->tracked [self->tracked_count++] = malloc (size);
}

static void *
played_mmap (void *where, size_t size, int protection, int flags, int fd, off_t at)
{
    (void) where, (void) protection, (void) flags, (void) at;
    const played_fd_t *from = s_fd (fd);
    FUZZ_MUST (from->kind == BLOB && size == from->size, "a map of %zu bytes", size);
    void *copy = played_malloc (size);
    if (!copy)
        return MAP_FAILED;
    return memcpy (copy, from->data, size);
}

static int
played_dup2 (int from, int to)
{
    if (s_scene.in_child)
        FUZZ_MUST (to < 3 && (from < FD_BASE || s_fd (from)), "%d becomes %d", from, to);
    return to;
}

static int
played_chdir (const char *path)
{
    (void) path;
    if (fuzz_number (&s_scene.input, 1) % 8 == 7) {
        errno = ENOENT;
        return -1;
    }
    return 0;
}

static int
played_open (const char *path, int flags, ...)
{
    (void) flags;
    if (strcmp (path, "/dev/ptmx"))
        return -1;                      //  /dev/null, at the start; the list of children, at the end
    return s_new (OTHER);
}

static int
played_ioctl (int fd, unsigned long request, ...)
{
    (void) fd;
    if (request == TIOCGPTPEER)
        return fuzz_number (&s_scene.input, 1) % 8 == 7 ? (errno = EIO, -1) : s_new (OTHER);
    return 0;
}

static int
played_kill (pid_t pid, int number)
{
    FUZZ_MUST (pid < -1 || pid > 1, "a signal to %d", pid);
    pid_t target = pid < 0 ? -pid : pid;
    FUZZ_MUST (number >= 0 && number <= 64, "signal %d", number);
    for (unsigned index = 0; index < s_scene.count; index++)
        if (s_scene.children [index].pid == target)
            return 0;
    for (unsigned slot = 0; pid < 0 && slot < BERTH_COUNT (s_scene.state); slot++)
        if (s_scene.state [slot] == 3 && s_scene.owner [slot] == target)
            return 0;                   //  What is left of its group
    fuzz_broken (__FILE__, __LINE__, "kill", "a signal to %d, which is no child of it", pid);
}

static pid_t
played_waitpid (pid_t pid, int *status, int flags)
{
    (void) flags;
    for (unsigned index = 0; index < s_scene.count; index++) {
        played_child_t *child = &s_scene.children [index];
        if (child->pid && child->ended && (pid == -1 || pid == child->pid)) {
            pid_t gone = child->pid;
            if (status)
                *status = child->status;
            child->pid = 0;
            return gone;
        }
    }
    errno = ECHILD;
    return -1;
}

static int
played_waitid (idtype_t type, id_t id, siginfo_t *info, int flags)
{
    (void) type, (void) id, (void) flags;
    for (unsigned index = 0; index < s_scene.count; index++)
        if (s_scene.children [index].pid && s_scene.children [index].ended) {
            info->si_pid = s_scene.children [index].pid;
            return 0;
        }
    return 0;
}

static long
played_syscall (long number, ...)
{
    (void) number;
    return 0;
}

//  ---- the program, with these calls

#define close played_close
#define sendmsg played_sendmsg
#define recvmsg played_recvmsg
#define epoll_wait played_epoll_wait
#define epoll_ctl played_epoll_ctl
#define epoll_create1(flags) 5
#define signalfd(fd, mask, flags) 4
#define sigprocmask(how, set, old) ((void) (set), 0)
#define sigtimedwait(set, info, time) ((void) (set), (void) (info), (void) (time), -1)
#define prctl(...) 0
#define setsid() 0
#define umask(mask) 0
#define getpid() 1
#define fcntl(...) 0
#define pipe2 played_pipe2
#define fork() (played_fork () < 0 ? -1 : setjmp (s_scene.child) ? s_forked () : (s_scene.in_child = true, 0))
#define read played_read
#define write played_write
#define _exit played__exit
#define execvp played_execvp
#define environ s_environment
#define fstat played_fstat
#define pread played_pread
#define malloc played_malloc
#define mmap played_mmap
#define dup2 played_dup2
#define chdir played_chdir
#define open played_open
#define ioctl played_ioctl
#define kill played_kill
#define waitpid played_waitpid
#define waitid played_waitid
#define syscall played_syscall
#define main init_main

static pid_t
s_forked (void)
{
    s_scene.in_child = false;
    return s_scene.children [s_scene.count - 1].pid;
}

int init_main (int argc, char **argv);
#include BERTH_INIT            //  tools/berth_init.c, as CMakeLists.txt says

#undef close
#undef malloc
#undef main

#endif
