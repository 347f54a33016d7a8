//  test_leases_deadline.c - what a lease is granted and what clips it, what is said before its end, and
//  clocks that are set.

#include "lease_stage.h"

#include "clock.h"
#include "codec.h"

static const int64_t s_day_ms = 86400000;

static void
s_pass (stage_t *stage, int64_t ms)
{
    stage->step_ms = 0;
    stage->now_ms += ms;
    stage->mono_ms += ms;
    stage_serve (stage);
}

static void
s_pass_to (stage_t *stage, int64_t mono_ms)
{
    s_pass (stage, mono_ms - stage->mono_ms);
}

static size_t
s_said (stage_t *stage, const char *action)
{
    size_t count = 0;
    for (uint64_t back = 0; back < stage_entries (stage); back++)
        count += strcmp (stage_text (stage, stage_entry (stage, back), "action"), action) == 0;
    return count;
}

#define EXPIRING "environment.lease_expiring"

//  ---- what is said before an end

static void
test_said_once (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, ",'maxLeaseMs':600000");
    int64_t end_ms = lease_row (stage, id).deadline_mono_ms;
    static const int64_t marks [] = { 300000, 60000, 10000 };
    for (size_t index = 0; index < BERTH_COUNT (marks); index++) {
        s_pass_to (stage, end_ms - marks [index] - 1);
        assert_int_equal (s_said (stage, EXPIRING), index);
        s_pass (stage, 1);
        assert_int_equal (s_said (stage, EXPIRING), index + 1);
        berth_bytes_t entry = stage_entry (stage, 0);
        assert_string_equal (stage_text (stage, entry, "entityId"), id);
        assert_at (stage, entry, "details.leftMs", ASK ("%lld", (long long) marks [index]));
        assert_at (stage, entry, "details.endsBy", "\"maxLeaseMs\"");
        //  Neither another tick nor another process says it again.
        s_pass (stage, 1);
        lease_stage_restart (stage);
        stage_start (stage);
        s_pass (stage, 1);
        assert_int_equal (s_said (stage, EXPIRING), index + 1);
    }
    s_pass_to (stage, end_ms);
    assert_state (stage, id, "releasing");
    assert_int_equal (s_said (stage, EXPIRING), 3);
}

//  A service that was away says how late it is, and says it once; what has so little from the
//  beginning needs no warning of it.
static void
test_said_late (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, ",'maxLeaseMs':600000");
    int64_t end_ms = lease_row (stage, id).deadline_mono_ms;
    s_pass_to (stage, end_ms - 45000);
    assert_int_equal (s_said (stage, EXPIRING), 1);
    assert_at (stage, stage_entry (stage, 0), "details.leftMs", "45000");
    s_pass_to (stage, end_ms - 10000);
    assert_int_equal (s_said (stage, EXPIRING), 2);

    stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s','ms':45000}", id));
    end_ms = lease_row (stage, id).deadline_mono_ms;
    s_pass_to (stage, end_ms - 10001);
    assert_int_equal (s_said (stage, EXPIRING), 2);
    s_pass (stage, 1);
    assert_int_equal (s_said (stage, EXPIRING), 3);
}

//  Nobody is told of one that has not opened yet; and it is not looked at again and again.
static void
test_pending (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t open = lease_opening (stage, ",'maxLeaseMs':400000", &ticket);
    int64_t end_ms = lease_row (stage, open.subject).deadline_mono_ms;
    static const int64_t lefts [] = { 300000, 200000, 60000, 10000, 1 };
    for (size_t index = 0; index < BERTH_COUNT (lefts); index++) {
        s_pass_to (stage, end_ms - lefts [index]);
        lease_t lease = lease_row (stage, open.subject);
        assert_int_equal (lease.state, lease_state_PENDING);
        assert_true (lease.look_mono_ms > stage->mono_ms && lease.look_mono_ms <= end_ms);
    }
    assert_int_equal (s_said (stage, EXPIRING), 0);
    s_pass (stage, 1);
    assert_state (stage, open.subject, "releasing");
}

//  A renewal arms it again, and leaves the index alone.
static void
test_said_again (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, ",'maxLeaseMs':400000");
    int64_t look_ms = lease_row (stage, id).look_mono_ms;
    for (int times = 1; times <= 3; times++) {
        int64_t end_ms = lease_row (stage, id).deadline_mono_ms;
        s_pass_to (stage, end_ms - 300000);
        assert_int_equal (s_said (stage, EXPIRING), times);
        stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s'}", id));
        look_ms = lease_row (stage, id).look_mono_ms;
        s_pass (stage, 1000);
        stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s'}", id));
        assert_int_equal (lease_row (stage, id).look_mono_ms, look_ms);
        s_pass_to (stage, look_ms);                     //  Looked at for nothing: it moves on
        assert_int_equal (s_said (stage, EXPIRING), times);
        assert_int_equal (lease_row (stage, id).look_mono_ms, look_ms + 1000);
    }
}

//  ---- granted and clipped

static void
s_renewed (stage_t *stage, const char *id, const char *more, int64_t granted_ms, const char *clip)
{
    berth_bytes_t body = stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s'%s}", id, more));
    assert_at (stage, body, "grantedMs", granted_ms ? ASK ("%lld", (long long) granted_ms) : "absent");
    assert_at (stage, body, "clippedBy", clip ? ASK ("\"%s\"", clip) : "absent");
    int64_t expires_at = lease_row (stage, id).expires_at;
    assert_int_equal (expires_at, granted_ms ? stage->now_ms + granted_ms : 0);
}

static const char *
s_place (stage_t *stage, const char *more, const char *opened)
{
    uint64_t ticket;
    letter_t open = lease_opening (stage, more, &ticket);
    stage_queue_done (stage, &open, true, opened);
    stage_serve (stage);
    return arena_string (stage->arena, open.subject);
}

static void
s_policy (stage_t *stage, const char *policy)
{
    stage_put_environment (stage, BOX, ASK ("{'driver':'sandbox','config':{'provider':'bubblewrap'},"
                                            "'policy':%s}", policy));
}

static void
test_clipped (void **state)
{
    stage_t *stage = *state;
    s_policy (stage, "{'maxLeaseMs':60000}");
    const char *id = lease_active (stage, "");
    s_renewed (stage, id, "", 60000, NULL);
    s_renewed (stage, id, ",'ms':30000", 30000, NULL);
    s_renewed (stage, id, ",'ms':60001", 60000, "policy.maxLeaseMs");
    id = lease_active (stage, ",'maxLeaseMs':50000");
    s_renewed (stage, id, ",'ms':60000", 50000, "maxLeaseMs");
    id = lease_active (stage, ",'idleMs':20000");
    s_renewed (stage, id, "", 20000, "idleMs");
    s_renewed (stage, id, ",'ms':15000", 15000, NULL);
    s_policy (stage, "{'maxLeaseMs':60000,'idleMs':10000}");
    id = lease_active (stage, ",'idleMs':20000");
    s_renewed (stage, id, "", 10000, "policy.idleMs");

    //  What the provider grants is its own clock's, and nothing puts it off.
    s_policy (stage, "{'maxLeaseMs':60000}");
    stage->step_ms = 0;
    int64_t end_at = stage->now_ms + 40000;
    id = s_place (stage, "", ASK ("{'providerLeaseId':'bubblewrap:timed','metadata':{},'expiresAt':%lld}",
                                  (long long) end_at));
    s_renewed (stage, id, "", 40000, "provider.expiresAt");
    s_pass (stage, 15000);
    s_renewed (stage, id, ",'ms':5000", 5000, NULL);
    s_renewed (stage, id, ",'ms':50000", 25000, "provider.expiresAt");
    s_pass (stage, 24999);
    assert_state (stage, id, "active");
    s_pass (stage, 1);
    assert_state (stage, id, "releasing");
}

//  No end must be written, in the policy and in the request; else it is a day.
static void
test_none (void **state)
{
    stage_t *stage = *state;
    stage->step_ms = 0;
    const char *id = lease_active (stage, "");
    assert_int_equal (lease_row (stage, id).expires_at, stage->now_ms + s_day_ms);
    id = lease_active (stage, ",'maxLeaseMs':'none'");
    assert_int_equal (lease_row (stage, id).max_ms, s_day_ms);
    s_policy (stage, "{'maxLeaseMs':'none'}");
    id = lease_active (stage, "");
    assert_int_equal (lease_row (stage, id).expires_at, 0);
    s_renewed (stage, id, "", 0, NULL);
    s_renewed (stage, id, ",'ms':1000", 1000, NULL);
    s_renewed (stage, id, "", 0, NULL);
    s_pass (stage, 1000 * s_day_ms);
    assert_state (stage, id, "active");
}

//  ---- clocks

//  The wall clock is set by a day, forward and back, again and again: nothing ends or is said early,
//  nothing late.
static void
test_wall_jumps (void **state)
{
    stage_t *stage = *state;
    for (int sign = -1; sign <= 1; sign += 2) {
        const char *id = lease_active (stage, ",'maxLeaseMs':600000"),
            *idle = lease_active (stage, ",'idleMs':90000");
        int64_t end_ms = lease_row (stage, id).deadline_mono_ms;
        int64_t idle_end_ms = lease_row (stage, idle).deadline_mono_ms;
        size_t said = s_said (stage, EXPIRING);
        stage->step_ms = 0;
        while (stage->mono_ms < end_ms) {
            stage->now_ms += sign * s_day_ms;
            int64_t next_ms = stage->mono_ms + 7000;
            stage->mono_ms = next_ms < end_ms ? next_ms : end_ms - 1;
            stage_serve (stage);
            assert_state (stage, id, "active");
            if (stage->mono_ms < idle_end_ms)
                assert_state (stage, idle, "active");
            else
                assert_int_not_equal (lease_row (stage, idle).state, lease_state_ACTIVE);
            if (stage->mono_ms == end_ms - 1)
                break;
        }
        stage->now_ms += sign * s_day_ms;
        s_pass (stage, 1);
        assert_state (stage, id, "releasing");
        assert_int_equal (s_said (stage, EXPIRING) - said, 3 + 2);
    }
}

//  Asleep, the monotonic clock stands still: what was renewed is as good as before.
static void
test_asleep (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, ",'maxLeaseMs':60000,'idleMs':30000");
    stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s'}", id));
    stage->step_ms = 0;
    stage->now_ms += 30 * s_day_ms;
    stage_serve (stage);
    s_pass (stage, 20000);
    lease_t lease = lease_row (stage, id);              //  What people are told follows, at a look
    assert_int_equal (lease.expires_at, stage->now_ms + (lease.deadline_mono_ms - stage->mono_ms));
    s_pass (stage, 9999);
    assert_state (stage, id, "active");
    s_pass (stage, 1);
    assert_state (stage, id, "releasing");
}

//  What is idle is put off by what uses it; and looked at so seldom that little is written.
static void
test_used (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, ",'idleMs':12000");
    berth_error_t err = { 0 };
    exec_t exec = { .id = SPACE, .company = "acme", .lease = id, .state = exec_state_RUNNING,
                    .created_at = 1, .on_full = exec_on_full_BLOCK,
                    .command = { (const uint8_t *) "true", 4 } };
    store_txn_t *txn;
    assert_ok (store_begin (stage->store, &txn, &err), err);
    assert_ok (exec_put (txn, stage->arena, &exec, &err), err);
    assert_ok (store_commit (&txn, &err), err);
    stage->step_ms = 0;
    int64_t last_ms = lease_row (stage, id).used_mono_ms, changes = 0;
    for (int tenth = 0; tenth < 2400; tenth++) {
        s_pass (stage, 100);
        int64_t used_ms = lease_row (stage, id).used_mono_ms;
        if (used_ms != last_ms)
            changes++;
        last_ms = used_ms;
    }
    assert_state (stage, id, "active");
    assert_in_range (changes, 20, 240000 / 1200);
    assert_int_equal (s_said (stage, EXPIRING), 0);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_said_once), LEASE_TEST (test_said_late), LEASE_TEST (test_said_again),
        LEASE_TEST (test_pending),
        LEASE_TEST (test_clipped), LEASE_TEST (test_none), LEASE_TEST (test_wall_jumps),
        LEASE_TEST (test_asleep), LEASE_TEST (test_used),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
