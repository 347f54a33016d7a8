//  secret_use.c - owns the rules by which a value may be used.

#include "secret_use.h"

#include <stdlib.h>
#include <string.h>

enum { RESOLVED_MS = 60000 };       //  lastResolvedAt is written so often at most

static const char *
s_type_text (secret_target_t type)
{
    return berth_enum_text (&secret_target_enum, (int) type);
}

//  The binding that allows it; *ret_user: whose it is.
static int
s_bound (const request_t *req, store_txn_t *txn, const secret_use_t *use, secret_binding_t *ret_binding,
         const secret_user_t **ret_user, berth_error_t *err)
{
    for (size_t index = 0; index < use->users_count; index++) {
        const secret_user_t *user = &use->users [index];
        if (!user->id)
            continue;
        *ret_user = user;
        int rc = secret_binding_find (txn, req->arena, use->company, user->type, user->id, use->path,
                                      ret_binding, err);
        if (rc < 0)
            return -1;
        if (rc == 0 && strcmp (ret_binding->secret, use->secret) == 0)
            return 0;
    }
    const secret_user_t *user = *ret_user;
    if (user)
        berth_error_set (err->remedy, sizeof err->remedy, "berth secret bind %s --target-type %s "
                         "--target-id %s --config-path %s", use->secret, s_type_text (user->type), user->id,
                         use->path);
    return berth_fail (err, BERTH_CONFLICT, "secret %s is not bound to '%s' of what would use it",
                       use->secret, use->path);
}

static int
s_version (const request_t *req, store_txn_t *txn, const secret_use_t *use, const secret_t *secret,
           const secret_binding_t *binding, secret_version_t *ret_version, berth_error_t *err)
{
    bool pinned = strcmp (binding->selector, "latest") != 0;
    uint64_t bound = pinned ? strtoull (binding->selector, NULL, 10) : 0;
    uint64_t wanted = use->version ? use->version : bound ? bound : secret->latest;
    if (pinned && wanted != bound)
        return berth_fail (err, BERTH_CONFLICT, "version %llu of secret %s is not bound there, version "
                           "%llu is", (unsigned long long) wanted, secret->id, (unsigned long long) bound);
    int rc = secret_version_find (txn, req->arena, secret->id, wanted, ret_version, err);
    if (rc < 0)
        return -1;
    if (rc > 0)
        return berth_fail (err, BERTH_NOT_FOUND, "secret %s has no version %llu", secret->id,
                           (unsigned long long) wanted);
    return ret_version->status != secret_version_status_DISABLED ? 0
        : berth_fail (err, BERTH_CONFLICT, "version %llu of secret %s is disabled",
                      (unsigned long long) wanted, secret->id);
}

static int
s_open (vault_t *vault, const request_t *req, store_txn_t *txn, const secret_use_t *use,
        secret_t *secret, secret_version_t *version, const secret_user_t **ret_user,
        berth_bytes_t *ret_value, berth_error_t *err)
{
    secret_binding_t binding;
    company_key_t key;
    if (!vault)
        return berth_fail (err, BERTH_UNSUPPORTED, "this service keeps no secrets");
    if (secret_get (txn, req->arena, use->secret, secret, err)
        || company_check (use->company, secret->company, "secret", use->secret, err)
        || s_bound (req, txn, use, &binding, ret_user, err))
        return -1;
    if (secret->status != secret_status_ACTIVE)
        return berth_fail (err, BERTH_CONFLICT, "secret '%s' is %s", secret->name,
                           berth_enum_text (&secret_status_enum, (int) secret->status));
    if (s_version (req, txn, use, secret, &binding, version, err))
        return -1;
    int rc = company_key_find (txn, req->arena, secret->company, &key, err);
    if (rc > 0)
        return berth_fail (err, BERTH_INTERNAL, "company '%s' has no key", secret->company);
    return rc < 0 ? -1 : vault_open (vault, &key, version, req->arena, ret_value, err);
}

int
secret_use (vault_t *vault, const request_t *req, store_txn_t *txn, const secret_use_t *use,
            berth_bytes_t *ret_value, berth_error_t *err)
{
    secret_t secret = { .id = NULL };
    secret_version_t version = { .version = 0 };
    const secret_user_t *user = NULL;
    int rc = s_open (vault, req, txn, use, &secret, &version, &user, ret_value, err);
    if (!secret.id || strcmp (secret.company, use->company))
        return rc;                  //  Of what is not there, there is nothing to enter
    const letter_t *letter = req->letter;
    secret_event_t event = {
        .id = id_new (req), .company = use->company, .secret = use->secret,
        .provider = secret.provider,
        .actor_type = letter->actor_id [0] ? letter->actor_type : "system",
        .actor = letter->actor_id [0] ? letter->actor_id : letter->principal [0] ? letter->principal : NULL,
        .consumer_type = user ? s_type_text (user->type) : "system",
        .consumer = user ? user->id : "berth", .path = use->path, .issue = use->issue, .run = use->run,
        .outcome = rc == 0 ? "success" : "failure",
        .error = rc == 0 ? NULL : berth_code_text (err->code), .created_at = req->now_ms,
    };
    if (version.version)
        berth_put (secret_event, &event, version, version.version);
    berth_error_t unwritten = { 0 };
    if (secret_event_put (txn, req->arena, &event, &unwritten)) {
        if (rc == 0)
            *err = unwritten;
        return -1;
    }
    if (rc || req->now_ms - secret.resolved_at < RESOLVED_MS)
        return rc;
    secret.resolved_at = req->now_ms;
    return secret_put (txn, req->arena, &secret, err);
}
