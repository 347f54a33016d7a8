//  clock.h - the two clocks. Handlers never call these: time comes with the request.

#ifndef BERTH_CLOCK_H_INCLUDED
#define BERTH_CLOCK_H_INCLUDED

#include <stddef.h>
#include <stdint.h>

//  Milliseconds since the epoch (CLOCK_REALTIME): for records.
int64_t berth_wall_ms (void);

//  Milliseconds since some point, not counting suspend (CLOCK_MONOTONIC): for waiting.
int64_t berth_mono_ms (void);

//  The kernel's boot id, 36 characters; "" where there is none.
const char *berth_boot_id (void);

//  RFC 3339 UTC with milliseconds, "2026-05-11T09:30:00.123Z"; text of at least 32 bytes.
void berth_time_text (int64_t wall_ms, char *text, size_t size);

#endif
