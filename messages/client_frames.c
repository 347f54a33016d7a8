//  client_frames.c - owns nothing: a client's ids, how far a stream is, and errors as they come.

#include "client_frames.h"

#include "bus.h"
#include "wire.h"

#include <msgpack.h>
#include <stdio.h>

berth_bytes_t
client_id (uint64_t number, arena_t *arena)
{
    char id [24];
    int size = snprintf (id, sizeof id, "%llu", (unsigned long long) number);
    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    msgpack_pack_str_with_body (&pk, id, (size_t) size);
    return berth_buffer_bytes (&buffer);
}

uint64_t
client_number (berth_bytes_t id)
{
    wire_t wire = wire_of (id);
    wire_token_t token;
    uint64_t number = 0;
    if (wire_next (&wire, &token) || token.type != WIRE_STR || token.size > 19)
        return 0;
    for (size_t index = 0; index < token.size; index++) {
        if (token.data [index] < '0' || token.data [index] > '9')
            return 0;
        number = number * 10 + (token.data [index] - '0');
    }
    return number;
}

//  ---- exec.read across a loss

void
client_read_begin (client_read_t *self, berth_bytes_t body)
{
    *self = (client_read_t) { .is = true, .limited = any_get (body, "limit").size > 0 };
    self->from = self->next = any_number (body, "from", 0);
    self->limit = any_number (body, "limit", 0);
}

void
client_read_took (client_read_t *self, berth_bytes_t chunk, size_t size)
{
    uint64_t offset = any_number (chunk, "offset", self->next);
    if (offset > self->next)
        self->missing += offset - self->next;
    self->next = offset + size;
}

berth_bytes_t
client_read_on (const client_read_t *self, berth_bytes_t body, arena_t *arena)
{
    if (self->next == self->from)
        return body;
    uint64_t had = self->next - self->from;
    body = any_set_number (body, "from", self->next, arena);
    return self->limited
        ? any_set_number (body, "limit", self->limit > had ? self->limit - had : 0, arena) : body;
}

berth_bytes_t
client_read_end (const client_read_t *self, berth_bytes_t body, arena_t *arena)
{
    body = any_set_number (body, "offset", self->from, arena);
    //  Of what was asked last, only the rest is counted by the service.
    uint64_t missing = self->missing + any_number (body, "missing", 0);
    return missing ? any_set_number (body, "missing", missing, arena) : body;
}

//  ---- errors

static void
s_copy (char *field, size_t size, const char *text)
{
    if (text)
        berth_error_set (field, size, "%s", text);
}

void
client_read_error (berth_bytes_t body, berth_error_t *ret_error)
{
    own (arena) arena = arena_new ();
    error_body_t error;
    berth_error_t err = { 0 };
    if (berth_unpack (&error_body_schema, body, arena, &error, &err)) {
        berth_fail (ret_error, BERTH_INTERNAL, "the service sent a malformed error: %s", err.text);
        return;
    }
    berth_fail (ret_error, berth_code_of (error.code), "%s", error.message);
    const error_details_t *details = error.details;
    if (!details)
        return;
    s_copy (ret_error->field, sizeof ret_error->field, details->field);
    s_copy (ret_error->environment_id, sizeof ret_error->environment_id, details->env);
    s_copy (ret_error->driver, sizeof ret_error->driver, details->driver);
    s_copy (ret_error->provider, sizeof ret_error->provider, details->provider);
    s_copy (ret_error->lease_id, sizeof ret_error->lease_id, details->lease);
    s_copy (ret_error->cause, sizeof ret_error->cause, details->cause);
    s_copy (ret_error->remedy, sizeof ret_error->remedy, details->remedy);
    ret_error->provider_status = (int) details->provider_status;
    s_copy (ret_error->limit, sizeof ret_error->limit, details->limit);
    ret_error->limit_value = details->limit_value;
    ret_error->retry_after_ms = details->retry_after_ms;
}

bool
client_reads (request_code_t code)
{
    return code != REQUEST_COUNT && (request_row (code)->mode & MODE_READ)
        && code != REQUEST_EXEC_SIGNAL && code != REQUEST_BUS_SHUTDOWN;
}
