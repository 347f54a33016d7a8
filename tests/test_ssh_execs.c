//  test_ssh_execs.c - owns what driver ssh promises of commands: streams, signals, and no byte lost when a
//  connection breaks.
//
//  timeout: 300

#include "ssh_yard.h"

#include "codec.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void
s_streams_signals_and_stdin (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    ear_t ear = yard_listen (yard, &place);
    shim_message_t start = { 0 }, heard;
    const char *exec = yard_start (yard, &ear, &start, "echo out; echo err >&2; exit 3");
    heard = yard_hear (&ear, shim_op_ENDED, exec);
    assert_int_equal (heard.cause, exec_cause_EXITED);
    assert_int_equal (heard.exit_code, 3);
    assert_string_equal (yard_output (yard, exec, SPOOL_STDOUT), "out\n");
    assert_string_equal (yard_output (yard, exec, SPOOL_STDERR), "err\n");
    //  Values of the environment and stdin stand in no argv, on neither machine (here: the same).
    start = (shim_message_t) { 0 };
    berth_bytes_t env [] = { BYTES_OF ("TOKEN=very-secret-indeed") };
    berth_put (shim_message, &start, env, ((berth_blobs_t) { 1, env }));
    berth_put (shim_message, &start, stdin_open, true);
    exec = yard_start (yard, &ear, &start, "read line; echo \"$TOKEN\" $line;"
                    "cat /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c secret-in[d]eed");
    (void) yard_hear (&ear, shim_op_STARTED, exec);
    shim_message_t write = { 0 };
    berth_put (shim_message, &write, data, BYTES_OF ("and-secret-indeed\n"));
    berth_put (shim_message, &write, eof, true);
    yard_send (&ear, &write, shim_op_WRITE, exec);
    assert_int_equal (yard_hear (&ear, shim_op_ACCEPTED, exec).offset, 18);
    (void) yard_hear (&ear, shim_op_ENDED, exec);
    assert_string_equal (yard_output (yard, exec, SPOOL_STDOUT),
                         "very-secret-indeed and-secret-indeed\n0\n");
    //  A signal, a timeout.
    start = (shim_message_t) { 0 };
    exec = yard_start (yard, &ear, &start, "exec tail -f /dev/null");
    (void) yard_hear (&ear, shim_op_STARTED, exec);
    shim_message_t signal = { 0 };
    berth_put (shim_message, &signal, signal, SIGUSR1);
    yard_send (&ear, &signal, shim_op_SIGNAL, exec);
    heard = yard_hear (&ear, shim_op_ENDED, exec);
    assert_int_equal (heard.cause, exec_cause_SIGNALED);
    assert_int_equal (heard.signal, SIGUSR1);
    berth_put (shim_message, &start, timeout_ms, 50);
    exec = yard_start (yard, &ear, &start, "exec tail -f /dev/null");
    heard = yard_hear (&ear, shim_op_ENDED, exec);
    assert_int_equal (heard.cause, exec_cause_TIMED_OUT);
    //  A terminal of that size.
    start = (shim_message_t) { 0 };
    berth_put (shim_message, &start, tty, true);
    berth_put (shim_message, &start, cols, 71);
    berth_put (shim_message, &start, rows, 17);
    exec = yard_start (yard, &ear, &start, "tty >/dev/null && stty size");
    assert_int_equal (yard_hear (&ear, shim_op_ENDED, exec).exit_code, 0);
    assert_string_equal (yard_output (yard, exec, SPOOL_STDOUT), "17 71\r\n");
    //  What cannot be started says so.
    start = (shim_message_t) { 0 };
    berth_put (shim_message, &start, cwd, BYTES_OF ("/no/such"));
    exec = yard_start (yard, &ear, &start, "true");
    heard = yard_hear (&ear, shim_op_ENDED, exec);
    assert_int_equal (heard.cause, exec_cause_START_FAILED);
    shim_link_destroy (&ear.link);
    house_release (house, &ask, &place);
}

//  The connection is cut while output flows, and stays down for a while: all of it is there.
static void
s_cut_in_mid_stream (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    const char *cwd = any_text (place.metadata, "remoteCwd", house->arena);
    ear_t ear = yard_listen (yard, &place);
    static const exec_on_full_t policies [] = {
        exec_on_full_DROP_OLDEST, exec_on_full_DROP_NEW, exec_on_full_BLOCK
    };
    for (unsigned round = 0; round < BERTH_COUNT (policies); round++) {
        shim_message_t start = { 0 };
        berth_put (shim_message, &start, stdin_open, true);
        berth_put (shim_message, &start, on_full, policies [round]);
        const char *exec = yard_start (yard, &ear, &start, arena_printf (house->arena,
            "seq 1 100000; touch half%u; until [ -e go%u ]; do sleep 0.02; done;"
            "seq 100001 200000; touch written%u; cat", round, round, round));
        yard_wait_for (arena_printf (house->arena, "%s/half%u", cwd, round));
        sshd_stop (&yard->sshd);
        file_put (arena_printf (house->arena, "%s/go%u", cwd, round), "");
        yard_wait_for (arena_printf (house->arena, "%s/written%u", cwd, round));
        //  What is said meanwhile arrives, once.
        shim_message_t write = { 0 };
        berth_put (shim_message, &write, data, BYTES_OF ("200001\n"));
        berth_put (shim_message, &write, eof, true);
        yard_send (&ear, &write, shim_op_WRITE, exec);
        //  And who starts something now waits for it.
        start = (shim_message_t) { 0 };
        const char *later = yard_start (yard, &ear, &start, "echo later");
        sshd_start (&yard->sshd);
        shim_message_t heard = yard_hear (&ear, shim_op_ENDED, exec);
        assert_int_equal (heard.cause, exec_cause_EXITED);
        assert_int_equal (heard.exit_code, 0);
        yard_is_sequence (yard_output (yard, exec, SPOOL_STDOUT), 200001);
        if (!spool_started (yard_spool (yard, later)))
            fail_msg ("the later exec has no spool");
        while (!strlen (yard_output (yard, later, SPOOL_STDOUT)))
            (void) yard_hear (&ear, shim_op_ENDED, later);
        assert_string_equal (yard_output (yard, later, SPOOL_STDOUT), "later\n");
    }
    //  Only the sessions die; an end that came meanwhile is told.
    shim_message_t start = { 0 };
    const char *exec = yard_start (yard, &ear, &start, "until [ -e end ]; do sleep 0.02; done; exit 9");
    (void) yard_hear (&ear, shim_op_STARTED, exec);
    file_put (arena_printf (house->arena, "%s/end", cwd), "");
    sshd_cut (&yard->sshd);
    assert_int_equal (yard_hear (&ear, shim_op_ENDED, exec).exit_code, 9);
    shim_link_destroy (&ear.link);
    house_release (house, &ask, &place);
}

//  Small spools: what the policy drops is dropped, the rest is whole, also across a cut.
static void
s_small_spools_cross (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    ear_t ear = yard_listen (yard, &place);
    for (unsigned round = 0; round < 2; round++) {
        shim_message_t start = { 0 };
        berth_put (shim_message, &start, spool_max, 65536);
        berth_put (shim_message, &start, on_full, round ? exec_on_full_DROP_NEW
                                                        : exec_on_full_DROP_OLDEST);
        const char *exec = yard_start (yard, &ear, &start,
                                    "seq 1 30000; sleep 0.3; seq 30001 60000; echo last");
        (void) yard_hear (&ear, shim_op_OUTPUT, exec);
        sshd_cut (&yard->sshd);
        shim_message_t heard = yard_hear (&ear, shim_op_ENDED, exec);
        assert_true (heard.truncated);
        assert_int_equal (heard.stdout_bytes, 348894 + 5);
        spool_reader_t *reader;
        spool_size_t size;
        berth_error_t err = { 0 };
        assert_ok (spool_reader_open (yard_spool (yard, exec), &reader, &err), err);
        assert_ok (spool_reader_size (reader, &size, &err), err);
        assert_int_equal (size.stdout_bytes, heard.stdout_bytes);
        assert_true (size.truncated);
        char data [8];
        size_t got;
        uint64_t from;
        int stream;
        uint64_t at = round ? 0 : heard.stdout_bytes - 5;
        assert_ok (spool_read (reader, SPOOL_STDOUT, at, data, 5, &got, &from, &stream, &err), err);
        assert_int_equal (from, at);
        assert_memory_equal (data, round ? "1\n2\n3" : "last\n", 5);
        spool_reader_destroy (&reader);
    }
    shim_link_destroy (&ear.link);
    house_release (house, &ask, &place);
}

static void
s_fifty_at_once (void **state)
{
    enum { MANY = 50 };
    yard_t *yard = *state;
    house_t *house = &yard->house;
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    ear_t ear = yard_listen (yard, &place);
    const char *execs [MANY];
    for (unsigned index = 0; index < MANY; index++) {
        shim_message_t start = { 0 };
        execs [index] = yard_start (yard, &ear, &start, arena_printf (house->arena,
                                 "touch up%u; until [ -e all ]; do sleep 0.05; done;"
                                 "seq 1 20000; exit %u", index, index));
    }
    const char *cwd = any_text (place.metadata, "remoteCwd", house->arena);
    for (unsigned index = 0; index < MANY; index++)     //  All of them at once
        yard_wait_for (arena_printf (house->arena, "%s/up%u", cwd, index));
    file_put (arena_printf (house->arena, "%s/all", cwd), "");
    for (unsigned left = MANY; left; left--) {
        shim_message_t heard = yard_hear (&ear, shim_op_ENDED, NULL);
        for (unsigned index = 0; index < MANY; index++)
            if (strcmp (execs [index], heard.exec) == 0)
                assert_int_equal (heard.exit_code, index);
    }
    for (unsigned index = 0; index < MANY; index++)
        yard_is_sequence (yard_output (yard, execs [index], SPOOL_STDOUT), 20000);
    shim_link_destroy (&ear.link);
    house_release (house, &ask, &place);
}

//  The shim there dies: what was written stays, the end is not invented.
static void
s_a_shim_that_dies_there (void **state)
{
    yard_t *yard = *state;
    house_t *house = &yard->house;
    place_open_t ask = house_ask (house, NULL);
    place_opened_t place = house_acquire (house, &ask);
    ear_t ear = yard_listen (yard, &place);
    shim_message_t start = { 0 };
    const char *exec = yard_start (yard, &ear, &start, "seq 1 5000; exec tail -f /dev/null");
    (void) yard_hear (&ear, shim_op_STARTED, exec);
    while (strlen (yard_output (yard, exec, SPOOL_STDOUT)) < 23893)
        (void) yard_hear (&ear, shim_op_OUTPUT, exec);
    const char *record = arena_printf (house->arena, "%s/.berth/%s/shim.msgpack", yard->sshd.base,
                                       ask.lease);
    uint8_t data [4096];
    FILE *file = fopen (record, "re");
    assert_non_null (file);
    size_t size = fread (data, 1, sizeof data, file);
    fclose (file);
    shim_record_t there;
    berth_error_t err = { 0 };
    assert_ok (berth_unpack (&shim_record_schema, (berth_bytes_t) { data, size }, house->arena, &there,
                             &err), err);
    assert_int_equal (kill ((pid_t) there.pid, SIGKILL), 0);
    shim_message_t heard = yard_hear (&ear, shim_op_ENDED, exec);
    assert_int_equal (heard.cause, exec_cause_PROVIDER_LOST);
    yard_is_sequence (yard_output (yard, exec, SPOOL_STDOUT), 5000);
    (void) yard_hear (&ear, shim_op_CLOSED, NULL);
    shim_link_destroy (&ear.link);
    house_release (house, &ask, &place);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, yard_setup, yard_teardown)

int
main (int argc, char **argv)
{
    const char *why;
    if (!sshd_is_there (&why)) {
        printf ("SKIP: %s\n", why);
        return 77;
    }
    if (argc > 1)
        cmocka_set_test_filter (argv [1]);
    const struct CMUnitTest tests [] = {
        TEST (s_streams_signals_and_stdin), TEST (s_cut_in_mid_stream), TEST (s_small_spools_cross),
        TEST (s_fifty_at_once), TEST (s_a_shim_that_dies_there)
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
