//  backup.h - a copy of the store while it is in use, and a store from such a copy.
//
//  A backup is one file: the store as of one moment, with a mark. A store with that mark begins a new
//  epoch when it is first opened as a live one (store_open), however it came to its place: every
//  generation that was given out since the backup was made is older than all that follow.

#ifndef BERTH_BACKUP_H_INCLUDED
#define BERTH_BACKUP_H_INCLUDED

#include "error.h"
#include "store.h"

#include <stdatomic.h>

enum { BACKUP_MS = 600000, BACKUP_TELL_MS = 200 };      //  It may take so long; tells that often

//  Called now and then by the thread that copies.
typedef void (backup_tell_fn) (void *context, uint64_t bytes, uint64_t total);

//  Writes the store as it is now to `path` (absolute; must not exist): under another name beside it,
//  synced, renamed. Writers go on; pages that they free are kept until it is done, so that it is
//  ended (busy) when it takes longer than BACKUP_MS, when the store runs full, or when *stop
//  becomes true. One at a time. Blocks: for a thread of its own.
//  Errors: conflict (the file exists; one runs), invalid_request (not absolute), not_found (no such
//  folder), forbidden, store_full (its disk), busy, internal.
int store_backup (store_t *self, const char *path, int64_t now_ms, const atomic_bool *stop,
                  backup_tell_fn *tell, void *context, uint64_t *ret_bytes, berth_error_t *err);

//  Makes <folder>/store from a backup; there must be none. Errors: conflict (there is one; a newer
//  schema), not_found, invalid_request (no backup, or not whole), store_full, internal.
int store_restore (const char *folder, const char *path, berth_error_t *err);

#endif
