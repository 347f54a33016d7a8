//  states.c - owns the tables of allowed moves.

#include "states.h"

#define S(T, state) (1u << T##_##state)

static const unsigned s_lease [lease_state_COUNT] = {
    //  One that waits in a queue has opened nothing: it may be released, or expire, at once
    [lease_state_PENDING]   = S (lease_state, ACTIVE) | S (lease_state, RELEASING)
                            | S (lease_state, FAILED) | S (lease_state, CLEANUP)
                            | S (lease_state, RELEASED) | S (lease_state, EXPIRED),
    [lease_state_ACTIVE]    = S (lease_state, RELEASING) | S (lease_state, RELEASED)
                            | S (lease_state, EXPIRED) | S (lease_state, FAILED)
                            | S (lease_state, RETAINED),
    [lease_state_RELEASING] = S (lease_state, RELEASED) | S (lease_state, EXPIRED)
                            | S (lease_state, FAILED) | S (lease_state, RETAINED)
                            | S (lease_state, CLEANUP),
    [lease_state_CLEANUP]   = S (lease_state, RELEASING) | S (lease_state, RELEASED)
                            | S (lease_state, EXPIRED) | S (lease_state, FAILED)
                            | S (lease_state, RETAINED),
    [lease_state_RETAINED]  = S (lease_state, RELEASING) | S (lease_state, RELEASED)
                            | S (lease_state, ACTIVE),
};

static const unsigned s_run [run_state_COUNT] = {
    [run_state_ACQUIRING] = S (run_state, ACQUIRED) | S (run_state, RELEASING)
                          | S (run_state, FAILED),
    [run_state_ACQUIRED]  = S (run_state, REALIZING) | S (run_state, RELEASING)
                          | S (run_state, ACQUIRING),
    [run_state_REALIZING] = S (run_state, READY) | S (run_state, ACQUIRED) | S (run_state, RELEASING) | S (run_state, FAILED),
    [run_state_READY]     = S (run_state, REALIZING) | S (run_state, RELEASING),
    [run_state_RELEASING] = S (run_state, RELEASED) | S (run_state, FAILED),
    [run_state_RELEASED]  = S (run_state, ACQUIRING) | S (run_state, RELEASING),
    [run_state_FAILED]    = S (run_state, ACQUIRING) | S (run_state, RELEASING),
};

static const unsigned s_exec [exec_state_COUNT] = {
    [exec_state_STARTING] = S (exec_state, RUNNING) | S (exec_state, ENDED),
    [exec_state_RUNNING]  = S (exec_state, ENDED),
};

static const lease_status_t s_status [lease_state_COUNT] = {
    [lease_state_PENDING]   = lease_status_ACTIVE,
    [lease_state_ACTIVE]    = lease_status_ACTIVE,
    [lease_state_RELEASING] = lease_status_ACTIVE,
    [lease_state_RELEASED]  = lease_status_RELEASED,
    [lease_state_EXPIRED]   = lease_status_EXPIRED,
    [lease_state_FAILED]    = lease_status_FAILED,
    [lease_state_RETAINED]  = lease_status_RETAINED,
    [lease_state_CLEANUP]   = lease_status_PENDING_CLEANUP,
};

static int
s_refuse (const char *noun, const char *id, const berth_enum_t *states, int from, int to,
          berth_error_t *err)
{
    return berth_fail (err, BERTH_CONFLICT, "%s %s is %s and cannot become %s", noun, id,
                       berth_enum_text (states, from), berth_enum_text (states, to));
}

bool
lease_may (lease_state_t from, lease_state_t to)
{
    return s_lease [from] >> to & 1;
}

bool
run_may (run_state_t from, run_state_t to)
{
    return s_run [from] >> to & 1;
}

int
lease_move (lease_t *row, lease_state_t to, berth_error_t *err)
{
    if (!lease_may (row->state, to))
        return s_refuse ("lease", row->id, &lease_state_enum, (int) row->state, (int) to, err);
    row->state = to;
    row->status = lease_status_of (to);
    return 0;
}

int
run_move (run_t *row, run_state_t to, berth_error_t *err)
{
    if (!run_may (row->state, to))
        return s_refuse ("run", row->id, &run_state_enum, (int) row->state, (int) to, err);
    row->state = to;
    return 0;
}

int
exec_move (exec_t *row, exec_state_t to, berth_error_t *err)
{
    if (!(s_exec [row->state] >> to & 1))
        return s_refuse ("exec", row->id, &exec_state_enum, (int) row->state, (int) to, err);
    row->state = to;
    return 0;
}

bool
lease_settled (lease_state_t state)
{
    return state == lease_state_RELEASED || state == lease_state_EXPIRED
        || state == lease_state_FAILED;
}

lease_status_t
lease_status_of (lease_state_t state)
{
    return s_status [state];
}
