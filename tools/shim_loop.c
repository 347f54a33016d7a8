//  shim_loop.c - owns the shim's one loop, its set of descriptors and its log.

#include "relay.h"

#include "clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { IDLE_MS = 200 };             //  After which the buffer's pages are given back

uint8_t shim_buffer [SPOOL_RECORD_MAX] __attribute__ ((aligned (4096)));

void
watch_set (shim_t *shim, watch_t *self, uint32_t events)
{
    if (self->fd < 0 || self->events == events)
        return;
    struct epoll_event event = { .events = events, .data.ptr = self };
    int op = !events ? EPOLL_CTL_DEL : self->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    ENSURE (epoll_ctl (shim->poll, op, self->fd, &event) == 0);
    self->events = events;
}

void
watch_close (shim_t *shim, watch_t *self)
{
    if (self->fd < 0)
        return;
    watch_set (shim, self, 0);
    close (self->fd);
    self->fd = -1;
}

int64_t
shim_in (uint64_t ms)
{
    static const uint64_t century = 100ull * 365 * 86400 * 1000;
    return berth_mono_ms () + (int64_t) (ms < century ? ms : century);
}

static int64_t
s_due (const shim_t *self)
{
    int64_t due = INT64_MAX;
    for (const child_t *child = self->children; child; child = child->next) {
        int64_t at = shim_child_due (child);
        if (at < due)
            due = at;
    }
    if (self->relay)
        return relay_due (self);
    if (self->closing && self->close_at < due)
        due = self->close_at;
    if (self->spare_at && self->spare_at < due)
        due = self->spare_at;
    return due;
}

static void
s_tick (shim_t *self)
{
    int64_t now = berth_mono_ms ();
    if (self->relay) {
        relay_tick (self, now);
        return;
    }
    for (child_t *child = self->children, *next; child; child = next) {
        next = child->next;
        if (shim_child_due (child) <= now)
            shim_child_tick (self, child, now);
    }
    if (self->closing)
        shim_close_tick (self, now);
    else if (self->spare_at && self->spare_at <= now)
        shim_spare_make (self, self->open.folder);
}

void
shim_run (shim_t *self)
{
    bool clean = true;
    while (!self->done) {
        int64_t due = s_due (self), now = berth_mono_ms ();
        int wait_ms = due == INT64_MAX ? -1 : due <= now ? 0 : due - now > 60000 ? 60000
                    : (int) (due - now);
        if (!clean && (wait_ms < 0 || wait_ms > IDLE_MS))
            wait_ms = IDLE_MS;
        //  One at a time: an event may end what another one of the same wait belongs to
        struct epoll_event event;
        int count = epoll_wait (self->poll, &event, 1, wait_ms);
        ENSURE (count >= 0 || errno == EINTR);
        if (count > 0) {
            watch_t *watch = event.data.ptr;
            watch->ready (self, watch, event.events);
            clean = false;
        }
        else if (!clean && wait_ms == IDLE_MS) {
            (void) madvise (shim_buffer, sizeof shim_buffer, MADV_DONTNEED);
            clean = true;
        }
        s_tick (self);
        shim_peers_settle (self);
        arena_clear (self->scratch);
    }
}

static void
s_log_write (shim_t *self, const char *text, size_t size)
{
    if (self->log < 0 || self->log_size + size > SHIM_LOG_MAX)
        return;
    self->log_size += size;
    (void) !write (self->log, text, size);
}

void
shim_log (shim_t *self, const char *format, ...)
{
    char line [512], when [32];
    berth_time_text (berth_wall_ms (), when, sizeof when);
    int size = snprintf (line, sizeof line, "%s ", when);
    va_list args;
    va_start (args, format);
    int more = vsnprintf (line + size, sizeof line - (size_t) size - 1, format, args);
    va_end (args);
    size += more < (int) sizeof line - size - 1 ? more : (int) sizeof line - size - 2;
    line [size++] = '\n';
    s_log_write (self, line, (size_t) size);
}

void
shim_log_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    char text [1024];
    ssize_t got = read (self->fd, text, sizeof text);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        watch_close (shim, self);
        return;
    }
    s_log_write (shim, text, (size_t) got);
    //  A line may come in pieces; a new one replaces what was said before
    size_t filled = strlen (shim->last_words);
    for (ssize_t index = 0; index < got; index++) {
        if (shim->line_ended && text [index] != '\n') {
            filled = 0;
            shim->line_ended = false;
        }
        if (text [index] == '\n')
            shim->line_ended = true;
        else if (filled < sizeof shim->last_words - 1)
            shim->last_words [filled++] = text [index];
        shim->last_words [filled] = 0;
    }
}
