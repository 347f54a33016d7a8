//  proxy_close.h - how a place goes, and what is made ready for the next.

#ifndef BERTH_PROXY_CLOSE_H_INCLUDED
#define BERTH_PROXY_CLOSE_H_INCLUDED

#include "error.h"
#include "provider.h"
#include "requests.h"

//  Gives a place back by the verb that was asked for, as far as the provider has it. Errors: the
//  provider's.
int proxy_close (const provider_t *provider, void *self, const place_close_t *ask,
                 int64_t deadline_ms, berth_error_t *err);

//  Behind the answer of a request: if a place went by it, the next one is made ready, and nobody waits
//  for that. `self` NULL: the provider could not be opened.
void proxy_prepare (const provider_t *provider, void *self, request_code_t type);

#endif
