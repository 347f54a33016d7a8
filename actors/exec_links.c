//  exec_links.c - owns the connections to shims, one for each place that has execs.

#include "exec_parts.h"

#include "clock.h"
#include "codec.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 64 };

static void s_connect (execs_t *self, exec_link_t *link, const request_t *req);

static exec_link_t **
s_bucket (execs_t *self, const char *lease)
{
    uint32_t hash = 2166136261u;
    for (; *lease; lease++)
        hash = (hash ^ (uint8_t) *lease) * 16777619u;
    return &self->links [hash % EXEC_BUCKETS];
}

static void
s_due (execs_t *self, exec_link_t *link, int64_t due_ms)
{
    link->due_ms = due_ms;
    if (due_ms < self->links_due_ms)
        self->links_due_ms = due_ms;
}

static void
s_close (exec_link_t *link)
{
    shim_link_destroy (&link->shim);        //  Its descriptor leaves the epoll set with it
    link->phase = LINK_CLOSED;
    link->asked = link->flushing = false;
}

static void
s_free (exec_link_t *link)
{
    ENSURE (!node_linked (&link->lives));
    s_close (link);
    free (link->socket);
    free (link);
}

void
links_destroy (execs_t *self)
{
    for (size_t bucket = 0; bucket < EXEC_BUCKETS; bucket++)
        while (self->links [bucket]) {
            exec_link_t *link = self->links [bucket];
            self->links [bucket] = link->next;
            s_free (link);
        }
}

//  ---- what happens to all execs of a place

//  No shim will say more: each exec ends as its spool says, or as lost.
static void
s_lost (execs_t *self, exec_link_t *link, const char *reason, const request_t *req)
{
    s_close (link);
    link->tries = 0;
    s_due (self, link, req->mono_ms + LINK_IDLE_MS);
    for (node_t *node = link->lives.next, *next; node != &link->lives; node = next) {
        next = node->next;
        live_t *live = node_of (node, live_t, of_link);
        if (live->phase != LIVE_ENDED)
            live_lost (self, live, reason, false, req);
    }
}

static bool
s_is_needed (const exec_link_t *link)
{
    for (const node_t *node = link->lives.next; node != &link->lives; node = node->next)
        if (node_of (node, live_t, of_link)->phase != LIVE_ENDED)
            return true;
    return false;
}

static void
s_broken (execs_t *self, exec_link_t *link, const berth_error_t *why, const request_t *req)
{
    s_close (link);
    if (!s_is_needed (link)) {
        link->tries = 0;
        s_due (self, link, req->mono_ms + LINK_IDLE_MS);
        return;
    }
    if (why->code == BERTH_NOT_FOUND || link->tries >= LINK_TRIES) {
        log_event ("place_lost", "lease=%s why=\"%s\"", link->lease, why->text);
        s_lost (self, link, why->text, req);
        return;
    }
    static const int64_t waits [LINK_TRIES] = { 5, 20, 100, 400, 1500 };
    s_due (self, link, req->mono_ms + waits [link->tries++]);
}

//  ---- sending

static void
s_watch (execs_t *self, exec_link_t *link)
{
    bool unsent = shim_link_unsent (link->shim);
    if (unsent == link->flushing)
        return;
    struct epoll_event event = { .events = EPOLLIN | (unsent ? EPOLLOUT : 0), .data.ptr = link };
    ENSURE (epoll_ctl (self->poll, EPOLL_CTL_MOD, shim_link_fd (link->shim), &event) == 0);
    link->flushing = unsent;
}

static int
s_send (execs_t *self, exec_link_t *link, const shim_message_t *message, const request_t *req,
        berth_error_t *err)
{
    berth_error_t why = { 0 };
    if (shim_link_send (link->shim, message, &why) == 0) {
        s_watch (self, link);
        return 0;
    }
    if (err)
        *err = why;
    if (why.code == BERTH_PROVIDER_UNAVAILABLE)
        s_broken (self, link, &why, req);
    return -1;
}

static void
s_send_packed (execs_t *self, live_t *live, berth_bytes_t packed, const request_t *req)
{
    shim_message_t message;
    berth_error_t err = { 0 };
    ENSURE (berth_unpack_own (&shim_message_schema, packed, req->arena, &message, &err) == 0);
    bool start = message.op == shim_op_START;
    if (s_send (self, live->link, &message, req, &err) == 0) {
        if (start && !shim_link_unsent (live->link->shim))
            live_handed (self, live);
    }
    else if (start && err.code != BERTH_PROVIDER_UNAVAILABLE)
        live_not_started (self, live, err.text, req);
}

int
link_send (execs_t *self, live_t *live, const shim_message_t *message, const request_t *req,
           berth_error_t *err)
{
    exec_link_t *link = live->link;
    if (live->phase == LIVE_RUNNING && link && link->phase == LINK_READY && !live->held_size)
        return s_send (self, link, message, req, err);
    berth_bytes_t packed = berth_pack (&shim_message_schema, message, req->arena);
    if (live->held_size + packed.size + 4 > EXEC_HELD_MAX + 65536)
        return berth_fail (err, BERTH_BUSY, "exec %s has not started yet: try again in a moment",
                           live->id);
    uint32_t size = (uint32_t) packed.size;
    live->held = realloc (live->held, live->held_size + packed.size + 4);
    ENSURE (live->held);
    memcpy (live->held + live->held_size, &size, 4);
    memcpy (live->held + live->held_size + 4, packed.data, packed.size);
    live->held_size += packed.size + 4;
    return 0;
}

//  What waited for the exec to be running.
static void
s_send_held (execs_t *self, live_t *live, const request_t *req)
{
    uint8_t *held = take (live->held);
    size_t size = live->held_size, at = 0;
    live->held_size = 0;
    while (at < size) {
        uint32_t length;
        memcpy (&length, held + at, 4);
        if (live->link->phase == LINK_READY)
            s_send_packed (self, live, (berth_bytes_t) { held + at + 4, length }, req);
        at += 4 + length;
    }
    free (held);
}

//  ---- connecting

static void
s_connect (execs_t *self, exec_link_t *link, const request_t *req)
{
    berth_error_t err = { 0 };
    link->due_ms = INT64_MAX;
    if (shim_link_open (link->socket, req->mono_ms + LINK_OPEN_MS, &link->shim, &err)) {
        s_broken (self, link, &err, req);
        return;
    }
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };
    ENSURE (epoll_ctl (self->poll, EPOLL_CTL_ADD, shim_link_fd (link->shim), &event) == 0);
    link->phase = LINK_GREETING;
}

static exec_link_t *
s_get (execs_t *self, const char *lease, const char *socket, uint64_t generation)
{
    exec_link_t **bucket = s_bucket (self, lease), *link = *bucket;
    while (link && (strcmp (link->lease, lease) || link->generation != generation))
        link = link->next;
    if (link)
        return link;
    link = calloc (1, sizeof *link);
    ENSURE (link);
    snprintf (link->lease, sizeof link->lease, "%s", lease);
    link->socket = strdup (socket);
    ENSURE (link->socket);
    link->generation = generation;
    link->due_ms = INT64_MAX;
    node_init (&link->lives);
    link->next = *bucket;
    *bucket = link;
    return link;
}

void
link_join (execs_t *self, live_t *live, const char *lease, const char *socket, uint64_t generation,
           const request_t *req)
{
    exec_link_t *link = s_get (self, lease, socket, generation);
    live->link = link;
    node_join (&live->of_link, &link->lives);
    link_start (self, live, req);
}

void
link_start (execs_t *self, live_t *live, const request_t *req)
{
    exec_link_t *link = live->link;
    if (link->phase == LINK_CLOSED && !link->tries)
        s_connect (self, link, req);
    else if (link->phase == LINK_READY && live->phase == LIVE_START)
        s_send_packed (self, live, (berth_bytes_t) { live->start, live->start_size }, req);
}

void
link_leave (execs_t *self, live_t *live, int64_t mono_ms)
{
    exec_link_t *link = take (live->link);
    node_leave (&live->of_link);
    if (link && !node_linked (&link->lives))
        s_due (self, link, mono_ms + LINK_IDLE_MS);
}

//  The shim has greeted: starts that wait are told; execs that were told before are asked about.
static void
s_greeted (execs_t *self, exec_link_t *link, const request_t *req)
{
    bool ask = false;
    link->phase = LINK_READY;
    link->tries = 0;
    for (node_t *node = link->lives.next, *next; node != &link->lives; node = next) {
        next = node->next;
        live_t *live = node_of (node, live_t, of_link);
        if (live->phase == LIVE_START)
            //  A known one is answered, not started again
            s_send_packed (self, live, (berth_bytes_t) { live->start, live->start_size }, req);
        else if (live->phase != LIVE_ENDED && live->phase != LIVE_WANTED)
            ask = live->asked = true;
        if (link->phase != LINK_READY)
            return;                             //  It broke
    }
    if (!ask)
        return;
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_STATE);
    if (s_send (self, link, &message, req, NULL) == 0)
        link->asked = true;
}

static void
s_hello (execs_t *self, exec_link_t *link, const shim_message_t *message, const request_t *req)
{
    //  A place may have served leases before this one; no two leases have the same generation.
    if (!message->place || message->generation != link->generation) {
        s_lost (self, link, "the place has another holder", req);
        return;
    }
    if (message->v < SHIM_VERSION_OLDEST || (message->boot && strcmp (message->boot, req->boot))) {
        s_lost (self, link, "the place's shim is of another version or boot", req);
        return;
    }
    if (link->phase == LINK_GREETING)
        s_greeted (self, link, req);
    else if (link->asked) {
        link->asked = false;
        for (node_t *node = link->lives.next, *next; node != &link->lives; node = next) {
            next = node->next;
            live_t *live = node_of (node, live_t, of_link);
            if (live->asked && live->phase != LIVE_ENDED)
                live_lost (self, live, "the place's shim does not know it", true, req);
        }
    }
}

//  ---- what shims say

//  "code: sentence", as a shim refuses. With another code it would speak for the service.
static void
s_refusal (const char *text, berth_error_t *err)
{
    static const berth_code_t s_codes [] = {
        BERTH_CONFLICT, BERTH_NOT_FOUND, BERTH_INVALID, BERTH_BUSY, BERTH_FENCED, BERTH_STORE_FULL
    };
    text = text && *text ? text : "the place's shim refused it";
    for (size_t index = 0; index < BERTH_COUNT (s_codes); index++) {
        const char *code = berth_code_text (s_codes [index]);
        size_t size = strlen (code);
        if (strncmp (text, code, size) == 0 && text [size] == ':' && text [size + 1] == ' ' && text [size + 2]) {
            (void) berth_fail (err, s_codes [index], "%s", text + size + 2);
            return;
        }
    }
    (void) berth_fail (err, BERTH_PROVIDER_ERROR, "%s", text);
}

static void
s_refused (execs_t *self, live_t *live, const shim_message_t *message, const request_t *req,
           effects_t *fx)
{
    berth_error_t err = { 0 };
    s_refusal (message->error, &err);
    if (live->phase == LIVE_START)
        live_not_started (self, live, err.text, req);
    else if (live->answers != live->writes) {
        const char *subject = arena_printf (req->arena, "write %s %u", live->id, live->answers++);
        effects_settle_error (fx, req->arena, subject, &err);
    }
}

static void
s_accepted (live_t *live, const shim_message_t *message, const request_t *req, effects_t *fx)
{
    live->accepted = message->offset;
    live->accepted_eof = message->eof;
    if (live->answers == live->writes)
        return;                 //  Room again, after a write was cut: nobody waits for that
    exec_written_t written = { .offset = message->offset, .eof = message->eof };
    const char *subject = arena_printf (req->arena, "write %s %u", live->id, live->answers++);
    effects_settle (fx, req->arena, subject, &exec_written_schema, &written);
}

static void
s_output (execs_t *self, live_t *live, const shim_message_t *message)
{
    live->bytes [0] = message->stdout_bytes;
    live->bytes [1] = message->stderr_bytes;
    live->stalled = message->stalled;
    live_count (self, live);
    streams_wake (self, live);
}

static void
s_heard (execs_t *self, exec_link_t *link, const shim_message_t *message, const request_t *req,
         effects_t *fx)
{
    if (message->op == shim_op_HELLO) {
        s_hello (self, link, message, req);
        return;
    }
    live_t *live = message->exec ? live_find (self, message->exec) : NULL;
    if (!live || live->link != link || live->phase == LIVE_ENDED)
        return;                 //  Its end is known, or it is not ours
    switch (message->op) {
        case shim_op_STARTED:
            live_started (self, live, message, req->mono_ms);
            streams_wake (self, live);
            if (live->held)
                s_send_held (self, live, req);
            break;
        case shim_op_OUTPUT:
            s_output (self, live, message);
            break;
        case shim_op_ACCEPTED:
            s_accepted (live, message, req, fx);
            break;
        case shim_op_ENDED:
            live_ended (self, live, message, req);
            break;
        case shim_op_REFUSED:
            s_refused (self, live, message, req, fx);
            break;
        case shim_op_NONE: case shim_op_COUNT: case shim_op_START: case shim_op_WRITE:
        case shim_op_SIGNAL: case shim_op_RESIZE: case shim_op_END: case shim_op_CLOSE:
        case shim_op_STATE: case shim_op_FENCE: case shim_op_RELEASE: case shim_op_HELLO:
        case shim_op_CLOSED: case shim_op_FILES:
            break;              //  Nothing that concerns an exec
    }
}

static void
s_receive (execs_t *self, exec_link_t *link, const request_t *req, effects_t *fx)
{
    berth_error_t err = { 0 };
    shim_message_t message;
    int rc;
    while (link->shim
           && (rc = shim_link_receive (link->shim, req->arena, &message, &err)) != 0) {
        if (rc < 0)
            s_broken (self, link, &err, req);
        else
            s_heard (self, link, &message, req, fx);
    }
}

void
links_ready (execs_t *self, const request_t *req, effects_t *fx)
{
    struct epoll_event events [EVENTS];
    int count = epoll_wait (self->poll, events, EVENTS, 0);
    for (int index = 0; index < count; index++) {
        exec_link_t *link = events [index].data.ptr;
        if (!link) {
            chunks_hush (self->chunks);     //  streams_ready looks at them anyway
            continue;
        }
        berth_error_t err = { 0 };
        if (link->shim && (events [index].events & EPOLLOUT)) {
            if (shim_link_flush (link->shim, &err))
                s_broken (self, link, &err, req);
            else
                s_watch (self, link);
        }
        if (link->shim && (events [index].events & ~(unsigned) EPOLLOUT))
            s_receive (self, link, req, fx);
    }
}

void
links_tick (execs_t *self, const request_t *req)
{
    self->links_due_ms = INT64_MAX;
    for (size_t bucket = 0; bucket < EXEC_BUCKETS; bucket++)
        for (exec_link_t **at = &self->links [bucket], *link; (link = *at);) {
            bool due = link->due_ms <= req->mono_ms;
            if (due && !node_linked (&link->lives)) {
                *at = link->next;
                s_free (link);
                continue;
            }
            at = &link->next;
            if (due && link->phase == LINK_CLOSED)
                s_connect (self, link, req);
            else if (due)
                link->due_ms = INT64_MAX;
            if (link->due_ms < self->links_due_ms)
                self->links_due_ms = link->due_ms;
        }
}
