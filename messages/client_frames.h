//  client_frames.h - how a client names its calls, and reads errors. Inner part of libberth.

#ifndef BERTH_CLIENT_FRAMES_H_INCLUDED
#define BERTH_CLIENT_FRAMES_H_INCLUDED

#include "codec.h"
#include "requests.h"

//  A call's number as the id of a header, packed; and back, 0 if it is none of ours.
berth_bytes_t client_id (uint64_t number, arena_t *arena);
uint64_t client_number (berth_bytes_t id);

//  How far a stream of exec.read is, so that it can be read on behind a loss.
typedef struct {
    bool is;                    //  It is one
    bool resumed;
    bool limited;
    uint64_t from, limit;       //  As it was asked
    uint64_t next;              //  The byte to come
    uint64_t missing;           //  Dropped by the spool on the way here
} client_read_t;

//  Of a request's body; one chunk that came; the body with which the rest is asked; the body of the
//  end as it would be had nothing been lost.
void client_read_begin (client_read_t *self, berth_bytes_t body);
void client_read_took (client_read_t *self, berth_bytes_t chunk, size_t size);
berth_bytes_t client_read_on (const client_read_t *self, berth_bytes_t body, arena_t *arena);
berth_bytes_t client_read_end (const client_read_t *self, berth_bytes_t body, arena_t *arena);

//  A second time does no harm to what reads, except where it acts at once on something outside.
bool client_reads (request_code_t code);

//  Fills *ret_error from the body of a reply with status error.
void client_read_error (berth_bytes_t body, berth_error_t *ret_error);

#endif
