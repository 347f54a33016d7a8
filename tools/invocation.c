//  invocation.c - owns nothing: argv becomes a command and the body of its options.

#include "invocation.h"

#include "flags.h"
#include "help.h"

#include <stdlib.h>
#include <string.h>

//  The command whose words are here; two words win over one. Moves *at behind them.
static const command_t *
s_command (char **argv, int *at)
{
    const command_t *found = NULL;
    size_t words = 0;
    for (size_t index = 0; command_at (index); index++) {
        const char *name = command_at (index)->words;
        size_t first = strcspn (name, " ");
        if (strlen (argv [*at]) != first || memcmp (argv [*at], name, first))
            continue;
        size_t wanted = name [first] ? 2 : 1;
        if (wanted == 2 && (!argv [*at + 1] || strcmp (argv [*at + 1], name + first + 1)))
            continue;
        if (wanted > words) {
            words = wanted;
            found = command_at (index);
        }
    }
    *at += (int) words;
    return found;
}

static int
s_no_command (char **argv, int at, berth_error_t *err)
{
    const char *group = help_group (argv [at]);
    if (group && !argv [at + 1])
        berth_fail (err, BERTH_INVALID, "%s: which of: %s", argv [at], group);
    else if (group)
        berth_fail (err, BERTH_INVALID, "no command '%.60s %.60s'", argv [at], argv [at + 1]);
    else
        berth_fail (err, BERTH_INVALID, "no command '%.60s'", argv [at]);
    berth_error_set (err->remedy, sizeof err->remedy, group ? "see: berth help %s" : "see: berth help", argv [at]);
    return -1;
}

static int
s_bad_option (const command_t *command, const char *text, bool option, berth_error_t *err)
{
    berth_error_set (err->remedy, sizeof err->remedy, "see: berth help%s%s", command ? " " : "",
                     command ? command->words : "");
    return berth_fail (err, BERTH_INVALID, option ? "no option '%.80s'" : "one argument too many: '%.80s'", text);
}

//  Options and arguments behind the command's words; *common is packed common options.
static int
s_read (invocation_t *self, char **argv, int at, berth_bytes_t *common, berth_error_t *err)
{
    const command_t *command = self->command;
    size_t argument = 0;
    int tail = 0;
    while (argv [at]) {
        int rc = flags_take (command->options, command->letters, argv, &at, self->arena, &self->body, err);
        if (rc == 0)
            rc = flags_take (&common_options_schema, "h=help q=quiet", argv, &at, self->arena, common, err);
        if (rc < 0)
            return -1;
        if (rc > 0)
            continue;
        if (strcmp (argv [at], "--") == 0 && command->tail) {
            tail = at + 1;
            break;
        }
        if (argv [at] [0] == '-' && argv [at] [1] && strcmp (argv [at], "--"))
            return s_bad_option (command, argv [at], true, err);
        const char *name = argument < BERTH_COUNT (command->arguments)
                         ? command->arguments [argument].field : NULL;
        if (!name && command->tail) {
            tail = at;
            break;
        }
        if (!name)
            return s_bad_option (command, argv [at], false, err);
        berth_bytes_t text = { (const uint8_t *) argv [at], strlen (argv [at]) };
        if (flags_set (berth_schema_field (command->options, name), text, self->arena, &self->body, err))
            return -1;
        argument++;
        at++;
    }
    size_t count = 0;
    while (tail && argv [tail + (int) count])
        count++;
    berth_bytes_t *texts = arena_array (self->arena, count + 1, berth_bytes_t);
    for (size_t index = 0; index < count; index++)
        texts [index] = (berth_bytes_t) { (const uint8_t *) argv [tail + (int) index],
                                          strlen (argv [tail + (int) index]) };
    self->tail = texts;
    self->tail_count = count;
    return 0;
}

int
invocation_complete (const invocation_t *self, berth_error_t *err)
{
    const command_t *command = self->command;
    for (size_t index = 0; index < command->options->count; index++) {
        const berth_field_t *field = &command->options->fields [index];
        if (!(field->flags & REQUIRED) || any_get (self->body, field->name).size)
            continue;
        berth_error_set (err->remedy, sizeof err->remedy, "see: berth help %s", command->words);
        for (size_t argument = 0; argument < BERTH_COUNT (command->arguments); argument++)
            if (command->arguments [argument].field
                && strcmp (command->arguments [argument].field, field->name) == 0)
                return berth_fail (err, BERTH_INVALID, "%s is missing", command->arguments [argument].shown);
        char name [80];
        flags_name (field, name, sizeof name);
        return berth_fail (err, BERTH_INVALID, "--%s is missing", name);
    }
    return 0;
}

int
invocation_read (invocation_t *self, char **argv, berth_error_t *err)
{
    berth_bytes_t common = berth_empty_map;
    int at = 1;
    while (argv [at]) {
        int rc = flags_take (&common_options_schema, "h=help q=quiet", argv, &at, self->arena, &common, err);
        if (rc < 0)
            return -1;
        if (rc == 0)
            break;
    }
    if (argv [at] && argv [at] [0] == '-')
        return s_bad_option (NULL, argv [at], true, err);
    if (argv [at]) {
        self->command = s_command (argv, &at);
        //  `berth env --help` asks about all of them.
        if (!self->command && help_group (argv [at]) && argv [at + 1]
            && (strcmp (argv [at + 1], "--help") == 0 || strcmp (argv [at + 1], "-h") == 0)) {
            self->group = argv [at];
            return 0;
        }
        if (!self->command)
            return s_no_command (argv, at, err);
        if (s_read (self, argv, at, &common, err))
            return -1;
    }
    if (berth_unpack (&common_options_schema, common, self->arena, &self->common, err))
        return -1;
    const char *company = getenv ("BERTH_COMPANY");
    self->company = self->common.company ? self->common.company : company && *company ? company : "default";
    return 0;
}
