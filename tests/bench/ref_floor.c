//  ref_floor.c - how fast can a ROUTER be that writes the rows of a request and syncs, and decides
//  nothing?
//
//  ref_floor ENDPOINT DIRECTORY
//  It drains what waits, writes the same rows as berthd in one transaction per batch (of an acquire: the
//  lease, its three index rows, the activity entry, its companySeq and the counters, with a key also its two;
//  of a renewal: one row), and answers after the sync. It serves until it is killed.

#include "bench.h"

#include "arena.h"
#include "bus.h"
#include "codec.h"

#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <zmq.h>

enum { BATCH_MAX = 256, LEASE = 660, ACTIVITY = 350, HEAD = 24, REPLY = 700 };
enum { LEASES, INDEX, LOG, HEADS, KEYS, TABLES };

typedef struct {
    uint8_t peer [64], id [66];
    size_t peer_size, id_size;
    bool acquire, renew, key;
} asked_t;

static MDB_env *s_env;
static MDB_dbi s_tables [TABLES], s_main;
static uint64_t s_seq;

static void
s_try (int rc, const char *what)
{
    if (rc)
        bench_die ("%s: %s", what, mdb_strerror (rc));
}

static void
s_put (MDB_txn *txn, MDB_dbi table, const char *key, size_t size)
{
    static char bytes [1024];
    MDB_val name = { strlen (key), (void *) (uintptr_t) key }, value = { size, bytes };
    s_try (mdb_put (txn, table, &name, &value, 0), "put");
}

static void
s_write (MDB_txn *txn, const asked_t *ask)
{
    char key [160], id [40];
    uint64_t seq = ++s_seq;
    snprintf (id, sizeof id, "%016lx-7abc-8def", (unsigned long) seq);
    if (ask->renew) {
        snprintf (key, sizeof key, "%02d", (int) (seq % 64));
        s_put (txn, s_tables [LEASES], key, LEASE);
        return;
    }
    s_put (txn, s_tables [LEASES], id, LEASE);
    snprintf (key, sizeof key, "1bench-company%016lx%s", (unsigned long) (UINT64_MAX - seq), id);
    s_put (txn, s_tables [INDEX], key, 16);
    snprintf (key, sizeof key, "2environment-id1%016lx%s", (unsigned long) (UINT64_MAX - seq), id);
    s_put (txn, s_tables [INDEX], key, 16);
    snprintf (key, sizeof key, "3a%016lx%s", (unsigned long) seq, id);
    s_put (txn, s_tables [INDEX], key, 16);
    snprintf (key, sizeof key, "%016lx", (unsigned long) seq);
    s_put (txn, s_tables [LOG], key, ACTIVITY);
    snprintf (key, sizeof key, "bench-company%016lx", (unsigned long) seq);
    s_put (txn, s_tables [HEADS], key, 16);
    if (ask->key) {
        snprintf (key, sizeof key, "kcompany-%s%016lx", id, (unsigned long) (seq * 0x9e3779b97f4a7c15u));
        s_put (txn, s_tables [KEYS], key, HEAD);
        key [0] = 't';
        snprintf (key + 1, sizeof key - 1, "%08lx%s%016lx", (unsigned long) (seq / 32), id,
                  (unsigned long) (seq * 0x9e3779b97f4a7c15u));
        s_put (txn, s_tables [KEYS], key, REPLY);
    }
}

//  One request; false if there is none.
static bool
s_receive (void *router, arena_t *arena, int flags, asked_t *ret_ask)
{
    uint8_t header [4096], body [65536];
    int size = zmq_recv (router, ret_ask->peer, sizeof ret_ask->peer, flags);
    if (size < 0)
        return false;
    ret_ask->peer_size = (size_t) size;
    size = bench_zmq (zmq_recv (router, header, sizeof header, 0), "receive");
    bench_zmq (zmq_recv (router, body, sizeof body, 0), "receive");
    request_header_t head;
    berth_error_t err = { 0 };
    if (berth_unpack (&request_header_schema, (berth_bytes_t) { header, (size_t) size }, arena, &head, &err))
        bench_die ("%s", err.text);
    memcpy (ret_ask->id, head.id.data, head.id.size);
    ret_ask->id_size = head.id.size;
    ret_ask->acquire = strcmp (head.type, "lease.acquire") == 0;
    ret_ask->renew = strcmp (head.type, "lease.renew") == 0;
    ret_ask->key = head.key != NULL;
    return true;
}

static void
s_answer (void *router, arena_t *arena, const asked_t *ask)
{
    static char filling [REPLY];
    memset (filling, 'x', sizeof filling - 1);
    reply_header_t reply = { .v = 1, .id = { ask->id, ask->id_size }, .type = "lease.acquire",
                             .status = reply_status_OK };
    berth_bytes_t header = berth_pack (&reply_header_schema, &reply, arena);
    berth_bytes_t body = any_set_text (berth_empty_map, "id", "0190163d-4b2c-7abc-8def-0123456789ab", arena);
    body = any_set_text (body, "filling", filling, arena);
    bench_zmq (zmq_send (router, ask->peer, ask->peer_size, ZMQ_SNDMORE), "send");
    bench_zmq (zmq_send (router, header.data, header.size, ZMQ_SNDMORE), "send");
    bench_zmq (zmq_send (router, body.data, body.size, 0), "send");
}

static void
s_open (const char *folder)
{
    static const char *const names [TABLES] = { "leases", "index", "activity", "heads", "keys" };
    MDB_txn *txn;
    s_try (mdb_env_create (&s_env), "create");
    s_try (mdb_env_set_maxdbs (s_env, TABLES), "tables");
    s_try (mdb_env_set_mapsize (s_env, 8ul << 30), "map");
    s_try (mdb_env_open (s_env, folder, 0, 0600), folder);
    s_try (mdb_txn_begin (s_env, NULL, 0, &txn), "begin");
    s_try (mdb_dbi_open (txn, NULL, 0, &s_main), "main");
    for (unsigned index = 0; index < TABLES; index++)
        s_try (mdb_dbi_open (txn, names [index], MDB_CREATE, &s_tables [index]), names [index]);
    s_try (mdb_txn_commit (txn), "commit");
}

int
main (int argc, char **argv)
{
    if (argc != 3)
        bench_die ("usage: ref_floor ENDPOINT DIRECTORY");
    (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
    s_open (argv [2]);
    void *router = zmq_socket (zmq_ctx_new (), ZMQ_ROUTER);
    bench_zmq (zmq_bind (router, argv [1]), argv [1]);
    printf ("ready\n");
    fflush (stdout);
    static asked_t batch [BATCH_MAX];
    arena_t *arena = arena_new ();
    while (true) {
        size_t count = 0, writes = 0;
        if (!s_receive (router, arena, 0, &batch [count]))
            continue;
        do
            writes += batch [count].acquire || batch [count].renew;
        while (++count < BATCH_MAX && s_receive (router, arena, ZMQ_DONTWAIT, &batch [count]));
        if (writes) {
            MDB_txn *txn;
            s_try (mdb_txn_begin (s_env, NULL, 0, &txn), "begin");
            for (size_t index = 0; index < count; index++)
                if (batch [index].acquire || batch [index].renew)
                    s_write (txn, &batch [index]);
            s_put (txn, s_main, "counters", 400);
            s_try (mdb_txn_commit (txn), "commit");
        }
        for (size_t index = 0; index < count; index++)
            s_answer (router, arena, &batch [index]);
        arena_clear (arena);
    }
}
