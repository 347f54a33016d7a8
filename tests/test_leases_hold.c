//  test_leases_hold.c - drained, or a provider paused: nothing new, and what runs goes on.

#include "lease_stage.h"

#include "codec.h"

#define ACQUIRE_BOX   "{'companyId':'acme','environmentId':'" BOX "','wait':false}"
#define ACQUIRE_LOCAL "{'companyId':'acme','environmentId':'" LOCAL "'}"

static bool
s_drained (stage_t *stage)
{
    hold_t hold = { .held = false };
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_read (stage->store, &txn, &err), err);
    assert_ok (hold_find (txn, stage->arena, "bus", &hold, &err), err);
    store_txn_destroy (&txn);
    return hold.held;
}

//  The n-th entry from the end of the service's own log.
static void
s_told (stage_t *stage, uint64_t back, const char *action, const char *entity)
{
    assert_string_equal (stage_text (stage, stage_entry (stage, back), "action"), action);
    assert_string_equal (stage_text (stage, stage_entry (stage, back), "entityId"), entity);
    assert_string_equal (stage_text (stage, stage_entry (stage, back), "companyId"), "~service");
}

static void
test_drain (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    berth_bytes_t hold = stage_ok (stage, REQUEST_BUS_DRAIN, "{'reason':'new disks'}");
    assert_at (stage, hold, "id", "\"bus\"");
    assert_at (stage, hold, "held", "true");
    assert_at (stage, hold, "by", "\"somebody\"");
    s_told (stage, 0, "bus.drained", "bus");
    uint64_t entries = stage_entries (stage);
    stage_ok (stage, REQUEST_BUS_DRAIN, "{}");          //  Again: as it is
    assert_int_equal (stage_entries (stage), entries);

    for (int again = 0; again < 2; again++) {
        berth_error_t err = stage_fails (stage, REQUEST_LEASE_ACQUIRE,
                                         again ? ACQUIRE_LOCAL : ACQUIRE_BOX);
        assert_int_equal (err.code, BERTH_PROVIDER_UNAVAILABLE);
        assert_non_null (strstr (err.text, "drained and takes no new lease: new disks"));
        assert_non_null (strstr (err.remedy, "berth bus undrain"));
        lease_stage_restart (stage);                    //  The next process is drained too
        stage_start (stage);
    }
    assert_true (s_drained (stage));
    assert_int_equal (stage_entries (stage), entries);

    //  What runs goes on.
    stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s','ms':60000}", id));
    uint64_t ticket = lease_ask_release (stage, id);
    stage_serve (stage);
    lease_closed (stage, true);
    assert_true (lease_answered (stage, ticket));

    hold = stage_ok (stage, REQUEST_BUS_UNDRAIN, "{}");
    assert_at (stage, hold, "held", "false");
    s_told (stage, 0, "bus.undrained", "bus");
    entries = stage_entries (stage);
    stage_ok (stage, REQUEST_BUS_UNDRAIN, "{}");
    assert_int_equal (stage_entries (stage), entries);
    assert_false (s_drained (stage));
    stage_ok (stage, REQUEST_LEASE_ACQUIRE, ACQUIRE_BOX);
}

static void
test_pause (void **state)
{
    stage_t *stage = *state;
    stage_ok (stage, REQUEST_PROVIDER_PAUSE, "{'provider':'bubblewrap'}");
    s_told (stage, 0, "provider.paused", "bubblewrap");
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_ACQUIRE, ACQUIRE_BOX);
    assert_int_equal (err.code, BERTH_PROVIDER_UNAVAILABLE);
    assert_string_equal (err.text, "provider bubblewrap is paused and takes no new lease");
    assert_non_null (strstr (err.remedy, "berth provider unpause bubblewrap"));
    stage_ok (stage, REQUEST_LEASE_ACQUIRE, ACQUIRE_LOCAL);     //  Others are not
    stage_ok (stage, REQUEST_PROVIDER_UNPAUSE, "{'provider':'bubblewrap'}");
    s_told (stage, 0, "provider.unpaused", "bubblewrap");
    stage_ok (stage, REQUEST_LEASE_ACQUIRE, ACQUIRE_BOX);
    assert_int_equal (stage_fails (stage, REQUEST_PROVIDER_PAUSE, "{'provider':'nobody'}").code,
                      BERTH_NOT_FOUND);
}

int
main (void)
{
    const struct CMUnitTest tests [] = { LEASE_TEST (test_drain), LEASE_TEST (test_pause) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
