//  commands.c - owns the table of commands. Flags, help and exit codes follow from the schemas.

#include "commands.h"

BERTH_SCHEMA (common_options, COMMON_OPTIONS, SCHEMA_STRICT, "Options of every command.");
BERTH_SCHEMA (run_options, RUN_OPTIONS, SCHEMA_STRICT, "Options of berth run.");
BERTH_SCHEMA (events_options, EVENTS_OPTIONS, SCHEMA_STRICT, "Options of berth events.");
BERTH_ENUM_TABLE (completion_shell, COMPLETION_SHELL);
BERTH_SCHEMA (completion_options, COMPLETION_OPTIONS, SCHEMA_STRICT, "Options of berth completion.");
BERTH_SCHEMA (help_options, HELP_OPTIONS, SCHEMA_STRICT, "Options of berth help.");
BERTH_SCHEMA (key_options, KEY_OPTIONS, SCHEMA_STRICT, "Options of berth key new.");
BERTH_SCHEMA (secret_options, SECRET_OPTIONS, SCHEMA_STRICT, "Options of berth secret create.");
BERTH_SCHEMA (rotate_options, ROTATE_OPTIONS, SCHEMA_STRICT, "Options of berth secret rotate.");
BERTH_SCHEMA (company_options, COMPANY_OPTIONS, SCHEMA_STRICT, "Options of berth company delete.");
BERTH_SCHEMA (call_options, CALL_OPTIONS, SCHEMA_STRICT, "Options of berth bus call.");

#define NO_ARGUMENT { { NULL, NULL } }
#define ONE(shown, field) { { shown, field } }
#define TWO(shown, field, other, other_field) { { shown, field }, { other, other_field } }

//  The usual command: its options are the request's fields, its output the reply's.
#define ASK(words, arguments, request, schema, doc) \
    { words, arguments, NULL, NULL, &schema##_schema, REQUEST_##request, NULL, doc }
#define OWN(words, arguments, tail, letters, request, schema, run, doc) \
    { words, arguments, tail, letters, &schema##_schema, REQUEST_##request, run, doc }

#define ENVIRONMENT_ARG ONE ("ENVIRONMENT", "environmentId")
#define LEASE_ARG       ONE ("LEASE", "leaseId")
#define EXEC_ARG        ONE ("EXEC", "execId")
#define WORKSPACE_ARG   ONE ("WORKSPACE", "workspaceId")
#define PROVIDER_ARG    ONE ("PROVIDER", "provider")
#define KEY_ARG         ONE ("NAME", "keyId")
#define NAME_ARG        ONE ("NAME", "name")
#define SECRET_ARG      ONE ("SECRET", "secretId")

static const command_t s_commands [] = {
    OWN ("run", NO_ARGUMENT, "CMD...", "e=env t=tty q=quiet", COUNT, run_options, run_command,
         "Run a command in a place of its own, and give the place back"),
    OWN ("status", NO_ARGUMENT, NULL, NULL, BUS_STATS, nothing, status_command,
         "How the service is, on one screen; exits 1 when it is not well"),
    OWN ("doctor", NO_ARGUMENT, NULL, NULL, COUNT, doctor_options, doctor_command,
         "What is stuck, since when, why, and the command that mends it; exits 1 when something is"),
    OWN ("events", NO_ARGUMENT, NULL, "f=follow n=limit", ACTIVITY_LIST, events_options, events_command,
         "What happened, and with --follow what happens"),
    OWN ("events list", NO_ARGUMENT, NULL, "f=follow n=limit", ACTIVITY_LIST, events_options, events_command,
         "The same"),
    OWN ("events verify", NO_ARGUMENT, NULL, NULL, ACTIVITY_VERIFY, activity_verify_ask, verify_command,
         "Hold the log against its hashes; names the first entry that does not fit, and exits 1"),

    ASK ("env create", NAME_ARG, ENVIRONMENT_CREATE, environment_create, "Make an environment"),
    ASK ("env list", NO_ARGUMENT, ENVIRONMENT_LIST, environment_list, "List environments"),
    ASK ("env show", ENVIRONMENT_ARG, ENVIRONMENT_GET, environment_ref, "Show an environment"),
    ASK ("env update", ENVIRONMENT_ARG, ENVIRONMENT_UPDATE, environment_update, "Change an environment"),
    ASK ("env delete", ENVIRONMENT_ARG, ENVIRONMENT_DELETE, environment_delete, "Delete an environment"),
    ASK ("env probe", ENVIRONMENT_ARG, ENVIRONMENT_PROBE, environment_ref, "Try whether work can run there"),
    ASK ("env test", ENVIRONMENT_ARG, ENVIRONMENT_TEST, environment_test,
         "Lease a place there, run commands in it, give it back; exits 1 when that fails"),
    ASK ("env test-end", LEASE_ARG, ENVIRONMENT_TEST_END, environment_test_end,
         "Give back the place that `env test --hold` keeps"),
    ASK ("env validate", NAME_ARG, ENVIRONMENT_VALIDATE, environment_create, "Check what `env create` would make"),
    ASK ("env ensure-local", NO_ARGUMENT, ENVIRONMENT_ENSURE_LOCAL, company_ref, "The company's local environment"),
    ASK ("env capabilities", NO_ARGUMENT, ENVIRONMENT_CAPABILITIES, company_ref, "What drivers and providers can do"),

    OWN ("lease acquire", ENVIRONMENT_ARG, NULL, NULL, LEASE_ACQUIRE, lease_acquire, acquire_command,
         "Take a lease on an environment; Ctrl-C leaves the queue"),
    ASK ("lease list", NO_ARGUMENT, LEASE_LIST, lease_list, "List leases"),
    ASK ("lease show", LEASE_ARG, LEASE_GET, lease_ref, "Show a lease"),
    ASK ("lease renew", LEASE_ARG, LEASE_RENEW, lease_renew, "Put off the end of a lease"),
    ASK ("lease release", LEASE_ARG, LEASE_RELEASE, lease_release, "Give a lease back"),
    ASK ("lease resume", LEASE_ARG, LEASE_RESUME, lease_resume,
         "Take its place up again; one that is lost is replaced"),
    ASK ("lease destroy", LEASE_ARG, LEASE_DESTROY, lease_destroy,
         "End a lease as failed, with all that its place holds"),
    ASK ("lease adopt", TWO ("ENVIRONMENT", "environmentId", "PLACE", "providerLeaseId"), LEASE_ADOPT,
         lease_adopt, "Take a lease on a place that its provider has already"),

    OWN ("exec start", LEASE_ARG, "CMD...", NULL, EXEC_START, exec_start, start_command,
         "Start a command in a leased place, and come back"),
    OWN ("exec attach", EXEC_ARG, NULL, NULL, EXEC_GET, exec_ref, attach_command,
         "Join a running exec: its output from now on, its stdin"),
    OWN ("exec logs", EXEC_ARG, NULL, "f=follow", EXEC_READ, exec_read, logs_command,
         "Print what an exec wrote"),
    ASK ("exec signal", TWO ("EXEC", "execId", "SIGNAL", "signal"), EXEC_SIGNAL, exec_signal,
         "Send a signal: TERM, INT, 9"),
    OWN ("exec wait", EXEC_ARG, NULL, NULL, EXEC_WAIT, exec_ref, wait_command,
         "Wait for the end of an exec; exits as it did"),
    ASK ("exec list", NO_ARGUMENT, EXEC_LIST, exec_list, "List execs"),
    ASK ("exec show", EXEC_ARG, EXEC_GET, exec_ref, "Show an exec"),

    ASK ("workspace create", NAME_ARG, WORKSPACE_CREATE, workspace_create, "Make the record of a workspace"),
    ASK ("workspace list", NO_ARGUMENT, WORKSPACE_LIST, workspace_list, "List workspaces"),
    ASK ("workspace show", WORKSPACE_ARG, WORKSPACE_GET, workspace_ref, "Show a workspace"),
    ASK ("workspace update", WORKSPACE_ARG, WORKSPACE_UPDATE, workspace_update, "Change a workspace"),
    OWN ("workspace return", LEASE_ARG, NULL, NULL, WORKSPACE_RETURN, workspace_return, return_command,
         "Merge the files of a place home"),
    OWN ("workspace diff", LEASE_ARG, NULL, NULL, WORKSPACE_DIFF, workspace_diff, diff_command,
         "Print what `workspace return` would bring, as a unified diff"),
    ASK ("workspace discard", LEASE_ARG, WORKSPACE_DISCARD, workspace_discard,
         "Give up what was not returned; a place kept for it is closed"),

    ASK ("provider list", NO_ARGUMENT, PROVIDER_LIST, nothing, "List providers"),
    ASK ("provider show", PROVIDER_ARG, PROVIDER_GET, provider_ref, "Show a provider and its config"),
    ASK ("provider probe", PROVIDER_ARG, PROVIDER_PROBE, provider_config, "Try whether a provider works here"),

    ASK ("provider sweep", PROVIDER_ARG, PROVIDER_SWEEP, provider_sweep,
         "Look now for places that no lease wants; answers when it was looked"),
    ASK ("provider pause", PROVIDER_ARG, PROVIDER_PAUSE, provider_pause,
         "Take no new lease of a provider; what runs there goes on"),
    ASK ("provider unpause", PROVIDER_ARG, PROVIDER_UNPAUSE, provider_pause, "Take leases of a provider again"),

    OWN ("key new", KEY_ARG, NULL, NULL, KEY_NEW, key_options, key_new_command,
         "Make a key pair, let it in, and write it to a file"),
    ASK ("key list", NO_ARGUMENT, KEY_LIST, key_list, "List the keys that were let in"),
    ASK ("key grant", KEY_ARG, KEY_GRANT, key_grant, "Change what a key may do, at once"),
    ASK ("key revoke", KEY_ARG, KEY_REVOKE, key_revoke, "Let a key in no more; its connections end"),
    OWN ("key server", NO_ARGUMENT, NULL, NULL, BUS_INFO, nothing, key_server_command,
         "The service's public key, which clients over TCP must know"),

    OWN ("secret create", NAME_ARG, NULL, NULL, SECRET_CREATE, secret_options, secret_create_command,
         "Keep a value that nobody reads back; it comes from stdin, a file or a prompt"),
    ASK ("secret list", NO_ARGUMENT, SECRET_LIST, secret_list, "List secrets, without their values"),
    ASK ("secret show", SECRET_ARG, SECRET_GET, secret_named, "Show a secret, without its value"),
    ASK ("secret update", SECRET_ARG, SECRET_UPDATE, secret_update, "Rename a secret, or put it out of use"),
    OWN ("secret rotate", SECRET_ARG, NULL, NULL, SECRET_ROTATE, rotate_options, secret_rotate_command,
         "Give a secret its next value, from stdin, a file or a prompt"),
    ASK ("secret delete", SECRET_ARG, SECRET_DELETE, secret_delete, "Destroy a secret and all its versions"),
    ASK ("secret bind", SECRET_ARG, SECRET_BIND, secret_bind, "Let an environment, a run or an agent use a secret"),
    ASK ("secret unbind", NO_ARGUMENT, SECRET_UNBIND, secret_unbind, "Let it use that no more"),
    ASK ("secret usage", SECRET_ARG, SECRET_USAGE, secret_history, "Who may use a secret"),
    ASK ("secret events", SECRET_ARG, SECRET_EVENTS, secret_history, "Who used a secret, newest first"),
    ASK ("secret rekey", NO_ARGUMENT, SECRET_REKEY, nothing, "Seal everything by a new master key, while work goes on"),

    OWN ("company delete", ONE ("NAME", "companyId"), NULL, NULL, COMPANY_DELETE, company_options,
         company_delete_command, "Give back all that a company holds, then remove what is kept of it"),

    OWN ("store stat", NO_ARGUMENT, NULL, NULL, STORE_STAT, nothing, store_stat_command,
         "How full the store is, and with what; exits 1 when nothing new is taken"),
    OWN ("store check", NO_ARGUMENT, NULL, NULL, STORE_CHECK, nothing, store_check_command,
         "Look whether everything in it fits together; exits 1 and names what does not"),
    OWN ("store backup", ONE ("FILE", "path"), NULL, NULL, STORE_BACKUP, storage_backup, store_backup_command,
         "Copy it, while it is in use, to a file that does not exist"),

    ASK ("bus ping", NO_ARGUMENT, BUS_PING, nothing, "Is the service there?"),
    ASK ("bus info", NO_ARGUMENT, BUS_INFO, nothing, "What the service is"),
    ASK ("bus stats", NO_ARGUMENT, BUS_STATS, nothing, "What goes on in it"),
    OWN ("bus describe", NO_ARGUMENT, NULL, NULL, BUS_DESCRIBE, nothing, describe_command,
         "The protocol as data"),
    OWN ("bus call", TWO ("TYPE", "type", "JSON", "body"), NULL, NULL, COUNT, call_options, call_command,
         "Send any request"),
    ASK ("bus drain", NO_ARGUMENT, BUS_DRAIN, bus_drain, "Take no new lease; what runs goes on"),
    ASK ("bus undrain", NO_ARGUMENT, BUS_UNDRAIN, bus_drain, "Take leases again"),
    OWN ("bus shutdown", NO_ARGUMENT, NULL, NULL, BUS_SHUTDOWN, bus_shutdown, shutdown_command,
         "Stop the service"),

    OWN ("help", NO_ARGUMENT, "COMMAND...", NULL, COUNT, help_options, help_command,
         "What there is; of a command: what it takes"),
    OWN ("completion", ONE ("SHELL", "shell"), "WORD...", NULL, COUNT, completion_options, completion_command,
         "Completion for bash or zsh: source <(berth completion bash)"),
};

const command_t *
command_at (size_t index)
{
    return index < BERTH_COUNT (s_commands) ? &s_commands [index] : NULL;
}
