//  secrets.h - the actor of company secrets: their rows, versions and bindings (DESIGN section 5;
//  Paperclip: reference, 1.5 and 9). Values come in and are sealed at once; they leave by secret_use.h
//  only.

#ifndef BERTH_SECRETS_H_INCLUDED
#define BERTH_SECRETS_H_INCLUDED

#include "actor.h"
#include "context.h"

typedef struct secrets secrets_t;

//  Errors: internal, forbidden: a store whose secrets are sealed by a master key that is not there;
//  nothing is written then.
secrets_t *secrets_new (const context_t *context, berth_error_t *err);
void secrets_actor (zsock_t *pipe, void *args);
void secrets_destroy (secrets_t **self_p);
actor_t *secrets_kit (secrets_t *self);             //  For tests

//  ---- secret_rows.c: for whoever keeps a value in a transaction of its own (the registry does, for
//  typed keys of an environment), by the same rules

typedef struct {
    const char *id;                 //  NULL: a new one
    const char *company, *name, *key, *description;     //  key: NULL: made from the name
    berth_bytes_t value;
} secret_fresh_t;

//  Makes a secret with its first version and its entry. Errors: conflict (name, key or id is taken),
//  busy (the company has too many), invalid_request (key), unsupported (no vault).
int secret_make (vault_t *vault, const request_t *req, store_txn_t *txn, const secret_fresh_t *fresh,
                 secret_t *ret_row, berth_error_t *err);

//  Its next version.
int secret_turn (vault_t *vault, const request_t *req, store_txn_t *txn, secret_t *row,
                 berth_bytes_t value, berth_error_t *err);

//  Destroys it with all versions and bindings.
int secret_destroy (const request_t *req, store_txn_t *txn, const secret_t *row, berth_error_t *err);

//  Binds it to a target's path, in place of what was bound there if `replace`. Errors: conflict.
int secret_attach (const request_t *req, store_txn_t *txn, const secret_t *row,
                   const secret_bind_t *ask, secret_binding_t *ret_binding, berth_error_t *err);

//  Takes a binding away.
int secret_detach (const request_t *req, store_txn_t *txn, const secret_binding_t *binding,
                   berth_error_t *err);

//  How many bindings name a secret.
uint64_t secret_references (store_txn_t *txn, const char *id);

#endif
