//  exec.h - execs: one command in a leased place (DESIGN section 7).

#ifndef BERTH_EXEC_H_INCLUDED
#define BERTH_EXEC_H_INCLUDED

#include "schema.h"

#define EXEC_STATE(X, T) \
    X (T, STARTING, "starting") \
    X (T, RUNNING,  "running") \
    X (T, ENDED,    "ended")
BERTH_ENUM (exec_state, EXEC_STATE);

//  The one cause of an end; never invented.
#define EXEC_CAUSE(X, T) \
    X (T, EXITED,           "exited") \
    X (T, SIGNALED,         "signaled") \
    X (T, TIMED_OUT,        "timed_out") \
    X (T, KILLED_BY_POLICY, "killed_by_policy") \
    X (T, LEASE_LOST,       "lease_lost") \
    X (T, PROVIDER_LOST,    "provider_lost") \
    X (T, START_FAILED,     "start_failed")
BERTH_ENUM (exec_cause, EXEC_CAUSE);

#define EXEC_STREAM(X, T) \
    X (T, STDOUT, "stdout") \
    X (T, STDERR, "stderr") \
    X (T, ALL,    "all")
BERTH_ENUM (exec_stream, EXEC_STREAM);

//  What happens when the spool is full: the oldest output goes, the newest goes, the child waits.
#define EXEC_ON_FULL(X, T) \
    X (T, DROP_OLDEST, "drop_oldest") \
    X (T, DROP_NEW,    "drop_new") \
    X (T, BLOCK,       "block")
BERTH_ENUM (exec_on_full, EXEC_ON_FULL);

#define EXEC_TTY(F, T) \
    F (T, U64, cols, "cols", REQUIRED | POSITIVE, 10000, "Columns of the terminal.") \
    F (T, U64, rows, "rows", REQUIRED | POSITIVE, 10000, "Rows of the terminal.")
BERTH_MESSAGE (exec_tty, EXEC_TTY);

#define EXEC(F, T) \
    F (T, ID,    id,        "id",        REQUIRED,  36, "The exec.") \
    F (T, STR,   company,   "companyId", REQUIRED,  64, "Who it belongs to.") \
    F (T, ID,    lease,     "leaseId",   REQUIRED,  36, "The lease whose place it runs in.") \
    F (T, U64,   generation, "generation", REQUIRED, 0, "Generation of that lease.") \
    F (T, STR,   run,       "heartbeatRunId", NULLABLE, 128, "The lease's run.") \
    F (T, ENUM (exec_state), state, "state", REQUIRED, 0, "starting, running or ended.") \
    F (T, ENUM (exec_cause), cause, "cause", NULLABLE, 0, "Why it ended; null while it runs.") \
    F (T, I64,   exit_code, "exitCode",  NULLABLE, 0, "Exit status; null unless cause is exited.") \
    F (T, I64,   signal,    "signal",    NULLABLE, 0, "Number of the signal that ended it.") \
    F (T, BOOL,  timed_out, "timedOut",  REQUIRED, 0, "It ran past its timeoutMs.") \
    F (T, STR,   reason,    "reason",    NULLABLE, 512, "One sentence about an end that is not its own.") \
    F (T, BYTES, command,   "command",   REQUIRED, 4096, "The program, as asked.") \
    F (T, U64,   args_count, "argsCount", REQUIRED, 0, "Number of its arguments (their text is not kept).") \
    F (T, BOOL,  tty,       "tty",       REQUIRED, 0, "It has a terminal.") \
    F (T, BOOL,  stdin_open, "stdin",    REQUIRED, 0, "It has a stdin that can be written.") \
    F (T, U64,   stdin_bytes, "stdinBytes", OPTIONAL, 0, "Bytes of stdin that were accepted, once it has ended.") \
    F (T, I64,   pid,       "pid",       NULLABLE, 0, "Its process id inside the place.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was asked for.") \
    F (T, TIME,  started_at, "startedAt", NULLABLE, 0, "When its process started.") \
    F (T, TIME,  ended_at,  "endedAt",   NULLABLE, 0, "When its process ended.") \
    F (T, U64,   timeout_ms, "timeoutMs", NULLABLE, 0, "Time it may run; null: no limit of its own.") \
    F (T, U64,   stdout_bytes, "stdoutBytes", REQUIRED, 0, "Bytes it wrote to stdout.") \
    F (T, U64,   stderr_bytes, "stderrBytes", REQUIRED, 0, "Bytes it wrote to stderr.") \
    F (T, U64,   spool_max, "spoolMax",  REQUIRED, 0, "Bytes of output that are kept.") \
    F (T, ENUM (exec_on_full), on_full, "onFull", REQUIRED, 0, "What happens beyond spoolMax.") \
    F (T, BOOL,  truncated, "truncated", REQUIRED, 0, "Some output is not in the spool.") \
    F (T, BOOL,  stalled,   "stalled",   REQUIRED, 0, "It waits for room on the spool's disk.") \
    F (T, BOOL,  output_gone, "outputGone", OPTIONAL, 0, "Its output is not kept any more.") \
    F (T, U64,   lease_idle_ms, "leaseIdleMs", OPTIONAL, 0, "idleMs of its lease, if that has one: it is use.") \
    F (T, STR,   boot,      "bootId",    OPTIONAL, 36, "Boot in which usedMonoMs counts.") \
    F (T, I64,   used_mono_ms, "usedMonoMs", OPTIONAL, 0, "Of such a lease: when it ended, or its output was last read, on that boot's monotonic clock.")
BERTH_MESSAGE (exec, EXEC);

#define EXEC_START(F, T) \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "An active lease.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, the lease must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, ID,    id,        "execId",    OPTIONAL, 36, "An id of the caller's; a repeat is answered, not done again.") \
    F (T, BYTES, command,   "command",   OPTIONAL | POSITIVE, 4096, "Program; looked up in the place's PATH.") \
    F (T, BLOBS, args,      "args",      OPTIONAL, 8192, "Its arguments.") \
    F (T, BYTES, script,    "script",    OPTIONAL | POSITIVE, 524288, "Shell text instead of command and args.") \
    F (T, BYTES, cwd,       "cwd",       NULLABLE, 4096, "Folder in the place; default: the workspace.") \
    F (T, ANY,   env,       "env",       NULLABLE | OBJECT, 524288, "Name: text, {type: plain, value} or {type: secret_ref, secretId, version}.") \
    F (T, BOOL,  stdin_open, "stdin",    OPTIONAL, 0, "Keep stdin open for exec.write (default false: empty).") \
    F (T, OBJ (exec_tty), tty, "tty",    NULLABLE, 0, "Give it a terminal of that size.") \
    F (T, U64,   timeout_ms, "timeoutMs", NULLABLE, 2592000000, "TERM, grace, KILL after that time.") \
    F (T, U64,   grace_ms,  "graceMs",   OPTIONAL, 600000, "Time between TERM and KILL (10,000).") \
    F (T, U64,   spool_max, "spoolMax",  OPTIONAL | POSITIVE, 1099511627776, "Bytes of output kept (256 MiB).") \
    F (T, ENUM (exec_on_full), on_full, "onFull", OPTIONAL, 0, "Beyond spoolMax (drop_oldest).")
BERTH_MESSAGE (exec_start, EXEC_START);

#define EXEC_REF(F, T) \
    F (T, ID,    id,        "execId",    REQUIRED, 36, "The exec.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.")
BERTH_MESSAGE (exec_ref, EXEC_REF);

#define EXEC_LIST(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED, 64, "Whose execs.") \
    F (T, ID,    lease,     "leaseId",   OPTIONAL, 36, "Only those of this lease.") \
    F (T, ENUM (exec_state), state, "state", OPTIONAL, 0, "Only those in this state.") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000, "Rows of a page (50).") \
    F (T, STR,   cursor,    "cursor",    NULLABLE, 256, "nextCursor of the page before.")
BERTH_MESSAGE (exec_list, EXEC_LIST);

#define EXEC_PAGE(F, T) \
    F (T, LIST (exec), items, "items", REQUIRED, 1000, "Newest first.") \
    F (T, STR,   next,      "nextCursor", NULLABLE, 256, "Null on the last page.")
BERTH_MESSAGE (exec_page, EXEC_PAGE);

#define EXEC_READ(F, T) \
    F (T, ID,    id,        "execId",    REQUIRED, 36, "The exec.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, ENUM (exec_stream), stream, "stream", OPTIONAL, 0, "stdout, stderr or all (default: all).") \
    F (T, U64,   from,      "from",      OPTIONAL, 0, "First byte of that stream (0).") \
    F (T, U64,   limit,     "limit",     OPTIONAL, 0, "Bytes at most (without credit: 262,144).") \
    F (T, BOOL,  follow,    "follow",    OPTIONAL, 0, "Wait for what is still to come.")
BERTH_MESSAGE (exec_read, EXEC_READ);

//  The reply of exec.read: of a single reply, where frame 2 has the bytes, and the end of a stream.
#define EXEC_READ_END(F, T) \
    F (T, U64,   offset,    "offset",    REQUIRED, 0, "Where the bytes of this reply begin.") \
    F (T, U64,   next,      "next",      REQUIRED, 0, "Where to read on.") \
    F (T, BOOL,  eof,       "eof",       REQUIRED, 0, "The exec has ended and nothing is behind `next`.") \
    F (T, U64,   missing,   "missing",   OPTIONAL, 0, "Bytes between `from` and `offset` that the spool policy dropped.")
BERTH_MESSAGE (exec_read_end, EXEC_READ_END);

//  The body of one chunk of a stream; frame 2 has the bytes.
#define STREAM_CHUNK(F, T) \
    F (T, ENUM (exec_stream), stream, "stream", REQUIRED, 0, "Which stream the bytes are of.") \
    F (T, U64,   offset,    "offset",    REQUIRED, 0, "Of the first byte, in the stream that was asked for.") \
    F (T, U64,   length,    "length",    REQUIRED, 0, "Bytes in frame 2.") \
    F (T, BOOL,  eof,       "eof",       REQUIRED, 0, "Nothing follows.")
BERTH_MESSAGE (stream_chunk, STREAM_CHUNK);

#define EXEC_WRITE(F, T) \
    F (T, ID,    id,        "execId",    REQUIRED, 36, "The exec.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, U64,   offset,    "offset",    OPTIONAL, 0, "Where in stdin the bytes of frame 2 belong (0).") \
    F (T, BOOL,  eof,       "eof",       OPTIONAL, 0, "stdin ends behind these bytes.")
BERTH_MESSAGE (exec_write, EXEC_WRITE);

#define EXEC_WRITTEN(F, T) \
    F (T, U64,   offset,    "offset",    REQUIRED, 0, "Bytes of stdin accepted so far; write on from here.") \
    F (T, BOOL,  eof,       "eof",       REQUIRED, 0, "The end of stdin was accepted.")
BERTH_MESSAGE (exec_written, EXEC_WRITTEN);

#define EXEC_SIGNAL(F, T) \
    F (T, ID,    id,        "execId",    REQUIRED, 36, "The exec.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, U64,   signal,    "signal",    REQUIRED | POSITIVE, 64, "Number, sent to its process group.")
BERTH_MESSAGE (exec_signal, EXEC_SIGNAL);

#define EXEC_RESIZE(F, T) \
    F (T, ID,    id,        "execId",    REQUIRED, 36, "An exec with a tty.") \
    F (T, STR,   company,   "companyId", OPTIONAL, 64, "If given, it must belong to it.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "If given, an old one is answered `fenced`.") \
    F (T, U64,   cols,      "cols",      REQUIRED | POSITIVE, 10000, "Columns.") \
    F (T, U64,   rows,      "rows",      REQUIRED | POSITIVE, 10000, "Rows.")
BERTH_MESSAGE (exec_resize, EXEC_RESIZE);

//  exec.run: start, wait, and the output of both streams in one reply.
#define EXEC_RESULT(F, T) \
    F (T, OBJ (exec), exec, "exec",      REQUIRED, 0, "The row as it ended.") \
    F (T, BYTES, out,       "stdout",    REQUIRED, 262144, "First 256 KiB of stdout.") \
    F (T, BYTES, err,       "stderr",    REQUIRED, 262144, "First 256 KiB of stderr.") \
    F (T, BOOL,  cut,       "outputCut", REQUIRED, 0, "There is more; exec.read has it.")
BERTH_MESSAGE (exec_result, EXEC_RESULT);

#endif
