//  test_leases_queue.c - workspaces that take one lease at a time, and those that wait for their turn.

#include "lease_stage.h"

#include "codec.h"

#include <stdlib.h>

#define SERIAL "{'driver':'sandbox','config':{'provider':'bubblewrap'},"                           \
               "'policy':{'concurrency':'serialize'}}"

//  The sandbox, with workspaces that take one at a time.
static int
s_setup (void **state)
{
    lease_stage_setup (state);
    stage_put_environment (*state, BOX, SERIAL);
    stage_put_environment (*state, LOCAL, "{'policy':{'concurrency':'serialize'}}");
    return 0;
}
#define QUEUE_TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, lease_stage_teardown)

static const char *
s_ask (stage_t *stage, const char *env, const char *run, const char *more)
{
    return ASK ("{'companyId':'acme','environmentId':'%s','executionWorkspaceId':'" SPACE "',"
                "'heartbeatRunId':'%s'%s}", env, run, more);
}

//  A lease that is written and does not wait for its place: its row.
static berth_bytes_t
s_acquire (stage_t *stage, const char *env, const char *run)
{
    return stage_ok (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, env, run, ",'wait':false"));
}

static const char *
s_id (stage_t *stage, const char *env, const char *run)
{
    return stage_text (stage, s_acquire (stage, env, run), "id");
}

static const char *
s_position (stage_t *stage, const char *id)
{
    berth_bytes_t row = stage_ok (stage, REQUEST_LEASE_GET, ASK ("{'leaseId':'%s'}", id));
    return stage_at (stage, row, "queuePosition");
}

static void
s_release (stage_t *stage, const char *id)
{
    stage_ok (stage, REQUEST_LEASE_RELEASE, ASK ("{'leaseId':'%s','wait':false}", id));
}

//  The provider's answer to what the last batch asked to open for this lease.
static void
s_opened (stage_t *stage, const char *id, bool ok)
{
    const stage_sent_t *open = lease_sent (stage, REQUEST_PLACE_OPEN);
    assert_non_null (open);
    assert_string_equal (open->letter.subject, id);
    letter_t letter = open->letter;
    stage_queue_done (stage, &letter, ok, ok ? "{'providerLeaseId':'bubblewrap:x'}" : lease_refused);
    stage_serve (stage);
}

//  First come, first served; the position is said in answers, rows and lists; nothing is opened before
//  its turn.
static void
test_in_order (void **state)
{
    stage_t *stage = *state;
    const char *ids [4];
    ids [0] = s_id (stage, BOX, "r0");
    s_opened (stage, ids [0], true);
    for (int index = 1; index < 4; index++) {
        berth_bytes_t row = s_acquire (stage, BOX, ASK ("r%d", index));
        ids [index] = stage_text (stage, row, "id");
        assert_at (stage, row, "queuePosition", ASK ("%d", index));
        assert_at (stage, row, "state", "\"pending\"");
        assert_at (stage, row, "status", "\"active\"");
        assert_at (stage, row, "placeState", "\"absent\"");
        assert_null (lease_sent (stage, REQUEST_PLACE_OPEN));
        assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_queued\"");
    }
    assert_string_equal (s_position (stage, ids [0]), "absent");
    berth_bytes_t page = stage_ok (stage, REQUEST_LEASE_LIST,
                                   "{'companyId':'acme','heartbeatRunId':'r2'}");
    assert_at (stage, page, "items.0.queuePosition", "2");

    uint64_t entries = stage_entries (stage);
    for (int index = 0; index < 3; index++) {
        s_release (stage, ids [index]);
        assert_null (lease_sent (stage, REQUEST_PLACE_OPEN));       //  It is closed first
        lease_closed (stage, true);
        s_opened (stage, ids [index + 1], true);
        assert_state (stage, ids [index + 1], "active");
        if (index < 2)
            assert_string_equal (s_position (stage, ids [index + 2]), "1");
        assert_string_equal (s_position (stage, ids [index + 1]), "absent");
    }
    //  Each: releasing, released; pending, acquired.
    assert_int_equal (stage_entries (stage), entries + 3 * 4);
    assert_int_equal (lease_row (stage, ids [3]).position, 0);      //  Never written
}

//  A lifetime begins with the turn.
static void
test_lifetime (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, LOCAL, "r0");
    berth_bytes_t row = stage_ok (stage, REQUEST_LEASE_ACQUIRE,
                                  s_ask (stage, LOCAL, "r1", ",'wait':false,'maxLeaseMs':60000,"
                                         "'idleMs':5000"));
    const char *second = stage_text (stage, row, "id");
    assert_at (stage, row, "expiresAt", ASK ("%lld", (long long) stage->now_ms + LEASES_QUEUE_MS));
    stage->now_ms += 3600000;
    stage->mono_ms += 3600000;
    s_release (stage, first);
    assert_state (stage, second, "active");
    assert_int_equal (lease_row (stage, second).expires_at, stage->now_ms + 5000);
    assert_int_equal (lease_row (stage, second).end_mono_ms, stage->mono_ms + 60000);
}

//  What is told on the way to whoever takes it: at first, when the line moves, at its turn.
static void
s_told (stage_t *stage, uint64_t ticket, const char *id, const char *position, const char *holder)
{
    const stage_sent_t *chunk = stage_answer (stage, ticket);
    assert_non_null (chunk);
    assert_int_equal (chunk->status, reply_status_STREAM);
    assert_at (stage, chunk->body, "leaseId", ASK ("\"%s\"", id));
    assert_at (stage, chunk->body, "queuePosition", position);
    assert_at (stage, chunk->body, "holderLeaseId", holder ? ASK ("\"%s\"", holder) : "absent");
}

static void
test_told (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, BOX, "r0");
    s_opened (stage, first, true);
    const char *second = s_id (stage, BOX, "r1");
    stage->streams = true;
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, BOX, "r2", ""));
    stage_serve (stage);
    const char *third = stage_text (stage, stage_answer (stage, ticket)->body, "leaseId");
    s_told (stage, ticket, third, "2", first);
    stage->streams = false;
    s_release (stage, second);
    s_told (stage, ticket, third, "1", first);
    s_release (stage, first);
    lease_closed (stage, true);
    s_told (stage, ticket, third, "0", NULL);
    s_opened (stage, third, true);
    assert_true (lease_answered (stage, ticket));
}

//  A run is told, too, by the actor that asked on its behalf.
static void
test_told_run (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, LOCAL, "r0");
    stage_queue_step (stage, REQUEST_LEASE_ACQUIRE, ACTOR_RUNS, "acme/r1", "lease",
                      s_ask (stage, LOCAL, "r1", ""));
    stage_serve (stage);
    const stage_sent_t *told = stage_work (stage, ACTOR_RUNS, 0);
    assert_non_null (told);
    assert_int_equal (told->letter.type, REQUEST_STEP_PROGRESS);
    assert_at (stage, told->body, "subject", "\"acme/r1\"");
    assert_at (stage, told->body, "waiting.queuePosition", "1");
    //  The same step again is no second place in the line.
    stage_queue_step (stage, REQUEST_LEASE_ACQUIRE, ACTOR_RUNS, "acme/r1", "lease",
                      s_ask (stage, LOCAL, "r1", ""));
    stage_serve (stage);
    assert_at (stage, stage_work (stage, ACTOR_RUNS, 0)->body, "waiting.queuePosition", "1");
    s_release (stage, first);
    told = stage_work (stage, ACTOR_RUNS, 0);
    assert_at (stage, told->body, "waiting.queuePosition", "0");
}

//  Whoever waits no longer leaves: its deadline, its own release, its absence.
static void
test_deadline (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, LOCAL, "r0");
    stage->deadline_ms = 5000;
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, LOCAL, "r1", ""));
    stage_serve (stage);
    stage->deadline_ms = 0;
    const char *third = s_id (stage, LOCAL, "r2");
    assert_string_equal (s_position (stage, third), "2");
    stage->step_ms = 5000;
    stage_serve (stage);
    berth_error_t err = lease_error (stage, ticket);
    assert_int_equal (err.code, BERTH_DEADLINE_EXCEEDED);
    assert_state (stage, err.lease_id, "failed");
    assert_string_equal (s_position (stage, third), "1");
    s_release (stage, first);
    assert_state (stage, third, "active");
}

static void
test_released (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, BOX, "r0");
    s_opened (stage, first, true);
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, BOX, "r1", ""));
    stage_serve (stage);
    const char *second = stage_text (stage, stage_ok (stage, REQUEST_LEASE_LIST,
        "{'companyId':'acme','heartbeatRunId':'r1'}"), "items.0.id");
    const char *third = s_id (stage, BOX, "r2");
    uint64_t entries = stage_entries (stage);
    uint64_t release = lease_ask_release (stage, second);
    stage_serve (stage);
    assert_true (lease_answered (stage, release));
    assert_state (stage, second, "released");
    berth_error_t err = lease_error (stage, ticket);
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_non_null (strstr (err.text, "left the queue"));
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    assert_int_equal (stage_entries (stage), entries + 1);
    assert_string_equal (s_position (stage, third), "1");
    assert_state (stage, first, "active");
}

static void
s_cancel (stage_t *stage, uint64_t ticket)
{
    stage_queue (stage, REQUEST_STREAM_CANCEL, "{}");
    stage->queue [stage->queued - 1].letter.ticket = ticket;
    stage_serve (stage);
    stage_serve (stage);            //  Its waiter is due from then on
}

static void
test_client_gone (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, BOX, "r0");
    s_opened (stage, first, true);
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, BOX, "r1", ""));
    stage_serve (stage);
    const char *third = s_id (stage, BOX, "r2");
    s_cancel (stage, ticket);
    berth_error_t err = lease_error (stage, ticket);
    assert_non_null (strstr (err.text, "left the queue"));
    assert_state (stage, err.lease_id, "failed");
    assert_string_equal (lease_row (stage, err.lease_id).failure, "its client went away");
    assert_string_equal (s_position (stage, third), "1");

    //  What is opening by then goes on.
    s_release (stage, first);
    lease_closed (stage, true);
    s_opened (stage, third, true);
    stage_put_environment (stage, BOX, "{'driver':'sandbox','config':{'provider':'bubblewrap'}}");
    letter_t open = lease_opening (stage, "", &ticket);
    s_cancel (stage, ticket);
    assert_non_null (strstr (lease_error (stage, ticket).text, "goes on"));
    assert_state (stage, open.subject, "pending");
}

//  Asked with `detach`, or without waiting, it stays; for a day at most.
static void
test_detached (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, LOCAL, "r0");
    stage->deadline_ms = 5000;
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE,
                                   s_ask (stage, LOCAL, "r1", ",'detach':true"));
    stage_serve (stage);
    stage->deadline_ms = 0;
    stage->step_ms = 5000;
    stage_serve (stage);
    berth_error_t err = lease_error (stage, ticket);
    assert_int_equal (err.code, BERTH_DEADLINE_EXCEEDED);
    const char *second = stage_text (stage, stage_ok (stage, REQUEST_LEASE_LIST,
        "{'companyId':'acme','heartbeatRunId':'r1'}"), "items.0.id");
    assert_string_equal (s_position (stage, second), "1");
    stage->step_ms = LEASES_QUEUE_MS / 2;
    stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s'}", first));
    stage_serve (stage);
    assert_state (stage, first, "active");
    assert_state (stage, second, "expired");
    assert_non_null (strstr (lease_row (stage, second).failure, "not its turn"));
}

//  The holder's time and that of who waits are over in the same tick: nobody gets what is over.
static void
test_expire_together (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, LOCAL, "r0"), *second = s_id (stage, LOCAL, "r1");
    const char *third = s_id (stage, LOCAL, "r2");
    stage->step_ms = 0;
    stage->now_ms += 2 * LEASES_QUEUE_MS;
    stage->mono_ms += 2 * (int64_t) LEASES_QUEUE_MS;
    uint64_t entries = stage_entries (stage);
    stage_serve (stage);
    assert_state (stage, first, "expired");
    //  Expiry takes them in the order of their deadlines: the second had its turn before its own.
    assert_state (stage, second, "active");
    assert_state (stage, third, "expired");
    assert_int_equal (stage_entries (stage), entries + 3);
}

//  A restart forgets who asked, and no place in the line; it opens nothing.
static void
test_restart (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, BOX, "r0");
    s_opened (stage, first, true);
    const char *second = s_id (stage, BOX, "r1"), *third = s_id (stage, BOX, "r2");
    lease_stage_restart (stage);
    stage_start (stage);
    assert_null (lease_sent (stage, REQUEST_PLACE_OPEN));
    stage_serve (stage);
    assert_null (lease_sent (stage, REQUEST_PLACE_OPEN));
    assert_string_equal (s_position (stage, second), "1");
    assert_string_equal (s_position (stage, third), "2");
    s_release (stage, first);
    lease_closed (stage, true);
    s_opened (stage, second, true);
    assert_state (stage, second, "active");
}

//  A repeat with the same key waits at the same place in the line.
static void
test_again (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, LOCAL, "r0");
    stage->key = "k1";
    (void) stage_queue (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, LOCAL, "r1", ""));
    stage_serve (stage);
    lease_stage_restart (stage);
    stage_start (stage);
    stage->streams = true;
    uint64_t again = stage_queue (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, LOCAL, "r1", ""));
    stage_serve (stage);
    stage->key = NULL;
    assert_at (stage, stage_answer (stage, again)->body, "queuePosition", "1");
    stage->streams = false;
    s_release (stage, first);
    const stage_sent_t *answer = NULL;
    for (size_t index = 0; index < stage->count; index++)
        if (stage->sent [index].letter.ticket == again)
            answer = &stage->sent [index];
    assert_non_null (answer);
    assert_int_equal (answer->status, reply_status_OK);
    assert_at (stage, answer->body, "state", "\"active\"");
}

static void
test_bounded (void **state)
{
    stage_t *stage = *state;
    for (int index = 0; index <= LEASES_QUEUE_MAX; index++)
        s_acquire (stage, LOCAL, ASK ("r%d", index));
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, LOCAL, "late", ""));
    assert_int_equal (err.code, BERTH_BUSY);
    assert_string_equal (err.limit, "queue");
    assert_int_equal (err.limit_value, LEASES_QUEUE_MAX);
}

//  All of a run's leases are given back: what one of them has is not for another of them.
static void
test_release_for_run (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, LOCAL, "r0"), *second = s_id (stage, LOCAL, "r0");
    const char *third = s_id (stage, LOCAL, "r1");
    uint64_t entries = stage_entries (stage);
    stage_ok (stage, REQUEST_LEASE_RELEASE_FOR_RUN, "{'companyId':'acme','heartbeatRunId':'r0'}");
    assert_state (stage, first, "released");
    assert_state (stage, second, "released");
    assert_state (stage, third, "active");
    assert_int_equal (stage_entries (stage), entries + 3);
}

//  A provider that fails for one does not hold up the line.
static void
test_refused (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, BOX, "r0");
    s_opened (stage, first, true);
    const char *second = s_id (stage, BOX, "r1"), *third = s_id (stage, BOX, "r2");
    s_release (stage, first);
    lease_closed (stage, true);
    s_opened (stage, second, false);
    assert_state (stage, second, "failed");
    s_opened (stage, third, true);
    assert_state (stage, third, "active");
}

//  A drained service takes no new lease, and none of those that wait, until it does again.
static void
test_drained (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, LOCAL, "r0"), *second = s_id (stage, LOCAL, "r1");
    stage_ok (stage, REQUEST_BUS_DRAIN, "{}");
    s_release (stage, first);
    assert_state (stage, second, "pending");
    for (int again = 0; again < 3; again++) {
        stage->step_ms = LEASES_QUEUE_RETRY_MS;
        stage_serve (stage);
        assert_state (stage, second, "pending");
    }
    lease_stage_restart (stage);
    stage_start (stage);
    stage_serve (stage);
    assert_state (stage, second, "pending");
    stage->step_ms = 0;
    stage_ok (stage, REQUEST_BUS_UNDRAIN, "{}");
    stage_serve (stage);
    assert_state (stage, second, "active");
}

//  An environment that is not active any more serves none of them.
static void
test_archived (void **state)
{
    stage_t *stage = *state;
    const char *first = s_id (stage, LOCAL, "r0"), *second = s_id (stage, LOCAL, "r1");
    const char *third = s_id (stage, LOCAL, "r2");
    stage_put_environment (stage, LOCAL, "{'status':'archived'}");
    s_release (stage, first);
    assert_state (stage, second, "failed");
    assert_state (stage, third, "failed");
    assert_non_null (strstr (lease_row (stage, third).failure, "is not active"));
}

//  Another workspace, and none, have lines of their own.
static void
test_units (void **state)
{
    stage_t *stage = *state;
    s_acquire (stage, LOCAL, "r0");
    berth_bytes_t row = stage_ok (stage, REQUEST_LEASE_ACQUIRE,
        "{'companyId':'acme','environmentId':'" LOCAL "','executionWorkspaceId':'" KEPT "'}");
    assert_at (stage, row, "state", "\"active\"");
    row = stage_ok (stage, REQUEST_LEASE_ACQUIRE,
                    "{'companyId':'acme','environmentId':'" LOCAL "'}");
    assert_at (stage, row, "state", "\"active\"");
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        QUEUE_TEST (test_in_order), QUEUE_TEST (test_lifetime), QUEUE_TEST (test_told),
        QUEUE_TEST (test_told_run), QUEUE_TEST (test_deadline), QUEUE_TEST (test_released),
        QUEUE_TEST (test_client_gone), QUEUE_TEST (test_detached), QUEUE_TEST (test_expire_together),
        QUEUE_TEST (test_restart), QUEUE_TEST (test_again), QUEUE_TEST (test_bounded),
        QUEUE_TEST (test_release_for_run), QUEUE_TEST (test_refused), QUEUE_TEST (test_drained),
        QUEUE_TEST (test_archived), QUEUE_TEST (test_units),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
