//  relay_requests.c - owns what each request of berthd asks of a relay.

#include "relay.h"

#include "clock.h"
#include "codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITES_MAX = 2 * 1048576 };

//  Sends it, or keeps it until there is a connection.
static bool
s_pass (shim_t *self, const shim_message_t *ask)
{
    struct relay *relay = self->relay;
    if (relay->phase == RELAY_UP) {
        relay_send_message (self, ask);
        return true;
    }
    berth_bytes_t frame = berth_pack (&shim_message_schema, ask, self->scratch);
    if (relay->held.size + frame.size + 4 > RELAY_HELD_MAX)
        return false;
    uint32_t length = (uint32_t) frame.size;
    relay_room (&relay->held, frame.size + 4);
    memcpy (relay->held.data + relay->held.size, &length, 4);
    memcpy (relay->held.data + relay->held.size + 4, frame.data, frame.size);
    relay->held.size += frame.size + 4;
    return true;
}

static void
s_start (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    if (!ask->exec || !ask->argv.count || !ask->spool.size) {
        shim_refuse (self, peer, ask->exec, "invalid_request: a start needs execId, argv and spool");
        return;
    }
    const char *folder = arena_text (self->scratch, (const char *) ask->spool.data, ask->spool.size);
    relay_exec_t *exec = relay_exec_find (self, ask->exec);
    if (exec) {
        shim_message_t message;         //  One that is starting is answered when it has
        relay_exec_started (exec, &message);
        if (exec->started)
            shim_answer (self, peer, &message);
        return;
    }
    if (shim_answer_ended (self, peer, folder))
        return;
    size_t running = 0;
    for (exec = self->relay->execs; exec; exec = exec->next)
        running++;
    berth_error_t err = { 0 };
    spool_copy_t *copy;
    if (berth_has (shim_message, ask, generation) && ask->generation < self->generation)
        shim_refuse (self, peer, ask->exec, "fenced: the place has generation %llu",
                     (unsigned long long) self->generation);
    else if (self->closing || running >= SHIM_EXECS_MAX)
        shim_refuse (self, peer, ask->exec, self->closing ? "conflict: the place is being closed"
                                                          : "busy: too many execs run in the place");
    else if (spool_start (folder, &err) || spool_copy_open (folder, &copy, &err))
        shim_refuse (self, peer, ask->exec, "%s: %s", berth_code_text (err.code), err.text);
    else {
        exec = calloc (1, sizeof *exec);
        ENSURE (exec);
        snprintf (exec->id, sizeof exec->id, "%s", ask->exec);
        exec->folder = strdup (folder);
        ENSURE (exec->folder);
        exec->copy = copy;
        exec->started_at = berth_wall_ms ();
        exec->max = ask->spool_max;
        exec->on_full = ask->on_full ? (int) ask->on_full : SPOOL_DROP_OLDEST;
        berth_bytes_t frame = berth_pack (&shim_message_schema, ask, self->scratch);
        exec->start = malloc (frame.size);
        ENSURE (exec->start);
        memcpy (exec->start, frame.data, frame.size);
        exec->start_size = frame.size;
        exec->next = self->relay->execs;
        self->relay->execs = exec;
        if (self->relay->phase == RELAY_UP)
            relay_send (self, FAR_SHIM, NULL, 0, exec->start, exec->start_size);
    }
}

static void
s_write (shim_t *self, peer_t *peer, relay_exec_t *exec, const shim_message_t *ask)
{
    berth_bytes_t frame = berth_pack (&shim_message_schema, ask, self->scratch);
    if (exec->writes_size + frame.size + 4 > WRITES_MAX) {
        shim_refuse (self, peer, exec->id, "busy: stdin is not accepted fast enough");
        return;
    }
    uint32_t length = (uint32_t) frame.size;
    exec->writes = realloc (exec->writes, exec->writes_size + frame.size + 4);
    ENSURE (exec->writes);
    memcpy (exec->writes + exec->writes_size, &length, 4);
    memcpy (exec->writes + exec->writes_size + 4, frame.data, frame.size);
    exec->writes_size += frame.size + 4;
    if (self->relay->phase == RELAY_UP)
        relay_send (self, FAR_SHIM, NULL, 0, frame.data, frame.size);
}

static void
s_state (shim_t *self, peer_t *peer)
{
    shim_message_t message;
    for (const relay_exec_t *exec = self->relay->execs; exec; exec = exec->next) {
        relay_exec_started (exec, &message);
        shim_answer (self, peer, &message);
    }
    for (size_t index = 0; index < SHIM_ENDED_MAX; index++)
        if (self->ended [index].folder)
            (void) shim_answer_ended (self, peer, self->ended [index].folder);
    shim_hello (self, peer);
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
        (void) s_pass (self, ask);              //  There it ends what ran for the holder before
    }
    shim_hello (self, peer);
}

static void
s_for_exec (shim_t *self, peer_t *peer, relay_exec_t *exec, const shim_message_t *ask)
{
    if (ask->op == shim_op_WRITE)
        s_write (self, peer, exec, ask);
    else if (ask->op == shim_op_RELEASE) {
        exec->released = ask->offset;           //  Said anew with each connection
        if (self->relay->phase == RELAY_UP)
            relay_send_message (self, ask);
    }
    else {
        if (ask->op == shim_op_END) {
            exec->ending = berth_has (shim_message, ask, cause) ? ask->cause
                                                                : exec_cause_KILLED_BY_POLICY;
            exec->ending_grace = berth_has (shim_message, ask, grace_ms) ? ask->grace_ms
                                                                         : SHIM_GRACE_MS;
            if (self->relay->phase != RELAY_UP)
                return;
        }
        if (!s_pass (self, ask))
            shim_refuse (self, peer, exec->id, "busy: the connection to the place is down");
    }
}

void
relay_request (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    relay_exec_t *exec = relay_exec_find (self, ask->exec);
    switch (ask->op) {
        case shim_op_START:
            s_start (self, peer, ask);
            return;
        case shim_op_WRITE: case shim_op_SIGNAL: case shim_op_RESIZE: case shim_op_END:
            if (exec)
                s_for_exec (self, peer, exec, ask);
            else
                shim_refuse (self, peer, ask->exec, "not_found: there is no such exec running");
            return;
        case shim_op_RELEASE:
            if (exec)
                s_for_exec (self, peer, exec, ask);
            return;
        case shim_op_CLOSE:
            relay_close (self, berth_has (shim_message, ask, grace_ms) ? ask->grace_ms
                                                                       : SHIM_GRACE_MS);
            return;
        case shim_op_STATE:
            s_state (self, peer);
            return;
        case shim_op_FENCE:
            s_fence (self, peer, ask);
            return;
        case shim_op_FILES:
            relay_files (self, peer);
            return;
        case shim_op_HELLO: case shim_op_STARTED: case shim_op_OUTPUT: case shim_op_ACCEPTED:
        case shim_op_ENDED: case shim_op_CLOSED: case shim_op_REFUSED: case shim_op_NONE:
        case shim_op_COUNT:
            break;
    }
    shim_refuse (self, peer, ask->exec, "invalid_request: a shim is not told this");
}
