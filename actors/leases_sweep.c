//  leases_sweep.c - looks at each provider's places from time to time, and holds them against the
//  leases: which sweep is due, the pages of its list, its end.
//
//  A list that cannot be read is unknown, not empty: what is suspected stays so, and nothing is done.
//  What is found stands in rows, so that two sweeps in a row may have a restart between them.

#include "leases_inside.h"

#include "provider.h"

#include <string.h>

static bool
s_swept (const leases_t *self, const provider_t *provider)
{
    return provider->list && (!provider->for_tests || self->context->test_providers);
}

//  ---- asking

//  Of this sweep: an answer to the one before is none to this.
static const char *
s_step (arena_t *arena, const sweep_t *sweep)
{
    return arena_printf (arena, SWEEP_STEP_LIST "%llu", (unsigned long long) sweep->number);
}

static int
s_ask (const request_t *req, store_txn_t *txn, effects_t *fx, sweep_t *sweep, berth_error_t *err)
{
    place_list_t ask = { .after = sweep->after };
    if (!sweep->after) {            //  Leases are held against the first page
        const char **names = arena_array (req->arena, BERTH_SWEEP_PAGE, const char *);
        if (suspects_expected (req, txn, sweep, names, &ask.expected.count, err))
            return -1;
        ask.expected.items = names;
    }
    effects_work (fx, req->arena, ACTOR_PROXY, sweep->provider, REQUEST_PLACE_LIST,
                  arena_printf (req->arena, SWEEP_SUBJECT "%s", sweep->provider),
                  s_step (req->arena, sweep), NULL, req->mono_ms + LEASES_LIST_MS, &ask);
    return sweep_put (txn, req->arena, sweep, err);
}

static int
s_begin (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, size_t index,
         bool now, bool former, berth_error_t *err)
{
    const char *provider = provider_at (index)->name;
    sweep_t sweep = { .provider = provider };
    if (sweep_find (txn, req->arena, provider, &sweep, err))
        return -1;
    sweep.number++;
    sweep.begun_at = req->now_ms;
    sweep.running = true;
    sweep.acted = 0;
    sweep.after = NULL;
    berth_put (sweep, &sweep, now, now);
    berth_put (sweep, &sweep, former, former);
    self->sweeps [index].until_ms = req->mono_ms + LEASES_LIST_MS + LEASES_ANSWER_MS;
    return s_ask (req, txn, fx, &sweep, err);
}

//  Of the process before us, one that is said to run does not.
static bool
s_runs (const leases_t *self, const request_t *req, size_t index)
{
    return self->sweeps [index].until_ms > req->mono_ms;
}

int
leases_sweep_due (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                  berth_error_t *err)
{
    int64_t every_ms = self->context->sweep.every_ms;
    for (size_t index = 0; every_ms && index < LEASES_SWEEPS && provider_at (index); index++) {
        int64_t *next_ms = &self->sweeps [index].next_ms;
        if (!s_swept (self, provider_at (index)))
            continue;
        if (!*next_ms)
            *next_ms = req->mono_ms + every_ms;
        if (*next_ms <= req->mono_ms) {
            if (!s_runs (self, req, index) && s_begin (self, req, txn, fx, index, false, false, err))
                return -1;
            *next_ms = req->mono_ms + every_ms;
        }
        leases_due (self, *next_ms);
    }
    return 0;
}

int
leases_sweep_now (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                  berth_error_t *err)
{
    leases_t *self = me;
    const provider_sweep_t *ask = req->body;
    size_t index = 0;
    while (provider_at (index) && strcmp (provider_at (index)->name, ask->provider))
        index++;
    const provider_t *provider = index < LEASES_SWEEPS ? provider_at (index) : NULL;
    berth_error_set (err->provider, sizeof err->provider, "%s", ask->provider);
    if (!provider || (provider->for_tests && !self->context->test_providers))
        return berth_fail (err, BERTH_NOT_FOUND, "no provider '%s'", ask->provider);
    if (!provider->list)
        return berth_fail (err, BERTH_UNSUPPORTED, "provider %s cannot list its places",
                           ask->provider);
    effects_wait (fx, req, arena_printf (req->arena, "%s/swept", provider->name));
    return s_runs (self, req, index)
        ? 0 : s_begin (self, req, txn, fx, index, ask->now, ask->former, err);
}

//  ---- answers

static void
s_settle (const request_t *req, effects_t *fx, const sweep_t *sweep, const berth_error_t *why)
{
    const char *subject = arena_printf (req->arena, "%s/swept", sweep->provider);
    if (why)
        effects_settle_error (fx, req->arena, subject, why);
    else
        effects_settle (fx, req->arena, subject, &sweep_schema, sweep);
}

//  What was suspected before stays; that it was not seen again is no proof of anything.
static int
s_unreadable (const request_t *req, store_txn_t *txn, effects_t *fx, sweep_t *sweep,
              const berth_error_t *why, berth_error_t *err)
{
    sweep->running = false;
    sweep->failing_since = sweep->failures ? sweep->failing_since : req->now_ms;
    sweep->failures++;
    sweep->error = arena_printf (req->arena, "%s (%s)%s%s", why->text, berth_code_text (why->code),
                                 why->cause [0] ? ": " : "", why->cause);
    s_settle (req, fx, sweep, why);
    return sweep_put (txn, req->arena, sweep, err);
}

static int
s_end (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, sweep_t *sweep,
       berth_error_t *err)
{
    if (suspects_act (self, req, txn, fx, sweep, err))
        return -1;
    sweep->running = false;
    sweep->done_at = req->now_ms;
    sweep->failures = 0;
    sweep->failing_since = 0;
    sweep->error = sweep->after = NULL;
    s_settle (req, fx, sweep, NULL);
    return sweep_put (txn, req->arena, sweep, err);
}

static int
s_page (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, sweep_t *sweep,
        const place_list_page_t *page, berth_error_t *err)
{
    if (!sweep->after) {
        sweep->places = 0;
        sweep->lied = NULL;
    }
    sweep->places += page->items.count;
    for (size_t index = 0; index < page->items.count; index++)
        if (suspects_listed (req, txn, sweep, &page->items.items [index], err))
            return -1;
    for (size_t index = 0; index < page->missing.count; index++)
        if (suspects_missing (req, txn, sweep, page->missing.items [index], err))
            return -1;
    if (!page->more || !page->items.count)
        return s_end (self, req, txn, fx, sweep, err);
    sweep->after = page->items.items [page->items.count - 1].provider_lease;
    return s_ask (req, txn, fx, sweep, err);
}

int
leases_listed (leases_t *self, const request_t *req, const step_done_t *done, store_txn_t *txn,
               effects_t *fx, berth_error_t *err)
{
    const char *provider = done->subject + strlen (SWEEP_SUBJECT);
    sweep_t sweep = { .provider = NULL };
    size_t index = 0;
    if (sweep_find (txn, req->arena, provider, &sweep, err))
        return -1;
    while (provider_at (index) && strcmp (provider_at (index)->name, provider))
        index++;
    if (!sweep.provider || !sweep.running || index >= LEASES_SWEEPS
        || strcmp (s_step (req->arena, &sweep), done->step))
        return 0;                   //  A second answer to the same question
    place_list_page_t page;
    berth_error_t why = { 0 };
    if (!done->ok)
        error_from_body (done->error, req->arena, &why);
    else
        (void) berth_unpack_own (&place_list_page_schema, done->result, req->arena, &page, &why);
    int rc = why.code ? s_unreadable (req, txn, fx, &sweep, &why, err)
                      : s_page (self, req, txn, fx, &sweep, &page, err);
    self->sweeps [index].until_ms = sweep.running
                                  ? req->mono_ms + LEASES_LIST_MS + LEASES_ANSWER_MS : 0;
    return rc;
}
