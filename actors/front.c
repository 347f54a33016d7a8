//  front.c - owns the doors, their peers, and the tickets of their requests.

#include "front.h"

#include "actor.h"
#include "clock.h"
#include "codec.h"
#include "handoff.h"
#include "ids.h"
#include "peers.h"
#include "plant.h"
#include "quota.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define FRONT_MAGIC 0xf2047001u
#define SWEEP_MS 5000
#define RECEIVE_MAX 16              //  Messages of one door before the others are looked at
#define ANSWER_MAX 256              //  Answers before clients are listened to

struct front {
    uint32_t magic;
    door_t *doors [DOORS_MAX];
    size_t doors_count;
    zsock_t *answers;
    trust_t *trust;
    uint64_t narrowed, revoked;     //  Its numbers when the peers were last looked at
    wiring_t *wiring;
    quotas_t *quotas;               //  NULL: no limits
    peers_t *peers;
    handoff_t *handoff;             //  Of the actor's own thread
    arena_t *arena;
    char instance [BERTH_ID_SIZE], install [BERTH_ID_SIZE];
    atomic_int_fast64_t swept_ms;       //  When it last looked around
    atomic_uint_fast64_t requests, malformed, busy, unread, unsupported, forbidden, dropped,
        silent, unanswered;
};

front_t *
front_new (door_t **doors, size_t count, trust_t *trust, const char *instance, const char *install,
           wiring_t *wiring)
{
    ENSURE (count <= DOORS_MAX);
    front_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = FRONT_MAGIC;
    for (; self->doors_count < count; self->doors_count++)
        self->doors [self->doors_count] = take (doors [self->doors_count]);
    self->trust = trust;
    self->narrowed = trust_narrowed (trust);
    self->revoked = trust_revoked (trust);
    self->wiring = wiring;
    self->quotas = wiring_quotas (wiring);
    self->answers = wiring_take (wiring, ACTOR_FRONT, NULL, INBOX_INTERNAL);
    self->peers = peers_new ();
    self->arena = arena_new ();
    snprintf (self->instance, sizeof self->instance, "%s", instance);
    snprintf (self->install, sizeof self->install, "%s", install);
    return self;
}

static void
s_close (front_t *self)
{
    while (self->doors_count)
        door_destroy (&self->doors [--self->doors_count]);
    zsock_destroy (&self->answers);
    handoff_destroy (&self->handoff);
}

void
front_destroy (front_t **self_p)
{
    front_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, FRONT_MAGIC);
    s_close (self);
    peers_destroy (&self->peers);
    arena_destroy (&self->arena);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

front_counts_t
front_counts (const front_t *self)
{
    return (front_counts_t) {
        .requests = self->requests, .malformed = self->malformed, .busy = self->busy,
        .unsupported = self->unsupported, .forbidden = self->forbidden, .dropped = self->dropped,
        .silent = self->silent, .unread = self->unread, .unanswered = self->unanswered,
    };
}

//  ---- answers to clients

//  About a request that was handed on.
static void
s_post_control (front_t *self, const pending_t *about, request_code_t type, uint64_t credit)
{
    letter_t letter = { .magic = LETTER_MAGIC, .type = (uint16_t) type, .ticket = about->ticket,
                        .credit = credit };
    sender_t sender = handoff_sender (about->peer, door_is_network (self->doors [about->peer->door]));
    handoff_control (self->handoff, request_row (about->type)->actor, &sender, &letter);
}

static void
s_cancel (front_t *self, const pending_t *pending)
{
    if (pending->type < REQUEST_COUNT && request_row (pending->type)->actor != ACTOR_FRONT)
        s_post_control (self, pending, REQUEST_STREAM_CANCEL, 0);
}

//  Its peer went away: what it had asked for is forgotten, streams of it end.
static void
s_gone (front_t *self, peer_t *peer)
{
    pending_t pending;
    while (peers_take_gone (self->peers, peer, &pending))
        s_cancel (self, &pending);
}

//  Takes body and data.
static void
s_answer (front_t *self, pending_t *pending, reply_status_t status, zmq_msg_t *body, zmq_msg_t *data)
{
    static const uint8_t nil = 0xc0;
    reply_header_t reply = {
        .v = 1,
        .id = pending->id_size ? (berth_bytes_t) { pending->id, pending->id_size }
                               : (berth_bytes_t) { &nil, 1 },
        .type = pending->type < REQUEST_COUNT ? request_row (pending->type)->type : "",
        .status = status,
    };
    berth_bytes_t header = berth_pack (&reply_header_schema, &reply, self->arena);
    peer_t *peer = pending->peer;
    if (peer->unread && body)
        unread_count (peer->unread, body);
    if (peer->unread && data)
        unread_count (peer->unread, data);
    int rc = door_send (self->doors [peer->door], (berth_bytes_t) { peer->id, peer->id_size },
                        pending->empty_frame, header, body, data);
    bool unreachable = rc && errno == EHOSTUNREACH;
    if (status != reply_status_STREAM && pending->ticket)
        peers_done (self->peers, pending);
    if (rc) {
        self->dropped++;
        if (unreachable)
            s_gone (self, peer);
    }
}

static void
s_answer_bytes (front_t *self, pending_t *pending, reply_status_t status, berth_bytes_t bytes)
{
    zmq_msg_t body;
    ENSURE (zmq_msg_init_size (&body, bytes.size) == 0);
    memcpy (zmq_msg_data (&body), bytes.data, bytes.size);
    s_answer (self, pending, status, &body, NULL);
}

static void
s_refuse (front_t *self, pending_t *pending, const berth_error_t *why)
{
    s_answer_bytes (self, pending, reply_status_ERROR, effects_pack_error (why, self->arena));
}

//  A request that is not among the peer's any more ends: its actor hears of it, and the peer why.
static void
s_give_up (front_t *self, pending_t *taken, const berth_error_t *why)
{
    s_cancel (self, taken);
    taken->ticket = 0;
    s_refuse (self, taken, why);
    arena_clear (self->arena);
}

//  ---- requests of clients

//  Everything about a request that does not need its body.
static int
s_check (front_t *self, const envelope_t *env, const caller_t *caller,
         const request_header_t *header, request_code_t *code, berth_error_t *err)
{
    if (header->v != 1)
        return berth_fail (err, BERTH_INVALID, "version %llu of the wire is not spoken here; 1 is",
                           (unsigned long long) header->v);
    *code = request_code (header->type);
    if (*code == REQUEST_COUNT || !(request_row (*code)->roles & ~(unsigned) ROLE_INTERNAL)) {
        self->unsupported++;
        return berth_fail (err, BERTH_UNSUPPORTED, "there is no request '%s' here", header->type);
    }
    const request_row_t *row = request_row (*code);
    if (!(row->roles & caller->roles)) {
        self->forbidden++;
        return berth_fail (err, BERTH_FORBIDDEN, "the roles of '%s' may not ask %s",
                           caller->principal, row->type);
    }
    if (header->actor && !(caller->roles & ROLE_WORK_)) {
        self->forbidden++;
        return berth_fail (err, BERTH_FORBIDDEN, "'%s' may not ask on behalf of another: leave out "
                           "`actor`", caller->principal);
    }
    if (env->too_many)
        return berth_fail (err, BERTH_INVALID, "the message has more than three frames");
    if (env->data.data && !(row->mode & MODE_DATA))
        return berth_fail (err, BERTH_INVALID, "%s takes no data frame", row->type);
    bool credit = berth_has (request_header, header, credit);
    if (credit && !(row->mode & MODE_STREAM))
        return berth_fail (err, BERTH_INVALID, "%s does not stream: leave out `credit`", row->type);
    if (credit && env->empty_frame)
        return berth_fail (err, BERTH_INVALID,
                           "a REQ socket cannot take a stream: use DEALER, or leave out `credit`");
    return 0;
}

static void
s_pong (front_t *self, pending_t *pending)
{
    bus_pong_t pong = { .instance = self->instance, .install = self->install,
                        .version = BERTH_VERSION, .now = berth_wall_ms () };
    s_answer_bytes (self, pending, reply_status_OK,
                    berth_pack (&bus_pong_schema, &pong, self->arena));
}

//  stream.credit and stream.cancel: about another request of the same peer.
static int
s_control (front_t *self, peer_t *peer, request_code_t code, berth_bytes_t body, berth_error_t *err)
{
    uint64_t credit = 0;
    berth_bytes_t id;
    if (code == REQUEST_STREAM_CREDIT) {
        stream_credit_t ask;
        if (berth_unpack (&stream_credit_schema, body, self->arena, &ask, err))
            return -1;
        id = ask.id;
        credit = ask.bytes;
    }
    else {
        stream_cancel_t ask;
        if (berth_unpack (&stream_cancel_schema, body, self->arena, &ask, err))
            return -1;
        id = ask.id;
    }
    pending_t *other = peers_by_id (self->peers, peer, id.data, id.size);
    if (!other || !other->streams)
        return berth_fail (err, BERTH_NOT_FOUND, "no stream of that id is open");
    s_post_control (self, other, code, credit);
    return 0;
}

static int
s_hand_on (front_t *self, const envelope_t *env, const caller_t *caller,
           const request_header_t *header, const pending_t *pending, berth_error_t *err)
{
    const request_row_t *row = request_row (pending->type);
    if (!pending->ticket) {
        self->busy++;
        return peers_refuse (err);
    }
    if (unread_check (pending->peer->unread, err)) {
        self->unread++;
        return -1;
    }
    int64_t now_ms = berth_mono_ms ();
    actor_stats_t *stats = actor_stats_of (row->actor);
    int64_t since_ms = stats->serving_since_ms;
    if (since_ms && now_ms - since_ms > BERTH_STALL_MS)
        return berth_fail (err, BERTH_STORE_STALLED, "%s has been waiting for the store for %lld ms",
                           actor_text (row->actor), (long long) (now_ms - since_ms));
    letter_t letter = {
        .magic = LETTER_MAGIC, .type = (uint16_t) pending->type, .answer_to = ACTOR_FRONT,
        .streams = pending->streams, .roles = caller->roles, .confined = caller->confined,
        .remote = caller->remote, .ticket = pending->ticket,
        .deadline_ms = header->deadline_ms ? now_ms + (int64_t) header->deadline_ms : 0,
        .credit = header->credit,
    };
    snprintf (letter.principal, sizeof letter.principal, "%s", caller->principal);
    if (header->key)
        snprintf (letter.key, sizeof letter.key, "%s", header->key);
    if (header->actor) {
        const behalf_t *behalf = header->actor;
        snprintf (letter.actor_type, sizeof letter.actor_type, "%s", behalf->type);
        snprintf (letter.actor_id, sizeof letter.actor_id, "%s", behalf->id);
        snprintf (letter.agent, sizeof letter.agent, "%s", behalf->agent ? behalf->agent : "");
        snprintf (letter.run, sizeof letter.run, "%s", behalf->run ? behalf->run : "");
    }
    berth_bytes_t body = env->body.data ? env->body : berth_empty_map;
    sender_t sender = handoff_sender (pending->peer, door_is_network (self->doors [pending->peer->door]));
    if (handoff_request (self->handoff, row->actor, &sender, &letter, body, env->data, err)) {
        self->busy++;
        return -1;
    }
    return 0;
}

static int
s_request (front_t *self, const envelope_t *env, const caller_t *caller, pending_t *pending,
           peer_t *peer, const request_header_t *header, berth_error_t *err)
{
    request_code_t code = REQUEST_COUNT;
    if (s_check (self, env, caller, header, &code, err)) {
        pending->type = code;
        return -1;
    }
    pending->type = code;
    if (code == REQUEST_BUS_PING)
        s_pong (self, pending);
    else if (code == REQUEST_STREAM_CREDIT || code == REQUEST_STREAM_CANCEL) {
        if (s_control (self, peer, code, env->body, err))
            return -1;
        s_answer_bytes (self, pending, reply_status_OK, berth_empty_map);
    }
    else
        return s_hand_on (self, env, caller, header, pending, err);
    return 0;
}

//  ---- who asks

//  What a peer had asked for is not for it any more: answered with why, and its streams end.
static void
s_dismiss (front_t *self, peer_t *peer, berth_code_t code, const char *why)
{
    pending_t pending;
    berth_error_t err = { 0 };
    (void) berth_fail (&err, code, "%s", why);
    while (peers_take_gone (self->peers, peer, &pending))
        s_give_up (self, &pending, &err);
}

//  Who the peer is. At a door to the network, also by which connection it comes.
static bool
s_welcome (front_t *self, unsigned door, envelope_t *env, peer_t *peer, caller_t *ret_caller,
           berth_error_t *err)
{
    door_t *at = self->doors [door];
    if (door_caller (at, env, ret_caller, err))
        return false;
    if (!door_is_network (at))
        return true;
    if (strcmp (peer->principal, ret_caller->principal)) {
        s_gone (self, peer);
        snprintf (peer->principal, sizeof peer->principal, "%s", ret_caller->principal);
        peer->narrowed = ret_caller->narrowed;
    }
    int fd = door_connection (env);
    if (fd != peer->fd) {
        peer->fd = fd;
        if (!door_far (at, fd, &peer->far))
            peer->far = (far_end_t) { 0 };
    }
    return true;
}

//  ---- rights that were taken away

typedef struct {
    front_t *self;
    unsigned door;
    const far_end_t *far;
    bool found;
} look_t;

static void
s_judge (void *context, peer_t *peer)
{
    front_t *self = ((look_t *) context)->self;
    standing_t standing;
    if (!peer->principal [0])
        return;
    if (!trust_standing (self->trust, peer->principal, &standing)) {
        s_dismiss (self, peer, BERTH_UNAUTHORIZED, "this key is not good any more");
        peer->principal [0] = 0;
    }
    else if (standing.narrowed != peer->narrowed) {
        s_dismiss (self, peer, BERTH_FORBIDDEN, "the rights of this key were changed: ask again");
        peer->narrowed = standing.narrowed;
    }
}

static void
s_match (void *context, peer_t *peer)
{
    look_t *look = context;
    look->found |= peer->door == look->door && peer->principal [0]
        && memcmp (&peer->far, look->far, sizeof peer->far) == 0;
}

//  Is it the connection of a peer that is known, and good?
static bool
s_stays (void *context, const far_end_t *far)
{
    look_t *look = context;
    look->far = far;
    look->found = false;
    peers_each (look->self->peers, s_match, look);
    return look->found;
}

//  Rights were taken from somebody. Who lost rights loses what it waits for; connections of revoked keys
//  end, and with them those that have not said a word yet: they may come again.
static void
s_enforce (front_t *self)
{
    uint64_t narrowed = trust_narrowed (self->trust), revoked = trust_revoked (self->trust);
    if (narrowed == self->narrowed)
        return;
    self->narrowed = narrowed;
    look_t look = { .self = self };
    peers_each (self->peers, s_judge, &look);
    if (revoked == self->revoked)
        return;
    self->revoked = revoked;
    for (look.door = 0; look.door < self->doors_count; look.door++)
        (void) door_end (self->doors [look.door], s_stays, &look);
}

//  ---- turns

//  The id of a client: a str or bin of 1 to 64 bytes.
static bool
s_is_id (berth_bytes_t id)
{
    if (id.size < 2 || id.size > BERTH_CLIENT_ID_MAX + 2)
        return false;
    uint8_t lead = id.data [0];
    return (lead > 0xa0 && lead < 0xc0) || lead == 0xc4 || lead == 0xd9;
}

static void
s_handle (front_t *self, unsigned door, envelope_t *env)
{
    self->requests++;
    berth_error_t err = { 0 };
    request_header_t header = { 0 };
    peer_t *peer = peers_find (self->peers, door, env->id.data, env->id.size), stranger = { 0 };
    if (!peer) {
        //  No room to remember it: it is answered all the same
        ENSURE (env->id.size <= sizeof stranger.id);
        memcpy (stranger.id, env->id.data, env->id.size);
        stranger.id_size = env->id.size;
        stranger.door = (uint8_t) door;
        stranger.fd = -1;
        peer = &stranger;
    }
    peer->heard_ms = berth_mono_ms ();
    caller_t caller;
    berth_error_t stranger_err = { 0 };
    bool welcome = s_welcome (self, door, env, peer, &caller, &stranger_err);
    int rc = berth_unpack (&request_header_schema, env->header, self->arena, &header, &err);
    if (!welcome) {
        err = stranger_err;
        rc = -1;
    }
    bool identified = header.id.size && s_is_id (header.id);
    if (rc == 0 && !identified)
        rc = berth_fail (&err, BERTH_INVALID, "field 'id' must be a str or bin of 1 to %d bytes",
                         BERTH_CLIENT_ID_MAX);
    bool streams = rc == 0 && berth_has (request_header, &header, credit);
    //  What is answered at once needs no place of its own: a ping, credit, a cancellation and a
    //  refusal come through even when a peer has all its requests unanswered.
    pending_t brief = { .peer = peer, .type = REQUEST_COUNT };
    pending_t *pending = peer == &stranger ? NULL : peers_add (self->peers, peer, streams);
    if (!pending)
        pending = &brief;
    pending->empty_frame = env->empty_frame;
    if (identified) {
        memcpy (pending->id, header.id.data, header.id.size);
        pending->id_size = (uint8_t) header.id.size;
    }
    if (rc || s_request (self, env, &caller, pending, peer, &header, &err)) {
        self->malformed += err.code == BERTH_INVALID;
        self->forbidden += err.code == BERTH_UNAUTHORIZED;
        if (welcome && (caller.confined || caller.remote))
            quota_refused (self->quotas, self->trust, caller.principal, peer->heard_ms, &err);
        s_refuse (self, pending, &err);
    }
}

//  Returns whether there may be more.
static bool
s_clients (front_t *self)
{
    bool more = false;
    for (unsigned door = 0; door < self->doors_count; door++) {
        int turn = 0;
        for (envelope_t envelope; turn < RECEIVE_MAX; turn++) {
            if (door_receive (self->doors [door], &envelope))
                break;
            s_handle (self, door, &envelope);
            door_close (&envelope);
            arena_clear (self->arena);
        }
        more |= turn == RECEIVE_MAX;
    }
    return more;
}

//  Returns whether there may be more.
static bool
s_answers (front_t *self)
{
    void *socket = zsock_resolve (self->answers);
    for (int turn = 0; turn < ANSWER_MAX; turn++) {
        answer_t answer;
        zmq_msg_t body, data;
        if (post_receive (socket, &answer, sizeof answer, &body, &data))
            return false;
        //  What has no ticket only woke us
        pending_t *pending = answer.magic == ANSWER_MAGIC
            ? peers_pending (self->peers, answer.ticket) : NULL;
        berth_error_t err = { 0 };
        bool deaf = pending && answer.status == reply_status_STREAM
                 && unread_check (pending->peer->unread, &err);
        if (pending && !deaf)
            s_answer (self, pending, answer.status, &body, &data);
        else {
            zmq_msg_close (&body);      //  Its client went away, or reads nothing
            zmq_msg_close (&data);
        }
        if (deaf) {
            self->unread++;
            pending_t taken = *pending;
            peers_done (self->peers, pending);
            s_give_up (self, &taken, &err);
        }
        arena_clear (self->arena);
    }
    return true;
}

//  Returns whether something was sent.
static bool
s_sweep (front_t *self)
{
    int64_t now_ms = berth_mono_ms ();
    if (now_ms - self->swept_ms < SWEEP_MS || PLANTED ("front-stuck"))
        return false;
    bool sent = false;
    self->swept_ms = now_ms;
    pending_t pending;
    while (peers_take_silent (self->peers, now_ms - BERTH_CLIENT_SILENCE_MS, &pending)) {
        self->silent++;
        //  It may only be quiet: it is told, and can read on from where it was
        berth_error_t err = { 0 };
        (void) berth_fail (&err, BERTH_DEADLINE_EXCEEDED, "nothing was heard of this client for "
                           "%d s: its stream has ended", BERTH_CLIENT_SILENCE_MS / 1000);
        s_give_up (self, &pending, &err);
        sent = true;
    }
    peers_sweep (self->peers, now_ms - 10 * BERTH_CLIENT_SILENCE_MS);
    return sent;
}

int64_t
front_turned_ms (front_t *self)
{
    CHECK (self, FRONT_MAGIC);
    return self->swept_ms;
}

void
front_actor (zsock_t *pipe, void *args)
{
    front_t *self = args;
    CHECK (self, FRONT_MAGIC);
    self->handoff = handoff_new (self->wiring, self->peers);
    zsock_signal (pipe, 0);
    //  poll, not zmq_poll: see actor_run. A descriptor tells of an arrival once, and sending on a
    //  ROUTER may swallow it: so all sockets are emptied, the doors last, before the next wait.
    struct pollfd fds [2 + DOORS_MAX] = {
        { zsock_fd (pipe), POLLIN, 0 },
        { zsock_fd (self->answers), POLLIN, 0 },
    };
    for (size_t door = 0; door < self->doors_count; door++)
        fds [2 + door] = (struct pollfd) { door_fd (self->doors [door]), POLLIN, 0 };
    bool more = true, running = pipe_runs (pipe);
    while (running) {
        if (poll (fds, 2 + self->doors_count, more ? 0 : SWEEP_MS) < 0 && errno != EINTR)
            break;
        if (fds [0].revents)
            running = pipe_runs (pipe);
        bool swept = s_sweep (self);
        bool answers = more || fds [1].revents, clients = answers || swept;
        for (size_t door = 0; door < self->doors_count; door++)
            clients |= fds [2 + door].revents != 0;
        more = answers && s_answers (self);
        s_enforce (self);
        more |= clients && s_clients (self);
        handoff_go_on (self->handoff);
        self->unanswered = peers_unanswered (self->peers);
    }
    (void) s_answers (self);    //  What the others said before they stopped
    s_close (self);
}
