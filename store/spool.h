//  spool.h - an exec's output on disk: append, read from an offset, survive anything.
//
//  A folder holds segments, `00000001.out`, `00000002.out`...; each begins with a header that
//  says where in each stream it starts, so that dropping the oldest is one unlink and any offset
//  is found without an index file. Behind it records follow each other:
//
//      u32 length | u8 stream | u8 flags | u16 zero | i64 time, ms | u64 checksum | bytes
//
//  little endian, checksum XXH3-64 over the first 16 bytes and the payload. A torn last record is
//  cut when a writer opens the spool, and is the end for a reader. `all` is the order of arrival.
//  A record with the flag CUT and no bytes marks where output was dropped; its payload is u64 bytes
//  dropped from stdout, u64 from stderr. One with the flag LAST is the exec's end, of a fixed size,
//  so that it is found from the end of the last segment.
//
//  The writer is one process (the shim); readers are any process, with no lock between them: a
//  reader sees whole records only. No LMDB here, no allocation beyond one buffer per reader.

#ifndef BERTH_SPOOL_H_INCLUDED
#define BERTH_SPOOL_H_INCLUDED

#include "base.h"
#include "error.h"

enum { SPOOL_STDOUT = 1, SPOOL_STDERR = 2, SPOOL_ALL = 3 };     //  As in exec_stream
enum { SPOOL_DROP_OLDEST = 1, SPOOL_DROP_NEW = 2, SPOOL_BLOCK = 3 };    //  As in exec_on_full
enum { SPOOL_RECORD_MAX = 262144, SPOOL_DEFAULT_MAX = 268435456, SPOOL_SEGMENTS = 8,
       SPOOL_END_MAX = 4096 };

typedef struct {
    uint64_t stdout_bytes;      //  Written by the child, dropped ones included
    uint64_t stderr_bytes;
    uint64_t all_bytes;         //  Their sum
    uint64_t kept_bytes;        //  Payload in the segments that exist
    bool truncated;             //  Something was dropped
} spool_size_t;

//  ---- the writer

typedef struct spool spool_t;

//  Opens or makes the folder (0700) and goes on behind the last whole record; a torn tail is cut.
//  max_bytes 0 is SPOOL_DEFAULT_MAX. One record above max_bytes is kept nevertheless.
//  A spool whose end was written opens, but appending to it is a conflict.
//  Errors: store_full, invalid_request (not a spool), internal (system call).
int spool_open (const char *folder, uint64_t max_bytes, int on_full, spool_t **ret_self,
                berth_error_t *err);
void spool_destroy (spool_t **self_p);

//  Appends one record (size at most SPOOL_RECORD_MAX). Not synced. Returns 0; or 1 if the policy
//  is BLOCK and the bytes do not fit: nothing was written, stop reading the child. `spool_room`
//  says when they will. A disk that is full fails with store_full and has written nothing: the
//  caller keeps the bytes and tries again.
int spool_append (spool_t *self, int stream, int64_t time_ms, const void *data, size_t size,
                  berth_error_t *err);

//  Bytes that can be appended now: UINT64_MAX unless the policy is BLOCK.
uint64_t spool_room (const spool_t *self);

//  Under BLOCK: everything below this offset of `all` was read and may go (whole segments do).
void spool_release (spool_t *self, uint64_t all_offset);

void spool_size (const spool_t *self, spool_size_t *ret_size);

//  Writes the end (opaque bytes, at most SPOOL_END_MAX: a packed shim_message ENDED) as the last
//  record. Said once; a second is a conflict. With `sync` the end and all that stands before it are
//  on disk when it returns; without, they outlive every process but not a power cut: for a shim
//  that tells its end to a berthd, which commits it before anyone else hears of it.
int spool_end (spool_t *self, const void *end, size_t size, bool sync, berth_error_t *err);

//  Makes the folder, which is the record that this exec was begun: conflict if it is there, the exec
//  was started before. Not synced.
int spool_start (const char *folder, berth_error_t *err);

//  Gives a prepared spool, open under the folder `from`, to an exec: one rename (microseconds, where
//  making a folder and a file costs tenths of milliseconds), with the same meaning as spool_start.
//  It must be empty; limit and policy become those of the call.
int spool_adopt (spool_t *self, const char *from, const char *folder, uint64_t max_bytes,
                 int on_full, berth_error_t *err);

//  Makes the first segment before there is anything to put into it, so that the first byte need not
//  wait for it. What fails here fails again, and is told, at the first append.
void spool_prepare (spool_t *self);
bool spool_prepared (const spool_t *self);      //  Has it one?

//  ---- readers

typedef struct spool_reader spool_reader_t;

//  Does not fail if the folder is still empty; not_found if there is none.
int spool_reader_open (const char *folder, spool_reader_t **ret_self, berth_error_t *err);
void spool_reader_destroy (spool_reader_t **self_p);

//  Reads up to `size` bytes of `stream` from `offset` into `data`. *ret_size is 0 when nothing is
//  there yet. *ret_from is where the bytes begin: above `offset` if what was there was dropped;
//  also with *ret_size 0, when what was dropped (drop_new) is the end so far.
//  For SPOOL_ALL *ret_stream says of which stream the bytes are, and one read ends where the
//  stream changes; else it is `stream`. Sequential reads are cheap, a jump scans one segment.
//  Errors: internal (system call), invalid_request (a checksum in the middle does not fit).
int spool_read (spool_reader_t *self, int stream, uint64_t offset, void *data, size_t size,
                size_t *ret_size, uint64_t *ret_from, int *ret_stream, berth_error_t *err);

//  An offset of `all` below which the reads of this reader have had everything of their stream.
uint64_t spool_reader_at (const spool_reader_t *self);

//  Sizes as of now, by scanning what was not scanned before.
int spool_reader_size (spool_reader_t *self, spool_size_t *ret_size, berth_error_t *err);

//  The end: 0 with *ret_size bytes copied to data, or -1, not_found.
int spool_read_end (const char *folder, void *data, size_t size, size_t *ret_size, berth_error_t *err);

//  Was this exec begun?
bool spool_started (const char *folder);

//  ---- a copy of a spool on another machine, byte by byte

//  Where the copy stands: segments below `first` were dropped, `offset` bytes of `segment` are there.
typedef struct {
    uint32_t first, segment;
    uint64_t offset;
} spool_mark_t;

enum { SPOOL_COPY_ROOM = SPOOL_RECORD_MAX + 4096 + 64 };

typedef struct spool_source spool_source_t;

//  Reads a spool as it lies on disk, from where a copy stands (zeros: nothing is there). Errors:
//  not_found, internal.
int spool_source_open (const char *folder, const spool_mark_t *from, spool_source_t **ret_self,
                       berth_error_t *err);
void spool_source_destroy (spool_source_t **self_p);

//  The next whole records of one segment, at most SPOOL_COPY_ROOM bytes: nothing of them is taken
//  back by the writer, but a mark of dropped bytes may come again in its place. *ret_size is 0 when
//  nothing is there yet. *ret_at is where they belong. Errors: invalid_request (damaged), internal.
int spool_source_next (spool_source_t *self, uint8_t *data, size_t *ret_size, spool_mark_t *ret_at,
                       berth_error_t *err);

//  Were its last bytes, the end, given out?
bool spool_source_ended (const spool_source_t *self);

typedef struct spool_copy spool_copy_t;

//  Writes a copy into a folder that exists. Errors: not_found, internal.
int spool_copy_open (const char *folder, spool_copy_t **ret_self, berth_error_t *err);
void spool_copy_destroy (spool_copy_t **self_p);

//  Takes what spool_source_next gave, in its order; what comes twice is fine. Errors: store_full
//  (give it again later), invalid_request (no records, or not behind what is there), internal.
int spool_copy_put (spool_copy_t *self, const spool_mark_t *at, const uint8_t *data, size_t size,
                    berth_error_t *err);
int spool_copy_sync (spool_copy_t *self, berth_error_t *err);

//  How far it is, as the writer counts; where it stands; whether it has the end.
void spool_copy_size (const spool_copy_t *self, spool_size_t *ret_size);
spool_mark_t spool_copy_mark (const spool_copy_t *self);
bool spool_copy_ended (const spool_copy_t *self);

//  Removes the folder and all in it. What is gone is fine.
int spool_remove (const char *folder, berth_error_t *err);

#endif
