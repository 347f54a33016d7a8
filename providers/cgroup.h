//  cgroup.h - a place's cgroups: made first, limited, killed as one, removed.
//
//  A directory berth-<install>/<random> below the cgroup of berth-places.service beside ours, where
//  that is delegated (tools/berth-places.service.in says why), else below our own cgroup (or below
//  the mount, where ours cannot have controllers) in the v2 tree, and in the v1 trees of memory and
//  pids where v2 has not these controllers. Whatever cannot be made is left out; the fields say what
//  there is.

#ifndef BERTH_CGROUP_H_INCLUDED
#define BERTH_CGROUP_H_INCLUDED

#include "error.h"

#include <sys/types.h>

enum { CGROUP_PATH = 512 };

typedef struct {
    char name [64];                     //  berth-<install>/<random>
    char v2 [CGROUP_PATH];              //  Absolute folders; empty: there is none
    char memory [CGROUP_PATH];          //  v1
    char pids [CGROUP_PATH];            //  v1
    bool v2_limits;                     //  memory and pids are limited in v2
} cgroup_t;

//  Makes them. install: at most 16 characters of [a-z0-9-].
void cgroup_make (cgroup_t *self, const char *install);

//  Like fork, but the child begins inside the cgroup. In the child: 0.
pid_t cgroup_fork (const cgroup_t *self, berth_error_t *err);

//  "cgroup2", "cgroup1" or NULL: what ends its processes; what can limit memory and pids.
const char *cgroup_ends_by (const cgroup_t *self);
const char *cgroup_limits_by (const cgroup_t *self);

//  Writes limits; 0: none. Errors: provider_error, naming the file.
int cgroup_limit (const cgroup_t *self, uint64_t memory_bytes, uint64_t pids, berth_error_t *err);

//  Kills every process in them, again until none is left or the deadline (monotonic, ms) passes:
//  provider_timeout. What is gone is fine.
int cgroup_end (const cgroup_t *self, int64_t deadline_mono_ms, berth_error_t *err);

//  Removes the folders, which must be empty by then; what is gone is fine.
void cgroup_remove (cgroup_t *self);

#endif
