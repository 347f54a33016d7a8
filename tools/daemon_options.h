//  daemon_options.h - the options of berthd, by the same rules as a message's fields: see flags.h.

#ifndef BERTH_DAEMON_OPTIONS_H_INCLUDED
#define BERTH_DAEMON_OPTIONS_H_INCLUDED

#include "codec.h"

#define DAEMON_OPTIONS(F, T) \
    F (T, STR,   config,    "config",    OPTIONAL | POSITIVE, 4096, "Configuration file (berthd.conf(5)); options win over it.") \
    F (T, STR,   state,     "state",     OPTIONAL | POSITIVE, 2000, "Where its state is ($BERTH_STATE, else $XDG_STATE_HOME/berth; root: /var/lib/berth).") \
    F (T, STR,   runtime,   "runtime",   OPTIONAL | POSITIVE, 2000, "Where its sockets are (DIR/run of a named state directory, else $XDG_RUNTIME_DIR/berth; root: /run/berth).") \
    F (T, U64,   store_max, "storeMax",  OPTIONAL | POSITIVE, 70368744177664, "How large the store may grow, from 1M on (64G).") \
    F (T, STR,   uids,      "uids",      OPTIONAL | POSITIVE, 32, "Host uids for places, when started by root (900000:50000).") \
    F (T, BOOL,  local_root, "localRoot", OPTIONAL, 0, "Driver local may run as root; default: it may not.") \
    F (T, BOOL,  ephemeral, "ephemeral", OPTIONAL, 0, "A private service: closes every place when it ends.") \
    F (T, U64,   owner_fd,  "ownerFd",   OPTIONAL, 65535, "End when this descriptor reaches its end of file.") \
    F (T, STR,   restore,   "restore",   OPTIONAL | POSITIVE, 4000, "Make the store of an empty state directory from this backup, and end.") \
    F (T, BOOL,  test_providers, "testProviders", OPTIONAL, 0, "Allow the providers fake and fault.") \
    F (T, BOOL,  help,      "help",      OPTIONAL, 0, "What it does and takes.") \
    F (T, BOOL,  version,   "version",   OPTIONAL, 0, "Its version.")
BERTH_MESSAGE (daemon_options, DAEMON_OPTIONS);

//  Reads argv, which ends with NULL, from argv [1] on. Everything in *ret_options is in arena or in
//  argv. invalid_request says which option is wrong.
int daemon_options_read (char **argv, arena_t *arena, daemon_options_t *ret_options, berth_error_t *err);

//  Reads "FIRST:COUNT"; -1 if that is no range of host uids.
int daemon_options_uids (const char *text, uint32_t *ret_first, uint32_t *ret_count);

//  Prints them, on one screen.
void daemon_options_help (void);

#endif
