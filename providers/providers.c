//  providers.c - owns the list of providers, and how a config finds and passes its own.

#include "provider.h"

#include "codec.h"

#include <stdio.h>
#include <string.h>

extern const provider_t provider_local, provider_ssh, provider_bubblewrap, provider_fake,
    provider_fault;

static const provider_t *const s_list [] = {
    &provider_local, &provider_ssh, &provider_bubblewrap, &provider_fake, &provider_fault
};

static provider_t s_faults [PROVIDERS_FAULTS_MAX];
static char s_fault_names [PROVIDERS_FAULTS_MAX][32];
static size_t s_faults_count;

void
providers_add_faults (size_t count)
{
    ENSURE (count <= PROVIDERS_FAULTS_MAX);
    for (; s_faults_count < count; s_faults_count++) {
        char *name = s_fault_names [s_faults_count];
        snprintf (name, sizeof s_fault_names [0], "fault-%zu", s_faults_count + 1);
        s_faults [s_faults_count] = provider_fault;
        s_faults [s_faults_count].name = name;
    }
}

const provider_t *
provider_at (size_t index)
{
    if (index < BERTH_COUNT (s_list))
        return s_list [index];
    index -= BERTH_COUNT (s_list);
    return index < s_faults_count ? &s_faults [index] : NULL;
}

const provider_t *
provider_by_name (const char *name)
{
    const provider_t *provider;
    for (size_t index = 0; (provider = provider_at (index)); index++)
        if (strcmp (provider->name, name) == 0)
            return provider;
    return NULL;
}

//  Paperclip's form of a provider key: ^[a-z0-9][a-z0-9._-]*$
static bool
s_is_key (const char *text)
{
    if (!text || !*text || strchr ("._-", *text))
        return false;
    return text [strspn (text, "abcdefghijklmnopqrstuvwxyz0123456789._-")] == 0;
}

static int
s_of_sandbox (berth_bytes_t config, arena_t *arena, const provider_t **ret_provider,
              berth_error_t *err)
{
    const char *name = "fake";
    if (any_get (config, "provider").size) {
        name = any_text (config, "provider", arena);
        if (!s_is_key (name)) {
            if (err)
                berth_error_set (err->field, sizeof err->field, "config.provider");
            return berth_fail (err, BERTH_INVALID, "config.provider is no key of a provider");
        }
    }
    //  The host without walls, and other machines, are drivers of their own, with rules of their own.
    bool driver = strcmp (name, "local") == 0 || strcmp (name, "ssh") == 0;
    const provider_t *provider = driver ? NULL : provider_by_name (name);
    if (!provider) {
        if (err)
            berth_error_set (err->provider, sizeof err->provider, "%s", name);
        return berth_fail (err, BERTH_UNSUPPORTED_ENVIRONMENT,
                           "Sandbox provider \"%.64s\" is not registered as a built-in provider.",
                           name);
    }
    *ret_provider = provider;
    return 0;
}

int
provider_of (environment_driver_t driver, berth_bytes_t config, arena_t *arena,
             const provider_t **ret_provider, berth_error_t *err)
{
    switch (driver) {
        case environment_driver_LOCAL:
            *ret_provider = &provider_local;
            return 0;
        case environment_driver_SANDBOX:
            return s_of_sandbox (config, arena, ret_provider, err);
        case environment_driver_SSH:
            *ret_provider = &provider_ssh;
            return 0;
        case environment_driver_PLUGIN:
        case environment_driver_NONE:
        case environment_driver_COUNT:
            break;
    }
    const char *name = berth_enum_text (&environment_driver_enum, (int) driver);
    if (err)
        berth_error_set (err->driver, sizeof err->driver, "%s", name);
    return berth_fail (err, BERTH_UNSUPPORTED_ENVIRONMENT,
                       "this service has no provider for driver \"%s\"", name);
}

int
provider_check_config (const provider_t *provider, void *self, berth_bytes_t config,
                       arena_t *arena, berth_bytes_t *ret_normal, berth_error_t *err)
{
    berth_bytes_t key = any_get (config, "provider");
    berth_bytes_t own = any_set (config, "provider", (berth_bytes_t) { NULL, 0 }, arena);
    void *shape = arena_take (arena, provider->config->size);
    if (berth_unpack_field ("config", provider->config, own, arena, shape, err))
        return -1;
    berth_bytes_t normal = own;
    if (provider->validate && provider->validate (self, own, arena, &normal, err))
        return -1;
    *ret_normal = key.size ? any_set (normal, "provider", key, arena) : normal;
    return 0;
}
