//  berth.c - main of the command line: finds the command, reads its options, runs it.

#include "commands.h"

#include "flags.h"
#include "help.h"
#include "output.h"
#include "resolve.h"
#include "service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

//  ---- reading argv

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
    berth_error_set (err->remedy, sizeof err->remedy, "see: berth help %s", command ? command->words : "");
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

//  What the command cannot do without, said in the words of the command line.
static int
s_missing (const invocation_t *self, berth_error_t *err)
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

static int
s_invocation (invocation_t *self, char **argv, berth_error_t *err)
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
            help_print_group (argv [at]);
            return 1;
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

//  ---- the usual command

static int
s_usual (invocation_t *self, berth_error_t *err)
{
    const request_row_t *row = request_row (self->command->request);
    output_t out = output_stdout (self->common.json, self->common.quiet);
    berth_ask_t ask = service_ask (self, 120000);
    bool first = true;
    for (;;) {
        berth_bytes_t reply;
        if (berth_client_call (self->bus, row->type, self->body, &ask, self->arena, &reply, err)
            || output_reply (&out, row->reply, reply, first, self->arena, err) < 0)
            return -1;
        berth_bytes_t next = any_get (reply, "nextCursor");
        if (any_is_null (next))
            return 0;
        if (!self->common.all) {
            if (!out.json && !out.quiet)
                output_note ("there is more: --all, or --cursor %s",
                             any_text (reply, "nextCursor", self->arena));
            return 0;
        }
        self->body = any_set (self->body, "cursor", next, self->arena);
        first = false;
    }
}

//  Company, ids, and the service that is asked.
static int
s_prepare (invocation_t *self, berth_error_t *err)
{
    const berth_schema_t *schema = self->command->options;
    const berth_field_t *company = berth_schema_field (schema, "companyId");
    if (company && any_get (self->body, "companyId").size == 0
        && ((company->flags & REQUIRED) || self->common.company))
        self->body = any_set_text (self->body, "companyId", self->company, self->arena);
    bool named;
    if (s_missing (self, err) || service_find (self, &named, err) || service_connect (self, err)
        || resolve_ids (self, schema, &self->body, err))
        return -1;
    //  What is wrong is said here, by the same rules as the service's.
    void *message = arena_take (self->arena, schema->size);
    return berth_unpack (schema, self->body, self->arena, message, err);
}

static int
s_perform (invocation_t *self, berth_error_t *err)
{
    if (self->command->run == help_command || self->command->run == run_command)
        return self->command->run (self, err);
    if (s_prepare (self, err))
        return -1;
    return self->command->run ? self->command->run (self, err) : s_usual (self, err);
}

int
main (int argc, char **argv)
{
    signal (SIGPIPE, SIG_IGN);
    berth_error_t err = { 0 };
    own (arena) arena = arena_new ();
    invocation_t self = { .arena = arena, .body = berth_empty_map };
    int rc = argc > 0 ? s_invocation (&self, argv, &err) : 0;
    if (rc == 0) {
        if (self.common.version)
            printf ("berth %s\n", BERTH_VERSION);
        else if (self.common.help && self.command)
            help_print (self.command);
        else if (!self.command)
            help_print_all ();
        else
            rc = s_perform (&self, &err);
    }
    else if (rc > 0)
        rc = 0;
    berth_client_destroy (&self.bus);
    if (rc < 0)
        rc = output_error (self.command ? self.command->words : "", &err);
    //  Data that could not be written is no success.
    if ((fflush (stdout) || ferror (stdout)) && rc == 0)
        rc = 1;
    return rc;
}
