//  leases_bind.c - leases that last as long as their client is heard of: bind: connection.
//
//  Such an acquire gives credit, and its stream lasts as long as the lease: a chunk says the row when it
//  is active, the last word says it when it has ended. The front door ends the stream of a client that
//  went away or is silent for CLIENT_SILENCE_MS; that ends the lease. A start hears of nobody: clients
//  come back by the same key in that time, or their leases end of the same silence.

#include "leases_inside.h"

#include "plant.h"

#include <string.h>

#define BOUND "bound"

int
lease_may_bind (const request_t *req, const lease_acquire_t *ask, berth_error_t *err)
{
    if (!ask->bind)
        return 0;
    berth_error_set (err->field, sizeof err->field, "bind");
    if (strcmp (ask->bind, "connection"))
        return berth_fail (err, BERTH_INVALID, "field 'bind' must be 'connection'");
    if (!req->letter->streams || ask->detach || (berth_has (lease_acquire, ask, wait) && !ask->wait))
        return berth_fail (err, BERTH_INVALID, "a lease that is bound to its connection lasts as long as"
                           " the stream of its acquire: give credit, and neither 'detach' nor"
                           " 'wait: false'");
    err->field [0] = 0;
    return 0;
}

void
leases_bind (const request_t *req, effects_t *fx, const lease_t *lease)
{
    const char *subject = lease_subject (req->arena, lease->id, BOUND);
    effects_wait (fx, req, subject);
    if (lease->state == lease_state_ACTIVE)
        effects_progress (fx, req->arena, subject, &lease_schema, lease);
}

void
leases_bound_tell (const request_t *req, effects_t *fx, const lease_t *lease)
{
    if (!lease->bind)
        return;
    const char *subject = lease_subject (req->arena, lease->id, BOUND);
    if (lease->state == lease_state_ACTIVE)
        effects_progress (fx, req->arena, subject, &lease_schema, lease);
    else
        effects_settle (fx, req->arena, subject, &lease_schema, lease);
}

void
leases_bound_refused (const request_t *req, effects_t *fx, const lease_t *lease,
                      const berth_error_t *why)
{
    if (lease->bind)
        effects_settle_error (fx, req->arena, lease_subject (req->arena, lease->id, BOUND), why);
}

bool
lease_is_bound_to (const char *subject)
{
    const char *slash = strrchr (subject, '/');
    return slash && strcmp (slash + 1, BOUND) == 0;
}

bool
lease_unheard (leases_t *self, const request_t *req, const lease_t *lease)
{
    bool live = lease->state == lease_state_PENDING || lease->state == lease_state_ACTIVE;
    return live && lease->bind && req->mono_ms >= self->started_mono_ms + BERTH_CLIENT_SILENCE_MS
        && !waiters_any (actor_waiters (self->actor), lease_subject (req->arena, lease->id, BOUND));
}

int
leases_unbound (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
                berth_error_t *err)
{
    bool live = lease->state == lease_state_PENDING || lease->state == lease_state_ACTIVE;
    bool heard = waiters_any (actor_waiters (self->actor),
                              lease_subject (req->arena, lease->id, BOUND));
    const char *why = req->letter->cancelled ? "its client went away, or was not heard of"
                                             : "the deadline of its client passed";
    if (PLANTED ("bound-for-ever"))
        return 0;
    return live && !heard ? leases_begin_release (self, req, txn, fx, lease, "expired", why, err) : 0;
}
