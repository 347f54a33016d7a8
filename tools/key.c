//  key.c - owns `berth key new`: the pair is made here, and its secret half never leaves the file.

#include "output.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

//  As zcert_save_secret of CZMQ writes it, and zmq.auth.load_certificate of Python reads it.
static int
s_write (int file, const key_options_t *options, const char *server_key, const char *public_key,
         const char *secret_key)
{
    FILE *out = fdopen (file, "w");
    if (!out)
        return -1;
    fprintf (out, "#   ZeroMQ CURVE **Secret** Certificate\n"
                  "#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\n"
                  "metadata\n    name = \"%s\"\n    server-key = \"%s\"\n"
                  "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
             options->id, server_key, public_key, secret_key);
    int rc = fflush (out) || fsync (fileno (out)) ? -1 : 0;
    return fclose (out) ? -1 : rc;
}

static int
s_server_key (invocation_t *self, const char **ret_key, berth_error_t *err)
{
    bus_info_t info;
    berth_ask_t how = service_ask (self, 0);
    if (berth_client_ask (self->bus, REQUEST_BUS_INFO, NULL, &how, self->arena, &info, err))
        return -1;
    *ret_key = info.server_key;
    return info.server_key ? 0
        : berth_fail (err, BERTH_UNSUPPORTED, "this service is a private one: it has no key");
}

static int
s_ask (invocation_t *self, const key_options_t *options, const char *public_key, berth_error_t *err)
{
    static const char *const platform [] = { "platform" };
    const char *company [] = { self->company };
    key_new_t ask = {
        .id = options->id, .public_key = public_key,
        .roles = options->roles.count ? options->roles : (berth_strs_t) { 1, platform },
        .companies = options->companies.count ? options->companies : (berth_strs_t) { 1, company },
        .roots = options->roots,
    };
    berth_ask_t how = service_ask (self, 0);
    berth_bytes_t reply;
    output_t out = output_stdout (self->common.json, self->common.quiet);
    return berth_client_call (self->bus, "key.new", berth_pack (&key_new_schema, &ask, self->arena),
                              &how, self->arena, &reply, err)
        || output_reply (&out, &principal_schema, reply, true, self->arena, err) < 0 ? -1 : 0;
}

//  The file comes first: a key that was let in and cannot be written would be lost.
static int
s_make (invocation_t *self, const key_options_t *options, berth_error_t *err)
{
    const char *server_key, *path = options->file.size
        ? arena_text (self->arena, (const char *) options->file.data, options->file.size)
        : arena_printf (self->arena, "%s.zcert", options->id);
    char public_key [41], secret_key [41];
    if (s_server_key (self, &server_key, err))
        return -1;
    if (strchr (options->id, '/') || strchr (options->id, '"'))
        return berth_fail (err, BERTH_INVALID, "a key's name is of letters, digits and . _ -");
    int file = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return berth_fail_errno (err, errno == EEXIST ? BERTH_CONFLICT : BERTH_FORBIDDEN,
                                 "cannot make %s", path);
    if (zmq_curve_keypair (public_key, secret_key)) {
        close (file);
        unlink (path);
        return berth_fail (err, BERTH_UNSUPPORTED, "libzmq was built without CURVE");
    }
    int rc = s_write (file, options, server_key, public_key, secret_key);
    explicit_bzero (secret_key, sizeof secret_key);
    if (rc)
        rc = berth_fail_errno (err, BERTH_FORBIDDEN, "cannot write %s", path);
    if (rc || s_ask (self, options, public_key, err)) {
        unlink (path);
        return -1;
    }
    if (!self->common.quiet)
        output_note ("its secret key is in %s, and nowhere else", path);
    return 0;
}

int
key_new_command (invocation_t *self, berth_error_t *err)
{
    key_options_t options;
    if (berth_unpack (&key_options_schema, self->body, self->arena, &options, err))
        return -1;
    return options.public_key ? s_ask (self, &options, options.public_key, err)
                              : s_make (self, &options, err);
}

int
key_server_command (invocation_t *self, berth_error_t *err)
{
    const char *key;
    if (s_server_key (self, &key, err))
        return -1;
    if (self->common.json)
        printf ("{\"serverKey\":%s}\n", output_json (NULL, any_get (any_set_text (berth_empty_map, "k",
                key, self->arena), "k"), self->arena));
    else
        printf ("%s\n", key);
    return 0;
}
