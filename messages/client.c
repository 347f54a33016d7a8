//  client.c - owns a client's sockets, its calls under way and the replies nobody took yet.

#include "client.h"
#include "client_frames.h"
#include "client_link.h"

#include "clock.h"
#include "ids.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_MAGIC 0xc11e0001u

enum {
    GRACE_MS = 2000,            //  The service answers a deadline itself; ours comes behind it
    SIGN_MS = 10000,            //  A stream that is quiet says so often: still here
    SILENCE_MS = 40000,         //  A service that says nothing for so long is stuck
    RECEIVE_MAX = 64            //  Messages taken at once
};

//  A call under way. Its frames are kept while it may have to be sent again.
typedef struct call {
    struct call *next;
    uint64_t number;
    uint64_t wire;              //  Its id on the wire: another one each time it is sent
    char type [64];
    char key [BERTH_KEY_MAX + 1];
    char *trace;
    uint8_t *body, *data;
    size_t body_size, data_size;
    uint64_t window;            //  Credit of a stream; 0: a call
    uint64_t held;              //  Bytes that came and were not consumed
    uint64_t consumed;          //  Not granted again yet
    client_read_t read;         //  How far a stream of exec.read is
    int64_t deadline;           //  0: none
    int64_t began;
    bool sent;                  //  On this connection
    bool repeats;
} call_t;

//  A reply nobody took yet.
typedef struct item {
    struct item *next;
    berth_reply_t reply;
    zmq_msg_t body, data;
    uint8_t *rewritten;         //  The body, where it is not as it came
    bool stream;
} item_t;

struct berth_client {
    uint32_t magic;
    char endpoint [512];
    link_t *link;
    call_t *calls;
    size_t calls_count;
    item_t *first, **last;      //  In order of arrival
    item_t *taken;              //  What the caller looks at
    uint64_t number;
    int64_t patience_ms;        //  0: the usual
    int64_t down_since;         //  0: connected
    bool met;                   //  There was a connection
    bool told;                  //  Of this loss
    berth_client_loss_fn *on_loss;
    void *on_loss_context;
    int64_t heard_at, signed_at;
};

//  ---- calls

static call_t *
s_call (berth_client_t *self, uint64_t number)
{
    call_t *call = self->calls;
    while (call && call->number != number)
        call = call->next;
    return call;
}

//  By what a reply says that it answers.
static call_t *
s_asked (berth_client_t *self, uint64_t wire)
{
    call_t *call = self->calls;
    while (call && call->wire != wire)
        call = call->next;
    return wire ? call : NULL;
}

static void
s_forget (berth_client_t *self, uint64_t number)
{
    for (call_t **at = &self->calls; *at; at = &(*at)->next)
        if ((*at)->number == number) {
            call_t *call = *at;
            *at = call->next;
            free (call->trace);
            free (call->body);
            free (call->data);
            free (call);
            self->calls_count--;
            return;
        }
}

static item_t *
s_item (berth_client_t *self, uint64_t call, reply_status_t status)
{
    item_t *item = calloc (1, sizeof *item);
    ENSURE (item);
    zmq_msg_init (&item->body);
    zmq_msg_init (&item->data);
    item->reply = (berth_reply_t) { .call = call, .status = status, .body = berth_empty_map };
    *self->last = item;
    self->last = &item->next;
    return item;
}

static void
s_item_destroy (item_t **item_p)
{
    if (!*item_p)
        return;
    zmq_msg_close (&(*item_p)->body);
    zmq_msg_close (&(*item_p)->data);
    free ((*item_p)->rewritten);
    free (*item_p);
    *item_p = NULL;
}

//  Ends a call that gets no answer any more.
static void
s_fail (berth_client_t *self, call_t *call, berth_code_t code, const char *text)
{
    item_t *item = s_item (self, call->number, reply_status_ERROR);
    berth_fail (&item->reply.error, code, "%s: %s", call->type, text);
    s_forget (self, call->number);
}

//  ---- frames

static berth_bytes_t
s_header (const call_t *call, arena_t *arena)
{
    request_header_t header = { .type = call->type };
    berth_put (request_header, &header, v, 1);
    header.id = client_id (call->wire, arena);
    if (call->key [0])
        header.key = call->key;
    if (call->trace)
        header.trace = call->trace;
    if (call->window)
        berth_put (request_header, &header, credit,
                   call->window > call->held ? call->window - call->held : 0);
    if (call->deadline) {
        int64_t left = call->deadline - GRACE_MS - berth_mono_ms ();
        berth_put (request_header, &header, deadline_ms, (uint64_t) (left > 1 ? left : 1));
    }
    return berth_pack (&request_header_schema, &header, arena);
}

//  Only to a connection that is known to be there: what is repeated after a restart is decided
//  here, and not by the queue of a socket.
static void
s_transmit (berth_client_t *self, call_t *call)
{
    if (self->down_since)
        return;
    own (arena) arena = arena_new ();
    call->wire = call->wire ? ++self->number : call->number;
    berth_bytes_t header = s_header (call, arena);
    berth_bytes_t body = { call->body, call->body_size }, data = { call->data, call->data_size };
    if (call->read.is)
        body = client_read_on (&call->read, body, arena);
    call->sent = link_send (self->link, header, body, data) == 0;
    call->consumed = 0;
}

//  stream.credit and stream.cancel: their replies are nobody's. A stream without connection has
//  ended; credit that found no room is given with the next sign.
static int
s_transmit_stream (berth_client_t *self, const char *type, uint64_t wire, int64_t bytes)
{
    if (self->down_since)
        return -1;
    own (arena) arena = arena_new ();
    call_t quiet = { .wire = ++self->number };
    snprintf (quiet.type, sizeof quiet.type, "%s", type);
    berth_bytes_t body = any_set (berth_empty_map, "id", client_id (wire, arena), arena);
    if (bytes >= 0)
        body = any_set_number (body, "bytes", (uint64_t) bytes, arena);
    return link_send (self->link, s_header (&quiet, arena), body, (berth_bytes_t) { NULL, 0 });
}

static berth_bytes_t
s_bytes (zmq_msg_t *frame)
{
    return (berth_bytes_t) { zmq_msg_data (frame), zmq_msg_size (frame) };
}

static void
s_take_reply (berth_client_t *self, zmq_msg_t frames [3])
{
    own (arena) arena = arena_new ();
    reply_header_t header;
    if (berth_unpack (&reply_header_schema, s_bytes (&frames [0]), arena, &header, NULL))
        return;
    uint64_t wire = client_number (header.id);
    call_t *call = s_asked (self, wire);
    if (!call) {                //  Of a call that was given up or sent again, or of stream.credit
        if (wire && header.status == reply_status_STREAM)
            (void) s_transmit_stream (self, "stream.cancel", wire, -1);
        return;
    }
    item_t *item = s_item (self, call->number, header.status);
    zmq_msg_move (&item->body, &frames [1]);
    zmq_msg_move (&item->data, &frames [2]);
    berth_bytes_t body = s_bytes (&item->body);
    berth_error_t err = { 0 };
    if (wire_check (body, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX * 4, &err)) {
        item->reply.status = reply_status_ERROR;
        berth_fail (&item->reply.error, BERTH_INTERNAL, "the service sent a malformed reply: %s",
                    err.text);
    }
    else if (header.status == reply_status_ERROR)
        client_read_error (body, &item->reply.error);
    else
        item->reply.body = body;
    item->reply.data = s_bytes (&item->data);
    item->stream = call->window > 0 && item->reply.status == reply_status_STREAM;
    if (item->stream) {
        call->held += item->reply.data.size;
        client_read_took (&call->read, item->reply.body, item->reply.data.size);
    }
    if (item->reply.status == reply_status_OK && call->read.resumed) {
        body = client_read_end (&call->read, body, arena);
        item->rewritten = malloc (body.size);
        ENSURE (item->rewritten);
        memcpy (item->rewritten, body.data, body.size);
        item->reply.body = (berth_bytes_t) { item->rewritten, body.size };
    }
    if (item->reply.status != reply_status_STREAM)
        s_forget (self, call->number);
}

static bool
s_receive (berth_client_t *self)
{
    zmq_msg_t frames [LINK_FRAMES];
    bool received = link_receive (self->link, frames);
    if (received) {
        self->heard_at = berth_mono_ms ();
        s_take_reply (self, frames);
    }
    for (size_t index = 0; index < LINK_FRAMES; index++)
        zmq_msg_close (&frames [index]);
    return received;
}

//  ---- the connection

static void
s_lost (berth_client_t *self)
{
    if (!self->down_since)
        self->down_since = berth_mono_ms ();
    for (call_t *call = self->calls, *next; call; call = next) {
        next = call->next;
        if (call->sent && !call->repeats)
            s_fail (self, call, BERTH_UNREACHABLE,
                    "the service went away before it answered; it may have been done");
        else {
            call->read.resumed |= call->read.is && call->sent;
            call->sent = false;
        }
    }
}

//  Says once of each loss that somebody waits.
static void
s_tell_loss (berth_client_t *self)
{
    if (!self->down_since || !self->met || self->told || !self->calls)
        return;
    self->told = true;
    if (self->on_loss)
        self->on_loss (self->on_loss_context);
}

//  It is there, and does not let us in.
static void
s_refused (berth_client_t *self)
{
    while (self->calls)
        s_fail (self, self->calls, BERTH_UNAUTHORIZED, "the service does not know this key");
}

//  Follows the connection. Replies that came before a loss are taken first.
static void
s_observe (berth_client_t *self)
{
    link_event_t event;
    while ((event = link_event (self->link)) != LINK_SAME)
        if (event == LINK_UP) {
            self->down_since = 0;
            self->met = true;
            self->told = false;
            self->heard_at = self->signed_at = berth_mono_ms ();
        }
        else if (event == LINK_REFUSED)
            s_refused (self);
        else {
            while (s_receive (self))
                ;
            s_lost (self);
        }
}

//  When a call ends that finds no service: after the patience, else, once there was one, with its
//  deadline.
static int64_t
s_gives_up_at (const berth_client_t *self, const call_t *call)
{
    int64_t since = call->began > self->down_since ? call->began : self->down_since;
    if (self->patience_ms)
        return since + self->patience_ms;
    if (!self->met)
        return since + BERTH_PATIENCE_MS;
    return call->deadline ? call->deadline : since + BERTH_LOST_MS;
}

static void
s_expire (berth_client_t *self, int64_t now)
{
    for (call_t *call = self->calls, *next; call; call = next) {
        next = call->next;
        char text [640];
        if (call->deadline && now >= call->deadline) {
            bool waited = call->sent && !self->down_since;
            snprintf (text, sizeof text, waited ? "no answer from %s in %lld s"
                      : "no service answers at %s (tried for %lld s)", self->endpoint,
                      (long long) (now - call->began + 500) / 1000);
            s_fail (self, call, waited ? BERTH_DEADLINE_EXCEEDED : BERTH_UNREACHABLE, text);
        }
        else if (self->down_since && now >= s_gives_up_at (self, call)) {
            snprintf (text, sizeof text, "no service answers at %s", self->endpoint);
            s_fail (self, call, BERTH_UNREACHABLE, text);
        }
        else if (call->window && !self->down_since && now - self->heard_at >= SILENCE_MS) {
            snprintf (text, sizeof text, "%s has said nothing for %d s", self->endpoint,
                      SILENCE_MS / 1000);
            s_fail (self, call, BERTH_UNREACHABLE, text);
        }
    }
}

//  Streams tell the service that somebody is here; the answer tells us the same.
static void
s_sign (berth_client_t *self, int64_t now)
{
    if (now - self->signed_at < SIGN_MS)
        return;
    self->signed_at = now;
    for (call_t *call = self->calls; call; call = call->next)
        if (call->window && call->sent
            && s_transmit_stream (self, "stream.credit", call->wire, (int64_t) call->consumed) == 0)
            call->consumed = 0;
}

//  Does all that can be done without waiting.
static void
s_pump (berth_client_t *self)
{
    int64_t now = berth_mono_ms ();
    for (size_t count = 0; count < RECEIVE_MAX && s_receive (self); count++)
        ;
    s_observe (self);
    s_tell_loss (self);
    s_expire (self, now);
    s_sign (self, now);
    for (call_t *call = self->calls; call; call = call->next)
        if (!call->sent)
            s_transmit (self, call);
}

//  ---- the class

berth_client_t *
berth_client_open (const berth_connect_t *how, berth_error_t *err)
{
    curve_t curve;
    if (curve_read (how, &curve, err))
        return NULL;
    berth_client_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = CLIENT_MAGIC;
    self->last = &self->first;
    self->down_since = berth_mono_ms ();
    snprintf (self->endpoint, sizeof self->endpoint, "%s", how->endpoint);
    self->link = link_new (how->endpoint, &curve, err);
    curve_wipe (&curve);
    if (!self->link)
        berth_client_destroy (&self);
    return self;
}

void
berth_client_destroy (berth_client_t **self_p)
{
    berth_client_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, CLIENT_MAGIC);
    while (self->calls)
        s_forget (self, self->calls->number);
    for (item_t *item = self->first, *next; item; item = next) {
        next = item->next;
        s_item_destroy (&item);
    }
    s_item_destroy (&self->taken);
    link_destroy (&self->link);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
berth_client_set_patience (berth_client_t *self, int64_t ms)
{
    CHECK (self, CLIENT_MAGIC);
    self->patience_ms = ms;
}

void
berth_client_on_loss (berth_client_t *self, berth_client_loss_fn *call, void *context)
{
    CHECK (self, CLIENT_MAGIC);
    self->on_loss = call;
    self->on_loss_context = context;
}

bool
berth_client_connected (berth_client_t *self)
{
    CHECK (self, CLIENT_MAGIC);
    s_observe (self);
    return self->down_since == 0;
}

uint64_t
berth_client_send (berth_client_t *self, const char *type, berth_bytes_t body,
                   const berth_ask_t *ask, berth_error_t *err)
{
    CHECK (self, CLIENT_MAGIC);
    static const berth_ask_t usual = { 0 };
    if (!ask)
        ask = &usual;
    if (self->calls_count >= BERTH_CALLS_MAX)
        return (uint64_t) (berth_fail (err, BERTH_BUSY, "%d calls are under way", BERTH_CALLS_MAX) + 1);
    if (body.size > BERTH_FRAME_MAX || ask->data.size > BERTH_FRAME_MAX
        || strlen (type) >= sizeof ((call_t *) 0)->type || (ask->key && strlen (ask->key) > BERTH_KEY_MAX))
        return (uint64_t) (berth_fail (err, BERTH_INVALID, "%.40s: larger than a frame may be", type) + 1);

    call_t *call = calloc (1, sizeof *call);
    ENSURE (call);
    call->number = ++self->number;
    snprintf (call->type, sizeof call->type, "%s", type);
    call->began = berth_mono_ms ();
    call->window = ask->credit;
    if (ask->deadline_ms >= 0)
        call->deadline = call->began + GRACE_MS + (ask->deadline_ms ? ask->deadline_ms : BERTH_CALL_MS);
    request_code_t code = request_code (type);
    if (ask->key)
        snprintf (call->key, sizeof call->key, "%s", ask->key);
    else if (!ask->once && code != REQUEST_COUNT && (request_row (code)->mode & MODE_WRITE))
        berth_id_new (call->key);
    call->repeats = !ask->once && (call->key [0] || client_reads (code));
    if (call->window && code == REQUEST_EXEC_READ)
        client_read_begin (&call->read, body);
    call->trace = ask->trace ? strdup (ask->trace) : NULL;
    call->body = malloc (body.size + 1);
    call->data = malloc (ask->data.size + 1);
    ENSURE (call->body && call->data);
    memcpy (call->body, body.data, body.size);
    if (ask->data.size)
        memcpy (call->data, ask->data.data, ask->data.size);
    call->body_size = body.size;
    call->data_size = ask->data.size;

    s_observe (self);           //  So that a loss of before is no loss of this call
    call_t **tail = &self->calls;
    while (*tail)
        tail = &(*tail)->next;
    *tail = call;
    self->calls_count++;
    s_transmit (self, call);
    return call->number;
}

void
berth_client_cancel (berth_client_t *self, uint64_t number)
{
    CHECK (self, CLIENT_MAGIC);
    call_t *call = s_call (self, number);
    if (call && call->window && call->sent)
        (void) s_transmit_stream (self, "stream.cancel", call->wire, -1);
    s_forget (self, number);
    for (item_t **at = &self->first; *at;) {
        item_t *item = *at;
        if (item->reply.call != number) {
            at = &item->next;
            continue;
        }
        *at = item->next;
        s_item_destroy (&item);
    }
    self->last = &self->first;
    while (*self->last)
        self->last = &(*self->last)->next;
}

//  The caller is done with the last reply: its stream may send as much again, in steps of half
//  its window.
static void
s_consumed (berth_client_t *self)
{
    item_t *item = self->taken;
    call_t *call = item && item->stream ? s_call (self, item->reply.call) : NULL;
    if (call) {
        call->held -= item->reply.data.size;
        call->consumed += item->reply.data.size;
        if (call->consumed >= call->window / 2 && call->consumed) {
            if (s_transmit_stream (self, "stream.credit", call->wire, (int64_t) call->consumed) == 0)
                call->consumed = 0;
        }
    }
    s_item_destroy (&self->taken);
}

static bool
s_taken (berth_client_t *self, uint64_t call, berth_reply_t *ret_reply)
{
    item_t **at = &self->first;
    while (*at && call && (*at)->reply.call != call)
        at = &(*at)->next;
    if (!*at)
        return false;
    self->taken = *at;
    *at = self->taken->next;
    if (!*at)
        self->last = at;
    *ret_reply = self->taken->reply;
    return true;
}

//  When something has to be done even if nothing comes.
static int64_t
s_due (const berth_client_t *self, int64_t until)
{
    for (const call_t *call = self->calls; call; call = call->next) {
        int64_t gone = s_gives_up_at (self, call);
        if (call->deadline && call->deadline < until)
            until = call->deadline;
        if (self->down_since && gone < until)
            until = gone;
        if (call->window && self->signed_at + SIGN_MS < until)
            until = self->signed_at + SIGN_MS;
    }
    return until;
}

void
berth_client_wait (berth_client_t *self, struct pollfd *fds, size_t count, int64_t until)
{
    CHECK (self, CLIENT_MAGIC);
    s_pump (self);
    bool sending = false;
    for (const call_t *call = self->calls; call; call = call->next)
        sending = sending || (!call->sent && !self->down_since);
    int64_t left = self->first ? 0 : s_due (self, until) - berth_mono_ms ();
    link_wait (self->link, sending, fds, count, left);
    s_pump (self);
}

bool
berth_client_next (berth_client_t *self, uint64_t call, int64_t until, berth_reply_t *ret_reply)
{
    CHECK (self, CLIENT_MAGIC);
    s_consumed (self);
    s_pump (self);
    while (!s_taken (self, call, ret_reply)) {
        if (berth_mono_ms () >= until || (call && !s_call (self, call)))
            return false;
        berth_client_wait (self, NULL, 0, until);
    }
    return true;
}
