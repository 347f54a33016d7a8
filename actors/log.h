//  log.h - what the service tells its operator: one line `time event key=value ...` on stderr, and
//  the last failures for bus.stats. Any thread. Only actors and main write here.

#ifndef BERTH_LOG_H_INCLUDED
#define BERTH_LOG_H_INCLUDED

#include "arena.h"
#include "bus.h"
#include "error.h"

//  Writes a line. The format gives the pairs: log_event ("lease_opened", "id=%s ms=%d", id, ms).
void log_event (const char *event, const char *format, ...) BERTH_PRINTF (2, 3);

//  Logs a failure once, and keeps it among the last 20.
void log_fault (const char *actor, const char *about, const berth_error_t *why);

//  The last failures, newest first; *ret_items in arena.
size_t log_faults (arena_t *arena, const bus_fault_t **ret_items);

//  A failed commit is final: says why, and ends the process with exit status 70.
void berth_die (const berth_error_t *why) __attribute__ ((noreturn));

#endif
