//  codec.h - the one interpreter of schemas: structs to msgpack and back.

#ifndef BERTH_CODEC_H_INCLUDED
#define BERTH_CODEC_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "schema.h"

//  Packs a message (a struct of that schema) into the arena. Fields without a value are left out,
//  or null if they were cleared, or if the schema is a ROW and they are NULLABLE. Cannot fail: what
//  we write ourselves is right, or it is a bug.
berth_bytes_t berth_pack (const berth_schema_t *schema, const void *message, arena_t *arena);

//  The same without fields that are PRIVATE, for who may only look.
berth_bytes_t berth_pack_public (const berth_schema_t *schema, const void *message, arena_t *arena);

//  Fills *ret_message from packed bytes that came from anywhere: walked (depth, sum of elements,
//  one object, keys once), then read by the schema. Strings, lists and objects are in the arena;
//  BYTES and ANY point into `bytes` and live as long as it does.
//  invalid_request, with the path of the bad field in err->field.
int berth_unpack (const berth_schema_t *schema, berth_bytes_t bytes, arena_t *arena,
                  void *ret_message, berth_error_t *err);

//  The same for what stands in a field of free data: paths in errors begin with its name
//  ("config.memoryMb").
int berth_unpack_field (const char *name, const berth_schema_t *schema, berth_bytes_t bytes,
                        arena_t *arena, void *ret_message, berth_error_t *err);

//  As berth_unpack, for bytes that this process's store or another of our own threads wrote: not walked
//  again, unknown keys skipped, and a failure names the row.
int berth_unpack_own (const berth_schema_t *schema, berth_bytes_t bytes, arena_t *arena,
                      void *ret_message, berth_error_t *err);

//  ---- free data (kind ANY): packed maps, as configuration, metadata and labels are

//  A buffer in an arena that msgpack-c packs into: msgpack_packer_init (&pk, buffer,
//  berth_buffer_write).
typedef struct {
    arena_t *arena;
    uint8_t *data;
    size_t size, room;
    bool is_public;             //  PRIVATE fields are left out
} berth_buffer_t;
int berth_buffer_write (void *buffer, const char *data, size_t size);
berth_bytes_t berth_buffer_bytes (const berth_buffer_t *buffer);

extern const berth_bytes_t berth_empty_map;             //  {}

//  The packed value of a key; size 0 if the map has none (or is no map).
berth_bytes_t any_get (berth_bytes_t map, const char *key);
bool any_is_null (berth_bytes_t value);                 //  Absent or nil
//  A text, or NULL if it is none. In arena.
const char *any_text (berth_bytes_t map, const char *key, arena_t *arena);
//  A number or boolean, or `otherwise`.
uint64_t any_number (berth_bytes_t map, const char *key, uint64_t otherwise);
bool any_truth (berth_bytes_t map, const char *key, bool otherwise);

//  Walks a map: start with *position = 0; false at the end. Keys are not NUL-ended.
bool any_each (berth_bytes_t map, size_t *position, berth_bytes_t *ret_key, berth_bytes_t *ret_value);
size_t any_count (berth_bytes_t map);
//  Equal as data (same types and bytes, maps in any order of keys).
bool any_equal (berth_bytes_t left, berth_bytes_t right);

//  A new map: `base` with the keys of `patch` laid over it, one level deep. What is null in the
//  patch is removed if drop_nulls, else kept as null (Paperclip: undefined keeps, null clears).
berth_bytes_t any_merge (berth_bytes_t base, berth_bytes_t patch, bool drop_nulls, arena_t *arena);

//  A new map: `base` with one key set to a packed value, or removed if the value's size is 0.
berth_bytes_t any_set (berth_bytes_t base, const char *key, berth_bytes_t value, arena_t *arena);
berth_bytes_t any_set_text (berth_bytes_t base, const char *key, const char *text, arena_t *arena);
berth_bytes_t any_set_number (berth_bytes_t base, const char *key, uint64_t number, arena_t *arena);
berth_bytes_t any_set_truth (berth_bytes_t base, const char *key, bool truth, arena_t *arena);

#endif
