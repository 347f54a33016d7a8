//  leases_forget.c - how a settled lease goes when it was kept long enough.

#include "leases_inside.h"

#include "log.h"

#include <string.h>

//  Does something that is still kept name it? Then it stays as long.
static bool
s_named (const request_t *req, store_txn_t *txn, const lease_t *lease)
{
    store_key_t prefix = { 0 }, key;
    store_walk_t walk;
    berth_error_t unknown = { 0 };
    key_id (&prefix, lease->id);
    if (walk_begin (&walk, txn, INDEX_EXEC_BY_LEASE, &prefix, NULL, NULL))
        return true;
    bool has_execs = walk_next_key (&walk, &key, NULL) == 0;
    walk_end (&walk);
    run_t run;
    return has_execs
        || (lease->run && run_get (txn, req->arena, lease->company, lease->run, &run, &unknown) == 0
            && run.lease && strcmp (run.lease, lease->id) == 0);
}

//  Looks at the oldest, from where the turn before stopped at those that are named.
static int
s_forget (leases_t *self, const request_t *req, store_txn_t *txn, int64_t *ret_oldest_ms,
          bool *ret_more, berth_error_t *err)
{
    int64_t before_ms = retention_before (&self->context->retention, KEPT_LEASES, req->now_ms);
    lease_t *due = arena_array (req->arena, BERTH_RETENTION_TURN, lease_t);
    size_t count = 0, removed = 0;
    store_walk_t walk;
    const char *after = self->forget_after [0] ? self->forget_after : NULL;
    if (walk_begin (&walk, txn, INDEX_LEASE_SETTLED, NULL, after, err))
        return -1;
    int rc = 0;
    *ret_oldest_ms = INT64_MAX;
    while (count < BERTH_RETENTION_TURN
           && (rc = walk_next (&walk, req->arena, &due [count], err)) == 0) {
        if (due [count].updated_at >= before_ms) {
            *ret_oldest_ms = due [count].updated_at;
            break;
        }
        count++;
    }
    *ret_more = count == BERTH_RETENTION_TURN;
    snprintf (self->forget_after, sizeof self->forget_after, "%s",
              *ret_more ? walk_cursor (&walk, req->arena) : "");
    walk_end (&walk);
    for (size_t index = 0; rc >= 0 && index < count; index++) {
        if (s_named (req, txn, &due [index]))
            continue;
        if (lease_del (txn, req->arena, due [index].id, err))
            return -1;
        removed++;
    }
    retention_count (KEPT_LEASES, removed);
    return rc < 0 ? -1 : 0;
}

void
leases_forget (leases_t *self, const request_t *req, store_txn_t *txn)
{
    const retention_t *retention = &self->context->retention;
    if (!retention->kept_ms [KEPT_LEASES])
        return;
    if (self->forget_ms <= req->mono_ms) {
        berth_error_t err = { 0 };
        own (store_txn) part = NULL;
        int64_t oldest_ms = INT64_MAX;
        bool more = false;
        if (store_child (txn, &part, &err) || s_forget (self, req, part, &oldest_ms, &more, &err)
            || store_commit (&part, &err)) {
            log_fault ("leases", "retention", &err);    //  What else is due is not held up by it
            more = false;
        }
        self->forget_ms = retention_next (retention, KEPT_LEASES, req->now_ms, req->mono_ms, oldest_ms,
                                          more);
    }
    leases_due (self, self->forget_ms);
}
