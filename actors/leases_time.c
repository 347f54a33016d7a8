//  leases_time.c - deadlines: renewing, expiry, retries, and what is due after a start.

#include "leases_inside.h"

#include "plant.h"

#include <string.h>

//  The next deadline: the end that was granted, or sooner, idle_left_ms from now.
static void
s_deadline (leases_t *self, const request_t *req, lease_t *lease, int64_t idle_left_ms)
{
    int64_t deadline_ms = lease->end_mono_ms;
    if (lease->idle_ms && (!deadline_ms || req->mono_ms + idle_left_ms < deadline_ms))
        deadline_ms = req->mono_ms + idle_left_ms;
    lease->boot = deadline_ms ? req->boot : NULL;
    lease->expires_at = deadline_ms ? req->now_ms + (deadline_ms - req->mono_ms) : 0;
    lease->deadline_mono_ms = deadline_ms;
    if (deadline_ms)
        leases_due (self, deadline_ms);
}

void
lease_used (leases_t *self, const request_t *req, lease_t *lease)
{
    lease->last_used_at = req->now_ms;
    if (lease->idle_ms && lease->state == lease_state_ACTIVE)
        s_deadline (self, req, lease, (int64_t) lease->idle_ms);
}

void
lease_deadline (leases_t *self, const request_t *req, lease_t *lease, uint64_t ms)
{
    lease->end_mono_ms = ms ? req->mono_ms + (int64_t) ms : 0;
    s_deadline (self, req, lease, (int64_t) lease->idle_ms);
}

enum { USED_STEP_MS = 1000 };

int
leases_renew (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    const lease_renew_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->id, ask->company, ask->generation, &lease, err))
        return -1;
    if (lease.state != lease_state_ACTIVE)
        return berth_fail (err, BERTH_CONFLICT, "lease '%s' is %s, not active", lease.id,
                           berth_enum_text (&lease_state_enum, (int) lease.state));
    uint64_t granted_ms = ask->ms ? ask->ms : lease.max_ms;
    lease_renewed_t renewed = { .id = lease.id };
    if (lease.max_ms && granted_ms > lease.max_ms) {
        granted_ms = lease.max_ms;
        renewed.clipped_by = "policy.maxLeaseMs";
    }
    //  Its place in the lists moves at most once a second: a move is four pages of the commit
    if (req->now_ms < lease.last_used_at || req->now_ms - lease.last_used_at >= USED_STEP_MS)
        lease.last_used_at = req->now_ms;
    lease_deadline (self, req, &lease, granted_ms);
    if (lease_save (self, req, txn, &lease, ACTION_LEASE_RENEWED, err))
        return -1;
    renewed.expires_at = lease.expires_at;
    renewed.granted_ms = lease.expires_at ? (uint64_t) (lease.expires_at - req->now_ms) : 0;
    if (granted_ms && renewed.granted_ms < granted_ms)
        renewed.clipped_by = "policy.idleMs";
    renewed.lease = &lease;
    effects_reply (fx, req, &lease_renewed_schema, &renewed);
    return 0;
}

enum { USED_EXECS = 16 };           //  Of the newest: the last to end is among them, or close

//  When a lease was last used, beyond what its row says: our start, its run's heartbeat, its execs.
//  One that runs is use now.
static int
s_used_at (leases_t *self, const request_t *req, store_txn_t *txn, const lease_t *lease,
           int64_t *ret_used_at, berth_error_t *err)
{
    int64_t used_at = self->started_ms;
    berth_error_t unknown = { 0 };
    run_t run;
    if (lease->run
        && run_get (txn, req->arena, lease->company, lease->run, &run, &unknown) == 0
        && run.heartbeat_at > used_at)
        used_at = run.heartbeat_at;
    store_key_t prefix = { 0 };
    key_id (&prefix, lease->id);
    if (index_entries (txn, INDEX_EXEC_LIVE, &prefix) > 0) {
        *ret_used_at = req->now_ms;
        return 0;
    }
    store_walk_t walk;
    exec_t exec;
    if (walk_begin (&walk, txn, INDEX_EXEC_BY_LEASE, &prefix, NULL, err))
        return -1;
    int rc = 0;
    for (int seen = 0; seen < USED_EXECS && rc == 0; seen++)
        if ((rc = walk_next (&walk, req->arena, &exec, err)) == 0 && exec.ended_at > used_at)
            used_at = exec.ended_at;
    walk_end (&walk);
    *ret_used_at = used_at;
    return rc < 0 ? -1 : 0;
}

//  Use puts off an idle deadline, never the end of maxLeaseMs. Times of use are of the wall clock:
//  each counts once, and for idleMs at most, however that clock was set.
static int
s_expire (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
          berth_error_t *err)
{
    bool idle = lease->idle_ms && (!lease->end_mono_ms || req->mono_ms < lease->end_mono_ms);
    if (idle) {
        int64_t used_at, idle_ms = (int64_t) lease->idle_ms;
        if (s_used_at (self, req, txn, lease, &used_at, err))
            return -1;
        int64_t left_ms = used_at + idle_ms - req->now_ms;
        if (used_at > lease->last_used_at && left_ms > 0) {
            lease->last_used_at = used_at;
            s_deadline (self, req, lease, left_ms < idle_ms ? left_ms : idle_ms);
            return lease_put (txn, req->arena, lease, err);
        }
    }
    return leases_begin_release (self, req, txn, fx, lease, "expired",
                                 idle ? "it was idle for longer than idleMs"
                                      : "it reached the end of maxLeaseMs", err);
}

//  Leases of a state whose deadline has come, to *ret_count of due; the next one decides when the
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
    while (*ret_count < LEASES_TICK_MAX
           && (rc = walk_next (&walk, req->arena, &due [*ret_count], err)) == 0) {
        const lease_t *lease = &due [*ret_count];
        int64_t early_ms = PLANTED ("early-expiry") ? 1000 : 0;
        if (!lease->expires_at)
            break;                  //  It and all behind it never expire
        if (lease->deadline_mono_ms - early_ms > req->mono_ms) {
            leases_due (self, lease->deadline_mono_ms - early_ms);
            break;
        }
        ++*ret_count;
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

static int
s_expire_due (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
              berth_error_t *err)
{
    lease_t *due = arena_array (req->arena, LEASES_TICK_MAX, lease_t);
    size_t count = 0;
    if (s_find_due (self, req, txn, lease_state_ACTIVE, due, &count, err)
        || s_find_due (self, req, txn, lease_state_PENDING, due, &count, err))
        return -1;
    if (count == LEASES_TICK_MAX)
        leases_due (self, req->mono_ms);
    for (size_t index = 0; index < count; index++)
        if (s_expire (self, req, txn, fx, &due [index], err))
            return -1;
    return 0;
}

//  Rows are read one by one into `rows`, which is emptied behind each unless it is the request's own:
//  there may be a million, and what is kept of each meanwhile is its id.
static int
s_each_live (const request_t *req, store_txn_t *txn, lease_state_t state,
             int (*each) (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                          lease_t *lease, berth_error_t *err),
             leases_t *self, arena_t *rows, effects_t *fx, berth_error_t *err)
{
    typedef struct { char text [BERTH_ID_SIZE]; } lease_name_t;
    store_key_t prefix = { 0 }, key;
    key_byte (&prefix, (uint8_t) state);
    //  First look, then change: a walk does not survive writes to its index.
    size_t room = (size_t) index_entries (txn, INDEX_LEASE_LIVE, &prefix), count = 0;
    lease_name_t *ids = arena_array (req->arena, room + 1, lease_name_t);
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_LEASE_LIVE, &prefix, NULL, err))
        return -1;
    int rc = 0;
    while (count < room && (rc = walk_next_key (&walk, &key, err)) == 0)
        key_last_id (&key, ids [count++].text);
    walk_end (&walk);
    if (PLANTED ("lease-forgotten") && count > 1)
        count--;
    for (size_t index = 0; rc >= 0 && index < count; index++) {
        lease_t lease;
        if (lease_get (txn, rows, ids [index].text, &lease, err)
            || each (self, req, txn, fx, &lease, err))
            return -1;
        if (rows != req->arena)
            arena_clear (rows);
    }
    return rc < 0 ? -1 : 0;
}

static int
s_retry (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
         berth_error_t *err)
{
    int64_t wait_ms = lease->next_try_at - req->now_ms;
    if (wait_ms > 0 && wait_ms <= LEASES_RETRY_MAX_MS * (100 + LEASES_JITTER_PERCENT) / 100) {    //  Else the wall clock was set back
        leases_due (self, req->mono_ms + wait_ms);
        return 0;
    }
    lease->next_try_at = req->now_ms + LEASES_CLOSE_MS;     //  Its answer comes before that
    leases_due (self, req->mono_ms + LEASES_CLOSE_MS);
    leases_send_close (req, fx, lease);
    return lease_put (txn, req->arena, lease, err);
}

int
leases_tick (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    self->next_ms = INT64_MAX;
    if (s_expire_due (self, req, txn, fx, err)
        || s_each_live (req, txn, lease_state_CLEANUP, s_retry, self, req->arena, fx, err)
        || leases_sweep_kept (self, req, txn, fx, false, err)) {
        self->next_ms = req->mono_ms;       //  What was found is undone: all of it is still due
        return -1;
    }
    leases_forget (self, req, txn);
    return 0;
}

//  ---- after a start

//  In another boot the wall clock decides, plus one grace.
static void
s_rebase (leases_t *self, const request_t *req, lease_t *lease)
{
    if (!lease->expires_at || (lease->boot && strcmp (lease->boot, req->boot) == 0))
        return;
    int64_t left_ms = lease->expires_at - req->now_ms;
    int64_t deadline_ms = req->mono_ms + (left_ms > 0 ? left_ms : 0) + LEASES_GRACE_MS;
    lease->boot = req->boot;
    if (lease->end_mono_ms)
        lease->end_mono_ms += deadline_ms - lease->deadline_mono_ms;
    lease->deadline_mono_ms = deadline_ms;
    leases_due (self, lease->deadline_mono_ms);
}

static int
s_take_up_pending (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                   lease_t *lease, berth_error_t *err)
{
    s_rebase (self, req, lease);
    leases_send_open (req, fx, lease, lease_opening_step (lease));
    return lease_put (txn, self->rows, lease, err);
}

static int
s_take_up_active (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                  lease_t *lease, berth_error_t *err)
{
    int64_t before_ms = lease->deadline_mono_ms;
    s_rebase (self, req, lease);
    if (lease->place == place_state_OPENING)
        leases_send_open (req, fx, lease, "place");
    else if (lease->place == place_state_OPEN)
        leases_send_open (req, fx, lease, "resume");
    return before_ms != lease->deadline_mono_ms ? lease_put (txn, self->rows, lease, err) : 0;
}

static int
s_take_up_releasing (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                     lease_t *lease, berth_error_t *err)
{
    (void) self;
    (void) txn;
    (void) err;
    leases_send_close (req, fx, lease);
    return 0;
}

int
leases_start (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    self->started_ms = req->now_ms;
    if (PLANTED ("work-forgotten"))
        return 0;
    if (s_each_live (req, txn, lease_state_PENDING, s_take_up_pending, self, self->rows, fx, err)
        || s_each_live (req, txn, lease_state_ACTIVE, s_take_up_active, self, self->rows, fx, err)
        || s_each_live (req, txn, lease_state_RELEASING, s_take_up_releasing, self, self->rows, fx, err))
        return -1;
    return 0;
}

static int
s_give_up (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
           berth_error_t *err)
{
    berth_put (lease, lease, destroy, true);
    return leases_begin_release (self, req, txn, fx, lease, "released", NULL, err);
}

//  The service closes for good: every lease is given back.
int
leases_release_all (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                    berth_error_t *err)
{
    leases_t *self = me;
    return s_each_live (req, txn, lease_state_PENDING, s_give_up, self, req->arena, fx, err)
        || s_each_live (req, txn, lease_state_ACTIVE, s_give_up, self, req->arena, fx, err)
        || leases_sweep_kept (self, req, txn, fx, true, err) ? -1 : 0;
}
