//  manual_protocol.c - owns the page berth-protocol(7): the reference, as bus.describe says it.

#include "manual.h"

#include "arena.h"
#include "describe.h"
#include "roff.h"

#include <inttypes.h>
#include <string.h>

//  "enum: local, ssh", "list of lease, at most 1000".
static const char *
s_kind (const describe_field_t *row, arena_t *arena)
{
    const char *text = row->kind;
    if (row->values.count) {
        text = "one of";
        for (size_t at = 0; at < row->values.count; at++)
            text = arena_printf (arena, "%s%s %s", text, at ? "," : "", row->values.items [at]);
    }
    else if (row->of && strcmp (row->kind, "any") == 0)
        text = "any map";
    else if (row->of)
        text = arena_printf (arena, "%s%s", strcmp (row->kind, "list") == 0 ? "list of " : "", row->of);
    if (row->limit)
        text = arena_printf (arena, "%s, at most %" PRIu64, text, row->limit);
    return arena_printf (arena, "(%s; %s)", text, row->presence);
}

static void
s_requests (FILE *out, const bus_description_t *all, arena_t *arena)
{
    roff_section (out, "requests");
    roff_text (out, "Each with the schema of its body, then that of its result. W: it changes state. S: with "
                    "credit, its answer is a stream. D: frame 2 may carry bytes.");
    for (size_t at = 0; at < all->requests.count; at++) {
        const describe_request_t *row = &all->requests.items [at];
        const char *marks = arena_printf (arena, "%s%s%s", row->writes ? "W" : "",
                                          row->streams ? "S" : "", row->data ? "D" : "");
        roff_item (out, row->type, arena_printf (arena, "%s -> %s %s", row->request, row->reply, marks),
                   row->doc);
        const char *roles = "Roles:";
        for (size_t role = 0; role < row->roles.count; role++)
            roles = arena_printf (arena, "%s%s %s", roles, role ? "," : "", row->roles.items [role]);
        roff_more (out, arena_printf (arena, "%s.", roles));
    }
}

static void
s_schemas (FILE *out, const bus_description_t *all, arena_t *arena)
{
    roff_section (out, "schemas");
    for (size_t at = 0; at < all->schemas.count; at++) {
        const describe_schema_t *schema = &all->schemas.items [at];
        roff_part (out, schema->name);
        roff_text (out, arena_printf (arena, "%s%s", schema->doc,
                                      schema->strict ? " Unknown keys are refused." : ""));
        for (size_t index = 0; index < schema->fields.count; index++) {
            const describe_field_t *row = &schema->fields.items [index];
            roff_item (out, row->name, s_kind (row, arena), row->doc);
        }
    }
}

void
manual_protocol (FILE *out)
{
    own (arena) arena = arena_new ();
    bus_description_t all;
    describe_bus (arena, &all);
    roff_title (out, "BERTH-PROTOCOL", 7, "berth-protocol", "what is said on the bus of Berth");
    roff_section (out, "description");
    roff_text (out, "A client asks over ZeroMQ, in MessagePack. The service listens with a ROUTER on "
                    "`bus.sock` (yours is a DEALER, or a REQ) and publishes on `events.sock` (yours is a SUB), "
                    "both in its runtime directory. A request has a header (request_header), a body and, "
                    "where the request says D, a frame of bytes; a reply has a header (reply_header) and a "
                    "body: the result, an error_body, or a chunk of a stream. Header and body are maps with "
                    "strings as keys.");
    roff_text (out, "This page is the reference. The whole protocol, with values, deadlines, retries, streams "
                    "and activity byte by byte, is `protocol.md` in the documentation's folder; "
                    "`berth bus describe` prints the reference as data.");
    s_requests (out, &all, arena);
    s_schemas (out, &all, arena);
    roff_section (out, "errors");
    for (size_t at = 0; at < all.errors.count; at++) {
        const describe_error_t *row = &all.errors.items [at];
        roff_item (out, row->code, row->retryable ? "(a retry may help)" : "", row->doc);
    }
    roff_section (out, "limits");
    for (size_t at = 0; at < all.limits.count; at++)
        roff_item (out, all.limits.items [at].name, arena_printf (arena, "%" PRIu64, all.limits.items [at].value),
                   all.limits.items [at].doc);
    roff_section (out, "roles");
#define ROLE_ROW(name, text, doc) { ROLE_##name, text, doc },
    static const struct { unsigned role; const char *text, *doc; } roles [] = { ROLES (ROLE_ROW) };
    for (size_t at = 0; at < BERTH_COUNT (roles); at++)
        if (roles [at].role != ROLE_INTERNAL)
            roff_item (out, roles [at].text, "", roles [at].doc);
    roff_section (out, "actions");
    roff_text (out, "Each with the type of the entity that it is about.");
    for (size_t at = 0; at < all.actions.count; at++)
        roff_item (out, all.actions.items [at].action, "", all.actions.items [at].entity);
    roff_section (out, "see also");
    roff_text (out, "`berth`(1), `berthd`(8)");
}
