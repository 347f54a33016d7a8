//  stuck.h - every object that does not move by itself: which, since when, why, and what mends it.
//
//  One look at a snapshot; its order is what a person would mend first. Bounded: at most `room`
//  items, and STUCK_LOOK_MAX rows of a kind are looked at.

#ifndef BERTH_STUCK_H_INCLUDED
#define BERTH_STUCK_H_INCLUDED

#include "actor.h"
#include "arena.h"
#include "bus.h"
#include "tables.h"

enum {
    STUCK_MAX = 100,
    STUCK_LOOK_MAX = 1000,
    STUCK_AFTER_MS = 60000,         //  A step takes less, or is said to be stuck
    STUCK_OPENING_MS = 960000,      //  A provider may ask for so long to open a place
    STUCK_RUN_MS = 600000,          //  To realize a large workspace takes longer
    STUCK_QUEUED_MS = 600000        //  In the queue of a workspace
};

//  Fills ret_items (room for STUCK_MAX) with what the rows say by the clocks of `now`; strings in arena.
int stuck_find (store_txn_t *txn, arena_t *arena, const request_t *now, bus_stuck_t *ret_items,
                size_t *ret_count, berth_error_t *err);

#endif
