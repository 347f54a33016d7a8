//  wiring.c - owns the names of the in-process endpoints.

#include "wiring.h"

#include "plant.h"
#include "provider.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WIRING_MAGIC 0x31714601u
#define POST_MAGIC   0x31714602u
#define SLOTS (ACTOR_COUNT + PROVIDERS_MAX)     //  Actors, then one for each provider

struct wiring {
    uint32_t magic;
    unsigned number;                //  In this process: a name is free some time after its socket
    zsock_t *inboxes [SLOTS] [2];   //  Until their actor takes them
    quotas_t *quotas;               //  The server's
    trust_t *trust;
    atomic_bool followed;           //  Somebody subscribed to activity
};

struct post {
    uint32_t magic;
    wiring_t *wiring;
    zsock_t *targets [SLOTS] [2];   //  Made at the first send
};

static size_t
s_slot (actor_code_t actor, const char *provider)
{
    if (actor != ACTOR_PROXY)
        return (size_t) actor;
    for (size_t index = 0; provider_at (index); index++)
        if (strcmp (provider_at (index)->name, provider) == 0)
            return ACTOR_COUNT + index;
    ENSURE (!"a provider that has a proxy");
    return 0;
}

static void
s_endpoint (const wiring_t *self, size_t slot, inbox_t inbox, char *text, size_t size)
{
    snprintf (text, size, "inproc://berth-%u-%zu-%d", self->number, slot, (int) inbox);
}

static void
s_bind (wiring_t *self, size_t slot, inbox_t inbox)
{
    char endpoint [64];
    s_endpoint (self, slot, inbox, endpoint, sizeof endpoint);
    zsock_t *socket = zsock_new (ZMQ_PULL);
    ENSURE (socket);
    zsock_set_rcvhwm (socket, 0);
    ENSURE (zsock_bind (socket, "%s", endpoint) == 0);
    self->inboxes [slot] [inbox] = socket;
}

wiring_t *
wiring_new (void)
{
    wiring_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = WIRING_MAGIC;
    static atomic_uint s_number;
    self->number = atomic_fetch_add (&s_number, 1);
    for (size_t slot = 0; slot < ACTOR_COUNT; slot++) {
        if (slot == ACTOR_PROXY)
            continue;
        s_bind (self, slot, INBOX_INTERNAL);
        if (slot != ACTOR_FRONT)
            s_bind (self, slot, INBOX_CLIENTS);
    }
    for (size_t index = 0; provider_at (index); index++) {
        ENSURE (index < PROVIDERS_MAX);
        s_bind (self, ACTOR_COUNT + index, INBOX_INTERNAL);
    }
    return self;
}

void
wiring_destroy (wiring_t **self_p)
{
    wiring_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, WIRING_MAGIC);
    for (size_t slot = 0; slot < SLOTS; slot++)
        for (int inbox = 0; inbox < 2; inbox++)
            zsock_destroy (&self->inboxes [slot] [inbox]);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
wiring_set_quotas (wiring_t *self, quotas_t *quotas)
{
    CHECK (self, WIRING_MAGIC);
    self->quotas = quotas;
}

quotas_t *
wiring_quotas (const wiring_t *self)
{
    CHECK (self, WIRING_MAGIC);
    return self->quotas;
}

void
wiring_set_trust (wiring_t *self, trust_t *trust)
{
    CHECK (self, WIRING_MAGIC);
    self->trust = trust;
}

trust_t *
wiring_trust (const wiring_t *self)
{
    return self->trust;
}

zsock_t *
wiring_take (wiring_t *self, actor_code_t actor, const char *provider, inbox_t inbox)
{
    CHECK (self, WIRING_MAGIC);
    return take (self->inboxes [s_slot (actor, provider)] [inbox]);
}

void
wiring_followed (wiring_t *self, bool followed)
{
    CHECK (self, WIRING_MAGIC);
    self->followed = followed;
}

post_t *
post_new (wiring_t *wiring)
{
    post_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = POST_MAGIC;
    self->wiring = wiring;
    return self;
}

void
post_destroy (post_t **self_p)
{
    post_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, POST_MAGIC);
    for (size_t slot = 0; slot < SLOTS; slot++)
        for (int inbox = 0; inbox < 2; inbox++)
            zsock_destroy (&self->targets [slot] [inbox]);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static void *
s_target (post_t *self, size_t slot, inbox_t inbox)
{
    CHECK (self, POST_MAGIC);
    zsock_t **target = &self->targets [slot] [inbox];
    if (!*target) {
        char endpoint [64];
        s_endpoint (self->wiring, slot, inbox, endpoint, sizeof endpoint);
        *target = zsock_new (ZMQ_PUSH);
        ENSURE (*target);
        zsock_set_sndhwm (*target, 0);
        zsock_set_linger (*target, 0);
        ENSURE (zsock_connect (*target, "%s", endpoint) == 0);
    }
    return zsock_resolve (*target);
}

static void
s_frame (zmq_msg_t *msg, const void *data, size_t size)
{
    ENSURE (zmq_msg_init_size (msg, size) == 0);
    if (size)
        memcpy (zmq_msg_data (msg), data, size);
}

static int
s_send (void *socket, const void *head, size_t head_size, berth_bytes_t body, berth_bytes_t data,
        zmq_free_fn *data_free)
{
    zmq_msg_t frame;
    s_frame (&frame, head, head_size);
    if (zmq_msg_send (&frame, socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (&frame);
        if (data_free)
            data_free ((void *) data.data, NULL);
        return -1;
    }
    //  Behind the first frame the rest of a message is never refused.
    s_frame (&frame, body.data, body.size);
    ENSURE (zmq_msg_send (&frame, socket, data.data ? ZMQ_SNDMORE : 0) >= 0);
    if (data.data) {
        if (data_free)
            ENSURE (zmq_msg_init_data (&frame, (void *) data.data, data.size, data_free, NULL) == 0);
        else
            s_frame (&frame, data.data, data.size);
        ENSURE (zmq_msg_send (&frame, socket, 0) >= 0);
    }
    return 0;
}

int
post_letter (post_t *self, actor_code_t to, const char *provider, inbox_t inbox,
             const letter_t *letter, berth_bytes_t body, berth_bytes_t data, zmq_free_fn *data_free)
{
    return s_send (s_target (self, s_slot (to, provider), inbox), letter, sizeof *letter, body, data,
                   data_free);
}

int
post_answer (post_t *self, uint64_t ticket, reply_status_t status, berth_bytes_t body,
             berth_bytes_t data, zmq_free_fn *data_free)
{
    answer_t answer = { .magic = ANSWER_MAGIC, .status = status, .ticket = ticket };
    return s_send (s_target (self, ACTOR_FRONT, INBOX_INTERNAL), &answer, sizeof answer, body, data,
                   data_free);
}

void
post_wake (post_t *self, actor_code_t to)
{
    void *socket = s_target (self, s_slot (to, NULL), INBOX_INTERNAL);
    (void) zmq_send (socket, "", 0, ZMQ_DONTWAIT);      //  A lost one costs only time
}

void
post_kick (post_t *self)
{
    if (self->wiring->followed)
        post_wake (self, ACTOR_PUBLISHER);
}

int
post_receive (void *socket, void *head, size_t head_size, zmq_msg_t *ret_body, zmq_msg_t *ret_data)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    if (zmq_msg_recv (&frame, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (&frame);
        return -1;
    }
    memset (head, 0, head_size);
    if (zmq_msg_size (&frame) == head_size)
        memcpy (head, zmq_msg_data (&frame), head_size);
    bool more = zmq_msg_more (&frame);
    zmq_msg_close (&frame);
    zmq_msg_init (ret_body);
    zmq_msg_init (ret_data);
    if (more && zmq_msg_recv (ret_body, socket, 0) >= 0 && zmq_msg_more (ret_body))
        (void) zmq_msg_recv (ret_data, socket, 0);      //  The rest of a message is there
    return 0;
}

bool
pipe_runs (zsock_t *pipe)
{
    bool running = true;
    for (char *command; (command = zstr_recv_nowait (pipe)); zstr_free (&command))
        running = running && (!streq (command, "$TERM") || PLANTED ("stop-hangs"));
    return running;
}
