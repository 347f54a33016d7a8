//  test_leases_bind.c - leases that end with their client's silence.

#include "lease_stage.h"

#include "codec.h"

#define BIND ",'bind':'connection'"

static int
s_setup (void **state)
{
    int rc = lease_stage_setup (state);
    lease_stage->streams = true;
    return rc;
}

#define BIND_TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, lease_stage_teardown)

static void
s_cancel (stage_t *stage, uint64_t ticket)
{
    stage_queue (stage, REQUEST_STREAM_CANCEL, "{'id':'x'}");
    stage->queue [stage->queued - 1].letter.ticket = ticket;
    stage_serve (stage);
    stage_serve (stage);            //  What waited is expired by the next batch
}

//  A bound lease, active: its ticket.
static const char *
s_bound (stage_t *stage, uint64_t *ret_ticket)
{
    letter_t open = lease_opening (stage, BIND, ret_ticket);
    stage_queue_done (stage, &open, true,
                      ASK ("{'providerLeaseId':'%s','metadata':{}}", lease_fresh_name (stage)));
    stage_serve (stage);
    const stage_sent_t *chunk = stage_answer (stage, *ret_ticket);
    assert_non_null (chunk);
    assert_int_equal (chunk->status, reply_status_STREAM);
    assert_at (stage, chunk->body, "state", "\"active\"");
    return arena_string (stage->arena, open.subject);
}

//  Its stream lasts as long as it does; the last word is how it ended.
static void
test_stream (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    const char *id = s_bound (stage, &ticket);
    stage_serve (stage);
    assert_null (stage_answer (stage, ticket));
    lease_ask_release (stage, id);
    stage_serve (stage);
    assert_null (stage_answer (stage, ticket));
    lease_closed (stage, true);
    assert_true (lease_answered (stage, ticket));
    assert_at (stage, stage_answer (stage, ticket)->body, "state", "\"released\"");

    //  What cannot open says so.
    letter_t open = lease_opening (stage, BIND, &ticket);
    stage_queue_done (stage, &open, false, lease_refused);
    stage_serve (stage);
    assert_int_equal (lease_error (stage, ticket).code, BERTH_PROVIDER_ERROR);

    //  On a place that opens nothing at first, both come at once.
    ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE,
                          "{'companyId':'acme','environmentId':'" LOCAL "'" BIND "}");
    stage_serve (stage);
    assert_int_equal (stage_answer (stage, ticket)->status, reply_status_STREAM);
}

static void
test_silence (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    const char *id = s_bound (stage, &ticket);
    s_cancel (stage, ticket);
    assert_state (stage, id, "releasing");
    assert_string_equal (lease_row (stage, id).failure, "its client went away, or was not heard of");
    lease_closed (stage, true);
    assert_state (stage, id, "expired");

    //  While it opens, too.
    letter_t open = lease_opening (stage, BIND, &ticket);
    s_cancel (stage, ticket);
    assert_state (stage, open.subject, "releasing");
}

//  A start hears of nobody: who comes back by the same key goes on, who does not has lost it.
static void
test_restart (void **state)
{
    stage_t *stage = *state;
    uint64_t ticket;
    stage->key = "k1";
    const char *kept = s_bound (stage, &ticket);
    stage->key = "k2";
    const char *lost = s_bound (stage, &ticket);
    lease_stage_restart (stage);
    stage_start (stage);
    stage->step_ms = 0;
    stage->now_ms += BERTH_CLIENT_SILENCE_MS - 1;
    stage->mono_ms += BERTH_CLIENT_SILENCE_MS - 1;
    stage_serve (stage);
    assert_state (stage, kept, "active");
    assert_state (stage, lost, "active");
    stage->key = "k1";
    ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE,
                          "{'companyId':'acme','environmentId':'" BOX "'" BIND "}");
    stage_serve (stage);
    assert_non_null (stage_answer (stage, ticket));
    assert_int_equal (stage_answer (stage, ticket)->status, reply_status_STREAM);
    stage->now_ms++;
    stage->mono_ms++;
    stage_serve (stage);
    assert_state (stage, kept, "active");
    assert_state (stage, lost, "releasing");
    assert_string_equal (lease_row (stage, lost).failure, "its client did not come back after a restart");
    stage->now_ms += 10 * BERTH_CLIENT_SILENCE_MS;
    stage->mono_ms += 10 * BERTH_CLIENT_SILENCE_MS;
    stage_serve (stage);
    assert_state (stage, kept, "active");
}

static void
test_refused (void **state)
{
    stage_t *stage = *state;
#define ACQUIRE(more) "{'companyId':'acme','environmentId':'" LOCAL "'" more "}"
    berth_error_t err = stage_fails (stage, REQUEST_LEASE_ACQUIRE, ACQUIRE (",'bind':'other'"));
    assert_int_equal (err.code, BERTH_INVALID);
    assert_string_equal (err.field, "bind");
    err = stage_fails (stage, REQUEST_LEASE_ACQUIRE, ACQUIRE (BIND ",'detach':true"));
    assert_int_equal (err.code, BERTH_INVALID);
    stage->streams = false;
    err = stage_fails (stage, REQUEST_LEASE_ACQUIRE, ACQUIRE (BIND));
    assert_non_null (strstr (err.text, "give credit"));
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        BIND_TEST (test_stream), BIND_TEST (test_silence), BIND_TEST (test_restart),
        BIND_TEST (test_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
