//  server_vault.c - owns nothing: it finds the master key.

#include "server_vault.h"

#include "tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define CREDENTIAL "berth-master-key"

//  The key was lost, or the state directory came without it: a new one would only hide that.
static int
s_refuse_new (store_t *store, const char *path, berth_error_t *err)
{
    own (store_txn) txn = NULL;
    if (store_read (store, &txn, err))
        return -1;
    if (table_rows (txn, TABLE_COMPANY_KEYS) == 0)
        return 0;
    berth_error_set (err->remedy, sizeof err->remedy, "bring the file back, or name the key's source: "
                     "masterKeyFile, the credential " CREDENTIAL ", $BERTH_MASTER_KEY");
    return berth_fail (err, BERTH_NOT_FOUND, "this store has secrets, and the master key that they are "
                       "sealed by is not in %s", path);
}

static int
s_own_file (const char *path, store_t *store, vault_t *vault, berth_error_t *err)
{
    berth_error_t missing = { 0 };
    if (vault_read (vault, path, &missing) == 0)
        return 0;
    if (missing.code != BERTH_NOT_FOUND) {
        *err = missing;
        return -1;
    }
    return s_refuse_new (store, path, err) || vault_make (vault, path, err) ? -1 : 0;
}

int
server_vault (const char *state, const server_options_t *options, store_t *store, context_t *context,
              berth_error_t *err)
{
    const char *folder = getenv ("CREDENTIALS_DIRECTORY"), *given = getenv ("BERTH_MASTER_KEY");
    char credential [4200];
    snprintf (credential, sizeof credential, "%s/" CREDENTIAL, folder ? folder : "");
    context->vault = vault_new ();
    if (options->ephemeral)
        return vault_make (context->vault, NULL, err);
    if (!options->master_key_file && folder && access (credential, F_OK) == 0)
        return vault_read (context->vault, credential, err);
    if (!options->master_key_file && given && *given) {
        int rc = vault_add (context->vault, given, err);
        unsetenv ("BERTH_MASTER_KEY");
        return rc;
    }
    ENSURE (asprintf (&context->master_path, "%s%s", options->master_key_file ? options->master_key_file
                      : state, options->master_key_file ? "" : "/master.key") > 0);
    return s_own_file (context->master_path, store, context->vault, err);
}

void
server_keep_secrets (void)
{
    //  One byte, not none: the kernel ignores 0 where cores go to a program (core(5)).
    struct rlimit core = { 1, 1 };
    (void) setrlimit (RLIMIT_CORE, &core);
    if (geteuid () == 0)
        (void) prctl (PR_SET_DUMPABLE, 0);
}
