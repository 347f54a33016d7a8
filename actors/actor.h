//  actor.h - the kit of every actor: what has arrived is one batch, one commit, then its effects.
//
//  An actor is a thin loop around functions of (state, request, now): nothing in a handler reads
//  a clock, makes an id by itself, sends, waits or calls a provider. An actor's own struct is its
//  state; the kit owns the sockets, the batch, the waiters.
//
//  A handler that fails leaves nothing behind, neither rows nor effects. It may be run a second
//  time (when another request of its batch had to be undone), so what it changes in the actor's
//  own memory must bear repeating.

#ifndef BERTH_ACTOR_H_INCLUDED
#define BERTH_ACTOR_H_INCLUDED

#include "activity_log.h"
#include "effects.h"
#include "store.h"
#include "tables.h"
#include "wiring.h"

#include <stdatomic.h>

typedef struct actor actor_t;

typedef struct request {
    const request_row_t *row;       //  Of the table; NULL for a tick
    const letter_t *letter;
    const void *body;               //  The struct of row->request
    berth_bytes_t data;             //  Frame 2, if there was one
    arena_t *arena;                 //  Lives until the batch is done
    int64_t now_ms, mono_ms;        //  The same for the whole batch
    const char *boot;               //  Boot id of mono_ms
    const char *subject;            //  Of an expired waiter: what it waited for
    const char *company;            //  That a client's request names, or NULL
    quotas_t *quotas;               //  NULL: no limits
    trust_t *trust;                 //  NULL: of tests that confine nobody
    void (*make_id) (char text [37]);
} request_t;

//  A new id, in the arena.
const char *id_new (const request_t *req);

//  Decides about one request: reads and writes rows, appends activity, queues effects. READ
//  requests get a snapshot. Returns 0, or -1 with *err: the kit answers it.
typedef int (handler_fn) (void *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                          berth_error_t *err);

typedef struct {
    actor_code_t code;
    handler_fn *const *handlers;    //  REQUEST_COUNT of them, by code; NULL: not this actor's
    //  Time is a request too: called (in a write transaction) when next_ms has come. NULL: never.
    handler_fn *tick;
    int64_t (*next_ms) (void *self);    //  Monotonic; INT64_MAX: nothing is due
    //  A client that waited for req->subject ran out of its deadline: what it was doing is to be
    //  answered (deadline_exceeded with the ids so far) and undone. NULL: answered by the kit.
    handler_fn *expired;
    //  One more descriptor to poll (an epoll of its own): `ready` is called when it can be read, not
    //  in a transaction (txn is NULL); what it has to write down it leaves to the next tick, which
    //  it makes due. fd: -1 for none.
    int fd;
    handler_fn *ready;
    //  A client went away or cancelled, or gave credit to a request of ours that streams; not in a
    //  transaction (txn is NULL). NULL: the actor has no streams.
    handler_fn *credit, *cancel;
    //  Who went away or cancelled while it waited is handed to `expired`, with letter->cancelled.
    bool cancel_expires;
    //  A retry (same idempotency key) of a request that waited for req->subject: answer it from its
    //  row, or let it wait again. NULL: the handler itself bears repeating, and is run again.
    handler_fn *rejoin;
    //  Called once before the first batch: send what the rows say is due. NULL: nothing.
    handler_fn *start;
} actor_spec_t;

//  What other threads may read of an actor.
typedef struct {
    const char *name;
    atomic_uint_fast64_t requests, failures, batches, busy;
    atomic_uint_fast64_t malformed;             //  Bodies that were none of their schema
    atomic_uint_fast64_t waiting;               //  For something to settle, now
    atomic_int_fast64_t serving_since_ms;       //  Monotonic; 0: idle
    atomic_uint_fast64_t taken, taken_bytes;    //  Out of the clients' inbox
    atomic_bool wanted;                         //  The front door waits for more to be taken
} actor_stats_t;

//  Takes the inboxes of `code` out of the wiring. `self` is handed to every handler. Everything
//  outlives the actor. Cannot fail.
actor_t *actor_new (const actor_spec_t *spec, void *self, store_t *store, wiring_t *wiring);
void actor_destroy (actor_t **self_p);

enum { ACTOR_EXTRA_MAX = 16 };

//  The body of a zactor: signals ready, serves until $TERM.
void actor_run (actor_t *self, zsock_t *pipe);

//  The same for an actor with sockets of its own (their descriptors, at most ACTOR_EXTRA_MAX): after each turn (a message, a kick, or
//  every_ms) `turn` is called, outside of any transaction; it returns true to be called again at
//  once.
void actor_run_with (actor_t *self, zsock_t *pipe, const int *extra, size_t count, long every_ms,
                     bool (*turn) (void *self), void *context);

actor_stats_t *actor_stats_of (actor_code_t code);      //  Of this process, for the front door
waiters_t *actor_waiters (actor_t *self);
void actor_set_quotas (actor_t *self, quotas_t *quotas);     //  For tests: they have no wiring

//  Who may do what: taken out of the wiring; tests set it.
void actor_set_trust (actor_t *self, trust_t *trust);

//  Runs requests as one batch, without sockets: for tests and the simulation. `send` gets what
//  would be sent.
typedef struct {
    letter_t letter;
    berth_bytes_t body, data;
} incoming_t;
void actor_serve (actor_t *self, const incoming_t *batch, size_t count, int64_t now_ms,
                  int64_t mono_ms, effect_send_fn *send, void *context);

//  When something is due without a request (a tick, a waiter's deadline), monotonic; INT64_MAX: nothing
//  is.
int64_t actor_next_ms (actor_t *self);

//  What comes before the first batch, in a batch of its own.
void actor_serve_start (actor_t *self, int64_t now_ms, int64_t mono_ms, effect_send_fn *send,
                        void *context);

//  What a request says, and whether its sender may ask about that (admit.c). Fills req->row, body
//  and data. Of a sender that is confined to companies of its own, what belongs to others does not
//  exist for `txn` from here on: let the transaction see all again behind the handler.
int request_admit (request_t *req, const incoming_t *incoming, trust_t *trust, store_txn_t *txn,
                   berth_error_t *err);

//  Who pays for a request: the company that it names; else, of a sender that is confined or comes
//  over the network, its only company, or else itself (QUOTA_PRINCIPAL before its name). NULL: nobody.
const char *request_payer (const request_t *req);

//  May its sender name any folder of this host? Who comes by a local socket as operator may; steps,
//  which were looked at when they were asked for, too.
bool host_is_free (const request_t *req);

//  A folder of this host that the request names in `field`: 0, or -1: forbidden, if it does not lie
//  beneath the sender's workspace roots. What is opened for a sender that is not free must be opened
//  without following links.
int host_path_check (const request_t *req, berth_bytes_t path, const char *field,
                     berth_error_t *err);

//  May its sender use this driver? forbidden: `local` over the network, unless configured.
int driver_check (const request_t *req, const char *driver, berth_error_t *err);

//  ---- small things handlers share

//  A field `companyId` that was given must be the row's own: otherwise the thing does not exist.
int company_check (const char *given, const char *own, const char *noun, const char *id,
                   berth_error_t *err);

//  Can a company be called so? It is a segment of a topic and of keys: [A-Za-z0-9._:-]*.
bool company_is (const char *text);

//  Of a client's request: companies are [A-Za-z0-9._:-]+, other foreign ids have no control bytes.
//  *ret_company is its companyId, NULL if it names none.
int foreign_ids_check (const berth_schema_t *schema, const void *body, const char **ret_company,
                       berth_error_t *err);

//  May the company have one more live lease, or exec (*spool_max becomes at most what is left to it)?
//  To be asked where the row is made: a repeat that finds its row takes nothing. Errors: busy.
int lease_room (const request_t *req, store_txn_t *txn, const char *company, berth_error_t *err);
int exec_room (const request_t *req, store_txn_t *txn, const char *company, uint64_t *spool_max,
               berth_error_t *err);

//  On whose behalf a request came, for an activity entry.
activity_note_t activity_note (const request_t *req, action_t action, const char *company,
                               const char *entity, const char *run, const char *agent,
                               berth_bytes_t details);

//  An error_body (from a step.done) as an error again.
void error_from_body (berth_bytes_t packed, arena_t *arena, berth_error_t *err);

#endif
