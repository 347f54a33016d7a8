//  commands.h - what the command line can do: one table of commands, and what a command is given.

#ifndef BERTH_COMMANDS_H_INCLUDED
#define BERTH_COMMANDS_H_INCLUDED

#include "client.h"
#include "manual.h"

//  Options that every command takes, by the same rules as a message's fields: see flags.h.
#define COMMON_OPTIONS(F, T) \
    F (T, STR,   endpoint,  "endpoint",  OPTIONAL | POSITIVE, 300, "Service to ask: ipc://PATH or tcp://HOST:PORT ($BERTH_ENDPOINT).") \
    F (T, STR,   key_file,  "keyFile",   OPTIONAL | POSITIVE, 4096, "Certificate to show over TCP, as `berth key new` makes it ($BERTH_KEY_FILE).") \
    F (T, STR,   server_key, "serverKey", OPTIONAL | POSITIVE, 40, "The service's public key, if that file does not say it ($BERTH_SERVER_KEY).") \
    F (T, STR,   state,     "state",     OPTIONAL | POSITIVE, 4096, "State directory of the service ($BERTH_STATE).") \
    F (T, STR,   runtime,   "runtime",   OPTIONAL | POSITIVE, 4096, "Folder of its sockets.") \
    F (T, STR,   company,   "company",   OPTIONAL | POSITIVE, 64, "Company to act for ($BERTH_COMPANY, else default).") \
    F (T, U64,   deadline_ms, "deadlineMs", OPTIONAL | POSITIVE, 86400000, "Time for an answer (30s).") \
    F (T, BOOL,  json,      "json",      OPTIONAL, 0, "JSON, a line for each thing.") \
    F (T, BOOL,  quiet,     "quiet",     OPTIONAL, 0, "Only ids; of run: no word of its own.") \
    F (T, BOOL,  all,       "all",       OPTIONAL, 0, "Every page of a list.") \
    F (T, BOOL,  help,      "help",      OPTIONAL, 0, "What a command does and takes.") \
    F (T, BOOL,  version,   "version",   OPTIONAL, 0, "Version of berth.")
BERTH_MESSAGE (common_options, COMMON_OPTIONS);

#define RUN_OPTIONS(F, T) \
    F (T, STR,   on,        "on",        OPTIONAL | POSITIVE, 256, "Environment (default: a bubblewrap sandbox).") \
    F (T, STR,   unit,      "for",       OPTIONAL | POSITIVE, 256, "Execution workspace: its turn is waited for.") \
    F (T, STR,   run,       "run",       OPTIONAL | POSITIVE, 128, "Id of the run (default: a new one).") \
    F (T, BYTES, workspace, "workspace", NULLABLE | POSITIVE, 4096, "Folder whose copy it works in (default: the current one; --no-workspace: an empty one).") \
    F (T, BOOL,  give_back, "return",    OPTIONAL, 0, "Merge what changed back into that folder.") \
    F (T, STRS,  excludes,  "exclude",   OPTIONAL, 256, "Name or relative path that is not copied.") \
    F (T, U64,   timeout_ms, "timeoutMs", OPTIONAL | POSITIVE, 2592000000, "End it after that time: exit 124.") \
    F (T, BLOBS, env,       "env",       OPTIONAL, 1024, "Variable for the command; NAME: as it is here.") \
    F (T, BLOBS, ro,        "ro",        OPTIONAL, 64, "Host path that it may read.") \
    F (T, BOOL,  net,       "net",       OPTIONAL, 0, "With the host's network (default: none).") \
    F (T, BYTES, cwd,       "cwd",       OPTIONAL | POSITIVE, 4096, "Folder in the place to start in.") \
    F (T, BOOL,  tty,       "tty",       OPTIONAL, 0, "Give it a terminal (default: if this is one).")
BERTH_MESSAGE (run_options, RUN_OPTIONS);

#define DOCTOR_OPTIONS(F, T) \
    F (T, BOOL,  fix,       "fix",       OPTIONAL, 0, "Do what it would tell you to do; what somebody wants so stays, and no place is given up.") \
    F (T, BOOL,  yes,       "yes",       OPTIONAL, 0, "Do it without asking; needed where nobody can be asked.")
BERTH_MESSAGE (doctor_options, DOCTOR_OPTIONS);

#define EVENTS_OPTIONS(F, T) \
    F (T, BOOL,  follow,    "follow",    OPTIONAL, 0, "Go on with what comes.") \
    F (T, TIME,  since,     "since",     OPTIONAL, 0, "Only from this time on: 10m, or 2026-05-11T09:30:00Z.") \
    F (T, TIME,  until,     "until",     OPTIONAL, 0, "Only before this time.") \
    F (T, STR,   run,       "run",       OPTIONAL | POSITIVE, 128, "Only those of this run.") \
    F (T, STR,   entity,    "entity",    OPTIONAL | POSITIVE, 128, "Only those of this entity.") \
    F (T, STR,   action,    "action",    OPTIONAL | POSITIVE, 64, "Only this action, or all below `run.`") \
    F (T, U64,   after,     "after",     OPTIONAL, 0, "Only those behind this companySeq.") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000000, "Entries at most.")
BERTH_MESSAGE (events_options, EVENTS_OPTIONS);

#define KEY_OPTIONS(F, T) \
    F (T, STR,   id,        "keyId",     REQUIRED | POSITIVE, 63, "Its name: letters, digits and . _ -") \
    F (T, STRS,  roles,     "roles",     OPTIONAL | POSITIVE, 4, "operator, platform (default), observer or provider; once for each.") \
    F (T, STRS,  companies, "companies", OPTIONAL | POSITIVE, 256, "Companies that exist for it, once for each; '*' is all (default: --company).") \
    F (T, BLOBS, roots,     "workspaceRoots", OPTIONAL, 16, "Host folders beneath which its workspaces may lie.") \
    F (T, BYTES, file,      "file",      OPTIONAL | POSITIVE, 4096, "Where its certificate goes (NAME.zcert).") \
    F (T, STR,   public_key, "publicKey", OPTIONAL | POSITIVE, 40, "Of a pair that was made elsewhere: then no file is written.")
BERTH_MESSAGE (key_options, KEY_OPTIONS);

#define SECRET_OPTIONS(F, T) \
    F (T, STR,   name,      "name",      REQUIRED | POSITIVE, 160, "Its name for people.") \
    F (T, STR,   key,       "key",       OPTIONAL | POSITIVE, 120, "Its name for programs (made from the name).") \
    F (T, STR,   description, "description", OPTIONAL, 500, "What it is for.") \
    F (T, BYTES, file,      "fromFile",  OPTIONAL | POSITIVE, 4096, "File whose bytes are the value (default: stdin, or a prompt; without the newline at its end).")
BERTH_MESSAGE (secret_options, SECRET_OPTIONS);

#define ROTATE_OPTIONS(F, T) \
    F (T, ID,    id,        "secretId",  REQUIRED, 36, "The secret: its id, key or name.") \
    F (T, BYTES, file,      "fromFile",  OPTIONAL | POSITIVE, 4096, "File whose bytes are the value (default: stdin, or a prompt; without the newline at its end).")
BERTH_MESSAGE (rotate_options, ROTATE_OPTIONS);

#define COMPANY_OPTIONS(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "The company that goes.") \
    F (T, BOOL,  yes,       "yes",       OPTIONAL, 0, "It is meant: nothing of it comes back.") \
    F (T, BOOL,  wait,      "wait",      OPTIONAL, 0, "Until it is gone (true); else say how far it is.")
BERTH_MESSAGE (company_options, COMPANY_OPTIONS);

#define CALL_OPTIONS(F, T) \
    F (T, STR,   type,      "type",      REQUIRED | POSITIVE, 63, "Request: lease.get.") \
    F (T, ANY,   body,      "body",      OPTIONAL | OBJECT, 1048576, "Its body: JSON, @FILE, or - for stdin (default {}).") \
    F (T, STR,   key,       "key",       OPTIONAL | POSITIVE, 128, "Idempotency key.")
BERTH_MESSAGE (call_options, CALL_OPTIONS);

#define HELP_OPTIONS(F, T) \
    F (T, ENUM (manual_page), man, "man", OPTIONAL, 0, "Print a page of the manual, for man -l, or the example configuration.")
BERTH_MESSAGE (help_options, HELP_OPTIONS);

#define COMPLETION_SHELL(X, T) \
    X (T, BASH,  "bash") \
    X (T, ZSH,   "zsh") \
    X (T, WORDS, "words")
BERTH_ENUM (completion_shell, COMPLETION_SHELL);

#define COMPLETION_OPTIONS(F, T) \
    F (T, ENUM (completion_shell), shell, "shell", REQUIRED, 0, "bash or zsh: the script for it; words: what may stand last in that command line.")
BERTH_MESSAGE (completion_options, COMPLETION_OPTIONS);

typedef struct command command_t;

//  What a command is given.
typedef struct {
    arena_t *arena;
    const command_t *command;
    const char *group;              //  "env": help about all of its commands is asked
    common_options_t common;
    const char *company;
    berth_bytes_t body;             //  The options, packed; ids may still be names: see resolve.h
    size_t tail_count;              //  What stands behind --
    const berth_bytes_t *tail;
    const char *endpoint;           //  Filled by service_find,
    berth_connect_t connect;        //  likewise, with the key to show
    berth_client_t *bus;
} invocation_t;

//  Runs a command; returns its exit status, or -1 with *err.
typedef int (command_fn) (invocation_t *self, berth_error_t *err);

struct command {
    const char *words;              //  "lease acquire"
    struct {
        const char *shown;          //  "ENVIRONMENT"
        const char *field;          //  "environmentId"
    } arguments [3];
    const char *tail;               //  "CMD...", NULL: none
    const char *letters;            //  "e=env": short forms
    const berth_schema_t *options;
    request_code_t request;         //  Of the usual command: ask it, print the answer
    command_fn *run;                //  NULL: the usual
    const char *doc;
};

//  The table; NULL behind the last.
const command_t *command_at (size_t index);

//  The commands that do more than ask and print, each in its own file.
command_fn run_command, status_command, doctor_command, events_command, attach_command, logs_command, wait_command,
    start_command, return_command, diff_command, call_command, describe_command, shutdown_command,
    store_stat_command, store_check_command, store_backup_command, verify_command, help_command,
    key_new_command, key_server_command, secret_create_command, secret_rotate_command, acquire_command, company_delete_command,
    completion_command;

#endif
