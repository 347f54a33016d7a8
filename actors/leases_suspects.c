//  leases_suspects.c - what a sweep found: a place that no lease wants, an active lease whose place is
//  not there. What proves it, when it is acted upon, and what came of that.
//
//  A place is an orphan if it has our label, no lease holds it, and the lease that it was made for is
//  settled or forgotten: it is destroyed. That a list leaves a place out proves nothing, since lists
//  may be halves: its provider is asked for that place, and only `not_found` ends the lease.

#include "leases_inside.h"

#include "plant.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

//  ---- proof

static const char *
s_id (arena_t *arena, const char *provider, const char *place)
{
    uint8_t hash [PLACE_HASH_SIZE];
    char text [2 * PLACE_HASH_SIZE + 1];
    place_hash (provider, place, hash);
    sodium_bin2hex (text, sizeof text, hash, sizeof hash);
    return arena_printf (arena, "%s:%s", provider, text);
}

int
lease_holds_place (const request_t *req, store_txn_t *txn, const char *provider, const char *place,
                   const char *but, lease_t *ret_lease, berth_error_t *err)
{
    uint8_t hash [PLACE_HASH_SIZE];
    store_key_t prefix = { 0 };
    store_walk_t walk;
    place_hash (provider, place, hash);
    key_bytes (&prefix, hash, sizeof hash);
    if (walk_begin (&walk, txn, INDEX_LEASE_BY_PLACE, &prefix, NULL, err))
        return -1;
    int rc;
    while ((rc = walk_next (&walk, req->arena, ret_lease, err)) == 0
           && (lease_settled (ret_lease->state) || strcmp (ret_lease->id, but) == 0))
        ;
    walk_end (&walk);
    return rc;
}

int
lease_of_place (const request_t *req, store_txn_t *txn, const char *provider, const char *place,
                lease_t *ret_lease, berth_error_t *err)
{
    uint8_t hash [PLACE_HASH_SIZE];
    store_key_t prefix = { 0 };
    store_walk_t walk;
    place_hash (provider, place, hash);
    key_bytes (&prefix, hash, sizeof hash);
    if (walk_begin (&walk, txn, INDEX_LEASE_BY_PLACE, &prefix, NULL, err))
        return -1;
    int rc = walk_next (&walk, req->arena, ret_lease, err);
    walk_end (&walk);
    return rc;
}

typedef enum { WANTED, UNWANTED, GIVEN_UP } verdict_t;

//  Does any lease want this place? *ret_row is the lease that it was made for, if that is known.
static int
s_verdict (const request_t *req, store_txn_t *txn, const char *provider, const char *place,
           const char *lease, verdict_t *ret_verdict, lease_t *ret_row, bool *ret_known,
           berth_error_t *err)
{
    lease_t holder;
    berth_error_t unknown = { 0 };
    *ret_verdict = WANTED;
    int rc = lease_of_place (req, txn, provider, place, &holder, err);
    if (rc < 0)
        return -1;
    *ret_known = lease_get (txn, req->arena, lease, ret_row, &unknown) == 0;
    if (!*ret_known && unknown.code != BERTH_NOT_FOUND) {
        *err = unknown;
        return -1;
    }
    if (rc == 0 && !PLANTED ("sweep-blind"))
        return 0;
    if (!*ret_known) {
        *ret_verdict = UNWANTED;
        return 0;
    }
    //  While the lease is not settled another place of its may be on its way, under any name
    bool over = lease_settled (ret_row->state) && ret_row->place != place_state_KEPT
             && ret_row->place != place_state_CLOSING && ret_row->place != place_state_OPENING
             && ret_row->provider && strcmp (ret_row->provider, provider) == 0;
    if (over)
        *ret_verdict = ret_row->abandoned_at ? GIVEN_UP : UNWANTED;
    return 0;
}

//  ---- remembering

//  Once more in this sweep, and in those before without a gap?
static int
s_see (const request_t *req, store_txn_t *txn, sweep_t *sweep, suspect_t *now, berth_error_t *err)
{
    suspect_t suspect = { .seen = 0 };
    now->id = s_id (req->arena, sweep->provider, now->provider_lease);
    now->provider = sweep->provider;
    if (suspect_find (txn, req->arena, sweep->provider, now->id, &suspect, err))
        return -1;
    bool again = suspect.seen && suspect.kind == now->kind && suspect.sweep + 1 >= sweep->number
              && strcmp (suspect.lease, now->lease) == 0;
    if (!again) {
        if (!suspect.seen && sweep->suspects >= BERTH_SWEEP_SUSPECTS)
            return 0;               //  It is found again when others are gone
        bool known = suspect.seen > 0;
        suspect = *now;
        suspect.since = req->now_ms;
        suspect.seen = 1;
        suspect.sweep = sweep->number;
        sweep->suspects += !known;
    }
    else if (suspect.sweep != sweep->number) {
        suspect.seen++;
        suspect.sweep = sweep->number;
    }
    if (now->given_up)
        berth_put (suspect, &suspect, given_up, true);
    if (now->former)
        berth_put (suspect, &suspect, former, true);
    //  The wall clock was set back: from now on, then.
    if (suspect.since > req->now_ms)
        suspect.since = req->now_ms;
    if (suspect.next_try_at > req->now_ms + LEASES_CLOSE_MS + LEASES_RETRY_MAX_MS)
        suspect.next_try_at = req->now_ms;
    return suspect_put (txn, req->arena, &suspect, err);
}

int
suspects_listed (const request_t *req, store_txn_t *txn, sweep_t *sweep, const place_listed_t *item,
                 berth_error_t *err)
{
    verdict_t verdict;
    lease_t lease;
    bool known;
    if (s_verdict (req, txn, sweep->provider, item->provider_lease, item->lease, &verdict, &lease,
                   &known, err))
        return -1;
    if (verdict == WANTED)
        return 0;
    suspect_t suspect = {
        .kind = suspect_kind_ORPHAN, .provider_lease = item->provider_lease, .lease = item->lease,
        .company = item->company && company_is (item->company) ? item->company : NULL,
        .given_up = verdict == GIVEN_UP, .former = item->former,
    };
    return s_see (req, txn, sweep, &suspect, err);
}

//  Is this lease one whose place must be there?
static bool
s_should_be_there (const lease_t *lease, const sweep_t *sweep)
{
    return lease->state == lease_state_ACTIVE && lease->place == place_state_OPEN
        && lease->provider && strcmp (lease->provider, sweep->provider) == 0
        && lease->provider_lease && lease->acquired_at < sweep->begun_at;
}

int
suspects_missing (const request_t *req, store_txn_t *txn, sweep_t *sweep, const char *place,
                  berth_error_t *err)
{
    lease_t lease;
    int rc = lease_of_place (req, txn, sweep->provider, place, &lease, err);
    if (rc || !s_should_be_there (&lease, sweep))
        return rc < 0 ? -1 : 0;
    suspect_t suspect = {
        .kind = suspect_kind_MISSING, .provider_lease = place, .lease = lease.id,
        .company = lease.company,
    };
    return s_see (req, txn, sweep, &suspect, err);
}

//  Those of a provider, to an array of BERTH_SWEEP_SUSPECTS.
static int
s_all (const request_t *req, store_txn_t *txn, const char *provider, suspect_t *all,
       size_t *ret_count, berth_error_t *err)
{
    store_key_t prefix = { 0 };
    store_walk_t walk;
    key_text (&prefix, provider);
    if (walk_begin (&walk, txn, INDEX_SUSPECT_LIST, &prefix, NULL, err))
        return -1;
    int rc = 0;
    *ret_count = 0;
    while (*ret_count < BERTH_SWEEP_SUSPECTS
           && (rc = walk_next (&walk, req->arena, &all [*ret_count], err)) == 0)
        ++*ret_count;
    walk_end (&walk);
    return rc < 0 ? -1 : 0;
}

int
suspects_expected (const request_t *req, store_txn_t *txn, sweep_t *sweep, const char **names,
                   size_t *ret_count, berth_error_t *err)
{
    suspect_t *all = arena_array (req->arena, BERTH_SWEEP_SUSPECTS, suspect_t);
    size_t count, named = 0;
    if (s_all (req, txn, sweep->provider, all, &count, err))
        return -1;
    sweep->suspects = count;
    //  First those that are suspected; half of the page is for others.
    for (size_t index = 0; index < count && named < BERTH_SWEEP_PAGE / 2; index++)
        if (all [index].kind == suspect_kind_MISSING)
            names [named++] = all [index].provider_lease;
    store_key_t prefix = { 0 };
    store_walk_t walk;
    lease_t lease;
    int rc = 0;
    key_byte (&prefix, lease_state_ACTIVE);
    const char *after = sweep->leases_after;
    if (walk_begin (&walk, txn, INDEX_LEASE_LIVE, &prefix, after, err))
        return -1;
    for (size_t seen = 0; rc == 0 && seen < BERTH_SWEEP_PAGE && named < BERTH_SWEEP_PAGE; seen++)
        if ((rc = walk_next (&walk, req->arena, &lease, err)) == 0
            && s_should_be_there (&lease, sweep))
            names [named++] = lease.provider_lease;
    if (rc >= 0)
        sweep->leases_after = rc == 0 ? walk_cursor (&walk, req->arena) : NULL;
    walk_end (&walk);
    *ret_count = named;
    return rc < 0 ? -1 : 0;
}

//  ---- acting

static int64_t
s_backoff_ms (uint64_t attempts)
{
    int64_t wait_ms = (int64_t) LEASES_RETRY_FIRST_MS << (attempts < 9 ? attempts : 9);
    return wait_ms < LEASES_RETRY_MAX_MS ? wait_ms : LEASES_RETRY_MAX_MS;
}

static void
s_destroy (const request_t *req, effects_t *fx, const suspect_t *suspect, const lease_t *lease)
{
    place_close_t close = {
        .lease = suspect->lease, .company = suspect->company,
        .provider_lease = suspect->provider_lease, .status = "failed",
        .config = lease && lease->config.size ? lease->config : berth_empty_map,
        .metadata = lease && lease->metadata.size ? lease->metadata : berth_empty_map,
    };
    berth_put (place_close, &close, destroy, true);
    effects_work (fx, req->arena, ACTOR_PROXY, suspect->provider, REQUEST_PLACE_CLOSE, suspect->id,
                  SWEEP_STEP_ORPHAN, NULL, req->mono_ms + LEASES_CLOSE_MS, &close);
}

//  The proof once more, and then the deed. *ret_gone: there is nothing to suspect any more.
static int
s_act (const request_t *req, store_txn_t *txn, effects_t *fx, suspect_t *suspect, bool *ret_gone,
       berth_error_t *err)
{
    lease_t lease;
    *ret_gone = false;
    if (suspect->kind == suspect_kind_MISSING) {
        if (lease_get (txn, req->arena, suspect->lease, &lease, err))
            return -1;
        *ret_gone = lease.state != lease_state_ACTIVE || lease.place != place_state_OPEN;
        if (!*ret_gone)
            leases_send_open (req, fx, &lease, SWEEP_STEP_CHECK);
    }
    else {
        verdict_t verdict;
        bool known;
        if (s_verdict (req, txn, suspect->provider, suspect->provider_lease, suspect->lease, &verdict,
                       &lease, &known, err))
            return -1;
        *ret_gone = verdict != UNWANTED;
        if (!*ret_gone)
            s_destroy (req, fx, suspect, known ? &lease : NULL);
    }
    return 0;
}

int
suspects_act (leases_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, sweep_t *sweep,
              berth_error_t *err)
{
    int64_t age_ms = sweep->now ? 0 : self->context->sweep.age_ms;
    uint64_t enough = PLANTED ("sweep-hasty") ? 1 : SWEEP_IN_A_ROW;
    suspect_t *all = arena_array (req->arena, BERTH_SWEEP_SUSPECTS, suspect_t);
    size_t count;
    if (s_all (req, txn, sweep->provider, all, &count, err))
        return -1;
    sweep->suspects = count;
    for (size_t index = 0; index < count; index++) {
        suspect_t *suspect = &all [index];
        bool gone = suspect->sweep != sweep->number;        //  Not seen this time
        bool ours = !suspect->former || sweep->former || PLANTED ("sweep-former");
        bool ripe = suspect->seen >= enough && !suspect->given_up && ours
                 && req->now_ms - suspect->since >= age_ms
                 && (sweep->now || suspect->next_try_at <= req->now_ms);
        if (!gone && ripe && sweep->acted < BERTH_SWEEP_ACTS) {
            if (s_act (req, txn, fx, suspect, &gone, err))
                return -1;
            suspect->next_try_at = req->now_ms + LEASES_CLOSE_MS + s_backoff_ms (suspect->attempts);
            berth_put (suspect, suspect, attempts, suspect->attempts + 1);
            if (!gone && suspect_put (txn, req->arena, suspect, err))
                return -1;
            sweep->acted += !gone;
        }
        if (gone && suspect_del (txn, req->arena, sweep->provider, suspect->id, err))
            return -1;
        sweep->suspects -= gone;
    }
    return 0;
}

//  ---- what came of it

//  Of a step's subject, which is a suspect's id.
static int
s_find (const request_t *req, store_txn_t *txn, const char *id, suspect_t *ret_suspect,
        berth_error_t *err)
{
    const char *provider = arena_text (req->arena, id, strcspn (id, ":"));
    return suspect_find (txn, req->arena, provider, id, ret_suspect, err);
}

static int
s_failed (const request_t *req, store_txn_t *txn, suspect_t *suspect, const berth_error_t *why,
          berth_error_t *err)
{
    berth_put (suspect, suspect, error,
               arena_printf (req->arena, "%s (%s)", why->text, berth_code_text (why->code)));
    return suspect_put (txn, req->arena, suspect, err);
}

int
leases_orphan_closed (const request_t *req, const step_done_t *done, store_txn_t *txn,
                      berth_error_t *err)
{
    suspect_t suspect = { .seen = 0 };
    if (s_find (req, txn, done->subject, &suspect, err))
        return -1;
    if (!suspect.seen)
        return 0;                   //  A second answer to the same question
    if (!done->ok) {
        berth_error_t why;
        error_from_body (done->error, req->arena, &why);
        return s_failed (req, txn, &suspect, &why, err);
    }
    orphan_details_t details = {
        .provider = suspect.provider, .provider_lease = suspect.provider_lease,
        .since = suspect.since,
    };
    activity_note_t note = activity_note (req, ACTION_PLACE_ORPHAN_DESTROYED,
                                          suspect.company ? suspect.company : BERTH_SERVICE_COMPANY,
                                          suspect.lease, NULL, NULL,
                                          berth_pack (&orphan_details_schema, &details, req->arena));
    return suspect_del (txn, req->arena, suspect.provider, suspect.id, err)
        || activity_add (txn, req->arena, &note, err) ? -1 : 0;
}

int
leases_checked (leases_t *self, const request_t *req, const step_done_t *done, lease_t *lease,
                store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    suspect_t suspect = { .seen = 0 };
    if (!lease->provider || !lease->provider_lease)
        return 0;
    const char *id = s_id (req->arena, lease->provider, lease->provider_lease);
    if (suspect_find (txn, req->arena, lease->provider, id, &suspect, err))
        return -1;
    if (!suspect.seen || suspect.kind != suspect_kind_MISSING)
        return 0;                   //  A second answer to the same question
    if (done->ok) {
        sweep_t sweep = { .provider = lease->provider };
        if (suspect_del (txn, req->arena, lease->provider, id, err)
            || sweep_find (txn, req->arena, lease->provider, &sweep, err))
            return -1;
        sweep.lied = arena_printf (req->arena, "it left out place '%s', which is there",
                                   lease->provider_lease);
        return sweep_put (txn, req->arena, &sweep, err);
    }
    berth_error_t why;
    error_from_body (done->error, req->arena, &why);
    if (why.code != BERTH_NOT_FOUND)
        return s_failed (req, txn, &suspect, &why, err);    //  Unknown is not gone
    if (suspect_del (txn, req->arena, lease->provider, id, err))
        return -1;
    if (lease->state != lease_state_ACTIVE || lease->place != place_state_OPEN)
        return 0;
    berth_put (lease, lease, destroy, true);
    return leases_begin_release (self, req, txn, fx, lease, "failed",
                                 "its provider no longer has its place", err);
}
