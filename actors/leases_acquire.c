//  leases_acquire.c - how a lease comes to be: the row first, then the place.

#include "leases_inside.h"

#include "company.h"
#include "ids.h"
#include "plant.h"

#include <string.h>

static const berth_bytes_t s_nothing = { NULL, 0 };

//  ---- asking the provider

//  How long a provider may take: Paperclip's rule (reference, 2.3), the larger of its two timeouts
//  and 30 s, at most 15 min; else our own.
static int64_t
s_open_ms (berth_bytes_t config)
{
    uint64_t own_ms = any_number (config, "timeoutMs", 0);
    uint64_t bridge_ms = any_number (config, "bridgeRequestTimeoutMs", 0);
    uint64_t larger_ms = own_ms > bridge_ms ? own_ms : bridge_ms;
    if (!larger_ms)
        return LEASES_OPEN_MS;
    larger_ms += 30000;
    return (int64_t) (larger_ms < 900000 ? larger_ms : 900000);
}

static place_open_t
s_place_open (const lease_t *lease)
{
    return (place_open_t) {
        .lease = lease->id, .company = lease->company, .env = lease->env, .run = lease->run,
        .issue = lease->issue, .generation = lease->generation, .config = lease->config,
        .policy = lease->env_policy, .provider_lease = lease->provider_lease,
    };
}

void
leases_send_open (const request_t *req, effects_t *fx, const lease_t *lease, const char *step)
{
    place_open_t open = s_place_open (lease);
    bool resume = strcmp (step, "open") && strcmp (step, "place");
    effects_work (fx, req->arena, ACTOR_PROXY, lease->provider,
                  resume ? REQUEST_PLACE_RESUME : REQUEST_PLACE_OPEN, lease->id, step, req,
                  req->mono_ms + s_open_ms (lease->config), &open);
}

//  ---- acquire

//  The environment, as one that may be leased.
static int
s_environment (leases_t *self, const request_t *req, store_txn_t *txn, const lease_acquire_t *ask,
               environment_t *env, const provider_t **ret_provider, berth_error_t *err)
{
    berth_error_set (err->environment_id, sizeof err->environment_id, "%s", ask->env);
    if (environment_get (txn, req->arena, ask->env, env, err))
        return err->code == BERTH_NOT_FOUND
            ? berth_fail (err, BERTH_ENVIRONMENT_NOT_FOUND, "Environment \"%s\" not found.", ask->env)
            : -1;
    if (strcmp (env->company, ask->company))
        return berth_fail (err, BERTH_ENVIRONMENT_NOT_FOUND,
                           "Environment \"%s\" does not belong to this company.", ask->env);
    const char *driver = berth_enum_text (&environment_driver_enum, (int) env->driver);
    berth_error_set (err->driver, sizeof err->driver, "%s", driver);
    if (env->status != environment_status_ACTIVE)
        return berth_fail (err, BERTH_ENVIRONMENT_INACTIVE,
                           "Environment \"%s\" is not active (status: %s).", env->name,
                           berth_enum_text (&environment_status_enum, (int) env->status));
    if (provider_of (env->driver, env->config, req->arena, ret_provider, err))
        return -1;
    berth_error_set (err->provider, sizeof err->provider, "%s", (*ret_provider)->name);
    if ((*ret_provider)->for_tests && !self->context->test_providers)
        return berth_fail (err, BERTH_UNSUPPORTED_ENVIRONMENT,
                           "Sandbox provider \"%s\" is reserved for probes and cannot run work.",
                           (*ret_provider)->name);
    return 0;
}

int
lease_lifetime (berth_bytes_t value, uint64_t otherwise, const char *field, uint64_t *ret_ms,
                berth_error_t *err)
{
    *ret_ms = otherwise;
    if (value.size == 0)
        return 0;
    static const uint8_t none [] = { 0xa4, 'n', 'o', 'n', 'e' };
    if (value.size == sizeof none && memcmp (value.data, none, sizeof none) == 0) {
        *ret_ms = 0;
        return 0;
    }
    uint8_t map [32] = { 0x81, 0xa1, 'v' };
    if (value.size <= 16) {
        memcpy (map + 3, value.data, value.size);
        *ret_ms = any_number ((berth_bytes_t) { map, 3 + value.size }, "v", 0);
        if (*ret_ms)
            return 0;
    }
    berth_error_set (err->field, sizeof err->field, "%s", field);
    return berth_fail (err, BERTH_INVALID, "field '%s' must be a number above 0, or \"none\"", field);
}

static int
s_grant (const lease_acquire_t *ask, const environment_policy_t *policy, lease_t *lease,
         berth_error_t *err)
{
    uint64_t most_ms, asked_ms;
    if (lease_lifetime (policy ? policy->max_lease : s_nothing, LEASES_MAX_MS_DEFAULT,
                        "policy.maxLeaseMs", &most_ms, err)
        || lease_lifetime (ask->max_lease, most_ms, "maxLeaseMs", &asked_ms, err))
        return -1;
    if (most_ms && (asked_ms == 0 || asked_ms > most_ms))
        asked_ms = most_ms;
    lease->max_ms = asked_ms;
    uint64_t most_idle_ms = policy ? policy->idle_ms : 0;
    lease->idle_ms = ask->idle_ms && (!most_idle_ms || ask->idle_ms < most_idle_ms)
        ? ask->idle_ms : most_idle_ms;
    return 0;
}

static berth_bytes_t
s_metadata (const lease_acquire_t *ask, const environment_t *env, berth_bytes_t config,
            arena_t *arena)
{
    berth_bytes_t metadata = ask->metadata.size ? ask->metadata : berth_empty_map;
    if (env->driver == environment_driver_SANDBOX)
        metadata = any_merge (metadata, config, false, arena);
    metadata = any_set_text (metadata, "driver",
                             berth_enum_text (&environment_driver_enum, (int) env->driver), arena);
    return any_set_text (metadata, "executionWorkspaceMode", ask->mode, arena);
}

void
lease_take_place (leases_t *self, const request_t *req, lease_t *lease,
                  const place_opened_t *place)
{
    arena_t *arena = req->arena;
    lease->place = place_state_OPEN;
    if (place->provider_lease)
        lease->provider_lease = place->provider_lease;
    if (place->metadata.size)
        lease->metadata = any_merge (lease->metadata.size ? lease->metadata : berth_empty_map,
                                     place->metadata, false, arena);
    if (place->shim.size)
        lease->shim = place->shim;
    if (place->folder.size)
        lease->folder = place->folder;
    if (place->expires_at)
        lease_provider_ends (self, req, lease, place->expires_at);
}

//  The lease that an earlier try of the same step took, so that a repeat is no second time.
static int
s_earlier (const request_t *req, store_txn_t *txn, const lease_acquire_t *ask, lease_t *ret_lease,
           berth_error_t *err)
{
    if (req->letter->answer_to == ACTOR_FRONT || !ask->run)
        return 1;
    store_key_t prefix = { 0 };
    key_text (&prefix, ask->company);
    key_text (&prefix, ask->run);
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_LEASE_BY_RUN, &prefix, NULL, err))
        return -1;
    int rc;
    while ((rc = walk_next (&walk, req->arena, ret_lease, err)) == 0)
        if ((ret_lease->state == lease_state_PENDING || ret_lease->state == lease_state_ACTIVE)
            && strcmp (ret_lease->env, ask->env) == 0)
            break;
    walk_end (&walk);
    return rc;
}

int
leases_draft (leases_t *self, const request_t *req, store_txn_t *txn, const lease_acquire_t *ask,
              const provider_t **ret_provider, lease_t *ret_lease, berth_error_t *err)
{
    environment_t env;
    if (s_environment (self, req, txn, ask, &env, ret_provider, err)
        || driver_check (req, berth_enum_text (&environment_driver_enum, (int) env.driver), err)
        || leases_admit (self, req, txn, (*ret_provider)->name, env.id, err)
        || lease_room (req, txn, ask->company, err))
        return -1;
    const provider_t *provider = *ret_provider;
    *ret_lease = (lease_t) {
        .id = id_new (req), .company = ask->company, .env = env.id, .workspace = ask->workspace,
        .issue = ask->issue, .run = ask->run, .agent = ask->agent, .adapter = ask->adapter,
        .status = lease_status_ACTIVE, .state = lease_state_PENDING,
        .policy = lease_policy_of (ask, &env, provider), .provider = provider->name, .acquired_at = req->now_ms, .last_used_at = req->now_ms,
        .created_at = req->now_ms, .driver = berth_enum_text (&environment_driver_enum,
                                                              (int) env.driver),
        .config = env.config, .env_policy = env.policy, .place = place_state_ABSENT,
        .metadata = s_metadata (ask, &env, env.config, req->arena), .bind = ask->bind,
    };
    return company_stays (txn, req->arena, ask->company, err) || store_admit (txn, err) || s_grant (ask, env.policy, ret_lease, err) ? -1 : 0;
}

int
leases_acquire (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    leases_t *self = me;
    const lease_acquire_t *ask = req->body;
    lease_t earlier;
    int known = s_earlier (req, txn, ask, &earlier, err);
    if (known < 0)
        return -1;
    if (known == 0) {
        if (earlier.state == lease_state_ACTIVE) {
            effects_reply (fx, req, &lease_schema, &earlier);
            return 0;
        }
        effects_wait (fx, req, lease_subject (req->arena, earlier.id, "active"));
        return leases_queue_tell (req, txn, fx, &earlier, err);
    }
    const provider_t *provider;
    lease_t lease;
    if (lease_may_bind (req, ask, err)
        || leases_draft (self, req, txn, ask, &provider, &lease, err))
        return -1;
    int queued = leases_exclusive (req, txn, &lease, err);
    if (queued < 0)
        return -1;
    lease.generation = store_next_generation (txn);
    bool waits = !berth_has (lease_acquire, ask, wait) || ask->wait;
    int64_t client_ms = waits && !ask->detach && req->letter->deadline_ms
        ? req->letter->deadline_ms - req->mono_ms : 0;
    if (queued ? leases_queue_join (self, req, txn, fx, &lease, client_ms, err)
               : leases_begin (self, req, txn, fx, provider, &lease, err))
        return -1;
    if (lease.bind) {
        leases_bind (req, fx, &lease);
        return lease.state == lease_state_PENDING ? leases_queue_tell (req, txn, fx, &lease, err) : 0;
    }
    if (waits && lease.state == lease_state_PENDING) {
        effects_wait (fx, req, lease_subject (req->arena, lease.id, ask->detach ? "active/detached"
                                                                                : "active"));
        return leases_queue_tell (req, txn, fx, &lease, err);
    }
    if (leases_queue_position (txn, &lease, err))
        return -1;
    effects_reply (fx, req, &lease_schema, &lease);
    return 0;
}

int
leases_begin (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
              const provider_t *provider, lease_t *lease, berth_error_t *err)
{
    lease->queued_at = 0;
    lease_deadline (self, req, lease, lease->max_ms);
    if (provider->opens_nothing) {
        place_open_t open = s_place_open (lease);
        place_opened_t place = { 0 };
        if (provider->foresee
            && provider->foresee (&open, id_new (req), req->arena, &place, err))
            return -1;
        lease_take_place (self, req, lease, &place);
        lease->place = place_state_ABSENT;
        lease->state = lease_state_ACTIVE;
        lease_begun (self, req, lease);
        return lease_save (self, req, txn, lease, ACTION_LEASE_ACQUIRED, err);
    }
    lease->place = place_state_OPENING;
    if (leases_reuse (self, req, txn, fx, lease, err))
        return -1;
    if (!PLANTED ("place-before-row")
        && lease_save (self, req, txn, lease, ACTION_LEASE_PENDING, err))
        return -1;
    leases_send_open (req, fx, lease, lease_opening_step (lease));
    return 0;
}

//  ---- the provider's answers

void
leases_settle_active (const request_t *req, effects_t *fx, const lease_t *lease)
{
    leases_bound_tell (req, fx, lease);
    effects_settle (fx, req->arena, lease_subject (req->arena, lease->id, "active"), &lease_schema,
                    lease);
    effects_settle (fx, req->arena, lease_subject (req->arena, lease->id, "active/detached"),
                    &lease_schema, lease);
}

void
leases_settle_refused (const request_t *req, effects_t *fx, const lease_t *lease, berth_error_t *why)
{
    berth_error_set (why->lease_id, sizeof why->lease_id, "%s", lease->id);
    berth_error_set (why->environment_id, sizeof why->environment_id, "%s", lease->env);
    if (lease->provider)
        berth_error_set (why->provider, sizeof why->provider, "%s", lease->provider);
    effects_settle_error (fx, req->arena, lease_subject (req->arena, lease->id, "active"), why);
    effects_settle_error (fx, req->arena, lease_subject (req->arena, lease->id, "active/detached"),
                          why);
    leases_bound_refused (req, fx, lease, why);
}

//  Did the provider perhaps open something all the same?
static bool
s_uncertain (berth_code_t code)
{
    return code == BERTH_PROVIDER_TIMEOUT || code == BERTH_PROVIDER_UNAVAILABLE
        || code == BERTH_INTERNAL || code == BERTH_DEADLINE_EXCEEDED;
}

//  There is a place behind an answer that was given before: of a call that was given up as hanging,
//  or of a provider that answers twice. Whatever no lease holds is closed, until that is confirmed.
static int
s_opened_late (leases_t *self, const request_t *req, lease_t *lease, const place_opened_t *place,
               store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    lease_t holder;
    const char *name = place->provider_lease;
    int held = name && lease->provider
        ? lease_of_place (req, txn, lease->provider, name, &holder, err) : 1;
    if (held <= 0 || lease->taken_by || PLANTED ("late-place"))
        return held < 0 ? -1 : 0;   //  It has a row that will close it
    if (lease_settled (lease->state) && lease->place == place_state_GONE) {
        lease->provider_lease = name ? name : lease->provider_lease;
        return leases_destroy_place (self, req, txn, fx, lease, err);
    }
    if (!name)
        return 0;
    if (lease->state != lease_state_ACTIVE && !lease->provider_lease) {
        lease->provider_lease = name;           //  What is on its way knows no name, and proves nothing
        leases_send_close (req, fx, lease);
        return lease_put (txn, req->arena, lease, err);
    }
    leases_send_extra (req, fx, lease, name);
    return 0;
}

//  Does the provider answer with the place of another lease, which still holds it? 0, 1 and *why, or -1.
//  The place that it may have opened for this one is closed by the lease's id.
static int
s_anothers (const request_t *req, store_txn_t *txn, const lease_t *lease, const place_opened_t *place,
            berth_error_t *why, berth_error_t *err)
{
    const provider_t *provider = lease->provider ? provider_by_name (lease->provider) : NULL;
    lease_t holder;
    if (!provider || !provider->exclusive || !place->provider_lease || PLANTED ("anothers-place"))
        return 0;
    int rc = lease_holds_place (req, txn, lease->provider, place->provider_lease, lease->id, &holder, err);
    if (rc)
        return rc < 0 ? -1 : 0;
    (void) berth_fail (why, BERTH_PROVIDER_ERROR, "provider %s answered with the place of lease %s",
                       lease->provider, holder.id);
    return 1;
}

int
leases_opened (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
               store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    place_opened_t place = { 0 };
    berth_error_t why = { 0 };
    if (done->ok && berth_unpack_own (&place_opened_schema, done->result, req->arena, &place, err))
        return -1;
    if (!done->ok)
        error_from_body (done->error, req->arena, &why);
    int lied = done->ok && lease->place == place_state_OPENING
             ? s_anothers (req, txn, lease, &place, &why, err) : 0;
    if (lied < 0)
        return -1;
    bool ok = done->ok && !lied;
    if (leases_breaker_told (self, req, txn, lease, BREAKER_OPEN, &why, err))
        return -1;
    if (lease->place != place_state_OPENING)
        return done->ok ? s_opened_late (self, req, lease, &place, txn, fx, err) : 0;
    if (ok)
        lease_take_place (self, req, lease, &place);
    else
        lease->place = lied || s_uncertain (why.code) ? place_state_OPEN : place_state_GONE;

    if (lease->state == lease_state_RELEASING) {
        //  It was given back while its place was opening: now there is something to close.
        if (lease_put (txn, req->arena, lease, err))
            return -1;
        leases_send_close (req, fx, lease);
        return 0;
    }
    if (lease->abandoned_at && lease->place == place_state_OPEN) {
        lease->place = place_state_GONE;
        leases_send_close (req, fx, lease);         //  Nobody waits for it any more
        return lease_put (txn, req->arena, lease, err);
    }
    if (lease->state != lease_state_PENDING)
        return 0;                   //  A second answer to the same question
    if (ok) {
        if (lease_move (lease, lease_state_ACTIVE, err))
            return -1;
        lease_begun (self, req, lease);
        if (lease_save (self, req, txn, lease, ACTION_LEASE_ACQUIRED, err))
            return -1;
        leases_settle_active (req, fx, lease);
        return 0;
    }
    if (lied || s_uncertain (why.code)) {
        berth_put (lease, lease, destroy, true);
        if (leases_begin_release (self, req, txn, fx, lease, "failed", why.text, err))
            return -1;
    }
    else {
        lease->failure = arena_string (req->arena, why.text);
        lease->cleanup = cleanup_status_SUCCESS;
        lease->released_at = req->now_ms;
        if (lease_move (lease, lease_state_FAILED, err)
            || lease_save (self, req, txn, lease, ACTION_LEASE_RELEASED, err))
            return -1;
    }
    leases_settle_refused (req, fx, lease, &why);
    return lease_settled (lease->state) ? leases_queue_next (self, req, txn, fx, lease, err) : 0;
}

//  ---- places that are opened when they are first needed (driver local)

int
leases_place (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const lease_place_t *ask = req->body;
    lease_t lease;
    if (lease_find (req, txn, ask->lease, NULL, 0, &lease, err))
        return -1;
    if (lease.state != lease_state_ACTIVE)
        return berth_fail (err, BERTH_CONFLICT, "lease '%s' is %s, not active", lease.id,
                           berth_enum_text (&lease_state_enum, (int) lease.state));
    if (lease.place == place_state_OPEN) {
        effects_reply (fx, req, &lease_schema, &lease);
        return 0;
    }
    if (lease.place != place_state_OPENING) {
        lease.place = place_state_OPENING;
        if (lease_put (txn, req->arena, &lease, err))
            return -1;
        leases_send_open (req, fx, &lease, "place");
    }
    effects_wait (fx, req, lease_subject (req->arena, lease.id, "place"));
    return 0;
}

int
leases_place_done (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                   store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const char *subject = lease_subject (req->arena, lease->id, "place");
    place_opened_t place = { 0 };
    berth_error_t why = { 0 };
    if (done->ok && berth_unpack_own (&place_opened_schema, done->result, req->arena, &place, err))
        return -1;
    if (lease->place != place_state_OPENING)
        return done->ok ? s_opened_late (self, req, lease, &place, txn, fx, err) : 0;
    if (!done->ok)
        error_from_body (done->error, req->arena, &why);
    if (!done->ok && lease->place != place_state_OPENING)
        return 0;                   //  A second answer to the same question
    if (done->ok)
        lease_take_place (self, req, lease, &place);
    else
        lease->place = s_uncertain (why.code) ? place_state_OPEN : place_state_ABSENT;
    const char *again = lease_subject (req->arena, lease->id, "resumed");
    if (lease->state != lease_state_ACTIVE) {
        if (lease_put (txn, req->arena, lease, err))
            return -1;
        leases_send_close (req, fx, lease);
        (void) berth_fail (&why, BERTH_CONFLICT, "lease '%s' was released", lease->id);
        effects_settle_error (fx, req->arena, subject, &why);
        effects_settle_error (fx, req->arena, again, &why);
        return 0;
    }
    if (done->ok ? lease_save (self, req, txn, lease, ACTION_LEASE_PLACE_OPENED, err)
                 : lease_put (txn, req->arena, lease, err))
        return -1;
    const char *const subjects [] = { subject, again };
    for (size_t index = 0; index < BERTH_COUNT (subjects); index++)
        if (done->ok)
            effects_settle (fx, req->arena, subjects [index], &lease_schema, lease);
        else
            effects_settle_error (fx, req->arena, subjects [index], &why);
    return 0;
}

//  After a start: is the place of an active lease still there?
int
leases_resumed (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (lease->state != lease_state_ACTIVE)
        return 0;
    if (done->ok) {
        place_opened_t place = { 0 };
        if (berth_unpack_own (&place_opened_schema, done->result, req->arena, &place, err))
            return -1;
        lease_take_place (self, req, lease, &place);
        return lease_put (txn, req->arena, lease, err);
    }
    berth_error_t why;
    error_from_body (done->error, req->arena, &why);
    if (why.code != BERTH_NOT_FOUND)            //  Unknown is not gone
        return leases_breaker_told (self, req, txn, lease, BREAKER_OPEN, &why, err);
    berth_put (lease, lease, destroy, true);
    return leases_begin_release (self, req, txn, fx, lease, "failed",
                                 "the place was lost while the service was down", err);
}

//  ---- a client's deadline

//  It went away, or cancelled. What waits in a queue does not wait for nobody; what was opening goes on.
static int
s_cancelled (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
             bool undo, berth_error_t *err)
{
    bool leaves = undo && lease->queued_at;
    berth_error_t why = { 0 };
    berth_error_set (why.lease_id, sizeof why.lease_id, "%s", lease->id);
    (void) berth_fail (&why, BERTH_CONFLICT, leaves
                       ? "its client cancelled: the lease left the queue"
                       : "its client cancelled the stream; what was asked goes on");
    effects_fail (fx, req, &why);
    return leaves ? leases_queue_leave (self, req, txn, fx, lease, "failed", "its client went away",
                                        err) : 0;
}

int
leases_expired_wait (void *me, const request_t *req, store_txn_t *txn, effects_t *fx,
                     berth_error_t *err)
{
    leases_t *self = me;
    char id [BERTH_ID_SIZE] = { 0 };
    snprintf (id, sizeof id, "%s", req->subject);
    berth_error_t why = { 0 };
    lease_t lease;
    if (berth_id_is (id) && lease_get (txn, req->arena, id, &lease, err) == 0) {
        berth_error_set (why.lease_id, sizeof why.lease_id, "%s", id);
        //  It may have opened in this very batch; but a retry may have more time.
        waiters_t *waiters = actor_waiters (self->actor);
        bool undo = req->letter->type == REQUEST_LEASE_ACQUIRE
                 && strcmp (req->subject + strlen (id), "/active") == 0
                 && (lease.state == lease_state_PENDING || lease.state == lease_state_ACTIVE)
                 && !waiters_any (waiters, req->subject)
                 && !waiters_any (waiters, lease_subject (req->arena, id, "active/detached"));
        if (lease_is_bound_to (req->subject)) {
            if (leases_unbound (self, req, txn, fx, &lease, err))
                return -1;
            if (req->letter->cancelled) {
                effects_reply (fx, req, &lease_schema, &lease);
                return 0;
            }
        }
        if (req->letter->cancelled)
            return s_cancelled (self, req, txn, fx, &lease, undo, err);
        if (undo && leases_begin_release (self, req, txn, fx, &lease, "failed",
                                          "the deadline of its client passed", err))
            return -1;
    }
    (void) berth_fail (&why, BERTH_DEADLINE_EXCEEDED, "the deadline passed before %s had settled",
                       request_row (req->letter->type)->type);
    effects_fail (fx, req, &why);
    return 0;
}

//  ---- retries

//  A renewal that was answered with more than a key keeps: what it granted is in the row.
static int
s_renewed (const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    lease_t lease;
    if (lease_get (txn, req->arena, req->subject, &lease, err))
        return -1;
    lease_renewed_t renewed;
    lease_granted (req, &lease, lease.max_ms, &renewed);
    effects_reply (fx, req, &lease_renewed_schema, &renewed);
    return 0;
}

//  Only an acquire would be a second time; every other request that waits bears repeating.
int
leases_rejoin (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (req->letter->type == REQUEST_LEASE_RENEW)
        return s_renewed (req, txn, fx, err);
    if (req->letter->type == REQUEST_PROVIDER_SWEEP)
        return leases_sweep_now (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_WORKSPACE_DISCARD)
        return leases_discard (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_LEASE_RELEASE)
        return leases_release (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_LEASE_RELEASE_FOR_RUN)
        return leases_release_for_run (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_LEASE_RESUME)
        return leases_resume (me, req, txn, fx, err);
    if (req->letter->type == REQUEST_LEASE_DESTROY)
        return leases_end (me, req, txn, fx, err);
    char id [BERTH_ID_SIZE];
    snprintf (id, sizeof id, "%s", req->subject);
    lease_t lease;
    if (lease_find (req, txn, id, NULL, 0, &lease, err))
        return -1;
    //  It was refused and nothing was opened: the same key may try again.
    if (lease.state == lease_state_FAILED && lease.adopted)
        return leases_adopt (me, req, txn, fx, err);
    if (lease.state == lease_state_FAILED && !lease.provider_lease)
        return leases_acquire (me, req, txn, fx, err);
    if (lease_is_bound_to (req->subject) && !lease_settled (lease.state)) {
        leases_bind (req, fx, &lease);
        return 0;
    }
    if (lease.state == lease_state_PENDING) {
        effects_wait (fx, req, req->subject);
        return leases_queue_tell (req, txn, fx, &lease, err);
    }
    if (lease.state == lease_state_ACTIVE || !lease.failure)
        effects_reply (fx, req, &lease_schema, &lease);
    else {
        berth_error_set (err->lease_id, sizeof err->lease_id, "%s", id);
        return berth_fail (err, BERTH_LEASE_ACQUIRE_FAILED, "%s", lease.failure);
    }
    return 0;
}
