//  registry_company.c - owns the deletion of a company: its row, whose turn it is, its end.
//
//  The row says which part is being removed; the actor whose it is does some of it in a step, and says
//  whether there is more, or something that has to be waited for. A start goes on where the row is.

#include "registry_parts.h"

#include "codec.h"
#include "company.h"
#include "retries.h"

#include <string.h>

enum { AGAIN_MS = 1000 };           //  What waits is looked at again

static const char *
s_subject (arena_t *arena, const char *company)
{
    return arena_printf (arena, "%s gone", company);
}

static void
s_send (const request_t *req, effects_t *fx, const company_removal_t *row, const char *behind,
        uint64_t waiting)
{
    company_clear_t ask = { .company = row->id, .part = row->part, .behind = behind,
                            .waiting = waiting };
    effects_work (fx, req->arena, company_actor (row->part), NULL, REQUEST_COMPANY_CLEAR, row->id,
                  REGISTRY_STEP_COMPANY, NULL, 0, &ask);
}

static int
s_note (const request_t *req, store_txn_t *txn, const company_removal_t *row, action_t action,
        berth_error_t *err)
{
    company_details_t details = { .removed = row->removed };
    activity_note_t note = activity_note (req, action, row->id, row->id, NULL, NULL,
                                          berth_pack (&company_details_schema, &details, req->arena));
    return activity_add (txn, req->arena, &note, err);
}

int
registry_company_delete (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                         berth_error_t *err)
{
    (void) args;
    const company_delete_t *ask = req->body;
    company_removal_t row;
    int rc = company_removal_find (txn, req->arena, ask->company, &row, err);
    if (rc < 0)
        return -1;
    if (rc) {
        row = (company_removal_t) {
            .id = ask->company, .since = req->now_ms, .part = company_part_WORK,
            .by = arena_string (req->arena, req->letter->principal),
        };
        if (req->letter->key [0])
            row.scope = (berth_bytes_t) { req->letter->scope, RETRIES_SCOPE_SIZE };
        if (company_removal_put (txn, req->arena, &row, err)
            || s_note (req, txn, &row, ACTION_COMPANY_DELETING, err))
            return -1;
        s_send (req, fx, &row, NULL, 0);
    }
    if (berth_has (company_delete, ask, wait) && !ask->wait) {
        berth_clear (company_removal, &row, scope);
        effects_reply (fx, req, &company_removal_schema, &row);
    }
    else
        effects_wait (fx, req, s_subject (req->arena, row.id));
    return 0;
}

static int
s_end (const request_t *req, store_txn_t *txn, effects_t *fx, company_removal_t *row,
       berth_error_t *err)
{
    berth_bytes_t scope = row->scope;
    berth_clear (company_removal, row, part);
    berth_clear (company_removal, row, scope);
    if (company_removal_del (txn, req->arena, row->id, err)
        || s_note (req, txn, row, ACTION_COMPANY_DELETED, err)
        || (scope.size == RETRIES_SCOPE_SIZE
            && retry_settle (txn, req->arena, scope.data,
                             berth_pack (&company_removal_schema, row, req->arena), err)))
        return -1;
    effects_settle (fx, req->arena, s_subject (req->arena, row->id), &company_removal_schema, row);
    return 0;
}

//  Some of a part is done.
int
registry_company_cleared (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                          berth_error_t *err)
{
    registry_t *self = args;
    const step_done_t *done = req->body;
    company_removal_t row;
    company_cleared_t cleared = { .removed = 0 };
    int rc = company_removal_find (txn, req->arena, done->subject, &row, err);
    if (rc)
        return rc < 0 ? -1 : 0;
    if (!done->ok) {                //  Whatever it was, it is tried again
        self->company_ms = req->mono_ms + AGAIN_MS;
        return 0;
    }
    if (berth_unpack_own (&company_cleared_schema, done->result, req->arena, &cleared, err))
        return -1;
    if (cleared.part != row.part)
        return 0;                   //  A second answer to the same question
    row.removed += cleared.removed;
    row.waiting = cleared.waiting;
    if (cleared.behind)
        s_send (req, fx, &row, cleared.behind, cleared.waiting);
    else if (cleared.waiting)
        self->company_ms = req->mono_ms + AGAIN_MS;
    else if (row.part + 1 == company_part_COUNT)
        return s_end (req, txn, fx, &row, err);
    else {
        row.part++;
        s_send (req, fx, &row, NULL, 0);
    }
    storage_progress_t progress = {
        .phase = berth_enum_text (&company_part_enum, (int) row.part), .done = row.removed,
        .total = row.removed + row.waiting,
    };
    effects_progress (fx, req->arena, s_subject (req->arena, row.id), &storage_progress_schema,
                      &progress);
    return company_removal_put (txn, req->arena, &row, err);
}

//  All that are under way, from the beginning of their part.
int
registry_companies (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                    berth_error_t *err)
{
    registry_t *self = args;
    store_walk_t walk;
    company_removal_t row;
    if (walk_begin (&walk, txn, INDEX_COMPANY_LIST, NULL, NULL, err))
        return -1;
    int rc;
    while ((rc = walk_next (&walk, req->arena, &row, err)) == 0)
        s_send (req, fx, &row, NULL, 0);
    walk_end (&walk);
    self->company_ms = INT64_MAX;
    return rc < 0 ? -1 : 0;
}

int64_t
registry_next_ms (void *args)
{
    return ((registry_t *) args)->company_ms;
}

//  ---- the registry's own part

static int
s_environment (void *self, const request_t *req, store_txn_t *txn, effects_t *fx, void *row,
               company_cleared_t *cleared, berth_error_t *err)
{
    (void) self;
    (void) fx;
    const environment_t *env = row;
    cleared->removed++;
    return environment_del (txn, req->arena, env->id, err)
        || environment_note (req, txn, ACTION_ENVIRONMENT_DELETED, env,
                             environment_details (env, req->arena), err) ? -1 : 0;
}

int
registry_clear (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                berth_error_t *err)
{
    return company_clear_rows (args, req, txn, fx, TABLE_ENVIRONMENTS, INDEX_ENVIRONMENT_LIST, false,
                               s_environment, err);
}
