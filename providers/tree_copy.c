//  tree_copy.c - owns the way out: a folder is copied and its snapshot taken in one pass.

#include "tree_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

//  A file that was written less than this ago can change again without its time telling.
enum { FRESH_NS = 1000000000 };

typedef struct {
    char *path;
    mode_t mode;
} folder_t;

typedef struct {
    folder_t *items;
    size_t count, room;
} folders_t;

typedef struct {
    tree_job_t job;
    int source, target;
    struct stat copy;                   //  Of the target
    int64_t started_ns;                 //  By the clock that files have
    tree_writer_t *writer;
    folders_t ahead;                    //  To be copied
    folders_t narrow;                   //  To get their mode when all below them is done
    tree_list_t list;
    berth_error_t *err;
} copy_t;

static int64_t
s_ns (const struct timespec *time)
{
    return (int64_t) time->tv_sec * 1000000000 + time->tv_nsec;
}

static void
s_push (folders_t *self, char *path, mode_t mode)
{
    if (self->count == self->room) {
        self->room = 2 * self->room + 64;
        self->items = realloc (self->items, self->room * sizeof *self->items);
        ENSURE (self->items);
    }
    self->items [self->count++] = (folder_t) { path, mode };
}

static void
s_free (folders_t *self)
{
    while (self->count)
        free (self->items [--self->count].path);
    free (self->items);
}

static int
s_copy_bytes (copy_t *self, int from, int to, const char *path, const struct stat *about,
              tree_entry_t *entry)
{
    switch (tree_pump (&self->job, from, about, to, &entry->content, self->err)) {
        case PUMP_READ_FAILED: return tree_fail (self->err, "cannot read", path);
        case PUMP_WRITE_FAILED: return tree_fail (self->err, "cannot write the copy of", path);
        case PUMP_STOPPED: return -1;
        case PUMP_DONE: break;
    }
    if (tree_finish (to, self->job.options.uid, self->job.options.gid, about->st_mode,
                     &about->st_mtim))
        return tree_fail (self->err, "cannot give owner, mode and time to the copy of", path);
    entry->mode = about->st_mode & 0777;
    entry->mtime_ns = s_ns (&about->st_mtim);
    entry->unsure = entry->mtime_ns > self->started_ns - FRESH_NS;
    self->job.done.files++;
    tree_writer_entry (self->writer, entry);
    return 0;
}

static int
s_copy_file (copy_t *self, int source, int target, const char *path, tree_entry_t *entry)
{
    int from = tree_open (source, entry->name, O_RDONLY);
    if (from < 0) {
        if (!tree_swapped (errno))
            return tree_fail (self->err, "cannot read", path);
        tree_job_refuse (&self->job, path, "it was exchanged or removed while it was read");
        return 0;
    }
    struct stat about;
    int to = -1, rc = 0;
    if (fstat (from, &about))
        rc = tree_fail (self->err, "cannot read", path);
    else if (!S_ISREG (about.st_mode))
        tree_job_refuse (&self->job, path, "it was exchanged while it was read");
    else if ((to = openat (target, entry->name,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0)
        rc = tree_fail (self->err, "cannot make the copy of", path);
    else
        rc = s_copy_bytes (self, from, to, path, &about, entry);
    if (to >= 0 && close (to) && rc == 0)
        rc = tree_fail (self->err, "cannot write the copy of", path);
    close (from);
    return rc;
}

static int
s_copy_link (copy_t *self, int source, int target, const char *path, tree_entry_t *entry)
{
    char *text = tree_link_text (source, entry->name);
    if (!text) {
        if (!tree_swapped (errno) && errno != EINVAL)
            return tree_fail (self->err, "cannot read the link", path);
        tree_job_refuse (&self->job, path, "it was exchanged or removed while it was read");
        return 0;
    }
    int64_t uid = self->job.options.uid, gid = self->job.options.gid;
    int rc = 0;
    if (symlinkat (text, target, entry->name)
        || ((uid >= 0 || gid >= 0) && fchownat (target, entry->name, (uid_t) uid, (gid_t) gid,
                                                AT_SYMLINK_NOFOLLOW)))
        rc = tree_fail (self->err, "cannot make the copy of the link", path);
    entry->text = text;
    entry->text_size = strlen (text);
    tree_writer_entry (self->writer, entry);
    free (text);
    self->job.done.links++;
    return rc;
}

static int
s_copy_folder_entry (copy_t *self, int source, int target, char *path, tree_entry_t *entry)
{
    struct stat about;
    if (fstatat (source, entry->name, &about, AT_SYMLINK_NOFOLLOW) || !S_ISDIR (about.st_mode)) {
        tree_job_refuse (&self->job, path, "it was exchanged or removed while it was read");
        free (path);
        return 0;
    }
    bool itself = about.st_dev == self->copy.st_dev && about.st_ino == self->copy.st_ino;
    if (itself || tree_depth (path) > TREE_DEPTH_MAX) {
        tree_job_refuse (&self->job, path,
                         itself ? "the copy is made there" : "it is nested too deeply");
        free (path);
        return 0;
    }
    if (mkdirat (target, entry->name, 0700)) {
        int rc = tree_fail (self->err, "cannot make the folder", path);
        free (path);
        return rc;
    }
    entry->mode = about.st_mode & 0777;
    tree_writer_entry (self->writer, entry);
    self->job.done.folders++;
    s_push (&self->ahead, path, entry->mode);
    return 0;
}

static const char *
s_reason (mode_t mode)
{
    return S_ISFIFO (mode) ? "a fifo does not cross"
         : S_ISSOCK (mode) ? "a socket does not cross" : "a device node does not cross";
}

static int
s_copy_entry (copy_t *self, int source, int target, const char *folder, size_t index)
{
    const char *name = tree_list_name (&self->list, index);
    unsigned char type = self->list.items [index].type;
    char *path = tree_join (folder, name);
    if (tree_job_excludes (&self->job, path, name)) {
        free (path);
        return 0;
    }
    mode_t mode = DTTOIF (type);
    if (type == DT_UNKNOWN) {
        struct stat about;
        mode = fstatat (source, name, &about, AT_SYMLINK_NOFOLLOW) ? 0 : about.st_mode;
    }
    tree_entry_t entry = { .kind = tree_kind (mode), .name = name, .name_size = strlen (name) };
    if (entry.kind == TREE_FOLDER)
        return s_copy_folder_entry (self, source, target, path, &entry);
    int rc = 0;
    if (entry.kind == TREE_FILE)
        rc = s_copy_file (self, source, target, path, &entry);
    else if (entry.kind == TREE_LINK)
        rc = s_copy_link (self, source, target, path, &entry);
    else
        tree_job_refuse (&self->job, path, s_reason (mode));
    free (path);
    return rc;
}

//  The folder gets owner and mode at once, or its mode later when we could not write into it then.
static int
s_own_folder (copy_t *self, int target, const folder_t *folder)
{
    int64_t uid = self->job.options.uid, gid = self->job.options.gid;
    if ((uid >= 0 || gid >= 0) && fchown (target, (uid_t) uid, (gid_t) gid))
        return tree_fail (self->err, "cannot give an owner to the folder", folder->path);
    if ((folder->mode & 0700) == 0700 && fchmod (target, folder->mode))
        return tree_fail (self->err, "cannot give a mode to the folder", folder->path);
    if ((folder->mode & 0700) != 0700) {
        char *path = strdup (folder->path);
        ENSURE (path);
        s_push (&self->narrow, path, folder->mode);
    }
    return 0;
}

static int
s_copy_folder (copy_t *self, const folder_t *folder)
{
    int source = tree_open_folder (self->source, folder->path), target = -1, rc = 0;
    if (source < 0 && *folder->path && tree_swapped (errno))
        tree_job_refuse (&self->job, folder->path, "it was exchanged or removed while it was read");
    else if (source < 0)
        rc = tree_fail (self->err, "cannot read the folder", folder->path);
    if ((target = tree_open_folder (self->target, folder->path)) < 0)
        rc = rc ? rc : tree_fail (self->err, "cannot open the copy of the folder", folder->path);
    if (rc == 0)
        rc = s_own_folder (self, target, folder);
    if (rc == 0 && source >= 0) {
        tree_writer_folder (self->writer, folder->path);
        rc = tree_list (&self->job, source, &self->list, folder->path, self->err);
        for (size_t index = 0; rc == 0 && index < self->list.count; index++) {
            rc = s_copy_entry (self, source, target, folder->path, index);
            if (rc == 0)
                rc = tree_job_tick (&self->job, self->err);
        }
    }
    if (source >= 0)
        close (source);
    if (target >= 0)
        close (target);
    return rc;
}

static int
s_copy_all (copy_t *self)
{
    char *top = strdup ("");
    ENSURE (top);
    s_push (&self->ahead, top, self->copy.st_mode & 0777);
    int rc = 0;
    while (rc == 0 && self->ahead.count) {
        folder_t folder = self->ahead.items [--self->ahead.count];
        rc = s_copy_folder (self, &folder);
        free (folder.path);
    }
    //  Inner ones come later in the list and are closed first.
    while (rc == 0 && self->narrow.count) {
        folder_t folder = self->narrow.items [--self->narrow.count];
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
    if (tree_list (&self->job, self->target, &self->list, target, self->err))
        return -1;
    if (self->list.count)
        return berth_fail (self->err, BERTH_CONFLICT, "the folder '%.150s' is not empty", target);
    return 0;
}

int
tree_copy (const char *source, const char *target, const char *snapshot,
           const tree_options_t *options, tree_progress_t *ret_done, berth_error_t *err)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    copy_t self = { .source = -1, .target = -1, .started_ns = s_ns (&now), .err = err };
    tree_job_start (&self.job, options);
    int rc = s_open_both (&self, source, target, options && options->no_links);
    if (rc == 0)
        rc = tree_writer_new (&self.writer, snapshot, err);
    if (rc == 0)
        rc = s_copy_all (&self);
    if (rc == 0)
        rc = tree_writer_commit (self.writer, err);
    tree_writer_destroy (&self.writer);
    if (self.source >= 0)
        close (self.source);
    if (self.target >= 0)
        close (self.target);
    if (rc == 0 && self.job.options.progress)
        (void) self.job.options.progress (self.job.options.context, &self.job.done);  //  It is done
    if (rc == 0 && ret_done)
        *ret_done = self.job.done;
    s_free (&self.ahead);
    s_free (&self.narrow);
    tree_list_free (&self.list);
    tree_job_end (&self.job);
    return rc;
}
