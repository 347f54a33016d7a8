//  activity_log.h - append to the log of what changed; read it from a sequence number.
//
//  Every change of state appends exactly one entry in its own transaction. `seq` has no gap in the
//  store, `companySeq` none in its company, and `hash` chains the company's entries.

#ifndef BERTH_ACTIVITY_LOG_H_INCLUDED
#define BERTH_ACTIVITY_LOG_H_INCLUDED

#include "activity.h"
#include "arena.h"
#include "error.h"
#include "store.h"

//  What an entry says; the rest (seq, companySeq, hash) is the log's own.
typedef struct {
    const char *id;                 //  Of the entry
    const char *company;
    const char *actor_type, *actor_id;
    const char *agent, *run;        //  Or NULL
    action_t action;
    const char *entity;
    berth_bytes_t details;          //  A packed map, or size 0
    int64_t now_ms;
} activity_note_t;

//  Appends. Errors: store_full, internal.
int activity_add (store_txn_t *txn, arena_t *arena, const activity_note_t *note, berth_error_t *err);

//  The entry of a seq: 0, 1 if there is none, or -1. *ret_packed (if not NULL) is the row as it
//  stands in the store, copied into arena: the body that is published.
int activity_at (store_txn_t *txn, arena_t *arena, uint64_t seq, activity_t *ret_row,
                 berth_bytes_t *ret_packed, berth_error_t *err);

//  The first entry of a company behind companySeq `after`: 0, 1 if there is none, or -1.
int activity_next (store_txn_t *txn, arena_t *arena, const char *company, uint64_t after,
                   activity_t *ret_row, berth_error_t *err);

//  The end of a company's log; companySeq 0 and 32 zero bytes if it has none. Strings in arena.
int activity_end (store_txn_t *txn, arena_t *arena, const char *company, activity_head_t *ret_head,
                  berth_error_t *err);

//  The hash that an entry must have behind `before` (32 bytes).
void activity_hash (const activity_t *row, const uint8_t before [32], arena_t *arena,
                    uint8_t ret_hash [32]);

#endif
