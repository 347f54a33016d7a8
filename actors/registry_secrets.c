//  registry_secrets.c - how what is typed into a config becomes a secret, and who may use it: the row
//  keeps the secret's id (Paperclip: reference, section 9).

#include "registry_parts.h"

#include "codec.h"
#include "config_secrets.h"
#include "secrets.h"

#include <string.h>

static const uint8_t s_nil [] = { 0xc0 };

//  "environment-ssh-build-box-privatekey-1a2b3c4d"
static const char *
s_name (const request_t *req, const environment_t *row, const char *field)
{
    const char *unique = id_new (req);
    char slug [49] = "";
    size_t size = 0;
    for (const char *at = row->name; *at && size < sizeof slug - 1; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
        bool upper = *at >= 'A' && *at <= 'Z';
        if (plain || upper)
            slug [size++] = upper ? (char) (*at + 32) : *at;
        else if (size && slug [size - 1] != '-')
            slug [size++] = '-';
    }
    return arena_printf (req->arena, "environment-%s-%s-%s-%s",
                         berth_enum_text (&environment_driver_enum, (int) row->driver), slug, field,
                         unique + strlen (unique) - 8);
}

//  A typed value becomes a secret, and its place in the config a reference.
static int
s_keep (const registry_t *self, const request_t *req, store_txn_t *txn, const config_secret_t *field,
        environment_t *row, berth_error_t *err)
{
    arena_t *arena = req->arena;
    const char *typed = any_text (row->config, field->field, arena);
    if (!typed || (!field->apart && berth_id_is (typed)))
        return 0;
    if (!typed [strspn (typed, " \t\r\n")]) {
        berth_bytes_t nothing = { field->apart ? s_nil : NULL, field->apart ? 1 : 0 };
        row->config = any_set (row->config, field->field, nothing, arena);
        return 0;
    }
    const char *name = s_name (req, row, field->field);
    secret_fresh_t fresh = {
        .company = row->company, .name = name, .value = { (const uint8_t *) typed, strlen (typed) },
        .description = arena_printf (arena, "Of environment %.200s.", row->name),
    };
    secret_t secret;
    if (secret_make (self->context->vault, req, txn, &fresh, &secret, err))
        return -1;
    if (!field->apart) {
        row->config = any_set_text (row->config, field->field, secret.id, arena);
        return 0;
    }
    berth_bytes_t ref = any_set_text (berth_empty_map, "type", "secret_ref", arena);
    ref = any_set_text (ref, "secretId", secret.id, arena);
    ref = any_set_text (ref, "version", "latest", arena);
    row->config = any_set (row->config, field->field, (berth_bytes_t) { s_nil, 1 }, arena);
    row->config = any_set (row->config, field->path, ref, arena);
    return 0;
}

//  One secret that a row refers to.
typedef struct {
    const char *path, *id;
    uint64_t version;
} reference_t;

//  What the environment refers to it may use; what it does not any more, not.
static int
s_bind (const request_t *req, store_txn_t *txn, const environment_t *row, const reference_t *to,
        berth_error_t *err)
{
    const char *id = to->id;
    uint64_t version = to->version;
    secret_t secret;
    secret_binding_t binding;
    secret_bind_t bind = { .id = id, .target_type = secret_target_ENVIRONMENT, .target = row->id,
                           .path = to->path, .version = version, .replace = true };
    int rc = secret_binding_find (txn, req->arena, row->company, secret_target_ENVIRONMENT, row->id,
                                  to->path, &binding, err);
    if (rc < 0)
        return -1;
    const char *selector = version ? arena_printf (req->arena, "%llu", (unsigned long long) version) : "latest";
    if (rc == 0 && strcmp (binding.secret, id) == 0 && strcmp (binding.selector, selector) == 0)
        return 0;
    if (secret_get (txn, req->arena, id, &secret, err)
        || company_check (row->company, secret.company, "secret", id, err)) {
        berth_error_set (err->field, sizeof err->field, "%s%s", strncmp (to->path, "env.", 4) ? "config." : "policy.",
                         to->path);
        return -1;
    }
    return secret_attach (req, txn, &secret, &bind, &binding, err);
}

//  The one that was made for the row that was, if nothing else uses it.
static int
s_drop (const request_t *req, store_txn_t *txn, const environment_t *row, const char *path, const char *id,
        berth_error_t *err)
{
    secret_t secret;
    secret_binding_t binding;
    berth_error_t gone = { 0 };
    int rc = secret_binding_find (txn, req->arena, row->company, secret_target_ENVIRONMENT, row->id, path,
                                  &binding, err);
    if (rc < 0 || (rc == 0 && strcmp (binding.secret, id) == 0 && secret_detach (req, txn, &binding, err)))
        return -1;
    if (secret_get (txn, req->arena, id, &secret, &gone))
        return 0;
    bool ours = strncmp (secret.name, "environment-", 12) == 0 && strcmp (secret.company, row->company) == 0;
    return ours && secret_references (txn, id) == 0 ? secret_destroy (req, txn, &secret, err) : 0;
}

//  ---- all that a row refers to

static size_t
s_fields (const environment_t *row, arena_t *arena, config_secret_t fields [CONFIG_SECRETS_MAX])
{
    const provider_t *provider;
    berth_error_t none = { 0 };
    return row && provider_of (row->driver, row->config, arena, &provider, &none) == 0
        ? config_secrets (provider, arena, fields) : 0;
}

//  In its config, and in the variables of its policy.
static size_t
s_references (const environment_t *row, arena_t *arena, reference_t **ret_references)
{
    config_secret_t fields [CONFIG_SECRETS_MAX];
    berth_bytes_t env = row && row->policy ? row->policy->env : (berth_bytes_t) { NULL, 0 };
    reference_t *found = arena_array (arena, CONFIG_SECRETS_MAX + any_count (env) + 1, reference_t);
    size_t known = s_fields (row, arena, fields), count = 0, position = 0;
    for (size_t index = 0; index < known; index++) {
        found [count].path = fields [index].path;
        found [count].id = config_secret_id (&fields [index], row->config, arena, &found [count].version);
        count += found [count].id != NULL;
    }
    berth_bytes_t name, value;
    while (any_each (env, &position, &name, &value)) {
        const char *type = any_text (value, "type", arena);
        if (!type || strcmp (type, "secret_ref"))
            continue;
        found [count++] = (reference_t) {
            arena_printf (arena, "env.%.*s", (int) name.size, (const char *) name.data),
            any_text (value, "secretId", arena), any_number (value, "version", 0),
        };
    }
    *ret_references = found;
    return count;
}

//  Those of `before` that `row` (NULL: it goes) has no more.
static int
s_drop_old (const request_t *req, store_txn_t *txn, const environment_t *before,
            const environment_t *row, berth_error_t *err)
{
    reference_t *old, *now;
    size_t count = s_references (before, req->arena, &old), left = s_references (row, req->arena, &now);
    for (size_t index = 0; index < count; index++) {
        bool still = false;
        for (size_t other = 0; other < left && !still; other++)
            still = strcmp (old [index].path, now [other].path) == 0
                 && strcmp (old [index].id, now [other].id) == 0;
        if (!still && s_drop (req, txn, before, old [index].path, old [index].id, err))
            return -1;
    }
    return 0;
}

int
registry_keep_secrets (const registry_t *self, const request_t *req, store_txn_t *txn,
                       const environment_t *before, environment_t *row, berth_error_t *err)
{
    config_secret_t fields [CONFIG_SECRETS_MAX];
    reference_t *references;
    size_t count = s_fields (row, req->arena, fields);
    for (size_t index = 0; index < count; index++)
        if (s_keep (self, req, txn, &fields [index], row, err))
            return -1;
    count = s_references (row, req->arena, &references);
    for (size_t index = 0; index < count; index++)
        if (s_bind (req, txn, row, &references [index], err))
            return -1;
    return before ? s_drop_old (req, txn, before, row, err) : 0;
}

int
registry_drop_secrets (const request_t *req, store_txn_t *txn, const environment_t *row, berth_error_t *err)
{
    return s_drop_old (req, txn, row, NULL, err);
}
