//  handlers.c - owns the actors' counters, and small things that handlers share.

#include "actor.h"

#include "codec.h"
#include "ids.h"

#include <string.h>

static actor_stats_t s_stats [ACTOR_COUNT];

actor_stats_t *
actor_stats_of (actor_code_t code)
{
    return &s_stats [code];
}

const char *
id_new (const request_t *req)
{
    char *text = arena_take (req->arena, BERTH_ID_SIZE);
    req->make_id (text);
    return text;
}

bool
company_is (const char *text)
{
    static const char letters [] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789._:-";
    return text [strspn (text, letters)] == 0;
}

//  Ids of the platform are opaque, but stand in logs and on terminals.
static bool
s_is_opaque (const char *text)
{
    while (*text && (unsigned char) *text >= 0x20 && *text != 0x7f)
        text++;
    return *text == 0;
}

//  The service's own log is read like that of a company; nothing else is in it.
static bool
s_is_service_log (const berth_schema_t *schema, const char *company)
{
    return (schema == &activity_list_schema || schema == &company_ref_schema)
        && strcmp (company, BERTH_SERVICE_COMPANY) == 0;
}

int
foreign_ids_check (const berth_schema_t *schema, const void *body, const char **ret_company,
                   berth_error_t *err)
{
    *ret_company = NULL;
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        size_t size = strlen (field->name);
        if (field->kind != KIND_STR || size < 2 || strcmp (field->name + size - 2, "Id"))
            continue;
        const char *text = *(const char *const *) ((const char *) body + field->offset);
        bool company = strcmp (field->name, "companyId") == 0;
        if (company)
            *ret_company = text;
        if (!text || (company ? company_is (text) || s_is_service_log (schema, text)
                              : s_is_opaque (text)))
            continue;
        berth_error_set (err->field, sizeof err->field, "%s", field->name);
        return berth_fail (err, BERTH_INVALID, company
                           ? "field '%s' must be of letters, digits and . _ : -"
                           : "field '%s' must not have control characters", field->name);
    }
    return 0;
}

int
lease_room (const request_t *req, store_txn_t *txn, const char *company, berth_error_t *err)
{
    return req->quotas ? quota_lease (req->quotas, txn, company, err) : 0;
}

int
exec_room (const request_t *req, store_txn_t *txn, const char *company, uint64_t *spool_max,
           berth_error_t *err)
{
    return req->quotas ? quota_exec (req->quotas, txn, company, spool_max, err) : 0;
}

int
company_check (const char *given, const char *its_own, const char *noun, const char *id,
               berth_error_t *err)
{
    if (given && strcmp (given, its_own))
        return berth_fail (err, BERTH_NOT_FOUND, "no %s '%s'", noun, id);
    return 0;
}

activity_note_t
activity_note (const request_t *req, action_t action, const char *company, const char *entity,
               const char *run, const char *agent, berth_bytes_t details)
{
    const letter_t *letter = req->letter;
    bool behalf = letter->actor_id [0] != 0;
    return (activity_note_t) {
        .id = id_new (req),
        .company = company,
        .actor_type = behalf ? letter->actor_type : agent ? "agent" : "system",
        .actor_id = behalf ? letter->actor_id : agent ? agent
                  : letter->principal [0] ? letter->principal : "berth",
        .agent = agent ? agent : letter->agent [0] ? letter->agent : NULL,
        .run = run ? run : letter->run [0] ? letter->run : NULL,
        .action = action,
        .entity = entity,
        .details = details,
        .now_ms = req->now_ms,
    };
}

void
error_from_body (berth_bytes_t packed, arena_t *arena, berth_error_t *err)
{
    error_body_t body;
    *err = (berth_error_t) { 0 };
    if (packed.size == 0 || berth_unpack_own (&error_body_schema, packed, arena, &body, err)) {
        (void) berth_fail (err, BERTH_INTERNAL, "a step failed without a reason");
        return;
    }
    *err = (berth_error_t) { .code = berth_code_of (body.code) };
    berth_error_set (err->text, sizeof err->text, "%s", body.message);
    const error_details_t *details = body.details;
    if (!details)
        return;
#define KEEP(field, text)                                                                          \
    if (details->text)                                                                             \
        berth_error_set (err->field, sizeof err->field, "%s", details->text)
    KEEP (field, field);
    KEEP (environment_id, env);
    KEEP (driver, driver);
    KEEP (provider, provider);
    KEEP (lease_id, lease);
    KEEP (cause, cause);
    KEEP (remedy, remedy);
    KEEP (limit, limit);
#undef KEEP
    err->limit_value = details->limit_value;
    err->retry_after_ms = details->retry_after_ms;
    err->provider_status = (int) details->provider_status;
}
