//  test_company.c - how a company goes: part by part, over restarts, and with all that is its own.

#include "lease_stage.h"
#include "registry_stage.h"

#include "codec.h"
#include "company.h"

#include <string.h>

//  A new table has to say what becomes of it.
static void
test_tables (void **state)
{
    (void) state;
    for (int table = 0; table < TABLE_COUNT; table++) {
        const company_table_t *row = &company_tables [table];
        if ((row->part == company_part_NONE) == (row->stays == NULL))
            fail_msg ("table %d: in which part do its rows go, or why do they stay?", table);
    }
    for (int part = company_part_NONE + 1; part < company_part_COUNT; part++)
        assert_true (company_actor ((company_part_t) part) != ACTOR_FRONT);
}

//  ---- whose turn it is

#define DELETE "{'companyId':'acme'}"

static letter_t
s_step (stage_t *stage, company_part_t part)
{
    const stage_sent_t *sent = stage_work (stage, company_actor (part), 0);
    if (!sent)
        fail_msg ("nobody was asked for %s", berth_enum_text (&company_part_enum, (int) part));
    assert_int_equal (sent->letter.type, REQUEST_COMPANY_CLEAR);
    assert_string_equal (stage_text (stage, sent->body, "part"),
                         berth_enum_text (&company_part_enum, (int) part));
    return sent->letter;
}

static void
s_cleared (stage_t *stage, const letter_t *letter, company_part_t part, const char *more)
{
    stage_queue_done (stage, letter, true,
                      arena_printf (stage->arena, "{'part':'%s','removed':2%s}",
                                    berth_enum_text (&company_part_enum, (int) part), more));
    stage_serve (stage);
}

static bool
s_goes (stage_t *stage)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_read (stage->store, &txn, &err), err);
    bool goes = company_stays (txn, stage->arena, "acme", &err) != 0;
    store_txn_destroy (&txn);
    return goes;
}

static void
test_parts (void **state)
{
    stage_t *stage = *state;
    stage->step_ms = 0;
    uint64_t entries = stage_entries (stage);
    uint64_t ticket = stage_queue (stage, REQUEST_COMPANY_DELETE, DELETE);
    stage_serve (stage);
    assert_at (stage, stage_entry (stage, 0), "action", "\"company.deleting\"");
    assert_true (s_goes (stage));
    for (int part = company_part_NONE + 1; part < company_part_COUNT; part++) {
        letter_t letter = s_step (stage, (company_part_t) part);
        if (part == company_part_WORK) {
            //  More of them, then some that have to be waited for
            s_cleared (stage, &letter, company_part_WORK, ",'waiting':3,'behind':'00'");
            letter = s_step (stage, company_part_WORK);
            assert_at (stage, stage_work (stage, ACTOR_LEASES, 0)->body, "behind", "\"00\"");
            assert_at (stage, stage_work (stage, ACTOR_LEASES, 0)->body, "waiting", "3");
            s_cleared (stage, &letter, company_part_WORK, ",'waiting':3");
            assert_null (stage_work (stage, ACTOR_LEASES, 0));
            berth_bytes_t row = stage_ok (stage, REQUEST_COMPANY_DELETE,
                                          "{'companyId':'acme','wait':false}");
            assert_at (stage, row, "part", "\"work\"");
            assert_at (stage, row, "waiting", "3");
            stage->mono_ms += 1000;
            stage_serve (stage);
            letter = s_step (stage, company_part_WORK);
        }
        if (part == company_part_RUNS) {
            stage_queue_done (stage, &letter, false, "{'code':'busy','message':'no','retryable':true}");
            stage_serve (stage);
            stage_start (stage);            //  Another process takes up what the row says
            letter = s_step (stage, company_part_RUNS);
        }
        //  Nothing new is made of it.
        assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_ENSURE_LOCAL, DELETE).code,
                          BERTH_CONFLICT);
        assert_null (stage_answer (stage, ticket));
        s_cleared (stage, &letter, (company_part_t) part, ",'waiting':0");
        //  A second answer to the same question
        if (part + 1 < company_part_COUNT) {
            letter_t next = s_step (stage, (company_part_t) (part + 1));
            s_cleared (stage, &letter, (company_part_t) part, ",'waiting':0");
            stage_start (stage);
            (void) next;
        }
    }
    assert_int_equal (stage_answer (stage, ticket)->status, reply_status_OK);
    assert_at (stage, stage_answer (stage, ticket)->body, "part", "null");
    assert_at (stage, stage_entry (stage, 0), "action", "\"company.deleted\"");
    assert_int_equal (stage_entries (stage), entries + 2);
    assert_false (s_goes (stage));
    stage_ok (stage, REQUEST_ENVIRONMENT_ENSURE_LOCAL, DELETE);
}

static void
s_clear (stage_t *stage, const char *part)
{
    stage_queue_step (stage, REQUEST_COMPANY_CLEAR, ACTOR_REGISTRY, "acme", "company",
                      arena_printf (stage->arena, "{'companyId':'acme','part':'%s','waiting':0}", part));
    stage_serve (stage);
}

//  What the last one said, as packed.
static berth_bytes_t
s_said (stage_t *stage)
{
    step_done_t done;
    berth_error_t err = { 0 };
    const stage_sent_t *sent = NULL;
    for (size_t nth = 0; stage_work (stage, ACTOR_REGISTRY, nth); nth++)
        if (stage_work (stage, ACTOR_REGISTRY, nth)->letter.type == REQUEST_STEP_DONE)
            sent = stage_work (stage, ACTOR_REGISTRY, nth);
    assert_non_null (sent);
    assert_ok (berth_unpack_own (&step_done_schema, sent->body, stage->arena, &done, &err), err);
    assert_true (done.ok);
    return done.result;
}

static void
test_environments (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," SSH "}");
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID2 "','name':'b'," SSH "}");
    registry_stage_create (stage, "{'companyId':'acm','id':'" ID3 "','name':'a'," SSH "}");
    s_clear (stage, "environments");
    assert_at (stage, s_said (stage), "removed", "2");
    assert_at (stage, s_said (stage), "behind", "absent");
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.deleted\"");
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_GET, "{'environmentId':'" ID1 "'}").code,
                      BERTH_ENVIRONMENT_NOT_FOUND);
    stage_ok (stage, REQUEST_ENVIRONMENT_GET, "{'environmentId':'" ID3 "'}");
}

//  ---- its leases

static bool
s_held (stage_t *stage, const char *id)
{
    hold_t hold = { .held = false };
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_read (stage->store, &txn, &err), err);
    assert_ok (hold_find (txn, stage->arena, id, &hold, &err), err);
    store_txn_destroy (&txn);
    return hold.held;
}

static void
test_leases (void **state)
{
    stage_t *stage = *state;
    const char *box = lease_active (stage, "");
    const char *local = stage_text (stage, stage_ok (stage, REQUEST_LEASE_ACQUIRE,
        "{'companyId':'acme','environmentId':'" LOCAL "'}"), "id");
    berth_error_t err = { 0 };
    store_txn_t *txn;
    hold_t hold = { .id = "breaker:bubblewrap:" BOX, .kind = hold_kind_BREAKER, .held = true,
                    .provider = "bubblewrap", .env = BOX, .since = 1 };
    assert_ok (store_begin (stage->store, &txn, &err), err);
    assert_ok (hold_put (txn, stage->arena, &hold, &err), err);
    assert_ok (store_commit (&txn, &err), err);
    lease_t other = stage_lease (stage, KEPT, BOX, lease_state_RELEASED);
    other.company = "acm";
    stage_put_lease (stage, &other);

    s_clear (stage, "work");
    assert_at (stage, s_said (stage), "waiting", "1");
    assert_state (stage, local, "released");
    assert_state (stage, box, "releasing");
    lease_closed (stage, true);
    s_clear (stage, "work");
    assert_at (stage, s_said (stage), "waiting", "0");
    s_clear (stage, "leases");
    assert_at (stage, s_said (stage), "removed", "2");
    assert_int_equal (stage_fails (stage, REQUEST_LEASE_GET, ASK ("{'leaseId':'%s'}", box)).code,
                      BERTH_NOT_FOUND);
    assert_state (stage, KEPT, "released");
    assert_false (s_held (stage, hold.id));
}

//  Steps of other actors, too, take nothing new of it.
static void
test_no_new_lease (void **state)
{
    stage_t *stage = *state;
    berth_error_t err = { 0 };
    store_txn_t *txn;
    company_removal_t row = { .id = "acme", .since = 1, .part = company_part_WORK };
    assert_ok (store_begin (stage->store, &txn, &err), err);
    assert_ok (company_removal_put (txn, stage->arena, &row, &err), err);
    assert_ok (store_commit (&txn, &err), err);
    assert_int_equal (stage_fails (stage, REQUEST_LEASE_ACQUIRE,
        "{'companyId':'acme','environmentId':'" LOCAL "'}").code, BERTH_CONFLICT);
    stage_queue_step (stage, REQUEST_LEASE_ACQUIRE, ACTOR_RUNS, "acme/r1", "lease",
                      "{'companyId':'acme','environmentId':'" LOCAL "','heartbeatRunId':'r1'}");
    stage_serve (stage);
    step_done_t done;
    assert_ok (berth_unpack_own (&step_done_schema, stage_work (stage, ACTOR_RUNS, 0)->body,
                                 stage->arena, &done, &err), err);
    assert_false (done.ok);
    assert_at (stage, done.error, "code", "\"conflict\"");
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_tables), REGISTRY_TEST (test_parts), REGISTRY_TEST (test_environments),
        LEASE_TEST (test_leases), LEASE_TEST (test_no_new_lease),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
