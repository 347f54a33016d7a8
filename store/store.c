//  store.c - owns the LMDB environment, its databases and counters.

#include "store_lmdb.h"

#include "ids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define STORE_MAGIC 0x5703e001u
#define TXN_MAGIC   0x5703e002u
#define DEFAULT_MAX (64ull << 30)
#define READERS_MAX 512

struct store {
    uint32_t magic;
    MDB_env *env;
    MDB_dbi dbis [DB_COUNT];
    char folder [4200];
    char install [BERTH_ID_SIZE];
    uint64_t max_bytes;
    uint64_t epoch;
    uint64_t keys_max;
    bool reserved_less;
};

static const char *const s_names [DB_COUNT] = {
    [DB_MAIN] = NULL, [DB_META] = "meta", [DB_ENVIRONMENTS] = "environments", [DB_WORKSPACES] = "workspaces",
    [DB_LEASES] = "leases", [DB_RUNS] = "runs", [DB_EXECS] = "execs", [DB_INDEX] = "index",
    [DB_ACTIVITY] = "activity", [DB_HEADS] = "heads", [DB_KEYS] = "keys",
    [DB_USAGE] = "usage"
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
    CHECK (txn, TXN_MAGIC);
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
    CHECK (txn, TXN_MAGIC);
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
    CHECK (txn, TXN_MAGIC);
    ENSURE (txn->writes_allowed);
    MDB_val at = { key->size, (void *) key->data };
    txn->writes++;
    int rc = mdb_del (txn->txn, store_dbi (txn, db), &at, NULL);
    return rc && rc != MDB_NOTFOUND ? store_fail (err, rc, "deleting") : 0;
}

//  ---- numbers and texts of the meta table

static store_key_t
s_meta_key (const char *name)
{
    store_key_t key = { 0 };
    key_text (&key, name);
    return key;
}

static uint64_t
s_meta_number (store_txn_t *txn, const char *name)
{
    store_key_t key = s_meta_key (name);
    berth_bytes_t value;
    uint64_t number = 0;
    if (store_raw_get (txn, DB_META, &key, &value, NULL) == 0 && value.size == sizeof number)
        memcpy (&number, value.data, sizeof number);
    return number;
}

static int
s_put_meta_number (store_txn_t *txn, const char *name, uint64_t number, berth_error_t *err)
{
    store_key_t key = s_meta_key (name);
    return store_raw_put (txn, DB_META, &key,
                          (berth_bytes_t) { (const uint8_t *) &number, sizeof number }, err);
}

//  ---- the counters, in one record

typedef struct {
    uint64_t seq, generation;
} counters_t;

static counters_t
s_counters (store_txn_t *txn)
{
    store_key_t key = s_meta_key ("counters");
    berth_bytes_t value;
    counters_t counters = { 0 };
    if (store_raw_get (txn, DB_MAIN, &key, &value, NULL) == 0 && value.size == sizeof counters)
        memcpy (&counters, value.data, sizeof counters);
    return counters;
}

static int
s_put_counters (store_txn_t *txn, berth_error_t *err)
{
    store_key_t key = s_meta_key ("counters");
    counters_t counters = { txn->seq, txn->generation };
    return store_raw_put (txn, DB_MAIN, &key,
                          (berth_bytes_t) { (const uint8_t *) &counters, sizeof counters }, err);
}

//  ---- transactions

static int
s_txn (store_t *self, store_txn_t *parent, unsigned flags, store_txn_t **ret_txn, berth_error_t *err)
{
    CHECK (self, STORE_MAGIC);
    store_txn_t *txn = calloc (1, sizeof *txn);
    ENSURE (txn);
    txn->magic = TXN_MAGIC;
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
    CHECK (txn, TXN_MAGIC);
    txn->sees = sees;
    txn->sees_context = context;
}

int
store_begin (store_t *self, store_txn_t **ret_txn, berth_error_t *err)
{
    if (s_txn (self, NULL, 0, ret_txn, err))
        return -1;
    counters_t counters = s_counters (*ret_txn);
    (*ret_txn)->seq = counters.seq;
    (*ret_txn)->generation = counters.generation;
    return 0;
}

int
store_read (store_t *self, store_txn_t **ret_txn, berth_error_t *err)
{
    if (s_txn (self, NULL, MDB_RDONLY, ret_txn, err))
        return -1;
    return 0;
}

int
store_child (store_txn_t *parent, store_txn_t **ret_txn, berth_error_t *err)
{
    CHECK (parent, TXN_MAGIC);
    if (s_txn (parent->store, parent, 0, ret_txn, err))
        return -1;
    (*ret_txn)->seq = parent->seq;
    (*ret_txn)->generation = parent->generation;
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
    txn->parent->seq = txn->seq;
    txn->parent->generation = txn->generation;
    txn->parent->head = txn->head;
    txn->parent->writes += txn->writes;
    txn->parent->counters_changed |= txn->counters_changed;
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
    CHECK (txn, TXN_MAGIC);
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
    CHECK (txn, TXN_MAGIC);
    if (txn->txn)
        mdb_txn_abort (txn->txn);
    txn->magic = 0;
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
    txn->generation = (txn->generation < floor ? floor : txn->generation) + 1;
    txn->counters_changed = true;
    ENSURE (txn->generation < 1ull << 53);
    return txn->generation;
}

uint64_t
store_next_seq (store_txn_t *txn)
{
    ENSURE (txn->writes_allowed);
    txn->counters_changed = true;
    return ++txn->seq;
}

uint64_t
store_last_seq (store_txn_t *txn)
{
    return txn->writes_allowed ? txn->seq : s_counters (txn).seq;
}

//  ---- opening

static uint64_t
s_reservation (uint64_t wanted, bool *ret_less)
{
    struct rlimit space;
    uint64_t bytes = wanted ? wanted : DEFAULT_MAX;
    *ret_less = false;
    if (getrlimit (RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY
        && bytes > space.rlim_cur / 2) {
        bytes = space.rlim_cur / 2;
        *ret_less = true;
    }
    uint64_t page = (uint64_t) sysconf (_SC_PAGESIZE);
    return bytes / page * page;
}

static int
s_open_env (store_t *self, const char *path, berth_error_t *err)
{
    int rc = mdb_env_create (&self->env);
    if (rc == 0)
        rc = mdb_env_set_mapsize (self->env, self->max_bytes);
    if (rc == 0)
        rc = mdb_env_set_maxdbs (self->env, DB_COUNT);
    if (rc == 0)
        rc = mdb_env_set_maxreaders (self->env, READERS_MAX);
    if (rc == 0)
        rc = mdb_env_open (self->env, path, MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (rc == EACCES || rc == EROFS || rc == EPERM)
        return berth_fail (err, BERTH_FORBIDDEN, "the store in %s cannot be opened for writing: %s",
                           path, mdb_strerror (rc));
    if (rc == ENOMEM)
        return berth_fail (err, BERTH_INTERNAL,
                           "%llu bytes of address space for the store could not be reserved",
                           (unsigned long long) self->max_bytes);
    return rc ? store_fail (err, rc, "opening it") : 0;
}

static int
s_open_dbis (store_t *self, MDB_txn *txn, unsigned flags, berth_error_t *err)
{
    for (int db = 0; db < DB_COUNT; db++) {
        int rc = mdb_dbi_open (txn, s_names [db], flags, &self->dbis [db]);
        if (rc)
            return store_fail (err, rc, "opening a table");
    }
    return 0;
}

//  First contents: tables, schema, install id, epoch 1.
static int
s_found (store_t *self, berth_error_t *err)
{
    own (store_txn) txn = NULL;
    if (s_txn (self, NULL, 0, &txn, err) || s_open_dbis (self, txn->txn, MDB_CREATE, err))
        return -1;
    char install [BERTH_ID_SIZE];
    berth_id_new (install);
    store_key_t key = s_meta_key ("install");
    if (store_raw_put (txn, DB_META, &key, (berth_bytes_t) { (uint8_t *) install, 36 }, err)
        || s_put_meta_number (txn, "schema", STORE_SCHEMA, err)
        || s_put_meta_number (txn, "epoch", 1, err))
        return -1;
    return store_commit (&txn, err);
}

static void
s_sync_folder (const char *path)
{
    int folder = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void) fsync (folder);      //  A file system that can't sync a folder has nothing to sync
        close (folder);
    }
}

//  Best effort: a leftover of another process is named store.new-* and ignored.
static void
s_remove_fresh (const char *fresh)
{
    char file [4300];
    snprintf (file, sizeof file, "%s/data.mdb", fresh);
    (void) unlink (file);
    snprintf (file, sizeof file, "%s/lock.mdb", fresh);
    (void) unlink (file);
    (void) rmdir (fresh);
}

static int
s_create (const char *folder, const char *path, uint64_t max_bytes, berth_error_t *err)
{
    char fresh [4200];
    snprintf (fresh, sizeof fresh, "%s/store.new-%d", folder, (int) getpid ());
    s_remove_fresh (fresh);             //  In a container every start may have the same pid
    if (mkdir (fresh, 0700))
        return berth_fail_errno (err, errno == EROFS || errno == EACCES ? BERTH_FORBIDDEN
                                    : errno == ENOSPC ? BERTH_STORE_FULL : BERTH_INTERNAL,
                                 "cannot make the store in %s", folder);
    store_t self = { .magic = STORE_MAGIC, .max_bytes = max_bytes };
    int rc = s_open_env (&self, fresh, err);
    if (rc == 0)
        rc = s_found (&self, err);
    if (self.env)
        mdb_env_close (self.env);
    if (rc == 0) {
        s_sync_folder (fresh);
        if (rename (fresh, path))
            rc = berth_fail_errno (err, BERTH_INTERNAL, "cannot rename the new store to %s", path);
        s_sync_folder (folder);
    }
    if (rc)
        s_remove_fresh (fresh);
    return rc;
}

static int
s_identify (store_t *self, berth_error_t *err)
{
    own (store_txn) txn = NULL;
    if (s_txn (self, NULL, 0, &txn, err) || s_open_dbis (self, txn->txn, MDB_CREATE, err))
        return -1;
    uint64_t schema = s_meta_number (txn, "schema");
    if (schema == 0)
        return berth_fail (err, BERTH_CONFLICT, "what stands in %s is no store of Berth's",
                           self->folder);
    if (schema > STORE_SCHEMA)
        return berth_fail (err, BERTH_CONFLICT,
                           "the store in %s has schema %llu and this berthd knows %d: start the"
                           " newer berthd that wrote it", self->folder,
                           (unsigned long long) schema, STORE_SCHEMA);
    if (schema < STORE_SCHEMA
        && (store_migrate (txn, schema, err)
            || s_put_meta_number (txn, "schema", STORE_SCHEMA, err)))
        return -1;
    store_key_t key = s_meta_key ("install");
    berth_bytes_t install;
    if (store_raw_get (txn, DB_META, &key, &install, err) || install.size != 36)
        return berth_fail (err, BERTH_INTERNAL, "the store in %s has no install id", self->folder);
    memcpy (self->install, install.data, 36);
    self->epoch = s_meta_number (txn, "epoch");
    return store_commit (&txn, err);
}

int
store_open (const char *folder, uint64_t max_bytes, store_t **ret_self, berth_error_t *err)
{
    char path [4200];
    snprintf (path, sizeof path, "%s/store", folder);
    bool less;
    uint64_t reserved = s_reservation (max_bytes, &less);
    if (access (path, F_OK) && errno == ENOENT && s_create (folder, path, reserved, err))
        return -1;
    own (store) self = calloc (1, sizeof (store_t));
    ENSURE (self);
    self->magic = STORE_MAGIC;
    self->max_bytes = reserved;
    self->reserved_less = less;
    snprintf (self->folder, sizeof self->folder, "%s", path);
    if (s_open_env (self, path, err) || s_identify (self, err))
        return -1;
    (void) store_clear_readers (self);      //  Those of a process that was killed
    *ret_self = take (self);
    return 0;
}

void
store_destroy (store_t **self_p)
{
    store_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, STORE_MAGIC);
    if (self->env)
        mdb_env_close (self->env);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

int
store_clear_readers (store_t *self)
{
    int dead = 0;
    return mdb_reader_check (self->env, &dead) ? 0 : dead;
}

int
store_stat (store_t *self, store_stat_t *ret_stat, berth_error_t *err)
{
    MDB_envinfo info;
    MDB_stat stat;
    int rc = mdb_env_info (self->env, &info);
    if (rc == 0)
        rc = mdb_env_stat (self->env, &stat);
    if (rc)
        return store_fail (err, rc, "reading its state");
    own (store_txn) txn = NULL;
    if (store_read (self, &txn, err))
        return -1;
    //  Pages on the free list can be used again: count them out.
    uint64_t unused = 0;
    MDB_cursor *cursor;
    if (mdb_cursor_open (txn->txn, 0, &cursor) == 0) {
        MDB_val key, value;
        size_t pages;                   //  Values of LMDB are aligned to 2 bytes only
        while (mdb_cursor_get (cursor, &key, &value, MDB_NEXT) == 0) {
            memcpy (&pages, value.mv_data, sizeof pages);
            unused += pages;
        }
        mdb_cursor_close (cursor);
    }
    struct statvfs disk;
    *ret_stat = (store_stat_t) {
        .used_bytes = (info.me_last_pgno + 1 - unused) * stat.ms_psize,
        .max_bytes = self->max_bytes,
        .disk_free = statvfs (self->folder, &disk) == 0 ? disk.f_bavail * disk.f_frsize : 0,
        .schema = STORE_SCHEMA,
        .epoch = self->epoch,
        .reserved_less = self->reserved_less,
    };
    return 0;
}

const char *
store_install_id (const store_t *self)
{
    return self->install;
}
