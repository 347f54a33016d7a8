//  check_rows.c - owns what must be true of rows, of the entries of their indexes, and of spools.

#include "check_inside.h"

#include "codec.h"
#include "ids.h"
#include "states.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool
s_same (const store_key_t *left, const void *right, size_t size)
{
    return left->size == size && memcmp (left->data, right, size) == 0;
}

//  ---- references

static void
s_lease (store_check_t *self, store_txn_t *txn, const lease_t *row)
{
    if (row->status != lease_status_of (row->state))
        check_found (self, "state", "leases", row->id, "its status %s does not go with its state %s",
                     berth_enum_text (&lease_status_enum, (int) row->status),
                     berth_enum_text (&lease_state_enum, (int) row->state));
    if (row->generation == 0 || row->generation > store_counters (txn)->generation)
        check_found (self, "count", "leases", row->id, "its generation %llu was never given out",
                     (unsigned long long) row->generation);
    if (lease_settled (row->state))
        return;                     //  Its environment may be deleted
    environment_t env;
    if (environment_get (txn, self->arena, row->env, &env, NULL))
        check_found (self, "reference", "leases", row->id, "its environment %s is not there", row->env);
    else if (strcmp (env.company, row->company))
        check_found (self, "reference", "leases", row->id, "its environment %s is of company %s",
                     row->env, env.company);
    workspace_t workspace;
    if (row->workspace && workspace_get (txn, self->arena, row->workspace, &workspace, NULL) == 0
        && strcmp (workspace.company, row->company))
        check_found (self, "reference", "leases", row->id, "its workspace %s is of company %s",
                     row->workspace, workspace.company);
}

static void
s_run (store_check_t *self, store_txn_t *txn, const run_t *row)
{
    const char *id = arena_printf (self->arena, "%s/%s", row->company, row->id);
    bool waits = row->state == run_state_ACQUIRING || row->state == run_state_REALIZING
              || row->state == run_state_RELEASING;
    if (waits && !row->step)
        check_found (self, "state", "runs", id, "it is %s and no step is due",
                     berth_enum_text (&run_state_enum, (int) row->state));
    lease_t lease;
    if (!row->lease)
        return;
    if (lease_get (txn, self->arena, row->lease, &lease, NULL))
        check_found (self, "reference", "runs", id, "its lease %s is not there", row->lease);
    else if (strcmp (lease.company, row->company))
        check_found (self, "reference", "runs", id, "its lease %s is of company %s", row->lease,
                     lease.company);
    else if (!lease.run || strcmp (lease.run, row->id))
        check_found (self, "reference", "runs", id, "its lease %s is of %s%s", row->lease,
                     lease.run ? "run " : "no run", lease.run ? lease.run : "");
}

//  The folder goes before its row is marked: what ended in the last seconds before that may be on
//  its way.
static void
s_output (store_check_t *self, const exec_t *row)
{
    bool begun = row->state == exec_state_ENDED && row->cause != exec_cause_START_FAILED;
    if (!self->spools || !begun || row->output_gone || row->ended_at < self->outputs_since_ms)
        return;
    if (access (arena_printf (self->arena, "%s/%s", self->spools, row->id), F_OK) && errno == ENOENT)
        check_found (self, "spool", "execs", row->id, "its output is not there");
}

static void
s_exec (store_check_t *self, store_txn_t *txn, const exec_t *row)
{
    bool ended = row->state == exec_state_ENDED;
    if (ended != (row->cause != exec_cause_NONE) || ended != (row->ended_at != 0))
        check_found (self, "state", "execs", row->id, "it is %s, with%s cause and with%s end",
                     berth_enum_text (&exec_state_enum, (int) row->state),
                     row->cause ? " a" : "out a", row->ended_at ? " an" : "out an");
    lease_t lease;
    if (lease_get (txn, self->arena, row->lease, &lease, NULL))
        check_found (self, "reference", "execs", row->id, "its lease %s is not there", row->lease);
    else if (strcmp (lease.company, row->company))
        check_found (self, "reference", "execs", row->id, "its lease %s is of company %s", row->lease,
                     lease.company);
    s_output (self, row);
}

static void
s_environment (store_check_t *self, store_txn_t *txn, const environment_t *row)
{
    (void) txn;
    if (!row->driver || !row->status)
        check_found (self, "state", "environments", row->id, "it has no driver or no status");
}

//  ---- rows

static void
s_indexes (store_check_t *self, store_txn_t *txn, table_t table, const void *row,
           const store_key_t *key, const char *id)
{
    for (store_index_t index = 0; index < INDEX_COUNT; index++) {
        store_key_t entry;
        berth_bytes_t value;
        if (store_indexes [index].table != table || !index_key (index, row, key, &entry))
            continue;
        int rc = store_raw_get (txn, DB_INDEX, &entry, &value, NULL);
        if (rc || !s_same (key, value.data, value.size))
            check_found (self, "index", store_db_name (store_tables [table].db), id,
                         "index %s has no entry for it", index_text (index));
    }
}

void
check_row (store_check_t *self, store_txn_t *txn, table_t table, const store_key_t *key,
           berth_bytes_t value)
{
    const table_row_t *of = &store_tables [table];
    const char *where = store_db_name (of->db);
    const char *id = check_key_text (self, key);
    berth_error_t err = { 0 };
    void *row = arena_take (self->arena, of->schema->size);
    value.data = arena_copy (self->arena, value.data, value.size);
    if (berth_unpack_own (of->schema, value, self->arena, row, &err)) {
        check_found (self, "row", where, id, "it cannot be read: %s", err.text);
        return;
    }
    store_key_t its_own = { 0 };
    of->key (row, &its_own);
    if (!s_same (key, its_own.data, its_own.size))
        check_found (self, "row", where, id, "it says that it is %s", check_key_text (self, &its_own));
    uint64_t *counter = table_counter (&self->counted, table, row);
    if (counter)
        ++*counter;
    self->counting = self->counting && mdb_txn_id (txn->txn) == self->counted_txn;
    s_indexes (self, txn, table, row, key, id);
    if (table == TABLE_LEASES)
        s_lease (self, txn, row);
    else if (table == TABLE_RUNS)
        s_run (self, txn, row);
    else if (table == TABLE_EXECS)
        s_exec (self, txn, row);
    else if (table == TABLE_ENVIRONMENTS)
        s_environment (self, txn, row);
}

static void
s_count (store_check_t *self, const char *where, const berth_enum_t *states, const uint64_t *counted,
         const uint64_t *kept)
{
    for (size_t state = 0; state < STORE_STATES; state++)
        if (counted [state] != kept [state])
            check_found (self, "count", where, state < states->count ? states->texts [state] : "?",
                         "%llu rows are in that state, and %llu are counted",
                         (unsigned long long) counted [state], (unsigned long long) kept [state]);
}

void
check_counts (store_check_t *self, store_txn_t *txn)
{
    if (!self->counting || mdb_txn_id (txn->txn) != self->counted_txn)
        return;                     //  Something was written while they were counted
    const store_counters_t *kept = store_counters (txn);
    s_count (self, "leases", &lease_state_enum, self->counted.leases, kept->leases);
    s_count (self, "runs", &run_state_enum, self->counted.runs, kept->runs);
    s_count (self, "execs", &exec_state_enum, self->counted.execs, kept->execs);
}

//  ---- entries of indexes

void
check_index_entry (store_check_t *self, store_txn_t *txn, const store_key_t *key, berth_bytes_t value)
{
    const char *id = check_key_text (self, key);
    if (key->size == 0 || key->data [0] >= INDEX_COUNT || value.size > STORE_KEY_MAX) {
        check_found (self, "index", "index", id, "it is of no index");
        return;
    }
    store_index_t index = (store_index_t) key->data [0];
    const table_row_t *of = &store_tables [store_indexes [index].table];
    const char *where = store_db_name (of->db);
    store_key_t row_key = { 0 }, wanted;
    berth_bytes_t packed;
    key_bytes (&row_key, value.data, value.size);
    const char *row_id = check_key_text (self, &row_key);
    if (store_raw_get (txn, of->db, &row_key, &packed, NULL)) {
        check_found (self, "index", where, row_id, "index %s names it, and it is not there",
                     index_text (index));
        return;
    }
    void *row = arena_take (self->arena, of->schema->size);
    packed.data = arena_copy (self->arena, packed.data, packed.size);
    if (berth_unpack_own (of->schema, packed, self->arena, row, NULL))
        return;                     //  Said of the row
    if (!index_key (index, row, &row_key, &wanted) || !s_same (key, wanted.data, wanted.size))
        check_found (self, "index", where, row_id, "index %s has an entry for it that does not fit",
                     index_text (index));
}

//  ---- spools

void
check_spool (store_check_t *self, const char *name)
{
    own (store_txn) txn = NULL;
    exec_t row;
    berth_error_t err = { 0 };
    if (!berth_id_is (name)) {
        check_found (self, "spool", "spool", name, "it is no exec's");
        return;
    }
    if (store_read (self->store, &txn, NULL) || exec_get (txn, self->arena, name, &row, &err) == 0
        || err.code != BERTH_NOT_FOUND)
        return;
    //  A folder goes before its row: is it still there?
    if (access (arena_printf (self->arena, "%s/%s", self->spools, name), F_OK) == 0)
        check_found (self, "spool", "spool", name, "its exec is not there");
}
