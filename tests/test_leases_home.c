//  test_leases_home.c - the end of a lease: what runs is drained, files go home or stay for a while.

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

//  An active lease with files in its place, which ends in a minute.
static void
s_put (stage_t *stage, const char *return_mode, bool on_expiry)
{
    environment_policy_t policy = { 0 };
    lease_t lease = stage_lease (stage, KEPT, BOX, lease_state_ACTIVE);
    lease.driver = "sandbox";
    lease.provider = "bubblewrap";
    lease.provider_lease = "bubblewrap:x";
    lease.config = stage_pack (stage, "{'provider':'bubblewrap'}");
    lease.place = place_state_OPEN;
    lease.source = (berth_bytes_t) { (const uint8_t *) "/work", 5 };
    lease.return_mode = return_mode;
    lease.max_ms = 60000;
    lease.expires_at = stage->now_ms + 60000;
    lease.deadline_mono_ms = lease.end_mono_ms = lease.look_mono_ms = stage->mono_ms + 60000;
    lease.boot = berth_boot_id ();
    berth_put (environment_policy, &policy, return_on_expiry, on_expiry);
    lease.env_policy = &policy;
    stage_put_lease (stage, &lease);
}

static const stage_sent_t *
s_close_sent (stage_t *stage, const char *status, bool keeps)
{
    const stage_sent_t *close = lease_sent (stage, REQUEST_PLACE_CLOSE);
    assert_non_null (close);
    assert_string_equal (stage_text (stage, close->body, "status"), status);
    assert_at (stage, close->body, "keepFiles", keeps ? "true" : "false");
    return close;
}

static void
s_take_up (stage_t *stage)
{
    lease_stage_restart (stage);
    stage_start (stage);
}

//  TERM, and time to end by itself; what nobody needs at home goes with the place.
static void
test_drained (void **state)
{
    stage_t *stage = *state;
    s_put (stage, NULL, false);
    s_take_up (stage);
    s_pass (stage, 60000);
    assert_state (stage, KEPT, "releasing");
    const stage_sent_t *close = s_close_sent (stage, "expired", false);
    assert_at (stage, close->body, "graceMs", ASK ("%d", BERTH_EXPIRY_GRACE_MS));
    lease_closed (stage, true);
    assert_state (stage, KEPT, "expired");
}

//  What must come home stays for its days, whatever the wall clock says, and over a restart; then it
//  goes.
static void
test_retained_ends (void **state)
{
    stage_t *stage = *state;
    s_put (stage, "required", false);
    s_take_up (stage);
    s_pass (stage, 60000);
    s_close_sent (stage, "expired", true);
    lease_closed (stage, true);
    assert_state (stage, KEPT, "retained");
    assert_string_equal (stage_text (stage, stage_entry (stage, 0), "action"),
                         "environment.lease_retained");
    lease_t lease = lease_row (stage, KEPT);
    assert_int_equal (lease.expires_at, stage->now_ms + 7 * s_day_ms);
    assert_int_equal (lease.released_at, 0);
    stage->now_ms += 30 * s_day_ms;
    s_pass (stage, s_day_ms);
    s_take_up (stage);
    s_pass (stage, 6 * s_day_ms - 1);
    assert_state (stage, KEPT, "retained");
    s_pass (stage, 1);
    assert_state (stage, KEPT, "releasing");
    s_close_sent (stage, "expired", false);
    lease_closed (stage, true);
    assert_state (stage, KEPT, "expired");
    assert_non_null (strstr (lease_row (stage, KEPT).failure, "retained"));
}

static void
s_home (stage_t *stage)
{
    stage_queue_step (stage, REQUEST_LEASE_REALIZED, ACTOR_REALIZER, "x", "kept",
                      "{'leaseId':'" KEPT "','returned':true,'details':{}}");
    stage_serve (stage);
}

//  Fetched by somebody: the place goes at once, and the lease is what it was to become.
static void
test_fetched (void **state)
{
    stage_t *stage = *state;
    s_put (stage, "required", false);
    s_take_up (stage);
    lease_ask_release (stage, KEPT);
    stage_serve (stage);
    s_close_sent (stage, "released", true);
    lease_closed (stage, true);
    assert_state (stage, KEPT, "retained");
    s_home (stage);
    assert_state (stage, KEPT, "releasing");
    s_close_sent (stage, "released", false);
    lease_closed (stage, true);
    assert_state (stage, KEPT, "released");
}

static letter_t
s_asked_home (stage_t *stage)
{
    const stage_sent_t *sent = stage_work (stage, ACTOR_REALIZER, 0);
    assert_non_null (sent);
    assert_int_equal (sent->letter.type, REQUEST_WORKSPACE_RETURN);
    assert_string_equal (stage_text (stage, sent->body, "leaseId"), KEPT);
    return sent->letter;
}

//  returnOnExpiry: processes end, files come home, the place goes; each step again after a restart.
static void
test_goes_home (void **state)
{
    stage_t *stage = *state;
    s_put (stage, NULL, true);
    s_take_up (stage);
    s_pass (stage, 60000);
    s_close_sent (stage, "expired", true);
    lease_closed (stage, true);
    assert_state (stage, KEPT, "retained");
    s_asked_home (stage);
    s_take_up (stage);
    letter_t home = s_asked_home (stage);
    stage_queue_done (stage, &home, false, "{'code':'provider_timeout','message':'slow','retryable':true}");
    stage_serve (stage);
    assert_state (stage, KEPT, "retained");
    s_pass (stage, 10 * LEASES_RETRY_FIRST_MS);
    home = s_asked_home (stage);
    s_home (stage);                         //  What the realizer writes down before it answers
    assert_state (stage, KEPT, "retained");
    stage_queue_done (stage, &home, true, "{}");
    stage_serve (stage);
    assert_state (stage, KEPT, "releasing");
    s_close_sent (stage, "expired", false);
    lease_closed (stage, true);
    assert_state (stage, KEPT, "expired");
}

//  Where they cannot come home they stay, and the row says why.
static void
test_stays_away (void **state)
{
    stage_t *stage = *state;
    s_put (stage, NULL, true);
    s_take_up (stage);
    s_pass (stage, 60000);
    lease_closed (stage, true);
    letter_t home = s_asked_home (stage);
    stage_queue_done (stage, &home, false, "{'code':'forbidden','message':'no','retryable':false}");
    stage_serve (stage);
    assert_state (stage, KEPT, "retained");
    assert_string_equal (lease_row (stage, KEPT).failure, "its files could not be brought home: no");
    s_take_up (stage);
    assert_null (stage_work (stage, ACTOR_REALIZER, 0));
    s_pass (stage, 7 * s_day_ms);
    assert_state (stage, KEPT, "releasing");

    //  Released by hand, it is not brought home.
    s_put (stage, NULL, true);
    lease_ask_release (stage, KEPT);
    stage_serve (stage);
    s_close_sent (stage, "released", false);
}

//  ---- places of deleted environments

//  It was on its way out when its environment went: its place is kept for nobody.
static void
test_kept_of_deleted (void **state)
{
    static const uint8_t scope [32] = { 1 };
    stage_t *stage = *state;
    for (int gone = 0; gone <= 1; gone++) {
        lease_t lease = stage_lease (stage, KEPT, gone ? SPACE : BOX, lease_state_RELEASING);
        lease.driver = "sandbox";
        lease.provider = "bubblewrap";
        lease.provider_lease = "bubblewrap:x";
        lease.config = stage_pack (stage, "{'provider':'bubblewrap'}");
        lease.place = place_state_OPEN;
        lease.target = "released";
        lease.scope = (berth_bytes_t) { scope, sizeof scope };
        stage_put_lease (stage, &lease);
        s_take_up (stage);
        lease_closed (stage, true);
        assert_state (stage, KEPT, "released");
        const stage_sent_t *destroy = lease_sent (stage, REQUEST_PLACE_CLOSE);
        assert_int_equal (destroy != NULL, gone);
        assert_int_equal (lease_row (stage, KEPT).place, gone ? place_state_CLOSING : place_state_KEPT);
    }
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_drained), LEASE_TEST (test_retained_ends), LEASE_TEST (test_fetched),
        LEASE_TEST (test_goes_home), LEASE_TEST (test_stays_away), LEASE_TEST (test_kept_of_deleted),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
