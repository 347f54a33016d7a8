//  ref_commit.c - how long does one synced LMDB commit of a lease take?
//
//  ref_commit DIRECTORY COUNT
//  Default durability; per commit the row, three index rows and the activity entry.

#include "bench.h"

#include <lmdb.h>
#include <stdio.h>
#include <string.h>

enum { WARM_UP = 20, ROW = 700, ACTIVITY = 350 };

static void
s_try (int rc, const char *what)
{
    if (rc)
        bench_die ("%s: %s", what, mdb_strerror (rc));
}

static void
s_put (MDB_txn *txn, MDB_dbi table, const char *key, size_t size)
{
    static char bytes [ROW];
    MDB_val name = { strlen (key), (void *) key }, value = { size, bytes };
    s_try (mdb_put (txn, table, &name, &value, 0), "put");
}

static void
s_commit_one (MDB_env *env, const MDB_dbi *tables, long index)
{
    char id [64], key [128];
    MDB_txn *txn;
    s_try (mdb_txn_begin (env, NULL, 0, &txn), "begin");
    snprintf (id, sizeof id, "%08lx-4b2c-7abc-8def-0123456789ab", index);
    s_put (txn, tables [0], id, ROW);
    snprintf (key, sizeof key, "default/%s", id);
    s_put (txn, tables [1], key, 0);
    snprintf (key, sizeof key, "0190163d-4b2c-7abc-8def-0123456789ab/%s", id);
    s_put (txn, tables [2], key, 0);
    snprintf (key, sizeof key, "%016lx/%s", index + 86400000, id);
    s_put (txn, tables [3], key, 0);
    snprintf (key, sizeof key, "%016lx", index);
    s_put (txn, tables [4], key, ACTIVITY);
    s_try (mdb_txn_commit (txn), "commit");
}

int
main (int argc, char **argv)
{
    if (argc != 3)
        bench_die ("usage: ref_commit DIRECTORY COUNT");
    long count = bench_number (argv [2]);
    MDB_env *env;
    s_try (mdb_env_create (&env), "create");
    s_try (mdb_env_set_maxdbs (env, 5), "tables");
    s_try (mdb_env_set_mapsize (env, 1ul << 30), "map");
    s_try (mdb_env_open (env, argv [1], 0, 0600), argv [1]);

    static const char *const names [5] = { "leases", "byCompany", "byEnvironment", "byEnd", "log" };
    MDB_dbi tables [5];
    MDB_txn *txn;
    s_try (mdb_txn_begin (env, NULL, 0, &txn), "begin");
    for (unsigned index = 0; index < 5; index++)
        s_try (mdb_dbi_open (txn, names [index], MDB_CREATE, &tables [index]), names [index]);
    s_try (mdb_txn_commit (txn), "commit");

    for (long index = 0; index < WARM_UP + count; index++) {
        int64_t start = bench_now_ns ();
        s_commit_one (env, tables, index);
        if (index >= WARM_UP)
            printf ("%ld\n", (long) (bench_now_ns () - start));
    }
    mdb_env_close (env);
    return 0;
}
