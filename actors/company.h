//  company.h - what becomes of each table when a company goes, and what the actors share for it.

#ifndef BERTH_ACTORS_COMPANY_H_INCLUDED
#define BERTH_ACTORS_COMPANY_H_INCLUDED

#include "actor.h"

enum { COMPANY_TURN = 256 };        //  Rows looked at in one transaction

//  For each table: in which part its rows go, or why they stay.
typedef struct {
    company_part_t part;
    const char *stays;
} company_table_t;
extern const company_table_t company_tables [TABLE_COUNT];

//  Who removes a part.
actor_code_t company_actor (company_part_t part);

//  conflict, if the company is being deleted: nothing new is made of it.
int company_stays (store_txn_t *txn, arena_t *arena, const char *company, berth_error_t *err);

//  Deals with one row: counts it as removed, or as waiting.
typedef int (company_row_fn) (void *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                              void *row, company_cleared_t *cleared, berth_error_t *err);

//  A turn of a company_clear: `each` for some rows of a table, along an index that begins with the
//  company (`all`: of every company), read before any is changed. Answers the request.
int company_clear_rows (void *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                        table_t table, store_index_t index, bool all, company_row_fn *each,
                        berth_error_t *err);

#endif
