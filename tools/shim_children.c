//  shim_children.c - owns the execs of a place, each from its START to the end that is told.

#include "shim_state.h"

#include "clock.h"
#include "codec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_SIZE = 4096 };

child_t *
shim_child_find (shim_t *self, const char *id)
{
    for (child_t *child = self->children; child; child = child->next)
        if (strcmp (child->id, id) == 0)
            return child;
    return NULL;
}

void
shim_fill_started (const child_t *child, shim_message_t *message)
{
    memset (message, 0, sizeof *message);
    spool_size_t size;
    spool_size (child->spool, &size);
    berth_put (shim_message, message, op, shim_op_STARTED);
    berth_put (shim_message, message, exec, child->id);
    if (child->pid)
        berth_put (shim_message, message, pid, child->pid);
    berth_put (shim_message, message, started_at, child->started_at);
    berth_put (shim_message, message, stdout_bytes, size.stdout_bytes);
    berth_put (shim_message, message, stderr_bytes, size.stderr_bytes);
    berth_put (shim_message, message, stalled, child->stalled);
    if (child->in.given)
        berth_put (shim_message, message, offset, child->in.accepted);
}

bool
shim_answer_ended (shim_t *self, peer_t *peer, const char *folder)
{
    uint8_t end [END_SIZE];
    size_t size;
    berth_error_t err = { 0 };
    shim_message_t message;
    if (spool_read_end (folder, end, sizeof end, &size, &err)
    || berth_unpack (&shim_message_schema, (berth_bytes_t) { end, size }, self->scratch, &message,
                     &err))
        return false;
    shim_answer (self, peer, &message);
    return true;
}

//  ---- the end

static void
s_remember (shim_t *self, child_t *child)
{
    ended_t *ended = &self->ended [self->ended_next++ % SHIM_ENDED_MAX];
    free (ended->folder);
    ended->folder = take (child->folder);
    memcpy (ended->id, child->id, sizeof ended->id);
}

static void
s_free (shim_t *self, child_t *child)
{
    for (child_t **at = &self->children; *at; at = &(*at)->next)
        if (*at == child) {
            *at = child->next;
            break;
        }
    self->slots [child->slot] = NULL;
    self->children_count--;
    for (int index = 0; index < 2; index++)
        watch_close (self, &child->out [index].watch);
    shim_input_close (self, child);
    spool_destroy (&child->spool);
    free (child->held);
    free (child->folder);
    free (child);
}

static void
s_fill_ended (const child_t *child, shim_message_t *message)
{
    spool_size_t size;
    spool_size (child->spool, &size);
    memset (message, 0, sizeof *message);
    berth_put (shim_message, message, op, shim_op_ENDED);
    berth_put (shim_message, message, exec, child->id);
    berth_put (shim_message, message, cause, child->said);
    if (child->said == exec_cause_EXITED)
        berth_put (shim_message, message, exit_code, WEXITSTATUS (child->status));
    if (child->waited && WIFSIGNALED (child->status))
        berth_put (shim_message, message, signal, (uint64_t) WTERMSIG (child->status));
    berth_put (shim_message, message, timed_out, child->timed_out);
    if (child->started_at)
        berth_put (shim_message, message, started_at, child->started_at);
    berth_put (shim_message, message, ended_at, child->ended_at);
    berth_put (shim_message, message, stdout_bytes, size.stdout_bytes);
    berth_put (shim_message, message, stderr_bytes, size.stderr_bytes);
    berth_put (shim_message, message, truncated, size.truncated || child->cut);
    if (child->in.given)
        berth_put (shim_message, message, offset, child->in.accepted);
    if (child->error [0])
        berth_put (shim_message, message, error, child->error);
}

//  Writes the end, then tells it and forgets the exec. Whoever listens commits it before it is told
//  on; where nobody does, it is synced here. False if it could not be written: that is tried again.
static bool
s_finish (shim_t *self, child_t *child)
{
    shim_message_t message;
    berth_error_t err = { 0 };
    s_fill_ended (child, &message);
    berth_bytes_t end = berth_pack (&shim_message_schema, &message, self->scratch);
    if (spool_end (child->spool, end.data, end.size, self->peers_count == 0, &err)) {
        shim_log (self, "end of exec %s not written: %s", child->id, err.text);
        child->retry_at = berth_mono_ms () + SHIM_RETRY_MS;
        return false;
    }
    shim_tell (self, &message);
    shim_init_forget (self, child->slot);
    for (int index = 0; index < 2; index++)
        shim_output_sink (self, &child->out [index]);
    s_remember (self, child);
    s_free (self, child);
    return true;
}

static bool
s_over (shim_t *self, child_t *child, exec_cause_t said)
{
    if (child->cause && child->waited)
        shim_child_signal (self, child, SIGKILL);       //  What is left of its group
    child->state = CHILD_OVER;
    child->said = said;
    child->start_by = child->timeout_at = child->kill_at = child->drain_at = child->tell_at = 0;
    if (!child->ended_at)
        child->ended_at = berth_wall_ms ();
    return s_finish (self, child);
}

//  The end of an exec whose process has ended.
static exec_cause_t
s_cause (const child_t *child)
{
    if (child->cause)
        return child->cause;
    return WIFEXITED (child->status) ? exec_cause_EXITED : exec_cause_SIGNALED;
}

static bool
s_streams_open (const child_t *child)
{
    return child->out [0].watch.fd >= 0 || child->out [1].watch.fd >= 0;
}

void
shim_child_settle (shim_t *self, child_t *child)
{
    if (child->state == CHILD_EXITED && !child->held && !s_streams_open (child))
        (void) s_over (self, child, s_cause (child));
}

static void
s_drain (child_t *child, int64_t now)
{
    child->drain_at = now + SHIM_SILENCE_MS;
    child->drain_until = now + SHIM_DRAIN_MS;
}

void
shim_child_heard (child_t *child)
{
    if (!child->drain_at)
        return;
    int64_t at = berth_mono_ms () + SHIM_SILENCE_MS;
    child->drain_at = at < child->drain_until ? at : child->drain_until;
}

void
shim_child_exited (shim_t *self, child_t *child, int status)
{
    child->state = CHILD_EXITED;
    child->status = status;
    child->waited = true;
    child->ended_at = berth_wall_ms ();
    child->timeout_at = 0;
    shim_input_close (self, child);
    if (!child->kill_at)                //  Else its group has the rest of the grace
        s_drain (child, berth_mono_ms ());
    shim_child_settle (self, child);
}

bool
shim_child_lose (shim_t *self, child_t *child, exec_cause_t cause)
{
    if (child->state == CHILD_OVER)
        return s_finish (self, child);
    shim_output_rest (self, child);
    if (child->held && shim_output_flush_held (self, child))
        shim_output_rest (self, child);         //  What stood behind the held bytes
    child->cut = child->held || (s_streams_open (child) && !spool_room (child->spool));
    for (int index = 0; index < 2; index++)
        watch_close (self, &child->out [index].watch);
    //  What had ended by itself keeps its own end
    return s_over (self, child, child->state == CHILD_EXITED ? s_cause (child) : cause);
}

//  ---- signals and time

void
shim_child_signal (shim_t *self, child_t *child, int number)
{
    init_request_t request = {
        .op = INIT_SIGNAL, .slot = child->slot, .number = (uint32_t) number
    };
    if (!shim_init_send (self, &request, NULL, 0))
        shim_log (self, "signal %d not taken by init", number);
}

void
shim_child_end (shim_t *self, child_t *child, exec_cause_t cause, uint64_t grace_ms)
{
    int64_t kill_at = shim_in (grace_ms);
    if (child->cause || child->state >= CHILD_EXITED) {
        if (child->kill_at > kill_at)
            child->kill_at = kill_at;           //  Sooner than was said before
        return;
    }
    child->cause = cause;
    child->timed_out = cause == exec_cause_TIMED_OUT;
    child->timeout_at = 0;
    child->kill_at = kill_at;
    if (grace_ms) {
        shim_child_signal (self, child, SIGTERM);
        shim_child_signal (self, child, SIGCONT);       //  Who is stopped takes TERM then
    }
}

int64_t
shim_child_due (const child_t *child)
{
    const int64_t times [] = {
        child->start_by, child->timeout_at, child->kill_at, child->drain_at, child->retry_at,
        child->tell_at
    };
    int64_t due = INT64_MAX;
    for (size_t index = 0; index < BERTH_COUNT (times); index++)
        if (times [index] && times [index] < due)
            due = times [index];
    return due;
}

static bool
s_passed (int64_t *at, int64_t now)
{
    if (!*at || *at > now)
        return false;
    *at = 0;
    return true;
}

void
shim_child_tick (shim_t *self, child_t *child, int64_t now)
{
    if (s_passed (&child->tell_at, now))
        shim_output_tell (self, child, true);
    if (s_passed (&child->start_by, now)) {
        shim_log (self, "place ended: init started nothing in %d ms", SHIM_START_MS);
        shim_close (self, exec_cause_PROVIDER_LOST, 0);
    }
    if (s_passed (&child->timeout_at, now))
        shim_child_end (self, child, exec_cause_TIMED_OUT, child->grace_ms);
    if (s_passed (&child->kill_at, now)) {
        shim_child_signal (self, child, SIGKILL);
        if (child->state == CHILD_EXITED)
            s_drain (child, now);
    }
    if (s_passed (&child->retry_at, now)) {
        if (child->state == CHILD_OVER) {
            (void) s_finish (self, child);
            return;
        }
        if (shim_output_flush_held (self, child))
            shim_child_settle (self, child);    //  May be its end
        return;
    }
    if (s_passed (&child->drain_at, now)) {
        //  While the disk or a reader holds us up, silence says nothing; nor while we did not run
        shim_output_rest (self, child);
        if (child->held || !spool_room (child->spool))
            s_drain (child, now);
        else
            (void) s_over (self, child, s_cause (child));
    }
}

//  ---- the start

void
shim_child_started (shim_t *self, child_t *child, int64_t pid, int master)
{
    child->state = CHILD_RUNNING;
    child->pid = pid;
    child->start_by = 0;
    if (child->timeout_ms && !child->cause)
        child->timeout_at = shim_in (child->timeout_ms);
    if (child->tty) {
        int copy = fcntl (master, F_DUPFD_CLOEXEC, 3);
        if (copy >= 0)
            shim_input_open (self, child, copy);
        shim_output_open (self, child, 0, master);
    }
    shim_message_t message;
    shim_fill_started (child, &message);
    shim_tell (self, &message);
}

void
shim_child_not_started (shim_t *self, child_t *child, const char *format, ...)
{
    char text [256];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    berth_error_set (child->error, sizeof child->error, "%s", text);
    child->started_at = 0;
    (void) s_over (self, child, exec_cause_START_FAILED);
}

void
shim_child_failed (shim_t *self, child_t *child, int number, uint32_t stage)
{
    const char *why = strerror (number);
    if (stage == INIT_AT_EXEC && number == ENOENT)
        shim_child_not_started (self, child, "no such command '%s'", child->name);
    else if (stage == INIT_AT_EXEC)
        shim_child_not_started (self, child, "'%s' cannot be executed: %s", child->name, why);
    else if (stage == INIT_AT_CWD)
        shim_child_not_started (self, child, "the folder '%s' cannot be entered: %s", child->cwd,
                                why);
    else if (stage == INIT_AT_TTY)
        shim_child_not_started (self, child, "no terminal can be opened in the place: %s", why);
    else
        shim_child_not_started (self, child, "no process can be started in the place: %s", why);
}
