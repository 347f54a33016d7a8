//  inspect_ends.c - what ends soon: for `berth status`.

#include "inspector.h"

#include "actor.h"
#include "tables.h"

#include <string.h>

enum { SOON_MS = 300000, ENDING_MAX = 10, LOOKED_MAX = 256 };

//  In the order in which leases are looked at, which is never later than their end.
int
inspect_ends (const request_t *req, store_txn_t *txn, bus_stats_t *stats, berth_error_t *err)
{
    bus_ending_t *items = arena_array (req->arena, ENDING_MAX, bus_ending_t);
    store_key_t prefix = { 0 };
    key_byte (&prefix, (uint8_t) lease_state_ACTIVE);
    store_walk_t walk;
    lease_t lease;
    if (walk_begin (&walk, txn, INDEX_LEASE_LIVE, &prefix, NULL, err))
        return -1;
    int rc = 0;
    stats->ending.items = items;
    for (int looked = 0; looked < LOOKED_MAX && stats->ending.count < ENDING_MAX; looked++) {
        if ((rc = walk_next (&walk, req->arena, &lease, err)) || !lease.look_mono_ms
            || lease.look_mono_ms > req->mono_ms + SOON_MS)
            break;
        int64_t left_ms = lease.deadline_mono_ms - req->mono_ms;
        if (!lease.boot || strcmp (lease.boot, req->boot) || left_ms > SOON_MS)
            continue;
        bus_ending_t *item = &items [stats->ending.count++];
        *item = (bus_ending_t) { .id = lease.id, .company = lease.company,
                                 .expires_at = lease.expires_at, .ends_by = lease.ends_by };
        berth_put (bus_ending, item, left_ms, left_ms > 0 ? (uint64_t) left_ms : 0);
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}
