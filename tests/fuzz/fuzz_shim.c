//  fuzz_shim.c - a shim among peers and an init that say whatever they like.
//
//  burst: 7000
//  length: 2048
//
//  The input is a script: peers come, send bytes, frames and typical messages, stop reading, go; init
//  reports what fits and what does not, with descriptors or without; output comes, time passes, the
//  disk fills. The shim's own loop runs on a machine that is played. Whatever happened: each frame it
//  sends is a message of its protocol, a refusal has a sentence, an end is told the same each time and
//  is not invented, the place can be closed, and then no descriptor and no memory is left.

#include "fuzz.h"
#include "machine.h"

#include "codec.h"
#include "shim_state.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PEERS = 4, EXECS = 6, ENDS = 24, STEPS_MAX = 120, TURNS_MAX = 20000, OUTPUT_MAX = 150000,
       FRAME_ROOM = 8192 };

typedef struct {
    size_t object;                      //  0: not there
    uint8_t frame [FRAME_ROOM];         //  What the shim sent, until a frame is whole
    size_t size;
} wire_peer_t;

typedef struct {
    bool used, waited;
    bool late;                          //  It wrote behind its end, which was not on disk yet
    size_t in, out [2];                 //  Objects: what the child holds
} played_child_t;

typedef struct {
    char id [40];
    uint8_t frame [1024];
    size_t size;
} told_end_t;

typedef struct {
    fuzz_input_t input;
    shim_t *shim;
    arena_t *arena;
    wire_peer_t peers [PEERS];
    size_t waiting;                     //  Object of the connection that is to be accepted
    played_child_t children [INIT_SLOTS];
    unsigned slots;                     //  No child at or above it
    told_end_t ends [ENDS];
    size_t ends_count;
    uint8_t packet [64];                //  Init's next
    ssize_t packet_size;                //  -1: none
    size_t packet_fds;
    bool packet_terminal;
    size_t init, listener;              //  Objects
    size_t steps, turns, output;
    bool closing;
} scene_t;

static scene_t s_scene;

//  ---- what the shim says

static void
s_heard (const shim_message_t *message, berth_bytes_t frame)
{
    scene_t *self = &s_scene;
    FUZZ_MUST (message->op >= shim_op_HELLO && message->op < shim_op_COUNT, "op %d", message->op);
    FUZZ_MUST (message->op != shim_op_REFUSED || (message->error && *message->error),
               "a refusal without a sentence");
    FUZZ_MUST (message->op == shim_op_HELLO || message->op == shim_op_CLOSED
               || message->op == shim_op_REFUSED || message->exec, "op %d names no exec", message->op);
    if (message->op != shim_op_ENDED)
        return;
    FUZZ_MUST (message->cause, "an end without a cause");
    FUZZ_MUST ((message->cause == exec_cause_EXITED) == berth_has (shim_message, message, exit_code),
               "cause %d", message->cause);
    FUZZ_MUST (message->cause != exec_cause_START_FAILED || (message->error && *message->error),
               "a start that failed without a sentence");
    const child_t *child = shim_child_find (self->shim, message->exec);
    bool ran = message->cause != exec_cause_START_FAILED && child && !self->children [child->slot].late;
    for (int index = 0; ran && !message->truncated && index < 2; index++) {
        const object_t *pipe = machine_object_of (child->out [index].watch.fd);
        FUZZ_MUST (!pipe || !pipe->ready, "exec %s ends (%s) before %zu bytes that it wrote",
                   message->exec, berth_enum_text (&exec_cause_enum, message->cause), pipe->ready);
    }
    for (size_t index = 0; index < self->ends_count; index++)
        if (strcmp (self->ends [index].id, message->exec) == 0) {
            const told_end_t *end = &self->ends [index];
            FUZZ_MUST (end->size == frame.size && memcmp (end->frame, frame.data, end->size) == 0,
                       "exec %s ends in two ways", message->exec);
            return;
        }
    if (self->ends_count == ENDS || frame.size > sizeof self->ends [0].frame)
        return;
    told_end_t *end = &self->ends [self->ends_count++];
    snprintf (end->id, sizeof end->id, "%s", message->exec);
    memcpy (end->frame, frame.data, frame.size);
    end->size = frame.size;
}

static void
s_sent (size_t object, const uint8_t *data, size_t size)
{
    scene_t *self = &s_scene;
    wire_peer_t *peer = NULL;
    for (size_t index = 0; index < PEERS; index++)
        if (self->peers [index].object == object)
            peer = &self->peers [index];
    FUZZ_MUST (peer, "object %zu is no peer's", object);
    while (size) {
        size_t part = size < FRAME_ROOM - peer->size ? size : FRAME_ROOM - peer->size;
        memcpy (peer->frame + peer->size, data, part);
        peer->size += part;
        data += part;
        size -= part;
        uint32_t length;
        while (peer->size >= 4) {
            memcpy (&length, peer->frame, 4);
            FUZZ_MUST (length && length <= FRAME_ROOM - 4, "a frame of %u bytes", length);
            if (peer->size < 4 + length)
                break;
            shim_message_t message;
            berth_error_t err = { 0 };
            berth_bytes_t frame = { peer->frame + 4, length };
            arena_clear (self->arena);
            FUZZ_MUST (berth_unpack (&shim_message_schema, frame, self->arena, &message, &err) == 0,
                       "%s", err.text);
            s_heard (&message, frame);
            peer->size -= 4 + length;
            memmove (peer->frame, peer->frame + 4 + length, peer->size);
        }
    }
}

//  ---- init

static void
s_end_pipe (size_t *object)
{
    if (!*object)
        return;
    object_t *at = machine_object (*object);
    at->ended = true;
    if (!at->open)
        at->kind = OBJECT_FREE;         //  Else its last descriptor does that
    *object = 0;
}

static void
s_end_child (played_child_t *child)
{
    s_end_pipe (&child->in);
    s_end_pipe (&child->out [0]);
    s_end_pipe (&child->out [1]);
    child->used = false;
}

static size_t
s_object_of (int fd)
{
    const fd_t *at = machine_fd (fd);
    FUZZ_MUST (at, "descriptor %d was handed over, which is not open", fd);
    return at->kind == FD_OTHER && machine_object (at->of)->kind == OBJECT_PIPE ? at->of : 0;
}

//  What the shim tells init.
static bool
s_told (const void *packet, size_t size, const int *fds, size_t count)
{
    scene_t *self = &s_scene;
    init_request_t request;
    FUZZ_MUST (size == sizeof request, "a request of %zu bytes", size);
    memcpy (&request, packet, size);
    FUZZ_MUST (request.slot < INIT_SLOTS && request.op >= INIT_START && request.op <= INIT_FORGET,
               "op %u, slot %u", request.op, request.slot);
    played_child_t *child = &self->children [request.slot];
    if (request.op == INIT_FORGET)
        s_end_child (child);
    if (request.op != INIT_START)
        return true;
    bool terminal = request.flags & INIT_TTY;
    FUZZ_MUST (count == (terminal ? 1 : 4), "%zu descriptors", count);
    FUZZ_MUST (!child->used, "slot %u is used twice", request.slot);
    *child = (played_child_t) { .used = true };
    if (request.slot >= self->slots)
        self->slots = request.slot + 1;
    if (terminal)
        return true;
    child->in = s_object_of (fds [1]);
    if (child->in)
        machine_object (child->in)->held = true;
    for (int index = 0; index < 2; index++) {
        child->out [index] = s_object_of (fds [2 + index]);
        machine_object (child->out [index])->readable_end = true;
        machine_object (child->out [index])->held = true;
    }
    return true;
}

static ssize_t
s_packet (void *packet, size_t size, int *fds, size_t *count)
{
    scene_t *self = &s_scene;
    object_t *init = machine_object (self->init);
    if (self->packet_size < 0)
        return init->ended ? 0 : -1;
    size_t part = (size_t) self->packet_size < size ? (size_t) self->packet_size : size;
    memcpy (packet, self->packet, part);
    for (*count = 0; *count < self->packet_fds; (*count)++) {
        size_t object = machine_object_new (self->packet_terminal ? OBJECT_TERMINAL : OBJECT_PIPE);
        fds [*count] = machine_descriptor (object);
        if (fds [*count] < 0)
            break;
        machine_object (object)->readable_end = true;
        machine_object (object)->ready = 10;
        machine_object (object)->ended = true;
    }
    self->packet_size = -1;
    init->ready = 0;
    return (ssize_t) part;
}

//  ---- peers

static int
s_accepted (void)
{
    size_t object = s_scene.waiting;
    s_scene.waiting = 0;
    for (size_t index = 0; index < PEERS; index++)
        if (!s_scene.peers [index].object) {
            s_scene.peers [index].object = object;
            s_scene.peers [index].size = 0;
            break;
        }
    return (int) object;
}

static void
s_connect (scene_t *self)
{
    size_t known = 0;
    for (size_t index = 0; index < PEERS; index++)
        known += self->peers [index].object != 0;
    if (self->waiting || known == PEERS)
        return;
    self->waiting = machine_object_new (OBJECT_STREAM);
    if (!self->waiting)
        return;
    machine_object (self->waiting)->held = true;
    machine_object (self->listener)->ready = 1;
}

static void
s_leave (scene_t *self, size_t index)
{
    s_end_pipe (&self->peers [index].object);
}

static void
s_say (scene_t *self, size_t peer, const void *data, size_t size)
{
    if (!self->peers [peer].object)
        return;
    object_t *object = machine_object (self->peers [peer].object);
    if (size > STREAM_ROOM - object->ready || !size)
        return;
    memcpy (object->data + object->ready, data, size);
    object->ready += size;
}

static void
s_say_message (scene_t *self, size_t peer, const shim_message_t *message)
{
    berth_bytes_t frame = berth_pack (&shim_message_schema, message, self->arena);
    uint32_t length = (uint32_t) frame.size;
    s_say (self, peer, &length, sizeof length);
    s_say (self, peer, frame.data, frame.size);
}

static berth_bytes_t
s_bytes (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

static const char *
s_exec (scene_t *self, unsigned number)
{
    return arena_printf (self->arena, "0190a1b2-c3d4-7e5f-8a9b-00000000000%u", number % EXECS);
}

//  A message as berthd sends it, its numbers from the input.
static void
s_typical (scene_t *self, size_t peer)
{
    static const uint64_t times [] = { 0, 1, 10, 1000, 60000, 1ull << 40, INT64_MAX, UINT64_MAX };
    fuzz_input_t *input = &self->input;
    shim_message_t message = { 0 };
    arena_clear (self->arena);
    shim_op_t op = (shim_op_t) (fuzz_number (input, 1) % 9 + shim_op_START);
    uint8_t flags = (uint8_t) fuzz_number (input, 1);
    berth_put (shim_message, &message, op, op);
    if (op != shim_op_CLOSE && op != shim_op_STATE && op != shim_op_FENCE)
        berth_put (shim_message, &message, exec, s_exec (self, flags & 7));
    if (flags & 8)
        berth_put (shim_message, &message, grace_ms, times [fuzz_number (input, 1) % 8]);
    if (flags & 16)
        berth_put (shim_message, &message, generation, fuzz_number (input, 1));
    if (flags & 32)
        berth_put (shim_message, &message, timeout_ms, times [fuzz_number (input, 1) % 8]);
    if (op == shim_op_START) {
        berth_bytes_t *argv = arena_array (self->arena, 2, berth_bytes_t);
        argv [0] = s_bytes ("make");
        argv [1] = fuzz_bytes (input, fuzz_number (input, 1) & 7);
        berth_blobs_t list = { 2, argv };
        berth_put (shim_message, &message, argv, list);
        berth_put (shim_message, &message, env, list);
        message.env.count = 0;
        berth_put (shim_message, &message, spool,
                   s_bytes (arena_printf (self->arena, MACHINE_ROOT "/spools/%u", (flags & 7) % EXECS)));
        if (flags & 64)
            berth_put (shim_message, &message, tty, true);
        if (flags & 128)
            berth_put (shim_message, &message, stdin_open, true);
        uint8_t more = (uint8_t) fuzz_number (input, 1);
        if (more & 3)
            berth_put (shim_message, &message, on_full, (exec_on_full_t) (more & 3));
        berth_put (shim_message, &message, spool_max, (more >> 2) * 100u);
    }
    if (op == shim_op_WRITE || op == shim_op_RELEASE)
        berth_put (shim_message, &message, offset, fuzz_number (input, 2));
    if (op == shim_op_WRITE) {
        static const uint8_t zeros [16384];
        berth_bytes_t data = { zeros, fuzz_number (input, 2) % sizeof zeros };
        berth_put (shim_message, &message, data, data);
        berth_put (shim_message, &message, eof, (flags & 64) != 0);
    }
    if (op == shim_op_SIGNAL)
        berth_put (shim_message, &message, signal, fuzz_number (input, 1) % 65);
    if (op == shim_op_END)
        berth_put (shim_message, &message, cause, (exec_cause_t) (fuzz_number (input, 1) % (exec_cause_COUNT - 1) + 1));
    s_say_message (self, peer, &message);
}

//  ---- the script

static void
s_report (scene_t *self)
{
    fuzz_input_t *input = &self->input;
    init_report_t report = { .op = (uint32_t) fuzz_number (input, 1) % 6,
                             .slot = (uint32_t) fuzz_number (input, 1) };
    report.slot = report.slot == 255 ? (uint32_t) fuzz_number (input, 4) : report.slot;
    report.value = (int32_t) fuzz_number (input, 2);
    report.stage = (uint32_t) fuzz_number (input, 1);
    uint8_t fds = (uint8_t) fuzz_number (input, 1);
    self->packet_fds = fds % 12 > 8 ? fds % 12 : fds % 2;
    self->packet_terminal = fds & 64;
    memcpy (self->packet, &report, sizeof report);
    self->packet_size = sizeof report;
    machine_object (self->init)->ready = 1;
}

static void
s_raw_report (scene_t *self)
{
    berth_bytes_t bytes = fuzz_bytes (&self->input, fuzz_number (&self->input, 1) % sizeof self->packet);
    if (bytes.size)
        memcpy (self->packet, bytes.data, bytes.size);
    self->packet_size = (ssize_t) bytes.size;
    self->packet_fds = 0;
    machine_object (self->init)->ready = 1;
}

static void
s_output (scene_t *self, bool end)
{
    uint8_t which = (uint8_t) fuzz_number (&self->input, 1);
    size_t size = end ? 0 : fuzz_number (&self->input, 2);
    if (!self->slots)
        return;
    played_child_t *child = &self->children [(which >> 2) % self->slots];
    size_t *object = which & 2 ? &child->in : &child->out [which & 1];
    if (!*object)
        return;
    if (end)
        s_end_pipe (object);
    else if (which & 2)
        machine_object (*object)->room += size;         //  The child has read
    else if (self->output + size < OUTPUT_MAX) {        //  A played file does not take more
        const child_t *known = self->shim->slots [(which >> 2) % self->slots];
        machine_object (*object)->ready += size;
        child->late |= known && known->state == CHILD_OVER;
        self->output += size;
    }
}

static void
s_step (scene_t *self)
{
    static const int times [] = { 1, 6, 300, 2100, 10001, 31000, 60000, 3600000 };
    fuzz_input_t *input = &self->input;
    uint8_t op = (uint8_t) fuzz_number (input, 1);
    size_t peer = op / 16 % PEERS;
    switch (op % 16) {
        case 0: s_connect (self); break;
        case 1: {
            berth_bytes_t bytes = fuzz_bytes (input, fuzz_number (input, 2));
            s_say (self, peer, bytes.data, bytes.size);
            break;
        }
        case 2: {
            berth_bytes_t bytes = fuzz_bytes (input, fuzz_number (input, 2));
            uint32_t length = (uint32_t) bytes.size;
            s_say (self, peer, &length, sizeof length);
            s_say (self, peer, bytes.data, bytes.size);
            break;
        }
        case 3: case 4: case 5: s_typical (self, peer); break;
        case 6: s_leave (self, peer); break;
        case 7:
            if (self->peers [peer].object)
                machine_object (self->peers [peer].object)->room = fuzz_number (input, 1);
            break;
        case 8: case 9: s_report (self); break;
        case 10: s_raw_report (self); break;
        case 11: s_output (self, false); break;
        case 12: s_output (self, true); break;
        case 13: machine_now_ms += times [fuzz_number (input, 1) % 8]; break;
        case 14: machine_room = fuzz_number (input, 1) ? SIZE_MAX : fuzz_number (input, 2); break;
        default:
            switch (fuzz_number (input, 1) % 8) {
                case 0: machine_object (self->init)->ended = true; break;
                case 1: machine_object (self->init)->room = 0; break;
                default: machine_object (self->init)->room = 4096;
            }
    }
}

//  The script is over: all that the others hold they let go, then the place is closed.
static void
s_wind_up (scene_t *self)
{
    for (unsigned slot = 0; slot < self->slots; slot++)
        s_end_child (&self->children [slot]);
    machine_room = SIZE_MAX;
    if (self->turns > STEPS_MAX + 2000 && !self->closing) {
        self->closing = true;
        shim_close (self->shim, exec_cause_LEASE_LOST, 0);
    }
}

//  epoll_wait: the next step, then whoever is ready.
static int
s_wait (int timeout_ms)
{
    scene_t *self = &s_scene;
    int fds [FDS];
    uint32_t events [FDS];
    FUZZ_MUST (self->turns++ < TURNS_MAX, "the shim does not come to an end");
    bool over = !fuzz_more (&self->input) || self->steps >= STEPS_MAX;
    if (!over) {
        self->steps++;
        s_step (self);
    }
    else
        s_wind_up (self);
    size_t count = machine_ready (fds, events, FDS);
    if (count)
        return fds [self->turns % count];
    if (over && !self->closing)
        self->turns = STEPS_MAX + 2001;         //  Nothing is left to be read
    if (timeout_ms > 0 && over)
        machine_now_ms += timeout_ms;
    return 0;
}

//  Streams that only survivors held are read until the process ends: that would be now.
static void
s_end_sinks (shim_t *shim)
{
    int fds [FDS];
    uint32_t events [FDS];
    for (size_t index = 1; index < OBJECTS; index++) {
        machine_object (index)->ended = true;
        machine_object (index)->ready = 0;
    }
    for (size_t count = machine_ready (fds, events, FDS); count--;) {
        watch_t *watch = machine_fd (fds [count])->watch;
        watch->ready (shim, watch, events [count]);
    }
    FUZZ_MUST (shim->sinks_count == 0, "%zu streams stayed", shim->sinks_count);
}

static int
s_log_pipe (shim_t *shim, watch_t *watch, void (*ready) (shim_t *, watch_t *, uint32_t), object_kind_t kind,
            size_t *ret_object)
{
    *ret_object = machine_object_new (kind);
    machine_object (*ret_object)->readable_end = machine_object (*ret_object)->held = true;
    *watch = (watch_t) { .fd = machine_descriptor (*ret_object), .ready = ready };
    watch_set (shim, watch, EPOLLIN);
    return watch->fd;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static shim_t shim;
    static arena_t *arena;
    static const berth_bytes_t defaults [] = { { (const uint8_t *) "PATH=/bin", 9 } };
    scene_t *self = &s_scene;
    if (!arena)
        arena = arena_new ();
    arena_clear (arena);
    for (unsigned slot = 0; slot < self->slots; slot++)
        self->children [slot] = (played_child_t) { 0 };
    self->input = (fuzz_input_t) { data, data + size };
    self->shim = &shim;
    self->arena = arena;
    self->slots = 0;
    self->ends_count = self->steps = self->turns = self->output = self->waiting = 0;
    self->packet_size = -1;
    self->closing = false;
    memset (self->peers, 0, sizeof self->peers);
    memset (&shim, 0, sizeof shim);

    machine_begin ();
    machine_events_begin ();
    machine_play = (machine_play_t) { s_wait, s_sent, s_told, s_packet, s_accepted, NULL };
    machine_folder (MACHINE_ROOT "/place");
    machine_folder (MACHINE_ROOT "/spools");
    shim.keep = arena_new ();
    shim.scratch = arena_new ();
    shim.poll = 0;
    shim.launcher = shim.init_pidfd = -1;
    shim.walls = 77;
    shim.walls_watch.fd = -1;
    shim.generation = 7;
    shim.open = (shim_open_t) {
        .v = SHIM_VERSION, .place = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", .generation = 7,
        .folder = s_bytes (MACHINE_ROOT "/place"), .spools = s_bytes (MACHINE_ROOT "/spools"),
        .socket = s_bytes (MACHINE_ROOT "/socket"), .cwd = s_bytes ("/w"),
        .exec_env = { 1, defaults }, .pid_namespace = true,
    };
    shim.opened.ends_by = "cgroup2";
    size_t log_pipe, call;
    shim.log = open (MACHINE_ROOT "/place/shim.log", O_WRONLY | O_CREAT | O_APPEND);
    s_log_pipe (&shim, &shim.log_pipe, shim_log_ready, OBJECT_PIPE, &log_pipe);
    s_log_pipe (&shim, &shim.call, shim_call_ready, OBJECT_PIPE, &call);
    s_log_pipe (&shim, &shim.init, shim_init_ready, OBJECT_PACKETS, &self->init);
    s_log_pipe (&shim, &shim.listener, shim_listener_ready, OBJECT_LISTENER, &self->listener);
    shim_spare_make (&shim, shim.open.folder);

    shim_run (&shim);

    FUZZ_MUST (!shim.children && !shim.peers, "something stayed of the place");
    FUZZ_MUST (shim.init.fd < 0 && shim.listener.fd < 0 && !shim.spare, "the place is still open");
    watch_close (&shim, &shim.log_pipe);
    watch_close (&shim, &shim.call);
    (void) close (shim.log);
    s_end_sinks (&shim);
    arena_destroy (&shim.scratch);
    arena_destroy (&shim.keep);
    for (size_t index = 0; index < SHIM_ENDED_MAX; index++)
        free (shim.ended [index].folder);
    machine_end ();
    return 0;
}
