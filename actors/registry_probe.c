//  registry_probe.c - owns probes: what is asked of a proxy, and what its answer means.
//
//  Everything that the answer needs stands in the subject of the step, so that nothing has to be
//  remembered:
//
//      saved/ID OF THE ENVIRONMENT/UNIQUE
//      unsaved/UNIQUE/DRIVER/NUMBER OF CONFIG KEYS/COMPANY
//      provider/UNIQUE/DRIVER

#include "registry_parts.h"

#include "codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_MS = 120000, ID_LENGTH = 36 };

static const char s_saved [] = "saved/", s_unsaved [] = "unsaved/", s_provider [] = "provider/";

static int
s_available (const registry_t *self, const provider_t *provider, berth_error_t *err)
{
    if (registry_has (self->context, provider))
        return 0;
    berth_error_set (err->provider, sizeof err->provider, "%s", provider->name);
    return berth_fail (err, BERTH_UNSUPPORTED_ENVIRONMENT,
                       "Sandbox provider \"%s\" is not registered as a built-in provider.",
                       provider->name);
}

//  Asks the provider's proxy; whoever asked waits for the subject.
static void
s_ask (const request_t *req, effects_t *fx, const provider_t *provider, const environment_t *env,
       const char *driver, berth_bytes_t config, const char *subject)
{
    int64_t deadline_ms = req->mono_ms + PROBE_MS;
    if (req->letter->deadline_ms && req->letter->deadline_ms < deadline_ms)
        deadline_ms = req->letter->deadline_ms;
    place_probe_t ask = {
        .company = env ? env->company : req->company, .env = env ? env->id : NULL, .driver = driver,
        .config = any_set (config, "provider", (berth_bytes_t) { NULL, 0 }, req->arena),
    };
    effects_work (fx, req->arena, ACTOR_PROXY, provider->name, REQUEST_PLACE_PROBE, subject,
                  "probe", req, deadline_ms, &ask);
    effects_wait (fx, req, subject);
}

int
registry_probe (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                berth_error_t *err)
{
    registry_t *self = args;
    CHECK (self, REGISTRY_MAGIC);
    const environment_ref_t *ask = req->body;
    environment_t row;
    const provider_t *provider;
    if (environment_find (txn, req->arena, ask->company, ask->id, &row, err))
        return -1;
    berth_error_set (err->environment_id, sizeof err->environment_id, "%s", row.id);
    if (provider_of (row.driver, row.config, req->arena, &provider, err)
        || s_available (self, provider, err))
        return -1;
    s_ask (req, fx, provider, &row, berth_enum_text (&environment_driver_enum, (int) row.driver),
           row.config, arena_printf (req->arena, "%s%s/%s", s_saved, row.id, id_new (req)));
    return 0;
}

int
registry_probe_config (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                       berth_error_t *err)
{
    (void) txn;
    registry_t *self = args;
    CHECK (self, REGISTRY_MAGIC);
    const environment_probe_config_t *ask = req->body;
    config_rules_t rules = { self->context, req->letter->roles & ~(host_is_free (req) ? 0u : ROLE_OPERATOR), false };
    berth_bytes_t given = ask->config.size ? ask->config : berth_empty_map, config;
    const provider_t *provider;
    if (registry_config (&rules, ask->driver, given, req->arena, &config, err)
        || provider_of (ask->driver, config, req->arena, &provider, err)
        || s_available (self, provider, err))
        return -1;
    const char *driver = berth_enum_text (&environment_driver_enum, (int) ask->driver);
    s_ask (req, fx, provider, NULL, driver, config,
           arena_printf (req->arena, "%s%s/%s/%zu/%s", s_unsaved, id_new (req), driver,
                         any_count (given), ask->company));
    return 0;
}

int
registry_provider_probe (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                         berth_error_t *err)
{
    (void) txn;
    registry_t *self = args;
    CHECK (self, REGISTRY_MAGIC);
    const provider_config_t *ask = req->body;
    const provider_t *provider = provider_by_name (ask->name);
    if (!provider || !registry_has (self->context, provider)) {
        berth_error_set (err->provider, sizeof err->provider, "%s", ask->name);
        return berth_fail (err, BERTH_NOT_FOUND,
                           "Sandbox provider \"%s\" is not registered as a built-in provider.",
                           ask->name);
    }
    berth_bytes_t config = ask->config.size ? ask->config : berth_empty_map;
    if (provider_check_config (provider, NULL, config, req->arena, &config, err))
        return -1;
    bool own = strcmp (provider->name, "local") == 0 || strcmp (provider->name, "ssh") == 0;
    const char *driver = own ? provider->name : "sandbox";
    s_ask (req, fx, provider, NULL, driver, config,
           arena_printf (req->arena, "%s%s/%s", s_provider, id_new (req), driver));
    return 0;
}

//  ---- the answer

//  The next piece of a subject, up to the slash; moves behind it.
static const char *
s_piece (const char **at, arena_t *arena)
{
    size_t size = strcspn (*at, "/");
    const char *piece = arena_text (arena, *at, size);
    *at += size + ((*at) [size] == '/');
    return piece;
}

//  A provider that cannot be probed is an answer, too.
static int
s_result (const step_done_t *done, const char *driver, arena_t *arena, probe_result_t *ret_result,
          berth_error_t *err)
{
    if (done->ok)
        return berth_unpack_own (&probe_result_schema, done->result, arena, ret_result, err);
    berth_error_t why;
    error_from_body (done->error, arena, &why);
    berth_bytes_t details = any_set_text (berth_empty_map, "code", berth_code_text (why.code),
                                          arena);
    details = any_set_text (details, "error", why.cause [0] ? why.cause : why.text, arena);
    if (why.remedy [0])
        details = any_set_text (details, "remedy", arena_string (arena, why.remedy), arena);
    *ret_result = (probe_result_t) {
        .ok = false, .driver = driver, .summary = arena_string (arena, why.text),
        .details = details,
    };
    return 0;
}

static berth_bytes_t
s_details (const char *driver, const probe_result_t *result, arena_t *arena)
{
    berth_bytes_t details = any_set_text (berth_empty_map, "driver", driver, arena);
    details = any_set_truth (details, "ok", result->ok, arena);
    return any_set_text (details, "summary", result->summary, arena);
}

static int
s_saved_done (const request_t *req, store_txn_t *txn, const char *at, probe_result_t *ret_result,
              berth_error_t *err)
{
    const step_done_t *done = req->body;
    const char *id = s_piece (&at, req->arena);
    environment_t row;
    if (environment_find (txn, req->arena, NULL, id, &row, err)) {
        //  It was deleted meanwhile: there is nothing left to log about, whoever asked is answered.
        return err->code == BERTH_ENVIRONMENT_NOT_FOUND
            ? s_result (done, "sandbox", req->arena, ret_result, err) : -1;
    }
    const char *driver = berth_enum_text (&environment_driver_enum, (int) row.driver);
    if (s_result (done, driver, req->arena, ret_result, err))
        return -1;
    activity_note_t note = activity_note (req, ACTION_ENVIRONMENT_PROBED, row.company, row.id, NULL,
                                          NULL, s_details (driver, ret_result, req->arena));
    return activity_add (txn, req->arena, &note, err);
}

static int
s_unsaved_done (const request_t *req, store_txn_t *txn, const char *at, probe_result_t *ret_result,
                berth_error_t *err)
{
    (void) s_piece (&at, req->arena);       //  What makes it unique
    const char *driver = s_piece (&at, req->arena);
    uint64_t keys = strtoull (s_piece (&at, req->arena), NULL, 10);
    const char *company = at;               //  May hold anything
    if (s_result (req->body, driver, req->arena, ret_result, err))
        return -1;
    berth_bytes_t details = any_set_number (s_details (driver, ret_result, req->arena),
                                            "configTopLevelKeyCount", keys, req->arena);
    activity_note_t note = activity_note (req, ACTION_ENVIRONMENT_PROBED_UNSAVED, company,
                                          "unsaved", NULL, NULL, details);
    return activity_add (txn, req->arena, &note, err);
}

int
registry_step_done (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                    berth_error_t *err)
{
    (void) args;
    const step_done_t *done = req->body;
    const char *subject = done->subject;
    probe_result_t result = { 0 };
    int rc;
    if (strncmp (subject, s_saved, sizeof s_saved - 1) == 0)
        rc = s_saved_done (req, txn, subject + sizeof s_saved - 1, &result, err);
    else if (strncmp (subject, s_unsaved, sizeof s_unsaved - 1) == 0)
        rc = s_unsaved_done (req, txn, subject + sizeof s_unsaved - 1, &result, err);
    else {
        const char *at = subject + sizeof s_provider - 1;
        (void) s_piece (&at, req->arena);
        rc = s_result (done, s_piece (&at, req->arena), req->arena, &result, err);
    }
    if (rc == 0)
        effects_settle (fx, req->arena, subject, &probe_result_schema, &result);
    return rc;
}
