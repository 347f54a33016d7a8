//  configure.h - reads berthd's configuration file.

#ifndef BERTH_CONFIGURE_H_INCLUDED
#define BERTH_CONFIGURE_H_INCLUDED

#include "arena.h"
#include "configuration.h"
#include "error.h"

enum { CONFIGURATION_SIZE_MAX = 65536 };    //  Bytes of the file

//  Loads a ZPL file and checks it by the schema `configuration`: unknown keys and wrong values are
//  invalid_request with the path of the key; a file that cannot be read is not_found or forbidden.
//  Everything in *ret_configuration is in arena.
int configure (const char *path, arena_t *arena, configuration_t *ret_configuration,
               berth_error_t *err);

//  The same for text that is there already; `name` is what errors call it.
int configure_text (const char *name, berth_bytes_t text, arena_t *arena,
                    configuration_t *ret_configuration, berth_error_t *err);

#endif
