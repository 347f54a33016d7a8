//  tables.c - owns rows and the entries of their indexes: put, get, delete, walk, rebuild.

#include "tables_inside.h"

#include "codec.h"
#include "usage.h"

#include <stdlib.h>
#include <string.h>

//  ---- rows

static bool
s_same (const store_key_t *left, const store_key_t *right)
{
    return left->size == right->size && memcmp (left->data, right->data, left->size) == 0;
}

//  Keeps what was read: mostly the same row is put next.
static void
s_remember (store_txn_t *txn, const arena_t *arena, const berth_schema_t *schema,
            const store_key_t *key, const void *row)
{
    store_read_t *read = &txn->read;
    if (!txn->writes_allowed)
        return;
    if (read->room < schema->size) {
        free (read->row);
        read->row = malloc (schema->size);
        ENSURE (read->row);
        read->room = schema->size;
    }
    memcpy (read->row, row, schema->size);
    read->schema = schema;
    read->key = *key;
    read->arena = arena;
    read->age = arena_age (arena);
}

static bool
s_recall (const store_txn_t *txn, const arena_t *arena, const berth_schema_t *schema,
          const store_key_t *key, void *ret_row)
{
    const store_read_t *read = &txn->read;
    if (read->schema != schema || read->arena != arena || read->age != arena_age (arena)
        || !s_same (&read->key, key))
        return false;
    memcpy (ret_row, read->row, schema->size);
    return true;
}

static int
s_get (store_txn_t *txn, arena_t *arena, table_t code, const store_key_t *key, void *ret_row,
       berth_error_t *err)
{
    const table_row_t *table = &store_tables [code];
    berth_bytes_t packed;
    if (s_recall (txn, arena, table->schema, key, ret_row))
        return 0;
    int rc = store_raw_get (txn, table->db, key, &packed, err);
    if (rc)
        return rc;
    packed.data = arena_copy (arena, packed.data, packed.size);
    if (berth_unpack_own (table->schema, packed, arena, ret_row, err))
        return berth_fail (err, BERTH_INTERNAL, "a row of the store cannot be read (%s)",
                           table->noun);
    s_remember (txn, arena, table->schema, key, ret_row);
    return 0;
}

//  Is it a row of a company that this transaction sees?
static bool
s_sees (const store_txn_t *txn, table_t code, const void *row)
{
    if (!txn->sees)
        return true;
    const berth_field_t *company = berth_schema_field (store_tables [code].schema, "companyId");
    return company
        && txn->sees (txn->sees_context, *(const char *const *) ((const uint8_t *) row + company->offset));
}

static void
s_count (store_txn_t *txn, table_t code, const void *row, int by)
{
    uint64_t *counter = by ? table_counter (&txn->counters, code, row) : NULL;
    if (!counter)
        return;
    *counter += (uint64_t) (int64_t) by;
    txn->counters_changed = true;
}

static int
s_put (store_txn_t *txn, arena_t *arena, table_t code, const void *row, berth_error_t *err)
{
    const table_row_t *table = &store_tables [code];
    store_key_t key = { 0 }, before, after;
    table->key (row, &key);
    void *old = arena_take (arena, table->schema->size);
    int found = s_get (txn, arena, code, &key, old, err);
    txn->read.schema = NULL;        //  It is another from here on
    if (found == 0 && !s_sees (txn, code, old))
        return berth_fail (err, BERTH_CONFLICT, "this id of a new %s is taken", table->noun);
    if (found < 0 || store_raw_put (txn, table->db, &key, berth_pack (table->schema, row, arena), err)
        || usage_move (txn, code, found == 0 ? old : NULL, row, err))
        return -1;
    s_count (txn, code, old, found == 0 ? -1 : 0);
    s_count (txn, code, row, 1);
    for (store_index_t index = 0; index < INDEX_COUNT; index++) {
        if (store_indexes [index].table != code)
            continue;
        bool had = found == 0 && index_key (index, old, &key, &before);
        bool has = index_key (index, row, &key, &after);
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
    const table_row_t *table = &store_tables [code];
    void *old = arena_take (arena, table->schema->size);
    int found = s_get (txn, arena, code, key, old, err);
    txn->read.schema = NULL;
    if (found || !s_sees (txn, code, old))
        return found < 0 ? -1 : 0;
    if (usage_move (txn, code, old, NULL, err))
        return -1;
    s_count (txn, code, old, -1);
    for (store_index_t index = 0; index < INDEX_COUNT; index++) {
        store_key_t entry;
        if (store_indexes [index].table == code && index_key (index, old, key, &entry)
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
    return rc > 0 ? berth_fail (err, BERTH_NOT_FOUND, "no %s '%s'", store_tables [table].noun, id) : rc;
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
principal_get (store_txn_t *txn, arena_t *arena, const char *id, principal_t *ret_row,
               berth_error_t *err)
{
    store_key_t key = { 0 };
    key_text (&key, id);
    int rc = s_get (txn, arena, TABLE_PRINCIPALS, &key, ret_row, err);
    return rc > 0 ? berth_fail (err, BERTH_NOT_FOUND, "no key '%s'", id) : rc;
}

int
hold_find (store_txn_t *txn, arena_t *arena, const char *id, hold_t *ret_row, berth_error_t *err)
{
    store_key_t key = { 0 };
    hold_t row;
    key_text (&key, id);
    int rc = s_get (txn, arena, TABLE_HOLDS, &key, &row, err);
    if (rc == 0)
        *ret_row = row;
    return rc < 0 ? -1 : 0;
}

int
hold_put (store_txn_t *txn, arena_t *arena, const hold_t *row, berth_error_t *err)
{
    return s_put (txn, arena, TABLE_HOLDS, row, err);
}

int
hold_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err)
{
    store_key_t key = { 0 };
    key_text (&key, id);
    return s_del (txn, arena, TABLE_HOLDS, &key, err);
}

int
sweep_find (store_txn_t *txn, arena_t *arena, const char *provider, sweep_t *ret_row,
            berth_error_t *err)
{
    store_key_t key = { 0 };
    sweep_t row;
    key_text (&key, provider);
    int rc = s_get (txn, arena, TABLE_SWEEPS, &key, &row, err);
    if (rc == 0)
        *ret_row = row;
    return rc < 0 ? -1 : 0;
}

int
suspect_find (store_txn_t *txn, arena_t *arena, const char *provider, const char *id,
              suspect_t *ret_row, berth_error_t *err)
{
    store_key_t key = { 0 };
    suspect_t row;
    key_text (&key, provider);
    key_text (&key, id);
    int rc = s_get (txn, arena, TABLE_SUSPECTS, &key, &row, err);
    if (rc == 0)
        *ret_row = row;
    return rc < 0 ? -1 : 0;
}

int
sweep_put (store_txn_t *txn, arena_t *arena, const sweep_t *row, berth_error_t *err)
{
    return s_put (txn, arena, TABLE_SWEEPS, row, err);
}

int
suspect_put (store_txn_t *txn, arena_t *arena, const suspect_t *row, berth_error_t *err)
{
    return s_put (txn, arena, TABLE_SUSPECTS, row, err);
}

int
suspect_del (store_txn_t *txn, arena_t *arena, const char *provider, const char *id,
             berth_error_t *err)
{
    store_key_t key = { 0 };
    key_text (&key, provider);
    key_text (&key, id);
    return s_del (txn, arena, TABLE_SUSPECTS, &key, err);
}

//  ---- for the other files of typed functions

int
table_find (store_txn_t *txn, arena_t *arena, table_t table, const void *like, void *ret_row,
            berth_error_t *err)
{
    store_key_t key = { 0 };
    store_tables [table].key (like, &key);
    int rc = s_get (txn, arena, table, &key, ret_row, err);
    return rc == 0 && !s_sees (txn, table, ret_row) ? 1 : rc;
}

int
table_put (store_txn_t *txn, arena_t *arena, table_t table, const void *row, berth_error_t *err)
{
    return s_put (txn, arena, table, row, err);
}

int
table_del (store_txn_t *txn, arena_t *arena, table_t table, const void *like, berth_error_t *err)
{
    store_key_t key = { 0 };
    store_tables [table].key (like, &key);
    return s_del (txn, arena, table, &key, err);
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
principal_put (store_txn_t *txn, arena_t *arena, const principal_t *row, berth_error_t *err)
{
    return s_put (txn, arena, TABLE_PRINCIPALS, row, err);
}

int
environment_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err)
{
    store_key_t key = { 0 };
    key_id (&key, id);
    return s_del (txn, arena, TABLE_ENVIRONMENTS, &key, err);
}

int
lease_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err)
{
    store_key_t key = { 0 };
    key_id (&key, id);
    return s_del (txn, arena, TABLE_LEASES, &key, err);
}

int
exec_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err)
{
    store_key_t key = { 0 };
    key_id (&key, id);
    return s_del (txn, arena, TABLE_EXECS, &key, err);
}

int
run_del (store_txn_t *txn, arena_t *arena, const char *company, const char *id, berth_error_t *err)
{
    store_key_t key = { 0 };
    key_text (&key, company);
    key_text (&key, id);
    return s_del (txn, arena, TABLE_RUNS, &key, err);
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
    rc = s_get (self->txn, arena, store_indexes [self->index].table, &key, ret_row, err);
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
    return mdb_stat (txn->txn, store_dbi (txn, store_tables [table].db), &stat) ? 0 : stat.ms_entries;
}

uint64_t
table_rows_in (store_txn_t *txn, table_t table, int state)
{
    const store_counters_t *counters = store_counters (txn);
    const uint64_t *of = table == TABLE_LEASES ? counters->leases
                       : table == TABLE_RUNS ? counters->runs
                       : table == TABLE_EXECS ? counters->execs : NULL;
    return of && state >= 0 && state < STORE_STATES ? of [state] : 0;
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
    const table_row_t *table = &store_tables [code];
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
        if (!failed)
            s_count (txn, code, row, 1);
        for (store_index_t index = 0; !failed && index < INDEX_COUNT; index++)
            if (store_indexes [index].table == code && index_key (index, row, &key, &entry))
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
    txn->counters = (store_counters_t) { .seq = txn->counters.seq,
                                         .generation = txn->counters.generation,
                                         .found = txn->counters.found };
    txn->counters_changed = true;
    for (table_t table = 0; table < TABLE_COUNT; table++)
        if (s_reindex_table (txn, table, arena, err))
            return -1;
    return 0;
}

//  Schema 4 had no index of leases by place. Schema 1 had no index of runs that have a step under way, nor of leases by workspace; schema 2
//  no counters of companies; schema 3 no index by end time, no counts by state, and nothing that leads
//  to entries of the log; schema 4 had leases by their deadline instead of when they are looked at next,
//  which the start of their actor writes down; schema 5 no leases without a workspace in the index of
//  unsettled ones.
int
store_migrate (store_txn_t *txn, uint64_t from, berth_error_t *err)
{
    ENSURE (from < STORE_SCHEMA);
    return tables_reindex (txn, err) || activity_reindex (txn, err) ? -1 : 0;
}
