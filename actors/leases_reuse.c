//  leases_reuse.c - owns places that outlive their lease: kept, taken up by the next one, destroyed.
//
//  The row of the lease that was released keeps its history and, while its place is kept, the duty
//  to close it. Taking it up moves that duty to the new row in the same write transaction, so that
//  no two leases ever get one place. A settled lease stays settled: what becomes of its place stands
//  in placeState.

#include "leases_inside.h"

#include "plant.h"

#include <sodium.h>
#include <string.h>

enum { HASH = 32 };

lease_policy_t
lease_policy_of (const lease_acquire_t *ask, const environment_t *env, const provider_t *provider)
{
    lease_policy_t policy = lease_policy_EPHEMERAL;
    if (env->policy && env->policy->lease_policy)
        policy = env->policy->lease_policy;
    else if (any_truth (env->config, "reuseLease", false))
        policy = lease_policy_REUSE_BY_ENVIRONMENT;
    bool reuse = policy == lease_policy_REUSE_BY_ENVIRONMENT
              || policy == lease_policy_REUSE_BY_WORKSPACE;
    bool may = ask->run && (provider->can & PROVIDER_CAN_REUSE)
            && (ask->workspace || policy != lease_policy_REUSE_BY_WORKSPACE);
    return reuse && !may ? lease_policy_EPHEMERAL : policy;
}

//  ---- what a place may serve

static void
s_hash_text (crypto_generichash_state *state, const char *text)
{
    uint8_t given = text != NULL;
    crypto_generichash_update (state, &given, 1);
    if (text)
        crypto_generichash_update (state, (const uint8_t *) text, strlen (text) + 1);
}

static void
s_hash_bytes (crypto_generichash_state *state, berth_bytes_t bytes)
{
    uint64_t size = bytes.size;
    crypto_generichash_update (state, (const uint8_t *) &size, sizeof size);
    if (bytes.size)
        crypto_generichash_update (state, bytes.data, bytes.size);
}

//  Of a map, whatever the order of its keys: each pair by itself, added up.
static void
s_hash_map (crypto_generichash_state *state, berth_bytes_t map)
{
    uint8_t sum [HASH] = { 0 }, one [HASH];
    size_t position = 0;
    berth_bytes_t key, value;
    while (any_each (map, &position, &key, &value)) {
        crypto_generichash_state pair;
        crypto_generichash_init (&pair, NULL, 0, HASH);
        s_hash_bytes (&pair, key);
        s_hash_bytes (&pair, value);
        crypto_generichash_final (&pair, one, HASH);
        sodium_add (sum, one, HASH);
    }
    crypto_generichash_update (state, sum, HASH);
}

//  Whom a place may serve.
static berth_bytes_t
s_scope (const lease_t *lease, arena_t *arena)
{
    crypto_generichash_state state;
    uint8_t *hash = arena_take (arena, HASH), policy = (uint8_t) lease->policy;
    crypto_generichash_init (&state, NULL, 0, HASH);
    s_hash_text (&state, lease->company);
    s_hash_text (&state, lease->env);
    s_hash_text (&state, lease->workspace);
    s_hash_text (&state, lease->agent);
    s_hash_text (&state, lease->adapter);
    crypto_generichash_update (&state, &policy, 1);
    crypto_generichash_final (&state, hash, HASH);
    return (berth_bytes_t) { hash, HASH };
}

//  What a place is: its provider, and all of config and policy that its walls are made of.
static berth_bytes_t
s_fingerprint (const lease_t *lease, arena_t *arena)
{
    crypto_generichash_state state;
    uint8_t *hash = arena_take (arena, HASH);
    crypto_generichash_init (&state, NULL, 0, HASH);
    s_hash_text (&state, lease->provider);
    s_hash_map (&state, lease->config);
    const environment_policy_t *policy = lease->env_policy;
    if (policy && policy->limits)
        s_hash_bytes (&state, berth_pack (&environment_limits_schema, policy->limits, arena));
    s_hash_map (&state, policy && policy->env.size ? policy->env : berth_empty_map);
    for (size_t index = 0; policy && index < policy->read_only.count; index++)
        s_hash_bytes (&state, policy->read_only.items [index]);
    crypto_generichash_final (&state, hash, HASH);
    return (berth_bytes_t) { hash, HASH };
}

static bool
s_same (berth_bytes_t left, berth_bytes_t right)
{
    return left.size == right.size && memcmp (left.data, right.data, left.size) == 0;
}

//  ---- kept

bool
lease_keeps (const lease_t *lease)
{
    return lease->scope.size && !lease->destroy && lease->provider_lease
        && (lease->place == place_state_OPEN || lease->place == place_state_CLOSING);
}

void
lease_keep (leases_t *self, const request_t *req, lease_t *lease)
{
    lease->place = place_state_KEPT;
    int64_t keep_ms = self->context->retention.places_ms;
    lease->next_try_at = req->now_ms + keep_ms;
    leases_due (self, req->mono_ms + keep_ms);
}

bool
lease_is_left (const request_t *req, store_txn_t *txn, const lease_t *lease)
{
    environment_t env;
    berth_error_t why = { 0 };
    return environment_get (txn, req->arena, lease->env, &env, &why) ? why.code == BERTH_NOT_FOUND
                                                                     : env.deleting_at != 0;
}

//  ---- taken up

const char *
lease_opening_step (const lease_t *lease)
{
    return lease->adopted ? LEASE_STEP_ADOPT : lease->reused ? "reuse" : "open";
}

//  Kept places that may serve this lease, last used first.
static int
s_find (const request_t *req, store_txn_t *txn, const lease_t *lease, lease_t *found,
        size_t *ret_count, berth_error_t *err)
{
    store_key_t prefix = { 0 };
    key_bytes (&prefix, lease->scope.data, lease->scope.size);
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_LEASE_REUSABLE, &prefix, NULL, err))
        return -1;
    int rc = 0;
    *ret_count = 0;
    while (*ret_count < LEASES_REUSE_MAX
           && (rc = walk_next (&walk, req->arena, &found [*ret_count], err)) == 0)
        ++*ret_count;
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

static int
s_take (const request_t *req, store_txn_t *txn, lease_t *lease, lease_t *before,
        berth_error_t *err)
{
    lease->provider_lease = before->provider_lease;
    lease->reused = before->id;
    if (PLANTED ("place-shared"))
        return 0;
    before->place = place_state_GONE;
    before->taken_by = lease->id;
    before->next_try_at = 0;
    before->updated_at = req->now_ms;
    return lease_put (txn, req->arena, before, err);
}

int
leases_reuse (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
              berth_error_t *err)
{
    if (lease->policy != lease_policy_REUSE_BY_ENVIRONMENT
        && lease->policy != lease_policy_REUSE_BY_WORKSPACE)
        return 0;
    lease->scope = s_scope (lease, req->arena);
    lease->fingerprint = s_fingerprint (lease, req->arena);
    //  First look, then change: a walk does not survive writes to its index.
    lease_t *found = arena_array (req->arena, LEASES_REUSE_MAX, lease_t);
    size_t count;
    if (s_find (req, txn, lease, found, &count, err))
        return -1;
    for (size_t index = 0; index < count; index++) {
        bool fits = s_same (found [index].fingerprint, lease->fingerprint);
        if (fits ? !lease->reused && s_take (req, txn, lease, &found [index], err)
                 : leases_destroy_place (self, req, txn, fx, &found [index], err))
            return -1;
    }
    return 0;
}

//  It could not be taken up: its old row closes it, and the new one opens another.
static int
s_give_up (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, lease_t *lease,
           berth_error_t *err)
{
    lease_t before;
    if (lease_get (txn, req->arena, lease->reused, &before, err))
        return -1;
    before.taken_by = NULL;
    if (leases_destroy_place (self, req, txn, fx, &before, err))
        return -1;
    lease->provider_lease = NULL;
    lease->reused = NULL;
    if (lease_put (txn, req->arena, lease, err))
        return -1;
    leases_send_open (req, fx, lease, "open");
    return 0;
}

int
leases_reused (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
               store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (done->ok) {
        if (lease->state == lease_state_PENDING)
            lease->metadata = any_set_truth (lease->metadata, "resumedLease", true, req->arena);
        return leases_opened (self, req, done, lease, txn, fx, err);
    }
    if (!lease->reused)
        return 0;                   //  A second answer to the same question
    berth_error_t why;
    error_from_body (done->error, req->arena, &why);
    if (why.code != BERTH_NOT_FOUND
        && leases_breaker_told (self, req, txn, lease, BREAKER_OPEN, &why, err))
        return -1;
    if (lease->state == lease_state_PENDING)
        return s_give_up (self, req, txn, fx, lease, err);
    if (lease->state != lease_state_RELEASING)
        return 0;
    //  Given back meanwhile: whatever is there is closed by its own row.
    lease->place = place_state_OPEN;
    berth_put (lease, lease, destroy, true);
    if (lease_put (txn, req->arena, lease, err))
        return -1;
    leases_send_close (req, fx, lease);
    return 0;
}

//  ---- destroyed

int
leases_destroy_place (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
                      lease_t *lease, berth_error_t *err)
{
    lease->place = place_state_CLOSING;
    lease->next_try_at = req->now_ms + LEASES_CLOSE_MS;     //  Its answer comes before that
    leases_due (self, req->mono_ms + LEASES_CLOSE_MS);
    place_close_t close = {
        .lease = lease->id, .company = lease->company, .provider_lease = lease->provider_lease,
        .config = lease->config, .metadata = lease->metadata,
        .status = berth_enum_text (&lease_status_enum, (int) lease->status),
    };
    berth_put (place_close, &close, destroy, true);
    effects_work (fx, req->arena, ACTOR_PROXY, lease->provider, REQUEST_PLACE_CLOSE, lease->id,
                  "destroy", req, req->mono_ms + LEASES_CLOSE_MS, &close);
    return lease_put (txn, req->arena, lease, err);
}

int
leases_destroyed (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                  store_txn_t *txn, berth_error_t *err)
{
    if (!lease_settled (lease->state) || lease->place != place_state_CLOSING)
        return 0;                   //  A second answer to the same question
    berth_error_t why = { 0 };
    if (!done->ok)
        error_from_body (done->error, req->arena, &why);
    if (leases_breaker_told (self, req, txn, lease, BREAKER_CLOSE, &why, err))
        return -1;
    if (done->ok) {
        lease->place = place_state_GONE;
        lease->next_try_at = 0;
        return lease_save (self, req, txn, lease, ACTION_LEASE_PLACE_DESTROYED, err);
    }
    uint64_t doublings = lease->attempts < 9 ? lease->attempts : 9;
    int64_t wait_ms = (int64_t) LEASES_RETRY_FIRST_MS << doublings;
    if (wait_ms > LEASES_RETRY_MAX_MS)
        wait_ms = LEASES_RETRY_MAX_MS;
    berth_put (lease, lease, attempts, lease->attempts + 1);
    lease->next_try_at = req->now_ms + wait_ms;
    leases_due (self, req->mono_ms + wait_ms);
    return lease_put (txn, req->arena, lease, err);
}

int
leases_sweep_kept (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, bool all,
                   berth_error_t *err)
{
    size_t room = all ? (size_t) index_entries (txn, INDEX_LEASE_KEPT, NULL) : LEASES_TICK_MAX;
    lease_t *due = arena_array (req->arena, room + 1, lease_t);
    size_t count = 0;
    store_walk_t walk;
    if (walk_begin (&walk, txn, INDEX_LEASE_KEPT, NULL, NULL, err))
        return -1;
    int rc = 0;
    while (count < room && (rc = walk_next (&walk, req->arena, &due [count], err)) == 0) {
        //  Further away than it ever was set to: the wall clock was set back.
        int64_t left_ms = due [count].next_try_at - req->now_ms;
        int64_t most_ms = self->context->retention.places_ms;
        if (due [count].place == place_state_CLOSING)
            most_ms = LEASES_RETRY_MAX_MS;
        if (!all && left_ms > 0 && left_ms <= most_ms) {
            leases_due (self, req->mono_ms + left_ms);
            break;
        }
        count++;
    }
    walk_end (&walk);
    if (rc < 0)
        return -1;
    if (count == room)
        leases_due (self, req->mono_ms);
    for (size_t index = 0; index < count; index++)
        if (leases_destroy_place (self, req, txn, fx, &due [index], err))
            return -1;
    return 0;
}
