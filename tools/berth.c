//  berth.c - main of the command line: reads it, finds the service, runs the command.

#include "commands.h"

#include "help.h"
#include "invocation.h"
#include "output.h"
#include "resolve.h"
#include "service.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

//  ---- the usual command

//  A probe or a test that says no is for scripts to see.
static bool
s_says_no (const invocation_t *self, const berth_schema_t *schema, berth_bytes_t reply)
{
    const char *status = schema == &environment_tested_schema
        ? any_text (reply, "status", self->arena) : NULL;
    if (status)
        return strcmp (status, "fail") == 0;
    return schema == &probe_result_schema && !any_truth (reply, "ok", false);
}

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
            return s_says_no (self, row->reply, reply);
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
    if (invocation_complete (self, err) || service_find (self, &named, err) || service_connect (self, err)
        || resolve_ids (self, schema, &self->body, err))
        return -1;
    //  What is wrong is said here, by the same rules as the service's.
    void *message = arena_take (self->arena, schema->size);
    return berth_unpack (schema, self->body, self->arena, message, err);
}

static int
s_perform (invocation_t *self, berth_error_t *err)
{
    if (self->command->run == help_command || self->command->run == run_command
        || self->command->run == completion_command)
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
    int rc = argc > 0 ? invocation_read (&self, argv, &err) : 0;
    if (rc == 0) {
        if (self.common.version)
            printf ("berth %s\n", BERTH_VERSION);
        else if (self.common.help && self.command)
            help_print (self.command);
        else if (self.group)
            help_print_group (self.group);
        else if (!self.command)
            help_print_all ();
        else
            rc = s_perform (&self, &err);
    }
    berth_client_destroy (&self.bus);
    if (rc < 0)
        rc = output_error (self.command ? self.command->words : "", &err);
    //  Data that could not be written is no success.
    if ((fflush (stdout) || ferror (stdout)) && rc == 0)
        rc = 1;
    return rc;
}
