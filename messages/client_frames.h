//  client_frames.h - how a client names its calls, and reads errors. Inner part of libberth.

#ifndef BERTH_CLIENT_FRAMES_H_INCLUDED
#define BERTH_CLIENT_FRAMES_H_INCLUDED

#include "codec.h"

//  A call's number as the id of a header, packed; and back, 0 if it is none of ours.
berth_bytes_t client_id (uint64_t number, arena_t *arena);
uint64_t client_number (berth_bytes_t id);

//  Fills *ret_error from the body of a reply with status error.
void client_read_error (berth_bytes_t body, berth_error_t *ret_error);

#endif
