//  tables_company.c - typed functions of companies that are being deleted, and what only that needs.

#include "tables_inside.h"

int
company_removal_find (store_txn_t *txn, arena_t *arena, const char *company,
                      company_removal_t *ret_row, berth_error_t *err)
{
    company_removal_t like = { .id = company };
    return table_find (txn, arena, TABLE_COMPANIES, &like, ret_row, err);
}

int
company_removal_put (store_txn_t *txn, arena_t *arena, const company_removal_t *row,
                     berth_error_t *err)
{
    return table_put (txn, arena, TABLE_COMPANIES, row, err);
}

int
company_removal_del (store_txn_t *txn, arena_t *arena, const char *company, berth_error_t *err)
{
    company_removal_t like = { .id = company };
    return table_del (txn, arena, TABLE_COMPANIES, &like, err);
}

int
company_key_del (store_txn_t *txn, arena_t *arena, const char *company, berth_error_t *err)
{
    company_key_t like = { .company = company };
    return table_del (txn, arena, TABLE_COMPANY_KEYS, &like, err);
}

int
workspace_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err)
{
    workspace_t like = { .id = id };
    return table_del (txn, arena, TABLE_WORKSPACES, &like, err);
}

size_t
table_row_size (table_t table)
{
    return store_tables [table].schema->size;
}
