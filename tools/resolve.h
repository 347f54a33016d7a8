//  resolve.h - names and short ids that people write become ids.

#ifndef BERTH_RESOLVE_H_INCLUDED
#define BERTH_RESOLVE_H_INCLUDED

#include "commands.h"

//  Looks up what stands in an id's place without being one, in the fields of `schema`: environments
//  by name; environments, leases, execs and workspaces by the end of their id (4 characters at
//  least). Errors name what was not found, or what it could be.
int resolve_ids (invocation_t *self, const berth_schema_t *schema, berth_bytes_t *body,
                 berth_error_t *err);

//  The same for one environment. ENVIRONMENT_NOT_FOUND if there is none.
int resolve_environment (invocation_t *self, const char *text, const char **ret_id,
                         berth_error_t *err);

//  And for one execution workspace. NOT_FOUND if there is none.
int resolve_workspace (invocation_t *self, const char *text, const char **ret_id,
                       berth_error_t *err);

#endif
