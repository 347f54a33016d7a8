//  ssh_probe.c - owns the probe: a place is really opened there, runs `true`, and is closed.

#include "ssh.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"

enum { CLOSE_MS = 15000 };

static berth_bytes_t
s_about (const ssh_config_t *config, uint64_t port, arena_t *arena)
{
    berth_bytes_t map = any_set_text (berth_empty_map, "host", config->host, arena);
    map = any_set_number (map, "port", port, arena);
    map = any_set_text (map, "username", config->username, arena);
    return any_set_text (map, "remoteWorkspacePath", config->path, arena);
}

static probe_result_t
s_answer (const place_probe_t *ask, bool ok, const char *summary, berth_bytes_t details)
{
    probe_result_t result = { .driver = ask->driver, .summary = summary };
    berth_put (probe_result, &result, ok, ok);
    berth_put (probe_result, &result, details, details);
    return result;
}

//  Paperclip: a probe never fails; details.error is what ssh said, else the sentence.
static probe_result_t
s_failed (const place_probe_t *ask, berth_bytes_t details, const berth_error_t *why, arena_t *arena)
{
    details = any_set_text (details, "error", arena_string (arena, why->cause [0] ? why->cause
                                                                                  : why->text), arena);
    details = any_set_text (details, "code", berth_code_text (why->code), arena);
    if (why->remedy [0])
        details = any_set_text (details, "remedy", arena_string (arena, why->remedy), arena);
    return s_answer (ask, false, arena_string (arena, why->text), details);
}

int
ssh_probe (void *object, const place_probe_t *ask, int64_t deadline_ms, arena_t *arena,
           probe_result_t *ret_result, berth_error_t *err)
{
    ssh_t *self = object;
    CHECK (self, SSH_MAGIC);
    ssh_config_t config;
    uint64_t port;
    if (ssh_read (ask->config, arena, &config, &port, err))
        return -1;
    berth_bytes_t details = s_about (&config, port, arena);
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
    if (ssh_acquire (self, &open, deadline_ms, arena, &place, &why)) {
        *ret_result = s_failed (ask, details, &why, arena);
        return 0;
    }
    details = any_set_number (any_merge (details, place.metadata, true, arena), "openMs",
                              (uint64_t) (berth_mono_ms () - started_ms), arena);
    int ran = places_run (self->owner.places, lease, "true", deadline_ms, &why);
    //  Closed also when the time is over: a probe leaves nothing.
    place_close_t closing = {
        .lease = lease, .provider_lease = place.provider_lease, .config = ask->config,
        .status = "released"
    };
    berth_error_t left = { 0 };
    if (ssh_release (self, &closing, berth_mono_ms () + CLOSE_MS, &left)) {
        if (ran == 0)
            why = left;
        ran = -1;
    }
    const char *plain = any_text (place.metadata, "plainReason", arena);
    *ret_result = ran
        ? s_failed (ask, details, &why, arena)
        : plain
        ? s_answer (ask, true, arena_printf (arena, "Commands run by plain ssh (%s): %s.", plain,
                                             any_text (place.metadata, "notPromised", arena)), details)
        : s_answer (ask, true, arena_printf (arena, "Connected to %s@%s and ran a command in %s.",
                                             config.username, config.host, config.path), details);
    return 0;
}
