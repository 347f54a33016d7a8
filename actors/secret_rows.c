//  secret_rows.c - owns the rules by which secrets, their versions and bindings are written.

#include "secrets_inside.h"

#include "codec.h"

#include <string.h>

static int
s_wrong (const char *field, const char *sentence, berth_error_t *err)
{
    berth_error_set (err->field, sizeof err->field, "%s", field);
    return berth_fail (err, BERTH_INVALID, "field '%s' %s", field, sentence);
}

int
secret_note (const request_t *req, store_txn_t *txn, const secret_t *row, action_t action,
             const secret_binding_t *binding, berth_error_t *err)
{
    secret_details_t details = {
        .key = row->key, .status = berth_enum_text (&secret_status_enum, (int) row->status),
    };
    berth_put (secret_details, &details, version, row->latest);
    if (binding) {
        details.target_type = berth_enum_text (&secret_target_enum, (int) binding->target_type);
        details.target = binding->target;
        details.path = binding->path;
    }
    activity_note_t note = activity_note (req, action, row->company, row->id, NULL, NULL,
                                          berth_pack (&secret_details_schema, &details, req->arena));
    return activity_add (txn, req->arena, &note, err);
}

//  ---- names

//  Lower case, anything outside [a-z0-9_.-] becomes a dash, none at its ends (reference, section 9).
static const char *
s_key (const char *name, arena_t *arena)
{
    char *key = arena_string (arena, name);
    for (char *at = key; *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char) (*at - 'A' + 'a');
        else if (!((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || strchr ("_.-", *at)))
            *at = '-';
    }
    size_t size = strlen (key);
    while (size && key [size - 1] == '-')
        key [--size] = 0;
    while (*key == '-')
        key++;
    if (strlen (key) > 120)
        key [120] = 0;
    return key;
}

//  Is there another one of this name? `id`: the one that may.
static int
s_free (const request_t *req, store_txn_t *txn, store_index_t index, const char *company,
        const char *text, const char *id, berth_error_t *err)
{
    store_walk_t walk;
    store_key_t prefix = { 0 };
    secret_t other;
    key_text (&prefix, company);
    key_text (&prefix, text);
    if (walk_begin (&walk, txn, index, &prefix, NULL, err))
        return -1;
    int rc = walk_next (&walk, req->arena, &other, err);
    walk_end (&walk);
    if (rc < 0)
        return -1;
    return rc > 0 || strcmp (other.id, id) == 0 ? 0
        : berth_fail (err, BERTH_CONFLICT, "there is a secret '%s' in company '%s': %s", text, company,
                      other.id);
}

static int
s_names (const request_t *req, store_txn_t *txn, const secret_t *row, berth_error_t *err)
{
    return s_free (req, txn, INDEX_SECRET_LIST, row->company, row->key, row->id, err)
        || s_free (req, txn, INDEX_SECRET_BY_NAME, row->company, row->name, row->id, err) ? -1 : 0;
}

int
secret_name (const request_t *req, store_txn_t *txn, secret_t *row, const char *key,
             berth_error_t *err)
{
    const char *made = s_key (key, req->arena);
    if (!*made)
        return s_wrong ("key", "needs a letter or digit", err);
    row->key = made;
    return s_names (req, txn, row, err);
}

//  ---- values

static int
s_company_key (vault_t *vault, const request_t *req, store_txn_t *txn, const char *company,
               company_key_t *ret_key, berth_error_t *err)
{
    int rc = company_key_find (txn, req->arena, company, ret_key, err);
    if (rc <= 0)
        return rc;
    *ret_key = (company_key_t) { .created_at = req->now_ms, .updated_at = req->now_ms };
    return vault_company (vault, company, req->arena, ret_key, err)
        || company_key_put (txn, req->arena, ret_key, err) ? -1 : 0;
}

static int
s_seal (vault_t *vault, const request_t *req, store_txn_t *txn, const secret_t *row,
        berth_bytes_t value, berth_error_t *err)
{
    company_key_t key;
    if (!vault)
        return berth_fail (err, BERTH_UNSUPPORTED, "this service keeps no secrets");
    arena_guard (req->arena);       //  The value came in it
    secret_version_t version = {
        .secret = row->id, .company = row->company, .version = row->latest,
        .status = secret_version_status_CURRENT, .created_at = req->now_ms,
    };
    return s_company_key (vault, req, txn, row->company, &key, err)
        || vault_seal (vault, &key, row->id, row->latest, value, req->arena, &version.material, err)
        || secret_version_put (txn, req->arena, &version, err) ? -1 : 0;
}

//  Counted up to the limit, when one is made: that is seldom.
static int
s_room (store_txn_t *txn, const char *company, berth_error_t *err)
{
    store_key_t prefix = { 0 };
    key_text (&prefix, company);
    return index_entries (txn, INDEX_SECRET_LIST, &prefix) < BERTH_SECRETS_MAX ? 0
        : berth_fail (err, BERTH_CONFLICT, "company '%s' has %d secrets: none fits beside them", company,
                      BERTH_SECRETS_MAX);
}

int
secret_make (vault_t *vault, const request_t *req, store_txn_t *txn, const secret_fresh_t *fresh,
             secret_t *ret_row, berth_error_t *err)
{
    const letter_t *letter = req->letter;
    secret_t row = {
        .id = fresh->id ? fresh->id : id_new (req), .company = fresh->company, .name = fresh->name,
        .provider = "local_encrypted", .status = secret_status_ACTIVE, .managed = "paperclip_managed",
        .latest = 1, .description = fresh->description, .rotated_at = req->now_ms,
        .agent = letter->agent [0] ? letter->agent : NULL,
        .user = letter->actor_id [0] ? letter->actor_id : letter->principal [0] ? letter->principal : NULL,
        .created_at = req->now_ms, .updated_at = req->now_ms,
    };
    secret_t known;
    berth_error_t none = { 0 };
    if (fresh->id && secret_get (txn, req->arena, fresh->id, &known, &none) == 0)
        return berth_fail (err, BERTH_CONFLICT, "secret %s is there already", fresh->id);
    if (store_admit (txn, err) || s_room (txn, row.company, err)
        || secret_name (req, txn, &row, fresh->key ? fresh->key : fresh->name, err)
        || s_seal (vault, req, txn, &row, fresh->value, err)
        || secret_put (txn, req->arena, &row, err)
        || secret_note (req, txn, &row, ACTION_SECRET_CREATED, NULL, err))
        return -1;
    *ret_row = row;
    return 0;
}

//  The one before stays usable by its number; the oldest of too many goes.
static int
s_previous (const request_t *req, store_txn_t *txn, const secret_t *row, berth_error_t *err)
{
    secret_version_t version;
    int rc = secret_version_find (txn, req->arena, row->id, row->latest - 1, &version, err);
    if (rc == 0) {
        version.status = secret_version_status_PREVIOUS;
        version.revoked_at = req->now_ms;
        rc = secret_version_put (txn, req->arena, &version, err);
    }
    if (rc < 0 || row->latest <= BERTH_SECRET_VERSIONS)
        return rc < 0 ? -1 : 0;
    version = (secret_version_t) { .secret = row->id, .company = row->company,
                                   .version = row->latest - BERTH_SECRET_VERSIONS };
    return secret_version_del (txn, req->arena, &version, err);
}

int
secret_turn (vault_t *vault, const request_t *req, store_txn_t *txn, secret_t *row, berth_bytes_t value,
             berth_error_t *err)
{
    if (row->status != secret_status_ACTIVE)
        return berth_fail (err, BERTH_CONFLICT, "secret '%s' is %s: only an active one gets a new value",
                           row->name, berth_enum_text (&secret_status_enum, (int) row->status));
    row->latest++;
    row->rotated_at = row->updated_at = req->now_ms;
    return s_seal (vault, req, txn, row, value, err)
        || s_previous (req, txn, row, err)
        || secret_put (txn, req->arena, row, err)
        || secret_note (req, txn, row, ACTION_SECRET_ROTATED, NULL, err) ? -1 : 0;
}

//  ---- their end

//  Rows of an index below a secret, all at once: versions and bindings are bounded.
static int
s_each (const request_t *req, store_txn_t *txn, store_index_t index, const secret_t *row,
        size_t size, int (*del) (store_txn_t *, arena_t *, const void *, berth_error_t *),
        berth_error_t *err)
{
    store_key_t prefix = { 0 };
    key_id (&prefix, row->id);
    while (true) {
        store_walk_t walk;
        void *at = arena_take (req->arena, size);
        if (walk_begin (&walk, txn, index, &prefix, NULL, err))
            return -1;
        int rc = walk_next (&walk, req->arena, at, err);
        walk_end (&walk);
        if (rc)
            return rc < 0 ? -1 : 0;
        if (del (txn, req->arena, at, err))
            return -1;
    }
}

static int
s_del_version (store_txn_t *txn, arena_t *arena, const void *row, berth_error_t *err)
{
    return secret_version_del (txn, arena, row, err);
}

static int
s_del_binding (store_txn_t *txn, arena_t *arena, const void *row, berth_error_t *err)
{
    return secret_binding_del (txn, arena, row, err);
}

int
secret_destroy (const request_t *req, store_txn_t *txn, const secret_t *row, berth_error_t *err)
{
    return s_each (req, txn, INDEX_SECRET_VERSION_LIST, row, sizeof (secret_version_t), s_del_version, err)
        || s_each (req, txn, INDEX_SECRET_BINDING_LIST, row, sizeof (secret_binding_t), s_del_binding, err)
        || secret_del (txn, req->arena, row->id, err)
        || secret_note (req, txn, row, ACTION_SECRET_DELETED, NULL, err) ? -1 : 0;
}

//  ---- bindings

int
secret_attach (const request_t *req, store_txn_t *txn, const secret_t *row, const secret_bind_t *ask,
               secret_binding_t *ret_binding, berth_error_t *err)
{
    secret_binding_t known, binding = {
        .id = id_new (req), .company = row->company, .secret = row->id,
        .target_type = ask->target_type, .target = ask->target, .path = ask->path,
        .selector = ask->version ? arena_printf (req->arena, "%llu", (unsigned long long) ask->version)
                                 : "latest",
        .required = !berth_has (secret_bind, ask, required) || ask->required, .label = ask->label,
        .created_at = req->now_ms, .updated_at = req->now_ms,
    };
    int rc = secret_binding_find (txn, req->arena, row->company, ask->target_type, ask->target, ask->path,
                                  &known, err);
    if (rc < 0)
        return -1;
    if (rc == 0 && strcmp (known.secret, row->id) && !ask->replace)
        return berth_fail (err, BERTH_CONFLICT, "secret %s is bound to '%s' there: say replace", known.secret,
                           ask->path);
    if (rc == 0) {
        binding.id = known.id;
        binding.created_at = known.created_at;
    }
    *ret_binding = binding;
    return secret_binding_put (txn, req->arena, &binding, err)
        || secret_note (req, txn, row, ACTION_SECRET_BOUND, &binding, err) ? -1 : 0;
}
