//  target.c - owns the list of adapters.

#include "target.h"

#include "codec.h"

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

static berth_bytes_t
s_local (const lease_t *lease, arena_t *arena)
{
    target_local_t target = { .kind = "local", .env = lease->env, .lease = lease->id };
    return berth_pack (&target_local_schema, &target, arena);
}

static const char *
s_shell (const lease_t *lease, arena_t *arena)
{
    const char *shell = any_text (lease->metadata, "shellCommand", arena);
    return shell && (strcmp (shell, "bash") == 0 || strcmp (shell, "sh") == 0) ? shell : NULL;
}

static berth_bytes_t
s_sandbox (const lease_t *lease, arena_t *arena)
{
    const char *cwd = any_text (lease->metadata, "remoteCwd", arena);
    target_runner_t runner = { .lease = lease->id, .generation = lease->generation };
    target_sandbox_t target = {
        .kind = "remote", .transport = "sandbox", .provider = lease->provider,
        .shell = s_shell (lease, arena), .cwd = cwd && cwd [0] ? cwd : "/tmp", .env = lease->env,
        .lease = lease->id, .timeout_ms = any_number (lease->config, "timeoutMs", 0),
        .runner = &runner,
    };
    return berth_pack (&target_sandbox_schema, &target, arena);
}

//  Without a folder of the place's own, the environment's.
static berth_bytes_t
s_ssh (const lease_t *lease, arena_t *arena, berth_bytes_t *ret_spec)
{
    berth_bytes_t config = lease->config;
    const char *cwd = any_text (lease->metadata, "remoteCwd", arena);
    const char *host = any_text (config, "host", arena);
    const char *user = any_text (config, "username", arena);
    const char *path = any_text (config, "remoteWorkspacePath", arena);
    target_ssh_spec_t spec = {
        .host = host ? host : "", .port = any_number (config, "port", 22),
        .username = user ? user : "", .path = path ? path : "/",
        .known_hosts = any_text (config, "knownHosts", arena),
        .strict = any_truth (config, "strictHostKeyChecking", true)
    };
    spec.cwd = cwd && cwd [0] ? cwd : spec.path;
    if (!any_is_null (any_get (config, "privateKeySecretRef")))
        berth_put (target_ssh_spec, &spec, key_ref, any_get (config, "privateKeySecretRef"));
    target_runner_t runner = { .lease = lease->id, .generation = lease->generation };
    target_ssh_t target = {
        .kind = "remote", .transport = "ssh", .env = lease->env, .lease = lease->id,
        .cwd = spec.cwd, .spec = &spec, .runner = &runner
    };
    *ret_spec = berth_pack (&target_ssh_spec_schema, &spec, arena);
    return berth_pack (&target_ssh_schema, &target, arena);
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
    else if (driver == environment_driver_SSH) {
        berth_bytes_t spec;
        berth_put (lease_target, &target, target, s_ssh (lease, arena, &spec));
        berth_put (lease_target, &target, remote, spec);
    }
    return target;
}
