//  test_error.c - the table of errors and how a failure is worded.

#include "fixture.h"

#include "wire.h"

#include <errno.h>

static void
s_table_is_sound (void **state)
{
    (void) state;
    for (unsigned code = 1; code < BERTH_CODES; code++) {
        const char *wire = berth_code_text (code);
        assert_true (wire [0] != 0);
        assert_true (berth_code_doc (code) [0] != 0);
        assert_int_equal (berth_code_of (wire), code);
        assert_in_range (berth_code_exit (code), 2, 99);
        for (unsigned other = 1; other < code; other++) {
            assert_string_not_equal (wire, berth_code_text (other));
            assert_int_not_equal (berth_code_exit (code), berth_code_exit (other));
        }
    }
    assert_int_equal (berth_code_exit (BERTH_OK), 0);
    assert_string_equal (berth_code_text (BERTH_CODES + 7), "internal");
    assert_int_equal (berth_code_of ("no such code"), BERTH_INTERNAL);
    assert_int_equal (berth_code_of (NULL), BERTH_INTERNAL);
    assert_true (berth_code_retryable (BERTH_BUSY));
    assert_false (berth_code_retryable (BERTH_INVALID));
}

static void
s_fail_fills_text_and_keeps_details (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    berth_error_set (err.lease_id, sizeof err.lease_id, "%s", "a-lease");
    assert_int_equal (berth_fail (&err, BERTH_BUSY, "first"), -1);
    assert_int_equal (berth_fail (&err, BERTH_CONFLICT, "no '%s' of %d", "x", 7), -1);
    assert_int_equal (err.code, BERTH_CONFLICT);
    assert_string_equal (err.text, "no 'x' of 7");
    assert_string_equal (err.lease_id, "a-lease");
    assert_int_equal (berth_fail (NULL, BERTH_BUSY, "nobody listens"), -1);
}

static void
s_text_is_one_line (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    berth_fail (&err, BERTH_INTERNAL, "one\ntwo\tthree\r\x1b[31mfour\x7f");
    assert_string_equal (err.text, "one two three??[31mfour?");
    berth_fail (&err, BERTH_INTERNAL, "the old sentence: %s", err.text);
    assert_string_equal (err.text, "the old sentence: one two three??[31mfour?");
}

//  Whatever a provider or a path says, an error is text: it goes on the wire as a str.
static void
s_text_is_always_utf8 (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    berth_fail (&err, BERTH_INTERNAL, "no folder 'caf\xe9/\xff\xc0\x80/gr\xc3\xbc\xc3\x9f/\xf0\x9f\x9a\xa2'");
    assert_string_equal (err.text, "no folder 'caf?/?" "?" "?/gr\xc3\xbc\xc3\x9f/\xf0\x9f\x9a\xa2'");
    for (size_t pad = 0; pad < 8; pad++) {
        char text [400];
        memset (text, 'x', pad);
        for (size_t at = pad; at + 4 < sizeof text; at += 4)
            memcpy (text + at, "\xf0\x9f\x9a\xa2", 5);
        berth_fail (&err, BERTH_INTERNAL, "%s", text);
        size_t length = strlen (err.text);
        assert_true (wire_is_text ((const uint8_t *) err.text, length));
        assert_true (length > sizeof err.text - 5);
        assert_null (strchr (err.text, '?'));
    }
    //  A last character that just fits stays.
    char exact [8];
    berth_error_set (exact, sizeof exact, "%s", "12345\xc3\xbc");
    assert_string_equal (exact, "12345\xc3\xbc");
    berth_error_set (exact, sizeof exact, "%s", "123456\xc3\xbc");
    assert_string_equal (exact, "123456");
}

static void
s_errno_is_told_and_kept (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    errno = ENOENT;
    assert_int_equal (berth_fail_errno (&err, BERTH_NOT_FOUND, "open '%s'", "/x"), -1);
    assert_int_equal (errno, ENOENT);
    assert_string_equal (err.text, "open '/x': No such file or directory");
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_table_is_sound),
        cmocka_unit_test (s_fail_fills_text_and_keeps_details),
        cmocka_unit_test (s_text_is_one_line),
        cmocka_unit_test (s_text_is_always_utf8),
        cmocka_unit_test (s_errno_is_told_and_kept),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
