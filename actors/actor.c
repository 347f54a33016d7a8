//  actor.c - owns one actor: its batch, its waiters, and how a request becomes rows and effects.

#include "actor_inside.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "keyed.h"
#include "log.h"
#include "plant.h"
#include "waiters.h"

#include <stdlib.h>
#include <string.h>

#define TICK_RETRY_MS 1000

actor_t *
actor_new (const actor_spec_t *spec, void *self_of_actor, store_t *store, wiring_t *wiring)
{
    actor_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = ACTOR_MAGIC;
    self->spec = *spec;
    self->self = self_of_actor;
    self->store = store;
    self->wiring = wiring;
    if (wiring) {
        self->quotas = wiring_quotas (wiring);
        self->trust = wiring_trust (wiring);
        self->clients = wiring_take (wiring, spec->code, NULL, INBOX_CLIENTS);
        self->internal = wiring_take (wiring, spec->code, NULL, INBOX_INTERNAL);
    }
    self->look = LOOK_INTERNAL | LOOK_CLIENTS;
    self->arena = arena_new ();
    self->effects = effects_new ();
    self->waiters = waiters_new ();
    self->items = calloc (BERTH_BATCH_MAX, sizeof *self->items);
    ENSURE (self->items);
    self->stats = actor_stats_of (spec->code);
    self->stats->name = actor_text (spec->code);
    return self;
}

void
actor_destroy (actor_t **self_p)
{
    actor_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, ACTOR_MAGIC);
    zsock_destroy (&self->clients);
    zsock_destroy (&self->internal);
    post_destroy (&self->post);
    effects_destroy (&self->effects);
    waiters_destroy (&self->waiters);
    arena_destroy (&self->arena);
    free (self->items);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
actor_set_trust (actor_t *self, trust_t *trust)
{
    self->trust = trust;
}

waiters_t *
actor_waiters (actor_t *self)
{
    return self->waiters;
}

void
actor_set_quotas (actor_t *self, quotas_t *quotas)
{
    CHECK (self, ACTOR_MAGIC);
    self->quotas = quotas;
}

//  ---- one request

void
batch_perform (const batch_t *batch)
{
    actor_t *self = batch->actor;
    effects_perform (self->effects, self->waiters, self->arena, batch->send, batch->context);
}

request_t
batch_request (const batch_t *batch, const letter_t *letter)
{
    return (request_t) {
        .letter = letter,
        .arena = batch->actor->arena,
        .now_ms = batch->now_ms,
        .mono_ms = batch->mono_ms,
        .boot = berth_boot_id (),
        .make_id = berth_id_new,
        .quotas = batch->actor->quotas, .trust = batch->actor->trust,
    };
}

static bool
s_is_write (const letter_t *letter)
{
    return request_row (letter->type)->mode & MODE_WRITE;
}

//  Worth a line in the log: what the service, not the client, did wrong.
static bool
s_is_fault (berth_code_t code)
{
    return code == BERTH_INTERNAL || code == BERTH_PROVIDER_ERROR
        || code == BERTH_PROVIDER_TIMEOUT || code == BERTH_LEASE_CLEANUP_FAILED;
}

void
batch_failed (actor_t *self, const request_t *req, const char *type, berth_error_t *err)
{
    self->stats->failures++;
    if (s_is_fault (err->code))
        log_fault (self->stats->name, type, err);
    effects_fail (self->effects, req, err);
}

//  One request of its company.
static int
s_afford (const batch_t *batch, const request_t *req, berth_error_t *err)
{
    quotas_t *quotas = batch->actor->quotas;
    const char *payer = quotas ? request_payer (req) : NULL;
    return payer ? quota_request (quotas, payer, batch->mono_ms, err) : 0;
}

//  Decodes a request that may still be looked at, and decides about it.
static int
s_handle (const batch_t *batch, const incoming_t *incoming, request_t *req, store_txn_t *txn,
          berth_error_t *err)
{
    const letter_t *letter = &incoming->letter;
    const char *type = request_row (letter->type)->type;
    if (!batch->actor->spec.handlers [letter->type])
        return berth_fail (err, BERTH_INTERNAL, "%s has no handler", type);
    if (letter->deadline_ms && letter->deadline_ms <= batch->mono_ms)
        return berth_fail (err, BERTH_DEADLINE_EXCEEDED,
                           "the deadline passed before %s was looked at", type);
    actor_t *self = batch->actor;
    if (request_admit (req, incoming, self->trust, txn, err)) {
        self->stats->malformed += err->code == BERTH_INVALID && !(letter->roles & ROLE_INTERNAL);
        if ((letter->confined || letter->remote) && !(letter->roles & ROLE_INTERNAL))
            quota_refused (self->quotas, self->trust, letter->principal, batch->mono_ms, err);
        return -1;
    }
    int rc = s_afford (batch, req, err)
        || (!(letter->roles & ROLE_INTERNAL) && s_is_write (letter) && store_writable (txn, err))
        ? -1 : 0;
    if (rc == 0 && keyed_is (letter))
        rc = keyed_decide (&self->spec, self->self, self->waiters, self->effects, incoming->body,
                           req, txn, err);
    else if (rc == 0)
        rc = self->spec.handlers [letter->type] (self->self, req, txn, self->effects, err);
    store_confine (txn, NULL, NULL);
    return rc;
}

//  Runs one request in `txn`; a failure is answered, and 1 says that it had written before.
static int
s_run (const batch_t *batch, const incoming_t *incoming, store_txn_t *txn)
{
    actor_t *self = batch->actor;
    berth_error_t err = { 0 };
    request_t req = batch_request (batch, &incoming->letter);
    size_t mark = effects_mark (self->effects);
    uint64_t writes = store_writes (txn);
    self->stats->requests++;
    if (s_handle (batch, incoming, &req, txn, &err) == 0)
        return 0;
    effects_undo (self->effects, mark);
    bool dirty = store_writes (txn) != writes;
    if (!dirty)
        batch_failed (self, &req, request_row (incoming->letter.type)->type, &err);
    return dirty;
}

//  In a transaction of its own inside the batch's: a failure undoes itself only.
static void
s_run_carefully (const batch_t *batch, const incoming_t *incoming, store_txn_t *parent)
{
    actor_t *self = batch->actor;
    berth_error_t err = { 0 };
    own (store_txn) txn = NULL;
    if (store_child (parent, &txn, &err))
        berth_die (&err);
    request_t req = batch_request (batch, &incoming->letter);
    size_t mark = effects_mark (self->effects);
    if (s_handle (batch, incoming, &req, txn, &err) || store_commit (&txn, &err)) {
        effects_undo (self->effects, mark);
        batch_failed (self, &req, request_row (incoming->letter.type)->type, &err);
    }
}

//  ---- the batch

//  Ticks, expired waiters, the start.
static int
s_call (const batch_t *batch, handler_fn *handler, const letter_t *letter, const char *subject,
        store_txn_t *parent)
{
    actor_t *self = batch->actor;
    berth_error_t err = { 0 };
    static const letter_t nobody = { .magic = LETTER_MAGIC };
    request_t req = batch_request (batch, letter ? letter : &nobody);
    req.subject = subject;
    own (store_txn) txn = NULL;
    if (store_child (parent, &txn, &err))
        berth_die (&err);
    size_t mark = effects_mark (self->effects);
    if (handler (self->self, &req, txn, self->effects, &err) || store_commit (&txn, &err)) {
        effects_undo (self->effects, mark);
        batch_failed (self, &req, "tick", &err);
        return -1;
    }
    return 0;
}

static void
s_expire (const batch_t *batch, store_txn_t *txn)
{
    actor_t *self = batch->actor;
    const char *subject;
    letter_t *letter = arena_new_of (self->arena, letter_t);
    while (waiters_expired (self->waiters, batch->mono_ms, self->arena, letter, &subject)) {
        if (self->spec.expired)
            (void) s_call (batch, self->spec.expired, letter, subject, txn);    //  It was answered
        else {
            berth_error_t err = { 0 };
            (void) berth_fail (&err, BERTH_DEADLINE_EXCEEDED, "the deadline passed while waiting");
            effects_fail_to (self->effects, letter, self->arena, &err);
        }
        letter = arena_new_of (self->arena, letter_t);
    }
}

enum { DUE_TICK = 1, DUE_EXPIRED = 2, DUE_START = 4 };

static void
s_run_due (const batch_t *batch, unsigned due, store_txn_t *txn)
{
    const actor_spec_t *spec = &batch->actor->spec;
    berth_error_t err = { 0 };
    if ((due & DUE_START) && s_call (batch, spec->start, NULL, NULL, txn)) {
        (void) berth_fail (&err, BERTH_INTERNAL, "%s could not take up its work",
                           batch->actor->stats->name);
        berth_die (&err);
    }
    if (due & DUE_EXPIRED)
        s_expire (batch, txn);
    if ((due & DUE_TICK) && s_call (batch, spec->tick, NULL, NULL, txn))
        batch->actor->tick_after_ms = batch->mono_ms + TICK_RETRY_MS;
}

static void
s_write (const batch_t *batch, const incoming_t *incoming, size_t count, unsigned due)
{
    actor_t *self = batch->actor;
    berth_error_t err = { 0 };
    own (store_txn) txn = NULL;
    if (store_begin (self->store, &txn, &err))
        berth_die (&err);
    size_t mark = effects_mark (self->effects);
    int dirty = 0;
    for (size_t index = 0; index < count && !dirty; index++)
        if (s_is_write (&incoming [index].letter))
            dirty = s_run (batch, &incoming [index], txn);
    if (dirty) {
        //  One failed after it had written: once more, each in a part of its own.
        store_txn_destroy (&txn);
        effects_undo (self->effects, mark);
        if (store_begin (self->store, &txn, &err))
            berth_die (&err);
        for (size_t index = 0; index < count; index++)
            if (s_is_write (&incoming [index].letter))
                s_run_carefully (batch, &incoming [index], txn);
    }
    s_run_due (batch, due, txn);
    keyed_settle (self->effects, self->waiters, self->arena, txn);
    self->wrote = store_writes (txn) > 0;
    if (!self->wrote)
        return;
    if (PLANTED ("reply-before-commit"))
        batch_perform (batch);
    if (store_commit (&txn, &err))
        berth_die (&err);
    self->stats->batches++;
}

static void
s_read (const batch_t *batch, const incoming_t *incoming, size_t count)
{
    berth_error_t err = { 0 };
    own (store_txn) txn = NULL;
    for (size_t index = 0; index < count; index++) {
        const letter_t *letter = &incoming [index].letter;
        if (s_is_write (letter) || letter->type == REQUEST_STREAM_CREDIT
            || letter->type == REQUEST_STREAM_CANCEL)
            continue;
        if (!txn && store_read (batch->actor->store, &txn, &err))
            berth_die (&err);
        (void) s_run (batch, &incoming [index], txn);       //  A snapshot has no writes to undo
    }
}

//  Credit and cancellation: about requests of ours, by their ticket; those of the same batch wait,
//  and stream, by now.
static void
s_control (const batch_t *batch, const incoming_t *incoming, size_t count)
{
    actor_t *self = batch->actor;
    for (size_t index = 0; index < count; index++) {
        const letter_t *letter = &incoming [index].letter;
        bool cancel = letter->type == REQUEST_STREAM_CANCEL;
        if (!cancel && letter->type != REQUEST_STREAM_CREDIT)
            continue;
        handler_fn *handler = cancel ? self->spec.cancel : self->spec.credit;
        berth_error_t err = { 0 };
        request_t req = batch_request (batch, letter);
        if (cancel && self->spec.cancel_expires) {
            waiters_cancel (self->waiters, letter->ticket);
            continue;
        }
        bool waited = cancel && waiters_forget (self->waiters, letter->ticket);
        if (handler)
            (void) handler (self->self, &req, NULL, self->effects, &err);
        else if (waited) {
            (void) berth_fail (&err, BERTH_CONFLICT,
                               "its client cancelled the stream; what was asked goes on");
            effects_fail_to (self->effects, letter, self->arena, &err);
        }
    }
}

void
batch_serve (const batch_t *batch, const incoming_t *incoming, size_t count, unsigned due)
{
    actor_t *self = batch->actor;
    bool writes = due != 0;
    self->wrote = false;
    for (size_t index = 0; index < count && !writes; index++)
        writes = s_is_write (&incoming [index].letter);
    self->stats->serving_since_ms = batch->mono_ms;
    if (writes)
        s_write (batch, incoming, count, due);
    s_read (batch, incoming, count);
    self->stats->serving_since_ms = 0;
    batch_perform (batch);
    s_control (batch, incoming, count);
    batch_perform (batch);
    self->stats->waiting = waiters_count (self->waiters);
    arena_clear (self->arena);
}

unsigned
actor_due (actor_t *self, int64_t mono_ms)
{
    unsigned due = 0;
    if (self->spec.tick && self->spec.next_ms (self->self) <= mono_ms
        && self->tick_after_ms <= mono_ms)
        due |= DUE_TICK;
    if (waiters_next (self->waiters) <= mono_ms)
        due |= DUE_EXPIRED;
    return due;
}

int64_t
actor_next_ms (actor_t *self)
{
    int64_t next_ms = waiters_next (self->waiters);
    if (self->spec.tick) {
        int64_t tick_ms = self->spec.next_ms (self->self);
        tick_ms = tick_ms < self->tick_after_ms ? self->tick_after_ms : tick_ms;
        next_ms = tick_ms < next_ms ? tick_ms : next_ms;
    }
    return next_ms;
}

void
actor_serve (actor_t *self, const incoming_t *incoming, size_t count, int64_t now_ms,
             int64_t mono_ms, effect_send_fn *send, void *context)
{
    CHECK (self, ACTOR_MAGIC);
    batch_t batch = { self, now_ms, mono_ms, send, context };
    batch_serve (&batch, incoming, count, actor_due (self, mono_ms));
}

void
actor_serve_start (actor_t *self, int64_t now_ms, int64_t mono_ms, effect_send_fn *send,
                   void *context)
{
    CHECK (self, ACTOR_MAGIC);
    batch_t batch = { self, now_ms, mono_ms, send, context };
    if (self->spec.start)
        batch_serve (&batch, NULL, 0, DUE_START);
}
