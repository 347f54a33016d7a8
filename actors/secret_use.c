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
s_bound (store_txn_t *txn, arena_t *arena, const secret_use_t *use, secret_binding_t *ret_binding,
         const secret_user_t **ret_user, berth_error_t *err)
{
    for (size_t index = 0; index < use->users_count; index++) {
        const secret_user_t *user = &use->users [index];
        if (!user->id)
            continue;
        *ret_user = user;
        int rc = secret_binding_find (txn, arena, use->company, user->type, user->id, use->path,
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
s_version (store_txn_t *txn, arena_t *arena, const secret_use_t *use, const secret_t *secret,
           const secret_binding_t *binding, secret_version_t *ret_version, berth_error_t *err)
{
    bool pinned = strcmp (binding->selector, "latest") != 0;
    uint64_t bound = pinned ? strtoull (binding->selector, NULL, 10) : 0;
    uint64_t wanted = use->version ? use->version : bound ? bound : secret->latest;
    if (pinned && wanted != bound)
        return berth_fail (err, BERTH_CONFLICT, "version %llu of secret %s is not bound there, version "
                           "%llu is", (unsigned long long) wanted, secret->id, (unsigned long long) bound);
    int rc = secret_version_find (txn, arena, secret->id, wanted, ret_version, err);
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
s_open (vault_t *vault, store_txn_t *txn, arena_t *arena, const secret_use_t *use,
        secret_t *secret, secret_version_t *version, const secret_user_t **ret_user,
        berth_bytes_t *ret_value, berth_error_t *err)
{
    secret_binding_t binding;
    company_key_t key;
    if (!vault)
        return berth_fail (err, BERTH_UNSUPPORTED, "this service keeps no secrets");
    if (secret_get (txn, arena, use->secret, secret, err)
        || company_check (use->company, secret->company, "secret", use->secret, err)
        || s_bound (txn, arena, use, &binding, ret_user, err))
        return -1;
    if (secret->status != secret_status_ACTIVE)
        return berth_fail (err, BERTH_CONFLICT, "secret '%s' is %s", secret->name,
                           berth_enum_text (&secret_status_enum, (int) secret->status));
    if (s_version (txn, arena, use, secret, &binding, version, err))
        return -1;
    int rc = company_key_find (txn, arena, secret->company, &key, err);
    if (rc > 0)
        return berth_fail (err, BERTH_INTERNAL, "company '%s' has no key", secret->company);
    return rc < 0 ? -1 : vault_open (vault, &key, version, arena, ret_value, err);
}

int
secret_look (vault_t *vault, store_txn_t *txn, arena_t *arena, const secret_use_t *use,
             secret_event_t *ret_event, berth_bytes_t *ret_value, berth_error_t *err)
{
    secret_t secret = { .id = NULL };
    secret_version_t version = { .version = 0 };
    const secret_user_t *user = NULL;
    int rc = s_open (vault, txn, arena, use, &secret, &version, &user, ret_value, err);
    *ret_event = (secret_event_t) { .id = NULL };
    if (!secret.id || strcmp (secret.company, use->company))
        return rc;                  //  Of what is not there, there is nothing to enter
    *ret_event = (secret_event_t) {
        .company = use->company, .secret = use->secret, .provider = secret.provider,
        .consumer_type = user ? s_type_text (user->type) : "system",
        .consumer = user ? user->id : "berth", .path = use->path, .issue = use->issue, .run = use->run,
        .outcome = rc == 0 ? "success" : "failure",
        .error = rc == 0 ? NULL : berth_code_text (err->code),
    };
    if (version.version)
        berth_put (secret_event, ret_event, version, version.version);
    return rc;
}

int
secret_enter (const request_t *req, store_txn_t *txn, secret_event_t *event, berth_error_t *err)
{
    const letter_t *letter = req->letter;
    secret_t secret;
    berth_error_t gone = { 0 };
    event->id = id_new (req);
    event->actor_type = letter->actor_id [0] ? letter->actor_type : "system";
    event->actor = letter->actor_id [0] ? letter->actor_id : letter->principal [0] ? letter->principal : NULL;
    event->created_at = req->now_ms;
    if (secret_event_put (txn, req->arena, event, err))
        return -1;
    if (strcmp (event->outcome, "success")
        || secret_get (txn, req->arena, event->secret, &secret, &gone)
        || req->now_ms - secret.resolved_at < RESOLVED_MS)
        return 0;
    secret.resolved_at = req->now_ms;
    return secret_put (txn, req->arena, &secret, err);
}

int
secret_use (vault_t *vault, const request_t *req, store_txn_t *txn, const secret_use_t *use,
            berth_bytes_t *ret_value, berth_error_t *err)
{
    secret_event_t event;
    berth_error_t unwritten = { 0 };
    int rc = secret_look (vault, txn, req->arena, use, &event, ret_value, err);
    if (!event.secret || secret_enter (req, txn, &event, &unwritten) == 0)
        return rc;
    if (rc == 0)
        *err = unwritten;
    return -1;
}
