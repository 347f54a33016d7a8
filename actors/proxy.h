//  proxy.h - one provider and its slow calls: the only actor that may block.
//
//  Calls of one provider run beside each other, on threads made when they are first needed, up to
//  the provider's own bound; the rest waits in line. A call that hangs holds its own thread only, and
//  that is replaced: whoever asked is answered provider_timeout a second behind its deadline, also
//  for what waits in line. If the call comes back after all, only a place that was opened, or closed,
//  is told: as a second answer to the same step.

#ifndef BERTH_PROXY_H_INCLUDED
#define BERTH_PROXY_H_INCLUDED

#include "bus.h"
#include "context.h"

#include <czmq.h>

typedef struct proxy proxy_t;

enum {
    PROXY_WAITING_MAX = 100000, PROXY_PROGRESS_MS = 100,
    PROXY_CALL_MS = 600000,         //  For a call whose sender set no deadline
    PROXY_READY_MS = 5000,          //  A provider that is not ready is waited for so long,
    PROXY_READY_STEP_MS = 100,      //  and asked so often
    PROXY_GRACE_MS = 1000           //  So long behind its deadline we answer for a call
};

//  Opens the provider. One that cannot be opened still has its proxy: a call waits for it, at most
//  PROXY_READY_MS, and is answered provider_unavailable with the reason.
proxy_t *proxy_new (const context_t *context, const provider_t *provider);

//  Waits for calls under way, at most a second, then closes the provider. false: a call runs on, and
//  with it all that it uses; the process is to end without taking that away.
bool proxy_destroy (proxy_t **self_p);
void proxy_actor (zsock_t *pipe, void *args);

//  For bus.stats, from any thread; strings in arena.
void proxy_stats (proxy_t *self, arena_t *arena, bus_provider_t *ret_stats);

#endif
