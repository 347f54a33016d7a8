//  activity_find.c - owns finding entries of the log by what they say.

#include "activity_inside.h"

#include <string.h>

//  ---- where a time begins

//  The first companySeq whose entry, or one before it, is not older than `since`: no entry in front
//  of it is wanted.
static int
s_since (store_txn_t *txn, const char *company, uint64_t after, int64_t since_ms, uint64_t *ret_after,
         berth_error_t *err)
{
    uint64_t low = after + 1, high, at;
    head_record_t head;
    own (arena) arena = arena_new ();
    activity_head_t end;
    if (activity_end (txn, arena, company, &end, err))
        return -1;
    high = end.company_seq + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int rc = activity_head_from (txn, company, middle, &at, &head, err);
        if (rc < 0)
            return -1;
        if (rc || head.latest_ms >= since_ms)
            high = middle;
        else
            low = at + 1;
    }
    *ret_after = low - 1;
    return 0;
}

//  ---- lanes: the entries under one text, or the log itself

//  The lane of the log itself: of all of it, or of its end that finder does not lead to yet.
static int
s_log_lane (activity_walk_t *self, size_t lane, uint64_t company_seq, berth_error_t *err)
{
    head_record_t head;
    int rc;
    uint64_t at = company_seq;
    while ((rc = activity_head_from (self->txn, self->filter.company, at, &at, &head, err)) == 0
           && head.seq <= self->found)
        at++;
    if (rc)
        return rc < 0 ? -1 : 0;
    self->at [lane] = at;
    self->seqs [lane] = head.seq;
    return 0;
}

//  Moves a lane to its first entry at or behind companySeq.
static int
s_lane (activity_walk_t *self, size_t lane, uint64_t company_seq, berth_error_t *err)
{
    self->at [lane] = UINT64_MAX;
    if (!self->texts [lane])
        return s_log_lane (self, lane, company_seq, err);
    store_key_t found, wanted = activity_finder_key (self->kind, self->filter.company,
                                                     self->texts [lane], company_seq);
    berth_bytes_t value;
    int rc = store_raw_seek (self->txn, DB_FINDER, &wanted, &found, &value, err);
    if (rc < 0)
        return -1;
    if (rc == 0 && found.size == wanted.size && value.size == sizeof self->seqs [lane]
        && memcmp (found.data, wanted.data, wanted.size - 8) == 0) {
        self->at [lane] = activity_key_number (&found);
        memcpy (&self->seqs [lane], value.data, sizeof self->seqs [lane]);
    }
    return 0;
}

//  Which index leads to what is wanted: a run has fewer entries than an action.
static void
s_choose (activity_walk_t *self)
{
    const activity_filter_t *filter = &self->filter;
    size_t length = filter->action ? strlen (filter->action) : 0;
    self->lanes = 1;
    if (filter->run && filter->run [0]) {
        self->kind = FINDER_RUN;
        self->texts [0] = filter->run;
    }
    else if (filter->entity) {
        self->kind = FINDER_ENTITY;
        self->texts [0] = filter->entity;
    }
    else if (length && filter->action [length - 1] == '.') {
        self->kind = FINDER_ACTION;
        self->lanes = 0;
        for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++)
            if (strncmp (filter->action, action_text ((action_t) action), length) == 0)
                self->texts [self->lanes++] = action_text ((action_t) action);
    }
    else if (filter->action) {
        self->kind = FINDER_ACTION;
        self->texts [0] = filter->action;
    }
}

//  One more lane: the end of the log. *end: no entry of it is at or before this companySeq.
static int
s_end (activity_walk_t *self, uint64_t *end, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    const store_counters_t *counters = store_counters (self->txn);
    uint64_t behind = counters->seq - counters->found;
    activity_head_t head;
    if (activity_end (self->txn, arena, self->filter.company, &head, err))
        return -1;
    self->found = counters->found;
    self->texts [self->lanes++] = NULL;
    if (head.company_seq > behind && head.company_seq - behind > *end)
        *end = head.company_seq - behind;
    return 0;
}

int
activity_walk_begin (activity_walk_t *self, store_txn_t *txn, const activity_filter_t *filter,
                     berth_error_t *err)
{
    *self = (activity_walk_t) { .txn = txn, .filter = *filter };
    uint64_t after = filter->after;
    s_choose (self);
    if (after == UINT64_MAX) {
        self->lanes = 0;
        return 0;
    }
    if (filter->since_ms
        && s_since (txn, filter->company, after, filter->since_ms, &after, err))
        return -1;
    uint64_t end = after;
    if (self->kind && s_end (self, &end, err))
        return -1;
    for (size_t lane = 0; lane < self->lanes; lane++)
        if (s_lane (self, lane, (self->texts [lane] ? after : end) + 1, err))
            return -1;
    return 0;
}

static bool
s_fits (const activity_filter_t *filter, const activity_t *row)
{
    if ((filter->run && (!row->run || strcmp (filter->run, row->run)))
        || (filter->entity && strcmp (filter->entity, row->entity))
        || (filter->since_ms && row->created_at < filter->since_ms)
        || (filter->until_ms && row->created_at >= filter->until_ms))
        return false;
    if (!filter->action)
        return true;
    size_t length = strlen (filter->action);
    return length && filter->action [length - 1] == '.'
        ? strncmp (filter->action, row->action, length) == 0
        : strcmp (filter->action, row->action) == 0;
}

int
activity_walk_next (activity_walk_t *self, arena_t *arena, activity_t *ret_row, bool *ret_fits,
                    berth_error_t *err)
{
    size_t first = 0;
    for (size_t lane = 1; lane < self->lanes; lane++)
        if (self->at [lane] < self->at [first])
            first = lane;
    if (self->lanes == 0 || self->at [first] == UINT64_MAX)
        return 1;
    uint64_t company_seq = self->at [first];
    int rc = activity_at (self->txn, arena, self->seqs [first], ret_row, NULL, err);
    if (rc < 0)
        return -1;
    if (rc > 0)
        return berth_fail (err, BERTH_INTERNAL, "an index of the log names entry %llu, which is gone",
                           (unsigned long long) self->seqs [first]);
    const activity_filter_t *filter = &self->filter;
    if (filter->until_ms && ret_row->created_at >= filter->until_ms + ACTIVITY_CLOCK_SLACK_MS) {
        self->lanes = 0;
        return 1;
    }
    *ret_fits = s_fits (filter, ret_row);
    return s_lane (self, first, company_seq + 1, err);
}
