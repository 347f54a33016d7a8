//  stage.h - one actor on a temporary store, without sockets: requests go in as one batch, what it
//  would send is kept. Bodies are JSON with ' for ".

#ifndef BERTH_STAGE_H_INCLUDED
#define BERTH_STAGE_H_INCLUDED

#include "fixture.h"

#include "actor.h"
#include "context.h"
#include "states.h"

enum { STAGE_MAX = 320 };

typedef struct {
    actor_code_t to;
    const char *provider;
    letter_t letter;
    reply_status_t status;
    berth_bytes_t body;
} stage_sent_t;

typedef struct {
    char *folder;
    store_t *store;
    context_t context;
    arena_t *arena;                 //  As long as the stage
    actor_t *actor;                 //  Set by the test; not owned
    int64_t now_ms, mono_ms;
    unsigned roles;                 //  Of requests: operator
    bool streams;                   //  Requests grant credit
    int64_t deadline_ms;            //  Of requests, from now; 0: none
    int64_t step_ms;                //  Each batch is so much later: 1000
    const char *confined;           //  Principal of requests, whose companies are not all; or NULL
    bool remote;                    //  They come over the network
    const char *key;                //  Idempotency key of requests, or NULL
    void (*watch) (const stage_sent_t *sent);       //  Called when something is sent, or NULL
    uint64_t tickets;
    incoming_t queue [STAGE_MAX];
    size_t queued;
    stage_sent_t sent [STAGE_MAX];  //  By the last batch
    size_t count;
} stage_t;

stage_t *stage_new (void);
void stage_destroy (stage_t **self_p);

//  A request for the next batch; its ticket.
uint64_t stage_queue (stage_t *self, request_code_t type, const char *json);
//  The same as a step of another actor.
void stage_queue_step (stage_t *self, request_code_t type, actor_code_t from, const char *subject,
                       const char *step, const char *json);
//  The answer to a step that the actor sent: JSON of its reply, or of an error_body.
void stage_queue_done (stage_t *self, const letter_t *letter, bool ok, const char *json);
//  How far such a step is.
void stage_queue_progress (stage_t *self, const letter_t *letter, const char *json);

//  What an actor does before its first batch.
void stage_start (stage_t *self);

//  Runs the batch.
void stage_serve (stage_t *self);

//  The answer of the last batch to a ticket, or NULL; the n-th thing it sent to an actor.
const stage_sent_t *stage_answer (const stage_t *self, uint64_t ticket);
const stage_sent_t *stage_work (const stage_t *self, actor_code_t to, size_t nth);

//  One request, served: its result, which must be ok; or its failure, which must be one.
berth_bytes_t stage_ok (stage_t *self, request_code_t type, const char *json);
berth_error_t stage_fails (stage_t *self, request_code_t type, const char *json);

//  JSON text of what stands at a path ("config.port", "items.0.id"); "absent" if nothing does.
const char *stage_at (stage_t *self, berth_bytes_t body, const char *path);
#define assert_at(stage, body, path, json) assert_string_equal (stage_at (stage, body, path), json)
//  A text value, without quotes.
const char *stage_text (stage_t *self, berth_bytes_t body, const char *path);

//  The log: how many entries, and the n-th from the end (0: the last) as a packed entry.
uint64_t stage_entries (stage_t *self);
berth_bytes_t stage_entry (stage_t *self, uint64_t back);

//  JSON with ' as packed bytes.
berth_bytes_t stage_pack (stage_t *self, const char *json);

//  An environment as the registry would write it: JSON of what differs from an active local one of
//  company acme.
void stage_put_environment (stage_t *self, const char *id, const char *json);

//  A lease as `leases` would write it: in company acme, of that environment.
void stage_put_lease (stage_t *self, const lease_t *row);
lease_t stage_lease (stage_t *self, const char *id, const char *env, lease_state_t state);

#endif
