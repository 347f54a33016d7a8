//  client_curve.c - owns nothing: it reads a certificate file (zcert) and sets its keys.

#include "client_curve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

//  The text of a line `name = "value"`, if it is that of 40 characters.
static void
s_take (const char *line, const char *name, char ret_key [41])
{
    line += strspn (line, " \t");
    size_t size = strlen (name);
    if (strncmp (line, name, size))
        return;
    line += size;
    line += strspn (line, " \t");
    if (*line++ != '=')
        return;
    line += strspn (line, " \t");
    const char *end = NULL;
    if (*line == '"')
        end = strchr (++line, '"');
    if (end && end - line == 40)
        snprintf (ret_key, 41, "%.40s", line);
}

static int
s_check (const char *key, const char *what, const char *where, berth_error_t *err)
{
    uint8_t bytes [40];
    if (strlen (key) == 40 && zmq_z85_decode (bytes, key))
        return 0;
    return berth_fail (err, BERTH_INVALID, "%s has no %s key of 40 characters (Z85)", where, what);
}

static int
s_read_file (const char *path, curve_t *ret_curve, berth_error_t *err)
{
    FILE *file = fopen (path, "re");
    if (!file)
        return berth_fail_errno (err, errno == ENOENT ? BERTH_NOT_FOUND : BERTH_FORBIDDEN,
                                 "cannot read the key %s", path);
    char line [512];
    while (fgets (line, sizeof line, file)) {
        s_take (line, "public-key", ret_curve->own_public);
        s_take (line, "secret-key", ret_curve->own_secret);
        s_take (line, "server-key", ret_curve->server);
    }
    fclose (file);
    explicit_bzero (line, sizeof line);
    return s_check (ret_curve->own_public, "public", path, err)
        || s_check (ret_curve->own_secret, "secret", path, err) ? -1 : 0;
}

int
curve_read (const berth_connect_t *how, curve_t *ret_curve, berth_error_t *err)
{
    *ret_curve = (curve_t) { .on = how->key_file != NULL };
    if (!how->key_file)
        return how->server_key
            ? berth_fail (err, BERTH_INVALID, "a server's key alone does not let anybody in: name "
                          "the file with your own too") : 0;
    if (s_read_file (how->key_file, ret_curve, err))
        return -1;
    if (how->server_key)
        snprintf (ret_curve->server, sizeof ret_curve->server, "%s", how->server_key);
    return s_check (ret_curve->server, "server", how->server_key ? "the connection" : how->key_file,
                    err);
}

void
curve_apply (const curve_t *self, void *socket)
{
    if (self->on)
        ENSURE (zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, self->server, 41) == 0
                && zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, self->own_public, 41) == 0
                && zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, self->own_secret, 41) == 0);
}

void
curve_wipe (curve_t *self)
{
    explicit_bzero (self, sizeof *self);
}
