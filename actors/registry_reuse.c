//  registry_reuse.c - owns nothing: Paperclip's rules of reuse, as functions of what was asked.

#include "registry_parts.h"

#include "codec.h"

#include <string.h>

//  What the host wrote beside a provider's config (reference, 2.3).
static const char *const s_host_keys [] = {
    "driver", "executionWorkspaceMode", "pluginId", "pluginKey", "providerMetadata", "shellCommand",
    "sandboxProviderPlugin", "remoteCwd", "workspaceRealization",
};

static const char *
s_text (berth_bytes_t key, arena_t *arena)
{
    return arena_text (arena, (const char *) key.data, key.size);
}

//  Every key of the config stands in the metadata with the same value.
static const char *
s_config_differs (berth_bytes_t config, berth_bytes_t metadata, arena_t *arena)
{
    size_t position = 0;
    berth_bytes_t key, value;
    while (any_each (config, &position, &key, &value)) {
        const char *name = s_text (key, arena);
        if (strcmp (name, "provider") == 0 || strcmp (name, "reuseLease") == 0)
            continue;
        berth_bytes_t kept = any_get (metadata, name);
        if (!kept.size || !any_equal (kept, value))
            return arena_printf (arena, "config.%.64s is another", name);
    }
    return NULL;
}

//  Why its place would not be reused; NULL: it would.
static const char *
s_refusal (const provider_t *known, const char *provider, berth_bytes_t config,
           const reuse_lease_t *candidate, arena_t *arena)
{
    berth_bytes_t metadata = candidate->metadata.size ? candidate->metadata : berth_empty_map;
    lease_t lease = { .provider_lease = candidate->provider_lease, .metadata = metadata };
    if (candidate->policy && strcmp (candidate->policy, "reuse_by_environment")
        && strcmp (candidate->policy, "reuse_by_execution_workspace"))
        return "its policy does not reuse";
    if (berth_null (reuse_lease, candidate, run))
        return "the lease has no run";
    if (known && known->reuse_match) {
        const char *reason = NULL;
        return known->reuse_match (config, &lease, &reason) ? NULL : reason;
    }
    const char *its = any_text (metadata, "provider", arena);
    if (!lease.provider_lease || !*lease.provider_lease)
        return "the lease has no place";
    if (!its || strcmp (its, provider))
        return "the lease is another provider's";
    if (!any_truth (metadata, "reuseLease", false))
        return "the lease was not made to be reused";
    return s_config_differs (config, metadata, arena);
}

int
registry_reuse_match (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                      berth_error_t *err)
{
    (void) args;
    (void) txn;
    (void) err;
    const reuse_ask_t *ask = req->body;
    const char *provider = ask->name ? ask->name : any_text (ask->config, "provider", req->arena);
    if (!provider)
        provider = "fake";
    const provider_t *known = provider_by_name (provider);
    reuse_refusal_t *others = arena_array (req->arena, ask->leases.count + 1, reuse_refusal_t);
    reuse_answer_t answer = { .others = { 0, others } };
    for (size_t index = 0; index < ask->leases.count; index++) {
        const reuse_lease_t *candidate = &((const reuse_lease_t *) ask->leases.items) [index];
        const char *reason = s_refusal (known, provider, ask->config, candidate, req->arena);
        if (!reason && !answer.provider_lease) {
            answer.provider_lease = candidate->provider_lease;
            answer.id = candidate->id;
            continue;
        }
        reuse_refusal_t *other = &others [answer.others.count++];
        *other = (reuse_refusal_t) {
            .id = candidate->id, .reason = reason ? reason : "another one was used later"
        };
        berth_put (reuse_refusal, other, index, index);
    }
    if (!answer.provider_lease)
        berth_clear (reuse_answer, &answer, provider_lease);
    effects_reply (fx, req, &reuse_answer_schema, &answer);
    return 0;
}

//  Only the fields that are that provider's, and only if they are right.
static berth_bytes_t
s_strict (const provider_t *known, const char *provider, berth_bytes_t metadata, arena_t *arena)
{
    static const berth_bytes_t none = { NULL, 0 };
    const char *its = any_text (metadata, "provider", arena);
    berth_bytes_t config = none;
    if (!known || !its || strcmp (its, provider))
        return none;
    if (known->config_from_lease) {
        lease_t lease = { .metadata = metadata };
        return known->config_from_lease (&lease, arena, &config, NULL) ? none : config;
    }
    config = any_set_text (berth_empty_map, "provider", provider, arena);
    for (size_t index = 0; index < known->config->count; index++) {
        berth_bytes_t value = any_get (metadata, known->config->fields [index].name);
        if (value.size)
            config = any_set (config, known->config->fields [index].name, value, arena);
    }
    return provider_check_config (known, NULL, config, arena, &config, NULL) ? none : config;
}

int
registry_config_from_lease (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                            berth_error_t *err)
{
    (void) args;
    (void) txn;
    const lease_config_ask_t *ask = req->body;
    const char *its = any_text (ask->metadata, "provider", req->arena);
    const char *provider = ask->name ? ask->name : its;
    lease_config_t answer = { .config = { NULL, 0 } };
    if (!provider) {
        berth_clear (lease_config, &answer, config);
        effects_reply (fx, req, &lease_config_schema, &answer);
        return 0;
    }
    const provider_t *known = provider_by_name (provider);
    if (!ask->loose && !known) {
        berth_error_set (err->field, sizeof err->field, "provider");
        return berth_fail (err, BERTH_NOT_FOUND, "no provider '%.64s'", provider);
    }
    if (!ask->loose)
        answer.config = s_strict (known, provider, ask->metadata, req->arena);
    else if (its && strcmp (its, provider) == 0) {
        answer.config = ask->metadata;
        for (size_t index = 0; index < BERTH_COUNT (s_host_keys); index++)
            answer.config = any_set (answer.config, s_host_keys [index],
                                     (berth_bytes_t) { NULL, 0 }, req->arena);
    }
    if (!answer.config.size)
        berth_clear (lease_config, &answer, config);
    effects_reply (fx, req, &lease_config_schema, &answer);
    return 0;
}
