//  reader.h - the actor that only reads: what needs nothing but a snapshot of the store.
//
//  Beside the actors that write, so that no read waits for a commit, or for somebody else's batch of
//  writes. Its handlers are those of the actors whose rows they read; they get no state (NULL).

#ifndef BERTH_READER_H_INCLUDED
#define BERTH_READER_H_INCLUDED

#include "context.h"

#include <czmq.h>

typedef struct reader reader_t;

reader_t *reader_new (const context_t *context, berth_error_t *err);
void reader_destroy (reader_t **self_p);
void reader_actor (zsock_t *pipe, void *args);

#endif
