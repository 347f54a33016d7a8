//  exec_env.h - what is executed: program, folder and environment of an exec, from what was asked
//  and what its lease says. Pure: everything made lives in the arena.

#ifndef BERTH_EXEC_ENV_H_INCLUDED
#define BERTH_EXEC_ENV_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "exec.h"
#include "lease.h"

//  Program and arguments: command and args, or the place's shell for a script.
//  invalid_request unless it is exactly one of the two.
int exec_argv (const exec_start_t *ask, const lease_t *lease, arena_t *arena,
               berth_blobs_t *ret_argv, berth_error_t *err);

//  The folder it starts in: what was asked, else where the workspace was realized, else the
//  place's own (size 0: the shim knows). Refuses NUL.
int exec_cwd (const exec_start_t *ask, const lease_t *lease, arena_t *arena,
              berth_bytes_t *ret_cwd, berth_error_t *err);

//  The value of a secret that a variable refers to: `path` is env.NAME, version 0 the one that is
//  bound. It lives as long as the arena.
typedef int (exec_secret_fn) (void *context, const char *path, const char *secret, uint64_t version,
                              berth_bytes_t *ret_value, berth_error_t *err);

//  NAME=value: the policy's, with what was asked laid over it; null takes a name away. A value is
//  text, {type: plain, value} or {type: secret_ref, secretId, version}. invalid_request names the
//  entry that is wrong; else what `secret` fails with.
int exec_env (const exec_start_t *ask, const lease_t *lease, exec_secret_fn *secret, void *context,
              arena_t *arena, berth_blobs_t *ret_env, berth_error_t *err);

#endif
