//  test_leases.c - leases: the row first, release with its retries, fencing, keys.

#include "lease_stage.h"

#include "codec.h"

//  ---- acquire

//  What is told is on disk: a snapshot that is opened while something is sent holds the row.
static void
s_on_disk (const stage_sent_t *sent)
{
    berth_error_t err = { 0 };
    lease_t lease;
    store_txn_t *txn;
    const char *id = sent->to == ACTOR_PROXY ? sent->letter.subject
                                             : stage_text (lease_stage, sent->body, "id");
    assert_ok (store_read (lease_stage->store, &txn, &err), err);
    assert_ok (lease_get (txn, lease_stage->arena, id, &lease, &err), err);
    store_txn_destroy (&txn);
}

static void
test_acquire_local (void **state)
{
    stage_t *stage = *state;
    stage->watch = s_on_disk;
    berth_bytes_t row = stage_ok (stage, REQUEST_LEASE_ACQUIRE,
        "{'companyId':'acme','environmentId':'" LOCAL "','heartbeatRunId':'r1'}");
    stage->watch = NULL;
    assert_int_equal (stage->count, 1);
    assert_at (stage, row, "state", "\"active\"");
    assert_at (stage, row, "status", "\"active\"");
    assert_at (stage, row, "leasePolicy", "\"ephemeral\"");
    assert_at (stage, row, "expiresAt", ASK ("%lld", (long long) (stage->now_ms + 86400000)));
    assert_int_equal (stage_entries (stage), 1);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_acquired\"");
    berth_bytes_t next = stage_ok (stage, REQUEST_LEASE_ACQUIRE,
        "{'companyId':'acme','environmentId':'" LOCAL "'}");
    assert_true (strtoull (stage_at (stage, next, "generation"), NULL, 10)
                 > strtoull (stage_at (stage, row, "generation"), NULL, 10));
}

static void
test_acquire_pending (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    stage->watch = s_on_disk;
    letter_t open = lease_opening (stage, "", &ticket);
    stage->watch = NULL;
    assert_null (stage_answer (stage, ticket));
    lease_t lease = lease_row (stage, open.subject);
    assert_int_equal (lease.state, lease_state_PENDING);
    assert_int_equal (lease.status, lease_status_ACTIVE);
    assert_int_equal (lease.place, place_state_OPENING);
    assert_int_equal (lease.deadline_mono_ms, stage->mono_ms + 86400000);
    assert_int_equal (stage_entries (stage), 1);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_pending\"");

    stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:x','metadata':{'a':1}}");
    stage_serve (stage);
    assert_true (lease_answered (stage, ticket));
    assert_state (stage, open.subject, "active");
    assert_int_equal (stage_entries (stage), 2);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_acquired\"");
    //  The same answer again changes nothing.
    stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:y','metadata':{}}");
    stage_serve (stage);
    assert_string_equal (lease_row (stage, open.subject).provider_lease, "bubblewrap:x");
    assert_int_equal (stage_entries (stage), 2);
}

static void
test_acquire_refused (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t open = lease_opening (stage, "", &ticket);
    stage_queue_done (stage, &open, false, lease_refused);
    stage_serve (stage);
    berth_error_t err = lease_error (stage, ticket);
    assert_int_equal (err.code, BERTH_PROVIDER_ERROR);
    assert_string_equal (err.lease_id, open.subject);
    assert_state (stage, open.subject, "failed");
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    assert_int_equal (stage_entries (stage), 2);
}

//  Who knows what a provider did that did not answer in time? It is closed.
static void
test_acquire_timed_out (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t open = lease_opening (stage, "", &ticket);
    stage_queue_done (stage, &open, false, lease_timed_out);
    stage_serve (stage);
    assert_int_equal (lease_error (stage, ticket).code, BERTH_PROVIDER_TIMEOUT);
    assert_state (stage, open.subject, "releasing");
    lease_closed (stage, true);
    assert_state (stage, open.subject, "failed");
    assert_string_equal (lease_row (stage, open.subject).failure, "late");
    assert_int_equal (stage_entries (stage), 3);
}

static void
test_acquire_refusals (void **state)
{
    stage_t *stage = *state;
    stage_put_environment (stage, SPACE, "{'companyId':'other'}");
    stage_put_environment (stage, KEPT, "{'status':'archived'}");
    static const struct { const char *json; berth_code_t code; const char *text; } cases [] = {
        { "{'companyId':'acme','environmentId':'99999999-9999-7999-8999-999999999999'}",
          BERTH_ENVIRONMENT_NOT_FOUND,
          "Environment \"99999999-9999-7999-8999-999999999999\" not found." },
        { "{'companyId':'acme','environmentId':'" SPACE "'}", BERTH_ENVIRONMENT_NOT_FOUND,
          "Environment \"" SPACE "\" does not belong to this company." },
        { "{'companyId':'acme','environmentId':'" KEPT "'}", BERTH_ENVIRONMENT_INACTIVE,
          "Environment \"box\" is not active (status: archived)." },
        { "{'companyId':'acme','environmentId':'" LOCAL "','maxLeaseMs':'soon'}", BERTH_INVALID,
          "field 'maxLeaseMs' must be a number above 0, or \"none\"" },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        berth_error_t err = stage_fails (stage, REQUEST_LEASE_ACQUIRE, cases [index].json);
        assert_int_equal (err.code, cases [index].code);
        assert_string_equal (err.text, cases [index].text);
    }
    assert_int_equal (stage_entries (stage), 0);
}

//  ---- exclusive

static void
test_exclusive (void **state)
{
    stage_t *stage = *state;
#define SHARED(run) "{'companyId':'acme','environmentId':'" LOCAL "','heartbeatRunId':'" run "'," \
                    "'executionWorkspaceId':'" SPACE "'}"
    //  Both in one batch: the second sees what the first wrote.
    uint64_t first = stage_queue (stage, REQUEST_LEASE_ACQUIRE, SHARED ("r1"));
    uint64_t second = stage_queue (stage, REQUEST_LEASE_ACQUIRE, SHARED ("r2"));
    stage_serve (stage);
    assert_true (lease_answered (stage, first));
    const char *holder = stage_text (stage, stage_answer (stage, first)->body, "id");
    berth_error_t err = lease_error (stage, second);
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_string_equal (err.lease_id, holder);
    stage_ok (stage, REQUEST_LEASE_RELEASE, ASK ("{'leaseId':'%s'}", holder));
    stage_ok (stage, REQUEST_LEASE_ACQUIRE, SHARED ("r2"));
    stage_put_environment (stage, LOCAL, "{'policy':{'concurrency':'allow'}}");
    stage_ok (stage, REQUEST_LEASE_ACQUIRE, SHARED ("r3"));
}

//  ---- fenced, and whose it is

static void
test_fenced (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    unsigned long long now = lease_row (stage, id).generation;
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_RENEW,
        ASK ("{'leaseId':'%s','generation':%llu}", id, now - 1));
    assert_int_equal (err.code, BERTH_FENCED);
    err = stage_fails (stage, REQUEST_LEASE_RELEASE,
        ASK ("{'leaseId':'%s','generation':%llu}", id, now - 1));
    assert_int_equal (err.code, BERTH_FENCED);
    assert_state (stage, id, "active");
    stage_ok (stage, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s','generation':%llu}", id, now));
    err = stage_fails (stage, REQUEST_LEASE_GET, ASK ("{'leaseId':'%s','companyId':'other'}", id));
    assert_int_equal (err.code, BERTH_NOT_FOUND);
    err = stage_fails (stage, REQUEST_LEASE_RELEASE,
                       ASK ("{'leaseId':'%s','companyId':'other'}", id));
    assert_int_equal (err.code, BERTH_NOT_FOUND);
}

//  ---- release

static void
test_release (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    uint64_t before = stage_entries (stage), first = lease_ask_release (stage, id);
    stage_serve (stage);
    assert_state (stage, id, "releasing");
    assert_null (stage_answer (stage, first));
    uint64_t second = lease_ask_release (stage, id);    //  Joins
    letter_t close = lease_sent (stage, REQUEST_PLACE_CLOSE)->letter;
    stage_serve (stage);
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    stage_queue_done (stage, &close, true, "{}");
    stage_serve (stage);
    assert_true (lease_answered (stage, first) && lease_answered (stage, second));
    assert_state (stage, id, "released");
    assert_int_equal (lease_row (stage, id).cleanup, cleanup_status_SUCCESS);
    assert_int_equal (stage_entries (stage), before + 2);
    stage_ok (stage, REQUEST_LEASE_RELEASE, ASK ("{'leaseId':'%s'}", id));
    assert_int_equal (stage_entries (stage), before + 2);
}

static void
test_release_opening (void **state)
{
    stage_t *stage = *state;
    uint64_t acquire;
    letter_t open = lease_opening (stage, "", &acquire);
    uint64_t release = lease_ask_release (stage, open.subject);
    stage_serve (stage);
    assert_state (stage, open.subject, "releasing");
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    berth_error_t err = lease_error (stage, acquire);   //  Not left waiting for ever
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_string_equal (err.lease_id, open.subject);
    stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    stage_serve (stage);
    lease_closed (stage, true);
    assert_true (lease_answered (stage, release));
    assert_state (stage, open.subject, "released");
}

//  Backoff doubles; the client is told at once; the service goes on until it is closed.
static void
test_cleanup (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    uint64_t ticket = lease_ask_release (stage, id);
    stage_serve (stage);
    stage->step_ms = 0;
    lease_closed (stage, false);
    berth_error_t err = lease_error (stage, ticket);
    assert_int_equal (err.code, BERTH_LEASE_CLEANUP_FAILED);
    assert_string_equal (err.cause, "no");
    assert_state (stage, id, "cleanup");
    uint64_t entries = stage_entries (stage);
    for (int tries = 0; tries < 4; tries++) {
        int64_t wait_ms = lease_row (stage, id).next_try_at - stage->now_ms;
        stage->now_ms += wait_ms - 1;
        stage->mono_ms += wait_ms - 1;
        stage_serve (stage);
        assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
        stage->now_ms++;
        stage->mono_ms++;
        stage_serve (stage);
        lease_closed (stage, false);
    }
    assert_int_equal (stage_entries (stage), entries);      //  Tried again is no change of state
    //  A clock that was set back by a year does not stop it.
    stage->now_ms -= 31536000000;
    stage->mono_ms += 20 * LEASES_RETRY_FIRST_MS;
    stage_serve (stage);
    lease_closed (stage, true);
    assert_state (stage, id, "released");
    assert_int_equal (stage_entries (stage), entries + 1);
}

//  Files that must come home outlive a close that failed at first.
static void
test_cleanup_retained (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    stage_queue_step (stage, REQUEST_LEASE_REALIZED, ACTOR_REALIZER, id, "realized",
                      ASK ("{'leaseId':'%s','return':'required'}", id));
    stage_serve (stage);
    lease_ask_release (stage, id);
    stage_serve (stage);
    lease_closed (stage, false);
    assert_state (stage, id, "cleanup");
    uint64_t ticket = lease_ask_release (stage, id);
    stage_serve (stage);
    lease_closed (stage, true);
    assert_true (lease_answered (stage, ticket));
    assert_state (stage, id, "retained");
}

//  A lease that the run takes meanwhile is none of this release, and does not hold it up.
static void
test_release_for_run_beside_acquire (void **state)
{
    stage_t *stage = *state;
    lease_active (stage, ",'heartbeatRunId':'r1'");
    uint64_t release = stage_queue (stage, REQUEST_LEASE_RELEASE_FOR_RUN,
                                    "{'companyId':'acme','heartbeatRunId':'r1'}"), acquire;
    stage_serve (stage);
    letter_t close = lease_sent (stage, REQUEST_PLACE_CLOSE)->letter;
    letter_t open = lease_opening (stage, ",'heartbeatRunId':'r1'", &acquire);
    stage_queue_done (stage, &close, true, "{}");
    stage_serve (stage);
    assert_true (lease_answered (stage, release));
    assert_state (stage, open.subject, "pending");
    //  Nothing to wait for: answered at once.
    stage_ok (stage, REQUEST_LEASE_ACQUIRE,
              "{'companyId':'acme','environmentId':'" LOCAL "','heartbeatRunId':'r2'}");
    berth_bytes_t body = stage_ok (stage, REQUEST_LEASE_RELEASE_FOR_RUN,
                                   "{'companyId':'acme','heartbeatRunId':'r2'}");
    assert_at (stage, body, "released.0.state", "\"released\"");
}

//  Leases of one run come by its own index, oldest first, page by page.
static void
test_list_of_run (void **state)
{
    stage_t *stage = *state;
    const char *ids [3];
    for (int index = 0; index < 3; index++) {
        ids [index] = lease_active (stage, ",'heartbeatRunId':'r1'");
        (void) lease_active (stage, ",'heartbeatRunId':'r2'");
    }
    berth_bytes_t page = stage_ok (stage, REQUEST_LEASE_LIST,
                                   "{'companyId':'acme','heartbeatRunId':'r1','limit':2}");
    assert_string_equal (stage_text (stage, page, "items.0.id"), ids [0]);
    assert_string_equal (stage_text (stage, page, "items.1.id"), ids [1]);
    page = stage_ok (stage, REQUEST_LEASE_LIST,
                     ASK ("{'companyId':'acme','heartbeatRunId':'r1','cursor':'%s'}",
                          stage_text (stage, page, "nextCursor")));
    assert_string_equal (stage_text (stage, page, "items.0.id"), ids [2]);
    assert_at (stage, page, "items.1", "absent");
    assert_at (stage, page, "nextCursor", "absent");
    page = stage_ok (stage, REQUEST_LEASE_LIST, ASK ("{'companyId':'acme','heartbeatRunId':'r1',"
                     "'environmentId':'%s'}", "01890000-0000-7000-8000-0000000000ff"));
    assert_at (stage, page, "items.0", "absent");
    page = stage_ok (stage, REQUEST_LEASE_LIST, "{'companyId':'other','heartbeatRunId':'r1'}");
    assert_at (stage, page, "items.0", "absent");
}

static void
test_release_for_run (void **state)
{
    stage_t *stage = *state;
    const char *ids [3];
    letter_t close [3];
    for (int index = 0; index < 3; index++)
        ids [index] = lease_active (stage, ",'heartbeatRunId':'r1'");
    const char *other = lease_active (stage, ",'heartbeatRunId':'r2'");
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_RELEASE_FOR_RUN,
                                   "{'companyId':'acme','heartbeatRunId':'r1','status':'failed'}");
    stage_serve (stage);
    for (size_t index = 0; index < 3; index++) {
        const stage_sent_t *sent = stage_work (stage, ACTOR_PROXY, index);
        assert_non_null (sent);
        close [index] = sent->letter;
    }
    assert_null (stage_work (stage, ACTOR_PROXY, 3));
    stage_queue_done (stage, &close [0], true, "{}");
    stage_queue_done (stage, &close [1], false, lease_refused);
    stage_serve (stage);
    assert_null (stage_answer (stage, ticket));
    stage_queue_done (stage, &close [2], true, "{}");
    stage_serve (stage);
    assert_true (lease_answered (stage, ticket));
    berth_bytes_t body = stage_answer (stage, ticket)->body;
    assert_at (stage, body, "released.0.status", "\"failed\"");
    assert_at (stage, body, "released.1.status", "\"failed\"");
    assert_at (stage, body, "released.2", "absent");
    assert_at (stage, body, "errors.0.leaseId", ASK ("\"%s\"", close [1].subject));
    assert_at (stage, body, "errors.0.code", "\"lease_cleanup_failed\"");
    assert_state (stage, other, "active");
    assert_state (stage, ids [0], "failed");
    berth_bytes_t none = stage_ok (stage, REQUEST_LEASE_RELEASE_FOR_RUN,
                                   "{'companyId':'acme','heartbeatRunId':'r9'}");
    assert_at (stage, none, "released", "[]");
}

//  ---- retries

static void
test_key (void **state)
{
    stage_t *stage = *state;
    const char *ask = "{'companyId':'acme','environmentId':'" LOCAL "'}";
    stage->key = "k1";
    berth_bytes_t first = stage_ok (stage, REQUEST_LEASE_ACQUIRE, ask);
    berth_bytes_t again = stage_ok (stage, REQUEST_LEASE_ACQUIRE, ask);
    assert_bytes (first, again);
    assert_int_equal (stage_entries (stage), 1);
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_ACQUIRE,
        "{'companyId':'acme','environmentId':'" LOCAL "','issueId':'i'}");
    assert_int_equal (err.code, BERTH_CONFLICT);
    stage->key = "k2";
    berth_bytes_t other = stage_ok (stage, REQUEST_LEASE_ACQUIRE, ask);
    assert_string_not_equal (stage_text (stage, first, "id"), stage_text (stage, other, "id"));
}

static void
test_key_joins (void **state)
{
    stage_t *stage = *state;
    uint64_t first;
    stage->key = "k1";
    letter_t open = lease_opening (stage, "", &first);
    uint64_t second = stage_queue (stage, REQUEST_LEASE_ACQUIRE,
                                   "{'companyId':'acme','environmentId':'" BOX "'}");
    stage_serve (stage);
    assert_int_equal (stage->count, 0);
    stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    stage_serve (stage);
    assert_true (lease_answered (stage, first) && lease_answered (stage, second));
    //  Whoever asks later, also of another process, gets the same lease.
    lease_stage_restart (stage);
    berth_bytes_t third = stage_ok (stage, REQUEST_LEASE_ACQUIRE,
                                    "{'companyId':'acme','environmentId':'" BOX "'}");
    assert_string_equal (stage_text (stage, third, "id"), open.subject);
}

//  A retry in the very batch in which the first one is answered: it waits for nothing any more.
static void
test_key_settled (void **state)
{
    stage_t *stage = *state;
    uint64_t first;
    stage->key = "k1";
    letter_t open = lease_opening (stage, "", &first);
    stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    uint64_t second = stage_queue (stage, REQUEST_LEASE_ACQUIRE,
                                   "{'companyId':'acme','environmentId':'" BOX "'}");
    stage_serve (stage);
    assert_true (lease_answered (stage, first) && lease_answered (stage, second));
    assert_bytes (stage_answer (stage, first)->body, stage_answer (stage, second)->body);
}

//  What was refused, and opened nothing, may be tried again under its key: but then once.
static void
test_key_refused (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    stage->key = "k1";
    letter_t open = lease_opening (stage, "", &ticket);
    stage_queue_done (stage, &open, false, lease_refused);
    stage_serve (stage);
    letter_t second = lease_opening (stage, "", &ticket);
    assert_string_not_equal (second.subject, open.subject);
    stage_queue_done (stage, &second, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    stage_serve (stage);
    assert_true (lease_answered (stage, ticket));
    berth_bytes_t third = stage_ok (stage, REQUEST_LEASE_ACQUIRE,
                                    "{'companyId':'acme','environmentId':'" BOX "'}");
    assert_string_equal (stage_text (stage, third, "id"), second.subject);
}

//  An answer that is too large to be kept is about a row: the row answers, and nothing is done twice.
static void
test_key_large (void **state)
{
    stage_t *stage = *state;
    char *large = arena_take (stage->arena, 20001);
    memset (large, 'x', 20000);
    large [20000] = 0;
    const char *ask = ASK ("{'companyId':'acme','environmentId':'" LOCAL "','metadata':{'m':'%s'}}",
                           large);
    stage->key = "k1";
    berth_bytes_t first = stage_ok (stage, REQUEST_LEASE_ACQUIRE, ask);
    assert_true (first.size > BERTH_REPLY_KEPT_MAX);
    uint64_t entries = stage_entries (stage);
    assert_bytes (first, stage_ok (stage, REQUEST_LEASE_ACQUIRE, ask));
    const char *id = stage_text (stage, first, "id");
    const char *renew = ASK ("{'leaseId':'%s','ms':60000}", id);
    berth_bytes_t renewed = stage_ok (stage, REQUEST_LEASE_RENEW, renew);
    assert_int_equal (stage_entries (stage), entries + 1);
    berth_bytes_t again = stage_ok (stage, REQUEST_LEASE_RENEW, renew);
    assert_string_equal (stage_at (stage, renewed, "expiresAt"), stage_at (stage, again, "expiresAt"));
    assert_int_equal (stage_entries (stage), entries + 1);
}

//  A realization's record is kept once, with one entry; so is what came home, for its client's key.
static void
test_realized (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    uint64_t entries = stage_entries (stage);
    const char *keep = ASK ("{'leaseId':'%s','workspaceRealization':{'version':1},'source':'/s',"
                            "'returned':false,'realizationId':'" SPACE "','details':{'files':1}}", id);
    for (int times = 0; times < 2; times++) {
        stage_queue_step (stage, REQUEST_LEASE_REALIZED, ACTOR_REALIZER, "x", "keep", keep);
        stage_serve (stage);
    }
    assert_int_equal (stage_entries (stage), entries + 1);
    assert_at (stage, stage_entry (stage, 0), "action", "\"workspace.realized\"");
    assert_at (stage, stage_entry (stage, 0), "entityId", ASK ("\"%s\"", id));
    assert_at (stage, stage_entry (stage, 0), "details", "{\"files\":1}");
    stage_queue_step (stage, REQUEST_LEASE_REALIZED, ACTOR_REALIZER, "x", "kept",
                      ASK ("{'leaseId':'%s','returned':true,'details':{'added':1}}", id));
    stage_serve (stage);
    assert_at (stage, stage_entry (stage, 0), "action", "\"workspace.returned\"");
    assert_true (lease_row (stage, id).returned);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_acquire_local), LEASE_TEST (test_acquire_pending),
        LEASE_TEST (test_acquire_refused), LEASE_TEST (test_acquire_timed_out),
        LEASE_TEST (test_acquire_refusals), LEASE_TEST (test_exclusive), LEASE_TEST (test_fenced),
        LEASE_TEST (test_release), LEASE_TEST (test_release_opening), LEASE_TEST (test_cleanup),
        LEASE_TEST (test_cleanup_retained), LEASE_TEST (test_release_for_run), LEASE_TEST (test_list_of_run),
        LEASE_TEST (test_release_for_run_beside_acquire),
        LEASE_TEST (test_key), LEASE_TEST (test_key_joins), LEASE_TEST (test_key_settled),
        LEASE_TEST (test_key_refused), LEASE_TEST (test_key_large),
        LEASE_TEST (test_realized),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
