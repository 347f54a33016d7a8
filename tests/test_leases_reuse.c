//  test_leases_reuse.c - places that outlive their lease: whom they serve next, and their end.

#include "lease_stage.h"

#include "codec.h"

#define OF_RUN "'companyId':'acme','environmentId':'" BOX "','heartbeatRunId':"
#define OTHER "55555555-5555-7555-8555-555555555555"

static void
s_box (stage_t *stage, const char *more)
{
    stage_put_environment (stage, BOX, ASK ("{'driver':'sandbox','config':{'provider':'bubblewrap',"
                                            "'reuseLease':true%s}}", more));
}

//  What the last batch sent to its provider: place.open or place.resume.
static letter_t
s_sent (stage_t *stage, request_code_t type)
{
    const stage_sent_t *sent = lease_sent (stage, type);
    if (!sent)
        fail_msg ("no %s was sent", request_row (type)->type);
    return sent->letter;
}

//  Acquires, is opened as `place`, and is given back: a place that is kept; the lease's id.
static const char *
s_kept (stage_t *stage, const char *json, const char *place)
{
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE, json);
    stage_serve (stage);
    letter_t open = s_sent (stage, REQUEST_PLACE_OPEN);
    stage_queue_done (stage, &open, true, ASK ("{'providerLeaseId':'%s','metadata':{}}", place));
    stage_serve (stage);
    assert_true (lease_answered (stage, ticket));
    const char *id = arena_string (stage->arena, open.subject);
    lease_ask_release (stage, id);
    stage_serve (stage);
    assert_at (stage, lease_sent (stage, REQUEST_PLACE_CLOSE)->body, "keepFiles", "true");
    lease_closed (stage, true);
    assert_state (stage, id, "released");
    assert_int_equal (lease_row (stage, id).place, place_state_KEPT);
    return id;
}

#define FIRST "{" OF_RUN "'r1','agentId':'a1','adapterType':'codex_local'}"

static void
test_taken_up (void **state)
{
    stage_t *stage = *state;
    s_box (stage, "");
    const char *before = s_kept (stage, FIRST, "bubblewrap:one");
    uint64_t ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE,
                                   "{" OF_RUN "'r2','agentId':'a1','adapterType':'codex_local'}");
    stage_serve (stage);
    assert_null (lease_sent (stage, REQUEST_PLACE_OPEN));
    letter_t resume = s_sent (stage, REQUEST_PLACE_RESUME);
    berth_bytes_t body = lease_sent (stage, REQUEST_PLACE_RESUME)->body;
    assert_at (stage, body, "providerLeaseId", "\"bubblewrap:one\"");
    lease_t old = lease_row (stage, before), row = lease_row (stage, resume.subject);
    assert_true (row.generation > old.generation);
    assert_at (stage, body, "generation", ASK ("%llu", (unsigned long long) row.generation));
    assert_int_equal (old.state, lease_state_RELEASED);         //  It keeps its history
    assert_int_equal (old.place, place_state_GONE);
    assert_string_equal (old.taken_by, row.id);
    assert_string_equal (row.reused, before);

    //  Started anew meanwhile, the same is asked again.
    lease_stage_restart (stage);
    stage_start (stage);
    resume = s_sent (stage, REQUEST_PLACE_RESUME);
    assert_string_equal (resume.subject, row.id);
    stage_queue_done (stage, &resume, true, "{'providerLeaseId':'bubblewrap:one','metadata':{'a':1}}");
    stage_serve (stage);
    assert_null (stage_answer (stage, ticket));                 //  It waited at the one before
    row = lease_row (stage, row.id);
    assert_int_equal (row.state, lease_state_ACTIVE);
    assert_true (any_truth (row.metadata, "resumedLease", false));
    assert_at (stage, stage_entry (stage, 0), "details.reusedLeaseId", ASK ("\"%s\"", before));
}

//  Who gets a place, and who does not.
static void
test_scope (void **state)
{
    stage_t *stage = *state;
    stage_put_environment (stage, OTHER, "{'driver':'sandbox','config':{'provider':'bubblewrap',"
                                         "'reuseLease':true}}");
    static const struct { const char *ask; bool reuses; } cases [] = {
        { "{" OF_RUN "'r2','agentId':'a2','adapterType':'codex_local'}", false },
        { "{" OF_RUN "'r2','adapterType':'codex_local'}", false },
        { "{" OF_RUN "'r2','agentId':'a1','adapterType':'cursor'}", false },
        { "{" OF_RUN "'r2','agentId':'a1','adapterType':'codex_local','executionWorkspaceId':'" SPACE "'}",
          false },
        { "{" OF_RUN "null,'agentId':'a1','adapterType':'codex_local'}", false },
        { "{'companyId':'acme','environmentId':'" OTHER "','heartbeatRunId':'r2','agentId':'a1',"
          "'adapterType':'codex_local'}", false },
        { "{" OF_RUN "'r3','agentId':'a1','adapterType':'codex_local'}", true },
    };
    s_box (stage, "");
    const char *before = s_kept (stage, FIRST, "bubblewrap:one");
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        stage_queue (stage, REQUEST_LEASE_ACQUIRE, cases [index].ask);
        stage_serve (stage);
        if ((lease_sent (stage, REQUEST_PLACE_RESUME) != NULL) != cases [index].reuses)
            fail_msg ("%s", cases [index].ask);
        assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    }
    assert_int_equal (lease_row (stage, before).place, place_state_GONE);
}

//  Both in one batch: the second sees what the first wrote.
static void
test_one_holder (void **state)
{
    stage_t *stage = *state;
    s_box (stage, "");
    s_kept (stage, FIRST, "bubblewrap:one");
    stage_queue (stage, REQUEST_LEASE_ACQUIRE, FIRST);
    stage_queue (stage, REQUEST_LEASE_ACQUIRE,
                 "{" OF_RUN "'r2','agentId':'a1','adapterType':'codex_local'}");
    stage_serve (stage);
    size_t resumes = 0, opens = 0;
    for (size_t index = 0; index < stage->count; index++) {
        resumes += stage->sent [index].letter.type == REQUEST_PLACE_RESUME;
        opens += stage->sent [index].letter.type == REQUEST_PLACE_OPEN;
    }
    assert_int_equal (resumes, 1);
    assert_int_equal (opens, 1);
}

//  Lost, or not to be taken up for any reason: another is opened, the old row closes the old one.
static void
test_lost (void **state)
{
    stage_t *stage = *state;
    static const char *const failures [] = {
        "{'code':'not_found','message':'gone','retryable':false}",
        "{'code':'provider_error','message':'no','retryable':true}",
        "{'code':'provider_timeout','message':'late','retryable':true}",
    };
    s_box (stage, "");
    for (size_t index = 0; index < BERTH_COUNT (failures); index++) {
        const char *before = s_kept (stage, FIRST, "bubblewrap:one");
        uint64_t ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE, FIRST);
        stage_serve (stage);
        letter_t resume = s_sent (stage, REQUEST_PLACE_RESUME);
        stage_queue_done (stage, &resume, false, failures [index]);
        stage_serve (stage);
        letter_t open = s_sent (stage, REQUEST_PLACE_OPEN);
        assert_string_equal (open.subject, resume.subject);
        const stage_sent_t *close = lease_sent (stage, REQUEST_PLACE_CLOSE);
        assert_non_null (close);
        assert_string_equal (close->letter.subject, before);
        assert_at (stage, close->body, "destroy", "true");
        letter_t closing = close->letter;
        //  Not confirmed: it is asked again.
        stage_queue_done (stage, &closing, false, lease_refused);
        stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:two','metadata':{}}");
        stage_serve (stage);
        assert_true (lease_answered (stage, ticket));
        assert_int_equal (lease_row (stage, before).place, place_state_CLOSING);
        stage->now_ms += LEASES_RETRY_MAX_MS;
        stage->mono_ms += LEASES_RETRY_MAX_MS;
        stage_serve (stage);
        closing = s_sent (stage, REQUEST_PLACE_CLOSE);
        assert_string_equal (closing.subject, before);
        stage_queue_done (stage, &closing, true, "{}");
        stage_serve (stage);
        assert_int_equal (lease_row (stage, before).place, place_state_GONE);
        assert_state (stage, before, "released");
        assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_place_destroyed\"");
        lease_t row = lease_row (stage, open.subject);
        assert_null (row.reused);
        assert_string_equal (row.provider_lease, "bubblewrap:two");
        //  And it goes, so that the next round begins with nothing.
        stage_put_environment (stage, BOX, ASK ("{'driver':'sandbox','config':{'provider':"
                               "'bubblewrap','reuseLease':true,'pids':%zu}}", 100 + index));
        lease_ask_release (stage, row.id);
        stage_serve (stage);
        lease_closed (stage, true);
        stage_queue (stage, REQUEST_LEASE_ACQUIRE, FIRST);
        stage_serve (stage);
        closing = s_sent (stage, REQUEST_PLACE_CLOSE);
        assert_string_equal (closing.subject, row.id);          //  Obsolete: the config is another
        open = s_sent (stage, REQUEST_PLACE_OPEN);
        stage_queue_done (stage, &closing, true, "{}");
        stage_queue_done (stage, &open, false, lease_refused);
        stage_serve (stage);
        assert_int_equal (lease_row (stage, row.id).place, place_state_GONE);
    }
}

//  Given back while its place is being taken up: closed for good if that failed, kept if not.
static void
test_given_back_meanwhile (void **state)
{
    stage_t *stage = *state;
    s_box (stage, "");
    for (int well = 0; well < 2; well++) {
        if (!well)
            s_kept (stage, FIRST, "bubblewrap:one");
        else
            s_kept (stage, FIRST, "bubblewrap:two");
        stage_queue (stage, REQUEST_LEASE_ACQUIRE, FIRST);
        stage_serve (stage);
        letter_t resume = s_sent (stage, REQUEST_PLACE_RESUME);
        lease_ask_release (stage, resume.subject);
        stage_serve (stage);
        stage_queue_done (stage, &resume, well, well ? "{'providerLeaseId':'bubblewrap:two',"
                          "'metadata':{}}" : lease_refused);
        stage_serve (stage);
        const stage_sent_t *close = lease_sent (stage, REQUEST_PLACE_CLOSE);
        assert_string_equal (close->letter.subject, resume.subject);
        assert_at (stage, close->body, "providerLeaseId", well ? "\"bubblewrap:two\""
                                                               : "\"bubblewrap:one\"");
        assert_at (stage, close->body, "destroy", well ? "absent" : "true");
        lease_closed (stage, true);
        assert_state (stage, resume.subject, "released");
        assert_int_equal (lease_row (stage, resume.subject).place,
                          well ? place_state_KEPT : place_state_GONE);
    }
}

//  The order of a config's keys is no change, and neither is a setting that is no wall.
static void
test_fingerprint (void **state)
{
    stage_t *stage = *state;
    static const struct { const char *env; bool reuses; } cases [] = {
        { "{'driver':'sandbox','config':{'reuseLease':true,'pids':64,'provider':'bubblewrap'}}", true },
        { "{'driver':'sandbox','config':{'provider':'bubblewrap','reuseLease':true,'pids':64},"
          "'name':'new','policy':{'idleMs':5000}}", true },
        { "{'driver':'sandbox','config':{'provider':'bubblewrap','reuseLease':true,'pids':64},"
          "'policy':{'env':{'A':'b'}}}", false },
        { "{'driver':'sandbox','config':{'provider':'bubblewrap','reuseLease':true,'pids':64},"
          "'policy':{'limits':{'memoryMb':64}}}", false },
        { "{'driver':'sandbox','config':{'provider':'bubblewrap','reuseLease':true,'pids':65}}", false },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++) {
        s_box (stage, ",'pids':64");
        const char *json = ASK ("{" OF_RUN "'r1','agentId':'a%zu'}", index);
        s_kept (stage, json, ASK ("bubblewrap:%zu", index));
        stage_put_environment (stage, BOX, cases [index].env);
        stage_queue (stage, REQUEST_LEASE_ACQUIRE, json);
        stage_serve (stage);
        if ((lease_sent (stage, REQUEST_PLACE_RESUME) != NULL) != cases [index].reuses)
            fail_msg ("%s", cases [index].env);
        assert_int_equal (lease_sent (stage, REQUEST_PLACE_CLOSE) == NULL, cases [index].reuses);
    }
}

//  Paperclip's release table (reference, 2.3), and which policy a lease is stamped with.
static void
test_release_table (void **state)
{
    stage_t *stage = *state;
    static const struct {
        const char *policy, *run, *space, *stamped;
    } policies [] = {
        { "ephemeral", "'r1'", "", "ephemeral" },
        { "reuse_by_environment", "'r1'", "", "reuse_by_environment" },
        { "reuse_by_environment", "null", "", "ephemeral" },
        { "reuse_by_execution_workspace", "'r1'", "", "ephemeral" },
        { "reuse_by_execution_workspace", "'r1'", ",'executionWorkspaceId':'" SPACE "'",
          "reuse_by_execution_workspace" },
        { "retain_on_failure", "'r1'", "", "retain_on_failure" },
        { "retain_on_failure", "null", "", "retain_on_failure" },
    };
    static const char *const asked [] = { "released", "expired", "failed" };
    for (size_t policy = 0; policy < BERTH_COUNT (policies); policy++)
        for (size_t status = 0; status < BERTH_COUNT (asked); status++) {
            stage_put_environment (stage, BOX, ASK ("{'driver':'sandbox','config':{'provider':"
                "'bubblewrap'},'policy':{'leasePolicy':'%s'}}", policies [policy].policy));
            stage_queue (stage, REQUEST_LEASE_ACQUIRE,
                         ASK ("{" OF_RUN "%s,'agentId':'a%zu-%zu'%s}", policies [policy].run, policy,
                              status, policies [policy].space));
            stage_serve (stage);
            letter_t open = s_sent (stage, REQUEST_PLACE_OPEN);
            stage_queue_done (stage, &open, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
            stage_serve (stage);
            stage_queue (stage, REQUEST_LEASE_RELEASE,
                         ASK ("{'leaseId':'%s','status':'%s'}", open.subject, asked [status]));
            stage_serve (stage);
            lease_closed (stage, true);
            lease_t row = lease_row (stage, open.subject);
            bool retained = strcmp (policies [policy].stamped, "retain_on_failure") == 0
                         && strcmp (asked [status], "failed") == 0;
            bool kept = strncmp (policies [policy].stamped, "reuse", 5) == 0;
            assert_string_equal (berth_enum_text (&lease_policy_enum, (int) row.policy),
                                 policies [policy].stamped);
            assert_string_equal (berth_enum_text (&lease_status_enum, (int) row.status),
                                 retained ? "retained" : asked [status]);
            assert_int_equal (row.place == place_state_KEPT, kept);
            assert_int_equal (row.released_at == 0, retained);
            if (retained) {         //  The next case is not held up
                lease_ask_release (stage, row.id);
                stage_serve (stage);
                lease_closed (stage, true);
                assert_state (stage, row.id, "released");
            }
        }
}

//  Of a driver without places to keep, whatever its policy says: nothing is retained, reused or
//  cleaned up (reference, 2).
static void
test_release_table_local (void **state)
{
    stage_t *stage = *state;
    static const struct { const char *policy, *stamped; } policies [] = {
        { "ephemeral", "ephemeral" }, { "reuse_by_environment", "ephemeral" },
        { "retain_on_failure", "retain_on_failure" },
    };
    static const char *const asked [] = { "released", "expired", "failed" };
    for (size_t policy = 0; policy < BERTH_COUNT (policies); policy++)
        for (size_t status = 0; status < BERTH_COUNT (asked); status++) {
            stage_put_environment (stage, LOCAL, ASK ("{'policy':{'leasePolicy':'%s'}}",
                                                      policies [policy].policy));
            berth_bytes_t row = stage_ok (stage, REQUEST_LEASE_ACQUIRE,
                "{'companyId':'acme','environmentId':'" LOCAL "','heartbeatRunId':'r1'}");
            assert_at (stage, row, "leasePolicy", ASK ("\"%s\"", policies [policy].stamped));
            row = stage_ok (stage, REQUEST_LEASE_RELEASE,
                            ASK ("{'leaseId':'%s','status':'%s'}", stage_text (stage, row, "id"),
                                 asked [status]));
            assert_at (stage, row, "status", ASK ("\"%s\"", asked [status]));
            assert_at (stage, row, "cleanupStatus", "null");
            assert_at (stage, row, "placeState", "\"gone\"");
            assert_string_not_equal (stage_at (stage, row, "releasedAt"), "null");
            assert_at (stage, row, "failureReason",
                       strcmp (asked [status], "failed") ? "null" : "\"adapter_or_run_failure\"");
        }
}

//  Nobody came for it: it goes; and a shutdown that closes everything takes it along.
static void
test_kept_too_long (void **state)
{
    stage_t *stage = *state;
    s_box (stage, "");
    const char *before = s_kept (stage, FIRST, "bubblewrap:one");
    stage->now_ms += BERTH_PLACES_KEPT_S * 1000ll - 60000;
    stage->mono_ms += BERTH_PLACES_KEPT_S * 1000ll - 60000;
    stage_serve (stage);
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));
    stage->now_ms += 60000;
    stage->mono_ms += 60000;
    stage_serve (stage);
    letter_t close = s_sent (stage, REQUEST_PLACE_CLOSE);
    assert_string_equal (close.subject, before);
    stage_serve (stage);
    assert_null (lease_sent (stage, REQUEST_PLACE_CLOSE));      //  It is under way
    stage_queue_done (stage, &close, true, "{}");
    stage_serve (stage);
    assert_int_equal (lease_row (stage, before).place, place_state_GONE);

    const char *again = s_kept (stage, FIRST, "bubblewrap:two");
    stage_queue_step (stage, REQUEST_LEASE_RELEASE_ALL, ACTOR_FRONT, "", "", "{}");
    stage_serve (stage);
    assert_string_equal (s_sent (stage, REQUEST_PLACE_CLOSE).subject, again);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_taken_up), LEASE_TEST (test_scope), LEASE_TEST (test_one_holder),
        LEASE_TEST (test_lost), LEASE_TEST (test_given_back_meanwhile),
        LEASE_TEST (test_fingerprint), LEASE_TEST (test_release_table),
        LEASE_TEST (test_kept_too_long), LEASE_TEST (test_release_table_local),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
