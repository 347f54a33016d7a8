//  sweep.h - looking for what was lost: places at a provider that no lease wants, and leases whose
//  place the provider no longer has.

#ifndef BERTH_SWEEP_H_INCLUDED
#define BERTH_SWEEP_H_INCLUDED

#include "schema.h"

#define SUSPECT_KIND(X, T) \
    X (T, ORPHAN,  "orphan")    /* a place of this install that no lease wants */ \
    X (T, MISSING, "missing")   /* an active lease whose place is not in its provider's list */
BERTH_ENUM (suspect_kind, SUSPECT_KIND);

//  A row stands while it is suspected; nothing is done about it before it was old enough, and seen
//  in two sweeps in a row.
#define SUSPECT(F, T) \
    F (T, STR,   id,        "id",        REQUIRED, 128, "PROVIDER:HASH of the place's name.") \
    F (T, ENUM (suspect_kind), kind, "kind", REQUIRED, 0, "orphan or missing.") \
    F (T, STR,   provider,  "provider",  REQUIRED, 64, "At which provider.") \
    F (T, STR,   provider_lease, "providerLeaseId", REQUIRED, 512, "The provider's name of the place.") \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "Of its label; of one that is missing: the lease.") \
    F (T, STR,   company,   "companyId", NULLABLE, 64, "Of its label.") \
    F (T, TIME,  since,     "since",     REQUIRED, 0, "Since when it is seen so.") \
    F (T, U64,   seen,      "seen",      REQUIRED, 0, "In so many sweeps in a row.") \
    F (T, U64,   sweep,     "sweep",     REQUIRED, 0, "Number of the last of them.") \
    F (T, U64,   attempts,  "attempts",  OPTIONAL, 0, "So often it was acted upon.") \
    F (T, TIME,  next_try_at, "nextAttemptAt", OPTIONAL, 0, "When it is acted upon again, at the earliest.") \
    F (T, BOOL,  given_up,  "givenUp",   OPTIONAL, 0, "An operator abandoned its lease: it is told of, and left alone.") \
    F (T, BOOL,  former,    "formerInstall", OPTIONAL, 0, "Made by the install whose backup this store is: it may still run, so it is left alone unless an operator says otherwise.") \
    F (T, STR,   error,     "error",     OPTIONAL, 512, "Why that did not help.")
BERTH_MESSAGE (suspect, SUSPECT);

//  Of one provider.
#define SWEEP(F, T) \
    F (T, STR,   provider,  "provider",  REQUIRED, 64, "Whose places are looked at.") \
    F (T, U64,   number,    "number",    REQUIRED, 0, "Of the last sweep that began.") \
    F (T, TIME,  begun_at,  "begunAt",   NULLABLE, 0, "When it began.") \
    F (T, TIME,  done_at,   "doneAt",    NULLABLE, 0, "When a whole list was last read.") \
    F (T, BOOL,  running,   "running",   REQUIRED, 0, "Its list was asked for and is not there yet.") \
    F (T, U64,   places,    "places",    REQUIRED, 0, "Places of this install in the last list.") \
    F (T, U64,   suspects,  "suspects",  REQUIRED, 0, "Of them, and of leases, those that are suspected.") \
    F (T, U64,   acted,     "acted",     REQUIRED, 0, "Objects acted upon in the last sweep.") \
    F (T, U64,   failures,  "failures",  REQUIRED, 0, "Lists in a row that could not be read.") \
    F (T, TIME,  failing_since, "failingSince", NULLABLE, 0, "Since when.") \
    F (T, STR,   error,     "error",     NULLABLE, 512, "Why not.") \
    F (T, STR,   lied,      "lied",      NULLABLE, 512, "What its last list left out although it is there.") \
    F (T, STR,   after,     "after",     NULLABLE, 512, "Of a sweep under way: the last name of the page before.") \
    F (T, STR,   leases_after, "leasesAfter", NULLABLE, 256, "Behind which lease the next sweep goes on.") \
    F (T, BOOL,  now,       "now",       OPTIONAL, 0, "An operator asked: age is not waited for.") \
    F (T, BOOL,  former,    "former",    OPTIONAL, 0, "An operator asked: places of the former install go too.")
BERTH_MESSAGE (sweep, SWEEP);

#define PROVIDER_SWEEP(F, T) \
    F (T, STR,   provider,  "provider",  REQUIRED | POSITIVE, 64, "Provider key.") \
    F (T, BOOL,  now,       "now",       OPTIONAL, 0, "Act on what two sweeps saw, however young (false).") \
    F (T, BOOL,  former,    "former",    OPTIONAL, 0, "Also on places of the install whose backup this store is: it must run nowhere any more (false).")
BERTH_MESSAGE (provider_sweep, PROVIDER_SWEEP);

//  ---- steps, never on the wire

//  The places of this install behind `after`, by name; and which of `expected` are in no list.
#define PLACE_LIST(F, T) \
    F (T, STR,   after,     "after",     NULLABLE, 512, "The last name of the page before.") \
    F (T, STRS,  expected,  "expected",  OPTIONAL, 1000, "Names that should be there.")
BERTH_MESSAGE (place_list, PLACE_LIST);

#define PLACE_LISTED(F, T) \
    F (T, STR,   provider_lease, "providerLeaseId", REQUIRED, 512, "The provider's name of the place.") \
    F (T, ID,    lease,     "leaseId",   REQUIRED, 36, "Its label.") \
    F (T, STR,   company,   "companyId", NULLABLE, 64, "Its label.") \
    F (T, BOOL,  former,    "former",    OPTIONAL, 0, "It has the label of the former install.")
BERTH_MESSAGE (place_listed, PLACE_LISTED);

#define PLACE_LIST_PAGE(F, T) \
    F (T, LIST (place_listed), items, "items", REQUIRED, 1000, "By name.") \
    F (T, BOOL,  more,      "more",      REQUIRED, 0, "There are more behind the last.") \
    F (T, STRS,  missing,   "missing",   REQUIRED, 1000, "Of those expected.")
BERTH_MESSAGE (place_list_page, PLACE_LIST_PAGE);

//  Of the log's entry about a place that was destroyed.
#define ORPHAN_DETAILS(F, T) \
    F (T, STR,   provider,  "provider",  REQUIRED, 64, "At which provider.") \
    F (T, STR,   provider_lease, "providerLeaseId", REQUIRED, 512, "The provider's name of the place.") \
    F (T, TIME,  since,     "since",     REQUIRED, 0, "Since when it was seen without a lease that wants it.")
BERTH_MESSAGE (orphan_details, ORPHAN_DETAILS);

#endif
