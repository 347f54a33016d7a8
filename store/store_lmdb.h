//  store_lmdb.h - what the files of store/ share: the transaction over LMDB. For store/ only.

#ifndef BERTH_STORE_LMDB_H_INCLUDED
#define BERTH_STORE_LMDB_H_INCLUDED

#include "store.h"

#include <lmdb.h>

//  One LMDB database each; MAIN is the one that names the others, and is rewritten by every commit:
//  the counters stand in it, because there they cost no page. All secondary indexes share INDEX, told apart by their first byte.
typedef enum {
    DB_MAIN, DB_META, DB_ENVIRONMENTS, DB_WORKSPACES, DB_LEASES, DB_RUNS, DB_EXECS, DB_INDEX, DB_ACTIVITY,
    DB_HEADS, DB_KEYS, DB_USAGE, DB_COUNT
} store_db_t;

//  The end of a company's activity.
typedef struct {
    char company [65];              //  "" for none
    uint64_t company_seq;
    uint8_t hash [32];
} store_head_t;

struct store_txn {
    uint32_t magic;
    store_t *store;
    MDB_txn *txn;
    store_txn_t *parent;            //  Of a child
    bool writes_allowed;
    uint64_t writes;                //  Puts and deletes
    uint64_t seq;                   //  Last of the activity log
    uint64_t generation;            //  Last fencing number
    bool counters_changed;
    store_sees_fn *sees;            //  NULL: every company
    void *sees_context;
    store_head_t head;              //  Of the company that wrote last, so that it need not be read
};

MDB_dbi store_dbi (const store_txn_t *txn, store_db_t db);
uint64_t store_keys_max (const store_txn_t *txn);

//  Gets the bytes of a key: 0, 1 if there is none, or -1. Valid until the next write.
int store_raw_get (store_txn_t *txn, store_db_t db, const store_key_t *key, berth_bytes_t *ret_value,
                   berth_error_t *err);
int store_raw_put (store_txn_t *txn, store_db_t db, const store_key_t *key, berth_bytes_t value,
                   berth_error_t *err);
//  Deleting what is not there is fine.
int store_raw_del (store_txn_t *txn, store_db_t db, const store_key_t *key, berth_error_t *err);

//  Fails with what an LMDB code means: store_full, or internal.
int store_fail (berth_error_t *err, int rc, const char *doing);

//  Brings a store of an older schema up to STORE_SCHEMA, in one transaction.
int store_migrate (store_txn_t *txn, uint64_t from, berth_error_t *err);

#endif
