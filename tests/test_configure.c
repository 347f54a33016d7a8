//  test_configure.c - berthd's configuration file: what it may say, and how it is refused.

#include "fixture.h"

#include "configure.h"

#include <stdio.h>

static int
s_read (const char *text, arena_t *arena, configuration_t *ret, berth_error_t *err)
{
    char *folder = fixture_folder_new ();
    const char *path = fixture_path (arena, folder, "berthd.zpl");
    FILE *file = fopen (path, "w");
    assert_non_null (file);
    fputs (text, file);
    fclose (file);
    int rc = configure (path, arena, ret, err);
    fixture_folder_destroy (&folder);
    return rc;
}

static void
s_all_keys (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    configuration_t said;
    assert_ok (s_read ("state = /var/lib/b\nruntime = /run/b\nstoreMax = 1048576\n"
                       "localAsRoot = false\ntestProviders = true\nuids\n    first = 910000\n"
                       "    count = 10\nkeys\n    max = 77\n", arena, &said, &err), err);
    assert_string_equal (said.state, "/var/lib/b");
    assert_string_equal (said.runtime, "/run/b");
    assert_int_equal (said.store_max, 1048576);
    assert_true (berth_has (configuration, &said, local_as_root) && !said.local_as_root);
    assert_true (said.test_providers);
    assert_int_equal (said.uids->first, 910000);
    assert_int_equal (said.uids->count, 10);
    assert_int_equal (said.keys->max, 77);
}

static void
s_quotas (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    configuration_t said;
    assert_ok (s_read ("quotas\n    requestsPerSecond = 200\n    leases = 5\ncompanies\n    one\n"
                       "        id = \"acme:x\"\n        quotas\n            execs = 7\n    two\n"
                       "        id = other\n", arena, &said, &err), err);
    assert_int_equal (said.quotas->rate, 200);
    assert_int_equal (said.quotas->leases, 5);
    assert_int_equal (said.quotas->execs, 0);
    assert_int_equal (said.companies.count, 2);
    assert_string_equal (said.companies.items [0].id, "acme:x");
    assert_int_equal (said.companies.items [0].quotas->execs, 7);
    assert_string_equal (said.companies.items [1].id, "other");
    assert_null (said.companies.items [1].quotas);
}

static void
s_wrong_keys_are_named (void **state)
{
    (void) state;
    static const struct { const char *text, *field; } wrong [] = {
        { "foo = 1\n", "foo" },
        { "storeMax = much\n", "storeMax" },
        { "storeMax = -1\n", "storeMax" },
        { "localAsRoot = perhaps\n", "localAsRoot" },
        { "uids\n    first = 910000\n", "uids.count" },
        { "uids\n    first = 1\n    count = 1\n    last = 2\n", "uids.last" },
        { "uids = 5\n", "uids" },
        { "keys\n    max = 0\n", "keys.max" },
        { "quotas\n    leases = 0\n", "quotas.leases" },
        { "companies\n    one\n        id = a\n    two\n        name = b\n", "companies[1].name" },
    };
    for (size_t index = 0; index < BERTH_COUNT (wrong); index++) {
        own (arena) arena = arena_new ();
        berth_error_t err = { 0 };
        configuration_t said;
        assert_fails (s_read (wrong [index].text, arena, &said, &err), err, BERTH_INVALID);
        assert_string_equal (err.field, wrong [index].field);
    }
}

static void
s_missing_file (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    configuration_t said;
    assert_fails (configure ("/nowhere/berthd.zpl", arena, &said, &err), err, BERTH_NOT_FOUND);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_all_keys),
        cmocka_unit_test (s_quotas),
        cmocka_unit_test (s_wrong_keys_are_named),
        cmocka_unit_test (s_missing_file),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
