//  local.c - owns provider local: this host without walls, for those who want none.
//
//  Still a clean environment, a group of its own for each exec, and an end to all of it when the
//  lease ends. Files are used where they are: nothing is copied, nothing comes home. A lease is
//  active with its first write; a place is opened when the first exec needs one.

#include "places.h"

#include "codec.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

//  Paperclip: any object, passed through.
#define LOCAL_CONFIG(F, T)
BERTH_MESSAGE (local_config, LOCAL_CONFIG);
BERTH_SCHEMA (local_config, LOCAL_CONFIG, 0, "Settings of driver local: anything, kept as it is.");

enum { LOCAL_MAGIC = 0x10ca1 };

typedef struct {
    places_owner_t owner;
    unsigned magic;
    char *init;
    bool as_root;
} local_t;

static int
s_open (void **ret_self, const provider_host_t *host, berth_error_t *err)
{
    places_t *places;
    if (places_open (&places, host, "local", err))
        return -1;
    local_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = LOCAL_MAGIC;
    self->owner = (places_owner_t) { PLACES_OWNER_MAGIC, places };
    self->init = strdup (host->init_path);
    ENSURE (self->init);
    self->as_root = host->local_as_root;
    *ret_self = self;
    return 0;
}

static void
s_close (void **self_p)
{
    local_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, LOCAL_MAGIC);
    places_destroy (&self->owner.places);
    free (self->init);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static int
s_validate (void *object, berth_bytes_t config, arena_t *arena, berth_bytes_t *ret_normal,
            berth_error_t *err)
{
    (void) object;
    (void) arena;
    (void) err;
    *ret_normal = config;
    return 0;
}

static int
s_probe (void *object, const place_probe_t *ask, int64_t deadline_ms, arena_t *arena,
         probe_result_t *ret_result, berth_error_t *err)
{
    local_t *self = object;
    CHECK (self, LOCAL_MAGIC);
    (void) deadline_ms;
    (void) err;
    char host [256] = "", cwd [4096] = "/";
    (void) gethostname (host, sizeof host - 1);
    if (!getcwd (cwd, sizeof cwd))
        snprintf (cwd, sizeof cwd, "/");
    bool root = geteuid () == 0;
    berth_bytes_t details = any_set_text (berth_empty_map, "hostname", host, arena);
    details = any_set_text (details, "cwd", cwd, arena);
    details = any_set_number (details, "uid", geteuid (), arena);
    details = any_set_truth (details, "walls", false, arena);
    probe_result_t result = {
        .driver = ask->driver,
        .summary = root && !self->as_root
            ? "Driver local does not run as root here."
            : arena_printf (arena, "Work runs on %s itself, without walls.", host),
        .details = details
    };
    berth_put (probe_result, &result, ok, !root || self->as_root);
    berth_put (probe_result, &result, details, details);
    *ret_result = result;
    return 0;
}

//  The folder that was asked for, else Paperclip's last resort.
static const char *
s_cwd (const place_open_t *ask, arena_t *arena, berth_error_t *err)
{
    if (!ask->cwd.size)
        return "/";
    const char *path = places_path (ask->cwd, arena, "requestedCwd", err);
    if (!path || access (path, X_OK) == 0)
        return path;
    berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot work in '%s'", path);
    return NULL;
}

static int
s_plan (void *context, const place_open_t *ask, const place_t *place, arena_t *arena,
        places_plan_t *plan, berth_error_t *err)
{
    local_t *self = context;
    (void) place;
    const char *cwd = s_cwd (ask, arena, err);
    if (!cwd)
        return -1;
    char room [1024];
    struct passwd entry, *user = NULL;
    (void) getpwuid_r (geteuid (), &entry, room, sizeof room, &user);
    words_t argv = { .arena = arena }, env = { .arena = arena };
    words_all (&argv, self->init, "{INIT_FD}", NULL);
    words_all (&env, "PATH=/usr/bin:/bin", NULL);
    shim_open_t *open = &plan->open;
    open->argv = words_blobs (&argv);
    open->env = words_blobs (&env);
    open->exec_env = places_env (user ? user->pw_dir : "/",
                                 ask->policy ? ask->policy->env : berth_empty_map,
                                 berth_empty_map, arena);
    open->cwd = words_bytes (cwd);
    berth_put (shim_open, open, pid_namespace, false);
    plan->metadata = any_set (berth_empty_map, "walls", berth_empty_map, arena);
    //  Where its workspace is, is said by realize: null takes the word away.
    if (!ask->cwd.size)
        plan->metadata = any_set (plan->metadata, "remoteCwd", words_bytes ("\xc0"), arena);
    return 0;
}

static int
s_acquire (void *object, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
           place_opened_t *ret_place, berth_error_t *err)
{
    local_t *self = object;
    CHECK (self, LOCAL_MAGIC);
    if (geteuid () == 0 && !self->as_root) {
        if (err)
            berth_error_set (err->remedy, sizeof err->remedy,
                             "run berthd as a user or with --local-root (localAsRoot in its "
                             "configuration), or use provider bubblewrap");
        return berth_fail (err, BERTH_FORBIDDEN, "driver local does not run as root here");
    }
    places_how_t how = { .plan = s_plan, .context = self };
    return places_acquire (self->owner.places, ask, &how, deadline_ms, arena, ret_place, err);
}

//  Paperclip: the returned cwd is the local path.
static int
s_realize (void *object, const place_realize_t *ask, provider_progress_fn *progress,
           void *context, int64_t deadline_ms, arena_t *arena, place_realized_t *ret_realized,
           berth_error_t *err)
{
    local_t *self = object;
    CHECK (self, LOCAL_MAGIC);
    (void) progress;
    (void) context;
    (void) deadline_ms;
    const char *source = places_path (ask->source, arena, "source", err);
    if (!source)
        return -1;
    if (access (source, R_OK | X_OK))
        return berth_fail_errno (err, BERTH_NOT_FOUND, "cannot work in '%s'", source);
    place_realized_t realized = { .cwd = ask->source };
    berth_put (place_realized, &realized, files, 0);
    berth_put (place_realized, &realized, bytes, 0);
    berth_put (place_realized, &realized, refused, 0);
    berth_put (place_realized, &realized, ms, 0);
    *ret_realized = realized;
    return 0;
}

//  What was changed there is home already.
static int
s_give_back (void *object, const place_return_t *ask, provider_progress_fn *progress,
             void *context, int64_t deadline_ms, arena_t *arena,
             workspace_returned_t *ret_returned, berth_error_t *err)
{
    local_t *self = object;
    CHECK (self, LOCAL_MAGIC);
    (void) progress;
    (void) context;
    (void) deadline_ms;
    (void) arena;
    (void) err;
    workspace_returned_t returned = { .lease = ask->lease, .target = ask->target };
    berth_put (workspace_returned, &returned, cut, false);
    *ret_returned = returned;
    return 0;
}

const provider_t provider_local = {
    .name = "local",
    .title = "Local",
    .doc = "This host itself, without walls.",
    .config = &local_config_schema,
    .can = PLACES_CAN,
    .concurrency = 16,
    .opens_nothing = true,
    .open = s_open,
    .close = s_close,
    .validate = s_validate,
    .probe = s_probe,
    .acquire = s_acquire,
    .resume = places_verb_resume,
    .release = places_verb_close,
    .destroy = places_verb_close,
    .prepare = places_verb_prepare,
    .realize = s_realize,
    .give_back = s_give_back,
    .list = places_verb_list
};
