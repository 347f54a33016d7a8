//  activity.h - the log of what changed (DESIGN section 10; Paperclip: reference, 1.4).

#ifndef BERTH_ACTIVITY_H_INCLUDED
#define BERTH_ACTIVITY_H_INCLUDED

#include "schema.h"

//  Every action that can stand in the log, with its entity type. Paperclip's where one exists.
#define ACTIONS(X) \
    X (ENVIRONMENT_CREATED,  "environment.created",        "environment") \
    X (ENVIRONMENT_UPDATED,  "environment.updated",        "environment") \
    X (ENVIRONMENT_DELETED,  "environment.deleted",        "environment") \
    X (ENVIRONMENT_PROBED,   "environment.probed",         "environment") \
    X (ENVIRONMENT_PROBED_UNSAVED, "environment.probed_unsaved", "environment") \
    X (LEASE_QUEUED,         "environment.lease_queued",   "environment_lease") \
    X (LEASE_PENDING,        "environment.lease_pending",  "environment_lease") \
    X (LEASE_ACQUIRED,       "environment.lease_acquired", "environment_lease") \
    X (LEASE_RENEWED,        "environment.lease_renewed",  "environment_lease") \
    X (LEASE_EXPIRING,       "environment.lease_expiring", "environment_lease") \
    X (LEASE_RELEASING,      "environment.lease_releasing", "environment_lease") \
    X (LEASE_RELEASED,       "environment.lease_released", "environment_lease") \
    X (LEASE_RETAINED,       "environment.lease_retained", "environment_lease") \
    X (LEASE_CLEANUP_PENDING, "environment.lease_cleanup_pending", "environment_lease") \
    X (LEASE_ABANDONED,      "environment.lease_abandoned", "environment_lease") \
    X (LEASE_METADATA_UPDATED, "environment.lease_metadata_updated", "environment_lease") \
    X (LEASE_RESUMED,        "environment.lease_resumed",  "environment_lease") \
    X (LEASE_PLACE_LOST,     "environment.lease_place_lost", "environment_lease") \
    X (LEASE_PLACE_OPENED,   "environment.lease_place_opened", "environment_lease") \
    X (LEASE_PLACE_DESTROYED, "environment.lease_place_destroyed", "environment_lease") \
    X (PLACE_ORPHAN_DESTROYED, "environment.orphan_destroyed", "environment_lease") \
    X (RUN_ACQUIRING,        "run.acquiring",              "run") \
    X (RUN_ACQUIRED,         "run.acquired",               "run") \
    X (RUN_REALIZING,        "run.realizing",              "run") \
    X (RUN_REALIZE_FAILED,   "run.realize_failed",         "run") \
    X (RUN_READY,            "run.ready",                  "run") \
    X (RUN_RELEASING,        "run.releasing",              "run") \
    X (RUN_RELEASED,         "run.released",               "run") \
    X (RUN_FAILED,           "run.failed",                 "run") \
    X (WORKSPACE_CREATED,    "execution_workspace.created", "execution_workspace") \
    X (WORKSPACE_UPDATED,    "execution_workspace.updated", "execution_workspace") \
    X (WORKSPACE_REALIZED,   "workspace.realized",         "environment_lease") \
    X (WORKSPACE_RETURNED,   "workspace.returned",         "environment_lease") \
    X (WORKSPACE_DISCARDED,  "workspace.discarded",        "environment_lease") \
    X (EXEC_STARTED,         "exec.started",               "exec") \
    X (EXEC_ENDED,           "exec.ended",                 "exec") \
    X (BUS_DRAINED,          "bus.drained",                "bus") \
    X (BUS_UNDRAINED,        "bus.undrained",              "bus") \
    X (PROVIDER_PAUSED,      "provider.paused",            "provider") \
    X (PROVIDER_UNPAUSED,    "provider.unpaused",          "provider") \
    X (PROVIDER_BREAKER_OPENED, "provider.breaker_opened", "provider") \
    X (PROVIDER_BREAKER_CLOSED, "provider.breaker_closed", "provider") \
    X (SECRET_CREATED,       "secret.created",             "secret") \
    X (SECRET_UPDATED,       "secret.updated",             "secret") \
    X (SECRET_ROTATED,       "secret.rotated",             "secret") \
    X (SECRET_DELETED,       "secret.deleted",             "secret") \
    X (SECRET_BOUND,         "secret.bound",               "secret") \
    X (SECRET_UNBOUND,       "secret.unbound",             "secret") \
    X (SECRETS_REKEYED,      "secret.rekeyed",             "bus") \
    X (COMPANY_DELETING,     "company.deleting",           "company") \
    X (COMPANY_DELETED,      "company.deleted",            "company") \
    X (KEY_CREATED,          "key.created",                "key") \
    X (KEY_GRANTED,          "key.granted",                "key") \
    X (KEY_REVOKED,          "key.revoked",                "key")

#define ACTION_CODE_(name, text, entity) ACTION_##name,
typedef enum { ACTION_NONE = 0, ACTIONS (ACTION_CODE_) ACTION_COUNT } action_t;
const char *action_text (action_t action);
const char *action_entity (action_t action);

#define ACTIVITY(F, T) \
    F (T, U64,   seq,       "seq",       REQUIRED, 0, "Gap-free in the store, from 1.") \
    F (T, U64,   company_seq, "companySeq", REQUIRED, 0, "Gap-free in the company, from 1.") \
    F (T, ID,    id,        "id",        REQUIRED, 36, "The entry.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Whose log.") \
    F (T, STR,   actor_type, "actorType", REQUIRED, 32, "agent, user or system.") \
    F (T, STR,   actor_id,  "actorId",   REQUIRED, 128, "Who.") \
    F (T, STR,   action,    "action",    REQUIRED, 64, "What, from the table of actions.") \
    F (T, STR,   entity_type, "entityType", REQUIRED, 64, "Of what.") \
    F (T, STR,   entity,    "entityId",  REQUIRED, 128, "Which.") \
    F (T, STR,   agent,     "agentId",   NULLABLE, 128, "On behalf of which agent.") \
    F (T, STR,   run,       "runId",     NULLABLE, 128, "In which run.") \
    F (T, ANY,   details,   "details",   NULLABLE | OBJECT, 16384, "Never config, secrets or a command's environment.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When.") \
    F (T, BYTES, hash,      "hash",      REQUIRED, 32, "BLAKE2b-256 over the hash before (of the company; 32 zero bytes at first) and this entry packed with an empty `hash`.")
BERTH_MESSAGE (activity, ACTIVITY);

//  Details of a lease's entries, in Paperclip's words, and of those that end it.
#define LEASE_DETAILS(F, T) \
    F (T, ID,    env,       "environmentId", REQUIRED, 36, "Of which environment.") \
    F (T, STR,   driver,    "driver",    NULLABLE, 16, "Its driver.") \
    F (T, STR,   policy,    "leasePolicy", NULLABLE, 32, "As it was at acquire.") \
    F (T, STR,   provider,  "provider",  NULLABLE, 128, "Who opened the place.") \
    F (T, ID,    workspace, "executionWorkspaceId", NULLABLE, 36, "For which workspace.") \
    F (T, STR,   issue,     "issueId",   NULLABLE, 128, "For which issue.") \
    F (T, ID,    reused,    "reusedLeaseId", OPTIONAL, 36, "Whose place it took up.") \
    F (T, BOOL,  adopted,   "adopted",   OPTIONAL, 0, "Its place was there before it.")
BERTH_MESSAGE (lease_details, LEASE_DETAILS);

#define LEASE_EXPIRING_DETAILS(F, T) \
    LEASE_DETAILS (F, T) \
    F (T, U64,   left_ms,   "leftMs",    REQUIRED, 0, "So long before its end.") \
    F (T, TIME,  expires_at, "expiresAt", REQUIRED, 0, "Its end, unless it is renewed or used.") \
    F (T, STR,   ends_by,   "endsBy",    NULLABLE, 32, "What ends it then: maxLeaseMs, idleMs, provider.expiresAt, retained.")
BERTH_MESSAGE (lease_expiring_details, LEASE_EXPIRING_DETAILS);

#define LEASE_END_DETAILS(F, T) \
    LEASE_DETAILS (F, T) \
    F (T, STR,   status,    "status",    NULLABLE, 32, "What it became.") \
    F (T, STR,   cleanup,   "cleanupStatus", NULLABLE, 16, "Whether its place is closed.") \
    F (T, STR,   failure,   "failureReason", NULLABLE, 512, "Why it failed.")
BERTH_MESSAGE (lease_end_details, LEASE_END_DETAILS);

#define RUN_DETAILS(F, T) \
    F (T, ID,    env,       "environmentId", NULLABLE, 36, "Where it runs.") \
    F (T, STR,   level,     "selectedBy", NULLABLE, 32, "Which level of the selection decided.") \
    F (T, ID,    lease,     "leaseId",   NULLABLE, 36, "Its lease.") \
    F (T, STR,   state,     "state",     NULLABLE, 32, "How far it is.") \
    F (T, STR,   error_code, "errorCode", NULLABLE, 64, "Why it failed.") \
    F (T, STR,   error,     "error",     NULLABLE, 512, "The sentence.")
BERTH_MESSAGE (run_details, RUN_DETAILS);

#define ACTIVITY_LIST(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Whose log.") \
    F (T, U64,   after,     "after",     OPTIONAL, 0, "Entries behind this companySeq (0).") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000, "Entries at most (50).") \
    F (T, STR,   run,       "runId",     OPTIONAL, 128, "Only those of this run.") \
    F (T, STR,   entity,    "entityId",  OPTIONAL, 128, "Only those of this entity.") \
    F (T, STR,   action,    "action",    OPTIONAL, 64, "Only this action, or all that begin with it if it ends with a dot.") \
    F (T, TIME,  since,     "since",     OPTIONAL, 0, "Only from this time on.") \
    F (T, TIME,  until,     "until",     OPTIONAL, 0, "Only before this time.")
BERTH_MESSAGE (activity_list, ACTIVITY_LIST);

#define ACTIVITY_PAGE(F, T) \
    F (T, LIST (activity), items, "items", REQUIRED, 1000, "Oldest first.") \
    F (T, U64,   next,      "next",      REQUIRED, 0, "`after` of the next page: the last companySeq that was looked at.") \
    F (T, U64,   head,      "head",      REQUIRED, 0, "The company's last companySeq.") \
    F (T, U64,   gap,       "gap",       OPTIONAL, 0, "Entries that were asked for and are below the retention floor.")
BERTH_MESSAGE (activity_page, ACTIVITY_PAGE);

#define ACTIVITY_VERIFY_ASK(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Whose log.") \
    F (T, U64,   after,     "after",     OPTIONAL, 0, "Entries behind this companySeq, which is taken as it is (0: from the first that is kept).") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 5000, "Entries at most (5,000).")
BERTH_MESSAGE (activity_verify_ask, ACTIVITY_VERIFY_ASK);

#define ACTIVITY_BROKEN(F, T) \
    F (T, U64,   company_seq, "companySeq", REQUIRED, 0, "The first entry that does not fit.") \
    F (T, U64,   seq,       "seq",       NULLABLE, 0, "Its number in the store; null: it is not there.") \
    F (T, STR,   why,       "why",       REQUIRED, 256, "One sentence.")
BERTH_MESSAGE (activity_broken, ACTIVITY_BROKEN);

#define ACTIVITY_VERIFIED(F, T) \
    F (T, BOOL,  ok,        "ok",        REQUIRED, 0, "Each of these entries fits its hash and the entry before it.") \
    F (T, U64,   verified,  "verified",  REQUIRED, 0, "Entries looked at.") \
    F (T, U64,   next,      "next",      REQUIRED, 0, "`after` of the next part.") \
    F (T, U64,   head,      "head",      REQUIRED, 0, "The company's last companySeq.") \
    F (T, U64,   floor,     "floor",     REQUIRED, 0, "Its first entry that is kept; 0: none.") \
    F (T, OBJ (activity_broken), broken, "broken", NULLABLE, 0, "What does not fit.")
BERTH_MESSAGE (activity_verified, ACTIVITY_VERIFIED);

#define ACTIVITY_HEAD(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Whose log.") \
    F (T, U64,   company_seq, "companySeq", REQUIRED, 0, "Its last entry; 0: none.") \
    F (T, U64,   floor,     "floor",     REQUIRED, 0, "Its first entry that is still kept; 0: none.") \
    F (T, BYTES, hash,      "hash",      REQUIRED, 32, "Hash of the last entry.")
BERTH_MESSAGE (activity_head, ACTIVITY_HEAD);

#endif
