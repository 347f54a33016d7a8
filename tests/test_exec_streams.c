//  test_exec_streams.c - readers and writers of execs: credit, offsets, ends, spools that are full.

#include "execs_fixture.h"

#include "clock.h"

#include <signal.h>
#include <stdio.h>

static int
s_setup (void **state)
{
    *state = service_new ();
    return 0;
}

static int
s_teardown (void **state)
{
    service_t *self = *state;
    service_destroy (&self);
    return 0;
}

#define TEN_MIB 10485760
#define PATTERN "i=0; while [ $i -lt 640 ]; do printf '%016384d' $i; i=$((i+1)); done"

//  One reader with a bounded credit: what it got so far.
typedef struct {
    uint64_t ticket, at, credit;
    uint64_t grant;
    bool over;
    exec_read_end_t end;
} reader_t;

static void
s_check_pattern (uint64_t at, berth_bytes_t data)
{
    for (size_t index = 0; index < data.size; index++) {
        uint64_t block = (at + index) / 16384, place = (at + index) % 16384;
        char digits [32];
        snprintf (digits, sizeof digits, "%08u", (unsigned) block);
        char wanted = place < 16376 ? '0' : digits [place - 16376];
        if (data.data [index] != wanted)
            fail_msg ("byte %llu is '%c', not '%c'", (unsigned long long) (at + index),
                      data.data [index], wanted);
    }
}

static void
s_step (service_t *self, reader_t *reader)
{
    said_t said = hear (self, REQUEST_EXEC_READ, reader->ticket);
    if (said.status == reply_status_OK) {
        reader->over = true;
        reader->end = *(const exec_read_end_t *) said.body;
        return;
    }
    assert_int_equal (said.status, reply_status_STREAM);
    const stream_chunk_t *chunk = said.body;
    assert_int_equal (chunk->length, said.data.size);
    assert_int_equal (chunk->offset, reader->at);
    assert_true (said.data.size > 0 && said.data.size <= reader->credit);
    s_check_pattern (reader->at, said.data);
    reader->at += said.data.size;
    reader->credit -= said.data.size;
    reader->credit += reader->grant;
    grant (self, reader->ticket, reader->grant);
    arena_clear (self->arena);
}

static void
test_little_credit (void **state)
{
    service_t *self = *state;
    char id [BERTH_ID_SIZE];
    keep (id, start (self, NULL, PATTERN)->id);
    reader_t reader = { .credit = 1024, .grant = 1024 };
    reader.ticket = stream (self, id, exec_stream_STDOUT, 0, 0, 1024, true);
    while (!reader.over)
        s_step (self, &reader);
    assert_int_equal (reader.at, TEN_MIB);
    assert_true (reader.end.eof);
    assert_int_equal (reader.end.next, TEN_MIB);
    assert_false (berth_has (exec_read_end, &reader.end, missing));
}

static void
test_many_readers (void **state)
{
    service_t *self = *state;
    char id [BERTH_ID_SIZE];
    keep (id, start (self, NULL, PATTERN)->id);
    reader_t readers [6];
    for (int index = 0; index < 6; index++) {
        uint64_t from = (uint64_t) index * 1000003, credit = 100000u << index;
        readers [index] = (reader_t) { .at = from, .credit = credit, .grant = 0 };
        readers [index].ticket = stream (self, id, exec_stream_STDOUT, from, 0, (int64_t) credit,
                                           true);
    }
    //  One that never reads on holds up nobody
    for (int index = 1; index < 6; index++) {
        readers [index].grant = 300000;
        readers [index].credit += 300000;
        grant (self, readers [index].ticket, 300000);
        while (!readers [index].over)
            s_step (self, &readers [index]);
        assert_int_equal (readers [index].at, TEN_MIB);
    }
    while (readers [0].at < 100000)
        s_step (self, &readers [0]);
    cancel (self, readers [0].ticket);
    s_step (self, &readers [0]);
    assert_true (readers [0].over && !readers [0].end.eof && readers [0].end.next == 100000);
    grant (self, readers [0].ticket, 1000);         //  Too late, and harmless
    assert_int_equal (wait_end (self, id)->exit_code, 0);
}

static void
test_range (void **state)
{
    service_t *self = *state;
    const exec_t *row = start (self, NULL, "printf 0123456789; printf ab >&2");
    const char *id = row->id;
    (void) wait_end (self, id);
    reader_t reader = { 0 };
    reader.ticket = stream (self, id, exec_stream_STDOUT, 3, 4, 100, false);
    said_t said = hear (self, REQUEST_EXEC_READ, reader.ticket);
    assert_text (said.data, "3456");
    const exec_read_end_t *end = hear_ok (self, REQUEST_EXEC_READ, reader.ticket);
    assert_int_equal (end->next, 7);
    assert_false (end->eof);
    //  Behind the end there is nothing, now and later
    end = hear_ok (self, REQUEST_EXEC_READ, stream (self, id, exec_stream_STDERR, 2, 0, 10, true));
    assert_true (end->eof);
    end = hear_ok (self, REQUEST_EXEC_READ, stream (self, id, exec_stream_STDERR, 9, 0, -1, true));
    assert_true (end->eof);
    //  Of all, each chunk says of which stream it is
    uint64_t ticket = stream (self, id, exec_stream_ALL, 0, 0, 1000, true), seen = 0;
    while ((said = hear (self, REQUEST_EXEC_READ, ticket)).status == reply_status_STREAM) {
        const stream_chunk_t *chunk = said.body;
        assert_text (said.data, chunk->stream == exec_stream_STDOUT ? "0123456789" : "ab");
        assert_int_equal (chunk->offset, seen);
        seen += chunk->length;
    }
    assert_int_equal (seen, 12);
}

//  A reader without credit takes nothing; what follows waits for output, not for time.
static void
test_follow (void **state)
{
    service_t *self = *state;
    exec_start_t options = { 0 };
    berth_put (exec_start, &options, stdin_open, true);
    const char *id = start (self, &options, "while read line; do echo got $line; done")->id;
    uint64_t ticket = stream (self, id, exec_stream_STDOUT, 0, 0, 0, true);
    uint64_t second = stream (self, id, exec_stream_STDOUT, 0, 0, -1, true);
    exec_write_t write = { .id = id };
    uint64_t sent = ask_with (self, REQUEST_EXEC_WRITE, &write, BYTES_OF ("one\n"), -1, 0);
    const exec_written_t *written = hear_ok (self, REQUEST_EXEC_WRITE, sent);
    assert_int_equal (written->offset, 4);
    said_t said = hear (self, REQUEST_EXEC_READ, second);
    assert_text (said.data, "got one\n");
    assert_true (is_silent (self, ticket));
    grant (self, ticket, 6);
    said = hear (self, REQUEST_EXEC_READ, ticket);
    assert_text (said.data, "got on");
    grant (self, ticket, 100);
    said = hear (self, REQUEST_EXEC_READ, ticket);
    assert_text (said.data, "e\n");
    //  The same bytes again, and the end
    berth_put (exec_write, &write, offset, 2);
    berth_put (exec_write, &write, eof, true);
    sent = ask_with (self, REQUEST_EXEC_WRITE, &write, BYTES_OF ("e\ntwo\n"), -1, 0);
    written = hear_ok (self, REQUEST_EXEC_WRITE, sent);
    assert_int_equal (written->offset, 8);
    assert_true (written->eof);
    said = hear (self, REQUEST_EXEC_READ, ticket);
    assert_text (said.data, "got two\n");
    const exec_read_end_t *end = hear_ok (self, REQUEST_EXEC_READ, ticket);
    assert_true (end->eof && end->next == 16);
    const exec_t *row = wait_end (self, id);
    assert_int_equal (row->exit_code, 0);
    assert_int_equal (row->stdin_bytes, 8);
    //  Behind the end: what was taken is answered as it was, with bytes and without; more is not taken
    written = hear_ok (self, REQUEST_EXEC_WRITE,
                       ask_with (self, REQUEST_EXEC_WRITE, &write, BYTES_OF ("e\ntwo\n"), -1, 0));
    assert_true (written->offset == 8 && written->eof);
    berth_put (exec_write, &write, offset, 8);
    written = hear_ok (self, REQUEST_EXEC_WRITE, ask (self, REQUEST_EXEC_WRITE, &write));
    assert_true (written->offset == 8 && written->eof);
    hear_error (self, REQUEST_EXEC_WRITE,
                ask_with (self, REQUEST_EXEC_WRITE, &write, BYTES_OF ("x"), -1, 0), BERTH_CONFLICT);
    berth_put (exec_write, &write, offset, UINT64_MAX);
    hear_error (self, REQUEST_EXEC_WRITE, ask (self, REQUEST_EXEC_WRITE, &write), BERTH_CONFLICT);
}

static void
test_no_stdin (void **state)
{
    service_t *self = *state;
    const char *id = start (self, NULL, "sleep 100")->id;
    exec_write_t write = { .id = id };
    hear_error (self, REQUEST_EXEC_WRITE, ask (self, REQUEST_EXEC_WRITE, &write), BERTH_CONFLICT);
    exec_signal_t kill = { .id = id, .signal = SIGKILL };
    (void) hear_ok (self, REQUEST_EXEC_SIGNAL, ask (self, REQUEST_EXEC_SIGNAL, &kill));
    const exec_t *row = wait_end (self, id);
    assert_int_equal (row->cause, exec_cause_SIGNALED);
    assert_int_equal (row->signal, SIGKILL);
}

//  A child that waits for its readers loses nothing, however small its spool is.
static void
test_block (void **state)
{
    service_t *self = *state;
    exec_start_t options = { 0 };
    berth_put (exec_start, &options, spool_max, 524288);
    berth_put (exec_start, &options, on_full, exec_on_full_BLOCK);
    char id [BERTH_ID_SIZE];
    keep (id, start (self, &options, PATTERN)->id);
    reader_t reader = { .credit = 1000000, .grant = 500000 };
    reader.ticket = stream (self, id, exec_stream_ALL, 0, 0, 1000000, true);
    while (!reader.over)
        s_step (self, &reader);
    assert_int_equal (reader.at, TEN_MIB);
    assert_true (reader.end.eof);
    assert_false (wait_end (self, id)->truncated);
}

static void
test_drop (void **state)
{
    service_t *self = *state;
    exec_start_t options = { 0 };
    berth_put (exec_start, &options, spool_max, 1048576);
    const char *id = start (self, &options, PATTERN)->id;
    const exec_t *row = wait_end (self, id);
    assert_true (row->truncated);
    assert_int_equal (row->stdout_bytes, TEN_MIB);
    reader_t reader = { .credit = TEN_MIB, .grant = 0 };
    reader.ticket = stream (self, id, exec_stream_STDOUT, 0, 0, TEN_MIB, true);
    said_t said = hear (self, REQUEST_EXEC_READ, reader.ticket);
    const stream_chunk_t *chunk = said.body;
    assert_true (chunk->offset >= TEN_MIB - 1048576 - 262144);
    uint64_t missing = chunk->offset;
    s_check_pattern (chunk->offset, said.data);
    while ((said = hear (self, REQUEST_EXEC_READ, reader.ticket)).status == reply_status_STREAM)
        continue;
    const exec_read_end_t *end = said.body;
    assert_int_equal (end->missing, missing);
    assert_int_equal (end->next, TEN_MIB);
    assert_true (end->eof);
}

//  A reader of an exec that has ended uses its lease, until it goes: the row says so, now and then.
static void
test_reading_is_use (void **state)
{
    service_t *self = *state;
    store_txn_t *txn;
    lease_t lease;
    assert_ok (store_begin (self->store, &txn, &self->err), self->err);
    assert_ok (lease_get (txn, self->arena, self->lease, &lease, &self->err), self->err);
    lease.idle_ms = 500;
    assert_ok (lease_put (txn, self->arena, &lease, &self->err), self->err);
    assert_ok (store_commit (&txn, &self->err), self->err);
    char id [BERTH_ID_SIZE];
    keep (id, start (self, NULL, "echo hello")->id);
    const exec_t *row = wait_end (self, id);
    assert_int_equal (row->lease_idle_ms, 500);
    int64_t used_ms = row->used_mono_ms, writes = 0;
    assert_true (used_ms > 0);
    uint64_t ticket = stream (self, id, exec_stream_STDOUT, 0, 0, 1, true);
    assert_int_equal (hear (self, REQUEST_EXEC_READ, ticket).data.size, 1);
    exec_ref_t ref = { .id = id };
    while (writes < 3) {
        row = hear_ok (self, REQUEST_EXEC_GET, ask (self, REQUEST_EXEC_GET, &ref));
        if (row->used_mono_ms != used_ms) {
            assert_true (row->used_mono_ms >= used_ms + 50);
            used_ms = row->used_mono_ms;
            writes++;
        }
    }
    while (berth_mono_ms () < used_ms + 5)
        continue;                   //  The next use is another one
    cancel (self, ticket);
    hear_ok (self, REQUEST_EXEC_READ, ticket);
    int64_t gone_ms = berth_mono_ms ();
    while (row->used_mono_ms == used_ms && berth_mono_ms () < gone_ms + 5000)
        row = hear_ok (self, REQUEST_EXEC_GET, ask (self, REQUEST_EXEC_GET, &ref));
    assert_in_range (row->used_mono_ms, used_ms + 1, gone_ms + 20);     //  Not when it was written
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_little_credit),
        cmocka_unit_test (test_many_readers),
        cmocka_unit_test (test_range),
        cmocka_unit_test (test_follow),
        cmocka_unit_test (test_no_stdin),
        cmocka_unit_test (test_block),
        cmocka_unit_test (test_drop),
        cmocka_unit_test (test_reading_is_use),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
