//  realizer_return.c - owns the way home: return > kept.

#include "realizer_parts.h"

#include "codec.h"

#include <string.h>

enum { RETURN_MS = 3600000, SLACK_MS = 120000 };

static const char *
s_text (berth_bytes_t bytes, arena_t *arena)
{
    return arena_text (arena, (const char *) bytes.data, bytes.size);
}

//  The lease whose files are wanted: whoever holds it may have them, also when it is retained.
static int
s_find (const request_t *req, store_txn_t *txn, const workspace_return_t *ask, lease_t *ret_lease,
        berth_error_t *err)
{
    if (lease_get (txn, req->arena, ask->lease, ret_lease, err)
        || company_check (ask->company, ret_lease->company, "lease", ask->lease, err))
        return -1;
    berth_error_set (err->lease_id, sizeof err->lease_id, "%s", ask->lease);
    if (berth_has (workspace_return, ask, generation) && ask->generation < ret_lease->generation)
        return berth_fail (err, BERTH_FENCED,
                           "generation %llu of lease '%s' is not the current one",
                           (unsigned long long) ask->generation, ask->lease);
    if (ret_lease->state != lease_state_ACTIVE && ret_lease->state != lease_state_RETAINED)
        return berth_fail (err, BERTH_CONFLICT, "lease '%s' is %s: its files are gone", ask->lease,
                           berth_enum_text (&lease_state_enum, (int) ret_lease->state));
    return 0;
}

static int
s_target (const workspace_return_t *ask, const lease_t *lease, berth_bytes_t *ret_target,
          berth_error_t *err)
{
    *ret_target = ask->target.size ? ask->target : lease->source;
    if (ret_target->size && ret_target->data [0] == '/'
        && !memchr (ret_target->data, 0, ret_target->size))
        return 0;
    berth_error_set (err->field, sizeof err->field, "target");
    return ret_target->size
        ? berth_fail (err, BERTH_INVALID, "field 'target' must be an absolute path")
        : berth_fail (err, BERTH_INVALID,
                      "field 'target' is missing, and nothing was realized into the place");
}

static int
s_begin (realizer_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
         workspace_return_t *ask, berth_error_t *err)
{
    lease_t lease;
    if (s_find (req, txn, ask, &lease, err) || s_target (ask, &lease, &ask->target, err)
        || host_path_check (req, ask->target, "target", err))
        return -1;
    const char *name = lease.provider ? lease.provider : lease.driver ? lease.driver : "local";
    const provider_t *provider = provider_by_name (name);
    if (!provider || !provider->give_back) {
        berth_error_set (err->provider, sizeof err->provider, "%s", name);
        return berth_fail (err, BERTH_UNSUPPORTED, "provider '%s' brings no files home", name);
    }
    int64_t deadline_ms = req->letter->deadline_ms ? req->letter->deadline_ms
                                                   : req->mono_ms + RETURN_MS;
    const char *subject = arena_printf (req->arena, "return/%s/%s", lease.id, id_new (req));
    work_t *work = work_begin (self, subject, req);
    work->ask = berth_pack (&workspace_return_schema, ask, work->arena);
    work->give_up_ms = deadline_ms + SLACK_MS;
    place_return_t step = {
        .lease = lease.id, .company = lease.company, .env = lease.env,
        .provider_lease = lease.provider_lease, .config = lease.config, .metadata = lease.metadata,
        .target = ask->target, .dry = ask->dry, .unified = ask->dry && ask->unified,
        .no_links = !host_is_free (req),
    };
    //  Nobody asked: it goes home as whoever realized it would have had to ask
    if (req->letter->roles & ROLE_INTERNAL && lease.source_no_links)
        step.no_links = true;
    effects_work (fx, req->arena, ACTOR_PROXY, provider->name, REQUEST_PLACE_RETURN, subject,
                  work_step (work, "return", req->arena), req, deadline_ms, &step);
    effects_wait (fx, req, subject);
    return 0;
}

int
realizer_return (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                 berth_error_t *err)
{
    realizer_t *self = args;
    CHECK (self, REALIZER_MAGIC);
    workspace_return_t ask = *(const workspace_return_t *) req->body;
    return s_begin (self, req, txn, fx, &ask, err);
}

//  The same road, and nothing is written at its end.
int
realizer_diff (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
               berth_error_t *err)
{
    realizer_t *self = args;
    CHECK (self, REALIZER_MAGIC);
    const workspace_diff_t *diff = req->body;
    workspace_return_t ask = { .lease = diff->lease, .company = diff->company,
                               .target = diff->target };
    if (berth_has (workspace_diff, diff, generation))
        berth_put (workspace_return, &ask, generation, diff->generation);
    berth_put (workspace_return, &ask, dry, true);
    berth_put (workspace_return, &ask, unified, diff->unified);
    return s_begin (self, req, txn, fx, &ask, err);
}

//  ---- answers

static void
s_fail (const request_t *req, work_t *work, effects_t *fx, const workspace_return_t *ask,
        berth_error_t *why)
{
    berth_error_set (why->lease_id, sizeof why->lease_id, "%s", ask->lease);
    //  A target that is not there, no folder, or not ours to write is the caller's to mend.
    if (why->code == BERTH_INVALID || why->code == BERTH_NOT_FOUND || why->code == BERTH_FORBIDDEN)
        if (strstr (why->text, s_text (ask->target, req->arena)))
            berth_error_set (why->field, sizeof why->field, "target");
    effects_settle_error (fx, req->arena, work->subject, why);
    work_finish (work, req);
}

static void
s_settle (const request_t *req, work_t *work, effects_t *fx, const workspace_returned_t *returned)
{
    effects_settle (fx, req->arena, work->subject, &workspace_returned_schema, returned);
    work_finish (work, req);
}

//  Counts only: what the files are called is nobody else's.
static berth_bytes_t
s_details (const lease_t *lease, const workspace_returned_t *returned, arena_t *arena)
{
    berth_bytes_t details = any_set_text (berth_empty_map, "environmentId", lease->env, arena);
    details = any_set_number (details, "added", returned->added, arena);
    details = any_set_number (details, "changed", returned->changed, arena);
    details = any_set_number (details, "deleted", returned->deleted, arena);
    details = any_set_number (details, "conflicts", returned->conflicts, arena);
    details = any_set_number (details, "refused", returned->refused, arena);
    if (returned->commits)
        details = any_set_text (details, "commits", returned->commits, arena);
    return any_set_number (details, "bytes", returned->bytes, arena);
}

//  The answer as a key keeps it: where it has no room for the paths, without them.
static berth_bytes_t
s_reply (const workspace_returned_t *returned, arena_t *arena)
{
    berth_bytes_t packed = berth_pack (&workspace_returned_schema, returned, arena);
    if (packed.size <= BERTH_REPLY_KEPT_MAX)
        return packed;
    workspace_returned_t less = *returned;
    less.patch = (berth_bytes_t) { NULL, 0 };
    less.changes.count = 0;
    less.cut = true;
    return berth_pack (&workspace_returned_schema, &less, arena);
}

static int
s_keep (const request_t *req, store_txn_t *txn, work_t *work, effects_t *fx,
        const workspace_return_t *ask, const workspace_returned_t *returned, berth_error_t *err)
{
    lease_t lease;
    if (lease_get (txn, req->arena, ask->lease, &lease, err))
        return -1;
    lease_realized_t keep = { .lease = lease.id,
                              .details = s_details (&lease, returned, req->arena) };
    //  Commits that could not be taken are in the place alone: it is kept like files that must come.
    bool all = !returned->commits || strcmp (returned->commits, "refused") != 0;
    berth_put (lease_realized, &keep, returned, all);
    if (work->asker.key [0]) {
        keep.scope = (berth_bytes_t) { work->asker.scope, sizeof work->asker.scope };
        keep.reply = s_reply (returned, req->arena);
    }
    work->give_up_ms = req->mono_ms + SLACK_MS;
    effects_work (fx, req->arena, ACTOR_LEASES, NULL, REQUEST_LEASE_REALIZED, work->subject,
                  work_step (work, "kept", req->arena), req, 0, &keep);
    return 0;
}

int
realizer_return_done (realizer_t *self, const request_t *req, work_t *work, const char *name,
                      store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) self;
    const step_done_t *done = req->body;
    workspace_return_t ask;
    workspace_returned_t returned;
    berth_error_t why = { 0 };
    if (berth_unpack_own (&workspace_return_schema, work->ask, req->arena, &ask, err))
        return -1;
    if (!done->ok)
        error_from_body (done->error, req->arena, &why);
    bool home = strcmp (name, "kept") == 0;
    //  A lease that was settled meanwhile needs to know nothing: the files are home all the same.
    if (!done->ok && !(home && (why.code == BERTH_CONFLICT || why.code == BERTH_NOT_FOUND))) {
        s_fail (req, work, fx, &ask, &why);
        return 0;
    }
    if (!home)
        work->result = (berth_bytes_t) { arena_copy (work->arena, done->result.data,
                                                     done->result.size), done->result.size };
    if (berth_unpack_own (&workspace_returned_schema, work->result, req->arena, &returned, err))
        return -1;
    if (!home && !ask.dry)
        return s_keep (req, txn, work, fx, &ask, &returned, err);
    s_settle (req, work, fx, &returned);
    return 0;
}

//  What runs is joined; what a crash cut off is begun anew: files that are home do not differ.
int
realizer_return_again (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                       berth_error_t *err)
{
    realizer_t *self = args;
    CHECK (self, REALIZER_MAGIC);
    if (!work_find (self, req->subject))
        return realizer_return (args, req, txn, fx, err);
    effects_wait (fx, req, req->subject);
    return 0;
}
