//  fuzz_spool.c - a spool of any bytes, and any order of writing, tearing and reading.
//
//  burst: 15000
//  length: 2048
//
//  The input is a script: segments are laid down as bytes (their checksums mended where it asks for
//  that, or no mutation would come behind them), a writer opens, appends, ends, readers read. Nothing
//  is read beyond a record, offsets never go back, a torn tail is cut. While nobody but the writer
//  has touched the files, each byte that is read is the byte that was written there.

#include "fuzz.h"
#include "machine.h"

#include "spool_segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER MACHINE_ROOT "/spool"
enum { READ_MAX = 65536, STEPS_MAX = 40 };

typedef struct {
    spool_t *writer;
    spool_reader_t *reader;
    uint64_t max;                   //  A spool keeps these as long as it lives
    int on_full;
    bool ours;                      //  Only the writer has written here
    bool ended;
    uint8_t end [64];
    size_t end_size;
    uint64_t next [4];              //  By stream: where sequential reading goes on
} scene_t;

//  The byte that stands at this offset of a stream.
static uint8_t
s_byte (int stream, uint64_t offset)
{
    return (uint8_t) ((offset * 131 + (offset >> 8) * 17) ^ (unsigned) stream * 0x5a);
}

static void
s_check (const berth_error_t *err)
{
    FUZZ_MUST (err->code == BERTH_INVALID || err->code == BERTH_INTERNAL || err->code == BERTH_NOT_FOUND
               || err->code == BERTH_CONFLICT || err->code == BERTH_STORE_FULL, "%s",
               berth_code_text (err->code));
    fuzz_check_failure (err, err->code);
}

//  ---- what somebody else lays down

//  Sets the checksums right along the records, as far as they are some.
static void
s_mend (played_file_t *file)
{
    spool_head_t head;
    if (file->size < sizeof head)
        return;
    memcpy (&head, file->data, sizeof head);
    uint32_t number = (uint32_t) strtoul (strrchr (file->path, '/') + 1, NULL, 10);
    spool_head_make (&head, number, (int) head.on_full, head.at);
    memcpy (file->data, &head, sizeof head);
    size_t at = sizeof head;
    spool_record_t record;
    while (file->size - at >= sizeof record) {
        memcpy (&record, file->data + at, sizeof record);
        if (record.length > file->size - at - sizeof record)
            break;
        record.checksum = spool_record_checksum (&record, file->data + at + sizeof record);
        memcpy (file->data + at, &record, sizeof record);
        at += sizeof record + record.length;
    }
}

static void
s_name (fuzz_input_t *input, char *path, size_t size)
{
    uint8_t kind = (uint8_t) fuzz_number (input, 1);
    uint32_t number = (uint32_t) fuzz_number (input, kind == 255 ? 4 : 1);
    snprintf (path, size, FOLDER "/%08u.out", kind == 255 ? number : number % 8 + 1);
}

static void
s_lay (scene_t *self, fuzz_input_t *input)
{
    char path [64];
    s_name (input, path, sizeof path);
    uint8_t how = (uint8_t) fuzz_number (input, 1);
    berth_bytes_t bytes = fuzz_bytes (input, fuzz_number (input, 2));
    played_file_t *file = machine_file (path, true);
    if (!file)
        return;
    self->ours = false;
    file->size = 0;
    if (how & 1) {                              //  A header before it
        spool_head_t head = { 0 };
        head.at [0] = fuzz_number (input, how & 2 ? 8 : 1);
        head.at [1] = fuzz_number (input, how & 2 ? 8 : 1);
        spool_head_make (&head, 1, (how >> 2) & 3, head.at);
        memcpy (file->data, &head, sizeof head);
        file->size = sizeof head;
    }
    if (bytes.size)
        memcpy (file->data + file->size, bytes.data, bytes.size);
    file->size += bytes.size;
    if (how & 16 && file->size < FILE_MAX - 8192) {     //  A record with the rest as payload
        spool_record_t record = { .length = (uint32_t) fuzz_number (input, 2), .stream = how & 32 ? 2 : 1,
                                  .flags = (how >> 6) & 3 };
        if (record.flags == SPOOL_LAST)
            record.length = sizeof (spool_last_t);
        record.length = record.length > 8000 ? 8000 : record.length;
        memcpy (file->data + file->size, &record, sizeof record);
        memset (file->data + file->size + sizeof record, 0x61, record.length);
        file->size += sizeof record + record.length;
    }
    if (how != 255)
        s_mend (file);
}

static void
s_close (scene_t *self)
{
    spool_destroy (&self->writer);
    spool_reader_destroy (&self->reader);
    memset (self->next, 0, sizeof self->next);
}

//  The file ends there, or a byte of it is another one.
static void
s_damage (scene_t *self, fuzz_input_t *input, bool flip)
{
    char path [64];
    s_name (input, path, sizeof path);
    size_t at = fuzz_number (input, 2);
    uint8_t bits = (uint8_t) fuzz_number (input, 1);
    played_file_t *file = machine_file (path, false);
    if (!file || at >= file->size)
        return;
    s_close (self);                     //  As behind a power cut
    if (flip) {
        file->data [at] ^= bits;
        self->ours = false;
    }
    else {
        char later [64];
        uint32_t number = (uint32_t) strtoul (strrchr (path, '/') + 1, NULL, 10);
        snprintf (later, sizeof later, FOLDER "/%08u.out", number + 1);
        self->ours = self->ours && !machine_file (later, false);
        self->ended = false;
        file->size = at;
    }
}

//  ---- the writer

static void
s_open_writer (scene_t *self)
{
    berth_error_t err = { 0 };
    spool_destroy (&self->writer);
    if (spool_open (FOLDER, self->max, self->on_full, &self->writer, &err))
        s_check (&err);
}

static void
s_append (scene_t *self, fuzz_input_t *input)
{
    static uint8_t data [16384];
    int stream = fuzz_number (input, 1) & 1 ? SPOOL_STDERR : SPOOL_STDOUT;
    size_t size = fuzz_number (input, 2) % sizeof data;
    if (!self->writer)
        return;
    spool_size_t before, after;
    spool_size (self->writer, &before);
    uint64_t at = stream == SPOOL_STDOUT ? before.stdout_bytes : before.stderr_bytes;
    for (size_t index = 0; index < size; index++)
        data [index] = s_byte (stream, at + index);
    berth_error_t err = { 0 };
    int rc = spool_append (self->writer, stream, 1, data, size, &err);
    spool_size (self->writer, &after);
    if (rc < 0)
        s_check (&err);
    FUZZ_MUST (after.all_bytes - before.all_bytes == (rc == 0 ? size : 0), "%zu appended (%d), %llu grown",
               size, rc, (unsigned long long) (after.all_bytes - before.all_bytes));
}

static void
s_end (scene_t *self, fuzz_input_t *input)
{
    berth_bytes_t bytes = fuzz_bytes (input, fuzz_number (input, 1) % sizeof self->end);
    berth_error_t err = { 0 };
    if (!self->writer)
        return;
    if (spool_end (self->writer, bytes.data ? bytes.data : (const uint8_t *) "", bytes.size, true, &err)) {
        s_check (&err);
        return;
    }
    self->ended = true;
    self->end_size = bytes.size;
    if (bytes.size)
        memcpy (self->end, bytes.data, bytes.size);
}

//  ---- readers

static bool
s_reader (scene_t *self)
{
    berth_error_t err = { 0 };
    if (!self->reader && spool_reader_open (FOLDER, &self->reader, &err))
        s_check (&err);
    return self->reader;
}

//  0: nothing more is there, or it failed.
static size_t
s_read_at (scene_t *self, int stream, uint64_t offset, size_t size)
{
    static uint8_t data [READ_MAX];
    berth_error_t err = { 0 };
    size_t got = 0;
    uint64_t from = 0;
    int of = 0;
    if (spool_read (self->reader, stream, offset, data, size, &got, &from, &of, &err)) {
        s_check (&err);
        FUZZ_MUST (!self->ours, "nobody damaged it: %s", err.text);
        return 0;
    }
    FUZZ_MUST (got <= size, "%zu bytes for %zu", got, size);
    FUZZ_MUST (from >= offset, "asked from %llu, got from %llu", (unsigned long long) offset,
               (unsigned long long) from);
    FUZZ_MUST (of >= SPOOL_STDOUT && of <= SPOOL_ALL && (got == 0 || of != SPOOL_ALL), "stream %d", of);
    if (self->ours && stream != SPOOL_ALL)
        for (size_t index = 0; index < got; index++)
            FUZZ_MUST (data [index] == s_byte (stream, from + index), "another byte at %llu of %d",
                       (unsigned long long) from + index, stream);
    self->next [stream] = from + got;
    return got;
}

static void
s_read (scene_t *self, fuzz_input_t *input)
{
    int stream = (int) (fuzz_number (input, 1) % 3) + 1;
    uint8_t how = (uint8_t) fuzz_number (input, 1);
    uint64_t offset = how & 1 ? fuzz_number (input, how & 2 ? 8 : 2) : self->next [stream];
    size_t size = how & 4 ? READ_MAX : fuzz_number (input, 1) + 1;
    if (s_reader (self))
        (void) s_read_at (self, stream, offset, size);
}

static void
s_read_all (scene_t *self, int stream)
{
    uint64_t offset = 0;
    if (!s_reader (self))
        return;
    for (size_t turn = 0; s_read_at (self, stream, offset, READ_MAX) && turn < 1024; turn++) {
        FUZZ_MUST (self->next [stream] > offset || !self->ours, "reading goes round");
        offset = self->next [stream];
    }
}

static void
s_size (scene_t *self)
{
    berth_error_t err = { 0 };
    spool_size_t size, written;
    if (!s_reader (self))
        return;
    if (spool_reader_size (self->reader, &size, &err)) {
        s_check (&err);
        FUZZ_MUST (!self->ours, "nobody damaged it: %s", err.text);
    }
    else if (self->ours && self->writer) {
        spool_size (self->writer, &written);
        FUZZ_MUST (size.stdout_bytes == written.stdout_bytes && size.stderr_bytes == written.stderr_bytes,
                   "written %llu and %llu, read %llu and %llu", (unsigned long long) written.stdout_bytes,
                   (unsigned long long) written.stderr_bytes, (unsigned long long) size.stdout_bytes,
                   (unsigned long long) size.stderr_bytes);
    }
}

static void
s_read_end (scene_t *self)
{
    static uint8_t end [SPOOL_END_MAX];
    size_t size = 0;
    berth_error_t err = { 0 };
    if (spool_read_end (FOLDER, end, sizeof end, &size, &err)) {
        s_check (&err);
        FUZZ_MUST (!self->ours || !self->ended, "its end was written: %s", err.text);
        return;
    }
    FUZZ_MUST (size <= sizeof end, "an end of %zu bytes", size);
    if (self->ours && self->ended)
        FUZZ_MUST (size == self->end_size && memcmp (end, self->end, size) == 0, "another end");
    FUZZ_MUST (!self->ours || self->ended, "an end that nobody wrote");
}

static void
s_step (scene_t *self, fuzz_input_t *input)
{
    switch (fuzz_number (input, 1) % 16) {
        case 0: case 1: s_lay (self, input); break;
        case 2: s_open_writer (self); break;
        case 3: case 4: case 5: s_append (self, input); break;
        case 6: s_end (self, input); break;
        case 7: if (self->writer) spool_release (self->writer, fuzz_number (input, 2)); break;
        case 8: s_damage (self, input, false); break;
        case 9: s_damage (self, input, true); break;
        case 10: machine_room = fuzz_number (input, 2); break;
        case 11: machine_room = SIZE_MAX; break;
        case 12: s_size (self); break;
        case 13: s_read_end (self); break;
        case 14: s_read (self, input); break;
        default: s_close (self);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static const uint64_t sizes [] = { 0, 64, 300, 4096, 20000, 100000 };
    fuzz_input_t input = { data, data + size };
    scene_t self = { .ours = true };
    self.max = sizes [fuzz_number (&input, 1) % BERTH_COUNT (sizes)];
    self.on_full = (int) (fuzz_number (&input, 1) % 3) + SPOOL_DROP_OLDEST;
    machine_begin ();
    machine_folder (FOLDER);
    for (size_t step = 0; step < STEPS_MAX && fuzz_more (&input); step++)
        s_step (&self, &input);
    for (int stream = SPOOL_STDOUT; stream <= SPOOL_ALL; stream++)
        s_read_all (&self, stream);
    s_size (&self);
    s_read_end (&self);
    s_close (&self);
    machine_room = SIZE_MAX;
    berth_error_t err = { 0 };
    FUZZ_MUST (spool_remove (FOLDER, &err) == 0, "%s", err.text);
    machine_end ();
    return 0;
}
