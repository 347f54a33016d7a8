//  quota.h - what one company may take of the service: requests a second, live leases, live execs,
//  bytes of output on disk. Who is over it is answered `busy`, with the limit and when to come again.
//
//  One object for all actors of a service; every function may be called by any thread. Counts of
//  what is kept come from the store (usage.h), in the caller's transaction, so they are exact.

#ifndef BERTH_QUOTA_H_INCLUDED
#define BERTH_QUOTA_H_INCLUDED

#include "bus.h"
#include "arena.h"
#include "error.h"
#include "store.h"
#include "trust.h"

typedef struct quotas quotas_t;

//  0: the usual (of BERTH_LIMITS, or of all companies).
typedef struct {
    uint64_t rate, burst;           //  Requests a second; how many at once after a pause
    uint64_t leases, execs;         //  Live ones
    uint64_t spool_bytes;           //  Of output: of ended execs that is kept, and of live ones
} quota_limits_t;

enum {
    QUOTA_COMPANIES_MAX = 4096,     //  Whose rate is remembered; those beyond share one bucket
    QUOTA_PACE_MS = 1000,           //  When to ask again for what ends nobody knows when
    QUOTA_TOP = 16,                 //  Companies that quota_top names
    QUOTA_PRINCIPAL = '@',          //  Begins what stands for a principal: no company is called so
    QUOTA_PAYER_SIZE = TRUST_COMPANY_SIZE + 1
};

//  What holds for every company that has nothing of its own.
quotas_t *quotas_new (const quota_limits_t *usual);
void quotas_destroy (quotas_t **self_p);

//  What holds for one company. Before any other thread knows the object.
void quotas_limit (quotas_t *self, const char *company, const quota_limits_t *limits);

//  One request of a company, or of a principal that names none, at a time of the monotonic clock. Errors: busy; retry_after_ms is when
//  its bucket has the next token.
int quota_request (quotas_t *self, const char *company, int64_t mono_ms, berth_error_t *err);

//  Who pays for what names no company: the only company of a principal, or else itself.
void quota_payer (trust_t *trust, const char *principal, char ret_payer [QUOTA_PAYER_SIZE]);

//  A request of a principal was refused with *err before anybody decided about it: it costs its sender, whatever
//  it names, what any request costs, for a flood of these is a flood. Beyond its rate *err becomes
//  busy. self NULL: no limits.
void quota_refused (quotas_t *self, trust_t *trust, const char *principal, int64_t mono_ms,
                    berth_error_t *err);

//  Is there room for one more live lease? Errors: busy.
int quota_lease (quotas_t *self, store_txn_t *txn, const char *company, berth_error_t *err);

//  Is there room for one more live exec, and for its output? *spool_max becomes what is left of the
//  company's bytes if that is less. Errors: busy.
int quota_exec (quotas_t *self, store_txn_t *txn, const char *company, uint64_t *spool_max,
                berth_error_t *err);

//  The output of a company's live execs grew by so much; less than zero when one ended.
void quota_spooling (quotas_t *self, const char *company, int64_t change);

//  The companies that were refused most, then those that asked most, at most QUOTA_TOP; texts in the
//  arena.
size_t quota_top (quotas_t *self, store_txn_t *txn, arena_t *arena, const bus_company_t **ret_companies);

#endif
