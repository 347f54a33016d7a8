//  leases_company.c - the leases of a company that is being deleted: given back, and gone when nothing
//  names them any more; and what kept new ones away from its environments.

#include "leases_inside.h"

#include "company.h"

#include <string.h>

//  Given back, and its kept place destroyed; it waits until nothing of it is open.
static int
s_work (void *self, const request_t *req, store_txn_t *txn, effects_t *fx, void *row,
        company_cleared_t *cleared, berth_error_t *err)
{
    lease_t *lease = row;
    if (leases_give_back (self, req, txn, fx, lease->id, "its company was deleted", err)
        || lease_get (txn, req->arena, arena_string (req->arena, lease->id), lease, err))
        return -1;
    cleared->waiting += !lease_settled (lease->state) || lease->place == place_state_KEPT
                     || lease->place == place_state_CLOSING;
    return 0;
}

static int
s_row (void *self, const request_t *req, store_txn_t *txn, effects_t *fx, void *row,
       company_cleared_t *cleared, berth_error_t *err)
{
    (void) self;
    (void) fx;
    const lease_t *lease = row;
    if (!lease_settled (lease->state)) {
        cleared->waiting++;
        return 0;
    }
    cleared->removed++;
    return lease_del (txn, req->arena, lease->id, err);
}

//  There are as many as providers and environments that failed again and again.
static int
s_holds (const request_t *req, store_txn_t *txn, const char *company, berth_error_t *err)
{
    size_t room = (size_t) table_rows (txn, TABLE_HOLDS), count = 0;
    hold_t *holds = arena_array (req->arena, room + 1, hold_t);
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_HOLD_LIST, NULL, NULL, err))
        return -1;
    int rc = 0;
    while (count < room && (rc = walk_next (&walk, req->arena, &holds [count], err)) == 0)
        count++;
    walk_end (&walk);
    for (size_t index = 0; rc >= 0 && index < count; index++) {
        environment_t env;
        berth_error_t gone = { 0 };
        if (holds [index].env && environment_get (txn, req->arena, holds [index].env, &env, &gone) == 0
            && strcmp (env.company, company) == 0
            && hold_del (txn, req->arena, holds [index].id, err))
            return -1;
    }
    return rc < 0 ? -1 : 0;
}

int
leases_clear (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const company_clear_t *ask = req->body;
    bool work = ask->part == company_part_WORK;
    if (!work && s_holds (req, txn, ask->company, err))
        return -1;
    return company_clear_rows (me, req, txn, fx, TABLE_LEASES, INDEX_LEASE_LIST, false,
                               work ? s_work : s_row, err);
}
