//  test_runs_test.c - environment.test and environment.testEnd: each row of the table, step by step.

#include "stage.h"

#include "codec.h"
#include "json.h"
#include "runs.h"
#include "trials.h"

#define LOCAL   "11111111-1111-7111-8111-111111111111"
#define BOX     "22222222-2222-7222-8222-222222222222"
#define SSH     "33333333-3333-7333-8333-333333333333"
#define NOWHERE "44444444-4444-7444-8444-444444444444"
#define HELD    "55555555-5555-7555-8555-555555555555"
#define RAN    "66666666-6666-7666-8666-666666666666"

static runs_t *s_runs;

static int
s_setup (void **state)
{
    berth_error_t err = { 0 };
    stage_t *stage = stage_new ();
    s_runs = runs_new (&stage->context, &err);
    stage->actor = runs_kit (s_runs);
    stage_put_environment (stage, BOX,
                           "{'driver':'sandbox','config':{'provider':'bubblewrap'}}");
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

#define ASK(...) arena_printf (stage->arena, __VA_ARGS__)
#define BOX_ASK(more) "{'companyId':'acme','environmentId':'" BOX "'" more "}"

//  ---- what other actors answer

static void
s_answer (stage_t *stage, const letter_t *letter, const berth_schema_t *schema, const void *result)
{
    stage_queue_done (stage, letter, true,
                      berth_json_text (NULL, berth_pack (schema, result, stage->arena),
                                       BERTH_JSON_COMPACT, stage->arena));
    stage_serve (stage);
}

static void
s_refuse (stage_t *stage, const letter_t *letter)
{
    stage_queue_done (stage, letter, false, "{'code':'provider_error','message':'it broke',"
                      "'retryable':true,'details':{'cause':'a pipe','remedy':'mend it'}}");
    stage_serve (stage);
}

//  The one step that the last batch sent; it must be this one.
static letter_t
s_step (stage_t *stage, actor_code_t to, request_code_t type)
{
    const stage_sent_t *work = stage_work (stage, to, 0);
    if (!work || work->letter.type != type)
        fail_msg ("no %s was sent", request_row (type)->type);
    assert_null (stage_work (stage, to, 1));
    return work->letter;
}

static berth_bytes_t
s_body (stage_t *stage, actor_code_t to)
{
    return stage_work (stage, to, 0)->body;
}

//  Answers lease.acquire with an active lease of that driver.
static void
s_lease (stage_t *stage, const char *driver, place_state_t place)
{
    letter_t letter = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
    lease_t lease = stage_lease (stage, HELD, BOX, lease_state_ACTIVE);
    lease.driver = driver;
    lease.place = place;
    s_answer (stage, &letter, &lease_schema, &lease);
}

//  Answers exec.runStep.
static void
s_ran (stage_t *stage, exec_cause_t cause, int64_t exit_code, const char *out, const char *err)
{
    letter_t letter = s_step (stage, ACTOR_EXECS, REQUEST_EXEC_RUN_STEP);
    exec_t exec = {
        .id = RAN, .company = "acme", .lease = HELD, .generation = 7, .state = exec_state_ENDED,
        .cause = cause, .timed_out = cause == exec_cause_TIMED_OUT,
        .command = { (const uint8_t *) "sh", 2 }, .created_at = 1, .spool_max = 1,
        .on_full = exec_on_full_DROP_OLDEST,
    };
    if (cause == exec_cause_EXITED)
        berth_put (exec, &exec, exit_code, exit_code);
    exec_result_t result = {
        .exec = &exec, .out = { (const uint8_t *) out, strlen (out) },
        .err = { (const uint8_t *) err, strlen (err) },
    };
    s_answer (stage, &letter, &exec_result_schema, &result);
}

//  Answers lease.release, which must say so.
static void
s_released (stage_t *stage, const char *status)
{
    letter_t letter = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE);
    assert_at (stage, s_body (stage, ACTOR_LEASES), "leaseId", "\"" HELD "\"");
    assert_string_equal (stage_text (stage, s_body (stage, ACTOR_LEASES), "status"), status);
    lease_t lease = stage_lease (stage, HELD, BOX, lease_state_RELEASED);
    s_answer (stage, &letter, &lease_schema, &lease);
}

static uint64_t
s_test (stage_t *stage, const char *json)
{
    uint64_t ticket = stage_queue (stage, REQUEST_ENVIRONMENT_TEST, json);
    stage_serve (stage);
    return ticket;
}

static berth_bytes_t
s_result (stage_t *stage, uint64_t ticket)
{
    const stage_sent_t *answer = stage_answer (stage, ticket);
    if (!answer || answer->status != reply_status_OK)
        fail_msg ("%s", answer ? stage_at (stage, answer->body, "") : "no answer");
    return answer->body;
}

static void
s_one_check (stage_t *stage, berth_bytes_t body, const char *status, const char *code,
             const char *level)
{
    assert_string_equal (stage_text (stage, body, "status"), status);
    assert_string_equal (stage_text (stage, body, "checks.0.code"), code);
    assert_string_equal (stage_text (stage, body, "checks.0.level"), level);
    assert_at (stage, body, "checks.1", "absent");
}

//  ---- without a lease

static void
test_host (void **state)
{
    stage_t *stage = *state;
    stage_put_environment (stage, LOCAL, "{}");
    berth_bytes_t body = stage_ok (stage, REQUEST_ENVIRONMENT_TEST,
                                   "{'companyId':'acme','adapterType':'process'}");
    assert_int_equal (stage->count, 1);     //  The answer, and nothing else
    assert_at (stage, body, "status", "\"pass\"");
    assert_at (stage, body, "checks", "[]");
    assert_at (stage, body, "adapterType", "\"process\"");
    assert_at (stage, body, "leaseId", "null");
    assert_at (stage, body, "executionTarget", "null");
    assert_at (stage, body, "testedAt", ASK ("%lld", (long long) stage->now_ms));
    body = stage_ok (stage, REQUEST_ENVIRONMENT_TEST,
                     "{'companyId':'acme','environmentId':'" LOCAL "'}");
    assert_int_equal (stage->count, 1);
    assert_at (stage, body, "status", "\"pass\"");
    assert_at (stage, body, "adapterType", "null");
    assert_int_equal (stage_entries (stage), 0);
}

//  An environment that was asked for is never replaced by the host.
static void
test_not_found (void **state)
{
    stage_t *stage = *state;
    static const char *const asks [] = {
        "{'companyId':'acme','environmentId':'" NOWHERE "','commands':['true'],'hold':true}",
        "{'companyId':'other','environmentId':'" BOX "'}",
        "{'companyId':'acme','commands':['true']}",         //  Its local one was never made
    };
    for (size_t index = 0; index < BERTH_COUNT (asks); index++) {
        berth_bytes_t body = stage_ok (stage, REQUEST_ENVIRONMENT_TEST, asks [index]);
        assert_int_equal (stage->count, 1);
        s_one_check (stage, body, "warn", "environment_not_found", "warn");
    }
}

static void
test_ssh (void **state)
{
    stage_t *stage = *state;
    stage_put_environment (stage, SSH, "{'driver':'ssh'}");
    berth_bytes_t body = stage_ok (stage, REQUEST_ENVIRONMENT_TEST,
        "{'companyId':'acme','environmentId':'" SSH "','adapterType':'process'}");
    s_one_check (stage, body, "warn", "environment_target_unavailable", "warn");
    assert_int_equal (stage->count, 1);
    (void) s_test (stage, "{'companyId':'acme','environmentId':'" SSH "',"
                          "'adapterType':'claude_local'}");
    assert_at (stage, s_body (stage, ACTOR_LEASES), "environmentId", "\"" SSH "\"");
}

//  ---- with a lease

static void
test_passes (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = s_test (stage, BOX_ASK (",'adapterType':'claude_local','timeoutMs':5000,"
                                              "'commands':['true','uname -a']"));
    berth_bytes_t ask = s_body (stage, ACTOR_LEASES);
    assert_at (stage, ask, "environmentId", "\"" BOX "\"");
    assert_at (stage, ask, "heartbeatRunId", "absent");
    assert_at (stage, ask, "issueId", "absent");
    assert_at (stage, ask, "adapterType", "\"claude_local\"");
    assert_at (stage, ask, "maxLeaseMs", "300000");
    assert_at (stage, ask, "metadata", "{\"environmentTest\":true}");
    s_lease (stage, "sandbox", place_state_OPEN);
    ask = s_body (stage, ACTOR_EXECS);
    assert_at (stage, ask, "leaseId", "\"" HELD "\"");
    assert_at (stage, ask, "generation", "7");
    assert_at (stage, ask, "script", "\"true\"");
    assert_at (stage, ask, "timeoutMs", "5000");
    s_ran (stage, exec_cause_EXITED, 0, "", "a word beside\n");
    assert_at (stage, s_body (stage, ACTOR_EXECS), "script", "\"uname -a\"");
    s_ran (stage, exec_cause_EXITED, 0, "Linux\n", "");
    assert_null (stage_answer (stage, ticket));     //  Not before its place is given back
    s_released (stage, "released");
    berth_bytes_t body = s_result (stage, ticket);
    assert_at (stage, body, "status", "\"pass\"");
    assert_at (stage, body, "checks.0", "{\"code\":\"environment_command_passed\","
               "\"level\":\"info\",\"message\":\"Command \\\"true\\\" passed.\",\"detail\":null,"
               "\"hint\":null}");
    assert_at (stage, body, "checks.1.message", "\"Command \\\"uname -a\\\" passed.\"");
    assert_at (stage, body, "checks.1.detail", "\"Linux\"");
    assert_at (stage, body, "checks.2", "absent");
    assert_at (stage, body, "leaseId", "null");
    assert_at (stage, body, "executionTarget", "null");
}

//  Every command is run, whatever the one before it did.
static void
test_command_fails (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = s_test (stage, BOX_ASK (",'commands':['a','b','c','d','e'],'hold':true"));
    s_lease (stage, "sandbox", place_state_OPEN);
    assert_at (stage, s_body (stage, ACTOR_EXECS), "timeoutMs", "60000");
    s_ran (stage, exec_cause_EXITED, 3, "out\n", "oh\nno\n");
    s_ran (stage, exec_cause_TIMED_OUT, 0, "so far", "");
    letter_t letter = s_step (stage, ACTOR_EXECS, REQUEST_EXEC_RUN_STEP);
    s_refuse (stage, &letter);
    s_ran (stage, exec_cause_PROVIDER_LOST, 0, "", "");
    s_ran (stage, exec_cause_EXITED, 0, "", "");
    s_released (stage, "failed");           //  What failed is not held
    berth_bytes_t body = s_result (stage, ticket);
    assert_at (stage, body, "status", "\"fail\"");
    assert_at (stage, body, "leaseId", "null");
    assert_at (stage, body, "checks.0.code", "\"environment_command_failed\"");
    assert_at (stage, body, "checks.0.level", "\"error\"");
    assert_at (stage, body, "checks.0.message", "\"Command \\\"a\\\" failed: exit code 3.\"");
    assert_at (stage, body, "checks.0.detail", "\"oh\\nno\"");
    assert_at (stage, body, "checks.1.message",
               "\"Command \\\"b\\\" failed: it took longer than 60000 ms.\"");
    assert_at (stage, body, "checks.1.detail", "\"so far\"");
    assert_at (stage, body, "checks.2.message", "\"Command \\\"c\\\" could not be started.\"");
    assert_at (stage, body, "checks.2.detail", "\"it broke (provider_error): a pipe\"");
    assert_at (stage, body, "checks.2.hint", "\"mend it\"");
    assert_at (stage, body, "checks.3.message", "\"Command \\\"d\\\" failed: provider_lost.\"");
    assert_at (stage, body, "checks.4.level", "\"info\"");
}

static void
test_acquire_fails (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = s_test (stage, BOX_ASK (",'commands':['true']"));
    letter_t letter = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
    s_refuse (stage, &letter);
    assert_int_equal (stage->count, 1);             //  There is nothing to give back
    berth_bytes_t body = s_result (stage, ticket);
    s_one_check (stage, body, "fail", "environment_lease_acquire_failed", "error");
    assert_at (stage, body, "checks.0.message",
               "\"No lease could be acquired for environment \\\"box\\\" (sandbox).\"");
    assert_at (stage, body, "checks.0.detail", "\"it broke (provider_error): a pipe\"");
    assert_at (stage, body, "checks.0.hint", "\"mend it\"");
}

//  The host's place is opened when something is to run in it; an archived one is asked for, so that
//  leases refuses it.
static void
test_local (void **state)
{
    stage_t *stage = *state;
    stage_put_environment (stage, LOCAL, "{'status':'archived'}");
    s_test (stage, "{'companyId':'acme','environmentId':'" LOCAL "'}");
    s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);

    stage_put_environment (stage, LOCAL, "{}");
    uint64_t ticket = s_test (stage, "{'companyId':'acme','commands':['true']}");
    assert_at (stage, s_body (stage, ACTOR_LEASES), "environmentId", "\"" LOCAL "\"");
    s_lease (stage, "local", place_state_ABSENT);
    letter_t letter = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_PLACE);
    assert_at (stage, s_body (stage, ACTOR_LEASES), "leaseId", "\"" HELD "\"");
    lease_t lease = stage_lease (stage, HELD, LOCAL, lease_state_ACTIVE);
    s_answer (stage, &letter, &lease_schema, &lease);
    s_ran (stage, exec_cause_EXITED, 0, "", "");
    s_released (stage, "released");
    assert_at (stage, s_result (stage, ticket), "status", "\"pass\"");

    ticket = s_test (stage, "{'companyId':'acme','commands':['true']}");
    s_lease (stage, "local", place_state_ABSENT);
    letter = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_PLACE);
    s_refuse (stage, &letter);
    s_released (stage, "failed");
    s_one_check (stage, s_result (stage, ticket), "fail", "environment_workspace_realize_failed",
                 "error");
}

//  Where the adapter cannot run, nothing runs.
static void
test_target_unsupported (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = s_test (stage, BOX_ASK (",'adapterType':'process','commands':['true'],"
                                              "'hold':true"));
    s_lease (stage, "sandbox", place_state_OPEN);
    assert_null (stage_work (stage, ACTOR_EXECS, 0));
    s_released (stage, "released");
    berth_bytes_t body = s_result (stage, ticket);
    s_one_check (stage, body, "warn", "environment_target_unsupported", "warn");
    assert_at (stage, body, "leaseId", "null");
}

//  A release that fails never masks the result.
static void
test_release_fails (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = s_test (stage, BOX_ASK (""));
    s_lease (stage, "sandbox", place_state_OPEN);
    letter_t letter = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE);
    s_refuse (stage, &letter);
    assert_at (stage, s_result (stage, ticket), "status", "\"pass\"");
    assert_at (stage, s_result (stage, ticket), "checks", "[]");
}

//  ---- what is held

static void
test_hold (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = s_test (stage, BOX_ASK (",'hold':true"));
    s_lease (stage, "sandbox", place_state_OPEN);
    assert_null (stage_work (stage, ACTOR_LEASES, 0));
    berth_bytes_t body = s_result (stage, ticket);
    assert_at (stage, body, "status", "\"pass\"");
    assert_at (stage, body, "leaseId", "\"" HELD "\"");
    assert_at (stage, body, "executionTarget.transport", "\"sandbox\"");
    assert_at (stage, body, "executionTarget.runner",
               "{\"leaseId\":\"" HELD "\",\"generation\":7}");
}

static void
s_put_held (stage_t *stage, const char *run, const char *metadata)
{
    lease_t lease = stage_lease (stage, HELD, BOX, lease_state_ACTIVE);
    lease.run = run;
    lease.metadata = stage_pack (stage, metadata);
    stage_put_lease (stage, &lease);
}

static void
test_end (void **state)
{
    stage_t *stage = *state;
    s_put_held (stage, NULL, "{'environmentTest':true}");
    uint64_t ticket = stage_queue (stage, REQUEST_ENVIRONMENT_TEST_END,
                                   "{'leaseId':'" HELD "','companyId':'acme'}");
    stage_serve (stage);
    s_released (stage, "released");
    assert_at (stage, s_result (stage, ticket), "state", "\"released\"");

    ticket = stage_queue (stage, REQUEST_ENVIRONMENT_TEST_END,
                          "{'leaseId':'" HELD "','status':'failed'}");
    stage_serve (stage);
    letter_t letter = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE);
    assert_at (stage, s_body (stage, ACTOR_LEASES), "status", "\"failed\"");
    s_refuse (stage, &letter);
    assert_at (stage, stage_answer (stage, ticket)->body, "code", "\"provider_error\"");
}

//  Only what a test holds is ended so.
static void
test_end_of_others (void **state)
{
    stage_t *stage = *state;
    const char *end = "{'leaseId':'" HELD "'}";
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_TEST_END, end).code, BERTH_NOT_FOUND);
    s_put_held (stage, NULL, "{}");
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_TEST_END, end).code, BERTH_CONFLICT);
    s_put_held (stage, "r1", "{'environmentTest':true}");
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_TEST_END, end).code, BERTH_CONFLICT);
    s_put_held (stage, NULL, "{'environmentTest':true}");
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_TEST_END,
                                   "{'leaseId':'" HELD "','companyId':'other'}").code,
                      BERTH_NOT_FOUND);
    assert_string_equal (stage_fails (stage, REQUEST_ENVIRONMENT_TEST_END,
                                      "{'leaseId':'" HELD "','status':'expired'}").field,
                         "status");
    assert_int_equal (stage->count, 1);
}

//  ---- time, retries, bounds

static void
s_expires (stage_t *stage, uint64_t ticket)
{
    stage->deadline_ms = 0;
    stage_serve (stage);
    assert_at (stage, stage_answer (stage, ticket)->body, "code", "\"deadline_exceeded\"");
}

static void
test_deadline (void **state)
{
    stage_t *stage = *state;
    //  While it is acquired: what comes late is given back.
    stage->deadline_ms = 1500;
    uint64_t ticket = s_test (stage, BOX_ASK (",'commands':['true']"));
    letter_t acquire = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
    s_expires (stage, ticket);
    lease_t lease = stage_lease (stage, HELD, BOX, lease_state_ACTIVE);
    lease.driver = "sandbox";
    s_answer (stage, &acquire, &lease_schema, &lease);
    assert_null (stage_work (stage, ACTOR_EXECS, 0));
    s_released (stage, "failed");
    assert_int_equal (stage->count, 0);

    //  While a command runs: it is given back at once, and the command's end changes nothing.
    stage->deadline_ms = 2500;
    ticket = s_test (stage, BOX_ASK (",'commands':['true','true']"));
    s_lease (stage, "sandbox", place_state_OPEN);
    letter_t run = s_step (stage, ACTOR_EXECS, REQUEST_EXEC_RUN_STEP);
    s_expires (stage, ticket);
    assert_at (stage, stage_answer (stage, ticket)->body, "details.leaseId", "\"" HELD "\"");
    letter_t release = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_RELEASE);
    s_refuse (stage, &run);
    assert_int_equal (stage->count, 0);
    s_answer (stage, &release, &lease_schema, &lease);
    assert_int_equal (stage->count, 0);

    //  While it is given back: the result is known, and told.
    stage->deadline_ms = 2500;
    ticket = s_test (stage, BOX_ASK (""));
    s_lease (stage, "sandbox", place_state_OPEN);
    stage->deadline_ms = 0;
    stage_serve (stage);
    assert_at (stage, s_result (stage, ticket), "status", "\"pass\"");
}

static void
test_retry (void **state)
{
    stage_t *stage = *state;
    stage->key = "once";
    uint64_t first = s_test (stage, BOX_ASK (",'hold':true"));
    letter_t acquire = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
    uint64_t second = s_test (stage, BOX_ASK (",'hold':true"));
    assert_int_equal (stage->count, 0);             //  It joins what runs
    lease_t lease = stage_lease (stage, HELD, BOX, lease_state_ACTIVE);
    lease.driver = "sandbox";
    //  One that comes with the very answer joins, too.
    stage_queue_done (stage, &acquire, true,
                      berth_json_text (NULL, berth_pack (&lease_schema, &lease, stage->arena),
                                       BERTH_JSON_COMPACT, stage->arena));
    uint64_t third = s_test (stage, BOX_ASK (",'hold':true"));
    assert_at (stage, s_result (stage, first), "leaseId", "\"" HELD "\"");
    assert_at (stage, s_result (stage, second), "leaseId", "\"" HELD "\"");
    assert_at (stage, s_result (stage, third), "leaseId", "\"" HELD "\"");
    uint64_t fourth = s_test (stage, BOX_ASK (",'hold':true"));
    assert_int_equal (stage->count, 1);             //  No second lease
    assert_at (stage, s_result (stage, fourth), "leaseId", "\"" HELD "\"");
}

//  One that runs out of time ends nothing for one that has more.
static void
test_retry_with_more_time (void **state)
{
    stage_t *stage = *state;
    stage->key = "once";
    stage->deadline_ms = 2500;
    uint64_t first = s_test (stage, BOX_ASK (""));
    letter_t acquire = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
    stage->deadline_ms = 0;
    uint64_t second = s_test (stage, BOX_ASK (""));
    s_expires (stage, first);
    lease_t lease = stage_lease (stage, HELD, BOX, lease_state_ACTIVE);
    lease.driver = "sandbox";
    s_answer (stage, &acquire, &lease_schema, &lease);
    s_released (stage, "released");
    assert_at (stage, s_result (stage, second), "status", "\"pass\"");
}

static void
test_busy (void **state)
{
    stage_t *stage = *state;
    for (size_t index = 0; index < TRIALS_MAX; index++)
        s_test (stage, BOX_ASK (""));
    letter_t acquire = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
    uint64_t ticket = s_test (stage, BOX_ASK (""));
    assert_at (stage, stage_answer (stage, ticket)->body, "code", "\"busy\"");
    assert_int_equal (stage->count, 1);
    s_refuse (stage, &acquire);                     //  One has ended: there is room
    s_test (stage, BOX_ASK (""));
    s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
}

//  A step that is never answered does not keep its client, nor its room, for ever.
static void
test_never_answered (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = s_test (stage, BOX_ASK (""));
    letter_t acquire = s_step (stage, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE);
    stage->step_ms = 1300000;
    stage_serve (stage);
    assert_at (stage, stage_answer (stage, ticket)->body, "code", "\"provider_timeout\"");
    s_refuse (stage, &acquire);
    assert_int_equal (stage->count, 0);
}

static void
test_bad_commands (void **state)
{
    stage_t *stage = *state;
    assert_string_equal (stage_fails (stage, REQUEST_ENVIRONMENT_TEST,
                                      BOX_ASK (",'commands':['true','']")).field, "commands.1");
    const char *many = "";
    for (int index = 0; index < 33; index++)
        many = ASK ("%s%s'true'", many, index ? "," : "");
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_TEST,
                                   ASK (BOX_ASK (",'commands':[%s]"), many)).code, BERTH_INVALID);
}

//  Output of any size and any bytes becomes a text that fits.
static void
test_output (void **state)
{
    stage_t *stage = *state;
    trials_t *trials = trials_new ();
    environment_t env = { .id = BOX, .name = "box", .driver = environment_driver_SANDBOX };
    const char *command = "\xc3\xa4\xc3\xa4\xc3\xa4";       //  Cut between its characters
    for (int index = 0; index < 6; index++)
        command = ASK ("%s%sx", command, command);
    environment_test_t ask = { .company = "acme", .commands = { 1, &command } };
    trial_t *trial = trials_begin (trials, "test x", &env, &ask);
    uint8_t bytes [2000];
    memset (bytes, 'a', sizeof bytes);
    memcpy (bytes + sizeof bytes - 5, "\xff" "b\0c\n", 5);
    exec_t exec = { .cause = exec_cause_EXITED };
    exec_result_t result = { .exec = &exec, .out = { bytes, sizeof bytes } };
    trial_found_result (trial, &result, 1, stage->arena);
    const char *detail = trial->checks [0].detail;
    assert_string_equal (detail + strlen (detail) - 5, "a?b?c");
    assert_in_range (strlen (detail), 700, 1024);
    for (size_t at = 0; at + 1 < sizeof bytes; at += 2)
        memcpy (bytes + at, "\xc3\xa4", 2);
    bytes [sizeof bytes - 1] = '\n';                //  Half a character before it
    result.out.size = sizeof bytes - 2;
    trial_found_result (trial, &result, 1, stage->arena);
    environment_tested_t tested = tested_of (&ask, trial->checks, trial->count, 1), back;
    berth_error_t err = { 0 };
    assert_ok (berth_unpack (&environment_tested_schema,
                             berth_pack (&environment_tested_schema, &tested, stage->arena),
                             stage->arena, &back, &err), err);
    assert_int_equal (back.status, test_status_PASS);
    assert_memory_equal (back.checks.items [1].detail, "\xc3\xa4\xc3\xa4", 4);
    trials_destroy (&trials);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_host), TEST (test_not_found), TEST (test_ssh), TEST (test_passes),
        TEST (test_command_fails), TEST (test_acquire_fails), TEST (test_local),
        TEST (test_target_unsupported), TEST (test_release_fails), TEST (test_hold),
        TEST (test_end), TEST (test_end_of_others), TEST (test_deadline), TEST (test_retry),
        TEST (test_retry_with_more_time),
        TEST (test_busy), TEST (test_never_answered), TEST (test_bad_commands), TEST (test_output),
    };
    return cmocka_run_group_tests_name ("runs_test", tests, NULL, NULL);
}
