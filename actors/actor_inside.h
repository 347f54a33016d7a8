//  actor_inside.h - what the two files of the kit share; for actor.c and actor_loop.c only.

#ifndef BERTH_ACTOR_INSIDE_H_INCLUDED
#define BERTH_ACTOR_INSIDE_H_INCLUDED

#include "actor.h"

#define ACTOR_MAGIC 0xac708001u

//  The descriptor of an inbox tells of an arrival once, so an inbox is emptied before the next wait.
enum { LOOK_INTERNAL = 1, LOOK_CLIENTS = 2 };

//  A request of the batch, as it came.
typedef struct {
    letter_t letter;
    zmq_msg_t body, data;
} item_t;

struct actor {
    uint32_t magic;
    actor_spec_t spec;
    void *self;
    store_t *store;
    zsock_t *clients, *internal;
    unsigned look;                  //  Inboxes that may hold something
    wiring_t *wiring;
    quotas_t *quotas;               //  NULL: no limits
    trust_t *trust;                 //  NULL: of tests that confine nobody
    post_t *post;                   //  Of the actor's own thread
    arena_t *arena;
    effects_t *effects;
    waiters_t *waiters;
    item_t *items;                  //  BERTH_BATCH_MAX
    bool wrote;                     //  The batch's transaction changed the log
    int64_t tick_after_ms;          //  A tick that failed is not tried again before
    actor_stats_t *stats;
};

typedef struct {
    actor_t *actor;
    int64_t now_ms, mono_ms;
    effect_send_fn *send;
    void *context;
} batch_t;

request_t batch_request (const batch_t *self, const letter_t *letter);

//  Answers, counts and logs a failure.
void batch_failed (actor_t *self, const request_t *req, const char *type, berth_error_t *err);
void batch_perform (const batch_t *self);

//  Runs requests and what is due as one batch, with its effects.
void batch_serve (const batch_t *self, const incoming_t *incoming, size_t count, unsigned due);
unsigned actor_due (actor_t *self, int64_t mono_ms);

#endif
