//  exec_start.c - owns the way of a start: checked, written, told to the shim behind the commit.

#include "exec_parts.h"

#include "codec.h"
#include "exec_env.h"
#include "secret_use.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 10000 };

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

//  exec.start is answered once its start is with the shim, exec.run at the end.
static void
s_wait (const exec_t *row, const request_t *req, effects_t *fx)
{
    bool start = req->letter->type == REQUEST_EXEC_START;
    effects_wait (fx, req, exec_subject (req->arena, start ? "start" : "run", row->id));
}

static void
s_run_known (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    const exec_t *row = what;
    if (row->state == exec_state_ENDED)
        exec_answer_run (actor, row, req, fx);      //  Else its end does
}

static int
s_check_lease (const request_t *req, const exec_start_t *ask, const lease_t *lease,
               berth_error_t *err)
{
    if (company_check (ask->company, lease->company, "lease", ask->lease, err)
        || driver_check (req, lease->driver, err))
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
    row->lease_idle_ms = lease->idle_ms;
    if (berth_has (exec_start, ask, timeout_ms))
        berth_put (exec, row, timeout_ms, ask->timeout_ms);
    return row;
}

//  ---- what it refers to

//  The start whose variables are looked up.
typedef struct {
    execs_t *self;
    const request_t *req;
    store_txn_t *txn;
    const lease_t *lease;
    bool entered;                   //  A use of a secret was entered, or its refusal
} lookup_t;

//  What is bound to the run comes before what is bound to its agent, and to the environment.
static int
s_secret (void *context, const char *path, const char *secret, uint64_t version,
          berth_bytes_t *ret_value, berth_error_t *err)
{
    lookup_t *lookup = context;
    const lease_t *lease = lookup->lease;
    secret_user_t users [] = {
        { secret_target_RUN, lease->run }, { secret_target_AGENT, lease->agent },
        { secret_target_ENVIRONMENT, lease->env },
    };
    secret_use_t use = {
        .company = lease->company, .secret = secret, .version = version, .path = path, .users = users,
        .users_count = BERTH_COUNT (users), .run = lease->run, .issue = lease->issue,
    };
    lookup->entered = true;
    return secret_use (lookup->self->vault, lookup->req, lookup->txn, &use, ret_value, err);
}

static berth_bytes_t
s_start (lookup_t *lookup, const exec_t *row, const berth_blobs_t *argv, berth_error_t *err)
{
    execs_t *self = lookup->self;
    const request_t *req = lookup->req;
    const lease_t *lease = lookup->lease;
    const exec_start_t *ask = req->body;
    berth_blobs_t env;
    berth_bytes_t cwd, nothing = { NULL, 0 };
    if (s_check_lease (req, ask, lease, err)
        || exec_cwd (ask, lease, req->arena, &cwd, err)
        || exec_env (ask, lease, s_secret, lookup, req->arena, &env, err))
        return nothing;
    return s_pack_start (self, ask, row, argv, &env, cwd, req->arena);
}

//  A start that is known: answered, not done again. One that a restart lost on its way to the shim
//  is taken up with what this request brings.
static int
s_again (execs_t *self, const exec_t *known, const lease_t *lease, const request_t *req,
         store_txn_t *txn, effects_t *fx, const berth_blobs_t *argv)
{
    berth_error_t none = { 0 };
    exec_t *row = arena_copy (req->arena, known, sizeof *known);
    s_wait (row, req, fx);
    begin_t *begin = arena_new_of (req->arena, begin_t);
    *begin = (begin_t) { .row = row, .lease = row->lease, .generation = row->generation,
                         .socket = exec_socket (lease, req->arena) };
    lookup_t lookup = { self, req, txn, lease, false };
    if (row->state == exec_state_STARTING)
        begin->start = s_start (&lookup, row, argv, &none);
    effects_call (fx, req, exec_begin_again, self, begin);
    if (req->letter->type != REQUEST_EXEC_START)
        effects_call (fx, req, s_run_known, self, row);
    return 0;
}

int
exec_rejoin (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const char *id = strchr (req->subject, ' ');
    ENSURE (id);
    exec_t row;
    lease_t lease;
    berth_blobs_t argv;
    if (exec_get (txn, req->arena, id + 1, &row, err)
        || lease_get (txn, req->arena, row.lease, &lease, err)
        || exec_argv (req->body, &lease, req->arena, &argv, err))
        return -1;
    return s_again (actor, &row, &lease, req, txn, fx, &argv);
}

static int
s_same (const exec_t *row, const request_t *req, const berth_blobs_t *argv, berth_error_t *err)
{
    const exec_start_t *ask = req->body;
    if (company_check (ask->company, row->company, "lease", ask->lease, err))
        return -1;
    if (strcmp (row->lease, ask->lease) == 0
        && row->command.size == argv->items [0].size
        && memcmp (row->command.data, argv->items [0].data, row->command.size) == 0
        && row->args_count == argv->count - 1)
        return 0;
    return berth_fail (err, BERTH_CONFLICT, "exec %s is known, with another command or lease",
                       row->id);
}

int
exec_start_ask (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx,
                berth_error_t *err)
{
    execs_t *self = actor;
    const exec_start_t *ask = req->body;
    lease_t lease;
    exec_t known;
    berth_blobs_t argv;
    berth_error_t none = { 0 };
    if (lease_get (txn, req->arena, ask->lease, &lease, err)
        || exec_argv (ask, &lease, req->arena, &argv, err))
        return -1;
    if (ask->id && exec_get (txn, req->arena, ask->id, &known, &none) == 0)
        return s_same (&known, req, &argv, err) ? -1
             : s_again (self, &known, &lease, req, txn, fx, &argv);
    if (ask->id && none.code != BERTH_NOT_FOUND) {
        *err = none;
        return -1;
    }
    if (s_check_lease (req, ask, &lease, err))
        return -1;
    if (store_admit (txn, err))
        return -1;
    exec_t *row = s_make_row (ask, &lease, &argv, req);
    if (exec_room (req, txn, row->company, &row->spool_max, err))
        return -1;
    begin_t *begin = arena_new_of (req->arena, begin_t);
    lookup_t lookup = { self, req, txn, &lease, false };
    *begin = (begin_t) {
        .row = row, .lease = row->lease, .socket = exec_socket (&lease, req->arena),
        .generation = row->generation, .start = s_start (&lookup, row, &argv, err),
    };
    if (!begin->start.size && lookup.entered) {
        effects_fail (fx, req, err);        //  The entry of who wanted a secret stands
        return 0;
    }
    if (!begin->start.size)
        return -1;
    activity_note_t note = activity_note (req, ACTION_EXEC_STARTED, row->company, row->id, row->run,
                                          lease.agent, s_start_details (row, req->arena));
    if (exec_put (txn, req->arena, row, err) || activity_add (txn, req->arena, &note, err))
        return -1;
    s_wait (row, req, fx);
    effects_call (fx, req, exec_begin, self, begin);
    return 0;
}
