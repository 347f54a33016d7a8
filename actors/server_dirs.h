//  server_dirs.h - the directories of a service and the locks on them. For server.c only.

#ifndef BERTH_SERVER_DIRS_H_INCLUDED
#define BERTH_SERVER_DIRS_H_INCLUDED

#include "error.h"

//  Makes a directory and its parents; 0711 for root (places' uids pass through), else 0700.
int server_make_dir (const char *path, const char *what, berth_error_t *err);

//  Locks <path>/<name> for this process: *ret_fd holds the lock. conflict names the pid that has
//  it.
int server_lock (const char *path, const char *name, int *ret_fd, berth_error_t *err);

//  `ipc://<runtime>/<name>`; invalid_request if the path is longer than 107 bytes.
int server_endpoint (const char *runtime, const char *name, char *endpoint, size_t size,
                      berth_error_t *err);

#endif
