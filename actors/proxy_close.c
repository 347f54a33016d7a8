//  proxy_close.c - owns nothing: which verb of a provider ends a place, and which follows.

#include "proxy_close.h"

int
proxy_close (const provider_t *provider, void *self, const place_close_t *ask, int64_t deadline_ms,
             berth_error_t *err)
{
    if (ask->destroy && provider->destroy)
        return provider->destroy (self, ask, deadline_ms, err);
    if (provider->release)
        return provider->release (self, ask, deadline_ms, err);
    return 0;                       //  It opens nothing, so there is nothing to close
}

void
proxy_prepare (const provider_t *provider, void *self, request_code_t type)
{
    bool went = type == REQUEST_PLACE_CLOSE || type == REQUEST_PLACE_PROBE;
    if (went && self && provider->prepare)
        provider->prepare (self);
}
