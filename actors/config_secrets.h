//  config_secrets.h - which fields of a provider's config are secrets, and where their reference stands.
//
//  A field that the provider's schema marks SECRET. If the schema has NAMESecretRef beside it, the row
//  keeps {type: secret_ref, secretId, version} there (ssh: privateKeySecretRef), and that is the path it
//  is bound at; else the field itself holds the secret's id (Paperclip: reference, section 9).

#ifndef BERTH_CONFIG_SECRETS_H_INCLUDED
#define BERTH_CONFIG_SECRETS_H_INCLUDED

#include "arena.h"
#include "provider.h"

enum { CONFIG_SECRETS_MAX = 16 };

typedef struct {
    const char *field;              //  privateKey
    const char *path;               //  privateKeySecretRef, or the field itself
    bool apart;                     //  The two differ
} config_secret_t;

//  Those of a provider, at most CONFIG_SECRETS_MAX: how many.
size_t config_secrets (const provider_t *provider, arena_t *arena,
                       config_secret_t ret_secrets [CONFIG_SECRETS_MAX]);

//  The secret that a config refers to for one of them: its id (NULL: none) and version (0: the latest).
const char *config_secret_id (const config_secret_t *secret, berth_bytes_t config, arena_t *arena,
                              uint64_t *ret_version);

#endif
