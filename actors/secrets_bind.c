//  secrets_bind.c - owns who may use a secret: one binding for each path of a target.

#include "secrets_inside.h"

#include "page.h"

#include <string.h>

int
secrets_bind (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const secret_bind_t *ask = req->body;
    secret_t row;
    secret_binding_t binding;
    if (secret_get (txn, req->arena, ask->id, &row, err)
        || company_check (ask->company, row.company, "secret", ask->id, err)
        || secret_attach (req, txn, &row, ask, &binding, err))
        return -1;
    effects_reply (fx, req, &secret_binding_schema, &binding);
    return 0;
}

//  The secret's row is read for the entry; it may have gone by hand.
int
secret_detach (const request_t *req, store_txn_t *txn, const secret_binding_t *binding,
               berth_error_t *err)
{
    secret_t row;
    return secret_get (txn, req->arena, binding->secret, &row, err)
        || secret_binding_del (txn, req->arena, binding, err)
        || secret_note (req, txn, &row, ACTION_SECRET_UNBOUND, binding, err) ? -1 : 0;
}

int
secrets_unbind (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const secret_unbind_t *ask = req->body;
    secret_binding_t binding;
    int rc = secret_binding_find (txn, req->arena, ask->company, ask->target_type, ask->target, ask->path,
                                  &binding, err);
    if (rc < 0 || (rc == 0 && secret_detach (req, txn, &binding, err)))
        return -1;
    effects_reply (fx, req, &nothing_schema, &(nothing_t) { 0 });
    return 0;
}

//  ---- all of a target

static store_key_t
s_target (const char *company, secret_target_t type, const char *target)
{
    store_key_t prefix = { 0 };
    key_text (&prefix, company);
    key_byte (&prefix, (uint8_t) type);
    key_text (&prefix, target);
    return prefix;
}

static bool
s_wanted (const secret_sync_t *ask, const secret_binding_t *binding)
{
    for (size_t index = 0; index < ask->bindings.count; index++)
        if (strcmp (ask->bindings.items [index].path, binding->path) == 0)
            return true;
    return false;
}

//  What is bound there and is not said any more goes first: paths are compared whole (Paperclip's
//  baseline took those below a prefix only, reference, section 9).
static int
s_clear (const request_t *req, store_txn_t *txn, const secret_sync_t *ask, berth_error_t *err)
{
    store_key_t prefix = s_target (ask->company, ask->target_type, ask->target);
    const char *after = NULL;
    while (true) {
        store_walk_t walk;
        secret_binding_t binding;
        if (walk_begin (&walk, txn, INDEX_SECRET_BINDING_TARGET, &prefix, after, err))
            return -1;
        int rc = walk_next (&walk, req->arena, &binding, err);
        after = rc == 0 ? walk_cursor (&walk, req->arena) : NULL;
        walk_end (&walk);
        if (rc)
            return rc < 0 ? -1 : 0;
        if (!s_wanted (ask, &binding) && secret_detach (req, txn, &binding, err))
            return -1;
    }
}

static bool
s_stands (const request_t *req, store_txn_t *txn, const secret_sync_t *ask, const secret_bound_t *bound,
          secret_binding_t *ret_binding)
{
    const char *selector = bound->version
        ? arena_printf (req->arena, "%llu", (unsigned long long) bound->version) : "latest";
    return secret_binding_find (txn, req->arena, ask->company, ask->target_type, ask->target, bound->path,
                                ret_binding, NULL) == 0
        && strcmp (ret_binding->secret, bound->secret) == 0
        && strcmp (ret_binding->selector, selector) == 0;
}

int
secrets_sync (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const secret_sync_t *ask = req->body;
    secret_binding_t *items = arena_array (req->arena, ask->bindings.count + 1, secret_binding_t);
    if (s_clear (req, txn, ask, err))
        return -1;
    for (size_t index = 0; index < ask->bindings.count; index++) {
        const secret_bound_t *bound = &ask->bindings.items [index];
        secret_t row;
        secret_bind_t bind = { .id = bound->secret, .target_type = ask->target_type, .target = ask->target,
                               .path = bound->path, .version = bound->version, .replace = true };
        if (s_stands (req, txn, ask, bound, &items [index]))
            continue;               //  As it was: nothing is entered
        if (secret_get (txn, req->arena, bound->secret, &row, err)
            || company_check (ask->company, row.company, "secret", bound->secret, err)
            || secret_attach (req, txn, &row, &bind, &items [index], err))
            return -1;
    }
    secret_synced_t answer = { .items = { ask->bindings.count, items } };
    effects_reply (fx, req, &secret_synced_schema, &answer);
    return 0;
}

int
secrets_usage (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const secret_history_t *ask = req->body;
    secret_t row;
    if (secret_get (txn, req->arena, ask->id, &row, err)
        || company_check (ask->company, row.company, "secret", ask->id, err))
        return -1;
    page_ask_t walk = { .index = INDEX_SECRET_BINDING_LIST, .cursor = ask->cursor, .limit = ask->limit,
                        .schema = &secret_binding_schema };
    key_id (&walk.prefix, ask->id);
    secret_bindings_t page = { .next = NULL };
    page.items.items = page_walk (txn, req->arena, &walk, &page.items.count, &page.next, err);
    if (!page.items.items)
        return -1;
    effects_reply (fx, req, &secret_bindings_schema, &page);
    return 0;
}
