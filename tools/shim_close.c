//  shim_close.c - owns the end of a place: its execs first, then every process, then its traces.

#include "relay.h"

#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void
shim_close (shim_t *self, exec_cause_t cause, uint64_t grace_ms)
{
    if (self->relay) {
        relay_close (self, grace_ms);
        return;
    }
    int64_t now = berth_mono_ms (), at = shim_in (grace_ms);
    if (self->closing) {
        if (at < self->close_at)
            self->close_at = at;
        return;
    }
    self->closing = cause;
    self->close_at = self->children ? at : now;
    if (grace_ms)
        for (child_t *child = self->children, *next; child; child = next) {
            next = child->next;
            shim_child_end (self, child, cause, grace_ms);
        }
}

//  Waits for the walls and whatever became our child because its parent went.
static bool
s_reap_walls (shim_t *self, int64_t deadline)
{
    while (self->walls > 0) {
        pid_t gone = waitpid (self->walls, NULL, WNOHANG);
        if (gone == self->walls || (gone < 0 && errno == ECHILD)) {
            self->walls = 0;
            break;
        }
        int64_t left = deadline - berth_mono_ms ();
        if (left <= 0)
            return false;
        struct pollfd wait = { .fd = self->walls_watch.fd, .events = POLLIN };
        (void) poll (&wait, 1, self->walls_watch.fd >= 0 ? (int) left : 1);
    }
    while (waitpid (-1, NULL, WNOHANG) > 0)
        continue;
    return true;
}

//  Its first process ends when all others of the namespace have; the walls around it may go sooner.
static bool
s_end_namespace (shim_t *self, int64_t deadline)
{
    if (self->init_pidfd < 0)
        return true;
    (void) syscall (SYS_pidfd_send_signal, self->init_pidfd, SIGKILL, NULL, 0);
    int64_t left = deadline - berth_mono_ms ();
    struct pollfd wait = { .fd = self->init_pidfd, .events = POLLIN };
    return poll (&wait, 1, left > 0 ? (int) left : 0) == 1;
}

bool
shim_end_processes (shim_t *self)
{
    int64_t deadline = berth_mono_ms () + SHIM_END_MS;
    berth_error_t err = { 0 };
    bool by_cgroup = cgroup_ends_by (&self->cgroup);
    //  Init ends at the end of its socket: with its pid namespace, or killing its children
    watch_close (self, &self->init);
    if (by_cgroup && cgroup_end (&self->cgroup, deadline, &err)) {
        shim_log (self, "%s", err.text);
        return false;
    }
    if (!by_cgroup && self->open.pid_namespace && !s_end_namespace (self, deadline)) {
        shim_log (self, "the first process of the place does not end");
        return false;
    }
    if (!by_cgroup && !self->open.pid_namespace && s_reap_walls (self, deadline - SHIM_END_MS / 5))
        return true;
    if (!by_cgroup && self->walls > 0)
        (void) kill (-self->walls, SIGKILL);
    if (!s_reap_walls (self, deadline)) {
        shim_log (self, "the walls of the place do not end");
        return false;
    }
    return true;
}

void
shim_unlock (shim_t *self)
{
    if (self->lock >= 0)
        close (self->lock);
    self->lock = -1;
}

void
shim_close_tick (shim_t *self, int64_t now)
{
    if (self->children && now < self->close_at)
        return;
    if (!shim_end_processes (self)) {
        self->close_at = berth_mono_ms () + SHIM_RETRY_MS;
        return;
    }
    bool written = true;
    for (child_t *child = self->children, *next; child; child = next) {
        next = child->next;
        written = shim_child_lose (self, child, self->closing) && written;
    }
    if (!written) {
        //  An end is told only when it is on disk
        self->close_at = berth_mono_ms () + SHIM_RETRY_MS;
        return;
    }
    cgroup_remove (&self->cgroup);
    shim_spare_remove (self);
    char path [4200];
    snprintf (path, sizeof path, "%.*s", (int) self->open.socket.size,
              (const char *) self->open.socket.data);
    (void) unlink (path);
    snprintf (path, sizeof path, "%.*s/shim.msgpack", (int) self->open.folder.size,
              (const char *) self->open.folder.data);
    (void) unlink (path);
    watch_close (self, &self->listener);
    shim_unlock (self);
    //  Told last: who hears it may open the next place under the same name
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_CLOSED);
    berth_put (shim_message, &message, place, self->open.place);
    shim_tell (self, &message);
    shim_peers_end (self, berth_mono_ms () + 1000);
    self->done = true;
}

void
shim_walls_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    watch_set (shim, self, 0);
    if (!shim->closing)
        shim_log (shim, "walls ended: %s", shim->last_words [0] ? shim->last_words : "no word");
    shim_close (shim, exec_cause_PROVIDER_LOST, 0);
}

//  Who asked for the place takes it with a byte, or is gone.
void
shim_call_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    uint8_t byte;
    ssize_t got = read (self->fd, &byte, 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    watch_close (shim, self);
    if (shim->relay && shim->relay->told->end)
        shim->done = true;                      //  It was only to end what was there
    else if (got != 1) {
        shim_log (shim, "place closed: nobody took it");
        shim_close (shim, exec_cause_LEASE_LOST, 0);
    }
}
