//  flags.h - options as fields of a schema: --environment-id, --config JSON, --no-description.
//
//  A field `environmentId` is the option --environment-id VALUE (or --environment-id=VALUE). By its
//  kind a value is: BOOL none (--wait, --no-wait); numbers, or 30s 5m 2h 1d where the field ends with
//  Ms (which the option leaves out: --timeout), or 64K 10M 1G where it counts bytes; TIME RFC 3339,
//  or how long ago: 10m; lists: the option again for each; OBJ, LIST and ANY: JSON, @FILE, or - for
//  stdin; an object of free keys may come key by key, --config host=build1 --config port=2222, where
//  the value is a number, true, false, null or JSON, @FILE for a file's text, or text.
//  --no-NAME makes a NULLABLE field null.

#ifndef BERTH_FLAGS_H_INCLUDED
#define BERTH_FLAGS_H_INCLUDED

#include "codec.h"

//  Looks at the option argv [*at] of a list that ends with NULL. 1: it was one of this schema's,
//  *body has its value, *at is behind it; 0: it is not; -1: it is, but wrong.
int flags_take (const berth_schema_t *schema, const char *letters, char **argv, int *at,
                arena_t *arena, berth_bytes_t *body, berth_error_t *err);

//  The field of an option as it is typed ("--on", "--on=x", "-e", "--no-wait"), or NULL if it is none
//  of this schema's. *ret_value: the next word is its value.
const berth_field_t *flags_field (const berth_schema_t *schema, const char *letters, const char *option,
                                  bool *ret_value);

//  Sets a field from its text, as an option or an argument gives it.
int flags_set (const berth_field_t *field, berth_bytes_t text, arena_t *arena, berth_bytes_t *body,
               berth_error_t *err);

//  The name of a field's option, without the dashes; and what stands for its value: "TIME".
void flags_name (const berth_field_t *field, char *name, size_t size);
const char *flags_value (const berth_field_t *field);

//  "30s", "5m", "250ms", "1500" (ms); "64M", "10k", "512" (bytes). -1 if it is none.
int flags_duration (const char *text, uint64_t *ret_ms);
int flags_size (const char *text, uint64_t *ret_bytes);

//  "TERM", "SIGTERM" or "15"; 0 if it is none.
int flags_signal (const char *text);

#endif
