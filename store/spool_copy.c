//  spool_copy.c - owns copies of spools on another machine: giving out what lies on disk, taking it in.
//
//  Segments cross as they are, so that offsets, marks and the end mean the same on both sides.

#include "spool_segment.h"

#include "plant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOURCE_MAGIC 0x590050cau
#define COPY_MAGIC 0x5900c097u

struct spool_source {
    uint32_t magic;
    int folder, file;                   //  file -1: the segment is not open
    spool_mark_t mark;
    spool_walk_t walk;
    uint64_t cut;                       //  Checksum of the mark that was given out; 0: none
    bool ended;
    bool resumed;                       //  Nothing was given out yet, and the copy holds something
    uint8_t window [SPOOL_WINDOW];
};

struct spool_copy {
    uint32_t magic;
    int folder, file;
    spool_mark_t mark;
    uint64_t at [2], dropped [2];
    uint64_t begins;                    //  Where in both streams together the first segment does
    bool truncated, ended;
    bool cut;                           //  Its last record is a mark, which may come again
};

static int
s_folder (const char *path, int *ret_folder, berth_error_t *err)
{
    *ret_folder = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (*ret_folder >= 0)
        return 0;
    return errno == ENOENT ? berth_fail (err, BERTH_NOT_FOUND, "there is no such spool")
         : berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be opened");
}

//  ---- giving out

int
spool_source_open (const char *folder, const spool_mark_t *from, spool_source_t **ret_self,
                   berth_error_t *err)
{
    int base;
    if (s_folder (folder, &base, err))
        return -1;
    spool_source_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = SOURCE_MAGIC;
    self->folder = base;
    self->file = -1;
    self->mark = *from;
    self->resumed = from->offset > 0;
    *ret_self = self;
    return 0;
}

void
spool_source_destroy (spool_source_t **self_p)
{
    spool_source_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, SOURCE_MAGIC);
    if (self->file >= 0)
        close (self->file);
    close (self->folder);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

bool
spool_source_ended (const spool_source_t *self)
{
    CHECK (self, SOURCE_MAGIC);
    return self->ended;
}

//  Has the segment open that is next: 1, or 0 if it is not there yet.
static int
s_open (spool_source_t *self, uint8_t *data, size_t *size, berth_error_t *err)
{
    spool_head_t head;
    if (self->file >= 0)
        return 1;
    self->file = spool_segment_open (self->folder, self->mark.segment, O_RDONLY, &head, err);
    if (self->file < 0)
        return self->file == -2 ? (self->file = -1, 0) : -1;
    if (self->mark.offset < sizeof head) {
        memcpy (data, &head, sizeof head);
        *size = sizeof head;
    }
    spool_walk_start (&self->walk, self->file,
                      self->mark.offset < sizeof head ? sizeof head : self->mark.offset,
                      self->window);
    return 1;
}

//  Takes whole records, as many as fit. A mark is the last record but for the end, and is written
//  anew in its place: it is not left behind before something follows.
static int
s_take (spool_source_t *self, uint8_t *data, size_t *size, uint64_t *from, berth_error_t *err)
{
    spool_record_t record;
    const uint8_t *payload;
    int rc;
    if (PLANTED ("resume-skips") && self->resumed && spool_walk_peek (&self->walk, &record, err) == 1)
        spool_walk_skip (&self->walk, &record);
    self->resumed = false;
    while ((rc = spool_walk_peek (&self->walk, &record, err)) == 1
           && (rc = spool_walk_load (&self->walk, &record, &payload, err)) == 1) {
        bool cut = record.flags & SPOOL_CUT, known = cut && record.checksum == self->cut;
        uint64_t here = self->walk.position;
        if (!known) {
            if (*size + sizeof record + record.length > SPOOL_COPY_ROOM)
                return 0;
            if (!*size)
                *from = here;
            memcpy (data + *size, &record, sizeof record);
            memcpy (data + *size + sizeof record, payload, record.length);
            *size += sizeof record + record.length;
        }
        spool_walk_skip (&self->walk, &record);
        if (cut) {
            self->cut = record.checksum;
            spool_record_t behind;
            if (spool_walk_peek (&self->walk, &behind, NULL) != 1) {
                self->walk.position = here;
                self->walk.window_size = 0;
                return 0;
            }
        }
        if (record.flags & SPOOL_LAST) {
            self->ended = true;
            return 0;
        }
    }
    return rc < 0 ? -1 : 0;
}

int
spool_source_next (spool_source_t *self, uint8_t *data, size_t *ret_size, spool_mark_t *ret_at,
                   berth_error_t *err)
{
    CHECK (self, SOURCE_MAGIC);
    *ret_size = 0;
    for (bool again = false; !self->ended;) {
        uint32_t last;
        if (spool_segment_range (self->folder, &self->mark.first, &last, err))
            return -1;
        if (self->mark.segment < self->mark.first && self->file < 0)
            self->mark = (spool_mark_t) { self->mark.first, self->mark.first, 0 };
        uint64_t from = self->mark.offset;
        if (!last)
            break;
        int rc = s_open (self, data, ret_size, err);
        if (rc < 0 || (rc && s_take (self, data, ret_size, &from, err)))
            return -1;
        *ret_at = (spool_mark_t) { self->mark.first, self->mark.segment, from };
        if (rc)
            self->mark.offset = self->walk.position;
        if (*ret_size || self->mark.segment >= last)
            return 0;
        //  There is a next one, so nothing more comes to this: but it may have come just now
        if (again && self->file >= 0) {
            close (self->file);
            self->file = -1;
        }
        if (self->file < 0) {
            self->mark.segment++;
            self->mark.offset = 0;
        }
        again = !again;
    }
    *ret_at = self->mark;
    return 0;
}

//  ---- taking in

int
spool_copy_open (const char *folder, spool_copy_t **ret_self, berth_error_t *err)
{
    int base;
    if (s_folder (folder, &base, err))
        return -1;
    spool_copy_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    *self = (spool_copy_t) { .magic = COPY_MAGIC, .folder = base, .file = -1 };
    *ret_self = self;
    return 0;
}

void
spool_copy_destroy (spool_copy_t **self_p)
{
    spool_copy_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, COPY_MAGIC);
    if (self->file >= 0)
        close (self->file);
    close (self->folder);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
spool_copy_size (const spool_copy_t *self, spool_size_t *ret_size)
{
    CHECK (self, COPY_MAGIC);
    *ret_size = (spool_size_t) {
        .stdout_bytes = self->at [0] + self->dropped [0],
        .stderr_bytes = self->at [1] + self->dropped [1], .truncated = self->truncated
    };
    ret_size->all_bytes = ret_size->stdout_bytes + ret_size->stderr_bytes;
    ret_size->kept_bytes = self->at [0] + self->at [1] - self->begins;
}

spool_mark_t
spool_copy_mark (const spool_copy_t *self)
{
    CHECK (self, COPY_MAGIC);
    spool_mark_t mark = self->mark;
    if (self->cut)
        mark.offset -= sizeof (spool_record_t) + sizeof self->dropped;
    return mark;
}

bool
spool_copy_ended (const spool_copy_t *self)
{
    CHECK (self, COPY_MAGIC);
    return self->ended;
}

//  What the bytes say is believed only when all of them are whole records.
static int
s_count (spool_copy_t *self, const spool_mark_t *at, const uint8_t *data, size_t size,
         spool_copy_t *ret_after, berth_error_t *err)
{
    spool_copy_t after = *self;
    size_t done = 0;
    if (at->offset == 0) {
        spool_head_t head, again;
        if (size < sizeof head)
            return berth_fail (err, BERTH_INVALID, "a segment without its head");
        memcpy (&head, data, sizeof head);
        spool_head_make (&again, head.number, (int) head.on_full, head.at);
        if (memcmp (&head, &again, sizeof head) || head.number != at->segment)
            return berth_fail (err, BERTH_INVALID, "not the head of a segment");
        memcpy (after.at, head.at, sizeof after.at);
        if (at->segment == at->first)
            after.begins = head.at [0] + head.at [1];
        after.truncated |= at->segment > 1 && head.on_full == SPOOL_DROP_OLDEST && at->first > 1;
        done = sizeof head;
    }
    while (done < size) {
        spool_record_t record;
        if (size - done < sizeof record)
            return berth_fail (err, BERTH_INVALID, "half a record");
        memcpy (&record, data + done, sizeof record);
        const uint8_t *payload = data + done + sizeof record;
        if (record.length > size - done - sizeof record || record.stream < 1 || record.stream > 2
            || spool_record_checksum (&record, payload) != record.checksum)
            return berth_fail (err, BERTH_INVALID, "not a record");
        after.cut = record.flags & SPOOL_CUT;
        if (record.flags & SPOOL_LAST)
            after.ended = true;
        else if (after.cut && record.length == sizeof after.dropped) {
            memcpy (after.dropped, payload, sizeof after.dropped);
            after.truncated = true;
        }
        else
            after.at [record.stream - 1] += record.length;
        done += sizeof record + record.length;
    }
    after.mark = (spool_mark_t) { at->first, at->segment, at->offset + size };
    *ret_after = after;
    return 0;
}

static int
s_write (spool_copy_t *self, const spool_mark_t *at, const uint8_t *data, size_t size,
         berth_error_t *err)
{
    char name [16];
    if (self->file < 0 || at->segment != self->mark.segment) {
        spool_segment_name (at->segment, name);
        int file = openat (self->folder, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file < 0)
            return berth_fail_errno (err, errno == ENOSPC ? BERTH_STORE_FULL : BERTH_INTERNAL,
                                     "no new segment of the spool can be made");
        if (self->file >= 0)
            close (self->file);
        self->file = file;
    }
    ssize_t done = pwrite (self->file, data, size, (off_t) at->offset);
    if (done == (ssize_t) size)
        return 0;
    if (done >= 0)
        errno = ENOSPC;
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    int rc = berth_fail_errno (err, full ? BERTH_STORE_FULL : BERTH_INTERNAL,
                               "output cannot be written to the spool");
    (void) !ftruncate (self->file, (off_t) at->offset);
    return rc;
}

static void
s_drop (spool_copy_t *self, uint32_t first)
{
    uint32_t from = self->mark.first ? self->mark.first : 1;
    if (first - from > SPOOL_SEGMENTS_MAX)
        from = first - SPOOL_SEGMENTS_MAX;
    for (; from < first; from++) {
        char name [16];
        spool_segment_name (from, name);
        (void) unlinkat (self->folder, name, 0);        //  What stays goes with the folder
    }
    self->mark.first = first;
    spool_head_t head;
    int file = spool_segment_open (self->folder, first, O_RDONLY, &head, NULL);
    if (file >= 0) {
        self->begins = head.at [0] + head.at [1];
        close (file);
    }
}

int
spool_copy_put (spool_copy_t *self, const spool_mark_t *at, const uint8_t *data, size_t size,
                berth_error_t *err)
{
    CHECK (self, COPY_MAGIC);
    spool_copy_t after = *self;
    if (size) {
        bool next = at->segment > self->mark.segment && at->offset == 0;
        bool within = at->segment == self->mark.segment && at->offset <= self->mark.offset;
        if (!next && !within)
            return berth_fail (err, BERTH_INVALID, "a part of the spool is missing");
        bool known = within && at->offset + size <= self->mark.offset;
        //  A mark comes again as the last record: that is no repetition
        if (known && at->offset + size < self->mark.offset)
            return 0;
        if (s_count (self, at, data, size, &after, err))
            return -1;
        if (known)
            memcpy (after.at, self->at, sizeof after.at);
        if (s_write (self, at, data, size, err))
            return -1;
        after.file = self->file;
        after.mark.first = self->mark.first;
        *self = after;
    }
    if (at->first > self->mark.first && at->first <= self->mark.segment)
        s_drop (self, at->first);
    return 0;
}

int
spool_copy_sync (spool_copy_t *self, berth_error_t *err)
{
    CHECK (self, COPY_MAGIC);
    for (uint32_t number = self->mark.first ? self->mark.first : 1; number < self->mark.segment;
         number++) {
        char name [16];
        spool_segment_name (number, name);
        int file = openat (self->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (file < 0)
            continue;
        int rc = fdatasync (file);
        close (file);
        if (rc)
            return berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be synced");
    }
    if ((self->file >= 0 && fdatasync (self->file)) || fsync (self->folder))
        return berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be synced");
    return 0;
}
