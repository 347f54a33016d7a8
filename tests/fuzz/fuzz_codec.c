//  fuzz_codec.c - any bytes as a message of any schema: 2 bytes name the schema, the rest is the frame.
//
//  burst: 90000
//  length: 4096
//
//  What comes out is read or refused, never a crash, a leak or a byte too far (the sanitizers tell).
//  What is read reserves no more than its bytes can account for, can be written, and reads as the
//  same again; what is refused names the field.

#include "fuzz.h"

#include "codec.h"
#include "json.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

//  The widest struct that a message of this schema may hold many of.
static size_t
s_width (const berth_schema_t *schema)
{
    size_t width = schema->size;
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        size_t inner = field->kind == KIND_OBJ || field->kind == KIND_LIST ? s_width (field->of) : 0;
        width = inner > width ? inner : width;
    }
    return width;
}

//  What so many bytes of this schema may take of an arena at most.
static size_t
s_bound (const berth_schema_t *schema, size_t size)
{
    static struct { const berth_schema_t *schema; size_t width; } s_last;
    if (s_last.schema != schema) {
        s_last.schema = schema;
        s_last.width = s_width (schema);
    }
    size_t elements = size < BERTH_ELEMENTS_MAX ? size : BERTH_ELEMENTS_MAX;
    return 64 + schema->size + 2 * size + elements * (s_last.width + 48);
}

//  The path begins with a field of the schema; or, in a strict one, with what is no field of it.
static void
s_check_path (const berth_schema_t *schema, const berth_error_t *err)
{
    if (!err->field [0]) {                  //  The message itself; or a key that is the empty text
        FUZZ_MUST (strstr (err->text, "must be a map") || strstr (err->text, "'' is not known"), "%s",
                   err->text);
        return;
    }
    char first [sizeof err->field];
    snprintf (first, sizeof first, "%.*s", (int) strcspn (err->field, ".["), err->field);
    bool known = berth_schema_field (schema, first);
    FUZZ_MUST (known || (schema->flags & SCHEMA_STRICT), "%s has no '%s': %s", schema->name, first,
               err->text);
    FUZZ_MUST (strstr (err->text, err->field), "'%s' is not in: %s", err->field, err->text);
}

static void
s_try_any (berth_bytes_t bytes, arena_t *arena)
{
    size_t position = 0, seen = 0;
    berth_bytes_t key, value;
    while (any_each (bytes, &position, &key, &value)) {
        FUZZ_MUST (value.size && value.data + value.size <= bytes.data + bytes.size, "beyond the map");
        seen++;
    }
    FUZZ_MUST (seen == any_count (bytes), "%zu of %zu pairs", seen, any_count (bytes));
    FUZZ_MUST (any_equal (bytes, bytes), "it is not equal to itself");
    berth_bytes_t same = any_merge (berth_empty_map, bytes, false, arena);
    FUZZ_MUST (any_count (bytes) == 0 || any_equal (same, bytes), "laid over nothing it is another");
    berth_error_t err = { 0 };
    FUZZ_MUST (wire_check (same, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, &err) == 0, "%s", err.text);
}

static void
s_try_text (const berth_schema_t *schema, berth_bytes_t bytes, arena_t *arena)
{
    const char *text = berth_json_text (schema, bytes, BERTH_JSON_COMPACT, arena);
    size_t size = strlen (text);
    FUZZ_MUST (wire_is_text ((const uint8_t *) text, size), "JSON that is no text");
    for (size_t index = 0; index < size; index++)
        FUZZ_MUST ((uint8_t) text [index] >= 0x20 && text [index] != 0x7f, "a control byte: %s", text);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static arena_t *arena;
    if (!arena)
        arena = arena_new ();
    arena_clear (arena);
    if (size < 2)
        return 0;
    const berth_schema_t *schema = fuzz_schema ((unsigned) data [0] | (unsigned) data [1] << 8);
    berth_bytes_t bytes = { data + 2, size - 2 };
    berth_error_t err = { 0 }, walk = { 0 };
    void *message = arena_take (arena, schema->size), *again = arena_take (arena, schema->size);

    bool whole = wire_check (bytes, BERTH_DEPTH_MAX, BERTH_ELEMENTS_MAX, &walk) == 0;
    if (!whole)
        fuzz_check_failure (&walk, BERTH_INVALID);
    size_t before = arena_used (arena);
    bool good = berth_unpack (schema, bytes, arena, message, &err) == 0;
    size_t taken = arena_used (arena) - before;
    FUZZ_MUST (taken <= s_bound (schema, bytes.size), "%zu bytes of %s take %zu", bytes.size,
               schema->name, taken);
    FUZZ_MUST (whole || !good, "%s was read: %s", schema->name, walk.text);
    if (good) {
        berth_bytes_t packed = berth_pack (schema, message, arena);
        FUZZ_MUST (berth_unpack (schema, packed, arena, again, &err) == 0,
                   "%s: what was read cannot be read again: %s", schema->name, err.text);
        berth_bytes_t twice = berth_pack (schema, again, arena);
        FUZZ_MUST (twice.size == packed.size && memcmp (twice.data, packed.data, twice.size) == 0,
                   "%s: it is packed otherwise the second time", schema->name);
        memset (again, 0, schema->size);
        FUZZ_MUST (berth_unpack_own (schema, packed, arena, again, &err) == 0, "%s: not as our own: %s",
                   schema->name, err.text);
    }
    else {
        fuzz_check_failure (&err, BERTH_INVALID);
        if (whole)
            s_check_path (schema, &err);
        //  The store's own rows are not walked first; a damaged disk is refused all the same
        before = arena_used (arena);
        (void) berth_unpack_own (schema, bytes, arena, again, NULL);
        taken = arena_used (arena) - before;
        FUZZ_MUST (taken <= s_bound (schema, bytes.size), "%zu own bytes of %s take %zu", bytes.size,
                   schema->name, taken);
    }
    if (whole) {
        s_try_any (bytes, arena);
        s_try_text (schema, bytes, arena);
    }
    return 0;
}
