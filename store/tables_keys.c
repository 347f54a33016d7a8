//  tables_keys.c - owns the keys of rows and indexes, and what is counted by state.

#include "tables_inside.h"

#include "states.h"

#include <sodium.h>
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

static void
s_principal_key (const void *row, store_key_t *key)
{
    key_text (key, ((const principal_t *) row)->id);
}

static void
s_hold_key (const void *row, store_key_t *key)
{
    key_text (key, ((const hold_t *) row)->id);
}

static void
s_sweep_key (const void *row, store_key_t *key)
{
    key_text (key, ((const sweep_t *) row)->provider);
}

static void
s_suspect_key (const void *row, store_key_t *key)
{
    const suspect_t *suspect = row;
    key_text (key, suspect->provider);
    key_text (key, suspect->id);
}

static void
s_secret_key (const void *row, store_key_t *key)
{
    key_id (key, ((const secret_t *) row)->id);
}

static void
s_secret_version_key (const void *row, store_key_t *key)
{
    const secret_version_t *version = row;
    key_id (key, version->secret);
    key_up (key, version->version);
}

static void
s_secret_binding_key (const void *row, store_key_t *key)
{
    const secret_binding_t *binding = row;
    key_text (key, binding->company);
    key_byte (key, (uint8_t) binding->target_type);
    key_text (key, binding->target);
    key_text (key, binding->path);
}

static void
s_secret_event_key (const void *row, store_key_t *key)
{
    key_id (key, ((const secret_event_t *) row)->id);
}

static void
s_company_removal_key (const void *row, store_key_t *key)
{
    key_text (key, ((const company_removal_t *) row)->id);
}

static void
s_company_key_key (const void *row, store_key_t *key)
{
    key_text (key, ((const company_key_t *) row)->company);
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
s_environment_deleting (const void *row, store_key_t *key)
{
    (void) key;
    return ((const environment_t *) row)->deleting_at != 0;
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

//  Those without a workspace stand first.
static bool
s_lease_by_workspace (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    static const uint8_t none [16] = { 0 };
    key_id (key, lease->env);
    if (lease->workspace)
        key_id (key, lease->workspace);
    else
        key_bytes (key, none, sizeof none);
    return !lease_settled (lease->state);
}

static bool
s_lease_kept_of (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    key_id (key, lease->env);
    return lease->place == place_state_KEPT && lease_settled (lease->state);
}

//  Generations grow with every lease, whatever the clock does: the order in which they came.
static bool
s_lease_queued (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    if (!lease->workspace || !lease->queued_at || lease->state != lease_state_PENDING)
        return false;
    key_id (key, lease->env);
    key_id (key, lease->workspace);
    key_up (key, lease->generation);
    return true;
}

//  Within a state, what is to be looked at first comes first; a lease without a deadline never is.
static bool
s_lease_live (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    key_byte (key, (uint8_t) lease->state);
    key_up (key, lease->look_mono_ms ? (uint64_t) lease->look_mono_ms : UINT64_MAX);
    return !lease_settled (lease->state);
}

//  A settled one whose place is kept for the next, or on its way out.
static bool
s_holds_place (const lease_t *lease)
{
    return lease->place == place_state_KEPT || lease->place == place_state_CLOSING;
}

//  Those whose row only waits for its end: what is due first comes first.
static bool
s_lease_settled (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    key_up (key, (uint64_t) lease->updated_at);
    return lease_settled (lease->state) && !s_holds_place (lease);
}

//  Places that outlive their lease, by whom they may serve next.
static bool
s_lease_reusable (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    if (lease->place != place_state_KEPT || !lease->scope.size || !lease_settled (lease->state))
        return false;
    key_bytes (key, lease->scope.data, lease->scope.size);
    key_down (key, (uint64_t) lease->last_used_at);
    return true;
}

static bool
s_lease_kept (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    key_up (key, (uint64_t) lease->next_try_at);
    return lease_settled (lease->state) && s_holds_place (lease);
}

void
place_hash (const char *provider, const char *provider_lease, uint8_t hash [PLACE_HASH_SIZE])
{
    crypto_generichash_state state;
    crypto_generichash_init (&state, NULL, 0, PLACE_HASH_SIZE);
    crypto_generichash_update (&state, (const uint8_t *) provider, strlen (provider) + 1);
    crypto_generichash_update (&state, (const uint8_t *) provider_lease, strlen (provider_lease) + 1);
    crypto_generichash_final (&state, hash, PLACE_HASH_SIZE);
}

//  Whose row closes a place of that name.
static bool
s_lease_by_place (const void *row, store_key_t *key)
{
    const lease_t *lease = row;
    if (!lease->provider || !lease->provider_lease || lease->place == place_state_NONE
        || lease->place == place_state_ABSENT || lease->place == place_state_GONE)
        return false;
    uint8_t hash [PLACE_HASH_SIZE];
    place_hash (lease->provider, lease->provider_lease, hash);
    key_bytes (key, hash, sizeof hash);
    return true;
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

//  What is to be looked at first comes first.
static bool
s_run_heard (const void *row, store_key_t *key)
{
    const run_t *run = row;
    key_up (key, (uint64_t) run->look_mono_ms);
    return run->look_mono_ms != 0 && run->state != run_state_RELEASING
        && run->state != run_state_RELEASED && run->state != run_state_FAILED;
}

static bool
s_run_settled (const void *row, store_key_t *key)
{
    const run_t *run = row;
    key_up (key, (uint64_t) run->updated_at);
    return !run->step && (run->state == run_state_RELEASED || run->state == run_state_FAILED);
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

//  Of the boot whose clock it is on, the one that was used last comes first.
static bool
s_exec_used (const void *row, store_key_t *key)
{
    const exec_t *exec = row;
    if (!exec->used_mono_ms || !exec->boot)
        return false;
    key_id (key, exec->lease);
    key_text (key, exec->boot);
    key_down (key, (uint64_t) exec->used_mono_ms);
    return true;
}

static bool
s_exec_ended (const void *row, store_key_t *key)
{
    const exec_t *exec = row;
    key_up (key, (uint64_t) exec->ended_at);
    return exec->state == exec_state_ENDED;
}

static bool
s_exec_output (const void *row, store_key_t *key)
{
    const exec_t *exec = row;
    key_up (key, (uint64_t) exec->ended_at);
    return exec->state == exec_state_ENDED && !exec->output_gone;
}

//  The row's own key is all of it.
static bool
s_by_itself (const void *row, store_key_t *key)
{
    (void) row;
    (void) key;
    return true;
}

static bool
s_principal_by_key (const void *row, store_key_t *key)
{
    key_text (key, ((const principal_t *) row)->public_key);
    return true;
}

static bool
s_secret_list (const void *row, store_key_t *key)
{
    const secret_t *secret = row;
    key_text (key, secret->company);
    key_text (key, secret->key);
    return true;
}

static bool
s_secret_by_name (const void *row, store_key_t *key)
{
    const secret_t *secret = row;
    key_text (key, secret->company);
    key_text (key, secret->name);
    return true;
}

static bool
s_secret_binding_list (const void *row, store_key_t *key)
{
    key_id (key, ((const secret_binding_t *) row)->secret);
    return true;
}

static bool
s_secret_event_list (const void *row, store_key_t *key)
{
    const secret_event_t *event = row;
    key_id (key, event->secret);
    key_down (key, (uint64_t) event->created_at);
    return true;
}

static bool
s_secret_event_age (const void *row, store_key_t *key)
{
    key_up (key, (uint64_t) ((const secret_event_t *) row)->created_at);
    return true;
}

//  ---- the tables as data

const table_row_t store_tables [TABLE_COUNT] = {
    [TABLE_ENVIRONMENTS] = { &environment_schema, DB_ENVIRONMENTS, s_environment_key, "environment" },
    [TABLE_WORKSPACES]   = { &workspace_schema, DB_WORKSPACES, s_workspace_key, "workspace" },
    [TABLE_LEASES]       = { &lease_schema, DB_LEASES, s_lease_key, "lease" },
    [TABLE_RUNS]         = { &run_schema, DB_RUNS, s_run_key, "run" },
    [TABLE_EXECS]        = { &exec_schema, DB_EXECS, s_exec_key, "exec" },
    [TABLE_PRINCIPALS]   = { &principal_schema, DB_PRINCIPALS, s_principal_key, "key" },
    [TABLE_HOLDS]        = { &hold_schema, DB_HOLDS, s_hold_key, "hold" },
    [TABLE_SWEEPS]       = { &sweep_schema, DB_SWEEPS, s_sweep_key, "sweep" },
    [TABLE_SUSPECTS]     = { &suspect_schema, DB_SUSPECTS, s_suspect_key, "suspect" },
    [TABLE_SECRETS]      = { &secret_schema, DB_SECRETS, s_secret_key, "secret" },
    [TABLE_SECRET_VERSIONS] = { &secret_version_schema, DB_SECRET_VERSIONS, s_secret_version_key, "version" },
    [TABLE_SECRET_BINDINGS] = { &secret_binding_schema, DB_SECRET_BINDINGS, s_secret_binding_key, "binding" },
    [TABLE_SECRET_EVENTS] = { &secret_event_schema, DB_SECRET_EVENTS, s_secret_event_key, "access" },
    [TABLE_COMPANIES] = { &company_removal_schema, DB_COMPANIES, s_company_removal_key, "deletion" },
    [TABLE_COMPANY_KEYS] = { &company_key_schema, DB_COMPANY_KEYS, s_company_key_key, "company key" },
};

const index_row_t store_indexes [INDEX_COUNT] = {
    [INDEX_ENVIRONMENT_LIST]     = { TABLE_ENVIRONMENTS, s_environment_list },
    [INDEX_ENVIRONMENT_LOCAL]    = { TABLE_ENVIRONMENTS, s_environment_local },
    [INDEX_WORKSPACE_LIST]       = { TABLE_WORKSPACES, s_workspace_list },
    [INDEX_LEASE_LIST]           = { TABLE_LEASES, s_lease_list },
    [INDEX_LEASE_BY_ENVIRONMENT] = { TABLE_LEASES, s_lease_by_environment },
    [INDEX_LEASE_BY_RUN]         = { TABLE_LEASES, s_lease_by_run },
    [INDEX_LEASE_BY_WORKSPACE]   = { TABLE_LEASES, s_lease_by_workspace },
    [INDEX_LEASE_LIVE]           = { TABLE_LEASES, s_lease_live },
    [INDEX_LEASE_SETTLED]        = { TABLE_LEASES, s_lease_settled },
    [INDEX_RUN_LIST]             = { TABLE_RUNS, s_run_list },
    [INDEX_RUN_DUE]              = { TABLE_RUNS, s_run_due },
    [INDEX_RUN_HEARD]            = { TABLE_RUNS, s_run_heard },
    [INDEX_RUN_SETTLED]          = { TABLE_RUNS, s_run_settled },
    [INDEX_EXEC_LIST]            = { TABLE_EXECS, s_exec_list },
    [INDEX_EXEC_BY_LEASE]        = { TABLE_EXECS, s_exec_by_lease },
    [INDEX_EXEC_LIVE]            = { TABLE_EXECS, s_exec_live },
    [INDEX_EXEC_USED]            = { TABLE_EXECS, s_exec_used },
    [INDEX_EXEC_ENDED]           = { TABLE_EXECS, s_exec_ended },
    [INDEX_EXEC_OUTPUT]          = { TABLE_EXECS, s_exec_output },
    [INDEX_PRINCIPAL_LIST]       = { TABLE_PRINCIPALS, s_by_itself },
    [INDEX_PRINCIPAL_BY_KEY]     = { TABLE_PRINCIPALS, s_principal_by_key },
    [INDEX_ENVIRONMENT_DELETING] = { TABLE_ENVIRONMENTS, s_environment_deleting },
    [INDEX_HOLD_LIST]            = { TABLE_HOLDS, s_by_itself },
    [INDEX_LEASE_REUSABLE]       = { TABLE_LEASES, s_lease_reusable },
    [INDEX_LEASE_KEPT]           = { TABLE_LEASES, s_lease_kept },
    [INDEX_LEASE_BY_PLACE]       = { TABLE_LEASES, s_lease_by_place },
    [INDEX_SWEEP_LIST]           = { TABLE_SWEEPS, s_by_itself },
    [INDEX_SUSPECT_LIST]         = { TABLE_SUSPECTS, s_by_itself },
    [INDEX_SECRET_LIST]          = { TABLE_SECRETS, s_secret_list },
    [INDEX_SECRET_BY_NAME]       = { TABLE_SECRETS, s_secret_by_name },
    [INDEX_SECRET_VERSION_LIST]  = { TABLE_SECRET_VERSIONS, s_by_itself },
    [INDEX_SECRET_BINDING_LIST]  = { TABLE_SECRET_BINDINGS, s_secret_binding_list },
    [INDEX_SECRET_BINDING_TARGET] = { TABLE_SECRET_BINDINGS, s_by_itself },
    [INDEX_SECRET_EVENT_LIST]    = { TABLE_SECRET_EVENTS, s_secret_event_list },
    [INDEX_SECRET_EVENT_AGE]     = { TABLE_SECRET_EVENTS, s_secret_event_age },
    [INDEX_COMPANY_KEY_LIST]     = { TABLE_COMPANY_KEYS, s_by_itself },
    [INDEX_LEASE_QUEUED]         = { TABLE_LEASES, s_lease_queued },
    [INDEX_LEASE_KEPT_OF]        = { TABLE_LEASES, s_lease_kept_of },
    [INDEX_COMPANY_LIST]         = { TABLE_COMPANIES, s_by_itself },
};

#define INDEX_TEXT_(name, table, key, used) [INDEX_##name] = #name,
static const char *const s_index_texts [INDEX_COUNT] = { STORE_INDEXES (INDEX_TEXT_) };

const char *
index_text (store_index_t index)
{
    return s_index_texts [index];
}

bool
index_key (store_index_t index, const void *row, const store_key_t *row_key, store_key_t *ret_key)
{
    ret_key->size = 0;
    key_byte (ret_key, (uint8_t) index);
    if (!store_indexes [index].key (row, ret_key))
        return false;
    key_bytes (ret_key, row_key->data, row_key->size);
    return true;
}

uint64_t *
table_counter (store_counters_t *counters, table_t table, const void *row)
{
    int state = -1;
    uint64_t *of = NULL;
    if (table == TABLE_LEASES) {
        of = counters->leases;
        state = (int) ((const lease_t *) row)->state;
    }
    else if (table == TABLE_RUNS) {
        of = counters->runs;
        state = (int) ((const run_t *) row)->state;
    }
    else if (table == TABLE_EXECS) {
        of = counters->execs;
        state = (int) ((const exec_t *) row)->state;
    }
    return of && state >= 0 && state < STORE_STATES ? of + state : NULL;
}
