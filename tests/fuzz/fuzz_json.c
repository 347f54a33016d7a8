//  fuzz_json.c - any bytes as JSON text.
//
//  burst: 120000
//  length: 2048
//
//  What is read passes the walk of the wire, reserves no more than its bytes can account for, and is
//  written as a text that reads as the same; what is refused says line and column.

#include "fuzz.h"

#include "json.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

static const char *
s_text (berth_bytes_t bytes, unsigned flags, arena_t *arena)
{
    return berth_json_text (NULL, bytes, flags, arena);
}

//  Bytes that are a text are shown as one: only those may come back as something else.
static bool
s_holds_bytes (berth_bytes_t bytes)
{
    wire_t wire = wire_of (bytes);
    wire_token_t token;
    while (wire_next (&wire, &token) == 0)
        if (token.type == WIRE_BIN)
            return true;
    return false;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static arena_t *arena;
    if (!arena)
        arena = arena_new ();
    arena_clear (arena);
    berth_error_t err = { 0 };
    berth_bytes_t bytes = { 0 }, again = { 0 };
    int rc = berth_json_parse ((const char *) data, size, arena, &bytes, &err);
    FUZZ_MUST (arena_used (arena) <= 4096 + 64 * size, "%zu bytes of text take %zu", size,
               arena_used (arena));
    if (rc) {
        unsigned line = 0, column = 0;
        fuzz_check_failure (&err, BERTH_INVALID);
        FUZZ_MUST (sscanf (err.text, "line %u, column %u: ", &line, &column) == 2 && line && column,
                   "%s", err.text);
        FUZZ_MUST (!bytes.data, "it failed, and filled what it returns");
        return 0;
    }
    FUZZ_MUST (wire_check (bytes, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, &err) == 0, "%s", err.text);
    const char *text = s_text (bytes, BERTH_JSON_COMPACT, arena);
    FUZZ_MUST (berth_json_parse (text, strlen (text), arena, &again, &err) == 0, "%s: %s", err.text,
               text);
    FUZZ_MUST (s_holds_bytes (bytes) || (again.size == bytes.size
               && memcmp (again.data, bytes.data, bytes.size) == 0), "%s means something else", text);
    const char *second = s_text (again, BERTH_JSON_COMPACT, arena);
    FUZZ_MUST (strcmp (text, second) == 0, "%s became %s", text, second);
    const char *pretty = s_text (bytes, BERTH_JSON_PRETTY, arena);
    FUZZ_MUST (berth_json_parse (pretty, strlen (pretty), arena, &again, &err) == 0, "%s: %s",
               err.text, pretty);
    second = s_text (again, BERTH_JSON_COMPACT, arena);
    FUZZ_MUST (strcmp (text, second) == 0, "%s became %s by way of %s", text, second, pretty);
    return 0;
}
