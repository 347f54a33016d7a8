//  retries.h - what idempotency keys remember, so that a retry is never a second time.
//
//  Scoped by (principal, company, type, key). Written in the transaction of the request's first
//  row, by the kit of actors only. Kept RETRIES_KEPT_MS, at most RETRIES_MAX: older ones make room
//  as new ones come.

#ifndef BERTH_RETRIES_H_INCLUDED
#define BERTH_RETRIES_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "store.h"

enum { RETRIES_KEPT_MS = 86400000, RETRIES_MAX = 1000000 };

typedef struct {
    const char *principal, *company, *type, *key;
} retry_scope_t;

typedef struct {
    berth_bytes_t body;             //  Of the request: only its hash is kept
    berth_bytes_t reply;            //  Packed, or size 0: it waited for `subject`
    const char *subject;            //  What it waited for, or NULL
} retry_t;

//  What is remembered: 0, 1 if nothing is, or -1: conflict (another body under the same key),
//  internal. ret_retry->body is left empty; the rest is in arena.
int retry_find (store_txn_t *txn, arena_t *arena, const retry_scope_t *scope, berth_bytes_t body,
                int64_t now_ms, retry_t *ret_retry, berth_error_t *err);

//  Remembers. A reply above BERTH_REPLY_KEPT_MAX is not kept: then nothing is remembered, and
//  *ret_kept is false.
int retry_put (store_txn_t *txn, arena_t *arena, const retry_scope_t *scope, const retry_t *retry,
               int64_t now_ms, bool *ret_kept, berth_error_t *err);

#endif
