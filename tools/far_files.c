//  far_files.c - owns the workspace of a place as a stream, in and out, on the remote machine.

#include "far.h"

#include "codec.h"
#include "tree_pack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char PUT [] = "put.snapshot", NOW [] = "now.snapshot";     //  In the place's folder

static void
s_answer (const berth_error_t *err, const tree_progress_t *done, arena_t *arena)
{
    shim_opened_t opened = { 0 };
    berth_put (shim_opened, &opened, ok, !err->code);
    if (err->code) {
        berth_put (shim_opened, &opened, code, berth_code_text (err->code));
        berth_put (shim_opened, &opened, error, err->text);
        if (err->cause [0])
            berth_put (shim_opened, &opened, cause, err->cause);
    }
    berth_bytes_t map = any_set_number (berth_empty_map, "refused", done->refused, arena);
    berth_put (shim_opened, &opened, metadata, map);
    berth_bytes_t frame = berth_pack (&shim_opened_schema, &opened, arena);
    uint8_t *data = arena_take (arena, frame.size + 5);
    uint32_t length = (uint32_t) frame.size + 1;
    memcpy (data, &length, 4);
    data [4] = FAR_OPENED;
    memcpy (data + 5, frame.data, frame.size);
    (void) fcntl (STDOUT_FILENO, F_SETFL, 0);
    (void) !write (STDOUT_FILENO, data, frame.size + 5);
}

int
far_put (const shim_open_t *ask, arena_t *arena)
{
    berth_error_t err = { 0 };
    far_place_t place;
    tree_progress_t done = { 0 }, ignored = { 0 };
    tree_options_t options = { .uid = -1, .gid = -1 };
    int folder = -1;
    if (far_place_enter (ask, false, arena, &place, &err) == 0
        && tree_empty (place.workspace, &err) == 0
        && (folder = open (place.workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        (void) berth_fail_errno (&err, BERTH_PROVIDER_ERROR, "the workspace cannot be opened there");
    s_answer (&err, &done, arena);
    if (err.code)
        return -1;
    if (tree_unpack (STDIN_FILENO, folder, NULL, &options, &done, &err) == 0)
        (void) tree_snapshot_take (place.workspace, NULL, PUT, &options, &ignored, &err);
    s_answer (&err, &done, arena);
    return err.code ? -1 : 0;
}

int
far_get (const shim_open_t *ask, arena_t *arena)
{
    berth_error_t err = { 0 };
    far_place_t place;
    tree_progress_t done = { 0 };
    tree_options_t options = { .uid = -1, .gid = -1 };
    tree_pack_t how = { .known = PUT, .have = PUT, .snapshot = NOW };
    if (far_place_enter (ask, false, arena, &place, &err) == 0 && access (PUT, F_OK))
        (void) berth_fail (&err, BERTH_CONFLICT, "nothing was realized into this place");
    s_answer (&err, &done, arena);
    //  What fails from here on is a stream that is cut short; why stands in the relay's log
    if (!err.code && tree_pack (place.workspace, &how, STDOUT_FILENO, &options, &done, NULL, &err))
        dprintf (STDERR_FILENO, "berth-shim: %s\n", err.text);
    return err.code ? -1 : 0;
}
