//  execs_fixture.c - owns an actor of execs for tests, and what is said to it.

#include "execs_fixture.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"

#include <stdio.h>

struct said {
    struct said *next;
    answer_t answer;
    zmq_msg_t body, data;
};

void
service_start (service_t *self)
{
    self->wiring = wiring_new ();
    self->context.wiring = self->wiring;
    self->execs = execs_new (&self->context, &self->err);
    if (!self->execs)
        fail_msg ("%s", self->err.text);
    self->answers = wiring_take (self->wiring, ACTOR_FRONT, NULL, INBOX_INTERNAL);
    self->steps = wiring_take (self->wiring, ACTOR_LEASES, NULL, INBOX_INTERNAL);
    self->post = post_new (self->wiring);
    self->actor = zactor_new (execs_actor, self->execs);
}

void
service_stop (service_t *self)
{
    zactor_destroy (&self->actor);
    execs_destroy (&self->execs);
    post_destroy (&self->post);
    zsock_destroy (&self->answers);
    zsock_destroy (&self->steps);
    wiring_destroy (&self->wiring);
    while (self->said) {
        struct said *said = self->said;
        self->said = said->next;
        zmq_msg_close (&said->body);
        zmq_msg_close (&said->data);
        free (said);
    }
}

const char *
service_lease (service_t *self, const char *id, const char *socket, lease_state_t state)
{
    char fresh [BERTH_ID_SIZE];
    berth_id_new (fresh);
    if (!id)
        id = arena_string (self->arena, fresh);
    environment_policy_t policy = { 0 };
    policy.env = any_set_text (berth_empty_map, "FROM_POLICY", "policy", self->arena);
    policy.env = any_set_text (policy.env, "BOTH", "policy", self->arena);
    lease_t lease = {
        .id = id, .company = "acme", .env = self->place->id, .run = "run-1",
        .status = lease_status_ACTIVE, .state = state, .policy = lease_policy_EPHEMERAL,
        .generation = 7, .acquired_at = 1, .last_used_at = 1, .created_at = 1, .updated_at = 1,
        .metadata = any_set_text (berth_empty_map, "remoteCwd", "/usr", self->arena),
        .env_policy = &policy,
    };
    if (socket)
        lease.shim = (berth_bytes_t) { (const uint8_t *) socket, strlen (socket) };
    store_txn_t *txn = NULL;
    assert_ok (store_begin (self->store, &txn, &self->err), self->err);
    assert_ok (lease_put (txn, self->arena, &lease, &self->err), self->err);
    assert_ok (store_commit (&txn, &self->err), self->err);
    return id;
}

service_t *
service_new (void)
{
    service_t *self = calloc (1, sizeof *self);
    self->place = place_new (false);        //  Before any thread
    place_open (self->place);
    zsys_handler_set (NULL);
    self->arena = arena_new ();
    const uint64_t room = 256 * 1048576;
    assert_ok (store_open (self->place->folder, room, &self->store, &self->err), self->err);
    self->context = (context_t) {
        .store = self->store, .host = { .state = self->place->folder },
    };
    self->lease = service_lease (self, self->place->id, self->place->socket, lease_state_ACTIVE);
    service_start (self);
    return self;
}

void
service_destroy (service_t **self_p)
{
    service_t *self = *self_p;
    service_stop (self);
    store_destroy (&self->store);
    place_destroy (&self->place);
    arena_destroy (&self->arena);
    free (self);
    *self_p = NULL;
}

//  ---- asking

uint64_t
ask_with (service_t *self, request_code_t type, const void *body, berth_bytes_t data,
          int64_t credit, int64_t deadline_ms)
{
    letter_t letter = {
        .magic = LETTER_MAGIC, .type = (uint16_t) type, .answer_to = ACTOR_FRONT,
        .roles = ROLE_OPERATOR, .ticket = ++self->ticket, .streams = credit >= 0,
        .credit = credit > 0 ? (uint64_t) credit : 0,
        .deadline_ms = deadline_ms ? berth_mono_ms () + deadline_ms : 0, .principal = "operator",
    };
    snprintf (letter.key, sizeof letter.key, "%s", self->key ? self->key : "");
    berth_bytes_t packed = berth_pack (request_row (type)->request, body, self->arena);
    assert_int_equal (post_letter (self->post, ACTOR_EXECS, NULL, INBOX_CLIENTS, &letter, packed,
                                   data, NULL), 0);
    return letter.ticket;
}

uint64_t
ask (service_t *self, request_code_t type, const void *body)
{
    return ask_with (self, type, body, (berth_bytes_t) { NULL, 0 }, -1, 0);
}

static void
s_control (service_t *self, request_code_t type, uint64_t ticket, uint64_t credit)
{
    letter_t letter = { .magic = LETTER_MAGIC, .type = (uint16_t) type, .ticket = ticket,
                        .credit = credit };
    assert_int_equal (post_letter (self->post, ACTOR_EXECS, NULL, INBOX_INTERNAL, &letter,
                                   berth_empty_map, (berth_bytes_t) { NULL, 0 }, NULL), 0);
}

void
grant (service_t *self, uint64_t ticket, uint64_t credit)
{
    s_control (self, REQUEST_STREAM_CREDIT, ticket, credit);
}

void
cancel (service_t *self, uint64_t ticket)
{
    s_control (self, REQUEST_STREAM_CANCEL, ticket, 0);
}

//  ---- hearing

static struct said *
s_receive (service_t *self)
{
    struct said *said = calloc (1, sizeof *said);
    if (post_receive (zsock_resolve (self->answers), &said->answer, sizeof said->answer,
                      &said->body, &said->data)) {
        free (said);
        return NULL;
    }
    assert_int_equal (said->answer.magic, ANSWER_MAGIC);
    return said;
}

static void
s_receive_all (service_t *self)
{
    struct said **last = &self->said;
    while (*last)
        last = &(*last)->next;
    while ((*last = s_receive (self)))
        last = &(*last)->next;
}

static struct said *
s_take (service_t *self, uint64_t ticket)
{
    for (struct said **at = &self->said; *at; at = &(*at)->next)
        if ((*at)->answer.ticket == ticket) {
            struct said *said = *at;
            *at = said->next;
            return said;
        }
    return NULL;
}

bool
is_silent (service_t *self, uint64_t ticket)
{
    s_receive_all (self);
    for (struct said *said = self->said; said; said = said->next)
        if (said->answer.ticket == ticket)
            return false;
    return true;
}

static berth_bytes_t
s_copy (service_t *self, zmq_msg_t *frame)
{
    berth_bytes_t bytes = { arena_copy (self->arena, zmq_msg_data (frame), zmq_msg_size (frame)),
                            zmq_msg_size (frame) };
    zmq_msg_close (frame);
    return bytes;
}

said_t
hear (service_t *self, request_code_t type, uint64_t ticket)
{
    int64_t deadline = berth_mono_ms () + WAIT_MS;
    struct said *said;
    s_receive_all (self);
    while (!(said = s_take (self, ticket))) {
        zmq_pollitem_t item = { zsock_resolve (self->answers), 0, ZMQ_POLLIN, 0 };
        int64_t left = deadline - berth_mono_ms ();
        if (left <= 0)
            fail_msg ("no answer to %s in time", request_row (type)->type);
        (void) zmq_poll (&item, 1, (long) left);
        s_receive_all (self);
    }
    said_t heard = { .status = said->answer.status };
    const berth_schema_t *schema = heard.status == reply_status_STREAM ? &stream_chunk_schema
                                 : heard.status == reply_status_OK ? request_row (type)->reply
                                                                   : &error_body_schema;
    berth_bytes_t body = s_copy (self, &said->body);
    heard.data = s_copy (self, &said->data);
    free (said);
    void *message = arena_take (self->arena, schema->size);
    assert_ok (berth_unpack (schema, body, self->arena, message, &self->err), self->err);
    heard.body = message;
    return heard;
}

const void *
hear_ok (service_t *self, request_code_t type, uint64_t ticket)
{
    said_t said = hear (self, type, ticket);
    if (said.status != reply_status_OK) {
        const error_body_t *why = said.body;
        fail_msg ("%s: %s: %s", request_row (type)->type, why->code, why->message);
    }
    return said.body;
}

void
hear_error (service_t *self, request_code_t type, uint64_t ticket, berth_code_t code)
{
    said_t said = hear (self, type, ticket);
    if (said.status != reply_status_ERROR)
        fail_msg ("%s was not refused", request_row (type)->type);
    assert_string_equal (((const error_body_t *) said.body)->code, berth_code_text (code));
}

//  ---- execs

const exec_t *
start (service_t *self, exec_start_t *options, const char *script)
{
    exec_start_t none = { 0 };
    if (!options)
        options = &none;
    if (!options->lease)
        options->lease = self->lease;
    options->script = (berth_bytes_t) { (const uint8_t *) script, strlen (script) };
    berth_put (exec_start, options, script, options->script);
    return hear_ok (self, REQUEST_EXEC_START, ask (self, REQUEST_EXEC_START, options));
}

const exec_t *
wait_end (service_t *self, const char *exec)
{
    exec_ref_t ref = { .id = exec };
    return hear_ok (self, REQUEST_EXEC_WAIT, ask (self, REQUEST_EXEC_WAIT, &ref));
}

const char *
read_all (service_t *self, const char *exec, exec_stream_t stream, uint64_t from)
{
    char *text = arena_string (self->arena, "");
    while (true) {
        exec_read_t read = { .id = exec };
        berth_put (exec_read, &read, stream, stream);
        berth_put (exec_read, &read, from, from);
        berth_put (exec_read, &read, follow, true);
        said_t said = hear (self, REQUEST_EXEC_READ, ask (self, REQUEST_EXEC_READ, &read));
        assert_int_equal (said.status, reply_status_OK);
        const exec_read_end_t *end = said.body;
        assert_int_equal (end->next - end->offset, said.data.size);
        text = arena_printf (self->arena, "%s%.*s", text, (int) said.data.size,
                             (const char *) said.data.data);
        from = end->next;
        if (end->eof)
            return text;
    }
}

uint64_t
stream (service_t *self, const char *exec, exec_stream_t stream, uint64_t from, uint64_t limit,
          int64_t credit, bool follow)
{
    exec_read_t read = { .id = exec };
    berth_put (exec_read, &read, stream, stream);
    berth_put (exec_read, &read, from, from);
    if (limit)
        berth_put (exec_read, &read, limit, limit);
    berth_put (exec_read, &read, follow, follow);
    return ask_with (self, REQUEST_EXEC_READ, &read, (berth_bytes_t) { NULL, 0 }, credit, 0);
}

void
keep (char text [BERTH_ID_SIZE], const char *id)
{
    snprintf (text, BERTH_ID_SIZE, "%s", id);
}

void
assert_text (berth_bytes_t bytes, const char *text)
{
    assert_bytes (bytes, bytes_of (text));
}

berth_bytes_t
bytes_of (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

const exec_page_t *
list_execs (service_t *self, const exec_list_t *list)
{
    return hear_ok (self, REQUEST_EXEC_LIST, ask (self, REQUEST_EXEC_LIST, list));
}

//  Entries of the log about an exec.
