//  leases_hold.c - what keeps new leases away: drained, or a provider paused. What runs goes on.
//
//  Rows, not memory: who drains a service before it is replaced wants the next one to be drained
//  too, and a crash must not let work in. They are told in the service's own log, since they are
//  about no company; a company hears of them in the refusal.

#include "leases_inside.h"

#include "provider.h"

#include <string.h>

static hold_t
s_hold (const request_t *req, const char *provider)
{
    return (hold_t) {
        .id = provider ? arena_printf (req->arena, "pause:%s", provider) : "bus",
        .kind = provider ? hold_kind_PAUSE : hold_kind_DRAIN, .provider = provider,
    };
}

//  The row, if it holds.
static int
s_find (const request_t *req, store_txn_t *txn, const char *provider, hold_t *ret_hold,
        berth_error_t *err)
{
    *ret_hold = s_hold (req, provider);
    return hold_find (txn, req->arena, ret_hold->id, ret_hold, err);
}

int
hold_note (const request_t *req, store_txn_t *txn, const hold_t *hold, action_t action,
           const char *reason, berth_error_t *err)
{
    hold_details_t details = {
        .provider = hold->provider, .env = hold->env, .reason = reason, .code = hold->code,
        .error = hold->error, .next_try_at = hold->next_try_at,
    };
    activity_note_t note = activity_note (req, action, BERTH_SERVICE_COMPANY,
                                          hold->provider ? hold->provider : "bus", NULL, NULL,
                                          berth_pack (&hold_details_schema, &details, req->arena));
    return activity_add (txn, req->arena, &note, err);
}

static int
s_begin (const request_t *req, store_txn_t *txn, effects_t *fx, const char *provider,
         const char *reason, berth_error_t *err)
{
    hold_t hold;
    if (s_find (req, txn, provider, &hold, err))
        return -1;
    if (!hold.held) {
        hold.held = true;
        hold.since = req->now_ms;
        hold.by = arena_string (req->arena, req->letter->principal);
        hold.reason = reason;
        if (hold_put (txn, req->arena, &hold, err)
            || hold_note (req, txn, &hold, provider ? ACTION_PROVIDER_PAUSED : ACTION_BUS_DRAINED,
                          reason, err))
            return -1;
    }
    effects_reply (fx, req, &hold_schema, &hold);
    return 0;
}

static int
s_end (const request_t *req, store_txn_t *txn, effects_t *fx, const char *provider,
       const char *reason, berth_error_t *err)
{
    hold_t hold;
    if (s_find (req, txn, provider, &hold, err))
        return -1;
    if (hold.held
        && (hold_del (txn, req->arena, hold.id, err)
            || hold_note (req, txn, &hold, provider ? ACTION_PROVIDER_UNPAUSED : ACTION_BUS_UNDRAINED,
                          reason, err)))
        return -1;
    hold = s_hold (req, provider);
    effects_reply (fx, req, &hold_schema, &hold);
    return 0;
}

int
leases_drain (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const bus_drain_t *ask = req->body;
    return s_begin (req, txn, fx, NULL, ask->reason, err);
}

int
leases_undrain (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const bus_drain_t *ask = req->body;
    leases_queue_due (me, req->mono_ms);
    return s_end (req, txn, fx, NULL, ask->reason, err);
}

static int
s_provider (const leases_t *self, const char *name, berth_error_t *err)
{
    const provider_t *provider = provider_by_name (name);
    if (provider && (!provider->for_tests || self->context->test_providers))
        return 0;
    berth_error_set (err->provider, sizeof err->provider, "%s", name);
    return berth_fail (err, BERTH_NOT_FOUND, "no provider '%s'", name);
}

int
leases_pause (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const provider_pause_t *ask = req->body;
    return s_provider (me, ask->provider, err)
        || s_begin (req, txn, fx, ask->provider, ask->reason, err) ? -1 : 0;
}

int
leases_unpause (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const provider_pause_t *ask = req->body;
    leases_queue_due (me, req->mono_ms);
    return s_provider (me, ask->provider, err)
        || s_end (req, txn, fx, ask->provider, ask->reason, err) ? -1 : 0;
}

//  ---- may something new be leased?

static int
s_refuse (const hold_t *hold, berth_error_t *err)
{
    const char *why = hold->reason ? ": " : "", *reason = hold->reason ? hold->reason : "";
    if (hold->kind == hold_kind_DRAIN) {
        berth_error_set (err->cause, sizeof err->cause, "drained");
        berth_error_set (err->remedy, sizeof err->remedy,
                         "ask again when an operator has said: berth bus undrain");
        return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                           "the service is drained and takes no new lease%s%s", why, reason);
    }
    berth_error_set (err->cause, sizeof err->cause, "paused");
    berth_error_set (err->remedy, sizeof err->remedy, "use another provider, or ask again when an"
                     " operator has said: berth provider unpause %s", hold->provider);
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                       "provider %s is paused and takes no new lease%s%s", hold->provider, why, reason);
}

int
leases_admit (leases_t *self, const request_t *req, store_txn_t *txn, const char *provider,
              const char *env, berth_error_t *err)
{
    (void) self;
    hold_t hold;
    if (s_find (req, txn, NULL, &hold, err))
        return -1;
    if (!hold.held && s_find (req, txn, provider, &hold, err))
        return -1;
    return hold.held ? s_refuse (&hold, err) : leases_breaker_admit (req, txn, provider, env, err);
}
