//  bench_expiry.c - what one tick of the leases costs, of which so many are live and a few have ended.
//
//  bench_expiry STATE next|any DUE TICKS
//  On a store of fill_store: each tick ends DUE leases, those that were taken next to each other (as
//  leases of one lifetime are), or any of the store. Two columns: the tick with its commit, and the
//  processor time of it.

#include "bench.h"

#include "clock.h"
#include "codec.h"
#include "leases.h"
#include "tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    store_t *store;
    char (*ids) [BERTH_ID_SIZE];
    size_t count, ended;
    int64_t now_ms, mono_ms;
} bench_t;

static void
s_need (int rc, const berth_error_t *err)
{
    if (rc)
        bench_die ("%s", err->text);
}

static void
s_drop (void *context, actor_code_t to, const char *provider, const letter_t *letter,
        reply_status_t status, berth_bytes_t body, berth_bytes_t data, data_free_fn *data_free)
{
    (void) context, (void) to, (void) provider, (void) letter, (void) status, (void) body, (void) data;
    (void) data_free;
}

//  Those that are live, oldest first, or shuffled; the same each time.
static void
s_read_ids (bench_t *self, bool shuffled)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    s_need (store_read (self->store, &txn, &err), &err);
    store_key_t prefix = { 0 }, key;
    key_byte (&prefix, (uint8_t) lease_state_ACTIVE);
    size_t room = (size_t) table_rows_in (txn, TABLE_LEASES, lease_state_ACTIVE);
    self->ids = calloc (room + 1, sizeof *self->ids);
    store_walk_t walk;
    s_need (walk_begin (&walk, txn, INDEX_LEASE_LIVE, &prefix, NULL, &err), &err);
    while (self->count < room && walk_next_key (&walk, &key, &err) == 0)
        key_last_id (&key, self->ids [self->count++]);
    walk_end (&walk);
    store_txn_destroy (&txn);
    uint64_t dice = 88172645463325252ull;
    for (size_t index = self->count; shuffled && index > 1; index--) {
        dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
        char swap [BERTH_ID_SIZE];
        size_t other = dice % index;
        memcpy (swap, self->ids [index - 1], sizeof swap);
        memcpy (self->ids [index - 1], self->ids [other], sizeof swap);
        memcpy (self->ids [other], swap, sizeof swap);
    }
}

//  The next few are renewed for a millisecond.
static void
s_make_due (bench_t *self, actor_t *kit, long due)
{
    arena_t *arena = arena_new ();
    incoming_t *batch = arena_array (arena, (size_t) due, incoming_t);
    for (long index = 0; index < due; index++) {
        if (self->ended == self->count)
            bench_die ("there are not so many leases");
        lease_renew_t ask = { .id = self->ids [self->ended++] };
        berth_put (lease_renew, &ask, ms, 1);
        batch [index] = (incoming_t) {
            .letter = { .magic = LETTER_MAGIC, .type = REQUEST_LEASE_RENEW, .answer_to = ACTOR_LEASES,
                        .roles = ROLE_INTERNAL },
            .body = berth_pack (&lease_renew_schema, &ask, arena),
        };
    }
    actor_serve (kit, batch, (size_t) due, self->now_ms, self->mono_ms, s_drop, NULL);
    arena_destroy (&arena);
}

static int64_t
s_cpu_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t
s_live (bench_t *self)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    s_need (store_read (self->store, &txn, &err), &err);
    uint64_t live = table_rows_in (txn, TABLE_LEASES, lease_state_ACTIVE);
    store_txn_destroy (&txn);
    return live;
}

int
main (int argc, char **argv)
{
    if (argc != 5 || (strcmp (argv [2], "next") && strcmp (argv [2], "any")))
        bench_die ("usage: bench_expiry STATE next|any DUE TICKS");
    long due = bench_number (argv [3]), ticks = bench_number (argv [4]);
    berth_error_t err = { 0 };
    bench_t self = { .now_ms = berth_wall_ms (), .mono_ms = berth_mono_ms () };
    s_need (store_open (argv [1], 0, &self.store, &err), &err);
    s_read_ids (&self, strcmp (argv [2], "any") == 0);
    context_t context = { .store = self.store };
    retention_of (NULL, &context.retention);
    leases_t *leases = leases_new (&context, &err);
    actor_t *kit = leases_kit (leases);
    actor_serve (kit, NULL, 0, self.now_ms, self.mono_ms, s_drop, NULL);    //  The first tick
    for (long tick = 0; tick < ticks; tick++) {
        s_make_due (&self, kit, due);
        self.mono_ms++, self.now_ms++;
        uint64_t live = s_live (&self);
        int64_t wall_ns = bench_now_ns (), cpu_ns = s_cpu_ns ();
        actor_serve (kit, NULL, 0, self.now_ms, self.mono_ms, s_drop, NULL);
        cpu_ns = s_cpu_ns () - cpu_ns;
        wall_ns = bench_now_ns () - wall_ns;
        if (live - s_live (&self) != (uint64_t) due)
            bench_die ("a tick ended %" PRIu64 " leases, not %ld", live - s_live (&self), due);
        printf ("%" PRId64 " %" PRId64 "\n", wall_ns, cpu_ns);
    }
    leases_destroy (&leases);
    store_destroy (&self.store);
    free (self.ids);
    return 0;
}
