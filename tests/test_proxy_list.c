//  test_proxy_list.c - what is believed of a provider's list: whole pages of our own places, or nothing.

#include "fixture.h"

#include "codec.h"
#include "proxy_list.h"

#define OURS "our install"
#define FORMER "the one before"
#define GONE_LEASE "99999999-9999-7999-8999-999999999999"

//  What the provider under test lists: names with their labels, and whether it fails then.
typedef struct {
    const char *name, *install, *lease, *company;
    berth_bytes_t raw;              //  Labels as they are, instead
} listed_t;
static const listed_t *s_listed;
static size_t s_count;
static bool s_fails;

static int
s_list (void *self, provider_each_fn *each, void *context, int64_t deadline_ms, berth_error_t *err)
{
    (void) self;
    (void) deadline_ms;
    own (arena) arena = arena_new ();
    for (size_t index = 0; index < s_count; index++) {
        const listed_t *listed = &s_listed [index];
        berth_bytes_t labels = berth_empty_map;
        if (listed->install)
            labels = any_set_text (labels, "install", listed->install, arena);
        if (listed->lease)
            labels = any_set_text (labels, "lease", listed->lease, arena);
        if (listed->company)
            labels = any_set_text (labels, "company", listed->company, arena);
        if (each (context, listed->name, listed->raw.size ? listed->raw : labels))
            return berth_fail (err, BERTH_PROVIDER_ERROR, "broken off");
    }
    return s_fails ? berth_fail (err, BERTH_PROVIDER_TIMEOUT, "half of it") : 0;
}

static const provider_t s_provider = { .name = "lists", .list = s_list };
static const provider_t s_without = { .name = "lists-not" };

static int
s_ask (arena_t *arena, const listed_t *listed, size_t count, const place_list_t *ask,
       place_list_page_t *ret_page, berth_error_t *err)
{
    s_listed = listed;
    s_count = count;
    return proxy_list (&s_provider, NULL, OURS, FORMER, ask, 0, arena, ret_page, err);
}

static void
test_ours (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    place_list_page_t page;
    const listed_t listed [] = {
        { "b", FORMER, GONE_LEASE, "acme", { 0 } }, { "other", "another install", GONE_LEASE, NULL, { 0 } },
        { "a", OURS, GONE_LEASE, NULL, { 0 } }, { "bare", NULL, NULL, NULL, { 0 } },
        { "b", FORMER, GONE_LEASE, "acme", { 0 } },
    };
    const char *const expected [] = { "a", "gone", "b", "other" };
    place_list_t ask = { .expected = { 4, expected } };
    assert_ok (s_ask (arena, listed, 5, &ask, &page, &err), err);
    assert_int_equal (page.items.count, 2);
    assert_string_equal (page.items.items [0].provider_lease, "a");
    assert_string_equal (page.items.items [1].provider_lease, "b");
    assert_string_equal (page.items.items [1].company, "acme");
    assert_false (page.items.items [0].former);
    assert_true (page.items.items [1].former);
    assert_false (page.more);
    assert_int_equal (page.missing.count, 2);
    assert_string_equal (page.missing.items [0], "gone");
    assert_string_equal (page.missing.items [1], "other");
    ask = (place_list_t) { .after = "a" };
    assert_ok (s_ask (arena, listed, 5, &ask, &page, &err), err);
    assert_int_equal (page.items.count, 1);
    assert_ok (s_ask (arena, listed, 0, &ask, &page, &err), err);
    assert_int_equal (page.items.count, 0);
}

static void
test_pages (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    place_list_page_t page;
    size_t count = BERTH_SWEEP_PAGE + 5, seen = 0;
    listed_t *listed = arena_array (arena, count, listed_t);
    for (size_t index = 0; index < count; index++)
        listed [index] = (listed_t) { arena_printf (arena, "%05zu", count - index), OURS, GONE_LEASE, NULL, { 0 } };
    place_list_t ask = { .after = NULL };
    do {
        assert_ok (s_ask (arena, listed, count, &ask, &page, &err), err);
        assert_true (page.items.count > 0 && page.items.count <= BERTH_SWEEP_PAGE);
        seen += page.items.count;
        ask.after = page.items.items [page.items.count - 1].provider_lease;
        //  It goes through the codec as it is
        place_list_page_t again;
        assert_ok (berth_unpack (&place_list_page_schema, berth_pack (&place_list_page_schema, &page, arena),
                                 arena, &again, &err), err);
    } while (page.more);
    assert_int_equal (seen, count);
}

//  None of it is believed, and the error says what was there.
static void
s_refuse (listed_t listed, const char *why)
{
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    place_list_page_t page;
    place_list_t ask = { .after = NULL };
    const listed_t both [] = { { "good", OURS, GONE_LEASE, NULL, { 0 } }, listed };
    assert_fails (s_ask (arena, both, 2, &ask, &page, &err), err, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (err.text, why));
}

static void
test_garbage (void **state)
{
    (void) state;
    char name [600];
    memset (name, 'x', sizeof name - 1);
    name [sizeof name - 1] = 0;
    s_refuse ((listed_t) { NULL, OURS, GONE_LEASE, NULL, { 0 } }, "without a name");
    s_refuse ((listed_t) { "", OURS, GONE_LEASE, NULL, { 0 } }, "without a name");
    s_refuse ((listed_t) { name, OURS, GONE_LEASE, NULL, { 0 } }, "without a name");
    s_refuse ((listed_t) { "\xff\xfe", OURS, GONE_LEASE, NULL, { 0 } }, "without a name");
    s_refuse ((listed_t) { "bad", OURS, "no id", NULL, { 0 } }, "without a lease's id");
    s_refuse ((listed_t) { "bad", OURS, NULL, NULL, { 0 } }, "without a lease's id");
    s_refuse ((listed_t) { "bad", OURS, GONE_LEASE, name, { 0 } }, "company");
    s_refuse ((listed_t) { "good", OURS, "88888888-8888-7888-8888-888888888888", NULL, { 0 } },
              "two leases");
    static const uint8_t cut [] = { 0x82, 0xa1, 'a' };
    s_refuse ((listed_t) { "bad", NULL, NULL, NULL, { cut, sizeof cut } }, "labels");
}

//  Half a list is none.
static void
test_fails (void **state)
{
    (void) state;
    own (arena) arena = arena_new ();
    berth_error_t err = { 0 };
    place_list_page_t page;
    place_list_t ask = { .after = NULL };
    const listed_t listed [] = { { "good", OURS, GONE_LEASE, NULL, { 0 } } };
    s_fails = true;
    int rc = s_ask (arena, listed, 1, &ask, &page, &err);
    s_fails = false;
    assert_fails (rc, err, BERTH_PROVIDER_TIMEOUT);
    err = (berth_error_t) { 0 };
    assert_fails (proxy_list (&s_without, NULL, OURS, NULL, &ask, 0, arena, &page, &err), err,
                  BERTH_UNSUPPORTED);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_ours), cmocka_unit_test (test_pages), cmocka_unit_test (test_garbage),
        cmocka_unit_test (test_fails),
    };
    return cmocka_run_group_tests_name ("proxy_list", tests, NULL, NULL);
}
