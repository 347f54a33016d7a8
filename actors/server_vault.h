//  server_vault.h - where the master key of secrets comes from, and how it stays in this process.

#ifndef BERTH_SERVER_VAULT_H_INCLUDED
#define BERTH_SERVER_VAULT_H_INCLUDED

#include "context.h"
#include "server.h"

//  Fills context->vault and context->master_path: from the configured file, the systemd credential
//  `berth-master-key`, $BERTH_MASTER_KEY, or <state>/master.key, which is made if there is none. A
//  private service has a key of its own that ends with it. Nothing is made where the store has secrets
//  and their key is missing. Errors: forbidden, not_found, invalid_request.
int server_vault (const char *state, const server_options_t *options, store_t *store,
                  context_t *context, berth_error_t *err);

//  From here on this process leaves no core behind; as root, nobody but root looks into it. (Of
//  others, the kernel would take away what the service reads of itself below /proc.)
void server_keep_secrets (void);

#endif
