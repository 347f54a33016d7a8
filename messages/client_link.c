//  client_link.c - owns a client's DEALER and the monitor that sees its connection.

#include "client_link.h"

#include <stdlib.h>
#include <string.h>

#define LINK_MAGIC 0x11a40001u

struct link {
    uint32_t magic;
    void *context, *socket, *monitor;
};

//  Not ZMQ_IMMEDIATE: there a connection that breaks in the middle of a message takes libzmq 4.3.4
//  down with it (assertion in fq.cpp).
static const struct { int option, value; } s_options [] = {
    { ZMQ_LINGER, 0 }, { ZMQ_RECONNECT_IVL, 20 },
    { ZMQ_RECONNECT_IVL_MAX, 500 }, { ZMQ_HEARTBEAT_IVL, 5000 }, { ZMQ_HEARTBEAT_TIMEOUT, 15000 }
};

link_t *
link_new (const char *endpoint, const curve_t *curve, berth_error_t *err)
{
    link_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = LINK_MAGIC;
    self->context = zmq_ctx_new ();
    ENSURE (self->context);
    self->socket = zmq_socket (self->context, ZMQ_DEALER);
    self->monitor = zmq_socket (self->context, ZMQ_PAIR);
    ENSURE (self->socket && self->monitor);
    for (size_t index = 0; index < BERTH_COUNT (s_options); index++)
        ENSURE (zmq_setsockopt (self->socket, s_options [index].option, &s_options [index].value,
                                sizeof (int)) == 0);
    int none = 0;
    int64_t largest = 2 * BERTH_FRAME_MAX;
    ENSURE (zmq_setsockopt (self->monitor, ZMQ_LINGER, &none, sizeof none) == 0);
    ENSURE (zmq_setsockopt (self->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0);
    ENSURE (zmq_socket_monitor (self->socket, "inproc://monitor",
                                ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED
                                    | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) == 0);
    ENSURE (zmq_connect (self->monitor, "inproc://monitor") == 0);
    curve_apply (curve, self->socket);
    if (zmq_connect (self->socket, endpoint)) {
        berth_fail (err, BERTH_INVALID, "'%s' is no endpoint: %s", endpoint, zmq_strerror (zmq_errno ()));
        if (err)
            berth_error_set (err->remedy, sizeof err->remedy, "say ipc://PATH or tcp://HOST:PORT");
        link_destroy (&self);
    }
    return self;
}

void
link_destroy (link_t **self_p)
{
    link_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, LINK_MAGIC);
    zmq_socket_monitor (self->socket, NULL, 0);
    zmq_close (self->monitor);
    zmq_close (self->socket);
    zmq_ctx_term (self->context);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static int
s_frame (link_t *self, berth_bytes_t bytes, int flags)
{
    return zmq_send (self->socket, bytes.data, bytes.size, ZMQ_DONTWAIT | flags) < 0 ? -1 : 0;
}

//  Only the first frame can find no room: the others belong to the same message.
int
link_send (link_t *self, berth_bytes_t header, berth_bytes_t body, berth_bytes_t data)
{
    CHECK (self, LINK_MAGIC);
    if (s_frame (self, header, ZMQ_SNDMORE) || s_frame (self, body, data.size ? ZMQ_SNDMORE : 0))
        return -1;
    return data.size ? s_frame (self, data, 0) : 0;
}

bool
link_receive (link_t *self, zmq_msg_t ret_frames [LINK_FRAMES])
{
    CHECK (self, LINK_MAGIC);
    for (size_t index = 0; index < LINK_FRAMES; index++)
        zmq_msg_init (&ret_frames [index]);
    for (;;) {
        size_t count = 0;
        bool more = true;
        while (more) {
            zmq_msg_t extra;
            zmq_msg_init (&extra);
            zmq_msg_t *frame = count < LINK_FRAMES ? &ret_frames [count] : &extra;
            if (zmq_msg_recv (frame, self->socket, ZMQ_DONTWAIT) < 0) {
                zmq_msg_close (&extra);
                return false;           //  Messages come whole: this is between two of them
            }
            more = zmq_msg_more (frame);
            count++;
            zmq_msg_close (&extra);
        }
        if (count >= 2 && count <= LINK_FRAMES)
            return true;
    }
}

link_event_t
link_event (link_t *self)
{
    CHECK (self, LINK_MAGIC);
    uint8_t event [6];
    char address [16];
    if (zmq_recv (self->monitor, event, sizeof event, ZMQ_DONTWAIT) != sizeof event)
        return LINK_SAME;
    (void) zmq_recv (self->monitor, address, sizeof address, ZMQ_DONTWAIT);     //  Cut: not used
    uint16_t what;
    memcpy (&what, event, sizeof what);
    return what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? LINK_UP
         : what == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? LINK_REFUSED : LINK_DOWN;
}

void
link_wait (link_t *self, bool sending, struct pollfd *fds, size_t count, int64_t ms)
{
    CHECK (self, LINK_MAGIC);
    ENSURE (count <= LINK_DESCRIPTORS_MAX);
    zmq_pollitem_t items [2 + LINK_DESCRIPTORS_MAX] = {
        { .socket = self->socket, .events = (short) (ZMQ_POLLIN | (sending ? ZMQ_POLLOUT : 0)) },
        { .socket = self->monitor, .events = ZMQ_POLLIN }
    };
    int used = 2;
    for (size_t index = 0; index < count; index++) {
        fds [index].revents = 0;
        if (fds [index].fd >= 0)
            items [used++] = (zmq_pollitem_t) {
                .fd = fds [index].fd,
                .events = (short) ((fds [index].events & POLLIN ? ZMQ_POLLIN : 0)
                                   | (fds [index].events & POLLOUT ? ZMQ_POLLOUT : 0) | ZMQ_POLLERR)
            };
    }
    if (zmq_poll (items, used, ms < 0 ? 0 : ms > 60000 ? 60000 : (long) ms) < 0)
        return;                         //  A signal came
    used = 2;
    for (size_t index = 0; index < count; index++)
        if (fds [index].fd >= 0) {
            short ready = items [used++].revents;
            fds [index].revents = (short) ((ready & ZMQ_POLLIN ? POLLIN : 0)
                | (ready & ZMQ_POLLOUT ? POLLOUT : 0) | (ready & ZMQ_POLLERR ? POLLERR : 0));
        }
}
