//  acquire.h - what is said on stderr while a lease is waited for.

#ifndef BERTH_ACQUIRE_H_INCLUDED
#define BERTH_ACQUIRE_H_INCLUDED

#include "attach.h"

typedef struct {
    bool quiet;
    bool queued;                    //  It was said that it waits
    char lease [BERTH_ID_SIZE];     //  Which one, "" while that is not known
} acquire_wait_t;

//  An attach_waiting_fn of an acquire_wait_t: a line for each place in the queue.
attach_waiting_fn acquire_told;

#endif
