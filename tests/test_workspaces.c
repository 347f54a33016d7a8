//  test_workspaces.c - records of execution workspaces: aliases, typed config, patches, lists.

#include "stage.h"

#include "codec.h"
#include "realizer.h"

#define ID1 "11111111-1111-7111-8111-111111111111"
#define ID2 "22222222-2222-7222-8222-222222222222"

static realizer_t *s_realizer;

static int
s_setup (void **state)
{
    berth_error_t err = { 0 };
    stage_t *stage = stage_new ();
    s_realizer = realizer_new (&stage->context, &err);
    stage->actor = realizer_kit (s_realizer);
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

static void
test_create (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t row = stage_ok (stage, REQUEST_WORKSPACE_CREATE,
        "{'companyId':'acme','id':'" ID1 "','name':'w','mode':'project_primary','cwd':'/src',"
        "'metadata':{'mine':1},'config':{'provisionCommand':'make','cleanupCommand':' ',"
        "'desiredState':'manual','environmentId':null}}");
    assert_at (stage, row, "mode", "\"shared_workspace\"");
    assert_at (stage, row, "strategyType", "\"project_primary\"");
    assert_at (stage, row, "status", "\"active\"");
    assert_at (stage, row, "providerType", "\"local_fs\"");
    assert_at (stage, row, "closedAt", "null");
    assert_at (stage, row, "openedAt", "1700000001000");
    assert_at (stage, row, "metadata",
               "{\"mine\":1,\"config\":{\"provisionCommand\":\"make\",\"desiredState\":\"manual\"}}");
    berth_bytes_t entry = stage_entry (stage, 0);
    assert_at (stage, entry, "action", "\"execution_workspace.created\"");
    assert_at (stage, entry, "details.mode", "\"shared_workspace\"");
    assert_bytes (stage_ok (stage, REQUEST_WORKSPACE_GET, "{'workspaceId':'" ID1 "'}"), row);
    row = stage_ok (stage, REQUEST_WORKSPACE_CREATE,
                    "{'companyId':'acme','name':'w','mode':'isolated'}");
    assert_at (stage, row, "mode", "\"isolated_workspace\"");
    assert_at (stage, row, "metadata", "null");
}

static void
test_refusals (void **state)
{
    stage_t *stage = *state;
    stage_ok (stage, REQUEST_WORKSPACE_CREATE, "{'companyId':'acme','id':'" ID1 "','name':'w'}");
    static const struct { request_code_t type; const char *json; berth_code_t code; const char *field; }
    cases [] = {
        { REQUEST_WORKSPACE_CREATE, "{'companyId':'c','id':'" ID1 "','name':'w'}", BERTH_CONFLICT,
          "id" },
        { REQUEST_WORKSPACE_CREATE, "{'companyId':'c','name':'w','mode':'odd'}", BERTH_INVALID,
          "mode" },
        { REQUEST_WORKSPACE_CREATE, "{'companyId':'c','name':'w','cwd':'src'}", BERTH_INVALID,
          "cwd" },
        { REQUEST_WORKSPACE_CREATE, "{'companyId':'c','name':'w','strategyType':'x'}",
          BERTH_INVALID,
          "strategyType" },
        { REQUEST_WORKSPACE_CREATE, "{'companyId':'c','name':'w','metadata':{'config':{}}}",
          BERTH_INVALID, "metadata.config" },
        { REQUEST_WORKSPACE_CREATE, "{'companyId':'c','name':'w','config':{'desiredState':'odd'}}",
          BERTH_INVALID, "config.desiredState" },
        { REQUEST_WORKSPACE_CREATE, "{'companyId':'c','name':'w','config':{'environmentId':'x'}}",
          BERTH_INVALID, "config.environmentId" },
        { REQUEST_WORKSPACE_CREATE, "{'companyId':'c','name':'w',"
          "'derivedFromExecutionWorkspaceId':'" ID1 "'}", BERTH_NOT_FOUND,
          "derivedFromExecutionWorkspaceId" },
        { REQUEST_WORKSPACE_GET, "{'workspaceId':'" ID2 "'}", BERTH_NOT_FOUND, "" },
        { REQUEST_WORKSPACE_GET, "{'workspaceId':'" ID1 "','companyId':'c'}", BERTH_NOT_FOUND, "" },
        { REQUEST_WORKSPACE_UPDATE, "{'workspaceId':'" ID1 "','companyId':'c'}", BERTH_NOT_FOUND,
          "" },
        { REQUEST_WORKSPACE_UPDATE, "{'workspaceId':'" ID1 "','metadata':{'config':1}}",
          BERTH_INVALID, "metadata.config" },
        { REQUEST_WORKSPACE_UPDATE, "{'workspaceId':'" ID1 "','cwd':'./x'}", BERTH_INVALID, "cwd" },
        { REQUEST_WORKSPACE_UPDATE, "{'workspaceId':'" ID1 "','name':''}", BERTH_INVALID, "name" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        berth_error_t err = stage_fails (stage, cases [index].type, cases [index].json);
        if (err.code != cases [index].code || strcmp (err.field, cases [index].field))
            fail_msg ("%s: %s at '%s': %s", cases [index].json, berth_code_text (err.code),
                      err.field,
                      err.text);
    }
    assert_int_equal (stage_entries (stage), 1);
}

//  Absent keeps, null clears one key, a null patch drops the block, the rest of the metadata stays.
static void
test_config_patch (void **state)
{
    stage_t *stage = *state;
    stage_ok (stage, REQUEST_WORKSPACE_CREATE, "{'companyId':'acme','id':'" ID1 "','name':'w',"
              "'metadata':{'mine':1},'config':{'provisionCommand':'make','teardownCommand':'rm'}}");
    berth_bytes_t row = stage_ok (stage, REQUEST_WORKSPACE_UPDATE,
        "{'workspaceId':'" ID1 "','config':{'teardownCommand':null,'cleanupCommand':'c'}}");
    assert_at (stage, row, "metadata.config",
               "{\"provisionCommand\":\"make\",\"cleanupCommand\":\"c\"}");
    assert_at (stage, row, "metadata.mine", "1");
    assert_at (stage, stage_entry (stage, 0), "action", "\"execution_workspace.updated\"");
    assert_at (stage, stage_entry (stage, 0), "details", "{\"changedFields\":[\"config\"]}");
    row = stage_ok (stage, REQUEST_WORKSPACE_UPDATE,
        "{'workspaceId':'" ID1 "','config':{'provisionCommand':null,'cleanupCommand':' '}}");
    assert_at (stage, row, "metadata", "{\"mine\":1}");     //  Nothing is set: no block
    stage_ok (stage, REQUEST_WORKSPACE_UPDATE,
              "{'workspaceId':'" ID1 "','config':{'workspaceRuntime':{'s':[1]}}}");
    row = stage_ok (stage, REQUEST_WORKSPACE_UPDATE, "{'workspaceId':'" ID1 "','config':null}");
    assert_at (stage, row, "metadata", "{\"mine\":1}");
    //  Nothing changes: no entry, the row as it is.
    uint64_t entries = stage_entries (stage);
    assert_bytes (stage_ok (stage, REQUEST_WORKSPACE_UPDATE,
                            "{'workspaceId':'"
                                    ID1 "','config':null,'name':'w','metadata':{'mine':1}}"),
                  row);
    assert_int_equal (stage_entries (stage), entries);
}

static void
test_update (void **state)
{
    stage_t *stage = *state;
    stage_ok (stage, REQUEST_WORKSPACE_CREATE, "{'companyId':'acme','id':'" ID1 "','name':'w',"
              "'cwd':'/a','branchName':'b','metadata':{'x':1,'y':2}}");
    berth_bytes_t row = stage_ok (stage, REQUEST_WORKSPACE_UPDATE, "{'workspaceId':'" ID1
        "','status':'archived','branchName':null,'cleanupEligibleAt':5,'concurrency':'allow',"
        "'metadata':{'x':null,'z':3}}");
    assert_at (stage, row, "metadata", "{\"y\":2,\"z\":3}");
    assert_at (stage, row, "closedAt", "1700000002000");
    assert_at (stage, row, "branchName", "null");
    assert_at (stage, row, "cwd", "\"/a\"");
    assert_at (stage, stage_entry (stage, 0), "details", "{\"changedFields\":[\"branchName\","
               "\"cleanupEligibleAt\",\"concurrency\",\"metadata\",\"status\"],\"status\":\"archived\"}");
    row = stage_ok (stage, REQUEST_WORKSPACE_UPDATE,
                    "{'workspaceId':'" ID1 "','status':'active','cleanupEligibleAt':null}");
    assert_at (stage, row, "closedAt", "null");
    assert_at (stage, row, "cleanupEligibleAt", "null");
}

static void
test_list (void **state)
{
    stage_t *stage = *state;
    for (int index = 0; index < 5; index++)
        stage_ok (stage, REQUEST_WORKSPACE_CREATE, arena_printf (stage->arena,
            "{'companyId':'acme','name':'n%d','projectId':'p%d'}", index, index % 2));
    stage_ok (stage, REQUEST_WORKSPACE_CREATE, "{'companyId':'acmes','name':'foreign'}");
    berth_bytes_t page = stage_ok (stage, REQUEST_WORKSPACE_LIST, "{'companyId':'acme','limit':3}");
    assert_at (stage, page, "items.0.name", "\"n4\"");
    assert_at (stage, page, "items.2.name", "\"n2\"");
    page = stage_ok (stage, REQUEST_WORKSPACE_LIST, arena_printf (stage->arena,
        "{'companyId':'acme','limit':3,'cursor':%s}", stage_at (stage, page, "nextCursor")));
    assert_at (stage, page, "items.0.name", "\"n1\"");
    assert_at (stage, page, "items.1.name", "\"n0\"");
    assert_at (stage, page, "items.2", "absent");
    assert_at (stage, page, "nextCursor", "absent");
    page = stage_ok (stage, REQUEST_WORKSPACE_LIST, "{'companyId':'acme','projectId':'p1'}");
    assert_at (stage, page, "items.1.name", "\"n1\"");
    assert_at (stage, page, "items.2", "absent");
    page = stage_ok (stage, REQUEST_WORKSPACE_LIST, "{'companyId':'acme','status':'idle'}");
    assert_at (stage, page, "items", "[]");
}

//  What is written adds up: a row beyond its limit would never be read again.
static void
test_size_is_bounded (void **state)
{
    stage_t *stage = *state;
    stage_ok (stage, REQUEST_WORKSPACE_CREATE, "{'companyId':'acme','id':'" ID1 "','name':'w'}");
    char *blob = arena_take (stage->arena, 60001);
    memset (blob, 'x', 60000);
    int round = 0;
    for (; round < 20; round++) {
        uint64_t ticket = stage_queue (stage, REQUEST_WORKSPACE_UPDATE, arena_printf (stage->arena,
            "{'workspaceId':'" ID1 "','metadata':{'k%d':'%s'}}", round, blob));
        stage_serve (stage);
        if (stage_answer (stage, ticket)->status == reply_status_ERROR) {
            assert_at (stage, stage_answer (stage, ticket)->body, "details.field", "\"metadata\"");
            break;
        }
    }
    assert_true (round > 4 && round < 20);
    stage_ok (stage, REQUEST_WORKSPACE_GET, "{'workspaceId':'" ID1 "'}");
}

//  Each key for itself: what has another type is not set.
static void
test_lenient_config (void **state)
{
    stage_t *stage = *state;
    workspace_config_t config;
    workspace_t row = { .metadata = stage_pack (stage, "{'config':{'provisionCommand':7,"
        "'teardownCommand':'t','environmentId':'no id','workspaceRuntime':[],'odd':1}}") };
    assert_true (workspace_config_of (&row, stage->arena, &config));
    assert_null (config.provision);
    assert_null (config.environment);
    assert_string_equal (config.teardown, "t");
    assert_int_equal (config.runtime.size, 0);
    row.metadata = stage_pack (stage, "{'config':{'provisionCommand':' ','cleanupCommand':null}}");
    assert_false (workspace_config_of (&row, stage->arena, &config));
    row.metadata = (berth_bytes_t) { NULL, 0 };
    assert_false (workspace_config_of (&row, stage->arena, &config));
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_create), TEST (test_refusals), TEST (test_config_patch), TEST (test_update),
        TEST (test_list), TEST (test_size_is_bounded), TEST (test_lenient_config),
    };
    return cmocka_run_group_tests_name ("workspaces", tests, NULL, NULL);
}
