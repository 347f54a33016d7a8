//  bus.h - headers of the wire, and what can be asked of the bus itself (DESIGN sections 4 and 5).

#ifndef BERTH_BUS_H_INCLUDED
#define BERTH_BUS_H_INCLUDED

#include "storage.h"

#define BEHALF(F, T) \
    F (T, STR,   type,      "type",      REQUIRED, 32, "agent, user or system.") \
    F (T, STR,   id,        "id",        REQUIRED, 128, "Who.") \
    F (T, STR,   agent,     "agentId",   NULLABLE, 128, "Which agent.") \
    F (T, STR,   run,       "runId",     NULLABLE, 128, "In which run.")
BERTH_MESSAGE (behalf, BEHALF);

#define REQUEST_HEADER(F, T) \
    F (T, U64,   v,         "v",         REQUIRED, 0, "1.") \
    F (T, ANY,   id,        "id",        REQUIRED, 66, "The client's, str or bin, up to 64 bytes; mirrored as it came.") \
    F (T, STR,   type,      "type",      REQUIRED, 64, "What is asked: lease.acquire.") \
    F (T, U64,   deadline_ms, "deadlineMs", OPTIONAL | POSITIVE, 86400000, "Time left for the answer.") \
    F (T, STR,   key,       "key",       OPTIONAL | POSITIVE, 128, "Idempotency key.") \
    F (T, U64,   credit,    "credit",    OPTIONAL, 1099511627776, "Bytes of stream the client can take; present: answer as a stream.") \
    F (T, OBJ (behalf), actor, "actor",  OPTIONAL, 0, "On whose behalf.") \
    F (T, STR,   trace,     "trace",     OPTIONAL, 128, "Kept in the log of the service.")
BERTH_MESSAGE (request_header, REQUEST_HEADER);

#define REPLY_STATUS(X, T) \
    X (T, OK,     "ok") \
    X (T, ERROR,  "error") \
    X (T, STREAM, "stream")
BERTH_ENUM (reply_status, REPLY_STATUS);

#define REPLY_HEADER(F, T) \
    F (T, U64,   v,         "v",         REQUIRED, 0, "1.") \
    F (T, ANY,   id,        "id",        REQUIRED, 66, "The request's; null if it had none that could be read.") \
    F (T, STR,   type,      "type",      REQUIRED, 64, "The request's.") \
    F (T, ENUM (reply_status), status, "status", REQUIRED, 0, "ok, error, or stream (more follows).")
BERTH_MESSAGE (reply_header, REPLY_HEADER);

#define ERROR_DETAILS(F, T) \
    F (T, STR,   field,     "field",     OPTIONAL, 128, "Path of the field that is wrong.") \
    F (T, STR,   env,       "environmentId", OPTIONAL, 64, "Environment concerned.") \
    F (T, STR,   driver,    "driver",    OPTIONAL, 32, "Its driver.") \
    F (T, STR,   provider,  "provider",  OPTIONAL, 128, "Its provider.") \
    F (T, STR,   lease,     "leaseId",   OPTIONAL, 64, "Lease concerned.") \
    F (T, STR,   cause,     "cause",     OPTIONAL, 512, "What lies below.") \
    F (T, I64,   provider_status, "providerStatus", OPTIONAL, 0, "The provider's own number.") \
    F (T, STR,   remedy,    "remedy",    OPTIONAL, 256, "What can be done about it.") \
    F (T, U64,   retry_after_ms, "retryAfterMs", OPTIONAL, 0, "Of `busy`: when to ask again.") \
    F (T, STR,   limit,     "limit",     OPTIONAL, 64, "Of `busy`: the limit that was reached.") \
    F (T, U64,   limit_value, "limitValue", OPTIONAL, 0, "Its value.")
BERTH_MESSAGE (error_details, ERROR_DETAILS);

#define ERROR_BODY(F, T) \
    F (T, STR,   code,      "code",      REQUIRED, 64, "From the table of errors.") \
    F (T, STR,   message,   "message",   REQUIRED, 512, "One sentence.") \
    F (T, BOOL,  retryable, "retryable", REQUIRED, 0, "The same request may succeed later.") \
    F (T, OBJ (error_details), details, "details", OPTIONAL, 0, "As far as known.")
BERTH_MESSAGE (error_body, ERROR_BODY);

typedef struct { uint64_t has, null; } nothing_t;
extern const berth_schema_t nothing_schema;

#define BUS_PONG(F, T) \
    F (T, ID,    instance,  "instance",  REQUIRED, 36, "This process; another after each start.") \
    F (T, ID,    install,   "install",   REQUIRED, 36, "This store; one that is restored from a backup gets another.") \
    F (T, STR,   version,   "version",   REQUIRED, 32, "Of berthd.") \
    F (T, TIME,  now,       "now",       REQUIRED, 0, "Its wall clock.")
BERTH_MESSAGE (bus_pong, BUS_PONG);

#define BUS_INFO(F, T) \
    F (T, ID,    instance,  "instance",  REQUIRED, 36, "This process.") \
    F (T, ID,    install,   "install",   REQUIRED, 36, "This store.") \
    F (T, STR,   version,   "version",   REQUIRED, 32, "Of berthd.") \
    F (T, U64,   protocol,  "protocol",  REQUIRED, 0, "Of the wire: 1.") \
    F (T, U64,   schema,    "storeSchema", REQUIRED, 0, "Of the store.") \
    F (T, I64,   pid,       "pid",       REQUIRED, 0, "Of berthd.") \
    F (T, TIME,  started_at, "startedAt", REQUIRED, 0, "When it started.") \
    F (T, BYTES, state,     "stateDirectory", REQUIRED, 4096, "Where its state is.") \
    F (T, BYTES, bus,       "bus",       REQUIRED, 512, "Endpoint of requests.") \
    F (T, BYTES, events,    "events",    REQUIRED, 512, "Endpoint of activity.") \
    F (T, BYTES, network_bus, "networkBus", OPTIONAL, 512, "Endpoint of requests over TCP.") \
    F (T, BYTES, network_events, "networkEvents", OPTIONAL, 512, "Endpoint of activity over TCP.") \
    F (T, STR,   server_key, "serverKey", OPTIONAL, 40, "Its public key, Z85: clients over TCP must know it.") \
    F (T, BOOL,  ephemeral, "ephemeral", REQUIRED, 0, "It ends with its owner.") \
    F (T, BOOL,  test_providers, "testProviders", REQUIRED, 0, "fake and fault may be used.") \
    F (T, TIME,  drained_since, "drainedSince", OPTIONAL, 0, "Since when no new lease is taken.") \
    F (T, STR,   drained_by, "drainedBy", OPTIONAL, 128, "Who said so.") \
    F (T, STR,   drained_reason, "drainedReason", OPTIONAL, 256, "Why.")
BERTH_MESSAGE (bus_info, BUS_INFO);

#define BUS_ACTOR(F, T) \
    F (T, STR,   name,      "name",      REQUIRED, 32, "The actor.") \
    F (T, U64,   requests,  "requests",  REQUIRED, 0, "Handled since the start.") \
    F (T, U64,   failures,  "failures",  REQUIRED, 0, "Of them answered with an error.") \
    F (T, U64,   batches,   "batches",   REQUIRED, 0, "Transactions committed.") \
    F (T, U64,   busy,      "busy",      REQUIRED, 0, "Refused because its inbox was full.") \
    F (T, U64,   serving_ms, "servingMs", REQUIRED, 0, "Time in the batch under way; 0: idle.") \
    F (T, U64,   waiting,   "waiting",   REQUIRED, 0, "Requests that wait for something to settle.")
BERTH_MESSAGE (bus_actor, BUS_ACTOR);

#define BUS_COUNT(F, T) \
    F (T, STR,   name,      "name",      REQUIRED, 64, "What is counted.") \
    F (T, U64,   count,     "count",     REQUIRED, 0, "How many.")
BERTH_MESSAGE (bus_count, BUS_COUNT);

#define BUS_PROVIDER(F, T) \
    F (T, STR,   name,      "name",      REQUIRED, 64, "The provider.") \
    F (T, STR,   state,     "state",     REQUIRED, 32, "ready, paused (no new lease is taken) or unavailable.") \
    F (T, U64,   calls,     "calls",     REQUIRED, 0, "Calls under way.") \
    F (T, U64,   failures,  "failures",  REQUIRED, 0, "Calls that failed since the start.") \
    F (T, U64,   hanging,   "hanging",   REQUIRED, 0, "Calls that do not come back although their time is over.") \
    F (T, TIME,  hanging_since, "hangingSince", NULLABLE, 0, "Since when there are such.") \
    F (T, STR,   last_error, "lastError", NULLABLE, 512, "The last failure.") \
    F (T, TIME,  last_error_at, "lastErrorAt", NULLABLE, 0, "When.")
BERTH_MESSAGE (bus_provider, BUS_PROVIDER);

#define BUS_COMPANY(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "The company.") \
    F (T, U64,   requests,  "requests",  REQUIRED, 0, "Asked since the start, refused ones too.") \
    F (T, U64,   leases,    "leases",    REQUIRED, 0, "Live leases.") \
    F (T, U64,   execs,     "execs",     REQUIRED, 0, "Live execs.") \
    F (T, U64,   spooled,   "spoolBytes", REQUIRED, 0, "Bytes of output kept, and of live execs.") \
    F (T, U64,   over_rate, "overRate",  REQUIRED, 0, "Refused: over requestsPerSecond.") \
    F (T, U64,   over_leases, "overLeases", REQUIRED, 0, "Refused: over the quota of leases.") \
    F (T, U64,   over_execs, "overExecs", REQUIRED, 0, "Refused: over the quota of execs.") \
    F (T, U64,   over_spool, "overSpool", REQUIRED, 0, "Refused: over the quota of spoolBytes.")
BERTH_MESSAGE (bus_company, BUS_COMPANY);

//  Something that does not move by itself: for `berth status`.
#define BUS_STUCK(F, T) \
    F (T, STR,   kind,      "kind",      REQUIRED, 32, "lease, place, run, exec, environment, provider or sweep.") \
    F (T, STR,   id,        "id",        REQUIRED, 512, "Which.") \
    F (T, STR,   state,     "state",     REQUIRED, 32, "In which state.") \
    F (T, TIME,  since,     "since",     REQUIRED, 0, "Since when.") \
    F (T, STR,   why,       "why",       REQUIRED, 2048, "One sentence.") \
    F (T, STR,   company,   "companyId", NULLABLE, 64, "Whose; null: of no company.") \
    F (T, STR,   provider,  "provider",  NULLABLE, 64, "At which provider, where it is about one.") \
    F (T, STR,   command,   "command",   NULLABLE, 512, "The one command that mends it, or shows why it cannot be.") \
    F (T, BOOL,  meant,     "meant",     OPTIONAL, 0, "Somebody wants it so: it is told, and is no trouble.")
BERTH_MESSAGE (bus_stuck, BUS_STUCK);

//  A lease that ends soon.
#define BUS_ENDING(F, T) \
    F (T, ID,    id,        "leaseId",   REQUIRED, 36, "Which.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Whose.") \
    F (T, TIME,  expires_at, "expiresAt", REQUIRED, 0, "When it ends by itself.") \
    F (T, U64,   left_ms,   "leftMs",    REQUIRED, 0, "So long from now, whatever the wall clock does.") \
    F (T, STR,   ends_by,   "endsBy",    NULLABLE, 32, "What ends it then.")
BERTH_MESSAGE (bus_ending, BUS_ENDING);

#define BUS_FAULT(F, T) \
    F (T, TIME,  at,        "at",        REQUIRED, 0, "When.") \
    F (T, STR,   actor,     "actor",     REQUIRED, 32, "Who met it.") \
    F (T, STR,   code,      "code",      REQUIRED, 64, "From the table of errors.") \
    F (T, STR,   message,   "message",   REQUIRED, 512, "The sentence.")
BERTH_MESSAGE (bus_fault, BUS_FAULT);

#define BUS_STATS(F, T) \
    F (T, TIME,  now,       "now",       REQUIRED, 0, "Wall clock of the service.") \
    F (T, U64,   uptime_ms, "uptimeMs",  REQUIRED, 0, "Since its start.") \
    F (T, BOOL,  healthy,   "healthy",   REQUIRED, 0, "Nothing is stuck, stalled or unavailable.") \
    F (T, U64,   store_used, "storeUsedBytes", REQUIRED, 0, "Bytes of pages in use.") \
    F (T, U64,   store_max, "storeMaxBytes", REQUIRED, 0, "Bytes it may grow to.") \
    F (T, U64,   disk_free, "diskFreeBytes", REQUIRED, 0, "Left on its disk.") \
    F (T, ENUM (storage_fill), store_fill, "storeFill", REQUIRED, 0, "roomy, tight (nothing new is taken) or shut.") \
    F (T, U64,   seq,       "seq",       REQUIRED, 0, "Last entry of the activity log.") \
    F (T, U64,   published, "published", REQUIRED, 0, "Last entry that was published.") \
    F (T, LIST (bus_count), leases, "leases", REQUIRED, 16, "By state.") \
    F (T, LIST (bus_count), execs, "execs", REQUIRED, 16, "By state.") \
    F (T, U64,   unanswered, "unanswered", REQUIRED, 0, "Requests of clients that wait for their answer; this one may be among them.") \
    F (T, LIST (bus_count), drops, "drops", REQUIRED, 32, "Messages dropped or refused, by reason.") \
    F (T, LIST (bus_company), companies, "companies", REQUIRED, 16, "Those that were refused most, then those that asked most.") \
    F (T, LIST (bus_actor), actors, "actors", REQUIRED, 32, "Each actor.") \
    F (T, LIST (bus_provider), providers, "providers", REQUIRED, 128, "Each provider.") \
    F (T, LIST (bus_stuck), stuck, "stuck", REQUIRED, 100, "What does not move.") \
    F (T, LIST (bus_ending), ending, "endingSoon", REQUIRED, 10, "Leases that end within five minutes.") \
    F (T, LIST (bus_fault), faults, "lastErrors", REQUIRED, 20, "The last failures, newest first.")
BERTH_MESSAGE (bus_stats, BUS_STATS);

#define BUS_SHUTDOWN(F, T) \
    F (T, BOOL,  release,   "release",   OPTIONAL, 0, "Close every place first (default: leave them for the next start).")
BERTH_MESSAGE (bus_shutdown, BUS_SHUTDOWN);

//  bus.describe: the protocol as data.
#define DESCRIBE_FIELD(F, T) \
    F (T, STR,   name,      "name",      REQUIRED, 64, "On the wire.") \
    F (T, STR,   kind,      "kind",      REQUIRED, 32, "bool, i64, u64, f64, str, id, bytes, time, enum, obj, list, any...") \
    F (T, STR,   presence,  "presence",  REQUIRED, 16, "required, optional or nullable.") \
    F (T, U64,   limit,     "limit",     OPTIONAL, 0, "Bytes, elements or the largest value, by kind.") \
    F (T, STRS,  values,    "values",    OPTIONAL, 64, "Of an enum.") \
    F (T, STR,   of,        "of",        OPTIONAL, 64, "Schema of an obj or of a list's elements.") \
    F (T, BOOL,  secret,    "secret",    OPTIONAL, 0, "Never printed.") \
    F (T, BOOL,  positive,  "positive",  OPTIONAL, 0, "Above 0, or not empty.") \
    F (T, STR,   doc,       "doc",       REQUIRED, 1024, "What it means.")
BERTH_MESSAGE (describe_field, DESCRIBE_FIELD);

#define DESCRIBE_SCHEMA(F, T) \
    F (T, STR,   name,      "name",      REQUIRED, 64, "Of the schema.") \
    F (T, STR,   doc,       "doc",       REQUIRED, 1024, "What it is.") \
    F (T, BOOL,  strict,    "strict",    REQUIRED, 0, "Unknown keys are refused.") \
    F (T, LIST (describe_field), fields, "fields", REQUIRED, 64, "In order.")
BERTH_MESSAGE (describe_schema, DESCRIBE_SCHEMA);

#define DESCRIBE_REQUEST(F, T) \
    F (T, STR,   type,      "type",      REQUIRED, 64, "On the wire.") \
    F (T, STR,   request,   "request",   REQUIRED, 64, "Schema of the body.") \
    F (T, STR,   reply,     "reply",     REQUIRED, 64, "Schema of the result.") \
    F (T, STRS,  roles,     "roles",     REQUIRED, 8, "Who may ask.") \
    F (T, BOOL,  writes,    "writes",    REQUIRED, 0, "It changes state.") \
    F (T, BOOL,  streams,   "streams",   REQUIRED, 0, "With credit, the answer is a stream.") \
    F (T, BOOL,  data,      "data",      REQUIRED, 0, "The request may carry bytes in frame 2.") \
    F (T, STR,   doc,       "doc",       REQUIRED, 1024, "What it does.")
BERTH_MESSAGE (describe_request, DESCRIBE_REQUEST);

#define DESCRIBE_ERROR(F, T) \
    F (T, STR,   code,      "code",      REQUIRED, 64, "On the wire.") \
    F (T, BOOL,  retryable, "retryable", REQUIRED, 0, "The same request may succeed later.") \
    F (T, U64,   exit,      "exit",      REQUIRED, 0, "Exit status of the command line.") \
    F (T, STR,   doc,       "doc",       REQUIRED, 1024, "What it means.")
BERTH_MESSAGE (describe_error, DESCRIBE_ERROR);

#define DESCRIBE_LIMIT(F, T) \
    F (T, STR,   name,      "name",      REQUIRED, 64, "Of the limit.") \
    F (T, U64,   value,     "value",     REQUIRED, 0, "Its value.") \
    F (T, STR,   doc,       "doc",       REQUIRED, 256, "What is bounded.")
BERTH_MESSAGE (describe_limit, DESCRIBE_LIMIT);

#define DESCRIBE_ACTION(F, T) \
    F (T, STR,   action,    "action",    REQUIRED, 64, "As it stands in the log.") \
    F (T, STR,   entity,    "entityType", REQUIRED, 64, "Of what.")
BERTH_MESSAGE (describe_action, DESCRIBE_ACTION);

#define BUS_DESCRIPTION(F, T) \
    F (T, U64,   protocol,  "protocol",  REQUIRED, 0, "Version of the wire.") \
    F (T, STRS,  roles,     "roles",     REQUIRED, 8, "All roles.") \
    F (T, LIST (describe_request), requests, "requests", REQUIRED, 256, "All requests.") \
    F (T, LIST (describe_schema), schemas, "schemas", REQUIRED, 256, "All schemas that they use.") \
    F (T, LIST (describe_error), errors, "errors", REQUIRED, 64, "All errors.") \
    F (T, LIST (describe_limit), limits, "limits", REQUIRED, 64, "All global limits.") \
    F (T, LIST (describe_action), actions, "actions", REQUIRED, 128, "All actions of the activity log.")
BERTH_MESSAGE (bus_description, BUS_DESCRIPTION);

//  The request of stream.credit and stream.cancel: the id is that of the streaming request.
#define STREAM_CREDIT(F, T) \
    F (T, ANY,   id,        "id",        REQUIRED, 66, "Id of the request that streams.") \
    F (T, U64,   bytes,     "bytes",     REQUIRED, 1099511627776, "More bytes the client can take; 0: still here.")
BERTH_MESSAGE (stream_credit, STREAM_CREDIT);

#define STREAM_CANCEL(F, T) \
    F (T, ANY,   id,        "id",        REQUIRED, 66, "Id of the request that streams.")
BERTH_MESSAGE (stream_cancel, STREAM_CANCEL);

#endif
