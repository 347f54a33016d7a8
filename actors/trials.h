//  trials.h - tests of environments that are under way, and what they found. For runs_test.c.

#ifndef BERTH_TRIALS_H_INCLUDED
#define BERTH_TRIALS_H_INCLUDED

#include "arena.h"
#include "exec.h"
#include "place.h"

enum {
    TRIALS_MAX = 64,
    TRIAL_CHECKS_MAX = 40           //  One for each command, and those of the table
};

typedef enum {
    TRIAL_FREE, TRIAL_LEASE, TRIAL_PLACE, TRIAL_COMMAND, TRIAL_RELEASE, TRIAL_DONE, TRIAL_PHASES
} trial_phase_t;

typedef struct {
    trial_phase_t phase;
    bool cancelled;                 //  Nobody waits for it any more
    char subject [64];              //  Of its steps, and what its clients wait for
    arena_t *arena;                 //  Lives until another takes its room
    int64_t give_up_ms;             //  Monotonic; of one that is done: when that was
    environment_test_t ask;
    const char *env, *env_name, *driver;
    const char *lease;              //  NULL until there is one
    uint64_t generation;
    berth_bytes_t target;
    size_t command;                 //  Which one is running
    size_t count;
    test_check_t checks [TRIAL_CHECKS_MAX];
    berth_bytes_t answer;           //  Packed environment_tested, once it is known
} trial_t;

//  What has ended stays until its room is needed, for whoever asks again with the same key.
typedef struct trials {
    trial_t items [TRIALS_MAX];
} trials_t;

trials_t *trials_new (void);
void trials_destroy (trials_t **self_p);

//  By subject; NULL if there is none.
trial_t *trials_find (trials_t *self, const char *subject);

//  Begins one in the room of what never was, or of what ended first. NULL: all are under way.
trial_t *trials_begin (trials_t *self, const char *subject, const environment_t *env,
                       const environment_test_t *ask);
bool trial_is_under_way (const trial_t *self);

//  ---- what was found; texts too long are cut

test_check_t check_of (test_level_t level, const char *code, const char *message,
                       const char *detail, const char *hint, arena_t *arena);
void trial_found (trial_t *self, test_level_t level, const char *code, const char *message,
                  const char *detail, const char *hint);

//  A step that failed: its sentence and code are the detail, its remedy or `hint` the hint.
void trial_found_failure (trial_t *self, const char *code, const char *message,
                          const step_done_t *done, const char *hint, arena_t *arena);

//  The end of the command that is running.
void trial_found_result (trial_t *self, const exec_result_t *result, uint64_t timeout_ms,
                         arena_t *arena);

//  That command's text, short enough for a sentence.
const char *trial_command (const trial_t *self, arena_t *arena);

//  The answer to `ask`: the worst check is its status. The checks are not copied.
environment_tested_t tested_of (const environment_test_t *ask, const test_check_t *checks,
                                size_t count, int64_t now_ms);

#endif
