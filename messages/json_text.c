//  json_text.c - owns nothing: writes packed data as JSON.

#include "json.h"

#include "codec.h"
#include "wire.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    wire_t wire;
    berth_buffer_t out;
    bool pretty;
} text_t;

static void
s_put (text_t *self, const char *text)
{
    berth_buffer_write (&self->out, text, strlen (text));
}

static void
s_line (text_t *self, unsigned level)
{
    if (!self->pretty)
        return;
    s_put (self, "\n");
    while (level--)
        s_put (self, "  ");
}

//  Bytes of the character at `data`, 0 if it is none.
static size_t
s_character (const uint8_t *data, size_t size)
{
    size_t length = data [0] < 0x80 ? 1 : data [0] < 0xe0 ? 2 : data [0] < 0xf0 ? 3 : 4;
    return length <= size && wire_is_text (data, length) ? length : 0;
}

//  A text; what is not UTF-8 (possible in a key only) is shown as the replacement character.
static void
s_put_text (text_t *self, const uint8_t *data, size_t size)
{
    static const char shorts [] = "btn?fr";             //  0x08 to 0x0d
    s_put (self, "\"");
    while (size) {
        size_t length = data [0] ? s_character (data, size) : 1;
        char escaped [8] = "";
        if (length == 0)
            snprintf (escaped, sizeof escaped, "\xef\xbf\xbd");
        else if (data [0] == '"' || data [0] == '\\')
            snprintf (escaped, sizeof escaped, "\\%c", data [0]);
        else if (data [0] >= 0x08 && data [0] <= 0x0d && data [0] != 0x0b)
            snprintf (escaped, sizeof escaped, "\\%c", shorts [data [0] - 0x08]);
        else if (data [0] < 0x20 || data [0] == 0x7f)
            snprintf (escaped, sizeof escaped, "\\u%04x", data [0]);
        else if (data [0] == 0xc2 && data [1] < 0xa0)   //  C1: a terminal obeys these
            snprintf (escaped, sizeof escaped, "\\u%04x", data [1]);
        if (escaped [0])
            s_put (self, escaped);
        else
            berth_buffer_write (&self->out, (const char *) data, length);
        length = length ? length : 1;
        data += length;
        size -= length;
    }
    s_put (self, "\"");
}

static void
s_put_base64 (text_t *self, const uint8_t *data, size_t size)
{
    static const char digits [] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    s_put (self, self->pretty ? "{\"base64\": \"" : "{\"base64\":\"");
    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at;
        uint32_t bits = (uint32_t) data [at] << 16
            | (left > 1 ? (uint32_t) data [at + 1] << 8 : 0) | (left > 2 ? data [at + 2] : 0);
        char quad [4] = { digits [bits >> 18], digits [bits >> 12 & 63],
                          left > 1 ? digits [bits >> 6 & 63] : '=',
                          left > 2 ? digits [bits & 63] : '=' };
        berth_buffer_write (&self->out, quad, 4);
    }
    s_put (self, "\"}");
}

static void
s_put_real (text_t *self, double real)
{
    char text [40] = "null";                            //  JSON has no other word for NaN
    if (isfinite (real)) {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf (text, sizeof text, "%.*g", digits, real);
            if (strtod (text, NULL) == real)
                break;
        }
        if (!strpbrk (text, ".e"))
            strcat (text, ".0");
    }
    s_put (self, text);
}

static void s_put_value (text_t *self, const berth_schema_t *schema, bool secret, unsigned level);

static void
s_put_map (text_t *self, const berth_schema_t *schema, size_t count, unsigned level)
{
    s_put (self, "{");
    for (size_t index = 0; index < count; index++) {
        wire_token_t key;
        if (wire_next (&self->wire, &key))
            break;
        s_put (self, index ? "," : "");
        s_line (self, level + 1);
        s_put_text (self, key.data, key.size);
        s_put (self, self->pretty ? ": " : ":");

        const berth_field_t *field = NULL;
        for (size_t at = 0; schema && at < schema->count && !field; at++)
            if (strlen (schema->fields [at].name) == key.size
                && memcmp (schema->fields [at].name, key.data, key.size) == 0)
                field = &schema->fields [at];
        bool nested = field && (field->kind == KIND_OBJ || field->kind == KIND_LIST);
        s_put_value (self, nested ? field->of : NULL, field && (field->flags & SECRET), level + 1);
    }
    if (count)
        s_line (self, level);
    s_put (self, "}");
}

//  `schema` is that of the map, or of the maps in the list, that comes.
static void
s_put_value (text_t *self, const berth_schema_t *schema, bool secret, unsigned level)
{
    wire_token_t token;
    const uint8_t *start = self->wire.at;
    if (wire_next (&self->wire, &token)) {
        s_put (self, "null");
        return;
    }
    if (secret && token.type != WIRE_NIL) {
        self->wire.at = start;
        wire_skip (&self->wire);
        s_put (self, "\"***\"");
        return;
    }
    char number [24];
    switch (token.type) {
        case WIRE_NIL:
            s_put (self, "null");
            break;
        case WIRE_BOOL:
            s_put (self, token.truth ? "true" : "false");
            break;
        case WIRE_UINT:
            snprintf (number, sizeof number, "%" PRIu64, token.number);
            s_put (self, number);
            break;
        case WIRE_INT:
            snprintf (number, sizeof number, "%" PRId64, (int64_t) token.number);
            s_put (self, number);
            break;
        case WIRE_FLOAT:
            s_put_real (self, token.real);
            break;
        case WIRE_STR: case WIRE_BIN: case WIRE_EXT:
            if (token.type != WIRE_EXT && wire_is_text (token.data, token.size))
                s_put_text (self, token.data, token.size);
            else
                s_put_base64 (self, token.data, token.size);
            break;
        case WIRE_ARRAY:
            s_put (self, "[");
            for (size_t index = 0; index < token.size; index++) {
                s_put (self, index ? "," : "");
                s_line (self, level + 1);
                s_put_value (self, schema, false, level + 1);
            }
            if (token.size)
                s_line (self, level);
            s_put (self, "]");
            break;
        case WIRE_MAP:
            s_put_map (self, schema, token.size, level);
            break;
        default:
            ENSURE (!"a type of token that is written");
    }
}

const char *
berth_json_text (const berth_schema_t *schema, berth_bytes_t packed, unsigned flags, arena_t *arena)
{
    text_t self = { .wire = wire_of (packed), .out = { .arena = arena },
                    .pretty = flags & BERTH_JSON_PRETTY };
    s_put_value (&self, schema, false, 0);
    berth_buffer_write (&self.out, "", 1);
    return (const char *) self.out.data;
}
