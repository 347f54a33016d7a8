//  requests.h - THE table: every request, who may send it, who answers it, and with what.
//
//  Adding a request is one row here and one handler in its actor. What has no row is answered
//  `unsupported`. Requests of role INTERNAL are steps between actors: the front door refuses them
//  and bus.describe leaves them out.

#ifndef BERTH_REQUESTS_H_INCLUDED
#define BERTH_REQUESTS_H_INCLUDED

#include "activity.h"
#include "bus.h"
#include "environment.h"
#include "exec.h"
#include "hold.h"
#include "key.h"
#include "lease.h"
#include "place.h"
#include "removal.h"
#include "run.h"
#include "sweep.h"
#include "secret.h"
#include "workspace.h"

//  Roles of a principal; a row names those that may ask.
#define ROLES(X) \
    X (OPERATOR, "operator", "everything") \
    X (PLATFORM, "platform", "runs work for its companies") \
    X (OBSERVER, "observer", "reads, without configuration") \
    X (PROVIDER, "provider", "offers places") \
    X (INTERNAL, "internal", "the actors themselves")
#define ROLE_BIT_(name, text, doc) ROLE_BIT_##name,
enum { ROLES (ROLE_BIT_) ROLE_BITS };
#define ROLE_VALUE_(name, text, doc) ROLE_##name = 1u << ROLE_BIT_##name,
enum { ROLES (ROLE_VALUE_) };
#define ROLE_ALL_ (ROLE_OPERATOR | ROLE_PLATFORM | ROLE_OBSERVER)
#define ROLE_WORK_ (ROLE_OPERATOR | ROLE_PLATFORM)

//  Actors, each with its two inboxes. PROXY is one actor for each provider.
#define ACTORS(X) \
    X (FRONT,     "front") \
    X (BUS,       "bus") \
    X (READER,    "reader") \
    X (REGISTRY,  "registry") \
    X (LEASES,    "leases") \
    X (RUNS,      "runs") \
    X (REALIZER,  "realizer") \
    X (EXECS,     "execs") \
    X (PROXY,     "proxy") \
    X (PUBLISHER, "publisher") \
    X (KEYS,      "keys") \
    X (STORE,     "store") \
    X (SECRETS,   "secrets")
#define ACTOR_CODE_(name, text) ACTOR_##name,
typedef enum { ACTORS (ACTOR_CODE_) ACTOR_COUNT } actor_code_t;
const char *actor_text (actor_code_t actor);

enum {
    MODE_READ   = 1,        //  On a snapshot
    MODE_WRITE  = 2,        //  In the batch's transaction
    MODE_STREAM = 4,        //  With credit the answer is a stream
    MODE_DATA   = 8,        //  The request may carry frame 2
    MODE_SHARED = 16        //  About no company, and answered to everybody
};

//  A request is about the company of its field companyId, or of the row that a REQUIRED id names.
//  What has neither is about all companies, and refused to principals that have only some, unless
//  it is SHARED.

#define REQUESTS(X) \
/*     name                  on the wire                request              reply              actor     roles  mode  what it does */ \
    X (ENVIRONMENT_CREATE,   "environment.create",      environment_create,  environment,       REGISTRY, WORK_, WRITE, "Make an environment.") \
    X (ENVIRONMENT_VALIDATE, "environment.validate",    environment_create,  environment,       REGISTRY, WORK_, READ,  "Answer what environment.create would, and save nothing.") \
    X (ENVIRONMENT_LIST,     "environment.list",        environment_list,    environment_page,  READER,   ALL_,  READ,  "List environments, newest change first.") \
    X (ENVIRONMENT_GET,      "environment.get",         environment_ref,     environment,       READER,   ALL_,  READ,  "Show one environment.") \
    X (ENVIRONMENT_UPDATE,   "environment.update",      environment_update,  environment,       REGISTRY, WORK_, WRITE, "Change an environment; another driver resets its config.") \
    X (ENVIRONMENT_DELETE,   "environment.delete",      environment_delete,  environment,       REGISTRY, WORK_, WRITE, "Delete an environment that has no unsettled lease, or with force release them first; answers the removed row.") \
    X (ENVIRONMENT_ENSURE_LOCAL, "environment.ensureLocal", company_ref,     environment,       REGISTRY, WORK_, WRITE, "The company's one local environment, made if it is missing.") \
    X (ENVIRONMENT_CAPABILITIES, "environment.capabilities", company_ref,    capabilities,      REGISTRY, ALL_,  READ,  "What drivers, providers and adapters can do.") \
    X (ENVIRONMENT_CHECK,    "environment.checkSelection", environment_check, environment_checked, REGISTRY, ALL_, READ, "May this environment be selected here?") \
    X (ENVIRONMENT_PROBE,    "environment.probe",       environment_ref,     probe_result,      REGISTRY, WORK_, WRITE, "Try whether work can run there.") \
    X (ENVIRONMENT_PROBE_CONFIG, "environment.probeConfig", environment_probe_config, probe_result, REGISTRY, WORK_, WRITE, "Try a config that is not saved.") \
    X (ENVIRONMENT_TEST,     "environment.test",        environment_test,    environment_tested, RUNS,    WORK_, WRITE, "Lease a place there, run commands as checks, and give it back.") \
    X (ENVIRONMENT_TEST_END, "environment.testEnd",     environment_test_end, lease,            RUNS,     WORK_, WRITE, "Give back the place that a test holds.") \
    X (PROVIDER_LIST,        "provider.list",           nothing,             provider_page,     REGISTRY, ALL_,  READ | MODE_SHARED, "List providers.") \
    X (PROVIDER_GET,         "provider.get",            provider_ref,        provider_info,     REGISTRY, ALL_,  READ | MODE_SHARED, "Show one provider.") \
    X (PROVIDER_PROBE,       "provider.probe",          provider_config,     probe_result,      REGISTRY, WORK_, READ | MODE_SHARED, "Try whether a provider works here.") \
    X (PROVIDER_VALIDATE,    "provider.validateConfig", provider_config,     provider_valid,    REGISTRY, WORK_, READ | MODE_SHARED, "Would a provider take this config?") \
    X (PROVIDER_REUSE_MATCH, "provider.reuseMatch",     reuse_ask,           reuse_answer,      REGISTRY, WORK_, READ | MODE_SHARED, "Which of these leases' places would be reused for a config, and why no other? A rule without a call.") \
    X (PROVIDER_CONFIG_FROM_LEASE, "provider.configFromLease", lease_config_ask, lease_config,  REGISTRY, WORK_, READ | MODE_SHARED, "A provider's config out of a lease's metadata, strict or loose. A rule without a call.") \
    X (PROVIDER_PAUSE,       "provider.pause",          provider_pause,      hold,              LEASES,   OPERATOR, WRITE, "Take no new lease of a provider; what runs there goes on. It stays so over a restart.") \
    X (PROVIDER_UNPAUSE,     "provider.unpause",        provider_pause,      hold,              LEASES,   OPERATOR, WRITE, "Take leases of a provider again.") \
    X (PROVIDER_SWEEP,       "provider.sweep",          provider_sweep,      sweep,             LEASES,   OPERATOR, WRITE, "Look now for places that no lease wants, and for leases whose place is gone; answers when it was looked.") \
    X (WORKSPACE_CREATE,     "workspace.create",        workspace_create,    workspace,         REALIZER, WORK_, WRITE, "Make the record of an execution workspace.") \
    X (WORKSPACE_GET,        "workspace.get",           workspace_ref,       workspace,         READER,   ALL_,  READ,  "Show one workspace.") \
    X (WORKSPACE_LIST,       "workspace.list",          workspace_list,      workspace_page,    READER,   ALL_,  READ,  "List workspaces, last used first.") \
    X (WORKSPACE_UPDATE,     "workspace.update",        workspace_update,    workspace,         REALIZER, WORK_, WRITE, "Change a workspace; config keys that are absent stay.") \
    X (WORKSPACE_RETURN,     "workspace.return",        workspace_return,    workspace_returned, REALIZER, WORK_, WRITE | MODE_STREAM, "Merge the files of a place home; with credit, progress on the way.") \
    X (WORKSPACE_DIFF,       "workspace.diff",          workspace_diff,      workspace_returned, REALIZER, WORK_, READ | MODE_STREAM, "Say what workspace.return would bring, path by path or as a unified diff; nothing is written.") \
    X (WORKSPACE_DISCARD,    "workspace.discard",       workspace_discard,   lease,             LEASES,   WORK_, WRITE, "Give up what was not returned; a place that was kept for it is closed.") \
    X (LEASE_ACQUIRE,        "lease.acquire",           lease_acquire,       lease,             LEASES,   WORK_, WRITE | MODE_STREAM, "Take a lease on an environment; with credit, its place in the queue on the way.") \
    X (LEASE_GET,            "lease.get",               lease_ref,           lease,             READER,   ALL_,  READ,  "Show one lease.") \
    X (LEASE_LIST,           "lease.list",              lease_list,          lease_page,        READER,   ALL_,  READ,  "List leases, last used first; of one run, oldest first.") \
    X (LEASE_RENEW,          "lease.renew",             lease_renew,         lease_renewed,     LEASES,   WORK_, WRITE, "Put off the end of a lease; says what was granted.") \
    X (LEASE_RELEASE,        "lease.release",           lease_release,       lease,             LEASES,   WORK_, WRITE, "Give a lease back; its place is closed.") \
    X (LEASE_RELEASE_FOR_RUN, "lease.releaseForRun",    release_for_run,     run_released,      LEASES,   WORK_, WRITE, "Give back every lease of a run.") \
    X (LEASE_RESUME,         "lease.resume",            lease_resume,        lease,             LEASES,   WORK_, WRITE, "Take the place of a lease up again; one that is lost is replaced, under a new generation.") \
    X (LEASE_DESTROY,        "lease.destroy",           lease_destroy,       lease,             LEASES,   WORK_, WRITE, "End a lease as failed, with all that its place holds, also what would be kept.") \
    X (LEASE_ADOPT,          "lease.adopt",             lease_adopt,         lease,             LEASES,   OPERATOR, WRITE, "Take a lease on a place that its provider has already.") \
    X (LEASE_UPDATE_METADATA, "lease.updateMetadata",   lease_metadata,      lease,             LEASES,   WORK_, WRITE, "Replace a lease's metadata.") \
    X (LEASE_TARGET,         "lease.target",            lease_target_ask,    lease_target,      READER,   ALL_,  READ,  "How to execute in a lease's place.") \
    X (RUN_RESOLVE,          "run.resolve",             run_resolve,         run_resolved,      RUNS,     ALL_,  READ,  "Which environment a run would use, and why.") \
    X (RUN_ACQUIRE,          "run.acquire",             run_acquire,         run_acquired,      RUNS,     WORK_, WRITE | MODE_STREAM, "Select, check and lease a place for a run; with credit, its place in the queue on the way.") \
    X (RUN_REALIZE,          "run.realize",             run_realize,         run_realized,      RUNS,     WORK_, WRITE | MODE_STREAM, "Put a run's files into its place; with credit, progress on the way.") \
    X (RUN_RELEASE,          "run.release",             release_for_run,     run_released,      RUNS,     WORK_, WRITE, "Give back all that a run holds; reports lease by lease.") \
    X (RUN_HEARTBEAT,        "run.heartbeat",           run_ref,             run,               RUNS,     WORK_, WRITE, "Say that a run is alive.") \
    X (RUN_GET,              "run.get",                 run_ref,             run,               READER,   ALL_,  READ,  "Show one run.") \
    X (RUN_LIST,             "run.list",                run_list,            run_page,          READER,   ALL_,  READ,  "List runs, newest change first.") \
    X (EXEC_START,           "exec.start",              exec_start,          exec,              EXECS,    WORK_, WRITE, "Start a command in a leased place.") \
    X (EXEC_RUN,             "exec.run",                exec_start,          exec_result,       EXECS,    WORK_, WRITE, "Start a command, wait for it, answer its output.") \
    X (EXEC_READ,            "exec.read",               exec_read,           exec_read_end,     EXECS,    ALL_,  READ | MODE_STREAM, "Read output from any offset, now or as it comes.") \
    X (EXEC_WRITE,           "exec.write",              exec_write,          exec_written,      EXECS,    WORK_, READ | MODE_DATA, "Write to stdin at an offset.") \
    X (EXEC_SIGNAL,          "exec.signal",             exec_signal,         exec,              EXECS,    WORK_, READ,  "Send a signal to an exec's process group.") \
    X (EXEC_RESIZE,          "exec.resize",             exec_resize,         exec,              EXECS,    WORK_, READ,  "Change the size of an exec's terminal.") \
    X (EXEC_WAIT,            "exec.wait",               exec_ref,            exec,              EXECS,    ALL_,  READ,  "Answer when an exec has ended.") \
    X (EXEC_GET,             "exec.get",                exec_ref,            exec,              EXECS,    ALL_,  READ,  "Show one exec.") \
    X (EXEC_LIST,            "exec.list",               exec_list,           exec_page,         EXECS,    ALL_,  READ,  "List execs, newest first.") \
    X (ACTIVITY_LIST,        "activity.list",           activity_list,       activity_page,     PUBLISHER, ALL_, READ,  "Read the activity log.") \
    X (ACTIVITY_HEAD,        "activity.head",           company_ref,         activity_head,     PUBLISHER, ALL_, READ,  "The end of a company's activity log.") \
    X (COMPANY_DELETE,       "company.delete",          company_delete,      company_removal,   REGISTRY, OPERATOR, WRITE | MODE_STREAM, "Give back all that a company holds, then remove what is kept of it; with credit, progress on the way.") \
    X (KEY_NEW,              "key.new",                 key_new,             principal,         KEYS,     OPERATOR, WRITE, "Let a new principal in, by its public key.") \
    X (KEY_LIST,             "key.list",                key_list,            principal_page,    KEYS,     OPERATOR, READ, "List principals, by name.") \
    X (KEY_GRANT,            "key.grant",               key_grant,           principal,         KEYS,     OPERATOR, WRITE, "Change roles and companies of a principal, at once.") \
    X (KEY_REVOKE,           "key.revoke",              key_revoke,          principal,         KEYS,     OPERATOR, WRITE, "Let a principal in no more; its connections end.") \
    X (ACTIVITY_VERIFY,      "activity.verify",         activity_verify_ask, activity_verified, PUBLISHER, ALL_, READ,  "Hold entries against their hashes; names the first that does not fit.") \
    X (SECRET_CREATE,        "secret.create",           secret_create,       secret,            SECRETS,  WORK_, WRITE, "Keep a value that nobody reads back.") \
    X (SECRET_GET,           "secret.get",              secret_named,        secret,            SECRETS,  WORK_, READ,  "Show a secret, without its value.") \
    X (SECRET_LIST,          "secret.list",             secret_list,         secret_page,       SECRETS,  WORK_, READ,  "List secrets, by key, without their values.") \
    X (SECRET_UPDATE,        "secret.update",           secret_update,       secret,            SECRETS,  WORK_, WRITE, "Rename a secret, describe it, or put it out of use.") \
    X (SECRET_ROTATE,        "secret.rotate",           secret_rotate,       secret,            SECRETS,  WORK_, WRITE, "Give a secret its next version.") \
    X (SECRET_DELETE,        "secret.delete",           secret_delete,       secret,            SECRETS,  WORK_, WRITE, "Destroy a secret and all its versions; refused while something is bound to it, unless forced.") \
    X (SECRET_BIND,          "secret.bind",             secret_bind,         secret_binding,    SECRETS,  WORK_, WRITE, "Let a target use a secret at one of its paths.") \
    X (SECRET_UNBIND,        "secret.unbind",           secret_unbind,       nothing,           SECRETS,  WORK_, WRITE, "Let it use that no more.") \
    X (SECRET_SYNC,          "secret.syncBindings",     secret_sync,         secret_synced,   SECRETS,  WORK_, WRITE, "Say all that is bound at a target from now on.") \
    X (SECRET_USAGE,         "secret.usage",            secret_history,      secret_bindings,   SECRETS,  WORK_, READ,  "Who may use a secret.") \
    X (SECRET_EVENTS,        "secret.events",           secret_history,      secret_events,     SECRETS,  WORK_, READ,  "Who used a secret, newest first.") \
    X (SECRET_REKEY,         "secret.rekey",            nothing,             secret_rekeyed,    SECRETS,  OPERATOR, WRITE, "Seal everything by a new master key, while work goes on.") \
    X (STORE_STAT,           "store.stat",              nothing,             storage_stat,      STORE,    OPERATOR, READ, "How full the store is, with what, and for how long that is kept.") \
    X (STORE_CHECK,          "store.check",             nothing,             storage_checked,   STORE,    OPERATOR, READ | MODE_STREAM, "Look whether everything in the store fits together; with credit, progress on the way.") \
    X (STORE_BACKUP,         "store.backup",            storage_backup,      storage_backed_up, STORE,    OPERATOR, READ | MODE_STREAM, "Copy the store as it is now to a file; with credit, progress on the way.") \
    X (BUS_PING,             "bus.ping",                nothing,             bus_pong,          FRONT,    ALL_,  READ | MODE_SHARED, "Is the service there, and which one?") \
    X (BUS_INFO,             "bus.info",                nothing,             bus_info,          BUS,      ALL_,  READ | MODE_SHARED, "What this service is.") \
    X (BUS_STATS,            "bus.stats",               nothing,             bus_stats,         BUS,      ALL_,  READ | MODE_SHARED, "What goes on in it.") \
    X (BUS_DESCRIBE,         "bus.describe",            nothing,             bus_description,   BUS,      ALL_,  READ | MODE_SHARED, "The protocol as data.") \
    X (BUS_DRAIN,            "bus.drain",               bus_drain,           hold,              LEASES,   OPERATOR, WRITE, "Take no new lease; what runs goes on. It stays so over a restart.") \
    X (BUS_UNDRAIN,          "bus.undrain",             bus_drain,           hold,              LEASES,   OPERATOR, WRITE, "Take leases again.") \
    X (BUS_SHUTDOWN,         "bus.shutdown",            bus_shutdown,        nothing,           BUS,      OPERATOR, READ, "Stop the service; places stay for the next start unless release is set.") \
    X (STREAM_CREDIT,        "stream.credit",           stream_credit,       nothing,           FRONT,    ALL_,  READ | MODE_SHARED, "Grant a stream more bytes; 0 says: still here.") \
    X (STREAM_CANCEL,        "stream.cancel",           stream_cancel,       nothing,           FRONT,    ALL_,  READ | MODE_SHARED, "End a stream.") \
    /* steps between actors */ \
    X (STEP_DONE,            "step.done",               step_done,           nothing,           FRONT,    INTERNAL, WRITE, "The answer to a step; goes to whoever asked.") \
    X (STEP_PROGRESS,        "step.progress",           step_progress,       nothing,           FRONT,    INTERNAL, READ, "How far a step is.") \
    X (PLACE_OPEN,           "place.open",              place_open,          place_opened,      PROXY,    INTERNAL, READ, "Open a place.") \
    X (PLACE_RESUME,         "place.resume",            place_open,          place_opened,      PROXY,    INTERNAL, READ, "Take a place up again, if it is still there.") \
    X (PLACE_CLOSE,          "place.close",             place_close,         nothing,           PROXY,    INTERNAL, READ, "Close a place.") \
    X (PLACE_REALIZE,        "place.realize",           place_realize,       place_realized,    PROXY,    INTERNAL, READ, "Put files into a place.") \
    X (PLACE_RETURN,         "place.return",            place_return,        workspace_returned, PROXY,   INTERNAL, READ, "Bring files home.") \
    X (PLACE_PROBE,          "place.probe",             place_probe,         probe_result,      PROXY,    INTERNAL, READ, "Probe a provider.") \
    X (PLACE_LIST,           "place.list",              place_list,          place_list_page,   PROXY,    INTERNAL, READ, "List the places of this install.") \
    X (LEASE_RELEASE_ALL,    "lease.releaseAll",        nothing,             nothing,           LEASES,   INTERNAL, WRITE, "Give back every lease: the service closes for good.") \
    X (LEASE_RELEASE_ENVIRONMENT, "lease.releaseEnvironment", environment_release, environment_released, LEASES, INTERNAL, WRITE, "Give back some leases of an environment that is being deleted.") \
    X (COMPANY_CLEAR,        "company.clear",           company_clear,       company_cleared,   REGISTRY, INTERNAL, WRITE, "Remove some rows of a company that is being deleted; to each actor that has some.") \
    X (LEASE_PLACE,          "lease.place",             lease_place,         lease,             LEASES,   INTERNAL, WRITE, "Have the lease's place open.") \
    X (LEASE_REALIZED,       "lease.realized",          lease_realized,      lease,             LEASES,   INTERNAL, WRITE, "Keep a realization's record.") \
    X (WORKSPACE_REALIZE,    "workspace.realizeStep",   workspace_realize,   lease,             REALIZER, INTERNAL, WRITE, "Realize and provision a lease's workspace.") \
    X (STORE_TOLD,           "store.told",              storage_told,        nothing,           STORE,    INTERNAL, READ, "How far a check or a backup is.") \
    X (SECRET_USED,          "secret.used",             secret_event,        nothing,           SECRETS,  INTERNAL, WRITE, "Enter a use of a secret.") \
    X (SPOOL_DROP,           "spool.drop",              spool_drop,          nothing,           STORE,    INTERNAL, READ, "Remove an exec's output.") \
    X (EXEC_RUN_STEP,        "exec.runStep",            exec_start,          exec_result,       EXECS,    INTERNAL, WRITE, "exec.run for another actor.")

#define REQUEST_CODE_(name, wire, request, reply, actor, roles, mode, doc) REQUEST_##name,
typedef enum { REQUESTS (REQUEST_CODE_) REQUEST_COUNT } request_code_t;

typedef struct {
    const char *type;               //  On the wire
    const berth_schema_t *request;
    const berth_schema_t *reply;
    actor_code_t actor;
    unsigned roles;
    unsigned mode;
    const char *doc;
} request_row_t;

//  The row of a code, and the code of a wire name (REQUEST_COUNT if there is none).
const request_row_t *request_row (request_code_t code);
request_code_t request_code (const char *type);

//  Roles and capabilities as text, by bit; NULL behind the last.
const char *role_text (unsigned bit);
const char *capability_text (unsigned bit);
const char *capability_doc (unsigned bit);

//  Every schema, for docs and tests; NULL behind the last.
const berth_schema_t *berth_schema_at (size_t index);

//  All global limits; false behind the last.
bool berth_limit_at (size_t index, const char **ret_name, uint64_t *ret_value, const char **ret_doc);

#endif
