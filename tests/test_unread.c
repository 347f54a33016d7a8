//  test_unread.c - bytes on their way to a peer are counted until they are out, and bounded.

#include "fixture.h"

#include "unread.h"

static zmq_msg_t
s_frame (size_t size)
{
    zmq_msg_t frame;
    assert_int_equal (zmq_msg_init_size (&frame, size), 0);
    memset (zmq_msg_data (&frame), 'x', size);
    return frame;
}

static void
test_counts (void **state)
{
    (void) state;
    own (unread) unread = unread_new ();
    zmq_msg_t small = s_frame (100), large = s_frame (100000);
    unread_count (unread, &small);
    assert_int_equal (unread_bytes (unread), 0);        //  Bounded by their number
    unread_count (unread, &large);
    assert_int_equal (unread_bytes (unread), 100000);
    assert_int_equal (zmq_msg_size (&large), 100000);
    assert_int_equal (((char *) zmq_msg_data (&large)) [99999], 'x');
    zmq_msg_close (&small);
    zmq_msg_close (&large);
    assert_int_equal (unread_bytes (unread), 0);
}

static void
test_bounds (void **state)
{
    (void) state;
    enum { SIZE = 1 << 20, MOST = BERTH_UNREAD_BYTES / SIZE, PEERS = BERTH_UNREAD_ALL / SIZE / (MOST + 1) };
    own (unread) modest = unread_new ();
    own (unread) filler = unread_new ();
    unread_t *greedy [PEERS];
    static zmq_msg_t frames [PEERS * (MOST + 1) + MOST + 4];
    size_t count = 0;
    berth_error_t err = { 0 };
    for (int peer = 0; peer < PEERS; peer++) {
        greedy [peer] = unread_new ();
        for (int index = 0; index < MOST; index++) {
            frames [count] = s_frame (SIZE);
            unread_count (greedy [peer], &frames [count++]);
        }
        assert_ok (unread_check (greedy [peer], &err), err);
        frames [count] = s_frame (SIZE);
        unread_count (greedy [peer], &frames [count++]);
        assert_fails (unread_check (greedy [peer], &err), err, BERTH_BUSY);
        assert_string_equal (err.limit, "unreadBytes");
        assert_int_equal (err.limit_value, BERTH_UNREAD_BYTES);
        err = (berth_error_t) { 0 };
    }
    for (int index = 0; index < MOST; index++) {
        frames [count] = s_frame (SIZE);
        unread_count (filler, &frames [count++]);
    }
    //  All of them together have too much: now a sixteenth is enough to be refused, not less
    for (int index = 0; index < 2; index++) {
        frames [count] = s_frame (SIZE);
        unread_count (modest, &frames [count++]);
        assert_ok (unread_check (modest, &err), err);
    }
    frames [count] = s_frame (SIZE);
    unread_count (modest, &frames [count++]);
    assert_fails (unread_check (modest, &err), err, BERTH_BUSY);
    //  A peer may go before its frames
    for (int peer = 0; peer < PEERS; peer++)
        unread_destroy (&greedy [peer]);
    while (count)
        zmq_msg_close (&frames [--count]);
    assert_ok (unread_check (modest, &err), err);
}

int
main (void)
{
    const struct CMUnitTest tests [] = { cmocka_unit_test (test_counts), cmocka_unit_test (test_bounds) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
