//  realizer.c - owns what is under way: realizations and returns, from step to step.

#include "realizer_parts.h"

#include "codec.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORGET_MS = 1000 };

static const char s_realize [] = "realize/";

//  ---- works

static void
s_work_destroy (void **self_p)
{
    work_t *self = *self_p;
    if (!self)
        return;
    arena_destroy (&self->arena);
    free (self);
    *self_p = NULL;
}

work_t *
work_begin (realizer_t *self, const char *subject, const request_t *req)
{
    work_t *work = zhashx_lookup (self->works, subject);
    if (!work) {
        work = calloc (1, sizeof *work);
        ENSURE (work);
        work->arena = arena_new ();
        snprintf (work->subject, sizeof work->subject, "%s", subject);
        int rc = zhashx_insert (self->works, subject, work);
        ENSURE (rc == 0);
    }
    arena_clear (work->arena);
    work->attempt++;
    work->known = work->finished = work->provisioned = false;
    work->asker = *req->letter;
    work->ask = work->result = (berth_bytes_t) { NULL, 0 };
    return work;
}

work_t *
work_find (const realizer_t *self, const char *subject)
{
    work_t *work = zhashx_lookup (self->works, subject);
    return work && !work->finished ? work : NULL;
}

//  It is kept for a while: if this batch is undone, the handler that finished it runs again.
void
work_finish (work_t *self, const request_t *req)
{
    self->finished = true;
    self->give_up_ms = req->mono_ms + FORGET_MS;
}

const char *
work_step (const work_t *self, const char *name, arena_t *arena)
{
    return arena_printf (arena, "%s/%u", name, self->attempt);
}

//  ---- answers to steps

static int
s_done (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    realizer_t *self = args;
    CHECK (self, REALIZER_MAGIC);
    const step_done_t *done = req->body;
    work_t *work = zhashx_lookup (self->works, done->subject);
    size_t length = strcspn (done->step, "/");
    const char *name = arena_text (req->arena, done->step, length);
    if (!work || done->step [length] != '/'
        || strtoul (done->step + length + 1, NULL, 10) != work->attempt)
        return 0;                   //  Nobody waits for it any more
    work->known = true;
    return strncmp (work->subject, s_realize, sizeof s_realize - 1) == 0
        ? realizer_realize_done (self, req, work, name, txn, fx, err)
        : realizer_return_done (self, req, work, name, txn, fx, err);
}

static int
s_progress (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    (void) err;
    realizer_t *self = args;
    CHECK (self, REALIZER_MAGIC);
    const step_progress_t *step = req->body;
    work_t *work = work_find (self, step->subject);
    if (!work)
        return 0;
    work->known = true;
    if (work->asker.answer_to == ACTOR_FRONT) {
        effects_progress (fx, req->arena, step->subject, &workspace_progress_schema,
                          step->progress);
        return 0;
    }
    step_progress_t on = { .subject = work->asker.subject, .progress = step->progress };
    effects_work (fx, req->arena, work->asker.answer_to, NULL, REQUEST_STEP_PROGRESS,
                  work->asker.subject, work->asker.step, NULL, 0, &on);
    return 0;
}

//  ---- time

static int64_t
s_next_ms (void *args)
{
    realizer_t *self = args;
    int64_t next_ms = INT64_MAX;
    for (work_t *work = zhashx_first (self->works); work; work = zhashx_next (self->works))
        next_ms = work->give_up_ms < next_ms ? work->give_up_ms : next_ms;
    return next_ms;
}

//  Forgets what is finished, and gives up what should have been answered long ago: every step has
//  a deadline of its own, so this is a defect.
static int
s_tick (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    (void) err;
    realizer_t *self = args;
    work_t *work = zhashx_first (self->works);
    while (work) {
        work_t *due = work->give_up_ms <= req->mono_ms ? work : NULL;
        work = zhashx_next (self->works);
        if (due && due->finished)
            zhashx_delete (self->works, due->subject);
        else if (due) {
            berth_error_t why = { 0 };
            (void) berth_fail (&why, BERTH_PROVIDER_TIMEOUT, "a step of %s was never answered",
                               due->subject);
            log_fault ("realizer", "step", &why);
            effects_settle_error (fx, req->arena, due->subject, &why);
            work_finish (due, req);
        }
    }
    return 0;
}

//  ---- the actor

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_COMPANY_CLEAR] = workspaces_clear,
    [REQUEST_WORKSPACE_CREATE] = workspaces_create,
    [REQUEST_WORKSPACE_GET] = workspaces_get,
    [REQUEST_WORKSPACE_LIST] = workspaces_list,
    [REQUEST_WORKSPACE_UPDATE] = workspaces_update,
    [REQUEST_WORKSPACE_RETURN] = realizer_return,
    [REQUEST_WORKSPACE_DIFF] = realizer_diff,
    [REQUEST_WORKSPACE_REALIZE] = realizer_realize,
    [REQUEST_STEP_DONE] = s_done,
    [REQUEST_STEP_PROGRESS] = s_progress,
};

realizer_t *
realizer_new (const context_t *context, berth_error_t *err)
{
    (void) err;
    realizer_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = REALIZER_MAGIC;
    self->context = context;
    self->works = zhashx_new ();
    ENSURE (self->works);
    zhashx_set_destructor (self->works, s_work_destroy);
    static const actor_spec_t spec = {
        .code = ACTOR_REALIZER, .handlers = s_handlers, .tick = s_tick, .next_ms = s_next_ms,
        .rejoin = realizer_return_again, .fd = -1,
    };
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return self;
}

void
realizer_destroy (realizer_t **self_p)
{
    realizer_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, REALIZER_MAGIC);
    actor_destroy (&self->actor);
    zhashx_destroy (&self->works);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
realizer_actor (zsock_t *pipe, void *args)
{
    realizer_t *self = args;
    CHECK (self, REALIZER_MAGIC);
    actor_run (self->actor, pipe);
}

actor_t *
realizer_kit (realizer_t *self)
{
    CHECK (self, REALIZER_MAGIC);
    return self->actor;
}
