//  test_realizer.c - the road of a realization, its record and its failures.

#include "stage.h"

#include "codec.h"
#include "realizer.h"

#define LEASE_ID "11111111-1111-7111-8111-111111111111"
#define ENV_ID   "22222222-2222-7222-8222-222222222222"
#define SPACE_ID "33333333-3333-7333-8333-333333333333"

#define REQUEST_JSON "{'version':1,'adapterType':'claude_local','companyId':'acme','environmentId':'" ENV_ID \
    "','executionWorkspaceId':'" SPACE_ID "','issueId':null,'heartbeatRunId':'run-1'," \
    "'requestedMode':'isolated_workspace','source':{'kind':'task_session','localPath':'/src'," \
    "'projectId':'p','projectWorkspaceId':null,'repoUrl':'git://r','repoRef':'main'," \
    "'strategy':'git_worktree','branchName':'b','worktreePath':'/src'}," \
    "'runtimeOverlay':{'provisionCommand':'make deps','teardownCommand':null," \
    "'cleanupCommand':null,'workspaceRuntime':null}}"

#define REALIZED "{'cwd':'/workspace','metadata':{'k':1},'files':3,'bytes':44,'refused':1,'ms':5}"

static realizer_t *s_realizer;

static void
s_put_environment (stage_t *stage)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    environment_t row = {
        .id = ENV_ID, .company = "acme", .name = "box", .driver = environment_driver_SANDBOX,
        .status = environment_status_ACTIVE, .config = berth_empty_map, .created_at = 1,
        .updated_at = 1,
    };
    assert_ok (store_begin (stage->store, &txn, &err), err);
    assert_ok (environment_put (txn, stage->arena, &row, &err), err);
    assert_ok (store_commit (&txn, &err), err);
}

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
    s_put_environment (stage);
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

//  ---- helpers: the steps as `runs`, proxy, execs and leases would play them

static void
s_ask (stage_t *stage, const char *more)
{
    stage_queue_step (stage, REQUEST_WORKSPACE_REALIZE, ACTOR_RUNS, "acme/run-1", "realize",
                      arena_printf (stage->arena, "{'leaseId':'" LEASE_ID "','request':"
                                    REQUEST_JSON
                                    ",'source':'/src','return':'required'%s}", more));
    stage_serve (stage);
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

//  What `runs` was told: the body of its step.done.
static berth_bytes_t
s_told (stage_t *stage)
{
    for (size_t nth = 0; ; nth++) {
        const stage_sent_t *sent = stage_work (stage, ACTOR_RUNS, nth);
        assert_non_null (sent);
        if (sent->letter.type == REQUEST_STEP_DONE)
            return sent->body;
    }
}

//  The lease as `leases` answers, with the record that it was given.
static const char *
s_lease_json (stage_t *stage, berth_bytes_t record)
{
    lease_t lease = s_lease (stage);
    lease.metadata = any_set (lease.metadata, "workspaceRealization", record, stage->arena);
    return stage_at (stage, berth_pack (&lease_schema, &lease, stage->arena), "");
}

static const char *
s_exec_json (stage_t *stage, const char *end, const char *out, const char *err)
{
    return arena_printf (stage->arena, "{'exec':{'id':'" SPACE_ID "','companyId':'acme','leaseId':'"
                         LEASE_ID
        "','generation':7,'state':'ended',%s,'command':'bash','argsCount':2,'tty':false,'stdin':false,"
        "'createdAt':1,'stdoutBytes':0,'stderrBytes':0,'spoolMax':1,'onFull':'drop_new',"
        "'truncated':false,'stalled':false},'stdout':'%s','stderr':'%s','outputCut':false}", end, out, err);
}

static void
s_assert_failed (stage_t *stage, const char *code, const char *message)
{
    berth_bytes_t told = s_told (stage);
    assert_at (stage, told, "ok", "false");
    assert_at (stage, told, "subject", "\"acme/run-1\"");
    assert_at (stage, told, "step", "\"realize\"");
    assert_string_equal (stage_text (stage, told, "error.code"), code);
    berth_error_t err;
    error_from_body (any_get (told, "error"), stage->arena, &err);
    assert_string_equal (err.text, message);
}

//  ---- the road

static void
test_realize (void **state)
{
    stage_t *stage = *state;
    stage_ok (stage, REQUEST_WORKSPACE_CREATE,
              "{'companyId':'acme','id':'" SPACE_ID "','name':'w','metadata':{'mine':1}}");
    s_ask (stage, ",'excludes':['.git'],'provisionCommand':'make deps','executionWorkspaceId':'"
           SPACE_ID "'");
    const stage_sent_t *copy = stage_work (stage, ACTOR_PROXY, 0);
    assert_non_null (copy);
    assert_int_equal (copy->letter.type, REQUEST_PLACE_REALIZE);
    assert_string_equal (copy->provider, "bubblewrap");
    assert_at (stage, copy->body, "source", "\"/src\"");
    assert_at (stage, copy->body, "excludes", "[\".git\"]");
    assert_at (stage, copy->body, "providerLeaseId", "\"bubblewrap:" LEASE_ID "\"");
    assert_int_equal (copy->letter.deadline_ms, stage->mono_ms + 300000);

    s_answer (stage, ACTOR_PROXY, true, REALIZED);
    const stage_sent_t *exec = stage_work (stage, ACTOR_EXECS, 0);
    assert_non_null (exec);
    assert_int_equal (exec->letter.type, REQUEST_EXEC_RUN_STEP);
    assert_at (stage, exec->body, "command", "\"bash\"");
    assert_at (stage, exec->body, "args", "[\"-lc\",\"make deps\"]");
    assert_at (stage, exec->body, "cwd", "\"/workspace\"");
    assert_at (stage, exec->body, "env", "{\"SHELL\":\"/bin/bash\"}");
    assert_at (stage, exec->body, "timeoutMs", "300000");
    assert_at (stage, exec->body, "generation", "7");
    //  Who waits is told that it is not the copying any more.
    assert_at (stage, stage_work (stage, ACTOR_RUNS, 0)->body, "progress.phase", "\"provision\"");

    s_answer (stage, ACTOR_EXECS, true, s_exec_json (stage, "'cause':'exited','exitCode':0,"
              "'timedOut':false", "", ""));
    const stage_sent_t *keep = stage_work (stage, ACTOR_LEASES, 0);
    assert_non_null (keep);
    assert_int_equal (keep->letter.type, REQUEST_LEASE_REALIZED);
    assert_at (stage, keep->body, "source", "\"/src\"");
    assert_at (stage, keep->body, "return", "\"required\"");
    assert_at (stage, keep->body, "returned", "false");
    berth_bytes_t record = any_get (keep->body, "workspaceRealization");
    berth_bytes_t details = any_get (keep->body, "details");

    uint64_t entries = stage_entries (stage);
    s_answer (stage, ACTOR_LEASES, true, s_lease_json (stage, record));
    berth_bytes_t told = s_told (stage);
    assert_at (stage, told, "ok", "true");
    assert_at (stage, told, "result.id", "\"" LEASE_ID "\"");
    assert_at (stage, told, "result.metadata.workspaceRealization.version", "1");
    berth_bytes_t row = stage_ok (stage, REQUEST_WORKSPACE_GET, "{'workspaceId':'" SPACE_ID "'}");
    assert_at (stage, row, "metadata.mine", "1");
    assert_at (stage, row, "metadata.workspaceRealizationRequest.heartbeatRunId", "\"run-1\"");
    assert_string_equal (stage_at (stage, row, "metadata.workspaceRealization"),
                         stage_at (stage, record, ""));
    assert_int_equal (stage_entries (stage), entries);      //  The entry is the lease's own
    assert_at (stage, details, "", "{\"environmentId\":\"" ENV_ID "\",\"driver\":\"sandbox\","
               "\"provider\":\"bubblewrap\",\"executionWorkspaceId\":\"" SPACE_ID "\",\"files\":3,"
               "\"bytes\":44,\"savedFiles\":0,\"savedBytes\":0,\"refused\":1,\"ms\":5,\"provisioned\":true}");
}

//  Asked again by a run that died behind the record: nothing is copied, the answer is the lease.
static void
test_known (void **state)
{
    stage_t *stage = *state;
    lease_t lease = s_lease (stage);
    lease.realization = SPACE_ID;
    stage_put_lease (stage, &lease);
    s_ask (stage, ",'realizationId':'" SPACE_ID "'");
    assert_null (stage_work (stage, ACTOR_PROXY, 0));
    assert_at (stage, s_told (stage), "ok", "true");
    assert_at (stage, s_told (stage), "result.id", "\"" LEASE_ID "\"");
    s_ask (stage, ",'realizationId':'" ENV_ID "'");
    assert_non_null (stage_work (stage, ACTOR_PROXY, 0));
}

static void
test_record (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, "");
    s_answer (stage, ACTOR_PROXY, true, REALIZED);
    berth_bytes_t body = stage_work (stage, ACTOR_LEASES, 0)->body;
    assert_at (stage, body, "workspaceRealization", "{\"version\":1,\"transport\":\"sandbox\","
        "\"provider\":\"bubblewrap\",\"environmentId\":\"" ENV_ID "\",\"leaseId\":\"" LEASE_ID "\","
        "\"providerLeaseId\":\"bubblewrap:" LEASE_ID "\",\"local\":{\"path\":\"/src\","
        "\"source\":\"task_session\",\"strategy\":\"git_worktree\",\"projectId\":\"p\","
        "\"projectWorkspaceId\":null,\"repoUrl\":\"git://r\",\"repoRef\":\"main\","
        "\"branchName\":\"b\",\"worktreePath\":\"/src\"},\"remote\":{\"path\":\"/workspace\"},"
        "\"sync\":{\"strategy\":\"sandbox_archive_upload_download\",\"prepare\":\"Upload a workspace "
        "archive into the sandbox filesystem before adapter execution.\",\"syncBack\":\"Download a "
        "workspace archive from the sandbox and mirror it back locally after adapter execution.\"},"
        "\"bootstrap\":{\"command\":\"make deps\"},\"rebuild\":{\"executionWorkspaceId\":\""
                SPACE_ID "\","
        "\"mode\":\"isolated_workspace\",\"repoUrl\":\"git://r\",\"repoRef\":\"main\","
        "\"localPath\":\"/src\",\"remotePath\":\"/workspace\",\"providerLeaseId\":\"bubblewrap:"
                LEASE_ID
        "\",\"metadata\":{\"source\":{\"kind\":\"task_session\",\"localPath\":\"/src\","
        "\"projectId\":\"p\",\"projectWorkspaceId\":null,\"repoUrl\":\"git://r\",\"repoRef\":\"main\","
        "\"strategy\":\"git_worktree\",\"branchName\":\"b\",\"worktreePath\":\"/src\"},"
        "\"runtimeOverlay\":{\"provisionCommand\":\"make deps\",\"teardownCommand\":null,"
        "\"cleanupCommand\":null,\"workspaceRuntime\":null},\"environmentDriver\":\"sandbox\","
        "\"provider\":\"bubblewrap\",\"providerMetadata\":{\"k\":1}}},"
        "\"summary\":\"Sandbox workspace realized at /workspace.\"}");
}

//  remote.path: the provider's remoteCwd, the lease's, the provider's remotePath, the cwd.
static void
test_record_paths (void **state)
{
    stage_t *stage = *state;
    static const struct { const char *lease, *provider, *path; } cases [] = {
        { "{'remoteCwd':'/lease'}", "{'remoteCwd':'/own','remotePath':'/other'}", "\"/own\"" },
        { "{'remoteCwd':'/lease'}", "{'remotePath':'/other'}", "\"/lease\"" },
        { "{'remoteCwd':''}", "{'remotePath':'/other'}", "\"/other\"" },
        { "{}", "{}", "\"/workspace\"" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        lease_t lease = s_lease (stage);
        lease.metadata = stage_pack (stage, cases [index].lease);
        stage_put_lease (stage, &lease);
        s_ask (stage, "");
        s_answer (stage, ACTOR_PROXY, true, arena_printf (stage->arena,
            "{'cwd':'/workspace','metadata':%s,'files':1,'bytes':1,'refused':0,'ms':1}",
            cases [index].provider));
        assert_at (stage, stage_work (stage, ACTOR_LEASES, 0)->body,
                   "workspaceRealization.remote.path",
                   cases [index].path);
        s_answer (stage, ACTOR_LEASES, false,
                  "{'code':'internal','message':'x','retryable':false}");
    }
}

//  Driver local opens its place first, and is never provisioned here.
static void
test_local (void **state)
{
    stage_t *stage = *state;
    lease_t lease = s_lease (stage);
    lease.driver = lease.provider = "local";
    lease.provider_lease = NULL;
    lease.place = place_state_ABSENT;
    stage_put_lease (stage, &lease);
    s_ask (stage, ",'provisionCommand':'make deps'");
    assert_null (stage_work (stage, ACTOR_PROXY, 0));
    assert_int_equal (stage_work (stage, ACTOR_LEASES, 0)->letter.type, REQUEST_LEASE_PLACE);
    s_answer (stage, ACTOR_LEASES, true, s_lease_json (stage, berth_empty_map));
    assert_string_equal (stage_work (stage, ACTOR_PROXY, 0)->provider, "local");
    s_answer (stage, ACTOR_PROXY, true, REALIZED);
    assert_null (stage_work (stage, ACTOR_EXECS, 0));
    berth_bytes_t body = stage_work (stage, ACTOR_LEASES, 0)->body;
    assert_at (stage, body, "workspaceRealization.transport", "\"local\"");
    assert_at (stage, body, "workspaceRealization.provider", "\"local\"");
    assert_at (stage, body, "workspaceRealization.providerLeaseId", "null");
    assert_at (stage, body, "workspaceRealization.sync", "{\"strategy\":\"none\",\"prepare\":"
               "\"Use the realized local execution workspace directly.\",\"syncBack\":null}");
    assert_at (stage, body, "workspaceRealization.summary",
               "\"Local workspace realized at /src.\"");
}

//  The built-in fake has nowhere to put files: a record is all there is.
static void
test_fake (void **state)
{
    stage_t *stage = *state;
    lease_t lease = s_lease (stage);
    lease.provider = "fake";
    lease.place = place_state_ABSENT;
    stage_put_lease (stage, &lease);
    s_ask (stage, "");
    assert_null (stage_work (stage, ACTOR_PROXY, 0));
    berth_bytes_t body = stage_work (stage, ACTOR_LEASES, 0)->body;
    assert_at (stage, body, "workspaceRealization.remote", "{\"path\":null}");
    assert_at (stage, body, "workspaceRealization.rebuild.metadata.providerMetadata", "{}");
}

static void
test_blank_provision (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, ",'provisionCommand':' \\n'");
    s_answer (stage, ACTOR_PROXY, true, REALIZED);
    assert_null (stage_work (stage, ACTOR_EXECS, 0));
    assert_int_equal (stage_work (stage, ACTOR_LEASES, 0)->letter.type, REQUEST_LEASE_REALIZED);
}

//  ---- failures

static void
test_copy_fails (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, "");
    s_answer (stage, ACTOR_PROXY, false, "{'code':'provider_error','message':'the disk is full',"
              "'retryable':true,'details':{'cause':'ENOSPC','remedy':'make room'}}");
    s_assert_failed (stage, "workspace_realization_failed",
                     "Failed to realize workspace for environment \"box\" (sandbox): the disk is full");
    berth_bytes_t told = s_told (stage);
    assert_at (stage, told, "error.details.cause", "\"ENOSPC\"");
    assert_at (stage, told, "error.details.remedy", "\"make room\"");
    assert_at (stage, told, "error.details.leaseId", "\"" LEASE_ID "\"");
    assert_at (stage, told, "error.details.environmentId", "\"" ENV_ID "\"");
    assert_at (stage, told, "error.details.provider", "\"bubblewrap\"");
    assert_int_equal (stage_entries (stage), 0);
}

//  A source that is not there names its field; a place that is lost does not.
static void
test_source_fails (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, "");
    s_answer (stage, ACTOR_PROXY, false,
              "{'code':'not_found','message':'cannot open \\'/src\\': no such folder','retryable':false}");
    berth_bytes_t told = s_told (stage);
    assert_at (stage, told, "error.code", "\"not_found\"");
    assert_at (stage, told, "error.details.field", "\"executionWorkspace.cwd\"");
    s_ask (stage, "");
    s_answer (stage, ACTOR_PROXY, false,
              "{'code':'not_found','message':'the place is gone','retryable':false}");
    assert_at (stage, s_told (stage), "error.code", "\"workspace_realization_failed\"");
    //  Not absolute: refused before anything is asked.
    stage_queue_step (stage, REQUEST_WORKSPACE_REALIZE, ACTOR_RUNS, "acme/run-1", "realize",
                      "{'leaseId':'" LEASE_ID "','request':{},'source':'src'}");
    stage_serve (stage);
    told = s_told (stage);
    assert_at (stage, told, "error.code", "\"invalid_request\"");
    assert_at (stage, told, "error.details.field", "\"executionWorkspace.cwd\"");
}

static void
test_provision_fails (void **state)
{
    stage_t *stage = *state;
#define WRAP "Failed to provision workspace for environment \"box\" (sandbox): "
    static const struct { const char *end, *out, *err, *text; } cases [] = {
        { "'cause':'exited','exitCode':2,'timedOut':false", "out", " \\n  no such file \\nmore",
          WRAP "exit code 2: no such file" },
        { "'cause':'exited','exitCode':1,'timedOut':false", "\\n\\nonly stdout", "  \\n",
          WRAP "exit code 1: only stdout" },
        { "'cause':'exited','exitCode':127,'timedOut':false", "", "", WRAP "exit code 127" },
        { "'cause':'signaled','exitCode':null,'signal':9,'timedOut':false", "", "bye",
          WRAP "exit code null (signal SIGKILL): bye" },
        { "'cause':'timed_out','exitCode':null,'signal':15,'timedOut':true", "", "bye",
          WRAP "provision command timed out" },
        { "'cause':'provider_lost','exitCode':null,'timedOut':false,'reason':'the shim is gone'",
          "", "",
          WRAP "exit code null: the shim is gone" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        s_ask (stage, ",'provisionCommand':'make deps'");
        s_answer (stage, ACTOR_PROXY, true, REALIZED);
        s_answer (stage, ACTOR_EXECS, true,
                  s_exec_json (stage, cases [index].end, cases [index].out,
                                                         cases [index].err));
        s_assert_failed (stage, "workspace_realization_failed", cases [index].text);
        assert_null (stage_work (stage, ACTOR_LEASES, 0));
    }
    s_ask (stage, ",'provisionCommand':'make deps'");
    s_answer (stage, ACTOR_PROXY, true, REALIZED);
    s_answer (stage, ACTOR_EXECS, false,
              "{'code':'fenced','message':'another holder','retryable':false}");
    s_assert_failed (stage, "workspace_realization_failed", WRAP "another holder");
}

static void
test_lease_released_meanwhile (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, "");
    const stage_sent_t *copy = stage_work (stage, ACTOR_PROXY, 0);
    letter_t letter = copy->letter;
    lease_t lease = s_lease (stage);
    lease.state = lease_state_RELEASED;
    stage_put_lease (stage, &lease);
    stage_queue_done (stage, &letter, true, REALIZED);
    stage_serve (stage);
    s_assert_failed (stage, "workspace_realization_failed",
                     "Failed to realize workspace for environment \"box\" (sandbox): the lease is released");
    s_ask (stage, "");
    assert_at (stage, s_told (stage), "error.code", "\"conflict\"");
}

//  ---- asked again

static void
test_asked_again (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, "");
    letter_t letter = stage_work (stage, ACTOR_PROXY, 0)->letter;
    s_ask (stage, "");                  //  It joins what runs
    assert_null (stage_work (stage, ACTOR_PROXY, 0));
    stage_queue_done (stage, &letter, true, REALIZED);
    stage_serve (stage);
    berth_bytes_t record = any_get (stage_work (stage, ACTOR_LEASES, 0)->body,
                                    "workspaceRealization");
    s_answer (stage, ACTOR_LEASES, true, s_lease_json (stage, record));
    assert_int_equal (stage->count, 2);
    //  It is done: the next one copies once more, and the old answer is nobody's.
    s_ask (stage, "");
    assert_non_null (stage_work (stage, ACTOR_PROXY, 0));
    stage_queue_done (stage, &letter, true, REALIZED);
    stage_serve (stage);
    assert_int_equal (stage->count, 0);
}

//  After a restart nothing is remembered: answers of before are nobody's, and it can be asked anew.
static void
test_restart (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, "");
    letter_t letter = stage_work (stage, ACTOR_PROXY, 0)->letter;
    berth_error_t err = { 0 };
    realizer_destroy (&s_realizer);
    s_realizer = realizer_new (&stage->context, &err);
    stage->actor = realizer_kit (s_realizer);
    stage_queue_done (stage, &letter, true, REALIZED);
    stage_serve (stage);
    assert_int_equal (stage->count, 0);
    s_ask (stage, "");
    assert_non_null (stage_work (stage, ACTOR_PROXY, 0));
}

//  What is finished is forgotten: a late answer changes nothing.
static void
test_late_answer (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, "");
    s_answer (stage, ACTOR_PROXY, true, REALIZED);
    letter_t keep = stage_work (stage, ACTOR_LEASES, 0)->letter;
    const char *lease = s_lease_json (stage, any_get (stage_work (stage, ACTOR_LEASES, 0)->body,
                                                      "workspaceRealization"));
    stage_queue_done (stage, &keep, true, lease);
    stage_serve (stage);
    assert_at (stage, s_told (stage), "ok", "true");
    uint64_t entries = stage_entries (stage);
    stage_serve (stage);                //  The tick forgets it
    stage_queue_done (stage, &keep, true, lease);
    stage_serve (stage);
    assert_int_equal (stage->count, 0);
    assert_int_equal (stage_entries (stage), entries);
}

static void
test_never_answered (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, ",'timeoutMs':1000");
    assert_int_equal (stage_work (stage, ACTOR_PROXY, 0)->letter.deadline_ms,
                      stage->mono_ms + 1000);
    stage_serve (stage);
    assert_int_equal (stage->count, 0);
    stage->mono_ms += 200000;
    stage_serve (stage);
    assert_at (stage, s_told (stage), "error.code", "\"provider_timeout\"");
    stage->mono_ms += 200000;
    stage_serve (stage);
    assert_int_equal (stage->count, 0);
}

static void
test_progress (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, "");
    letter_t letter = stage_work (stage, ACTOR_PROXY, 0)->letter;
    stage_queue_progress (stage, &letter,
                          "{'phase':'copy','files':1,'bytes':2,'totalFiles':3,'totalBytes':4}");
    stage_serve (stage);
    const stage_sent_t *sent = stage_work (stage, ACTOR_RUNS, 0);
    assert_non_null (sent);
    assert_int_equal (sent->letter.type, REQUEST_STEP_PROGRESS);
    assert_at (stage, sent->body, "subject", "\"acme/run-1\"");
    assert_at (stage, sent->body, "progress.totalBytes", "4");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_realize), TEST (test_known), TEST (test_record), TEST (test_record_paths), TEST (test_local),
        TEST (test_fake), TEST (test_blank_provision), TEST (test_copy_fails),
        TEST (test_source_fails), TEST (test_provision_fails),
        TEST (test_lease_released_meanwhile), TEST (test_asked_again), TEST (test_restart),
        TEST (test_late_answer), TEST (test_never_answered), TEST (test_progress),
    };
    return cmocka_run_group_tests_name ("realizer", tests, NULL, NULL);
}
