//  lease_stage.c - owns the leases actor under test.

#include "lease_stage.h"

static leases_t *s_leases;
stage_t *lease_stage;

void
lease_stage_restart (stage_t *stage)
{
    berth_error_t err = { 0 };
    leases_destroy (&s_leases);
    s_leases = leases_new (&stage->context, &err);
    stage->actor = leases_kit (s_leases);
}

int
lease_stage_setup (void **state)
{
    stage_t *stage = lease_stage = stage_new ();
    lease_stage_restart (stage);
    stage_put_environment (stage, LOCAL, "{}");
    stage_put_environment (stage, BOX,
                           "{'driver':'sandbox','config':{'provider':'bubblewrap'}}");
    stage_start (stage);
    stage_serve (stage);            //  The first tick
    *state = stage;
    return 0;
}

int
lease_stage_teardown (void **state)
{
    leases_destroy (&s_leases);
    stage_destroy ((stage_t **) state);
    return 0;
}

const stage_sent_t *
lease_sent (stage_t *stage, request_code_t type)
{
    for (size_t index = 0; index < stage->count; index++)
        if (stage->sent [index].to == ACTOR_PROXY && stage->sent [index].letter.type == type)
            return &stage->sent [index];
    return NULL;
}

lease_t
lease_row (stage_t *stage, const char *id)
{
    berth_error_t err = { 0 };
    lease_t lease;
    store_txn_t *txn;
    assert_ok (store_read (stage->store, &txn, &err), err);
    assert_ok (lease_get (txn, stage->arena, id, &lease, &err), err);
    store_txn_destroy (&txn);
    return lease;
}

berth_error_t
lease_error (stage_t *stage, uint64_t ticket)
{
    const stage_sent_t *answer = stage_answer (stage, ticket);
    assert_non_null (answer);
    assert_int_equal (answer->status, reply_status_ERROR);
    berth_error_t err;
    error_from_body (answer->body, stage->arena, &err);
    return err;
}

bool
lease_answered (stage_t *stage, uint64_t ticket)
{
    const stage_sent_t *answer = stage_answer (stage, ticket);
    if (answer)
        assert_int_equal (answer->status, reply_status_OK);
    return answer != NULL;
}

//  A lease on the sandbox whose place is opening; the letter that opens it.
letter_t
lease_opening (stage_t *stage, const char *more, uint64_t *ret_ticket)
{
    *ret_ticket = stage_queue (stage, REQUEST_LEASE_ACQUIRE,
                               ASK ("{'companyId':'acme','environmentId':'" BOX "'%s}", more));
    stage_serve (stage);
    const stage_sent_t *open = lease_sent (stage, REQUEST_PLACE_OPEN);
    assert_non_null (open);
    return open->letter;
}

//  "bubblewrap:x" for the first lease, another for each behind it.
const char *
lease_fresh_name (stage_t *stage)
{
    store_txn_t *txn = NULL;
    berth_error_t err = { 0 };
    assert_ok (store_read (stage->store, &txn, &err), err);
    unsigned long long count = table_rows (txn, TABLE_LEASES);
    store_txn_destroy (&txn);
    return count == 1 ? "bubblewrap:x" : ASK ("bubblewrap:x%llu", count);
}

const char *
lease_active (stage_t *stage, const char *more)
{
    uint64_t ticket;
    letter_t open = lease_opening (stage, more, &ticket);
    stage_queue_done (stage, &open, true, ASK ("{'providerLeaseId':'%s','metadata':{}}", lease_fresh_name (stage)));
    stage_serve (stage);
    assert_true (lease_answered (stage, ticket));
    return arena_string (stage->arena, open.subject);
}

const char *const lease_refused = "{'code':'provider_error','message':'no','retryable':true}";
const char *const lease_timed_out =
    "{'code':'provider_timeout','message':'late','retryable':true}";

//  Answers the close that was sent by this batch.
void
lease_closed (stage_t *stage, bool ok)
{
    const stage_sent_t *close = lease_sent (stage, REQUEST_PLACE_CLOSE);
    assert_non_null (close);
    letter_t letter = close->letter;
    stage_queue_done (stage, &letter, ok, ok ? "{}" : lease_refused);
    stage_serve (stage);
}

uint64_t
lease_ask_release (stage_t *stage, const char *id)
{
    return stage_queue (stage, REQUEST_LEASE_RELEASE, ASK ("{'leaseId':'%s'}", id));
}
