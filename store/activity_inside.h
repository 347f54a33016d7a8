//  activity_inside.h - the records of the log, as its files share them. For store/ only.
//
//  activity  key u64 seq                               value the packed entry
//  heads     key company, u64 companySeq               value head_record_t
//  finder    key kind, company, text, u64 companySeq   value u64 seq
//  floors    key company                               value floor_record_t
//
//  Finder follows behind: an entry goes there with others, FINDER_LAG of them at once, because each of
//  its texts lies on a page of its own, and every page costs each commit. What it does not lead to yet
//  is the end of the log, and is read as it stands.
//
//  The end of a company's log is its last entry, or (none is kept) its floor.

#ifndef BERTH_ACTIVITY_INSIDE_H_INCLUDED
#define BERTH_ACTIVITY_INSIDE_H_INCLUDED

#include "activity_log.h"
#include "store_lmdb.h"

enum { FINDER_RUN = 'r', FINDER_ENTITY = 'e', FINDER_ACTION = 'a' };
enum { FINDER_LAG = 512, FINDER_TURN = 1024 };

//  `latest_ms` is the latest time of this entry and all before it: unlike their own times it never
//  steps back, so that a time can be searched for.
typedef struct {
    uint64_t seq;
    int64_t latest_ms;
} head_record_t;

//  Of the last entry that was removed.
typedef struct {
    uint64_t company_seq;
    int64_t latest_ms;
    uint8_t hash [32];
} floor_record_t;

store_key_t activity_key (uint64_t seq);
store_key_t activity_head_key (const char *company, uint64_t company_seq);
store_key_t activity_finder_key (int kind, const char *company, const char *text,
                                 uint64_t company_seq);

//  The number that a key of heads or finder ends with.
uint64_t activity_key_number (const store_key_t *key);

//  The floor of a company: 0, 1 if nothing was removed, or -1.
int activity_floor (store_txn_t *txn, const char *company, floor_record_t *ret_floor,
                    berth_error_t *err);

//  The first head record at or behind companySeq: 0, 1 if there is none, or -1.
int activity_head_from (store_txn_t *txn, const char *company, uint64_t company_seq,
                        uint64_t *ret_company_seq, head_record_t *ret_head, berth_error_t *err);

//  The texts by which an entry is found, each with its kind; how many.
enum { FINDER_TEXTS = 3 };
size_t activity_texts (const activity_t *row, int kinds [FINDER_TEXTS],
                       const char *texts [FINDER_TEXTS]);

//  Puts an entry into heads; into finder.
int activity_head_put (store_txn_t *txn, const activity_t *row, int64_t latest_ms,
                       berth_error_t *err);
int activity_finder_put (store_txn_t *txn, const activity_t *row, berth_error_t *err);

#endif
