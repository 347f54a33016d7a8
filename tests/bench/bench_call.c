//  bench_call.c - owns the DEALER of a bench client and the one ZeroMQ context.

#include "bench_call.h"

#include "codec.h"
#include "ids.h"
#include "wire.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { PATIENCE_MS = 30000 };

static void *
s_context (void)
{
    static void *context;
    if (!context)
        context = zmq_ctx_new ();
    return context;
}

bench_t *
bench_connect (const char *endpoint)
{
    bench_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    char id [BERTH_ID_SIZE];
    berth_id_new (id);
    self->arena = arena_new ();
    self->scratch = arena_new ();
    const char *company = getenv ("BENCH_COMPANY");
    self->company = company ? company : arena_printf (self->arena, "bench-%s", id);
    self->socket = zmq_socket (s_context (), ZMQ_DEALER);
    int patience_ms = PATIENCE_MS, soon_ms = 1, linger_ms = 0;
    zmq_setsockopt (self->socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    zmq_setsockopt (self->socket, ZMQ_SNDTIMEO, &patience_ms, sizeof patience_ms);
    zmq_setsockopt (self->socket, ZMQ_RECONNECT_IVL, &soon_ms, sizeof soon_ms);
    zmq_setsockopt (self->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    bench_secure (self->socket);
    bench_zmq (zmq_connect (self->socket, endpoint), endpoint);
    return self;
}

berth_bytes_t
bench_body (bench_t *self, ...)
{
    berth_bytes_t body = berth_empty_map;
    va_list args;
    va_start (args, self);
    for (const char *name; (name = va_arg (args, const char *));)
        body = any_set_text (body, name, va_arg (args, const char *), self->arena);
    va_end (args);
    return body;
}

bench_ask_t
bench_ask (bench_t *self, const char *type, berth_bytes_t body, uint64_t credit)
{
    berth_bytes_t header = any_set_number (berth_empty_map, "v", 1, self->arena);
    const char *id = arena_printf (self->arena, "%u", ++self->asks);
    header = any_set_text (header, "id", id, self->arena);
    header = any_set_text (header, "type", type, self->arena);
    if (credit)
        header = any_set_number (header, "credit", credit, self->arena);
    return (bench_ask_t) { type, id, header, body };
}

bench_ask_t
bench_keyed (bench_t *self, const bench_ask_t *ask)
{
    char key [BERTH_ID_SIZE];
    berth_id_new (key);
    arena_clear (self->scratch);
    bench_ask_t keyed = *ask;
    keyed.header = any_set_text (ask->header, "key", key, self->scratch);
    return keyed;
}

void
bench_send (bench_t *self, const bench_ask_t *ask)
{
    bench_zmq (zmq_send (self->socket, ask->header.data, ask->header.size, ZMQ_SNDMORE), ask->type);
    bench_zmq (zmq_send (self->socket, ask->body.data, ask->body.size, 0), ask->type);
}

static void __attribute__ ((noreturn))
s_die_of (bench_t *self, const bench_ask_t *ask, berth_bytes_t header, berth_bytes_t body)
{
    const char *status = any_text (header, "status", self->arena);
    const char *code = any_text (body, "code", self->arena);
    const char *message = any_text (body, "message", self->arena);
    bench_die ("%s: %s %s: %s", ask->type, status ? status : "no status", code ? code : "",
               message ? message : "");
}

static bool
s_is (berth_bytes_t packed_text, const char *text)
{
    size_t size = strlen (text);            //  Below 32 bytes: one byte of type, then the text
    return packed_text.size == size + 1 && memcmp (packed_text.data + 1, text, size) == 0;
}

//  Receives the frames behind the body; returns their bytes.
static size_t
s_receive_data (bench_t *self, const bench_ask_t *ask, bool more)
{
    size_t bytes = 0;
    while (more) {
        zmq_msg_t data;
        zmq_msg_init (&data);
        bench_zmq (zmq_msg_recv (&data, self->socket, 0), ask->type);
        bytes += zmq_msg_size (&data);
        more = zmq_msg_more (&data);
        zmq_msg_close (&data);
    }
    return bytes;
}

static void
s_keep (bench_t *self, const bench_ask_t *ask, berth_bytes_t body, bench_reply_t *reply)
{
    berth_error_t err = { 0 };
    if (wire_check (body, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, &err))
        bench_die ("%s: %s", ask->type, err.text);
    reply->body = (berth_bytes_t) { arena_copy (self->arena, body.data, body.size), body.size };
}

void
bench_receive (bench_t *self, const bench_ask_t *ask, bench_reply_t *ret_reply)
{
    for (bool ours = false; !ours;) {
        zmq_msg_t header, body;
        zmq_msg_init (&header);
        zmq_msg_init (&body);
        bench_zmq (zmq_msg_recv (&header, self->socket, 0), ask->type);
        bench_zmq (zmq_msg_recv (&body, self->socket, 0), ask->type);
        berth_bytes_t head = { zmq_msg_data (&header), zmq_msg_size (&header) };
        berth_bytes_t rest = { zmq_msg_data (&body), zmq_msg_size (&body) };
        berth_bytes_t status = any_get (head, "status");
        bench_reply_t reply = { .more = s_is (status, "stream") };
        ours = s_is (any_get (head, "id"), ask->id);
        if (ours && !reply.more && !s_is (status, "ok"))
            s_die_of (self, ask, head, rest);
        reply.data = s_receive_data (self, ask, zmq_msg_more (&body));
        if (ours && ret_reply) {
            s_keep (self, ask, rest, &reply);
            *ret_reply = reply;
        }
        zmq_msg_close (&header);
        zmq_msg_close (&body);
    }
}

int
bench_receive_any (bench_t *self)
{
    zmq_msg_t frame;
    bool ok = false, more = true;
    for (int index = 0; more; index++) {
        zmq_msg_init (&frame);
        if (zmq_msg_recv (&frame, self->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close (&frame);
            return -1;
        }
        if (index == 0)
            ok = s_is (any_get ((berth_bytes_t) { zmq_msg_data (&frame), zmq_msg_size (&frame) }, "status"),
                       "ok");
        more = zmq_msg_more (&frame);
        zmq_msg_close (&frame);
    }
    return ok;
}

berth_bytes_t
bench_call (bench_t *self, const char *type, berth_bytes_t body)
{
    bench_ask_t ask = bench_ask (self, type, body, 0);
    bench_reply_t reply;
    bench_send (self, &ask);
    bench_receive (self, &ask, &reply);
    return reply.body;
}

const char *
bench_text (bench_t *self, berth_bytes_t row, const char *name)
{
    const char *text = any_text (row, name, self->arena);
    if (!text)
        bench_die ("a reply has no '%s'", name);
    return text;
}

const char *
bench_environment (bench_t *self, const char *driver)
{
    berth_bytes_t body = bench_body (self, "companyId", self->company, NULL);
    if (strcmp (driver, "local") == 0)
        return bench_text (self, bench_call (self, "environment.ensureLocal", body), "id");
    body = bench_body (self, "companyId", self->company, "name", "bench", "driver", driver, NULL);
    berth_bytes_t config = strcmp (driver, "ssh")
        ? bench_body (self, "provider", "bubblewrap", NULL)
        : bench_body (self, "host", "127.0.0.1", "port", getenv ("BENCH_SSH_PORT"), "username",
                      getenv ("BENCH_SSH_USER"), "remoteWorkspacePath", getenv ("BENCH_SSH_BASE"),
                      "knownHosts", getenv ("BENCH_SSH_KNOWN"), NULL);
    body = any_set (body, "config", config, self->arena);
    return bench_text (self, bench_call (self, "environment.create", body), "id");
}
