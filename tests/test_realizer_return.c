//  test_realizer_return.c - the way home: who may ask, what the lease and the log learn, failures.

#include "stage.h"

#include "codec.h"
#include "fenced.h"
#include "realizer.h"

#define LEASE_ID "11111111-1111-7111-8111-111111111111"
#define ENV_ID   "22222222-2222-7222-8222-222222222222"

static realizer_t *s_realizer;

static lease_t
s_lease (stage_t *stage)
{
    lease_t lease = stage_lease (stage, LEASE_ID, ENV_ID, lease_state_ACTIVE);
    lease.provider = "bubblewrap";
    lease.driver = "sandbox";
    lease.provider_lease = "bubblewrap:" LEASE_ID;
    lease.run = "run-1";
    lease.place = place_state_OPEN;
    lease.metadata = stage_pack (stage, "{'driver':'sandbox','shellCommand':'bash'}");
    return lease;
}

static int
s_setup (void **state)
{
    berth_error_t err = { 0 };
    stage_t *stage = stage_new ();
    s_realizer = realizer_new (&stage->context, &err);
    stage->actor = realizer_kit (s_realizer);
    lease_t lease = s_lease (stage);
    stage_put_lease (stage, &lease);
    *state = stage;
    return 0;
}

static int
s_teardown (void **state)
{
    realizer_destroy (&s_realizer);
    stage_destroy ((stage_t **) state);
    return 0;
}

//  Answers the one step that was sent to an actor, and serves what comes of it.
static void
s_answer (stage_t *stage, actor_code_t to, bool ok, const char *json)
{
    const stage_sent_t *sent = stage_work (stage, to, 0);
    assert_non_null (sent);
    letter_t letter = sent->letter;
    stage_queue_done (stage, &letter, ok, json);
    stage_serve (stage);
}

//  The lease as `leases` answers.
static const char *
s_lease_json (stage_t *stage)
{
    lease_t lease = s_lease (stage);
    return stage_at (stage, berth_pack (&lease_schema, &lease, stage->arena), "");
}

#define RETURNED "{'leaseId':'" LEASE_ID "','target':'/src','added':1,'changed':2,'deleted':3,'conflicts':4," \
    "'refused':5,'bytes':6,'changes':[{'change':'added','path':'secret.txt'}],'changesCut':false}"

static void
s_put_realized (stage_t *stage, lease_state_t state)
{
    lease_t lease = s_lease (stage);
    lease.state = state;
    lease.source = BYTES_OF ("/src");
    stage_put_lease (stage, &lease);
}

static void
test_return (void **state)
{
    stage_t *stage = *state;
    s_put_realized (stage, lease_state_ACTIVE);
    stage->streams = true;
    uint64_t ticket = stage_queue (stage, REQUEST_WORKSPACE_RETURN,
                                   "{'leaseId':'" LEASE_ID "','companyId':'acme','generation':7}");
    stage_serve (stage);
    const stage_sent_t *work = stage_work (stage, ACTOR_PROXY, 0);
    assert_int_equal (work->letter.type, REQUEST_PLACE_RETURN);
    assert_at (stage, work->body, "target", "\"/src\"");
    letter_t letter = work->letter;
    stage_queue_progress (stage, &letter,
                          "{'phase':'return','files':1,'bytes':2,'totalFiles':3,'totalBytes':4}");
    stage_serve (stage);
    const stage_sent_t *chunk = stage_answer (stage, ticket);
    assert_int_equal (chunk->status, reply_status_STREAM);
    assert_at (stage, chunk->body, "phase", "\"return\"");
    stage_queue_done (stage, &letter, true, RETURNED);
    stage_serve (stage);
    //  Nobody is told before the lease knows.
    assert_null (stage_answer (stage, ticket));
    assert_at (stage, stage_work (stage, ACTOR_LEASES, 0)->body, "returned", "true");
    const char *details = stage_at (stage, stage_work (stage, ACTOR_LEASES, 0)->body, "details");
    s_answer (stage, ACTOR_LEASES, true, s_lease_json (stage));
    const stage_sent_t *answer = stage_answer (stage, ticket);
    assert_int_equal (answer->status, reply_status_OK);
    assert_at (stage, answer->body, "changed", "2");
    assert_at (stage, answer->body, "changes.0.path", "\"secret.txt\"");
    assert_string_equal (details, "{\"environmentId\":\""
               ENV_ID "\",\"added\":1,\"changed\":2,"
               "\"deleted\":3,\"conflicts\":4,\"refused\":5,\"bytes\":6}");
}

static void
test_return_dry (void **state)
{
    stage_t *stage = *state;
    s_put_realized (stage, lease_state_RETAINED);
    uint64_t ticket = stage_queue (stage, REQUEST_WORKSPACE_RETURN,
                                   "{'leaseId':'" LEASE_ID "','dry':true,'target':'/elsewhere'}");
    stage_serve (stage);
    assert_at (stage, stage_work (stage, ACTOR_PROXY, 0)->body, "dry", "true");
    assert_at (stage, stage_work (stage, ACTOR_PROXY, 0)->body, "target", "\"/elsewhere\"");
    s_answer (stage, ACTOR_PROXY, true, RETURNED);
    assert_int_equal (stage_answer (stage, ticket)->status, reply_status_OK);
    assert_null (stage_work (stage, ACTOR_LEASES, 0));
    assert_int_equal (stage_entries (stage), 0);
}

//  The lease was settled while its files came home: they are home all the same.
static void
test_return_of_settled (void **state)
{
    stage_t *stage = *state;
    s_put_realized (stage, lease_state_ACTIVE);
    uint64_t ticket = stage_queue (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'" LEASE_ID "'}");
    stage_serve (stage);
    s_answer (stage, ACTOR_PROXY, true, RETURNED);
    s_answer (stage, ACTOR_LEASES, false,
              "{'code':'conflict','message':'released','retryable':false}");
    assert_int_equal (stage_answer (stage, ticket)->status, reply_status_OK);
}

//  A repeat under the same key joins what runs; what a restart cut off begins anew.
static void
test_return_again (void **state)
{
    stage_t *stage = *state;
    berth_error_t err = { 0 };
    s_put_realized (stage, lease_state_ACTIVE);
    stage->key = "k1";
    uint64_t first = stage_queue (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'" LEASE_ID "'}");
    uint64_t beside = stage_queue (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'" LEASE_ID "'}");
    stage_serve (stage);
    assert_non_null (stage_work (stage, ACTOR_PROXY, 0));
    assert_null (stage_work (stage, ACTOR_PROXY, 1));
    letter_t step = stage_work (stage, ACTOR_PROXY, 0)->letter;
    uint64_t later = stage_queue (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'" LEASE_ID "'}");
    stage_serve (stage);
    assert_null (stage_work (stage, ACTOR_PROXY, 0));
    assert_int_equal (stage_fails (stage, REQUEST_WORKSPACE_RETURN,
                                   "{'leaseId':'" LEASE_ID "','dry':true}").code, BERTH_CONFLICT);

    stage_queue_done (stage, &step, true, RETURNED);
    stage_serve (stage);
    berth_bytes_t keep = stage_work (stage, ACTOR_LEASES, 0)->body;
    assert_at (stage, keep, "reply.changed", "2");
    assert_non_null (any_get (keep, "scope").data);
    s_answer (stage, ACTOR_LEASES, true, s_lease_json (stage));
    berth_bytes_t body = stage_answer (stage, first)->body;
    assert_bytes (body, stage_answer (stage, beside)->body);
    assert_bytes (body, stage_answer (stage, later)->body);

    //  Another process finds the answer by the key.
    realizer_destroy (&s_realizer);
    s_realizer = realizer_new (&stage->context, &err);
    stage->actor = realizer_kit (s_realizer);
    assert_bytes (body, stage_ok (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'" LEASE_ID "'}"));
    stage->key = "k2";
    stage_queue (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'" LEASE_ID "'}");
    stage_serve (stage);
    realizer_destroy (&s_realizer);
    s_realizer = realizer_new (&stage->context, &err);
    stage->actor = realizer_kit (s_realizer);
    stage_queue (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'" LEASE_ID "'}");
    stage_serve (stage);
    assert_non_null (stage_work (stage, ACTOR_PROXY, 0));
}

static void
test_return_refusals (void **state)
{
    stage_t *stage = *state;
    size_t rows = 0;
    for (int code = -1; (code = (int) fenced_next (ACTOR_REALIZER, code)) < REQUEST_COUNT; rows++) {
        uint64_t ticket = stage_queue (stage, (request_code_t) code, "{}");
        stage->queue [stage->queued - 1].body = fenced_body ((request_code_t) code, LEASE_ID, 6,
                                                             stage->arena);
        stage_serve (stage);
        const stage_sent_t *answer = stage_answer (stage, ticket);
        assert_non_null (answer);
        assert_at (stage, answer->body, "code", "\"fenced\"");
    }
    assert_true (rows >= 1);
    static const struct { const char *json; berth_code_t code; const char *field; } cases [] = {
        { "{'leaseId':'" ENV_ID "'}", BERTH_NOT_FOUND, "" },
        { "{'leaseId':'" LEASE_ID "','companyId':'other'}", BERTH_NOT_FOUND, "" },
        { "{'leaseId':'" LEASE_ID "','generation':6}", BERTH_FENCED, "" },
        { "{'leaseId':'" LEASE_ID "'}", BERTH_INVALID,
          "target" },             //  Nothing was realized
        { "{'leaseId':'" LEASE_ID "','target':'home'}", BERTH_INVALID, "target" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        berth_error_t err = stage_fails (stage, REQUEST_WORKSPACE_RETURN, cases [index].json);
        assert_int_equal (err.code, cases [index].code);
        assert_string_equal (err.field, cases [index].field);
    }
    s_put_realized (stage, lease_state_RELEASED);
    assert_int_equal (stage_fails (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'"
                                   LEASE_ID "'}").code,
                      BERTH_CONFLICT);
    lease_t lease = s_lease (stage);
    lease.provider = "fake";
    stage_put_lease (stage, &lease);
    assert_int_equal (stage_fails (stage, REQUEST_WORKSPACE_RETURN,
                                   "{'leaseId':'"
                                           LEASE_ID "','target':'/src'}").code, BERTH_UNSUPPORTED);
}

static void
test_return_fails (void **state)
{
    stage_t *stage = *state;
    s_put_realized (stage, lease_state_ACTIVE);
    uint64_t ticket = stage_queue (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'" LEASE_ID "'}");
    stage_serve (stage);
    s_answer (stage, ACTOR_PROXY, false,
              "{'code':'not_found','message':'cannot open \\'/src\\'','retryable':false}");
    const stage_sent_t *answer = stage_answer (stage, ticket);
    assert_int_equal (answer->status, reply_status_ERROR);
    assert_at (stage, answer->body, "code", "\"not_found\"");
    assert_at (stage, answer->body, "details.field", "\"target\"");
    assert_at (stage, answer->body, "details.leaseId", "\"" LEASE_ID "\"");
    assert_int_equal (stage_entries (stage), 0);
}

//  Commits that were refused are not home: the lease does not say so.
static void
test_return_without_commits (void **state)
{
    stage_t *stage = *state;
    static const char *const outcomes [] = { "refused", "conflict", "fast_forward" };
    for (unsigned index = 0; index < 3; index++) {
        s_put_realized (stage, lease_state_ACTIVE);
        uint64_t ticket = stage_queue (stage, REQUEST_WORKSPACE_RETURN, "{'leaseId':'" LEASE_ID "'}");
        stage_serve (stage);
        s_answer (stage, ACTOR_PROXY, true,
                  arena_printf (stage->arena, "{'leaseId':'" LEASE_ID "','target':'/src','added':0,"
                                "'changed':0,'deleted':0,'conflicts':0,'refused':0,'bytes':0,"
                                "'changes':[],'changesCut':false,'commits':'%s'}", outcomes [index]));
        const stage_sent_t *keep = stage_work (stage, ACTOR_LEASES, 0);
        assert_at (stage, keep->body, "returned", index ? "true" : "false");
        s_answer (stage, ACTOR_LEASES, true, s_lease_json (stage));
        assert_at (stage, stage_answer (stage, ticket)->body, "commits",
                   arena_printf (stage->arena, "\"%s\"", outcomes [index]));
    }
}

//  What would come home: the same road, and neither lease nor log learn of it.
static void
test_diff (void **state)
{
    stage_t *stage = *state;
    s_put_realized (stage, lease_state_RETAINED);
    for (unsigned unified = 0; unified < 2; unified++) {
        uint64_t ticket = stage_queue (stage, REQUEST_WORKSPACE_DIFF,
                                       unified ? "{'leaseId':'" LEASE_ID "','unified':true}"
                                               : "{'leaseId':'" LEASE_ID "','target':'/other'}");
        stage_serve (stage);
        const stage_sent_t *work = stage_work (stage, ACTOR_PROXY, 0);
        assert_int_equal (work->letter.type, REQUEST_PLACE_RETURN);
        assert_at (stage, work->body, "dry", "true");
        assert_at (stage, work->body, "unified", unified ? "true" : "absent");
        assert_at (stage, work->body, "target", unified ? "\"/src\"" : "\"/other\"");
        s_answer (stage, ACTOR_PROXY, true, RETURNED);
        const stage_sent_t *answer = stage_answer (stage, ticket);
        assert_int_equal (answer->status, reply_status_OK);
        assert_at (stage, answer->body, "changed", "2");
        assert_null (stage_work (stage, ACTOR_LEASES, 0));
    }
    assert_int_equal (stage_entries (stage), 0);
    assert_int_equal (stage_fails (stage, REQUEST_WORKSPACE_DIFF,
                                   "{'leaseId':'" LEASE_ID "','generation':6}").code, BERTH_FENCED);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_return), TEST (test_return_dry), TEST (test_return_of_settled), TEST (test_return_again),
        TEST (test_return_refusals), TEST (test_return_fails), TEST (test_diff),
        TEST (test_return_without_commits),
    };
    return cmocka_run_group_tests_name ("realizer_return", tests, NULL, NULL);
}
