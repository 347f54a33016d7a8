//  exec_start.c - owns the way of a start: checked, written, told to the shim behind the commit.

#include "exec_parts.h"

#include "codec.h"
#include "exec_env.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 10000 };

//  What the commit of a start leaves to be done.
typedef struct {
    const exec_t *row;
    berth_bytes_t start;            //  START, packed; size 0: its shim has been told before
    const char *lease, *socket;     //  socket NULL: the place is not open
    uint64_t generation;
} begin_t;

static void
s_begin (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) fx;
    execs_t *self = actor;
    const begin_t *begin = what;
    const exec_t *row = begin->row;
    live_t *live = live_new (self, row->id, row->company);
    live->phase = begin->start.size ? LIVE_START : LIVE_UNSURE;
    live->told = row->state == exec_state_RUNNING;
    live->block = row->on_full == exec_on_full_BLOCK;
    live->tty = row->tty;
    live->spool_max = row->spool_max;
    live->bytes [0] = row->stdout_bytes;
    live->bytes [1] = row->stderr_bytes;
    live_count (self, live);
    if (begin->start.size) {
        live->start = malloc (begin->start.size);
        ENSURE (live->start);
        memcpy (live->start, begin->start.data, begin->start.size);
        live->start_size = begin->start.size;
    }
    if (begin->socket)
        link_join (self, live, begin->lease, begin->socket, begin->generation, req);
    else if (begin->start.size)
        live->phase = LIVE_PLACE;
    else
        live_lost (self, live, "its place is gone, or was never opened", req);
}

static const char *
s_socket (const lease_t *lease, arena_t *arena)
{
    return lease->shim.size ? arena_text (arena, (const char *) lease->shim.data, lease->shim.size)
                            : NULL;
}

static berth_bytes_t
s_pack_start (const execs_t *self, const exec_start_t *ask, const exec_t *row,
              const berth_blobs_t *argv, const berth_blobs_t *env, berth_bytes_t cwd,
              arena_t *arena)
{
    shim_message_t start = { 0 };
    const char *spool = exec_spool (self, row->id, arena);
    berth_put (shim_message, &start, op, shim_op_START);
    berth_put (shim_message, &start, exec, row->id);
    berth_put (shim_message, &start, generation, row->generation);
    berth_put (shim_message, &start, argv, *argv);
    berth_put (shim_message, &start, env, *env);
    if (cwd.size)
        berth_put (shim_message, &start, cwd, cwd);
    if (ask->tty) {
        berth_put (shim_message, &start, tty, true);
        berth_put (shim_message, &start, cols, ask->tty->cols);
        berth_put (shim_message, &start, rows, ask->tty->rows);
    }
    berth_put (shim_message, &start, stdin_open, row->stdin_open);
    if (berth_has (exec_start, ask, timeout_ms))
        berth_put (shim_message, &start, timeout_ms, ask->timeout_ms);
    berth_put (shim_message, &start, grace_ms,
               berth_has (exec_start, ask, grace_ms) ? ask->grace_ms : GRACE_MS);
    berth_put (shim_message, &start, spool,
               ((berth_bytes_t) { (const uint8_t *) spool, strlen (spool) }));
    berth_put (shim_message, &start, spool_max, row->spool_max);
    berth_put (shim_message, &start, on_full, row->on_full);
    return berth_pack (&shim_message_schema, &start, arena);
}

//  Of an activity entry: which lease, which program. Arguments and environment never.
static berth_bytes_t
s_start_details (const exec_t *row, arena_t *arena)
{
    berth_bytes_t map = any_set_text (berth_empty_map, "leaseId", row->lease, arena);
    if (wire_is_text (row->command.data, row->command.size))
        map = any_set_text (map, "command",
                            arena_text (arena, (const char *) row->command.data, row->command.size),
                            arena);
    return map;
}

//  Answers with the row, or (exec.run) keeps the request until the end.
static void
s_answer_start (execs_t *self, const exec_t *row, const request_t *req, effects_t *fx)
{
    (void) self;
    if (req->letter->type == REQUEST_EXEC_START)
        effects_reply (fx, req, &exec_schema, row);
    else
        effects_wait (fx, req, exec_subject (req->arena, "run", row->id));
}

static void
s_run_known (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    const exec_t *row = what;
    if (row->state == exec_state_ENDED)
        exec_answer_run (actor, row, req, fx);      //  Else its end does
}

int
exec_rejoin (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const char *id = strchr (req->subject, ' ');
    ENSURE (id);
    exec_t *row = arena_new_of (req->arena, exec_t);
    if (exec_get (txn, req->arena, id + 1, row, err))
        return -1;
    effects_wait (fx, req, req->subject);
    effects_call (fx, req, s_run_known, actor, row);
    return 0;
}

//  A start with an id that is known: answered, not done again.
static int
s_start_again (execs_t *self, const exec_t *row, const request_t *req, effects_t *fx,
               const berth_blobs_t *argv, berth_error_t *err)
{
    const exec_start_t *ask = req->body;
    if (company_check (ask->company, row->company, "lease", ask->lease, err))
        return -1;
    bool same = strcmp (row->lease, ask->lease) == 0
             && row->command.size == argv->items [0].size
             && memcmp (row->command.data, argv->items [0].data, row->command.size) == 0
             && row->args_count == argv->count - 1;
    if (!same)
        return berth_fail (err, BERTH_CONFLICT, "exec %s is known, with another command or lease",
                           row->id);
    exec_t *now = arena_copy (req->arena, row, sizeof *row);
    const live_t *live = live_find (self, row->id);
    if (live)
        live_overlay (live, now);
    s_answer_start (self, now, req, fx);
    if (req->letter->type != REQUEST_EXEC_START)
        effects_call (fx, req, s_run_known, self, now);
    return 0;
}

static int
s_check_lease (const exec_start_t *ask, const lease_t *lease, berth_error_t *err)
{
    if (company_check (ask->company, lease->company, "lease", ask->lease, err))
        return -1;
    if (err)
        berth_error_set (err->lease_id, sizeof err->lease_id, "%s", lease->id);
    if (berth_has (exec_start, ask, generation) && ask->generation < lease->generation)
        return berth_fail (err, BERTH_FENCED, "lease %s has generation %llu, not %llu", lease->id,
                           (unsigned long long) lease->generation,
                           (unsigned long long) ask->generation);
    if (lease->state != lease_state_ACTIVE)
        return berth_fail (err, BERTH_CONFLICT, "lease %s is %s: nothing can be started in it",
                           lease->id, berth_enum_text (&lease_state_enum, (int) lease->state));
    return 0;
}

static exec_t *
s_make_row (const exec_start_t *ask, const lease_t *lease, const berth_blobs_t *argv,
            const request_t *req)
{
    exec_t *row = arena_new_of (req->arena, exec_t);
    *row = (exec_t) {
        .id = ask->id ? ask->id : id_new (req), .company = lease->company, .lease = lease->id,
        .generation = lease->generation, .run = lease->run, .state = exec_state_STARTING,
        .command = argv->items [0], .args_count = argv->count - 1, .tty = ask->tty != NULL,
        .stdin_open = ask->stdin_open || ask->tty, .created_at = req->now_ms,
        .spool_max = ask->spool_max ? ask->spool_max : SPOOL_DEFAULT_MAX,
        .on_full = ask->on_full ? ask->on_full : exec_on_full_DROP_OLDEST,
    };
    if (berth_has (exec_start, ask, timeout_ms))
        berth_put (exec, row, timeout_ms, ask->timeout_ms);
    return row;
}

int
exec_start_ask (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx,
                berth_error_t *err)
{
    execs_t *self = actor;
    const exec_start_t *ask = req->body;
    lease_t lease;
    exec_t known;
    berth_blobs_t argv, env;
    berth_bytes_t cwd;
    berth_error_t none = { 0 };
    if (lease_get (txn, req->arena, ask->lease, &lease, err)
        || exec_argv (ask, &lease, req->arena, &argv, err))
        return -1;
    if (ask->id && exec_get (txn, req->arena, ask->id, &known, &none) == 0)
        return s_start_again (self, &known, req, fx, &argv, err);
    if (ask->id && none.code != BERTH_NOT_FOUND) {
        *err = none;
        return -1;
    }
    if (s_check_lease (ask, &lease, err)
        || exec_cwd (ask, &lease, req->arena, &cwd, err)
        || exec_env (ask, &lease, req->arena, &env, err))
        return -1;
    exec_t *row = s_make_row (ask, &lease, &argv, req);
    if (exec_room (req, txn, row->company, &row->spool_max, err))
        return -1;
    activity_note_t note = activity_note (req, ACTION_EXEC_STARTED, row->company, row->id, row->run,
                                          lease.agent, s_start_details (row, req->arena));
    if (exec_put (txn, req->arena, row, err) || activity_add (txn, req->arena, &note, err))
        return -1;

    begin_t *begin = arena_new_of (req->arena, begin_t);
    *begin = (begin_t) {
        .row = row, .lease = row->lease, .socket = s_socket (&lease, req->arena),
        .generation = row->generation,
        .start = s_pack_start (self, ask, row, &argv, &env, cwd, req->arena),
    };
    effects_call (fx, req, s_begin, self, begin);
    if (!begin->socket) {
        lease_place_t place = { .lease = row->lease };
        effects_work (fx, req->arena, ACTOR_LEASES, NULL, REQUEST_LEASE_PLACE, row->id, "place",
                      req, req->mono_ms + EXEC_PLACE_MS, &place);
    }
    s_answer_start (self, row, req, fx);
    return 0;
}

//  ---- the place of an exec

typedef struct {
    const char *exec, *reason;      //  reason: why there is none
    const lease_t *lease;
} placed_t;

static void
s_placed (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) fx;
    execs_t *self = actor;
    const placed_t *placed = what;
    live_t *live = live_find (self, placed->exec);
    if (!live || live->phase != LIVE_PLACE)
        return;                     //  Answered before
    if (placed->reason) {
        live_not_started (self, live, placed->reason, req);
        return;
    }
    live->phase = LIVE_START;
    link_join (self, live, placed->lease->id, s_socket (placed->lease, req->arena),
               placed->lease->generation, req);
}

int
exec_placed (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    const step_done_t *done = req->body;
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
                             .socket = found ? s_socket (&lease, req->arena) : NULL };
        effects_call (fx, req, s_begin, actor, begin);
        row = arena_new_of (req->arena, exec_t);
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}
