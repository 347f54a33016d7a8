//  keys.h - keys that sort: built piece by piece, compared as bytes.

#ifndef BERTH_KEYS_H_INCLUDED
#define BERTH_KEYS_H_INCLUDED

#include "ids.h"
#include "base.h"

enum { STORE_KEY_MAX = 511 };       //  LMDB's own limit

typedef struct {
    size_t size;
    uint8_t data [STORE_KEY_MAX];
} store_key_t;

//  Each appends one piece. A text ends with NUL, so that "a" sorts before "ab" and no prefix of a
//  company is another company. Running over the limit is a bug: schemas bound what stands in keys.
void key_byte (store_key_t *self, uint8_t byte);
void key_id (store_key_t *self, const char *uuid);          //  16 bytes; a bug if it is no UUID
void key_text (store_key_t *self, const char *text);
void key_up (store_key_t *self, uint64_t number);           //  Smaller first
void key_down (store_key_t *self, uint64_t number);         //  Larger first
void key_bytes (store_key_t *self, const void *data, size_t size);

//  The id that a key ends with: that of its row.
void key_last_id (const store_key_t *self, char ret_id [BERTH_ID_SIZE]);

//  As text for cursors, and back (0, or -1 if it is none of ours). text: 2 * size + 1 bytes.
void key_to_text (const store_key_t *self, char *text, size_t size);
int key_from_text (store_key_t *self, const char *text);

#endif
