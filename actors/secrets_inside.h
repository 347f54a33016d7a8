//  secrets_inside.h - what the files of the secrets share. For them only.

#ifndef BERTH_SECRETS_INSIDE_H_INCLUDED
#define BERTH_SECRETS_INSIDE_H_INCLUDED

#include "secrets.h"

#define SECRETS_MAGIC 0x5ec4e701u

struct secrets {
    uint32_t magic;
    const context_t *context;
    actor_t *actor;
    int64_t forget_ms;              //  When to look for entries that were kept long enough, monotonic
};

//  Appends the entry of a change.
int secret_note (const request_t *req, store_txn_t *txn, const secret_t *row, action_t action,
                 const secret_binding_t *binding, berth_error_t *err);

//  Gives it a key, made from a text, and sees that its names are its own. Errors: conflict,
//  invalid_request.
int secret_name (const request_t *req, store_txn_t *txn, secret_t *row, const char *key,
                 berth_error_t *err);

//  ---- secrets_bind.c

handler_fn secrets_bind, secrets_unbind, secrets_sync, secrets_usage;

//  ---- secrets_events.c

handler_fn secrets_events, secrets_used, secrets_tick;
int64_t secrets_next_ms (void *self);

//  ---- secrets_company.c

handler_fn secrets_clear;

//  ---- secrets_rekey.c

handler_fn secrets_rekey;

//  Are the keys of all companies sealed by a master key that is there?
int secrets_check_keys (const context_t *context, berth_error_t *err);

#endif
