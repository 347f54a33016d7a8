//  outlet.h - one XPUB socket that subscribers come by, and what they may hear there.
//
//  A subscription outside of its sender's companies yields nothing. The socket is one that hands
//  each subscription to us (ZMQ_XPUB_MANUAL): only what is allowed is given to it.
//
//  Bounded: BERTH_SUBSCRIPTIONS_EACH of one key (of one connection on this machine), and
//  BERTH_SUBSCRIPTIONS_MAX of all. Who wants more loses its connection.

#ifndef BERTH_OUTLET_H_INCLUDED
#define BERTH_OUTLET_H_INCLUDED

#include "trust.h"

#include <czmq.h>

typedef struct outlet outlet_t;

enum { OUTLETS_MAX = 16 };

//  Takes over a bound XPUB on this machine, at a path; everybody there is this principal of `trust`.
outlet_t *outlet_new_local (zsock_t **xpub_p, trust_t *trust, const char *principal,
                            const char *path);
//  Takes over a bound XPUB with CURVE, at a port.
outlet_t *outlet_new_network (zsock_t **xpub_p, trust_t *trust, uint16_t port);
void outlet_destroy (outlet_t **self_p);

int outlet_fd (const outlet_t *self);

//  Takes what has come: subscriptions and their ends. `followed` is told of each company whose log
//  is asked for once more (1) or once less (-1), with or without success.
typedef void (outlet_followed_fn) (void *context, const char *company, int more);
void outlet_receive (outlet_t *self, outlet_followed_fn *followed, void *context);

//  Rights of principals were changed: subscribers from the network lose their connections. They
//  return by themselves, with what they may hear now, and ask for what they missed.
void outlet_enforce (outlet_t *self);

//  Sends to who follows; who is full loses it, and sees the gap.
void outlet_send (outlet_t *self, const char *topic, size_t size, berth_bytes_t body);

uint64_t outlet_subscriptions (const outlet_t *self);
uint64_t outlet_cut (const outlet_t *self);     //  Connections that were ended: they wanted too much

#endif
