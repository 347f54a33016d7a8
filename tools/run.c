//  run.c - owns one `berth run`: its service, its run, its lease, from the start to the release.

#include "acquire.h"
#include "clock.h"
#include "ids.h"
#include "output.h"
#include "resolve.h"
#include "returned.h"
#include "service.h"
#include "terminal.h"

#include <fcntl.h>
#include <msgpack.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SANDBOX_NAME "berth-run"

enum {
    ACQUIRE_MS = 300000, REALIZE_MS = 3600000, RELEASE_MS = 60000,
    SPOOL_MAX = 64 * 1024 * 1024        //  Beyond it the command waits for us
};

typedef struct {
    invocation_t *given;
    run_options_t options;
    private_service_t *service;
    int signals;
    const char *run;                    //  Its id
    bool held;                          //  The run may hold something
    const char *folder;                 //  Workspace on the host; NULL: none
    run_acquired_t acquired;
    int signal;                         //  What made us give up
} job_t;

//  ---- the environment

static void
s_pack_text (msgpack_packer *pk, const char *text)
{
    msgpack_pack_str_with_body (pk, text, strlen (text));
}

//  {provider: bubblewrap, ...} as --ro and --net want it.
static berth_bytes_t
s_config (const run_options_t *options, arena_t *arena)
{
    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    msgpack_pack_map (&pk, 1 + (options->net ? 1 : 0) + (options->ro.count ? 1 : 0));
    s_pack_text (&pk, "provider");
    s_pack_text (&pk, "bubblewrap");
    if (options->net) {
        s_pack_text (&pk, "network");
        s_pack_text (&pk, "host");
    }
    if (options->ro.count) {
        s_pack_text (&pk, "readOnlyPaths");
        msgpack_pack_array (&pk, options->ro.count);
        for (size_t index = 0; index < options->ro.count; index++) {
            char *path = realpath (arena_text (arena, (const char *) options->ro.items [index].data,
                                               options->ro.items [index].size), NULL);
            const char *kept = path ? arena_string (arena, path) : "";
            msgpack_pack_bin_with_body (&pk, kept, strlen (kept));
            free (path);
        }
    }
    return berth_buffer_bytes (&buffer);
}

//  Environments of other walls than the usual have a name of their own: the same walls, the same
//  environment.
static const char *
s_name (const run_options_t *options, berth_bytes_t config, arena_t *arena)
{
    if (!options->net && !options->ro.count)
        return SANDBOX_NAME;
    uint64_t hash = 14695981039346656037u;      //  FNV-1a
    for (size_t index = 0; index < config.size; index++)
        hash = (hash ^ config.data [index]) * 1099511628211u;
    return arena_printf (arena, SANDBOX_NAME "-%08x", (unsigned) (hash ^ hash >> 32));
}

static int
s_sandbox (job_t *self, const char **ret_id, berth_error_t *err)
{
    arena_t *arena = self->given->arena;
    berth_bytes_t config = s_config (&self->options, arena);
    const char *name = s_name (&self->options, config, arena);
    if (!self->service) {
        if (resolve_environment (self->given, name, ret_id, err) == 0)
            return 0;
        if (err->code != BERTH_ENVIRONMENT_NOT_FOUND)
            return -1;
        *err = (berth_error_t) { 0 };
    }
    environment_create_t ask = { .company = self->given->company, .name = name,
                                 .driver = environment_driver_SANDBOX, .config = config };
    environment_t made;
    if (berth_client_ask (self->given->bus, REQUEST_ENVIRONMENT_CREATE, &ask, NULL, arena, &made, err))
        return -1;
    *ret_id = made.id;
    return 0;
}

static int
s_environment (job_t *self, const char **ret_id, berth_error_t *err)
{
    const run_options_t *options = &self->options;
    return options->on ? resolve_environment (self->given, options->on, ret_id, err)
                       : s_sandbox (self, ret_id, err);
}

//  What can be said without asking anybody.
static int
s_check (const job_t *self, berth_error_t *err)
{
    const run_options_t *options = &self->options;
    if (self->given->tail_count == 0) {
        berth_error_set (err->remedy, sizeof err->remedy, "say it behind --: berth run -- make test");
        return berth_fail (err, BERTH_INVALID, "the command is missing");
    }
    if (options->on && (options->net || options->ro.count)) {
        berth_error_set (err->remedy, sizeof err->remedy, "change its config: berth env update %.80s --config JSON",
                         options->on);
        return berth_fail (err, BERTH_INVALID, "--net and --ro: '%.80s' has walls of its own", options->on);
    }
    for (size_t index = 0; index < options->ro.count; index++) {
        const char *path = arena_text (self->given->arena, (const char *) options->ro.items [index].data,
                                       options->ro.items [index].size);
        if (access (path, F_OK))
            return berth_fail_errno (err, BERTH_INVALID, "--ro '%s'", path);
    }
    return 0;
}

//  ---- the workspace

static int
s_folder (job_t *self, berth_error_t *err)
{
    const run_options_t *options = &self->options;
    arena_t *arena = self->given->arena;
    if (berth_null (run_options, options, workspace)) {
        if (!options->give_back)
            return 0;
        return berth_fail (err, BERTH_INVALID, "--return needs a workspace to return to");
    }
    const char *asked = berth_has (run_options, options, workspace)
        ? arena_text (arena, (const char *) options->workspace.data, options->workspace.size) : ".";
    char *path = realpath (asked, NULL);
    if (!path)
        return berth_fail_errno (err, BERTH_INVALID, "workspace '%s'", asked);
    self->folder = arena_string (arena, path);
    free (path);
    int folder = open (self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return berth_fail_errno (err, BERTH_INVALID, "workspace '%s'", asked);
    close (folder);
    if (strcmp (self->folder, "/") == 0 && !berth_has (run_options, options, workspace)) {
        berth_error_set (err->remedy, sizeof err->remedy, "say --workspace DIR, or --no-workspace");
        return berth_fail (err, BERTH_INVALID, "the current folder is /: a copy of all is hardly meant");
    }
    return 0;
}

static int
s_realize (job_t *self, berth_error_t *err)
{
    realized_workspace_t workspace = {
        .cwd = { (const uint8_t *) self->folder, strlen (self->folder) }
    };
    berth_put (realized_workspace, &workspace, source, workspace_source_TASK_SESSION);
    run_realize_t ask = { .company = self->given->company, .run = self->run, .workspace = &workspace };
    if (self->options.give_back)
        berth_put (run_realize, &ask, return_mode, workspace_return_mode_MUST);
    if (self->options.excludes.count)
        berth_put (run_realize, &ask, excludes, self->options.excludes);
    berth_put (run_realize, &ask, timeout_ms, REALIZE_MS);
    berth_ask_t how = { .deadline_ms = REALIZE_MS, .credit = BERTH_CHUNK_MAX };
    run_realized_t realized;
    int rc = attach_call (self->given->bus, REQUEST_RUN_REALIZE, &ask, &how, self->signals,
                          self->given->arena, &realized, &self->signal, err);
    berth_bytes_t transfer = any_get (rc ? berth_empty_map : realized.record, "transfer");
    uint64_t saved = any_number (transfer, "savedBytes", 0);
    if (saved && !self->given->common.quiet)
        output_note ("workspace: %llu bytes went, %llu were there already",
                     (unsigned long long) any_number (transfer, "bytes", 0), (unsigned long long) saved);
    return rc;
}

//  ---- the command

//  NAME=VALUE, or NAME as it is here.
static int
s_env (const job_t *self, bool tty, berth_bytes_t *ret_env, berth_error_t *err)
{
    arena_t *arena = self->given->arena;
    berth_bytes_t env = berth_empty_map;
    if (tty && getenv ("TERM"))
        env = any_set_text (env, "TERM", getenv ("TERM"), arena);
    for (size_t index = 0; index < self->options.env.count; index++) {
        char *name = arena_text (arena, (const char *) self->options.env.items [index].data,
                                 self->options.env.items [index].size);
        char *value = strchr (name, '=');
        if (value)
            *value++ = 0;
        else
            value = getenv (name);
        if (!*name)
            return berth_fail (err, BERTH_INVALID, "--env: a name is missing before =");
        if (!value)
            continue;                   //  Not set here: not set there
        berth_buffer_t buffer = { .arena = arena };
        msgpack_packer pk;
        msgpack_packer_init (&pk, &buffer, berth_buffer_write);
        s_pack_text (&pk, value);
        env = any_set (env, name, berth_buffer_bytes (&buffer), arena);
    }
    *ret_env = env;
    return 0;
}

static int
s_start (job_t *self, bool tty, const char *id, berth_error_t *err)
{
    const run_options_t *options = &self->options;
    const lease_t *lease = self->acquired.lease;
    exec_start_t ask = { .lease = lease->id, .id = id, .command = self->given->tail [0] };
    berth_put (exec_start, &ask, generation, lease->generation);
    if (self->given->tail_count > 1)
        berth_put (exec_start, &ask, args, ((berth_blobs_t) { self->given->tail_count - 1,
                                                              self->given->tail + 1 }));
    if (berth_has (run_options, options, cwd))
        berth_put (exec_start, &ask, cwd, options->cwd);
    if (s_env (self, tty, &ask.env, err))
        return -1;
    berth_put (exec_start, &ask, stdin_open, true);
    exec_tty_t size = { .cols = 80, .rows = 24 };
    if (tty) {
        (void) terminal_size (&size.cols, &size.rows);
        berth_put (exec_tty, &size, cols, size.cols);
        berth_put (exec_tty, &size, rows, size.rows);
        ask.tty = &size;
    }
    if (options->timeout_ms)
        berth_put (exec_start, &ask, timeout_ms, options->timeout_ms);
    berth_put (exec_start, &ask, spool_max, SPOOL_MAX);
    berth_put (exec_start, &ask, on_full, exec_on_full_BLOCK);
    berth_ask_t how = { .deadline_ms = 60000 };
    return attach_call (self->given->bus, REQUEST_EXEC_START, &ask, &how, self->signals,
                        self->given->arena, NULL, &self->signal, err);
}

static int
s_execute (job_t *self, int *ret_status, berth_error_t *err)
{
    bool tty = berth_has (run_options, &self->options, tty) ? self->options.tty : terminal_both ();
    char id [BERTH_ID_SIZE];
    berth_id_new (id);
    int rc = s_start (self, tty, id, err);
    if (rc)
        return rc;
    attach_t attach = {
        .bus = self->given->bus, .exec = id, .company = self->given->company, .run = self->run,
        .stream = exec_stream_ALL, .follow = true, .input = true, .tty = tty, .signals = self->signals
    };
    if ((rc = attach_stream (&attach, &self->signal, err)) != 0)
        return rc;
    exec_t end;
    if ((rc = attach_wait (self->given->bus, id, self->signals, self->given->arena, &end, err)) != 0) {
        self->signal = SIGINT;
        return rc;
    }
    *ret_status = attach_status ("run", &end);
    return 0;
}

//  ---- home

static int
s_return (job_t *self, berth_error_t *err)
{
    const lease_t *lease = self->acquired.lease;
    workspace_return_t ask = { .lease = lease->id };
    berth_put (workspace_return, &ask, generation, lease->generation);
    workspace_returned_t returned;
    berth_ask_t how = { .deadline_ms = REALIZE_MS, .credit = BERTH_CHUNK_MAX };
    int rc = attach_call (self->given->bus, REQUEST_WORKSPACE_RETURN, &ask, &how, self->signals,
                          self->given->arena, &returned, &self->signal, err);
    if (rc == 0 && !self->given->common.quiet)
        returned_note (&returned);
    return rc;
}

//  Gives everything back. The first signal meanwhile is heard and waited out, another one leaves.
static void
s_release (job_t *self, bool failed)
{
    release_for_run_t ask = { .company = self->given->company, .run = self->run };
    ask.status = failed ? "failed" : "released";
    berth_ask_t how = { .deadline_ms = RELEASE_MS };
    berth_error_t err = { 0 };
    run_released_t released = { .errors = { .count = 0 } };
    int rc = attach_call (self->given->bus, REQUEST_RUN_RELEASE, &ask, &how, self->signals,
                          self->given->arena, &released, NULL, &err);
    if (rc > 0) {
        output_note ("giving the place back; once more leaves at once");
        rc = attach_call (self->given->bus, REQUEST_RUN_RELEASE, &ask, &how, self->signals,
                          self->given->arena, &released, NULL, &err);
    }
    if (rc < 0 && err.code != BERTH_NOT_FOUND)
        output_note ("run: the place was not given back: %s; see: berth lease list", err.text);
    for (size_t index = 0; rc == 0 && index < released.errors.count; index++)
        output_note ("run: lease %s was not given back: %s", released.errors.items [index].lease,
                     released.errors.items [index].error);
}

//  ---- the road

static int
s_road (job_t *self, int *ret_status, berth_error_t *err)
{
    run_acquire_t ask = { .company = self->given->company, .run = self->run };
    const char *unit = self->options.unit;
    int rc = s_environment (self, &ask.selected, err);
    if (rc || (unit && resolve_workspace (self->given, unit, &ask.workspace, err)))
        return -1;
    berth_ask_t how = service_ask (self->given, unit ? -1 : ACQUIRE_MS);    //  Who waits can leave
    how.credit = BERTH_CHUNK_MAX;
    acquire_wait_t wait = { .quiet = self->given->common.quiet };
    self->held = true;
    if ((rc = attach_call_told (self->given->bus, REQUEST_RUN_ACQUIRE, &ask, &how, self->signals,
                                self->given->arena, &self->acquired, &self->signal, acquire_told, &wait,
                                err)) != 0)
        return rc;
    if (!self->acquired.lease)
        return berth_fail (err, BERTH_INTERNAL, "the service answered run.acquire without a lease");
    if (self->folder && (rc = s_realize (self, err)) != 0)
        return rc;
    if ((rc = s_execute (self, ret_status, err)) != 0)
        return rc;
    return self->options.give_back ? s_return (self, err) : 0;
}

static int
s_service (job_t *self, berth_error_t *err)
{
    invocation_t *given = self->given;
    bool named;
    berth_error_t none = { 0 };
    int rc = service_find (given, &named, &none);
    if (rc && named) {
        *err = none;
        return -1;
    }
    //  An environment by name is a running service's.
    if (named || (rc == 0 && (self->options.on || service_answers (given))))
        return service_connect (given, err);
    if (!given->common.quiet)
        output_note ("no service runs: a private one is started for this run");
    self->service = service_start (given, err);
    return self->service ? 0 : -1;
}

int
run_command (invocation_t *given, berth_error_t *err)
{
    job_t self = { .given = given };
    int status = 0;
    if (berth_unpack (&run_options_schema, given->body, given->arena, &self.options, err))
        return -1;
    if (s_check (&self, err) || s_folder (&self, err))
        return -1;
    self.signals = terminal_signals ();
    char id [BERTH_ID_SIZE];
    berth_id_new (id);
    self.run = self.options.run ? self.options.run : id;
    int rc = s_service (&self, err);
    if (rc == 0) {
        rc = s_road (&self, &status, err);
        if (self.held)
            s_release (&self, rc < 0);
    }
    service_stop (&self.service);
    close (self.signals);
    if (rc > 0 && self.signal != SIGPIPE && !given->common.quiet)
        output_note ("run: given up");
    return rc < 0 ? -1 : rc > 0 ? 128 + self.signal : status;
}
