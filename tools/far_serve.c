//  far_serve.c - owns the far end of a relay's connection: one place, its shim's messages, its spools.
//
//  It lives as long as the ssh session. The shim and the execs live on without it; the next one goes
//  on where the relay's copies stand.

#include "far.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "shim_link.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUT_MAX = 1048576, READ_SIZE = 65536 };

//  An exec whose spool is given out.
typedef struct exec {
    struct exec *next;
    far_part_t part;
    spool_source_t *source;         //  NULL: not open yet
    bool dirty;                     //  There may be more of it
    bool stalled;                   //  As the relay knows
} exec_t_;

typedef struct {
    uint8_t *data;
    size_t size, room;
} buffer_t;

static struct {
    arena_t *arena;                 //  Of one turn
    arena_t *keep;
    far_place_t place;
    shim_link_t *shim;
    buffer_t in, out;
    exec_t_ *execs;
    int call;                       //  Until the place is taken
    bool opened, watched, gone_told, closed;
    uint32_t first_told;
} s_far;

static void
s_room (buffer_t *self, size_t more)
{
    size_t need = self->size + more, room = self->room ? self->room : READ_SIZE;
    while (room < need)
        room *= 2;
    if (room == self->room)
        return;
    self->data = realloc (self->data, room);
    ENSURE (self->data);
    self->room = room;
}

static void
s_say (uint8_t what, const void *head, size_t head_size, const void *data, size_t size)
{
    uint32_t length = (uint32_t) (1 + head_size + size);
    s_room (&s_far.out, 4 + length);
    uint8_t *to = s_far.out.data + s_far.out.size;
    memcpy (to, &length, 4);
    to [4] = what;
    if (head_size)
        memcpy (to + 5, head, head_size);
    if (size)
        memcpy (to + 5 + head_size, data, size);
    s_far.out.size += 4 + length;
}

static void
s_say_message (const shim_message_t *message)
{
    berth_bytes_t frame = berth_pack (&shim_message_schema, message, s_far.arena);
    s_say (FAR_SHIM, NULL, 0, frame.data, frame.size);
}

static void
s_say_opened (shim_opened_t *opened, const berth_error_t *err)
{
    if (err->code) {
        *opened = (shim_opened_t) { 0 };
        berth_put (shim_opened, opened, ok, false);
        berth_put (shim_opened, opened, code, berth_code_text (err->code));
        berth_put (shim_opened, opened, error, err->text);
        if (err->remedy [0])
            berth_put (shim_opened, opened, remedy, err->remedy);
        if (err->cause [0])
            berth_put (shim_opened, opened, cause, err->cause);
    }
    berth_bytes_t frame = berth_pack (&shim_opened_schema, opened, s_far.arena);
    s_say (FAR_OPENED, NULL, 0, frame.data, frame.size);
}

//  ---- execs

static exec_t_ *
s_find (const char *id)
{
    for (exec_t_ *exec = s_far.execs; exec; exec = exec->next)
        if (strcmp (exec->part.exec, id) == 0)
            return exec;
    return NULL;
}

static const char *
s_spool (const char *id)
{
    return arena_printf (s_far.arena, "spool/%s", id);
}

static exec_t_ *
s_watch (const char *id, const spool_mark_t *from)
{
    exec_t_ *exec = s_find (id);
    if (exec)
        return exec;
    exec = calloc (1, sizeof *exec);
    ENSURE (exec);
    snprintf (exec->part.exec, sizeof exec->part.exec, "%s", id);
    if (from)
        exec->part.mark = *from;
    exec->next = s_far.execs;
    s_far.execs = exec;
    return exec;
}

static void
s_forget (const char *id, bool remove)
{
    for (exec_t_ **at = &s_far.execs; *at; at = &(*at)->next)
        if (strcmp ((*at)->part.exec, id) == 0) {
            exec_t_ *exec = *at;
            *at = exec->next;
            spool_source_destroy (&exec->source);
            free (exec);
            break;
        }
    berth_error_t ignored = { 0 };              //  It goes with the place
    if (remove)
        (void) spool_remove (s_spool (id), &ignored);
}

//  One part of an exec's spool. False: there is nothing more now.
static bool
s_pump (exec_t_ *exec)
{
    static uint8_t data [SPOOL_COPY_ROOM];
    berth_error_t err = { 0 };
    far_part_t part = exec->part;
    size_t size = 0;
    if (!exec->source
        && spool_source_open (s_spool (part.exec), &part.mark, &exec->source, &err)) {
        if (err.code == BERTH_NOT_FOUND)
            return false;                       //  It has not started
    }
    else if (spool_source_next (exec->source, data, &size, &part.mark, &err) == 0) {
        bool dropped = part.mark.first != exec->part.mark.first;
        exec->part.mark.first = part.mark.first;
        if (size || dropped)
            s_say (FAR_DATA, &part, sizeof part, data, size);
        return size > 0 && !spool_source_ended (exec->source);
    }
    s_say (FAR_LOST, &part, sizeof part, err.text, strlen (err.text));
    s_forget (part.exec, false);
    return false;
}

//  In turns, as long as the connection takes it.
static bool
s_pump_all (void)
{
    bool any = true, left = false;
    while (any && s_far.out.size < OUT_MAX) {
        any = left = false;
        for (exec_t_ *exec = s_far.execs, *next; exec; exec = next) {
            next = exec->next;
            if (!exec->dirty)
                continue;
            if (s_far.out.size >= OUT_MAX) {
                left = true;
                break;
            }
            exec->dirty = false;
            if (s_pump (exec))
                exec->dirty = any = left = true;
        }
    }
    return left;
}

//  ---- what the shim says

static void
s_shim_gone (void)
{
    shim_link_destroy (&s_far.shim);
    for (exec_t_ *exec = s_far.execs; exec; exec = exec->next)
        exec->dirty = true;
}

static void
s_shim_said (const shim_message_t *message)
{
    exec_t_ *exec = message->exec ? s_find (message->exec) : NULL;
    if (exec)
        exec->dirty = true;
    if (message->op == shim_op_CLOSED)
        s_far.closed = true;                    //  Told behind the last output
    else if (message->op == shim_op_OUTPUT) {
        if (exec && exec->stalled != message->stalled)
            s_say_message (message);
        if (exec)
            exec->stalled = message->stalled;
    }
    else if (message->op != shim_op_ENDED)      //  That is in the spool
        s_say_message (message);
    if (message->op == shim_op_REFUSED && exec && !exec->source)
        s_forget (message->exec, false);
}

static void
s_shim_ready (void)
{
    berth_error_t err = { 0 };
    shim_message_t message;
    int rc;
    while ((rc = shim_link_receive (s_far.shim, s_far.arena, &message, &err)) > 0)
        s_shim_said (&message);
    if (rc < 0)
        s_shim_gone ();
}

//  ---- what the relay says

static void
s_join (void)
{
    berth_error_t err = { 0 };
    if (shim_link_open ("s", berth_mono_ms () + 2000, &s_far.shim, &err))
        s_far.shim = NULL;
    s_far.opened = true;
}

static void
s_relay_opens (uint8_t what, berth_bytes_t body)
{
    berth_error_t err = { 0 };
    shim_open_t ask;
    shim_opened_t opened = { 0 };
    if (berth_unpack (&shim_open_schema, body, s_far.keep, &ask, &err) == 0) {
        if (what == FAR_END) {
            if (far_end (&ask, s_far.keep, &err) == 0)
                berth_put (shim_opened, &opened, ok, true);
        }
        else if (far_place_enter (&ask, what == FAR_OPEN, s_far.keep, &s_far.place, &err) == 0) {
            bool made = what == FAR_OPEN;
            if (made && far_open (&ask, &s_far.place, s_far.keep, &opened, &s_far.call, &err)) {
                berth_error_t why = err;
                far_drop (&s_far.call, &s_far.place);
                err = why;
            }
            else {
                far_tell (&s_far.place, s_far.keep, &opened);
                s_join ();
            }
        }
    }
    s_say_opened (&opened, &err);
}

static void
s_relay_shim (berth_bytes_t body)
{
    shim_message_t message;
    berth_error_t err = { 0 };
    if (berth_unpack (&shim_message_schema, body, s_far.arena, &message, &err))
        return;
    if (message.op == shim_op_START && message.exec && berth_id_is (message.exec)) {
        const char *spool = s_spool (message.exec);
        berth_put (shim_message, &message, spool,
                   ((berth_bytes_t) { (const uint8_t *) spool, strlen (spool) }));
        (void) s_watch (message.exec, NULL);
        if (spool_started (spool))
            s_find (message.exec)->dirty = true;        //  It may have its end
    }
    if (s_far.shim && shim_link_send (s_far.shim, &message, &err)
        && err.code == BERTH_PROVIDER_UNAVAILABLE)
        s_shim_gone ();
}

//  What is behind the frame is a stream of files, read from the descriptor itself.
static void
s_relay_files (uint8_t what, berth_bytes_t body)
{
    berth_error_t err = { 0 };
    shim_open_t ask;
    if (s_far.opened || berth_unpack (&shim_open_schema, body, s_far.keep, &ask, &err))
        return;
    (void) (what == FAR_PUT ? far_put (&ask, s_far.keep) : far_get (&ask, s_far.keep));
}

//  False: it says nonsense.
static bool
s_relay_said (uint8_t what, berth_bytes_t body)
{
    far_part_t part;
    switch (what) {
        case FAR_OPEN: case FAR_JOIN: case FAR_END:
            if (s_far.opened)
                return false;
            s_relay_opens (what, body);
            return true;
        case FAR_PUT: case FAR_GET:
            s_relay_files (what, body);
            return false;
        case FAR_TAKE:
            far_take (&s_far.call);
            return true;
        case FAR_WATCH: case FAR_FORGET:
            if (body.size != sizeof part)
                return false;
            memcpy (&part, body.data, sizeof part);
            part.exec [sizeof part.exec - 1] = 0;
            if (!berth_id_is (part.exec))
                return false;
            if (what == FAR_FORGET)
                s_forget (part.exec, true);
            else
                s_watch (part.exec, &part.mark)->dirty = true;
            return true;
        case FAR_WATCHED:
            s_far.watched = true;
            return true;
        case FAR_SHIM:
            s_relay_shim (body);
            return true;
        case FAR_PING:
            s_say (FAR_PING, NULL, 0, NULL, 0);
            return true;
        default:
            return false;
    }
}

static bool
s_relay_ready (void)
{
    s_room (&s_far.in, READ_SIZE);
    ssize_t got = read (STDIN_FILENO, s_far.in.data + s_far.in.size, READ_SIZE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return false;
    s_far.in.size += (size_t) got;
    size_t at = 0;
    while (s_far.in.size - at >= 4) {
        uint32_t length;
        memcpy (&length, s_far.in.data + at, 4);
        if (!length || length > FAR_FRAME_MAX)
            return false;
        if (s_far.in.size - at < 4 + (size_t) length)
            break;
        const uint8_t *frame = s_far.in.data + at + 4;
        if (!s_relay_said (frame [0], (berth_bytes_t) { frame + 1, length - 1 }))
            return false;
        at += 4 + length;
    }
    s_far.in.size -= at;
    memmove (s_far.in.data, s_far.in.data + at, s_far.in.size);
    return true;
}

//  ---- the loop

static bool
s_flush (void)
{
    size_t done = 0;
    while (done < s_far.out.size) {
        ssize_t sent = write (STDOUT_FILENO, s_far.out.data + done, s_far.out.size - done);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            break;
        done += (size_t) sent;
    }
    s_far.out.size -= done;
    memmove (s_far.out.data, s_far.out.data + done, s_far.out.size);
    return true;
}

//  What is told only when all output is.
static void
s_tell_end (void)
{
    shim_message_t closed = { 0 };
    if (s_far.closed && !s_far.gone_told) {
        berth_put (shim_message, &closed, op, shim_op_CLOSED);
        s_say_message (&closed);
    }
    else if (s_far.opened && s_far.watched && !s_far.shim && !s_far.gone_told) {
        static const char text [] = "the place's shim on the remote machine is gone";
        s_say (FAR_GONE, NULL, 0, text, sizeof text - 1);
    }
    else
        return;
    s_far.gone_told = true;
}

int
far_serve (void)
{
    signal (SIGPIPE, SIG_IGN);
    signal (SIGHUP, SIG_IGN);                   //  The end of stdin says the same
    s_far.arena = arena_new ();
    s_far.keep = arena_new ();
    s_far.call = -1;
    (void) fcntl (STDIN_FILENO, F_SETFL, O_NONBLOCK);
    (void) fcntl (STDOUT_FILENO, F_SETFL, O_NONBLOCK);
    bool running = true;
    while (running) {
        bool left = s_pump_all ();
        if (!left)
            s_tell_end ();
        if (!s_flush ())
            break;
        struct pollfd wait [3] = {
            { .fd = STDIN_FILENO, .events = POLLIN },
            { .fd = s_far.out.size ? STDOUT_FILENO : -1, .events = POLLOUT },
            { .fd = s_far.shim ? shim_link_fd (s_far.shim) : -1, .events = POLLIN }
        };
        if (s_far.shim && shim_link_unsent (s_far.shim))
            wait [2].events |= POLLOUT;
        if (poll (wait, 3, left && s_far.out.size < OUT_MAX ? 0 : -1) < 0)
            continue;
        berth_error_t err = { 0 };
        if (wait [2].revents & POLLOUT && shim_link_flush (s_far.shim, &err))
            s_shim_gone ();
        if (s_far.shim && wait [2].revents & ~POLLOUT)
            s_shim_ready ();
        if (wait [0].revents)
            running = s_relay_ready ();
        arena_clear (s_far.arena);
    }
    far_drop (&s_far.call, &s_far.place);
    return 0;
}
