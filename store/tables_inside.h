//  tables_inside.h - the tables and indexes as data. For store/ only.

#ifndef BERTH_TABLES_INSIDE_H_INCLUDED
#define BERTH_TABLES_INSIDE_H_INCLUDED

#include "store_lmdb.h"
#include "tables.h"

typedef struct {
    const berth_schema_t *schema;
    store_db_t db;
    void (*key) (const void *row, store_key_t *key);
    const char *noun;
} table_row_t;
extern const table_row_t store_tables [TABLE_COUNT];

typedef struct {
    table_t table;
    bool (*key) (const void *row, store_key_t *key);    //  false leaves the row out
} index_row_t;
extern const index_row_t store_indexes [INDEX_COUNT];

//  An index's entry: its first byte, its key, the row's key; the value is the row's key. false: the
//  row has none there.
bool index_key (store_index_t index, const void *row, const store_key_t *row_key,
                store_key_t *ret_key);

//  Where rows of this state are counted; NULL: such rows are not.
uint64_t *table_counter (store_counters_t *counters, table_t table, const void *row);

//  For files of typed functions: the row of the same key as `like` (0, 1 if there is none or its company
//  is not seen, or -1), its put and del.
int table_find (store_txn_t *txn, arena_t *arena, table_t table, const void *like, void *ret_row,
                berth_error_t *err);
int table_put (store_txn_t *txn, arena_t *arena, table_t table, const void *row, berth_error_t *err);
int table_del (store_txn_t *txn, arena_t *arena, table_t table, const void *like, berth_error_t *err);

#endif
