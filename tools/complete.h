//  complete.h - what may stand at the end of a command line, from the same tables as the rest.

#ifndef BERTH_COMPLETE_H_INCLUDED
#define BERTH_COMPLETE_H_INCLUDED

#include "commands.h"

#include <stdio.h>

//  Prints what may stand last in a command line: words [0] is the program, the last of the count is
//  the one that is being typed (may be ""). A line each, "word<TAB>what it is", or for the shell to
//  find out: ":files", ":dirs", ":command". Names and ids are asked of the service that the words
//  name, for at most COMPLETE_MS; without one there are none, and no word about it.
void complete_print (invocation_t *self, char **words, size_t count, FILE *out);

enum { COMPLETE_MS = 400 };

#endif
