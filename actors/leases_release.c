//  leases_release.c - how a lease ends: written first, then the provider closes, then confirmed.

#include "leases_inside.h"

#include "page.h"

#include <string.h>

static bool
s_expires (const lease_t *lease)
{
    return strcmp (lease->target ? lease->target : "", "expired") == 0;
}

//  Are its files to stay when its processes have ended? They may have to come home, or are kept for
//  somebody to look at.
static bool
s_retains (const lease_t *lease)
{
    bool required = lease->return_mode && strcmp (lease->return_mode, "required") == 0;
    return (required && !lease->returned) || (s_expires (lease) && lease_goes_home (lease))
        || strcmp (lease->target ? lease->target : "", "retained") == 0;
}

static bool
s_keeps_files (const lease_t *lease)
{
    return s_retains (lease) || lease_keeps (lease);
}

void
leases_send_close (const request_t *req, effects_t *fx, const lease_t *lease)
{
    place_close_t close = {
        .lease = lease->id, .company = lease->company, .env = lease->env,
        .provider_lease = lease->provider_lease, .config = lease->config,
        .metadata = lease->metadata, .status = lease->target ? lease->target : "released",
    };
    bool keep = s_keeps_files (lease);
    berth_put (place_close, &close, keep_files, keep);
    if (lease->destroy)
        berth_put (place_close, &close, destroy, true);
    if (s_expires (lease))
        berth_put (place_close, &close, grace_ms, BERTH_EXPIRY_GRACE_MS);
    effects_work (fx, req->arena, ACTOR_PROXY, lease->provider, REQUEST_PLACE_CLOSE, lease->id,
                  !lease->provider_lease ? LEASE_STEP_BLIND
                  : keep && !lease->destroy ? LEASE_STEP_KEEP : "close", req,
                  req->mono_ms + LEASES_CLOSE_MS, &close);
}

void
leases_send_extra (const request_t *req, effects_t *fx, const lease_t *lease, const char *place)
{
    place_close_t close = {
        .lease = lease->id, .company = lease->company, .env = lease->env, .provider_lease = place,
        .config = lease->config, .metadata = lease->metadata, .status = "failed",
    };
    berth_put (place_close, &close, destroy, true);
    effects_work (fx, req->arena, ACTOR_PROXY, lease->provider, REQUEST_PLACE_CLOSE, lease->id,
                  LEASE_STEP_EXTRA, req, req->mono_ms + LEASES_CLOSE_MS, &close);
}

//  Paperclip's release table (reference, 2.3).
static const char *
s_target (const lease_t *lease, const char *status)
{
    bool retain = !lease->destroy && lease->policy == lease_policy_RETAIN_ON_FAILURE && strcmp (status, "failed") == 0
               && strcmp (lease->driver ? lease->driver : "", "sandbox") == 0;
    return retain ? "retained" : status;
}

static lease_state_t
s_final (const lease_t *lease)
{
    const char *target = lease->target ? lease->target : "released";
    if (s_retains (lease))
        return lease_state_RETAINED;
    int state = berth_enum_value (&lease_state_enum, target, strlen (target));
    return (lease_state_t) state;
}

//  Nothing is open: the lease is what it was to become.
static int
s_finish (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
          berth_error_t *err)
{
    bool homeward = s_expires (lease) && lease_goes_home (lease);
    if (lease_move (lease, s_final (lease), err))
        return -1;
    bool retained = lease->state == lease_state_RETAINED, kept = !retained && lease_keeps (lease);
    lease->released_at = retained ? 0 : req->now_ms;
    lease->last_used_at = req->now_ms;
    bool anyhow = lease->target && strcmp (lease->target, "retained") == 0;
    lease->retained_as = retained && !anyhow ? lease->target : NULL;
    lease->target = NULL;
    lease->next_try_at = 0;
    lease->place = retained ? place_state_CLOSING : place_state_GONE;
    lease->look_mono_ms = 0;
    if (retained)
        lease_retained (self, req, lease, self->context->retention.retained_ms);
    if (homeward)
        leases_send_home (req, fx, lease);
    if (kept)
        lease_keep (self, req, lease);
    if (lease_save (self, req, txn, lease, retained ? ACTION_LEASE_RETAINED : ACTION_LEASE_RELEASED,
                    err))
        return -1;
    return kept && lease_is_left (req, txn, lease) ? leases_destroy_place (self, req, txn, fx, lease, err)
                                                   : 0;
}

//  Is anything of the run's still on its way? Then the last one answers.
static int
s_run_result (const request_t *req, store_txn_t *txn, const char *company, const char *run,
              run_released_t *ret_result, bool *ret_pending, berth_error_t *err)
{
    store_key_t prefix = { 0 };
    key_text (&prefix, company);
    key_text (&prefix, run);
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_LEASE_BY_RUN, &prefix, NULL, err))
        return -1;
    lease_t *leases = arena_array (req->arena, 1000, lease_t);
    release_error_t *errors = arena_array (req->arena, 1000, release_error_t);
    *ret_result = (run_released_t) { .released = { 0, leases }, .errors = { 0, errors } };
    *ret_pending = false;
    lease_t lease;
    int rc;
    page_t room = { 0 };            //  The answer is one frame; what does not fit stands in the rows
    while ((rc = walk_next (&walk, req->arena, &lease, err)) == 0) {
        if (lease.state == lease_state_CLEANUP) {
            if (ret_result->errors.count < 1000)
                errors [ret_result->errors.count++] = (release_error_t) {
                    .lease = lease.id, .code = berth_code_text (BERTH_LEASE_CLEANUP_FAILED),
                    .error = lease.failure ? lease.failure : "the place could not be closed yet",
                };
        }
        else if (lease_settled (lease.state) || lease.state == lease_state_RETAINED) {
            if (ret_result->released.count < 1000
                && page_takes (&room, 1000, &lease_schema, &lease, req->arena))
                leases [ret_result->released.count++] = lease;
        }
        else if (lease.state == lease_state_RELEASING)
            *ret_pending = true;    //  Others were taken since: they are none of this release
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

static const char *
s_run_subject (arena_t *arena, const char *company, const char *run)
{
    return arena_printf (arena, "%s/%s", company, run);
}

int
leases_settle (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
               const lease_t *lease, berth_error_t *err)
{
    const char *subject = lease_subject (req->arena, lease->id, "settled");
    if (lease->state == lease_state_CLEANUP) {
        berth_error_t why = { 0 };
        berth_error_set (why.lease_id, sizeof why.lease_id, "%s", lease->id);
        berth_error_set (why.cause, sizeof why.cause, "%s", lease->failure ? lease->failure : "");
        (void) berth_fail (&why, BERTH_LEASE_CLEANUP_FAILED,
                           "the place of lease '%s' could not be closed; it is tried again",
                           lease->id);
        effects_settle_error (fx, req->arena, subject, &why);
    }
    else
        effects_settle (fx, req->arena, subject, &lease_schema, lease);
    leases_bound_tell (req, fx, lease);
    if (lease_settled (lease->state) && leases_queue_next (self, req, txn, fx, lease, err))
        return -1;
    if (!lease->run)
        return 0;
    run_released_t result;
    bool pending;
    if (s_run_result (req, txn, lease->company, lease->run, &result, &pending, err))
        return -1;
    if (!pending)
        effects_settle (fx, req->arena, s_run_subject (req->arena, lease->company, lease->run),
                        &run_released_schema, &result);
    return 0;
}

int
leases_begin_release (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                      lease_t *lease, const char *status, const char *failure, berth_error_t *err)
{
    if (lease->queued_at)
        return leases_queue_leave (self, req, txn, fx, lease, status, failure, err);
    lease->target = s_target (lease, status);
    if (failure)
        lease->failure = arena_string (req->arena, failure);
    else if (strcmp (status, "failed") == 0 && !lease->failure)
        lease->failure = "adapter_or_run_failure";
    bool open = lease->place == place_state_OPEN || lease->place == place_state_CLOSING;
    bool opening = lease->place == place_state_OPENING;
    if (!open && !opening)
        return s_finish (self, req, txn, fx, lease, err) || leases_settle (self, req, txn, fx, lease, err) ? -1 : 0;
    lease->cleanup = cleanup_status_PENDING;
    if (lease_move (lease, lease_state_RELEASING, err)
        || lease_save (self, req, txn, lease, ACTION_LEASE_RELEASING, err))
        return -1;
    if (opening) {
        //  Whoever waits for the place will not get it.
        berth_error_t why = { 0 };
        berth_error_set (why.lease_id, sizeof why.lease_id, "%s", lease->id);
        (void) berth_fail (&why, BERTH_CONFLICT, "lease '%s' was given back while its place was"
                           " opening%s%s", lease->id, failure ? ": " : "", failure ? failure : "");
        leases_settle_refused (req, fx, lease, &why);
    }
    if (open)                       //  Else the answer to its opening closes it
        leases_send_close (req, fx, lease);
    return 0;
}

//  The operator gives the place up. It is asked to close once more, and whatever the answer is, the
//  lease is settled: what may be left over is the operator's.
static int
s_abandon (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
           const char *status, const char *failure, berth_error_t *err)
{
    const char *becomes = lease->target ? lease->target : status;
    if (strcmp (becomes, "retained") == 0)
        becomes = "failed";         //  Nothing is kept of a place that is given up
    lease->target = becomes;
    if (failure)
        lease->failure = arena_string (req->arena, failure);
    if (lease->state == lease_state_RETAINED)
        berth_put (lease, lease, returned, true);
    bool opening = lease->place == place_state_OPENING;
    if (lease->place == place_state_OPEN || lease->place == place_state_CLOSING)
        leases_send_close (req, fx, lease);
    if (lease->state != lease_state_RELEASING && lease->state != lease_state_CLEANUP
        && lease_move (lease, lease_state_RELEASING, err))
        return -1;
    int state = berth_enum_value (&lease_state_enum, becomes, strlen (becomes));
    if (lease_move (lease, (lease_state_t) state, err))
        return -1;
    lease->cleanup = cleanup_status_FAILED;
    lease->abandoned_at = lease->released_at = req->now_ms;
    lease->target = NULL;
    lease->next_try_at = 0;
    if (!opening)                   //  Else the answer to its opening closes it
        lease->place = place_state_GONE;
    if (lease_save (self, req, txn, lease, ACTION_LEASE_ABANDONED, err))
        return -1;
    if (opening) {
        berth_error_t why = { 0 };
        (void) berth_fail (&why, BERTH_CONFLICT, "lease '%s' was given up while its place was"
                           " opening", lease->id);
        leases_settle_refused (req, fx, lease, &why);
    }
    return leases_settle (self, req, txn, fx, lease, err);
}

static int
s_may_abandon (const request_t *req, berth_error_t *err)
{
    if (req->letter->roles & ROLE_OPERATOR)
        return 0;
    berth_error_set (err->field, sizeof err->field, "abandon");
    berth_error_set (err->remedy, sizeof err->remedy, "ask an operator, or release without it");
    return berth_fail (err, BERTH_FORBIDDEN, "only an operator may abandon a place");
}

static int
s_status (const char *given, const char **ret_status, berth_error_t *err)
{
    *ret_status = given ? given : "released";
    if (strcmp (*ret_status, "released") == 0 || strcmp (*ret_status, "expired") == 0
        || strcmp (*ret_status, "failed") == 0)
        return 0;
    berth_error_set (err->field, sizeof err->field, "status");
    return berth_fail (err, BERTH_INVALID,
                       "field 'status' must be one of 'released', 'expired', 'failed'");
}

int
leases_release (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    const lease_release_t *ask = req->body;
    const char *status;
    lease_t lease;
    if (s_status (ask->status, &status, err)
        || lease_find (req, txn, ask->id, ask->company, ask->generation, &lease, err))
        return -1;
    if (ask->abandon && s_may_abandon (req, err))
        return -1;
    bool answered = berth_has (lease_release, ask, wait) && !ask->wait;
    if (ask->abandon && !lease_settled (lease.state) && !lease.queued_at
        && s_abandon (self, req, txn, fx, &lease, status, ask->failure, err))
        return -1;
    if (lease_settled (lease.state)) {
        effects_reply (fx, req, &lease_schema, &lease);
        return 0;
    }
    if (!answered)
        effects_wait (fx, req, lease_subject (req->arena, lease.id, "settled"));
    if (lease.state == lease_state_CLEANUP)
        leases_send_close (req, fx, &lease);        //  Somebody cares: try now
    else if (lease.state == lease_state_RETAINED) {
        lease.place = place_state_OPEN;
        berth_put (lease, &lease, returned, true);  //  Given up, or fetched otherwise
        if (leases_begin_release (self, req, txn, fx, &lease, status, ask->failure, err))
            return -1;
    }
    else if (lease.state != lease_state_RELEASING
             && leases_begin_release (self, req, txn, fx, &lease, status, ask->failure, err))
        return -1;
    if (answered)
        effects_reply (fx, req, &lease_schema, &lease);
    return 0;
}

int
leases_release_for_run (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                        berth_error_t *err)
{
    leases_t *self = me;
    const release_for_run_t *ask = req->body;
    const char *status;
    if (s_status (ask->status, &status, err))
        return -1;
    store_key_t prefix = { 0 };
    key_text (&prefix, ask->company);
    key_text (&prefix, ask->run);
    //  First look, then change: a walk does not survive writes to its index.
    const char **ids = arena_array (req->arena, 1000, const char *);
    size_t count = 0;
    store_walk_t walk;
    lease_t lease;
    if (walk_begin (&walk, txn, INDEX_LEASE_BY_RUN, &prefix, NULL, err))
        return -1;
    int rc;
    while (count < 1000 && (rc = walk_next (&walk, req->arena, &lease, err)) == 0)
        if (!lease_settled (lease.state) && lease.state != lease_state_RETAINED)
            ids [count++] = lease.id;
    walk_end (&walk);
    if (rc < 0)
        return -1;
    run_released_t nothing = { .released = { 0, arena_new_of (req->arena, lease_t) },
                               .errors = { 0, arena_new_of (req->arena, release_error_t) } };
    bool tried = false;
    //  Those that wait in a queue first: what the others give back is not for them.
    for (size_t index = 0; index < 2 * count; index++) {
        if (lease_get (txn, req->arena, ids [index % count], &lease, err))
            return -1;
        if (lease_settled (lease.state) || (lease.queued_at ? index >= count : index < count))
            continue;
        if (lease.state == lease_state_CLEANUP) {
            leases_send_close (req, fx, &lease);
            tried = true;
        }
        else if (lease.state != lease_state_RELEASING
                 && leases_begin_release (self, req, txn, fx, &lease, status, ask->failure, err))
            return -1;
    }
    if (berth_has (release_for_run, ask, wait) && !ask->wait) {
        effects_reply (fx, req, &run_released_schema, &nothing);
        return 0;
    }
    run_released_t result;
    bool pending;
    if (s_run_result (req, txn, ask->company, ask->run, &result, &pending, err))
        return -1;
    if (pending || tried)
        effects_wait (fx, req, s_run_subject (req->arena, ask->company, ask->run));
    else
        effects_reply (fx, req, &run_released_schema, &result);
    return 0;
}

static bool
s_on_its_way (const lease_t *lease)
{
    return lease_settled (lease->state) || lease->state == lease_state_RELEASING
        || lease->state == lease_state_CLEANUP;
}

int
leases_give_back (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                  const char *id, const char *failure, berth_error_t *err)
{
    lease_t lease;
    if (lease_get (txn, req->arena, id, &lease, err))
        return -1;
    if (lease_settled (lease.state) && lease.place == place_state_KEPT)
        return leases_destroy_place (self, req, txn, fx, &lease, err);
    if (s_on_its_way (&lease))
        return 0;
    if (lease.state == lease_state_RETAINED) {
        lease.place = place_state_OPEN;
        berth_put (lease, &lease, returned, true);
    }
    lease.scope = (berth_bytes_t) { NULL, 0 };      //  Its place is for nobody else
    return leases_begin_release (self, req, txn, fx, &lease, "released", failure, err);
}

//  Up to LEASES_TICK_MAX leases along an index, each given back: how many there were.
static int
s_give_back_some (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                  store_index_t index, const char *env, const char **cursor, size_t *ret_count,
                  berth_error_t *err)
{
    typedef struct { char text [BERTH_ID_SIZE]; } lease_name_t;
    lease_name_t *ids = arena_array (req->arena, LEASES_TICK_MAX, lease_name_t);
    store_key_t prefix = { 0 }, key;
    store_walk_t walk;
    size_t count = 0;
    key_id (&prefix, env);
    if (walk_begin (&walk, txn, index, &prefix, *cursor, err))
        return -1;
    int rc = 0;
    while (count < LEASES_TICK_MAX && (rc = walk_next_key (&walk, &key, err)) == 0)
        key_last_id (&key, ids [count++].text);
    *cursor = walk_cursor (&walk, req->arena);
    walk_end (&walk);
    *ret_count = count;
    for (size_t at = 0; rc >= 0 && at < count; at++)
        if (leases_give_back (self, req, txn, fx, ids [at].text, "its environment was deleted", err))
            return -1;
    return rc < 0 ? -1 : 0;
}

//  The environment is being deleted: some of its leases at a time, from where the turn before ended,
//  and behind them the places that were kept for others.
int
leases_release_environment (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                            berth_error_t *err)
{
    const environment_release_t *ask = req->body;
    environment_released_t released = { .cursor = ask->cursor };
    const char *first = NULL;
    size_t live, kept = 0;
    if (s_give_back_some (me, req, txn, fx, INDEX_LEASE_BY_WORKSPACE, ask->id, &released.cursor, &live,
                          err)
        || (live < LEASES_TICK_MAX
            && s_give_back_some (me, req, txn, fx, INDEX_LEASE_KEPT_OF, ask->id, &first, &kept, err)))
        return -1;
    released.count = live + kept;
    released.more = live == LEASES_TICK_MAX || kept == LEASES_TICK_MAX;
    effects_reply (fx, req, &environment_released_schema, &released);
    return 0;
}

//  How long to wait before the next release: doubling, a quarter more or less, so that leases which
//  failed together are not tried together. The dice are the lease's own id: nothing here is random
//  that a replay would not find again.
int64_t
lease_backoff_ms (const lease_t *lease)
{
    uint64_t doublings = lease->attempts < 9 ? lease->attempts : 9;
    int64_t wait_ms = (int64_t) LEASES_RETRY_FIRST_MS << doublings;
    if (wait_ms > LEASES_RETRY_MAX_MS)
        wait_ms = LEASES_RETRY_MAX_MS;
    uint32_t dice = 2166136261u + (uint32_t) lease->attempts;       //  FNV-1a
    for (const char *at = lease->id; *at; at++)
        dice = (dice ^ (uint8_t) *at) * 16777619u;
    dice ^= dice >> 15;
    int64_t span_ms = wait_ms * LEASES_JITTER_PERCENT / 100;
    return wait_ms - span_ms + (int64_t) (dice % (uint32_t) (2 * span_ms + 1));
}

int
leases_closed (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
               store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (lease->state != lease_state_RELEASING && lease->state != lease_state_CLEANUP)
        return 0;                   //  A second answer to the same question
    berth_error_t why = { 0 };
    if (!done->ok)
        error_from_body (done->error, req->arena, &why);
    if (leases_breaker_told (self, req, txn, lease, BREAKER_CLOSE, &why, err))
        return -1;
    if (done->ok && lease->provider_lease && strcmp (done->step, LEASE_STEP_BLIND) == 0)
        return 0;                   //  Its place has come to be since, and is being closed by its name
    if (done->ok && strcmp (done->step, LEASE_STEP_KEEP) == 0 && !s_keeps_files (lease)) {
        leases_send_close (req, fx, lease);     //  Its files are there, and nobody needs them any more
        return 0;
    }
    bool counted = strcmp (lease->driver ? lease->driver : "", "sandbox") == 0;
    if (done->ok) {
        lease->cleanup = counted ? cleanup_status_SUCCESS : cleanup_status_NONE;
        return s_finish (self, req, txn, fx, lease, err) || leases_settle (self, req, txn, fx, lease, err) ? -1 : 0;
    }
    lease->cleanup = cleanup_status_FAILED;
    int64_t wait_ms = lease_backoff_ms (lease);
    lease->next_try_at = req->now_ms + wait_ms;
    lease->failure = lease->failure ? lease->failure : arena_string (req->arena, why.text);
    berth_put (lease, lease, attempts, lease->attempts + 1);
    lease_look_at (self, req, lease, req->mono_ms + wait_ms);
    if (lease->state == lease_state_CLEANUP)
        return lease_put (txn, req->arena, lease, err)
            || leases_settle (self, req, txn, fx, lease, err) ? -1 : 0;
    if (lease_move (lease, lease_state_CLEANUP, err)
        || lease_save (self, req, txn, lease, ACTION_LEASE_CLEANUP_PENDING, err))
        return -1;
    return leases_settle (self, req, txn, fx, lease, err);
}
