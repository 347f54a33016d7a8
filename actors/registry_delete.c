//  registry_delete.c - how an environment goes: never under a live lease; with `force`, behind the
//  release of all of them.
//
//  Forced, or where places are kept for others: the row is marked and archived, so that nothing new is leased; `leases` is asked to give
//  back what is live, some at a time; then the row goes. Leases do not need it: what still closes
//  does so by its own row. The mark is found again at the next start.

#include "registry_parts.h"

#include "codec.h"
#include "json_schema.h"
#include "retries.h"

#include <stdio.h>
#include <string.h>

enum { NAMED_MAX = 3, CAUSE_MAX = 6, COUNTED_MAX = 10000 };

//  What stands in the way, as far as it is to be told.
typedef struct {
    size_t count;
    char names [256], all [320];
    const char *first;
} blockers_t;

static void
s_add (char *text, size_t size, const char *separator, const char *what)
{
    size_t used = strlen (text);
    snprintf (text + used, size - used, "%s%s", used ? separator : "", what);
}

//  Those that are told are read, the rest is counted, as far as anybody wants to know.
static int
s_find_blockers (store_txn_t *txn, arena_t *arena, const char *env, blockers_t *found,
                 berth_error_t *err)
{
    store_key_t prefix = { 0 }, key;
    store_walk_t walk;
    lease_t lease;
    key_id (&prefix, env);
    if (walk_begin (&walk, txn, INDEX_LEASE_BY_WORKSPACE, &prefix, NULL, err))
        return -1;
    int rc = 0;
    while (found->count < CAUSE_MAX && (rc = walk_next (&walk, arena, &lease, err)) == 0) {
        const char *state = berth_enum_text (&lease_state_enum, (int) lease.state);
        if (found->count++ == 0)
            found->first = lease.id;
        if (found->count <= NAMED_MAX)
            s_add (found->names, sizeof found->names, ", ",
                   arena_printf (arena, "%s (%s)", lease.id, state));
        s_add (found->all, sizeof found->all, ", ", arena_printf (arena, "%s %s", lease.id, state));
    }
    while (rc == 0 && found->count < COUNTED_MAX && (rc = walk_next_key (&walk, &key, err)) == 0)
        found->count++;
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

//  Are places of it kept for others, who will not come?
static bool
s_keeps (store_txn_t *txn, const char *env)
{
    store_key_t prefix = { 0 }, key;
    store_walk_t walk;
    key_id (&prefix, env);
    if (walk_begin (&walk, txn, INDEX_LEASE_KEPT_OF, &prefix, NULL, NULL))
        return false;
    bool keeps = walk_next_key (&walk, &key, NULL) == 0;
    walk_end (&walk);
    return keeps;
}

//  A lease that is not settled may hold a place of it: release needs nothing but the lease's own
//  row, yet whoever deletes should know what still runs there.
static int
s_refuse (const environment_t *row, const blockers_t *found, berth_error_t *err)
{
    berth_error_set (err->environment_id, sizeof err->environment_id, "%s", row->id);
    berth_error_set (err->lease_id, sizeof err->lease_id, "%s", found->first);
    berth_error_set (err->cause, sizeof err->cause, "%s%s", found->all,
                     found->count > CAUSE_MAX ? ", ..." : "");
    berth_error_set (err->remedy, sizeof err->remedy, "release them, archive the environment, or"
                     " delete it with force, which releases them first; lease.list names all");
    return berth_fail (err, BERTH_CONFLICT,
                       "%s%zu lease%s of the environment %s not settled: %s%s",
                       found->count == COUNTED_MAX ? "at least " : "", found->count, found->count == 1 ? "" : "s", found->count == 1 ? "is" : "are",
                       found->names, found->count > NAMED_MAX ? "..." : "");
}

int
registry_stays (const environment_t *row, berth_error_t *err)
{
    if (!row->deleting_at)
        return 0;
    berth_error_set (err->environment_id, sizeof err->environment_id, "%s", row->id);
    return berth_fail (err, BERTH_CONFLICT, "the environment is being deleted");
}

static const char *
s_subject (arena_t *arena, const char *env)
{
    return arena_printf (arena, "%s/deleted", env);
}

static void
s_send_release (const request_t *req, effects_t *fx, const environment_t *row, const char *cursor)
{
    environment_release_t ask = { .id = row->id, .cursor = cursor };
    effects_work (fx, req->arena, ACTOR_LEASES, NULL, REQUEST_LEASE_RELEASE_ENVIRONMENT, row->id,
                  REGISTRY_STEP_RELEASE, req, 0, &ask);
}

static int
s_remove (const request_t *req, store_txn_t *txn, const environment_t *row, berth_error_t *err)
{
    return registry_drop_secrets (req, txn, row, err)
        || environment_del (txn, req->arena, row->id, err)
        || environment_note (req, txn, ACTION_ENVIRONMENT_DELETED, row,
                             environment_details (row, req->arena), err) ? -1 : 0;
}

//  Marks it, so that nothing is leased from here on.
static int
s_mark (const request_t *req, store_txn_t *txn, environment_t *row, berth_error_t *err)
{
    const char *status = "status";
    berth_bytes_t details = any_set (berth_empty_map, "changedFields",
                                     json_texts (&status, 1, req->arena), req->arena);
    row->status = environment_status_ARCHIVED;
    row->deleting_at = row->updated_at = req->now_ms;
    if (req->letter->key [0])
        row->delete_scope = (berth_bytes_t) { req->letter->scope, RETRIES_SCOPE_SIZE };
    details = any_set_text (details, "status", "archived", req->arena);
    details = any_set_truth (details, "deleting", true, req->arena);
    return environment_put (txn, req->arena, row, err)
        || environment_note (req, txn, ACTION_ENVIRONMENT_UPDATED, row, details, err) ? -1 : 0;
}

int
registry_delete (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                 berth_error_t *err)
{
    (void) args;
    const environment_delete_t *ask = req->body;
    environment_t row;
    blockers_t found = { 0 };
    if (environment_find (txn, req->arena, ask->company, ask->id, &row, err))
        return -1;
    if (!row.deleting_at) {
        if (s_find_blockers (txn, req->arena, row.id, &found, err))
            return -1;
        bool keeps = s_keeps (txn, row.id);
        if (!found.count && !keeps) {
            if (s_remove (req, txn, &row, err))
                return -1;
            effects_reply (fx, req, &environment_schema, &row);
            return 0;
        }
        if (found.count && !ask->force)
            return s_refuse (&row, &found, err);
        if (s_mark (req, txn, &row, err))
            return -1;
    }
    s_send_release (req, fx, &row, NULL);
    effects_wait (fx, req, s_subject (req->arena, row.id));
    return 0;
}

//  Some of its leases, or all, are on their way out.
int
registry_released (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                   berth_error_t *err)
{
    (void) args;
    const step_done_t *done = req->body;
    const char *subject = s_subject (req->arena, done->subject);
    environment_t row;
    berth_error_t why = { 0 };
    environment_released_t released = { 0 };
    if (environment_get (txn, req->arena, done->subject, &row, &why))
        return why.code == BERTH_NOT_FOUND ? 0 : berth_fail (err, why.code, "%s", why.text);
    if (!done->ok) {                //  Asked for again by the next try, or the next start
        error_from_body (done->error, req->arena, &why);
        effects_settle_error (fx, req->arena, subject, &why);
        return 0;
    }
    if (berth_unpack_own (&environment_released_schema, done->result, req->arena, &released, err))
        return -1;
    if (released.more) {
        s_send_release (req, fx, &row, released.cursor);
        return 0;
    }
    environment_t gone = row;
    berth_clear (environment, &gone, delete_scope);
    if (s_remove (req, txn, &row, err)
        || (row.delete_scope.size == RETRIES_SCOPE_SIZE
            && retry_settle (txn, req->arena, row.delete_scope.data,
                             berth_pack (&environment_schema, &gone, req->arena), err)))
        return -1;
    effects_settle (fx, req->arena, subject, &environment_schema, &gone);
    return 0;
}

//  After a start: deletions that were under way go on.
int
registry_start (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    store_walk_t walk;
    environment_t row;
    if (walk_begin (&walk, txn, INDEX_ENVIRONMENT_DELETING, NULL, NULL, err))
        return -1;
    int rc;
    while ((rc = walk_next (&walk, req->arena, &row, err)) == 0)
        s_send_release (req, fx, &row, NULL);
    walk_end (&walk);
    return rc < 0 ? -1 : registry_companies (args, req, txn, fx, err);
}
