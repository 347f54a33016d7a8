//  wire.h - reading msgpack one token at a time, and the bounded walk that every frame passes
//  before anything else looks at it.
//
//  Our own reader, because a decoder that trusts an announced count reserves gigabytes for five
//  bytes (msgpack-c #1013), and because fields of kind ANY are kept as the bytes that came.

#ifndef BERTH_WIRE_H_INCLUDED
#define BERTH_WIRE_H_INCLUDED

#include "arena.h"
#include "error.h"

typedef enum {
    WIRE_NIL, WIRE_BOOL, WIRE_UINT, WIRE_INT, WIRE_FLOAT, WIRE_STR, WIRE_BIN, WIRE_ARRAY, WIRE_MAP,
    WIRE_EXT
} wire_type_t;

typedef struct {
    const uint8_t *at, *end;
} wire_t;

//  Reads these bytes; there may be none (NULL).
static inline wire_t
wire_of (berth_bytes_t bytes)
{
    return (wire_t) { bytes.data, bytes.size ? bytes.data + bytes.size : bytes.data };
}

typedef struct {
    wire_type_t type;
    bool truth;
    uint64_t number;            //  UINT; INT as two's complement, always negative
    double real;
    const uint8_t *data;        //  STR, BIN, EXT: the bytes
    size_t size;                //  Of data; ARRAY: elements; MAP: pairs
} wire_token_t;

//  Reads one token and moves behind it (behind the payload of STR, BIN, EXT; before the elements
//  of ARRAY, MAP). Returns 0, or -1 at the end, in a half token, and for the byte 0xc1.
int wire_next (wire_t *self, wire_token_t *ret_token);

//  Moves behind one whole object; only on bytes that wire_check has passed.
void wire_skip (wire_t *self);

//  Passes exactly one object whose nesting is at most `depth` and whose announced elements sum up
//  to at most `elements`, with nothing behind it, no count above the bytes at hand, map keys that
//  are strings and stand once, and no extension types. invalid_request says what and at which byte.
//  Touches every byte of structure once; allocates nothing but a table for maps above 16 keys.
int wire_check (berth_bytes_t bytes, unsigned depth, size_t elements, berth_error_t *err);

//  UTF-8 (RFC 3629) without NUL?
bool wire_is_text (const uint8_t *data, size_t size);

#endif
