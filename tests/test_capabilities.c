//  test_capabilities.c - what may be selected, and what is said about drivers and providers.

#include "registry_stage.h"

#include "registry.h"

//  ---- selection

static void
test_selection (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," BWRAP "}");
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID2 "','name':'a'," SSH ",'status':'archived'}");
    stage->context.test_providers = true;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID3 "','name':'a','driver':'sandbox'}");
    static const struct { const char *json, *reason; } cases [] = {
        { "{'companyId':'acme'}", "null" },
        { "{'companyId':'acme','environmentId':null}", "null" },
        { "{'companyId':'acme','environmentId':'" ID1 "'}", "null" },
        { "{'companyId':'other','environmentId':'" ID1 "'}", "\"Environment not found.\"" },
        { "{'companyId':'acme','environmentId':'" ID2 "'}", "\"Environment is archived.\"" },
        { "{'companyId':'acme','environmentId':'" ID1 "','allowedDrivers':['local','ssh']}",
          "\"Environment driver \\\"sandbox\\\" is not allowed here. Allowed drivers: local, ssh\"" },
        { "{'companyId':'acme','environmentId':'" ID3 "'}",
          "\"Environment sandbox provider \\\"fake\\\" is not allowed here. The built-in fake provider "
          "is probe-only and cannot execute runs.\"" },
        { "{'companyId':'acme','environmentId':'" ID1 "','allowedProviders':[]}", "null" },
        { "{'companyId':'acme','environmentId':'" ID1 "','allowedProviders':['e2b']}",
          "\"Environment sandbox provider \\\"bubblewrap\\\" is not allowed here. Allowed providers: "
          "e2b\"" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        berth_bytes_t answer = stage_ok (stage, REQUEST_ENVIRONMENT_CHECK, cases [index].json);
        bool passes = strcmp (cases [index].reason, "null") == 0;
        assert_at (stage, answer, "ok", passes ? "true" : "false");
        const char *reason = stage_at (stage, answer, "reason");
        assert_string_equal (strcmp (reason, "absent") ? reason : "null", cases [index].reason);
    }
}

//  ---- capabilities, providers

static void
test_capabilities (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t all = stage_ok (stage, REQUEST_ENVIRONMENT_CAPABILITIES, "{'companyId':'acme'}");
    assert_at (stage, all, "drivers.local", "\"supported\"");
    assert_at (stage, all, "drivers.sandbox", "\"supported\"");
    assert_at (stage, all, "drivers.plugin", "\"unsupported\"");
    assert_at (stage, all, "sandboxProviders.fake.status", "\"unsupported\"");
    assert_at (stage, all, "sandboxProviders.fake.supportsSavedProbe", "true");
    assert_at (stage, all, "sandboxProviders.fake.supportsUnsavedProbe", "true");
    assert_at (stage, all, "sandboxProviders.fake.supportsRunExecution", "false");
    assert_at (stage, all, "sandboxProviders.fake.supportsReusableLeases", "true");
    assert_at (stage, all, "sandboxProviders.fake.source", "\"builtin\"");
    assert_at (stage, all, "sandboxProviders.fault", "absent");
    assert_at (stage, all, "sandboxProviders.local", "absent");
    assert_at (stage, all, "sandboxProviders.bubblewrap.status", "\"supported\"");
    assert_at (stage, all, "sandboxProviders.bubblewrap.supportsRunExecution", "true");
    assert_at (stage, all, "sandboxProviders.bubblewrap.configSchema.type", "\"object\"");
    assert_at (stage, all, "sandboxProviders.bubblewrap.configSchema.additionalProperties",
               "false");
    assert_at (stage, all, "sandboxProviders.bubblewrap.configSchema.properties.pids.type",
               "\"integer\"");
    assert_at (stage, all, "sandboxProviders.bubblewrap.configSchema.properties.pids.minimum", "1");
    assert_at (stage, all, "adapters.0",
               "{\"adapterType\":\"process\",\"drivers\":{\"local\":\"supported\","
               "\"ssh\":\"unsupported\",\"sandbox\":\"unsupported\",\"plugin\":\"unsupported\"},"
               "\"sandboxProviders\":{\"bubblewrap\":\"unsupported\",\"fake\":\"unsupported\"}}");
    assert_at (stage, all, "adapters.3.adapterType", "\"claude_local\"");
    assert_at (stage, all, "adapters.3.drivers.sandbox", "\"supported\"");
    assert_at (stage, all, "adapters.3.sandboxProviders.bubblewrap", "\"supported\"");
    assert_at (stage, all, "adapters.3.sandboxProviders.fake", "\"unsupported\"");
}

static void
test_providers (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t all = stage_ok (stage, REQUEST_PROVIDER_LIST, "{}");
    assert_at (stage, all, "items.0.name", "\"bubblewrap\"");
    assert_at (stage, all, "items.0.status", "\"ready\"");
    assert_at (stage, all, "items.1.name", "\"fake\"");
    assert_at (stage, all, "items.1.status", "\"unsupported\"");
    assert_at (stage, all, "items.2.name", "\"local\"");
    assert_at (stage, all, "items.3.name", "\"ssh\"");
    assert_at (stage, all, "items.4", "absent");
    stage->context.test_providers = true;
    all = stage_ok (stage, REQUEST_PROVIDER_LIST, "{}");
    assert_at (stage, all, "items.1.status", "\"ready\"");
    assert_at (stage, all, "items.2.name", "\"fault\"");
    berth_bytes_t one = stage_ok (stage, REQUEST_PROVIDER_GET, "{'provider':'bubblewrap'}");
    assert_non_null (strstr (stage_at (stage, one, "capabilities"), "\"execute\""));
    assert_non_null (strstr (stage_at (stage, one, "config"), "\"name\":\"pids\""));
    assert_int_equal (stage_fails (stage, REQUEST_PROVIDER_GET, "{'provider':'e2b'}").code,
                      BERTH_NOT_FOUND);
}

static void
test_provider_validate (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t answer = stage_ok (stage, REQUEST_PROVIDER_VALIDATE,
        "{'provider':'bubblewrap','config':{'pids':'many'}}");
    assert_at (stage, answer, "ok", "false");
    assert_non_null (strstr (stage_at (stage, answer, "errors.0"), "pids"));
    answer = stage_ok (stage, REQUEST_PROVIDER_VALIDATE,
                       "{'provider':'bubblewrap','config':{'pids':30}}");
    assert_at (stage, answer, "ok", "true");
    assert_at (stage, answer, "errors", "[]");
    assert_at (stage, answer, "normalizedConfig.pids", "30");
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        REGISTRY_TEST (test_selection), REGISTRY_TEST (test_capabilities), REGISTRY_TEST (test_providers),
        REGISTRY_TEST (test_provider_validate),
    };
    return cmocka_run_group_tests_name ("capabilities", tests, NULL, NULL);
}
