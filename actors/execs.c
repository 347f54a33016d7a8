//  execs.c - owns the requests about execs and their rows.

#include "exec_parts.h"

#include "codec.h"
#include "page.h"
#include "plant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXECS_MAGIC 0xe8ec5001u

//  ---- execs that have not ended, by id

static live_t **
s_bucket (execs_t *self, const char *id)
{
    uint32_t hash = 2166136261u;
    for (; *id; id++)
        hash = (hash ^ (uint8_t) *id) * 16777619u;
    return &self->lives [hash % EXEC_BUCKETS];
}

live_t *
live_find (execs_t *self, const char *id)
{
    live_t *live = *s_bucket (self, id);
    while (live && strcmp (live->id, id))
        live = live->next;
    return live;
}

live_t *
live_new (execs_t *self, const char *id, const char *company)
{
    live_t **bucket = s_bucket (self, id);
    live_t *live = calloc (1, sizeof *live);
    ENSURE (live);
    snprintf (live->id, sizeof live->id, "%s", id);
    snprintf (live->company, sizeof live->company, "%s", company);
    node_init (&live->of_link);
    node_init (&live->due);
    node_init (&live->readers);
    node_init (&live->handed);
    live->next = *bucket;
    *bucket = live;
    return live;
}

static void
s_count (execs_t *self, live_t *live, uint64_t bytes)
{
    if (self->quotas)
        quota_spooling (self->quotas, live->company, (int64_t) bytes - (int64_t) live->counted);
    live->counted = bytes;
}

void
live_count (execs_t *self, live_t *live)
{
    uint64_t bytes = live->bytes [0] + live->bytes [1];
    s_count (self, live, bytes < live->spool_max ? bytes : live->spool_max);
}

void
live_free (execs_t *self, live_t *live, int64_t mono_ms)
{
    for (live_t **at = s_bucket (self, live->id); *at; at = &(*at)->next)
        if (*at == live) {
            *at = live->next;
            break;
        }
    ENSURE (!node_linked (&live->readers));
    s_count (self, live, 0);        //  Its row says it from now on
    link_leave (self, live, mono_ms);
    node_leave (&live->due);
    node_leave (&live->handed);
    free (live->answer);
    if (live->start)
        explicit_bzero (live->start, live->start_size);
    free (live->start);
    free (live->held);
    free (live);
}

const char *
exec_spool (const execs_t *self, const char *id, arena_t *arena)
{
    return arena_printf (arena, "%s/%s", self->spool, id);
}

//  ---- about one exec

//  What was started on the service's own machine is nothing to who comes over the network.
static int
s_driver_check (const request_t *req, store_txn_t *txn, const exec_t *row, berth_error_t *err)
{
    lease_t lease;
    return req->letter->remote && (lease_get (txn, req->arena, row->lease, &lease, err)
                                   || driver_check (req, lease.driver, err)) ? -1 : 0;
}

//  The row, if it belongs to who asks.
static int
s_get_row (const request_t *req, store_txn_t *txn, const char *id, const char *company, exec_t *row,
           berth_error_t *err)
{
    return exec_get (txn, req->arena, id, row, err)
        || company_check (company, row->company, "exec", id, err) ? -1 : 0;
}

static int
s_get (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const exec_ref_t *ask = req->body;
    exec_t row;
    if (s_get_row (req, txn, ask->id, ask->company, &row, err))
        return -1;
    const live_t *live = live_find (actor, row.id);
    if (live)
        live_overlay (live, &row);
    effects_reply (fx, req, &exec_schema, &row);
    return 0;
}

static int
s_wait (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) actor;
    const exec_ref_t *ask = req->body;
    exec_t row;
    if (s_get_row (req, txn, ask->id, ask->company, &row, err))
        return -1;
    if (row.state == exec_state_ENDED)
        effects_reply (fx, req, &exec_schema, &row);
    else
        effects_wait (fx, req, exec_subject (req->arena, "wait", row.id));
    return 0;
}

typedef struct {
    execs_t *self;
    const exec_list_t *ask;
} listing_t;

static bool
s_wants (void *context, void *row)
{
    const listing_t *listing = context;
    exec_t *exec = row;
    const live_t *live = live_find (listing->self, exec->id);
    if (live)
        live_overlay (live, exec);
    return strcmp (exec->company, listing->ask->company) == 0
        && (!listing->ask->state || exec->state == listing->ask->state);
}

static int
s_list (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const exec_list_t *ask = req->body;
    listing_t listing = { actor, ask };
    page_ask_t walk = {
        .index = ask->lease ? INDEX_EXEC_BY_LEASE : INDEX_EXEC_LIST, .cursor = ask->cursor,
        .limit = ask->limit, .schema = &exec_schema, .wants = s_wants, .context = &listing,
    };
    if (ask->lease)
        key_id (&walk.prefix, ask->lease);
    else
        key_text (&walk.prefix, ask->company);
    exec_page_t page = { .next = NULL };
    page.items.items = page_walk (txn, req->arena, &walk, &page.items.count, &page.next, err);
    if (!page.items.items)
        return -1;
    effects_reply (fx, req, &exec_page_schema, &page);
    return 0;
}

static void
s_open_stream (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    stream_open (actor, req->body, what, req, fx);
}

static int
s_read (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const exec_read_t *ask = req->body;
    exec_t *row = arena_new_of (req->arena, exec_t);
    if (s_get_row (req, txn, ask->id, ask->company, row, err))
        return -1;
    if (row->output_gone && (row->stdout_bytes || row->stderr_bytes))
        return berth_fail (err, BERTH_NOT_FOUND, "the output of exec %s is not kept any more", row->id);
    effects_call (fx, req, s_open_stream, actor, row);
    return 0;
}

//  ---- messages to a running exec

//  What is sent, and how it is answered.
typedef struct {
    exec_t row;
    shim_message_t message;
} told_t;

//  Who asks with an old generation, or about an exec of a place that the lease has no more.
static int
s_fence (const request_t *req, store_txn_t *txn, const exec_t *row, const uint64_t *generation,
         berth_error_t *err)
{
    lease_t lease;
    berth_error_t gone = { 0 };
    uint64_t now = row->generation;
    if (lease_get (txn, req->arena, row->lease, &lease, &gone) == 0 && lease.generation > now)
        now = lease.generation;
    uint64_t held = generation && *generation < row->generation ? *generation : row->generation;
    if (held >= now || PLANTED ("stale-exec"))
        return 0;
    berth_error_set (err->lease_id, sizeof err->lease_id, "%s", row->lease);
    return berth_fail (err, BERTH_FENCED, "exec %s: lease %s has generation %llu now, not %llu",
                       row->id, row->lease, (unsigned long long) now, (unsigned long long) held);
}

static told_t *
s_tell (const request_t *req, store_txn_t *txn, const char *id, const char *company,
        const uint64_t *generation, shim_op_t op, berth_error_t *err)
{
    told_t *told = arena_new_of (req->arena, told_t);
    exec_t *row = &told->row;
    if (s_get_row (req, txn, id, company, row, err) || s_driver_check (req, txn, row, err))
        return NULL;
    if (s_fence (req, txn, row, generation, err))
        return NULL;
    if (row->state == exec_state_ENDED && op != shim_op_WRITE)
        return (void) berth_fail (err, BERTH_CONFLICT, "exec %s has ended", row->id), NULL;
    berth_put (shim_message, &told->message, op, op);
    berth_put (shim_message, &told->message, exec, row->id);
    return told;
}

//  Sends it: 0, or -1 and the request is answered with why not.
static int
s_send (execs_t *self, const told_t *told, const request_t *req, effects_t *fx, live_t **ret_live)
{
    berth_error_t err = { 0 };
    live_t *live = live_find (self, told->row.id);
    int rc = 0;
    if (!live || live->phase == LIVE_ENDED)
        rc = berth_fail (&err, BERTH_CONFLICT, "exec %s has ended", told->row.id);
    else
        rc = link_send (self, live, &told->message, req, &err);
    if (rc)
        effects_fail (fx, req, &err);
    *ret_live = live;
    return rc;
}

static void
s_send_and_answer (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    const told_t *told = what;
    live_t *live;
    if (s_send (actor, told, req, fx, &live))
        return;
    exec_t row = told->row;
    live_overlay (live, &row);
    effects_reply (fx, req, &exec_schema, &row);
}

static int
s_signal (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const exec_signal_t *ask = req->body;
    told_t *told = s_tell (req, txn, ask->id, ask->company,
                           berth_has (exec_signal, ask, generation) ? &ask->generation : NULL,
                           shim_op_SIGNAL, err);
    if (!told)
        return -1;
    berth_put (shim_message, &told->message, signal, ask->signal);
    effects_call (fx, req, s_send_and_answer, actor, told);
    return 0;
}

static int
s_resize (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const exec_resize_t *ask = req->body;
    told_t *told = s_tell (req, txn, ask->id, ask->company,
                           berth_has (exec_resize, ask, generation) ? &ask->generation : NULL,
                           shim_op_RESIZE, err);
    if (!told)
        return -1;
    if (!told->row.tty)
        return berth_fail (err, BERTH_CONFLICT, "exec %s has no terminal", told->row.id);
    berth_put (shim_message, &told->message, cols, ask->cols);
    berth_put (shim_message, &told->message, rows, ask->rows);
    effects_call (fx, req, s_send_and_answer, actor, told);
    return 0;
}

//  Behind the end: what says nothing that was not accepted is a repeat, and harmless.
static bool
s_is_repeat (const shim_message_t *message, uint64_t accepted)
{
    return message->offset <= accepted && message->data.size <= accepted - message->offset;
}

static void
s_answer_repeat (const request_t *req, uint64_t accepted, effects_t *fx)
{
    exec_written_t written = { .offset = accepted, .eof = true };
    effects_reply (fx, req, &exec_written_schema, &written);
}

static void
s_send_and_wait (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    const told_t *told = what;
    live_t *live = live_find (actor, told->row.id);
    if (live && live->phase == LIVE_ENDED && s_is_repeat (&told->message, live->accepted)) {
        s_answer_repeat (req, live->accepted, fx);
        return;
    }
    if (s_send (actor, told, req, fx, &live))
        return;
    letter_t letter = *req->letter;
    if (!letter.deadline_ms)
        letter.deadline_ms = req->mono_ms + EXEC_WRITE_MS;
    request_t wait = *req;
    wait.letter = &letter;
    effects_wait (fx, &wait, arena_printf (req->arena, "write %s %u", live->id, live->writes++));
}

static int
s_write (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const exec_write_t *ask = req->body;
    told_t *told = s_tell (req, txn, ask->id, ask->company,
                           berth_has (exec_write, ask, generation) ? &ask->generation : NULL,
                           shim_op_WRITE, err);
    if (!told)
        return -1;
    if (!told->row.stdin_open)
        return berth_fail (err, BERTH_CONFLICT,
                           "exec %s was started without a stdin to write to", told->row.id);
    berth_put (shim_message, &told->message, offset, ask->offset);
    if (req->data.size)
        berth_put (shim_message, &told->message, data, req->data);
    berth_put (shim_message, &told->message, eof, ask->eof);
    if (told->row.state != exec_state_ENDED)
        effects_call (fx, req, s_send_and_wait, actor, told);
    else if (berth_has (exec, &told->row, stdin_bytes) && s_is_repeat (&told->message, told->row.stdin_bytes))
        s_answer_repeat (req, told->row.stdin_bytes, fx);
    else
        return berth_fail (err, BERTH_CONFLICT, "exec %s has ended", told->row.id);
    return 0;
}

//  ---- deadlines of those who wait

//  An exec.run whose client's time is over: nobody else knows of the exec.
static void
s_end_run (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) fx;
    live_t *live = live_find (actor, what);
    if (!live || live->phase == LIVE_ENDED)
        return;
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_END);
    berth_put (shim_message, &message, exec, live->id);
    berth_put (shim_message, &message, cause, exec_cause_KILLED_BY_POLICY);
    berth_error_t err = { 0 };
    (void) link_send (actor, live, &message, req, &err);    //  A place that is gone ends it too
}

static int
s_expired (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    execs_t *self = actor;
    const char *id = strchr (req->subject, ' ');
    ENSURE (id);
    id++;
    if (strncmp (req->subject, "write ", 6) == 0) {
        const live_t *live = live_find (self, arena_text (req->arena, id, 36));
        exec_written_t written = { .offset = live ? live->accepted : 0,
                                   .eof = live && live->accepted_eof };
        if (!live)
            return berth_fail (err, BERTH_CONFLICT, "the exec has ended");
        effects_reply (fx, req, &exec_written_schema, &written);
        return 0;
    }
    bool run = strncmp (req->subject, "run ", 4) == 0;
    (void) berth_fail (err, BERTH_DEADLINE_EXCEEDED, run ? "the deadline passed; exec %s is ended"
                                                         : "the deadline passed; exec %s goes on",
                       id);
    effects_fail (fx, req, err);
    if (run)
        effects_call (fx, req, s_end_run, self, arena_string (req->arena, id));
    return 0;
}

//  ---- the actor

static int
s_ready (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    (void) err;
    execs_t *self = actor;
    CHECK (self, EXECS_MAGIC);
    links_ready (self, req, fx);
    starts_settle (self, req, fx);
    streams_ready (self, req, fx);
    return 0;
}

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_COMPANY_CLEAR] = execs_clear,
    [REQUEST_EXEC_START] = exec_start_ask,
    [REQUEST_EXEC_RUN] = exec_start_ask,
    [REQUEST_EXEC_RUN_STEP] = exec_start_ask,
    [REQUEST_EXEC_READ] = s_read,
    [REQUEST_EXEC_WRITE] = s_write,
    [REQUEST_EXEC_SIGNAL] = s_signal,
    [REQUEST_EXEC_RESIZE] = s_resize,
    [REQUEST_EXEC_WAIT] = s_wait,
    [REQUEST_EXEC_GET] = s_get,
    [REQUEST_EXEC_LIST] = s_list,
    [REQUEST_STEP_DONE] = exec_placed,
};

execs_t *
execs_new (const context_t *context, berth_error_t *err)
{
    execs_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = EXECS_MAGIC;
    self->store = context->store;
    self->retention = context->retention;
    self->vault = context->vault;
    self->quotas = context->wiring ? wiring_quotas (context->wiring) : NULL;
    self->links_due_ms = self->streams_due_ms = self->uses_due_ms = INT64_MAX;
    node_init (&self->ended);
    node_init (&self->running);
    node_init (&self->wanted);
    node_init (&self->handed);
    node_init (&self->runnable);
    node_init (&self->starved);
    node_init (&self->uses);
    ENSURE (asprintf (&self->spool, "%s/spool", context->host.state) > 0);
    self->chunks = chunks_new ();
    self->poll = epoll_create1 (EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    if (self->poll < 0
        || epoll_ctl (self->poll, EPOLL_CTL_ADD, chunks_fd (self->chunks), &event)) {
        (void) berth_fail_errno (err, BERTH_INTERNAL, "no epoll descriptor can be made");
        execs_destroy (&self);
        return NULL;
    }
    if (mkdir (self->spool, 0700) && errno != EEXIST) {
        (void) berth_fail_errno (err, BERTH_INTERNAL, "the folder '%s' cannot be made",
                                 self->spool);
        execs_destroy (&self);
        return NULL;
    }
    static const actor_spec_t s_spec = {
        .code = ACTOR_EXECS, .handlers = s_handlers, .tick = exec_tick, .next_ms = exec_next_ms,
        .expired = s_expired, .ready = s_ready, .credit = exec_credit, .cancel = exec_cancel,
        .rejoin = exec_rejoin, .start = exec_take_up,
    };
    actor_spec_t spec = s_spec;
    spec.fd = self->poll;
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return self;
}

void
execs_actor (zsock_t *pipe, void *args)
{
    execs_t *self = args;
    CHECK (self, EXECS_MAGIC);
    actor_run (self->actor, pipe);
}

actor_t *
execs_kit (execs_t *self)
{
    CHECK (self, EXECS_MAGIC);
    return self->actor;
}

void
execs_destroy (execs_t **self_p)
{
    execs_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, EXECS_MAGIC);
    streams_destroy (self);
    uses_destroy (self);
    for (size_t bucket = 0; bucket < EXEC_BUCKETS; bucket++)
        while (self->lives [bucket])
            live_free (self, self->lives [bucket], 0);
    links_destroy (self);
    if (self->poll >= 0)
        close (self->poll);
    actor_destroy (&self->actor);
    chunks_destroy (&self->chunks);
    free (self->spool);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}
