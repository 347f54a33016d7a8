//  activity_log.h - the log of what changed: append, read, find, trim, verify.
//
//  Every change of state appends exactly one entry in its own transaction. `seq` has no gap in the
//  store, `companySeq` none in its company, and `hash` chains the company's entries. What is older
//  than the log is kept goes from its beginning; the chain goes on from the floor.

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

//  The first entry that is kept: 0, 1 if there is none, or -1.
int activity_first (store_txn_t *txn, arena_t *arena, activity_t *ret_row, berth_error_t *err);

//  The first entry of a company behind companySeq `after`: 0, 1 if there is none, or -1.
int activity_next (store_txn_t *txn, arena_t *arena, const char *company, uint64_t after,
                   activity_t *ret_row, berth_error_t *err);

//  The end of a company's log; companySeq 0 and 32 zero bytes if it never had an entry. Strings in
//  arena. `floor` is its first entry that is kept, 0 if none is.
int activity_end (store_txn_t *txn, arena_t *arena, const char *company, activity_head_t *ret_head,
                  berth_error_t *err);

//  ---- finding

//  Which entries are wanted: what is NULL or 0 does not matter. An action that ends with a dot is
//  all that begin with it.
typedef struct {
    const char *company;
    uint64_t after;                 //  Behind this companySeq
    const char *run, *entity, *action;
    int64_t since_ms, until_ms;
} activity_filter_t;

enum { ACTIVITY_CLOCK_SLACK_MS = 60000 };   //  Two entries' times may stand the other way round by so much

//  A walk along the entries that may be wanted, oldest first, by the index that leads there soonest:
//  run, entity, action, or the log itself; from the first entry that is not too old.
typedef struct {
    store_txn_t *txn;
    activity_filter_t filter;
    int kind;                       //  Of the index; 0: the log itself
    const char *texts [ACTION_COUNT];   //  NULL: of the log itself
    uint64_t found;                 //  The last entry that the index leads to
    uint64_t at [ACTION_COUNT];     //  The next companySeq under each text; UINT64_MAX: none
    uint64_t seqs [ACTION_COUNT];
    size_t lanes;
} activity_walk_t;

//  Begins it; it needs no end.
int activity_walk_begin (activity_walk_t *self, store_txn_t *txn, const activity_filter_t *filter,
                         berth_error_t *err);

//  The next entry: 0, 1 at the end, or -1. *ret_fits says whether it is wanted.
int activity_walk_next (activity_walk_t *self, arena_t *arena, activity_t *ret_row, bool *ret_fits,
                        berth_error_t *err);

//  ---- trimming

//  Removes the oldest entries of the store if they are older than before_ms, `most` at most. *ret_removed
//  says how many; *ret_oldest_ms the time of the first that stays (INT64_MAX: none). Write transactions
//  of one actor only.
int activity_trim (store_txn_t *txn, arena_t *arena, int64_t before_ms, size_t most,
                   size_t *ret_removed, int64_t *ret_oldest_ms, berth_error_t *err);

//  ---- verifying

//  What reading a part of a company's chain says.
typedef struct {
    uint64_t looked_at;             //  Entries
    uint64_t next;                  //  `after` of the next part
    bool broken;                    //  Then the entry that does not fit first:
    uint64_t company_seq, seq;      //  (seq 0: it is not there)
    char why [128];
} activity_verdict_t;

//  Reads up to `most` entries behind `after` (at least from the floor on), and holds each against its
//  hash and the one before it.
int activity_verify (store_txn_t *txn, const char *company, uint64_t after, size_t most,
                     activity_verdict_t *ret_verdict, berth_error_t *err);

//  The hash that an entry must have behind `before` (32 bytes).
void activity_hash (const activity_t *row, const uint8_t before [32], arena_t *arena,
                    uint8_t ret_hash [32]);

#endif
