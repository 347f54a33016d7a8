//  requests.c - the tables of requests, actions, actors, roles, capabilities and limits, as data.

#include "requests.h"

#include <string.h>

#define REQUEST_ROW(name, wire, request, reply, actor, roles, mode, doc)                           \
    [REQUEST_##name] = { wire, &request##_schema, &reply##_schema, ACTOR_##actor, ROLE_##roles,    \
                         MODE_##mode, doc },
static const request_row_t s_requests [REQUEST_COUNT] = { REQUESTS (REQUEST_ROW) };

const request_row_t *
request_row (request_code_t code)
{
    ENSURE ((unsigned) code < REQUEST_COUNT);
    return &s_requests [code];
}

request_code_t
request_code (const char *type)
{
    for (unsigned code = 0; code < REQUEST_COUNT; code++)
        if (strcmp (s_requests [code].type, type) == 0)
            return (request_code_t) code;
    return REQUEST_COUNT;
}

#define ACTOR_TEXT(name, text) [ACTOR_##name] = text,
static const char *const s_actors [ACTOR_COUNT] = { ACTORS (ACTOR_TEXT) };

const char *
actor_text (actor_code_t actor)
{
    return (unsigned) actor < ACTOR_COUNT ? s_actors [actor] : "?";
}

#define ACTION_TEXT(name, text, entity) [ACTION_##name] = { text, entity },
static const struct { const char *text, *entity; } s_actions [ACTION_COUNT] = {
    ACTIONS (ACTION_TEXT)
};

const char *
action_text (action_t action)
{
    ENSURE (action > 0 && action < ACTION_COUNT);
    return s_actions [action].text;
}

const char *
action_entity (action_t action)
{
    ENSURE (action > 0 && action < ACTION_COUNT);
    return s_actions [action].entity;
}

#define ROLE_TEXT(name, text, doc) text,
static const char *const s_roles [] = { ROLES (ROLE_TEXT) };

const char *
role_text (unsigned bit)
{
    return bit < BERTH_COUNT (s_roles) ? s_roles [bit] : NULL;
}

#define CAPABILITY_TEXT(name, text, doc) { text, doc },
static const struct { const char *text, *doc; } s_capabilities [] = {
    PROVIDER_CAPABILITIES (CAPABILITY_TEXT)
};

const char *
capability_text (unsigned bit)
{
    return bit < BERTH_COUNT (s_capabilities) ? s_capabilities [bit].text : NULL;
}

const char *
capability_doc (unsigned bit)
{
    return bit < BERTH_COUNT (s_capabilities) ? s_capabilities [bit].doc : NULL;
}

#define LIMIT_ROW(name, value, doc) { #name, value, doc },
static const struct { const char *name; uint64_t value; const char *doc; } s_limits [] = {
    BERTH_LIMITS (LIMIT_ROW)
};

bool
berth_limit_at (size_t index, const char **ret_name, uint64_t *ret_value, const char **ret_doc)
{
    if (index >= BERTH_COUNT (s_limits))
        return false;
    *ret_name = s_limits [index].name;
    *ret_value = s_limits [index].value;
    *ret_doc = s_limits [index].doc;
    return true;
}
