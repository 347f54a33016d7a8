//  runs_realize.c - the second step of a run: its files go into its place.

#include "runs_inside.h"

#include "target.h"

#include <string.h>

//  The realization request. Its overlay comes from the persisted workspace's config.
static berth_bytes_t
s_request (const request_t *req, const run_t *run, const run_realize_t *ask,
           const workspace_t *persisted, berth_bytes_t config, const char *provision)
{
    const realized_workspace_t *from = ask->workspace;
    workspace_source_t kind = from->source ? from->source : workspace_source_TASK_SESSION;
    realization_source_t source = {
        .kind = berth_enum_text (&workspace_source_enum, (int) kind), .path = from->cwd,
        .project = from->project, .workspace = from->workspace, .repo_url = from->repo_url,
        .repo_ref = from->repo_ref, .branch = from->branch, .worktree = from->worktree,
        .strategy = from->strategy ? from->strategy : "project_primary",
    };
    realization_overlay_t overlay = {
        .provision = provision, .runtime = any_get (config, "workspaceRuntime"),
        .teardown = any_text (config, "teardownCommand", req->arena),
        .cleanup = any_text (config, "cleanupCommand", req->arena),
    };
    if (any_is_null (overlay.runtime))
        overlay.runtime = (berth_bytes_t) { NULL, 0 };
    realization_request_t request = {
        .version = 1, .adapter = run->adapter ? run->adapter : "unknown", .company = run->company,
        .env = run->env, .workspace = persisted ? persisted->id : NULL, .issue = run->issue,
        .run = run->id, .source = &source, .overlay = &overlay,
        .mode = persisted ? berth_enum_text (&workspace_mode_enum, (int) persisted->mode)
                          : ask->mode,
    };
    return berth_pack (&realization_request_schema, &request, req->arena);
}

int
runs_send_realize (const request_t *req, effects_t *fx, const run_t *run, berth_error_t *err)
{
    workspace_realize_t step;
    if (berth_unpack_own (&workspace_realize_schema, run->request, req->arena, &step, err))
        return -1;
    effects_work (fx, req->arena, ACTOR_REALIZER, NULL, REQUEST_WORKSPACE_REALIZE,
                  run_subject (req->arena, run->company, run->id, NULL), "realize", req, 0, &step);
    return 0;
}

static const char *
s_waits (const request_t *req, const run_t *run)
{
    return run_subject (req->arena, run->company, run->id, "realized");
}

//  A host path must be absolute: nobody shares our working directory.
static int
s_check_source (const realized_workspace_t *from, berth_error_t *err)
{
    if (from->cwd.size && from->cwd.data [0] == '/' && !memchr (from->cwd.data, 0, from->cwd.size))
        return 0;
    berth_error_set (err->field, sizeof err->field, "executionWorkspace.cwd");
    return berth_fail (err, BERTH_INVALID, "field 'executionWorkspace.cwd' must be an absolute path");
}

int
runs_realize (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const run_realize_t *ask = req->body;
    run_t run;
    lease_t lease;
    if (s_check_source (ask->workspace, err)
        || host_path_check (req, ask->workspace->cwd, "executionWorkspace.cwd", err)
        || host_path_check (req, ask->workspace->base_cwd, "executionWorkspace.baseCwd", err)
        || host_path_check (req, ask->workspace->worktree, "executionWorkspace.worktreePath", err)
        || run_get (txn, req->arena, ask->company, ask->run, &run, err))
        return -1;
    if (run.state == run_state_REALIZING) {
        effects_wait (fx, req, s_waits (req, &run));        //  A retry joins what runs
        return 0;
    }
    if (run.state != run_state_ACQUIRED && run.state != run_state_READY)
        return berth_fail (err, BERTH_CONFLICT, "run '%s' is %s and cannot be realized", run.id,
                           berth_enum_text (&run_state_enum, (int) run.state));
    if (run_lease (req, txn, &run, &lease, err) || driver_check (req, lease.driver, err))
        return -1;
    if (strcmp (lease.driver ? lease.driver : "", "plugin") == 0)
        return berth_fail (err, BERTH_UNSUPPORTED, "environments of driver plugin realize nothing");

    workspace_t workspace = { 0 };
    berth_bytes_t config = { NULL, 0 };
    if (run.workspace) {
        if (workspace_get (txn, req->arena, run.workspace, &workspace, err))
            return -1;
        config = any_get (workspace.metadata, "config");
    }
    const char *provision = run.workspace ? any_text (config, "provisionCommand", req->arena)
                                          : ask->provision;
    workspace_return_mode_t mode = ask->return_mode ? ask->return_mode
                                                    : workspace_return_mode_NEVER;
    workspace_realize_t step = {
        .lease = lease.id, .source = ask->workspace->cwd, .provision = provision,
        .request = s_request (req, &run, ask, run.workspace ? &workspace : NULL, config, provision),
        .return_mode = berth_enum_text (&workspace_return_mode_enum, (int) mode),
        .excludes = ask->excludes, .workspace = run.workspace, .no_links = !host_is_free (req),
        .timeout_ms = ask->timeout_ms ? ask->timeout_ms : 300000, .realization = id_new (req),
    };
    run.request = berth_pack (&workspace_realize_schema, &step, req->arena);
    run.step = "realize";
    if (run_move (&run, run_state_REALIZING, err)
        || run_save (req, txn, &run, ACTION_RUN_REALIZING, err)
        || runs_send_realize (req, fx, &run, err))
        return -1;
    effects_wait (fx, req, s_waits (req, &run));
    return 0;
}

static run_realized_t
s_answer (const request_t *req, const run_t *run, const lease_t *lease, const workspace_t *workspace)
{
    lease_target_t target = target_of (lease, run->adapter, req->arena);
    run_realized_t realized = {
        .id = run->id, .lease = lease, .target = target.target, .remote = target.remote,
        .record = any_get (lease->metadata, "workspaceRealization"), .workspace = workspace,
    };
    realized.null = 1ull << run_realized_F_target | 1ull << run_realized_F_remote
                  | 1ull << run_realized_F_workspace;
    return realized;
}

int
runs_realize_again (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                    berth_error_t *err)
{
    const run_realize_t *ask = req->body;
    run_t run;
    lease_t lease;
    workspace_t workspace;
    if (run_get (txn, req->arena, ask->company, ask->run, &run, err))
        return -1;
    if (run.state != run_state_READY)
        return runs_realize (me, req, txn, fx, err);
    if (run_lease (req, txn, &run, &lease, err)
        || (run.workspace && workspace_get (txn, req->arena, run.workspace, &workspace, err)))
        return -1;
    run_realized_t realized = s_answer (req, &run, &lease, run.workspace ? &workspace : NULL);
    effects_reply (fx, req, &run_realized_schema, &realized);
    return 0;
}

int
runs_realized (const request_t *req, const step_done_t *done, run_t *run, store_txn_t *txn,
               effects_t *fx, berth_error_t *err)
{
    if (run->state != run_state_REALIZING)
        return 0;                   //  It was released meanwhile
    run->step = NULL;
    run->request = (berth_bytes_t) { NULL, 0 };
    if (!done->ok) {
        berth_error_t why;
        error_from_body (done->error, req->arena, &why);
        run->error = why.text;
        run->error_code = berth_code_text (why.code);
        if (run_move (run, run_state_ACQUIRED, err)
            || run_save (req, txn, run, ACTION_RUN_REALIZE_FAILED, err))
            return -1;
        effects_settle_error (fx, req->arena, s_waits (req, run), &why);
        return 0;
    }
    lease_t lease;
    workspace_t workspace;
    if (berth_unpack_own (&lease_schema, done->result, req->arena, &lease, err)
        || (run->workspace && workspace_get (txn, req->arena, run->workspace, &workspace, err)))
        return -1;
    run->error = run->error_code = NULL;
    if (run_move (run, run_state_READY, err) || run_save (req, txn, run, ACTION_RUN_READY, err))
        return -1;
    run_realized_t realized = s_answer (req, run, &lease, run->workspace ? &workspace : NULL);
    effects_settle (fx, req->arena, s_waits (req, run), &run_realized_schema, &realized);
    return 0;
}
