//  runs_acquire.c - the first step of a run: select an environment, check it, lease a place.

#include "runs_inside.h"

#include "registry.h"
#include "selection.h"
#include "target.h"

#include <string.h>

//  ---- selecting

//  The environment that a persisted workspace's own config names (taken when it was made: it wins
//  over the levels), or NULL. One that was deleted counts as not named: the config of a workspace is its
//  client's own data, and nobody goes through all of them to clear it.
static int
s_persisted (const request_t *req, store_txn_t *txn, const char *workspace_id, const char *company,
             workspace_t *ret_workspace, const char **ret_env, berth_error_t *err)
{
    *ret_env = NULL;
    if (!workspace_id)
        return 0;
    if (workspace_get (txn, req->arena, workspace_id, ret_workspace, err)
        || company_check (company, ret_workspace->company, "workspace", workspace_id, err))
        return -1;
    if (ret_workspace->status == workspace_status_ARCHIVED)
        return 0;
    const char *named = any_text (any_get (ret_workspace->metadata, "config"), "environmentId", req->arena);
    environment_t env;
    berth_error_t why = { 0 };
    if (named && environment_get (txn, req->arena, named, &env, &why) && why.code == BERTH_NOT_FOUND)
        named = NULL;
    *ret_env = named;
    return 0;
}

int
runs_local (const request_t *req, store_txn_t *txn, const char *company, environment_t *ret_env,
            berth_error_t *err)
{
    store_key_t prefix = { 0 };
    key_text (&prefix, company);
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_ENVIRONMENT_LOCAL, &prefix, NULL, err))
        return -1;
    int rc = walk_next (&walk, req->arena, ret_env, err);
    walk_end (&walk);
    if (rc < 0)
        return -1;
    if (rc > 0) {
        berth_error_set (err->remedy, sizeof err->remedy,
                         "ask environment.ensureLocal, or name an environment");
        return berth_fail (err, BERTH_ENVIRONMENT_NOT_FOUND,
                           "company '%s' has no default environment.", company);
    }
    return 0;
}

static int
s_selected (const request_t *req, store_txn_t *txn, const selection_t *selection,
            const char *company, environment_t *ret_env, berth_error_t *err)
{
    const char *id = selection->env;
    if (!id)
        return runs_local (req, txn, company, ret_env, err);
    berth_error_set (err->environment_id, sizeof err->environment_id, "%s", id);
    if (environment_get (txn, req->arena, id, ret_env, err))
        return err->code == BERTH_NOT_FOUND
            ? berth_fail (err, BERTH_ENVIRONMENT_NOT_FOUND, "Environment \"%s\" not found.", id) : -1;
    if (strcmp (ret_env->company, company))
        return berth_fail (err, BERTH_ENVIRONMENT_NOT_FOUND,
                           "Environment \"%s\" does not belong to this company.", id);
    return 0;
}

static selection_t *
s_selection (const request_t *req, const run_selection_t *levels, const char *selected,
             const char *standard, const char *persisted)
{
    selection_t *selection = arena_new_of (req->arena, selection_t);
    selection_of (levels, selected, standard, persisted, selection);
    return selection;
}

int
runs_resolve (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const run_resolve_t *ask = req->body;
    const char *persisted;
    workspace_t workspace;
    if (s_persisted (req, txn, ask->workspace, ask->company, &workspace, &persisted, err))
        return -1;
    const selection_t *selection =
        s_selection (req, ask->selection, ask->selected, ask->standard, persisted);
    environment_t env;
    if (s_selected (req, txn, selection, ask->company, &env, err))
        return -1;
    environment_redact (&env, req->letter->roles);
    run_resolved_t resolved = {
        .environment = &env, .level = selection->level,
        .levels = { selection->count, selection->levels },
    };
    effects_reply (fx, req, &run_resolved_schema, &resolved);
    return 0;
}

//  ---- acquiring

static int
s_check (const run_acquire_t *ask, const environment_t *env, berth_error_t *err)
{
    berth_error_set (err->environment_id, sizeof err->environment_id, "%s", env->id);
    berth_error_set (err->driver, sizeof err->driver, "%s",
                     berth_enum_text (&environment_driver_enum, (int) env->driver));
    if (env->status != environment_status_ACTIVE)
        return berth_fail (err, BERTH_ENVIRONMENT_INACTIVE,
                           "Environment \"%s\" is not active (status: %s).", env->name,
                           berth_enum_text (&environment_status_enum, (int) env->status));
    if (!adapter_supported (ask->adapter, env->driver))
        return berth_fail (err, BERTH_UNSUPPORTED_ADAPTER_ENVIRONMENT,
                           "Adapter \"%s\" cannot run in environment \"%s\" (%s).",
                           ask->adapter ? ask->adapter : "any", env->name, err->driver);
    return 0;
}

void
runs_send_acquire (const request_t *req, effects_t *fx, const run_t *run, int64_t deadline_ms)
{
    lease_acquire_t acquire = {
        .company = run->company, .env = run->env, .run = run->id, .workspace = run->workspace,
        .issue = run->issue, .agent = run->agent, .adapter = run->adapter,
        .mode = any_text (run->request, "executionWorkspaceMode", req->arena),
        .max_lease = any_get (run->request, "maxLeaseMs"),
    };
    (void) deadline_ms;
    effects_work (fx, req->arena, ACTOR_LEASES, NULL, REQUEST_LEASE_ACQUIRE,
                  run_subject (req->arena, run->company, run->id, NULL), "lease", req, 0, &acquire);
}

static run_acquired_t
s_acquired (const request_t *req, store_txn_t *txn, const run_t *run, berth_error_t *err)
{
    environment_t *env = arena_new_of (req->arena, environment_t);
    lease_t *lease = arena_new_of (req->arena, lease_t);
    workspace_t *workspace = arena_new_of (req->arena, workspace_t);
    lease_context_t *context = arena_new_of (req->arena, lease_context_t);
    bool has_env = run->env && environment_get (txn, req->arena, run->env, env, err) == 0;
    bool has_lease = run->lease && lease_get (txn, req->arena, run->lease, lease, err) == 0;
    if (run->workspace && workspace_get (txn, req->arena, run->workspace, workspace, err) == 0) {
        context->workspace = workspace->id;
        context->mode = berth_enum_text (&workspace_mode_enum, (int) workspace->mode);
    }
    berth_clear (lease_context, context, workspace);
    berth_clear (lease_context, context, mode);
    if (workspace->id) {
        berth_put (lease_context, context, workspace, workspace->id);
        berth_put (lease_context, context, mode,
                   berth_enum_text (&workspace_mode_enum, (int) workspace->mode));
    }
    run_acquired_t acquired = {
        .id = run->id, .run = run, .environment = has_env ? env : NULL,
        .lease = has_lease ? lease : NULL, .context = context,
    };
    berth_clear (run_acquired, &acquired, transport);
    if (has_lease)
        acquired.transport = target_of (lease, run->adapter, req->arena).remote;
    return acquired;
}

static const char *
s_waits (const request_t *req, const run_t *run)
{
    return run_subject (req->arena, run->company, run->id, "acquired");
}

//  What a run was given before: a retry is never a second time.
static int
s_again (const request_t *req, store_txn_t *txn, effects_t *fx, const run_t *run, berth_error_t *err)
{
    if (run->state == run_state_ACQUIRING) {
        effects_wait (fx, req, s_waits (req, run));
        return 0;
    }
    if (run->state == run_state_RELEASING)
        return berth_fail (err, BERTH_CONFLICT, "run '%s' is being released", run->id);
    run_acquired_t acquired = s_acquired (req, txn, run, err);
    effects_reply (fx, req, &run_acquired_schema, &acquired);
    return 0;
}

int
runs_acquire (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const run_acquire_t *ask = req->body;
    run_t run = { 0 };
    bool known = run_get (txn, req->arena, ask->company, ask->run, &run, err) == 0;
    if (!known && err->code != BERTH_NOT_FOUND)
        return -1;
    if (known && run.state != run_state_RELEASED && run.state != run_state_FAILED)
        return s_again (req, txn, fx, &run, err);
    *err = (berth_error_t) { 0 };

    const char *persisted;
    workspace_t workspace = { 0 };
    if (s_persisted (req, txn, ask->workspace, ask->company, &workspace, &persisted, err))
        return -1;
    const selection_t *selection =
        s_selection (req, ask->selection, ask->selected, ask->standard, persisted);
    environment_t env;
    if (s_selected (req, txn, selection, ask->company, &env, err) || s_check (ask, &env, err)
        || driver_check (req, berth_enum_text (&environment_driver_enum, (int) env.driver), err))
        return -1;
    int64_t created_at = known ? run.created_at : req->now_ms;
    berth_bytes_t request = berth_empty_map;
    if (ask->max_lease.size)
        request = any_set (request, "maxLeaseMs", ask->max_lease, req->arena);
    if (workspace.id)
        request = any_set_text (request, "executionWorkspaceMode",
                                berth_enum_text (&workspace_mode_enum, (int) workspace.mode),
                                req->arena);
    run = (run_t) {
        .id = ask->run, .company = ask->company, .state = run_state_ACQUIRING, .env = env.id,
        .level = selection->level, .workspace = ask->workspace, .agent = ask->agent,
        .issue = ask->issue, .adapter = ask->adapter, .step = "lease", .request = request,
        .created_at = created_at,
    };
    if (store_admit (txn, err) || run_save (req, txn, &run, ACTION_RUN_ACQUIRING, err))
        return -1;
    runs_send_acquire (req, fx, &run, req->letter->deadline_ms);
    if (berth_has (run_acquire, ask, wait) && !ask->wait) {
        run_acquired_t acquired = s_acquired (req, txn, &run, err);
        effects_reply (fx, req, &run_acquired_schema, &acquired);
    }
    else
        effects_wait (fx, req, ask->detach ? run_subject (req->arena, run.company, run.id,
                                                          "acquired-detached")
                                           : s_waits (req, &run));
    return 0;
}

static void
s_settle (const request_t *req, effects_t *fx, const run_t *run, const run_acquired_t *acquired,
          const berth_error_t *why)
{
    static const char *const waits [] = { "acquired", "acquired-detached" };
    for (size_t index = 0; index < BERTH_COUNT (waits); index++) {
        const char *subject = run_subject (req->arena, run->company, run->id, waits [index]);
        if (acquired)
            effects_settle (fx, req->arena, subject, &run_acquired_schema, acquired);
        else
            effects_settle_error (fx, req->arena, subject, why);
    }
}

//  The codes of the orchestrator: what the environment is, is said as it is; the rest is a lease
//  that could not be acquired, with what lies below as its cause.
static void
s_wrap (const request_t *req, store_txn_t *txn, const run_t *run, berth_error_t *why)
{
    if (why->code == BERTH_ENVIRONMENT_NOT_FOUND || why->code == BERTH_ENVIRONMENT_INACTIVE
        || why->code == BERTH_UNSUPPORTED_ENVIRONMENT || why->code == BERTH_CONFLICT)
        return;
    environment_t env = { 0 };
    berth_error_t unknown = { 0 };
    if (environment_get (txn, req->arena, run->env, &env, &unknown))
        env.name = run->env;
    char cause [sizeof why->text];
    snprintf (cause, sizeof cause, "%s", why->text);
    if (!why->cause [0])
        berth_error_set (why->cause, sizeof why->cause, "%s (%s)", cause,
                         berth_code_text (why->code));
    (void) berth_fail (why, BERTH_LEASE_ACQUIRE_FAILED,
                       "Failed to acquire lease for environment \"%s\" (%s): %s", env.name,
                       berth_enum_text (&environment_driver_enum, (int) env.driver), cause);
}

int
runs_leased (const request_t *req, const step_done_t *done, run_t *run, store_txn_t *txn,
             effects_t *fx, berth_error_t *err)
{
    lease_t lease;
    if (done->ok) {
        if (berth_unpack_own (&lease_schema, done->result, req->arena, &lease, err))
            return -1;
        run->lease = lease.id;
    }
    if (run->state != run_state_ACQUIRING) {
        //  It was released meanwhile; the lease goes the same way.
        if (done->ok)
            runs_send_release (req, fx, run->company, run->id, "released", NULL);
        return 0;
    }
    run->step = NULL;
    if (done->ok) {
        run->request = (berth_bytes_t) { NULL, 0 };
        run->error = run->error_code = NULL;
        if (run_move (run, run_state_ACQUIRED, err)
            || run_save (req, txn, run, ACTION_RUN_ACQUIRED, err))
            return -1;
        run_acquired_t acquired = s_acquired (req, txn, run, err);
        s_settle (req, fx, run, &acquired, NULL);
        return 0;
    }
    berth_error_t why;
    error_from_body (done->error, req->arena, &why);
    s_wrap (req, txn, run, &why);
    run->error = why.text;
    run->error_code = berth_code_text (why.code);
    if (run_move (run, run_state_FAILED, err) || run_save (req, txn, run, ACTION_RUN_FAILED, err))
        return -1;
    s_settle (req, fx, run, NULL, &why);
    return 0;
}

//  What had come to an end is not begun again: not by a retry.
int
runs_rejoin (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (req->letter->type == REQUEST_RUN_REALIZE)
        return runs_realize_again (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_ENVIRONMENT_TEST)
        return runs_test_again (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_ENVIRONMENT_TEST_END)
        return runs_test_end (me, req, txn, fx, err);
    if (req->letter->type != REQUEST_RUN_ACQUIRE)
        return runs_release (me, req, txn, fx, err);
    const run_acquire_t *ask = req->body;
    run_t run;
    if (run_get (txn, req->arena, ask->company, ask->run, &run, err))
        return -1;
    if (run.state == run_state_RELEASED)
        return berth_fail (err, BERTH_CONFLICT, "run '%s' was released", run.id);
    return runs_acquire (me, req, txn, fx, err);
}
