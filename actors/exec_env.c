//  exec_env.c - owns nothing: rules about program, folder and environment.

#include "exec_env.h"

#include "codec.h"
#include "ids.h"
#include "wire.h"

#include <string.h>

enum { ENTRIES_MAX = 8192 };

static berth_bytes_t
s_bytes (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

static int
s_fail (const char *field, berth_code_t code, const char *sentence, berth_error_t *err)
{
    if (err)
        berth_error_set (err->field, sizeof err->field, "%s", field);
    return berth_fail (err, code, "field '%s' %s", field, sentence);
}

static bool
s_has_zero (berth_bytes_t bytes)
{
    return bytes.size && memchr (bytes.data, 0, bytes.size);
}

static berth_bytes_t
s_metadata (const lease_t *lease)
{
    return lease->metadata.size ? lease->metadata : berth_empty_map;
}

//  ---- program and folder

int
exec_argv (const exec_start_t *ask, const lease_t *lease, arena_t *arena, berth_blobs_t *ret_argv,
           berth_error_t *err)
{
    if ((ask->command.size > 0) == (ask->script.size > 0))
        return s_fail ("command", BERTH_INVALID, "or 'script' is needed, one and only one of them",
                       err);
    if (ask->script.size && ask->args.count)
        return s_fail ("args", BERTH_INVALID, "goes with 'command', not with 'script'", err);
    berth_bytes_t *argv = arena_array (arena, ask->args.count + 3, berth_bytes_t);
    size_t count = 0;
    if (ask->script.size) {
        const char *shell = any_text (s_metadata (lease), "shellCommand", arena);
        argv [count++] = s_bytes (shell && strcmp (shell, "bash") == 0 ? "bash" : "sh");
        argv [count++] = s_bytes ("-lc");
        argv [count++] = ask->script;
    }
    else {
        argv [count++] = ask->command;
        for (size_t index = 0; index < ask->args.count; index++)
            argv [count++] = ask->args.items [index];
    }
    for (size_t index = 0; index < count; index++)
        if (s_has_zero (argv [index]))
            return s_fail (ask->script.size ? "script" : index ? "args" : "command", BERTH_INVALID,
                           "must not hold a NUL byte", err);
    *ret_argv = (berth_blobs_t) { count, argv };
    return 0;
}

int
exec_cwd (const exec_start_t *ask, const lease_t *lease, arena_t *arena, berth_bytes_t *ret_cwd,
          berth_error_t *err)
{
    if (s_has_zero (ask->cwd))
        return s_fail ("cwd", BERTH_INVALID, "must not hold a NUL byte", err);
    *ret_cwd = ask->cwd;
    if (ask->cwd.size)
        return 0;
    berth_bytes_t record = any_get (s_metadata (lease), "workspaceRealization");
    const char *path = any_text (any_get (record, "remote"), "path", arena);
    if (!path && lease->driver && strcmp (lease->driver, "local") == 0)
        path = any_text (any_get (record, "local"), "path", arena);
    if (!path)
        path = any_text (s_metadata (lease), "remoteCwd", arena);
    if (path)
        *ret_cwd = s_bytes (path);
    return 0;
}

//  ---- environment

static bool
s_is_name (berth_bytes_t name)
{
    for (size_t index = 0; index < name.size; index++) {
        uint8_t at = name.data [index];
        bool letter = (at >= 'A' && at <= 'Z') || (at >= 'a' && at <= 'z') || at == '_';
        if (!letter && !(index > 0 && at >= '0' && at <= '9'))
            return false;
    }
    return name.size > 0;
}

//  The bytes of a packed text or bin.
static bool
s_is_text (berth_bytes_t packed, berth_bytes_t *ret_text)
{
    wire_t wire = wire_of (packed);
    wire_token_t token;
    if (packed.size == 0 || wire_next (&wire, &token)
        || (token.type != WIRE_STR && token.type != WIRE_BIN))
        return false;
    *ret_text = (berth_bytes_t) { token.data, token.size };
    return true;
}

//  Whom to ask for a secret.
typedef struct {
    exec_secret_fn *secret;
    void *context;
    arena_t *arena;
} source_t;

static bool
s_says (berth_bytes_t type, const char *text)
{
    return type.size == strlen (text) && memcmp (type.data, text, type.size) == 0;
}

static int
s_secret (const source_t *source, berth_bytes_t packed, const char *field, berth_bytes_t *ret_text,
          berth_error_t *err)
{
    const char *id = any_text (packed, "secretId", source->arena);
    berth_bytes_t version = any_get (packed, "version");
    wire_t wire = wire_of (version);
    wire_token_t token = { .type = WIRE_NIL };
    if (!id || !berth_id_is (id))
        return s_fail (field, BERTH_INVALID, "needs the secretId of a secret", err);
    if (version.size && wire_next (&wire, &token))
        return s_fail (field, BERTH_INVALID, "has a version that is none", err);
    bool latest = token.type == WIRE_NIL || (token.type == WIRE_STR
                                             && s_says ((berth_bytes_t) { token.data, token.size }, "latest"));
    if (!latest && (token.type != WIRE_UINT || token.number == 0))
        return s_fail (field, BERTH_INVALID, "has a version that is none: a number, or latest", err);
    return source->secret (source->context, field, id, latest ? 0 : token.number, ret_text, err);
}

//  The text of one value as it came: text, {type: plain, value}, or that of a secret.
static int
s_value (const source_t *source, berth_bytes_t packed, const char *field, berth_bytes_t *ret_text,
         berth_error_t *err)
{
    static const char s_shape [] = "must be text, {type: plain, value} or {type: secret_ref, ...}";
    if (!s_is_text (packed, ret_text)) {
        berth_bytes_t type;
        if (!s_is_text (any_get (packed, "type"), &type))
            return s_fail (field, BERTH_INVALID, s_shape, err);
        if (s_says (type, "secret_ref")) {
            if (s_secret (source, packed, field, ret_text, err))
                return -1;
        }
        else if (!s_says (type, "plain") || !s_is_text (any_get (packed, "value"), ret_text))
            return s_fail (field, BERTH_INVALID, s_shape, err);
    }
    if (s_has_zero (*ret_text))
        return s_fail (field, BERTH_INVALID, "must not hold a NUL byte", err);
    return 0;
}

static berth_bytes_t
s_entry (berth_bytes_t name, berth_bytes_t text, arena_t *arena)
{
    uint8_t *entry = arena_take (arena, name.size + text.size + 2);
    memcpy (entry, name.data, name.size);
    entry [name.size] = '=';
    if (text.size)
        memcpy (entry + name.size + 1, text.data, text.size);
    return (berth_bytes_t) { entry, name.size + 1 + text.size };
}

int
exec_env (const exec_start_t *ask, const lease_t *lease, exec_secret_fn *secret, void *context,
          arena_t *arena, berth_blobs_t *ret_env, berth_error_t *err)
{
    source_t source = { secret, context, arena };
    berth_bytes_t policy = lease->env_policy ? lease->env_policy->env : berth_empty_map;
    berth_bytes_t all = ask->env.size ? any_merge (policy.size ? policy : berth_empty_map, ask->env,
                                                   true, arena)
                                      : policy;
    size_t count = 0, position = 0, room = any_count (all);
    if (room > ENTRIES_MAX)
        return s_fail ("env", BERTH_INVALID, "has too many entries", err);
    berth_bytes_t *entries = arena_array (arena, room + 1, berth_bytes_t);
    berth_bytes_t name, packed, text = { NULL, 0 };
    while (any_each (all, &position, &name, &packed)) {
        int shown = (int) (name.size < 80 ? name.size : 80);
        const char *field = arena_printf (arena, "env.%.*s", shown, (const char *) name.data);
        if (!s_is_name (name))
            return s_fail (field, BERTH_INVALID,
                           "is no name of a variable: letters, digits and _ only", err);
        if (s_value (&source, packed, field, &text, err))
            return -1;
        entries [count++] = s_entry (name, text, arena);
    }
    *ret_env = (berth_blobs_t) { count, entries };
    return 0;
}
