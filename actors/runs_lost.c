//  runs_lost.c - heartbeats, and runs that sent one and fell silent: what they hold is given back as
//  failed.
//
//  A run that never sent a heartbeat is never lost. The clock is the monotonic one of this boot; a
//  start of the service counts as a heartbeat, since it could hear none. As with leases, the index has
//  when a run is looked at: a heartbeat leaves its entry where it is.

#include "runs_inside.h"

#include "plant.h"

#include <string.h>

static bool
s_watched (const run_t *run)
{
    return run->state != run_state_RELEASING && run->state != run_state_RELEASED
        && run->state != run_state_FAILED;
}

static void
s_look (runs_t *self, run_t *run, int64_t mono_ms)
{
    run->look_mono_ms = mono_ms;
    if (mono_ms < self->lost_next_ms)
        self->lost_next_ms = mono_ms;
}

//  What the environment's policy said when the run got its lease.
static uint64_t
s_lost_after_ms (const request_t *req, store_txn_t *txn, const run_t *run)
{
    lease_t lease;
    berth_error_t none = { 0 };
    bool said = run->lease && lease_get (txn, req->arena, run->lease, &lease, &none) == 0
             && lease.env_policy && lease.env_policy->lost_after_ms;
    return said ? lease.env_policy->lost_after_ms : BERTH_LOST_AFTER_MS;
}

//  A heartbeat is no change of state: it has no entry in the log.
int
runs_heartbeat (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    runs_t *self = me;
    const run_ref_t *ask = req->body;
    run_t run;
    if (run_get (txn, req->arena, ask->company, ask->run, &run, err))
        return -1;
    run.heartbeat_at = req->now_ms;
    if (s_watched (&run)) {
        if (!run.lost_after_ms)
            run.lost_after_ms = s_lost_after_ms (req, txn, &run);
        bool here = run.boot && strcmp (run.boot, req->boot) == 0;
        run.boot = req->boot;
        run.heard_mono_ms = req->mono_ms;
        if (!here || !run.look_mono_ms)
            s_look (self, &run, req->mono_ms + (int64_t) run.lost_after_ms);
    }
    if (run_put (txn, req->arena, &run, err))
        return -1;
    effects_reply (fx, req, &run_schema, &run);
    return 0;
}

//  ---- silence

static int
s_lose (const request_t *req, store_txn_t *txn, effects_t *fx, run_t *run, int64_t silent_ms,
        berth_error_t *err)
{
    run->step = "release";
    run->target = "failed";
    run->request = (berth_bytes_t) { NULL, 0 };
    run->error_code = "process_lost";
    run->error = arena_printf (req->arena, "the run sent no heartbeat for %lld s; it is lost after %llu s",
                               (long long) silent_ms / 1000,
                               (unsigned long long) run->lost_after_ms / 1000);
    run->look_mono_ms = 0;
    if (run_move (run, run_state_RELEASING, err)
        || run_save (req, txn, run, ACTION_RUN_RELEASING, err))
        return -1;
    runs_send_release (req, fx, run->company, run->id, "failed", run->error);
    return 0;
}

static int
s_look_at (runs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, run_t *run,
           berth_error_t *err)
{
    if (!run->boot || strcmp (run->boot, req->boot)) {
        run->boot = req->boot;
        run->heard_mono_ms = self->started_mono_ms;
    }
    int64_t heard_ms = run->heard_mono_ms > self->started_mono_ms ? run->heard_mono_ms
                                                                  : self->started_mono_ms;
    int64_t lost_ms = heard_ms + (int64_t) run->lost_after_ms;
    if (PLANTED ("lost-early"))
        lost_ms -= (int64_t) run->lost_after_ms / 2;
    if (lost_ms <= req->mono_ms)
        return s_lose (req, txn, fx, run, req->mono_ms - heard_ms, err);
    s_look (self, run, lost_ms);
    return run_put (txn, req->arena, run, err);
}

//  Rows of another boot have times of another clock: after a start all are walked through, a bounded
//  number in one turn.
static int
s_find_foreign (runs_t *self, const request_t *req, store_txn_t *txn, run_t *due, size_t *ret_count,
                const char **ret_after, berth_error_t *err)
{
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_RUN_HEARD, NULL, self->heard_after [0] ? self->heard_after : NULL,
                    err))
        return -1;
    int rc = 0;
    size_t looked = 0;
    for (; looked < RUNS_TICK_MAX && (rc = walk_next (&walk, req->arena, &due [*ret_count], err)) == 0;
         looked++)
        *ret_count += !due [*ret_count].boot || strcmp (due [*ret_count].boot, req->boot) != 0;
    *ret_after = looked == RUNS_TICK_MAX ? walk_cursor (&walk, req->arena) : NULL;
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

static int
s_find_due (runs_t *self, const request_t *req, store_txn_t *txn, run_t *due, size_t *ret_count,
            berth_error_t *err)
{
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_RUN_HEARD, NULL, NULL, err))
        return -1;
    int rc = 0;
    while (*ret_count < RUNS_TICK_MAX
           && (rc = walk_next (&walk, req->arena, &due [*ret_count], err)) == 0) {
        if (due [*ret_count].look_mono_ms > req->mono_ms) {
            self->lost_next_ms = due [*ret_count].look_mono_ms;
            break;
        }
        ++*ret_count;
    }
    if (*ret_count == RUNS_TICK_MAX)
        self->lost_next_ms = req->mono_ms;
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

//  Behind the commit: a turn that fails is done again.
static void
s_walked_on (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) req;
    (void) fx;
    runs_t *self = actor;
    const char *after = what;
    self->heard_all = !after [0];
    snprintf (self->heard_after, sizeof self->heard_after, "%s", after);
}

int
runs_lost (runs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (self->lost_next_ms > req->mono_ms)
        return 0;
    self->lost_next_ms = INT64_MAX;
    run_t *due = arena_array (req->arena, RUNS_TICK_MAX, run_t);
    size_t count = 0;
    int rc;
    if (self->heard_all)
        rc = s_find_due (self, req, txn, due, &count, err);
    else {
        const char *after = NULL;
        rc = s_find_foreign (self, req, txn, due, &count, &after, err);
        effects_call (fx, req, s_walked_on, self, after ? after : "");
        self->lost_next_ms = req->mono_ms;
    }
    for (size_t index = 0; rc == 0 && index < count; index++)
        rc = s_look_at (self, req, txn, fx, &due [index], err);
    if (rc)
        self->lost_next_ms = req->mono_ms;      //  All of it is still due
    return rc;
}
