//  base.h - what every file may assume: ownership, asserts, global limits.

#ifndef BERTH_BASE_H_INCLUDED
#define BERTH_BASE_H_INCLUDED

#include "symbols.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __cplusplus
//  A local that is destroyed when it leaves scope: own (zmsg) msg = ...
//  fits every CLASS with `class_destroy (class_t **self_p)`.
#define own(class) __attribute__ ((cleanup (class##_destroy))) class##_t *

//  Hands an owned pointer on and leaves NULL behind: return take (msg);
#define take(pointer)                                                                              \
    ({                                                                                             \
        __typeof__ (pointer) berth_taken_ = (pointer);                                             \
        (pointer) = NULL;                                                                          \
        berth_taken_;                                                                              \
    })
#endif

#ifdef BERTH_INSIDE             //  These two names are ours only where nobody else's code is
//  Where a void pointer becomes an object again. Stays in release.
#define CHECK(self, value)                                                                         \
    do {                                                                                           \
        if (!(self) || (self)->magic != (value))                                                   \
            berth_bug (__FILE__, __LINE__, "wrong object: " #self);                                \
    } while (0)

//  A statement about our own code, never about input. Stays in release.
#define ENSURE(truth)                                                                              \
    do {                                                                                           \
        if (!(truth))                                                                              \
            berth_bug (__FILE__, __LINE__, #truth);                                                \
    } while (0)
#endif

//  Says file, line and sentence on stderr and aborts. Never returns.
void berth_bug (const char *file, int line, const char *what) __attribute__ ((noreturn));

#define BERTH_PRINTF(text, first) __attribute__ ((format (printf, text, first)))
#define BERTH_COUNT(array) (sizeof (array) / sizeof ((array)[0]))

#define BERTH_VERSION "0.1.0"

//  Bytes that somebody else owns.
typedef struct {
    const uint8_t *data;
    size_t size;
} berth_bytes_t;

//  ---------------------------------------------------------------------------------------------
//  Every global limit. A limit of one field stands in that field's row; a limit of one actor in
//  its header. `bus.describe` and messages/README.md print this table.

#define BERTH_LIMITS(X)                                                                            \
    /*  name              value      what is bounded                                        */     \
    X (FRAME_MAX,         1048576,   "bytes of one frame; bigger things are streams")              \
    X (CHUNK_MAX,         262144,    "bytes of one data frame of a stream")                        \
    X (DEPTH_MAX,         16,        "nesting of a body")                                          \
    X (ELEMENTS_MAX,      16384,     "sum of all announced elements of one frame")                 \
    X (CLIENT_ID_MAX,     64,        "bytes of a request's id")                                    \
    X (KEY_MAX,           128,       "bytes of an idempotency key")                                \
    X (UNANSWERED_MAX,    256,       "requests of one peer that wait for their reply")             \
    X (PEERS_MAX,         4096,      "peers the front door remembers")                             \
    X (WINDOW_MAX,        64,        "requests waiting in one actor's inbox; the rest take turns")  \
    X (WINDOW_READS,      8,         "of the reader's, whose requests are short")                   \
    X (WINDOW_BYTES,      4194304,   "bytes of those, unless it is one")                           \
    X (LINE_BYTES,        4194304,   "bytes of one peer's requests that wait for one actor")       \
    X (WAITING_BYTES,     67108864,  "bytes of all peers' requests that wait for their turn")      \
    X (BUSY_PACE_MS,      100,       "when to ask again where a queue of the bus is full")         \
    X (UNREAD_BYTES,      33554432,  "bytes sent to one peer that it has not read")                 \
    X (UNREAD_ALL,        268435456, "of all peers; beyond it each may have a sixteenth")           \
    X (CONNECTIONS_MAX,   8192,      "descriptors below which connections are accepted")            \
    X (BATCH_MAX,         256,       "requests of one commit")                                     \
    X (REPLY_KEPT_MAX,    16384,     "bytes of a reply that a key remembers")                      \
    X (CLIENT_SILENCE_MS, 30000,     "silence after which a client's streams end")                 \
    X (PRINCIPALS_MAX,    10000,     "keys, revoked ones too")                                     \
    X (SUBSCRIPTIONS_EACH, 1024,     "subscriptions of one key, or of one local connection")       \
    X (SUBSCRIPTIONS_MAX, 65536,     "subscriptions of all at one socket")                         \
    X (QUEUE_MAX,         256,       "leases that wait for one workspace (serialize)")             \
    X (BREAKER_FAILURES,  5,         "acquires that fail alike in a row until a provider is left alone") \
    X (BREAKER_WINDOW_MS, 60000,     "time within which they do")                                  \
    X (BREAKER_FIRST_MS,  10000,     "so long it is left alone first, then twice as long,")        \
    X (BREAKER_MAX_MS,    300000,    "to this")                                                    \
    X (SWEEP_EVERY_S,     60,        "seconds between two looks for lost places: sweep/every")     \
    X (SWEEP_AGE_S,       300,       "seconds one is seen as lost before it is acted on: sweep/age") \
    X (SWEEP_ACTS,        16,        "places and leases that one sweep acts on")                   \
    X (SWEEP_PAGE,        1000,      "places of one page of a list, leases held against it")       \
    X (SWEEP_SUSPECTS,    1000,      "lost places remembered of one provider")                     \
    X (SWEEP_PLACES,      100000,    "places in a list that can be read")                          \
    X (LIST_DEFAULT,      50,        "rows of a list without a limit")                             \
    X (LIST_MAX,          1000,      "rows of a list at most")                                     \
    X (COMPANY_RATE,      100000,    "requests a second of one company, unless configured")        \
    X (COMPANY_BURST,     200000,    "requests of one company at once, after a pause")             \
    X (COMPANY_LEASES,    2000000,   "live leases of one company, unless configured")              \
    X (COMPANY_EXECS,     10000,     "live execs of one company, unless configured")               \
    X (COMPANY_SPOOL_MIB, 262144,    "MiB of output kept of one company, unless configured")       \
    X (STALL_MS,          5000,      "time in one batch after which the store counts as stalled")  \
    X (ACTIVITY_KEPT_S,   7776000,   "seconds the log is kept: retention/activity")                \
    X (LEASES_KEPT_S,     2592000,   "seconds a settled lease is kept: retention/leases")          \
    X (RUNS_KEPT_S,       2592000,   "seconds a released or failed run is kept: retention/runs")   \
    X (EXECS_KEPT_S,      2592000,   "seconds an ended exec is kept: retention/execs")             \
    X (SPOOLS_KEPT_S,     604800,    "seconds an ended exec's output is kept: retention/spools")   \
    X (RETAINED_KEPT_S,   604800,    "seconds the files of a retained lease are kept: retention/retained") \
    X (PLACES_KEPT_S,     604800,    "seconds a place is kept for the next lease: retention/places") \
    X (SECRET_VALUE_MAX,  65536,     "bytes of a secret's value")                                   \
    X (SECRET_VERSIONS,   100,       "versions kept of one secret; the oldest goes first")         \
    X (SECRETS_MAX,       10000,     "secrets of one company")                                     \
    X (SECRET_EVENTS_KEPT_S, 7776000, "seconds an access to a secret is kept: retention/secretEvents") \
    X (LOST_AFTER_MS,     300000,    "silence after which a run that sent a heartbeat is lost: policy.lostAfterMs") \
    X (EXPIRY_GRACE_MS,   10000,     "time between TERM and KILL for what runs in the place of a lease that expires") \
    X (RETENTION_TURN,    256,       "rows of a kind that retention removes in one commit")        \
    X (STOP_MS,           10000,     "time a stop takes at most")

#define BERTH_LIMIT_(name, value, doc) BERTH_##name = (value),
enum { BERTH_LIMITS (BERTH_LIMIT_) };

#endif
