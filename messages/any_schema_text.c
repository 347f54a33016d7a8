//  any_schema_text.c - owns what a schema can say about a text: length, pattern, format.

#define PCRE2_CODE_UNIT_WIDTH 8
#include "any_schema_inside.h"

#include "codec.h"
#include "ids.h"

#include <arpa/inet.h>
#include <pcre2.h>
#include <string.h>

enum { MATCH_STEPS = 20000, MATCH_DEPTH = 1000 };

wire_token_t
any_schema_token (berth_bytes_t packed)
{
    wire_t wire = wire_of (packed);
    wire_token_t token = { .type = WIRE_NIL };
    if (packed.size && wire_next (&wire, &token))
        token = (wire_token_t) { .type = WIRE_NIL };
    return token;
}

bool
any_schema_says (const wire_token_t *token, const char *text)
{
    return token->type == WIRE_STR && token->size == strlen (text)
        && memcmp (token->data, text, token->size) == 0;
}

//  ---- patterns

static pcre2_code *
s_compile (const wire_token_t *pattern, char *why, size_t size)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *compiled = pcre2_compile (pattern->data, pattern->size,
                                          PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY, &code, &at,
                                          NULL);
    if (!compiled)
        (void) pcre2_get_error_message (code, (PCRE2_UCHAR *) why, size);
    return compiled;
}

const char *
any_schema_pattern_wrong (const wire_token_t *pattern, arena_t *arena)
{
    char why [160] = "";
    if (pattern->type != WIRE_STR || pattern->size > ANY_SCHEMA_PATTERN)
        return arena_printf (arena, "must be a text of at most %d bytes", ANY_SCHEMA_PATTERN);
    pcre2_code *compiled = s_compile (pattern, why, sizeof why);
    if (!compiled)
        return arena_printf (arena, "is no pattern: %s", why);
    pcre2_code_free (compiled);
    return NULL;
}

//  A pattern that would take too long matches nothing.
static bool
s_matches (const wire_token_t *pattern, const wire_token_t *text)
{
    char why [160];
    pcre2_code *compiled = s_compile (pattern, why, sizeof why);
    pcre2_match_data *found = compiled ? pcre2_match_data_create (1, NULL) : NULL;
    pcre2_match_context *bound = pcre2_match_context_create (NULL);
    ENSURE (bound);
    pcre2_set_match_limit (bound, MATCH_STEPS);
    pcre2_set_depth_limit (bound, MATCH_DEPTH);
    int rc = found ? pcre2_match (compiled, text->data, text->size, 0, PCRE2_NO_UTF_CHECK, found, bound)
                   : PCRE2_ERROR_NOMATCH;
    pcre2_match_context_free (bound);
    pcre2_match_data_free (found);
    pcre2_code_free (compiled);
    return rc >= 0;
}

//  ---- formats. What is not known here says nothing about a value, as the standard has it.

static bool
s_digits (const char *text, const char *shape)
{
    for (; *shape; text++, shape++)
        if (*shape == '0' ? *text < '0' || *text > '9' : *text != *shape)
            return false;
    return true;
}

static bool
s_is_date_time (const char *text)
{
    if (!s_digits (text, "0000-00-00") || (text [10] != 'T' && text [10] != 't' && text [10] != ' ')
        || !s_digits (text + 11, "00:00:00"))
        return false;
    text += 19;
    if (*text == '.')
        text += 1 + strspn (text + 1, "0123456789");
    if ((*text == 'Z' || *text == 'z') && !text [1])
        return true;
    return (*text == '+' || *text == '-') && s_digits (text + 1, "00:00") && !text [6];
}

static bool
s_is_hostname (const char *text)
{
    if (!*text || strlen (text) > 253)
        return false;
    while (*text) {
        size_t size = strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
        if (size == 0 || size > 63 || text [0] == '-' || text [size - 1] == '-'
            || (text [size] && (text [size] != '.' || !text [size + 1])))
            return false;
        text += size + (text [size] == '.');
    }
    return true;
}

static bool
s_is_email (const char *text)
{
    const char *at = strrchr (text, '@');
    return at && at > text && !strpbrk (text, " \t\r\n<>()[],;:\\\"") && s_is_hostname (at + 1);
}

static bool
s_is_uri (const char *text)
{
    size_t size = strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-");
    return size > 0 && text [size] == ':' && text [size + 1] && !strpbrk (text, " \t\r\n<>\"{}|\\^`")
        && ((text [0] >= 'a' && text [0] <= 'z') || (text [0] >= 'A' && text [0] <= 'Z'));
}

static bool
s_is_uuid (const char *text)
{
    char lower [37];
    if (strlen (text) != 36)
        return false;
    for (int index = 0; index < 37; index++)
        lower [index] = text [index] >= 'A' && text [index] <= 'F' ? (char) (text [index] + 32) : text [index];
    return berth_id_is (lower);
}

static bool
s_is_ipv4 (const char *text)
{
    struct in_addr address;
    return inet_pton (AF_INET, text, &address) == 1;
}

static bool
s_is_ipv6 (const char *text)
{
    struct in6_addr address;
    return inet_pton (AF_INET6, text, &address) == 1;
}

static bool
s_is_date (const char *text)
{
    return s_digits (text, "0000-00-00") && !text [10];
}

static const struct {
    const char *name;
    bool (*is) (const char *text);
} s_formats [] = {
    { "date-time", s_is_date_time }, { "date", s_is_date }, { "email", s_is_email }, { "uri", s_is_uri },
    { "url", s_is_uri }, { "uuid", s_is_uuid }, { "hostname", s_is_hostname }, { "ipv4", s_is_ipv4 },
    { "ipv6", s_is_ipv6 },
};

static const char *
s_format_wrong (const wire_token_t *format, const wire_token_t *text, arena_t *arena)
{
    const char *given = arena_text (arena, (const char *) text->data, text->size);
    for (size_t index = 0; index < BERTH_COUNT (s_formats); index++)
        if (any_schema_says (format, s_formats [index].name) && !s_formats [index].is (given))
            return arena_printf (arena, "must be a %s", s_formats [index].name);
    return NULL;
}

//  ---- all of it

//  Characters, not bytes: UTF-8's continuation bytes do not count.
static uint64_t
s_length (const wire_token_t *text)
{
    uint64_t length = 0;
    for (size_t index = 0; index < text->size; index++)
        length += (text->data [index] & 0xc0) != 0x80;
    return length;
}

const char *
any_schema_text_wrong (berth_bytes_t schema, const wire_token_t *text, arena_t *arena)
{
    uint64_t least = any_number (schema, "minLength", 0), most = any_number (schema, "maxLength", UINT64_MAX);
    uint64_t length = s_length (text);
    wire_token_t pattern = any_schema_token (any_get (schema, "pattern"));
    wire_token_t format = any_schema_token (any_get (schema, "format"));
    if (length < least)
        return least == 1 ? "must not be empty"
                          : arena_printf (arena, "must have at least %llu characters", (unsigned long long) least);
    if (length > most)
        return arena_printf (arena, "must have at most %llu characters", (unsigned long long) most);
    if (pattern.type == WIRE_STR && !s_matches (&pattern, text))
        return arena_printf (arena, "must match %.*s", (int) pattern.size, (const char *) pattern.data);
    return format.type == WIRE_STR ? s_format_wrong (&format, text, arena) : NULL;
}
