//  fill_store.c - makes a store that has been in use for long.
//
//  fill_store STATE LEASES [EVERY]
//  Into <state>/store: a local environment of company `crowd` and its leases, of which every tenth (or
//  EVERY one) is active and the others were released.

#include "bench.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "tables.h"

#include <stdio.h>
#include <string.h>

enum { BATCH = 20000, DAY_MS = 86400000 };

static void
s_need (int rc, const berth_error_t *err)
{
    if (rc)
        bench_die ("%s", err->text);
}

static environment_t
s_environment (const char *id, int64_t now_ms)
{
    environment_t env = {
        .id = id, .company = "crowd", .name = "Local", .driver = environment_driver_LOCAL,
        .status = environment_status_ACTIVE, .created_at = now_ms, .updated_at = now_ms
    };
    env.config = berth_empty_map;
    return env;
}

static void
s_lease (store_txn_t *txn, arena_t *arena, const char *env, long index, long every, int64_t now_ms)
{
    berth_error_t err = { 0 };
    char id [BERTH_ID_SIZE], name [64];
    berth_id_new (id);
    snprintf (name, sizeof name, "local:%s", id);
    bool active = index % every == 0;
    lease_t lease = {
        .id = id, .company = "crowd", .env = env,
        .status = active ? lease_status_ACTIVE : lease_status_RELEASED,
        .state = active ? lease_state_ACTIVE : lease_state_RELEASED,
        .policy = lease_policy_EPHEMERAL, .provider = "local", .provider_lease = name,
        .generation = store_next_generation (txn), .acquired_at = now_ms, .last_used_at = now_ms + index,
        .created_at = now_ms + index, .updated_at = now_ms + index, .place = place_state_ABSENT
    };
    lease.expires_at = now_ms + DAY_MS;
    lease.deadline_mono_ms = lease.end_mono_ms = berth_mono_ms () + DAY_MS;
    lease.look_mono_ms = lease.deadline_mono_ms - 300000;
    lease.max_ms = DAY_MS;
    lease.boot = berth_boot_id ();
    if (!active)
        lease.released_at = now_ms + index;
    s_need (lease_put (txn, arena, &lease, &err), &err);
}

int
main (int argc, char **argv)
{
    if (argc != 3 && argc != 4)
        bench_die ("usage: fill_store STATE LEASES [EVERY]");
    long every = argc == 4 ? bench_number (argv [3]) : 10;
    long count = bench_number (argv [2]);
    berth_error_t err = { 0 };
    store_t *store;
    s_need (store_open (argv [1], 0, &store, &err), &err);
    arena_t *arena = arena_new ();
    char env [BERTH_ID_SIZE];
    berth_id_new (env);
    int64_t now_ms = berth_wall_ms ();
    for (long index = 0; index < count;) {
        store_txn_t *txn;
        s_need (store_begin (store, &txn, &err), &err);
        if (index == 0) {
            environment_t row = s_environment (env, now_ms);
            s_need (environment_put (txn, arena, &row, &err), &err);
        }
        for (long end = index + BATCH; index < end && index < count; index++) {
            s_lease (txn, arena, env, index, every, now_ms);
            arena_clear (arena);
        }
        s_need (store_commit (&txn, &err), &err);
    }
    arena_destroy (&arena);
    store_destroy (&store);
    return 0;
}
