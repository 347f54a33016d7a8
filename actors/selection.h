//  selection.h - which environment a run uses, level by level (Paperclip: reference, section 8).
//
//  workspace, issue, project, agent, then the company's default. A level that is absent is passed
//  over; one that is null stops the chain and means the default (the agent's null is passed over).
//  Without levels: selectedEnvironmentId, else defaultEnvironmentId, else the default.

#ifndef BERTH_SELECTION_H_INCLUDED
#define BERTH_SELECTION_H_INCLUDED

#include "run.h"
#include "store.h"

typedef struct {
    const char *env;                //  NULL: the company's own local default
    const char *level;              //  Which level decided
    bool is_default;                //  It is the company's default: ensureLocal where it is local
    size_t count;
    run_level_t levels [8];
} selection_t;

//  A function of its arguments: `persisted` is the environment of the persisted workspace's own
//  config (it wins), or NULL.
void selection_of (const run_selection_t *levels, const char *selected, const char *standard,
                   const char *persisted, selection_t *ret_selection);

#endif
