//  test_retries.c - idempotency keys: what they remember, for whom, for how long.

#include "fixture.h"

#include "retries.h"
#include "store_lmdb.h"

#include <sodium.h>
#include <stdio.h>

typedef struct {
    char *folder;
    store_t *store;
    store_txn_t *txn;
    arena_t *arena;
} scene_t;

static int
s_setup (void **state)
{
    berth_error_t err = { 0 };
    scene_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    self->folder = fixture_folder_new ();
    self->arena = arena_new ();
    assert_ok (store_open (self->folder, 64 << 20, &self->store, &err), err);
    assert_ok (store_begin (self->store, &self->txn, &err), err);
    *state = self;
    return 0;
}

static int
s_teardown (void **state)
{
    scene_t *self = *state;
    store_txn_destroy (&self->txn);
    store_destroy (&self->store);
    fixture_folder_destroy (&self->folder);
    arena_destroy (&self->arena);
    free (self);
    return 0;
}

static const retry_scope_t s_scope = { "p", "acme", "lease.acquire", "k", NULL };
static const int64_t s_now = 1700000000000;

static void
s_put (scene_t *self, const retry_scope_t *scope, const char *body, const char *subject,
       const char *reply, int64_t now_ms)
{
    berth_error_t err = { 0 };
    berth_bytes_t bytes = { (const uint8_t *) body, strlen (body) };
    retry_t retry = {
        .subject = subject, .reply = { (const uint8_t *) reply, reply ? strlen (reply) : 0 },
    };
    assert_ok (retry_put (self->txn, self->arena, scope, bytes, &retry, now_ms, &err), err);
}

static int
s_find (scene_t *self, const retry_scope_t *scope, const char *body, int64_t now_ms,
        retry_t *ret_retry)
{
    berth_error_t err = { 0 };
    berth_bytes_t bytes = { (const uint8_t *) body, strlen (body) };
    int rc = retry_find (self->txn, self->arena, scope, bytes, now_ms, ret_retry, &err);
    if (rc < 0)
        assert_int_equal (err.code, BERTH_CONFLICT);
    return rc;
}

static void
test_remembers (void **state)
{
    scene_t *self = *state;
    retry_t retry;
    assert_int_equal (s_find (self, &s_scope, "ask", s_now, &retry), 1);
    s_put (self, &s_scope, "ask", "subject", NULL, s_now);
    assert_int_equal (s_find (self, &s_scope, "ask", s_now, &retry), 0);
    assert_string_equal (retry.subject, "subject");
    s_put (self, &s_scope, "ask", NULL, "reply", s_now + 1);
    assert_int_equal (s_find (self, &s_scope, "ask", s_now + 2, &retry), 0);
    assert_null (retry.subject);
    assert_bytes (retry.reply, BYTES_OF ("reply"));
    assert_int_equal (s_find (self, &s_scope, "another", s_now, &retry), -1);
}

//  No two of principal, company, type and key run into each other.
static void
test_scopes (void **state)
{
    scene_t *self = *state;
    static const retry_scope_t others [] = {
        { "q", "acme", "lease.acquire", "k", NULL }, { "p", "other", "lease.acquire", "k", NULL },
        { "p", "acme", "run.acquire", "k", NULL }, { "p", "acme", "lease.acquire", "l", NULL },
        { "pa", "cme", "lease.acquire", "k", NULL }, { "p", NULL, "lease.acquire", "k", NULL },
    };
    retry_t retry;
    s_put (self, &s_scope, "ask", "subject", NULL, s_now);
    for (size_t index = 0; index < BERTH_COUNT (others); index++)
        assert_int_equal (s_find (self, &others [index], "ask", s_now, &retry), 1);
}

//  A reply that is too large is found again by its row.
static void
test_large_replies (void **state)
{
    scene_t *self = *state;
    berth_error_t err = { 0 };
    static const uint8_t large [BERTH_REPLY_KEPT_MAX + 1];
    retry_t retry = { .reply = { large, sizeof large }, .row = "id" }, found;
    assert_ok (retry_put (self->txn, self->arena, &s_scope, BYTES_OF ("ask"), &retry, s_now, &err),
               err);
    assert_int_equal (s_find (self, &s_scope, "ask", s_now, &found), 0);
    assert_string_equal (found.row, "id");
    assert_null (found.subject);
    assert_int_equal (found.reply.size, 0);
    retry = (retry_t) { .reply = { large, sizeof large - 1 }, .row = "id" };
    assert_ok (retry_put (self->txn, self->arena, &s_scope, BYTES_OF ("ask"), &retry, s_now, &err),
               err);
    assert_int_equal (s_find (self, &s_scope, "ask", s_now, &found), 0);
    assert_null (found.row);
    assert_int_equal (found.reply.size, sizeof large - 1);
}

//  The reply takes the place of what was waited for, once; a large one does not.
static void
test_settle (void **state)
{
    scene_t *self = *state;
    berth_error_t err = { 0 };
    static const uint8_t large [BERTH_REPLY_KEPT_MAX + 1];
    uint8_t scope [RETRIES_SCOPE_SIZE];
    retry_t retry;
    retry_scope (&s_scope, scope);
    assert_ok (retry_settle (self->txn, self->arena, scope, BYTES_OF ("early"), &err), err);
    assert_int_equal (s_find (self, &s_scope, "ask", s_now, &retry), 1);
    s_put (self, &s_scope, "ask", "subject", NULL, s_now);
    assert_ok (retry_settle (self->txn, self->arena, scope,
                             (berth_bytes_t) { large, sizeof large }, &err), err);
    assert_int_equal (s_find (self, &s_scope, "ask", s_now, &retry), 0);
    assert_string_equal (retry.subject, "subject");
    assert_ok (retry_settle (self->txn, self->arena, scope, BYTES_OF ("reply"), &err), err);
    assert_ok (retry_settle (self->txn, self->arena, scope, BYTES_OF ("another"), &err), err);
    assert_int_equal (s_find (self, &s_scope, "ask", s_now, &retry), 0);
    assert_bytes (retry.reply, BYTES_OF ("reply"));
    assert_int_equal (s_find (self, &s_scope, "other", s_now, &retry), -1);
}

//  Beyond so many the oldest go.
static void
test_most (void **state)
{
    scene_t *self = *state;
    char name [16];
    retry_t retry;
    store_set_keys_max (self->store, 5);
    for (int index = 0; index < 20; index++) {
        snprintf (name, sizeof name, "k%d", index);
        s_put (self, &(retry_scope_t) { "p", "acme", "t", name, NULL }, "ask", "x", NULL, s_now + index);
    }
    int kept = 0;
    for (int index = 0; index < 20; index++) {
        snprintf (name, sizeof name, "k%d", index);
        kept += s_find (self, &(retry_scope_t) { "p", "acme", "t", name, NULL }, "ask", s_now + 20, &retry) == 0;
    }
    assert_in_range (kept, 1, 6);
    assert_int_equal (s_find (self, &(retry_scope_t) { "p", "acme", "t", "k19", NULL }, "ask", s_now + 20, &retry), 0);
}

//  A day; then it may be used anew, and is kept a day from there on.
static void
test_age (void **state)
{
    scene_t *self = *state;
    retry_t retry;
    s_put (self, &s_scope, "ask", "first", NULL, s_now);
    int64_t later_ms = s_now + RETRIES_KEPT_MS;
    assert_int_equal (s_find (self, &s_scope, "ask", later_ms, &retry), 0);
    later_ms++;
    assert_int_equal (s_find (self, &s_scope, "ask", later_ms, &retry), 1);
    s_put (self, &s_scope, "ask", "second", NULL, later_ms);
    //  The old ones go as new ones come, this one's first age too: it must not go with that.
    for (int index = 0; index < 16; index++) {
        char name [16];
        snprintf (name, sizeof name, "k%d", index);
        const retry_scope_t other = { "p", "acme", "lease.acquire", name, NULL };
        s_put (self, &other, "ask", "x", NULL, later_ms + index);
    }
    assert_int_equal (s_find (self, &s_scope, "ask", later_ms + 16, &retry), 0);
    assert_string_equal (retry.subject, "second");
}

static void
test_old_ones_are_forgotten (void **state)
{
    scene_t *self = *state;
    berth_error_t err = { 0 };
    char name [16];
    retry_t retry;
    for (int index = 0; index < 8; index++) {
        snprintf (name, sizeof name, "k%d", index);
        s_put (self, &(retry_scope_t) { "p", "acme", "t", name, NULL }, "ask", "x", NULL, s_now + index);
    }
    //  Found by a clock that was set back: only what was swept is gone.
    s_put (self, &s_scope, "ask", "x", NULL, s_now + RETRIES_KEPT_MS + 2);
    for (int index = 0; index < 8; index++) {
        snprintf (name, sizeof name, "k%d", index);
        const retry_scope_t scope = { "p", "acme", "t", name, NULL };
        int rc = retry_find (self->txn, self->arena, &scope, BYTES_OF ("ask"), s_now, &retry, &err);
        assert_int_equal (rc, index < 2 ? 1 : 0);
    }
}

//  Old ones go without new ones, so many at a time, and it is said when the next one is due.
static void
test_trim (void **state)
{
    scene_t *self = *state;
    berth_error_t err = { 0 };
    char name [16];
    for (int index = 0; index < 9; index++) {
        snprintf (name, sizeof name, "k%d", index);
        s_put (self, &(retry_scope_t) { "p", "acme", "t", name, NULL }, "ask", "x", NULL, s_now + index);
    }
    size_t removed;
    int64_t oldest_ms, then_ms = s_now + RETRIES_KEPT_MS + 7;
    assert_ok (retries_trim (self->txn, then_ms, 4, &removed, &oldest_ms, &err), err);
    assert_int_equal (removed, 4);
    assert_int_equal (oldest_ms, s_now + 4);
    assert_ok (retries_trim (self->txn, then_ms, 100, &removed, &oldest_ms, &err), err);
    assert_int_equal (removed, 3);
    assert_int_equal (oldest_ms, s_now + 7);
    assert_ok (retries_trim (self->txn, then_ms + 2, 100, &removed, &oldest_ms, &err), err);
    assert_int_equal (removed, 2);
    assert_true (oldest_ms == INT64_MAX);
}

//  Keys that grow with time lie together under 'k', whoever else asks in between.
static void
test_neighbours (void **state)
{
    scene_t *self = *state;
    berth_error_t err = { 0 };
    uint8_t before [RETRIES_SCOPE_SIZE] = { 0 }, scope [RETRIES_SCOPE_SIZE], other [RETRIES_SCOPE_SIZE];
    char name [40];
    for (int index = 0; index < 300; index++) {
        snprintf (name, sizeof name, "0190163d-%04x-7abc-8def-%d", index, 7 * index % 10);
        const retry_scope_t ours = { "p", "acme", "lease.acquire", name, NULL };
        const retry_scope_t foreign = { "q", "acme", "lease.acquire", name, NULL };
        retry_scope (&ours, scope);
        retry_scope (&foreign, other);
        assert_true (index == 0 || memcmp (before, scope, sizeof scope) < 0);
        assert_memory_not_equal (scope, other, 8);
        memcpy (before, scope, sizeof scope);
        s_put (self, &ours, "ask", name, NULL, s_now);
        s_put (self, &foreign, "ask", "foreign", NULL, s_now);
    }
    //  What stands in front does not tell two keys apart: the hash behind it does.
    retry_t retry;
    const retry_scope_t longer = { "p", "acme", "lease.acquire", "0190163d-0000-7abc-8def-0-longer", NULL };
    assert_int_equal (s_find (self, &longer, "ask", s_now, &retry), 1);
    const retry_scope_t first = { "p", "acme", "lease.acquire", "0190163d-0000-7abc-8def-0", NULL };
    assert_int_equal (s_find (self, &first, "ask", s_now, &retry), 0);
    assert_string_equal (retry.subject, "0190163d-0000-7abc-8def-0");
    assert_ok (store_commit (&self->txn, &err), err);
    assert_ok (store_begin (self->store, &self->txn, &err), err);
}

//  What an earlier version remembered, all of it under a hash: found, and swept, with what came since.
static void
test_older_form (void **state)
{
    scene_t *self = *state;
    berth_error_t err = { 0 };
    uint8_t hash [32], body [16], head [24];
    static const char all [] = "p\0acme\0lease.acquire\0k";
    crypto_generichash (hash, sizeof hash, (const uint8_t *) all, sizeof all, NULL, 0);
    crypto_generichash (body, sizeof body, (const uint8_t *) "ask", 3, NULL, 0);
    memcpy (head, &s_now, 8);
    memcpy (head + 8, body, sizeof body);
    store_key_t key = { 0 }, by_age = { 0 };
    key_byte (&key, 'k');
    key_bytes (&key, hash, sizeof hash);
    key_byte (&by_age, 't');
    key_up (&by_age, (uint64_t) s_now);
    key_bytes (&by_age, hash, sizeof hash);
    assert_ok (store_raw_put (self->txn, DB_KEYS, &key, (berth_bytes_t) { head, sizeof head }, &err), err);
    assert_ok (store_raw_put (self->txn, DB_KEYS, &by_age, BYTES_OF ("\x01" "answer"), &err), err);
    assert_ok (store_commit (&self->txn, &err), err);
    store_destroy (&self->store);
    assert_ok (store_open (self->folder, 64 << 20, &self->store, &err), err);
    assert_ok (store_begin (self->store, &self->txn, &err), err);

    retry_t retry;
    s_put (self, &(retry_scope_t) { "p", "acme", "lease.acquire", "new", NULL }, "ask", NULL, "reply", s_now + 1);
    assert_int_equal (s_find (self, &s_scope, "ask", s_now + 2, &retry), 0);
    assert_bytes (retry.reply, BYTES_OF ("answer"));
    assert_int_equal (s_find (self, &s_scope, "another", s_now, &retry), -1);
    size_t removed;
    int64_t oldest_ms;
    assert_ok (retries_trim (self->txn, s_now + RETRIES_KEPT_MS + 1, 9, &removed, &oldest_ms, &err), err);
    assert_int_equal (removed, 1);
    assert_int_equal (oldest_ms, s_now + 1);
    assert_int_equal (s_find (self, &s_scope, "ask", s_now, &retry), 1);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)
    const struct CMUnitTest tests [] = {
        TEST (test_remembers), TEST (test_scopes), TEST (test_large_replies), TEST (test_settle), TEST (test_most),
        TEST (test_age), TEST (test_old_ones_are_forgotten), TEST (test_trim), TEST (test_neighbours), TEST (test_older_form),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
