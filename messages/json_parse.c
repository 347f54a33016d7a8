//  json_parse.c - owns nothing: reads JSON text straight into packed data.

#include "json.h"

#include "codec.h"
#include "wire.h"

#include <math.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *start, *at, *end;
    unsigned depth;                 //  Levels still allowed
    size_t elements;                //  Elements still allowed
    berth_buffer_t out;
    msgpack_packer pk;
    arena_t *arena;
    berth_error_t *err;
} parse_t;

static int
s_bad (parse_t *self, const char *at, const char *what)
{
    size_t line = 1, column = 1;
    for (const char *here = self->start; here < at; here++)
        if (*here == '\n') {
            line++;
            column = 1;
        }
        else if ((*here & 0xc0) != 0x80)
            column++;
    return berth_fail (self->err, BERTH_INVALID, "line %zu, column %zu: %s", line, column, what);
}

static void
s_space (parse_t *self)
{
    while (self->at < self->end && strchr (" \t\r\n", *self->at) && *self->at)
        self->at++;
}

//  The next character behind white space; 0 at the end.
static char
s_peek (parse_t *self)
{
    s_space (self);
    return self->at < self->end ? *self->at : 0;
}

//  ---- texts

//  Four hex digits; -1 if they are none.
static int32_t
s_hex (const char *at, const char *end)
{
    int32_t value = 0;
    for (int index = 0; index < 4; index++, at++) {
        char c = at < end ? *at : 0;
        int digit = c >= '0' && c <= '9' ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

static size_t
s_utf8 (uint32_t code, char *out)
{
    if (code < 0x80) {
        out [0] = (char) code;
        return 1;
    }
    size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t leads [4] = { 0, 0xc0, 0xe0, 0xf0 };
    for (size_t index = more; index; index--) {
        out [index] = (char) (0x80 | (code & 0x3f));
        code >>= 6;
    }
    out [0] = (char) (leads [more] | code);
    return more + 1;
}

//  Reads what follows a backslash, which is at self->at.
static int
s_escape (parse_t *self, char *out, size_t *used)
{
    static const char from [] = "\"\\/bfnrt", to [] = "\"\\/\b\f\n\r\t";
    const char *start = self->at++;
    char c = self->at < self->end ? *self->at++ : 0;
    const char *simple = c ? strchr (from, c) : NULL;
    if (simple) {
        out [(*used)++] = to [simple - from];
        return 0;
    }
    int32_t code = c == 'u' ? s_hex (self->at, self->end) : -1;
    if (code < 0)
        return s_bad (self, start, "that is no escape of JSON");
    self->at += 4;
    if (code >= 0xd800 && code < 0xe000) {
        bool pair = code < 0xdc00 && self->end - self->at >= 6 && memcmp (self->at, "\\u", 2) == 0;
        int32_t low = pair ? s_hex (self->at + 2, self->end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return s_bad (self, start, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        self->at += 6;
    }
    if (code == 0)
        return s_bad (self, start, "a text must not hold NUL; use {\"base64\": ...}");
    *used += s_utf8 ((uint32_t) code, out + *used);
    return 0;
}

static int
s_text (parse_t *self)
{
    const char *start = self->at++;
    const char *close = self->at;
    while (close < self->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= self->end)
        return s_bad (self, start, "the text that begins here has no end");
    char *out = arena_take (self->arena, (size_t) (close - self->at) + 1);
    size_t used = 0;
    while (self->at < close)
        if (*self->at == '\\') {
            if (s_escape (self, out, &used))
                return -1;
        }
        else if ((unsigned char) *self->at < 0x20)
            return s_bad (self, self->at, "a control character in a text must be escaped");
        else
            out [used++] = *self->at++;
    self->at = close + 1;
    if (!wire_is_text ((const uint8_t *) out, used))
        return s_bad (self, start, "the text that begins here is not UTF-8");
    msgpack_pack_str_with_body (&self->pk, out, used);
    return 0;
}

//  ---- numbers

static size_t
s_digits (parse_t *self)
{
    const char *start = self->at;
    while (self->at < self->end && *self->at >= '0' && *self->at <= '9')
        self->at++;
    return (size_t) (self->at - start);
}

static bool
s_is (const parse_t *self, const char *set)
{
    return self->at < self->end && *self->at && strchr (set, *self->at);
}

static int
s_integer (parse_t *self, const char *start)
{
    bool negative = *start == '-';
    uint64_t number = 0;
    for (const char *at = start + negative; at < self->at; at++)
        if (__builtin_mul_overflow (number, 10u, &number)
            || __builtin_add_overflow (number, (uint64_t) (*at - '0'), &number))
            return s_bad (self, start, "an integer that 64 bits cannot hold");
    if (negative && number > (uint64_t) INT64_MAX + 1)
        return s_bad (self, start, "an integer that 64 bits cannot hold");
    if (negative)
        msgpack_pack_int64 (&self->pk, (int64_t) (0 - number));
    else
        msgpack_pack_uint64 (&self->pk, number);
    return 0;
}

static int
s_number (parse_t *self)
{
    const char *start = self->at;
    self->at += *self->at == '-';
    const char *first = self->at;
    size_t digits = s_digits (self);
    if (digits == 0 || (digits > 1 && *first == '0'))
        return s_bad (self, start, "that is no number of JSON");
    bool real = false;
    if (s_is (self, ".")) {
        real = true;
        self->at++;
        if (s_digits (self) == 0)
            return s_bad (self, start, "that is no number of JSON");
    }
    if (s_is (self, "eE")) {
        real = true;
        self->at++;
        self->at += s_is (self, "+-");
        if (s_digits (self) == 0)
            return s_bad (self, start, "that is no number of JSON");
    }
    if (!real)
        return s_integer (self, start);
    double value = strtod (arena_text (self->arena, start, (size_t) (self->at - start)), NULL);
    if (!isfinite (value))
        return s_bad (self, start, "a number that is too large");
    msgpack_pack_double (&self->pk, value);
    return 0;
}

//  ---- lists and objects

//  Closes what was opened at `begin` with room for the longest header, by the shortest one.
static void
s_close (parse_t *self, size_t begin, size_t count, bool map)
{
    uint8_t *head = self->out.data + begin;
    size_t size = count < 16 ? 1 : count < 65536 ? 3 : 5;
    memmove (head + size, head + 5, self->out.size - begin - 5);
    self->out.size -= 5 - size;
    static const uint8_t leads [2] [3] = { { 0x90, 0xdc, 0xdd }, { 0x80, 0xde, 0xdf } };
    head [0] = leads [map] [size / 2];
    if (size == 1)
        head [0] |= (uint8_t) count;
    for (size_t index = 1; index < size; index++)
        head [index] = (uint8_t) (count >> (8 * (size - 1 - index)));
}

static int8_t
s_digit64 (char c)
{
    return (int8_t) (c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26
                   : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1);
}

//  {"base64": "..."}, and nothing else in it, becomes the bytes it stands for.
static int
s_close_object (parse_t *self, size_t begin, size_t count, const char *start)
{
    s_close (self, begin, count, true);
    berth_bytes_t map = { self->out.data + begin, self->out.size - begin };
    if (wire_check (map, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, NULL))
        return s_bad (self, start, "a key stands twice in the object that begins here");
    berth_bytes_t value = count == 1 ? any_get (map, "base64") : (berth_bytes_t) { NULL, 0 };
    wire_t wire = wire_of (value);
    wire_token_t token;
    if (value.size == 0 || wire_next (&wire, &token) || token.type != WIRE_STR)
        return 0;
    const char *text = (const char *) token.data;
    size_t size = token.size, used = 0;
    uint8_t *bytes = arena_take (self->arena, size / 4 * 3 + 3);
    bool good = size % 4 == 0;
    for (size_t at = 0; at < size && good; at += 4) {
        size_t padding = at + 4 < size ? 0 : (size_t) (text [at + 3] == '=')
                       + (size_t) (text [at + 3] == '=' && text [at + 2] == '=');
        uint32_t bits = 0;
        for (size_t index = 0; index < 4; index++) {
            int8_t digit = index >= 4 - padding ? 0 : s_digit64 (text [at + index]);
            good = good && digit >= 0;
            bits = bits << 6 | (uint8_t) (digit & 63);
        }
        good = good && (bits & ((1u << (8 * padding)) - 1)) == 0;
        for (size_t index = 0; index < 3 - padding; index++)
            bytes [used++] = (uint8_t) (bits >> (16 - 8 * index));
    }
    if (!good)
        return s_bad (self, start, "what stands under \"base64\" here is not base64");
    self->out.size = begin;
    msgpack_pack_bin_with_body (&self->pk, bytes, used);
    return 0;
}

static int s_value (parse_t *self);

static int
s_key (parse_t *self)
{
    if (s_peek (self) != '"')
        return s_bad (self, self->at, "a key in double quotes is missing");
    if (s_text (self))
        return -1;
    if (s_peek (self) != ':')
        return s_bad (self, self->at, "a ':' is missing");
    self->at++;
    return 0;
}

//  A list or an object.
static int
s_container (parse_t *self)
{
    const char *start = self->at++;
    bool map = *start == '{';
    char close = map ? '}' : ']';
    if (self->depth == 0)
        return s_bad (self, start, "it is nested too deeply");
    self->depth--;
    size_t begin = self->out.size, count = 0;
    berth_buffer_write (&self->out, "\0\0\0\0", 5);
    if (s_peek (self) != close)
        for (;;) {
            if (self->elements == 0)
                return s_bad (self, self->at, "there are more elements than are allowed");
            self->elements--;
            count++;
            if ((map && s_key (self)) || s_value (self))
                return -1;
            char next = s_peek (self);
            if (next == close)
                break;
            if (next != ',')
                return s_bad (self, self->at, map ? "a ',' or '}' is missing"
                                                  : "a ',' or ']' is missing");
            self->at++;
        }
    self->at++;
    self->depth++;
    if (map)
        return s_close_object (self, begin, count, start);
    s_close (self, begin, count, false);
    return 0;
}

static int
s_word (parse_t *self, const char *word, char packed)
{
    size_t size = strlen (word);
    if ((size_t) (self->end - self->at) < size || memcmp (self->at, word, size) != 0)
        return s_bad (self, self->at, "that is no word of JSON: true, false, null");
    self->at += size;
    return berth_buffer_write (&self->out, &packed, 1);
}

static int
s_value (parse_t *self)
{
    char c = s_peek (self);
    if (c == '{' || c == '[')
        return s_container (self);
    if (c == '"')
        return s_text (self);
    if (c == '-' || (c >= '0' && c <= '9'))
        return s_number (self);
    if (c == 't')
        return s_word (self, "true", '\xc3');
    if (c == 'f')
        return s_word (self, "false", '\xc2');
    if (c == 'n')
        return s_word (self, "null", '\xc0');
    return s_bad (self, self->at, self->at < self->end ? "no value can begin like that"
                                                       : "a value is missing at the end");
}

int
berth_json_parse (const char *text, size_t size, arena_t *arena, berth_bytes_t *ret_bytes,
                  berth_error_t *err)
{
    parse_t self = { .start = text, .at = text, .end = text + size, .depth = BERTH_DEPTH_MAX,
                     .elements = BERTH_ELEMENTS_MAX, .out = { .arena = arena }, .arena = arena,
                     .err = err };
    msgpack_packer_init (&self.pk, &self.out, berth_buffer_write);
    if (s_value (&self))
        return -1;
    s_space (&self);
    if (self.at < self.end)
        return s_bad (&self, self.at, "there is something behind the value");
    *ret_bytes = berth_buffer_bytes (&self.out);
    return 0;
}
