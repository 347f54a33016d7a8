//  leases.c - owns the table of leases: reads, metadata, and what the other files share.

#include "leases_inside.h"

#include "page.h"
#include "plant.h"
#include "retries.h"
#include "target.h"

#include <stdlib.h>
#include <string.h>

const char *
lease_subject (arena_t *arena, const char *lease, const char *what)
{
    return arena_printf (arena, "%s/%s", lease, what);
}

berth_bytes_t
lease_details (const lease_t *lease, bool ended, arena_t *arena)
{
    const char *policy = berth_enum_text (&lease_policy_enum, (int) lease->policy);
    if (!ended) {
        lease_details_t details = {
            .env = lease->env, .driver = lease->driver, .policy = policy,
            .provider = lease->provider, .workspace = lease->workspace, .issue = lease->issue,
            .reused = lease->reused,
        };
        if (lease->adopted)
            berth_put (lease_details, &details, adopted, true);
        return berth_pack (&lease_details_schema, &details, arena);
    }
    const char *cleanup = berth_enum_text (&cleanup_status_enum, (int) lease->cleanup);
    lease_end_details_t details = {
        .env = lease->env, .driver = lease->driver, .policy = policy, .provider = lease->provider,
        .workspace = lease->workspace, .issue = lease->issue,
        .status = berth_enum_text (&lease_status_enum, (int) lease->status),
        .cleanup = cleanup [0] ? cleanup : NULL, .failure = lease->failure,
    };
    return berth_pack (&lease_end_details_schema, &details, arena);
}

int
lease_save (leases_t *self, const request_t *req, store_txn_t *txn, lease_t *lease, action_t action,
            berth_error_t *err)
{
    (void) self;
    lease->updated_at = req->now_ms;
    bool ended = lease_settled (lease->state) || lease->state == lease_state_RETAINED
              || lease->state == lease_state_CLEANUP;
    activity_note_t note = activity_note (req, action, lease->company, lease->id, lease->run,
                                          lease->agent, lease_details (lease, ended, req->arena));
    if (lease_put (txn, req->arena, lease, err))
        return -1;
    if (PLANTED ("no-entry"))
        return 0;
    if (PLANTED ("entry-twice") && activity_add (txn, req->arena, &note, err))
        return -1;
    return activity_add (txn, req->arena, &note, err);
}

int
lease_find (const request_t *req, store_txn_t *txn, const char *id, const char *company,
            uint64_t generation, lease_t *ret_lease, berth_error_t *err)
{
    if (lease_get (txn, req->arena, id, ret_lease, err)
        || company_check (company, ret_lease->company, "lease", id, err))
        return -1;
    if (generation && generation < ret_lease->generation && !PLANTED ("stale-holder")) {
        berth_error_set (err->lease_id, sizeof err->lease_id, "%s", id);
        return berth_fail (err, BERTH_FENCED, "lease '%s' has generation %llu now, not %llu", id,
                           (unsigned long long) ret_lease->generation,
                           (unsigned long long) generation);
    }
    return 0;
}

void
leases_due (leases_t *self, int64_t mono_ms)
{
    if (mono_ms < self->next_ms)
        self->next_ms = mono_ms;
}

//  ---- reads

int
leases_get (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const lease_ref_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->id, ask->company, 0, &lease, err)
        || leases_queue_position (txn, &lease, err))
        return -1;
    effects_reply (fx, req, &lease_schema, &lease);
    return 0;
}

typedef struct {
    const lease_list_t *ask;
    store_txn_t *txn;
} wanted_t;

static bool
s_wants (void *context, void *row)
{
    const wanted_t *wanted = context;
    const lease_list_t *ask = wanted->ask;
    lease_t *lease = row;
    bool wants = strcmp (lease->company, ask->company) == 0
        && (!ask->env || strcmp (lease->env, ask->env) == 0)
        && (!ask->run || (lease->run && strcmp (lease->run, ask->run) == 0))
        && (!ask->status || lease->status == ask->status)
        && (!ask->state || lease->state == ask->state);
    if (wants)
        (void) leases_queue_position (wanted->txn, lease, NULL);    //  Shown as far as it is known
    return wants;
}

int
leases_list (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const lease_list_t *ask = req->body;
    wanted_t wanted = { ask, txn };
    page_ask_t walk = {
        .index = ask->run ? INDEX_LEASE_BY_RUN : ask->env ? INDEX_LEASE_BY_ENVIRONMENT
                                                         : INDEX_LEASE_LIST,
        .cursor = ask->cursor, .limit = ask->limit, .schema = &lease_schema, .wants = s_wants, .context = &wanted,
    };
    if (ask->env && !ask->run)
        key_id (&walk.prefix, ask->env);
    else
        key_text (&walk.prefix, ask->company);
    if (ask->run)
        key_text (&walk.prefix, ask->run);
    lease_page_t page = { .next = NULL };
    page.items.items = page_walk (txn, req->arena, &walk, &page.items.count, &page.next, err);
    if (!page.items.items)
        return -1;
    effects_reply (fx, req, &lease_page_schema, &page);
    return 0;
}

int
leases_target (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const lease_target_ask_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->id, ask->company, 0, &lease, err))
        return -1;
    lease_target_t target = target_of (&lease, ask->adapter ? ask->adapter : lease.adapter,
                                       req->arena);
    effects_reply (fx, req, &lease_target_schema, &target);
    return 0;
}

//  ---- metadata

static int
s_update_metadata (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                   berth_error_t *err)
{
    const lease_metadata_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->id, ask->company, ask->generation, &lease, err))
        return -1;
    if (ask->if_updated_at && ask->if_updated_at != lease.updated_at)
        return berth_fail (err, BERTH_CONFLICT, "lease '%s' was changed at %lld", ask->id,
                           (long long) lease.updated_at);
    if (!berth_has (lease_metadata, ask, metadata) && !berth_null (lease_metadata, ask, metadata)) {
        berth_error_set (err->field, sizeof err->field, "metadata");
        return berth_fail (err, BERTH_INVALID, "field 'metadata' is missing: null clears it");
    }
    lease.metadata = ask->metadata;
    lease_used (me, req, &lease);
    if (lease_save (me, req, txn, &lease, ACTION_LEASE_METADATA_UPDATED, err))
        return -1;
    effects_reply (fx, req, &lease_schema, &lease);
    return 0;
}

//  A realization's record, or that its files came home.
static int
s_realized (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const lease_realized_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->lease, NULL, 0, &lease, err))
        return -1;
    if (ask->realization && lease.realization && strcmp (ask->realization, lease.realization) == 0) {
        effects_reply (fx, req, &lease_schema, &lease);     //  Kept before a restart
        return 0;
    }
    if (ask->record.size)
        lease.metadata = any_set (lease.metadata.size ? lease.metadata : berth_empty_map,
                                  "workspaceRealization", ask->record, req->arena);
    if (ask->realization)
        lease.realization = ask->realization;
    if (ask->source.size) {
        lease.source = ask->source;
        berth_put (lease, &lease, source_no_links, ask->no_links);
    }
    if (ask->return_mode)
        lease.return_mode = ask->return_mode;
    if (berth_has (lease_realized, ask, returned))
        berth_put (lease, &lease, returned, ask->returned);
    lease_used (me, req, &lease);
    lease.updated_at = req->now_ms;
    activity_note_t note = activity_note (req, ask->record.size ? ACTION_WORKSPACE_REALIZED
                                                                : ACTION_WORKSPACE_RETURNED,
                                          lease.company, lease.id, lease.run, lease.agent,
                                          ask->details);
    if (lease_put (txn, req->arena, &lease, err) || activity_add (txn, req->arena, &note, err)
        || (ask->scope.size == RETRIES_SCOPE_SIZE
            && retry_settle (txn, req->arena, ask->scope.data, ask->reply, err)))
        return -1;
    //  Its files were kept for this alone; what goes home by itself is told when it has
    if (lease.state == lease_state_RETAINED && lease.returned && lease.retained_as && !lease.homeward) {
        const char *becomes = lease.retained_as;
        lease.place = place_state_OPEN;
        if (leases_begin_release (me, req, txn, fx, &lease, becomes, NULL, err))
            return -1;
    }
    effects_reply (fx, req, &lease_schema, &lease);
    return 0;
}

//  ---- answers of the provider

static int
s_done (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    const step_done_t *done = req->body;
    lease_t lease;
    if (strncmp (done->subject, SWEEP_SUBJECT, sizeof SWEEP_SUBJECT - 1) == 0)
        return leases_listed (self, req, done, txn, fx, err);
    if (strcmp (done->step, SWEEP_STEP_ORPHAN) == 0)
        return leases_orphan_closed (req, done, txn, err);
    if (strcmp (done->step, LEASE_STEP_EXTRA) == 0)
        return 0;                   //  If it failed, a sweep finds what is left when the lease is settled
    if (lease_get (txn, req->arena, done->subject, &lease, err))
        return -1;
    if (strcmp (done->step, SWEEP_STEP_CHECK) == 0)
        return leases_checked (self, req, done, &lease, txn, fx, err);
    if (strcmp (done->step, "open") == 0)
        return leases_opened (self, req, done, &lease, txn, fx, err);
    if (strcmp (done->step, "place") == 0)
        return leases_place_done (self, req, done, &lease, txn, fx, err);
    if (strcmp (done->step, "resume") == 0)
        return leases_resumed (self, req, done, &lease, txn, fx, err);
    if (strcmp (done->step, "reuse") == 0)
        return leases_reused (self, req, done, &lease, txn, fx, err);
    if (strcmp (done->step, "home") == 0)
        return leases_came_home (self, req, done, &lease, txn, fx, err);
    if (strcmp (done->step, LEASE_STEP_ADOPT) == 0)
        return leases_adopted (self, req, done, &lease, txn, fx, err);
    if (strcmp (done->step, LEASE_STEP_AGAIN) == 0)
        return leases_taken_up (self, req, done, &lease, txn, fx, err);
    if (strcmp (done->step, "destroy") == 0)
        return leases_destroyed (self, req, done, &lease, txn, err);
    return leases_closed (self, req, done, &lease, txn, fx, err);
}

//  ---- the actor

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_LEASE_ACQUIRE] = leases_acquire,
    [REQUEST_LEASE_GET] = leases_get,
    [REQUEST_LEASE_LIST] = leases_list,
    [REQUEST_LEASE_RENEW] = leases_renew,
    [REQUEST_LEASE_RELEASE] = leases_release,
    [REQUEST_COMPANY_CLEAR] = leases_clear,
    [REQUEST_LEASE_RESUME] = leases_resume,
    [REQUEST_LEASE_DESTROY] = leases_end,
    [REQUEST_LEASE_ADOPT] = leases_adopt,
    [REQUEST_LEASE_RELEASE_FOR_RUN] = leases_release_for_run,
    [REQUEST_BUS_DRAIN] = leases_drain,
    [REQUEST_BUS_UNDRAIN] = leases_undrain,
    [REQUEST_PROVIDER_PAUSE] = leases_pause,
    [REQUEST_PROVIDER_UNPAUSE] = leases_unpause,
    [REQUEST_PROVIDER_SWEEP] = leases_sweep_now,
    [REQUEST_LEASE_RELEASE_ALL] = leases_release_all,
    [REQUEST_LEASE_RELEASE_ENVIRONMENT] = leases_release_environment,
    [REQUEST_LEASE_UPDATE_METADATA] = s_update_metadata,
    [REQUEST_LEASE_TARGET] = leases_target,
    [REQUEST_LEASE_PLACE] = leases_place,
    [REQUEST_WORKSPACE_DISCARD] = leases_discard,
    [REQUEST_LEASE_REALIZED] = s_realized,
    [REQUEST_STEP_DONE] = s_done,
};

static int64_t
s_next_ms (void *me)
{
    return ((leases_t *) me)->next_ms;
}

leases_t *
leases_new (const context_t *context, berth_error_t *err)
{
    (void) err;
    leases_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = LEASES_MAGIC;
    self->context = context;
    self->rows = arena_new ();
    self->next_ms = 0;              //  The first tick finds out
    static const actor_spec_t spec = {
        .code = ACTOR_LEASES, .handlers = s_handlers, .tick = leases_tick, .next_ms = s_next_ms,
        .expired = leases_expired_wait, .cancel_expires = true, .rejoin = leases_rejoin, .fd = -1, .start = leases_start,
    };
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return self;
}

void
leases_destroy (leases_t **self_p)
{
    leases_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, LEASES_MAGIC);
    actor_destroy (&self->actor);
    arena_destroy (&self->rows);
    free (self->found);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

actor_t *
leases_kit (leases_t *self)
{
    CHECK (self, LEASES_MAGIC);
    return self->actor;
}

void
leases_actor (zsock_t *pipe, void *args)
{
    leases_t *self = args;
    CHECK (self, LEASES_MAGIC);
    actor_run (self->actor, pipe);
}
