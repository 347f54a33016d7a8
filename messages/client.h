//  client.h - the C client of Berth: calls, streams and activity over ZeroMQ (libberth).
//
//      berth_error_t err = { 0 };
//      own (berth_client) bus = berth_client_new ("ipc:///run/berth/bus.sock", &err);
//      own (arena) arena = arena_new ();
//      bus_pong_t pong;
//      if (bus && berth_client_ask (bus, REQUEST_BUS_PING, NULL, NULL, arena, &pong, &err) == 0)
//          puts (pong.version);
//
//  Threads: a client and what it returned belong to one thread at a time; two threads use two
//  clients. Nothing here blocks without a deadline, installs a signal handler or writes a log.
//
//  Ownership: what is sent is copied. A reply and its bytes belong to the client, until the next
//  reply is asked for; berth_client_call and _ask copy into the caller's arena.
//
//  Restarts: a client stays usable when the service goes away and comes back, or the connection
//  does. What is unanswered is then sent again, within its deadline, as soon as there is a service:
//  what reads, and what has a key (types that write get one by themselves), so that nothing is done
//  twice. A stream of exec.read goes on at its next byte; its caller sees nothing of it. Others of
//  a stream are joined: progress goes on. What can't be repeated (`once`, exec.signal,
//  bus.shutdown) fails as `unreachable` at once: it may have been done.
//
//  A call that finds no service fails as `unreachable`: after BERTH_PATIENCE_MS where there never
//  was one; after a loss with its deadline, or where it has none after BERTH_LOST_MS. One that is
//  not answered in time fails as `deadline_exceeded`. Behind both the thing may have been done: the
//  same key, given again, finds out.
//
//  Limits: BERTH_CALLS_MAX calls under way, each with its frames kept until it is answered; of a
//  stream at most its credit is on the way.

#ifndef BERTH_CLIENT_H_INCLUDED
#define BERTH_CLIENT_H_INCLUDED

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "requests.h"

#define BERTH_CALL_MS     30000         //  Deadline of a call that names none
#define BERTH_RETRY_MS    1000          //  Before asking again, where the service names no time
#define BERTH_PATIENCE_MS 10000         //  For a service that never was there
#define BERTH_LOST_MS     60000         //  For one that went away, of calls without a deadline
#define BERTH_CALLS_MAX   256           //  Calls under way

typedef struct berth_client berth_client_t;
typedef struct berth_events berth_events_t;

//  How a call differs from the usual; zeroes are the usual.
typedef struct {
    int64_t deadline_ms;                //  Time for the answer; 0: BERTH_CALL_MS; -1: no end
    const char *key;                    //  Idempotency key; default: one of its own where it writes
    uint64_t credit;                    //  Above 0: a stream, with so many bytes on the way at most
    bool once;                          //  Never repeated after a loss, and without a key
    berth_bytes_t data;                 //  Frame 2
    const char *trace;                  //  Kept in the log of the service
} berth_ask_t;

typedef struct {
    uint64_t call;                      //  What it answers
    reply_status_t status;              //  OK and ERROR are the last of their call
    berth_bytes_t body;                 //  Checked msgpack; {} of an error. Until the next `next`
    berth_bytes_t data;                 //  Frame 2, if any. Until the next `next`
    berth_error_t error;
} berth_reply_t;

//  How to reach a service; zeroes are the usual.
typedef struct {
    const char *endpoint;               //  "ipc://PATH" or "tcp://HOST:PORT"
    const char *key_file;               //  Over TCP: certificate (zcert) with our own key pair
    const char *server_key;             //  The service's public key, Z85; NULL: that file says it
} berth_connect_t;

//  The same as below, over TCP too. Further errors: not_found, forbidden (the file cannot be read).
//  A service that does not know the key is told by the calls: `unauthorized`.
berth_client_t *berth_client_open (const berth_connect_t *how, berth_error_t *err);

//  Connects to "ipc://PATH" or "tcp://HOST:PORT" without waiting. NULL and invalid_request if that
//  is no endpoint.
berth_client_t *berth_client_new (const char *endpoint, berth_error_t *err);
void berth_client_destroy (berth_client_t **self_p);

//  Sets how long any call waits for a service that is not there, or not any more; 0: the usual.
void berth_client_set_patience (berth_client_t *self, int64_t ms);

//  `call` is called once for each loss of the service that calls wait through, by the functions
//  below, in their thread: to tell somebody. It must not use the client.
typedef void (berth_client_loss_fn) (void *context);
void berth_client_on_loss (berth_client_t *self, berth_client_loss_fn *call, void *context);

//  Is there a connection (as far as is known without asking)?
bool berth_client_connected (berth_client_t *self);

//  Sends a request and returns the number of the call, never 0. `body` is copied; `ask` may be NULL.
//  0 on failure: `busy` at BERTH_CALLS_MAX, invalid_request above the limits of a frame.
uint64_t berth_client_send (berth_client_t *self, const char *type, berth_bytes_t body,
                            const berth_ask_t *ask, berth_error_t *err);

//  Fills *ret_reply with the next reply of `call`, or of any call if it is 0, waiting until `until`
//  (berth_mono_ms; past: only what is here). Returns false when there was none. Asking for the next
//  says that the last one was consumed: then its stream is granted what it took.
bool berth_client_next (berth_client_t *self, uint64_t call, int64_t until,
                        berth_reply_t *ret_reply);

//  Ends a call or stream; nothing of it comes any more.
void berth_client_cancel (berth_client_t *self, uint64_t call);

//  Waits until a reply may be there, one of the descriptors is ready (revents are set), or `until`.
//  At most 8 descriptors; negative ones are passed over. A signal ends it.
void berth_client_wait (berth_client_t *self, struct pollfd *fds, size_t count, int64_t until);

//  Sends and waits for the end. Returns 0 and the body, copied into arena; or -1.
int berth_client_call (berth_client_t *self, const char *type, berth_bytes_t body,
                       const berth_ask_t *ask, arena_t *arena, berth_bytes_t *ret_body,
                       berth_error_t *err);

//  The same by the table of requests: `request` (NULL: empty) and *ret_reply (may be NULL) are
//  structs of its schemas.
int berth_client_ask (berth_client_t *self, request_code_t code, const void *request,
                      const berth_ask_t *ask, arena_t *arena, void *ret_reply, berth_error_t *err);

//  When the same request may be asked again after this failure: milliseconds, as the service said
//  (details.retryAfterMs), else BERTH_RETRY_MS; -1: asking again does not help.
int64_t berth_client_retry_after (const berth_error_t *err);

//  ---- activity

//  Follows a company's activity. It comes as it is published: what was before, and what a gap in
//  companySeq says is missing, is asked from activity.list.
berth_events_t *berth_events_new (const char *endpoint, const char *company, berth_error_t *err);
berth_events_t *berth_events_open (const berth_connect_t *how, const char *company,
                                   berth_error_t *err);
void berth_events_destroy (berth_events_t **self_p);

//  Waits until `until` for the next message. 1: *ret_entry is filled, in arena (`raw`, if not NULL,
//  too); 2: a heading, *ret_head is the company's last companySeq; 0: nothing came.
int berth_events_next (berth_events_t *self, int64_t until, arena_t *arena, activity_t *ret_entry,
                       berth_bytes_t *ret_raw, uint64_t *ret_head);

#ifdef __cplusplus
}
#endif

#endif
