//  tree_walk.h - what the files of tree share: a job with its bounds, opening beneath a folder,
//  listing, copying bytes, snapshots. Nobody else includes it.

#ifndef BERTH_TREE_WALK_H_INCLUDED
#define BERTH_TREE_WALK_H_INCLUDED

#include "tree.h"

#include <sys/stat.h>
#include <sys/types.h>
#include <xxhash.h>

//  The name under which a file is written at home before it gets its own; never crosses.
#define TREE_TEMPORARY ".berth-return.tmp"

enum {
    TREE_DEPTH_MAX = 2000,          //  Folders in folders; deeper ones are refused
    TREE_BLOCK = 65536,             //  Blocks of zeros of this size are neither hashed nor, in
                                    //  sparse files, written
    TREE_BUFFER = 16 * TREE_BLOCK
};

//  ---------------------------------------------------------------------------------------------
//  A job: one call from outside, with its bounds and what it has done.

typedef struct {
    tree_options_t options;
    tree_progress_t done;
    uint64_t entries;               //  Seen so far, against max_entries
    int64_t next_report_ms;
    uint8_t *buffer;                //  TREE_BUFFER bytes
    XXH3_state_t *state;
} tree_job_t;

void tree_job_start (tree_job_t *self, const tree_options_t *options);
void tree_job_end (tree_job_t *self);

//  Ends the job if its deadline passed or its caller cancels; reports progress when due.
int tree_job_tick (tree_job_t *self, berth_error_t *err);

//  Tells the caller of one entry that was left behind.
void tree_job_refuse (tree_job_t *self, const char *path, const char *reason);

bool tree_job_excludes (const tree_job_t *self, const char *path, const char *name);

//  Fails with the code that fits errno and a sentence that shows the path: whole characters, its
//  end if it is long.
int tree_fail (berth_error_t *err, const char *what, const char *path);

//  ---------------------------------------------------------------------------------------------
//  Opening, always beneath a descriptor.

//  One path of any length; never through a link, never blocking. -1 with errno.
int tree_open (int folder, const char *path, int flags);

//  A folder for reading; "" is `folder` itself, opened again.
int tree_open_folder (int folder, const char *path);

//  The same of a folder of the host, by its absolute path. With no_links no part of it may be a
//  link: what was checked by its text is what is opened.
int tree_open_host (const char *path, bool no_links);

//  True if this errno says that somebody exchanged the entry while it was read.
bool tree_swapped (int error);

//  "a/b" from "a" and "b"; "" is the top. To be freed.
char *tree_join (const char *path, const char *name);

unsigned tree_depth (const char *path);

//  ---------------------------------------------------------------------------------------------
//  The names of one folder, sorted by their bytes.

typedef enum { TREE_NONE, TREE_FILE, TREE_FOLDER, TREE_LINK, TREE_OTHER } tree_kind_t;

tree_kind_t tree_kind (mode_t mode);

typedef struct {
    size_t name;                    //  Where it starts in `names`
    unsigned char type;             //  DT_...
} tree_name_t;

typedef struct {
    char *names;
    size_t names_size, names_room;
    tree_name_t *items;
    size_t count, room;
} tree_list_t;

//  Reads the open folder; counts its entries against the bound. The list may be used again.
int tree_list (tree_job_t *job, int folder, tree_list_t *list, const char *path,
               berth_error_t *err);
//  Adds one name; sorted if they come sorted.
void tree_list_add (tree_list_t *self, const char *name, unsigned char type);
void tree_list_free (tree_list_t *self);

static inline const char *
tree_list_name (const tree_list_t *self, size_t index)
{
    return self->names + self->items [index].name;
}

//  ---------------------------------------------------------------------------------------------
//  Folders that wait: to be walked, or to get their mode.

typedef struct {
    char *path;
    mode_t mode;
} tree_folder_t;

typedef struct {
    tree_folder_t *items;
    size_t count, room;
} tree_folders_t;

//  Takes the path.
void tree_folders_push (tree_folders_t *self, char *path, mode_t mode);
void tree_folders_free (tree_folders_t *self);

//  ---------------------------------------------------------------------------------------------
//  Bytes.

static inline int64_t
tree_ns (const struct timespec *time)
{
    return (int64_t) time->tv_sec * 1000000000 + time->tv_nsec;
}

typedef struct {
    uint64_t size;
    XXH128_hash_t hash;             //  Of the bytes without their blocks of zeros
} tree_content_t;

typedef enum { PUMP_DONE, PUMP_READ_FAILED, PUMP_WRITE_FAILED, PUMP_STOPPED } tree_pump_t;

//  Reads a regular file up to the size it had, hashes it, and writes it to `to` unless that is -1:
//  what is hashed is what was written. On failure errno says why; PUMP_STOPPED has *err filled.
tree_pump_t tree_pump (tree_job_t *job, int from, const struct stat *about, int to,
                       tree_content_t *ret_content, berth_error_t *err);

//  The same, in pieces with growing offsets; blocks of zeros of a sparse file are left out. A piece
//  that answers other than 0 ends it with PUMP_WRITE_FAILED.
typedef int (tree_piece_fn) (void *context, const uint8_t *data, size_t size, uint64_t offset);
tree_pump_t tree_pump_to (tree_job_t *job, int from, const struct stat *about, tree_piece_fn *piece,
                          void *context, tree_content_t *ret_content, berth_error_t *err);

//  Removes a folder by its name in an open one, with all that it holds. What is gone is fine.
int tree_remove_below (int folder, const char *name, berth_error_t *err);

//  All of it, at its place. -1 with errno.
int tree_write_all (int file, const void *data, size_t size, uint64_t offset);
//  As much as there is. -1 with errno.
ssize_t tree_read_all (int file, void *data, size_t size, uint64_t offset);

//  Gives an open file its owner (-1: leaves it), mode without special bits, and time.
int tree_finish (int file, int64_t uid, int64_t gid, mode_t mode, const struct timespec *mtime);

//  The text of a link, to be freed; NULL with errno.
char *tree_link_text (int folder, const char *name);

//  ---------------------------------------------------------------------------------------------
//  The snapshot: one block per folder, its entries sorted by name.

typedef struct {
    tree_kind_t kind;
    const char *name;               //  Not terminated
    size_t name_size;
    mode_t mode;
    bool unsure;                    //  Its time was too fresh to prove anything
    int64_t mtime_ns;
    tree_content_t content;
    const char *text;               //  Of a link; not terminated
    size_t text_size;
} tree_entry_t;

typedef struct tree_writer tree_writer_t;

//  Now, by the clock that files have: nothing that is written later has an earlier time.
int64_t tree_now_ns (void);

//  The snapshot starts now; `excludes` (NULL-ended, or NULL) are kept in it.
int tree_writer_new (tree_writer_t **ret_self, const char *path, const char *const *excludes,
                     berth_error_t *err);
void tree_writer_folder (tree_writer_t *self, const char *path);
void tree_writer_entry (tree_writer_t *self, const tree_entry_t *entry);
//  Writes what is left and gives the file its name. Without it nothing remains.
int tree_writer_commit (tree_writer_t *self, berth_error_t *err);
void tree_writer_destroy (tree_writer_t **self_p);

typedef struct tree_snapshot tree_snapshot_t;

int tree_snapshot_open (tree_snapshot_t **ret_self, const char *path, berth_error_t *err);
void tree_snapshot_destroy (tree_snapshot_t **self_p);

//  When its walk began and ended; what was not changed (ctime) since is as it says: in the source
//  since the start, in the copy since the end. INT64_MIN: not known.
int64_t tree_snapshot_started (const tree_snapshot_t *self);
int64_t tree_snapshot_finished (const tree_snapshot_t *self);
//  What stayed behind, NULL-ended; NULL: not known. Lives as long as the snapshot.
const char *const *tree_snapshot_excludes (const tree_snapshot_t *self);

//  Where the entries of a folder are read from; NULL: none.
typedef struct {
    const uint8_t *at, *end;
} tree_cursor_t;

tree_cursor_t tree_snapshot_folder (const tree_snapshot_t *self, const char *path);
//  The next entry, its texts inside the snapshot; false at the end.
bool tree_cursor_next (tree_cursor_t *self, tree_entry_t *entry);

//  Entries of a folder by name, asked for in the order of their names.
typedef struct {
    tree_cursor_t cursor;
    tree_entry_t entry;             //  The last that was found, or the next
    bool more;
} tree_seek_t;

//  A snapshot of NULL has none.
tree_seek_t tree_seek_start (const tree_snapshot_t *snapshot, const char *path);
bool tree_seek (tree_seek_t *self, const char *name);

//  ---------------------------------------------------------------------------------------------
//  The paths that a place says are gone: a file, each ended by NUL.

typedef struct tree_removed tree_removed_t;

int tree_removed_open (tree_removed_t **ret_self, const char *path, berth_error_t *err);
bool tree_removed_has (const tree_removed_t *self, const char *path);
bool tree_removed_below (const tree_removed_t *self, const char *path);
void tree_removed_destroy (tree_removed_t **self_p);

//  ---------------------------------------------------------------------------------------------
//  One merge at a time into a folder.

typedef struct {
    int parent, file;
    char name [64];
} tree_lock_t;

int tree_lock_take (tree_lock_t *self, int target, const char *shown, berth_error_t *err);
void tree_lock_release (tree_lock_t *self);

#endif
