//  sshd_fixture.h - a real sshd on loopback, with keys and a config of its own.

#ifndef BERTH_SSHD_FIXTURE_H_INCLUDED
#define BERTH_SSHD_FIXTURE_H_INCLUDED

#include "fixture.h"

typedef struct {
    arena_t *arena;
    char *folder;                   //  Of keys, config and places
    const char *user;
    unsigned port;
    const char *key, *other_key;    //  Private keys: one that is let in, one that is not
    const char *known_hosts;        //  Its line
    const char *other_known_hosts;  //  A line of another host's key
    const char *base;               //  Folder for places
    int pid;
} sshd_t;

//  Is there an sshd here, and has this user an account, without which ssh does nothing? If not,
//  *ret_why says it: the test says so, and skips.
bool sshd_is_there (const char **ret_why);

//  Starts one, with lines of its own for its config ("": none), and waits until it listens.
void sshd_open (sshd_t *self, const char *lines);
//  Ends it and its sessions; starts it again on the same port.
void sshd_stop (sshd_t *self);
void sshd_start (sshd_t *self);
void sshd_close (sshd_t *self);

//  Kills its sessions: connections break in the middle of whatever they do.
void sshd_cut (sshd_t *self);

//  A config for this host, as JSON; `more` are further members ("": none), which win.
const char *sshd_config (sshd_t *self, const char *more);

//  The text as a JSON string.
const char *sshd_quoted (arena_t *arena, const char *text);

#endif
