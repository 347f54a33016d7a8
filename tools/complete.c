//  complete.c - owns nothing: walks a command line as invocation.c does, and lists what may come next.

#include "complete.h"

#include "clock.h"
#include "flags.h"
#include "help.h"
#include "service.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    invocation_t *ask;
    FILE *out;
    const char *typed;              //  What is there of the last word
    const char *front;              //  "--on=" of it, which stays
    const command_t *command;       //  NULL: its words are still being typed
    const char *group;              //  "env", when that may be all
    bool lost;                      //  There is no such command
    const char *topic;              //  `berth help env`
    const berth_field_t *value;     //  The last word is the value of this option
    size_t arguments;               //  Behind the command, so far
    bool tail;                      //  Behind --
    size_t tail_count;
} line_t;

//  ---- candidates

static void
s_offer (line_t *self, const char *word, const char *what)
{
    if (strncmp (word, self->typed, strlen (self->typed)) == 0)
        fprintf (self->out, "%s%s%s%s\n", self->front, word, what && *what ? "\t" : "", what ? what : "");
}

static void
s_leave_to_shell (line_t *self, const char *how)
{
    fprintf (self->out, "%s\n", how);
}

//  Asks one page of a list, silently: NULL if nothing came in time.
static const berth_list_t *
s_ask (line_t *self, request_code_t list, const berth_schema_t **ret_of)
{
    invocation_t *ask = self->ask;
    const request_row_t *row = request_row (list);
    berth_error_t err = { 0 };
    bool named;
    if (service_find (ask, &named, &err) || !service_listens (ask))
        return NULL;
    int64_t until = berth_mono_ms () + COMPLETE_MS;
    ask->bus = berth_client_new (ask->endpoint, &err);
    berth_bytes_t body = berth_empty_map;
    if (berth_schema_field (row->request, "companyId"))
        body = any_set_text (body, "companyId", ask->company, ask->arena);
    if (berth_schema_field (row->request, "limit"))
        body = any_set_number (body, "limit", 200, ask->arena);
    berth_ask_t how = { .deadline_ms = COMPLETE_MS };
    berth_reply_t reply = { .status = reply_status_ERROR };
    uint64_t call = ask->bus ? berth_client_send (ask->bus, row->type, body, &how, &err) : 0;
    void *page = arena_take (ask->arena, row->reply->size);
    if (!call || !berth_client_next (ask->bus, call, until, &reply) || reply.status != reply_status_OK
        || berth_unpack (row->reply, (berth_bytes_t) { arena_copy (ask->arena, reply.body.data, reply.body.size),
                                                       reply.body.size }, ask->arena, page, &err))
        return NULL;
    const berth_field_t *items = berth_schema_field (row->reply, "items");
    *ret_of = items->of;
    return (const berth_list_t *) ((const uint8_t *) page + items->offset);
}

//  The text of a row's field, "" if it has none.
static const char *
s_cell (const berth_schema_t *of, const void *row, const char *name)
{
    const berth_field_t *field = berth_schema_field (of, name);
    const uint8_t *at = field ? (const uint8_t *) row + field->offset : NULL;
    const char *text = NULL;
    if (field && field->kind == KIND_ENUM)
        text = berth_enum_text (field->of, *(const int *) at);
    else if (field && (field->kind == KIND_STR || field->kind == KIND_ID))
        text = *(const char *const *) at;
    return text ? text : "";
}

static void
s_offer_rows (line_t *self, request_code_t list, const char *word, const char *what)
{
    const berth_schema_t *of;
    const berth_list_t *rows = s_ask (self, list, &of);
    for (size_t index = 0; rows && index < rows->count; index++) {
        const void *row = (const uint8_t *) rows->items + index * of->size;
        const char *shown = s_cell (of, row, word);
        s_offer (self, *shown ? shown : s_cell (of, row, "id"), s_cell (of, row, what));
    }
}

static void
s_offer_signals (line_t *self)
{
    for (int number = 1; number < 32; number++)
        if (sigabbrev_np (number))
            s_offer (self, sigabbrev_np (number), sigdescr_np (number));
}

static void
s_offer_variables (line_t *self)
{
    for (char **at = environ; *at; at++)
        s_offer (self, arena_text (self->ask->arena, *at, strcspn (*at, "=")), NULL);
}

//  What a field may be: its enumeration, what the service has, a path.
static void
s_offer_values (line_t *self, const berth_field_t *field)
{
    static const struct { const char *field; request_code_t list; const char *word, *what; } known [] = {
        { "environmentId", REQUEST_ENVIRONMENT_LIST, "name", "driver" },
        { "on", REQUEST_ENVIRONMENT_LIST, "name", "driver" },
        { "leaseId", REQUEST_LEASE_LIST, "id", "state" },
        { "execId", REQUEST_EXEC_LIST, "id", "state" },
        { "workspaceId", REQUEST_WORKSPACE_LIST, "name", "status" },
        { "executionWorkspaceId", REQUEST_WORKSPACE_LIST, "name", "status" },
        { "provider", REQUEST_PROVIDER_LIST, "name", "description" },
        { "run", REQUEST_RUN_LIST, "id", "state" },
        { "heartbeatRunId", REQUEST_RUN_LIST, "id", "state" },
    };
    const char *value = flags_value (field);
    for (size_t index = 0; index < BERTH_COUNT (known); index++)
        if (strcmp (known [index].field, field->name) == 0)
            s_offer_rows (self, known [index].list, known [index].word, known [index].what);
    if (field->kind == KIND_ENUM)
        for (size_t index = 1; index < ((const berth_enum_t *) field->of)->count; index++)
            s_offer (self, berth_enum_text (field->of, (int) index), NULL);
    else if (strcmp (field->name, "signal") == 0)
        s_offer_signals (self);
    else if (strcmp (field->name, "type") == 0 && self->command && self->command->run == call_command)
        for (int code = 0; code < REQUEST_COUNT; code++) {
            const request_row_t *row = request_row ((request_code_t) code);
            if (row->roles != ROLE_INTERNAL)
                s_offer (self, row->type, row->doc);
        }
    else if (strcmp (field->name, "action") == 0)
        for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++)
            s_offer (self, action_text ((action_t) action), NULL);
    else if (strncmp (value, "NAME", 4) == 0 && field->kind == KIND_BLOBS)
        s_offer_variables (self);
    else if (strcmp (value, "DIR") == 0 && strcmp (field->name, "cwd"))
        s_leave_to_shell (self, ":dirs");
    else if (strcmp (value, "FILE") == 0 || strcmp (value, "PATH") == 0)
        s_leave_to_shell (self, ":files");
}

static void
s_offer_options (line_t *self, const berth_schema_t *schema)
{
    bool backwards = strncmp (self->typed, "--no", 4) == 0;
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        char name [80], shown [90];
        if (self->command && schema == self->command->options && !help_shows (self->command, field))
            continue;
        flags_name (field, name, sizeof name);
        snprintf (shown, sizeof shown, "--%s", name);
        s_offer (self, shown, field->doc);
        snprintf (shown, sizeof shown, "--no-%s", name);
        if (backwards && (field->kind == KIND_BOOL || (field->flags & NULLABLE)))
            s_offer (self, shown, field->doc);
    }
}

//  First words of commands, or the second ones of a group.
static void
s_offer_commands (line_t *self, const char *group)
{
    size_t skip = group ? strlen (group) + 1 : 0;
    const char *last = "";
    for (size_t index = 0; command_at (index); index++) {
        const command_t *command = command_at (index);
        if (group && (strncmp (command->words, group, skip - 1) || command->words [skip - 1] != ' '))
            continue;
        const char *word = command->words + skip;
        size_t size = strcspn (word, " ");
        if (strlen (last) == size && strncmp (last, word, size) == 0)
            continue;
        last = arena_text (self->ask->arena, word, size);
        s_offer (self, last, word [size] ? help_group (last) : command->doc);
    }
}

//  ---- the line so far

//  The next word of the command itself; false if it is none.
static bool
s_command_word (line_t *self, const char *word)
{
    const char *words = self->group ? arena_printf (self->ask->arena, "%s %s", self->group, word) : word;
    const command_t *found = NULL;
    for (size_t index = 0; command_at (index); index++)
        if (strcmp (command_at (index)->words, words) == 0)
            found = command_at (index);
    const char *group = !self->group && help_group (words) ? words : NULL;
    if (found || group)
        self->command = found;
    self->group = group;
    return found || group;
}

//  A word that is no option: of the command, an argument, or of the tail.
static void
s_word (line_t *self, const char *word)
{
    if ((!self->command || self->group) && !self->lost && s_command_word (self, word))
        return;
    if (!self->command) {
        self->lost = true;
        return;
    }
    size_t at = self->arguments;
    bool argument = at < BERTH_COUNT (self->command->arguments) && self->command->arguments [at].field;
    if (self->tail || (self->command->tail && !argument)) {
        self->tail = true;
        if (self->command->run == help_command && self->tail_count == 0 && help_group (word))
            self->topic = word;
        self->tail_count++;
    }
    else
        self->arguments++;
}

static void
s_walk (line_t *self, char **words, size_t count, berth_bytes_t *common)
{
    for (size_t at = 1; at + 1 < count; at++) {
        char *word = words [at];
        bool value = false;
        if (self->tail || word [0] != '-' || !word [1]) {
            s_word (self, word);
            continue;
        }
        if (strcmp (word, "--") == 0) {
            self->tail = self->command && self->command->tail;
            continue;
        }
        const berth_field_t *field = self->command
            ? flags_field (self->command->options, self->command->letters, word, &value) : NULL;
        if (!field && (field = flags_field (&common_options_schema, "h=help q=quiet", word, &value))) {
            char *pair [] = { word, value ? words [at + 1] : NULL, NULL };
            int taken = 0;
            berth_error_t err = { 0 };
            if (at + 1 + value < count)     //  What is being typed says nothing yet
                (void) flags_take (&common_options_schema, "h=help q=quiet", pair, &taken, self->ask->arena,
                                   common, &err);
        }
        if (value && at + 2 == count)
            self->value = field;
        at += value;
    }
}

//  "--on=fo": the value of an option within the last word.
static bool
s_joined (line_t *self)
{
    const char *equals = strchr (self->typed, '=');
    if (self->tail || strncmp (self->typed, "--", 2) || !equals)
        return false;
    bool value;
    const berth_field_t *field = self->command
        ? flags_field (self->command->options, NULL, self->typed, &value) : NULL;
    if (!field)
        field = flags_field (&common_options_schema, NULL, self->typed, &value);
    self->front = arena_text (self->ask->arena, self->typed, (size_t) (equals + 1 - self->typed));
    self->typed = equals + 1;
    self->value = field;
    return true;
}

void
complete_print (invocation_t *self, char **words, size_t count, FILE *out)
{
    if (count < 2)
        return;
    line_t line = { .ask = self, .out = out, .typed = words [count - 1], .front = "" };
    berth_bytes_t common = berth_empty_map;
    berth_error_t err = { 0 };
    s_walk (&line, words, count, &common);
    if (berth_unpack (&common_options_schema, common, self->arena, &self->common, &err) == 0 && self->common.company)
        self->company = self->common.company;

    const command_t *command = line.command;
    bool joined = s_joined (&line);
    if (line.value)
        s_offer_values (&line, line.value);
    else if (joined || line.lost)
        return;
    else if (!line.tail && line.typed [0] == '-') {
        if (command)
            s_offer_options (&line, command->options);
        s_offer_options (&line, &common_options_schema);
    }
    else if (!command || line.group)
        s_offer_commands (&line, line.group);
    else if (command->run == help_command) {
        if (line.tail_count == 0 || (line.tail_count == 1 && line.topic))
            s_offer_commands (&line, line.topic);
    }
    else if (!line.tail && line.arguments < BERTH_COUNT (command->arguments)
             && command->arguments [line.arguments].field)
        s_offer_values (&line, berth_schema_field (command->options, command->arguments [line.arguments].field));
    else if (command->tail && strcmp (command->tail, "CMD...") == 0)
        s_leave_to_shell (&line, line.tail_count ? ":files" : ":command");
}

//  ---- the scripts: they know nothing, they ask

static const char s_bash [] =
    "#  Completion of berth for bash: asks berth itself what may come next.\n"
    "_berth ()\n"
    "{\n"
    "    local at word line typed words=() joined=''\n"
    "    #  bash divides words at = and :, berth does not\n"
    "    for ((at = 0; at <= COMP_CWORD; at++)); do\n"
    "        word=${COMP_WORDS[at]}\n"
    "        if [[ $at -gt 1 && ( $joined || $word == [=:]* ) ]]; then\n"
    "            words[${#words[@]} - 1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "        joined=''\n"
    "        [[ $word != *[=:] || $word == --* ]] || joined=1\n"
    "    done\n"
    "    typed=${COMP_WORDS[COMP_CWORD]}\n"
    "    [[ $typed != [=:] ]] || typed=''\n"
    "    local front=${words[${#words[@]} - 1]}\n"
    "    front=${front%\"$typed\"}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "            :files) compopt -o filenames 2>/dev/null; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$typed\") ;;\n"
    "            :dirs) compopt -o filenames 2>/dev/null; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- \"$typed\") ;;\n"
    "            :command) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -c -- \"$typed\") ;;\n"
    "            *)\n"
    "                word=${line%%$'\\t'*}\n"
    "                printf -v word %q \"${word#\"$front\"}\"\n"
    "                COMPREPLY+=(\"$word\")\n"
    "                ;;\n"
    "        esac\n"
    "    done < <(\"${COMP_WORDS[0]/#\\~/$HOME}\" completion words -- \"${words[@]}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _berth berth\n";

static const char s_zsh [] =
    "#compdef berth\n"
    "#  Completion of berth for zsh: asks berth itself what may come next.\n"
    "_berth ()\n"
    "{\n"
    "    local line word ret=1\n"
    "    local -a found plain\n"
    "    for line in \"${(@f)$(\"${(Q)words[1]/#\\~/$HOME}\" completion words -- \"${(@Q)words[1,CURRENT-1]}\" "
    "\"${(Q)PREFIX}\" 2>/dev/null)}\"; do\n"
    "        case $line in\n"
    "            '') ;;\n"
    "            :files) [[ $PREFIX != --*=* ]] || compset -P '*='; _files && ret=0 ;;\n"
    "            :dirs) [[ $PREFIX != --*=* ]] || compset -P '*='; _files -/ && ret=0 ;;\n"
    "            :command) _command_names -e && ret=0 ;;\n"
    "            *$'\\t'*) word=${line%%$'\\t'*}; found+=(\"${word//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "            *) plain+=(\"$line\") ;;\n"
    "        esac\n"
    "    done\n"
    "    (( $#found )) && _describe -t words berth found && ret=0\n"
    "    (( $#plain )) && compadd -- $plain && ret=0\n"
    "    return ret\n"
    "}\n"
    "if [[ ${funcstack[1]:-} == _berth ]]; then\n"
    "    _berth \"$@\"\n"
    "else\n"
    "    compdef _berth berth\n"
    "fi\n";

int
completion_command (invocation_t *self, berth_error_t *err)
{
    completion_options_t asked;
    if (berth_unpack (&completion_options_schema, self->body, self->arena, &asked, err))
        return -1;
    if (asked.shell != completion_shell_WORDS) {
        fputs (asked.shell == completion_shell_BASH ? s_bash : s_zsh, stdout);
        return 0;
    }
    char **words = arena_array (self->arena, self->tail_count + 1, char *);
    for (size_t index = 0; index < self->tail_count; index++)
        words [index] = arena_text (self->arena, (const char *) self->tail [index].data, self->tail [index].size);
    complete_print (self, words, self->tail_count, stdout);
    return 0;
}
