//  check_inside.h - what the files of the check share. For check*.c only.

#ifndef BERTH_CHECK_INSIDE_H_INCLUDED
#define BERTH_CHECK_INSIDE_H_INCLUDED

#include "activity_inside.h"
#include "check.h"
#include "tables_inside.h"

#include <dirent.h>

#define CHECK_MAGIC 0xc4ec5001u

struct store_check {
    uint32_t magic;
    store_t *store;
    char *spools;
    int64_t outputs_since_ms;
    size_t phase;
    bool begun;                     //  Something of this phase was looked at
    store_key_t at;                 //  The key that was looked at last
    uint64_t done, total;           //  Of all phases
    arena_t *arena;                 //  Of one row
    check_sums_t sums;
    check_finding_t *findings;      //  CHECK_FINDINGS_MAX
    size_t findings_count;
    //  Of rows: counted if nothing is written meanwhile
    store_counters_t counted;
    size_t counted_txn;             //  LMDB's number of the snapshot in which counting began
    bool counting;
    //  Of the log
    uint64_t seq;                   //  Looked at last; 0: none
    char company [66];              //  Whose chain is looked at; "" for none yet
    uint64_t after;
    DIR *folder;
};

//  Looks at one entry of a database.
typedef void (check_look_fn) (store_check_t *self, store_txn_t *txn, const store_key_t *key,
                              berth_bytes_t value);

void check_found (store_check_t *self, const char *kind, const char *where, const char *id,
                  const char *format, ...) BERTH_PRINTF (5, 6);

//  A key as text: an id, or texts and numbers as hex.
const char *check_key_text (store_check_t *self, const store_key_t *key);

//  ---- check_rows.c
void check_row (store_check_t *self, store_txn_t *txn, table_t table, const store_key_t *key,
                berth_bytes_t value);
check_look_fn check_index_entry;
//  All rows of the tables were looked at.
void check_counts (store_check_t *self, store_txn_t *txn);
//  Is this folder of the spool an exec's?
void check_spool (store_check_t *self, const char *name);

//  ---- check_log.c
check_look_fn check_log_entry, check_finder_entry, check_key_entry;
void check_log_end (store_check_t *self, store_txn_t *txn);
//  A part of the companies' chains; true when all were looked at.
bool check_chains (store_check_t *self, store_txn_t *txn);

#endif
