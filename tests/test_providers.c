//  test_providers.c - the list of providers, the fake's exact answers, and each fault on order.

#include "place_fixture.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "json.h"

#include <stdio.h>

static berth_bytes_t
s_json (arena_t *arena, const char *text)
{
    berth_error_t err = { 0 };
    berth_bytes_t bytes;
    assert_ok (berth_json_parse (text, strlen (text), arena, &bytes, &err), err);
    return bytes;
}

static void
s_list_is_sound (void **state)
{
    (void) state;
    size_t count = 0;
    for (const provider_t *one; (one = provider_at (count)); count++) {
        assert_ptr_equal (provider_by_name (one->name), one);
        assert_true (one->title [0] && one->doc [0] && one->config && one->concurrency > 0);
        assert_non_null (one->open);
        assert_non_null (one->close);
        assert_non_null (one->probe);
        assert_non_null (one->acquire);
        assert_non_null (one->release);
        assert_non_null (one->destroy);
        //  A capability is a verb.
        assert_int_equal (!one->resume, !(one->can & PROVIDER_CAN_RESUME));
        assert_int_equal (!one->list, !(one->can & PROVIDER_CAN_LIST));
        assert_int_equal (!one->realize, !(one->can & PROVIDER_CAN_SYNC_IN));
        assert_int_equal (!one->give_back, !(one->can & PROVIDER_CAN_SYNC_OUT));
    }
    assert_int_equal (count, 5);
    assert_null (provider_by_name ("nobody"));
}

static void
s_an_environment_finds_its_provider (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    const provider_t *found = NULL;
    assert_ok (provider_of (environment_driver_LOCAL, berth_empty_map, arena, &found, &err), err);
    assert_string_equal (found->name, "local");
    assert_ok (provider_of (environment_driver_SANDBOX, berth_empty_map, arena, &found, &err), err);
    assert_string_equal (found->name, "fake");
    assert_ok (provider_of (environment_driver_SANDBOX,
                            s_json (arena, "{\"provider\": \"bubblewrap\"}"), arena, &found, &err),
               err);
    assert_string_equal (found->name, "bubblewrap");

    assert_fails (provider_of (environment_driver_SANDBOX, s_json (arena, "{\"provider\": \"x-1\"}"),
                               arena, &found, &err), err, BERTH_UNSUPPORTED_ENVIRONMENT);
    assert_string_equal (err.text,
                         "Sandbox provider \"x-1\" is not registered as a built-in provider.");
    //  No way around the rules of driver local
    assert_fails (provider_of (environment_driver_SANDBOX,
                               s_json (arena, "{\"provider\": \"local\"}"), arena, &found, &err),
                  err, BERTH_UNSUPPORTED_ENVIRONMENT);
    static const char *const wrong [] = {
        "{\"provider\": 7}", "{\"provider\": \"\"}", "{\"provider\": \"-a\"}",
        "{\"provider\": \"A\"}", "{\"provider\": null}"
    };
    for (size_t index = 0; index < BERTH_COUNT (wrong); index++) {
        err = (berth_error_t) { 0 };
        assert_fails (provider_of (environment_driver_SANDBOX, s_json (arena, wrong [index]), arena,
                                   &found, &err), err, BERTH_INVALID);
        assert_string_equal (err.field, "config.provider");
    }
    assert_ok (provider_of (environment_driver_SSH, berth_empty_map, arena, &found, &err), err);
    assert_string_equal (found->name, "ssh");
    assert_fails (provider_of (environment_driver_PLUGIN, berth_empty_map, arena, &found, &err),
                  err, BERTH_UNSUPPORTED_ENVIRONMENT);
}

//  ---------------------------------------------------------------------------------------------
//  The fake: reference, sections 2.3 and 4

static void
s_fake_answers_exactly (void **state)
{
    (void) state;
    house_t house;
    house_open (&house, "fake");
    berth_error_t err = { 0 };
    berth_bytes_t normal;
    assert_ok (provider_check_config (house.provider, house.self,
                                      s_json (house.arena, "{\"provider\": \"fake\"}"), house.arena,
                                      &normal, &err), err);
    assert_true (any_equal (normal, s_json (house.arena,
        "{\"provider\": \"fake\", \"image\": \"ubuntu:24.04\", \"reuseLease\": false}")));

    place_probe_t probe = {
        .driver = "sandbox", .config = s_json (house.arena, "{\"image\": \"x:1\"}")
    };
    probe_result_t result = { 0 };
    assert_ok (house.provider->probe (house.self, &probe, soon (1000), house.arena, &result, &err),
               err);
    assert_true (result.ok);
    assert_string_equal (result.summary, "Fake sandbox provider is ready for image x:1.");
    berth_bytes_t details = s_json (house.arena, "{\"provider\": \"fake\", \"image\": \"x:1\","
                                                 " \"reuseLease\": false}");
    assert_true (any_equal (result.details, details));

    place_open_t ask = house_ask (&house, "{\"image\": \"x:1\"}");
    place_opened_t place = house_acquire (&house, &ask);
    assert_string_equal (place.provider_lease,
                         arena_printf (house.arena, "sandbox://fake/run-1/%s", ask.lease));
    assert_true (any_equal (place.metadata, details));
    ask.config = s_json (house.arena, "{\"reuseLease\": true}");
    place = house_acquire (&house, &ask);
    assert_string_equal (place.provider_lease,
                         arena_printf (house.arena, "sandbox://fake/%s", ask.env));
    assert_ok (house.provider->resume (house.self, &ask, "sandbox://fake/old", soon (1000),
                                       house.arena, &place, &err), err);
    assert_string_equal (place.provider_lease, "sandbox://fake/old");
    assert_true (any_truth (place.metadata, "resumedLease", false));

    ask.config = s_json (house.arena, "{\"provider\": \"other\"}");
    assert_fails (house.provider->acquire (house.self, &ask, soon (1000), house.arena, &place, &err),
                  err, BERTH_INTERNAL);
    assert_string_equal (err.text,
                         "Sandbox provider \"fake\" received config for provider \"other\".");
    house_close (&house);
}

static void
s_fake_matches_for_reuse (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    const provider_t *fake = provider_by_name ("fake");
    berth_bytes_t config = s_json (arena, "{\"image\": \"x:1\", \"reuseLease\": true}");
    lease_t lease = { .provider_lease = "sandbox://fake/e" };
    lease.metadata = s_json (arena, "{\"provider\": \"fake\", \"image\": \"x:1\","
                                    " \"reuseLease\": true}");
    const char *reason = "";
    assert_true (fake->reuse_match (config, &lease, &reason));
    assert_null (reason);
    static const char *const others [] = {
        "{\"provider\": \"e2b\", \"image\": \"x:1\", \"reuseLease\": true}",
        "{\"provider\": \"fake\", \"image\": \"x:2\", \"reuseLease\": true}",
        "{\"provider\": \"fake\", \"image\": \"x:1\", \"reuseLease\": false}",
        "{\"provider\": \"fake\", \"image\": \"x:1\"}", "{}"
    };
    for (size_t index = 0; index < BERTH_COUNT (others); index++) {
        lease.metadata = s_json (arena, others [index]);
        assert_false (fake->reuse_match (config, &lease, &reason));
        assert_non_null (reason);
    }
    lease.metadata = config;
    lease.provider_lease = "";
    assert_false (fake->reuse_match (config, &lease, NULL));

    berth_error_t err = { 0 };
    berth_bytes_t found;
    lease.metadata = s_json (arena, "{\"driver\": \"sandbox\", \"provider\": \"fake\","
                                    " \"image\": \"x:1\", \"reuseLease\": true, \"remoteCwd\": \"/\"}");
    assert_ok (fake->config_from_lease (&lease, arena, &found, &err), err);
    assert_true (any_equal (found, s_json (arena, "{\"provider\": \"fake\", \"image\": \"x:1\","
                                                  " \"reuseLease\": true}")));
    lease.metadata = s_json (arena, "{\"provider\": \"fake\"}");
    assert_fails (fake->config_from_lease (&lease, arena, &found, &err), err, BERTH_NOT_FOUND);
}

//  ---------------------------------------------------------------------------------------------
//  Faults

static int
s_fault_setup (void **state)
{
    house_t *house = calloc (1, sizeof *house);
    assert_non_null (house);
    house_open (house, "fault");
    *state = house;
    return 0;
}

static int
s_fault_teardown (void **state)
{
    house_t *house = *state;
    house_close (house);
    free (house);
    return 0;
}

static void
s_fails_so_often_with_its_code (void **state)
{
    house_t *house = *state;
    berth_error_t err = { 0 };
    place_opened_t place = { 0 };
    place_open_t ask = house_ask (house, "{\"faults\": [{\"verb\": \"acquire\", \"do\": \"fail\","
                                         " \"times\": 2, \"code\": \"provider_unavailable\"},"
                                         " {\"verb\": \"release\", \"do\": \"fail\", \"times\": 1}]}");
    for (unsigned round = 0; round < 2; round++)
        assert_fails (house->provider->acquire (house->self, &ask, soon (10000), house->arena,
                                                &place, &err), err, BERTH_PROVIDER_UNAVAILABLE);
    assert_string_equal (house_places (house), "");
    place = house_acquire (house, &ask);
    place_close_t closing = house_closing (&ask, &place);
    assert_fails (house->provider->release (house->self, &closing, soon (10000), &err), err,
                  BERTH_PROVIDER_ERROR);
    assert_string_equal (house_places (house), ask.lease);
    house_release (house, &ask, &place);
    assert_string_equal (house_places (house), "");
}

static void
s_hangs_until_the_deadline (void **state)
{
    house_t *house = *state;
    berth_error_t err = { 0 };
    place_opened_t place = { 0 };
    place_open_t ask = house_ask (house, "{\"faults\": [{\"verb\": \"acquire\", \"do\": \"hang\"}]}");
    int64_t started_ms = berth_mono_ms ();
    assert_fails (house->provider->acquire (house->self, &ask, soon (150), house->arena, &place,
                                            &err), err, BERTH_PROVIDER_TIMEOUT);
    assert_in_range (berth_mono_ms () - started_ms, 150, 2000);
    ask = house_ask (house, "{\"faults\": [{\"verb\": \"acquire\", \"do\": \"slow\", \"ms\": 100}]}");
    started_ms = berth_mono_ms ();
    place = house_acquire (house, &ask);
    assert_true (berth_mono_ms () - started_ms >= 100);
    house_release (house, &ask, &place);
}

static void
s_loses_the_place (void **state)
{
    house_t *house = *state;
    shim_message_t hello;
    place_open_t ask = house_ask (house, "{\"faults\": [{\"verb\": \"acquire\", \"do\": \"lose\","
                                         " \"times\": 1}]}");
    place_opened_t place = house_acquire (house, &ask);
    assert_false (house_hello (house, &place, &hello));
    assert_string_equal (house_places (house), ask.lease);      //  The files stay
    place = house_acquire (house, &ask);
    assert_true (house_hello (house, &place, &hello));
    house_release (house, &ask, &place);
}

static int
s_count (void *context, const char *provider_lease, berth_bytes_t labels)
{
    (void) provider_lease;
    (void) labels;
    ++*(unsigned *) context;
    return 0;
}

static void
s_lies (void **state)
{
    house_t *house = *state;
    berth_error_t err = { 0 };
    place_open_t ask = house_ask (house, "{\"faults\": [{\"verb\": \"acquire\", \"do\": \"lie\","
                                         " \"times\": 1}, {\"verb\": \"release\", \"do\": \"lie\","
                                         " \"times\": 1}, {\"verb\": \"list\", \"do\": \"lie\","
                                         " \"times\": 1}, {\"verb\": \"realize\", \"do\": \"lie\"}]}");
    place_opened_t place = house_acquire (house, &ask);
    assert_non_null (place.provider_lease);
    assert_null (strstr (place.provider_lease, ask.lease));
    assert_string_equal (house_places (house), "");
    place = house_acquire (house, &ask);
    unsigned count = 0;
    assert_ok (house->provider->list (house->self, s_count, &count, soon (10000), &err), err);
    assert_int_equal (count, 0);
    assert_ok (house->provider->list (house->self, s_count, &count, soon (10000), &err), err);
    assert_int_equal (count, 1);
    place_realize_t realize = {
        .lease = ask.lease, .provider_lease = place.provider_lease, .metadata = place.metadata,
        .source = BYTES_OF ("/no/such/folder")
    };
    place_realized_t realized = { 0 };
    assert_ok (house->provider->realize (house->self, &realize, NULL, NULL, soon (10000),
                                         house->arena, &realized, &err), err);
    house_release (house, &ask, &place);
    assert_string_equal (house_places (house), ask.lease);
    house_release (house, &ask, &place);
    assert_string_equal (house_places (house), "");
}

//  ---------------------------------------------------------------------------------------------
//  Kept files

static void
s_files_are_kept_when_asked (void **state)
{
    house_t *house = *state;
    berth_error_t err = { 0 };
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    (void) house_text (house, &place, "echo kept >file");
    place_close_t closing = house_closing (&ask, &place);
    closing.keep_files = true;
    shim_message_t hello;
    for (unsigned round = 0; round < 2; round++)
        assert_ok (house->provider->release (house->self, &closing, soon (10000), &err), err);
    assert_false (house_hello (house, &place, &hello));
    assert_string_equal (file_text (house, arena_printf (house->arena, "%s/places/%s/workspace/file",
                                                         house->host.state, ask.lease)), "kept\n");
    house_release (house, &ask, &place);
    assert_string_equal (house_places (house), "");
}

int
main (void)
{
#define FAULT_TEST(name) cmocka_unit_test_setup_teardown (name, s_fault_setup, s_fault_teardown)
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_list_is_sound),
        cmocka_unit_test (s_an_environment_finds_its_provider),
        cmocka_unit_test (s_fake_answers_exactly),
        cmocka_unit_test (s_fake_matches_for_reuse),
        FAULT_TEST (s_fails_so_often_with_its_code),
        FAULT_TEST (s_hangs_until_the_deadline),
        FAULT_TEST (s_loses_the_place),
        FAULT_TEST (s_lies),
        FAULT_TEST (s_files_are_kept_when_asked)
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
