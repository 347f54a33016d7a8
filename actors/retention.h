//  retention.h - how long what has ended is kept, and when to look again.
//
//  Each kind is removed by the actor that writes it, oldest first, BERTH_RETENTION_TURN rows in one
//  commit: its work grows with what is due, not with what there is.

#ifndef BERTH_RETENTION_H_INCLUDED
#define BERTH_RETENTION_H_INCLUDED

#include "base.h"
#include "configuration.h"

typedef enum {
    KEPT_ACTIVITY, KEPT_LEASES, KEPT_RUNS, KEPT_EXECS, KEPT_SPOOLS, KEPT_SECRET_EVENTS, KEPT_COUNT
} kept_t;

typedef struct {
    int64_t kept_ms [KEPT_COUNT];   //  From its end on; 0: for ever
    int64_t retained_ms;            //  Files of a retained lease
    int64_t places_ms;              //  Places that are kept for the next lease
} retention_t;

//  What the configuration says (NULL: nothing) and the defaults for the rest. What is named by others
//  stays as long as they do: leases as long as runs and execs, execs as long as their output.
void retention_of (const configuration_retention_t *said, retention_t *ret_self);

//  Its name: "activity".
const char *kept_text (kept_t kind);

//  Time of the end before which a kind may go; INT64_MIN: never.
int64_t retention_before (const retention_t *self, kept_t kind, int64_t now_ms);

//  When to look again, monotonic: at once if there is more, else when the oldest that is kept (its
//  end; INT64_MAX: there is none) comes due, at the latest a while from now.
int64_t retention_next (const retention_t *self, kept_t kind, int64_t now_ms, int64_t mono_ms,
                        int64_t oldest_ms, bool more);

//  Counts what was removed, since the start of the process.
void retention_count (kept_t kind, uint64_t removed);
uint64_t retention_counted (kept_t kind);

#endif
