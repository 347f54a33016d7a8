//  help.c - owns nothing: it prints the tables.

#include "help.h"

#include "options.h"

#include <stdio.h>
#include <string.h>

static bool
s_in_group (const command_t *command, const char *group)
{
    size_t size = strlen (group);
    return strncmp (command->words, group, size) == 0 && command->words [size] == ' ';
}

const char *
help_group (const char *group)
{
    static char words [512];
    words [0] = 0;
    for (size_t index = 0; command_at (index); index++)
        if (s_in_group (command_at (index), group)) {
            size_t used = strlen (words);
            snprintf (words + used, sizeof words - used, "%s%s", used ? " " : "",
                      command_at (index)->words + strlen (group) + 1);
        }
    return words [0] ? words : NULL;
}

void
help_usage (const command_t *command, char *text, size_t size)
{
    snprintf (text, size, "berth %s", command->words);
    for (size_t index = 0; index < BERTH_COUNT (command->arguments); index++) {
        if (!command->arguments [index].shown)
            break;
        const berth_field_t *field = berth_schema_field (command->options, command->arguments [index].field);
        size_t used = strlen (text);
        snprintf (text + used, size - used, field->flags & REQUIRED ? " %s" : " [%s]",
                  command->arguments [index].shown);
    }
    size_t used = strlen (text);
    snprintf (text + used, size - used, "%s", command->options->count ? " [OPTION...]" : "");
    used = strlen (text);
    if (command->tail)
        snprintf (text + used, size - used,
                  strcmp (command->tail, "CMD...") ? " [%s]" : " [--] %s", command->tail);
}

static void
s_row (const char *name, const char *text, int indent)
{
    printf ("  %-*s ", indent - 3, name);
    option_print_folded (text, indent);
}

void
help_print_all (void)
{
    enum { INDENT = 14 };
    printf ("berth - leases places where work may run\n\n");
    const char *last = "";
    for (size_t index = 0; command_at (index); index++) {
        const command_t *command = command_at (index);
        size_t size = strcspn (command->words, " ");
        if (!command->words [size])
            s_row (command->words, command->doc, INDENT);
        else if (strncmp (last, command->words, size) || (last [size] && last [size] != ' ')) {
            char group [32];
            snprintf (group, sizeof group, "%.*s", (int) size, command->words);
            s_row (group, help_group (group), INDENT);
        }
        last = command->words;
    }
    printf ("\nMore: berth help COMMAND; berth help options; man berth\n");
}

static void
s_print_options (void)
{
    printf ("Options of every command:\n\n");
    for (size_t index = 0; index < common_options_schema.count; index++)
        option_print (&common_options_schema.fields [index], "h=help q=quiet");
    putchar ('\n');
    option_print_folded ("TIME is 250ms, 30s, 5m, 2h, 1d; SIZE 64K, 10M, 1G; WHEN 2026-05-11T09:30:00Z, or how "
                         "long ago: 10m. JSON may be @FILE, or - for stdin. An option that takes a list is given "
                         "again for each element. --no-NAME takes a truth back, or makes a value null.", 0);
}

void
help_print_group (const char *group)
{
    for (size_t index = 0; command_at (index); index++)
        if (s_in_group (command_at (index), group))
            s_row (command_at (index)->words, command_at (index)->doc, 28);
    printf ("\nMore: berth help %s COMMAND\n", group);
}

bool
help_shows (const command_t *command, const berth_field_t *field)
{
    for (size_t index = 0; index < BERTH_COUNT (command->arguments); index++)
        if (command->arguments [index].field && strcmp (command->arguments [index].field, field->name) == 0)
            return false;
    bool tail = command->run == start_command
             && (strcmp (field->name, "command") == 0 || strcmp (field->name, "args") == 0);
    return !tail && strcmp (field->name, "companyId");
}

void
help_print (const command_t *command)
{
    char usage [200];
    help_usage (command, usage, sizeof usage);
    printf ("%s\n\n", usage);
    char doc [300];
    snprintf (doc, sizeof doc, "%s.", command->doc);
    option_print_folded (doc, 0);
    for (size_t index = 0; index < BERTH_COUNT (command->arguments) && command->arguments [index].field; index++) {
        char values [512];
        option_values (berth_schema_field (command->options, command->arguments [index].field), values,
                       sizeof values);
        if (*values)
            printf ("%s: %s\n", command->arguments [index].shown, values);
    }
    bool any = false, required = false;
    for (size_t index = 0; index < command->options->count; index++) {
        const berth_field_t *field = &command->options->fields [index];
        if (!help_shows (command, field))
            continue;
        if (!any)
            putchar ('\n');
        any = true;
        required |= (field->flags & REQUIRED) != 0;
        option_print (field, command->letters);
    }
    if (command->run == run_command) {
        putchar ('\n');
        option_print_folded ("Exits as the command did; 128+n: signal n ended it, 124: its time was over. Ctrl-C "
                             "is the command's; a second one in 2 s, or Ctrl-] three times in a terminal, gives the "
                             "place back at once. Without a service a private one is started.", 0);
    }
    if (required)
        printf ("\n* is required.\n");
    printf ("\nOptions of every command: berth help options\n");
}

int
help_command (invocation_t *self, berth_error_t *err)
{
    help_options_t asked;
    if (berth_unpack (&help_options_schema, self->body, self->arena, &asked, err))
        return -1;
    if (asked.man) {
        manual_print (asked.man, stdout);
        return 0;
    }
    if (self->tail_count == 0) {
        help_print_all ();
        return 0;
    }
    const char *first = arena_text (self->arena, (const char *) self->tail [0].data, self->tail [0].size);
    const char *words = self->tail_count > 1
        ? arena_printf (self->arena, "%s %.*s", first, (int) self->tail [1].size,
                        (const char *) self->tail [1].data) : first;
    for (size_t index = 0; command_at (index); index++)
        if (strcmp (command_at (index)->words, words) == 0) {
            help_print (command_at (index));
            return 0;
        }
    if (strcmp (words, "options") == 0) {
        s_print_options ();
        return 0;
    }
    if (!help_group (words)) {
        berth_error_set (err->remedy, sizeof err->remedy, "see: berth help");
        return berth_fail (err, BERTH_INVALID, "no command '%.60s'", words);
    }
    help_print_group (words);
    return 0;
}
