//  keyed.h - requests with an idempotency key: decided once, however often they are asked. For
//  actor.c only.

#ifndef BERTH_KEYED_H_INCLUDED
#define BERTH_KEYED_H_INCLUDED

#include "actor.h"

//  Is it one? Those of clients that write.
bool keyed_is (const letter_t *letter);

//  Decides about it, unless a request of the same key was decided before: then it is given the same
//  answer, or joins what is under way. `packed` is the body of *req as it came.
int keyed_decide (const actor_spec_t *spec, void *actor, const waiters_t *waiters, effects_t *fx,
                  berth_bytes_t packed, request_t *req, store_txn_t *txn, berth_error_t *err);

//  Behind the handlers of a batch, in its transaction: what is settled by it is kept for those who
//  waited with a key.
void keyed_settle (const effects_t *fx, const waiters_t *waiters, arena_t *arena, store_txn_t *txn);

#endif
