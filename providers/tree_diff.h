//  tree_diff.h - one file's difference as unified text, as `git apply` and `patch -p1` take it.

#ifndef BERTH_TREE_DIFF_H_INCLUDED
#define BERTH_TREE_DIFF_H_INCLUDED

#include "tree.h"

#include <sys/types.h>

enum { TREE_DIFF_FILE_MAX = 4 << 20 };      //  Bytes; larger files are told as binary ones are

//  Text that grows up to a bound. `cut`: a whole file's part did not fit and was left out.
struct tree_patch {
    char *text;
    size_t size, room, max;
    bool cut;
};

//  One side; `kind` 0: there is none. A link's data is its text.
typedef struct {
    mode_t mode;                            //  With type; 0: none
    const char *data;
    size_t size;
    bool large;                             //  Its data was not read
} tree_diff_side_t;

void tree_diff (tree_patch_t *patch, const char *path, const tree_diff_side_t *old,
                const tree_diff_side_t *new);

void tree_patch_free (tree_patch_t *self);

#endif
