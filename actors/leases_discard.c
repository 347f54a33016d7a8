//  leases_discard.c - owns that files are given up which did not come home.

#include "leases_inside.h"

static int
s_gone (const lease_t *lease, berth_error_t *err)
{
    berth_error_set (err->lease_id, sizeof err->lease_id, "%s", lease->id);
    return berth_fail (err, BERTH_CONFLICT, "lease '%s' is %s: its files are gone", lease->id,
                       berth_enum_text (&lease_state_enum, (int) lease->state));
}

int
leases_discard (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    const workspace_discard_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->lease, ask->company, ask->generation, &lease, err))
        return -1;
    bool retained = lease.state == lease_state_RETAINED;
    if (!retained && lease.state != lease_state_ACTIVE && !lease.returned)
        return s_gone (&lease, err);
    if (!lease.returned) {              //  Else it was said before, or they are home
        berth_put (lease, &lease, returned, true);
        if (lease_save (self, req, txn, &lease, ACTION_WORKSPACE_DISCARDED, err))
            return -1;
    }
    if (retained) {
        //  It was kept for its files only.
        lease.place = place_state_OPEN;
        if (leases_begin_release (self, req, txn, fx, &lease, "released", NULL, err))
            return -1;
    }
    if (lease.state == lease_state_RELEASING)
        effects_wait (fx, req, lease_subject (req->arena, lease.id, "settled"));
    else
        effects_reply (fx, req, &lease_schema, &lease);
    return 0;
}
