//  client_events.c - owns a subscription to a company's activity.

#include "client_curve.h"

#include "clock.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define EVENTS_MAGIC 0xc11e0002u

struct berth_events {
    uint32_t magic;
    void *context, *socket;
    char topic [80];            //  "acme/"
};

berth_events_t *
berth_events_new (const char *endpoint, const char *company, berth_error_t *err)
{
    berth_connect_t how = { .endpoint = endpoint };
    return berth_events_open (&how, company, err);
}

berth_events_t *
berth_events_open (const berth_connect_t *how, const char *company, berth_error_t *err)
{
    curve_t curve;
    if (curve_read (how, &curve, err))
        return NULL;
    berth_events_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = EVENTS_MAGIC;
    self->context = zmq_ctx_new ();
    ENSURE (self->context);
    self->socket = zmq_socket (self->context, ZMQ_SUB);
    ENSURE (self->socket);
    int none = 0, reconnect = 20, reconnect_max = 500, room = 10000;
    int64_t largest = 2 * BERTH_FRAME_MAX;
    ENSURE (zmq_setsockopt (self->socket, ZMQ_LINGER, &none, sizeof none) == 0);
    ENSURE (zmq_setsockopt (self->socket, ZMQ_RECONNECT_IVL, &reconnect, sizeof (int)) == 0);
    ENSURE (zmq_setsockopt (self->socket, ZMQ_RECONNECT_IVL_MAX, &reconnect_max, sizeof (int)) == 0);
    ENSURE (zmq_setsockopt (self->socket, ZMQ_RCVHWM, &room, sizeof room) == 0);
    ENSURE (zmq_setsockopt (self->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0);
    curve_apply (&curve, self->socket);
    curve_wipe (&curve);
    int size = snprintf (self->topic, sizeof self->topic, "%s/", company);
    if (size < 2 || size >= (int) sizeof self->topic)
        berth_fail (err, BERTH_INVALID, "'%s' is no company", company);
    else if (zmq_connect (self->socket, how->endpoint))
        berth_fail (err, BERTH_INVALID, "'%s' is no endpoint: %s", how->endpoint, zmq_strerror (zmq_errno ()));
    else {
        ENSURE (zmq_setsockopt (self->socket, ZMQ_SUBSCRIBE, self->topic, (size_t) size) == 0);
        return self;
    }
    berth_events_destroy (&self);
    return NULL;
}

void
berth_events_destroy (berth_events_t **self_p)
{
    berth_events_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, EVENTS_MAGIC);
    zmq_close (self->socket);
    zmq_ctx_term (self->context);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

//  The two frames of a message; false if there is none, or one of another shape.
static bool
s_receive (berth_events_t *self, zmq_msg_t *topic, zmq_msg_t *body)
{
    if (zmq_msg_recv (topic, self->socket, ZMQ_DONTWAIT) < 0)
        return false;
    bool more = zmq_msg_more (topic);
    int count = 1;
    while (more) {
        if (zmq_msg_recv (body, self->socket, ZMQ_DONTWAIT) < 0)
            return false;
        more = zmq_msg_more (body);
        count++;
    }
    return count == 2;
}

//  The frame of `~head` is a map with companySeq, or the number alone.
static int
s_read_head (berth_bytes_t bytes, uint64_t *ret_head)
{
    if (wire_check (bytes, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, NULL))
        return 0;
    wire_t wire = wire_of (bytes);
    wire_token_t token;
    if (wire_next (&wire, &token) == 0 && token.type == WIRE_UINT)
        *ret_head = token.number;
    else if (any_get (bytes, "companySeq").size)
        *ret_head = any_number (bytes, "companySeq", 0);
    else
        return 0;
    return 2;
}

static int
s_read (berth_events_t *self, berth_bytes_t topic, berth_bytes_t bytes, arena_t *arena,
        activity_t *ret_entry, berth_bytes_t *ret_raw, uint64_t *ret_head)
{
    size_t prefix = strlen (self->topic);
    if (topic.size == prefix + 5 && memcmp (topic.data + prefix, "~head", 5) == 0)
        return s_read_head (bytes, ret_head);
    berth_bytes_t kept = { arena_copy (arena, bytes.data, bytes.size), bytes.size };
    if (berth_unpack (&activity_schema, kept, arena, ret_entry, NULL))
        return 0;
    if (ret_raw)
        *ret_raw = kept;
    return 1;
}

int
berth_events_next (berth_events_t *self, int64_t until, arena_t *arena, activity_t *ret_entry,
                   berth_bytes_t *ret_raw, uint64_t *ret_head)
{
    CHECK (self, EVENTS_MAGIC);
    for (;;) {
        zmq_msg_t topic, body;
        zmq_msg_init (&topic);
        zmq_msg_init (&body);
        int rc = 0;
        if (s_receive (self, &topic, &body))
            rc = s_read (self, (berth_bytes_t) { zmq_msg_data (&topic), zmq_msg_size (&topic) },
                         (berth_bytes_t) { zmq_msg_data (&body), zmq_msg_size (&body) }, arena,
                         ret_entry, ret_raw, ret_head);
        zmq_msg_close (&topic);
        zmq_msg_close (&body);
        int64_t left = until - berth_mono_ms ();
        if (rc || left <= 0)
            return rc;
        zmq_pollitem_t item = { .socket = self->socket, .events = ZMQ_POLLIN };
        if (zmq_poll (&item, 1, left > 60000 ? 60000 : (long) left) < 0)
            return 0;                   //  A signal came
    }
}
