//  test_page.c - a full page of any list can be read by whoever reads with the frame's limits.

#include "fixture.h"

#include "codec.h"
#include "page.h"
#include "requests.h"

#define ID "11111111-1111-7111-8111-111111111111"

//  Packs as many of 1,000 equal rows as a page takes, and reads the page back.
static size_t
s_fill (const berth_schema_t *page_schema, const berth_schema_t *schema, const void *row,
        uint64_t limit)
{
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    page_t weight = { 0 };
    uint8_t *items = arena_take (arena, 1000 * schema->size);
    size_t count = 0;
    while (count < 1000 && page_takes (&weight, limit, schema, row, arena))
        memcpy (items + count++ * schema->size, row, schema->size);
    //  Every page begins with its items.
    uint8_t *page = arena_take (arena, page_schema->size);
    *(berth_list_t *) (page + page_schema->fields [0].offset) = (berth_list_t) { count, items };
    void *back = arena_take (arena, page_schema->size);
    assert_ok (berth_unpack (page_schema, berth_pack (page_schema, page, arena), arena, back, &err),
               err);
    return count;
}

static void
test_every_list (void **state)
{
    (void) state;
    environment_t env = { .id = ID, .company = "c", .name = "n", .driver = 1, .status = 1,
                          .config = berth_empty_map };
    workspace_t workspace = { .id = ID, .company = "c", .mode = 1, .strategy = 1, .name = "n",
                              .status = 1, .provider = 1 };
    lease_t lease = { .id = ID, .company = "c", .env = ID, .status = 1, .state = 1, .policy = 1 };
    run_t run = { .id = "r", .company = "c", .state = 1 };
    exec_t exec = { .id = ID, .company = "c", .lease = ID, .state = 1, .on_full = 1 };
    assert_int_equal (s_fill (&environment_page_schema, &environment_schema, &env, 1000), 1000);
    assert_true (s_fill (&workspace_page_schema, &workspace_schema, &workspace, 1000) > 500);
    assert_true (s_fill (&lease_page_schema, &lease_schema, &lease, 1000) > 500);
    assert_true (s_fill (&run_page_schema, &run_schema, &run, 1000) > 500);
    assert_true (s_fill (&exec_page_schema, &exec_schema, &exec, 1000) > 500);
    assert_int_equal (s_fill (&exec_page_schema, &exec_schema, &exec, 7), 7);
}

//  One row always fits, or a list could never go past it.
static void
test_one_large_row (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    char *blob = arena_take (arena, 900001);
    memset (blob, 'x', 900000);
    environment_t env = { .id = ID, .company = "c", .name = "n", .driver = 1, .status = 1,
                          .config = any_set_text (berth_empty_map, "k", blob, arena) };
    page_t weight = { 0 };
    assert_true (page_takes (&weight, 1000, &environment_schema, &env, arena));
    env.config = berth_empty_map;
    assert_false (page_takes (&weight, 1000, &environment_schema, &env, arena));
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_every_list), cmocka_unit_test (test_one_large_row),
    };
    return cmocka_run_group_tests_name ("page", tests, NULL, NULL);
}
