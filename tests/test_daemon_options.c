//  test_daemon_options.c - argv of berthd becomes options, or a sentence about the wrong one.

#include "fixture.h"

#include "daemon_options.h"

#define ARGV(...) ((char *[]) { "berthd", __VA_ARGS__, NULL })

static void
s_every_option (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    daemon_options_t said;
    assert_ok (daemon_options_read (ARGV ("--config", "c", "--state=/s", "--runtime", "/r", "--store-max",
                                          "2G", "--uids", "910000:10", "--no-local-root", "--ephemeral",
                                          "--owner-fd", "9", "--test-providers"), arena, &said, &err), err);
    assert_string_equal (said.config, "c");
    assert_string_equal (said.state, "/s");
    assert_string_equal (said.runtime, "/r");
    assert_int_equal (said.store_max, 2ull << 30);
    assert_string_equal (said.uids, "910000:10");
    assert_true (berth_has (daemon_options, &said, local_root) && !said.local_root);
    assert_true (said.ephemeral && said.test_providers && !said.help && !said.version);
    assert_int_equal (said.owner_fd, 9);

    assert_ok (daemon_options_read ((char *[]) { "berthd", NULL }, arena, &said, &err), err);
    assert_int_equal (said.has, 0);
    assert_ok (daemon_options_read (ARGV ("-h"), arena, &said, &err), err);
    assert_true (said.help);
    assert_ok (daemon_options_read (ARGV ("--store-max", "1048576"), arena, &said, &err), err);
    assert_int_equal (said.store_max, 1048576);
}

static void
s_wrong_ones_are_named (void **state)
{
    (void) state;
    static const struct { const char *first, *second, *word; } wrong [] = {
        { "--frob", NULL, "--frob" }, { "x", NULL, "'x'" }, { "-x", NULL, "-x" },
        { "--state", NULL, "--state" }, { "--state", "", "state" }, { "--store-max", "lots", "store-max" },
        { "--store-max", "1048575", "store-max" }, { "--store-max", "-1", "store-max" },
        { "--store-max", "65T", "storeMax" }, { "--owner-fd", "65536", "ownerFd" },
        { "--owner-fd", "one", "owner-fd" }, { "--uids", "5:5", "5:5" }, { "--uids", "900000", "900000" },
        { "--uids", "900000:", "uids" }, { "--uids", "900000:0", "uids" }, { "--uids", "-1:5", "uids" },
        { "--uids", "900000:5x", "uids" }, { "--uids", "4294967295:5", "uids" }, { "--", NULL, "--" },
    };
    for (size_t index = 0; index < BERTH_COUNT (wrong); index++) {
        own (arena) arena = arena_new ();
        berth_error_t err = { 0 };
        daemon_options_t said;
        char *argv [] = { "berthd", (char *) (uintptr_t) wrong [index].first,
                          (char *) (uintptr_t) wrong [index].second, NULL };
        assert_fails (daemon_options_read (argv, arena, &said, &err), err, BERTH_INVALID);
        if (!strstr (err.text, wrong [index].word))
            fail_msg ("'%s' is not named in: %s", wrong [index].word, err.text);
        assert_non_null (strstr (err.remedy, "berthd --help"));
    }
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_every_option),
        cmocka_unit_test (s_wrong_ones_are_named),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
