//  fault.c - owns provider fault: a real place without walls whose verbs fail when they are told to.
//
//  The config says how: {"faults": [{"verb": "acquire", "do": "fail", "times": 2}]}. A rule counts
//  per lease. Verbs that are not given a config find the rules in the lease's metadata; `list` and
//  `prepare` follow the rules of the last config that was seen.

#include "places.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_VERB(X, T) \
    X (T, PROBE,     "probe") \
    X (T, ACQUIRE,   "acquire") \
    X (T, RESUME,    "resume") \
    X (T, RELEASE,   "release") \
    X (T, DESTROY,   "destroy") \
    X (T, REALIZE,   "realize") \
    X (T, GIVE_BACK, "give_back") \
    X (T, LIST,      "list") \
    X (T, PREPARE,   "prepare")
BERTH_ENUM (fault_verb, FAULT_VERB);

#define FAULT_KIND(X, T) \
    X (T, FAIL, "fail")     /* with `code` */ \
    X (T, HANG, "hang")     /* until the deadline, or for `ms` */ \
    X (T, NEVER, "never")   /* beyond its deadline, for `ms` or an hour; then as usual */ \
    X (T, SLOW, "slow")     /* `ms`, then as usual */ \
    X (T, LOSE, "lose")     /* what runs in the place dies, and the verb says it was done */ \
    X (T, LIE,  "lie")      /* says it was done, and does nothing; acquire names another place */ \
    X (T, GARBAGE, "garbage")   /* of acquire, list: what it answers is none */ \
    X (T, HALF, "half")     /* of list: leaves out every other place */ \
    X (T, FOREIGN, "foreign")   /* of list: says that they are another install's */ \
    X (T, OTHER, "other")   /* of list: says that they are another lease's, one long gone */
BERTH_ENUM (fault_kind, FAULT_KIND);

#define FAULT_RULE(F, T) \
    F (T, ENUM (fault_verb), verb, "verb", REQUIRED, 0, "Which verb goes wrong.") \
    F (T, ENUM (fault_kind), kind, "do", REQUIRED, 0, "How.") \
    F (T, U64,   ms,        "ms",        OPTIONAL | POSITIVE, 3600000, "How slow (1000), how long it hangs (until the deadline).") \
    F (T, U64,   times,     "times",     OPTIONAL | POSITIVE, 1000000, "So often for each lease (always).") \
    F (T, STR,   code,      "code",      OPTIONAL, 64, "Code of a failure (provider_error).")
BERTH_MESSAGE (fault_rule, FAULT_RULE);

#define FAULT_CONFIG(F, T) \
    F (T, LIST (fault_rule), faults, "faults", OPTIONAL, 64, "What goes wrong.") \
    F (T, ANY,   env,       "env",       OPTIONAL | OBJECT, 65536, "Environment of every exec: name to text.") \
    F (T, STR,   token,     "token",     OPTIONAL | SECRET, 256, "If given, a place opens only where it begins with `right-`.") \
    F (T, BOOL,  reuse,     "reuseLease", OPTIONAL, 0, "The place may serve one lease after another (false).") \
    F (T, U64,   timeout_ms, "timeoutMs", OPTIONAL | POSITIVE, 86400000, "For each call of the provider.")
BERTH_MESSAGE (fault_config, FAULT_CONFIG);

BERTH_ENUM_TABLE (fault_verb, FAULT_VERB);
BERTH_ENUM_TABLE (fault_kind, FAULT_KIND);
BERTH_SCHEMA (fault_rule, FAULT_RULE, SCHEMA_STRICT, "One fault.");
BERTH_SCHEMA (fault_config, FAULT_CONFIG, SCHEMA_STRICT, "Settings of the provider that fails.");

enum {
    FAULT_MAGIC = 0xfa017, SLOW_MS = 1000, NEVER_MS = 3600000, PREPARE_MS = 10000, COUNTS_MAX = 4096,
    LIST_RULES_MAX = 16384
};

//  How often a rule was followed for a lease.
typedef struct {
    char lease [BERTH_ID_SIZE];
    size_t rule;
    uint64_t times;
} count_t;

typedef struct {
    unsigned magic;
    places_t *places;
    char *init;
    pthread_mutex_t lock;           //  Of what follows
    count_t counts [COUNTS_MAX];    //  The oldest go
    size_t count;
    uint8_t list_rules [LIST_RULES_MAX];
    size_t list_size;
} fault_t;

//  ---------------------------------------------------------------------------------------------
//  Rules

static bool
s_due (fault_t *self, const char *lease, size_t rule, uint64_t times)
{
    if (!times)
        return true;
    pthread_mutex_lock (&self->lock);
    count_t *found = NULL;
    size_t kept = self->count < COUNTS_MAX ? self->count : COUNTS_MAX;
    for (size_t index = 0; index < kept && !found; index++)
        if (self->counts [index].rule == rule && strcmp (self->counts [index].lease, lease) == 0)
            found = &self->counts [index];
    if (!found) {
        found = &self->counts [self->count++ % COUNTS_MAX];
        snprintf (found->lease, sizeof found->lease, "%s", lease);
        found->rule = rule;
        found->times = 0;
    }
    bool due = found->times < times;
    found->times += due;
    pthread_mutex_unlock (&self->lock);
    return due;
}

static void
s_wait (int64_t until_ms)
{
    int64_t left;
    while ((left = until_ms - berth_mono_ms ()) > 0)
        (void) poll (NULL, 0, left < 1000 ? (int) left : 1000);
}

//  Follows the rules of a verb. Fails, or says what else is to be done: LOSE, LIE or nothing.
static int
s_follow (fault_t *self, fault_verb_t verb, berth_bytes_t from, const char *lease,
          int64_t deadline_ms, fault_kind_t *ret_kind, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    *ret_kind = fault_kind_NONE;
    berth_bytes_t faults = any_get (from, "faults");
    if (!faults.size)
        return 0;
    fault_config_t config = { 0 };
    if (berth_unpack (&fault_config_schema, any_set (berth_empty_map, "faults", faults, arena),
                      arena, &config, err))
        return -1;
    const char *name = berth_enum_text (&fault_verb_enum, (int) verb);
    for (size_t index = 0; index < config.faults.count; index++) {
        const fault_rule_t *rule = &config.faults.items [index];
        int64_t until_ms;
        if (rule->verb != verb || !s_due (self, lease, index, rule->times))
            continue;
        switch (rule->kind) {
            case fault_kind_FAIL:
                return berth_fail (err, rule->code ? berth_code_of (rule->code)
                                                   : BERTH_PROVIDER_ERROR,
                                   "%s failed, as it was told to", name);
            case fault_kind_HANG:
                until_ms = berth_mono_ms () + (int64_t) rule->ms;
                s_wait (rule->ms && until_ms < deadline_ms ? until_ms : deadline_ms);
                return berth_fail (err, BERTH_PROVIDER_TIMEOUT, "%s hung, as it was told to", name);
            case fault_kind_NEVER:
                s_wait (berth_mono_ms () + (rule->ms ? (int64_t) rule->ms : NEVER_MS));
                break;
            case fault_kind_SLOW:
                until_ms = berth_mono_ms () + (rule->ms ? (int64_t) rule->ms : SLOW_MS);
                s_wait (until_ms < deadline_ms ? until_ms : deadline_ms);
                if (until_ms >= deadline_ms)
                    return berth_fail (err, BERTH_PROVIDER_TIMEOUT, "%s was too slow", name);
                break;
            case fault_kind_LOSE:
            case fault_kind_LIE:
            case fault_kind_GARBAGE:
            case fault_kind_HALF:
            case fault_kind_FOREIGN:
            case fault_kind_OTHER:
                *ret_kind = rule->kind;
                return 0;
            case fault_kind_NONE:
            case fault_kind_COUNT:
                break;
        }
    }
    return 0;
}

static void
s_remember_list (fault_t *self, berth_bytes_t config)
{
    own (arena) arena = arena_new ();
    berth_bytes_t rules = any_set (berth_empty_map, "faults", any_get (config, "faults"), arena);
    pthread_mutex_lock (&self->lock);
    self->list_size = 0;
    if (rules.size <= LIST_RULES_MAX) {
        memcpy (self->list_rules, rules.data, rules.size);
        self->list_size = rules.size;
    }
    pthread_mutex_unlock (&self->lock);
}

static void
s_lose (fault_t *self, const char *provider_lease, const char *lease, int64_t deadline_ms)
{
    own (arena) arena = arena_new ();
    place_t place;
    //  What cannot be found is lost already.
    if (places_find (self->places, places_id (provider_lease, lease), arena, &place, NULL) == 0)
        (void) places_end (self->places, &place, deadline_ms, NULL);
}

//  ---------------------------------------------------------------------------------------------
//  Life and config

static void
s_close (void **self_p)
{
    fault_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, FAULT_MAGIC);
    places_destroy (&self->places);
    pthread_mutex_destroy (&self->lock);
    free (self->init);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static int
s_open (void **ret_self, const provider_host_t *host, berth_error_t *err)
{
    places_t *places;
    if (places_open (&places, host, host->provider ? host->provider : "fault", err))
        return -1;
    fault_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = FAULT_MAGIC;
    self->places = places;
    self->init = strdup (host->init_path);
    ENSURE (self->init);
    pthread_mutex_init (&self->lock, NULL);
    *ret_self = self;
    return 0;
}

static int
s_validate (void *object, berth_bytes_t config, arena_t *arena, berth_bytes_t *ret_normal,
            berth_error_t *err)
{
    (void) object;
    fault_config_t read = { 0 };
    berth_bytes_t own = any_set (config, "provider", (berth_bytes_t) { NULL, 0 }, arena);
    if (berth_unpack (&fault_config_schema, own, arena, &read, err)
        || places_check_env (read.env, "config.env", err))
        return -1;
    for (size_t index = 0; index < read.faults.count; index++) {
        const char *code = read.faults.items [index].code;
        if (!code || strcmp (berth_code_text (berth_code_of (code)), code) == 0)
            continue;
        if (err)
            berth_error_set (err->field, sizeof err->field, "config.faults[%zu].code", index);
        return berth_fail (err, BERTH_INVALID, "'%.64s' is no code of an error", code);
    }
    *ret_normal = config;
    return 0;
}

//  ---------------------------------------------------------------------------------------------
//  Verbs

static int
s_probe (void *object, const place_probe_t *ask, int64_t deadline_ms, arena_t *arena,
         probe_result_t *ret_result, berth_error_t *err)
{
    fault_t *self = object;
    CHECK (self, FAULT_MAGIC);
    (void) arena;
    fault_kind_t kind;
    s_remember_list (self, ask->config);
    if (s_follow (self, fault_verb_PROBE, ask->config, "probe", deadline_ms, &kind, err))
        return -1;
    bool lost = kind == fault_kind_LOSE;
    probe_result_t result = {
        .driver = ask->driver,
        .summary = lost ? "The provider that fails was told to." : "The provider that fails is ready."
    };
    berth_put (probe_result, &result, ok, !lost);
    *ret_result = result;
    return 0;
}

static int
s_plan (void *context, const place_open_t *ask, const place_t *place, arena_t *arena,
        places_plan_t *plan, berth_error_t *err)
{
    fault_t *self = context;
    fault_config_t config = { 0 };
    berth_bytes_t own = any_set (ask->config, "provider", (berth_bytes_t) { NULL, 0 }, arena);
    if (berth_unpack (&fault_config_schema, own, arena, &config, err))
        return -1;
    words_t argv = { .arena = arena }, env = { .arena = arena };
    words_all (&argv, self->init, "{INIT_FD}", NULL);
    words_all (&env, "PATH=/usr/bin:/bin", NULL);
    shim_open_t *open = &plan->open;
    open->argv = words_blobs (&argv);
    open->env = words_blobs (&env);
    open->exec_env = places_env (place->home, ask->policy ? ask->policy->env : berth_empty_map,
                                 config.env, arena);
    open->cwd = words_bytes (place->workspace);
    berth_put (shim_open, open, pid_namespace, false);
    plan->metadata = any_set (berth_empty_map, "faults", any_get (ask->config, "faults"), arena);
    return 0;
}

static int
s_acquire (void *object, const place_open_t *ask, int64_t deadline_ms, arena_t *arena,
           place_opened_t *ret_place, berth_error_t *err)
{
    fault_t *self = object;
    CHECK (self, FAULT_MAGIC);
    fault_kind_t kind;
    s_remember_list (self, ask->config);
    const char *token = any_text (ask->config, "token", arena);
    if (token && strncmp (token, "right-", 6))
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the token is wrong");
    if (s_follow (self, fault_verb_ACQUIRE, ask->config, ask->lease, deadline_ms, &kind, err))
        return -1;
    if (kind == fault_kind_LIE) {
        char id [BERTH_ID_SIZE];
        berth_id_new (id);
        *ret_place = (place_opened_t) { .provider_lease = arena_printf (arena, "fault:%s", id) };
        return 0;
    }
    if (kind == fault_kind_GARBAGE) {
        *ret_place = (place_opened_t) { .provider_lease = "\xff\xfe" };
        return 0;
    }
    places_how_t how = { .plan = s_plan, .context = self };
    if (places_acquire (self->places, ask, &how, deadline_ms, arena, ret_place, err))
        return -1;
    if (kind == fault_kind_LOSE)
        s_lose (self, ret_place->provider_lease, ask->lease, deadline_ms);
    return 0;
}

static int
s_resume (void *object, const place_open_t *ask, const char *provider_lease, int64_t deadline_ms,
          arena_t *arena, place_opened_t *ret_place, berth_error_t *err)
{
    fault_t *self = object;
    CHECK (self, FAULT_MAGIC);
    fault_kind_t kind;
    if (s_follow (self, fault_verb_RESUME, ask->config, ask->lease, deadline_ms, &kind, err))
        return -1;
    if (kind == fault_kind_LIE) {
        *ret_place = (place_opened_t) { .provider_lease = arena_string (arena, provider_lease) };
        return 0;
    }
    places_how_t how = { .plan = s_plan, .context = self };
    if (places_resume (self->places, ask, &how, provider_lease, deadline_ms, arena, ret_place, err))
        return -1;
    if (kind == fault_kind_LOSE)
        s_lose (self, provider_lease, ask->lease, deadline_ms);
    return 0;
}

static int
s_end (void *object, fault_verb_t verb, const place_close_t *ask, int64_t deadline_ms,
       berth_error_t *err)
{
    fault_t *self = object;
    CHECK (self, FAULT_MAGIC);
    fault_kind_t kind;
    berth_bytes_t rules = any_get (ask->config, "faults").size ? ask->config : ask->metadata;
    if (s_follow (self, verb, rules, ask->lease, deadline_ms, &kind, err))
        return -1;
    return kind == fault_kind_LIE ? 0 : places_close (self->places, ask, deadline_ms, err);
}

static int
s_release (void *object, const place_close_t *ask, int64_t deadline_ms, berth_error_t *err)
{
    return s_end (object, fault_verb_RELEASE, ask, deadline_ms, err);
}

static int
s_destroy (void *object, const place_close_t *ask, int64_t deadline_ms, berth_error_t *err)
{
    return s_end (object, fault_verb_DESTROY, ask, deadline_ms, err);
}

static int
s_realize (void *object, const place_realize_t *ask, provider_progress_fn *progress,
           void *context, int64_t deadline_ms, arena_t *arena, place_realized_t *ret_realized,
           berth_error_t *err)
{
    fault_t *self = object;
    CHECK (self, FAULT_MAGIC);
    fault_kind_t kind;
    if (s_follow (self, fault_verb_REALIZE, ask->metadata, ask->lease, deadline_ms, &kind, err))
        return -1;
    place_t place;
    const char *id = places_id (ask->provider_lease, ask->lease);
    if (places_find (self->places, id, arena, &place, err))
        return -1;
    if (kind == fault_kind_LIE) {
        *ret_realized = (place_realized_t) { .cwd = words_bytes (place.workspace) };
        return 0;
    }
    if (places_realize (self->places, ask, place.workspace, progress, context, deadline_ms, arena,
                        ret_realized, err))
        return -1;
    if (kind == fault_kind_LOSE)
        s_lose (self, ask->provider_lease, ask->lease, deadline_ms);
    return 0;
}

static int
s_give_back (void *object, const place_return_t *ask, provider_progress_fn *progress,
             void *context, int64_t deadline_ms, arena_t *arena,
             workspace_returned_t *ret_returned, berth_error_t *err)
{
    fault_t *self = object;
    CHECK (self, FAULT_MAGIC);
    fault_kind_t kind;
    if (s_follow (self, fault_verb_GIVE_BACK, ask->metadata, ask->lease, deadline_ms, &kind, err))
        return -1;
    if (kind == fault_kind_LIE) {
        *ret_returned = (workspace_returned_t) { .lease = ask->lease, .target = ask->target };
        return 0;
    }
    if (kind == fault_kind_LOSE)
        s_lose (self, ask->provider_lease, ask->lease, deadline_ms);
    return places_give_back (self->places, ask, progress, context, deadline_ms, arena,
                             ret_returned, err);
}

//  A list on its way out, and what is done to it.
typedef struct {
    provider_each_fn *each;
    void *context;
    fault_kind_t kind;
    size_t count;
} bend_t;

static int
s_bend (void *context, const char *provider_lease, berth_bytes_t labels)
{
    bend_t *bend = context;
    own (arena) arena = arena_new ();
    size_t nth = bend->count++;
    if (bend->kind == fault_kind_HALF && nth % 2 == 0)
        return 0;
    if (bend->kind == fault_kind_GARBAGE)
        labels = any_set_text (labels, "lease", "not an id", arena);
    if (bend->kind == fault_kind_FOREIGN)
        labels = any_set_text (labels, "install", "00000000-0000-7000-8000-00000000f0e1", arena);
    if (bend->kind == fault_kind_OTHER)
        labels = any_set_text (labels, "lease", "00000000-0000-7000-8000-0000000007e5", arena);
    return bend->each (bend->context, provider_lease, labels);
}

//  By the rules of the last config that was seen.
static int
s_follow_last (fault_t *self, fault_verb_t verb, int64_t deadline_ms, fault_kind_t *ret_kind,
               berth_error_t *err)
{
    uint8_t rules [LIST_RULES_MAX];
    pthread_mutex_lock (&self->lock);
    size_t size = self->list_size;
    memcpy (rules, self->list_rules, size);
    pthread_mutex_unlock (&self->lock);
    return s_follow (self, verb, (berth_bytes_t) { rules, size },
                     berth_enum_text (&fault_verb_enum, (int) verb), deadline_ms, ret_kind, err);
}

static void
s_prepare (void *object)
{
    fault_t *self = object;
    CHECK (self, FAULT_MAGIC);
    fault_kind_t kind;
    berth_error_t err = { 0 };
    if (s_follow_last (self, fault_verb_PREPARE, berth_mono_ms () + PREPARE_MS, &kind, &err) == 0)
        places_prepare (self->places);
}

static int
s_list (void *object, provider_each_fn *each, void *context, int64_t deadline_ms,
        berth_error_t *err)
{
    fault_t *self = object;
    CHECK (self, FAULT_MAGIC);
    fault_kind_t kind;
    if (s_follow_last (self, fault_verb_LIST, deadline_ms, &kind, err))
        return -1;
    bend_t bend = { each, context, kind, 0 };
    return kind == fault_kind_LIE ? 0 : places_list (self->places, s_bend, &bend, err);
}

const provider_t provider_fault = {
    .name = "fault",
    .title = "Fault",
    .doc = "Places without walls whose verbs fail, hang or lie when they are told to: for tests.",
    .config = &fault_config_schema,
    .can = PLACES_CAN | PROVIDER_CAN_REUSE,
    .concurrency = 16,
    .for_tests = true,
    .exclusive = true,
    .open = s_open,
    .close = s_close,
    .validate = s_validate,
    .probe = s_probe,
    .acquire = s_acquire,
    .resume = s_resume,
    .release = s_release,
    .destroy = s_destroy,
    .prepare = s_prepare,
    .realize = s_realize,
    .give_back = s_give_back,
    .list = s_list
};
