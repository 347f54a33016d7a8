//  admit.c - owns nothing: what a request says, and whether its sender may ask about that.
//
//  The one place where companies are checked. A company that is not the sender's does not exist for
//  it: named by `companyId` it is answered so here; a row that is named by its id is not found in
//  the sender's view of the store, with the words for any other that is not there.

#include "actor.h"

#include "codec.h"
#include "company.h"
#include "quota.h"

#include <string.h>

//  A sender's view of the store.
typedef struct {
    trust_t *trust;
    const char *principal;
} view_t;

static bool
s_sees (void *context, const char *company)
{
    const view_t *view = context;
    return trust_sees (view->trust, view->principal, company);
}

//  Does each such request name a row by its id? Then the row says whose it is.
static bool
s_names_a_row (const berth_schema_t *schema)
{
    for (size_t index = 0; index < schema->count; index++)
        if (schema->fields [index].kind == KIND_ID && (schema->fields [index].flags & REQUIRED))
            return true;
    return false;
}

static int
s_confine (const request_t *req, trust_t *trust, store_txn_t *txn, berth_error_t *err)
{
    ENSURE (trust);
    view_t *view = arena_new_of (req->arena, view_t);
    *view = (view_t) { trust, req->letter->principal };
    store_confine (txn, s_sees, view);
    const berth_schema_t *schema = req->row->request;
    const berth_field_t *field = berth_schema_field (schema, "companyId");
    const char *company = field ? *(const char *const *) ((const uint8_t *) req->body + field->offset)
                                : NULL;
    if (company)
        return s_sees (view, company) ? 0
             : berth_fail (err, BERTH_NOT_FOUND, "no company '%s'", company);
    if ((req->row->mode & MODE_SHARED) || s_names_a_row (schema))
        return 0;
    return berth_fail (err, BERTH_FORBIDDEN, "%s is about all companies: '%s' has only some",
                       req->row->type, req->letter->principal);
}

//  What may still be asked of a company that is being deleted.
static bool
s_ends (unsigned type)
{
    static const request_code_t ends [] = {
        REQUEST_COMPANY_DELETE, REQUEST_ENVIRONMENT_DELETE, REQUEST_LEASE_RELEASE,
        REQUEST_LEASE_DESTROY, REQUEST_LEASE_RELEASE_FOR_RUN, REQUEST_RUN_RELEASE,
        REQUEST_SECRET_DELETE,
    };
    for (size_t index = 0; index < BERTH_COUNT (ends); index++)
        if (ends [index] == type)
            return true;
    return false;
}

int
request_admit (request_t *req, const incoming_t *incoming, trust_t *trust, store_txn_t *txn,
               berth_error_t *err)
{
    req->row = request_row (incoming->letter.type);
    req->data = incoming->data;
    const berth_schema_t *schema = req->row->request;
    void *body = arena_take (req->arena, schema->size + sizeof (berth_message_t));
    req->body = body;
    if (incoming->letter.roles & ROLE_INTERNAL)
        return berth_unpack_own (schema, incoming->body, req->arena, body, err);
    berth_bytes_t packed = incoming->body.size ? incoming->body : berth_empty_map;
    if (berth_unpack (schema, packed, req->arena, body, err) || foreign_ids_check (schema, body, &req->company, err))
        return -1;
    if (incoming->letter.confined && s_confine (req, trust, txn, err))
        return -1;
    return req->company && (req->row->mode & MODE_WRITE) && !s_ends (incoming->letter.type)
         ? company_stays (txn, req->arena, req->company, err) : 0;
}

const char *
request_payer (const request_t *req)
{
    if (req->company)
        return req->company;
    const letter_t *letter = req->letter;
    if ((letter->roles & ROLE_INTERNAL) || !(letter->confined || letter->remote))
        return NULL;
    char *payer = arena_take (req->arena, QUOTA_PAYER_SIZE);
    quota_payer (req->trust, letter->principal, payer);
    return payer;
}

//  ---- what of this host may be reached

bool
host_is_free (const request_t *req)
{
    const letter_t *letter = req->letter;
    return (letter->roles & ROLE_INTERNAL) || ((letter->roles & ROLE_OPERATOR) && !letter->remote);
}

int
host_path_check (const request_t *req, berth_bytes_t path, const char *field, berth_error_t *err)
{
    if (!path.size || host_is_free (req)
        || (req->trust && trust_roots (req->trust, req->letter->principal, path)))
        return 0;
    berth_error_set (err->field, sizeof err->field, "%s", field);
    berth_error_set (err->remedy, sizeof err->remedy, "berth key grant %s --workspace-roots FOLDER, "
                     "or workspaceRoots in the configuration", req->letter->principal);
    return berth_fail (err, BERTH_FORBIDDEN, "'%s' may name no folder of the host but beneath its "
                       "workspace roots", req->letter->principal);
}

int
driver_check (const request_t *req, const char *driver, berth_error_t *err)
{
    if (!req->letter->remote || !driver || strcmp (driver, "local")
        || (req->trust && trust_local (req->trust)))
        return 0;
    berth_error_set (err->driver, sizeof err->driver, "local");
    berth_error_set (err->remedy, sizeof err->remedy, "localOverTcp in the service's configuration");
    return berth_fail (err, BERTH_FORBIDDEN, "driver local runs on the service's own machine, and is "
                       "off over TCP");
}
