//  store_space.c - owns how much room there is: the reserve, the fill, and who may still write.
//
//  A commit that fails ends the process, so that a full disk must be noticed before. The file of
//  the store always has blocks beyond its last page, the reserve: what the next transactions write
//  does not ask the disk. Once the disk has none to give, new work is refused and the rest lives
//  on the reserve (pages that are freed are used again); when little of it is left, only the
//  service's own steps are written.
//
//  The first bytes of the reserve are zeros that were written: a commit into blocks that never were also
//  syncs the file system's own tables (the file's size, which blocks have data), and takes half as long
//  again.

#include "store_lmdb.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE_MAX (8ull << 20)    //  More than the largest batch can dirty
#define ASK_AGAIN_MS 1000
#define PAGE 4096
#define AHEAD (256 << 10)           //  Of zeros, half of it at least

//  How large it is to be, from the size of the store and of its disk.
static uint64_t
s_reserve_of (const store_t *self)
{
    struct statvfs disk;
    uint64_t reserve = RESERVE_MAX;
    if (self->max_bytes / 8 < reserve)
        reserve = self->max_bytes / 8;
    if (statvfs (self->folder, &disk) == 0 && disk.f_blocks * disk.f_frsize / 8 < reserve)
        reserve = disk.f_blocks * disk.f_frsize / 8;
    return reserve;
}

void
store_find_reserve (store_t *self)
{
    struct stat file;
    int fd;
    self->reserve = s_reserve_of (self);
    //  What a process before this one has got; asking for it again may lose it (tmpfs gives up all of
    //  a range when a part of it cannot be had)
    self->written = UINT64_MAX;
    if (mdb_env_get_fd (self->env, &fd) == 0 && fstat (fd, &file) == 0) {
        self->held = (uint64_t) file.st_blocks * 512 / PAGE * PAGE;
        self->written = (uint64_t) file.st_size;
    }
}

//  Bytes up to the end of the last page that was ever used.
static uint64_t
s_end (store_t *self)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info (self->env, &info) || mdb_env_stat (self->env, &stat))
        return 0;
    return (info.me_last_pgno + 1) * (uint64_t) stat.ms_psize;
}

static uint64_t
s_least (uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

//  Behind the last page of the last commit, and behind the end of the file as it was opened: nobody has
//  data there, and this transaction has written nothing yet. Only where blocks are held.
static void
s_write_ahead (store_t *self, uint64_t end)
{
    static uint8_t zeros [AHEAD];
    int fd;
    if (self->written >= end + AHEAD / 2 || mdb_env_get_fd (self->env, &fd))
        return;
    uint64_t from = ((self->written > end ? self->written : end) + PAGE - 1) / PAGE * PAGE;
    uint64_t to = s_least (from + AHEAD, s_least (self->held, self->max_bytes));
    while (from < to) {
        ssize_t count = pwrite (fd, zeros, to - from, (off_t) from);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            self->written = UINT64_MAX;         //  It takes as long as it takes
            return;
        }
        from += (uint64_t) count;
        self->written = from;
    }
}

static void
s_hold (store_t *self, uint64_t end)
{
    uint64_t held = self->held;
    if (self->reserve == 0 || held >= s_least (end + self->reserve, self->max_bytes))
        return;
    int64_t now_ms = berth_mono_ms ();
    if (self->asked_ms && now_ms - self->asked_ms < ASK_AGAIN_MS)
        return;
    uint64_t wanted = s_least (end + self->reserve + self->reserve / 2, self->max_bytes);
    uint64_t from = held > end ? held : end;
    int fd;
    if (mdb_env_get_fd (self->env, &fd))
        return;
    int rc;
    do
        rc = fallocate (fd, FALLOC_FL_KEEP_SIZE, (off_t) from, (off_t) (wanted - from));
    while (rc && errno == EINTR);
    if (rc == 0) {
        self->held = wanted;
        self->asked_ms = 0;
    }
    else if (errno == ENOSPC || errno == EDQUOT)
        self->asked_ms = now_ms;
    else
        self->reserve = 0;          //  This file system promises nothing: its free space must do
}

void
store_hold_reserve (store_t *self)
{
    uint64_t end = s_end (self);
    s_hold (self, end);
    s_write_ahead (self, end);
}

//  ---- how full it is

//  Pages in use, of all tables and of LMDB's own free list, and its two first.
static int
s_used (store_t *self, uint64_t *ret_bytes, berth_error_t *err)
{
    own (store_txn) txn = NULL;
    MDB_stat stat;
    uint64_t pages = 2;
    if (store_read (self, &txn, err))
        return -1;
    for (int db = -1; db < DB_COUNT; db++) {
        int rc = mdb_stat (txn->txn, db < 0 ? 0 : self->dbis [db], &stat);
        if (rc)
            return store_fail (err, rc, "reading its state");
        pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    }
    *ret_bytes = pages * stat.ms_psize;
    return 0;
}

//  Of the disk's own: a reserve that could not be had, or hardly any room for anything else.
static bool
s_disk_is_full (store_t *self, uint64_t disk_free)
{
    return self->asked_ms || disk_free < self->reserve;
}

//  How much of the reserve is left, in the middle of a transaction too.
static bool
s_reserve_is_used (store_t *self)
{
    return self->reserve && self->asked_ms && self->held < s_end (self) + self->reserve / 4;
}

int
store_stat (store_t *self, store_stat_t *ret_stat, berth_error_t *err)
{
    struct statvfs disk;
    uint64_t used = 0;
    if (s_used (self, &used, err))
        return -1;
    uint64_t disk_free = statvfs (self->folder, &disk) == 0 ? disk.f_bavail * disk.f_frsize : 0;
    uint64_t end = s_end (self), room = s_least (self->max_bytes, used + disk_free);
    store_fill_t fill = STORE_ROOMY;
    if (used > room / 4 * 3 || s_disk_is_full (self, disk_free))
        fill = STORE_TIGHT;
    if (used > self->max_bytes / 20 * 19 || s_reserve_is_used (self))
        fill = STORE_SHUT;
    self->fill = fill;
    *ret_stat = (store_stat_t) {
        .used_bytes = used,
        .file_bytes = end,
        .max_bytes = self->max_bytes,
        .room_bytes = room,
        .disk_free = disk_free,
        .reserve_bytes = self->held > end ? self->held - end : 0,
        .schema = STORE_SCHEMA,
        .epoch = self->epoch,
        .fill = fill,
        .reserved_less = self->reserved_less,
        .backup_since_ms = self->backup_ms,
        .backup_bytes = self->backup_bytes,
    };
    return 0;
}

bool
store_size_at (store_txn_t *txn, size_t index, store_size_t *ret_size)
{
    MDB_stat stat;
    if (index + DB_META >= DB_COUNT)
        return false;
    store_db_t db = (store_db_t) (DB_META + index);
    if (mdb_stat (txn->txn, store_dbi (txn, db), &stat))
        return false;
    uint64_t pages = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    *ret_size = (store_size_t) { store_db_name (db), stat.ms_entries, pages * stat.ms_psize };
    return true;
}

static int
s_refuse (const char *what, berth_error_t *err)
{
    if (err)
        berth_error_set (err->remedy, sizeof err->remedy, "free space on its disk, raise storeMax, or"
                         " keep less (retention); `berth store stat` says what fills it");
    return berth_fail (err, BERTH_STORE_FULL, "the store or its disk is nearly full: %s", what);
}

int
store_admit (store_txn_t *txn, berth_error_t *err)
{
    store_t *self = txn->store;
    return self->fill != STORE_ROOMY || self->asked_ms
        ? s_refuse ("nothing new is taken, releases go on", err) : 0;
}

int
store_writable (store_txn_t *txn, berth_error_t *err)
{
    store_t *self = txn->store;
    return self->fill == STORE_SHUT || s_reserve_is_used (self)
        ? s_refuse ("nothing is written for clients until there is room", err) : 0;
}
