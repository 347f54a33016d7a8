//  tree_pack.c - owns the stream that a folder becomes.

#include "tree_out.h"
#include "tree_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

//  Files with more than one name, by where they are.
typedef struct {
    dev_t device;
    ino_t inode;                        //  0: a free place of the table
    char *path;
    tree_content_t content;
} twin_t;

typedef struct {
    tree_job_t job;
    tree_stream_t stream;
    int source;
    struct archive *archive;
    struct archive_entry *entry;
    tree_snapshot_t *known, *have;
    tree_writer_t *writer;
    tree_seek_t theirs;                 //  Of `have`, in the folder that is walked
    twin_t *twins;                      //  Open addressing, a power of two
    size_t twin_count, twin_room;
    char *removed;                      //  Paths that are to be said, each ended by NUL
    size_t removed_size, removed_room;
    uint8_t *zeros;                     //  TREE_BUFFER of them, when needed
    berth_error_t *err;
} pack_t;

//  ---------------------------------------------------------------------------------------------
//  What the other side has

static int
s_list (void *context, const char *path, tree_list_t *ret_names)
{
    pack_t *self = context;
    self->theirs = tree_seek_start (self->have, path);
    tree_seek_t all = self->theirs;
    char name [NAME_MAX + 1];
    for (; all.more; all.more = tree_cursor_next (&all.cursor, &all.entry)) {
        if (all.entry.name_size > NAME_MAX || memchr (all.entry.name, 0, all.entry.name_size)
            || memchr (all.entry.name, '/', all.entry.name_size))
            return berth_fail (self->err, BERTH_INVALID, "a snapshot has a name that cannot be");
        memcpy (name, all.entry.name, all.entry.name_size);
        name [all.entry.name_size] = 0;
        tree_list_add (ret_names, name, 0);
    }
    return 0;
}

static int
s_look (void *context, const char *name, const tree_entry_t *known, tree_entry_t *ret_there)
{
    (void) known;
    pack_t *self = context;
    *ret_there = (tree_entry_t) { .kind = TREE_NONE };
    if (tree_seek (&self->theirs, name)) {
        *ret_there = self->theirs.entry;
        ret_there->unsure = false;      //  Its hash is known, whatever its time says
    }
    return 0;
}

//  A mode that differs travels with its file.
static int
s_same (void *context, const char *name, const struct stat *about, const tree_entry_t *there)
{
    (void) context;
    (void) name;
    return there->mode != (about->st_mode & 0777);
}

//  ---------------------------------------------------------------------------------------------
//  What is gone

static int s_say_removed (pack_t *self);

static int
s_gone (void *context, const char *path, const char *name)
{
    (void) name;
    pack_t *self = context;
    size_t size = strlen (path) + 1;
    if (self->removed_size + size > self->removed_room) {
        self->removed_room = 2 * self->removed_room + size + 4096;
        self->removed = realloc (self->removed, self->removed_room);
        ENSURE (self->removed);
    }
    memcpy (self->removed + self->removed_size, path, size);
    self->removed_size += size;
    return self->removed_size < TREE_BUFFER ? 0 : s_say_removed (self);
}

//  ---------------------------------------------------------------------------------------------
//  Entries

static struct archive_entry *
s_entry (pack_t *self, const char *path, mode_t type, mode_t mode)
{
    archive_entry_clear (self->entry);
    archive_entry_copy_pathname (self->entry, path);
    archive_entry_set_filetype (self->entry, type);
    archive_entry_set_perm (self->entry, mode & 0777);
    return self->entry;
}

static int
s_header (pack_t *self, const char *path)
{
    return archive_write_header (self->archive, self->entry) < ARCHIVE_WARN
        ? tree_stream_fail (&self->stream, self->archive, path) : 0;
}

static int
s_data (pack_t *self, const void *data, size_t size, const char *path)
{
    for (size_t at = 0; at < size;) {
        la_ssize_t done = archive_write_data (self->archive, (const uint8_t *) data + at, size - at);
        if (done < 0)
            return tree_stream_fail (&self->stream, self->archive, path);
        if (done == 0)
            break;                      //  All that the header announced
        at += (size_t) done;
    }
    return 0;
}

static int
s_say_removed (pack_t *self)
{
    if (self->removed_size == 0)
        return 0;
    archive_entry_set_size (s_entry (self, TREE_REMOVED, AE_IFREG, 0600),
                            (la_int64_t) self->removed_size);
    if (s_header (self, TREE_REMOVED)
        || s_data (self, self->removed, self->removed_size, TREE_REMOVED))
        return -1;
    self->removed_size = 0;
    return 0;
}

static int
s_folder (void *context, const char *path, const tree_entry_t *entry)
{
    pack_t *self = context;
    if (s_say_removed (self))
        return -1;
    s_entry (self, path, AE_IFDIR, entry->mode);
    return s_header (self, path);
}

static int
s_link (void *context, const char *path, const tree_entry_t *entry)
{
    pack_t *self = context;
    if (s_say_removed (self))
        return -1;
    archive_entry_copy_symlink (s_entry (self, path, AE_IFLNK, 0777), entry->text);
    return s_header (self, path);
}

//  ---------------------------------------------------------------------------------------------
//  Files

static twin_t *
s_twin (pack_t *self, const struct stat *about)
{
    size_t mask = self->twin_room - 1;
    for (size_t at = (size_t) (about->st_ino * 0x9e3779b97f4a7c15u >> 20) & mask; ;
         at = (at + 1) & mask) {
        twin_t *twin = &self->twins [at];
        if (!twin->inode || (twin->inode == about->st_ino && twin->device == about->st_dev))
            return twin;
    }
}

static void
s_add_twin (pack_t *self, const struct stat *about, const char *path,
            const tree_content_t *content)
{
    if (2 * (self->twin_count + 1) > self->twin_room) {
        twin_t *old = self->twins;
        size_t room = self->twin_room;
        self->twin_room = room ? 2 * room : 64;
        self->twins = calloc (self->twin_room, sizeof *self->twins);
        ENSURE (self->twins);
        for (size_t index = 0; index < room; index++)
            if (old [index].inode) {
                struct stat key = { .st_dev = old [index].device, .st_ino = old [index].inode };
                *s_twin (self, &key) = old [index];
            }
        free (old);
    }
    twin_t *twin = s_twin (self, about);
    *twin = (twin_t) { about->st_dev, about->st_ino, strdup (path), *content };
    ENSURE (twin->path);
    self->twin_count++;
}

//  Tells the header which parts of the file hold something.
static void
s_holes (pack_t *self, int from, const struct stat *about)
{
    if ((uint64_t) about->st_blocks * 512 >= (uint64_t) about->st_size)
        return;
    off_t at = 0, data;
    while (at < about->st_size && (data = lseek (from, at, SEEK_DATA)) >= 0
           && data < about->st_size) {
        off_t end = lseek (from, data, SEEK_HOLE);
        off_t start = data / TREE_BLOCK * TREE_BLOCK;
        if (start < at)
            start = at;
        end = end <= data ? about->st_size : (end + TREE_BLOCK - 1) / TREE_BLOCK * TREE_BLOCK;
        if (end > about->st_size)
            end = about->st_size;
        archive_entry_sparse_add_entry (self->entry, start, end - start);
        at = end;
    }
    if (at == 0)
        archive_entry_sparse_add_entry (self->entry, about->st_size, 0);
}

typedef struct {
    pack_t *pack;
    const char *path;
    uint64_t at;                        //  What the archive has of the file
} file_t;

static int
s_zeros (file_t *file, uint64_t to)
{
    pack_t *self = file->pack;
    if (!self->zeros) {
        self->zeros = calloc (1, TREE_BUFFER);
        ENSURE (self->zeros);
    }
    while (file->at < to) {
        size_t size = to - file->at < TREE_BUFFER ? (size_t) (to - file->at) : TREE_BUFFER;
        if (s_data (self, self->zeros, size, file->path) || tree_job_tick (&self->job, self->err))
            return -1;
        file->at += size;
    }
    return 0;
}

static int
s_piece (void *context, const uint8_t *data, size_t size, uint64_t offset)
{
    file_t *file = context;
    if (s_zeros (file, offset) || s_data (file->pack, data, size, file->path))
        return -1;
    file->at += size;
    return 0;
}

static int
s_file (void *context, const char *path, int from, const struct stat *about, tree_entry_t *entry)
{
    pack_t *self = context;
    bool twins = about->st_nlink > 1;
    if (s_say_removed (self))
        return -1;
    const twin_t *twin = twins && self->twin_count ? s_twin (self, about) : NULL;
    s_entry (self, path, AE_IFREG, about->st_mode);
    archive_entry_set_mtime (self->entry, about->st_mtim.tv_sec, about->st_mtim.tv_nsec);
    if (twin && twin->inode) {
        archive_entry_copy_hardlink (self->entry, twin->path);
        entry->content = twin->content;
        return s_header (self, path);
    }
    archive_entry_set_size (self->entry, about->st_size);
    s_holes (self, from, about);
    if (s_header (self, path))
        return -1;
    file_t file = { .pack = self, .path = path };
    switch (tree_pump_to (&self->job, from, about, s_piece, &file, &entry->content, self->err)) {
        case PUMP_READ_FAILED: return tree_fail (self->err, "cannot read", path);
        case PUMP_WRITE_FAILED: case PUMP_STOPPED: return -1;
        case PUMP_DONE: break;
    }
    //  Cut while it was read: the header promised more, so zeros follow.
    if (entry->content.size < (uint64_t) about->st_size) {
        tree_job_refuse (&self->job, path, "it was cut while it was read: its end is zeros");
        entry->content.size = (uint64_t) about->st_size;
    }
    if (s_zeros (&file, (uint64_t) about->st_size))
        return -1;
    if (twins)
        s_add_twin (self, about, path, &entry->content);
    return 0;
}

static const tree_sink_t s_sink = {
    .list = s_list, .look = s_look, .same = s_same, .gone = s_gone, .file = s_file,
    .link = s_link, .folder = s_folder,
};

//  ---------------------------------------------------------------------------------------------

static int
s_open (pack_t *self, const char *source, const tree_pack_t *how, bool no_links)
{
    berth_error_t why = { 0 };
    self->source = tree_open_host (source, no_links);
    if (self->source < 0)
        return tree_fail (self->err, "cannot read the folder", source);
    if (how->known)
        (void) tree_snapshot_open (&self->known, how->known, &why);     //  Else all is read
    if (how->have && tree_snapshot_open (&self->have, how->have, self->err))
        return -1;
    return tree_writer_new (&self->writer, how->snapshot, self->job.options.excludes, self->err);
}

static int
s_pack (pack_t *self, const tree_sink_t *sink)
{
    tree_out_t walk = { .job = &self->job, .source = self->source, .known = self->known,
                        .writer = self->writer, .sink = sink, .self = self, .err = self->err };
    return tree_out (&walk);
}

static int
s_write (pack_t *self)
{
    self->archive = archive_write_new ();
    self->entry = archive_entry_new ();
    ENSURE (self->archive && self->entry);
    if (archive_write_set_format_pax (self->archive) != ARCHIVE_OK
        || archive_write_set_bytes_per_block (self->archive, 65536) != ARCHIVE_OK
        || archive_write_set_bytes_in_last_block (self->archive, 512) != ARCHIVE_OK
        || archive_write_open (self->archive, &self->stream, NULL, tree_stream_write, NULL))
        return tree_stream_fail (&self->stream, self->archive, "");
    tree_sink_t sink = s_sink;
    if (!self->have)
        sink.list = NULL;
    if (s_pack (self, &sink) || s_say_removed (self))
        return -1;
    return archive_write_close (self->archive) == ARCHIVE_OK
        ? 0 : tree_stream_fail (&self->stream, self->archive, "");
}

static int
s_end (pack_t *self, int rc, tree_progress_t *ret_done)
{
    if (rc == 0)
        rc = tree_writer_commit (self->writer, self->err);
    tree_writer_destroy (&self->writer);
    tree_snapshot_destroy (&self->known);
    tree_snapshot_destroy (&self->have);
    if (self->source >= 0)
        close (self->source);
    if (rc == 0 && self->job.options.progress)
        (void) self->job.options.progress (self->job.options.context, &self->job.done);  //  Done
    if (rc == 0 && ret_done)
        *ret_done = self->job.done;
    tree_job_end (&self->job);
    return rc;
}

int
tree_pack (const char *source, const tree_pack_t *how, int to, const tree_options_t *options,
           tree_progress_t *ret_done, uint64_t *ret_sent, berth_error_t *err)
{
    pack_t self = { .source = -1, .err = err };
    tree_job_start (&self.job, options);
    tree_stream_start (&self.stream, to, false, &self.job, err);
    int rc = s_open (&self, source, how, options && options->no_links);
    if (rc == 0)
        rc = s_write (&self);
    if (self.archive) {
        self.stream.over = true;
        archive_write_free (self.archive);
        archive_entry_free (self.entry);
    }
    tree_stream_end (&self.stream);
    for (size_t index = 0; index < self.twin_room; index++)
        free (self.twins [index].path);
    free (self.twins);
    free (self.removed);
    free (self.zeros);
    rc = s_end (&self, rc, ret_done);
    if (rc == 0 && ret_sent)
        *ret_sent = self.stream.bytes;
    return rc;
}

//  ---------------------------------------------------------------------------------------------
//  Only looking

static int
s_read (void *context, const char *path, int from, const struct stat *about, tree_entry_t *entry)
{
    pack_t *self = context;
    switch (tree_pump (&self->job, from, about, -1, &entry->content, self->err)) {
        case PUMP_READ_FAILED: case PUMP_WRITE_FAILED:
            return tree_fail (self->err, "cannot read", path);
        case PUMP_STOPPED: return -1;
        case PUMP_DONE: break;
    }
    return 0;
}

static int
s_no_entry (void *context, const char *path, const tree_entry_t *entry)
{
    (void) context;
    (void) path;
    (void) entry;
    return 0;
}

static int
s_no_name (void *context, const char *path, const char *name)
{
    (void) context;
    (void) path;
    (void) name;
    return 0;
}

static int
s_believe (void *context, const char *name, const struct stat *about, const tree_entry_t *there)
{
    (void) context;
    (void) name;
    (void) about;
    (void) there;
    return 0;
}

int
tree_snapshot_take (const char *source, const char *known, const char *snapshot,
                    const tree_options_t *options, tree_progress_t *ret_done, berth_error_t *err)
{
    //  What is known stands for the other side: what it has is not read.
    static const tree_sink_t sink = { .list = s_list, .look = s_look, .same = s_believe,
                                      .gone = s_no_name, .file = s_read, .link = s_no_entry,
                                      .folder = s_no_entry };
    pack_t self = { .source = -1, .err = err };
    tree_pack_t how = { .known = known, .snapshot = snapshot };
    tree_job_start (&self.job, options);
    int rc = s_open (&self, source, &how, options && options->no_links);
    self.have = self.known;
    if (rc == 0)
        rc = s_pack (&self, &sink);
    self.have = NULL;
    return s_end (&self, rc, ret_done);
}
