//  describe.h - the protocol as data, from the tables: for bus.describe and messages/README.md.

#ifndef BERTH_DESCRIBE_H_INCLUDED
#define BERTH_DESCRIBE_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "requests.h"

//  Fills a description of every request that a client may send, every schema that those use, and
//  all errors, limits, roles and actions. All of it in arena, or static.
void describe_bus (arena_t *arena, bus_description_t *ret_description);

//  The fields of one schema; how many.
size_t describe_fields (const berth_schema_t *schema, arena_t *arena,
                        const describe_field_t **ret_fields);

#endif
