//  process.h - which process a pid means.

#ifndef BERTH_PROCESS_H_INCLUDED
#define BERTH_PROCESS_H_INCLUDED

#include "base.h"

//  When a process started, in clock ticks since boot (stat, field 22); 0: there is none, or it has
//  ended. Pid, start and boot id together name a process for good.
uint64_t berth_process_start (int64_t pid);

#endif
