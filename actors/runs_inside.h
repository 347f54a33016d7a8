//  runs_inside.h - what the files of the runs actor share. For them only.

#ifndef BERTH_RUNS_INSIDE_H_INCLUDED
#define BERTH_RUNS_INSIDE_H_INCLUDED

#include "actor.h"
#include "codec.h"
#include "runs.h"
#include "states.h"

#define RUNS_MAGIC 0x54125001u

struct runs {
    uint32_t magic;
    const context_t *context;
    actor_t *actor;
    struct trials *trials;          //  Tests of environments that are under way
    int64_t forget_ms;              //  When to look for settled runs that may go
    int64_t again_ms;               //  When to ask again for steps that failed; 0: none did
    int64_t started_mono_ms;        //  A start counts as a heartbeat of every run
    int64_t lost_next_ms;           //  When to look for runs that are lost; never too late
    bool heard_all;                 //  Those that the start found have been looked through,
    char heard_after [512];         //  or up to here
};

enum { RUNS_TICK_MAX = 256 };       //  Runs looked at in one tick

//  ---- runs_lost.c
handler_fn runs_heartbeat;
//  Of the tick: runs that sent a heartbeat once, and no more.
int runs_lost (runs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
               berth_error_t *err);

//  ---- runs_forget.c

//  Settled runs that were kept long enough go, if it is time to look for them.
void runs_forget (runs_t *self, const request_t *req, store_txn_t *txn);
handler_fn runs_clear;              //  Those of a company that is being deleted

//  ---- runs.c

//  A run's key as a step's subject, `<company>/<run>`, and with `what` as what requests wait for.
const char *run_subject (arena_t *arena, const char *company, const char *run, const char *what);

//  Writes the row with one entry of the log.
int run_save (const request_t *req, store_txn_t *txn, run_t *run, action_t action,
              berth_error_t *err);

//  The run's lease; conflict if it has none that is active.
int run_lease (const request_t *req, store_txn_t *txn, const run_t *run, lease_t *ret_lease,
               berth_error_t *err);

//  ---- runs_acquire.c
handler_fn runs_resolve;
handler_fn runs_acquire;
handler_fn runs_rejoin;             //  A retry of a request that waited
int runs_leased (const request_t *req, const step_done_t *done, run_t *run, store_txn_t *txn,
                 effects_t *fx, berth_error_t *err);
//  The company's own local environment; environment_not_found if it was never made.
int runs_local (const request_t *req, store_txn_t *txn, const char *company,
                environment_t *ret_env, berth_error_t *err);
void runs_send_acquire (const request_t *req, effects_t *fx, const run_t *run, int64_t deadline_ms);

//  ---- runs_realize.c
handler_fn runs_realize;
handler_fn runs_realize_again;      //  A retry of one that waited
int runs_realized (const request_t *req, const step_done_t *done, run_t *run, store_txn_t *txn,
                   effects_t *fx, berth_error_t *err);
int runs_send_realize (const request_t *req, effects_t *fx, const run_t *run, berth_error_t *err);

//  ---- runs_release.c
handler_fn runs_release;
int runs_released (runs_t *self, const request_t *req, const step_done_t *done, run_t *run,
                   store_txn_t *txn, effects_t *fx, berth_error_t *err);
//  Asks again for releases that failed, if it is time to.
int runs_release_again (runs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                        berth_error_t *err);
void runs_send_release (const request_t *req, effects_t *fx, const char *company, const char *run,
                        const char *status, const char *failure);

//  ---- runs_test.c
handler_fn runs_test;
handler_fn runs_test_end;
handler_fn runs_test_done;          //  An answer to a step whose name begins with TEST_STEP
handler_fn runs_test_again;         //  A retry of one that waited
handler_fn runs_test_expired;       //  The deadline of a client that waited
handler_fn runs_test_tick;
int64_t runs_test_next_ms (void *runs);

#define TEST_STEP "test-"

#endif
