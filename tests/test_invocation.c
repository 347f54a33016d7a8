//  test_invocation.c - a whole command line: words, options anywhere, arguments, what is behind --.

#include "fixture.h"

#include "help.h"
#include "invocation.h"

#include <stdio.h>

#define ARGV(...) ((char *[]) { "berth", __VA_ARGS__, NULL })

static int
s_read (invocation_t *self, arena_t *arena, berth_error_t *err, char **argv)
{
    *self = (invocation_t) { .arena = arena, .body = berth_empty_map };
    *err = (berth_error_t) { 0 };
    return invocation_read (self, argv, err);
}

static void
s_words_options_arguments (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err;
    invocation_t self;
    assert_ok (s_read (&self, arena, &err, ARGV ("--json", "lease", "acquire", "--idle", "5m", "py39",
                                                 "--company", "acme", "-q")), err);
    assert_string_equal (self.command->words, "lease acquire");
    assert_true (self.common.json && self.common.quiet);
    assert_string_equal (self.company, "acme");
    assert_string_equal (any_text (self.body, "environmentId", arena), "py39");
    assert_true (any_number (self.body, "idleMs", 0) == 300000);

    //  A command's own option wins over one of all commands.
    assert_ok (s_read (&self, arena, &err, ARGV ("--state", "/s", "lease", "list", "--state", "active")), err);
    assert_string_equal (self.common.state, "/s");
    assert_string_equal (any_text (self.body, "state", arena), "active");

    assert_ok (s_read (&self, arena, &err, ARGV ("exec", "signal", "abcd", "TERM")), err);
    assert_true (any_number (self.body, "signal", 0) == 15);
    assert_ok (s_read (&self, arena, &err, ARGV ("bus", "call", "lease.get", "{\"a\":1}")), err);
    assert_true (any_number (any_get (self.body, "body"), "a", 0) == 1);
    assert_ok (s_read (&self, arena, &err, (char *[]) { "berth", NULL }), err);
    assert_null (self.command);
    assert_ok (s_read (&self, arena, &err, ARGV ("env", "--help")), err);
    assert_string_equal (self.group, "env");
}

static void
s_the_tail_is_left_alone (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err;
    invocation_t self;
    assert_ok (s_read (&self, arena, &err, ARGV ("run", "--net", "--", "ls", "--json", "--", "-e")), err);
    assert_int_equal (self.tail_count, 4);
    assert_bytes (self.tail [1], BYTES_OF ("--json"));
    assert_false (self.common.json);
    //  The first word that is no option begins it, too.
    assert_ok (s_read (&self, arena, &err, ARGV ("run", "-e", "A=1", "make", "test", "--json")), err);
    assert_int_equal (self.tail_count, 3);
    assert_bytes (self.tail [0], BYTES_OF ("make"));
    assert_ok (s_read (&self, arena, &err, ARGV ("exec", "start", "abcd", "--", "--x")), err);
    assert_int_equal (self.tail_count, 1);
    assert_ok (s_read (&self, arena, &err, ARGV ("run", "--")), err);
    assert_int_equal (self.tail_count, 0);
}

static void
s_what_is_wrong_is_named (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    static const struct { char *argv [6]; const char *said; } rows [] = {
        { { "leas" }, "leas" },
        { { "lease" }, "acquire list" },
        { { "lease", "take" }, "lease take" },
        { { "lease", "list", "x" }, "'x'" },
        { { "lease", "list", "--nonsense" }, "--nonsense" },
        { { "lease", "list", "--" }, "--" },
        { { "--nonsense" }, "--nonsense" },
        { { "lease", "acquire", "a", "b" }, "'b'" },
        { { "-x", "lease" }, "-x" },
        { { "--deadline", "never", "status" }, "--deadline" },
        { { "" }, "''" },
    };
    for (size_t index = 0; index < BERTH_COUNT (rows); index++) {
        char *argv [8] = { "berth" };
        memcpy (argv + 1, rows [index].argv, sizeof rows [index].argv);
        berth_error_t err;
        invocation_t self;
        assert_fails (s_read (&self, arena, &err, argv), err, BERTH_INVALID);
        if (!strstr (err.text, rows [index].said))
            fail_msg ("'%s' does not name %s", err.text, rows [index].said);
    }
}

static void
s_what_is_missing_is_named (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err;
    invocation_t self;
    assert_ok (s_read (&self, arena, &err, ARGV ("exec", "signal", "abcd")), err);
    assert_fails (invocation_complete (&self, &err), err, BERTH_INVALID);
    assert_string_equal (err.text, "SIGNAL is missing");
    assert_ok (s_read (&self, arena, &err, ARGV ("provider", "show", "fake")), err);
    assert_ok (invocation_complete (&self, &err), err);
    self.body = any_set_text (berth_empty_map, "name", "n", arena);
    assert_ok (s_read (&self, arena, &err, ARGV ("env", "create", "n", "--company-id", "a")), err);
    assert_fails (invocation_complete (&self, &err), err, BERTH_INVALID);
    assert_string_equal (err.text, "--driver is missing");
}

//  Any words in any order: a command, help, or a sentence.
static void
s_noise (void **state)
{
    (void) state;
    fixture_random_t random = { 8 };
    static char *const words [] = {
        "run", "env", "lease", "exec", "bus", "create", "list", "call", "start", "--", "-", "--json", "-q",
        "--state", "x", "--help", "--on", "", "-e", "A=1", "--no-json", "\xff", "help", "status", "signal",
        "9", "--deadline=5s", "--company", "-eB", "{}", "--all=no", "-h"
    };
    for (int round = 0; round < 20000; round++) {
        own (arena) arena = arena_new ();
        char *argv [9] = { "berth" };
        for (size_t index = 1, count = 1 + fixture_below (&random, 7); index <= count; index++)
            argv [index] = words [fixture_below (&random, BERTH_COUNT (words))];
        berth_error_t err;
        invocation_t self;
        if (s_read (&self, arena, &err, argv)) {
            assert_true (err.code == BERTH_INVALID && err.text [0]);
            continue;
        }
        if (self.command)
            (void) invocation_complete (&self, &err);
    }
}

int
main (void)
{
    unsetenv ("BERTH_COMPANY");
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_words_options_arguments),
        cmocka_unit_test (s_the_tail_is_left_alone),
        cmocka_unit_test (s_what_is_wrong_is_named),
        cmocka_unit_test (s_what_is_missing_is_named),
        cmocka_unit_test (s_noise),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
