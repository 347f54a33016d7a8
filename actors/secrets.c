//  secrets.c - owns the actor of secrets, and what is asked about one secret.

#include "secrets_inside.h"

#include "page.h"

#include <stdlib.h>
#include <string.h>

//  The row that a request names, if it is its company's.
static int
s_find (const request_t *req, store_txn_t *txn, const char *id, const char *company, secret_t *ret_row,
        berth_error_t *err)
{
    return secret_get (txn, req->arena, id, ret_row, err)
        || company_check (company, ret_row->company, "secret", id, err) ? -1 : 0;
}

uint64_t
secret_references (store_txn_t *txn, const char *id)
{
    store_key_t prefix = { 0 };
    key_id (&prefix, id);
    return index_entries (txn, INDEX_SECRET_BINDING_LIST, &prefix);
}

static int
s_answer (const request_t *req, store_txn_t *txn, effects_t *fx, secret_t *row)
{
    berth_put (secret, row, references, secret_references (txn, row->id));
    effects_reply (fx, req, &secret_schema, row);
    return 0;
}

static int
s_create (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const secrets_t *self = me;
    const secret_create_t *ask = req->body;
    secret_t row;
    if (ask->provider && strcmp (ask->provider, "local_encrypted"))
        return berth_fail (err, BERTH_UNSUPPORTED, "provider '%.64s' keeps no secrets here: "
                           "local_encrypted does", ask->provider);
    secret_fresh_t fresh = { ask->id, ask->company, ask->name, ask->key, ask->description, ask->value };
    return secret_make (self->context->vault, req, txn, &fresh, &row, err) ? -1
         : s_answer (req, txn, fx, &row);
}

static int
s_get (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const secret_named_t *ask = req->body;
    secret_t row;
    return s_find (req, txn, ask->id, ask->company, &row, err) ? -1 : s_answer (req, txn, fx, &row);
}

typedef struct {
    const secret_list_t *ask;
    store_txn_t *txn;
} listing_t;

static bool
s_wants (void *context, void *at)
{
    const listing_t *self = context;
    secret_t *row = at;
    if (self->ask->status && row->status != self->ask->status)
        return false;
    berth_put (secret, row, references, secret_references (self->txn, row->id));
    return true;
}

static int
s_list (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const secret_list_t *ask = req->body;
    listing_t listing = { ask, txn };
    page_ask_t walk = { .index = INDEX_SECRET_LIST, .cursor = ask->cursor, .limit = ask->limit,
                        .schema = &secret_schema, .wants = s_wants, .context = &listing };
    key_text (&walk.prefix, ask->company);
    secret_page_t page = { .next = NULL };
    page.items.items = page_walk (txn, req->arena, &walk, &page.items.count, &page.next, err);
    if (!page.items.items)
        return -1;
    effects_reply (fx, req, &secret_page_schema, &page);
    return 0;
}

static int
s_update (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const secret_update_t *ask = req->body;
    secret_t row;
    if (s_find (req, txn, ask->id, ask->company, &row, err))
        return -1;
    if (berth_has (secret_update, ask, name))
        row.name = ask->name;
    if (berth_has (secret_update, ask, status))
        row.status = ask->status;
    if (berth_has (secret_update, ask, description) || berth_null (secret_update, ask, description))
        row.description = ask->description;
    row.updated_at = req->now_ms;
    return secret_name (req, txn, &row, ask->key ? ask->key : row.key, err)
        || secret_put (txn, req->arena, &row, err)
        || secret_note (req, txn, &row, ACTION_SECRET_UPDATED, NULL, err) ? -1
         : s_answer (req, txn, fx, &row);
}

static int
s_rotate (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const secrets_t *self = me;
    const secret_rotate_t *ask = req->body;
    secret_t row;
    return s_find (req, txn, ask->id, ask->company, &row, err)
        || secret_turn (self->context->vault, req, txn, &row, ask->value, err) ? -1
         : s_answer (req, txn, fx, &row);
}

//  What is bound to it would not work any more: it is said what that is.
static int
s_bound (const request_t *req, store_txn_t *txn, const secret_t *row, berth_error_t *err)
{
    store_walk_t walk;
    store_key_t prefix = { 0 };
    secret_binding_t first;
    key_id (&prefix, row->id);
    if (walk_begin (&walk, txn, INDEX_SECRET_BINDING_LIST, &prefix, NULL, err))
        return -1;
    int rc = walk_next (&walk, req->arena, &first, err);
    walk_end (&walk);
    if (rc)
        return rc < 0 ? -1 : 0;
    berth_error_set (err->remedy, sizeof err->remedy, "berth secret usage %s, then berth secret delete "
                     "--force", row->id);
    return berth_fail (err, BERTH_CONFLICT, "secret '%s' is bound %llu times, first to '%s' of %s %s",
                       row->name, (unsigned long long) secret_references (txn, row->id), first.path,
                       berth_enum_text (&secret_target_enum, (int) first.target_type), first.target);
}

static int
s_delete (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const secret_delete_t *ask = req->body;
    secret_t row;
    if (s_find (req, txn, ask->id, ask->company, &row, err)
        || (!ask->force && s_bound (req, txn, &row, err))
        || secret_destroy (req, txn, &row, err))
        return -1;
    effects_reply (fx, req, &secret_schema, &row);
    return 0;
}

//  ---- the actor

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_COMPANY_CLEAR] = secrets_clear, [REQUEST_SECRET_CREATE] = s_create, [REQUEST_SECRET_GET] = s_get, [REQUEST_SECRET_LIST] = s_list,
    [REQUEST_SECRET_UPDATE] = s_update, [REQUEST_SECRET_ROTATE] = s_rotate,
    [REQUEST_SECRET_DELETE] = s_delete,
    [REQUEST_SECRET_BIND] = secrets_bind, [REQUEST_SECRET_UNBIND] = secrets_unbind,
    [REQUEST_SECRET_SYNC] = secrets_sync, [REQUEST_SECRET_USAGE] = secrets_usage,
    [REQUEST_SECRET_EVENTS] = secrets_events, [REQUEST_SECRET_USED] = secrets_used, [REQUEST_SECRET_REKEY] = secrets_rekey,
};

secrets_t *
secrets_new (const context_t *context, berth_error_t *err)
{
    if (secrets_check_keys (context, err))
        return NULL;
    own (secrets) self = calloc (1, sizeof (secrets_t));
    ENSURE (self);
    self->magic = SECRETS_MAGIC;
    self->context = context;
    static const actor_spec_t spec = {
        .code = ACTOR_SECRETS, .handlers = s_handlers, .tick = secrets_tick,
        .next_ms = secrets_next_ms, .fd = -1,
    };
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return take (self);
}

void
secrets_destroy (secrets_t **self_p)
{
    secrets_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, SECRETS_MAGIC);
    actor_destroy (&self->actor);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

actor_t *
secrets_kit (secrets_t *self)
{
    CHECK (self, SECRETS_MAGIC);
    return self->actor;
}

void
secrets_actor (zsock_t *pipe, void *args)
{
    secrets_t *self = args;
    CHECK (self, SECRETS_MAGIC);
    actor_run (self->actor, pipe);
}
