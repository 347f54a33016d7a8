//  error.c - owns the table of errors.

#include "error.h"

#include "wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *wire;
    const char *doc;
    int exit;
    bool retryable;
} error_row_t;

#define ERROR_ROW(name, wire, exit, retry, doc) [BERTH_##name] = { wire, doc, exit, retry },
static const error_row_t s_table [BERTH_CODES] = {
    [BERTH_OK] = { "ok", "nothing failed", 0, false },
    BERTH_ERRORS (ERROR_ROW)
};

static const error_row_t *
s_row (berth_code_t code)
{
    return &s_table [(unsigned) code < BERTH_CODES ? code : BERTH_INTERNAL];
}

void
berth_bug (const char *file, int line, const char *what)
{
    fprintf (stderr, "berth: bug at %s:%d: %s\n", file, line, what);
    fflush (stderr);
    abort ();
}

//  Makes a text fit to be sent and printed: one line, no control bytes, UTF-8. What is cut off in
//  the middle of a character at the very end goes, whatever else is wrong becomes '?'.
static void
s_clean (char *text, bool cut)
{
    size_t left = strlen (text);
    while (left) {
        uint8_t lead = (uint8_t) *text;
        size_t size = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if (lead < 0x20 || lead == 0x7f)
            *text = lead == '\n' || lead == '\t' ? ' ' : '?';
        else if (cut && size > left) {
            *text = 0;
            return;
        }
        else if (size > left || !wire_is_text ((const uint8_t *) text, size)
                 || (lead == 0xc2 && (uint8_t) text [1] < 0xa0)) {      //  C1: a terminal obeys these
            *text = '?';
            size = 1;
        }
        text += size;
        left -= size;
    }
}

static void
s_set (char *field, size_t size, const char *format, va_list args)
{
    char text [1024];
    vsnprintf (text, sizeof text, format, args);
    int length = snprintf (field, size, "%s", text);
    s_clean (field, length >= (int) size);
}

void
berth_error_set (char *field, size_t size, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    s_set (field, size, format, args);
    va_end (args);
}

int
berth_fail (berth_error_t *err, berth_code_t code, const char *format, ...)
{
    if (err) {
        err->code = code;
        va_list args;
        va_start (args, format);
        s_set (err->text, sizeof err->text, format, args);
        va_end (args);
    }
    return -1;
}

int
berth_fail_errno (berth_error_t *err, berth_code_t code, const char *format, ...)
{
    int saved = errno;
    if (err) {
        char text [512];
        va_list args;
        va_start (args, format);
        vsnprintf (text, sizeof text, format, args);
        va_end (args);
        berth_fail (err, code, "%s: %s", text, strerror (saved));
    }
    errno = saved;
    return -1;
}

const char *
berth_code_text (berth_code_t code)
{
    return s_row (code)->wire;
}

const char *
berth_code_doc (berth_code_t code)
{
    return s_row (code)->doc;
}

int
berth_code_exit (berth_code_t code)
{
    return s_row (code)->exit;
}

bool
berth_code_retryable (berth_code_t code)
{
    return s_row (code)->retryable;
}

berth_code_t
berth_code_of (const char *wire)
{
    for (unsigned code = 0; code < BERTH_CODES; code++)
        if (wire && strcmp (s_table [code].wire, wire) == 0)
            return (berth_code_t) code;
    return BERTH_INTERNAL;
}
