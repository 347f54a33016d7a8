//  calls.c - owns the commands about the bus itself that do more than ask and print.

#include "json.h"
#include "output.h"
#include "service.h"

#include <stdio.h>

int
call_command (invocation_t *self, berth_error_t *err)
{
    call_options_t ask;
    if (berth_unpack (&call_options_schema, self->body, self->arena, &ask, err))
        return -1;
    berth_ask_t how = service_ask (self, 120000);
    how.key = ask.key;
    request_code_t code = request_code (ask.type);
    const berth_field_t *company = code == REQUEST_COUNT
        ? NULL : berth_schema_field (request_row (code)->request, "companyId");
    berth_bytes_t body = ask.body.size ? ask.body : berth_empty_map;
    if (company && (company->flags & REQUIRED) && any_get (body, "companyId").size == 0)
        body = any_set_text (body, "companyId", self->company, self->arena);
    uint64_t call = berth_client_send (self->bus, ask.type, body, &how, err);
    if (!call)
        return -1;
    berth_reply_t reply;
    while (!berth_client_next (self->bus, call, INT64_MAX / 2, &reply))
        ;                               //  Its deadline ends it
    if (reply.status == reply_status_ERROR) {
        *err = reply.error;
        return -1;
    }
    printf ("%s\n", berth_json_text (code == REQUEST_COUNT ? NULL : request_row (code)->reply,
                                     reply.body, self->common.json ? BERTH_JSON_COMPACT
                                     : BERTH_JSON_PRETTY, self->arena));
    if (reply.data.size)                //  Frame 2 as it is
        fwrite (reply.data.data, 1, reply.data.size, stdout);
    return 0;
}

int
describe_command (invocation_t *self, berth_error_t *err)
{
    berth_ask_t how = service_ask (self, 0);
    berth_bytes_t body;
    bus_description_t all;
    if (berth_client_call (self->bus, "bus.describe", berth_empty_map, &how, self->arena, &body, err))
        return -1;
    if (self->common.json) {
        printf ("%s\n", output_json (&bus_description_schema, body, self->arena));
        return 0;
    }
    if (berth_unpack (&bus_description_schema, body, self->arena, &all, err))
        return -1;
    for (size_t index = 0; index < all.requests.count; index++) {
        const describe_request_t *row = &all.requests.items [index];
        printf ("%-26s %s\n%26s %s > %s\n", row->type, row->doc, "", row->request, row->reply);
    }
    output_note ("fields, errors, limits and actions: berth bus describe --json");
    return 0;
}

int
shutdown_command (invocation_t *self, berth_error_t *err)
{
    berth_ask_t how = service_ask (self, 60000);
    if (berth_client_call (self->bus, "bus.shutdown", self->body, &how, self->arena, NULL, err)
        && err->code != BERTH_UNREACHABLE)      //  It may be gone before its answer is here
        return -1;
    return 0;
}
