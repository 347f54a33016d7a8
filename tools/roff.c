//  roff.c - owns nothing: escapes text and writes the macros of man(7).

#include "roff.h"

#include <ctype.h>
#include <string.h>

//  Text within a line, escaped.
static void
s_put (FILE *out, const char *text)
{
    bool bold = false;
    for (; *text; text++)
        switch (*text) {
            case '\\': fputs ("\\e", out); break;
            case '-':  fputs ("\\-", out); break;
            case '\'': fputs ("\\(aq", out); break;
            case '"':  fputs ("\\(dq", out); break;
            case '^':  fputs ("\\(ha", out); break;
            case '~':  fputs ("\\(ti", out); break;
            case '`':
                bold = !bold;
                fputs (bold ? "\\fB" : "\\fR", out);
                break;
            default: fputc (*text, out);
        }
}

//  A whole line: a dot in front would be a macro.
static void
s_line (FILE *out, const char *text)
{
    if (*text == '.')
        fputs ("\\&", out);
    s_put (out, text);
    fputc ('\n', out);
}

void
roff_title (FILE *out, const char *page, int section, const char *name, const char *what)
{
    fprintf (out, ".\\\" Made from the tables of berth %s\n.TH %s %d \"\" \"berth %s\" \"Berth\"\n.SH NAME\n",
             BERTH_VERSION, page, section, BERTH_VERSION);
    s_put (out, name);
    fputs (" \\- ", out);
    s_line (out, what);
}

void
roff_section (FILE *out, const char *name)
{
    fputs (".SH ", out);
    for (; *name; name++)
        fputc (toupper ((unsigned char) *name), out);
    fputc ('\n', out);
}

void
roff_part (FILE *out, const char *name)
{
    fputs (".SS ", out);
    s_line (out, name);
}

void
roff_text (FILE *out, const char *text)
{
    fputs (".PP\n", out);
    s_line (out, text);
}

void
roff_item (FILE *out, const char *tag, const char *value, const char *text)
{
    fputs (".TP\n\\fB", out);
    s_put (out, tag);
    fputs ("\\fR", out);
    if (*value) {
        fputs (" \\fI", out);
        s_put (out, value);
        fputs ("\\fR", out);
    }
    fputc ('\n', out);
    s_line (out, text);
}

void
roff_more (FILE *out, const char *text)
{
    fputs (".br\n", out);
    s_line (out, text);
}

void
roff_inward (FILE *out)
{
    fputs (".RS\n", out);
}

void
roff_outward (FILE *out)
{
    fputs (".RE\n", out);
}

void
roff_lines (FILE *out, const char *lines)
{
    fputs (".PP\n.nf\n", out);
    while (*lines) {
        char line [256];
        size_t size = strcspn (lines, "\n");
        snprintf (line, sizeof line, "%.*s", (int) size, lines);
        s_line (out, line);
        lines += size;
        lines += *lines == '\n';
    }
    fputs (".fi\n", out);
}
