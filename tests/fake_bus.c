//  fake_bus.c - owns a ROUTER and its thread.

#include "fake_bus.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct fake_bus {
    void *context, *router;
    fake_handler_fn *handler;
    void *handler_context;
    pthread_t thread;
    atomic_bool stop;
};

void
fake_bus_reply (fake_bus_t *self, const fake_asker_t *asker, reply_status_t status,
                berth_bytes_t body, berth_bytes_t data)
{
    own (arena) arena = arena_new ();
    reply_header_t header = { .v = 1, .type = asker->type, .id = { asker->id, asker->id_size },
                              .status = status };
    berth_bytes_t packed = berth_pack (&reply_header_schema, &header, arena);
    zmq_send (self->router, asker->peer, asker->peer_size, ZMQ_SNDMORE);
    zmq_send (self->router, packed.data, packed.size, ZMQ_SNDMORE);
    zmq_send (self->router, body.data, body.size, data.size ? ZMQ_SNDMORE : 0);
    if (data.size)
        zmq_send (self->router, data.data, data.size, 0);
}

void
fake_bus_fail (fake_bus_t *self, const fake_asker_t *asker, const char *code, const char *message,
               const error_details_t *details)
{
    own (arena) arena = arena_new ();
    error_body_t error = { .code = code, .message = message, .details = details };
    fake_bus_reply (self, asker, reply_status_ERROR, berth_pack (&error_body_schema, &error, arena),
                    (berth_bytes_t) { NULL, 0 });
}

static berth_bytes_t
s_bytes (zmq_msg_t *frame)
{
    return (berth_bytes_t) { zmq_msg_data (frame), zmq_msg_size (frame) };
}

static void
s_handle (fake_bus_t *self, zmq_msg_t frames [4])
{
    own (arena) arena = arena_new ();
    request_header_t header;
    berth_error_t err = { 0 };
    ENSURE (berth_unpack (&request_header_schema, s_bytes (&frames [1]), arena, &header, &err) == 0);
    fake_asker_t asker = { .credit = header.credit };
    asker.peer_size = zmq_msg_size (&frames [0]);
    asker.id_size = header.id.size;
    ENSURE (asker.peer_size <= sizeof asker.peer && asker.id_size <= sizeof asker.id);
    memcpy (asker.peer, zmq_msg_data (&frames [0]), asker.peer_size);
    memcpy (asker.id, header.id.data, header.id.size);
    snprintf (asker.type, sizeof asker.type, "%s", header.type);
    snprintf (asker.key, sizeof asker.key, "%s", header.key ? header.key : "");
    self->handler (self->handler_context, self, &asker, s_bytes (&frames [2]), s_bytes (&frames [3]), arena);
}

static void *
s_run (void *argument)
{
    fake_bus_t *self = argument;
    while (!self->stop) {
        zmq_pollitem_t item = { .socket = self->router, .events = ZMQ_POLLIN };
        zmq_poll (&item, 1, 5);
        if (!(item.revents & ZMQ_POLLIN))
            continue;
        zmq_msg_t frames [4];
        int count = 0, more = 1;
        for (size_t index = 0; index < 4; index++)
            zmq_msg_init (&frames [index]);
        while (more && count < 4) {
            zmq_msg_recv (&frames [count], self->router, 0);
            more = zmq_msg_more (&frames [count++]);
        }
        ENSURE (count >= 3 && !more);
        s_handle (self, frames);
        for (size_t index = 0; index < 4; index++)
            zmq_msg_close (&frames [index]);
    }
    return NULL;
}

fake_bus_t *
fake_bus_new (const char *endpoint, fake_handler_fn *handler, void *context)
{
    fake_bus_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->handler = handler;
    self->handler_context = context;
    self->context = zmq_ctx_new ();
    self->router = zmq_socket (self->context, ZMQ_ROUTER);
    int none = 0;                       //  Of the water mark: no bound, or a ROUTER drops
    ENSURE (zmq_setsockopt (self->router, ZMQ_LINGER, &none, sizeof none) == 0);
    ENSURE (zmq_setsockopt (self->router, ZMQ_SNDHWM, &none, sizeof none) == 0);
    ENSURE (zmq_bind (self->router, endpoint) == 0);
    ENSURE (pthread_create (&self->thread, NULL, s_run, self) == 0);
    return self;
}

void
fake_bus_destroy (fake_bus_t **self_p)
{
    fake_bus_t *self = *self_p;
    if (!self)
        return;
    self->stop = true;
    pthread_join (self->thread, NULL);
    zmq_close (self->router);
    zmq_ctx_term (self->context);
    free (self);
    *self_p = NULL;
}
