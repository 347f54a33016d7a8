//  activity_log.c - owns the tables `activity` (by seq) and `heads` (by company).
//
//  activity: key u64 seq, value the packed entry. heads: key company + u64 companySeq, value u64 seq.
//  The end of a company's log is its last entry.

#include "activity_log.h"

#include "codec.h"
#include "plant.h"
#include "store_lmdb.h"

#include <sodium.h>
#include <string.h>

static store_key_t
s_seq_key (uint64_t seq)
{
    store_key_t key = { 0 };
    key_up (&key, seq);
    return key;
}

static store_key_t
s_company_key (const char *company)
{
    store_key_t key = { 0 };
    key_text (&key, company);
    return key;
}

static store_key_t
s_entry_key (const char *company, uint64_t company_seq)
{
    store_key_t key = s_company_key (company);
    key_up (&key, company_seq);
    return key;
}

//  The seq of a company's last entry; 0 if it has none.
static int
s_last (store_txn_t *txn, const char *company, uint64_t *ret_seq, berth_error_t *err)
{
    //  The largest key there can be, and from there one step back.
    store_key_t key = s_entry_key (company, UINT64_MAX);
    size_t prefix = key.size - sizeof (uint64_t);
    MDB_cursor *cursor;
    int rc = mdb_cursor_open (txn->txn, store_dbi (txn, DB_HEADS), &cursor);
    if (rc)
        return store_fail (err, rc, "reading the log");
    MDB_val at = { key.size, key.data }, value;
    rc = mdb_cursor_get (cursor, &at, &value, MDB_SET_RANGE);
    rc = mdb_cursor_get (cursor, &at, &value, rc ? MDB_LAST : MDB_PREV);
    *ret_seq = 0;
    if (rc == 0 && at.mv_size == key.size && value.mv_size == sizeof *ret_seq
        && memcmp (at.mv_data, key.data, prefix) == 0)
        memcpy (ret_seq, value.mv_data, sizeof *ret_seq);
    mdb_cursor_close (cursor);
    return rc && rc != MDB_NOTFOUND ? store_fail (err, rc, "reading the log") : 0;
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
    uint64_t seq;
    activity_t row;
    if (s_last (txn, company, &seq, err))
        return -1;
    if (seq == 0)
        return 0;
    if (activity_at (txn, arena, seq, &row, NULL, err) || row.hash.size != sizeof ret_head->hash)
        return berth_fail (err, BERTH_INTERNAL, "the last entry of the log cannot be read");
    ret_head->company_seq = row.company_seq;
    memcpy (ret_head->hash, row.hash.data, sizeof ret_head->hash);
    return 0;
}

void
activity_hash (const activity_t *row, const uint8_t before [32], arena_t *arena,
               uint8_t ret_hash [32])
{
    activity_t bare = *row;
    bare.hash = (berth_bytes_t) { (const uint8_t *) "", 0 };
    berth_bytes_t packed = berth_pack (&activity_schema, &bare, arena);
    crypto_generichash_state state;
    crypto_generichash_init (&state, NULL, 0, 32);
    crypto_generichash_update (&state, before, 32);
    crypto_generichash_update (&state, packed.data, packed.size);
    crypto_generichash_final (&state, ret_hash, 32);
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
    uint8_t hash [32];
    activity_hash (&row, head.hash, arena, hash);
    row.hash = (berth_bytes_t) { hash, sizeof hash };
    head.company_seq = row.company_seq;
    memcpy (head.hash, hash, sizeof hash);

    store_key_t by_seq = s_seq_key (row.seq);
    store_key_t by_company = s_entry_key (row.company, row.company_seq);
    uint64_t seq = row.seq;
    if (store_raw_put (txn, DB_ACTIVITY, &by_seq, berth_pack (&activity_schema, &row, arena), err)
        || store_raw_put (txn, DB_HEADS, &by_company,
                          (berth_bytes_t) { (const uint8_t *) &seq, sizeof seq }, err))
        return -1;
    txn->head = head;
    return 0;
}

int
activity_at (store_txn_t *txn, arena_t *arena, uint64_t seq, activity_t *ret_row,
             berth_bytes_t *ret_packed, berth_error_t *err)
{
    store_key_t key = s_seq_key (seq);
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
activity_next (store_txn_t *txn, arena_t *arena, const char *company, uint64_t after,
               activity_t *ret_row, berth_error_t *err)
{
    store_key_t key = s_entry_key (company, after + 1);
    size_t prefix = s_company_key (company).size;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open (txn->txn, store_dbi (txn, DB_HEADS), &cursor);
    if (rc)
        return store_fail (err, rc, "reading the log");
    MDB_val at = { key.size, key.data }, value;
    rc = mdb_cursor_get (cursor, &at, &value, MDB_SET_RANGE);
    uint64_t seq = 0;
    bool found = rc == 0 && at.mv_size == key.size && value.mv_size == sizeof seq
        && memcmp (at.mv_data, key.data, prefix) == 0;
    if (found)
        memcpy (&seq, value.mv_data, sizeof seq);
    mdb_cursor_close (cursor);
    if (rc && rc != MDB_NOTFOUND)
        return store_fail (err, rc, "reading the log");
    return found ? activity_at (txn, arena, seq, ret_row, NULL, err) : 1;
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
