//  test_runs_lost.c - runs that sent a heartbeat and fell silent: released once, as failed; over
//  restarts, boots and a wall clock that is set.

#include "stage.h"

#include "clock.h"
#include "codec.h"
#include "runs.h"

#define BOX   "22222222-2222-7222-8222-222222222222"
#define PLACE "55555555-5555-7555-8555-555555555555"
#define ASK(...) arena_printf (stage->arena, __VA_ARGS__)
#define R(id) ASK ("{'companyId':'acme','heartbeatRunId':'%s'}", id)

enum { LOST_MS = BERTH_LOST_AFTER_MS };

static runs_t *s_runs;

static void
s_restart (stage_t *stage)
{
    berth_error_t err = { 0 };
    runs_destroy (&s_runs);
    s_runs = runs_new (&stage->context, &err);
    stage->actor = runs_kit (s_runs);
    stage_start (stage);
}

static int
s_setup (void **state)
{
    stage_t *stage = stage_new ();
    s_restart (stage);
    stage->step_ms = 0;
    stage_serve (stage);
    *state = stage;
    return 0;
}

static int
s_teardown (void **state)
{
    runs_destroy (&s_runs);
    stage_destroy ((stage_t **) state);
    return 0;
}

static run_t
s_row (stage_t *stage, const char *id)
{
    berth_error_t err = { 0 };
    run_t run;
    store_txn_t *txn;
    assert_ok (store_read (stage->store, &txn, &err), err);
    assert_ok (run_get (txn, stage->arena, "acme", id, &run, &err), err);
    store_txn_destroy (&txn);
    return run;
}

static void
s_put (stage_t *stage, const run_t *run)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_begin (stage->store, &txn, &err), err);
    assert_ok (run_put (txn, stage->arena, run, &err), err);
    assert_ok (store_commit (&txn, &err), err);
}

static void
s_new (stage_t *stage, const char *id)
{
    run_t run = { .id = id, .company = "acme", .state = run_state_READY, .env = BOX, .lease = PLACE,
                  .created_at = 1, .updated_at = 1 };
    s_put (stage, &run);
}

//  Runs that are being released, by what this batch sent.
static size_t
s_lost (stage_t *stage)
{
    size_t count = 0;
    for (size_t index = 0; index < stage->count; index++)
        count += stage->sent [index].to == ACTOR_LEASES
              && stage->sent [index].letter.type == REQUEST_LEASE_RELEASE_FOR_RUN;
    return count;
}

static size_t
s_pass (stage_t *stage, int64_t ms)
{
    stage->now_ms += ms;
    stage->mono_ms += ms;
    stage_serve (stage);
    return s_lost (stage);
}

static void
test_silent (void **state)
{
    stage_t *stage = *state;
    s_new (stage, "r1");
    s_new (stage, "quiet");                         //  Never sent one: never lost
    stage_ok (stage, REQUEST_RUN_HEARTBEAT, R ("r1"));
    assert_int_equal (s_pass (stage, LOST_MS - 1), 0);
    stage_ok (stage, REQUEST_RUN_HEARTBEAT, R ("r1"));
    stage->now_ms += 86400000;                      //  Whatever the wall clock does
    assert_int_equal (s_pass (stage, LOST_MS - 1), 0);
    stage->now_ms -= 2 * 86400000ll;
    assert_int_equal (s_pass (stage, 1), 1);
    run_t run = s_row (stage, "r1");
    assert_int_equal (run.state, run_state_RELEASING);
    assert_string_equal (run.error_code, "process_lost");
    const char *why = "the run sent no heartbeat for 300 s; it is lost after 300 s";
    assert_string_equal (run.error, why);
    const stage_sent_t *release = stage_work (stage, ACTOR_LEASES, 0);
    assert_at (stage, release->body, "status", "\"failed\"");
    assert_string_equal (stage_text (stage, release->body, "failureReason"), why);
    assert_string_equal (stage_text (stage, stage_entry (stage, 0), "action"), "run.releasing");
    letter_t letter = release->letter;

    //  A second sweep does nothing, nor does one after it has settled.
    uint64_t entries = stage_entries (stage);
    assert_int_equal (s_pass (stage, LOST_MS), 0);
    assert_int_equal (stage_entries (stage), entries);
    stage_queue_done (stage, &letter, true, "{'released':[],'errors':[]}");
    stage_serve (stage);
    assert_int_equal (s_row (stage, "r1").state, run_state_RELEASED);
    stage_ok (stage, REQUEST_RUN_HEARTBEAT, R ("r1"));        //  Too late: it is heard, no more
    assert_int_equal (s_pass (stage, 10 * LOST_MS), 0);
    assert_int_equal (s_row (stage, "quiet").state, run_state_READY);
}

static void
test_policy (void **state)
{
    stage_t *stage = *state;
    environment_policy_t policy = { .lost_after_ms = 20000 };
    lease_t lease = stage_lease (stage, PLACE, BOX, lease_state_ACTIVE);
    berth_put (environment_policy, &policy, lost_after_ms, 20000);
    lease.env_policy = &policy;
    stage_put_lease (stage, &lease);
    s_new (stage, "r1");
    stage_ok (stage, REQUEST_RUN_HEARTBEAT, R ("r1"));
    assert_int_equal (s_pass (stage, 19999), 0);
    assert_int_equal (s_pass (stage, 1), 1);
}

//  A start is use: what was silent before has all of its time again, in this boot and in another.
static void
test_restart (void **state)
{
    stage_t *stage = *state;
    s_new (stage, "r1");
    stage_ok (stage, REQUEST_RUN_HEARTBEAT, R ("r1"));
    s_pass (stage, LOST_MS - 1000);
    s_restart (stage);
    assert_int_equal (s_pass (stage, LOST_MS - 1), 0);
    assert_int_equal (s_pass (stage, 1), 1);

    for (int at = 0; at < 600; at++) {              //  More than one turn, and a clock of its own
        const char *id = ASK ("old%d", at);
        s_new (stage, id);
        run_t run = s_row (stage, id);
        run.boot = "another";
        run.lost_after_ms = LOST_MS;
        run.heard_mono_ms = 9000000000 + at;
        run.look_mono_ms = at % 2 ? 9000000000 + at : 1;
        s_put (stage, &run);
    }
    s_restart (stage);
    for (int turn = 0; turn < 5; turn++)
        assert_int_equal (s_pass (stage, 0), 0);
    assert_string_equal (s_row (stage, "old1").boot, berth_boot_id ());
    assert_int_equal (s_pass (stage, LOST_MS - 1), 0);
    size_t lost = 0;
    stage->now_ms += 1;
    stage->mono_ms += 1;
    for (int turn = 0; turn < 20; turn++) {
        stage_serve (stage);
        lost += s_lost (stage);
    }
    assert_int_equal (lost, 600);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test_setup_teardown (test_silent, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_policy, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_restart, s_setup, s_teardown),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
