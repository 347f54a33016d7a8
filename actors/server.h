//  server.h - one Berth service: starts its parts in order, stops them in reverse.

#ifndef BERTH_SERVER_H_INCLUDED
#define BERTH_SERVER_H_INCLUDED

#include "base.h"
#include "configuration.h"
#include "error.h"
#include "quota.h"
#include "retention.h"
#include "sweep_how.h"

#include <stdint.h>

typedef struct server server_t;

typedef struct {
    const char *state;              //  State directory; made if it is missing
    const char *runtime;            //  Runtime directory: sockets; made if it is missing
    const char *init_path;          //  berth-init; NULL: beside the running program, else PATH
    const char *shim_path;          //  berth-shim; likewise
    uint64_t store_max;             //  0: the store's own default
    uint64_t keys_max;              //  Idempotency keys remembered; 0: the store's own default
    bool test_providers;            //  fake and fault may be used
    bool ephemeral;                 //  A private service: closes all places when it stops
    int owner_fd;                   //  Ends when this reaches its end of file; -1: none
    bool local_as_root;             //  Driver local may run as root
    uint32_t uid_first, uid_count;  //  Host uids of places when started by root; 0: defaults
    const retention_t *retention;   //  How long what has ended is kept. NULL: the defaults
    const sweep_how_t *sweep;       //  How lost places are looked for. NULL: the defaults
    quotas_t *quotas;               //  Of companies; taken over. NULL: the defaults
    void (*alive) (void);           //  Called each alive_ms by the thread that waits, while the
    int64_t alive_ms;               //  front door answers; 0: never
    const configuration_door_t *doors;      //  More ways in
    size_t doors_count;
    berth_blobs_t roots;            //  Host folders where workspaces may lie
    bool local_over_tcp;            //  Driver local may be used over the network
    const char *master_key_file;    //  Of secrets; NULL: see server_vault.h
} server_options_t;

enum {
    SERVER_STUCK_MS = 12000,       //  A front door that is still for so long is stuck
    SERVER_PARKED = 2,             //  Shims kept ready
    SERVER_UID_FIRST = 900000,     //  Default range of host uids for places,
    SERVER_UID_COUNT = 50000,      //  above what distributions give to people and subuids
    SERVER_READERS_MS = 60000      //  Stale readers of the store are looked for that often
};

//  Starts everything and answers requests when it returns. Call before any other thread exists:
//  it forks the spawner. Errors: conflict (another service has a directory; a newer store),
//  forbidden (read-only or foreign directories), invalid_request (a path that is too long),
//  not_found (a program of Berth's is missing), store_full, internal.
int server_start (const server_options_t *options, server_t **ret_self, berth_error_t *err);

//  Makes the store of a state directory that has none from a backup. Nothing is started: the first
//  start begins a new epoch. Errors: conflict (there is a store, or a service), and those of
//  store_restore.
int server_restore (const server_options_t *options, const char *path, berth_error_t *err);

//  Serves until SIGTERM, SIGINT, a shutdown request, or the owner's end. The calling thread.
void server_wait (server_t *self);

//  Stops in at most BERTH_STOP_MS (then the process ends itself). Places and execs stay for the
//  next start, unless the service is ephemeral or a shutdown asked for their release.
void server_destroy (server_t **self_p);

#endif
