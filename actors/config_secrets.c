//  config_secrets.c - owns nothing: it reads schemas and configs.

#include "config_secrets.h"

#include "codec.h"
#include "ids.h"

#include <string.h>

size_t
config_secrets (const provider_t *provider, arena_t *arena,
                config_secret_t ret_secrets [CONFIG_SECRETS_MAX])
{
    size_t count = 0;
    const berth_schema_t *schema = provider->config;
    for (size_t index = 0; schema && index < schema->count && count < CONFIG_SECRETS_MAX; index++) {
        const berth_field_t *field = &schema->fields [index];
        if (!(field->flags & SECRET))
            continue;
        const char *apart = arena_printf (arena, "%sSecretRef", field->name);
        bool has = berth_schema_field (schema, apart) != NULL;
        ret_secrets [count++] = (config_secret_t) { field->name, has ? apart : field->name, has };
    }
    return count;
}

const char *
config_secret_id (const config_secret_t *secret, berth_bytes_t config, arena_t *arena,
                  uint64_t *ret_version)
{
    *ret_version = 0;
    if (!secret->apart) {
        const char *id = any_text (config, secret->field, arena);
        return id && berth_id_is (id) ? id : NULL;
    }
    berth_bytes_t ref = any_get (config, secret->path);
    *ret_version = any_number (ref, "version", 0);
    return any_text (ref, "secretId", arena);
}
