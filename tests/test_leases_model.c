//  test_leases_model.c - leases against a model: clients, a provider that refuses, hangs and fails,
//  time, and restarts that lose what was on its way, in any order.
//
//  BERTH_SEED=n BERTH_STEPS=n repeat or prolong a run.

#include "lease_stage.h"

#include "codec.h"

#include <stdio.h>

enum { PENDING_MAX = 100, LEASES_MAX = 4000, WORKSPACES = 3, RUNS = 3, UNSETTLED_MAX = 24 };

typedef struct {
    stage_t *stage;
    fixture_random_t random;
    letter_t steps [PENDING_MAX];           //  Asked of the provider, not answered yet
    size_t steps_count;
    uint64_t tickets [PENDING_MAX];         //  Of clients that wait for their answer
    size_t tickets_count;
    char leases [LEASES_MAX] [37];          //  All that there ever were
    bool open [LEASES_MAX];                 //  Has the provider opened its place?
    size_t leases_count;
    unsigned keys;
} model_t;

static uint64_t
s_below (model_t *self, uint64_t bound)
{
    return fixture_below (&self->random, bound);
}

static size_t
s_index (model_t *self, const char *lease)
{
    for (size_t index = self->leases_count; index-- > 0;)
        if (strcmp (self->leases [index], lease) == 0)
            return index;
    assert_true (self->leases_count < LEASES_MAX);
    snprintf (self->leases [self->leases_count], 37, "%s", lease);
    return self->leases_count++;
}

//  ---- what must be true behind every batch

static void
s_check_rows (model_t *self)
{
    stage_t *stage = self->stage;
    berth_error_t err = { 0 };
    own (arena) arena = arena_new ();
    store_txn_t *txn;
    assert_ok (store_read (stage->store, &txn, &err), err);
    size_t holders [WORKSPACES] = { 0 };
    for (size_t index = 0; index < self->leases_count; index++) {
        lease_t lease;
        assert_ok (lease_get (txn, arena, self->leases [index], &lease, &err), err);
        bool settled = lease_settled (lease.state);
        if (settled && self->open [index])
            fail_msg ("lease %s is %s, and its place is open", lease.id,
                      berth_enum_text (&lease_state_enum, (int) lease.state));
        if (lease.workspace && !settled && ++holders [lease.workspace [35] - '0'] > 1)
            fail_msg ("workspace %s has two holders", lease.workspace);
    }
    store_txn_destroy (&txn);
}

static void
s_take_step (model_t *self, const stage_sent_t *sent)
{
    size_t index = s_index (self, sent->letter.subject);
    bool opens = sent->letter.type == REQUEST_PLACE_OPEN;
    //  Whatever else, nothing is done to a place while it opens.
    for (size_t other = 0; other < self->steps_count; other++) {
        bool same = strcmp (self->steps [other].subject, self->leases [index]) == 0;
        if (same && (opens || self->steps [other].type == REQUEST_PLACE_OPEN))
            fail_msg ("lease %s: %s beside %s", self->leases [index],
                      request_row (sent->letter.type)->type,
                      request_row (self->steps [other].type)->type);
    }
    assert_true (self->steps_count < PENDING_MAX);
    self->steps [self->steps_count++] = sent->letter;
}

static void
s_take_answer (model_t *self, const stage_sent_t *sent)
{
    for (size_t index = 0; index < self->tickets_count; index++)
        if (self->tickets [index] == sent->letter.ticket) {
            self->tickets [index] = self->tickets [--self->tickets_count];
            return;
        }
    fail_msg ("ticket %llu was answered twice", (unsigned long long) sent->letter.ticket);
}

static void
s_take (model_t *self)
{
    stage_t *stage = self->stage;
    for (size_t index = 0; index < stage->count; index++) {
        if (stage->sent [index].to == ACTOR_PROXY)
            s_take_step (self, &stage->sent [index]);
        else
            s_take_answer (self, &stage->sent [index]);
    }
    s_check_rows (self);
}

static void
s_serve (model_t *self, int64_t step_ms)
{
    self->stage->step_ms = step_ms;
    stage_serve (self->stage);
    s_take (self);
}

//  ---- what happens

static size_t
s_unsettled (model_t *self)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_read (self->stage->store, &txn, &err), err);
    size_t count = (size_t) index_entries (txn, INDEX_LEASE_LIVE, NULL);
    store_txn_destroy (&txn);
    return count;
}

static void
s_ask (model_t *self, request_code_t type, const char *json)
{
    stage_t *stage = self->stage;
    char key [16];
    snprintf (key, sizeof key, "k%llu", (unsigned long long) s_below (self, self->keys + 1));
    stage->key = type == REQUEST_LEASE_ACQUIRE ? key : NULL;
    stage->deadline_ms = s_below (self, 3) ? 0 : (int64_t) s_below (self, 5000) + 1;
    assert_true (self->tickets_count < PENDING_MAX);
    self->tickets [self->tickets_count++] = stage_queue (stage, type, json);
}

static void
s_acquire (model_t *self)
{
    stage_t *stage = self->stage;
    if (s_unsettled (self) >= UNSETTLED_MAX || self->tickets_count >= PENDING_MAX / 2)
        return;
    self->keys++;
    uint64_t workspace = s_below (self, WORKSPACES + 1), run = s_below (self, RUNS + 1);
    const char *where = workspace < WORKSPACES
        ? ASK (",'executionWorkspaceId':'33333333-3333-7333-8333-33333333333%u'",
               (unsigned) workspace) : "";
    const char *whose = run < RUNS ? ASK (",'heartbeatRunId':'r%u'", (unsigned) run) : "";
    s_ask (self, REQUEST_LEASE_ACQUIRE,
           ASK ("{'companyId':'acme','environmentId':'" BOX "','maxLeaseMs':60000%s%s%s}", where,
                whose, s_below (self, 4) ? "" : ",'detach':true"));
}

static void
s_release (model_t *self)
{
    stage_t *stage = self->stage;
    if (!self->leases_count || self->tickets_count >= PENDING_MAX / 2)
        return;
    size_t back = self->leases_count < 12 ? self->leases_count : 12;
    const char *lease = self->leases [self->leases_count - 1 - s_below (self, back)];
    if (s_below (self, 4) == 0)
        s_ask (self, REQUEST_LEASE_RELEASE_FOR_RUN,
               ASK ("{'companyId':'acme','heartbeatRunId':'r%u'}", (unsigned) s_below (self, RUNS)));
    else if (s_below (self, 3) == 0)
        s_ask (self, REQUEST_LEASE_RENEW, ASK ("{'leaseId':'%s'}", lease));
    else
        s_ask (self, REQUEST_LEASE_RELEASE,
               ASK ("{'leaseId':'%s','status':'%s'}", lease, s_below (self, 2) ? "failed" : "released"));
}

static void
s_fail_step (model_t *self, const letter_t *step, const char *code)
{
    stage_t *stage = self->stage;
    stage_queue_done (stage, step, false,
                      ASK ("{'code':'%s','message':'told to','retryable':true}", code));
}

//  The provider answers one call, as it likes.
static void
s_answer (model_t *self, bool well)
{
    if (!self->steps_count)
        return;
    size_t nth = s_below (self, self->steps_count);
    letter_t step = self->steps [nth];
    self->steps [nth] = self->steps [--self->steps_count];
    bool *open = &self->open [s_index (self, step.subject)];
    uint64_t luck = well ? 0 : s_below (self, 10);
    if (step.type == REQUEST_PLACE_CLOSE) {
        if (luck < 7)
            *open = false;
        if (luck < 7)
            stage_queue_done (self->stage, &step, true, "{}");
        else
            s_fail_step (self, &step, luck == 7 ? "provider_timeout" : "provider_error");
        return;
    }
    if (step.type == REQUEST_PLACE_RESUME && luck < 6 && !*open) {
        s_fail_step (self, &step, "not_found");
        return;
    }
    if (luck < 6) {
        *open = true;
        stage_queue_done (self->stage, &step, true, "{'providerLeaseId':'bubblewrap:x','metadata':{}}");
    }
    else if (luck < 8)
        s_fail_step (self, &step, step.type == REQUEST_PLACE_OPEN && !*open ? "provider_error"
                                                                            : "provider_timeout");
    else {
        if (step.type == REQUEST_PLACE_OPEN)
            *open = *open || s_below (self, 2);     //  Late, or never: nobody knows
        s_fail_step (self, &step, "provider_timeout");
    }
}

//  What was on its way happened, or did not; whoever waited has lost its connection.
static void
s_restart (model_t *self)
{
    for (size_t index = 0; index < self->steps_count; index++) {
        bool *open = &self->open [s_index (self, self->steps [index].subject)];
        if (s_below (self, 2) && self->steps [index].type != REQUEST_PLACE_RESUME)
            *open = self->steps [index].type == REQUEST_PLACE_OPEN;
    }
    self->steps_count = self->tickets_count = self->stage->queued = 0;
    lease_stage_restart (self->stage);
    stage_start (self->stage);
    s_take (self);
}

static void
s_turn (model_t *self)
{
    uint64_t parts = s_below (self, 4) + 1;
    while (parts--)
        switch (s_below (self, 8)) {
            case 0: case 1: case 2: s_acquire (self); break;
            case 3: case 4: s_release (self); break;
            default: s_answer (self, false); break;
        }
    s_serve (self, s_below (self, 8) ? (int64_t) s_below (self, 300) : (int64_t) s_below (self, 20000));
    if (s_below (self, 40) == 0)
        s_restart (self);
}

//  In the end everything is closed, everybody is answered.
static void
s_drain (model_t *self)
{
    stage_t *stage = self->stage;
    for (int turn = 0; turn < 60; turn++) {
        while (self->steps_count && stage->queued < STAGE_MAX)
            s_answer (self, true);
        s_serve (self, 60001);
    }
    assert_int_equal (self->steps_count, 0);
    if (self->tickets_count)
        fail_msg ("ticket %llu of %llu was never answered", (unsigned long long) self->tickets [0],
                  (unsigned long long) stage->tickets);
    assert_int_equal (s_unsettled (self), 0);
    for (size_t index = 0; index < self->leases_count; index++)
        assert_false (self->open [index]);
}

//  Of each lease: every step once, in its order.
static void
s_check_log (model_t *self)
{
    static const char *const order [] = { "pending", "acquired", "releasing", "cleanup_pending",
                                          "released" };
    berth_error_t err = { 0 };
    int *reached = calloc (LEASES_MAX, sizeof *reached);
    assert_non_null (reached);
    store_txn_t *txn;
    assert_ok (store_read (self->stage->store, &txn, &err), err);
    for (uint64_t seq = 1; seq <= store_last_seq (txn); seq++) {
        own (arena) arena = arena_new ();
        activity_t row;
        assert_ok (activity_at (txn, arena, seq, &row, NULL, &err), err);
        const char *step = strstr (row.action, "lease_");
        if (!step || strcmp (step, "lease_renewed") == 0)
            continue;
        if (strcmp (step, "lease_expiring") == 0) {
            assert_int_equal (reached [s_index (self, row.entity)], 2);     //  While it is active
            continue;
        }
        int place = 0;
        while (place < 5 && strcmp (step + 6, order [place]))
            place++;
        assert_true (place < 5);
        int *at = &reached [s_index (self, row.entity)];
        if (*at > place || (place == 0) != (*at == 0))
            fail_msg ("lease %s: %s behind step %d", row.entity, row.action, *at);
        *at = place + 1;
    }
    for (size_t index = 0; index < self->leases_count; index++)
        assert_int_equal (reached [index], 5);
    store_txn_destroy (&txn);
    free (reached);
}

static uint64_t
s_number (const char *name, uint64_t otherwise)
{
    const char *text = getenv (name);
    return text && *text ? strtoull (text, NULL, 10) : otherwise;
}

static void
test_model (void **state)
{
    stage_t *stage = *state;
    model_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    self->stage = stage;
    self->random.state = s_number ("BERTH_SEED", 1);
    for (uint64_t step = 0, steps = s_number ("BERTH_STEPS", 1500); step < steps; step++)
        s_turn (self);
    s_drain (self);
    s_check_log (self);
    print_message ("%zu leases\n", self->leases_count);
    free (self);
}

int
main (void)
{
    const struct CMUnitTest tests [] = { LEASE_TEST (test_model) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
