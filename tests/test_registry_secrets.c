//  test_registry_secrets.c - what is typed into a config becomes a secret: the row keeps its id, only
//  that environment may use it, and it goes when nothing refers to it any more.

#include "registry_stage.h"

#include "codec.h"
#include "vault.h"

#define HEAD "'driver':'ssh','config':{'host':'h','username':'u','remoteWorkspacePath':'/w'"
#define OWN  "44444444-4444-7444-8444-444444444444"

static int
s_setup (void **state)
{
    berth_error_t err = { 0 };
    int rc = registry_stage_setup (state);
    stage_t *stage = *state;
    stage->context.vault = vault_new ();
    assert_ok (vault_make (stage->context.vault, NULL, &err), err);
    return rc;
}

static int
s_teardown (void **state)
{
    stage_t *stage = *state;
    vault_t *vault = stage->context.vault;
    int rc = registry_stage_teardown (state);
    vault_destroy (&vault);
    return rc;
}

//  Rows of secrets, versions and bindings there are.
static void
s_count (stage_t *stage, uint64_t secrets, uint64_t bindings)
{
    store_txn_t *txn = NULL;
    berth_error_t err = { 0 };
    assert_ok (store_read (stage->store, &txn, &err), err);
    assert_int_equal (table_rows (txn, TABLE_SECRETS), secrets);
    assert_int_equal (table_rows (txn, TABLE_SECRET_VERSIONS), secrets);
    assert_int_equal (table_rows (txn, TABLE_SECRET_BINDINGS), bindings);
    store_txn_destroy (&txn);
}

static secret_t
s_secret (stage_t *stage, const char *id)
{
    store_txn_t *txn = NULL;
    berth_error_t err = { 0 };
    secret_t row;
    assert_ok (store_read (stage->store, &txn, &err), err);
    assert_ok (secret_get (txn, stage->arena, id, &row, &err), err);
    store_txn_destroy (&txn);
    return row;
}

//  A secret of somebody's own.
static void
s_own (stage_t *stage, const char *company)
{
    store_txn_t *txn = NULL;
    berth_error_t err = { 0 };
    secret_t row = { .id = OWN, .company = company, .name = "mine", .key = "mine", .provider = "local_encrypted",
                     .status = secret_status_ACTIVE, .managed = "paperclip_managed", .latest = 1,
                     .created_at = 1, .updated_at = 1 };
    secret_version_t version = { .secret = OWN, .company = company, .version = 1, .created_at = 1,
                                 .status = secret_version_status_CURRENT, .material = BYTES_OF ("sealed") };
    assert_ok (store_begin (stage->store, &txn, &err), err);
    assert_ok (secret_put (txn, stage->arena, &row, &err), err);
    assert_ok (secret_version_put (txn, stage->arena, &version, &err), err);
    assert_ok (store_commit (&txn, &err), err);
}

static void
test_typed (void **state)
{
    stage_t *stage = *state;
    const char *ask = "{'companyId':'acme','name':'Build Box 1'," HEAD ",'privateKey':'hunter2'}}";
    //  A dry save makes nothing
    (void) stage_ok (stage, REQUEST_ENVIRONMENT_VALIDATE, ask);
    s_count (stage, 0, 0);
    berth_bytes_t row = stage_ok (stage, REQUEST_ENVIRONMENT_CREATE, ask);
    assert_null (memmem (row.data, row.size, "hunter2", 7));
    assert_at (stage, row, "config.privateKey", "null");
    assert_at (stage, row, "config.privateKeySecretRef.type", "\"secret_ref\"");
    assert_at (stage, row, "config.privateKeySecretRef.version", "\"latest\"");
    const char *id = stage_text (stage, row, "config.privateKeySecretRef.secretId");
    assert_int_equal (strncmp (s_secret (stage, id).name, "environment-ssh-build-box-1-privateKey-", 39), 0);
    s_count (stage, 1, 1);

    //  Another field changes: it stays. Another key: the one before goes
    const char *env = stage_text (stage, row, "id");
    row = stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE, arena_printf (stage->arena,
        "{'environmentId':'%s','config':{'host':'other'}}", env));
    assert_string_equal (stage_text (stage, row, "config.privateKeySecretRef.secretId"), id);
    s_count (stage, 1, 1);
    row = stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE, arena_printf (stage->arena,
        "{'environmentId':'%s','config':{'privateKey':'hunter3'}}", env));
    assert_string_not_equal (stage_text (stage, row, "config.privateKeySecretRef.secretId"), id);
    s_count (stage, 1, 1);
    (void) stage_ok (stage, REQUEST_ENVIRONMENT_DELETE, arena_printf (stage->arena,
        "{'environmentId':'%s'}", env));
    s_count (stage, 0, 0);
}

static void
test_referred (void **state)
{
    stage_t *stage = *state;
    const char *ask = "{'companyId':'acme','name':'a'," HEAD ",'privateKeySecretRef':{'type':'secret_ref',"
                      "'secretId':'" OWN "'}},'policy':{'env':{'PLAIN':{'type':'plain','value':'x'},"
                      "'TOKEN':{'type':'secret_ref','secretId':'" OWN "','version':1}}}}";
    berth_error_t err = stage_fails (stage, REQUEST_ENVIRONMENT_CREATE, ask);
    assert_int_equal (err.code, BERTH_NOT_FOUND);
    assert_string_equal (err.field, "config.privateKeySecretRef");
    s_own (stage, "acme");
    const char *env = registry_stage_create (stage, ask);
    s_count (stage, 1, 2);
    //  Of somebody's own: it stays when the environment goes
    (void) stage_ok (stage, REQUEST_ENVIRONMENT_UPDATE, arena_printf (stage->arena,
        "{'environmentId':'%s','policy':null}", env));
    s_count (stage, 1, 1);
    (void) stage_ok (stage, REQUEST_ENVIRONMENT_DELETE, arena_printf (stage->arena,
        "{'environmentId':'%s'}", env));
    s_count (stage, 1, 0);
    assert_string_equal (s_secret (stage, OWN).name, "mine");
}

static void
test_of_others (void **state)
{
    stage_t *stage = *state;
    s_own (stage, "rival");
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_CREATE, "{'companyId':'acme','name':'a'," HEAD
        ",'privateKeySecretRef':{'type':'secret_ref','secretId':'" OWN "'}}}").code, BERTH_NOT_FOUND);
    assert_int_equal (stage_fails (stage, REQUEST_ENVIRONMENT_CREATE, "{'companyId':'acme','name':'a'," HEAD
        "},'policy':{'env':{'TOKEN':{'type':'secret_ref','secretId':'x'}}}}").code, BERTH_INVALID);
    s_count (stage, 1, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = { TEST (test_typed), TEST (test_referred), TEST (test_of_others) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
