//  invocation.h - reading a command line.

#ifndef BERTH_INVOCATION_H_INCLUDED
#define BERTH_INVOCATION_H_INCLUDED

#include "commands.h"

//  Fills command, common, company, body and tail of *self from argv (argv [0] is the program). No
//  command is no error: self->command stays NULL. invalid_request says what is wrong, and where help
//  is.
int invocation_read (invocation_t *self, char **argv, berth_error_t *err);

//  Is there all that the command cannot do without? Said in the words of the command line.
int invocation_complete (const invocation_t *self, berth_error_t *err);

#endif
