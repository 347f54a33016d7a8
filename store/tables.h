//  tables.h - the table of tables: typed get, put, delete, and walks along an index.
//
//  A row is a message (messages/*.h) packed by the one codec. Its indexes are kept by `put`: a
//  function of the row gives each index's key. A row has one writing actor; anyone reads.

#ifndef BERTH_TABLES_H_INCLUDED
#define BERTH_TABLES_H_INCLUDED

#include "requests.h"
#include "store.h"

#define STORE_TABLES(X) \
/*     table         row          written by   what it keeps */ \
    X (ENVIRONMENTS, environment, REGISTRY, "where work may run") \
    X (WORKSPACES,   workspace,   REALIZER, "execution workspaces") \
    X (LEASES,       lease,       LEASES,   "leases, settled ones too") \
    X (RUNS,         run,         RUNS,     "what the bus knows of runs") \
    X (EXECS,        exec,        EXECS,    "execs, ended ones too") \
    X (PRINCIPALS,   principal,   KEYS,     "who may ask, with its public key") \
    X (HOLDS,        hold,        LEASES,   "what keeps new leases away") \
    X (SWEEPS,       sweep,       LEASES,   "the search for lost places, by provider") \
    X (SUSPECTS,     suspect,     LEASES,   "places that no lease wants, leases whose place is gone") \
    X (SECRETS,      secret,      SECRETS,  "company secrets, without their values; also by the registry, through secret_make ()") \
    X (SECRET_VERSIONS, secret_version, SECRETS, "their sealed values") \
    X (SECRET_BINDINGS, secret_binding, SECRETS, "who may use them") \
    X (SECRET_EVENTS, secret_event, SECRETS,  "who did, written where it is used: secret_use ()") \
    X (COMPANY_KEYS, company_key, SECRETS,  "the keys that values are sealed with, sealed") \
    X (COMPANIES,    company_removal, REGISTRY, "companies that are being deleted")

#define STORE_INDEXES(X) \
/*     index                table         its key                                         used by */ \
    X (ENVIRONMENT_LIST,    ENVIRONMENTS, "company, updatedAt down, createdAt down",      "environment.list") \
    X (ENVIRONMENT_LOCAL,   ENVIRONMENTS, "company, of the local one",                    "ensureLocal") \
    X (WORKSPACE_LIST,      WORKSPACES,   "company, lastUsedAt down, createdAt down",     "workspace.list") \
    X (LEASE_LIST,          LEASES,       "company, lastUsedAt down, createdAt down",     "lease.list") \
    X (LEASE_BY_ENVIRONMENT, LEASES,      "environment, lastUsedAt down, createdAt down", "lease.list") \
    X (LEASE_BY_RUN,        LEASES,       "company, run, createdAt",                      "lease.list, run.release") \
    X (LEASE_BY_WORKSPACE,  LEASES,       "environment, workspace or none, of unsettled ones", "exclusive places, environment.delete") \
    X (LEASE_LIVE,          LEASES,       "state, next look, of unsettled ones",          "start, stats, expiry") \
    X (LEASE_SETTLED,       LEASES,       "updatedAt, of settled ones",                   "retention") \
    X (RUN_LIST,            RUNS,         "company, updatedAt down",                      "run.list") \
    X (RUN_DUE,             RUNS,         "of those with a step under way",               "start") \
    X (RUN_HEARD,           RUNS,         "next look, of those that sent a heartbeat",    "lost runs") \
    X (RUN_SETTLED,         RUNS,         "updatedAt, of released and failed ones",       "retention") \
    X (EXEC_LIST,           EXECS,        "company, createdAt down",                      "exec.list") \
    X (EXEC_BY_LEASE,       EXECS,        "lease, createdAt down",                        "exec.list") \
    X (EXEC_LIVE,           EXECS,        "lease, of those that have not ended",          "start, expiry") \
    X (EXEC_USED,           EXECS,        "lease, boot, usedMonoMs down, of leases with idleMs", "expiry") \
    X (EXEC_ENDED,          EXECS,        "endedAt, of ended ones",                       "retention") \
    X (EXEC_OUTPUT,         EXECS,        "endedAt, of ended ones whose output is kept",  "retention") \
    X (PRINCIPAL_LIST,      PRINCIPALS,   "name",                                         "key.list, start") \
    X (PRINCIPAL_BY_KEY,    PRINCIPALS,   "public key",                                   "key.new") \
    X (ENVIRONMENT_DELETING, ENVIRONMENTS, "of those that are being deleted",             "start") \
    X (HOLD_LIST,           HOLDS,        "id",                                           "stats") \
    X (LEASE_REUSABLE,      LEASES,       "scope, lastUsedAt down, of kept places",       "lease.acquire") \
    X (LEASE_KEPT,          LEASES,       "nextAttemptAt, of kept places and those being destroyed", "tick") \
    X (LEASE_BY_PLACE,      LEASES,       "hash of provider and place, of those that hold one", "sweep") \
    X (SWEEP_LIST,          SWEEPS,       "provider",                                     "stats") \
    X (SUSPECT_LIST,        SUSPECTS,     "provider, id",                                 "sweep, stats") \
    X (SECRET_LIST,         SECRETS,      "company, key",                                 "secret.list, one of a kind") \
    X (SECRET_BY_NAME,      SECRETS,      "company, name",                                "one of a kind") \
    X (SECRET_VERSION_LIST, SECRET_VERSIONS, "secret, version",                           "secret.rotate, secret.delete") \
    X (SECRET_BINDING_LIST, SECRET_BINDINGS, "secret, target, path",                      "secret.usage") \
    X (SECRET_BINDING_TARGET, SECRET_BINDINGS, "company, target, path",                   "secret.syncBindings") \
    X (SECRET_EVENT_LIST,   SECRET_EVENTS, "secret, createdAt down",                      "secret.events") \
    X (SECRET_EVENT_AGE,    SECRET_EVENTS, "createdAt",                                   "retention") \
    X (COMPANY_KEY_LIST,    COMPANY_KEYS, "company",                                      "start, secret.rekey") \
    X (LEASE_QUEUED,        LEASES,       "environment, workspace, generation, of those that wait", "lease.acquire") \
    X (LEASE_KEPT_OF,       LEASES,       "environment, of kept places",                  "environment.delete") \
    X (COMPANY_LIST,        COMPANIES,    "company",                                      "start, company.delete")

#define TABLE_CODE_(name, row, actor, doc) TABLE_##name,
typedef enum { STORE_TABLES (TABLE_CODE_) TABLE_COUNT } table_t;
#define INDEX_CODE_(name, table, key, used) INDEX_##name,
typedef enum { STORE_INDEXES (INDEX_CODE_) INDEX_COUNT } store_index_t;

//  Its name in the table: "LEASE_LIST".
const char *index_text (store_index_t index);

//  Fills *ret_row; its strings live in arena, its BYTES and ANY in the store's pages until the
//  transaction's next write: the typed functions copy the packed row into the arena first, so
//  that a handler need not care. not_found if there is none.
int environment_get (store_txn_t *txn, arena_t *arena, const char *id, environment_t *ret_row,
                     berth_error_t *err);
int workspace_get (store_txn_t *txn, arena_t *arena, const char *id, workspace_t *ret_row,
                   berth_error_t *err);
int lease_get (store_txn_t *txn, arena_t *arena, const char *id, lease_t *ret_row,
               berth_error_t *err);
int exec_get (store_txn_t *txn, arena_t *arena, const char *id, exec_t *ret_row, berth_error_t *err);
int run_get (store_txn_t *txn, arena_t *arena, const char *company, const char *id, run_t *ret_row,
             berth_error_t *err);
//  What keeps new leases away: fills *ret_row if it is there, else leaves it alone; 0 in both cases.
int hold_find (store_txn_t *txn, arena_t *arena, const char *id, hold_t *ret_row, berth_error_t *err);
//  Likewise: what is known of the search at a provider, and of what is suspected there.
int sweep_find (store_txn_t *txn, arena_t *arena, const char *provider, sweep_t *ret_row,
                berth_error_t *err);
int suspect_find (store_txn_t *txn, arena_t *arena, const char *provider, const char *id,
                  suspect_t *ret_row, berth_error_t *err);
int principal_get (store_txn_t *txn, arena_t *arena, const char *id, principal_t *ret_row,
                   berth_error_t *err);

int secret_get (store_txn_t *txn, arena_t *arena, const char *id, secret_t *ret_row, berth_error_t *err);
//  Of secrets: 0, 1 if there is none, or -1.
int secret_version_find (store_txn_t *txn, arena_t *arena, const char *secret, uint64_t version,
                         secret_version_t *ret_row, berth_error_t *err);
int secret_binding_find (store_txn_t *txn, arena_t *arena, const char *company, secret_target_t type,
                         const char *target, const char *path, secret_binding_t *ret_row,
                         berth_error_t *err);
int company_key_find (store_txn_t *txn, arena_t *arena, const char *company, company_key_t *ret_row,
                      berth_error_t *err);

//  Writes a row and moves its index entries. Errors: store_full, internal.
int environment_put (store_txn_t *txn, arena_t *arena, const environment_t *row, berth_error_t *err);
int workspace_put (store_txn_t *txn, arena_t *arena, const workspace_t *row, berth_error_t *err);
int lease_put (store_txn_t *txn, arena_t *arena, const lease_t *row, berth_error_t *err);
int exec_put (store_txn_t *txn, arena_t *arena, const exec_t *row, berth_error_t *err);
int run_put (store_txn_t *txn, arena_t *arena, const run_t *row, berth_error_t *err);
int hold_put (store_txn_t *txn, arena_t *arena, const hold_t *row, berth_error_t *err);
int sweep_put (store_txn_t *txn, arena_t *arena, const sweep_t *row, berth_error_t *err);
int suspect_put (store_txn_t *txn, arena_t *arena, const suspect_t *row, berth_error_t *err);
int principal_put (store_txn_t *txn, arena_t *arena, const principal_t *row, berth_error_t *err);
int secret_put (store_txn_t *txn, arena_t *arena, const secret_t *row, berth_error_t *err);
int secret_version_put (store_txn_t *txn, arena_t *arena, const secret_version_t *row,
                        berth_error_t *err);
int secret_binding_put (store_txn_t *txn, arena_t *arena, const secret_binding_t *row,
                        berth_error_t *err);
int secret_event_put (store_txn_t *txn, arena_t *arena, const secret_event_t *row, berth_error_t *err);
int company_key_put (store_txn_t *txn, arena_t *arena, const company_key_t *row, berth_error_t *err);

//  Removes a row and its index entries; what is gone is fine.
int environment_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err);
int hold_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err);
int suspect_del (store_txn_t *txn, arena_t *arena, const char *provider, const char *id,
                 berth_error_t *err);
int workspace_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err);
int company_key_del (store_txn_t *txn, arena_t *arena, const char *company, berth_error_t *err);
//  Of a company that is being deleted: 0, 1 if it is not, or -1.
int company_removal_find (store_txn_t *txn, arena_t *arena, const char *company,
                          company_removal_t *ret_row, berth_error_t *err);
int company_removal_put (store_txn_t *txn, arena_t *arena, const company_removal_t *row,
                         berth_error_t *err);
int company_removal_del (store_txn_t *txn, arena_t *arena, const char *company, berth_error_t *err);
int lease_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err);
int exec_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err);
int secret_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err);
int secret_version_del (store_txn_t *txn, arena_t *arena, const secret_version_t *row,
                        berth_error_t *err);
int secret_binding_del (store_txn_t *txn, arena_t *arena, const secret_binding_t *row,
                        berth_error_t *err);
int secret_event_del (store_txn_t *txn, arena_t *arena, const char *id, berth_error_t *err);
int run_del (store_txn_t *txn, arena_t *arena, const char *company, const char *id,
             berth_error_t *err);

//  The name of a provider's place, short enough for keys: what INDEX_LEASE_BY_PLACE begins with, and
//  the end of a suspect's id.
enum { PLACE_HASH_SIZE = 16 };
void place_hash (const char *provider, const char *provider_lease, uint8_t hash [PLACE_HASH_SIZE]);

//  ---- walks

//  A walk along an index, over the entries that begin with `prefix`.
typedef struct {
    store_txn_t *txn;
    store_index_t index;
    store_key_t prefix;             //  With the index's own first byte
    void *cursor;
    bool started;
    store_key_t at;                 //  Key of the entry that was given last
} store_walk_t;

//  Begins a walk at the first entry, or behind `after` (a cursor's text as walk_cursor made it,
//  NULL for none). Errors: invalid_request (`cursor` is none of this walk's).
int walk_begin (store_walk_t *self, store_txn_t *txn, store_index_t index, const store_key_t *prefix,
                const char *after, berth_error_t *err);

//  The next row, 1 at the end, or -1. *ret_row is the struct of the index's table.
int walk_next (store_walk_t *self, arena_t *arena, void *ret_row, berth_error_t *err);

//  The next entry's key only (behind the prefix byte): for counting and ranges.
int walk_next_key (store_walk_t *self, store_key_t *ret_key, berth_error_t *err);

//  The cursor that begins behind the row that was given last.
const char *walk_cursor (const store_walk_t *self, arena_t *arena);
void walk_end (store_walk_t *self);

//  Bytes of a row's struct.
size_t table_row_size (table_t table);

//  Rows of a table; of leases, runs and execs also those in one state. Both cost nothing: they are
//  counted as they change.
uint64_t table_rows (store_txn_t *txn, table_t table);
uint64_t table_rows_in (store_txn_t *txn, table_t table, int state);

//  Entries of an index that begin with a prefix, by counting them.
uint64_t index_entries (store_txn_t *txn, store_index_t index, const store_key_t *prefix);

//  Rebuilds every index from the rows (migration, repair).
int tables_reindex (store_txn_t *txn, berth_error_t *err);

#endif
