//  flags.c - owns nothing: texts of a command line become the packed body of a message.

#include "flags.h"

#include "clock.h"
#include "json.h"
#include "wire.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <msgpack.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

//  ---- texts

static bool
s_ends (const char *text, const char *end)
{
    size_t size = strlen (text), wanted = strlen (end);
    return size > wanted && strcmp (text + size - wanted, end) == 0;
}

static bool
s_is_duration (const berth_field_t *field)
{
    return s_ends (field->name, "Ms") || strcmp (field->name, "ms") == 0;
}

static bool
s_is_size (const berth_field_t *field)
{
    return s_ends (field->name, "Bytes") || s_ends (field->name, "Max");
}

//  A number and its unit; -1 if the number is none, or too large with its unit.
static int
s_units (const char *text, const char *const units [], const uint64_t factors [], uint64_t *ret_value)
{
    if (!isdigit ((unsigned char) *text))
        return -1;
    char *end;
    errno = 0;
    double number = strtod (text, &end);
    uint64_t whole = strtoull (text, NULL, 10);
    if (errno)
        return -1;
    for (size_t index = 0; units [index]; index++)
        if (strcasecmp (end, units [index]) == 0) {
            bool exact = strspn (text, "0123456789") == (size_t) (end - text);
            double value = number * (double) factors [index];
            if (!(value < 18e18) || strpbrk (text, "xXpPeE"))
                return -1;
            *ret_value = exact ? whole * factors [index] : (uint64_t) llround (value);
            return 0;
        }
    return -1;
}

int
flags_duration (const char *text, uint64_t *ret_ms)
{
    static const char *const units [] = { "", "ms", "s", "m", "h", "d", NULL };
    static const uint64_t factors [] = { 1, 1, 1000, 60000, 3600000, 86400000 };
    return s_units (text, units, factors, ret_ms);
}

int
flags_size (const char *text, uint64_t *ret_bytes)
{
    static const char *const units [] = { "", "B", "K", "KiB", "M", "MiB", "G", "GiB", "T", "TiB", NULL };
    static const uint64_t factors [] = { 1, 1, 1ull << 10, 1ull << 10, 1ull << 20, 1ull << 20,
                                         1ull << 30, 1ull << 30, 1ull << 40, 1ull << 40 };
    return s_units (text, units, factors, ret_bytes);
}

int
flags_signal (const char *text)
{
    if (strncasecmp (text, "SIG", 3) == 0)
        text += 3;
    for (int number = 1; number <= 64; number++) {
        const char *name = number < 32 ? sigabbrev_np (number) : NULL;
        char digits [12];
        snprintf (digits, sizeof digits, "%d", number);
        if ((name && strcasecmp (text, name) == 0) || strcmp (text, digits) == 0)
            return number;
    }
    return 0;
}

//  "2026-05-11T09:30:00Z" or "2026-05-11" (UTC), or how long ago.
static int
s_time (const char *text, int64_t *ret_ms)
{
    static const char *const forms [] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                          "%Y-%m-%d", NULL };
    uint64_t ago;
    for (size_t index = 0; forms [index]; index++) {
        struct tm parts = { 0 };
        const char *end = strptime (text, forms [index], &parts);
        if (!end)
            continue;
        int64_t part = 0;
        if (*end == '.') {
            int scale = 100;
            for (end++; isdigit ((unsigned char) *end); end++, scale /= 10)
                part += (*end - '0') * scale;
        }
        if (*end && strcmp (end, "Z"))
            continue;
        *ret_ms = (int64_t) timegm (&parts) * 1000 + part;
        return 0;
    }
    if (flags_duration (text, &ago) || ago > INT64_MAX)
        return -1;
    //  A bare number of that length is a time of the wire.
    bool bare = text [strspn (text, "0123456789")] == 0 && strlen (text) >= 12;
    *ret_ms = bare ? (int64_t) ago : berth_wall_ms () - (int64_t) ago;
    return 0;
}

void
flags_name (const berth_field_t *field, char *name, size_t size)
{
    size_t used = 0;
    const char *end = field->name + strlen (field->name) - (s_ends (field->name, "Ms") ? 2 : 0);
    for (const char *at = field->name; at < end && used + 3 < size; at++) {
        if (isupper ((unsigned char) *at) && at > field->name)
            name [used++] = '-';
        name [used++] = (char) tolower ((unsigned char) *at);
    }
    name [used] = 0;
}

//  What a text is, where the name of its field says it.
static const char *
s_text_value (const berth_field_t *field)
{
    static const struct { const char *name, *value; } known [] = {
        { "endpoint", "ENDPOINT" }, { "state", "DIR" }, { "runtime", "DIR" }, { "workspace", "DIR" },
        { "config", "FILE" }, { "ro", "PATH" }, { "company", "COMPANY" }, { "on", "ENVIRONMENT" },
        { "for", "WORKSPACE" },
        { "run", "RUN" }, { "env", "NAME[=VALUE]" }, { "cwd", "DIR" }, { "uids", "FIRST:COUNT" },
    };
    for (size_t index = 0; index < BERTH_COUNT (known); index++)
        if (strcmp (known [index].name, field->name) == 0)
            return known [index].value;
    return "TEXT";
}

const char *
flags_value (const berth_field_t *field)
{
    if (s_is_duration (field))
        return field->kind == KIND_ANY ? "TIME|none" : "TIME";
    switch (field->kind) {
        case KIND_BOOL: return "";
        case KIND_I64: case KIND_U64: case KIND_F64: return s_is_size (field) ? "SIZE" : "N";
        case KIND_TIME: return "WHEN";
        case KIND_ID: return "ID";
        case KIND_ANY: return field->flags & OBJECT ? "JSON|KEY=VALUE" : "JSON";
        case KIND_OBJ: case KIND_LIST: return "JSON";
        case KIND_ENUM: return "WORD";
        case KIND_STR: case KIND_BYTES: case KIND_STRS: case KIND_BLOBS:
        default: return s_text_value (field);
    }
}

//  ---- values

static int
s_wrong (const berth_field_t *field, const char *text, const char *what, berth_error_t *err)
{
    char name [80];
    flags_name (field, name, sizeof name);
    if (err)
        berth_error_set (err->field, sizeof err->field, "%s", field->name);
    return berth_fail (err, BERTH_INVALID, "--%s '%.80s': must be %s", name, text, what);
}

static berth_bytes_t
s_slurp (FILE *file, arena_t *arena)
{
    size_t size = 0, room = 65536;
    uint8_t *data = malloc (room);
    ENSURE (data);
    for (size_t got; size <= BERTH_FRAME_MAX && (got = fread (data + size, 1, room - size, file)) > 0;) {
        size += got;
        if (size == room) {
            data = realloc (data, room *= 2);
            ENSURE (data);
        }
    }
    berth_bytes_t bytes = { arena_copy (arena, data, size), size };
    free (data);
    return bytes;
}

//  JSON, @FILE or -.
static int
s_json (const berth_field_t *field, const char *text, arena_t *arena, berth_bytes_t *ret_value,
        berth_error_t *err)
{
    berth_bytes_t source = { (const uint8_t *) text, strlen (text) };
    if (strcmp (text, "-") == 0)
        source = s_slurp (stdin, arena);
    else if (*text == '@') {
        FILE *file = fopen (text + 1, "re");
        if (!file)
            return berth_fail_errno (err, BERTH_INVALID, "'%s' cannot be read", text + 1);
        source = s_slurp (file, arena);
        fclose (file);
    }
    if (source.size > BERTH_FRAME_MAX)
        return s_wrong (field, text, "smaller than 1 MiB", err);
    berth_error_t why = { 0 };
    if (berth_json_parse ((const char *) source.data, source.size, arena, ret_value, &why)) {
        char name [80];
        flags_name (field, name, sizeof name);
        return berth_fail (err, BERTH_INVALID, "--%s: %s", name, why.text);
    }
    return 0;
}

//  KEY=VALUE of an object: a number, true, false, null or JSON means itself, @FILE the file's text,
//  all else text. False: it is none of that form.
static bool
s_is_entry (const char *text)
{
    size_t size = strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return size && !isdigit ((unsigned char) *text) && text [size] == '=';
}

static int
s_entry (const char *text, berth_bytes_t before, arena_t *arena, berth_bytes_t *ret_value,
         berth_error_t *err)
{
    const char *equals = strchr (text, '='), *value = equals + 1;
    const char *key = arena_text (arena, text, (size_t) (equals - text));
    berth_bytes_t packed, base = before.size ? before : berth_empty_map;
    berth_error_t ignored = { 0 };
    if (*value == '@') {
        FILE *file = fopen (value + 1, "re");
        if (!file)
            return berth_fail_errno (err, BERTH_INVALID, "'%s' cannot be read", value + 1);
        berth_bytes_t bytes = s_slurp (file, arena);
        fclose (file);
        *ret_value = any_set_text (base, key, arena_text (arena, (const char *) bytes.data, bytes.size),
                                   arena);
    }
    else if (*value && *value != '"'
             && berth_json_parse (value, strlen (value), arena, &packed, &ignored) == 0)
        *ret_value = any_set (base, key, packed, arena);
    else
        *ret_value = any_set_text (base, key, value, arena);
    return 0;
}

static int
s_number (const berth_field_t *field, const char *text, msgpack_packer *pk, berth_error_t *err)
{
    uint64_t number;
    int64_t when;
    char *end;
    if (field->kind == KIND_TIME) {
        if (s_time (text, &when))
            return s_wrong (field, text, "a time (2026-05-11T09:30:00Z) or how long ago (10m)", err);
        return msgpack_pack_int64 (pk, when);
    }
    if (field->kind == KIND_F64) {
        double real = strtod (text, &end);
        if (end == text || *end || !isfinite (real))
            return s_wrong (field, text, "a number", err);
        return msgpack_pack_double (pk, real);
    }
    if (s_is_duration (field)) {
        if (flags_duration (text, &number))
            return s_wrong (field, text, "a duration: 30s, 5m, 2h", err);
    }
    else if (s_is_size (field)) {
        if (flags_size (text, &number))
            return s_wrong (field, text, "a size: 64K, 10M, 1G", err);
    }
    else if (strcmp (field->name, "signal") == 0) {
        if ((number = (uint64_t) flags_signal (text)) == 0)
            return s_wrong (field, text, "a signal: TERM, INT, 9", err);
    }
    else {
        errno = 0;
        long long value = strtoll (text, &end, 10);
        if (end == text || *end || errno || (value < 0 && field->kind == KIND_U64))
            return s_wrong (field, text, "a whole number", err);
        return msgpack_pack_int64 (pk, value);
    }
    return msgpack_pack_uint64 (pk, number);
}

//  The elements of a packed array (of at most 65,535 elements); 0 and NULL if it is none.
static size_t
s_elements (berth_bytes_t array, berth_bytes_t *ret_elements)
{
    wire_t wire = wire_of (array);
    wire_token_t token = { 0 };
    *ret_elements = (berth_bytes_t) { NULL, 0 };
    if (array.size == 0 || wire_next (&wire, &token) || token.type != WIRE_ARRAY)
        return 0;
    *ret_elements = (berth_bytes_t) { wire.at, (size_t) (wire.end - wire.at) };
    return token.size;
}

static int
s_value (const berth_field_t *field, berth_bytes_t text, berth_bytes_t before, arena_t *arena,
         berth_bytes_t *ret_value, berth_error_t *err)
{
    const char *string = arena_text (arena, (const char *) text.data, text.size);
    berth_buffer_t buffer = { .arena = arena };
    berth_bytes_t elements;
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    switch (field->kind) {
        case KIND_BOOL: {
            bool truth = strcasecmp (string, "true") == 0 || strcmp (string, "1") == 0;
            if (!truth && strcasecmp (string, "false") && strcmp (string, "0"))
                return s_wrong (field, string, "true or false", err);
            truth ? msgpack_pack_true (&pk) : msgpack_pack_false (&pk);
            break;
        }
        case KIND_I64: case KIND_U64: case KIND_F64: case KIND_TIME:
            if (s_number (field, string, &pk, err))
                return -1;
            break;
        case KIND_STRS: case KIND_BLOBS: {
            size_t count = s_elements (before, &elements);
            msgpack_pack_array (&pk, count + 1);
            berth_buffer_write (&buffer, (const char *) elements.data, elements.size);
            if (field->kind == KIND_STRS)
                msgpack_pack_str_with_body (&pk, text.data, text.size);
            else
                msgpack_pack_bin_with_body (&pk, text.data, text.size);
            break;
        }
        case KIND_BYTES:
            msgpack_pack_bin_with_body (&pk, text.data, text.size);
            break;
        case KIND_OBJ: case KIND_LIST:
            return s_json (field, string, arena, ret_value, err);
        case KIND_ANY:
            if (field->flags & OBJECT && s_is_entry (string))
                return s_entry (string, before, arena, ret_value, err);
            if (!s_is_duration (field))
                return s_json (field, string, arena, ret_value, err);
            if (strcmp (string, "none") == 0)
                msgpack_pack_str_with_body (&pk, "none", 4);
            else if (s_number (field, string, &pk, err))
                return -1;
            break;
        case KIND_STR: case KIND_ID: case KIND_ENUM:
        default:
            if (!wire_is_text (text.data, text.size))
                return s_wrong (field, "...", "UTF-8", err);
            msgpack_pack_str_with_body (&pk, text.data, text.size);
    }
    *ret_value = berth_buffer_bytes (&buffer);
    return 0;
}

int
flags_set (const berth_field_t *field, berth_bytes_t text, arena_t *arena, berth_bytes_t *body,
           berth_error_t *err)
{
    berth_bytes_t value;
    if (s_value (field, text, any_get (*body, field->name), arena, &value, err))
        return -1;
    *body = any_set (*body, field->name, value, arena);
    return 0;
}

//  ---- options

static const berth_field_t *
s_field (const berth_schema_t *schema, const char *option, size_t size)
{
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        char name [80];
        flags_name (field, name, sizeof name);
        if (strlen (name) == size && memcmp (name, option, size) == 0)
            return field;
        //  The name as it is on the wire is understood as well: --timeout-ms.
        if (s_ends (field->name, "Ms") && size == strlen (name) + 3
            && memcmp (option, name, strlen (name)) == 0 && memcmp (option + size - 3, "-ms", 3) == 0)
            return field;
    }
    return NULL;
}

//  The long name of a letter, in "e=env q=quiet".
static const char *
s_letter (const char *letters, char letter, size_t *ret_size)
{
    for (const char *at = letters; at && *at; at += strcspn (at, " "), at += *at == ' ')
        if (at [0] == letter && at [1] == '=') {
            *ret_size = strcspn (at + 2, " ");
            return at + 2;
        }
    return NULL;
}

//  An option as it is typed.
typedef struct {
    const berth_field_t *field;     //  NULL: it is none of this schema's
    const char *name;               //  Behind the dashes; size bytes
    size_t size;
    const char *value;              //  Behind `=` or a letter; NULL: none there
    bool off;                       //  --no-NAME
} typed_t;

static typed_t
s_typed (const berth_schema_t *schema, const char *letters, const char *option)
{
    typed_t self = { .name = option + 2 };
    if (option [0] != '-' || option [1] == 0 || strcmp (option, "--") == 0)
        return self;
    if (option [1] == '-') {
        self.size = strcspn (self.name, "=");
        if (self.name [self.size] == '=')
            self.value = self.name + self.size + 1;
    }
    else {
        self.name = s_letter (letters, option [1], &self.size);
        if (!self.name)
            return self;
        if (option [2])                 //  -eNAME=VALUE
            self.value = option + 2;
    }
    self.field = s_field (schema, self.name, self.size);
    if (!self.field && self.size > 3 && memcmp (self.name, "no-", 3) == 0) {
        const berth_field_t *field = s_field (schema, self.name + 3, self.size - 3);
        self.off = field && (field->kind == KIND_BOOL || (field->flags & NULLABLE));
        self.field = self.off ? field : NULL;
    }
    return self;
}

const berth_field_t *
flags_field (const berth_schema_t *schema, const char *letters, const char *option, bool *ret_value)
{
    typed_t typed = s_typed (schema, letters, option);
    *ret_value = typed.field && !typed.value && !typed.off && typed.field->kind != KIND_BOOL;
    return typed.field;
}

int
flags_take (const berth_schema_t *schema, const char *letters, char **argv, int *at,
            arena_t *arena, berth_bytes_t *body, berth_error_t *err)
{
    typed_t typed = s_typed (schema, letters, argv [*at]);
    const berth_field_t *field = typed.field;
    const char *name = typed.name, *value = typed.value;
    size_t size = typed.size;
    bool off = typed.off;
    if (!field)
        return 0;
    (*at)++;
    if (off && value)
        return berth_fail (err, BERTH_INVALID, "--%.*s takes no value", (int) size, name);
    if (off && field->kind != KIND_BOOL) {
        static const uint8_t nil = 0xc0;
        *body = any_set (*body, field->name, (berth_bytes_t) { &nil, 1 }, arena);
        return 1;
    }
    if (off || (field->kind == KIND_BOOL && !value))
        value = off ? "false" : "true";
    else if (!value) {
        value = argv [*at];
        if (!value)
            return berth_fail (err, BERTH_INVALID, "--%.*s needs a value: %s", (int) size, name,
                               flags_value (field));
        (*at)++;
    }
    berth_bytes_t text = { (const uint8_t *) value, strlen (value) };
    return flags_set (field, text, arena, body, err) ? -1 : 1;
}
