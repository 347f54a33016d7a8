//  fake.c - owns provider fake: Paperclip's built-in fake, exactly. It opens nothing and runs
//  nothing; its rules are what clients are tested against.

#include "provider.h"

#include "codec.h"
#include "ids.h"

#include <stdio.h>
#include <string.h>

#define FAKE_CONFIG(F, T) \
    F (T, STR,   image,     "image",     OPTIONAL | POSITIVE, 512, "Named in answers (ubuntu:24.04).") \
    F (T, BOOL,  reuse,     "reuseLease", OPTIONAL, 0, "One place for all leases of an environment (false).")
BERTH_MESSAGE (fake_config, FAKE_CONFIG);
BERTH_SCHEMA (fake_config, FAKE_CONFIG, SCHEMA_STRICT, "Settings of the fake.");

static int s_nothing;               //  The object of a provider without state

static int
s_open (void **ret_self, const provider_host_t *host, berth_error_t *err)
{
    (void) host;
    (void) err;
    *ret_self = &s_nothing;
    return 0;
}

static void
s_close (void **self_p)
{
    *self_p = NULL;
}

static int
s_read (berth_bytes_t config, arena_t *arena, fake_config_t *ret_config, berth_error_t *err)
{
    const char *provider = any_text (config, "provider", arena);
    if (provider && strcmp (provider, "fake"))
        return berth_fail (err, BERTH_INTERNAL, "Sandbox provider \"fake\" received config for "
                           "provider \"%.64s\".", provider);
    berth_bytes_t own = any_set (config, "provider", (berth_bytes_t) { NULL, 0 }, arena);
    fake_config_t read = { 0 };
    if (berth_unpack (&fake_config_schema, own, arena, &read, err))
        return -1;
    if (!read.image)
        read.image = "ubuntu:24.04";
    *ret_config = read;
    return 0;
}

static berth_bytes_t
s_details (const fake_config_t *config, arena_t *arena)
{
    berth_bytes_t map = any_set_text (berth_empty_map, "provider", "fake", arena);
    map = any_set_text (map, "image", config->image, arena);
    return any_set_truth (map, "reuseLease", config->reuse, arena);
}

static int
s_validate (void *self, berth_bytes_t config, arena_t *arena, berth_bytes_t *ret_normal,
            berth_error_t *err)
{
    (void) self;
    fake_config_t read;
    if (s_read (config, arena, &read, err))
        return -1;
    *ret_normal = s_details (&read, arena);
    return 0;
}

static int
s_probe (void *self, const place_probe_t *ask, int64_t deadline_ms, arena_t *arena,
         probe_result_t *ret_result, berth_error_t *err)
{
    (void) self;
    (void) deadline_ms;
    fake_config_t read;
    if (s_read (ask->config, arena, &read, err))
        return -1;
    probe_result_t result = {
        .driver = "sandbox",
        .summary = arena_printf (arena, "Fake sandbox provider is ready for image %s.", read.image)
    };
    berth_put (probe_result, &result, ok, true);
    berth_put (probe_result, &result, details, s_details (&read, arena));
    *ret_result = result;
    return 0;
}

static int
s_acquire (void *self, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
           place_opened_t *ret_place, berth_error_t *err)
{
    (void) self;
    (void) deadline_ms;
    fake_config_t read;
    if (s_read (ask->config, arena, &read, err))
        return -1;
    //  The lease's id is the uuid of Paperclip's form: asked twice, it is the same place.
    const char *run = ask->run ? ask->run : ask->lease;
    place_opened_t opened = {
        .provider_lease = read.reuse
            ? arena_printf (arena, "sandbox://fake/%s", ask->env)
            : arena_printf (arena, "sandbox://fake/%s/%s", run, ask->lease)
    };
    berth_put (place_opened, &opened, metadata, s_details (&read, arena));
    *ret_place = opened;
    return 0;
}

static int
s_resume (void *self, const place_open_t *ask, const char *provider_lease, int64_t deadline_ms,
          arena_t *arena, place_opened_t *ret_place, berth_error_t *err)
{
    (void) self;
    (void) deadline_ms;
    fake_config_t read;
    if (s_read (ask->config, arena, &read, err))
        return -1;
    place_opened_t opened = { .provider_lease = arena_string (arena, provider_lease) };
    berth_put (place_opened, &opened, metadata,
               any_set_truth (s_details (&read, arena), "resumedLease", true, arena));
    *ret_place = opened;
    return 0;
}

static int
s_release (void *self, const place_close_t *ask, int64_t deadline_ms, berth_error_t *err)
{
    (void) self;
    (void) ask;
    (void) deadline_ms;
    (void) err;
    return 0;
}

static bool
s_reuse_match (berth_bytes_t config, const lease_t *lease, const char **ret_reason)
{
    own (arena) arena = arena_new ();
    fake_config_t read;
    const char *reason = NULL;
    const char *provider = any_text (lease->metadata, "provider", arena);
    const char *image = any_text (lease->metadata, "image", arena);
    if (s_read (config, arena, &read, NULL))
        reason = "the config is not the fake's";
    else if (!lease->provider_lease || !*lease->provider_lease)
        reason = "the lease has no place";
    else if (!provider || strcmp (provider, "fake"))
        reason = "the lease is another provider's";
    else if (!any_truth (lease->metadata, "reuseLease", false))
        reason = "the lease was not made to be reused";
    else if (!image || strcmp (image, read.image))
        reason = "the image is another";
    if (ret_reason)
        *ret_reason = reason;
    return !reason;
}

static int
s_config_from_lease (const lease_t *lease, arena_t *arena, berth_bytes_t *ret_config,
                     berth_error_t *err)
{
    const char *provider = any_text (lease->metadata, "provider", arena);
    const char *image = any_text (lease->metadata, "image", arena);
    if (!provider || strcmp (provider, "fake") || !image)
        return berth_fail (err, BERTH_NOT_FOUND, "the lease's metadata holds no config of the fake");
    fake_config_t config = { .image = image };
    config.reuse = any_truth (lease->metadata, "reuseLease", false);
    *ret_config = s_details (&config, arena);
    return 0;
}

//  No execute: the proxy refuses it. That it cannot be saved is the registry's rule.
const provider_t provider_fake = {
    .name = "fake",
    .title = "Fake",
    .doc = "Answers like a sandbox and opens nothing: for probes and tests.",
    .config = &fake_config_schema,
    .can = PROVIDER_CAN_RESUME | PROVIDER_CAN_REUSE,
    .concurrency = 16,
    .for_tests = true,
    .opens_nothing = true,
    .open = s_open,
    .close = s_close,
    .validate = s_validate,
    .probe = s_probe,
    .acquire = s_acquire,
    .resume = s_resume,
    .release = s_release,
    .destroy = s_release,
    .reuse_match = s_reuse_match,
    .config_from_lease = s_config_from_lease
};
