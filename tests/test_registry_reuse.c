//  test_registry_reuse.c - which place would be reused, and the config in a lease's metadata.

#include "registry_stage.h"

#include "registry.h"

static berth_bytes_t
s_match (stage_t *stage, const char *leases)
{
    return stage_ok (stage, REQUEST_PROVIDER_REUSE_MATCH,
                     arena_printf (stage->arena, "{'config':{'provider':'fake','image':'ubuntu:24.04',"
                                   "'reuseLease':true},'leases':[%s]}", leases));
}

#define FITS(id) "{'id':'" id "','providerLeaseId':'sandbox://fake/" id "','metadata':{'provider':" \
                 "'fake','image':'ubuntu:24.04','reuseLease':true}}"

static void
test_match_fake (void **state)
{
    stage_t *stage = *state;
    static const struct { const char *lease, *reason; } cases [] = {
        { "{'providerLeaseId':null,'metadata':{'provider':'fake'}}", "\"the lease has no place\"" },
        { "{'providerLeaseId':'x','metadata':{'provider':'e2b'}}", "\"the lease is another provider's\"" },
        { "{'providerLeaseId':'x','metadata':{'provider':'fake','image':'ubuntu:24.04'}}",
          "\"the lease was not made to be reused\"" },
        { "{'providerLeaseId':'x','metadata':{'provider':'fake','image':'other','reuseLease':true}}",
          "\"the image is another\"" },
        { "{'heartbeatRunId':null,'providerLeaseId':'x','metadata':{}}", "\"the lease has no run\"" },
        { "{'leasePolicy':'ephemeral','providerLeaseId':'x','metadata':{}}",
          "\"its policy does not reuse\"" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        berth_bytes_t answer = s_match (stage, cases [index].lease);
        assert_at (stage, answer, "providerLeaseId", "null");
        assert_at (stage, answer, "others.0.reason", cases [index].reason);
        answer = s_match (stage, arena_printf (stage->arena, "%s," FITS ("a") "," FITS ("b"),
                                               cases [index].lease));
        assert_at (stage, answer, "providerLeaseId", "\"sandbox://fake/a\"");
        assert_at (stage, answer, "id", "\"a\"");
        assert_at (stage, answer, "others.1.index", "2");
        assert_at (stage, answer, "others.1.reason", "\"another one was used later\"");
    }
}

//  Any other provider: each key of the config, as JSON.
static void
test_match_config (void **state)
{
    stage_t *stage = *state;
    static const char ask [] = "{'config':{'provider':'e2b','template':'base','limits':{'a':1,'b':2}},"
        "'leases':[{'providerLeaseId':'x','metadata':{'provider':'e2b','reuseLease':true,"
        "'template':'%s','limits':{'b':2,'a':1},'more':1}}]}";
    berth_bytes_t answer = stage_ok (stage, REQUEST_PROVIDER_REUSE_MATCH,
                                     arena_printf (stage->arena, ask, "base"));
    assert_at (stage, answer, "providerLeaseId", "\"x\"");
    assert_at (stage, answer, "others", "[]");
    answer = stage_ok (stage, REQUEST_PROVIDER_REUSE_MATCH, arena_printf (stage->arena, ask, "new"));
    assert_at (stage, answer, "providerLeaseId", "null");
    assert_at (stage, answer, "others.0.reason", "\"config.template is another\"");
}

static void
test_config_from_lease (void **state)
{
    stage_t *stage = *state;
    static const struct { const char *ask, *config; } cases [] = {
        { "{'metadata':{'provider':'fake','image':'x','driver':'sandbox'}}",
          "{\"provider\":\"fake\",\"image\":\"x\",\"reuseLease\":false}" },
        { "{'metadata':{'provider':'fake','image':7}}", "null" },
        { "{'provider':'fake','metadata':{'provider':'bubblewrap','image':'x'}}", "null" },
        { "{'metadata':{'image':'x'}}", "null" },
        { "{'metadata':{'provider':'bubblewrap','pids':64,'uid':5,'shellCommand':'sh'}}",
          "{\"pids\":64,\"provider\":\"bubblewrap\"}" },
        { "{'metadata':{'provider':'bubblewrap','pids':1}}", "null" },
        { "{'loose':true,'metadata':{'provider':'e2b','template':'b','driver':'sandbox','pluginId':'p',"
          "'remoteCwd':'/w','shellCommand':'sh','workspaceRealization':{}}}",
          "{\"provider\":\"e2b\",\"template\":\"b\"}" },
        { "{'loose':true,'provider':'fake','metadata':{'provider':'e2b'}}", "null" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++)
        assert_at (stage, stage_ok (stage, REQUEST_PROVIDER_CONFIG_FROM_LEASE, cases [index].ask),
                   "config", cases [index].config);
    berth_error_t err = stage_fails (stage, REQUEST_PROVIDER_CONFIG_FROM_LEASE,
                                     "{'metadata':{'provider':'e2b'}}");
    assert_int_equal (err.code, BERTH_NOT_FOUND);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        REGISTRY_TEST (test_match_fake), REGISTRY_TEST (test_match_config),
        REGISTRY_TEST (test_config_from_lease),
    };
    return cmocka_run_group_tests_name ("registry_reuse", tests, NULL, NULL);
}
