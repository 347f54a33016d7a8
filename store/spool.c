//  spool.c - owns the writing side of a spool: the folder and its last segment.

#include "spool_segment.h"

#include "plant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SPOOL_MAGIC 0x590010c1u

struct spool {
    uint32_t magic;
    int folder;
    int file;                           //  The last segment; -1 before the first byte
    uint32_t first, last;               //  Numbers of segments; 0: none
    int on_full;
    bool ended;
    uint64_t max;
    uint64_t at [2];                    //  Written by the child, dropped ones included
    uint64_t kept;
    uint64_t segment_kept;              //  Payload in the last segment
    uint64_t size;                      //  Of the last segment's file, whole records only
    uint64_t dropped [2];               //  DROP_NEW: what the mark at `cut_at` says
    uint64_t cut_at;                    //  0: no mark
    bool truncated;
};

static int
s_fail_write (berth_error_t *err, const char *what)
{
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    return berth_fail_errno (err, full ? BERTH_STORE_FULL : BERTH_INTERNAL, "%s", what);
}

//  What a segment holds ends where the next one begins.
static int
s_begins (spool_t *self, uint32_t number, uint64_t *ret_all, berth_error_t *err)
{
    spool_head_t head;
    int file = spool_segment_open (self->folder, number, O_RDONLY, &head, err);
    if (file == -2)
        return berth_fail (err, BERTH_INVALID, "segment %u of the spool is missing", number);
    if (file < 0)
        return -1;
    close (file);
    *ret_all = head.at [0] + head.at [1];
    return 0;
}

static int
s_roll (spool_t *self, berth_error_t *err)
{
    spool_head_t head;
    char name [16];
    spool_head_make (&head, self->last + 1, self->on_full, self->at);
    spool_segment_name (head.number, name);
    int file = openat (self->folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return s_fail_write (err, "no new segment of the spool can be made");
    if (pwrite (file, &head, sizeof head, 0) != (ssize_t) sizeof head) {
        int rc = s_fail_write (err, "no new segment of the spool can be written");
        close (file);
        (void) unlinkat (self->folder, name, 0);
        return rc;
    }
    if (self->file >= 0)
        close (self->file);
    self->file = file;
    self->last = head.number;
    if (!self->first)
        self->first = head.number;
    self->segment_kept = 0;
    self->size = sizeof head;
    return 0;
}

static int
s_drop_first (spool_t *self, berth_error_t *err)
{
    uint64_t start, end;
    if (s_begins (self, self->first, &start, err) || s_begins (self, self->first + 1, &end, err))
        return -1;
    char name [16];
    spool_segment_name (self->first, name);
    if (unlinkat (self->folder, name, 0) && errno != ENOENT)
        return berth_fail_errno (err, BERTH_INTERNAL, "segment %s cannot be dropped", name);
    self->kept -= end - start;
    self->first++;
    return 0;
}

//  Goes along the last segment, as far as its records are whole, and cuts the rest.
static int
s_recover_last (spool_t *self, const spool_head_t *head, berth_error_t *err)
{
    uint8_t *window = malloc (SPOOL_WINDOW);
    ENSURE (window);
    spool_walk_t walk;
    spool_record_t record;
    const uint8_t *payload;
    berth_error_t torn = { 0 };
    spool_walk_start (&walk, self->file, sizeof *head, window);
    self->at [0] = head->at [0];
    self->at [1] = head->at [1];
    while (spool_walk_peek (&walk, &record, &torn) == 1
    && spool_walk_load (&walk, &record, &payload, &torn) == 1) {
        if (record.flags & SPOOL_LAST)
            self->ended = true;
        else if (record.flags & SPOOL_CUT) {
            memcpy (self->dropped, payload, sizeof self->dropped);
            self->cut_at = walk.position;
        }
        else {
            self->at [record.stream - 1] += record.length;
            self->segment_kept += record.length;
        }
        spool_walk_skip (&walk, &record);
    }
    free (window);
    if (torn.code == BERTH_INTERNAL) {
        *err = torn;
        return -1;
    }
    self->size = walk.position;
    self->at [0] += self->dropped [0];
    self->at [1] += self->dropped [1];
    if (ftruncate (self->file, (off_t) self->size))
        return berth_fail_errno (err, BERTH_INTERNAL, "the torn end of the spool cannot be cut");
    return 0;
}

static int
s_recover (spool_t *self, berth_error_t *err)
{
    spool_head_t head;
    if (spool_segment_range (self->folder, &self->first, &self->last, err))
        return -1;
    while (self->last) {
        self->file = spool_segment_open (self->folder, self->last, O_RDWR, &head, err);
        if (self->file >= 0)
            break;
        if (self->file == -1)
            return -1;
        char name [16];                 //  Torn while it was made: nothing was in it
        spool_segment_name (self->last, name);
        self->file = -1;
        (void) unlinkat (self->folder, name, 0);
        self->last = self->last == self->first ? (self->first = 0) : self->last - 1;
    }
    if (!self->last)
        return 0;
    uint64_t start;
    if (s_recover_last (self, &head, err) || s_begins (self, self->first, &start, err))
        return -1;
    self->kept = head.at [0] + head.at [1] - start + self->segment_kept;
    self->truncated = self->cut_at || (self->on_full == SPOOL_DROP_OLDEST && start > 0);
    return 0;
}

int
spool_open (const char *folder, uint64_t max_bytes, int on_full, spool_t **ret_self,
            berth_error_t *err)
{
    ENSURE (on_full >= SPOOL_DROP_OLDEST && on_full <= SPOOL_BLOCK);
    if (mkdir (folder, 0700) && errno != EEXIST)
        return s_fail_write (err, "the spool's folder cannot be made");
    own (spool) self = calloc (1, sizeof (spool_t));
    ENSURE (self);
    self->magic = SPOOL_MAGIC;
    self->file = -1;
    self->on_full = on_full;
    self->max = max_bytes ? max_bytes : SPOOL_DEFAULT_MAX;
    self->folder = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (self->folder < 0)
        return berth_fail_errno (err, errno == ENOTDIR ? BERTH_INVALID : BERTH_INTERNAL,
                                 "the spool cannot be opened");
    if (s_recover (self, err))
        return -1;
    *ret_self = take (self);
    return 0;
}

void
spool_prepare (spool_t *self)
{
    CHECK (self, SPOOL_MAGIC);
    berth_error_t ignored = { 0 };
    if (self->file < 0 && !self->ended)
        (void) s_roll (self, &ignored);
}

bool
spool_prepared (const spool_t *self)
{
    CHECK (self, SPOOL_MAGIC);
    return self->file >= 0;
}

int
spool_adopt (spool_t *self, const char *from, const char *folder, uint64_t max_bytes, int on_full,
             berth_error_t *err)
{
    CHECK (self, SPOOL_MAGIC);
    ENSURE (self->file >= 0 && !self->ended && self->at [0] + self->at [1] == 0);
    spool_head_t head;
    spool_head_make (&head, self->last, on_full, self->at);
    if (on_full != self->on_full
        && pwrite (self->file, &head, sizeof head, 0) != (ssize_t) sizeof head)
        return s_fail_write (err, "the spool cannot be written");
    self->on_full = on_full;
    self->max = max_bytes ? max_bytes : SPOOL_DEFAULT_MAX;
    if (renameat2 (AT_FDCWD, from, AT_FDCWD, folder, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EEXIST ? berth_fail (err, BERTH_CONFLICT, "the exec was started before")
                           : s_fail_write (err, "the spool's folder cannot be made");
}

void
spool_destroy (spool_t **self_p)
{
    spool_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, SPOOL_MAGIC);
    if (self->file >= 0)
        close (self->file);
    if (self->folder >= 0)
        close (self->folder);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

//  Writes one record at `at` of the last segment; what was written in part is taken back.
static int
s_write (spool_t *self, uint64_t at, spool_record_t *record, const void *payload,
         berth_error_t *err)
{
    record->checksum = spool_record_checksum (record, payload);
    struct iovec parts [2] = {
        { record, sizeof *record }, { (void *) (uintptr_t) payload, record->length }
    };
    size_t size = sizeof *record + record->length;
    ssize_t done = pwritev (self->file, parts, 2, (off_t) at);
    if (done == (ssize_t) size)
        return 0;
    if (done >= 0)
        errno = ENOSPC;
    int rc = s_fail_write (err, "output cannot be written to the spool");
    (void) !ftruncate (self->file, (off_t) self->size);
    return rc;
}

static int
s_keep (spool_t *self, int stream, int64_t time_ms, const void *data, size_t size,
        berth_error_t *err)
{
    uint64_t segment_max = self->max / SPOOL_SEGMENTS;
    if (self->file < 0 || (self->segment_kept && self->segment_kept + size > segment_max))
        if (s_roll (self, err))
            return -1;
    while (self->on_full == SPOOL_DROP_OLDEST && self->kept + size > self->max
    && self->first < self->last) {
        if (s_drop_first (self, err))
            return -1;
        self->truncated = true;
    }
    spool_record_t record = {
        .length = (uint32_t) size, .stream = (uint8_t) stream, .time_ms = time_ms
    };
    if (PLANTED ("byte-lost") && size > 1)
        record.length--;
    size = record.length;
    if (s_write (self, self->size, &record, data, err))
        return -1;
    self->size += sizeof record + size;
    self->kept += size;
    self->segment_kept += size;
    self->at [stream - 1] += size;
    return 0;
}

//  DROP_NEW: the mark is the last record there is; it counts up in its place.
static int
s_cut (spool_t *self, int stream, int64_t time_ms, size_t size, berth_error_t *err)
{
    if (self->file < 0 && s_roll (self, err))
        return -1;
    uint64_t dropped [2] = { self->dropped [0], self->dropped [1] };
    dropped [stream - 1] += size;
    spool_record_t record = {
        .length = sizeof dropped, .stream = (uint8_t) stream, .flags = SPOOL_CUT, .time_ms = time_ms
    };
    uint64_t at = self->cut_at ? self->cut_at : self->size;
    if (s_write (self, at, &record, dropped, err))
        return -1;
    if (!self->cut_at) {
        self->cut_at = self->size;
        self->size += sizeof record + sizeof dropped;
    }
    self->dropped [stream - 1] += size;
    self->at [stream - 1] += size;
    self->truncated = true;
    return 0;
}

int
spool_append (spool_t *self, int stream, int64_t time_ms, const void *data, size_t size,
              berth_error_t *err)
{
    CHECK (self, SPOOL_MAGIC);
    ENSURE (stream == SPOOL_STDOUT || stream == SPOOL_STDERR);
    ENSURE (size <= SPOOL_RECORD_MAX);
    if (self->ended)
        return berth_fail (err, BERTH_CONFLICT, "the spool has its end already");
    if (size == 0)
        return 0;
    if (self->on_full == SPOOL_BLOCK && self->kept && size > spool_room (self))
        return 1;
    if (self->on_full == SPOOL_DROP_NEW) {
        uint64_t room = self->cut_at || self->kept >= self->max ? 0 : self->max - self->kept;
        if (room < size) {
            if (room && s_keep (self, stream, time_ms, data, (size_t) room, err))
                return -1;
            if (s_cut (self, stream, time_ms, size - (size_t) room, err) == 0)
                return 0;
            //  The caller tries the whole again: take back the part, it was the last record
            if (room) {
                self->size -= sizeof (spool_record_t) + room;
                self->kept -= room;
                self->segment_kept -= room;
                self->at [stream - 1] -= room;
                (void) !ftruncate (self->file, (off_t) self->size);
            }
            return -1;
        }
    }
    return s_keep (self, stream, time_ms, data, size, err);
}

uint64_t
spool_room (const spool_t *self)
{
    CHECK (self, SPOOL_MAGIC);
    if (self->on_full != SPOOL_BLOCK)
        return UINT64_MAX;
    return self->kept < self->max ? self->max - self->kept : 0;
}

void
spool_release (spool_t *self, uint64_t all_offset)
{
    CHECK (self, SPOOL_MAGIC);
    if (self->on_full != SPOOL_BLOCK)
        return;
    uint64_t end;
    berth_error_t ignored = { 0 };      //  What cannot go now goes with the folder
    //  What is being written may go too, once it holds the writer up; the end stays the last record
    if (self->first && !self->ended && self->at [0] + self->at [1] <= all_offset && self->segment_kept
    && spool_room (self) < self->max / 2)
        (void) s_roll (self, &ignored);
    while (self->first < self->last && s_begins (self, self->first + 1, &end, &ignored) == 0
    && end <= all_offset && s_drop_first (self, &ignored) == 0)
        continue;
}

void
spool_size (const spool_t *self, spool_size_t *ret_size)
{
    CHECK (self, SPOOL_MAGIC);
    *ret_size = (spool_size_t) {
        .stdout_bytes = self->at [0], .stderr_bytes = self->at [1],
        .all_bytes = self->at [0] + self->at [1],
        .kept_bytes = self->kept, .truncated = self->truncated
    };
}

static int
s_sync (spool_t *self, berth_error_t *err)
{
    for (uint32_t number = self->first; number && number < self->last; number++) {
        char name [16];
        spool_segment_name (number, name);
        int file = openat (self->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (file < 0)
            continue;
        int rc = fdatasync (file);
        close (file);
        if (rc)
            return s_fail_write (err, "the spool cannot be synced");
    }
    if (self->file >= 0 && fdatasync (self->file))
        return s_fail_write (err, "the spool cannot be synced");
    return 0;
}

int
spool_end (spool_t *self, const void *end, size_t size, bool sync, berth_error_t *err)
{
    CHECK (self, SPOOL_MAGIC);
    ENSURE (size <= SPOOL_END_MAX);
    if (self->ended)
        return berth_fail (err, BERTH_CONFLICT, "the spool has its end already");
    if (self->file < 0 && s_roll (self, err))
        return -1;
    spool_last_t last = { .size = (uint32_t) size };
    memcpy (last.data, end, size);
    spool_record_t record = {
        .length = sizeof last, .stream = SPOOL_STDOUT, .flags = SPOOL_LAST
    };
    //  One sync for output and end: each costs a commit of the file system's journal. The folder's
    //  own is nearly free behind it.
    if (s_write (self, self->size, &record, &last, err) || (sync && s_sync (self, err)))
        return -1;
    if (sync && fsync (self->folder))
        return s_fail_write (err, "the spool cannot be synced");
    self->size += sizeof record + sizeof last;
    self->ended = true;
    return 0;
}
