//  leases_renew.c - putting off a lease's end: what is granted, and what makes it less than asked.

#include "leases_inside.h"

enum { USED_STEP_MS = 1000 };

//  What the lease was granted at its acquire is the policy's, or less because it asked for less.
static const char *
s_whose_max (const lease_t *lease)
{
    uint64_t most_ms = LEASES_MAX_MS_DEFAULT;
    berth_error_t unknown = { 0 };
    if (lease->env_policy)
        (void) lease_lifetime (lease->env_policy->max_lease, most_ms, "", &most_ms, &unknown);
    return most_ms && lease->max_ms >= most_ms ? "policy.maxLeaseMs" : "maxLeaseMs";
}

static const char *
s_whose_idle (const lease_t *lease)
{
    uint64_t most_ms = lease->env_policy ? lease->env_policy->idle_ms : 0;
    return most_ms && lease->idle_ms >= most_ms ? "policy.idleMs" : "idleMs";
}

void
lease_granted (const request_t *req, const lease_t *lease, uint64_t asked_ms,
               lease_renewed_t *ret_renewed)
{
    int64_t left_ms = lease->deadline_mono_ms - req->mono_ms;
    *ret_renewed = (lease_renewed_t) { .id = lease->id, .lease = lease };
    if (lease->expires_at) {
        ret_renewed->expires_at = lease->expires_at;
        berth_put (lease_renewed, ret_renewed, granted_ms, left_ms > 0 ? (uint64_t) left_ms : 0);
    }
    lease_limit_t limit = lease_limit (lease);
    if (limit == LEASE_LIMIT_IDLE)
        ret_renewed->clipped_by = s_whose_idle (lease);
    else if (limit == LEASE_LIMIT_PROVIDER)
        ret_renewed->clipped_by = "provider.expiresAt";
    else if (limit == LEASE_LIMIT_MAX && lease->max_ms && asked_ms > lease->max_ms)
        ret_renewed->clipped_by = s_whose_max (lease);
}

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
    uint64_t asked_ms = ask->ms ? ask->ms : lease.max_ms;
    //  Its place in the lists moves at most once a second: a move is four pages of the commit
    int64_t used_at = lease.last_used_at;
    if (req->now_ms < used_at || req->now_ms - used_at >= USED_STEP_MS)
        lease.last_used_at = req->now_ms;
    lease_deadline (self, req, &lease,
                    lease.max_ms && asked_ms > lease.max_ms ? lease.max_ms : asked_ms);
    if (lease_save (self, req, txn, &lease, ACTION_LEASE_RENEWED, err))
        return -1;
    lease_renewed_t renewed;
    lease_granted (req, &lease, asked_ms, &renewed);
    effects_reply (fx, req, &lease_renewed_schema, &renewed);
    return 0;
}
