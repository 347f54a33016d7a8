//  spool_reader.c - owns the reading side of a spool: a place in it and one window of bytes.

#include "spool_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READER_MAGIC 0x590010c2u
#define JUMP (1024 * 1024)              //  Farther ahead than this, the headers are asked first

typedef struct {
    uint32_t number;                    //  Of the segment; 0: none yet
    uint32_t on_full;
    uint64_t at [2];                    //  Where the streams stand at the record looked at
    spool_walk_t walk;
} cursor_t;

struct spool_reader {
    uint32_t magic;
    int folder;
    cursor_t here;                      //  Where reading goes on
    cursor_t tail;                      //  How far sizes were counted
    uint8_t window [SPOOL_WINDOW];      //  Of one of the two
};

int
spool_reader_open (const char *folder, spool_reader_t **ret_self, berth_error_t *err)
{
    int dir = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0 && errno == ENOENT)
        return berth_fail (err, BERTH_NOT_FOUND, "there is no such spool");
    if (dir < 0)
        return berth_fail_errno (err, BERTH_INTERNAL, "the spool cannot be opened");
    spool_reader_t *self = malloc (sizeof (spool_reader_t));
    ENSURE (self);
    memset (self, 0, offsetof (spool_reader_t, window));
    self->magic = READER_MAGIC;
    self->folder = dir;
    self->here.walk.file = self->tail.walk.file = -1;
    *ret_self = self;
    return 0;
}

void
spool_reader_destroy (spool_reader_t **self_p)
{
    spool_reader_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, READER_MAGIC);
    if (self->here.walk.file >= 0)
        close (self->here.walk.file);
    if (self->tail.walk.file >= 0)
        close (self->tail.walk.file);
    close (self->folder);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static uint64_t
s_stands (const uint64_t at [2], int stream)
{
    return stream == SPOOL_ALL ? at [0] + at [1] : at [stream - 1];
}

//  Puts a cursor at the start of a segment: 0, -1 with *err, or -2 if it is not there.
static int
s_enter (spool_reader_t *self, cursor_t *cursor, uint32_t number, berth_error_t *err)
{
    spool_head_t head;
    int file = spool_segment_open (self->folder, number, O_RDONLY, &head, err);
    if (file < 0)
        return file;
    if (cursor->walk.file >= 0)
        close (cursor->walk.file);
    cursor->number = number;
    cursor->on_full = head.on_full;
    cursor->at [0] = head.at [0];
    cursor->at [1] = head.at [1];
    spool_walk_start (&cursor->walk, file, sizeof head, self->window);
    return 0;
}

//  The last segment that begins at or below the offset, or the first there is; 0: none. Headers
//  are tried from the last one down, as readers mostly follow.
static int
s_find (spool_reader_t *self, int stream, uint64_t offset, uint32_t *ret_number, berth_error_t *err)
{
    uint32_t first, last, found = 0;
    if (spool_segment_range (self->folder, &first, &last, err))
        return -1;
    for (uint32_t number = last; number && number >= first; number--) {
        spool_head_t head;
        int file = spool_segment_open (self->folder, number, O_RDONLY, &head, err);
        if (file == -1)
            return -1;
        if (file < 0)
            continue;                   //  Not whole yet, or dropped meanwhile
        close (file);
        found = number;
        if (s_stands (head.at, stream) <= offset)
            break;
    }
    *ret_number = found;
    return 0;
}

//  The segment behind the cursor's, if there is one: 1 and the cursor is in it, 0, or -1.
static int
s_next_segment (spool_reader_t *self, cursor_t *cursor, berth_error_t *err)
{
    int rc = s_enter (self, cursor, cursor->number + 1, err);
    if (rc == 0)
        return 1;
    if (rc == -1)
        return -1;
    struct stat status;
    if (fstat (cursor->walk.file, &status) || status.st_nlink)
        return 0;
    uint32_t first, last;               //  Ours was dropped, maybe the next one too
    if (spool_segment_range (self->folder, &first, &last, err))
        return -1;
    if (first <= cursor->number)
        return 0;
    rc = s_enter (self, cursor, first, err);
    return rc == 0 ? 1 : rc == -2 ? 0 : -1;
}

//  The record at the cursor, going on to later segments: 1, 0 nothing there yet, -1.
static int
s_peek (spool_reader_t *self, cursor_t *cursor, spool_record_t *record, berth_error_t *err)
{
    while (true) {
        int rc = spool_walk_peek (&cursor->walk, record, err);
        if (rc)
            return rc;
        //  A segment is finished before the next one is made, so look again behind that
        char name [16];
        spool_segment_name (cursor->number + 1, name);
        struct stat status;
        bool later = faccessat (self->folder, name, F_OK, 0) == 0
                  || (fstat (cursor->walk.file, &status) == 0 && status.st_nlink == 0);
        if (!later)
            return 0;
        cursor->walk.window_size = 0;
        rc = spool_walk_peek (&cursor->walk, record, err);
        if (rc)
            return rc;
        rc = s_next_segment (self, cursor, err);
        if (rc <= 0)
            return rc;
    }
}

static void
s_step (cursor_t *cursor, const spool_record_t *record)
{
    cursor->at [record->stream - 1] += record->length;
    spool_walk_skip (&cursor->walk, record);
}

//  What the mark at the cursor says was dropped. It counts up in its place, so it is read afresh.
static int
s_read_cut (cursor_t *cursor, spool_record_t *record, uint64_t dropped [2], berth_error_t *err)
{
    for (int tries = 0; tries < 3; tries++) {
        const uint8_t *payload;
        cursor->walk.window_size = 0;
        cursor->walk.checked = 0;
        int rc = spool_walk_peek (&cursor->walk, record, err);
        if (rc == 1)
            rc = spool_walk_load (&cursor->walk, record, &payload, err);
        if (rc < 0)
            return -1;
        if (rc == 1) {
            memcpy (dropped, payload, 2 * sizeof (uint64_t));
            cursor->walk.window_size = 0;
            return 0;
        }
    }
    dropped [0] = dropped [1] = 0;
    return 0;
}

//  Both cursors use the one window: whoever takes it finds it empty.
static void
s_use (spool_reader_t *self, cursor_t *cursor)
{
    cursor_t *other = cursor == &self->here ? &self->tail : &self->here;
    if (other->walk.window_size) {
        other->walk.window_size = 0;
        other->walk.checked = 0;
        cursor->walk.window_size = 0;
    }
}

static int
s_seek (spool_reader_t *self, int stream, uint64_t offset, berth_error_t *err)
{
    cursor_t *here = &self->here;
    uint64_t stands = s_stands (here->at, stream);
    if (here->number && offset >= stands && offset - stands < JUMP)
        return 0;
    bool back = !here->number || offset < stands;
    for (int tries = 0; tries < 3; tries++) {
        uint32_t number;
        if (s_find (self, stream, offset, &number, err))
            return -1;
        if (!number || (!back && number <= here->number))
            return 0;
        int rc = s_enter (self, here, number, err);
        if (rc != -2)
            return rc;
    }
    return 0;
}

int
spool_read (spool_reader_t *self, int stream, uint64_t offset, void *data, size_t size,
            size_t *ret_size, uint64_t *ret_from, int *ret_stream, berth_error_t *err)
{
    CHECK (self, READER_MAGIC);
    ENSURE (stream >= SPOOL_STDOUT && stream <= SPOOL_ALL);
    cursor_t *here = &self->here;
    s_use (self, here);
    if (s_seek (self, stream, offset, err))
        return -1;

    size_t filled = 0;
    uint64_t from = offset;
    int of = stream;
    while (here->number && filled < size) {
        spool_record_t record;
        const uint8_t *payload;
        int rc = s_peek (self, here, &record, err);
        if (rc < 0)
            return -1;
        if (rc == 0 || (record.flags & SPOOL_LAST))
            break;
        uint64_t start = s_stands (here->at, stream);
        if (record.flags & SPOOL_CUT) {
            uint64_t dropped [2];
            if (s_read_cut (here, &record, dropped, err))
                return -1;
            uint64_t end = start + s_stands (dropped, stream);
            if (!filled && end > offset)
                from = end;
            break;                      //  Nothing but the end follows a mark
        }
        if (!(record.stream & stream)
        || (start + record.length <= offset && filled == 0)) {
            s_step (here, &record);
            continue;
        }
        //  In a damaged spool a segment may begin anywhere
        if (filled && (start != from + filled || (stream == SPOOL_ALL && record.stream != of)))
            break;
        rc = spool_walk_load (&here->walk, &record, &payload, err);
        if (rc < 0)
            return -1;
        if (rc == 0)
            break;
        if (!filled) {
            from = start > offset ? start : offset;
            of = stream == SPOOL_ALL ? record.stream : stream;
        }
        size_t skip = (size_t) (from + filled - start);
        size_t part = record.length - skip < size - filled ? record.length - skip : size - filled;
        memcpy ((uint8_t *) data + filled, payload + skip, part);
        filled += part;
        if (skip + part == record.length)
            s_step (here, &record);
    }
    *ret_size = filled;
    *ret_from = from;
    *ret_stream = of;
    return 0;
}

uint64_t
spool_reader_at (const spool_reader_t *self)
{
    CHECK (self, READER_MAGIC);
    return self->here.at [0] + self->here.at [1];
}

int
spool_reader_size (spool_reader_t *self, spool_size_t *ret_size, berth_error_t *err)
{
    CHECK (self, READER_MAGIC);
    cursor_t *tail = &self->tail;
    uint32_t first, last;
    *ret_size = (spool_size_t) { 0 };
    if (spool_segment_range (self->folder, &first, &last, err))
        return -1;
    s_use (self, tail);
    if (!tail->number || last > tail->number) {
        int rc = -2;
        for (uint32_t number = last; number && number >= first && rc == -2; number--)
            rc = s_enter (self, tail, number, err);
        if (rc == -1)
            return -1;
    }
    if (!tail->number)
        return 0;
    spool_record_t record;
    uint64_t dropped [2] = { 0, 0 };
    int rc;
    while ((rc = s_peek (self, tail, &record, err)) == 1 && !(record.flags & SPOOL_LAST)) {
        if (record.flags & SPOOL_CUT) {
            if (s_read_cut (tail, &record, dropped, err))
                return -1;
            break;
        }
        s_step (tail, &record);
    }
    if (rc < 0)
        return -1;
    spool_head_t head = { .at = { tail->at [0], tail->at [1] } };
    int file = -2;
    for (uint32_t number = first; number && number <= tail->number && file == -2; number++)
        file = spool_segment_open (self->folder, number, O_RDONLY, &head, err);
    if (file == -1)
        return -1;
    if (file >= 0)
        close (file);
    uint64_t begin = head.at [0] + head.at [1];
    ret_size->stdout_bytes = tail->at [0] + dropped [0];
    ret_size->stderr_bytes = tail->at [1] + dropped [1];
    ret_size->all_bytes = ret_size->stdout_bytes + ret_size->stderr_bytes;
    ret_size->kept_bytes = tail->at [0] + tail->at [1] - begin;
    ret_size->truncated = dropped [0] + dropped [1] > 0
                       || (begin > 0 && tail->on_full == SPOOL_DROP_OLDEST);
    return 0;
}
