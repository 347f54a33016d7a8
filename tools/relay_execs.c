//  relay_execs.c - owns the execs of a relay, each from its START to the end that its spool holds.

#include "relay.h"

#include "clock.h"
#include "codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { END_SIZE = SPOOL_END_MAX };

relay_exec_t *
relay_exec_find (const shim_t *self, const char *id)
{
    for (relay_exec_t *exec = self->relay->execs; exec && id; exec = exec->next)
        if (strcmp (exec->id, id) == 0)
            return exec;
    return NULL;
}

void
relay_exec_answered (relay_exec_t *exec)
{
    if (exec->start)
        explicit_bzero (exec->start, exec->start_size);     //  The environment is in it
    free (exec->start);
    exec->start = NULL;
    exec->start_size = 0;
}

void
relay_exec_free (shim_t *self, relay_exec_t *exec)
{
    for (relay_exec_t **at = &self->relay->execs; *at; at = &(*at)->next)
        if (*at == exec) {
            *at = exec->next;
            break;
        }
    relay_exec_answered (exec);
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

void
relay_exec_started (const relay_exec_t *exec, shim_message_t *message)
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
void
relay_exec_ended (shim_t *self, relay_exec_t *exec)
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
    relay_exec_free (self, exec);
}

void
relay_exec_part (const relay_exec_t *exec, far_part_t *part)
{
    *part = (far_part_t) { .mark = spool_copy_mark (exec->copy) };
    memcpy (part->exec, exec->id, sizeof part->exec);
}

//  Ends its spool here, with what there is of it: nobody on the other side knows more.
void
relay_exec_lose (shim_t *self, relay_exec_t *exec, exec_cause_t cause, const char *reason)
{
    spool_t *spool = NULL;
    berth_error_t err = { 0 };
    shim_message_t message = { 0 };
    spool_size_t size;
    spool_copy_destroy (&exec->copy);
    if (spool_open (exec->folder, exec->max, exec->on_full, &spool, &err)) {
        shim_log (self, "end of exec %s not written: %s", exec->id, err.text);
        relay_exec_free (self, exec);
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
    relay_exec_ended (self, exec);
}

void
relay_lose_all (shim_t *self, exec_cause_t cause, const char *reason)
{
    while (self->relay->execs)
        relay_exec_lose (self, self->relay->execs, cause, reason);
}

//  The oldest WRITE was answered.
void
relay_exec_written (relay_exec_t *exec)
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
