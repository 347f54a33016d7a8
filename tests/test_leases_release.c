//  test_leases_release.c - a place that will not close: backing off, and giving it up.

#include "lease_stage.h"

#include "codec.h"

static uint64_t
s_ask_abandon (stage_t *stage, const char *id)
{
    return stage_queue (stage, REQUEST_LEASE_RELEASE, ASK ("{'leaseId':'%s','abandon':true}", id));
}

//  A lease in cleanup: its provider refused to close its place once.
static const char *
s_stuck (stage_t *stage)
{
    const char *id = lease_active (stage, "");
    lease_ask_release (stage, id);
    stage_serve (stage);
    lease_closed (stage, false);
    assert_state (stage, id, "cleanup");
    assert_int_equal (lease_row (stage, id).status, lease_status_PENDING_CLEANUP);
    return id;
}

//  ---- backing off

//  1 s, doubling to 5 min, a quarter more or less; and two leases that failed in one moment are not
//  tried in one moment.
static void
test_backoff (void **state)
{
    stage_t *stage = *state;
    enum { TRIES = 12, LEASES = 4 };
    int64_t waits [LEASES] [TRIES];
    stage->step_ms = 0;
    for (int index = 0; index < LEASES; index++) {
        const char *id = s_stuck (stage);
        int64_t base_ms = LEASES_RETRY_FIRST_MS;
        for (int tried = 0; tried < TRIES; tried++) {
            int64_t wait_ms = lease_row (stage, id).next_try_at - stage->now_ms;
            assert_true (wait_ms >= base_ms * 3 / 4 && wait_ms <= base_ms * 5 / 4);
            waits [index] [tried] = wait_ms;
            base_ms = base_ms * 2 < LEASES_RETRY_MAX_MS ? base_ms * 2 : LEASES_RETRY_MAX_MS;
            stage->now_ms += wait_ms;
            stage->mono_ms += wait_ms;
            stage_serve (stage);
            lease_closed (stage, false);
        }
        assert_int_equal (base_ms, LEASES_RETRY_MAX_MS);
        assert_int_equal (lease_row (stage, id).attempts, TRIES + 1);
        s_ask_abandon (stage, id);
        stage_serve (stage);
    }
    bool spread = false;
    for (int tried = 0; tried < TRIES; tried++)
        spread |= waits [0] [tried] != waits [1] [tried] && waits [1] [tried] != waits [2] [tried];
    assert_true (spread);
}

//  ---- giving up

static void
test_abandon (void **state)
{
    stage_t *stage = *state;
    const char *id = s_stuck (stage);
    uint64_t waits = lease_ask_release (stage, id);
    stage_serve (stage);
    uint64_t entries = stage_entries (stage), ticket = s_ask_abandon (stage, id);
    stage_serve (stage);
    assert_true (lease_answered (stage, ticket));
    assert_true (lease_answered (stage, waits));            //  Who waited for its end has it
    assert_non_null (lease_sent (stage, REQUEST_PLACE_CLOSE));      //  Once more,
    lease_t lease = lease_row (stage, id);
    assert_int_equal (lease.state, lease_state_RELEASED);
    assert_int_equal (lease.cleanup, cleanup_status_FAILED);
    assert_int_equal (lease.abandoned_at, stage->now_ms);
    assert_int_equal (lease.next_try_at, 0);
    assert_int_equal (stage_entries (stage), entries + 1);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_abandoned\"");
    assert_at (stage, stage_entry (stage, 0), "details.cleanupStatus", "\"failed\"");
    lease_closed (stage, false);                            //  and never again
    stage->step_ms = 10 * LEASES_RETRY_MAX_MS;
    stage_serve (stage);
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    assert_int_equal (stage_entries (stage), entries + 1);
    //  Asked again it is answered as it is.
    stage_ok (stage, REQUEST_LEASE_RELEASE, ASK ("{'leaseId':'%s','abandon':true}", id));
    assert_int_equal (stage_entries (stage), entries + 1);
}

//  One that is active, and whose provider would never answer.
static void
test_abandon_active (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, ",'heartbeatRunId':'r1'");
    stage_ok (stage, REQUEST_LEASE_RELEASE,
              ASK ("{'leaseId':'%s','status':'failed','failureReason':'gone','abandon':true}", id));
    assert_state (stage, id, "failed");
    assert_string_equal (lease_row (stage, id).failure, "gone");
    assert_non_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
}

//  Its place opens after all: nobody has it, so it is closed.
static void
test_abandon_opening (void **state)
{
    stage_t *stage = *state;
    uint64_t acquire;
    letter_t open = lease_opening (stage, "", &acquire);
    uint64_t ticket = s_ask_abandon (stage, open.subject);
    stage_serve (stage);
    assert_true (lease_answered (stage, ticket));
    assert_int_equal (lease_error (stage, acquire).code, BERTH_CONFLICT);
    assert_state (stage, open.subject, "released");
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    stage_serve (stage);
    lease_closed (stage, true);
    assert_state (stage, open.subject, "released");
}

static void
test_abandon_forbidden (void **state)
{
    stage_t *stage = *state;
    const char *id = s_stuck (stage);
    stage->roles = ROLE_PLATFORM;
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_RELEASE,
                                     ASK ("{'leaseId':'%s','abandon':true}", id));
    assert_int_equal (err.code, BERTH_FORBIDDEN);
    assert_string_equal (err.field, "abandon");
    assert_state (stage, id, "cleanup");
}

//  ---- of an environment that is being deleted

//  Its files were kept, and then given up: the answer to the close that kept them confirms nothing.
static void
test_release_retained (void **state)
{
    stage_t *stage = *state;
    lease_t lease = stage_lease (stage, KEPT, BOX, lease_state_RELEASING);
    lease.driver = "sandbox";
    lease.provider = "bubblewrap";
    lease.provider_lease = "bubblewrap:x";
    lease.place = place_state_OPEN;
    lease.return_mode = "required";
    stage_put_lease (stage, &lease);
    lease_stage_restart (stage);
    stage_start (stage);
    letter_t kept = lease_sent (stage, REQUEST_PLACE_CLOSE)->letter;
    assert_at (stage, lease_sent (stage, REQUEST_PLACE_CLOSE)->body, "keepFiles", "true");
    stage_queue_done (stage, &kept, true, "{}");
    stage_serve (stage);
    assert_state (stage, KEPT, "retained");
    (void) lease_ask_release (stage, KEPT);
    stage_serve (stage);
    letter_t gone = lease_sent (stage, REQUEST_PLACE_CLOSE)->letter;
    stage_queue_done (stage, &kept, true, "{}");
    stage_serve (stage);
    assert_state (stage, KEPT, "releasing");
    stage_queue_done (stage, &gone, true, "{}");
    stage_serve (stage);
    assert_state (stage, KEPT, "released");
}

static void
test_release_environment (void **state)
{
    stage_t *stage = *state;
    const char *stuck = s_stuck (stage), *live = lease_active (stage, "");
    berth_error_t err = { 0 };
    uint64_t ticket;
    letter_t open = lease_opening (stage, "", &ticket);
    const char *local = stage_text (stage, stage_ok (stage, REQUEST_LEASE_ACQUIRE,
        "{'companyId':'acme','environmentId':'" LOCAL "'}"), "id");
    lease_t kept = stage_lease (stage, SPACE, BOX, lease_state_RELEASED);
    kept.provider = "bubblewrap";
    kept.provider_lease = "bubblewrap:kept";
    kept.place = place_state_KEPT;
    stage_put_lease (stage, &kept);
    stage_queue_step (stage, REQUEST_LEASE_RELEASE_ENVIRONMENT, ACTOR_REGISTRY, BOX, "release",
                      "{'environmentId':'" BOX "'}");
    stage_serve (stage);
    assert_int_equal (lease_row (stage, SPACE).place, place_state_CLOSING);
    assert_state (stage, stuck, "cleanup");
    assert_state (stage, live, "releasing");
    assert_state (stage, open.subject, "releasing");
    assert_state (stage, local, "active");
    assert_string_equal (lease_row (stage, live).failure, "its environment was deleted");
    const stage_sent_t *answer = stage_work (stage, ACTOR_REGISTRY, 0);
    step_done_t done;
    assert_ok (berth_unpack_own (&step_done_schema, answer->body, stage->arena, &done, &err), err);
    assert_at (stage, done.result, "count", "4");       //  Those that go already, too
    assert_at (stage, done.result, "more", "false");

    //  Its row is gone; the lease's own is enough.
    store_txn_t *txn;
    letter_t close = { .magic = 0 };
    for (size_t nth = 0; !close.magic; nth++)
        if (strcmp (stage_work (stage, ACTOR_PROXY, nth)->letter.subject, live) == 0)
            close = stage_work (stage, ACTOR_PROXY, nth)->letter;
    assert_ok (store_begin (stage->store, &txn, &err), err);
    assert_ok (environment_del (txn, stage->arena, BOX, &err), err);
    assert_ok (store_commit (&txn, &err), err);
    stage_queue_done (stage, &close, true, "{}");
    stage_serve (stage);
    assert_state (stage, live, "released");
}

//  There may be many: each turn goes on where the one before ended.
static void
test_release_many (void **state)
{
    stage_t *stage = *state;
    enum { MANY = 2 * LEASES_TICK_MAX + 10 };
    const char *cursor = "";
    for (int number = 0; number < MANY; number++) {
        lease_t lease = stage_lease (stage, ASK ("00000000-0000-7000-8000-%012d", number), LOCAL,
                                     lease_state_ACTIVE);
        stage_put_lease (stage, &lease);
    }
    for (int turn = 0; turn < 3; turn++) {
        stage_queue_step (stage, REQUEST_LEASE_RELEASE_ENVIRONMENT, ACTOR_REGISTRY, LOCAL, "release",
                          ASK ("{'environmentId':'" LOCAL "'%s}", cursor));
        stage_serve (stage);
        step_done_t done;
        berth_error_t err = { 0 };
        assert_ok (berth_unpack_own (&step_done_schema, stage_work (stage, ACTOR_REGISTRY, 0)->body,
                                     stage->arena, &done, &err), err);
        assert_at (stage, done.result, "more", turn < 2 ? "true" : "false");
        cursor = ASK (",'behind':%s", stage_at (stage, done.result, "behind"));
    }
    for (int number = 0; number < MANY; number++)
        assert_state (stage, ASK ("00000000-0000-7000-8000-%012d", number), "released");
}

//  ---- what was not returned

static const char *
s_realized (stage_t *stage)
{
    const char *id = lease_active (stage, "");
    stage_queue_step (stage, REQUEST_LEASE_REALIZED, ACTOR_REALIZER, id, "realized",
                      ASK ("{'leaseId':'%s','return':'required','returned':false}", id));
    stage_serve (stage);
    return id;
}

static uint64_t
s_ask_discard (stage_t *stage, const char *id)
{
    return stage_queue (stage, REQUEST_WORKSPACE_DISCARD, ASK ("{'leaseId':'%s'}", id));
}

//  Said before its end: nothing is kept. Said again: nothing more.
static void
test_discard_active (void **state)
{
    stage_t *stage = *state;
    const char *id = s_realized (stage);
    uint64_t entries = stage_entries (stage);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t ticket = s_ask_discard (stage, id);
        stage_serve (stage);
        assert_true (lease_answered (stage, ticket));
        assert_state (stage, id, "active");
        assert_true (lease_row (stage, id).returned);
        assert_int_equal (stage_entries (stage), entries + 1);
    }
    lease_ask_release (stage, id);
    stage_serve (stage);
    assert_at (stage, lease_sent (stage, REQUEST_PLACE_CLOSE)->body, "keepFiles", "false");
    lease_closed (stage, true);
    assert_state (stage, id, "released");
}

//  Said of a place that was kept for its files: it is closed, and whoever said it hears of its end.
static void
test_discard_retained (void **state)
{
    stage_t *stage = *state;
    const char *id = s_realized (stage);
    lease_ask_release (stage, id);
    stage_serve (stage);
    assert_at (stage, lease_sent (stage, REQUEST_PLACE_CLOSE)->body, "keepFiles", "true");
    lease_closed (stage, true);
    assert_state (stage, id, "retained");
    uint64_t entries = stage_entries (stage), ticket = s_ask_discard (stage, id);
    stage_serve (stage);
    assert_false (lease_answered (stage, ticket));
    assert_state (stage, id, "releasing");
    assert_int_equal (stage_entries (stage), entries + 2);      //  Discarded, and releasing
    assert_at (stage, lease_sent (stage, REQUEST_PLACE_CLOSE)->body, "keepFiles", "false");
    lease_closed (stage, true);
    assert_true (lease_answered (stage, ticket));
    assert_state (stage, id, "released");
    //  A repeat finds what it asked for; of others' files it can't be said any more.
    ticket = s_ask_discard (stage, id);
    stage_serve (stage);
    assert_true (lease_answered (stage, ticket));
    const char *other = lease_active (stage, "");
    lease_ask_release (stage, other);
    stage_serve (stage);
    lease_closed (stage, true);
    assert_int_equal (stage_fails (stage, REQUEST_WORKSPACE_DISCARD,
                                   ASK ("{'leaseId':'%s'}", other)).code, BERTH_CONFLICT);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_backoff), LEASE_TEST (test_abandon), LEASE_TEST (test_abandon_active),
        LEASE_TEST (test_abandon_opening), LEASE_TEST (test_abandon_forbidden),
        LEASE_TEST (test_release_environment), LEASE_TEST (test_release_many),
        LEASE_TEST (test_discard_active), LEASE_TEST (test_discard_retained),
        LEASE_TEST (test_release_retained),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
