//  stuck.c - owns nothing: reads rows, and says of each that does not move what a person needs.

#include "stuck.h"

#include "states.h"

#include <string.h>

typedef struct {
    store_txn_t *txn;
    arena_t *arena;
    int64_t now_ms, mono_ms;
    const char *boot;               //  Of mono_ms
    bus_stuck_t *items;
    size_t count;
} look_t;

static bool
s_full (const look_t *self)
{
    return self->count == STUCK_MAX;
}

static void
s_add (look_t *self, bus_stuck_t item)
{
    if (!s_full (self))
        self->items [self->count++] = item;
}

#define SAY(...) arena_printf (self->arena, __VA_ARGS__)

static const char *
s_when (const look_t *self, int64_t at_ms)
{
    int64_t wait_ms = at_ms - self->now_ms;
    return wait_ms > 0 ? SAY ("in %lld s", (long long) (wait_ms + 999) / 1000) : "now";
}

//  Rows of an index, one after the other, while there is room; `each` may add.
typedef void (look_fn) (look_t *self, const void *row);
static int
s_each (look_t *self, store_index_t index, const store_key_t *prefix, look_fn *each, size_t size,
        berth_error_t *err)
{
    store_walk_t walk;
    if (walk_begin (&walk, self->txn, index, prefix, NULL, err))
        return -1;
    int rc = 0;
    for (size_t seen = 0; seen < STUCK_LOOK_MAX && !s_full (self) && rc == 0; seen++) {
        void *row = arena_take (self->arena, size);
        if ((rc = walk_next (&walk, self->arena, row, err)) == 0)
            each (self, row);
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

//  ---- providers

//  Left alone because it failed too often. What is drained or paused somebody wants so; it is told
//  by other means.
static void
s_breaker (look_t *self, const void *row)
{
    const hold_t *hold = row;
    if (hold->kind != hold_kind_BREAKER)
        return;
    s_add (self, (bus_stuck_t) {
        .kind = "provider", .id = hold->id, .since = hold->since, .state = "left alone",
        .why = SAY ("%s: %s; the next acquire is let through %s", hold->reason, hold->error,
                    s_when (self, hold->next_try_at)),
        .provider = hold->provider, .command = SAY ("berth provider probe %s", hold->provider),
    });
}

static void
s_sweep (look_t *self, const void *row)
{
    const sweep_t *sweep = row;
    if (sweep->failures >= 2)
        s_add (self, (bus_stuck_t) {
            .kind = "sweep", .id = sweep->provider, .since = sweep->failing_since,
            .state = "unreadable",
            .why = SAY ("its list of places could not be read %llu times, so what is lost there is not"
                        " found: %s", (unsigned long long) sweep->failures,
                        sweep->error ? sweep->error : "nobody said why"),
            .provider = sweep->provider,
            .command = SAY ("berth provider sweep %s", sweep->provider),
        });
    else if (sweep->lied)
        s_add (self, (bus_stuck_t) {
            .kind = "sweep", .id = sweep->provider, .since = sweep->done_at, .state = "not whole",
            .why = SAY ("its list of places is not whole: %s", sweep->lied),
            .provider = sweep->provider,
            .command = SAY ("berth provider sweep %s", sweep->provider),
        });
}

//  ---- what was lost

static void
s_suspect (look_t *self, const void *row)
{
    const suspect_t *suspect = row;
    bool orphan = suspect->kind == suspect_kind_ORPHAN;
    const char *next = suspect->attempts
        ? SAY ("%s failed: %s; it is tried again %s", orphan ? "destroying it" : "asking for it",
               suspect->error ? suspect->error : "no answer yet", s_when (self, suspect->next_try_at))
        : SAY ("seen in %llu sweeps, and acted upon when it is old enough",
               (unsigned long long) suspect->seen);
    if (suspect->former)
        next = "the install whose backup this store is made it, and may still run: if it does not, say so";
    if (suspect->given_up)
        next = "an operator abandoned its lease, so it is left alone";
    s_add (self, (bus_stuck_t) {
        .kind = orphan ? "place" : "lease", .id = orphan ? suspect->provider_lease : suspect->lease,
        .since = suspect->since, .company = suspect->company, .state = !orphan ? "missing" : suspect->former ? "former" : "orphan",
        .why = orphan ? SAY ("no lease wants this place of provider %s: %s", suspect->provider, next)
                      : SAY ("its place '%s' is not in the list of provider %s: %s",
                             suspect->provider_lease, suspect->provider, next),
        .command = suspect->given_up ? NULL : SAY ("berth provider sweep %s --now%s", suspect->provider,
                                                    suspect->former ? " --former" : ""),
        .provider = suspect->provider, .meant = suspect->given_up,
    });
}

//  ---- leases

static void
s_lease (look_t *self, const lease_t *lease, int64_t since, const char *why, const char *command)
{
    s_add (self, (bus_stuck_t) {
        .kind = "lease", .id = lease->id, .since = since, .company = lease->company, .why = why,
        .state = berth_enum_text (&lease_state_enum, (int) lease->state),
        .command = command ? command : SAY ("berth lease release %s", lease->id),
    });
}

static void
s_pending (look_t *self, const void *row)
{
    const lease_t *lease = row;
    if (lease->queued_at) {
        if (self->now_ms - lease->queued_at >= STUCK_QUEUED_MS)
            s_lease (self, lease, lease->queued_at,
                     SAY ("it waits in the queue of workspace %s", lease->workspace),
                     SAY ("berth lease list --environment-id %s --state active", lease->env));
    }
    else if (self->now_ms - lease->updated_at >= STUCK_OPENING_MS)
        s_lease (self, lease, lease->updated_at, "its provider has not opened its place", NULL);
}

static void
s_releasing (look_t *self, const void *row)
{
    const lease_t *lease = row;
    if (self->now_ms - lease->updated_at >= STUCK_AFTER_MS)
        s_lease (self, lease, lease->updated_at, "its provider has not closed its place", NULL);
}

static void
s_cleanup (look_t *self, const void *row)
{
    const lease_t *lease = row;
    s_lease (self, lease, lease->updated_at,
             SAY ("its place could not be closed in %llu tries, the next is %s: %s",
                  (unsigned long long) lease->attempts, s_when (self, lease->next_try_at),
                  lease->failure ? lease->failure : "nobody said why"), NULL);
}

//  The tick ends it when its time is over; where that stands still, so does everything behind it.
static void
s_active (look_t *self, const void *row)
{
    const lease_t *lease = row;
    bool here = lease->boot && strcmp (lease->boot, self->boot) == 0;       //  Else the wall clock it is
    int64_t over_ms = here ? self->mono_ms - lease->deadline_mono_ms : self->now_ms - lease->expires_at;
    if (lease->expires_at && over_ms >= STUCK_AFTER_MS)
        s_lease (self, lease, lease->expires_at, "its time is over and it was not ended", NULL);
}

//  Meant to stay until its files are fetched, and said so that nobody forgets them.
static void
s_retained (look_t *self, const void *row)
{
    const lease_t *lease = row;
    s_add (self, (bus_stuck_t) {
        .kind = "lease", .id = lease->id, .since = lease->updated_at, .company = lease->company,
        .state = "retained", .meant = true,
        .why = SAY ("its files are kept until they are fetched%s%s",
                    lease->expires_at ? "; that ends " : "",
                    lease->expires_at ? s_when (self, lease->expires_at) : ""),
        .command = SAY (lease->source.size ? "berth workspace return %s" : "berth lease release %s",
                        lease->id),
    });
}

//  Settled, and the place that it left is on its way out, or waits for another lease.
static void
s_kept (look_t *self, const void *row)
{
    const lease_t *lease = row;
    if (lease->place != place_state_CLOSING || !lease->attempts)
        return;
    s_add (self, (bus_stuck_t) {
        .kind = "place", .id = lease->provider_lease ? lease->provider_lease : lease->id,
        .since = lease->released_at, .company = lease->company, .state = "closing",
        .why = SAY ("the place that lease %s left could not be destroyed in %llu tries, the next is %s",
                    lease->id, (unsigned long long) lease->attempts,
                    s_when (self, lease->next_try_at)),
        .provider = lease->provider, .command = SAY ("berth provider probe %s", lease->provider),
    });
}

static int
s_leases (look_t *self, berth_error_t *err)
{
    static const struct { lease_state_t state; look_fn *each; } kinds [] = {
        { lease_state_CLEANUP, s_cleanup }, { lease_state_RELEASING, s_releasing },
        { lease_state_PENDING, s_pending }, { lease_state_ACTIVE, s_active },
    };
    for (size_t kind = 0; kind < BERTH_COUNT (kinds); kind++) {
        store_key_t prefix = { 0 };
        key_byte (&prefix, (uint8_t) kinds [kind].state);
        if (s_each (self, INDEX_LEASE_LIVE, &prefix, kinds [kind].each, sizeof (lease_t), err))
            return -1;
    }
    return s_each (self, INDEX_LEASE_KEPT, NULL, s_kept, sizeof (lease_t), err);
}

//  ---- runs, execs, environments

//  A step under way for longer than any step takes.
static void
s_run (look_t *self, const void *row)
{
    const run_t *run = row;
    if (self->now_ms - run->updated_at < STUCK_RUN_MS)
        return;
    s_add (self, (bus_stuck_t) {
        .kind = "run", .id = run->id, .since = run->updated_at, .company = run->company,
        .state = berth_enum_text (&run_state_enum, (int) run->state),
        .why = SAY ("its step '%s' has no answer", run->step),
        .command = SAY ("berth --company %s bus call run.release '{\"heartbeatRunId\":\"%s\"}'",
                        run->company, run->id),
    });
}

static void
s_exec (look_t *self, const void *row)
{
    const exec_t *exec = row;
    bool starting = exec->state == exec_state_STARTING
                 && self->now_ms - exec->created_at >= STUCK_AFTER_MS;
    lease_t lease = { .state = lease_state_NONE };
    bool lost = lease_get (self->txn, self->arena, exec->lease, &lease, NULL) != 0
             || (lease_settled (lease.state) && self->now_ms - lease.updated_at >= STUCK_AFTER_MS);
    if (!starting && !exec->stalled && !lost)
        return;
    s_add (self, (bus_stuck_t) {
        .kind = "exec", .id = exec->id, .company = exec->company,
        .since = exec->started_at ? exec->started_at : exec->created_at,
        .state = exec->stalled ? "stalled" : berth_enum_text (&exec_state_enum, (int) exec->state),
        .why = exec->stalled ? "its output waits for room on the disk"
             : lost ? SAY ("its lease %s is over and it has no end", exec->lease)
                    : "its place has not started it",
        .command = exec->stalled ? "berth store stat" : SAY ("berth exec signal %s KILL", exec->id),
    });
}

static void
s_deleting (look_t *self, const void *row)
{
    const environment_t *env = row;
    if (self->now_ms - env->deleting_at < STUCK_AFTER_MS)
        return;
    s_add (self, (bus_stuck_t) {
        .kind = "environment", .id = env->id, .since = env->deleting_at, .company = env->company,
        .state = "deleting", .why = "it is being deleted and has leases that do not settle",
        .command = SAY ("berth lease list --environment-id %s", env->id),
    });
}

int
stuck_find (store_txn_t *txn, arena_t *arena, const request_t *now, bus_stuck_t *ret_items,
            size_t *ret_count, berth_error_t *err)
{
    look_t look = { .txn = txn, .arena = arena, .now_ms = now->now_ms, .mono_ms = now->mono_ms,
                    .boot = now->boot, .items = ret_items };
    store_key_t retained = { 0 };
    key_byte (&retained, lease_state_RETAINED);
    if (s_each (&look, INDEX_HOLD_LIST, NULL, s_breaker, sizeof (hold_t), err)
        || s_each (&look, INDEX_SWEEP_LIST, NULL, s_sweep, sizeof (sweep_t), err)
        || s_leases (&look, err)
        || s_each (&look, INDEX_SUSPECT_LIST, NULL, s_suspect, sizeof (suspect_t), err)
        || s_each (&look, INDEX_RUN_DUE, NULL, s_run, sizeof (run_t), err)
        || s_each (&look, INDEX_EXEC_LIVE, NULL, s_exec, sizeof (exec_t), err)
        || s_each (&look, INDEX_ENVIRONMENT_DELETING, NULL, s_deleting, sizeof (environment_t), err)
        || s_each (&look, INDEX_LEASE_LIVE, &retained, s_retained, sizeof (lease_t), err))
        return -1;
    *ret_count = look.count;
    return 0;
}
