//  test_actor.c - the kit of actors: batches, failures that undo themselves only, ticks, waiting.

#include "stage.h"

#include "activity_log.h"
#include "codec.h"
#include "tables.h"

#include <stdio.h>

//  An actor that keeps runs. What it does with one stands in the run's id.
typedef struct {
    int64_t tick_ms;
    int ticks, ticks_to_fail, calls;
    int started;
    char seen [256];                //  Ids in the order of their handlers
} toy_t;

static toy_t s_toy;

static bool
s_is (const char *id, const char *prefix)
{
    return strncmp (id, prefix, strlen (prefix)) == 0;
}

static int
s_write (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    toy_t *self = me;
    const run_ref_t *ask = req->body;
    self->calls++;
    snprintf (self->seen + strlen (self->seen), sizeof self->seen - strlen (self->seen), "%s ",
              ask->run);
    if (s_is (ask->run, "early"))
        return berth_fail (err, BERTH_CONFLICT, "before a write");
    if (s_is (ask->run, "wait")) {
        effects_wait (fx, req, "subject");
        return 0;
    }
    if (s_is (ask->run, "settle")) {
        effects_settle (fx, req->arena, "subject", &nothing_schema, &(nothing_t) { 0 });
        effects_reply (fx, req, &nothing_schema, &(nothing_t) { 0 });
        return 0;
    }
    run_t run = { .id = ask->run, .company = ask->company, .state = run_state_ACQUIRED,
                  .created_at = req->now_ms, .updated_at = req->now_ms };
    activity_note_t note = activity_note (req, ACTION_RUN_ACQUIRED, ask->company, ask->run, ask->run,
                                          NULL, berth_empty_map);
    effects_work (fx, req->arena, ACTOR_LEASES, NULL, REQUEST_RUN_GET, ask->run, "step", req, 0, ask);
    effects_reply (fx, req, &run_schema, &run);
    if (run_put (txn, req->arena, &run, err) || activity_add (txn, req->arena, &note, err))
        return -1;
    if (s_is (ask->run, "late"))
        return berth_fail (err, BERTH_CONFLICT, "behind a write");
    return 0;
}

static int
s_read (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const run_ref_t *ask = req->body;
    run_t run;
    if (run_get (txn, req->arena, ask->company, ask->run, &run, err))
        return -1;
    effects_reply (fx, req, &run_schema, &run);
    return 0;
}

static int
s_tick (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    toy_t *self = me;
    (void) fx;
    self->ticks++;
    activity_note_t note = activity_note (req, ACTION_RUN_READY, "acme", "tick", NULL, NULL,
                                          berth_empty_map);
    if (activity_add (txn, req->arena, &note, err))
        return -1;
    if (self->ticks_to_fail > 0 && self->ticks_to_fail--)
        return berth_fail (err, BERTH_CONFLICT, "the tick failed");
    self->tick_ms = INT64_MAX;
    return 0;
}

static int64_t
s_next_ms (void *me)
{
    return ((toy_t *) me)->tick_ms;
}

static int
s_start (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    toy_t *self = me;
    (void) req;
    (void) txn;
    (void) fx;
    (void) err;
    self->started = self->calls ? -1 : 1;
    return 0;
}

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_RUN_HEARTBEAT] = s_write, [REQUEST_RUN_GET] = s_read,
};

static int
s_setup (void **state)
{
    stage_t *stage = stage_new ();
    static const actor_spec_t spec = { .code = ACTOR_RUNS, .handlers = s_handlers, .tick = s_tick,
                                       .next_ms = s_next_ms, .fd = -1, .start = s_start };
    s_toy = (toy_t) { .tick_ms = INT64_MAX };
    stage->actor = actor_new (&spec, &s_toy, stage->store, NULL);
    *state = stage;
    return 0;
}

static int
s_teardown (void **state)
{
    stage_t *stage = *state;
    actor_destroy (&stage->actor);
    stage_destroy ((stage_t **) state);
    return 0;
}

static uint64_t
s_ask (stage_t *stage, request_code_t type, const char *run)
{
    return stage_queue (stage, type, arena_printf (stage->arena,
        "{'companyId':'acme','heartbeatRunId':'%s'}", run));
}

static reply_status_t
s_status (stage_t *stage, uint64_t ticket)
{
    const stage_sent_t *answer = stage_answer (stage, ticket);
    return answer ? answer->status : reply_status_NONE;
}

static size_t
s_works (stage_t *stage)
{
    size_t count = 0;
    while (stage_work (stage, ACTOR_LEASES, count))
        count++;
    return count;
}

//  ---- batches

static void
test_batch (void **state)
{
    stage_t *stage = *state;
    uint64_t early = s_ask (stage, REQUEST_RUN_GET, "a");       //  Reads see the batch's writes
    uint64_t tickets [3] = { s_ask (stage, REQUEST_RUN_HEARTBEAT, "a"),
                             s_ask (stage, REQUEST_RUN_HEARTBEAT, "early"),
                             s_ask (stage, REQUEST_RUN_HEARTBEAT, "b") };
    stage_serve (stage);
    assert_string_equal (s_toy.seen, "a early b ");
    assert_int_equal (s_status (stage, early), reply_status_OK);
    assert_int_equal (s_status (stage, tickets [0]), reply_status_OK);
    assert_int_equal (s_status (stage, tickets [1]), reply_status_ERROR);
    assert_int_equal (s_status (stage, tickets [2]), reply_status_OK);
    assert_int_equal (stage_entries (stage), 2);
    assert_int_equal (s_works (stage), 2);
}

//  One that failed behind its write is undone, it alone, with what it wanted to send; nobody is
//  answered twice.
static void
test_failure_undoes_itself_only (void **state)
{
    stage_t *stage = *state;
    uint64_t tickets [4] = { s_ask (stage, REQUEST_RUN_HEARTBEAT, "a"),
                             s_ask (stage, REQUEST_RUN_HEARTBEAT, "late"),
                             s_ask (stage, REQUEST_RUN_HEARTBEAT, "early"),
                             s_ask (stage, REQUEST_RUN_HEARTBEAT, "b") };
    stage_serve (stage);
    static const reply_status_t expected [] = { reply_status_OK, reply_status_ERROR,
                                                reply_status_ERROR, reply_status_OK };
    for (size_t index = 0; index < 4; index++)
        assert_int_equal (s_status (stage, tickets [index]), expected [index]);
    assert_int_equal (stage->count, 4 + 2);
    assert_int_equal (s_works (stage), 2);
    assert_int_equal (stage_entries (stage), 2);
    assert_at (stage, stage_entry (stage, 0), "entityId", "\"b\"");
    assert_at (stage, stage_entry (stage, 1), "entityId", "\"a\"");
    uint64_t gone = s_ask (stage, REQUEST_RUN_GET, "late"), there = s_ask (stage, REQUEST_RUN_GET, "a");
    stage_serve (stage);
    assert_int_equal (s_status (stage, gone), reply_status_ERROR);
    assert_int_equal (s_status (stage, there), reply_status_OK);
}

//  Also where the rest of the batch is looked at a second time.
static void
test_refused_beside_a_failure (void **state)
{
    stage_t *stage = *state;
    stage->deadline_ms = 500;
    uint64_t late = s_ask (stage, REQUEST_RUN_HEARTBEAT, "x");
    stage->deadline_ms = 0;
    uint64_t strange = stage_queue (stage, REQUEST_RUN_RELEASE,
                                    "{'companyId':'acme','heartbeatRunId':'x'}");
    uint64_t malformed = stage_queue (stage, REQUEST_RUN_HEARTBEAT, "{'companyId':7}");
    s_ask (stage, REQUEST_RUN_HEARTBEAT, "late");
    stage_serve (stage);
    static const struct { int ticket; berth_code_t code; } cases [] = {
        { 0, BERTH_DEADLINE_EXCEEDED }, { 1, BERTH_INTERNAL }, { 2, BERTH_INVALID },
    };
    const uint64_t tickets [] = { late, strange, malformed };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        const stage_sent_t *answer = stage_answer (stage, tickets [cases [index].ticket]);
        assert_non_null (answer);
        berth_error_t err;
        error_from_body (answer->body, stage->arena, &err);
        assert_int_equal (err.code, cases [index].code);
    }
    assert_string_equal (s_toy.seen, "late late ");
    assert_int_equal (stage_entries (stage), 0);
}

//  Nothing leaves before commit: what a snapshot shows while something is sent is all of the batch.
static stage_t *s_stage;
static void
s_watch (const stage_sent_t *sent)
{
    (void) sent;
    assert_int_equal (stage_entries (s_stage), 2);
}

static void
test_sent_behind_the_commit (void **state)
{
    stage_t *stage = s_stage = *state;
    stage->watch = s_watch;
    s_ask (stage, REQUEST_RUN_HEARTBEAT, "a");
    s_ask (stage, REQUEST_RUN_HEARTBEAT, "b");
    stage_serve (stage);
    assert_int_equal (stage->count, 4);
}

//  ---- waiting

static void
test_waiting (void **state)
{
    stage_t *stage = *state;
    uint64_t first = s_ask (stage, REQUEST_RUN_HEARTBEAT, "wait1");
    stage->deadline_ms = 2500;
    uint64_t impatient = s_ask (stage, REQUEST_RUN_HEARTBEAT, "wait2");
    stage->deadline_ms = 0;
    stage_serve (stage);
    assert_int_equal (stage->count, 0);
    assert_int_equal (waiters_count (actor_waiters (stage->actor)), 2);
    stage_serve (stage);
    assert_int_equal (s_status (stage, impatient), reply_status_NONE);
    stage_serve (stage);
    assert_int_equal (s_status (stage, impatient), reply_status_ERROR);
    //  Settled in the batch in which somebody begins to wait: in their order.
    uint64_t before = s_ask (stage, REQUEST_RUN_HEARTBEAT, "wait3");
    s_ask (stage, REQUEST_RUN_HEARTBEAT, "settle");
    uint64_t behind = s_ask (stage, REQUEST_RUN_HEARTBEAT, "wait4");
    stage_serve (stage);
    assert_int_equal (s_status (stage, first), reply_status_OK);
    assert_int_equal (s_status (stage, before), reply_status_OK);
    assert_int_equal (s_status (stage, behind), reply_status_NONE);
    assert_int_equal (waiters_count (actor_waiters (stage->actor)), 1);
}

//  Who was undone has not waited.
static void
test_waiting_in_a_failed_batch (void **state)
{
    stage_t *stage = *state;
    s_ask (stage, REQUEST_RUN_HEARTBEAT, "wait");
    s_ask (stage, REQUEST_RUN_HEARTBEAT, "late");
    stage_serve (stage);
    assert_int_equal (waiters_count (actor_waiters (stage->actor)), 1);
}

//  Cancelled in the very batch in which it came.
static void
test_cancel (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = s_ask (stage, REQUEST_RUN_HEARTBEAT, "wait");
    incoming_t *cancel = &stage->queue [stage->queued++];
    *cancel = (incoming_t) { .body = berth_empty_map };
    cancel->letter = (letter_t) { .magic = LETTER_MAGIC, .type = REQUEST_STREAM_CANCEL,
                                  .ticket = ticket };
    stage_serve (stage);
    assert_int_equal (s_status (stage, ticket), reply_status_ERROR);
    assert_int_equal (waiters_count (actor_waiters (stage->actor)), 0);
}

//  ---- ticks and the start

static void
test_tick (void **state)
{
    stage_t *stage = *state;
    stage_serve (stage);
    assert_int_equal (s_toy.ticks, 0);
    s_toy.tick_ms = stage->mono_ms + 1000;
    stage_serve (stage);
    assert_int_equal (s_toy.ticks, 1);
    assert_int_equal (stage_entries (stage), 1);
    //  One that fails is undone, does not fail the batch, and is tried again a second later.
    s_toy.tick_ms = 0;
    s_toy.ticks_to_fail = 1;
    stage->step_ms = 500;
    uint64_t ticket = s_ask (stage, REQUEST_RUN_HEARTBEAT, "a");
    stage_serve (stage);
    assert_int_equal (s_status (stage, ticket), reply_status_OK);
    assert_int_equal (s_toy.ticks, 2);
    assert_int_equal (stage_entries (stage), 2);
    stage_serve (stage);
    assert_int_equal (s_toy.ticks, 2);
    stage_serve (stage);
    assert_int_equal (s_toy.ticks, 3);
    assert_int_equal (stage_entries (stage), 3);
}

static void
test_start (void **state)
{
    stage_t *stage = *state;
    stage_start (stage);
    assert_int_equal (s_toy.started, 1);
    s_ask (stage, REQUEST_RUN_HEARTBEAT, "a");
    stage_serve (stage);
    assert_int_equal (s_toy.started, 1);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_batch), TEST (test_failure_undoes_itself_only),
        TEST (test_refused_beside_a_failure), TEST (test_sent_behind_the_commit),
        TEST (test_waiting), TEST (test_waiting_in_a_failed_batch), TEST (test_cancel),
        TEST (test_tick), TEST (test_start),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
