//  configure.c - owns nothing: turns a ZPL tree into a packed map, and lets the codec judge it.

#include "configure.h"

#include "codec.h"

#include <czmq.h>
#include <msgpack.h>

//  A text that is a whole number, as such; else -1.
static int
s_number (const char *text, uint64_t *ret_number)
{
    if (*text < '0' || *text > '9')
        return -1;
    char *end;
    errno = 0;
    unsigned long long number = strtoull (text, &end, 10);
    *ret_number = number;
    return errno || *end ? -1 : 0;
}

//  ZPL has texts only: the schema says which of them are numbers or truths. What does not look
//  like one stays a text, and the codec says what is wrong with it.
static void
s_pack_value (msgpack_packer *pk, const berth_field_t *field, const char *text)
{
    uint64_t number;
    if (field && field->kind == KIND_BOOL && (streq (text, "true") || streq (text, "1")))
        msgpack_pack_true (pk);
    else if (field && field->kind == KIND_BOOL && (streq (text, "false") || streq (text, "0")))
        msgpack_pack_false (pk);
    else if (field && field->kind == KIND_U64 && s_number (text, &number) == 0)
        msgpack_pack_uint64 (pk, number);
    else
        msgpack_pack_str_with_body (pk, text, strlen (text));
}

//  The values below a list of texts are its elements, whatever their names; a text alone is the
//  only one.
static void
s_pack_texts (msgpack_packer *pk, zconfig_t *parent)
{
    size_t count = 0;
    for (zconfig_t *child = zconfig_child (parent); child; child = zconfig_next (child))
        count++;
    const char *alone = zconfig_value (parent);
    msgpack_pack_array (pk, count ? count : 1);
    if (!count)
        s_pack_value (pk, NULL, alone ? alone : "");
    for (zconfig_t *child = zconfig_child (parent); child; child = zconfig_next (child)) {
        const char *text = zconfig_value (child);
        s_pack_value (pk, NULL, text ? text : "");
    }
}

static void s_pack (msgpack_packer *pk, const berth_schema_t *schema, zconfig_t *parent);

//  The sections below a list are its elements, whatever their names.
static void
s_pack_list (msgpack_packer *pk, const berth_schema_t *schema, zconfig_t *parent)
{
    size_t count = 0;
    for (zconfig_t *child = zconfig_child (parent); child; child = zconfig_next (child))
        count++;
    msgpack_pack_array (pk, count);
    for (zconfig_t *child = zconfig_child (parent); child; child = zconfig_next (child))
        s_pack (pk, schema, child);
}

static void
s_pack (msgpack_packer *pk, const berth_schema_t *schema, zconfig_t *parent)
{
    size_t count = 0;
    for (zconfig_t *child = zconfig_child (parent); child; child = zconfig_next (child))
        count++;
    msgpack_pack_map (pk, count);
    for (zconfig_t *child = zconfig_child (parent); child; child = zconfig_next (child)) {
        const char *name = zconfig_name (child), *text = zconfig_value (child);
        const berth_field_t *field = schema ? berth_schema_field (schema, name) : NULL;
        msgpack_pack_str_with_body (pk, name, strlen (name));
        if (field && field->kind == KIND_LIST)
            s_pack_list (pk, field->of, child);
        else if (field && (field->kind == KIND_STRS || field->kind == KIND_BLOBS))
            s_pack_texts (pk, child);
        else if (zconfig_child (child))
            s_pack (pk, field && field->kind == KIND_OBJ ? field->of : NULL, child);
        else
            s_pack_value (pk, field, text ? text : "");
    }
}

int
configure_text (const char *name, berth_bytes_t text, arena_t *arena,
                configuration_t *ret_configuration, berth_error_t *err)
{
    if (text.size > CONFIGURATION_SIZE_MAX)
        return berth_fail (err, BERTH_INVALID, "the configuration %s is larger than %d bytes", name,
                           CONFIGURATION_SIZE_MAX);
    own (zchunk) chunk = zchunk_new (text.data, text.size);
    own (zconfig) root = zconfig_chunk_load (chunk);
    if (!root)
        return berth_fail (err, BERTH_INVALID, "the configuration %s is not a ZPL file", name);
    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    s_pack (&pk, &configuration_schema, root);
    if (berth_unpack (&configuration_schema, berth_buffer_bytes (&buffer), arena, ret_configuration,
                      err)) {
        berth_error_set (err->remedy, sizeof err->remedy, "mend %s; berthd.conf(5) has the keys", name);
        return -1;
    }
    return 0;
}

int
configure (const char *path, arena_t *arena, configuration_t *ret_configuration, berth_error_t *err)
{
    FILE *file = fopen (path, "re");
    if (!file)
        return berth_fail_errno (err, errno == ENOENT ? BERTH_NOT_FOUND : BERTH_FORBIDDEN,
                                 "cannot read the configuration %s", path);
    char *text = arena_take (arena, CONFIGURATION_SIZE_MAX + 1);
    size_t size = fread (text, 1, CONFIGURATION_SIZE_MAX + 1, file);
    bool broken = ferror (file);
    fclose (file);
    if (broken)
        return berth_fail (err, BERTH_INVALID, "the configuration %s is not a ZPL file", path);
    return configure_text (path, (berth_bytes_t) { (uint8_t *) text, size }, arena,
                           ret_configuration, err);
}
