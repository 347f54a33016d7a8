//  principals.c - owns the table of principals, and fills `trust` with what it says.

#include "principals.h"

#include "actor.h"
#include "codec.h"
#include "company.h"
#include "log.h"
#include "page.h"

#include <stdlib.h>
#include <string.h>

#define PRINCIPALS_MAGIC 0x92c1a001u

struct principals {
    uint32_t magic;
    const context_t *context;
    actor_t *actor;
    post_t *post;                   //  Of the actor's own thread; made at the first change
};

//  ---- what is in memory

static int
s_load (const context_t *context, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    own (store_txn) txn = NULL;
    store_walk_t walk;
    if (store_read (context->store, &txn, err)
        || walk_begin (&walk, txn, INDEX_PRINCIPAL_LIST, NULL, NULL, err))
        return -1;
    size_t most = (size_t) table_rows (txn, TABLE_PRINCIPALS), count = 0;
    principal_t *rows = arena_array (arena, most + 1, principal_t);
    int rc = 0;
    while (count < most && (rc = walk_next (&walk, arena, &rows [count], err)) == 0)
        count++;
    walk_end (&walk);
    if (rc < 0)
        return -1;
    trust_replace (context->trust, rows, count);
    return 0;
}

//  Behind the commit. Were the old rights left standing, a revoked key would still open: so a store
//  that cannot be read ends the process.
static void
s_enter (void *me, const request_t *req, const void *what, effects_t *fx)
{
    (void) what;
    (void) fx;
    principals_t *self = me;
    berth_error_t err = { 0 };
    if (s_load (self->context, &err))
        berth_die (&err);
    if (!self->context->wiring)
        return;                     //  A test
    if (!self->post)
        self->post = post_new (self->context->wiring);
    post_wake (self->post, ACTOR_FRONT);
    post_wake (self->post, ACTOR_PUBLISHER);
    log_event ("keys_changed", "by=%s request=%s", req->letter->principal, req->row->type);
}

//  ---- what may stand in a row

static int
s_wrong (const char *field, const char *value, const char *must, berth_error_t *err)
{
    berth_error_set (err->field, sizeof err->field, "%s", field);
    return berth_fail (err, BERTH_INVALID, "field '%s' cannot be '%.64s': %s", field, value, must);
}

static int
s_check_name (const char *name, berth_error_t *err)
{
    static const char letters [] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (name [strspn (name, letters)])
        return s_wrong ("keyId", name, "it must be of letters, digits and . _ -", err);
    if (strcmp (name, "operator") == 0 || strcmp (name, "berth") == 0)
        return s_wrong ("keyId", name, "that is the service's own", err);
    return 0;
}

static int
s_check_roles (berth_strs_t roles, berth_error_t *err)
{
    for (size_t index = 0; index < roles.count; index++) {
        unsigned bit = 0;
        while (role_text (bit) && strcmp (role_text (bit), roles.items [index]))
            bit++;
        if (!role_text (bit) || bit == ROLE_BIT_INTERNAL)
            return s_wrong ("roles", roles.items [index],
                            "it must be operator, platform, observer or provider", err);
    }
    return 0;
}

static int
s_check_companies (berth_strs_t companies, berth_error_t *err)
{
    for (size_t index = 0; index < companies.count; index++) {
        const char *company = companies.items [index];
        if (strcmp (company, "*") && (!*company || strlen (company) > 64 || !company_is (company)))
            return s_wrong ("companies", company, "a company is of letters, digits and . _ : -, "
                            "or * for all", err);
    }
    return 0;
}

static int
s_check_roots (berth_blobs_t roots, arena_t *arena, berth_error_t *err)
{
    for (size_t index = 0; index < roots.count; index++)
        if (roots.items [index].size == 0 || roots.items [index].data [0] != '/')
            return s_wrong ("workspaceRoots", arena_text (arena, (const char *) roots.items [index].data,
                            roots.items [index].size), "it must be absolute", err);
    return 0;
}

static int
s_check_key (const char *key, berth_error_t *err)
{
    uint8_t bytes [40];
    if (strlen (key) != 40 || !zmq_z85_decode (bytes, key))
        return s_wrong ("publicKey", key, "a public key is 40 characters of Z85", err);
    return 0;
}

//  ---- writing

static int
s_write (principals_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
         principal_t *row, action_t action, berth_error_t *err)
{
    row->updated_at = req->now_ms;
    key_details_t details = { .roles = row->roles, .companies = row->companies,
                              .public_key = row->public_key };
    activity_note_t note = activity_note (req, action, BERTH_SERVICE_COMPANY, row->id, NULL, NULL,
                                          berth_pack (&key_details_schema, &details, req->arena));
    if (principal_put (txn, req->arena, row, err) || activity_add (txn, req->arena, &note, err))
        return -1;
    effects_call (fx, req, s_enter, self, NULL);        //  In force when it is answered
    return 0;
}

static int
s_save (principals_t *self, const request_t *req, store_txn_t *txn, effects_t *fx,
        principal_t *row, action_t action, berth_error_t *err)
{
    if (s_write (self, req, txn, fx, row, action, err))
        return -1;
    effects_reply (fx, req, &principal_schema, row);
    return 0;
}

static int
s_new (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const key_new_t *ask = req->body;
    principal_t known;
    berth_error_t absent = { 0 };
    if (s_check_name (ask->id, err) || s_check_key (ask->public_key, err)
        || s_check_roles (ask->roles, err) || s_check_companies (ask->companies, err)
        || s_check_roots (ask->roots, req->arena, err))
        return -1;
    if (principal_get (txn, req->arena, ask->id, &known, &absent) == 0)
        return berth_fail (err, BERTH_CONFLICT, known.revoked_at
                           ? "there was a key '%s', and a name is not given twice"
                           : "there is a key '%s'", ask->id);
    store_key_t prefix = { 0 };
    key_text (&prefix, ask->public_key);
    if (index_entries (txn, INDEX_PRINCIPAL_BY_KEY, &prefix))
        return berth_fail (err, BERTH_CONFLICT, "this public key is that of another principal");
    if (table_rows (txn, TABLE_PRINCIPALS) >= BERTH_PRINCIPALS_MAX)
        return berth_fail (err, BERTH_CONFLICT, "there are %d keys already", BERTH_PRINCIPALS_MAX);
    principal_t row = {
        .id = ask->id, .public_key = ask->public_key, .roles = ask->roles,
        .companies = ask->companies, .roots = ask->roots, .created_by = req->letter->principal,
        .created_at = req->now_ms,
    };
    return s_save (me, req, txn, fx, &row, ACTION_KEY_CREATED, err);
}

static int
s_grant (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const key_grant_t *ask = req->body;
    principal_t row;
    if (s_check_roles (ask->roles, err) || s_check_companies (ask->companies, err)
        || s_check_roots (ask->roots, req->arena, err)
        || principal_get (txn, req->arena, ask->id, &row, err))
        return -1;
    if (row.revoked_at)
        return berth_fail (err, BERTH_CONFLICT, "the key '%s' is revoked: make a new one", row.id);
    if (berth_has (key_grant, ask, roles))
        row.roles = ask->roles;
    if (berth_has (key_grant, ask, companies))
        row.companies = ask->companies;
    if (berth_has (key_grant, ask, roots))
        row.roots = ask->roots;
    return s_save (me, req, txn, fx, &row, ACTION_KEY_GRANTED, err);
}

static int
s_revoke (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const key_revoke_t *ask = req->body;
    principal_t row;
    if (principal_get (txn, req->arena, ask->id, &row, err))
        return -1;
    if (row.revoked_at) {
        effects_reply (fx, req, &principal_schema, &row);
        return 0;
    }
    row.revoked_at = req->now_ms;
    return s_save (me, req, txn, fx, &row, ACTION_KEY_REVOKED, err);
}

static bool
s_wants (void *context, void *row)
{
    const key_list_t *ask = context;
    return !ask->live || !((const principal_t *) row)->revoked_at;
}

static int
s_list (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    const key_list_t *ask = req->body;
    page_ask_t walk = { .index = INDEX_PRINCIPAL_LIST, .cursor = ask->cursor, .limit = ask->limit,
                        .schema = &principal_schema, .wants = s_wants, .context = (void *) ask };
    principal_page_t page = { .next = NULL };
    page.items.items = page_walk (txn, req->arena, &walk, &page.items.count, &page.next, err);
    if (!page.items.items)
        return -1;
    effects_reply (fx, req, &principal_page_schema, &page);
    return 0;
}

//  ---- of a company that is being deleted

//  It is one of the companies of a key no more; a key of that one alone lets nobody in.
static int
s_clear_row (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, void *at,
             company_cleared_t *cleared, berth_error_t *err)
{
    const company_clear_t *ask = req->body;
    principal_t *row = at;
    const char **left = arena_array (req->arena, row->companies.count + 1, const char *);
    size_t count = 0;
    for (size_t index = 0; index < row->companies.count; index++)
        if (strcmp (row->companies.items [index], ask->company))
            left [count++] = row->companies.items [index];
    if (row->revoked_at || count == row->companies.count)
        return 0;
    cleared->removed++;
    if (count)
        row->companies = (berth_strs_t) { count, left };
    else
        row->revoked_at = req->now_ms;
    return s_write (me, req, txn, fx, row, count ? ACTION_KEY_GRANTED : ACTION_KEY_REVOKED, err);
}

static int
s_clear (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    return company_clear_rows (me, req, txn, fx, TABLE_PRINCIPALS, INDEX_PRINCIPAL_LIST, true,
                               s_clear_row, err);
}

//  ---- the actor

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_COMPANY_CLEAR] = s_clear, [REQUEST_KEY_NEW] = s_new, [REQUEST_KEY_LIST] = s_list,
    [REQUEST_KEY_GRANT] = s_grant, [REQUEST_KEY_REVOKE] = s_revoke,
};

principals_t *
principals_new (const context_t *context, berth_error_t *err)
{
    own (principals) self = calloc (1, sizeof (principals_t));
    ENSURE (self);
    self->magic = PRINCIPALS_MAGIC;
    self->context = context;
    static const actor_spec_t spec = { .code = ACTOR_KEYS, .handlers = s_handlers, .fd = -1 };
    if (s_load (context, err))
        return NULL;
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return take (self);
}

void
principals_destroy (principals_t **self_p)
{
    principals_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, PRINCIPALS_MAGIC);
    actor_destroy (&self->actor);
    post_destroy (&self->post);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
principals_actor (zsock_t *pipe, void *args)
{
    principals_t *self = args;
    CHECK (self, PRINCIPALS_MAGIC);
    actor_run (self->actor, pipe);
    post_destroy (&self->post);
}
