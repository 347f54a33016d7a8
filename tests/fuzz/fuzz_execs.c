//  fuzz_execs.c - berthd's execs among shims that say whatever they like: what is believed of it.
//
//  burst: 4000
//  length: 2048
//
//  The input is a script: execs begin, or are taken up from a berthd before; shims greet, say bytes,
//  frames and typical messages, refuse connections, stop reading, go; spools hold what somebody wrote;
//  clients write, signal, read, wait and go; time passes. The actor's own handlers run on a machine that
//  is played, over rows in memory. Whatever shims say: a request is answered once, an exec ends once, with
//  a cause and as the schema has it, each message to a shim is one of its protocol, and when shims are gone
//  and time is over, nothing waits.

#include "fuzz.h"
#include "machine.h"
#include "played_execs.h"

#include "codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SHIMS = 2, TICKETS = 200, STEPS_MAX = 100, TURNS_MAX = 400,
       FRAME_ROOM = 16384 };

typedef struct {
    size_t object;                      //  Its connection; 0: none
    bool refuses, silent;               //  Nobody listens; it does not greet
    uint8_t frame [FRAME_ROOM];         //  What berthd says, until a frame is whole
    size_t size;
} played_shim_t;

typedef struct {
    request_code_t type;
    bool streams, answered;
    uint64_t credit, next;              //  Of a stream: what may still come, and from where
    bool begun;
} asked_t;

typedef struct {
    fuzz_input_t input;
    execs_t *execs;
    effects_t *effects;
    arena_t *arena;                     //  Of a batch
    played_shim_t shims [SHIMS];
    asked_t asked [TICKETS];
    unsigned tickets;
} scene_t;

static scene_t s_scene;
static const char s_leases [SHIMS] [40] = {
    "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4aa0", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4aa1"
};
static const char s_sockets [SHIMS] [8] = { "/m/s0", "/m/s1" };

//  ---- what goes out

static void
s_check_chunk (asked_t *asked, berth_bytes_t body, berth_bytes_t data)
{
    berth_error_t err = { 0 };
    stream_chunk_t chunk;
    FUZZ_MUST (berth_unpack (&stream_chunk_schema, body, s_scene.arena, &chunk, &err) == 0, "%s", err.text);
    FUZZ_MUST (chunk.length == data.size && data.size, "a chunk of %zu bytes", data.size);
    FUZZ_MUST (asked->streams && data.size <= asked->credit, "%zu bytes beyond the credit", data.size);
    FUZZ_MUST (chunk.offset >= asked->next, "bytes from %llu come again", (unsigned long long) chunk.offset);
    asked->credit -= data.size;
    asked->next = chunk.offset + data.size;
}

static void
s_send (void *context, actor_code_t to, const char *provider, const letter_t *letter, reply_status_t status,
        berth_bytes_t body, berth_bytes_t data, data_free_fn *data_free)
{
    scene_t *self = context;
    berth_error_t err = { 0 };
    (void) provider;
    if (to == ACTOR_LEASES) {
        FUZZ_MUST (letter->type == REQUEST_LEASE_PLACE, "leases are asked for %u", letter->type);
        played.rows [played_exec (letter->subject)].place = true;
        return;
    }
    FUZZ_MUST (to == ACTOR_FRONT && letter->ticket <= self->tickets, "a letter to %u", (unsigned) to);
    asked_t *asked = &self->asked [letter->ticket - 1];
    FUZZ_MUST (!asked->answered, "%s is answered twice", request_row (asked->type)->type);
    if (status == reply_status_STREAM)
        s_check_chunk (asked, body, data);
    else
        asked->answered = true;
    const berth_schema_t *schema = status == reply_status_ERROR ? &error_body_schema
                                 : status == reply_status_OK ? request_row (asked->type)->reply : NULL;
    if (schema) {
        void *reply = arena_take (self->arena, schema->size + sizeof (berth_message_t));
        FUZZ_MUST (berth_unpack (schema, body, self->arena, reply, &err) == 0, "%s: %s", schema->name,
                   err.text);
        const error_body_t *why = reply;
        FUZZ_MUST (status == reply_status_OK || (why->message && *why->message
                                                 && strcmp (why->code, "internal")), "%s", why->message);
    }
    if (data_free)
        data_free ((void *) data.data, NULL);
}

//  ---- shims

static void
s_sent (size_t object, const uint8_t *data, size_t size)
{
    scene_t *self = &s_scene;
    played_shim_t *shim = self->shims [0].object == object ? &self->shims [0] : &self->shims [1];
    FUZZ_MUST (shim->object == object, "object %zu is no shim's", object);
    while (size) {
        size_t part = size < FRAME_ROOM - shim->size ? size : FRAME_ROOM - shim->size;
        memcpy (shim->frame + shim->size, data, part);
        shim->size += part;
        data += part;
        size -= part;
        uint32_t length;
        while (shim->size >= 4) {
            memcpy (&length, shim->frame, 4);
            FUZZ_MUST (length && length <= FRAME_ROOM - 4, "a frame of %u bytes", length);
            if (shim->size < 4 + length)
                break;
            own (arena) arena = arena_new ();
            shim_message_t message;
            berth_error_t err = { 0 };
            berth_bytes_t frame = { shim->frame + 4, length };
            FUZZ_MUST (berth_unpack (&shim_message_schema, frame, arena, &message, &err) == 0, "%s", err.text);
            FUZZ_MUST (message.op && message.op < shim_op_HELLO, "op %d", message.op);
            FUZZ_MUST (message.exec || message.op == shim_op_STATE, "op %d names no exec", message.op);
            shim->size -= 4 + length;
            memmove (shim->frame, shim->frame + 4 + length, shim->size);
        }
    }
}

static void
s_say (size_t which, const void *data, size_t size)
{
    played_shim_t *shim = &s_scene.shims [which];
    object_t *object = shim->object ? machine_object (shim->object) : NULL;
    if (!object || object->ended || size > STREAM_ROOM - object->ready)
        return;
    memcpy (object->data + object->ready, data, size);
    object->ready += size;
}

static void
s_say_message (size_t which, const shim_message_t *message)
{
    own (arena) arena = arena_new ();
    berth_bytes_t frame = berth_pack (&shim_message_schema, message, arena);
    uint32_t length = (uint32_t) frame.size;
    s_say (which, &length, sizeof length);
    s_say (which, frame.data, frame.size);
}

static void
s_hello (size_t which, bool another)
{
    shim_message_t hello = { 0 };
    berth_put (shim_message, &hello, op, shim_op_HELLO);
    berth_put (shim_message, &hello, v, SHIM_VERSION);
    berth_put (shim_message, &hello, place, s_leases [which]);
    berth_put (shim_message, &hello, generation, 7 + another);
    s_say_message (which, &hello);
}

static int
s_accepted (void)
{
    return (int) machine_object_new (OBJECT_STREAM);
}

static int
s_connected (int fd, const char *path)
{
    size_t which = (size_t) (path [strlen (path) - 1] - '0');
    played_shim_t *shim = &s_scene.shims [which];
    if (shim->refuses) {
        errno = ECONNREFUSED;
        return -1;
    }
    size_t object = machine_fd (fd)->of;
    for (size_t index = 0; index < SHIMS; index++)
        if (s_scene.shims [index].object == object)
            s_scene.shims [index].object = 0;       //  Of a connection that is closed
    shim->object = object;
    shim->size = 0;
    if (!shim->silent)
        s_hello (which, false);
    return 0;
}

static bool
s_connects (size_t which)
{
    played_shim_t *shim = &s_scene.shims [which];
    if (shim->object && !machine_object (shim->object)->open)
        shim->object = 0;
    return shim->object;
}

//  epoll_wait: whoever is ready.
static int
s_wait (int timeout_ms)
{
    int fd;
    uint32_t events;
    FUZZ_MUST (timeout_ms == 0, "the actor waits inside its turn");
    return machine_ready (&fd, &events, 1) ? fd : 0;
}

static void
s_typical (scene_t *self, size_t which)
{
    fuzz_input_t *input = &self->input;
    shim_message_t message = { 0 };
    unsigned op = (unsigned) fuzz_number (input, 1), flags = (unsigned) fuzz_number (input, 1);
    berth_put (shim_message, &message, op, (shim_op_t) (shim_op_HELLO + op % (shim_op_COUNT - shim_op_HELLO)));
    if (message.op == shim_op_HELLO) {
        s_hello (which, flags & 1);
        return;
    }
    berth_put (shim_message, &message, exec, played_execs [op / 8 % PLAYED_EXECS]);
    if (flags & 1)
        berth_put (shim_message, &message, stdout_bytes, fuzz_number (input, flags & 2 ? 8 : 1));
    if (flags & 4)
        berth_put (shim_message, &message, stderr_bytes, fuzz_number (input, 1));
    if (flags & 8)
        berth_put (shim_message, &message, cause, (exec_cause_t) (1 + fuzz_number (input, 1)
                                                                  % (exec_cause_COUNT - 1)));
    if (flags & 16)
        berth_put (shim_message, &message, exit_code, (int64_t) fuzz_number (input, flags & 2 ? 8 : 1));
    if (flags & 32)
        berth_put (shim_message, &message, signal, fuzz_number (input, 1) % 65);
    if (flags & 64)
        berth_put (shim_message, &message, offset, fuzz_number (input, 1));
    if (flags & 128) {
        static char s_long [420];
        static const char *const s_errors [] = { "busy: not now", "nonsense", ": ", "internal: x", "",
                                                 "conflict: ", s_long };
        for (size_t index = 0; index + 2 < sizeof s_long; index += 2)
            memcpy (s_long + index, "\xc3\xa9", 3);         //  Cut off anywhere, it is no text
        berth_put (shim_message, &message, error, s_errors [fuzz_number (input, 1) % BERTH_COUNT (s_errors)]);
        berth_put (shim_message, &message, started_at, (int64_t) fuzz_number (input, 1) - 3);
        berth_put (shim_message, &message, pid, (int64_t) fuzz_number (input, 1) - 3);
    }
    s_say_message (which, &message);
}

//  ---- turns of the actor

static request_t
s_request (scene_t *self, const letter_t *letter, const void *body)
{
    return (request_t) {
        .row = request_row ((request_code_t) letter->type), .letter = letter, .body = body,
        .arena = self->arena, .now_ms = 1778491800000 + machine_now_ms, .mono_ms = machine_now_ms,
        .boot = "played", .make_id = played_id,
    };
}

//  A handler, and what it wants to happen.
static void
s_serve (scene_t *self, handler_fn *handler, request_t *req)
{
    berth_error_t err = { 0 };
    size_t mark = effects_mark (self->effects);
    if (handler (self->execs, req, NULL, self->effects, &err)) {
        effects_undo (self->effects, mark);
        FUZZ_MUST (req->letter->ticket, "a step fails: %s", err.text);
        fuzz_check_failure (&err, err.code);
        effects_fail (self->effects, req, &err);
    }
    effects_perform (self->effects, played.actor.waiters, self->arena, s_send, self);
}

static void
s_turn (scene_t *self)
{
    static const letter_t nobody = { .magic = LETTER_MAGIC };
    request_t req = s_request (self, &nobody, NULL);
    int fd;
    uint32_t events;
    for (int turn = 0; played.woken || machine_ready (&fd, &events, 1); turn++) {
        FUZZ_MUST (turn < TURNS_MAX, "the actor does not come to rest");
        played.woken = false;
        s_serve (self, played.spec.ready, &req);
        if (played.spec.next_ms (self->execs) <= machine_now_ms)
            s_serve (self, played.spec.tick, &req);
    }
    letter_t letter;
    while (waiters_expired (played.actor.waiters, machine_now_ms, self->arena, &letter, &req.subject)) {
        request_t late = s_request (self, &letter, NULL);
        late.subject = req.subject;
        s_serve (self, played.spec.expired, &late);
    }
    req.subject = NULL;
    for (int turn = 0; played.spec.next_ms (self->execs) <= machine_now_ms; turn++) {
        FUZZ_MUST (turn < TURNS_MAX, "there is always something due");
        s_serve (self, played.spec.tick, &req);
    }
}

//  ---- clients

static letter_t
s_letter (scene_t *self, request_code_t type)
{
    letter_t letter = {
        .magic = LETTER_MAGIC, .type = (uint16_t) type, .answer_to = ACTOR_FRONT, .roles = ROLE_OPERATOR,
        .ticket = self->tickets + 1, .principal = "operator",
    };
    self->asked [self->tickets++] = (asked_t) { .type = type };
    return letter;
}

//  The part of exec.start that is behind its checks, or of the start of the actor.
static int
s_begin_handler (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const begin_t *begin = req->body;
    if (exec_put (txn, req->arena, begin->row, err))
        return -1;
    if (req->letter->ticket)
        effects_wait (fx, req, exec_subject (req->arena, req->letter->type == REQUEST_EXEC_START
                                             ? "start" : "run", begin->row->id));
    effects_call (fx, req, exec_begin, actor, begin);
    return 0;
}

static int
s_again_handler (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const begin_t *begin = req->body;
    (void) txn, (void) err;
    effects_wait (fx, req, exec_subject (req->arena, "start", begin->row->id));
    effects_call (fx, req, exec_begin_again, actor, begin);
    return 0;
}

static void
s_begin (scene_t *self)
{
    unsigned flags = (unsigned) fuzz_number (&self->input, 1), number = flags % PLAYED_EXECS, which = flags >> 3 & 1;
    played_row_t *kept = &played.rows [number];
    bool old = flags & 16, placeless = flags & 32;
    exec_t row = {
        .id = played_execs [number], .company = "acme", .lease = s_leases [which], .generation = 7,
        .state = old && flags & 64 ? exec_state_RUNNING : exec_state_STARTING,
        .command = { (const uint8_t *) "make", 4 }, .stdin_open = true, .tty = flags & 4, .created_at = 1,
        .spool_max = 100000, .on_full = flags & 128 ? exec_on_full_BLOCK : exec_on_full_DROP_OLDEST,
    };
    begin_t begin = { .row = &row, .lease = row.lease, .generation = 7, .closed = flags & 128 && placeless,
                      .socket = placeless ? NULL : s_sockets [which] };
    if (!old)
        begin.start = played_start (row.id, self->arena);
    if (kept->used) {
        berth_error_t none = { 0 };
        if (exec_get (NULL, self->arena, row.id, &row, &none) || row.state == exec_state_ENDED)
            return;
        letter_t letter = s_letter (self, REQUEST_EXEC_START);
        request_t req = s_request (self, &letter, &begin);
        s_serve (self, s_again_handler, &req);
        return;
    }
    kept->used = true;
    letter_t nobody = { .magic = LETTER_MAGIC };
    letter_t letter = old ? nobody : s_letter (self, flags & 64 ? REQUEST_EXEC_RUN : REQUEST_EXEC_START);
    request_t req = s_request (self, &letter, &begin);
    s_serve (self, s_begin_handler, &req);
}

//  leases say where the place is, or that there is none.
static void
s_place (scene_t *self, unsigned number, bool ok)
{
    played_row_t *kept = &played.rows [number];
    if (!kept->place)
        return;
    kept->place = false;
    letter_t letter = { .magic = LETTER_MAGIC, .type = REQUEST_STEP_DONE, .roles = ROLE_INTERNAL };
    berth_error_t why = { 0 };
    (void) berth_fail (&why, BERTH_PROVIDER_ERROR, "no place");
    lease_t lease = {
        .id = s_leases [0], .company = "acme", .env = s_leases [0], .status = lease_status_ACTIVE,
        .state = lease_state_ACTIVE, .policy = lease_policy_EPHEMERAL, .generation = 7, .acquired_at = 1,
        .last_used_at = 1, .created_at = 1, .updated_at = 1, .metadata = berth_empty_map,
        .shim = { (const uint8_t *) s_sockets [0], strlen (s_sockets [0]) },
    };
    step_done_t done = { .subject = played_execs [number], .step = "place", .ok = ok };
    if (ok)
        done.result = berth_pack (&lease_schema, &lease, self->arena);
    else
        done.error = effects_pack_error (&why, self->arena);
    request_t req = s_request (self, &letter, &done);
    s_serve (self, played.spec.handlers [REQUEST_STEP_DONE], &req);
}

static void
s_ask (scene_t *self)
{
    fuzz_input_t *input = &self->input;
    unsigned flags = (unsigned) fuzz_number (input, 1);
    const char *id = played_execs [flags % PLAYED_EXECS];
    exec_ref_t ref = { .id = id };
    exec_write_t write = { .id = id, .offset = flags & 8 ? fuzz_number (input, 1) : 0, .eof = flags & 16 };
    exec_signal_t signal = { .id = id, .signal = 1 + fuzz_number (input, 1) % 64 };
    exec_resize_t resize = { .id = id, .cols = 80, .rows = 25 };
    exec_read_t read = { .id = id, .follow = flags & 8, .from = flags & 16 ? fuzz_number (input, 1) : 0,
                         .stream = (exec_stream_t) (fuzz_number (input, 1) % exec_stream_COUNT) };
    const struct { request_code_t type; const void *body; } asks [] = {
        { REQUEST_EXEC_GET, &ref }, { REQUEST_EXEC_WAIT, &ref }, { REQUEST_EXEC_WRITE, &write },
        { REQUEST_EXEC_WRITE, &write }, { REQUEST_EXEC_SIGNAL, &signal }, { REQUEST_EXEC_RESIZE, &resize },
        { REQUEST_EXEC_READ, &read }, { REQUEST_EXEC_READ, &read },
    };
    unsigned which = (unsigned) fuzz_number (input, 1) % BERTH_COUNT (asks);
    letter_t letter = s_letter (self, asks [which].type);
    asked_t *asked = &self->asked [letter.ticket - 1];
    letter.deadline_ms = flags & 32 ? machine_now_ms + 50 : 0;
    if (letter.type == REQUEST_EXEC_READ && (flags & 64)) {
        letter.streams = asked->streams = true;
        letter.credit = asked->credit = fuzz_number (input, 2);
        asked->next = read.from;
    }
    request_t req = s_request (self, &letter, asks [which].body);
    if (letter.type == REQUEST_EXEC_WRITE)
        req.data = fuzz_bytes (input, fuzz_number (input, 1));
    s_serve (self, played.spec.handlers [letter.type], &req);
}

//  A client gives credit, or goes.
static void
s_control (scene_t *self, unsigned ticket, uint64_t credit)
{
    if (!ticket || ticket > self->tickets || !self->asked [ticket - 1].streams)
        return;
    letter_t letter = { .magic = LETTER_MAGIC, .type = credit ? REQUEST_STREAM_CREDIT : REQUEST_STREAM_CANCEL,
                        .ticket = ticket, .credit = credit };
    self->asked [ticket - 1].credit += credit;
    request_t req = s_request (self, &letter, NULL);
    s_serve (self, credit ? played.spec.credit : played.spec.cancel, &req);
}

//  What somebody wrote of an exec: output, and an end that may be none.
static void
s_spool (scene_t *self)
{
    fuzz_input_t *input = &self->input;
    unsigned flags = (unsigned) fuzz_number (input, 1);
    own (spool) spool = NULL;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    if (spool_open (exec_spool (self->execs, played_execs [flags % PLAYED_EXECS], arena), 100000, SPOOL_DROP_OLDEST, &spool,
                    &err))
        return;
    uint8_t text [256];
    size_t size = (size_t) fuzz_number (input, 1);
    memset (text, 'o', sizeof text);
    if (size)
        (void) spool_append (spool, flags & 8 ? SPOOL_STDOUT : SPOOL_STDERR, 1, text, size, &err);
    berth_bytes_t end = fuzz_bytes (input, flags & 16 ? fuzz_number (input, 1) : 0);
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_ENDED);
    berth_put (shim_message, &message, stdout_bytes, flags);
    if (flags & 64)
        berth_put (shim_message, &message, cause, (exec_cause_t) (1 + flags % (exec_cause_COUNT - 1)));
    if (flags & 128)
        berth_put (shim_message, &message, exit_code, 3);
    if (flags & 32)
        end = berth_pack (&shim_message_schema, &message, arena);
    if (end.size)
        (void) spool_end (spool, end.data, end.size, false, &err);
}

//  ---- the script

static void
s_step (scene_t *self)
{
    static const int64_t times [] = { 1, 5, 20, 100, 400, 1500, 10000, 61000 };
    fuzz_input_t *input = &self->input;
    uint8_t op = (uint8_t) fuzz_number (input, 1);
    size_t which = op / 16 % SHIMS;
    bool there = s_connects (which);
    switch (op % 16) {
        case 0: case 1: s_begin (self); break;
        case 2: {
            berth_bytes_t bytes = fuzz_bytes (input, fuzz_number (input, 2));
            if (there)
                s_say (which, bytes.data, bytes.size);
            break;
        }
        case 3: {
            berth_bytes_t bytes = fuzz_bytes (input, fuzz_number (input, 2));
            uint32_t length = (uint32_t) bytes.size;
            if (there) {
                s_say (which, &length, sizeof length);
                s_say (which, bytes.data, bytes.size);
            }
            break;
        }
        case 4: case 5: case 6: case 7:
            if (there)
                s_typical (self, which);
            break;
        case 8: case 9: s_ask (self); break;
        case 10:
            if (there)
                machine_object (self->shims [which].object)->ended = true;
            break;
        case 11: self->shims [which].refuses = op & 32; self->shims [which].silent = op & 64; break;
        case 12: machine_now_ms += times [fuzz_number (input, 1) % BERTH_COUNT (times)]; break;
        case 13: s_spool (self); break;
        case 14: {
            unsigned ticket = (unsigned) fuzz_number (input, 1);
            s_control (self, ticket, op & 128 ? fuzz_number (input, 2) : 0);
            break;
        }
        default:
            if (op & 128)
                s_place (self, (unsigned) fuzz_number (input, 1) % PLAYED_EXECS, op & 64);
            else if (there)
                machine_object (self->shims [which].object)->room = fuzz_number (input, 1);
    }
}

//  Nobody listens any more, and time passes until nothing is due.
static void
s_wind_up (scene_t *self)
{
    for (size_t which = 0; which < SHIMS; which++) {
        self->shims [which].refuses = true;
        if (s_connects (which))
            machine_object (self->shims [which].object)->ended = true;
    }
    for (unsigned number = 0; number < PLAYED_EXECS; number++)
        s_place (self, number, false);
    for (unsigned ticket = 1; ticket <= self->tickets; ticket++)
        if (!self->asked [ticket - 1].answered)
            s_control (self, ticket, 0);
    for (int round = 0; round < 40; round++) {
        machine_now_ms += 5000;
        s_turn (self);
        arena_clear (self->arena);
    }
    for (unsigned number = 0; number < PLAYED_EXECS; number++)
        FUZZ_MUST (played.rows [number].ends == played.rows [number].used, "exec %u has %u ends", number,
                   played.rows [number].ends);
    for (unsigned ticket = 0; ticket < self->tickets; ticket++)
        FUZZ_MUST (self->asked [ticket].answered, "%s is not answered", request_row (self->asked [ticket].type)->type);
    FUZZ_MUST (waiters_count (played.actor.waiters) == 0, "somebody waits");
    FUZZ_MUST (played.chunks == 0, "%u chunks are on their way", played.chunks);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static arena_t *arena;
    static effects_t *effects;
    static waiters_t *waiters;
    scene_t *self = &s_scene;
    if (!arena) {
        arena = arena_new ();
        effects = effects_new ();
        waiters = waiters_new ();
        for (int index = 0; index < PLAYED_EXECS; index++)
            snprintf (played_execs [index], sizeof played_execs [index], "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4b%02d",
                      index);
    }
    arena_clear (arena);
    *self = (scene_t) { .input = { data, data + size }, .arena = arena, .effects = effects };
    played = (played_t) { .actor = { waiters } };
    machine_begin ();
    machine_events_begin ();
    machine_play = (machine_play_t) { .wait = s_wait, .sent = s_sent, .accepted = s_accepted,
                                      .connected = s_connected };
    machine_folder (MACHINE_ROOT "/state");
    berth_error_t err = { 0 };
    context_t context = { .host = { .state = MACHINE_ROOT "/state" } };
    self->execs = execs_new (&context, &err);
    FUZZ_MUST (self->execs, "%s", err.text);
    for (int step = 0; step < STEPS_MAX && fuzz_more (&self->input); step++) {
        s_step (self);
        s_turn (self);
        arena_clear (arena);
    }
    s_wind_up (self);
    execs_destroy (&self->execs);
    machine_end ();
    return 0;
}
