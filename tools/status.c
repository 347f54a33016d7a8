//  status.c - owns the screen that answers an operator at 3 a.m.

#include "output.h"
#include "service.h"

#include <stdio.h>
#include <string.h>

static const char *
s_counts (const bus_count_t *items, size_t count, arena_t *arena)
{
    const char *text = "";
    for (size_t index = 0; index < count; index++)
        if (items [index].count)
            text = arena_printf (arena, "%s%s%llu %s", text, *text ? ", " : "",
                                 (unsigned long long) items [index].count, items [index].name);
    return *text ? text : "none";
}

//  Fill in percent of what it may grow to, and of what its disk still has room for.
static void
s_store (const output_t *out, const bus_stats_t *stats, arena_t *arena)
{
    uint64_t room = stats->store_used + stats->disk_free;
    room = stats->store_max && stats->store_max < room ? stats->store_max : room;
    double fill = room ? 100.0 * (double) stats->store_used / (double) room : 0;
    output_line (out, "store", "%s of %s (%.1f %%), %s free on its disk%s",
                 output_size (stats->store_used, arena), output_size (stats->store_max, arena), fill,
                 output_size (stats->disk_free, arena),
                 stats->store_fill == storage_fill_SHUT ? ": SHUT, nothing of clients is written"
                 : stats->store_fill == storage_fill_TIGHT
                 ? ": TIGHT, nothing new is taken until there is room; see `berth store stat`" : "");
}

static void
s_providers (const output_t *out, const bus_stats_t *stats, arena_t *arena)
{
    for (size_t index = 0; index < stats->providers.count; index++) {
        const bus_provider_t *provider = &stats->providers.items [index];
        const char *last = provider->last_error
            ? arena_printf (arena, "; last %s ago: %s", output_age (provider->last_error_at, out->now, arena),
                            provider->last_error) : "";
        output_line (out, index ? "" : "providers", "%-12s %s, %llu calls under way, %llu failed%s",
                     provider->name, provider->state, (unsigned long long) provider->calls,
                     (unsigned long long) provider->failures, last);
    }
}

static void
s_actors (const output_t *out, const bus_stats_t *stats, arena_t *arena)
{
    uint64_t requests = 0, failures = 0, busy = 0;
    for (size_t index = 0; index < stats->actors.count; index++) {
        const bus_actor_t *actor = &stats->actors.items [index];
        requests += actor->requests;
        failures += actor->failures;
        busy += actor->busy;
        if (actor->serving_ms > 1000)
            output_line (out, "slow", "%s has been in one batch for %s", actor->name,
                         output_duration ((int64_t) actor->serving_ms, arena));
    }
    output_line (out, "requests", "%llu handled, %llu failed, %llu refused as busy",
                 (unsigned long long) requests, (unsigned long long) failures, (unsigned long long) busy);
}

//  Companies that were refused something.
static void
s_refused (const output_t *out, const bus_stats_t *stats, arena_t *arena)
{
    for (size_t index = 0; index < stats->companies.count; index++) {
        const bus_company_t *company = &stats->companies.items [index];
        const bus_count_t over [] = {
            { .name = "over its rate", .count = company->over_rate },
            { .name = "over its leases", .count = company->over_leases },
            { .name = "over its execs", .count = company->over_execs },
            { .name = "over its output on disk", .count = company->over_spool },
        };
        const char *why = s_counts (over, BERTH_COUNT (over), arena);
        if (strcmp (why, "none"))
            output_line (out, index ? "" : "refused", "%s: %s; it has %llu leases, %llu execs, %s of output",
                         company->company, why, (unsigned long long) company->leases,
                         (unsigned long long) company->execs, output_size (company->spooled, arena));
    }
}

static void
s_endings (const output_t *out, const bus_stats_t *stats, arena_t *arena)
{
    for (size_t index = 0; index < stats->ending.count; index++) {
        const bus_ending_t *item = &stats->ending.items [index];
        output_line (out, index ? "" : "ends soon", "lease %s of %s in %s%s%s", item->id, item->company,
                     output_duration ((int64_t) item->left_ms, arena), item->ends_by ? ", by " : "",
                     item->ends_by ? item->ends_by : "");
    }
}

static void
s_troubles (const output_t *out, const bus_stats_t *stats, arena_t *arena)
{
    output_line (out, "drops", "%s", s_counts (stats->drops.items, stats->drops.count, arena));
    s_refused (out, stats, arena);
    if (!stats->stuck.count)
        output_line (out, "stuck", "nothing");
    for (size_t index = 0; index < stats->stuck.count; index++) {
        const bus_stuck_t *stuck = &stats->stuck.items [index];
        output_line (out, index ? "" : "stuck", "%s %s %s for %s: %s", stuck->kind, stuck->id, stuck->state,
                     output_age (stuck->since, out->now, arena), stuck->why);
    }
    if (!stats->faults.count)
        output_line (out, "last errors", "none");
    for (size_t index = 0; index < stats->faults.count && index < 5; index++) {
        const bus_fault_t *fault = &stats->faults.items [index];
        output_line (out, index ? "" : "last errors", "%s ago, %s: %s (%s)",
                     output_age (fault->at, out->now, arena), fault->actor, fault->message, fault->code);
    }
}

int
status_command (invocation_t *self, berth_error_t *err)
{
    arena_t *arena = self->arena;
    output_t out = output_stdout (self->common.json, self->common.quiet);
    berth_ask_t how = service_ask (self, 5000);
    bus_info_t info;
    bus_stats_t stats;
    berth_bytes_t body;
    if (berth_client_ask (self->bus, REQUEST_BUS_INFO, NULL, &how, arena, &info, err)
        || berth_client_call (self->bus, "bus.stats", berth_empty_map, &how, arena, &body, err)
        || berth_unpack (&bus_stats_schema, body, arena, &stats, err))
        return -1;
    out.now = stats.now;
    if (out.json) {
        printf ("%s\n", output_json (&bus_stats_schema, body, arena));
        return stats.healthy ? 0 : 1;
    }
    if (out.quiet)
        return stats.healthy ? 0 : 1;
    output_line (&out, "berthd", "%s, %s, up %s, pid %lld%s", stats.healthy ? "well" : "NOT WELL",
                 info.version, output_duration ((int64_t) stats.uptime_ms, arena), (long long) info.pid,
                 info.ephemeral ? ", private" : "");
    if (info.drained_since)
        output_line (&out, "DRAINED", "for %s by %s, no new lease is taken%s%s; ends with `berth bus undrain`",
                     output_age (info.drained_since, out.now, arena), info.drained_by,
                     info.drained_reason ? ": " : "", info.drained_reason ? info.drained_reason : "");
    output_line (&out, "instance", "%s at %s", info.instance, self->endpoint);
    output_line (&out, "state", "%s", output_clean (info.state, arena));
    s_store (&out, &stats, arena);
    output_line (&out, "leases", "%s", s_counts (stats.leases.items, stats.leases.count, arena));
    s_endings (&out, &stats, arena);
    output_line (&out, "execs", "%s", s_counts (stats.execs.items, stats.execs.count, arena));
    output_line (&out, "activity", "entry %llu%s", (unsigned long long) stats.seq,
                 stats.published < stats.seq ? arena_printf (arena, ", %llu not published yet",
                 (unsigned long long) (stats.seq - stats.published)) : "");
    s_actors (&out, &stats, arena);
    s_providers (&out, &stats, arena);
    s_troubles (&out, &stats, arena);
    return stats.healthy ? 0 : 1;
}
