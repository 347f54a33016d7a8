//  places_files.c - owns how files go into a place and come home.

#include "places.h"

#include "clock.h"
#include "codec.h"
#include "tree_diff.h"

#include <string.h>
#include <unistd.h>

enum { CHANGES_MAX = 1000, PATCH_SIZE = 393216 };

static int64_t
s_uid (const place_t *place)
{
    return berth_has (place_record, &place->record, uid) ? (int64_t) place->record.uid : -1;
}

//  ---------------------------------------------------------------------------------------------
//  In and out, with progress

typedef struct {
    const char *phase;
    provider_progress_fn *progress;
    void *context;
    arena_t *arena;                 //  Of the changes
    workspace_change_t *changes;
    size_t count;
    bool cut;
} journey_t;

static int
s_progress (void *context, const tree_progress_t *done)
{
    journey_t *self = context;
    if (!self->progress)
        return 0;
    workspace_progress_t report = {
        .phase = self->phase, .files = done->files, .bytes = done->bytes,
        .total_files = done->total_files, .total_bytes = done->total_bytes
    };
    return self->progress (self->context, &report);
}

static int
s_realize (places_t *self, const place_realize_t *ask, const char *cwd, journey_t *journey,
           int64_t deadline_ms, arena_t *arena, place_realized_t *ret_realized, berth_error_t *err)
{
    place_t place;
    const char *source = places_path (ask->source, arena, "source", err);
    if (!source
        || places_find (self, places_id (ask->provider_lease, ask->lease), arena, &place, err))
        return -1;
    const char *const *excludes;
    if (tree_excludes (source, ask->no_links, ask->excludes.items, ask->excludes.count, arena,
                       &excludes, err))
        return -1;
    tree_options_t options = {
        .excludes = excludes, .uid = s_uid (&place), .gid = s_uid (&place),
        .deadline_mono_ms = deadline_ms, .progress = s_progress, .context = journey,
        .no_links = ask->no_links
    };
    int64_t started_ms = berth_mono_ms ();
    tree_progress_t done = { 0 };
    //  What is there already, of this lease or of the one before it in this place, stays.
    if (tree_renew (source, place.workspace, arena_printf (arena, "%s/snapshot", place.folder),
                    &options, &done, err))
        return -1;
    *ret_realized = (place_realized_t) { 0 };
    ret_realized->cwd = words_bytes (cwd);
    ret_realized->how = "copy";
    berth_put (place_realized, ret_realized, files, done.files);
    berth_put (place_realized, ret_realized, bytes, done.bytes - done.saved_bytes);
    berth_put (place_realized, ret_realized, saved_files, done.saved_files);
    berth_put (place_realized, ret_realized, saved_bytes, done.saved_bytes);
    berth_put (place_realized, ret_realized, refused, done.refused);
    berth_put (place_realized, ret_realized, ms, (uint64_t) (berth_mono_ms () - started_ms));
    return 0;
}

int
places_realize (places_t *self, const place_realize_t *ask, const char *cwd,
                provider_progress_fn *progress, void *context, int64_t deadline_ms,
                arena_t *arena, place_realized_t *ret_realized, berth_error_t *err)
{
    journey_t journey = { .phase = "copy", .progress = progress, .context = context };
    const char *id = places_id (ask->provider_lease, ask->lease);
    if (places_claim (self, id, deadline_ms, err))
        return -1;
    int rc = s_realize (self, ask, cwd, &journey, deadline_ms, arena, ret_realized, err);
    places_yield (self, id);
    return rc;
}

static void
s_report (void *context, tree_change_t change, const char *path, const char *other,
          const char *reason)
{
    static const char *const texts [] = {
        [TREE_ADDED] = "added", [TREE_CHANGED] = "changed", [TREE_DELETED] = "deleted",
        [TREE_CONFLICT] = "conflict", [TREE_REFUSED] = "refused"
    };
    journey_t *self = context;
    if (self->count == CHANGES_MAX) {
        self->cut = true;
        return;
    }
    workspace_change_t *row = &self->changes [self->count++];
    row->change = texts [change];
    row->path = words_bytes (arena_string (self->arena, path));
    if (other)
        berth_put (workspace_change, row, other, words_bytes (arena_string (self->arena, other)));
    row->reason = arena_string (self->arena, reason);
}

void
places_bring_commits (places_t *self, const git_home_t *how, int64_t deadline_ms, arena_t *arena,
                      workspace_returned_t *returned)
{
    git_came_t came;
    git_bring_home (places_spawner (self), how, deadline_ms, arena, &came);
    returned->commits = came.outcome;
    returned->head = came.head;
    returned->commits_ref = came.ref;
    returned->commits_reason = came.reason;
}

static int
s_give_back (places_t *self, const place_return_t *ask, journey_t *journey, int64_t deadline_ms,
             arena_t *arena, workspace_returned_t *ret_returned, berth_error_t *err)
{
    place_t place;
    const char *target = places_path (ask->target, arena, "target", err);
    if (!target
        || places_find (self, places_id (ask->provider_lease, ask->lease), arena, &place, err))
        return -1;
    const char *snapshot = arena_printf (arena, "%s/snapshot", place.folder);
    if (access (snapshot, F_OK))
        return berth_fail (err, BERTH_CONFLICT, "nothing was realized into this place");
    journey->arena = arena;
    journey->changes = arena_array (arena, CHANGES_MAX, workspace_change_t);
    tree_patch_t patch = { .max = PATCH_SIZE };
    tree_options_t options = {
        .uid = -1, .gid = -1, .deadline_mono_ms = deadline_ms, .progress = s_progress,
        .report = s_report, .context = journey, .no_links = ask->no_links,
        .patch = ask->dry && ask->unified ? &patch : NULL
    };
    const char *removed = arena_printf (arena, "%s/removed", place.folder);
    if (access (removed, F_OK) == 0)            //  Of a place elsewhere, of which only changes came
        options.removed = removed;
    tree_result_t result = { 0 };
    if (tree_return (place.workspace, snapshot, target, ask->dry, &options, &result, err)) {
        tree_patch_free (&patch);
        return -1;
    }
    workspace_returned_t returned = { .lease = ask->lease, .target = ask->target };
    berth_put (workspace_returned, &returned, added, result.added);
    berth_put (workspace_returned, &returned, changed, result.changed);
    berth_put (workspace_returned, &returned, deleted, result.deleted);
    berth_put (workspace_returned, &returned, conflicts, result.conflicts);
    berth_put (workspace_returned, &returned, refused, result.refused);
    berth_put (workspace_returned, &returned, bytes, result.bytes);
    berth_put (workspace_returned, &returned, cut, journey->cut);
    if (options.patch) {
        returned.patch = (berth_bytes_t) { arena_copy (arena, patch.text, patch.size), patch.size };
        berth_put (workspace_returned, &returned, patch_cut, patch.cut);
    }
    tree_patch_free (&patch);
    if (!ask->dry) {
        git_home_t commits = {
            .place = place.workspace, .snapshot = snapshot, .target = target,
            .scratch = arena_printf (arena, "%s/commits", place.folder), .name = ask->lease,
            .no_links = ask->no_links, .conflicts = result.conflicts > 0
        };
        places_bring_commits (self, &commits, deadline_ms, arena, &returned);
    }
    returned.changes.count = journey->count;
    returned.changes.items = journey->changes;
    *ret_returned = returned;
    return 0;
}

int
places_give_back (places_t *self, const place_return_t *ask, provider_progress_fn *progress,
                  void *context, int64_t deadline_ms, arena_t *arena,
                  workspace_returned_t *ret_returned, berth_error_t *err)
{
    journey_t journey = { .phase = "return", .progress = progress, .context = context };
    const char *id = places_id (ask->provider_lease, ask->lease);
    if (places_claim (self, id, deadline_ms, err))
        return -1;
    int rc = s_give_back (self, ask, &journey, deadline_ms, arena, ret_returned, err);
    places_yield (self, id);
    return rc;
}
