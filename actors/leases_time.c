//  leases_time.c - the tick: what comes due is looked at, and only that. What is said before an end,
//  the end, and releases that are tried again.

#include "leases_inside.h"

#include "plant.h"

#include <string.h>

//  When a lease was last used, beyond what its row says: our start, its run's heartbeat, an exec that
//  runs (it is use now), one that ended or whose output was read.
static int
s_used (leases_t *self, const request_t *req, store_txn_t *txn, const lease_t *lease,
        int64_t *ret_mono_ms, berth_error_t *err)
{
    int64_t used_ms = self->started_mono_ms;
    run_t run;
    berth_error_t unknown = { 0 };
    if (lease->run && run_get (txn, req->arena, lease->company, lease->run, &run, &unknown) == 0
        && run.boot && strcmp (run.boot, req->boot) == 0 && run.heard_mono_ms > used_ms)
        used_ms = run.heard_mono_ms;
    store_key_t prefix = { 0 }, key;
    key_id (&prefix, lease->id);
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_EXEC_LIVE, &prefix, NULL, err))
        return -1;
    int rc = walk_next_key (&walk, &key, err);
    walk_end (&walk);
    if (rc <= 0 && !PLANTED ("use-forgotten")) {
        *ret_mono_ms = req->mono_ms;
        return rc;
    }
    exec_t exec;
    key_text (&prefix, req->boot);
    if (walk_begin (&walk, txn, INDEX_EXEC_USED, &prefix, NULL, err))
        return -1;
    rc = walk_next (&walk, req->arena, &exec, err);
    walk_end (&walk);
    if (rc == 0 && exec.used_mono_ms > used_ms)
        used_ms = exec.used_mono_ms;
    *ret_mono_ms = used_ms;
    return rc < 0 ? -1 : 0;
}

//  One that is used all the time is written down so often at most.
static void
s_spare (leases_t *self, const request_t *req, lease_t *lease)
{
    int64_t next_ms = req->mono_ms + (int64_t) lease->idle_ms / 10;
    if (lease->look_mono_ms < next_ms && next_ms <= lease->deadline_mono_ms)
        lease_look_at (self, req, lease, next_ms);
}

static int
s_say (const request_t *req, store_txn_t *txn, lease_t *lease, berth_error_t *err)
{
    lease_expiring_details_t details = {
        .env = lease->env, .driver = lease->driver, .provider = lease->provider,
        .policy = berth_enum_text (&lease_policy_enum, (int) lease->policy),
        .workspace = lease->workspace, .issue = lease->issue, .expires_at = lease->expires_at,
        .ends_by = lease->ends_by,
    };
    berth_put (lease_expiring_details, &details, left_ms,
               (uint64_t) (lease->deadline_mono_ms - req->mono_ms));
    activity_note_t note = activity_note (req, ACTION_LEASE_EXPIRING, lease->company, lease->id,
                                          lease->run, lease->agent,
                                          berth_pack (&lease_expiring_details_schema, &details,
                                                      req->arena));
    return activity_add (txn, req->arena, &note, err);
}

static int
s_end (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
       berth_error_t *err)
{
    static const char *const reasons [] = {
        [LEASE_LIMIT_NONE] = "it reached its end",
        [LEASE_LIMIT_MAX] = "it reached the end of maxLeaseMs",
        [LEASE_LIMIT_IDLE] = "it was idle for longer than idleMs",
        [LEASE_LIMIT_PROVIDER] = "its provider ends it then",
        [LEASE_LIMIT_RETAINED] = "its files were not asked for while they were retained",
    };
    const char *reason = lease->queued_at ? "it was not its turn before its time was over"
                                          : reasons [lease_limit (lease)];
    if (lease->state == lease_state_RETAINED) {
        lease->place = place_state_OPEN;
        berth_put (lease, lease, returned, true);           //  Nobody fetches them any more
    }
    return leases_begin_release (self, req, txn, fx, lease, "expired", reason, err);
}

//  A lease that ends by itself: put off if it was used, announced, ended, or none of these.
static int
s_look (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
        berth_error_t *err)
{
    if (lease_rebase (self, req, lease))
        return lease_put (txn, req->arena, lease, err);
    if (lease->idle_ms && lease->state == lease_state_ACTIVE) {
        int64_t used_ms;
        if (s_used (self, req, txn, lease, &used_ms, err))
            return -1;
        if (used_ms > lease->used_mono_ms) {
            lease_used_at (self, req, lease, used_ms);
            s_spare (self, req, lease);
        }
    }
    if (lease_unheard (self, req, lease))
        return leases_begin_release (self, req, txn, fx, lease, "expired",
                                     "its client did not come back after a restart", err);
    int64_t early_ms = PLANTED ("early-expiry") ? 1000 : 0;
    int64_t left_ms = lease->deadline_mono_ms - early_ms - req->mono_ms;
    if (lease->deadline_mono_ms && left_ms <= 0)
        return s_end (self, req, txn, fx, lease, err);
    if (lease->homeward && lease->next_try_at) {
        lease->next_try_at = 0;
        leases_send_home (req, fx, lease);
    }
    uint64_t said_s = lease->deadline_mono_ms ? lease_warning_s (left_ms) : 0;
    bool passed = said_s && (!lease->told_s || said_s < lease->told_s);
    bool say = passed && lease->state != lease_state_PENDING;
    if (passed)
        lease->told_s = said_s;
    int64_t off_ms = lease->expires_at - (req->now_ms + (lease->deadline_mono_ms - req->mono_ms));
    if (lease->deadline_mono_ms && (off_ms < -1000 || off_ms > 1000))
        lease->expires_at -= off_ms;            //  The wall clock was set, or the machine was asleep
    if (lease->look_mono_ms - early_ms <= req->mono_ms) {
        lease->look_mono_ms = 0;
        lease_look_later (self, req, lease);
    }
    if (say && s_say (req, txn, lease, err))
        return -1;
    return lease_put (txn, req->arena, lease, err);
}

static int
s_retry (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
         berth_error_t *err)
{
    lease->next_try_at = req->now_ms + LEASES_CLOSE_MS;     //  Its answer comes before that
    lease_look_at (self, req, lease, req->mono_ms + LEASES_CLOSE_MS);
    leases_send_close (req, fx, lease);
    return lease_put (txn, req->arena, lease, err);
}

//  Leases of a state that are to be looked at, to *ret_count of due; the next one decides when the
//  next tick is due.
static int
s_find_due (leases_t *self, const request_t *req, store_txn_t *txn, lease_state_t state, lease_t *due,
            size_t *ret_count, berth_error_t *err)
{
    store_key_t prefix = { 0 };
    key_byte (&prefix, (uint8_t) state);
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_LEASE_LIVE, &prefix, NULL, err))
        return -1;
    int rc = 0;
    int64_t early_ms = PLANTED ("early-expiry") ? 1000 : 0;
    while (*ret_count < LEASES_TICK_MAX
           && (rc = walk_next (&walk, req->arena, &due [*ret_count], err)) == 0) {
        const lease_t *lease = &due [*ret_count];
        if (!lease->look_mono_ms)
            break;                  //  It and all behind it never are
        if (lease->look_mono_ms - early_ms > req->mono_ms) {
            leases_due (self, lease->look_mono_ms - early_ms);
            break;
        }
        ++*ret_count;
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

static int
s_look_at_due (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
               berth_error_t *err)
{
    static const lease_state_t states [] = {
        lease_state_ACTIVE, lease_state_PENDING, lease_state_RETAINED, lease_state_CLEANUP,
    };
    lease_t *due = arena_array (req->arena, LEASES_TICK_MAX, lease_t);
    size_t count = 0;
    for (size_t index = 0; index < BERTH_COUNT (states); index++)
        if (!(states [index] == lease_state_RETAINED && PLANTED ("retained-for-ever"))
            && s_find_due (self, req, txn, states [index], due, &count, err))
            return -1;
    if (count == LEASES_TICK_MAX)
        leases_due (self, req->mono_ms);
    for (size_t index = 0; index < count; index++) {
        //  One that waited may have had its turn by the end of one before it
        lease_t *lease = &due [index];
        int64_t deadline_ms = lease->deadline_mono_ms;
        if (lease->queued_at
            && lease_get (txn, req->arena, arena_string (req->arena, lease->id), lease, err))
            return -1;
        if (lease->deadline_mono_ms != deadline_ms || lease_settled (lease->state))
            continue;
        if (lease->state == lease_state_CLEANUP ? s_retry (self, req, txn, fx, lease, err)
                                                : s_look (self, req, txn, fx, lease, err))
            return -1;
    }
    return 0;
}

int
leases_tick (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    self->next_ms = INT64_MAX;
    if (leases_take_up (self, req, txn, fx, err)
        || s_look_at_due (self, req, txn, fx, err)
        || leases_sweep_kept (self, req, txn, fx, false, err)
        || leases_queue_tick (self, req, txn, fx, err)
        || leases_sweep_due (self, req, txn, fx, err)) {
        self->next_ms = req->mono_ms;       //  What was found is undone: all of it is still due
        return -1;
    }
    leases_forget (self, req, txn);
    return 0;
}
