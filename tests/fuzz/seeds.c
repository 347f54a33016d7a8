//  seeds.c - writes what the corpora began with: seeds FOLDER makes FOLDER/<target>/<name>.
//
//  A message of every schema with typical values, and with the required ones only; the same as JSON
//  and as words of a command line; configurations; scripts of spools; talks with a shim.

#include "fuzz.h"
#include "seeds.h"

#include "codec.h"
#include "flags.h"
#include "json.h"
#include "requests.h"

#include <fcntl.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *s_folder;

void
seed_write (const char *target, const char *name, const void *data, size_t size)
{
    char path [4096];
    snprintf (path, sizeof path, "%s/%s", s_folder, target);
    (void) mkdir (path, 0755);
    snprintf (path, sizeof path, "%s/%s/%s", s_folder, target, name);
    FILE *file = fopen (path, "we");
    FUZZ_MUST (file && fwrite (data, 1, size, file) == size && fclose (file) == 0, "%s", path);
}

void
seed_add (seed_t *self, const void *data, size_t size)
{
    FUZZ_MUST (self->size + size <= sizeof self->data, "a seed of %zu bytes", self->size + size);
    memcpy (self->data + self->size, data, size);
    self->size += size;
}

void
seed_number (seed_t *self, uint64_t number, size_t size)
{
    seed_add (self, &number, size);
}

//  ---- messages of every schema

static const char s_id [] = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

static void s_pack_map (msgpack_packer *pk, const berth_schema_t *schema, bool full, unsigned depth);

static void
s_pack_text (msgpack_packer *pk, const char *text)
{
    msgpack_pack_str_with_body (pk, text, strlen (text));
}

static const char *
s_text_of (const berth_field_t *field)
{
    return field->kind == KIND_ID ? s_id : strcmp (field->name, "companyId") == 0 ? "acme"
         : field->kind == KIND_BYTES ? "/home/agent" : "a text";
}

static void
s_pack_value (msgpack_packer *pk, const berth_field_t *field, bool full, unsigned depth)
{
    switch (field->kind) {
        case KIND_BOOL: msgpack_pack_true (pk); break;
        case KIND_I64: msgpack_pack_int64 (pk, -7); break;
        case KIND_TIME: msgpack_pack_int64 (pk, 1778491800123); break;
        case KIND_U64: msgpack_pack_uint64 (pk, field->limit && field->limit < 3000 ? field->limit : 3000); break;
        case KIND_F64: msgpack_pack_double (pk, 0.5); break;
        case KIND_STR: case KIND_BYTES: case KIND_ID: s_pack_text (pk, s_text_of (field)); break;
        case KIND_ENUM: {
            const berth_enum_t *of = field->of;
            s_pack_text (pk, of->texts [of->count - 1]);
            break;
        }
        case KIND_OBJ: s_pack_map (pk, field->of, full, depth ? depth - 1 : 0); break;
        case KIND_LIST: case KIND_STRS: case KIND_BLOBS:
            msgpack_pack_array (pk, depth ? 2 : 0);
            for (int index = 0; depth && index < 2; index++)
                if (field->kind == KIND_LIST)
                    s_pack_map (pk, field->of, full, depth - 1);
                else
                    s_pack_text (pk, index ? "PATH=/usr/bin" : "make");
            break;
        case KIND_ANY:
        default:
            msgpack_pack_map (pk, 2);
            s_pack_text (pk, "provider");
            s_pack_text (pk, "bubblewrap");
            s_pack_text (pk, "list");
            msgpack_pack_array (pk, 3);
            msgpack_pack_double (pk, 2.5);
            msgpack_pack_nil (pk);
            msgpack_pack_bin_with_body (pk, "\xff\xfe", 2);
    }
}

static void
s_pack_map (msgpack_packer *pk, const berth_schema_t *schema, bool full, unsigned depth)
{
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            msgpack_pack_map (pk, count);
        for (size_t index = 0; index < schema->count; index++) {
            const berth_field_t *field = &schema->fields [index];
            bool nested = field->kind == KIND_OBJ || field->kind == KIND_LIST;
            if (!(field->flags & REQUIRED) && (!full || (nested && depth == 0)))
                continue;
            count += pass == 0;
            if (pass) {
                s_pack_text (pk, field->name);
                s_pack_value (pk, field, full, depth);
            }
        }
    }
}

static void
s_words (const berth_schema_t *schema)
{
    static const char *const times [] = { "30s", "1.5h", "none", "250ms" };
    seed_t seed = { 0 };
    seed_number (&seed, fuzz_schema_number (schema), 2);
    for (size_t index = 0; index < schema->count && seed.size < sizeof seed.data - 300; index++) {
        const berth_field_t *field = &schema->fields [index];
        const berth_enum_t *of = field->of;
        char name [100], word [200];
        flags_name (field, name, sizeof name);
        const char *kind = flags_value (field);
        const char *value = strncmp (kind, "TIME", 4) == 0 ? times [index % 4]
            : strcmp (kind, "SIZE") == 0 ? "64K" : strcmp (kind, "N") == 0 ? "17"
            : strcmp (kind, "WHEN") == 0 ? "2026-05-11T09:30:00Z" : strcmp (kind, "JSON") == 0 ? "{\"a\":[1,null]}"
            : strcmp (field->name, "signal") == 0 ? "SIGTERM"
            : field->kind == KIND_ENUM ? of->texts [1] : s_text_of (field);
        if (field->kind == KIND_BOOL)
            snprintf (word, sizeof word, "--%s%s", index & 1 ? "no-" : "", name);
        else if (index & 1)
            snprintf (word, sizeof word, "--%s=%s", name, value);
        else
            snprintf (word, sizeof word, "--%s", name);
        seed_add (&seed, word, strlen (word) + 1);
        if (field->kind != KIND_BOOL && !(index & 1))
            seed_add (&seed, value, strlen (value) + 1);
    }
    seed_write ("flags", schema->name, seed.data, seed.size);
}

static void
s_messages (void)
{
    own (arena) arena = arena_new ();
    const berth_schema_t *schema;
    for (size_t index = 0; (schema = berth_schema_at (index)); index++) {
        for (unsigned full = 0; full < 2; full++) {
            arena_clear (arena);
            berth_buffer_t buffer = { .arena = arena };
            msgpack_packer pk;
            msgpack_packer_init (&pk, &buffer, berth_buffer_write);
            s_pack_map (&pk, schema, full, 2);
            berth_bytes_t bytes = berth_buffer_bytes (&buffer);
            if (bytes.size > 3000)
                continue;
            seed_t seed = { 0 };
            char name [120];
            seed_number (&seed, fuzz_schema_number (schema), 2);
            seed_add (&seed, bytes.data, bytes.size);
            snprintf (name, sizeof name, "%s-%u", schema->name, full);
            seed_write ("codec", name, seed.data, seed.size);
            const char *text = berth_json_text (NULL, bytes, index & 1 ? BERTH_JSON_PRETTY : 0, arena);
            if (full && strlen (text) < 1500)
                seed_write ("json", schema->name, text, strlen (text));
        }
        s_words (schema);
    }
}

static void
s_texts (void)
{
    static const char *const json [] = {
        "[0,-1,18446744073709551615,-9223372036854775808,1e308,0.1,-0.0,1E-7]",
        "{\"base64\":\"/wD+\"}", "[\"\\u00e9\\ud83d\\ude00\\n\\\\\\/\\\"\",\"\xc3\xa9\xf0\x9f\x98\x80\"]",
        "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "{\"a\":{\"a\":{\"a\":[true,false,null]}}}", " \r\n\t{ } ",
        "[18446744073709551616]", "\"\\ud800\"", "{\"a\":1,\"a\":2}"
    };
    static const char *const configurations [] = {
        "state = /var/lib/berth\nruntime = /run/berth\nstoreMax = 1073741824\n",
        "#   a comment\nuids\n    first = 900000\n    count = 50000\nlocalAsRoot = true\n",
        "testProviders = 1\nuids\n    first = \"900000\"\n    count = many\n",
        "colour = red\n", "uids\n        first = 1\n", "state = 'quoted text'\nempty =\n", "=\n", "\tstate = x\n",
        "events\n    tcp = \"tcp://127.0.0.1:5555\"\n    ipc\n        path = /run/x\n        role = observer\n"
    };
    char name [40];
    for (size_t index = 0; index < BERTH_COUNT (json); index++) {
        snprintf (name, sizeof name, "text-%zu", index);
        seed_write ("json", name, json [index], strlen (json [index]));
    }
    for (size_t index = 0; index < BERTH_COUNT (configurations); index++) {
        snprintf (name, sizeof name, "text-%zu", index);
        seed_write ("configure", name, configurations [index], strlen (configurations [index]));
    }
}

//  ---- spools, as fuzz_spool.c reads them

enum { OPEN = 2, APPEND, END = 6, RELEASE, TEAR, FLIP, ROOM, ROOM_MAX, SIZE, READ_END, READ, CLOSE };

static void
s_append (seed_t *seed, int stream, unsigned size)
{
    seed_number (seed, APPEND, 1);
    seed_number (seed, (unsigned) stream - 1, 1);
    seed_number (seed, size, 2);
}

static void
s_read (seed_t *seed, unsigned stream, unsigned size)
{
    seed_number (seed, READ, 1);
    seed_number (seed, stream - 1, 1);
    seed_number (seed, size ? 0 : 4, 1);
    if (size)
        seed_number (seed, size - 1, 1);
}

static void
s_spools (void)
{
    static const uint8_t order [] = { SIZE, READ_END, CLOSE, OPEN };
    for (unsigned kind = 0; kind < 18; kind++) {
        unsigned most = kind % 6, policy = kind / 6;
        seed_t seed = { 0 };
        char name [40];
        seed_number (&seed, most, 1);
        seed_number (&seed, policy, 1);
        seed_number (&seed, OPEN, 1);
        for (unsigned step = 0; step < 5; step++) {
            s_append (&seed, step % 3 ? 1 : 2, 10 + step * 700);
            s_read (&seed, step % 3 + 1, step * 20);
        }
        seed_number (&seed, SIZE, 1);
        seed_number (&seed, policy == 2 ? RELEASE : ROOM, 1);
        seed_number (&seed, 700, 2);
        s_append (&seed, 1, 2000);
        seed_number (&seed, ROOM_MAX, 1);
        if (kind & 1) {
            seed_number (&seed, TEAR, 1);
            seed_number (&seed, 0, 2);                      //  The first segment,
            seed_number (&seed, 50 + kind * 10, 2);         //  at this byte
            seed_number (&seed, 0, 1);
        }
        seed_add (&seed, order, sizeof order);
        seed_number (&seed, END, 1);
        seed_number (&seed, 3, 1);
        seed_add (&seed, "end", 3);
        snprintf (name, sizeof name, "written-%u", kind);
        seed_write ("spool", name, seed.data, seed.size);
    }
    for (unsigned kind = 0; kind < 8; kind++) {             //  Segments that were laid down
        seed_t seed = { 0 };
        char name [40];
        seed_number (&seed, 3, 1);
        seed_number (&seed, kind, 1);
        for (unsigned segment = 0; segment < 3; segment++) {
            seed_number (&seed, 0, 1);
            seed_number (&seed, 0, 1);
            seed_number (&seed, segment, 1);
            seed_number (&seed, 1 + 4 * (kind & 3) + 16 + (kind & 4 ? 32 : 0), 1);
            seed_number (&seed, 0, 2);
            seed_number (&seed, segment * (kind & 1 ? 20 : 40), 1);
            seed_number (&seed, segment * 3, 1);
            seed_number (&seed, 40, 2);
        }
        s_read (&seed, 1 + kind % 3, 0);
        s_read (&seed, 1 + kind % 3, 0);
        seed_number (&seed, SIZE, 1);
        snprintf (name, sizeof name, "laid-%u", kind);
        seed_write ("spool", name, seed.data, seed.size);
    }
}

//  ---- messages to the front door, as fuzz_front.c reads them

static void
s_fronts (void)
{
    for (unsigned type = 0; type < REQUEST_COUNT; type++)
        for (unsigned kind = 0; kind < 2; kind++) {
            seed_t seed = { 0 };
            char name [100];
            for (unsigned peer = 0; peer < 8; peer++) {
                seed_number (&seed, peer * 16 + 2, 1);              //  A request of this type,
                seed_number (&seed, type, 1);
                unsigned flags = kind ? peer | (peer & 3) << 3 : peer;
                seed_number (&seed, flags, 1);
                if (flags & 8)
                    seed_number (&seed, 1000, 2);
                if (flags & 16)
                    seed_number (&seed, 1000, 2);
                seed_number (&seed, 1, 1);
                seed_number (&seed, 0x80, 1);
                if (kind) {                                         //  and its answer
                    seed_number (&seed, 6, 1);
                    seed_number (&seed, peer, 1);
                    seed_number (&seed, peer % 3, 1);
                    seed_number (&seed, 0, 2);
                }
            }
            snprintf (name, sizeof name, "%s-%u", request_row ((request_code_t) type)->type, kind);
            seed_write ("front", name, seed.data, seed.size);
        }
    static const char *const raw [] = { "", "\xc1", "\x81\xa1v\x01",
        "\x83\xa1v\x01\xa2id\xa1" "a\xa4type\xa8" "bus.ping", "\xdf\xff\xff\xff\xff", "\x91\x91\x91\x91" };
    for (unsigned first = 0; first < BERTH_COUNT (raw); first++) {
        seed_t seed = { 0 };
        char name [40];
        for (unsigned count = 0; count < 5; count++) {
            seed_number (&seed, count * 16, 1);
            seed_number (&seed, count, 1);
            for (unsigned index = 0; index < count; index++) {
                const char *text = raw [(first + index) % BERTH_COUNT (raw)];
                seed_number (&seed, strlen (text), index ? 2 : 1);
                seed_add (&seed, text, strlen (text));
            }
        }
        seed_number (&seed, 9, 1);
        seed_number (&seed, first, 1);
        seed_number (&seed, 12, 1);
        seed_number (&seed, first * 9, 1);
        snprintf (name, sizeof name, "frames-%u", first);
        seed_write ("front", name, seed.data, seed.size);
    }
}

int
main (int argc, char **argv)
{
    if (argc != 2) {
        fprintf (stderr, "seeds: which folder?\n");
        return 2;
    }
    s_folder = argv [1];
    s_messages ();
    s_texts ();
    s_spools ();
    s_fronts ();
    seeds_shim ();
    return 0;
}
