//  test_retention.c - what has ended goes when it was kept long enough: in parts, not before what names
//  it, and nothing that lives.

#include "lease_stage.h"

#include "codec.h"
#include "retention.h"

enum { DAY_MS = 86400000 };

static void
test_defaults (void **state)
{
    (void) state;
    retention_t retention;
    retention_of (NULL, &retention);
    assert_int_equal (retention.kept_ms [KEPT_ACTIVITY], 90ll * DAY_MS);
    assert_int_equal (retention.kept_ms [KEPT_LEASES], 30ll * DAY_MS);
    assert_int_equal (retention.kept_ms [KEPT_SPOOLS], 7ll * DAY_MS);
    //  What is named by others stays as long as they do.
    assert_int_equal (retention.retained_ms, 7ll * DAY_MS);
    assert_int_equal (retention.places_ms, 7ll * DAY_MS);
    configuration_retention_t said = { .leases = 10, .execs = 20, .runs = 30, .spools = 40,
                                       .retained = 50, .places = 60 };
    retention_of (&said, &retention);
    assert_int_equal (retention.kept_ms [KEPT_LEASES], 30000);
    assert_int_equal (retention.kept_ms [KEPT_SPOOLS], 20000);
    assert_int_equal (retention.kept_ms [KEPT_RUNS], 30000);
    assert_int_equal (retention.retained_ms, 50000);
    assert_int_equal (retention.places_ms, 60000);
}

//  When to look again: at once, when the oldest comes due, or after a while.
static void
test_next (void **state)
{
    (void) state;
    retention_t retention = { .kept_ms = { [KEPT_LEASES] = 100000 } };
    assert_true (retention_next (&retention, KEPT_RUNS, 0, 0, 0, true) == INT64_MAX);
    assert_in_range (retention_next (&retention, KEPT_LEASES, 0, 500, 0, true), 501, 600);
    assert_int_equal (retention_next (&retention, KEPT_LEASES, 200000, 500, 105000, false), 500 + 5000);
    assert_int_equal (retention_next (&retention, KEPT_LEASES, 200000, 500, 199000, false), 500 + 10000);
    assert_int_equal (retention_next (&retention, KEPT_LEASES, 200000, 500, INT64_MAX, false), 500 + 10000);
    assert_int_equal (retention_next (&retention, KEPT_LEASES, 200000, 500, 50000, false), 500 + 1000);
    assert_true (retention_before (&retention, KEPT_RUNS, 5) == INT64_MIN);
    assert_int_equal (retention_before (&retention, KEPT_LEASES, 200000), 100000);
}

//  ---- leases

static uint64_t
s_leases (stage_t *stage)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_read (stage->store, &txn, &err), err);
    uint64_t rows = table_rows (txn, TABLE_LEASES);
    store_txn_destroy (&txn);
    return rows;
}

static void
test_leases (void **state)
{
    (void) state;
    stage_t *stage = lease_stage;
    stage->context.retention.kept_ms [KEPT_LEASES] = 100000;
    lease_stage_restart (stage);
    stage_start (stage);
    uint64_t before = retention_counted (KEPT_LEASES);
    for (int index = 0; index < 700; index++) {
        const char *id = ASK ("aaaaaaaa-aaaa-7aaa-8aaa-%012d", index);
        lease_t lease = stage_lease (stage, id, LOCAL,
                                     index % 7 ? lease_state_RELEASED : lease_state_RETAINED);
        lease.updated_at = stage->now_ms - 100000 + (index < 650 ? -1000 : 50000);
        stage_put_lease (stage, &lease);
    }
    assert_int_equal (s_leases (stage), 700);
    for (int turn = 0; turn < 20; turn++)
        stage_serve (stage);
    //  Those that are retained hold a place; the last 50 are not due.
    assert_int_equal (retention_counted (KEPT_LEASES) - before, 650 - 93);
    assert_int_equal (s_leases (stage), 143);
    stage->now_ms += 60000;
    stage->mono_ms += 60000;
    for (int turn = 0; turn < 5; turn++)
        stage_serve (stage);
    assert_int_equal (s_leases (stage), 100);
}

//  A lease stays as long as an exec or its run names it, and holds up no other.
static void
test_named_leases (void **state)
{
    (void) state;
    stage_t *stage = lease_stage;
    stage->context.retention.kept_ms [KEPT_LEASES] = 100000;
    lease_stage_restart (stage);
    stage_start (stage);
    berth_error_t err = { 0 };
    for (int index = 0; index < 600; index++) {
        const char *id = ASK ("aaaaaaaa-aaaa-7aaa-8aaa-%012d", index);
        lease_t lease = stage_lease (stage, id, LOCAL, lease_state_RELEASED);
        lease.run = index < 300 ? ASK ("run-%d", index) : NULL;
        lease.updated_at = stage->now_ms - 200000 + index;
        stage_put_lease (stage, &lease);
        if (index >= 300)
            continue;
        run_t run = { .id = lease.run, .company = "acme", .state = run_state_READY, .lease = id,
                      .created_at = 1, .updated_at = 1 };
        store_txn_t *txn;
        assert_ok (store_begin (stage->store, &txn, &err), err);
        assert_ok (run_put (txn, stage->arena, &run, &err), err);
        assert_ok (store_commit (&txn, &err), err);
    }
    for (int turn = 0; turn < 20; turn++)
        stage_serve (stage);
    assert_int_equal (s_leases (stage), 300);
    store_txn_t *txn;
    assert_ok (store_begin (stage->store, &txn, &err), err);
    for (int index = 0; index < 300; index++)
        assert_ok (run_del (txn, stage->arena, "acme", ASK ("run-%d", index), &err), err);
    assert_ok (store_commit (&txn, &err), err);
    stage->now_ms += 60000;
    stage->mono_ms += 60000;
    for (int turn = 0; turn < 20; turn++)
        stage_serve (stage);
    assert_int_equal (s_leases (stage), 0);
}

//  ---- a store that is nearly full

static store_fill_t
s_fill_of (stage_t *stage)
{
    berth_error_t err = { 0 };
    store_stat_t stat;
    assert_ok (store_stat (stage->store, &stat, &err), err);
    return stat.fill;
}

static void
test_new_work_is_refused (void **state)
{
    (void) state;
    stage_t *stage = lease_stage;
    const char *held = lease_active (stage, ""), *other = lease_active (stage, "");
    size_t size = 240000;
    char *text = arena_take (stage->arena, size + 1);
    memset (text, 'x', size);
    text [size] = 0;
    berth_bytes_t metadata = any_set_text (berth_empty_map, "text", text, stage->arena);
    int rows = 0;
    while (s_fill_of (stage) == STORE_ROOMY) {
        lease_t lease = stage_lease (stage, ASK ("aaaaaaaa-aaaa-7aaa-8aaa-%012d", rows++), LOCAL,
                                     lease_state_RELEASED);
        lease.metadata = metadata;
        lease.updated_at = stage->now_ms - 200000;
        stage_put_lease (stage, &lease);
    }
    assert_in_range (rows, 150, 250);
    //  Nothing new; what is there is renewed, read, given back.
    const char *acquire = "{'companyId':'acme','environmentId':'" LOCAL "'}";
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_ACQUIRE, acquire);
    assert_int_equal (err.code, BERTH_STORE_FULL);
    assert_non_null (strstr (err.remedy, "storeMax"));
    (void) stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s'}", held));
    (void) stage_ok (stage, REQUEST_LEASE_GET, ASK ("{'leaseId':'%s'}", held));
    uint64_t ticket = lease_ask_release (stage, held);
    stage_serve (stage);
    lease_closed (stage, true);
    assert_true (lease_answered (stage, ticket));
    //  Fuller still: nothing of clients, but the answers of providers.
    (void) lease_ask_release (stage, other);
    stage_serve (stage);
    letter_t close = lease_sent (stage, REQUEST_PLACE_CLOSE)->letter;
    while (s_fill_of (stage) != STORE_SHUT) {
        lease_t lease = stage_lease (stage, ASK ("aaaaaaaa-aaaa-7aaa-8aaa-%012d", rows++), LOCAL,
                                     lease_state_RELEASED);
        lease.metadata = metadata;
        lease.updated_at = stage->now_ms - 200000;
        stage_put_lease (stage, &lease);
    }
    err = stage_fails (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s'}", other));
    assert_int_equal (err.code, BERTH_STORE_FULL);
    (void) stage_ok (stage, REQUEST_LEASE_GET, ASK ("{'leaseId':'%s'}", other));
    stage_queue_done (stage, &close, true, "{}");
    stage_serve (stage);
    assert_state (stage, other, "released");
    //  Retention makes room, and all is taken again.
    stage->context.retention.kept_ms [KEPT_LEASES] = 100000;
    lease_stage_restart (stage);
    stage_start (stage);
    for (int turn = 0; turn < 5; turn++)
        stage_serve (stage);
    assert_int_equal (s_fill_of (stage), STORE_ROOMY);
    (void) stage_ok (stage, REQUEST_LEASE_ACQUIRE, acquire);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_defaults), cmocka_unit_test (test_next),
        LEASE_TEST (test_leases), LEASE_TEST (test_named_leases),
        LEASE_TEST (test_new_work_is_refused),
    };
    return cmocka_run_group_tests_name ("retention", tests, NULL, NULL);
}
