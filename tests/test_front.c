//  test_front.c - the front door over real sockets: bad frames, bounds, credit, peers that go.
//
//  The test stands where the actors stand: it takes their inboxes and answers for them.

#include "fixture.h"

#include "codec.h"
#include "actor.h"
#include "front.h"
#include "json.h"

#include <stdatomic.h>
#include <stdio.h>

enum { PATIENCE_MS = 10000 };

typedef struct {
    char *folder;
    const char *endpoint;
    wiring_t *wiring;
    trust_t *trust;
    front_t *front;
    zactor_t *actor;
    zsock_t *runs, *execs;          //  Their inboxes for clients
    post_t *post;
    arena_t *arena;
    zsock_t *client;                //  A DEALER
} scene_t;

static post_t *s_post;              //  Of the scene

//  The front door's clock, ahead of the real one by so much.
static atomic_int_fast64_t s_ahead_ms;
int64_t __real_berth_mono_ms (void);
int64_t __wrap_berth_mono_ms (void);
int64_t
__wrap_berth_mono_ms (void)
{
    return __real_berth_mono_ms () + s_ahead_ms;
}

static zsock_t *
s_connect (scene_t *self, int type)
{
    zsock_t *socket = zsock_new (type);
    assert_non_null (socket);
    zsock_set_linger (socket, 0);
    assert_int_equal (zsock_connect (socket, "%s", self->endpoint), 0);
    return socket;
}

static int
s_setup (void **state)
{
    scene_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    zsys_init ();
    s_ahead_ms = 0;
    self->folder = fixture_folder_new ();
    self->arena = arena_new ();
    self->endpoint = arena_printf (self->arena, "ipc://%s/bus.sock", self->folder);
    self->wiring = wiring_new ();
    self->runs = wiring_take (self->wiring, ACTOR_RUNS, NULL, INBOX_CLIENTS);
    self->execs = wiring_take (self->wiring, ACTOR_EXECS, NULL, INBOX_CLIENTS);
    zsock_t *router = zsock_new (ZMQ_ROUTER);
    zsock_set_router_mandatory (router, 1);
    zsock_set_sndhwm (router, 100000);
    assert_int_equal (zsock_bind (router, "%s", self->endpoint), 0);
    self->trust = trust_new ();
    trust_add_local (self->trust, "operator", ROLE_OPERATOR, (berth_strs_t) { 0, NULL });
    trust_add_local (self->trust, "ipc:ci", ROLE_OBSERVER, (berth_strs_t) { 0, NULL });
    zsock_t *other = zsock_new (ZMQ_ROUTER);
    assert_int_equal (zsock_bind (other, "ipc://%s/ci.sock", self->folder), 0);
    door_t *doors [] = { door_new_local (&router, self->trust, "operator"),
                         door_new_local (&other, self->trust, "ipc:ci") };
    self->front = front_new (doors, BERTH_COUNT (doors), self->trust, "instance", "install", self->wiring);
    self->actor = zactor_new (front_actor, self->front);
    self->post = s_post = post_new (self->wiring);
    self->client = s_connect (self, ZMQ_DEALER);
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    scene_t *self = *state;
    zsock_destroy (&self->client);
    zactor_destroy (&self->actor);
    front_destroy (&self->front);
    post_destroy (&self->post);
    zsock_destroy (&self->runs);
    zsock_destroy (&self->execs);
    wiring_destroy (&self->wiring);
    trust_destroy (&self->trust);
    arena_destroy (&self->arena);
    fixture_folder_destroy (&self->folder);
    free (self);
    return 0;
}

//  ---- what clients say and hear

static berth_bytes_t
s_pack (scene_t *self, const char *json)
{
    berth_error_t err = { 0 };
    berth_bytes_t packed;
    char *text = arena_string (self->arena, json);
    for (char *at = text; *at; at++)
        if (*at == '\'')
            *at = '"';
    assert_ok (berth_json_parse (text, strlen (text), self->arena, &packed, &err), err);
    return packed;
}

static void
s_send_frames (zsock_t *socket, const berth_bytes_t *frames, size_t count)
{
    for (size_t index = 0; index < count; index++)
        assert_true (zmq_send (zsock_resolve (socket), frames [index].data, frames [index].size,
                               index + 1 < count ? ZMQ_SNDMORE : 0) >= 0);
}

static void
s_send (scene_t *self, zsock_t *socket, const char *header, const char *body)
{
    const berth_bytes_t frames [] = { s_pack (self, header), s_pack (self, body) };
    s_send_frames (socket, frames, 2);
}

typedef struct {
    const char *id, *type, *status, *code;
    berth_bytes_t header, body, data;
} heard_t;

static heard_t
s_hear (scene_t *self, zsock_t *socket)
{
    zmq_pollitem_t item = { zsock_resolve (socket), 0, ZMQ_POLLIN, 0 };
    if (zmq_poll (&item, 1, PATIENCE_MS) != 1)
        fail_msg ("no answer");
    own (zmsg) msg = zmsg_recv (socket);
    berth_bytes_t frames [3] = { { NULL, 0 } };
    zframe_t *frame = zmsg_first (msg);
    if (zframe_size (frame) == 0)
        frame = zmsg_next (msg);    //  Mirrored
    assert_in_range (zmsg_size (msg), 2, 3);
    for (size_t index = 0; frame; index++, frame = zmsg_next (msg))
        frames [index] = (berth_bytes_t) {
            arena_copy (self->arena, zframe_data (frame), zframe_size (frame)), zframe_size (frame)
        };
    heard_t heard = { .header = frames [0], .body = frames [1], .data = frames [2] };
    heard.id = any_text (heard.header, "id", self->arena);
    heard.type = any_text (heard.header, "type", self->arena);
    heard.status = any_text (heard.header, "status", self->arena);
    heard.code = any_text (heard.body, "code", self->arena);
    return heard;
}

//  The next letter of an inbox.
static letter_t
s_letter (zsock_t *inbox)
{
    letter_t letter;
    zmq_msg_t body, data;
    zmq_pollitem_t item = { zsock_resolve (inbox), 0, ZMQ_POLLIN, 0 };
    if (zmq_poll (&item, 1, PATIENCE_MS) != 1)
        fail_msg ("no letter");
    assert_int_equal (post_receive (zsock_resolve (inbox), &letter, sizeof letter, &body, &data), 0);
    //  As an actor does: what was taken makes room for more
    bool control = letter.type == REQUEST_STREAM_CREDIT || letter.type == REQUEST_STREAM_CANCEL;
    actor_stats_t *stats = actor_stats_of (control ? ACTOR_EXECS : request_row (letter.type)->actor);
    stats->taken_bytes += zmq_msg_size (&body) + zmq_msg_size (&data);
    stats->taken++;
    if (atomic_exchange (&stats->wanted, false))
        assert_int_equal (post_answer (s_post, 0, reply_status_OK, berth_empty_map,
                                       (berth_bytes_t) { NULL, 0 }, NULL), 0);
    zmq_msg_close (&body);
    zmq_msg_close (&data);
    assert_int_equal (letter.magic, LETTER_MAGIC);
    return letter;
}

static void
s_answer (scene_t *self, uint64_t ticket, reply_status_t status, berth_bytes_t data)
{
    assert_int_equal (post_answer (self->post, ticket, status, berth_empty_map, data, NULL), 0);
}

static const berth_bytes_t s_none = { NULL, 0 };

#define ASK(id, type, more) "{'v':1,'id':'" id "','type':'" type "'" more "}"
#define GET(id) ASK (id, "run.heartbeat", "")

//  The service is well, and so is this peer.
static void
s_is_well (scene_t *self)
{
    s_send (self, self->client, ASK ("ping", "bus.ping", ""), "{}");
    heard_t heard = s_hear (self, self->client);
    assert_string_equal (heard.id, "ping");
    assert_string_equal (heard.status, "ok");
    assert_string_equal (any_text (heard.body, "instance", self->arena), "instance");
}

//  ---- one request

static void
test_dealer_and_req (void **state)
{
    scene_t *self = *state;
    s_is_well (self);
    zsock_t *req = s_connect (self, ZMQ_REQ);
    s_send (self, req, ASK ("a", "bus.ping", ""), "{}");
    heard_t heard = s_hear (self, req);
    assert_string_equal (heard.id, "a");
    assert_string_equal (heard.type, "bus.ping");
    zsock_destroy (&req);
    //  An id of bytes comes back as bytes.
    const uint8_t id [] = { 0xc4, 3, 0, 0xff, 7 };
    berth_bytes_t header = any_set (s_pack (self, ASK ("x", "bus.ping", "")), "id",
                                    (berth_bytes_t) { id, sizeof id }, self->arena);
    s_send_frames (self->client, &header, 1);
    assert_bytes (any_get (s_hear (self, self->client).header, "id"),
                  ((berth_bytes_t) { id, sizeof id }));
}

static void
test_letter (void **state)
{
    scene_t *self = *state;
    s_send (self, self->client, ASK ("a", "run.heartbeat",
        ",'deadlineMs':5000,'key':'k','actor':{'type':'agent','id':'x','agentId':'y','runId':'z'}"),
        "{'companyId':'acme'}");
    letter_t letter = s_letter (self->runs);
    assert_int_equal (letter.type, REQUEST_RUN_HEARTBEAT);
    assert_int_equal (letter.answer_to, ACTOR_FRONT);
    assert_int_equal (letter.roles, ROLE_OPERATOR);
    assert_string_equal (letter.principal, "operator");
    assert_string_equal (letter.key, "k");
    assert_string_equal (letter.actor_type, "agent");
    assert_string_equal (letter.run, "z");
    assert_in_range (letter.deadline_ms - __real_berth_mono_ms (), 1, 5000);
    assert_false (letter.streams);
    s_answer (self, letter.ticket, reply_status_OK, BYTES_OF ("data"));
    heard_t heard = s_hear (self, self->client);
    assert_string_equal (heard.status, "ok");
    assert_bytes (heard.data, BYTES_OF ("data"));
    s_answer (self, letter.ticket, reply_status_OK, s_none);       //  A second answer is nobody's
    s_is_well (self);
}

//  ---- what is malformed is answered, and harms nothing

static void
test_refusals (void **state)
{
    scene_t *self = *state;
    static const struct { const char *header, *code, *id; } cases [] = {
        { "{}", "invalid_request", NULL },
        { "[]", "invalid_request", NULL },
        { "7", "invalid_request", NULL },
        { "{'v':1,'type':'bus.ping'}", "invalid_request", NULL },
        { "{'v':1,'id':'','type':'bus.ping'}", "invalid_request", NULL },
        { "{'v':1,'id':7,'type':'bus.ping'}", "invalid_request", NULL },
        { "{'v':1,'id':['a'],'type':'bus.ping'}", "invalid_request", NULL },
        { "{'v':1,'id':'12345678901234567890123456789012345678901234567890123456789012345',"
          "'type':'bus.ping'}", "invalid_request", NULL },
        { "{'v':2,'id':'a','type':'bus.ping'}", "invalid_request", "a" },
        { "{'v':1,'id':'a'}", "invalid_request", "a" },
        { "{'v':1,'id':'a','type':'bus.ping','deadlineMs':0}", "invalid_request", "a" },
        { "{'v':1,'id':'a','type':'bus.ping','deadlineMs':-1}", "invalid_request", "a" },
        { ASK ("a", "no.such", ""), "unsupported", "a" },
        { ASK ("a", "step.done", ""), "unsupported", "a" },
        { ASK ("a", "place.open", ""), "unsupported", "a" },
        { ASK ("a", "run.get", ",'credit':10"), "invalid_request", "a" },
        { ASK ("a", "stream.credit", ""), "invalid_request", "a" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        s_send (self, self->client, cases [index].header, "{}");
        heard_t heard = s_hear (self, self->client);
        assert_string_equal (heard.status, "error");
        if (strcmp (heard.code, cases [index].code))
            fail_msg ("%s: %s", cases [index].header, heard.code);
        if (cases [index].id)
            assert_string_equal (heard.id, cases [index].id);
        s_is_well (self);
    }
    assert_int_equal (front_counts (self->front).malformed, BERTH_COUNT (cases) - 3);
    assert_int_equal (front_counts (self->front).unsupported, 3);
}

static void
test_frames (void **state)
{
    scene_t *self = *state;
    berth_bytes_t header = s_pack (self, GET ("a")), body = berth_empty_map;
    const berth_bytes_t data [] = { header, body, BYTES_OF ("data") };
    const berth_bytes_t many [] = { header, body, BYTES_OF ("1"), BYTES_OF ("2"), BYTES_OF ("3"),
                                    BYTES_OF ("4"), BYTES_OF ("5"), BYTES_OF ("6") };
    const berth_bytes_t garbage [] = { BYTES_OF ("\xc1\xc1\xc1"), body };
    const berth_bytes_t deep [] = { BYTES_OF ("\xdf\xff\xff\xff\xff\x01"), body };
    const struct { const berth_bytes_t *frames; size_t count; } cases [] = {
        { data, 3 }, { many, 4 }, { many, 8 }, { garbage, 2 }, { deep, 2 },
        { (const berth_bytes_t []) { { (const uint8_t *) "", 0 } }, 1 },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        s_send_frames (self->client, cases [index].frames, cases [index].count);
        heard_t heard = s_hear (self, self->client);
        assert_string_equal (heard.code, "invalid_request");
        s_is_well (self);
    }
    //  A REQ cannot take a stream.
    zsock_t *req = s_connect (self, ZMQ_REQ);
    s_send (self, req, ASK ("a", "exec.read", ",'credit':10"), "{}");
    assert_string_equal (s_hear (self, req).code, "invalid_request");
    zsock_destroy (&req);
}

//  ---- bounds

static void
test_unanswered (void **state)
{
    scene_t *self = *state;
    uint64_t tickets [BERTH_UNANSWERED_MAX];
    for (int index = 0; index < BERTH_UNANSWERED_MAX; index++) {
        s_send (self, self->client, arena_printf (self->arena, GET ("r%d"), index), "{}");
        tickets [index] = s_letter (self->runs).ticket;
    }
    s_send (self, self->client, GET ("more"), "{}");
    heard_t heard = s_hear (self, self->client);
    assert_string_equal (heard.id, "more");
    assert_string_equal (heard.code, "busy");
    s_is_well (self);               //  What is answered at once still is
    for (int index = BERTH_UNANSWERED_MAX; index-- > 0;) {
        s_answer (self, tickets [index], reply_status_OK, s_none);
        assert_string_equal (s_hear (self, self->client).id,
                             arena_printf (self->arena, "r%d", index));
    }
    s_send (self, self->client, GET ("more"), "{}");
    s_answer (self, s_letter (self->runs).ticket, reply_status_OK, s_none);
    assert_string_equal (s_hear (self, self->client).status, "ok");
}

//  Who sends all at once delays another by one window, and is not refused for it.
static void
test_turns (void **state)
{
    scene_t *self = *state;
    zsock_t *greedy = s_connect (self, ZMQ_DEALER), *modest = s_connect (self, ZMQ_DEALER);
    for (int index = 0; index < BERTH_UNANSWERED_MAX; index++)
        s_send (self, greedy, arena_printf (self->arena, GET ("r%d"), index), "{}");
    s_send (self, greedy, ASK ("last", "bus.ping", ""), "{}");
    assert_string_equal (s_hear (self, greedy).id, "last");     //  All of it is with the front door
    s_send (self, modest, GET ("one"), "{}");
    s_send (self, modest, ASK ("last", "bus.ping", ""), "{}");
    assert_string_equal (s_hear (self, modest).id, "last");
    int answered = 0;
    for (bool heard = false; !heard; answered++) {
        assert_in_range (answered, 0, BERTH_WINDOW_MAX + 1);
        s_answer (self, s_letter (self->runs).ticket, reply_status_OK, s_none);
        zmq_pollitem_t item = { zsock_resolve (modest), 0, ZMQ_POLLIN, 0 };
        heard = zmq_poll (&item, 1, answered <= BERTH_WINDOW_MAX ? 0 : PATIENCE_MS) == 1;
    }
    assert_string_equal (s_hear (self, modest).id, "one");
    for (; answered < BERTH_UNANSWERED_MAX + 1; answered++)
        s_answer (self, s_letter (self->runs).ticket, reply_status_OK, s_none);
    for (int index = 0; index < BERTH_UNANSWERED_MAX; index++)
        assert_string_equal (s_hear (self, greedy).id, arena_printf (self->arena, "r%d", index));
    assert_int_equal (front_counts (self->front).busy, 0);
    zsock_destroy (&greedy);
    zsock_destroy (&modest);
    s_is_well (self);
}

//  ---- streams

static void
test_stream (void **state)
{
    scene_t *self = *state;
    s_send (self, self->client, ASK ("s", "exec.read", ",'credit':10"), "{}");
    //  Behind its request, though it was sent at once.
    s_send (self, self->client, ASK ("c", "stream.credit", ""), "{'id':'s','bytes':25}");
    letter_t letter = s_letter (self->execs);
    assert_int_equal (letter.type, REQUEST_EXEC_READ);
    assert_true (letter.streams);
    assert_int_equal (letter.credit, 10);
    letter_t credit = s_letter (self->execs);
    assert_int_equal (credit.type, REQUEST_STREAM_CREDIT);
    assert_int_equal (credit.ticket, letter.ticket);
    assert_int_equal (credit.credit, 25);
    assert_string_equal (s_hear (self, self->client).id, "c");
    for (int chunk = 0; chunk < 3; chunk++) {
        s_answer (self, letter.ticket, reply_status_STREAM, BYTES_OF ("chunk"));
        heard_t heard = s_hear (self, self->client);
        assert_string_equal (heard.id, "s");
        assert_string_equal (heard.status, "stream");
        assert_bytes (heard.data, BYTES_OF ("chunk"));
    }
    s_send (self, self->client, ASK ("x", "stream.cancel", ""), "{'id':'s'}");
    letter_t cancel = s_letter (self->execs);
    assert_int_equal (cancel.type, REQUEST_STREAM_CANCEL);
    assert_int_equal (cancel.ticket, letter.ticket);
    assert_string_equal (s_hear (self, self->client).id, "x");
    s_answer (self, letter.ticket, reply_status_ERROR, s_none);
    assert_string_equal (s_hear (self, self->client).id, "s");
    s_send (self, self->client, ASK ("c", "stream.credit", ""), "{'id':'s','bytes':1}");
    assert_string_equal (s_hear (self, self->client).code, "not_found");
}

//  Nobody else's stream can be fed or ended, whatever its id.
static void
test_foreign_stream (void **state)
{
    scene_t *self = *state;
    s_send (self, self->client, ASK ("s", "exec.read", ",'credit':10"), "{}");
    letter_t letter = s_letter (self->execs);
    zsock_t *other = s_connect (self, ZMQ_DEALER);
    s_send (self, other, ASK ("x", "stream.cancel", ""), "{'id':'s'}");
    assert_string_equal (s_hear (self, other).code, "not_found");
    zsock_destroy (&other);
    s_answer (self, letter.ticket, reply_status_OK, s_none);
    assert_string_equal (s_hear (self, self->client).status, "ok");
}

static void
test_peer_gone (void **state)
{
    scene_t *self = *state;
    zsock_t *peer = s_connect (self, ZMQ_DEALER);
    s_send (self, peer, ASK ("s", "exec.read", ",'credit':10"), "{}");
    letter_t letter = s_letter (self->execs);
    zsock_destroy (&peer);
    //  Its connection's end may take a moment to come by: chunks until somebody notices.
    zmq_pollitem_t item = { zsock_resolve (self->execs), 0, ZMQ_POLLIN, 0 };
    for (int turn = 0; turn < PATIENCE_MS / 10; turn++) {
        s_answer (self, letter.ticket, reply_status_STREAM, BYTES_OF ("chunk"));
        if (zmq_poll (&item, 1, 10))
            break;
    }
    letter_t cancel = s_letter (self->execs);
    assert_int_equal (cancel.type, REQUEST_STREAM_CANCEL);
    assert_int_equal (cancel.ticket, letter.ticket);
    s_is_well (self);
}

//  Half a minute without a word ends a stream; a word of any kind keeps it, and nothing else ends.
static void
test_silence (void **state)
{
    scene_t *self = *state;
    zsock_t *silent = s_connect (self, ZMQ_DEALER);
    s_send (self, silent, GET ("waits"), "{}");
    letter_t waits = s_letter (self->runs);
    s_send (self, silent, ASK ("s", "exec.read", ",'credit':10"), "{}");
    letter_t stream = s_letter (self->execs);
    s_send (self, self->client, ASK ("s", "exec.read", ",'credit':10"), "{}");
    letter_t alive = s_letter (self->execs);
    for (int turn = 0; turn < 4; turn++) {
        s_ahead_ms += BERTH_CLIENT_SILENCE_MS / 3;
        s_is_well (self);
    }
    letter_t cancel = s_letter (self->execs);
    assert_int_equal (cancel.type, REQUEST_STREAM_CANCEL);
    assert_int_equal (cancel.ticket, stream.ticket);
    assert_int_equal (front_counts (self->front).silent, 1);
    s_answer (self, alive.ticket, reply_status_OK, s_none);
    assert_string_equal (s_hear (self, self->client).id, "s");
    s_answer (self, waits.ticket, reply_status_OK, s_none);
    heard_t heard = s_hear (self, silent);
    assert_string_equal (heard.id, "s");            //  It is told, should it still listen
    assert_string_equal (heard.status, "error");
    assert_string_equal (s_hear (self, silent).id, "waits");
    zsock_destroy (&silent);
}

//  What the roles of a door may not ask never reaches an actor.
static void
test_roles (void **state)
{
    scene_t *self = *state;
    zsock_t *observer = zsock_new (ZMQ_DEALER);
    assert_int_equal (zsock_connect (observer, "ipc://%s/ci.sock", self->folder), 0);
    static const char *const asked [] = {
        GET ("1"), ASK ("1", "exec.signal", ""), ASK ("1", "key.new", ""), ASK ("1", "bus.shutdown", ""),
        ASK ("1", "exec.get", ",'actor':{'type':'agent','id':'a'}"),
    };
    for (size_t index = 0; index < BERTH_COUNT (asked); index++) {
        s_send (self, observer, asked [index], "{}");
        heard_t heard = s_hear (self, observer);
        assert_string_equal (heard.status, "error");
        assert_string_equal (heard.code, "forbidden");
    }
    //  Every row of the table, by the roles that stand in it
    for (request_code_t code = 0; code < REQUEST_COUNT; code++) {
        const request_row_t *row = request_row (code);
        if ((row->roles & ROLE_OBSERVER) || !(row->roles & ~(unsigned) ROLE_INTERNAL))
            continue;
        s_send (self, observer, arena_printf (self->arena, "{'v':1,'id':'r','type':'%s'}", row->type), "{}");
        heard_t heard = s_hear (self, observer);
        if (!heard.code || strcmp (heard.code, "forbidden"))
            fail_msg ("%s: %s", row->type, heard.code ? heard.code : heard.status);
    }
    s_send (self, observer, ASK ("2", "exec.get", ""), "{}");
    assert_int_equal (s_letter (self->execs).type, REQUEST_EXEC_GET);
    s_send (self, self->client, GET ("3"), "{}");
    assert_int_equal (s_letter (self->runs).roles, ROLE_OPERATOR);
    zsock_destroy (&observer);
    s_is_well (self);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_dealer_and_req), TEST (test_letter), TEST (test_refusals), TEST (test_frames),
        TEST (test_unanswered), TEST (test_turns), TEST (test_stream),
        TEST (test_foreign_stream), TEST (test_roles), TEST (test_peer_gone), TEST (test_silence),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
