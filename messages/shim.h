//  shim.h - what berthd and berth-shim say to each other.
//
//  A unix stream socket, <runtime>/p/<place id without dashes>. Each message is a length (4 bytes,
//  little endian, at most SHIM_FRAME_MAX) and one packed shim_message. Any number of connections;
//  the shim begins each with HELLO and tells every connection of what happens. A peer whose uid is
//  not the shim's is closed unheard (SO_PEERCRED). Both sides speak their own version and the one
//  before; fields are added, never changed. An exec is named by its id everywhere.
//
//  Output does not cross this socket: the shim writes it to the spool (store/spool.h) and tells
//  how far it is; readers read the files.

#ifndef BERTH_SHIM_H_INCLUDED
#define BERTH_SHIM_H_INCLUDED

#include "exec.h"

enum {
    SHIM_VERSION = 1,
    SHIM_VERSION_OLDEST = 1,
    SHIM_FRAME_MAX = BERTH_FRAME_MAX,
    SHIM_CONNECTIONS_MAX = 16,
    SHIM_EXECS_MAX = 1024,              //  Running at once in one place
    SHIM_STDIN_MAX = 1048576            //  Bytes of stdin held for a child that does not read
};

#define SHIM_OP(X, T) \
    /*  berthd to shim */ \
    X (T, START,    "start")     /* exec argv env cwd cols rows stdin timeout grace spool...; answer STARTED or ENDED; a known exec is answered again */ \
    X (T, WRITE,    "write")     /* exec offset data eof; answer ACCEPTED, maybe of a part: send again from its offset; if nothing fits it comes when there is room */ \
    X (T, SIGNAL,   "signal")    /* exec signal, to its group; no answer */ \
    X (T, RESIZE,   "resize")    /* exec cols rows; no answer */ \
    X (T, END,      "end")       /* exec cause grace: TERM, grace, KILL; answered by ENDED */ \
    X (T, CLOSE,    "close")     /* grace: end all execs as lease_lost, end the place; answer CLOSED, then exit */ \
    X (T, RELEASE,  "release")   /* exec offset: all output below it was read and may go (onFull: block); no answer */ \
    X (T, STATE,    "state")     /* answer one STARTED or ENDED for each exec that is known, then HELLO */ \
    X (T, FENCE,    "fence")     /* generation: the place has a new holder; ends running execs as lease_lost; answer HELLO */ \
    X (T, FILES,    "files")     /* of a relay: this connection becomes a session of FAR_SCRIPT (tools/far_protocol.h); answer FILES with the lines it is to begin with in data, and from then on the session's bytes */ \
    /*  shim to berthd */ \
    X (T, HELLO,    "hello")     /* v place generation boot pid */ \
    X (T, STARTED,  "started")   /* exec pid startedAt (and offsets so far) */ \
    X (T, OUTPUT,   "output")    /* exec stdoutBytes stderrBytes stalled: how far the spool is */ \
    X (T, ACCEPTED, "accepted")  /* exec offset eof */ \
    X (T, ENDED,    "ended")     /* exec cause exitCode signal timedOut endedAt bytes truncated offset error; written before it is told, synced if nobody listens */ \
    X (T, CLOSED,   "closed")    /* the place's processes are gone */ \
    X (T, REFUSED,  "refused")   /* exec error: the message was wrong */
BERTH_ENUM (shim_op, SHIM_OP);

#define SHIM_MESSAGE(F, T) \
    F (T, ENUM (shim_op), op, "op",      REQUIRED, 0, "What is said.") \
    F (T, U64,   v,         "v",         OPTIONAL, 0, "Version of this protocol (HELLO).") \
    F (T, ID,    place,     "placeId",   OPTIONAL, 36, "The place.") \
    F (T, U64,   generation, "generation", OPTIONAL, 0, "Of the lease that holds it.") \
    F (T, STR,   boot,      "bootId",    OPTIONAL, 36, "Boot in which the shim started.") \
    F (T, ID,    exec,      "execId",    OPTIONAL, 36, "The exec.") \
    F (T, BLOBS, argv,      "argv",      OPTIONAL, 8200, "Program and arguments.") \
    F (T, BLOBS, env,       "env",       OPTIONAL, 8192, "NAME=value, the whole environment but for the place's own defaults.") \
    F (T, BYTES, cwd,       "cwd",       OPTIONAL, 4096, "Folder in the place.") \
    F (T, BOOL,  tty,       "tty",       OPTIONAL, 0, "With a terminal.") \
    F (T, U64,   cols,      "cols",      OPTIONAL, 10000, "Columns.") \
    F (T, U64,   rows,      "rows",      OPTIONAL, 10000, "Rows.") \
    F (T, BOOL,  stdin_open, "stdin",    OPTIONAL, 0, "stdin stays open for WRITE.") \
    F (T, U64,   timeout_ms, "timeoutMs", OPTIONAL, 0, "From the start to TERM; 0: none.") \
    F (T, U64,   grace_ms,  "graceMs",   OPTIONAL, 0, "From TERM to KILL.") \
    F (T, BYTES, spool,     "spool",     OPTIONAL, 4096, "Folder of the exec's spool.") \
    F (T, U64,   spool_max, "spoolMax",  OPTIONAL, 0, "Bytes kept.") \
    F (T, ENUM (exec_on_full), on_full, "onFull", OPTIONAL, 0, "Beyond spoolMax.") \
    F (T, U64,   offset,    "offset",    OPTIONAL, 0, "In stdin; what was accepted of it (STARTED, ACCEPTED, ENDED).") \
    F (T, BYTES, data,      "data",      OPTIONAL, 524288, "Bytes of stdin.") \
    F (T, BOOL,  eof,       "eof",       OPTIONAL, 0, "stdin ends here.") \
    F (T, U64,   signal,    "signal",    OPTIONAL, 64, "Number.") \
    F (T, I64,   pid,       "pid",       OPTIONAL, 0, "Of the shim (HELLO), of the child inside the place (STARTED).") \
    F (T, ENUM (exec_cause), cause, "cause", OPTIONAL, 0, "Why it ended or is to end.") \
    F (T, I64,   exit_code, "exitCode",  OPTIONAL, 0, "Of an exit.") \
    F (T, BOOL,  timed_out, "timedOut",  OPTIONAL, 0, "The timeout ended it.") \
    F (T, TIME,  started_at, "startedAt", OPTIONAL, 0, "Wall clock.") \
    F (T, TIME,  ended_at,  "endedAt",   OPTIONAL, 0, "Wall clock.") \
    F (T, U64,   stdout_bytes, "stdoutBytes", OPTIONAL, 0, "Written by the child so far.") \
    F (T, U64,   stderr_bytes, "stderrBytes", OPTIONAL, 0, "Written by the child so far.") \
    F (T, BOOL,  truncated, "truncated", OPTIONAL, 0, "Some output was dropped.") \
    F (T, BOOL,  stalled,   "stalled",   OPTIONAL, 0, "Waits for room on the spool's disk.") \
    F (T, STR,   error,     "error",     OPTIONAL, 512, "A sentence (REFUSED, start_failed).")
BERTH_MESSAGE (shim_message, SHIM_MESSAGE);

//  Ends. An exec ends when its process has ended and its output is at its end: EOF on both streams,
//  or 250 ms of silence (2 s at most) where background children hold them; what these write later
//  is read and dropped, so that it harms nobody. An exec that is being ended (END, timeout, CLOSE)
//  waits for EOF until its grace is over; then KILL goes to its whole group.

//  How a shim is told to open a place: a length (4 bytes, little endian) and one packed shim_open
//  on the spawner's call (see providers/spawner.h), answered by one packed shim_opened in the same
//  form; the caller then sends one byte to take the place. A call that closes before that byte
//  makes the shim close what it opened. A call may begin with one packed shim_dress, long before
//  its shim_open, of which it is a part: then the program is executed at once, and waits for the
//  arguments that come by its descriptors.
#define SHIM_DRESS(F, T) \
    F (T, U64,   v,         "v",         REQUIRED, 0, "SHIM_VERSION.") \
    F (T, BLOBS, argv,      "argv",      REQUIRED, 4096, "As in shim_open.") \
    F (T, BLOBS, env,       "env",       REQUIRED, 64, "As in shim_open.") \
    F (T, BOOL,  seccomp,   "seccomp",   OPTIONAL, 0, "A filter will come.") \
    F (T, BOOL,  own_network, "ownNetwork", OPTIONAL, 0, "As in shim_open.") \
    F (T, U64,   uid,       "uid",       OPTIONAL, 0, "As in shim_open.") \
    F (T, BYTES, folder,    "folder",    OPTIONAL, 4000, "Which will be the place's by then, under another name.")
BERTH_MESSAGE (shim_dress, SHIM_DRESS);

//  The byte that a call's descriptor comes with: what the call says first.
enum { SHIM_CALL_OPEN = 'C', SHIM_CALL_DRESS = 'D' };

#define SHIM_LIMITS(F, T) \
    F (T, U64,   memory_bytes, "memoryBytes", OPTIONAL, 0, "Of all processes of the place.") \
    F (T, U64,   pids,      "pids",      OPTIONAL, 0, "Processes and threads at once.") \
    F (T, U64,   cpu_seconds, "cpuSeconds", OPTIONAL, 0, "CPU time of one process (rlimit).") \
    F (T, U64,   file_bytes, "fileBytes", OPTIONAL, 0, "Size of one file (rlimit).")
BERTH_MESSAGE (shim_limits, SHIM_LIMITS);

//  A place on another machine: the shim is a relay then. It runs ssh, has a copy of itself open the
//  place over there (tools/far_protocol.h), says here what that one says, and keeps a copy of the
//  spools. `argv`, `seccomp` and `uid` of shim_open mean nothing to it.
#define SHIM_RELAY(F, T) \
    F (T, BLOBS, argv,      "argv",      REQUIRED, 64, "ssh, its options, -- and the host; the relay adds the command.") \
    F (T, BLOBS, env,       "env",       REQUIRED, 64, "Environment of ssh.") \
    F (T, STR,   host,      "host",      REQUIRED, 400, "user@host:port, for sentences and the place's name.") \
    F (T, BYTES, base,      "base",      REQUIRED, 4096, "Folder on the remote machine that holds the places.") \
    F (T, BYTES, program,   "program",   REQUIRED, 4096, "What is copied there.") \
    F (T, BYTES, control,   "control",   REQUIRED, 107, "ControlPath of the master connection.") \
    F (T, BYTES, key,       "key",       OPTIONAL | SECRET, 16384, "A private key; it is a file only while ssh connects.") \
    F (T, BYTES, key_path,  "keyPath",   OPTIONAL, 4096, "That file, which argv names.") \
    F (T, U64,   connect_ms, "connectMs", REQUIRED, 0, "For connecting and opening.") \
    F (T, BOOL,  end,       "end",       OPTIONAL, 0, "Do not open: end what is there, remove it, answer, go.") \
    F (T, BOOL,  keep,      "keep",      OPTIONAL, 0, "Of end: its files stay.")
BERTH_MESSAGE (shim_relay, SHIM_RELAY);

#define SHIM_OPEN(F, T) \
    F (T, U64,   v,         "v",         REQUIRED, 0, "SHIM_VERSION.") \
    F (T, ID,    place,     "placeId",   REQUIRED, 36, "The place.") \
    F (T, U64,   generation, "generation", REQUIRED, 0, "Of its lease.") \
    F (T, BYTES, folder,    "folder",    REQUIRED, 4096, "The place's folder on the host; shim.log and place.msgpack are in it.") \
    F (T, BYTES, spools,    "spools",    OPTIONAL, 4000, "Folder of all spools: one for the next exec is made in advance, in `folder` as spare, and moves there.") \
    F (T, BYTES, socket,    "socket",    REQUIRED, 107, "Where to listen.") \
    F (T, BLOBS, argv,      "argv",      REQUIRED, 4096, "What to execute: walls around berth-init, or berth-init. {INIT_FD} in an argument becomes the number of init's socket.") \
    F (T, BLOBS, args_fd,   "argsFd",    OPTIONAL, 65536, "Arguments handed over by --args FD, NUL separated; {INIT_FD}, {SECCOMP_FD}, {INFO_FD} are replaced; argv names the descriptor as {ARGS_FD}.") \
    F (T, BYTES, seccomp,   "seccomp",   OPTIONAL, 65536, "A compiled BPF filter for {SECCOMP_FD}.") \
    F (T, BLOBS, env,       "env",       REQUIRED, 64, "Environment of argv itself: minimal.") \
    F (T, BLOBS, exec_env,  "execEnv",   REQUIRED, 256, "Defaults of each exec's environment.") \
    F (T, BYTES, cwd,       "cwd",       REQUIRED, 4096, "Default folder of an exec, as seen inside.") \
    F (T, BOOL,  pid_namespace, "pidNamespace", REQUIRED, 0, "argv makes one, and init is its pid 1.") \
    F (T, BOOL,  own_network, "ownNetwork", OPTIONAL, 0, "A network namespace with nothing but lo, which argv need not make: a parked shim of root has it in advance.") \
    F (T, U64,   uid,       "uid",       OPTIONAL, 0, "Host uid and gid to change to before argv; absent: the caller's.") \
    F (T, OBJ (shim_limits), limits, "limits", OPTIONAL, 0, "Walls in numbers.") \
    F (T, BOOL,  limits_required, "limitsRequired", OPTIONAL, 0, "Fail if memory and pids can't be limited by a cgroup.") \
    F (T, BLOBS, wrap,      "wrap",      OPTIONAL, 80, "Stands before the argv of each exec, with the folder it is to run in between: that is started, in /. No terminals.") \
    F (T, OBJ (shim_relay), relay, "relay", OPTIONAL, 0, "The place is on another machine.")
BERTH_MESSAGE (shim_open, SHIM_OPEN);

#define SHIM_OPENED(F, T) \
    F (T, BOOL,  ok,        "ok",        REQUIRED, 0, "The place is open and the socket listens.") \
    F (T, STR,   error,     "error",     OPTIONAL, 512, "Which wall could not be built, and why.") \
    F (T, STR,   remedy,    "remedy",    OPTIONAL, 192, "What to do about it.") \
    F (T, I64,   pid,       "pid",       OPTIONAL, 0, "Of the shim.") \
    F (T, STR,   boot,      "bootId",    OPTIONAL, 36, "Boot id.") \
    F (T, STR,   ends_by,   "endsBy",    OPTIONAL, 32, "How the place's processes are ended: cgroup2, cgroup1, pidns, pgroup.") \
    F (T, STR,   limits_by, "limitsBy",  OPTIONAL, 32, "What limits memory and pids: cgroup2, cgroup1, rlimit, none.") \
    F (T, STR,   cgroup,    "cgroup",    OPTIONAL, 256, "Name of the place's cgroup, below each hierarchy's mount.") \
    F (T, STR,   code,      "code",      OPTIONAL, 32, "Of the error (provider_error).") \
    F (T, STR,   cause,     "cause",     OPTIONAL, 320, "What lies below it.") \
    F (T, STR,   name,      "name",      OPTIONAL, 512, "What the provider calls the place, if not <provider>:<id>.") \
    F (T, ANY,   metadata,  "metadata",  OPTIONAL | OBJECT, 16384, "Laid over what the provider tells of the place.")
BERTH_MESSAGE (shim_opened, SHIM_OPENED);

//  What a shim leaves in <folder>/shim.msgpack while its place is open, for whoever has to end the
//  place without it (shim_link_bury).
#define SHIM_RECORD(F, T) \
    F (T, U64,   v,         "v",         REQUIRED, 0, "SHIM_VERSION.") \
    F (T, ID,    place,     "placeId",   REQUIRED, 36, "The place.") \
    F (T, U64,   generation, "generation", REQUIRED, 0, "Of its lease.") \
    F (T, STR,   boot,      "bootId",    REQUIRED, 36, "Boot in which it was written.") \
    F (T, I64,   pid,       "pid",       REQUIRED, 0, "Of the shim.") \
    F (T, U64,   start,     "startTicks", REQUIRED, 0, "When that process started (stat, field 22): pids come again.") \
    F (T, I64,   walls_pid, "wallsPid",  REQUIRED, 0, "Of the process that stands around the place.") \
    F (T, U64,   walls_start, "wallsStartTicks", REQUIRED, 0, "When that one started.") \
    F (T, STR,   ends_by,   "endsBy",    REQUIRED, 32, "As in shim_opened.") \
    F (T, STR,   cgroup,    "cgroup",    OPTIONAL, 64, "Name of its cgroup.") \
    F (T, STR,   v2,        "cgroup2",   OPTIONAL, 512, "Folder of its cgroup in the unified tree.") \
    F (T, STR,   memory,    "cgroup1Memory", OPTIONAL, 512, "Folder in the v1 tree of memory.") \
    F (T, STR,   pids,      "cgroup1Pids", OPTIONAL, 512, "Folder in the v1 tree of pids.") \
    F (T, BYTES, socket,    "socket",    REQUIRED, 107, "Where it listens.")
BERTH_MESSAGE (shim_record, SHIM_RECORD);

#endif
