//  test_trust.c - who may do what: keys, roles, companies, folders, and what a change takes away.

#include "fixture.h"

#include "requests.h"
#include "trust.h"

#include <pthread.h>
#include <stdatomic.h>

#define TEXTS(...) { sizeof ((const char *[]) { __VA_ARGS__ }) / sizeof (char *),                  \
                     (const char *[]) { __VA_ARGS__ } }
#define PATHS(...) { sizeof ((berth_bytes_t []) { __VA_ARGS__ }) / sizeof (berth_bytes_t),         \
                     (berth_bytes_t []) { __VA_ARGS__ } }

static void
test_keys (void **state)
{
    (void) state;
    own (trust) trust = trust_new ();
    const principal_t rows [] = {
        { .id = "zoe", .public_key = "ZZZ", .roles = TEXTS ("observer"), .companies = TEXTS ("*") },
        { .id = "ann", .public_key = "AAA", .roles = TEXTS ("platform", "observer"),
          .companies = TEXTS ("acme", "globex") },
        { .id = "bob", .public_key = "BBB", .roles = TEXTS ("operator"), .companies = TEXTS ("acme"),
          .revoked_at = 7 },
    };
    char name [TRUST_NAME_SIZE];
    standing_t standing;
    assert_false (trust_admits (trust, "AAA", name));
    assert_false (trust_standing (trust, "ann", &standing));
    trust_replace (trust, rows, BERTH_COUNT (rows));
    assert_int_equal (trust_keys (trust), 2);
    assert_true (trust_admits (trust, "AAA", name));
    assert_string_equal (name, "ann");
    assert_true (trust_admits (trust, "ZZZ", name));
    assert_false (trust_admits (trust, "BBB", name));       //  Revoked
    assert_false (trust_admits (trust, "AA", name));
    assert_false (trust_admits (trust, "", name));
    assert_true (trust_standing (trust, "ann", &standing));
    assert_int_equal (standing.roles, ROLE_PLATFORM | ROLE_OBSERVER);
    assert_false (standing.everywhere);
    assert_true (trust_standing (trust, "zoe", &standing));
    assert_true (standing.everywhere);
    assert_false (trust_standing (trust, "bob", &standing));
    assert_false (trust_standing (trust, "nobody", &standing));
}

static void
test_companies (void **state)
{
    (void) state;
    own (trust) trust = trust_new ();
    trust_add_local (trust, "operator", ROLE_OPERATOR, (berth_strs_t) { 0, NULL });
    trust_add_local (trust, "ipc:ci", ROLE_PLATFORM, (berth_strs_t) TEXTS ("acme"));
    const principal_t row = { .id = "ann", .public_key = "A", .roles = TEXTS ("platform"),
                              .companies = TEXTS ("acme", "globex") };
    trust_replace (trust, &row, 1);
    static const struct { const char *name, *company; bool sees; } cases [] = {
        { "operator", "acme", true }, { "operator", "x", true }, { "ipc:ci", "acme", true },
        { "ipc:ci", "globex", false }, { "ann", "acme", true }, { "ann", "globex", true },
        { "ann", "acme2", false }, { "ann", "acm", false }, { "ann", "", false }, { "ann", "*", false },
        { "nobody", "acme", false },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++)
        if (trust_sees (trust, cases [index].name, cases [index].company) != cases [index].sees)
            fail_msg ("%s and %s", cases [index].name, cases [index].company);
}

static void
test_roots (void **state)
{
    (void) state;
    own (trust) trust = trust_new ();
    const principal_t row = { .id = "ann", .public_key = "A", .roles = TEXTS ("platform"),
                              .companies = TEXTS ("acme"),
                              .roots = PATHS (BYTES_OF ("/srv/ann/"), BYTES_OF ("/data")) };
    trust_replace (trust, &row, 1);
    static const struct { const char *path; bool lies; } cases [] = {
        { "/srv/ann", true }, { "/srv/ann/x/y", true }, { "/srv/ann/", true }, { "/data/1", true },
        { "/srv/anna", false }, { "/srv", false }, { "/", false }, { "", false }, { "srv/ann", false },
        { "/srv/ann/../bob", false }, { "/srv/ann/..", false }, { "/srv/ann/./x", false },
        { "/srv//ann", false }, { "/srv/ann/..x", true }, { "/shared/a", false },
    };
    for (size_t index = 0; index < BERTH_COUNT (cases); index++)
        if (trust_roots (trust, "ann", (berth_bytes_t) { (const uint8_t *) cases [index].path,
                                                        strlen (cases [index].path) })
            != cases [index].lies)
            fail_msg ("%s", cases [index].path);
    assert_false (trust_roots (trust, "bob", BYTES_OF ("/srv/ann")));
    trust_set_roots (trust, (berth_blobs_t) PATHS (BYTES_OF ("/shared")));
    assert_true (trust_roots (trust, "ann", BYTES_OF ("/shared/a")));
    assert_true (trust_roots (trust, "bob", BYTES_OF ("/shared/a")));
}

//  More rights disturb nobody; fewer are told.
static void
test_narrowing (void **state)
{
    (void) state;
    own (trust) trust = trust_new ();
    principal_t row = { .id = "ann", .public_key = "A", .roles = TEXTS ("platform"),
                        .companies = TEXTS ("acme") };
    standing_t first, now;
    trust_replace (trust, &row, 1);
    assert_int_equal (trust_narrowed (trust), 0);
    assert_true (trust_standing (trust, "ann", &first));
    const struct { principal_t row; bool narrower, revoked; } steps [] = {
        { { .roles = TEXTS ("platform"), .companies = TEXTS ("acme") }, false, false },
        { { .roles = TEXTS ("platform", "operator"), .companies = TEXTS ("acme", "b") }, false, false },
        { { .roles = TEXTS ("operator"), .companies = TEXTS ("acme", "b") }, true, false },
        { { .roles = TEXTS ("operator"), .companies = TEXTS ("b", "c") }, true, false },
        { { .roles = TEXTS ("operator"), .companies = TEXTS ("*") }, false, false },
        { { .roles = TEXTS ("operator"), .companies = TEXTS ("b") }, true, false },
        { { .roles = TEXTS ("operator"), .companies = TEXTS ("b"), .revoked_at = 1 }, true, true },
        { { .roles = TEXTS ("operator"), .companies = TEXTS ("b"), .revoked_at = 1 }, false, false },
    };
    for (size_t index = 0; index < BERTH_COUNT (steps); index++) {
        uint64_t narrowed = trust_narrowed (trust), revoked = trust_revoked (trust);
        row = steps [index].row;
        row.id = "ann";
        row.public_key = "A";
        trust_replace (trust, &row, 1);
        assert_int_equal (trust_version (trust), index + 2);
        assert_int_equal (trust_narrowed (trust) != narrowed, steps [index].narrower);
        assert_int_equal (trust_revoked (trust) != revoked, steps [index].revoked);
        if (row.revoked_at)
            continue;
        assert_true (trust_standing (trust, "ann", &now));
        assert_int_equal (now.narrowed != first.narrowed, steps [index].narrower);
        first = now;
    }
}

//  Others ask while it is replaced.
static trust_t *s_trust;
static atomic_bool s_stop;
static void *
s_ask (void *context)
{
    char name [TRUST_NAME_SIZE];
    size_t *asked = context;
    while (!s_stop || *asked == 0) {
        assert_true (trust_admits (s_trust, "key-50", name));
        assert_string_equal (name, "name-50");
        assert_true (trust_sees (s_trust, name, "acme"));
        ++*asked;
    }
    return NULL;
}

static void
test_replaced_while_asked (void **state)
{
    (void) state;
    enum { COUNT = 100 };
    own (arena) arena = arena_new ();
    static const char *const roles [] = { "platform" }, *const companies [] = { "acme" };
    principal_t rows [COUNT];
    for (int index = 0; index < COUNT; index++)
        rows [index] = (principal_t) {
            .id = arena_printf (arena, "name-%d", index), .roles = { 1, roles },
            .public_key = arena_printf (arena, "key-%d", index), .companies = { 1, companies },
        };
    s_trust = trust_new ();
    s_stop = false;
    trust_replace (s_trust, rows, COUNT);
    pthread_t thread;
    size_t asked = 0;
    assert_int_equal (pthread_create (&thread, NULL, s_ask, &asked), 0);
    for (int turn = 0; turn < 300; turn++)
        trust_replace (s_trust, rows, COUNT);
    s_stop = true;
    pthread_join (thread, NULL);
    trust_destroy (&s_trust);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_keys), cmocka_unit_test (test_companies),
        cmocka_unit_test (test_roots), cmocka_unit_test (test_narrowing),
        cmocka_unit_test (test_replaced_while_asked),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
