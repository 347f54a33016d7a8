//  test_client.c - the client against a ROUTER that does what a test tells it: answers, errors,
//  streams that keep to their credit, silence, a death and a second life.

#include "fixture.h"

#include "client.h"
#include "clock.h"
#include "ids.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

//  ---- the service: one thread, started and ended by the tests

typedef struct {
    pthread_t thread;
    char endpoint [300];
    atomic_bool stop;
    atomic_int heard, credits, cancels, outrun;
    char last_key [8] [80];             //  Keys of environment.create, in order
    atomic_int keys;
} service_t;

enum { CHUNK = 1000, CHUNKS = 50 };

typedef struct {
    zmq_msg_t peer;
    char id [32];
    uint64_t credit;
    int left;
} flow_t;

static void
s_send (void *router, zmq_msg_t *peer, berth_bytes_t id, const char *type, reply_status_t status,
        berth_bytes_t body, size_t data)
{
    own (arena) arena = arena_new ();
    reply_header_t header = { .type = type, .id = id, .status = status };
    berth_put (reply_header, &header, v, 1);
    berth_bytes_t packed = berth_pack (&reply_header_schema, &header, arena);
    zmq_msg_t copy;
    zmq_msg_init (&copy);
    zmq_msg_copy (&copy, peer);
    zmq_msg_send (&copy, router, ZMQ_SNDMORE);
    zmq_send (router, packed.data, packed.size, ZMQ_SNDMORE);
    zmq_send (router, body.data, body.size, data ? ZMQ_SNDMORE : 0);
    if (data) {
        char bytes [CHUNK];
        memset (bytes, 'x', sizeof bytes);
        zmq_send (router, bytes, data, 0);
    }
}

static void
s_flow (service_t *self, void *router, flow_t *flow, arena_t *arena)
{
    berth_bytes_t id = any_get (any_set_text (berth_empty_map, "i", flow->id, arena), "i");
    while (flow->left && flow->credit >= CHUNK) {
        flow->credit -= CHUNK;
        stream_chunk_t chunk = { .stream = exec_stream_STDOUT };
        berth_put (stream_chunk, &chunk, offset, (uint64_t) (CHUNKS - flow->left) * CHUNK);
        berth_put (stream_chunk, &chunk, length, CHUNK);
        berth_put (stream_chunk, &chunk, eof, false);
        s_send (router, &flow->peer, id, "exec.read", reply_status_STREAM,
                berth_pack (&stream_chunk_schema, &chunk, arena), CHUNK);
        if (--flow->left == 0) {
            exec_read_end_t end = { 0 };
            berth_put (exec_read_end, &end, offset, CHUNKS * CHUNK);
            berth_put (exec_read_end, &end, next, CHUNKS * CHUNK);
            berth_put (exec_read_end, &end, eof, true);
            s_send (router, &flow->peer, id, "exec.read", reply_status_OK,
                    berth_pack (&exec_read_end_schema, &end, arena), 0);
        }
    }
    if (flow->credit > 8 * CHUNK)
        self->outrun = 1;               //  More than the window was ever granted
}

static void
s_answer (service_t *self, void *router, zmq_msg_t frames [4], flow_t *flow)
{
    own (arena) arena = arena_new ();
    request_header_t header;
    berth_error_t err = { 0 };
    berth_bytes_t bytes = { zmq_msg_data (&frames [1]), zmq_msg_size (&frames [1]) };
    berth_bytes_t body = { zmq_msg_data (&frames [2]), zmq_msg_size (&frames [2]) };
    ENSURE (berth_unpack (&request_header_schema, bytes, arena, &header, &err) == 0);
    if (strcmp (header.type, "bus.ping") == 0) {
        bus_pong_t pong = { .instance = "00000000-0000-7000-8000-000000000001",
                            .install = "00000000-0000-7000-8000-000000000002", .version = "test" };
        berth_put (bus_pong, &pong, now, 1);
        s_send (router, &frames [0], header.id, header.type, reply_status_OK,
                berth_pack (&bus_pong_schema, &pong, arena), 0);
    }
    else if (strcmp (header.type, "lease.get") == 0) {
        error_details_t details = { .lease = "a-lease", .remedy = "look again" };
        error_body_t error = { .code = "not_found", .message = "no such lease", .details = &details };
        berth_put (error_body, &error, retryable, false);
        s_send (router, &frames [0], header.id, header.type, reply_status_ERROR,
                berth_pack (&error_body_schema, &error, arena), 0);
    }
    else if (strcmp (header.type, "bus.info") == 0)         //  Lies
        s_send (router, &frames [0], header.id, header.type, reply_status_OK,
                BYTES_OF ("\x81\xa1x"), 0);
    else if (strcmp (header.type, "environment.create") == 0) {
        int index = self->keys++;
        if (index < 8)
            snprintf (self->last_key [index], sizeof self->last_key [index], "%s",
                      header.key ? header.key : "");
        if (index > 0)                  //  The first one stays without an answer
            s_send (router, &frames [0], header.id, header.type, reply_status_OK, berth_empty_map, 0);
    }
    else if (strcmp (header.type, "exec.read") == 0 && header.credit) {
        zmq_msg_copy (&flow->peer, &frames [0]);
        snprintf (flow->id, sizeof flow->id, "%s",
                  any_text (any_set (berth_empty_map, "i", header.id, arena), "i", arena));
        flow->credit = header.credit;
        flow->left = CHUNKS;
        s_flow (self, router, flow, arena);
    }
    else if (strcmp (header.type, "stream.credit") == 0) {
        self->credits++;
        flow->credit += any_number (body, "bytes", 0);
        s_send (router, &frames [0], header.id, header.type, reply_status_OK, berth_empty_map, 0);
        s_flow (self, router, flow, arena);
    }
    else if (strcmp (header.type, "stream.cancel") == 0) {
        flow->left = 0;
        self->cancels++;
    }
    self->heard++;                      //  bus.stats and others get no answer
}

static void *
s_run (void *argument)
{
    service_t *self = argument;
    void *context = zmq_ctx_new (), *router = zmq_socket (context, ZMQ_ROUTER);
    int none = 0, mandatory = 0;
    zmq_setsockopt (router, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt (router, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory);
    ENSURE (zmq_bind (router, self->endpoint) == 0);
    flow_t flow = { .left = 0 };
    zmq_msg_init (&flow.peer);
    while (!self->stop) {
        zmq_pollitem_t item = { .socket = router, .events = ZMQ_POLLIN };
        zmq_poll (&item, 1, 5);
        if (!(item.revents & ZMQ_POLLIN))
            continue;
        zmq_msg_t frames [4];
        int count = 0, more = 1;
        while (more && count < 4) {
            zmq_msg_init (&frames [count]);
            zmq_msg_recv (&frames [count], router, 0);
            more = zmq_msg_more (&frames [count++]);
        }
        ENSURE (count >= 3 && !more);
        s_answer (self, router, frames, &flow);
        while (count--)
            zmq_msg_close (&frames [count]);
    }
    zmq_msg_close (&flow.peer);
    zmq_close (router);
    zmq_ctx_term (context);
    return NULL;
}

static void
s_start (service_t *self)
{
    self->stop = false;
    ENSURE (pthread_create (&self->thread, NULL, s_run, self) == 0);
}

static void
s_stop (service_t *self)
{
    self->stop = true;
    pthread_join (self->thread, NULL);
}

//  Waits until the service has got so many requests.
static void
s_until (atomic_int *count, int wanted, berth_client_t *client)
{
    for (int64_t until = berth_mono_ms () + 20000; *count < wanted;) {
        assert_true (berth_mono_ms () < until);
        berth_client_wait (client, NULL, 0, berth_mono_ms () + 5);
    }
}

typedef struct {
    service_t service;
    char *folder;
    arena_t *arena;
    berth_client_t *client;
    berth_error_t err;
} story_t;

static int
s_setup (void **state)
{
    story_t *self = calloc (1, sizeof *self);
    self->folder = fixture_folder_new ();
    self->arena = arena_new ();
    snprintf (self->service.endpoint, sizeof self->service.endpoint, "ipc://%s/bus.sock", self->folder);
    s_start (&self->service);
    self->client = berth_client_new (self->service.endpoint, &self->err);
    *state = self;
    return self->client ? 0 : -1;
}

static int
s_teardown (void **state)
{
    story_t *self = *state;
    berth_client_destroy (&self->client);
    if (!self->service.stop)
        s_stop (&self->service);
    arena_destroy (&self->arena);
    fixture_folder_destroy (&self->folder);
    free (self);
    return 0;
}

//  ---- tests

static void
s_calls_are_answered (void **state)
{
    story_t *self = *state;
    bus_pong_t pong;
    assert_ok (berth_client_ask (self->client, REQUEST_BUS_PING, NULL, NULL, self->arena, &pong,
                                 &self->err), self->err);
    assert_string_equal (pong.version, "test");
    assert_true (berth_client_connected (self->client));
}

static void
s_errors_keep_their_details (void **state)
{
    story_t *self = *state;
    lease_ref_t ref = { .id = "00000000-0000-7000-8000-000000000001" };
    assert_fails (berth_client_ask (self->client, REQUEST_LEASE_GET, &ref, NULL, self->arena, NULL,
                                    &self->err), self->err, BERTH_NOT_FOUND);
    assert_string_equal (self->err.text, "no such lease");
    assert_string_equal (self->err.lease_id, "a-lease");
    assert_string_equal (self->err.remedy, "look again");
}

static void
s_a_malformed_reply_is_an_error (void **state)
{
    story_t *self = *state;
    assert_fails (berth_client_ask (self->client, REQUEST_BUS_INFO, NULL, NULL, self->arena, NULL,
                                    &self->err), self->err, BERTH_INTERNAL);
}

static void
s_many_calls_are_matched (void **state)
{
    story_t *self = *state;
    uint64_t calls [100];
    for (size_t index = 0; index < 100; index++) {
        calls [index] = berth_client_send (self->client, index % 2 ? "bus.ping" : "lease.get",
                                           berth_empty_map, NULL, &self->err);
        assert_true (calls [index] != 0);
    }
    for (size_t index = 100; index--;) {        //  Backwards: the others wait their turn
        berth_reply_t reply;
        assert_true (berth_client_next (self->client, calls [index], berth_mono_ms () + 20000, &reply));
        assert_true (reply.call == calls [index]);
        assert_int_equal (reply.status, index % 2 ? reply_status_OK : reply_status_ERROR);
    }
    berth_reply_t reply;
    assert_false (berth_client_next (self->client, 0, 0, &reply));
    assert_false (berth_client_next (self->client, calls [0], berth_mono_ms () + 20000, &reply));
}

static void
s_calls_are_bounded (void **state)
{
    story_t *self = *state;
    for (size_t index = 0; index < BERTH_CALLS_MAX; index++)
        assert_true (berth_client_send (self->client, "bus.stats", berth_empty_map, NULL, &self->err));
    assert_true (berth_client_send (self->client, "bus.stats", berth_empty_map, NULL, &self->err) == 0);
    assert_int_equal (self->err.code, BERTH_BUSY);
    own (arena) arena = arena_new ();
    berth_bytes_t large = { arena_take (arena, BERTH_FRAME_MAX + 1), BERTH_FRAME_MAX + 1 };
    berth_client_t *other = berth_client_new (self->service.endpoint, &self->err);
    assert_true (berth_client_send (other, "bus.stats", large, NULL, &self->err) == 0);
    assert_int_equal (self->err.code, BERTH_INVALID);
    berth_client_destroy (&other);
}

static void
s_a_deadline_ends_a_call (void **state)
{
    story_t *self = *state;
    berth_ask_t ask = { .deadline_ms = 1 };
    assert_fails (berth_client_call (self->client, "bus.stats", berth_empty_map, &ask, self->arena,
                                     NULL, &self->err), self->err, BERTH_DEADLINE_EXCEEDED);
}

static void
s_no_service_is_unreachable (void **state)
{
    story_t *self = *state;
    s_stop (&self->service);
    char endpoint [400];
    snprintf (endpoint, sizeof endpoint, "%s.none", self->service.endpoint);
    berth_client_t *client = berth_client_new (endpoint, &self->err);
    berth_client_set_patience (client, 50);
    assert_fails (berth_client_ask (client, REQUEST_BUS_PING, NULL, NULL, self->arena, NULL,
                                    &self->err), self->err, BERTH_UNREACHABLE);
    assert_false (berth_client_connected (client));
    berth_client_destroy (&client);
    assert_null (berth_client_new ("nonsense", &self->err));
    assert_int_equal (self->err.code, BERTH_INVALID);
}

static void
s_a_stream_keeps_to_its_credit (void **state)
{
    story_t *self = *state;
    berth_ask_t ask = { .deadline_ms = -1, .credit = 4 * CHUNK };
    uint64_t call = berth_client_send (self->client, "exec.read", berth_empty_map, &ask, &self->err);
    uint64_t next = 0;
    berth_reply_t reply = { 0 };
    while (berth_client_next (self->client, call, berth_mono_ms () + 20000, &reply)
           && reply.status == reply_status_STREAM) {
        assert_true (reply.data.size == CHUNK);
        assert_true (any_number (reply.body, "offset", 1) == next);
        next += reply.data.size;
    }
    assert_int_equal (reply.status, reply_status_OK);
    assert_true (next == CHUNK * CHUNKS);
    assert_in_range (self->service.credits, CHUNKS / 4 - 2, CHUNKS / 2);
    assert_int_equal (self->service.outrun, 0);
}

static void
s_who_does_not_read_gets_no_more (void **state)
{
    story_t *self = *state;
    berth_ask_t ask = { .deadline_ms = -1, .credit = 4 * CHUNK };
    uint64_t call = berth_client_send (self->client, "exec.read", berth_empty_map, &ask, &self->err);
    bus_pong_t pong;
    assert_ok (berth_client_ask (self->client, REQUEST_BUS_PING, NULL, NULL, self->arena, &pong,
                                 &self->err), self->err);
    assert_int_equal (self->service.credits, 0);
    berth_client_cancel (self->client, call);
    s_until (&self->service.cancels, 1, self->client);
    berth_reply_t reply;
    assert_false (berth_client_next (self->client, 0, 0, &reply));
}

static void
s_a_restart_repeats_with_the_same_key (void **state)
{
    story_t *self = *state;
    uint64_t call = berth_client_send (self->client, "environment.create", berth_empty_map, NULL,
                                       &self->err);
    uint64_t once = berth_client_send (self->client, "exec.signal", berth_empty_map, NULL, &self->err);
    berth_ask_t ask = { .deadline_ms = -1, .credit = 2 * CHUNK };
    uint64_t stream = berth_client_send (self->client, "exec.read", berth_empty_map, &ask, &self->err);
    s_until (&self->service.heard, 3, self->client);
    s_stop (&self->service);
    berth_reply_t reply;
    assert_true (berth_client_next (self->client, once, berth_mono_ms () + 20000, &reply));
    assert_int_equal (reply.error.code, BERTH_UNREACHABLE);
    do
        assert_true (berth_client_next (self->client, stream, berth_mono_ms () + 20000, &reply));
    while (reply.status == reply_status_STREAM);
    assert_int_equal (reply.error.code, BERTH_UNREACHABLE);
    assert_false (berth_client_next (self->client, call, berth_mono_ms () + 50, &reply));

    s_start (&self->service);
    assert_true (berth_client_next (self->client, call, berth_mono_ms () + 20000, &reply));
    assert_int_equal (reply.status, reply_status_OK);
    assert_int_equal (self->service.keys, 2);
    assert_true (berth_id_is (self->service.last_key [0]));
    assert_string_equal (self->service.last_key [0], self->service.last_key [1]);
}

static void
s_a_call_waits_for_a_service_that_comes (void **state)
{
    story_t *self = *state;
    s_stop (&self->service);
    uint64_t call = berth_client_send (self->client, "bus.ping", berth_empty_map, NULL, &self->err);
    berth_reply_t reply;
    assert_false (berth_client_next (self->client, call, berth_mono_ms () + 30, &reply));
    s_start (&self->service);
    assert_true (berth_client_next (self->client, call, berth_mono_ms () + 20000, &reply));
    assert_int_equal (reply.status, reply_status_OK);
}

static void
s_descriptors_are_waited_for (void **state)
{
    story_t *self = *state;
    int ends [2];
    assert_int_equal (pipe (ends), 0);
    struct pollfd fds [2] = { { .fd = -1, .events = POLLIN }, { .fd = ends [0], .events = POLLIN } };
    berth_client_wait (self->client, fds, 2, berth_mono_ms () + 1);
    assert_int_equal (fds [1].revents, 0);
    assert_int_equal (write (ends [1], "x", 1), 1);
    for (int64_t until = berth_mono_ms () + 20000; !fds [1].revents;) {
        assert_true (berth_mono_ms () < until);
        berth_client_wait (self->client, fds, 2, until);
    }
    assert_int_equal (fds [1].revents, POLLIN);
    close (ends [0]);
    close (ends [1]);
}

//  ---- activity

static void
s_publish (void *pub, const char *topic, berth_bytes_t body)
{
    zmq_send (pub, topic, strlen (topic), ZMQ_SNDMORE);
    zmq_send (pub, body.data, body.size, 0);
}

static void
s_events_come (void **state)
{
    story_t *self = *state;
    char endpoint [400];
    snprintf (endpoint, sizeof endpoint, "ipc://%s/events.sock", self->folder);
    void *context = zmq_ctx_new (), *pub = zmq_socket (context, ZMQ_XPUB);
    int none = 0;
    zmq_setsockopt (pub, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal (zmq_bind (pub, endpoint), 0);
    berth_events_t *events = berth_events_new (endpoint, "acme", &self->err);
    assert_non_null (events);
    char subscription [32];
    int size = zmq_recv (pub, subscription, sizeof subscription, 0);
    assert_int_equal (size, 6);
    assert_memory_equal (subscription, "\1acme/", 6);

    static const uint8_t hash [32] = { 1 };
    activity_t entry = { .id = "00000000-0000-7000-8000-000000000001", .company = "acme",
                         .actor_type = "system", .actor_id = "x", .action = "run.acquired",
                         .entity_type = "run", .entity = "r", .hash = { hash, 32 } };
    berth_put (activity, &entry, seq, 9);
    berth_put (activity, &entry, company_seq, 7);
    berth_put (activity, &entry, created_at, 1);
    berth_bytes_t packed = berth_pack (&activity_schema, &entry, self->arena);
    s_publish (pub, "acme/run.acquired", BYTES_OF ("\xc1"));        //  Nothing that can be read
    s_publish (pub, "acme/run.acquired", packed);
    s_publish (pub, "acme/~head", any_set_number (berth_empty_map, "companySeq", 8, self->arena));
    activity_t got;
    uint64_t head = 0;
    berth_bytes_t raw;
    assert_int_equal (berth_events_next (events, berth_mono_ms () + 20000, self->arena, &got, &raw,
                                         &head), 1);
    assert_true (got.company_seq == 7);
    assert_bytes (raw, packed);
    assert_int_equal (berth_events_next (events, berth_mono_ms () + 20000, self->arena, &got, &raw,
                                         &head), 2);
    assert_true (head == 8);
    assert_int_equal (berth_events_next (events, 0, self->arena, &got, &raw, &head), 0);
    berth_events_destroy (&events);
    zmq_close (pub);
    zmq_ctx_term (context);
}

#define STORY(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        STORY (s_calls_are_answered),
        STORY (s_errors_keep_their_details),
        STORY (s_a_malformed_reply_is_an_error),
        STORY (s_many_calls_are_matched),
        STORY (s_calls_are_bounded),
        STORY (s_a_deadline_ends_a_call),
        STORY (s_no_service_is_unreachable),
        STORY (s_a_stream_keeps_to_its_credit),
        STORY (s_who_does_not_read_gets_no_more),
        STORY (s_a_restart_repeats_with_the_same_key),
        STORY (s_a_call_waits_for_a_service_that_comes),
        STORY (s_descriptors_are_waited_for),
        STORY (s_events_come),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
