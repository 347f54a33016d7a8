//  test_leases_start.c - leases: what a start takes up, and what deadlines are in another boot.

#include "lease_stage.h"

#include "clock.h"
#include "codec.h"

static void
s_put (stage_t *stage, lease_state_t lease_state, place_state_t place, const char *boot)
{
    lease_t lease = stage_lease (stage, KEPT, BOX, lease_state);
    lease.driver = "sandbox";
    lease.provider = "bubblewrap";
    lease.provider_lease = "bubblewrap:x";
    lease.config = stage_pack (stage, "{'provider':'bubblewrap'}");
    lease.place = place;
    lease.expires_at = stage->now_ms + 60000;
    lease.deadline_mono_ms = lease.end_mono_ms = stage->mono_ms + 60000;
    lease.boot = boot;
    stage_put_lease (stage, &lease);
}

static void
test_start (void **state)
{
    stage_t *stage = *state;
    static const struct { lease_state_t state; place_state_t place; request_code_t sent; } cases [] = {
        { lease_state_PENDING, place_state_OPENING, REQUEST_PLACE_OPEN },
        { lease_state_ACTIVE, place_state_OPENING, REQUEST_PLACE_OPEN },
        { lease_state_ACTIVE, place_state_OPEN, REQUEST_PLACE_RESUME },
        { lease_state_RELEASING, place_state_OPEN, REQUEST_PLACE_CLOSE },
        { lease_state_RELEASING, place_state_OPENING, REQUEST_PLACE_CLOSE },
        { lease_state_CLEANUP, place_state_OPEN, REQUEST_PLACE_CLOSE },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        s_put (stage, cases [index].state, cases [index].place, berth_boot_id ());
        lease_stage_restart (stage);
        stage_start (stage);
        if (cases [index].state == lease_state_CLEANUP)
            stage_serve (stage);
        assert_int_equal (stage->count, 1);
        assert_non_null (lease_sent (stage, cases [index].sent));
        assert_int_equal (lease_row (stage, KEPT).deadline_mono_ms,
                          lease_row (stage, KEPT).end_mono_ms);
    }
    assert_int_equal (stage_entries (stage), 0);
}

//  Each of ten thousand is asked for again, by one step, a bounded number in one commit.
enum { MANY = 10000 };

typedef struct {
    uint8_t seen [MANY];
    size_t count;
} many_t;

static void
s_count (void *context, actor_code_t to, const char *provider, const letter_t *letter,
         reply_status_t status, berth_bytes_t body, berth_bytes_t data, data_free_fn *data_free)
{
    many_t *many = context;
    (void) provider;
    (void) status;
    (void) body;
    (void) data;
    (void) data_free;
    assert_int_equal (to, ACTOR_PROXY);
    assert_int_equal (letter->type, REQUEST_PLACE_RESUME);
    size_t index = strtoul (letter->subject + 24, NULL, 10);
    assert_true (index < MANY && !many->seen [index]);
    many->seen [index] = 1;
    many->count++;
}

static void
test_start_many (void **state)
{
    stage_t *stage = *state;
    static many_t many;
    berth_error_t err = { 0 };
    own (arena) arena = arena_new ();
    store_txn_t *txn;
    assert_ok (store_begin (stage->store, &txn, &err), err);
    for (int index = 0; index < MANY; index++) {
        lease_t lease = stage_lease (stage, KEPT, BOX, lease_state_ACTIVE);
        lease.id = arena_printf (arena, "00000000-0000-7000-8000-%012d", index);
        lease.place = place_state_OPEN;
        lease.provider = "bubblewrap";
        lease.config = berth_empty_map;
        assert_ok (lease_put (txn, arena, &lease, &err), err);
    }
    assert_ok (store_commit (&txn, &err), err);
    lease_stage_restart (stage);
    actor_serve_start (stage->actor, stage->now_ms, stage->mono_ms, s_count, &many);
    for (size_t turns = 0; many.count < MANY && turns < MANY; turns++) {
        size_t before = many.count;
        actor_serve (stage->actor, NULL, 0, stage->now_ms, stage->mono_ms, s_count, &many);
        assert_true (many.count - before <= LEASES_TICK_MAX);
        if (many.count == before)
            break;
    }
    assert_int_equal (many.count, MANY);
}

//  What clients ask meanwhile is answered beside it, and what they change before its turn is not asked
//  for again.
static void
test_start_beside (void **state)
{
    stage_t *stage = *state;
    enum { SOME = 2 * LEASES_TICK_MAX + 10 };
    const char *ids [SOME];
    for (int index = 0; index < SOME; index++) {
        lease_t lease = stage_lease (stage, KEPT, BOX, lease_state_ACTIVE);
        ids [index] = lease.id = arena_printf (stage->arena, "00000000-0000-7000-8000-%012d", index);
        lease.place = place_state_OPEN;
        lease.provider = "bubblewrap";
        lease.config = berth_empty_map;
        stage_put_lease (stage, &lease);
    }
    lease_stage_restart (stage);
    stage_start (stage);
    size_t resumed = stage->count, closed = 0;
    assert_int_equal (resumed, LEASES_TICK_MAX);
    lease_ask_release (stage, ids [0]);             //  Taken up already, and not yet
    lease_ask_release (stage, ids [SOME - 1]);
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_GET, ASK ("{'leaseId':'%s'}", ids [1]));
    for (int turn = 0; turn < 4; turn++) {
        stage_serve (stage);
        if (turn == 0)
            assert_true (lease_answered (stage, ticket));
        for (size_t index = 0; index < stage->count; index++) {
            resumed += stage->sent [index].letter.type == REQUEST_PLACE_RESUME;
            closed += stage->sent [index].letter.type == REQUEST_PLACE_CLOSE;
        }
    }
    assert_int_equal (resumed, SOME - 1);
    assert_int_equal (closed, 2);

    //  One that was opening has nobody yet who would answer: its turn closes it.
    s_put (stage, lease_state_PENDING, place_state_OPENING, berth_boot_id ());
    for (int index = 0; index < LEASES_TICK_MAX; index++) {     //  In front of it
        lease_t lease = stage_lease (stage, KEPT, BOX, lease_state_PENDING);
        lease.id = arena_printf (stage->arena, "00000000-0000-7000-9000-%012d", index);
        lease.place = place_state_OPENING;
        lease.provider = "bubblewrap";
        lease.config = berth_empty_map;
        lease.look_mono_ms = 1 + index;
        stage_put_lease (stage, &lease);
    }
    lease_stage_restart (stage);
    stage_start (stage);
    lease_ask_release (stage, KEPT);
    closed = 0;
    for (int turn = 0; turn < 6; turn++) {
        stage_serve (stage);
        for (size_t index = 0; index < stage->count; index++)
            closed += stage->sent [index].letter.type == REQUEST_PLACE_CLOSE
                   && strcmp (stage->sent [index].letter.subject, KEPT) == 0;
    }
    assert_int_equal (closed, 1);
}

static void
test_start_lost (void **state)
{
    stage_t *stage = *state;
    s_put (stage, lease_state_ACTIVE, place_state_OPEN, berth_boot_id ());
    lease_stage_restart (stage);
    stage_start (stage);
    letter_t resume = lease_sent (stage, REQUEST_PLACE_RESUME)->letter;
    stage_queue_done (stage, &resume, false, lease_timed_out);
    stage_serve (stage);
    assert_state (stage, KEPT, "active");          //  Unknown is not gone
    stage_queue_done (stage, &resume, false, "{'code':'not_found','message':'x','retryable':false}");
    stage_serve (stage);
    lease_closed (stage, true);
    assert_state (stage, KEPT, "failed");
    assert_string_equal (lease_row (stage, KEPT).failure,
                         "the place was lost while the service was down");
}

//  In another boot the wall clock decides, plus one grace.
static void
test_start_other_boot (void **state)
{
    stage_t *stage = *state;
    s_put (stage, lease_state_ACTIVE, place_state_ABSENT, "another");
    stage->step_ms = 0;
    stage->now_ms += 20000;
    stage->mono_ms = 500;
    lease_stage_restart (stage);
    stage_start (stage);
    lease_t lease = lease_row (stage, KEPT);
    assert_string_equal (lease.boot, berth_boot_id ());
    assert_int_equal (lease.deadline_mono_ms, 500 + 40000 + LEASES_GRACE_MS);
    stage->mono_ms = lease.deadline_mono_ms - 1;
    stage_serve (stage);
    assert_state (stage, KEPT, "active");
    stage->mono_ms++;
    stage_serve (stage);
    assert_state (stage, KEPT, "expired");
}

//  What is to be said before an end comes before the clock of a boot that is seconds old.
static void
test_start_young_boot (void **state)
{
    stage_t *stage = *state;
    lease_t later = stage_lease (stage, SPACE, BOX, lease_state_ACTIVE);
    later.boot = berth_boot_id ();
    later.expires_at = stage->now_ms + 1000000;
    later.look_mono_ms = later.deadline_mono_ms = later.end_mono_ms = 1000500;
    stage_put_lease (stage, &later);
    s_put (stage, lease_state_ACTIVE, place_state_ABSENT, "another");
    stage->step_ms = 0;
    stage->mono_ms = 500;
    lease_stage_restart (stage);
    stage_start (stage);
    stage->mono_ms = lease_row (stage, KEPT).deadline_mono_ms;
    stage_serve (stage);
    assert_state (stage, KEPT, "expired");
    assert_state (stage, SPACE, "active");
}

//  Time goes by for its last end, too, when it was to be idle before that.
static void
test_start_idle_boot (void **state)
{
    stage_t *stage = *state;
    lease_t lease = stage_lease (stage, KEPT, BOX, lease_state_ACTIVE);
    lease.boot = "another";
    lease.idle_ms = 10000;
    lease.used_mono_ms = stage->mono_ms;
    lease.expires_at = stage->now_ms + 10000;
    lease.deadline_mono_ms = stage->mono_ms + 10000;
    lease.end_mono_ms = stage->mono_ms + 60000;
    stage_put_lease (stage, &lease);
    stage->step_ms = 0;
    stage->now_ms += 45000;
    stage->mono_ms = 500;
    lease_stage_restart (stage);
    stage_start (stage);
    lease = lease_row (stage, KEPT);
    assert_int_equal (lease.end_mono_ms, 500 + 15000 + LEASES_GRACE_MS);
    assert_int_equal (lease.deadline_mono_ms, 500 + 10000);     //  A start is use
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_start), LEASE_TEST (test_start_many),
        LEASE_TEST (test_start_beside), LEASE_TEST (test_start_lost),
        LEASE_TEST (test_start_other_boot),
        LEASE_TEST (test_start_young_boot), LEASE_TEST (test_start_idle_boot),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
