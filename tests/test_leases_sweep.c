//  test_leases_sweep.c - places that no lease wants, leases whose place is gone: nothing is done
//  without proof, age, and two sweeps in a row; what cannot be read is unknown.

#include "lease_stage.h"

#include "codec.h"

#define GONE_LEASE "99999999-9999-7999-8999-999999999999"
#define AGE_MS 60000

#define ITEM(name, lease) "{'providerLeaseId':'" name "','leaseId':'" lease "','companyId':'acme'}"
#define PAGE(items) "{'items':[" items "],'more':false,'missing':[]}"
#define NOTHING PAGE ("")
#define ORPHAN PAGE (ITEM ("bubblewrap:lost", GONE_LEASE))

static int
s_setup (void **state)
{
    lease_stage_setup (state);
    lease_stage->context.sweep.age_ms = AGE_MS;
    return 0;
}

static void
s_wait (stage_t *stage, int64_t ms)
{
    stage->now_ms += ms;
    stage->mono_ms += ms;
}

//  One sweep that an operator asks for: the list is answered so, and what is sent then stands on the
//  stage. The sweep's row, as that operator is told; with ok false nothing.
static berth_bytes_t
s_sweep_how (stage_t *stage, const char *more, bool ok, const char *list)
{
    uint64_t ticket = stage_queue (stage, REQUEST_PROVIDER_SWEEP, ASK ("{'provider':'bubblewrap'%s}", more));
    stage_serve (stage);
    const stage_sent_t *asked = lease_sent (stage, REQUEST_PLACE_LIST);
    assert_non_null (asked);
    assert_null (stage_answer (stage, ticket));
    letter_t letter = asked->letter;
    stage_queue_done (stage, &letter, ok, list);
    stage_serve (stage);
    const stage_sent_t *answer = stage_answer (stage, ticket);
    assert_non_null (answer);
    assert_int_equal (answer->status, ok ? reply_status_OK : reply_status_ERROR);
    return answer->body;
}

static berth_bytes_t
s_sweep (stage_t *stage, const char *list)
{
    return s_sweep_how (stage, "", true, list);
}

static uint64_t
s_suspects (stage_t *stage)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_read (stage->store, &txn, &err), err);
    uint64_t count = table_rows (txn, TABLE_SUSPECTS);
    store_txn_destroy (&txn);
    return count;
}

//  An active lease whose place is called so.
static const char *
s_lease_at (stage_t *stage, const char *name)
{
    uint64_t ticket;
    letter_t open = lease_opening (stage, "", &ticket);
    stage_queue_done (stage, &open, true, ASK ("{'providerLeaseId':'%s','metadata':{}}", name));
    stage_serve (stage);
    return arena_string (stage->arena, open.subject);
}

//  ---- orphans

static void
test_orphan (void **state)
{
    stage_t *stage = *state;
    assert_at (stage, s_sweep (stage, ORPHAN), "suspects", "1");
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    s_sweep (stage, ORPHAN);                        //  Twice, and too young
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    s_wait (stage, AGE_MS);
    uint64_t entries = stage_entries (stage);
    assert_at (stage, s_sweep (stage, ORPHAN), "acted", "1");
    const stage_sent_t *close = lease_sent (stage, REQUEST_PLACE_CLOSE);
    assert_non_null (close);
    assert_at (stage, close->body, "providerLeaseId", "\"bubblewrap:lost\"");
    assert_at (stage, close->body, "leaseId", "\"" GONE_LEASE "\"");
    assert_at (stage, close->body, "destroy", "true");
    assert_int_equal (stage_entries (stage), entries);
    letter_t letter = close->letter;
    for (int again = 0; again < 2; again++) {       //  The second answer is none
        stage_queue_done (stage, &letter, true, "{}");
        stage_serve (stage);
        assert_int_equal (stage_entries (stage), entries + 1);
    }
    berth_bytes_t entry = stage_entry (stage, 0);
    assert_at (stage, entry, "action", "\"environment.orphan_destroyed\"");
    assert_at (stage, entry, "companyId", "\"acme\"");
    assert_at (stage, entry, "entityId", "\"" GONE_LEASE "\"");
    assert_at (stage, entry, "details.providerLeaseId", "\"bubblewrap:lost\"");
    assert_int_equal (s_suspects (stage), 0);
    assert_at (stage, s_sweep (stage, NOTHING), "suspects", "0");
}

//  One that is old, too: two sweeps in a row must have seen it.
static void
test_in_a_row (void **state)
{
    stage_t *stage = *state;
    lease_stage->context.sweep.age_ms = 0;
    for (int again = 0; again < 3; again++) {
        s_sweep (stage, ORPHAN);
        assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
        s_sweep (stage, NOTHING);
        assert_int_equal (s_suspects (stage), 0);
        s_wait (stage, AGE_MS);
    }
    //  A list that could not be read stands between them: in a row begins anew, age does not help
    s_sweep (stage, ORPHAN);
    s_sweep_how (stage, "", false, lease_refused);
    assert_int_equal (s_suspects (stage), 1);
    s_wait (stage, AGE_MS);
    s_sweep (stage, ORPHAN);
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    //  Another process counts on
    lease_stage_restart (stage);
    stage_start (stage);
    s_sweep (stage, ORPHAN);
    assert_non_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
}

static void
test_unreadable (void **state)
{
    stage_t *stage = *state;
    const char *id = s_lease_at (stage, "bubblewrap:x");
    for (int again = 0; again < 4; again++) {
        berth_bytes_t error = s_sweep_how (stage, "", false, lease_refused);
        assert_at (stage, error, "code", "\"provider_error\"");
        s_wait (stage, AGE_MS);
    }
    assert_state (stage, id, "active");
    assert_int_equal (s_suspects (stage), 0);
    berth_bytes_t row = s_sweep (stage, NOTHING);
    assert_at (stage, row, "failures", "0");
    assert_at (stage, row, "error", "null");
}

//  An answer that is no page of a list, from a proxy that let it pass.
static void
test_nonsense (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket = stage_queue (stage, REQUEST_PROVIDER_SWEEP, "{'provider':'bubblewrap'}");
    stage_serve (stage);
    letter_t letter = lease_sent (stage, REQUEST_PLACE_LIST)->letter;
    stage_queue_done (stage, &letter, true, PAGE (ITEM ("bubblewrap:x", "no id")));
    stage_serve (stage);
    assert_int_equal (lease_error (stage, ticket).code, BERTH_INVALID);
    assert_int_equal (s_suspects (stage), 0);
    //  A second answer, and one to a sweep before
    stage_queue_done (stage, &letter, true, ORPHAN);
    stage_serve (stage);
    assert_int_equal (s_suspects (stage), 0);
    s_sweep (stage, NOTHING);
    stage_queue_done (stage, &letter, true, ORPHAN);
    stage_serve (stage);
    assert_int_equal (s_suspects (stage), 0);
}

//  Places that somebody wants, by whichever proof.
static void
test_wanted (void **state)
{
    stage_t *stage = *state;
    lease_stage->context.sweep.age_ms = 1;
    const char *active = s_lease_at (stage, "bubblewrap:a");
    const char *failing = s_lease_at (stage, "bubblewrap:b");
    lease_ask_release (stage, failing);
    stage_serve (stage);
    lease_closed (stage, false);
    assert_state (stage, failing, "cleanup");
    uint64_t ticket;
    const char *opening = arena_string (stage->arena, lease_opening (stage, "", &ticket).subject);
    lease_t kept = stage_lease (stage, SPACE, BOX, lease_state_RELEASED);
    kept.provider = "bubblewrap";
    kept.provider_lease = "bubblewrap:kept";
    kept.place = place_state_KEPT;
    kept.next_try_at = stage->now_ms + 864000000;
    stage_put_lease (stage, &kept);
    lease_t before = kept;                          //  Its place serves another lease now
    before.id = KEPT;
    before.place = place_state_GONE;
    before.provider_lease = "bubblewrap:a";
    stage_put_lease (stage, &before);
    const char *list = ASK ("{'items':["
        "{'providerLeaseId':'bubblewrap:a','leaseId':'" KEPT "'},"
        "{'providerLeaseId':'bubblewrap:b','leaseId':'" GONE_LEASE "'},"
        "{'providerLeaseId':'bubblewrap:c','leaseId':'%s'},"
        "{'providerLeaseId':'bubblewrap:kept','leaseId':'" SPACE "'},"
        "{'providerLeaseId':'bubblewrap:z','leaseId':'%s'}],'more':false,'missing':[]}",
        opening, active);
    for (int again = 0; again < 3; again++) {
        s_sweep (stage, list);
        assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
        assert_int_equal (s_suspects (stage), 0);
    }
    //  Its second place is left alone while the lease lasts, and goes behind it
    lease_ask_release (stage, active);
    stage_serve (stage);
    lease_closed (stage, true);
    list = ASK (PAGE ("{'providerLeaseId':'bubblewrap:z','leaseId':'%s'}"), active);
    s_sweep (stage, list);
    s_sweep (stage, list);
    assert_at (stage, lease_sent (stage, REQUEST_PLACE_CLOSE)->body, "providerLeaseId",
               "\"bubblewrap:z\"");
}

//  It becomes wanted between two sweeps: it is let go of.
static void
test_proved_again (void **state)
{
    stage_t *stage = *state;
    lease_stage->context.sweep.age_ms = 1;
    s_sweep (stage, PAGE (ITEM ("bubblewrap:a", GONE_LEASE)));
    assert_int_equal (s_suspects (stage), 1);
    s_lease_at (stage, "bubblewrap:a");
    s_sweep (stage, PAGE (ITEM ("bubblewrap:a", GONE_LEASE)));
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    assert_int_equal (s_suspects (stage), 0);
}

//  What an operator abandoned is told of, and left alone.
static void
test_given_up (void **state)
{
    stage_t *stage = *state;
    lease_stage->context.sweep.age_ms = 1;
    const char *id = s_lease_at (stage, "bubblewrap:a");
    stage_ok (stage, REQUEST_LEASE_RELEASE, ASK ("{'leaseId':'%s','abandon':true}", id));
    const char *list = ASK (PAGE ("{'providerLeaseId':'bubblewrap:a','leaseId':'%s'}"), id);
    for (int again = 0; again < 3; again++) {
        assert_at (stage, s_sweep (stage, list), "suspects", "1");
        assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    }
}

//  Of the install whose backup this store is: it may still run, so only an operator's word counts.
static void
test_former (void **state)
{
    stage_t *stage = *state;
    lease_stage->context.sweep.age_ms = 1;
    const char *list = PAGE ("{'providerLeaseId':'bubblewrap:lost','leaseId':'" GONE_LEASE
                             "','former':true}");
    for (int again = 0; again < 3; again++) {
        assert_at (stage, s_sweep_how (stage, ",'now':true", true, list), "suspects", "1");
        assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    }
    s_sweep_how (stage, ",'former':true", true, list);
    assert_non_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
}

//  A place that cannot be destroyed is tried again, later and later; at most so many in one sweep.
static void
test_bounded (void **state)
{
    stage_t *stage = *state;
    lease_stage->context.sweep.age_ms = 1;
    const char *items = "";
    for (int index = 0; index < BERTH_SWEEP_ACTS + 4; index++)
        items = ASK ("%s%s{'providerLeaseId':'bubblewrap:%02d','leaseId':'" GONE_LEASE "'}", items,
                     index ? "," : "", index);
    const char *list = ASK (PAGE ("%s"), items);
    s_sweep (stage, list);
    assert_at (stage, s_sweep (stage, list), "acted", "16");
    letter_t letter = lease_sent (stage, REQUEST_PLACE_CLOSE)->letter;
    stage_queue_done (stage, &letter, false, lease_refused);
    stage_serve (stage);
    assert_int_equal (s_suspects (stage), BERTH_SWEEP_ACTS + 4);
    assert_at (stage, s_sweep (stage, list), "acted", "4");     //  Those that are waited for are not asked again
    assert_at (stage, s_sweep_how (stage, ",'now':true", true, list), "acted", "16");
}

//  ---- leases whose place is gone

static const char *
s_without (stage_t *stage, const char *name)
{
    return ASK ("{'items':[],'more':false,'missing':['%s']}", name);
}

//  Until its provider was asked for that very place.
static letter_t
s_asked_for (stage_t *stage, const char *id)
{
    lease_stage->context.sweep.age_ms = 1;
    s_sweep (stage, s_without (stage, "bubblewrap:a"));
    assert_null (lease_sent (stage, REQUEST_PLACE_RESUME));
    assert_state (stage, id, "active");
    s_sweep (stage, s_without (stage, "bubblewrap:a"));
    const stage_sent_t *check = lease_sent (stage, REQUEST_PLACE_RESUME);
    assert_non_null (check);
    assert_at (stage, check->body, "providerLeaseId", "\"bubblewrap:a\"");
    assert_state (stage, id, "active");
    return check->letter;
}

static void
test_missing (void **state)
{
    stage_t *stage = *state;
    const char *id = s_lease_at (stage, "bubblewrap:a");
    letter_t check = s_asked_for (stage, id);
    stage_queue_done (stage, &check, false,
                      "{'code':'not_found','message':'lost','retryable':false}");
    stage_serve (stage);
    assert_state (stage, id, "releasing");
    lease_closed (stage, true);
    assert_state (stage, id, "failed");
    assert_string_equal (lease_row (stage, id).failure, "its provider no longer has its place");
    assert_int_equal (s_suspects (stage), 0);
}

//  A list that lies, and one whose provider does not say: the lease goes on.
static void
test_not_missing (void **state)
{
    stage_t *stage = *state;
    const char *id = s_lease_at (stage, "bubblewrap:a");
    letter_t check = s_asked_for (stage, id);
    stage_queue_done (stage, &check, false, lease_timed_out);
    stage_serve (stage);
    assert_state (stage, id, "active");
    assert_int_equal (s_suspects (stage), 1);
    stage_queue_done (stage, &check, true, "{'providerLeaseId':'bubblewrap:a','metadata':{}}");
    stage_serve (stage);
    assert_state (stage, id, "active");
    assert_int_equal (s_suspects (stage), 0);
}

//  Which names are held against the list: active leases' open places, those of this provider.
static void
test_expected (void **state)
{
    stage_t *stage = *state;
    s_lease_at (stage, "bubblewrap:a");
    uint64_t ticket;
    lease_opening (stage, "", &ticket);
    stage_ok (stage, REQUEST_LEASE_ACQUIRE, "{'companyId':'acme','environmentId':'" LOCAL "'}");
    stage_queue (stage, REQUEST_PROVIDER_SWEEP, "{'provider':'bubblewrap'}");
    stage_serve (stage);
    assert_at (stage, lease_sent (stage, REQUEST_PLACE_LIST)->body, "expected",
               "[\"bubblewrap:a\"]");
}

//  ---- when

static void
test_pages (void **state)
{
    stage_t *stage = *state;
    stage_queue (stage, REQUEST_PROVIDER_SWEEP, "{'provider':'bubblewrap'}");
    stage_serve (stage);
    letter_t letter = lease_sent (stage, REQUEST_PLACE_LIST)->letter;
    stage_queue_done (stage, &letter, true, "{'items':[" ITEM ("bubblewrap:a", GONE_LEASE)
                      "],'more':true,'missing':[]}");
    stage_serve (stage);
    const stage_sent_t *asked = lease_sent (stage, REQUEST_PLACE_LIST);
    assert_non_null (asked);
    assert_at (stage, asked->body, "after", "\"bubblewrap:a\"");
    letter = asked->letter;
    stage_queue_done (stage, &letter, true, PAGE (ITEM ("bubblewrap:b", GONE_LEASE)));
    stage_serve (stage);
    assert_int_equal (s_suspects (stage), 2);
    //  The second page could not be read: what the first one showed stays
    stage_queue (stage, REQUEST_PROVIDER_SWEEP, "{'provider':'bubblewrap'}");
    stage_serve (stage);
    letter = lease_sent (stage, REQUEST_PLACE_LIST)->letter;
    stage_queue_done (stage, &letter, true, "{'items':[" ITEM ("bubblewrap:a", GONE_LEASE)
                      "],'more':true,'missing':[]}");
    stage_serve (stage);
    letter = lease_sent (stage, REQUEST_PLACE_LIST)->letter;
    stage_queue_done (stage, &letter, false, lease_refused);
    stage_serve (stage);
    assert_int_equal (s_suspects (stage), 2);
}

//  By itself, each provider that can list; not again while one runs.
static void
test_by_itself (void **state)
{
    stage_t *stage = *state;
    stage->context.sweep.every_ms = 10000;
    lease_stage_restart (stage);
    stage_start (stage);
    stage_serve (stage);
    size_t asked = 0;
    for (int turn = 0; turn < 30; turn++) {
        stage_serve (stage);
        for (size_t index = 0; index < stage->count; index++) {
            const stage_sent_t *sent = &stage->sent [index];
            if (sent->to != ACTOR_PROXY || sent->letter.type != REQUEST_PLACE_LIST)
                continue;
            assert_string_not_equal (sent->provider, "fault");      //  It is for tests
            assert_true (turn >= 8);
            asked += strcmp (sent->provider, "bubblewrap") == 0;
        }
    }
    assert_int_equal (asked, 1);            //  It has not answered: it may take a minute
    s_wait (stage, LEASES_LIST_MS + LEASES_ANSWER_MS);
    stage_serve (stage);
    assert_non_null (lease_sent (stage, REQUEST_PLACE_LIST));
}

static void
test_who (void **state)
{
    stage_t *stage = *state;
    assert_int_equal (stage_fails (stage, REQUEST_PROVIDER_SWEEP, "{'provider':'nosuch'}").code,
                      BERTH_NOT_FOUND);
    assert_int_equal (stage_fails (stage, REQUEST_PROVIDER_SWEEP, "{'provider':'fault'}").code,
                      BERTH_NOT_FOUND);
    stage->context.test_providers = true;
    assert_int_equal (stage_fails (stage, REQUEST_PROVIDER_SWEEP, "{'provider':'fake'}").code,
                      BERTH_UNSUPPORTED);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, lease_stage_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_orphan), TEST (test_in_a_row), TEST (test_unreadable), TEST (test_nonsense),
        TEST (test_wanted), TEST (test_proved_again), TEST (test_given_up), TEST (test_former), TEST (test_bounded),
        TEST (test_missing), TEST (test_not_missing), TEST (test_expected), TEST (test_pages),
        TEST (test_by_itself), TEST (test_who),
    };
    return cmocka_run_group_tests_name ("leases_sweep", tests, NULL, NULL);
}
