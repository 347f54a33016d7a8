//  error.c - owns the table of errors.

#include "error.h"

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

static void
s_one_line (char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text < 0x20 || *text == 0x7f)
            *text = *text == '\n' || *text == '\t' ? ' ' : '?';
}

//  Cuts a text that was truncated inside a UTF-8 sequence back to whole characters.
static void
s_whole_characters (char *text, size_t size)
{
    size_t length = strlen (text);
    if (length + 1 < size)
        return;
    size_t start = length;
    while (start > 0 && ((unsigned char) text [start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && ((unsigned char) text [start - 1] & 0xc0) == 0xc0)
        text [start - 1] = 0;
}

static void
s_set (char *field, size_t size, const char *format, va_list args)
{
    char text [1024];
    vsnprintf (text, sizeof text, format, args);
    snprintf (field, size, "%s", text);
    s_one_line (field);
    s_whole_characters (field, size);
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
