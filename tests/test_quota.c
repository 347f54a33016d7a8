//  test_quota.c - what a company may take: rates by an honest clock, counts by the store.

#include "stage.h"

#include "execs.h"
#include "leases.h"
#include "quota.h"
#include "usage.h"

#define ENV "01890000-0000-7000-8000-0000000000e1"

//  ---- rates

static void
s_a_bucket_empties_and_says_when_it_fills (void **state)
{
    (void) state;
    const quota_limits_t usual = { .rate = 10, .burst = 3 };
    own (quotas) quotas = quotas_new (&usual);
    berth_error_t err = { 0 };
    for (int index = 0; index < 3; index++)
        assert_int_equal (quota_request (quotas, "acme", 1000, &err), 0);
    assert_int_equal (quota_request (quotas, "acme", 1000, &err), -1);
    assert_int_equal (err.code, BERTH_BUSY);
    assert_string_equal (err.limit, "requestsPerSecond");
    assert_int_equal (err.limit_value, 10);
    assert_int_equal (err.retry_after_ms, 100);
    //  Too early is refused, with what is left; at the time that was said it is taken
    assert_int_equal (quota_request (quotas, "acme", 1060, &err), -1);
    assert_int_equal (err.retry_after_ms, 40);
    assert_int_equal (quota_request (quotas, "acme", 1099, &err), -1);
    assert_int_equal (quota_request (quotas, "acme", 1100, &err), 0);
    assert_int_equal (quota_request (quotas, "acme", 1100, &err), -1);
    //  Another company has its own, and a pause fills no more than the burst
    assert_int_equal (quota_request (quotas, "other", 1100, &err), 0);
    for (int index = 0; index < 3; index++)
        assert_int_equal (quota_request (quotas, "acme", 999999, &err), 0);
    assert_int_equal (quota_request (quotas, "acme", 999999, &err), -1);
}

static void
s_one_company_may_differ (void **state)
{
    (void) state;
    const quota_limits_t usual = { .rate = 1, .burst = 1 }, more = { .burst = 5 };
    own (quotas) quotas = quotas_new (&usual);
    quotas_limit (quotas, "zeta", &more);
    quotas_limit (quotas, "acme", &more);
    berth_error_t err = { 0 };
    for (int index = 0; index < 5; index++)
        assert_int_equal (quota_request (quotas, "acme", 1, &err), 0);
    assert_int_equal (quota_request (quotas, "acme", 1, &err), -1);
    assert_int_equal (err.retry_after_ms, 1000);
    assert_int_equal (quota_request (quotas, "zeta", 1, &err), 0);
    assert_int_equal (quota_request (quotas, "plain", 1, &err), 0);
    assert_int_equal (quota_request (quotas, "plain", 1, &err), -1);
}

//  Names beyond what is remembered gain nothing: they share one bucket, and no bucket that is not
//  full is forgotten for them.
static void
s_a_flood_of_names_frees_nobody (void **state)
{
    (void) state;
    const quota_limits_t usual = { .rate = 1, .burst = 1 };
    own (quotas) quotas = quotas_new (&usual);
    berth_error_t err = { 0 };
    assert_int_equal (quota_request (quotas, "acme", 1, &err), 0);
    unsigned taken = 0;
    for (int index = 0; index < 4 * QUOTA_COMPANIES_MAX; index++) {
        char name [32];
        snprintf (name, sizeof name, "name-%d", index);
        taken += quota_request (quotas, name, 1, &err) == 0;
    }
    assert_in_range (taken, QUOTA_COMPANIES_MAX / 2, QUOTA_COMPANIES_MAX + 1);
    assert_int_equal (quota_request (quotas, "acme", 1, &err), -1);
    //  When their buckets are full again, others may have the places
    assert_int_equal (quota_request (quotas, "new", 1002, &err), 0);
}

//  ---- through the kit

typedef struct {
    stage_t *stage;
    leases_t *leases;
    quotas_t *quotas;
} house_t;

static house_t
s_house (const quota_limits_t *usual)
{
    house_t self = { .stage = stage_new (), .quotas = quotas_new (usual) };
    berth_error_t err = { 0 };
    self.leases = leases_new (&self.stage->context, &err);
    assert_non_null (self.leases);
    self.stage->actor = leases_kit (self.leases);
    actor_set_quotas (self.stage->actor, self.quotas);
    stage_put_environment (self.stage, ENV, "{}");
    return self;
}

static void
s_house_end (house_t *self)
{
    leases_destroy (&self->leases);
    stage_destroy (&self->stage);
    quotas_destroy (&self->quotas);
}

#define ACQUIRE "{'companyId':'acme','environmentId':'" ENV "'}"

static void
s_the_kit_asks_for_every_request_of_a_client (void **state)
{
    (void) state;
    const quota_limits_t usual = { .rate = 1, .burst = 2 };
    house_t self = s_house (&usual);
    self.stage->step_ms = 0;
    stage_ok (self.stage, REQUEST_LEASE_ACQUIRE, ACQUIRE);
    stage_ok (self.stage, REQUEST_LEASE_LIST, "{'companyId':'acme'}");
    berth_error_t err = stage_fails (self.stage, REQUEST_LEASE_LIST, "{'companyId':'acme'}");
    assert_int_equal (err.code, BERTH_BUSY);
    assert_string_equal (err.limit, "requestsPerSecond");
    assert_in_range (err.retry_after_ms, 1, 1000);
    stage_ok (self.stage, REQUEST_LEASE_LIST, "{'companyId':'other'}");
    self.stage->step_ms = 1000;
    stage_ok (self.stage, REQUEST_LEASE_LIST, "{'companyId':'acme'}");
    s_house_end (&self);
}

//  A request that names a lease and no company costs the only company of who asks; who has several
//  has a bucket of its own for such.
static void
s_what_names_no_company_is_paid_for (void **state)
{
    (void) state;
    const quota_limits_t usual = { .rate = 1, .burst = 3 };
    house_t self = s_house (&usual);
    static const char *const one [] = { "acme" }, *const two [] = { "acme", "other" };
    trust_t *trust = self.stage->context.trust;
    trust_add_local (trust, "ann", ROLE_PLATFORM, (berth_strs_t) { 1, (void *) one });
    trust_add_local (trust, "bob", ROLE_PLATFORM, (berth_strs_t) { 2, (void *) two });
    actor_set_trust (self.stage->actor, trust);
    self.stage->step_ms = 0;
    berth_bytes_t row = stage_ok (self.stage, REQUEST_LEASE_ACQUIRE, ACQUIRE);
    const char *get = arena_printf (self.stage->arena, "{'leaseId':'%s'}",
                                    stage_text (self.stage, row, "id"));
    for (int index = 0; index < 9; index++)         //  An operator of this machine pays for none
        stage_ok (self.stage, REQUEST_LEASE_GET, get);
    self.stage->confined = "ann";
    self.stage->roles = ROLE_PLATFORM;
    stage_ok (self.stage, REQUEST_LEASE_GET, get);
    stage_ok (self.stage, REQUEST_LEASE_GET, get);
    berth_error_t err = stage_fails (self.stage, REQUEST_LEASE_GET, get);
    assert_int_equal (err.code, BERTH_BUSY);
    assert_non_null (strstr (err.text, "company 'acme'"));
    assert_int_equal (stage_fails (self.stage, REQUEST_LEASE_LIST, "{'companyId':'acme'}").code,
                      BERTH_BUSY);
    self.stage->confined = "bob";
    for (int index = 0; index < 3; index++)
        stage_ok (self.stage, REQUEST_LEASE_GET, get);
    err = stage_fails (self.stage, REQUEST_LEASE_GET, get);
    assert_int_equal (err.code, BERTH_BUSY);
    assert_non_null (strstr (err.text, "principal 'bob'"));
    s_house_end (&self);
}

//  Who asks for what is not its own, or says nonsense, pays as for any request: itself, not those it names.
static void
s_what_is_refused_is_paid_for (void **state)
{
    (void) state;
    const quota_limits_t usual = { .rate = 1, .burst = 3 };
    house_t self = s_house (&usual);
    static const char *const one [] = { "acme" };
    trust_t *trust = self.stage->context.trust;
    trust_add_local (trust, "ann", ROLE_PLATFORM, (berth_strs_t) { 1, (void *) one });
    actor_set_trust (self.stage->actor, trust);
    self.stage->step_ms = 0;
    self.stage->confined = "ann";
    self.stage->roles = ROLE_PLATFORM;
    assert_int_equal (stage_fails (self.stage, REQUEST_LEASE_LIST, "{'companyId':'globex'}").code,
                      BERTH_NOT_FOUND);
    assert_int_equal (stage_fails (self.stage, REQUEST_LEASE_LIST, "{'companyId':7}").code, BERTH_INVALID);
    assert_int_equal (stage_fails (self.stage, REQUEST_LEASE_LIST, "{}").code, BERTH_INVALID);
    berth_error_t err = stage_fails (self.stage, REQUEST_LEASE_LIST, "{'companyId':'globex'}");
    assert_int_equal (err.code, BERTH_BUSY);
    assert_non_null (strstr (err.text, "company 'acme'"));
    assert_int_equal (stage_fails (self.stage, REQUEST_LEASE_LIST, "{'companyId':'acme'}").code, BERTH_BUSY);
    self.stage->confined = NULL;
    stage_ok (self.stage, REQUEST_LEASE_LIST, "{'companyId':'globex'}");
    s_house_end (&self);
}

static void
s_live_leases_are_counted_within_a_batch (void **state)
{
    (void) state;
    const quota_limits_t usual = { .leases = 2 };
    house_t self = s_house (&usual);
    uint64_t tickets [3];
    for (int index = 0; index < 3; index++)
        tickets [index] = stage_queue (self.stage, REQUEST_LEASE_ACQUIRE, ACQUIRE);
    stage_serve (self.stage);
    assert_int_equal (stage_answer (self.stage, tickets [0])->status, reply_status_OK);
    char *first = arena_string (self.stage->arena,
                                stage_text (self.stage, stage_answer (self.stage, tickets [0])->body,
                                            "id"));
    assert_int_equal (stage_answer (self.stage, tickets [1])->status, reply_status_OK);
    assert_int_equal (stage_answer (self.stage, tickets [2])->status, reply_status_ERROR);

    berth_error_t err = stage_fails (self.stage, REQUEST_LEASE_ACQUIRE, ACQUIRE);
    assert_int_equal (err.code, BERTH_BUSY);
    assert_string_equal (err.limit, "leases");
    assert_int_equal (err.limit_value, 2);
    assert_int_equal (err.retry_after_ms, QUOTA_PACE_MS);
    assert_non_null (strstr (err.remedy, "`leases`"));
    stage_ok (self.stage, REQUEST_LEASE_RELEASE,
              arena_printf (self.stage->arena, "{'leaseId':'%s'}", first));
    stage_ok (self.stage, REQUEST_LEASE_ACQUIRE, ACQUIRE);
    s_house_end (&self);
}

//  A retry that finds its lease takes nothing, so a full quota does not refuse it.
static void
s_a_repeat_takes_nothing (void **state)
{
    (void) state;
    const quota_limits_t usual = { .leases = 1 };
    house_t self = s_house (&usual);
    self.stage->key = "once";
    berth_bytes_t first = stage_ok (self.stage, REQUEST_LEASE_ACQUIRE, ACQUIRE);
    const char *id = arena_string (self.stage->arena, stage_text (self.stage, first, "id"));
    berth_bytes_t again = stage_ok (self.stage, REQUEST_LEASE_ACQUIRE, ACQUIRE);
    assert_string_equal (stage_text (self.stage, again, "id"), id);
    self.stage->key = "twice";
    assert_int_equal (stage_fails (self.stage, REQUEST_LEASE_ACQUIRE, ACQUIRE).code, BERTH_BUSY);
    s_house_end (&self);
}

//  ---- execs

static void
s_put_exec (stage_t *stage, const char *id, exec_state_t state, uint64_t bytes)
{
    own (store_txn) txn = NULL;
    berth_error_t err = { 0 };
    exec_t exec = { .id = id, .company = "acme", .lease = ENV, .state = state, .stdout_bytes = bytes, .command = BYTES_OF ("true"),
                    .spool_max = 1000, .on_full = exec_on_full_BLOCK };
    assert_int_equal (store_begin (stage->store, &txn, &err), 0);
    assert_int_equal (exec_put (txn, stage->arena, &exec, &err), 0);
    assert_int_equal (store_commit (&txn, &err), 0);
}

static berth_error_t
s_exec_room (stage_t *stage, quotas_t *quotas, uint64_t *spool_max)
{
    own (store_txn) txn = NULL;
    berth_error_t err = { 0 };
    assert_int_equal (store_read (stage->store, &txn, &err), 0);
    int rc = quota_exec (quotas, txn, "acme", spool_max, &err);
    assert_int_equal (rc, err.code ? -1 : 0);
    return err;
}

static void
s_execs_and_their_output (void **state)
{
    (void) state;
    stage_t *stage = stage_new ();
    const quota_limits_t usual = { .execs = 2, .spool_bytes = 1000 };
    own (quotas) quotas = quotas_new (&usual);
    uint64_t spool_max = 5000;
    assert_int_equal (s_exec_room (stage, quotas, &spool_max).code, 0);
    assert_int_equal (spool_max, 1000);         //  No more than the company has
    s_put_exec (stage, "01890000-0000-7000-8000-000000000001", exec_state_ENDED, 300);
    quota_spooling (quotas, "acme", 200);       //  Of one that runs
    assert_int_equal (s_exec_room (stage, quotas, &spool_max).code, 0);
    assert_int_equal (spool_max, 500);
    quota_spooling (quotas, "acme", 500);
    berth_error_t err = s_exec_room (stage, quotas, &spool_max);
    assert_string_equal (err.limit, "spoolBytes");
    quota_spooling (quotas, "acme", -700);
    assert_int_equal (s_exec_room (stage, quotas, &spool_max).code, 0);

    s_put_exec (stage, "01890000-0000-7000-8000-000000000002", exec_state_RUNNING, 0);
    s_put_exec (stage, "01890000-0000-7000-8000-000000000003", exec_state_STARTING, 0);
    err = s_exec_room (stage, quotas, &spool_max);
    assert_int_equal (err.code, BERTH_BUSY);
    assert_string_equal (err.limit, "execs");
    s_put_exec (stage, "01890000-0000-7000-8000-000000000003", exec_state_ENDED, 0);
    assert_int_equal (s_exec_room (stage, quotas, &spool_max).code, 0);
    stage_destroy (&stage);
}

static void
s_the_top_is_who_was_refused_most (void **state)
{
    (void) state;
    stage_t *stage = stage_new ();
    const quota_limits_t usual = { .rate = 1, .burst = 1 };
    own (quotas) quotas = quotas_new (&usual);
    for (int company = 0; company < 40; company++)
        for (int count = 0; count <= company; count++) {
            char name [32];
            snprintf (name, sizeof name, "c%d", company);
            (void) quota_request (quotas, name, 1, NULL);
        }
    own (store_txn) txn = NULL;
    berth_error_t err = { 0 };
    assert_int_equal (store_read (stage->store, &txn, &err), 0);
    const bus_company_t *top;
    assert_int_equal (quota_top (quotas, txn, stage->arena, &top), QUOTA_TOP);
    for (int index = 0; index < QUOTA_TOP; index++) {
        char name [32];
        snprintf (name, sizeof name, "c%d", 39 - index);
        assert_string_equal (top [index].company, name);
        assert_int_equal (top [index].over_rate, 39 - index);
        assert_int_equal (top [index].requests, 40 - index);
    }
    store_txn_destroy (&txn);
    stage_destroy (&stage);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_a_bucket_empties_and_says_when_it_fills),
        cmocka_unit_test (s_one_company_may_differ),
        cmocka_unit_test (s_a_flood_of_names_frees_nobody),
        cmocka_unit_test (s_the_kit_asks_for_every_request_of_a_client),
        cmocka_unit_test (s_what_names_no_company_is_paid_for),
        cmocka_unit_test (s_what_is_refused_is_paid_for),
        cmocka_unit_test (s_live_leases_are_counted_within_a_batch),
        cmocka_unit_test (s_a_repeat_takes_nothing),
        cmocka_unit_test (s_execs_and_their_output),
        cmocka_unit_test (s_the_top_is_who_was_refused_most),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
