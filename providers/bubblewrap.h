//  bubblewrap.h - what the files of provider bubblewrap share. Nobody else includes it.

#ifndef BERTH_BUBBLEWRAP_H_INCLUDED
#define BERTH_BUBBLEWRAP_H_INCLUDED

#include "places.h"

#include <pthread.h>

#define BUBBLEWRAP_NETWORK(X, T) \
    X (T, NONE_AT_ALL, "none") \
    X (T, HOST,        "host")
BERTH_ENUM (bubblewrap_network, BUBBLEWRAP_NETWORK);

#define BUBBLEWRAP_CONFIG(F, T) \
    F (T, ENUM (bubblewrap_network), network, "network", OPTIONAL, 0, "none (default), or host: the host's own.") \
    F (T, U64,   memory_mb, "memoryMb",  OPTIONAL | POSITIVE, 1048576, "Memory of all its processes, MiB (4096). Given: refused where no cgroup can hold it.") \
    F (T, U64,   pids,      "pids",      OPTIONAL | POSITIVE, 1000000, "Processes and threads at once (1024). Given: refused where no cgroup can hold it.") \
    F (T, U64,   cpu_seconds, "cpuSeconds", OPTIONAL | POSITIVE, 31536000, "CPU time of each process (no limit).") \
    F (T, U64,   file_mb,   "fileSizeMb", OPTIONAL | POSITIVE, 16777216, "Size of each file, MiB (no limit).") \
    F (T, U64,   disk_mb,   "diskMb",    OPTIONAL | POSITIVE, 16777216, "Workspace and home together, MiB (no limit); held in memory, needs root.") \
    F (T, BLOBS, read_only, "readOnlyPaths", OPTIONAL, 64, "Host paths the place sees read-only: toolchains, caches.") \
    F (T, ANY,   env,       "env",       OPTIONAL | OBJECT, 65536, "Environment of every exec: name to text.") \
    F (T, BOOL,  nested,    "nestedNamespaces", OPTIONAL, 0, "What runs there may make namespaces of its own (false).") \
    F (T, BOOL,  reuse,     "reuseLease", OPTIONAL, 0, "The place may serve one lease after another (false).") \
    F (T, U64,   timeout_ms, "timeoutMs", OPTIONAL | POSITIVE, 86400000, "For each call of the provider.")
BERTH_MESSAGE (bubblewrap_config, BUBBLEWRAP_CONFIG);

enum { BUBBLEWRAP_MEMORY_MB = 4096, BUBBLEWRAP_PIDS = 1024 };

//  Inside, whatever the host's uid is.
enum { BUBBLEWRAP_UID = 1000 };
#define BUBBLEWRAP_WORKSPACE "/workspace"
#define BUBBLEWRAP_HOME "/home/berth"
#define BUBBLEWRAP_INIT "/run/berth/init"

typedef struct {
    places_owner_t owner;
    unsigned magic;
    char *bwrap;                    //  The program; NULL: not installed
    char version [32];              //  "0.8.0", as it names itself; "" unknown
    bool knows_disable_userns, knows_size, knows_as_pid_1;
    char *init;                     //  Our copy of berth-init, where every uid can reach it
    bool own_uids;
    berth_bytes_t filters [2];      //  Without and with nested namespaces; never change
    pthread_mutex_t etc_lock;       //  Of what follows
    char etc [4400];                //  The folder that places see as /etc, and when it was found
    int64_t etc_ms;
} bubblewrap_t;

//  The config, with the limits that the policy has and it has not.
int bubblewrap_read (berth_bytes_t config, const environment_policy_t *policy, arena_t *arena,
                     bubblewrap_config_t *ret_config, berth_error_t *err);

//  A places_plan_fn; context is a bubblewrap_plan_t.
typedef struct {
    bubblewrap_t *self;
    const bubblewrap_config_t *config;
} bubblewrap_plan_t;
int bubblewrap_plan (void *context, const place_open_t *ask, const place_t *place, arena_t *arena,
                     places_plan_t *plan, berth_error_t *err);

//  Compiles the filter; *ret_filter is to be freed.
int bubblewrap_seccomp (bool nested, berth_bytes_t *ret_filter, berth_error_t *err);

//  The folder that places see as /etc: what programs need of ours, and nothing that is secret or
//  tells who we are; alternatives and ssl/certs are empty, to be bound over. Made anew when its
//  sources changed. Locked by the caller.
int bubblewrap_etc (const char *state, arena_t *arena, const char **ret_folder,
                    berth_error_t *err);

//  Removes those of other days; only when no place sees one.
void bubblewrap_etc_sweep (const char *state);

//  Can a place's own user come by each folder on the way to this path? provider_unavailable names
//  the one where it ends.
int bubblewrap_reach (const char *path, berth_error_t *err);

int bubblewrap_probe (void *self, const place_probe_t *ask, int64_t deadline_ms, arena_t *arena,
                      probe_result_t *ret_result, berth_error_t *err);

//  The provider's acquire and release, for its probe.
int bubblewrap_acquire (void *self, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
                        place_opened_t *ret_place, berth_error_t *err);

#endif
