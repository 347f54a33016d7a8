//  key.h - who may ask: principals, each with the public key it shows over TCP (DESIGN section 11).

#ifndef BERTH_KEY_H_INCLUDED
#define BERTH_KEY_H_INCLUDED

#include "schema.h"

//  The log of the service itself: principals belong to no company. No company can be called so.
#define BERTH_SERVICE_COMPANY "~service"

//  The secret key is never seen by the service. A name is never given a second time: it stands in
//  activity and in idempotency keys.
#define PRINCIPAL(F, T) \
    F (T, STR,   id,        "id",        REQUIRED, 63, "Its name: the principal of what it asks, and actorId in activity.") \
    F (T, STR,   public_key, "publicKey", REQUIRED, 40, "Its CURVE key, Z85.") \
    F (T, STRS,  roles,     "roles",     REQUIRED, 4, "operator, platform, observer, provider.") \
    F (T, STRS,  companies, "companies", REQUIRED, 256, "Those that exist for it; * is all.") \
    F (T, BLOBS, roots,     "workspaceRoots", OPTIONAL, 16, "Host folders beneath which its workspaces may lie, beside those of the configuration.") \
    F (T, STR,   created_by, "createdBy", NULLABLE, 128, "Principal that made it.") \
    F (T, TIME,  created_at, "createdAt", REQUIRED, 0, "When it was made.") \
    F (T, TIME,  updated_at, "updatedAt", REQUIRED, 0, "When it was last changed.") \
    F (T, TIME,  revoked_at, "revokedAt", NULLABLE, 0, "Since when nobody gets in with it; null: it is good.")
BERTH_MESSAGE (principal, PRINCIPAL);

#define KEY_NEW(F, T) \
    F (T, STR,   id,        "keyId",     REQUIRED | POSITIVE, 63, "Its name: letters, digits and . _ -") \
    F (T, STR,   public_key, "publicKey", REQUIRED | POSITIVE, 40, "Its CURVE key, Z85; the secret one stays with its owner.") \
    F (T, STRS,  roles,     "roles",     REQUIRED | POSITIVE, 4, "operator, platform, observer, provider.") \
    F (T, STRS,  companies, "companies", REQUIRED | POSITIVE, 256, "Those that exist for it; * is all.") \
    F (T, BLOBS, roots,     "workspaceRoots", OPTIONAL, 16, "Host folders beneath which its workspaces may lie.")
BERTH_MESSAGE (key_new, KEY_NEW);

#define KEY_LIST(F, T) \
    F (T, BOOL,  live,      "live",      OPTIONAL, 0, "Only those that are good.") \
    F (T, U64,   limit,     "limit",     OPTIONAL | POSITIVE, 1000, "Rows of a page (50).") \
    F (T, STR,   cursor,    "cursor",    NULLABLE, 256, "nextCursor of the page before.")
BERTH_MESSAGE (key_list, KEY_LIST);

#define PRINCIPAL_PAGE(F, T) \
    F (T, LIST (principal), items, "items", REQUIRED, 1000, "By name.") \
    F (T, STR,   next,      "nextCursor", NULLABLE, 256, "Null on the last page.")
BERTH_MESSAGE (principal_page, PRINCIPAL_PAGE);

#define KEY_GRANT(F, T) \
    F (T, STR,   id,        "keyId",     REQUIRED | POSITIVE, 63, "Which.") \
    F (T, STRS,  roles,     "roles",     OPTIONAL | POSITIVE, 4, "Its roles from now on.") \
    F (T, STRS,  companies, "companies", OPTIONAL | POSITIVE, 256, "Its companies from now on.") \
    F (T, BLOBS, roots,     "workspaceRoots", OPTIONAL, 16, "Its host folders from now on.")
BERTH_MESSAGE (key_grant, KEY_GRANT);

#define KEY_REVOKE(F, T) \
    F (T, STR,   id,        "keyId",     REQUIRED | POSITIVE, 63, "Which; one that is revoked is answered as it is.")
BERTH_MESSAGE (key_revoke, KEY_REVOKE);

//  Of the log's entries about keys.
#define KEY_DETAILS(F, T) \
    F (T, STRS,  roles,     "roles",     REQUIRED, 4, "Its roles.") \
    F (T, STRS,  companies, "companies", REQUIRED, 256, "Its companies.") \
    F (T, STR,   public_key, "publicKey", REQUIRED, 40, "Its public key.")
BERTH_MESSAGE (key_details, KEY_DETAILS);

#endif
