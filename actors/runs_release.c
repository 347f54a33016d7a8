//  runs_release.c - the last step of a run: all it holds is given back, lease by lease.

#include "runs_inside.h"

#include <string.h>

void
runs_send_release (const request_t *req, effects_t *fx, const char *company, const char *run,
                   const char *status, const char *failure)
{
    release_for_run_t release = {
        .company = company, .run = run, .status = status ? status : "released", .failure = failure,
    };
    effects_work (fx, req->arena, ACTOR_LEASES, NULL, REQUEST_LEASE_RELEASE_FOR_RUN,
                  run_subject (req->arena, company, run, NULL), "release", req, 0, &release);
}

int
runs_release (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const release_for_run_t *ask = req->body;
    const char *status = ask->status ? ask->status : "released";
    if (strcmp (status, "released") && strcmp (status, "expired") && strcmp (status, "failed")) {
        berth_error_set (err->field, sizeof err->field, "status");
        return berth_fail (err, BERTH_INVALID,
                           "field 'status' must be one of 'released', 'expired', 'failed'");
    }
    run_t run;
    int rc = run_get (txn, req->arena, ask->company, ask->run, &run, err);
    if (rc && err->code != BERTH_NOT_FOUND)
        return -1;
    //  A run without a row may have leases all the same; one that is settled has nothing to change.
    bool settled = rc || run.state == run_state_RELEASED || run.state == run_state_FAILED;
    if (!settled && run.state != run_state_RELEASING) {
        run.step = "release";
        run.target = status;
        run.request = (berth_bytes_t) { NULL, 0 };
        if (ask->failure)
            run.error = ask->failure;
        if (run_move (&run, run_state_RELEASING, err)
            || run_save (req, txn, &run, ACTION_RUN_RELEASING, err))
            return -1;
    }
    bool answered = berth_has (release_for_run, ask, wait) && !ask->wait;
    if (answered) {
        run_released_t nothing = { .released = { 0, arena_new_of (req->arena, lease_t) },
                                   .errors = { 0, arena_new_of (req->arena, release_error_t) } };
        effects_reply (fx, req, &run_released_schema, &nothing);
    }
    else
        effects_wait (fx, req, run_subject (req->arena, ask->company, ask->run, "released"));
    runs_send_release (req, fx, ask->company, ask->run, status, ask->failure);
    return 0;
}

int
runs_released (runs_t *self, const request_t *req, const step_done_t *done, run_t *run,
               store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const char *subject = arena_printf (req->arena, "%s released", done->subject);
    if (!done->ok) {
        berth_error_t why;
        error_from_body (done->error, req->arena, &why);
        const char *cause = arena_string (req->arena, why.text);
        if (!why.cause [0])
            berth_error_set (why.cause, sizeof why.cause, "%s (%s)", cause,
                             berth_code_text (why.code));
        (void) berth_fail (&why, BERTH_LEASE_RELEASE_FAILED, "Failed to release leases of run: %s",
                           cause);
        effects_settle_error (fx, req->arena, subject, &why);
        if (!self->again_ms)        //  The row keeps its step: it is asked again
            self->again_ms = req->mono_ms + RUNS_AGAIN_MS;
        return 0;
    }
    run_released_t released;
    if (berth_unpack_own (&run_released_schema, done->result, req->arena, &released, err))
        return -1;
    if (run && run->state == run_state_RELEASING) {
        run->step = NULL;
        run->target = NULL;
        if (run_move (run, run_state_RELEASED, err)
            || run_save (req, txn, run, ACTION_RUN_RELEASED, err))
            return -1;
        berth_error_t why = { 0 };
        (void) berth_fail (&why, BERTH_CONFLICT, "run '%s' was released", run->id);
        static const char *const waits [] = { "acquired", "acquired-detached", "realized" };
        for (size_t index = 0; index < BERTH_COUNT (waits); index++)
            effects_settle_error (fx, req->arena, run_subject (req->arena, run->company, run->id,
                                                               waits [index]), &why);
    }
    effects_settle (fx, req->arena, subject, &run_released_schema, &released);
    return 0;
}

int
runs_release_again (runs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                    berth_error_t *err)
{
    if (!self->again_ms || self->again_ms > req->mono_ms)
        return 0;
    store_walk_t walk;
    run_t run;
    if (walk_begin (&walk, txn, INDEX_RUN_DUE, NULL, NULL, err))
        return -1;
    int rc = 0, sent = 0;
    while (sent < RUNS_AGAIN_MAX && (rc = walk_next (&walk, req->arena, &run, err)) == 0)
        if (strcmp (run.step, "release") == 0 && req->now_ms - run.updated_at >= RUNS_AGAIN_MS) {
            runs_send_release (req, fx, run.company, run.id, run.target, run.error);
            sent++;
        }
    walk_end (&walk);
    //  Those that fail once more say so
    self->again_ms = sent == RUNS_AGAIN_MAX ? req->mono_ms + RUNS_AGAIN_MS : 0;
    return rc < 0 ? -1 : 0;
}
