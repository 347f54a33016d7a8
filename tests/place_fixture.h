//  place_fixture.h - what the tests of providers share: a host with a spawner, one provider opened
//  on it, and commands run in its places.

#ifndef BERTH_PLACE_FIXTURE_H_INCLUDED
#define BERTH_PLACE_FIXTURE_H_INCLUDED

#include "fixture.h"
#include "provider.h"

typedef struct {
    const provider_t *provider;
    void *self;                     //  Of the provider
    provider_host_t host;
    arena_t *arena;
    char *folder;                   //  Holds state/ and run/
    const char *config;             //  Of its leases unless they say another, as JSON; NULL: {}
} house_t;

//  Opens a host and a provider on it; closes both. The spawner starts before any thread.
void house_open (house_t *self, const char *provider);
void house_close (house_t *self);

//  Opens the provider anew, as a service that was restarted does.
void house_reopen (house_t *self);

//  A lease of its own, with the config written as JSON (NULL: the house's).
place_open_t house_ask (house_t *self, const char *config);

//  Now and `ms` on the clock of deadlines.
int64_t soon (int64_t ms);

//  Acquires, and must succeed.
place_opened_t house_acquire (house_t *self, const place_open_t *ask);

//  The request that closes a lease's place; and closes it, which must succeed.
place_close_t house_closing (const place_open_t *ask, const place_opened_t *place);
void house_release (house_t *self, const place_open_t *ask, const place_opened_t *place);

//  Names of what stands in <state>/places, joined by spaces.
const char *house_places (house_t *self);

typedef struct {
    exec_cause_t cause;
    int64_t exit_code;
    int64_t signal;
    const char *text;               //  stdout and stderr, in order of arrival
    const char *error;
} ran_t;

//  Runs a script by sh -c in the place and waits for its end, 30 s at most.
ran_t house_run (house_t *self, const place_opened_t *place, const char *script);

//  Its output; it must have exited with 0.
const char *house_text (house_t *self, const place_opened_t *place, const char *script);

//  What a shim says of itself when one connects; false if there is none.
bool house_hello (house_t *self, const place_opened_t *place, shim_message_t *ret_hello);

//  Processes of this host with NAME=value in their environment, but for us and our forks.
unsigned census (const char *entry);

//  Files, by their path.
void file_put (const char *path, const char *text);
const char *file_text (house_t *self, const char *path);

#endif
