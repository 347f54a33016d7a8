//  leases_adopt.c - leases and places that are there already: taken over from somebody else, taken up
//  again, replaced when they were lost, destroyed.
//
//  A place that was replaced is another place: the lease gets the next generation, and whoever acts by
//  an older one, or on an exec of the place before, is fenced.

#include "leases_inside.h"

#include <string.h>

static const char *
s_state (const lease_t *lease)
{
    return berth_enum_text (&lease_state_enum, (int) lease->state);
}

//  ---- adopted

//  It must be a place that nobody has, and a workspace that is free: who adopts does not wait.
static int
s_free (const request_t *req, store_txn_t *txn, const lease_t *lease, berth_error_t *err)
{
    lease_t holder;
    int rc = lease_of_place (req, txn, lease->provider, lease->provider_lease, &holder, err);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        berth_error_set (err->lease_id, sizeof err->lease_id, "%s", holder.id);
        berth_error_set (err->remedy, sizeof err->remedy, "release lease %s first", holder.id);
        return berth_fail (err, BERTH_CONFLICT, "place '%.64s' is held by lease '%s' (%s)",
                           lease->provider_lease, holder.id, s_state (&holder));
    }
    unit_t unit;
    if ((rc = leases_exclusive (req, txn, lease, err)) <= 0)
        return rc;
    if (leases_unit (req, txn, lease, &unit, err))
        return -1;
    berth_error_set (err->lease_id, sizeof err->lease_id, "%s", unit.holder ? unit.holder : "");
    return berth_fail (err, BERTH_CONFLICT, "workspace '%s' is held by lease '%s', and others wait",
                       lease->workspace, unit.holder ? unit.holder : "");
}

int
leases_adopt (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    const lease_adopt_t *ask = req->body;
    const lease_acquire_t like = {
        .company = ask->company, .env = ask->env, .run = ask->run, .workspace = ask->workspace,
        .mode = ask->mode, .issue = ask->issue, .agent = ask->agent, .adapter = ask->adapter,
        .max_lease = ask->max_lease, .idle_ms = ask->idle_ms, .metadata = ask->metadata,
    };
    const provider_t *provider;
    lease_t lease;
    if (leases_draft (self, req, txn, &like, &provider, &lease, err))
        return -1;
    if (provider->opens_nothing || !provider->resume)
        return berth_fail (err, BERTH_UNSUPPORTED, "provider %s has no places that can be adopted",
                           provider->name);
    lease.provider_lease = ask->provider_lease;
    if (s_free (req, txn, &lease, err))
        return -1;
    if (lease.policy != lease_policy_RETAIN_ON_FAILURE)
        lease.policy = lease_policy_EPHEMERAL;      //  Nobody knows what its walls are made of
    lease.generation = store_next_generation (txn);
    lease.place = place_state_OPENING;
    berth_put (lease, &lease, adopted, true);
    lease_deadline (self, req, &lease, lease.max_ms);
    if (lease_save (self, req, txn, &lease, ACTION_LEASE_PENDING, err))
        return -1;
    leases_send_open (req, fx, &lease, LEASE_STEP_ADOPT);
    if (berth_has (lease_adopt, ask, wait) && !ask->wait)
        effects_reply (fx, req, &lease_schema, &lease);
    else
        effects_wait (fx, req, lease_subject (req->arena, lease.id, "active"));
    return 0;
}

//  A place that could not be taken over is not ours to close.
int
leases_adopted (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (done->ok)
        return leases_opened (self, req, done, lease, txn, fx, err);
    if (lease->place != place_state_OPENING)
        return 0;                   //  A second answer to the same question
    berth_error_t why;
    error_from_body (done->error, req->arena, &why);
    lease->place = place_state_GONE;
    if (lease->state == lease_state_RELEASING) {
        step_done_t nothing = *done;
        nothing.ok = true;
        return leases_closed (self, req, &nothing, lease, txn, fx, err);
    }
    if (lease->state != lease_state_PENDING)
        return lease_put (txn, req->arena, lease, err);
    lease->failure = arena_string (req->arena, why.text);
    lease->released_at = req->now_ms;
    if (lease_move (lease, lease_state_FAILED, err)
        || lease_save (self, req, txn, lease, ACTION_LEASE_RELEASED, err))
        return -1;
    leases_settle_refused (req, fx, lease, &why);
    return leases_settle (self, req, txn, fx, lease, err);
}

//  ---- taken up again

int
leases_resume (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    const lease_resume_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->id, ask->company, ask->generation, &lease, err))
        return -1;
    if (lease.state != lease_state_ACTIVE && lease.state != lease_state_RETAINED)
        return berth_fail (err, BERTH_CONFLICT, "lease '%s' is %s, neither active nor retained",
                           lease.id, s_state (&lease));
    const provider_t *provider = lease.provider ? provider_by_name (lease.provider) : NULL;
    if (!provider || !provider->resume)
        return berth_fail (err, BERTH_UNSUPPORTED, "provider %s cannot take a place up again",
                           lease.provider ? lease.provider : "");
    if (lease.place == place_state_ABSENT) {        //  Nothing was opened yet
        effects_reply (fx, req, &lease_schema, &lease);
        return 0;
    }
    const char *subject = lease_subject (req->arena, lease.id, "resumed");
    if (lease.place != place_state_OPENING && !waiters_any (actor_waiters (self->actor), subject))
        leases_send_open (req, fx, &lease, LEASE_STEP_AGAIN);
    effects_wait (fx, req, subject);
    return 0;
}

//  It is lost. What may be left of one that was made for another lease is closed by that lease's row,
//  or asked to close once more; its own is opened again, with the files that are still there.
static int
s_replace (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
           berth_error_t *err)
{
    if (lease->reused) {
        lease_t before;
        if (lease_get (txn, req->arena, lease->reused, &before, err))
            return -1;
        before.taken_by = NULL;
        if (leases_destroy_place (self, req, txn, fx, &before, err))
            return -1;
        lease->provider_lease = lease->reused = NULL;
    }
    else if (lease->adopted)
        lease->provider_lease = NULL;
    berth_clear (lease, lease, adopted);
    lease->generation = store_next_generation (txn);
    lease->shim = lease->folder = (berth_bytes_t) { NULL, 0 };
    lease->place = place_state_OPENING;
    lease->metadata = any_set_truth (lease->metadata.size ? lease->metadata : berth_empty_map,
                                     "resumedLease", false, req->arena);
    if (lease_save (self, req, txn, lease, ACTION_LEASE_PLACE_LOST, err))
        return -1;
    leases_send_open (req, fx, lease, "place");
    return 0;
}

int
leases_taken_up (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                 store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const char *subject = lease_subject (req->arena, lease->id, "resumed");
    bool retained = lease->state == lease_state_RETAINED;
    place_opened_t place = { 0 };
    berth_error_t why = { 0 };
    if (done->ok && berth_unpack_own (&place_opened_schema, done->result, req->arena, &place, err))
        return -1;
    if (!done->ok)
        error_from_body (done->error, req->arena, &why);
    if (lease->state != lease_state_ACTIVE && !retained)
        (void) berth_fail (&why, BERTH_CONFLICT, "lease '%s' is %s by now", lease->id,
                           s_state (lease));
    else if (!done->ok && why.code == BERTH_NOT_FOUND && !retained
             && lease->place == place_state_OPEN)
        return s_replace (self, req, txn, fx, lease, err);
    if (why.code) {
        berth_error_set (why.lease_id, sizeof why.lease_id, "%s", lease->id);
        effects_settle_error (fx, req->arena, subject, &why);
        return 0;
    }
    if (retained) {
        lease->released_at = 0;
        lease->cleanup = cleanup_status_NONE;
        if (lease_move (lease, lease_state_ACTIVE, err))
            return -1;
        lease_deadline (self, req, lease, lease->max_ms);
        lease_begun (self, req, lease);
    }
    lease_take_place (self, req, lease, &place);
    lease->metadata = any_set_truth (lease->metadata.size ? lease->metadata : berth_empty_map,
                                     "resumedLease", true, req->arena);
    lease_used (self, req, lease);
    if (lease_save (self, req, txn, lease, ACTION_LEASE_RESUMED, err))
        return -1;
    effects_settle (fx, req->arena, subject, &lease_schema, lease);
    return 0;
}

//  ---- destroyed

static int
s_destroy (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
           const char *why, berth_error_t *err)
{
    berth_put (lease, lease, destroy, true);
    berth_put (lease, lease, returned, true);       //  Its files are not waited for
    if (lease->state == lease_state_CLEANUP || lease->state == lease_state_RELEASING) {
        lease->target = "failed";
        if (lease->place != place_state_OPENING)
            leases_send_close (req, fx, lease);
        return lease_put (txn, req->arena, lease, err);
    }
    if (lease->state == lease_state_RETAINED)
        lease->place = place_state_OPEN;
    return leases_begin_release (self, req, txn, fx, lease, "failed", why, err);
}

int
leases_end (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    const lease_destroy_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->id, ask->company, ask->generation, &lease, err))
        return -1;
    bool settled = lease_settled (lease.state);
    bool answered = settled || (berth_has (lease_destroy, ask, wait) && !ask->wait);
    if (!answered)
        effects_wait (fx, req, lease_subject (req->arena, lease.id, "settled"));
    int rc = 0;
    if (!settled)
        rc = s_destroy (self, req, txn, fx, &lease, ask->failure ? ask->failure : "it was destroyed",
                        err);
    else if (lease.place == place_state_KEPT)
        rc = leases_destroy_place (self, req, txn, fx, &lease, err);
    if (rc == 0 && answered)
        effects_reply (fx, req, &lease_schema, &lease);
    return rc;
}
