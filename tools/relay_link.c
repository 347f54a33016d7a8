//  relay_link.c - owns a relay's connection: what is said, what is heard, and what follows when it breaks.

#include "relay.h"

#include "clock.h"
#include "codec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 262144, NOISE_MAX = 1048576 };

static const char *
s_text (shim_t *self, berth_bytes_t bytes)
{
    return arena_text (self->scratch, (const char *) bytes.data, bytes.size);
}

void
relay_room (relay_buffer_t *self, size_t more)
{
    size_t need = self->size + more, room = self->room ? self->room : 65536;
    while (room < need)
        room *= 2;
    if (room == self->room)
        return;
    self->data = realloc (self->data, room);
    ENSURE (self->data);
    self->room = room;
}

void
relay_forget (relay_buffer_t *self)
{
    free (self->data);
    *self = (relay_buffer_t) { 0 };
}

//  It could not be reached, or it broke: why, and when to try again.
void
relay_broken (shim_t *self, bool timed_out)
{
    static const int64_t waits [] = { 100, 500, 2000, 5000, 15000, 30000 };
    struct relay *relay = self->relay;
    berth_error_t why;
    relay_blame (relay, timed_out, &why);
    bool fresh = relay->phase != RELAY_UP;
    relay_hang_up (self);
    if (timed_out)                              //  A master that hangs is left to its own end
        (void) unlink (s_text (self, relay->told->control));
    if (!relay->opened) {
        relay_failed (self, &why);
        return;
    }
    relay->tries = fresh ? relay->tries + 1 : 0;
    size_t last = BERTH_COUNT (waits) - 1;
    relay->retry_at = berth_mono_ms () + waits [relay->tries < last ? relay->tries : last];
    shim_log (self, "connection lost: %s (%s)", why.text, why.cause);
}

//  ---- speaking

static void
s_flush (shim_t *self)
{
    struct relay *relay = self->relay;
    size_t done = 0;
    while (relay->in.fd >= 0 && done < relay->sent.size) {
        ssize_t size = write (relay->in.fd, relay->sent.data + done, relay->sent.size - done);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)                           //  Gone: that is seen at its stdout
            break;
        done += (size_t) size;
    }
    relay->sent.size -= done;
    if (relay->sent.size)
        memmove (relay->sent.data, relay->sent.data + done, relay->sent.size);
    watch_set (self, &relay->in, relay->sent.size ? EPOLLOUT : 0);
}

static void
s_in_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    if (events & EPOLLERR) {                    //  Nobody reads it any more: its stdout will say so
        watch_close (shim, self);
        return;
    }
    s_flush (shim);
}

static void
s_add (shim_t *self, const void *data, size_t size)
{
    relay_buffer_t *sent = &self->relay->sent;
    relay_room (sent, size);
    memcpy (sent->data + sent->size, data, size);
    sent->size += size;
}

void
relay_say (shim_t *self, const void *data, size_t size)
{
    s_add (self, data, size);
    s_flush (self);
}

void
relay_send (shim_t *self, uint8_t what, const void *head, size_t head_size, const void *data,
            size_t size)
{
    uint32_t length = (uint32_t) (1 + head_size + size);
    s_add (self, &length, sizeof length);
    s_add (self, &what, 1);
    if (head_size)
        s_add (self, head, head_size);
    if (size)
        s_add (self, data, size);
    s_flush (self);
}

void
relay_send_message (shim_t *self, const shim_message_t *message)
{
    berth_bytes_t frame = berth_pack (&shim_message_schema, message, self->scratch);
    relay_send (self, FAR_SHIM, NULL, 0, frame.data, frame.size);
}

//  ---- the script

static void
s_send_program (shim_t *self)
{
    const char *path = s_text (self, self->relay->told->program);
    int file = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;
    while (file >= 0 && got > 0) {
        relay_room (&self->relay->sent, READ_SIZE);
        got = read (file, self->relay->sent.data + self->relay->sent.size, READ_SIZE);
        self->relay->sent.size += got > 0 ? (size_t) got : 0;
    }
    if (file >= 0)
        close (file);
    s_flush (self);
}

static void
s_ask (shim_t *self)
{
    struct relay *relay = self->relay;
    relay->phase = RELAY_ASKED;
    relay_remove_key (self);
    shim_relay_t told = { .host = relay->told->host };
    berth_put (shim_relay, &told, end, relay->told->end);
    berth_put (shim_relay, &told, keep, relay->told->keep);
    shim_open_t ask = self->open;
    ask.relay = &told;
    berth_bytes_t frame = berth_pack (&shim_open_schema, &ask, self->scratch);
    uint8_t what = relay->told->end ? FAR_END : relay->opened ? FAR_JOIN : FAR_OPEN;
    relay_send (self, what, NULL, 0, frame.data, frame.size);
}

static void
s_line (shim_t *self, const char *line)
{
    struct relay *relay = self->relay;
    size_t size = strlen (relay->mark);
    if (strncmp (line, relay->mark, size) || line [size] != ' ')
        return;                                 //  Noise of the login shell
    line += size + 1;
    if (strncmp (line, "here ", 5) == 0) {
        //  Only the machine: the folder is told by the program
        char system [64] = "", machine [64] = "";
        (void) sscanf (line + 5, "%63s %63s", system, machine);
        snprintf (relay->system, sizeof relay->system, "%s on %s", system, machine);
    }
    else if (strcmp (line, "want") == 0)
        s_send_program (self);
    else if (strncmp (line, "fail ", 5) == 0)
        snprintf (relay->failed, sizeof relay->failed, "%s", line + 5);
    else if (strcmp (line, "go") == 0)
        s_ask (self);
}

static void
s_lines (shim_t *self)
{
    struct relay *relay = self->relay;
    size_t at = 0;
    while (relay->phase == RELAY_SCRIPT) {
        uint8_t *from = relay->heard.data + at;
        uint8_t *end = relay->heard.size > at ? memchr (from, '\n', relay->heard.size - at) : NULL;
        if (!end)
            break;
        s_line (self, arena_text (self->scratch, (char *) from, (size_t) (end - from)));
        at += (size_t) (end - from) + 1;
    }
    relay->heard.size -= at;
    memmove (relay->heard.data, relay->heard.data + at, relay->heard.size);
    if (relay->phase == RELAY_SCRIPT && relay->heard.size > NOISE_MAX)
        relay->heard.size = 0;
}

//  ---- listening

void
relay_frames (shim_t *self)
{
    struct relay *relay = self->relay;
    size_t at = 0;
    while (relay->phase >= RELAY_ASKED && !relay->refused && relay->heard.size - at >= 4) {
        uint32_t length;
        memcpy (&length, relay->heard.data + at, 4);
        if (!length || length > FAR_FRAME_MAX) {
            relay_broken (self, false);
            return;
        }
        if (relay->heard.size - at < 4 + (size_t) length)
            break;
        const uint8_t *frame = relay->heard.data + at + 4;
        bool good = relay_frame (self, frame [0], (berth_bytes_t) { frame + 1, length - 1 });
        if (self->done || relay->phase == RELAY_DOWN)
            return;
        if (!good) {
            shim_log (self, "the other side says nonsense");
            relay_broken (self, false);
            return;
        }
        if (!relay->refused)
            at += 4 + length;
    }
    relay->heard.size -= at;
    memmove (relay->heard.data, relay->heard.data + at, relay->heard.size);
    watch_set (self, &relay->out, relay->refused ? 0 : EPOLLIN);
}

static void
s_out_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    struct relay *relay = shim->relay;
    relay_room (&relay->heard, READ_SIZE);
    ssize_t got = read (self->fd, relay->heard.data + relay->heard.size, READ_SIZE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        //  Its last words may lie there still
        if (relay->err.fd >= 0)
            relay->err.ready (shim, &relay->err, EPOLLIN);
        relay_broken (shim, false);
        return;
    }
    relay->heard.size += (size_t) got;
    relay->heard_at = berth_mono_ms ();
    relay->pinged_at = 0;
    if (relay->phase == RELAY_SCRIPT)
        s_lines (shim);
    if (relay->phase >= RELAY_ASKED)
        relay_frames (shim);
}

static void
s_err_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    struct relay *relay = shim->relay;
    char text [1024];
    ssize_t got;
    while ((got = read (self->fd, text, sizeof text)) > 0) {
        size_t filled = strlen (relay->words), room = sizeof relay->words - 1;
        size_t keep = filled + (size_t) got > room ? room - (size_t) got : filled;
        memmove (relay->words, relay->words + filled - keep, keep);
        memcpy (relay->words + keep, text, (size_t) got);
        relay->words [keep + (size_t) got] = 0;
        for (char *at = relay->words + keep; *at; at++)
            if ((unsigned char) *at < 32 && *at != '\n')
                *at = ' ';
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR))
        watch_close (shim, self);
}

void
relay_attach (shim_t *self, int in, int out, int err)
{
    self->relay->in = (watch_t) { .fd = in, .ready = s_in_ready };
    self->relay->out = (watch_t) { .fd = out, .ready = s_out_ready };
    self->relay->err = (watch_t) { .fd = err, .ready = s_err_ready };
}
