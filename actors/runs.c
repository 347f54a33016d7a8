//  runs.c - owns the table of runs: reads, and what is due after a start.

#include "runs_inside.h"

#include "page.h"
#include "trials.h"

#include <stdlib.h>
#include <string.h>

const char *
run_subject (arena_t *arena, const char *company, const char *run, const char *what)
{
    return what ? arena_printf (arena, "%s/%s %s", company, run, what)
                : arena_printf (arena, "%s/%s", company, run);
}

static berth_bytes_t
s_details (const run_t *run, arena_t *arena)
{
    run_details_t details = {
        .env = run->env, .level = run->level, .lease = run->lease,
        .state = berth_enum_text (&run_state_enum, (int) run->state),
        .error_code = run->error_code, .error = run->error,
    };
    return berth_pack (&run_details_schema, &details, arena);
}

int
run_save (const request_t *req, store_txn_t *txn, run_t *run, action_t action, berth_error_t *err)
{
    run->updated_at = req->now_ms;
    activity_note_t note = activity_note (req, action, run->company, run->id, run->id, run->agent,
                                          s_details (run, req->arena));
    return run_put (txn, req->arena, run, err) || activity_add (txn, req->arena, &note, err) ? -1 : 0;
}

int
run_lease (const request_t *req, store_txn_t *txn, const run_t *run, lease_t *ret_lease,
           berth_error_t *err)
{
    if (!run->lease)
        return berth_fail (err, BERTH_CONFLICT, "run '%s' has no lease", run->id);
    if (lease_get (txn, req->arena, run->lease, ret_lease, err))
        return -1;
    if (ret_lease->state != lease_state_ACTIVE)
        return berth_fail (err, BERTH_CONFLICT, "lease '%s' of run '%s' is %s, not active",
                           run->lease, run->id,
                           berth_enum_text (&lease_state_enum, (int) ret_lease->state));
    return 0;
}

//  ---- reads

int
runs_get (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const run_ref_t *ask = req->body;
    run_t run;
    if (run_get (txn, req->arena, ask->company, ask->run, &run, err))
        return -1;
    effects_reply (fx, req, &run_schema, &run);
    return 0;
}

static bool
s_wants (void *context, void *row)
{
    const run_list_t *ask = context;
    return !ask->state || ((const run_t *) row)->state == ask->state;
}

int
runs_list (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const run_list_t *ask = req->body;
    page_ask_t walk = { .index = INDEX_RUN_LIST, .cursor = ask->cursor, .limit = ask->limit,
                        .schema = &run_schema, .wants = s_wants, .context = (void *) ask };
    key_text (&walk.prefix, ask->company);
    run_page_t page = { .next = NULL };
    page.items.items = page_walk (txn, req->arena, &walk, &page.items.count, &page.next, err);
    if (!page.items.items)
        return -1;
    effects_reply (fx, req, &run_page_schema, &page);
    return 0;
}

//  ---- answers to steps

static int
s_done (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const step_done_t *done = req->body;
    if (strncmp (done->step, TEST_STEP, sizeof TEST_STEP - 1) == 0)
        return runs_test_done (me, req, txn, fx, err);
    const char *slash = strchr (done->subject, '/');
    ENSURE (slash);
    const char *company = arena_text (req->arena, done->subject, (size_t) (slash - done->subject));
    run_t run;
    int rc = run_get (txn, req->arena, company, slash + 1, &run, err);
    if (rc && err->code != BERTH_NOT_FOUND)
        return -1;
    run_t *known = rc ? NULL : &run;
    if (strcmp (done->step, "release") == 0)
        return runs_released (me, req, done, known, txn, fx, err);
    ENSURE (known);
    return strcmp (done->step, "lease") == 0 ? runs_leased (req, done, known, txn, fx, err)
                                             : runs_realized (req, done, known, txn, fx, err);
}

static int
s_progress (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    (void) txn;
    (void) err;
    const step_progress_t *step = req->body;
    if (step->waiting) {
        static const char *const waits [] = { "acquired", "acquired-detached" };
        for (size_t index = 0; index < BERTH_COUNT (waits); index++)
            effects_progress (fx, req->arena, arena_printf (req->arena, "%s %s", step->subject,
                                                            waits [index]),
                              &lease_waiting_schema, step->waiting);
    }
    if (!step->progress)
        return 0;
    effects_progress (fx, req->arena, arena_printf (req->arena, "%s realized", step->subject),
                      &workspace_progress_schema, step->progress);
    return 0;
}

//  ---- after a start: steps under way are asked for again

static int
s_take_up (const request_t *req, effects_t *fx, const run_t *run, berth_error_t *err)
{
    if (strcmp (run->step, "lease") == 0)
        runs_send_acquire (req, fx, run, 0);
    else if (strcmp (run->step, "realize") == 0)
        return runs_send_realize (req, fx, run, err);
    else
        runs_send_release (req, fx, run->company, run->id, run->target, run->error);
    return 0;
}

static int
s_start (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    runs_t *self = me;
    self->started_mono_ms = req->mono_ms;
    store_walk_t walk;
    run_t run;
    if (walk_begin (&walk, txn, INDEX_RUN_DUE, NULL, NULL, err))
        return -1;
    int rc;
    while ((rc = walk_next (&walk, req->arena, &run, err)) == 0)
        if ((rc = s_take_up (req, fx, &run, err)))
            break;
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

//  A client's deadline passed: what its step was opening is closed again, unless it detached.
static int
s_expired (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    runs_t *self = me;
    berth_error_t why = { 0 };
    if (req->letter->type == REQUEST_ENVIRONMENT_TEST
        || req->letter->type == REQUEST_ENVIRONMENT_TEST_END)
        return runs_test_expired (me, req, txn, fx, err);
    const char *slash = strchr (req->subject, '/'), *space = strrchr (req->subject, ' ');
    ENSURE (slash && space > slash);
    const char *company = arena_text (req->arena, req->subject, (size_t) (slash - req->subject));
    const char *id = arena_text (req->arena, slash + 1, (size_t) (space - slash - 1));
    run_t run;
    if (run_get (txn, req->arena, company, id, &run, err) == 0) {
        if (run.lease)
            berth_error_set (why.lease_id, sizeof why.lease_id, "%s", run.lease);
        //  It may have got its lease in this very batch; but somebody else may have more time.
        waiters_t *waiters = actor_waiters (self->actor);
        if (strcmp (space + 1, "acquired") == 0
            && (run.state == run_state_ACQUIRING || run.state == run_state_ACQUIRED)
            && !waiters_any (waiters, req->subject)
            && !waiters_any (waiters, run_subject (req->arena, company, id, "acquired-detached"))) {
            run.target = "failed";
            run.step = "release";
            run.error = "the deadline of its client passed";
            run.error_code = berth_code_text (BERTH_DEADLINE_EXCEEDED);
            if (run_move (&run, run_state_RELEASING, err)
                || run_save (req, txn, &run, ACTION_RUN_RELEASING, err))
                return -1;
            runs_send_release (req, fx, company, id, "failed", run.error);
        }
    }
    (void) berth_fail (&why, BERTH_DEADLINE_EXCEEDED, "the deadline passed before %s had settled",
                       request_row (req->letter->type)->type);
    effects_fail (fx, req, &why);
    return 0;
}

//  ---- the actor

static int
s_tick (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    return runs_lost (me, req, txn, fx, err) || runs_test_tick (me, req, txn, fx, err) ? -1 : 0;
}

static int64_t
s_next_ms (void *me)
{
    const runs_t *self = me;
    int64_t next_ms = runs_test_next_ms (me);
    return self->lost_next_ms < next_ms ? self->lost_next_ms : next_ms;
}

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_COMPANY_CLEAR] = runs_clear,
    [REQUEST_RUN_RESOLVE] = runs_resolve,
    [REQUEST_RUN_ACQUIRE] = runs_acquire,
    [REQUEST_RUN_REALIZE] = runs_realize,
    [REQUEST_RUN_RELEASE] = runs_release,
    [REQUEST_RUN_HEARTBEAT] = runs_heartbeat,
    [REQUEST_RUN_GET] = runs_get,
    [REQUEST_RUN_LIST] = runs_list,
    [REQUEST_ENVIRONMENT_TEST] = runs_test,
    [REQUEST_ENVIRONMENT_TEST_END] = runs_test_end,
    [REQUEST_STEP_DONE] = s_done,
    [REQUEST_STEP_PROGRESS] = s_progress,
};

runs_t *
runs_new (const context_t *context, berth_error_t *err)
{
    (void) err;
    runs_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = RUNS_MAGIC;
    self->context = context;
    self->trials = trials_new ();
    static const actor_spec_t spec = {
        .code = ACTOR_RUNS, .handlers = s_handlers, .fd = -1, .start = s_start,
        .expired = s_expired, .rejoin = runs_rejoin, .tick = s_tick,
        .next_ms = s_next_ms,
    };
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return self;
}

void
runs_destroy (runs_t **self_p)
{
    runs_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, RUNS_MAGIC);
    actor_destroy (&self->actor);
    trials_destroy (&self->trials);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

actor_t *
runs_kit (runs_t *self)
{
    CHECK (self, RUNS_MAGIC);
    return self->actor;
}

void
runs_actor (zsock_t *pipe, void *args)
{
    runs_t *self = args;
    CHECK (self, RUNS_MAGIC);
    actor_run (self->actor, pipe);
}
