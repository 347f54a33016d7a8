//  secrets_rekey.c - owns the change of the master key while work goes on.
//
//  The new key is in the file, in front of the old one, before anything is sealed by it; the old one
//  goes behind the commit. Killed in between, both are there, and the next start says which is which.

#include "secrets_inside.h"

#include "codec.h"
#include "key.h"
#include "log.h"

#include <string.h>

int
secrets_check_keys (const context_t *context, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    own (store_txn) txn = NULL;
    store_walk_t walk;
    company_key_t key;
    if (!context->vault)
        return 0;
    if (store_read (context->store, &txn, err)
        || walk_begin (&walk, txn, INDEX_COMPANY_KEY_LIST, NULL, NULL, err))
        return -1;
    int rc;
    while ((rc = walk_next (&walk, arena, &key, err)) == 0)
        if (!vault_has (context->vault, key.master)) {
            walk_end (&walk);
            berth_error_set (err->remedy, sizeof err->remedy, "bring back the master key %s: %s", key.master,
                             context->master_path ? context->master_path : "where it was configured");
            return berth_fail (err, BERTH_FORBIDDEN, "the secrets of company '%s' are sealed by another "
                               "master key than the one that is there; nothing was changed", key.company);
        }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

//  Companies are at most as many as have secrets, a key is a hundred bytes: one transaction.
static int
s_reseal (const context_t *context, const request_t *req, store_txn_t *txn, uint64_t *ret_count,
          berth_error_t *err)
{
    const char *after = NULL;
    *ret_count = 0;
    while (true) {
        store_walk_t walk;
        company_key_t key, sealed;
        if (walk_begin (&walk, txn, INDEX_COMPANY_KEY_LIST, NULL, after, err))
            return -1;
        int rc = walk_next (&walk, req->arena, &key, err);
        after = rc == 0 ? walk_cursor (&walk, req->arena) : NULL;
        walk_end (&walk);
        if (rc)
            return rc < 0 ? -1 : 0;
        if (strcmp (key.master, vault_id (context->vault)) == 0)
            continue;
        if (vault_reseal (context->vault, &key, req->arena, &sealed, err))
            return -1;
        sealed.updated_at = req->now_ms;
        if (company_key_put (txn, req->arena, &sealed, err))
            return -1;
        ++*ret_count;
    }
}

static void
s_retire (void *me, const request_t *req, const void *what, effects_t *fx)
{
    (void) req;
    (void) what;
    (void) fx;
    secrets_t *self = me;
    berth_error_t err = { 0 };
    if (vault_retire (self->context->vault, self->context->master_path, &err))
        log_fault ("secrets", "retiring a master key", &err);
}

int
secrets_rekey (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    secrets_t *self = me;
    const context_t *context = self->context;
    if (!context->vault)
        return berth_fail (err, BERTH_UNSUPPORTED, "this service keeps no secrets");
    if (!context->master_path) {
        berth_error_set (err->remedy, sizeof err->remedy, "put the new key in front of the old one there, "
                         "and start the service anew");
        return berth_fail (err, BERTH_UNSUPPORTED, "the master key was given to this service from "
                           "outside: it cannot change it");
    }
    secret_rekeyed_t answer = { .companies = 0 };
    if (vault_make (context->vault, context->master_path, err)
        || s_reseal (context, req, txn, &answer.companies, err))
        return -1;
    answer.master = arena_string (req->arena, vault_id (context->vault));
    activity_note_t note = activity_note (req, ACTION_SECRETS_REKEYED, BERTH_SERVICE_COMPANY, "bus", NULL,
                                          NULL, berth_pack (&secret_rekeyed_schema, &answer, req->arena));
    if (activity_add (txn, req->arena, &note, err))
        return -1;
    effects_call (fx, req, s_retire, self, NULL);
    effects_reply (fx, req, &secret_rekeyed_schema, &answer);
    return 0;
}
