//  exec_forget.c - how the output of an ended exec goes, and later its row.
//
//  Output first: the keeper removes the folder, then the row says that it is gone; a row is removed
//  only when it says so. Whatever is cut off by a death is found again by the same index.

#include "exec_parts.h"

#include "company.h"
#include "log.h"

#include <string.h>

enum { DROP_MS = 30000 };           //  For the keeper to answer

//  Execs of an index by end time that ended before: at most a turn of them.
static int
s_due (const request_t *req, store_txn_t *txn, store_index_t index, int64_t before_ms, exec_t *due,
       size_t *ret_count, int64_t *oldest_ms, berth_error_t *err)
{
    store_walk_t walk;
    if (walk_begin (&walk, txn, index, NULL, NULL, err))
        return -1;
    int rc = 0;
    size_t count = 0;
    while (count < BERTH_RETENTION_TURN
           && (rc = walk_next (&walk, req->arena, &due [count], err)) == 0) {
        if (due [count].ended_at >= before_ms) {
            *oldest_ms = due [count].ended_at;
            break;
        }
        count++;
    }
    walk_end (&walk);
    *ret_count = count;
    return rc < 0 ? -1 : 0;
}

//  ---- output

static int
s_drop_outputs (execs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    int64_t before_ms = retention_before (&self->retention, KEPT_SPOOLS, req->now_ms);
    int64_t oldest_ms = INT64_MAX;
    exec_t *due = arena_array (req->arena, BERTH_RETENTION_TURN, exec_t);
    size_t count;
    if (s_due (req, txn, INDEX_EXEC_OUTPUT, before_ms, due, &count, &oldest_ms, err))
        return -1;
    for (size_t index = 0; index < count; index++) {
        spool_drop_t drop = { .exec = due [index].id };
        effects_work (fx, req->arena, ACTOR_STORE, NULL, REQUEST_SPOOL_DROP, due [index].id, "drop",
                      NULL, 0, &drop);
    }
    self->drops = count;
    self->drop_ms = count ? req->mono_ms + DROP_MS
                  : retention_next (&self->retention, KEPT_SPOOLS, req->now_ms, req->mono_ms, oldest_ms,
                                    false);
    return 0;
}

int
exec_dropped (execs_t *self, const request_t *req, store_txn_t *txn, const step_done_t *done,
              berth_error_t *err)
{
    if (self->drops && --self->drops == 0)
        self->drop_ms = req->mono_ms + 20;          //  There may be more
    if (!done->ok) {
        berth_error_t why;
        error_from_body (done->error, req->arena, &why);
        log_fault ("execs", "retention", &why);
        self->drop_ms = req->mono_ms + DROP_MS;
        return 0;
    }
    exec_t row;
    berth_error_t none = { 0 };
    if (exec_get (txn, req->arena, done->subject, &row, &none)) {
        if (none.code == BERTH_NOT_FOUND)
            return 0;
        *err = none;
        return -1;
    }
    if (row.output_gone)
        return 0;
    berth_put (exec, &row, output_gone, true);
    retention_count (KEPT_SPOOLS, 1);
    return exec_put (txn, req->arena, &row, err);
}

//  ---- rows

static int
s_forget (execs_t *self, const request_t *req, store_txn_t *txn, int64_t *ret_oldest_ms, bool *ret_more,
          berth_error_t *err)
{
    int64_t before_ms = retention_before (&self->retention, KEPT_EXECS, req->now_ms);
    exec_t *due = arena_array (req->arena, BERTH_RETENTION_TURN, exec_t);
    size_t count, removed = 0;
    if (s_due (req, txn, INDEX_EXEC_ENDED, before_ms, due, &count, ret_oldest_ms, err))
        return -1;
    for (size_t index = 0; index < count; index++) {
        if (!due [index].output_gone || live_find (self, due [index].id))
            continue;                   //  Its output goes first
        if (exec_del (txn, req->arena, due [index].id, err))
            return -1;
        removed++;
    }
    *ret_more = removed == BERTH_RETENTION_TURN;
    retention_count (KEPT_EXECS, removed);
    return 0;
}

void
execs_forget (execs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx)
{
    berth_error_t err = { 0 };
    own (store_txn) part = NULL;
    int64_t oldest_ms = INT64_MAX;
    bool more = false;
    if (self->retention.kept_ms [KEPT_SPOOLS] && self->drop_ms <= req->mono_ms
        && s_drop_outputs (self, req, txn, fx, &err)) {
        log_fault ("execs", "retention", &err);
        self->drop_ms = req->mono_ms + DROP_MS;
    }
    if (!self->retention.kept_ms [KEPT_EXECS] || self->forget_ms > req->mono_ms)
        return;
    if (store_child (txn, &part, &err) || s_forget (self, req, part, &oldest_ms, &more, &err)
        || store_commit (&part, &err)) {
        log_fault ("execs", "retention", &err);
        more = false;
    }
    self->forget_ms = retention_next (&self->retention, KEPT_EXECS, req->now_ms, req->mono_ms, oldest_ms,
                                      more);
}

int64_t
execs_forget_next (const execs_t *self)
{
    int64_t drop_ms = self->retention.kept_ms [KEPT_SPOOLS] ? self->drop_ms : INT64_MAX;
    int64_t forget_ms = self->retention.kept_ms [KEPT_EXECS] ? self->forget_ms : INT64_MAX;
    return drop_ms < forget_ms ? drop_ms : forget_ms;
}

//  ---- of a company that is being deleted

static int
s_clear (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, void *row,
         company_cleared_t *cleared, berth_error_t *err)
{
    execs_t *self = actor;
    const exec_t *exec = row;
    if (exec->state == exec_state_ENDED && exec->output_gone && !live_find (self, exec->id)) {
        cleared->removed++;
        return exec_del (txn, req->arena, exec->id, err);
    }
    cleared->waiting++;
    if (exec->state == exec_state_ENDED && !exec->output_gone) {
        spool_drop_t drop = { .exec = exec->id };
        effects_work (fx, req->arena, ACTOR_STORE, NULL, REQUEST_SPOOL_DROP, exec->id, "drop", NULL, 0,
                      &drop);
    }
    return 0;
}

int
execs_clear (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    return company_clear_rows (actor, req, txn, fx, TABLE_EXECS, INDEX_EXEC_LIST, false, s_clear, err);
}
