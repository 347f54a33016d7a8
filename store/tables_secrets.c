//  tables_secrets.c - the typed functions of secrets, their versions, bindings, uses and keys.

#include "tables_inside.h"

int
secret_get (store_txn_t *txn, arena_t *arena, const char *id, secret_t *ret_row, berth_error_t *err)
{
    secret_t like = { .id = id };
    int rc = table_find (txn, arena, TABLE_SECRETS, &like, ret_row, err);
    return rc > 0 ? berth_fail (err, BERTH_NOT_FOUND, "no secret '%s'", id) : rc;
}

int
secret_version_find (store_txn_t *txn, arena_t *arena, const char *secret, uint64_t version,
                     secret_version_t *ret_row, berth_error_t *err)
{
    secret_version_t like = { .secret = secret, .version = version };
    return table_find (txn, arena, TABLE_SECRET_VERSIONS, &like, ret_row, err);
}

int
secret_binding_find (store_txn_t *txn, arena_t *arena, const char *company, secret_target_t type,
                     const char *target, const char *path, secret_binding_t *ret_row,
                     berth_error_t *err)
{
    secret_binding_t like = { .company = company, .target_type = type, .target = target, .path = path };
    return table_find (txn, arena, TABLE_SECRET_BINDINGS, &like, ret_row, err);
}

int
company_key_find (store_txn_t *txn, arena_t *arena, const char *company, company_key_t *ret_row,
                  berth_error_t *err)
{
    company_key_t like = { .company = company };
    return table_find (txn, arena, TABLE_COMPANY_KEYS, &like, ret_row, err);
}

int
secret_put (store_txn_t *txn, arena_t *arena, const secret_t *row, berth_error_t *err)
{
    return table_put (txn, arena, TABLE_SECRETS, row, err);
}

int
secret_version_put (store_txn_t *txn, arena_t *arena, const secret_version_t *row, berth_error_t *err)
{
    return table_put (txn, arena, TABLE_SECRET_VERSIONS, row, err);
}

int
secret_binding_put (store_txn_t *txn, arena_t *arena, const secret_binding_t *row, berth_error_t *err)
{
    return table_put (txn, arena, TABLE_SECRET_BINDINGS, row, err);
}

int
secret_event_put (store_txn_t *txn, arena_t *arena, const secret_event_t *row, berth_error_t *err)
{
    return table_put (txn, arena, TABLE_SECRET_EVENTS, row, err);
}

int
company_key_put (store_txn_t *txn, arena_t *arena, const company_key_t *row, berth_error_t *err)
{
    return table_put (txn, arena, TABLE_COMPANY_KEYS, row, err);
}

int
secret_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err)
{
    secret_t like = { .id = id };
    return table_del (txn, arena, TABLE_SECRETS, &like, err);
}

int
secret_event_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err)
{
    secret_event_t like = { .id = id };
    return table_del (txn, arena, TABLE_SECRET_EVENTS, &like, err);
}

int
secret_version_del (store_txn_t *txn, arena_t *arena, const secret_version_t *row, berth_error_t *err)
{
    return table_del (txn, arena, TABLE_SECRET_VERSIONS, row, err);
}

int
secret_binding_del (store_txn_t *txn, arena_t *arena, const secret_binding_t *row, berth_error_t *err)
{
    return table_del (txn, arena, TABLE_SECRET_BINDINGS, row, err);
}
