//  test_complete.c - what may come next in a command line, by the tables and by a service.

#include "fixture.h"

#include "complete.h"

#include <stdio.h>
#include <stdlib.h>

//  What is offered for a line; its last word is the one that is typed. The caller frees it.
#define LINE(...) s_line ((char *[]) { "berth", __VA_ARGS__, NULL })
static char *
s_line (char **words)
{
    own (arena) arena = arena_new ();
    invocation_t self = { .arena = arena, .body = berth_empty_map, .company = "default" };
    size_t count = 0, size = 0;
    while (words [count])
        count++;
    char *text = NULL;
    FILE *out = open_memstream (&text, &size);
    assert_non_null (out);
    fputc ('\n', out);
    complete_print (&self, words, count, out);
    fclose (out);
    berth_client_destroy (&self.bus);
    return text;
}

//  Does a line begin with this word?
static bool
s_offers (const char *text, const char *word)
{
    for (const char *at = strstr (text, word); at; at = strstr (at + 1, word))
        if (at [-1] == '\n' && strchr ("\t\n", at [strlen (word)]))
            return true;
    return false;
}

#define YES(text, word) do { if (!s_offers (text, word)) fail_msg ("no %s in: %s", word, text); } while (0)
#define NO(text, word)  do { if (s_offers (text, word)) fail_msg ("%s in: %s", word, text); } while (0)

static void
s_commands (void **state)
{
    (void) state;
    char *text = LINE ("");
    for (size_t index = 0; command_at (index); index++) {
        char word [40];
        snprintf (word, sizeof word, "%.*s", (int) strcspn (command_at (index)->words, " "),
                  command_at (index)->words);
        YES (text, word);
        char *once = strstr (text, word);       //  A group stands there once
        if (strchr (command_at (index)->words, ' '))
            assert_true (once && s_offers (once - 1, word));
    }
    free (text);
    text = LINE ("le");
    assert_string_equal (text, "\nlease\tacquire list show renew release resume destroy adopt\n");
    free (text);
    text = LINE ("env", "te");
    YES (text, "test");
    YES (text, "test-end");
    NO (text, "list");
    free (text);
    text = LINE ("frob", "");
    assert_string_equal (text, "\n");
    free (text);
    text = LINE ("env", "frob", "");
    assert_string_equal (text, "\n");
    free (text);
    text = LINE ("help", "lease", "re");
    YES (text, "renew");
    YES (text, "release");
    NO (text, "acquire");
    free (text);
    text = LINE ("help", "run", "");
    assert_string_equal (text, "\n");
    free (text);
}

static void
s_options (void **state)
{
    (void) state;
    char *text = LINE ("run", "--");
    YES (text, "--on");
    YES (text, "--timeout");
    YES (text, "--json");
    NO (text, "--no-net");
    free (text);
    text = LINE ("run", "--on", "box", "--no-");
    YES (text, "--no-net");
    YES (text, "--no-workspace");
    NO (text, "--no-on");
    free (text);
    text = LINE ("--js");
    assert_string_equal (text, "\n--json\tJSON, a line for each thing.\n");
    free (text);
    //  What is an argument, or said by --company, is no option.
    text = LINE ("env", "show", "--");
    NO (text, "--environment-id");
    NO (text, "--company-id");
    YES (text, "--company");
    free (text);
    //  A group that is a command, too.
    text = LINE ("events", "--fo");
    YES (text, "--follow");
    free (text);
    text = LINE ("events", "");
    YES (text, "list");
    free (text);
    text = LINE ("events", "list", "--fo");
    YES (text, "--follow");
    free (text);
    //  Behind -- nothing is an option of ours.
    text = LINE ("run", "--", "ls", "--");
    assert_string_equal (text, "\n:files\n");
    free (text);
    text = LINE ("run", "ls", "--");
    assert_string_equal (text, "\n:files\n");
    free (text);
}

static void
s_values (void **state)
{
    (void) state;
    char *text = LINE ("env", "create", "box", "--driver", "s");
    assert_string_equal (text, "\nssh\nsandbox\n");
    free (text);
    text = LINE ("env", "create", "box", "--driver=sa");
    assert_string_equal (text, "\n--driver=sandbox\n");
    free (text);
    text = LINE ("--state", "");
    assert_string_equal (text, "\n:dirs\n");
    free (text);
    text = LINE ("run", "--ro", "/u");
    assert_string_equal (text, "\n:files\n");
    free (text);
    text = LINE ("run", "--timeout", "");
    assert_string_equal (text, "\n");
    free (text);
    text = LINE ("run", "");
    assert_string_equal (text, "\n:command\n");
    free (text);
    text = LINE ("run", "--net", "--", "");
    assert_string_equal (text, "\n:command\n");
    free (text);
    text = LINE ("exec", "start", "x", "");
    assert_string_equal (text, "\n:command\n");
    free (text);
    text = LINE ("bus", "call", "lease.r");
    YES (text, "lease.release");
    YES (text, "lease.renew");
    NO (text, "lease.releaseAll");
    free (text);
    text = LINE ("exec", "signal", "x", "TE");
    assert_string_equal (text, "\nTERM\tTerminated\n");
    free (text);
    text = LINE ("events", "--action", "exec.");
    assert_string_equal (text, "\nexec.started\nexec.ended\n");
    free (text);
    text = LINE ("completion", "");
    YES (text, "bash");
    YES (text, "zsh");
    free (text);
    setenv ("BERTH_TEST_VARIABLE", "secret", 1);
    text = LINE ("run", "-e", "BERTH_TEST_V");
    assert_string_equal (text, "\nBERTH_TEST_VARIABLE\n");
    free (text);
}

//  Without a service there are no names, no word about it, and no waiting for one.
static void
s_nobody_there (void **state)
{
    (void) state;
    char *text = LINE ("--runtime", "/nowhere", "env", "show", "");
    assert_string_equal (text, "\n");
    free (text);
    text = LINE ("run", "--runtime", "/nowhere", "--on", "");
    assert_string_equal (text, "\n");
    free (text);
}

//  Any words in any order, and none at all.
static void
s_noise (void **state)
{
    (void) state;
    static char *const words [] = { "run", "env", "list", "--", "--on", "--on=", "-e", "-", "", "--state", "=",
                                    "--company", "help", "events", "completion", "words", "\xff", "--no-" };
    srand (1);
    setenv ("BERTH_STATE", "/nowhere", 1);
    for (int turn = 0; turn < 20000; turn++) {
        char *line [8] = { "berth" };
        for (size_t index = 1; index < 2 + (size_t) turn % 6; index++)
            line [index] = words [(size_t) rand () % BERTH_COUNT (words)];
        free (s_line (line));
    }
    free (s_line ((char *[]) { "berth", NULL }));
    free (s_line ((char *[]) { NULL }));
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_commands),
        cmocka_unit_test (s_options),
        cmocka_unit_test (s_values),
        cmocka_unit_test (s_nobody_there),
        cmocka_unit_test (s_noise),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
