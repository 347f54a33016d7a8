//  leases_home.c - the files of a lease that expired, on their way home: returnOnExpiry.
//
//  Its processes have ended and its files stay, `retained`, until they are home; then the place goes
//  and the lease is what it was to become. Where they do not come home they stay, as long as files of
//  retained leases are kept, and the row says why.

#include "leases_inside.h"

#include "provider.h"

#include <string.h>

enum { TRIES_MAX = 6 };

bool
lease_goes_home (const lease_t *lease)
{
    if (!lease->env_policy || !lease->env_policy->return_on_expiry || !lease->source.size
        || lease->returned)
        return false;
    const provider_t *provider = provider_by_name (lease->provider ? lease->provider : "local");
    return provider && provider->give_back;
}

void
leases_send_home (const request_t *req, effects_t *fx, lease_t *lease)
{
    berth_put (lease, lease, homeward, true);
    workspace_return_t ask = { .lease = lease->id, .company = lease->company };
    effects_work (fx, req->arena, ACTOR_REALIZER, NULL, REQUEST_WORKSPACE_RETURN, lease->id, "home",
                  req, 0, &ask);
}

int
leases_came_home (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                  store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (lease->state != lease_state_RETAINED || !lease->homeward)
        return 0;                   //  Somebody gave it up meanwhile
    if (done->ok) {
        const char *becomes = lease->retained_as ? lease->retained_as : "expired";
        berth_put (lease, lease, homeward, false);
        berth_put (lease, lease, attempts, 0);
        lease->place = place_state_OPEN;
        return leases_begin_release (self, req, txn, fx, lease, becomes, NULL, err);
    }
    berth_error_t why;
    error_from_body (done->error, req->arena, &why);
    lease->failure = arena_printf (req->arena, "its files could not be brought home: %.400s", why.text);
    berth_put (lease, lease, attempts, lease->attempts + 1);
    if (berth_code_retryable (why.code) && lease->attempts < TRIES_MAX) {
        int64_t wait_ms = lease_backoff_ms (lease);
        lease->next_try_at = req->now_ms + wait_ms;
        lease_look_at (self, req, lease, req->mono_ms + wait_ms);
        return lease_put (txn, req->arena, lease, err);
    }
    berth_put (lease, lease, homeward, false);
    return lease_save (self, req, txn, lease, ACTION_LEASE_RETAINED, err);
}
