//  berth_init.c - owns the inside of a place: its first process, which starts, signals and reaps.
//
//  Static, without libraries, never sanitized: it runs behind walls that may hold nothing else.

#include "init_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
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

enum { SOCKET = 3, FDS_MAX = 4 };
enum { WATCH_SOCKET = INIT_SLOTS, WATCH_SIGNALS };

typedef struct {
    pid_t pid;              //  0: the slot is free
    bool exited;            //  Reaped; the group may live on
    int report;             //  Says why exec failed, or closes; -1 behind that
    int master;             //  Of its terminal, until it is handed out; -1
} slot_t;

static slot_t s_slots [INIT_SLOTS];
static int s_poll;
static int s_signals;

static void
s_close (int *fd)
{
    if (*fd >= 0)
        close (*fd);
    *fd = -1;
}

//  Waits for room: the shim always reads. It is gone if this fails, and the loop will see that.
static void
s_tell (uint32_t op, uint32_t slot, int32_t value, uint32_t stage, int fd)
{
    init_report_t report = { op, slot, value, stage };
    struct iovec part = { &report, sizeof report };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    union {
        char bytes [CMSG_SPACE (sizeof (int))];
        struct cmsghdr align;
    } control;
    if (fd >= 0) {
        memset (&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR (&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN (sizeof (int));
        memcpy (CMSG_DATA (header), &fd, sizeof (int));
    }
    while (sendmsg (SOCKET, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue;
}

//  ---- the child, between fork and exec

static void
s_give_up (int report, uint32_t stage, int number)
{
    int32_t words [2] = { (int32_t) stage, number };
    (void) !write (report, words, sizeof words);
    _exit (127);
}

static char **
s_list (char **text, const char *end, uint32_t count)
{
    char **list = malloc ((count + 1) * sizeof *list);
    for (uint32_t index = 0; list && index < count; index++) {
        char *zero = *text < end ? memchr (*text, 0, (size_t) (end - *text)) : NULL;
        if (!zero)
            return NULL;
        list [index] = *text;
        *text = zero + 1;
    }
    if (list)
        list [count] = NULL;
    return list;
}

static void
s_child (int blob, const int fds [3], bool tty, int report)
{
    setsid ();
    if (tty && ioctl (fds [0], TIOCSCTTY, 0))
        s_give_up (report, INIT_AT_TTY, errno);
    //  None of these is below 3, so that nothing is overwritten before it was copied
    for (int index = 0; index < 3; index++)
        if (dup2 (fds [index], index) < 0)
            s_give_up (report, INIT_AT_FORK, errno);

    struct stat status;
    init_blob_t head;
    if (fstat (blob, &status) || status.st_size < (off_t) sizeof head
    || pread (blob, &head, sizeof head, 0) != (ssize_t) sizeof head
    || status.st_size != (off_t) (sizeof head + head.size) || head.argc == 0
    || head.argc > INIT_BLOB_MAX || head.envc > INIT_BLOB_MAX)
        s_give_up (report, INIT_AT_FORK, EINVAL);
    char *text = mmap (NULL, (size_t) status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, blob, 0);
    if (text == MAP_FAILED)
        s_give_up (report, INIT_AT_FORK, errno);
    const char *end = text + status.st_size;
    text += sizeof head;
    char **cwd = s_list (&text, end, 1);
    char **argv = s_list (&text, end, head.argc);
    char **env = s_list (&text, end, head.envc);
    if (!cwd || !argv || !env)
        s_give_up (report, INIT_AT_FORK, EINVAL);
    if (chdir (cwd [0]))
        s_give_up (report, INIT_AT_CWD, errno);

    sigset_t none;
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    umask (022);
    environ = env;                      //  Where execvp looks for PATH
    execvp (argv [0], argv);
    s_give_up (report, INIT_AT_EXEC, errno);
}

//  ---- requests

//  A terminal on the place's own devpts.
static int
s_open_tty (const init_request_t *ask, int *ret_master, int *ret_slave)
{
    int master = open ("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0)
        return -1;
    int unlock = 0;
    struct winsize size = { .ws_row = ask->rows, .ws_col = ask->cols };
    int slave = -1;
    if (ioctl (master, TIOCSPTLCK, &unlock) == 0 && ioctl (master, TIOCSWINSZ, &size) == 0)
        slave = ioctl (master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) {
        int saved = errno;
        close (master);
        errno = saved;
        return -1;
    }
    *ret_master = master;
    *ret_slave = slave;
    return 0;
}

static void
s_start (const init_request_t *ask, const int *fds, int count)
{
    bool tty = ask->flags & INIT_TTY;
    if (ask->slot >= INIT_SLOTS || s_slots [ask->slot].pid || count != (tty ? 1 : 4)) {
        s_tell (INIT_FAILED, ask->slot, EINVAL, INIT_AT_FORK, -1);
        return;
    }
    slot_t *slot = &s_slots [ask->slot];
    *slot = (slot_t) { .report = -1, .master = -1 };
    int streams [3], slave = -1, report [2];
    if (tty) {
        if (s_open_tty (ask, &slot->master, &slave)) {
            s_tell (INIT_FAILED, ask->slot, errno, INIT_AT_TTY, -1);
            return;
        }
        streams [0] = streams [1] = streams [2] = slave;
    }
    else
        memcpy (streams, fds + 1, sizeof streams);
    pid_t pid = -1;
    if (pipe2 (report, O_CLOEXEC | O_NONBLOCK) == 0) {
        pid = fork ();
        if (pid == 0)
            s_child (fds [0], streams, tty, report [1]);
        close (report [1]);
    }
    else
        report [0] = -1;
    int saved = errno;
    s_close (&slave);
    if (pid < 0) {
        s_close (&report [0]);
        s_close (&slot->master);
        s_tell (INIT_FAILED, ask->slot, saved, INIT_AT_FORK, -1);
        return;
    }
    slot->pid = pid;
    slot->report = report [0];
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = ask->slot };
    epoll_ctl (s_poll, EPOLL_CTL_ADD, slot->report, &event);
}

//  The child has executed, or said why it could not.
static void
s_settled (uint32_t index)
{
    slot_t *slot = &s_slots [index];
    int32_t words [2];
    ssize_t got = read (slot->report, words, sizeof words);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    s_close (&slot->report);
    if (got == (ssize_t) sizeof words) {
        s_close (&slot->master);
        (void) waitpid (slot->pid, NULL, 0);
        slot->pid = 0;
        s_tell (INIT_FAILED, index, words [1], (uint32_t) words [0], -1);
        return;
    }
    s_tell (INIT_STARTED, index, slot->pid, 0, slot->master);
    s_close (&slot->master);
}

static void
s_signal (const init_request_t *ask)
{
    if (ask->slot >= INIT_SLOTS || !s_slots [ask->slot].pid || ask->number > 64)
        return;
    slot_t *slot = &s_slots [ask->slot];
    for (int index = 0; slot->exited && index < INIT_SLOTS; index++)
        if (s_slots [index].pid == slot->pid && !s_slots [index].exited)
            return;                     //  The number belongs to somebody else by now
    if (kill (-slot->pid, (int) ask->number) && errno == ESRCH && !slot->exited)
        kill (slot->pid, (int) ask->number);        //  It has not come to its setsid yet
}

//  False when the shim is gone.
static bool
s_request (void)
{
    init_request_t ask;
    struct iovec part = { &ask, sizeof ask };
    union {
        char bytes [CMSG_SPACE (FDS_MAX * sizeof (int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
    };
    ssize_t got = recvmsg (SOCKET, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        return false;
    int fds [FDS_MAX], count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR (&message); header;
         header = CMSG_NXTHDR (&message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            count = (int) ((header->cmsg_len - CMSG_LEN (0)) / sizeof (int));
            memcpy (fds, CMSG_DATA (header), (size_t) count * sizeof (int));
        }
    if (got == (ssize_t) sizeof ask) {
        if (ask.op == INIT_START)
            s_start (&ask, fds, count);
        else if (ask.op == INIT_SIGNAL)
            s_signal (&ask);
        else if (ask.op == INIT_FORGET && ask.slot < INIT_SLOTS && s_slots [ask.slot].exited)
            s_slots [ask.slot].pid = 0;
    }
    for (int index = 0; index < count; index++)
        close (fds [index]);
    return true;
}

static void
s_reap (void)
{
    struct signalfd_siginfo info;
    while (read (s_signals, &info, sizeof info) == (ssize_t) sizeof info)
        continue;
    siginfo_t peek = { 0 };
    while (waitid (P_ALL, 0, &peek, WEXITED | WNOHANG | WNOWAIT) == 0 && peek.si_pid) {
        pid_t pid = peek.si_pid;
        for (uint32_t index = 0; index < INIT_SLOTS; index++)
            if (s_slots [index].pid == pid && !s_slots [index].exited) {
                if (s_slots [index].report >= 0)
                    s_settled (index);              //  STARTED or FAILED comes first
                if (s_slots [index].pid == 0)
                    break;
                int status = 0;
                (void) waitpid (pid, &status, 0);
                s_slots [index].exited = true;
                s_tell (INIT_EXITED, index, status, 0, -1);
                break;
            }
        (void) waitpid (pid, NULL, WNOHANG);        //  An orphan's; gone already if it was ours
        peek.si_pid = 0;
    }
}

//  ---- the end

//  Without a pid namespace nobody ends the children for us. Those of a child that is killed become
//  ours, so killing all of ours until there are none gets everyone.
static void
s_kill_children (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    for (time_t until = now.tv_sec + 3; now.tv_sec < until; clock_gettime (CLOCK_MONOTONIC, &now)) {
        char text [4096];
        int file = open ("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
        ssize_t got = file < 0 ? -1 : read (file, text, sizeof text - 1);
        s_close (&file);
        text [got > 0 ? got : 0] = 0;
        char *at = text;
        for (long pid = strtol (at, &at, 10); pid > 1; pid = strtol (at, &at, 10))
            if (*at == ' ')                         //  A number at the very end may be half
                kill ((pid_t) pid, SIGKILL);
        for (int index = 0; index < INIT_SLOTS; index++)
            if (s_slots [index].pid)
                kill (-s_slots [index].pid, SIGKILL);
        pid_t gone;
        while ((gone = waitpid (-1, NULL, WNOHANG)) > 0)
            continue;
        if (gone < 0)
            return;
        struct timespec short_while = { 0, 5000000 };
        sigset_t children;
        sigemptyset (&children);
        sigaddset (&children, SIGCHLD);
        (void) sigtimedwait (&children, NULL, &short_while);
    }
}

static int
s_set_up (const char *number)
{
    char *end;
    long fd = strtol (number, &end, 10);
    if (*end || fd < 0 || fd > INT_MAX)
        return -1;
    if (fd != SOCKET && dup2 ((int) fd, SOCKET) < 0)
        return -1;
    syscall (SYS_close_range, SOCKET + 1, ~0u, 0);
    if (fcntl (SOCKET, F_SETFD, FD_CLOEXEC))
        return -1;
    prctl (PR_SET_DUMPABLE, 0);
    if (getpid () != 1)
        prctl (PR_SET_CHILD_SUBREAPER, 1);
    sigset_t all;
    sigfillset (&all);
    sigprocmask (SIG_SETMASK, &all, NULL);
    sigset_t children;
    sigemptyset (&children);
    sigaddset (&children, SIGCHLD);
    s_signals = signalfd (-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    s_poll = epoll_create1 (EPOLL_CLOEXEC);
    struct epoll_event socket = { .events = EPOLLIN, .data.u32 = WATCH_SOCKET };
    struct epoll_event signals = { .events = EPOLLIN, .data.u32 = WATCH_SIGNALS };
    if (s_signals < 0 || s_poll < 0 || epoll_ctl (s_poll, EPOLL_CTL_ADD, SOCKET, &socket)
    || epoll_ctl (s_poll, EPOLL_CTL_ADD, s_signals, &signals))
        return -1;
    return 0;
}

#ifdef BERTH_FAR                        //  One of several programs in one file (far.c)
#include "far.h"
#define main berth_init_main
#endif

int
main (int argc, char **argv)
{
    if (argc != 2 || s_set_up (argv [1])) {
        static const char text [] = "berth-init: started by berth-shim only\n";
        (void) !write (STDERR_FILENO, text, sizeof text - 1);
        return 2;
    }
    s_tell (INIT_HELLO, 0, INIT_VERSION, 0, -1);
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd < 3; fd++)
        (void) dup2 (null, fd);
    if (null > 2)
        close (null);
    bool running = true;
    while (running) {
        struct epoll_event event;
        int rc = epoll_wait (s_poll, &event, 1, -1);
        if (rc < 0 && errno != EINTR)
            break;
        if (rc <= 0)
            continue;
        if (event.data.u32 == WATCH_SOCKET)
            running = s_request ();
        else if (event.data.u32 == WATCH_SIGNALS)
            s_reap ();
        else if (s_slots [event.data.u32].report >= 0)
            s_settled (event.data.u32);
    }
    if (getpid () != 1)
        s_kill_children ();
    return 0;
}
