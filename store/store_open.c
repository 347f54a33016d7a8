//  store_open.c - owns how a store comes to be: made, opened, migrated, refused, or restored.

#include "store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_MAX (64ull << 30)
#define READERS_MAX 512

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

//  First contents: tables, schema, install id, epoch 1.
static int
s_found (store_t *self, berth_error_t *err)
{
    own (store_txn) txn = NULL;
    if (store_txn_new (self, NULL, 0, &txn, err) || store_open_dbis (self, txn->txn, MDB_CREATE, err))
        return -1;
    char install [BERTH_ID_SIZE];
    berth_id_new (install);
    store_key_t key = store_meta_key ("install");
    if (store_raw_put (txn, DB_META, &key, (berth_bytes_t) { (uint8_t *) install, 36 }, err)
        || store_put_meta_number (txn, "schema", STORE_SCHEMA, err)
        || store_put_meta_number (txn, "epoch", 1, err))
        return -1;
    return store_commit (&txn, err);
}

void
store_sync_folder (const char *path)
{
    int folder = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        (void) fsync (folder);      //  A file system that can't sync a folder has nothing to sync
        close (folder);
    }
}

//  Best effort: a leftover of another process is named store.new-* and ignored.
void
store_remove_fresh (const char *fresh)
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
    store_remove_fresh (fresh);             //  In a container every start may have the same pid
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
        store_sync_folder (fresh);
        if (rename (fresh, path))
            rc = berth_fail_errno (err, BERTH_INTERNAL, "cannot rename the new store to %s", path);
        store_sync_folder (folder);
    }
    if (rc)
        store_remove_fresh (fresh);
    return rc;
}

//  ---- the epoch: what is above it was never given to a holder before

static void
s_epoch_path (const store_t *self, char *path, size_t size)
{
    //  Beside the store, so that it outlives one that is put in the other's place
    snprintf (path, size, "%.*s/epoch", (int) (strlen (self->folder) - strlen ("/store")),
              self->folder);
}

//  The highest epoch that this state directory has had; 0 if it is not known.
static uint64_t
s_epoch_seen (const store_t *self)
{
    char path [4300];
    unsigned long long epoch = 0;
    s_epoch_path (self, path, sizeof path);
    FILE *file = fopen (path, "re");
    if (!file)
        return 0;
    if (fscanf (file, "%llu", &epoch) != 1)
        epoch = 0;
    fclose (file);
    return epoch;
}

static int
s_epoch_note (const store_t *self, uint64_t epoch, berth_error_t *err)
{
    char path [4300], fresh [4320], state [4200];
    s_epoch_path (self, path, sizeof path);
    snprintf (fresh, sizeof fresh, "%s.new", path);
    snprintf (state, sizeof state, "%.*s", (int) (strlen (path) - strlen ("/epoch")), path);
    FILE *file = fopen (fresh, "we");
    bool written = file && fprintf (file, "%llu\n", (unsigned long long) epoch) > 0
                && fflush (file) == 0 && fsync (fileno (file)) == 0;
    int failure = errno;
    if (file)
        fclose (file);
    if (!written || rename (fresh, path)) {
        errno = written ? errno : failure;
        return berth_fail_errno (err, errno == ENOSPC ? BERTH_STORE_FULL : BERTH_INTERNAL,
                                 "cannot write %s", path);
    }
    store_sync_folder (state);
    return 0;
}

//  Where the backup was taken somebody may still run, or the same backup may be restored twice: what is
//  made from here on has a label of its own, so that nobody's sweep destroys another's places.
static int
s_rename (store_t *self, store_txn_t *txn, berth_error_t *err)
{
    store_key_t install = store_meta_key ("install"), former = store_meta_key ("former");
    memcpy (self->former, self->install, sizeof self->former);
    berth_id_new (self->install);
    return store_raw_put (txn, DB_META, &former, (berth_bytes_t) { (uint8_t *) self->former, 36 }, err)
        || store_raw_put (txn, DB_META, &install, (berth_bytes_t) { (uint8_t *) self->install, 36 }, err)
        ? -1 : 0;
}

//  A store that came back from a backup, or that is older than what stood here before it, begins an
//  epoch: whoever holds a generation of the time between is fenced.
static int
s_settle_epoch (store_t *self, store_txn_t *txn, berth_error_t *err)
{
    store_key_t mark = store_meta_key ("backup");
    uint64_t seen = s_epoch_seen (self);
    self->epoch = store_meta_number (txn, "epoch");
    bool copy = store_meta_number (txn, "backup") != 0;
    self->restored = copy || seen > self->epoch;
    if (copy && s_rename (self, txn, err))
        return -1;
    if (self->restored) {
        self->epoch = (seen > self->epoch ? seen : self->epoch) + 1;
        if (store_put_meta_number (txn, "epoch", self->epoch, err)
            || store_raw_del (txn, DB_META, &mark, err))
            return -1;
    }
    //  Before the commit: a number that was not used does no harm
    return seen == self->epoch ? 0 : s_epoch_note (self, self->epoch, err);
}

static int
s_identify (store_t *self, berth_error_t *err)
{
    own (store_txn) txn = NULL;
    if (store_txn_new (self, NULL, 0, &txn, err) || store_open_dbis (self, txn->txn, MDB_CREATE, err))
        return -1;
    store_load_counters (txn);
    uint64_t schema = store_meta_number (txn, "schema");
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
            || store_put_meta_number (txn, "schema", STORE_SCHEMA, err)))
        return -1;
    store_key_t key = store_meta_key ("install");
    berth_bytes_t install;
    if (store_raw_get (txn, DB_META, &key, &install, err) || install.size != 36)
        return berth_fail (err, BERTH_INTERNAL, "the store in %s has no install id", self->folder);
    memcpy (self->install, install.data, 36);
    berth_bytes_t former;
    key = store_meta_key ("former");
    if (store_raw_get (txn, DB_META, &key, &former, NULL) == 0 && former.size == 36)
        memcpy (self->former, former.data, 36);
    return retries_look (txn, &self->older_keys, err) || s_settle_epoch (self, txn, err)
        || store_commit (&txn, err) ? -1 : 0;
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
    store_find_reserve (self);
    store_stat_t stat;
    if (store_stat (self, &stat, err))
        return -1;
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

bool
store_was_restored (const store_t *self)
{
    return self->restored;
}

const char *
store_install_id (const store_t *self)
{
    return self->install;
}

const char *
store_former_install_id (const store_t *self)
{
    return self->former [0] ? self->former : NULL;
}
