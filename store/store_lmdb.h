//  store_lmdb.h - what the files of store/ share: the transaction over LMDB. For store/ only.

#ifndef BERTH_STORE_LMDB_H_INCLUDED
#define BERTH_STORE_LMDB_H_INCLUDED

#include "arena.h"
#include "ids.h"
#include "schema.h"
#include "store.h"

#include <lmdb.h>
#include <stdatomic.h>

#define STORE_MAGIC     0x5703e001u
#define STORE_TXN_MAGIC 0x5703e002u

//  One LMDB database each; MAIN is the one that names the others, and is rewritten by every commit:
//  the counters stand in it, because there they cost no page. All secondary indexes share INDEX,
//  told apart by their first byte. FINDER leads to entries of the log, FLOORS has what stood before
//  the first entry that is kept.
typedef enum {
    DB_MAIN, DB_META, DB_ENVIRONMENTS, DB_WORKSPACES, DB_LEASES, DB_RUNS, DB_EXECS, DB_INDEX, DB_ACTIVITY,
    DB_HEADS, DB_FINDER, DB_FLOORS, DB_KEYS, DB_USAGE, DB_PRINCIPALS, DB_HOLDS, DB_SWEEPS,
    DB_SUSPECTS,
    DB_SECRETS, DB_SECRET_VERSIONS, DB_SECRET_BINDINGS, DB_SECRET_EVENTS, DB_COMPANY_KEYS,
    DB_COMPANIES, DB_COUNT
} store_db_t;

//  The end of a company's activity.
typedef struct {
    char company [65];              //  "" for none
    uint64_t company_seq;
    int64_t latest_ms;              //  The latest time of any entry so far
    uint8_t hash [32];
} store_head_t;

//  The row that was read last, so that a put of it need not read it again to move its indexes: a copy of
//  the struct, whose strings live in an arena as long as that has this age.
typedef struct {
    const berth_schema_t *schema;   //  NULL: none
    store_key_t key;
    void *row;
    size_t room;
    const arena_t *arena;
    uint64_t age;
} store_read_t;

//  One record, read and written whole.
enum { STORE_STATES = 16 };
typedef struct {
    uint64_t seq;                   //  Last of the activity log
    uint64_t generation;            //  Last fencing number
    uint64_t leases [STORE_STATES], runs [STORE_STATES], execs [STORE_STATES];    //  Rows by state
    uint64_t found;                 //  Last entry of the log that FINDER leads to
} store_counters_t;

struct store {
    uint32_t magic;
    MDB_env *env;
    MDB_dbi dbis [DB_COUNT];
    char folder [4200];
    char install [BERTH_ID_SIZE];
    char former [BERTH_ID_SIZE];    //  "": this is no restored one
    uint64_t max_bytes;
    uint64_t epoch;
    uint64_t keys_max;
    bool older_keys;                //  Some idempotency keys have the form of before
    bool reserved_less;
    bool restored;                  //  This open was the first of a backup
    //  Room: see store_space.c
    uint64_t reserve;               //  Bytes to be had without asking the disk; 0: it can't promise any
    atomic_uint_fast64_t held;      //  Bytes of the file that have blocks
    uint64_t written;               //  Bytes of the file that were written, were it with zeros
    atomic_int_fast64_t asked_ms;   //  When the disk refused last, monotonic; 0: it did not
    atomic_int fill;                //  store_fill_t as of the last look
    atomic_int_fast64_t backup_ms;  //  Since when a backup runs, monotonic; 0: none
    atomic_uint_fast64_t backup_bytes;
};

struct store_txn {
    uint32_t magic;
    store_t *store;
    MDB_txn *txn;
    store_txn_t *parent;            //  Of a child
    bool writes_allowed;
    uint64_t writes;                //  Puts and deletes
    store_counters_t counters;      //  Of a write transaction
    bool counters_changed;
    store_sees_fn *sees;            //  NULL: every company
    void *sees_context;
    store_head_t head;              //  Of the company that wrote last, so that it need not be read
    store_read_t read;              //  Of a write transaction; a child has its own
};

MDB_dbi store_dbi (const store_txn_t *txn, store_db_t db);
uint64_t store_keys_max (const store_txn_t *txn);

//  The name of a database; "" for MAIN.
const char *store_db_name (store_db_t db);

//  Begins a transaction: flags are LMDB's.
int store_txn_new (store_t *self, store_txn_t *parent, unsigned flags, store_txn_t **ret_txn,
                   berth_error_t *err);

//  Gets the bytes of a key: 0, 1 if there is none, or -1. Valid until the next write.
int store_raw_get (store_txn_t *txn, store_db_t db, const store_key_t *key, berth_bytes_t *ret_value,
                   berth_error_t *err);
int store_raw_put (store_txn_t *txn, store_db_t db, const store_key_t *key, berth_bytes_t value,
                   berth_error_t *err);
//  Deleting what is not there is fine.
int store_raw_del (store_txn_t *txn, store_db_t db, const store_key_t *key, berth_error_t *err);

//  The first key at or behind `from` (size 0: of all), and its value: 0, 1 if there is none, or -1.
//  *ret_value is valid until the next write.
int store_raw_seek (store_txn_t *txn, store_db_t db, const store_key_t *from, store_key_t *ret_key,
                    berth_bytes_t *ret_value, berth_error_t *err);
//  The last key.
int store_raw_last (store_txn_t *txn, store_db_t db, store_key_t *ret_key, berth_bytes_t *ret_value,
                    berth_error_t *err);

//  Numbers of the meta table; 0 if there is none.
store_key_t store_meta_key (const char *name);
uint64_t store_meta_number (store_txn_t *txn, const char *name);
int store_put_meta_number (store_txn_t *txn, const char *name, uint64_t number, berth_error_t *err);

//  The counters as this transaction sees them; of one that writes they may be changed (then
//  counters_changed is to be set).
const store_counters_t *store_counters (store_txn_t *txn);

//  Reads them: for a transaction that was not made by store_begin.
void store_load_counters (store_txn_t *txn);

//  Opens every table.
int store_open_dbis (store_t *self, MDB_txn *txn, unsigned flags, berth_error_t *err);

//  Fails with what an LMDB code means: store_full, or internal.
int store_fail (berth_error_t *err, int rc, const char *doing);

//  Brings a store of an older schema up to STORE_SCHEMA, in one transaction.
int store_migrate (store_txn_t *txn, uint64_t from, berth_error_t *err);

//  Are idempotency keys of the older form among those that are remembered?
int retries_look (store_txn_t *txn, bool *ret_older, berth_error_t *err);

//  Finds out, when it is opened, what reserve a store is to have and has.
void store_find_reserve (store_t *self);

//  Sees to it, in a write transaction, that the next ones need not ask the disk, and that this one finds
//  blocks that were written before.
void store_hold_reserve (store_t *self);

//  A folder's entries are on disk.
void store_sync_folder (const char *path);

//  Removes a folder that a store was being made in.
void store_remove_fresh (const char *fresh);

//  Gives every entry its place in the finder and its company's latest time (migration).
int activity_reindex (store_txn_t *txn, berth_error_t *err);

#endif
