//  secret.h - values that nobody reads back: company secrets, their versions, who may use them, and
//  who did (Paperclip: reference, 1.5 and 9). A value goes in, and out only into a place.

#ifndef BERTH_SECRET_H_INCLUDED
#define BERTH_SECRET_H_INCLUDED

#include "schema.h"


#define SECRET_STATUS(X, T) \
    X (T, ACTIVE,   "active") \
    X (T, DISABLED, "disabled") \
    X (T, ARCHIVED, "archived")
BERTH_ENUM (secret_status, SECRET_STATUS);

#define SECRET_VERSION_STATUS(X, T) \
    X (T, CURRENT,   "current") \
    X (T, PREVIOUS,  "previous") \
    X (T, DISABLED,  "disabled")
BERTH_ENUM (secret_version_status, SECRET_VERSION_STATUS);

#define SECRET_TARGET(X, T) \
    X (T, AGENT,       "agent") \
    X (T, PROJECT,     "project") \
    X (T, ENVIRONMENT, "environment") \
    X (T, ROUTINE,     "routine") \
    X (T, PLUGIN,      "plugin") \
    X (T, ISSUE,       "issue") \
    X (T, RUN,         "run") \
    X (T, SYSTEM,      "system")
BERTH_ENUM (secret_target, SECRET_TARGET);

//  ---- rows

#define COMPANY_SECRET(F, T) \
    F (T, ID,    id,        "id",        REQUIRED, 36, "The secret.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Who it belongs to.") \
    F (T, STR,   key,       "key",       REQUIRED, 120, "Its name for programs; one of a kind in the company.") \
    F (T, STR,   name,      "name",      REQUIRED, 160, "Its name for people; one of a kind in the company.") \
    F (T, STR,   provider,  "provider",  REQUIRED, 64, "Who keeps its value: local_encrypted.") \
    F (T, ENUM (secret_status), status, "status", REQUIRED, 0, "Only an active one is resolved.") \
    F (T, STR,   managed,   "managedMode", REQUIRED, 32, "paperclip_managed: its value is kept here.") \
    F (T, U64,   latest,    "latestVersion", REQUIRED, 0, "Its current version, from 1.") \
    F (T, STR,   description, "description", NULLABLE, 500, "What it is for.") \
    F (T, U64,   references, "referenceCount", OPTIONAL, 0, "Bindings that name it (of secret.get and secret.list).") \
    F (T, TIME,  resolved_at, "lastResolvedAt", NULLABLE, 0, "When its value was last used, to the minute.") \
    F (T, TIME,  rotated_at, "lastRotatedAt", NULLABLE, 0, "When it got its current version.") \
    F (T, STR,   agent,     "createdByAgentId", NULLABLE, 128, "Agent that made it.") \
    F (T, STR,   user,      "createdByUserId", NULLABLE, 128, "Principal or user that made it.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was made.") \
    F (T, TIME,  updated_at, "updatedAt", REQUIRED, 0, "When it was last changed.")
BERTH_MESSAGE (secret, COMPANY_SECRET);

//  Never on the wire: the sealed value is in it.
#define SECRET_VERSION(F, T) \
    F (T, ID,    secret,    "secretId",  REQUIRED, 36, "Of which secret.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Who it belongs to.") \
    F (T, U64,   version,   "version",   REQUIRED | POSITIVE, 0, "Its number.") \
    F (T, ENUM (secret_version_status), status, "status", REQUIRED, 0, "current, previous or disabled.") \
    F (T, BYTES, material,  "material",  REQUIRED, (BERTH_SECRET_VALUE_MAX + 64), "The sealed value: see store/vault.h.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was made.") \
    F (T, TIME,  revoked_at, "revokedAt", NULLABLE, 0, "Since when it is not the current one.")
BERTH_MESSAGE (secret_version, SECRET_VERSION);

//  The key that a company's values are sealed with, itself sealed with the master key.
#define COMPANY_KEY(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Whose.") \
    F (T, STR,   master,    "masterKeyId", REQUIRED, 32, "By which master key it is sealed.") \
    F (T, BYTES, wrapped,   "wrapped",   REQUIRED, 128, "The sealed key.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was made.") \
    F (T, TIME,  updated_at, "updatedAt", REQUIRED, 0, "When it was sealed.")
BERTH_MESSAGE (company_key, COMPANY_KEY);

#define SECRET_BINDING(F, T) \
    F (T, ID,    id,        "id",        REQUIRED, 36, "The binding.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Who it belongs to.") \
    F (T, ID,    secret,    "secretId",  REQUIRED, 36, "Which secret may be used.") \
    F (T, ENUM (secret_target), target_type, "targetType", REQUIRED, 0, "By what: environment, run, agent...") \
    F (T, STR,   target,    "targetId",  REQUIRED, 128, "By which one.") \
    F (T, STR,   path,      "configPath", REQUIRED, 200, "Where in it: privateKeySecretRef, env.NPM_TOKEN...") \
    F (T, STR,   selector,  "versionSelector", REQUIRED, 20, "latest, or the number of a version.") \
    F (T, BOOL,  required,  "required",  REQUIRED, 0, "Without it the target does not work.") \
    F (T, STR,   label,     "label",     NULLABLE, 160, "Shown to people.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was made.") \
    F (T, TIME,  updated_at, "updatedAt", REQUIRED, 0, "When it was last changed.")
BERTH_MESSAGE (secret_binding, SECRET_BINDING);

//  Never a value.
#define SECRET_EVENT(F, T) \
    F (T, ID,    id,        "id",        OPTIONAL, 36, "The entry.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Whose secret.") \
    F (T, ID,    secret,    "secretId",  REQUIRED, 36, "Which one was asked for.") \
    F (T, U64,   version,   "version",   NULLABLE, 0, "Which version was used.") \
    F (T, STR,   provider,  "provider",  REQUIRED, 64, "Who keeps it.") \
    F (T, STR,   actor_type, "actorType", OPTIONAL, 32, "agent, user or system.") \
    F (T, STR,   actor,     "actorId",   NULLABLE, 128, "On whose behalf.") \
    F (T, STR,   consumer_type, "consumerType", REQUIRED, 32, "What used it: environment, run or agent.") \
    F (T, STR,   consumer,  "consumerId", REQUIRED, 128, "Which one.") \
    F (T, STR,   path,      "configPath", NULLABLE, 200, "Where in it.") \
    F (T, STR,   issue,     "issueId",   NULLABLE, 128, "For which issue.") \
    F (T, STR,   run,       "heartbeatRunId", NULLABLE, 128, "For which run.") \
    F (T, STR,   outcome,   "outcome",   REQUIRED, 16, "success or failure.") \
    F (T, STR,   error,     "errorCode", NULLABLE, 120, "Why not.") \
    F (T, TIME,  created_at, "createdAt", OPTIONAL, 0, "When.")
BERTH_MESSAGE (secret_event, SECRET_EVENT);

//  ---- requests

#define SECRET_CREATE(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it will belong to.") \
    F (T, ID,    id,        "id",        OPTIONAL, 36, "An id of the caller's; default: a new one.") \
    F (T, STR,   name,      "name",      REQUIRED | POSITIVE, 160, "Its name for people.") \
    F (T, STR,   key,       "key",       OPTIONAL | POSITIVE, 120, "Its name for programs (made from the name: lower case, letters, digits and _ . -).") \
    F (T, BYTES, value,     "value",     REQUIRED | POSITIVE | SECRET, BERTH_SECRET_VALUE_MAX, "Its value; it is never shown again.") \
    F (T, STR,   provider,  "provider",  OPTIONAL | POSITIVE, 64, "local_encrypted, the default, is the only one.") \
    F (T, STR,   description, "description", NULLABLE, 500, "What it is for.")
BERTH_MESSAGE (secret_create, SECRET_CREATE);

#define SECRET_UPDATE(F, T) \
    F (T, ID,    id,        "secretId",  REQUIRED, 36, "The secret.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, STR,   name,      "name",      OPTIONAL | POSITIVE, 160, "New name.") \
    F (T, STR,   key,       "key",       OPTIONAL | POSITIVE, 120, "New name for programs.") \
    F (T, ENUM (secret_status), status, "status", OPTIONAL, 0, "active, disabled or archived.") \
    F (T, STR,   description, "description", NULLABLE, 500, "What it is for.")
BERTH_MESSAGE (secret_update, SECRET_UPDATE);

#define SECRET_ROTATE(F, T) \
    F (T, ID,    id,        "secretId",  REQUIRED, 36, "The secret; it must be active.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, BYTES, value,     "value",     REQUIRED | POSITIVE | SECRET, BERTH_SECRET_VALUE_MAX, "Its value from now on; versions before stay usable by their number.")
BERTH_MESSAGE (secret_rotate, SECRET_ROTATE);

#define SECRET_NAMED(F, T) \
    F (T, ID,    id,        "secretId",  REQUIRED, 36, "The secret.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.")
BERTH_MESSAGE (secret_named, SECRET_NAMED);

#define SECRET_DELETE(F, T) \
    SECRET_NAMED (F, T) \
    F (T, BOOL,  force,     "force",     OPTIONAL, 0, "Also where something is bound to it; the bindings go with it.")
BERTH_MESSAGE (secret_delete, SECRET_DELETE);

#define SECRET_LIST(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Whose secrets.") \
    F (T, ENUM (secret_status), status, "status", OPTIONAL, 0, "Only those.") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000, "Rows of a page (50).") \
    F (T, STR,   cursor,    "cursor",    NULLABLE, 256, "nextCursor of the page before.")
BERTH_MESSAGE (secret_list, SECRET_LIST);

#define SECRET_PAGE(F, T) \
    F (T, LIST (secret), items, "items", REQUIRED, 1000, "By key.") \
    F (T, STR,   next,      "nextCursor", NULLABLE, 256, "Null on the last page.")
BERTH_MESSAGE (secret_page, SECRET_PAGE);

#define SECRET_BIND(F, T) \
    F (T, ID,    id,        "secretId",  REQUIRED, 36, "The secret.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, ENUM (secret_target), target_type, "targetType", REQUIRED, 0, "Who may use it: environment, run, agent...") \
    F (T, STR,   target,    "targetId",  REQUIRED | POSITIVE, 128, "Which one.") \
    F (T, STR,   path,      "configPath", REQUIRED | POSITIVE, 200, "Where in it; of a variable of its execs: env.NAME.") \
    F (T, U64,   version,   "version",   OPTIONAL | POSITIVE, 0, "Only this version (the latest).") \
    F (T, BOOL,  required,  "required",  OPTIONAL, 0, "Without it the target does not work (true).") \
    F (T, STR,   label,     "label",     NULLABLE, 160, "Shown to people.") \
    F (T, BOOL,  replace,   "replace",   OPTIONAL, 0, "Also where another secret is bound there.")
BERTH_MESSAGE (secret_bind, SECRET_BIND);

#define SECRET_UNBIND(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Whose.") \
    F (T, ENUM (secret_target), target_type, "targetType", REQUIRED, 0, "Of what: environment, run, agent...") \
    F (T, STR,   target,    "targetId",  REQUIRED | POSITIVE, 128, "Which one.") \
    F (T, STR,   path,      "configPath", REQUIRED | POSITIVE, 200, "Where in it. What is not bound is fine.")
BERTH_MESSAGE (secret_unbind, SECRET_UNBIND);

#define SECRET_BOUND(F, T) \
    F (T, STR,   path,      "configPath", REQUIRED | POSITIVE, 200, "Where in the target.") \
    F (T, ID,    secret,    "secretId",  REQUIRED, 36, "Which secret.") \
    F (T, U64,   version,   "version",   OPTIONAL | POSITIVE, 0, "Only this version (the latest).")
BERTH_MESSAGE (secret_bound, SECRET_BOUND);

#define SECRET_SYNC(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Whose.") \
    F (T, ENUM (secret_target), target_type, "targetType", REQUIRED, 0, "Of what: environment, run, agent...") \
    F (T, STR,   target,    "targetId",  REQUIRED | POSITIVE, 128, "Which one.") \
    F (T, LIST (secret_bound), bindings, "bindings", REQUIRED, 200, "All that is bound there from now on.")
BERTH_MESSAGE (secret_sync, SECRET_SYNC);

#define SECRET_BINDINGS(F, T) \
    F (T, LIST (secret_binding), items, "items", REQUIRED, 1000, "By target and path.") \
    F (T, STR,   next,      "nextCursor", NULLABLE, 256, "Null on the last page.")
BERTH_MESSAGE (secret_bindings, SECRET_BINDINGS);

#define SECRET_SYNCED(F, T) \
    F (T, LIST (secret_binding), items, "items", REQUIRED, 200, "All that is bound there now, in the order of the request.")
BERTH_MESSAGE (secret_synced, SECRET_SYNCED);

#define SECRET_HISTORY(F, T) \
    F (T, ID,    id,        "secretId",  REQUIRED, 36, "The secret; one that was deleted has events still.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000, "Rows of a page (50).") \
    F (T, STR,   cursor,    "cursor",    NULLABLE, 256, "nextCursor of the page before.")
BERTH_MESSAGE (secret_history, SECRET_HISTORY);

#define SECRET_EVENTS(F, T) \
    F (T, LIST (secret_event), items, "items", REQUIRED, 1000, "Newest first.") \
    F (T, STR,   next,      "nextCursor", NULLABLE, 256, "Null on the last page.")
BERTH_MESSAGE (secret_events, SECRET_EVENTS);

#define SECRET_REKEYED(F, T) \
    F (T, STR,   master,    "masterKeyId", REQUIRED, 32, "The master key from now on.") \
    F (T, U64,   companies, "companies", REQUIRED, 0, "Companies whose keys are sealed by it now.")
BERTH_MESSAGE (secret_rekeyed, SECRET_REKEYED);

//  Of the log's entries about secrets.
#define SECRET_DETAILS(F, T) \
    F (T, STR,   key,       "key",       NULLABLE, 120, "Its name for programs.") \
    F (T, U64,   version,   "version",   NULLABLE, 0, "Its current version.") \
    F (T, STR,   status,    "status",    NULLABLE, 16, "Whether it can be used.") \
    F (T, STR,   target_type, "targetType", NULLABLE, 32, "Who may use it.") \
    F (T, STR,   target,    "targetId",  NULLABLE, 128, "Which one.") \
    F (T, STR,   path,      "configPath", NULLABLE, 200, "Where in it.")
BERTH_MESSAGE (secret_details, SECRET_DETAILS);

#endif
