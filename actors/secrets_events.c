//  secrets_events.c - owns the reading of who used a secret, and the end of entries that were kept
//  long enough.

#include "secrets_inside.h"

#include "log.h"
#include "page.h"
#include "secret_use.h"

typedef struct {
    const char *company;            //  NULL: any
} wants_t;

static bool
s_wants (void *context, void *row)
{
    const wants_t *self = context;
    return !self->company || strcmp (((const secret_event_t *) row)->company, self->company) == 0;
}

//  A secret that was deleted has entries still: whose they are, they say themselves.
int
secrets_events (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const secret_history_t *ask = req->body;
    secret_t row;
    berth_error_t gone = { 0 };
    bool there = secret_get (txn, req->arena, ask->id, &row, &gone) == 0;
    if (!there && (gone.code != BERTH_NOT_FOUND || req->letter->confined)) {
        *err = gone;
        return -1;
    }
    if (there && company_check (ask->company, row.company, "secret", ask->id, err))
        return -1;
    wants_t wants = { ask->company };
    page_ask_t walk = { .index = INDEX_SECRET_EVENT_LIST, .cursor = ask->cursor, .limit = ask->limit,
                        .schema = &secret_event_schema, .wants = s_wants, .context = &wants };
    key_id (&walk.prefix, ask->id);
    secret_events_t page = { .next = NULL };
    page.items.items = page_walk (txn, req->arena, &walk, &page.items.count, &page.next, err);
    if (!page.items.items)
        return -1;
    effects_reply (fx, req, &secret_events_schema, &page);
    return 0;
}

//  A thread that had only a snapshot used one.
int
secrets_used (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    (void) fx;
    secret_event_t event = *(const secret_event_t *) req->body;
    return secret_enter (req, txn, &event, err);
}

//  ---- retention

static int
s_forget (secrets_t *self, const request_t *req, store_txn_t *txn, int64_t *ret_oldest_ms,
          bool *ret_more, berth_error_t *err)
{
    int64_t before_ms = retention_before (&self->context->retention, KEPT_SECRET_EVENTS, req->now_ms);
    secret_event_t *due = arena_array (req->arena, BERTH_RETENTION_TURN, secret_event_t);
    size_t count = 0;
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_SECRET_EVENT_AGE, NULL, NULL, err))
        return -1;
    int rc = 0;
    *ret_oldest_ms = INT64_MAX;
    while (count < BERTH_RETENTION_TURN
           && (rc = walk_next (&walk, req->arena, &due [count], err)) == 0) {
        if (due [count].created_at >= before_ms) {
            *ret_oldest_ms = due [count].created_at;
            break;
        }
        count++;
    }
    walk_end (&walk);
    *ret_more = count == BERTH_RETENTION_TURN;
    for (size_t index = 0; rc >= 0 && index < count; index++)
        if (secret_event_del (txn, req->arena, due [index].id, err))
            return -1;
    retention_count (KEPT_SECRET_EVENTS, count);
    return rc < 0 ? -1 : 0;
}

int64_t
secrets_next_ms (void *me)
{
    const secrets_t *self = me;
    return self->context->retention.kept_ms [KEPT_SECRET_EVENTS] ? self->forget_ms : INT64_MAX;
}

int
secrets_tick (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) fx;
    secrets_t *self = me;
    int64_t oldest_ms = INT64_MAX;
    bool more = false;
    if (s_forget (self, req, txn, &oldest_ms, &more, err))
        return -1;
    self->forget_ms = retention_next (&self->context->retention, KEPT_SECRET_EVENTS, req->now_ms,
                                      req->mono_ms, oldest_ms, more);
    return 0;
}
