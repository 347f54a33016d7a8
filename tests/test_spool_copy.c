//  test_spool_copy.c - owns what a copy of a spool promises: it is the spool, wherever it was broken off.

#include "fixture.h"
#include "spool.h"

#include <stdio.h>
#include <sys/stat.h>

enum { STEPS = 400, MAX = 20000 };

typedef struct {
    char *folder;
    arena_t *arena;
    const char *from, *to;
    spool_t *spool;
    spool_source_t *source;
    spool_copy_t *copy;
    fixture_random_t random;
    unsigned char next;
} pair_t;

static void
s_open (pair_t *self, int on_full, uint64_t seed)
{
    berth_error_t err = { 0 };
    spool_mark_t zero = { 0 };
    *self = (pair_t) { .folder = fixture_folder_new (), .arena = arena_new (), .random = { seed } };
    self->from = fixture_path (self->arena, self->folder, "from");
    self->to = fixture_path (self->arena, self->folder, "to");
    assert_ok (spool_open (self->from, MAX, on_full, &self->spool, &err), err);
    assert_ok (spool_start (self->to, &err), err);
    assert_ok (spool_source_open (self->from, &zero, &self->source, &err), err);
    assert_ok (spool_copy_open (self->to, &self->copy, &err), err);
}

static void
s_close (pair_t *self)
{
    spool_source_destroy (&self->source);
    spool_copy_destroy (&self->copy);
    spool_destroy (&self->spool);
    arena_destroy (&self->arena);
    fixture_folder_destroy (&self->folder);
}

static void
s_write (pair_t *self)
{
    static uint8_t data [4096];
    berth_error_t err = { 0 };
    size_t size = 1 + fixture_below (&self->random, fixture_below (&self->random, 8) ? 200 : 4096);
    for (size_t index = 0; index < size; index++)
        data [index] = self->next++;
    int stream = fixture_below (&self->random, 3) ? SPOOL_STDOUT : SPOOL_STDERR;
    int rc = spool_append (self->spool, stream, 1, data, size, &err);
    if (rc == 1) {                              //  BLOCK: a reader has had half of it
        spool_size_t now;
        spool_size (self->spool, &now);
        spool_release (self->spool, now.all_bytes - fixture_below (&self->random, MAX / 2));
        self->next = (unsigned char) (self->next - size);
        return;
    }
    assert_int_equal (rc, 0);
}

//  Carries over what there is, or one part of it.
static void
s_carry (pair_t *self, bool all)
{
    static uint8_t data [SPOOL_COPY_ROOM];
    size_t size;
    do {
        berth_error_t err = { 0 };
        spool_mark_t at;
        assert_ok (spool_source_next (self->source, data, &size, &at, &err), err);
        assert_ok (spool_copy_put (self->copy, &at, data, size, &err), err);
    } while (size && all);
}

//  The connection breaks: what was given out last may have been lost.
static void
s_break (pair_t *self)
{
    static uint8_t data [SPOOL_COPY_ROOM];
    berth_error_t err = { 0 };
    spool_mark_t at, mark;
    size_t size;
    if (fixture_below (&self->random, 2))
        assert_ok (spool_source_next (self->source, data, &size, &at, &err), err);
    spool_source_destroy (&self->source);
    mark = spool_copy_mark (self->copy);
    assert_ok (spool_source_open (self->from, &mark, &self->source, &err), err);
}

static void
s_same (pair_t *self, int stream)
{
    spool_reader_t *left, *right;
    berth_error_t err = { 0 };
    spool_size_t one, two;
    static uint8_t ours [8192], theirs [8192];
    assert_ok (spool_reader_open (self->from, &left, &err), err);
    assert_ok (spool_reader_open (self->to, &right, &err), err);
    for (uint64_t at = 0;;) {
        size_t got, other;
        uint64_t from, also;
        int which, too;
        assert_ok (spool_read (left, stream, at, ours, sizeof ours, &got, &from, &which, &err), err);
        assert_ok (spool_read (right, stream, at, theirs, sizeof theirs, &other, &also, &too, &err),
                   err);
        assert_int_equal (got, other);
        assert_int_equal (from, also);
        assert_int_equal (which, too);
        assert_memory_equal (ours, theirs, got);
        if (!got && from == at)
            break;
        at = from + got;
    }
    assert_ok (spool_reader_size (left, &one, &err), err);
    assert_ok (spool_reader_size (right, &two, &err), err);
    assert_memory_equal (&one, &two, sizeof one);
    spool_copy_size (self->copy, &two);
    assert_int_equal (one.stdout_bytes, two.stdout_bytes);
    assert_int_equal (one.stderr_bytes, two.stderr_bytes);
    assert_int_equal (one.kept_bytes, two.kept_bytes);
    spool_reader_destroy (&left);
    spool_reader_destroy (&right);
}

static void
s_a_copy_is_the_spool (int on_full)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        pair_t pair;
        berth_error_t err = { 0 };
        s_open (&pair, on_full, seed);
        for (unsigned step = 0; step < STEPS; step++) {
            uint64_t what = fixture_below (&pair.random, 20);
            if (what < 14)
                s_write (&pair);
            else if (what < 18)
                s_carry (&pair, what == 17);
            else if (what == 18)
                s_break (&pair);
            else if (step % 40 == 0) {
                s_carry (&pair, true);
                s_same (&pair, SPOOL_ALL);
            }
        }
        if (seed % 2)
            s_carry (&pair, true);
        assert_ok (spool_end (pair.spool, "the end", 7, false, &err), err);
        assert_false (spool_copy_ended (pair.copy));
        s_break (&pair);
        s_carry (&pair, true);
        assert_true (spool_source_ended (pair.source));
        assert_true (spool_copy_ended (pair.copy));
        assert_ok (spool_copy_sync (pair.copy, &err), err);
        char end [16];
        size_t size;
        assert_ok (spool_read_end (pair.to, end, sizeof end, &size, &err), err);
        assert_int_equal (size, 7);
        s_same (&pair, SPOOL_ALL);
        s_same (&pair, SPOOL_STDOUT);
        s_same (&pair, SPOOL_STDERR);
        s_close (&pair);
    }
}

static void
s_of_drop_oldest (void **state)
{
    (void) state;
    s_a_copy_is_the_spool (SPOOL_DROP_OLDEST);
}

static void
s_of_drop_new (void **state)
{
    (void) state;
    s_a_copy_is_the_spool (SPOOL_DROP_NEW);
}

static void
s_of_block (void **state)
{
    (void) state;
    s_a_copy_is_the_spool (SPOOL_BLOCK);
}

//  The other side may lie: a copy takes whole records in their place, and nothing else.
static void
s_nonsense_is_refused (void **state)
{
    (void) state;
    pair_t pair;
    berth_error_t err = { 0 };
    static uint8_t data [SPOOL_COPY_ROOM];
    spool_mark_t at;
    size_t size;
    s_open (&pair, SPOOL_DROP_OLDEST, 1);
    s_write (&pair);
    assert_ok (spool_source_next (pair.source, data, &size, &at, &err), err);
    assert_true (size > 64);
    spool_mark_t wrong = at;
    assert_fails (spool_copy_put (pair.copy, &at, data, size - 1, &err), err, BERTH_INVALID);
    wrong.segment = 2;
    assert_fails (spool_copy_put (pair.copy, &wrong, data, size, &err), err, BERTH_INVALID);
    wrong = at;
    wrong.offset = 40;
    assert_fails (spool_copy_put (pair.copy, &wrong, data, size, &err), err, BERTH_INVALID);
    data [size - 1] ^= 1;
    assert_fails (spool_copy_put (pair.copy, &at, data, size, &err), err, BERTH_INVALID);
    data [size - 1] ^= 1;
    assert_ok (spool_copy_put (pair.copy, &at, data, size, &err), err);
    assert_ok (spool_copy_put (pair.copy, &at, data, size, &err), err);
    s_same (&pair, SPOOL_ALL);
    s_close (&pair);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_of_drop_oldest), cmocka_unit_test (s_of_drop_new),
        cmocka_unit_test (s_of_block), cmocka_unit_test (s_nonsense_is_refused)
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
