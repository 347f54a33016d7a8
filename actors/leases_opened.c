//  leases_opened.c - owns the way of an acquire behind its commit: the provider's answer, places that are
//  opened when they are first needed, the client's deadline, its retries. Nothing that was opened is
//  forgotten.

#include "leases_inside.h"

#include "codec.h"
#include "plant.h"
#include "provider.h"

#include <string.h>

//  Did the provider perhaps open something all the same?
static bool
s_uncertain (berth_code_t code)
{
    return code == BERTH_PROVIDER_TIMEOUT || code == BERTH_PROVIDER_UNAVAILABLE
        || code == BERTH_INTERNAL || code == BERTH_DEADLINE_EXCEEDED;
}

//  There is a place behind an answer that was given before: of a call that was given up as hanging,
//  or of a provider that answers twice. Whatever no lease holds is closed, until that is confirmed.
static int
s_opened_late (leases_t *self, const request_t *req, lease_t *lease, const place_opened_t *place,
               store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    lease_t holder;
    const char *name = place->provider_lease;
    int held = name && lease->provider
        ? lease_of_place (req, txn, lease->provider, name, &holder, err) : 1;
    if (held <= 0 || lease->taken_by || PLANTED ("late-place"))
        return held < 0 ? -1 : 0;   //  It has a row that will close it
    if (lease_settled (lease->state) && lease->place == place_state_GONE) {
        lease->provider_lease = name ? name : lease->provider_lease;
        return leases_destroy_place (self, req, txn, fx, lease, err);
    }
    if (!name)
        return 0;
    if (lease->state != lease_state_ACTIVE && !lease->provider_lease) {
        lease->provider_lease = name;           //  What is on its way knows no name, and proves nothing
        leases_send_close (req, fx, lease);
        return lease_put (txn, req->arena, lease, err);
    }
    leases_send_extra (req, fx, lease, name);
    return 0;
}

//  Does the provider answer with the place of another lease, which still holds it? 0, 1 and *why, or -1.
//  The place that it may have opened for this one is closed by the lease's id.
static int
s_anothers (const request_t *req, store_txn_t *txn, const lease_t *lease, const place_opened_t *place,
            berth_error_t *why, berth_error_t *err)
{
    const provider_t *provider = lease->provider ? provider_by_name (lease->provider) : NULL;
    lease_t holder;
    if (!provider || !provider->exclusive || !place->provider_lease || PLANTED ("anothers-place"))
        return 0;
    int rc = lease_holds_place (req, txn, lease->provider, place->provider_lease, lease->id, &holder, err);
    if (rc)
        return rc < 0 ? -1 : 0;
    (void) berth_fail (why, BERTH_PROVIDER_ERROR, "provider %s answered with the place of lease %s",
                       lease->provider, holder.id);
    return 1;
}

int
leases_opened (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
               store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    place_opened_t place = { 0 };
    berth_error_t why = { 0 };
    if (done->ok && berth_unpack_own (&place_opened_schema, done->result, req->arena, &place, err))
        return -1;
    if (!done->ok)
        error_from_body (done->error, req->arena, &why);
    int lied = done->ok && lease->place == place_state_OPENING
             ? s_anothers (req, txn, lease, &place, &why, err) : 0;
    if (lied < 0)
        return -1;
    bool ok = done->ok && !lied;
    if (leases_breaker_told (self, req, txn, lease, BREAKER_OPEN, &why, err))
        return -1;
    if (lease->place != place_state_OPENING)
        return done->ok ? s_opened_late (self, req, lease, &place, txn, fx, err) : 0;
    if (ok)
        lease_take_place (self, req, lease, &place);
    else
        lease->place = lied || s_uncertain (why.code) ? place_state_OPEN : place_state_GONE;

    if (lease->state == lease_state_RELEASING) {
        //  It was given back while its place was opening: now there is something to close.
        if (lease_put (txn, req->arena, lease, err))
            return -1;
        leases_send_close (req, fx, lease);
        return 0;
    }
    if (lease->abandoned_at && lease->place == place_state_OPEN) {
        lease->place = place_state_GONE;
        leases_send_close (req, fx, lease);         //  Nobody waits for it any more
        return lease_put (txn, req->arena, lease, err);
    }
    if (lease->state != lease_state_PENDING)
        return 0;                   //  A second answer to the same question
    if (ok) {
        if (lease_move (lease, lease_state_ACTIVE, err))
            return -1;
        lease_begun (self, req, lease);
        if (lease_save (self, req, txn, lease, ACTION_LEASE_ACQUIRED, err))
            return -1;
        leases_settle_active (req, fx, lease);
        return 0;
    }
    if (lied || s_uncertain (why.code)) {
        berth_put (lease, lease, destroy, true);
        if (leases_begin_release (self, req, txn, fx, lease, "failed", why.text, err))
            return -1;
    }
    else {
        lease->failure = arena_string (req->arena, why.text);
        lease->cleanup = cleanup_status_SUCCESS;
        lease->released_at = req->now_ms;
        if (lease_move (lease, lease_state_FAILED, err)
            || lease_save (self, req, txn, lease, ACTION_LEASE_RELEASED, err))
            return -1;
    }
    leases_settle_refused (req, fx, lease, &why);
    return lease_settled (lease->state) ? leases_queue_next (self, req, txn, fx, lease, err) : 0;
}

//  ---- places that are opened when they are first needed (driver local)

int
leases_place (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const lease_place_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->lease, NULL, 0, &lease, err))
        return -1;
    if (lease.state != lease_state_ACTIVE)
        return berth_fail (err, BERTH_CONFLICT, "lease '%s' is %s, not active", lease.id,
                           berth_enum_text (&lease_state_enum, (int) lease.state));
    if (lease.place == place_state_OPEN) {
        effects_reply (fx, req, &lease_schema, &lease);
        return 0;
    }
    if (lease.place != place_state_OPENING) {
        lease.place = place_state_OPENING;
        if (lease_put (txn, req->arena, &lease, err))
            return -1;
        leases_send_open (req, fx, &lease, "place");
    }
    effects_wait (fx, req, lease_subject (req->arena, lease.id, "place"));
    return 0;
}

int
leases_place_done (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                   store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const char *subject = lease_subject (req->arena, lease->id, "place");
    place_opened_t place = { 0 };
    berth_error_t why = { 0 };
    if (done->ok && berth_unpack_own (&place_opened_schema, done->result, req->arena, &place, err))
        return -1;
    if (lease->place != place_state_OPENING)
        return done->ok ? s_opened_late (self, req, lease, &place, txn, fx, err) : 0;
    if (!done->ok)
        error_from_body (done->error, req->arena, &why);
    if (!done->ok && lease->place != place_state_OPENING)
        return 0;                   //  A second answer to the same question
    if (done->ok)
        lease_take_place (self, req, lease, &place);
    else
        lease->place = s_uncertain (why.code) ? place_state_OPEN : place_state_ABSENT;
    const char *again = lease_subject (req->arena, lease->id, "resumed");
    if (lease->state != lease_state_ACTIVE) {
        if (lease_put (txn, req->arena, lease, err))
            return -1;
        leases_send_close (req, fx, lease);
        (void) berth_fail (&why, BERTH_CONFLICT, "lease '%s' was released", lease->id);
        effects_settle_error (fx, req->arena, subject, &why);
        effects_settle_error (fx, req->arena, again, &why);
        return 0;
    }
    if (done->ok ? lease_save (self, req, txn, lease, ACTION_LEASE_PLACE_OPENED, err)
                 : lease_put (txn, req->arena, lease, err))
        return -1;
    const char *const subjects [] = { subject, again };
    for (size_t index = 0; index < BERTH_COUNT (subjects); index++)
        if (done->ok)
            effects_settle (fx, req->arena, subjects [index], &lease_schema, lease);
        else
            effects_settle_error (fx, req->arena, subjects [index], &why);
    return 0;
}

//  After a start: is the place of an active lease still there?
int
leases_resumed (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (lease->state != lease_state_ACTIVE)
        return 0;
    if (done->ok) {
        place_opened_t place = { 0 };
        if (berth_unpack_own (&place_opened_schema, done->result, req->arena, &place, err))
            return -1;
        lease_take_place (self, req, lease, &place);
        return lease_put (txn, req->arena, lease, err);
    }
    berth_error_t why;
    error_from_body (done->error, req->arena, &why);
    if (why.code != BERTH_NOT_FOUND)            //  Unknown is not gone
        return leases_breaker_told (self, req, txn, lease, BREAKER_OPEN, &why, err);
    berth_put (lease, lease, destroy, true);
    return leases_begin_release (self, req, txn, fx, lease, "failed",
                                 "the place was lost while the service was down", err);
}

//  ---- a client's deadline

//  It went away, or cancelled. What waits in a queue does not wait for nobody; what was opening goes on.
static int
s_cancelled (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
             bool undo, berth_error_t *err)
{
    bool leaves = undo && lease->queued_at;
    berth_error_t why = { 0 };
    berth_error_set (why.lease_id, sizeof why.lease_id, "%s", lease->id);
    (void) berth_fail (&why, BERTH_CONFLICT, leaves
                       ? "its client cancelled: the lease left the queue"
                       : "its client cancelled the stream; what was asked goes on");
    effects_fail (fx, req, &why);
    return leaves ? leases_queue_leave (self, req, txn, fx, lease, "failed", "its client went away",
                                        err) : 0;
}

int
leases_expired_wait (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                     berth_error_t *err)
{
    leases_t *self = me;
    char id [BERTH_ID_SIZE] = { 0 };
    snprintf (id, sizeof id, "%s", req->subject);
    berth_error_t why = { 0 };
    lease_t lease;
    if (berth_id_is (id) && lease_get (txn, req->arena, id, &lease, err) == 0) {
        berth_error_set (why.lease_id, sizeof why.lease_id, "%s", id);
        //  It may have opened in this very batch; but a retry may have more time.
        waiters_t *waiters = actor_waiters (self->actor);
        bool undo = req->letter->type == REQUEST_LEASE_ACQUIRE
                 && strcmp (req->subject + strlen (id), "/active") == 0
                 && (lease.state == lease_state_PENDING || lease.state == lease_state_ACTIVE)
                 && !waiters_any (waiters, req->subject)
                 && !waiters_any (waiters, lease_subject (req->arena, id, "active/detached"));
        if (lease_is_bound_to (req->subject)) {
            if (leases_unbound (self, req, txn, fx, &lease, err))
                return -1;
            if (req->letter->cancelled) {
                effects_reply (fx, req, &lease_schema, &lease);
                return 0;
            }
        }
        if (req->letter->cancelled)
            return s_cancelled (self, req, txn, fx, &lease, undo, err);
        if (undo && leases_begin_release (self, req, txn, fx, &lease, "failed",
                                          "the deadline of its client passed", err))
            return -1;
    }
    (void) berth_fail (&why, BERTH_DEADLINE_EXCEEDED, "the deadline passed before %s had settled",
                       request_row (req->letter->type)->type);
    effects_fail (fx, req, &why);
    return 0;
}

//  ---- retries

//  A renewal that was answered with more than a key keeps: what it granted is in the row.
static int
s_renewed (const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    lease_t lease;
    if (lease_get (txn, req->arena, req->subject, &lease, err))
        return -1;
    lease_renewed_t renewed;
    lease_granted (req, &lease, lease.max_ms, &renewed);
    effects_reply (fx, req, &lease_renewed_schema, &renewed);
    return 0;
}

//  Only an acquire would be a second time; every other request that waits bears repeating.
int
leases_rejoin (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (req->letter->type == REQUEST_LEASE_RENEW)
        return s_renewed (req, txn, fx, err);
    if (req->letter->type == REQUEST_PROVIDER_SWEEP)
        return leases_sweep_now (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_WORKSPACE_DISCARD)
        return leases_discard (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_LEASE_RELEASE)
        return leases_release (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_LEASE_RELEASE_FOR_RUN)
        return leases_release_for_run (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_LEASE_RESUME)
        return leases_resume (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_LEASE_DESTROY)
        return leases_end (me, req, txn, fx, err);
    char id [BERTH_ID_SIZE];
    snprintf (id, sizeof id, "%s", req->subject);
    lease_t lease;
    if (lease_find (req, txn, id, NULL, 0, &lease, err))
        return -1;
    //  It was refused and nothing was opened: the same key may try again.
    if (lease.state == lease_state_FAILED && lease.adopted)
        return leases_adopt (me, req, txn, fx, err);
    if (lease.state == lease_state_FAILED && !lease.provider_lease)
        return leases_acquire (me, req, txn, fx, err);
    if (lease_is_bound_to (req->subject) && !lease_settled (lease.state)) {
        leases_bind (req, fx, &lease);
        return 0;
    }
    if (lease.state == lease_state_PENDING) {
        effects_wait (fx, req, req->subject);
        return leases_queue_tell (req, txn, fx, &lease, err);
    }
    if (lease.state == lease_state_ACTIVE || !lease.failure)
        effects_reply (fx, req, &lease_schema, &lease);
    else {
        berth_error_set (err->lease_id, sizeof err->lease_id, "%s", id);
        return berth_fail (err, BERTH_LEASE_ACQUIRE_FAILED, "%s", lease.failure);
    }
    return 0;
}
