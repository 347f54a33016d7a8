//  test_client.c - the client against a ROUTER that does what a test tells it: answers, errors,
//  streams that keep to their credit, silence, a death and a second life.

#include "fixture.h"

#include "client.h"
#include "clock.h"
#include "fake_bus.h"
#include "ids.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

//  ---- the service

enum { CHUNK = 1000, CHUNKS = 50 };

typedef struct {
    fake_bus_t *bus;
    char endpoint [300];
    atomic_int heard, credits, cancels, outrun, keys;
    char last_key [8] [160];            //  Keys of environment.create, in order
    fake_asker_t reader;                //  Of the stream, and what it may get
    uint64_t credit;
    int left;
} service_t;

static void
s_flow (service_t *self, fake_bus_t *bus, arena_t *arena)
{
    static const uint8_t bytes [CHUNK] = { 'x' };
    while (self->left && self->credit >= CHUNK) {
        self->credit -= CHUNK;
        stream_chunk_t chunk = { .stream = exec_stream_STDOUT, .length = CHUNK,
                                 .offset = (uint64_t) (CHUNKS - self->left) * CHUNK };
        fake_bus_reply (bus, &self->reader, reply_status_STREAM,
                        berth_pack (&stream_chunk_schema, &chunk, arena), (berth_bytes_t) { bytes, CHUNK });
        if (--self->left == 0) {
            exec_read_end_t end = { .offset = CHUNKS * CHUNK, .next = CHUNKS * CHUNK, .eof = true };
            fake_bus_reply (bus, &self->reader, reply_status_OK,
                            berth_pack (&exec_read_end_schema, &end, arena), (berth_bytes_t) { NULL, 0 });
        }
    }
    if (self->credit > 8 * CHUNK)
        self->outrun = 1;               //  More than the window was ever granted
}

static void
s_handle (void *context, fake_bus_t *bus, const fake_asker_t *asker, berth_bytes_t body,
          berth_bytes_t data, arena_t *arena)
{
    static const berth_bytes_t none = { NULL, 0 };
    service_t *self = context;
    (void) data;
    if (strcmp (asker->type, "bus.ping") == 0) {
        bus_pong_t pong = { .instance = "00000000-0000-7000-8000-000000000001", .now = 1,
                            .install = "00000000-0000-7000-8000-000000000002", .version = "test" };
        fake_bus_reply (bus, asker, reply_status_OK, berth_pack (&bus_pong_schema, &pong, arena), none);
    }
    else if (strcmp (asker->type, "lease.get") == 0) {
        error_details_t details = { .lease = "a-lease", .remedy = "look again" };
        fake_bus_fail (bus, asker, "not_found", "no such lease", &details);
    }
    else if (strcmp (asker->type, "bus.info") == 0)         //  Lies
        fake_bus_reply (bus, asker, reply_status_OK, BYTES_OF ("\x81\xa1x"), none);
    else if (strcmp (asker->type, "environment.create") == 0) {
        int index = self->keys++;
        if (index < 8)
            snprintf (self->last_key [index], sizeof self->last_key [index], "%s", asker->key);
        if (index > 0)                  //  The first one stays without an answer
            fake_bus_reply (bus, asker, reply_status_OK, berth_empty_map, none);
    }
    else if (strcmp (asker->type, "exec.read") == 0 && asker->credit) {
        self->reader = *asker;
        self->credit = asker->credit;
        self->left = CHUNKS - (int) (any_number (body, "from", 0) / CHUNK);
        s_flow (self, bus, arena);
    }
    else if (strcmp (asker->type, "stream.credit") == 0) {
        self->credits++;
        self->credit += any_number (body, "bytes", 0);
        fake_bus_reply (bus, asker, reply_status_OK, berth_empty_map, none);
        s_flow (self, bus, arena);
    }
    else if (strcmp (asker->type, "stream.cancel") == 0) {
        self->left = 0;
        self->cancels++;
    }
    self->heard++;                      //  bus.stats and others get no answer
}

static void
s_start (service_t *self)
{
    self->bus = fake_bus_new (self->endpoint, s_handle, self);
}

static void
s_stop (service_t *self)
{
    fake_bus_destroy (&self->bus);
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
    s_until (&self->service.heard, 2, self->client);
    s_stop (&self->service);
    berth_reply_t reply;
    assert_true (berth_client_next (self->client, once, berth_mono_ms () + 20000, &reply));
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
s_count_loss (void *context)
{
    ++*(int *) context;
}

//  The caller of a stream sees every byte once, in order, and one end as of the whole.
static void
s_a_stream_goes_on_behind_a_restart (void **state)
{
    story_t *self = *state;
    int losses = 0;
    berth_client_on_loss (self->client, s_count_loss, &losses);
    berth_ask_t ask = { .deadline_ms = -1, .credit = 4 * CHUNK };
    uint64_t call = berth_client_send (self->client, "exec.read", berth_empty_map, &ask, &self->err);
    uint64_t next = 0;
    berth_reply_t reply = { 0 };
    while (berth_client_next (self->client, call, berth_mono_ms () + 20000, &reply)
           && reply.status == reply_status_STREAM) {
        assert_true (any_number (reply.body, "offset", 1) == next);
        next += reply.data.size;
        if (next == 10 * CHUNK || next == 30 * CHUNK) {     //  With more on its way
            s_stop (&self->service);
            s_start (&self->service);
        }
    }
    assert_int_equal (reply.status, reply_status_OK);
    assert_true (next == CHUNK * CHUNKS);
    assert_true (any_number (reply.body, "offset", 1) == 0);
    assert_true (any_number (reply.body, "next", 1) == CHUNK * CHUNKS);
    assert_int_equal (self->service.outrun, 0);
    assert_int_equal (losses, 2);
}

//  Behind a loss the deadline decides, not the patience for a service that never was.
static void
s_a_deadline_holds_through_a_loss (void **state)
{
    story_t *self = *state;
    berth_ask_t ask = { .deadline_ms = 1 };
    uint64_t call = berth_client_send (self->client, "bus.stats", berth_empty_map, &ask, &self->err);
    s_until (&self->service.heard, 1, self->client);
    s_stop (&self->service);
    berth_reply_t reply;
    assert_true (berth_client_next (self->client, call, berth_mono_ms () + 20000, &reply));
    assert_int_equal (reply.error.code, BERTH_UNREACHABLE);
    berth_client_set_patience (self->client, 50);
    ask = (berth_ask_t) { .deadline_ms = -1 };
    call = berth_client_send (self->client, "bus.stats", berth_empty_map, &ask, &self->err);
    assert_true (berth_client_next (self->client, call, berth_mono_ms () + 20000, &reply));
    assert_int_equal (reply.error.code, BERTH_UNREACHABLE);
    s_start (&self->service);
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
        STORY (s_a_stream_goes_on_behind_a_restart),
        STORY (s_a_deadline_holds_through_a_loss),
        STORY (s_a_call_waits_for_a_service_that_comes),
        STORY (s_descriptors_are_waited_for),
        STORY (s_events_come),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
