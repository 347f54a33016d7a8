//  wire.c - owns nothing: functions of bytes.

#include "wire.h"

#include <stdlib.h>
#include <string.h>

static uint64_t
s_number (const uint8_t *at, unsigned size)
{
    uint64_t number = 0;
    for (unsigned index = 0; index < size; index++)
        number = number << 8 | at [index];
    return number;
}

static int
s_payload (wire_t *self, wire_token_t *token, wire_type_t type, uint64_t size)
{
    if ((uint64_t) (self->end - self->at) < size)
        return -1;
    token->type = type;
    token->data = self->at;
    token->size = (size_t) size;
    self->at += size;
    return 0;
}

static int
s_unsigned (wire_token_t *token, uint64_t number)
{
    token->type = WIRE_UINT;
    token->number = number;
    return 0;
}

static int
s_signed (wire_token_t *token, int64_t number)
{
    token->type = number < 0 ? WIRE_INT : WIRE_UINT;
    token->number = (uint64_t) number;
    return 0;
}

static int
s_count (wire_token_t *token, wire_type_t type, uint64_t count)
{
    token->type = type;
    token->size = (size_t) count;
    return 0;
}

int
wire_next (wire_t *self, wire_token_t *token)
{
    if (self->at >= self->end)
        return -1;
    const uint8_t *start = self->at;
    uint8_t lead = *self->at++;
    if (lead < 0x80)
        return s_unsigned (token, lead);
    if (lead >= 0xe0)
        return s_signed (token, (int8_t) lead);
    if (lead < 0x90)
        return s_count (token, WIRE_MAP, lead & 0x0f);
    if (lead < 0xa0)
        return s_count (token, WIRE_ARRAY, lead & 0x0f);
    if (lead < 0xc0)
        return s_payload (self, token, WIRE_STR, lead & 0x1f);

    //  Bytes that follow the lead: a number, or the size of what comes.
    static const uint8_t extra [32] = {
        0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
        1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4
    };
    unsigned more = extra [lead - 0xc0];
    if ((size_t) (self->end - self->at) < more) {
        self->at = start;
        return -1;
    }
    uint64_t number = s_number (self->at, more);
    self->at += more;
    switch (lead) {
        case 0xc0: token->type = WIRE_NIL; return 0;
        case 0xc2: case 0xc3:
            token->type = WIRE_BOOL;
            token->truth = lead & 1;
            return 0;
        case 0xc4: case 0xc5: case 0xc6: return s_payload (self, token, WIRE_BIN, number);
        case 0xc7: case 0xc8: case 0xc9: return s_payload (self, token, WIRE_EXT, number + 1);
        case 0xca: {
            uint32_t bits = (uint32_t) number;
            float real;
            memcpy (&real, &bits, sizeof real);
            token->type = WIRE_FLOAT;
            token->real = (double) real;
            return 0;
        }
        case 0xcb:
            token->type = WIRE_FLOAT;
            memcpy (&token->real, &number, sizeof token->real);
            return 0;
        case 0xcc: case 0xcd: case 0xce: case 0xcf: return s_unsigned (token, number);
        case 0xd0: return s_signed (token, (int8_t) number);
        case 0xd1: return s_signed (token, (int16_t) number);
        case 0xd2: return s_signed (token, (int32_t) number);
        case 0xd3: return s_signed (token, (int64_t) number);
        case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8:
            return s_payload (self, token, WIRE_EXT, 1 + (1u << (lead - 0xd4)));
        case 0xd9: case 0xda: case 0xdb: return s_payload (self, token, WIRE_STR, number);
        case 0xdc: case 0xdd: return s_count (token, WIRE_ARRAY, number);
        case 0xde: case 0xdf: return s_count (token, WIRE_MAP, number);
        default:
            self->at = start;
            return -1;          //  0xc1 is never used
    }
}

void
wire_skip (wire_t *self)
{
    size_t left = 1;
    while (left--) {
        wire_token_t token;
        if (wire_next (self, &token))
            return;
        if (token.type == WIRE_ARRAY)
            left += token.size;
        else if (token.type == WIRE_MAP)
            left += 2 * token.size;
    }
}

typedef struct {
    wire_t wire;
    const uint8_t *start;
    size_t elements;            //  Still allowed
    berth_error_t *err;
} walk_t;

static int
s_bad (walk_t *self, const char *what)
{
    return berth_fail (self->err, BERTH_INVALID, "malformed msgpack at byte %zu: %s",
                       (size_t) (self->wire.at - self->start), what);
}

static int
s_compare (const void *left, const void *right)
{
    const berth_bytes_t *a = left, *b = right;
    size_t size = a->size < b->size ? a->size : b->size;
    int order = size ? memcmp (a->data, b->data, size) : 0;
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static bool
s_repeated (berth_bytes_t *keys, size_t count)
{
    if (count <= 16) {
        for (size_t one = 1; one < count; one++)
            for (size_t other = 0; other < one; other++)
                if (s_compare (&keys [one], &keys [other]) == 0)
                    return true;
        return false;
    }
    qsort (keys, count, sizeof *keys, s_compare);
    for (size_t one = 1; one < count; one++)
        if (s_compare (&keys [one], &keys [one - 1]) == 0)
            return true;
    return false;
}

static int s_walk (walk_t *self, unsigned depth);

static int
s_walk_map (walk_t *self, size_t count, unsigned depth)
{
    berth_bytes_t few [16], *keys = few;
    if (count > 16 && !(keys = malloc (count * sizeof *keys)))
        return s_bad (self, "a map that is too large");
    int rc = 0;
    for (size_t index = 0; index < count && rc == 0; index++) {
        wire_token_t key;
        if (wire_next (&self->wire, &key))
            rc = s_bad (self, "it ends inside a map");
        else if (key.type != WIRE_STR)
            rc = s_bad (self, "a map's key is not a string");
        else {
            keys [index] = (berth_bytes_t) { key.data, key.size };
            rc = s_walk (self, depth);
        }
    }
    if (rc == 0 && s_repeated (keys, count))
        rc = s_bad (self, "a key stands twice in a map");
    if (keys != few)
        free (keys);
    return rc;
}

static int
s_walk (walk_t *self, unsigned depth)
{
    wire_token_t token;
    if (wire_next (&self->wire, &token))
        return s_bad (self, "it ends inside an object, or a byte is none of msgpack's");
    if (token.type == WIRE_EXT)
        return s_bad (self, "extension types are not used here");
    if (token.type != WIRE_ARRAY && token.type != WIRE_MAP)
        return 0;
    if (depth == 0)
        return s_bad (self, "it is nested too deeply");
    size_t announced = token.size;
    size_t least = token.type == WIRE_MAP ? 2 * announced : announced;
    if (announced > self->elements || least > (size_t) (self->wire.end - self->wire.at))
        return s_bad (self, "it announces more elements than are allowed or there");
    self->elements -= announced;
    if (token.type == WIRE_MAP)
        return s_walk_map (self, announced, depth - 1);
    while (announced--)
        if (s_walk (self, depth - 1))
            return -1;
    return 0;
}

int
wire_check (berth_bytes_t bytes, unsigned depth, size_t elements, berth_error_t *err)
{
    walk_t walk = { wire_of (bytes), bytes.data, elements, err };
    if (bytes.size == 0)
        return berth_fail (err, BERTH_INVALID, "malformed msgpack: the frame is empty");
    if (s_walk (&walk, depth))
        return -1;
    if (walk.wire.at != walk.wire.end)
        return s_bad (&walk, "there are bytes behind the object");
    return 0;
}

bool
wire_is_text (const uint8_t *data, size_t size)
{
    for (size_t index = 0; index < size;) {
        uint64_t eight;
        if (size - index >= sizeof eight) {
            memcpy (&eight, data + index, sizeof eight);
            //  ASCII, and no NUL: no byte has its high bit, nor gets it when 1 is taken from it
            if (!((eight | (eight - 0x0101010101010101u)) & 0x8080808080808080u)) {
                index += sizeof eight;
                continue;
            }
        }
        uint8_t lead = data [index++];
        if (lead == 0)
            return false;
        if (lead < 0x80)
            continue;
        unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc2 || lead > 0xf4 || size - index < more)
            return false;
        uint8_t second = data [index];
        if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)
            || (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
            return false;
        while (more--)
            if ((data [index++] & 0xc0) != 0x80)
                return false;
    }
    return true;
}
