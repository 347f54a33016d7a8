//  run.h - the orchestrator's words: acquire, realize, release of a run (DESIGN section 8;
//  Paperclip: reference, sections 5, 6 and 8).

#ifndef BERTH_RUN_H_INCLUDED
#define BERTH_RUN_H_INCLUDED

#include "lease.h"
#include "workspace.h"

#define RUN_STATE(X, T) \
    X (T, ACQUIRING, "acquiring") \
    X (T, ACQUIRED,  "acquired") \
    X (T, REALIZING, "realizing") \
    X (T, READY,     "ready") \
    X (T, RELEASING, "releasing") \
    X (T, RELEASED,  "released") \
    X (T, FAILED,    "failed")
BERTH_ENUM (run_state, RUN_STATE);

#define RUN(F, T) \
    F (T, STR,   id,        "id",        REQUIRED, 128, "The platform's id of the run.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Who it belongs to.") \
    F (T, ENUM (run_state), state, "state", REQUIRED, 0, "How far it is.") \
    F (T, ID,    env,       "environmentId", NULLABLE, 36, "Where it runs.") \
    F (T, STR,   level,     "selectedBy", NULLABLE, 32, "Which level of the selection decided.") \
    F (T, ID,    lease,     "leaseId",   NULLABLE, 36, "Its lease.") \
    F (T, ID,    workspace, "executionWorkspaceId", NULLABLE, 36, "Its persisted workspace.") \
    F (T, STR,   agent,     "agentId",   NULLABLE, 128, "Its agent.") \
    F (T, STR,   issue,     "issueId",   NULLABLE, 128, "Its issue.") \
    F (T, STR,   adapter,   "adapterType", NULLABLE, 128, "Its adapter.") \
    F (T, STR,   step,      "step",      NULLABLE, 32, "The step that is due: lease, realize, provision, release.") \
    F (T, STR,   error_code, "errorCode", NULLABLE, 64, "Why it failed.") \
    F (T, STR,   error,     "error",     NULLABLE, 512, "The sentence.") \
    F (T, STR,   target,    "targetStatus", OPTIONAL, 16, "Of a run that is releasing: what its leases become.") \
    F (T, ANY,   request,   "realization", OPTIONAL | OBJECT | PRIVATE, 262144, "The realization request that is under way.") \
    F (T, TIME,  heartbeat_at, "heartbeatAt", NULLABLE, 0, "When it was last heard of.") \
    F (T, U64,   lost_after_ms, "lostAfterMs", OPTIONAL, 0, "Of one that once sent a heartbeat: it is lost when silent for so long.") \
    F (T, STR,   boot,      "bootId",    OPTIONAL, 36, "Boot in which heardMonoMs counts.") \
    F (T, I64,   heard_mono_ms, "heardMonoMs", OPTIONAL, 0, "heartbeatAt on that boot's monotonic clock.") \
    F (T, I64,   look_mono_ms, "lookMonoMs", OPTIONAL, 0, "When it is looked at next, at the latest, on the same clock.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was first seen.") \
    F (T, TIME,  updated_at, "updatedAt", REQUIRED, 0, "When the row was last changed.")
BERTH_MESSAGE (run, RUN);

//  Each level is absent (the next one decides), null (stops: the company's default) or an id.
#define RUN_SELECTION(F, T) \
    F (T, ID,    workspace, "workspace", NULLABLE, 36, "Of the reused execution workspace.") \
    F (T, ID,    issue,     "issue",     NULLABLE, 36, "Of the issue's settings.") \
    F (T, ID,    project,   "project",   NULLABLE, 36, "Of the project's policy.") \
    F (T, ID,    agent,     "agent",     NULLABLE, 36, "The agent's default.")
BERTH_MESSAGE (run_selection, RUN_SELECTION);

#define RUN_RESOLVE(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it belongs to.") \
    F (T, ID,    selected,  "selectedEnvironmentId", NULLABLE, 36, "What the platform selected.") \
    F (T, ID,    standard,  "defaultEnvironmentId", NULLABLE, 36, "The company's default.") \
    F (T, OBJ (run_selection), selection, "selection", NULLABLE, 0, "Or the levels, and Berth selects.") \
    F (T, ID,    workspace, "executionWorkspaceId", NULLABLE, 36, "A persisted workspace: its own environment wins.")
BERTH_MESSAGE (run_resolve, RUN_RESOLVE);

#define RUN_LEVEL(F, T) \
    F (T, STR,   level,     "level",     REQUIRED, 32, "workspace, issue, project, agent, selected, default.") \
    F (T, STR,   outcome,   "outcome",   REQUIRED, 32, "absent, null, selected, not_reached.") \
    F (T, ID,    env,       "environmentId", NULLABLE, 36, "What it names.")
BERTH_MESSAGE (run_level, RUN_LEVEL);

#define RUN_RESOLVED(F, T) \
    F (T, OBJ (environment), environment, "environment", REQUIRED, 0, "Where the run would go.") \
    F (T, STR,   level,     "selectedBy", REQUIRED, 32, "Which level decided.") \
    F (T, LIST (run_level), levels, "levels", REQUIRED, 16, "Level by level.")
BERTH_MESSAGE (run_resolved, RUN_RESOLVED);

#define RUN_ACQUIRE(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it belongs to.") \
    F (T, STR,   run,       "heartbeatRunId", REQUIRED | POSITIVE, 128, "The run.") \
    F (T, ID,    selected,  "selectedEnvironmentId", NULLABLE, 36, "What the platform selected.") \
    F (T, ID,    standard,  "defaultEnvironmentId", NULLABLE, 36, "The company's default.") \
    F (T, OBJ (run_selection), selection, "selection", NULLABLE, 0, "Or the levels, and Berth selects.") \
    F (T, STR,   adapter,   "adapterType", NULLABLE, 128, "Its adapter; null: any.") \
    F (T, STR,   issue,     "issueId",   NULLABLE, 128, "Its issue.") \
    F (T, STR,   agent,     "agentId",   NULLABLE, 128, "Its agent.") \
    F (T, ID,    workspace, "executionWorkspaceId", NULLABLE, 36, "Its persisted workspace.") \
    F (T, ANY,   max_lease, "maxLeaseMs", OPTIONAL, 16, "As in lease.acquire.") \
    F (T, BOOL,  wait,      "wait",      OPTIONAL, 0, "Answer when it has settled (true) or is written (false).") \
    F (T, BOOL,  detach,    "detach",    OPTIONAL, 0, "Go on when the deadline passes.")
BERTH_MESSAGE (run_acquire, RUN_ACQUIRE);

#define LEASE_CONTEXT(F, T) \
    F (T, ID,    workspace, "executionWorkspaceId", NULLABLE, 36, "Of the persisted workspace.") \
    F (T, STR,   mode,      "executionWorkspaceMode", NULLABLE, 32, "Of the persisted workspace.")
BERTH_MESSAGE (lease_context, LEASE_CONTEXT);

#define RUN_ACQUIRED(F, T) \
    F (T, STR,   id,        "id",        REQUIRED, 128, "The run.") \
    F (T, OBJ (run), run,   "run",       REQUIRED, 0, "Its row.") \
    F (T, OBJ (environment), environment, "environment", NULLABLE, 0, "Where it runs.") \
    F (T, OBJ (lease), lease, "lease",   NULLABLE, 0, "Its lease.") \
    F (T, OBJ (lease_context), context, "leaseContext", NULLABLE, 0, "Of the persisted workspace, or nulls.") \
    F (T, ANY,   transport, "executionTransport", NULLABLE, 65536, "Of ssh targets: the spec; else null.")
BERTH_MESSAGE (run_acquired, RUN_ACQUIRED);

//  The realization request, version 1 (reference, section 5).
#define REALIZATION_SOURCE(F, T) \
    F (T, STR,   kind,      "kind",      REQUIRED, 32, "project_primary, task_session or agent_home.") \
    F (T, BYTES, path,      "localPath", REQUIRED, 4096, "Folder on the host.") \
    F (T, STR,   project,   "projectId", NULLABLE, 128, "The platform's project.") \
    F (T, STR,   workspace, "projectWorkspaceId", NULLABLE, 128, "The platform's project workspace.") \
    F (T, STR,   repo_url,  "repoUrl",   NULLABLE, 2048, "Where its repository comes from.") \
    F (T, STR,   repo_ref,  "repoRef",   NULLABLE, 512, "Its ref.") \
    F (T, STR,   strategy,  "strategy",  REQUIRED, 32, "project_primary or git_worktree.") \
    F (T, STR,   branch,    "branchName", NULLABLE, 512, "Its branch.") \
    F (T, BYTES, worktree,  "worktreePath", NULLABLE, 4096, "Its worktree.")
BERTH_MESSAGE (realization_source, REALIZATION_SOURCE);

#define REALIZATION_OVERLAY(F, T) \
    F (T, STR,   provision, "provisionCommand", NULLABLE, 16384, "Makes it ready, in the place.") \
    F (T, STR,   teardown,  "teardownCommand", NULLABLE, 16384, "Before it is closed.") \
    F (T, STR,   cleanup,   "cleanupCommand", NULLABLE, 16384, "When it is closed.") \
    F (T, ANY,   runtime,   "workspaceRuntime", NULLABLE | OBJECT, 65536, "Services and jobs; opaque.")
BERTH_MESSAGE (realization_overlay, REALIZATION_OVERLAY);

#define REALIZATION_REQUEST(F, T) \
    F (T, U64,   version,   "version",   REQUIRED, 0, "1.") \
    F (T, STR,   adapter,   "adapterType", REQUIRED, 128, "For which adapter.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Who it belongs to.") \
    F (T, ID,    env,       "environmentId", REQUIRED, 36, "Where it runs.") \
    F (T, ID,    workspace, "executionWorkspaceId", NULLABLE, 36, "The persisted workspace.") \
    F (T, STR,   issue,     "issueId",   NULLABLE, 128, "For which issue.") \
    F (T, STR,   run,       "heartbeatRunId", REQUIRED, 128, "For which run.") \
    F (T, STR,   mode,      "requestedMode", NULLABLE, 32, "Of the persisted workspace, else the effective one.") \
    F (T, OBJ (realization_source), source, "source", REQUIRED, 0, "The files.") \
    F (T, OBJ (realization_overlay), overlay, "runtimeOverlay", REQUIRED, 0, "From the persisted workspace's config.")
BERTH_MESSAGE (realization_request, REALIZATION_REQUEST);

#define RUN_REALIZE(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it belongs to.") \
    F (T, STR,   run,       "heartbeatRunId", REQUIRED | POSITIVE, 128, "A run that has acquired.") \
    F (T, OBJ (realized_workspace), workspace, "executionWorkspace", REQUIRED, 0, "Its files on the host.") \
    F (T, STR,   mode,      "effectiveExecutionWorkspaceMode", NULLABLE, 32, "If no workspace is persisted.") \
    F (T, STR,   provision, "provisionCommand", OPTIONAL, 16384, "If no workspace is persisted.") \
    F (T, ENUM (workspace_return_mode), return_mode, "return", OPTIONAL, 0, "Must the files come home? (none)") \
    F (T, STRS,  excludes,  "excludes",  OPTIONAL, 256, "What stays behind: names, paths from the top, patterns of them, or @heavy (node_modules, dist, build, vendor... ); the source's own .berthignore says more.") \
    F (T, U64,   timeout_ms, "timeoutMs", OPTIONAL | POSITIVE, 86400000, "Of copying (300,000).")
BERTH_MESSAGE (run_realize, RUN_REALIZE);

#define RUN_REALIZED(F, T) \
    F (T, STR,   id,        "id",        REQUIRED, 128, "The run.") \
    F (T, OBJ (lease), lease, "lease",   REQUIRED, 0, "With the record in its metadata.") \
    F (T, ANY,   record,    "workspaceRealization", REQUIRED | OBJECT, 131072, "The record, version 1.") \
    F (T, ANY,   target,    "executionTarget", NULLABLE, 65536, "How to execute there.") \
    F (T, ANY,   remote,    "remoteExecution", NULLABLE, 65536, "Of ssh targets: the spec.") \
    F (T, OBJ (workspace), workspace, "persistedExecutionWorkspace", NULLABLE, 0, "If there is one.")
BERTH_MESSAGE (run_realized, RUN_REALIZED);

#define RUN_REF(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it belongs to.") \
    F (T, STR,   run,       "heartbeatRunId", REQUIRED | POSITIVE, 128, "The run.")
BERTH_MESSAGE (run_ref, RUN_REF);

#define RUN_LIST(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Whose runs.") \
    F (T, ENUM (run_state), state, "state", OPTIONAL, 0, "Only those.") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000, "Rows of a page (50).") \
    F (T, STR,   cursor,    "cursor",    NULLABLE, 256, "nextCursor of the page before.")
BERTH_MESSAGE (run_list, RUN_LIST);

#define RUN_PAGE(F, T) \
    F (T, LIST (run), items, "items",    REQUIRED, 1000, "By updatedAt, newest first.") \
    F (T, STR,   next,      "nextCursor", NULLABLE, 256, "Null on the last page.")
BERTH_MESSAGE (run_page, RUN_PAGE);

#endif
