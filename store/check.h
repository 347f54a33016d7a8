//  check.h - does everything in the store fit together? Walks it in slices, while it is in use.
//
//  Each slice reads one snapshot and lets it go, so that it keeps no page from being used again for
//  longer than CHECK_SLICE_MS. A row is held against what it refers to in the same snapshot: what
//  changes between slices is no finding.

#ifndef BERTH_CHECK_H_INCLUDED
#define BERTH_CHECK_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "store.h"

typedef struct store_check store_check_t;

enum { CHECK_SLICE_MS = 50, CHECK_SLICE_ROWS = 500, CHECK_FINDINGS_MAX = 1000 };

typedef struct {
    const char *kind;               //  row, state, index, reference, activity, chain, count, key, spool
    const char *where;              //  The table, or "spool"
    char id [224];                  //  Which row or entry
    char why [160];                 //  One sentence
} check_finding_t;

typedef struct {
    uint64_t rows, index_entries, activity, keys, spools;      //  Looked at
    uint64_t found;                 //  Findings, those beyond CHECK_FINDINGS_MAX too
} check_sums_t;

//  `spools` is the folder of the execs' output, NULL: it is not looked at. Output of execs that ended
//  before outputs_since_ms may be gone.
store_check_t *store_check_new (store_t *store, const char *spools, int64_t outputs_since_ms);
void store_check_destroy (store_check_t **self_p);

//  One slice: 0, 1 when everything was looked at, or -1 if the store cannot be read at all.
int store_check_step (store_check_t *self, berth_error_t *err);

//  How far it is: the phase, and entries looked at and in sum.
const char *store_check_phase (const store_check_t *self, uint64_t *ret_done, uint64_t *ret_total);

const check_sums_t *store_check_sums (const store_check_t *self);
const check_finding_t *store_check_findings (const store_check_t *self, size_t *ret_count);

#endif
