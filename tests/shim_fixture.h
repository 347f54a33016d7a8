//  shim_fixture.h - real places for tests: the spawner, a shim, init, with walls or without.

#ifndef BERTH_SHIM_FIXTURE_H_INCLUDED
#define BERTH_SHIM_FIXTURE_H_INCLUDED

#include "fixture.h"
#include "shim_link.h"
#include "spawner.h"
#include "spool.h"

enum { WAIT_MS = 20000 };               //  No test waits longer for anything

typedef struct {
    char *folder;                       //  Of everything
    char id [40];
    const char *place, *socket;
    spawner_t *spawner;
    shim_link_t *link;
    shim_open_t open;                   //  What `place_open` asks for; change it before
    shim_opened_t opened;
    arena_t *arena;
    struct { size_t count; shim_message_t items [64]; } ended;  //  Heard while waiting for more output
    berth_error_t err;
} place_t;

//  Starts a spawner and prepares what to open. walls: a bare bwrap around berth-init.
place_t *place_new (bool walls);
//  Opens the place and connects. Asserts.
void place_open (place_t *self);
//  The same without asserting: what spawner_open said, in self->err.
int place_try (place_t *self);
//  Closes the place if it is open, the spawner, and checks that no cgroup is left.
void place_destroy (place_t **self_p);

//  Sends; the message's op and exec id are set from the arguments.
void place_send (place_t *self, shim_message_t *message, shim_op_t op, const char *exec);
//  Waits for a message of that op about that exec (NULL: any). Asserts that it comes.
shim_message_t place_wait (place_t *self, shim_op_t op, const char *exec);

//  Waits until there is more output of an exec, or it has ended.
void place_progress (place_t *self, const char *exec);

//  Starts a shell script as a new exec with the options of *message (or NULL), whose id is
//  returned; waits for STARTED or ENDED.
const char *place_start (place_t *self, shim_message_t *message, const char *script);
//  The same with an argv.
const char *place_start_argv (place_t *self, shim_message_t *message, const char *const *argv);
shim_message_t place_end (place_t *self, const char *exec);         //  Waits for ENDED
//  What an exec wrote so far, as text.
const char *place_output (place_t *self, const char *exec, int stream);
//  Waits until an exec's output holds a text.
void place_await (place_t *self, const char *exec, const char *text);
const char *place_spool (place_t *self, const char *exec);          //  Its folder

//  Is there a process of that pid? Waits until there is none.
bool process_lives (int64_t pid);
void process_gone (int64_t pid);

#endif
