//  spool_segment.c - owns the layout of a segment; its descriptors are the callers'.

#include "spool_segment.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "berthsp1"
#define PEEK_SIZE 16384         //  Read when only headers are wanted
#define OFFSET_MAX (1ull << 60) //  No stream is that long: sums of offsets do not overflow

uint64_t
spool_record_checksum (const spool_record_t *record, const void *payload)
{
    XXH3_state_t state;
    XXH3_INITSTATE (&state);
    XXH3_64bits_reset (&state);
    XXH3_64bits_update (&state, record, offsetof (spool_record_t, checksum));
    if (record->length)
        XXH3_64bits_update (&state, payload, record->length);
    return XXH3_64bits_digest (&state);
}

void
spool_head_make (spool_head_t *head, uint32_t number, int on_full, const uint64_t at [2])
{
    memset (head, 0, sizeof *head);
    memcpy (head->magic, MAGIC, sizeof head->magic);
    head->number = number;
    head->on_full = (uint32_t) on_full;
    head->at [0] = at [0];
    head->at [1] = at [1];
    head->checksum = XXH3_64bits (head, offsetof (spool_head_t, checksum));
}

void
spool_segment_name (uint32_t number, char name [16])
{
    snprintf (name, 16, "%08u.out", number);
}

//  The number in a segment's name; 0 if it is none.
static uint32_t
s_number (const char *name)
{
    uint64_t number = 0;
    size_t digits = 0;
    for (; name [digits] >= '0' && name [digits] <= '9' && digits < 10; digits++)
        number = number * 10 + (uint64_t) (name [digits] - '0');
    if (digits < 8 || strcmp (name + digits, ".out") != 0 || number >= UINT32_MAX)
        return 0;
    return (uint32_t) number;
}

int
spool_segment_range (int folder, uint32_t *ret_first, uint32_t *ret_last, berth_error_t *err)
{
    int copy = openat (folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir (copy);
    if (!dir) {
        if (copy >= 0)
            close (copy);
        else if (errno == ENOENT) {
            *ret_first = *ret_last = 0;             //  The folder itself was removed
            return 0;
        }
        return berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be listed");
    }
    uint32_t first = 0, last = 0;
    for (struct dirent *entry = readdir (dir); entry; entry = readdir (dir)) {
        uint32_t number = s_number (entry->d_name);
        if (number && (!first || number < first))
            first = number;
        if (number > last)
            last = number;
    }
    closedir (dir);
    //  Whoever goes from one to the other would be at it for hours
    if (last - first >= SPOOL_SEGMENTS_MAX)
        return berth_fail (err, BERTH_INVALID, "the spool is damaged: no segments can be numbered "
                           "from %u to %u", first, last);
    *ret_first = first;
    *ret_last = last;
    return 0;
}

int
spool_segment_open (int folder, uint32_t number, int flags, spool_head_t *ret_head,
                    berth_error_t *err)
{
    char name [16];
    spool_segment_name (number, name);
    int file = openat (folder, name, flags | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
        if (errno == ENOENT)
            return -2;
        return berth_fail_errno (err, BERTH_INTERNAL, "segment %s of the spool cannot be opened",
                                 name);
    }
    spool_head_t head;
    ssize_t got = pread (file, &head, sizeof head, 0);
    if (got != (ssize_t) sizeof head
    || memcmp (head.magic, MAGIC, sizeof head.magic) != 0 || head.number != number
    || head.at [0] >= OFFSET_MAX || head.at [1] >= OFFSET_MAX
    || head.checksum != XXH3_64bits (&head, offsetof (spool_head_t, checksum))) {
        bool whole = got == (ssize_t) sizeof head && head.magic [0];
        close (file);
        if (!whole)
            return -2;
        return berth_fail (err, BERTH_INVALID, "%s is not a segment of a spool", name);
    }
    *ret_head = head;
    return file;
}

void
spool_walk_start (spool_walk_t *self, int file, uint64_t position, uint8_t *window)
{
    *self = (spool_walk_t) { .file = file, .position = position, .window = window };
}

//  Has at least `need` bytes from the position on in the window, reading `want` if it must.
//  1 yes, 0 the file is shorter, -1 failed.
static int
s_have (spool_walk_t *self, size_t need, size_t want, berth_error_t *err)
{
    if (self->position >= self->window_at
    && self->position + need <= self->window_at + self->window_size)
        return 1;
    size_t size = 0;
    while (size < need) {
        ssize_t got = pread (self->file, self->window + size, want - size,
                             (off_t) (self->position + size));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            self->window_size = 0;
            return berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be read");
        }
        if (got == 0)
            break;
        size += (size_t) got;
    }
    self->window_at = self->position;
    self->window_size = size;
    return size >= need;
}

static const uint8_t *
s_at (const spool_walk_t *self, size_t offset)
{
    return self->window + (self->position - self->window_at) + offset;
}

//  Blocks that a power cut left unwritten read as zeros: nothing is there.
static bool
s_only_zeros (spool_walk_t *self)
{
    struct stat status;
    if (fstat (self->file, &status))
        return false;
    uint8_t bytes [4096];
    for (uint64_t at = self->position; at < (uint64_t) status.st_size;) {
        ssize_t got = pread (self->file, bytes, sizeof bytes, (off_t) at);
        if (got <= 0)
            return got == 0;
        for (ssize_t index = 0; index < got; index++)
            if (bytes [index])
                return false;
        at += (uint64_t) got;
    }
    return true;
}

//  Can this be the header of a record?
static bool
s_is_record (const spool_record_t *record)
{
    bool mark = (record->flags == SPOOL_CUT && record->length == 2 * sizeof (uint64_t))
             || (record->flags == SPOOL_LAST && record->length == sizeof (spool_last_t));
    return record->length <= SPOOL_RECORD_MAX && record->zero == 0
        && (record->stream == SPOOL_STDOUT || record->stream == SPOOL_STDERR)
        && (mark || (record->flags == 0 && record->length));
}

int
spool_walk_peek (spool_walk_t *self, spool_record_t *ret_record, berth_error_t *err)
{
    for (int tries = 0; tries < 3; tries++) {
        uint64_t window_at = self->window_size ? self->window_at : UINT64_MAX;
        int rc = s_have (self, sizeof *ret_record, PEEK_SIZE, err);
        if (rc <= 0)
            return rc;
        memcpy (ret_record, s_at (self, 0), sizeof *ret_record);
        uint64_t end = self->position + sizeof *ret_record + ret_record->length;
        bool record = s_is_record (ret_record), fresh = self->window_at != window_at;
        if (record && end <= self->window_at + self->window_size)
            return 1;
        //  Half a record may be taken back, and another one come in its place: a header that was read
        //  before its payload was there says nothing about what is there now
        self->window_size = fresh && record ? self->window_size : 0;
        struct stat status;
        if (record && fresh) {
            if (fstat (self->file, &status) == 0 && end <= (uint64_t) status.st_size)
                return 1;
            self->window_size = 0;
            return 0;
        }
    }
    if (s_only_zeros (self))
        return 0;
    return berth_fail (err, BERTH_INVALID, "the spool is damaged at byte %llu of a segment",
                       (unsigned long long) self->position);
}

int
spool_walk_load (spool_walk_t *self, const spool_record_t *record, const uint8_t **ret_payload,
                 berth_error_t *err)
{
    size_t size = sizeof *record + record->length;
    for (int tries = 0; tries < 3; tries++) {
        int rc = s_have (self, size, SPOOL_WINDOW, err);
        if (rc <= 0)
            return rc;
        const uint8_t *payload = s_at (self, sizeof *record);
        if (self->checked != self->position) {
            spool_record_t header;
            memcpy (&header, s_at (self, 0), sizeof header);
            if (memcmp (&header, record, sizeof header) != 0) {
                self->window_size = 0;  //  Another one since it was looked at: look again
                return 0;
            }
            if (spool_record_checksum (&header, payload) != header.checksum) {
                self->window_size = 0;
                continue;
            }
            self->checked = self->position;
        }
        *ret_payload = payload;
        return 1;
    }
    struct stat status;
    if (fstat (self->file, &status) == 0
    && (uint64_t) status.st_size <= self->position + size)
        return 0;
    return berth_fail (err, BERTH_INVALID, "the spool is damaged at byte %llu of a segment",
                       (unsigned long long) self->position);
}

void
spool_walk_skip (spool_walk_t *self, const spool_record_t *record)
{
    self->position += sizeof *record + record->length;
}
