//  test_handoff.c - from the front door to the actors: turns by group and peer, windows, bounds.

#include "fixture.h"

#include "actor.h"
#include "codec.h"
#include "handoff.h"

typedef struct {
    wiring_t *wiring;
    peers_t *peers;
    handoff_t *handoff;
    zsock_t *inbox;
} scene_t;

static int
s_setup (void **state)
{
    scene_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    zsys_init ();
    self->wiring = wiring_new ();
    self->peers = peers_new ();
    self->inbox = wiring_take (self->wiring, ACTOR_LEASES, NULL, INBOX_CLIENTS);
    self->handoff = handoff_new (self->wiring, self->peers);
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    scene_t *self = *state;
    handoff_destroy (&self->handoff);
    zsock_destroy (&self->inbox);
    wiring_destroy (&self->wiring);
    peers_destroy (&self->peers);
    free (self);
    return 0;
}

static peer_t *
s_peer (scene_t *self, uint32_t number)
{
    peer_t *peer = peers_find (self->peers, 0, &number, sizeof number);
    assert_non_null (peer);
    return peer;
}

//  One request of a peer, marked by `mark`; the code of its refusal, or 0.
static berth_error_t
s_ask (scene_t *self, uint64_t group, uint32_t number, uint64_t mark, size_t size)
{
    static uint8_t bytes [BERTH_FRAME_MAX];
    peer_t *peer = s_peer (self, number);
    pending_t *pending = peers_add (self->peers, peer, false);
    assert_non_null (pending);
    letter_t letter = { .magic = LETTER_MAGIC, .type = REQUEST_LEASE_RENEW,
                        .ticket = pending->ticket, .credit = mark };
    berth_error_t err = { 0 };
    sender_t sender = { group, peer };
    berth_bytes_t none = { NULL, 0 };
    if (handoff_request (self->handoff, ACTOR_LEASES, &sender, &letter,
                         (berth_bytes_t) { bytes, size }, none, &err))
        peers_done (self->peers, pending);
    return err;
}

//  The next letter that the actor takes: its mark, or 0 if none is there.
static uint64_t
s_take (scene_t *self)
{
    letter_t letter;
    zmq_msg_t body, data;
    handoff_go_on (self->handoff);
    if (post_receive (zsock_resolve (self->inbox), &letter, sizeof letter, &body, &data))
        return 0;
    actor_stats_t *stats = actor_stats_of (ACTOR_LEASES);
    stats->taken_bytes += zmq_msg_size (&body);
    stats->taken++;
    zmq_msg_close (&body);
    zmq_msg_close (&data);
    pending_t *pending = peers_pending (self->peers, letter.ticket);
    if (pending && letter.type == REQUEST_LEASE_RENEW)
        peers_done (self->peers, pending);
    return letter.credit;
}

static void
test_turns_by_peer (void **state)
{
    scene_t *self = *state;
    for (unsigned index = 0; index < BERTH_WINDOW_MAX; index++)
        (void) s_ask (self, 1, 1, 1, 10);
    assert_int_equal (handoff_waiting (self->handoff), 0);      //  A window of it is on its way
    for (uint64_t index = 0; index < 4; index++)
        (void) s_ask (self, 1, 1, 100 + index, 10);
    (void) s_ask (self, 2, 2, 200, 10);
    (void) s_ask (self, 3, 3, 300, 10);
    (void) s_ask (self, 2, 2, 201, 10);
    assert_int_equal (handoff_waiting (self->handoff), 7);
    assert_int_equal (handoff_waiting_bytes (self->handoff), 70);
    for (unsigned index = 0; index < BERTH_WINDOW_MAX; index++)
        assert_int_equal (s_take (self), 1);
    static const uint64_t turns [] = { 100, 200, 300, 101, 201, 102, 103 };
    for (size_t index = 0; index < BERTH_COUNT (turns); index++)
        assert_int_equal (s_take (self), turns [index]);
    assert_int_equal (s_take (self), 0);
    assert_int_equal (handoff_waiting_bytes (self->handoff), 0);
}

//  A principal with many connections has one turn, not many.
static void
test_turns_by_group (void **state)
{
    scene_t *self = *state;
    for (unsigned index = 0; index < BERTH_WINDOW_MAX; index++)
        (void) s_ask (self, 1, 1, 1, 10);
    for (uint32_t peer = 10; peer < 14; peer++)
        for (uint64_t index = 0; index < 2; index++)
            (void) s_ask (self, 7, peer, peer * 10 + index, 10);
    (void) s_ask (self, 8, 20, 1000, 10);
    (void) s_ask (self, 8, 20, 1001, 10);
    for (unsigned index = 0; index < BERTH_WINDOW_MAX; index++)
        assert_int_equal (s_take (self), 1);
    static const uint64_t turns [] = { 100, 1000, 110, 1001, 120, 130, 101, 111, 121, 131 };
    for (size_t index = 0; index < BERTH_COUNT (turns); index++)
        assert_int_equal (s_take (self), turns [index]);
}

static void
test_bytes_are_bounded (void **state)
{
    scene_t *self = *state;
    //  The window is bounded in bytes too
    unsigned sent = 0;
    while (handoff_waiting (self->handoff) == 0) {
        assert_int_equal (s_ask (self, 1, 1, 1, BERTH_FRAME_MAX).code, 0);
        sent++;
    }
    assert_int_equal (sent, BERTH_WINDOW_BYTES / BERTH_FRAME_MAX + 1);
    //  So is one peer's line
    berth_error_t err = { 0 };
    for (unsigned index = 0; index < 8 && !err.code; index++)
        err = s_ask (self, 1, 1, 1, BERTH_FRAME_MAX);
    assert_int_equal (err.code, BERTH_BUSY);
    assert_string_equal (err.limit, "lineBytes");
    assert_int_equal (err.limit_value, BERTH_LINE_BYTES);
    assert_true (err.retry_after_ms > 0);
    assert_in_range (handoff_waiting_bytes (self->handoff), 1, BERTH_LINE_BYTES);
    //  And all of them: beyond that, a peer that has nothing here may still say something small
    for (uint32_t peer = 2; !(err = s_ask (self, peer, peer, 1, BERTH_FRAME_MAX)).code; peer++)
        assert_in_range (peer, 0, 100);
    assert_string_equal (err.limit, "waitingBytes");
    assert_in_range (handoff_waiting_bytes (self->handoff), 1, BERTH_WAITING_BYTES);
    assert_int_equal (s_ask (self, 500, 500, 1, 100).code, 0);
    assert_int_equal (s_ask (self, 500, 500, 1, 100).code, BERTH_BUSY);
}

//  What nobody waits for any more is not handed on; a word about a request does not overtake it.
static void
test_controls_and_the_gone (void **state)
{
    scene_t *self = *state;
    for (unsigned index = 0; index < BERTH_WINDOW_MAX; index++)
        (void) s_ask (self, 1, 1, 1, 10);
    (void) s_ask (self, 2, 2, 200, 10);
    letter_t control = { .magic = LETTER_MAGIC, .type = REQUEST_STREAM_CANCEL, .credit = 299 };
    sender_t sender = { 2, s_peer (self, 2) };
    handoff_control (self->handoff, ACTOR_LEASES, &sender, &control);
    (void) s_ask (self, 3, 3, 300, 10);
    pending_t gone;
    while (peers_take_gone (self->peers, s_peer (self, 3), &gone))
        continue;
    for (unsigned index = 0; index < BERTH_WINDOW_MAX; index++)
        assert_int_equal (s_take (self), 1);
    assert_int_equal (s_take (self), 200);
    assert_int_equal (s_take (self), 299);
    assert_int_equal (s_take (self), 0);
    assert_int_equal (handoff_waiting (self->handoff), 0);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_turns_by_peer), TEST (test_turns_by_group), TEST (test_bytes_are_bounded),
        TEST (test_controls_and_the_gone),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
