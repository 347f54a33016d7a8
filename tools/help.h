//  help.h - help, made from the table of commands and the schemas.

#ifndef BERTH_HELP_H_INCLUDED
#define BERTH_HELP_H_INCLUDED

#include "commands.h"

//  Everything on one screen; one group ("env"); one command.
void help_print_all (void);
void help_print_group (const char *group);
void help_print (const command_t *command);

//  The second words of a group's commands: "create list show". NULL if there is no such group.
const char *help_group (const char *group);

#endif
