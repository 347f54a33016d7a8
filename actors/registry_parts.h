//  registry_parts.h - what the files of the registry share. For them and capabilities.c only.

#ifndef BERTH_REGISTRY_PARTS_H_INCLUDED
#define BERTH_REGISTRY_PARTS_H_INCLUDED

#include "registry.h"

#define REGISTRY_MAGIC 0x4e615701u

struct registry {
    uint32_t magic;
    int64_t company_ms;             //  When to look again at companies that wait to be gone
    const context_t *context;
    actor_t *actor;
};

//  ---- registry.c

//  What an entry of the log says of an environment; and one entry.
berth_bytes_t environment_details (const environment_t *row, arena_t *arena);
int environment_note (const request_t *req, store_txn_t *txn, action_t action,
                      const environment_t *row, berth_bytes_t details, berth_error_t *err);

//  ---- registry_delete.c

#define REGISTRY_STEP_RELEASE "release"     //  Step of a deletion: its leases are being given back

handler_fn registry_delete, registry_released, registry_start;

//  ---- registry_company.c

#define REGISTRY_STEP_COMPANY "company"     //  Step of a company's deletion: some of a part is removed

handler_fn registry_company_delete, registry_company_cleared, registry_companies, registry_clear;
int64_t registry_next_ms (void *self);

//  An environment that is being deleted takes no change. Errors: conflict.
int registry_stays (const environment_t *row, berth_error_t *err);

//  ---- registry_config.c

//  Is this a config of that driver, in Paperclip's strict shape? *ret_normal is what is kept:
//  defaults filled in, null keys gone. to_save: providers that can only be probed are refused.
//  Errors: invalid_request with the field's path, unsupported, unsupported_environment, forbidden
//  (what only an operator may set).
typedef struct {
    const context_t *context;
    unsigned roles;
    bool to_save;
} config_rules_t;
int registry_config (const config_rules_t *rules, environment_driver_t driver, berth_bytes_t config,
                     arena_t *arena, berth_bytes_t *ret_normal, berth_error_t *err);

//  Is this a policy? NULL is one.
int registry_policy (const config_rules_t *rules, const environment_policy_t *policy,
                     arena_t *arena, berth_error_t *err);

//  May this service use the provider at all? (`fault` exists only for tests.)
bool registry_has (const context_t *context, const provider_t *provider);

//  ---- registry_secrets.c

//  Before a row is written: what is typed into its secret fields becomes a secret of the company, the
//  row keeps its id; each is bound to the environment, what `before` (NULL: none) referred to and the
//  row does not, is not any more; a secret that was made for it and that nothing else uses, goes.
//  Errors: not_found (a secret that it names), unsupported (no vault), conflict.
int registry_keep_secrets (const registry_t *self, const request_t *req, store_txn_t *txn,
                           const environment_t *before, environment_t *row, berth_error_t *err);

//  The same for a row that goes.
int registry_drop_secrets (const request_t *req, store_txn_t *txn, const environment_t *row,
                           berth_error_t *err);

//  ---- registry_reuse.c
handler_fn registry_reuse_match, registry_config_from_lease;

//  ---- registry_probe.c

handler_fn registry_probe, registry_probe_config, registry_provider_probe, registry_step_done;

//  ---- capabilities.c

handler_fn registry_capabilities, registry_provider_list, registry_provider_get,
           registry_provider_validate;

#endif
