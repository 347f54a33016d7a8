//  ssh_config.c - owns the shape and rules of a config of driver ssh (Paperclip: reference, 2.2).

#include "ssh.h"

#include "codec.h"
#include "wire.h"

#include <string.h>

BERTH_SCHEMA (secret_ref, SECRET_REF, SCHEMA_STRICT, "A reference to a secret.");
BERTH_SCHEMA (ssh_config, SSH_CONFIG, SCHEMA_STRICT | SCHEMA_ROW, "Config of driver ssh.");

static int
s_wrong (berth_error_t *err, const char *field, const char *what)
{
    if (err)
        berth_error_set (err->field, sizeof err->field, "%s", field);
    return berth_fail (err, BERTH_INVALID, "%s %s", field, what);
}

//  A number that may come as text.
static bool
s_number (berth_bytes_t value, uint64_t *ret_number)
{
    wire_t wire = wire_of (value);
    wire_token_t token;
    if (wire_next (&wire, &token))
        return false;
    if (token.type == WIRE_UINT) {
        *ret_number = token.number;
        return true;
    }
    if (token.type != WIRE_STR || token.size == 0 || token.size > 15)
        return false;
    uint64_t number = 0;
    for (size_t at = 0; at < token.size; at++) {
        if (token.data [at] < '0' || token.data [at] > '9')
            return false;
        number = number * 10 + (uint64_t) (token.data [at] - '0');
    }
    *ret_number = number;
    return true;
}

static bool
s_is_latest (berth_bytes_t value)
{
    wire_t wire = wire_of (value);
    wire_token_t token;
    return wire_next (&wire, &token) == 0 && token.type == WIRE_STR && token.size == 6
        && memcmp (token.data, "latest", 6) == 0;
}

static const char *
s_trimmed (const char *text, arena_t *arena)
{
    text += strspn (text, " \t\r\n");
    size_t size = strlen (text);
    while (size && strchr (" \t\r\n", text [size - 1]))
        size--;
    return arena_text (arena, text, size);
}

static bool
s_is_line (const char *text)
{
    for (const char *at = text; *at; at++)
        if ((unsigned char) *at < 32 || *at == 127)
            return false;
    return true;
}

//  Names of hosts and users come to where a shell may see them: ProxyCommand, Match exec.
static int
s_name (const char *name, const char *field, berth_error_t *err)
{
    if (!*name)
        return s_wrong (err, field, "must not be empty");
    if (*name == '-')
        return s_wrong (err, field, "must not begin with a dash");
    if (!s_is_line (name) || strpbrk (name, " '\"`$\\;&<>|(){}"))
        return s_wrong (err, field, "holds a character that no such name has");
    return 0;
}

static int
s_secret_ref (const secret_ref_t *ref, berth_error_t *err)
{
    uint64_t version;
    if (strcmp (ref->type, "secret_ref"))
        return s_wrong (err, "config.privateKeySecretRef.type", "must be 'secret_ref'");
    if (ref->version.size && !s_is_latest (ref->version)
        && (!s_number (ref->version, &version) || version == 0))
        return s_wrong (err, "config.privateKeySecretRef.version",
                        "must be 'latest' or a number from 1");
    return 0;
}

int
ssh_read (berth_bytes_t config, arena_t *arena, ssh_config_t *ret_config, uint64_t *ret_port,
          berth_error_t *err)
{
    static const uint8_t latest [] = "\xa6latest";
    ssh_config_t ssh;
    if (berth_unpack_field ("config", &ssh_config_schema, config, arena, &ssh, err))
        return -1;
    ssh.host = s_trimmed (ssh.host, arena);
    uint64_t port = 22;
    if (s_name (ssh.host, "config.host", err) || s_name (ssh.username, "config.username", err))
        return -1;
    if (ssh.port.size && (!s_number (ssh.port, &port) || port < 1 || port > 65535))
        return s_wrong (err, "config.port", "must be a number from 1 to 65535");
    if (ssh.path [0] != '/' || !s_is_line (ssh.path))
        return s_wrong (err, "config.remoteWorkspacePath", "must be an absolute path");
    if (ssh.key_ref) {
        if (s_secret_ref (ssh.key_ref, err))
            return -1;
        secret_ref_t *ref = arena_copy (arena, ssh.key_ref, sizeof *ref);
        if (!ref->version.size)
            ref->version = (berth_bytes_t) { latest, sizeof latest - 1 };
        ssh.key_ref = ref;
    }
    if (ssh.known_hosts && !*s_trimmed (ssh.known_hosts, arena))
        ssh.known_hosts = NULL;
    if (!berth_has (ssh_config, &ssh, strict))
        berth_put (ssh_config, &ssh, strict, true);
    *ret_config = ssh;
    *ret_port = port;
    return 0;
}

int
ssh_validate (void *self, berth_bytes_t config, arena_t *arena, berth_bytes_t *ret_normal,
              berth_error_t *err)
{
    (void) self;
    ssh_config_t ssh;
    uint64_t port;
    if (ssh_read (config, arena, &ssh, &port, err))
        return -1;
    ssh.port = any_get (any_set_number (berth_empty_map, "port", port, arena), "port");
    *ret_normal = berth_pack (&ssh_config_schema, &ssh, arena);
    return 0;
}
