//  realizer_parts.h - what the files of the realizer share. For them and workspaces.c only.

#ifndef BERTH_REALIZER_PARTS_H_INCLUDED
#define BERTH_REALIZER_PARTS_H_INCLUDED

#include "realizer.h"

#define REALIZER_MAGIC 0x4ea11201u

struct realizer {
    uint32_t magic;
    const context_t *context;
    actor_t *actor;
    zhashx_t *works;                //  By subject
};

//  ---- what is under way
//
//  Kept in memory only: after a restart whoever asked asks again, and the files are put in place
//  once more. What a handler changes here bears repeating: a batch that was undone runs again, and
//  then a work begins anew, under the next number; answers to another number are not its own.

typedef struct {
    char subject [LETTER_SUBJECT_MAX];
    arena_t *arena;                 //  Its own, as long as the work
    unsigned attempt;
    bool known;                     //  Somebody has heard of it: it was committed and sent
    bool finished;
    int64_t give_up_ms;             //  Monotonic: when what is awaited cannot come any more; of a
                                    //  finished one: when it can be forgotten
    letter_t asker;
    berth_bytes_t ask;              //  Packed: workspace_realize, or workspace_return
    berth_bytes_t result;           //  Packed: place_realized, or workspace_returned
    bool provisioned;
} work_t;

//  Begins a work, or begins it anew. find: NULL if there is none that is not finished.
work_t *work_begin (realizer_t *self, const char *subject, const request_t *req);
work_t *work_find (const realizer_t *self, const char *subject);
void work_finish (work_t *self, const request_t *req);

//  The name of a step of this attempt, in arena.
const char *work_step (const work_t *self, const char *name, arena_t *arena);

//  ---- workspaces.c

handler_fn workspaces_create, workspaces_get, workspaces_list, workspaces_update, workspaces_clear;

//  ---- realizer_realize.c, realizer_return.c

handler_fn realizer_realize, realizer_return, realizer_diff;
handler_fn realizer_return_again;   //  A retry of one that waited

//  An answer to a step of such a work; `name` is the step's, without the attempt.
int realizer_realize_done (realizer_t *self, const request_t *req, work_t *work, const char *name,
                           store_txn_t *txn, effects_t *fx, berth_error_t *err);
int realizer_return_done (realizer_t *self, const request_t *req, work_t *work, const char *name,
                          store_txn_t *txn, effects_t *fx, berth_error_t *err);

//  ---- realization_record.c

//  The record, version 1 (Paperclip: reference, section 5), packed.
berth_bytes_t realization_record (const lease_t *lease, berth_bytes_t request,
                                  const place_realized_t *realized, arena_t *arena);

//  Where the files are, as seen inside; NULL if nobody says.
const char *realization_path (const lease_t *lease, const place_realized_t *realized,
                              arena_t *arena);

//  Why a provision command failed: "exit code 2: no such file". NULL if it did not.
const char *provision_failure (const exec_result_t *result, arena_t *arena);

#endif
