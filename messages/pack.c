//  pack.c - owns nothing: walks a schema beside a struct and writes what it finds.
//
//  Every row, entry and reply goes through here, some several times: so it writes into the buffer
//  itself what msgpack-c would, the shortest form of each value. Hashes of the log stand on these
//  bytes; test_codec holds them against msgpack-c's.

#include "codec.h"

#include <string.h>

//  ---- the buffer

//  Where so many more bytes can be written.
static uint8_t *
s_room (berth_buffer_t *self, size_t size)
{
    if (self->room - self->size < size) {
        size_t room = self->room ? self->room * 2 : 1024;
        while (room - self->size < size)
            room *= 2;
        uint8_t *grown = arena_raw (self->arena, room);
        if (self->size)         //  Nothing may come from NULL
            memcpy (grown, self->data, self->size);
        self->data = grown;
        self->room = room;
    }
    return self->data + self->size;
}

static void
s_bytes (berth_buffer_t *self, const void *data, size_t size)
{
    uint8_t *at = s_room (self, size);
    if (size)
        memcpy (at, data, size);
    self->size += size;
}

int
berth_buffer_write (void *buffer, const char *data, size_t size)
{
    s_bytes (buffer, data, size);
    return 0;
}

berth_bytes_t
berth_buffer_bytes (const berth_buffer_t *buffer)
{
    return (berth_bytes_t) { buffer->data, buffer->size };
}

//  ---- values

static void
s_byte (berth_buffer_t *self, uint8_t byte)
{
    *s_room (self, 1) = byte;
    self->size++;
}

//  A lead, and a number in so many bytes behind it.
static void
s_wide (berth_buffer_t *self, uint8_t lead, uint64_t number, unsigned width)
{
    uint8_t *at = s_room (self, 1 + width);
    *at++ = lead;
    for (unsigned left = width; left--;)
        *at++ = (uint8_t) (number >> (8 * left));
    self->size += 1 + width;
}

//  The same with the shortest width there is: `lead` is that of one byte, or of two if there is none.
static void
s_sized (berth_buffer_t *self, uint8_t lead, uint64_t number, bool one)
{
    if (one && number <= UINT8_MAX)
        s_wide (self, lead, number, 1);
    else if (number <= UINT16_MAX)
        s_wide (self, lead + one, number, 2);
    else
        s_wide (self, lead + one + 1, number, 4);
}

static void
s_uint (berth_buffer_t *self, uint64_t number)
{
    if (number < 0x80)
        s_byte (self, (uint8_t) number);
    else if (number <= UINT32_MAX)
        s_sized (self, 0xcc, number, true);
    else
        s_wide (self, 0xcf, number, 8);
}

static void
s_int (berth_buffer_t *self, int64_t number)
{
    if (number >= 0)
        s_uint (self, (uint64_t) number);
    else if (number >= -32)
        s_byte (self, (uint8_t) number);
    else if (number >= INT8_MIN)
        s_wide (self, 0xd0, (uint64_t) number, 1);
    else if (number >= INT16_MIN)
        s_wide (self, 0xd1, (uint64_t) number, 2);
    else if (number >= INT32_MIN)
        s_wide (self, 0xd2, (uint64_t) number, 4);
    else
        s_wide (self, 0xd3, (uint64_t) number, 8);
}

static void
s_real (berth_buffer_t *self, double real)
{
    uint64_t bits;
    memcpy (&bits, &real, sizeof bits);
    s_wide (self, 0xcb, bits, 8);
}

static void
s_text (berth_buffer_t *self, const char *text, size_t size)
{
    if (size < 32)
        s_byte (self, (uint8_t) (0xa0 | size));
    else
        s_sized (self, 0xd9, size, true);
    s_bytes (self, text, size);
}

static void
s_blob (berth_buffer_t *self, const uint8_t *data, size_t size)
{
    s_sized (self, 0xc4, size, true);
    s_bytes (self, data, size);
}

//  A map or a list: the small form and the lead of the larger ones.
static void
s_count (berth_buffer_t *self, uint8_t few, uint8_t lead, size_t count)
{
    if (count < 16)
        s_byte (self, (uint8_t) (few | count));
    else
        s_sized (self, lead, count, false);
}

static void
s_map (berth_buffer_t *self, size_t count)
{
    s_count (self, 0x80, 0xde, count);
}

static void
s_array (berth_buffer_t *self, size_t count)
{
    s_count (self, 0x90, 0xdc, count);
}

static void
s_nil (berth_buffer_t *self)
{
    s_byte (self, 0xc0);
}

//  ---- fields

static void s_pack (berth_buffer_t *self, const berth_schema_t *schema, const void *message);

//  Has the member a value that is to be written?
static bool
s_present (const berth_field_t *field, const void *member, bool has)
{
    if (field->flags & REQUIRED)
        return true;
    switch (field->kind) {
        case KIND_BOOL:
            return has || *(const bool *) member;
        case KIND_I64: case KIND_U64: case KIND_F64: case KIND_TIME:
            return has || *(const uint64_t *) member != 0;
        case KIND_ENUM:
            return *(const int *) member != 0;
        case KIND_STR: case KIND_ID: case KIND_OBJ:
            return *(const void *const *) member != NULL;
        case KIND_BYTES: case KIND_ANY:
            return ((const berth_bytes_t *) member)->data != NULL;
        case KIND_LIST: case KIND_STRS: case KIND_BLOBS:
            return has || ((const berth_list_t *) member)->items != NULL;
        default:
            return false;
    }
}

static void
s_pack_items (berth_buffer_t *self, const berth_field_t *field, const void *member)
{
    const berth_list_t *list = member;
    s_array (self, list->count);
    for (size_t index = 0; index < list->count; index++) {
        if (field->kind == KIND_STRS) {
            const char *text = ((const berth_strs_t *) member)->items [index];
            s_text (self, text, strlen (text));
        }
        else if (field->kind == KIND_BLOBS) {
            berth_bytes_t blob = ((const berth_blobs_t *) member)->items [index];
            s_blob (self, blob.data, blob.size);
        }
        else {
            const berth_schema_t *of = field->of;
            s_pack (self, of, (const uint8_t *) list->items + index * of->size);
        }
    }
}

static void
s_pack_value (berth_buffer_t *self, const berth_field_t *field, const void *member)
{
    const berth_bytes_t *bytes = member;        //  Of some kinds
    switch (field->kind) {
        case KIND_BOOL:
            s_byte (self, *(const bool *) member ? 0xc3 : 0xc2);
            break;
        case KIND_I64: case KIND_TIME:
            s_int (self, *(const int64_t *) member);
            break;
        case KIND_U64:
            s_uint (self, *(const uint64_t *) member);
            break;
        case KIND_F64:
            s_real (self, *(const double *) member);
            break;
        case KIND_STR: case KIND_ID: {
            const char *text = *(const char *const *) member;
            s_text (self, text, text ? strlen (text) : 0);
            break;
        }
        case KIND_ENUM: {
            const char *text = berth_enum_text (field->of, *(const int *) member);
            s_text (self, text, strlen (text));
            break;
        }
        case KIND_BYTES:
            s_blob (self, bytes->data, bytes->data ? bytes->size : 0);
            break;
        case KIND_ANY:
            if (bytes->size)
                s_bytes (self, bytes->data, bytes->size);
            else if (field->flags & OBJECT)
                s_map (self, 0);
            else
                s_nil (self);
            break;
        case KIND_OBJ: {
            const void *inner = *(const void *const *) member;
            ENSURE (inner);
            s_pack (self, field->of, inner);
            break;
        }
        case KIND_LIST: case KIND_STRS: case KIND_BLOBS:
            s_pack_items (self, field, member);
            break;
        default:
            ENSURE (!"a kind of field that is packed");
    }
}

static void
s_pack (berth_buffer_t *self, const berth_schema_t *schema, const void *message)
{
    const berth_message_t *head = message;
    uint64_t values = 0, nulls = 0;
    unsigned hidden = self->is_public ? PRIVATE : 0;
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        uint64_t bit = 1ull << index;
        if (!(field->flags & hidden)
            && s_present (field, (const uint8_t *) message + field->offset, head->has & bit))
            values |= bit;
        else if ((field->flags & NULLABLE) && ((head->null & bit) || (schema->flags & SCHEMA_ROW)))
            nulls |= bit;
    }
    uint64_t left = values | nulls;
    s_map (self, (size_t) __builtin_popcountll (left));
    for (; left; left &= left - 1) {
        size_t index = (size_t) __builtin_ctzll (left);
        const berth_field_t *field = &schema->fields [index];
        s_text (self, field->name, field->name_size);
        if (values >> index & 1)
            s_pack_value (self, field, (const uint8_t *) message + field->offset);
        else
            s_nil (self);
    }
}

berth_bytes_t
berth_pack (const berth_schema_t *schema, const void *message, arena_t *arena)
{
    berth_buffer_t buffer = { .arena = arena };
    s_pack (&buffer, schema, message);
    return berth_buffer_bytes (&buffer);
}

berth_bytes_t
berth_pack_public (const berth_schema_t *schema, const void *message, arena_t *arena)
{
    berth_buffer_t buffer = { .arena = arena, .is_public = true };
    s_pack (&buffer, schema, message);
    return berth_buffer_bytes (&buffer);
}
