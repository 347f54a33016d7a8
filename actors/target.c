//  target.c - owns the list of adapters.

#include "target.h"

#include "codec.h"

#include <msgpack.h>
#include <string.h>

static const char *const s_remote [] = {
    "acpx_local", "claude_local", "codex_local", "cursor", "gemini_local", "opencode_local",
    "pi_local"
};

const char *
adapter_remote (size_t index)
{
    return index < BERTH_COUNT (s_remote) ? s_remote [index] : NULL;
}

bool
adapter_supported (const char *adapter, environment_driver_t driver)
{
    if (driver == environment_driver_LOCAL)
        return true;
    if (driver == environment_driver_PLUGIN)
        return false;
    if (!adapter)
        return true;
    for (size_t index = 0; index < BERTH_COUNT (s_remote); index++)
        if (strcmp (adapter, s_remote [index]) == 0)
            return true;
    return false;
}

static void
s_text (msgpack_packer *pk, const char *key, const char *value)
{
    msgpack_pack_str_with_body (pk, key, strlen (key));
    if (value)
        msgpack_pack_str_with_body (pk, value, strlen (value));
    else
        msgpack_pack_nil (pk);
}

static void
s_key (msgpack_packer *pk, const char *key)
{
    msgpack_pack_str_with_body (pk, key, strlen (key));
}

static berth_bytes_t
s_local (const lease_t *lease, arena_t *arena)
{
    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    msgpack_pack_map (&pk, 3);
    s_text (&pk, "kind", "local");
    s_text (&pk, "environmentId", lease->env);
    s_text (&pk, "leaseId", lease->id);
    return berth_buffer_bytes (&buffer);
}

static const char *
s_shell (const lease_t *lease, arena_t *arena)
{
    const char *shell = any_text (lease->metadata, "shellCommand", arena);
    return shell && (strcmp (shell, "bash") == 0 || strcmp (shell, "sh") == 0) ? shell : NULL;
}

static const char *
s_remote_cwd (const lease_t *lease, const char *otherwise, arena_t *arena)
{
    const char *cwd = any_text (lease->metadata, "remoteCwd", arena);
    return cwd && cwd [0] ? cwd : otherwise;
}

static berth_bytes_t
s_sandbox (const lease_t *lease, arena_t *arena)
{
    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    msgpack_pack_map (&pk, 9);
    s_text (&pk, "kind", "remote");
    s_text (&pk, "transport", "sandbox");
    s_text (&pk, "providerKey", lease->provider);
    s_text (&pk, "shellCommand", s_shell (lease, arena));
    s_text (&pk, "remoteCwd", s_remote_cwd (lease, "/tmp", arena));
    s_text (&pk, "environmentId", lease->env);
    s_text (&pk, "leaseId", lease->id);
    s_key (&pk, "timeoutMs");
    uint64_t timeout_ms = any_number (lease->config, "timeoutMs", 0);
    if (timeout_ms)
        msgpack_pack_uint64 (&pk, timeout_ms);
    else
        msgpack_pack_nil (&pk);
    s_key (&pk, "runner");
    msgpack_pack_map (&pk, 2);
    s_text (&pk, "leaseId", lease->id);
    s_key (&pk, "generation");
    msgpack_pack_uint64 (&pk, lease->generation);
    return berth_buffer_bytes (&buffer);
}

lease_target_t
target_of (const lease_t *lease, const char *adapter, arena_t *arena)
{
    int driver = berth_enum_value (&environment_driver_enum, lease->driver ? lease->driver : "",
                                   strlen (lease->driver ? lease->driver : ""));
    lease_target_t target = { 0 };
    berth_clear (lease_target, &target, target);
    berth_clear (lease_target, &target, remote);
    if (!driver || !adapter_supported (adapter, (environment_driver_t) driver))
        return target;
    if (driver == environment_driver_LOCAL)
        berth_put (lease_target, &target, target, s_local (lease, arena));
    else if (driver == environment_driver_SANDBOX)
        berth_put (lease_target, &target, target, s_sandbox (lease, arena));
    return target;
}
