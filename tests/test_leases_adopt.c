//  test_leases_adopt.c - places that are there already: adopted, taken up again, replaced, destroyed;
//  and who is fenced behind that.

#include "lease_stage.h"

#include "codec.h"
#include "fenced.h"

#include <stdlib.h>

#define ADOPT(more) "{'companyId':'acme','environmentId':'" BOX "','providerLeaseId':'bubblewrap:old'" \
                    more "}"
static const char *const s_gone = "{'code':'not_found','message':'it is lost','retryable':false}";

static const char *
s_adopting (stage_t *stage, uint64_t *ret_ticket, letter_t *ret_resume)
{
    *ret_ticket = stage_queue (stage, REQUEST_LEASE_ADOPT, ADOPT (""));
    stage_serve (stage);
    const stage_sent_t *sent = lease_sent (stage, REQUEST_PLACE_RESUME);
    assert_non_null (sent);
    assert_at (stage, sent->body, "providerLeaseId", "\"bubblewrap:old\"");
    *ret_resume = sent->letter;
    return arena_string (stage->arena, sent->letter.subject);
}

static void
s_answer (stage_t *stage, const letter_t *letter, bool ok, const char *json)
{
    stage_queue_done (stage, letter, ok, json);
    stage_serve (stage);
}

//  ---- adopted

static void
test_adopt (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t resume;
    const char *id = s_adopting (stage, &ticket, &resume);
    assert_state (stage, id, "pending");                //  Written before anybody is asked
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_pending\"");
    s_answer (stage, &resume, true, "{'providerLeaseId':'bubblewrap:old','metadata':{'a':1}}");
    assert_true (lease_answered (stage, ticket));
    lease_t lease = lease_row (stage, id);
    assert_int_equal (lease.state, lease_state_ACTIVE);
    assert_int_equal (lease.place, place_state_OPEN);
    assert_string_equal (lease.provider_lease, "bubblewrap:old");
    assert_true (lease.adopted);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_acquired\"");
    assert_at (stage, stage_entry (stage, 0), "details.adopted", "true");

    //  It is held now, by whatever lease.
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_ADOPT, ADOPT (""));
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_string_equal (err.lease_id, id);
    uint64_t release = lease_ask_release (stage, id);
    stage_serve (stage);
    lease_closed (stage, true);
    assert_true (lease_answered (stage, release));
}

//  What could not be taken over is not ours to close, whatever the failure was.
static void
test_adopt_refused (void **state)
{
    stage_t *stage = *state;
    const char *const answers [] = { s_gone, lease_refused, lease_timed_out };
    const berth_code_t codes [] = { BERTH_NOT_FOUND, BERTH_PROVIDER_ERROR, BERTH_PROVIDER_TIMEOUT };
    for (size_t index = 0; index < BERTH_COUNT (answers); index++) {
        uint64_t ticket;
        letter_t resume;
        const char *id = s_adopting (stage, &ticket, &resume);
        s_answer (stage, &resume, false, answers [index]);
        assert_int_equal (lease_error (stage, ticket).code, codes [index]);
        assert_state (stage, id, "failed");
        assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    }
    //  Given back meanwhile: nothing is closed either.
    uint64_t ticket;
    letter_t resume;
    const char *id = s_adopting (stage, &ticket, &resume);
    uint64_t release = lease_ask_release (stage, id);
    stage_serve (stage);
    assert_state (stage, id, "releasing");
    s_answer (stage, &resume, false, s_gone);
    assert_true (lease_answered (stage, release));
    assert_state (stage, id, "released");
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
}

static void
test_adopt_refusals (void **state)
{
    stage_t *stage = *state;
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_ADOPT,
        "{'companyId':'acme','environmentId':'" LOCAL "','providerLeaseId':'x'}");
    assert_int_equal (err.code, BERTH_UNSUPPORTED);
    //  The rules of workspaces hold.
    stage_ok (stage, REQUEST_LEASE_ACQUIRE, "{'companyId':'acme','environmentId':'" BOX "',"
              "'executionWorkspaceId':'" SPACE "','wait':false}");
    err = stage_fails (stage, REQUEST_LEASE_ADOPT, ADOPT (",'executionWorkspaceId':'" SPACE "'"));
    assert_int_equal (err.code, BERTH_CONFLICT);
    stage_put_environment (stage, BOX, "{'driver':'sandbox','config':{'provider':'bubblewrap'},"
                                       "'policy':{'concurrency':'serialize'}}");
    err = stage_fails (stage, REQUEST_LEASE_ADOPT, ADOPT (",'executionWorkspaceId':'" SPACE "'"));
    assert_int_equal (err.code, BERTH_CONFLICT);        //  Who adopts does not wait
    //  A place that is kept for another is held, too.
    lease_t kept = stage_lease (stage, KEPT, BOX, lease_state_RELEASED);
    kept.provider = "bubblewrap";
    kept.provider_lease = "bubblewrap:old";
    kept.place = place_state_KEPT;
    stage_put_lease (stage, &kept);
    err = stage_fails (stage, REQUEST_LEASE_ADOPT, ADOPT (""));
    assert_string_equal (err.lease_id, KEPT);
}

//  Killed before the answer: the next start asks for the same, and opens nothing.
static void
test_adopt_restart (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t resume;
    const char *id = s_adopting (stage, &ticket, &resume);
    lease_stage_restart (stage);
    stage_start (stage);
    assert_null (lease_sent (stage, REQUEST_PLACE_OPEN));
    const stage_sent_t *sent = lease_sent (stage, REQUEST_PLACE_RESUME);
    assert_non_null (sent);
    resume = sent->letter;
    s_answer (stage, &resume, true, "{'providerLeaseId':'bubblewrap:old'}");
    assert_state (stage, id, "active");
}

//  ---- taken up again

static uint64_t
s_resuming (stage_t *stage, const char *id, letter_t *ret_resume)
{
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_RESUME, ASK ("{'leaseId':'%s'}", id));
    stage_serve (stage);
    const stage_sent_t *sent = lease_sent (stage, REQUEST_PLACE_RESUME);
    assert_non_null (sent);
    *ret_resume = sent->letter;
    return ticket;
}

static void
test_resume (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    uint64_t generation = lease_row (stage, id).generation, entries = stage_entries (stage);
    letter_t resume;
    uint64_t first = s_resuming (stage, id, &resume);
    uint64_t second = stage_queue (stage, REQUEST_LEASE_RESUME, ASK ("{'leaseId':'%s'}", id));
    stage_serve (stage);
    assert_null (lease_sent (stage, REQUEST_PLACE_RESUME));     //  Joins
    s_answer (stage, &resume, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    assert_true (lease_answered (stage, first) && lease_answered (stage, second));
    assert_at (stage, stage_answer (stage, first)->body, "metadata.resumedLease", "true");
    assert_int_equal (lease_row (stage, id).generation, generation);
    assert_int_equal (stage_entries (stage), entries + 1);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_resumed\"");

    //  A provider that does not know is not believed to have lost it.
    first = s_resuming (stage, id, &resume);
    s_answer (stage, &resume, false, lease_timed_out);
    assert_int_equal (lease_error (stage, first).code, BERTH_PROVIDER_TIMEOUT);
    assert_state (stage, id, "active");
    assert_int_equal (stage_entries (stage), entries + 1);
}

//  One that is lost is replaced: the next generation, and whoever has an older one is fenced.
static void
test_replaced (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    uint64_t generation = lease_row (stage, id).generation;
    letter_t resume;
    uint64_t ticket = s_resuming (stage, id, &resume);
    s_answer (stage, &resume, false, s_gone);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_place_lost\"");
    lease_t lease = lease_row (stage, id);
    assert_int_equal (lease.state, lease_state_ACTIVE);
    assert_int_equal (lease.place, place_state_OPENING);
    assert_true (lease.generation > generation);
    const stage_sent_t *open = lease_sent (stage, REQUEST_PLACE_OPEN);
    assert_non_null (open);
    assert_at (stage, open->body, "generation", ASK ("%llu", (unsigned long long) lease.generation));
    assert_int_equal (stage_fails (stage, REQUEST_LEASE_RENEW,
        ASK ("{'leaseId':'%s','generation':%llu}", id, (unsigned long long) generation)).code,
        BERTH_FENCED);

    //  Killed before it is open: the next start asks again.
    lease_stage_restart (stage);
    stage_start (stage);
    open = lease_sent (stage, REQUEST_PLACE_OPEN);
    assert_non_null (open);
    letter_t letter = open->letter;
    ticket = stage_queue (stage, REQUEST_LEASE_RESUME, ASK ("{'leaseId':'%s'}", id));
    s_answer (stage, &letter, true, "{'providerLeaseId':'bubblewrap:y','metadata':{}}");
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_place_opened\"");
    lease = lease_row (stage, id);
    assert_string_equal (lease.provider_lease, "bubblewrap:y");
    assert_int_equal (lease.place, place_state_OPEN);
    (void) ticket;
}

//  The place of another lease's that is lost goes by that lease's row.
static void
test_replaced_reused (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    lease_t before = stage_lease (stage, KEPT, BOX, lease_state_RELEASED), lease;
    before.provider = "bubblewrap";
    before.provider_lease = "bubblewrap:x";
    before.place = place_state_GONE;
    before.taken_by = id;
    stage_put_lease (stage, &before);
    lease = lease_row (stage, id);
    lease.reused = KEPT;
    stage_put_lease (stage, &lease);
    letter_t resume;
    (void) s_resuming (stage, id, &resume);
    s_answer (stage, &resume, false, s_gone);
    const stage_sent_t *close = lease_sent (stage, REQUEST_PLACE_CLOSE);
    assert_non_null (close);
    assert_string_equal (close->letter.subject, KEPT);
    assert_at (stage, close->body, "destroy", "true");
    assert_null (lease_row (stage, id).provider_lease);
}

//  What was retained comes back with its files; what is settled does not.
static void
test_resume_retained (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    lease_t lease = lease_row (stage, id);
    lease.return_mode = "required";
    stage_put_lease (stage, &lease);
    lease_ask_release (stage, id);
    stage_serve (stage);
    lease_closed (stage, true);
    assert_state (stage, id, "retained");
    letter_t resume;
    uint64_t ticket = s_resuming (stage, id, &resume);
    s_answer (stage, &resume, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    assert_true (lease_answered (stage, ticket));
    lease = lease_row (stage, id);
    assert_int_equal (lease.state, lease_state_ACTIVE);
    assert_int_equal (lease.status, lease_status_ACTIVE);
    assert_int_equal (lease.released_at, 0);
    assert_int_equal (lease.expires_at, stage->now_ms + 86400000);

    lease_ask_release (stage, id);
    stage_serve (stage);
    lease_closed (stage, true);
    ticket = s_resuming (stage, id, &resume);
    s_answer (stage, &resume, false, s_gone);           //  Files are not replaced by none
    assert_int_equal (lease_error (stage, ticket).code, BERTH_NOT_FOUND);
    assert_state (stage, id, "retained");
    const char *other = lease_active (stage, "");
    lease_ask_release (stage, other);
    stage_serve (stage);
    lease_closed (stage, true);
    assert_int_equal (stage_fails (stage, REQUEST_LEASE_RESUME, ASK ("{'leaseId':'%s'}", other)).code,
                      BERTH_CONFLICT);
}

//  ---- destroyed

static letter_t
s_destroying (stage_t *stage, const char *id)
{
    stage_queue (stage, REQUEST_LEASE_DESTROY, ASK ("{'leaseId':'%s'}", id));
    stage_serve (stage);
    const stage_sent_t *close = lease_sent (stage, REQUEST_PLACE_CLOSE);
    assert_non_null (close);
    assert_at (stage, close->body, "destroy", "true");
    assert_at (stage, close->body, "keepFiles", "false");
    return close->letter;
}

//  Whatever it was to become: failed, and nothing of its place is kept.
static void
test_destroy (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    lease_t lease = lease_row (stage, id);
    lease.policy = lease_policy_RETAIN_ON_FAILURE;
    lease.return_mode = "required";
    stage_put_lease (stage, &lease);
    letter_t close = s_destroying (stage, id);
    s_answer (stage, &close, true, "{}");
    assert_state (stage, id, "failed");
    assert_string_equal (lease_row (stage, id).failure, "it was destroyed");
    assert_int_equal (lease_row (stage, id).place, place_state_GONE);

    //  Of one that was retained the files go, too.
    id = lease_active (stage, "");
    lease = lease_row (stage, id);
    lease.return_mode = "required";
    stage_put_lease (stage, &lease);
    lease_ask_release (stage, id);
    stage_serve (stage);
    lease_closed (stage, true);
    assert_state (stage, id, "retained");
    close = s_destroying (stage, id);
    s_answer (stage, &close, true, "{}");
    assert_state (stage, id, "failed");

    //  Of one that is settled, the place that was kept.
    lease = stage_lease (stage, KEPT, BOX, lease_state_RELEASED);
    lease.provider = "bubblewrap";
    lease.provider_lease = "bubblewrap:kept";
    lease.place = place_state_KEPT;
    stage_put_lease (stage, &lease);
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_DESTROY, "{'leaseId':'" KEPT "'}");
    stage_serve (stage);
    assert_true (lease_answered (stage, ticket));
    assert_non_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    assert_int_equal (lease_row (stage, KEPT).place, place_state_CLOSING);
    assert_state (stage, KEPT, "released");
}

//  ---- fenced

//  Each request about a lease that carries a generation refuses an old one, and changes nothing.
static void
test_fenced (void **state)
{
    stage_t *stage = *state;
    const char *id = lease_active (stage, "");
    uint64_t now = lease_row (stage, id).generation, entries = stage_entries (stage);
    size_t rows = 0;
    for (int code = -1; (code = (int) fenced_next (ACTOR_LEASES, code)) < REQUEST_COUNT; rows++) {
        uint64_t ticket = stage_queue (stage, (request_code_t) code, "{}");
        stage->queue [stage->queued - 1].body = fenced_body ((request_code_t) code, id, now - 1,
                                                             stage->arena);
        stage_serve (stage);
        berth_error_t err = lease_error (stage, ticket);
        if (err.code != BERTH_FENCED)
            fail_msg ("%s: %s", request_row ((request_code_t) code)->type, err.text);
    }
    assert_true (rows >= 5);
    assert_state (stage, id, "active");
    assert_int_equal (stage_entries (stage), entries);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_adopt), LEASE_TEST (test_adopt_refused), LEASE_TEST (test_adopt_refusals),
        LEASE_TEST (test_adopt_restart), LEASE_TEST (test_resume), LEASE_TEST (test_replaced),
        LEASE_TEST (test_replaced_reused), LEASE_TEST (test_resume_retained),
        LEASE_TEST (test_destroy), LEASE_TEST (test_fenced),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
