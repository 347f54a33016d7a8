//  bench_call.h - one client of the bus, as thin as a client can be: the figures are the service's.

#ifndef BERTH_BENCH_CALL_H_INCLUDED
#define BERTH_BENCH_CALL_H_INCLUDED

#include "arena.h"
#include "bench.h"

typedef struct {
    void *socket;               //  DEALER
    arena_t *arena;             //  Requests, and the replies that are read
    arena_t *scratch;           //  The request that bench_keyed made last
    unsigned asks;              //  Requests packed so far
    const char *company;        //  $BENCH_COMPANY, else one of our own: a repeated run finds nothing
} bench_t;

//  A request, packed once and sent as often as wanted.
typedef struct {
    const char *type, *id;
    berth_bytes_t header, body;
} bench_ask_t;

//  A reply; the body is copied only where it is wanted.
typedef struct {
    bool more;                  //  status `stream`: not the last reply of this request
    berth_bytes_t body;         //  In the arena
    size_t data;                //  Bytes of the data frame
} bench_reply_t;

//  Connects; dies if that cannot be. All sockets of the process share one ZeroMQ context.
bench_t *bench_connect (const char *endpoint);

//  A body of texts: bench_body (bench, "companyId", "acme", NULL).
berth_bytes_t bench_body (bench_t *self, ...) __attribute__ ((sentinel));

//  Packs header and body; `credit` 0 leaves it out.
bench_ask_t bench_ask (bench_t *self, const char *type, berth_bytes_t body, uint64_t credit);

//  The same request with a key of its own; it lives until the next is made.
bench_ask_t bench_keyed (bench_t *self, const bench_ask_t *ask);

//  Makes an environment of this driver (sandbox: bubblewrap) for the company; its id.
const char *bench_environment (bench_t *self, const char *driver);

void bench_send (bench_t *self, const bench_ask_t *ask);

//  Receives one reply of this request (others are skipped); dies of an error and of 30 s of silence.
//  With NULL nothing is kept of it.
void bench_receive (bench_t *self, const bench_ask_t *ask, bench_reply_t *ret_reply);

//  Receives one reply of any request, if one is here: 1 for ok, 0 for an error, -1 for none.
int bench_receive_any (bench_t *self);

//  Sends, receives, and returns the reply's body.
berth_bytes_t bench_call (bench_t *self, const char *type, berth_bytes_t body);

//  The text of a row's field, or the end of the program.
const char *bench_text (bench_t *self, berth_bytes_t row, const char *name);

#endif
