//  hold.h - what keeps new leases away while work that runs goes on: the whole service drained, a
//  provider paused, or a provider that failed too often (its breaker).

#ifndef BERTH_HOLD_H_INCLUDED
#define BERTH_HOLD_H_INCLUDED

#include "schema.h"

#define HOLD_KIND(X, T) \
    X (T, DRAIN,   "drain") \
    X (T, PAUSE,   "pause") \
    X (T, BREAKER, "breaker")
BERTH_ENUM (hold_kind, HOLD_KIND);

//  A row stands while it holds: it outlives the process that was told.
#define HOLD(F, T) \
    F (T, STR,   id,        "id",        REQUIRED, 192, "bus, pause:PROVIDER, breaker:PROVIDER or breaker:PROVIDER:ENVIRONMENT.") \
    F (T, ENUM (hold_kind), kind, "kind", REQUIRED, 0, "drain, pause or breaker.") \
    F (T, BOOL,  held,      "held",      REQUIRED, 0, "No new lease is taken.") \
    F (T, STR,   provider,  "provider",  NULLABLE, 64, "Of which provider; null: of all.") \
    F (T, ID,    env,       "environmentId", NULLABLE, 36, "Of which environment; null: of all.") \
    F (T, TIME,  since,     "since",     NULLABLE, 0, "Since when; null: it does not hold.") \
    F (T, STR,   by,        "by",        NULLABLE, 128, "Principal that said so.") \
    F (T, STR,   reason,    "reason",    NULLABLE, 256, "Why.") \
    F (T, TIME,  next_try_at, "nextAttemptAt", OPTIONAL, 0, "Of a breaker: when the next acquire is let through.") \
    F (T, U64,   attempts,  "attempts",  OPTIONAL, 0, "Of a breaker: acquires let through that failed too.") \
    F (T, BOOL,  releases,  "releases",  OPTIONAL, 0, "Of a breaker: places could not be closed (true) or opened (false).") \
    F (T, TIME,  probed_at, "probedAt",  OPTIONAL, 0, "Of a breaker: when one was let through that is not answered yet.") \
    F (T, STR,   code,      "code",      OPTIONAL, 64, "Of a breaker: how its calls failed.") \
    F (T, STR,   error,     "error",     OPTIONAL, 512, "Of a breaker: the last failure.")
BERTH_MESSAGE (hold, HOLD);

#define BUS_DRAIN(F, T) \
    F (T, STR,   reason,    "reason",    OPTIONAL | POSITIVE, 256, "Why; told to whoever is refused.")
BERTH_MESSAGE (bus_drain, BUS_DRAIN);

#define PROVIDER_PAUSE(F, T) \
    F (T, STR,   provider,  "provider",  REQUIRED | POSITIVE, 64, "Provider key.") \
    F (T, STR,   reason,    "reason",    OPTIONAL | POSITIVE, 256, "Why; told to whoever is refused.")
BERTH_MESSAGE (provider_pause, PROVIDER_PAUSE);

//  Of the log's entries about holds.
#define HOLD_DETAILS(F, T) \
    F (T, STR,   provider,  "provider",  NULLABLE, 64, "Of which provider.") \
    F (T, ID,    env,       "environmentId", NULLABLE, 36, "Of which environment.") \
    F (T, STR,   reason,    "reason",    NULLABLE, 256, "Why.") \
    F (T, STR,   code,      "errorCode", NULLABLE, 64, "How its calls failed.") \
    F (T, STR,   error,     "error",     NULLABLE, 512, "The last failure.") \
    F (T, TIME,  next_try_at, "nextAttemptAt", NULLABLE, 0, "When the next acquire is let through.")
BERTH_MESSAGE (hold_details, HOLD_DETAILS);

#endif
