//  relay.c - owns the life of a relay: from the call that opens a place elsewhere to its end.

#include "relay.h"

#include "clock.h"
#include "codec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_MAX_ = 512 };                //  Of a place, in its lease

static const char *
s_text (shim_t *self, berth_bytes_t bytes)
{
    return arena_text (self->scratch, (const char *) bytes.data, bytes.size);
}

//  The program that would become walls here is not needed.
static void
s_drop_launcher (shim_t *self)
{
    if (self->launcher >= 0)
        close (self->launcher);
    self->launcher = -1;
    if (self->walls > 0)
        (void) waitpid (self->walls, NULL, 0);
    self->walls = 0;
    watch_close (self, &self->walls_watch);
    cgroup_remove (&self->cgroup);
    self->cgroup = (cgroup_t) { 0 };
    self->opened.cgroup = NULL;
}

int
relay_start (shim_t *self, berth_error_t *err)
{
    const shim_relay_t *told = self->open.relay;
    if (!told->argv.count || !told->base.size || !told->control.size)
        return berth_fail (err, BERTH_INVALID, "a relay needs argv, base and control");
    s_drop_launcher (self);
    self->relay = calloc (1, sizeof *self->relay);
    ENSURE (self->relay);
    self->relay->told = told;
    self->relay->in.fd = self->relay->out.fd = self->relay->err.fd = -1;
    self->opened.ends_by = "ssh";
    relay_connect (self);
    return 0;
}

//  Nothing of ours is left but what berthd removes with the folder.
static void
s_leave (shim_t *self)
{
    relay_hang_up (self);
    if (self->listener.fd >= 0) {
        (void) unlink (s_text (self, self->open.socket));
        (void) unlink (arena_printf (self->scratch, "%s/shim.msgpack",
                                     s_text (self, self->open.folder)));
    }
    watch_close (self, &self->listener);
    shim_unlock (self);
    self->done = true;
}

void
relay_failed (shim_t *self, const berth_error_t *why)
{
    self->opened.ok = false;
    self->opened.code = berth_code_text (why->code);
    self->opened.error = why->text;
    self->opened.remedy = why->remedy [0] ? why->remedy : NULL;
    self->opened.cause = why->cause [0] ? why->cause : NULL;
    relay_hang_up (self);
    relay_end_master (self);
    s_leave (self);
    shim_answer_call (self);
}

void
relay_opened (shim_t *self, shim_opened_t *opened)
{
    struct relay *relay = self->relay;
    berth_error_t err = { 0 };
    self->opened.ends_by = arena_string (self->keep, opened->ends_by ? opened->ends_by : "none");
    self->opened.limits_by = "none";
    berth_bytes_t map = any_merge (berth_empty_map, opened->metadata, true, self->keep);
    const char *cwd = any_text (map, "remoteCwd", self->keep);
    if (cwd && strlen (cwd) + strlen (relay->told->host) + 6 > NAME_MAX_) {
        berth_error_set (err.remedy, sizeof err.remedy, "use a shorter remoteWorkspacePath");
        (void) berth_fail (&err, BERTH_INVALID, "remoteWorkspacePath is too long for the name of a place");
        relay_failed (self, &err);
        return;
    }
    if (cwd) {
        berth_put (shim_opened, &self->opened, metadata, map);
        berth_put (shim_opened, &self->opened, name,
                   arena_printf (self->keep, "ssh://%s%s", relay->told->host, cwd));
    }
    relay->phase = RELAY_UP;
    relay->opened = true;
    berth_put (shim_opened, &self->opened, ok, true);
    if (relay->told->end) {
        relay_hang_up (self);
        relay_end_master (self);
        s_leave (self);
        self->done = false;                     //  Until the answer was taken
    }
    else if (shim_write_record (self, &err) || listen (self->listener.fd, SHIM_CONNECTIONS_MAX)) {
        if (!err.code)
            (void) berth_fail_errno (&err, BERTH_PROVIDER_ERROR, "the place's socket cannot listen");
        relay_failed (self, &err);
        return;
    }
    else {
        relay_send (self, FAR_TAKE, NULL, 0, NULL, 0);
        relay_send (self, FAR_WATCHED, NULL, 0, NULL, 0);
    }
    shim_answer_call (self);
}

void
relay_over (shim_t *self, exec_cause_t cause, const char *reason)
{
    relay_lose_all (self, cause, reason);
    if (!self->closing)
        shim_log (self, "place over: %s", reason);
    s_leave (self);
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_CLOSED);
    berth_put (shim_message, &message, place, self->open.place);
    shim_tell (self, &message);
    shim_peers_end (self, berth_mono_ms () + 1000);
}

static void
s_ask_close (shim_t *self)
{
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_CLOSE);
    berth_put (shim_message, &message, grace_ms, (uint64_t) self->close_at);
    relay_send_message (self, &message);
}

void
relay_close (shim_t *self, uint64_t grace_ms)
{
    struct relay *relay = self->relay;
    if (self->done)
        return;
    self->close_at = (int64_t) grace_ms;        //  Of a relay: the grace to ask for
    self->closing = exec_cause_LEASE_LOST;
    if (!relay->opened) {                       //  Nobody waits for it any more; untaken, it goes
        relay_hang_up (self);
        relay_end_master (self);
        s_leave (self);
    }
    else if (relay->phase == RELAY_UP)
        s_ask_close (self);
    else if (relay->phase == RELAY_DOWN)
        relay_connect (self);
}

//  ---- time

static int64_t
s_sooner (int64_t due, int64_t at)
{
    return at && at < due ? at : due;
}

int64_t
relay_due (const shim_t *self)
{
    const struct relay *relay = self->relay;
    int64_t due = INT64_MAX;
    if (relay->phase == RELAY_DOWN)
        due = s_sooner (due, relay->retry_at);
    else if (relay->phase != RELAY_UP)
        due = s_sooner (due, relay->deadline);
    else if (!relay->refused)
        due = s_sooner (due, relay->pinged_at ? relay->heard_at + RELAY_SILENCE_MS
                                              : relay->heard_at + RELAY_PING_MS);
    due = s_sooner (due, relay->refused_at);
    for (const relay_exec_t *exec = relay->execs; exec; exec = exec->next)
        due = s_sooner (due, exec->tell_at);
    return due;
}

void
relay_tick (shim_t *self, int64_t now)
{
    struct relay *relay = self->relay;
    for (relay_exec_t *exec = relay->execs; exec; exec = exec->next)
        if (exec->tell_at && exec->tell_at <= now)
            relay_tell (self, exec);
    if (relay->refused_at && relay->refused_at <= now) {
        relay->refused = false;
        relay->refused_at = 0;
        relay_frames (self);
    }
    if (self->done)
        return;
    if (relay->phase == RELAY_DOWN && relay->retry_at && relay->retry_at <= now)
        relay_connect (self);
    else if ((relay->phase == RELAY_SCRIPT || relay->phase == RELAY_ASKED) && relay->deadline <= now)
        relay_broken (self, true);
    else if (relay->phase == RELAY_UP && !relay->refused) {
        if (relay->pinged_at && relay->heard_at + RELAY_SILENCE_MS <= now)
            relay_broken (self, true);
        else if (!relay->pinged_at && relay->heard_at + RELAY_PING_MS <= now) {
            relay->pinged_at = now;
            relay_send (self, FAR_PING, NULL, 0, NULL, 0);
        }
    }
}
