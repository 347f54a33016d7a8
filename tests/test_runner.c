//  test_runner.c - programs of the host through the spawner: what they are given, what they say, and
//  that they end.

#include "runner.h"

#include "clock.h"
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static spawner_t *s_spawner;
static arena_t *s_arena;

static int
s_setup (void **state)
{
    (void) state;
    //  No shim is asked for: any program will do.
    spawner_options_t options = { .shim_path = "/bin/true" };
    berth_error_t err = { 0 };
    s_arena = arena_new ();
    return spawner_start (&options, &s_spawner, &err);
}

static int
s_teardown (void **state)
{
    (void) state;
    spawner_destroy (&s_spawner);
    arena_destroy (&s_arena);
    return 0;
}

static berth_bytes_t
s_bytes (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

static int
s_run (runner_ask_t *ask, const char *script, int64_t ms, runner_done_t *done, berth_error_t *err)
{
    berth_bytes_t args [] = { s_bytes ("sh"), s_bytes ("-c"), s_bytes (script) };
    berth_bytes_t env [] = { s_bytes ("PATH=/usr/bin:/bin"), s_bytes ("WORD=here") };
    ask->args = (berth_blobs_t) { 3, args };
    ask->env = (berth_blobs_t) { 2, env };
    return runner_run (s_spawner, ask, berth_mono_ms () + ms, s_arena, done, err);
}

static const char *
s_text (berth_bytes_t bytes)
{
    return arena_text (s_arena, (const char *) bytes.data, bytes.size);
}

static void
test_what_it_says (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    runner_done_t done;
    runner_ask_t ask = { .cwd = s_bytes ("/usr") };
    assert_ok (s_run (&ask, "pwd; echo $WORD; echo wrong >&2; cat; exit 7", 20000, &done, &err), err);
    assert_int_equal (done.status, 7);
    assert_string_equal (s_text (done.out), "/usr\nhere\n");
    assert_string_equal (s_text (done.err), "wrong\n");
    ask = (runner_ask_t) { .input = s_bytes ("/etc/hostname") };
    assert_ok (s_run (&ask, "cat >/dev/null && kill -9 $$", 20000, &done, &err), err);
    assert_int_equal (done.status, 128 + SIGKILL);
    ask = (runner_ask_t) { .cwd = s_bytes ("/no/such/folder") };
    assert_ok (s_run (&ask, "true", 20000, &done, &err), err);
    assert_int_equal (done.status, 127);
    //  What is too much is dropped, and the program is not held up.
    ask = (runner_ask_t) { .args = { 0, NULL } };
    assert_ok (s_run (&ask, "seq 1000000; echo end >&2", 60000, &done, &err), err);
    assert_int_equal (done.status, 0);
    assert_int_equal (done.out.size, 262144);
    assert_string_equal (s_text (done.err), "end\n");
}

//  No variable, descriptor or terminal of ours.
static void
test_what_it_has (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    runner_done_t done;
    runner_ask_t ask = { .args = { 0, NULL } };
    assert_ok (s_run (&ask, "env | grep -v ^PWD= | sort", 20000, &done, &err), err);
    assert_string_equal (s_text (done.out), "PATH=/usr/bin:/bin\nWORD=here\n");
    assert_ok (s_run (&ask, "exec ls /proc/self/fd", 20000, &done, &err), err);
    assert_string_equal (s_text (done.out), "0\n1\n2\n3\n");      //  The last is the folder it lists
    if (geteuid () == 0) {
        berth_put (runner_ask, &ask, uid, 65534);
        berth_put (runner_ask, &ask, gid, 65534);
        assert_ok (s_run (&ask, "id -u; id -g; id -G", 20000, &done, &err), err);
        assert_string_equal (s_text (done.out), "65534\n65534\n65534\n");
    }
}

//  With all that it started.
static void
test_it_ends (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    runner_done_t done;
    runner_ask_t ask = { .args = { 0, NULL } };
    int64_t begun_ms = berth_mono_ms ();
    assert_fails (s_run (&ask, "sleep 1000 & sleep 1000", 300, &done, &err), err,
                  BERTH_PROVIDER_TIMEOUT);
    assert_true (berth_mono_ms () - begun_ms < 5000);
    //  What it leaves behind keeps nobody waiting, and is ended.
    ask = (runner_ask_t) { .args = { 0, NULL } };
    err = (berth_error_t) { 0 };
    assert_ok (s_run (&ask, "sleep 1000 & echo $!", 20000, &done, &err), err);
    assert_int_equal (done.status, 0);
    assert_true (berth_mono_ms () - begun_ms < 10000);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_what_it_says), cmocka_unit_test (test_what_it_has),
        cmocka_unit_test (test_it_ends),
    };
    return cmocka_run_group_tests (tests, s_setup, s_teardown);
}
