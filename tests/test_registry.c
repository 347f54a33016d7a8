//  test_registry.c - environments: Paperclip's rules, patch semantics, lists, redaction.

#include "registry_stage.h"

#include "codec.h"
#include "registry.h"

#include <stdio.h>

//  ---- ids that are not ours

static void
test_foreign_ids (void **state)
{
    stage_t *stage = *state;
    static const char *const companies [] = { "a/b", "a b", "a\\n", "\u00e9", NULL };
    for (size_t index = 0; companies [index]; index++) {
        char json [128];
        snprintf (json, sizeof json, "{'companyId':'%s','name':'box','driver':'local'}",
                  companies [index]);
        berth_error_t err = stage_fails (stage, REQUEST_ENVIRONMENT_CREATE, json);
        assert_int_equal (err.code, BERTH_INVALID);
        assert_string_equal (err.field, "companyId");
    }
    registry_stage_create (stage, "{'companyId':'Ac-me_1.x:y','name':'box','driver':'local'}");
}

//  ---- create

static void
test_create (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'acme','name':'box'," BWRAP ",'metadata':{'a':1}}");
    assert_at (stage, row, "companyId", "\"acme\"");
    assert_at (stage, row, "status", "\"active\"");
    assert_at (stage, row, "description", "null");
    assert_at (stage, row, "config", "{\"provider\":\"bubblewrap\",\"reuseLease\":false}");
    assert_at (stage, row, "metadata", "{\"a\":1}");
    assert_at (stage, row, "policy", "null");
    assert_at (stage, row, "createdAt", "1700000001000");
    assert_at (stage, row, "configRedacted", "absent");
    assert_int_equal (stage_entries (stage), 1);
    berth_bytes_t entry = stage_entry (stage, 0);
    assert_at (stage, entry, "action", "\"environment.created\"");
    assert_at (stage, entry, "actorId", "\"somebody\"");
    assert_at (stage, entry, "details",
               "{\"name\":\"box\",\"driver\":\"sandbox\",\"status\":\"active\"}");
    berth_bytes_t got = stage_ok (stage, REQUEST_ENVIRONMENT_GET, arena_printf (stage->arena,
        "{'environmentId':'%s'}", stage_text (stage, row, "id")));
    assert_bytes (got, row);
}

static void
test_create_with_id (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," SSH "}");
    berth_error_t err = stage_fails (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'other','id':'" ID1 "','name':'b'," SSH "}");
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_string_equal (err.field, "id");
    assert_int_equal (stage_entries (stage), 1);
}

static void
test_refusals (void **state)
{
    stage_t *stage = *state;
    static const struct { const char *json; berth_code_t code; const char *field; } cases [] = {
        { "{'name':'a','driver':'local'}", BERTH_INVALID, "companyId" },
        { "{'companyId':'c','name':'','driver':'local'}", BERTH_INVALID, "name" },
        { "{'companyId':'c','name':'a','driver':'vm'}", BERTH_INVALID, "driver" },
        { "{'companyId':'c','name':'a','driver':'local','colour':1}", BERTH_INVALID, "colour" },
        { "{'companyId':'c','name':'a','driver':'local','config':[]}", BERTH_INVALID, "config" },
        { "{'companyId':'c','name':'a','driver':'local','policy':{'x':1}}", BERTH_INVALID,
          "policy.x" },
        { "{'companyId':'c','name':'a','driver':'local','policy':{'limits':{'x':1}}}",
          BERTH_INVALID,
          "policy.limits.x" },
        { "{'companyId':'c','name':'a','driver':'local','policy':{'maxLeaseMs':'soon'}}",
          BERTH_INVALID, "policy.maxLeaseMs" },
        { "{'companyId':'c','name':'a','driver':'local','policy':{'maxLeaseMs':0}}", BERTH_INVALID,
          "policy.maxLeaseMs" },
        { "{'companyId':'c','name':'a','driver':'local','policy':{'readOnlyPaths':['usr']}}",
          BERTH_INVALID, "policy.readOnlyPaths" },
        { "{'companyId':'c','name':'a','driver':'local','policy':{'env':{'1A':'x'}}}",
          BERTH_INVALID,
          "policy.env" },
        { "{'companyId':'c','name':'a','driver':'local','policy':{'env':{'A':1}}}", BERTH_INVALID,
          "policy.env" },
        { "{'companyId':'c','name':'a','driver':'ssh'}", BERTH_INVALID, "config.host" },
        { "{'companyId':'c','name':'a','driver':'ssh','config':{'host':' ','username':'u',"
          "'remoteWorkspacePath':'/w'}}", BERTH_INVALID, "config.host" },
        { "{'companyId':'c','name':'a','driver':'ssh','config':{'host':'h','username':'u',"
          "'remoteWorkspacePath':'w'}}", BERTH_INVALID, "config.remoteWorkspacePath" },
        { "{'companyId':'c','name':'a','driver':'ssh','config':{'host':'h','username':'u',"
          "'remoteWorkspacePath':'/w','port':70000}}", BERTH_INVALID, "config.port" },
        { "{'companyId':'c','name':'a','driver':'ssh','config':{'host':'h','username':'u',"
          "'remoteWorkspacePath':'/w','shell':'sh'}}", BERTH_INVALID, "config.shell" },
        { "{'companyId':'c','name':'a','driver':'ssh','config':{'host':'h','username':'u',"
          "'remoteWorkspacePath':'/w','privateKey':'k'}}", BERTH_UNSUPPORTED, "config.privateKey" },
        { "{'companyId':'c','name':'a','driver':'ssh','config':{'host':'h','username':'u',"
          "'remoteWorkspacePath':'/w','privateKeySecretRef':{'type':'x','secretId':'" ID1 "'}}}",
          BERTH_INVALID, "config.privateKeySecretRef.type" },
        { "{'companyId':'c','name':'a','driver':'plugin','config':{'pluginKey':'p',"
          "'driverKey':'-x'}}", BERTH_INVALID, "config.driverKey" },
        { "{'companyId':'c','name':'a','driver':'plugin','config':{'driverKey':'x'}}",
          BERTH_INVALID,
          "config.pluginKey" },
        { "{'companyId':'c','name':'a','driver':'sandbox'}", BERTH_INVALID, "config.provider" },
        { "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'fake'}}",
          BERTH_INVALID, "config.provider" },
        { "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'fault'}}",
          BERTH_UNSUPPORTED_ENVIRONMENT, "config.provider" },
        { "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'e2b'}}",
          BERTH_UNSUPPORTED_ENVIRONMENT, "config.provider" },
        { "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'Up'}}",
          BERTH_INVALID, "config.provider" },
        { "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'bubblewrap',"
          "'colour':1}}", BERTH_INVALID, "config.colour" },
        { "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'bubblewrap',"
          "'timeoutMs':'0'}}", BERTH_INVALID, "config.timeoutMs" },
        { "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'bubblewrap',"
          "'readOnlyPaths':['/usr','opt']}}", BERTH_INVALID, "config.readOnlyPaths[1]" },
        //  What the provider itself would refuse at acquire is not saved.
        { "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'bubblewrap',"
          "'memoryMb':1}}", BERTH_INVALID, "config.memoryMb" },
        { "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'bubblewrap',"
          "'env':{'1A':'x'}}}", BERTH_INVALID, "config.env.1A" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        //  A dry save refuses what a save refuses.
        for (int dry = 0; dry < 2; dry++) {
            berth_error_t err = stage_fails (stage, dry ? REQUEST_ENVIRONMENT_VALIDATE
                                                        : REQUEST_ENVIRONMENT_CREATE,
                                             cases [index].json);
            if (err.code != cases [index].code || strcmp (err.field, cases [index].field))
                fail_msg ("%s: %s at '%s': %s", cases [index].json, berth_code_text (err.code),
                          err.field, err.text);
        }
    }
    assert_int_equal (stage_entries (stage), 0);
}

static void
test_refusal_texts (void **state)
{
    stage_t *stage = *state;
    assert_string_equal (stage_fails (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'fake'}}").text,
        "Built-in fake sandbox environments are reserved for internal probes and cannot be saved.");
    assert_string_equal (stage_fails (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'e2b'}}").text,
        "Sandbox provider \"e2b\" is not registered as a built-in provider.");
}

static void
test_ssh_defaults (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_VALIDATE,
        "{'companyId':'c','name':'a','driver':'ssh','config':{'host':' h ','username':'u','port':'2222',"
        "'remoteWorkspacePath':'/w','privateKey':null,'knownHosts':'','privateKeySecretRef':"
        "{'type':'secret_ref','secretId':'" ID1 "'}}}");
    assert_at (stage, row, "config.host", "\"h\"");
    assert_at (stage, row, "config.port", "2222");
    assert_at (stage, row, "config.privateKey", "null");
    assert_at (stage, row, "config.knownHosts", "null");
    assert_at (stage, row, "config.strictHostKeyChecking", "true");
    assert_at (stage, row, "config.privateKeySecretRef.version", "\"latest\"");
    row = stage_ok (stage, REQUEST_ENVIRONMENT_CREATE, "{'companyId':'c','name':'a'," SSH "}");
    assert_at (stage, row, "config.port", "22");
    assert_at (stage, row, "config.privateKeySecretRef", "null");
}

static void
test_plugin_and_local (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'c','name':'a','driver':'plugin','config':{'pluginKey':'p','driverKey':'x.y'}}");
    assert_at (stage, row, "config",
               "{\"pluginKey\":\"p\",\"driverKey\":\"x.y\",\"driverConfig\":{}}");
    row = stage_ok (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'c','name':'a','driver':'local','config':{'any':{'thing':[1]}}}");
    assert_at (stage, row, "config", "{\"any\":{\"thing\":[1]}}");
}

static void
test_test_providers (void **state)
{
    stage_t *stage = *state;
    stage->context.test_providers = true;
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'c','name':'a','driver':'sandbox'}");
    assert_at (stage, row, "config.provider", "\"fake\"");
    assert_at (stage, row, "config.image", "\"ubuntu:24.04\"");
    stage_ok (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'c','name':'a','driver':'sandbox','config':{'provider':'fault'}}");
}

static void
test_operator_only (void **state)
{
    stage_t *stage = *state;
    static const char policy [] = "{'companyId':'c','name':'a','driver':'ssh','config':{'host':'h',"
        "'username':'u','remoteWorkspacePath':'/w'},'policy':{'readOnlyPaths':['/usr']}}";
    static const char config [] = "{'companyId':'c','id':'"
            ID1 "','name':'a','driver':'sandbox','config':"
        "{'provider':'bubblewrap','readOnlyPaths':['/usr']}}";
    stage->roles = ROLE_PLATFORM;
    berth_error_t err = stage_fails (stage, REQUEST_ENVIRONMENT_CREATE, policy);
    assert_int_equal (err.code, BERTH_FORBIDDEN);
    assert_string_equal (err.field, "policy.readOnlyPaths");
    err = stage_fails (stage, REQUEST_ENVIRONMENT_CREATE, config);
    assert_int_equal (err.code, BERTH_FORBIDDEN);
    assert_string_equal (err.field, "config.readOnlyPaths");
    stage->roles = ROLE_OPERATOR;
    stage_ok (stage, REQUEST_ENVIRONMENT_CREATE, policy);
    stage_ok (stage, REQUEST_ENVIRONMENT_CREATE, config);
    //  Another may change the rest of what an operator made, and may not widen it.
    stage->roles = ROLE_PLATFORM;
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'" ID1 "','config':{'memoryMb':512}}");
    assert_at (stage, row, "config.readOnlyPaths", "[\"/usr\"]");
    err = stage_fails (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'" ID1 "','config':{'readOnlyPaths':['/opt']}}");
    assert_int_equal (err.code, BERTH_FORBIDDEN);
}

//  Driver local is the service's own machine: over the network nobody makes one, unless configured.
static void
test_local_over_tcp (void **state)
{
    stage_t *stage = *state;
    stage->remote = true;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'box'," BWRAP "}");
    static const struct { request_code_t type; const char *json; } asks [] = {
        { REQUEST_ENVIRONMENT_CREATE, "{'companyId':'acme','name':'here','driver':'local'}" },
        { REQUEST_ENVIRONMENT_VALIDATE, "{'companyId':'acme','name':'here','driver':'local'}" },
        { REQUEST_ENVIRONMENT_UPDATE, "{'environmentId':'" ID1 "','driver':'local'}" },
    };
    actor_set_trust (stage->actor, stage->context.trust);
    for (size_t index = 0; index < BERTH_COUNT (asks); index++) {
        berth_error_t err = stage_fails (stage, asks [index].type, asks [index].json);
        assert_int_equal (err.code, BERTH_FORBIDDEN);
        assert_string_equal (err.driver, "local");
        assert_non_null (strstr (err.remedy, "localOverTcp"));
    }
    trust_set_local (stage->context.trust, true);
    stage_ok (stage, REQUEST_ENVIRONMENT_CREATE, "{'companyId':'acme','name':'here','driver':'local'}");
}

static void
test_validate_saves_nothing (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_VALIDATE,
        "{'companyId':'acme','id':'" ID1 "','name':'box'," BWRAP "}");
    assert_at (stage, row, "config.reuseLease", "false");
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_GET, "{'environmentId':'"
                                   ID1 "'}").code,
                      BERTH_ENVIRONMENT_NOT_FOUND);
    assert_int_equal (stage_entries (stage), 0);
}

//  ---- the local one

static void
test_ensure_local (void **state)
{
    stage_t *stage = *state;
    uint64_t tickets [8];
    for (size_t index = 0; index < 8; index++)
        tickets [index] = stage_queue (stage, REQUEST_ENVIRONMENT_ENSURE_LOCAL,
                                       "{'companyId':'acme'}");
    stage_serve (stage);
    berth_bytes_t first = stage_answer (stage, tickets [0])->body;
    for (size_t index = 0; index < 8; index++)
        assert_string_equal (stage_at (stage, stage_answer (stage, tickets [index])->body, "id"),
                             stage_at (stage, first, "id"));
    assert_int_equal (stage_entries (stage), 1);
    assert_at (stage, first, "name", "\"Local\"");
    assert_at (stage, first, "description",
               "\"Default execution environment for Paperclip runs on this machine.\"");
    assert_at (stage, first, "driver", "\"local\"");
    assert_at (stage, first, "config", "{}");
    assert_at (stage, first, "metadata",
               "{\"managedByPaperclip\":true,\"defaultForCompany\":true}");

    //  An archived one stays as it is.
    const char *id = stage_text (stage, first, "id");
    berth_bytes_t archived = stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE,
                                       arena_printf (stage->arena,
        "{'environmentId':'%s','status':'archived'}", id));
    assert_bytes (stage_ok (stage, REQUEST_ENVIRONMENT_ENSURE_LOCAL, "{'companyId':'acme'}"),
                  archived);

    berth_error_t err = stage_fails (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'acme','name':'second','driver':'local'}");
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_string_equal (err.environment_id, id);
    //  Another company has its own; `acm` is not `acme`.
    berth_bytes_t other = stage_ok (stage, REQUEST_ENVIRONMENT_ENSURE_LOCAL, "{'companyId':'acm'}");
    assert_string_not_equal (stage_text (stage, other, "id"), id);
}

static void
test_no_second_local_by_update (void **state)
{
    stage_t *stage = *state;
    stage_ok (stage, REQUEST_ENVIRONMENT_ENSURE_LOCAL, "{'companyId':'acme'}");
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," SSH "}");
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'" ID1 "','driver':'local'}").code, BERTH_CONFLICT);
}

//  ---- update

static void
test_update (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a','driver':'sandbox','config':"
              "{'provider':'bubblewrap','memoryMb':512,'pids':9},'metadata':{'k':'v'}}");
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'"
                ID1 "','companyId':'acme','name':'b','description':'d','status':'archived',"
        "'config':{'memoryMb':1024,'pids':null},'metadata':{'x':1,'y':2},'policy':{'maxLeaseMs':'none'}}");
    assert_at (stage, row, "config.provider", "\"bubblewrap\"");
    assert_at (stage, row, "config.memoryMb", "1024");
    assert_at (stage, row, "config.pids", "absent");
    assert_at (stage, row, "metadata", "{\"x\":1,\"y\":2}");
    assert_at (stage, row, "policy.maxLeaseMs", "\"none\"");
    berth_bytes_t entry = stage_entry (stage, 0);
    assert_at (stage, entry, "action", "\"environment.updated\"");
    assert_at (stage, entry, "details.changedFields",
               "[\"config\",\"description\",\"metadata\",\"name\",\"policy\",\"status\"]");
    assert_at (stage, entry, "details.name", "\"b\"");
    assert_at (stage, entry, "details.status", "\"archived\"");
    assert_at (stage, entry, "details.driver", "absent");
    assert_at (stage, entry, "details.descriptionChanged", "true");
    assert_at (stage, entry, "details.configChanged", "true");
    assert_at (stage, entry, "details.configTopLevelKeyCount", "3");
    assert_at (stage, entry, "details.metadataChanged", "true");
    assert_at (stage, entry, "details.metadataTopLevelKeyCount", "2");
    assert_null (strstr (stage_at (stage, entry, "details"), "1024"));

    //  Null clears, absent keeps.
    row = stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'" ID1 "','metadata':null,'policy':null}");
    assert_at (stage, row, "metadata", "null");
    assert_at (stage, row, "policy", "null");
    assert_at (stage, row, "description", "\"d\"");
    entry = stage_entry (stage, 0);
    assert_at (stage, entry, "details", "{\"changedFields\":[\"metadata\",\"policy\"],"
               "\"metadataChanged\":true,\"metadataTopLevelKeyCount\":0,\"policyChanged\":true}");
}

static void
test_update_without_change (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t made = stage_ok (stage, REQUEST_ENVIRONMENT_CREATE,
        "{'companyId':'acme','id':'" ID1 "','name':'a','driver':'sandbox','config':"
        "{'provider':'bubblewrap','pids':9},'policy':{'idleMs':5}}");
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'"
                ID1 "','name':'a','driver':'sandbox','config':{'pids':9},'policy':{'idleMs':5}}");
    assert_bytes (row, made);
    assert_int_equal (stage_entries (stage), 1);
}

static void
test_update_driver (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," SSH "}");
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'" ID1 "','driver':'local'}");
    assert_at (stage, row, "config", "{}");
    assert_at (stage, stage_entry (stage, 0), "details.changedFields", "[\"config\",\"driver\"]");
    //  The old config is never inherited: what ssh needs is missing.
    assert_string_equal (stage_fails (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'"
                ID1 "','driver':'ssh','config':{'host':'h'}}").field, "config.username");
    row = stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'" ID1 "','driver':'sandbox','config':{'provider':'bubblewrap'}}");
    assert_at (stage, row, "config.host", "absent");
    //  A patch is checked as a whole.
    assert_string_equal (stage_fails (stage, REQUEST_ENVIRONMENT_UPDATE,
        "{'environmentId':'" ID1 "','config':{'nonsense':1}}").field, "config.nonsense");
}

static void
test_foreign_company (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," SSH "}");
    static const request_code_t types [] = {
        REQUEST_ENVIRONMENT_GET, REQUEST_ENVIRONMENT_UPDATE, REQUEST_ENVIRONMENT_DELETE,
        REQUEST_ENVIRONMENT_PROBE
    };
    for (size_t index = 0; index < BERTH_COUNT (types); index++) {
        berth_error_t foreign = stage_fails (stage, types [index],
            "{'environmentId':'" ID1 "','companyId':'other'}");
        berth_error_t unknown = stage_fails (stage, types [index], "{'environmentId':'" ID2 "'}");
        assert_int_equal (foreign.code, BERTH_ENVIRONMENT_NOT_FOUND);
        assert_int_equal (unknown.code, BERTH_ENVIRONMENT_NOT_FOUND);
        assert_string_equal (unknown.text, "Environment \"" ID2 "\" not found.");
    }
    assert_int_equal (stage_entries (stage), 1);
}

//  ---- delete

static void
test_delete (void **state)
{
    stage_t *stage = *state;
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'a'," SSH "}");
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID3 "','name':'b'," SSH "}");
    lease_t other = stage_lease (stage, ID3, ID3, lease_state_ACTIVE);
    lease_t settled = stage_lease (stage, ID1, ID1, lease_state_RELEASED);
    lease_t held = stage_lease (stage, ID2, ID1, lease_state_RELEASING);
    stage_put_lease (stage, &other);
    stage_put_lease (stage, &settled);
    stage_put_lease (stage, &held);
    berth_error_t err = stage_fails (stage, REQUEST_ENVIRONMENT_DELETE, "{'environmentId':'"
                                     ID1 "'}");
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_string_equal (err.lease_id, ID2);
    assert_string_equal (err.text, "1 lease of the environment is not settled: " ID2 " (releasing)");
    assert_string_equal (err.cause, ID2 " releasing");
    assert_true (err.remedy [0]);
    held.state = lease_state_RELEASED;
    stage_put_lease (stage, &held);
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_DELETE, "{'environmentId':'" ID1 "'}");
    assert_at (stage, row, "id", "\"" ID1 "\"");
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.deleted\"");
    assert_at (stage, stage_entry (stage, 0), "details.name", "\"a\"");
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_GET, "{'environmentId':'"
                                   ID1 "'}").code,
                      BERTH_ENVIRONMENT_NOT_FOUND);
    berth_bytes_t page = stage_ok (stage, REQUEST_ENVIRONMENT_LIST, "{'companyId':'acme'}");
    assert_at (stage, page, "items.0.id", "\"" ID3 "\"");
    assert_at (stage, page, "items.1", "absent");
}

//  ---- list

static void
test_list (void **state)
{
    stage_t *stage = *state;
    for (int index = 0; index < 5; index++)
        registry_stage_create (stage,
                  arena_printf (stage->arena, "{'companyId':'acme','name':'n%d'," SSH "}", index));
    registry_stage_create (stage, "{'companyId':'acme','id':'" ID1 "','name':'box'," BWRAP "}");
    registry_stage_create (stage, "{'companyId':'acmes','name':'foreign'," SSH "}");
    const char *seen = "", *cursor = "";
    int pages = 0;
    do {
        berth_bytes_t page = stage_ok (stage, REQUEST_ENVIRONMENT_LIST, arena_printf (stage->arena,
            "{'companyId':'acme','limit':2%s}", cursor));
        for (int index = 0; index < 2; index++)
            seen = arena_printf (stage->arena, "%s %s", seen, stage_text (stage, page,
                arena_printf (stage->arena, "items.%d.name", index)));
        assert_at (stage, page, "items.2", "absent");
        const char *next = stage_at (stage, page, "nextCursor");
        cursor = next [0] == '"' ? arena_printf (stage->arena, ",'cursor':%s", next) : NULL;
        pages++;
    } while (cursor);
    assert_string_equal (seen, " box n4 n3 n2 n1 n0");
    assert_int_equal (pages, 3);

    //  A change moves a row to the front; filters look behind rows that do not match.
    stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE, "{'environmentId':'" ID1 "','status':'archived'}");
    berth_bytes_t page = stage_ok (stage, REQUEST_ENVIRONMENT_LIST,
        "{'companyId':'acme','status':'active','driver':'ssh','limit':5}");
    assert_at (stage, page, "items.0.name", "\"n4\"");
    assert_at (stage, page, "items.4.name", "\"n0\"");
    assert_at (stage, page, "nextCursor", "absent");
    page = stage_ok (stage, REQUEST_ENVIRONMENT_LIST, "{'companyId':'acme','driver':'sandbox'}");
    assert_at (stage, page, "items.0.id", "\"" ID1 "\"");
    assert_at (stage, page, "items.1", "absent");
    assert_string_equal (stage_fails (stage, REQUEST_ENVIRONMENT_LIST,
        "{'companyId':'acme','cursor':'00ff'}").field, "cursor");
}

static void
test_page_fits_a_frame (void **state)
{
    stage_t *stage = *state;
    char *blob = arena_take (stage->arena, 60001);
    memset (blob, 'x', 60000);
    for (int index = 0; index < 30; index++)
        registry_stage_create (stage, arena_printf (stage->arena, "{'companyId':'acme','name':'n'," SSH
                                       ",'metadata':{'blob':'%s'}}", blob));
    berth_bytes_t page = stage_ok (stage, REQUEST_ENVIRONMENT_LIST,
                                   "{'companyId':'acme','limit':1000}");
    assert_true (page.size < BERTH_FRAME_MAX);
    size_t first = 0, rest = 0;
    while (strcmp (stage_at (stage, page, arena_printf (stage->arena, "items.%zu.id", first)),
                   "absent"))
        first++;
    page = stage_ok (stage, REQUEST_ENVIRONMENT_LIST, arena_printf (stage->arena,
        "{'companyId':'acme','limit':1000,'cursor':%s}", stage_at (stage, page, "nextCursor")));
    while (strcmp (stage_at (stage, page, arena_printf (stage->arena, "items.%zu.id", rest)),
                   "absent"))
        rest++;
    assert_true (first > 5 && first < 30 && first + rest <= 30);
}

//  ---- redaction

static void
test_redaction (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_CREATE, "{'companyId':'acme','id':'"
                                  ID1
        "','name':'a'," SSH ",'metadata':{'m':1},'policy':{'env':{'TOKEN':'t'}}}");
    stage->roles = ROLE_OBSERVER;
    berth_bytes_t seen = stage_ok (stage, REQUEST_ENVIRONMENT_GET, "{'environmentId':'" ID1 "'}");
    assert_at (stage, seen, "config", "{}");
    assert_at (stage, seen, "metadata", "null");
    assert_at (stage, seen, "policy", "null");
    assert_at (stage, seen, "configRedacted", "true");
    assert_at (stage, seen, "metadataRedacted", "true");
    assert_at (stage, seen, "name", "\"a\"");
    seen = stage_ok (stage, REQUEST_ENVIRONMENT_LIST, "{'companyId':'acme'}");
    assert_at (stage, seen, "items.0.config", "{}");
    stage->roles = ROLE_PLATFORM;
    assert_bytes (stage_ok (stage, REQUEST_ENVIRONMENT_GET, "{'environmentId':'" ID1 "'}"), row);
}

static void
test_redact_by_role (void **state)
{
    stage_t *stage = *state;
    static const struct { unsigned roles; bool redacted; } cases [] = {
        { ROLE_OPERATOR, false }, { ROLE_PLATFORM, false }, { ROLE_INTERNAL, false },
        { ROLE_OBSERVER, true }, { ROLE_PROVIDER, true }, { 0, true },
        { ROLE_OBSERVER | ROLE_PLATFORM, false },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        environment_t row = {
            .id = ID1, .company = "c", .name = "n", .driver = environment_driver_LOCAL,
            .status = environment_status_ACTIVE, .config = stage_pack (stage, "{'a':1}"),
            .metadata = stage_pack (stage, "{'b':1}"),
        };
        environment_redact (&row, cases [index].roles);
        assert_int_equal (row.config_redacted, cases [index].redacted);
        assert_int_equal (row.metadata_redacted, cases [index].redacted);
        assert_int_equal (any_count (row.config), !cases [index].redacted);
        assert_int_equal (row.metadata.size == 0, cases [index].redacted);
    }
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        REGISTRY_TEST (test_foreign_ids), REGISTRY_TEST (test_create), REGISTRY_TEST (test_create_with_id), REGISTRY_TEST (test_refusals),
        REGISTRY_TEST (test_refusal_texts), REGISTRY_TEST (test_ssh_defaults), REGISTRY_TEST (test_plugin_and_local),
        REGISTRY_TEST (test_test_providers), REGISTRY_TEST (test_operator_only),
        REGISTRY_TEST (test_local_over_tcp), REGISTRY_TEST (test_validate_saves_nothing), REGISTRY_TEST (test_ensure_local),
        REGISTRY_TEST (test_no_second_local_by_update), REGISTRY_TEST (test_update),
        REGISTRY_TEST (test_update_without_change), REGISTRY_TEST (test_update_driver),
        REGISTRY_TEST (test_foreign_company), REGISTRY_TEST (test_delete), REGISTRY_TEST (test_list),
        REGISTRY_TEST (test_page_fits_a_frame), REGISTRY_TEST (test_redaction), REGISTRY_TEST (test_redact_by_role),
    };
    return cmocka_run_group_tests_name ("registry", tests, NULL, NULL);
}
