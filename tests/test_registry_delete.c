//  test_registry_delete.c - deleting an environment that is in use: refused with what blocks it, or
//  forced, behind the release of its leases.

#include "registry_stage.h"

#include "codec.h"

#define ENV "11111111-1111-7111-8111-111111111111"
#define SSH "'driver':'ssh','config':{'host':'h','username':'u','remoteWorkspacePath':'/w'}"
#define FORCE "{'environmentId':'" ENV "','force':true}"

static void
s_put (stage_t *stage, int number, lease_state_t state)
{
    lease_t lease = stage_lease (stage, arena_printf (stage->arena, "00000000-0000-7000-8000-%012d",
                                                      number), ENV, state);
    stage_put_lease (stage, &lease);
}

static void
s_used (stage_t *stage)
{
    registry_stage_create (stage, "{'companyId':'acme','id':'" ENV "','name':'a'," SSH "}");
    s_put (stage, 1, lease_state_ACTIVE);
}

static letter_t
s_release (stage_t *stage)
{
    const stage_sent_t *work = stage_work (stage, ACTOR_LEASES, 0);
    assert_non_null (work);
    assert_int_equal (work->letter.type, REQUEST_LEASE_RELEASE_ENVIRONMENT);
    assert_at (stage, work->body, "environmentId", "\"" ENV "\"");
    return work->letter;
}

//  Three are named with their states, six stand in the cause, all are counted.
static void
test_refused (void **state)
{
    stage_t *stage = *state;
    s_used (stage);
    for (int number = 2; number <= 8; number++)
        s_put (stage, number, number == 2 ? lease_state_CLEANUP : lease_state_ACTIVE);
    berth_error_t err = stage_fails (stage, REQUEST_ENVIRONMENT_DELETE,
                                     "{'environmentId':'" ENV "'}");
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_non_null (strstr (err.text, "8 leases of the environment are not settled: "));
    assert_non_null (strstr (err.text, "00000000-0000-7000-8000-000000000001 (active), "));
    assert_non_null (strstr (err.text, "..."));
    assert_non_null (strstr (err.cause, "00000000-0000-7000-8000-000000000006 active"));
    assert_non_null (strstr (err.remedy, "force"));
    assert_null (stage_work (stage, ACTOR_LEASES, 0));
}

static void
test_forced (void **state)
{
    stage_t *stage = *state;
    s_used (stage);
    uint64_t entries = stage_entries (stage);
    uint64_t first = stage_queue (stage, REQUEST_ENVIRONMENT_DELETE, FORCE);
    stage_serve (stage);
    assert_null (stage_answer (stage, first));
    letter_t release = s_release (stage);
    assert_int_equal (stage_entries (stage), entries + 1);
    assert_at (stage, stage_entry (stage, 0), "details.deleting", "true");
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_GET, "{'environmentId':'" ENV "'}");
    assert_at (stage, row, "status", "\"archived\"");         //  Nothing is leased from here on
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_UPDATE,
                                   "{'environmentId':'" ENV "','status':'active'}").code,
                      BERTH_CONFLICT);
    //  Whoever asks too waits for the same.
    uint64_t second = stage_queue (stage, REQUEST_ENVIRONMENT_DELETE, FORCE);
    stage_serve (stage);
    assert_int_equal (stage_entries (stage), entries + 1);

    stage_queue_done (stage, &release, true, "{'count':256,'more':true}");
    stage_serve (stage);
    release = s_release (stage);
    stage_queue_done (stage, &release, true, "{'count':1,'more':false}");
    stage_serve (stage);
    assert_int_equal (stage_answer (stage, first)->status, reply_status_OK);
    assert_at (stage, stage_answer (stage, second)->body, "id", "\"" ENV "\"");
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.deleted\"");
    assert_int_equal (stage_entries (stage), entries + 2);
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_GET, "{'environmentId':'" ENV "'}").code,
                      BERTH_ENVIRONMENT_NOT_FOUND);
    //  A second answer finds nothing to do.
    stage_queue_done (stage, &release, true, "{'count':0,'more':false}");
    stage_serve (stage);
    assert_int_equal (stage_entries (stage), entries + 2);
}

//  Killed in between: the next start goes on. A step that fails is told, and asked for again.
static void
test_taken_up (void **state)
{
    stage_t *stage = *state;
    s_used (stage);
    uint64_t ticket = stage_queue (stage, REQUEST_ENVIRONMENT_DELETE, FORCE);
    stage_serve (stage);
    letter_t release = s_release (stage);
    stage_queue_done (stage, &release, false,
                      "{'code':'store_full','message':'no room','retryable':true}");
    stage_serve (stage);
    assert_int_equal (stage_answer (stage, ticket)->status, reply_status_ERROR);
    stage_start (stage);
    release = s_release (stage);
    stage_queue_done (stage, &release, true, "{'count':0,'more':false}");
    stage_serve (stage);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.deleted\"");
    stage_start (stage);
    assert_null (stage_work (stage, ACTOR_LEASES, 0));
}

//  Nothing lives in it: there is nothing to force.
static void
test_forced_unused (void **state)
{
    stage_t *stage = *state;
    s_used (stage);
    s_put (stage, 1, lease_state_RELEASED);
    stage_ok (stage, REQUEST_ENVIRONMENT_DELETE, FORCE);
}

//  A place that was kept for the next lease has no next one.
static void
test_kept (void **state)
{
    stage_t *stage = *state;
    s_used (stage);
    lease_t lease = stage_lease (stage, "00000000-0000-7000-8000-000000000001", ENV,
                                 lease_state_RELEASED);
    lease.place = place_state_KEPT;
    stage_put_lease (stage, &lease);
    uint64_t ticket = stage_queue (stage, REQUEST_ENVIRONMENT_DELETE, "{'environmentId':'" ENV "'}");
    stage_serve (stage);
    letter_t release = s_release (stage);
    stage_queue_done (stage, &release, true, "{'count':1,'more':false}");
    stage_serve (stage);
    assert_int_equal (stage_answer (stage, ticket)->status, reply_status_OK);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.deleted\"");
}

//  Those of other environments are not looked at, and of many only so many are counted.
static void
test_many (void **state)
{
    stage_t *stage = *state;
    s_used (stage);
    enum { MANY = 10001 };
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_begin (stage->store, &txn, &err), err);
    own (arena) arena = arena_new ();
    for (int number = 2; number <= MANY; number++) {
        lease_t lease = stage_lease (stage, arena_printf (arena, "00000000-0000-7000-8000-%012d",
                                                          number), ENV, lease_state_ACTIVE);
        assert_ok (lease_put (txn, arena, &lease, &err), err);
        arena_clear (arena);
    }
    assert_ok (store_commit (&txn, &err), err);
    err = stage_fails (stage, REQUEST_ENVIRONMENT_DELETE, "{'environmentId':'" ENV "'}");
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_non_null (strstr (err.text, "at least 10000 leases"));
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        REGISTRY_TEST (test_refused), REGISTRY_TEST (test_forced), REGISTRY_TEST (test_taken_up),
        REGISTRY_TEST (test_forced_unused), REGISTRY_TEST (test_kept), REGISTRY_TEST (test_many),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
