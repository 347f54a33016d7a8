//  json.h - packed data as JSON text and back, for the command line, its --json, and people.
//
//  A text stays a text; bytes that are UTF-8 are shown as text, too, and other bytes as
//  {"base64": "..."}, which comes back as bytes. Integers are exact over all 64 bits (which is why
//  this is no library's reader: jansson stops at 63), and numbers with a point or an exponent are
//  doubles, shown so that they read back the same. Keys keep their order. The decimal point is the
//  C locale's: programs leave LC_NUMERIC alone.

#ifndef BERTH_JSON_H_INCLUDED
#define BERTH_JSON_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "schema.h"

enum {
    BERTH_JSON_COMPACT = 0,         //  One line, no spaces
    BERTH_JSON_PRETTY  = 1          //  A line per element, two spaces per level
};

//  The text of one packed object, in arena, without a newline at its end. Only for bytes that
//  wire_check has passed or that we packed ourselves. With a schema, fields that are SECRET read
//  "***", also inside its objects and lists; without one (NULL) nothing is known to be secret.
//  Control characters are escaped, so that the text is harmless to a terminal.
const char *berth_json_text (const berth_schema_t *schema, berth_bytes_t packed, unsigned flags,
                             arena_t *arena);

//  Packs one JSON text (RFC 8259, UTF-8) into the arena: at most BERTH_DEPTH_MAX levels and
//  BERTH_ELEMENTS_MAX elements, each key once, no \u0000. An integer that 64 bits cannot hold is an
//  error. invalid_request says line and column (in characters, from 1); *ret_bytes is then untouched.
int berth_json_parse (const char *text, size_t size, arena_t *arena, berth_bytes_t *ret_bytes,
                      berth_error_t *err);

#endif
