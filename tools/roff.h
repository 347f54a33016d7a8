//  roff.h - writes manual pages, for man(7). Text is plain; what stands in `these quotes` is bold.

#ifndef BERTH_ROFF_H_INCLUDED
#define BERTH_ROFF_H_INCLUDED

#include "base.h"

#include <stdio.h>

//  The head: roff_title (out, "BERTH", 1, "berth", "leases places where work may run").
void roff_title (FILE *out, const char *page, int section, const char *name, const char *what);

void roff_section (FILE *out, const char *name);
void roff_part (FILE *out, const char *name);

//  A paragraph.
void roff_text (FILE *out, const char *text);

//  An item with a hanging tag: "--state" in bold, "DIR" in italics (may be ""), then its text.
void roff_item (FILE *out, const char *tag, const char *value, const char *text);

//  A further sentence of the item before, or one level deeper and back.
void roff_more (FILE *out, const char *text);
void roff_inward (FILE *out);
void roff_outward (FILE *out);

//  Lines as they are.
void roff_lines (FILE *out, const char *lines);

#endif
