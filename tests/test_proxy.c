//  test_proxy.c - proxies: a provider that hangs delays only itself, calls run beside each other, and
//  what cannot be done is answered.

#include "fixture.h"

#include "clock.h"
#include "codec.h"
#include "proxy.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANG_MS 3000                //  How long the hanging call may hang

typedef struct {
    char *folder;
    context_t context;
    proxy_t *proxies [2];
    zactor_t *actors [2];
    post_t *post;
    zsock_t *inbox;                 //  Where answers come
    arena_t *arena;
} scene_t;

static int
s_setup (void **state)
{
    scene_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    zsys_init ();
    self->folder = fixture_folder_new ();
    self->arena = arena_new ();
    self->context.host = (provider_host_t) {
        .state = self->folder, .runtime = self->folder, .install_id = "x", .init_path = "/none",
    };
    self->context.wiring = wiring_new ();
    const char *const names [] = { "fault", "fake" };
    for (int index = 0; index < 2; index++) {
        self->proxies [index] = proxy_new (&self->context, provider_by_name (names [index]));
        self->actors [index] = zactor_new (proxy_actor, self->proxies [index]);
    }
    self->post = post_new (self->context.wiring);
    self->inbox = wiring_take (self->context.wiring, ACTOR_REGISTRY, NULL, INBOX_INTERNAL);
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    scene_t *self = *state;
    for (int index = 0; index < 2; index++) {
        zactor_destroy (&self->actors [index]);
        proxy_destroy (&self->proxies [index]);
    }
    post_destroy (&self->post);
    zsock_destroy (&self->inbox);
    wiring_destroy (&self->context.wiring);
    arena_destroy (&self->arena);
    fixture_folder_destroy (&self->folder);
    free (self);
    return 0;
}

static void
s_ask (scene_t *self, const char *provider, request_code_t type, const char *subject,
       const void *body)
{
    letter_t letter = { .magic = LETTER_MAGIC, .type = (uint16_t) type, .roles = ROLE_INTERNAL,
                        .answer_to = ACTOR_REGISTRY, .deadline_ms = berth_mono_ms () + HANG_MS };
    snprintf (letter.subject, sizeof letter.subject, "%s", subject);
    assert_int_equal (post_letter (self->post, ACTOR_PROXY, provider, INBOX_INTERNAL, &letter,
                                   berth_pack (request_row (type)->request, body, self->arena),
                                   (berth_bytes_t) { NULL, 0 }, NULL), 0);
}

static void
s_probe (scene_t *self, const char *provider, const char *subject, const char *verb,
         const char *how)
{
    berth_bytes_t config = berth_empty_map;
    if (verb) {
        //  {"faults": [{"verb": ..., "do": ...}]}
        berth_bytes_t rule = any_set_text (berth_empty_map, "verb", verb, self->arena);
        rule = any_set_text (rule, "do", how, self->arena);
        uint8_t *list = arena_take (self->arena, rule.size + 1);
        list [0] = 0x91;
        memcpy (list + 1, rule.data, rule.size);
        config = any_set (config, "faults", (berth_bytes_t) { list, rule.size + 1 }, self->arena);
    }
    else if (strcmp (provider, "fake") == 0)
        config = any_set_text (config, "image", "debian", self->arena);
    place_probe_t probe = { .driver = "sandbox", .config = config };
    s_ask (self, provider, REQUEST_PLACE_PROBE, subject, &probe);
}

//  The next answer, which must come in time.
static step_done_t
s_answer (scene_t *self, int64_t within_ms)
{
    letter_t letter;
    zmq_msg_t body, data;
    zmq_pollitem_t item = { zsock_resolve (self->inbox), 0, ZMQ_POLLIN, 0 };
    if (zmq_poll (&item, 1, (long) within_ms) != 1)
        fail_msg ("no answer within %lld ms", (long long) within_ms);
    assert_int_equal (post_receive (zsock_resolve (self->inbox), &letter, sizeof letter, &body,
                                    &data), 0);
    assert_int_equal (letter.type, REQUEST_STEP_DONE);
    berth_error_t err = { 0 };
    step_done_t done;
    berth_bytes_t bytes = { arena_copy (self->arena, zmq_msg_data (&body), zmq_msg_size (&body)),
                            zmq_msg_size (&body) };
    assert_ok (berth_unpack_own (&step_done_schema, bytes, self->arena, &done, &err), err);
    zmq_msg_close (&body);
    zmq_msg_close (&data);
    return done;
}

static const char *
s_code (scene_t *self, const step_done_t *done)
{
    assert_false (done->ok);
    return any_text (done->error, "code", self->arena);
}

static void
test_hanging_provider_delays_nobody (void **state)
{
    scene_t *self = *state;
    int64_t begun_ms = berth_mono_ms ();
    s_probe (self, "fault", "hangs", "probe", "hang");
    s_probe (self, "fault", "beside", NULL, NULL);
    assert_string_equal (s_answer (self, HANG_MS / 2).subject, "beside");
    s_probe (self, "fake", "other", NULL, NULL);
    step_done_t done = s_answer (self, HANG_MS / 2);
    assert_string_equal (done.subject, "other");
    assert_true (done.ok);
    done = s_answer (self, 2 * HANG_MS);
    assert_string_equal (done.subject, "hangs");
    assert_string_equal (s_code (self, &done), "provider_timeout");
    assert_true (berth_mono_ms () - begun_ms >= HANG_MS);
    assert_string_equal (any_text (any_get (done.error, "details"), "provider", self->arena),
                         "fault");
}

//  What makes the next place faster is done behind the answer, and it is done.
static void
test_prepares_behind_the_answer (void **state)
{
    scene_t *self = *state;
    const char *spare = arena_printf (self->arena, "%s/places-spare-fault", self->folder);
    s_probe (self, "fault", "probed", "prepare", "slow");
    assert_true (s_answer (self, HANG_MS).ok);
    assert_int_equal (access (spare, F_OK), -1);
    int64_t until_ms = berth_mono_ms () + 4 * HANG_MS;
    while (access (spare, F_OK) && berth_mono_ms () < until_ms)
        (void) poll (NULL, 0, 10);
    assert_int_equal (access (spare, F_OK), 0);
}

static void
test_failures_are_answers (void **state)
{
    scene_t *self = *state;
    s_probe (self, "fault", "fails", "probe", "fail");
    step_done_t done = s_answer (self, HANG_MS);
    assert_string_equal (done.subject, "fails");
    assert_string_equal (s_code (self, &done), "provider_error");
    place_realize_t realize = { .lease = "44444444-4444-7444-8444-444444444444" };
    realize.source = BYTES_OF ("/tmp");
    s_ask (self, "fake", REQUEST_PLACE_REALIZE, "missing", &realize);
    done = s_answer (self, HANG_MS);
    assert_string_equal (s_code (self, &done), "unsupported");
    own (arena) arena = arena_new ();
    bus_provider_t stats;
    proxy_stats (self->proxies [0], arena, &stats);
    assert_int_equal (stats.failures, 1);
    assert_string_equal (stats.last_error, "probe failed, as it was told to");
}

//  A provider that could not be opened says why, each time it is asked.
static void
test_broken_provider (void **state)
{
    scene_t *self = *state;
    context_t context = self->context;
    context.host.state = "/nowhere";
    context.wiring = wiring_new ();
    proxy_t *proxy = proxy_new (&context, provider_by_name ("fault"));
    zactor_t *actor = zactor_new (proxy_actor, proxy);
    post_t *post = self->post;
    zsock_t *inbox = self->inbox;
    self->post = post_new (context.wiring);
    self->inbox = wiring_take (context.wiring, ACTOR_REGISTRY, NULL, INBOX_INTERNAL);
    s_probe (self, "fault", "broken", NULL, NULL);
    step_done_t done = s_answer (self, 3 * HANG_MS);        //  It is waited for in vain
    assert_string_equal (s_code (self, &done), "provider_unavailable");
    assert_non_null (strstr (any_text (done.error, "message", self->arena),
                             "not ready: no state directory '/nowhere'"));
    s_probe (self, "fault", "again", NULL, NULL);           //  That was just now: not once more
    int64_t asked_ms = berth_mono_ms ();
    done = s_answer (self, 3 * HANG_MS);
    assert_string_equal (s_code (self, &done), "provider_unavailable");
    assert_true (berth_mono_ms () - asked_ms < HANG_MS / 2);
    zactor_destroy (&actor);
    proxy_destroy (&proxy);
    post_destroy (&self->post);
    zsock_destroy (&self->inbox);
    wiring_destroy (&context.wiring);
    self->post = post;
    self->inbox = inbox;
}

//  It becomes ready while it is waited for; nobody has to start the service anew.
static void
test_ready_later (void **state)
{
    scene_t *self = *state;
    context_t context = self->context;
    context.host.state = context.host.runtime = arena_printf (self->arena, "%s/later", self->folder);
    context.wiring = wiring_new ();
    proxy_t *proxy = proxy_new (&context, provider_by_name ("fault"));
    zactor_t *actor = zactor_new (proxy_actor, proxy);
    post_t *post = self->post;
    zsock_t *inbox = self->inbox;
    self->post = post_new (context.wiring);
    self->inbox = wiring_take (context.wiring, ACTOR_REGISTRY, NULL, INBOX_INTERNAL);
    bus_provider_t stats;
    proxy_stats (proxy, self->arena, &stats);
    assert_string_equal (stats.state, "unavailable");
    s_probe (self, "fault", "early", NULL, NULL);
    assert_int_equal (mkdir (context.host.state, 0700), 0);
    assert_true (s_answer (self, 3 * HANG_MS).ok);
    proxy_stats (proxy, self->arena, &stats);
    assert_string_equal (stats.state, "ready");
    zactor_destroy (&actor);
    proxy_destroy (&proxy);
    post_destroy (&self->post);
    zsock_destroy (&self->inbox);
    wiring_destroy (&context.wiring);
    self->post = post;
    self->inbox = inbox;
}

//  ---- a provider that does not keep its deadlines

static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t s_opened = PTHREAD_COND_INITIALIZER;
static bool s_gate;                 //  Open: those that hang go on

static void
s_open_gate (bool open)
{
    pthread_mutex_lock (&s_lock);
    s_gate = open;
    pthread_cond_broadcast (&s_opened);
    pthread_mutex_unlock (&s_lock);
}

static void
s_pass_gate (void)
{
    pthread_mutex_lock (&s_lock);
    while (!s_gate)
        pthread_cond_wait (&s_opened, &s_lock);
    pthread_mutex_unlock (&s_lock);
}

//  For company `hangs` it does, for company `garbage` it answers with that.
static int
s_odd_acquire (void *self, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
               place_opened_t *ret_place, berth_error_t *err)
{
    (void) self;
    (void) deadline_ms;
    (void) arena;
    (void) err;
    if (strcmp (ask->company, "hangs") == 0)
        s_pass_gate ();
    bool garbage = strcmp (ask->company, "garbage") == 0;
    *ret_place = (place_opened_t) { .provider_lease = garbage ? "\xff\xfe" : "odd:place" };
    return 0;
}

static int
s_odd_probe (void *self, const place_probe_t *ask, int64_t deadline_ms, arena_t *arena,
             probe_result_t *ret_result, berth_error_t *err)
{
    (void) self;
    (void) deadline_ms;
    (void) arena;
    (void) err;
    if (ask->company && strcmp (ask->company, "hangs") == 0)
        s_pass_gate ();
    *ret_result = (probe_result_t) { .driver = "sandbox", .summary = "odd" };
    berth_put (probe_result, ret_result, ok, true);
    return 0;
}

//  In the place of one that has a line of its own.
static const provider_t s_odd = {
    .name = "bubblewrap", .concurrency = 2, .acquire = s_odd_acquire, .probe = s_odd_probe,
};

typedef struct {
    proxy_t *proxy;
    zactor_t *actor;
} odd_t;

static odd_t
s_odd_start (scene_t *self)
{
    odd_t odd = { .proxy = proxy_new (&self->context, &s_odd) };
    odd.actor = zactor_new (proxy_actor, odd.proxy);
    s_open_gate (false);
    return odd;
}

static void
s_odd_stop (odd_t *odd)
{
    s_open_gate (true);
    zactor_destroy (&odd->actor);
    assert_true (proxy_destroy (&odd->proxy));
}

static void
s_odd_ask (scene_t *self, request_code_t type, const char *subject, const char *company,
           int64_t within_ms)
{
    letter_t letter = { .magic = LETTER_MAGIC, .type = (uint16_t) type, .roles = ROLE_INTERNAL,
                        .answer_to = ACTOR_REGISTRY, .deadline_ms = berth_mono_ms () + within_ms };
    snprintf (letter.subject, sizeof letter.subject, "%s", subject);
    place_probe_t probe = { .company = company, .driver = "sandbox", .config = berth_empty_map };
    place_open_t open = { .lease = "44444444-4444-7444-8444-444444444444", .company = company,
                          .env = "44444444-4444-7444-8444-444444444444", .config = berth_empty_map };
    const void *body = type == REQUEST_PLACE_OPEN ? (const void *) &open : (const void *) &probe;
    assert_int_equal (post_letter (self->post, ACTOR_PROXY, s_odd.name, INBOX_INTERNAL, &letter,
                                   berth_pack (request_row (type)->request, body, self->arena),
                                   (berth_bytes_t) { NULL, 0 }, NULL), 0);
}

static bus_provider_t
s_odd_stats (scene_t *self, odd_t *odd)
{
    bus_provider_t stats;
    proxy_stats (odd->proxy, self->arena, &stats);
    return stats;
}

//  All its threads hang: who asked is answered all the same, and others are served.
static void
test_never_answers (void **state)
{
    scene_t *self = *state;
    odd_t odd = s_odd_start (self);
    s_odd_ask (self, REQUEST_PLACE_OPEN, "open", "hangs", 100);
    s_odd_ask (self, REQUEST_PLACE_PROBE, "probe", "hangs", 100);
    s_odd_ask (self, REQUEST_PLACE_PROBE, "patient", "well", 60000);
    s_odd_ask (self, REQUEST_PLACE_PROBE, "hasty", "well", 50);
    int timeouts = 0, served = 0;
    for (int answers = 0; answers < 4; answers++) {
        step_done_t done = s_answer (self, 10000);
        if (strcmp (done.subject, "patient") == 0)
            served += done.ok;
        else
            timeouts += strcmp (s_code (self, &done), "provider_timeout") == 0;
    }
    assert_int_equal (served, 1);
    assert_int_equal (timeouts, 3);
    assert_int_equal (s_odd_stats (self, &odd).hanging, 2);
    assert_true (s_odd_stats (self, &odd).hanging_since > 0);
    //  The same call is not sent after the one that hangs; another one is
    s_odd_ask (self, REQUEST_PLACE_OPEN, "open", "hangs", 60000);
    step_done_t done = s_answer (self, 10000);
    assert_string_equal (s_code (self, &done), "provider_timeout");
    s_odd_ask (self, REQUEST_PLACE_OPEN, "other", "well", 60000);
    assert_true (s_answer (self, 10000).ok);
    //  They come back: that a place was opened is told, that a probe went well is not
    s_open_gate (true);
    done = s_answer (self, 10000);
    assert_string_equal (done.subject, "open");
    assert_true (done.ok);
    s_odd_ask (self, REQUEST_PLACE_PROBE, "last", "well", 60000);
    assert_string_equal (s_answer (self, 10000).subject, "last");
    s_odd_stop (&odd);
}

static void
test_garbage (void **state)
{
    scene_t *self = *state;
    odd_t odd = s_odd_start (self);
    s_odd_ask (self, REQUEST_PLACE_OPEN, "open", "garbage", 60000);
    step_done_t done = s_answer (self, 10000);
    assert_string_equal (s_code (self, &done), "provider_unavailable");
    assert_non_null (strstr (any_text (done.error, "message", self->arena), "garbage"));
    s_odd_stop (&odd);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_hanging_provider_delays_nobody), TEST (test_failures_are_answers),
        TEST (test_broken_provider), TEST (test_ready_later), TEST (test_never_answers), TEST (test_garbage),
        TEST (test_prepares_behind_the_answer),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
