//  leases_start.c - owns what a start finds in the rows: places to open, to take up again, to close.
//
//  The start looks at keys only; each turn then takes up a bounded number of leases beside what
//  clients ask meanwhile. Whatever a client changes before its turn comes was sent by that change.

#include "leases_inside.h"

#include "plant.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    char id [BERTH_ID_SIZE];
    uint8_t state;                  //  As the start found it
} found_t;

typedef struct taken_up {
    size_t count, next;
    found_t items [];
} taken_up_t;

//  What is waited for most comes first.
static const lease_state_t s_states [] = {
    lease_state_PENDING, lease_state_ACTIVE, lease_state_RELEASING, lease_state_RETAINED,
    lease_state_CLEANUP,
};

static int
s_find (store_txn_t *txn, lease_state_t state, taken_up_t *found, size_t room, berth_error_t *err)
{
    store_key_t prefix = { 0 }, key;
    key_byte (&prefix, (uint8_t) state);
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_LEASE_LIVE, &prefix, NULL, err))
        return -1;
    int rc = 0;
    while (found->count < room && (rc = walk_next_key (&walk, &key, err)) == 0) {
        key_last_id (&key, found->items [found->count].id);
        found->items [found->count++].state = (uint8_t) state;
    }
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

int
leases_start (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    self->started_mono_ms = req->mono_ms;
    if (PLANTED ("work-forgotten"))
        return 0;
    size_t room = 0;
    for (size_t index = 0; index < BERTH_COUNT (s_states); index++)
        room += (size_t) table_rows_in (txn, TABLE_LEASES, (int) s_states [index]);
    free (self->found);
    self->found = calloc (1, sizeof *self->found + room * sizeof (found_t));
    ENSURE (self->found);
    for (size_t index = 0; index < BERTH_COUNT (s_states); index++)
        if (s_find (txn, s_states [index], self->found, room, err))
            return -1;
    if (PLANTED ("lease-forgotten") && self->found->count > 1)
        self->found->count--;
    return leases_take_up (self, req, txn, fx, err);
}

//  ---- one by one

//  Its client has so long to come back.
static bool
s_bound (leases_t *self, const request_t *req, lease_t *lease)
{
    int64_t heard_ms = self->started_mono_ms + BERTH_CLIENT_SILENCE_MS;
    if (!lease->bind || (lease->look_mono_ms && lease->look_mono_ms <= heard_ms))
        return false;
    lease_look_at (self, req, lease, heard_ms);
    return true;
}

static int
s_pending (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
           berth_error_t *err)
{
    (void) lease_rebase (self, req, lease);
    if (!lease->look_mono_ms)
        lease_look_later (self, req, lease);
    (void) s_bound (self, req, lease);
    if (!lease->queued_at)
        leases_send_open (req, fx, lease, lease_opening_step (lease));
    return lease_put (txn, self->rows, lease, err);
}

//  Of this boot, its row stays as it is: use since the last one is found when it is looked at.
static int
s_active (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
          berth_error_t *err)
{
    bool changed = lease_rebase (self, req, lease);
    if (!changed && !lease->look_mono_ms && lease->deadline_mono_ms) {
        if (lease->idle_ms)
            lease->used_mono_ms = req->mono_ms;     //  Of an older schema, which did not keep it
        lease_look_later (self, req, lease);
        changed = true;
    }
    changed |= s_bound (self, req, lease);
    if (lease->place == place_state_OPENING)
        leases_send_open (req, fx, lease, "place");
    else if (lease->place == place_state_OPEN)
        leases_send_open (req, fx, lease, "resume");
    return changed ? lease_put (txn, self->rows, lease, err) : 0;
}

static int
s_retained (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
            berth_error_t *err)
{
    if (lease->homeward)
        leases_send_home (req, fx, lease);
    if (!lease->look_mono_ms)                       //  Of an older schema, in which it had no end
        lease_retained (self, req, lease, self->context->retention.retained_ms);
    else if (!lease_rebase (self, req, lease))
        return 0;
    return lease_put (txn, self->rows, lease, err);
}

static int
s_cleanup (leases_t *self, const request_t *req, store_txn_t *txn, lease_t *lease, berth_error_t *err)
{
    int64_t wait_ms = lease->next_try_at - req->now_ms;
    if (wait_ms < 0 || wait_ms > LEASES_RETRY_MAX_MS * (100 + LEASES_JITTER_PERCENT) / 100)
        wait_ms = 0;                //  It is due; or the wall clock was set back
    lease_look_at (self, req, lease, req->mono_ms + wait_ms);
    return lease_put (txn, self->rows, lease, err);
}

//  By the state it has now. It is another one only if somebody asked for that since the start, and
//  what was asked of a place that was open has been sent.
static int
s_take_up (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, const found_t *found,
           berth_error_t *err)
{
    lease_t lease;
    berth_error_t gone = { 0 };
    if (lease_get (txn, self->rows, found->id, &lease, &gone)) {
        *err = gone;
        return gone.code == BERTH_NOT_FOUND ? 0 : -1;
    }
    bool same = lease.state == (lease_state_t) found->state;
    if (lease.state == lease_state_RELEASING) {
        if (same || lease.place == place_state_OPENING)
            leases_send_close (req, fx, &lease);
        return 0;
    }
    if (!same)
        return 0;
    switch (found->state) {
        case lease_state_PENDING:
            return s_pending (self, req, txn, fx, &lease, err);
        case lease_state_ACTIVE:
            return s_active (self, req, txn, fx, &lease, err);
        case lease_state_RETAINED:
            return s_retained (self, req, txn, fx, &lease, err);
        default:
            return s_cleanup (self, req, txn, &lease, err);
    }
}

//  Behind the commit: a turn that fails is done again.
static void
s_went_on (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) req;
    (void) fx;
    leases_t *self = actor;
    self->found->next = *(const size_t *) what;
    if (self->found->next < self->found->count)
        return;
    free (self->found);
    self->found = NULL;
}

int
leases_take_up (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                berth_error_t *err)
{
    const taken_up_t *found = self->found;
    if (!found)
        return 0;
    size_t *next = arena_new_of (req->arena, size_t);
    *next = found->next;
    for (int left = LEASES_TICK_MAX; left > 0 && *next < found->count; left--) {
        if (s_take_up (self, req, txn, fx, &found->items [(*next)++], err))
            return -1;
        arena_clear (self->rows);
    }
    if (*next < found->count)
        leases_due (self, req->mono_ms);
    effects_call (fx, req, s_went_on, self, next);
    return 0;
}

//  ---- the end of the service

//  Rows are read one by one: what is kept of each meanwhile is its id.
static int
s_give_up (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_state_t state,
           berth_error_t *err)
{
    //  First look, then change: a walk does not survive writes to its index.
    size_t room = (size_t) table_rows_in (txn, TABLE_LEASES, (int) state);
    taken_up_t *found = arena_take (req->arena, sizeof *found + room * sizeof (found_t));
    found->count = 0;
    if (s_find (txn, state, found, room, err))
        return -1;
    for (size_t index = 0; index < found->count; index++) {
        lease_t lease;
        if (lease_get (txn, req->arena, found->items [index].id, &lease, err))
            return -1;
        berth_put (lease, &lease, destroy, true);
        if (leases_begin_release (self, req, txn, fx, &lease, "released", NULL, err))
            return -1;
    }
    return 0;
}

//  The service closes for good: every lease is given back.
int
leases_release_all (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                    berth_error_t *err)
{
    leases_t *self = me;
    return s_give_up (self, req, txn, fx, lease_state_PENDING, err)
        || s_give_up (self, req, txn, fx, lease_state_ACTIVE, err)
        || leases_sweep_kept (self, req, txn, fx, true, err) ? -1 : 0;
}
