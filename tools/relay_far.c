//  relay_far.c - owns what the other side of a relay says, and what it is told by a new connection.

#include "relay.h"

#include "clock.h"
#include "codec.h"

#include <stdlib.h>
#include <string.h>

static void
s_tell_soon (shim_t *self, relay_exec_t *exec)
{
    if (berth_mono_ms () - exec->told_at >= SHIM_TELL_MS)
        relay_tell (self, exec);
    else if (!exec->tell_at)
        exec->tell_at = exec->told_at + SHIM_TELL_MS;
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
    relay_exec_t *exec = relay_exec_find (self, part.exec);
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
    spool_size_t size;
    spool_copy_size (exec->copy, &size);
    uint64_t most = (exec->max ? exec->max : SPOOL_DEFAULT_MAX) + 4 * SPOOL_RECORD_MAX;
    if (rc == 0 && size.kept_bytes > most) {
        shim_log (self, "exec %s: more output is sent than its spool may hold", exec->id);
        relay_exec_lose (self, exec, exec_cause_PROVIDER_LOST,
                         "the other side sends more output than the spool may hold");
        return true;
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
        relay_exec_part (exec, &forget);
        relay_exec_ended (self, exec);
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
    relay_exec_t *exec = relay_exec_find (self, message.exec);
    switch (message.op) {
        case shim_op_STARTED:
            if (!exec || exec->started)
                return true;
            exec->started = true;
            exec->pid = message.pid;
            exec->started_at = message.started_at;
            relay_exec_answered (exec);
            relay_exec_started (exec, &message);
            shim_tell (self, &message);
            return true;
        case shim_op_ACCEPTED:
            if (!exec)
                return true;
            exec->accepted = message.offset;
            relay_exec_written (exec);
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
                relay_exec_written (exec);
            else {
                (void) spool_remove (exec->folder, NULL);
                relay_exec_free (self, exec);
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
            if ((exec = relay_exec_find (self, part.exec)))
                relay_exec_lose (self, exec, exec_cause_PROVIDER_LOST,
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
    relay_exec_part (exec, &part);
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
