//  bubblewrap.c - owns provider bubblewrap: places behind namespaces on this host.

#include "bubblewrap.h"

#include "codec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

BERTH_ENUM_TABLE (bubblewrap_network, BUBBLEWRAP_NETWORK);
BERTH_SCHEMA (bubblewrap_config, BUBBLEWRAP_CONFIG, SCHEMA_STRICT, "Settings of bubblewrap.");

enum {
    BUBBLEWRAP_MAGIC = 0xb0bb1e,
    MEMORY_MB_MIN = 16,         //  bwrap and init alone need some
    PIDS_MIN = 8,
    PROGRAM_MAX = 4 * 1048576
};

//  ---------------------------------------------------------------------------------------------
//  The program

//  A program names itself and its options in its own bytes; asking it would need a child.
static void
s_look_into (bubblewrap_t *self, const char *data, size_t size)
{
    static const char name [] = "bubblewrap ";
    for (const char *at = data; at < data + size;) {
        const char *found = memmem (at, (size_t) (data + size - at), name, sizeof name - 1);
        if (!found)
            break;
        at = found + sizeof name - 1;
        size_t length = strspn (at, "0123456789.");
        if (length && length < sizeof self->version && at + length < data + size) {
            memcpy (self->version, at, length);
            self->version [length] = 0;
            break;
        }
    }
    self->knows_disable_userns = memmem (data, size, "--disable-userns", 17);
    self->knows_size = memmem (data, size, "--size", 7);
    self->knows_as_pid_1 = memmem (data, size, "--as-pid-1", 11);
}

static void
s_find_program (bubblewrap_t *self)
{
    static const char *const paths [] = { "/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap" };
    for (size_t index = 0; index < BERTH_COUNT (paths) && !self->bwrap; index++) {
        struct stat about;
        int fd = open (paths [index], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (fstat (fd, &about) == 0 && S_ISREG (about.st_mode) && about.st_size > 0
            && about.st_size < PROGRAM_MAX) {
            size_t size = (size_t) about.st_size;
            void *data = mmap (NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
            if (data != MAP_FAILED) {
                s_look_into (self, data, size);
                munmap (data, size);
                self->bwrap = strdup (paths [index]);
                ENSURE (self->bwrap);
            }
        }
        close (fd);
    }
}

static int
s_need_program (const bubblewrap_t *self, berth_error_t *err)
{
    if (self->bwrap && self->knows_as_pid_1)
        return 0;
    if (self->bwrap) {
        berth_error_set (err->remedy, sizeof err->remedy, "install a newer bubblewrap");
        return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                           "this bubblewrap (%s) has no --as-pid-1", self->version);
    }
    berth_error_set (err->remedy, sizeof err->remedy, "apt-get install bubblewrap");
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE, "bubblewrap is not installed");
}

//  Where the build lies need not be open to a place's own user; the state directory is.
static int
s_copy_init (bubblewrap_t *self, const char *from, const char *state, berth_error_t *err)
{
    char beside [4200], block [65536];
    if (asprintf (&self->init, "%s/berth-init", state) < 0)
        ENSURE (false);
    snprintf (beside, sizeof beside, "%s.new", self->init);
    int in = open (from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return berth_fail_errno (err, BERTH_PROVIDER_UNAVAILABLE, "cannot open '%s'", from);
    int out = open (beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0755);
    ssize_t size = -1;
    while (out >= 0 && (size = read (in, block, sizeof block)) > 0)
        if (write (out, block, (size_t) size) != size) {
            size = -1;
            break;
        }
    if (out >= 0 && (fchmod (out, 0755) | close (out)))
        size = -1;
    close (in);
    //  By rename: places that are open keep theirs.
    if (size || rename (beside, self->init))
        return berth_fail_errno (err, BERTH_PROVIDER_UNAVAILABLE, "cannot write '%s'", self->init);
    return 0;
}

//  A state directory that mktemp made is closed to everybody; what is in it stays closed by itself.
static void
s_let_pass (const char *state)
{
    struct stat about;
    if (stat (state, &about) == 0 && about.st_uid == geteuid () && !(about.st_mode & 01))
        (void) chmod (state, (about.st_mode & 07777) | 01);     //  bubblewrap_reach says if not
}

int
bubblewrap_reach (const char *path, berth_error_t *err)
{
    char folder [4200];
    for (const char *slash = path; (slash = strchr (slash + 1, '/'));) {
        struct stat about;
        snprintf (folder, sizeof folder, "%.*s", (int) (slash - path), path);
        if (stat (folder, &about) || (about.st_mode & 01))
            continue;
        berth_error_set (err->remedy, sizeof err->remedy, "chmod o+x '%s', or use another --state",
                         folder);
        return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                           "wall 'own uid': users of places cannot pass through '%s'", folder);
    }
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  Life

static void
s_close (void **self_p)
{
    bubblewrap_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, BUBBLEWRAP_MAGIC);
    places_destroy (&self->owner.places);
    pthread_mutex_destroy (&self->etc_lock);
    free (self->bwrap);
    free (self->init);
    free ((void *) self->filters [0].data);
    free ((void *) self->filters [1].data);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static int
s_count (void *context, const char *provider_lease, berth_bytes_t labels)
{
    (void) provider_lease;
    (void) labels;
    *(bool *) context = true;
    return 1;                       //  One is enough
}

//  A list that cannot be read is not empty.
static bool
s_has_places (const bubblewrap_t *self)
{
    bool found = false;
    berth_error_t err = { 0 };
    return places_list (self->owner.places, s_count, &found, &err) != 0 || found;
}

static int
s_open (void **ret_self, const provider_host_t *host, berth_error_t *err)
{
    bubblewrap_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = BUBBLEWRAP_MAGIC;
    self->owner.magic = PLACES_OWNER_MAGIC;
    pthread_mutex_init (&self->etc_lock, NULL);
    self->own_uids = geteuid () == 0;
    snprintf (self->version, sizeof self->version, "unknown");
    s_find_program (self);
    void *object = self;
    if (places_open (&self->owner.places, host, "bubblewrap", err)
        || s_copy_init (self, host->init_path, places_state (self->owner.places), err)
        || bubblewrap_seccomp (false, &self->filters [0], err)
        || bubblewrap_seccomp (true, &self->filters [1], err)) {
        s_close (&object);
        return -1;
    }
    if (self->own_uids)
        s_let_pass (places_state (self->owner.places));
    if (!s_has_places (self))
        bubblewrap_etc_sweep (places_state (self->owner.places));
    *ret_self = self;
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  Config

static int
s_bad (berth_error_t *err, const char *field, const char *text)
{
    if (err)
        berth_error_set (err->field, sizeof err->field, "%s", field);
    return berth_fail (err, BERTH_INVALID, "%s %s", field, text);
}

static int
s_check_read_only (berth_blobs_t paths, arena_t *arena, berth_error_t *err)
{
    static const char *const own [] = {
        "/proc", "/dev", "/etc", "/run/berth", BUBBLEWRAP_WORKSPACE, BUBBLEWRAP_HOME
    };
    for (size_t index = 0; index < paths.count; index++) {
        const char *field = arena_printf (arena, "config.readOnlyPaths[%zu]", index);
        const char *path = places_path (paths.items [index], arena, field, err);
        if (!path)
            return -1;
        if (strstr (path, "/../") || strcmp (path, "/") == 0
            || (strlen (path) >= 3 && strcmp (path + strlen (path) - 3, "/..") == 0))
            return s_bad (err, field, "is not a path below the root");
        if (strcmp (path, "/tmp") == 0)
            return s_bad (err, field, "is a folder that the place has of its own");
        for (size_t place = 0; place < BERTH_COUNT (own); place++) {
            size_t size = strlen (own [place]);
            if (strncmp (path, own [place], size) == 0 && (path [size] == '/' || !path [size]))
                return s_bad (err, field, "lies in a folder that the place has of its own");
        }
    }
    return 0;
}

static int
s_check (const bubblewrap_config_t *config, arena_t *arena, berth_error_t *err)
{
    if (berth_has (bubblewrap_config, config, memory_mb) && config->memory_mb < MEMORY_MB_MIN)
        return s_bad (err, "config.memoryMb", "must be at least 16");
    if (berth_has (bubblewrap_config, config, pids) && config->pids < PIDS_MIN)
        return s_bad (err, "config.pids", "must be at least 8");
    if (s_check_read_only (config->read_only, arena, err))
        return -1;
    return places_check_env (config->env, "config.env", err);
}

#define S_LIMIT(config, policy, member, wall)                                                      \
    do {                                                                                           \
        if (!berth_has (bubblewrap_config, config, member)                                         \
            && berth_has (environment_limits, policy, wall))                                       \
            berth_put (bubblewrap_config, config, member, (policy)->wall);                         \
    } while (0)

int
bubblewrap_read (berth_bytes_t config, const environment_policy_t *policy, arena_t *arena,
                 bubblewrap_config_t *ret_config, berth_error_t *err)
{
    berth_bytes_t own = any_set (config, "provider", (berth_bytes_t) { NULL, 0 }, arena);
    bubblewrap_config_t read = { 0 };
    if (berth_unpack_field ("config", &bubblewrap_config_schema, own, arena, &read, err))
        return -1;
    if (s_check (&read, arena, err))
        return -1;
    if (policy && policy->limits) {
        S_LIMIT (&read, policy->limits, memory_mb, memory_mb);
        S_LIMIT (&read, policy->limits, pids, pids);
        S_LIMIT (&read, policy->limits, cpu_seconds, cpu_seconds);
        S_LIMIT (&read, policy->limits, file_mb, file_mb);
        S_LIMIT (&read, policy->limits, disk_mb, disk_mb);
    }
    //  Defaults are not marked as values: they were not asked for.
    if (!berth_has (bubblewrap_config, &read, memory_mb))
        read.memory_mb = BUBBLEWRAP_MEMORY_MB;
    if (!berth_has (bubblewrap_config, &read, pids))
        read.pids = BUBBLEWRAP_PIDS;
    *ret_config = read;
    return 0;
}

static int
s_validate (void *object, berth_bytes_t config, arena_t *arena, berth_bytes_t *ret_normal,
            berth_error_t *err)
{
    bubblewrap_config_t read;
    (void) object;
    if (bubblewrap_read (config, NULL, arena, &read, err))
        return -1;
    *ret_normal = config;
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  Verbs

//  What acquire and resume have in common; `resumed`: the place that is taken up.
static int
s_enter (bubblewrap_t *self, const place_open_t *ask, const char *resumed, int64_t deadline_ms,
         arena_t *arena, place_opened_t *ret_place, berth_error_t *err)
{
    bubblewrap_config_t config;
    if (s_need_program (self, err) || bubblewrap_read (ask->config, ask->policy, arena, &config, err))
        return -1;
    bubblewrap_plan_t plan = { self, &config };
    places_how_t how = {
        .own_uids = self->own_uids, .plan = bubblewrap_plan, .context = &plan,
        .disk_mb = berth_has (bubblewrap_config, &config, disk_mb) ? config.disk_mb : 0
    };
    return resumed
        ? places_resume (self->owner.places, ask, &how, resumed, deadline_ms, arena, ret_place, err)
        : places_acquire (self->owner.places, ask, &how, deadline_ms, arena, ret_place, err);
}

int
bubblewrap_acquire (void *object, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
                    place_opened_t *ret_place, berth_error_t *err)
{
    bubblewrap_t *self = object;
    CHECK (self, BUBBLEWRAP_MAGIC);
    return s_enter (self, ask, NULL, deadline_ms, arena, ret_place, err);
}

static int
s_resume (void *object, const place_open_t *ask, const char *provider_lease, int64_t deadline_ms,
          arena_t *arena, place_opened_t *ret_place, berth_error_t *err)
{
    bubblewrap_t *self = object;
    CHECK (self, BUBBLEWRAP_MAGIC);
    return s_enter (self, ask, provider_lease, deadline_ms, arena, ret_place, err);
}

static int
s_realize (void *object, const place_realize_t *ask, provider_progress_fn *progress,
           void *context, int64_t deadline_ms, arena_t *arena, place_realized_t *ret_realized,
           berth_error_t *err)
{
    bubblewrap_t *self = object;
    CHECK (self, BUBBLEWRAP_MAGIC);
    return places_realize (self->owner.places, ask, BUBBLEWRAP_WORKSPACE, progress, context, deadline_ms,
                           arena, ret_realized, err);
}

const provider_t provider_bubblewrap = {
    .name = "bubblewrap",
    .title = "Bubblewrap",
    .doc = "Places behind namespaces, a system call filter and limits, on this host.",
    .config = &bubblewrap_config_schema,
    .can = PLACES_CAN | PROVIDER_CAN_LIMITS | PROVIDER_CAN_NETWORK | PROVIDER_CAN_WALLS
         | PROVIDER_CAN_REUSE,
    .concurrency = 16,
    .exclusive = true,
    .open = s_open,
    .close = s_close,
    .validate = s_validate,
    .probe = bubblewrap_probe,
    .acquire = bubblewrap_acquire,
    .resume = s_resume,
    .release = places_verb_close,
    .destroy = places_verb_close,
    .prepare = places_verb_prepare,
    .realize = s_realize,
    .give_back = places_verb_give_back,
    .list = places_verb_list
};
