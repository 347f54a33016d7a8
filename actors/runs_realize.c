//  runs_realize.c - the second step of a run: its files go into its place.

#include "runs_inside.h"

#include "target.h"

#include <msgpack.h>
#include <string.h>

static void
s_text (msgpack_packer *pk, const char *key, const char *value)
{
    msgpack_pack_str_with_body (pk, key, strlen (key));
    if (value)
        msgpack_pack_str_with_body (pk, value, strlen (value));
    else
        msgpack_pack_nil (pk);
}

static void
s_bytes (msgpack_packer *pk, const char *key, berth_bytes_t value)
{
    msgpack_pack_str_with_body (pk, key, strlen (key));
    if (value.data)
        msgpack_pack_str_with_body (pk, value.data, value.size);
    else
        msgpack_pack_nil (pk);
}

static void
s_raw (msgpack_packer *pk, const char *key, berth_bytes_t value)
{
    msgpack_pack_str_with_body (pk, key, strlen (key));
    if (value.size)
        berth_buffer_write (pk->data, (const char *) value.data, value.size);
    else
        msgpack_pack_nil (pk);
}

//  The realization request, version 1 (reference, section 5).
static berth_bytes_t
s_request (const request_t *req, const run_t *run, const run_realize_t *ask,
           const workspace_t *persisted, berth_bytes_t config, const char *provision)
{
    const realized_workspace_t *from = ask->workspace;
    berth_buffer_t buffer = { .arena = req->arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    msgpack_pack_map (&pk, 10);
    msgpack_pack_str_with_body (&pk, "version", 7);
    msgpack_pack_uint64 (&pk, 1);
    s_text (&pk, "adapterType", run->adapter ? run->adapter : "unknown");
    s_text (&pk, "companyId", run->company);
    s_text (&pk, "environmentId", run->env);
    s_text (&pk, "executionWorkspaceId", persisted ? persisted->id : NULL);
    s_text (&pk, "issueId", run->issue);
    s_text (&pk, "heartbeatRunId", run->id);
    s_text (&pk, "requestedMode",
            persisted ? berth_enum_text (&workspace_mode_enum, (int) persisted->mode) : ask->mode);
    msgpack_pack_str_with_body (&pk, "source", 6);
    msgpack_pack_map (&pk, 9);
    workspace_source_t kind = from->source ? from->source : workspace_source_TASK_SESSION;
    s_text (&pk, "kind", berth_enum_text (&workspace_source_enum, (int) kind));
    s_bytes (&pk, "localPath", from->cwd);
    s_text (&pk, "projectId", from->project);
    s_text (&pk, "projectWorkspaceId", from->workspace);
    s_text (&pk, "repoUrl", from->repo_url);
    s_text (&pk, "repoRef", from->repo_ref);
    s_text (&pk, "strategy", from->strategy ? from->strategy : "project_primary");
    s_text (&pk, "branchName", from->branch);
    s_bytes (&pk, "worktreePath", from->worktree);
    msgpack_pack_str_with_body (&pk, "runtimeOverlay", 14);
    msgpack_pack_map (&pk, 4);
    s_text (&pk, "provisionCommand", provision);
    s_text (&pk, "teardownCommand", any_text (config, "teardownCommand", req->arena));
    s_text (&pk, "cleanupCommand", any_text (config, "cleanupCommand", req->arena));
    s_raw (&pk, "workspaceRuntime", any_get (config, "workspaceRuntime"));
    return berth_buffer_bytes (&buffer);
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
    if (from->cwd.data [0] == '/' && !memchr (from->cwd.data, 0, from->cwd.size))
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
        || run_get (txn, req->arena, ask->company, ask->run, &run, err))
        return -1;
    if (run.state == run_state_REALIZING) {
        effects_wait (fx, req, s_waits (req, &run));        //  A retry joins what runs
        return 0;
    }
    if (run.state != run_state_ACQUIRED && run.state != run_state_READY)
        return berth_fail (err, BERTH_CONFLICT, "run '%s' is %s and cannot be realized", run.id,
                           berth_enum_text (&run_state_enum, (int) run.state));
    if (run_lease (req, txn, &run, &lease, err))
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
        .excludes = ask->excludes, .workspace = run.workspace,
        .timeout_ms = ask->timeout_ms ? ask->timeout_ms : 300000,
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
    lease_target_t target = target_of (&lease, run->adapter, req->arena);
    run_realized_t realized = {
        .id = run->id, .lease = &lease, .target = target.target, .remote = target.remote,
        .record = any_get (lease.metadata, "workspaceRealization"),
        .workspace = run->workspace ? &workspace : NULL,
    };
    realized.null = 1ull << run_realized_F_target | 1ull << run_realized_F_remote
                  | 1ull << run_realized_F_workspace;
    effects_settle (fx, req->arena, s_waits (req, run), &run_realized_schema, &realized);
    return 0;
}
