//  relay_execs.c - owns the execs of a relay: what berthd asks, what the other side says, the copies.

#include "relay.h"

#include "clock.h"
#include "codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITES_MAX = 2 * 1048576, END_SIZE = SPOOL_END_MAX };

static relay_exec_t *
s_find (const shim_t *self, const char *id)
{
    for (relay_exec_t *exec = self->relay->execs; exec && id; exec = exec->next)
        if (strcmp (exec->id, id) == 0)
            return exec;
    return NULL;
}

static void
s_free_start (relay_exec_t *exec)
{
    if (exec->start)
        explicit_bzero (exec->start, exec->start_size);     //  The environment is in it
    free (exec->start);
    exec->start = NULL;
    exec->start_size = 0;
}

static void
s_free (shim_t *self, relay_exec_t *exec)
{
    for (relay_exec_t **at = &self->relay->execs; *at; at = &(*at)->next)
        if (*at == exec) {
            *at = exec->next;
            break;
        }
    s_free_start (exec);
    free (exec->writes);
    spool_copy_destroy (&exec->copy);
    free (exec->folder);
    free (exec);
}

//  ---- what is told to berthd

void
relay_tell (shim_t *self, relay_exec_t *exec)
{
    spool_size_t size;
    spool_copy_size (exec->copy, &size);
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_OUTPUT);
    berth_put (shim_message, &message, exec, exec->id);
    berth_put (shim_message, &message, stdout_bytes, size.stdout_bytes);
    berth_put (shim_message, &message, stderr_bytes, size.stderr_bytes);
    berth_put (shim_message, &message, truncated, size.truncated);
    berth_put (shim_message, &message, stalled, exec->stalled_far || exec->stalled_here);
    shim_tell (self, &message);
    exec->told_at = berth_mono_ms ();
    exec->tell_at = 0;
}

static void
s_tell_soon (shim_t *self, relay_exec_t *exec)
{
    if (berth_mono_ms () - exec->told_at >= SHIM_TELL_MS)
        relay_tell (self, exec);
    else if (!exec->tell_at)
        exec->tell_at = exec->told_at + SHIM_TELL_MS;
}

static void
s_fill_started (const relay_exec_t *exec, shim_message_t *message)
{
    spool_size_t size;
    spool_copy_size (exec->copy, &size);
    *message = (shim_message_t) { 0 };
    berth_put (shim_message, message, op, shim_op_STARTED);
    berth_put (shim_message, message, exec, exec->id);
    if (exec->pid)
        berth_put (shim_message, message, pid, exec->pid);
    berth_put (shim_message, message, started_at, exec->started_at);
    berth_put (shim_message, message, stdout_bytes, size.stdout_bytes);
    berth_put (shim_message, message, stderr_bytes, size.stderr_bytes);
    berth_put (shim_message, message, stalled, exec->stalled_far || exec->stalled_here);
    berth_put (shim_message, message, offset, exec->accepted);
}

static void
s_remember (shim_t *self, relay_exec_t *exec)
{
    ended_t *ended = &self->ended [self->ended_next++ % SHIM_ENDED_MAX];
    free (ended->folder);
    ended->folder = take (exec->folder);
    memcpy (ended->id, exec->id, sizeof ended->id);
}

//  The end that its spool holds.
static void
s_tell_end (shim_t *self, relay_exec_t *exec)
{
    uint8_t data [END_SIZE];
    size_t size;
    berth_error_t err = { 0 };
    shim_message_t message;
    if (spool_read_end (exec->folder, data, sizeof data, &size, &err) == 0
        && berth_unpack (&shim_message_schema, (berth_bytes_t) { data, size }, self->scratch,
                         &message, &err) == 0
        && message.exec && strcmp (message.exec, exec->id) == 0)
        shim_tell (self, &message);
    else
        shim_log (self, "exec %s ended, and its spool does not say how", exec->id);
    s_remember (self, exec);
    s_free (self, exec);
}

static void
s_part (const relay_exec_t *exec, far_part_t *part)
{
    *part = (far_part_t) { .mark = spool_copy_mark (exec->copy) };
    memcpy (part->exec, exec->id, sizeof part->exec);
}

//  Ends its spool here, with what there is of it: nobody on the other side knows more.
static void
s_lose (shim_t *self, relay_exec_t *exec, exec_cause_t cause, const char *reason)
{
    spool_t *spool = NULL;
    berth_error_t err = { 0 };
    shim_message_t message = { 0 };
    spool_size_t size;
    spool_copy_destroy (&exec->copy);
    if (spool_open (exec->folder, exec->max, exec->on_full, &spool, &err)) {
        shim_log (self, "end of exec %s not written: %s", exec->id, err.text);
        s_free (self, exec);
        return;
    }
    spool_size (spool, &size);
    berth_put (shim_message, &message, op, shim_op_ENDED);
    berth_put (shim_message, &message, exec, exec->id);
    berth_put (shim_message, &message, cause, exec->started ? cause : exec_cause_START_FAILED);
    if (exec->started_at && exec->started)
        berth_put (shim_message, &message, started_at, exec->started_at);
    berth_put (shim_message, &message, ended_at, berth_wall_ms ());
    berth_put (shim_message, &message, stdout_bytes, size.stdout_bytes);
    berth_put (shim_message, &message, stderr_bytes, size.stderr_bytes);
    berth_put (shim_message, &message, truncated, size.truncated);
    berth_put (shim_message, &message, error, reason);
    berth_bytes_t end = berth_pack (&shim_message_schema, &message, self->scratch);
    if (spool_end (spool, end.data, end.size, true, &err) && err.code != BERTH_CONFLICT)
        shim_log (self, "end of exec %s not written: %s", exec->id, err.text);
    spool_destroy (&spool);
    exec->copy = NULL;
    s_tell_end (self, exec);
}

void
relay_lose_all (shim_t *self, exec_cause_t cause, const char *reason)
{
    while (self->relay->execs)
        s_lose (self, self->relay->execs, cause, reason);
}

//  ---- what berthd asks

//  Sends it, or keeps it until there is a connection.
static bool
s_pass (shim_t *self, const shim_message_t *ask)
{
    struct relay *relay = self->relay;
    if (relay->phase == RELAY_UP) {
        relay_send_message (self, ask);
        return true;
    }
    berth_bytes_t frame = berth_pack (&shim_message_schema, ask, self->scratch);
    if (relay->held.size + frame.size + 4 > RELAY_HELD_MAX)
        return false;
    uint32_t length = (uint32_t) frame.size;
    relay_room (&relay->held, frame.size + 4);
    memcpy (relay->held.data + relay->held.size, &length, 4);
    memcpy (relay->held.data + relay->held.size + 4, frame.data, frame.size);
    relay->held.size += frame.size + 4;
    return true;
}

static void
s_start (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    if (!ask->exec || !ask->argv.count || !ask->spool.size) {
        shim_refuse (self, peer, ask->exec, "invalid_request: a start needs execId, argv and spool");
        return;
    }
    const char *folder = arena_text (self->scratch, (const char *) ask->spool.data, ask->spool.size);
    relay_exec_t *exec = s_find (self, ask->exec);
    if (exec) {
        shim_message_t message;         //  One that is starting is answered when it has
        s_fill_started (exec, &message);
        if (exec->started)
            shim_answer (self, peer, &message);
        return;
    }
    if (shim_answer_ended (self, peer, folder))
        return;
    size_t running = 0;
    for (exec = self->relay->execs; exec; exec = exec->next)
        running++;
    berth_error_t err = { 0 };
    spool_copy_t *copy;
    if (berth_has (shim_message, ask, generation) && ask->generation < self->generation)
        shim_refuse (self, peer, ask->exec, "fenced: the place has generation %llu",
                     (unsigned long long) self->generation);
    else if (self->closing || running >= SHIM_EXECS_MAX)
        shim_refuse (self, peer, ask->exec, self->closing ? "conflict: the place is being closed"
                                                          : "busy: too many execs run in the place");
    else if (spool_start (folder, &err) || spool_copy_open (folder, &copy, &err))
        shim_refuse (self, peer, ask->exec, "%s: %s", berth_code_text (err.code), err.text);
    else {
        exec = calloc (1, sizeof *exec);
        ENSURE (exec);
        snprintf (exec->id, sizeof exec->id, "%s", ask->exec);
        exec->folder = strdup (folder);
        ENSURE (exec->folder);
        exec->copy = copy;
        exec->started_at = berth_wall_ms ();
        exec->max = ask->spool_max;
        exec->on_full = ask->on_full ? (int) ask->on_full : SPOOL_DROP_OLDEST;
        berth_bytes_t frame = berth_pack (&shim_message_schema, ask, self->scratch);
        exec->start = malloc (frame.size);
        ENSURE (exec->start);
        memcpy (exec->start, frame.data, frame.size);
        exec->start_size = frame.size;
        exec->next = self->relay->execs;
        self->relay->execs = exec;
        if (self->relay->phase == RELAY_UP)
            relay_send (self, FAR_SHIM, NULL, 0, exec->start, exec->start_size);
    }
}

static void
s_write (shim_t *self, peer_t *peer, relay_exec_t *exec, const shim_message_t *ask)
{
    berth_bytes_t frame = berth_pack (&shim_message_schema, ask, self->scratch);
    if (exec->writes_size + frame.size + 4 > WRITES_MAX) {
        shim_refuse (self, peer, exec->id, "busy: stdin is not accepted fast enough");
        return;
    }
    uint32_t length = (uint32_t) frame.size;
    exec->writes = realloc (exec->writes, exec->writes_size + frame.size + 4);
    ENSURE (exec->writes);
    memcpy (exec->writes + exec->writes_size, &length, 4);
    memcpy (exec->writes + exec->writes_size + 4, frame.data, frame.size);
    exec->writes_size += frame.size + 4;
    if (self->relay->phase == RELAY_UP)
        relay_send (self, FAR_SHIM, NULL, 0, frame.data, frame.size);
}

//  The oldest WRITE was answered.
static void
s_written (relay_exec_t *exec)
{
    uint32_t length;
    if (exec->writes_size < 4)
        return;
    memcpy (&length, exec->writes, 4);
    exec->writes_size -= 4 + length;
    memmove (exec->writes, exec->writes + 4 + length, exec->writes_size);
    if (!exec->writes_size) {
        free (exec->writes);
        exec->writes = NULL;
    }
}

static void
s_state (shim_t *self, peer_t *peer)
{
    shim_message_t message;
    for (const relay_exec_t *exec = self->relay->execs; exec; exec = exec->next) {
        s_fill_started (exec, &message);
        shim_answer (self, peer, &message);
    }
    for (size_t index = 0; index < SHIM_ENDED_MAX; index++)
        if (self->ended [index].folder)
            (void) shim_answer_ended (self, peer, self->ended [index].folder);
    shim_hello (self, peer);
}

static void
s_fence (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    if (ask->generation < self->generation) {
        shim_refuse (self, peer, NULL, "fenced: the place has generation %llu",
                     (unsigned long long) self->generation);
        return;
    }
    if (ask->generation > self->generation) {
        self->generation = ask->generation;
        berth_error_t err = { 0 };
        if (shim_write_record (self, &err))
            shim_log (self, "record not written: %s", err.text);
        (void) s_pass (self, ask);              //  There it ends what ran for the holder before
    }
    shim_hello (self, peer);
}

static void
s_for_exec (shim_t *self, peer_t *peer, relay_exec_t *exec, const shim_message_t *ask)
{
    if (ask->op == shim_op_WRITE)
        s_write (self, peer, exec, ask);
    else if (ask->op == shim_op_RELEASE) {
        exec->released = ask->offset;           //  Said anew with each connection
        if (self->relay->phase == RELAY_UP)
            relay_send_message (self, ask);
    }
    else {
        if (ask->op == shim_op_END) {
            exec->ending = berth_has (shim_message, ask, cause) ? ask->cause
                                                                : exec_cause_KILLED_BY_POLICY;
            exec->ending_grace = berth_has (shim_message, ask, grace_ms) ? ask->grace_ms
                                                                         : SHIM_GRACE_MS;
            if (self->relay->phase != RELAY_UP)
                return;
        }
        if (!s_pass (self, ask))
            shim_refuse (self, peer, exec->id, "busy: the connection to the place is down");
    }
}

void
relay_request (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    relay_exec_t *exec = s_find (self, ask->exec);
    switch (ask->op) {
        case shim_op_START:
            s_start (self, peer, ask);
            return;
        case shim_op_WRITE: case shim_op_SIGNAL: case shim_op_RESIZE: case shim_op_END:
            if (exec)
                s_for_exec (self, peer, exec, ask);
            else
                shim_refuse (self, peer, ask->exec, "not_found: there is no such exec running");
            return;
        case shim_op_RELEASE:
            if (exec)
                s_for_exec (self, peer, exec, ask);
            return;
        case shim_op_CLOSE:
            relay_close (self, berth_has (shim_message, ask, grace_ms) ? ask->grace_ms
                                                                       : SHIM_GRACE_MS);
            return;
        case shim_op_STATE:
            s_state (self, peer);
            return;
        case shim_op_FENCE:
            s_fence (self, peer, ask);
            return;
        case shim_op_FILES:
            relay_files (self, peer);
            return;
        case shim_op_HELLO: case shim_op_STARTED: case shim_op_OUTPUT: case shim_op_ACCEPTED:
        case shim_op_ENDED: case shim_op_CLOSED: case shim_op_REFUSED: case shim_op_NONE:
        case shim_op_COUNT:
            break;
    }
    shim_refuse (self, peer, ask->exec, "invalid_request: a shim is not told this");
}

//  ---- what the other side says

//  Bytes for a copy. What the disk here does not take stays where it is, and nothing more is read.
static bool
s_data (shim_t *self, berth_bytes_t body)
{
    far_part_t part;
    if (body.size < sizeof part)
        return false;
    memcpy (&part, body.data, sizeof part);
    part.exec [sizeof part.exec - 1] = 0;
    relay_exec_t *exec = s_find (self, part.exec);
    if (!exec)
        return true;                            //  It is over here
    berth_error_t err = { 0 };
    int rc = spool_copy_put (exec->copy, &part.mark, body.data + sizeof part,
                             body.size - sizeof part, &err);
    if (rc == 0 && spool_copy_ended (exec->copy) && !self->peers)
        rc = spool_copy_sync (exec->copy, &err);        //  Where nobody commits what is told
    if (rc && err.code == BERTH_INVALID) {
        shim_log (self, "exec %s: %s", exec->id, err.text);
        return false;
    }
    bool stalled = rc != 0;
    if (stalled) {
        if (!exec->stalled_here)
            shim_log (self, "exec stalled: %s", err.text);
        self->relay->refused = true;
        self->relay->refused_at = berth_mono_ms () + SHIM_RETRY_MS;
    }
    bool news = stalled != exec->stalled_here;
    exec->stalled_here = stalled;
    if (rc == 0 && spool_copy_ended (exec->copy)) {
        far_part_t forget;
        s_part (exec, &forget);
        s_tell_end (self, exec);
        relay_send (self, FAR_FORGET, &forget, sizeof forget, NULL, 0);
    }
    else if (news)
        relay_tell (self, exec);
    else if (!stalled)
        s_tell_soon (self, exec);
    return true;
}

static bool
s_shim_said (shim_t *self, berth_bytes_t body)
{
    shim_message_t message;
    berth_error_t err = { 0 };
    if (berth_unpack (&shim_message_schema, body, self->scratch, &message, &err))
        return false;
    relay_exec_t *exec = s_find (self, message.exec);
    switch (message.op) {
        case shim_op_STARTED:
            if (!exec || exec->started)
                return true;
            exec->started = true;
            exec->pid = message.pid;
            exec->started_at = message.started_at;
            s_free_start (exec);
            s_fill_started (exec, &message);
            shim_tell (self, &message);
            return true;
        case shim_op_ACCEPTED:
            if (!exec)
                return true;
            exec->accepted = message.offset;
            s_written (exec);
            shim_tell (self, &message);
            return true;
        case shim_op_OUTPUT:
            if (exec) {
                exec->stalled_far = message.stalled;
                relay_tell (self, exec);
            }
            return true;
        case shim_op_REFUSED:
            if (!exec)
                return true;
            shim_tell (self, &message);
            if (exec->started)
                s_written (exec);
            else {
                (void) spool_remove (exec->folder, NULL);
                s_free (self, exec);
            }
            return true;
        case shim_op_CLOSED:
            relay_over (self, self->closing ? self->closing : exec_cause_PROVIDER_LOST,
                        self->closing ? "its lease ended"
                                      : "the place's processes on the remote machine ended");
            return true;
        case shim_op_NONE: case shim_op_COUNT: case shim_op_START: case shim_op_WRITE:
        case shim_op_SIGNAL: case shim_op_RESIZE: case shim_op_END: case shim_op_CLOSE:
        case shim_op_STATE: case shim_op_FENCE: case shim_op_RELEASE: case shim_op_HELLO:
        case shim_op_ENDED: case shim_op_FILES:
            return true;                        //  Ends are in the spools
    }
    return true;
}

static bool
s_opened (shim_t *self, berth_bytes_t body)
{
    shim_opened_t opened;
    berth_error_t err = { 0 };
    if (berth_unpack (&shim_opened_schema, body, self->scratch, &opened, &err))
        return false;
    if (opened.ok && self->relay->opened)
        relay_resume (self);
    else if (opened.ok)
        relay_opened (self, &opened);
    else if (self->relay->opened)
        relay_over (self, exec_cause_PROVIDER_LOST, "the place on the remote machine is gone");
    else {
        if (opened.remedy)
            berth_error_set (err.remedy, sizeof err.remedy, "%s", opened.remedy);
        if (opened.cause)
            berth_error_set (err.cause, sizeof err.cause, "%s", opened.cause);
        (void) berth_fail (&err, opened.code ? berth_code_of (opened.code) : BERTH_PROVIDER_ERROR,
                           "%s: %s", self->relay->told->host, opened.error ? opened.error : "refused");
        relay_failed (self, &err);
    }
    return true;
}

bool
relay_frame (shim_t *self, uint8_t what, berth_bytes_t body)
{
    far_part_t part;
    relay_exec_t *exec;
    switch (what) {
        case FAR_OPENED:
            return s_opened (self, body);
        case FAR_DATA:
            return s_data (self, body);
        case FAR_SHIM:
            return s_shim_said (self, body);
        case FAR_PING:
            return true;
        case FAR_GONE:
            relay_over (self, self->closing ? self->closing : exec_cause_PROVIDER_LOST,
                        "the place's shim on the remote machine is gone");
            return true;
        case FAR_LOST:
            if (body.size < sizeof part)
                return false;
            memcpy (&part, body.data, sizeof part);
            part.exec [sizeof part.exec - 1] = 0;
            if ((exec = s_find (self, part.exec)))
                s_lose (self, exec, exec_cause_PROVIDER_LOST,
                        "its output on the remote machine cannot be read");
            return true;
        default:
            return false;
    }
}

//  ---- a new connection

static void
s_resume_exec (shim_t *self, relay_exec_t *exec)
{
    far_part_t part;
    s_part (exec, &part);
    relay_send (self, FAR_WATCH, &part, sizeof part, NULL, 0);
    if (exec->start)                            //  A known one is answered, not started again
        relay_send (self, FAR_SHIM, NULL, 0, exec->start, exec->start_size);
    for (size_t at = 0; at < exec->writes_size;) {
        uint32_t length;
        memcpy (&length, exec->writes + at, 4);
        relay_send (self, FAR_SHIM, NULL, 0, exec->writes + at + 4, length);
        at += 4 + length;
    }
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, exec, exec->id);
    if (exec->released) {
        berth_put (shim_message, &message, op, shim_op_RELEASE);
        berth_put (shim_message, &message, offset, exec->released);
        relay_send_message (self, &message);
    }
    if (exec->ending) {
        berth_put (shim_message, &message, op, shim_op_END);
        berth_put (shim_message, &message, cause, exec->ending);
        berth_put (shim_message, &message, grace_ms, exec->ending_grace);
        relay_send_message (self, &message);
    }
}

void
relay_resume (shim_t *self)
{
    struct relay *relay = self->relay;
    relay->phase = RELAY_UP;
    relay->tries = 0;
    shim_log (self, "connected again");
    shim_message_t fence = { 0 };
    berth_put (shim_message, &fence, op, shim_op_FENCE);
    berth_put (shim_message, &fence, generation, self->generation);
    relay_send_message (self, &fence);
    for (relay_exec_t *exec = relay->execs; exec; exec = exec->next)
        s_resume_exec (self, exec);
    relay_send (self, FAR_WATCHED, NULL, 0, NULL, 0);
    for (size_t at = 0; at < relay->held.size;) {
        uint32_t length;
        memcpy (&length, relay->held.data + at, 4);
        relay_send (self, FAR_SHIM, NULL, 0, relay->held.data + at + 4, length);
        at += 4 + length;
    }
    free (relay->held.data);
    relay->held = (relay_buffer_t) { 0 };
    if (self->closing)
        relay_close (self, (uint64_t) self->close_at);
}
