//  test_keeper.c - the actor of the store: what it says of it, its threads for check and backup, and the
//  log that it trims.

#include "stage.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "keeper.h"
#include "retries.h"

#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

typedef struct {
    stage_t *stage;
    keeper_t *keeper;
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
    stage->context.wiring = wiring_new ();
    stage->context.host.state = stage->folder;
    stage->context.retention.kept_ms [KEPT_ACTIVITY] = 3600000;
    assert_int_equal (mkdir (fixture_path (stage->arena, stage->folder, "spool"), 0700), 0);
    self->keeper = keeper_new (&stage->context, &err);
    assert_non_null (self->keeper);
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
    assert_true (keeper_destroy (&self->keeper));
    post_destroy (&self->post);
    zsock_destroy (&self->answers);
    wiring_destroy (&self->stage->context.wiring);
    stage_destroy (&self->stage);
    free (self);
    return 0;
}

static void
s_write (scene_t *self, int count, int64_t at_ms)
{
    berth_error_t err = { 0 };
    store_txn_t *txn;
    assert_ok (store_begin (self->stage->store, &txn, &err), err);
    for (int index = 0; index < count; index++) {
        own (arena) arena = arena_new ();
        char id [BERTH_ID_SIZE];
        berth_id_new (id);
        activity_note_t note = { .id = id, .company = "acme", .action = ACTION_RUN_READY, .entity = "e",
                                 .details = berth_empty_map, .now_ms = at_ms };
        assert_ok (activity_add (txn, arena, &note, &err), err);
    }
    assert_ok (store_commit (&txn, &err), err);
}

static uint64_t
s_send (scene_t *self, request_code_t type, const char *json, bool streams)
{
    if (!self->actor)
        self->actor = zactor_new (keeper_actor, self->keeper);
    letter_t letter = { .magic = LETTER_MAGIC, .type = (uint16_t) type, .answer_to = ACTOR_FRONT,
                        .roles = ROLE_OPERATOR, .ticket = ++self->tickets, .streams = streams };
    assert_int_equal (post_letter (self->post, ACTOR_STORE, NULL, INBOX_CLIENTS, &letter,
                                   stage_pack (self->stage, json), (berth_bytes_t) { NULL, 0 }, NULL), 0);
    return letter.ticket;
}

//  The next answer.
static berth_bytes_t
s_hear (scene_t *self, reply_status_t *ret_status, uint64_t *ret_ticket)
{
    answer_t answer;
    zmq_msg_t body, data;
    zmq_pollitem_t item = { zsock_resolve (self->answers), 0, ZMQ_POLLIN, 0 };
    assert_int_equal (zmq_poll (&item, 1, PATIENCE_MS), 1);
    assert_int_equal (post_receive (zsock_resolve (self->answers), &answer, sizeof answer, &body,
                                    &data), 0);
    size_t size = zmq_msg_size (&body);
    berth_bytes_t bytes = { arena_copy (self->stage->arena, zmq_msg_data (&body), size), size };
    zmq_msg_close (&body);
    zmq_msg_close (&data);
    *ret_status = answer.status;
    *ret_ticket = answer.ticket;
    return bytes;
}

static berth_bytes_t
s_ask (scene_t *self, request_code_t type, const char *json, reply_status_t wanted)
{
    reply_status_t status;
    uint64_t ticket = s_send (self, type, json, false), heard;
    berth_bytes_t body = s_hear (self, &status, &heard);
    assert_int_equal (heard, ticket);
    if (status != wanted)
        fail_msg ("%s", stage_at (self->stage, body, ""));
    return body;
}

static void
test_stat (void **state)
{
    scene_t *self = *state;
    stage_t *stage = self->stage;
    stage_put_environment (stage, "11111111-1111-7111-8111-111111111111", "{}");
    s_write (self, 5, berth_wall_ms ());
    berth_bytes_t stat = s_ask (self, REQUEST_STORE_STAT, "{}", reply_status_OK);
    assert_at (stage, stat, "fill", "\"roomy\"");
    assert_at (stage, stat, "epoch", "1");
    assert_at (stage, stat, "seq", "5");
    assert_at (stage, stat, "oldestSeq", "1");
    assert_at (stage, stat, "backupMs", "null");
    assert_at (stage, stat, "kept.0.name", "\"activity\"");
    assert_at (stage, stat, "kept.0.keptMs", "3600000");
    assert_at (stage, stat, "kept.1.keptMs", "0");
    assert_at (stage, stat, "kept.1.oldestAt", "null");
    assert_at (stage, stat, "tables.1.name", "\"environments\"");
    assert_at (stage, stat, "tables.1.rows", "1");
    assert_true (any_number (stat, "usedBytes", 0) > 4096);
    assert_true (any_number (stat, "reserveBytes", 0) > 0);
}

static void
test_check (void **state)
{
    scene_t *self = *state;
    stage_t *stage = self->stage;
    s_write (self, 5, berth_wall_ms ());
    berth_bytes_t checked = s_ask (self, REQUEST_STORE_CHECK, "{}", reply_status_OK);
    assert_at (stage, checked, "ok", "true");
    assert_at (stage, checked, "activity", "5");
    assert_at (stage, checked, "findings", "[]");
    assert_int_equal (mkdir (fixture_path (stage->arena, stage->folder, "spool/what"), 0700), 0);
    checked = s_ask (self, REQUEST_STORE_CHECK, "{}", reply_status_OK);
    assert_at (stage, checked, "ok", "false");
    assert_at (stage, checked, "found", "1");
    assert_at (stage, checked, "findings.0.id", "\"what\"");
}

//  Who asks while one runs is answered by that one; who streams hears how far it is.
static void
test_check_is_shared (void **state)
{
    scene_t *self = *state;
    for (int part = 0; part < 60; part++)
        s_write (self, 1000, berth_wall_ms ());
    uint64_t tickets [] = { s_send (self, REQUEST_STORE_CHECK, "{}", true),
                            s_send (self, REQUEST_STORE_CHECK, "{}", false) };
    int ends [2] = { 0 }, told = 0;
    while (ends [0] + ends [1] < 2) {
        reply_status_t status;
        uint64_t ticket;
        berth_bytes_t body = s_hear (self, &status, &ticket);
        if (status == reply_status_STREAM) {
            assert_int_equal (ticket, tickets [0]);
            assert_true (any_number (body, "total", 0) >= any_number (body, "done", 0));
            told++;
            continue;
        }
        assert_int_equal (status, reply_status_OK);
        assert_at (self->stage, body, "ok", "true");
        ends [ticket == tickets [1]]++;
    }
    assert_int_equal (ends [0], 1);
    assert_true (told > 0);
}

static void
test_backup (void **state)
{
    scene_t *self = *state;
    stage_t *stage = self->stage;
    struct stat info;
    s_write (self, 100, berth_wall_ms ());
    const char *path = fixture_path (stage->arena, stage->folder, "copy");
    const char *ask = arena_printf (stage->arena, "{'path':'%s'}", path);
    berth_bytes_t made = s_ask (self, REQUEST_STORE_BACKUP, ask, reply_status_OK);
    assert_string_equal (stage_text (stage, made, "path"), path);
    assert_int_equal (stat (path, &info), 0);
    assert_at (stage, s_ask (self, REQUEST_STORE_BACKUP, ask, reply_status_ERROR), "code",
               "\"conflict\"");
    assert_at (stage, s_ask (self, REQUEST_STORE_BACKUP, "{'path':'relative'}", reply_status_ERROR), "code",
               "\"invalid_request\"");
}

//  ---- retention

static void
test_trim (void **state)
{
    scene_t *self = *state;
    stage_t *stage = self->stage;
    stage->actor = keeper_kit (self->keeper);
    stage->now_ms = 1700000000000;
    uint64_t before = retention_counted (KEPT_ACTIVITY);
    s_write (self, 600, stage->now_ms - 3600001 - 3000);
    s_write (self, 5, stage->now_ms - 1000);
    stage_serve (stage);
    assert_int_equal (retention_counted (KEPT_ACTIVITY) - before, BERTH_RETENTION_TURN);
    for (int turn = 0; turn < 3; turn++)
        stage_serve (stage);                //  A second later each
    assert_int_equal (retention_counted (KEPT_ACTIVITY) - before, 600);
    berth_error_t err = { 0 };
    store_txn_t *txn;
    activity_t row;
    assert_ok (store_read (stage->store, &txn, &err), err);
    assert_int_equal (activity_first (txn, stage->arena, &row, &err), 0);
    assert_int_equal (row.seq, 601);
    store_txn_destroy (&txn);
}

//  Keys go by their age, also where no new ones come and the log is kept for ever.
static void
test_keys_go (void **state)
{
    scene_t *self = *state;
    stage_t *stage = self->stage;
    berth_error_t err = { 0 };
    store_txn_t *txn;
    stage->actor = keeper_kit (self->keeper);
    stage->now_ms = 1700000000000;
    const retry_scope_t old = { "p", "acme", "t", "old", NULL }, young = { "p", "acme", "t", "young", NULL };
    retry_t retry = { .subject = "x" };
    int64_t old_ms = stage->now_ms - RETRIES_KEPT_MS - 1, young_ms = stage->now_ms;
    assert_ok (store_begin (stage->store, &txn, &err), err);
    assert_ok (retry_put (txn, stage->arena, &young, BYTES_OF ("ask"), &retry, young_ms, &err), err);
    assert_ok (retry_put (txn, stage->arena, &old, BYTES_OF ("ask"), &retry, old_ms, &err), err);
    assert_ok (store_commit (&txn, &err), err);
    stage_serve (stage);
    //  As by a clock that was set back: what is still there would be found
    assert_ok (store_read (stage->store, &txn, &err), err);
    assert_int_equal (retry_find (txn, stage->arena, &old, BYTES_OF ("ask"), old_ms, &retry, &err), 1);
    assert_int_equal (retry_find (txn, stage->arena, &young, BYTES_OF ("ask"), young_ms, &retry, &err), 0);
    store_txn_destroy (&txn);
}

static void
test_drop (void **state)
{
    scene_t *self = *state;
    stage_t *stage = self->stage;
    stage->actor = keeper_kit (self->keeper);
    const char *exec = "44444444-4444-7444-8444-444444444444";
    const char *folder = arena_printf (stage->arena, "%s/spool/%s", stage->folder, exec);
    assert_int_equal (mkdir (folder, 0700), 0);
    stage_queue_step (stage, REQUEST_SPOOL_DROP, ACTOR_EXECS, exec, "drop",
                      arena_printf (stage->arena, "{'execId':'%s'}", exec));
    stage_serve (stage);
    assert_int_equal (access (folder, F_OK), -1);
    const stage_sent_t *done = stage_work (stage, ACTOR_EXECS, 0);
    assert_non_null (done);
    assert_at (stage, done->body, "ok", "true");
    assert_at (stage, done->body, "step", "\"drop\"");
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_stat), TEST (test_check), TEST (test_check_is_shared), TEST (test_backup),
        TEST (test_trim), TEST (test_keys_go), TEST (test_drop),
    };
    return cmocka_run_group_tests_name ("keeper", tests, NULL, NULL);
}
