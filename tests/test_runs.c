//  test_runs.c - the orchestrator: select, acquire, realize, release; retries, deadlines, restarts.

#include "stage.h"

#include "codec.h"
#include "json.h"
#include "runs.h"

#include <stdio.h>

#define LOCAL "11111111-1111-7111-8111-111111111111"
#define BOX   "22222222-2222-7222-8222-222222222222"
#define OTHER "33333333-3333-7333-8333-333333333333"
#define OLD   "44444444-4444-7444-8444-444444444444"
#define PLACE "55555555-5555-7555-8555-555555555555"
#define NONE  "99999999-9999-7999-8999-999999999999"

static runs_t *s_runs;

static void
s_restart (stage_t *stage)
{
    berth_error_t err = { 0 };
    runs_destroy (&s_runs);
    s_runs = runs_new (&stage->context, &err);
    stage->actor = runs_kit (s_runs);
}

static int
s_setup (void **state)
{
    stage_t *stage = stage_new ();
    s_restart (stage);
    stage_put_environment (stage, LOCAL, "{}");
    stage_put_environment (stage, BOX, "{'driver':'sandbox','config':{'provider':'bubblewrap'}}");
    stage_put_environment (stage, OTHER, "{'companyId':'other'}");
    stage_put_environment (stage, OLD, "{'status':'archived','driver':'ssh'}");
    stage_start (stage);
    *state = stage;
    return 0;
}

static int
s_teardown (void **state)
{
    runs_destroy (&s_runs);
    stage_destroy ((stage_t **) state);
    return 0;
}

//  ---- small things

#define ASK(...) arena_printf (stage->arena, __VA_ARGS__)
#define R1(more) "{'companyId':'acme','heartbeatRunId':'r1'" more "}"
#define ACQUIRE R1 (",'selectedEnvironmentId':'" BOX "'")
#define REALIZE R1 (",'executionWorkspace':{'cwd':'/work','source':'task_session'}")

static const char *
s_state (stage_t *stage)
{
    berth_error_t err = { 0 };
    run_t run;
    store_txn_t *txn;
    assert_ok (store_read (stage->store, &txn, &err), err);
    assert_ok (run_get (txn, stage->arena, "acme", "r1", &run, &err), err);
    store_txn_destroy (&txn);
    return berth_enum_text (&run_state_enum, (int) run.state);
}

static bool
s_answered (stage_t *stage, uint64_t ticket)
{
    const stage_sent_t *answer = stage_answer (stage, ticket);
    if (answer && answer->status != reply_status_OK)
        fail_msg ("%s", stage_at (stage, answer->body, ""));
    return answer != NULL;
}

static berth_error_t
s_error (stage_t *stage, uint64_t ticket)
{
    const stage_sent_t *answer = stage_answer (stage, ticket);
    assert_non_null (answer);
    assert_int_equal (answer->status, reply_status_ERROR);
    berth_error_t err;
    error_from_body (answer->body, stage->arena, &err);
    return err;
}

//  The n-th step of this batch for an actor, which must be of a type.
static letter_t
s_step (stage_t *stage, actor_code_t to, request_code_t type)
{
    const stage_sent_t *sent = stage_work (stage, to, 0);
    assert_non_null (sent);
    assert_int_equal (sent->letter.type, type);
    return sent->letter;
}

static const char *
s_lease (stage_t *stage, const char *metadata)
{
    lease_t lease = stage_lease (stage, PLACE, BOX, lease_state_ACTIVE);
    lease.run = "r1";
    lease.driver = "sandbox";
    lease.provider = "bubblewrap";
    lease.metadata = stage_pack (stage, metadata);
    stage_put_lease (stage, &lease);
    return berth_json_text (NULL, berth_pack (&lease_schema, &lease, stage->arena),
                            BERTH_JSON_COMPACT, stage->arena);
}

static letter_t
s_acquiring (stage_t *stage, uint64_t *ret_ticket)
{
    *ret_ticket = stage_queue (stage, REQUEST_RUN_ACQUIRE, ACQUIRE);
    stage_serve (stage);
    assert_null (stage_answer (stage, *ret_ticket));
    return s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
}

static void
s_acquired (stage_t *stage)
{
    uint64_t ticket;
    letter_t step = s_acquiring (stage, &ticket);
    stage_queue_done (stage, &step, true, s_lease (stage, "{}"));
    stage_serve (stage);
    assert_true (s_answered (stage, ticket));
}

static letter_t
s_realizing (stage_t *stage, uint64_t *ret_ticket)
{
    s_acquired (stage);
    *ret_ticket = stage_queue (stage, REQUEST_RUN_REALIZE, REALIZE);
    stage_serve (stage);
    return s_step (stage, ACTOR_REALIZER, REQUEST_WORKSPACE_REALIZE);
}

#define RECORD "{'workspaceRealization':{'version':1}}"

static void
s_ready (stage_t *stage)
{
    uint64_t ticket;
    letter_t step = s_realizing (stage, &ticket);
    stage_queue_done (stage, &step, true, s_lease (stage, RECORD));
    stage_serve (stage);
    assert_true (s_answered (stage, ticket));
}

//  ---- resolving and checking

static void
test_resolve (void **state)
{
    stage_t *stage = *state;
    static const struct { const char *levels, *env, *level; } cases [] = {
        { "'selectedEnvironmentId':'" BOX "'", BOX, "selected" },
        { "'selectedEnvironmentId':null,'defaultEnvironmentId':'" BOX "'", BOX, "default" },
        { "'selection':{}", LOCAL, "default" },
        { "'selection':{'workspace':null,'agent':'" BOX "'}", LOCAL, "default" },
        { "'selection':{'agent':null},'defaultEnvironmentId':'" BOX "'", BOX, "default" },
        { "'selection':{'project':'" BOX "','agent':'" LOCAL "'}", BOX, "project" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        berth_bytes_t body = stage_ok (stage, REQUEST_RUN_RESOLVE,
                                       ASK ("{'companyId':'acme',%s}", cases [index].levels));
        assert_string_equal (stage_text (stage, body, "environment.id"), cases [index].env);
        assert_string_equal (stage_text (stage, body, "selectedBy"), cases [index].level);
    }
    assert_int_equal (stage_entries (stage), 0);
}

//  Paperclip's texts to the letter.
static void
test_refusals (void **state)
{
    stage_t *stage = *state;
    static const struct { const char *json; berth_code_t code; const char *text; } cases [] = {
        { R1 (",'selectedEnvironmentId':'" NONE "'"), BERTH_ENVIRONMENT_NOT_FOUND,
          "Environment \"" NONE "\" not found." },
        { R1 (",'selectedEnvironmentId':'" OTHER "'"), BERTH_ENVIRONMENT_NOT_FOUND,
          "Environment \"" OTHER "\" does not belong to this company." },
        { R1 (",'selectedEnvironmentId':'" OLD "'"), BERTH_ENVIRONMENT_INACTIVE,
          "Environment \"box\" is not active (status: archived)." },
        { R1 (",'selectedEnvironmentId':'" BOX "','adapterType':'process'"),
          BERTH_UNSUPPORTED_ADAPTER_ENVIRONMENT,
          "Adapter \"process\" cannot run in environment \"box\" (sandbox)." },
        { "{'companyId':'third','heartbeatRunId':'r1'}", BERTH_ENVIRONMENT_NOT_FOUND,
          "company 'third' has no default environment." },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        berth_error_t err = stage_fails (stage, REQUEST_RUN_ACQUIRE, cases [index].json);
        assert_string_equal (err.text, cases [index].text);
        assert_int_equal (err.code, cases [index].code);
    }
    assert_int_equal (stage_entries (stage), 0);
}

//  ---- acquire

static void
test_acquire (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t step = s_acquiring (stage, &ticket);
    assert_string_equal (s_state (stage), "acquiring");
    uint64_t second = stage_queue (stage, REQUEST_RUN_ACQUIRE, ACQUIRE);    //  Joins
    stage_serve (stage);
    assert_int_equal (stage->count, 0);
    stage_queue_done (stage, &step, true, s_lease (stage, "{}"));
    stage_serve (stage);
    assert_true (s_answered (stage, ticket) && s_answered (stage, second));
    berth_bytes_t body = stage_answer (stage, ticket)->body;
    assert_string_equal (stage_text (stage, body, "lease.id"), PLACE);
    assert_string_equal (stage_text (stage, body, "environment.id"), BOX);
    assert_string_equal (stage_text (stage, body, "run.state"), "acquired");
    assert_int_equal (stage_entries (stage), 2);
    assert_at (stage, stage_entry (stage, 0), "action", "\"run.acquired\"");
    //  Later the same answer, and nothing more happens.
    body = stage_ok (stage, REQUEST_RUN_ACQUIRE, ACQUIRE);
    assert_string_equal (stage_text (stage, body, "lease.id"), PLACE);
    assert_null (stage_work (stage, ACTOR_LEASES, 0));
    assert_int_equal (stage_entries (stage), 2);
}

static void
test_acquire_fails (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t step = s_acquiring (stage, &ticket);
    stage_queue_done (stage, &step, false,
                      "{'code':'provider_error','message':'no room','retryable':true}");
    stage_serve (stage);
    berth_error_t err = s_error (stage, ticket);
    assert_int_equal (err.code, BERTH_LEASE_ACQUIRE_FAILED);
    assert_string_equal (err.text,
                         "Failed to acquire lease for environment \"box\" (sandbox): no room");
    assert_string_equal (err.cause, "no room (provider_error)");
    assert_string_equal (s_state (stage), "failed");
    //  Another try is another try.
    s_acquired (stage);
}

//  What an environment is, is said as it is, also where the leases said it.
static void
test_acquire_says_what_is (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t step = s_acquiring (stage, &ticket);
    stage_queue_done (stage, &step, false,
                      "{'code':'unsupported_environment','message':'x','retryable':false}");
    stage_serve (stage);
    assert_int_equal (s_error (stage, ticket).code, BERTH_UNSUPPORTED_ENVIRONMENT);
}

//  The longest names that there are.
static void
test_long_names (void **state)
{
    stage_t *stage = *state;
    char company [65], run [129];
    memset (company, 'c', 64);
    memset (run, 'r', 128);
    company [64] = run [128] = 0;
    stage_put_environment (stage, NONE, ASK ("{'companyId':'%s'}", company));
    uint64_t ticket = stage_queue (stage, REQUEST_RUN_ACQUIRE,
        ASK ("{'companyId':'%s','heartbeatRunId':'%s','detach':true}", company, run));
    stage_serve (stage);
    letter_t step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
    stage_queue_done (stage, &step, true, s_lease (stage, "{}"));
    stage_serve (stage);
    assert_true (s_answered (stage, ticket));
}

//  ---- realize

static void
test_realize (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t step = s_realizing (stage, &ticket);
    const stage_sent_t *sent = stage_work (stage, ACTOR_REALIZER, 0);
    assert_at (stage, sent->body, "request.version", "1");
    assert_at (stage, sent->body, "request.adapterType", "\"unknown\"");
    assert_at (stage, sent->body, "request.source.kind", "\"task_session\"");
    assert_at (stage, sent->body, "request.source.localPath", "\"/work\"");
    assert_at (stage, sent->body, "request.source.strategy", "\"project_primary\"");
    assert_string_equal (s_state (stage), "realizing");
    uint64_t second = stage_queue (stage, REQUEST_RUN_REALIZE, REALIZE);    //  Joins
    stage_serve (stage);
    assert_null (stage_work (stage, ACTOR_REALIZER, 0));
    stage_queue_done (stage, &step, true, s_lease (stage, RECORD));
    stage_serve (stage);
    assert_true (s_answered (stage, ticket) && s_answered (stage, second));
    berth_bytes_t body = stage_answer (stage, ticket)->body;
    assert_at (stage, body, "workspaceRealization", "{\"version\":1}");
    assert_at (stage, body, "executionTarget.kind", "\"remote\"");
    assert_at (stage, body, "executionTarget.runner.leaseId", "\"" PLACE "\"");
    assert_at (stage, body, "remoteExecution", "null");
    assert_string_equal (s_state (stage), "ready");
    assert_int_equal (stage_entries (stage), 4);
}

static void
test_realize_fails (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t step = s_realizing (stage, &ticket);
    stage_queue_done (stage, &step, false,
                      "{'code':'workspace_realization_failed','message':'x','retryable':true}");
    stage_serve (stage);
    assert_int_equal (s_error (stage, ticket).code, BERTH_WORKSPACE_REALIZATION_FAILED);
    assert_string_equal (s_state (stage), "acquired");
    assert_at (stage, stage_entry (stage, 0), "action", "\"run.realize_failed\"");
}

static void
test_realize_refusals (void **state)
{
    stage_t *stage = *state;
    assert_int_equal (stage_fails (stage, REQUEST_RUN_REALIZE, REALIZE).code, BERTH_NOT_FOUND);
    s_acquired (stage);
    static const char *const folders [] = { "work", "", "./work" };
    for (size_t index = 0; index < BERTH_COUNT (folders); index++) {
        berth_error_t err = stage_fails (stage, REQUEST_RUN_REALIZE,
            ASK ("{'companyId':'acme','heartbeatRunId':'r1','executionWorkspace':{'cwd':'%s'}}",
                 folders [index]));
        assert_int_equal (err.code, BERTH_INVALID);
        assert_string_equal (err.field, "executionWorkspace.cwd");
    }
    lease_t lease = stage_lease (stage, PLACE, BOX, lease_state_RELEASING);
    stage_put_lease (stage, &lease);
    assert_int_equal (stage_fails (stage, REQUEST_RUN_REALIZE, REALIZE).code, BERTH_CONFLICT);
}

//  ---- release

#define RELEASED "{'released':[],'errors':[]}"

static void
test_release (void **state)
{
    stage_t *stage = *state;
    s_ready (stage);
    uint64_t ticket = stage_queue (stage, REQUEST_RUN_RELEASE, R1 (",'status':'failed'"));
    stage_serve (stage);
    letter_t step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
    assert_at (stage, stage_work (stage, ACTOR_LEASES, 0)->body, "status", "\"failed\"");
    assert_string_equal (s_state (stage), "releasing");
    assert_int_equal (stage_fails (stage, REQUEST_RUN_ACQUIRE, ACQUIRE).code, BERTH_CONFLICT);
    stage_queue_done (stage, &step, true,
        "{'released':[],'errors':[{'leaseId':'" PLACE "','error':'x','code':'lease_cleanup_failed'}]}");
    stage_serve (stage);
    assert_true (s_answered (stage, ticket));
    assert_at (stage, stage_answer (stage, ticket)->body, "errors.0.leaseId", "\"" PLACE "\"");
    assert_string_equal (s_state (stage), "released");
    assert_at (stage, stage_entry (stage, 0), "action", "\"run.released\"");
}

//  It stays on its way: the next start asks again.
static void
test_release_fails (void **state)
{
    stage_t *stage = *state;
    s_acquired (stage);
    uint64_t ticket = stage_queue (stage, REQUEST_RUN_RELEASE, R1 (""));
    stage_serve (stage);
    letter_t step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
    stage_queue_done (stage, &step, false, "{'code':'store_full','message':'no room','retryable':true}");
    stage_serve (stage);
    berth_error_t err = s_error (stage, ticket);
    assert_int_equal (err.code, BERTH_LEASE_RELEASE_FAILED);
    assert_string_equal (err.cause, "no room (store_full)");
    assert_string_equal (s_state (stage), "releasing");
    //  It is asked again by and by, and by the next process
    for (int again = 0; again < 2; again++) {
        stage_serve (stage);
        assert_int_equal (stage->count, 0);
        stage->now_ms += RUNS_AGAIN_MS;
        stage->mono_ms += RUNS_AGAIN_MS;
        stage_serve (stage);
        step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
        stage_queue_done (stage, &step, false, "{'code':'store_full','message':'no room','retryable':true}");
        stage_serve (stage);
    }
    s_restart (stage);
    stage_start (stage);
    step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
    stage_queue_done (stage, &step, true, RELEASED);
    stage_serve (stage);
    assert_string_equal (s_state (stage), "released");
}

//  A run that the bus never saw may have leases all the same.
static void
test_release_unknown (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = stage_queue (stage, REQUEST_RUN_RELEASE, R1 (""));
    stage_serve (stage);
    letter_t step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
    stage_queue_done (stage, &step, true, RELEASED);
    stage_serve (stage);
    assert_true (s_answered (stage, ticket));
    assert_int_equal (stage_entries (stage), 0);
}

//  Whoever waits for the place hears that it was given back, detached or not; a lease that comes
//  all the same goes the same way.
static void
test_release_acquiring (void **state)
{
    stage_t *stage = *state;
    uint64_t first;
    letter_t acquire = s_acquiring (stage, &first);
    uint64_t release = stage_queue (stage, REQUEST_RUN_RELEASE, R1 (""));
    stage_serve (stage);
    letter_t step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
    stage_queue_done (stage, &step, true, RELEASED);
    stage_serve (stage);
    assert_true (s_answered (stage, release));
    assert_int_equal (s_error (stage, first).code, BERTH_CONFLICT);
    stage_queue_done (stage, &acquire, true, s_lease (stage, "{}"));
    stage_serve (stage);
    s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
    assert_string_equal (s_state (stage), "released");

    uint64_t detached = stage_queue (stage, REQUEST_RUN_ACQUIRE,
                                     R1 (",'selectedEnvironmentId':'" BOX "','detach':true"));
    stage_serve (stage);
    stage_queue (stage, REQUEST_RUN_RELEASE, R1 (""));
    stage_serve (stage);
    step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
    stage_queue_done (stage, &step, true, RELEASED);
    stage_serve (stage);
    assert_int_equal (s_error (stage, detached).code, BERTH_CONFLICT);
}

//  ---- deadlines

static void
test_deadline (void **state)
{
    stage_t *stage = *state;
    //  Alone, and in the batch in which the lease came.
    for (int late = 0; late < 2; late++) {
        uint64_t ticket;
        stage->deadline_ms = 5000;
        letter_t acquire = s_acquiring (stage, &ticket);
        stage->deadline_ms = 0;
        stage->step_ms = 5000;
        if (late)
            stage_queue_done (stage, &acquire, true, s_lease (stage, "{}"));
        stage_serve (stage);
        stage->step_ms = 1000;
        assert_int_equal (s_error (stage, ticket).code, BERTH_DEADLINE_EXCEEDED);
        assert_string_equal (s_state (stage), "releasing");
        letter_t step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
        stage_queue_done (stage, &step, true, RELEASED);
        stage_serve (stage);
        assert_string_equal (s_state (stage), "released");
    }
}

//  Somebody else has more time: for them it goes on.
static void
test_deadline_of_one (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    stage->deadline_ms = 5000;
    letter_t acquire = s_acquiring (stage, &ticket);
    stage->deadline_ms = 0;
    uint64_t patient = stage_queue (stage, REQUEST_RUN_ACQUIRE, ACQUIRE);
    stage_serve (stage);
    stage->step_ms = 5000;
    stage_serve (stage);
    assert_int_equal (s_error (stage, ticket).code, BERTH_DEADLINE_EXCEEDED);
    stage_queue_done (stage, &acquire, true, s_lease (stage, "{}"));
    stage_serve (stage);
    assert_true (s_answered (stage, patient));
}

//  ---- restarts and retries

//  In each step: it is asked for again, and its answer is the next request.
static void
test_restart (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    s_acquiring (stage, &ticket);
    s_restart (stage);
    stage_start (stage);
    assert_int_equal (stage->count, 1);
    letter_t step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
    stage_queue_done (stage, &step, true, s_lease (stage, "{}"));
    stage_serve (stage);
    assert_string_equal (s_state (stage), "acquired");
    s_restart (stage);
    stage_start (stage);
    assert_int_equal (stage->count, 0);

    stage_queue (stage, REQUEST_RUN_REALIZE, REALIZE);
    stage_serve (stage);
    s_restart (stage);
    stage_start (stage);
    step = s_step (stage, ACTOR_REALIZER, REQUEST_WORKSPACE_REALIZE);
    assert_at (stage, stage_work (stage, ACTOR_REALIZER, 0)->body, "source", "\"/work\"");
    stage_queue_done (stage, &step, true, s_lease (stage, RECORD));
    stage_serve (stage);
    assert_string_equal (s_state (stage), "ready");

    stage_queue (stage, REQUEST_RUN_RELEASE, R1 (",'status':'failed'"));
    stage_serve (stage);
    s_restart (stage);
    stage_start (stage);
    step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
    assert_at (stage, stage_work (stage, ACTOR_LEASES, 0)->body, "status", "\"failed\"");
    stage_queue_done (stage, &step, true, RELEASED);
    stage_serve (stage);
    assert_string_equal (s_state (stage), "released");
}

//  The same key never acquires or realizes a second time, whatever happened since.
static void
test_keys (void **state)
{
    stage_t *stage = *state;
    stage->key = "k1";
    s_ready (stage);
    uint64_t entries = stage_entries (stage);
    berth_bytes_t body = stage_ok (stage, REQUEST_RUN_REALIZE, REALIZE);
    assert_at (stage, body, "workspaceRealization", "{\"version\":1}");
    assert_null (stage_work (stage, ACTOR_REALIZER, 0));
    body = stage_ok (stage, REQUEST_RUN_ACQUIRE, ACQUIRE);
    assert_string_equal (stage_text (stage, body, "lease.id"), PLACE);
    assert_int_equal (stage_entries (stage), entries);
}

static void
test_key_of_released (void **state)
{
    stage_t *stage = *state;
    stage->key = "k1";
    s_acquired (stage);
    berth_bytes_t before = stage_ok (stage, REQUEST_RUN_ACQUIRE, ACQUIRE);
    stage_queue (stage, REQUEST_RUN_RELEASE, R1 (""));
    stage_serve (stage);
    letter_t step = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE_FOR_RUN);
    stage_queue_done (stage, &step, true, RELEASED);
    stage_serve (stage);
    //  The same answer as then, and no second lease.
    assert_bytes (stage_ok (stage, REQUEST_RUN_ACQUIRE, ACQUIRE), before);
    assert_null (stage_work (stage, ACTOR_LEASES, 0));
    stage->key = "k2";
    stage_queue (stage, REQUEST_RUN_ACQUIRE, ACQUIRE);
    stage_serve (stage);
    s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
}

static void
test_heartbeat (void **state)
{
    stage_t *stage = *state;
    s_acquired (stage);
    uint64_t entries = stage_entries (stage);
    berth_bytes_t body = stage_ok (stage, REQUEST_RUN_HEARTBEAT, R1 (""));
    assert_at (stage, body, "heartbeatAt", ASK ("%lld", (long long) stage->now_ms));
    assert_int_equal (stage_entries (stage), entries);
    assert_at (stage, stage_ok (stage, REQUEST_RUN_LIST, "{'companyId':'acme','state':'acquired'}"),
               "items.0.id", "\"r1\"");
    assert_at (stage, stage_ok (stage, REQUEST_RUN_LIST, "{'companyId':'acme','state':'ready'}"),
               "items", "[]");
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_resolve), TEST (test_refusals), TEST (test_acquire), TEST (test_acquire_fails),
        TEST (test_acquire_says_what_is), TEST (test_long_names), TEST (test_realize),
        TEST (test_realize_fails), TEST (test_realize_refusals), TEST (test_release),
        TEST (test_release_unknown), TEST (test_release_fails), TEST (test_release_acquiring), TEST (test_deadline),
        TEST (test_deadline_of_one), TEST (test_restart), TEST (test_keys),
        TEST (test_key_of_released), TEST (test_heartbeat),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
