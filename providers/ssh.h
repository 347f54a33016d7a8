//  ssh.h - what the files of provider ssh share.

#ifndef BERTH_SSH_H_INCLUDED
#define BERTH_SSH_H_INCLUDED

#include "places.h"

#define SECRET_REF(F, T) \
    F (T, STR,   type,      "type",      REQUIRED, 16, "secret_ref.") \
    F (T, ID,    secret,    "secretId",  REQUIRED, 36, "The secret.") \
    F (T, ANY,   version,   "version",   OPTIONAL, 16, "latest (default), or its number.")
BERTH_MESSAGE (secret_ref, SECRET_REF);

#define SSH_CONFIG(F, T) \
    F (T, STR,   host,      "host",      REQUIRED | POSITIVE, 255, "Where it is: a name, an address, or a Host of the user's ssh_config.") \
    F (T, ANY,   port,      "port",      OPTIONAL, 16, "1..65535 (22).") \
    F (T, STR,   username,  "username",  REQUIRED | POSITIVE, 128, "Whose account.") \
    F (T, STR,   path,      "remoteWorkspacePath", REQUIRED | POSITIVE, 4096, "Absolute folder there; each lease gets its own in it.") \
    F (T, STR,   key,       "privateKey", NULLABLE | SECRET, 16384, "Null.") \
    F (T, OBJ (secret_ref), key_ref, "privateKeySecretRef", NULLABLE, 0, "The secret that holds the key; without it, those that ssh finds by itself.") \
    F (T, STR,   known_hosts, "knownHosts", NULLABLE, 32768, "Keys of the host, as in known_hosts; without it, the user's own.") \
    F (T, BOOL,  strict,    "strictHostKeyChecking", OPTIONAL, 0, "Refuse unknown hosts (true).")
BERTH_MESSAGE (ssh_config, SSH_CONFIG);

enum { SSH_MAGIC = 0x55c };

typedef struct {
    places_owner_t owner;
    unsigned magic;
    char *runtime;
    char *client;                   //  The machine's ssh; NULL: there is none
    char *shim, *init;              //  Here
    char *program;                  //  What is copied to the remote machine; NULL: not installed
} ssh_t;

//  ---- ssh_config.c

//  Reads a config that may lack its defaults. invalid_request names the field.
int ssh_read (berth_bytes_t config, arena_t *arena, ssh_config_t *ret_config, uint64_t *ret_port,
              berth_error_t *err);
int ssh_validate (void *self, berth_bytes_t config, arena_t *arena, berth_bytes_t *ret_normal,
                  berth_error_t *err);

//  ---- ssh_plan.c

//  What the relay of a place is told.
int ssh_plan (ssh_t *self, const ssh_config_t *config, uint64_t port, const place_t *place,
              arena_t *arena, shim_relay_t *ret_relay, berth_error_t *err);

//  ---- ssh_files.c

int ssh_realize (void *self, const place_realize_t *ask, provider_progress_fn *progress,
                 void *context, int64_t deadline_ms, arena_t *arena,
                 place_realized_t *ret_realized, berth_error_t *err);
int ssh_give_back (void *self, const place_return_t *ask, provider_progress_fn *progress,
                   void *context, int64_t deadline_ms, arena_t *arena,
                   workspace_returned_t *ret_returned, berth_error_t *err);

//  ---- ssh_plain.c: where berth-shim cannot run; `why` says why

int ssh_plain_acquire (ssh_t *self, const place_open_t *ask, const berth_error_t *why,
                       int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place,
                       berth_error_t *err);
bool ssh_is_plain (const place_t *place, arena_t *arena);
int ssh_plain_remove (const place_t *place, int64_t deadline_ms, arena_t *arena, berth_error_t *err);

//  Of ssh's master connection; in arena.
const char *ssh_control (const ssh_t *self, const place_t *place, arena_t *arena);

//  ---- ssh_probe.c

int ssh_probe (void *self, const place_probe_t *ask, int64_t deadline_ms, arena_t *arena,
               probe_result_t *ret_result, berth_error_t *err);

//  ---- ssh.c

//  NAME=value of the environment's policy; Paperclip's words for the machine.
berth_blobs_t ssh_policy_env (const place_open_t *ask, arena_t *arena);
berth_bytes_t ssh_metadata (const ssh_config_t *config, uint64_t port, arena_t *arena);

int ssh_acquire (ssh_t *self, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
                 place_opened_t *ret_place, berth_error_t *err);
//  Makes a place reachable whose processes were ended and whose files were kept; and ends it again.
int ssh_wake (ssh_t *self, const place_t *place, berth_bytes_t config, bool *ret_woken, int64_t deadline_ms, arena_t *arena,
              berth_error_t *err);
int ssh_sleep (ssh_t *self, const place_t *place, berth_bytes_t config, int64_t deadline_ms, arena_t *arena,
               berth_error_t *err);
int ssh_release (void *self, const place_close_t *ask, int64_t deadline_ms, berth_error_t *err);

#endif
