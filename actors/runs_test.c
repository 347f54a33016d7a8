//  runs_test.c - owns the road of a test of an environment: lease > place > commands > release
//  (Paperclip: reference, section 8, "Test route").
//
//  Tests are kept in memory only, and touched only behind a commit: what a crash leaves of one is a
//  lease without a run that ends by itself.

#include "runs_inside.h"

#include "log.h"
#include "registry.h"
#include "target.h"
#include "trials.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRIAL_LEASE_MS = 300000,        //  What a test holds ends by itself after that
    TRIAL_COMMAND_MS = 60000,
    TRIAL_STEP_MS = 1200000         //  Longer than a step's own deadline: it was never answered
};

static const char *const s_steps [TRIAL_PHASES] = {
    [TRIAL_LEASE] = TEST_STEP "lease", [TRIAL_PLACE] = TEST_STEP "place",
    [TRIAL_COMMAND] = TEST_STEP "command", [TRIAL_RELEASE] = TEST_STEP "release",
};
static const char s_end_step [] = TEST_STEP "end", s_end [] = "test-end ";

//  ---- the road

static uint64_t
s_timeout_ms (const trial_t *self)
{
    return self->ask.timeout_ms ? self->ask.timeout_ms : TRIAL_COMMAND_MS;
}

static void
s_send (trial_t *self, trial_phase_t phase, const request_t *req, effects_t *fx, actor_code_t to,
        request_code_t type, const void *body)
{
    self->phase = phase;
    self->give_up_ms = req->mono_ms + TRIAL_STEP_MS;
    effects_work (fx, req->arena, to, NULL, type, self->subject, s_steps [phase], req, 0, body);
}

static void
s_acquire (trial_t *self, const request_t *req, effects_t *fx)
{
    arena_t *arena = req->arena;
    lease_acquire_t acquire = {
        .company = self->ask.company, .env = self->env, .adapter = self->ask.adapter,
        .max_lease = any_get (any_set_number (berth_empty_map, "ms", TRIAL_LEASE_MS, arena), "ms"),
        .metadata = any_set_truth (berth_empty_map, "environmentTest", true, arena),
    };
    s_send (self, TRIAL_LEASE, req, fx, ACTOR_LEASES, REQUEST_LEASE_ACQUIRE, &acquire);
}

static void
s_release (trial_t *self, const request_t *req, effects_t *fx, const char *failure)
{
    lease_release_t release = {
        .id = self->lease, .company = self->ask.company,
        .status = failure ? "failed" : "released", .failure = failure,
    };
    s_send (self, TRIAL_RELEASE, req, fx, ACTOR_LEASES, REQUEST_LEASE_RELEASE, &release);
}

static void
s_finish (trial_t *self, const request_t *req, effects_t *fx)
{
    self->phase = self->answer.size ? TRIAL_DONE : TRIAL_FREE;
    self->give_up_ms = req->mono_ms;        //  When it ended
    environment_tested_t tested;
    berth_error_t err = { 0 };
    if (!self->answer.size)
        return;                             //  It was cancelled
    int rc = berth_unpack_own (&environment_tested_schema, self->answer, req->arena, &tested, &err);
    ENSURE (rc == 0);
    effects_settle (fx, req->arena, self->subject, &environment_tested_schema, &tested);
}

//  The result is known. What is held stays; all else is given back before it is told.
static void
s_conclude (trial_t *self, const request_t *req, effects_t *fx)
{
    environment_tested_t tested = tested_of (&self->ask, self->checks, self->count, req->now_ms);
    bool failed = tested.status == test_status_FAIL;
    bool held = self->ask.hold && !failed && self->lease && self->target.size;
    if (held) {
        tested.lease = self->lease;
        tested.target = self->target;
    }
    self->answer = berth_pack (&environment_tested_schema, &tested, self->arena);
    if (self->lease && !held)
        s_release (self, req, fx, failed ? "the test of its environment failed" : NULL);
    else
        s_finish (self, req, fx);
}

static void
s_run (trial_t *self, const request_t *req, effects_t *fx)
{
    if (self->command == self->ask.commands.count) {
        s_conclude (self, req, fx);
        return;
    }
    const char *text = self->ask.commands.items [self->command];
    exec_start_t start = {
        .lease = self->lease, .company = self->ask.company, .generation = self->generation,
        .script = { (const uint8_t *) text, strlen (text) }, .timeout_ms = s_timeout_ms (self),
    };
    s_send (self, TRIAL_COMMAND, req, fx, ACTOR_EXECS, REQUEST_EXEC_RUN_STEP, &start);
}

static const char *
s_about (const trial_t *self, const char *what, arena_t *arena)
{
    return arena_printf (arena, "%s environment \"%s\" (%s).", what, self->env_name, self->driver);
}

static void
s_leased (trial_t *self, const step_done_t *done, const request_t *req, effects_t *fx)
{
    arena_t *arena = req->arena;
    lease_t lease;
    berth_error_t err = { 0 };
    if (!done->ok) {
        trial_found_failure (self, "environment_lease_acquire_failed",
                             s_about (self, "No lease could be acquired for", arena), done,
                             "environment.probe may say more", arena);
        if (self->cancelled)
            s_finish (self, req, fx);
        else
            s_conclude (self, req, fx);
        return;
    }
    int rc = berth_unpack_own (&lease_schema, done->result, arena, &lease, &err);
    ENSURE (rc == 0);
    self->lease = arena_string (self->arena, lease.id);
    self->generation = lease.generation;
    if (self->cancelled) {
        s_release (self, req, fx, "the deadline of its client passed");
        return;
    }
    lease_target_t target = target_of (&lease, self->ask.adapter, self->arena);
    self->target = target.target;
    if (!target.target.size) {
        const char *message =
            arena_printf (arena, "Adapter \"%s\" cannot run in environment \"%s\" (%s).",
                          self->ask.adapter ? self->ask.adapter : "any", self->env_name,
                          self->driver);
        trial_found (self, test_level_WARN, "environment_target_unsupported", message, NULL,
                     "environment.capabilities says which can");
        s_conclude (self, req, fx);
    }
    else if (self->ask.commands.count && lease.place == place_state_ABSENT) {
        lease_place_t place = { .lease = self->lease };
        s_send (self, TRIAL_PLACE, req, fx, ACTOR_LEASES, REQUEST_LEASE_PLACE, &place);
    }
    else
        s_run (self, req, fx);
}

static void
s_placed (trial_t *self, const step_done_t *done, const request_t *req, effects_t *fx)
{
    if (done->ok) {
        s_run (self, req, fx);
        return;
    }
    trial_found_failure (self, "environment_workspace_realize_failed",
                         s_about (self, "No place could be made ready in", req->arena), done, NULL,
                         req->arena);
    s_conclude (self, req, fx);
}

static void
s_ran (trial_t *self, const step_done_t *done, const request_t *req, effects_t *fx)
{
    arena_t *arena = req->arena;
    exec_result_t result;
    berth_error_t err = { 0 };
    if (done->ok) {
        int rc = berth_unpack_own (&exec_result_schema, done->result, arena, &result, &err);
        ENSURE (rc == 0);
        trial_found_result (self, &result, s_timeout_ms (self), arena);
    }
    else
        trial_found_failure (self, "environment_command_failed",
                             arena_printf (arena, "Command \"%s\" could not be started.",
                                           trial_command (self, arena)), done, NULL, arena);
    self->command++;
    s_run (self, req, fx);
}

static void
s_stepped (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) what;
    runs_t *runs = actor;
    const step_done_t *done = req->body;
    trial_t *trial = trials_find (runs->trials, done->subject);
    if (!trial || !s_steps [trial->phase] || strcmp (s_steps [trial->phase], done->step))
        return;                     //  Nobody waits for it any more
    if (trial->phase == TRIAL_LEASE)
        s_leased (trial, done, req, fx);
    else if (trial->phase == TRIAL_PLACE)
        s_placed (trial, done, req, fx);
    else if (trial->phase == TRIAL_COMMAND)
        s_ran (trial, done, req, fx);
    else
        s_finish (trial, req, fx);  //  A release that failed changes no result: leases goes on
}

int
runs_test_done (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    const step_done_t *done = req->body;
    if (strcmp (done->step, s_end_step)) {
        effects_call (fx, req, s_stepped, me, NULL);
        return 0;
    }
    lease_t lease;
    berth_error_t why;
    if (!done->ok) {
        error_from_body (done->error, req->arena, &why);
        effects_settle_error (fx, req->arena, done->subject, &why);
        return 0;
    }
    if (berth_unpack_own (&lease_schema, done->result, req->arena, &lease, err))
        return -1;
    effects_settle (fx, req->arena, done->subject, &lease_schema, &lease);
    return 0;
}

//  ---- the requests

typedef struct {
    const char *subject;
    const environment_test_t *ask;
    environment_t env;
} plan_t;

static void
s_begin (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    runs_t *runs = actor;
    const plan_t *plan = what;
    berth_error_t err = { 0 };
    trial_t *trial = trials_begin (runs->trials, plan->subject, &plan->env, plan->ask);
    if (!trial) {
        (void) berth_fail (&err, BERTH_BUSY, "%d environments are being tested already",
                           TRIALS_MAX);
        effects_settle_error (fx, req->arena, plan->subject, &err);
        return;
    }
    s_acquire (trial, req, fx);
}

//  What is known without a lease is answered at once.
static int
s_answer (const request_t *req, effects_t *fx, const test_check_t *check)
{
    static const test_check_t none [1];
    environment_tested_t tested = tested_of (req->body, check ? check : none, check ? 1 : 0,
                                            req->now_ms);
    effects_reply (fx, req, &environment_tested_schema, &tested);
    return 0;
}

static int
s_answer_warning (const request_t *req, effects_t *fx, const char *code, const char *message,
                  const char *detail, const char *hint)
{
    test_check_t check = check_of (test_level_WARN, code, message, detail, hint, req->arena);
    return s_answer (req, fx, &check);
}

//  An environment of driver ssh: has this adapter a target there at all? 1: it was answered.
static int
s_ssh (const request_t *req, effects_t *fx, const environment_t *env)
{
    const environment_test_t *ask = req->body;
    if (adapter_supported (ask->adapter, env->driver))
        return 0;
    const char *message = arena_printf (req->arena,
        "Adapter \"%s\" cannot run in environment \"%s\" (ssh).", ask->adapter, env->name);
    s_answer_warning (req, fx, "environment_target_unavailable", message, NULL,
                      "environment.capabilities says which can");
    return 1;
}

int
runs_test (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const environment_test_t *ask = req->body;
    for (size_t index = 0; index < ask->commands.count; index++)
        if (!*ask->commands.items [index]) {
            berth_error_set (err->field, sizeof err->field, "commands.%zu", index);
            return berth_fail (err, BERTH_INVALID, "field 'commands.%zu' is empty", index);
        }
    bool works = ask->commands.count || ask->hold;
    if (!ask->id && !works)
        return s_answer (req, fx, NULL);    //  The adapter looks at its host by itself
    plan_t *plan = arena_new_of (req->arena, plan_t);
    environment_t *env = &plan->env;
    berth_error_t why = { 0 };
    if (ask->id ? environment_find (txn, req->arena, ask->company, ask->id, env, &why)
                : runs_local (req, txn, ask->company, env, &why)) {
        if (why.code == BERTH_ENVIRONMENT_NOT_FOUND)
            return s_answer_warning (req, fx, "environment_not_found", why.text, NULL, why.remedy);
        *err = why;
        return -1;
    }
    if (env->driver == environment_driver_LOCAL && !works
        && env->status == environment_status_ACTIVE)
        return s_answer (req, fx, NULL);
    if (env->driver == environment_driver_SSH && s_ssh (req, fx, env))
        return 0;
    plan->ask = ask;
    plan->subject = arena_printf (req->arena, "test %s", id_new (req));
    effects_wait (fx, req, plan->subject);
    effects_call (fx, req, s_begin, me, plan);
    return 0;
}

//  The answer, out of its room: another test may take that before this one is sent.
static void
s_tell (const trial_t *self, const request_t *req, effects_t *fx)
{
    berth_bytes_t answer = { arena_copy (req->arena, self->answer.data, self->answer.size),
                             self->answer.size };
    effects_reply_packed (fx, req, answer);
}

int
runs_test_again (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                 berth_error_t *err)
{
    runs_t *self = me;
    const trial_t *trial = trials_find (self->trials, req->subject);
    if (!trial || trial->cancelled)
        return runs_test (me, req, txn, fx, err);
    if (trial->phase == TRIAL_DONE)
        s_tell (trial, req, fx);
    else
        effects_wait (fx, req, req->subject);   //  Before what settles it in this very batch
    return 0;
}

int
runs_test_end (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const environment_test_end_t *ask = req->body;
    lease_t lease;
    if (lease_get (txn, req->arena, ask->lease, &lease, err)
        || company_check (ask->company, lease.company, "lease", ask->lease, err))
        return -1;
    berth_error_set (err->lease_id, sizeof err->lease_id, "%s", lease.id);
    if (lease.run || !any_truth (lease.metadata, "environmentTest", false))
        return berth_fail (err, BERTH_CONFLICT, "lease '%s' is not held by a test", lease.id);
    bool failed = ask->status == test_ending_FAILED;
    lease_release_t release = {
        .id = lease.id, .company = lease.company, .status = failed ? "failed" : "released",
        .failure = failed ? "the test of its environment failed" : NULL,
    };
    const char *subject = arena_printf (req->arena, "%s%s", s_end, lease.id);
    effects_wait (fx, req, subject);
    effects_work (fx, req->arena, ACTOR_LEASES, NULL, REQUEST_LEASE_RELEASE, subject, s_end_step,
                  req, 0, &release);
    return 0;
}

//  ---- time

//  Nobody else waits: what was opened is closed again. A result that is known is told.
static void
s_cancel (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    runs_t *runs = actor;
    trial_t *trial = trials_find (runs->trials, what);
    berth_error_t why = { 0 };
    if (trial && trial->answer.size) {
        s_tell (trial, req, fx);
        return;
    }
    if (trial && trial->lease)
        berth_error_set (why.lease_id, sizeof why.lease_id, "%s", trial->lease);
    if (trial && !waiters_any (actor_waiters (runs->actor), what)) {
        trial->cancelled = true;
        if (trial->lease && trial->phase != TRIAL_RELEASE)
            s_release (trial, req, fx, "the deadline of its client passed");
    }
    (void) berth_fail (&why, BERTH_DEADLINE_EXCEEDED,
                       "the deadline passed before environment.test had settled");
    effects_fail (fx, req, &why);
}

int
runs_test_expired (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                   berth_error_t *err)
{
    (void) txn;
    (void) err;
    if (req->letter->type == REQUEST_ENVIRONMENT_TEST) {
        effects_call (fx, req, s_cancel, me, arena_string (req->arena, req->subject));
        return 0;
    }
    berth_error_t why = { 0 };
    berth_error_set (why.lease_id, sizeof why.lease_id, "%s", req->subject + sizeof s_end - 1);
    (void) berth_fail (&why, BERTH_DEADLINE_EXCEEDED,
                       "the deadline passed before the lease was given back; it goes on");
    effects_fail (fx, req, &why);
    return 0;
}

int64_t
runs_test_next_ms (void *me)
{
    const runs_t *self = me;
    int64_t next_ms = INT64_MAX;
    for (size_t index = 0; index < TRIALS_MAX; index++) {
        const trial_t *trial = &self->trials->items [index];
        if (trial_is_under_way (trial) && trial->give_up_ms < next_ms)
            next_ms = trial->give_up_ms;
    }
    if (self->context->retention.kept_ms [KEPT_RUNS] && self->forget_ms < next_ms)
        next_ms = self->forget_ms;
    return self->again_ms && self->again_ms < next_ms ? self->again_ms : next_ms;
}

//  Every step has a deadline of its own, so this is a defect. The lease ends by itself.
static void
s_give_up (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) what;
    runs_t *runs = actor;
    for (size_t index = 0; index < TRIALS_MAX; index++) {
        trial_t *trial = &runs->trials->items [index];
        if (!trial_is_under_way (trial) || trial->give_up_ms > req->mono_ms)
            continue;
        berth_error_t why = { 0 };
        (void) berth_fail (&why, BERTH_PROVIDER_TIMEOUT, "step %s of a test was never answered",
                           s_steps [trial->phase]);
        log_fault ("runs", "test", &why);
        if (!trial->answer.size)
            effects_settle_error (fx, req->arena, trial->subject, &why);
        s_finish (trial, req, fx);
    }
}

int
runs_test_tick (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (runs_release_again (me, req, txn, fx, err))
        return -1;
    runs_forget (me, req, txn);
    effects_call (fx, req, s_give_up, me, NULL);
    return 0;
}
