//  model.c - owns what is known of leases, runs and holds from the log alone, entry by entry, as a
//  subscriber would: each change has its entry, in order, and is a move that a lease may make.

#include "sim.h"

#include "activity_log.h"
#include "leases.h"

#include <stdio.h>

//  ---- leases by id

static size_t
s_slot (sim_t *self, const char *id)
{
    uint32_t hash = 2166136261u;
    for (const char *at = id; *at; at++)
        hash = (hash ^ (uint8_t) *at) * 16777619u;
    size_t slot = hash % SIM_LEASES_TABLE;
    while (self->table [slot] && strcmp (self->table [slot]->id, id))
        slot = (slot + 1) % SIM_LEASES_TABLE;
    return slot;
}

sim_lease_t *
sim_lease_find (sim_t *self, const char *id)
{
    return self->table [s_slot (self, id)];
}

//  ---- the log

static sim_company_t *
s_company (sim_t *self, const char *name)
{
    for (size_t index = 0; index < SIM_COMPANIES; index++) {
        sim_company_t *company = &self->companies [index];
        if (!company->name [0])
            snprintf (company->name, sizeof company->name, "%s", name);
        if (strcmp (company->name, name) == 0)
            return company;
    }
    ENSURE (!"so many companies");
    return NULL;
}

//  Promise 4: no gap, no entry twice, each chained to the one before.
static void
s_check_chain (sim_t *self, const activity_t *row)
{
    sim_company_t *company = s_company (self, row->company);
    uint8_t hash [32];
    if (row->seq != self->seq)
        sim_broken (self, "promise 4: entry %llu says that it is %llu", (unsigned long long) self->seq,
                    (unsigned long long) row->seq);
    if (row->company_seq != company->seq + 1)
        sim_broken (self, "promise 4: behind entry %llu of %s comes %llu",
                    (unsigned long long) company->seq, company->name,
                    (unsigned long long) row->company_seq);
    activity_hash (row, company->hash, self->scratch, hash);
    if (row->hash.size != sizeof hash || memcmp (row->hash.data, hash, sizeof hash))
        sim_broken (self, "promise 4: the hash of entry %llu of %s does not fit",
                    (unsigned long long) row->company_seq, company->name);
    company->seq = row->company_seq;
    memcpy (company->hash, hash, sizeof hash);
}

//  ---- what an entry says of a lease

static const struct { action_t action; int state; } s_moves [] = {
    { ACTION_LEASE_QUEUED,    lease_state_PENDING },
    { ACTION_LEASE_PENDING,   lease_state_PENDING },
    { ACTION_LEASE_ACQUIRED,  lease_state_ACTIVE },
    { ACTION_LEASE_RELEASING, lease_state_RELEASING },
    { ACTION_LEASE_RETAINED,  lease_state_RETAINED },
    { ACTION_LEASE_CLEANUP_PENDING, lease_state_CLEANUP },
    { ACTION_LEASE_RELEASED,  -1 },         //  What it became stands in its details
    { ACTION_LEASE_ABANDONED, -1 },
    { ACTION_LEASE_RESUMED,   lease_state_ACTIVE },
    { ACTION_LEASE_PLACE_LOST, -2 },        //  It stays what it is
    { ACTION_LEASE_RENEWED,   -2 },
    { ACTION_LEASE_EXPIRING,  -2 },
    { ACTION_LEASE_METADATA_UPDATED, -2 },
    { ACTION_LEASE_PLACE_OPENED, -2 },
    { ACTION_LEASE_PLACE_DESTROYED, -2 },
    { ACTION_WORKSPACE_REALIZED, -2 },
    { ACTION_WORKSPACE_RETURNED, -2 },
};

static action_t
s_action (const char *text)
{
    int action = 1;
    while (action < ACTION_COUNT && strcmp (action_text ((action_t) action), text))
        action++;
    return (action_t) action;
}

static sim_lease_t *
s_new (sim_t *self, const lease_t *row)
{
    if (self->leases_count == BERTH_COUNT (self->leases)) {
        sim_broken (self, "the season is too long");
        return NULL;
    }
    sim_lease_t *lease = arena_new_of (self->arena, sim_lease_t);
    snprintf (lease->id, sizeof lease->id, "%s", row->id);
    snprintf (lease->company, sizeof lease->company, "%s", row->company);
    snprintf (lease->env, sizeof lease->env, "%s", row->env);
    snprintf (lease->workspace, sizeof lease->workspace, "%s", row->workspace ? row->workspace : "");
    snprintf (lease->run, sizeof lease->run, "%s", row->run ? row->run : "");
    lease->generation = row->generation;
    if (row->generation <= self->generation)
        sim_broken (self, "promise 11: lease %s has generation %llu, and one before it %llu", row->id,
                    (unsigned long long) row->generation, (unsigned long long) self->generation);
    self->generation = row->generation;
    const char *mark = any_text (row->metadata, "mark", self->scratch);
    unsigned long number = mark && mark [0] == 'k' ? strtoul (mark + 1, NULL, 10) : 0;
    if (number && number <= self->keys_count)
        lease->key = self->keys [number - 1];
    lease->by_run = !mark && row->run;
    self->table [s_slot (self, row->id)] = lease;
    self->leases [self->leases_count++] = lease;
    self->unsettled++;
    self->result->leases++;
    return lease;
}

//  Promise 10: of all that was asked under one key, one lease was ever there to be used.
static void
s_acquired (sim_t *self, sim_lease_t *lease)
{
    lease->acquired = true;
    lease->used_mono_ms = sim_mono_ms ();
    sim_key_t *key = lease->key;
    if (!key)
        return;
    if (key->lease [0] && strcmp (key->lease, lease->id)
        && sim_latest_ms () - key->wall_ms < 23 * 3600000)
        sim_broken (self, "promise 10: key %s had lease %s, and now gets %s", key->text, key->lease,
                    lease->id);
    snprintf (key->lease, sizeof key->lease, "%s", lease->id);
}

//  What was granted: no sooner than that it may expire.
static void
s_granted (sim_lease_t *lease, const lease_t *row)
{
    lease->least_mono_ms = row->end_mono_ms;
    lease->idle_ms = (int64_t) row->idle_ms;
    lease->late_ms = 0;
    lease->used_mono_ms = sim_mono_ms ();
}

//  Promise 12: never early.
static void
s_check_expiry (sim_t *self, const sim_lease_t *lease, const lease_t *row, const activity_t *entry)
{
    const char *becomes = row->target ? row->target
                        : berth_enum_text (&lease_status_enum, (int) row->status);
    if (strcmp (becomes, "expired") || strcmp (entry->actor_id, "berth"))
        return;
    self->result->expired++;
    int64_t now_ms = sim_mono_ms (), idle_end_ms = lease->used_mono_ms + lease->idle_ms;
    bool ended = lease->least_mono_ms && now_ms >= lease->least_mono_ms;
    bool idle = lease->idle_ms && now_ms >= idle_end_ms;
    if (!ended && !idle)
        sim_broken (self, "promise 12: lease %s expires %lld ms before its end (idle: %lld ms): %s",
                    lease->id, (long long) (lease->least_mono_ms - now_ms),
                    (long long) (lease->idle_ms ? idle_end_ms - now_ms : 0),
                    row->failure ? row->failure : "");
}

//  Promise 2 of whole services: what is held takes nothing new.
static void
s_check_holds (sim_t *self, const lease_t *row)
{
    if (self->drained)
        sim_broken (self, "lease %s was taken of a service that is drained", row->id);
    if (self->paused && row->provider && strcmp (row->provider, "fault") == 0)
        sim_broken (self, "lease %s was taken of a provider that is paused", row->id);
}

static void
s_touch (sim_t *self, sim_lease_t *lease)
{
    if (lease->touched || self->touched_count == BERTH_COUNT (self->touched))
        return;
    lease->touched = true;
    self->touched [self->touched_count++] = lease;
}

//  Its turn has come, in the order in which they joined the line.
static void
s_leaves_line (sim_t *self, sim_lease_t *lease)
{
    for (size_t index = 0; index < self->leases_count; index++) {
        const sim_lease_t *other = self->leases [index];
        if (other->queued && other->queued < lease->queued && other->state == lease_state_PENDING
            && strcmp (other->env, lease->env) == 0
            && strcmp (other->workspace, lease->workspace) == 0)
            sim_broken (self, "lease %s comes out of turn: lease %s waits longer", lease->id, other->id);
    }
    lease->queued = 0;
}

static int
s_state_behind (sim_t *self, action_t action, const activity_t *entry, int before)
{
    for (size_t index = 0; index < BERTH_COUNT (s_moves); index++) {
        if (s_moves [index].action != action)
            continue;
        if (s_moves [index].state == -2)
            return before;
        if (s_moves [index].state >= 0)
            return s_moves [index].state;
        const char *status = any_text (entry->details, "status", self->scratch);
        return status ? berth_enum_value (&lease_state_enum, status, strlen (status)) : 0;
    }
    return -1;                      //  An action that this model has not been told of
}

//  What is left of its place is the operator's, also where it was about to take up another's.
static void
s_abandoned (sim_t *self, sim_lease_t *lease, const lease_t *row)
{
    lease->abandoned = true;
    for (size_t index = 0; row->provider_lease && index < self->spots_count; index++)
        if (strcmp (self->spots [index].id, row->provider_lease) == 0)
            snprintf (self->spots [index].holder, 37, "%s", lease->id);
}

//  Promise 11: a place that was replaced makes it a later generation.
static void
s_check_generation (sim_t *self, sim_lease_t *lease, const lease_t *row)
{
    if (row->generation == lease->generation)
        return;
    if (row->generation <= self->generation)
        sim_broken (self, "promise 11: lease %s has generation %llu now, and one before it %llu",
                    lease->id, (unsigned long long) row->generation,
                    (unsigned long long) self->generation);
    lease->generation = self->generation = row->generation;
}

static void
s_take_lease (sim_t *self, store_txn_t *txn, const activity_t *entry)
{
    berth_error_t err = { 0 };
    lease_t row;
    action_t action = s_action (entry->action);
    if (action == ACTION_PLACE_ORPHAN_DESTROYED)
        return;                     //  Of a place whose lease is over, or was forgotten
    if (lease_get (txn, self->scratch, entry->entity, &row, &err)) {
        sim_broken (self, "entry %llu is about lease %s, which has no row",
                    (unsigned long long) entry->seq, entry->entity);
        return;
    }
    sim_lease_t *lease = sim_lease_find (self, entry->entity);
    bool fresh = !lease;
    if (fresh && !(lease = s_new (self, &row)))
        return;
    int before = (int) lease->state;
    int state = s_state_behind (self, action, entry, before);
    //  What comes of one that is not known here stands in the row, behind all entries of the batch
    bool loose = state < 0 || lease->loose;
    lease->loose = state < 0;
    state = state < 0 ? before : state;
    bool moves = state != before;
    bool turn = lease->queued && (action == ACTION_LEASE_PENDING || action == ACTION_LEASE_ACQUIRED);
    bool twice = !moves && !turn && (action == ACTION_LEASE_PENDING || action == ACTION_LEASE_ACQUIRED
                            || action == ACTION_LEASE_RELEASING || action == ACTION_LEASE_RELEASED
                            || action == ACTION_LEASE_ABANDONED);
    bool born = state == lease_state_PENDING || state == lease_state_ACTIVE;
    if (loose ? false : fresh ? !born : twice || (moves && action != ACTION_LEASE_ABANDONED
                                  && !lease_may ((lease_state_t) before, (lease_state_t) state)))
        sim_broken (self, "promise 4: lease %s was %s, and its entry %llu is %s", lease->id,
                    berth_enum_text (&lease_state_enum, before), (unsigned long long) entry->seq,
                    entry->action);
    lease->state = (lease_state_t) state;
    s_check_generation (self, lease, &row);
    if (turn)
        s_leaves_line (self, lease);
    if (fresh || turn)
        s_check_holds (self, &row);
    if (state == lease_state_ACTIVE && before != state)
        s_acquired (self, lease);
    if (fresh && action == ACTION_LEASE_QUEUED)
        lease->queued = entry->seq;
    if (action == ACTION_LEASE_RESUMED)
        lease->by_run = false;      //  Somebody wanted it again, whatever its run has come to
    if (fresh || turn || action == ACTION_LEASE_RENEWED || action == ACTION_LEASE_RESUMED)
        s_granted (lease, &row);
    if (action == ACTION_LEASE_METADATA_UPDATED)
        lease->used_mono_ms = sim_mono_ms ();
    if (moves && (state == lease_state_RELEASING || lease_settled (lease->state))
        && (before == lease_state_PENDING || before == lease_state_ACTIVE) && !lease->queued)
        s_check_expiry (self, lease, &row, entry);
    if (action == ACTION_LEASE_ABANDONED)
        s_abandoned (self, lease, &row);
    if (moves && lease_settled (lease->state))
        self->unsettled--;
    s_touch (self, lease);
    sim_say (self, "  log %llu: %s %s", (unsigned long long) entry->seq, entry->action, entry->entity);
}

//  ---- runs and holds

static sim_run_t *
s_run (sim_t *self, const char *company, const char *id)
{
    for (size_t index = 0; index < BERTH_COUNT (self->runs); index++) {
        sim_run_t *run = &self->runs [index];
        if (!run->id [0]) {
            snprintf (run->company, sizeof run->company, "%s", company);
            snprintf (run->id, sizeof run->id, "%s", id);
        }
        if (strcmp (run->id, id) == 0 && strcmp (run->company, company) == 0)
            return run;
    }
    ENSURE (!"so many runs");
    return NULL;
}

static void
s_take_run (sim_t *self, const activity_t *entry)
{
    const char *state = any_text (entry->details, "state", self->scratch);
    int behind = state ? berth_enum_value (&run_state_enum, state, strlen (state)) : 0;
    sim_run_t *run = s_run (self, entry->company, entry->entity);
    if (run->known ? !run_may (run->state, (run_state_t) behind) : behind != run_state_ACQUIRING)
        if (!(run->known && behind == run_state_ACQUIRING
              && (run->state == run_state_RELEASED || run->state == run_state_FAILED)))
            sim_broken (self, "promise 4: run %s was %s, and its entry %llu is %s", entry->entity,
                        berth_enum_text (&run_state_enum, (int) run->state),
                        (unsigned long long) entry->seq, entry->action);
    run->known = run->touched = true;
    run->state = (run_state_t) behind;
    sim_say (self, "  log %llu: %s %s", (unsigned long long) entry->seq, entry->action, entry->entity);
}

static void
s_take (sim_t *self, store_txn_t *txn, const activity_t *entry)
{
    s_check_chain (self, entry);
    self->result->entries++;
    action_t action = s_action (entry->action);
    if (strcmp (entry->entity_type, "environment_lease") == 0)
        s_take_lease (self, txn, entry);
    else if (strcmp (entry->entity_type, "run") == 0)
        s_take_run (self, entry);
    else if (action == ACTION_BUS_DRAINED || action == ACTION_BUS_UNDRAINED)
        self->drained = action == ACTION_BUS_DRAINED;
    else if ((action == ACTION_PROVIDER_PAUSED || action == ACTION_PROVIDER_UNPAUSED)
             && strcmp (entry->entity, "fault") == 0)
        self->paused = action == ACTION_PROVIDER_PAUSED;
}

//  Rows are what their last entry says.
static void
s_check_touched (sim_t *self, store_txn_t *txn)
{
    berth_error_t err = { 0 };
    for (size_t index = 0; index < self->touched_count; index++) {
        sim_lease_t *lease = self->touched [index];
        lease->touched = false;
        lease_t row;
        if (lease_get (txn, self->scratch, lease->id, &row, &err))
            continue;
        if (lease->loose && lease_settled (row.state) && !lease_settled (lease->state))
            self->unsettled--;
        if (lease->loose)
            lease->state = row.state;
        lease->loose = false;
        if (row.state != lease->state)
            sim_broken (self, "promise 4: lease %s is %s, and its last entry says %s", lease->id,
                        berth_enum_text (&lease_state_enum, (int) row.state),
                        berth_enum_text (&lease_state_enum, (int) lease->state));
    }
    self->touched_count = 0;
    for (size_t index = 0; index < BERTH_COUNT (self->runs); index++) {
        sim_run_t *run = &self->runs [index];
        run_t row;
        if (run->touched && run_get (txn, self->scratch, run->company, run->id, &row, &err) == 0
            && row.state != run->state)
            sim_broken (self, "promise 4: run %s is %s, and its last entry says %s", run->id,
                        berth_enum_text (&run_state_enum, (int) row.state),
                        berth_enum_text (&run_state_enum, (int) run->state));
        run->touched = false;
    }
}

void
sim_model_read (sim_t *self)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    ENSURE (store_read (self->store, &txn, &err) == 0);
    uint64_t last = store_last_seq (txn);
    while (self->seq < last && !self->result->broken) {
        activity_t entry;
        if (activity_at (txn, self->scratch, ++self->seq, &entry, NULL, &err))
            sim_broken (self, "promise 4: there is no entry %llu of %llu",
                        (unsigned long long) self->seq, (unsigned long long) last);
        else
            s_take (self, txn, &entry);
    }
    s_check_touched (self, txn);
    store_txn_destroy (&txn);
}

//  In another boot the wall clock decides, plus one grace, by what the row says; when a lease was used
//  last nobody knows then.
void
sim_model_boot (sim_t *self)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    ENSURE (store_read (self->store, &txn, &err) == 0);
    for (size_t index = 0; index < self->leases_count; index++) {
        sim_lease_t *lease = self->leases [index];
        lease_t row;
        if (lease_settled (lease->state) || lease_get (txn, self->scratch, lease->id, &row, &err))
            continue;
        int64_t left_ms = row.expires_at - sim_wall_ms ();
        if (row.max_ms && left_ms > (int64_t) row.max_ms)
            left_ms = (int64_t) row.max_ms;     //  A wall clock that was set back makes it no longer
        left_ms += row.end_mono_ms - row.deadline_mono_ms;      //  If it is idle before
        if (lease->least_mono_ms)
            lease->least_mono_ms = sim_mono_ms () + (left_ms > 0 ? left_ms : 0);
        lease->late_ms = LEASES_GRACE_MS + lease->idle_ms;
        lease->used_mono_ms = INT64_MIN / 2;
    }
    store_txn_destroy (&txn);
}

void
sim_model_used (sim_t *self, const char *company, const char *run)
{
    for (size_t index = 0; index < self->leases_count; index++) {
        sim_lease_t *lease = self->leases [index];
        if (strcmp (lease->run, run) == 0 && strcmp (lease->company, company) == 0)
            lease->used_mono_ms = sim_mono_ms ();
    }
}
