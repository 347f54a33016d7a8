//  registry.c - owns the rows of environments: who makes, changes, lists and removes them.

#include "registry_parts.h"

#include "codec.h"
#include "json_schema.h"
#include "page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

//  ---- shared with others

int
environment_find (store_txn_t *txn, arena_t *arena, const char *company, const char *id,
                  environment_t *ret_row, berth_error_t *err)
{
    berth_error_t why = { 0 };
    int rc = environment_get (txn, arena, id, ret_row, &why);
    if (rc == 0 && (!company || strcmp (company, ret_row->company) == 0))
        return 0;
    if (rc && why.code != BERTH_NOT_FOUND)
        return berth_fail (err, why.code, "%s", why.text);
    if (err)
        berth_error_set (err->environment_id, sizeof err->environment_id, "%s", id);
    return berth_fail (err, BERTH_ENVIRONMENT_NOT_FOUND, "Environment \"%s\" not found.", id);
}

void
environment_redact (environment_t *row, unsigned roles)
{
    if (roles & (ROLE_OPERATOR | ROLE_PLATFORM | ROLE_INTERNAL))
        return;
    row->config = berth_empty_map;
    berth_clear (environment, row, metadata);
    berth_clear (environment, row, policy);
    berth_put (environment, row, config_redacted, true);
    berth_put (environment, row, metadata_redacted, true);
}

//  ---- activity

static const char *
s_driver (const environment_t *row)
{
    return berth_enum_text (&environment_driver_enum, (int) row->driver);
}

static const char *
s_status (const environment_t *row)
{
    return berth_enum_text (&environment_status_enum, (int) row->status);
}

berth_bytes_t
environment_details (const environment_t *row, arena_t *arena)
{
    berth_bytes_t details = any_set_text (berth_empty_map, "name", row->name, arena);
    details = any_set_text (details, "driver", s_driver (row), arena);
    return any_set_text (details, "status", s_status (row), arena);
}

int
environment_note (const request_t *req, store_txn_t *txn, action_t action, const environment_t *row,
                  berth_bytes_t details, berth_error_t *err)
{
    activity_note_t note = activity_note (req, action, row->company, row->id, NULL, NULL, details);
    return activity_add (txn, req->arena, &note, err);
}

//  ---- the one local environment of a company

static int
s_local (store_txn_t *txn, arena_t *arena, const char *company, environment_t *ret_row,
         berth_error_t *err)
{
    store_walk_t walk;
    store_key_t prefix = { 0 };
    key_text (&prefix, company);
    if (walk_begin (&walk, txn, INDEX_ENVIRONMENT_LOCAL, &prefix, NULL, err))
        return -1;
    int rc = walk_next (&walk, arena, ret_row, err);
    walk_end (&walk);
    return rc;
}

static int
s_only_local (store_txn_t *txn, arena_t *arena, const environment_t *row, berth_error_t *err)
{
    environment_t other;
    if (row->driver != environment_driver_LOCAL)
        return 0;
    int rc = s_local (txn, arena, row->company, &other, err);
    if (rc < 0)
        return -1;
    if (rc || strcmp (other.id, row->id) == 0)
        return 0;
    berth_error_set (err->environment_id, sizeof err->environment_id, "%s", other.id);
    berth_error_set (err->remedy, sizeof err->remedy, "use environment.ensureLocal");
    return berth_fail (err, BERTH_CONFLICT,
                       "the company has its one local environment already: '%s'", other.id);
}

static int
s_ensure_local (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                berth_error_t *err)
{
    (void) args;
    const company_ref_t *ask = req->body;
    environment_t row = { 0 };
    int rc = s_local (txn, req->arena, ask->company, &row, err);
    if (rc < 0)
        return -1;
    if (rc) {
        berth_bytes_t metadata = any_set_truth (berth_empty_map, "managedByPaperclip", true,
                                                req->arena);
        row = (environment_t) {
            .id = id_new (req), .company = ask->company, .name = "Local",
            .description = "Default execution environment for Paperclip runs on this machine.",
            .driver = environment_driver_LOCAL, .status = environment_status_ACTIVE,
            .config = berth_empty_map,
            .metadata = any_set_truth (metadata, "defaultForCompany", true, req->arena),
            .created_at = req->now_ms, .updated_at = req->now_ms,
        };
        berth_bytes_t details = environment_details (&row, req->arena);
        if (store_admit (txn, err) || environment_put (txn, req->arena, &row, err)
            || environment_note (req, txn, ACTION_ENVIRONMENT_CREATED, &row, details, err))
            return -1;
    }
    effects_reply (fx, req, &environment_schema, &row);
    return 0;
}

//  ---- create, validate

static config_rules_t
s_rules (const registry_t *self, const request_t *req)
{
    return (config_rules_t) { self->context, req->letter->roles & ~(host_is_free (req) ? 0u : ROLE_OPERATOR), true };
}

//  The row that a create would make; everything is checked.
static int
s_build (const registry_t *self, const request_t *req, store_txn_t *txn, environment_t *ret_row,
         berth_error_t *err)
{
    const environment_create_t *ask = req->body;
    config_rules_t rules = s_rules (self, req);
    *ret_row = (environment_t) {
        .id = ask->id ? ask->id : id_new (req), .company = ask->company, .name = ask->name,
        .description = ask->description, .driver = ask->driver,
        .status = ask->status ? ask->status : environment_status_ACTIVE,
        .metadata = ask->metadata, .policy = ask->policy,
        .created_at = req->now_ms, .updated_at = req->now_ms,
    };
    environment_t other;
    if (ask->id) {
        berth_error_t why = { 0 };
        if (environment_get (txn, req->arena, ask->id, &other, &why) == 0) {
            berth_error_set (err->field, sizeof err->field, "id");
            return berth_fail (err, BERTH_CONFLICT, "there is an environment '%s' already",
                               ask->id);
        }
        if (why.code != BERTH_NOT_FOUND)
            return berth_fail (err, why.code, "%s", why.text);
    }
    return driver_check (req, s_driver (ret_row), err)
        || registry_config (&rules, ask->driver, ask->config, req->arena, &ret_row->config, err)
        || registry_policy (&rules, ask->policy, req->arena, err)
        || s_only_local (txn, req->arena, ret_row, err) ? -1 : 0;
}

static int
s_create (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    environment_t row;
    if (store_admit (txn, err) || s_build (args, req, txn, &row, err)
        || registry_keep_secrets (args, req, txn, NULL, &row, err)
        || environment_put (txn, req->arena, &row, err)
        || environment_note (req, txn, ACTION_ENVIRONMENT_CREATED, &row,
                             environment_details (&row, req->arena), err))
        return -1;
    effects_reply (fx, req, &environment_schema, &row);
    return 0;
}

static int
s_validate (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    environment_t row;
    if (s_build (args, req, txn, &row, err))
        return -1;
    effects_reply (fx, req, &environment_schema, &row);
    return 0;
}

//  ---- get, list

int
registry_get (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) args;
    const environment_ref_t *ask = req->body;
    environment_t row;
    if (environment_find (txn, req->arena, ask->company, ask->id, &row, err))
        return -1;
    environment_redact (&row, req->letter->roles);
    effects_reply (fx, req, &environment_schema, &row);
    return 0;
}

static bool
s_wants (void *context, void *row)
{
    const request_t *req = context;
    const environment_list_t *ask = req->body;
    environment_t *env = row;
    environment_redact (env, req->letter->roles);
    return (!ask->status || env->status == ask->status)
        && (!ask->driver || env->driver == ask->driver);
}

int
registry_list (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) args;
    const environment_list_t *ask = req->body;
    page_ask_t walk = {
        .index = INDEX_ENVIRONMENT_LIST, .cursor = ask->cursor, .limit = ask->limit,
        .schema = &environment_schema, .wants = s_wants, .context = (void *) req,
    };
    key_text (&walk.prefix, ask->company);
    environment_page_t page = { .next = NULL };
    page.items.items = page_walk (txn, req->arena, &walk, &page.items.count, &page.next, err);
    if (!page.items.items)
        return -1;
    effects_reply (fx, req, &environment_page_schema, &page);
    return 0;
}

//  ---- update

//  What an update changes, in the order of the names.
typedef struct {
    bool config, description, driver, metadata, name, policy, status;
} changes_t;

static bool
s_same_text (const char *left, const char *right)
{
    return left && right ? strcmp (left, right) == 0 : left == right;
}

static bool
s_same_policy (const environment_policy_t *left, const environment_policy_t *right, arena_t *arena)
{
    if (!left || !right)
        return left == right;
    return any_equal (berth_pack (&environment_policy_schema, left, arena),
                      berth_pack (&environment_policy_schema, right, arena));
}

//  Lays the request over the row.
static int
s_patch (const registry_t *self, const request_t *req, environment_t *row, changes_t *ret_changes,
         berth_error_t *err)
{
    const environment_update_t *ask = req->body;
    arena_t *arena = req->arena;
    environment_t old = *row;
    config_rules_t rules = s_rules (self, req);
    if (ask->name)
        row->name = ask->name;
    if (ask->description || berth_null (environment_update, ask, description))
        row->description = ask->description;
    if (ask->driver)
        row->driver = ask->driver;
    if (ask->status)
        row->status = ask->status;
    if (ask->metadata.size || berth_null (environment_update, ask, metadata))
        row->metadata = ask->metadata;
    if (ask->policy || berth_null (environment_update, ask, policy))
        row->policy = ask->policy;
    bool switched = row->driver != old.driver;
    if (switched || ask->config.size) {
        berth_bytes_t base = switched ? berth_empty_map : old.config;
        berth_bytes_t patch = ask->config.size ? ask->config : berth_empty_map;
        //  What stands in the row already was allowed to whoever set it.
        if (any_equal (any_get (base, "readOnlyPaths"),
                       any_get (any_merge (base, patch, true, arena), "readOnlyPaths")))
            rules.roles |= ROLE_INTERNAL;
        if (registry_config (&rules, row->driver, any_merge (base, patch, true, arena), arena,
                             &row->config, err))
            return -1;
        rules = s_rules (self, req);
    }
    *ret_changes = (changes_t) {
        .config = !any_equal (row->config, old.config),
        .description = !s_same_text (row->description, old.description),
        .driver = switched,
        .metadata = !any_equal (row->metadata, old.metadata),
        .name = strcmp (row->name, old.name) != 0,
        .policy = !s_same_policy (row->policy, old.policy, arena),
        .status = row->status != old.status,
    };
    //  Equal data may differ in the order of keys: what has not changed stays to the byte.
    if (!ret_changes->config)
        row->config = old.config;
    if (!ret_changes->metadata)
        row->metadata = old.metadata;
    if (!ret_changes->policy)
        row->policy = old.policy;
    return ret_changes->policy ? registry_policy (&rules, row->policy, arena, err) : 0;
}

//  Names of what changed, never values.
static berth_bytes_t
s_change_details (const environment_t *row, const changes_t *changes, arena_t *arena)
{
    const char *names [8];
    size_t count = 0;
#define NAME(field)                                                                                \
    if (changes->field)                                                                            \
        names [count++] = #field
    NAME (config);
    NAME (description);
    NAME (driver);
    NAME (metadata);
    NAME (name);
    NAME (policy);
    NAME (status);
#undef NAME
    berth_bytes_t details = any_set (berth_empty_map, "changedFields",
                                     json_texts (names, count, arena), arena);
    if (changes->name)
        details = any_set_text (details, "name", row->name, arena);
    if (changes->driver)
        details = any_set_text (details, "driver", s_driver (row), arena);
    if (changes->status)
        details = any_set_text (details, "status", s_status (row), arena);
    if (changes->description)
        details = any_set_truth (details, "descriptionChanged", true, arena);
    if (changes->config) {
        details = any_set_truth (details, "configChanged", true, arena);
        details = any_set_number (details, "configTopLevelKeyCount", any_count (row->config),
                                  arena);
    }
    if (changes->metadata) {
        details = any_set_truth (details, "metadataChanged", true, arena);
        details = any_set_number (details, "metadataTopLevelKeyCount", any_count (row->metadata),
                                  arena);
    }
    if (changes->policy)
        details = any_set_truth (details, "policyChanged", true, arena);
    return details;
}

static int
s_update (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    registry_t *self = args;
    CHECK (self, REGISTRY_MAGIC);
    const environment_update_t *ask = req->body;
    environment_t row, before;
    changes_t changes;
    if (environment_find (txn, req->arena, ask->company, ask->id, &row, err)
        || registry_stays (&row, err))
        return -1;
    before = row;
    if (s_patch (self, req, &row, &changes, err)
        || (changes.driver && driver_check (req, s_driver (&row), err))
        || s_only_local (txn, req->arena, &row, err))
        return -1;
    if (changes.config || changes.description || changes.driver || changes.metadata || changes.name
        || changes.policy || changes.status) {
        row.updated_at = req->now_ms;
        if (registry_keep_secrets (self, req, txn, &before, &row, err)
            || environment_put (txn, req->arena, &row, err)
            || environment_note (req, txn, ACTION_ENVIRONMENT_UPDATED, &row,
                                 s_change_details (&row, &changes, req->arena), err))
            return -1;
    }
    effects_reply (fx, req, &environment_schema, &row);
    return 0;
}

//  ---- selection (Paperclip: reference, section 2.6)

static bool
s_among (const berth_strs_t *list, const char *text)
{
    for (size_t index = 0; index < list->count; index++)
        if (strcmp (list->items [index], text) == 0)
            return true;
    return false;
}

static const char *
s_joined (const berth_strs_t *list, arena_t *arena)
{
    const char *text = "";
    for (size_t index = 0; index < list->count && strlen (text) < 256; index++)
        text = arena_printf (arena, "%s%s%s", text, index ? ", " : "", list->items [index]);
    return text;
}

//  Why not; NULL if it may be selected.
static const char *
s_objection (const environment_check_t *ask, const environment_t *row, arena_t *arena)
{
    if (row->status == environment_status_ARCHIVED)
        return "Environment is archived.";
    if (berth_has (environment_check, ask, drivers) && !s_among (&ask->drivers, s_driver (row)))
        return arena_printf (arena, "Environment driver \"%s\" is not allowed here. "
                             "Allowed drivers: %.256s", s_driver (row),
                             s_joined (&ask->drivers, arena));
    if (row->driver != environment_driver_SANDBOX)
        return NULL;
    const char *provider = any_text (row->config, "provider", arena);
    if (provider && strcmp (provider, "fake") == 0)
        return "Environment sandbox provider \"fake\" is not allowed here. "
               "The built-in fake provider is probe-only and cannot execute runs.";
    if (ask->providers.count && !(provider && s_among (&ask->providers, provider)))
        return arena_printf (arena, "Environment sandbox provider \"%.64s\" is not allowed here. "
                             "Allowed providers: %.256s", provider ? provider : "unknown",
                             s_joined (&ask->providers, arena));
    return NULL;
}

static int
s_check (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) args;
    const environment_check_t *ask = req->body;
    environment_checked_t answer = { 0 };
    environment_t row;
    if (ask->id) {
        if (environment_find (txn, req->arena, ask->company, ask->id, &row, err) == 0)
            answer.reason = s_objection (ask, &row, req->arena);
        else if (err->code == BERTH_ENVIRONMENT_NOT_FOUND)
            answer.reason = "Environment not found.";
        else
            return -1;
    }
    answer.ok = answer.reason == NULL;
    effects_reply (fx, req, &environment_checked_schema, &answer);
    return 0;
}

//  ---- the actor

static int
s_step_done (void *args, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    const step_done_t *done = req->body;
    if (strcmp (done->step, REGISTRY_STEP_COMPANY) == 0)
        return registry_company_cleared (args, req, txn, fx, err);
    bool deletes = strcmp (done->step, REGISTRY_STEP_RELEASE) == 0;
    return (deletes ? registry_released : registry_step_done) (args, req, txn, fx, err);
}

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_ENVIRONMENT_CREATE] = s_create,
    [REQUEST_ENVIRONMENT_VALIDATE] = s_validate,
    [REQUEST_ENVIRONMENT_LIST] = registry_list,
    [REQUEST_ENVIRONMENT_GET] = registry_get,
    [REQUEST_ENVIRONMENT_UPDATE] = s_update,
    [REQUEST_ENVIRONMENT_DELETE] = registry_delete,
    [REQUEST_ENVIRONMENT_ENSURE_LOCAL] = s_ensure_local,
    [REQUEST_ENVIRONMENT_CAPABILITIES] = registry_capabilities,
    [REQUEST_ENVIRONMENT_CHECK] = s_check,
    [REQUEST_ENVIRONMENT_PROBE] = registry_probe,
    [REQUEST_ENVIRONMENT_PROBE_CONFIG] = registry_probe_config,
    [REQUEST_PROVIDER_LIST] = registry_provider_list,
    [REQUEST_PROVIDER_GET] = registry_provider_get,
    [REQUEST_PROVIDER_PROBE] = registry_provider_probe,
    [REQUEST_PROVIDER_VALIDATE] = registry_provider_validate,
    [REQUEST_PROVIDER_REUSE_MATCH] = registry_reuse_match,
    [REQUEST_PROVIDER_CONFIG_FROM_LEASE] = registry_config_from_lease,
    [REQUEST_COMPANY_DELETE] = registry_company_delete,
    [REQUEST_COMPANY_CLEAR] = registry_clear,
    [REQUEST_STEP_DONE] = s_step_done,
};

registry_t *
registry_new (const context_t *context, berth_error_t *err)
{
    (void) err;
    registry_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = REGISTRY_MAGIC;
    self->context = context;
    self->company_ms = INT64_MAX;
    actor_spec_t spec = { .code = ACTOR_REGISTRY, .handlers = s_handlers, .fd = -1,
                          .start = registry_start, .tick = registry_companies,
                          .next_ms = registry_next_ms };
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return self;
}

void
registry_destroy (registry_t **self_p)
{
    registry_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, REGISTRY_MAGIC);
    actor_destroy (&self->actor);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
registry_actor (zsock_t *pipe, void *args)
{
    registry_t *self = args;
    CHECK (self, REGISTRY_MAGIC);
    actor_run (self->actor, pipe);
}

actor_t *
registry_kit (registry_t *self)
{
    CHECK (self, REGISTRY_MAGIC);
    return self->actor;
}
