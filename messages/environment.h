//  environment.h - where work may run (DESIGN sections 2 and 5; Paperclip: reference, 1.1, 2, 10).

#ifndef BERTH_ENVIRONMENT_H_INCLUDED
#define BERTH_ENVIRONMENT_H_INCLUDED

#include "schema.h"

#define ENVIRONMENT_DRIVER(X, T) \
    X (T, LOCAL,   "local") \
    X (T, SSH,     "ssh") \
    X (T, SANDBOX, "sandbox") \
    X (T, PLUGIN,  "plugin")
BERTH_ENUM (environment_driver, ENVIRONMENT_DRIVER);

#define ENVIRONMENT_STATUS(X, T) \
    X (T, ACTIVE,   "active") \
    X (T, ARCHIVED, "archived")
BERTH_ENUM (environment_status, ENVIRONMENT_STATUS);

#define LEASE_POLICY(X, T) \
    X (T, EPHEMERAL,           "ephemeral") \
    X (T, REUSE_BY_ENVIRONMENT, "reuse_by_environment") \
    X (T, REUSE_BY_WORKSPACE,  "reuse_by_execution_workspace") \
    X (T, RETAIN_ON_FAILURE,   "retain_on_failure")
BERTH_ENUM (lease_policy, LEASE_POLICY);

#define CONCURRENCY(X, T) \
    X (T, EXCLUSIVE, "exclusive") \
    X (T, SERIALIZE, "serialize") \
    X (T, ALLOW,     "allow")
BERTH_ENUM (concurrency, CONCURRENCY);

#define ENVIRONMENT_LIMITS(F, T) \
    F (T, U64,   memory_mb, "memoryMb",  OPTIONAL | POSITIVE, 1048576, "Memory of a place, MiB.") \
    F (T, U64,   pids,      "pids",      OPTIONAL | POSITIVE, 1000000, "Processes and threads of a place.") \
    F (T, U64,   cpu_seconds, "cpuSeconds", OPTIONAL | POSITIVE, 31536000, "CPU time of one process.") \
    F (T, U64,   file_mb,   "fileSizeMb", OPTIONAL | POSITIVE, 16777216, "Size of one file, MiB.") \
    F (T, U64,   disk_mb,   "diskMb",    OPTIONAL | POSITIVE, 16777216, "Disk of a place, MiB.")
BERTH_MESSAGE (environment_limits, ENVIRONMENT_LIMITS);

//  Berth's own settings of an environment, beside Paperclip's config.
#define ENVIRONMENT_POLICY(F, T) \
    F (T, ENUM (lease_policy), lease_policy, "leasePolicy", OPTIONAL, 0, "What happens to a place at release (default: ephemeral).") \
    F (T, ANY,   max_lease, "maxLeaseMs", OPTIONAL, 16, "Lifetime of a lease in ms, or \"none\" (24 h).") \
    F (T, U64,   idle_ms,   "idleMs",    OPTIONAL | POSITIVE, 31536000000, "A lease that is not used for so long expires (default: never).") \
    F (T, U64,   lost_after_ms, "lostAfterMs", OPTIONAL | POSITIVE, 31536000000, "A run that once sent a heartbeat is lost when it is silent for so long (300000).") \
    F (T, ENUM (concurrency), concurrency, "concurrency", OPTIONAL, 0, "Leases of one workspace at a time (exclusive).") \
    F (T, BOOL,  return_on_expiry, "returnOnExpiry", OPTIONAL, 0, "Bring the workspace home when a lease expires.") \
    F (T, OBJ (environment_limits), limits, "limits", OPTIONAL, 0, "Walls in numbers; the provider's config wins.") \
    F (T, ANY,   env,       "env",       OPTIONAL | OBJECT, 65536, "Environment of every exec: name to text.") \
    F (T, BLOBS, read_only, "readOnlyPaths", OPTIONAL, 64, "Host paths every place sees read-only (operator only).")
BERTH_MESSAGE (environment_policy, ENVIRONMENT_POLICY);

#define ENVIRONMENT(F, T) \
    F (T, ID,    id,        "id",        REQUIRED, 36, "The environment.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Who it belongs to.") \
    F (T, STR,   name,      "name",      REQUIRED, 256, "Shown to people; not unique.") \
    F (T, STR,   description, "description", NULLABLE, 4096, "Shown to people.") \
    F (T, ENUM (environment_driver), driver, "driver", REQUIRED, 0, "What runs the work.") \
    F (T, ENUM (environment_status), status, "status", REQUIRED, 0, "Archived ones give no leases.") \
    F (T, ANY,   config,    "config",    REQUIRED | OBJECT, 65536, "The driver's own settings.") \
    F (T, ANY,   metadata,  "metadata",  NULLABLE | OBJECT, 65536, "The caller's own data.") \
    F (T, OBJ (environment_policy), policy, "policy", NULLABLE, 0, "Berth's settings.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was made.") \
    F (T, TIME,  updated_at, "updatedAt", REQUIRED, 0, "When it was last changed.") \
    F (T, BOOL,  config_redacted, "configRedacted", OPTIONAL, 0, "config is {} because the peer may not read it.") \
    F (T, BOOL,  metadata_redacted, "metadataRedacted", OPTIONAL, 0, "metadata is null because the peer may not read it.") \
    F (T, TIME,  deleting_at, "deletingAt", OPTIONAL, 0, "Since when it is being deleted: its leases are given back first.") \
    F (T, BYTES, delete_scope, "deleteScope", OPTIONAL | PRIVATE, 64, "Whose retry that answers.")
BERTH_MESSAGE (environment, ENVIRONMENT);

#define ENVIRONMENT_CREATE(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who it will belong to.") \
    F (T, ID,    id,        "id",        OPTIONAL, 36, "An id of the caller's (migration); default: a new one.") \
    F (T, STR,   name,      "name",      REQUIRED | POSITIVE, 256, "Shown to people.") \
    F (T, STR,   description, "description", NULLABLE, 4096, "Shown to people.") \
    F (T, ENUM (environment_driver), driver, "driver", REQUIRED, 0, "What runs the work.") \
    F (T, ENUM (environment_status), status, "status", OPTIONAL, 0, "Default: active.") \
    F (T, ANY,   config,    "config",    OPTIONAL | OBJECT, 65536, "The driver's settings (default {}).") \
    F (T, ANY,   metadata,  "metadata",  NULLABLE | OBJECT, 65536, "The caller's own data.") \
    F (T, OBJ (environment_policy), policy, "policy", NULLABLE, 0, "Berth's settings.")
BERTH_MESSAGE (environment_create, ENVIRONMENT_CREATE);

#define ENVIRONMENT_UPDATE(F, T) \
    F (T, ID,    id,        "environmentId", REQUIRED, 36, "The environment.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, STR,   name,      "name",      OPTIONAL | POSITIVE, 256, "New name.") \
    F (T, STR,   description, "description", NULLABLE, 4096, "New description; null clears it.") \
    F (T, ENUM (environment_driver), driver, "driver", OPTIONAL, 0, "Another driver starts with the given config or {}.") \
    F (T, ENUM (environment_status), status, "status", OPTIONAL, 0, "New status.") \
    F (T, ANY,   config,    "config",    OPTIONAL | OBJECT, 65536, "Laid over the stored one: absent keys keep, null keys clear.") \
    F (T, ANY,   metadata,  "metadata",  NULLABLE | OBJECT, 65536, "Replaces the stored one; null clears it.") \
    F (T, OBJ (environment_policy), policy, "policy", NULLABLE, 0, "Replaces the stored one; null clears it.")
BERTH_MESSAGE (environment_update, ENVIRONMENT_UPDATE);

#define ENVIRONMENT_REF(F, T) \
    F (T, ID,    id,        "environmentId", REQUIRED, 36, "The environment.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.")
BERTH_MESSAGE (environment_ref, ENVIRONMENT_REF);

#define ENVIRONMENT_DELETE(F, T) \
    F (T, ID,    id,        "environmentId", REQUIRED, 36, "The environment.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, BOOL,  force,     "force",     OPTIONAL, 0, "Give back its live leases first, then delete it, without waiting until their places are closed.")
BERTH_MESSAGE (environment_delete, ENVIRONMENT_DELETE);

//  Of the step that gives back an environment's leases.
#define ENVIRONMENT_RELEASE(F, T) \
    F (T, ID,    id,        "environmentId", REQUIRED, 36, "The environment.") \
    F (T, STR,   cursor,    "behind",    OPTIONAL, 256, "Only those behind it.")
BERTH_MESSAGE (environment_release, ENVIRONMENT_RELEASE);

#define ENVIRONMENT_RELEASED(F, T) \
    F (T, U64,   count,     "count",     REQUIRED, 0, "Leases that were looked at.") \
    F (T, BOOL,  more,      "more",      REQUIRED, 0, "There are others: ask again.") \
    F (T, STR,   cursor,    "behind",    OPTIONAL, 256, "Behind which.")
BERTH_MESSAGE (environment_released, ENVIRONMENT_RELEASED);

#define ENVIRONMENT_LIST(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Whose environments.") \
    F (T, ENUM (environment_status), status, "status", OPTIONAL, 0, "Only those.") \
    F (T, ENUM (environment_driver), driver, "driver", OPTIONAL, 0, "Only those.") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000, "Rows of a page (50).") \
    F (T, STR,   cursor,    "cursor",    NULLABLE, 256, "nextCursor of the page before.")
BERTH_MESSAGE (environment_list, ENVIRONMENT_LIST);

#define ENVIRONMENT_PAGE(F, T) \
    F (T, LIST (environment), items, "items", REQUIRED, 1000, "By updatedAt, then createdAt, newest first.") \
    F (T, STR,   next,      "nextCursor", NULLABLE, 256, "Null on the last page.")
BERTH_MESSAGE (environment_page, ENVIRONMENT_PAGE);

#define COMPANY_REF(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "The company.")
BERTH_MESSAGE (company_ref, COMPANY_REF);

//  Paperclip's selection guard (reference, 2.6): may this environment be selected here?
#define ENVIRONMENT_CHECK(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who selects.") \
    F (T, ID,    id,        "environmentId", NULLABLE, 36, "What is selected; null and absent pass.") \
    F (T, STRS,  drivers,   "allowedDrivers", OPTIONAL, 16, "Drivers that may be selected (default: all).") \
    F (T, STRS,  providers, "allowedProviders", OPTIONAL, 64, "Sandbox providers that may be selected; empty: all.")
BERTH_MESSAGE (environment_check, ENVIRONMENT_CHECK);

#define ENVIRONMENT_CHECKED(F, T) \
    F (T, BOOL,  ok,        "ok",        REQUIRED, 0, "It may be selected.") \
    F (T, STR,   reason,    "reason",    NULLABLE, 512, "Why not.")
BERTH_MESSAGE (environment_checked, ENVIRONMENT_CHECKED);

#define ENVIRONMENT_PROBE_CONFIG(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who asks.") \
    F (T, ENUM (environment_driver), driver, "driver", REQUIRED, 0, "Driver to probe.") \
    F (T, STR,   name,      "name",      OPTIONAL, 256, "Not kept.") \
    F (T, STR,   description, "description", NULLABLE, 4096, "Not kept.") \
    F (T, ANY,   config,    "config",    OPTIONAL | OBJECT, 65536, "Its settings (default {}).") \
    F (T, ANY,   metadata,  "metadata",  NULLABLE | OBJECT, 65536, "Not kept.")
BERTH_MESSAGE (environment_probe_config, ENVIRONMENT_PROBE_CONFIG);

#define PROBE_RESULT(F, T) \
    F (T, BOOL,  ok,        "ok",        REQUIRED, 0, "Work can run there.") \
    F (T, STR,   driver,    "driver",    REQUIRED, 16, "What was probed.") \
    F (T, STR,   summary,   "summary",   REQUIRED, 1024, "One sentence.") \
    F (T, ANY,   details,   "details",   NULLABLE | OBJECT, 65536, "What was found.")
BERTH_MESSAGE (probe_result, PROBE_RESULT);

//  environment.test: can work really run there? (Paperclip: reference, section 8, "Test route".)
#define TEST_STATUS(X, T) \
    X (T, PASS, "pass") \
    X (T, WARN, "warn") \
    X (T, FAIL, "fail")
BERTH_ENUM (test_status, TEST_STATUS);

#define TEST_LEVEL(X, T) \
    X (T, INFO,  "info") \
    X (T, WARN,  "warn") \
    X (T, ERROR, "error")
BERTH_ENUM (test_level, TEST_LEVEL);

#define TEST_CHECK(F, T) \
    F (T, STR,   code,      "code",      REQUIRED, 64, "environment_lease_acquire_failed, environment_command_passed...") \
    F (T, ENUM (test_level), level, "level", REQUIRED, 0, "info, warn or error; the worst one is the status.") \
    F (T, STR,   message,   "message",   REQUIRED, 512, "One sentence.") \
    F (T, STR,   detail,    "detail",    NULLABLE, 1024, "What lies below; of a command: the end of its output.") \
    F (T, STR,   hint,      "hint",      NULLABLE, 512, "What can be done about it.")
BERTH_MESSAGE (test_check, TEST_CHECK);

#define ENVIRONMENT_TEST(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Who asks.") \
    F (T, ID,    id,        "environmentId", NULLABLE, 36, "The environment; null and absent: the company's own local one.") \
    F (T, STR,   adapter,   "adapterType", NULLABLE, 128, "The adapter that would run there (default: any).") \
    F (T, STRS,  commands,  "commands",  OPTIONAL, 32, "Shell texts; each is run and is a check of its own.") \
    F (T, BOOL,  hold,      "hold",      OPTIONAL, 0, "Unless the test fails, keep its place for environment.testEnd, at most 5 min.") \
    F (T, U64,   timeout_ms, "timeoutMs", OPTIONAL | POSITIVE, 300000, "For each command (60,000); all of them have 5 min.")
BERTH_MESSAGE (environment_test, ENVIRONMENT_TEST);

#define ENVIRONMENT_TESTED(F, T) \
    F (T, ID,    lease,     "leaseId",   NULLABLE, 36, "The lease that is held: environment.testEnd takes it.") \
    F (T, STR,   adapter,   "adapterType", NULLABLE, 128, "As asked.") \
    F (T, ENUM (test_status), status, "status", REQUIRED, 0, "pass; warn: it could not be tried; fail.") \
    F (T, LIST (test_check), checks, "checks", REQUIRED, 40, "What was found, in order; none: nothing to say.") \
    F (T, TIME,  tested_at, "testedAt",  REQUIRED, 0, "When it was known.") \
    F (T, ANY,   target,    "executionTarget", NULLABLE, 65536, "How to execute in what is held, as of lease.target.")
BERTH_MESSAGE (environment_tested, ENVIRONMENT_TESTED);

#define TEST_ENDING(X, T) \
    X (T, RELEASED, "released") \
    X (T, FAILED,   "failed")
BERTH_ENUM (test_ending, TEST_ENDING);

#define ENVIRONMENT_TEST_END(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease that environment.test holds.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, ENUM (test_ending), status, "status", OPTIONAL, 0, "released (default), or failed: what the caller found.")
BERTH_MESSAGE (environment_test_end, ENVIRONMENT_TEST_END);

//  Capabilities (reference, 2.5), the maps in Paperclip's shapes.
#define CAPABILITIES(F, T) \
    F (T, ANY,   adapters,  "adapters",  REQUIRED, 65536, "[{adapterType, drivers {..}, sandboxProviders {..}}]") \
    F (T, ANY,   drivers,   "drivers",   REQUIRED | OBJECT, 4096, "{driver: supported or unsupported}") \
    F (T, ANY,   providers, "sandboxProviders", REQUIRED | OBJECT, 262144, "{key: {status, supports..., displayName, source, configSchema}}")
BERTH_MESSAGE (capabilities, CAPABILITIES);

#endif
