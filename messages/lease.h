//  lease.h - the right of one run to one place (DESIGN section 6; Paperclip: reference, 1.2 and 2).

#ifndef BERTH_LEASE_H_INCLUDED
#define BERTH_LEASE_H_INCLUDED

#include "environment.h"

//  Paperclip's status; what Berth adds stands in lease_state.
#define LEASE_STATUS(X, T) \
    X (T, ACTIVE,   "active") \
    X (T, RELEASED, "released") \
    X (T, EXPIRED,  "expired") \
    X (T, FAILED,   "failed") \
    X (T, RETAINED, "retained") \
    X (T, PENDING_CLEANUP, "pending_cleanup")
BERTH_ENUM (lease_status, LEASE_STATUS);

#define LEASE_STATE(X, T) \
    X (T, PENDING,   "pending") \
    X (T, ACTIVE,    "active") \
    X (T, RELEASING, "releasing") \
    X (T, RELEASED,  "released") \
    X (T, EXPIRED,   "expired") \
    X (T, FAILED,    "failed") \
    X (T, RETAINED,  "retained") \
    X (T, CLEANUP,   "cleanup")
BERTH_ENUM (lease_state, LEASE_STATE);

#define CLEANUP_STATUS(X, T) \
    X (T, PENDING, "pending") \
    X (T, SUCCESS, "success") \
    X (T, FAILED,  "failed")
BERTH_ENUM (cleanup_status, CLEANUP_STATUS);

//  What a provider has been asked for a lease that opens nothing at first (driver local).
#define PLACE_STATE(X, T) \
    X (T, ABSENT,  "absent") \
    X (T, OPENING, "opening") \
    X (T, OPEN,    "open") \
    X (T, CLOSING, "closing") \
    X (T, GONE,    "gone") \
    X (T, KEPT,    "kept")
BERTH_ENUM (place_state, PLACE_STATE);

#define LEASE(F, T) \
    F (T, ID,    id,        "id",        REQUIRED, 36, "The lease.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Who it belongs to.") \
    F (T, ID,    env,       "environmentId", REQUIRED, 36, "Of which environment.") \
    F (T, ID,    workspace, "executionWorkspaceId", NULLABLE, 36, "For which workspace.") \
    F (T, STR,   issue,     "issueId",   NULLABLE, 128, "For which issue.") \
    F (T, STR,   run,       "heartbeatRunId", NULLABLE, 128, "The run that holds it; null: ad hoc.") \
    F (T, STR,   agent,     "agentId",   NULLABLE, 128, "The agent of that run.") \
    F (T, STR,   adapter,   "adapterType", NULLABLE, 128, "The adapter of that run.") \
    F (T, ENUM (lease_status), status, "status", REQUIRED, 0, "Paperclip's word for it.") \
    F (T, ENUM (lease_state), state, "state", REQUIRED, 0, "Berth's word for it.") \
    F (T, ENUM (lease_policy), policy, "leasePolicy", REQUIRED, 0, "As it was at acquire.") \
    F (T, STR,   provider,  "provider",  NULLABLE, 128, "Who opened the place.") \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 512, "The provider's name of the place.") \
    F (T, U64,   generation, "generation", REQUIRED, 0, "Fencing number: grows with every lease of the store.") \
    F (T, TIME,  acquired_at, "acquiredAt", REQUIRED, 0, "When it was asked for.") \
    F (T, TIME,  last_used_at, "lastUsedAt", REQUIRED, 0, "When it was last used; of renewals, to the second.") \
    F (T, TIME,  expires_at, "expiresAt", NULLABLE, 0, "When it ends by itself; null: never.") \
    F (T, TIME,  released_at, "releasedAt", NULLABLE, 0, "When it was released.") \
    F (T, STR,   failure,   "failureReason", NULLABLE, 512, "Why it failed.") \
    F (T, ENUM (cleanup_status), cleanup, "cleanupStatus", NULLABLE, 0, "Whether the place is closed.") \
    F (T, ANY,   metadata,  "metadata",  NULLABLE | OBJECT | PRIVATE, 262144, "The driver's and the provider's data.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When the row was made.") \
    F (T, TIME,  updated_at, "updatedAt", REQUIRED, 0, "When the row was last changed.") \
    F (T, U64,   max_ms,    "maxLeaseMs", NULLABLE, 0, "Lifetime it was granted; null: none.") \
    F (T, U64,   idle_ms,   "idleMs",    NULLABLE, 0, "It expires when unused for so long; null: never.") \
    F (T, STR,   boot,      "bootId",    OPTIONAL, 36, "Boot in which deadlineMonoMs counts.") \
    F (T, I64,   deadline_mono_ms, "deadlineMonoMs", OPTIONAL, 0, "expiresAt on that boot's monotonic clock.") \
    F (T, I64,   end_mono_ms, "endMonoMs", OPTIONAL, 0, "Of maxLeaseMs, which use does not put off, on the same clock.") \
    F (T, I64,   provider_end_mono_ms, "providerEndMonoMs", OPTIONAL, 0, "Of the provider's own expiresAt, which nothing puts off, on the same clock.") \
    F (T, I64,   used_mono_ms, "usedMonoMs", OPTIONAL, 0, "Of idleMs: when it was last used, as far as it is written down, on the same clock.") \
    F (T, I64,   look_mono_ms, "lookMonoMs", OPTIONAL, 0, "When it is looked at next, at the latest, on the same clock.") \
    F (T, STR,   ends_by,   "endsBy",    OPTIONAL, 32, "What ends it at expiresAt: maxLeaseMs, idleMs, provider.expiresAt, or retained (its files are kept until then).") \
    F (T, U64,   told_s,    "expiringSaidS", OPTIONAL, 0, "environment.lease_expiring was said so many seconds before its end, or needed not be.") \
    F (T, ENUM (place_state), place, "placeState", OPTIONAL, 0, "What the provider has open.") \
    F (T, STR,   driver,    "driver",    OPTIONAL, 16, "The environment's driver at acquire.") \
    F (T, ANY,   config,    "config",    OPTIONAL | OBJECT | PRIVATE, 65536, "The environment's config at acquire, for release.") \
    F (T, OBJ (environment_policy), env_policy, "policy", OPTIONAL | PRIVATE, 0, "The environment's policy at acquire.") \
    F (T, STR,   target,    "targetStatus", OPTIONAL, 16, "Of a lease that is releasing: what it becomes.") \
    F (T, U64,   attempts,  "attempts",  OPTIONAL, 0, "Releases tried.") \
    F (T, TIME,  next_try_at, "nextAttemptAt", OPTIONAL, 0, "When the next release is tried.") \
    F (T, BYTES, shim,      "shimSocket", OPTIONAL | PRIVATE, 107, "Where the place's shim listens.") \
    F (T, BYTES, folder,    "placeFolder", OPTIONAL | PRIVATE, 4096, "The place's folder on this host.") \
    F (T, BYTES, source,    "workspaceSource", OPTIONAL | PRIVATE, 4096, "Host folder that was realized into the place.") \
    F (T, BOOL,  source_no_links, "sourceNoLinks", OPTIONAL | PRIVATE, 0, "No part of that path may be a link.") \
    F (T, STR,   return_mode, "return",  OPTIONAL, 16, "none or required: must the files come home?") \
    F (T, BOOL,  returned,  "returned",  OPTIONAL, 0, "They did.") \
    F (T, STR,   bind,      "bind",      OPTIONAL, 16, "connection: it ends when its client is not heard of.") \
    F (T, BOOL,  homeward,  "returning", OPTIONAL, 0, "It expired, and its files are on their way home: returnOnExpiry.") \
    F (T, STR,   retained_as, "retainedAs", OPTIONAL, 16, "Of a retained one: what it becomes once its files are home.") \
    F (T, ID,    realization, "realizationId", OPTIONAL, 36, "The realization whose record the metadata has.") \
    F (T, TIME,  abandoned_at, "abandonedAt", OPTIONAL, 0, "When an operator gave its place up: nobody closes it any more.") \
    F (T, BYTES, scope,     "reuseScope", OPTIONAL | PRIVATE, 32, "Of a place that is reused: hash of company, environment, workspace, agent, adapter and policy.") \
    F (T, BYTES, fingerprint, "fingerprint", OPTIONAL | PRIVATE, 32, "Of a place that is reused: hash of its provider and effective config.") \
    F (T, ID,    reused,    "reusedLeaseId", OPTIONAL, 36, "The lease whose place it took up.") \
    F (T, ID,    taken_by,  "takenByLeaseId", OPTIONAL, 36, "The lease that took its place up.") \
    F (T, BOOL,  destroy,   "destroyPlace", OPTIONAL, 0, "Its place is not kept for another.") \
    F (T, BOOL,  adopted,   "adopted",   OPTIONAL, 0, "Its place was there before it.") \
    F (T, TIME,  queued_at, "queuedAt", OPTIONAL, 0, "Of one that waits in the queue of its workspace: since when.") \
    F (T, U64,   position,  "queuePosition", OPTIONAL, 0, "Of one that waits there, in answers: 1 is the next.")
BERTH_MESSAGE (lease, LEASE);

#define LEASE_ACQUIRE(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it will belong to.") \
    F (T, ID,    env,       "environmentId", REQUIRED, 36, "Environment to lease.") \
    F (T, STR,   run,       "heartbeatRunId", NULLABLE, 128, "The run that will hold it; null: ad hoc.") \
    F (T, ID,    workspace, "executionWorkspaceId", NULLABLE, 36, "For which workspace.") \
    F (T, STR,   mode,      "executionWorkspaceMode", NULLABLE, 32, "Kept in the metadata.") \
    F (T, STR,   issue,     "issueId",   NULLABLE, 128, "For which issue.") \
    F (T, STR,   agent,     "agentId",   NULLABLE, 128, "For which agent.") \
    F (T, STR,   adapter,   "adapterType", NULLABLE, 128, "For which adapter.") \
    F (T, ANY,   max_lease, "maxLeaseMs", OPTIONAL, 16, "Lifetime in ms, at most the policy's, or \"none\".") \
    F (T, U64,   idle_ms,   "idleMs",    OPTIONAL | POSITIVE, 31536000000, "At most the policy's.") \
    F (T, BYTES, cwd,       "requestedCwd", NULLABLE, 4096, "Folder the caller would like.") \
    F (T, ANY,   metadata,  "metadata",  OPTIONAL | OBJECT, 65536, "Laid under the driver's own.") \
    F (T, BOOL,  wait,      "wait",      OPTIONAL, 0, "Answer when it is active (true) or when it is written (false).") \
    F (T, BOOL,  detach,    "detach",    OPTIONAL, 0, "Go on opening when the deadline passes.") \
    F (T, STR,   bind,      "bind",      OPTIONAL, 16, "connection: the answer is a stream that lasts as long as the lease, which ends with it.")
BERTH_MESSAGE (lease_acquire, LEASE_ACQUIRE);

//  With credit, what lease.acquire and run.acquire tell on the way.
#define LEASE_WAITING(F, T) \
    F (T, ID,    id,        "leaseId",   REQUIRED, 36, "The lease that is pending.") \
    F (T, U64,   position,  "queuePosition", REQUIRED, 0, "In the queue of its workspace, 1 is the next; 0: its place is opening.") \
    F (T, ID,    holder,    "holderLeaseId", NULLABLE, 36, "The lease that it waits for.")
BERTH_MESSAGE (lease_waiting, LEASE_WAITING);

#define LEASE_REF(F, T) \
    F (T, ID,    id,        "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.")
BERTH_MESSAGE (lease_ref, LEASE_REF);

#define LEASE_LIST(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Whose leases.") \
    F (T, ID,    env,       "environmentId", OPTIONAL, 36, "Only those.") \
    F (T, STR,   run,       "heartbeatRunId", OPTIONAL, 128, "Only those.") \
    F (T, ENUM (lease_status), status, "status", OPTIONAL, 0, "Only those.") \
    F (T, ENUM (lease_state), state, "state", OPTIONAL, 0, "Only those.") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000, "Rows of a page (50).") \
    F (T, STR,   cursor,    "cursor",    NULLABLE, 256, "nextCursor of the page before.")
BERTH_MESSAGE (lease_list, LEASE_LIST);

#define LEASE_PAGE(F, T) \
    F (T, LIST (lease), items, "items",  REQUIRED, 1000, "By lastUsedAt, then createdAt, newest first.") \
    F (T, STR,   next,      "nextCursor", NULLABLE, 256, "Null on the last page.")
BERTH_MESSAGE (lease_page, LEASE_PAGE);

#define LEASE_RENEW(F, T) \
    F (T, ID,    id,        "leaseId",   REQUIRED, 36, "An active lease.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, U64,   ms,        "ms",        OPTIONAL | POSITIVE, 31536000000, "From now on (default: its maxLeaseMs).")
BERTH_MESSAGE (lease_renew, LEASE_RENEW);

#define LEASE_RENEWED(F, T) \
    F (T, ID,    id,        "id",        REQUIRED, 36, "The lease.") \
    F (T, TIME,  expires_at, "expiresAt", NULLABLE, 0, "When it ends now; null: never.") \
    F (T, U64,   granted_ms, "grantedMs", NULLABLE, 0, "From now on; null: no end.") \
    F (T, STR,   clipped_by, "clippedBy", NULLABLE, 64, "What made it less than was asked: policy.maxLeaseMs, maxLeaseMs (of its acquire), policy.idleMs, idleMs, provider.expiresAt.") \
    F (T, OBJ (lease), lease, "lease",   REQUIRED, 0, "The row.")
BERTH_MESSAGE (lease_renewed, LEASE_RENEWED);

#define LEASE_RELEASE(F, T) \
    F (T, ID,    id,        "leaseId",   REQUIRED, 36, "The lease; one that is settled is answered as it is.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, STR,   status,    "status",    OPTIONAL, 16, "released (default), expired or failed.") \
    F (T, STR,   failure,   "failureReason", NULLABLE, 512, "Why.") \
    F (T, BOOL,  wait,      "wait",      OPTIONAL, 0, "Answer when the place is closed (true) or when it is written (false).") \
    F (T, BOOL,  abandon,   "abandon",   OPTIONAL, 0, "Of an operator: settle it now; its place is asked to close once more and never again.")
BERTH_MESSAGE (lease_release, LEASE_RELEASE);

#define LEASE_RESUME(F, T) \
    F (T, ID,    id,        "leaseId",   REQUIRED, 36, "A lease that is active, or retained.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.")
BERTH_MESSAGE (lease_resume, LEASE_RESUME);

#define LEASE_DESTROY(F, T) \
    F (T, ID,    id,        "leaseId",   REQUIRED, 36, "The lease; one that is settled loses a place that was kept for another.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, STR,   failure,   "failureReason", NULLABLE, 512, "Why (it was destroyed).") \
    F (T, BOOL,  wait,      "wait",      OPTIONAL, 0, "Answer when the place is closed (true) or when it is written (false).")
BERTH_MESSAGE (lease_destroy, LEASE_DESTROY);

#define LEASE_ADOPT(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it will belong to.") \
    F (T, ID,    env,       "environmentId", REQUIRED, 36, "Environment whose provider has the place.") \
    F (T, STR,   provider_lease, "providerLeaseId", REQUIRED | POSITIVE, 512, "The provider's name of the place.") \
    F (T, STR,   run,       "heartbeatRunId", NULLABLE, 128, "The run that will hold it; null: ad hoc.") \
    F (T, ID,    workspace, "executionWorkspaceId", NULLABLE, 36, "For which workspace.") \
    F (T, STR,   mode,      "executionWorkspaceMode", NULLABLE, 32, "Kept in the metadata.") \
    F (T, STR,   issue,     "issueId",   NULLABLE, 128, "For which issue.") \
    F (T, STR,   agent,     "agentId",   NULLABLE, 128, "For which agent.") \
    F (T, STR,   adapter,   "adapterType", NULLABLE, 128, "For which adapter.") \
    F (T, ANY,   max_lease, "maxLeaseMs", OPTIONAL, 16, "Lifetime in ms, at most the policy's, or \"none\".") \
    F (T, U64,   idle_ms,   "idleMs",    OPTIONAL | POSITIVE, 31536000000, "At most the policy's.") \
    F (T, ANY,   metadata,  "metadata",  OPTIONAL | OBJECT, 65536, "Laid under the driver's own.") \
    F (T, BOOL,  wait,      "wait",      OPTIONAL, 0, "Answer when it is active (true) or when it is written (false).")
BERTH_MESSAGE (lease_adopt, LEASE_ADOPT);

#define LEASE_METADATA(F, T) \
    F (T, ID,    id,        "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, ANY,   metadata,  "metadata",  NULLABLE | OBJECT, 262144, "Replaces the whole; null clears it.") \
    F (T, TIME,  if_updated_at, "ifUpdatedAt", OPTIONAL, 0, "Only if the row is still of that time.")
BERTH_MESSAGE (lease_metadata, LEASE_METADATA);

#define RELEASE_FOR_RUN(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it belongs to.") \
    F (T, STR,   run,       "heartbeatRunId", REQUIRED | POSITIVE, 128, "Whose leases.") \
    F (T, STR,   status,    "status",    OPTIONAL, 16, "released (default), expired or failed.") \
    F (T, STR,   failure,   "failureReason", NULLABLE, 512, "Why.") \
    F (T, STR,   agent,     "agentId",   NULLABLE, 128, "On whose behalf.") \
    F (T, BOOL,  wait,      "wait",      OPTIONAL, 0, "Answer when all are settled (true) or written (false).")
BERTH_MESSAGE (release_for_run, RELEASE_FOR_RUN);

#define RELEASE_ERROR(F, T) \
    F (T, STR,   lease,     "leaseId",   REQUIRED, 36, "The lease, or * for all.") \
    F (T, STR,   error,     "error",     REQUIRED, 512, "One sentence.") \
    F (T, STR,   code,      "code",      REQUIRED, 64, "Of the table of errors.")
BERTH_MESSAGE (release_error, RELEASE_ERROR);

#define RUN_RELEASED(F, T) \
    F (T, LIST (lease), released, "released", REQUIRED, 1000, "Leases of the run that are settled.") \
    F (T, LIST (release_error), errors, "errors", REQUIRED, 1000, "One for each that is not.")
BERTH_MESSAGE (run_released, RUN_RELEASED);

//  The shapes of a target that Berth has places for, and who executes in it.
#define TARGET_LOCAL(F, T) \
    F (T, STR,   kind,      "kind",      REQUIRED, 16, "local.") \
    F (T, ID,    env,       "environmentId", REQUIRED, 36, "The environment.") \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.")
BERTH_MESSAGE (target_local, TARGET_LOCAL);

#define TARGET_RUNNER(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "exec.start takes this lease") \
    F (T, U64,   generation, "generation", REQUIRED, 0, "and this generation.")
BERTH_MESSAGE (target_runner, TARGET_RUNNER);

#define TARGET_SANDBOX(F, T) \
    F (T, STR,   kind,      "kind",      REQUIRED, 16, "remote.") \
    F (T, STR,   transport, "transport", REQUIRED, 16, "sandbox.") \
    F (T, STR,   provider,  "providerKey", NULLABLE, 128, "Who opened the place.") \
    F (T, STR,   shell,     "shellCommand", NULLABLE, 8, "bash, sh or null.") \
    F (T, STR,   cwd,       "remoteCwd", REQUIRED, 4096, "Where commands run.") \
    F (T, ID,    env,       "environmentId", REQUIRED, 36, "The environment.") \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, U64,   timeout_ms, "timeoutMs", NULLABLE, 0, "Of the environment's config.") \
    F (T, OBJ (target_runner), runner, "runner", REQUIRED, 0, "The caller executes through Berth.")
BERTH_MESSAGE (target_sandbox, TARGET_SANDBOX);

#define TARGET_SSH_SPEC(F, T) \
    F (T, STR,   host,      "host",      REQUIRED, 255, "Of the environment's config.") \
    F (T, U64,   port,      "port",      REQUIRED, 0, "The same.") \
    F (T, STR,   username,  "username",  REQUIRED, 128, "The same.") \
    F (T, STR,   path,      "remoteWorkspacePath", REQUIRED, 4096, "The same.") \
    F (T, STR,   key,       "privateKey", NULLABLE, 16, "Null: no secret leaves.") \
    F (T, ANY,   key_ref,   "privateKeySecretRef", NULLABLE, 1024, "The secret that holds it.") \
    F (T, STR,   known_hosts, "knownHosts", NULLABLE, 32768, "Of the environment's config.") \
    F (T, BOOL,  strict,    "strictHostKeyChecking", REQUIRED, 0, "The same.") \
    F (T, STR,   cwd,       "remoteCwd", REQUIRED, 4096, "Where commands run.")
BERTH_MESSAGE (target_ssh_spec, TARGET_SSH_SPEC);

#define TARGET_SSH(F, T) \
    F (T, STR,   kind,      "kind",      REQUIRED, 16, "remote.") \
    F (T, STR,   transport, "transport", REQUIRED, 16, "ssh.") \
    F (T, ID,    env,       "environmentId", REQUIRED, 36, "The environment.") \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, STR,   cwd,       "remoteCwd", REQUIRED, 4096, "Where commands run.") \
    F (T, OBJ (target_ssh_spec), spec, "spec", REQUIRED, 0, "The machine.") \
    F (T, OBJ (target_runner), runner, "runner", REQUIRED, 0, "The caller executes through Berth.")
BERTH_MESSAGE (target_ssh, TARGET_SSH);

//  lease.target: how to execute in the place, in Paperclip's shapes (reference, section 6).
#define LEASE_TARGET_ASK(F, T) \
    F (T, ID,    id,        "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, STR,   adapter,   "adapterType", OPTIONAL, 128, "For which adapter (default: the lease's).")
BERTH_MESSAGE (lease_target_ask, LEASE_TARGET_ASK);

#define LEASE_TARGET(F, T) \
    F (T, ANY,   target,    "executionTarget", NULLABLE, 65536, "Null: this adapter cannot run there.") \
    F (T, ANY,   remote,    "remoteExecution", NULLABLE, 65536, "Of ssh targets: the spec, without secrets.")
BERTH_MESSAGE (lease_target, LEASE_TARGET);

#endif
