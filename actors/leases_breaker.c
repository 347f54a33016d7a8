//  leases_breaker.c - a provider that fails again and again is left alone for a while, so that
//  whoever asks hears so at once and it is not asked in vain.
//
//  What opens places and what closes them is counted apart: a place that cannot be closed costs as
//  much as one that cannot be opened, and a provider may well do the one and not the other.
//
//  One breaker for each provider and environment, since what fails may be one environment's own
//  config; and one for the provider, which opens only if failures of several environments follow
//  each other. An open one is a row: it outlives the process. What leads there is memory.

#include "leases_inside.h"

#include "plant.h"

#include <stdio.h>
#include <string.h>

//  ---- counting

//  What of one environment, or of all of a provider ("" as environment), failed without a success
//  in between. Handlers may be run twice, so each lease counts once.
static breaker_t *
s_breaker (leases_t *self, const char *provider, const char *env, breaker_verb_t verb, bool make)
{
    breaker_t *oldest = &self->breakers [0];
    for (size_t index = 0; index < LEASES_BREAKERS; index++) {
        breaker_t *breaker = &self->breakers [index];
        if (strcmp (breaker->provider, provider) == 0 && strcmp (breaker->env, env) == 0
            && breaker->verb == verb)
            return breaker;
        if (breaker->last_ms < oldest->last_ms)
            oldest = breaker;
    }
    if (!make)
        return NULL;
    *oldest = (breaker_t) { .verb = verb };
    snprintf (oldest->provider, sizeof oldest->provider, "%s", provider);
    snprintf (oldest->env, sizeof oldest->env, "%s", env);
    return oldest;
}

//  Counts a failure; true if these are too many alike.
static bool
s_count (breaker_t *self, const request_t *req, const lease_t *lease, berth_code_t code)
{
    for (size_t index = 0; index < self->count; index++)
        if (strcmp (self->failed [index].lease, lease->id) == 0)
            return self->count == BERTH_BREAKER_FAILURES;
    if (self->count && self->code != code)
        self->count = 0;
    self->code = code;
    self->last_ms = req->mono_ms;
    size_t gone = 0;                //  Those that are too long ago, and the one that has no room
    while (gone < self->count && (self->count - gone == BERTH_BREAKER_FAILURES
           || req->mono_ms - self->failed [gone].at_ms >= BERTH_BREAKER_WINDOW_MS))
        gone++;
    memmove (self->failed, self->failed + gone, (self->count - gone) * sizeof self->failed [0]);
    self->count -= gone;
    breaker_failure_t *failure = &self->failed [self->count++];
    failure->at_ms = req->mono_ms;
    snprintf (failure->lease, sizeof failure->lease, "%s", lease->id);
    snprintf (failure->env, sizeof failure->env, "%s", lease->env);
    return self->count == BERTH_BREAKER_FAILURES;
}

static bool
s_several (const breaker_t *self)
{
    for (size_t index = 1; index < self->count; index++)
        if (strcmp (self->failed [index].env, self->failed [0].env))
            return true;
    return false;
}

//  ---- rows

//  Of one environment, or with "" of the provider.
static const char *
s_id (arena_t *arena, const char *provider, const char *env)
{
    return arena_printf (arena, "breaker:%s%s%s", provider, *env ? ":" : "", env);
}

static int64_t
s_pause_ms (uint64_t attempts)
{
    int64_t pause_ms = (int64_t) BERTH_BREAKER_FIRST_MS << (attempts < 8 ? attempts : 8);
    return pause_ms < BERTH_BREAKER_MAX_MS ? pause_ms : BERTH_BREAKER_MAX_MS;
}

static int
s_open (const request_t *req, store_txn_t *txn, const char *provider, const char *env,
        breaker_verb_t verb, const berth_error_t *why, berth_error_t *err)
{
    bool closes = verb == BREAKER_CLOSE;
    hold_t hold = {
        .id = s_id (req->arena, provider, env), .kind = hold_kind_BREAKER, .held = true,
        .provider = provider, .env = *env ? env : NULL, .since = req->now_ms,
        .next_try_at = req->now_ms + s_pause_ms (0), .code = berth_code_text (why->code),
        .error = arena_string (req->arena, why->text),
        .reason = arena_printf (req->arena, "%d %s in a row failed with %s", BERTH_BREAKER_FAILURES,
                                closes ? "releases" : "acquires", berth_code_text (why->code)),
        .releases = closes,
    };
    return hold_put (txn, req->arena, &hold, err)
        || hold_note (req, txn, &hold, ACTION_PROVIDER_BREAKER_OPENED, hold.reason, err) ? -1 : 0;
}

static bool
s_counts (berth_code_t code)
{
    return code == BERTH_PROVIDER_UNAVAILABLE || code == BERTH_PROVIDER_ERROR
        || code == BERTH_PROVIDER_TIMEOUT;
}

//  Of one breaker: a call was answered. *ret_held: it is open, and was before.
static int
s_told (const request_t *req, store_txn_t *txn, const lease_t *lease, const char *env,
        breaker_verb_t verb, const berth_error_t *why, bool *ret_held, berth_error_t *err)
{
    hold_t hold = { .held = false };
    if (hold_find (txn, req->arena, s_id (req->arena, lease->provider, env), &hold, err))
        return -1;
    *ret_held = hold.held && why->code;
    if (!hold.held || hold.releases != (verb == BREAKER_CLOSE))
        return 0;
    if (!why->code)
        return hold_del (txn, req->arena, hold.id, err)
            || hold_note (req, txn, &hold, ACTION_PROVIDER_BREAKER_CLOSED, NULL, err) ? -1 : 0;
    if (!hold.probed_at || lease->created_at < hold.probed_at)
        return 0;                   //  It was asked before: nothing new
    berth_put (hold, &hold, attempts, hold.attempts + 1);
    berth_clear (hold, &hold, probed_at);
    hold.next_try_at = req->now_ms + s_pause_ms (hold.attempts);
    hold.code = berth_code_text (why->code);
    hold.error = arena_string (req->arena, why->text);
    return hold_put (txn, req->arena, &hold, err);
}

int
leases_breaker_told (leases_t *self, const request_t *req, store_txn_t *txn, const lease_t *lease,
                     breaker_verb_t verb, const berth_error_t *why, berth_error_t *err)
{
    if (!lease->provider || (why->code && !s_counts (why->code)) || PLANTED ("breaker-never"))
        return 0;
    bool of_env = false, of_all = false;
    bool none = !why->code && !table_rows (txn, TABLE_HOLDS);       //  The usual case
    if (!none && (s_told (req, txn, lease, lease->env, verb, why, &of_env, err)
                  || s_told (req, txn, lease, "", verb, why, &of_all, err)))
        return -1;
    if (!why->code) {
        const char *of [] = { lease->env, "" };
        for (size_t index = 0; index < BERTH_COUNT (of); index++) {
            breaker_t *breaker = s_breaker (self, lease->provider, of [index], verb, false);
            if (breaker)
                breaker->count = 0;
        }
        return 0;
    }
    breaker_t *all = s_breaker (self, lease->provider, "", verb, true);
    bool opens = !of_all && s_count (all, req, lease, why->code) && s_several (all);
    if (opens && s_open (req, txn, lease->provider, "", verb, why, err))
        return -1;
    breaker_t *one = s_breaker (self, lease->provider, lease->env, verb, true);
    if (!of_env && s_count (one, req, lease, why->code)
        && s_open (req, txn, lease->provider, lease->env, verb, why, err))
        return -1;
    return 0;
}

//  ---- may something new be leased?

static int
s_admit (const request_t *req, store_txn_t *txn, const char *provider, const char *env,
         berth_error_t *err)
{
    hold_t hold = { .held = false };
    if (hold_find (txn, req->arena, s_id (req->arena, provider, env), &hold, err))
        return -1;
    int64_t wait_ms = hold.held ? hold.next_try_at - req->now_ms : 0;
    bool wait = wait_ms > 0 && wait_ms <= BERTH_BREAKER_MAX_MS;     //  Else the clock was set back
    if (!hold.held)
        return 0;
    if (!wait) {
        //  One is let through; the next not before this one must have been answered.
        hold.probed_at = req->now_ms;
        hold.next_try_at = req->now_ms + LEASES_OPEN_MS;
        return hold_put (txn, req->arena, &hold, err);
    }
    err->retry_after_ms = (uint64_t) wait_ms;
    berth_error_set (err->cause, sizeof err->cause, "%s", hold.error);
    berth_error_set (err->remedy, sizeof err->remedy, "mend what its last failure says;"
                     " `berth doctor` tells what else waits");
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                       "provider %s is left alone%s: %s (%.96s); it is tried again in %lld s",
                       provider, *env ? " for this environment" : "", hold.reason, hold.error,
                       (long long) (wait_ms + 999) / 1000);
}

int
leases_breaker_admit (const request_t *req, store_txn_t *txn, const char *provider,
                      const char *env, berth_error_t *err)
{
    return s_admit (req, txn, provider, "", err) || s_admit (req, txn, provider, env, err) ? -1 : 0;
}
