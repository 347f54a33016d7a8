//  company.c - owns what is said of each table for the day on which its company goes.
//
//  A company is deleted part by part, each by the actor that writes its rows, some rows in one
//  transaction. What is still on its way out is looked at again until it is gone.

#include "company.h"

#include "codec.h"

#include <string.h>

const company_table_t company_tables [TABLE_COUNT] = {
    [TABLE_ENVIRONMENTS] = { company_part_ENVIRONMENTS, NULL },
    [TABLE_WORKSPACES] = { company_part_WORKSPACES, NULL },
    [TABLE_LEASES] = { company_part_LEASES, NULL },
    [TABLE_RUNS] = { company_part_RUNS, NULL },
    [TABLE_EXECS] = { company_part_EXECS, NULL },
    [TABLE_PRINCIPALS] = { company_part_KEYS, NULL },
    [TABLE_HOLDS] = { company_part_LEASES, NULL },      //  Of its environments
    [TABLE_SWEEPS] = { company_part_NONE, "they are of providers" },
    [TABLE_SUSPECTS] = { company_part_NONE, "a place that was lost is looked for until it is gone" },
    [TABLE_SECRETS] = { company_part_SECRETS, NULL },
    [TABLE_SECRET_VERSIONS] = { company_part_SECRETS, NULL },
    [TABLE_SECRET_BINDINGS] = { company_part_SECRETS, NULL },
    [TABLE_SECRET_EVENTS] = { company_part_NONE, "who used a secret is kept like the log" },
    [TABLE_COMPANY_KEYS] = { company_part_SECRETS, NULL },
    [TABLE_COMPANIES] = { company_part_NONE, "it says how far the deletion is, and goes with its end" },
};

actor_code_t
company_actor (company_part_t part)
{
    static const actor_code_t actors [company_part_COUNT] = {
        [company_part_WORK] = ACTOR_LEASES, [company_part_EXECS] = ACTOR_EXECS,
        [company_part_RUNS] = ACTOR_RUNS, [company_part_LEASES] = ACTOR_LEASES,
        [company_part_WORKSPACES] = ACTOR_REALIZER, [company_part_SECRETS] = ACTOR_SECRETS,
        [company_part_ENVIRONMENTS] = ACTOR_REGISTRY, [company_part_KEYS] = ACTOR_KEYS,
    };
    return actors [part];
}

int
company_stays (store_txn_t *txn, arena_t *arena, const char *company, berth_error_t *err)
{
    company_removal_t removal;
    int rc = company_removal_find (txn, arena, company, &removal, err);
    if (rc)
        return rc < 0 ? -1 : 0;
    berth_error_set (err->remedy, sizeof err->remedy, "ask again when it is gone: berth company delete"
                     " %s --yes waits for that", company);
    return berth_fail (err, BERTH_CONFLICT, "company '%s' is being deleted", company);
}

int
company_clear_rows (void *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                    table_t table, store_index_t index, bool all, company_row_fn *each,
                    berth_error_t *err)
{
    const company_clear_t *ask = req->body;
    company_cleared_t cleared = { .part = ask->part, .waiting = ask->waiting };
    size_t size = table_row_size (table), count = 0;
    uint8_t *rows = arena_take (req->arena, COMPANY_TURN * size);
    store_key_t prefix = { 0 };
    store_walk_t walk;
    if (!all)
        key_text (&prefix, ask->company);
    if (walk_begin (&walk, txn, index, &prefix, ask->behind, err))
        return -1;
    int rc = 0;
    while (count < COMPANY_TURN && (rc = walk_next (&walk, req->arena, rows + count * size, err)) == 0)
        count++;
    if (count == COMPANY_TURN)
        cleared.behind = walk_cursor (&walk, req->arena);
    walk_end (&walk);
    if (rc < 0)
        return -1;
    for (size_t at = 0; at < count; at++)
        if (each (self, req, txn, fx, rows + at * size, &cleared, err))
            return -1;
    effects_reply (fx, req, &company_cleared_schema, &cleared);
    return 0;
}
