//  played_relay.c - no other machines: the shim under test opens its places here, and a place elsewhere
//  is refused.

#include "relay.h"

int
relay_start (shim_t *self, berth_error_t *err)
{
    (void) self;
    return berth_fail (err, BERTH_UNSUPPORTED, "there are no other machines");
}

void
relay_close (shim_t *self, uint64_t grace_ms)
{
    (void) self, (void) grace_ms;
}

int64_t
relay_due (const shim_t *self)
{
    (void) self;
    return INT64_MAX;
}

void
relay_tick (shim_t *self, int64_t now)
{
    (void) self, (void) now;
}

void
relay_request (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    (void) self, (void) peer, (void) ask;
}

void
relay_tell (shim_t *self, relay_exec_t *exec)
{
    (void) self, (void) exec;
}
