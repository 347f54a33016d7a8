//  activity_keep.c - owns what is kept of the log: trimming from its beginning, verifying its chain.

#include "activity_inside.h"

#include "codec.h"

#include <string.h>

//  ---- trimming

static int
s_remove (store_txn_t *txn, const activity_t *row, const store_key_t *key, berth_error_t *err)
{
    floor_record_t floor = { .company_seq = row->company_seq, .latest_ms = row->created_at };
    store_key_t at = activity_head_key (row->company, row->company_seq), company = { 0 };
    head_record_t head;
    uint64_t company_seq;
    if (activity_head_from (txn, row->company, row->company_seq, &company_seq, &head, err) < 0)
        return -1;
    if (company_seq == row->company_seq)
        floor.latest_ms = head.latest_ms;
    if (row->hash.size == sizeof floor.hash)
        memcpy (floor.hash, row->hash.data, sizeof floor.hash);
    key_text (&company, row->company);
    if (store_raw_put (txn, DB_FLOORS, &company,
                       (berth_bytes_t) { (const uint8_t *) &floor, sizeof floor }, err)
        || store_raw_del (txn, DB_HEADS, &at, err)
        || store_raw_del (txn, DB_ACTIVITY, key, err))
        return -1;
    int kinds [FINDER_TEXTS];
    const char *texts [FINDER_TEXTS];
    size_t count = activity_texts (row, kinds, texts);
    for (size_t index = 0; index < count; index++) {
        at = activity_finder_key (kinds [index], row->company, texts [index], row->company_seq);
        if (store_raw_del (txn, DB_FINDER, &at, err))
            return -1;
    }
    return 0;
}

int
activity_trim (store_txn_t *txn, arena_t *arena, int64_t before_ms, size_t most, size_t *ret_removed,
               int64_t *ret_oldest_ms, berth_error_t *err)
{
    *ret_removed = 0;
    for (;;) {
        store_key_t key;
        berth_bytes_t value;
        activity_t row;
        *ret_oldest_ms = INT64_MAX;
        int rc = store_raw_seek (txn, DB_ACTIVITY, NULL, &key, &value, err);
        if (rc)
            return rc < 0 ? -1 : 0;
        value.data = arena_copy (arena, value.data, value.size);
        if (berth_unpack_own (&activity_schema, value, arena, &row, err))
            return -1;
        *ret_oldest_ms = row.created_at;
        if (row.created_at >= before_ms || *ret_removed == most)
            return 0;
        if (s_remove (txn, &row, &key, err))
            return -1;
        ++*ret_removed;
    }
}

//  ---- verifying

static int
s_broken (activity_verdict_t *verdict, uint64_t company_seq, uint64_t seq, const char *why)
{
    verdict->broken = true;
    verdict->company_seq = company_seq;
    verdict->seq = seq;
    berth_error_set (verdict->why, sizeof verdict->why, "%s", why);
    return 0;
}

//  What stands before the first entry behind `after`: the entry of that number, or the floor.
static int
s_before (store_txn_t *txn, arena_t *arena, const char *company, uint64_t *after,
          uint8_t ret_hash [32], activity_verdict_t *verdict, berth_error_t *err)
{
    floor_record_t floor = { 0 };
    if (activity_floor (txn, company, &floor, err) < 0)
        return -1;
    memset (ret_hash, 0, 32);
    if (*after <= floor.company_seq) {
        *after = floor.company_seq;
        memcpy (ret_hash, floor.hash, sizeof floor.hash);
        return 0;
    }
    activity_t row;
    int rc = activity_next (txn, arena, company, *after - 1, &row, NULL);
    if (rc == 0 && row.company_seq == *after && row.hash.size == 32)
        memcpy (ret_hash, row.hash.data, 32);
    else
        s_broken (verdict, *after, 0, "there is no such entry to begin at");
    return 0;
}

//  One entry against its record, its hash and the one before it.
static int
s_look (store_txn_t *txn, arena_t *arena, const char *company, uint64_t company_seq,
        const head_record_t *head, uint64_t expected, uint8_t hash [32], activity_verdict_t *verdict)
{
    activity_t row;
    berth_bytes_t packed;
    uint8_t wanted [32];
    if (company_seq != expected)
        return s_broken (verdict, expected, 0, "the entry is missing");
    if (activity_at (txn, arena, head->seq, &row, &packed, NULL))
        return s_broken (verdict, company_seq, head->seq, "the entry is missing or cannot be read");
    if (strcmp (row.company, company) || row.company_seq != company_seq || row.seq != head->seq)
        return s_broken (verdict, company_seq, head->seq, "the entry says that it is another one");
    berth_bytes_t again = berth_pack (&activity_schema, &row, arena);
    activity_hash (&row, hash, arena, wanted);
    if (row.hash.size != 32 || memcmp (row.hash.data, wanted, 32) || again.size != packed.size
        || memcmp (again.data, packed.data, packed.size))
        return s_broken (verdict, company_seq, head->seq,
                         "its hash does not fit it and the entry before it");
    memcpy (hash, row.hash.data, 32);
    return 0;
}

int
activity_verify (store_txn_t *txn, const char *company, uint64_t after, size_t most,
                 activity_verdict_t *ret_verdict, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    uint8_t hash [32];
    *ret_verdict = (activity_verdict_t) { 0 };
    if (s_before (txn, arena, company, &after, hash, ret_verdict, err))
        return -1;
    for (; ret_verdict->looked_at < most && !ret_verdict->broken; ret_verdict->looked_at++) {
        uint64_t company_seq;
        head_record_t head;
        int rc = activity_head_from (txn, company, after + 1, &company_seq, &head, err);
        if (rc < 0)
            return -1;
        if (rc > 0)
            break;
        arena_clear (arena);
        (void) s_look (txn, arena, company, company_seq, &head, after + 1, hash, ret_verdict);
        after++;
    }
    ret_verdict->next = after;
    return 0;
}

//  ---- an older log

int
activity_reindex (store_txn_t *txn, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    store_key_t at = { 0 }, company = { 0 };
    berth_bytes_t value;
    int64_t latest_ms = 0;
    int rc;
    while ((rc = store_raw_seek (txn, DB_HEADS, &at, &at, &value, err)) == 0) {
        uint64_t seq = 0;
        activity_t row;
        if (value.size >= sizeof seq)
            memcpy (&seq, value.data, sizeof seq);
        arena_clear (arena);
        if (activity_at (txn, arena, seq, &row, NULL, err))
            return berth_fail (err, BERTH_INTERNAL, "entry %llu of the log cannot be read",
                               (unsigned long long) seq);
        store_key_t its_own = { 0 };
        key_text (&its_own, row.company);
        if (company.size != its_own.size || memcmp (company.data, its_own.data, company.size)) {
            company = its_own;
            latest_ms = 0;
        }
        latest_ms = row.created_at > latest_ms ? row.created_at : latest_ms;
        if (activity_head_put (txn, &row, latest_ms, err) || activity_finder_put (txn, &row, err))
            return -1;
        at = activity_head_key (row.company, row.company_seq + 1);
    }
    if (rc < 0)
        return -1;
    txn->counters.found = txn->counters.seq;
    txn->counters_changed = true;
    return 0;
}
