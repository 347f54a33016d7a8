//  configuration.h - what berthd's configuration file may say (ZPL, RFC 4), in the words of schemas.

#ifndef BERTH_CONFIGURATION_H_INCLUDED
#define BERTH_CONFIGURATION_H_INCLUDED

#include "schema.h"

#define CONFIGURATION_UIDS(F, T) \
    F (T, U64,   first,     "first",     REQUIRED | POSITIVE, 4000000000, "The first host uid of places (900000).") \
    F (T, U64,   count,     "count",     REQUIRED | POSITIVE, 100000000, "How many there are (50000).")
BERTH_MESSAGE (configuration_uids, CONFIGURATION_UIDS);

#define CONFIGURATION_KEYS(F, T) \
    F (T, U64,   max,       "max",       OPTIONAL | POSITIVE, 1000000000, "Idempotency keys remembered (1000000).")
BERTH_MESSAGE (configuration_keys, CONFIGURATION_KEYS);

#define CONFIGURATION_QUOTAS(F, T) \
    F (T, U64,   rate,      "requestsPerSecond", OPTIONAL | POSITIVE, 1000000, "Requests a second (100000).") \
    F (T, U64,   burst,     "requestsBurst", OPTIONAL | POSITIVE, 1000000, "Requests at once, after a pause (200000).") \
    F (T, U64,   leases,    "leases",    OPTIONAL | POSITIVE, 1000000000, "Live leases (2000000).") \
    F (T, U64,   execs,     "execs",     OPTIONAL | POSITIVE, 1000000, "Live execs (10000).") \
    F (T, U64,   spool_bytes, "spoolBytes", OPTIONAL | POSITIVE, 70368744177664, "Bytes of output kept, and of live execs (274877906944).")
BERTH_MESSAGE (configuration_quotas, CONFIGURATION_QUOTAS);

#define CONFIGURATION_COMPANY(F, T) \
    F (T, STR,   id,        "id",        REQUIRED | POSITIVE, 64, "The company.") \
    F (T, OBJ (configuration_quotas), quotas, "quotas", OPTIONAL, 0, "What it may take, other than `quotas` says.")
BERTH_MESSAGE (configuration_company, CONFIGURATION_COMPANY);

//  One more way in, beside the operator's own sockets.
#define CONFIGURATION_DOOR(F, T) \
    F (T, STR,   id,        "id",        REQUIRED | POSITIVE, 32, "Its name; clients of a local one are the principal ipc:<id>.") \
    F (T, STR,   bus,       "bus",       OPTIONAL | POSITIVE, 512, "Where requests come in: ipc://PATH, or tcp://ADDRESS:PORT for those who have a key (tcp://127.0.0.1:7411).") \
    F (T, STR,   events,    "events",    OPTIONAL | POSITIVE, 512, "Where activity goes out, likewise (tcp://127.0.0.1:7412).") \
    F (T, STRS,  roles,     "roles",     OPTIONAL | POSITIVE, 4, "Of a local one: what all who come by it may ask, as operator, platform or observer.") \
    F (T, STRS,  companies, "companies", OPTIONAL | POSITIVE, 256, "Of a local one: those that exist for them; none: all.") \
    F (T, STR,   mode,      "mode",      OPTIONAL | POSITIVE, 4, "Of local sockets, octal (0600).") \
    F (T, STR,   owner,     "owner",     OPTIONAL | POSITIVE, 64, "Of local sockets: a user's name or number.") \
    F (T, STR,   group,     "group",     OPTIONAL | POSITIVE, 64, "Of local sockets: a group's name or number.")
BERTH_MESSAGE (configuration_door, CONFIGURATION_DOOR);

#define CONFIGURATION_RETENTION(F, T) \
    F (T, U64,   activity,  "activity",  OPTIONAL | POSITIVE, 3155760000, "Seconds an entry of the activity log is kept (7776000).") \
    F (T, U64,   leases,    "leases",    OPTIONAL | POSITIVE, 3155760000, "A settled lease, at least as long as runs and execs (2592000).") \
    F (T, U64,   runs,      "runs",      OPTIONAL | POSITIVE, 3155760000, "A run that is released or failed (2592000).") \
    F (T, U64,   execs,     "execs",     OPTIONAL | POSITIVE, 3155760000, "An ended exec (2592000).") \
    F (T, U64,   spools,    "spools",    OPTIONAL | POSITIVE, 3155760000, "Its output, at most as long as the exec (604800).") \
    F (T, U64,   retained,  "retained",  OPTIONAL | POSITIVE, 31536000, "Files of a retained lease that nobody returns or discards (604800).") \
    F (T, U64,   places,    "places",    OPTIONAL | POSITIVE, 31536000, "A place that is kept for the next lease (604800).") \
    F (T, U64,   secret_events, "secretEvents", OPTIONAL | POSITIVE, 3155760000, "An entry of who used a secret (7776000).")
BERTH_MESSAGE (configuration_retention, CONFIGURATION_RETENTION);

#define CONFIGURATION_SWEEP(F, T) \
    F (T, U64,   every,     "every",     OPTIONAL | POSITIVE, 86400, "Seconds between two looks for places that no lease wants (60).") \
    F (T, U64,   age,       "age",       OPTIONAL | POSITIVE, 3155760000, "Seconds one must be seen so before it is destroyed, in two looks in a row at least (300).")
BERTH_MESSAGE (configuration_sweep, CONFIGURATION_SWEEP);

#define CONFIGURATION(F, T) \
    F (T, STR,   state,     "state",     OPTIONAL | POSITIVE, 2000, "State directory; as root (/var/lib/berth).") \
    F (T, STR,   runtime,   "runtime",   OPTIONAL | POSITIVE, 2000, "Runtime directory, where its sockets are; as root (/run/berth).") \
    F (T, U64,   store_max, "storeMax",  OPTIONAL | POSITIVE, 70368744177664, "Bytes the store may grow to (68719476736).") \
    F (T, BOOL,  local_as_root, "localAsRoot", OPTIONAL, 0, "Driver local may run as root (false).") \
    F (T, BOOL,  test_providers, "testProviders", OPTIONAL, 0, "Allow the providers fake and fault (false).") \
    F (T, U64,   test_faults, "testFaults", OPTIONAL | POSITIVE, 64, "With testProviders: so many more of provider fault, named fault-1 and on; without it none (63).") \
    F (T, OBJ (configuration_keys), keys, "keys", OPTIONAL, 0, "What retries are remembered.") \
    F (T, OBJ (configuration_retention), retention, "retention", OPTIONAL, 0, "How long what has ended is kept.") \
    F (T, OBJ (configuration_sweep), sweep, "sweep", OPTIONAL, 0, "How lost places are looked for.") \
    F (T, OBJ (configuration_uids), uids, "uids", OPTIONAL, 0, "Host uids for places, when started by root.") \
    F (T, OBJ (configuration_quotas), quotas, "quotas", OPTIONAL, 0, "What each company may take.") \
    F (T, LIST (configuration_company), companies, "companies", OPTIONAL, 1024, "Companies that differ: sections of any name.") \
    F (T, LIST (configuration_door), doors, "doors", OPTIONAL, 15, "More ways in: sections of any name.") \
    F (T, BLOBS, roots,     "workspaceRoots", OPTIONAL | POSITIVE, 64, "Host folders beneath which workspaces may lie; the operator's own may lie anywhere.") \
    F (T, STR,   master_key_file, "masterKeyFile", OPTIONAL | POSITIVE, 2000, "File of the master key that secrets are sealed by (master.key in the state directory).") \
    F (T, BOOL,  local_over_tcp, "localOverTcp", OPTIONAL, 0, "Driver local may be used over TCP (false).")
BERTH_MESSAGE (configuration, CONFIGURATION);

#endif
