//  inspect_ends.c - what ends soon, and what is kept for a while: for `berth status` and `berth doctor`.

#include "inspector.h"

#include "actor.h"
#include "tables.h"

#include <string.h>

enum { SOON_MS = 300000, ENDING_MAX = 10, RETAINED_MAX = 50, LOOKED_MAX = 256 };

//  Leases of a state in the order in which they are looked at, which is never later than their end.
static int
s_list (const request_t *req, store_txn_t *txn, lease_state_t state, int64_t within_ms, size_t most,
        bus_ending_t *items, size_t *ret_count, berth_error_t *err)
{
    store_key_t prefix = { 0 };
    key_byte (&prefix, (uint8_t) state);
    store_walk_t walk;
    lease_t lease;
    if (walk_begin (&walk, txn, INDEX_LEASE_LIVE, &prefix, NULL, err))
        return -1;
    int rc = 0;
    *ret_count = 0;
    for (int looked = 0; looked < LOOKED_MAX && *ret_count < most; looked++) {
        if ((rc = walk_next (&walk, req->arena, &lease, err)) || !lease.look_mono_ms
            || lease.look_mono_ms > req->mono_ms + within_ms)
            break;
        int64_t left_ms = lease.deadline_mono_ms - req->mono_ms;
        if (!lease.boot || strcmp (lease.boot, req->boot) || left_ms > within_ms)
            continue;
        bus_ending_t *item = &items [(*ret_count)++];
        *item = (bus_ending_t) { .id = lease.id, .company = lease.company, .since = lease.updated_at,
                                 .expires_at = lease.expires_at, .ends_by = lease.ends_by,
                                 .why = lease.failure };
        berth_put (bus_ending, item, left_ms, left_ms > 0 ? (uint64_t) left_ms : 0);
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

int
inspect_ends (const request_t *req, store_txn_t *txn, bus_stats_t *stats, berth_error_t *err)
{
    bus_ending_t *ending = arena_array (req->arena, ENDING_MAX, bus_ending_t);
    bus_ending_t *retained = arena_array (req->arena, RETAINED_MAX, bus_ending_t);
    stats->ending.items = ending;
    stats->retained.items = retained;
    return s_list (req, txn, lease_state_ACTIVE, SOON_MS, ENDING_MAX, ending, &stats->ending.count, err)
        || s_list (req, txn, lease_state_RETAINED, INT64_MAX / 2, RETAINED_MAX, retained,
                   &stats->retained.count, err) ? -1 : 0;
}
