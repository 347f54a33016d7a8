//  test_registry_probe.c - probes: what is asked of a proxy, what its answer means, what is logged.

#include "registry_stage.h"

#include "registry.h"

//  ---- probes

static void
test_probe (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," BWRAP "}");
    uint64_t ticket = stage_queue (stage, REQUEST_ENVIRONMENT_PROBE, "{'environmentId':'" ID1 "'}");
    stage_serve (stage);
    assert_null (stage_answer (stage, ticket));
    const stage_sent_t *work = stage_work (stage, ACTOR_PROXY, 0);
    assert_non_null (work);
    assert_int_equal (work->letter.type, REQUEST_PLACE_PROBE);
    assert_string_equal (work->provider, "bubblewrap");
    assert_at (stage, work->body, "config", "{\"reuseLease\":false}");
    assert_true (work->letter.deadline_ms > stage->mono_ms);
    letter_t letter = work->letter;
    stage_queue_done (stage, &letter, true,
                      "{'ok':true,'driver':'sandbox','summary':'fine','details':{'w':1}}");
    stage_serve (stage);
    const stage_sent_t *answer = stage_answer (stage, ticket);
    assert_non_null (answer);
    assert_at (stage, answer->body, "ok", "true");
    assert_at (stage, answer->body, "details.w", "1");
    berth_bytes_t entry = stage_entry (stage, 0);
    assert_at (stage, entry, "action", "\"environment.probed\"");
    assert_at (stage, entry, "entityId", "\"" ID1 "\"");
    assert_at (stage, entry, "details",
               "{\"driver\":\"sandbox\",\"ok\":true,\"summary\":\"fine\"}");
}

//  A provider that fails is an answer.
static void
test_probe_fails (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," BWRAP "}");
    uint64_t ticket = stage_queue (stage, REQUEST_ENVIRONMENT_PROBE, "{'environmentId':'" ID1 "'}");
    stage_serve (stage);
    letter_t letter = stage_work (stage, ACTOR_PROXY, 0)->letter;
    stage_queue_done (stage, &letter, false, "{'code':'provider_timeout','message':'it hangs',"
                      "'retryable':true,'details':{'cause':'deep','remedy':'restart'}}");
    stage_serve (stage);
    const stage_sent_t *answer = stage_answer (stage, ticket);
    assert_int_equal (answer->status, reply_status_OK);
    assert_at (stage, answer->body, "ok", "false");
    assert_at (stage, answer->body, "driver", "\"sandbox\"");
    assert_at (stage, answer->body, "summary", "\"it hangs\"");
    assert_at (stage, answer->body, "details",
               "{\"code\":\"provider_timeout\",\"error\":\"deep\",\"remedy\":\"restart\"}");
    assert_at (stage, stage_entry (stage, 0), "details.ok", "false");
}

//  Deleted while it was probed: who asked is answered, nothing is logged.
static void
test_probe_of_deleted (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," BWRAP "}");
    uint64_t ticket = stage_queue (stage, REQUEST_ENVIRONMENT_PROBE, "{'environmentId':'" ID1 "'}");
    stage_serve (stage);
    letter_t letter = stage_work (stage, ACTOR_PROXY, 0)->letter;
    stage_ok (stage, REQUEST_ENVIRONMENT_DELETE, "{'environmentId':'" ID1 "'}");
    stage_queue_done (stage, &letter, true, "{'ok':true,'driver':'sandbox','summary':'fine'}");
    stage_serve (stage);
    assert_int_equal (stage_answer (stage, ticket)->status, reply_status_OK);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.deleted\"");
}

static void
test_probe_unavailable (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a',"
                           "'driver':'plugin','config':{'pluginKey':'p','driverKey':'d'}}");
    berth_error_t err = stage_fails (stage, REQUEST_ENVIRONMENT_PROBE, "{'environmentId':'"
                                     ID1 "'}");
    assert_int_equal (err.code, BERTH_UNSUPPORTED_ENVIRONMENT);
    assert_string_equal (err.environment_id, ID1);
    err = stage_fails (stage, REQUEST_ENVIRONMENT_PROBE_CONFIG,
        "{'companyId':'c','driver':'sandbox','config':{'provider':'e2b'}}");
    assert_string_equal (err.text,
                         "Sandbox provider \"e2b\" is not registered as a built-in provider.");
    assert_int_equal (stage_entries (stage), 1);
}

static void
test_probe_config (void **state)
{
    stage_t *stage = *state;
    //  A company may have marks of its own: the subject holds.
    uint64_t ticket = stage_queue (stage, REQUEST_ENVIRONMENT_PROBE_CONFIG,
        "{'companyId':'a:b.c','driver':'sandbox','config':{'provider':'fake','image':'x'}}");
    stage_serve (stage);
    const stage_sent_t *work = stage_work (stage, ACTOR_PROXY, 0);
    assert_string_equal (work->provider, "fake");
    assert_at (stage, work->body, "config.image", "\"x\"");
    assert_at (stage, work->body, "config.provider", "absent");
    letter_t letter = work->letter;
    stage_queue_done (stage, &letter, true, "{'ok':true,'driver':'sandbox',"
                      "'summary':'Fake sandbox provider is ready for image x.'}");
    stage_serve (stage);
    assert_int_equal (stage_answer (stage, ticket)->status, reply_status_OK);
    berth_bytes_t entry = stage_entry (stage, 0);
    assert_int_equal (stage_entries (stage), 1);
    assert_at (stage, entry, "action", "\"environment.probed_unsaved\"");
    assert_at (stage, entry, "entityId", "\"unsaved\"");
    assert_at (stage, entry, "companyId", "\"a:b.c\"");
    assert_at (stage, entry, "details", "{\"driver\":\"sandbox\",\"ok\":true,\"summary\":"
               "\"Fake sandbox provider is ready for image x.\",\"configTopLevelKeyCount\":2}");
    assert_at (stage, stage_ok (stage, REQUEST_ENVIRONMENT_LIST, "{'companyId':'a:b.c'}"), "items",
               "[]");
}

//  Whoever waits is told when the deadline passes; the log gets its entry all the same.
static void
test_probe_deadline (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," BWRAP "}");
    stage->deadline_ms = 1500;
    uint64_t ticket = stage_queue (stage, REQUEST_ENVIRONMENT_PROBE, "{'environmentId':'" ID1 "'}");
    stage_serve (stage);
    letter_t letter = stage_work (stage, ACTOR_PROXY, 0)->letter;
    stage_serve (stage);
    const stage_sent_t *answer = stage_answer (stage, ticket);
    assert_non_null (answer);
    assert_at (stage, answer->body, "code", "\"deadline_exceeded\"");
    stage_queue_done (stage, &letter, true, "{'ok':true,'driver':'sandbox','summary':'late'}");
    stage_serve (stage);
    assert_null (stage_answer (stage, ticket));
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.probed\"");
}

static void
test_provider_probe (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = stage_queue (stage, REQUEST_PROVIDER_PROBE,
                                   "{'provider':'bubblewrap','config':{'pids':30}}");
    stage_serve (stage);
    letter_t letter = stage_work (stage, ACTOR_PROXY, 0)->letter;
    stage_queue_done (stage, &letter, true, "{'ok':true,'driver':'sandbox','summary':'fine'}");
    stage_serve (stage);
    assert_at (stage, stage_answer (stage, ticket)->body, "summary", "\"fine\"");
    assert_int_equal (stage_entries (stage), 0);
    assert_int_equal (stage_fails (stage, REQUEST_PROVIDER_PROBE, "{'provider':'e2b'}").code,
                      BERTH_NOT_FOUND);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        REGISTRY_TEST (test_probe), REGISTRY_TEST (test_probe_fails), REGISTRY_TEST (test_probe_of_deleted),
        REGISTRY_TEST (test_probe_unavailable), REGISTRY_TEST (test_probe_config), REGISTRY_TEST (test_probe_deadline),
        REGISTRY_TEST (test_provider_probe),
    };
    return cmocka_run_group_tests_name ("registry_probe", tests, NULL, NULL);
}
