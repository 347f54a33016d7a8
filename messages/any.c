//  any.c - owns nothing: free data is kept packed and looked into where it lies.

#include "codec.h"
#include "wire.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t s_empty_map [1] = { 0x80 };
const berth_bytes_t berth_empty_map = { s_empty_map, 1 };

bool
any_each (berth_bytes_t map, size_t *position, berth_bytes_t *ret_key, berth_bytes_t *ret_value)
{
    wire_t wire = wire_of (map);
    wire_token_t token;
    if (map.size == 0 || wire_next (&wire, &token) || token.type != WIRE_MAP || token.size == 0)
        return false;
    if (*position)
        wire.at = map.data + *position;
    if (wire.at >= wire.end || wire_next (&wire, &token) || token.type != WIRE_STR)
        return false;
    const uint8_t *start = wire.at;
    wire_skip (&wire);
    *ret_key = (berth_bytes_t) { token.data, token.size };
    *ret_value = (berth_bytes_t) { start, (size_t) (wire.at - start) };
    *position = (size_t) (wire.at - map.data);
    return true;
}

size_t
any_count (berth_bytes_t map)
{
    wire_t wire = wire_of (map);
    wire_token_t token;
    return map.size && wire_next (&wire, &token) == 0 && token.type == WIRE_MAP ? token.size : 0;
}

static berth_bytes_t
s_get (berth_bytes_t map, berth_bytes_t wanted)
{
    size_t position = 0;
    berth_bytes_t key, value;
    while (any_each (map, &position, &key, &value))
        if (key.size == wanted.size && memcmp (key.data, wanted.data, key.size) == 0)
            return value;
    return (berth_bytes_t) { NULL, 0 };
}

static berth_bytes_t
s_key (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

berth_bytes_t
any_get (berth_bytes_t map, const char *key)
{
    return s_get (map, s_key (key));
}

bool
any_is_null (berth_bytes_t value)
{
    return value.size == 0 || value.data [0] == 0xc0;
}

static bool
s_token (berth_bytes_t map, const char *key, wire_token_t *ret_token)
{
    berth_bytes_t value = any_get (map, key);
    wire_t wire = wire_of (value);
    return value.size && wire_next (&wire, ret_token) == 0;
}

const char *
any_text (berth_bytes_t map, const char *key, arena_t *arena)
{
    wire_token_t token;
    if (!s_token (map, key, &token) || token.type != WIRE_STR
        || !wire_is_text (token.data, token.size))
        return NULL;
    return arena_text (arena, (const char *) token.data, token.size);
}

uint64_t
any_number (berth_bytes_t map, const char *key, uint64_t otherwise)
{
    wire_token_t token;
    return s_token (map, key, &token) && token.type == WIRE_UINT ? token.number : otherwise;
}

bool
any_truth (berth_bytes_t map, const char *key, bool otherwise)
{
    wire_token_t token;
    return s_token (map, key, &token) && token.type == WIRE_BOOL ? token.truth : otherwise;
}

//  ---- looking up many keys: a large map gets a sorted table, or a peer's 16,384 keys would cost
//  seconds inside a transaction

typedef struct {
    berth_bytes_t key, value;
} pair_t;

typedef struct {
    berth_bytes_t map;
    pair_t *pairs;              //  Sorted by key; NULL for a small map
    size_t count;
} table_t;

static int
s_compare (const void *left, const void *right)
{
    const pair_t *a = left, *b = right;
    size_t size = a->key.size < b->key.size ? a->key.size : b->key.size;
    int order = size ? memcmp (a->key.data, b->key.data, size) : 0;
    return order ? order : (a->key.size > b->key.size) - (a->key.size < b->key.size);
}

static table_t
s_table_open (berth_bytes_t map)
{
    table_t self = { .map = map };
    size_t count = any_count (map);
    if (count <= 16)
        return self;
    self.pairs = malloc (count * sizeof (pair_t));
    ENSURE (self.pairs);
    size_t position = 0;
    pair_t pair;
    while (self.count < count && any_each (map, &position, &pair.key, &pair.value))
        self.pairs [self.count++] = pair;
    qsort (self.pairs, self.count, sizeof (pair_t), s_compare);
    return self;
}

static berth_bytes_t
s_table_get (const table_t *self, berth_bytes_t key)
{
    if (!self->pairs)
        return s_get (self->map, key);
    pair_t wanted = { .key = key };
    const pair_t *found = bsearch (&wanted, self->pairs, self->count, sizeof (pair_t), s_compare);
    return found ? found->value : (berth_bytes_t) { NULL, 0 };
}

static void
s_table_close (table_t *self)
{
    free (self->pairs);
}

static bool
s_maps_equal (berth_bytes_t left, berth_bytes_t right)
{
    if (any_count (left) != any_count (right))
        return false;
    table_t table = s_table_open (right);
    size_t position = 0;
    berth_bytes_t key, value;
    bool equal = true;
    while (equal && any_each (left, &position, &key, &value)) {
        berth_bytes_t other = s_table_get (&table, key);
        equal = other.size > 0 && any_equal (value, other);
    }
    s_table_close (&table);
    return equal;
}

static bool
s_arrays_equal (wire_t left, wire_t right, size_t count)
{
    while (count--) {
        const uint8_t *left_start = left.at, *right_start = right.at;
        wire_skip (&left);
        wire_skip (&right);
        if (!any_equal ((berth_bytes_t) { left_start, (size_t) (left.at - left_start) },
                        (berth_bytes_t) { right_start, (size_t) (right.at - right_start) }))
            return false;
    }
    return true;
}

bool
any_equal (berth_bytes_t left, berth_bytes_t right)
{
    wire_t one = wire_of (left), two = wire_of (right);
    wire_token_t a = { 0 }, b = { 0 };
    if (left.size == 0 || right.size == 0)
        return left.size == right.size;
    if (wire_next (&one, &a) || wire_next (&two, &b) || a.type != b.type)
        return false;
    switch (a.type) {
        case WIRE_NIL:
            return true;
        case WIRE_BOOL:
            return a.truth == b.truth;
        case WIRE_UINT: case WIRE_INT:
            return a.number == b.number;
        case WIRE_FLOAT:
            return memcmp (&a.real, &b.real, sizeof a.real) == 0;
        case WIRE_STR: case WIRE_BIN: case WIRE_EXT:
            return a.size == b.size && memcmp (a.data, b.data, a.size) == 0;
        case WIRE_ARRAY:
            return a.size == b.size && s_arrays_equal (one, two, a.size);
        case WIRE_MAP:
            return s_maps_equal (left, right);
        default:
            return false;
    }
}

//  ---- new maps

static void
s_raw (msgpack_packer *pk, berth_bytes_t value)
{
    berth_buffer_write (pk->data, (const char *) value.data, value.size);
}

static void
s_pair (msgpack_packer *pk, berth_bytes_t key, berth_bytes_t value)
{
    msgpack_pack_str_with_body (pk, key.data, key.size);
    s_raw (pk, value);
}

static bool
s_kept (berth_bytes_t value, bool drop_nulls)
{
    return !(drop_nulls && any_is_null (value));
}

berth_bytes_t
any_merge (berth_bytes_t base, berth_bytes_t patch, bool drop_nulls, arena_t *arena)
{
    berth_bytes_t key, value;
    size_t count = 0;
    table_t table = s_table_open (patch);
    for (size_t at = 0; any_each (base, &at, &key, &value);)
        count += s_table_get (&table, key).size == 0;
    for (size_t at = 0; any_each (patch, &at, &key, &value);)
        count += s_kept (value, drop_nulls);

    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    msgpack_pack_map (&pk, count);
    for (size_t at = 0; any_each (base, &at, &key, &value);)
        if (s_table_get (&table, key).size == 0)
            s_pair (&pk, key, value);
    for (size_t at = 0; any_each (patch, &at, &key, &value);)
        if (s_kept (value, drop_nulls))
            s_pair (&pk, key, value);
    s_table_close (&table);
    return berth_buffer_bytes (&buffer);
}

berth_bytes_t
any_set (berth_bytes_t base, const char *key, berth_bytes_t value, arena_t *arena)
{
    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    msgpack_pack_map (&pk, 1);
    static const uint8_t nil = 0xc0;
    bool removed = value.size == 0;
    s_pair (&pk, s_key (key), removed ? (berth_bytes_t) { &nil, 1 } : value);
    return any_merge (base, berth_buffer_bytes (&buffer), removed, arena);
}

berth_bytes_t
any_set_text (berth_bytes_t base, const char *key, const char *text, arena_t *arena)
{
    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    if (text)
        msgpack_pack_str_with_body (&pk, text, strlen (text));
    else
        msgpack_pack_nil (&pk);
    return any_set (base, key, berth_buffer_bytes (&buffer), arena);
}

berth_bytes_t
any_set_number (berth_bytes_t base, const char *key, uint64_t number, arena_t *arena)
{
    berth_buffer_t buffer = { .arena = arena };
    msgpack_packer pk;
    msgpack_packer_init (&pk, &buffer, berth_buffer_write);
    msgpack_pack_uint64 (&pk, number);
    return any_set (base, key, berth_buffer_bytes (&buffer), arena);
}

berth_bytes_t
any_set_truth (berth_bytes_t base, const char *key, bool truth, arena_t *arena)
{
    static const uint8_t truths [2] = { 0xc2, 0xc3 };
    return any_set (base, key, (berth_bytes_t) { &truths [truth], 1 }, arena);
}
