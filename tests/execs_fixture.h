//  execs_fixture.h - the actor of execs as it runs in berthd, over a real store and a real place;
//  the test stands where the front door and `leases` stand.

#ifndef BERTH_EXECS_FIXTURE_H_INCLUDED
#define BERTH_EXECS_FIXTURE_H_INCLUDED

#include "execs.h"
#include "shim_fixture.h"

#include "actor.h"
#include "ids.h"

typedef struct {
    place_t *place;                 //  Open; its spool is the service's
    store_t *store;
    context_t context;
    wiring_t *wiring;
    execs_t *execs;
    zactor_t *actor;
    post_t *post;
    zsock_t *answers, *steps;       //  Inboxes of the front door and of `leases`
    arena_t *arena;
    uint64_t ticket;
    const char *key;                //  Idempotency key of what is asked, or NULL
    const char *lease;              //  An active lease of that place, company "acme"
    struct said *said;              //  Answers that nobody asked for yet
    berth_error_t err;
} service_t;

typedef struct {
    reply_status_t status;
    const void *body;               //  Of the request's reply, a stream_chunk, or an error_body
    berth_bytes_t data;
} said_t;

//  Opens store and place, and starts the actor.
service_t *service_new (void);
void service_destroy (service_t **self_p);
void service_stop (service_t *self);        //  As berthd does: the place and its execs stay
void service_start (service_t *self);

//  A lease row like self->lease; `socket` NULL: its place is not open.
const char *service_lease (service_t *self, const char *id, const char *socket,
                           lease_state_t state);

//  Asks; the ticket is its name. credit < 0: without.
uint64_t ask (service_t *self, request_code_t type, const void *body);
uint64_t ask_with (service_t *self, request_code_t type, const void *body, berth_bytes_t data,
                   int64_t credit, int64_t deadline_ms);
void grant (service_t *self, uint64_t ticket, uint64_t credit);
void cancel (service_t *self, uint64_t ticket);

//  Waits for the next thing said about a ticket.
said_t hear (service_t *self, request_code_t type, uint64_t ticket);
//  The same, which must be ok; or an error of that code.
const void *hear_ok (service_t *self, request_code_t type, uint64_t ticket);
void hear_error (service_t *self, request_code_t type, uint64_t ticket, berth_code_t code);
//  Has nothing been said about it so far?
bool is_silent (service_t *self, uint64_t ticket);

//  exec.start of a shell text; options may be NULL, and its lease, command and script are set.
const exec_t *start (service_t *self, exec_start_t *options, const char *script);
const exec_t *wait_end (service_t *self, const char *exec);
const exec_page_t *list_execs (service_t *self, const exec_list_t *list);
//  All of a stream by one reply after another, from an offset; follows to the end.
const char *read_all (service_t *self, const char *exec, exec_stream_t stream, uint64_t from);
//  exec.read; limit 0: none; credit < 0: without.
uint64_t stream (service_t *self, const char *exec, exec_stream_t of, uint64_t from, uint64_t limit,
                 int64_t credit, bool follow);

//  An id that outlives the arena's next clearing.
void keep (char text [BERTH_ID_SIZE], const char *id);
void assert_text (berth_bytes_t bytes, const char *text);
berth_bytes_t bytes_of (const char *text);

#endif
