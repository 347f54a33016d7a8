//  places_lease.c - owns how a place is opened, taken up again and closed.

#include "places.h"

#include "clock.h"
#include "codec.h"

#include <string.h>
#include <unistd.h>

enum { UNDO_MS = 5000 };        //  For taking back an acquire that failed, past its deadline

//  ---------------------------------------------------------------------------------------------
//  Opening

//  The kept answer, if its shim still holds the place.
static bool
s_answer (const place_t *place, int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place)
{
    berth_error_t err = { 0 };
    if (!berth_has (place_record, &place->record, opened) || place->record.closed)
        return false;
    if (!places_alive (place, deadline_ms))
        return false;
    return berth_unpack (&place_opened_schema, place->record.opened, arena, ret_place, &err) == 0;
}

static int
s_start (places_t *self, const place_open_t *ask, const places_how_t *how, place_t *place,
         int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place, berth_error_t *err)
{
    places_plan_t plan = { .metadata = berth_empty_map };
    shim_open_t *open = &plan.open;
    berth_put (shim_open, open, v, SHIM_VERSION);
    open->place = place->id;
    berth_put (shim_open, open, generation, ask->generation);
    open->folder = words_bytes (place->folder);
    open->socket = words_bytes (place->socket);
    open->spools = words_bytes (arena_printf (arena, "%s/spool", places_state (self)));
    if (berth_has (place_record, &place->record, uid))
        berth_put (shim_open, open, uid, place->record.uid);
    if (how->plan (how->context, ask, place, arena, &plan, err))
        return -1;

    shim_opened_t opened = { 0 };
    if (places_shim (self, open, deadline_ms, arena, &opened, err))
        return -1;

    place_opened_t answer = { 0 };
    berth_bytes_t metadata = berth_empty_map;
    metadata = any_set_text (metadata, "provider", places_provider (self), arena);
    metadata = any_set_text (metadata, "remoteCwd",
                             arena_text (arena, (const char *) open->cwd.data, open->cwd.size),
                             arena);
    metadata = any_set_text (metadata, "shellCommand", places_shell (), arena);
    metadata = any_set_text (metadata, "endsBy", opened.ends_by ? opened.ends_by : "none", arena);
    metadata = any_set_text (metadata, "limitsBy", opened.limits_by ? opened.limits_by : "none",
                             arena);
    metadata = any_set_number (metadata, "uid", berth_has (place_record, &place->record, uid)
                               ? place->record.uid : geteuid (), arena);
    metadata = any_merge (metadata, plan.metadata, true, arena);
    if (opened.metadata.size)
        metadata = any_merge (metadata, opened.metadata, true, arena);
    answer.metadata = metadata;
    answer.provider_lease = opened.name
        ? opened.name : plan.name ? plan.name : arena_printf (arena, "%s:%s", places_provider (self), place->id);
    answer.shim = open->socket;
    answer.folder = open->folder;
    berth_put (place_opened, &answer, metadata, answer.metadata);
    berth_put (place_opened, &answer, shim, answer.shim);
    berth_put (place_opened, &answer, folder, answer.folder);

    berth_put (place_record, &place->record, closed, false);
    berth_put (place_record, &place->record, opened,
               berth_pack (&place_opened_schema, &answer, arena));
    if (places_keep (self, place, arena, err)) {
        return -1;
    }
    *ret_place = answer;
    return 0;
}

//  A power cut may take a record's bytes and leave its name; the folder's name is proof enough.
static int
s_clear (places_t *self, const char *id, int64_t deadline_ms, arena_t *arena, berth_error_t *err)
{
    place_t place;
    places_at (self, id, arena, &place);
    return places_end (self, &place, deadline_ms, err) ? -1 : places_remove (self, &place, err);
}

static int
s_acquire (places_t *self, const place_open_t *ask, const places_how_t *how, int64_t deadline_ms,
           arena_t *arena, place_opened_t *ret_place, berth_error_t *err)
{
    place_t place;
    berth_error_t missing = { 0 };
    if (places_find (self, ask->lease, arena, &place, &missing) == 0) {
        if (s_answer (&place, deadline_ms, arena, ret_place))
            return 0;
        //  Its shim is gone, or never came to be: nothing was told to anybody, so it starts again
        //  with the files that are there.
        if (places_end (self, &place, deadline_ms, err))
            return -1;
        berth_put (place_record, &place.record, generation, ask->generation);
    }
    else {
        if (missing.code != BERTH_NOT_FOUND && s_clear (self, ask->lease, deadline_ms, arena, err))
            return -1;
        if (places_make (self, ask, how, arena, &place, err))
            return -1;
    }
    if (s_start (self, ask, how, &place, deadline_ms, arena, ret_place, err) == 0)
        return 0;
    //  A failed acquire leaves nothing; what cannot be removed is found again by the lease's id.
    berth_error_t undo = { 0 };
    if (places_end (self, &place, berth_mono_ms () + UNDO_MS, &undo) == 0)
        (void) places_remove (self, &place, &undo);
    return -1;
}

int
places_acquire (places_t *self, const place_open_t *ask, const places_how_t *how,
                int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place,
                berth_error_t *err)
{
    if (places_claim (self, ask->lease, deadline_ms, err))
        return -1;
    int rc = s_acquire (self, ask, how, deadline_ms, arena, ret_place, err);
    places_yield (self, ask->lease);
    return rc;
}

//  It was closed and its files were kept: nothing of the holder before runs there any more.
static int
s_reopen (places_t *self, const place_open_t *ask, const places_how_t *how, place_t *place,
          int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place, berth_error_t *err)
{
    if (places_end (self, place, deadline_ms, err))
        return -1;
    berth_put (place_record, &place->record, generation, ask->generation);
    if (s_start (self, ask, how, place, deadline_ms, arena, ret_place, err) == 0)
        return 0;
    berth_error_t undo = { 0 };
    (void) places_end (self, place, berth_mono_ms () + UNDO_MS, &undo);
    return -1;
}

static int
s_resume (places_t *self, const place_open_t *ask, const places_how_t *how, const char *id,
          int64_t deadline_ms, arena_t *arena, place_opened_t *ret_place, berth_error_t *err)
{
    place_t place;
    if (places_find (self, id, arena, &place, err))
        return -1;
    place_labels_t labels = *place.record.labels;
    labels.run = ask->run;
    labels.issue = ask->issue;
    labels.lease = ask->lease;
    place.record.labels = &labels;
    if (place.record.closed && how)
        return s_reopen (self, ask, how, &place, deadline_ms, arena, ret_place, err);
    if (!s_answer (&place, deadline_ms, arena, ret_place))
        return berth_fail (err, BERTH_NOT_FOUND, "the place '%s' is lost: its shim is gone", id);
    //  The new holder's number is on disk before the old one is shut out.
    berth_put (place_record, &place.record, generation, ask->generation);
    if (places_keep (self, &place, arena, err))
        return -1;
    return places_fence (&place, deadline_ms, err);
}

int
places_resume (places_t *self, const place_open_t *ask, const places_how_t *how,
               const char *provider_lease, int64_t deadline_ms, arena_t *arena,
               place_opened_t *ret_place, berth_error_t *err)
{
    const char *id = places_id (provider_lease, ask->lease);
    if (places_claim (self, id, deadline_ms, err))
        return -1;
    int rc = s_resume (self, ask, how, id, deadline_ms, arena, ret_place, err);
    places_yield (self, id);
    return rc;
}

//  ---------------------------------------------------------------------------------------------
//  Closing

static int
s_close (places_t *self, const place_close_t *ask, const char *id, int64_t deadline_ms,
         arena_t *arena, berth_error_t *err)
{
    place_t place;
    berth_error_t missing = { 0 };
    if (places_find (self, id, arena, &place, &missing)) {
        if (missing.code == BERTH_NOT_FOUND)
            return 0;
        return s_clear (self, id, deadline_ms, arena, err);
    }
    if (ask->grace_ms ? places_drain (self, &place, (int64_t) ask->grace_ms, deadline_ms, err)
                      : places_end (self, &place, deadline_ms, err))
        return -1;
    if (!ask->keep_files)
        return places_remove (self, &place, err);
    berth_put (place_record, &place.record, closed, true);
    return places_keep (self, &place, arena, err);
}

int
places_close (places_t *self, const place_close_t *ask, int64_t deadline_ms, berth_error_t *err)
{
    const char *id = places_id (ask->provider_lease, ask->lease);
    if (places_claim (self, id, deadline_ms, err))
        return -1;
    own (arena) arena = arena_new ();
    int rc = s_close (self, ask, id, deadline_ms, arena, err);
    places_yield (self, id);
    return rc;
}
