//  quota.c - owns the token buckets of companies, and who was refused how often.
//
//  A bucket is one time: when it will be full again (the generic cell rate algorithm). A company
//  whose bucket is full and that spools nothing is the same as one never heard of, so its place may
//  be given to another: the table is a fixed number of sets of WAYS places, found by hash.

#include "quota.h"

#include "usage.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTAS_MAGIC 0x90074001u

enum { WAYS = 8, SETS = QUOTA_COMPANIES_MAX / WAYS, NS_PER_MS = 1000000 };
#define SECOND_NS 1000000000ull

typedef enum { OVER_RATE, OVER_LEASES, OVER_EXECS, OVER_SPOOL, OVER_COUNT } over_t;

typedef struct {
    char company [65];              //  "" for free
    quota_limits_t limits;
    uint64_t full_ns;               //  Monotonic: when the bucket is full again
    uint64_t heard_ns;
    int64_t spooling;               //  Bytes of live execs
    uint64_t requests, refused [OVER_COUNT];
} place_t;

struct quotas {
    uint32_t magic;
    pthread_mutex_t lock;           //  Guards what follows
    quota_limits_t usual;
    place_t *own;                   //  Companies with limits of their own, by name
    size_t own_count;
    place_t *places;                //  SETS * WAYS
    place_t others;                 //  Whoever finds no place
};

//  How each is said: the name of its key in the configuration.
static const struct {
    const char *name, *what, *remedy;
} s_words [OVER_COUNT] = {
    [OVER_RATE] = { "requestsPerSecond", "requests a second", "wait, ask less often, or have the "
                    "operator raise requestsPerSecond of this company" },
    [OVER_LEASES] = { "leases", "live leases", "release a lease, or have the operator raise the quota "
                      "`leases` of this company" },
    [OVER_EXECS] = { "execs", "live execs", "wait until one ends, or have the operator raise the "
                     "quota `execs` of this company" },
    [OVER_SPOOL] = { "spoolBytes", "bytes of output kept", "delete what is kept, wait for retention, or "
                     "have the operator raise the quota `spoolBytes` of this company" },
};

static quota_limits_t
s_over (const quota_limits_t *limits, const quota_limits_t *usual)
{
#define PICK(member) .member = limits && limits->member ? limits->member : usual->member
    return (quota_limits_t) { PICK (rate), PICK (burst), PICK (leases), PICK (execs),
                              PICK (spool_bytes) };
#undef PICK
}

quotas_t *
quotas_new (const quota_limits_t *usual)
{
    static const quota_limits_t limits = {
        .rate = BERTH_COMPANY_RATE, .burst = BERTH_COMPANY_BURST, .leases = BERTH_COMPANY_LEASES,
        .execs = BERTH_COMPANY_EXECS, .spool_bytes = (uint64_t) BERTH_COMPANY_SPOOL_MIB << 20,
    };
    quotas_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = QUOTAS_MAGIC;
    self->usual = s_over (usual, &limits);
    self->others.limits = self->usual;
    self->places = calloc (SETS * WAYS, sizeof *self->places);
    ENSURE (self->places);
    pthread_mutex_init (&self->lock, NULL);
    return self;
}

void
quotas_destroy (quotas_t **self_p)
{
    quotas_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, QUOTAS_MAGIC);
    pthread_mutex_destroy (&self->lock);
    free (self->own);
    free (self->places);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static int
s_by_name (const void *left, const void *right)
{
    return strcmp (((const place_t *) left)->company, ((const place_t *) right)->company);
}

static void
s_name (place_t *place, const char *company)
{
    snprintf (place->company, sizeof place->company, "%s", company);
}

void
quotas_limit (quotas_t *self, const char *company, const quota_limits_t *limits)
{
    CHECK (self, QUOTAS_MAGIC);
    self->own = realloc (self->own, (self->own_count + 1) * sizeof *self->own);
    ENSURE (self->own);
    place_t *place = &self->own [self->own_count++];
    *place = (place_t) { .limits = s_over (limits, &self->usual) };
    s_name (place, company);
    qsort (self->own, self->own_count, sizeof *self->own, s_by_name);
}

//  ---- places

//  The place of a company, made if need be by forgetting another's, if nothing is lost by that: a
//  bucket that is full, and no output that is counted. With the lock held.
static place_t *
s_place (quotas_t *self, const char *company, uint64_t now_ns)
{
    place_t key;
    s_name (&key, company);
    place_t *own_place = self->own_count ? bsearch (&key, self->own, self->own_count,
                                                    sizeof *self->own, s_by_name) : NULL;
    if (own_place)
        return own_place;
    uint32_t hash = 2166136261u;
    for (const char *at = company; *at; at++)
        hash = (hash ^ (uint8_t) *at) * 16777619u;
    place_t *set = &self->places [hash % SETS * WAYS], *room = NULL;
    for (place_t *place = set; place < set + WAYS; place++) {
        if (strcmp (place->company, key.company) == 0)
            return place;
        bool idle = place->full_ns <= now_ns && !place->spooling;
        if (idle && (!room || place->heard_ns < room->heard_ns))
            room = place;
    }
    if (!room)
        return &self->others;
    *room = (place_t) { .limits = self->usual };
    s_name (room, company);
    return room;
}

//  ---- refusing

static int
s_refuse (place_t *place, over_t over, const char *company, uint64_t limit, uint64_t after_ms,
          berth_error_t *err)
{
    place->refused [over]++;
    if (err) {
        err->retry_after_ms = after_ms;
        err->limit_value = limit;
        berth_error_set (err->limit, sizeof err->limit, "%s", s_words [over].name);
        berth_error_set (err->remedy, sizeof err->remedy, "%s", s_words [over].remedy);
    }
    bool principal = *company == QUOTA_PRINCIPAL;
    return berth_fail (err, BERTH_BUSY, "%s '%s' may have %llu %s, and is there",
                       principal ? "principal" : "company", company + principal,
                       (unsigned long long) limit, s_words [over].what);
}

int
quota_request (quotas_t *self, const char *company, int64_t mono_ms, berth_error_t *err)
{
    CHECK (self, QUOTAS_MAGIC);
    uint64_t now_ns = (uint64_t) mono_ms * NS_PER_MS;
    pthread_mutex_lock (&self->lock);
    place_t *place = s_place (self, company, now_ns);
    place->heard_ns = now_ns;
    uint64_t token_ns = SECOND_NS / place->limits.rate;
    uint64_t most_ns = token_ns * place->limits.burst;
    uint64_t full_ns = place->full_ns > now_ns ? place->full_ns : now_ns;
    uint64_t then_ns = full_ns + token_ns - now_ns;
    int rc = 0;
    place->requests++;
    if (then_ns > most_ns)
        rc = s_refuse (place, OVER_RATE, company, place->limits.rate,
                       (then_ns - most_ns + NS_PER_MS - 1) / NS_PER_MS, err);
    else
        place->full_ns = full_ns + token_ns;
    pthread_mutex_unlock (&self->lock);
    return rc;
}

void
quota_payer (trust_t *trust, const char *principal, char ret_payer [QUOTA_PAYER_SIZE])
{
    if (!trust || !trust_only (trust, principal, ret_payer))
        snprintf (ret_payer, QUOTA_PAYER_SIZE, "%c%s", QUOTA_PRINCIPAL, principal);
}

void
quota_refused (quotas_t *self, trust_t *trust, const char *principal, int64_t mono_ms, berth_error_t *err)
{
    char payer [QUOTA_PAYER_SIZE];
    berth_error_t busy = { 0 };
    if (!self || berth_code_retryable (err->code) || err->code == BERTH_UNAUTHORIZED)
        return;
    quota_payer (trust, principal, payer);
    if (quota_request (self, payer, mono_ms, &busy))
        *err = busy;
}

int
quota_lease (quotas_t *self, store_txn_t *txn, const char *company, berth_error_t *err)
{
    CHECK (self, QUOTAS_MAGIC);
    usage_t usage;
    if (usage_get (txn, company, &usage, err))
        return -1;
    pthread_mutex_lock (&self->lock);
    place_t *place = s_place (self, company, 0);
    int rc = usage.leases < place->limits.leases ? 0
        : s_refuse (place, OVER_LEASES, company, place->limits.leases, QUOTA_PACE_MS, err);
    pthread_mutex_unlock (&self->lock);
    return rc;
}

int
quota_exec (quotas_t *self, store_txn_t *txn, const char *company, uint64_t *spool_max,
            berth_error_t *err)
{
    CHECK (self, QUOTAS_MAGIC);
    usage_t usage;
    if (usage_get (txn, company, &usage, err))
        return -1;
    pthread_mutex_lock (&self->lock);
    place_t *place = s_place (self, company, 0);
    uint64_t spooled = usage.spooled + (place->spooling > 0 ? (uint64_t) place->spooling : 0);
    int rc = 0;
    if (usage.execs >= place->limits.execs)
        rc = s_refuse (place, OVER_EXECS, company, place->limits.execs, QUOTA_PACE_MS, err);
    else if (spooled >= place->limits.spool_bytes)
        rc = s_refuse (place, OVER_SPOOL, company, place->limits.spool_bytes, QUOTA_PACE_MS, err);
    else if (*spool_max > place->limits.spool_bytes - spooled)
        *spool_max = place->limits.spool_bytes - spooled;
    pthread_mutex_unlock (&self->lock);
    return rc;
}

void
quota_spooling (quotas_t *self, const char *company, int64_t change)
{
    CHECK (self, QUOTAS_MAGIC);
    if (!change)
        return;
    pthread_mutex_lock (&self->lock);
    s_place (self, company, 0)->spooling += change;
    pthread_mutex_unlock (&self->lock);
}

//  ---- telling

static uint64_t
s_refusals (const place_t *place)
{
    uint64_t sum = 0;
    for (int over = 0; over < OVER_COUNT; over++)
        sum += place->refused [over];
    return sum;
}

static bool
s_before (const place_t *left, const place_t *right)
{
    uint64_t one = s_refusals (left), two = s_refusals (right);
    return one != two ? one > two : left->requests > right->requests;
}

//  Puts a place among the first QUOTA_TOP, if it belongs there.
static size_t
s_rank (place_t *top, size_t count, const place_t *place)
{
    if (!place->company [0] || (!place->requests && !s_refusals (place)))
        return count;
    size_t at = count;
    while (at > 0 && s_before (place, &top [at - 1]))
        at--;
    if (at == QUOTA_TOP)
        return count;
    size_t kept = count < QUOTA_TOP ? count : QUOTA_TOP - 1;
    memmove (&top [at + 1], &top [at], (kept - at) * sizeof *top);
    top [at] = *place;
    return kept + 1;
}

size_t
quota_top (quotas_t *self, store_txn_t *txn, arena_t *arena, const bus_company_t **ret_companies)
{
    CHECK (self, QUOTAS_MAGIC);
    place_t *top = arena_array (arena, QUOTA_TOP, place_t);
    size_t count = 0;
    pthread_mutex_lock (&self->lock);
    for (size_t index = 0; index < self->own_count; index++)
        count = s_rank (top, count, &self->own [index]);
    for (size_t index = 0; index < SETS * WAYS; index++)
        count = s_rank (top, count, &self->places [index]);
    pthread_mutex_unlock (&self->lock);
    bus_company_t *companies = arena_array (arena, QUOTA_TOP, bus_company_t);
    for (size_t index = 0; index < count; index++) {
        const place_t *place = &top [index];
        usage_t usage = { 0 };
        (void) usage_get (txn, place->company, &usage, NULL);   //  A count that is missing is 0
        companies [index] = (bus_company_t) {
            .company = place->company, .requests = place->requests,
            .leases = usage.leases, .execs = usage.execs,
            .spooled = usage.spooled + (place->spooling > 0 ? (uint64_t) place->spooling : 0),
            .over_rate = place->refused [OVER_RATE], .over_leases = place->refused [OVER_LEASES],
            .over_execs = place->refused [OVER_EXECS], .over_spool = place->refused [OVER_SPOOL],
        };
    }
    *ret_companies = companies;
    return count;
}
