//  inspector.c - owns nothing but what it was given to look at.

#include "inspector.h"

#include "accept.h"
#include "actor.h"
#include "codec.h"
#include "describe.h"
#include "gate.h"
#include "log.h"
#include "states.h"
#include "stuck.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INSPECTOR_MAGIC 0xb05ac701u

struct inspector {
    uint32_t magic;
    const context_t *context;
    bus_parts_t parts;
    actor_t *actor;
};

static berth_bytes_t
s_bytes (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

//  Absent, if there is none.
static berth_bytes_t
s_endpoint (const char *text)
{
    return text && *text ? s_bytes (text) : (berth_bytes_t) { NULL, 0 };
}

static int
s_info (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const context_t *context = ((inspector_t *) me)->context;
    bool remote = req->letter->remote;      //  Folders of this machine are nothing to it
    store_stat_t stat;
    hold_t drained = { .held = false };
    if (store_stat (context->store, &stat, err)
        || hold_find (txn, req->arena, "bus", &drained, err))
        return -1;
    bus_info_t info = {
        .instance = context->instance, .install = context->host.install_id,
        .version = BERTH_VERSION, .protocol = 1, .schema = stat.schema, .pid = getpid (),
        .started_at = context->started_ms, .state = s_bytes (remote ? "" : context->host.state),
        .bus = s_bytes (remote ? context->network_bus : context->bus_endpoint),
        .events = s_bytes (remote ? context->network_events : context->events_endpoint),
        .server_key = context->server_key,
        .network_bus = s_endpoint (context->network_bus),
        .network_events = s_endpoint (context->network_events),
        .ephemeral = context->ephemeral, .test_providers = context->test_providers,
        .drained_since = drained.since, .drained_by = drained.by, .drained_reason = drained.reason,
    };
    effects_reply (fx, req, &bus_info_schema, &info);
    return 0;
}

//  ---- stats

static void
s_count_states (store_txn_t *txn, arena_t *arena, bus_stats_t *stats)
{
    bus_count_t *leases = arena_array (arena, 16, bus_count_t);
    size_t count = 0;
    uint64_t unsettled = 0;
    for (int state = 1; state < lease_state_COUNT; state++) {
        if (lease_settled ((lease_state_t) state))
            continue;
        uint64_t entries = table_rows_in (txn, TABLE_LEASES, state);
        unsettled += entries;
        leases [count++] = (bus_count_t) { .name = berth_enum_text (&lease_state_enum, state),
                                           .count = entries };
    }
    leases [count++] = (bus_count_t) { .name = "settled",
                                       .count = table_rows (txn, TABLE_LEASES) - unsettled };
    stats->leases.items = leases;
    stats->leases.count = count;

    uint64_t ended = table_rows_in (txn, TABLE_EXECS, exec_state_ENDED);
    bus_count_t *execs = arena_array (arena, 2, bus_count_t);
    execs [0] = (bus_count_t) { .name = "live", .count = table_rows (txn, TABLE_EXECS) - ended };
    execs [1] = (bus_count_t) { .name = "ended", .count = ended };
    stats->execs.items = execs;
    stats->execs.count = 2;
}

static void
s_count_drops (const inspector_t *self, arena_t *arena, bus_stats_t *stats)
{
    front_counts_t counts = front_counts (self->parts.front);
    stats->unanswered = counts.unanswered;
    bus_count_t *drops = arena_array (arena, 16, bus_count_t);
    size_t count = 0;
    for (int code = 0; code < ACTOR_COUNT; code++)      //  Bodies are looked at behind the front door
        counts.malformed += actor_stats_of ((actor_code_t) code)->malformed;
    drops [count++] = (bus_count_t) { .name = "malformed", .count = counts.malformed };
    drops [count++] = (bus_count_t) { .name = "unsupported", .count = counts.unsupported };
    drops [count++] = (bus_count_t) { .name = "forbidden", .count = counts.forbidden };
    drops [count++] = (bus_count_t) { .name = "busy", .count = counts.busy };
    drops [count++] = (bus_count_t) { .name = "peer gone", .count = counts.dropped };
    drops [count++] = (bus_count_t) { .name = "silent streams", .count = counts.silent };
    drops [count++] = (bus_count_t) { .name = "unread", .count = counts.unread };
    drops [count++] = (bus_count_t) { .name = "connections refused", .count = accept_refused () };
    if (self->context->gate)
        drops [count++] = (bus_count_t) { .name = "keys refused",
                                          .count = gate_refused (self->context->gate) };
    stats->drops.items = drops;
    stats->drops.count = count;
}

static void
s_list_actors (const request_t *req, bus_stats_t *stats)
{
    bus_actor_t *actors = arena_array (req->arena, ACTOR_COUNT, bus_actor_t);
    size_t count = 0;
    for (int code = 0; code < ACTOR_COUNT; code++) {
        const actor_stats_t *from = actor_stats_of ((actor_code_t) code);
        if (!from->name)
            continue;
        int64_t since_ms = from->serving_since_ms;
        int64_t serving_ms = since_ms && req->mono_ms > since_ms ? req->mono_ms - since_ms : 0;
        actors [count++] = (bus_actor_t) {
            .name = from->name, .requests = from->requests, .failures = from->failures,
            .batches = from->batches, .busy = from->busy, .serving_ms = (uint64_t) serving_ms,
            .waiting = from->waiting,
        };
        if (serving_ms > BERTH_STALL_MS)
            stats->healthy = false;
    }
    stats->actors.items = actors;
    stats->actors.count = count;
}

static int
s_list_providers (const inspector_t *self, arena_t *arena, store_txn_t *txn, bus_stats_t *stats,
                  berth_error_t *err)
{
    bus_provider_t *providers = arena_array (arena, self->parts.proxies_count + 1, bus_provider_t);
    size_t count = 0;
    for (size_t index = 0; index < self->parts.proxies_count; index++) {
        hold_t hold = { .held = false };
        proxy_stats (self->parts.proxies [index], arena, &providers [count]);
        if (hold_find (txn, arena, arena_printf (arena, "pause:%s", providers [count].name), &hold, err))
            return -1;
        if (hold.held)
            providers [count].state = "paused";
        else if (hold_find (txn, arena, arena_printf (arena, "breaker:%s", providers [count].name),
                            &hold, err))
            return -1;
        else if (hold.held)
            providers [count].state = "unavailable";
        const provider_t *provider = provider_by_name (providers [count].name);
        count += !provider || !provider->for_tests || self->context->test_providers;
    }
    stats->providers.items = providers;
    stats->providers.count = count;
    return 0;
}

static int
s_list_stuck (const request_t *req, store_txn_t *txn, bus_stats_t *stats, berth_error_t *err)
{
    bus_stuck_t *stuck = arena_array (req->arena, STUCK_MAX, bus_stuck_t);
    size_t count;
    if (stuck_find (txn, req->arena, req, stuck, &count, err))
        return -1;
    for (size_t index = 0; index < count; index++)
        if (!stuck [index].meant)
            stats->healthy = false;
    stats->stuck.items = stuck;
    stats->stuck.count = count;
    return 0;
}

//  What is about all companies is nothing for who has only some.
static void
s_hide (bus_stats_t *stats)
{
    stats->seq = stats->published = 0;
    stats->leases.count = stats->execs.count = stats->companies.count = 0;
    stats->stuck.count = stats->faults.count = 0;
    stats->ending.count = 0;
    for (size_t index = 0; index < stats->providers.count; index++) {
        bus_provider_t *provider = (bus_provider_t *) &stats->providers.items [index];
        berth_clear (bus_provider, provider, last_error);
    }
}

static int
s_stats (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    inspector_t *self = me;
    store_stat_t stat;
    if (store_stat (self->context->store, &stat, err))
        return -1;
    bus_stats_t stats = {
        .now = req->now_ms,
        .uptime_ms = (uint64_t) (req->mono_ms - self->context->started_mono_ms),
        .healthy = true,
        .store_used = stat.used_bytes, .store_max = stat.max_bytes, .disk_free = stat.disk_free,
        .store_fill = (storage_fill_t) (storage_fill_ROOMY + (int) stat.fill),
        .seq = store_last_seq (txn), .published = publisher_published (self->parts.publisher),
    };
    if (stat.fill != STORE_ROOMY)
        stats.healthy = false;
    s_count_states (txn, req->arena, &stats);
    s_count_drops (self, req->arena, &stats);
    stats.companies.count = quota_top (self->parts.quotas, txn, req->arena, &stats.companies.items);
    s_list_actors (req, &stats);
    if (s_list_providers (self, req->arena, txn, &stats, err))
        return -1;
    stats.faults.count = log_faults (req->arena, &stats.faults.items);
    if (s_list_stuck (req, txn, &stats, err) || inspect_ends (req, txn, &stats, err))
        return -1;
    if (req->letter->confined)
        s_hide (&stats);
    effects_reply (fx, req, &bus_stats_schema, &stats);
    return 0;
}

//  ---- the rest

static int
s_describe (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    (void) txn;
    (void) err;
    bus_description_t description;
    describe_bus (req->arena, &description);
    effects_reply (fx, req, &bus_description_schema, &description);
    return 0;
}

//  Behind the reply: whoever asked is to hear it.
static void
s_stop (void *me, const request_t *req, const void *what, effects_t *fx)
{
    (void) req;
    (void) fx;
    inspector_t *self = me;
    self->parts.stop (self->parts.stop_context, *(const bool *) what);
}

static int
s_shutdown (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    (void) err;
    inspector_t *self = me;
    const bus_shutdown_t *ask = req->body;
    nothing_t nothing = { 0 };
    effects_reply (fx, req, &nothing_schema, &nothing);
    effects_call (fx, req, s_stop, self,
                  arena_copy (req->arena, &ask->release, sizeof ask->release));
    return 0;
}

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_BUS_INFO] = s_info,
    [REQUEST_BUS_STATS] = s_stats,
    [REQUEST_BUS_DESCRIBE] = s_describe,
    [REQUEST_BUS_SHUTDOWN] = s_shutdown,
};

inspector_t *
inspector_new (const context_t *context, const bus_parts_t *parts, berth_error_t *err)
{
    (void) err;
    inspector_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = INSPECTOR_MAGIC;
    self->context = context;
    self->parts = *parts;
    static const actor_spec_t spec = { .code = ACTOR_BUS, .handlers = s_handlers, .fd = -1 };
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return self;
}

void
inspector_destroy (inspector_t **self_p)
{
    inspector_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, INSPECTOR_MAGIC);
    actor_destroy (&self->actor);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
inspector_actor (zsock_t *pipe, void *args)
{
    inspector_t *self = args;
    CHECK (self, INSPECTOR_MAGIC);
    actor_run (self->actor, pipe);
}
