//  tree_pack.h - a folder as one stream, for a place that is not on this host.
//
//  The stream is a pax archive (libarchive writes and reads it), so that `tar -x` can take it where
//  there is nothing better: regular files (sparse ones stay sparse), hard links among them, folders
//  (empty ones too) and symbolic links; names and link texts as bytes, in any encoding; permissions,
//  and times of files to the nanosecond. No owners, no xattrs, no ACLs, no special bits.
//
//      out    tree_pack (source, ...) > ssh > berth-shim > tree_unpack (workspace)
//                                           or tar -xf - (then `have` is NULL)
//      home   tree_pack (workspace, have = what was put there) > ssh > tree_unpack (staging)
//             then tree_return (staging, ..., options.removed = the file of removed paths)
//             or tar -cf - > ssh > tree_unpack (staging), and tree_return without it
//
//  Where `have` says what the other side holds, only what differs goes, and what is gone here is
//  named in entries `.berth-removed`, which tree_unpack carries out or, for a merge, writes down.
//
//  Descriptors are switched to not block while a call runs, and back at its end; they are the
//  caller's to close. SIGPIPE should be ignored.

#ifndef BERTH_TREE_PACK_H_INCLUDED
#define BERTH_TREE_PACK_H_INCLUDED

#include "tree.h"

typedef struct {
    const char *known;      //  Snapshot of the last time that this source went out: what was not
                            //  touched since is not read again. May be missing; NULL: none
    const char *have;       //  Snapshot of what the other side holds; NULL: nothing
    const char *snapshot;   //  Where the snapshot of `source` goes; may be the same as `known`
} tree_pack_t;

//  Writes the folder `source` to the descriptor `to`, by the rules of tree_copy: excludes, what is
//  refused and reported, deadline, progress (bytes of files read; saved_* are those that the other
//  side has), cancel. *ret_sent (or NULL): bytes of the stream. provider_unavailable where the other
//  end was closed.
int tree_pack (const char *source, const tree_pack_t *how, int to, const tree_options_t *options,
               tree_progress_t *ret_done, uint64_t *ret_sent, berth_error_t *err);

//  Takes a stream in beneath the open folder `folder`, and never anywhere else, whatever the stream
//  says and whoever exchanges names there meanwhile: every name is opened beneath the descriptor
//  (openat2, no links), and what stands under a file's name is replaced, never opened. Refused, with
//  path and reason, while the rest goes in: absolute names, `..`, a link or a file where a folder
//  should be, hard links to what is not a file in here, device nodes, fifos, sockets, names and
//  nesting too long, what options.excludes says. A setuid or setgid file goes in without those bits,
//  and is reported. Owners are options.uid and gid, never the stream's.
//    - max_entries (0: 10,000,000) and max_bytes (0: no bound) end it with invalid_request;
//    - a stream that is cut short is provider_unavailable, one that is no archive invalid_request:
//      what came so far stays, and the caller empties the folder or sends again.
//  `removed` NULL: what the stream says was removed is removed here. Else: written to that file,
//  each path ended by NUL, for tree_return.
int tree_unpack (int from, int folder, const char *removed, const tree_options_t *options,
                 tree_progress_t *ret_done, berth_error_t *err);

//  Writes the snapshot of a folder without sending it: what a place holds, as tree_pack's `have`.
//  `known` as above.
int tree_snapshot_take (const char *source, const char *known, const char *snapshot,
                        const tree_options_t *options, tree_progress_t *ret_done,
                        berth_error_t *err);

#endif
