//  backup.c - owns copying the store while it is in use, and making one from a copy.

#include "backup.h"

#include "clock.h"
#include "store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 65536, LOOK_MS = 100 };

static int
s_fail (berth_error_t *err, const char *doing, const char *path)
{
    berth_code_t code = errno == ENOSPC || errno == EDQUOT ? BERTH_STORE_FULL
                      : errno == ENOENT || errno == ENOTDIR ? BERTH_NOT_FOUND
                      : errno == EACCES || errno == EPERM || errno == EROFS ? BERTH_FORBIDDEN
                      : errno == EEXIST ? BERTH_CONFLICT : BERTH_INTERNAL;
    return berth_fail_errno (err, code, "cannot %s %s", doing, path);
}

static void
s_folder_of (const char *path, char *folder, size_t size)
{
    const char *slash = strrchr (path, '/');
    size_t length = slash && slash > path ? (size_t) (slash - path) : 1;
    snprintf (folder, size, "%.*s", (int) length, slash ? path : ".");
}

static int
s_write_all (int fd, const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t wrote = write (fd, data, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return -1;
        data += wrote;
        size -= (size_t) wrote;
    }
    return 0;
}

//  ---- the copy

//  LMDB writes into a pipe, in a thread of its own: a target that is slow then delays nobody (its
//  first bytes are written under the writers' lock), and the copy can be ended.
typedef struct {
    store_t *store;
    int fd;
    int rc;
} copier_t;

static void *
s_copier (void *args)
{
    copier_t *self = args;
    sigset_t pipe;
    sigemptyset (&pipe);
    sigaddset (&pipe, SIGPIPE);
    pthread_sigmask (SIG_BLOCK, &pipe, NULL);       //  Who reads went away: an error is enough
    self->rc = mdb_env_copyfd2 (self->store->env, self->fd, 0);
    close (self->fd);
    return NULL;
}

typedef struct {
    store_t *store;
    const atomic_bool *stop;
    backup_tell_fn *tell;
    void *context;
    int64_t begun_ms, told_ms;
    uint64_t bytes, total;
} backup_t;

static int
s_may_go_on (backup_t *self, berth_error_t *err)
{
    int64_t now_ms = berth_mono_ms ();
    if (self->stop && *self->stop)
        return berth_fail (err, BERTH_BUSY, "the service stops: the backup was not made");
    if (now_ms - self->begun_ms > BACKUP_MS)
        return berth_fail (err, BERTH_BUSY, "the backup was ended: it took longer than %d s",
                           BACKUP_MS / 1000);
    if (self->store->fill == STORE_SHUT)
        return berth_fail (err, BERTH_BUSY, "the backup was ended: the store runs full meanwhile");
    self->store->backup_bytes = self->bytes;
    if (self->tell && now_ms - self->told_ms >= BACKUP_TELL_MS) {
        self->told_ms = now_ms;
        self->tell (self->context, self->bytes, self->total);
    }
    return 0;
}

//  From the pipe into the file until the pipe ends.
static int
s_drain (backup_t *self, int from, int to, const char *path, berth_error_t *err)
{
    static __thread uint8_t s_buffer [BUFFER];
    for (;;) {
        struct pollfd readable = { from, POLLIN, 0 };
        if (s_may_go_on (self, err))
            return -1;
        if (poll (&readable, 1, LOOK_MS) <= 0)
            continue;
        ssize_t size = read (from, s_buffer, sizeof s_buffer);
        if (size == 0)
            return 0;
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 || s_write_all (to, s_buffer, (size_t) size))
            return s_fail (err, "write", path);
        self->bytes += (uint64_t) size;
    }
}

static int
s_copy (backup_t *self, int to, const char *path, berth_error_t *err)
{
    int ends [2];
    pthread_t thread;
    if (pipe2 (ends, O_CLOEXEC))
        return berth_fail_errno (err, BERTH_INTERNAL, "cannot make a pipe");
    copier_t copier = { self->store, ends [1], 0 };
    int rc = pthread_create (&thread, NULL, s_copier, &copier);
    if (rc) {
        close (ends [0]);
        close (ends [1]);
        errno = rc;
        return berth_fail_errno (err, BERTH_INTERNAL, "cannot start a thread");
    }
    rc = s_drain (self, ends [0], to, path, err);
    close (ends [0]);               //  If that was not all: whoever writes is told
    pthread_join (thread, NULL);
    if (rc == 0 && copier.rc)
        rc = store_fail (err, copier.rc, "copying it");
    if (rc == 0 && fsync (to))
        rc = s_fail (err, "sync", path);
    return rc;
}

//  ---- the mark

//  Opens a copy on its own, without a lock file.
static int
s_open_copy (store_t *copy, const char *path, uint64_t size, berth_error_t *err)
{
    *copy = (store_t) { .magic = STORE_MAGIC, .max_bytes = size + (1 << 20) };
    int rc = mdb_env_create (&copy->env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs (copy->env, DB_COUNT);
    if (rc == 0)
        rc = mdb_env_set_mapsize (copy->env, copy->max_bytes);
    if (rc == 0)
        rc = mdb_env_open (copy->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, 0600);
    MDB_envinfo info;
    MDB_stat stat;
    if (rc == 0 && (rc = mdb_env_info (copy->env, &info)) == 0
        && (rc = mdb_env_stat (copy->env, &stat)) == 0
        && (info.me_last_pgno + 1) * (uint64_t) stat.ms_psize > size)
        rc = MDB_CORRUPTED;
    return rc ? berth_fail (err, BERTH_INVALID, "%s is no backup, or not a whole one: %s", path,
                            mdb_strerror (rc)) : 0;
}

//  Opens the meta table alone: a copy of an older or newer schema has other tables.
static int
s_begin_meta (store_t *copy, unsigned flags, const char *path, store_txn_t **ret_txn,
              berth_error_t *err)
{
    if (store_txn_new (copy, NULL, flags, ret_txn, err))
        return -1;
    if (mdb_dbi_open ((*ret_txn)->txn, store_db_name (DB_META), 0, &copy->dbis [DB_META]))
        return berth_fail (err, BERTH_INVALID, "%s is no store of Berth's", path);
    return 0;
}

static int
s_mark (const char *path, uint64_t size, int64_t now_ms, berth_error_t *err)
{
    store_t copy;
    own (store_txn) txn = NULL;
    int rc = s_open_copy (&copy, path, size, err);
    if (rc == 0)
        rc = s_begin_meta (&copy, 0, path, &txn, err)
          || store_put_meta_number (txn, "backup", (uint64_t) now_ms, err) ? -1 : 0;
    if (rc == 0) {
        rc = mdb_txn_commit (take (txn->txn));
        rc = rc ? store_fail (err, rc, "marking the backup") : 0;
    }
    store_txn_destroy (&txn);
    if (copy.env)
        mdb_env_close (copy.env);
    return rc;
}

//  ---- the file

//  Never over a file that is there.
static int
s_give_name (const char *part, const char *path, berth_error_t *err)
{
    char folder [PATH_MAX];
    int rc = renameat2 (AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE);
    if (rc && (errno == EINVAL || errno == ENOSYS))
        rc = access (path, F_OK) == 0 ? (errno = EEXIST, -1) : rename (part, path);
    if (rc)
        return s_fail (err, "write", path);
    s_folder_of (path, folder, sizeof folder);
    store_sync_folder (folder);
    return 0;
}

static int
s_make (backup_t *self, const char *path, int64_t now_ms, berth_error_t *err)
{
    char part [PATH_MAX + 32];
    snprintf (part, sizeof part, "%s.part-%d", path, (int) getpid ());
    (void) unlink (part);           //  Ours, of a backup that was cut off
    int fd = open (part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return s_fail (err, "write", part);
    int rc = s_copy (self, fd, part, err);
    close (fd);
    if (rc == 0)
        rc = s_mark (part, self->bytes, now_ms, err) || s_give_name (part, path, err) ? -1 : 0;
    if (rc)
        (void) unlink (part);
    return rc;
}

int
store_backup (store_t *self, const char *path, int64_t now_ms, const atomic_bool *stop,
              backup_tell_fn *tell, void *context, uint64_t *ret_bytes, berth_error_t *err)
{
    CHECK (self, STORE_MAGIC);
    if (path [0] != '/' || strlen (path) >= PATH_MAX)
        return berth_fail (err, BERTH_INVALID, "'%s' is no absolute path of a file", path);
    if (access (path, F_OK) == 0) {
        if (err)
            berth_error_set (err->remedy, sizeof err->remedy, "name a file that does not exist");
        return berth_fail (err, BERTH_CONFLICT, "%s exists, and is not written over", path);
    }
    int64_t nobody = 0, begun_ms = berth_mono_ms ();
    if (!atomic_compare_exchange_strong (&self->backup_ms, &nobody, begun_ms))
        return berth_fail (err, BERTH_CONFLICT, "a backup is being made: one at a time");
    store_stat_t stat = { 0 };
    backup_t backup = { .store = self, .stop = stop, .tell = tell, .context = context,
                        .begun_ms = begun_ms };
    int rc = store_stat (self, &stat, err);
    backup.total = stat.file_bytes;
    if (rc == 0)
        rc = s_make (&backup, path, now_ms, err);
    self->backup_bytes = 0;
    self->backup_ms = 0;
    *ret_bytes = backup.bytes;
    return rc;
}

//  ---- a store from it

static int
s_look_at (const char *path, uint64_t size, const char *named, berth_error_t *err)
{
    store_t copy;
    own (store_txn) txn = NULL;
    int rc = s_open_copy (&copy, path, size, err) || s_begin_meta (&copy, MDB_RDONLY, path, &txn, err)
           ? -1 : 0;
    uint64_t schema = rc ? 0 : store_meta_number (txn, "schema");
    bool marked = rc == 0 && store_meta_number (txn, "backup") != 0;
    store_txn_destroy (&txn);
    if (copy.env)
        mdb_env_close (copy.env);
    if (rc)
        return berth_fail (err, BERTH_INVALID, "%s is no backup of Berth's, or not a whole one", named);
    if (!marked) {
        if (err)
            berth_error_set (err->remedy, sizeof err->remedy,
                             "take one that `berth store backup` made");
        return berth_fail (err, BERTH_INVALID, "%s is a store, but no backup", named);
    }
    if (schema > STORE_SCHEMA)
        return berth_fail (err, BERTH_CONFLICT,
                           "the backup %s has schema %llu and this berthd knows %d: take the newer"
                           " berthd that wrote it", named, (unsigned long long) schema, STORE_SCHEMA);
    return 0;
}

static int
s_copy_file (const char *from, const char *to, uint64_t *ret_size, berth_error_t *err)
{
    uint8_t *buffer = malloc (BUFFER);
    ENSURE (buffer);
    int in = open (from, O_RDONLY | O_CLOEXEC), out = -1;
    int rc = in < 0 ? s_fail (err, "read", from) : 0;
    if (rc == 0 && (out = open (to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
        rc = s_fail (err, "write", to);
    ssize_t size = 1;
    *ret_size = 0;
    while (rc == 0 && size) {
        size = read (in, buffer, BUFFER);
        if (size < 0)
            rc = s_fail (err, "read", from);
        else if (s_write_all (out, buffer, (size_t) size))
            rc = s_fail (err, "write", to);
        else
            *ret_size += (uint64_t) size;
    }
    if (rc == 0 && fsync (out))
        rc = s_fail (err, "sync", to);
    free (buffer);
    if (in >= 0)
        close (in);
    if (out >= 0)
        close (out);
    return rc;
}

int
store_restore (const char *folder, const char *path, berth_error_t *err)
{
    char store [PATH_MAX], fresh [PATH_MAX], file [PATH_MAX + 16];
    snprintf (store, sizeof store, "%s/store", folder);
    snprintf (fresh, sizeof fresh, "%s/store.new-%d", folder, (int) getpid ());
    snprintf (file, sizeof file, "%s/data.mdb", fresh);
    if (access (store, F_OK) == 0) {
        if (err)
            berth_error_set (err->remedy, sizeof err->remedy,
                             "restore into another --state, or move %s away", store);
        return berth_fail (err, BERTH_CONFLICT, "there is a store in %s", folder);
    }
    store_remove_fresh (fresh);
    if (mkdir (fresh, 0700))
        return s_fail (err, "make", fresh);
    uint64_t size;
    int rc = s_copy_file (path, file, &size, err) || s_look_at (file, size, path, err) ? -1 : 0;
    if (rc == 0) {
        store_sync_folder (fresh);
        if (rename (fresh, store))
            rc = s_fail (err, "make", store);
        store_sync_folder (folder);
    }
    if (rc)
        store_remove_fresh (fresh);
    return rc;
}
