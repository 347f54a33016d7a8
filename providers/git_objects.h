//  git_objects.h - what is read of a repository in a place without asking git. For git_home.c.

#ifndef BERTH_GIT_OBJECTS_H_INCLUDED
#define BERTH_GIT_OBJECTS_H_INCLUDED

#include "tree.h"

#include <sys/stat.h>

//  The commit that HEAD names, as text, in arena; NULL: none, or nothing that can be read. Where only
//  what changed is there (a staging folder), a HEAD that is not is home's, if that is as it went out,
//  and a ref that is not has nothing new.
const char *git_objects_head (int place, int home, const char *snapshot, arena_t *arena);

//  Copies objects that the snapshot does not know into a bare repository: loose ones to their place,
//  packs as `incoming-<n>` with no index (which would be believed). Owned by `owner` where we may.
int git_objects_copy (int place, const char *snapshot, const char *repository,
                      const struct stat *owner, int64_t deadline_mono_ms, size_t *ret_packs,
                      berth_error_t *err);

#endif
