//  workspace.h - the files of a run, and how they were put into a place (DESIGN sections 8 and 9;
//  Paperclip: reference, 1.3 and 5).

#ifndef BERTH_WORKSPACE_H_INCLUDED
#define BERTH_WORKSPACE_H_INCLUDED

#include "environment.h"

#define WORKSPACE_MODE(X, T) \
    X (T, SHARED,          "shared_workspace") \
    X (T, ISOLATED,        "isolated_workspace") \
    X (T, OPERATOR_BRANCH, "operator_branch") \
    X (T, ADAPTER_MANAGED, "adapter_managed") \
    X (T, CLOUD_SANDBOX,   "cloud_sandbox")
BERTH_ENUM (workspace_mode, WORKSPACE_MODE);

#define WORKSPACE_STRATEGY(X, T) \
    X (T, PROJECT_PRIMARY, "project_primary") \
    X (T, GIT_WORKTREE,    "git_worktree") \
    X (T, ADAPTER_MANAGED, "adapter_managed") \
    X (T, CLOUD_SANDBOX,   "cloud_sandbox")
BERTH_ENUM (workspace_strategy, WORKSPACE_STRATEGY);

#define WORKSPACE_STATUS(X, T) \
    X (T, ACTIVE,         "active") \
    X (T, IDLE,           "idle") \
    X (T, IN_REVIEW,      "in_review") \
    X (T, ARCHIVED,       "archived") \
    X (T, CLEANUP_FAILED, "cleanup_failed")
BERTH_ENUM (workspace_status, WORKSPACE_STATUS);

#define WORKSPACE_PROVIDER(X, T) \
    X (T, LOCAL_FS,        "local_fs") \
    X (T, GIT_WORKTREE,    "git_worktree") \
    X (T, ADAPTER_MANAGED, "adapter_managed") \
    X (T, CLOUD_SANDBOX,   "cloud_sandbox")
BERTH_ENUM (workspace_provider, WORKSPACE_PROVIDER);

#define WORKSPACE_SOURCE(X, T) \
    X (T, PROJECT_PRIMARY, "project_primary") \
    X (T, TASK_SESSION,    "task_session") \
    X (T, AGENT_HOME,      "agent_home")
BERTH_ENUM (workspace_source, WORKSPACE_SOURCE);

//  Must the files of a place come home before it is closed?
#define WORKSPACE_RETURN(X, T) \
    X (T, NEVER,    "none") \
    X (T, MUST,     "required")
BERTH_ENUM (workspace_return_mode, WORKSPACE_RETURN);

#define WORKSPACE(F, T) \
    F (T, ID,    id,        "id",        REQUIRED, 36, "The execution workspace.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Who it belongs to.") \
    F (T, STR,   project,   "projectId", NULLABLE, 128, "The platform's project.") \
    F (T, STR,   project_workspace, "projectWorkspaceId", NULLABLE, 128, "The platform's project workspace.") \
    F (T, STR,   issue,     "sourceIssueId", NULLABLE, 128, "The issue it was made for.") \
    F (T, ENUM (workspace_mode), mode, "mode", REQUIRED, 0, "Who shares it.") \
    F (T, ENUM (workspace_strategy), strategy, "strategyType", REQUIRED, 0, "How its files come to be.") \
    F (T, STR,   name,      "name",      REQUIRED, 256, "Shown to people.") \
    F (T, ENUM (workspace_status), status, "status", REQUIRED, 0, "Where it is in its life.") \
    F (T, BYTES, cwd,       "cwd",       NULLABLE, 4096, "Its folder on the host.") \
    F (T, STR,   repo_url,  "repoUrl",   NULLABLE, 2048, "Where its repository comes from.") \
    F (T, STR,   base_ref,  "baseRef",   NULLABLE, 512, "What its branch starts from.") \
    F (T, STR,   branch,    "branchName", NULLABLE, 512, "Its branch.") \
    F (T, ENUM (workspace_provider), provider, "providerType", REQUIRED, 0, "Who keeps its files.") \
    F (T, STR,   provider_ref, "providerRef", NULLABLE, 512, "The provider's name of it.") \
    F (T, ID,    derived_from, "derivedFromExecutionWorkspaceId", NULLABLE, 36, "The workspace it was made from.") \
    F (T, ENUM (concurrency), concurrency, "concurrency", NULLABLE, 0, "Leases at a time; null: the environment's.") \
    F (T, TIME,  last_used_at, "lastUsedAt", REQUIRED, 0, "When a run last used it.") \
    F (T, TIME,  opened_at, "openedAt",  REQUIRED, 0, "When it was opened.") \
    F (T, TIME,  closed_at, "closedAt",  NULLABLE, 0, "When it was closed.") \
    F (T, TIME,  cleanup_eligible_at, "cleanupEligibleAt", NULLABLE, 0, "When it may be cleaned up.") \
    F (T, STR,   cleanup_reason, "cleanupReason", NULLABLE, 512, "Why.") \
    F (T, ANY,   metadata,  "metadata",  NULLABLE | OBJECT | PRIVATE, 524288, "Typed config under `config`; the realization's request and record; the caller's own.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was made.") \
    F (T, TIME,  updated_at, "updatedAt", REQUIRED, 0, "When it was last changed.")
BERTH_MESSAGE (workspace, WORKSPACE);

//  metadata.config of a workspace (reference, 1.3): absent keeps, null clears.
#define WORKSPACE_CONFIG(F, T) \
    F (T, ID,    environment, "environmentId", NULLABLE, 36, "Where its runs go.") \
    F (T, STR,   provision, "provisionCommand", NULLABLE, 16384, "Makes it ready, in the place.") \
    F (T, STR,   teardown,  "teardownCommand", NULLABLE, 16384, "Before it is closed.") \
    F (T, STR,   cleanup,   "cleanupCommand", NULLABLE, 16384, "When it is closed.") \
    F (T, ANY,   runtime,   "workspaceRuntime", NULLABLE | OBJECT, 65536, "Services and jobs; opaque.") \
    F (T, STR,   desired,   "desiredState", NULLABLE, 16, "running, stopped or manual.") \
    F (T, ANY,   services,  "serviceStates", NULLABLE | OBJECT, 65536, "State of each service; opaque.")
BERTH_MESSAGE (workspace_config, WORKSPACE_CONFIG);

#define WORKSPACE_CREATE(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it will belong to.") \
    F (T, ID,    id,        "id",        OPTIONAL, 36, "An id of the caller's; default: a new one.") \
    F (T, STR,   name,      "name",      REQUIRED | POSITIVE, 256, "Shown to people.") \
    F (T, STR,   project,   "projectId", NULLABLE, 128, "The platform's project.") \
    F (T, STR,   project_workspace, "projectWorkspaceId", NULLABLE, 128, "The platform's project workspace.") \
    F (T, STR,   issue,     "sourceIssueId", NULLABLE, 128, "The issue it is for.") \
    F (T, STR,   mode,      "mode",      OPTIONAL, 32, "A mode, or an alias (isolated_workspace).") \
    F (T, ENUM (workspace_strategy), strategy, "strategyType", OPTIONAL, 0, "Default: project_primary.") \
    F (T, BYTES, cwd,       "cwd",       NULLABLE, 4096, "Its folder on the host, absolute.") \
    F (T, STR,   repo_url,  "repoUrl",   NULLABLE, 2048, "Where its repository comes from.") \
    F (T, STR,   base_ref,  "baseRef",   NULLABLE, 512, "What its branch starts from.") \
    F (T, STR,   branch,    "branchName", NULLABLE, 512, "Its branch.") \
    F (T, ENUM (workspace_provider), provider, "providerType", OPTIONAL, 0, "Default: local_fs.") \
    F (T, STR,   provider_ref, "providerRef", NULLABLE, 512, "The provider's name of it.") \
    F (T, ID,    derived_from, "derivedFromExecutionWorkspaceId", NULLABLE, 36, "The workspace it is made from.") \
    F (T, ENUM (concurrency), concurrency, "concurrency", NULLABLE, 0, "Leases at once.") \
    F (T, OBJ (workspace_config), config, "config", NULLABLE, 0, "Its typed config.") \
    F (T, ANY,   metadata,  "metadata",  NULLABLE | OBJECT, 65536, "The caller's own data.")
BERTH_MESSAGE (workspace_create, WORKSPACE_CREATE);

#define WORKSPACE_UPDATE(F, T) \
    F (T, ID,    id,        "workspaceId", REQUIRED, 36, "The workspace.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, STR,   name,      "name",      OPTIONAL | POSITIVE, 256, "New name.") \
    F (T, ENUM (workspace_status), status, "status", OPTIONAL, 0, "New status.") \
    F (T, BYTES, cwd,       "cwd",       NULLABLE, 4096, "New folder.") \
    F (T, STR,   repo_url,  "repoUrl",   NULLABLE, 2048, "New repository.") \
    F (T, STR,   base_ref,  "baseRef",   NULLABLE, 512, "New base.") \
    F (T, STR,   branch,    "branchName", NULLABLE, 512, "New branch.") \
    F (T, STR,   provider_ref, "providerRef", NULLABLE, 512, "New name at the provider.") \
    F (T, ENUM (concurrency), concurrency, "concurrency", NULLABLE, 0, "Leases at a time.") \
    F (T, TIME,  cleanup_eligible_at, "cleanupEligibleAt", NULLABLE, 0, "When it may be cleaned up.") \
    F (T, STR,   cleanup_reason, "cleanupReason", NULLABLE, 512, "Why.") \
    F (T, OBJ (workspace_config), config, "config", NULLABLE, 0, "Laid over the stored config; null drops the block.") \
    F (T, ANY,   metadata,  "metadata",  OPTIONAL | OBJECT, 65536, "Keys laid over the stored ones; null clears one; `config` is refused.")
BERTH_MESSAGE (workspace_update, WORKSPACE_UPDATE);

#define WORKSPACE_REF(F, T) \
    F (T, ID,    id,        "workspaceId", REQUIRED, 36, "The workspace.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.")
BERTH_MESSAGE (workspace_ref, WORKSPACE_REF);

#define WORKSPACE_LIST(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Whose workspaces.") \
    F (T, ENUM (workspace_status), status, "status", OPTIONAL, 0, "Only those.") \
    F (T, STR,   project,   "projectId", OPTIONAL, 128, "Only those.") \
    F (T, STR,   issue,     "sourceIssueId", OPTIONAL, 128, "Only those.") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000, "Rows of a page (50).") \
    F (T, STR,   cursor,    "cursor",    NULLABLE, 256, "nextCursor of the page before.")
BERTH_MESSAGE (workspace_list, WORKSPACE_LIST);

#define WORKSPACE_PAGE(F, T) \
    F (T, LIST (workspace), items, "items", REQUIRED, 1000, "By lastUsedAt, newest first.") \
    F (T, STR,   next,      "nextCursor", NULLABLE, 256, "Null on the last page.")
BERTH_MESSAGE (workspace_page, WORKSPACE_PAGE);

//  The workspace handed to realize, as the platform's strategy made it on the host
//  (Paperclip's RealizedExecutionWorkspace; reference, section 8).
#define REALIZED_WORKSPACE(F, T) \
    F (T, BYTES, base_cwd,  "baseCwd",   OPTIONAL, 4096, "The project's own folder on the host.") \
    F (T, ENUM (workspace_source), source, "source", OPTIONAL, 0, "Where the folder comes from (default: task_session).") \
    F (T, STR,   project,   "projectId", NULLABLE, 128, "The platform's project.") \
    F (T, STR,   workspace, "workspaceId", NULLABLE, 128, "The platform's project workspace.") \
    F (T, STR,   repo_url,  "repoUrl",   NULLABLE, 2048, "Where its repository comes from.") \
    F (T, STR,   repo_ref,  "repoRef",   NULLABLE, 512, "Its ref.") \
    F (T, STR,   strategy,  "strategy",  OPTIONAL, 32, "project_primary or git_worktree (default: project_primary).") \
    F (T, BYTES, cwd,       "cwd",       REQUIRED | POSITIVE, 4096, "The folder whose files are realized, absolute.") \
    F (T, STR,   branch,    "branchName", NULLABLE, 512, "Its branch.") \
    F (T, BYTES, worktree,  "worktreePath", NULLABLE, 4096, "Its worktree.") \
    F (T, STRS,  warnings,  "warnings",  OPTIONAL, 64, "What went wrong on the way.") \
    F (T, BOOL,  created,   "created",   OPTIONAL, 0, "It was made for this run.")
BERTH_MESSAGE (realized_workspace, REALIZED_WORKSPACE);

#define WORKSPACE_PROGRESS(F, T) \
    F (T, STR,   phase,     "phase",     REQUIRED, 32, "copy, provision or return.") \
    F (T, U64,   files,     "files",     REQUIRED, 0, "Done.") \
    F (T, U64,   bytes,     "bytes",     REQUIRED, 0, "Done.") \
    F (T, U64,   total_files, "totalFiles", REQUIRED, 0, "0 while unknown.") \
    F (T, U64,   total_bytes, "totalBytes", REQUIRED, 0, "0 while unknown.")
BERTH_MESSAGE (workspace_progress, WORKSPACE_PROGRESS);

#define WORKSPACE_RETURN_ASK(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease whose place holds the files.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, BYTES, target,    "target",    OPTIONAL | POSITIVE, 4096, "Folder on the host (default: where the files came from).") \
    F (T, BOOL,  dry,       "dry",       OPTIONAL, 0, "Only say what would come home.") \
    F (T, BOOL,  unified,   "unified",   OPTIONAL, 0, "With dry: as a unified diff, too.")
BERTH_MESSAGE (workspace_return, WORKSPACE_RETURN_ASK);

//  What workspace.return would bring, and nothing is written.
#define WORKSPACE_DIFF_ASK(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease whose place holds the files.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, BYTES, target,    "target",    OPTIONAL | POSITIVE, 4096, "Folder on the host (default: where the files came from).") \
    F (T, BOOL,  unified,   "unified",   OPTIONAL, 0, "As a unified diff, too.")
BERTH_MESSAGE (workspace_diff, WORKSPACE_DIFF_ASK);

//  The files of a place are not wanted any more.
#define WORKSPACE_DISCARD_ASK(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease whose place holds the files.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.")
BERTH_MESSAGE (workspace_discard, WORKSPACE_DISCARD_ASK);

#define WORKSPACE_CHANGE(F, T) \
    F (T, STR,   change,    "change",    REQUIRED, 16, "added, changed, deleted, conflict or refused.") \
    F (T, BYTES, path,      "path",      REQUIRED, 8192, "Relative to the workspace.") \
    F (T, BYTES, other,     "theirs",    OPTIONAL, 8192, "Of a conflict: where the place's version was kept.") \
    F (T, STR,   reason,    "reason",    OPTIONAL, 512, "Of a refusal.")
BERTH_MESSAGE (workspace_change, WORKSPACE_CHANGE);

#define WORKSPACE_RETURNED(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, BYTES, target,    "target",    REQUIRED, 4096, "Where the files went.") \
    F (T, U64,   added,     "added",     REQUIRED, 0, "Files that are new.") \
    F (T, U64,   changed,   "changed",   REQUIRED, 0, "Files that are different.") \
    F (T, U64,   deleted,   "deleted",   REQUIRED, 0, "Files that are gone.") \
    F (T, U64,   conflicts, "conflicts", REQUIRED, 0, "Files changed on both sides; both were kept.") \
    F (T, U64,   refused,   "refused",   REQUIRED, 0, "Entries left behind.") \
    F (T, U64,   bytes,     "bytes",     REQUIRED, 0, "Bytes that were written.") \
    F (T, LIST (workspace_change), changes, "changes", REQUIRED, 1000, "The first 1,000 of them.") \
    F (T, BOOL,  cut,       "changesCut", REQUIRED, 0, "There were more.") \
    F (T, STR,   commits,   "commits",   OPTIONAL, 16, "What became of the place's commits: fast_forward, merge, conflict (they stand at commitsRef), or refused; absent: there were none.") \
    F (T, STR,   head,      "head",      OPTIONAL, 64, "The commit that home's branch has now; of a conflict: the place's.") \
    F (T, STR,   commits_ref, "commitsRef", OPTIONAL, 128, "Where the place's commits stand, unless the branch has them.") \
    F (T, STR,   commits_reason, "commitsReason", OPTIONAL, 512, "Why.") \
    F (T, BYTES, patch,     "patch",     OPTIONAL, 393216, "With unified: what `git apply` or `patch -p1` takes, whole files only.") \
    F (T, BOOL,  patch_cut, "patchCut",  OPTIONAL, 0, "It has no room for all of them.")
BERTH_MESSAGE (workspace_returned, WORKSPACE_RETURNED);

#endif
