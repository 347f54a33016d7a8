//  inspector.h - what can be asked of the service itself: info, stats, describe, shutdown.

#ifndef BERTH_INSPECTOR_H_INCLUDED
#define BERTH_INSPECTOR_H_INCLUDED

#include "actor.h"
#include "front.h"
#include "proxy.h"
#include "publisher.h"

typedef struct inspector inspector_t;

//  What it reports on; all of it outlives this actor. `stop` is called (from the actor's thread)
//  when somebody asks for a shutdown.
typedef struct {
    const front_t *front;
    quotas_t *quotas;
    const publisher_t *publisher;
    proxy_t *const *proxies;
    size_t proxies_count;
    void (*stop) (void *context, bool release);
    void *stop_context;
} bus_parts_t;

//  Fills what ends soon, a bounded part of it, soonest first (inspect_ends.c).
int inspect_ends (const request_t *req, store_txn_t *txn, bus_stats_t *stats, berth_error_t *err);

inspector_t *inspector_new (const context_t *context, const bus_parts_t *parts, berth_error_t *err);
void inspector_destroy (inspector_t **self_p);
void inspector_actor (zsock_t *pipe, void *args);

#endif
