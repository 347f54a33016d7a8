//  server_doors.h - the sockets of a service: the operator's own, those that the configuration adds,
//  and who watches over those to the network. For server.c only.

#ifndef BERTH_SERVER_DOORS_H_INCLUDED
#define BERTH_SERVER_DOORS_H_INCLUDED

#include "configuration.h"
#include "context.h"
#include "door.h"
#include "gate.h"
#include "outlet.h"

//  Until front and publisher take the doors and outlets.
typedef struct {
    door_t *doors [DOORS_MAX];
    size_t doors_count;
    outlet_t *outlets [OUTLETS_MAX];
    size_t outlets_count;
    trust_t *trust;
    zcert_t *certificate;           //  NULL of a private service
    gate_t *gate;                   //  NULL: nothing listens to the network
    zactor_t *watch;
    char bus [512], events [512];   //  Endpoints to the network, the first of each; "" if there is none
} server_doors_t;

//  Opens the operator's own sockets. Errors: forbidden.
int server_doors_own (server_doors_t *self, const char *bus, const char *events, berth_error_t *err);

//  Reads the service's key pair, or makes it, in the state directory.
int server_doors_key (server_doors_t *self, const char *state, berth_error_t *err);

//  Opens one more. The principals must be known by now: to the network, it listens at once.
//  Errors: invalid_request, forbidden.
int server_doors_open (server_doors_t *self, const configuration_door_t *door, berth_error_t *err);

//  Closes what nobody took, and stops to answer who may connect: behind front and publisher.
void server_doors_close (server_doors_t *self);

#endif
