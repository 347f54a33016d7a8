//  tree_out.c - owns the walk of a folder that goes out.

#include "tree_out.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

//  A file that was written less than this ago can change again without its time telling.
enum { FRESH_NS = 1000000000 };

static const char s_exchanged [] = "it was exchanged or removed while it was read";

typedef struct {
    tree_out_t walk;
    int64_t started_ns;
    tree_folders_t ahead;
    tree_list_t list, theirs;
    size_t their;                       //  The next of theirs
    tree_seek_t known;
    int source;                         //  The folder that is walked
    const char *folder;                 //  Its path
} out_t;

//  One entry of the source.
typedef struct {
    char *path;
    mode_t mode;                        //  Its type
    const tree_entry_t *known;
    tree_entry_t entry, there;
} step_t;

//  ---------------------------------------------------------------------------------------------
//  Is it there already?

static bool
s_believed (const out_t *self, const step_t *step, const struct stat *about)
{
    const tree_entry_t *known = step->known;
    return known && known->kind == TREE_FILE && !known->unsure
        && known->content.size == (uint64_t) about->st_size
        && known->mtime_ns == tree_ns (&about->st_mtim)
        && tree_ns (&about->st_ctim) < tree_snapshot_started (self->walk.known);
}

static void
s_record (out_t *self, step_t *step, const struct stat *about)
{
    step->entry.mode = about->st_mode & 0777;
    step->entry.mtime_ns = tree_ns (&about->st_mtim);
    step->entry.unsure = step->entry.mtime_ns > self->started_ns - FRESH_NS;
    self->walk.job->done.files++;
    tree_writer_entry (self->walk.writer, &step->entry);
}

//  Fills the content of the entry from what is known of it, or by reading it. 1: it can't be read.
static int
s_content (out_t *self, step_t *step, struct stat *about)
{
    if (s_believed (self, step, about)) {
        step->entry.content = step->known->content;
        return 0;
    }
    tree_job_t *job = self->walk.job;
    uint64_t bytes = job->done.bytes;
    int from = tree_open (self->source, step->entry.name, O_RDONLY);
    if (from < 0)
        return 1;
    tree_pump_t answer = PUMP_READ_FAILED;
    if (fstat (from, about) == 0 && S_ISREG (about->st_mode))
        answer = tree_pump (job, from, about, -1, &step->entry.content, self->walk.err);
    close (from);
    job->done.bytes = bytes;
    return answer == PUMP_STOPPED ? -1 : answer != PUMP_DONE;
}

//  1: the other side has the same file; 0: it must be sent.
static int
s_there (out_t *self, step_t *step, struct stat *about)
{
    const tree_sink_t *sink = self->walk.sink;
    const char *name = step->entry.name;
    if (step->there.kind != TREE_FILE)
        return 0;
    if (fstatat (self->source, name, about, AT_SYMLINK_NOFOLLOW) || !S_ISREG (about->st_mode)
        || (uint64_t) about->st_size != step->there.content.size)
        return 0;
    int rc = s_content (self, step, about);
    if (rc)
        return rc < 0 ? -1 : 0;
    if (step->there.unsure && (rc = sink->hash (self->walk.self, name, &step->there)))
        return rc < 0 ? -1 : 0;
    if (step->entry.content.size != step->there.content.size
        || !XXH128_isEqual (step->entry.content.hash, step->there.content.hash))
        return 0;
    rc = sink->same (self->walk.self, name, about, &step->there);
    return rc < 0 ? -1 : rc == 0;
}

static int
s_gone (out_t *self, const char *path, const char *name)
{
    return self->walk.sink->gone (self->walk.self, path, name);
}

//  ---------------------------------------------------------------------------------------------
//  Sending

static int
s_send_file (out_t *self, step_t *step)
{
    tree_job_t *job = self->walk.job;
    int from = tree_open (self->source, step->entry.name, O_RDONLY);
    if (from < 0) {
        if (!tree_swapped (errno))
            return tree_fail (self->walk.err, "cannot read", step->path);
        tree_job_refuse (job, step->path, s_exchanged);
        return 0;
    }
    struct stat about;
    int rc = 0;
    if (fstat (from, &about))
        rc = tree_fail (self->walk.err, "cannot read", step->path);
    else if (!S_ISREG (about.st_mode))
        tree_job_refuse (job, step->path, s_exchanged);
    else {
        rc = self->walk.sink->file (self->walk.self, step->path, from, &about, &step->entry);
        if (rc == 0)
            s_record (self, step, &about);
    }
    close (from);
    return rc;
}

static int
s_file (out_t *self, step_t *step)
{
    struct stat about;
    int rc = s_there (self, step, &about);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        if (step->there.kind == TREE_FOLDER && s_gone (self, step->path, step->entry.name))
            return -1;
        return s_send_file (self, step);
    }
    tree_progress_t *done = &self->walk.job->done;
    done->bytes += step->entry.content.size;
    done->saved_files++;
    done->saved_bytes += step->entry.content.size;
    s_record (self, step, &about);
    return 0;
}

static int
s_link (out_t *self, step_t *step)
{
    char *text = tree_link_text (self->source, step->entry.name);
    if (!text) {
        if (!tree_swapped (errno) && errno != EINVAL)
            return tree_fail (self->walk.err, "cannot read the link", step->path);
        tree_job_refuse (self->walk.job, step->path, s_exchanged);
        return 0;
    }
    step->entry.text = text;
    step->entry.text_size = strlen (text);
    const tree_entry_t *there = &step->there;
    bool same = there->kind == TREE_LINK && there->text_size == step->entry.text_size
        && memcmp (there->text, text, there->text_size) == 0;
    int rc = 0;
    if (!same && there->kind != TREE_NONE)
        rc = s_gone (self, step->path, step->entry.name);
    if (rc == 0 && !same)
        rc = self->walk.sink->link (self->walk.self, step->path, &step->entry);
    if (rc == 0) {
        tree_writer_entry (self->walk.writer, &step->entry);
        self->walk.job->done.links++;
    }
    free (text);
    return rc;
}

static int
s_folder (out_t *self, step_t *step)
{
    struct stat about;
    tree_job_t *job = self->walk.job;
    if (fstatat (self->source, step->entry.name, &about, AT_SYMLINK_NOFOLLOW)
        || !S_ISDIR (about.st_mode)) {
        tree_job_refuse (job, step->path, s_exchanged);
        return 0;
    }
    const struct stat *avoid = self->walk.avoid;
    bool itself = avoid && about.st_dev == avoid->st_dev && about.st_ino == avoid->st_ino;
    if (itself || tree_depth (step->path) > TREE_DEPTH_MAX) {
        tree_job_refuse (job, step->path,
                         itself ? "the copy is made there" : "it is nested too deeply");
        return 0;
    }
    step->entry.mode = about.st_mode & 0777;
    bool same = step->there.kind == TREE_FOLDER && step->there.mode == step->entry.mode;
    if (step->there.kind != TREE_NONE && step->there.kind != TREE_FOLDER
        && s_gone (self, step->path, step->entry.name))
        return -1;
    if (!same && self->walk.sink->folder (self->walk.self, step->path, &step->entry))
        return -1;
    tree_writer_entry (self->walk.writer, &step->entry);
    job->done.folders++;
    char *path = strdup (step->path);
    ENSURE (path);
    tree_folders_push (&self->ahead, path, step->entry.mode);
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  One folder

const char *
tree_out_reason (mode_t mode)
{
    return S_ISFIFO (mode) ? "a fifo does not cross"
         : S_ISSOCK (mode) ? "a socket does not cross" : "a device node does not cross";
}

//  What the other side has and the source has not, up to `name`; NULL: to the end. True in *ret_has
//  if it has `name` itself.
static int
s_pass (out_t *self, const char *name, bool *ret_has)
{
    *ret_has = false;
    for (; self->their < self->theirs.count; self->their++) {
        const char *their = tree_list_name (&self->theirs, self->their);
        int order = name ? strcmp (their, name) : -1;
        if (order > 0)
            return 0;
        if (order == 0) {
            *ret_has = true;
            self->their++;
            return 0;
        }
        char *path = tree_join (self->folder, their);
        int rc = tree_job_excludes (self->walk.job, path, their) ? 0 : s_gone (self, path, their);
        free (path);
        if (rc)
            return -1;
    }
    return 0;
}

static int
s_kind (out_t *self, step_t *step)
{
    switch (step->entry.kind) {
        case TREE_FILE: return s_file (self, step);
        case TREE_LINK: return s_link (self, step);
        case TREE_FOLDER: return s_folder (self, step);
        case TREE_NONE: case TREE_OTHER: break;
    }
    tree_job_refuse (self->walk.job, step->path, tree_out_reason (step->mode));
    return step->there.kind == TREE_NONE ? 0 : s_gone (self, step->path, step->entry.name);
}

static int
s_entry (out_t *self, size_t index)
{
    const char *name = tree_list_name (&self->list, index);
    unsigned char type = self->list.items [index].type;
    step_t step = { .path = tree_join (self->folder, name), .mode = DTTOIF (type) };
    bool has = false;
    int rc = s_pass (self, name, &has);
    if (rc || tree_job_excludes (self->walk.job, step.path, name)) {
        free (step.path);
        return rc;
    }
    if (tree_seek (&self->known, name))
        step.known = &self->known.entry;
    if (type == DT_UNKNOWN) {
        struct stat about;
        step.mode = fstatat (self->source, name, &about, AT_SYMLINK_NOFOLLOW) ? 0 : about.st_mode;
    }
    step.entry = (tree_entry_t) { .kind = tree_kind (step.mode), .name = name,
                                  .name_size = strlen (name) };
    char *text = NULL;
    if (has) {
        rc = self->walk.sink->look (self->walk.self, name, step.known, &step.there);
        if (step.there.kind == TREE_LINK)       //  The look's own text may go with the next look
            step.there.text = text = strndup (step.there.text, step.there.text_size);
    }
    if (rc == 0)
        rc = s_kind (self, &step);
    free (text);
    free (step.path);
    return rc ? rc : tree_job_tick (self->walk.job, self->walk.err);
}

static int
s_fill (out_t *self)
{
    const tree_sink_t *sink = self->walk.sink;
    tree_writer_folder (self->walk.writer, self->folder);
    self->known = tree_seek_start (self->walk.known, self->folder);
    self->theirs.count = self->theirs.names_size = self->their = 0;
    if (tree_list (self->walk.job, self->source, &self->list, self->folder, self->walk.err)
        || (sink->list && sink->list (self->walk.self, self->folder, &self->theirs)))
        return -1;
    for (size_t index = 0; index < self->list.count; index++)
        if (s_entry (self, index))
            return -1;
    bool has;
    return s_pass (self, NULL, &has);
}

static int
s_walk (out_t *self, const tree_folder_t *folder)
{
    const tree_sink_t *sink = self->walk.sink;
    self->folder = folder->path;
    if (sink->enter && sink->enter (self->walk.self, folder->path, folder->mode))
        return -1;
    self->source = tree_open_folder (self->walk.source, folder->path);
    if (self->source < 0) {
        if (!*folder->path || !tree_swapped (errno))
            return tree_fail (self->walk.err, "cannot read the folder", folder->path);
        tree_job_refuse (self->walk.job, folder->path, s_exchanged);
        return 0;
    }
    int rc = s_fill (self);
    close (self->source);
    return rc;
}

int
tree_out (const tree_out_t *walk)
{
    out_t self = { .walk = *walk, .started_ns = tree_now_ns () };
    struct stat top;
    if (fstat (walk->source, &top))
        return tree_fail (walk->err, "cannot read the folder", "");
    char *path = strdup ("");
    ENSURE (path);
    tree_folders_push (&self.ahead, path, top.st_mode & 0777);
    int rc = 0;
    while (rc == 0 && self.ahead.count) {
        tree_folder_t folder = self.ahead.items [--self.ahead.count];
        rc = s_walk (&self, &folder);
        free (folder.path);
    }
    tree_folders_free (&self.ahead);
    tree_list_free (&self.list);
    tree_list_free (&self.theirs);
    return rc;
}
