//  test_shim_hostile.c - what runs in the place of berth-init says what no init would.
//
//  The shim ends such a place; what it tells of its execs can be read.

#include "shim_fixture.h"

#include "clock.h"

#include <stdio.h>

//  Takes a START, then reports as asked: op, slot and value of each report in turn.
static const char s_init [] =
    "import os, socket, struct, sys\n"
    "bus = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=int(sys.argv[1]))\n"
    "bus.send(struct.pack('IIiI', 1, 0, 1, 0))\n"
    "bus.recvmsg(64, 256)\n"
    "for report in sys.argv[2:]:\n"
    "    op, slot, value = report.split(',')\n"
    "    bus.send(struct.pack('IIiI', int(op), int(slot), int(value), 0))\n"
    "bus.recv(64)\n";

static shim_message_t
s_end (place_t *place, const char *first, const char *second)
{
    const char *argv [] = { "/usr/bin/python3", "-c", s_init, "{INIT_FD}", first, second };
    berth_bytes_t *items = arena_array (place->arena, BERTH_COUNT (argv), berth_bytes_t);
    for (size_t index = 0; index < BERTH_COUNT (argv); index++)
        items [index] = (berth_bytes_t) { (const uint8_t *) argv [index], strlen (argv [index]) };
    place->open.argv = (berth_blobs_t) { BERTH_COUNT (argv), items };
    place_open (place);
    const char *command [] = { "true", NULL };
    const char *exec = place_start_argv (place, NULL, command);
    shim_message_t message = place_end (place, exec);
    (void) place_wait (place, shim_op_CLOSED, NULL);
    return message;
}

static void
s_lost (const char *first, const char *second)
{
    place_t *place = place_new (false);
    shim_message_t message = s_end (place, first, second);
    assert_int_equal (message.cause, exec_cause_PROVIDER_LOST);
    assert_false (berth_has (shim_message, &message, exit_code));
    place_destroy (&place);
}

static void
test_signal_that_is_none (void **state)
{
    (void) state;
    s_lost ("2,0,7", "4,0,100");
}

static void
test_stop_for_an_end (void **state)
{
    (void) state;
    s_lost ("2,0,7", "4,0,4991");           //  0x137f: stopped by SIGSTOP
}

static void
test_slot_of_nobody (void **state)
{
    (void) state;
    s_lost ("2,0,7", "4,9,0");
}

static void
test_end_before_the_start (void **state)
{
    (void) state;
    s_lost ("4,0,0", "2,0,7");
}

int
main (void)
{
    const struct CMUnitTest tests [] = {
        cmocka_unit_test (test_signal_that_is_none), cmocka_unit_test (test_stop_for_an_end),
        cmocka_unit_test (test_slot_of_nobody), cmocka_unit_test (test_end_before_the_start),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
