//  registry_config.c - owns the shapes of config and policy (Paperclip: reference, section 2).

#include "registry_parts.h"

#include "codec.h"
#include "ids.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t MAX_LEASE_MS = 31536000000u;

#define PLUGIN_CONFIG(F, T) \
    F (T, STR,   plugin,    "pluginKey", REQUIRED | POSITIVE, 128, "The plugin.") \
    F (T, STR,   driver,    "driverKey", REQUIRED | POSITIVE, 64, "Its driver.") \
    F (T, ANY,   config,    "driverConfig", OPTIONAL | OBJECT, 65536, "The driver's own settings ({}).")
BERTH_MESSAGE (plugin_config, PLUGIN_CONFIG);
BERTH_SCHEMA (plugin_config, PLUGIN_CONFIG, SCHEMA_STRICT, "Config of driver plugin.");

static int
s_refuse (berth_error_t *err, berth_code_t code, const char *field, const char *what)
{
    berth_error_set (err->field, sizeof err->field, "%s", field);
    return berth_fail (err, code, "%s %s", field, what);
}

static int
s_wrong (berth_error_t *err, const char *field, const char *what)
{
    return s_refuse (err, BERTH_INVALID, field, what);
}

//  ---- values that may come as text

static bool
s_number (berth_bytes_t value, uint64_t *ret_number)
{
    wire_t wire = wire_of (value);
    wire_token_t token;
    if (value.size == 0 || wire_next (&wire, &token))
        return false;
    if (token.type == WIRE_UINT) {
        *ret_number = token.number;
        return true;
    }
    if (token.type != WIRE_STR || token.size == 0 || token.size > 15)
        return false;
    uint64_t number = 0;
    for (size_t at = 0; at < token.size; at++) {
        if (token.data [at] < '0' || token.data [at] > '9')
            return false;
        number = number * 10 + (uint64_t) (token.data [at] - '0');
    }
    *ret_number = number;
    return true;
}

static bool
s_is_text (berth_bytes_t value, const char *text)
{
    wire_t wire = wire_of (value);
    wire_token_t token;
    return value.size && wire_next (&wire, &token) == 0 && token.type == WIRE_STR
        && token.size == strlen (text) && memcmp (token.data, text, token.size) == 0;
}

//  Every element of a packed list is an absolute path.
static int
s_absolute (berth_bytes_t list, const char *field, berth_error_t *err)
{
    wire_t wire = wire_of (list);
    wire_token_t token;
    if (list.size == 0)
        return 0;
    if (wire_next (&wire, &token) || token.type != WIRE_ARRAY)
        return s_wrong (err, field, "must be a list of paths");
    for (size_t left = token.size; left; left--)
        if (wire_next (&wire, &token) || (token.type != WIRE_STR && token.type != WIRE_BIN)
            || token.size == 0 || token.data [0] != '/' || memchr (token.data, 0, token.size))
            return s_wrong (err, field, "must hold absolute paths");
    return 0;
}

//  What every place sees of the host is the operator's to say.
static int
s_read_only (const config_rules_t *rules, berth_bytes_t list, const char *field, berth_error_t *err)
{
    if (list.size == 0)
        return 0;
    if (!(rules->roles & (ROLE_OPERATOR | ROLE_INTERNAL)))
        return s_refuse (err, BERTH_FORBIDDEN, field, "may be set by an operator only");
    return s_absolute (list, field, err);
}

//  {type: plain, value}, or {type: secret_ref, secretId}: as an exec's variables.
static bool
s_is_reference (berth_bytes_t value)
{
    berth_bytes_t type = any_get (value, "type");
    wire_t wire = wire_of (any_get (value, s_is_text (type, "plain") ? "value" : "secretId"));
    wire_token_t token;
    if ((!s_is_text (type, "plain") && !s_is_text (type, "secret_ref")) || !wire.at
        || wire_next (&wire, &token) || (token.type != WIRE_STR && token.type != WIRE_BIN))
        return false;
    char id [37] = "";
    if (s_is_text (type, "plain"))
        return !memchr (token.data, 0, token.size);
    if (token.size == 36)
        memcpy (id, token.data, 36);
    return berth_id_is (id);
}

//  Names of environment variables, to text or to a reference.
static int
s_env (berth_bytes_t env, const char *field, berth_error_t *err)
{
    size_t at = 0;
    berth_bytes_t key, value;
    while (any_each (env, &at, &key, &value)) {
        bool good = key.size && !(key.data [0] >= '0' && key.data [0] <= '9');
        for (size_t index = 0; good && index < key.size; index++)
            good = key.data [index] < 0x80
                && strchr ("_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
                           key.data [index]) && key.data [index];
        if (!good)
            return s_wrong (err, field, "holds a name that is no name of a variable");
        wire_t wire = wire_of (value);
        wire_token_t token;
        if (s_is_reference (value))
            continue;
        if (wire_next (&wire, &token) || (token.type != WIRE_STR && token.type != WIRE_BIN)
            || memchr (token.data, 0, token.size))
            return s_wrong (err, field, "must hold texts without NUL, or {type: secret_ref, secretId}");
    }
    return 0;
}

//  ---- drivers

//  Its shape and rules are the provider's; a key that is typed becomes a secret, where there are any.
static int
s_ssh (const config_rules_t *rules, berth_bytes_t config, arena_t *arena, berth_bytes_t *ret_normal,
       berth_error_t *err)
{
    if (rules->to_save && !rules->context->vault && !any_is_null (any_get (config, "privateKey")))
        return s_refuse (err, BERTH_UNSUPPORTED, "config.privateKey",
                         "cannot be kept: this service has no secrets");
    return provider_check_config (provider_by_name ("ssh"), NULL, config, arena, ret_normal, err);
}

static int
s_plugin (berth_bytes_t config, arena_t *arena, berth_bytes_t *ret_normal, berth_error_t *err)
{
    plugin_config_t plugin;
    if (berth_unpack_field ("config", &plugin_config_schema, config, arena, &plugin, err))
        return -1;
    if (strchr ("._-", plugin.driver [0])
        || plugin.driver [strspn (plugin.driver, "abcdefghijklmnopqrstuvwxyz0123456789._-")])
        return s_wrong (err, "config.driverKey", "must match ^[a-z0-9][a-z0-9._-]*$");
    if (!plugin.config.size)
        plugin.config = berth_empty_map;
    *ret_normal = berth_pack (&plugin_config_schema, &plugin, arena);
    return 0;
}

bool
registry_has (const context_t *context, const provider_t *provider)
{
    return !provider->for_tests || context->test_providers || strcmp (provider->name, "fake") == 0;
}

static int
s_sandbox (const config_rules_t *rules, berth_bytes_t config, arena_t *arena,
           berth_bytes_t *ret_normal, berth_error_t *err)
{
    const provider_t *provider;
    if (provider_of (environment_driver_SANDBOX, config, arena, &provider, err)) {
        if (!err->field [0])
            berth_error_set (err->field, sizeof err->field, "config.provider");
        return -1;
    }
    berth_error_set (err->provider, sizeof err->provider, "%s", provider->name);
    if (!registry_has (rules->context, provider)) {
        berth_error_set (err->field, sizeof err->field, "config.provider");
        return berth_fail (err, BERTH_UNSUPPORTED_ENVIRONMENT,
                           "Sandbox provider \"%s\" is not registered as a built-in provider.",
                           provider->name);
    }
    if (rules->to_save && provider->for_tests && !rules->context->test_providers) {
        berth_error_set (err->field, sizeof err->field, "config.provider");
        return berth_fail (err, BERTH_INVALID, "Built-in fake sandbox environments are reserved "
                           "for internal probes and cannot be saved.");
    }
    uint64_t timeout_ms;
    if (s_number (any_get (config, "timeoutMs"), &timeout_ms))
        config = any_set_number (config, "timeoutMs", timeout_ms, arena);
    if (provider_check_config (provider, NULL, config, arena, &config, err)
        || s_read_only (rules, any_get (config, "readOnlyPaths"), "config.readOnlyPaths", err))
        return -1;
    config = any_set_text (config, "provider", provider->name, arena);
    if (berth_schema_field (provider->config, "reuseLease")
        && any_is_null (any_get (config, "reuseLease")))
        config = any_set_truth (config, "reuseLease", false, arena);
    *ret_normal = config;
    return 0;
}

static int
s_of_driver (const config_rules_t *rules, environment_driver_t driver, berth_bytes_t config,
             arena_t *arena, berth_bytes_t *ret_normal, berth_error_t *err)
{
    switch (driver) {
        case environment_driver_LOCAL:
            *ret_normal = config;
            return 0;
        case environment_driver_SSH:
            return s_ssh (rules, config, arena, ret_normal, err);
        case environment_driver_SANDBOX:
            return s_sandbox (rules, config, arena, ret_normal, err);
        case environment_driver_PLUGIN:
            return s_plugin (config, arena, ret_normal, err);
        case environment_driver_NONE:
        case environment_driver_COUNT:
        default:
            return berth_fail (err, BERTH_INTERNAL, "a driver without a shape");
    }
}

int
registry_config (const config_rules_t *rules, environment_driver_t driver, berth_bytes_t config,
                 arena_t *arena, berth_bytes_t *ret_normal, berth_error_t *err)
{
    berth_error_set (err->driver, sizeof err->driver, "%s",
                     berth_enum_text (&environment_driver_enum, (int) driver));
    config = any_merge (berth_empty_map, config, true, arena);
    if (s_of_driver (rules, driver, config, arena, ret_normal, err))
        return -1;
    //  Defaults and patches add up; a row beyond its own limit could never be read again.
    if (ret_normal->size > berth_schema_field (&environment_schema, "config")->limit)
        return s_wrong (err, "config", "is larger than its limit");
    return 0;
}

int
registry_policy (const config_rules_t *rules, const environment_policy_t *policy, arena_t *arena,
                 berth_error_t *err)
{
    if (!policy)
        return 0;
    wire_t wire = wire_of (policy->max_lease);
    wire_token_t token;
    if (policy->max_lease.size && !s_is_text (policy->max_lease, "none")
        && (wire_next (&wire, &token) || token.type != WIRE_UINT || token.number == 0
            || token.number > MAX_LEASE_MS))
        return s_wrong (err, "policy.maxLeaseMs",
                        "must be a number of ms above 0, at most a year, or \"none\"");
    if (s_env (policy->env, "policy.env", err))
        return -1;
    if (policy->read_only.count == 0)
        return 0;
    berth_bytes_t packed = berth_pack (&environment_policy_schema, policy, arena);
    return s_read_only (rules, any_get (packed, "readOnlyPaths"), "policy.readOnlyPaths", err);
}
