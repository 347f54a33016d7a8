//  fuzz_front.c - the front door among clients that send any frames, and actors that answer when they
//  like.
//
//  burst: 10000
//  length: 4096
//
//  The input is a script: messages of 0 to 130 frames from peers of this machine and of the network,
//  answers of actors, peers that go, keys that are revoked, time. The front door's own thread runs on
//  sockets that are played. Each message is answered at once or handed on, never both and never
//  neither; a reply goes to who asked, under the id that was asked with; a body arrives as it was sent,
//  with the rights of its sender; when all is answered, nobody is told to be too busy.

#include "fuzz.h"

#include "actor.h"
#include "codec.h"
#include "front.h"
#include "quota.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS = 8, FRAMES = 130, LETTERS = 600, STEPS_MAX = 60, OUT_FRAMES = 6, DOORS = 3, WIND_UP = 40 };

typedef struct {
    uint8_t id [255];
    size_t id_size;
    unsigned door;
    const char *user;                   //  Of a door to the network
    bool gone, full;
    size_t unanswered;
} client_t;

//  A request that was handed on.
typedef struct {
    uint64_t ticket;                    //  0: answered
    client_t *client;
    uint8_t id [70];
    size_t id_size;
    bool streams;
} handed_t;

typedef struct {
    fuzz_input_t input;
    client_t clients [PEERS];
    client_t *sender;                   //  Of the message under way; NULL: none
    berth_bytes_t frames [FRAMES];
    size_t frames_count, frames_next;
    bool fresh;                         //  Nothing of it was received yet
    bool more;                          //  Of the frame that was received last
    bool handling, answering;           //  What the front door does now
    size_t replies;                     //  In that time, to that sender or ticket
    size_t posted;
    bool undeliverable;
    handed_t letters [LETTERS];
    size_t letters_count;
    handed_t *answered;                 //  The answer under way
    answer_t answer;
    bool answer_ready;
    berth_bytes_t answer_body, answer_data;
    uint8_t out [OUT_FRAMES] [1024];    //  What is being sent
    size_t out_size [OUT_FRAMES], out_count;
    client_t *receiver;
    actor_stats_t stats [ACTOR_COUNT];
    uint64_t handed [ACTOR_COUNT], handed_bytes [ACTOR_COUNT];
    trust_t *trust;
    size_t steps, ending;
    size_t waiting;                     //  Accepted, and not yet seen by an actor
    bool disturbed;                     //  Somebody went or lost rights: what waited may have been given up
    int64_t now_ms;
} scene_t;

static scene_t s_scene;
static arena_t *s_arena;

//  ---- what a reply must be

static void
s_check_reply (void)
{
    scene_t *self = &s_scene;
    berth_error_t err = { 0 };
    reply_header_t header;
    size_t at = self->out_count > 2 && self->out_size [1] == 0 ? 2 : 1;
    FUZZ_MUST (self->out_count == at + 2 || self->out_count == at + 3, "%zu frames", self->out_count);
    berth_bytes_t head = { self->out [at], self->out_size [at] };
    FUZZ_MUST (head.size <= sizeof self->out [0], "a header of %zu bytes", head.size);
    FUZZ_MUST (berth_unpack (&reply_header_schema, head, s_arena, &header, &err) == 0, "%s", err.text);
    berth_bytes_t body = { self->out [at + 1], self->out_size [at + 1] };
    if (header.status == reply_status_ERROR && !self->answering) {
        error_body_t why;
        FUZZ_MUST (berth_unpack (&error_body_schema, body, s_arena, &why, &err) == 0, "%s", err.text);
        FUZZ_MUST (why.message && *why.message && berth_code_of (why.code) != BERTH_INTERNAL, "%s: %s",
                   why.code, why.message);
        FUZZ_MUST (self->ending <= WIND_UP || strcmp (why.code, "busy"), "nothing is under way: %s",
                   why.message);
    }
    if (self->answering) {
        FUZZ_MUST (self->answered, "the answer of a ticket that nobody has");
        FUZZ_MUST (self->answered->client == self->receiver, "a reply to somebody else");
        FUZZ_MUST (header.id.size == self->answered->id_size
                   && memcmp (header.id.data, self->answered->id, header.id.size) == 0, "another id");
        self->replies++;
    }
    else if (self->handling) {
        FUZZ_MUST (self->sender == self->receiver, "a reply to somebody else");
        self->replies++;
        FUZZ_MUST ((self->frames_count > 1 && self->frames [1].size == 0) == (at == 2),
                   "the empty frame is not mirrored");
        size_t first = at;
        if (first < self->frames_count && header.id.size && header.id.data [0] != 0xc0) {
            berth_bytes_t id = any_get (self->frames [first], "id");
            FUZZ_MUST (id.size == header.id.size && memcmp (id.data, header.id.data, id.size) == 0,
                       "another id");
        }
    }
    else {                              //  A stream that ended, rights that were taken: its request is over
        self->disturbed = true;
        for (size_t index = 0; index < self->letters_count; index++) {
            handed_t *letter = &self->letters [index];
            if (letter->ticket && letter->client == self->receiver && letter->id_size == header.id.size
                && memcmp (letter->id, header.id.data, header.id.size) == 0) {
                letter->ticket = 0;
                break;
            }
        }
    }
}

//  ---- the sockets that are played

int __wrap_zmq_msg_recv (zmq_msg_t *msg, void *socket, int flags);
int
__wrap_zmq_msg_recv (zmq_msg_t *msg, void *socket, int flags)
{
    scene_t *self = &s_scene;
    (void) flags;
    if (self->frames_next == 0) {
        //  The front door asks for another message: what became of the one before?
        if (self->handling) {
            FUZZ_MUST (self->replies + self->posted <= 1 || self->posted == 0, "%zu replies, %zu letters",
                       self->replies, self->posted);
            FUZZ_MUST (self->replies <= 1, "%zu replies", self->replies);
            if (!self->replies && !self->posted && !self->undeliverable)
                self->waiting++;
        }
        self->handling = self->answering = false;
        if (!self->fresh || self->sender->door + 1 != (size_t) socket) {
            errno = EAGAIN;
            return -1;
        }
    }
    berth_bytes_t frame = self->frames [self->frames_next++];
    zmq_msg_close (msg);
    FUZZ_MUST (zmq_msg_init_size (msg, frame.size) == 0, "no memory");
    if (frame.size)
        memcpy (zmq_msg_data (msg), frame.data, frame.size);
    self->more = self->frames_next < self->frames_count;
    if (!self->more) {
        self->frames_next = 0;
        self->handling = true;
        self->replies = self->posted = 0;
        self->undeliverable = false;
        self->fresh = false;
    }
    return (int) frame.size;
}

int __wrap_zmq_msg_more (const zmq_msg_t *msg);
int
__wrap_zmq_msg_more (const zmq_msg_t *msg)
{
    (void) msg;
    return s_scene.more;
}

int __wrap_zmq_msg_get (const zmq_msg_t *msg, int property);
int
__wrap_zmq_msg_get (const zmq_msg_t *msg, int property)
{
    (void) msg, (void) property;
    return s_scene.sender ? (int) (s_scene.sender - s_scene.clients) : -1;
}

const char *__wrap_zmq_msg_gets (const zmq_msg_t *msg, const char *property);
const char *
__wrap_zmq_msg_gets (const zmq_msg_t *msg, const char *property)
{
    (void) msg, (void) property;
    return s_scene.sender->user;
}

int __wrap_zmq_msg_send (zmq_msg_t *msg, void *socket, int flags);
int
__wrap_zmq_msg_send (zmq_msg_t *msg, void *socket, int flags)
{
    scene_t *self = &s_scene;
    size_t size = zmq_msg_size (msg);
    const uint8_t *data = zmq_msg_data (msg);
    if (self->out_count == 0) {
        self->receiver = NULL;
        for (size_t index = 0; index < PEERS; index++) {
            client_t *client = &self->clients [index];
            if (client->door + 1 == (size_t) socket && client->id_size == size
                && memcmp (client->id, data, size) == 0)
                self->receiver = client;
        }
        FUZZ_MUST (self->receiver, "a reply to a peer that there is not");
        if (self->receiver->gone || self->receiver->full) {
            self->undeliverable = true;
            self->disturbed = true;
            errno = self->receiver->gone ? EHOSTUNREACH : EAGAIN;
            return -1;
        }
    }
    FUZZ_MUST (self->out_count < OUT_FRAMES, "%zu frames", self->out_count);
    self->out_size [self->out_count] = size;
    if (size)
        memcpy (self->out [self->out_count], data,
                size < sizeof self->out [0] ? size : sizeof self->out [0]);
    self->out_count++;
    zmq_msg_close (msg);
    zmq_msg_init (msg);
    if (!(flags & ZMQ_SNDMORE)) {
        s_check_reply ();
        self->out_count = 0;
    }
    return (int) size;
}

//  ---- the rest of the service that is played

post_t *post_new (wiring_t *wiring) { return (post_t *) wiring; }
void post_destroy (post_t **self_p) { *self_p = NULL; }
void post_kick (post_t *self) { (void) self; }
quotas_t *wiring_quotas (const wiring_t *self) { (void) self; return NULL; }
void quota_refused (quotas_t *self, trust_t *trust, const char *principal, int64_t mono_ms, berth_error_t *err)
{
    (void) self, (void) trust, (void) principal, (void) mono_ms, (void) err;
}
void post_wake (post_t *self, actor_code_t to) { (void) self, (void) to; }
zsock_t *wiring_take (wiring_t *self, actor_code_t actor, const char *provider, inbox_t inbox)
{
    (void) actor, (void) provider, (void) inbox;
    return (zsock_t *) self;
}
int post_answer (post_t *self, uint64_t ticket, reply_status_t status, berth_bytes_t body,
                 berth_bytes_t data, zmq_free_fn *data_free)
{
    (void) self, (void) ticket, (void) status, (void) body, (void) data, (void) data_free;
    return -1;
}
actor_stats_t *actor_stats_of (actor_code_t code) { return &s_scene.stats [code]; }
SOCKET zsock_fd (void *self) { return (int) (size_t) self; }
void *zsock_resolve (void *self) { return self; }
int zsock_signal (void *self, byte status) { (void) self, (void) status; return 0; }
void zsock_destroy_checked (zsock_t **self_p, const char *file, size_t line)
{
    (void) file, (void) line;
    *self_p = NULL;
}
bool connection_far (int fd, uint16_t port, far_end_t *ret_far)
{
    *ret_far = (far_end_t) { .family = 2, .port = (uint16_t) (port + fd) };
    return fd >= 0;
}
size_t connections_end (uint16_t port, connection_keep_fn *keep, void *context)
{
    size_t ended = 0;
    for (uint16_t fd = 0; fd < PEERS; fd++) {
        far_end_t far = { .family = 2, .port = (uint16_t) (port + fd) };
        ended += !keep (context, &far);
    }
    return ended;
}
int64_t __wrap_berth_mono_ms (void);
int64_t __wrap_berth_mono_ms (void) { return s_scene.now_ms; }
int64_t __wrap_berth_wall_ms (void);
int64_t __wrap_berth_wall_ms (void) { return 1778491800000 + s_scene.now_ms; }

//  The body that the message under way brings.
static berth_bytes_t
s_part (size_t part)
{
    scene_t *self = &s_scene;
    size_t at = 1 + (self->frames_count > 1 && self->frames [1].size == 0) + part;
    return at < self->frames_count ? self->frames [at] : (berth_bytes_t) { NULL, 0 };
}

static bool
s_same (berth_bytes_t left, berth_bytes_t right)
{
    return left.size == right.size && (!left.size || memcmp (left.data, right.data, left.size) == 0);
}

int
post_letter (post_t *post, actor_code_t to, const char *provider, inbox_t inbox, const letter_t *letter,
             berth_bytes_t body, berth_bytes_t data, zmq_free_fn *data_free)
{
    scene_t *self = &s_scene;
    (void) post, (void) provider, (void) data_free;
    FUZZ_MUST (letter->magic == LETTER_MAGIC && letter->type < REQUEST_COUNT && to < ACTOR_COUNT,
               "type %u", letter->type);
    self->handed [to]++;
    self->handed_bytes [to] += body.size + data.size;
    bool control = letter->type == REQUEST_STREAM_CREDIT || letter->type == REQUEST_STREAM_CANCEL;
    if (control || inbox != INBOX_CLIENTS)
        return 0;
    FUZZ_MUST (request_row (letter->type)->actor == to, "%s for %d", request_row (letter->type)->type, to);
    FUZZ_MUST (!(letter->roles & ROLE_INTERNAL) && (request_row (letter->type)->roles & letter->roles),
               "roles %x ask %s", letter->roles, request_row (letter->type)->type);
    FUZZ_MUST (letter->ticket && letter->principal [0], "a letter of nobody");
    for (size_t index = 0; index < self->letters_count; index++)
        FUZZ_MUST (self->letters [index].ticket != letter->ticket, "a ticket is used twice");
    if (!self->handling) {
        FUZZ_MUST (self->waiting || self->disturbed, "a letter that nobody sent");
        self->waiting -= self->waiting > 0;
        return 0;                       //  Whose it was is not known here: nobody answers it
    }
    standing_t standing;
    self->posted++;
    FUZZ_MUST (trust_standing (self->trust, letter->principal, &standing)
               && standing.roles == letter->roles && standing.everywhere == !letter->confined,
               "'%s' with the rights of another", letter->principal);
    berth_bytes_t sent = s_part (1), header = s_part (0), id = any_get (header, "id");
    FUZZ_MUST (s_same (body, sent.data ? sent : berth_empty_map) && s_same (data, s_part (2)),
               "the body arrives as another");
    if (self->letters_count < LETTERS && id.size <= sizeof self->letters [0].id) {
        handed_t *handed = &self->letters [self->letters_count++];
        *handed = (handed_t) { .ticket = letter->ticket, .client = self->sender, .id_size = id.size,
                               .streams = letter->streams };
        memcpy (handed->id, id.data, id.size);
    }
    return 0;
}

int
post_receive (void *socket, void *head, size_t head_size, zmq_msg_t *ret_body, zmq_msg_t *ret_data)
{
    scene_t *self = &s_scene;
    (void) socket, (void) head_size;
    if (self->answering && self->answered) {
        bool over = self->answer.status != reply_status_STREAM;
        FUZZ_MUST (self->replies == 1 || self->disturbed || !self->answered->ticket,
                   "%zu replies to an answer", self->replies);
        if (over)
            self->answered->ticket = 0;
    }
    self->answering = self->handling = false;
    self->answered = NULL;
    if (!self->answer_ready)
        return -1;
    self->answer_ready = false;
    self->answering = true;
    self->replies = 0;
    self->undeliverable = false;
    memcpy (head, &self->answer, sizeof self->answer);
    for (size_t index = 0; index < self->letters_count; index++)
        if (self->answer.ticket && self->letters [index].ticket == self->answer.ticket)
            self->answered = &self->letters [index];
    FUZZ_MUST (zmq_msg_init_size (ret_body, self->answer_body.size) == 0
               && zmq_msg_init_size (ret_data, self->answer_data.size) == 0, "no memory");
    if (self->answer_body.size)
        memcpy (zmq_msg_data (ret_body), self->answer_body.data, self->answer_body.size);
    if (self->answer_data.size)
        memcpy (zmq_msg_data (ret_data), self->answer_data.data, self->answer_data.size);
    return 0;
}

//  ---- the script

static void
s_send (client_t *client, const berth_bytes_t *frames, size_t count)
{
    scene_t *self = &s_scene;
    self->sender = client;
    self->frames [0] = (berth_bytes_t) { client->id, client->id_size };
    for (size_t index = 0; index < count && index + 1 < FRAMES; index++)
        self->frames [index + 1] = frames [index];
    self->frames_count = count + 1 < FRAMES ? count + 1 : FRAMES;
    self->frames_next = 0;
    self->fresh = true;
}

static void
s_message (client_t *client)
{
    scene_t *self = &s_scene;
    berth_bytes_t frames [FRAMES] = { { NULL, 0 } };
    uint8_t kind = (uint8_t) fuzz_number (&self->input, 1);
    size_t count = kind < 200 ? kind % 5 : kind - 128u;
    for (size_t index = 0; index < count && index < FRAMES; index++)
        frames [index] = index < 5 ? fuzz_bytes (&self->input, fuzz_number (&self->input, index ? 2 : 1))
                                   : frames [index % 5];
    s_send (client, frames, count < FRAMES ? count : FRAMES);
}

//  A request as a client makes it: its type, id and options from the input.
static void
s_request (client_t *client, request_code_t type, uint8_t flags)
{
    scene_t *self = &s_scene;
    uint8_t id [3] = { 0xa2, 'i', (uint8_t) ('a' + (flags & 7)) };
    request_header_t header = { .v = 1, .id = { id, sizeof id }, .type = request_row (type)->type };
    if (flags & 8)
        berth_put (request_header, &header, credit, fuzz_number (&self->input, 2));
    if (flags & 16)
        berth_put (request_header, &header, deadline_ms, fuzz_number (&self->input, 2) + 1);
    if (flags & 32)
        berth_put (request_header, &header, key, "a key");
    berth_bytes_t frames [4];
    size_t count = 0;
    if (flags & 64)
        frames [count++] = (berth_bytes_t) { NULL, 0 };
    frames [count++] = berth_pack (&request_header_schema, &header, s_arena);
    frames [count++] = fuzz_bytes (&self->input, fuzz_number (&self->input, 1));
    if (type == REQUEST_STREAM_CREDIT || type == REQUEST_STREAM_CANCEL)
        frames [count - 1] = any_set (berth_empty_map, "id", (berth_bytes_t) { id, sizeof id }, s_arena);
    if (type == REQUEST_STREAM_CREDIT)
        frames [count - 1] = any_set_number (frames [count - 1], "bytes", flags, s_arena);
    if (flags & 128)
        frames [count++] = fuzz_bytes (&self->input, fuzz_number (&self->input, 1));
    s_send (client, frames, count);
}

static void
s_answer_one (uint64_t ticket, reply_status_t status)
{
    scene_t *self = &s_scene;
    self->answer = (answer_t) { .magic = ANSWER_MAGIC, .status = status, .ticket = ticket };
    self->answer_body = fuzz_bytes (&self->input, fuzz_number (&self->input, 1));
    self->answer_data = fuzz_bytes (&self->input, fuzz_number (&self->input, 1));
    if (!self->answer_body.size)
        self->answer_body = berth_empty_map;
    self->answer_ready = true;
}

static void
s_rights (uint8_t how)
{
    static const char *const platform [] = { "platform" }, *const observer [] = { "observer", "provider" };
    static const char *const acme [] = { "acme" }, *const all [] = { "*" };
    principal_t rows [] = {
        { .id = "ann", .public_key = "A", .roles = { 1, how & 1 ? observer : platform },
          .companies = { 1, how & 2 ? all : acme }, .revoked_at = how & 4 ? 7 : 0 },
        { .id = "zoe", .public_key = "Z", .roles = { how & 8 ? 2 : 1, observer }, .companies = { 1, all },
          .revoked_at = how & 16 ? 7 : 0 },
    };
    trust_replace (s_scene.trust, rows, how & 32 ? 1 : 2);
}

static void
s_take (void)
{
    scene_t *self = &s_scene;
    for (size_t actor = 0; actor < ACTOR_COUNT; actor++) {
        self->stats [actor].taken = self->handed [actor];
        self->stats [actor].taken_bytes = self->handed_bytes [actor];
    }
}

static void
s_step (void)
{
    static const int times [] = { 1, 100, 5001, 31000, 400000 };
    scene_t *self = &s_scene;
    fuzz_input_t *input = &self->input;
    uint8_t op = (uint8_t) fuzz_number (input, 1);
    client_t *client = &self->clients [op / 16 % PEERS];
    switch (op % 16) {
        case 0: case 1: s_message (client); break;
        case 2: case 3: case 4: case 5: {
            uint8_t type = (uint8_t) fuzz_number (input, 1), flags = (uint8_t) fuzz_number (input, 1);
            s_request (client, (request_code_t) (type % REQUEST_COUNT), flags);
            break;
        }
        case 6: case 7: case 8: {
            uint8_t which = (uint8_t) fuzz_number (input, 1);
            uint64_t ticket = self->letters_count ? self->letters [which % self->letters_count].ticket : which;
            s_answer_one (ticket, (reply_status_t) (fuzz_number (input, 1) % (reply_status_COUNT - 1) + 1));
            break;
        }
        case 9: self->now_ms += times [fuzz_number (input, 1) % BERTH_COUNT (times)]; break;
        case 10: client->gone = !client->gone; break;
        case 11: client->full = !client->full; break;
        case 12:
            self->disturbed = true;
            s_rights ((uint8_t) fuzz_number (input, 1));
            break;
        case 13: s_take (); break;
        case 14: self->stats [fuzz_number (input, 1) % ACTOR_COUNT].serving_since_ms = self->now_ms; break;
        default:
            for (size_t actor = 0; actor < ACTOR_COUNT; actor++)
                self->stats [actor].serving_since_ms = 0;
    }
}

//  Everything is taken and answered; then each client asks once more.
static void
s_wind_up (void)
{
    scene_t *self = &s_scene;
    s_take ();
    for (size_t actor = 0; actor < ACTOR_COUNT; actor++)
        self->stats [actor].serving_since_ms = 0;
    if (self->ending++ < WIND_UP) {
        for (size_t index = 0; index < self->letters_count; index++)
            if (self->letters [index].ticket) {
                s_answer_one (self->letters [index].ticket, reply_status_OK);
                self->ending--;
                return;
            }
        return;
    }
    client_t *client = &self->clients [self->ending % PEERS];
    client->gone = client->full = false;
    s_request (client, REQUEST_BUS_STATS, 0);
}

int __wrap_poll (struct pollfd *fds, nfds_t count, int timeout_ms);
int
__wrap_poll (struct pollfd *fds, nfds_t count, int timeout_ms)
{
    scene_t *self = &s_scene;
    arena_clear (s_arena);
    self->frames_count = 0;
    self->fresh = false;
    self->sender = NULL;
    if (fuzz_more (&self->input) && self->steps < STEPS_MAX) {
        self->steps++;
        s_step ();
    }
    else
        s_wind_up ();
    (void) timeout_ms;
    for (nfds_t index = 1; index < count; index++)
        fds [index].revents = POLLIN;
    fds [0].revents = POLLIN;
    return (int) count;
}

bool
pipe_runs (zsock_t *pipe)
{
    (void) pipe;
    return s_scene.ending < WIND_UP + PEERS;
}

static void
s_client (size_t index, unsigned door, const char *user, size_t id_size)
{
    client_t *client = &s_scene.clients [index];
    *client = (client_t) { .door = door, .user = user, .id_size = id_size };
    memset (client->id, (int) index, id_size);
    client->id [0] = 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    scene_t *self = &s_scene;
    static const char *const acme [] = { "acme" };
    if (!s_arena)
        s_arena = arena_new ();
    memset (self, 0, offsetof (scene_t, letters));
    memset (&self->letters_count, 0, sizeof *self - offsetof (scene_t, letters_count));
    self->input = (fuzz_input_t) { data, data + size };
    self->now_ms = 1000000;
    self->trust = trust_new ();
    trust_add_local (self->trust, "operator", ROLE_OPERATOR, (berth_strs_t) { 0, NULL });
    trust_add_local (self->trust, "ipc:ci", ROLE_OBSERVER, (berth_strs_t) { 1, acme });
    s_rights (0);
    for (size_t index = 0; index < 3; index++)
        s_client (index, 0, NULL, index == 2 ? 255 : 5);
    s_client (3, 1, NULL, 5);
    s_client (4, 2, "ann", 5);
    s_client (5, 2, "zoe", 5);
    s_client (6, 2, "nobody", 5);
    s_client (7, 2, "ann", 9);          //  It chose an id of its own
    door_t *doors [DOORS];
    zsock_t *routers [DOORS] = { (zsock_t *) 1, (zsock_t *) 2, (zsock_t *) 3 };
    doors [0] = door_new_local (&routers [0], self->trust, "operator");
    doors [1] = door_new_local (&routers [1], self->trust, "ipc:ci");
    doors [2] = door_new_network (&routers [2], self->trust, 5555);
    front_t *front = front_new (doors, DOORS, self->trust, "instance", "install", (wiring_t *) 9);
    front_actor ((zsock_t *) 8, front);
    front_destroy (&front);
    trust_destroy (&self->trust);
    return 0;
}
