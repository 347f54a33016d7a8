//  leases_deadline.c - owns a lease's clock: what was granted, what clips it, and when the row is
//  looked at next.
//
//  Times of waiting are of the monotonic clock of one boot, which stands still while the machine
//  sleeps and knows nothing of a wall clock that is set. expiresAt is what people are told. Only in
//  another boot the wall clock decides, plus one grace, because nothing else is left.
//
//  The index of what is due has when a row is looked at, not when it ends: a renewal leaves the entry
//  where it is, and the look that finds nothing to do moves it on. So putting off costs nothing in
//  the index, and the tick reads only what is due for a look.

#include "leases_inside.h"

#include <string.h>

//  environment.lease_expiring is said so many seconds before the end.
static const uint64_t s_said_s [] = { 300, 60, 10 };

uint64_t
lease_warning_s (int64_t left_ms)
{
    uint64_t least_s = 0;
    for (size_t index = 0; index < BERTH_COUNT (s_said_s); index++)
        if ((int64_t) s_said_s [index] * 1000 >= left_ms)
            least_s = s_said_s [index];
    return least_s;
}

//  What is to be said next comes before the end; in a boot that has just begun, before its clock even.
static int64_t
s_next_look (const lease_t *lease)
{
    for (size_t index = 0; lease->deadline_mono_ms && index < BERTH_COUNT (s_said_s); index++)
        if (!lease->told_s || s_said_s [index] < lease->told_s) {
            int64_t look_ms = lease->deadline_mono_ms - (int64_t) s_said_s [index] * 1000;
            return look_ms > 0 ? look_ms : 1;
        }
    return lease->deadline_mono_ms;
}

void
lease_look_at (leases_t *self, const request_t *req, lease_t *lease, int64_t mono_ms)
{
    lease->look_mono_ms = mono_ms;
    if (!mono_ms)
        return;
    lease->boot = req->boot;
    leases_due (self, mono_ms);
}

void
lease_look_later (leases_t *self, const request_t *req, lease_t *lease)
{
    int64_t look_ms = s_next_look (lease);
    bool lazy = look_ms && lease->look_mono_ms > req->mono_ms && lease->look_mono_ms <= look_ms;
    if (!lazy)
        lease_look_at (self, req, lease, look_ms);
}

//  The first of the ends that bound it.
static int64_t
s_end (const lease_t *lease)
{
    int64_t end_ms = lease->end_mono_ms;
    if (lease->provider_end_mono_ms && (!end_ms || lease->provider_end_mono_ms < end_ms))
        end_ms = lease->provider_end_mono_ms;
    if (lease->idle_ms && lease->state == lease_state_ACTIVE) {
        int64_t idle_end_ms = lease->used_mono_ms + (int64_t) lease->idle_ms;
        if (!end_ms || idle_end_ms < end_ms)
            end_ms = idle_end_ms;
    }
    return end_ms;
}

lease_limit_t
lease_limit (const lease_t *lease)
{
    int64_t end_ms = s_end (lease);
    if (!end_ms)
        return LEASE_LIMIT_NONE;
    if (lease->state == lease_state_RETAINED)
        return LEASE_LIMIT_RETAINED;
    if (lease->end_mono_ms == end_ms)
        return LEASE_LIMIT_MAX;
    return lease->provider_end_mono_ms == end_ms ? LEASE_LIMIT_PROVIDER : LEASE_LIMIT_IDLE;
}

//  The end that its bounds make, as its deadline; what was said of another one does not count.
static void
s_set (leases_t *self, const request_t *req, lease_t *lease)
{
    int64_t end_ms = s_end (lease);
    if (end_ms != lease->deadline_mono_ms || !lease->expires_at) {
        lease->deadline_mono_ms = end_ms;
        lease->expires_at = end_ms ? req->now_ms + (end_ms - req->mono_ms) : 0;
        lease->told_s = end_ms ? lease_warning_s (end_ms - req->mono_ms) : 0;
    }
    static const char *const names [] = {
        [LEASE_LIMIT_NONE] = NULL, [LEASE_LIMIT_MAX] = "maxLeaseMs", [LEASE_LIMIT_IDLE] = "idleMs",
        [LEASE_LIMIT_PROVIDER] = "provider.expiresAt", [LEASE_LIMIT_RETAINED] = "retained",
    };
    lease->ends_by = names [lease_limit (lease)];
    lease->boot = end_ms ? req->boot : NULL;
    lease_look_later (self, req, lease);
}

bool
lease_rebase (leases_t *self, const request_t *req, lease_t *lease)
{
    bool ends = lease->state == lease_state_PENDING || lease->state == lease_state_ACTIVE
             || lease->state == lease_state_RETAINED;
    if (!ends || !lease->expires_at || (lease->boot && strcmp (lease->boot, req->boot) == 0))
        return false;
    int64_t left_ms = lease->expires_at - req->now_ms;
    bool granted = lease->state == lease_state_ACTIVE
                || (lease->state == lease_state_PENDING && !lease->queued_at);
    if (granted && lease->max_ms && left_ms > (int64_t) lease->max_ms)
        left_ms = (int64_t) lease->max_ms;      //  A clock of before 1970 knows no better
    //  Time went by for each of its ends, also where the first of them is over: then it is the grace that
    //  is left.
    int64_t first_ms = req->mono_ms + LEASES_GRACE_MS;
    int64_t shift_ms = first_ms + left_ms - lease->deadline_mono_ms;
    int64_t *bounds [] = { &lease->end_mono_ms, &lease->provider_end_mono_ms, &lease->deadline_mono_ms };
    for (size_t index = 0; index < BERTH_COUNT (bounds); index++)
        if (*bounds [index])
            *bounds [index] = *bounds [index] + shift_ms > first_ms ? *bounds [index] + shift_ms
                                                                    : first_ms;
    lease->used_mono_ms = self->started_mono_ms;        //  A start is use
    lease->boot = req->boot;
    lease->look_mono_ms = 0;
    s_set (self, req, lease);
    return true;
}

void
lease_deadline (leases_t *self, const request_t *req, lease_t *lease, uint64_t ms)
{
    (void) lease_rebase (self, req, lease);
    lease->end_mono_ms = ms ? req->mono_ms + (int64_t) ms : 0;
    if (lease->idle_ms)
        lease->used_mono_ms = req->mono_ms;
    s_set (self, req, lease);
}

void
lease_provider_ends (leases_t *self, const request_t *req, lease_t *lease, int64_t expires_at)
{
    (void) lease_rebase (self, req, lease);
    int64_t left_ms = expires_at - req->now_ms;
    lease->provider_end_mono_ms = req->mono_ms + (left_ms > 0 ? left_ms : 0);
    s_set (self, req, lease);
}

void
lease_used_at (leases_t *self, const request_t *req, lease_t *lease, int64_t mono_ms)
{
    (void) lease_rebase (self, req, lease);
    int64_t used_at = req->now_ms - (req->mono_ms - mono_ms);
    if (used_at > lease->last_used_at)
        lease->last_used_at = used_at;
    lease->used_mono_ms = mono_ms;
    s_set (self, req, lease);
}

void
lease_used (leases_t *self, const request_t *req, lease_t *lease)
{
    if (lease->idle_ms && lease->state == lease_state_ACTIVE)
        lease_used_at (self, req, lease, req->mono_ms);
    lease->last_used_at = req->now_ms;
}

void
lease_begun (leases_t *self, const request_t *req, lease_t *lease)
{
    if (lease->idle_ms)
        lease_used_at (self, req, lease, req->mono_ms);
}

void
lease_retained (leases_t *self, const request_t *req, lease_t *lease, int64_t keep_ms)
{
    lease->provider_end_mono_ms = 0;
    lease->boot = req->boot;
    lease->end_mono_ms = req->mono_ms + keep_ms;
    s_set (self, req, lease);
}
