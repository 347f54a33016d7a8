//  states.h - lifecycles: which state may follow which. A table is the only way between them.

#ifndef BERTH_STATES_H_INCLUDED
#define BERTH_STATES_H_INCLUDED

#include "error.h"
#include "exec.h"
#include "lease.h"
#include "run.h"

//  Moves a row to a state, and what hangs on it (a lease's Paperclip status). A move that is not in
//  the table is a conflict that names both states; the row is unchanged then.
int lease_move (lease_t *row, lease_state_t to, berth_error_t *err);
int run_move (run_t *row, run_state_t to, berth_error_t *err);
int exec_move (exec_t *row, exec_state_t to, berth_error_t *err);

//  May it move there?
bool lease_may (lease_state_t from, lease_state_t to);
bool run_may (run_state_t from, run_state_t to);

//  Nothing is due any more, and no place is held.
bool lease_settled (lease_state_t state);

//  Paperclip's word for a state of ours: pending and releasing read as active.
lease_status_t lease_status_of (lease_state_t state);

#endif
