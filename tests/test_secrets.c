//  test_secrets.c - the actor of secrets: names, versions, bindings; and the one way to a value.

#include "stage.h"

#include "ids.h"
#include "secret_use.h"
#include "secrets.h"

#define ENV "11111111-1111-7111-8111-111111111111"

typedef struct {
    stage_t *stage;
    secrets_t *secrets;
} scene_t;

static scene_t s_scene;

static int
s_setup (void **state)
{
    berth_error_t err = { 0 };
    stage_t *stage = stage_new ();
    stage->context.vault = vault_new ();
    assert_int_equal (vault_make (stage->context.vault, NULL, &err), 0);
    s_scene.stage = stage;
    s_scene.secrets = secrets_new (&stage->context, &err);
    assert_non_null (s_scene.secrets);
    stage->actor = secrets_kit (s_scene.secrets);
    *state = stage;
    return 0;
}

static int
s_teardown (void **state)
{
    stage_t *stage = *state;
    secrets_destroy (&s_scene.secrets);
    vault_destroy (&stage->context.vault);
    stage_destroy (&stage);
    return 0;
}

#define ASK(...) arena_printf (stage->arena, __VA_ARGS__)

static const char *
s_make (stage_t *stage, const char *name, const char *value)
{
    berth_bytes_t row = stage_ok (stage, REQUEST_SECRET_CREATE,
        ASK ("{'companyId': 'acme', 'name': '%s', 'value': '%s'}", name, value));
    return stage_text (stage, row, "id");
}

//  Uses a value as an exec would, in a transaction of its own: its text, or NULL with the error.
static const char *
s_use (stage_t *stage, const char *company, const char *secret, const char *path, uint64_t version,
       berth_error_t *err)
{
    store_txn_t *txn = NULL;
    assert_int_equal (store_begin (stage->store, &txn, err), 0);
    letter_t letter = { .principal = "ipc:operator" };
    request_t req = { .letter = &letter, .arena = stage->arena, .now_ms = stage->now_ms,
                      .make_id = berth_id_new };
    secret_user_t users [] = { { secret_target_RUN, "run-1" }, { secret_target_ENVIRONMENT, ENV } };
    secret_use_t use = { .company = company, .secret = secret, .version = version, .path = path,
                         .users = users, .users_count = 2, .run = "run-1" };
    berth_bytes_t value;
    int rc = secret_use (stage->context.vault, &req, txn, &use, &value, err);
    const char *text = rc ? NULL : arena_text (stage->arena, (const char *) value.data, value.size);
    assert_int_equal (store_commit (&txn, err), 0);
    return text;
}

static const char *
s_value (stage_t *stage, const char *secret, uint64_t version)
{
    berth_error_t err = { 0 };
    const char *text = s_use (stage, "acme", secret, "env.TOKEN", version, &err);
    if (!text)
        fail_msg ("%s", err.text);
    return text;
}

static berth_error_t
s_refused (stage_t *stage, const char *company, const char *secret, const char *path, uint64_t version)
{
    berth_error_t err = { 0 };
    assert_null (s_use (stage, company, secret, path, version, &err));
    return err;
}

static void
s_bind (stage_t *stage, const char *secret, const char *more)
{
    (void) stage_ok (stage, REQUEST_SECRET_BIND,
        ASK ("{'secretId': '%s', 'targetType': 'environment', 'targetId': '" ENV "', "
             "'configPath': 'env.TOKEN'%s}", secret, more));
}

static void
test_create (void **state)
{
    stage_t *stage = *state;
    berth_bytes_t row = stage_ok (stage, REQUEST_SECRET_CREATE,
        "{'companyId': 'acme', 'name': 'NPM Token (ci)!', 'value': 'hunter2', 'description': 'for ci'}");
    assert_at (stage, row, "key", "\"npm-token--ci\"");
    assert_at (stage, row, "provider", "\"local_encrypted\"");
    assert_at (stage, row, "managedMode", "\"paperclip_managed\"");
    assert_at (stage, row, "latestVersion", "1");
    assert_at (stage, row, "status", "\"active\"");
    assert_at (stage, row, "referenceCount", "0");
    assert_at (stage, row, "value", "absent");
    assert_at (stage, stage_entry (stage, 0), "action", "\"secret.created\"");
    assert_null (memmem (stage_entry (stage, 0).data, stage_entry (stage, 0).size, "hunter2", 7));
    //  Names are one of a kind in a company, and free in another
    assert_int_equal (stage_fails (stage, REQUEST_SECRET_CREATE, "{'companyId': 'acme', "
        "'name': 'NPM Token (ci)!', 'key': 'other', 'value': 'x'}").code, BERTH_CONFLICT);
    assert_int_equal (stage_fails (stage, REQUEST_SECRET_CREATE, "{'companyId': 'acme', "
        "'name': 'npm token  ci', 'value': 'x'}").code, BERTH_CONFLICT);
    (void) stage_ok (stage, REQUEST_SECRET_CREATE,
        "{'companyId': 'rival', 'name': 'NPM Token (ci)!', 'value': 'x'}");
    assert_int_equal (stage_fails (stage, REQUEST_SECRET_CREATE,
        "{'companyId': 'acme', 'name': '!!!', 'value': 'x'}").code, BERTH_INVALID);
    assert_int_equal (stage_fails (stage, REQUEST_SECRET_CREATE,
        "{'companyId': 'acme', 'name': 'empty', 'value': ''}").code, BERTH_INVALID);
    assert_int_equal (stage_fails (stage, REQUEST_SECRET_CREATE,
        "{'companyId': 'acme', 'name': 'aws', 'value': 'x', 'provider': 'aws_secrets_manager'}").code,
        BERTH_UNSUPPORTED);
    berth_bytes_t page = stage_ok (stage, REQUEST_SECRET_LIST, "{'companyId': 'acme'}");
    assert_at (stage, page, "items.0.name", "\"NPM Token (ci)!\"");
    assert_at (stage, page, "items.1.name", "absent");
}

static void
test_use_needs_its_binding (void **state)
{
    stage_t *stage = *state;
    const char *secret = s_make (stage, "token", "hunter2");
    berth_error_t err = s_refused (stage, "acme", secret, "env.TOKEN", 0);
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_non_null (strstr (err.remedy, "berth secret bind"));
    s_bind (stage, secret, "");
    assert_string_equal (s_value (stage, secret, 0), "hunter2");
    //  Exactly there
    assert_int_equal (s_refused (stage, "acme", secret, "env.TOKEN2", 0).code, BERTH_CONFLICT);
    assert_int_equal (s_refused (stage, "rival", secret, "env.TOKEN", 0).code, BERTH_NOT_FOUND);
    //  Each use that was refused or not is entered, none of another company
    berth_bytes_t events = stage_ok (stage, REQUEST_SECRET_EVENTS, ASK ("{'secretId': '%s'}", secret));
    assert_at (stage, events, "items.2.outcome", "\"failure\"");
    assert_at (stage, events, "items.2.errorCode", "\"conflict\"");
    assert_at (stage, events, "items.3", "absent");
    assert_null (memmem (events.data, events.size, "hunter2", 7));
    //  Out of use
    (void) stage_ok (stage, REQUEST_SECRET_UPDATE, ASK ("{'secretId': '%s', 'status': 'disabled'}", secret));
    assert_int_equal (s_refused (stage, "acme", secret, "env.TOKEN", 0).code, BERTH_CONFLICT);
    assert_int_equal (stage_fails (stage, REQUEST_SECRET_ROTATE,
        ASK ("{'secretId': '%s', 'value': 'x'}", secret)).code, BERTH_CONFLICT);
    (void) stage_ok (stage, REQUEST_SECRET_UPDATE, ASK ("{'secretId': '%s', 'status': 'active'}", secret));
    assert_string_equal (s_value (stage, secret, 0), "hunter2");
    (void) stage_ok (stage, REQUEST_SECRET_UNBIND, "{'companyId': 'acme', 'targetType': 'environment', "
        "'targetId': '" ENV "', 'configPath': 'env.TOKEN'}");
    assert_int_equal (s_refused (stage, "acme", secret, "env.TOKEN", 0).code, BERTH_CONFLICT);
}

static void
test_versions (void **state)
{
    stage_t *stage = *state;
    const char *secret = s_make (stage, "token", "first");
    s_bind (stage, secret, "");
    berth_bytes_t row = stage_ok (stage, REQUEST_SECRET_ROTATE,
        ASK ("{'secretId': '%s', 'value': 'second'}", secret));
    assert_at (stage, row, "latestVersion", "2");
    assert_at (stage, stage_entry (stage, 0), "action", "\"secret.rotated\"");
    assert_string_equal (s_value (stage, secret, 0), "second");
    assert_string_equal (s_value (stage, secret, 1), "first");
    assert_int_equal (s_refused (stage, "acme", secret, "env.TOKEN", 3).code, BERTH_NOT_FOUND);
    //  Bound to one version
    s_bind (stage, secret, ", 'version': 1");
    assert_string_equal (s_value (stage, secret, 0), "first");
    assert_int_equal (s_refused (stage, "acme", secret, "env.TOKEN", 2).code, BERTH_CONFLICT);
    s_bind (stage, secret, "");
    //  The oldest of too many goes
    for (int version = 3; version <= BERTH_SECRET_VERSIONS + 1; version++)
        (void) stage_ok (stage, REQUEST_SECRET_ROTATE, ASK ("{'secretId': '%s', 'value': 'v%d'}", secret,
                                                             version));
    assert_int_equal (s_refused (stage, "acme", secret, "env.TOKEN", 1).code, BERTH_NOT_FOUND);
    assert_string_equal (s_value (stage, secret, 2), "second");
}

static void
test_delete (void **state)
{
    stage_t *stage = *state;
    const char *secret = s_make (stage, "token", "hunter2");
    s_bind (stage, secret, "");
    berth_error_t err = stage_fails (stage, REQUEST_SECRET_DELETE, ASK ("{'secretId': '%s'}", secret));
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_non_null (strstr (err.text, "env.TOKEN"));
    assert_string_equal (s_value (stage, secret, 0), "hunter2");
    (void) stage_ok (stage, REQUEST_SECRET_DELETE, ASK ("{'secretId': '%s', 'force': true}", secret));
    assert_int_equal (stage_fails (stage, REQUEST_SECRET_GET, ASK ("{'secretId': '%s'}", secret)).code,
                      BERTH_NOT_FOUND);
    //  Nothing sealed is left of it, and its name is free; who used it is still known
    store_txn_t *txn = NULL;
    assert_int_equal (store_read (stage->store, &txn, &err), 0);
    assert_int_equal (table_rows (txn, TABLE_SECRET_VERSIONS), 0);
    assert_int_equal (table_rows (txn, TABLE_SECRET_BINDINGS), 0);
    store_txn_destroy (&txn);
    assert_at (stage, stage_ok (stage, REQUEST_SECRET_EVENTS, ASK ("{'secretId': '%s'}", secret)),
               "items.0.outcome", "\"success\"");
    (void) s_make (stage, "token", "again");
}

static void
test_bindings (void **state)
{
    stage_t *stage = *state;
    const char *first = s_make (stage, "first", "1"), *second = s_make (stage, "second", "2");
    s_bind (stage, first, "");
    assert_int_equal (stage_fails (stage, REQUEST_SECRET_BIND,
        ASK ("{'secretId': '%s', 'targetType': 'environment', 'targetId': '" ENV "', "
             "'configPath': 'env.TOKEN'}", second)).code, BERTH_CONFLICT);
    s_bind (stage, second, ", 'replace': true");
    assert_at (stage, stage_ok (stage, REQUEST_SECRET_GET, ASK ("{'secretId': '%s'}", first)),
               "referenceCount", "0");
    //  Synced again, the same path meets no conflict; what is not said any more goes, whole paths only
    const char *sync = ASK ("{'companyId': 'acme', 'targetType': 'environment', 'targetId': '" ENV "', "
        "'bindings': [{'configPath': 'env.TOKEN', 'secretId': '%s'}, "
        "{'configPath': 'env.TOKEN2', 'secretId': '%s', 'version': 1}]}", first, second);
    berth_bytes_t page = stage_ok (stage, REQUEST_SECRET_SYNC, sync);
    assert_at (stage, page, "items.1.versionSelector", "\"1\"");
    uint64_t entries = stage_entries (stage);
    (void) stage_ok (stage, REQUEST_SECRET_SYNC, sync);
    assert_int_equal (stage_entries (stage), entries);
    assert_string_equal (s_value (stage, first, 0), "1");
    page = stage_ok (stage, REQUEST_SECRET_SYNC, ASK ("{'companyId': 'acme', 'targetType': 'environment', "
        "'targetId': '" ENV "', 'bindings': [{'configPath': 'env.TOKEN', 'secretId': '%s'}]}", first));
    assert_int_equal (stage_entries (stage), entries + 1);
    page = stage_ok (stage, REQUEST_SECRET_USAGE, ASK ("{'secretId': '%s'}", second));
    assert_at (stage, page, "items.0", "absent");
    page = stage_ok (stage, REQUEST_SECRET_USAGE, ASK ("{'secretId': '%s'}", first));
    assert_at (stage, page, "items.0.targetId", "\"" ENV "\"");
}

static void
test_rekey (void **state)
{
    stage_t *stage = *state;
    const char *secret = s_make (stage, "token", "hunter2");
    s_bind (stage, secret, "");
    //  In memory only: given from outside
    assert_int_equal (stage_fails (stage, REQUEST_SECRET_REKEY, "{}").code, BERTH_UNSUPPORTED);
    char *path = arena_printf (stage->arena, "%s/master.key", stage->folder);
    stage->context.master_path = path;
    char *old = arena_string (stage->arena, vault_id (stage->context.vault));
    berth_bytes_t answer = stage_ok (stage, REQUEST_SECRET_REKEY, "{}");
    assert_at (stage, answer, "companies", "1");
    assert_string_not_equal (stage_text (stage, answer, "masterKeyId"), old);
    assert_false (vault_has (stage->context.vault, old));
    assert_string_equal (s_value (stage, secret, 0), "hunter2");

    //  The next process opens it by the file, and one with another key does not start
    berth_error_t err = { 0 };
    context_t next = stage->context;
    next.vault = vault_new ();
    assert_int_equal (vault_read (next.vault, path, &err), 0);
    secrets_t *secrets = secrets_new (&next, &err);
    assert_non_null (secrets);
    secrets_destroy (&secrets);
    vault_destroy (&next.vault);
    next.vault = vault_new ();
    assert_int_equal (vault_make (next.vault, NULL, &err), 0);
    assert_null (secrets_new (&next, &err));
    assert_int_equal (err.code, BERTH_FORBIDDEN);
    assert_non_null (strstr (err.text, "another master key"));
    vault_destroy (&next.vault);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_create), TEST (test_use_needs_its_binding), TEST (test_versions), TEST (test_delete),
        TEST (test_bindings), TEST (test_rekey),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
