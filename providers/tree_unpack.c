//  tree_unpack.c - owns how a stream becomes files, whatever it says.
//
//  libarchive only reads here: every write is ours, beneath the folder.

#include "tree_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    tree_job_t job;
    tree_stream_t stream;
    struct archive *archive;
    int top;
    char *path;                         //  Of the entry, as it goes in
    size_t path_room;
    char *parent;                       //  Of the folder that is open; NULL: none
    int folder;                         //  -1: none
    tree_folders_t narrow;              //  To get their mode at the end
    const char *removed_path;           //  NULL: what is removed goes
    FILE *removed;
    uint64_t written;
    berth_error_t *err;
} unpack_t;

static int
s_refuse (unpack_t *self, const char *path, const char *reason)
{
    tree_job_refuse (&self->job, path, reason);
    return 0;
}

static const char *
s_words (int error)
{
    switch (error) {
        case ELOOP: case ENOTDIR: return "a link or a file stands where a folder should be";
        case EXDEV: return "its folder was moved away";
        case ENAMETOOLONG: return "its name is too long";
        case EISDIR: case ENOTEMPTY: case EEXIST: return "a folder stands where it should be";
        default: return strerror (error);
    }
}

//  A full disk ends it; what is wrong with one entry leaves that one out.
static int
s_failed (unpack_t *self, const char *what, const char *path)
{
    switch (errno) {
        case ENOSPC: case EDQUOT: case EIO: case EROFS: case ENOMEM: case EMFILE: case ENFILE:
            return tree_fail (self->err, what, path);
        default:
            return s_refuse (self, path, s_words (errno));
    }
}

//  ---------------------------------------------------------------------------------------------
//  Names

//  Fills `path` with the name as it goes in: no `.`, no double or last `/`. NULL, or why not.
static const char *
s_clean (const char *name, char *path)
{
    size_t size = 0;
    unsigned depth = 0;
    if (*name == '/')
        return "its name is absolute";
    while (*name) {
        size_t length = strcspn (name, "/");
        if (length > NAME_MAX)
            return "its name is too long";
        if (length == 2 && name [0] == '.' && name [1] == '.')
            return "its name leads out with '..'";
        if (length && !(length == 1 && name [0] == '.')) {
            if (++depth > TREE_DEPTH_MAX)
                return "it is nested too deeply";
            if (size)
                path [size++] = '/';
            memcpy (path + size, name, length);
            size += length;
        }
        name += length + (name [length] == '/');
    }
    path [size] = 0;
    return NULL;
}

static bool
s_excluded (const unpack_t *self, char *path)
{
    for (char *at = path; ; at++) {
        char *slash = strchr (at, '/');
        if (slash)
            *slash = 0;
        const char *name = strrchr (path, '/');
        bool excluded = tree_job_excludes (&self->job, path, name ? name + 1 : path);
        if (!slash)
            return excluded;
        *slash = '/';
        if (excluded)
            return true;
        at = slash;
    }
}

//  ---------------------------------------------------------------------------------------------
//  Folders

static int
s_own (unpack_t *self, int folder, const char *name)
{
    int64_t uid = self->job.options.uid, gid = self->job.options.gid;
    return uid < 0 && gid < 0 ? 0
        : fchownat (folder, name, (uid_t) uid, (gid_t) gid, AT_SYMLINK_NOFOLLOW);
}

//  Opens a folder beneath the top; what is missing of its path is made. -1 with errno.
static int
s_reach (unpack_t *self, const char *path)
{
    int fd = tree_open_folder (self->top, path);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    fd = tree_open_folder (self->top, "");
    char name [NAME_MAX + 1];
    while (fd >= 0 && *path) {
        size_t size = strcspn (path, "/");
        memcpy (name, path, size);
        name [size] = 0;
        path += path [size] ? size + 1 : size;
        if (mkdirat (fd, name, 0755) == 0)
            (void) s_own (self, fd, name);      //  It is only in our way there
        int next = tree_open_folder (fd, name), saved = errno;
        close (fd);
        errno = saved;
        fd = next;
    }
    return fd;
}

//  The open folder of a path, kept for the next entry. The name in it is *ret_name.
static int
s_parent (unpack_t *self, char *path, char **ret_name)
{
    char *slash = strrchr (path, '/');
    *ret_name = slash ? slash + 1 : path;
    if (slash)
        *slash = 0;
    const char *parent = slash ? path : "";
    if (!self->parent || strcmp (self->parent, parent)) {
        if (self->folder >= 0)
            close (self->folder);
        free (self->parent);
        self->folder = s_reach (self, parent);
        int saved = errno;
        self->parent = self->folder >= 0 ? strdup (parent) : NULL;
        errno = saved;
    }
    if (slash)
        *slash = '/';
    return self->folder;
}

static void
s_forget_parent (unpack_t *self)
{
    if (self->folder >= 0)
        close (self->folder);
    free (self->parent);
    self->folder = -1;
    self->parent = NULL;
}

static int
s_folder (unpack_t *self, int folder, const char *name, mode_t mode)
{
    if (mkdirat (folder, name, 0700)) {
        struct stat about;
        if (errno != EEXIST || fstatat (folder, name, &about, AT_SYMLINK_NOFOLLOW))
            return s_failed (self, "cannot make the folder", self->path);
        if (!S_ISDIR (about.st_mode)
            && (unlinkat (folder, name, 0) || mkdirat (folder, name, 0700)))
            return s_failed (self, "cannot make the folder", self->path);
    }
    int fd = tree_open_folder (folder, name);
    if (fd < 0)
        return s_failed (self, "cannot open the folder", self->path);
    int64_t uid = self->job.options.uid, gid = self->job.options.gid;
    bool narrow = (mode & 0700) != 0700;
    int rc = ((uid >= 0 || gid >= 0) && fchown (fd, (uid_t) uid, (gid_t) gid))
        || fchmod (fd, narrow ? 0700 : mode & 0777);
    int saved = errno;
    close (fd);
    errno = saved;
    if (rc)
        return s_failed (self, "cannot give owner and mode to the folder", self->path);
    if (narrow) {
        char *path = strdup (self->path);
        ENSURE (path);
        tree_folders_push (&self->narrow, path, mode & 0777);
    }
    self->job.done.folders++;
    return 0;
}

static int
s_narrow (unpack_t *self)
{
    while (self->narrow.count) {
        tree_folder_t folder = self->narrow.items [--self->narrow.count];
        int fd = tree_open_folder (self->top, folder.path);
        //  Replaced by a later entry: it has its own mode.
        if (fd >= 0) {
            (void) fchmod (fd, folder.mode);
            close (fd);
        }
        free (folder.path);
    }
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  Files and links: made anew, never opened

//  Takes away what stands under a name, unless it is a folder that holds something. -1 with errno.
static int
s_clear (int folder, const char *name)
{
    if (unlinkat (folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR ? unlinkat (folder, name, AT_REMOVEDIR) : -1;
}

//  What took the place of a folder may have taken that of the one that is open.
static int
s_made (unpack_t *self, int rc)
{
    if (self->parent && strncmp (self->parent, self->path, strlen (self->path)) == 0)
        s_forget_parent (self);
    return rc;
}

static int
s_take (unpack_t *self, int file, uint64_t *ret_end)
{
    const void *data;
    size_t size;
    la_int64_t offset;
    *ret_end = 0;
    for (;;) {
        int answer = archive_read_data_block (self->archive, &data, &size, &offset);
        if (answer == ARCHIVE_EOF)
            return 0;
        if (answer < ARCHIVE_WARN)
            return tree_stream_fail (&self->stream, self->archive, self->path);
        self->written += size;
        if (self->job.options.max_bytes && self->written > self->job.options.max_bytes)
            return berth_fail (self->err, BERTH_INVALID, "the stream holds more than %llu bytes",
                               (unsigned long long) self->job.options.max_bytes);
        if (tree_write_all (file, data, size, (uint64_t) offset))
            return errno == EFBIG ? 1 : tree_fail (self->err, "cannot write", self->path);
        self->job.done.bytes += size;
        *ret_end = (uint64_t) offset + size;
        if (tree_job_tick (&self->job, self->err))
            return -1;
    }
}

static int
s_file (unpack_t *self, int folder, const char *name, struct archive_entry *entry)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int file = openat (folder, name, flags, 0600);
    if (file < 0 && errno == EEXIST && s_clear (folder, name) == 0)
        file = openat (folder, name, flags, 0600);
    if (file < 0)
        return s_failed (self, "cannot make", self->path);
    uint64_t end = 0;
    int rc = s_take (self, file, &end);
    la_int64_t size = archive_entry_size (entry);
    struct timespec mtime = { archive_entry_mtime (entry), archive_entry_mtime_nsec (entry) };
    if (rc == 0 && size > 0 && (uint64_t) size > end && ftruncate (file, size))
        rc = 1;
    mode_t mode = archive_entry_mode (entry);
    if (rc == 0 && tree_finish (file, self->job.options.uid, self->job.options.gid, mode, &mtime))
        rc = tree_fail (self->err, "cannot give owner, mode and time to", self->path);
    int saved = errno;
    if (close (file) && rc == 0)
        rc = tree_fail (self->err, "cannot write", self->path);
    if (rc)
        (void) unlinkat (folder, name, 0);      //  Half a file is none
    if (rc > 0)
        return s_refuse (self, self->path, s_words (saved));
    if (rc == 0) {
        self->job.done.files++;
        if (mode & (S_ISUID | S_ISGID))
            s_refuse (self, self->path, "its setuid and setgid bits were taken away");
    }
    return rc;
}

static int
s_link (unpack_t *self, int folder, const char *name, const char *text)
{
    if (!*text)
        return s_refuse (self, self->path, "the link has no text");
    if (s_clear (folder, name) || symlinkat (text, folder, name) || s_own (self, folder, name))
        return s_failed (self, "cannot make the link", self->path);
    self->job.done.links++;
    return 0;
}

//  The other name of a file that is in here.
static int
s_twin (unpack_t *self, int folder, const char *name, const char *text)
{
    char *target = malloc (strlen (text) + 1);
    ENSURE (target);
    const char *why = s_clean (text, target);
    struct stat about;
    int fd = -1;
    if (why || strcmp (target, self->path) == 0)
        why = "it is a hard link to what is not in here";
    else if ((fd = tree_open (self->top, target, O_PATH)) < 0 || fstat (fd, &about)
             || !S_ISREG (about.st_mode))
        why = "it is a hard link to what is no file in here";
    free (target);
    int rc = 0;
    if (why)
        rc = s_refuse (self, self->path, why);
    else {
        char path [40];
        snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
        if (s_clear (folder, name) || linkat (AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW))
            rc = s_failed (self, "cannot link", self->path);
        else
            self->job.done.files++;
    }
    if (fd >= 0)
        close (fd);
    return rc;
}

//  ---------------------------------------------------------------------------------------------
//  What is gone

static int
s_remove (unpack_t *self, const char *path)
{
    if (s_clean (path, self->path) || !*self->path)
        return s_refuse (self, path, "it cannot be removed: its name leads out");
    if (s_excluded (self, self->path))
        return 0;
    if (self->removed)
        return fwrite (self->path, strlen (self->path) + 1, 1, self->removed) == 1
            ? 0 : tree_fail (self->err, "cannot write", self->removed_path);
    char *slash = strrchr (self->path, '/');
    if (slash)
        *slash = 0;
    int folder = tree_open_folder (self->top, slash ? self->path : "");
    if (slash)
        *slash = '/';
    if (folder < 0)
        return errno == ENOENT ? 0 : s_failed (self, "cannot remove", self->path);
    const char *name = slash ? slash + 1 : self->path;
    int rc = 0;
    if (s_clear (folder, name)) {
        if (errno == ENOTEMPTY || errno == EEXIST)
            rc = tree_remove_below (folder, name, self->err);
        else
            rc = s_failed (self, "cannot remove", self->path);
    }
    close (folder);
    return rc;
}

//  Paths may stand across the borders of two blocks.
static int
s_removals (unpack_t *self)
{
    char path [2 * PATH_MAX];
    size_t size = 0;
    int rc = 0;
    s_forget_parent (self);
    while (rc == 0) {
        char data [4096];
        la_ssize_t got = archive_read_data (self->archive, data, sizeof data);
        if (got < 0)
            return tree_stream_fail (&self->stream, self->archive, TREE_REMOVED);
        if (got == 0)
            break;
        for (la_ssize_t at = 0; rc == 0 && at < got; at++) {
            if (size == sizeof path)
                return berth_fail (self->err, BERTH_INVALID, "a path in the stream is too long");
            path [size++] = data [at];
            if (data [at] == 0) {
                if (++self->job.entries > self->job.options.max_entries)
                    return berth_fail (self->err, BERTH_INVALID,
                                       "the stream names more than %llu entries",
                                       (unsigned long long) self->job.options.max_entries);
                size_t need = size + 1;
                if (need > self->path_room) {
                    self->path_room = 2 * need;
                    self->path = realloc (self->path, self->path_room);
                    ENSURE (self->path);
                }
                rc = s_remove (self, path);
                size = 0;
            }
        }
        if (rc == 0)
            rc = tree_job_tick (&self->job, self->err);
    }
    return rc;
}

//  ---------------------------------------------------------------------------------------------

static const char *
s_reason (mode_t type)
{
    return type == AE_IFIFO ? "a fifo does not cross"
         : type == AE_IFSOCK ? "a socket does not cross"
         : type == AE_IFCHR || type == AE_IFBLK ? "a device node does not cross"
         : "it is no file, folder or link";
}

static int
s_entry (unpack_t *self, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname (entry);
    if (!name)
        name = archive_entry_pathname_utf8 (entry);
    if (!name || !*name)
        return s_refuse (self, "", "it has no name");
    mode_t type = archive_entry_filetype (entry);
    const char *twin = archive_entry_hardlink (entry);
    if (strcmp (name, TREE_REMOVED) == 0 && type == AE_IFREG)
        return s_removals (self);
    size_t need = strlen (name) + 1;
    if (need > self->path_room) {
        self->path_room = 2 * need;
        self->path = realloc (self->path, self->path_room);
        ENSURE (self->path);
    }
    const char *why = s_clean (name, self->path);
    if (why)
        return s_refuse (self, name, why);
    if (!*self->path)                   //  The top itself
        return type == AE_IFDIR ? 0 : s_refuse (self, name, "its name is that of the folder itself");
    if (s_excluded (self, self->path))
        return s_refuse (self, self->path, "it is excluded");
    if (!twin && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK)
        return s_refuse (self, self->path, s_reason (type));
    char *last;
    int folder = s_parent (self, self->path, &last);
    if (folder < 0)
        return s_failed (self, "cannot reach the folder of", self->path);
    if (twin)
        return s_made (self, s_twin (self, folder, last, twin));
    if (type == AE_IFDIR)
        return s_made (self, s_folder (self, folder, last, archive_entry_mode (entry)));
    if (type == AE_IFREG)
        return s_made (self, s_file (self, folder, last, entry));
    const char *text = archive_entry_symlink (entry);
    return s_made (self, s_link (self, folder, last, text ? text : ""));
}

static int
s_entries (unpack_t *self)
{
    struct archive_entry *entry;
    for (;;) {
        int answer = archive_read_next_header (self->archive, &entry);
        if (answer == ARCHIVE_EOF)
            return 0;
        if (answer == ARCHIVE_RETRY)
            continue;
        if (answer < ARCHIVE_WARN)
            return tree_stream_fail (&self->stream, self->archive, self->path ? self->path : "");
        if (++self->job.entries > self->job.options.max_entries)
            return berth_fail (self->err, BERTH_INVALID, "the stream holds more than %llu entries",
                               (unsigned long long) self->job.options.max_entries);
        if (s_entry (self, entry) || tree_job_tick (&self->job, self->err))
            return -1;
    }
}

static int
s_read (unpack_t *self)
{
    self->archive = archive_read_new ();
    ENSURE (self->archive);
    if (archive_read_support_format_tar (self->archive) != ARCHIVE_OK
        || archive_read_open (self->archive, &self->stream, NULL, tree_stream_read, NULL)
            != ARCHIVE_OK)
        return tree_stream_fail (&self->stream, self->archive, "");
    if (s_entries (self))
        return -1;
    //  A stream ends with two blocks of zeros; one that was cut between two entries has none.
    int64_t at = archive_filter_bytes (self->archive, 0);
    if (at < 0 || (uint64_t) at < (uint64_t) archive_read_header_position (self->archive) + 1024)
        return berth_fail (self->err, BERTH_PROVIDER_UNAVAILABLE, "the stream was cut short");
    return 0;
}

int
tree_unpack (int from, int folder, const char *removed, const tree_options_t *options,
             tree_progress_t *ret_done, berth_error_t *err)
{
    unpack_t self = { .top = folder, .folder = -1, .removed_path = removed, .err = err };
    tree_job_start (&self.job, options);
    tree_stream_start (&self.stream, from, true, &self.job, err);
    int rc = 0;
    if (removed && !(self.removed = fopen (removed, "we")))
        rc = tree_fail (err, "cannot write", removed);
    if (rc == 0)
        rc = s_read (&self);
    if (self.archive)
        archive_read_free (self.archive);
    tree_stream_end (&self.stream);
    s_forget_parent (&self);
    if (rc == 0)
        rc = s_narrow (&self);
    if (self.removed && fclose (self.removed) && rc == 0)
        rc = tree_fail (err, "cannot write", removed);
    if (rc == 0 && self.job.options.progress)
        (void) self.job.options.progress (self.job.options.context, &self.job.done);  //  It is done
    if (rc == 0 && ret_done)
        *ret_done = self.job.done;
    tree_folders_free (&self.narrow);
    free (self.path);
    tree_job_end (&self.job);
    return rc;
}
