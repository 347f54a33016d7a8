//  test_output.c - what stands on stdout: tables, records, JSON lines, and nothing that a terminal
//  would obey.

#include "fixture.h"

#include "output.h"
#include "requests.h"

#include <stdio.h>

enum { NOW = 1778491800 };

typedef struct {
    char *text;
    size_t size;
    output_t out;
} paper_t;

static void
s_open (paper_t *self, size_t width, bool json, bool quiet)
{
    *self = (paper_t) { .text = NULL };
    self->out = (output_t) { .file = open_memstream (&self->text, &self->size), .now = NOW * 1000ll,
                             .width = width, .json = json, .quiet = quiet };
    assert_non_null (self->out.file);
}

static const char *
s_close (paper_t *self)
{
    fclose (self->out.file);
    return self->text;
}

static berth_bytes_t
s_environments (arena_t *arena)
{
    environment_t *rows = arena_array (arena, 2, environment_t);
    for (size_t index = 0; index < 2; index++) {
        rows [index] = (environment_t) {
            .id = index ? "00000000-0000-7000-8000-000000000002" : "00000000-0000-7000-8000-000000000001",
            .company = "acme", .name = index ? "gr\xc3\xbc\xc3\x9f" : "py39",
            .driver = index ? environment_driver_LOCAL : environment_driver_SANDBOX,
            .status = environment_status_ACTIVE,
            .config = any_set_text (berth_empty_map, index ? "x" : "provider", "bubblewrap", arena)
        };
        berth_put (environment, &rows [index], created_at, NOW * 1000ll);
        berth_put (environment, &rows [index], updated_at, NOW * 1000ll - (index ? 300000 : 5000));
    }
    environment_page_t page = { .items = { 2, rows } };
    return berth_pack (&environment_page_schema, &page, arena);
}

static void
s_a_list_is_a_table (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    paper_t paper;
    s_open (&paper, 0, false, false);
    assert_int_equal (output_reply (&paper.out, &environment_page_schema, s_environments (arena), true,
                                    arena, &err), 2);
    assert_string_equal (s_close (&paper),
        "ID                                    NAME  DRIVER   PROVIDER    STATUS  UPDATED\n"
        "00000000-0000-7000-8000-000000000001  py39  sandbox  bubblewrap  active  5s\n"
        "00000000-0000-7000-8000-000000000002  gr\xc3\xbc\xc3\x9f  local    -           active  5m\n");
    free (paper.text);
}

static void
s_a_terminal_cuts_lines (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    paper_t paper;
    s_open (&paper, 41, false, false);
    assert_int_equal (output_reply (&paper.out, &environment_page_schema, s_environments (arena), true,
                                    arena, &err), 2);
    assert_string_equal (s_close (&paper),
        "ID                                    NAM\n"
        "00000000-0000-7000-8000-000000000001  py3\n"
        "00000000-0000-7000-8000-000000000002  gr\xc3\xbc\n");
    free (paper.text);
}

static void
s_programs_get_lines (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    paper_t paper;
    s_open (&paper, 20, true, false);
    assert_int_equal (output_reply (&paper.out, &environment_page_schema, s_environments (arena), true,
                                    arena, &err), 2);
    const char *text = s_close (&paper);
    assert_memory_equal (text, "{\"id\":\"00000000-0000-7000-8000-000000000001\"", 44);
    assert_int_equal (text [strlen (text) - 1], '\n');
    size_t lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    assert_int_equal (lines, 2);
    free (paper.text);

    s_open (&paper, 20, false, true);
    assert_int_equal (output_reply (&paper.out, &environment_page_schema, s_environments (arena), true,
                                    arena, &err), 2);
    assert_string_equal (s_close (&paper), "00000000-0000-7000-8000-000000000001\n"
                                           "00000000-0000-7000-8000-000000000002\n");
    free (paper.text);
}

static void
s_a_row_is_a_record (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    exec_t exec = { .id = "00000000-0000-7000-8000-000000000001", .company = "acme",
                    .lease = "00000000-0000-7000-8000-000000000002", .state = exec_state_ENDED,
                    .cause = exec_cause_EXITED, .command = BYTES_OF ("ev\x1b[31mil\xff"),
                    .reason = "one\nline", .on_full = exec_on_full_BLOCK };
    berth_put (exec, &exec, exit_code, 3);
    berth_put (exec, &exec, started_at, NOW * 1000ll - 7200000);
    berth_put (exec, &exec, created_at, NOW * 1000ll + 7200000);
    berth_put (exec, &exec, stdout_bytes, 1536);
    berth_put (exec, &exec, stderr_bytes, 0);
    berth_put (exec, &exec, timeout_ms, 90000);
    berth_put (exec, &exec, timed_out, false);
    berth_put (exec, &exec, generation, 1);
    berth_put (exec, &exec, args_count, 1);
    berth_put (exec, &exec, tty, true);
    berth_put (exec, &exec, stdin_open, true);
    berth_put (exec, &exec, spool_max, 1);
    berth_put (exec, &exec, truncated, false);
    berth_put (exec, &exec, stalled, false);
    paper_t paper;
    s_open (&paper, 0, false, false);
    assert_int_equal (output_reply (&paper.out, &exec_schema, berth_pack (&exec_schema, &exec, arena), true,
                                    arena, &err), 1);
    const char *text = s_close (&paper);
    assert_non_null (strstr (text, "\nexitCode     3\n"));
    assert_non_null (strstr (text, "\nstdoutBytes  1.5 KiB\n"));
    assert_non_null (strstr (text, "\nstderrBytes  0 B\n"));
    assert_non_null (strstr (text, "\ntimeoutMs    1m30s\n"));
    assert_non_null (strstr (text, "\nstartedAt    2026-05-11T07:30:00.000Z (2h ago)\n"));
    assert_non_null (strstr (text, "\ncreatedAt    2026-05-11T11:30:00.000Z (in 2h)\n"));
    assert_non_null (strstr (text, "\ncommand      ev?[31mil?\n"));
    assert_non_null (strstr (text, "\nreason       one line\n"));
    assert_null (strstr (text, "signal"));
    free (paper.text);
}

static void
s_a_malformed_reply_is_an_error (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    paper_t paper;
    s_open (&paper, 0, false, false);
    assert_int_equal (output_reply (&paper.out, &exec_schema, berth_empty_map, true, arena, &err), -1);
    assert_int_equal (err.code, BERTH_INVALID);
    assert_string_equal (s_close (&paper), "");
    free (paper.text);
}

static void
s_numbers_are_readable (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    assert_string_equal (output_size (0, arena), "0 B");
    assert_string_equal (output_size (1023, arena), "1023 B");
    assert_string_equal (output_size (1024, arena), "1.0 KiB");
    assert_string_equal (output_size (1048575, arena), "1.0 MiB");
    assert_string_equal (output_size (UINT64_MAX, arena), "16.0 EiB");
    assert_string_equal (output_duration (0, arena), "0 ms");
    assert_string_equal (output_duration (1500, arena), "1.5 s");
    assert_string_equal (output_duration (123000, arena), "2m03s");
    assert_string_equal (output_duration (7500000, arena), "2h05m");
    assert_string_equal (output_duration (200000000, arena), "2d7h");
    assert_string_equal (output_age (1000, 1000, arena), "0s");
    assert_string_equal (output_age (0, 119000, arena), "119s");
    assert_string_equal (output_age (0, 120000, arena), "2m");
    assert_string_equal (output_age (86400000 * 3, 0, arena), "in 3d");
}

//  Every message of the protocol prints, whatever its fields are.
static void
s_every_schema_prints (void **state)
{
    (void) state;
    size_t count = 0;
    for (const berth_schema_t *schema; (schema = berth_schema_at (count)); count++) {
        own (arena) arena = arena_new ();
        void *message = arena_take (arena, schema->size);
        for (size_t index = 0; index < schema->count; index++)
            assert_string_equal (output_cell (&schema->fields [index], schema, message, 0, arena), "");
    }
    assert_true (count > 50);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_a_list_is_a_table),
        cmocka_unit_test (s_a_terminal_cuts_lines),
        cmocka_unit_test (s_programs_get_lines),
        cmocka_unit_test (s_a_row_is_a_record),
        cmocka_unit_test (s_a_malformed_reply_is_an_error),
        cmocka_unit_test (s_numbers_are_readable),
        cmocka_unit_test (s_every_schema_prints),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
