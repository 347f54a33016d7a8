//  spool_segment.h - the layout of a spool's segments, and walking along one. Private to store/.

#ifndef BERTH_SPOOL_SEGMENT_H_INCLUDED
#define BERTH_SPOOL_SEGMENT_H_INCLUDED

#include "spool.h"

_Static_assert (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a spool is little endian, like us");

//  Flags of a record: its payload says what was dropped; it is the last one, and holds the end.
enum { SPOOL_CUT = 1, SPOOL_LAST = 2 };

typedef struct {
    uint32_t length;                    //  Of the payload
    uint8_t stream;                     //  SPOOL_STDOUT or SPOOL_STDERR
    uint8_t flags;
    uint16_t zero;
    int64_t time_ms;
    uint64_t checksum;                  //  XXH3-64 over the 16 bytes above and the payload
} spool_record_t;

typedef struct {
    char magic [8];
    uint32_t number;
    uint32_t on_full;
    uint64_t at [2];                    //  Where stdout and stderr stand when it begins
    uint64_t checksum;                  //  Over what is above
} spool_head_t;

//  The payload of the last record, always of this size, so that it is found from the file's end.
typedef struct {
    uint32_t size;
    uint8_t data [SPOOL_END_MAX];
} spool_last_t;

_Static_assert (sizeof (spool_record_t) == 24 && sizeof (spool_head_t) == 40, "packed by nature");

enum { SPOOL_WINDOW = SPOOL_RECORD_MAX + (int) sizeof (spool_record_t) };

uint64_t spool_record_checksum (const spool_record_t *record, const void *payload);

//  Fills a header with magic and checksum.
void spool_head_make (spool_head_t *head, uint32_t number, int on_full, const uint64_t at [2]);

void spool_segment_name (uint32_t number, char name [16]);

//  More segments than a spool can have at once: each two hold at least an eighth of its limit.
enum { SPOOL_SEGMENTS_MAX = 1024 };

//  First and last number that exist in the folder; 0 and 0 if there is none. invalid_request if more
//  lie between them than SPOOL_SEGMENTS_MAX.
int spool_segment_range (int folder, uint32_t *ret_first, uint32_t *ret_last, berth_error_t *err);

//  Opens a segment and reads its header. Returns the descriptor, -1 with *err; -2 if there is no
//  such segment or its header is not whole (yet).
int spool_segment_open (int folder, uint32_t number, int flags, spool_head_t *ret_head,
                        berth_error_t *err);

//  A walk along the records of one open segment, over a window of the file in memory.
typedef struct {
    int file;
    uint64_t position;                  //  Of the record that is looked at
    uint64_t checked;                   //  Position of the record whose checksum was found right
    uint64_t window_at;                 //  In the file
    size_t window_size;
    uint8_t *window;                    //  SPOOL_WINDOW bytes, somebody else's
} spool_walk_t;

void spool_walk_start (spool_walk_t *self, int file, uint64_t position, uint8_t *window);

//  Looks at the header of the record at the position: 1, or 0 if no whole record is there (yet),
//  or -1: it is none.
int spool_walk_peek (spool_walk_t *self, spool_record_t *ret_record, berth_error_t *err);

//  Loads its payload and checks it: 1 with *ret_payload inside the window, 0 if it is torn, or -1
//  if it is wrong and there is something behind it.
int spool_walk_load (spool_walk_t *self, const spool_record_t *record, const uint8_t **ret_payload,
                     berth_error_t *err);

//  Moves behind it.
void spool_walk_skip (spool_walk_t *self, const spool_record_t *record);

#endif
