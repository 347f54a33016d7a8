//  ssh_yard.h - what the tests of driver ssh share: a house with an sshd, and an ear at a place's relay.

#ifndef BERTH_SSH_YARD_H_INCLUDED
#define BERTH_SSH_YARD_H_INCLUDED

#include "place_fixture.h"
#include "shim_link.h"
#include "spool.h"
#include "sshd_fixture.h"

typedef struct {
    house_t house;
    sshd_t sshd;
} yard_t;

typedef struct {
    shim_link_t *link;
    arena_t *arena;
    shim_message_t ended;
    unsigned stalls;
} ear_t;

//  Of cmocka: a house, an sshd, and the config that fits it.
int yard_setup (void **state);
int yard_teardown (void **state);

//  Acquires with a config, and must fail so in about that time; nothing is left, and a remedy is told.
berth_error_t yard_refused (yard_t *yard, const char *config, int64_t ms);

//  Connects to the relay of a place; shim_link_destroy (&ear.link) ends it.
ear_t yard_listen (yard_t *yard, const place_opened_t *place);

//  Sends a START of a script with these options; the id of the exec.
const char *yard_start (yard_t *yard, ear_t *ear, shim_message_t *start, const char *script);
void yard_send (ear_t *ear, shim_message_t *message, shim_op_t op, const char *exec);

//  The next message of that kind about that exec (NULL: any).
shim_message_t yard_hear (ear_t *ear, shim_op_t op, const char *exec);

//  The folder of its spool; all that it wrote so far.
const char *yard_spool (yard_t *yard, const char *exec);
const char *yard_output (yard_t *yard, const char *exec, int stream);

//  Numbers from 1 to `last`, a line each, and nothing else.
void yard_is_sequence (const char *text, unsigned last);

void yard_wait_for (const char *path);

#endif
