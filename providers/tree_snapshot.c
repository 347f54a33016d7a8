//  tree_snapshot.c - owns the snapshot file: what a folder held when it went out.
//
//      "berthsn2"                                       magic and version
//      started                                          8 bytes, ns by the clock that files have
//      excludes                                         count, then strings
//      per folder that holds something:
//          'D'  path                                    strings are size and bytes
//          per entry, sorted by name:
//              kind (+ 0x10: time unsure)  name  mode
//              file: size, mtime (8 bytes, ns), hash (16 bytes)      link: text
//          0
//      'E'  finished (8 bytes, ns)  XXH3-128 of everything before (16 bytes)
//
//  Version 1 had no times and no excludes; it is still read.
//
//  Sizes and modes are little-endian base 128.

#include "tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char s_magic [8] = "berthsn2", s_first [8] = "berthsn1";

enum { UNSURE = 0x10, FLUSH = 1 << 20 };

struct tree_writer {
    char *path, *temporary;
    int file;                           //  -1 when it is committed
    int error;                          //  errno of the first write that failed
    uint8_t *data;
    size_t size, room;
    XXH3_state_t *state;
    bool inside;                        //  A block is open
    char *folder;                       //  Of the block that opens with its first entry
};

int64_t
tree_now_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_REALTIME_COARSE, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void s_number (tree_writer_t *self, uint64_t number);
static void s_bytes (tree_writer_t *self, const void *data, size_t size);
static void s_string (tree_writer_t *self, const char *text, size_t size);

int
tree_writer_new (tree_writer_t **ret_self, const char *path, const char *const *excludes,
                 berth_error_t *err)
{
    tree_writer_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->path = strdup (path);
    self->temporary = malloc (strlen (path) + 5);
    self->state = XXH3_createState ();
    self->room = FLUSH + 65536;
    self->data = malloc (self->room);
    ENSURE (self->path && self->temporary && self->state && self->data);
    sprintf (self->temporary, "%s.tmp", path);
    //  Whatever stands there is a leftover, possibly a link: never opened, always made anew.
    (void) unlink (self->temporary);
    self->file = open (self->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (self->file < 0) {
        tree_fail (err, "cannot write the snapshot", path);
        tree_writer_destroy (&self);
        return -1;
    }
    XXH3_128bits_reset (self->state);
    memcpy (self->data, s_magic, self->size = sizeof s_magic);
    int64_t started_ns = tree_now_ns ();
    s_bytes (self, &started_ns, sizeof started_ns);
    size_t count = 0;
    while (excludes && excludes [count])
        count++;
    s_number (self, count);
    for (size_t index = 0; index < count; index++)
        s_string (self, excludes [index], strlen (excludes [index]));
    *ret_self = self;
    return 0;
}

static void
s_flush (tree_writer_t *self)
{
    XXH3_128bits_update (self->state, self->data, self->size);
    for (size_t at = 0; at < self->size && !self->error;) {
        ssize_t done = write (self->file, self->data + at, self->size - at);
        if (done > 0)
            at += (size_t) done;
        else if (errno != EINTR)
            self->error = errno;
    }
    self->size = 0;
}

static void
s_room (tree_writer_t *self, size_t size)
{
    if (self->size + size > self->room)
        s_flush (self);
    if (size > self->room) {
        self->room = size;
        self->data = realloc (self->data, size);
        ENSURE (self->data);
    }
}

static void
s_number (tree_writer_t *self, uint64_t number)
{
    s_room (self, 10);
    for (; number >= 0x80; number >>= 7)
        self->data [self->size++] = (uint8_t) (number | 0x80);
    self->data [self->size++] = (uint8_t) number;
}

static void
s_bytes (tree_writer_t *self, const void *data, size_t size)
{
    s_room (self, size);
    memcpy (self->data + self->size, data, size);
    self->size += size;
}

static void
s_string (tree_writer_t *self, const char *text, size_t size)
{
    s_number (self, size);
    s_bytes (self, text, size);
}

static void
s_end_block (tree_writer_t *self)
{
    if (self->inside)
        s_number (self, 0);
    self->inside = false;
    free (self->folder);
    self->folder = NULL;
}

void
tree_writer_folder (tree_writer_t *self, const char *path)
{
    s_end_block (self);
    self->folder = strdup (path);
    ENSURE (self->folder);
}

void
tree_writer_entry (tree_writer_t *self, const tree_entry_t *entry)
{
    if (!self->inside) {
        self->inside = true;
        s_bytes (self, "D", 1);
        s_string (self, self->folder, strlen (self->folder));
    }
    uint8_t lead = (uint8_t) (entry->kind | (entry->unsure ? UNSURE : 0));
    s_bytes (self, &lead, 1);
    s_string (self, entry->name, entry->name_size);
    s_number (self, entry->mode & 0777);
    if (entry->kind == TREE_FILE) {
        s_number (self, entry->content.size);
        s_bytes (self, &entry->mtime_ns, sizeof entry->mtime_ns);
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash (&canonical, entry->content.hash);
        s_bytes (self, &canonical, sizeof canonical);
    }
    else if (entry->kind == TREE_LINK)
        s_string (self, entry->text, entry->text_size);
}

int
tree_writer_commit (tree_writer_t *self, berth_error_t *err)
{
    s_end_block (self);
    s_bytes (self, "E", 1);
    int64_t finished_ns = tree_now_ns ();
    s_bytes (self, &finished_ns, sizeof finished_ns);
    s_flush (self);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash (&canonical, XXH3_128bits_digest (self->state));
    s_bytes (self, &canonical, sizeof canonical);
    s_flush (self);
    if ((errno = self->error) || rename (self->temporary, self->path))
        return tree_fail (err, "cannot write the snapshot", self->path);
    close (self->file);
    self->file = -1;
    return 0;
}

void
tree_writer_destroy (tree_writer_t **self_p)
{
    tree_writer_t *self = *self_p;
    if (!self)
        return;
    if (self->file >= 0) {
        close (self->file);
        (void) unlink (self->temporary);        //  Not committed: nothing remains
    }
    XXH3_freeState (self->state);
    free (self->folder);
    free (self->data);
    free (self->temporary);
    free (self->path);
    free (self);
    *self_p = NULL;
}

//  ---------------------------------------------------------------------------------------------

typedef struct {
    const uint8_t *path, *entries;      //  NULL: a free place of the table
    size_t path_size;
} block_t;

struct tree_snapshot {
    const uint8_t *data, *end;
    size_t size;                        //  As mapped
    int64_t started_ns, finished_ns;
    char **excludes;                    //  NULL-ended
    block_t *blocks;                    //  Open addressing, a power of two
    size_t count, room;
};

static bool
s_get_number (const uint8_t **at, const uint8_t *end, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *number |= (uint64_t) (byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool
s_get_string (const uint8_t **at, const uint8_t *end, const uint8_t **data, size_t *size)
{
    uint64_t number;
    if (!s_get_number (at, end, &number) || number > (uint64_t) (end - *at))
        return false;
    *data = *at;
    *size = (size_t) number;
    *at += number;
    return true;
}

//  False at the end of the block and where the bytes make no sense: `*at` is NULL then.
static bool
s_get_entry (const uint8_t **at, const uint8_t *end, tree_entry_t *entry)
{
    *entry = (tree_entry_t) { 0 };
    if (*at >= end)
        goto bad;
    uint8_t lead = *(*at)++;
    if (lead == 0)
        return false;
    entry->kind = (tree_kind_t) (lead & 0x0f);
    entry->unsure = lead & UNSURE;
    uint64_t mode;
    if (!s_get_string (at, end, (const uint8_t **) &entry->name, &entry->name_size)
        || entry->name_size == 0 || !s_get_number (at, end, &mode))
        goto bad;
    entry->mode = (mode_t) mode;
    if (entry->kind == TREE_FOLDER)
        return true;
    if (entry->kind == TREE_LINK) {
        if (s_get_string (at, end, (const uint8_t **) &entry->text, &entry->text_size))
            return true;
        goto bad;
    }
    if (entry->kind != TREE_FILE || !s_get_number (at, end, &entry->content.size)
        || end - *at < 24)
        goto bad;
    memcpy (&entry->mtime_ns, *at, 8);
    XXH128_canonical_t canonical;
    memcpy (&canonical, *at + 8, 16);
    entry->content.hash = XXH128_hashFromCanonical (&canonical);
    *at += 24;
    return true;
bad:
    *at = NULL;
    return false;
}

static block_t *
s_find (const tree_snapshot_t *self, const uint8_t *path, size_t size)
{
    size_t index = (size_t) XXH3_64bits (path, size);
    for (;; index++) {
        block_t *block = &self->blocks [index & (self->room - 1)];
        if (!block->path || (block->path_size == size && memcmp (block->path, path, size) == 0))
            return block;
    }
}

static void
s_grow (tree_snapshot_t *self)
{
    block_t *old = self->blocks;
    size_t room = self->room;
    self->room = room ? 2 * room : 64;
    self->blocks = calloc (self->room, sizeof *self->blocks);
    ENSURE (self->blocks);
    for (size_t index = 0; index < room; index++)
        if (old [index].path)
            *s_find (self, old [index].path, old [index].path_size) = old [index];
    free (old);
}

//  Times and excludes.
static bool
s_head (tree_snapshot_t *self, const uint8_t **at)
{
    uint64_t count;
    if (self->end - *at < (ptrdiff_t) sizeof self->started_ns)
        return false;
    memcpy (&self->started_ns, *at, sizeof self->started_ns);
    *at += sizeof self->started_ns;
    if (!s_get_number (at, self->end, &count) || count > (uint64_t) (self->end - *at))
        return false;
    self->excludes = calloc ((size_t) count + 1, sizeof *self->excludes);
    ENSURE (self->excludes);
    for (size_t index = 0; index < count; index++) {
        const uint8_t *text;
        size_t size;
        if (!s_get_string (at, self->end, &text, &size))
            return false;
        self->excludes [index] = strndup ((const char *) text, size);
        ENSURE (self->excludes [index]);
    }
    return true;
}

static bool
s_index (tree_snapshot_t *self)
{
    const uint8_t *at = self->data + sizeof s_magic;
    bool first = memcmp (self->data, s_first, sizeof s_first) == 0;
    self->started_ns = self->finished_ns = INT64_MIN;
    if (!first && !s_head (self, &at))
        return false;
    s_grow (self);
    while (at < self->end && *at == 'D') {
        at++;
        block_t block;
        if (!s_get_string (&at, self->end, &block.path, &block.path_size))
            return false;
        block.entries = at;
        tree_entry_t entry;
        while (s_get_entry (&at, self->end, &entry))
            ;
        if (!at)
            return false;
        if (2 * ++self->count > self->room)
            s_grow (self);
        *s_find (self, block.path, block.path_size) = block;
    }
    if (at == self->end || *at++ != 'E')
        return false;
    if (!first && self->end - at == sizeof self->finished_ns) {
        memcpy (&self->finished_ns, at, sizeof self->finished_ns);
        at += sizeof self->finished_ns;
    }
    return at == self->end;
}

int
tree_snapshot_open (tree_snapshot_t **ret_self, const char *path, berth_error_t *err)
{
    int file = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat about;
    if (file < 0 || fstat (file, &about)) {
        int rc = tree_fail (err, "cannot read the snapshot", path);
        if (file >= 0)
            close (file);
        return rc;
    }
    size_t size = (size_t) about.st_size;
    void *data = size ? mmap (NULL, size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    close (file);
    size_t least = sizeof s_magic + 1 + sizeof (XXH128_canonical_t);
    tree_snapshot_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    if (data != MAP_FAILED)
        *self = (tree_snapshot_t) { .data = data, .size = size };
    const char *wrong = NULL;
    if (size < least || data == MAP_FAILED)
        wrong = "is cut short";
    else if (memcmp (data, s_magic, sizeof s_magic - 1) != 0)
        wrong = "is no snapshot";
    else if (memcmp (data, s_magic, sizeof s_magic) && memcmp (data, s_first, sizeof s_first))
        wrong = "is of another version";
    else {
        self->end = self->data + size - sizeof (XXH128_canonical_t);
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash (&canonical, XXH3_128bits (data, size - sizeof canonical));
        if (memcmp (&canonical, self->end, sizeof canonical) != 0 || !s_index (self))
            wrong = "is damaged";
    }
    if (wrong) {
        tree_snapshot_destroy (&self);
        return berth_fail (err, BERTH_INVALID, "the snapshot '%.150s' %s", path, wrong);
    }
    *ret_self = self;
    return 0;
}

void
tree_snapshot_destroy (tree_snapshot_t **self_p)
{
    tree_snapshot_t *self = *self_p;
    if (!self)
        return;
    if (self->data)
        munmap ((void *) self->data, self->size);
    for (size_t index = 0; self->excludes && self->excludes [index]; index++)
        free (self->excludes [index]);
    free (self->excludes);
    free (self->blocks);
    free (self);
    *self_p = NULL;
}

int64_t
tree_snapshot_started (const tree_snapshot_t *self)
{
    return self->started_ns;
}

int64_t
tree_snapshot_finished (const tree_snapshot_t *self)
{
    return self->finished_ns;
}

const char *const *
tree_snapshot_excludes (const tree_snapshot_t *self)
{
    return (const char *const *) self->excludes;
}

tree_cursor_t
tree_snapshot_folder (const tree_snapshot_t *self, const char *path)
{
    block_t *block = s_find (self, (const uint8_t *) path, strlen (path));
    return (tree_cursor_t) { block->path ? block->entries : NULL, self->end };
}

bool
tree_cursor_next (tree_cursor_t *self, tree_entry_t *entry)
{
    if (self->at && s_get_entry (&self->at, self->end, entry))
        return true;
    self->at = NULL;
    return false;
}

tree_seek_t
tree_seek_start (const tree_snapshot_t *snapshot, const char *path)
{
    tree_seek_t self = { .more = false };
    if (snapshot)
        self.cursor = tree_snapshot_folder (snapshot, path);
    self.more = tree_cursor_next (&self.cursor, &self.entry);
    return self;
}

bool
tree_seek (tree_seek_t *self, const char *name)
{
    size_t size = strlen (name);
    for (; self->more; self->more = tree_cursor_next (&self->cursor, &self->entry)) {
        size_t least = size < self->entry.name_size ? size : self->entry.name_size;
        int order = memcmp (self->entry.name, name, least);
        if (order == 0)
            order = (self->entry.name_size > size) - (self->entry.name_size < size);
        if (order >= 0)
            return order == 0;
    }
    return false;
}
