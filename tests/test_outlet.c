//  test_outlet.c - what subscribers may hear, and how much they may want.

#include "fixture.h"

#include "outlet.h"
#include "requests.h"

#include <poll.h>

enum { PATIENCE_MS = 20000 };

typedef struct {
    char *folder;
    arena_t *arena;
    trust_t *trust;
    outlet_t *outlet;
    const char *endpoint;
    long followed;
} scene_t;

static int
s_setup (void **state)
{
    scene_t *self = calloc (1, sizeof *self);
    static const char *const one [] = { "acme" };
    zsys_init ();
    self->folder = fixture_folder_new ();
    self->arena = arena_new ();
    self->trust = trust_new ();
    trust_add_local (self->trust, "ipc:ci", ROLE_OBSERVER, (berth_strs_t) { 1, (void *) one });
    self->endpoint = arena_printf (self->arena, "ipc://%s/events.sock", self->folder);
    zsock_t *xpub = zsock_new (ZMQ_XPUB);
    zsock_set_rcvhwm (xpub, 0);
    assert_int_equal (zsock_bind (xpub, "%s", self->endpoint), 0);
    self->outlet = outlet_new_local (&xpub, self->trust, "ipc:ci", self->endpoint + strlen ("ipc://"));
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    scene_t *self = *state;
    outlet_destroy (&self->outlet);
    trust_destroy (&self->trust);
    arena_destroy (&self->arena);
    fixture_folder_destroy (&self->folder);
    free (self);
    return 0;
}

static void
s_followed (void *context, const char *company, int more)
{
    (void) company;
    ((scene_t *) context)->followed += more;
}

//  Takes what comes until so many are held, or a connection was ended.
static void
s_until (scene_t *self, uint64_t subscriptions, uint64_t cut)
{
    int64_t until = zclock_mono () + PATIENCE_MS;
    while (outlet_subscriptions (self->outlet) != subscriptions || outlet_cut (self->outlet) != cut) {
        struct pollfd wait = { .fd = outlet_fd (self->outlet), .events = POLLIN };
        if (zclock_mono () > until)
            fail_msg ("%llu subscriptions, %llu cut", (unsigned long long) outlet_subscriptions (self->outlet),
                      (unsigned long long) outlet_cut (self->outlet));
        (void) poll (&wait, 1, 20);
        outlet_receive (self->outlet, s_followed, self);
    }
}

static zsock_t *
s_subscriber (scene_t *self)
{
    zsock_t *sub = zsock_new (ZMQ_SUB);
    zsock_set_linger (sub, 0);
    zsock_set_reconnect_ivl (sub, -1);          //  Who is cut stays away
    zsock_set_sndhwm (sub, 0);
    assert_int_equal (zsock_connect (sub, "%s", self->endpoint), 0);
    return sub;
}

static void
s_subscribe (scene_t *self, zsock_t *sub, int from, int count)
{
    for (int number = from; number < from + count; number++)
        zsock_set_subscribe (sub, arena_printf (self->arena, "acme/%d", number));
}

static bool
s_hears (scene_t *self, zsock_t *sub, const char *topic)
{
    outlet_send (self->outlet, topic, strlen (topic), BYTES_OF ("entry"));
    zsock_set_rcvtimeo (sub, 300);
    zmsg_t *message = zmsg_recv (sub);
    bool heard = message != NULL;
    zmsg_destroy (&message);
    return heard;
}

//  As many as are allowed are held; one more, and the connection ends, of nobody else.
static void
test_each (void **state)
{
    scene_t *self = *state;
    zsock_t *quiet = s_subscriber (self);
    s_subscribe (self, quiet, 1, 1);
    s_until (self, 1, 0);
    zsock_t *greedy = s_subscriber (self);
    s_subscribe (self, greedy, 0, BERTH_SUBSCRIPTIONS_EACH);
    s_until (self, BERTH_SUBSCRIPTIONS_EACH + 1, 0);
    assert_true (s_hears (self, greedy, "acme/1000"));
    s_subscribe (self, greedy, BERTH_SUBSCRIPTIONS_EACH, 1);
    s_until (self, 1, 1);
    assert_int_equal (self->followed, 1);
    assert_false (s_hears (self, greedy, "acme/1000"));
    assert_true (s_hears (self, quiet, "acme/1"));
    //  Its end lets go of what it held: another may have as many
    zsock_t *next = s_subscriber (self);
    s_subscribe (self, next, 0, BERTH_SUBSCRIPTIONS_EACH);
    s_until (self, BERTH_SUBSCRIPTIONS_EACH + 1, 1);
    zsock_destroy (&next);
    s_until (self, 1, 1);
    zsock_destroy (&greedy);
    zsock_destroy (&quiet);
    s_until (self, 0, 1);
    assert_int_equal (self->followed, 0);
}

//  Another company's log, all logs at once, half a segment: held and counted, and silent.
static void
test_companies (void **state)
{
    scene_t *self = *state;
    zsock_t *sub = s_subscriber (self);
    static const char *const wanted [] = { "globex/", "", "acm", "acme" };
    for (size_t index = 0; index < BERTH_COUNT (wanted); index++)
        zsock_set_subscribe (sub, wanted [index]);
    s_until (self, BERTH_COUNT (wanted), 0);
    assert_false (s_hears (self, sub, "globex/run.ready"));
    assert_false (s_hears (self, sub, "acme/run.ready"));
    zsock_set_subscribe (sub, "acme/");
    s_until (self, BERTH_COUNT (wanted) + 1, 0);
    assert_true (s_hears (self, sub, "acme/run.ready"));
    assert_false (s_hears (self, sub, "globex/run.ready"));
    zsock_destroy (&sub);
    s_until (self, 0, 0);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = { TEST (test_each), TEST (test_companies) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
