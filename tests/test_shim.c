//  test_shim.c - execs in an open place: the real spawner, shim and init, without and with walls.

#include "shim_fixture.h"

#include "clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int
s_setup (void **state)
{
    place_t *place = place_new (false);
    place_open (place);
    *state = place;
    return 0;
}

static int
s_setup_walls (void **state)
{
    place_t *place = place_new (true);
    place_open (place);
    *state = place;
    return 0;
}

static int
s_teardown (void **state)
{
    place_t *place = *state;
    place_destroy (&place);
    return 0;
}

static void
test_output_and_exit (void **state)
{
    place_t *place = *state;
    const char *exec = place_start (place, NULL, "echo out; echo err >&2; exit 3");
    shim_message_t ended = place_end (place, exec);
    assert_int_equal (ended.cause, exec_cause_EXITED);
    assert_int_equal (ended.exit_code, 3);
    assert_false (berth_has (shim_message, &ended, signal));
    assert_int_equal (ended.stdout_bytes, 4);
    assert_int_equal (ended.stderr_bytes, 4);
    assert_true (ended.ended_at >= ended.started_at && ended.started_at > 0);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "out\n");
    assert_string_equal (place_output (place, exec, SPOOL_STDERR), "err\n");
}

static void
test_signal (void **state)
{
    place_t *place = *state;
    const char *exec = place_start (place, NULL, "echo up; exec sleep 1000");
    place_await (place, exec, "up");
    shim_message_t signal = { 0 };
    berth_put (shim_message, &signal, signal, SIGINT);
    place_send (place, &signal, shim_op_SIGNAL, exec);
    shim_message_t ended = place_end (place, exec);
    assert_int_equal (ended.cause, exec_cause_SIGNALED);
    assert_int_equal (ended.signal, SIGINT);
    assert_false (berth_has (shim_message, &ended, exit_code));
}

//  TERM is caught by the leader and ignored by a child: both are gone when the end is told.
static void
test_timeout (void **state)
{
    place_t *place = *state;
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, timeout_ms, 100);
    berth_put (shim_message, &ask, grace_ms, 200);
    int64_t before = berth_mono_ms ();
    const char *exec = place_start (place, &ask,
        "(trap '' TERM; echo child; while :; do sleep 1; done) & echo up;"
        "trap 'echo term; exit 0' TERM; while :; do sleep 0.01; done");
    shim_message_t ended = place_end (place, exec);
    assert_int_equal (ended.cause, exec_cause_TIMED_OUT);
    assert_true (ended.timed_out);
    assert_true (berth_mono_ms () - before >= 300);
    assert_non_null (strstr (place_output (place, exec, SPOOL_STDOUT), "term"));
}

static void
test_end_by_policy (void **state)
{
    place_t *place = *state;
    const char *exec = place_start (place, NULL, "echo up; exec sleep 1000");
    place_await (place, exec, "up");
    shim_message_t end = { 0 };
    berth_put (shim_message, &end, cause, exec_cause_KILLED_BY_POLICY);
    berth_put (shim_message, &end, grace_ms, 0);
    place_send (place, &end, shim_op_END, exec);
    shim_message_t ended = place_end (place, exec);
    assert_int_equal (ended.cause, exec_cause_KILLED_BY_POLICY);
    assert_int_equal (ended.signal, SIGKILL);
    assert_false (ended.timed_out);
}

static shim_message_t
s_write (place_t *place, const char *exec, uint64_t offset, const char *text, bool eof)
{
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, offset, offset);
    berth_bytes_t data = { (const uint8_t *) text, strlen (text) };
    berth_put (shim_message, &ask, data, data);
    if (eof)
        berth_put (shim_message, &ask, eof, true);
    place_send (place, &ask, shim_op_WRITE, exec);
    return place_wait (place, shim_op_ACCEPTED, exec);
}

static void
test_stdin (void **state)
{
    place_t *place = *state;
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, stdin_open, true);
    const char *exec = place_start (place, &ask, "cat; echo done");
    assert_int_equal (s_write (place, exec, 0, "hello ", false).offset, 6);
    assert_int_equal (s_write (place, exec, 0, "hello ", false).offset, 6);
    assert_int_equal (s_write (place, exec, 3, "lo world\n", false).offset, 12);
    shim_message_t gap = { 0 };
    berth_put (shim_message, &gap, offset, 20);
    place_send (place, &gap, shim_op_WRITE, exec);
    (void) place_wait (place, shim_op_REFUSED, exec);
    shim_message_t last = s_write (place, exec, 12, "", true);
    assert_true (last.eof && last.offset == 12);
    assert_int_equal (place_end (place, exec).exit_code, 0);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "hello world\ndone\n");

    //  Without a stdin there is an empty one
    exec = place_start (place, NULL, "cat; echo empty");
    (void) place_end (place, exec);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "empty\n");
}

//  A child that does not read holds at most SHIM_STDIN_MAX; then WRITE is accepted in part.
static void
test_stdin_is_bounded (void **state)
{
    place_t *place = *state;
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, stdin_open, true);
    const char *exec = place_start (place, &ask, "trap 'wc -c; exit' USR1; echo up; while :; do sleep 0.01; done");
    place_await (place, exec, "up");
    enum { PIECE = 300000 };
    static char data [PIECE + 1];
    memset (data, 'x', sizeof data - 1);
    uint64_t offset = 0, total = 8 * 1048576;
    for (bool told = false; offset < total;) {
        size_t size = total - offset < PIECE ? (size_t) (total - offset) : PIECE;
        data [size] = 0;
        shim_message_t accepted = s_write (place, exec, offset, data, offset + size == total);
        data [size] = 'x';
        if (accepted.offset < offset + size && !told) {
            assert_true (accepted.offset <= 3 * 1048576);
            shim_message_t signal = { 0 };
            berth_put (shim_message, &signal, signal, SIGUSR1);
            place_send (place, &signal, shim_op_SIGNAL, exec);
            told = true;
        }
        assert_true (accepted.offset >= offset);
        offset = accepted.offset;
        assert_true (told || offset < total);
    }
    (void) place_end (place, exec);
    assert_non_null (strstr (place_output (place, exec, SPOOL_STDOUT), "8388608"));
}

static void
test_terminal (void **state)
{
    place_t *place = *state;
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, tty, true);
    berth_put (shim_message, &ask, cols, 100);
    berth_put (shim_message, &ask, rows, 40);
    const char *exec = place_start (place, &ask,
        "tty; stty size; trap 'stty size; echo resized' WINCH; echo up;"
        "while ! read line; do :; done; echo got $line; cat");
    place_await (place, exec, "up");
    assert_non_null (strstr (place_output (place, exec, SPOOL_STDOUT), "/dev/pts/"));
    assert_non_null (strstr (place_output (place, exec, SPOOL_STDOUT), "40 100"));
    shim_message_t size = { 0 };
    berth_put (shim_message, &size, cols, 132);
    berth_put (shim_message, &size, rows, 50);
    place_send (place, &size, shim_op_RESIZE, exec);
    (void) s_write (place, exec, 0, "word\n", false);
    place_await (place, exec, "got word");
    place_await (place, exec, "50 132");
    (void) s_write (place, exec, 5, "", true);
    assert_int_equal (place_end (place, exec).exit_code, 0);
}

static void
test_background_jobs_survive (void **state)
{
    place_t *place = *state;
    const char *exec = place_start (place, NULL,
        "(while [ ! -e /tmp/berth-go.$PPID ]; do sleep 0.01; done; echo late; echo $$ > /tmp/berth-end.$PPID) &"
        "echo /tmp/berth-go.$PPID /tmp/berth-end.$PPID");
    //  It holds the pipe, and yet the exec ends
    assert_int_equal (place_end (place, exec).cause, exec_cause_EXITED);
    char go [64], end [64];
    assert_int_equal (sscanf (place_output (place, exec, SPOOL_STDOUT), "%63s %63s", go, end), 2);
    //  The next exec finds it alive; its late output harms nobody
    exec = place_start (place, NULL, arena_printf (place->arena,
        "touch %s; while [ ! -s %s ]; do sleep 0.01; done; echo met; rm %s %s", go, end, go, end));
    assert_int_equal (place_end (place, exec).exit_code, 0);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "met\n");
}

static void
test_start_is_repeated (void **state)
{
    place_t *place = *state;
    shim_message_t ask = { 0 };
    const char *exec = place_start (place, &ask, "echo once; exec sleep 1000");
    place_await (place, exec, "once");
    place_send (place, &ask, shim_op_START, exec);
    shim_message_t started = place_wait (place, shim_op_STARTED, exec);
    assert_true (started.pid > 0 && started.stdout_bytes == 5);
    shim_message_t signal = { 0 };
    berth_put (shim_message, &signal, signal, SIGTERM);
    place_send (place, &signal, shim_op_SIGNAL, exec);
    shim_message_t first = place_end (place, exec);
    place_send (place, &ask, shim_op_START, exec);
    shim_message_t again = place_end (place, exec);
    assert_int_equal (again.cause, first.cause);
    assert_int_equal (again.ended_at, first.ended_at);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "once\n");
}

static void
test_start_fails (void **state)
{
    place_t *place = *state;
    const char *argv [] = { "no-such-program", NULL };
    shim_message_t ended = place_end (place, place_start_argv (place, NULL, argv));
    assert_int_equal (ended.cause, exec_cause_START_FAILED);
    assert_string_equal (ended.error, "no such command 'no-such-program'");
    const char *folder [] = { "/tmp", NULL };
    ended = place_end (place, place_start_argv (place, NULL, folder));
    assert_int_equal (ended.cause, exec_cause_START_FAILED);
    assert_non_null (strstr (ended.error, "cannot be executed: Permission denied"));
    shim_message_t ask = { 0 };
    berth_bytes_t cwd = BYTES_OF ("/no/such/folder");
    berth_put (shim_message, &ask, cwd, cwd);
    const char *argv_true [] = { "true", NULL };
    ended = place_end (place, place_start_argv (place, &ask, argv_true));
    assert_int_equal (ended.cause, exec_cause_START_FAILED);
    assert_non_null (strstr (ended.error, "'/no/such/folder' cannot be entered"));
    //  The slot is free again: the place goes on
    assert_int_equal (place_end (place, place_start (place, NULL, "exit 5")).exit_code, 5);
}

static void
test_environment_is_what_was_told (void **state)
{
    place_t *place = *state;
    shim_message_t ask = { 0 };
    berth_bytes_t env [] = { BYTES_OF ("SECRET=a b"), BYTES_OF ("HOME=/elsewhere") };
    berth_blobs_t list = { 2, env };
    berth_put (shim_message, &ask, env, list);
    const char *argv [] = { "env", NULL };
    const char *exec = place_start_argv (place, &ask, argv);
    (void) place_end (place, exec);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT),
                         "PATH=/usr/bin:/bin\nSECRET=a b\nHOME=/elsewhere\n");
}

static void
test_nothing_is_inherited (void **state)
{
    place_t *place = *state;
    //  ls itself opens the folder it lists
    const char *argv [] = { "ls", "/proc/self/fd", NULL };
    const char *exec = place_start_argv (place, NULL, argv);
    (void) place_end (place, exec);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "0\n1\n2\n3\n");
    //  No signal is blocked or ignored, and the group is its own
    exec = place_start (place, NULL,
                        "grep -E '^Sig(Blk|Ign)' /proc/self/status; cut -d' ' -f1,5,6 /proc/$$/stat; umask");
    (void) place_end (place, exec);
    const char *text = place_output (place, exec, SPOOL_STDOUT);
    assert_non_null (strstr (text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
    int pid, group, session;
    assert_int_equal (sscanf (strrchr (text, '\t') + 18, "%d %d %d", &pid, &group, &session), 3);
    assert_true (pid == group && pid == session);
    //  Its streams can be opened again by name
    exec = place_start (place, NULL, "echo again > /dev/stdout; echo more > /dev/stderr");
    (void) place_end (place, exec);
    assert_string_equal (place_output (place, exec, SPOOL_ALL), "again\nmore\n");
}

static void
test_every_connection_sees_everything (void **state)
{
    place_t *place = *state;
    const char *exec = place_start (place, NULL, "echo up; exec sleep 1000");
    place_await (place, exec, "up");
    //  Somebody who connects and is killed changes nothing
    pid_t other = fork ();
    if (other == 0) {
        shim_link_t *link;
        shim_message_t ask = { 0 }, message;
        berth_put (shim_message, &ask, op, shim_op_STATE);
        if (shim_link_open (place->socket, berth_mono_ms () + WAIT_MS, &link, &place->err)
        || shim_link_send (link, &ask, &place->err))
            _exit (1);
        do
            if (shim_link_wait (link, berth_mono_ms () + WAIT_MS, place->arena, &message, &place->err))
                _exit (1);
        while (message.op != shim_op_STARTED || strcmp (message.exec, exec) != 0);
        kill (getpid (), SIGKILL);
    }
    int status;
    assert_int_equal (waitpid (other, &status, 0), other);
    assert_true (WIFSIGNALED (status));
    //  A second one ends the exec, and both are told
    shim_link_t *first = place->link;
    assert_ok (shim_link_open (place->socket, berth_mono_ms () + WAIT_MS, &place->link, &place->err),
               place->err);
    shim_message_t signal = { 0 };
    berth_put (shim_message, &signal, signal, SIGTERM);
    place_send (place, &signal, shim_op_SIGNAL, exec);
    assert_int_equal (place_end (place, exec).signal, SIGTERM);
    //  STATE tells what has ended too
    shim_message_t ask = { 0 };
    place_send (place, &ask, shim_op_STATE, NULL);
    assert_int_equal (place_end (place, exec).signal, SIGTERM);
    shim_link_destroy (&place->link);
    place->link = first;
    assert_int_equal (place_end (place, exec).signal, SIGTERM);
}

static void
test_spool_policies (void **state)
{
    place_t *place = *state;
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, spool_max, 65536);
    const char *exec = place_start (place, &ask, "yes | head -c 1000000; echo last");
    shim_message_t ended = place_end (place, exec);
    assert_true (ended.truncated && ended.stdout_bytes == 1000005);
    assert_non_null (strstr (place_output (place, exec, SPOOL_STDOUT), "last"));

    shim_message_t keep = { 0 };
    berth_put (shim_message, &keep, spool_max, 65536);
    berth_put (shim_message, &keep, on_full, exec_on_full_DROP_NEW);
    exec = place_start (place, &keep, "echo first; yes | head -c 1000000");
    ended = place_end (place, exec);
    assert_true (ended.truncated && ended.stdout_bytes == 1000006);
    assert_memory_equal (place_output (place, exec, SPOOL_STDOUT), "first\ny\ny\n", 10);
    assert_int_equal (strlen (place_output (place, exec, SPOOL_STDOUT)), 65536);
}

//  Under BLOCK the child waits for its reader, and not a byte is lost.
static void
test_spool_blocks (void **state)
{
    place_t *place = *state;
    shim_message_t ask = { 0 };
    enum { TOTAL = 5000000 };
    berth_put (shim_message, &ask, spool_max, 65536);
    berth_put (shim_message, &ask, on_full, exec_on_full_BLOCK);
    const char *exec = place_start (place, &ask, "yes 1234567 | head -c 5000000");
    own (spool_reader) reader = NULL;
    assert_ok (spool_reader_open (place_spool (place, exec), &reader, &place->err), place->err);
    uint64_t offset = 0;
    while (offset < TOTAL) {
        static char data [20000];
        size_t size;
        uint64_t from;
        int of;
        assert_ok (spool_read (reader, SPOOL_ALL, offset, data, sizeof data, &size, &from, &of,
                               &place->err), place->err);
        if (!size) {
            place_progress (place, exec);
            continue;
        }
        assert_int_equal (from, offset);
        for (size_t index = 0; index < size; index++)
            assert_int_equal (data [index], "1234567\n" [(offset + index) % 8]);
        offset += size;
        shim_message_t release = { 0 };
        berth_put (shim_message, &release, offset, offset);
        place_send (place, &release, shim_op_RELEASE, exec);
    }
    shim_message_t ended = place_end (place, exec);
    assert_int_equal (ended.stdout_bytes, TOTAL);
    assert_false (ended.truncated);
}

static void
test_fence (void **state)
{
    place_t *place = *state;
    const char *exec = place_start (place, NULL, "echo up; exec sleep 1000");
    place_await (place, exec, "up");
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, generation, 8);
    place_send (place, &ask, shim_op_FENCE, NULL);
    assert_int_equal (place_wait (place, shim_op_HELLO, NULL).generation, 8);
    assert_int_equal (place_end (place, exec).cause, exec_cause_LEASE_LOST);
    shim_message_t old = { 0 };
    berth_put (shim_message, &old, generation, 7);
    const char *argv [] = { "true", NULL };
    exec = place_start_argv (place, &old, argv);
    assert_non_null (strstr (place_wait (place, shim_op_REFUSED, exec).error, "fenced"));
    shim_message_t fresh = { 0 };
    berth_put (shim_message, &fresh, generation, 8);
    assert_int_equal (place_end (place, place_start (place, &fresh, "exit 0")).exit_code, 0);
}

static void
test_many_execs_at_once (void **state)
{
    place_t *place = *state;
    enum { MANY = 50 };
    const char *execs [MANY];
    for (int index = 0; index < MANY; index++) {
        const char *script = arena_printf (place->arena, "read x < /dev/null; echo %d; exit %d",
                                           index, index);
        const char *argv [] = { "sh", "-c", script, NULL };
        execs [index] = place_start_argv (place, NULL, argv);
    }
    bool seen [MANY] = { false };
    for (int count = 0; count < MANY; count++) {
        shim_message_t ended = place_end (place, NULL);
        int index = (int) ended.exit_code;
        assert_true (index >= 0 && index < MANY && !seen [index]);
        assert_string_equal (ended.exec, execs [index]);
        seen [index] = true;
        assert_string_equal (place_output (place, execs [index], SPOOL_STDOUT),
                             arena_printf (place->arena, "%d\n", index));
    }
}

static void
test_malformed_requests (void **state)
{
    place_t *place = *state;
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, exec, place->id);
    place_send (place, &ask, shim_op_START, place->id);
    (void) place_wait (place, shim_op_REFUSED, NULL);
    place_send (place, &ask, shim_op_HELLO, place->id);
    (void) place_wait (place, shim_op_REFUSED, NULL);
    place_send (place, &ask, shim_op_SIGNAL, place->id);
    (void) place_wait (place, shim_op_REFUSED, NULL);
    //  Nobody can say that an exec ended by itself
    shim_message_t end = { 0 };
    const char *exec = place_start (place, NULL, "exec sleep 100");
    berth_put (shim_message, &end, cause, exec_cause_EXITED);
    place_send (place, &end, shim_op_END, exec);
    (void) place_wait (place, shim_op_REFUSED, exec);
    berth_put (shim_message, &end, cause, exec_cause_KILLED_BY_POLICY);
    place_send (place, &end, shim_op_END, exec);
    assert_int_equal (place_end (place, exec).cause, exec_cause_KILLED_BY_POLICY);
    //  A frame that cannot be: the connection ends, the place does not
    shim_link_t *rude;
    assert_ok (shim_link_open (place->socket, berth_mono_ms () + WAIT_MS, &rude, &place->err),
               place->err);
    uint32_t length = 0xfffffff0;
    assert_int_equal (write (shim_link_fd (rude), &length, 4), 4);
    shim_message_t message;
    assert_ok (shim_link_wait (rude, berth_mono_ms () + WAIT_MS, place->arena, &message, &place->err),
               place->err);
    assert_fails (shim_link_wait (rude, berth_mono_ms () + WAIT_MS, place->arena, &message,
                                  &place->err), place->err, BERTH_PROVIDER_UNAVAILABLE);
    shim_link_destroy (&rude);
    assert_int_equal (place_end (place, place_start (place, NULL, "exit 0")).exit_code, 0);
}

#define BOTH(test)                                                                                 \
    { #test, test, s_setup, s_teardown, NULL },                                                    \
    { #test " behind walls", test, s_setup_walls, s_teardown, NULL }

static void
test_program (void **state)
{
    (void) state;
    berth_error_t err = { 0 };
    char path [4096];
    assert_ok (spawner_find_program ("test_shim", path, sizeof path, &err), err);
    assert_int_equal (access (path, X_OK), 0);
    assert_ok (spawner_find_program ("berth-init", path, sizeof path, &err), err);
    assert_ok (spawner_find_program ("sh", path, sizeof path, &err), err);
    assert_fails (spawner_find_program ("tests", path, sizeof path, &err), err, BERTH_NOT_FOUND);
    assert_fails (spawner_find_program ("no-such-program", path, sizeof path, &err), err, BERTH_NOT_FOUND);
    assert_non_null (strstr (err.text, "no-such-program"));
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_program),
        BOTH (test_output_and_exit),
        BOTH (test_signal),
        BOTH (test_timeout),
        BOTH (test_end_by_policy),
        BOTH (test_stdin),
        BOTH (test_stdin_is_bounded),
        BOTH (test_terminal),
        BOTH (test_background_jobs_survive),
        BOTH (test_start_is_repeated),
        BOTH (test_start_fails),
        BOTH (test_environment_is_what_was_told),
        BOTH (test_nothing_is_inherited),
        BOTH (test_every_connection_sees_everything),
        BOTH (test_spool_policies),
        BOTH (test_spool_blocks),
        BOTH (test_fence),
        BOTH (test_many_execs_at_once),
        BOTH (test_malformed_requests),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
