//  test_json.c - packed data as JSON text and back.

#include "fixture.h"

#include "codec.h"
#include "json.h"
#include "wire.h"

#define HIDDEN(F, T) \
    F (T, STR,  name,   "name",   REQUIRED, 64, "Shown.") \
    F (T, STR,  secret, "secret", NULLABLE | SECRET, 64, "Hidden.") \
    F (T, ANY,  keys,   "keys",   OPTIONAL | SECRET, 64, "Hidden with all that is in it.") \
    F (T, TIME, at,     "at",     OPTIONAL, 0, "A time.")
BERTH_MESSAGE (hidden, HIDDEN);
BERTH_SCHEMA (hidden, HIDDEN, 0, "Has secrets.");

#define HOLDER(F, T) \
    F (T, OBJ (hidden),  one, "one", OPTIONAL, 0, "One.") \
    F (T, LIST (hidden), all, "all", OPTIONAL, 9, "Many.") \
    F (T, ANY,           any, "any", OPTIONAL, 64, "Free: nothing in it is known.")
BERTH_MESSAGE (holder, HOLDER);
BERTH_SCHEMA (holder, HOLDER, 0, "Holds what has secrets.");

static berth_error_t s_err;

static int
s_parse (arena_t *arena, const char *text, size_t size, berth_bytes_t *ret_bytes)
{
    memset (&s_err, 0, sizeof s_err);
    char *copy = malloc (size ? size : 1);              //  A byte too far is seen
    assert_non_null (copy);
    memcpy (copy, text, size);
    int rc = berth_json_parse (copy, size, arena, ret_bytes, &s_err);
    free (copy);
    return rc;
}

//  JSON to packed bytes and to the same JSON again.
static void
s_texts_come_back (void **state)
{
    (void) state;
    static const char *const texts [] = {
        "null", "true", "false", "0", "1", "-1", "127", "128", "65536", "4294967296",
        "9223372036854775807", "9223372036854775808", "18446744073709551615",
        "-9223372036854775808", "-32", "-33", "0.5", "-2.0", "1e+300", "0.1", "1e-07",
        "3.141592653589793", "1.7976931348623157e+308", "123456789012345.6",
        "\"\"", "\"text\"", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x9a\xa2\"",
        "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u0085\"",
        "[]", "{}", "[[],{},[1,[2]]]", "{\"b\":1,\"a\":{\"z\":null,\"y\":[true,\"x\"]},\"\":0}",
        "{\"base64\":\"/w==\"}", "{\"base64\":\"AAE=\"}", "{\"base64\":\"AAH/\"}",
        "{\"base64\":5}", "{\"base64\":\"no\",\"and\":1}",
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]",
        "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
    };
    own (arena) arena = arena_new ();
    for (size_t row = 0; row < BERTH_COUNT (texts); row++) {
        berth_bytes_t bytes = { 0 };
        if (s_parse (arena, texts [row], strlen (texts [row]), &bytes))
            fail_msg ("%s: %s", texts [row], s_err.text);
        assert_ok (wire_check (bytes, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, &s_err), s_err);
        assert_string_equal (berth_json_text (NULL, bytes, BERTH_JSON_COMPACT, arena), texts [row]);
        //  And through the pretty form.
        const char *pretty = berth_json_text (NULL, bytes, BERTH_JSON_PRETTY, arena);
        berth_bytes_t again = { 0 };
        assert_ok (s_parse (arena, pretty, strlen (pretty), &again), s_err);
        assert_bytes (bytes, again);
    }
}

static void
s_forms_that_read_as_another (void **state)
{
    (void) state;
    static const char *const rows [] [2] = {
        { " \t\r\n[ 1 , 2 ] \n", "[1,2]" }, { "-0", "0" }, { "1E2", "100.0" }, { "1e-0", "1.0" },
        { "\"\\/\\u0041\\u00fc\\u20AC\\ud83d\\udea2\"", "\"/A\xc3\xbc\xe2\x82\xac\xf0\x9f\x9a\xa2\"" },
        { "{\"base64\":\"\"}", "\"\"" }, { "{\"base64\":\"aGk=\"}", "\"hi\"" },
        { "{ \"a\" : { } , \"b\" : [ ] }", "{\"a\":{},\"b\":[]}" },
        { "0.1000000000000000055511151231257827", "0.1" }, { "1e-400", "0.0" }, { "5e-324", "4.94065645841247e-324" },
    };
    own (arena) arena = arena_new ();
    for (size_t row = 0; row < BERTH_COUNT (rows); row++) {
        berth_bytes_t bytes = { 0 };
        if (s_parse (arena, rows [row] [0], strlen (rows [row] [0]), &bytes))
            fail_msg ("%s: %s", rows [row] [0], s_err.text);
        assert_string_equal (berth_json_text (NULL, bytes, 0, arena), rows [row] [1]);
    }
}

static void
s_bytes_are_shown_as_text_or_base64 (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
#define SHOWN(literal) berth_json_text (NULL, BYTES_OF (literal), 0, arena)
    assert_string_equal (SHOWN ("\xc4\x02hi"), "\"hi\"");
    assert_string_equal (SHOWN ("\xc4\x00"), "\"\"");
    assert_string_equal (SHOWN ("\xc4\x01\xff"), "{\"base64\":\"/w==\"}");
    assert_string_equal (SHOWN ("\xc4\x02\x00\x01"), "{\"base64\":\"AAE=\"}");
    assert_string_equal (SHOWN ("\xa1\xff"), "{\"base64\":\"/w==\"}");
    assert_string_equal (SHOWN ("\x81\xa3" "a\xff" "b\x01"), "{\"a\xef\xbf\xbd" "b\":1}");
    assert_string_equal (SHOWN ("\x81\xa1\xc3\x01"), "{\"\xef\xbf\xbd\":1}");
    assert_string_equal (SHOWN ("\xca\x7f\xc0\x00\x00"), "null");
    assert_string_equal (SHOWN ("\xca\xff\x80\x00\x00"), "null");
    assert_string_equal (SHOWN ("\xca\x3f\x00\x00\x00"), "0.5");
#undef SHOWN
    //  Bytes of every length come back as the same bytes.
    fixture_random_t random = { 3 };
    for (size_t size = 1; size < 100; size++) {
        uint8_t packed [102] = { 0xc4, (uint8_t) size, 0 };
        for (size_t index = 1; index < size; index++)
            packed [2 + index] = (uint8_t) fixture_random (&random);
        berth_bytes_t bytes = { packed, size + 2 }, again = { 0 };
        const char *text = berth_json_text (NULL, bytes, 0, arena);
        assert_ok (s_parse (arena, text, strlen (text), &again), s_err);
        assert_bytes (bytes, again);
    }
}

static void
s_secrets_are_masked_wherever_they_stand (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    hidden_t both [2] = { { .name = "one", .secret = "hunter2", .at = 1700000000000 },
                          { .name = "two", .keys = BYTES_OF ("\x81\xa1k\xa7hunter2") } };
    berth_clear (hidden, &both [1], secret);
    holder_t holder = { .one = &both [0], .all = { 2, both },
                        .any = BYTES_OF ("\x81\xa6secret\xa4open") };
    berth_bytes_t packed = berth_pack (&holder_schema, &holder, arena);
    const char *text = berth_json_text (&holder_schema, packed, 0, arena);
    assert_string_equal (text,
        "{\"one\":{\"name\":\"one\",\"secret\":\"***\",\"at\":1700000000000},"
        "\"all\":[{\"name\":\"one\",\"secret\":\"***\",\"at\":1700000000000},"
        "{\"name\":\"two\",\"secret\":null,\"keys\":\"***\"}],\"any\":{\"secret\":\"open\"}}");
    assert_null (strstr (berth_json_text (&holder_schema, packed, BERTH_JSON_PRETTY, arena),
                         "hunter2"));
}

static void
s_pretty_has_a_line_per_element (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    static const char text [] = "{\"a\":[1,{\"b\":2}],\"c\":{},\"d\":{\"base64\":\"/w==\"}}";
    berth_bytes_t bytes = { 0 };
    assert_ok (s_parse (arena, text, sizeof text - 1, &bytes), s_err);
    assert_string_equal (berth_json_text (NULL, bytes, BERTH_JSON_PRETTY, arena),
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": {},\n"
        "  \"d\": {\"base64\": \"/w==\"}\n}");
}

static void
s_errors_say_where (void **state)
{
    (void) state;
    static const struct {
        const char *text;
        size_t size;
        const char *where, *what;
    } rows [] = {
#define ROW(literal, where, what) { literal, sizeof (literal) - 1, where, what }
        ROW ("", "line 1, column 1:", "missing at the end"),
        ROW ("  \n ", "line 2, column 2:", "missing at the end"),
        ROW ("{", "line 1, column 2:", "key"), ROW ("[", "line 1, column 2:", "value"),
        ROW ("[1", "line 1, column 3:", "','"), ROW ("[1,]", "line 1, column 4:", "no value"),
        ROW ("{\"a\"}", "line 1, column 5:", "':'"), ROW ("{\"a\":1,}", "line 1, column 8:", "key"),
        ROW ("{\"a\":1 \"b\"", "line 1, column 8:", "','"), ROW ("{1:2}", "line 1, column 2:", "key"),
        ROW ("{\n \"a\": 1,\n \"\xc3\xbc\": nil\n}", "line 3, column 7:", "no word"),
        ROW ("{\"a\":1,\n\"a\":2}", "line 1, column 1:", "twice"),
        ROW ("[{\"a\":1,\"\\u0061\":2}]", "line 1, column 2:", "twice"),
        ROW ("1 2", "line 1, column 3:", "behind"), ROW ("nul", "line 1, column 1:", "no word"),
        ROW ("truefalse", "line 1, column 5:", "behind"), ROW ("'x'", "line 1, column 1:", "no value"),
        ROW ("\"abc", "line 1, column 1:", "no end"), ROW ("\"abc\\", "line 1, column 1:", "no end"),
        ROW ("\"abc\\\"", "line 1, column 1:", "no end"),
        ROW ("\"a\nb\"", "line 1, column 3:", "escaped"), ROW ("\"\\x\"", "line 1, column 2:", "escape"),
        ROW ("\"\\u12g4\"", "line 1, column 2:", "escape"), ROW ("\"\\u12\"", "line 1, column 2:", "escape"),
        ROW ("\"\\ud800\"", "line 1, column 2:", "surrogate"),
        ROW ("\"\\udc00\"", "line 1, column 2:", "surrogate"),
        ROW ("\"\\ud800\\u0041\"", "line 1, column 2:", "surrogate"),
        ROW ("\"\\u0000\"", "line 1, column 2:", "NUL"), ROW ("\"\xff\"", "line 1, column 1:", "UTF-8"),
        ROW ("\"a\0b\"", "line 1, column 3:", "escaped"), ROW ("\0", "line 1, column 1:", "no value"),
        ROW ("[1]\0", "line 1, column 4:", "behind"),
        ROW ("01", "line 1, column 1:", "number"), ROW ("-", "line 1, column 1:", "number"),
        ROW ("1.", "line 1, column 1:", "number"), ROW (".5", "line 1, column 1:", "no value"),
        ROW ("1e", "line 1, column 1:", "number"), ROW ("1e+", "line 1, column 1:", "number"),
        ROW ("+1", "line 1, column 1:", "no value"), ROW ("0x10", "line 1, column 2:", "behind"),
        ROW ("NaN", "line 1, column 1:", "no value"),
        ROW ("18446744073709551616", "line 1, column 1:", "64 bits"),
        ROW ("-9223372036854775809", "line 1, column 1:", "64 bits"),
        ROW ("99999999999999999999999999999999999999999", "line 1, column 1:", "64 bits"),
        ROW ("1e400", "line 1, column 1:", "too large"), ROW ("-1e99999", "line 1, column 1:", "too large"),
        ROW ("{\"base64\":\"?\"}", "line 1, column 1:", "not base64"),
        ROW ("{\"base64\":\"a===\"}", "line 1, column 1:", "not base64"),
        ROW ("{\"base64\":\"aGk\"}", "line 1, column 1:", "not base64"),
        ROW ("{\"base64\":\"aG==aGk=\"}", "line 1, column 1:", "not base64"),
        ROW ("{\"base64\":\"/x==\"}", "line 1, column 1:", "not base64"),
        ROW ("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "line 1, column 17:", "deep"),
        ROW ("\xef\xbb\xbf{}", "line 1, column 1:", "no value"), ROW ("// x\n1", "line 1, column 1:", "no value"),
#undef ROW
    };
    own (arena) arena = arena_new ();
    for (size_t row = 0; row < BERTH_COUNT (rows); row++) {
        berth_bytes_t bytes = { NULL, 77 };
        if (s_parse (arena, rows [row].text, rows [row].size, &bytes) != -1
            || s_err.code != BERTH_INVALID || bytes.size != 77
            || strncmp (s_err.text, rows [row].where, strlen (rows [row].where)) != 0
            || !strstr (s_err.text, rows [row].what))
            fail_msg ("%s: '%s'", rows [row].text, s_err.text);
    }
}

static void
s_bounds_hold (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    enum { DEEP = 1000000 };
    char *text = malloc (DEEP);
    assert_non_null (text);
    berth_bytes_t bytes = { 0 };
    memset (text, '[', DEEP);
    assert_fails (s_parse (arena, text, DEEP, &bytes), s_err, BERTH_INVALID);
    //  As many elements as are allowed, and one more.
    text [0] = '[';
    for (size_t index = 0; index < BERTH_ELEMENTS_MAX; index++)
        memcpy (text + 1 + 2 * index, "0,", 2);
    text [2 * BERTH_ELEMENTS_MAX] = ']';
    assert_ok (s_parse (arena, text, 2 * BERTH_ELEMENTS_MAX + 1, &bytes), s_err);
    assert_ok (wire_check (bytes, 1, BERTH_ELEMENTS_MAX, &s_err), s_err);
    memcpy (text + 2 * BERTH_ELEMENTS_MAX, ",0]", 3);
    assert_fails (s_parse (arena, text, 2 * BERTH_ELEMENTS_MAX + 3, &bytes), s_err, BERTH_INVALID);
    free (text);
}

static void
s_noise_never_crashes (void **state)
{
    (void) state;
    static const char *const parts [] = { "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d",
        "0", "1", "-", "e", ".", "true", "null", " ", "\n", "\"a\"", "\"base64\"", "\xc3", "\xbc" };
    own (arena) arena = arena_new ();
    fixture_random_t random = { 11 };
    size_t good = 0;
    for (int round = 0; round < 30000; round++) {
        char text [64];
        size_t size = 0;
        for (uint64_t count = fixture_below (&random, 9); count; count--) {
            const char *part = parts [fixture_below (&random, BERTH_COUNT (parts))];
            memcpy (text + size, part, strlen (part));
            size += strlen (part);
        }
        berth_bytes_t bytes = { 0 };
        if (s_parse (arena, text, size, &bytes))
            continue;
        good++;
        assert_ok (wire_check (bytes, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, &s_err), s_err);
        const char *shown = berth_json_text (NULL, bytes, 0, arena);
        berth_bytes_t again = { 0 };
        assert_ok (s_parse (arena, shown, strlen (shown), &again), s_err);
        assert_string_equal (berth_json_text (NULL, again, 0, arena), shown);
        arena_clear (arena);
    }
    assert_true (good > 100);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_texts_come_back),
        cmocka_unit_test (s_forms_that_read_as_another),
        cmocka_unit_test (s_bytes_are_shown_as_text_or_base64),
        cmocka_unit_test (s_secrets_are_masked_wherever_they_stand),
        cmocka_unit_test (s_pretty_has_a_line_per_element),
        cmocka_unit_test (s_errors_say_where),
        cmocka_unit_test (s_bounds_hold),
        cmocka_unit_test (s_noise_never_crashes),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
