//  exec_begin.c - owns the way of a start from its commit to the shim: the place, the START, the
//  answer; and what a restart lost on that way.
//
//  Arguments and environment are nowhere written down: values may be secrets. So exec.start is
//  answered once its START stands in the shim's socket, where it outlives us. A start that a crash
//  cut off before was not answered: whoever asked asks again, by its key or by the exec's id, and
//  brings them. A place that died with the START in its socket takes the exec along: nobody asks again
//  for what was answered, and that place would start nothing.

#include "exec_parts.h"

#include "codec.h"

#include <stdlib.h>
#include <string.h>

const char *
exec_socket (const lease_t *lease, arena_t *arena)
{
    return lease->shim.size ? arena_text (arena, (const char *) lease->shim.data, lease->shim.size)
                            : NULL;
}

static uint8_t *
s_copy (berth_bytes_t bytes)
{
    uint8_t *copy = malloc (bytes.size);
    ENSURE (copy);
    memcpy (copy, bytes.data, bytes.size);
    return copy;
}

static void
s_keep_start (live_t *live, berth_bytes_t start)
{
    live->start = s_copy (start);
    live->start_size = start.size;
}

static void
s_keep_answer (live_t *live, const exec_t *row, arena_t *arena)
{
    if (live->answer)
        return;
    berth_bytes_t packed = berth_pack (&exec_schema, row, arena);
    live->answer = s_copy (packed);
    live->answer_size = packed.size;
}

//  To the shim, or to the place that is opened first.
static void
s_go (execs_t *self, live_t *live, const begin_t *begin, const request_t *req, effects_t *fx)
{
    live->phase = begin->socket ? LIVE_START : LIVE_PLACE;
    if (begin->socket) {
        link_join (self, live, begin->lease, begin->socket, begin->generation, req);
        return;
    }
    lease_place_t place = { .lease = begin->lease };
    effects_work (fx, req->arena, ACTOR_LEASES, NULL, REQUEST_LEASE_PLACE, live->id, "place", req,
                  req->mono_ms + EXEC_PLACE_MS, &place);
}

void
exec_begin (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    execs_t *self = actor;
    const begin_t *begin = what;
    const exec_t *row = begin->row;
    live_t *live = live_new (self, row->id, row->company);
    live->told = row->state == exec_state_RUNNING;
    live->block = row->on_full == exec_on_full_BLOCK;
    live->tty = row->tty;
    live->spool_max = row->spool_max;
    live->bytes [0] = row->stdout_bytes;
    live->bytes [1] = row->stderr_bytes;
    live_count (self, live);
    live->phase = LIVE_UNSURE;
    if (begin->start.size) {
        s_keep_start (live, begin->start);
        s_keep_answer (live, row, req->arena);
        s_go (self, live, begin, req, fx);
    }
    else if (begin->socket)
        link_join (self, live, begin->lease, begin->socket, begin->generation, req);
    else
        live_lost (self, live, "its place is gone, or was never opened", !begin->closed, req);
    starts_settle (self, req, fx);
}

void
exec_begin_again (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    execs_t *self = actor;
    const begin_t *begin = what;
    live_t *live = live_find (self, begin->row->id);
    if (!live || live->phase == LIVE_RUNNING || live->phase == LIVE_ENDED) {
        exec_t row = *begin->row;
        if (live)
            live_overlay (live, &row);
        effects_settle (fx, req->arena, exec_subject (req->arena, "start", row.id), &exec_schema,
                        &row);
        return;
    }
    s_keep_answer (live, begin->row, req->arena);
    bool lost = live->phase == LIVE_UNSURE || live->phase == LIVE_WANTED;
    if (lost && !live->start && begin->start.size) {
        s_keep_start (live, begin->start);
        if (live->phase == LIVE_WANTED && !live->link) {
            node_leave (&live->due);
            s_go (self, live, begin, req, fx);
        }
    }
    starts_settle (self, req, fx);
}

//  ---- what a restart lost

void
live_wanted (execs_t *self, live_t *live, const char *reason, const request_t *req)
{
    live->phase = LIVE_WANTED;
    live->asked = false;
    live->due_ms = req->mono_ms + EXEC_WANTED_MS;
    snprintf (live->reason, sizeof live->reason, "%s; the service was started anew before, and "
              "nobody has asked for it again", reason);
    node_join (&live->due, &self->wanted);
}

static void
s_go_on (execs_t *self, const request_t *req)
{
    for (node_t *node = self->wanted.next, *next; node != &self->wanted; node = next) {
        next = node->next;
        live_t *live = node_of (node, live_t, due);
        if (live->start && live->link) {
            node_leave (&live->due);
            live->phase = LIVE_START;
            live->reason [0] = 0;
            link_start (self, live, req);
            next = self->wanted.next;       //  Others of its place may have gone with it
        }
        else if (live->due_ms <= req->mono_ms) {
            char *reason = arena_string (req->arena, live->reason);
            node_leave (&live->due);
            live_not_started (self, live, reason, req);
        }
    }
}

int64_t
starts_next_ms (const execs_t *self)
{
    return node_linked (&self->wanted) ? node_of (self->wanted.next, live_t, due)->due_ms
                                       : INT64_MAX;
}

//  ---- the answer

void
live_handed (execs_t *self, live_t *live)
{
    if (live->answer)
        node_join (&live->handed, &self->handed);
}

static void
s_answer (execs_t *self, live_t *live, const request_t *req, effects_t *fx)
{
    const char *subject = exec_subject (req->arena, "start", live->id);
    exec_t row;
    berth_error_t err = { 0 };
    berth_bytes_t packed = { arena_copy (req->arena, live->answer, live->answer_size),
                             live->answer_size };
    free (take (live->answer));
    if (!waiters_any (actor_waiters (self->actor), subject))
        return;
    ENSURE (berth_unpack_own (&exec_schema, packed, req->arena, &row, &err) == 0);
    live_overlay (live, &row);
    effects_settle (fx, req->arena, subject, &exec_schema, &row);
}

void
starts_settle (execs_t *self, const request_t *req, effects_t *fx)
{
    s_go_on (self, req);
    while (node_linked (&self->handed)) {
        live_t *live = node_of (self->handed.next, live_t, handed);
        node_leave (&live->handed);
        s_answer (self, live, req, fx);
    }
}

//  ---- the place of an exec

typedef struct {
    const char *exec, *reason;      //  reason: why there is none
    const lease_t *lease;
} placed_t;

static void
s_placed (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    execs_t *self = actor;
    const placed_t *placed = what;
    live_t *live = live_find (self, placed->exec);
    if (!live || live->phase != LIVE_PLACE)
        return;                     //  Answered before
    if (placed->reason)
        live_not_started (self, live, placed->reason, req);
    else {
        live->phase = LIVE_START;
        link_join (self, live, placed->lease->id, exec_socket (placed->lease, req->arena),
                   placed->lease->generation, req);
    }
    starts_settle (self, req, fx);
}

int
exec_placed (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const step_done_t *done = req->body;
    if (strcmp (done->step, "drop") == 0)
        return exec_dropped (actor, req, txn, done, err);
    placed_t *placed = arena_new_of (req->arena, placed_t);
    placed->exec = arena_string (req->arena, done->subject);
    if (done->ok) {
        lease_t *lease = arena_new_of (req->arena, lease_t);
        berth_bytes_t packed = { arena_copy (req->arena, done->result.data, done->result.size),
                                 done->result.size };
        if (berth_unpack_own (&lease_schema, packed, req->arena, lease, err))
            return -1;
        placed->lease = lease;
        if (!lease->shim.size)
            placed->reason = "the lease's provider opens no place that commands can run in";
    }
    else {
        berth_error_t why;
        error_from_body (done->error, req->arena, &why);
        placed->reason = arena_string (req->arena, why.text);
    }
    effects_call (fx, req, s_placed, actor, placed);
    return 0;
}

//  ---- the start of the actor

//  Takes up what a berthd before this one has left: every exec that has not ended.
int
exec_take_up (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx,
              berth_error_t *err)
{
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_EXEC_LIVE, NULL, NULL, err))
        return -1;
    lease_t lease = { .id = "" };
    bool found = false;
    int rc;
    exec_t *row = arena_new_of (req->arena, exec_t);
    while ((rc = walk_next (&walk, req->arena, row, err)) == 0) {
        if (strcmp (lease.id, row->lease)) {
            berth_error_t none = { 0 };
            found = lease_get (txn, req->arena, row->lease, &lease, &none) == 0;
            if (!found)
                lease.id = row->lease;
        }
        begin_t *begin = arena_new_of (req->arena, begin_t);
        *begin = (begin_t) { .row = row, .lease = row->lease, .generation = row->generation,
                             .socket = found ? exec_socket (&lease, req->arena) : NULL,
                             .closed = !found || lease.state != lease_state_ACTIVE };
        effects_call (fx, req, exec_begin, actor, begin);
        row = arena_new_of (req->arena, exec_t);
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}
