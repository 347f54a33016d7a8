//  resolve.c - owns nothing: it asks the service's lists.

#include "resolve.h"

#include "ids.h"
#include "service.h"

#include <string.h>

enum { SHORT_LEAST = 4, PAGES_MAX = 100 };

//  Which list an id stands in.
static const struct {
    const char *field;
    const char *noun;
    request_code_t list;
    berth_code_t missing;
    bool named;                 //  Its rows have a name that people say
} s_nouns [] = {
    { "environmentId", "environment", REQUEST_ENVIRONMENT_LIST, BERTH_ENVIRONMENT_NOT_FOUND, true },
    { "leaseId",       "lease",       REQUEST_LEASE_LIST,       BERTH_NOT_FOUND, false },
    { "execId",        "exec",        REQUEST_EXEC_LIST,        BERTH_NOT_FOUND, false },
    { "secretId",      "secret",      REQUEST_SECRET_LIST,      BERTH_NOT_FOUND, true },
    { "workspaceId",   "workspace",   REQUEST_WORKSPACE_LIST,   BERTH_NOT_FOUND, true },
    { "executionWorkspaceId", "workspace", REQUEST_WORKSPACE_LIST, BERTH_NOT_FOUND, true },
};

static size_t
s_noun (const char *field)
{
    size_t noun = 0;
    while (strcmp (s_nouns [noun].field, field))
        noun++;
    return noun;
}

static const char *
s_text (const berth_schema_t *schema, const void *row, const char *name)
{
    const berth_field_t *field = berth_schema_field (schema, name);
    return field ? *(const char *const *) ((const uint8_t *) row + field->offset) : NULL;
}

//  Does this row's id end so? Names win over ends of ids.
static bool
s_ends (const char *id, const char *text)
{
    size_t size = strlen (text);
    return size >= SHORT_LEAST && size < strlen (id) && strcmp (id + strlen (id) - size, text) == 0;
}

typedef struct {
    const char *by_name, *by_end;
    size_t names, ends;
} found_t;

static int
s_page (invocation_t *self, size_t noun, const char *text, berth_bytes_t *cursor, found_t *found,
        berth_error_t *err)
{
    const request_row_t *row = request_row (s_nouns [noun].list);
    berth_bytes_t ask = any_set_text (berth_empty_map, "companyId", self->company, self->arena);
    ask = any_set_number (ask, "limit", BERTH_LIST_MAX, self->arena);
    if (cursor->size)
        ask = any_set (ask, "cursor", *cursor, self->arena);
    berth_ask_t call = service_ask (self, 0);
    berth_bytes_t body;
    if (berth_client_call (self->bus, row->type, ask, &call, self->arena, &body, err))
        return -1;
    void *page = arena_take (self->arena, row->reply->size);
    if (berth_unpack (row->reply, body, self->arena, page, err))
        return -1;
    const berth_field_t *items = berth_schema_field (row->reply, "items");
    const berth_schema_t *of = items->of;
    const berth_list_t *list = (const berth_list_t *) ((const uint8_t *) page + items->offset);
    for (size_t index = 0; index < list->count; index++) {
        const void *at = (const uint8_t *) list->items + index * of->size;
        const char *id = s_text (of, at, "id"), *name = s_text (of, at, "name");
        if (s_nouns [noun].named && name && strcmp (name, text) == 0 && found->names++ == 0)
            found->by_name = id;
        if (s_ends (id, text) && found->ends++ == 0)
            found->by_end = id;
    }
    *cursor = any_get (body, "nextCursor");
    if (any_is_null (*cursor))
        *cursor = (berth_bytes_t) { NULL, 0 };
    return 0;
}

static int
s_resolve (invocation_t *self, size_t noun, const char *text, const char **ret_id, berth_error_t *err)
{
    found_t found = { .names = 0 };
    berth_bytes_t cursor = { NULL, 0 };
    size_t pages = 0;
    do
        if (s_page (self, noun, text, &cursor, &found, err))
            return -1;
    while (cursor.size && ++pages < PAGES_MAX);
    const char *what = s_nouns [noun].noun;
    if (found.names > 1 || (!found.names && found.ends > 1)) {
        berth_error_set (err->remedy, sizeof err->remedy, "say its id");
        return berth_fail (err, BERTH_CONFLICT, "%zu %ss are called '%.80s'",
                           found.names ? found.names : found.ends, what, text);
    }
    *ret_id = found.names ? found.by_name : found.by_end;
    return *ret_id ? 0 : berth_fail (err, s_nouns [noun].missing, "no %s '%.80s'", what, text);
}

int
resolve_environment (invocation_t *self, const char *text, const char **ret_id, berth_error_t *err)
{
    *ret_id = text;
    return berth_id_is (text) ? 0 : s_resolve (self, s_noun ("environmentId"), text, ret_id, err);
}

int
resolve_workspace (invocation_t *self, const char *text, const char **ret_id, berth_error_t *err)
{
    *ret_id = text;
    return berth_id_is (text) ? 0 : s_resolve (self, s_noun ("workspaceId"), text, ret_id, err);
}

int
resolve_ids (invocation_t *self, const berth_schema_t *schema, berth_bytes_t *body, berth_error_t *err)
{
    for (size_t noun = 0; noun < BERTH_COUNT (s_nouns); noun++) {
        const berth_field_t *field = berth_schema_field (schema, s_nouns [noun].field);
        const char *text = field && field->kind == KIND_ID ? any_text (*body, field->name, self->arena) : NULL;
        const char *id;
        if (!text || berth_id_is (text))
            continue;
        if (s_resolve (self, noun, text, &id, err))
            return -1;
        *body = any_set_text (*body, field->name, id, self->arena);
    }
    return 0;
}
