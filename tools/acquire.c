//  acquire.c - owns `berth lease acquire`: a lease that may have to wait for its turn.

#include "acquire.h"

#include "output.h"
#include "service.h"
#include "terminal.h"

#include <stdio.h>
#include <unistd.h>

enum { ACQUIRE_MS = 120000, RELEASE_MS = 10000 };

void
acquire_told (void *context, const lease_waiting_t *waiting)
{
    acquire_wait_t *self = context;
    snprintf (self->lease, sizeof self->lease, "%s", waiting->id);
    if (self->quiet)
        return;
    if (waiting->position && waiting->holder)
        output_note ("lease %s waits in the queue of its workspace, position %llu (lease %s has it)",
                     waiting->id, (unsigned long long) waiting->position, waiting->holder);
    else if (waiting->position)
        output_note ("lease %s waits in the queue of its workspace, position %llu", waiting->id,
                     (unsigned long long) waiting->position);
    else if (self->queued)
        output_note ("it is the turn of lease %s", waiting->id);
    self->queued = waiting->position > 0;
}

//  Whoever gives up wants no lease: it leaves the queue, and what was opening is closed.
static void
s_give_up (const invocation_t *self, const char *lease)
{
    lease_release_t ask = { .id = lease };
    berth_put (lease_release, &ask, wait, false);
    berth_ask_t how = { .deadline_ms = RELEASE_MS };
    berth_error_t err = { 0 };
    lease_t row;
    if (berth_client_ask (self->bus, REQUEST_LEASE_RELEASE, &ask, &how, self->arena, &row, &err))
        output_note ("lease acquire: lease %s was not given back: %s; see: berth lease list", lease,
                     err.text);
}

int
acquire_command (invocation_t *self, berth_error_t *err)
{
    lease_acquire_t ask;
    lease_t lease;
    int number = 0, signals = terminal_signals ();
    acquire_wait_t wait = { .quiet = self->common.quiet };
    berth_ask_t how = service_ask (self, ACQUIRE_MS);
    how.credit = BERTH_CHUNK_MAX;
    if (berth_unpack (&lease_acquire_schema, self->body, self->arena, &ask, err))
        return -1;
    int rc = attach_call_told (self->bus, REQUEST_LEASE_ACQUIRE, &ask, &how, signals, self->arena,
                               &lease, &number, acquire_told, &wait, err);
    close (signals);
    if (rc > 0) {
        if (wait.lease [0])
            s_give_up (self, wait.lease);
        if (!self->common.quiet)
            output_note ("lease acquire: given up");
        return 128 + number;
    }
    output_t out = output_stdout (self->common.json, self->common.quiet);
    return rc || output_reply (&out, &lease_schema, berth_pack (&lease_schema, &lease, self->arena),
                               true, self->arena, err) < 0 ? -1 : 0;
}
