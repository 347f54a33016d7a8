//  far.h - what the files of the far end share: one program, copied to remote machines, that is
//  berth-shim, berth-init and what connects them to a relay.

#ifndef BERTH_FAR_H_INCLUDED
#define BERTH_FAR_H_INCLUDED

#include "arena.h"
#include "far_protocol.h"
#include "shim.h"

//  ---- far.c: the programs within, by their mains

int berth_shim_main (int argc, char **argv);
int berth_init_main (int argc, char **argv);

//  The place's folders, and those of its execs, beneath the folder of all.
typedef struct {
    const char *base;               //  Absolute
    const char *folder;             //  <base>/.berth/<id>
    const char *workspace;          //  <base>/<id>
} far_place_t;

//  ---- far_open.c

//  Where the place is; and changes to its folder. Errors: invalid_request, not_found, provider_error.
int far_place_enter (const shim_open_t *ask, bool make, arena_t *arena, far_place_t *ret_place,
                     berth_error_t *err);

//  Opens the place unless its shim listens already. *ret_call is to be given to far_take or
//  far_drop; -1: it was open.
int far_open (const shim_open_t *ask, const far_place_t *place, arena_t *arena,
              shim_opened_t *ret_opened, int *ret_call, berth_error_t *err);
void far_take (int *call_p);
//  Nobody took it: waits until the shim is gone, and removes the folders.
void far_drop (int *call_p, const far_place_t *place);

//  What is told of a place that is there.
void far_tell (const far_place_t *place, arena_t *arena, shim_opened_t *ret_opened);

//  Ends the place, and removes it unless it is to be kept.
int far_end (const shim_open_t *ask, arena_t *arena, berth_error_t *err);

//  ---- far_files.c

//  Both end the session. What they say on their way back is a FAR_OPENED.
int far_put (const shim_open_t *ask, arena_t *arena);
int far_get (const shim_open_t *ask, arena_t *arena);

//  ---- far_serve.c

//  Serves a relay on stdin and stdout until it hangs up.
int far_serve (void);

#endif
