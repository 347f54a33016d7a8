//  door.c - owns one ROUTER socket.

#include "door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DOOR_MAGIC 0xd0023001u

struct door {
    uint32_t magic;
    zsock_t *router;
    trust_t *trust;
    char principal [TRUST_NAME_SIZE];   //  "" of a door to the network
    standing_t standing;                //  Of that principal; it does not change
    uint16_t port;
};

static door_t *
s_new (zsock_t **router_p, trust_t *trust)
{
    door_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = DOOR_MAGIC;
    self->router = take (*router_p);
    self->trust = trust;
    return self;
}

door_t *
door_new_local (zsock_t **router_p, trust_t *trust, const char *principal)
{
    door_t *self = s_new (router_p, trust);
    snprintf (self->principal, sizeof self->principal, "%s", principal);
    ENSURE (trust_standing (trust, principal, &self->standing));
    return self;
}

door_t *
door_new_network (zsock_t **router_p, trust_t *trust, uint16_t port)
{
    door_t *self = s_new (router_p, trust);
    self->port = port;
    return self;
}

void
door_destroy (door_t **self_p)
{
    door_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, DOOR_MAGIC);
    zsock_destroy (&self->router);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

int
door_fd (const door_t *self)
{
    return zsock_fd (self->router);
}

bool
door_is_network (const door_t *self)
{
    return self->principal [0] == 0;
}

//  ---- in

static berth_bytes_t
s_bytes (zmq_msg_t *frame)
{
    return (berth_bytes_t) { zmq_msg_data (frame), zmq_msg_size (frame) };
}

int
door_receive (door_t *self, envelope_t *ret_envelope)
{
    void *socket = zsock_resolve (self->router);
    memset (ret_envelope, 0, sizeof *ret_envelope);
    envelope_t *env = ret_envelope;
    bool more = true;
    while (more) {
        zmq_msg_t *frame = &env->frames [env->count < DOOR_FRAMES_MAX ? env->count
                                                                      : DOOR_FRAMES_MAX - 1];
        if (env->count >= DOOR_FRAMES_MAX)
            zmq_msg_close (frame);
        zmq_msg_init (frame);
        if (zmq_msg_recv (frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close (frame);
            return -1;              //  Nothing there: the rest of a message never makes us wait
        }
        more = zmq_msg_more (frame);
        if (env->count < DOOR_FRAMES_MAX)
            env->count++;
        else
            env->too_many = true;
    }
    size_t at = 1;
    env->id = s_bytes (&env->frames [0]);
    env->empty_frame = env->count > 1 && zmq_msg_size (&env->frames [1]) == 0;
    at += env->empty_frame;
    berth_bytes_t *parts [] = { &env->header, &env->body, &env->data };
    for (size_t part = 0; part < 3 && at < env->count; part++, at++)
        *parts [part] = s_bytes (&env->frames [at]);
    env->too_many |= at < env->count;
    return 0;
}

void
door_close (envelope_t *env)
{
    for (size_t index = 0; index < env->count; index++)
        zmq_msg_close (&env->frames [index]);
}

//  ---- who

//  What libzmq keeps about a connection hangs on each frame that came by it.
static zmq_msg_t *
s_telling (envelope_t *env)
{
    return &env->frames [env->count > 1 ? 1 : 0];
}

int
door_caller (door_t *self, envelope_t *env, caller_t *ret_caller, berth_error_t *err)
{
    CHECK (self, DOOR_MAGIC);
    if (!door_is_network (self)) {
        *ret_caller = (caller_t) { .principal = self->principal, .roles = self->standing.roles,
                                   .confined = !self->standing.everywhere };
        return 0;
    }
    const char *name = zmq_msg_gets (s_telling (env), "User-Id");
    standing_t standing = { 0 };
    *ret_caller = (caller_t) { .principal = name ? name : "", .confined = true, .remote = true };
    if (!name || !*name || !trust_standing (self->trust, name, &standing))
        return berth_fail (err, BERTH_UNAUTHORIZED, "this key is not good any more");
    ret_caller->roles = standing.roles;
    ret_caller->confined = !standing.everywhere;
    ret_caller->narrowed = standing.narrowed;
    //  Ids that clients choose can be chosen by another one later, who would then get the replies.
    if (env->id.size != 5 || env->id.data [0] != 0)
        return berth_fail (err, BERTH_UNAUTHORIZED, "set no ZMQ_ROUTING_ID on a socket that "
                           "connects over the network");
    return 0;
}

int
door_connection (envelope_t *env)
{
    return zmq_msg_get (s_telling (env), ZMQ_SRCFD);
}

bool
door_far (const door_t *self, int fd, far_end_t *ret_far)
{
    return door_is_network (self) && connection_far (fd, self->port, ret_far);
}

size_t
door_end (door_t *self, connection_keep_fn *keep, void *context)
{
    return door_is_network (self) ? connections_end (self->port, keep, context) : 0;
}

//  ---- out

static int
s_send_frame (door_t *self, zmq_msg_t *frame, int flags)
{
    int rc = zmq_msg_send (frame, zsock_resolve (self->router), flags | ZMQ_DONTWAIT);
    return rc < 0 ? -1 : 0;
}

static int
s_send_copy (door_t *self, berth_bytes_t bytes, int flags)
{
    zmq_msg_t frame;
    ENSURE (zmq_msg_init_size (&frame, bytes.size) == 0);
    if (bytes.size)
        memcpy (zmq_msg_data (&frame), bytes.data, bytes.size);
    int rc = s_send_frame (self, &frame, flags);
    int failure = errno;
    if (rc)
        zmq_msg_close (&frame);
    errno = failure;
    return rc;
}

int
door_send (door_t *self, berth_bytes_t id, bool empty_frame, berth_bytes_t header, zmq_msg_t *body,
           zmq_msg_t *data)
{
    CHECK (self, DOOR_MAGIC);
    bool more = data && zmq_msg_size (data) > 0;
    int rc = s_send_copy (self, id, ZMQ_SNDMORE);
    if (rc == 0 && empty_frame)
        rc = s_send_copy (self, (berth_bytes_t) { (const uint8_t *) "", 0 }, ZMQ_SNDMORE);
    if (rc == 0)
        rc = s_send_copy (self, header, ZMQ_SNDMORE);
    if (rc == 0)
        rc = s_send_frame (self, body, more ? ZMQ_SNDMORE : 0);
    if (rc == 0 && more)
        rc = s_send_frame (self, data, 0);
    int failure = errno;
    zmq_msg_close (body);
    if (data)
        zmq_msg_close (data);
    errno = failure;
    return rc;
}
