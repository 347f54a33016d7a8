//  manual.c - owns the pages of the manual: prose here, everything that is listed from its table.

#include "manual.h"

#include "commands.h"
#include "configuration.h"
#include "daemon_options.h"
#include "help.h"
#include "options.h"
#include "roff.h"

#include <stdlib.h>
#include <string.h>

BERTH_ENUM_TABLE (manual_page, MANUAL_PAGE);

static void
s_option (FILE *out, const berth_field_t *field, const char *letters)
{
    char shown [120], values [512], text [1400];
    option_shown (field, letters, shown, sizeof shown);
    option_values (field, values, sizeof values);
    char *space = strrchr (shown, ' ');
    const char *value = *flags_value (field) && space ? space + 1 : "";
    if (*value)
        *space = 0;
    snprintf (text, sizeof text, "%s%s%s%s", field->doc, field->flags & REQUIRED ? " Required." : "",
              *values ? " " : "", values);
    roff_item (out, shown, value, text);
}

static void
s_exit_statuses (FILE *out)
{
    roff_section (out, "exit status");
    roff_item (out, "0", "", "It went well.");
    roff_item (out, "1", "", "The answer is no: a probe or a test that failed, a service that is not well; or "
                             "what was to be printed could not be written.");
    for (int status = 2; status < 128; status++)
        for (int code = BERTH_OK + 1; code < BERTH_CODES; code++)
            if (berth_code_exit ((berth_code_t) code) == status) {
                char number [12];
                snprintf (number, sizeof number, "%d", status);
                roff_item (out, number, berth_code_text ((berth_code_t) code),
                           berth_code_doc ((berth_code_t) code));
            }
}

//  ---- berth(1)

static void
s_command (FILE *out, const command_t *command)
{
    char usage [200], doc [600];
    help_usage (command, usage, sizeof usage);
    snprintf (doc, sizeof doc, "%s.", command->doc);
    roff_item (out, usage, "", doc);
    roff_inward (out);
    for (size_t index = 0; index < command->options->count; index++)
        if (help_shows (command, &command->options->fields [index]))
            s_option (out, &command->options->fields [index], command->letters);
    roff_outward (out);
}

static void
s_berth (FILE *out)
{
    roff_title (out, "BERTH", 1, "berth", "leases places where work may run, and runs work there");
    roff_section (out, "synopsis");
    roff_text (out, "`berth` [OPTION...] COMMAND [OPTION...] [ARGUMENT...]");
    roff_section (out, "description");
    roff_text (out, "Berth decides where a run executes, makes the place ready, runs commands in it, brings the "
                    "results home, and never forgets a place that it opened. `berth` asks a running service, "
                    "`berthd`(8); `berth run` starts a private one for its one run if there is none.");
    roff_text (out, "The service is named by --endpoint, else by $BERTH_ENDPOINT, else it is the one whose "
                    "sockets lie in --runtime DIR, in DIR/run of --state DIR or $BERTH_STATE, in "
                    "$XDG_RUNTIME_DIR/berth, or for root in /run/berth.");
    roff_text (out, "stdout is data only: tables for people, with --json a line of JSON for each thing. What "
                    "goes wrong is one sentence on stderr, with its code and what helps. Names of "
                    "environments, and the last characters of ids, are understood wherever an id is asked for.");
    roff_section (out, "commands");
    for (size_t index = 0; command_at (index); index++)
        s_command (out, command_at (index));
    roff_section (out, "options of every command");
    for (size_t index = 0; index < common_options_schema.count; index++)
        s_option (out, &common_options_schema.fields [index], "h=help q=quiet");
    roff_section (out, "values");
    roff_item (out, "TIME", "", "A duration: 250ms, 30s, 5m, 2h, 1d; a bare number is milliseconds.");
    roff_item (out, "SIZE", "", "Bytes: 512, 64K, 10M, 1G, 2T.");
    roff_item (out, "WHEN", "", "2026-05-11T09:30:00Z, 2026-05-11, or how long ago: 10m.");
    roff_item (out, "JSON", "", "JSON text, @FILE, or - for stdin.");
    roff_text (out, "An option that takes a list is given again for each element. --no-NAME takes a truth "
                    "back, or makes a value null.");
    s_exit_statuses (out);
    roff_text (out, "`berth run` and `berth exec wait` exit as the command did: 128+n when signal n ended it, "
                    "124 when its time was over.");
    roff_section (out, "environment");
    roff_item (out, "BERTH_ENDPOINT", "", "The service to ask.");
    roff_item (out, "BERTH_STATE", "", "State directory of the service.");
    roff_item (out, "BERTH_COMPANY", "", "The company to act for.");
    roff_item (out, "XDG_RUNTIME_DIR, XDG_STATE_HOME, HOME", "", "Where to look for a service that was not named.");
    roff_section (out, "examples");
    roff_lines (out, "berth run -- cc --version\n"
                     "berth run --return --timeout 5m -- make test\n"
                     "berth env create box --driver sandbox --config '{\"provider\":\"bubblewrap\"}'\n"
                     "berth run --on box --run first -- uname -a\n"
                     "berth events --run first\n"
                     "berth status");
    roff_section (out, "see also");
    roff_text (out, "`berthd`(8), `berthd.conf`(5), `berth-protocol`(7)");
}

//  ---- berthd(8)

static void
s_berthd (FILE *out)
{
    roff_title (out, "BERTHD", 8, "berthd", "the service that leases places where work may run");
    roff_section (out, "synopsis");
    roff_text (out, "`berthd` [OPTION...]");
    roff_section (out, "description");
    roff_text (out, "One service with one store. It runs in the foreground and tells systemd (sd_notify) when "
                    "it is ready and when it stops. Whatever it answered with ok is on disk.");
    roff_text (out, "A stop leaves places and their commands alone: each place is kept open by a `berth-shim`(8), "
                    "and the next start finds them and reads on. `berth bus shutdown --release` closes every "
                    "place first.");
    roff_section (out, "options");
    for (size_t index = 0; index < daemon_options_schema.count; index++)
        s_option (out, &daemon_options_schema.fields [index], "h=help");
    roff_section (out, "signals");
    roff_item (out, "SIGTERM, SIGINT", "", "Stop, in at most ten seconds; a second SIGTERM means now.");
    roff_item (out, "SIGHUP", "", "Nothing: a terminal that goes away is no reason to stop.");
    roff_section (out, "environment");
    roff_item (out, "BERTH_STATE", "", "State directory, if --state names none.");
    roff_item (out, "XDG_STATE_HOME, HOME, XDG_RUNTIME_DIR", "", "Where its directories are when none is named.");
    roff_item (out, "NOTIFY_SOCKET, WATCHDOG_USEC", "", "Set by systemd: where to tell how it is, and how often.");
    roff_section (out, "files");
    roff_item (out, "/var/lib/berth", "", "State directory of root: the store, places, output of execs.");
    roff_item (out, "/run/berth/bus.sock, events.sock", "", "Sockets, of mode 0600: who can open them is the operator.");
    roff_item (out, "berthd.conf", "", "What --config names: `berthd.conf`(5).");
    s_exit_statuses (out);
    roff_section (out, "see also");
    roff_text (out, "`berth`(1), `berthd.conf`(5), `berth-shim`(8), `berth-protocol`(7)");
}

//  ---- berthd.conf(5)

//  "bytes", "true or false", as a person would say what a key takes.
static const char *
s_takes (const berth_field_t *field)
{
    switch (field->kind) {
        case KIND_BOOL: return "true or false";
        case KIND_I64: case KIND_U64: return "a whole number";
        case KIND_OBJ: return "the keys below it";
        case KIND_LIST: return "sections of any name with the keys below";
        case KIND_STRS: case KIND_BLOBS: return "any number of texts";
        case KIND_F64: case KIND_STR: case KIND_ID: case KIND_BYTES: case KIND_TIME: case KIND_ENUM: case KIND_ANY:
        default: return "a text";
    }
}

static void
s_keys (FILE *out, const berth_schema_t *schema)
{
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        char text [1800], values [512], limit [64] = "";
        option_values (field, values, sizeof values);
        if (field->limit)
            snprintf (limit, sizeof limit, field->kind == KIND_U64 || field->kind == KIND_I64
                      ? " It is at most %llu." : field->kind == KIND_STR || field->kind == KIND_BYTES
                      ? " It has at most %llu bytes." : " There are at most %llu.", (unsigned long long) field->limit);
        snprintf (text, sizeof text, "%s%s%s%s%s", field->doc, limit,
                  field->flags & REQUIRED ? " Required." : "", *values ? " " : "", values);
        roff_item (out, field->name, s_takes (field), text);
        if (field->kind == KIND_OBJ || field->kind == KIND_LIST) {
            roff_inward (out);
            s_keys (out, field->of);
            roff_outward (out);
        }
    }
}

static void
s_conf (FILE *out)
{
    roff_title (out, "BERTHD.CONF", 5, "berthd.conf", "configuration of berthd");
    roff_section (out, "description");
    roff_text (out, "The file that `berthd --config FILE` reads: ZPL (ZeroMQ RFC 4). A line is `key = value`; the "
                    "keys below another stand four spaces to its right; what follows # is a comment. Keys that are "
                    "not listed here, and values of another kind, are errors that name the key. Options of the "
                    "command line win over the file.");
    roff_section (out, "keys");
    s_keys (out, &configuration_schema);
    roff_section (out, "example");
    char *text = NULL;
    size_t size = 0;
    FILE *lines = open_memstream (&text, &size);
    ENSURE (lines);
    manual_example (lines);
    fclose (lines);
    roff_lines (out, text);
    free (text);
    roff_section (out, "see also");
    roff_text (out, "`berthd`(8)");
}

//  A value that says what belongs there: a default stands in brackets at the end of its meaning,
//  "(900000).".
static void
s_sample (const berth_field_t *field, char *text, size_t size)
{
    const char *open = strrchr (field->doc, '('), *end = open ? strstr (open, ").") : NULL;
    if (field->kind == KIND_ENUM)
        snprintf (text, size, "%s", berth_enum_text (field->of, 1));
    else if (end && !end [2] && strcspn (open, " ,") >= (size_t) (end - open))
        snprintf (text, size, "%.*s", (int) (end - open - 1), open + 1);
    else
        snprintf (text, size, "%s", field->kind == KIND_BOOL ? "false" : field->kind == KIND_U64 ? "1" : "...");
}

static void
s_example (FILE *out, const berth_schema_t *schema, int indent)
{
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        char sample [200];
        bool inner = field->kind == KIND_OBJ || field->kind == KIND_LIST;
        s_sample (field, sample, sizeof sample);
        fprintf (out, "%s#   %*s%s\n", indent ? "" : "\n", indent, "", field->doc);
        fprintf (out, inner ? "#%*s%s\n" : "#%*s%s = %s\n", indent, "", field->name, sample);
        //  The elements of a list are sections of any name.
        if (field->kind == KIND_LIST)
            fprintf (out, "#%*sfirst\n", indent + 4, "");
        if (inner)
            s_example (out, field->of, indent + (field->kind == KIND_LIST ? 8 : 4));
    }
}

void
manual_example (FILE *out)
{
    fputs ("#   berthd.conf - configuration of berthd: see berthd.conf(5). Take away the # in front of a\n"
           "#   key (and of the keys it stands below) to set it.\n", out);
    s_example (out, &configuration_schema, 0);
}

//  ---- berth-shim(8)

static void
s_shim (FILE *out)
{
    roff_title (out, "BERTH-SHIM", 8, "berth-shim, berth-init", "what keeps a place open, and the first process inside");
    roff_section (out, "description");
    roff_text (out, "`berthd`(8) starts both by itself; there is nothing to start by hand, and they take no options.");
    roff_text (out, "There is one `berth-shim` for each open place, and a few that are parked. It opens the place, "
                    "starts and watches the commands in it, keeps their output on disk and records how they ended. "
                    "It outlives a restart of `berthd`, which finds it by its socket in the runtime directory; it "
                    "ends when its place is closed. Do not kill one: its commands end with it, as provider_lost.");
    roff_text (out, "Of a place on another machine (driver ssh) it is a relay: the commands, and a `berth-shim` for "
                    "them, are there. What runs there is `berth-shim-static`, which it copies to "
                    "`.berth/bin` in the environment's folder when it is missing.");
    roff_text (out, "`berth-init` is process 1 inside a place with walls. It starts what the shim tells it on the "
                    "descriptors that the shim hands in, and takes away what has ended.");
    roff_section (out, "files");
    roff_item (out, "/run/berth/p", "", "Sockets of the shims, in the runtime directory.");
    roff_item (out, "/var/lib/berth/spool", "", "Output of commands, in the state directory.");
    roff_section (out, "see also");
    roff_text (out, "`berthd`(8), `bwrap`(1)");
}

void
manual_print (manual_page_t page, FILE *out)
{
    switch (page) {
        case manual_page_BERTH:    s_berth (out); break;
        case manual_page_BERTHD:   s_berthd (out); break;
        case manual_page_CONF:     s_conf (out); break;
        case manual_page_PROTOCOL: manual_protocol (out); break;
        case manual_page_SHIM:     s_shim (out); break;
        case manual_page_EXAMPLE:  manual_example (out); break;
        case manual_page_NONE: case manual_page_COUNT:
        default: ENSURE (false);
    }
}
