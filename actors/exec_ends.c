//  exec_ends.c - owns the way of a start and an end from the shim, or the spool, into the row.

#include "exec_parts.h"

#include "codec.h"
#include "plant.h"
#include "states.h"

#include <stdlib.h>
#include <string.h>

enum { END_SIZE = SPOOL_END_MAX };

const char *
exec_subject (arena_t *arena, const char *what, const char *id)
{
    return arena_printf (arena, "%s %s", what, id);
}

//  ---- what is heard

static void
s_forget_start (live_t *live)
{
    if (live->start)
        explicit_bzero (live->start, live->start_size);     //  The environment is in it
    free (live->start);
    live->start = NULL;
    live->start_size = 0;
}

void
live_started (execs_t *self, live_t *live, const shim_message_t *message, int64_t mono_ms)
{
    s_forget_start (live);
    live->asked = false;
    if (live->phase == LIVE_WANTED)
        node_leave (&live->due);        //  It was on its way all the same
    live->phase = LIVE_RUNNING;
    live->pid = message->pid;
    live->started_ms = message->started_at;
    live->bytes [0] = message->stdout_bytes;
    live->bytes [1] = message->stderr_bytes;
    live->stalled = message->stalled;
    live->accepted = message->offset;
    live_count (self, live);
    live_handed (self, live);
    if (live->told || node_linked (&live->due))
        return;
    live->due_ms = mono_ms + EXEC_LAG_MS;
    node_join (&live->due, &self->running);
}

static void
s_over (execs_t *self, live_t *live)
{
    s_forget_start (live);
    free (take (live->held));
    live->held_size = 0;
    live->asked = false;
    live->stalled = false;
    live->phase = LIVE_ENDED;
    live_count (self, live);
    live_handed (self, live);
    node_join (&live->due, &self->ended);
    streams_wake (self, live);
}

//  Is it an end as a shim tells it? What runs in a shim's place may say anything.
static bool
s_is_end (const shim_message_t *message)
{
    return message->op == shim_op_ENDED && message->cause
        && (message->cause == exec_cause_EXITED) == berth_has (shim_message, message, exit_code)
        && (message->cause != exec_cause_SIGNALED || berth_has (shim_message, message, signal));
}

void
live_ended (execs_t *self, live_t *live, const shim_message_t *message, const request_t *req)
{
    if (!s_is_end (message)) {
        live_lost (self, live, "the place's shim told an end that is none", false, req);
        return;
    }
    live->cause = message->cause;
    live->has_exit_code = berth_has (shim_message, message, exit_code);
    live->exit_code = message->exit_code;
    live->has_signal = berth_has (shim_message, message, signal);
    live->signal = (int64_t) message->signal;
    live->timed_out = message->timed_out;
    live->truncated = message->truncated;
    if (message->started_at)
        live->started_ms = message->started_at;
    live->ended_ms = message->ended_at;
    if (berth_has (shim_message, message, offset))
        live->accepted = message->offset;
    live->bytes [0] = message->stdout_bytes;
    live->bytes [1] = message->stderr_bytes;
    const char *usual = message->cause == exec_cause_LEASE_LOST ? "its lease ended" : "";
    berth_error_set (live->reason, sizeof live->reason, "%s", message->error ? message->error : usual);
    s_over (self, live);
}

void
live_not_started (execs_t *self, live_t *live, const char *reason, const request_t *req)
{
    live->cause = exec_cause_START_FAILED;
    live->ended_ms = req->now_ms;
    berth_error_set (live->reason, sizeof live->reason, "%s", reason);
    s_over (self, live);
}

//  What a spool holds that nobody ended.
static void
s_measure (live_t *live, const char *folder)
{
    own (spool_reader) reader = NULL;
    berth_error_t err = { 0 };
    spool_size_t size;
    if (spool_reader_open (folder, &reader, &err) || spool_reader_size (reader, &size, &err))
        return;                         //  The last that was told stays
    live->bytes [0] = size.stdout_bytes;
    live->bytes [1] = size.stderr_bytes;
    live->truncated = size.truncated;
}

void
live_lost (execs_t *self, live_t *live, const char *reason, bool again, const request_t *req)
{
    const char *folder = exec_spool (self, live->id, req->arena);
    uint8_t *data = arena_take (req->arena, END_SIZE);
    size_t size;
    berth_error_t err = { 0 };
    shim_message_t message;
    if (spool_read_end (folder, data, END_SIZE, &size, &err) == 0
        && berth_unpack (&shim_message_schema, (berth_bytes_t) { data, size }, req->arena, &message,
                         &err) == 0
        && s_is_end (&message)) {
        live_ended (self, live, &message, req);
        return;
    }
    if (!live->told && live->phase != LIVE_RUNNING && !spool_started (folder)) {
        if (live->phase == LIVE_UNSURE && again)
            live_wanted (self, live, reason, req);
        else
            live_not_started (self, live, reason, req);
        return;
    }
    s_measure (live, folder);
    live->cause = exec_cause_PROVIDER_LOST;
    live->ended_ms = req->now_ms;
    berth_error_set (live->reason, sizeof live->reason, "%s", reason);
    s_over (self, live);
}

//  ---- rows

void
live_overlay (const live_t *live, exec_t *row)
{
    bool running = live->phase == LIVE_RUNNING || (live->phase == LIVE_ENDED && live->pid);
    if (running)
        row->state = exec_state_RUNNING;
    if (live->pid)
        berth_put (exec, row, pid, live->pid);
    if (live->started_ms)
        berth_put (exec, row, started_at, live->started_ms);
    row->stdout_bytes = live->bytes [0];
    row->stderr_bytes = live->bytes [1];
    row->stalled = live->stalled;
}

static berth_bytes_t
s_end_details (const exec_t *row, arena_t *arena)
{
    berth_bytes_t map = any_set_text (berth_empty_map, "leaseId", row->lease, arena);
    map = any_set_text (map, "cause", berth_enum_text (&exec_cause_enum, row->cause), arena);
    if (berth_has (exec, row, exit_code) && row->exit_code >= 0)
        map = any_set_number (map, "exitCode", (uint64_t) row->exit_code, arena);
    if (berth_has (exec, row, signal))
        map = any_set_number (map, "signal", (uint64_t) row->signal, arena);
    if (row->reason)
        map = any_set_text (map, "reason", row->reason, arena);
    map = any_set_number (map, "stdoutBytes", row->stdout_bytes, arena);
    map = any_set_number (map, "stderrBytes", row->stderr_bytes, arena);
    return map;
}

void
exec_used (exec_t *row, const request_t *req)
{
    if (!row->lease_idle_ms)
        return;
    row->boot = req->boot;
    row->used_mono_ms = req->mono_ms;
}

static void
s_fill_end (const live_t *live, exec_t *row, const request_t *req)
{
    live_overlay (live, row);
    if (live->cause == exec_cause_START_FAILED) {
        berth_clear (exec, row, started_at);
        berth_clear (exec, row, pid);
    }
    berth_put (exec, row, cause, live->cause);
    if (live->has_exit_code)
        berth_put (exec, row, exit_code, live->exit_code);
    if (PLANTED ("end-invented") && live->cause == exec_cause_PROVIDER_LOST) {
        berth_put (exec, row, cause, exec_cause_EXITED);
        berth_put (exec, row, exit_code, 0);
    }
    if (live->has_signal)
        berth_put (exec, row, signal, live->signal);
    if (row->stdin_open)
        berth_put (exec, row, stdin_bytes, live->accepted);
    row->timed_out = live->timed_out;
    row->truncated = live->truncated;
    row->stalled = false;
    berth_put (exec, row, ended_at, live->ended_ms ? live->ended_ms : req->now_ms);
    exec_used (row, req);
    if (live->reason [0])
        berth_put (exec, row, reason, arena_string (req->arena, live->reason));
}

//  ---- behind the commit

static void
s_settle_writes (const live_t *live, const request_t *req, effects_t *fx)
{
    berth_error_t err = { 0 };
    (void) berth_fail (&err, BERTH_CONFLICT, "exec %s has ended", live->id);
    for (uint32_t index = live->answers; index != live->writes; index++)
        effects_settle_error (fx, req->arena,
                              arena_printf (req->arena, "write %s %u", live->id, index), &err);
}

static void
s_end_written (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    execs_t *self = actor;
    const exec_t *row = what;
    live_t *live = live_find (self, row->id);
    ENSURE (live);
    starts_settle (self, req, fx);
    s_settle_writes (live, req, fx);
    exec_answer_run (self, row, req, fx);
    streams_detach (self, live);
    live_free (self, live, req->mono_ms);
}

static void
s_start_written (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) req;
    (void) fx;
    live_t *live = live_find (actor, what);
    if (live && live->phase == LIVE_RUNNING) {
        live->told = true;
        node_leave (&live->due);
    }
}

static void
s_time (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) what;
    execs_t *self = actor;
    if (self->links_due_ms <= req->mono_ms)
        links_tick (self, req);
    if (self->streams_due_ms <= req->mono_ms)
        streams_tick (self, req, fx);
    starts_settle (self, req, fx);
}

//  ---- the tick

static int
s_write_end (execs_t *self, const live_t *live, const request_t *req, store_txn_t *txn,
             effects_t *fx, berth_error_t *err)
{
    exec_t *row = arena_new_of (req->arena, exec_t);
    if (exec_get (txn, req->arena, live->id, row, err))
        return -1;
    exec_state_t before = row->state;
    s_fill_end (live, row, req);
    row->state = before;
    if (exec_move (row, exec_state_ENDED, err) || exec_put (txn, req->arena, row, err))
        return -1;
    activity_note_t note = activity_note (req, ACTION_EXEC_ENDED, row->company, row->id, row->run,
                                          NULL, s_end_details (row, req->arena));
    if (activity_add (txn, req->arena, &note, err))
        return -1;
    effects_settle (fx, req->arena, exec_subject (req->arena, "wait", row->id), &exec_schema, row);
    effects_call (fx, req, s_end_written, self, row);
    return 0;
}

static int
s_write_start (execs_t *self, const live_t *live, const request_t *req, store_txn_t *txn,
               effects_t *fx, berth_error_t *err)
{
    exec_t *row = arena_new_of (req->arena, exec_t);
    if (exec_get (txn, req->arena, live->id, row, err))
        return -1;
    if (row->state == exec_state_STARTING) {
        live_overlay (live, row);
        row->state = exec_state_STARTING;
        if (exec_move (row, exec_state_RUNNING, err) || exec_put (txn, req->arena, row, err))
            return -1;
    }
    effects_call (fx, req, s_start_written, self, arena_string (req->arena, live->id));
    return 0;
}

int
exec_tick (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    execs_t *self = actor;
    int left = EXEC_ROWS_MAX;
    for (node_t *node = self->ended.next; node != &self->ended && left > 0;
         node = node->next, left--)
        if (s_write_end (self, node_of (node, live_t, due), req, txn, fx, err))
            return -1;
    for (node_t *node = self->running.next; node != &self->running && left > 0;
         node = node->next, left--) {
        const live_t *live = node_of (node, live_t, due);
        if (live->due_ms > req->mono_ms)
            break;                      //  They stand in the order of their time
        if (s_write_start (self, live, req, txn, fx, err))
            return -1;
    }
    if (self->links_due_ms <= req->mono_ms || self->streams_due_ms <= req->mono_ms
        || starts_next_ms (self) <= req->mono_ms)
        effects_call (fx, req, s_time, self, NULL);
    if (uses_tick (self, req, txn, fx, err))
        return -1;
    if (execs_forget_next (self) <= req->mono_ms)
        execs_forget (self, req, txn, fx);
    return 0;
}

int64_t
exec_next_ms (void *actor)
{
    const execs_t *self = actor;
    if (node_linked (&self->ended))
        return 0;
    int64_t next = self->links_due_ms < self->streams_due_ms ? self->links_due_ms
                                                             : self->streams_due_ms;
    if (starts_next_ms (self) < next)
        next = starts_next_ms (self);
    next = self->uses_due_ms < next ? self->uses_due_ms : next;
    if (node_linked (&self->running)) {
        int64_t due = node_of (self->running.next, live_t, due)->due_ms;
        next = due < next ? due : next;
    }
    int64_t forget = execs_forget_next (self);
    return forget < next ? forget : next;
}

//  ---- exec.run

//  The first 256 KiB of one stream, of which `total` bytes were written.
static berth_bytes_t
s_output (spool_reader_t *reader, int stream, uint64_t total, arena_t *arena, bool *cut)
{
    size_t room = total < BERTH_CHUNK_MAX ? (size_t) total : BERTH_CHUNK_MAX;
    uint8_t *data = arena_take (arena, room);
    size_t filled = 0, size;
    uint64_t offset = 0, from;
    int of;
    berth_error_t err = { 0 };
    while (filled < room
           && spool_read (reader, stream, offset, data + filled, room - filled, &size, &from, &of,
                          &err) == 0
           && size > 0) {
        *cut |= from != offset;
        filled += size;
        offset = from + size;
    }
    *cut |= err.code != BERTH_OK;
    return (berth_bytes_t) { data, filled };
}

void
exec_answer_run (execs_t *self, const exec_t *row, const request_t *req, effects_t *fx)
{
    const char *subject = exec_subject (req->arena, "run", row->id);
    if (!waiters_any (actor_waiters (self->actor), subject))
        return;
    exec_result_t result = { .exec = row };
    own (spool_reader) reader = NULL;
    berth_error_t err = { 0 };
    static const uint8_t s_nothing [1];
    result.out = result.err = (berth_bytes_t) { s_nothing, 0 };
    const char *folder = exec_spool (self, row->id, req->arena);
    if ((row->stdout_bytes || row->stderr_bytes)
        && spool_reader_open (folder, &reader, &err) == 0) {
        if (row->stdout_bytes)
            result.out = s_output (reader, SPOOL_STDOUT, row->stdout_bytes, req->arena,
                                   &result.cut);
        if (row->stderr_bytes)
            result.err = s_output (reader, SPOOL_STDERR, row->stderr_bytes, req->arena,
                                   &result.cut);
    }
    result.cut |= result.out.size < row->stdout_bytes || result.err.size < row->stderr_bytes;
    effects_settle (fx, req->arena, subject, &exec_result_schema, &result);
}
