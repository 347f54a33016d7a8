//  tables.c - owns the keys of rows and indexes.

#include "tables.h"

#include "codec.h"
#include "states.h"
#include "store_lmdb.h"
#include "usage.h"

#include <stdlib.h>
#include <string.h>

//  ---- keys of rows

static void
s_environment_key (const void *row, store_key_t *key)
{
    key_id (key, ((const environment_t *) row)->id);
}

static void
s_workspace_key (const void *row, store_key_t *key)
{
    key_id (key, ((const workspace_t *) row)->id);
}

static void
s_lease_key (const void *row, store_key_t *key)
{
    key_id (key, ((const lease_t *) row)->id);
}

static void
s_exec_key (const void *row, store_key_t *key)
{
    key_id (key, ((const exec_t *) row)->id);
}

static void
s_run_key (const void *row, store_key_t *key)
{
    const run_t *run = row;
    key_text (key, run->company);
    key_text (key, run->id);
}

//  ---- keys of indexes: false leaves the row out

static bool
s_environment_list (const void *row, store_key_t *key)
{
    const environment_t *env = row;
    key_text (key, env->company);
    key_down (key, (uint64_t) env->updated_at);
    key_down (key, (uint64_t) env->created_at);
    return true;
}

static bool
s_environment_local (const void *row, store_key_t *key)
{
    const environment_t *env = row;
    key_text (key, env->company);
    return env->driver == environment_driver_LOCAL;
}

static bool
s_workspace_list (const void *row, store_key_t *key)
{
    const workspace_t *workspace = row;
    key_text (key, workspace->company);
    key_down (key, (uint64_t) workspace->last_used_at);
    key_down (key, (uint64_t) workspace->created_at);
    return true;
}

static bool
s_lease_list (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    key_text (key, lease->company);
    key_down (key, (uint64_t) lease->last_used_at);
    key_down (key, (uint64_t) lease->created_at);
    return true;
}

static bool
s_lease_by_environment (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    key_id (key, lease->env);
    key_down (key, (uint64_t) lease->last_used_at);
    key_down (key, (uint64_t) lease->created_at);
    return true;
}

static bool
s_lease_by_run (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    if (!lease->run)
        return false;
    key_text (key, lease->company);
    key_text (key, lease->run);
    key_up (key, (uint64_t) lease->created_at);
    return true;
}

static bool
s_lease_by_workspace (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    if (!lease->workspace || lease_settled (lease->state))
        return false;
    key_id (key, lease->env);
    key_id (key, lease->workspace);
    return true;
}

//  Within a state, what is due first comes first; a lease without a deadline is never due.
static bool
s_lease_live (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    key_byte (key, (uint8_t) lease->state);
    key_up (key, lease->expires_at ? (uint64_t) lease->deadline_mono_ms : UINT64_MAX);
    return !lease_settled (lease->state);
}

static bool
s_run_list (const void *row, store_key_t *key)
{
    const run_t *run = row;
    key_text (key, run->company);
    key_down (key, (uint64_t) run->updated_at);
    return true;
}

static bool
s_run_due (const void *row, store_key_t *key)
{
    (void) key;
    return ((const run_t *) row)->step != NULL;
}

static bool
s_exec_list (const void *row, store_key_t *key)
{
    const exec_t *exec = row;
    key_text (key, exec->company);
    key_down (key, (uint64_t) exec->created_at);
    return true;
}

static bool
s_exec_by_lease (const void *row, store_key_t *key)
{
    const exec_t *exec = row;
    key_id (key, exec->lease);
    key_down (key, (uint64_t) exec->created_at);
    return true;
}

static bool
s_exec_live (const void *row, store_key_t *key)
{
    const exec_t *exec = row;
    key_id (key, exec->lease);
    return exec->state != exec_state_ENDED;
}

//  ---- the tables as data

typedef struct {
    const berth_schema_t *schema;
    store_db_t db;
    void (*key) (const void *row, store_key_t *key);
    const char *noun;
} table_row_t;

static const table_row_t s_tables [TABLE_COUNT] = {
    [TABLE_ENVIRONMENTS] = { &environment_schema, DB_ENVIRONMENTS, s_environment_key, "environment" },
    [TABLE_WORKSPACES]   = { &workspace_schema, DB_WORKSPACES, s_workspace_key, "workspace" },
    [TABLE_LEASES]       = { &lease_schema, DB_LEASES, s_lease_key, "lease" },
    [TABLE_RUNS]         = { &run_schema, DB_RUNS, s_run_key, "run" },
    [TABLE_EXECS]        = { &exec_schema, DB_EXECS, s_exec_key, "exec" },
};

typedef struct {
    table_t table;
    bool (*key) (const void *row, store_key_t *key);
} index_row_t;

static const index_row_t s_indexes [INDEX_COUNT] = {
    [INDEX_ENVIRONMENT_LIST]     = { TABLE_ENVIRONMENTS, s_environment_list },
    [INDEX_ENVIRONMENT_LOCAL]    = { TABLE_ENVIRONMENTS, s_environment_local },
    [INDEX_WORKSPACE_LIST]       = { TABLE_WORKSPACES, s_workspace_list },
    [INDEX_LEASE_LIST]           = { TABLE_LEASES, s_lease_list },
    [INDEX_LEASE_BY_ENVIRONMENT] = { TABLE_LEASES, s_lease_by_environment },
    [INDEX_LEASE_BY_RUN]         = { TABLE_LEASES, s_lease_by_run },
    [INDEX_LEASE_BY_WORKSPACE]   = { TABLE_LEASES, s_lease_by_workspace },
    [INDEX_LEASE_LIVE]           = { TABLE_LEASES, s_lease_live },
    [INDEX_RUN_LIST]             = { TABLE_RUNS, s_run_list },
    [INDEX_RUN_DUE]              = { TABLE_RUNS, s_run_due },
    [INDEX_EXEC_LIST]            = { TABLE_EXECS, s_exec_list },
    [INDEX_EXEC_BY_LEASE]        = { TABLE_EXECS, s_exec_by_lease },
    [INDEX_EXEC_LIVE]            = { TABLE_EXECS, s_exec_live },
};

//  An index's entry: its first byte, its key, the row's key; the value is the row's key.
static bool
s_index_key (store_index_t index, const void *row, const store_key_t *row_key, store_key_t *ret_key)
{
    ret_key->size = 0;
    key_byte (ret_key, (uint8_t) index);
    if (!s_indexes [index].key (row, ret_key))
        return false;
    key_bytes (ret_key, row_key->data, row_key->size);
    return true;
}

static bool
s_same (const store_key_t *left, const store_key_t *right)
{
    return left->size == right->size && memcmp (left->data, right->data, left->size) == 0;
}

//  ---- rows

static int
s_get (store_txn_t *txn, arena_t *arena, table_t code, const store_key_t *key, void *ret_row,
       berth_error_t *err)
{
    const table_row_t *table = &s_tables [code];
    berth_bytes_t packed;
    int rc = store_raw_get (txn, table->db, key, &packed, err);
    if (rc)
        return rc;
    packed.data = arena_copy (arena, packed.data, packed.size);
    if (berth_unpack_own (table->schema, packed, arena, ret_row, err))
        return berth_fail (err, BERTH_INTERNAL, "a row of the store cannot be read (%s)",
                           table->noun);
    return 0;
}

//  Is it a row of a company that this transaction sees?
static bool
s_sees (const store_txn_t *txn, table_t code, const void *row)
{
    if (!txn->sees)
        return true;
    const berth_field_t *company = berth_schema_field (s_tables [code].schema, "companyId");
    return company
        && txn->sees (txn->sees_context, *(const char *const *) ((const uint8_t *) row + company->offset));
}

static int
s_put (store_txn_t *txn, arena_t *arena, table_t code, const void *row, berth_error_t *err)
{
    const table_row_t *table = &s_tables [code];
    store_key_t key = { 0 }, before, after;
    table->key (row, &key);
    void *old = arena_take (arena, table->schema->size);
    int found = s_get (txn, arena, code, &key, old, err);
    if (found == 0 && !s_sees (txn, code, old))
        return berth_fail (err, BERTH_CONFLICT, "this id of a new %s is taken", table->noun);
    if (found < 0 || store_raw_put (txn, table->db, &key, berth_pack (table->schema, row, arena), err)
        || usage_move (txn, code, found == 0 ? old : NULL, row, err))
        return -1;
    for (store_index_t index = 0; index < INDEX_COUNT; index++) {
        if (s_indexes [index].table != code)
            continue;
        bool had = found == 0 && s_index_key (index, old, &key, &before);
        bool has = s_index_key (index, row, &key, &after);
        if (had && has && s_same (&before, &after))
            continue;
        if (had && store_raw_del (txn, DB_INDEX, &before, err))
            return -1;
        if (has && store_raw_put (txn, DB_INDEX, &after, (berth_bytes_t) { key.data, key.size }, err))
            return -1;
    }
    return 0;
}

static int
s_del (store_txn_t *txn, arena_t *arena, table_t code, const store_key_t *key, berth_error_t *err)
{
    const table_row_t *table = &s_tables [code];
    void *old = arena_take (arena, table->schema->size);
    int found = s_get (txn, arena, code, key, old, err);
    if (found || !s_sees (txn, code, old))
        return found < 0 ? -1 : 0;
    if (usage_move (txn, code, old, NULL, err))
        return -1;
    for (store_index_t index = 0; index < INDEX_COUNT; index++) {
        store_key_t entry;
        if (s_indexes [index].table == code && s_index_key (index, old, key, &entry)
            && store_raw_del (txn, DB_INDEX, &entry, err))
            return -1;
    }
    return store_raw_del (txn, table->db, key, err);
}

static int
s_get_by_id (store_txn_t *txn, arena_t *arena, table_t table, const char *id, void *ret_row,
             berth_error_t *err)
{
    store_key_t key = { 0 };
    key_id (&key, id);
    int rc = s_get (txn, arena, table, &key, ret_row, err);
    if (rc == 0 && !s_sees (txn, table, ret_row))
        rc = 1;
    return rc > 0 ? berth_fail (err, BERTH_NOT_FOUND, "no %s '%s'", s_tables [table].noun, id) : rc;
}

int
environment_get (store_txn_t *txn, arena_t *arena, const char *id, environment_t *ret_row,
                 berth_error_t *err)
{
    return s_get_by_id (txn, arena, TABLE_ENVIRONMENTS, id, ret_row, err);
}

int
workspace_get (store_txn_t *txn, arena_t *arena, const char *id, workspace_t *ret_row,
               berth_error_t *err)
{
    return s_get_by_id (txn, arena, TABLE_WORKSPACES, id, ret_row, err);
}

int
lease_get (store_txn_t *txn, arena_t *arena, const char *id, lease_t *ret_row, berth_error_t *err)
{
    return s_get_by_id (txn, arena, TABLE_LEASES, id, ret_row, err);
}

int
exec_get (store_txn_t *txn, arena_t *arena, const char *id, exec_t *ret_row, berth_error_t *err)
{
    return s_get_by_id (txn, arena, TABLE_EXECS, id, ret_row, err);
}

int
run_get (store_txn_t *txn, arena_t *arena, const char *company, const char *id, run_t *ret_row,
         berth_error_t *err)
{
    store_key_t key = { 0 };
    key_text (&key, company);
    key_text (&key, id);
    int rc = s_get (txn, arena, TABLE_RUNS, &key, ret_row, err);
    return rc > 0 ? berth_fail (err, BERTH_NOT_FOUND, "no run '%s'", id) : rc;
}

int
environment_put (store_txn_t *txn, arena_t *arena, const environment_t *row, berth_error_t *err)
{
    return s_put (txn, arena, TABLE_ENVIRONMENTS, row, err);
}

int
workspace_put (store_txn_t *txn, arena_t *arena, const workspace_t *row, berth_error_t *err)
{
    return s_put (txn, arena, TABLE_WORKSPACES, row, err);
}

int
lease_put (store_txn_t *txn, arena_t *arena, const lease_t *row, berth_error_t *err)
{
    return s_put (txn, arena, TABLE_LEASES, row, err);
}

int
exec_put (store_txn_t *txn, arena_t *arena, const exec_t *row, berth_error_t *err)
{
    return s_put (txn, arena, TABLE_EXECS, row, err);
}

int
run_put (store_txn_t *txn, arena_t *arena, const run_t *row, berth_error_t *err)
{
    return s_put (txn, arena, TABLE_RUNS, row, err);
}

int
environment_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err)
{
    store_key_t key = { 0 };
    key_id (&key, id);
    return s_del (txn, arena, TABLE_ENVIRONMENTS, &key, err);
}

//  ---- walks

int
walk_begin (store_walk_t *self, store_txn_t *txn, store_index_t index, const store_key_t *prefix,
            const char *after, berth_error_t *err)
{
    *self = (store_walk_t) { .txn = txn, .index = index };
    key_byte (&self->prefix, (uint8_t) index);
    if (prefix)
        key_bytes (&self->prefix, prefix->data, prefix->size);
    self->at = self->prefix;
    if (after) {
        if (key_from_text (&self->at, after) || self->at.size < self->prefix.size
            || memcmp (self->at.data, self->prefix.data, self->prefix.size) != 0) {
            if (err)
                berth_error_set (err->field, sizeof err->field, "cursor");
            return berth_fail (err, BERTH_INVALID, "field 'cursor' is not a cursor of this list");
        }
    }
    self->started = after != NULL;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open (txn->txn, store_dbi (txn, DB_INDEX), &cursor);
    if (rc)
        return store_fail (err, rc, "walking an index");
    self->cursor = cursor;
    return 0;
}

static int
s_step (store_walk_t *self, MDB_val *ret_value, berth_error_t *err)
{
    MDB_val key = { self->at.size, self->at.data };
    int rc = mdb_cursor_get (self->cursor, &key, ret_value, MDB_SET_RANGE);
    if (rc == 0 && self->started && key.mv_size == self->at.size
        && memcmp (key.mv_data, self->at.data, self->at.size) == 0)
        rc = mdb_cursor_get (self->cursor, &key, ret_value, MDB_NEXT);
    if (rc == MDB_NOTFOUND)
        return 1;
    if (rc)
        return store_fail (err, rc, "walking an index");
    if (key.mv_size < self->prefix.size
        || memcmp (key.mv_data, self->prefix.data, self->prefix.size) != 0)
        return 1;
    self->started = true;
    self->at.size = key.mv_size;
    memcpy (self->at.data, key.mv_data, key.mv_size);
    return 0;
}

int
walk_next (store_walk_t *self, arena_t *arena, void *ret_row, berth_error_t *err)
{
    MDB_val value;
    int rc = s_step (self, &value, err);
    if (rc)
        return rc;
    store_key_t key = { 0 };
    key_bytes (&key, value.mv_data, value.mv_size);
    rc = s_get (self->txn, arena, s_indexes [self->index].table, &key, ret_row, err);
    return rc > 0 ? berth_fail (err, BERTH_INTERNAL, "an index of the store names a row that is gone")
                  : rc;
}

int
walk_next_key (store_walk_t *self, store_key_t *ret_key, berth_error_t *err)
{
    MDB_val value;
    int rc = s_step (self, &value, err);
    if (rc)
        return rc;
    ret_key->size = 0;
    key_bytes (ret_key, self->at.data + 1, self->at.size - 1);
    return 0;
}

const char *
walk_cursor (const store_walk_t *self, arena_t *arena)
{
    size_t size = 2 * self->at.size + 1;
    char *text = arena_take (arena, size);
    key_to_text (&self->at, text, size);
    return text;
}

void
walk_end (store_walk_t *self)
{
    if (self->cursor)
        mdb_cursor_close (self->cursor);
    self->cursor = NULL;
}

uint64_t
table_rows (store_txn_t *txn, table_t table)
{
    MDB_stat stat;
    return mdb_stat (txn->txn, store_dbi (txn, s_tables [table].db), &stat) ? 0 : stat.ms_entries;
}

uint64_t
index_entries (store_txn_t *txn, store_index_t index, const store_key_t *prefix)
{
    store_walk_t walk;
    store_key_t key;
    uint64_t count = 0;
    if (walk_begin (&walk, txn, index, prefix, NULL, NULL))
        return 0;
    while (walk_next_key (&walk, &key, NULL) == 0)
        count++;
    walk_end (&walk);
    return count;
}

//  ---- rebuilding

static int
s_reindex_table (store_txn_t *txn, table_t code, arena_t *arena, berth_error_t *err)
{
    const table_row_t *table = &s_tables [code];
    MDB_cursor *cursor;
    int rc = mdb_cursor_open (txn->txn, store_dbi (txn, table->db), &cursor);
    if (rc)
        return store_fail (err, rc, "rebuilding an index");
    MDB_val at, value;
    int failed = 0;
    while (!failed && mdb_cursor_get (cursor, &at, &value, MDB_NEXT) == 0) {
        arena_clear (arena);
        store_key_t key = { 0 }, entry;
        key_bytes (&key, at.mv_data, at.mv_size);
        void *row = arena_take (arena, table->schema->size);
        berth_bytes_t packed = { arena_copy (arena, value.mv_data, value.mv_size), value.mv_size };
        failed = berth_unpack_own (table->schema, packed, arena, row, err)
              || usage_move (txn, code, NULL, row, err);
        for (store_index_t index = 0; !failed && index < INDEX_COUNT; index++)
            if (s_indexes [index].table == code && s_index_key (index, row, &key, &entry))
                failed = store_raw_put (txn, DB_INDEX, &entry,
                                        (berth_bytes_t) { key.data, key.size }, err);
    }
    mdb_cursor_close (cursor);
    return failed;
}

int
tables_reindex (store_txn_t *txn, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    int rc = mdb_drop (txn->txn, store_dbi (txn, DB_INDEX), 0);
    if (rc == 0)
        rc = mdb_drop (txn->txn, store_dbi (txn, DB_USAGE), 0);
    if (rc)
        return store_fail (err, rc, "emptying the index");
    for (table_t table = 0; table < TABLE_COUNT; table++)
        if (s_reindex_table (txn, table, arena, err))
            return -1;
    return 0;
}

//  Schema 1 had no index of runs that have a step under way, nor of leases by workspace; schema 2 no
//  counters of companies.
int
store_migrate (store_txn_t *txn, uint64_t from, berth_error_t *err)
{
    ENSURE (from < STORE_SCHEMA);
    return tables_reindex (txn, err);
}
