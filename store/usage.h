//  usage.h - how much of each company is in the store: one row of counters, moved by every put and
//  delete of a lease or exec in the same transaction, so that a quota is one read and exact.

#ifndef BERTH_USAGE_H_INCLUDED
#define BERTH_USAGE_H_INCLUDED

#include "tables.h"

typedef struct {
    uint64_t leases;                //  Not settled
    uint64_t execs;                 //  Not ended
    uint64_t spooled;               //  Bytes of output kept of those that have ended
} usage_t;

//  Zeroes for a company that has nothing.
int usage_get (store_txn_t *txn, const char *company, usage_t *ret_usage, berth_error_t *err);

//  A row of a table changes from `old` (NULL: there was none) to `row` (NULL: it goes). For tables.c.
int usage_move (store_txn_t *txn, table_t table, const void *old, const void *row,
                berth_error_t *err);

#endif
