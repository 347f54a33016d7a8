//  context.h - what every actor of one service is given. Set up by server.c before any actor
//  starts, unchanged and alive until the last has stopped.

#ifndef BERTH_CONTEXT_H_INCLUDED
#define BERTH_CONTEXT_H_INCLUDED

#include "provider.h"
#include "retention.h"
#include "sweep_how.h"
#include "store.h"
#include "vault.h"
#include "wiring.h"

typedef struct {
    store_t *store;
    wiring_t *wiring;
    provider_host_t host;           //  State and runtime directories, install id, spawner...
    char instance [37];             //  Of this process
    trust_t *trust;                 //  Who may do what
    vault_t *vault;                 //  What secrets are sealed by; NULL: of tests that have none
    char *master_path;              //  Where its keys are kept, NULL: not by us
    struct gate *gate;              //  Who gets in over the network; NULL: nothing listens there
    const char *server_key;         //  The service's public key, Z85; NULL of a private service
    const char *network_bus, *network_events;   //  Endpoints to the network; "" if there is none
    retention_t retention;          //  How long what has ended is kept
    const char *former_install;     //  Of the store that this one is a backup of; NULL: of none
    sweep_how_t sweep;              //  How lost places are looked for
    const char *bus_endpoint, *events_endpoint;
    int64_t started_ms, started_mono_ms;
    bool test_providers;            //  fake and fault may be used
    bool ephemeral;                 //  Ends with its owner
} context_t;

//  Each actor is a class with these three functions:
//
//      x_t *x_new (const context_t *context, berth_error_t *err);   all that can fail
//      void x_actor (zsock_t *pipe, void *args);                    args is the x_t
//      void x_destroy (x_t **self_p);                               after its actor has stopped

#endif
