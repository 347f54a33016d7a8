//  test_help.c - every page of help fits a small terminal: 24 lines of 80 columns.

#include "fixture.h"

#include "help.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 24, COLUMNS = 80 };

//  Calls it with its output in a file.
static FILE *
s_begin (int *ret_stdout)
{
    fflush (stdout);
    FILE *page = tmpfile ();
    assert_non_null (page);
    *ret_stdout = dup (STDOUT_FILENO);
    assert_true (dup2 (fileno (page), STDOUT_FILENO) == STDOUT_FILENO);
    return page;
}

static void
s_end (FILE *page, int out, const char *words)
{
    fflush (stdout);
    assert_true (dup2 (out, STDOUT_FILENO) == STDOUT_FILENO);
    close (out);
    rewind (page);
    char line [1000];
    int lines = 0;
    while (fgets (line, sizeof line, page)) {
        lines++;
        if (strcspn (line, "\n") >= COLUMNS)
            fail_msg ("berth help %s: line %d is wider than %d columns: %s", words, lines, COLUMNS, line);
    }
    fclose (page);
    if (lines == 0 || lines > LINES)
        fail_msg ("berth help %s: %d lines", words, lines);
}

static void
test_every_page (void **state)
{
    (void) state;
    int out;
    FILE *page = s_begin (&out);
    help_print_all ();
    s_end (page, out, "");
    size_t commands = 0, groups = 0;
    char group [64] = "";
    for (; command_at (commands); commands++) {
        const command_t *command = command_at (commands);
        page = s_begin (&out);
        help_print (command);
        s_end (page, out, command->words);
        size_t size = strcspn (command->words, " ");
        if (!command->words [size] || (strncmp (group, command->words, size) == 0 && !group [size]))
            continue;
        snprintf (group, sizeof group, "%.*s", (int) size, command->words);
        page = s_begin (&out);
        help_print_group (group);
        s_end (page, out, group);
        groups++;
    }
    assert_true (commands > 40 && groups > 5);
}

int
main (void)
{
    const struct CMUnitTest tests [] = { cmocka_unit_test (test_every_page) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
