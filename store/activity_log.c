//  activity_log.c - owns appending to the log and reading it by its numbers.

#include "activity_inside.h"

#include "codec.h"
#include "plant.h"

#include <sodium.h>
#include <string.h>

enum { HASH = 32 };

//  ---- keys and records

store_key_t
activity_key (uint64_t seq)
{
    store_key_t key = { 0 };
    key_up (&key, seq);
    return key;
}

store_key_t
activity_head_key (const char *company, uint64_t company_seq)
{
    store_key_t key = { 0 };
    key_text (&key, company);
    key_up (&key, company_seq);
    return key;
}

store_key_t
activity_finder_key (int kind, const char *company, const char *text, uint64_t company_seq)
{
    store_key_t key = { 0 };
    key_byte (&key, (uint8_t) kind);
    key_text (&key, company);
    key_text (&key, text);
    key_up (&key, company_seq);
    return key;
}

uint64_t
activity_key_number (const store_key_t *key)
{
    uint64_t number = 0;
    for (size_t index = key->size < 8 ? 0 : key->size - 8; index < key->size; index++)
        number = number << 8 | key->data [index];
    return number;
}

static bool
s_begins (const store_key_t *key, const store_key_t *like)
{
    return key->size == like->size && memcmp (key->data, like->data, like->size - 8) == 0;
}

int
activity_floor (store_txn_t *txn, const char *company, floor_record_t *ret_floor,
                berth_error_t *err)
{
    store_key_t key = { 0 };
    berth_bytes_t value;
    key_text (&key, company);
    int rc = store_raw_get (txn, DB_FLOORS, &key, &value, err);
    if (rc)
        return rc;
    if (value.size != sizeof *ret_floor)
        return berth_fail (err, BERTH_INTERNAL, "the floor of a log cannot be read");
    memcpy (ret_floor, value.data, sizeof *ret_floor);
    return 0;
}

int
activity_head_from (store_txn_t *txn, const char *company, uint64_t company_seq,
                    uint64_t *ret_company_seq, head_record_t *ret_head, berth_error_t *err)
{
    store_key_t wanted = activity_head_key (company, company_seq), found;
    berth_bytes_t value;
    int rc = store_raw_seek (txn, DB_HEADS, &wanted, &found, &value, err);
    if (rc)
        return rc;
    if (!s_begins (&found, &wanted) || value.size != sizeof *ret_head)
        return 1;
    *ret_company_seq = activity_key_number (&found);
    memcpy (ret_head, value.data, sizeof *ret_head);
    return 0;
}

size_t
activity_texts (const activity_t *row, int kinds [FINDER_TEXTS], const char *texts [FINDER_TEXTS])
{
    size_t count = 0;
    if (row->run && row->run [0]) {
        kinds [count] = FINDER_RUN;
        texts [count++] = row->run;
    }
    kinds [count] = FINDER_ENTITY;
    texts [count++] = row->entity;
    kinds [count] = FINDER_ACTION;
    texts [count++] = row->action;
    return count;
}

int
activity_head_put (store_txn_t *txn, const activity_t *row, int64_t latest_ms, berth_error_t *err)
{
    head_record_t record = { row->seq, latest_ms };
    store_key_t key = activity_head_key (row->company, row->company_seq);
    return store_raw_put (txn, DB_HEADS, &key,
                          (berth_bytes_t) { (const uint8_t *) &record, sizeof record }, err);
}

int
activity_finder_put (store_txn_t *txn, const activity_t *row, berth_error_t *err)
{
    int kinds [FINDER_TEXTS];
    const char *texts [FINDER_TEXTS];
    size_t count = activity_texts (row, kinds, texts);
    for (size_t index = 0; index < count; index++) {
        store_key_t key = activity_finder_key (kinds [index], row->company, texts [index],
                                               row->company_seq);
        if (store_raw_put (txn, DB_FINDER, &key,
                           (berth_bytes_t) { (const uint8_t *) &row->seq, sizeof row->seq }, err))
            return -1;
    }
    return 0;
}

//  Lets finder catch up once enough has come together.
static int
s_catch_up (store_txn_t *txn, berth_error_t *err)
{
    store_counters_t *counters = &txn->counters;
    if (counters->seq - counters->found < FINDER_LAG)
        return 0;
    own (arena) arena = arena_new ();
    for (unsigned turn = 0; turn < FINDER_TURN && counters->found < counters->seq; turn++) {
        activity_t row;
        arena_clear (arena);
        int rc = activity_at (txn, arena, ++counters->found, &row, NULL, err);
        if (rc < 0 || (rc == 0 && activity_finder_put (txn, &row, err)))
            return -1;                          //  1: trimmed meanwhile
    }
    txn->counters_changed = true;
    return 0;
}

//  ---- appending

//  The last head record of a company; 1 if none is kept.
static int
s_last (store_txn_t *txn, const char *company, head_record_t *ret_head, berth_error_t *err)
{
    //  The largest key there can be, and from there one step back.
    store_key_t wanted = activity_head_key (company, UINT64_MAX), found = { 0 };
    MDB_cursor *cursor;
    int rc = mdb_cursor_open (txn->txn, store_dbi (txn, DB_HEADS), &cursor);
    if (rc)
        return store_fail (err, rc, "reading the log");
    MDB_val at = { wanted.size, wanted.data }, value;
    rc = mdb_cursor_get (cursor, &at, &value, MDB_SET_RANGE);
    rc = mdb_cursor_get (cursor, &at, &value, rc ? MDB_LAST : MDB_PREV);
    bool ours = rc == 0 && value.mv_size == sizeof *ret_head && at.mv_size <= sizeof found.data;
    if (ours) {
        key_bytes (&found, at.mv_data, at.mv_size);
        ours = s_begins (&found, &wanted);
        memcpy (ret_head, value.mv_data, sizeof *ret_head);
    }
    mdb_cursor_close (cursor);
    return rc && rc != MDB_NOTFOUND ? store_fail (err, rc, "reading the log") : !ours;
}

static int
s_head (store_txn_t *txn, arena_t *arena, const char *company, store_head_t *ret_head,
        berth_error_t *err)
{
    if (strcmp (txn->head.company, company) == 0) {
        *ret_head = txn->head;
        return 0;
    }
    *ret_head = (store_head_t) { 0 };
    size_t length = strlen (company);
    ENSURE (length < sizeof ret_head->company);
    memcpy (ret_head->company, company, length);
    head_record_t last;
    floor_record_t floor;
    activity_t row;
    int rc = s_last (txn, company, &last, err);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        if (activity_at (txn, arena, last.seq, &row, NULL, err)
            || row.hash.size != sizeof ret_head->hash)
            return berth_fail (err, BERTH_INTERNAL, "the last entry of the log cannot be read");
        ret_head->company_seq = row.company_seq;
        ret_head->latest_ms = last.latest_ms;
        memcpy (ret_head->hash, row.hash.data, sizeof ret_head->hash);
        return 0;
    }
    rc = activity_floor (txn, company, &floor, err);
    if (rc == 0) {
        ret_head->company_seq = floor.company_seq;
        ret_head->latest_ms = floor.latest_ms;
        memcpy (ret_head->hash, floor.hash, sizeof ret_head->hash);
    }
    return rc < 0 ? -1 : 0;
}

//  An entry as its hash is made of: packed with an empty one.
static berth_bytes_t
s_pack_bare (const activity_t *row, arena_t *arena)
{
    activity_t bare = *row;
    bare.hash = (berth_bytes_t) { (const uint8_t *) "", 0 };
    return berth_pack (&activity_schema, &bare, arena);
}

static void
s_hash (berth_bytes_t bare, const uint8_t before [HASH], uint8_t ret_hash [HASH])
{
    crypto_generichash_state state;
    crypto_generichash_init (&state, NULL, 0, HASH);
    crypto_generichash_update (&state, before, HASH);
    crypto_generichash_update (&state, bare.data, bare.size);
    crypto_generichash_final (&state, ret_hash, HASH);
}

void
activity_hash (const activity_t *row, const uint8_t before [HASH], arena_t *arena,
               uint8_t ret_hash [HASH])
{
    s_hash (s_pack_bare (row, arena), before, ret_hash);
}

//  The whole entry. Its hash stands last, so that the rest need not be packed again.
static berth_bytes_t
s_seal (berth_bytes_t bare, const uint8_t hash [HASH], arena_t *arena)
{
    _Static_assert (activity_F_hash == activity_FIELDS - 1, "the hash of an entry stands last");
    ENSURE (bare.size > 2 && bare.data [bare.size - 2] == 0xc4 && bare.data [bare.size - 1] == 0);
    uint8_t *packed = arena_raw (arena, bare.size + HASH);
    memcpy (packed, bare.data, bare.size);
    packed [bare.size - 1] = HASH;
    memcpy (packed + bare.size, hash, HASH);
    return (berth_bytes_t) { packed, bare.size + HASH };
}

int
activity_add (store_txn_t *txn, arena_t *arena, const activity_note_t *note, berth_error_t *err)
{
    store_head_t head;
    if (s_head (txn, arena, note->company, &head, err))
        return -1;
    activity_t row = {
        .seq = store_next_seq (txn),
        .company_seq = head.company_seq + (PLANTED ("entry-skipped") ? 2 : 1),
        .id = note->id,
        .company = note->company,
        .actor_type = note->actor_type ? note->actor_type : "system",
        .actor_id = note->actor_id ? note->actor_id : "berth",
        .action = action_text (note->action),
        .entity_type = action_entity (note->action),
        .entity = note->entity,
        .agent = note->agent,
        .run = note->run,
        .details = note->details,
        .created_at = note->now_ms,
    };
    uint8_t hash [HASH];
    berth_bytes_t bare = s_pack_bare (&row, arena);
    s_hash (bare, head.hash, hash);
    head.company_seq = row.company_seq;
    memcpy (head.hash, hash, sizeof hash);
    if (row.created_at > head.latest_ms)
        head.latest_ms = row.created_at;

    store_key_t key = activity_key (row.seq);
    if (store_raw_put (txn, DB_ACTIVITY, &key, s_seal (bare, hash, arena), err)
        || activity_head_put (txn, &row, head.latest_ms, err))
        return -1;
    txn->head = head;
    return s_catch_up (txn, err);
}

int
activity_at (store_txn_t *txn, arena_t *arena, uint64_t seq, activity_t *ret_row,
             berth_bytes_t *ret_packed, berth_error_t *err)
{
    store_key_t key = activity_key (seq);
    berth_bytes_t value;
    int rc = store_raw_get (txn, DB_ACTIVITY, &key, &value, err);
    if (rc)
        return rc;
    value.data = arena_copy (arena, value.data, value.size);
    if (ret_packed)
        *ret_packed = value;
    return berth_unpack_own (&activity_schema, value, arena, ret_row, err);
}

int
activity_first (store_txn_t *txn, arena_t *arena, activity_t *ret_row, berth_error_t *err)
{
    store_key_t key;
    int rc = store_raw_seek (txn, DB_ACTIVITY, NULL, &key, NULL, err);
    return rc ? rc : activity_at (txn, arena, activity_key_number (&key), ret_row, NULL, err);
}

int
activity_next (store_txn_t *txn, arena_t *arena, const char *company, uint64_t after,
               activity_t *ret_row, berth_error_t *err)
{
    uint64_t company_seq;
    head_record_t head;
    int rc = after == UINT64_MAX ? 1
           : activity_head_from (txn, company, after + 1, &company_seq, &head, err);
    return rc ? rc : activity_at (txn, arena, head.seq, ret_row, NULL, err);
}

int
activity_end (store_txn_t *txn, arena_t *arena, const char *company, activity_head_t *ret_head,
              berth_error_t *err)
{
    store_head_t head;
    activity_t first;
    if (s_head (txn, arena, company, &head, err))
        return -1;
    int rc = activity_next (txn, arena, company, 0, &first, err);
    if (rc < 0)
        return -1;
    *ret_head = (activity_head_t) {
        .company = arena_string (arena, company),
        .company_seq = head.company_seq,
        .floor = rc == 0 ? first.company_seq : 0,
        .hash = { arena_copy (arena, head.hash, sizeof head.hash), sizeof head.hash },
    };
    return 0;
}
