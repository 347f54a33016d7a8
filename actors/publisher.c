//  publisher.c - owns the outlets, and which companies are followed.

#include "publisher.h"

#include "actor.h"
#include "clock.h"
#include "codec.h"
#include "log.h"
#include "page.h"

#include <stdlib.h>
#include <string.h>

#define PUBLISHER_MAGIC 0x90b11001u

struct publisher {
    uint32_t magic;
    const context_t *context;
    actor_t *actor;
    outlet_t *outlets [OUTLETS_MAX];
    size_t count;
    zhashx_t *followed;             //  Company -> how many subscriptions
    arena_t *arena;
    atomic_uint_fast64_t published;
    int64_t heads_due_ms;
    uint64_t subscriptions;         //  Of all subscribers
};

//  ---- the log, on request

//  Entries looked at for one page: a filter that hits nothing must not read the whole log at once.
#define LOOKED_AT_MAX 20000
//  Entries verified by one request.
#define VERIFIED_MAX 5000

static int
s_list (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const activity_list_t *ask = req->body;
    size_t limit = ask->limit ? (size_t) ask->limit : BERTH_LIST_DEFAULT;
    activity_head_t head;
    if (activity_end (txn, req->arena, ask->company, &head, err))
        return -1;
    activity_t *items = arena_array (req->arena, limit + 1, activity_t);
    activity_page_t page = { .items = { 0, items }, .next = ask->after, .head = head.company_seq };
    uint64_t floor = head.floor ? head.floor : head.company_seq + 1;
    if (floor > ask->after + 1)
        berth_put (activity_page, &page, gap, floor - ask->after - 1);
    activity_filter_t filter = {
        .company = ask->company, .after = ask->after, .run = ask->run, .entity = ask->entity,
        .action = ask->action, .since_ms = ask->since, .until_ms = ask->until,
    };
    activity_walk_t walk;
    if (activity_walk_begin (&walk, txn, &filter, err))
        return -1;
    int rc = 0;
    page_t room = { 0 };
    for (size_t looked = 0; looked < LOOKED_AT_MAX && page.items.count < limit; looked++) {
        activity_t *row = &items [page.items.count];
        bool wanted;
        if ((rc = activity_walk_next (&walk, req->arena, row, &wanted, err)))
            break;
        if (wanted && !page_takes (&room, limit, &activity_schema, row, req->arena))
            break;
        page.next = row->company_seq;
        page.items.count += wanted;
    }
    if (rc < 0)
        return -1;
    if (rc > 0 && page.next < page.head)
        page.next = page.head;      //  Nothing more fits up to there
    effects_reply (fx, req, &activity_page_schema, &page);
    return 0;
}

static int
s_head (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const company_ref_t *ask = req->body;
    activity_head_t head;
    if (activity_end (txn, req->arena, ask->company, &head, err))
        return -1;
    effects_reply (fx, req, &activity_head_schema, &head);
    return 0;
}

static int
s_verify (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const activity_verify_ask_t *ask = req->body;
    activity_head_t head;
    activity_verdict_t verdict;
    if (activity_end (txn, req->arena, ask->company, &head, err)
        || activity_verify (txn, ask->company, ask->after, ask->limit ? (size_t) ask->limit : VERIFIED_MAX,
                            &verdict, err))
        return -1;
    activity_broken_t broken = { .company_seq = verdict.company_seq, .why = verdict.why };
    if (verdict.seq)
        berth_put (activity_broken, &broken, seq, verdict.seq);
    else
        berth_clear (activity_broken, &broken, seq);
    activity_verified_t verified = {
        .ok = !verdict.broken, .verified = verdict.looked_at, .next = verdict.next,
        .head = head.company_seq, .floor = head.floor, .broken = verdict.broken ? &broken : NULL,
    };
    effects_reply (fx, req, &activity_verified_schema, &verified);
    return 0;
}

//  ---- subscriptions

static void
s_followed (void *me, const char *company, int more)
{
    publisher_t *self = me;
    if (!*company)
        return;                     //  All companies, or none: no head is repeated for it
    size_t count = (size_t) (uintptr_t) zhashx_lookup (self->followed, company);
    count = more > 0 ? count + 1 : count ? count - 1 : 0;
    if (count == 0)
        zhashx_delete (self->followed, company);
    else if (count > 1 || zhashx_size (self->followed) < PUBLISHER_FOLLOWED_MAX)
        zhashx_update (self->followed, company, (void *) (uintptr_t) count);
}

static void
s_subscriptions (publisher_t *self)
{
    uint64_t subscriptions = 0;
    for (size_t index = 0; index < self->count; index++) {
        outlet_enforce (self->outlets [index]);
        outlet_receive (self->outlets [index], s_followed, self);
        subscriptions += outlet_subscriptions (self->outlets [index]);
    }
    self->subscriptions = subscriptions;
    wiring_followed (self->context->wiring, subscriptions > 0);
}

//  ---- out

static void
s_send (publisher_t *self, const char *company, const char *action, berth_bytes_t body)
{
    char topic [160];
    int size = snprintf (topic, sizeof topic, "%s/%s", company, action);
    for (size_t index = 0; index < self->count; index++)
        if (outlet_subscriptions (self->outlets [index]))
            outlet_send (self->outlets [index], topic, (size_t) size, body);
}

//  Sends what the log has behind the last entry that was sent; true if there is more.
static bool
s_publish (publisher_t *self)
{
    berth_error_t err = { 0 };
    own (store_txn) txn = NULL;
    if (store_read (self->context->store, &txn, &err)) {
        log_fault ("publisher", "read", &err);
        return false;
    }
    uint64_t last = store_last_seq (txn), seq = self->published;
    if (!self->subscriptions)
        seq = last;                 //  Nobody hears it; who comes asks for what it missed
    for (size_t sent = 0; seq < last && sent < PUBLISHER_TURN_MAX; sent++) {
        activity_t row;
        berth_bytes_t packed;
        int rc = activity_at (txn, self->arena, seq + 1, &row, &packed, &err);
        if (rc < 0) {
            log_fault ("publisher", "entry", &err);
            break;
        }
        seq++;
        if (rc == 0)
            s_send (self, row.company, row.action, packed);
        arena_clear (self->arena);
    }
    self->published = seq;
    return seq < last;
}

static void
s_heads (publisher_t *self)
{
    berth_error_t err = { 0 };
    own (store_txn) txn = NULL;
    if (zhashx_size (self->followed) == 0 || store_read (self->context->store, &txn, &err))
        return;
    for (void *count = zhashx_first (self->followed); count; count = zhashx_next (self->followed)) {
        const char *company = zhashx_cursor (self->followed);
        activity_head_t head;
        if (activity_end (txn, self->arena, company, &head, &err) == 0)
            s_send (self, company, "~head",
                    berth_pack (&activity_head_schema, &head, self->arena));
        arena_clear (self->arena);
    }
}

//  ---- the actor: requests go the way of every actor, kicks and subscriptions come beside

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_ACTIVITY_LIST] = s_list,
    [REQUEST_ACTIVITY_HEAD] = s_head,
    [REQUEST_ACTIVITY_VERIFY] = s_verify,
};

publisher_t *
publisher_new (const context_t *context, outlet_t **outlets, size_t count, berth_error_t *err)
{
    ENSURE (count <= OUTLETS_MAX);
    own (publisher) self = calloc (1, sizeof (publisher_t));
    ENSURE (self);
    self->magic = PUBLISHER_MAGIC;
    self->context = context;
    for (; self->count < count; self->count++)
        self->outlets [self->count] = take (outlets [self->count]);
    self->followed = zhashx_new ();
    zhashx_set_destructor (self->followed, NULL);
    self->arena = arena_new ();
    //  What was written before this start was published, or is replayed by those who missed it.
    own (store_txn) txn = NULL;
    if (store_read (context->store, &txn, err))
        return NULL;
    self->published = store_last_seq (txn);
    static const actor_spec_t spec = { .code = ACTOR_PUBLISHER, .handlers = s_handlers, .fd = -1 };
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return take (self);
}

static void
s_close (publisher_t *self)
{
    while (self->count)
        outlet_destroy (&self->outlets [--self->count]);
}

void
publisher_destroy (publisher_t **self_p)
{
    publisher_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, PUBLISHER_MAGIC);
    actor_destroy (&self->actor);
    zhashx_destroy (&self->followed);
    arena_destroy (&self->arena);
    s_close (self);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

uint64_t
publisher_published (const publisher_t *self)
{
    return self->published;
}

static bool
s_turn (void *me)
{
    publisher_t *self = me;
    s_subscriptions (self);
    bool more = s_publish (self);
    int64_t now_ms = berth_mono_ms ();
    if (now_ms >= self->heads_due_ms) {
        self->heads_due_ms = now_ms + PUBLISHER_HEAD_MS;
        s_heads (self);
    }
    s_subscriptions (self);         //  Sending may swallow what the descriptor told
    return more;
}

void
publisher_actor (zsock_t *pipe, void *args)
{
    publisher_t *self = args;
    CHECK (self, PUBLISHER_MAGIC);
    int fds [OUTLETS_MAX];
    for (size_t index = 0; index < self->count; index++)
        fds [index] = outlet_fd (self->outlets [index]);
    actor_run_with (self->actor, pipe, fds, self->count, PUBLISHER_HEAD_MS, s_turn, self);
    s_close (self);
}
