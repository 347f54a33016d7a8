//  test_leases_time.c - leases: deadlines, of their own and of clients.

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
    assert_at (stage, body, "clippedBy", "\"maxLeaseMs\"");
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
s_put_exec (stage_t *stage, const char *lease, exec_state_t exec_state, int64_t ended_mono_ms)
{
    berth_error_t err = { 0 };
    exec_t exec = {
        .id = SPACE, .company = "acme", .lease = lease, .state = exec_state, .created_at = 1,
        .used_mono_ms = ended_mono_ms, .boot = berth_boot_id (), .on_full = exec_on_full_BLOCK,
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
    assert_int_equal (lease.deadline_mono_ms, stage->mono_ms + 10000);      //  Since it is active
    assert_true (lease.deadline_mono_ms < end_ms);
    stage->step_ms = 0;
    s_put_exec (stage, id, exec_state_RUNNING, 0);
    stage->now_ms += lease.deadline_mono_ms - stage->mono_ms;
    stage->mono_ms = lease.deadline_mono_ms;
    stage_serve (stage);
    assert_state (stage, id, "active");
    assert_int_equal (lease_row (stage, id).deadline_mono_ms, stage->mono_ms + 10000);
    //  It ends 4 s later: idle only 10 s after that.
    s_put_exec (stage, id, exec_state_ENDED, stage->mono_ms + 4000);
    stage->now_ms -= 86400000;      //  Whatever the wall clock does meanwhile
    stage->mono_ms += 10000;
    stage_serve (stage);
    assert_state (stage, id, "active");
    assert_int_equal (lease_row (stage, id).deadline_mono_ms, stage->mono_ms + 4000);
    stage->now_ms += 2 * 86400000;
    stage->mono_ms += 3999;
    stage_serve (stage);
    assert_state (stage, id, "active");
    stage->mono_ms++;
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

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_renew), LEASE_TEST (test_expiry), LEASE_TEST (test_idle),
        LEASE_TEST (test_client_deadline), LEASE_TEST (test_client_deadline_race),
        LEASE_TEST (test_client_deadline_detached),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
