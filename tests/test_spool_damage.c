//  test_spool_damage.c - spools that no writer of ours left like that, and readers beside a repair.
//
//  Each was found by tests/fuzz/fuzz_spool.c.

#include "fixture.h"
#include "spool_segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
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
    fixture_folder_destroy (&s_base);
    return 0;
}

static void
s_path (uint32_t number, char path [400])
{
    char name [16];
    spool_segment_name (number, name);
    snprintf (path, 400, "%s/%s", s_folder, name);
}

//  A segment whose header says where stdout stands, with one record of so many bytes.
static void
s_lay (uint32_t number, uint64_t at, const char *text)
{
    static const uint64_t none;
    spool_head_t head;
    spool_record_t record = { .length = (uint32_t) strlen (text), .stream = SPOOL_STDOUT };
    char path [400];
    const uint64_t stands [2] = { at, none };
    spool_head_make (&head, number, SPOOL_DROP_OLDEST, stands);
    record.checksum = spool_record_checksum (&record, text);
    s_path (number, path);
    FILE *file = fopen (path, "we");
    assert_non_null (file);
    assert_int_equal (fwrite (&head, sizeof head, 1, file), 1);
    assert_int_equal (fwrite (&record, sizeof record, 1, file), 1);
    assert_int_equal (fwrite (text, strlen (text), 1, file), 1);
    assert_int_equal (fclose (file), 0);
}

static spool_reader_t *
s_reader (void)
{
    spool_reader_t *reader = NULL;
    berth_error_t err = { 0 };
    assert_ok (spool_reader_open (s_folder, &reader, &err), err);
    return reader;
}

//  Segments that are numbered from one end of the numbers to the other: whoever tried each of them
//  would never end.
static void
test_numbers_far_apart (void **state)
{
    (void) state;
    s_lay (1, 1000, "first");
    s_lay (4000000000u, 2000, "last");
    own (spool_reader) reader = s_reader ();
    own (spool) writer = NULL;
    berth_error_t err = { 0 };
    spool_size_t sizes;
    uint8_t data [64];
    size_t size;
    uint64_t from;
    int of;
    assert_fails (spool_read (reader, SPOOL_STDOUT, 0, data, sizeof data, &size, &from, &of, &err), err,
                  BERTH_INVALID);
    assert_fails (spool_reader_size (reader, &sizes, &err), err, BERTH_INVALID);
    assert_fails (spool_read_end (s_folder, data, sizeof data, &size, &err), err, BERTH_INVALID);
    assert_fails (spool_open (s_folder, 0, SPOOL_BLOCK, &writer, &err), err, BERTH_INVALID);
    assert_ok (spool_remove (s_folder, &err), err);
}

//  The next segment begins before the one before it ended: what is read stays inside of a record.
static void
test_segment_that_begins_too_soon (void **state)
{
    (void) state;
    s_lay (1, 0, "0123456789012345678901234567890123456789");
    s_lay (2, 10, "short");
    own (spool_reader) reader = s_reader ();
    berth_error_t err = { 0 };
    char data [65536];
    size_t size;
    uint64_t from;
    int of;
    assert_ok (spool_read (reader, SPOOL_STDOUT, 0, data, sizeof data, &size, &from, &of, &err), err);
    assert_int_equal (size, 40);
    assert_ok (spool_read (reader, SPOOL_STDOUT, 40, data, sizeof data, &size, &from, &of, &err), err);
    assert_int_equal (size, 0);
}

static void
test_offsets_that_overflow (void **state)
{
    (void) state;
    s_lay (1, UINT64_MAX - 3, "wraps around");
    own (spool_reader) reader = s_reader ();
    berth_error_t err = { 0 };
    char data [64];
    size_t size;
    uint64_t from;
    int of;
    assert_fails (spool_read (reader, SPOOL_ALL, 0, data, sizeof data, &size, &from, &of, &err), err,
                  BERTH_INVALID);
}

//  What was read may go; the end was written, and stays the last record.
static void
test_release_behind_the_end (void **state)
{
    (void) state;
    own (spool) writer = NULL;
    berth_error_t err = { 0 };
    static uint8_t data [900];
    size_t size;
    assert_ok (spool_open (s_folder, 1000, SPOOL_BLOCK, &writer, &err), err);
    assert_ok (spool_append (writer, SPOOL_STDOUT, 1, data, sizeof data, &err), err);
    assert_ok (spool_end (writer, "end", 3, false, &err), err);
    spool_release (writer, sizeof data);
    assert_ok (spool_read_end (s_folder, data, sizeof data, &size, &err), err);
    assert_int_equal (size, 3);
}

//  A reader has looked at half a record; the next writer cuts it, and writes another one in its place.
static void
test_repair_beside_a_reader (void **state)
{
    (void) state;
    own (spool) writer = NULL;
    berth_error_t err = { 0 };
    static uint8_t data [20000];
    size_t size;
    uint64_t from;
    int of;
    char path [400];
    for (size_t index = 0; index < sizeof data; index++)
        data [index] = (uint8_t) index;
    assert_ok (spool_open (s_folder, 0, SPOOL_BLOCK, &writer, &err), err);
    assert_ok (spool_append (writer, SPOOL_STDOUT, 1, data, 100, &err), err);
    assert_ok (spool_append (writer, SPOOL_STDERR, 1, data, 5000, &err), err);
    spool_destroy (&writer);
    s_path (1, path);
    assert_int_equal (truncate (path, 40 + 24 + 100 + 24 + 3000), 0);

    own (spool_reader) reader = s_reader ();
    uint8_t read [512];
    assert_ok (spool_read (reader, SPOOL_STDOUT, 0, read, 50, &size, &from, &of, &err), err);
    assert_int_equal (size, 50);
    assert_ok (spool_open (s_folder, 0, SPOOL_BLOCK, &writer, &err), err);
    assert_ok (spool_append (writer, SPOOL_STDERR, 1, data, 6000, &err), err);
    assert_ok (spool_append (writer, SPOOL_STDOUT, 1, data + 100, 200, &err), err);
    assert_ok (spool_read (reader, SPOOL_STDERR, 0, read, 100, &size, &from, &of, &err), err);
    assert_int_equal (size, 100);
    assert_memory_equal (read, data, 100);
    assert_ok (spool_read (reader, SPOOL_STDOUT, 50, read, sizeof read, &size, &from, &of, &err), err);
    assert_int_equal (size, 250);
    assert_memory_equal (read, data + 50, 250);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_numbers_far_apart), TEST (test_segment_that_begins_too_soon),
        TEST (test_offsets_that_overflow), TEST (test_release_behind_the_end),
        TEST (test_repair_beside_a_reader),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
