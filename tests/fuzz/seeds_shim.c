//  seeds_shim.c - talks between berthd, a shim and its init, as fuzz_shim.c and fuzz_link.c read them.

#include "fuzz.h"
#include "seeds.h"

#include "codec.h"
#include "init_protocol.h"
#include "shim.h"

#include <stdio.h>
#include <string.h>

//  Steps of fuzz_shim.c; a peer's number stands above the low four bits.
enum { CONNECT, BYTES, FRAME, TYPICAL, LEAVE = 6, ROOM, REPORT, RAW_REPORT = 10, OUTPUT, OUTPUT_END, TIME,
       DISK, INIT };

//  A START of exec `exec`; `flags` as s_typical reads them, `more` its policy.
static void
s_start (seed_t *seed, unsigned exec, unsigned flags, unsigned more)
{
    seed_number (seed, TYPICAL, 1);
    seed_number (seed, shim_op_START - 1, 1);
    seed_number (seed, exec | flags, 1);
    if (flags & 8)
        seed_number (seed, 3, 1);
    if (flags & 32)
        seed_number (seed, 3, 1);
    seed_number (seed, 3, 1);
    seed_add (seed, "all", 3);
    seed_number (seed, more, 1);
}

static void
s_ask (seed_t *seed, shim_op_t op, unsigned flags)
{
    seed_number (seed, TYPICAL, 1);
    seed_number (seed, (unsigned) op - 1, 1);
    seed_number (seed, flags, 1);
    if (flags & 8)
        seed_number (seed, 2, 1);
    if (flags & 16)
        seed_number (seed, 9, 1);
}

static void
s_report (seed_t *seed, unsigned op, unsigned slot, unsigned value, unsigned fds)
{
    seed_number (seed, REPORT, 1);
    seed_number (seed, op, 1);
    seed_number (seed, slot, 1);
    seed_number (seed, value, 2);
    seed_number (seed, INIT_AT_EXEC, 1);
    seed_number (seed, fds, 1);
}

static void
s_step (seed_t *seed, unsigned op, unsigned which, uint64_t number, size_t size)
{
    seed_number (seed, op, 1);
    seed_number (seed, which, 1);
    seed_number (seed, number, size);
}

//  One exec from start to end, in as many ways as there are bits.
static void
s_talk (unsigned kind)
{
    seed_t seed = { 0 };
    char name [40];
    bool terminal = kind & 1;
    seed_number (&seed, CONNECT, 1);
    if (kind & 2)
        seed_number (&seed, CONNECT, 1);
    s_start (&seed, kind % 5, (terminal ? 64 : 128) | (kind & 4 ? 32 : 0), kind & 3);
    s_report (&seed, kind & 16 ? INIT_FAILED : INIT_STARTED, 0, 2, terminal ? 65 : 0);
    s_step (&seed, OUTPUT, 0, 5000, 2);
    s_step (&seed, OUTPUT, 1, 70, 2);
    s_ask (&seed, shim_op_WRITE, kind % 5);
    seed_number (&seed, 0, 2);
    seed_number (&seed, 9000, 2);
    s_step (&seed, TIME, 1, 0, 0);
    s_ask (&seed, shim_op_RESIZE, kind % 5);
    s_ask (&seed, shim_op_SIGNAL, kind % 5);
    seed_number (&seed, 15, 1);
    if (kind & 4)
        s_step (&seed, TIME, 4, 0, 0);
    if (kind & 8) {
        s_ask (&seed, shim_op_END, (kind % 5) | 8);
        seed_number (&seed, 3, 1);
    }
    s_ask (&seed, shim_op_RELEASE, kind % 5);
    seed_number (&seed, 5000, 2);
    s_report (&seed, INIT_EXITED, 0, kind & 8 ? 15 : 0x300, 0);
    if (kind & 2)
        s_step (&seed, OUTPUT_END, 0, 0, 0);
    s_step (&seed, OUTPUT_END, 1, 0, 0);
    s_step (&seed, TIME, 3, 0, 0);
    s_ask (&seed, shim_op_STATE, 0);
    s_ask (&seed, kind & 4 ? shim_op_CLOSE : shim_op_FENCE, 16);
    s_start (&seed, kind % 5, 0, 0);
    seed_number (&seed, LEAVE, 1);
    snprintf (name, sizeof name, "talk-%u", kind);
    seed_write ("shim", name, seed.data, seed.size);
}

//  What a shim tells: for the other side.
static void
s_told (unsigned piece)
{
    seed_t seed = { 0 };
    own (arena) arena = arena_new ();
    static const char id [] = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
    char name [40];
    seed_number (&seed, piece, 1);
    for (shim_op_t op = shim_op_HELLO; op < shim_op_COUNT; op++) {
        shim_message_t message = { 0 };
        berth_put (shim_message, &message, op, op);
        berth_put (shim_message, &message, exec, id);
        if (op == shim_op_HELLO) {
            berth_put (shim_message, &message, v, SHIM_VERSION);
            berth_put (shim_message, &message, place, id);
            berth_put (shim_message, &message, generation, 7);
        }
        if (op == shim_op_OUTPUT || op == shim_op_ENDED) {
            berth_put (shim_message, &message, stdout_bytes, 70000);
            berth_put (shim_message, &message, stderr_bytes, 0);
            berth_put (shim_message, &message, truncated, false);
        }
        if (op == shim_op_ENDED) {
            berth_put (shim_message, &message, cause, exec_cause_EXITED);
            berth_put (shim_message, &message, exit_code, 3);
            berth_put (shim_message, &message, ended_at, 1778491800123);
        }
        if (op == shim_op_REFUSED)
            berth_put (shim_message, &message, error, "not_found: there is no such exec running");
        berth_bytes_t frame = berth_pack (&shim_message_schema, &message, arena);
        seed_number (&seed, frame.size, 4);
        seed_add (&seed, frame.data, frame.size);
    }
    if (piece == 3)
        seed_number (&seed, 0xffffff, 4);       //  A frame that is too large
    snprintf (name, sizeof name, "told-%u", piece);
    seed_write ("link", name, seed.data, seed.size - (piece == 5 ? 9 : 0));
}

//  What a shim leaves behind: of a boot before, of a shim that is gone, of one that lives.
static void
s_record (unsigned kind)
{
    seed_t seed = { 0 };
    own (arena) arena = arena_new ();
    char name [40];
    shim_record_t record = {
        .v = SHIM_VERSION, .place = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", .generation = 7,
        .boot = kind ? "played" : "another", .pid = 44, .start = kind == 2 ? 44 : 9,
        .walls_pid = 45, .walls_start = 45, .ends_by = "cgroup2", .cgroup = "berth-x/1",
        .v2 = "/sys/fs/cgroup/berth-x/1", .memory = "", .pids = "",
        .socket = { (const uint8_t *) "/m/socket", 9 },
    };
    berth_bytes_t frame = berth_pack (&shim_record_schema, &record, arena);
    seed_number (&seed, kind, 1);
    seed_add (&seed, frame.data, frame.size);
    snprintf (name, sizeof name, "record-%u", kind);
    seed_write ("link", name, seed.data, seed.size);
}

//  ---- berthd's side: execs and what is said of them, as fuzz_execs.c reads it

static void
s_says (seed_t *seed, unsigned exec, shim_op_t op, unsigned flags)
{
    seed_number (seed, 4, 1);
    seed_number (seed, (unsigned) (op - shim_op_HELLO) + exec * 7 * 8 % 256, 1);
    seed_number (seed, flags, 1);
    static const uint8_t ones [16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    size_t more = 0;
    for (unsigned bit = 1; bit < 256; bit <<= 1)
        more += (flags & bit) && bit != 2 ? bit == 128 ? 3 : (flags & 2) && (bit == 1 || bit == 16) ? 8 : 1 : 0;
    seed_add (seed, ones, more < sizeof ones ? more : sizeof ones);
}

static void
s_asks (seed_t *seed, unsigned which, unsigned flags, const char *bytes)
{
    seed_number (seed, 8, 1);
    seed_number (seed, flags, 1);
    if (flags & 8)
        seed_number (seed, 0, 1);
    seed_number (seed, 14, 1);
    if (flags & 16)
        seed_number (seed, 0, 1);
    seed_number (seed, 0, 1);
    seed_number (seed, which, 1);
    if (which >= 6 && (flags & 64))
        seed_number (seed, 300, 2);
    if (bytes) {
        seed_number (seed, strlen (bytes), 1);
        seed_add (seed, bytes, strlen (bytes));
    }
}

//  One exec from start to end, in as many ways as there are bits.
static void
s_exec (unsigned kind)
{
    seed_t seed = { 0 };
    char name [40];
    if (kind & 1) {                                 //  Its shim is away at first
        seed_number (&seed, 11 | 32, 1);
        s_step (&seed, 12, 0, 0, 0);
    }
    seed_number (&seed, 0, 1);
    seed_number (&seed, (kind & 2 ? 16 : 0) | (kind & 4 ? 64 : 0) | (kind & 8 ? 32 : 0), 1);
    if (kind & 8) {
        seed_number (&seed, 15 | 128 | (kind & 16 ? 64 : 0), 1);
        seed_number (&seed, 0, 1);
    }
    seed_number (&seed, 11, 1);
    s_step (&seed, 12, 2, 0, 0);
    s_asks (&seed, 2, 0, "input");
    s_says (&seed, 0, shim_op_STARTED, 128);
    s_says (&seed, 0, shim_op_ACCEPTED, 64);
    s_asks (&seed, 6, 8 | 64, NULL);
    s_step (&seed, 13, 8, 200, 1);
    s_says (&seed, 0, shim_op_OUTPUT, 1 | 4);
    s_asks (&seed, 4, 0, NULL);
    if (kind & 16) {
        seed_number (&seed, 10, 1);                 //  The shim goes, and comes again
        s_step (&seed, 12, 2, 0, 0);
        s_says (&seed, 0, shim_op_HELLO, 0);
    }
    s_asks (&seed, 1, 32, NULL);
    s_says (&seed, 0, shim_op_REFUSED, 128);
    s_says (&seed, 0, shim_op_ENDED, kind & 4 ? 1 | 8 | 32 : 1 | 8 | 16);
    s_asks (&seed, 6, 0, NULL);
    snprintf (name, sizeof name, "exec-%u", kind);
    seed_write ("execs", name, seed.data, seed.size);
}

void
seeds_shim (void)
{
    for (unsigned kind = 0; kind < 32; kind++)
        s_exec (kind);
    for (unsigned kind = 0; kind < 32; kind++)
        s_talk (kind);
    for (unsigned piece = 0; piece < 8; piece++)
        s_told (piece);
    for (unsigned kind = 0; kind < 3; kind++)
        s_record (kind);
}
