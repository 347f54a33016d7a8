//  test_publisher.c - activity out: the order of the log, whole segments, heads, and what was missed.

#include "stage.h"

#include "activity_log.h"
#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "publisher.h"

#include <stdio.h>

enum { PATIENCE_MS = 10000, MANY = 3000 };

typedef struct {
    stage_t *stage;
    const char *endpoint;
    publisher_t *publisher;
    zactor_t *actor;
    post_t *post;
    zsock_t *answers;               //  Where the front door would hear
    uint64_t tickets;
} scene_t;

static int
s_setup (void **state)
{
    berth_error_t err = { 0 };
    scene_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    zsys_init ();
    stage_t *stage = self->stage = stage_new ();
    self->endpoint = arena_printf (stage->arena, "ipc://%s/events.sock", stage->folder);
    stage->context.wiring = wiring_new ();
    zsock_t *xpub = zsock_new (ZMQ_XPUB);
    zsock_set_sndhwm (xpub, 100000);
    assert_int_equal (zsock_bind (xpub, "%s", self->endpoint), 0);
    trust_add_local (stage->context.trust, "operator", ROLE_OPERATOR, (berth_strs_t) { 0, NULL });
    outlet_t *outlet = outlet_new_local (&xpub, stage->context.trust, "operator",
                                         self->endpoint + strlen ("ipc://"));
    self->publisher = publisher_new (&stage->context, &outlet, 1, &err);
    assert_non_null (self->publisher);
    self->actor = zactor_new (publisher_actor, self->publisher);
    self->post = post_new (stage->context.wiring);
    self->answers = wiring_take (stage->context.wiring, ACTOR_FRONT, NULL, INBOX_INTERNAL);
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    scene_t *self = *state;
    zactor_destroy (&self->actor);
    publisher_destroy (&self->publisher);
    post_destroy (&self->post);
    zsock_destroy (&self->answers);
    wiring_destroy (&self->stage->context.wiring);
    stage_destroy (&self->stage);
    free (self);
    return 0;
}

static void
s_write (scene_t *self, const char *company, int from, int count)
{
    berth_error_t err = { 0 };
    own (arena) arena = arena_new ();
    store_txn_t *txn;
    assert_ok (store_begin (self->stage->store, &txn, &err), err);
    for (int index = from; index < from + count; index++) {
        char id [BERTH_ID_SIZE];
        snprintf (id, sizeof id, "00000000-0000-7000-8000-%012d", index);
        activity_note_t note = { .id = id, .company = company, .action = ACTION_RUN_READY,
                                 .entity = arena_printf (arena, "%d", index),
                                 .details = berth_empty_map, .now_ms = 1 };
        assert_ok (activity_add (txn, arena, &note, &err), err);
    }
    assert_ok (store_commit (&txn, &err), err);
}

//  ---- a follower

static zsock_t *
s_follow (scene_t *self, const char *topic)
{
    zsock_t *sub = zsock_new (ZMQ_SUB);
    zsock_set_rcvhwm (sub, 0);
    zsock_set_subscribe (sub, topic);
    assert_int_equal (zsock_connect (sub, "%s", self->endpoint), 0);
    return sub;
}

//  The next event; false if there is none in time.
static bool
s_hear (scene_t *self, zsock_t *sub, long wait_ms, const char **ret_topic, berth_bytes_t *ret_body)
{
    zmq_pollitem_t item = { zsock_resolve (sub), 0, ZMQ_POLLIN, 0 };
    if (zmq_poll (&item, 1, wait_ms) != 1)
        return false;
    own (zmsg) msg = zmsg_recv (sub);
    assert_int_equal (zmsg_size (msg), 2);
    zframe_t *topic = zmsg_first (msg), *body = zmsg_next (msg);
    arena_t *arena = self->stage->arena;
    *ret_topic = arena_text (arena, (const char *) zframe_data (topic), zframe_size (topic));
    *ret_body = (berth_bytes_t) { arena_copy (arena, zframe_data (body), zframe_size (body)),
                                  zframe_size (body) };
    return true;
}

//  Waits until the publisher has heard of a subscription: its head is repeated.
static void
s_await_head (scene_t *self, zsock_t *sub, const char *company, uint64_t company_seq)
{
    const char *topic, *wanted = arena_printf (self->stage->arena, "%s/~head", company);
    berth_bytes_t body;
    int64_t until_ms = berth_mono_ms () + PATIENCE_MS;
    do
        assert_true (s_hear (self, sub, PATIENCE_MS, &topic, &body)
                     && berth_mono_ms () < until_ms);
    while (strcmp (topic, wanted) || any_number (body, "companySeq", 0) != company_seq);
}

static void
test_order (void **state)
{
    scene_t *self = *state;
    zsock_t *sub = s_follow (self, "acme/"), *all = s_follow (self, "");
    s_write (self, "acme", 0, 1);
    post_kick (self->post);
    s_await_head (self, sub, "acme", 1);
    //  All at once, between those of others; no kick comes for the last ones.
    for (int index = 1; index < MANY; index += 100) {
        s_write (self, "acme", index, 100);
        s_write (self, "acme2", index, 1);
        if (index < MANY / 2)
            post_kick (self->post);
    }
    uint64_t company_seq = 1, seq = 0;
    while (company_seq < MANY) {
        const char *topic;
        berth_bytes_t body;
        assert_true (s_hear (self, sub, PATIENCE_MS, &topic, &body));
        if (strcmp (topic, "acme/~head") == 0)
            continue;
        assert_string_equal (topic, "acme/run.ready");
        assert_int_equal (any_number (body, "companySeq", 0), ++company_seq);
        assert_true (any_number (body, "seq", 0) > seq);
        seq = any_number (body, "seq", 0);
    }
    //  Who follows all sees the log as it is.
    uint64_t before = 0;
    while (before < seq) {
        const char *topic;
        berth_bytes_t body;
        assert_true (s_hear (self, all, PATIENCE_MS, &topic, &body));
        if (strstr (topic, "~head"))
            continue;
        uint64_t now = any_number (body, "seq", 0);
        assert_true (before == 0 || now == before + 1);
        before = now;
    }
    zsock_destroy (&sub);
    zsock_destroy (&all);
}

//  As long as somebody follows, and not a moment for who does not.
static void
test_heads (void **state)
{
    scene_t *self = *state;
    zsock_t *sub = s_follow (self, "acme/~head"), *other = s_follow (self, "other/");
    s_write (self, "acme", 0, 3);
    s_await_head (self, sub, "acme", 3);
    int64_t begun_ms = berth_mono_ms ();
    s_await_head (self, sub, "acme", 3);
    s_await_head (self, sub, "acme", 3);
    assert_in_range (berth_mono_ms () - begun_ms, PUBLISHER_HEAD_MS / 2, 4 * PUBLISHER_HEAD_MS);
    s_await_head (self, other, "other", 0);
    zsock_destroy (&sub);
    zsock_destroy (&other);
}

//  ---- who was away asks

static berth_bytes_t
s_ask (scene_t *self, request_code_t type, const char *json)
{
    letter_t letter = { .magic = LETTER_MAGIC, .type = (uint16_t) type, .answer_to = ACTOR_FRONT,
                        .roles = ROLE_OPERATOR, .ticket = ++self->tickets };
    answer_t answer;
    zmq_msg_t body, data;
    assert_int_equal (post_letter (self->post, ACTOR_PUBLISHER, NULL, INBOX_CLIENTS, &letter,
                                   stage_pack (self->stage, json), (berth_bytes_t) { NULL, 0 },
                                   NULL), 0);
    zmq_pollitem_t item = { zsock_resolve (self->answers), 0, ZMQ_POLLIN, 0 };
    assert_int_equal (zmq_poll (&item, 1, PATIENCE_MS), 1);
    assert_int_equal (post_receive (zsock_resolve (self->answers), &answer, sizeof answer, &body,
                                    &data), 0);
    assert_int_equal (answer.ticket, letter.ticket);
    assert_int_equal (answer.status, reply_status_OK);
    berth_bytes_t bytes = {
        arena_copy (self->stage->arena, zmq_msg_data (&body), zmq_msg_size (&body)),
        zmq_msg_size (&body)
    };
    zmq_msg_close (&body);
    zmq_msg_close (&data);
    return bytes;
}

static void
test_list (void **state)
{
    scene_t *self = *state;
    stage_t *stage = self->stage;
    s_write (self, "acme", 0, 300);
    s_write (self, "other", 0, 1);
    uint64_t after = 0, seen = 0;
    for (berth_bytes_t page; seen < 300; after = any_number (page, "next", 0)) {
        page = s_ask (self, REQUEST_ACTIVITY_LIST, arena_printf (stage->arena,
            "{'companyId':'acme','after':%llu,'limit':100}", (unsigned long long) after));
        assert_at (stage, page, "head", "300");
        assert_at (stage, page, "gap", "absent");
        for (int item = 0; ; item++) {
            const char *entity = stage_at (stage, page,
                                           arena_printf (stage->arena, "items.%d.entityId", item));
            if (strcmp (entity, "absent") == 0)
                break;
            assert_string_equal (entity, arena_printf (stage->arena, "\"%llu\"",
                                                       (unsigned long long) seen++));
        }
        assert_true (any_number (page, "next", 0) > after);
    }
    assert_at (stage, s_ask (self, REQUEST_ACTIVITY_LIST,
                             "{'companyId':'acme','entityId':'200'}"), "items.0.companySeq", "201");
    assert_at (stage, s_ask (self, REQUEST_ACTIVITY_LIST, "{'companyId':'none'}"), "items", "[]");
    assert_at (stage, s_ask (self, REQUEST_ACTIVITY_HEAD, "{'companyId':'acme'}"), "companySeq",
               "300");
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = { TEST (test_order), TEST (test_heads), TEST (test_list) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
