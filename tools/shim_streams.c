//  shim_streams.c - owns an exec's output on its way to the spool, and its stdin on the way in.

#include "shim_state.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

//  ---- output

void
shim_output_open (shim_t *self, child_t *child, int index, int fd)
{
    child->out [index] = (output_t) {
        .watch = { .fd = fd, .ready = shim_output_ready }, .child = child, .stream = index + 1
    };
    shim_output_watch (self, child);
}

void
shim_output_watch (shim_t *self, child_t *child)
{
    bool may = !child->held && spool_room (child->spool) > 0;
    for (int index = 0; index < 2; index++)
        watch_set (self, &child->out [index].watch, may ? EPOLLIN : 0);
}

void
shim_output_tell (shim_t *self, child_t *child, bool at_once)
{
    int64_t now = berth_mono_ms ();
    if (!at_once && now - child->told_at < SHIM_TELL_MS) {
        if (!child->tell_at)
            child->tell_at = child->told_at + SHIM_TELL_MS;
        return;
    }
    spool_size_t size;
    spool_size (child->spool, &size);
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_OUTPUT);
    berth_put (shim_message, &message, exec, child->id);
    berth_put (shim_message, &message, stdout_bytes, size.stdout_bytes);
    berth_put (shim_message, &message, stderr_bytes, size.stderr_bytes);
    berth_put (shim_message, &message, truncated, size.truncated);
    berth_put (shim_message, &message, stalled, child->stalled);
    shim_tell (self, &message);
    child->told_at = now;
    child->tell_at = 0;
}

//  Keeps bytes that the disk did not take; nothing more is read until it does.
static void
s_hold (shim_t *self, child_t *child, int stream, size_t size, const berth_error_t *err)
{
    child->held = malloc (size);
    ENSURE (child->held);
    memcpy (child->held, shim_buffer, size);
    child->held_size = size;
    child->held_stream = stream;
    child->stalled = true;
    child->retry_at = berth_mono_ms () + SHIM_RETRY_MS;
    shim_log (self, "exec stalled: %s", err->text);
    shim_output_watch (self, child);
    shim_output_tell (self, child, true);
}

bool
shim_output_flush_held (shim_t *self, child_t *child)
{
    if (!child->held)
        return true;
    berth_error_t err = { 0 };
    int rc = spool_append (child->spool, child->held_stream, berth_wall_ms (), child->held,
                           child->held_size, &err);
    if (rc) {
        child->retry_at = berth_mono_ms () + SHIM_RETRY_MS;
        return false;
    }
    free (child->held);
    child->held = NULL;
    child->held_size = 0;
    child->retry_at = 0;
    child->stalled = false;
    shim_output_watch (self, child);
    shim_output_tell (self, child, true);
    return true;
}

//  Reads once. 1 something came, 0 nothing now, -1 the stream is at its end.
static int
s_read (shim_t *self, output_t *output, uint64_t room)
{
    child_t *child = output->child;
    size_t size = room < sizeof shim_buffer ? (size_t) room : sizeof shim_buffer;
    ssize_t got = read (output->watch.fd, shim_buffer, size);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)                       //  A terminal says EIO when all have closed it
        return -1;
    //  Who fills a pipe gets a large one; making each so would cost every small exec
    if (got >= SHIM_PIPE_USUAL && !output->grown && !child->tty) {
        (void) fcntl (output->watch.fd, F_SETPIPE_SZ, SHIM_PIPE_SIZE);
        output->grown = true;
    }
    berth_error_t err = { 0 };
    int rc = spool_append (child->spool, output->stream, berth_wall_ms (), shim_buffer,
                           (size_t) got, &err);
    if (rc)
        s_hold (self, child, output->stream, (size_t) got, &err);
    return 1;
}

void
shim_output_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    output_t *output = (output_t *) ((uint8_t *) self - offsetof (output_t, watch));
    child_t *child = output->child;
    uint64_t room = spool_room (child->spool);
    if (!room) {
        shim_output_watch (shim, child);
        return;
    }
    int rc = s_read (shim, output, room);
    if (rc > 0) {
        shim_child_heard (child);
        if (!child->stalled)
            shim_output_tell (shim, child, false);
        if (room != UINT64_MAX && !spool_room (child->spool))
            shim_output_watch (shim, child);
    }
    else if (rc < 0) {
        watch_close (shim, self);
        shim_child_settle (shim, child);
    }
}

void
shim_output_rest (shim_t *self, child_t *child)
{
    for (int index = 0; index < 2; index++) {
        output_t *output = &child->out [index];
        for (int left = SHIM_REST_READS; left && output->watch.fd >= 0 && !child->held
             && spool_room (child->spool); left--) {
            int rc = s_read (self, output, spool_room (child->spool));
            if (rc < 0)
                watch_close (self, &output->watch);
            if (rc <= 0)
                break;
        }
    }
}

static void
s_sink_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    ssize_t got = read (self->fd, shim_buffer, sizeof shim_buffer);
    if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    watch_close (shim, self);
    shim->sinks_count--;
    free ((sink_t *) ((uint8_t *) self - offsetof (sink_t, watch)));
}

void
shim_output_sink (shim_t *self, output_t *output)
{
    if (output->watch.fd < 0)
        return;
    watch_set (self, &output->watch, 0);
    sink_t *sink = self->sinks_count < SHIM_SINKS_MAX && !output->child->tty
                 ? calloc (1, sizeof *sink) : NULL;
    if (sink) {
        sink->watch = (watch_t) { .fd = output->watch.fd, .ready = s_sink_ready };
        self->sinks_count++;
        output->watch.fd = -1;
        watch_set (self, &sink->watch, EPOLLIN);
    }
    else
        watch_close (self, &output->watch);
}

//  ---- input

static void
s_input_settle (shim_t *self, input_t *in);

static void
s_accepted (const input_t *in, shim_message_t *ret_message)
{
    memset (ret_message, 0, sizeof *ret_message);
    berth_put (shim_message, ret_message, op, shim_op_ACCEPTED);
    berth_put (shim_message, ret_message, exec, in->child->id);
    berth_put (shim_message, ret_message, offset, in->accepted);
    berth_put (shim_message, ret_message, eof, in->eof);
}

//  Writes what can be written. False if nobody reads it any more.
static bool
s_write (input_t *in, const uint8_t *data, size_t size, size_t *ret_done)
{
    size_t done = 0;
    while (done < size) {
        ssize_t sent = write (in->watch.fd, data + done, size - done);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            break;
        done += (size_t) sent;
    }
    *ret_done = done;
    return true;
}

//  Nobody reads any more: what follows is taken and dropped, as a pipe would answer EPIPE.
static void
s_input_lost (shim_t *self, input_t *in)
{
    free (in->data);
    in->data = NULL;
    in->start = in->size = 0;
    watch_close (self, &in->watch);
}

static void
s_input_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    input_t *in = (input_t *) ((uint8_t *) self - offsetof (input_t, watch));
    size_t done = 0;
    if (!s_write (in, in->data + in->start, in->size, &done)) {
        s_input_lost (shim, in);
        return;
    }
    in->start += done;
    in->size -= done;
    s_input_settle (shim, in);
}

//  What follows from how full the buffer is.
static void
s_input_settle (shim_t *self, input_t *in)
{
    if (!in->size) {
        free (in->data);
        in->data = NULL;
        in->start = 0;
    }
    if (in->partly && in->size <= SHIM_STDIN_MAX / 2) {
        in->partly = false;
        shim_message_t message;
        s_accepted (in, &message);
        shim_tell (self, &message);
    }
    if (in->size) {
        watch_set (self, &in->watch, EPOLLOUT);
        return;
    }
    watch_set (self, &in->watch, 0);
    if (in->eof && in->watch.fd >= 0) {
        if (in->child->tty) {
            struct termios mode;        //  ^D, or what the child made of it
            uint8_t end = tcgetattr (in->watch.fd, &mode) == 0 ? mode.c_cc [VEOF] : 4;
            (void) !write (in->watch.fd, &end, 1);
        }
        watch_close (self, &in->watch);
    }
}

void
shim_input_open (shim_t *self, child_t *child, int fd)
{
    (void) self;
    child->in.watch = (watch_t) { .fd = fd, .ready = s_input_ready };
    child->in.child = child;
    child->in.given = true;
}

void
shim_input_write (shim_t *self, peer_t *peer, child_t *child, const shim_message_t *ask)
{
    input_t *in = &child->in;
    if (!in->given) {
        shim_refuse (self, peer, child->id, "conflict: the exec has no stdin");
        return;
    }
    if (child->state == CHILD_STARTING && child->tty) {
        shim_refuse (self, peer, child->id, "conflict: the exec has not started yet");
        return;
    }
    if (ask->offset > in->accepted) {
        shim_refuse (self, peer, child->id, "conflict: stdin was accepted up to %llu, not to %llu",
                     (unsigned long long) in->accepted, (unsigned long long) ask->offset);
        return;
    }
    size_t known = (size_t) (in->accepted - ask->offset), size = ask->data.size;
    bool whole = true;
    if (size > known && !in->eof) {
        const uint8_t *data = ask->data.data + known;
        size -= known;
        size_t done = 0;
        if (in->watch.fd >= 0 && !in->size && !s_write (in, data, size, &done))
            s_input_lost (self, in);
        if (in->watch.fd < 0)
            done = size;                //  Taken and dropped
        size_t room = SHIM_STDIN_MAX - in->size, keep = size - done;
        if (keep > room) {
            keep = room;
            whole = false;
            //  Answered when there is room: the sender need not ask again and again
            in->partly = done + keep == 0;
            if (in->partly)
                return;
        }
        if (keep) {
            if (!in->data)
                in->data = malloc (SHIM_STDIN_MAX);
            ENSURE (in->data);
            memmove (in->data, in->data + in->start, in->size);
            in->start = 0;
            memcpy (in->data + in->size, data + done, keep);
            in->size += keep;
        }
        in->accepted += done + keep;
    }
    if (ask->eof && whole)
        in->eof = true;
    shim_message_t message;
    s_accepted (in, &message);
    shim_answer (self, peer, &message);
    if (in->watch.fd >= 0)
        s_input_settle (self, in);
}

void
shim_input_close (shim_t *self, child_t *child)
{
    if (child->in.given)
        s_input_lost (self, &child->in);
}
