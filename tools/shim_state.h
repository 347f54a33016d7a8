//  shim_state.h - what the files of berth-shim share: the place, its execs, its peers.
//
//  One thread, one epoll set, one event at a time; nothing here is freed while its own event runs.

#ifndef BERTH_SHIM_STATE_H_INCLUDED
#define BERTH_SHIM_STATE_H_INCLUDED

#include "arena.h"
#include "cgroup.h"
#include "init_protocol.h"
#include "shim.h"
#include "spool.h"

#include <sys/epoll.h>
#include <sys/types.h>

enum {
    SHIM_TELL_MS = 5,               //  Between two OUTPUT of one exec
    SHIM_SILENCE_MS = 250,          //  Of output behind the end of a process
    SHIM_DRAIN_MS = 2000,           //  The same at most, however much survivors write
    SHIM_RETRY_MS = 1000,           //  Until a full disk is tried again
    SHIM_GRACE_MS = 10000,          //  From TERM to KILL unless said otherwise
    SHIM_START_MS = 30000,          //  For init to start a child
    SHIM_END_MS = 5000,             //  For killed processes to be gone
    SHIM_PIPE_USUAL = 32768, SHIM_PIPE_SIZE = 1048576,
    SHIM_REST_READS = 64,           //  Of a full pipe or terminal; each takes as much as there is
    SHIM_OUT_MAX = 4 * 1048576,     //  Unsent bytes of one peer
    SHIM_LOG_MAX = 262144,
    SHIM_ENDED_MAX = 256,           //  Ended execs that STATE tells
    SHIM_SINKS_MAX = 1024           //  Streams that only survivors hold
};

typedef struct shim shim_t;
typedef struct child child_t;
struct relay;

//  A descriptor in the epoll set.
typedef struct watch {
    int fd;                         //  -1: none
    uint32_t events;                //  0: not in the set
    void (*ready) (shim_t *shim, struct watch *self, uint32_t events);
} watch_t;

//  One of an exec's streams.
typedef struct {
    watch_t watch;
    child_t *child;
    int stream;
    bool grown;                     //  Its pipe is a large one
} output_t;

//  Its stdin: what was accepted and not yet written.
typedef struct {
    watch_t watch;
    child_t *child;
    uint8_t *data;                  //  SHIM_STDIN_MAX bytes; NULL while it is empty
    size_t start, size;
    uint64_t accepted;              //  Bytes so far
    bool given;                     //  It has a stdin
    bool eof;                       //  The end was accepted
    bool partly;                    //  A WRITE found no room; say when there is some
} input_t;

typedef enum {
    CHILD_STARTING,                 //  Init was asked
    CHILD_RUNNING,
    CHILD_EXITED,                   //  Its process ended; output may still come
    CHILD_OVER                      //  Its end is decided, and is to be written
} child_state_t;

struct child {
    child_t *next;
    child_state_t state;
    char id [40];
    char *folder;                   //  Of its spool
    spool_t *spool;
    uint32_t slot;                  //  Init's name for it
    bool tty;
    output_t out [2];
    input_t in;
    uint8_t *held;                  //  Output that the disk did not take yet
    size_t held_size;
    int held_stream;
    bool stalled;
    exec_cause_t cause;             //  Why it is being ended; 0: it is not
    exec_cause_t said;              //  OVER: what the end will say
    bool cut;                       //  OVER: output was lost behind the spool
    bool timed_out;
    bool waited;                    //  status is known
    char name [128], cwd [128];     //  As asked, for sentences
    char error [192];               //  A sentence about an end that is not its own
    uint64_t timeout_ms, grace_ms;
    int64_t pid;
    int status;                     //  From wait
    int64_t started_at, ended_at;   //  Wall clock
    int64_t start_by, timeout_at, kill_at, drain_at, drain_until, retry_at, tell_at;
    int64_t told_at;                //  Monotonic, ms; 0: not set
};

typedef struct peer {
    struct peer *next;
    watch_t watch;
    uint8_t *in, *out;
    size_t in_size, in_room, out_size, out_room;
    bool behind;                    //  OUTPUT was left out while it did not read
    bool gone;                      //  Freed behind the event
} peer_t;

typedef struct {
    char id [40];
    char *folder;
} ended_t;

typedef struct {
    watch_t watch;
} sink_t;

struct shim {
    int poll;
    char install [17];
    cgroup_t cgroup;
    arena_t *keep;                  //  As long as the place
    arena_t *scratch;               //  As long as one event
    shim_open_t open;
    shim_opened_t opened;
    uint64_t generation;
    int launcher;                   //  Socket to the launcher
    int args, seccomp;              //  Pipes that the walls read: --args FD, --seccomp FD; -1: none
    pid_t walls;                    //  The launcher, later the walls it became
    watch_t walls_watch;            //  Its pidfd
    int init_pidfd;                 //  First process inside, as seen from here; -1: unknown
    watch_t init;                   //  Socket to berth-init
    watch_t log_pipe;               //  What the walls say on stderr
    watch_t call;                   //  Who asked for the place, until it has taken it
    watch_t listener;
    int lock;                       //  The place's folder, locked; -1: not ours
    int log;
    size_t log_size;
    char last_words [320];          //  Last line of the walls
    bool line_ended;                //  It is whole
    child_t *children;
    child_t *slots [INIT_SLOTS];
    bool owed [INIT_SLOTS];         //  Init did not take that it is free
    size_t owed_count;
    size_t children_count;
    peer_t *peers;
    size_t peers_count;
    ended_t ended [SHIM_ENDED_MAX];
    size_t ended_next;
    size_t sinks_count;
    spool_t *spare;                 //  For the next exec, made in advance; NULL: none,
    char spare_folder [4200];       //  under this name
    int64_t spare_at;               //  When to make it; 0: not
    exec_cause_t closing;           //  Why the place is being closed; 0: it is not
    int64_t close_at;               //  When its processes are ended
    bool done;
    struct relay *relay;            //  The place is on another machine (relay.h); NULL: it is here
};

//  ---- shim_spare.c

//  Makes a spool in advance, in a folder that is the place's; no harm if it cannot. One that is
//  there already is in that folder now.
void shim_spare_make (shim_t *self, berth_bytes_t folder);
//  The spool of a new exec: the spare one, or a fresh one.
int shim_spare_take (shim_t *self, const shim_message_t *ask, const char *folder,
                     spool_t **ret_spool, berth_error_t *err);
void shim_spare_remove (shim_t *self);

//  ---- shim_loop.c

//  Watches for these events, or changes, or (0) stops watching.
void watch_set (shim_t *shim, watch_t *self, uint32_t events);
//  Stops watching and closes.
void watch_close (shim_t *shim, watch_t *self);
//  So long from now, on the monotonic clock. What is longer than a century is one.
int64_t shim_in (uint64_t ms);
//  Waits for one event or deadline and handles it, until the place is done.
void shim_run (shim_t *self);
//  One line in the place's log.
void shim_log (shim_t *self, const char *format, ...) BERTH_PRINTF (2, 3);
//  Reads what the walls say into the log.
void shim_log_ready (shim_t *shim, watch_t *self, uint32_t events);
//  The 256 KiB that all reading goes through.
extern uint8_t shim_buffer [SPOOL_RECORD_MAX];

//  ---- shim_launch.c

//  Forks the launcher into the place's cgroup. It waits until it is told what to become.
int shim_launcher_start (shim_t *self, berth_error_t *err);
//  Tells it what to execute; init's socket and the log pipe are watches of *self afterwards.
int shim_launch (shim_t *self, const shim_dress_t *dress, berth_error_t *err);
//  Gives what runs there its limits and its arguments, out of self->open.
int shim_launch_on (shim_t *self, bool by_rlimits, berth_error_t *err);
//  There will be no arguments: what waits for them comes to its end.
void shim_launch_off (shim_t *self);

//  ---- shim_open.c

//  Waits parked for a call, then opens the place and answers. False: there was no call, or nothing
//  came of it, and all is cleaned up.
bool shim_open_place (shim_t *self, int control);
//  Answers the call with what is in self->opened.
void shim_answer_call (shim_t *self);
//  Writes <folder>/shim.msgpack.
int shim_write_record (shim_t *self, berth_error_t *err);

//  ---- shim_init.c

//  Sends a request to init. False if init does not take it.
bool shim_init_send (shim_t *self, const init_request_t *request, const int *fds, size_t count);
void shim_init_ready (shim_t *shim, watch_t *self, uint32_t events);
//  A slot is not used any more. It is not given again before init has taken that.
void shim_init_forget (shim_t *self, uint32_t slot);
//  Tells init what it did not take before.
void shim_init_settle (shim_t *self);

//  ---- shim_peers.c

void shim_listener_ready (shim_t *shim, watch_t *self, uint32_t events);
void shim_tell (shim_t *self, const shim_message_t *message);               //  Everybody
void shim_answer (shim_t *self, peer_t *peer, const shim_message_t *message);
void shim_refuse (shim_t *self, peer_t *peer, const char *exec, const char *format, ...)
    BERTH_PRINTF (4, 5);
void shim_hello (shim_t *self, peer_t *peer);                               //  NULL: everybody
//  Frees peers that are gone, and tells those that were behind.
void shim_peers_settle (shim_t *self);
//  Sends what is unsent, at most until the deadline, and closes them all.
void shim_peers_end (shim_t *self, int64_t deadline);

//  ---- shim_requests.c

void shim_request (shim_t *self, peer_t *peer, const shim_message_t *ask);

//  ---- shim_start.c

//  Takes START. The answer follows, or a refusal.
void shim_child_start (shim_t *self, peer_t *peer, const shim_message_t *ask);

//  ---- shim_children.c: an exec's life

child_t *shim_child_find (shim_t *self, const char *id);
void shim_child_started (shim_t *self, child_t *child, int64_t pid, int master);
void shim_child_failed (shim_t *self, child_t *child, int number, uint32_t stage);
void shim_child_exited (shim_t *self, child_t *child, int status);
void shim_child_signal (shim_t *self, child_t *child, int number);
//  TERM, grace, KILL; the first cause stays.
void shim_child_end (shim_t *self, child_t *child, exec_cause_t cause, uint64_t grace_ms);
//  What is due by now.
void shim_child_tick (shim_t *self, child_t *child, int64_t now);
//  The next thing due; INT64_MAX: nothing.
int64_t shim_child_due (const child_t *child);
//  A stream came to its end: is the exec over?
void shim_child_settle (shim_t *self, child_t *child);
//  Output came: there is no silence yet.
void shim_child_heard (child_t *child);
//  The start did not come about; the sentence becomes the end's.
void shim_child_not_started (shim_t *self, child_t *child, const char *format, ...)
    BERTH_PRINTF (3, 4);
//  The place's processes are gone: reads what is left and ends it, in any state. False if its end
//  could not be written; the child stays.
bool shim_child_lose (shim_t *self, child_t *child, exec_cause_t cause);
void shim_fill_started (const child_t *child, shim_message_t *ret_message);
//  Tells the end that an exec's spool holds. False if there is none.
bool shim_answer_ended (shim_t *self, peer_t *peer, const char *folder);

//  ---- shim_streams.c: its output and input

void shim_output_open (shim_t *self, child_t *child, int index, int fd);
void shim_output_ready (shim_t *shim, watch_t *self, uint32_t events);
//  Reads what lies there now, for an end: a pipe's worth at most, whoever goes on writing.
void shim_output_rest (shim_t *self, child_t *child);
//  Watches what may be read now: not while the disk or the spool is full.
void shim_output_watch (shim_t *self, child_t *child);
bool shim_output_flush_held (shim_t *self, child_t *child);
void shim_output_tell (shim_t *self, child_t *child, bool at_once);
//  The exec is over and somebody still holds its stream: reads on and drops.
void shim_output_sink (shim_t *self, output_t *output);
void shim_input_open (shim_t *self, child_t *child, int fd);
void shim_input_write (shim_t *self, peer_t *peer, child_t *child, const shim_message_t *ask);
void shim_input_close (shim_t *self, child_t *child);

//  ---- shim_close.c

//  Ends the execs, then the place.
void shim_close (shim_t *self, exec_cause_t cause, uint64_t grace_ms);
//  Ends the place's processes and what was begun for it. False if some do not end (yet).
bool shim_end_processes (shim_t *self);
//  The end, if it is due: processes, execs, cgroup, CLOSED.
void shim_close_tick (shim_t *self, int64_t now);
void shim_walls_ready (shim_t *shim, watch_t *self, uint32_t events);
//  Lets the next shim of this folder in.
void shim_unlock (shim_t *self);
void shim_call_ready (shim_t *shim, watch_t *self, uint32_t events);

#endif
