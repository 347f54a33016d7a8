//  capabilities.c - owns what is said about drivers, providers and adapters (Paperclip: reference,
//  section 2.5).

#include "registry_parts.h"

#include "codec.h"
#include "describe.h"
#include "json_schema.h"
#include "target.h"

#include <string.h>

//  Paperclip's adapters.
static const char *const s_adapters [] = {
    "process", "http", "acpx_local", "claude_local", "codex_local", "gemini_local",
    "opencode_local", "pi_local", "cursor", "openclaw_gateway",
};

#define ADAPTER_ROW(F, T) \
    F (T, STR,   name,      "adapterType", REQUIRED, 64, "The adapter.") \
    F (T, ANY,   drivers,   "drivers",   REQUIRED | OBJECT, 0, "{driver: supported or unsupported}.") \
    F (T, ANY,   providers, "sandboxProviders", REQUIRED | OBJECT, 0, "{provider: the same}.")
BERTH_MESSAGE (adapter_row, ADAPTER_ROW);
BERTH_SCHEMA (adapter_row, ADAPTER_ROW, 0, "What one adapter can use.");

#define ADAPTER_ROWS(F, T) \
    F (T, LIST (adapter_row), items, "items", REQUIRED, 0, "All.")
BERTH_MESSAGE (adapter_rows, ADAPTER_ROWS);
BERTH_SCHEMA (adapter_rows, ADAPTER_ROWS, 0, "What adapters can use.");

#define PROVIDER_ROW(F, T) \
    F (T, STR,   status,    "status",    REQUIRED, 0, "supported or unsupported.") \
    F (T, BOOL,  saved,     "supportsSavedProbe", REQUIRED, 0, "environment.probe.") \
    F (T, BOOL,  unsaved,   "supportsUnsavedProbe", REQUIRED, 0, "environment.probeConfig.") \
    F (T, BOOL,  runs,      "supportsRunExecution", REQUIRED, 0, "Runs.") \
    F (T, BOOL,  reuse,     "supportsReusableLeases", REQUIRED, 0, "reuseLease.") \
    F (T, STR,   title,     "displayName", REQUIRED, 0, "For people.") \
    F (T, STR,   doc,       "description", OPTIONAL, 0, "For people.") \
    F (T, STR,   source,    "source",    REQUIRED, 0, "builtin or plugin.") \
    F (T, ANY,   schema,    "configSchema", OPTIONAL, 0, "JSON Schema of its config.")
BERTH_MESSAGE (provider_row, PROVIDER_ROW);
BERTH_SCHEMA (provider_row, PROVIDER_ROW, 0, "What one provider can do.");

static const char *
s_word (bool supported)
{
    return supported ? "supported" : "unsupported";
}

//  Drivers local and ssh are providers of their own name, not sandboxes.
static bool
s_is_sandbox (const provider_t *provider)
{
    return strcmp (provider->name, "local") && strcmp (provider->name, "ssh");
}

//  Can it be chosen for runs? `fake` never can.
static bool
s_is_usable (const context_t *context, const provider_t *provider)
{
    return registry_has (context, provider) && strcmp (provider->name, "fake");
}

static berth_bytes_t
s_drivers (const context_t *context, bool remote, arena_t *arena)
{
    bool sandbox = false;
    const provider_t *provider;
    for (size_t index = 0; (provider = provider_at (index)); index++)
        sandbox = sandbox || (s_is_sandbox (provider) && s_is_usable (context, provider));
    berth_bytes_t out = any_set_text (berth_empty_map, "local",
                                      s_word (provider_by_name ("local")), arena);
    out = any_set_text (out, "ssh", s_word (remote && provider_by_name ("ssh")), arena);
    out = any_set_text (out, "sandbox", s_word (remote && sandbox), arena);
    return any_set_text (out, "plugin", s_word (false), arena);
}

static berth_bytes_t
s_adapter_providers (const context_t *context, bool remote, arena_t *arena)
{
    berth_bytes_t out = berth_empty_map;
    const provider_t *provider;
    for (size_t index = 0; (provider = provider_at (index)); index++)
        if (s_is_sandbox (provider) && registry_has (context, provider))
            out = any_set_text (out, provider->name,
                                s_word (remote && s_is_usable (context, provider)), arena);
    return out;
}

static berth_bytes_t
s_adapters_packed (const context_t *context, arena_t *arena)
{
    adapter_row_t rows [BERTH_COUNT (s_adapters)];
    for (size_t index = 0; index < BERTH_COUNT (s_adapters); index++) {
        bool remote = adapter_supported (s_adapters [index], environment_driver_SANDBOX);
        rows [index] = (adapter_row_t) {
            .name = s_adapters [index],
            .drivers = s_drivers (context, remote, arena),
            .providers = s_adapter_providers (context, remote, arena),
        };
    }
    adapter_rows_t all = { .items = { BERTH_COUNT (rows), rows } };
    return any_get (berth_pack (&adapter_rows_schema, &all, arena), "items");
}

static berth_bytes_t
s_providers (const context_t *context, arena_t *arena)
{
    berth_bytes_t out = berth_empty_map;
    const provider_t *provider;
    for (size_t index = 0; (provider = provider_at (index)); index++) {
        if (!s_is_sandbox (provider) || !registry_has (context, provider))
            continue;
        bool fake = strcmp (provider->name, "fake") == 0;
        provider_row_t row = {
            .status = s_word (s_is_usable (context, provider)), .saved = provider->probe,
            .unsaved = provider->probe,
            .runs = !fake && (provider->can & PROVIDER_CAN_EXECUTE),
            .reuse = fake || (provider->can & PROVIDER_CAN_REUSE), .title = provider->title,
            .doc = provider->doc, .source = "builtin",
            .schema = json_schema (provider->config, arena),
        };
        out = any_set (out, provider->name, berth_pack (&provider_row_schema, &row, arena), arena);
    }
    return out;
}

int
registry_capabilities (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                       berth_error_t *err)
{
    (void) txn;
    (void) err;
    registry_t *self = args;
    CHECK (self, REGISTRY_MAGIC);
    capabilities_t answer = {
        .adapters = s_adapters_packed (self->context, req->arena),
        .drivers = s_drivers (self->context, true, req->arena),
        .providers = s_providers (self->context, req->arena),
    };
    effects_reply (fx, req, &capabilities_schema, &answer);
    return 0;
}

//  ---- providers one by one

static provider_info_t
s_info (const context_t *context, const provider_t *provider, arena_t *arena)
{
    const char **can = arena_array (arena, PROVIDER_BITS, const char *);
    provider_info_t info = {
        .name = provider->name, .doc = provider->doc, .source = "builtin",
        .status = provider->for_tests && !context->test_providers ? "unsupported" : "ready",
        .can = { 0, can }, .concurrency = provider->concurrency,
    };
    info.config.count = describe_fields (provider->config, arena, &info.config.items);
    for (unsigned bit = 0; bit < PROVIDER_BITS; bit++)
        if (provider->can >> bit & 1)
            can [info.can.count++] = capability_text (bit);
    return info;
}

static const provider_t *
s_find (const registry_t *self, const char *name, berth_error_t *err)
{
    const provider_t *provider = provider_by_name (name);
    if (provider && registry_has (self->context, provider))
        return provider;
    berth_error_set (err->provider, sizeof err->provider, "%s", name);
    (void) berth_fail (err, BERTH_NOT_FOUND,
                       "Sandbox provider \"%s\" is not registered as a built-in provider.", name);
    return NULL;
}

//  What keeps new leases away from it, if anything does.
static int
s_held (const request_t *req, store_txn_t *txn, provider_info_t *info, berth_error_t *err)
{
    hold_t hold = { .held = false };
    if (hold_find (txn, req->arena, arena_printf (req->arena, "pause:%s", info->name), &hold, err))
        return -1;
    if (hold.held) {
        info->status = "paused";
        info->held_since = hold.since;
        info->held_reason = hold.reason;
        return 0;
    }
    if (hold_find (txn, req->arena, arena_printf (req->arena, "breaker:%s", info->name), &hold, err))
        return -1;
    if (hold.held) {
        info->status = "unavailable";
        info->held_since = hold.since;
        info->held_reason = hold.reason;
    }
    return 0;
}

int
registry_provider_list (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                        berth_error_t *err)
{
    registry_t *self = args;
    CHECK (self, REGISTRY_MAGIC);
    size_t count = 0;
    while (provider_at (count))
        count++;
    provider_info_t *items = arena_array (req->arena, count + 1, provider_info_t);
    provider_page_t page = { .items = { 0, items } };
    for (size_t index = 0; index < count; index++) {
        if (!registry_has (self->context, provider_at (index)))
            continue;
        provider_info_t info = s_info (self->context, provider_at (index), req->arena);
        if (s_held (req, txn, &info, err))
            return -1;
        size_t at = page.items.count++;
        for (; at && strcmp (items [at - 1].name, info.name) > 0; at--)     //  By name
            items [at] = items [at - 1];
        items [at] = info;
    }
    effects_reply (fx, req, &provider_page_schema, &page);
    return 0;
}

int
registry_provider_get (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                       berth_error_t *err)
{
    registry_t *self = args;
    CHECK (self, REGISTRY_MAGIC);
    const provider_ref_t *ask = req->body;
    const provider_t *provider = s_find (self, ask->name, err);
    if (!provider)
        return -1;
    provider_info_t info = s_info (self->context, provider, req->arena);
    if (s_held (req, txn, &info, err))
        return -1;
    effects_reply (fx, req, &provider_info_schema, &info);
    return 0;
}

int
registry_provider_validate (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                            berth_error_t *err)
{
    (void) txn;
    registry_t *self = args;
    CHECK (self, REGISTRY_MAGIC);
    const provider_config_t *ask = req->body;
    const provider_t *provider = s_find (self, ask->name, err);
    if (!provider)
        return -1;
    berth_error_t why = { 0 };
    config_rules_t rules = { self->context, req->letter->roles & ~(host_is_free (req) ? 0u : ROLE_OPERATOR), false };
    berth_bytes_t config = ask->config.size ? ask->config : berth_empty_map;
    provider_valid_t answer = { 0 };
    const char *text = why.text;
    int rc = s_is_sandbox (provider)
        ? registry_config (&rules, environment_driver_SANDBOX,
                           any_set_text (config, "provider", provider->name, req->arena),
                           req->arena, &answer.config, &why)
        : provider_check_config (provider, NULL, config, req->arena, &answer.config, &why);
    answer.ok = rc == 0;
    answer.errors = (berth_strs_t) { rc != 0, &text };
    effects_reply (fx, req, &provider_valid_schema, &answer);
    return 0;
}
