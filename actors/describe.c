//  describe.c - owns nothing: reads the tables.

#include "describe.h"

#include <string.h>

#define SCHEMAS_MAX 256

typedef struct {
    const berth_schema_t *items [SCHEMAS_MAX];
    size_t count;
} schemas_t;

size_t
describe_fields (const berth_schema_t *schema, arena_t *arena, const describe_field_t **ret_fields)
{
    describe_field_t *fields = arena_array (arena, schema->count + 1, describe_field_t);
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *from = &schema->fields [index];
        fields [index] = (describe_field_t) {
            .name = from->name, .kind = berth_kind_text (from->kind), .doc = from->doc,
            .presence = from->flags & REQUIRED ? "required"
                      : from->flags & NULLABLE ? "nullable" : "optional",
            .limit = from->limit,
            .secret = from->flags & SECRET, .positive = from->flags & POSITIVE,
        };
        if (from->kind == KIND_ENUM) {
            const berth_enum_t *of = from->of;
            fields [index].values = (berth_strs_t) { of->count - 1, of->texts + 1 };
        }
        else if (from->kind == KIND_OBJ || from->kind == KIND_LIST)
            fields [index].of = ((const berth_schema_t *) from->of)->name;
        else if (from->kind == KIND_ANY && (from->flags & OBJECT))
            fields [index].of = "map";
    }
    *ret_fields = fields;
    return schema->count;
}

//  A schema, and all that it is made of.
static void
s_add_schema (schemas_t *self, const berth_schema_t *schema)
{
    for (size_t index = 0; index < self->count; index++)
        if (self->items [index] == schema)
            return;
    ENSURE (self->count < SCHEMAS_MAX);
    self->items [self->count++] = schema;
    for (size_t index = 0; index < schema->count; index++)
        if (schema->fields [index].kind == KIND_OBJ || schema->fields [index].kind == KIND_LIST)
            s_add_schema (self, schema->fields [index].of);
}

static berth_strs_t
s_roles (unsigned roles, arena_t *arena)
{
    const char **texts = arena_array (arena, ROLE_BITS + 1, const char *);
    size_t count = 0;
    for (unsigned bit = 0; role_text (bit); bit++)
        if ((roles >> bit & 1) && bit != ROLE_BIT_INTERNAL)
            texts [count++] = role_text (bit);
    return (berth_strs_t) { count, texts };
}

static size_t
s_requests (arena_t *arena, schemas_t *schemas, const describe_request_t **ret_items)
{
    describe_request_t *items = arena_array (arena, REQUEST_COUNT, describe_request_t);
    size_t count = 0;
    for (unsigned code = 0; code < REQUEST_COUNT; code++) {
        const request_row_t *row = request_row ((request_code_t) code);
        if (!(row->roles & ~(unsigned) ROLE_INTERNAL))
            continue;
        items [count++] = (describe_request_t) {
            .type = row->type, .request = row->request->name, .reply = row->reply->name,
            .roles = s_roles (row->roles, arena), .writes = row->mode & MODE_WRITE,
            .streams = row->mode & MODE_STREAM, .data = row->mode & MODE_DATA, .doc = row->doc,
        };
        s_add_schema (schemas, row->request);
        s_add_schema (schemas, row->reply);
    }
    *ret_items = items;
    return count;
}

static size_t
s_schemas (arena_t *arena, const schemas_t *schemas, const describe_schema_t **ret_items)
{
    describe_schema_t *items = arena_array (arena, schemas->count, describe_schema_t);
    for (size_t index = 0; index < schemas->count; index++) {
        const berth_schema_t *schema = schemas->items [index];
        items [index] = (describe_schema_t) { .name = schema->name, .doc = schema->doc,
                                              .strict = schema->flags & SCHEMA_STRICT };
        items [index].fields.count = describe_fields (schema, arena, &items [index].fields.items);
    }
    *ret_items = items;
    return schemas->count;
}

static size_t
s_errors (arena_t *arena, const describe_error_t **ret_items)
{
    describe_error_t *items = arena_array (arena, BERTH_CODES, describe_error_t);
    size_t count = 0;
    for (int code = BERTH_OK + 1; code < BERTH_CODES; code++)
        items [count++] = (describe_error_t) {
            .code = berth_code_text ((berth_code_t) code),
            .retryable = berth_code_retryable ((berth_code_t) code),
            .exit = (uint64_t) berth_code_exit ((berth_code_t) code),
            .doc = berth_code_doc ((berth_code_t) code),
        };
    *ret_items = items;
    return count;
}

static size_t
s_limits (arena_t *arena, const describe_limit_t **ret_items)
{
    describe_limit_t *items = arena_array (arena, 64, describe_limit_t);
    size_t count = 0;
    while (count < 64 && berth_limit_at (count, &items [count].name, &items [count].value,
                                         &items [count].doc))
        count++;
    *ret_items = items;
    return count;
}

static size_t
s_actions (arena_t *arena, const describe_action_t **ret_items)
{
    describe_action_t *items = arena_array (arena, ACTION_COUNT, describe_action_t);
    size_t count = 0;
    for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++)
        items [count++] = (describe_action_t) { .action = action_text ((action_t) action),
                                                .entity = action_entity ((action_t) action) };
    *ret_items = items;
    return count;
}

void
describe_bus (arena_t *arena, bus_description_t *ret_description)
{
    schemas_t *schemas = arena_new_of (arena, schemas_t);
    s_add_schema (schemas, &request_header_schema);
    s_add_schema (schemas, &reply_header_schema);
    s_add_schema (schemas, &error_body_schema);
    s_add_schema (schemas, &stream_chunk_schema);
    s_add_schema (schemas, &workspace_progress_schema);
    s_add_schema (schemas, &lease_waiting_schema);
    s_add_schema (schemas, &activity_schema);
    bus_description_t self = { .protocol = 1 };
    self.roles = s_roles (~0u, arena);
    self.requests.count = s_requests (arena, schemas, &self.requests.items);
    self.schemas.count = s_schemas (arena, schemas, &self.schemas.items);
    self.errors.count = s_errors (arena, &self.errors.items);
    self.limits.count = s_limits (arena, &self.limits.items);
    self.actions.count = s_actions (arena, &self.actions.items);
    *ret_description = self;
}
