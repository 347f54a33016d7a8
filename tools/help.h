//  help.h - help, made from the table of commands and the schemas.

#ifndef BERTH_HELP_H_INCLUDED
#define BERTH_HELP_H_INCLUDED

#include "commands.h"

//  Everything on one screen; one group ("env"); one command.
void help_print_all (void);
void help_print_group (const char *group);
void help_print (const command_t *command);

//  "berth lease acquire ENVIRONMENT [OPTION...]": what is not required stands in brackets.
void help_usage (const command_t *command, char *text, size_t size);

//  Is this field an option of the command (not given as an argument, or by --company)?
bool help_shows (const command_t *command, const berth_field_t *field);

//  The second words of a group's commands: "create list show". NULL if there is no such group.
const char *help_group (const char *group);

#endif
