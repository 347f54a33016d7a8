//  tree_merge.h - what deciding (tree_return.c) and writing at home (tree_put.c) share.

#ifndef BERTH_TREE_MERGE_H_INCLUDED
#define BERTH_TREE_MERGE_H_INCLUDED

#include "tree_walk.h"

//  One entry as it stands on a disk, or as the snapshot has it.
typedef struct {
    tree_kind_t kind;                   //  TREE_NONE: there is none
    struct stat about;                  //  Not of the snapshot's
    mode_t mode;
    uint64_t size;
    int64_t mtime_ns;
    bool unsure;
    bool hashed;
    XXH128_hash_t hash;
    char *text;                         //  Of a link
} merge_entry_t;

//  What is left of a home folder that is being emptied.
typedef struct merge_fold {
    struct merge_fold *above;           //  NULL: the folder above is not being emptied
    size_t left;
} merge_fold_t;

typedef struct {
    tree_job_t job;
    tree_result_t result;
    int place, home;                    //  The two tops
    struct stat owner;                  //  Of home
    bool dry, wrote;
    tree_snapshot_t *snapshot;
    berth_error_t *err;
} merge_t;

//  One folder on its way through the merge.
typedef struct merge_visit {
    char *place;                        //  Its path there, and in the snapshot
    char *home;                         //  Its path here
    bool fresh;                         //  The snapshot knows nothing of it
    bool theirs;                        //  Home's stands beside: all that differs is a conflict
    bool gone;                          //  Deleted in the place: home's is being emptied
    bool git;                           //  A repository's own
    merge_fold_t *fold;                 //  With `gone`
    //  Not NULL: all below the folder of this name in `place` and `home` is done, and what remains
    //  is to remove it (`fold`) and perhaps to put the place's entry there, or to narrow its mode.
    char *after;
    bool replace;
    mode_t mode;
    int place_fd, home_fd;              //  -1 while closed or missing
} merge_visit_t;

//  ---------------------------------------------------------------------------------------------
//  Looking.

//  What stands there; a folder of -1 holds nothing. 0 or an errno.
int merge_look (int folder, const char *name, merge_entry_t *ret_entry);
void merge_entry_free (merge_entry_t *self);

typedef enum { MERGE_SAME, MERGE_DIFFERENT, MERGE_UNREADABLE, MERGE_FAILED } merge_answer_t;

//  Compares two entries, hashing what has to be hashed: `a` is `name` in `a_folder`, `b` likewise.
//  A folder of -1 is the snapshot. MERGE_UNREADABLE leaves errno.
merge_answer_t merge_compare (merge_t *self, merge_entry_t *a, int a_folder, const char *a_name,
                              merge_entry_t *b, int b_folder, const char *b_name);

//  ---------------------------------------------------------------------------------------------
//  Writing at home. With `dry` all of these only answer.

typedef enum {
    PUT_DONE,
    PUT_RACED,                          //  Home's changed since it was looked at: nothing was done
    PUT_REFUSED,                        //  errno says why; nothing was done
    PUT_FAILED                          //  *err is filled: the merge ends
} put_t;

//  Opens (makes, when missing) the home folder of a visit.
put_t merge_home (merge_t *self, merge_visit_t *visit);

//  Puts the place's file or link at `to`, where home has `expected`; `base` is the snapshot's or
//  NULL. Written beside and renamed.
put_t merge_put (merge_t *self, merge_visit_t *visit, const char *name, const merge_entry_t *theirs,
                 const char *to, const merge_entry_t *expected, const merge_entry_t *base);

put_t merge_unlink (merge_t *self, merge_visit_t *visit, const char *name,
                    const merge_entry_t *expected);

put_t merge_make_folder (merge_t *self, merge_visit_t *visit, const char *name, mode_t mode);

//  The name beside `name` for the place's version, to be freed. *ret_kept: it stands there already.
//  NULL with errno.
char *merge_beside (merge_t *self, merge_visit_t *visit, const char *name, merge_entry_t *theirs,
                    bool *ret_kept);

#endif
