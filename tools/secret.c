//  secret.c - owns how a value comes to `berth secret create` and `rotate`: from a file, from stdin, or
//  typed unseen; never from the command line, where everybody could read it.

#include "output.h"
#include "service.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
s_too_large (berth_error_t *err)
{
    return berth_fail (err, BERTH_INVALID, "a value has at most %d bytes", BERTH_SECRET_VALUE_MAX);
}

//  All that a descriptor gives.
static int
s_read (int file, uint8_t *bytes, size_t *ret_size, berth_error_t *err)
{
    size_t size = 0;
    while (size <= BERTH_SECRET_VALUE_MAX) {
        ssize_t got = read (file, bytes + size, BERTH_SECRET_VALUE_MAX + 1 - size);
        if (got == 0) {
            *ret_size = size;
            return 0;
        }
        if (got < 0 && errno != EINTR)
            return berth_fail_errno (err, BERTH_FORBIDDEN, "cannot read the value");
        size += got > 0 ? (size_t) got : 0;
    }
    return s_too_large (err);
}

static int
s_from_file (invocation_t *self, berth_bytes_t named, uint8_t *bytes, size_t *ret_size,
             berth_error_t *err)
{
    const char *path = arena_text (self->arena, (const char *) named.data, named.size);
    int file = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return berth_fail_errno (err, errno == ENOENT ? BERTH_NOT_FOUND : BERTH_FORBIDDEN,
                                 "cannot read %s", path);
    int rc = s_read (file, bytes, ret_size, err);
    close (file);
    return rc;
}

//  Typed twice: what is not seen is easily mistyped.
static int
s_from_prompt (uint8_t *bytes, size_t *ret_size, berth_error_t *err)
{
    char again [4096];
    long size = terminal_hidden ("value: ", (char *) bytes, sizeof again);
    long size_again = size < 0 ? -1 : terminal_hidden ("again: ", again, sizeof again);
    bool same = size >= 0 && size == size_again && memcmp (bytes, again, (size_t) size) == 0;
    explicit_bzero (again, sizeof again);
    if (size < 0 || size_again < 0)
        return berth_fail (err, BERTH_INVALID, "no value was typed (one of over %zu bytes comes from a "
                           "file: --from-file)", sizeof again - 1);
    if (!same)
        return berth_fail (err, BERTH_INVALID, "the two values are not the same");
    *ret_size = (size_t) size;
    return 0;
}

static int
s_value (invocation_t *self, berth_bytes_t named, berth_bytes_t *ret_value, berth_error_t *err)
{
    arena_guard (self->arena);
    uint8_t *bytes = arena_take (self->arena, BERTH_SECRET_VALUE_MAX + 2);
    size_t size = 0;
    bool file = named.size > 0, typed = !file && isatty (STDIN_FILENO);
    if (file ? s_from_file (self, named, bytes, &size, err)
        : typed ? s_from_prompt (bytes, &size, err) : s_read (STDIN_FILENO, bytes, &size, err))
        return -1;
    if (!file && !typed && size && bytes [size - 1] == '\n')
        size--;
    if (size == 0)
        return berth_fail (err, BERTH_INVALID, "the value is empty");
    *ret_value = (berth_bytes_t) { bytes, size };
    return 0;
}

static int
s_ask (invocation_t *self, const char *type, berth_bytes_t ask, berth_error_t *err)
{
    berth_ask_t how = service_ask (self, 0);
    berth_bytes_t reply;
    output_t out = output_stdout (self->common.json, self->common.quiet);
    return berth_client_call (self->bus, type, ask, &how, self->arena, &reply, err)
        || output_reply (&out, &secret_schema, reply, true, self->arena, err) < 0 ? -1 : 0;
}

int
secret_create_command (invocation_t *self, berth_error_t *err)
{
    secret_options_t options;
    secret_create_t ask = { .company = self->company };
    if (berth_unpack (&secret_options_schema, self->body, self->arena, &options, err)
        || s_value (self, options.file, &ask.value, err))
        return -1;
    ask.name = options.name;
    ask.key = options.key;
    ask.description = options.description;
    return s_ask (self, "secret.create", berth_pack (&secret_create_schema, &ask, self->arena), err);
}

int
secret_rotate_command (invocation_t *self, berth_error_t *err)
{
    rotate_options_t options;
    secret_rotate_t ask = { .company = self->company };
    if (berth_unpack (&rotate_options_schema, self->body, self->arena, &options, err)
        || s_value (self, options.file, &ask.value, err))
        return -1;
    ask.id = options.id;
    return s_ask (self, "secret.rotate", berth_pack (&secret_rotate_schema, &ask, self->arena), err);
}
