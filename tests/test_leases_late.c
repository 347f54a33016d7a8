//  test_leases_late.c - answers that come a second time, or after they were given up: what was opened
//  is closed by a row that knows it, and nobody else's place is touched.

#include "lease_stage.h"

#include "codec.h"

#define OPENED(name) "{'providerLeaseId':'" name "','metadata':{}}"

//  A lease whose provider did not answer in time: it is being closed without a name.
static letter_t
s_timed_out (stage_t *stage)
{
    uint64_t ticket;
    letter_t open = lease_opening (stage, "", &ticket);
    stage_queue_done (stage, &open, false, lease_timed_out);
    stage_serve (stage);
    assert_int_equal (lease_error (stage, ticket).code, BERTH_PROVIDER_TIMEOUT);
    assert_state (stage, open.subject, "releasing");
    return open;
}

static const stage_sent_t *
s_close (stage_t *stage)
{
    return lease_sent (stage, REQUEST_PLACE_CLOSE);
}

static void
s_answer (stage_t *stage, const letter_t *letter, bool ok, const char *json)
{
    stage_queue_done (stage, letter, ok, json);
    stage_serve (stage);
}

//  It was settled, since there was nothing to close; then the place came to be.
static void
test_settled (void **state)
{
    stage_t *stage = *state;
    letter_t open = s_timed_out (stage);
    lease_closed (stage, true);
    assert_state (stage, open.subject, "failed");
    s_answer (stage, &open, true, OPENED ("bubblewrap:late"));
    assert_state (stage, open.subject, "failed");
    const stage_sent_t *close = s_close (stage);
    assert_non_null (close);
    assert_at (stage, close->body, "providerLeaseId", "\"bubblewrap:late\"");
    assert_at (stage, close->body, "destroy", "true");
    letter_t letter = close->letter;
    s_answer (stage, &letter, false, lease_refused);
    assert_int_equal (lease_row (stage, open.subject).place, place_state_CLOSING);
    stage->now_ms += LEASES_CLOSE_MS;
    stage->mono_ms += LEASES_CLOSE_MS;
    stage_serve (stage);                        //  Until it is confirmed
    assert_non_null (s_close (stage));
    letter = s_close (stage)->letter;
    uint64_t entries = stage_entries (stage);
    s_answer (stage, &letter, true, "{}");
    assert_int_equal (lease_row (stage, open.subject).place, place_state_GONE);
    assert_int_equal (stage_entries (stage), entries + 1);
    assert_at (stage, stage_entry (stage, 0), "action", "\"environment.lease_place_destroyed\"");
}

//  The place comes to be while it is closed without a name: that this went well proves nothing.
static void
test_closing (void **state)
{
    stage_t *stage = *state;
    letter_t open = s_timed_out (stage);
    letter_t blind = s_close (stage)->letter;
    s_answer (stage, &open, true, OPENED ("bubblewrap:late"));
    assert_non_null (s_close (stage));
    assert_at (stage, s_close (stage)->body, "providerLeaseId", "\"bubblewrap:late\"");
    letter_t named = s_close (stage)->letter;
    s_answer (stage, &blind, true, "{}");
    assert_state (stage, open.subject, "releasing");
    s_answer (stage, &named, true, "{}");
    assert_state (stage, open.subject, "failed");
    s_answer (stage, &open, true, OPENED ("bubblewrap:late"));      //  And once more
    assert_non_null (s_close (stage));
}

static void
test_cleanup (void **state)
{
    stage_t *stage = *state;
    letter_t open = s_timed_out (stage);
    lease_closed (stage, false);
    assert_state (stage, open.subject, "cleanup");
    s_answer (stage, &open, true, OPENED ("bubblewrap:late"));
    assert_string_equal (lease_row (stage, open.subject).provider_lease, "bubblewrap:late");
    lease_closed (stage, true);
    assert_state (stage, open.subject, "failed");
}

//  A provider that answers twice: the same is the same; another place is closed, and only that.
static void
test_twice (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    letter_t open = lease_opening (stage, "", &ticket);
    s_answer (stage, &open, true, OPENED ("bubblewrap:one"));
    assert_state (stage, open.subject, "active");
    uint64_t entries = stage_entries (stage);
    s_answer (stage, &open, true, OPENED ("bubblewrap:one"));
    assert_null (s_close (stage));
    s_answer (stage, &open, false, lease_refused);
    assert_null (s_close (stage));
    s_answer (stage, &open, true, "{'metadata':{}}");
    assert_null (s_close (stage));
    s_answer (stage, &open, true, OPENED ("bubblewrap:two"));
    assert_non_null (s_close (stage));
    assert_at (stage, s_close (stage)->body, "providerLeaseId", "\"bubblewrap:two\"");
    letter_t extra = s_close (stage)->letter;
    s_answer (stage, &extra, true, "{}");
    assert_state (stage, open.subject, "active");
    assert_string_equal (lease_row (stage, open.subject).provider_lease, "bubblewrap:one");
    assert_int_equal (stage_entries (stage), entries);
}

//  It names the place of another lease: that one keeps it.
static void
test_other (void **state)
{
    stage_t *stage = *state;
    const char *holder = lease_active (stage, "");              //  bubblewrap:x
    letter_t open = s_timed_out (stage);
    lease_closed (stage, true);
    s_answer (stage, &open, true, OPENED ("bubblewrap:x"));
    assert_null (s_close (stage));
    assert_state (stage, holder, "active");
    assert_string_equal (lease_row (stage, holder).provider_lease, "bubblewrap:x");
}

//  In time, too: the lease fails, what was opened for it is closed by its own id, the other keeps its place.
static void
test_anothers (void **state)
{
    stage_t *stage = *state;
    const char *holder = lease_active (stage, "");              //  bubblewrap:x
    uint64_t ticket;
    letter_t open = lease_opening (stage, "", &ticket);
    s_answer (stage, &open, true, OPENED ("bubblewrap:x"));
    berth_error_t err = lease_error (stage, ticket);
    assert_int_equal (err.code, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (err.text, holder));
    const stage_sent_t *close = s_close (stage);
    assert_non_null (close);
    assert_at (stage, close->body, "leaseId", ASK ("\"%s\"", open.subject));
    assert_at (stage, close->body, "providerLeaseId", "absent");
    assert_state (stage, open.subject, "releasing");
    lease_closed (stage, true);
    assert_state (stage, open.subject, "failed");
    assert_state (stage, holder, "active");
    //  Once the holder is gone, the name is free
    (void) lease_ask_release (stage, holder);
    stage_serve (stage);
    lease_closed (stage, true);
    open = lease_opening (stage, "", &ticket);
    s_answer (stage, &open, true, OPENED ("bubblewrap:x"));
    assert_state (stage, open.subject, "active");
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        LEASE_TEST (test_settled), LEASE_TEST (test_closing), LEASE_TEST (test_cleanup),
        LEASE_TEST (test_twice), LEASE_TEST (test_other), LEASE_TEST (test_anothers),
    };
    return cmocka_run_group_tests_name ("leases_late", tests, NULL, NULL);
}
