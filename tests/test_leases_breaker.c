//  test_leases_breaker.c - a provider that fails again and again: refused at once, tried again, one
//  entry for each change.

#include "lease_stage.h"

#include "codec.h"

static const char *const s_broken =
    "{'code':'provider_error','message':'no image','retryable':true}";

static const char *
s_ask (stage_t *stage, const char *env)
{
    return ASK ("{'companyId':'acme','environmentId':'%s'}", env);
}

//  One acquire that is let through, and its answer.
static void
s_try (stage_t *stage, const char *env, const char *failure)
{
    stage_queue (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, env));
    stage_serve (stage);
    const stage_sent_t *open = lease_sent (stage, REQUEST_PLACE_OPEN);
    assert_non_null (open);
    letter_t letter = open->letter;
    stage_queue_done (stage, &letter, !failure,
                      failure ? failure : ASK ("{'providerLeaseId':'%s','metadata':{}}",
                                               lease_fresh_name (stage)));
    stage_serve (stage);
}

static berth_error_t
s_refused (stage_t *stage, const char *env)
{
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, env));
    assert_int_equal (err.code, BERTH_PROVIDER_UNAVAILABLE);
    assert_null (lease_sent (stage, REQUEST_PLACE_OPEN));
    return err;
}

//  Entries of this action in the whole log.
static size_t
s_told (stage_t *stage, const char *action)
{
    size_t count = 0;
    for (uint64_t back = 0; back < stage_entries (stage); back++)
        count += strcmp (stage_text (stage, stage_entry (stage, back), "action"), action) == 0;
    return count;
}

static void
s_wait (stage_t *stage, int64_t ms)
{
    stage->now_ms += ms;
    stage->mono_ms += ms;
}

static void
test_opens_and_closes (void **state)
{
    stage_t *stage = *state;
    for (int tries = 0; tries < BERTH_BREAKER_FAILURES; tries++) {
        assert_int_equal (s_told (stage, "provider.breaker_opened"), 0);
        s_try (stage, BOX, s_broken);
    }
    assert_int_equal (s_told (stage, "provider.breaker_opened"), 1);
    assert_at (stage, stage_entry (stage, 1), "companyId", "\"~service\"");
    assert_at (stage, stage_entry (stage, 1), "details.error", "\"no image\"");
    for (int asked = 0; asked < 3; asked++) {
        berth_error_t err = s_refused (stage, BOX);
        assert_non_null (strstr (err.text, "5 acquires in a row failed with provider_error"));
        assert_non_null (strstr (err.text, "no image"));
        assert_true (err.retry_after_ms > 0 && err.retry_after_ms <= BERTH_BREAKER_FIRST_MS);
    }
    lease_stage_restart (stage);            //  The next process leaves it alone too
    stage_start (stage);
    s_refused (stage, BOX);

    //  One is let through, the others are not; it fails: twice as long.
    s_wait (stage, BERTH_BREAKER_FIRST_MS);
    stage_queue (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, BOX));
    stage_serve (stage);
    letter_t probe = lease_sent (stage, REQUEST_PLACE_OPEN)->letter;
    s_refused (stage, BOX);
    stage_queue_done (stage, &probe, false, s_broken);
    stage_serve (stage);
    assert_true (s_refused (stage, BOX).retry_after_ms > BERTH_BREAKER_FIRST_MS);
    assert_int_equal (s_told (stage, "provider.breaker_opened"), 1);

    //  The next one succeeds: all are let through.
    s_wait (stage, 2 * BERTH_BREAKER_FIRST_MS);
    s_try (stage, BOX, NULL);
    assert_int_equal (s_told (stage, "provider.breaker_closed"), 1);
    s_try (stage, BOX, NULL);
    s_try (stage, BOX, s_broken);
    s_try (stage, BOX, NULL);
    assert_int_equal (s_told (stage, "provider.breaker_opened"), 1);
}

//  What was let through is never answered: another one is, later.
static void
test_probe_lost (void **state)
{
    stage_t *stage = *state;
    for (int tries = 0; tries < BERTH_BREAKER_FAILURES; tries++)
        s_try (stage, BOX, s_broken);
    s_wait (stage, BERTH_BREAKER_FIRST_MS);
    stage_queue (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, BOX));
    stage_serve (stage);
    assert_non_null (lease_sent (stage, REQUEST_PLACE_OPEN));
    s_refused (stage, BOX);
    s_wait (stage, LEASES_OPEN_MS);
    s_try (stage, BOX, NULL);
    assert_int_equal (s_told (stage, "provider.breaker_closed"), 1);
}

//  A success in between, another failure, or too much time: not in a row, not alike.
static void
test_stays_closed (void **state)
{
    stage_t *stage = *state;
    for (int tries = 0; tries < 3 * BERTH_BREAKER_FAILURES; tries++)
        s_try (stage, BOX, tries % BERTH_BREAKER_FAILURES ? s_broken : NULL);
    s_try (stage, BOX, NULL);
    for (int tries = 0; tries < 3 * BERTH_BREAKER_FAILURES; tries++)
        s_try (stage, BOX, "{'code':'invalid_request','message':'you','retryable':false}");
    for (int tries = 0; tries < 3 * BERTH_BREAKER_FAILURES; tries++) {
        s_try (stage, BOX, s_broken);
        s_wait (stage, BERTH_BREAKER_WINDOW_MS / 4);
    }
    assert_int_equal (s_told (stage, "provider.breaker_opened"), 0);
}

//  One environment's own fault is not the others'; failures of several are the provider's.
static void
test_whose (void **state)
{
    stage_t *stage = *state;
    stage_put_environment (stage, SPACE, "{'driver':'sandbox','config':{'provider':'bubblewrap'}}");
    stage_put_environment (stage, KEPT, "{'driver':'sandbox','config':{'provider':'bubblewrap'}}");
    for (int tries = 0; tries < BERTH_BREAKER_FAILURES; tries++)
        s_try (stage, BOX, s_broken);
    s_refused (stage, BOX);
    s_try (stage, SPACE, NULL);
    s_refused (stage, BOX);
    for (int tries = 0; tries < BERTH_BREAKER_FAILURES; tries++)
        s_try (stage, tries % 2 ? SPACE : KEPT, s_broken);
    s_refused (stage, KEPT);
    s_refused (stage, SPACE);
    assert_int_equal (s_told (stage, "provider.breaker_opened"), 2);
    stage_ok (stage, REQUEST_LEASE_ACQUIRE, s_ask (stage, LOCAL));
}

//  Places that cannot be closed: one lease that is tried again and again is one; several are the
//  provider's. What it opens meanwhile does not speak for it, what it closes does.
static void
test_releases (void **state)
{
    stage_t *stage = *state;
    const char *ids [BERTH_BREAKER_FAILURES];
    for (int index = 0; index < BERTH_BREAKER_FAILURES; index++)
        ids [index] = lease_active (stage, "");
    for (int index = 0; index < BERTH_BREAKER_FAILURES; index++) {
        assert_int_equal (s_told (stage, "provider.breaker_opened"), 0);
        for (int tries = 0; tries < 3; tries++) {
            lease_ask_release (stage, ids [index]);
            stage_serve (stage);
            lease_closed (stage, false);
        }
    }
    assert_int_equal (s_told (stage, "provider.breaker_opened"), 1);
    assert_non_null (strstr (s_refused (stage, BOX).text, "5 releases in a row failed with provider_error"));
    s_wait (stage, BERTH_BREAKER_FIRST_MS);
    s_try (stage, BOX, NULL);
    assert_int_equal (s_told (stage, "provider.breaker_closed"), 0);
    s_refused (stage, BOX);
    lease_ask_release (stage, ids [0]);
    stage_serve (stage);
    lease_closed (stage, true);
    assert_int_equal (s_told (stage, "provider.breaker_closed"), 1);
    s_try (stage, BOX, NULL);
}

//  After a start: places that cannot be taken up again.
static void
test_resumes (void **state)
{
    stage_t *stage = *state;
    for (int index = 0; index < BERTH_BREAKER_FAILURES; index++)
        lease_active (stage, "");
    lease_stage_restart (stage);
    stage_start (stage);
    letter_t letters [BERTH_BREAKER_FAILURES];
    size_t count = 0;
    for (size_t index = 0; index < stage->count; index++)
        if (stage->sent [index].letter.type == REQUEST_PLACE_RESUME)
            letters [count++] = stage->sent [index].letter;
    assert_int_equal (count, BERTH_BREAKER_FAILURES);
    for (size_t index = 0; index < count; index++)
        stage_queue_done (stage, &letters [index], false, lease_timed_out);
    stage_serve (stage);
    assert_int_equal (s_told (stage, "provider.breaker_opened"), 1);
    s_refused (stage, BOX);
    for (size_t index = 0; index < count; index++)
        assert_state (stage, letters [index].subject, "active");
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_opens_and_closes), LEASE_TEST (test_probe_lost),
        LEASE_TEST (test_stays_closed), LEASE_TEST (test_whose),
        LEASE_TEST (test_releases), LEASE_TEST (test_resumes),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
