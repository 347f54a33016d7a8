//  tree_return.c - owns the way home: what the three-way merge decides for each entry.

#include "tree_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef struct {
    merge_visit_t *items;
    size_t count, room;
} visits_t;

typedef struct {
    merge_t merge;
    visits_t ahead;
    tree_removed_t *removed;            //  NULL: what the place has not was deleted there
} return_t;

//  One entry while it is decided.
typedef struct {
    const char *name;
    char *path;
    merge_entry_t base, theirs, ours;   //  Snapshot, place, home
} step_t;

static void
s_push (return_t *self, merge_visit_t visit)
{
    visits_t *ahead = &self->ahead;
    if (ahead->count == ahead->room) {
        ahead->room = 2 * ahead->room + 64;
        ahead->items = realloc (ahead->items, ahead->room * sizeof *ahead->items);
        ENSURE (ahead->items);
    }
    visit.place_fd = visit.home_fd = -1;
    ahead->items [ahead->count++] = visit;
}

//  The folder `name` of a visit, entered in the same manner.
static merge_visit_t
s_below (const merge_visit_t *visit, const char *name, const char *home_name)
{
    return (merge_visit_t) {
        .place = tree_join (visit->place, name), .home = tree_join (visit->home, home_name),
        .fresh = visit->fresh, .theirs = visit->theirs, .gone = visit->gone, .git = visit->git,
    };
}

static merge_visit_t
s_after (const merge_visit_t *visit, const char *name)
{
    merge_visit_t after = { .place = strdup (visit->place), .home = strdup (visit->home),
                            .theirs = visit->theirs, .after = strdup (name) };
    ENSURE (after.place && after.home && after.after);
    return after;
}

static void
s_close (merge_visit_t *visit)
{
    if (visit->place_fd >= 0)
        close (visit->place_fd);
    if (visit->home_fd >= 0)
        close (visit->home_fd);
    free (visit->place);
    free (visit->home);
    free (visit->after);
}

//  ---------------------------------------------------------------------------------------------

static void
s_report (merge_t *self, tree_change_t change, const char *path, const char *other,
          const char *reason)
{
    switch (change) {
        case TREE_ADDED: self->result.added++; break;
        case TREE_CHANGED: self->result.changed++; break;
        case TREE_DELETED: self->result.deleted++; break;
        case TREE_CONFLICT: self->result.conflicts++; break;
        case TREE_REFUSED: self->result.refused++; self->job.done.refused++; break;
    }
    if (self->job.options.report)
        self->job.options.report (self->job.options.context, change, path, other, reason);
}

static int
s_refuse (merge_t *self, const char *path, const char *what, int error)
{
    char reason [160];
    snprintf (reason, sizeof reason, "%s: %s", what,
              error == ELOOP ? "a link or another file stands where it was" : strerror (error));
    s_report (self, TREE_REFUSED, path, NULL, reason);
    return 0;
}

//  What a write came to; a race is for the caller.
static int
s_settle (merge_t *self, put_t put, tree_change_t change, const char *path, const char *other,
          const char *reason)
{
    switch (put) {
        case PUT_DONE: s_report (self, change, path, other, reason); return 0;
        case PUT_REFUSED: return s_refuse (self, path, "it cannot be brought home", errno);
        case PUT_RACED: s_report (self, TREE_REFUSED, path, NULL,
                                  "it changed here while it was brought home"); return 0;
        case PUT_FAILED: break;
    }
    return -1;
}

//  Both changed: ours stays, theirs goes beside it.
static int
s_conflict (return_t *self, merge_visit_t *visit, step_t *step)
{
    merge_t *merge = &self->merge;
    bool kept;
    char *beside = merge_beside (merge, visit, step->name, &step->theirs, &kept);
    if (!beside)
        return s_refuse (merge, step->path, "it cannot be kept beside ours", errno);
    put_t put = PUT_DONE;
    if (step->theirs.kind == TREE_FOLDER) {
        put = merge_make_folder (merge, visit, beside, step->theirs.mode);
        if (put == PUT_DONE) {
            merge_visit_t below = s_below (visit, step->name, beside);
            below.fresh = below.theirs = true;
            s_push (self, below);
        }
    }
    else if (!kept) {
        merge_entry_t nothing = { .kind = TREE_NONE };
        put = merge_put (merge, visit, step->name, &step->theirs, beside, &nothing, NULL);
    }
    char *other = tree_join (visit->home, beside);
    int rc = s_settle (merge, put, TREE_CONFLICT, step->path, other, "it changed on both sides");
    free (other);
    free (beside);
    return rc;
}

//  Home's folder will hold nothing that the snapshot does not know when all below it is done.
static void
s_empty (return_t *self, merge_visit_t *visit, const char *name, bool replace)
{
    merge_fold_t *fold = calloc (1, sizeof *fold);
    ENSURE (fold);
    fold->above = visit->gone ? visit->fold : NULL;
    merge_visit_t after = s_after (visit, name), below = s_below (visit, name, name);
    after.fold = below.fold = fold;
    after.replace = replace;
    below.gone = true;
    s_push (self, after);
    s_push (self, below);
}

static int
s_deleted (return_t *self, merge_visit_t *visit, step_t *step)
{
    merge_t *merge = &self->merge;
    if (step->ours.kind == TREE_NONE)
        return 0;
    if (step->base.kind == TREE_FOLDER && step->ours.kind == TREE_FOLDER) {
        s_empty (self, visit, step->name, false);
        return 0;
    }
    put_t put = PUT_RACED;
    switch (merge_compare (merge, &step->ours, visit->home_fd, step->name, &step->base, -1, NULL)) {
        case MERGE_FAILED: return -1;
        case MERGE_UNREADABLE: return s_refuse (merge, step->path, "ours cannot be read", errno);
        case MERGE_SAME: put = merge_unlink (merge, visit, step->name, &step->ours); break;
        case MERGE_DIFFERENT: break;
    }
    if (put == PUT_RACED) {
        s_report (merge, TREE_CONFLICT, step->path, NULL, "it was deleted there and changed here");
        return 0;
    }
    if (put == PUT_DONE && visit->gone)
        visit->fold->left--;
    return s_settle (merge, put, TREE_DELETED, step->path, NULL, NULL);
}

//  A folder that the place made, where home has nothing (any more).
static int
s_new_folder (return_t *self, merge_visit_t *visit, step_t *step, tree_change_t change)
{
    put_t put = merge_make_folder (&self->merge, visit, step->name, step->theirs.mode);
    if (put == PUT_DONE) {
        merge_visit_t below = s_below (visit, step->name, step->name);
        below.fresh = true;
        if ((step->theirs.mode & 0700) != 0700) {
            merge_visit_t after = s_after (visit, step->name);
            after.mode = step->theirs.mode;
            s_push (self, after);
        }
        s_push (self, below);
    }
    char *other = change == TREE_CONFLICT ? tree_join (visit->home, step->name) : NULL;
    int rc = s_settle (&self->merge, put, change, step->path, other, NULL);
    free (other);
    return rc;
}

//  Puts theirs where home has what it should have, or nothing.
static int
s_bring (return_t *self, merge_visit_t *visit, step_t *step, tree_change_t change)
{
    if (step->theirs.kind == TREE_FOLDER) {
        put_t put = step->ours.kind == TREE_NONE
            ? PUT_DONE : merge_unlink (&self->merge, visit, step->name, &step->ours);
        if (put == PUT_RACED)
            return s_conflict (self, visit, step);
        return put == PUT_DONE ? s_new_folder (self, visit, step, change)
                               : s_settle (&self->merge, put, change, step->path, NULL, NULL);
    }
    put_t put = merge_put (&self->merge, visit, step->name, &step->theirs, step->name, &step->ours,
                           &step->base);
    if (put == PUT_RACED && !visit->theirs)
        return s_conflict (self, visit, step);
    char *other = change == TREE_CONFLICT ? tree_join (visit->home, step->name) : NULL;
    int rc = s_settle (&self->merge, put, change, step->path, other,
                       other ? "it changed on both sides" : NULL);
    free (other);
    return rc;
}

static int
s_changed (return_t *self, merge_visit_t *visit, step_t *step)
{
    merge_t *merge = &self->merge;
    merge_entry_t *base = &step->base, *ours = &step->ours, *theirs = &step->theirs;
    if (visit->theirs)
        return s_bring (self, visit, step, TREE_CONFLICT);
    if (ours->kind == TREE_NONE)
        return base->kind == TREE_NONE ? s_bring (self, visit, step, TREE_ADDED)
                                       : s_conflict (self, visit, step);
    if (ours->kind == TREE_FOLDER) {
        if (theirs->kind == TREE_FOLDER) {
            merge_visit_t below = s_below (visit, step->name, step->name);
            below.fresh = true;
            s_push (self, below);
            return 0;
        }
        if (base->kind != TREE_FOLDER)
            return s_conflict (self, visit, step);
        s_empty (self, visit, step->name, true);
        return 0;
    }
    merge_answer_t answer = merge_compare (merge, ours, visit->home_fd, step->name,
                                           theirs, visit->place_fd, step->name);
    if (answer == MERGE_SAME)
        return 0;
    if (answer == MERGE_DIFFERENT)
        answer = merge_compare (merge, ours, visit->home_fd, step->name, base, -1, NULL);
    switch (answer) {
        case MERGE_SAME: return s_bring (self, visit, step, TREE_CHANGED);
        case MERGE_DIFFERENT: return s_conflict (self, visit, step);
        case MERGE_UNREADABLE: return s_refuse (merge, step->path, "it cannot be read", errno);
        case MERGE_FAILED: break;
    }
    return -1;
}

//  A folder on both sides of the journey: nothing to do but to enter it.
static int
s_enter (return_t *self, merge_visit_t *visit, step_t *step)
{
    merge_visit_t below = s_below (visit, step->name, step->name);
    if (!visit->theirs && !visit->git && step->ours.kind != TREE_FOLDER
        && step->ours.kind != TREE_NONE) {
        //  Home made something else of it: what differs below gets a folder beside.
        bool kept;
        char *beside = merge_beside (&self->merge, visit, step->name, &step->theirs, &kept);
        if (!beside) {
            int error = errno;
            s_close (&below);
            return s_refuse (&self->merge, step->path, "it cannot be kept beside ours", error);
        }
        free (below.home);
        below.home = tree_join (visit->home, beside);
        below.theirs = true;
        free (beside);
    }
    s_push (self, below);
    return 0;
}

//  What git writes at every commit: it comes as commits or not at all (git_home.h), and nobody needs
//  to hear of each file.
static bool
s_is_commits (const char *path)
{
    static const char *const names [] = { ".git/objects", ".git/refs", ".git/logs", ".git/index",
                                          ".git/COMMIT_EDITMSG", ".git/ORIG_HEAD",
                                          ".git/packed-refs" };
    for (size_t index = 0; index < BERTH_COUNT (names); index++) {
        size_t size = strlen (names [index]);
        if (strncmp (path, names [index], size) == 0 && (path [size] == 0 || path [size] == '/'))
            return true;
    }
    return false;
}

static int
s_git (return_t *self, merge_visit_t *visit, step_t *step)
{
    if (s_is_commits (step->path))
        return 0;
    if (step->theirs.kind == TREE_FOLDER && step->base.kind == TREE_FOLDER) {
        merge_visit_t below = s_below (visit, step->name, step->name);
        below.git = true;
        s_push (self, below);
    }
    else if (step->theirs.kind != TREE_NONE || step->ours.kind != TREE_NONE)
        s_report (&self->merge, TREE_REFUSED, step->path, NULL,
                  "a repository's own files do not cross");
    return 0;
}

static int
s_decide (return_t *self, merge_visit_t *visit, step_t *step)
{
    merge_t *merge = &self->merge;
    merge_entry_t *base = &step->base, *theirs = &step->theirs;
    bool git = visit->git || strcasecmp (step->name, ".git") == 0;
    if (theirs->kind == TREE_FOLDER && tree_depth (step->path) > TREE_DEPTH_MAX) {
        s_report (merge, TREE_REFUSED, step->path, NULL, "it is nested too deeply");
        return 0;
    }
    merge_answer_t answer = merge_compare (merge, theirs, visit->place_fd, step->name,
                                           base, -1, NULL);
    if (answer == MERGE_FAILED)
        return -1;
    if (answer == MERGE_UNREADABLE)
        return s_refuse (merge, step->path, "it cannot be read", errno);
    bool same = answer == MERGE_SAME;
    if (same && theirs->kind != TREE_FOLDER)
        return 0;
    int error = visit->theirs ? 0 : merge_look (visit->home_fd, step->name, &step->ours);
    if (error)
        return s_refuse (merge, step->path, "ours cannot be read", error);
    if (git)
        return s_git (self, visit, step);
    if (theirs->kind == TREE_OTHER) {
        mode_t mode = theirs->about.st_mode;
        s_report (merge, TREE_REFUSED, step->path, NULL,
                  S_ISFIFO (mode) ? "a fifo does not cross"
                  : S_ISSOCK (mode) ? "a socket does not cross" : "a device node does not cross");
        return 0;
    }
    if (same)
        return s_enter (self, visit, step);
    base->unsure = true;                //  Of ours only the content is believed before it goes
    return theirs->kind == TREE_NONE ? s_deleted (self, visit, step)
                                     : s_changed (self, visit, step);
}

static int
s_entry (return_t *self, merge_visit_t *visit, const char *name, const tree_entry_t *known,
         bool there)
{
    merge_t *merge = &self->merge;
    step_t step = { .name = name, .path = tree_join (visit->place, name) };
    int rc = 0, error = 0;
    bool kept = !there && !visit->gone && self->removed
        && !tree_removed_has (self->removed, step.path);
    if (kept && known->kind == TREE_FOLDER && tree_removed_below (self->removed, step.path))
        s_push (self, s_below (visit, name, name));     //  Something in it went, and no more
    if (kept || tree_job_excludes (&merge->job, step.path, name))
        goto done;
    if (known) {
        step.base = (merge_entry_t) {
            .kind = known->kind, .mode = known->mode, .size = known->content.size,
            .mtime_ns = known->mtime_ns, .unsure = known->unsure, .hashed = true,
            .hash = known->content.hash,
        };
        if (known->kind == TREE_LINK) {
            step.base.text = strndup (known->text, known->text_size);
            ENSURE (step.base.text);
        }
    }
    if (there && (error = merge_look (visit->place_fd, name, &step.theirs)))
        rc = s_refuse (merge, step.path, "it cannot be read", error);
    else {
        merge->job.done.files += step.theirs.kind == TREE_FILE;
        merge->job.done.folders += step.theirs.kind == TREE_FOLDER;
        merge->job.done.links += step.theirs.kind == TREE_LINK;
        if (known || step.theirs.kind != TREE_NONE)
            rc = s_decide (self, visit, &step);
    }
    if (rc == 0)
        rc = tree_job_tick (&merge->job, merge->err);
done:
    merge_entry_free (&step.base);
    merge_entry_free (&step.theirs);
    merge_entry_free (&step.ours);
    free (step.path);
    return rc;
}

//  Walks the names of the snapshot and of the place side by side; both are sorted.
static int
s_entries (return_t *self, merge_visit_t *visit, const tree_list_t *list)
{
    tree_cursor_t cursor = { NULL, NULL };
    if (!visit->fresh)
        cursor = tree_snapshot_folder (self->merge.snapshot, visit->place);
    tree_entry_t known;
    bool more = tree_cursor_next (&cursor, &known);
    size_t index = 0;
    int rc = 0;
    while (rc == 0 && (more || index < list->count)) {
        char name [256];
        int order = !more;
        if (more) {
            size_t size = known.name_size < sizeof name ? known.name_size : sizeof name - 1;
            memcpy (name, known.name, size);
            name [size] = 0;
            order = index < list->count ? strcmp (name, tree_list_name (list, index)) : -1;
        }
        if (order < 0)
            rc = s_entry (self, visit, name, &known, false);
        else
            rc = s_entry (self, visit, tree_list_name (list, index), order ? NULL : &known, true);
        if (order <= 0)
            more = tree_cursor_next (&cursor, &known);
        if (order >= 0)
            index++;
    }
    return rc;
}

static int
s_visit (return_t *self, merge_visit_t *visit)
{
    merge_t *merge = &self->merge;
    tree_list_t list = { 0 };
    int rc = 0;
    if (!visit->gone && (visit->place_fd = tree_open_folder (merge->place, visit->place)) < 0
        && !(self->removed && errno == ENOENT))
        return s_refuse (merge, visit->place, "the folder cannot be read", errno);
    visit->home_fd = tree_open_folder (merge->home, visit->home);
    if (visit->home_fd < 0 && !tree_swapped (errno)) {
        if (visit->fold)
            visit->fold->left = 1;
        return s_refuse (merge, visit->place, "our folder cannot be read", errno);
    }
    if (visit->gone) {
        if (visit->home_fd >= 0)
            rc = tree_list (&merge->job, visit->home_fd, &list, visit->home, merge->err);
        visit->fold->left = list.count;
        list.count = 0;
    }
    else if (visit->place_fd >= 0)
        rc = tree_list (&merge->job, visit->place_fd, &list, visit->place, merge->err);
    if (rc == 0)
        rc = s_entries (self, visit, &list);
    tree_list_free (&list);
    return rc;
}

//  Every entry below is done.
static int
s_finish_folder (return_t *self, merge_visit_t *visit)
{
    merge_t *merge = &self->merge;
    step_t step = { .name = visit->after, .path = tree_join (visit->place, visit->after) };
    int rc = 0;
    visit->place_fd = tree_open_folder (merge->place, visit->place);
    visit->home_fd = tree_open_folder (merge->home, visit->home);
    if (!visit->fold) {
        int fd = merge->dry || visit->home_fd < 0 ? -1
            : tree_open_folder (visit->home_fd, visit->after);
        if (fd >= 0) {
            (void) fchmod (fd, visit->mode);    //  It came home either way
            close (fd);
        }
    }
    else {
        bool emptied = visit->fold->left == 0;
        if (emptied && !merge->dry) {
            emptied = unlinkat (visit->home_fd, visit->after, AT_REMOVEDIR) == 0;
            merge->wrote |= emptied;
            if (!emptied && errno != ENOTEMPTY && errno != EEXIST)
                rc = s_refuse (merge, step.path, "it cannot be deleted here", errno);
        }
        if (emptied && visit->fold->above)
            visit->fold->above->left--;
        if (emptied && !visit->replace)
            s_report (merge, TREE_DELETED, step.path, NULL, NULL);
        else if (visit->replace) {
            int error = merge_look (visit->place_fd, visit->after, &step.theirs);
            if (error || step.theirs.kind == TREE_NONE || step.theirs.kind == TREE_OTHER)
                rc = s_refuse (merge, step.path, "it cannot be read", error ? error : ELOOP);
            else
                rc = emptied ? s_bring (self, visit, &step, TREE_CHANGED)
                             : s_conflict (self, visit, &step);
        }
        free (visit->fold);
    }
    merge_entry_free (&step.theirs);
    free (step.path);
    return rc;
}

static int
s_merge_all (return_t *self)
{
    merge_visit_t top = { .place = strdup (""), .home = strdup ("") };
    ENSURE (top.place && top.home);
    s_push (self, top);
    int rc = 0;
    while (self->ahead.count) {
        merge_visit_t visit = self->ahead.items [--self->ahead.count];
        if (rc == 0)
            rc = visit.after ? s_finish_folder (self, &visit) : s_visit (self, &visit);
        else if (visit.after)
            free (visit.fold);
        s_close (&visit);
    }
    free (self->ahead.items);
    return rc;
}

static int
s_open_both (merge_t *self, const char *place, const char *target, bool no_links)
{
    self->place = open (place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (self->place < 0)
        return tree_fail (self->err, "cannot read the place's folder", place);
    self->home = tree_open_host (target, no_links);
    if (self->home < 0 || fstat (self->home, &self->owner))
        return tree_fail (self->err, "cannot open the folder", target);
    return 0;
}

int
tree_return (const char *place, const char *snapshot, const char *target, bool dry,
             const tree_options_t *options, tree_result_t *ret_result, berth_error_t *err)
{
    return_t self = { .merge = { .place = -1, .home = -1, .dry = dry, .err = err } };
    merge_t *merge = &self.merge;
    tree_lock_t lock = { .parent = -1, .file = -1 };
    tree_job_start (&merge->job, options);
    int rc = s_open_both (merge, place, target, options && options->no_links);
    if (rc == 0)
        rc = tree_snapshot_open (&merge->snapshot, snapshot, err);
    if (rc == 0 && !merge->job.options.excludes)
        merge->job.options.excludes = tree_snapshot_excludes (merge->snapshot);
    if (rc == 0 && options && options->removed)
        rc = tree_removed_open (&self.removed, options->removed, err);
    if (rc == 0 && !dry)
        rc = tree_lock_take (&lock, merge->home, target, err);
    if (rc == 0)
        rc = s_merge_all (&self);
    //  The place may be destroyed once we say that its work is home.
    if (rc == 0 && merge->wrote && syncfs (merge->home))
        rc = tree_fail (err, "cannot bring to the disk", target);
    tree_lock_release (&lock);
    tree_removed_destroy (&self.removed);
    tree_snapshot_destroy (&merge->snapshot);
    if (merge->place >= 0)
        close (merge->place);
    if (merge->home >= 0)
        close (merge->home);
    if (rc == 0 && merge->job.options.progress)
        (void) merge->job.options.progress (merge->job.options.context, &merge->job.done);  //  Done
    if (rc == 0 && ret_result)
        *ret_result = merge->result;
    tree_job_end (&merge->job);
    return rc;
}
