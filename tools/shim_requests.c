//  shim_requests.c - owns what each request of berthd asks for; the doing is elsewhere.

#include "relay.h"

#include <sys/ioctl.h>

//  The running exec that is meant, or a refusal.
static child_t *
s_child (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    child_t *child = ask->exec ? shim_child_find (self, ask->exec) : NULL;
    if (!child)
        shim_refuse (self, peer, ask->exec, "not_found: there is no such exec running");
    return child;
}

static void
s_resize (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    child_t *child = s_child (self, peer, ask);
    if (!child)
        return;
    struct winsize size = { .ws_row = (uint16_t) ask->rows, .ws_col = (uint16_t) ask->cols };
    if (!child->tty || child->out [0].watch.fd < 0)
        shim_refuse (self, peer, ask->exec, "conflict: the exec has no terminal");
    else
        (void) ioctl (child->out [0].watch.fd, TIOCSWINSZ, &size);
}

static void
s_state (shim_t *self, peer_t *peer)
{
    for (const child_t *child = self->children; child; child = child->next) {
        shim_message_t message;
        shim_fill_started (child, &message);
        shim_answer (self, peer, &message);
    }
    for (size_t index = 0; index < SHIM_ENDED_MAX; index++)
        if (self->ended [index].folder)
            (void) shim_answer_ended (self, peer, self->ended [index].folder);
    shim_hello (self, peer);
}

//  For a reason that somebody else can have: what a child does by itself is nobody's to say.
static void
s_end (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    exec_cause_t cause = berth_has (shim_message, ask, cause) ? ask->cause : exec_cause_KILLED_BY_POLICY;
    if (cause != exec_cause_KILLED_BY_POLICY && cause != exec_cause_TIMED_OUT
        && cause != exec_cause_LEASE_LOST && cause != exec_cause_PROVIDER_LOST) {
        shim_refuse (self, peer, ask->exec, "invalid_request: nobody is ended as %s",
                     berth_enum_text (&exec_cause_enum, cause));
        return;
    }
    child_t *child = s_child (self, peer, ask);
    if (child)
        shim_child_end (self, child, cause,
                        berth_has (shim_message, ask, grace_ms) ? ask->grace_ms : child->grace_ms);
}

static void
s_fence (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    if (ask->generation < self->generation) {
        shim_refuse (self, peer, NULL, "fenced: the place has generation %llu",
                     (unsigned long long) self->generation);
        return;
    }
    if (ask->generation > self->generation) {
        self->generation = ask->generation;
        berth_error_t err = { 0 };
        if (shim_write_record (self, &err))
            shim_log (self, "record not written: %s", err.text);
        for (child_t *child = self->children, *next; child; child = next) {
            next = child->next;
            shim_child_end (self, child, exec_cause_LEASE_LOST,
                            berth_has (shim_message, ask, grace_ms) ? ask->grace_ms : SHIM_GRACE_MS);
        }
    }
    shim_hello (self, peer);
}

void
shim_request (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    child_t *child;
    if (self->relay) {
        relay_request (self, peer, ask);
        return;
    }
    switch (ask->op) {
        case shim_op_START:
            shim_child_start (self, peer, ask);
            return;
        case shim_op_WRITE:
            if ((child = s_child (self, peer, ask)))
                shim_input_write (self, peer, child, ask);
            return;
        case shim_op_SIGNAL:
            if ((child = s_child (self, peer, ask)))
                shim_child_signal (self, child, (int) ask->signal);
            return;
        case shim_op_RESIZE:
            s_resize (self, peer, ask);
            return;
        case shim_op_RELEASE:
            //  For an exec that has ended there is nobody to let go on
            child = ask->exec ? shim_child_find (self, ask->exec) : NULL;
            if (child) {
                spool_release (child->spool, ask->offset);
                shim_output_watch (self, child);
            }
            return;
        case shim_op_END:
            s_end (self, peer, ask);
            return;
        case shim_op_CLOSE:
            shim_close (self, exec_cause_LEASE_LOST,
                        berth_has (shim_message, ask, grace_ms) ? ask->grace_ms : SHIM_GRACE_MS);
            return;
        case shim_op_STATE:
            s_state (self, peer);
            return;
        case shim_op_FENCE:
            s_fence (self, peer, ask);
            return;
        case shim_op_FILES:
        case shim_op_HELLO:
        case shim_op_STARTED:
        case shim_op_OUTPUT:
        case shim_op_ACCEPTED:
        case shim_op_ENDED:
        case shim_op_CLOSED:
        case shim_op_REFUSED:
        case shim_op_NONE:
        case shim_op_COUNT:
            break;
    }
    shim_refuse (self, peer, ask->exec, "invalid_request: a shim is not told this");
}
