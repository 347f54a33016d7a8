//  test_any_schema.c - free data against JSON Schema: each keyword passes and refuses, sentences name
//  the path, what is not understood is refused, and no schema takes for ever.

#include "fixture.h"

#include "any_schema.h"
#include "clock.h"
#include "codec.h"
#include "json.h"

static arena_t *s_arena;

static int
s_setup (void **state)
{
    (void) state;
    s_arena = arena_new ();
    return 0;
}

static int
s_teardown (void **state)
{
    (void) state;
    arena_destroy (&s_arena);
    return 0;
}

//  JSON with ' for ".
static berth_bytes_t
s_json (const char *text)
{
    char *copy = arena_string (s_arena, text);
    berth_bytes_t packed;
    berth_error_t err = { 0 };
    for (char *at = copy; *at; at++)
        if (*at == '\'')
            *at = '"';
    assert_ok (berth_json_parse (copy, strlen (copy), s_arena, &packed, &err), err);
    return packed;
}

//  The sentence, or NULL.
static const char *
s_says (const char *schema, const char *value)
{
    berth_bytes_t shape = s_json (schema), normal;
    berth_error_t err = { 0 };
    assert_ok (any_schema_sound (shape, s_arena, &err), err);
    if (any_schema_check (shape, s_json (value), "config", s_arena, &normal, NULL, &err) == 0)
        return NULL;
    assert_int_equal (err.code, BERTH_INVALID);
    assert_int_equal (strncmp (err.text, err.field, strlen (err.field)), 0);
    return arena_string (s_arena, err.text);
}

//  Each row: a schema, what fits, what does not, and how that is said.
static const struct {
    const char *schema, *good, *bad, *sentence;
} s_rows [] = {
    { "{'type': 'string'}", "'x'", "1", "config must be a string" },
    { "{'type': 'integer'}", "3.0", "3.5", "config must be an integer" },
    { "{'type': 'number'}", "-1e3", "'1'", "config must be a number" },
    { "{'type': 'boolean'}", "false", "0", "config must be a boolean" },
    { "{'type': 'null'}", "null", "false", "config must be a null" },
    { "{'type': ['string', 'null']}", "null", "1", "config must be one of: string, null" },
    { "{'type': 'array', 'items': {'type': 'string'}}", "['a']", "['a', 1]", "config[1] must be a string" },
    { "{'enum': ['small', 7, true]}", "7", "'large'", "config must be one of: small, 7, true" },
    { "{'const': {'a': [1]}}", "{'a': [1]}", "{'a': [2]}", "config must be the one value that it may have" },
    { "{'minLength': 1}", "'x'", "''", "config must not be empty" },
    { "{'minLength': 2}", "'\xc3\xa9\xc3\xa9'", "'\xc3\xa9'", "config must have at least 2 characters" },
    { "{'maxLength': 2}", "'\xc3\xa9\xc3\xa9'", "'abc'", "config must have at most 2 characters" },
    { "{'pattern': '^[a-z]{2}-\\\\d+$'}", "'eu-1'", "'eu-1x'", "config must match ^[a-z]{2}-\\d+$" },
    { "{'minimum': 1}", "1", "0", "config must be at least 1" },
    { "{'maximum': 2.5}", "2.5", "3", "config must be at most 2.5" },
    { "{'exclusiveMinimum': 1}", "2", "1", "config must be above 1" },
    { "{'exclusiveMaximum': 1}", "-9", "1", "config must be below 1" },
    { "{'multipleOf': 0.1}", "0.3", "0.35", "config must be a multiple of 0.1" },
    { "{'minItems': 1}", "[1]", "[]", "config must have at least 1 items" },
    { "{'maxItems': 1}", "[1]", "[1, 2]", "config must have at most 1 items" },
    { "{'uniqueItems': true}", "[1, '1']", "[{'a': 1}, {'a': 1}]", "config must not hold the same twice" },
    { "{'minProperties': 1}", "{'a': 1}", "{}", "config must have at least 1 fields" },
    { "{'maxProperties': 1}", "{'a': 1}", "{'a': 1, 'b': 2}", "config must have at most 1 fields" },
    { "{'required': ['a']}", "{'a': null}", "{'b': 1}", "config.a is needed" },
    { "{'properties': {'auth': {'properties': {'region': {'type': 'string'}}}}}",
      "{'auth': {'region': 'x'}, 'other': 1}", "{'auth': {'region': 5}}", "config.auth.region must be a string" },
    { "{'properties': {'a': {}}, 'additionalProperties': false}", "{'a': 1}", "{'b': 1}",
      "config.b is not known" },
    { "{'additionalProperties': {'type': 'integer'}}", "{'a': 1}", "{'a': 'x'}", "config.a must be an integer" },
    { "{'properties': {'a': false}}", "{}", "{'a': 1}", "config.a must not be there" },
    { "{'allOf': [{'minimum': 1}, {'maximum': 3}]}", "2", "4", "config must be at most 3" },
    { "{'anyOf': [{'type': 'string'}, {'minimum': 5}]}", "7", "3", "config fits none of the shapes that it may have" },
    { "{'oneOf': [{'multipleOf': 2}, {'multipleOf': 3}]}", "4", "6",
      "config fits more than one of the shapes that it may have" },
    { "{'oneOf': [{'multipleOf': 2}, {'multipleOf': 3}]}", "9", "7",
      "config fits none of the shapes that it may have" },
    { "{'not': {'type': 'string'}}", "1", "'x'", "config has a shape that it must not have" },
    { "{'format': 'date-time'}", "'2026-05-11T09:30:00.5Z'", "'2026-05-11'", "config must be a date-time" },
    { "{'format': 'date'}", "'2026-05-11'", "'11.5.2026'", "config must be a date" },
    { "{'format': 'email'}", "'a@b.example'", "'a@'", "config must be a email" },
    { "{'format': 'uri'}", "'https://b.example/x?y'", "'b.example'", "config must be a uri" },
    { "{'format': 'uuid'}", "'018F3A2B-1111-7111-8111-111111111111'", "'018f'", "config must be a uuid" },
    { "{'format': 'hostname'}", "'a-1.example'", "'-a'", "config must be a hostname" },
    { "{'format': 'ipv4'}", "'10.0.0.1'", "'10.0.0.256'", "config must be a ipv4" },
    { "{'format': 'ipv6'}", "'::1'", "'10.0.0.1'", "config must be a ipv6" },
    //  What is not of the kind that a keyword speaks of is not restricted by it
    { "{'minLength': 5, 'minimum': 5}", "[1]", "3", "config must be at least 5" },
    //  A pattern that runs wild matches nothing
    { "{'pattern': '^(a+)+$'}", "'aaaa'", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'", "config must match ^(a+)+$" },
};

static void
test_keywords (void **state)
{
    (void) state;
    for (size_t index = 0; index < BERTH_COUNT (s_rows); index++) {
        const char *said = s_says (s_rows [index].schema, s_rows [index].good);
        if (said)
            fail_msg ("%s takes %s: '%s'", s_rows [index].schema, s_rows [index].good, said);
        said = s_says (s_rows [index].schema, s_rows [index].bad);
        if (!said || strcmp (said, s_rows [index].sentence))
            fail_msg ("%s refuses %s: '%s'", s_rows [index].schema, s_rows [index].bad, said ? said : "taken");
    }
}

static void
test_defaults (void **state)
{
    (void) state;
    berth_bytes_t schema = s_json ("{'properties': {'region': {'type': 'string', 'default': 'eu'}, 'auth': "
        "{'type': 'object', 'default': {}, 'properties': {'tries': {'default': 3}}}, "
        "'list': {'items': {'properties': {'n': {'default': 1}}}}}, 'required': ['region']}");
    berth_bytes_t normal;
    berth_error_t err = { 0 };
    assert_ok (any_schema_check (schema, s_json ("{'list': [{}, {'n': 2}], 'auth': {}}"), "config", s_arena,
                                 &normal, NULL, &err), err);
    assert_true (any_equal (normal, s_json ("{'region': 'eu', 'auth': {'tries': 3}, "
                                            "'list': [{'n': 1}, {'n': 2}]}")));
    //  What is there is left alone
    berth_bytes_t value = s_json ("{'region': 'us', 'auth': {'tries': 1}}");
    assert_ok (any_schema_check (schema, value, "config", s_arena, &normal, NULL, &err), err);
    assert_true (any_equal (normal, value));
}

static void
test_all_errors (void **state)
{
    (void) state;
    berth_bytes_t schema = s_json ("{'properties': {'a': {'type': 'string'}, 'b': {'minimum': 3}}, "
                                   "'required': ['c'], 'additionalProperties': false}");
    berth_strs_t errors;
    berth_bytes_t normal;
    berth_error_t err = { 0 };
    assert_int_equal (any_schema_check (schema, s_json ("{'a': 1, 'b': 2, 'd': 4}"), "config", s_arena,
                                        &normal, &errors, &err), -1);
    assert_int_equal (errors.count, 4);
    assert_string_equal (errors.items [0], "config.c is needed");
    assert_string_equal (errors.items [3], "config.d is not known");
    assert_string_equal (err.field, "config.c");
}

static void
test_unsound (void **state)
{
    (void) state;
    const char *const schemas [] = {
        "[]", "'x'", "{'type': 'text'}", "{'type': 5}", "{'type': []}", "{'properties': []}",
        "{'properties': {'a': 1}}", "{'required': 'a'}", "{'minLength': -1}", "{'minimum': '1'}",
        "{'pattern': '('}", "{'pattern': 7}", "{'allOf': []}", "{'anyOf': {}}", "{'enum': 'a'}",
        "{'format': 1}", "{'uniqueItems': 1}", "{'$ref': '#/x'}", "{'properties': {'a': {'if': {}}}}",
        "{'patternProperties': {}}", "{'items': [{}]}",
    };
    for (size_t index = 0; index < BERTH_COUNT (schemas); index++) {
        berth_error_t err = { 0 };
        if (any_schema_sound (s_json (schemas [index]), s_arena, &err) == 0)
            fail_msg ("%s is taken", schemas [index]);
        assert_int_equal (err.code, BERTH_INVALID);
    }
    //  Words about a value restrict nothing
    berth_error_t err = { 0 };
    assert_ok (any_schema_sound (s_json ("{'$schema': 'x', 'title': 'T', 'description': 'D', 'x-form': 1, "
                                         "'examples': [1]}"), s_arena, &err), err);
}

static void
test_secrets (void **state)
{
    (void) state;
    berth_strs_t paths = any_schema_secrets (s_json ("{'properties': {'apiKey': {'format': 'secret-ref'}, "
        "'auth': {'properties': {'token': {'format': 'secret-ref'}, 'user': {}}}}, 'oneOf': [{'properties': "
        "{'other': {'format': 'secret-ref'}, 'apiKey': {'format': 'secret-ref'}}}]}"), s_arena);
    assert_int_equal (paths.count, 3);
    assert_string_equal (paths.items [0], "apiKey");
    assert_string_equal (paths.items [1], "auth.token");
    assert_string_equal (paths.items [2], "other");
}

//  Each of a thousand items would be held against 625 branches.
static void
test_bounded (void **state)
{
    (void) state;
    const char *schema = "{'type': 'string'}", *value = "1";
    for (int level = 0; level < 4; level++)
        schema = arena_printf (s_arena, "{'anyOf': [%s, %s, %s, %s, %s]}", schema, schema, schema, schema,
                               schema);
    for (int items = 1; items < 1000; items++)
        value = arena_printf (s_arena, "%s,1", value);
    int64_t before_ms = berth_mono_ms ();
    assert_non_null (s_says (arena_printf (s_arena, "{'items': %s}", schema),
                             arena_printf (s_arena, "[%s]", value)));
    assert_true (berth_mono_ms () - before_ms < 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, s_setup, s_teardown)

int
main (void)
{
    const struct CMUnitTest tests [] = {
        TEST (test_keywords), TEST (test_defaults), TEST (test_all_errors), TEST (test_unsound),
        TEST (test_secrets), TEST (test_bounded),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
