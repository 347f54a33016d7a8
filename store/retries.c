//  retries.c - owns the table `keys`.
//
//  key 'k' + scope, value: u64 time, 16 bytes hash of the body.
//  key 't' + u64 time + scope, value: u8 kind, subject, reply or id of a row.
//
//  What is long stands under 't', where the keys of one time lie together. (Before schema 4 it stood
//  behind the hash of the body.) A scope begins with a few bytes of whose key it is and then the key's own
//  text: of keys that grow with time, as libberth's do, those of one client lie together under 'k', too.
//  Before, all of it was a hash, so that each 'k' cost a commit a page of its own and mostly the one
//  above it; such ones are still found.

#include "retries.h"

#include "store_lmdb.h"

#include <sodium.h>
#include <string.h>

enum { HASH = 16, HEAD = 8 + HASH, SWEEP = 4, SWEEP_MOST = 256 };
enum { OWNER = 8, TEXT = 24, OLDER_SCOPE = 32 };
_Static_assert (OWNER + TEXT + HASH == RETRIES_SCOPE_SIZE, "a scope is of its parts");
enum { KIND_SUBJECT, KIND_REPLY, KIND_ROW };

static void
s_hash_scope (const retry_scope_t *scope, uint8_t *ret_hash, size_t size)
{
    crypto_generichash_state state;
    crypto_generichash_init (&state, NULL, 0, size);
    const char *parts [] = { scope->principal, scope->company ? scope->company : "", scope->type,
                             scope->key };
    for (size_t part = 0; part < BERTH_COUNT (parts); part++)
        crypto_generichash_update (&state, (const uint8_t *) parts [part], strlen (parts [part]) + 1);
    crypto_generichash_final (&state, ret_hash, size);
}

static uint64_t
s_mix (uint64_t sum, const char *text)
{
    do
        sum = (sum ^ (uint8_t) *text) * 1099511628211u;
    while (*text++);
    return sum;
}

//  What it is, says the hash at its end; what stands before that is only where it lies.
void
retry_scope (const retry_scope_t *scope, uint8_t ret_bytes [RETRIES_SCOPE_SIZE])
{
    uint64_t owner = s_mix (14695981039346656037u, scope->principal);
    owner = s_mix (owner, scope->company ? scope->company : "");
    owner = s_mix (owner, scope->type);
    memset (ret_bytes, 0, RETRIES_SCOPE_SIZE);
    memcpy (ret_bytes, &owner, OWNER);
    memcpy (ret_bytes + OWNER, scope->key, strnlen (scope->key, TEXT));
    s_hash_scope (scope, ret_bytes + OWNER + TEXT, HASH);
}

static void
s_hash (berth_bytes_t body, uint8_t hash [HASH])
{
    crypto_generichash (hash, HASH, body.data, body.size, NULL, 0);
}

static store_key_t
s_sized_key (const uint8_t *scope, size_t size)
{
    store_key_t key = { 0 };
    key_byte (&key, 'k');
    key_bytes (&key, scope, size);
    return key;
}

static store_key_t
s_sized_age_key (const uint8_t *scope, size_t size, int64_t at_ms)
{
    store_key_t key = { 0 };
    key_byte (&key, 't');
    key_up (&key, (uint64_t) at_ms);
    key_bytes (&key, scope, size);
    return key;
}

static store_key_t
s_key (const uint8_t scope [RETRIES_SCOPE_SIZE])
{
    return s_sized_key (scope, RETRIES_SCOPE_SIZE);
}

static store_key_t
s_age_key (const uint8_t scope [RETRIES_SCOPE_SIZE], int64_t at_ms)
{
    return s_sized_age_key (scope, RETRIES_SCOPE_SIZE, at_ms);
}

//  The oldest stand first.
int
retries_look (store_txn_t *txn, bool *ret_older, berth_error_t *err)
{
    store_key_t from = { 0 }, found;
    key_byte (&from, 't');
    int rc = store_raw_seek (txn, DB_KEYS, &from, &found, NULL, err);
    *ret_older = rc == 0 && found.size == 9 + OLDER_SCOPE;
    return rc < 0 ? -1 : 0;
}

static void
s_bytes (const retry_scope_t *scope, uint8_t ret_bytes [RETRIES_SCOPE_SIZE])
{
    if (scope->bytes)
        memcpy (ret_bytes, scope->bytes, RETRIES_SCOPE_SIZE);
    else
        retry_scope (scope, ret_bytes);
}

//  The row under 'k', of any age: 0, 1 if there is none, or -1; and with which bytes it was found.
static int
s_find (store_txn_t *txn, const retry_scope_t *scope, uint8_t ret_bytes [RETRIES_SCOPE_SIZE],
        size_t *ret_size, berth_bytes_t *ret_value, berth_error_t *err)
{
    s_bytes (scope, ret_bytes);
    *ret_size = RETRIES_SCOPE_SIZE;
    store_key_t key = s_key (ret_bytes);
    int rc = store_raw_get (txn, DB_KEYS, &key, ret_value, err);
    if (rc <= 0 || !txn->store->older_keys)
        return rc;
    s_hash_scope (scope, ret_bytes, *ret_size = OLDER_SCOPE);
    key = s_sized_key (ret_bytes, OLDER_SCOPE);
    return store_raw_get (txn, DB_KEYS, &key, ret_value, err);
}

int
retry_find (store_txn_t *txn, arena_t *arena, const retry_scope_t *scope, berth_bytes_t body,
            int64_t now_ms, retry_t *ret_retry, berth_error_t *err)
{
    uint8_t known [RETRIES_SCOPE_SIZE];
    size_t size;
    berth_bytes_t value;
    int rc = s_find (txn, scope, known, &size, &value, err);
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
    berth_bytes_t rest = { value.data + HEAD, value.size - HEAD };
    if (!rest.size) {
        store_key_t by_age = s_sized_age_key (known, size, at_ms);
        rc = store_raw_get (txn, DB_KEYS, &by_age, &rest, err);
        if (rc || !rest.size)
            return rc < 0 ? -1 : berth_fail (err, BERTH_INTERNAL, "a key of the store cannot be read");
    }
    uint8_t kind = *rest.data++;
    rest.size--;
    *ret_retry = (retry_t) { 0 };
    if (kind == KIND_REPLY)
        ret_retry->reply = (berth_bytes_t) { arena_copy (arena, rest.data, rest.size), rest.size };
    else if (kind == KIND_ROW)
        ret_retry->row = arena_text (arena, (const char *) rest.data, rest.size);
    else
        ret_retry->subject = arena_text (arena, (const char *) rest.data, rest.size);
    return 0;
}

//  The oldest, at most `most` (SWEEP_MOST): those that are too old, or all of them if `many`.
static int
s_sweep (store_txn_t *txn, int64_t now_ms, bool many, size_t most, size_t *ret_count,
         int64_t *ret_oldest_ms, berth_error_t *err)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open (txn->txn, store_dbi (txn, DB_KEYS), &cursor);
    if (rc)
        return store_fail (err, rc, "forgetting keys");
    struct {
        uint8_t data [9 + RETRIES_SCOPE_SIZE];
        size_t size;
    } gone [SWEEP_MOST];
    size_t count = 0;
    store_key_t from = { 0 };
    key_byte (&from, 't');
    MDB_val at = { from.size, from.data }, value;
    *ret_oldest_ms = INT64_MAX;
    rc = mdb_cursor_get (cursor, &at, &value, MDB_SET_RANGE);
    while (rc == 0 && (at.mv_size == sizeof gone [0].data || at.mv_size == 9 + OLDER_SCOPE)) {
        const uint8_t *data = at.mv_data;
        uint64_t at_ms = 0;
        for (int index = 1; index <= 8; index++)
            at_ms = at_ms << 8 | data [index];
        if (count == most || (!many && now_ms - (int64_t) at_ms <= RETRIES_KEPT_MS)) {
            *ret_oldest_ms = (int64_t) at_ms;
            break;
        }
        memcpy (gone [count].data, data, at.mv_size);
        gone [count++].size = at.mv_size;
        rc = mdb_cursor_get (cursor, &at, &value, MDB_NEXT);
    }
    mdb_cursor_close (cursor);
    for (size_t index = 0; index < count; index++) {
        store_key_t key = s_sized_key (gone [index].data + 9, gone [index].size - 9), by_age = { 0 };
        key_bytes (&by_age, gone [index].data, gone [index].size);
        if (store_raw_del (txn, DB_KEYS, &by_age, err) || store_raw_del (txn, DB_KEYS, &key, err))
            return -1;
    }
    *ret_count = count;
    return 0;
}

//  A new one comes: a few old ones go.
static int
s_make_room (store_txn_t *txn, int64_t now_ms, berth_error_t *err)
{
    MDB_stat stat;
    int rc = mdb_stat (txn->txn, store_dbi (txn, DB_KEYS), &stat);
    if (rc)
        return store_fail (err, rc, "forgetting keys");
    size_t count;
    int64_t oldest_ms;
    return s_sweep (txn, now_ms, stat.ms_entries / 2 > store_keys_max (txn), SWEEP, &count, &oldest_ms,
                    err);
}

int
retries_trim (store_txn_t *txn, int64_t now_ms, size_t most, size_t *ret_removed,
              int64_t *ret_oldest_ms, berth_error_t *err)
{
    return s_sweep (txn, now_ms, false, most < SWEEP_MOST ? most : SWEEP_MOST, ret_removed,
                    ret_oldest_ms, err);
}

//  A key that is remembered anew must not be swept at its first age.
static int
s_forget_age (store_txn_t *txn, const uint8_t scope [RETRIES_SCOPE_SIZE], berth_error_t *err)
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
retry_put (store_txn_t *txn, arena_t *arena, const retry_scope_t *scope, berth_bytes_t body,
           const retry_t *retry, int64_t now_ms, berth_error_t *err)
{
    bool large = retry->reply.size > BERTH_REPLY_KEPT_MAX;
    const char *text = retry->subject ? retry->subject : large ? retry->row : NULL;
    ENSURE (text || !large);
    const void *rest = text ? (const void *) text : retry->reply.data;
    size_t size = text ? strlen (text) : retry->reply.size;
    uint8_t *value = arena_take (arena, 1 + size), head [HEAD], bytes [RETRIES_SCOPE_SIZE];
    memcpy (head, &now_ms, sizeof now_ms);
    s_hash (body, head + 8);
    *value = retry->subject ? KIND_SUBJECT : text ? KIND_ROW : KIND_REPLY;
    if (size)
        memcpy (value + 1, rest, size);
    s_bytes (scope, bytes);
    store_key_t key = s_key (bytes), by_age = s_age_key (bytes, now_ms);
    return s_forget_age (txn, bytes, err)
        || s_make_room (txn, now_ms, err)
        || store_raw_put (txn, DB_KEYS, &key, (berth_bytes_t) { head, HEAD }, err)
        || store_raw_put (txn, DB_KEYS, &by_age, (berth_bytes_t) { value, 1 + size }, err) ? -1 : 0;
}

int
retry_settle (store_txn_t *txn, arena_t *arena, const uint8_t scope [RETRIES_SCOPE_SIZE],
              berth_bytes_t reply, berth_error_t *err)
{
    store_key_t key = s_key (scope);
    berth_bytes_t value;
    if (reply.size > BERTH_REPLY_KEPT_MAX)
        return 0;
    int rc = store_raw_get (txn, DB_KEYS, &key, &value, err);
    if (rc || value.size != HEAD)
        return rc < 0 ? -1 : 0;
    int64_t at_ms;
    memcpy (&at_ms, value.data, sizeof at_ms);
    store_key_t by_age = s_age_key (scope, at_ms);
    rc = store_raw_get (txn, DB_KEYS, &by_age, &value, err);
    if (rc || !value.size || *value.data != KIND_SUBJECT)
        return rc < 0 ? -1 : 0;
    uint8_t *settled = arena_take (arena, 1 + reply.size);
    *settled = KIND_REPLY;
    memcpy (settled + 1, reply.data, reply.size);
    return store_raw_put (txn, DB_KEYS, &by_age, (berth_bytes_t) { settled, 1 + reply.size }, err);
}
