//  test_requests.c - the table of requests keeps to the rules of the design.

#include "fixture.h"

#include "fenced.h"

#include <ctype.h>

static void
s_rows_are_sound (void **state)
{
    (void) state;
    for (unsigned code = 0; code < REQUEST_COUNT; code++) {
        const request_row_t *row = request_row ((request_code_t) code);
        const char *dot = strchr (row->type, '.');
        bool named = dot && dot > row->type && dot [1];
        for (const char *at = row->type; *at; at++)
            named = named && (isalpha ((unsigned char) *at) || at == dot);
        unsigned doing = row->mode & (MODE_READ | MODE_WRITE);
        unsigned roles = row->roles;
        if (!named || request_code (row->type) != code || !roles
            || ((roles & ROLE_INTERNAL) && roles != ROLE_INTERNAL)
            || (doing != MODE_READ && doing != MODE_WRITE) || row->actor >= ACTOR_COUNT
            || !row->doc [0] || !strchr (".?", row->doc [strlen (row->doc) - 1]))
            fail_msg ("%s: roles %x, mode %x, '%s'", row->type, roles, row->mode, row->doc);
        //  A reader is never let in to write.
        if ((roles & ROLE_OBSERVER) && doing == MODE_WRITE)
            fail_msg ("%s: an observer may write", row->type);
    }
    assert_int_equal (request_code ("lease"), REQUEST_COUNT);
    assert_int_equal (request_code ("lease.acquirE"), REQUEST_COUNT);
    assert_int_equal (request_code (""), REQUEST_COUNT);
}

//  What acts in a place, or on its lease, may say as whose holder; and is asked with an old generation
//  in the test of its actor. What only reads does no harm, and the rest says why it needs none.
static void
s_holders_are_fenced (void **state)
{
    (void) state;
    static const char *const without [] = {
        "lease.get", "lease.target", "exec.get", "exec.wait", "exec.read",
        "environment.testEnd",      //  A test's own lease: nobody else was told of it
    };
    static const actor_code_t asked [] = { ACTOR_LEASES, ACTOR_EXECS, ACTOR_REALIZER };
    size_t excused = 0;
    for (unsigned code = 0; code < REQUEST_COUNT; code++) {
        const request_row_t *row = request_row ((request_code_t) code);
        if (!fenced_about (row))
            continue;
        bool fenced = berth_schema_field (row->request, "generation") != NULL, known = false;
        bool tested = false;
        for (size_t index = 0; index < BERTH_COUNT (without); index++)
            known = known || strcmp (without [index], row->type) == 0;
        for (size_t index = 0; index < BERTH_COUNT (asked); index++)
            tested = tested || asked [index] == row->actor;
        if (fenced == known)
            fail_msg ("%s: %s", row->type, fenced ? "is excused, and carries a generation"
                                                  : "carries no generation");
        if (fenced && !tested)
            fail_msg ("%s: no test asks with an old generation", row->type);
        excused += known;
    }
    assert_int_equal (excused, BERTH_COUNT (without));
}

static bool
s_is_listed (const berth_schema_t *schema)
{
    const berth_schema_t *one;
    for (size_t at = 0; (one = berth_schema_at (at)); at++)
        if (one == schema)
            return true;
    return false;
}

//  Everything a request or reply consists of is in the list that describe and tests go through, and
//  fits into the depth of a body.
static void
s_reach (const berth_schema_t *schema, unsigned depth)
{
    if (!s_is_listed (schema))
        fail_msg ("schema %s is not in the list of schemas", schema->name);
    if (depth > BERTH_DEPTH_MAX)
        fail_msg ("schema %s lies deeper than a body may", schema->name);
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        if (field->kind == KIND_OBJ || field->kind == KIND_LIST)
            s_reach (field->of, depth + (field->kind == KIND_LIST ? 2 : 1));
    }
}

static void
s_schemas_are_listed (void **state)
{
    (void) state;
    for (unsigned code = 0; code < REQUEST_COUNT; code++) {
        const request_row_t *row = request_row ((request_code_t) code);
        s_reach (row->request, 1);
        s_reach (row->reply, 1);
    }
}

//  Whom a request is about can be told: a company, a row, nobody, or all; the last are for operators.
static void
s_requests_say_whom_they_are_about (void **state)
{
    (void) state;
    for (unsigned code = 0; code < REQUEST_COUNT; code++) {
        const request_row_t *row = request_row ((request_code_t) code);
        const berth_field_t *company = berth_schema_field (row->request, "companyId");
        bool told = (row->mode & MODE_SHARED) || (company && (company->flags & REQUIRED));
        for (size_t index = 0; index < row->request->count; index++)
            told |= row->request->fields [index].kind == KIND_ID
                && (row->request->fields [index].flags & REQUIRED);
        if (!told && (row->roles & ~(unsigned) (ROLE_OPERATOR | ROLE_INTERNAL)))
            fail_msg ("%s is about no company, and not for operators alone: is it SHARED?", row->type);
    }
}

//  A field of one name means one thing everywhere.
static void
s_names_mean_one_thing (void **state)
{
    (void) state;
    const berth_schema_t *schema;
    for (size_t at = 0; (schema = berth_schema_at (at)); at++) {
        const berth_field_t *company = berth_schema_field (schema, "companyId");
        if (company && (company->kind != KIND_STR || company->limit != 64))
            fail_msg ("%s.companyId is no text of 64 bytes", schema->name);
        const berth_field_t *cursor = berth_schema_field (schema, "cursor");
        const berth_field_t *limit = berth_schema_field (schema, "limit");
        if (cursor && (!limit || limit->kind != KIND_U64 || limit->limit != BERTH_LIST_MAX))
            fail_msg ("%s has a cursor, but no limit of %d", schema->name, BERTH_LIST_MAX);
        for (size_t index = 0; index < schema->count; index++) {
            const berth_field_t *field = &schema->fields [index];
            size_t size = strlen (field->name);
            if (size > 2 && strcmp (field->name + size - 2, "At") == 0
                && field->kind != KIND_TIME)
                fail_msg ("%s.%s is no time", schema->name, field->name);
            if (size > 2 && strcmp (field->name + size - 2, "Ms") == 0
                && field->kind != KIND_U64 && field->kind != KIND_I64
                && field->kind != KIND_ANY)             //  A number or "none"
                fail_msg ("%s.%s is no number of milliseconds", schema->name, field->name);
        }
    }
}

//  What answers with a page can be asked for the next one.
static void
s_lists_have_pages (void **state)
{
    (void) state;
    for (unsigned code = 0; code < REQUEST_COUNT; code++) {
        const request_row_t *row = request_row ((request_code_t) code);
        if (berth_schema_field (row->reply, "nextCursor")
            && (!berth_schema_field (row->request, "cursor")
                || !berth_schema_field (row->request, "limit")
                || !berth_schema_field (row->reply, "items")))
            fail_msg ("%s has a nextCursor, but not all of items, cursor, limit", row->type);
    }
}

static void
s_tables_have_texts (void **state)
{
    (void) state;
    for (unsigned actor = 0; actor < ACTOR_COUNT; actor++)
        assert_true (strlen (actor_text ((actor_code_t) actor)) > 2);
    for (int action = 1; action < ACTION_COUNT; action++) {
        assert_non_null (strchr (action_text ((action_t) action), '.'));
        assert_true (action_entity ((action_t) action) [0] != 0);
        for (int other = 1; other < action; other++)
            assert_string_not_equal (action_text ((action_t) action),
                                     action_text ((action_t) other));
    }
    assert_string_equal (role_text (ROLE_BIT_OPERATOR), "operator");
    assert_null (role_text (ROLE_BITS));
    assert_null (capability_text (PROVIDER_BITS));
    for (unsigned bit = 0; bit < PROVIDER_BITS; bit++)
        assert_true (capability_text (bit) [0] && capability_doc (bit) [0]);
    const char *name, *doc;
    uint64_t value;
    size_t count = 0;
    while (berth_limit_at (count, &name, &value, &doc)) {
        assert_true (name [0] && value && doc [0]);
        count++;
    }
    assert_true (count > 10);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_rows_are_sound),
        cmocka_unit_test (s_holders_are_fenced),
        cmocka_unit_test (s_schemas_are_listed),
        cmocka_unit_test (s_names_mean_one_thing),
        cmocka_unit_test (s_requests_say_whom_they_are_about),
        cmocka_unit_test (s_lists_have_pages),
        cmocka_unit_test (s_tables_have_texts),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
