//  runs_forget.c - how a released or failed run goes when it was kept long enough.

#include "runs_inside.h"

#include "company.h"
#include "log.h"

static int
s_forget (runs_t *self, const request_t *req, store_txn_t *txn, int64_t *ret_oldest_ms, bool *ret_more,
          berth_error_t *err)
{
    int64_t before_ms = retention_before (&self->context->retention, KEPT_RUNS, req->now_ms);
    run_t *due = arena_array (req->arena, BERTH_RETENTION_TURN, run_t);
    size_t count = 0;
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_RUN_SETTLED, NULL, NULL, err))
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
    walk_end (&walk);
    *ret_more = count == BERTH_RETENTION_TURN;
    for (size_t index = 0; rc >= 0 && index < count; index++)
        if (run_del (txn, req->arena, due [index].company, due [index].id, err))
            return -1;
    retention_count (KEPT_RUNS, count);
    return rc < 0 ? -1 : 0;
}

void
runs_forget (runs_t *self, const request_t *req, store_txn_t *txn)
{
    const retention_t *retention = &self->context->retention;
    if (!retention->kept_ms [KEPT_RUNS] || self->forget_ms > req->mono_ms)
        return;
    berth_error_t err = { 0 };
    own (store_txn) part = NULL;
    int64_t oldest_ms = INT64_MAX;
    bool more = false;
    if (store_child (txn, &part, &err) || s_forget (self, req, part, &oldest_ms, &more, &err)
        || store_commit (&part, &err)) {
        log_fault ("runs", "retention", &err);
        more = false;
    }
    self->forget_ms = retention_next (retention, KEPT_RUNS, req->now_ms, req->mono_ms, oldest_ms, more);
}

//  Of a company that is being deleted: a step that is under way still has to find its row.
static int
s_clear (void *self, const request_t *req, store_txn_t *txn, effects_t *fx, void *row,
         company_cleared_t *cleared, berth_error_t *err)
{
    (void) self;
    (void) fx;
    const run_t *run = row;
    if (run->step) {
        cleared->waiting++;
        return 0;
    }
    cleared->removed++;
    return run_del (txn, req->arena, run->company, run->id, err);
}

int
runs_clear (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    return company_clear_rows (me, req, txn, fx, TABLE_RUNS, INDEX_RUN_LIST, false, s_clear, err);
}
