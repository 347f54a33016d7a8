//  ids.h - UUID version 7 (RFC 9562, section 5.7), over libuuid's randomness.

#ifndef BERTH_IDS_H_INCLUDED
#define BERTH_IDS_H_INCLUDED

#include "base.h"

enum { BERTH_ID_SIZE = 37 };        //  With NUL

//  Makes an id that sorts behind every one made before in this process, also if the clock steps
//  back. Any thread.
void berth_id_new (char text [BERTH_ID_SIZE]);

//  Is this a UUID in canonical lower case? And its 16 bytes (0, or -1 if it is none).
bool berth_id_is (const char *text);
int berth_id_parse (const char *text, uint8_t bytes [16]);
void berth_id_text (const uint8_t bytes [16], char text [BERTH_ID_SIZE]);

#endif
