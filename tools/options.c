//  options.c - owns nothing: it prints options from their schemas.

#include "options.h"

#include <stdio.h>
#include <string.h>

enum { INDENT = 26 };           //  Column of the meaning

char
option_letter (const char *letters, const char *name)
{
    for (const char *at = letters; at && *at; at += strcspn (at, " "), at += *at == ' ')
        if (strncmp (at + 2, name, strlen (name)) == 0 && strchr (" ", at [2 + strlen (name)]))
            return *at;
    return 0;
}

void
option_shown (const berth_field_t *field, const char *letters, char *text, size_t size)
{
    char name [80];
    flags_name (field, name, sizeof name);
    const char *value = flags_value (field), *space = *value ? " " : "";
    char letter = option_letter (letters, name);
    if (letter)
        snprintf (text, size, "-%c, --%s%s%s", letter, name, space, value);
    else
        snprintf (text, size, "--%s%s%s", name, space, value);
}

void
option_values (const berth_field_t *field, char *text, size_t size)
{
    *text = 0;
    if (field->kind != KIND_ENUM)
        return;
    const berth_enum_t *of = field->of;
    for (size_t index = 1; index < of->count; index++) {
        size_t used = strlen (text);
        snprintf (text + used, size - used, "%s%s%s", index > 1 ? ", " : "One of: ",
                  of->texts [index], index + 1 < of->count ? "" : ".");
    }
}

//  Words from a column on; the lines below begin at `indent`.
static void
s_fold (const char *text, int column, int indent)
{
    int begin = column;
    while (*text) {
        int word = (int) strcspn (text, " ");
        if (column > indent && column + (column > begin) + word > 79) {
            printf ("\n%*s", indent, "");
            begin = column = indent;
        }
        else if (column > begin)
            column += printf (" ");
        column += printf ("%.*s", word, text);
        text += word;
        text += strspn (text, " ");
    }
    putchar ('\n');
}

void
option_print_folded (const char *text, int indent)
{
    s_fold (text, indent, indent);
}

//  What it means stands behind it, and below in a column of its own.
void
option_print (const berth_field_t *field, const char *letters)
{
    char shown [120], row [140], values [512], text [1024];
    option_shown (field, letters, shown, sizeof shown);
    snprintf (row, sizeof row, "%s%s%s", shown [1] == '-' ? "    " : "", shown,
              field->flags & REQUIRED ? " *" : "");
    option_values (field, values, sizeof values);
    snprintf (text, sizeof text, "%s%s%s", field->doc, *values ? " " : "", values);
    int column = printf ("  %-*s", INDENT - 4, row);
    s_fold (text, column + printf ("  "), INDENT);
}
