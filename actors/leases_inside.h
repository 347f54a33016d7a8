//  leases_inside.h - what the files of the leases actor share. For them only.

#ifndef BERTH_LEASES_INSIDE_H_INCLUDED
#define BERTH_LEASES_INSIDE_H_INCLUDED

#include "actor.h"
#include "codec.h"
#include "ids.h"
#include "leases.h"
#include "provider.h"
#include "states.h"

#define LEASES_MAGIC 0x1ea5e001u

//  What a breaker remembers of calls that failed in a row.
enum { LEASES_BREAKERS = 256 };
typedef struct {
    char lease [BERTH_ID_SIZE], env [BERTH_ID_SIZE];
    int64_t at_ms;
} breaker_failure_t;

typedef enum { BREAKER_OPEN, BREAKER_CLOSE } breaker_verb_t;
typedef struct {
    char provider [64], env [BERTH_ID_SIZE];        //  env "": of all environments
    breaker_verb_t verb;            //  Which of its calls
    berth_code_t code;              //  The way in which they failed
    int64_t last_ms;
    size_t count;
    breaker_failure_t failed [BERTH_BREAKER_FAILURES];
} breaker_t;

//  When a provider's places are looked at.
enum { LEASES_SWEEPS = PROVIDERS_MAX };
typedef struct {
    int64_t next_ms;                //  Monotonic; 0: not known yet
    int64_t until_ms;               //  A sweep runs at most until then
} sweep_turn_t;

struct leases {
    uint32_t magic;
    const context_t *context;
    actor_t *actor;
    int64_t started_mono_ms;        //  A start counts as use of every lease
    int64_t next_ms;                //  When the next tick is due, monotonic; never too late
    arena_t *rows;                  //  Of one row at a time, where there are many
    struct taken_up *found;         //  What the start found and has not been taken up yet
    int64_t queue_ms;               //  When to look at queues that nobody's release moves on
    int64_t forget_ms;              //  When to look for settled leases that may go
    char forget_after [128];        //  Behind which of them; "" for the oldest
    sweep_turn_t sweeps [LEASES_SWEEPS];    //  By the provider's index
    breaker_t breakers [LEASES_BREAKERS];   //  The one that failed longest ago makes room
};

//  ---- leases.c

//  Subjects that requests wait for: <lease>/active, <lease>/place, <lease>/settled.
const char *lease_subject (arena_t *arena, const char *lease, const char *what);

//  Details of a lease's activity entry, in Paperclip's words; with `ended` also how it ended.
berth_bytes_t lease_details (const lease_t *lease, bool ended, arena_t *arena);

//  Writes the row with one entry of the log.
int lease_save (leases_t *self, const request_t *req, store_txn_t *txn, lease_t *lease,
                action_t action, berth_error_t *err);

//  Reads a lease and checks company and generation (0: not given).
int lease_find (const request_t *req, store_txn_t *txn, const char *id, const char *company,
                uint64_t generation, lease_t *ret_lease, berth_error_t *err);

//  A deadline was set: the tick must not be late for it.
void leases_due (leases_t *self, int64_t mono_ms);

//  ---- leases_acquire.c
handler_fn leases_acquire;
//  A lifetime: a number, "none", or absent (otherwise). *ret_ms 0 means none. Errors: invalid_request.
int lease_lifetime (berth_bytes_t value, uint64_t otherwise, const char *field, uint64_t *ret_ms,
                    berth_error_t *err);
handler_fn leases_place;
handler_fn leases_rejoin;                   //  A retry of a request that waited
handler_fn leases_expired_wait;             //  A client's deadline passed while it waited
int leases_opened (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                   store_txn_t *txn, effects_t *fx, berth_error_t *err);
int leases_place_done (leases_t *self, const request_t *req, const step_done_t *done,
                       lease_t *lease, store_txn_t *txn, effects_t *fx, berth_error_t *err);
int leases_resumed (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                    store_txn_t *txn, effects_t *fx, berth_error_t *err);
//  A lease as its asker wants it: looked up, admitted and granted, neither numbered nor written.
int leases_draft (leases_t *self, const request_t *req, store_txn_t *txn, const lease_acquire_t *ask,
                  const provider_t **ret_provider, lease_t *ret_lease, berth_error_t *err);
//  What the provider said of the place, into the row. Its metadata wins over config keys.
void lease_take_place (leases_t *self, const request_t *req, lease_t *lease,
                       const place_opened_t *place);
//  Answers all who wait for the lease's place to be open: it will not be.
void leases_settle_refused (const request_t *req, effects_t *fx, const lease_t *lease,
                            berth_error_t *why);
//  And the other end: it is.
void leases_settle_active (const request_t *req, effects_t *fx, const lease_t *lease);
//  A lease that was made, or waited long enough, gets its place: its row, one entry, and the provider
//  is asked, unless that opens nothing: then it is active.
int leases_begin (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                  const provider_t *provider, lease_t *lease, berth_error_t *err);
//  Asks the provider to open (or, with a step of "resume", to take up) the place of a lease.
void leases_send_open (const request_t *req, effects_t *fx, const lease_t *lease, const char *step);

//  ---- leases_release.c
handler_fn leases_release;
handler_fn leases_release_for_run, leases_release_environment;
int leases_closed (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                   store_txn_t *txn, effects_t *fx, berth_error_t *err);
//  Begins the end of a lease: one row, one entry, and the provider's close if anything is open.
int leases_begin_release (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                          lease_t *lease, const char *status, const char *failure,
                          berth_error_t *err);
//  How long to wait before the next try.
int64_t lease_backoff_ms (const lease_t *lease);
void leases_send_close (const request_t *req, effects_t *fx, const lease_t *lease);
//  The step of a close that knew no name of the place; and of one of a place that a lease has got
//  beside its own.
#define LEASE_STEP_BLIND "close-blind"
#define LEASE_STEP_EXTRA "extra"
//  A close that keeps the files: its answer confirms none that does not.
#define LEASE_STEP_KEEP "close-keep"
void leases_send_extra (const request_t *req, effects_t *fx, const lease_t *lease, const char *place);
//  Whatever it is, it goes, with its place; one that is on its way already stays there.
int leases_give_back (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                      const char *id, const char *failure, berth_error_t *err);
//  A lease has settled, or cannot yet: whoever waits for it, or for its run, is answered, and the queue
//  of its workspace moves on.
int leases_settle (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                   const lease_t *lease, berth_error_t *err);

//  ---- leases_queue.c

//  A workspace of an environment, as far as new leases on it are concerned.
typedef struct {
    concurrency_t concurrency;      //  How many it takes at a time
    const char *holder;             //  Who has it; NULL: nobody, or it takes any number
    const char *run;                //  Of the holder, or NULL
    uint64_t queued;                //  How many wait
} unit_t;
int leases_unit (const request_t *req, store_txn_t *txn, const lease_t *lease, unit_t *ret_unit,
                 berth_error_t *err);
//  May this lease, which is not written yet, have its workspace? 0: now; 1: when it is its turn.
//  Errors: conflict (it is held), busy (too many wait), not_found.
int leases_exclusive (const request_t *req, store_txn_t *txn, const lease_t *lease,
                      berth_error_t *err);
//  Writes a lease as one that waits; client_ms: how long whoever asks does, 0 for any time.
int leases_queue_join (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                       lease_t *lease, int64_t client_ms, berth_error_t *err);
//  One that waits does so no longer: nothing was opened.
int leases_queue_leave (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                        lease_t *lease, const char *status, const char *failure, berth_error_t *err);
//  What this lease had is free, as far as it is: the next get it.
int leases_queue_next (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                       const lease_t *left, berth_error_t *err);
//  The same for all queues, when that is due: at a start, and where the next could not have it.
int leases_queue_tick (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                       berth_error_t *err);
void leases_queue_due (leases_t *self, int64_t mono_ms);
//  Fills queuePosition of one that waits: never of a row that is written.
int leases_queue_position (store_txn_t *txn, lease_t *lease, berth_error_t *err);
//  Tells a request that streams how far its lease is.
int leases_queue_tell (const request_t *req, store_txn_t *txn, effects_t *fx, const lease_t *lease,
                       berth_error_t *err);

//  ---- leases_adopt.c
#define LEASE_STEP_ADOPT "adopt"            //  A place that was there before its lease
#define LEASE_STEP_AGAIN "again"            //  lease.resume
handler_fn leases_adopt, leases_resume, leases_end;
int leases_adopted (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                    store_txn_t *txn, effects_t *fx, berth_error_t *err);
int leases_taken_up (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                     store_txn_t *txn, effects_t *fx, berth_error_t *err);

//  ---- leases_discard.c
handler_fn leases_discard;

//  ---- leases_company.c
handler_fn leases_clear;

//  ---- leases_hold.c
handler_fn leases_drain, leases_undrain, leases_pause, leases_unpause;
//  May a new lease be taken of this provider, for this environment? To be asked where its row is made.
//  Errors: provider_unavailable.
int leases_admit (leases_t *self, const request_t *req, store_txn_t *txn, const char *provider,
                  const char *env, berth_error_t *err);
//  One entry about a hold, in the service's own log.
int hold_note (const request_t *req, store_txn_t *txn, const hold_t *hold, action_t action,
               const char *reason, berth_error_t *err);

//  ---- leases_reuse.c
//  The policy of a lease as it is stamped at acquire: what cannot be reused is not said to be.
lease_policy_t lease_policy_of (const lease_acquire_t *ask, const environment_t *env,
                                const provider_t *provider);
//  At its end, is the place kept for another lease? Its files are; what runs there is ended.
bool lease_keeps (const lease_t *lease);
//  It is: until somebody takes it up, or as long as places are kept.
void lease_keep (leases_t *self, const request_t *req, lease_t *lease);
//  Its environment is gone, or going: nobody can take its place up any more.
bool lease_is_left (const request_t *req, store_txn_t *txn, const lease_t *lease);
//  A place for a lease that is about to be written: one that is kept and fits becomes its own, those
//  that no longer fit are destroyed.
int leases_reuse (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                  lease_t *lease, berth_error_t *err);
//  The step that opens it: "open", or "reuse".
const char *lease_opening_step (const lease_t *lease);
//  The place was taken up; or it was not, and another is opened.
int leases_reused (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                   store_txn_t *txn, effects_t *fx, berth_error_t *err);
//  The kept place of a settled lease goes; asked again until the provider confirms.
int leases_destroy_place (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                          lease_t *lease, berth_error_t *err);
int leases_destroyed (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                      store_txn_t *txn, berth_error_t *err);
//  Places that nobody took up in time, and destroys that are to be tried again; or all of them.
int leases_sweep_kept (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, bool all,
                       berth_error_t *err);

//  ---- leases_breaker.c
//  A call was answered by its provider: with success (why->code BERTH_OK) or a failure. Places are
//  opened, or taken up; and closed.
int leases_breaker_told (leases_t *self, const request_t *req, store_txn_t *txn,
                         const lease_t *lease, breaker_verb_t verb, const berth_error_t *why,
                         berth_error_t *err);
//  Is the provider, or this environment of it, left alone? One acquire is let through when it is
//  tried again. Errors: provider_unavailable, with when that is.
int leases_breaker_admit (const request_t *req, store_txn_t *txn, const char *provider,
                          const char *env, berth_error_t *err);

//  ---- leases_sweep.c
handler_fn leases_sweep_now;
//  Begins what is due.
int leases_sweep_due (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                      berth_error_t *err);
//  A page of a list, or that it cannot be read.
int leases_listed (leases_t *self, const request_t *req, const step_done_t *done, store_txn_t *txn,
                   effects_t *fx, berth_error_t *err);

#define SWEEP_SUBJECT "~sweep/"
#define SWEEP_STEP_LIST "sweep-"
#define SWEEP_STEP_ORPHAN "orphan"
#define SWEEP_STEP_CHECK "check"
enum { SWEEP_IN_A_ROW = 2 };

//  ---- leases_suspects.c

//  The lease that holds a place; 1: none does. lease_holds_place: one that is not settled, and not `but`.
int lease_of_place (const request_t *req, store_txn_t *txn, const char *provider, const char *place,
                    lease_t *ret_lease, berth_error_t *err);
int lease_holds_place (const request_t *req, store_txn_t *txn, const char *provider, const char *place,
                       const char *but, lease_t *ret_lease, berth_error_t *err);
//  A place is in the list: is it an orphan? And one is not that should be.
int suspects_listed (const request_t *req, store_txn_t *txn, sweep_t *sweep, const place_listed_t *item,
                     berth_error_t *err);
int suspects_missing (const request_t *req, store_txn_t *txn, sweep_t *sweep, const char *place,
                      berth_error_t *err);
//  Names that should be in the list, to an array of BERTH_SWEEP_PAGE.
int suspects_expected (const request_t *req, store_txn_t *txn, sweep_t *sweep, const char **names,
                       size_t *ret_count, berth_error_t *err);
//  At the end of a sweep: those that were not seen go, those that are ripe are acted upon.
int suspects_act (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, sweep_t *sweep,
                  berth_error_t *err);
//  What came of it.
int leases_orphan_closed (const request_t *req, const step_done_t *done, store_txn_t *txn,
                          berth_error_t *err);
int leases_checked (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                    store_txn_t *txn, effects_t *fx, berth_error_t *err);

//  ---- leases_forget.c
//  Settled leases that were kept long enough go; says when the next look is due.
void leases_forget (leases_t *self, const request_t *req, store_txn_t *txn);

//  ---- leases_deadline.c

//  What ends a lease next, if nobody does.
typedef enum {
    LEASE_LIMIT_NONE, LEASE_LIMIT_MAX, LEASE_LIMIT_IDLE, LEASE_LIMIT_PROVIDER, LEASE_LIMIT_RETAINED
} lease_limit_t;
lease_limit_t lease_limit (const lease_t *lease);

//  Grants ms from now on (0: no end of its own), as far as provider and idleMs let it; it is used now.
void lease_deadline (leases_t *self, const request_t *req, lease_t *lease, uint64_t ms);
//  Its provider ends it then (wall clock), whatever is renewed.
void lease_provider_ends (leases_t *self, const request_t *req, lease_t *lease, int64_t expires_at);
//  A request used it; or it is known to have been used then. An idle deadline begins anew.
void lease_used (leases_t *self, const request_t *req, lease_t *lease);
void lease_used_at (leases_t *self, const request_t *req, lease_t *lease, int64_t mono_ms);
//  It is active now: nobody could use it before.
void lease_begun (leases_t *self, const request_t *req, lease_t *lease);
//  It is retained, for so long. Its state says so already.
void lease_retained (leases_t *self, const request_t *req, lease_t *lease, int64_t keep_ms);
//  Of a row of another boot: its times on this boot's clock, from the wall clock, plus one grace; a
//  start counts as use. False: it is of this boot.
bool lease_rebase (leases_t *self, const request_t *req, lease_t *lease);
//  The row is looked at then (0: never), or when its deadline asks for it next.
void lease_look_at (leases_t *self, const request_t *req, lease_t *lease, int64_t mono_ms);
void lease_look_later (leases_t *self, const request_t *req, lease_t *lease);
//  The least of the seconds at which environment.lease_expiring is said that is not below what is left;
//  0: there is more left than any of them.
uint64_t lease_warning_s (int64_t left_ms);

//  ---- leases_bind.c

//  bind: connection. May this request ask for it? Errors: invalid_request.
int lease_may_bind (const request_t *req, const lease_acquire_t *ask, berth_error_t *err);
//  Its stream lasts as long as the lease, and says the row when that is active.
void leases_bind (const request_t *req, effects_t *fx, const lease_t *lease);
//  Tells it that the lease is active, or has ended; or that it will not open.
void leases_bound_tell (const request_t *req, effects_t *fx, const lease_t *lease);
void leases_bound_refused (const request_t *req, effects_t *fx, const lease_t *lease,
                           const berth_error_t *why);
//  Is it such a stream that waits for this subject? It was ended: so is the lease.
bool lease_is_bound_to (const char *subject);
int leases_unbound (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                    lease_t *lease, berth_error_t *err);
//  Nobody has come back for it since the start, and the time for that is over.
bool lease_unheard (leases_t *self, const request_t *req, const lease_t *lease);

//  ---- leases_home.c

//  The files of a lease that expired come home before its place goes, if its policy says so: may they?
bool lease_goes_home (const lease_t *lease);
//  Its processes have ended: asks for that. The row is to be written.
void leases_send_home (const request_t *req, effects_t *fx, lease_t *lease);
//  They are home, or not.
int leases_came_home (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                      store_txn_t *txn, effects_t *fx, berth_error_t *err);

//  ---- leases_renew.c
handler_fn leases_renew;
//  How long it has now, and what made that less than asked_ms (0: no end was asked for).
void lease_granted (const request_t *req, const lease_t *lease, uint64_t asked_ms,
                    lease_renewed_t *ret_renewed);

//  ---- leases_time.c
handler_fn leases_tick;

//  ---- leases_start.c
handler_fn leases_start, leases_release_all;
//  The next of those that a start found, a bounded number of them.
int leases_take_up (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                    berth_error_t *err);

#endif
