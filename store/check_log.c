//  check_log.c - owns what must be true of the log, of what leads to its entries, and of retries' keys.

#include "check_inside.h"

#include "codec.h"

#include <string.h>

static const char *
s_number (store_check_t *self, uint64_t number)
{
    return arena_printf (self->arena, "%llu", (unsigned long long) number);
}

static uint64_t
s_seq (berth_bytes_t value)
{
    uint64_t seq = 0;
    if (value.size >= sizeof seq)
        memcpy (&seq, value.data, sizeof seq);
    return seq;
}

//  ---- entries by seq

static void
s_leads_here (store_check_t *self, store_txn_t *txn, const activity_t *row)
{
    uint64_t company_seq;
    head_record_t head;
    const char *id = s_number (self, row->seq);
    if (activity_head_from (txn, row->company, row->company_seq, &company_seq, &head, NULL)
        || company_seq != row->company_seq || head.seq != row->seq)
        check_found (self, "index", "activity", id, "number %llu of company %s does not lead to it",
                     (unsigned long long) row->company_seq, row->company);
    if (row->seq > store_counters (txn)->found)
        return;                     //  The finder follows behind
    int kinds [FINDER_TEXTS];
    const char *texts [FINDER_TEXTS];
    size_t count = activity_texts (row, kinds, texts);
    for (size_t index = 0; index < count; index++) {
        store_key_t key = activity_finder_key (kinds [index], row->company, texts [index],
                                               row->company_seq);
        berth_bytes_t value;
        if (store_raw_get (txn, DB_FINDER, &key, &value, NULL) || s_seq (value) != row->seq)
            check_found (self, "index", "activity", id, "it cannot be found by '%.60s'", texts [index]);
    }
}

void
check_log_entry (store_check_t *self, store_txn_t *txn, const store_key_t *key, berth_bytes_t value)
{
    uint64_t seq = activity_key_number (key);
    store_key_t first;
    if (self->seq && seq != self->seq + 1
        && store_raw_seek (txn, DB_ACTIVITY, NULL, &first, NULL, NULL) == 0
        && activity_key_number (&first) != seq)     //  Else all before it was trimmed meanwhile
        check_found (self, "activity", "activity", s_number (self, self->seq + 1),
                     seq == self->seq + 2 ? "the entry is missing"
                                          : "this entry and those up to %llu are missing",
                     (unsigned long long) seq - 1);
    self->seq = seq;
    activity_t row;
    value.data = arena_copy (self->arena, value.data, value.size);
    if (berth_unpack_own (&activity_schema, value, self->arena, &row, NULL))
        check_found (self, "row", "activity", s_number (self, seq), "it cannot be read");
    else if (row.seq != seq)
        check_found (self, "row", "activity", s_number (self, seq), "it says that it is entry %llu",
                     (unsigned long long) row.seq);
    else
        s_leads_here (self, txn, &row);
}

void
check_log_end (store_check_t *self, store_txn_t *txn)
{
    store_key_t last;
    uint64_t seq = store_counters (txn)->seq;
    int rc = store_raw_last (txn, DB_ACTIVITY, &last, NULL, NULL);
    if (rc == 0 && activity_key_number (&last) != seq)
        check_found (self, "count", "activity", s_number (self, activity_key_number (&last)),
                     "it is the last entry, and %llu were counted", (unsigned long long) seq);
}

//  ---- chains

//  The first company at or behind a text; false if there is none.
static bool
s_company (store_check_t *self, store_txn_t *txn)
{
    store_key_t from = { 0 }, found;
    if (self->company [0]) {
        key_text (&from, self->company);
        key_up (&from, UINT64_MAX);
    }
    if (store_raw_seek (txn, DB_HEADS, &from, &found, NULL, NULL))
        return false;
    size_t length = strnlen ((const char *) found.data, found.size);
    if (length >= sizeof self->company || length + 9 != found.size) {
        check_found (self, "row", "heads", check_key_text (self, &found), "it is of no company");
        return false;
    }
    memcpy (self->company, found.data, length);
    self->company [length] = 0;
    self->after = 0;
    return true;
}

bool
check_chains (store_check_t *self, store_txn_t *txn)
{
    arena_clear (self->arena);
    if (!self->begun) {
        self->company [0] = 0;
        self->begun = true;
        if (!s_company (self, txn))
            return true;
    }
    activity_verdict_t verdict;
    berth_error_t err = { 0 };
    if (activity_verify (txn, self->company, self->after, CHECK_SLICE_ROWS, &verdict, &err)) {
        check_found (self, "chain", "activity", self->company, "it cannot be read: %.100s", err.text);
        return !s_company (self, txn);
    }
    self->done += verdict.looked_at;
    if (verdict.broken)
        check_found (self, "chain", "activity",
                     arena_printf (self->arena, "%s/%llu", self->company,
                                   (unsigned long long) verdict.company_seq), "%s", verdict.why);
    self->after = verdict.next;
    if (!verdict.broken && verdict.looked_at == CHECK_SLICE_ROWS)
        return false;
    return !s_company (self, txn);
}

//  ---- what leads to entries, and keys of retries

void
check_finder_entry (store_check_t *self, store_txn_t *txn, const store_key_t *key,
                    berth_bytes_t value)
{
    activity_t row;
    uint64_t seq = s_seq (value);
    if (activity_at (txn, self->arena, seq, &row, NULL, NULL)) {
        check_found (self, "index", "activity", s_number (self, seq),
                     "the finder names it, and it is not there");
        return;
    }
    int kinds [FINDER_TEXTS];
    const char *texts [FINDER_TEXTS];
    size_t count = activity_texts (&row, kinds, texts);
    for (size_t index = 0; index < count; index++) {
        store_key_t wanted = activity_finder_key (kinds [index], row.company, texts [index],
                                                  row.company_seq);
        if (wanted.size == key->size && memcmp (wanted.data, key->data, key->size) == 0)
            return;
    }
    check_found (self, "index", "activity", s_number (self, seq),
                 "the finder has an entry for it that does not fit");
}

//  'k' scope holds a time, 't' time scope is its age: each has the other.
void
check_key_entry (store_check_t *self, store_txn_t *txn, const store_key_t *key, berth_bytes_t value)
{
    store_key_t other = { 0 };
    berth_bytes_t at;
    uint64_t time_ms = 0;
    bool is_age = key->size > 9 && key->data [0] == 't';
    if (is_age) {
        for (size_t index = 1; index < 9; index++)
            time_ms = time_ms << 8 | key->data [index];
        key_byte (&other, 'k');
        key_bytes (&other, key->data + 9, key->size - 9);
        if (store_raw_get (txn, DB_KEYS, &other, &at, NULL) || s_seq (at) != time_ms)
            check_found (self, "key", "keys", check_key_text (self, key), "its key is not there");
        return;
    }
    key_byte (&other, 't');
    key_up (&other, s_seq (value));
    if (key->size > 1)
        key_bytes (&other, key->data + 1, key->size - 1);
    if (key->size < 2 || key->data [0] != 'k' || store_raw_get (txn, DB_KEYS, &other, &at, NULL))
        check_found (self, "key", "keys", check_key_text (self, key),
                     "nothing says when it may be forgotten");
}
