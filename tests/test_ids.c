//  test_ids.c - ids sort in the order they were made, whatever the clock does.

#include "fixture.h"

#include "clock.h"
#include "ids.h"

#include <pthread.h>

//  The linker puts this in the place of the clock (--wrap).
static int64_t s_wall_ms = 1700000000000;
int64_t __wrap_berth_wall_ms (void);
int64_t
__wrap_berth_wall_ms (void)
{
    return __atomic_load_n (&s_wall_ms, __ATOMIC_RELAXED);
}

static uint64_t
s_time_of (const char *text)
{
    uint8_t bytes [16];
    assert_int_equal (berth_id_parse (text, bytes), 0);
    uint64_t time_ms = 0;
    for (int index = 0; index < 6; index++)
        time_ms = time_ms << 8 | bytes [index];
    return time_ms;
}

static void
s_form_is_rfc_9562_version_7 (void **state)
{
    (void) state;
    for (int round = 0; round < 1000; round++) {
        char text [BERTH_ID_SIZE];
        s_wall_ms++;
        berth_id_new (text);
        assert_true (berth_id_is (text));
        assert_int_equal (text [14], '7');
        assert_non_null (strchr ("89ab", text [19]));
        assert_true (s_time_of (text) == (uint64_t) s_wall_ms);
    }
}

static void
s_order_holds_under_a_stepping_clock (void **state)
{
    (void) state;
    char before [BERTH_ID_SIZE] = "", text [BERTH_ID_SIZE];
    fixture_random_t random = { 7 };
    int64_t latest = s_wall_ms;
    for (int round = 0; round < 50000; round++) {
        switch (fixture_below (&random, 50)) {
            case 0: s_wall_ms -= 3600000; break;
            case 1: s_wall_ms += (int64_t) fixture_below (&random, 7200000); break;
            case 2: s_wall_ms += 1; break;
            default: break;         //  It stands still
        }
        latest = s_wall_ms > latest ? s_wall_ms : latest;
        berth_id_new (text);
        assert_true (strcmp (before, text) < 0);
        memcpy (before, text, sizeof before);
    }
    //  It borrows from the future no more than the counter's overflows.
    assert_true (s_time_of (text) <= (uint64_t) latest + 50000 / 2048);
}

enum { THREADS = 8, EACH = 5000 };
static char s_made [THREADS] [EACH] [BERTH_ID_SIZE];

static void *
s_make (void *arg)
{
    char (*mine) [BERTH_ID_SIZE] = arg;
    for (int index = 0; index < EACH; index++)
        berth_id_new (mine [index]);
    return NULL;
}

static int
s_compare (const void *left, const void *right)
{
    return strcmp (left, right);
}

static void
s_threads_never_make_the_same (void **state)
{
    (void) state;
    pthread_t threads [THREADS];
    for (int index = 0; index < THREADS; index++)
        assert_int_equal (pthread_create (&threads [index], NULL, s_make, s_made [index]), 0);
    for (int index = 0; index < THREADS; index++)
        assert_int_equal (pthread_join (threads [index], NULL), 0);
    for (int thread = 0; thread < THREADS; thread++)
        for (int index = 1; index < EACH; index++)
            assert_true (strcmp (s_made [thread] [index - 1], s_made [thread] [index]) < 0);
    qsort (s_made, THREADS * EACH, BERTH_ID_SIZE, s_compare);
    char (*all) [BERTH_ID_SIZE] = &s_made [0] [0];
    for (int index = 1; index < THREADS * EACH; index++) {
        //  Different already in time and counter: order between threads is real, too.
        assert_true (strncmp (all [index - 1], all [index], 18) < 0);
    }
}

static void
s_only_canonical_text_is_an_id (void **state)
{
    (void) state;
    static const char good [] = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
    assert_true (berth_id_is (good));
    assert_false (berth_id_is (NULL));
    assert_false (berth_id_is (""));
    assert_false (berth_id_is ("0190A1B2-C3D4-7E5F-8A9B-0C1D2E3F4A5B"));
    assert_false (berth_id_is ("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5bb"));
    assert_false (berth_id_is ("0190a1b2c3d4-7e5f-8a9b-0c1d2e3f4a5b--"));
    for (size_t size = 0; size < sizeof good - 1; size++) {
        char cut [sizeof good];
        memcpy (cut, good, size);
        cut [size] = 0;
        assert_false (berth_id_is (cut));
        memcpy (cut, good, sizeof good);
        cut [size] = 'g';
        assert_false (berth_id_is (cut));
    }
    uint8_t bytes [16], untouched [16] = { 0 };
    char text [BERTH_ID_SIZE];
    assert_int_equal (berth_id_parse (good, bytes), 0);
    berth_id_text (bytes, text);
    assert_string_equal (text, good);
    assert_int_equal (berth_id_parse ("0190a1b2-", untouched), -1);
    for (int index = 0; index < 16; index++)
        assert_int_equal (untouched [index], 0);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (s_form_is_rfc_9562_version_7),
        cmocka_unit_test (s_order_holds_under_a_stepping_clock),
        cmocka_unit_test (s_threads_never_make_the_same),
        cmocka_unit_test (s_only_canonical_text_is_an_id),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
