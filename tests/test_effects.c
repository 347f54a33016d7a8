//  test_effects.c - what is to happen after the commit, and who waits for what.

#include "fixture.h"

#include "actor.h"
#include "codec.h"

#include <stdio.h>

enum { SENT_MAX = 256 };

typedef struct {
    arena_t *arena;
    effects_t *effects;
    waiters_t *waiters;
    struct {
        actor_code_t to;
        letter_t letter;
        reply_status_t status;
        berth_bytes_t body;
    } sent [SENT_MAX];
    size_t count;
} scene_t;

static int s_freed;

static int
s_setup (void **state)
{
    scene_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    self->arena = arena_new ();
    self->effects = effects_new ();
    self->waiters = waiters_new ();
    s_freed = 0;
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    scene_t *self = *state;
    effects_destroy (&self->effects);
    waiters_destroy (&self->waiters);
    arena_destroy (&self->arena);
    free (self);
    return 0;
}

static void
s_free (void *data, void *hint)
{
    (void) hint;
    s_freed++;
    free (data);
}

static void
s_send (void *context, actor_code_t to, const char *provider, const letter_t *letter,
        reply_status_t status, berth_bytes_t body, berth_bytes_t data, data_free_fn *data_free)
{
    scene_t *self = context;
    (void) provider;
    assert_true (self->count < SENT_MAX);
    self->sent [self->count].to = to;
    self->sent [self->count].letter = *letter;
    self->sent [self->count].status = status;
    self->sent [self->count++].body = body;
    if (data_free)
        data_free ((void *) data.data, NULL);
}

static void
s_perform (scene_t *self)
{
    self->count = 0;
    effects_perform (self->effects, self->waiters, self->arena, s_send, self);
}

static letter_t
s_client (uint64_t ticket, bool streams)
{
    return (letter_t) { .magic = LETTER_MAGIC, .type = REQUEST_RUN_GET, .answer_to = ACTOR_FRONT,
                        .ticket = ticket, .streams = streams };
}

static letter_t
s_of_actor (const char *subject)
{
    letter_t letter = { .magic = LETTER_MAGIC, .type = REQUEST_LEASE_ACQUIRE,
                        .answer_to = ACTOR_RUNS };
    snprintf (letter.subject, sizeof letter.subject, "%s", subject);
    snprintf (letter.step, sizeof letter.step, "lease");
    return letter;
}

static void
s_wait (scene_t *self, const letter_t *letter, const char *subject)
{
    request_t req = { .letter = letter, .arena = self->arena };
    effects_wait (self->effects, &req, subject);
}

static const nothing_t s_nothing = { 0 };

static void
test_answers (void **state)
{
    scene_t *self = *state;
    letter_t client = s_client (7, false), step = s_of_actor ("acme/r1"), nobody = s_client (0, false);
    berth_error_t why = { 0 };
    (void) berth_fail (&why, BERTH_CONFLICT, "no");
    effects_reply_to (self->effects, &client, self->arena, &nothing_schema, &s_nothing);
    effects_fail_to (self->effects, &step, self->arena, &why);
    effects_fail_to (self->effects, &nobody, self->arena, &why);        //  A tick: nobody asked
    s_perform (self);
    assert_int_equal (self->count, 2);
    assert_int_equal (self->sent [0].to, ACTOR_FRONT);
    assert_int_equal (self->sent [0].letter.ticket, 7);
    //  The answer to a step is a request to whoever sent it.
    assert_int_equal (self->sent [1].to, ACTOR_RUNS);
    assert_int_equal (self->sent [1].letter.type, REQUEST_STEP_DONE);
    berth_error_t err = { 0 };
    step_done_t done;
    assert_ok (berth_unpack_own (&step_done_schema, self->sent [1].body, self->arena, &done, &err),
               err);
    assert_string_equal (done.subject, "acme/r1");
    assert_string_equal (done.step, "lease");
    assert_false (done.ok);
    assert_string_equal (any_text (done.error, "code", self->arena), "conflict");
}

//  Everyone who waits, in the order in which they came, and nobody else.
static void
test_settle (void **state)
{
    scene_t *self = *state;
    for (uint64_t ticket = 1; ticket <= 6; ticket++) {
        letter_t letter = s_client (ticket, false);
        s_wait (self, &letter, ticket % 2 ? "odd" : "even");
    }
    effects_settle (self->effects, self->arena, "odd", &nothing_schema, &s_nothing);
    effects_settle (self->effects, self->arena, "nobody", &nothing_schema, &s_nothing);
    s_perform (self);
    assert_int_equal (self->count, 3);
    for (size_t index = 0; index < 3; index++)
        assert_int_equal (self->sent [index].letter.ticket, 2 * index + 1);
    assert_false (waiters_any (self->waiters, "odd"));
    assert_true (waiters_any (self->waiters, "even"));
    assert_int_equal (waiters_forget (self->waiters, 4), 1);
    assert_int_equal (waiters_forget (self->waiters, 4), 0);
    effects_settle (self->effects, self->arena, "even", &nothing_schema, &s_nothing);
    s_perform (self);
    assert_int_equal (self->count, 2);
    assert_int_equal (waiters_count (self->waiters), 0);
}

//  Far more subjects than buckets.
static void
test_many_subjects (void **state)
{
    scene_t *self = *state;
    enum { MANY = 5000 };
    char subject [32];
    for (int index = 0; index < MANY; index++) {
        letter_t letter = s_client ((uint64_t) index + 1, false);
        snprintf (subject, sizeof subject, "subject %d", index);
        s_wait (self, &letter, subject);
    }
    s_perform (self);
    for (int index = 0; index < MANY; index += 500) {
        snprintf (subject, sizeof subject, "subject %d", index);
        effects_settle (self->effects, self->arena, subject, &nothing_schema, &s_nothing);
        s_perform (self);
        assert_int_equal (self->count, 1);
        assert_int_equal (self->sent [0].letter.ticket, index + 1);
    }
    assert_int_equal (waiters_count (self->waiters), MANY - 10);
}

//  Only whoever gave credit hears how far it is.
static void
test_progress (void **state)
{
    scene_t *self = *state;
    letter_t streams = s_client (1, true), plain = s_client (2, false);
    s_wait (self, &streams, "subject");
    s_wait (self, &plain, "subject");
    effects_progress (self->effects, self->arena, "subject", &nothing_schema, &s_nothing);
    s_perform (self);
    assert_int_equal (self->count, 1);
    assert_int_equal (self->sent [0].letter.ticket, 1);
    assert_int_equal (self->sent [0].status, reply_status_STREAM);
    assert_int_equal (waiters_count (self->waiters), 2);
}

static void
test_deadlines (void **state)
{
    scene_t *self = *state;
    const int64_t deadlines [] = { 300, 100, 0, 200 };
    for (size_t index = 0; index < 4; index++) {
        letter_t letter = s_client (index + 1, false);
        letter.deadline_ms = deadlines [index];
        s_wait (self, &letter, "subject");
    }
    s_perform (self);
    assert_int_equal (waiters_next (self->waiters), 100);
    letter_t letter;
    const char *subject;
    assert_false (waiters_expired (self->waiters, 99, self->arena, &letter, &subject));
    assert_true (waiters_expired (self->waiters, 200, self->arena, &letter, &subject));
    assert_true (waiters_expired (self->waiters, 200, self->arena, &letter, &subject));
    assert_string_equal (subject, "subject");
    assert_false (waiters_expired (self->waiters, 200, self->arena, &letter, &subject));
    assert_int_equal (waiters_next (self->waiters), 300);
    assert_true (waiters_expired (self->waiters, 300, self->arena, &letter, &subject));
    assert_int_equal (letter.ticket, 1);
    assert_false (waiters_expired (self->waiters, INT64_MAX, self->arena, &letter, &subject));
    assert_int_equal (waiters_next (self->waiters), INT64_MAX);
    assert_int_equal (waiters_count (self->waiters), 1);
}

static berth_bytes_t
s_data (void)
{
    uint8_t *data = malloc (4);
    assert_non_null (data);
    return (berth_bytes_t) { data, 4 };
}

//  Data that was handed over is freed once, whatever becomes of it.
static void
test_data (void **state)
{
    scene_t *self = *state;
    letter_t client = s_client (1, false), streams = s_client (2, true), step = s_of_actor ("x");
    size_t mark = effects_mark (self->effects);
    effects_reply_data (self->effects, &client, self->arena, &nothing_schema, &s_nothing, s_data (),
                        s_free);
    effects_undo (self->effects, mark);
    assert_int_equal (s_freed, 1);
    effects_reply_data (self->effects, &client, self->arena, &nothing_schema, &s_nothing, s_data (),
                        s_free);
    effects_chunk (self->effects, &streams, self->arena, &nothing_schema, &s_nothing, s_data (),
                   s_free);
    effects_chunk (self->effects, &client, self->arena, &nothing_schema, &s_nothing, s_data (),
                   s_free);        //  It does not stream
    effects_reply_data (self->effects, &step, self->arena, &nothing_schema, &s_nothing, s_data (),
                        s_free);
    s_perform (self);
    assert_int_equal (self->count, 3);
    assert_int_equal (s_freed, 5);
    //  And what was queued, but never performed.
    effects_reply_data (self->effects, &client, self->arena, &nothing_schema, &s_nothing, s_data (),
                        s_free);
    effects_destroy (&self->effects);
    assert_int_equal (s_freed, 6);
}

//  What a key remembers: the answer, or what was waited for; nothing of a failure.
static void
test_outcome (void **state)
{
    scene_t *self = *state;
    letter_t client = s_client (1, false), other = s_client (2, false);
    berth_bytes_t reply;
    const char *subject;
    berth_error_t why = { 0 };
    (void) berth_fail (&why, BERTH_CONFLICT, "no");
    effects_reply_to (self->effects, &other, self->arena, &nothing_schema, &s_nothing);
    size_t mark = effects_mark (self->effects);
    effects_fail_to (self->effects, &client, self->arena, &why);
    assert_int_equal (effects_outcome (self->effects, 0, &client, &reply, &subject), 0);
    effects_undo (self->effects, mark);
    s_wait (self, &client, "subject");
    assert_int_equal (effects_outcome (self->effects, 0, &client, &reply, &subject), 2);
    assert_string_equal (subject, "subject");
    effects_undo (self->effects, mark);
    effects_reply_to (self->effects, &client, self->arena, &nothing_schema, &s_nothing);
    assert_int_equal (effects_outcome (self->effects, 0, &client, &reply, &subject), 1);
    assert_bytes (reply, berth_empty_map);
}

//  A part that comes behind the commit may queue more, which goes out in the same turn.
static void
s_call (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) actor;
    for (int index = 0; index < 100; index++)       //  Enough to move the queue
        effects_reply (fx, req, &nothing_schema, what);
}

static void
test_calls (void **state)
{
    scene_t *self = *state;
    letter_t client = s_client (1, false);
    request_t req = { .letter = &client, .arena = self->arena };
    effects_call (self->effects, &req, s_call, NULL, &s_nothing);
    effects_reply (self->effects, &req, &nothing_schema, &s_nothing);
    s_perform (self);
    assert_int_equal (self->count, 101);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_answers), TEST (test_settle), TEST (test_many_subjects), TEST (test_progress),
        TEST (test_deadlines), TEST (test_data), TEST (test_outcome), TEST (test_calls),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
