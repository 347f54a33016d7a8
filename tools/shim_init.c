//  shim_init.c - owns the talk with berth-init, which is believed nothing.

#include "shim_state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_FDS = 1 };

bool
shim_init_send (shim_t *self, const init_request_t *request, const int *fds, size_t count)
{
    union {
        char bytes [CMSG_SPACE (4 * sizeof (int))];
        struct cmsghdr align;
    } control;
    struct iovec part = { (void *) (uintptr_t) request, sizeof *request };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    ENSURE (count <= 4);
    if (self->init.fd < 0)
        return false;
    if (count) {
        memset (&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE (count * sizeof (int));
        struct cmsghdr *header = CMSG_FIRSTHDR (&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN (count * sizeof (int));
        memcpy (CMSG_DATA (header), fds, count * sizeof (int));
    }
    //  Never waits: an init that does not read would hold us
    return sendmsg (self->init.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)
        == (ssize_t) sizeof *request;
}

void
shim_init_settle (shim_t *self)
{
    for (uint32_t slot = 0; self->owed_count && slot < INIT_SLOTS; slot++) {
        init_request_t forget = { .op = INIT_FORGET, .slot = slot };
        if (!self->owed [slot])
            continue;
        if (!shim_init_send (self, &forget, NULL, 0))
            return;
        self->owed [slot] = false;
        self->owed_count--;
    }
}

void
shim_init_forget (shim_t *self, uint32_t slot)
{
    self->owed [slot] = true;
    self->owed_count++;
    shim_init_settle (self);
}

//  Whatever was sent as a terminal's master must be one: nothing else could be watched safely.
static bool
s_is_master (int fd)
{
    struct stat status;
    unsigned number;
    int flags;
    return fd >= 0 && fstat (fd, &status) == 0 && S_ISCHR (status.st_mode)
        && ioctl (fd, TIOCGPTN, &number) == 0
        && (flags = fcntl (fd, F_GETFL)) >= 0 && fcntl (fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

//  A wait status of a process that has ended, by a signal that there is: what else it may say would
//  be told on, and nobody could read that end.
static bool
s_is_end (int status)
{
    return (status & ~0xffff) == 0
        && (WIFEXITED (status) || (WIFSIGNALED (status) && WTERMSIG (status) <= SIGRTMAX));
}

//  Takes a report. False if it does not fit what is known.
static bool
s_report (shim_t *self, const init_report_t *report, int fd)
{
    if (report->slot >= INIT_SLOTS)
        return false;
    child_t *child = self->slots [report->slot];
    if (!child)
        return false;
    if (report->op == INIT_STARTED && child->state == CHILD_STARTING) {
        if (child->tty != (fd >= 0) || (child->tty && !s_is_master (fd)))
            return false;
        int copy = fd < 0 ? -1 : fcntl (fd, F_DUPFD_CLOEXEC, 3);
        if (fd >= 0 && copy < 0)
            return false;
        shim_child_started (self, child, report->value, copy);
        return true;
    }
    if (report->op == INIT_FAILED && child->state == CHILD_STARTING && fd < 0) {
        shim_child_failed (self, child, report->value, report->stage);
        return true;
    }
    if (report->op == INIT_EXITED && child->state == CHILD_RUNNING && fd < 0
        && s_is_end (report->value)) {
        shim_child_exited (self, child, report->value);
        return true;
    }
    return false;
}

void
shim_init_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    init_report_t report;
    union {
        char bytes [CMSG_SPACE (sizeof (struct ucred)) + CMSG_SPACE (REPORT_FDS * sizeof (int))];
        struct cmsghdr align;
    } control;
    struct iovec part = { &report, sizeof report };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
    };
    ssize_t got = recvmsg (self->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        shim_log (shim, "walls ended: init is gone");
        watch_close (shim, self);
        shim_close (shim, exec_cause_PROVIDER_LOST, 0);
        return;
    }
    int fd = -1;
    bool right = got == (ssize_t) sizeof report && !(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC));
    for (struct cmsghdr *header = CMSG_FIRSTHDR (&message); header;
         header = CMSG_NXTHDR (&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (header->cmsg_len - CMSG_LEN (0)) / sizeof (int);
        for (size_t index = 0; index < count; index++) {
            int one;
            memcpy (&one, CMSG_DATA (header) + index * sizeof (int), sizeof one);
            if (fd < 0)
                fd = one;
            else {
                close (one);
                right = false;
            }
        }
    }
    if (right)
        right = s_report (shim, &report, fd);
    if (fd >= 0)
        close (fd);
    if (!right) {
        shim_log (shim, "place ended: init said what does not fit (op %u, slot %u)", report.op,
                  report.slot);
        shim_close (shim, exec_cause_PROVIDER_LOST, 0);
    }
}
