//  test_manual.c - the manual lists what the tables have, and its example configuration is one.

#include "fixture.h"

#include "commands.h"
#include "configure.h"
#include "daemon_options.h"
#include "help.h"
#include "manual.h"
#include "options.h"
#include "roff.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *
s_page (manual_page_t page)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream (&text, &size);
    assert_non_null (out);
    manual_print (page, out);
    assert_int_equal (fclose (out), 0);
    return text;
}

//  The page without its escapes: what a reader sees, more or less.
static char *
s_plain (char *page)
{
    char *to = page;
    for (const char *at = page; *at; at++)
        if (strncmp (at, "\\-", 2) == 0)
            *to++ = *++at;
        else if (strncmp (at, "\\f", 2) == 0)
            at += 2;
        else
            *to++ = *at;
    *to = 0;
    return page;
}

static void
s_says (const char *page, const char *what)
{
    if (!strstr (page, what))
        fail_msg ("'%s' is not in the page", what);
}

static void
s_options (const char *page, const berth_schema_t *schema)
{
    for (size_t index = 0; index < schema->count; index++) {
        char shown [120];
        option_shown (&schema->fields [index], NULL, shown, sizeof shown);
        s_says (page, shown);
    }
}

static void
s_pages_list_the_tables (void **state)
{
    (void) state;
    char *page = s_plain (s_page (manual_page_BERTH)), text [200];
    for (size_t index = 0; command_at (index); index++) {
        snprintf (text, sizeof text, "\nberth %s", command_at (index)->words);
        s_says (page, text);
    }
    s_options (page, &run_options_schema);
    s_options (page, &common_options_schema);
    for (int code = BERTH_OK + 1; code < BERTH_CODES; code++) {
        snprintf (text, sizeof text, "\n%d %s\n", berth_code_exit ((berth_code_t) code),
                  berth_code_text ((berth_code_t) code));
        s_says (page, text);
    }
    free (page);

    page = s_plain (s_page (manual_page_BERTHD));
    s_options (page, &daemon_options_schema);
    free (page);

    page = s_plain (s_page (manual_page_CONF));
    for (size_t index = 0; index < configuration_schema.count; index++)
        s_says (page, configuration_schema.fields [index].name);
    free (page);

    page = s_plain (s_page (manual_page_PROTOCOL));
    for (int code = 0; code < REQUEST_COUNT; code++) {
        const request_row_t *row = request_row ((request_code_t) code);
        snprintf (text, sizeof text, "\n%s %s -> %s", row->type, row->request->name, row->reply->name);
        if (row->roles != ROLE_INTERNAL)
            s_says (page, text);
        else
            assert_null (strstr (page, text));
    }
    free (page);
}

static void
s_awkward_text_stays_text (void **state)
{
    (void) state;
    FILE *out = tmpfile ();
    assert_non_null (out);
    roff_text (out, ".SH is `bold -x` \\n 'a' ~^\"");
    roff_lines (out, ".x\ny");
    rewind (out);
    char text [400] = "";
    assert_true (fread (text, 1, sizeof text - 1, out) > 0);
    fclose (out);
    assert_string_equal (text, ".PP\n\\&.SH is \\fBbold \\-x\\fR \\en \\(aqa\\(aq \\(ti\\(ha\\(dq\n"
                               ".PP\n.nf\n\\&.x\ny\n.fi\n");
}

static int
s_read (const char *text, arena_t *arena, configuration_t *said, berth_error_t *err)
{
    char path [] = "/tmp/manual.XXXXXX";
    int file = mkstemp (path);
    assert_true (file >= 0 && write (file, text, strlen (text)) == (ssize_t) strlen (text));
    close (file);
    int rc = configure (path, arena, said, err);
    unlink (path);
    return rc;
}

//  As it is, it says nothing; with every key taken out of its comment it is a configuration.
static void
s_example_is_a_configuration (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    configuration_t said;
    char *text = s_page (manual_page_EXAMPLE);
    assert_ok (s_read (text, arena, &said, &err), err);
    assert_int_equal (said.has, 0);

    char *to = text;
    for (const char *line = text; *line; line += strcspn (line, "\n") + 1) {
        size_t size = strcspn (line, "\n") + 1, spaces = strspn (line + 1, " ");
        bool key = *line == '#' && spaces % 4 == 0 && isalpha ((unsigned char) line [1 + spaces]);
        memmove (to, line + key, size - key);
        to += size - key;
    }
    *to = 0;
    assert_ok (s_read (text, arena, &said, &err), err);
    for (size_t index = 0; index < configuration_schema.count; index++)
        if (!((said.has >> index) & 1))
            fail_msg ("'%s' is not in the example", configuration_schema.fields [index].name);
    free (text);
}

//  What help prints to a terminal: no line is wider than 79 columns.
static void
s_help_is_narrow (void **state)
{
    (void) state;
    char path [] = "/tmp/help.XXXXXX", line [1000];
    int file = mkstemp (path), before = dup (STDOUT_FILENO);
    assert_true (file >= 0 && before >= 0);
    fflush (stdout);
    dup2 (file, STDOUT_FILENO);
    help_print_all ();
    for (size_t index = 0; command_at (index); index++)
        help_print (command_at (index));
    static const char *const groups [] = { "env", "lease", "exec", "workspace", "provider", "bus" };
    for (size_t index = 0; index < BERTH_COUNT (groups); index++)
        help_print_group (groups [index]);
    daemon_options_help ();
    fflush (stdout);
    dup2 (before, STDOUT_FILENO);
    close (before);
    FILE *said = fdopen (file, "r");
    rewind (said);
    size_t lines = 0;
    while (fgets (line, sizeof line, said)) {
        lines++;
        if (strlen (line) > 80)
            fail_msg ("wider than 79: %s", line);
    }
    fclose (said);
    unlink (path);
    assert_true (lines > 200);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_pages_list_the_tables),
        cmocka_unit_test (s_awkward_text_stays_text),
        cmocka_unit_test (s_example_is_a_configuration),
        cmocka_unit_test (s_help_is_narrow),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
