//  test_place.c - a place from its opening to its end, however that comes about.

#include "shim_fixture.h"

#include "cgroup.h"
#include "clock.h"
#include "codec.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static shim_message_t
s_recorded_end (place_t *place, const char *exec)
{
    uint8_t *end = arena_take (place->arena, 4096);
    size_t size;
    shim_message_t message;
    assert_ok (spool_read_end (place_spool (place, exec), end, 4096, &size, &place->err), place->err);
    assert_ok (berth_unpack (&shim_message_schema, (berth_bytes_t) { end, size }, place->arena,
                             &message, &place->err), place->err);
    return message;
}

static shim_record_t
s_record (place_t *place)
{
    uint8_t *data = arena_take (place->arena, 16384);
    int file = open (fixture_path (place->arena, place->place, "shim.msgpack"), O_RDONLY);
    assert_true (file >= 0);
    ssize_t got = read (file, data, 16384);
    close (file);
    shim_record_t record;
    assert_ok (berth_unpack (&shim_record_schema, (berth_bytes_t) { data, (size_t) got },
                             place->arena, &record, &place->err), place->err);
    return record;
}

static bool
s_folder (const char *path)
{
    struct stat status;
    return path && *path && stat (path, &status) == 0;
}

//  Neither socket, nor record, nor cgroup.
static void
s_no_trace (place_t *place, const shim_record_t *record)
{
    assert_int_equal (access (place->socket, F_OK), -1);
    assert_int_equal (access (fixture_path (place->arena, place->place, "shim.msgpack"), F_OK), -1);
    assert_false (s_folder (record->v2) || s_folder (record->memory) || s_folder (record->pids));
}

//  Starts a daemon that left its session and its parent; its pid on the host.
static int64_t
s_daemon (place_t *place, const shim_record_t *record)
{
    const char *exec = place_start (place, NULL,
        "setsid sh -c 'trap \"\" TERM HUP; echo up > /tmp/up.$0; exec sleep 4321' $$ "
        ">/dev/null 2>&1 < /dev/null & until [ -s /tmp/up.$$ ]; do sleep 0.01; done; rm /tmp/up.$$");
    assert_int_equal (place_end (place, exec).exit_code, 0);
    //  By its cgroup, as inside its number is another one
    char path [600], text [4096], name [64], line [64];
    snprintf (path, sizeof path, "%s/cgroup.procs", *record->v2 ? record->v2 : record->pids);
    int file = open (path, O_RDONLY);
    ssize_t got = read (file, text, sizeof text - 1);
    close (file);
    text [got > 0 ? got : 0] = 0;
    char *next = NULL;
    for (char *pid = strtok_r (text, "\n", &next); pid; pid = strtok_r (NULL, "\n", &next)) {
        snprintf (name, sizeof name, "/proc/%.16s/comm", pid);
        FILE *comm = fopen (name, "r");
        bool found = comm && fgets (line, sizeof line, comm) && strcmp (line, "sleep\n") == 0;
        if (comm)
            fclose (comm);
        if (found)
            return strtoll (pid, NULL, 10);
    }
    fail_msg ("the daemon is not in the place's cgroup");
    return 0;
}

static void
s_close_ends_everything (bool walls)
{
    place_t *place = place_new (walls);
    place_open (place);
    shim_record_t record = s_record (place);
    assert_string_equal (record.ends_by, place->opened.ends_by);
    int64_t daemon = s_daemon (place, &record);
    const char *exec = place_start (place, NULL, "trap '' TERM; echo up; while :; do sleep 0.05; done");
    place_await (place, exec, "up");
    const char *gentle = place_start (place, NULL, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done");
    place_await (place, gentle, "up");
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, grace_ms, 300);
    place_send (place, &ask, shim_op_CLOSE, NULL);
    shim_message_t ended = place_end (place, gentle);
    assert_int_equal (ended.cause, exec_cause_LEASE_LOST);
    ended = place_end (place, exec);
    assert_int_equal (ended.cause, exec_cause_LEASE_LOST);
    (void) place_wait (place, shim_op_CLOSED, NULL);
    assert_false (process_lives (daemon));
    assert_string_equal (place_output (place, gentle, SPOOL_STDOUT), "up\nbye\n");
    assert_int_equal (s_recorded_end (place, exec).cause, exec_cause_LEASE_LOST);
    process_gone (place->opened.pid);
    s_no_trace (place, &record);
    //  Closing what is closed is told apart
    assert_fails (shim_link_call_close (place->socket, 0, berth_mono_ms () + WAIT_MS, &place->err),
                  place->err, BERTH_NOT_FOUND);
    assert_ok (shim_link_bury (place->place, berth_mono_ms () + WAIT_MS, &place->err), place->err);
    place_destroy (&place);
}

static void
test_close_ends_everything (void **state)
{
    (void) state;
    s_close_ends_everything (false);
    s_close_ends_everything (true);
}

//  The walls die by themselves: every exec's end says so, and the daemon goes too.
static void
s_walls_die (bool walls)
{
    place_t *place = place_new (walls);
    place_open (place);
    shim_record_t record = s_record (place);
    int64_t daemon = s_daemon (place, &record);
    const char *exec = place_start (place, NULL, "echo up; exec sleep 1000");
    place_await (place, exec, "up");
    assert_int_equal (kill ((pid_t) record.walls_pid, SIGKILL), 0);
    assert_int_equal (place_end (place, exec).cause, exec_cause_PROVIDER_LOST);
    (void) place_wait (place, shim_op_CLOSED, NULL);
    assert_int_equal (s_recorded_end (place, exec).cause, exec_cause_PROVIDER_LOST);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "up\n");
    process_gone (daemon);
    process_gone (place->opened.pid);
    s_no_trace (place, &record);
    place_destroy (&place);
}

static void
test_walls_die (void **state)
{
    (void) state;
    s_walls_die (false);
    s_walls_die (true);
}

//  The shim dies: whoever comes later finds its record and ends the place.
static void
s_shim_dies (bool walls)
{
    place_t *place = place_new (walls);
    place_open (place);
    shim_record_t record = s_record (place);
    assert_int_equal (record.pid, place->opened.pid);
    assert_int_equal (record.start, berth_process_start (record.pid));
    int64_t daemon = s_daemon (place, &record);
    const char *exec = place_start (place, NULL, "echo up; exec sleep 1000");
    place_await (place, exec, "up");
    assert_fails (shim_link_bury (place->place, berth_mono_ms () + WAIT_MS, &place->err), place->err,
                  BERTH_CONFLICT);
    assert_int_equal (kill ((pid_t) record.pid, SIGKILL), 0);
    process_gone (record.pid);
    assert_ok (shim_link_bury (place->place, berth_mono_ms () + WAIT_MS, &place->err), place->err);
    process_gone (daemon);
    s_no_trace (place, &record);
    //  What it had written stays
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "up\n");
    place_destroy (&place);
}

static void
test_shim_dies (void **state)
{
    (void) state;
    s_shim_dies (false);
    s_shim_dies (true);
}

//  An exec goes on while nobody is connected and the spawner is gone, and is read to its end.
static void
test_outlives_its_opener (void **state)
{
    (void) state;
    place_t *place = place_new (true);
    place_open (place);
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, stdin_open, true);
    const char *exec = place_start (place, &ask, "echo one; read line; echo two $line");
    place_await (place, exec, "one");
    shim_link_destroy (&place->link);
    spawner_destroy (&place->spawner);
    assert_ok (shim_link_open (place->socket, berth_mono_ms () + WAIT_MS, &place->link, &place->err),
               place->err);
    shim_message_t hello = place_wait (place, shim_op_HELLO, NULL);
    assert_int_equal (hello.generation, 7);
    assert_int_equal (hello.pid, place->opened.pid);
    shim_message_t write = { 0 };
    berth_bytes_t data = BYTES_OF ("more\n");
    berth_put (shim_message, &write, offset, 0);
    berth_put (shim_message, &write, data, data);
    place_send (place, &write, shim_op_WRITE, exec);
    assert_int_equal (place_end (place, exec).exit_code, 0);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "one\ntwo more\n");
    place_destroy (&place);
}

static void
test_walls_that_cannot_be_built (void **state)
{
    (void) state;
    place_t *place = place_new (true);
    berth_bytes_t args [] = { BYTES_OF ("--ro-bind"), BYTES_OF ("/no/such/folder"), BYTES_OF ("/x") };
    place->open.args_fd = (berth_blobs_t) { 3, args };
    assert_fails (place_try (place), place->err, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (place->err.text, "/no/such/folder"));
    assert_int_equal (access (place->socket, F_OK), -1);
    place_destroy (&place);

    place = place_new (false);
    berth_bytes_t argv [] = { BYTES_OF ("/no/such/program") };
    place->open.argv = (berth_blobs_t) { 1, argv };
    assert_fails (place_try (place), place->err, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (place->err.text, "'/no/such/program' cannot be executed"));
    //  Something else than init
    berth_bytes_t other [] = { BYTES_OF ("/bin/true") };
    place->open.argv = (berth_blobs_t) { 1, other };
    assert_fails (place_try (place), place->err, BERTH_PROVIDER_ERROR);
    place_destroy (&place);
}

static void
test_open_twice (void **state)
{
    (void) state;
    place_t *place = place_new (false);
    place_open (place);
    shim_opened_t kept = place->opened;
    assert_fails (place_try (place), place->err, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (place->err.text, "open already"));
    place->opened = kept;
    assert_int_equal (place_end (place, place_start (place, NULL, "exit 4")).exit_code, 4);
    place_destroy (&place);
}

//  A shim whose opener died is still on its way while the next one is asked for: one opens the place
//  behind the other, and what the first one takes away is its own.
static void
test_open_behind_another (void **state)
{
    (void) state;
    place_t *place = place_new (false);
    char folder [4096];
    snprintf (folder, sizeof folder, "%.*s", (int) place->open.folder.size,
              (const char *) place->open.folder.data);
    int lock = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal (flock (lock, LOCK_EX), 0);
    assert_fails (spawner_open (place->spawner, &place->open, berth_mono_ms () + 200, place->arena,
                                &place->opened, &place->err), place->err, BERTH_PROVIDER_TIMEOUT);
    assert_int_equal (access (place->socket, F_OK), -1);
    close (lock);
    place_open (place);
    for (int round = 0; round < 3; round++)
        assert_int_equal (place_end (place, place_start (place, NULL, "exit 4")).exit_code, 4);
    assert_int_equal (access (place->socket, F_OK), 0);
    place_destroy (&place);
}

//  Walls that never come: the deadline passes, and what was begun is closed again.
static void
test_deadline (void **state)
{
    (void) state;
    place_t *place = place_new (false);
    berth_bytes_t argv [] = { BYTES_OF ("/bin/sleep"), BYTES_OF ("8765") };
    place->open.argv = (berth_blobs_t) { 2, argv };
    assert_fails (spawner_open (place->spawner, &place->open, berth_mono_ms () + 200, place->arena,
                                &place->opened, &place->err), place->err, BERTH_PROVIDER_TIMEOUT);
    //  Its socket goes when everything is taken back
    int64_t until = berth_mono_ms () + WAIT_MS;
    while (access (place->socket, F_OK) == 0 && berth_mono_ms () < until)
        sched_yield ();
    assert_int_equal (access (place->socket, F_OK), -1);
    place_destroy (&place);
}

static void
test_limits (void **state)
{
    (void) state;
    place_t *place = place_new (true);
    shim_limits_t limits = { 0 };
    berth_put (shim_limits, &limits, memory_bytes, 64 * 1048576);
    berth_put (shim_limits, &limits, pids, 20);
    berth_put (shim_limits, &limits, file_bytes, 1048576);
    berth_put (shim_limits, &limits, cpu_seconds, 100);
    berth_put (shim_open, &place->open, limits, &limits);
    berth_put (shim_open, &place->open, limits_required, true);
    place_open (place);
    assert_true (strncmp (place->opened.limits_by, "cgroup", 6) == 0);
    const char *exec = place_start (place, NULL,
        "head -c 200000000 /dev/zero | tail > /dev/null; echo memory $?;"
        "head -c 3000000 /dev/zero > /tmp/big; echo file $?; ulimit -t;"
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do sleep 3 & done; wait");
    shim_message_t ended = place_end (place, exec);
    assert_int_equal (ended.cause, exec_cause_EXITED);
    const char *out = place_output (place, exec, SPOOL_ALL);
    assert_non_null (strstr (out, "memory 137"));
    assert_non_null (strstr (out, "file 153"));
    assert_non_null (strstr (out, "\n100\n"));
    assert_non_null (strstr (out, "Cannot fork"));
    place_destroy (&place);
}

//  Started by root, a place runs as a host user of its own.
static void
test_own_user (void **state)
{
    (void) state;
    if (geteuid () != 0)
        skip ();
    place_t *place = place_new (true);
    berth_put (shim_open, &place->open, uid, 654321);
    place_open (place);
    shim_record_t record = s_record (place);
    char path [64];
    struct stat status;
    snprintf (path, sizeof path, "/proc/%lld", (long long) record.walls_pid);
    assert_int_equal (stat (path, &status), 0);
    assert_int_equal (status.st_uid, 654321);
    const char *exec = place_start (place, NULL,
        "echo again > /dev/stdout; grep -E '^(Groups|NoNewPrivs|CapEff)' /proc/self/status; cat /proc/self/uid_map");
    assert_int_equal (place_end (place, exec).exit_code, 0);
    const char *out = place_output (place, exec, SPOOL_STDOUT);
    assert_non_null (strstr (out, "again\n"));
    assert_non_null (strstr (out, "NoNewPrivs:\t1"));
    assert_non_null (strstr (out, "CapEff:\t0000000000000000"));
    assert_non_null (strstr (out, "654321"));
    shim_message_t ask = { 0 };
    berth_put (shim_message, &ask, tty, true);
    exec = place_start (place, &ask, "tty");
    assert_int_equal (place_end (place, exec).exit_code, 0);
    place_destroy (&place);
}

//  A shim that was told what to execute; *ret_call is its call.
static place_t *
s_dressed (int *ret_call)
{
    place_t *place = place_new (true);
    place->open.spools = (berth_bytes_t) { (uint8_t *) place->folder, strlen (place->folder) };
    shim_dress_t dress = shim_dress_of (&place->open);
    berth_put (shim_dress, &dress, folder, place->open.folder);
    assert_ok (spawner_dress (place->spawner, berth_pack (&shim_dress_schema, &dress, place->arena),
                              berth_mono_ms () + WAIT_MS, ret_call, &place->err), place->err);
    const char *spare = arena_printf (place->arena, "%s/spare", place->place);
    int64_t until = berth_mono_ms () + WAIT_MS;
    while (access (spare, F_OK) && berth_mono_ms () < until)
        sched_yield ();
    assert_int_equal (access (spare, F_OK), 0);
    return place;
}

static void
test_told_in_advance (void **state)
{
    (void) state;
    int call;
    place_t *place = s_dressed (&call);
    assert_ok (spawner_open_on (&call, &place->open, berth_mono_ms () + WAIT_MS, place->arena,
                                &place->opened, &place->err), place->err);
    assert_int_equal (call, -1);
    assert_ok (shim_link_open (place->socket, berth_mono_ms () + WAIT_MS, &place->link, &place->err),
               place->err);
    (void) place_wait (place, shim_op_HELLO, NULL);
    const char *exec = place_start (place, NULL, "echo here; exit 3");
    assert_int_equal (place_end (place, exec).exit_code, 3);
    assert_string_equal (place_output (place, exec, SPOOL_STDOUT), "here\n");
    place_destroy (&place);
}

static void
test_told_something_else (void **state)
{
    (void) state;
    int call;
    place_t *place = s_dressed (&call);
    berth_bytes_t env [] = { BYTES_OF ("PATH=/elsewhere") };
    berth_blobs_t kept = place->open.env;
    place->open.env = (berth_blobs_t) { 1, env };
    assert_fails (spawner_open_on (&call, &place->open, berth_mono_ms () + WAIT_MS, place->arena,
                                   &place->opened, &place->err), place->err, BERTH_PROVIDER_ERROR);
    assert_non_null (strstr (place->err.text, "something else"));
    assert_int_equal (call, -1);
    //  Nothing of it is in the way
    assert_int_equal (access (place->socket, F_OK), -1);
    place->open.env = kept;
    place->err = (berth_error_t) { 0 };
    place_open (place);
    assert_int_equal (place_end (place, place_start (place, NULL, "exit 4")).exit_code, 4);
    place_destroy (&place);
}

static void
test_told_and_never_called (void **state)
{
    (void) state;
    int call;
    place_t *place = s_dressed (&call);
    spawner_hang_up (&call);
    assert_int_equal (call, -1);
    assert_int_equal (access (arena_printf (place->arena, "%s/spare", place->place), F_OK), -1);
    spawner_hang_up (&call);                    //  Nothing happens
    place_destroy (&place);
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_close_ends_everything),
        cmocka_unit_test (test_walls_die),
        cmocka_unit_test (test_shim_dies),
        cmocka_unit_test (test_outlives_its_opener),
        cmocka_unit_test (test_walls_that_cannot_be_built),
        cmocka_unit_test (test_open_twice),
        cmocka_unit_test (test_open_behind_another),
        cmocka_unit_test (test_deadline),
        cmocka_unit_test (test_limits),
        cmocka_unit_test (test_own_user),
        cmocka_unit_test (test_told_in_advance),
        cmocka_unit_test (test_told_something_else),
        cmocka_unit_test (test_told_and_never_called),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
