//  fuzz.c - owns nothing but the ring of schemas, which is made once.

#include "fuzz.h"

#include "requests.h"
#include "wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
fuzz_broken (const char *file, int line, const char *what, const char *format, ...)
{
    char text [1024];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    fprintf (stderr, "%s:%d: BROKEN: %s: %s\n", file, line, what, text);
    abort ();
}

bool
fuzz_more (const fuzz_input_t *self)
{
    return self->at < self->end;
}

uint64_t
fuzz_number (fuzz_input_t *self, size_t size)
{
    uint64_t number = 0;
    for (size_t index = 0; index < size && self->at < self->end; index++)
        number |= (uint64_t) *self->at++ << (8 * index);
    return number;
}

berth_bytes_t
fuzz_bytes (fuzz_input_t *self, size_t size)
{
    size_t left = (size_t) (self->end - self->at);
    berth_bytes_t bytes = { self->at, size < left ? size : left };
    self->at += bytes.size;
    return bytes;
}

unsigned
fuzz_schema_number (const berth_schema_t *schema)
{
    uint32_t hash = 2166136261u;
    for (const char *at = schema->name; *at; at++)
        hash = (hash ^ (uint8_t) *at) * 16777619u;
    return (hash ^ hash >> 16) & 0xffff;
}

const berth_schema_t *
fuzz_schema (unsigned number)
{
    static const berth_schema_t *ring [65536];
    if (!ring [0]) {
        const berth_schema_t *schema;
        for (size_t index = 0; (schema = berth_schema_at (index)); index++)
            ring [fuzz_schema_number (schema)] = schema;
        for (size_t round = 0; round < 2; round++)          //  Each takes what lies before it
            for (size_t at = BERTH_COUNT (ring); at--;)
                if (!ring [at])
                    ring [at] = ring [(at + 1) % BERTH_COUNT (ring)];
    }
    return ring [number & 0xffff];
}

void
fuzz_check_failure (const berth_error_t *err, berth_code_t code)
{
    FUZZ_MUST (err->code == code, "%s: %s", berth_code_text (err->code), err->text);
    FUZZ_MUST (err->text [0], "a failure without a sentence");
    FUZZ_MUST (wire_is_text ((const uint8_t *) err->text, strlen (err->text)), "%s", err->text);
    FUZZ_MUST (wire_is_text ((const uint8_t *) err->field, strlen (err->field)), "%s", err->field);
    for (const char *at = err->text; *at; at++)
        FUZZ_MUST ((uint8_t) *at >= 0x20 && *at != 0x7f
                   && !((uint8_t) *at == 0xc2 && (uint8_t) at [1] < 0xa0), "a control byte: %s", err->text);
}
