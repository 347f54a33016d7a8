//  tree_out.h - the walk of a folder that goes out: what it holds, what of that the other side has
//  already, and the snapshot of it. Who copies, packs or only looks is a sink. For tree_*.c only.

#ifndef BERTH_TREE_OUT_H_INCLUDED
#define BERTH_TREE_OUT_H_INCLUDED

#include "tree_walk.h"

//  Where it goes. What may fail returns 0, or -1 with *err of the walk filled. What is NULL has
//  nothing to do.
typedef struct {
    //  A folder is next; "" is the top. What is asked below is about names in it.
    int (*enter) (void *self, const char *path, mode_t mode);
    //  The names that the other side has there, sorted. NULL: it has nothing.
    int (*list) (void *self, const char *path, tree_list_t *ret_names);
    //  What the other side has under a name: `unsure` if the hash of a file is not known yet.
    //  `known` is what the snapshot before says of it, or NULL.
    int (*look) (void *self, const char *name, const tree_entry_t *known, tree_entry_t *ret_there);
    int (*hash) (void *self, const char *name, tree_entry_t *there);
    //  The other side's file has this content already. 1: send it all the same.
    int (*same) (void *self, const char *name, const struct stat *about,
                 const tree_entry_t *there);
    //  The other side's goes: the source has none, or something else.
    int (*gone) (void *self, const char *path, const char *name);
    //  Sends. `from` is open; *entry gets the content that was sent.
    int (*file) (void *self, const char *path, int from, const struct stat *about,
                 tree_entry_t *entry);
    int (*link) (void *self, const char *path, const tree_entry_t *entry);
    int (*folder) (void *self, const char *path, const tree_entry_t *entry);
} tree_sink_t;

typedef struct {
    tree_job_t *job;
    int source;                         //  Open; the caller's
    const tree_snapshot_t *known;       //  Of the last time, or NULL: what was not touched since
                                        //  then is not read again
    tree_writer_t *writer;
    const struct stat *avoid;           //  A folder that is not entered, or NULL
    const tree_sink_t *sink;
    void *self;                         //  The sink's
    berth_error_t *err;
} tree_out_t;

int tree_out (const tree_out_t *walk);

//  A device node and its like, in words.
const char *tree_out_reason (mode_t mode);

#endif
