//  test_peers.c - who talks to the front door: bounded, and never deaf to who comes.

#include "fixture.h"

#include "peers.h"

static peer_t *
s_find (peers_t *peers, uint32_t number, int64_t heard_ms)
{
    peer_t *peer = peers_find (peers, 0, &number, sizeof number);
    if (peer)
        peer->heard_ms = heard_ms;
    return peer;
}

static pending_t *
s_add (peers_t *peers, peer_t *peer, bool streams, const char *id)
{
    pending_t *pending = peers_add (peers, peer, streams);
    if (pending) {
        pending->id_size = (uint8_t) strlen (id);
        memcpy (pending->id, id, pending->id_size);
    }
    return pending;
}

static void
s_requests_are_found_and_bounded (void **state)
{
    (void) state;
    own (peers) peers = peers_new ();
    peer_t *one = s_find (peers, 1, 0), *two = s_find (peers, 2, 0);
    assert_ptr_equal (s_find (peers, 1, 0), one);
    uint64_t tickets [BERTH_UNANSWERED_MAX];
    for (unsigned index = 0; index < BERTH_UNANSWERED_MAX; index++)
        tickets [index] = s_add (peers, one, false, "a")->ticket;
    assert_null (s_add (peers, one, false, "a"));
    pending_t *other = s_add (peers, two, false, "a");
    assert_non_null (other);
    assert_ptr_equal (peers_by_id (peers, two, "a", 1), other);
    assert_null (peers_by_id (peers, two, "b", 1));

    peers_done (peers, peers_pending (peers, tickets [7]));
    assert_null (peers_pending (peers, tickets [7]));
    assert_null (peers_pending (peers, 0));
    uint64_t again = s_add (peers, one, false, "c")->ticket;
    assert_true (again != tickets [7]);         //  A late answer finds nobody
    assert_null (s_add (peers, one, false, "d"));
}

static void
s_the_longest_silent_makes_room (void **state)
{
    (void) state;
    own (peers) peers = peers_new ();
    for (uint32_t number = 0; number < BERTH_PEERS_MAX; number++)
        assert_non_null (s_find (peers, number, 1000 + (number * 7) % BERTH_PEERS_MAX));
    peer_t *oldest = s_find (peers, 0, 1000);
    assert_non_null (s_add (peers, oldest, false, "a"));    //  It waits for something: it stays
    uint32_t next = 0;
    while (next * 7 % BERTH_PEERS_MAX != 1)
        next++;
    assert_non_null (s_find (peers, BERTH_PEERS_MAX, 9000));
    assert_int_equal (peers_count (peers), BERTH_PEERS_MAX);
    assert_ptr_equal (s_find (peers, 0, 1000), oldest);
    //  Who made room is a stranger now, and the next in age makes room for it.
    assert_int_equal (s_find (peers, next, 9000)->unanswered, 0);
    assert_int_equal (peers_count (peers), BERTH_PEERS_MAX);
}

static void
s_nobody_who_waits_makes_room (void **state)
{
    (void) state;
    own (peers) peers = peers_new ();
    pending_t *last = NULL;
    for (uint32_t number = 0; number < BERTH_PEERS_MAX; number++)
        last = s_add (peers, s_find (peers, number, number), false, "a");
    assert_null (s_find (peers, BERTH_PEERS_MAX, 9000));
    peers_done (peers, last);
    assert_non_null (s_find (peers, BERTH_PEERS_MAX, 9000));
    assert_int_equal (peers_count (peers), BERTH_PEERS_MAX);
}

static void
s_only_streams_end_in_silence (void **state)
{
    (void) state;
    own (peers) peers = peers_new ();
    peer_t *one = s_find (peers, 1, 100), *two = s_find (peers, 2, 500);
    uint64_t stream = s_add (peers, one, true, "s")->ticket;
    uint64_t plain = s_add (peers, one, false, "p")->ticket;
    (void) s_add (peers, two, true, "s");
    pending_t taken;
    assert_true (peers_take_silent (peers, 300, &taken));
    assert_int_equal (taken.ticket, stream);
    assert_false (peers_take_silent (peers, 300, &taken));
    assert_non_null (peers_pending (peers, plain));

    peers_sweep (peers, 1000);                  //  Both wait for something
    assert_int_equal (peers_count (peers), 2);
    assert_true (peers_take_gone (peers, one, &taken));
    assert_int_equal (taken.ticket, plain);
    assert_false (peers_take_gone (peers, one, &taken));
    peers_sweep (peers, 1000);
    assert_int_equal (peers_count (peers), 1);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_requests_are_found_and_bounded),
        cmocka_unit_test (s_the_longest_silent_makes_room),
        cmocka_unit_test (s_nobody_who_waits_makes_room),
        cmocka_unit_test (s_only_streams_end_in_silence),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
