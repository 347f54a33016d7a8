//  test_exec_begin.c - the way of a start to its shim: a place that is opened for it, and a restart in
//  between.

#include "execs_fixture.h"

#include "clock.h"
#include "codec.h"

#include <signal.h>
#include <sys/stat.h>

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

static uint64_t
s_ask_start (service_t *self, exec_start_t *options, const char *script)
{
    berth_put (exec_start, options, script, bytes_of (script));
    return ask (self, REQUEST_EXEC_START, options);
}

static const char *
s_started (service_t *self, uint64_t ticket)
{
    return ((const exec_t *) hear_ok (self, REQUEST_EXEC_START, ticket))->id;
}

//  The test is `leases` here: what it is asked for, which is a place.
static letter_t
s_place_asked (service_t *self)
{
    letter_t letter;
    zmq_msg_t body, data;
    zmq_pollitem_t item = { zsock_resolve (self->steps), 0, ZMQ_POLLIN, 0 };
    assert_true (zmq_poll (&item, 1, WAIT_MS) == 1);
    assert_int_equal (post_receive (item.socket, &letter, sizeof letter, &body, &data), 0);
    assert_int_equal (letter.type, REQUEST_LEASE_PLACE);
    assert_int_equal (letter.answer_to, ACTOR_EXECS);
    assert_true (letter.deadline_ms > berth_mono_ms ());
    zmq_msg_close (&body);
    zmq_msg_close (&data);
    return letter;
}

//  It opens the place, or not.
static void
s_answer_place (service_t *self, const char *lease_id, const char *why)
{
    letter_t letter = s_place_asked (self);
    step_done_t done = { .subject = letter.subject, .step = letter.step, .ok = !why };
    if (why) {
        berth_error_t err = { 0 };
        (void) berth_fail (&err, BERTH_PROVIDER_ERROR, "%s", why);
        done.error = effects_pack_error (&err, self->arena);
    }
    else {
        lease_t lease;
        store_txn_t *txn = NULL;
        assert_ok (store_read (self->store, &txn, &self->err), self->err);
        assert_ok (lease_get (txn, self->arena, lease_id, &lease, &self->err), self->err);
        store_txn_destroy (&txn);
        done.result = berth_pack (&lease_schema, &lease, self->arena);
    }
    letter.type = REQUEST_STEP_DONE;
    letter.roles = ROLE_INTERNAL;
    letter.deadline_ms = 0;
    assert_int_equal (post_letter (self->post, ACTOR_EXECS, NULL, INBOX_INTERNAL, &letter,
                                   berth_pack (&step_done_schema, &done, self->arena),
                                   (berth_bytes_t) { NULL, 0 }, NULL), 0);
}

//  A place of a lease's own; returns the pid of its shim.
static pid_t
s_open_place (service_t *self, const char *lease, const char *name, const char **ret_socket,
              const char **ret_folder)
{
    shim_open_t open = self->place->open;
    open.place = lease;
    *ret_socket = fixture_path (self->arena, self->place->folder, arena_printf (self->arena, "s%s", name));
    *ret_folder = fixture_path (self->arena, self->place->folder, arena_printf (self->arena, "place%s", name));
    assert_int_equal (mkdir (*ret_folder, 0755), 0);
    open.socket = bytes_of (*ret_socket);
    open.folder = bytes_of (*ret_folder);
    shim_opened_t opened;
    assert_ok (spawner_open (self->place->spawner, &open, berth_mono_ms () + WAIT_MS, self->arena,
                             &opened, &self->err), self->err);
    (void) service_lease (self, lease, *ret_socket, lease_state_ACTIVE);
    return (pid_t) opened.pid;
}

static void
test_place_on_demand (void **state)
{
    service_t *self = *state;
    const char *lease = service_lease (self, NULL, NULL, lease_state_ACTIVE);
    exec_start_t options = { .lease = lease };
    uint64_t ticket = s_ask_start (self, &options, "true");
    s_answer_place (self, lease, "no disk");
    const char *id = s_started (self, ticket);
    const exec_t *row = wait_end (self, id);
    assert_int_equal (row->cause, exec_cause_START_FAILED);
    assert_string_equal (row->reason, "no disk");

    //  Its own place, opened when it is needed
    ticket = s_ask_start (self, &options, "echo here");
    const char *folder, *socket;
    (void) s_open_place (self, lease, "2", &socket, &folder);
    s_answer_place (self, lease, NULL);
    id = s_started (self, ticket);
    assert_string_equal (read_all (self, id, exec_stream_STDOUT, 0), "here\n");
    assert_int_equal (wait_end (self, id)->cause, exec_cause_EXITED);

    //  And closed under a running exec
    id = start (self, &options, "echo up; exec sleep 100")->id;
    ticket = stream (self, id, exec_stream_STDOUT, 0, 0, 1000, true);
    assert_text (hear (self, REQUEST_EXEC_READ, ticket).data, "up\n");
    assert_ok (shim_link_call_close (socket, 0, berth_mono_ms () + WAIT_MS, &self->err), self->err);
    assert_int_equal (wait_end (self, id)->cause, exec_cause_LEASE_LOST);
    assert_true (((const exec_read_end_t *) hear_ok (self, REQUEST_EXEC_READ, ticket))->eof);

    //  What is started now finds no shim
    id = start (self, &options, "true")->id;
    row = wait_end (self, id);
    assert_int_equal (row->cause, exec_cause_START_FAILED);
}

//  A start that a restart cut off before it was with the shim: it is not answered, and begins when it
//  is asked again, with what that brings. Nothing else is started.
static void
test_lost_start (void **state)
{
    service_t *self = *state;
    const char *lease = self->lease;
    exec_start_t options = { .lease = lease };
    exec_list_t list = { .company = "acme", .lease = lease };
    berth_put (exec_list, &list, limit, 1000);
    size_t before = list_execs (self, &list)->items.count;
    options.env = any_set_text (berth_empty_map, "WORD", "secret", self->arena);
    static const request_code_t types [] = { REQUEST_EXEC_START, REQUEST_EXEC_RUN };
    for (size_t index = 0; index < BERTH_COUNT (types); index++) {
        (void) service_lease (self, lease, NULL, lease_state_ACTIVE);
        self->key = index ? "run" : "start";
        berth_put (exec_start, &options, script, bytes_of ("echo $WORD"));
        (void) ask (self, types [index], &options);
        letter_t letter = s_place_asked (self);
        service_stop (self);
        service_start (self);
        //  Both before its place is there, and joined by who asks once more.
        (void) service_lease (self, lease, self->place->socket, lease_state_ACTIVE);
        uint64_t first = ask (self, types [index], &options);
        uint64_t second = ask (self, types [index], &options);
        const void *reply = hear_ok (self, types [index], first);
        const char *id = index ? ((const exec_result_t *) reply)->exec->id : ((const exec_t *) reply)->id;
        assert_string_equal (id, letter.subject);
        (void) hear_ok (self, types [index], second);
        self->key = NULL;
        assert_string_equal (read_all (self, id, exec_stream_STDOUT, 0), "secret\n");
        assert_int_equal (wait_end (self, id)->cause, exec_cause_EXITED);
        assert_int_equal (list_execs (self, &list)->items.count, before + index + 1);
    }
}

//  A start that was answered stood in the shim's socket, and the shim died with it unread, and the
//  service, too. Nobody will ask for it again: it ends at once, and nobody who asks about it waits.
static void
test_start_lost_with_its_place (void **state)
{
    service_t *self = *state;
    char lease [BERTH_ID_SIZE], id [BERTH_ID_SIZE];
    keep (lease, service_lease (self, NULL, NULL, lease_state_ACTIVE));
    const char *socket, *folder;
    pid_t shim = s_open_place (self, lease, "3", &socket, &folder);
    exec_start_t options = { .lease = lease };
    (void) wait_end (self, start (self, &options, "true")->id);        //  The shim has greeted
    assert_int_equal (kill (shim, SIGSTOP), 0);
    berth_put (exec_start, &options, stdin_open, true);
    keep (id, start (self, &options, "cat")->id);
    service_stop (self);
    assert_int_equal (kill (shim, SIGKILL), 0);
    process_gone (shim);
    service_start (self);
    exec_write_t write = { .id = id };
    int64_t begun = berth_mono_ms ();
    hear_error (self, REQUEST_EXEC_WRITE, ask_with (self, REQUEST_EXEC_WRITE, &write, bytes_of ("x"), -1, 0),
                BERTH_CONFLICT);
    assert_int_equal (wait_end (self, id)->cause, exec_cause_START_FAILED);
    assert_in_range (berth_mono_ms () - begun, 0, 5000);                //  The tries of a connection, at most
    assert_ok (shim_link_bury (folder, berth_mono_ms () + WAIT_MS, &self->err), self->err);

    //  The same of one whose lease is over: nothing could start it again
    keep (lease, service_lease (self, NULL, NULL, lease_state_ACTIVE));
    options = (exec_start_t) { .lease = lease };
    (void) s_ask_start (self, &options, "true");
    letter_t letter = s_place_asked (self);
    service_stop (self);
    (void) service_lease (self, lease, NULL, lease_state_RELEASED);
    service_start (self);
    assert_int_equal (wait_end (self, letter.subject)->cause, exec_cause_START_FAILED);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_place_on_demand),
        cmocka_unit_test (test_lost_start),
        cmocka_unit_test (test_start_lost_with_its_place),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
