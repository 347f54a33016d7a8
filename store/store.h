//  store.h - the state of the service: one LMDB environment, transactions, counters.
//
//  Opened once per process. Durability stays at LMDB's defaults: a commit that returned is on
//  disk. Nothing above this folder names LMDB: a transaction is reads and writes on typed tables
//  (tables.h), so that another engine can stand behind the same calls.

#ifndef BERTH_STORE_H_INCLUDED
#define BERTH_STORE_H_INCLUDED

#include "arena.h"
#include "error.h"
#include "keys.h"

typedef struct store store_t;
typedef struct store_txn store_txn_t;

//  Of the tables. A store of an older schema is migrated when it is opened, a newer one refused.
enum { STORE_SCHEMA = 6 };

//  Opens <folder>/store, or makes it: in a folder beside it, synced, renamed, because a store
//  whose first write was cut off never opens again. max_bytes is reserved as address space once (0:
//  64 GiB, or half of RLIMIT_AS where that is smaller; see store_reserved) and never grown.
//  Errors: forbidden (permissions), conflict (a newer schema), store_full, internal.
int store_open (const char *folder, uint64_t max_bytes, store_t **ret_self, berth_error_t *err);
void store_destroy (store_t **self_p);

//  How many idempotency keys are remembered; before any transaction. 0: the default.
enum { STORE_KEYS_MAX = 1000000 };
void store_set_keys_max (store_t *self, uint64_t count);

//  Begins the one write transaction, waiting for whoever holds it. Until it ends: no send, no
//  receive, no provider, no sleep. Same thread throughout.
int store_begin (store_t *self, store_txn_t **ret_txn, berth_error_t *err);

//  Opens a snapshot for reading, from any thread. Keep it for one request: an open reader stops
//  old pages from being reused.
int store_read (store_t *self, store_txn_t **ret_txn, berth_error_t *err);

//  Begins a transaction inside a write transaction: its end by store_txn_destroy undoes it alone.
int store_child (store_txn_t *parent, store_txn_t **ret_txn, berth_error_t *err);

//  Commits (and syncs, unless it is a child). Takes *txn_p whatever happens. A failed commit of a
//  write transaction is final: the process must end, and read its rows again.
int store_commit (store_txn_t **txn_p, berth_error_t *err);

//  Ends a transaction without effect. Reads end this way.
void store_txn_destroy (store_txn_t **txn_p);

//  Writes made in this transaction and its children so far: a handler that failed with none needs
//  no undoing.
uint64_t store_writes (const store_txn_t *txn);

//  The next fencing number: epoch x 2^40 + n (DESIGN section 6). Write transactions only.
uint64_t store_next_generation (store_txn_t *txn);

//  The next sequence number of the activity log. Write transactions only; see activity.h.
uint64_t store_next_seq (store_txn_t *txn);
uint64_t store_last_seq (store_txn_t *txn);

//  From here on, rows of companies that `sees` denies do not exist for the typed functions of
//  tables.h that take an id, and their ids cannot be written to (conflict). NULL: all are seen again.
typedef bool (store_sees_fn) (void *context, const char *company);
void store_confine (store_txn_t *txn, store_sees_fn *sees, void *context);

//  Clears reader slots of processes that died; how many.
int store_clear_readers (store_t *self);

//  ---- room

//  How full it is: above 75 % of min(storeMax, what it has and its disk has left), or on a disk
//  that has nothing left to promise, nothing new is taken; SHUT: nothing of clients is written.
typedef enum { STORE_ROOMY, STORE_TIGHT, STORE_SHUT } store_fill_t;

typedef struct {
    uint64_t used_bytes;            //  Pages in use
    uint64_t file_bytes;            //  Pages that were ever in use
    uint64_t max_bytes;             //  What may be used
    uint64_t room_bytes;            //  What may be used, as far as the disk has it
    uint64_t disk_free;             //  On its file system
    uint64_t reserve_bytes;         //  Blocks the file has beyond its end
    uint64_t schema, epoch;
    store_fill_t fill;
    bool reserved_less;             //  A smaller RLIMIT_AS made max_bytes smaller
    int64_t backup_since_ms;        //  A backup runs since then, monotonic; 0: none
    uint64_t backup_bytes;          //  that it has written
} store_stat_t;

//  Looks how much room there is, and remembers it for store_admit: called once a second by one
//  thread. Its work does not grow with the store.
int store_stat (store_t *self, store_stat_t *ret_stat, berth_error_t *err);

//  What takes the room: the index-th table; false behind the last.
typedef struct {
    const char *name;
    uint64_t rows, bytes;
} store_size_t;
bool store_size_at (store_txn_t *txn, size_t index, store_size_t *ret_size);

//  May a row for new work be made? May anything be written for a client? Both are cheap. Errors:
//  store_full, with a remedy.
int store_admit (store_txn_t *txn, berth_error_t *err);
int store_writable (store_txn_t *txn, berth_error_t *err);

//  ---- whose it is

//  Was this the first open of a backup? Its epoch has grown.
bool store_was_restored (const store_t *self);

//  The store's own id, made with it: labels everything of this install outside. One that is restored
//  from a backup gets another, since the one before may still be in use: store_former_install_id,
//  NULL of a store that never was.
const char *store_install_id (const store_t *self);
const char *store_former_install_id (const store_t *self);

#endif
