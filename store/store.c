//  store.c - owns transactions, raw access to the databases, and the counters.

#include "store_lmdb.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const s_names [DB_COUNT] = {
    [DB_MAIN] = NULL, [DB_META] = "meta", [DB_ENVIRONMENTS] = "environments", [DB_WORKSPACES] = "workspaces",
    [DB_LEASES] = "leases", [DB_RUNS] = "runs", [DB_EXECS] = "execs", [DB_INDEX] = "index",
    [DB_ACTIVITY] = "activity", [DB_HEADS] = "heads",
    [DB_FINDER] = "finder", [DB_FLOORS] = "floors", [DB_KEYS] = "keys", [DB_USAGE] = "usage",
    [DB_PRINCIPALS] = "principals",
    [DB_HOLDS] = "holds", [DB_SWEEPS] = "sweeps", [DB_SUSPECTS] = "suspects",
    [DB_SECRETS] = "secrets", [DB_SECRET_VERSIONS] = "secretVersions",
    [DB_SECRET_BINDINGS] = "secretBindings", [DB_SECRET_EVENTS] = "secretEvents",
    [DB_COMPANY_KEYS] = "companyKeys", [DB_COMPANIES] = "companies"
};

int
store_fail (berth_error_t *err, int rc, const char *doing)
{
    if (rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT)
        return berth_fail (err, BERTH_STORE_FULL, "the store is full while %s: %s", doing,
                           mdb_strerror (rc));
    return berth_fail (err, BERTH_INTERNAL, "the store failed while %s: %s", doing,
                       mdb_strerror (rc));
}

const char *
store_db_name (store_db_t db)
{
    return s_names [db] ? s_names [db] : "";
}

int
store_open_dbis (store_t *self, MDB_txn *txn, unsigned flags, berth_error_t *err)
{
    for (int db = 0; db < DB_COUNT; db++) {
        int rc = mdb_dbi_open (txn, s_names [db], flags, &self->dbis [db]);
        if (rc)
            return store_fail (err, rc, "opening a table");
    }
    return 0;
}

MDB_dbi
store_dbi (const store_txn_t *txn, store_db_t db)
{
    return txn->store->dbis [db];
}

uint64_t
store_keys_max (const store_txn_t *txn)
{
    return txn->store->keys_max ? txn->store->keys_max : STORE_KEYS_MAX;
}

void
store_set_keys_max (store_t *self, uint64_t count)
{
    CHECK (self, STORE_MAGIC);
    self->keys_max = count;
}

//  ---- raw access

int
store_raw_get (store_txn_t *txn, store_db_t db, const store_key_t *key, berth_bytes_t *ret_value,
               berth_error_t *err)
{
    CHECK (txn, STORE_TXN_MAGIC);
    MDB_val at = { key->size, (void *) key->data }, value;
    int rc = mdb_get (txn->txn, store_dbi (txn, db), &at, &value);
    if (rc == MDB_NOTFOUND)
        return 1;
    if (rc)
        return store_fail (err, rc, "reading");
    *ret_value = (berth_bytes_t) { value.mv_data, value.mv_size };
    return 0;
}

int
store_raw_put (store_txn_t *txn, store_db_t db, const store_key_t *key, berth_bytes_t bytes,
               berth_error_t *err)
{
    CHECK (txn, STORE_TXN_MAGIC);
    ENSURE (txn->writes_allowed);
    MDB_val at = { key->size, (void *) key->data };
    MDB_val value = { bytes.size, (void *) bytes.data };
    txn->writes++;
    int rc = mdb_put (txn->txn, store_dbi (txn, db), &at, &value, 0);
    return rc ? store_fail (err, rc, "writing") : 0;
}

int
store_raw_del (store_txn_t *txn, store_db_t db, const store_key_t *key, berth_error_t *err)
{
    CHECK (txn, STORE_TXN_MAGIC);
    ENSURE (txn->writes_allowed);
    MDB_val at = { key->size, (void *) key->data };
    txn->writes++;
    int rc = mdb_del (txn->txn, store_dbi (txn, db), &at, NULL);
    return rc && rc != MDB_NOTFOUND ? store_fail (err, rc, "deleting") : 0;
}

//  Copies what a cursor stands at; takes the code that brought it there.
static int
s_found (int rc, const MDB_val *at, const MDB_val *value, store_key_t *ret_key,
         berth_bytes_t *ret_value, berth_error_t *err)
{
    if (rc == MDB_NOTFOUND)
        return 1;
    if (rc)
        return store_fail (err, rc, "reading");
    ENSURE (at->mv_size <= sizeof ret_key->data);
    ret_key->size = at->mv_size;
    memcpy (ret_key->data, at->mv_data, at->mv_size);
    if (ret_value)
        *ret_value = (berth_bytes_t) { value->mv_data, value->mv_size };
    return 0;
}

static int
s_seek (store_txn_t *txn, store_db_t db, const store_key_t *from, MDB_cursor_op how,
        store_key_t *ret_key, berth_bytes_t *ret_value, berth_error_t *err)
{
    CHECK (txn, STORE_TXN_MAGIC);
    MDB_cursor *cursor;
    int rc = mdb_cursor_open (txn->txn, store_dbi (txn, db), &cursor);
    if (rc)
        return store_fail (err, rc, "reading");
    MDB_val at = { 0, NULL }, value = { 0, NULL };
    if (from)
        at = (MDB_val) { from->size, (void *) from->data };
    rc = mdb_cursor_get (cursor, &at, &value, how);
    rc = s_found (rc, &at, &value, ret_key, ret_value, err);
    mdb_cursor_close (cursor);
    return rc;
}

int
store_raw_seek (store_txn_t *txn, store_db_t db, const store_key_t *from, store_key_t *ret_key,
                berth_bytes_t *ret_value, berth_error_t *err)
{
    bool whole = !from || from->size == 0;
    return s_seek (txn, db, whole ? NULL : from, whole ? MDB_FIRST : MDB_SET_RANGE, ret_key,
                   ret_value, err);
}

int
store_raw_last (store_txn_t *txn, store_db_t db, store_key_t *ret_key, berth_bytes_t *ret_value,
                berth_error_t *err)
{
    return s_seek (txn, db, NULL, MDB_LAST, ret_key, ret_value, err);
}

//  ---- numbers and texts of the meta table

store_key_t
store_meta_key (const char *name)
{
    store_key_t key = { 0 };
    key_text (&key, name);
    return key;
}

uint64_t
store_meta_number (store_txn_t *txn, const char *name)
{
    store_key_t key = store_meta_key (name);
    berth_bytes_t value;
    uint64_t number = 0;
    if (store_raw_get (txn, DB_META, &key, &value, NULL) == 0 && value.size == sizeof number)
        memcpy (&number, value.data, sizeof number);
    return number;
}

int
store_put_meta_number (store_txn_t *txn, const char *name, uint64_t number, berth_error_t *err)
{
    store_key_t key = store_meta_key (name);
    return store_raw_put (txn, DB_META, &key,
                          (berth_bytes_t) { (const uint8_t *) &number, sizeof number }, err);
}

//  ---- the counters, in one record

static store_counters_t
s_counters (store_txn_t *txn)
{
    store_key_t key = store_meta_key ("counters");
    berth_bytes_t value;
    store_counters_t counters = { 0 };
    //  Of an older schema it is shorter: what is missing is counted when it is migrated
    if (store_raw_get (txn, DB_MAIN, &key, &value, NULL) == 0 && value.size <= sizeof counters)
        memcpy (&counters, value.data, value.size);
    return counters;
}

static int
s_put_counters (store_txn_t *txn, berth_error_t *err)
{
    store_key_t key = store_meta_key ("counters");
    return store_raw_put (txn, DB_MAIN, &key,
                          (berth_bytes_t) { (const uint8_t *) &txn->counters,
                                            sizeof txn->counters }, err);
}

void
store_load_counters (store_txn_t *txn)
{
    txn->counters = s_counters (txn);
}

const store_counters_t *
store_counters (store_txn_t *txn)
{
    if (!txn->writes_allowed)
        txn->counters = s_counters (txn);
    return &txn->counters;
}

//  ---- transactions

int
store_txn_new (store_t *self, store_txn_t *parent, unsigned flags, store_txn_t **ret_txn,
               berth_error_t *err)
{
    CHECK (self, STORE_MAGIC);
    store_txn_t *txn = calloc (1, sizeof *txn);
    ENSURE (txn);
    txn->magic = STORE_TXN_MAGIC;
    txn->store = self;
    txn->parent = parent;
    txn->writes_allowed = !(flags & MDB_RDONLY);
    int rc = mdb_txn_begin (self->env, parent ? parent->txn : NULL, flags, &txn->txn);
    if (rc) {
        free (txn);
        return store_fail (err, rc, "beginning a transaction");
    }
    *ret_txn = txn;
    return 0;
}

void
store_confine (store_txn_t *txn, store_sees_fn *sees, void *context)
{
    CHECK (txn, STORE_TXN_MAGIC);
    txn->sees = sees;
    txn->sees_context = context;
}

int
store_begin (store_t *self, store_txn_t **ret_txn, berth_error_t *err)
{
    if (store_txn_new (self, NULL, 0, ret_txn, err))
        return -1;
    (*ret_txn)->counters = s_counters (*ret_txn);
    store_hold_reserve (self);
    return 0;
}

int
store_read (store_t *self, store_txn_t **ret_txn, berth_error_t *err)
{
    if (store_txn_new (self, NULL, MDB_RDONLY, ret_txn, err))
        return -1;
    return 0;
}

int
store_child (store_txn_t *parent, store_txn_t **ret_txn, berth_error_t *err)
{
    CHECK (parent, STORE_TXN_MAGIC);
    if (store_txn_new (parent->store, parent, 0, ret_txn, err))
        return -1;
    (*ret_txn)->counters = parent->counters;
    (*ret_txn)->head = parent->head;
    return 0;
}

static int
s_commit_child (store_txn_t *txn, berth_error_t *err)
{
    int rc = mdb_txn_commit (txn->txn);
    txn->txn = NULL;
    if (rc)
        return store_fail (err, rc, "committing a part");
    txn->parent->counters = txn->counters;
    txn->parent->head = txn->head;
    txn->parent->writes += txn->writes;
    txn->parent->counters_changed |= txn->counters_changed;
    txn->parent->read.schema = NULL;            //  It may have written that row
    return 0;
}

static int
s_commit_whole (store_txn_t *txn, berth_error_t *err)
{
    if (txn->counters_changed && s_put_counters (txn, err))
        return -1;
    int rc = mdb_txn_commit (txn->txn);
    txn->txn = NULL;
    return rc ? store_fail (err, rc, "committing") : 0;
}

int
store_commit (store_txn_t **txn_p, berth_error_t *err)
{
    store_txn_t *txn = *txn_p;
    CHECK (txn, STORE_TXN_MAGIC);
    int rc = txn->parent ? s_commit_child (txn, err) : s_commit_whole (txn, err);
    store_txn_destroy (txn_p);
    return rc;
}

void
store_txn_destroy (store_txn_t **txn_p)
{
    store_txn_t *txn = *txn_p;
    if (!txn)
        return;
    CHECK (txn, STORE_TXN_MAGIC);
    if (txn->txn)
        mdb_txn_abort (txn->txn);
    txn->magic = 0;
    free (txn->read.row);
    free (txn);
    *txn_p = NULL;
}

uint64_t
store_writes (const store_txn_t *txn)
{
    return txn->writes;
}

uint64_t
store_next_generation (store_txn_t *txn)
{
    ENSURE (txn->writes_allowed);
    uint64_t floor = txn->store->epoch << 40;
    txn->counters.generation = (txn->counters.generation < floor ? floor : txn->counters.generation) + 1;
    txn->counters_changed = true;
    ENSURE (txn->counters.generation < 1ull << 53);
    return txn->counters.generation;
}

uint64_t
store_next_seq (store_txn_t *txn)
{
    ENSURE (txn->writes_allowed);
    txn->counters_changed = true;
    return ++txn->counters.seq;
}

uint64_t
store_last_seq (store_txn_t *txn)
{
    return store_counters (txn)->seq;
}

int
store_clear_readers (store_t *self)
{
    int dead = 0;
    return mdb_reader_check (self->env, &dead) ? 0 : dead;
}
