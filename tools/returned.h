//  returned.h - what came home, said on stderr.

#ifndef BERTH_RETURNED_H_INCLUDED
#define BERTH_RETURNED_H_INCLUDED

#include "workspace.h"

//  One line of numbers, then a line for each conflict and each entry that was refused.
void returned_note (const workspace_returned_t *returned);

#endif
