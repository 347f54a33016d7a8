//  test_leases_time.c - leases: deadlines, of their own and of clients, and what a start takes up.

#include "lease_stage.h"

#include "clock.h"
#include "codec.h"

//  ---- time

static void
test_renew (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, ",'maxLeaseMs':60000");
    berth_bytes_t body = stage_ok (stage, REQUEST_LEASE_RENEW,
                                   ASK ("{'leaseId':'%s','ms':30000}", id));
    assert_at (stage, body, "grantedMs", "30000");
    assert_at (stage, body, "clippedBy", "absent");
    body = stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s','ms':90000}", id));
    assert_at (stage, body, "grantedMs", "60000");
    assert_at (stage, body, "clippedBy", "\"policy.maxLeaseMs\"");
    assert_at (stage, body, "expiresAt", ASK ("%lld", (long long) (stage->now_ms + 60000)));
}

//  Never before its deadline, and at it; whatever the wall clock does meanwhile.
static void
test_expiry (void **state)
{
    stage_t *stage = *state;
    for (int jump = -1; jump <= 1; jump++) {
        const char *id = lease_active (stage, ",'maxLeaseMs':60000");
        int64_t deadline_ms = lease_row (stage, id).deadline_mono_ms;
        stage->step_ms = 0;
        stage->now_ms += jump * 31536000000;
        stage->mono_ms = deadline_ms - 1;
        stage_serve (stage);
        assert_state (stage, id, "active");
        stage->mono_ms = deadline_ms;
        stage_serve (stage);
        assert_state (stage, id, "releasing");
        lease_closed (stage, true);
        assert_state (stage, id, "expired");
        stage->step_ms = 1000;
    }
}

static void
s_put_exec (stage_t *stage, const char *lease, exec_state_t exec_state, int64_t ended_at)
{
    berth_error_t err = { 0 };
    exec_t exec = {
        .id = SPACE, .company = "acme", .lease = lease, .state = exec_state,
        .created_at = 1, .ended_at = ended_at, .on_full = exec_on_full_BLOCK,
    };
    exec.command = (berth_bytes_t) { (const uint8_t *) "true", 4 };
    store_txn_t *txn;
    assert_ok (store_begin (stage->store, &txn, &err), err);
    assert_ok (exec_put (txn, stage->arena, &exec, &err), err);
    assert_ok (store_commit (&txn, &err), err);
}

//  An exec is use while it lives and when it ends; the end of maxLeaseMs stays where it is.
static void
test_idle (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, ",'maxLeaseMs':60000,'idleMs':10000");
    lease_t lease = lease_row (stage, id);
    int64_t end_ms = lease.end_mono_ms, begun_ms = stage->mono_ms;
    assert_int_equal (lease.deadline_mono_ms, end_ms - 50000);
    stage->step_ms = 0;
    s_put_exec (stage, id, exec_state_RUNNING, 0);
    stage->now_ms += lease.deadline_mono_ms - stage->mono_ms;
    stage->mono_ms = lease.deadline_mono_ms;
    stage_serve (stage);
    assert_state (stage, id, "active");
    assert_int_equal (lease_row (stage, id).deadline_mono_ms, stage->mono_ms + 10000);
    //  It ends 4 s later: idle only 10 s after that.
    s_put_exec (stage, id, exec_state_ENDED, stage->now_ms + 4000);
    stage->now_ms += 10000;
    stage->mono_ms += 10000;
    stage_serve (stage);
    assert_state (stage, id, "active");
    assert_int_equal (lease_row (stage, id).deadline_mono_ms, stage->mono_ms + 4000);
    stage->now_ms += 4000;
    stage->mono_ms += 4000;
    stage_serve (stage);
    assert_state (stage, id, "releasing");
    assert_true (stage->mono_ms - begun_ms < 30000);

    //  In use all the time: until the end, not a moment less or more.
    id = lease_active (stage, ",'maxLeaseMs':25000,'idleMs':10000");
    s_put_exec (stage, id, exec_state_RUNNING, 0);
    end_ms = lease_row (stage, id).end_mono_ms;
    while (stage->mono_ms < end_ms - 1) {
        int64_t next_ms = lease_row (stage, id).deadline_mono_ms;
        int64_t to_ms = next_ms < end_ms - 1 ? next_ms : end_ms - 1;
        stage->now_ms += to_ms - stage->mono_ms;
        stage->mono_ms = to_ms;
        stage_serve (stage);
        assert_state (stage, id, "active");
    }
    stage->mono_ms = end_ms;
    stage_serve (stage);
    assert_state (stage, id, "releasing");
}

//  ---- deadlines of clients

static void
test_client_deadline (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    stage->deadline_ms = 5000;
    letter_t open = lease_opening (stage, "", &ticket);
    stage->step_ms = 5000;
    stage_serve (stage);
    berth_error_t err = lease_error (stage, ticket);
    assert_int_equal (err.code, BERTH_DEADLINE_EXCEEDED);
    assert_string_equal (err.lease_id, open.subject);
    assert_state (stage, open.subject, "releasing");
    stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    stage_serve (stage);
    lease_closed (stage, true);
    assert_state (stage, open.subject, "failed");
}

//  The place opened in the very batch in which the deadline passed: its client was told that it
//  failed, so it is closed.
static void
test_client_deadline_race (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    stage->deadline_ms = 5000;
    letter_t open = lease_opening (stage, "", &ticket);
    stage->step_ms = 5000;
    stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    stage_serve (stage);
    assert_int_equal (lease_error (stage, ticket).code, BERTH_DEADLINE_EXCEEDED);
    assert_state (stage, open.subject, "releasing");
}

static void
test_client_deadline_detached (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    stage->deadline_ms = 5000;
    letter_t open = lease_opening (stage, ",'detach':true", &ticket);
    stage->step_ms = 5000;
    stage_serve (stage);
    assert_int_equal (lease_error (stage, ticket).code, BERTH_DEADLINE_EXCEEDED);
    stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    stage_serve (stage);
    assert_state (stage, open.subject, "active");
}

//  ---- after a start

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

//  Each of ten thousand is asked for again, by one step, in one batch.
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
    assert_int_equal (many.count, MANY);
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

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_renew), LEASE_TEST (test_expiry), LEASE_TEST (test_idle),
        LEASE_TEST (test_client_deadline), LEASE_TEST (test_client_deadline_race),
        LEASE_TEST (test_client_deadline_detached), LEASE_TEST (test_start),
        LEASE_TEST (test_start_many), LEASE_TEST (test_start_lost),
        LEASE_TEST (test_start_other_boot),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
