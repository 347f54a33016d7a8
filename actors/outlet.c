//  outlet.c - owns one XPUB socket, and who asked it for which topic.
//
//  The end of a connection comes as the end of each of its subscriptions, without a word about whose
//  they were: it is booked on the holder that has the topic most often. So counts of one holder may
//  be off while several hold one topic; the sums are right.

#include "outlet.h"

#include "accept.h"
#include "connections.h"
#include "requests.h"

#include <stdlib.h>
#include <string.h>

#define OUTLET_MAGIC 0x0071e701u

enum { TOPIC_MAX = 256, HOLDER_SIZE = 80 };

//  Who holds a topic, and how often.
typedef struct holder {
    struct holder *next;
    char name [HOLDER_SIZE];
    uint64_t count;
} holder_t;

struct outlet {
    uint32_t magic;
    zsock_t *xpub;
    trust_t *trust;
    char principal [TRUST_NAME_SIZE];       //  "" of the network
    char path [512];
    uint16_t port;
    zhashx_t *topics;                       //  Topic -> holder_t, the first of a list
    zhashx_t *holders;                      //  Name -> how many
    uint64_t subscriptions;
    uint64_t cut;
    uint64_t changed;                       //  Of trust, when connections were last looked at
    bool shifted;                           //  See s_stranger
    uint64_t empty_at;                      //  accept_count () when last nothing waited
    unsigned spared;                        //  Since then: see s_end
};

static void
s_free_holders (void **holders_p)
{
    for (holder_t *holder = *holders_p, *next; holder; holder = next) {
        next = holder->next;
        free (holder);
    }
    *holders_p = NULL;
}

static outlet_t *
s_new (zsock_t **xpub_p, trust_t *trust)
{
    outlet_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = OUTLET_MAGIC;
    self->xpub = take (*xpub_p);
    self->trust = trust;
    self->topics = zhashx_new ();
    zhashx_set_destructor (self->topics, s_free_holders);
    self->holders = zhashx_new ();
    zhashx_set_destructor (self->holders, NULL);
    self->changed = trust_changed (trust);
    zsock_set_xpub_manual (self->xpub, 1);
    return self;
}

outlet_t *
outlet_new_local (zsock_t **xpub_p, trust_t *trust, const char *principal, const char *path)
{
    outlet_t *self = s_new (xpub_p, trust);
    snprintf (self->principal, sizeof self->principal, "%s", principal);
    snprintf (self->path, sizeof self->path, "%s", path);
    return self;
}

outlet_t *
outlet_new_network (zsock_t **xpub_p, trust_t *trust, uint16_t port)
{
    outlet_t *self = s_new (xpub_p, trust);
    self->port = port;
    return self;
}

void
outlet_destroy (outlet_t **self_p)
{
    outlet_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, OUTLET_MAGIC);
    zsock_destroy (&self->xpub);
    zhashx_destroy (&self->topics);
    zhashx_destroy (&self->holders);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

int
outlet_fd (const outlet_t *self)
{
    return zsock_fd (self->xpub);
}

uint64_t
outlet_subscriptions (const outlet_t *self)
{
    return self->subscriptions;
}

uint64_t
outlet_cut (const outlet_t *self)
{
    return self->cut;
}

//  ---- counts

static uint64_t
s_move (outlet_t *self, const char *holder, int more)
{
    uint64_t count = (uint64_t) (uintptr_t) zhashx_lookup (self->holders, holder);
    count = more > 0 ? count + 1 : count ? count - 1 : 0;
    if (count)
        zhashx_update (self->holders, holder, (void *) (uintptr_t) count);
    else
        zhashx_delete (self->holders, holder);
    self->subscriptions = more > 0 ? self->subscriptions + 1
                        : self->subscriptions ? self->subscriptions - 1 : 0;
    return count;
}

//  Returns how many the holder has now.
static uint64_t
s_hold (outlet_t *self, const char *topic, const char *name)
{
    holder_t *first = zhashx_lookup (self->topics, topic), *holder = first;
    while (holder && strcmp (holder->name, name))
        holder = holder->next;
    if (holder)
        holder->count++;
    else {
        holder = calloc (1, sizeof *holder);
        ENSURE (holder);
        snprintf (holder->name, sizeof holder->name, "%s", name);
        holder->count = 1;
        if (first) {                //  The first stays where the table knows it
            holder->next = first->next;
            first->next = holder;
        }
        else
            (void) zhashx_insert (self->topics, topic, holder);
    }
    return s_move (self, name, 1);
}

//  One subscription less: of `name`, or of whoever has most of this topic. False: nobody had it.
static bool
s_let_go (outlet_t *self, const char *topic, const char *name)
{
    holder_t *first = zhashx_lookup (self->topics, topic), *found = NULL, *before = NULL;
    for (holder_t *holder = first, *last = NULL; holder; last = holder, holder = holder->next) {
        bool it = name && *name ? strcmp (holder->name, name) == 0
                                : !found || holder->count > found->count;
        if (it) {
            found = holder;
            before = last;
        }
    }
    if (!found)
        return false;
    (void) s_move (self, found->name, -1);
    if (--found->count)
        return true;
    if (before) {
        before->next = found->next;
        free (found);
    }
    else if (found->next) {         //  The next one takes the first's place
        holder_t *next = found->next;
        *found = *next;
        free (next);
    }
    else
        zhashx_delete (self->topics, topic);
    return true;
}

//  ---- what comes

typedef struct {
    char topic [TOPIC_MAX];
    size_t size;
    char company [66];              //  "" if the topic names none whole
    char holder [HOLDER_SIZE];      //  "" of a connection that has ended
    char principal [TRUST_NAME_SIZE];
    int fd;
    bool begins;
} wish_t;

//  The company is what stands before the first slash.
static void
s_company (wish_t *wish)
{
    const char *slash = memchr (wish->topic, '/', wish->size);
    size_t size = slash ? (size_t) (slash - wish->topic) : 0;
    if (size && size < sizeof wish->company)
        snprintf (wish->company, sizeof wish->company, "%.*s", (int) size, wish->topic);
}

static bool
s_allowed (const outlet_t *self, const wish_t *wish)
{
    standing_t standing;
    if (!trust_standing (self->trust, wish->principal, &standing)
        || !(standing.roles & request_row (REQUEST_ACTIVITY_LIST)->roles))
        return false;
    if (standing.everywhere)
        return true;
    return *wish->company && trust_sees (self->trust, wish->principal, wish->company);
}

//  A message tells its connection by the number of a descriptor, which may be another's by now. It is
//  the same if it was accepted before the socket was last found empty: what an earlier owner of the
//  number had said was read by then. A younger one is spared, and cut when it goes on; unless so many
//  come at once that nobody else can be meant, or all who came must come again.
static void
s_end (outlet_t *self, int fd)
{
    if (!self->shifted && accept_birth (fd) > self->empty_at
        && self->spared++ < BERTH_SUBSCRIPTIONS_EACH)
        return;
    bool ended = fd >= 0 && (self->port ? connection_end (fd, self->port)
                                        : connection_end_local (fd, self->path));
    self->cut += ended;
}

static void
s_set (outlet_t *self, int option, const wish_t *wish)
{
    (void) zmq_setsockopt (zsock_resolve (self->xpub), option, wish->topic, wish->size);
}

static void
s_subscribe (outlet_t *self, const wish_t *wish)
{
    uint64_t count = s_hold (self, wish->topic, wish->holder);
    if (count > BERTH_SUBSCRIPTIONS_EACH || self->subscriptions > BERTH_SUBSCRIPTIONS_MAX
        || self->shifted)
        s_end (self, wish->fd);
    else if (s_allowed (self, wish))
        s_set (self, ZMQ_SUBSCRIBE, wish);
}

//  Reads one message; false: that is no subscription.
static bool
s_read (outlet_t *self, zmq_msg_t *message, wish_t *ret_wish)
{
    const uint8_t *data = zmq_msg_data (message);
    size_t size = zmq_msg_size (message);
    *ret_wish = (wish_t) { .fd = -1 };
    const char *user = zmq_msg_gets (message, "User-Id");
    //  A connection that has ended says nothing about itself
    ret_wish->fd = zmq_msg_get (message, ZMQ_SRCFD);
    if (ret_wish->fd >= 0) {
        snprintf (ret_wish->principal, sizeof ret_wish->principal, "%s",
                  *self->principal ? self->principal : user ? user : "");
        if (*self->principal)
            snprintf (ret_wish->holder, sizeof ret_wish->holder, "fd:%d", ret_wish->fd);
        else
            snprintf (ret_wish->holder, sizeof ret_wish->holder, "%s", ret_wish->principal);
    }
    if (size == 0 || data [0] > 1 || zmq_msg_more (message))
        return false;
    ret_wish->begins = data [0] == 1;
    //  No topic of ours is so long: it yields nothing, and is only counted
    bool fits = size - 1 < TOPIC_MAX && !memchr (data + 1, 0, size - 1);
    const char *topic = fits ? (const char *) data + 1 : "?";
    ret_wish->size = fits ? size - 1 : 1;
    memcpy (ret_wish->topic, topic, ret_wish->size);
    ret_wish->topic [ret_wish->size] = 0;
    s_company (ret_wish);
    return true;
}

//  What is no subscription shifts the socket's list of who asked against the list of what was
//  asked, until both are empty (libzmq 4.3.4, xpub.cpp): a subscription would be given to another
//  connection. So until nothing waits none is given, and who came meanwhile must come again.
static void
s_stranger (outlet_t *self, const wish_t *wish)
{
    self->shifted = true;
    s_end (self, wish->fd);
}

void
outlet_receive (outlet_t *self, outlet_followed_fn *followed, void *context)
{
    CHECK (self, OUTLET_MAGIC);
    void *socket = zsock_resolve (self->xpub);
    zmq_msg_t message;
    zmq_msg_init (&message);
    for (uint64_t count;;) {
        count = accept_count ();
        if (zmq_msg_recv (&message, socket, ZMQ_DONTWAIT) < 0) {
            self->empty_at = count;
            break;
        }
        wish_t wish;
        if (!s_read (self, &message, &wish))
            s_stranger (self, &wish);
        else if (wish.begins) {
            s_subscribe (self, &wish);
            followed (context, wish.company, 1);
        }
        else {
            if (*wish.holder && !self->shifted)
                s_set (self, ZMQ_UNSUBSCRIBE, &wish);
            else if (*wish.holder)
                s_end (self, wish.fd);
            if (s_let_go (self, wish.topic, wish.holder))
                followed (context, wish.company, -1);
        }
    }
    zmq_msg_close (&message);
    self->shifted = false;
    self->spared = 0;
}

void
outlet_enforce (outlet_t *self)
{
    CHECK (self, OUTLET_MAGIC);
    uint64_t changed = trust_changed (self->trust);
    if (changed == self->changed)
        return;
    self->changed = changed;
    if (self->port)
        (void) connections_end (self->port, NULL, NULL);
}

//  ---- out

void
outlet_send (outlet_t *self, const char *topic, size_t size, berth_bytes_t body)
{
    void *socket = zsock_resolve (self->xpub);
    if (zmq_send (socket, topic, size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        (void) zmq_send (socket, body.data, body.size, ZMQ_DONTWAIT);
}
