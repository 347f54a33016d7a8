//  execs.c - owns the commands about execs that do more than ask and print, and `workspace return`.

#include "attach.h"
#include "output.h"
#include "returned.h"
#include "service.h"
#include "terminal.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

void
returned_note (const workspace_returned_t *returned)
{
    own (arena) arena = arena_new ();
    if (returned->added + returned->changed + returned->deleted + returned->conflicts
        + returned->refused == 0)
        output_note ("nothing changed");
    else
        output_note ("home: %llu added, %llu changed, %llu deleted (%s)%s",
                     (unsigned long long) returned->added, (unsigned long long) returned->changed,
                     (unsigned long long) returned->deleted, output_size (returned->bytes, arena),
                     returned->conflicts ? ", with conflicts:" : "");
    for (size_t index = 0; index < returned->changes.count; index++) {
        const workspace_change_t *change = &returned->changes.items [index];
        const char *path = output_clean (change->path, arena);
        if (change->other.size)
            output_note ("conflict: %s (the place's version: %s)", path, output_clean (change->other, arena));
        else if (change->reason)
            output_note ("left behind: %s: %s", path, change->reason);
    }
    if (returned->commits && returned->commits_ref)
        output_note ("commits: %s: they stand at %s (%s)", returned->commits, returned->commits_ref,
                     returned->commits_reason ? returned->commits_reason : "");
    else if (returned->commits)
        output_note ("commits: %s%s%s%s%s", returned->commits, returned->head ? " to " : "",
                     returned->head ? returned->head : "", returned->commits_reason ? ": " : "",
                     returned->commits_reason ? returned->commits_reason : "");
    if (returned->cut)
        output_note ("%llu conflicts, %llu left behind in all", (unsigned long long) returned->conflicts,
                     (unsigned long long) returned->refused);
}

//  128+n of what ended our waiting; the exec goes on.
static int
s_left (const char *exec, int number)
{
    if (number != SIGPIPE)
        output_note ("left; it goes on: berth exec attach %s", exec);
    return 128 + (number ? number : SIGINT);
}

int
start_command (invocation_t *self, berth_error_t *err)
{
    exec_start_t ask;
    if (berth_unpack (&exec_start_schema, self->body, self->arena, &ask, err))
        return -1;
    if (self->tail_count) {
        berth_put (exec_start, &ask, command, self->tail [0]);
        if (self->tail_count > 1)
            berth_put (exec_start, &ask, args, ((berth_blobs_t) { self->tail_count - 1, self->tail + 1 }));
    }
    else if (!berth_has (exec_start, &ask, script)) {
        berth_error_set (err->remedy, sizeof err->remedy, "say it behind --, or --script TEXT");
        return berth_fail (err, BERTH_INVALID, "the command is missing");
    }
    berth_ask_t how = service_ask (self, 60000);
    berth_bytes_t reply;
    output_t out = output_stdout (self->common.json, self->common.quiet);
    if (berth_client_call (self->bus, "exec.start", berth_pack (&exec_start_schema, &ask, self->arena),
                           &how, self->arena, &reply, err))
        return -1;
    return output_reply (&out, &exec_schema, reply, true, self->arena, err) < 0 ? -1 : 0;
}

static int
s_get (invocation_t *self, const char *id, exec_t *ret_exec, berth_error_t *err)
{
    exec_ref_t ref = { .id = id };
    berth_ask_t how = service_ask (self, 0);
    return berth_client_ask (self->bus, REQUEST_EXEC_GET, &ref, &how, self->arena, ret_exec, err);
}

int
attach_command (invocation_t *self, berth_error_t *err)
{
    exec_t exec;
    if (s_get (self, any_text (self->body, "execId", self->arena), &exec, err))
        return -1;
    if (exec.state == exec_state_ENDED) {
        output_note ("it has ended; its output: berth exec logs %s", exec.id);
        return attach_status ("exec attach", &exec);
    }
    attach_t attach = {
        .bus = self->bus, .exec = exec.id, .stream = exec_stream_ALL, .follow = true,
        .from = exec.stdout_bytes + exec.stderr_bytes,
        .input = exec.stdin_open, .tty = exec.tty && terminal_both (), .signals = terminal_signals ()
    };
    if (exec.stdin_open) {              //  Where its stdin is: what an empty write is answered
        exec_write_t ask = { .id = exec.id };
        exec_written_t written;
        berth_ask_t how = service_ask (self, 0);
        if (berth_client_ask (self->bus, REQUEST_EXEC_WRITE, &ask, &how, self->arena, &written, err))
            return -1;
        attach.input_from = written.offset;
        attach.input = !written.eof;
    }
    int number = 0, rc = attach_stream (&attach, &number, err);
    if (rc)
        return rc < 0 ? -1 : s_left (exec.id, number);
    rc = attach_wait (self->bus, exec.id, attach.signals, self->arena, &exec, err);
    return rc < 0 ? -1 : rc ? s_left (exec.id, SIGINT) : attach_status ("exec attach", &exec);
}

int
logs_command (invocation_t *self, berth_error_t *err)
{
    exec_read_t ask;
    if (berth_unpack (&exec_read_schema, self->body, self->arena, &ask, err))
        return -1;
    attach_t attach = {
        .bus = self->bus, .exec = ask.id, .stream = ask.stream ? ask.stream : exec_stream_ALL,
        .from = ask.from, .limit = ask.limit, .follow = ask.follow, .signals = -1
    };
    int number = 0, rc = attach_stream (&attach, &number, err);
    return rc < 0 ? -1 : rc ? 128 + number : 0;
}

int
wait_command (invocation_t *self, berth_error_t *err)
{
    exec_t exec;
    const char *id = any_text (self->body, "execId", self->arena);
    int rc = attach_wait (self->bus, id, -1, self->arena, &exec, err);
    if (rc)
        return -1;
    if (self->common.json)
        printf ("%s\n", output_json (&exec_schema, berth_pack (&exec_schema, &exec, self->arena), self->arena));
    return attach_status ("exec wait", &exec);
}

int
return_command (invocation_t *self, berth_error_t *err)
{
    workspace_return_t ask;
    workspace_returned_t returned;
    if (berth_unpack (&workspace_return_schema, self->body, self->arena, &ask, err))
        return -1;
    berth_ask_t how = service_ask (self, 3600000);
    how.credit = BERTH_CHUNK_MAX;
    int signals = terminal_signals (), number = 0;
    int rc = attach_call (self->bus, REQUEST_WORKSPACE_RETURN, &ask, &how, signals, self->arena,
                          &returned, &number, err);
    if (rc)
        return rc < 0 ? -1 : 128 + number;
    if (self->common.json)
        printf ("%s\n", output_json (&workspace_returned_schema,
                berth_pack (&workspace_returned_schema, &returned, self->arena), self->arena));
    else
        returned_note (&returned);
    return returned.conflicts ? berth_code_exit (BERTH_CONFLICT) : 0;
}

//  A diff for a pager or `git apply`, unless JSON was asked for.
int
diff_command (invocation_t *self, berth_error_t *err)
{
    workspace_diff_t ask;
    workspace_returned_t found;
    if (berth_unpack (&workspace_diff_schema, self->body, self->arena, &ask, err))
        return -1;
    if (!self->common.json)
        berth_put (workspace_diff, &ask, unified, true);
    berth_ask_t how = service_ask (self, 3600000);
    how.credit = BERTH_CHUNK_MAX;
    int signals = terminal_signals (), number = 0;
    int rc = attach_call (self->bus, REQUEST_WORKSPACE_DIFF, &ask, &how, signals, self->arena,
                          &found, &number, err);
    if (rc)
        return rc < 0 ? -1 : 128 + number;
    if (self->common.json) {
        printf ("%s\n", output_json (&workspace_returned_schema,
                berth_pack (&workspace_returned_schema, &found, self->arena), self->arena));
        return 0;
    }
    fwrite (found.patch.data, 1, found.patch.size, stdout);
    if (!self->common.quiet)
        returned_note (&found);
    if (found.patch_cut)
        output_note ("the diff has no room for all of it: --json names every path");
    return 0;
}
