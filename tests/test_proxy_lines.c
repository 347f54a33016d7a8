//  test_proxy_lines.c - calls of companies take turns before a provider.

#include "fixture.h"

#include "proxy_lines.h"

#include <stdio.h>

static void
s_push (proxy_lines_t *lines, const char *company, uint64_t mark)
{
    call_t *call = calloc (1, sizeof *call);
    assert_non_null (call);
    call->letter.credit = mark;
    proxy_lines_push (lines, company, &call);
    assert_null (call);
}

static uint64_t
s_pop (proxy_lines_t *lines)
{
    call_t *call = proxy_lines_pop (lines);
    uint64_t mark = call ? call->letter.credit : 0;
    free (call);
    return mark;
}

static void
test_turns (void **state)
{
    (void) state;
    own (proxy_lines) lines = proxy_lines_new ();
    assert_int_equal (s_pop (lines), 0);
    for (uint64_t mark = 1; mark <= 1000; mark++)
        s_push (lines, "greedy", mark);
    assert_int_equal (s_pop (lines), 1);
    s_push (lines, "modest", 5001);
    s_push (lines, "modest", 5002);
    s_push (lines, "", 6001);                   //  Calls that nobody's company asked for
    static const uint64_t turns [] = { 2, 5001, 6001, 3, 5002, 4, 5 };
    for (size_t index = 0; index < BERTH_COUNT (turns); index++)
        assert_int_equal (s_pop (lines), turns [index]);
    s_push (lines, "modest", 5003);             //  Back again: behind the one whose turn it is
    assert_int_equal (s_pop (lines), 6);
    assert_int_equal (s_pop (lines), 5003);
    assert_int_equal (proxy_lines_count (lines), 994);
}

//  Those whose time is over leave their lines; the others keep their turns.
static void
test_expired (void **state)
{
    (void) state;
    own (proxy_lines) lines = proxy_lines_new ();
    for (uint64_t mark = 1; mark <= 30; mark++) {
        call_t *call = calloc (1, sizeof *call);
        assert_non_null (call);
        call->letter.credit = mark;
        call->until_ms = mark % 3 == 1 ? 100 : 200;     //  All of company "a"
        proxy_lines_push (lines, mark % 3 == 1 ? "a" : mark % 3 == 2 ? "b" : "c", &call);
    }
    assert_null (proxy_lines_expired (lines, 99));
    call_t *expired = proxy_lines_expired (lines, 100);
    for (uint64_t mark = 1; mark <= 30; mark += 3) {
        assert_non_null (expired);
        assert_int_equal (expired->letter.credit, mark);
        call_t *next = expired->next;
        free (expired);
        expired = next;
    }
    assert_null (expired);
    assert_int_equal (proxy_lines_count (lines), 20);
    s_push (lines, "a", 99);                    //  Its line begins anew, behind the others
    static const uint64_t turns [] = { 2, 3, 99, 5, 6, 8, 9 };
    for (size_t index = 0; index < BERTH_COUNT (turns); index++)
        assert_int_equal (s_pop (lines), turns [index]);
    while ((expired = proxy_lines_expired (lines, 1000)))
        while (expired) {
            call_t *next = expired->next;
            free (expired);
            expired = next;
        }
    assert_int_equal (proxy_lines_count (lines), 0);
    assert_null (proxy_lines_pop (lines));
    s_push (lines, "b", 7);
    assert_int_equal (s_pop (lines), 7);
}

static void
test_many_companies (void **state)
{
    (void) state;
    own (proxy_lines) lines = proxy_lines_new ();
    for (uint64_t round = 0; round < 3; round++)
        for (uint64_t company = 0; company < 2000; company++) {
            char name [32];
            snprintf (name, sizeof name, "c%llu", (unsigned long long) company);
            s_push (lines, name, round * 10000 + company + 1);
        }
    for (uint64_t round = 0; round < 3; round++)
        for (uint64_t company = 0; company < 2000; company++)
            assert_int_equal (s_pop (lines), round * 10000 + company + 1);
    assert_int_equal (s_pop (lines), 0);
    s_push (lines, "left", 1);                  //  Goes with the lines
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_turns), cmocka_unit_test (test_expired), cmocka_unit_test (test_many_companies),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
