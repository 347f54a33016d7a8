//  init_protocol.h - what berth-shim and berth-init say to each other.
//
//  One SOCK_SEQPACKET pair, one struct per packet, the same binary release on both sides. The shim
//  believes nothing that init says beyond its own bookkeeping: once the place's code runs, init may
//  be somebody else.

#ifndef BERTH_INIT_PROTOCOL_H_INCLUDED
#define BERTH_INIT_PROTOCOL_H_INCLUDED

#include <stdint.h>

enum { INIT_VERSION = 1, INIT_SLOTS = 1024, INIT_BLOB_MAX = 4 * 1048576 };

//  Shim to init. A slot is the shim's name for a child; it is free again after FORGET.
enum {
    INIT_START = 1,         //  slot, flags, cols, rows; descriptors: blob, stdin, stdout, stderr; or blob
    INIT_SIGNAL,            //  slot, number; to the group, also when its leader has ended
    INIT_FORGET             //  slot
};

enum { INIT_TTY = 1 };      //  START: with a terminal; its master comes with STARTED

typedef struct {
    uint32_t op;
    uint32_t slot;
    uint32_t number;
    uint32_t flags;
    uint16_t cols, rows;
    uint32_t zero;
} init_request_t;

//  Init to shim.
enum {
    INIT_HELLO = 1,         //  value: INIT_VERSION; sent once, before anything else runs
    INIT_STARTED,           //  slot, value: its pid in the place; with a tty: the master comes along
    INIT_FAILED,            //  slot, value: errno, stage
    INIT_EXITED             //  slot, value: wait status
};

enum { INIT_AT_FORK = 1, INIT_AT_TTY, INIT_AT_CWD, INIT_AT_EXEC };

typedef struct {
    uint32_t op;
    uint32_t slot;
    int32_t value;
    uint32_t stage;
} init_report_t;

//  The blob of a START, in a memfd: this, then cwd, argv and env, each ended by NUL.
typedef struct {
    uint32_t argc, envc;
    uint32_t size;          //  Of the text behind
} init_blob_t;

#endif
