//  tree_copy.c - owns the way out on this host: a folder is copied and its snapshot taken in one
//  pass; where it was copied before, only what differs.

#include "tree_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    tree_job_t job;
    int source, target;
    struct stat copy;                   //  Of the target
    tree_snapshot_t *known;             //  Of the last time; NULL: the target was empty
    tree_writer_t *writer;
    int here;                           //  The target's folder that is filled
    char *text;                         //  Of the link that was looked at
    tree_folders_t narrow;              //  To get their mode when all below them is done
    berth_error_t *err;
} copy_t;

//  ---------------------------------------------------------------------------------------------
//  What the target has

static int
s_list (void *context, const char *path, tree_list_t *ret_names)
{
    copy_t *self = context;
    return self->known ? tree_list (&self->job, self->here, ret_names, path, self->err) : 0;
}

//  A file that was not touched since we wrote it holds what we wrote: nothing can set a ctime back.
static int
s_look (void *context, const char *name, const tree_entry_t *known, tree_entry_t *ret_there)
{
    copy_t *self = context;
    struct stat about;
    *ret_there = (tree_entry_t) { .kind = TREE_NONE };
    if (fstatat (self->here, name, &about, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : tree_fail (self->err, "cannot read the copy of", name);
    ret_there->kind = tree_kind (about.st_mode);
    ret_there->mode = about.st_mode & 07777;
    ret_there->mtime_ns = tree_ns (&about.st_mtim);
    ret_there->content.size = (uint64_t) about.st_size;
    if (ret_there->kind == TREE_LINK) {
        free (self->text);
        self->text = tree_link_text (self->here, name);
        ret_there->text = self->text ? self->text : "";
        ret_there->text_size = strlen (ret_there->text);
    }
    ret_there->unsure = !known || known->kind != TREE_FILE
        || known->content.size != ret_there->content.size
        || known->mtime_ns != ret_there->mtime_ns
        || tree_ns (&about.st_ctim) >= tree_snapshot_finished (self->known);
    if (!ret_there->unsure)
        ret_there->content = known->content;
    return 0;
}

static int
s_hash (void *context, const char *name, tree_entry_t *there)
{
    copy_t *self = context;
    uint64_t bytes = self->job.done.bytes;
    int file = tree_open (self->here, name, O_RDONLY);
    if (file < 0)
        return 1;
    struct stat about;
    tree_pump_t answer = PUMP_READ_FAILED;
    if (fstat (file, &about) == 0 && S_ISREG (about.st_mode) && about.st_nlink == 1)
        answer = tree_pump (&self->job, file, &about, -1, &there->content, self->err);
    close (file);
    self->job.done.bytes = bytes;
    return answer == PUMP_STOPPED ? -1 : answer != PUMP_DONE;
}

//  Owner, mode and time may still differ; a file of another owner is made anew.
static int
s_same (void *context, const char *name, const struct stat *about, const tree_entry_t *there)
{
    copy_t *self = context;
    if (there->mode == (about->st_mode & 0777) && there->mtime_ns == tree_ns (&about->st_mtim)
        && !there->unsure)
        return 0;
    int file = tree_open (self->here, name, O_RDONLY);
    if (file < 0)
        return 1;
    struct stat now;
    int rc = fstat (file, &now) || !S_ISREG (now.st_mode) || now.st_nlink != 1
        || tree_finish (file, self->job.options.uid, self->job.options.gid, about->st_mode,
                        &about->st_mtim);
    close (file);
    return rc;
}

static int
s_gone (void *context, const char *path, const char *name)
{
    copy_t *self = context;
    if (unlinkat (self->here, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno == EISDIR || errno == EPERM)
        return tree_remove_below (self->here, name, self->err);
    return tree_fail (self->err, "cannot remove the copy of", path);
}

//  ---------------------------------------------------------------------------------------------
//  What goes

static int
s_file (void *context, const char *path, int from, const struct stat *about, tree_entry_t *entry)
{
    copy_t *self = context;
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int to = openat (self->here, entry->name, flags, 0600);
    if (to < 0 && errno == EEXIST && self->known
        && (unlinkat (self->here, entry->name, 0) == 0 || errno == ENOENT))
        to = openat (self->here, entry->name, flags, 0600);
    if (to < 0)
        return tree_fail (self->err, "cannot make the copy of", path);
    int rc = 0;
    switch (tree_pump (&self->job, from, about, to, &entry->content, self->err)) {
        case PUMP_READ_FAILED: rc = tree_fail (self->err, "cannot read", path); break;
        case PUMP_WRITE_FAILED: rc = tree_fail (self->err, "cannot write the copy of", path); break;
        case PUMP_STOPPED: rc = -1; break;
        case PUMP_DONE: break;
    }
    if (rc == 0 && tree_finish (to, self->job.options.uid, self->job.options.gid, about->st_mode,
                                &about->st_mtim))
        rc = tree_fail (self->err, "cannot give owner, mode and time to the copy of", path);
    if (close (to) && rc == 0)
        rc = tree_fail (self->err, "cannot write the copy of", path);
    return rc;
}

static int
s_link (void *context, const char *path, const tree_entry_t *entry)
{
    copy_t *self = context;
    int64_t uid = self->job.options.uid, gid = self->job.options.gid;
    if (symlinkat (entry->text, self->here, entry->name)
        || ((uid >= 0 || gid >= 0) && fchownat (self->here, entry->name, (uid_t) uid, (gid_t) gid,
                                                AT_SYMLINK_NOFOLLOW)))
        return tree_fail (self->err, "cannot make the copy of the link", path);
    return 0;
}

static int
s_folder (void *context, const char *path, const tree_entry_t *entry)
{
    copy_t *self = context;
    if (mkdirat (self->here, entry->name, 0700) && (errno != EEXIST || !self->known))
        return tree_fail (self->err, "cannot make the folder", path);
    return 0;
}

//  The folder gets owner and mode at once, or its mode later when we could not write into it then.
static int
s_own_folder (copy_t *self, const char *path, mode_t mode)
{
    int64_t uid = self->job.options.uid, gid = self->job.options.gid;
    if ((uid >= 0 || gid >= 0) && fchown (self->here, (uid_t) uid, (gid_t) gid))
        return tree_fail (self->err, "cannot give an owner to the folder", path);
    bool narrow = (mode & 0700) != 0700;
    if (fchmod (self->here, narrow ? 0700 : mode))
        return tree_fail (self->err, "cannot give a mode to the folder", path);
    if (narrow) {
        char *copy = strdup (path);
        ENSURE (copy);
        tree_folders_push (&self->narrow, copy, mode);
    }
    return 0;
}

static int
s_enter (void *context, const char *path, mode_t mode)
{
    copy_t *self = context;
    if (self->here >= 0)
        close (self->here);
    self->here = tree_open_folder (self->target, path);
    if (self->here < 0)
        return tree_fail (self->err, "cannot open the copy of the folder", path);
    //  The top keeps the mode that its maker gave it.
    return s_own_folder (self, path, *path ? mode : self->copy.st_mode & 0777);
}

static const tree_sink_t s_sink = {
    .enter = s_enter, .list = s_list, .look = s_look, .hash = s_hash, .same = s_same,
    .gone = s_gone, .file = s_file, .link = s_link, .folder = s_folder,
};

//  Inner ones come later in the list and are closed first.
static int
s_narrow (copy_t *self)
{
    int rc = 0;
    while (rc == 0 && self->narrow.count) {
        tree_folder_t folder = self->narrow.items [--self->narrow.count];
        int fd = tree_open_folder (self->target, folder.path);
        if (fd < 0 || fchmod (fd, folder.mode))
            rc = tree_fail (self->err, "cannot give a mode to the folder", folder.path);
        if (fd >= 0)
            close (fd);
        free (folder.path);
    }
    return rc;
}

static int
s_open_both (copy_t *self, const char *source, const char *target, bool no_links)
{
    self->source = tree_open_host (source, no_links);
    if (self->source < 0)
        return tree_fail (self->err, "cannot read the folder", source);
    if (mkdir (target, 0755) && errno != EEXIST)
        return tree_fail (self->err, "cannot make the folder", target);
    self->target = open (target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (self->target < 0 || fstat (self->target, &self->copy))
        return tree_fail (self->err, "cannot open the folder", target);
    if (self->known)
        return 0;
    tree_list_t list = { 0 };
    int rc = tree_list (&self->job, self->target, &list, target, self->err);
    if (rc == 0 && list.count)
        rc = berth_fail (self->err, BERTH_CONFLICT, "the folder '%.150s' is not empty", target);
    tree_list_free (&list);
    return rc;
}

static int
s_copy (const char *source, const char *target, const char *snapshot, tree_snapshot_t *known,
        const tree_options_t *options, tree_progress_t *ret_done, berth_error_t *err)
{
    copy_t self = { .source = -1, .target = -1, .here = -1, .known = known, .err = err };
    tree_job_start (&self.job, options);
    int rc = s_open_both (&self, source, target, options && options->no_links);
    if (rc == 0)
        rc = tree_writer_new (&self.writer, snapshot, self.job.options.excludes, err);
    if (rc == 0) {
        tree_out_t walk = { .job = &self.job, .source = self.source, .known = known,
                            .writer = self.writer, .avoid = &self.copy, .sink = &s_sink,
                            .self = &self, .err = err };
        rc = tree_out (&walk);
    }
    if (rc == 0)
        rc = s_narrow (&self);
    if (rc == 0)
        rc = tree_writer_commit (self.writer, err);
    tree_writer_destroy (&self.writer);
    if (self.here >= 0)
        close (self.here);
    if (self.source >= 0)
        close (self.source);
    if (self.target >= 0)
        close (self.target);
    if (rc == 0 && self.job.options.progress)
        (void) self.job.options.progress (self.job.options.context, &self.job.done);  //  It is done
    if (rc == 0 && ret_done)
        *ret_done = self.job.done;
    tree_folders_free (&self.narrow);
    free (self.text);
    tree_job_end (&self.job);
    return rc;
}

int
tree_copy (const char *source, const char *target, const char *snapshot,
           const tree_options_t *options, tree_progress_t *ret_done, berth_error_t *err)
{
    return s_copy (source, target, snapshot, NULL, options, ret_done, err);
}

int
tree_renew (const char *source, const char *target, const char *snapshot,
            const tree_options_t *options, tree_progress_t *ret_done, berth_error_t *err)
{
    tree_snapshot_t *known = NULL;
    berth_error_t why = { 0 };
    if (tree_snapshot_open (&known, snapshot, &why))
        //  Nothing is known of what stands there: it goes.
        return tree_empty (target, err)
            || tree_copy (source, target, snapshot, options, ret_done, err) ? -1 : 0;
    int rc = s_copy (source, target, snapshot, known, options, ret_done, err);
    tree_snapshot_destroy (&known);
    return rc;
}
