//  tree.h - a folder of files goes out and comes home.
//
//  `tree_copy` puts a workspace into a place and takes a snapshot on the way; `tree_return` brings
//  back what changed there by a three-way merge against that snapshot (DESIGN section 9; Paperclip:
//  reference, section 5, "three-way merge by baseline").
//
//  Both sides are held as directory descriptors and everything below is opened with openat2
//  (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS) or *at calls on such a
//  descriptor: no path is checked first and opened later. Only regular files, folders and symbolic
//  links cross; a link is copied as text and never followed; device nodes, fifos and sockets are
//  reported and left behind; setuid, setgid and sticky bits are dropped; hard links become files;
//  names are bytes. Sparse files stay sparse (SEEK_DATA). What is hashed is what was written: one
//  pass, through our own buffer. Folders deeper than 2,000 in each other are refused.

#ifndef BERTH_TREE_H_INCLUDED
#define BERTH_TREE_H_INCLUDED

#include "arena.h"
#include "base.h"
#include "error.h"

typedef struct {
    uint64_t files, folders, links, bytes;          //  Done so far
    uint64_t total_files, total_bytes;              //  0 while unknown
    uint64_t refused;                               //  Entries left behind
    uint64_t saved_files, saved_bytes;              //  Of those done: were there already
} tree_progress_t;

//  Called at most every 50 ms and at the end; a return other than 0 cancels (deadline_exceeded),
//  at the end it is too late to.
typedef int (tree_progress_fn) (void *context, const tree_progress_t *progress);

typedef enum {
    TREE_ADDED = 1, TREE_CHANGED, TREE_DELETED,     //  Came home
    TREE_CONFLICT,          //  Changed on both sides: ours stays, theirs stands beside it
    TREE_REFUSED            //  Left behind: see reason
} tree_change_t;

//  `path` is relative, as bytes; `reason` is a sentence or NULL; for a conflict `other` is the
//  name under which the place's version was kept, NULL if the place had deleted its own.
typedef void (tree_report_fn) (void *context, tree_change_t change, const char *path,
                               const char *other, const char *reason);

typedef struct tree_patch tree_patch_t;

typedef struct {
    const char *const *excludes;    //  Names (`node_modules`), paths from the top (`a/b`, `/a`), or
                                    //  patterns of them (`*.o`), NULL-ended; NULL: none, and of
                                    //  tree_return: those of the snapshot
    int64_t uid, gid;               //  Owner of what is made; -1: leave
    int64_t deadline_mono_ms;       //  0: none
    uint64_t max_entries;           //  0: 10,000,000
    uint64_t max_bytes;             //  Of tree_unpack; 0: no bound
    const char *removed;            //  Of tree_return: a file of paths, each ended by NUL. What the
                                    //  place has not is then as in the snapshot, unless it is
                                    //  named there. NULL: what it has not was deleted
    tree_patch_t *patch;            //  Of tree_return with `dry`: gets what would come home as a
                                    //  unified diff (tree_diff.h); NULL: nobody asks
    bool no_links;                  //  No part of the path on the host may be a link
    tree_progress_fn *progress;
    tree_report_fn *report;
    void *context;
} tree_options_t;

//  What stays behind of `source`: `given`, and the lines of the file .berthignore in it: one each;
//  empty ones and those that begin with # say nothing. `@heavy` stands for folders that grow large
//  and can be made again (node_modules, dist, build, vendor, .next, .cache and their like).
//  *ret_excludes is NULL-ended, in the arena. invalid_request names the line that can't be meant.
int tree_excludes (const char *source, bool no_links, const char *const *given, size_t count,
                   arena_t *arena, const char *const **ret_excludes, berth_error_t *err);

//  Copies the contents of `source` into the folder `target`, which is made (0755) if it is missing
//  and must be empty, and writes the snapshot to the file `snapshot` (0600, by rename). Modes and
//  times of files are kept. A source that is missing or unreadable is not_found or forbidden with
//  the path. On failure what was copied is left for the caller to remove, and there is no snapshot.
//  What is exchanged or removed while it is read is refused, and the rest crosses; so is `target`
//  itself where it lies within `source`.
int tree_copy (const char *source, const char *target, const char *snapshot,
               const tree_options_t *options, tree_progress_t *ret_done, berth_error_t *err);

//  The same where `target` was filled by tree_copy before, as `snapshot` tells: only what differs is
//  written, what `source` has no more is removed, and what the place made by itself goes, but for
//  excluded names. A file is read again only if size, time or ctime say that it was touched since;
//  contents decide. A snapshot that is missing or damaged: the target is emptied and copied anew.
int tree_renew (const char *source, const char *target, const char *snapshot,
                const tree_options_t *options, tree_progress_t *ret_done, berth_error_t *err);

//  Merges what changed in `place` since `snapshot` into `target` (a folder that exists):
//    changed in the place only          -> copied (written beside, synced by rename)
//    deleted in the place, target as in the snapshot -> deleted; emptied folders too
//    changed on both sides, and different -> conflict: the target's file stays, the place's version
//                                           is kept as `<name>.berth-theirs` (numbered if taken)
//    deleted in the place, changed here -> conflict: the target's stays
//    same change on both sides          -> nothing
//    a repository's own files           -> refused: whatever differs from the snapshot below any
//                                           `.git` (file, folder or link, at any depth, in any
//                                           case), so no hook and no configuration comes home. A
//                                           bare repository under another name is plain files: git
//                                           on the host needs safe.bareRepository=explicit.
//  Where home made something else of a folder, what differs below is kept in a folder beside it.
//  What cannot be read or written is refused with its reason, and the rest comes home.
//  A file counts as changed if type, size, executable bit, link text or content hash differ; size
//  and mtime alone are believed only in the place, when both equal the snapshot's (nanoseconds) and
//  the file was not fresh when it went out; the target's file is hashed before it is touched, and
//  one that changes at that moment becomes a conflict. New modes come home with new files and with
//  changed executable bits; those of folders that are here already stay.
//  With `dry` nothing is written and the same reports are made. What is written takes the owner of
//  `target`; `uid` and `gid` mean nothing here. A lock file in the target's parent keeps a second
//  merge out (conflict, naming the pid); a dead owner's is taken over. Excluded entries are left
//  alone on both sides. Returns 0 also with conflicts; the counts say how many, and what came home
//  is on the disk then. After a failure it may be called again: what is home is not brought twice.
typedef struct {
    uint64_t added, changed, deleted, conflicts, refused, bytes;
} tree_result_t;
int tree_return (const char *place, const char *snapshot, const char *target, bool dry,
                 const tree_options_t *options, tree_result_t *ret_result, berth_error_t *err);

//  Removes a folder and all below it, never leaving it, whatever it holds and however deep. What is
//  gone is fine. Nobody else should be at work in it: who fills it meanwhile gets a conflict.
int tree_remove (const char *folder, berth_error_t *err);

//  The same, but the folder itself stays: it may be mounted somewhere.
int tree_empty (const char *folder, berth_error_t *err);

#endif
