//  target.h - how to execute in a lease's place, in Paperclip's shapes (reference, section 6).

#ifndef BERTH_TARGET_H_INCLUDED
#define BERTH_TARGET_H_INCLUDED

#include "arena.h"
#include "lease.h"

//  The adapters that may run away from the platform's own host (reference, 2.5); NULL behind the
//  last.
const char *adapter_remote (size_t index);

//  May this adapter (NULL: any) run in a place of this driver?
bool adapter_supported (const char *adapter, environment_driver_t driver);

//  The target and, for ssh, its spec. A null target says that the adapter cannot run there. No
//  secret leaves: the caller executes through Berth, its runner is {leaseId, generation}.
lease_target_t target_of (const lease_t *lease, const char *adapter, arena_t *arena);

#endif
