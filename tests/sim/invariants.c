//  invariants.c - owns what must be true of the rows and of the provider's places: after every so
//  many steps, when the provider has healed, and in the end.

#include "sim.h"

#include "check.h"
#include "leases.h"

#include <stdio.h>

enum { LATE_MS = 1000, WORST_MS = 1500 };   //  Promise 12, and how far the scheduler goes beyond a tick

//  Leases that hold something, as the rows say.
typedef struct {
    lease_t rows [SIM_UNSETTLED_MAX * 8];
    size_t count, live;             //  Those that are not settled come first
} held_t;

static held_t *
s_read_held (sim_t *self, store_txn_t *txn)
{
    static const store_index_t indexes [] = { INDEX_LEASE_LIVE, INDEX_LEASE_KEPT };
    held_t *held = arena_new_of (self->scratch, held_t);
    berth_error_t err = { 0 };
    for (size_t index = 0; index < BERTH_COUNT (indexes); index++) {
        store_walk_t walk;
        ENSURE (walk_begin (&walk, txn, indexes [index], NULL, NULL, &err) == 0);
        while (held->count < BERTH_COUNT (held->rows)
               && walk_next (&walk, self->scratch, &held->rows [held->count], &err) == 0)
            held->count++;
        walk_end (&walk);
        if (index == 0)
            held->live = held->count;
    }
    return held;
}

//  ---- promise 2

//  May leases share it? What has no record is exclusive here.
static bool
s_shared (sim_t *self, store_txn_t *txn, const char *workspace)
{
    berth_error_t err = { 0 };
    workspace_t row;
    return workspace_get (txn, self->scratch, workspace, &row, &err) == 0
        && row.concurrency == concurrency_ALLOW;
}

static void
s_check_holders (sim_t *self, store_txn_t *txn, const held_t *held)
{
    for (size_t index = 0; index < held->count; index++) {
        const lease_t *one = &held->rows [index];
        for (size_t other = 0; other < index; other++) {
            const lease_t *two = &held->rows [other];
            bool live = index < held->live && !one->queued_at && !two->queued_at;
            if (live && one->workspace && two->workspace && strcmp (one->workspace, two->workspace) == 0
                && strcmp (one->env, two->env) == 0 && !s_shared (self, txn, one->workspace))
                sim_broken (self, "promise 2: workspace %s is held by leases %s and %s", one->workspace,
                            two->id, one->id);
            if (one->provider_lease && two->provider_lease && one->place != place_state_GONE
                && two->place != place_state_GONE
                && strcmp (one->provider_lease, two->provider_lease) == 0)
                sim_broken (self, "promise 2: place %s belongs to leases %s and %s",
                            one->provider_lease, two->id, one->id);
        }
    }
}

//  ---- promise 3

static const lease_t *
s_closer (const held_t *held, const sim_spot_t *spot)
{
    for (size_t index = 0; index < held->count; index++) {
        const lease_t *row = &held->rows [index];
        if (row->place != place_state_GONE
            && (strcmp (row->id, spot->opener) == 0 || strcmp (row->id, spot->holder) == 0
                || (row->provider_lease && strcmp (row->provider_lease, spot->id) == 0)))
            return row;
    }
    return NULL;
}

static bool
s_abandoned (sim_t *self, const sim_spot_t *spot)
{
    const sim_lease_t *opener = sim_lease_find (self, spot->opener);
    const sim_lease_t *holder = sim_lease_find (self, spot->holder);
    return (opener && opener->abandoned) || (holder && holder->abandoned);
}

//  A call that is on its way closes it, too, unless the process dies before: then the row must.
static void
s_check_places (sim_t *self, const held_t *held)
{
    for (size_t index = 0; index < self->spots_count; index++) {
        const sim_spot_t *spot = &self->spots [index];
        if (!spot->lied && !s_closer (held, spot) && !s_abandoned (self, spot))
            sim_broken (self, "promise 3: place %s of lease %s has no row that will close it", spot->id,
                        spot->holder);
    }
}

//  ---- promises 4 and 12

//  Behind its end, and behind the start of a process that can see it.
static int64_t
s_late_ms (const sim_t *self, const sim_lease_t *lease)
{
    int64_t due_ms = lease->least_mono_ms + lease->late_ms;
    return sim_mono_ms () - (due_ms > self->started_ms ? due_ms : self->started_ms);
}

static void
s_check_rows (sim_t *self, const held_t *held)
{
    if (held->live != self->unsettled && held->count < BERTH_COUNT (held->rows))
        sim_broken (self, "promise 4: %zu leases are not settled, and by the log %zu", held->live,
                    self->unsettled);
    for (size_t index = 0; index < held->live; index++) {
        const lease_t *row = &held->rows [index];
        const sim_lease_t *lease = sim_lease_find (self, row->id);
        if (!lease || lease->state != row->state)
            sim_broken (self, "promise 4: lease %s is %s, and the log says %s", row->id,
                        berth_enum_text (&lease_state_enum, (int) row->state),
                        lease ? berth_enum_text (&lease_state_enum, (int) lease->state) : "nothing");
        else if (row->state == lease_state_ACTIVE && lease->least_mono_ms
                 && s_late_ms (self, lease) > LATE_MS + WORST_MS)
            sim_broken (self, "promise 12: lease %s is active %lld ms behind its end (its row: in %lld ms,"
                        " looked at in %lld ms, by the wall in %lld ms)", row->id,
                        (long long) (sim_mono_ms () - lease->least_mono_ms),
                        (long long) (row->deadline_mono_ms - sim_mono_ms ()),
                        (long long) (row->look_mono_ms - sim_mono_ms ()),
                        (long long) (row->expires_at - sim_wall_ms ()));
    }
}

void
sim_check (sim_t *self)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    ENSURE (store_read (self->store, &txn, &err) == 0);
    const held_t *held = s_read_held (self, txn);
    s_check_rows (self, held);
    s_check_holders (self, txn, held);
    s_check_places (self, held);
    store_txn_destroy (&txn);
}

//  ---- nothing hangs

//  Who waits in line waits for somebody.
static bool
s_waits (const sim_t *self, const sim_lease_t *lease)
{
    for (size_t index = 0; lease->queued && index < self->leases_count; index++) {
        const sim_lease_t *other = self->leases [index];
        if (!other->queued && !lease_settled (other->state) && strcmp (other->env, lease->env) == 0
            && strcmp (other->workspace, lease->workspace) == 0)
            return true;
    }
    return false;
}

static bool
s_hangs (const sim_t *self, const sim_lease_t *lease)
{
    return (lease->state == lease_state_PENDING || lease->state == lease_state_RELEASING
            || lease->state == lease_state_CLEANUP) && !s_waits (self, lease);
}

//  In line, somewhere: runs and clients may wait for it.
static bool
s_line (const sim_t *self)
{
    for (size_t index = 0; index < self->leases_count; index++)
        if (self->leases [index]->queued && !lease_settled (self->leases [index]->state))
            return true;
    return false;
}

void
sim_check_settled (sim_t *self)
{
    berth_error_t err = { 0 };
    bool line = s_line (self);
    for (size_t index = 0; index < self->leases_count; index++)
        if (s_hangs (self, self->leases [index]))
            sim_broken (self, "lease %s is %s, and nothing will change it", self->leases [index]->id,
                        berth_enum_text (&lease_state_enum, (int) self->leases [index]->state));
    for (size_t index = 0; index < BERTH_COUNT (self->runs); index++) {
        const sim_run_t *run = &self->runs [index];
        if (run->known && ((run->state == run_state_ACQUIRING && !line) || run->state == run_state_REALIZING
                           || run->state == run_state_RELEASING))
            sim_broken (self, "run %s is %s, and nothing will change it", run->id,
                        berth_enum_text (&run_state_enum, (int) run->state));
    }
    for (size_t index = 0; index < self->clients_count; index++)
        if (self->clients [index]->state == ASK_WAITS && !line)
            sim_broken (self, "client %zu is never answered its %s", index + 1,
                        request_row (self->clients [index]->type)->type);
    for (size_t index = 0; index < self->leases_count; index++) {
        const sim_lease_t *lease = self->leases [index];
        for (size_t other = 0; lease->by_run && lease->state == lease_state_ACTIVE
                               && other < BERTH_COUNT (self->runs); other++) {
            const sim_run_t *run = &self->runs [other];
            lease_t row;
            store_txn_t *txn;
            if (!run->known || strcmp (run->id, lease->run)
                || (run->state != run_state_RELEASED && run->state != run_state_FAILED))
                continue;
            ENSURE (store_read (self->store, &txn, &err) == 0);
            if (lease_get (txn, self->scratch, lease->id, &row, &err) == 0
                && strcmp (row.company, run->company) == 0)
                sim_broken (self, "run %s is %s, and its lease %s is held still", run->id,
                            berth_enum_text (&run_state_enum, (int) run->state), lease->id);
            store_txn_destroy (&txn);
        }
    }
}

//  ---- everything is over

void
sim_check_end (sim_t *self)
{
    berth_error_t err = { 0 };
    if (self->unsettled)
        sim_broken (self, "%zu leases cannot be brought to an end", self->unsettled);
    for (size_t index = 0; index < self->spots_count; index++)
        if (!s_abandoned (self, &self->spots [index]))
            sim_broken (self, "promise 3: place %s is left over", self->spots [index].id);
    store_check_t *check = store_check_new (self->store, NULL, 0);
    int rc;
    while ((rc = store_check_step (check, &err)) == 0)
        ;
    size_t count;
    const check_finding_t *findings = store_check_findings (check, &count);
    if (rc < 0 || count)
        sim_broken (self, "the store does not fit together: %s %s %s: %s",
                    count ? findings [0].kind : "it", count ? findings [0].where : "",
                    count ? findings [0].id : "", count ? findings [0].why : err.text);
    store_check_destroy (&check);
}
