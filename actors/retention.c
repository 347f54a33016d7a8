//  retention.c - owns the defaults of retention, and the count of what went by it.

#include "retention.h"

#include <stdatomic.h>

enum { AGAIN_MS = 20, LEAST_MS = 1000, MOST_MS = 60000 };

static atomic_uint_fast64_t s_removed [KEPT_COUNT];

static int64_t
s_ms (uint64_t said_s, int64_t otherwise_s)
{
    return (said_s ? (int64_t) said_s : otherwise_s) * 1000;
}

static int64_t
s_longer (int64_t left, int64_t right)
{
    return left > right ? left : right;
}

void
retention_of (const configuration_retention_t *said, retention_t *ret_self)
{
    static const configuration_retention_t s_nothing;
    if (!said)
        said = &s_nothing;
    int64_t *kept = ret_self->kept_ms;
    kept [KEPT_ACTIVITY] = s_ms (said->activity, BERTH_ACTIVITY_KEPT_S);
    kept [KEPT_SPOOLS] = s_ms (said->spools, BERTH_SPOOLS_KEPT_S);
    kept [KEPT_EXECS] = s_ms (said->execs, BERTH_EXECS_KEPT_S);
    kept [KEPT_RUNS] = s_ms (said->runs, BERTH_RUNS_KEPT_S);
    kept [KEPT_SECRET_EVENTS] = s_ms (said->secret_events, BERTH_SECRET_EVENTS_KEPT_S);
    kept [KEPT_LEASES] = s_ms (said->leases, BERTH_LEASES_KEPT_S);
    ret_self->retained_ms = s_ms (said->retained, BERTH_RETAINED_KEPT_S);
    ret_self->places_ms = s_ms (said->places, BERTH_PLACES_KEPT_S);
    if (kept [KEPT_SPOOLS] > kept [KEPT_EXECS])
        kept [KEPT_SPOOLS] = kept [KEPT_EXECS];
    kept [KEPT_LEASES] = s_longer (kept [KEPT_LEASES],
                                   s_longer (kept [KEPT_EXECS], kept [KEPT_RUNS]));
}

const char *
kept_text (kept_t kind)
{
    static const char *const s_texts [KEPT_COUNT] = { "activity", "leases", "runs", "execs", "spools",
                                                  "secretEvents" };
    return s_texts [kind];
}

int64_t
retention_before (const retention_t *self, kept_t kind, int64_t now_ms)
{
    return self->kept_ms [kind] ? now_ms - self->kept_ms [kind] : INT64_MIN;
}

int64_t
retention_next (const retention_t *self, kept_t kind, int64_t now_ms, int64_t mono_ms,
                int64_t oldest_ms, bool more)
{
    int64_t kept_ms = self->kept_ms [kind], most_ms = kept_ms / 10;
    if (!kept_ms)
        return INT64_MAX;
    if (more)
        return mono_ms + AGAIN_MS;
    most_ms = most_ms < LEAST_MS ? LEAST_MS : most_ms > MOST_MS ? MOST_MS : most_ms;
    int64_t wait_ms = oldest_ms == INT64_MAX ? most_ms : oldest_ms + kept_ms - now_ms;
    return mono_ms + (wait_ms < LEAST_MS ? LEAST_MS : wait_ms > most_ms ? most_ms : wait_ms);
}

void
retention_count (kept_t kind, uint64_t removed)
{
    atomic_fetch_add (&s_removed [kind], removed);
}

uint64_t
retention_counted (kept_t kind)
{
    return s_removed [kind];
}
