//  test_flags.c - argv becomes a message: every kind of value, what is refused, and noise.

#include "fixture.h"

#include "clock.h"
#include "commands.h"
#include "flags.h"
#include "help.h"
#include "json.h"
#include "wire.h"

#include <stdio.h>

//  Takes all options of argv and unpacks them; the codec is the judge of what comes out.
static int
s_parse (const berth_schema_t *schema, arena_t *arena, void *ret_message, berth_error_t *err,
         char **argv)
{
    berth_bytes_t body = berth_empty_map;
    for (int at = 0; argv [at];) {
        int rc = flags_take (schema, "e=env q=quiet f=follow", argv, &at, arena, &body, err);
        if (rc < 0)
            return -1;
        if (rc == 0)
            return berth_fail (err, BERTH_INVALID, "no option '%.100s'", argv [at]);
    }
    return berth_unpack (schema, body, arena, ret_message, err);
}

#define ARGV(...) ((char *[]) { __VA_ARGS__, NULL })

static void
s_every_kind_of_value (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    run_options_t run;
    assert_ok (s_parse (&run_options_schema, arena, &run, &err,
                        ARGV ("--on", "py39", "--workspace=/src", "--return", "--timeout", "5m", "-e",
                              "A=1", "-eB=2", "--env=C", "--ro", "/opt", "--no-net", "--exclude", "x")), err);
    assert_string_equal (run.on, "py39");
    assert_bytes (run.workspace, BYTES_OF ("/src"));
    assert_true (run.give_back && !run.net);
    assert_true (berth_has (run_options, &run, net));
    assert_false (berth_has (run_options, &run, tty));
    assert_true (run.timeout_ms == 300000);
    assert_int_equal (run.env.count, 3);
    assert_bytes (run.env.items [0], BYTES_OF ("A=1"));
    assert_bytes (run.env.items [1], BYTES_OF ("B=2"));
    assert_bytes (run.env.items [2], BYTES_OF ("C"));
    assert_bytes (run.ro.items [0], BYTES_OF ("/opt"));
    assert_string_equal (run.excludes.items [0], "x");

    environment_create_t create;
    assert_ok (s_parse (&environment_create_schema, arena, &create, &err,
                        ARGV ("--company-id", "acme", "--name", "n", "--driver", "sandbox", "--config",
                              "{\"provider\": \"fake\"}", "--policy", "{\"idleMs\": 5}",
                              "--no-description")), err);
    assert_int_equal (create.driver, environment_driver_SANDBOX);
    assert_string_equal (any_text (create.config, "provider", arena), "fake");
    assert_true (create.policy->idle_ms == 5);
    assert_true (berth_null (environment_create, &create, description));

    //  An object key by key; a value is what it looks like.
    assert_ok (s_parse (&environment_create_schema, arena, &create, &err,
                        ARGV ("--company-id", "acme", "--name", "n", "--driver", "ssh", "--config",
                              "host=a=b", "--config", "port=22", "--config=strict=true", "--config",
                              "word=\"quoted\"", "--config", "none=null", "--config", "list=[1]")), err);
    assert_string_equal (any_text (create.config, "host", arena), "a=b");
    assert_int_equal (any_number (create.config, "port", 0), 22);
    assert_true (any_truth (create.config, "strict", false));
    assert_string_equal (any_text (create.config, "word", arena), "\"quoted\"");
    assert_true (any_is_null (any_get (create.config, "none")));
    assert_true (any_get (create.config, "none").size == 1);
    assert_bytes (any_get (create.config, "list"), BYTES_OF ("\x91\x01"));

    lease_acquire_t acquire;
    char *id = "00000000-0000-7000-8000-000000000001";
    assert_ok (s_parse (&lease_acquire_schema, arena, &acquire, &err,
                        ARGV ("--company-id", "acme", "--environment-id", id, "--max-lease", "none",
                              "--idle", "90s", "--no-wait")), err);
    assert_string_equal (any_text (any_set (berth_empty_map, "x", acquire.max_lease, arena), "x", arena), "none");
    assert_true (acquire.idle_ms == 90000);
    assert_true (berth_has (lease_acquire, &acquire, wait) && !acquire.wait);
    assert_ok (s_parse (&lease_acquire_schema, arena, &acquire, &err,
                        ARGV ("--company-id", "acme", "--environment-id", id, "--max-lease", "2h",
                              "--idle-ms", "7", "--wait=true")), err);
    assert_true (any_number (any_set (berth_empty_map, "x", acquire.max_lease, arena), "x", 0) == 7200000);
    assert_true (acquire.idle_ms == 7 && acquire.wait);

    exec_start_t start;
    assert_ok (s_parse (&exec_start_schema, arena, &start, &err,
                        ARGV ("--lease-id", id, "--spool-max", "64M", "--command", "a\xff")), err);
    assert_true (start.spool_max == 64 << 20);
    assert_bytes (start.command, BYTES_OF ("a\xff"));

    exec_signal_t tell;
    assert_ok (s_parse (&exec_signal_schema, arena, &tell, &err,
                        ARGV ("--exec-id", id, "--signal", "sigterm")), err);
    assert_true (tell.signal == 15);
}

static void
s_times (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    events_options_t events;
    assert_ok (s_parse (&events_options_schema, arena, &events, &err,
                        ARGV ("--since", "2026-05-11T09:30:00.25Z", "--until", "2026-05-12", "-f")), err);
    assert_true (events.since == 1778491800250);
    assert_true (events.until == 1778544000000);
    assert_true (events.follow);
    int64_t now = berth_wall_ms ();
    assert_ok (s_parse (&events_options_schema, arena, &events, &err, ARGV ("--since", "10m")), err);
    assert_in_range (events.since, now - 600000, now - 600000 + 60000);
    assert_ok (s_parse (&events_options_schema, arena, &events, &err,
                        ARGV ("--since", "1778491800250")), err);
    assert_true (events.since == 1778491800250);
}

static void
s_durations_sizes_signals (void **state)
{
    (void) state;
    static const struct { const char *text; uint64_t ms; } durations [] = {
        { "0", 0 }, { "1500", 1500 }, { "250ms", 250 }, { "30s", 30000 }, { "1.5s", 1500 },
        { "5m", 300000 }, { "2h", 7200000 }, { "1D", 86400000 }
    };
    uint64_t value;
    for (size_t index = 0; index < BERTH_COUNT (durations); index++) {
        assert_int_equal (flags_duration (durations [index].text, &value), 0);
        assert_true (value == durations [index].ms);
    }
    static const char *const wrong [] = {
        "", "s", "-1s", "+1", " 1", "1x", "1 s", "0x10", "1e3", "inf", "nan", "1s2", "999999999999999999999s",
        "99999999999999999h", ".5s"
    };
    for (size_t index = 0; index < BERTH_COUNT (wrong); index++) {
        assert_int_equal (flags_duration (wrong [index], &value), -1);
        assert_int_equal (flags_size (wrong [index], &value), -1);
    }
    assert_int_equal (flags_size ("64M", &value), 0);
    assert_true (value == 64 << 20);
    assert_int_equal (flags_size ("1.5KiB", &value), 0);
    assert_true (value == 1536);
    assert_int_equal (flags_signal ("TERM"), 15);
    assert_int_equal (flags_signal ("SIGKILL"), 9);
    assert_int_equal (flags_signal ("64"), 64);
    assert_int_equal (flags_signal ("65"), 0);
    assert_int_equal (flags_signal ("0"), 0);
    assert_int_equal (flags_signal ("NONSENSE"), 0);
}

static void
s_wrong_options_are_named (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    static const struct { char *argv [4]; const char *said; } rows [] = {
        { { "--nonsense" }, "--nonsense" },
        { { "--timeout" }, "--timeout" },
        { { "--timeout", "soon" }, "--timeout" },
        { { "--timeout=" }, "--timeout" },
        { { "--timeout", "0" }, "timeoutMs" },
        { { "--return=maybe" }, "--return" },
        { { "--no-return=true" }, "return" },
        { { "--no-timeout" }, "--no-timeout" },
        { { "--on", "\xff" }, "--on" },
        { { "--on", "" }, "on" },
        { { "-x" }, "-x" },
        { { "--" }, "--" },
        { { "--tty", "--tty=2" }, "--tty" },
    };
    for (size_t index = 0; index < BERTH_COUNT (rows); index++) {
        run_options_t run;
        berth_error_t err = { 0 };
        char *argv [4];
        memcpy (argv, rows [index].argv, sizeof argv);
        assert_fails (s_parse (&run_options_schema, arena, &run, &err, argv), err, BERTH_INVALID);
        if (!strstr (err.text, rows [index].said))
            fail_msg ("'%s' does not name '%s'", err.text, rows [index].said);
    }
    environment_create_t create;
    berth_error_t err = { 0 };
    assert_fails (s_parse (&environment_create_schema, arena, &create, &err, ARGV ("--config", "{\"a\":")),
                  err, BERTH_INVALID);
    assert_non_null (strstr (err.text, "--config"));
    assert_fails (s_parse (&environment_create_schema, arena, &create, &err, ARGV ("--config", "@/nowhere/x")),
                  err, BERTH_INVALID);
    assert_non_null (strstr (err.text, "/nowhere/x"));
}

static void
s_json_from_a_file (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    char *folder = fixture_folder_new ();
    const char *path = fixture_path (arena, folder, "config.json");
    FILE *file = fopen (path, "w");
    assert_non_null (file);
    fputs ("{ \"network\": \"none\" }\n", file);
    fclose (file);
    berth_error_t err = { 0 };
    environment_create_t create;
    assert_ok (s_parse (&environment_create_schema, arena, &create, &err,
                        ARGV ("--company-id", "a", "--name", "n", "--driver", "local", "--config",
                              arena_printf (arena, "@%s", path))), err);
    assert_string_equal (any_text (create.config, "network", arena), "none");
    fixture_folder_destroy (&folder);
}

//  The table: arguments name fields, options do not hide each other.
static void
s_the_table_is_sound (void **state)
{
    (void) state;
    size_t count = 0;
    for (; command_at (count); count++) {
        const command_t *command = command_at (count);
        assert_non_null (command->options);
        assert_true (command->run || command->request != REQUEST_COUNT);
        for (size_t other = 0; other < count; other++)
            assert_string_not_equal (command->words, command_at (other)->words);
        for (size_t index = 0; index < BERTH_COUNT (command->arguments); index++)
            if (command->arguments [index].field
                && !berth_schema_field (command->options, command->arguments [index].field))
                fail_msg ("%s: no field %s", command->words, command->arguments [index].field);
        for (size_t one = 0; one < command->options->count; one++)
            for (size_t other = 0; other < one; other++) {
                char name [80], same [80];
                flags_name (&command->options->fields [one], name, sizeof name);
                flags_name (&command->options->fields [other], same, sizeof same);
                assert_string_not_equal (name, same);
            }
        if (!command->run)
            assert_ptr_equal (command->options, request_row (command->request)->request);
    }
    assert_true (count > 30);
    assert_string_equal (help_group ("provider"), "list show probe sweep pause unpause");
    assert_null (help_group ("run"));
}

//  Noise from the words of all options: it is taken or refused with a sentence, and what is taken
//  is sound msgpack.
static void
s_noise (void **state)
{
    (void) state;
    fixture_random_t random = { 20260511 };
    static const char *const values [] = {
        "", "-", "--", "1", "5m", "{}", "[1,2", "none", "\xff\xfe", "{\"a\":{\"b\":[null]}}", "-1",
        "9999999999999999999999", "true", "TERM", "2026-05-11", "@", "@/", "\x01", "null", "=", "--no-"
    };
    for (int round = 0; round < 4000; round++) {
        own (arena) arena = arena_new ();
        const command_t *command;
        size_t rows = 0;
        while (command_at (rows))
            rows++;
        command = command_at (fixture_below (&random, rows));
        char *argv [8] = { NULL };
        size_t count = 1 + fixture_below (&random, 6);
        for (size_t index = 0; index < count; index++) {
            const char *value = values [fixture_below (&random, BERTH_COUNT (values))];
            char name [80] = "x";
            if (command->options->count)
                flags_name (&command->options->fields [fixture_below (&random, command->options->count)],
                            name, sizeof name);
            switch (fixture_below (&random, 4)) {
                case 0: argv [index] = arena_printf (arena, "--%s", name); break;
                case 1: argv [index] = arena_printf (arena, "--%s=%s", name, value); break;
                case 2: argv [index] = arena_printf (arena, "--no-%s", name); break;
                default: argv [index] = arena_string (arena, value);
            }
            //  "-" would read the test's stdin.
            size_t size = strlen (argv [index]);
            if (strcmp (argv [index], "-") == 0 || (size > 2 && strcmp (argv [index] + size - 2, "=-") == 0))
                argv [index] = arena_string (arena, "--x");
        }
        berth_bytes_t body = berth_empty_map;
        berth_error_t err = { 0 };
        for (int at = 0; argv [at];) {
            int before = at;
            int rc = flags_take (command->options, command->letters, argv, &at, arena, &body, &err);
            if (rc < 0)
                assert_true (err.code != BERTH_OK && err.text [0]);
            if (rc <= 0)
                break;
            assert_true (at > before);
        }
        assert_ok (wire_check (body, BERTH_DEPTH_MAX + 1, BERTH_ELEMENTS_MAX, &err), err);
        void *message = arena_take (arena, command->options->size);
        (void) berth_unpack (command->options, body, arena, message, &err);     //  No crash is the test
    }
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_every_kind_of_value),
        cmocka_unit_test (s_times),
        cmocka_unit_test (s_durations_sizes_signals),
        cmocka_unit_test (s_wrong_options_are_named),
        cmocka_unit_test (s_json_from_a_file),
        cmocka_unit_test (s_the_table_is_sound),
        cmocka_unit_test (s_noise),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
