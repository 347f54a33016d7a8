//  place.h - what is said about providers and their places: provider.* on the bus, and the steps
//  that leases, realizer and proxies send each other (role INTERNAL).

#ifndef BERTH_PLACE_H_INCLUDED
#define BERTH_PLACE_H_INCLUDED

#include "bus.h"
#include "lease.h"
#include "workspace.h"

//  What a provider can do; one table for capabilities, checks and docs.
#define PROVIDER_CAPABILITIES(X) \
    X (ARGV,         "argv",         "takes a program and its arguments, not only a shell text") \
    X (ENV,          "env",          "takes an environment for each exec") \
    X (STDIN_EOF,    "stdinEof",     "stdin can end") \
    X (SPLIT_STREAMS, "splitStreams", "stdout and stderr stay apart") \
    X (SIGNALS,      "signals",      "any signal reaches the process group") \
    X (PTY,          "pty",          "execs can have a terminal") \
    X (RESUME,       "resume",       "a place can be taken up again") \
    X (LIST,         "list",         "its places can be listed by install") \
    X (SYNC_IN,      "syncIn",       "files are put into its places") \
    X (SYNC_OUT,     "syncOut",      "files are fetched from its places") \
    X (LIMITS,       "limits",       "memory, processes and time can be bounded") \
    X (NETWORK,      "network",      "the network can be taken away") \
    X (SNAPSHOT,     "snapshot",     "a place can be saved as a template") \
    X (WALLS,        "walls",        "what runs there is kept from the host") \
    X (EXECUTE,      "execute",      "commands can run in its places") \
    X (REUSE,        "reuse",        "a place can serve one lease after another")

#define PROVIDER_BIT_(name, text, doc) PROVIDER_BIT_##name,
enum { PROVIDER_CAPABILITIES (PROVIDER_BIT_) PROVIDER_BITS };
#define PROVIDER_CAN_(name, text, doc) PROVIDER_CAN_##name = 1u << PROVIDER_BIT_##name,
enum { PROVIDER_CAPABILITIES (PROVIDER_CAN_) };

#define PROVIDER_INFO(F, T) \
    F (T, STR,   name,      "name",      REQUIRED, 64, "Provider key.") \
    F (T, STR,   doc,       "description", REQUIRED, 512, "What it is.") \
    F (T, STR,   source,    "source",    REQUIRED, 16, "builtin or plugin.") \
    F (T, STR,   status,    "status",    REQUIRED, 16, "ready, paused (no new lease is taken), unavailable or unsupported (for tests only).") \
    F (T, STRS,  can,       "capabilities", REQUIRED, 32, "From the table of capabilities.") \
    F (T, U64,   concurrency, "concurrency", REQUIRED, 0, "Calls it takes at once.") \
    F (T, U64,   calls,     "calls",     OPTIONAL, 0, "Calls under way, where known.") \
    F (T, TIME,  held_since, "heldSince", OPTIONAL, 0, "Since when no new lease is taken.") \
    F (T, STR,   held_reason, "heldReason", OPTIONAL, 256, "Why.") \
    F (T, LIST (describe_field), config, "config", REQUIRED, 64, "Fields of its config.")
BERTH_MESSAGE (provider_info, PROVIDER_INFO);

#define PROVIDER_PAGE(F, T) \
    F (T, LIST (provider_info), items, "items", REQUIRED, 128, "By name.")
BERTH_MESSAGE (provider_page, PROVIDER_PAGE);

#define PROVIDER_REF(F, T) \
    F (T, STR,   name,      "provider",  REQUIRED | POSITIVE, 64, "Provider key.")
BERTH_MESSAGE (provider_ref, PROVIDER_REF);

#define PROVIDER_CONFIG(F, T) \
    F (T, STR,   name,      "provider",  REQUIRED | POSITIVE, 64, "Provider key.") \
    F (T, ANY,   config,    "config",    OPTIONAL | OBJECT, 65536, "Its settings (default {}).")
BERTH_MESSAGE (provider_config, PROVIDER_CONFIG);

#define PROVIDER_VALID(F, T) \
    F (T, BOOL,  ok,        "ok",        REQUIRED, 0, "The config may be used.") \
    F (T, STRS,  errors,    "errors",    REQUIRED, 64, "Why not; the first is what people read.") \
    F (T, STRS,  warnings,  "warnings",  REQUIRED, 64, "What to think about.") \
    F (T, ANY,   config,    "normalizedConfig", NULLABLE | OBJECT, 65536, "As it would be kept.")
BERTH_MESSAGE (provider_valid, PROVIDER_VALID);

//  A lease as Paperclip writes it, as far as these rules look at it.
#define REUSE_LEASE(F, T) \
    F (T, STR,   id,        "id",        OPTIONAL, 128, "Named in the answer.") \
    F (T, STR,   policy,    "leasePolicy", NULLABLE, 32, "If given, only the two that reuse fit.") \
    F (T, STR,   run,       "heartbeatRunId", NULLABLE, 128, "Given as null: it has no run.") \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 512, "The provider's name of the place.") \
    F (T, ANY,   metadata,  "metadata",  NULLABLE | OBJECT, 262144, "Of the lease.")
BERTH_MESSAGE (reuse_lease, REUSE_LEASE);

#define REUSE_ASK(F, T) \
    F (T, STR,   name,      "provider",  OPTIONAL | POSITIVE, 64, "Provider key (default: config.provider, else fake).") \
    F (T, ANY,   config,    "config",    REQUIRED | OBJECT, 65536, "Of the environment.") \
    F (T, LIST (reuse_lease), leases, "leases", REQUIRED, 1000, "Last used first.")
BERTH_MESSAGE (reuse_ask, REUSE_ASK);

#define REUSE_REFUSAL(F, T) \
    F (T, U64,   index,     "index",     REQUIRED, 0, "Which of the leases, from 0.") \
    F (T, STR,   id,        "id",        NULLABLE, 128, "Its id, if it was given.") \
    F (T, STR,   reason,    "reason",    REQUIRED, 256, "Why its place is not the one.")
BERTH_MESSAGE (reuse_refusal, REUSE_REFUSAL);

#define REUSE_ANSWER(F, T) \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 512, "The place that would be reused; null: none.") \
    F (T, STR,   id,        "id",        NULLABLE, 128, "Of its lease, if it was given.") \
    F (T, LIST (reuse_refusal), others, "others", REQUIRED, 1000, "Why not, for each other one.")
BERTH_MESSAGE (reuse_answer, REUSE_ANSWER);

#define LEASE_CONFIG_ASK(F, T) \
    F (T, STR,   name,      "provider",  OPTIONAL | POSITIVE, 64, "Provider key (default: metadata.provider).") \
    F (T, ANY,   metadata,  "metadata",  REQUIRED | OBJECT, 262144, "Of the lease.") \
    F (T, BOOL,  loose,     "loose",     OPTIONAL, 0, "All of the metadata but the host's own keys; else only what is a config of that provider (false).")
BERTH_MESSAGE (lease_config_ask, LEASE_CONFIG_ASK);

#define LEASE_CONFIG(F, T) \
    F (T, ANY,   config,    "config",    NULLABLE | OBJECT, 262144, "Null: the metadata holds none of that provider.")
BERTH_MESSAGE (lease_config, LEASE_CONFIG);

//  ---- steps, never on the wire

//  Open a place for a lease that is pending; the answer is a place_opened.
#define PLACE_OPEN(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease; the key: asked twice, it is the same place.") \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Label.") \
    F (T, ID,    env,       "environmentId", REQUIRED, 36, "Label.") \
    F (T, STR,   run,       "heartbeatRunId", NULLABLE, 128, "Label.") \
    F (T, STR,   issue,     "issueId",   NULLABLE, 128, "Label.") \
    F (T, U64,   generation, "generation", REQUIRED, 0, "Of the lease.") \
    F (T, ANY,   config,    "config",    REQUIRED | OBJECT, 65536, "Of the environment, without host keys.") \
    F (T, OBJ (environment_policy), policy, "policy", OPTIONAL, 0, "Of the environment.") \
    F (T, BYTES, cwd,       "requestedCwd", OPTIONAL, 4096, "Folder the caller would like.") \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 512, "Of place.resume: the place that is taken up again.")
BERTH_MESSAGE (place_open, PLACE_OPEN);

#define PLACE_OPENED(F, T) \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 512, "The provider's name of the place.") \
    F (T, ANY,   metadata,  "metadata",  OPTIONAL | OBJECT, 65536, "remoteCwd, shellCommand, walls...") \
    F (T, TIME,  expires_at, "expiresAt", NULLABLE, 0, "If the provider ends it by itself.") \
    F (T, BYTES, shim,      "shimSocket", OPTIONAL, 107, "Where its shim listens.") \
    F (T, BYTES, folder,    "placeFolder", OPTIONAL, 4096, "Its folder on this host.")
BERTH_MESSAGE (place_opened, PLACE_OPENED);

//  Close a place; the answer is empty. What is gone is closed.
#define PLACE_CLOSE(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "Whose turn the call takes.") \
    F (T, ID,    env,       "environmentId", OPTIONAL, 36, "Whose secrets its config names.") \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 512, "The provider's name of the place.") \
    F (T, ANY,   config,    "config",    OPTIONAL | OBJECT, 65536, "Of the environment at acquire.") \
    F (T, ANY,   metadata,  "metadata",  OPTIONAL | OBJECT, 262144, "Of the lease.") \
    F (T, STR,   status,    "status",    REQUIRED, 16, "released, expired or failed.") \
    F (T, BOOL,  destroy,   "destroy",   OPTIONAL, 0, "Also what could be used again.") \
    F (T, BOOL,  keep_files, "keepFiles", OPTIONAL, 0, "End the processes, keep the files (retained).") \
    F (T, U64,   grace_ms,  "graceMs",   OPTIONAL, 0, "For what runs there to end by itself, behind a TERM (the provider's own).")
BERTH_MESSAGE (place_close, PLACE_CLOSE);

//  Put files into a place; the answer is a place_realized.
#define PLACE_REALIZE(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "Whose turn the call takes.") \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 512, "The provider's name of the place.") \
    F (T, ANY,   metadata,  "metadata",  OPTIONAL | OBJECT, 262144, "Of the lease.") \
    F (T, BYTES, source,    "source",    REQUIRED, 4096, "Folder on the host.") \
    F (T, STRS,  excludes,  "excludes",  OPTIONAL, 256, "What stays behind.") \
    F (T, BOOL,  no_links,  "noLinks",   OPTIONAL, 0, "No part of its path may be a link.")
BERTH_MESSAGE (place_realize, PLACE_REALIZE);

#define PLACE_REALIZED(F, T) \
    F (T, BYTES, cwd,       "cwd",       REQUIRED, 4096, "The workspace as seen inside.") \
    F (T, ANY,   metadata,  "metadata",  OPTIONAL | OBJECT, 65536, "The provider's own.") \
    F (T, STR,   how,       "how",       OPTIONAL, 32, "What was chosen: copy, stream, bundle, overlay...") \
    F (T, U64,   files,     "files",     REQUIRED, 0, "Files that went.") \
    F (T, U64,   bytes,     "bytes",     REQUIRED, 0, "Bytes that went.") \
    F (T, U64,   saved_files, "savedFiles", OPTIONAL, 0, "Files among them that were there already.") \
    F (T, U64,   saved_bytes, "savedBytes", OPTIONAL, 0, "Bytes that did not have to go.") \
    F (T, U64,   refused,   "refused",   REQUIRED, 0, "Entries that stayed behind (devices, sockets...).") \
    F (T, U64,   ms,        "ms",        REQUIRED, 0, "Time it took.")
BERTH_MESSAGE (place_realized, PLACE_REALIZED);

//  Bring files home; the answer is a workspace_returned.
#define PLACE_RETURN(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "Whose turn the call takes.") \
    F (T, ID,    env,       "environmentId", OPTIONAL, 36, "Whose secrets its config names.") \
    F (T, ANY,   config,    "config",    OPTIONAL | OBJECT, 65536, "Of the environment at acquire.") \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 512, "The provider's name of the place.") \
    F (T, ANY,   metadata,  "metadata",  OPTIONAL | OBJECT, 262144, "Of the lease.") \
    F (T, BYTES, target,    "target",    REQUIRED, 4096, "Folder on the host.") \
    F (T, BOOL,  dry,       "dry",       OPTIONAL, 0, "Only say what would come.") \
    F (T, BOOL,  unified,   "unified",   OPTIONAL, 0, "With dry: as a unified diff, too.") \
    F (T, BOOL,  no_links,  "noLinks",   OPTIONAL, 0, "No part of its path may be a link.")
BERTH_MESSAGE (place_return, PLACE_RETURN);

//  Probe a provider with a config; the answer is a probe_result.
#define PLACE_PROBE(F, T) \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "Whose turn the call takes.") \
    F (T, ID,    env,       "environmentId", OPTIONAL, 36, "Whose secrets it may use; absent: of an unsaved config, which has its own.") \
    F (T, STR,   driver,    "driver",    REQUIRED, 16, "Driver.") \
    F (T, ANY,   config,    "config",    REQUIRED | OBJECT, 65536, "Settings.")
BERTH_MESSAGE (place_probe, PLACE_PROBE);

//  The answer to any internal request, at the actor that sent it.
#define STEP_DONE(F, T) \
    F (T, STR,   subject,   "subject",   REQUIRED, 200, "Key of the row the step belongs to.") \
    F (T, STR,   step,      "step",      REQUIRED, 32, "Which step of it.") \
    F (T, BOOL,  ok,        "ok",        REQUIRED, 0, "It was done.") \
    F (T, ANY,   result,    "result",    OPTIONAL, 1048576, "Its reply, packed.") \
    F (T, ANY,   error,     "error",     OPTIONAL, 16384, "Why not: an error_body, packed.")
BERTH_MESSAGE (step_done, STEP_DONE);

//  How far a step is; as often as every 100 ms; may get lost.
#define STEP_PROGRESS(F, T) \
    F (T, STR,   subject,   "subject",   REQUIRED, 200, "Key of the row the step belongs to.") \
    F (T, OBJ (workspace_progress), progress, "progress", OPTIONAL, 0, "Of files, so far.") \
    F (T, OBJ (lease_waiting), waiting, "waiting", OPTIONAL, 0, "Of a lease, so far.")
BERTH_MESSAGE (step_progress, STEP_PROGRESS);

//  An exec needs its lease's place: open it if the driver opens nothing at acquire.
#define LEASE_PLACE(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.")
BERTH_MESSAGE (lease_place, LEASE_PLACE);

//  The realizer's changes of a lease, which only `leases` writes: row, entry, and what a client's key
//  remembers of it, in one transaction.
#define LEASE_REALIZED(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, ANY,   record,    "workspaceRealization", OPTIONAL | OBJECT, 131072, "For its metadata.") \
    F (T, BYTES, source,    "source",    OPTIONAL, 4096, "Where the files came from.") \
    F (T, BOOL,  no_links,  "noLinks",   OPTIONAL, 0, "No part of that path may be a link.") \
    F (T, STR,   return_mode, "return",  OPTIONAL, 16, "none or required.") \
    F (T, BOOL,  returned,  "returned",  OPTIONAL, 0, "The files came home.") \
    F (T, ID,    realization, "realizationId", OPTIONAL, 36, "Of the record: the same one is kept once.") \
    F (T, ANY,   details,   "details",   OPTIONAL | OBJECT, 65536, "Of the entry.") \
    F (T, BYTES, scope,     "scope",     OPTIONAL, 64, "Of the key of the client who waits for it.") \
    F (T, ANY,   reply,     "reply",     OPTIONAL, 16384, "What that client is answered.")
BERTH_MESSAGE (lease_realized, LEASE_REALIZED);

//  The runs' order to the realizer; the answer is a lease row.
#define WORKSPACE_REALIZE(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "The lease.") \
    F (T, ANY,   request,   "request",   REQUIRED | OBJECT, 131072, "The realization request, version 1.") \
    F (T, BYTES, source,    "source",    REQUIRED, 4096, "Folder on the host.") \
    F (T, STR,   return_mode, "return",  OPTIONAL, 16, "none or required.") \
    F (T, STRS,  excludes,  "excludes",  OPTIONAL, 256, "What stays behind.") \
    F (T, STR,   provision, "provisionCommand", OPTIONAL, 16384, "Runs in the place afterwards, bash -lc, 300 s.") \
    F (T, ID,    workspace, "executionWorkspaceId", OPTIONAL, 36, "The persisted workspace that keeps request and record.") \
    F (T, U64,   timeout_ms, "timeoutMs", OPTIONAL, 0, "Of copying.") \
    F (T, ID,    realization, "realizationId", OPTIONAL, 36, "Asked again after a restart, it is the same one.") \
    F (T, BOOL,  no_links,  "noLinks",   OPTIONAL, 0, "No part of its path may be a link.")
BERTH_MESSAGE (workspace_realize, WORKSPACE_REALIZE);

#endif
