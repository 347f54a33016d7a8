//  exec_parts.h - what the files of the actor of execs share; for execs.c, exec_links.c,
//  exec_streams.c and exec_ends.c only.
//
//  One thread. `live` is an exec whose end is not written yet, `link` the connection to one place's
//  shim, `stream` one reader. All of it is memory only, and can be made again from rows, shims and
//  spools. It changes behind the commit (effects_call), in `ready`, or not at all.

#ifndef BERTH_EXEC_PARTS_H_INCLUDED
#define BERTH_EXEC_PARTS_H_INCLUDED

#include "actor.h"
#include "exec_chunks.h"
#include "retention.h"
#include "execs.h"
#include "shim_link.h"
#include "spool.h"
#include "vault.h"

enum {
    EXEC_BUCKETS = 1024,
    EXEC_LAG_MS = 100,        //  `running` may be written so late: mostly the end is sooner
    EXEC_ROWS_MAX = 256,            //  Rows of one tick
    EXEC_HELD_MAX = 1048576,        //  Bytes that wait for an exec to have started
    EXEC_WRITE_MS = 10000,          //  For a shim to accept stdin, unless said otherwise
    EXEC_FOLLOW_MS = 30000,         //  For output, of a reader without credit
    EXEC_PLACE_MS = 120000,         //  For a place to be opened by the first exec
    EXEC_WANTED_MS = 30000,         //  For who asked to ask again, where a restart lost a start
    LINK_OPEN_MS = 20,              //  Wait for a shim whose queue of connections is full
    LINK_TRIES = 5,
    LINK_IDLE_MS = 60000,           //  A connection nobody needs is closed then
    STREAM_WINDOW = 8,              //  Chunks of one reader that are on their way
    STREAM_TURN = 4                 //  Chunks of one turn of all readers together
};

typedef struct execs execs_t;
typedef struct live live_t;
typedef struct exec_link exec_link_t;
typedef struct stream stream_t;
typedef struct exec_use exec_use_t;

//  A list that anything can leave at once.
typedef struct node {
    struct node *next, *prev;
} node_t;

typedef enum {
    LIVE_PLACE = 1,                 //  Waits for its place to be opened
    LIVE_START,                     //  The shim is to be told, or has not answered
    LIVE_UNSURE,                    //  Of a berthd before this one: its shim is to be asked
    LIVE_WANTED,                    //  It never came to the shim: who asked for it is to ask again
    LIVE_RUNNING,
    LIVE_ENDED                      //  The end is to be written
} live_phase_t;

struct live {
    live_t *next;                   //  In its bucket
    node_t of_link;                 //  Among the execs of its link
    node_t due;                     //  Among those whose row is to be written
    node_t readers;                 //  Head: streams that read it
    node_t handed;                  //  Among those whose start is to be answered
    char id [37], company [65];
    uint64_t counted;               //  Bytes of output that its company's quota knows of
    exec_link_t *link;              //  NULL: its place is not known
    live_phase_t phase;
    bool asked;                     //  STATE was sent, and it was not spoken of yet
    bool told;                      //  The row says `running`
    bool block;                     //  Its child waits for readers
    bool tty;
    bool stalled;
    int64_t due_ms;                 //  Of `due`, while it runs or is wanted
    uint8_t *answer;                //  The row, packed, until exec.start is answered
    size_t answer_size;
    uint8_t *start;                 //  START, packed, until the shim has answered it
    size_t start_size;
    uint8_t *held;                  //  Packed messages behind it, each with its u32 length
    size_t held_size;
    uint64_t bytes [2];             //  Of stdout and stderr, as the shim told
    uint64_t read [2];              //  Of `all`, below which a reader has stdout and stderr
    uint64_t released;
    uint64_t spool_max;
    uint64_t accepted;              //  Of stdin
    bool accepted_eof;
    uint32_t writes, answers;       //  WRITEs sent and answered
    int64_t pid, started_ms;
    //  Of LIVE_ENDED
    exec_cause_t cause;
    bool has_exit_code, has_signal, timed_out, truncated;
    int64_t exit_code, signal, ended_ms;
    char reason [320];
};

typedef enum { LINK_CLOSED, LINK_GREETING, LINK_READY } link_phase_t;

struct exec_link {
    exec_link_t *next;              //  In its bucket
    node_t lives;                   //  Head
    char lease [37];
    char *socket;
    uint64_t generation;
    shim_link_t *shim;              //  NULL while closed
    link_phase_t phase;
    bool asked;                     //  Its next HELLO ends an answer to STATE
    bool flushing;                  //  Polled for writing too
    int tries;
    int64_t due_ms;                 //  Of the next try, or of closing it unused; INT64_MAX: none
};

struct execs {
    uint32_t magic;
    actor_t *actor;
    store_t *store;
    char *spool;                    //  <state>/spool
    quotas_t *quotas;               //  NULL: no limits
    vault_t *vault;                 //  NULL: there are no secrets
    int poll;                       //  Epoll: every link, and `wake` of the chunks
    chunks_t *chunks;
    live_t *lives [EXEC_BUCKETS];
    node_t ended, running;          //  Heads: rows to write
    node_t wanted, handed;          //  Heads
    exec_link_t *links [EXEC_BUCKETS];
    int64_t links_due_ms;           //  Not later than any link's
    stream_t *streams [EXEC_BUCKETS];
    node_t runnable, starved;       //  Heads: streams that may go on; that wait for a chunk
    int64_t streams_due_ms;         //  Not later than any stream's deadline
    node_t uses;                    //  Head: execs of leases with idleMs that are read
    int64_t uses_due_ms;            //  Not later than any of them
    retention_t retention;
    int64_t drop_ms, forget_ms;     //  When to look for output, for rows that may go
    size_t drops;                   //  That the keeper was asked for
};

//  ---- lists

static inline void
node_init (node_t *self)
{
    self->next = self->prev = self;
}

static inline bool
node_linked (const node_t *self)
{
    return self->next != self;
}

static inline void
node_leave (node_t *self)
{
    self->next->prev = self->prev;
    self->prev->next = self->next;
    node_init (self);
}

//  At the end of the list; leaves the one it is in.
static inline void
node_join (node_t *self, node_t *head)
{
    node_leave (self);
    self->prev = head->prev;
    self->next = head;
    head->prev->next = self;
    head->prev = self;
}

#define node_of(node, type, member) ((type *) ((uint8_t *) (node) - offsetof (type, member)))

//  ---- execs.c

live_t *live_find (execs_t *self, const char *id);
live_t *live_new (execs_t *self, const char *id, const char *company);
//  Tells the company's quota what of its output is on disk.
void live_count (execs_t *self, live_t *live);
void live_free (execs_t *self, live_t *live, int64_t mono_ms);
const char *exec_spool (const execs_t *self, const char *id, arena_t *arena);

//  ---- exec_start.c

//  exec.start, exec.run and its step; a retry of one that waited.
handler_fn exec_start_ask, exec_rejoin;

//  ---- exec_begin.c: from the commit of a start to its shim

//  What the commit leaves to be done.
typedef struct {
    const exec_t *row;
    berth_bytes_t start;            //  START, packed; size 0: its shim has been told before
    const char *lease, *socket;     //  socket NULL: the place is not open
    uint64_t generation;
    bool closed;                    //  Nothing can be started in its lease any more
} begin_t;

const char *exec_socket (const lease_t *lease, arena_t *arena);

//  Behind the commit: a new exec, or one of a berthd before; the same start, asked again.
effect_call_fn exec_begin, exec_begin_again;

//  The place of an exec is open (step.done); the start of berthd.
handler_fn exec_placed, exec_take_up;

//  Nobody knows of it but its row, which has no arguments and no environment: those are never
//  written down. Who asked for it, and was not answered, asks again, and brings them.
void live_wanted (execs_t *self, live_t *live, const char *reason, const request_t *req);
//  Its START is with the shim, or it is over: whoever asked can be answered.
void live_handed (execs_t *self, live_t *live);
//  Does so, and goes on with those that were wanted and came, or did not.
void starts_settle (execs_t *self, const request_t *req, effects_t *fx);
int64_t starts_next_ms (const execs_t *self);

//  ---- exec_ends.c: what a shim or a spool says about an exec, on its way to the row

//  STARTED, or a message that shows that it runs.
void live_started (execs_t *self, live_t *live, const shim_message_t *message, int64_t mono_ms);
//  ENDED, from the shim or from the spool. What is no end as shims tell it, is a loss.
void live_ended (execs_t *self, live_t *live, const shim_message_t *message, const request_t *req);
//  No shim knows it: its end is what the spool says, or that it is lost. `again`: its place could start
//  it yet, so one that a restart cut off before it was answered waits to be asked for again.
void live_lost (execs_t *self, live_t *live, const char *reason, bool again, const request_t *req);
//  It was never started.
void live_not_started (execs_t *self, live_t *live, const char *reason, const request_t *req);
//  Lays over a row what is known beyond it. An end is not told before it is written.
void live_overlay (const live_t *live, exec_t *row);

//  Of the kit.
handler_fn exec_tick;
int64_t exec_next_ms (void *self);

//  It is use of its lease now, if that has an idleMs.
void exec_used (exec_t *row, const request_t *req);
//  Answers an exec.run whose exec has ended.
void exec_answer_run (execs_t *self, const exec_t *row, const request_t *req, effects_t *fx);
const char *exec_subject (arena_t *arena, const char *what, const char *id);

//  ---- exec_links.c: connections to shims

//  Makes the exec one of its place's, connects to the shim if nobody has, and tells it what stands
//  in live->start as soon as it has greeted.
void link_join (execs_t *self, live_t *live, const char *lease, const char *socket,
                uint64_t generation, const request_t *req);
//  Tells the shim what stands in live->start, now or once it has greeted.
void link_start (execs_t *self, live_t *live, const request_t *req);
//  Takes it out again; a link without execs is closed after a while.
void link_leave (execs_t *self, live_t *live, int64_t mono_ms);
//  Sends a message about a running exec; one that has not started gets it as soon as it has.
//  Errors: busy, provider_unavailable.
int link_send (execs_t *self, live_t *live, const shim_message_t *message, const request_t *req,
               berth_error_t *err);
//  What came from shims, and what they can take.
void links_ready (execs_t *self, const request_t *req, effects_t *fx);
//  Tries again what broke, closes what nobody needs.
void links_tick (execs_t *self, const request_t *req);
void links_destroy (execs_t *self);

//  ---- exec_forget.c: what was kept long enough

//  Of the tick; and when it is due.
void execs_forget (execs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx);
int64_t execs_forget_next (const execs_t *self);
//  The answer of the keeper (step "drop").
int exec_dropped (execs_t *self, const request_t *req, store_txn_t *txn, const step_done_t *done,
                  berth_error_t *err);

//  ---- exec_use.c: reading is use of a lease

//  Somebody reads that exec: until it is closed, and at each tick that is due, its row says so. NULL
//  where its lease has no idleMs.
exec_use_t *use_open (execs_t *self, const exec_t *row, const request_t *req);
void use_close (execs_t *self, exec_use_t *use);
int uses_tick (execs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
               berth_error_t *err);
void uses_destroy (execs_t *self);

//  ---- exec_streams.c: readers

//  Begins to answer an exec.read; `row` is the exec's.
void stream_open (execs_t *self, const exec_read_t *ask, const exec_t *row, const request_t *req,
                  effects_t *fx);
//  The exec has more output, or has ended.
void streams_wake (execs_t *self, live_t *live);
//  The end of their exec is written: they go on to it with the spool alone.
void streams_detach (execs_t *self, live_t *live);
//  Sends what may be sent, a bounded part of it.
void streams_ready (execs_t *self, const request_t *req, effects_t *fx);
void streams_tick (execs_t *self, const request_t *req, effects_t *fx);
void streams_destroy (execs_t *self);
handler_fn exec_credit, exec_cancel;

//  Removes execs of a company that is being deleted, their output first.
handler_fn execs_clear;

#endif
