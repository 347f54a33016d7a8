//  played_execs.h - what the actor of execs calls, played in memory: its kit, its rows, its chunks. What
//  is written of a row is held against what a row must be.

#ifndef BERTH_PLAYED_EXECS_H_INCLUDED
#define BERTH_PLAYED_EXECS_H_INCLUDED

#include "exec_parts.h"

enum { PLAYED_EXECS = 6 };

struct actor {
    waiters_t *waiters;
};

typedef struct {
    bool used, place;                   //  Its place is asked for
    unsigned ends;                      //  Entries of the log
    uint8_t row [4096];                 //  Packed
    size_t size;
} played_row_t;

typedef struct {
    actor_spec_t spec;                  //  As the actor gave it
    actor_t actor;
    played_row_t rows [PLAYED_EXECS];
    unsigned ids;
    unsigned chunks;                    //  On their way
    bool woken;                         //  By chunks_wake
} played_t;

extern played_t played;
extern char played_execs [PLAYED_EXECS] [40];   //  Their ids

//  The number of an exec, or -1.
int played_exec (const char *id);

void played_id (char text [37]);        //  make_id of requests
//  A START of an exec, packed.
berth_bytes_t played_start (const char *id, arena_t *arena);

#endif
