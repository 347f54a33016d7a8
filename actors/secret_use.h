//  secret_use.h - how a value comes out: for exactly one use, by a binding, with an entry of it.
//
//  The only way to a value (Paperclip: reference, section 9, "Resolution"). It goes into a place or to
//  a provider, never into a reply, a row, an entry or a log.

#ifndef BERTH_SECRET_USE_H_INCLUDED
#define BERTH_SECRET_USE_H_INCLUDED

#include "actor.h"
#include "vault.h"

//  One that may have it bound: "the environment E".
typedef struct {
    secret_target_t type;
    const char *id;                 //  NULL: there is none
} secret_user_t;

typedef struct {
    const char *company;            //  Whose work it is
    const char *secret;
    uint64_t version;               //  0: as the binding says
    const char *path;               //  env.NPM_TOKEN, privateKeySecretRef
    const secret_user_t *users;     //  The first whose binding is there decides
    size_t users_count;
    const char *run, *issue;        //  For the entry; NULL: none
} secret_use_t;

//  Opens the value, in req->arena, which is wiped when it is cleared; and writes one entry of the use,
//  also of one that was refused: a handler that fails then answers by effects_fail () and returns 0,
//  so that the entry stands. Errors: not_found, conflict (not active, not bound), unsupported (no
//  vault), internal (it does not open).
int secret_use (vault_t *vault, const request_t *req, store_txn_t *txn, const secret_use_t *use,
                berth_bytes_t *ret_value, berth_error_t *err);

//  The two halves of it, for a thread that has only a snapshot: secret_look () opens the value in `arena`
//  and says in *ret_event what is to be entered (its `secret` is NULL: nothing); secret_enter () does, in
//  a write transaction.
int secret_look (vault_t *vault, store_txn_t *txn, arena_t *arena, const secret_use_t *use,
                 secret_event_t *ret_event, berth_bytes_t *ret_value, berth_error_t *err);
int secret_enter (const request_t *req, store_txn_t *txn, secret_event_t *event, berth_error_t *err);

#endif
