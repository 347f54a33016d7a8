//  vault.h - values sealed at rest: a master key that is nowhere in the store, a key for each company
//  sealed by it, and values sealed by those.
//
//  XChaCha20-Poly1305 of libsodium, a random nonce each. What a value is sealed for (company, secret,
//  version) is authenticated with it: moved to another row it does not open. Keys in memory are
//  locked, left out of core dumps, and wiped.
//
//  The master key is, first found first taken: the configuration's masterKeyFile, the systemd
//  credential `berth-master-key`, $BERTH_MASTER_KEY, or <state>/master.key, which is made when there
//  is none. Each may hold several keys, one to a line, the newest first: the others open what was
//  sealed before. A key is 64 hex digits, base64 of 32 bytes, or 32 characters.

#ifndef BERTH_VAULT_H_INCLUDED
#define BERTH_VAULT_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "secret.h"

typedef struct vault vault_t;

enum {
    VAULT_KEY_SIZE = 32,
    VAULT_KEYS_MAX = 8,             //  Master keys at once
    VAULT_ID_SIZE  = 33             //  Text of a master key's id, with its NUL
};

//  A vault without a key: for tests, and for what asks nothing of it.
vault_t *vault_new (void);
void vault_destroy (vault_t **self_p);

//  Reads a master key, as text. Newest first; the text is not kept. Errors: invalid_request.
int vault_add (vault_t *self, const char *text, berth_error_t *err);

//  Reads the master keys in a file. Errors: not_found, forbidden (others may read it), invalid_request.
int vault_read (vault_t *self, const char *path, berth_error_t *err);

//  Makes a random master key and writes it in front of those in the file (NULL: keeps it in memory
//  only): mode 0600, synced, then renamed into its place. It is the newest from then on.
int vault_make (vault_t *self, const char *path, berth_error_t *err);

//  Leaves but the newest in the file: what the others sealed is sealed anew.
int vault_retire (vault_t *self, const char *path, berth_error_t *err);

//  The newest master key's id, made from the key by a hash that does not lead back; NULL: there is no
//  key. Valid until the next vault_make.
const char *vault_id (const vault_t *self);
bool vault_has (const vault_t *self, const char *id);

//  ---- company keys. Any thread

//  A new one, sealed by the newest master key; its bytes live in arena.
int vault_company (vault_t *self, const char *company, arena_t *arena, company_key_t *ret_key,
                   berth_error_t *err);

//  The same key sealed by the newest master key. internal: it does not open.
int vault_reseal (vault_t *self, const company_key_t *key, arena_t *arena, company_key_t *ret_key,
                  berth_error_t *err);

//  ---- values. Any thread

//  Seals a value for one version of one secret; *ret_material lives in arena.
int vault_seal (vault_t *self, const company_key_t *key, const char *secret, uint64_t version,
                berth_bytes_t value, arena_t *arena, berth_bytes_t *ret_material, berth_error_t *err);

//  Opens it. The value lives in arena, which is wiped when it is cleared (arena_guard). Errors:
//  internal: the store was changed by somebody else, or the master key is another.
int vault_open (vault_t *self, const company_key_t *key, const secret_version_t *version,
                arena_t *arena, berth_bytes_t *ret_value, berth_error_t *err);

#endif
