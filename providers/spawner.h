//  spawner.h - the one process that starts children, because nothing with threads may.
//
//  `spawner_start` forks it before the first thread exists: single-threaded, no bus, no store, ends
//  when berthd's end of its socket closes. It starts shims, keeps a few parked (already in cgroups
//  of their own, because attaching to a v1 cgroup can take 10 ms), and reaps them. A shim that
//  holds a place outlives it, and berthd.
//
//  Calls come from any thread: each has its own socket pair, sent along as a descriptor, so that
//  answers never mix and nobody locks.

#ifndef BERTH_SPAWNER_H_INCLUDED
#define BERTH_SPAWNER_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "shim.h"

typedef struct spawner spawner_t;

typedef struct {
    const char *shim_path;          //  berth-shim; NULL: beside the running program, else in PATH
    const char *install_id;         //  Names the cgroups: berth-<last 8>/<random> (the first
                                    //  characters are time: installs of one minute share them)
    size_t parked;                  //  Shims to keep ready once one was asked for (2)
} spawner_options_t;

//  Forks the spawner. Call before any thread exists. Errors: internal, not_found (no shim).
int spawner_start (const spawner_options_t *options, spawner_t **ret_self, berth_error_t *err);

//  Closes the socket (parked shims end, others go on) and waits for the spawner, at most a second.
void spawner_destroy (spawner_t **self_p);

//  Opens a place: hands `open` to a shim and waits for its answer until the deadline (monotonic,
//  ms; see berth_mono_ms). *ret_opened lives in arena. Any thread. If the deadline passes, the
//  shim is told to give up (its call socket closes) and closes what it had opened.
//  Errors: provider_error (with the shim's sentence and remedy), provider_timeout,
//  provider_unavailable (the spawner is gone).
int spawner_open (spawner_t *self, const shim_open_t *open, int64_t deadline_mono_ms,
                  arena_t *arena, shim_opened_t *ret_opened, berth_error_t *err);

//  Has a shim execute in advance what opens a place, a packed shim_dress; it waits for the rest of
//  the call, which is *ret_call: to be spent by spawner_open_on or spawner_hang_up. Any thread.
int spawner_dress (spawner_t *self, berth_bytes_t dress, int64_t deadline_mono_ms, int *ret_call,
                   berth_error_t *err);

//  Opens a place like spawner_open, by the shim of that call, which is spent whatever comes of it.
//  Errors: those of spawner_open; provider_error, too, if `open` is not what the shim was told.
int spawner_open_on (int *call_p, const shim_open_t *open, int64_t deadline_mono_ms, arena_t *arena,
                     shim_opened_t *ret_opened, berth_error_t *err);

//  Our end of a call of another kind, with what serves it: for runner.c. Errors: provider_timeout,
//  provider_unavailable.
enum { SPAWNER_CALL_RUN = 'R' };
int spawner_call (spawner_t *self, uint8_t byte, int64_t deadline_mono_ms, int *ret_call,
                  berth_error_t *err);

//  Tells the shim of a call to give up, and waits until it is gone, at most three seconds: what it
//  takes back can't be what comes next. Sets *call_p to -1; -1 is fine.
void spawner_hang_up (int *call_p);

//  Finds a program of ours (berth-shim, berth-init): beside the running one, in the folder above
//  (tests), where `cmake --install` puts it as seen from there, else in PATH. Any thread. Errors:
//  not_found.
int spawner_find_program (const char *name, char *path, size_t size, berth_error_t *err);

//  Pid of the spawner, for figures and tests.
int spawner_pid (const spawner_t *self);

#endif
