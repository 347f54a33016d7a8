//  check.c - owns the order in which a check looks at the store, its slices, and what it found.

#include "check_inside.h"

#include "clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

//  ---- findings

void
check_found (store_check_t *self, const char *kind, const char *where, const char *id,
             const char *format, ...)
{
    self->sums.found++;
    if (self->findings_count == CHECK_FINDINGS_MAX)
        return;
    check_finding_t *finding = &self->findings [self->findings_count++];
    *finding = (check_finding_t) { .kind = kind, .where = where };
    berth_error_set (finding->id, sizeof finding->id, "%s", id);
    va_list args;
    va_start (args, format);
    vsnprintf (finding->why, sizeof finding->why, format, args);
    va_end (args);
}

const char *
check_key_text (store_check_t *self, const store_key_t *key)
{
    if (key->size == 16) {
        const uint8_t *b = key->data;
        return arena_printf (self->arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
                             "%02x%02x%02x%02x%02x%02x", b [0], b [1], b [2], b [3], b [4], b [5],
                             b [6], b [7], b [8], b [9], b [10], b [11], b [12], b [13], b [14],
                             b [15]);
    }
    size_t size = 2 * key->size + 1;
    char *text = arena_take (self->arena, size);
    key_to_text (key, text, size);
    return text;
}

//  ---- phases

//  Walks a database from where it was; true at its end.
static bool
s_walk (store_check_t *self, store_txn_t *txn, store_db_t db, int64_t until_ms,
        void (*look) (store_check_t *self, store_txn_t *txn, store_db_t db, const store_key_t *key,
                      berth_bytes_t value))
{
    MDB_cursor *cursor;
    if (mdb_cursor_open (txn->txn, store_dbi (txn, db), &cursor))
        return true;
    MDB_val at = { self->at.size, self->at.data }, value;
    int rc = mdb_cursor_get (cursor, &at, &value, self->begun ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && self->begun && at.mv_size == self->at.size
        && memcmp (at.mv_data, self->at.data, at.mv_size) == 0)
        rc = mdb_cursor_get (cursor, &at, &value, MDB_NEXT);
    for (int rows = 0; rc == 0 && rows < CHECK_SLICE_ROWS; rows++) {
        self->begun = true;
        self->at.size = at.mv_size < sizeof self->at.data ? at.mv_size : sizeof self->at.data;
        memcpy (self->at.data, at.mv_data, self->at.size);
        arena_clear (self->arena);
        look (self, txn, db, &self->at, (berth_bytes_t) { value.mv_data, value.mv_size });
        self->done++;
        if (berth_mono_ms () > until_ms)
            break;
        rc = mdb_cursor_get (cursor, &at, &value, MDB_NEXT);
    }
    mdb_cursor_close (cursor);
    return rc != 0;
}

static void
s_look_at_row (store_check_t *self, store_txn_t *txn, store_db_t db, const store_key_t *key,
               berth_bytes_t value)
{
    for (table_t table = 0; table < TABLE_COUNT; table++)
        if (store_tables [table].db == db) {
            self->sums.rows++;
            check_row (self, txn, table, key, value);
        }
}

static void
s_look_at_index (store_check_t *self, store_txn_t *txn, store_db_t db, const store_key_t *key,
                 berth_bytes_t value)
{
    (void) db;
    self->sums.index_entries++;
    check_index_entry (self, txn, key, value);
}

static void
s_look_at_entry (store_check_t *self, store_txn_t *txn, store_db_t db, const store_key_t *key,
                 berth_bytes_t value)
{
    (void) db;
    self->sums.activity++;
    check_log_entry (self, txn, key, value);
}

static void
s_look_at_finder (store_check_t *self, store_txn_t *txn, store_db_t db, const store_key_t *key,
                  berth_bytes_t value)
{
    (void) db;
    self->sums.index_entries++;
    check_finder_entry (self, txn, key, value);
}

static void
s_look_at_key (store_check_t *self, store_txn_t *txn, store_db_t db, const store_key_t *key,
               berth_bytes_t value)
{
    (void) db;
    self->sums.keys++;
    check_key_entry (self, txn, key, value);
}

//  Folders of the spool: a part of them; true at the end.
static bool
s_folders (store_check_t *self, int64_t until_ms)
{
    if (!self->spools || (!self->folder && !(self->folder = opendir (self->spools))))
        return true;
    struct dirent *entry;
    while ((entry = readdir (self->folder))) {
        if (entry->d_name [0] == '.')
            continue;
        arena_clear (self->arena);
        self->sums.spools++;
        check_spool (self, entry->d_name);
        if (berth_mono_ms () > until_ms)
            return false;
    }
    return true;
}

typedef enum { PHASE_WALK, PHASE_COUNTS, PHASE_LOG_END, PHASE_CHAINS, PHASE_FOLDERS } phase_kind_t;

static const struct {
    const char *name;
    phase_kind_t kind;
    store_db_t db;
    void (*look) (store_check_t *self, store_txn_t *txn, store_db_t db, const store_key_t *key,
                  berth_bytes_t value);
} s_phases [] = {
    { "environments", PHASE_WALK, DB_ENVIRONMENTS, s_look_at_row },
    { "principals", PHASE_WALK, DB_PRINCIPALS, s_look_at_row },
    { "holds", PHASE_WALK, DB_HOLDS, s_look_at_row },
    { "sweeps", PHASE_WALK, DB_SWEEPS, s_look_at_row },
    { "suspects", PHASE_WALK, DB_SUSPECTS, s_look_at_row },
    { "secrets", PHASE_WALK, DB_SECRETS, s_look_at_row },
    { "secrets", PHASE_WALK, DB_SECRET_VERSIONS, s_look_at_row },
    { "secrets", PHASE_WALK, DB_SECRET_BINDINGS, s_look_at_row },
    { "secrets", PHASE_WALK, DB_SECRET_EVENTS, s_look_at_row },
    { "secrets", PHASE_WALK, DB_COMPANY_KEYS, s_look_at_row },
    { "companies", PHASE_WALK, DB_COMPANIES, s_look_at_row },
    { "workspaces", PHASE_WALK, DB_WORKSPACES, s_look_at_row },
    { "leases", PHASE_WALK, DB_LEASES, s_look_at_row },
    { "runs", PHASE_WALK, DB_RUNS, s_look_at_row },
    { "execs", PHASE_WALK, DB_EXECS, s_look_at_row },
    { "execs", PHASE_COUNTS, DB_MAIN, NULL },
    { "indexes", PHASE_WALK, DB_INDEX, s_look_at_index },
    { "activity", PHASE_WALK, DB_ACTIVITY, s_look_at_entry },
    { "activity", PHASE_LOG_END, DB_MAIN, NULL },
    { "chains", PHASE_CHAINS, DB_HEADS, NULL },
    { "indexes", PHASE_WALK, DB_FINDER, s_look_at_finder },
    { "keys", PHASE_WALK, DB_KEYS, s_look_at_key },
    { "spools", PHASE_FOLDERS, DB_MAIN, NULL },
};

static bool
s_slice (store_check_t *self, store_txn_t *txn, int64_t until_ms)
{
    switch (s_phases [self->phase].kind) {
        case PHASE_WALK:
            return s_walk (self, txn, s_phases [self->phase].db, until_ms,
                           s_phases [self->phase].look);
        case PHASE_COUNTS:
            check_counts (self, txn);
            return true;
        case PHASE_LOG_END:
            check_log_end (self, txn);
            return true;
        case PHASE_CHAINS:
            return check_chains (self, txn);
        case PHASE_FOLDERS:
            return true;
    }
    return true;
}

int
store_check_step (store_check_t *self, berth_error_t *err)
{
    CHECK (self, CHECK_MAGIC);
    int64_t until_ms = berth_mono_ms () + CHECK_SLICE_MS;
    bool through;
    if (self->phase == BERTH_COUNT (s_phases))
        return 1;
    if (s_phases [self->phase].kind == PHASE_FOLDERS)
        through = s_folders (self, until_ms);   //  Its snapshots are younger than what it lists
    else {
        own (store_txn) txn = NULL;
        if (store_read (self->store, &txn, err))
            return -1;
        if (self->phase == 0 && !self->begun) {
            self->counted_txn = mdb_txn_id (txn->txn);
            self->counting = true;
        }
        through = s_slice (self, txn, until_ms);
    }
    if (through) {
        self->phase++;
        self->begun = false;
        self->at.size = 0;
    }
    return self->phase == BERTH_COUNT (s_phases) ? 1 : 0;
}

//  ---- the object

static uint64_t
s_total (store_t *store)
{
    own (store_txn) txn = NULL;
    uint64_t total = 0;
    if (store_read (store, &txn, NULL))
        return 0;
    for (size_t phase = 0; phase < BERTH_COUNT (s_phases); phase++) {
        MDB_stat stat;
        if (s_phases [phase].db != DB_MAIN
            && mdb_stat (txn->txn, store_dbi (txn, s_phases [phase].db), &stat) == 0)
            total += stat.ms_entries;
    }
    return total;
}

store_check_t *
store_check_new (store_t *store, const char *spools, int64_t outputs_since_ms)
{
    store_check_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = CHECK_MAGIC;
    self->store = store;
    self->outputs_since_ms = outputs_since_ms;
    self->arena = arena_new ();
    self->findings = calloc (CHECK_FINDINGS_MAX, sizeof *self->findings);
    ENSURE (self->findings);
    if (spools) {
        self->spools = strdup (spools);
        ENSURE (self->spools);
    }
    self->total = s_total (store);
    return self;
}

void
store_check_destroy (store_check_t **self_p)
{
    store_check_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, CHECK_MAGIC);
    if (self->folder)
        closedir (self->folder);
    arena_destroy (&self->arena);
    free (self->findings);
    free (self->spools);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

const char *
store_check_phase (const store_check_t *self, uint64_t *ret_done, uint64_t *ret_total)
{
    *ret_done = self->done;
    *ret_total = self->total > self->done ? self->total : self->done;
    return self->phase < BERTH_COUNT (s_phases) ? s_phases [self->phase].name : "done";
}

const check_sums_t *
store_check_sums (const store_check_t *self)
{
    return &self->sums;
}

const check_finding_t *
store_check_findings (const store_check_t *self, size_t *ret_count)
{
    *ret_count = self->findings_count;
    return self->findings;
}
