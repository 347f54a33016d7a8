//  secrets_company.c - the secrets of a company that is being deleted, and the key that sealed them.

#include "secrets_inside.h"

#include "company.h"

static int
s_clear (void *self, const request_t *req, store_txn_t *txn, effects_t *fx, void *row,
         company_cleared_t *cleared, berth_error_t *err)
{
    (void) self;
    (void) fx;
    cleared->removed++;
    return secret_destroy (req, txn, row, err);
}

int
secrets_clear (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const company_clear_t *ask = req->body;
    store_key_t prefix = { 0 };
    key_text (&prefix, ask->company);
    if (company_clear_rows (me, req, txn, fx, TABLE_SECRETS, INDEX_SECRET_LIST, false, s_clear, err))
        return -1;
    return index_entries (txn, INDEX_SECRET_LIST, &prefix) ? 0      //  More of them wait for it
         : company_key_del (txn, req->arena, ask->company, err);
}
