//  retries.h - what idempotency keys remember, so that a retry is never a second time.
//
//  Scoped by (principal, company, type, key). Written in the transaction of the request's first
//  row, and of what it waited for, by the kit of actors only (and by `leases` for a return, which
//  is settled there). Kept RETRIES_KEPT_MS, at most store_set_keys_max of them: older ones go
//  as new ones come, and by retries_trim.

#ifndef BERTH_RETRIES_H_INCLUDED
#define BERTH_RETRIES_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "store.h"

enum { RETRIES_KEPT_MS = 86400000, RETRIES_SCOPE_SIZE = 48 };

typedef struct {
    const char *principal, *company, *type, *key;
    const uint8_t *bytes;           //  If they are known; NULL: they are made when they are needed
} retry_scope_t;

//  What is remembered, one of three.
typedef struct {
    berth_bytes_t reply;            //  The answer, packed: the same is given again
    const char *subject;            //  What the request waits for
    const char *row;                //  Id of the row that the answer was about: it was too large
} retry_t;

//  Its bytes, as they stand in keys and letters. Keys of one client whose texts sort by time are
//  neighbours.
void retry_scope (const retry_scope_t *scope, uint8_t ret_bytes [RETRIES_SCOPE_SIZE]);

//  What is remembered: 0, 1 if nothing is, or -1: conflict (another body under the same key),
//  internal. In arena.
int retry_find (store_txn_t *txn, arena_t *arena, const retry_scope_t *scope, berth_bytes_t body,
                int64_t now_ms, retry_t *ret_retry, berth_error_t *err);

//  Remembers what came of a body. A reply above BERTH_REPLY_KEPT_MAX is kept as its row.
int retry_put (store_txn_t *txn, arena_t *arena, const retry_scope_t *scope, berth_bytes_t body,
               const retry_t *retry, int64_t now_ms, berth_error_t *err);

//  What a request waited for has come: its reply takes the place of the subject. One above
//  BERTH_REPLY_KEPT_MAX does not: then the subject finds it again. Nothing, if the key is forgotten
//  or has its reply.
int retry_settle (store_txn_t *txn, arena_t *arena, const uint8_t scope [RETRIES_SCOPE_SIZE],
                  berth_bytes_t reply, berth_error_t *err);

//  Removes keys that are too old, the oldest first, at most `most` (256). *ret_oldest_ms is the time of
//  the oldest that stays, INT64_MAX if there is none.
int retries_trim (store_txn_t *txn, int64_t now_ms, size_t most, size_t *ret_removed,
                  int64_t *ret_oldest_ms, berth_error_t *err);

#endif
