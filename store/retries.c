//  retries.c - owns the table `keys`.
//
//  key 'k' + scope, value: u64 time, 16 bytes hash, u8 has reply, subject or reply.
//  key 't' + u64 time + scope, value empty: by age.

#include "retries.h"

#include "store_lmdb.h"

#include <sodium.h>
#include <string.h>

enum { HASH = 16, HEAD = 8 + HASH + 1, SWEEP = 4 };

static void
s_scope (store_key_t *key, const retry_scope_t *scope)
{
    //  Hashed: the four texts together may be longer than a key.
    uint8_t hash [32];
    crypto_generichash_state state;
    crypto_generichash_init (&state, NULL, 0, sizeof hash);
    const char *parts [] = { scope->principal, scope->company ? scope->company : "", scope->type,
                             scope->key };
    for (size_t part = 0; part < BERTH_COUNT (parts); part++)
        crypto_generichash_update (&state, (const uint8_t *) parts [part], strlen (parts [part]) + 1);
    crypto_generichash_final (&state, hash, sizeof hash);
    key_bytes (key, hash, sizeof hash);
}

static void
s_hash (berth_bytes_t body, uint8_t hash [HASH])
{
    crypto_generichash (hash, HASH, body.data, body.size, NULL, 0);
}

static store_key_t
s_key (const retry_scope_t *scope)
{
    store_key_t key = { 0 };
    key_byte (&key, 'k');
    s_scope (&key, scope);
    return key;
}

static store_key_t
s_age_key (const retry_scope_t *scope, int64_t at_ms)
{
    store_key_t key = { 0 };
    key_byte (&key, 't');
    key_up (&key, (uint64_t) at_ms);
    s_scope (&key, scope);
    return key;
}

int
retry_find (store_txn_t *txn, arena_t *arena, const retry_scope_t *scope, berth_bytes_t body,
            int64_t now_ms, retry_t *ret_retry, berth_error_t *err)
{
    store_key_t key = s_key (scope);
    berth_bytes_t value;
    int rc = store_raw_get (txn, DB_KEYS, &key, &value, err);
    if (rc)
        return rc;
    int64_t at_ms;
    if (value.size < HEAD)
        return berth_fail (err, BERTH_INTERNAL, "a key of the store cannot be read");
    memcpy (&at_ms, value.data, sizeof at_ms);
    if (now_ms - at_ms > RETRIES_KEPT_MS)
        return 1;
    uint8_t hash [HASH];
    s_hash (body, hash);
    if (memcmp (hash, value.data + 8, HASH))
        return berth_fail (err, BERTH_CONFLICT, "key '%s' was used for another %s", scope->key,
                           scope->type);
    const uint8_t *rest = value.data + HEAD;
    size_t size = value.size - HEAD;
    *ret_retry = (retry_t) { 0 };
    if (value.data [8 + HASH])
        ret_retry->reply = (berth_bytes_t) { arena_copy (arena, rest, size), size };
    else
        ret_retry->subject = arena_text (arena, (const char *) rest, size);
    return 0;
}

//  A few of the oldest, if they are too old or too many.
static int
s_sweep (store_txn_t *txn, int64_t now_ms, berth_error_t *err)
{
    MDB_stat stat;
    MDB_cursor *cursor;
    int rc = mdb_stat (txn->txn, store_dbi (txn, DB_KEYS), &stat);
    if (rc == 0)
        rc = mdb_cursor_open (txn->txn, store_dbi (txn, DB_KEYS), &cursor);
    if (rc)
        return store_fail (err, rc, "forgetting keys");
    bool many = stat.ms_entries / 2 > RETRIES_MAX;
    store_key_t from = { 0 }, gone [SWEEP];
    size_t count = 0;
    key_byte (&from, 't');
    MDB_val at = { from.size, from.data }, value;
    rc = mdb_cursor_get (cursor, &at, &value, MDB_SET_RANGE);
    while (rc == 0 && count < SWEEP && at.mv_size > 9) {
        const uint8_t *data = at.mv_data;
        uint64_t at_ms = 0;
        for (int index = 1; index <= 8; index++)
            at_ms = at_ms << 8 | data [index];
        if (!many && now_ms - (int64_t) at_ms <= RETRIES_KEPT_MS)
            break;
        gone [count] = (store_key_t) { 0 };
        key_bytes (&gone [count++], data, at.mv_size);
        rc = mdb_cursor_get (cursor, &at, &value, MDB_NEXT);
    }
    mdb_cursor_close (cursor);
    for (size_t index = 0; index < count; index++) {
        store_key_t key = { 0 };
        key_byte (&key, 'k');
        key_bytes (&key, gone [index].data + 9, gone [index].size - 9);
        if (store_raw_del (txn, DB_KEYS, &gone [index], err) || store_raw_del (txn, DB_KEYS, &key, err))
            return -1;
    }
    return 0;
}

//  A key that is remembered anew must not be swept at its first age.
static int
s_forget_age (store_txn_t *txn, const retry_scope_t *scope, berth_error_t *err)
{
    store_key_t key = s_key (scope);
    berth_bytes_t value;
    int64_t at_ms;
    int rc = store_raw_get (txn, DB_KEYS, &key, &value, err);
    if (rc || value.size < sizeof at_ms)
        return rc < 0 ? -1 : 0;
    memcpy (&at_ms, value.data, sizeof at_ms);
    store_key_t by_age = s_age_key (scope, at_ms);
    return store_raw_del (txn, DB_KEYS, &by_age, err);
}

int
retry_put (store_txn_t *txn, arena_t *arena, const retry_scope_t *scope, const retry_t *retry,
           int64_t now_ms, bool *ret_kept, berth_error_t *err)
{
    *ret_kept = retry->subject || retry->reply.size <= BERTH_REPLY_KEPT_MAX;
    if (!*ret_kept)
        return 0;
    const void *rest = retry->subject ? (const void *) retry->subject : retry->reply.data;
    size_t size = retry->subject ? strlen (retry->subject) : retry->reply.size;
    uint8_t *value = arena_take (arena, HEAD + size);
    memcpy (value, &now_ms, sizeof now_ms);
    s_hash (retry->body, value + 8);
    value [8 + HASH] = !retry->subject;
    if (size)
        memcpy (value + HEAD, rest, size);
    store_key_t key = s_key (scope), by_age = s_age_key (scope, now_ms);
    return s_forget_age (txn, scope, err)
        || s_sweep (txn, now_ms, err)
        || store_raw_put (txn, DB_KEYS, &key, (berth_bytes_t) { value, HEAD + size }, err)
        || store_raw_put (txn, DB_KEYS, &by_age, (berth_bytes_t) { value, 0 }, err) ? -1 : 0;
}
