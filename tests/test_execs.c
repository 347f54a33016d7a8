//  test_execs.c - the actor of execs over a real place: starts, output, stdin, ends.

#include "execs_fixture.h"
#include "fenced.h"

#include "activity_log.h"
#include "clock.h"
#include "codec.h"
#include "ids.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int
s_setup (void **state)
{
    *state = service_new ();
    return 0;
}

static int
s_teardown (void **state)
{
    service_t *self = *state;
    service_destroy (&self);
    return 0;
}

static const exec_result_t *
s_run (service_t *self, exec_start_t *options, const char *script)
{
    exec_start_t none = { 0 };
    if (!options)
        options = &none;
    options->lease = options->lease ? options->lease : self->lease;
    berth_put (exec_start, options, script, bytes_of (script));
    return hear_ok (self, REQUEST_EXEC_RUN, ask (self, REQUEST_EXEC_RUN, options));
}

static size_t
s_entries (service_t *self, const char *exec, const char *action)
{
    store_txn_t *txn = NULL;
    activity_t row;
    size_t count = 0;
    assert_ok (store_read (self->store, &txn, &self->err), self->err);
    for (uint64_t seq = 1; activity_at (txn, self->arena, seq, &row, NULL, &self->err) == 0; seq++)
        count += strcmp (row.entity, exec) == 0 && strcmp (row.action, action) == 0;
    store_txn_destroy (&txn);
    return count;
}

static void
test_run (void **state)
{
    service_t *self = *state;
    const exec_result_t *result = s_run (self, NULL, "echo out; echo err >&2; exit 3");
    assert_int_equal (result->exec->state, exec_state_ENDED);
    assert_int_equal (result->exec->cause, exec_cause_EXITED);
    assert_int_equal (result->exec->exit_code, 3);
    assert_true (berth_null (exec, result->exec, signal));
    assert_text (result->out, "out\n");
    assert_text (result->err, "err\n");
    assert_false (result->cut);
    assert_int_equal (result->exec->stdout_bytes, 4);
    assert_string_equal (result->exec->run, "run-1");
    assert_int_equal (s_entries (self, result->exec->id, "exec.started"), 1);
    assert_int_equal (s_entries (self, result->exec->id, "exec.ended"), 1);
}

static void
test_run_cut (void **state)
{
    service_t *self = *state;
    const exec_result_t *result = s_run (self, NULL, "head -c 300000 /dev/zero; echo x >&2");
    assert_true (result->cut);
    assert_int_equal (result->out.size, 262144);
    assert_int_equal (result->exec->stdout_bytes, 300000);
    assert_text (result->err, "x\n");
}

static void
test_start_and_wait (void **state)
{
    service_t *self = *state;
    const exec_t *row = start (self, NULL, "read line < /dev/null; echo done");
    assert_int_equal (row->state, exec_state_STARTING);
    const char *id = row->id;
    assert_string_equal (read_all (self, id, exec_stream_STDOUT, 0), "done\n");
    row = wait_end (self, id);
    assert_int_equal (row->exit_code, 0);
    assert_true (row->started_at && row->ended_at >= row->started_at);
    exec_ref_t ref = { .id = id };
    const exec_t *again = hear_ok (self, REQUEST_EXEC_GET, ask (self, REQUEST_EXEC_GET, &ref));
    assert_int_equal (again->state, exec_state_ENDED);
    ref.company = "other";
    hear_error (self, REQUEST_EXEC_GET, ask (self, REQUEST_EXEC_GET, &ref), BERTH_NOT_FOUND);
    assert_string_equal (read_all (self, id, exec_stream_ALL, 2), "ne\n");
}

//  ---- what is executed

static void
test_environment (void **state)
{
    service_t *self = *state;
    exec_start_t options = { 0 };
    berth_bytes_t env = any_set_text (berth_empty_map, "BOTH", "asked", self->arena);
    berth_bytes_t plain = any_set_text (berth_empty_map, "type", "plain", self->arena);
    env = any_set (env, "PLAIN", any_set_text (plain, "value", "a b", self->arena), self->arena);
    berth_put (exec_start, &options, env, env);
    const exec_result_t *result =
        s_run (self, &options, "echo $FROM_POLICY $BOTH $PLAIN; pwd; env | grep -c BERTH_");
    assert_text (result->out, "policy asked a b\n/usr\n0\n");
    berth_put (exec_start, &options, cwd, bytes_of ("/"));
    assert_text (s_run (self, &options, "pwd")->out, "/\n");

    berth_bytes_t secret = any_set_text (berth_empty_map, "type", "secret_ref", self->arena);
    options.env = any_set (berth_empty_map, "TOKEN", secret, self->arena);
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &options), BERTH_INVALID);
    secret = any_set_text (secret, "secretId", self->lease, self->arena);
    options.env = any_set (berth_empty_map, "TOKEN", secret, self->arena);
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &options),
                BERTH_UNSUPPORTED);
    options.env = any_set_text (berth_empty_map, "1BAD", "x", self->arena);
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &options), BERTH_INVALID);
}

static void
test_command (void **state)
{
    service_t *self = *state;
    berth_bytes_t args [] = { BYTES_OF ("one two"), BYTES_OF ("") };
    exec_start_t options = { .lease = self->lease };
    berth_put (exec_start, &options, command, bytes_of ("printf"));
    options.args.count = 2;
    berth_bytes_t all [] = { BYTES_OF ("<%s>"), args [0], args [1] };
    berth_put (exec_start, &options, args, ((berth_blobs_t) { 3, all }));
    const exec_result_t *result = hear_ok (self, REQUEST_EXEC_RUN,
                                           ask (self, REQUEST_EXEC_RUN, &options));
    assert_text (result->out, "<one two><>");
    assert_int_equal (result->exec->args_count, 3);
    berth_put (exec_start, &options, script, bytes_of ("true"));
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &options), BERTH_INVALID);
    options = (exec_start_t) { .lease = self->lease };
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &options), BERTH_INVALID);
}

//  Each request about an exec or its lease refuses an old generation; and one about an exec of a place
//  that the lease has no more, whatever generation it names.
static void
s_regenerate (service_t *self, uint64_t generation)
{
    lease_t lease;
    store_txn_t *txn = NULL;
    assert_ok (store_begin (self->store, &txn, &self->err), self->err);
    assert_ok (lease_get (txn, self->arena, self->lease, &lease, &self->err), self->err);
    lease.generation = generation;
    assert_ok (lease_put (txn, self->arena, &lease, &self->err), self->err);
    assert_ok (store_commit (&txn, &self->err), self->err);
}

static size_t
s_all_fenced (service_t *self, const char *exec, uint64_t generation, bool starts_too)
{
    size_t rows = 0;
    for (int code = -1; (code = (int) fenced_next (ACTOR_EXECS, code)) < REQUEST_COUNT;) {
        const request_row_t *row = request_row ((request_code_t) code);
        bool starts = strcmp (fenced_about (row)->name, "leaseId") == 0;
        if (starts && !starts_too)
            continue;
        berth_bytes_t packed = fenced_body ((request_code_t) code, starts ? self->lease : exec,
                                            generation, self->arena);
        if (berth_schema_field (row->request, "script"))
            packed = any_set_text (packed, "script", "true", self->arena);
        void *body = arena_take (self->arena, row->request->size);
        assert_ok (berth_unpack_own (row->request, packed, self->arena, body, &self->err), self->err);
        hear_error (self, (request_code_t) code, ask (self, (request_code_t) code, body),
                    BERTH_FENCED);
        rows++;
    }
    return rows;
}

static void
test_fenced (void **state)
{
    service_t *self = *state;
    exec_start_t options = { .lease = self->lease };
    berth_put (exec_start, &options, script, bytes_of ("true"));
    const exec_result_t *result = hear_ok (self, REQUEST_EXEC_RUN,
                                           ask (self, REQUEST_EXEC_RUN, &options));
    const char *exec = arena_string (self->arena, result->exec->id);
    assert_true (s_all_fenced (self, exec, 6, true) >= 5);
    s_regenerate (self, 9);             //  The place was replaced
    assert_true (s_all_fenced (self, exec, 7, true) >= 5);
    assert_true (s_all_fenced (self, exec, 9, false) >= 3);     //  Nor by who has the new one
    s_regenerate (self, 7);
}

static void
test_not_started (void **state)
{
    service_t *self = *state;
    exec_start_t options = { .lease = self->lease };
    berth_put (exec_start, &options, command, bytes_of ("no-such-command"));
    const exec_result_t *result = hear_ok (self, REQUEST_EXEC_RUN,
                                           ask (self, REQUEST_EXEC_RUN, &options));
    assert_int_equal (result->exec->cause, exec_cause_START_FAILED);
    assert_non_null (strstr (result->exec->reason, "no-such-command"));
    assert_true (berth_null (exec, result->exec, exit_code));
    assert_int_equal (s_entries (self, result->exec->id, "exec.ended"), 1);
}

static void
test_who_may (void **state)
{
    service_t *self = *state;
    exec_start_t options = { .lease = self->lease };
    berth_put (exec_start, &options, script, bytes_of ("true"));
    berth_put (exec_start, &options, generation, 6);
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &options), BERTH_FENCED);
    berth_put (exec_start, &options, generation, 7);
    options.company = "other";
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &options),
                BERTH_NOT_FOUND);
    options.company = "acme";
    options.lease = service_lease (self, NULL, self->place->socket, lease_state_RELEASED);
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &options), BERTH_CONFLICT);
    char unknown [BERTH_ID_SIZE];
    berth_id_new (unknown);
    options.lease = unknown;
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &options),
                BERTH_NOT_FOUND);
}

static void
test_start_again (void **state)
{
    service_t *self = *state;
    char id [BERTH_ID_SIZE];
    berth_id_new (id);
    const char *script = "echo once >> /tmp/berth-$MARK; cat /tmp/berth-$MARK; rm /tmp/berth-$MARK";
    exec_start_t options = { .id = id };
    berth_put (exec_start, &options, env,
               any_set_text (berth_empty_map, "MARK", id, self->arena));
    const exec_result_t *result = s_run (self, &options, script);
    assert_text (result->out, "once\n");
    assert_text (s_run (self, &options, script)->out, "once\n");
    const exec_t *row = start (self, &options, script);
    assert_string_equal (row->id, id);
    assert_int_equal (row->state, exec_state_ENDED);
    assert_int_equal (s_entries (self, id, "exec.started"), 1);
    exec_start_t other = { .id = id, .lease = self->lease };
    berth_put (exec_start, &other, command, bytes_of ("other"));
    hear_error (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, &other), BERTH_CONFLICT);
}

//  A retry under one key joins what runs, and gets the same end.
static void
test_keys (void **state)
{
    service_t *self = *state;
    exec_start_t options = { .lease = self->lease };
    berth_put (exec_start, &options, script, bytes_of ("read line; echo $line"));
    berth_put (exec_start, &options, stdin_open, true);
    self->key = "key-1";
    uint64_t first = ask (self, REQUEST_EXEC_RUN, &options);
    uint64_t second = ask (self, REQUEST_EXEC_RUN, &options);
    exec_list_t list = { .company = "acme", .lease = self->lease };
    berth_put (exec_list, &list, limit, 2);
    const exec_page_t *page = list_execs (self, &list);
    const char *id = page->items.items [0].id;
    assert_int_not_equal (page->items.items [0].state, exec_state_ENDED);
    assert_int_equal (page->items.items [1].state, exec_state_ENDED);
    exec_write_t write = { .id = id };
    self->key = NULL;
    (void) hear_ok (self, REQUEST_EXEC_WRITE, ask_with (self, REQUEST_EXEC_WRITE, &write,
                                                        BYTES_OF ("word\n"), -1, 0));
    self->key = "key-1";
    const exec_result_t *result = hear_ok (self, REQUEST_EXEC_RUN, first);
    assert_string_equal (result->exec->id, id);
    result = hear_ok (self, REQUEST_EXEC_RUN, second);
    assert_string_equal (result->exec->id, id);
    assert_text (result->out, "word\n");
    result = hear_ok (self, REQUEST_EXEC_RUN, ask (self, REQUEST_EXEC_RUN, &options));
    assert_string_equal (result->exec->id, id);
    self->key = NULL;
}

//  ---- terminals, signals, time

static void
test_tty (void **state)
{
    service_t *self = *state;
    exec_tty_t size = { .cols = 90, .rows = 30 };
    exec_start_t options = { .tty = &size };
    const char *script = "tty >/dev/null && stty size; read line; stty size";
    const char *id = start (self, &options, script)->id;
    //  Written before it has started, maybe: it gets there all the same
    uint64_t ticket = stream (self, id, exec_stream_STDOUT, 0, 0, 10000, true);
    said_t said = hear (self, REQUEST_EXEC_READ, ticket);
    assert_text (said.data, "30 90\r\n");
    exec_resize_t resize = { .id = id, .cols = 100, .rows = 40 };
    (void) hear_ok (self, REQUEST_EXEC_RESIZE, ask (self, REQUEST_EXEC_RESIZE, &resize));
    exec_write_t write = { .id = id };
    uint64_t sent = ask_with (self, REQUEST_EXEC_WRITE, &write, BYTES_OF ("go\n"), -1, 0);
    (void) hear_ok (self, REQUEST_EXEC_WRITE, sent);
    assert_int_equal (wait_end (self, id)->exit_code, 0);
    assert_string_equal (read_all (self, id, exec_stream_STDOUT, 7), "go\r\n40 100\r\n");
}

static void
test_timeout (void **state)
{
    service_t *self = *state;
    exec_start_t options = { 0 };
    berth_put (exec_start, &options, timeout_ms, 50);
    berth_put (exec_start, &options, grace_ms, 100);
    const exec_result_t *result =
        s_run (self, &options, "trap 'echo term' TERM; while :; do sleep 0.01; done");
    assert_int_equal (result->exec->cause, exec_cause_TIMED_OUT);
    assert_true (result->exec->timed_out);
    assert_non_null (memmem (result->out.data, result->out.size, "term", 4));
}

static void
test_deadlines (void **state)
{
    service_t *self = *state;
    const char *id = start (self, NULL, "exec sleep 100")->id;
    exec_ref_t ref = { .id = id };
    berth_bytes_t none = { NULL, 0 };
    hear_error (self, REQUEST_EXEC_WAIT, ask_with (self, REQUEST_EXEC_WAIT, &ref, none, -1, 30),
                BERTH_DEADLINE_EXCEEDED);
    exec_read_t read = { .id = id };
    berth_put (exec_read, &read, follow, true);
    hear_error (self, REQUEST_EXEC_READ, ask_with (self, REQUEST_EXEC_READ, &read, none, 10, 30),
                BERTH_DEADLINE_EXCEEDED);
    exec_signal_t signal = { .id = id, .signal = SIGTERM };
    (void) hear_ok (self, REQUEST_EXEC_SIGNAL, ask (self, REQUEST_EXEC_SIGNAL, &signal));
    (void) wait_end (self, id);

    //  exec.run that nobody waits for any more is ended
    char run [BERTH_ID_SIZE];
    berth_id_new (run);
    exec_start_t options = { .id = run, .lease = self->lease };
    berth_put (exec_start, &options, script, bytes_of ("exec sleep 100"));
    hear_error (self, REQUEST_EXEC_RUN, ask_with (self, REQUEST_EXEC_RUN, &options, none, -1, 50),
                BERTH_DEADLINE_EXCEEDED);
    assert_int_equal (wait_end (self, run)->cause, exec_cause_KILLED_BY_POLICY);
}

//  ---- places and restarts

static void
test_restart (void **state)
{
    service_t *self = *state;
    exec_start_t options = { 0 };
    berth_put (exec_start, &options, stdin_open, true);
    char id [BERTH_ID_SIZE], ended [BERTH_ID_SIZE];
    keep (id, start (self, &options, "echo before; read line; echo $line; exit 5")->id);
    keep (ended, start (self, &options, "read line; echo $line")->id);
    exec_write_t write = { .id = id };
    uint64_t ticket = stream (self, id, exec_stream_STDOUT, 0, 0, 1000, true);
    assert_text (hear (self, REQUEST_EXEC_READ, ticket).data, "before\n");
    //  Both run, and one of them ends while nobody is there
    read_all (self, start (self, NULL, "true")->id, exec_stream_ALL, 0);
    service_stop (self);
    shim_message_t last = { 0 };
    berth_put (shim_message, &last, data, BYTES_OF ("away\n"));
    berth_put (shim_message, &last, offset, 0);
    place_send (self->place, &last, shim_op_WRITE, ended);
    (void) place_wait (self->place, shim_op_ENDED, ended);
    service_start (self);
    assert_int_equal (wait_end (self, ended)->exit_code, 0);
    assert_string_equal (read_all (self, ended, exec_stream_STDOUT, 0), "away\n");
    ticket = stream (self, id, exec_stream_STDOUT, 0, 0, 1000, true);
    assert_text (hear (self, REQUEST_EXEC_READ, ticket).data, "before\n");
    uint64_t sent = ask_with (self, REQUEST_EXEC_WRITE, &write, BYTES_OF ("after\n"), -1, 0);
    (void) hear_ok (self, REQUEST_EXEC_WRITE, sent);
    assert_text (hear (self, REQUEST_EXEC_READ, ticket).data, "after\n");
    assert_true (((const exec_read_end_t *) hear_ok (self, REQUEST_EXEC_READ, ticket))->eof);
    assert_int_equal (wait_end (self, id)->exit_code, 5);
    assert_int_equal (s_entries (self, id, "exec.ended"), 1);
    service_stop (self);
    service_start (self);
    assert_int_equal (wait_end (self, id)->exit_code, 5);
    assert_string_equal (read_all (self, id, exec_stream_ALL, 0), "before\nafter\n");
}

//  Breaks the actor's connection to the shim, which goes on.
static void
s_break (service_t *self)
{
    int broken = 0;
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_un name;
        socklen_t size = sizeof name;
        memset (&name, 0, sizeof name);
        if (fd == shim_link_fd (self->place->link)
            || getpeername (fd, (struct sockaddr *) &name, &size)
            || strcmp (name.sun_path, self->place->socket))
            continue;
        broken += shutdown (fd, SHUT_RDWR) == 0;
    }
    assert_int_equal (broken, 1);
}

static void
test_connection_breaks (void **state)
{
    service_t *self = *state;
    exec_start_t options = { 0 };
    berth_put (exec_start, &options, stdin_open, true);
    const char *id = start (self, &options, "while read line; do echo $line; done")->id;
    uint64_t ticket = stream (self, id, exec_stream_STDOUT, 0, 0, 1000, true);
    exec_write_t write = { .id = id };
    const char *const lines [] = { "one\n", "two\n", "six\n" };
    for (uint64_t index = 0; index < 3; index++) {
        berth_put (exec_write, &write, offset, index * 4);
        berth_bytes_t line = bytes_of (lines [index]);
        uint64_t sent = ask_with (self, REQUEST_EXEC_WRITE, &write, line, -1, 0);
        const exec_written_t *written = hear_ok (self, REQUEST_EXEC_WRITE, sent);
        assert_int_equal (written->offset, index * 4 + 4);
        assert_text (hear (self, REQUEST_EXEC_READ, ticket).data, lines [index]);
        s_break (self);
        //  Gone for the next request too, until it is made again
        exec_ref_t ref = { .id = id };
        const exec_t *row = hear_ok (self, REQUEST_EXEC_GET, ask (self, REQUEST_EXEC_GET, &ref));
        assert_int_equal (row->state, exec_state_RUNNING);
        (void) s_run (self, NULL, "true");
    }
    berth_put (exec_write, &write, offset, 12);
    berth_put (exec_write, &write, eof, true);
    (void) hear_ok (self, REQUEST_EXEC_WRITE, ask (self, REQUEST_EXEC_WRITE, &write));
    assert_int_equal (wait_end (self, id)->exit_code, 0);
    assert_int_equal (s_entries (self, id, "exec.ended"), 1);
}

static void
test_shim_dies (void **state)
{
    service_t *self = *state;
    char id [BERTH_ID_SIZE], again [BERTH_ID_SIZE];
    shim_open_t open = self->place->open;
    char lease [BERTH_ID_SIZE];
    berth_id_new (lease);
    open.place = lease;
    const char *socket = fixture_path (self->arena, self->place->folder, "s3");
    const char *folder = fixture_path (self->arena, self->place->folder, "place3");
    assert_int_equal (mkdir (folder, 0755), 0);
    open.socket = bytes_of (socket);
    open.folder = bytes_of (folder);
    shim_opened_t opened;
    assert_ok (spawner_open (self->place->spawner, &open, berth_mono_ms () + WAIT_MS, self->arena,
                             &opened, &self->err), self->err);
    (void) service_lease (self, lease, socket, lease_state_ACTIVE);
    exec_start_t options = { .lease = lease };
    keep (id, start (self, &options, "echo up; exec sleep 100")->id);
    keep (again, start (self, &options, "echo too; exec sleep 100")->id);
    uint64_t ticket = stream (self, id, exec_stream_STDOUT, 0, 0, 1000, true);
    assert_text (hear (self, REQUEST_EXEC_READ, ticket).data, "up\n");
    ticket = stream (self, again, exec_stream_STDOUT, 0, 0, 1000, true);
    assert_text (hear (self, REQUEST_EXEC_READ, ticket).data, "too\n");
    assert_int_equal (kill ((pid_t) opened.pid, SIGKILL), 0);
    const exec_t *row = wait_end (self, id);
    assert_int_equal (row->cause, exec_cause_PROVIDER_LOST);
    assert_int_equal (row->stdout_bytes, 3);
    assert_non_null (row->reason);
    assert_int_equal (wait_end (self, again)->cause, exec_cause_PROVIDER_LOST);
    assert_string_equal (read_all (self, id, exec_stream_STDOUT, 0), "up\n");
    assert_ok (shim_link_bury (folder, berth_mono_ms () + WAIT_MS, &self->err), self->err);
}

//  ---- many

static void
test_many (void **state)
{
    service_t *self = *state;
    enum { MANY = 200 };
    uint64_t tickets [MANY];
    for (int index = 0; index < MANY; index++) {
        exec_start_t options = { .lease = self->lease };
        const char *script = arena_printf (self->arena, "echo %d; exit %d", index, index % 100);
        berth_put (exec_start, &options, script, bytes_of (script));
        tickets [index] = ask (self, REQUEST_EXEC_RUN, &options);
    }
    for (int index = 0; index < MANY; index++) {
        const exec_result_t *result = hear_ok (self, REQUEST_EXEC_RUN, tickets [index]);
        assert_int_equal (result->exec->exit_code, index % 100);
        assert_text (result->out, arena_printf (self->arena, "%d\n", index));
    }
    exec_list_t list = { .company = "acme", .lease = self->lease };
    berth_put (exec_list, &list, limit, 30);
    size_t seen = 0;
    int64_t newest = INT64_MAX;
    while (true) {
        const exec_page_t *page = list_execs (self, &list);
        for (size_t index = 0; index < page->items.count; index++, seen++) {
            assert_true (page->items.items [index].created_at <= newest);
            newest = page->items.items [index].created_at;
        }
        if (!page->next)
            break;
        berth_put (exec_list, &list, cursor, page->next);
    }
    assert_true (seen >= MANY);
    list = (exec_list_t) { .company = "acme" };
    berth_put (exec_list, &list, state, exec_state_RUNNING);
    const exec_page_t *page = list_execs (self, &list);
    assert_int_equal (page->items.count, 0);
    assert_null (page->next);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_run),
        cmocka_unit_test (test_run_cut),
        cmocka_unit_test (test_start_and_wait),
        cmocka_unit_test (test_environment),
        cmocka_unit_test (test_command),
        cmocka_unit_test (test_not_started),
        cmocka_unit_test (test_who_may),
        cmocka_unit_test (test_fenced),
        cmocka_unit_test (test_start_again),
        cmocka_unit_test (test_keys),
        cmocka_unit_test (test_tty),
        cmocka_unit_test (test_timeout),
        cmocka_unit_test (test_deadlines),
        cmocka_unit_test (test_restart),
        cmocka_unit_test (test_connection_breaks),
        cmocka_unit_test (test_shim_dies),
        cmocka_unit_test (test_many),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
