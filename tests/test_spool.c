//  test_spool.c - the spool: policies, torn tails, damage, readers beside a writer.

#include "fixture.h"
#include "spool_segment.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *s_base;
static char s_folder [256];

static int
s_setup (void **state)
{
    (void) state;
    s_base = fixture_folder_new ();
    snprintf (s_folder, sizeof s_folder, "%s/spool", s_base);
    return mkdir (s_folder, 0700);
}

static int
s_teardown (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    assert_ok (spool_remove (s_folder, &err), err);
    assert_ok (spool_remove (s_folder, &err), err);
    fixture_folder_destroy (&s_base);
    return 0;
}

static spool_t *
s_open (uint64_t max, int on_full)
{
    spool_t *spool = NULL;
    berth_error_t err = { 0 };
    assert_ok (spool_open (s_folder, max, on_full, &spool, &err), err);
    return spool;
}

static spool_reader_t *
s_reader (void)
{
    spool_reader_t *reader = NULL;
    berth_error_t err = { 0 };
    assert_ok (spool_reader_open (s_folder, &reader, &err), err);
    return reader;
}

//  Every byte of a stream is known from its offset.
static uint8_t
s_byte (int stream, uint64_t offset)
{
    return (uint8_t) (offset * 31 + offset / 251 + (uint64_t) stream * 7);
}

static int
s_put (spool_t *spool, int stream, size_t size)
{
    static uint8_t data [SPOOL_RECORD_MAX];
    spool_size_t now;
    spool_size (spool, &now);
    uint64_t at = stream == SPOOL_STDOUT ? now.stdout_bytes : now.stderr_bytes;
    for (size_t index = 0; index < size; index++)
        data [index] = s_byte (stream, at + index);
    berth_error_t err = { 0 };
    return spool_append (spool, stream, 1000, data, size, &err);
}

//  Reads a stream from an offset on, checks every byte, returns where it ended.
static uint64_t
s_check (spool_reader_t *reader, int stream, uint64_t offset, size_t piece, uint64_t *ret_from)
{
    uint8_t *data = malloc (piece);
    for (bool first = true;; first = false) {
        size_t size;
        uint64_t from;
        int of;
        berth_error_t err = { 0 };
        assert_ok (spool_read (reader, stream, offset, data, piece, &size, &from, &of, &err), err);
        if (first && ret_from)
            *ret_from = from;
        if (size == 0)
            break;
        for (size_t index = 0; index < size; index++)
            if (data [index] != s_byte (stream, from + index))
                fail_msg ("wrong byte at %llu", (unsigned long long) (from + index));
        offset = from + size;
    }
    free (data);
    return offset;
}

static void
s_same (const spool_size_t *left, const spool_size_t *right)
{
    assert_int_equal (left->stdout_bytes, right->stdout_bytes);
    assert_int_equal (left->stderr_bytes, right->stderr_bytes);
    assert_int_equal (left->all_bytes, right->all_bytes);
    assert_int_equal (left->kept_bytes, right->kept_bytes);
    assert_int_equal (left->truncated, right->truncated);
}

static void
test_streams_and_offsets (void **state)
{
    (void) state;
    own (spool) spool = s_open (1 << 20, SPOOL_DROP_OLDEST);
    own (spool_reader) reader = s_reader ();
    assert_int_equal (s_check (reader, SPOOL_STDOUT, 0, 100, NULL), 0);
    for (int round = 0; round < 500; round++) {
        assert_int_equal (s_put (spool, SPOOL_STDOUT, 1 + (size_t) round % 300), 0);
        if (round % 3 == 0)
            assert_int_equal (s_put (spool, SPOOL_STDERR, 5), 0);
    }
    spool_size_t size, seen;
    berth_error_t err = { 0 };
    spool_size (spool, &size);
    for (size_t piece = 1; piece < 100000; piece *= 10)
        assert_int_equal (s_check (reader, SPOOL_STDOUT, 0, piece, NULL), size.stdout_bytes);
    assert_int_equal (s_check (reader, SPOOL_STDERR, 17, 8, NULL), size.stderr_bytes);
    for (uint64_t offset = 0; offset < size.stdout_bytes; offset += 3331)
        assert_int_equal (s_check (reader, SPOOL_STDOUT, size.stdout_bytes - offset, 4096, NULL),
                          size.stdout_bytes);
    assert_ok (spool_reader_size (reader, &seen, &err), err);
    s_same (&seen, &size);

    //  `all` names the stream of each piece, in the order of arrival
    uint64_t at [2] = { 0, 0 }, all = 0;
    while (all < size.all_bytes) {
        uint8_t data [64];
        size_t got;
        uint64_t from;
        int of;
        assert_ok (spool_read (reader, SPOOL_ALL, all, data, sizeof data, &got, &from, &of, &err),
                   err);
        assert_true (got > 0 && from == all && (of == SPOOL_STDOUT || of == SPOOL_STDERR));
        for (size_t index = 0; index < got; index++)
            assert_int_equal (data [index], s_byte (of, at [of - 1]++));
        all += got;
    }
    assert_int_equal (at [0], size.stdout_bytes);
    assert_int_equal (at [1], size.stderr_bytes);
}

static void
test_drop_oldest (void **state)
{
    (void) state;
    own (spool) spool = s_open (80000, SPOOL_DROP_OLDEST);
    own (spool_reader) slow = s_reader ();
    assert_int_equal (s_put (spool, SPOOL_STDOUT, 1000), 0);
    assert_int_equal (s_check (slow, SPOOL_STDOUT, 0, 100, NULL), 1000);
    spool_size_t size, seen;
    for (int round = 0; round < 1000; round++) {
        assert_int_equal (s_put (spool, SPOOL_STDOUT, 999), 0);
        spool_size (spool, &size);
        assert_true (size.kept_bytes <= 80000);
    }
    berth_error_t err = { 0 };
    spool_size (spool, &size);
    assert_int_equal (size.stdout_bytes, 1000 + 999 * 1000);
    assert_true (size.truncated && size.kept_bytes > 60000);
    uint64_t from = 0;
    own (spool_reader) reader = s_reader ();
    assert_int_equal (s_check (reader, SPOOL_STDOUT, 5, 7000, &from), size.stdout_bytes);
    assert_int_equal (from, size.stdout_bytes - size.kept_bytes);
    //  Who had the first segment open reads it to its end, and then skips what is gone
    assert_int_equal (s_check (slow, SPOOL_STDOUT, 1000, 7000, &from), size.stdout_bytes);
    assert_int_equal (from, 1000);
    assert_ok (spool_reader_size (reader, &seen, &err), err);
    s_same (&seen, &size);

    spool_destroy (&spool);                 //  Goes on behind what is there
    spool = s_open (80000, SPOOL_DROP_OLDEST);
    spool_size (spool, &seen);
    s_same (&seen, &size);
    assert_int_equal (s_put (spool, SPOOL_STDOUT, 999), 0);
    assert_int_equal (s_check (reader, SPOOL_STDOUT, size.stdout_bytes, 64, NULL),
                      size.stdout_bytes + 999);
}

static void
test_drop_new (void **state)
{
    (void) state;
    own (spool) spool = s_open (10000, SPOOL_DROP_NEW);
    own (spool_reader) reader = s_reader ();
    for (int round = 0; round < 30; round++)
        assert_int_equal (s_put (spool, SPOOL_STDOUT, 700), 0);
    assert_int_equal (s_put (spool, SPOOL_STDERR, 40), 0);
    spool_size_t size, seen;
    berth_error_t err = { 0 };
    spool_size (spool, &size);
    assert_int_equal (size.stdout_bytes, 21000);
    assert_int_equal (size.stderr_bytes, 40);
    assert_int_equal (size.kept_bytes, 10000);
    assert_true (size.truncated);
    assert_int_equal (s_check (reader, SPOOL_STDOUT, 0, 333, NULL), 10000);
    uint8_t data [10];
    size_t got;
    uint64_t from;
    int of;
    assert_ok (spool_read (reader, SPOOL_STDOUT, 10000, data, 10, &got, &from, &of, &err), err);
    assert_int_equal (got, 0);
    assert_int_equal (from, 21000);         //  Says how much is missing
    assert_int_equal (s_put (spool, SPOOL_STDOUT, 100), 0);
    assert_ok (spool_reader_size (reader, &seen, &err), err);
    assert_int_equal (seen.stdout_bytes, 21100);
    spool_size (spool, &size);
    s_same (&seen, &size);
    spool_destroy (&spool);
    spool = s_open (10000, SPOOL_DROP_NEW);
    spool_size (spool, &seen);
    s_same (&seen, &size);
}

static void
test_block (void **state)
{
    (void) state;
    own (spool) spool = s_open (8000, SPOOL_BLOCK);
    own (spool_reader) reader = s_reader ();
    uint64_t read = 0;
    int blocked = 0;
    for (int round = 0; round < 200; round++)
        while (s_put (spool, SPOOL_STDOUT, 450) == 1) {
            blocked++;
            assert_true (spool_room (spool) < 450);
            uint64_t to = s_check (reader, SPOOL_STDOUT, read, 300, NULL);
            assert_true (to > read);
            read = to;
            spool_release (spool, read);
            assert_true (spool_room (spool) >= 450);
        }
    assert_true (blocked > 5);
    assert_int_equal (s_check (reader, SPOOL_STDOUT, read, 300, NULL), 200 * 450);
    spool_size_t size;
    spool_size (spool, &size);
    assert_false (size.truncated);
    assert_true (size.kept_bytes <= 8000);
}

static const char *
s_segment (void)
{
    static char path [300];
    snprintf (path, sizeof path, "%s/00000001.out", s_folder);
    return path;
}

static off_t
s_segment_size (void)
{
    struct stat status;
    assert_int_equal (stat (s_segment (), &status), 0);
    return status.st_size;
}

static void
test_torn_tail (void **state)
{
    (void) state;
    spool_t *spool = s_open (1 << 20, SPOOL_DROP_OLDEST);
    s_put (spool, SPOOL_STDOUT, 100);
    off_t before = s_segment_size ();
    s_put (spool, SPOOL_STDOUT, 50);
    spool_destroy (&spool);
    off_t after = s_segment_size ();
    assert_int_equal (after - before, 74);
    for (off_t size = after - 1; size >= before; size--) {
        assert_int_equal (truncate (s_segment (), size), 0);
        own (spool_reader) reader = s_reader ();
        spool_size_t seen;
        berth_error_t err = { 0 };
        assert_int_equal (s_check (reader, SPOOL_STDOUT, 0, 64, NULL), 100);
        assert_ok (spool_reader_size (reader, &seen, &err), err);
        assert_int_equal (seen.stdout_bytes, 100);
        spool = s_open (1 << 20, SPOOL_DROP_OLDEST);
        assert_int_equal (s_segment_size (), before);
        assert_int_equal (s_put (spool, SPOOL_STDOUT, 50), 0);
        spool_destroy (&spool);
        assert_int_equal (s_check (reader, SPOOL_STDOUT, 100, 64, NULL), 150);
    }
    //  Blocks that a power cut left as zeros; a header torn while its segment was made
    assert_int_equal (truncate (s_segment (), after + 5000), 0);
    own (spool_reader) reader = s_reader ();
    assert_int_equal (s_check (reader, SPOOL_STDOUT, 0, 64, NULL), 150);
    spool = s_open (1 << 20, SPOOL_DROP_OLDEST);
    assert_int_equal (s_segment_size (), after);
    spool_destroy (&spool);
    for (off_t size = 39; size >= 0; size -= 13) {
        assert_int_equal (truncate (s_segment (), size), 0);
        own (spool_reader) again = s_reader ();
        assert_int_equal (s_check (again, SPOOL_STDOUT, 0, 64, NULL), 0);
    }
    spool = s_open (1 << 20, SPOOL_DROP_OLDEST);
    assert_int_equal (s_put (spool, SPOOL_STDOUT, 10), 0);
    spool_destroy (&spool);
    own (spool_reader) again = s_reader ();
    assert_int_equal (s_check (again, SPOOL_STDOUT, 0, 64, NULL), 10);
}

static void
test_damage_in_the_middle (void **state)
{
    (void) state;
    spool_t *spool = s_open (1 << 20, SPOOL_DROP_OLDEST);
    for (int round = 0; round < 3; round++)
        s_put (spool, SPOOL_STDOUT, 100);
    spool_destroy (&spool);
    int file = open (s_segment (), O_RDWR);
    for (off_t at = 40 + 124 + 4; at < 40 + 248; at++) {    //  Each byte of the second record
        uint8_t byte, wrong, data [400];
        assert_int_equal (pread (file, &byte, 1, at), 1);
        wrong = byte ^ 0x40;
        assert_int_equal (pwrite (file, &wrong, 1, at), 1);
        own (spool_reader) reader = s_reader ();
        size_t got;
        uint64_t from;
        int of;
        berth_error_t err = { 0 };
        assert_fails (spool_read (reader, SPOOL_STDOUT, 100, data, 400, &got, &from, &of, &err),
                      err, BERTH_INVALID);
        assert_int_equal (pwrite (file, &byte, 1, at), 1);
    }
    close (file);
    own (spool_reader) reader = s_reader ();
    assert_int_equal (s_check (reader, SPOOL_STDOUT, 0, 64, NULL), 300);
}

//  Reads on until the spool has its end and nothing is behind it; 0 if every byte was right.
static void
s_follow (int stream, uint64_t total)
{
    spool_reader_t *reader = s_reader ();
    uint64_t offset = 0;
    for (bool ended = false;;) {
        uint64_t next = s_check (reader, stream, offset, 65536, NULL);
        if (next == offset && ended)
            break;
        offset = next;
        char end [16];
        size_t size;
        berth_error_t err = { 0 };
        ended = spool_read_end (s_folder, end, sizeof end, &size, &err) == 0;
        if (!ended)
            sched_yield ();
    }
    _exit (offset == total ? 0 : 1);
}

static void
test_readers_beside_a_writer (void **state)
{
    (void) state;
    enum { READERS = 4, ROUNDS = 3000 };
    own (spool) spool = s_open (1ull << 30, SPOOL_DROP_OLDEST);
    uint64_t total [2] = { 0, 0 };
    for (int round = 0; round < ROUNDS; round++)
        total [round % 2] += 1 + (size_t) (round * 37) % 5000;
    pid_t readers [READERS];
    for (int index = 0; index < READERS; index++) {
        readers [index] = fork ();
        if (readers [index] == 0)
            s_follow (1 + index % 2, total [index % 2]);
    }
    for (int round = 0; round < ROUNDS; round++)
        assert_int_equal (s_put (spool, 1 + round % 2, 1 + (size_t) (round * 37) % 5000), 0);
    berth_error_t err = { 0 };
    assert_ok (spool_end (spool, "end", 3, true, &err), err);
    for (int index = 0; index < READERS; index++) {
        int status;
        assert_int_equal (waitpid (readers [index], &status, 0), readers [index]);
        assert_int_equal (status, 0);
    }
}

//  A spool that was made in advance becomes an exec's by one rename, and is as good as any.
static void
test_adopt (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    char spare [4200], again [4200];
    snprintf (spare, sizeof spare, "%s-spare", s_folder);
    snprintf (again, sizeof again, "%s-again", s_folder);
    assert_int_equal (rmdir (s_folder), 0);
    spool_t *spool = NULL, *late = NULL;
    assert_ok (spool_open (spare, 0, SPOOL_DROP_OLDEST, &spool, &err), err);
    assert_false (spool_prepared (spool));
    spool_prepare (spool);
    assert_true (spool_prepared (spool));
    assert_ok (spool_adopt (spool, spare, s_folder, 8 * 1024, SPOOL_DROP_NEW, &err), err);
    assert_int_equal (access (spare, F_OK), -1);
    assert_int_equal (s_put (spool, SPOOL_STDOUT, 6 * 1024), 0);
    assert_int_equal (s_put (spool, SPOOL_STDOUT, 6 * 1024), 0);        //  Now the new limit holds
    spool_size_t size;
    spool_size (spool, &size);
    assert_int_equal (size.kept_bytes, 8 * 1024);
    assert_true (size.truncated);
    //  One that was started before is not started again
    assert_ok (spool_open (again, 0, SPOOL_DROP_OLDEST, &late, &err), err);
    spool_prepare (late);
    assert_fails (spool_adopt (late, again, s_folder, 0, SPOOL_DROP_OLDEST, &err), err,
                  BERTH_CONFLICT);
    spool_destroy (&late);
    spool_destroy (&spool);
    assert_ok (spool_remove (again, &err), err);
    //  And a writer that comes later reads the policy that was given
    spool = s_open (8 * 1024, SPOOL_DROP_NEW);
    spool_size (spool, &size);
    assert_int_equal (size.stdout_bytes, 12 * 1024);
    spool_destroy (&spool);
}

static void
test_start_and_end (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    char data [64];
    size_t size;
    assert_int_equal (rmdir (s_folder), 0);
    assert_false (spool_started (s_folder));
    assert_ok (spool_start (s_folder, &err), err);
    assert_true (spool_started (s_folder));
    assert_fails (spool_start (s_folder, &err), err, BERTH_CONFLICT);

    own (spool) spool = s_open (0, SPOOL_DROP_OLDEST);
    assert_int_equal (s_put (spool, SPOOL_STDOUT, 10), 0);
    assert_ok (spool_end (spool, "over", 4, false, &err), err);
    assert_fails (spool_end (spool, "twice", 5, true, &err), err, BERTH_CONFLICT);
    spool_destroy (&spool);
    spool = s_open (0, SPOOL_DROP_OLDEST);
    assert_fails (spool_append (spool, SPOOL_STDOUT, 0, "x", 1, &err), err, BERTH_CONFLICT);
    assert_ok (spool_read_end (s_folder, data, sizeof data, &size, &err), err);
    assert_int_equal (size, 4);
    assert_memory_equal (data, "over", 4);
    own (spool_reader) reader = s_reader ();
    assert_int_equal (s_check (reader, SPOOL_STDOUT, 0, 64, NULL), 10);
    spool_size_t seen;
    assert_ok (spool_reader_size (reader, &seen, &err), err);
    assert_int_equal (seen.all_bytes, 10);

    //  An end that is torn is none, and the spool goes on before it
    off_t whole = s_segment_size ();
    for (off_t size_now = whole - 1; size_now >= 40 + 24 + 10; size_now -= 97) {
        assert_int_equal (truncate (s_segment (), size_now), 0);
        assert_fails (spool_read_end (s_folder, data, sizeof data, &size, &err), err,
                      BERTH_NOT_FOUND);
    }
    spool_destroy (&spool);
    spool = s_open (0, SPOOL_DROP_OLDEST);
    assert_int_equal (s_put (spool, SPOOL_STDOUT, 10), 0);
    assert_ok (spool_end (spool, "at last", 7, true, &err), err);
    assert_ok (spool_read_end (s_folder, data, sizeof data, &size, &err), err);
    assert_int_equal (size, 7);
    assert_int_equal (s_segment_size (), whole + 24 + 10);
}

//  Output that ends like a spool with an end is output.
static void
test_no_end_from_output (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    char data [64];
    size_t size;
    spool_last_t last = { .size = 6, .data = "forged" };
    spool_record_t record = { .length = sizeof last, .stream = SPOOL_STDOUT, .flags = SPOOL_LAST };
    record.checksum = spool_record_checksum (&record, &last);
    uint8_t output [100 + sizeof record + sizeof last];
    memset (output, 'o', sizeof output);
    memcpy (output + 100, &record, sizeof record);
    memcpy (output + 100 + sizeof record, &last, sizeof last);
    own (spool) spool = s_open (0, SPOOL_DROP_OLDEST);
    assert_ok (spool_append (spool, SPOOL_STDOUT, 0, output, sizeof output, &err), err);
    assert_fails (spool_read_end (s_folder, data, sizeof data, &size, &err), err, BERTH_NOT_FOUND);
    assert_ok (spool_end (spool, "true", 4, false, &err), err);
    assert_ok (spool_read_end (s_folder, data, sizeof data, &size, &err), err);
    assert_int_equal (size, 4);
}

//  A disk that is full, made with a limit on the size of files.
static void
test_full_disk (void **state)
{
    (void) state;
    pid_t child = fork ();
    if (child == 0) {
        signal (SIGXFSZ, SIG_IGN);
        struct rlimit small = { 1000, 1000 };
        setrlimit (RLIMIT_FSIZE, &small);
        spool_t *spool = s_open (1 << 20, SPOOL_DROP_OLDEST);
        uint8_t data [600] = { 0 };
        berth_error_t err = { 0 };
        bool right = spool_append (spool, SPOOL_STDOUT, 0, data, sizeof data, &err) == 0
                  && spool_append (spool, SPOOL_STDOUT, 0, data, sizeof data, &err) == -1
                  && err.code == BERTH_STORE_FULL && s_segment_size () == 40 + 24 + 600
                  && spool_append (spool, SPOOL_STDOUT, 0, data, 100, &err) == 0;
        _exit (right ? 0 : 1);
    }
    int status;
    assert_int_equal (waitpid (child, &status, 0), child);
    assert_int_equal (status, 0);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test_setup_teardown (test_streams_and_offsets, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_drop_oldest, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_drop_new, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_block, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_torn_tail, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_damage_in_the_middle, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_readers_beside_a_writer, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_adopt, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_start_and_end, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_no_end_from_output, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (test_full_disk, s_setup, s_teardown),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
