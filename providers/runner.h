//  runner.h - one program of the host, started through the spawner: run, waited for, its words kept.
//
//  For what a provider must ask a program of this host (git). Its environment is only what it is
//  given, its descriptors are /dev/null or a file, and our pipes; it is ended with all that it
//  started in its process group when the deadline passes or berthd is gone.

#ifndef BERTH_RUNNER_H_INCLUDED
#define BERTH_RUNNER_H_INCLUDED

#include "spawner.h"

//  What is asked, as it crosses to the spawner's child.
#define RUNNER_ASK(F, T) \
    F (T, BLOBS, args,     "args",      REQUIRED | POSITIVE, 1000, "Program and arguments.") \
    F (T, BLOBS, env,      "env",       OPTIONAL, 100, "NAME=VALUE; nothing else is there.") \
    F (T, BYTES, cwd,       "cwd",       OPTIONAL, 4096, "Its folder (/).") \
    F (T, BYTES, input,     "input",     OPTIONAL, 4096, "A file for its stdin (/dev/null).") \
    F (T, U64,   uid,       "uid",       OPTIONAL, 0, "Who it is; with its gid, without other groups.") \
    F (T, U64,   gid,       "gid",       OPTIONAL, 0, "With uid.") \
    F (T, U64,   time_ms,   "timeMs",    REQUIRED, 0, "After that it is ended.")
BERTH_MESSAGE (runner_ask, RUNNER_ASK);

#define RUNNER_DONE(F, T) \
    F (T, I64,   status,    "status",    REQUIRED, 0, "Its exit status; 128 and the signal; 127: it can't be executed.") \
    F (T, BOOL,  timed_out, "timedOut",  OPTIONAL, 0, "It was ended.") \
    F (T, BYTES, out,       "stdout",    OPTIONAL, 262144, "What it wrote; what is more is dropped.") \
    F (T, BYTES, err,       "stderr",    OPTIONAL, 8192, "The same.")
BERTH_MESSAGE (runner_done, RUNNER_DONE);

//  Runs it; *ret_done lives in arena. Any thread. A status other than 0 is an answer, no failure.
//  Errors: provider_timeout, provider_unavailable (the spawner is gone).
int runner_run (spawner_t *spawner, const runner_ask_t *ask, int64_t deadline_mono_ms,
                arena_t *arena, runner_done_t *ret_done, berth_error_t *err);

//  In a child of the spawner: serves the one call on this socket, and ends the process.
void runner_serve (int call) __attribute__ ((noreturn));

#endif
