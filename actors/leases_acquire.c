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
