//  gate.h - who gets in over the network: ZeroMQ asks it (ZAP, RFC 27) about the key of each new
//  connection, and it asks `trust`. The connection's User-Id is the name of its principal.

#ifndef BERTH_GATE_H_INCLUDED
#define BERTH_GATE_H_INCLUDED

#include "error.h"
#include "trust.h"

#include <czmq.h>

#define GATE_DOMAIN "berth"         //  Of every socket to the network: without one nobody is asked

typedef struct gate gate_t;

//  Listens where ZeroMQ asks; one per process. Errors: internal.
gate_t *gate_new (trust_t *trust, berth_error_t *err);
void gate_destroy (gate_t **self_p);

//  The body of a zactor; args is the gate_t. To be started before sockets listen to the network,
//  and stopped behind them.
void gate_actor (zsock_t *pipe, void *args);

uint64_t gate_refused (const gate_t *self);     //  Handshakes with a key that is not good

//  The service's own key pair, in <path> (zcert, mode 0600); made if there is none. Errors:
//  forbidden (others can read it), invalid_request (it is no certificate), internal.
zcert_t *gate_certificate (const char *path, berth_error_t *err);

//  Makes a socket that will listen to the network demand CURVE of everybody.
void gate_guard (zsock_t *socket, const zcert_t *certificate);

#endif
