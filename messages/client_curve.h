//  client_curve.h - the keys that a client shows over TCP. Inner part of libberth; programs use
//  client.h.

#ifndef BERTH_CLIENT_CURVE_H_INCLUDED
#define BERTH_CLIENT_CURVE_H_INCLUDED

#include "client.h"

typedef struct {
    bool on;
    char server [41], own_public [41], own_secret [41];     //  Z85
} curve_t;

//  Reads what berth_connect_t says; off if it names no key. Errors: not_found or forbidden (the
//  file), invalid_request.
int curve_read (const berth_connect_t *how, curve_t *ret_curve, berth_error_t *err);

//  Sets the keys of a socket, before it connects.
void curve_apply (const curve_t *self, void *socket);

//  Forgets the secret one.
void curve_wipe (curve_t *self);

#endif
