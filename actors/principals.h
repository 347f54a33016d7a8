//  principals.h - who may ask: keys, their roles and companies; the actor `keys`.
//
//  It is the only one that writes the table of principals. Behind each commit it replaces what
//  stands in `trust`, before the change is answered.

#ifndef BERTH_PRINCIPALS_H_INCLUDED
#define BERTH_PRINCIPALS_H_INCLUDED

#include "context.h"

typedef struct principals principals_t;

principals_t *principals_new (const context_t *context, berth_error_t *err);
void principals_destroy (principals_t **self_p);
void principals_actor (zsock_t *pipe, void *args);

#endif
