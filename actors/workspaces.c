//  workspaces.c - owns the records of execution workspaces (Paperclip: reference, section 1.3).

#include "realizer_parts.h"

#include "codec.h"
#include "company.h"
#include "json_schema.h"
#include "page.h"

#include <string.h>

//  ---- shared with others

workspace_mode_t
workspace_mode_of (const char *text)
{
    static const struct { const char *text; workspace_mode_t mode; } aliases [] = {
        { "project_primary", workspace_mode_SHARED }, { "isolated", workspace_mode_ISOLATED },
    };
    for (size_t index = 0; index < BERTH_COUNT (aliases); index++)
        if (strcmp (text, aliases [index].text) == 0)
            return aliases [index].mode;
    return (workspace_mode_t) berth_enum_value (&workspace_mode_enum, text, strlen (text));
}

static bool
s_is_blank (const char *text)
{
    return text [strspn (text, " \t\r\n\v\f")] == 0;
}

bool
workspace_config_of (const workspace_t *row, arena_t *arena, workspace_config_t *ret_config)
{
    berth_bytes_t block = any_get (row->metadata, "config"), key, value;
    *ret_config = (workspace_config_t) { 0 };
    bool any = false;
    for (size_t at = 0; any_each (block, &at, &key, &value);) {
        //  Each key for itself: what cannot be read is not set.
        berth_bytes_t one = any_set (berth_empty_map, arena_text (arena, (const char *) key.data,
                                                                  key.size), value, arena);
        workspace_config_t part;
        if (berth_unpack (&workspace_config_schema, one, arena, &part, NULL))
            continue;
#define TAKE(member)                                                                               \
        if (part.member && !s_is_blank (part.member))                                              \
            ret_config->member = part.member, any = true
        TAKE (environment);
        TAKE (provision);
        TAKE (teardown);
        TAKE (cleanup);
        TAKE (desired);
#undef TAKE
        if (part.runtime.size)
            ret_config->runtime = part.runtime, any = true;
        if (part.services.size)
            ret_config->services = part.services, any = true;
    }
    return any;
}

//  ---- checks

static int
s_wrong (berth_error_t *err, const char *field, const char *what)
{
    berth_error_set (err->field, sizeof err->field, "%s", field);
    return berth_fail (err, BERTH_INVALID, "field '%s' %s", field, what);
}

static int
s_check_path (berth_bytes_t cwd, berth_error_t *err)
{
    if (cwd.size && (cwd.data [0] != '/' || memchr (cwd.data, 0, cwd.size)))
        return s_wrong (err, "cwd", "must be an absolute path");
    return 0;
}

//  A row beyond its own limit could never be read again.
static int
s_check_size (const workspace_t *row, berth_error_t *err)
{
    if (row->metadata.size > berth_schema_field (&workspace_schema, "metadata")->limit)
        return s_wrong (err, "metadata", "is larger than its limit");
    return 0;
}

//  ---- the typed config

//  Texts that are blank clear, like null.
static int
s_check_config (workspace_config_t *config, berth_error_t *err)
{
    static const char *const states [] = { "running", "stopped", "manual" };
#define CLEAR_BLANK(member)                                                                        \
    if (config->member && s_is_blank (config->member))                                             \
        berth_clear (workspace_config, config, member)
    CLEAR_BLANK (provision);
    CLEAR_BLANK (teardown);
    CLEAR_BLANK (cleanup);
    CLEAR_BLANK (desired);
#undef CLEAR_BLANK
    for (size_t index = 0; config->desired && index < BERTH_COUNT (states); index++)
        if (strcmp (config->desired, states [index]) == 0)
            return 0;
    return config->desired ? s_wrong (err, "config.desiredState", "must be one of 'running', "
                                      "'stopped', 'manual'") : 0;
}

//  Lays a patch over metadata.config: absent keeps, null clears; a block without a value goes.
static int
s_lay_config (const workspace_config_t *patch, berth_bytes_t metadata, arena_t *arena,
              berth_bytes_t *ret_metadata, berth_error_t *err)
{
    workspace_config_t config = *patch;
    if (s_check_config (&config, err))
        return -1;
    berth_bytes_t block = any_merge (any_get (metadata, "config"),
                                     berth_pack (&workspace_config_schema, &config, arena), true,
                                     arena);
    if (any_count (block) == 0)
        block = (berth_bytes_t) { NULL, 0 };
    *ret_metadata = any_set (metadata.size ? metadata : berth_empty_map, "config", block, arena);
    return 0;
}

static int
s_check_metadata (berth_bytes_t metadata, berth_error_t *err)
{
    if (any_get (metadata, "config").size == 0)
        return 0;
    berth_error_set (err->remedy, sizeof err->remedy, "use the field 'config'");
    return s_wrong (err, "metadata.config", "is typed and stands in a field of its own");
}

//  ---- activity

static int
s_note (const request_t *req, store_txn_t *txn, action_t action, const workspace_t *row,
        berth_bytes_t details, berth_error_t *err)
{
    activity_note_t note = activity_note (req, action, row->company, row->id, NULL, NULL, details);
    return activity_add (txn, req->arena, &note, err);
}

//  ---- create

static int
s_check_new (const request_t *req, store_txn_t *txn, berth_error_t *err)
{
    const workspace_create_t *ask = req->body;
    workspace_t other;
    berth_error_t why = { 0 };
    if (ask->id) {
        if (workspace_get (txn, req->arena, ask->id, &other, &why) == 0) {
            berth_error_set (err->field, sizeof err->field, "id");
            return berth_fail (err, BERTH_CONFLICT, "there is a workspace '%s' already", ask->id);
        }
        if (why.code != BERTH_NOT_FOUND)
            return berth_fail (err, why.code, "%s", why.text);
    }
    if (ask->mode && !workspace_mode_of (ask->mode))
        return s_wrong (err, "mode", "is no mode of a workspace");
    if (ask->derived_from) {
        berth_error_set (err->field, sizeof err->field, "derivedFromExecutionWorkspaceId");
        if (workspace_get (txn, req->arena, ask->derived_from, &other, err)
            || company_check (ask->company, other.company, "workspace", ask->derived_from, err))
            return -1;
        err->field [0] = 0;
    }
    return s_check_path (ask->cwd, err) || host_path_check (req, ask->cwd, "cwd", err)
        || s_check_metadata (ask->metadata, err) ? -1 : 0;
}

int
workspaces_create (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                   berth_error_t *err)
{
    (void) args;
    const workspace_create_t *ask = req->body;
    if (s_check_new (req, txn, err))
        return -1;
    workspace_t row = {
        .id = ask->id ? ask->id : id_new (req), .company = ask->company, .project = ask->project,
        .project_workspace = ask->project_workspace, .issue = ask->issue,
        .mode = ask->mode ? workspace_mode_of (ask->mode) : workspace_mode_ISOLATED,
        .strategy = ask->strategy ? ask->strategy : workspace_strategy_PROJECT_PRIMARY,
        .name = ask->name, .status = workspace_status_ACTIVE, .cwd = ask->cwd,
        .repo_url = ask->repo_url, .base_ref = ask->base_ref, .branch = ask->branch,
        .provider = ask->provider ? ask->provider : workspace_provider_LOCAL_FS,
        .provider_ref = ask->provider_ref, .derived_from = ask->derived_from,
        .concurrency = ask->concurrency, .last_used_at = req->now_ms, .opened_at = req->now_ms,
        .metadata = ask->metadata, .created_at = req->now_ms, .updated_at = req->now_ms,
    };
    if (ask->config && s_lay_config (ask->config, row.metadata, req->arena, &row.metadata, err))
        return -1;
    berth_bytes_t details = any_set_text (berth_empty_map, "name", row.name, req->arena);
    details = any_set_text (details, "mode",
                            berth_enum_text (&workspace_mode_enum, (int) row.mode), req->arena);
    details = any_set_text (details, "strategyType",
                            berth_enum_text (&workspace_strategy_enum, (int) row.strategy),
                            req->arena);
    details = any_set_text (details, "status",
                            berth_enum_text (&workspace_status_enum, (int) row.status), req->arena);
    if (store_admit (txn, err) || s_check_size (&row, err) || workspace_put (txn, req->arena, &row, err)
        || s_note (req, txn, ACTION_WORKSPACE_CREATED, &row, details, err))
        return -1;
    effects_reply (fx, req, &workspace_schema, &row);
    return 0;
}

//  ---- get, list

static int
s_find (const request_t *req, store_txn_t *txn, const char *company, const char *id,
        workspace_t *ret_row, berth_error_t *err)
{
    return workspace_get (txn, req->arena, id, ret_row, err)
        || company_check (company, ret_row->company, "workspace", id, err) ? -1 : 0;
}

int
workspaces_get (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                berth_error_t *err)
{
    (void) args;
    const workspace_ref_t *ask = req->body;
    workspace_t row;
    if (s_find (req, txn, ask->company, ask->id, &row, err))
        return -1;
    effects_reply (fx, req, &workspace_schema, &row);
    return 0;
}

static bool
s_same_text (const char *left, const char *right)
{
    return left && right ? strcmp (left, right) == 0 : left == right;
}

static bool
s_wants (void *context, void *row)
{
    const workspace_list_t *ask = context;
    const workspace_t *workspace = row;
    return (!ask->status || workspace->status == ask->status)
        && (!ask->project || s_same_text (ask->project, workspace->project))
        && (!ask->issue || s_same_text (ask->issue, workspace->issue));
}

int
workspaces_list (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                 berth_error_t *err)
{
    (void) args;
    const workspace_list_t *ask = req->body;
    page_ask_t walk = { .index = INDEX_WORKSPACE_LIST, .cursor = ask->cursor, .limit = ask->limit,
                        .schema = &workspace_schema, .wants = s_wants, .context = (void *) ask };
    key_text (&walk.prefix, ask->company);
    workspace_page_t page = { .next = NULL };
    page.items.items = page_walk (txn, req->arena, &walk, &page.items.count, &page.next, err);
    if (!page.items.items)
        return -1;
    effects_reply (fx, req, &workspace_page_schema, &page);
    return 0;
}

//  ---- update

static bool
s_same_bytes (berth_bytes_t left, berth_bytes_t right)
{
    return left.size == right.size
        && (left.size == 0 || memcmp (left.data, right.data, left.size) == 0);
}

//  Lays the request over the row.
static int
s_patch (const request_t *req, workspace_t *row, berth_error_t *err)
{
    const workspace_update_t *ask = req->body;
#define LAY(member)                                                                                \
    if (berth_has (workspace_update, ask, member) || berth_null (workspace_update, ask, member))   \
        row->member = ask->member
    LAY (name);
    LAY (cwd);
    LAY (repo_url);
    LAY (base_ref);
    LAY (branch);
    LAY (provider_ref);
    LAY (concurrency);
    LAY (cleanup_reason);
#undef LAY
    if (berth_has (workspace_update, ask, cleanup_eligible_at))
        berth_put (workspace, row, cleanup_eligible_at, ask->cleanup_eligible_at);
    else if (berth_null (workspace_update, ask, cleanup_eligible_at))
        berth_clear (workspace, row, cleanup_eligible_at);
    if (ask->status && ask->status != row->status) {
        row->status = ask->status;
        if (row->status == workspace_status_ARCHIVED)
            berth_put (workspace, row, closed_at, req->now_ms);
        else
            berth_clear (workspace, row, closed_at);
    }
    if (s_check_path (ask->cwd, err) || host_path_check (req, ask->cwd, "cwd", err)
        || s_check_metadata (ask->metadata, err))
        return -1;
    if (ask->metadata.size)
        row->metadata = any_merge (row->metadata, ask->metadata, true, req->arena);
    if (ask->config)
        return s_lay_config (ask->config, row->metadata, req->arena, &row->metadata, err);
    if (berth_null (workspace_update, ask, config) && row->metadata.size)
        row->metadata = any_set (row->metadata, "config", (berth_bytes_t) { NULL, 0 }, req->arena);
    return 0;
}

//  Names of what changed, sorted; how many.
static size_t
s_changes (const workspace_t *old, const workspace_t *row, arena_t *arena, const char *names [16])
{
    size_t count = 0;
    berth_bytes_t none = berth_empty_map;
    berth_bytes_t before = old->metadata.size ? old->metadata : none;
    berth_bytes_t after = row->metadata.size ? row->metadata : none;
    berth_bytes_t nothing = { NULL, 0 };
    bool config = !any_equal (any_get (before, "config"), any_get (after, "config"));
    bool metadata = !any_equal (any_set (before, "config", nothing, arena),
                                any_set (after, "config", nothing, arena));
#define NAME(text, changed)                                                                        \
    if (changed)                                                                                   \
        names [count++] = text
    NAME ("baseRef", !s_same_text (old->base_ref, row->base_ref));
    NAME ("branchName", !s_same_text (old->branch, row->branch));
    NAME ("cleanupEligibleAt", old->cleanup_eligible_at != row->cleanup_eligible_at);
    NAME ("cleanupReason", !s_same_text (old->cleanup_reason, row->cleanup_reason));
    NAME ("concurrency", old->concurrency != row->concurrency);
    NAME ("config", config);
    NAME ("cwd", !s_same_bytes (old->cwd, row->cwd));
    NAME ("metadata", metadata);
    NAME ("name", !s_same_text (old->name, row->name));
    NAME ("providerRef", !s_same_text (old->provider_ref, row->provider_ref));
    NAME ("repoUrl", !s_same_text (old->repo_url, row->repo_url));
    NAME ("status", old->status != row->status);
#undef NAME
    return count;
}

int
workspaces_update (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                   berth_error_t *err)
{
    (void) args;
    const workspace_update_t *ask = req->body;
    workspace_t old, row;
    const char *names [16];
    if (s_find (req, txn, ask->company, ask->id, &old, err))
        return -1;
    row = old;
    if (s_patch (req, &row, err) || s_check_size (&row, err))
        return -1;
    size_t count = s_changes (&old, &row, req->arena, names);
    if (count) {
        row.updated_at = req->now_ms;
        berth_bytes_t details = any_set (berth_empty_map, "changedFields",
                                         json_texts (names, count, req->arena), req->arena);
        if (row.status != old.status)
            details = any_set_text (details, "status",
                                    berth_enum_text (&workspace_status_enum, (int) row.status),
                                    req->arena);
        if (workspace_put (txn, req->arena, &row, err)
            || s_note (req, txn, ACTION_WORKSPACE_UPDATED, &row, details, err))
            return -1;
    }
    effects_reply (fx, req, &workspace_schema, count ? &row : &old);
    return 0;
}

//  ---- of a company that is being deleted

static int
s_clear (void *self, const request_t *req, store_txn_t *txn, effects_t *fx, void *row,
         company_cleared_t *cleared, berth_error_t *err)
{
    (void) self;
    (void) fx;
    cleared->removed++;
    return workspace_del (txn, req->arena, ((const workspace_t *) row)->id, err);
}

int
workspaces_clear (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                  berth_error_t *err)
{
    return company_clear_rows (args, req, txn, fx, TABLE_WORKSPACES, INDEX_WORKSPACE_LIST, false,
                               s_clear, err);
}
