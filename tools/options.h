//  options.h - how options are shown: one row of help, one word of completion. From the schemas.

#ifndef BERTH_OPTIONS_H_INCLUDED
#define BERTH_OPTIONS_H_INCLUDED

#include "flags.h"

//  What a person types: "-e, --env NAME=VALUE", or "--env NAME=VALUE" if no letter stands for it.
void option_shown (const berth_field_t *field, const char *letters, char *text, size_t size);

//  The letter in "e=env q=quiet" that stands for an option, or 0.
char option_letter (const char *letters, const char *name);

//  "One of: a, b." for what has an enumeration, else "".
void option_values (const berth_field_t *field, char *text, size_t size);

//  Prints one row: the option, its meaning folded at 79 columns, and its values.
void option_print (const berth_field_t *field, const char *letters);

//  Prints text from column `indent` on, folded at 79 columns.
void option_print_folded (const char *text, int indent);

#endif
