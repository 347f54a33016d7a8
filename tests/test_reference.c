//  test_reference.c - the reference part of messages/README.md is what the tables say.
//
//      tests/reference            compares
//      tests/reference --write    writes it anew

#include "fixture.h"

#include "describe.h"

#include <inttypes.h>
#include <stdio.h>

#define BEGIN "<!-- begin of the reference: made by tests/reference --write -->\n"
#define END "<!-- end of the reference -->\n"

//  Text of a table's cell: a bar would end it.
static void
s_cell (FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf (out, *text == '|' ? "\\|" : "%c", *text);
}

static void
s_requests (FILE *out, const bus_description_t *all)
{
    fputs ("### Requests\n\n"
           "W: it changes state. S: with credit, its answer is a stream. D: frame 2 may carry bytes.\n\n"
           "| type | body | result | | roles | what it does |\n| --- | --- | --- | --- | --- | --- |\n",
           out);
    for (size_t at = 0; at < all->requests.count; at++) {
        const describe_request_t *row = &all->requests.items [at];
        fprintf (out, "| `%s` | [%s](#%s) | [%s](#%s) | %s%s%s |", row->type, row->request,
                 row->request, row->reply, row->reply, row->writes ? "W" : "",
                 row->streams ? "S" : "", row->data ? "D" : "");
        for (size_t role = 0; role < row->roles.count; role++)
            fprintf (out, "%s %s", role ? "," : "", row->roles.items [role]);
        fputs (" | ", out);
        s_cell (out, row->doc);
        fputs (" |\n", out);
    }
}

static void
s_kind (FILE *out, const describe_field_t *row)
{
    if (row->values.count) {
        for (size_t at = 0; at < row->values.count; at++)
            fprintf (out, "%s`%s`", at ? ", " : "enum: ", row->values.items [at]);
    }
    else if (row->of && strcmp (row->kind, "any") == 0)
        fputs ("any map", out);
    else if (row->of)
        fprintf (out, "%s[%s](#%s)", strcmp (row->kind, "list") == 0 ? "list of " : "", row->of,
                 row->of);
    else
        fputs (row->kind, out);
    bool number = row->kind [1] == '6' || strcmp (row->kind, "time") == 0;
    if (row->positive)
        fputs (number ? ", above 0" : ", not empty", out);
    if (row->secret)
        fputs (", secret", out);
}

static void
s_schemas (FILE *out, const bus_description_t *all)
{
    fputs ("\n### Schemas\n", out);
    for (size_t at = 0; at < all->schemas.count; at++) {
        const describe_schema_t *schema = &all->schemas.items [at];
        fprintf (out, "\n#### %s\n\n%s%s\n", schema->name, schema->doc,
                 schema->strict ? " Strict: unknown keys are refused." : "");
        if (schema->fields.count)
            fputs ("\n| field | kind | presence | limit | meaning |\n"
                   "| --- | --- | --- | --- | --- |\n", out);
        for (size_t index = 0; index < schema->fields.count; index++) {
            const describe_field_t *row = &schema->fields.items [index];
            fprintf (out, "| `%s` | ", row->name);
            s_kind (out, row);
            fprintf (out, " | %s | ", row->presence);
            if (row->limit)
                fprintf (out, "%" PRIu64 " ", row->limit);
            fputs ("| ", out);
            s_cell (out, row->doc);
            fputs (" |\n", out);
        }
    }
}

static void
s_small_tables (FILE *out, const bus_description_t *all)
{
    fputs ("\n### Errors\n\n"
           "Exit: the exit status of the command line. Retry: the same request may succeed later.\n\n"
           "| code | exit | retry | meaning |\n| --- | --- | --- | --- |\n", out);
    for (size_t at = 0; at < all->errors.count; at++) {
        const describe_error_t *row = &all->errors.items [at];
        fprintf (out, "| `%s` | %" PRIu64 " | %s | %s |\n", row->code, row->exit,
                 row->retryable ? "yes" : "no", row->doc);
    }
    fputs ("\n### Limits\n\n| limit | value | what is bounded |\n| --- | --- | --- |\n", out);
    for (size_t at = 0; at < all->limits.count; at++)
        fprintf (out, "| `%s` | %" PRIu64 " | %s |\n", all->limits.items [at].name,
                 all->limits.items [at].value, all->limits.items [at].doc);

#define ROLE_ROW(name, text, doc) { ROLE_##name, text, doc },
    static const struct { unsigned role; const char *text, *doc; } roles [] = { ROLES (ROLE_ROW) };
    fputs ("\n### Roles\n\n| role | what it may |\n| --- | --- |\n", out);
    for (size_t at = 0; at < BERTH_COUNT (roles); at++)
        if (roles [at].role != ROLE_INTERNAL)
            fprintf (out, "| `%s` | %s |\n", roles [at].text, roles [at].doc);

    fputs ("\n### Actions\n\n| action | entityType |\n| --- | --- |\n", out);
    for (size_t at = 0; at < all->actions.count; at++)
        fprintf (out, "| `%s` | `%s` |\n", all->actions.items [at].action,
                 all->actions.items [at].entity);
}

//  The reference, between its marks; the caller frees it.
static char *
s_reference (void)
{
    own (arena) arena = arena_new ();
    bus_description_t all;
    describe_bus (arena, &all);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream (&text, &size);
    assert_non_null (out);
    fputs (BEGIN "\n", out);
    s_requests (out, &all);
    s_schemas (out, &all);
    s_small_tables (out, &all);
    fputs ("\n" END, out);
    fclose (out);
    return text;
}

//  ---- the page

static const char *
s_path (arena_t *arena)
{
    const char *source = getenv ("BERTH_SOURCE");
    return fixture_path (arena, source ? source : ".", "messages/README.md");
}

static char *
s_read (const char *path)
{
    FILE *file = fopen (path, "r");
    if (!file)
        fail_msg ("cannot read %s", path);
    char *text = NULL;
    size_t room = 0;
    if (getdelim (&text, &room, '\0', file) < 0)
        fail_msg ("%s is empty", path);
    fclose (file);
    return text;
}

//  Where the reference of a page begins and ends.
static void
s_marks (char *page, char **ret_begin, char **ret_end)
{
    *ret_begin = strstr (page, BEGIN);
    char *end = *ret_begin ? strstr (*ret_begin, END) : NULL;
    if (!end)
        fail_msg ("messages/README.md has lost the marks of its reference:\n%s%s", BEGIN, END);
    *ret_end = end + strlen (END);
}

static void
s_page_says_what_the_tables_say (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    char *page = s_read (s_path (arena)), *reference = s_reference (), *begin, *end;
    s_marks (page, &begin, &end);
    size_t same = 0, line = 0;
    while (begin + same < end && begin [same] == reference [same])
        line = begin [same++] == '\n' ? same : line;
    if (begin + same != end || reference [same])
        fail_msg ("the reference in messages/README.md is old: run tests/reference --write\n"
                  "page:   %.*s\ntables: %.*s", (int) strcspn (begin + line, "\n"), begin + line,
                  (int) strcspn (reference + line, "\n"), reference + line);
    free (page);
    free (reference);
}

static void
s_write (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    const char *path = s_path (arena);
    char *page = s_read (path), *reference = s_reference (), *begin, *end;
    s_marks (page, &begin, &end);
    FILE *file = fopen (path, "w");
    if (!file)
        fail_msg ("cannot write %s", path);
    fwrite (page, 1, (size_t) (begin - page), file);
    fputs (reference, file);
    fputs (end, file);
    assert_int_equal (fclose (file), 0);
    free (page);
    free (reference);
}

int
main (int argc, char *argv [])
{
    const struct CMUnitTest compare [] = { cmocka_unit_test (s_page_says_what_the_tables_say) };
    const struct CMUnitTest write [] = { cmocka_unit_test (s_write) };
    if (argc == 2 && strcmp (argv [1], "--write") == 0)
        return cmocka_run_group_tests (write, NULL, NULL);
    return cmocka_run_group_tests (compare, NULL, NULL);
}
