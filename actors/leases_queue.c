//  leases_queue.c - owns the line before a workspace that takes one lease at a time.
//
//  A workspace with concurrency `serialize` has a queue: a lease that can't have it yet is written as
//  pending with queuedAt, has opened nothing, and gets its turn in the order of generations, in the
//  transaction in which the one before it settles. While it waits its expiresAt is the end of its
//  patience; its lifetime begins with its turn.

#include "leases_inside.h"

#include "company.h"
#include "plant.h"

#include <string.h>

//  ---- who has it, who waits

static store_key_t
s_unit (const lease_t *lease)
{
    store_key_t prefix = { 0 };
    key_id (&prefix, lease->env);
    key_id (&prefix, lease->workspace);
    return prefix;
}

static int
s_concurrency (const request_t *req, store_txn_t *txn, const lease_t *lease,
               concurrency_t *ret_concurrency, berth_error_t *err)
{
    const environment_policy_t *policy = lease->env_policy;
    concurrency_t concurrency = policy && policy->concurrency ? policy->concurrency
                                                              : concurrency_EXCLUSIVE;
    workspace_t workspace;
    berth_error_t unknown = { 0 };
    if (workspace_get (txn, req->arena, lease->workspace, &workspace, &unknown) == 0) {
        if (company_check (lease->company, workspace.company, "workspace", lease->workspace, err))
            return -1;
        if (workspace.concurrency)
            concurrency = workspace.concurrency;
    }
    else if (unknown.code != BERTH_NOT_FOUND) {
        *err = unknown;
        return -1;
    }
    *ret_concurrency = concurrency;
    return 0;
}

int
leases_unit (const request_t *req, store_txn_t *txn, const lease_t *lease, unit_t *ret_unit,
             berth_error_t *err)
{
    *ret_unit = (unit_t) { .concurrency = concurrency_ALLOW };
    if (!lease->workspace)
        return 0;
    if (s_concurrency (req, txn, lease, &ret_unit->concurrency, err))
        return -1;
    if (ret_unit->concurrency == concurrency_ALLOW)
        return 0;
    store_key_t prefix = s_unit (lease);
    store_walk_t walk;
    lease_t other;
    if (walk_begin (&walk, txn, INDEX_LEASE_BY_WORKSPACE, &prefix, NULL, err))
        return -1;
    int rc;
    while ((rc = walk_next (&walk, req->arena, &other, err)) == 0 && other.queued_at)
        ;
    walk_end (&walk);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        ret_unit->holder = other.id;
        ret_unit->run = other.run;
    }
    ret_unit->queued = index_entries (txn, INDEX_LEASE_QUEUED, &prefix);
    return 0;
}

int
leases_exclusive (const request_t *req, store_txn_t *txn, const lease_t *lease, berth_error_t *err)
{
    unit_t unit;
    if (leases_unit (req, txn, lease, &unit, err))
        return -1;
    if ((!unit.holder && !unit.queued) || PLANTED ("two-holders"))
        return 0;
    const char *holder = unit.holder ? unit.holder : "";
    berth_error_set (err->lease_id, sizeof err->lease_id, "%s", holder);
    if (unit.concurrency != concurrency_SERIALIZE) {
        berth_error_set (err->remedy, sizeof err->remedy, "release lease %s, or set the workspace's"
                         " concurrency to serialize or allow", holder);
        return berth_fail (err, BERTH_CONFLICT, "workspace '%s' is held by lease '%s'%s%s",
                           lease->workspace, holder, unit.run ? " of run " : "",
                           unit.run ? unit.run : "");
    }
    if (unit.queued < LEASES_QUEUE_MAX) {
        err->lease_id [0] = 0;
        return 1;
    }
    berth_error_set (err->limit, sizeof err->limit, "queue");
    err->limit_value = LEASES_QUEUE_MAX;
    err->retry_after_ms = LEASES_QUEUE_RETRY_MS;
    berth_error_set (err->remedy, sizeof err->remedy, "ask again later; lease.list with state pending"
                     " names those that wait");
    return berth_fail (err, BERTH_BUSY, "%d leases wait for workspace '%s', and no more may",
                       LEASES_QUEUE_MAX, lease->workspace);
}

//  The id of the first that waits: 0, or 1 if nobody does.
static int
s_first (store_txn_t *txn, const store_key_t *prefix, char ret_id [BERTH_ID_SIZE],
         berth_error_t *err)
{
    store_walk_t walk;
    store_key_t key;
    if (walk_begin (&walk, txn, INDEX_LEASE_QUEUED, prefix, NULL, err))
        return -1;
    int rc = walk_next_key (&walk, &key, err);
    if (rc == 0)
        key_last_id (&key, ret_id);
    walk_end (&walk);
    return rc;
}

int
leases_queue_position (store_txn_t *txn, lease_t *lease, berth_error_t *err)
{
    if (!lease->queued_at)
        return 0;
    store_key_t prefix = s_unit (lease), key;
    store_walk_t walk;
    char id [BERTH_ID_SIZE] = { 0 };
    uint64_t position = 0;
    if (walk_begin (&walk, txn, INDEX_LEASE_QUEUED, &prefix, NULL, err))
        return -1;
    int rc;
    while (strcmp (id, lease->id) && (rc = walk_next_key (&walk, &key, err)) == 0) {
        key_last_id (&key, id);
        position++;
    }
    walk_end (&walk);
    if (strcmp (id, lease->id) == 0)
        berth_put (lease, lease, position, position);
    return 0;
}

//  ---- telling

//  One request that streams, or the run that asked on behalf of one.
static void
s_tell (const request_t *req, effects_t *fx, const letter_t *to, const lease_waiting_t *waiting)
{
    if (to->answer_to == ACTOR_FRONT) {
        effects_chunk (fx, to, req->arena, &lease_waiting_schema, waiting,
                       (berth_bytes_t) { NULL, 0 }, NULL);
        return;
    }
    step_progress_t on = { .subject = to->subject, .waiting = waiting };
    effects_work (fx, req->arena, to->answer_to, NULL, REQUEST_STEP_PROGRESS, to->subject, to->step,
                  NULL, 0, &on);
}

int
leases_queue_tell (const request_t *req, store_txn_t *txn, effects_t *fx, const lease_t *lease,
                   berth_error_t *err)
{
    lease_waiting_t waiting = { .id = lease->id };
    lease_t shown = *lease;
    unit_t unit = { .holder = NULL };
    if (lease->queued_at
        && (leases_queue_position (txn, &shown, err) || leases_unit (req, txn, lease, &unit, err)))
        return -1;
    waiting.position = shown.position;
    waiting.holder = unit.holder;
    s_tell (req, fx, req->letter, &waiting);
    return 0;
}

//  All who wait for a lease, if anybody does.
static void
s_tell_all (leases_t *self, const request_t *req, effects_t *fx, const char *lease, const char *run,
            const char *company, const lease_waiting_t *waiting)
{
    static const char *const waits [] = { "active", "active/detached" };
    for (size_t index = 0; index < BERTH_COUNT (waits); index++) {
        const char *subject = lease_subject (req->arena, lease, waits [index]);
        if (waiters_any (actor_waiters (self->actor), subject))
            effects_progress (fx, req->arena, subject, &lease_waiting_schema, waiting);
    }
    if (!run)
        return;
    step_progress_t on = { .subject = arena_printf (req->arena, "%s/%s", company, run),
                           .waiting = waiting };
    effects_work (fx, req->arena, ACTOR_RUNS, NULL, REQUEST_STEP_PROGRESS, on.subject, "lease", NULL,
                  0, &on);
}

//  The line moved: those that still stand in it hear where.
static int
s_tell_line (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
             const lease_t *of, berth_error_t *err)
{
    store_key_t prefix = s_unit (of);
    store_walk_t walk;
    unit_t unit;
    lease_t lease;
    if (leases_unit (req, txn, of, &unit, err)
        || walk_begin (&walk, txn, INDEX_LEASE_QUEUED, &prefix, NULL, err))
        return -1;
    int rc;
    for (uint64_t position = 1; (rc = walk_next (&walk, req->arena, &lease, err)) == 0; position++) {
        lease_waiting_t waiting = { .id = lease.id, .position = position, .holder = unit.holder };
        s_tell_all (self, req, fx, lease.id, lease.run, lease.company, &waiting);
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

//  ---- in and out

int
leases_queue_join (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                   lease_t *lease, int64_t client_ms, berth_error_t *err)
{
    (void) fx;
    lease->queued_at = req->now_ms;
    lease_deadline (self, req, lease, client_ms > 0 && client_ms < LEASES_QUEUE_MS
                                          ? (uint64_t) client_ms : LEASES_QUEUE_MS);
    return lease_save (self, req, txn, lease, ACTION_LEASE_QUEUED, err);
}

//  Ends one that waits; who stands behind it is not looked at.
static int
s_leave (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
         const char *status, berth_error_t *why, berth_error_t *err)
{
    int state = berth_enum_value (&lease_state_enum, status, strlen (status));
    lease->queued_at = 0;
    lease->place = place_state_GONE;
    lease->released_at = lease->last_used_at = req->now_ms;
    if (lease_move (lease, (lease_state_t) state, err)
        || lease_save (self, req, txn, lease, ACTION_LEASE_RELEASED, err))
        return -1;
    leases_settle_refused (req, fx, lease, why);
    return 0;
}

int
leases_queue_leave (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                    lease_t *lease, const char *status, const char *failure, berth_error_t *err)
{
    berth_error_t why = { 0 };
    (void) berth_fail (&why, BERTH_CONFLICT, "lease '%s' left the queue%s%s", lease->id,
                       failure ? ": " : "", failure ? failure : "");
    if (failure)
        lease->failure = arena_string (req->arena, failure);
    else if (strcmp (status, "failed") == 0)
        lease->failure = "adapter_or_run_failure";
    return s_leave (self, req, txn, fx, lease, status, &why, err)
        || leases_settle (self, req, txn, fx, lease, err) ? -1 : 0;
}

//  ---- whose turn it is

//  May it have a place at all, now? 0; 1: not now; -1 and *why: not any more.
static int
s_may (leases_t *self, const request_t *req, store_txn_t *txn, const lease_t *lease,
       berth_error_t *why)
{
    environment_t env;
    if (environment_get (txn, req->arena, lease->env, &env, why)) {
        if (why->code == BERTH_NOT_FOUND)
            why->code = BERTH_ENVIRONMENT_NOT_FOUND;
        return -1;
    }
    if (env.status != environment_status_ACTIVE)
        return berth_fail (why, BERTH_ENVIRONMENT_INACTIVE,
                           "Environment \"%s\" is not active (status: %s).", env.name,
                           berth_enum_text (&environment_status_enum, (int) env.status));
    if (!provider_by_name (lease->provider))
        return berth_fail (why, BERTH_UNSUPPORTED_ENVIRONMENT, "there is no provider '%s'",
                           lease->provider);
    if (company_stays (txn, req->arena, lease->company, why))
        return -1;
    return leases_admit (self, req, txn, lease->provider, lease->env, why) || store_admit (txn, why)
         ? 1 : 0;
}

//  The first of a line gets its turn: 0; 1: not now.
static int
s_turn (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
        berth_error_t *err)
{
    berth_error_t why = { 0 };
    int rc = s_may (self, req, txn, lease, &why);
    if (rc > 0) {
        leases_queue_due (self, req->mono_ms + LEASES_QUEUE_RETRY_MS);
        return 1;
    }
    if (rc < 0) {
        lease->failure = arena_string (req->arena, why.text);
        return s_leave (self, req, txn, fx, lease, "failed", &why, err);
    }
    lease_waiting_t waiting = { .id = lease->id };
    if (leases_begin (self, req, txn, fx, provider_by_name (lease->provider), lease, err))
        return -1;
    s_tell_all (self, req, fx, lease->id, lease->run, lease->company, &waiting);
    if (lease->state == lease_state_ACTIVE)
        leases_settle_active (req, fx, lease);
    return 0;
}

int
leases_queue_next (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                   const lease_t *left, berth_error_t *err)
{
    if (!left->workspace)
        return 0;
    store_key_t prefix = s_unit (left);
    char id [BERTH_ID_SIZE];
    int rc = s_first (txn, &prefix, id, err);
    if (rc)
        return rc < 0 ? -1 : 0;
    while (rc == 0 && (rc = s_first (txn, &prefix, id, err)) == 0) {
        unit_t unit;
        lease_t lease;
        if (lease_get (txn, req->arena, id, &lease, err)
            || leases_unit (req, txn, &lease, &unit, err))
            return -1;
        if (unit.holder)
            break;
        rc = s_turn (self, req, txn, fx, &lease, err);
    }
    return rc < 0 || s_tell_line (self, req, txn, fx, left, err) ? -1 : 0;
}

//  ---- looked at again

void
leases_queue_due (leases_t *self, int64_t mono_ms)
{
    if (mono_ms < self->queue_ms)
        self->queue_ms = mono_ms;
    leases_due (self, self->queue_ms);
}

//  One lease of each line. There may be many: what is kept of each is its first id.
static int
s_lines (const request_t *req, store_txn_t *txn, const char ***ret_ids, size_t *ret_count,
         berth_error_t *err)
{
    enum { UNIT = 32 };             //  Bytes of environment and workspace
    uint8_t before [UNIT] = { 0 };
    store_walk_t walk;
    store_key_t key;
    size_t count = 0, room = (size_t) index_entries (txn, INDEX_LEASE_QUEUED, NULL);
    const char **ids = arena_array (req->arena, room + 1, const char *);
    if (walk_begin (&walk, txn, INDEX_LEASE_QUEUED, NULL, NULL, err))
        return -1;
    int rc;
    while (count < room && (rc = walk_next_key (&walk, &key, err)) == 0) {
        if (count && memcmp (before, key.data, UNIT) == 0)
            continue;
        memcpy (before, key.data, UNIT);
        char *id = arena_take (req->arena, BERTH_ID_SIZE);
        key_last_id (&key, id);
        ids [count++] = id;
    }
    walk_end (&walk);
    *ret_ids = ids;
    *ret_count = count;
    return 0;
}

int
leases_queue_tick (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                   berth_error_t *err)
{
    if (self->queue_ms <= req->mono_ms) {
        const char **ids;
        size_t count;
        self->queue_ms = INT64_MAX;
        int rc = s_lines (req, txn, &ids, &count, err);
        for (size_t index = 0; rc == 0 && index < count; index++) {
            lease_t lease;
            rc = lease_get (txn, req->arena, ids [index], &lease, err)
              || leases_queue_next (self, req, txn, fx, &lease, err);
        }
        if (rc) {
            self->queue_ms = req->mono_ms;      //  What was moved on is undone
            return -1;
        }
    }
    leases_due (self, self->queue_ms);
    return 0;
}
