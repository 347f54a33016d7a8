//  workload.c - owns what clients ask for: bodies made from the table of requests, field by field, so
//  that a new request is asked for as soon as it has a row there.

#include "sim.h"

#include <stdio.h>

//  How often, among all. What stands not here is asked for as if it had OTHERS.
enum { OTHERS = 2 };

enum { FIRST = 5 };                 //  Environments that are there from the first step on, and used most
static const struct { request_code_t type; unsigned weight; } s_weights [] = {
    { REQUEST_LEASE_ACQUIRE, 60 }, { REQUEST_LEASE_RELEASE, 40 }, { REQUEST_LEASE_RENEW, 16 },
    { REQUEST_LEASE_RELEASE_FOR_RUN, 6 }, { REQUEST_LEASE_GET, 6 }, { REQUEST_LEASE_LIST, 1 },
    { REQUEST_RUN_ACQUIRE, 24 }, { REQUEST_RUN_REALIZE, 14 }, { REQUEST_RUN_RELEASE, 14 },
    { REQUEST_RUN_HEARTBEAT, 8 }, { REQUEST_RUN_LIST, 1 }, { REQUEST_ENVIRONMENT_LIST, 1 },
    { REQUEST_ENVIRONMENT_CREATE, 3 }, { REQUEST_ENVIRONMENT_DELETE, 2 },
    { REQUEST_ENVIRONMENT_CAPABILITIES, 0 }, { REQUEST_WORKSPACE_LIST, 1 },
    { REQUEST_EXEC_START, 8 }, { REQUEST_EXEC_READ, 0 }, { REQUEST_EXEC_LIST, 1 },
    { REQUEST_ENVIRONMENT_TEST, 2 },
    { REQUEST_COMPANY_DELETE, 0 },          //  Rows go, and the model keeps what was acknowledged
};

static unsigned
s_weight (const sim_t *self, request_code_t type)
{
    const request_row_t *row = request_row (type);
    bool known = sim_cast_has (row->actor) || row->actor == ACTOR_READER;
    bool holds = row->reply == &hold_schema;
    if (!known || (row->roles & ROLE_INTERNAL) || (holds && !sim_may (self, CHAOS_HOLD)))
        return 0;
    for (size_t index = 0; index < BERTH_COUNT (s_weights); index++)
        if (s_weights [index].type == type)
            return s_weights [index].weight;
    return OTHERS;
}

request_code_t
sim_workload_type (sim_t *self)
{
    static unsigned weights [REQUEST_COUNT];
    unsigned sum = 0;
    for (int type = 0; type < REQUEST_COUNT; type++)
        sum += weights [type] = s_weight (self, (request_code_t) type);
    uint64_t luck = sim_below (self, sum);
    int type = 0;
    while (luck >= weights [type])
        luck -= weights [type++];
    if (self->unsettled >= SIM_UNSETTLED_MAX
        && (type == REQUEST_LEASE_ACQUIRE || type == REQUEST_RUN_ACQUIRE
            || type == REQUEST_ENVIRONMENT_TEST))
        type = sim_chance (self, 3) ? REQUEST_RUN_RELEASE : REQUEST_LEASE_RELEASE;
    //  Who drained is soon told to take leases again.
    if (self->drained && sim_chance (self, 4))
        type = REQUEST_BUS_UNDRAIN;
    if (self->paused && sim_chance (self, 4))
        type = REQUEST_PROVIDER_UNPAUSE;
    return (request_code_t) type;
}

//  ---- values

//  What one request is about: its ids fit each other, most of the time.
typedef struct {
    sim_t *sim;
    request_code_t type;
    const sim_lease_t *lease;       //  Or NULL
    const char *mark, *driver;
} about_t;

static const uint8_t s_nil [] = { 0xc0 };

static const char *
s_one_of (sim_t *self, const char *const *texts, size_t count)
{
    return texts [sim_below (self, count)];
}
#define ONE_OF(self, ...)                                                                          \
    s_one_of ((self), (const char *const []) { __VA_ARGS__ },                                      \
              BERTH_COUNT (((const char *const []) { __VA_ARGS__ })))

static const char *
s_strange_id (sim_t *self)
{
    return arena_printf (self->scratch, "55555555-5555-7555-8555-55555555555%u",
                         (unsigned) sim_below (self, 8));
}

//  One of the last that were heard of: the newest are asked for most.
static const sim_lease_t *
s_lease (sim_t *self)
{
    if (!self->leases_count)
        return NULL;
    const sim_lease_t *lease = NULL;
    for (int tries = 0; tries < 4; tries++) {
        size_t back = self->leases_count < 48 ? self->leases_count : 48;
        lease = self->leases [self->leases_count - 1 - sim_below (self, back)];
        if (!lease_settled (lease->state))
            break;
    }
    return lease;
}

static const char *
s_id_of (sim_t *self, char (*ids) [37], size_t count, size_t room)
{
    size_t known = count < room ? count : room;
    return known && !sim_chance (self, 32) ? ids [sim_below (self, known)] : s_strange_id (self);
}

//  The pool of workspaces that have no record: exclusive unless a policy says otherwise.
static const char *
s_workspace (sim_t *self)
{
    if (self->workspaces_count && sim_chance (self, 3))
        return s_id_of (self, self->workspaces, self->workspaces_count, SIM_WORKSPACES);
    return arena_printf (self->scratch, "33333333-3333-7333-8333-33333333333%u",
                         (unsigned) sim_below (self, 4));
}

static const char *
s_text (about_t *about, const berth_field_t *field)
{
    sim_t *self = about->sim;
    const char *name = field->name;
#define IS(text) (strcmp (name, text) == 0)
    if (IS ("companyId"))
        return sim_chance (self, 24) ? "beta" : "acme";
    if (IS ("heartbeatRunId"))
        return about->lease && about->lease->run [0] && !sim_chance (self, 3)
            ? about->lease->run
            : arena_printf (self->scratch, "r%u", (unsigned) sim_below (self, SIM_RUNS));
    if (IS ("leaseId"))
        return about->lease && !sim_chance (self, 64) ? about->lease->id : s_strange_id (self);
    if (IS ("execId"))
        return s_id_of (self, self->execs, self->execs_count, SIM_EXECS);
    if (IS ("executionWorkspaceId"))
        return s_workspace (self);
    if (IS ("workspaceId"))
        return s_id_of (self, self->workspaces, self->workspaces_count, SIM_WORKSPACES);
    if ((IS ("environmentId") || IS ("selectedEnvironmentId")) && self->environments_count >= FIRST
        && !sim_chance (self, 4))
        return self->environments [sim_below (self, FIRST)];
    if (IS ("environmentId") || IS ("selectedEnvironmentId") || IS ("defaultEnvironmentId"))
        return s_id_of (self, self->environments, self->environments_count, SIM_ENVIRONMENTS);
    //  What runs hand on behind a restart is said by nobody, as an expiry is
    if (IS ("status"))
        return about->type == REQUEST_RUN_RELEASE ? ONE_OF (self, "released", "failed")
                                                  : ONE_OF (self, "released", "failed", "expired");
    if (IS ("provider") || IS ("providerKey"))
        return "fault";
    if (IS ("agentId") || IS ("issueId") || IS ("adapterType") || IS ("sourceIssueId"))
        return ONE_OF (self, "one", "two");
    //  A place that no lease opens: one that opens now is known by no name yet, and could be adopted, too
    if (IS ("providerLeaseId"))
        return arena_printf (self->scratch, "fault:%s", s_strange_id (self));
    if (IS ("command"))
        return "true";
    if (IS ("signal"))
        return "TERM";
    if (field->kind == KIND_ID)
        return s_strange_id (self);
    if (field->kind == KIND_BYTES)
        return "/srv/src";
    return "some text";
}

static uint64_t
s_number (about_t *about, const berth_field_t *field)
{
    sim_t *self = about->sim;
    const char *name = field->name;
    static const uint64_t times_ms [] = { 1, 500, 5000, 30000, 60000, 600000, 3600000, 90000000 };
    if (IS ("generation") && about->lease) {
        uint64_t own = about->lease->generation;
        return sim_chance (self, 3) && own > 1 ? own - 1 - sim_below (self, own < 8 ? own - 1 : 8) : own;
    }
    uint64_t value = strstr (name, "Ms") || IS ("ms") ? times_ms [sim_below (self, BERTH_COUNT (times_ms))]
                   : sim_below (self, 100) + 1;
    return field->limit && value > field->limit ? field->limit : value;
}

static berth_bytes_t s_object (about_t *about, const berth_schema_t *schema);

static berth_bytes_t
s_any (about_t *about, const berth_field_t *field)
{
    sim_t *self = about->sim;
    const char *name = field->name;
    arena_t *arena = self->scratch;
    berth_bytes_t map = berth_empty_map;
    if (IS ("maxLeaseMs"))
        return any_get (sim_chance (self, 8)
                            ? any_set_text (map, "v", "none", arena)
                            : any_set_number (map, "v", s_number (about, field), arena), "v");
    if (IS ("config") && strcmp (about->driver, "sandbox") == 0) {
        map = any_set_text (map, "provider", "fault", arena);
        if (sim_chance (self, 3))
            map = any_set_truth (map, "reuseLease", true, arena);
        if (sim_chance (self, 4))
            map = any_set_number (map, "timeoutMs", 1000 + sim_below (self, 60000), arena);
    }
    if (IS ("metadata") && about->mark)
        map = any_set_text (map, "mark", about->mark, arena);
    return map;
}

static const char *
s_enum (about_t *about, const berth_field_t *field)
{
    sim_t *self = about->sim;
    const berth_enum_t *of = field->of;
    const char *name = field->name;
    if (IS ("driver"))
        return about->driver;
    if (of == &environment_status_enum)
        return sim_chance (self, 6) ? "archived" : "active";
    return of->texts [1 + sim_below (self, of->count - 1)];
}

//  A packed value, or size 0 if there is none to give.
static berth_bytes_t
s_value (about_t *about, const berth_field_t *field)
{
    arena_t *arena = about->sim->scratch;
    berth_bytes_t map = berth_empty_map;
    switch (field->kind) {
        case KIND_BOOL:
            return any_get (any_set_truth (map, "v", sim_chance (about->sim, 2), arena), "v");
        case KIND_I64: case KIND_U64: case KIND_F64: case KIND_TIME:
            return any_get (any_set_number (map, "v", s_number (about, field), arena), "v");
        case KIND_STR: case KIND_ID: case KIND_BYTES:
            return any_get (any_set_text (map, "v", s_text (about, field), arena), "v");
        case KIND_ENUM:
            return any_get (any_set_text (map, "v", s_enum (about, field), arena), "v");
        case KIND_OBJ:
            return s_object (about, field->of);
        case KIND_ANY:
            return s_any (about, field);
        case KIND_LIST: case KIND_STRS: case KIND_BLOBS:
        default: {
            static const uint8_t texts [] = { 0x91, 0xa1, 'x' }, none [] = { 0x90 };
            return field->kind == KIND_LIST ? (berth_bytes_t) { none, sizeof none }
                                            : (berth_bytes_t) { texts, sizeof texts };
        }
    }
}

//  One in how many requests has a field that need not be there; 0: none has.
static uint64_t
s_rarity (const about_t *about, const berth_schema_t *schema, const berth_field_t *field)
{
    const char *name = field->name;
    bool acquire = about->type == REQUEST_LEASE_ACQUIRE || about->type == REQUEST_RUN_ACQUIRE;
    if (IS ("cursor") || IS ("limit") || IS ("id") || IS ("readOnlyPaths") || IS ("env")
        || IS ("limits") || IS ("adapterType") || IS ("tty") || IS ("selection") || IS ("privateKey")
        || (IS ("concurrency") && schema == &workspace_update_schema))
        return 0;
    if (IS ("executionWorkspaceId") || IS ("generation") || IS ("ms") || IS ("selectedEnvironmentId"))
        return 2;
    if (IS ("heartbeatRunId") || IS ("maxLeaseMs") || IS ("policy") || IS ("leasePolicy")
        || IS ("config"))
        return 2;
    if (IS ("metadata"))
        return about->mark ? 1 : 8;
    if (IS ("idleMs") && acquire)
        return 3;
    if (IS ("driver") && schema != &environment_update_schema)
        return 1;
    if (IS ("abandon"))
        return 16;
    return 6;
}

static berth_bytes_t
s_object (about_t *about, const berth_schema_t *schema)
{
    sim_t *self = about->sim;
    berth_bytes_t map = berth_empty_map;
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        const char *name = field->name;
        uint64_t rarity = field->flags & REQUIRED ? 1 : s_rarity (about, schema, field);
        if (rarity == 0 || !sim_chance (self, rarity))
            continue;
        berth_bytes_t value = s_value (about, field);
        if ((field->flags & NULLABLE) && rarity > 1 && sim_chance (self, 12))
            value = (berth_bytes_t) { s_nil, sizeof s_nil };
        //  A workspace that leases may share has a record that says so, and an environment none
        if (IS ("concurrency") && schema == &environment_policy_schema)
            value = any_get (any_set_text (berth_empty_map, "v", ONE_OF (self, "exclusive", "serialize"),
                                           self->scratch), "v");
        map = any_set (map, name, value, self->scratch);
    }
    return map;
}
#undef IS

berth_bytes_t
sim_workload_body (sim_t *self, request_code_t type, const char *mark)
{
    bool creates = type == REQUEST_LEASE_ACQUIRE;
    about_t about = {
        .sim = self, .type = type, .lease = creates ? NULL : s_lease (self),
        .mark = creates ? mark ? mark : "-" : NULL, .driver = sim_chance (self, 6) ? "local" : "sandbox",
    };
    return s_object (&about, request_row (type)->request);
}

//  ---- what there is to ask about

static void
s_learn (char (*ids) [37], size_t *count, size_t room, const char *id)
{
    for (size_t index = 0; index < *count && index < room; index++)
        if (strcmp (ids [index], id) == 0)
            return;
    snprintf (ids [*count % room], 37, "%s", id);
    ++*count;
}

void
sim_workload_learn (sim_t *self, request_code_t type, berth_bytes_t reply)
{
    const berth_schema_t *schema = request_row (type)->reply;
    const char *id = any_text (reply, "id", self->scratch);
    if (!id || !berth_id_is (id))
        return;
    if (schema == &environment_schema && type != REQUEST_ENVIRONMENT_VALIDATE)
        s_learn (self->environments, &self->environments_count, SIM_ENVIRONMENTS, id);
    else if (schema == &workspace_schema)
        s_learn (self->workspaces, &self->workspaces_count, SIM_WORKSPACES, id);
    else if (schema == &exec_schema)
        s_learn (self->execs, &self->execs_count, SIM_EXECS, id);
}

//  A few environments and workspaces, so that there is something to lease from the first step on.
void
sim_workload_begin (sim_t *self)
{
    static const char *const drivers [FIRST] = { "sandbox", "sandbox", "sandbox", "sandbox", "local" };
    for (size_t index = 0; index < BERTH_COUNT (drivers); index++) {
        about_t about = { .sim = self, .type = REQUEST_ENVIRONMENT_CREATE,
                          .driver = drivers [index] };
        berth_bytes_t body = s_object (&about, &environment_create_schema);
        berth_bytes_t config = berth_empty_map;
        if (index < 4)
            config = any_set_text (config, "provider", "fault", self->scratch);
        if (index == 1)
            config = any_set_truth (config, "reuseLease", true, self->scratch);
        body = any_set_text (body, "companyId", "acme", self->scratch);
        body = any_set_text (body, "status", "active", self->scratch);
        body = any_set (body, "config", config, self->scratch);
        if (index == 2) {
            about.type = REQUEST_LEASE_ACQUIRE;
            berth_bytes_t policy = s_object (&about, &environment_policy_schema);
            policy = any_set_text (policy, "leasePolicy", "reuse_by_execution_workspace",
                                   self->scratch);
            body = any_set (body, "policy", policy, self->scratch);
        }
        if (index == 0)
            body = any_set (body, "policy", any_set_text (berth_empty_map, "concurrency", "serialize",
                                                          self->scratch), self->scratch);
        if (index == 3)
            body = any_set (body, "policy", any_set_text (berth_empty_map, "leasePolicy",
                                                          "retain_on_failure", self->scratch),
                            self->scratch);
        sim_client_ask (self, REQUEST_ENVIRONMENT_CREATE, body, NULL, 0);
    }
    for (int index = 0; index < 2; index++) {
        about_t about = { .sim = self, .type = REQUEST_WORKSPACE_CREATE, .driver = "sandbox" };
        sim_client_ask (self, REQUEST_WORKSPACE_CREATE,
                        s_object (&about, &workspace_create_schema), NULL, 0);
    }
    while (self->inboxes [ACTOR_REGISTRY].count)
        sim_cast_serve (self, ACTOR_REGISTRY, 8);
    while (self->inboxes [ACTOR_REALIZER].count)
        sim_cast_serve (self, ACTOR_REALIZER, 8);
}
