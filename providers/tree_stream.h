//  tree_stream.h - what tree_pack.c and tree_unpack.c share. For them only.

#ifndef BERTH_TREE_STREAM_H_INCLUDED
#define BERTH_TREE_STREAM_H_INCLUDED

#include "tree_pack.h"
#include "tree_walk.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

//  Files of the stream that name what is gone.
#define TREE_REMOVED ".berth-removed"

//  One end of a stream while a call runs.
typedef struct {
    int fd, flags;                      //  Flags as they were
    tree_job_t *job;
    bool reads;
    bool over;                          //  Nothing more is written, whatever libarchive closes
    bool stopped;                       //  Deadline or cancel: *err is filled
    uint64_t bytes;                     //  So far
    berth_error_t *err;
    locale_t locale, before;            //  Names are bytes: UTF-8 where libarchive wants a charset
    uint8_t *buffer;                    //  Of a reader
} tree_stream_t;

void tree_stream_start (tree_stream_t *self, int fd, bool reads, tree_job_t *job,
                        berth_error_t *err);
void tree_stream_end (tree_stream_t *self);

//  Callbacks of libarchive.
la_ssize_t tree_stream_read (struct archive *archive, void *self, const void **ret_data);
la_ssize_t tree_stream_write (struct archive *archive, void *self, const void *data, size_t size);

//  What libarchive says went wrong, in our words. -1.
int tree_stream_fail (const tree_stream_t *self, struct archive *archive, const char *path);

#endif
