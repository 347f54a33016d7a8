//  bubblewrap_plan.c - owns the walls: what bwrap is told to build around a place.

#include "bubblewrap.h"

#include "clock.h"
#include "codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ETC_HOLDS_MS = 2000 };

//  ---------------------------------------------------------------------------------------------
//  The parts

static int
s_namespaces (words_t *args, const bubblewrap_t *self, const bubblewrap_config_t *config,
              berth_error_t *err)
{
    words_all (args, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
            "--unshare-cgroup", "--uid", "1000", "--gid", "1000", "--hostname", "berth",
            "--new-session", "--as-pid-1", NULL);
    //  Root's shims bring one along, made in advance: it costs as much as all the others together.
    if (config->network != bubblewrap_network_HOST && !self->own_uids)
        words_add (args, "--unshare-net");
    if (config->nested)
        return 0;
    if (!self->knows_disable_userns) {
        berth_error_set (err->remedy, sizeof err->remedy,
                         "install bubblewrap 0.8.0 or newer, or set nestedNamespaces to true");
        return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                           "wall 'no namespaces inside': this bubblewrap (%s) has no "
                           "--disable-userns", self->version);
    }
    words_add (args, "--disable-userns");
    return 0;
}

//  The host's system folders: as links where they are links.
static void
s_system (words_t *args)
{
    static const char *const folders [] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };
    words_all (args, "--ro-bind", "/usr", "/usr", NULL);
    for (size_t index = 0; index < BERTH_COUNT (folders); index++) {
        char path [16], link [256];
        struct stat about;
        snprintf (path, sizeof path, "/%s", folders [index]);
        if (lstat (path, &about))
            continue;
        ssize_t size = readlink (path, link, sizeof link - 1);
        if (size > 0) {
            link [size] = 0;
            words_all (args, "--symlink", link, path, NULL);
        }
        else if (S_ISDIR (about.st_mode))
            words_all (args, "--ro-bind", path, path, NULL);
    }
}

static void
s_tmpfs (words_t *args, const bubblewrap_t *self, const char *path, uint64_t bytes)
{
    char size [24];
    snprintf (size, sizeof size, "%llu", (unsigned long long) bytes);
    words_all (args, "--perms", "1777", NULL);
    if (self->knows_size)
        words_all (args, "--size", size, NULL);
    words_all (args, "--tmpfs", path, NULL);
}

static int
s_read_only (words_t *args, berth_blobs_t paths, arena_t *arena, berth_error_t *err)
{
    for (size_t index = 0; index < paths.count; index++) {
        const char *path = places_path (paths.items [index], arena, "readOnlyPaths", err);
        if (!path)
            return -1;
        if (access (path, F_OK)) {
            berth_error_set (err->field, sizeof err->field, "config.readOnlyPaths[%zu]", index);
            berth_error_set (err->remedy, sizeof err->remedy, "make the path, or leave it out");
            return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "wall 'readOnlyPaths': '%s'", path);
        }
        if (strncmp (path, "/usr/", 5))         //  What is in /usr is seen anyway
            words_all (args, "--ro-bind", path, path, NULL);
    }
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  The whole

//  Looking at all its sources costs as much as a commit: what was found a moment ago still holds.
static int
s_etc (bubblewrap_t *self, arena_t *arena, const char **ret_folder, berth_error_t *err)
{
    int64_t now_ms = berth_mono_ms ();
    int rc = 0;
    pthread_mutex_lock (&self->etc_lock);
    if (!self->etc [0] || now_ms - self->etc_ms >= ETC_HOLDS_MS || access (self->etc, F_OK)) {
        const char *folder;
        rc = bubblewrap_etc (places_state (self->owner.places), arena, &folder, err);
        if (rc == 0 && snprintf (self->etc, sizeof self->etc, "%s", folder)
                       >= (int) sizeof self->etc)
            rc = berth_fail (err, BERTH_PROVIDER_ERROR, "the path '%s' is too long", folder);
        self->etc_ms = now_ms;
    }
    *ret_folder = arena_string (arena, self->etc);
    pthread_mutex_unlock (&self->etc_lock);
    return rc;
}

static const shim_limits_t *
s_limits (const bubblewrap_config_t *config, arena_t *arena)
{
    shim_limits_t *limits = arena_new_of (arena, shim_limits_t);
    berth_put (shim_limits, limits, memory_bytes, config->memory_mb * 1048576);
    berth_put (shim_limits, limits, pids, config->pids);
    if (berth_has (bubblewrap_config, config, cpu_seconds))
        berth_put (shim_limits, limits, cpu_seconds, config->cpu_seconds);
    if (berth_has (bubblewrap_config, config, file_mb))
        berth_put (shim_limits, limits, file_bytes, config->file_mb * 1048576);
    return limits;
}

static berth_bytes_t
s_limit (berth_bytes_t walls, const char *name, bool has, uint64_t number, const char *unit,
         arena_t *arena)
{
    return has ? any_set_text (walls, name, arena_printf (arena, "%llu%s",
                               (unsigned long long) number, unit), arena) : walls;
}

static berth_bytes_t
s_metadata (const bubblewrap_t *self, const bubblewrap_config_t *config, arena_t *arena)
{
    berth_bytes_t walls = berth_empty_map;
    bool host = config->network == bubblewrap_network_HOST;
    walls = any_set_text (walls, "network", host ? "host" : "none", arena);
    walls = any_set_text (walls, "namespaces", host ? "user mount pid ipc uts cgroup"
                                                    : "user mount pid ipc uts cgroup net", arena);
    walls = any_set_truth (walls, "nestedNamespaces", config->nested, arena);
    walls = any_set_truth (walls, "seccomp", true, arena);
    walls = any_set_text (walls, "uid", self->own_uids ? "own" : "caller", arena);
    walls = s_limit (walls, "memory", true, config->memory_mb, " MiB", arena);
    walls = s_limit (walls, "processes", true, config->pids, "", arena);
    walls = s_limit (walls, "cpu", berth_has (bubblewrap_config, config, cpu_seconds),
                     config->cpu_seconds, " s", arena);
    walls = s_limit (walls, "file", berth_has (bubblewrap_config, config, file_mb),
                     config->file_mb, " MiB", arena);
    walls = s_limit (walls, "disk", berth_has (bubblewrap_config, config, disk_mb),
                     config->disk_mb, " MiB", arena);
    berth_bytes_t metadata = any_set (berth_empty_map, "walls", walls, arena);
    return any_set_truth (metadata, "reuseLease", config->reuse, arena);
}

int
bubblewrap_plan (void *context, const place_open_t *ask, const place_t *place, arena_t *arena,
                 places_plan_t *plan, berth_error_t *err)
{
    bubblewrap_plan_t *how = context;
    bubblewrap_t *self = how->self;
    const bubblewrap_config_t *config = how->config;

    const char *etc;
    if (s_etc (self, arena, &etc, err) || (self->own_uids && bubblewrap_reach (place->workspace, err)))
        return -1;

    uint64_t memory = config->memory_mb * 1048576;
    words_t args = { .arena = arena };
    if (s_namespaces (&args, self, config, err))
        return -1;
    s_system (&args);
    words_all (&args, "--ro-bind", etc, "/etc",
               "--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
               "--ro-bind-try", "/etc/ssl/certs", "/etc/ssl/certs",
               "--proc", "/proc", "--dev", "/dev", NULL);
    //  In memory, so they count as such; half of it, so that they are full before all is killed.
    s_tmpfs (&args, self, "/dev/shm", memory / 2);
    s_tmpfs (&args, self, "/tmp", memory / 2);
    words_all (&args, "--remount-ro", "/dev", "--dir", "/var", "--symlink", "/tmp", "/var/tmp",
            "--dir", "/run", "--ro-bind", self->init, BUBBLEWRAP_INIT,
            "--bind", place->workspace, BUBBLEWRAP_WORKSPACE,
            "--bind", place->home, BUBBLEWRAP_HOME, NULL);
    if (config->network == bubblewrap_network_HOST)
        words_all (&args, "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf", NULL);
    if (s_read_only (&args, config->read_only, arena, err)
        || (ask->policy && s_read_only (&args, ask->policy->read_only, arena, err)))
        return -1;
    words_all (&args, "--remount-ro", "/", "--chdir", BUBBLEWRAP_WORKSPACE,
            "--seccomp", "{SECCOMP_FD}", NULL);

    words_t argv = { .arena = arena }, env = { .arena = arena };
    words_all (&argv, self->bwrap, "--args", "{ARGS_FD}", "--", BUBBLEWRAP_INIT, "{INIT_FD}", NULL);
    words_all (&env, "PATH=/usr/bin:/bin", NULL);

    shim_open_t *open = &plan->open;
    open->argv = words_blobs (&argv);
    open->args_fd = words_blobs (&args);
    open->env = words_blobs (&env);
    berth_put (shim_open, open, seccomp, self->filters [config->nested]);
    open->exec_env = places_env (BUBBLEWRAP_HOME, ask->policy ? ask->policy->env : berth_empty_map,
                                 config->env, arena);
    open->cwd = words_bytes (BUBBLEWRAP_WORKSPACE);
    berth_put (shim_open, open, pid_namespace, true);
    if (config->network != bubblewrap_network_HOST && self->own_uids)
        berth_put (shim_open, open, own_network, true);
    open->limits = s_limits (config, arena);
    //  What was asked for is held, or the acquire fails; our own default may be held less well.
    bool asked = berth_has (bubblewrap_config, config, memory_mb)
        || berth_has (bubblewrap_config, config, pids);
    berth_put (shim_open, open, limits_required, asked);
    plan->metadata = s_metadata (self, config, arena);
    return 0;
}
