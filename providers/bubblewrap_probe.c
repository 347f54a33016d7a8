//  bubblewrap_probe.c - owns the probe: a tiny place is really opened, runs `true`, and is closed.

#include "bubblewrap.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"

#include <string.h>
#include <unistd.h>

enum { CLOSE_MS = 10000 };

static berth_bytes_t
s_found (const bubblewrap_t *self, const place_opened_t *place, int64_t open_ms, arena_t *arena)
{
    berth_bytes_t found = any_set_text (place->metadata, "bwrapVersion", self->version, arena);
    found = any_set_text (found, "uid", self->own_uids ? "own" : "caller", arena);
    found = any_set_truth (found, "seccomp", true, arena);
    found = any_set_truth (found, "disk", self->own_uids, arena);
    return any_set_number (found, "openMs", (uint64_t) open_ms, arena);
}

static const char *
s_summary (const place_opened_t *place, const bubblewrap_t *self, arena_t *arena)
{
    const char *limits = any_text (place->metadata, "limitsBy", arena);
    const char *ends = any_text (place->metadata, "endsBy", arena);
    return arena_printf (arena, "Bubblewrap %s is ready: limits by %s, ended by %s, %s.",
                         self->version,
                         limits && strcmp (limits, "rlimit") == 0
                             ? "rlimit (memory of each process, no count of processes)" : limits,
                         ends,
                         self->own_uids ? "a host user for each place"
                                        : "places run as the user of berthd");
}

static probe_result_t
s_answer (const place_probe_t *ask, bool ok, const char *summary, berth_bytes_t details)
{
    probe_result_t result = { .driver = ask->driver, .summary = summary };
    berth_put (probe_result, &result, ok, ok);
    berth_put (probe_result, &result, details, details);
    return result;
}

static probe_result_t
s_failed (const place_probe_t *ask, const berth_error_t *why, arena_t *arena)
{
    berth_bytes_t details = any_set_text (berth_empty_map, "code", berth_code_text (why->code),
                                          arena);
    if (why->remedy [0])
        details = any_set_text (details, "remedy", why->remedy, arena);
    if (why->cause [0])
        details = any_set_text (details, "cause", why->cause, arena);
    return s_answer (ask, false, arena_string (arena, why->text), details);
}

int
bubblewrap_probe (void *object, const place_probe_t *ask, int64_t deadline_ms, arena_t *arena,
                  probe_result_t *ret_result, berth_error_t *err)
{
    bubblewrap_t *self = object;
    bubblewrap_config_t config;
    if (bubblewrap_read (ask->config, NULL, arena, &config, err))
        return -1;
    char lease [BERTH_ID_SIZE], env [BERTH_ID_SIZE];
    berth_id_new (lease);
    berth_id_new (env);
    place_open_t open = {
        .lease = lease, .company = "berth", .env = env, .config = ask->config
    };
    berth_put (place_open, &open, generation, 0);

    berth_error_t why = { 0 };
    place_opened_t place = { 0 };
    int64_t started_ms = berth_mono_ms ();
    if (bubblewrap_acquire (self, &open, deadline_ms, arena, &place, &why)) {
        *ret_result = s_failed (ask, &why, arena);
        return 0;
    }
    int64_t open_ms = berth_mono_ms () - started_ms;
    int ran = places_run (self->owner.places, lease, "/usr/bin/true", deadline_ms, &why);
    //  Closed also when the time is over: a probe leaves nothing.
    int64_t close_ms = berth_mono_ms () + CLOSE_MS;
    place_close_t closing = {
        .lease = lease, .provider_lease = place.provider_lease, .status = "released"
    };
    berth_error_t left = { 0 };
    if (places_close (self->owner.places, &closing, close_ms, &left)) {
        if (ran == 0)
            why = left;
        ran = -1;
    }
    *ret_result = ran ? s_failed (ask, &why, arena)
                      : s_answer (ask, true, s_summary (&place, self, arena),
                                  s_found (self, &place, open_ms, arena));
    return 0;
}
