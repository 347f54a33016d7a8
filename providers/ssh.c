//  ssh.c - owns provider ssh: places on any machine with sshd, each a folder of its own there.
//
//  Here a place is a folder as that of any other provider, and its shim a relay (tools/relay.h),
//  which has the connection. What was opened there is closed there before the folder here goes.

#include "ssh.h"

#include "clock.h"
#include "codec.h"
#include "spawner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MARGIN_MS = 250,                //  For an answer to come before the deadline
    CONFIG_MAX = 65536
};

static char *
s_find (const char *name)
{
    char path [4096];
    berth_error_t ignored = { 0 };      //  Whoever needs it is told
    return spawner_find_program (name, path, sizeof path, &ignored) ? NULL : strdup (path);
}

static char *
s_client (void)
{
    return access ("/usr/bin/ssh", X_OK) == 0 ? strdup ("/usr/bin/ssh") : s_find ("ssh");
}

static int
s_open (void **ret_self, const provider_host_t *host, berth_error_t *err)
{
    places_t *places;
    if (places_open (&places, host, "ssh", err))
        return -1;
    ssh_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = SSH_MAGIC;
    self->owner = (places_owner_t) { PLACES_OWNER_MAGIC, places };
    self->runtime = strdup (host->runtime);
    self->client = s_client ();
    self->program = s_find ("berth-shim-static");
    self->shim = s_find ("berth-shim");
    self->init = strdup (host->init_path);
    ENSURE (self->runtime && self->init);
    *ret_self = self;
    return 0;
}

static void
s_close (void **self_p)
{
    ssh_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, SSH_MAGIC);
    places_destroy (&self->owner.places);
    free (self->runtime);
    free (self->client);
    free (self->program);
    free (self->shim);
    free (self->init);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static int
s_ready (const ssh_t *self, berth_error_t *err)
{
    if (self->client && self->program)
        return 0;
    berth_error_set (err->remedy, sizeof err->remedy, "%s", self->client
                     ? "install berth-shim-static beside berth-shim" : "install openssh-client");
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE, "driver ssh needs the program '%s'",
                       self->client ? "berth-shim-static" : "ssh");
}

//  ---- what is needed to close without being told where

static const char *
s_config_path (const place_t *place, arena_t *arena)
{
    return arena_printf (arena, "%s/config.msgpack", place->folder);
}

//  Without its key, which is never on a disk for longer than ssh reads it.
static void
s_keep_config (const place_t *place, berth_bytes_t config, arena_t *arena)
{
    berth_bytes_t none = { NULL, 0 }, kept = any_set (config, "privateKey", none, arena);
    int file = open (s_config_path (place, arena), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                     0600);
    if (file < 0)
        return;                                 //  Then it must be told
    (void) !write (file, kept.data, kept.size);
    close (file);
}

static berth_bytes_t
s_kept_config (const place_t *place, arena_t *arena)
{
    uint8_t *data = arena_take (arena, CONFIG_MAX);
    int file = open (s_config_path (place, arena), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = file < 0 ? -1 : read (file, data, CONFIG_MAX);
    if (file >= 0)
        close (file);
    return got > 0 ? (berth_bytes_t) { data, (size_t) got } : berth_empty_map;
}

//  ---- opening

berth_blobs_t
ssh_policy_env (const place_open_t *ask, arena_t *arena)
{
    words_t env = { .arena = arena };
    berth_bytes_t policy = ask->policy ? ask->policy->env : berth_empty_map, name, value;
    for (size_t at = 0; any_each (policy, &at, &name, &value);) {
        const char *key = arena_text (arena, (const char *) name.data, name.size);
        const char *text = any_text (policy, key, arena);
        if (text)
            words_set (&env, key, name.size, text);
    }
    return words_blobs (&env);
}

berth_bytes_t
ssh_metadata (const ssh_config_t *config, uint64_t port, arena_t *arena)
{
    berth_bytes_t map = any_set_text (berth_empty_map, "host", config->host, arena);
    map = any_set_number (map, "port", port, arena);
    map = any_set_text (map, "username", config->username, arena);
    return any_set_text (map, "remoteWorkspacePath", config->path, arena);
}

typedef struct {
    ssh_t *ssh;
    int64_t deadline_ms;
} plan_t;

static int
s_plan (void *context, const place_open_t *ask, const place_t *place, arena_t *arena,
        places_plan_t *plan, berth_error_t *err)
{
    plan_t *self = context;
    ssh_config_t config;
    uint64_t port;
    shim_relay_t *relay = arena_new_of (arena, shim_relay_t);
    if (s_ready (self->ssh, err) || ssh_read (ask->config, arena, &config, &port, err)
        || ssh_plan (self->ssh, &config, port, place, arena, relay, err))
        return -1;
    int64_t left = self->deadline_ms - berth_mono_ms () - MARGIN_MS;
    berth_put (shim_relay, relay, connect_ms, (uint64_t) (left > 1 ? left : 1));
    shim_open_t *open = &plan->open;
    words_t none = { .arena = arena };
    open->argv = words_blobs (&none);
    open->env = words_blobs (&none);
    open->exec_env = ssh_policy_env (ask, arena);
    open->cwd = words_bytes (config.path);
    berth_put (shim_open, open, pid_namespace, false);
    berth_put (shim_open, open, relay, relay);
    s_keep_config (place, ask->config, arena);
    //  Where its folder is, is told by the machine itself
    plan->metadata = ssh_metadata (&config, port, arena);
    return 0;
}

static places_how_t
s_how (plan_t *plan)
{
    return (places_how_t) { .plan = s_plan, .context = plan };
}

int
ssh_acquire (ssh_t *self, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
             place_opened_t *ret_place, berth_error_t *err)
{
    plan_t plan = { self, deadline_ms };
    places_how_t how = s_how (&plan);
    berth_error_t why = { 0 };
    if (places_acquire (self->owner.places, ask, &how, deadline_ms, arena, ret_place, &why) == 0)
        return 0;
    if (why.code == BERTH_UNSUPPORTED && self->shim)
        return ssh_plain_acquire (self, ask, &why, deadline_ms, arena, ret_place, err);
    if (err)
        *err = why;
    return -1;
}

static int
s_acquire (void *object, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
           place_opened_t *ret_place, berth_error_t *err)
{
    ssh_t *self = object;
    CHECK (self, SSH_MAGIC);
    return ssh_acquire (self, ask, deadline_ms, arena, ret_place, err);
}

static int
s_resume (void *object, const place_open_t *ask, const char *provider_lease, int64_t deadline_ms,
          arena_t *arena, place_opened_t *ret_place, berth_error_t *err)
{
    ssh_t *self = object;
    CHECK (self, SSH_MAGIC);
    plan_t plan = { self, deadline_ms };
    places_how_t how = s_how (&plan);
    return places_resume (self->owner.places, ask, &how, provider_lease, deadline_ms, arena,
                          ret_place, err);
}

//  ---- closing

//  Has a relay go there for a place that has none: to end it, or to get at its files.
static int
s_go_there (ssh_t *self, const place_t *place, berth_bytes_t given, bool end, bool keep,
            int64_t deadline_ms, arena_t *arena, berth_error_t *err)
{
    ssh_config_t config;
    uint64_t port;
    shim_relay_t relay;
    shim_opened_t opened = { 0 };
    bool told = any_get (given, "host").size > 0;
    if (s_ready (self, err)
        || ssh_read (told ? given : s_kept_config (place, arena), arena, &config, &port, err)
        || ssh_plan (self, &config, port, place, arena, &relay, err))
        return -1;
    int64_t left = deadline_ms - berth_mono_ms () - MARGIN_MS;
    berth_put (shim_relay, &relay, connect_ms, (uint64_t) (left > 1 ? left : 1));
    berth_put (shim_relay, &relay, end, end);
    berth_put (shim_relay, &relay, keep, keep);
    words_t none = { .arena = arena };
    shim_open_t open = {
        .place = place->id, .folder = words_bytes (place->folder),
        .socket = words_bytes (place->socket), .argv = words_blobs (&none),
        .env = words_blobs (&none), .exec_env = words_blobs (&none), .cwd = words_bytes (config.path)
    };
    berth_put (shim_open, &open, v, SHIM_VERSION);
    berth_put (shim_open, &open, generation, place->record.generation);
    berth_put (shim_open, &open, pid_namespace, false);
    berth_put (shim_open, &open, relay, &relay);
    return places_shim (self->owner.places, &open, deadline_ms, arena, &opened, err);
}

int
ssh_wake (ssh_t *self, const place_t *place, berth_bytes_t config, bool *ret_woken,
          int64_t deadline_ms, arena_t *arena, berth_error_t *err)
{
    *ret_woken = false;
    if (!place->record.closed && places_alive (place, deadline_ms))
        return 0;
    if (s_go_there (self, place, config, false, false, deadline_ms, arena, err))
        return -1;
    *ret_woken = true;
    return 0;
}

int
ssh_sleep (ssh_t *self, const place_t *place, berth_bytes_t config, int64_t deadline_ms,
           arena_t *arena, berth_error_t *err)
{
    return places_end (self->owner.places, place, deadline_ms, err)
        || s_go_there (self, place, config, true, true, deadline_ms, arena, err) ? -1 : 0;
}

static int
s_release (ssh_t *self, const place_close_t *ask, const char *id, int64_t deadline_ms,
           arena_t *arena, berth_error_t *err)
{
    place_t place;
    berth_error_t missing = { 0 };
    bool torn = places_find (self->owner.places, id, arena, &place, &missing) != 0;
    if (torn && missing.code == BERTH_NOT_FOUND)
        return 0;
    if (torn)
        places_at (self->owner.places, id, arena, &place);
    bool plain = !torn && ssh_is_plain (&place, arena);
    if (plain && !ask->keep_files && !place.record.closed
        && ssh_plain_remove (&place, deadline_ms, arena, err))
        return -1;
    //  A third of the time for the relay: it may hang, as a connection may.
    int64_t now = berth_mono_ms (), soon = now + (deadline_ms > now ? (deadline_ms - now) / 3 : 0);
    berth_error_t why = { 0 };
    if (ask->grace_ms
        ? places_drain (self->owner.places, &place, (int64_t) ask->grace_ms, soon, &why)
        : places_end (self->owner.places, &place, soon, &why)) {
        if (err)
            *err = why;
        return -1;
    }
    if (plain)                                  //  Its master ended with it
        (void) unlink (ssh_control (self, &place, arena));
    if (!plain && s_go_there (self, &place, ask->config, true, ask->keep_files, deadline_ms, arena, err))
        return -1;
    if (!ask->keep_files)
        return places_remove (self->owner.places, &place, err);
    if (torn)
        return 0;
    berth_put (place_record, &place.record, closed, true);
    return places_keep (self->owner.places, &place, arena, err);
}

int
ssh_release (void *object, const place_close_t *ask, int64_t deadline_ms, berth_error_t *err)
{
    ssh_t *self = object;
    CHECK (self, SSH_MAGIC);
    const char *id = places_id (ask->provider_lease, ask->lease);
    if (places_claim (self->owner.places, id, deadline_ms, err))
        return -1;
    own (arena) arena = arena_new ();
    int rc = s_release (self, ask, id, deadline_ms, arena, err);
    places_yield (self->owner.places, id);
    return rc;
}

const provider_t provider_ssh = {
    .name = "ssh",
    .title = "SSH",
    .doc = "Another machine, through the OpenSSH client of this one.",
    .config = &ssh_config_schema,
    .can = PLACES_CAN,
    .concurrency = 32,
    .open = s_open,
    .close = s_close,
    .validate = ssh_validate,
    .probe = ssh_probe,
    .acquire = s_acquire,
    .resume = s_resume,
    .release = ssh_release,
    .destroy = ssh_release,
    .realize = ssh_realize,
    .give_back = ssh_give_back,
    .list = places_verb_list
};
