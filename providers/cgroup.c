//  cgroup.c - owns nothing in memory: a place's folders in the cgroup trees.

#include "cgroup.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DAEMON "berthd"                 //  Leaf we move to where the cgroup was delegated to us
#define PLACES "berth-places.service"   //  The unit beside ours that is there for places

static int
s_write (const char *folder, const char *name, const char *text)
{
    char path [CGROUP_PATH + 64];
    snprintf (path, sizeof path, "%s/%s", folder, name);
    int file = open (path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t done = write (file, text, strlen (text));
    int saved = errno;
    close (file);
    errno = saved;
    return done < 0 ? -1 : 0;
}

static ssize_t
s_read (const char *folder, const char *name, char *text, size_t size)
{
    char path [CGROUP_PATH + 64];
    snprintf (path, sizeof path, "%s/%s", folder, name);
    int file = open (path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t got = read (file, text, size - 1);
    close (file);
    text [got > 0 ? got : 0] = 0;
    return got;
}

//  Does a list of words hold this one?
static bool
s_lists (const char *text, const char *word, const char *separators)
{
    size_t length = strlen (word);
    while (*text) {
        size_t size = strcspn (text, separators);
        if (size == length && memcmp (text, word, length) == 0)
            return true;
        text += size;
        text += strspn (text, separators);
    }
    return false;
}

//  ---- where we are

typedef struct {
    char mount [CGROUP_PATH];           //  Empty: not mounted
    char own [CGROUP_PATH];             //  Our own cgroup's folder
} tree_t;

//  Our path in the tree that has this controller (v1), or in the unified one (NULL).
static bool
s_own_path (const char *controller, char *path, size_t size)
{
    FILE *file = fopen ("/proc/self/cgroup", "re");
    if (!file)
        return false;
    char line [CGROUP_PATH + 128];
    bool found = false;
    while (!found && fgets (line, sizeof line, file)) {
        line [strcspn (line, "\n")] = 0;
        char *controllers = strchr (line, ':');
        char *at = controllers ? strchr (controllers + 1, ':') : NULL;
        if (!at)
            continue;
        *at++ = 0;
        controllers++;
        found = controller ? s_lists (controllers, controller, ",") : !*controllers;
        if (found)
            snprintf (path, size, "%s", at);
    }
    fclose (file);
    return found;
}

//  Finds the mount of a tree: `36 25 0:31 /root /mount options ... - cgroup2 source superoptions`.
static void
s_find_tree (const char *controller, tree_t *ret_tree)
{
    memset (ret_tree, 0, sizeof *ret_tree);
    char own [CGROUP_PATH];
    FILE *file = s_own_path (controller, own, sizeof own) ? fopen ("/proc/self/mountinfo", "re")
                                                          : NULL;
    if (!file)
        return;
    char line [4096];
    while (fgets (line, sizeof line, file)) {
        char root [CGROUP_PATH], mount [CGROUP_PATH], type [32], super [512];
        char *behind = strstr (line, " - ");
        if (!behind || sscanf (line, "%*s %*s %*s %511s %511s", root, mount) != 2
        || sscanf (behind, " - %31s %*s %511s", type, super) != 2)
            continue;
        if (controller ? strcmp (type, "cgroup") != 0 || !s_lists (super, controller, ",\n")
                       : strcmp (type, "cgroup2") != 0)
            continue;
        size_t above = strcmp (root, "/") == 0 ? 0 : strlen (root);
        if (above && strncmp (own, root, above) != 0)
            continue;
        const char *below = strcmp (own + above, "/") == 0 ? "" : own + above;
        if (strlen (mount) + strlen (below) >= CGROUP_PATH / 2)
            continue;
        snprintf (ret_tree->mount, sizeof ret_tree->mount, "%s", mount);
        snprintf (ret_tree->own, sizeof ret_tree->own, "%s%.255s", mount, below);
        break;
    }
    fclose (file);
}

//  ---- making

//  Makes folder/berth-<install>/<random>. The parent may go away under us when another place ends.
static bool
s_make (const char *folder, const char *name, char path [CGROUP_PATH])
{
    char parent [CGROUP_PATH];
    if (!*folder || (size_t) snprintf (path, CGROUP_PATH, "%s/%s", folder, name) >= CGROUP_PATH) {
        path [0] = 0;
        return false;
    }
    snprintf (parent, sizeof parent, "%s", path);
    *strrchr (parent, '/') = 0;
    for (int tries = 0; tries < 10; tries++) {
        (void) mkdir (parent, 0755);
        if (mkdir (path, 0755) == 0)
            return true;
        if (errno != ENOENT)
            break;
    }
    path [0] = 0;
    return false;
}

static bool
s_delegated (const char *folder)
{
    char value [8] = { 0 };
    return (getxattr (folder, "trusted.delegate", value, sizeof value) > 0
         || getxattr (folder, "user.delegate", value, sizeof value) > 0)
        && value [0] == '1';
}

//  Where the manager keeps a cgroup for places beside ours, they are made there: a cgroup whose
//  children have controllers takes no process, and ours must take the next berthd.
static bool
s_go_beside (char *base)
{
    char beside [CGROUP_PATH + sizeof PLACES];
    snprintf (beside, sizeof beside, "%s", base);
    char *last = strrchr (beside, '/');
    if (last && strcmp (last + 1, DAEMON) == 0) {
        *last = 0;
        last = strrchr (beside, '/');
    }
    if (!last)
        return false;
    last [1] = 0;
    size_t used = strlen (beside);
    snprintf (beside + used, sizeof beside - used, PLACES);
    if (strlen (beside) >= CGROUP_PATH || !s_delegated (beside))
        return false;
    memcpy (base, beside, strlen (beside) + 1);
    return true;
}

//  A v2 cgroup has either processes or children with controllers. Where the manager gave us ours,
//  everybody in it moves to a leaf.
static void
s_make_room (char *base)
{
    char *last = strrchr (base, '/');
    if (last && strcmp (last + 1, DAEMON) == 0) {
        *last = 0;
        if (s_delegated (base))
            return;                     //  We are in the leaf already
        *last = '/';
    }
    if (!s_delegated (base))
        return;
    char leaf [CGROUP_PATH + 16], procs [4096];
    snprintf (leaf, sizeof leaf, "%s/" DAEMON, base);
    if (mkdir (leaf, 0755) && errno != EEXIST)
        return;
    if (s_read (base, "cgroup.procs", procs, sizeof procs) <= 0)
        return;
    char *next = NULL;
    for (char *pid = strtok_r (procs, "\n", &next); pid; pid = strtok_r (NULL, "\n", &next))
        (void) s_write (leaf, "cgroup.procs", pid);
}

//  Makes it below one folder of the v2 tree, with controllers if that can be had there.
static bool
s_make_v2 (cgroup_t *self, const char *base, bool with_limits)
{
    char text [1024];
    if (with_limits) {
        if (s_read (base, "cgroup.controllers", text, sizeof text) < 0
        || !s_lists (text, "memory", " \n") || !s_lists (text, "pids", " \n"))
            return false;
        (void) s_write (base, "cgroup.subtree_control", "+memory +pids");
    }
    if (!s_make (base, self->name, self->v2))
        return false;
    if (with_limits) {
        char parent [CGROUP_PATH];
        snprintf (parent, sizeof parent, "%s", self->v2);
        *strrchr (parent, '/') = 0;
        (void) s_write (parent, "cgroup.subtree_control", "+memory +pids");
        if (s_read (self->v2, "cgroup.controllers", text, sizeof text) < 0
        || !s_lists (text, "memory", " \n") || !s_lists (text, "pids", " \n")) {
            cgroup_remove (self);
            return false;
        }
        self->v2_limits = true;
    }
    return true;
}

void
cgroup_make (cgroup_t *self, const char *install)
{
    memset (self, 0, sizeof *self);
    uint64_t random = 0;
    if (getrandom (&random, sizeof random, 0) != (ssize_t) sizeof random)
        random = (uint64_t) getpid () << 32 ^ (uint64_t) berth_mono_ms ();
    snprintf (self->name, sizeof self->name, "berth-%.16s/%016llx", install,
              (unsigned long long) random);

    tree_t tree;
    s_find_tree (NULL, &tree);
    if (*tree.mount) {
        if (!s_go_beside (tree.own))
            s_make_room (tree.own);
        //  With limits if anywhere, else wherever its processes can at least be ended as one
        if (!s_make_v2 (self, tree.own, true) && !s_make_v2 (self, tree.mount, true)
        && !s_make_v2 (self, tree.own, false))
            (void) s_make_v2 (self, tree.mount, false);
    }
    if (self->v2_limits)
        return;
    s_find_tree ("memory", &tree);
    (void) s_make (tree.own, self->name, self->memory);
    s_find_tree ("pids", &tree);
    (void) s_make (tree.own, self->name, self->pids);
}

//  ---- using

static pid_t
s_clone_into (const char *folder)
{
    int file = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (file < 0)
        return -1;
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t) file
    };
    pid_t pid = (pid_t) syscall (SYS_clone3, &args, sizeof args);
    int saved = errno;
    close (file);
    errno = saved;
    return pid;
}

pid_t
cgroup_fork (const cgroup_t *self, berth_error_t *err)
{
    pid_t pid = *self->v2 ? s_clone_into (self->v2) : -1;
    bool inside = pid >= 0;
    if (!inside)
        pid = fork ();
    if (pid < 0) {
        (void) berth_fail_errno (err, BERTH_PROVIDER_ERROR, "no process can be started");
        return -1;
    }
    if (pid == 0) {
        bool bad = (!inside && *self->v2 && s_write (self->v2, "cgroup.procs", "0"))
                || (*self->memory && s_write (self->memory, "cgroup.procs", "0"))
                || (*self->pids && s_write (self->pids, "cgroup.procs", "0"));
        if (bad)
            _exit (126);                //  Nobody runs outside the walls that were asked for
    }
    return pid;
}

const char *
cgroup_ends_by (const cgroup_t *self)
{
    return *self->v2 ? "cgroup2" : *self->pids || *self->memory ? "cgroup1" : NULL;
}

const char *
cgroup_limits_by (const cgroup_t *self)
{
    return self->v2_limits ? "cgroup2" : *self->memory && *self->pids ? "cgroup1" : NULL;
}

static int
s_limit (const char *folder, const char *name, uint64_t value, berth_error_t *err)
{
    char text [32];
    snprintf (text, sizeof text, "%llu", (unsigned long long) value);
    if (s_write (folder, name, text))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "%s of the place cannot be set to %s",
                                 name, text);
    return 0;
}

int
cgroup_limit (const cgroup_t *self, uint64_t memory_bytes, uint64_t pids, berth_error_t *err)
{
    const char *memory = self->v2_limits ? self->v2 : self->memory;
    if (memory_bytes
    && s_limit (memory, self->v2_limits ? "memory.max" : "memory.limit_in_bytes", memory_bytes, err))
        return -1;
    //  Swap is no way around it; kernels without swap accounting have no such file
    if (memory_bytes && self->v2_limits)
        (void) s_write (memory, "memory.swap.max", "0");
    else if (memory_bytes)
        (void) s_limit (memory, "memory.memsw.limit_in_bytes", memory_bytes, NULL);
    if (pids && s_limit (self->v2_limits ? self->v2 : self->pids, "pids.max", pids, err))
        return -1;
    return 0;
}

//  Kills who is listed now. False if nobody was.
static bool
s_kill_listed (const char *folder)
{
    char procs [8192];
    if (s_read (folder, "cgroup.procs", procs, sizeof procs) <= 0)
        return false;
    char *next = NULL;
    bool any = false;
    for (char *text = strtok_r (procs, "\n", &next); text; text = strtok_r (NULL, "\n", &next)) {
        long pid = strtol (text, NULL, 10);
        if (pid > 1)                    //  0: not in our pid namespace
            kill ((pid_t) pid, SIGKILL);
        any = true;
    }
    return any;
}

static bool
s_populated (const cgroup_t *self)
{
    char text [256];
    if (*self->v2 && s_read (self->v2, "cgroup.events", text, sizeof text) > 0
    && strstr (text, "populated 1"))
        return true;
    return (*self->memory && s_read (self->memory, "cgroup.procs", text, sizeof text) > 0)
        || (*self->pids && s_read (self->pids, "cgroup.procs", text, sizeof text) > 0);
}

int
cgroup_end (const cgroup_t *self, int64_t deadline_mono_ms, berth_error_t *err)
{
    if (*self->pids)
        (void) s_write (self->pids, "pids.max", "0");       //  Nobody forks away from the loop
    for (int wait_ms = 1; s_populated (self); wait_ms = wait_ms < 20 ? wait_ms * 2 : 20) {
        if (*self->v2 && s_write (self->v2, "cgroup.kill", "1")) {
            (void) s_write (self->v2, "cgroup.freeze", "1");        //  Before Linux 5.14
            (void) s_kill_listed (self->v2);
        }
        if (*self->memory)
            (void) s_kill_listed (self->memory);
        if (*self->pids)
            (void) s_kill_listed (self->pids);
        if (!s_populated (self))
            break;
        if (berth_mono_ms () >= deadline_mono_ms)
            return berth_fail (err, BERTH_PROVIDER_TIMEOUT,
                               "processes of the place do not end (cgroup %s)", self->name);
        (void) poll (NULL, 0, wait_ms);
    }
    return 0;
}

//  Seconds, on a busy machine: nobody tries again.
enum { REMOVE_TRIES = 1500 };

static void
s_remove (char path [CGROUP_PATH])
{
    if (!*path)
        return;
    for (int tries = 0; rmdir (path) && errno == EBUSY && tries < REMOVE_TRIES; tries++)
        (void) poll (NULL, 0, 2);       //  The last exits are still being accounted
    *strrchr (path, '/') = 0;
    (void) rmdir (path);                //  Stays while other places are in it
    path [0] = 0;
}

void
cgroup_remove (cgroup_t *self)
{
    s_remove (self->v2);
    s_remove (self->memory);
    s_remove (self->pids);
}
