//  bench_crowd.c - many execs at once, that each say a line a second.
//
//  bench_crowd ENDPOINT PLACES EXECS
//  Opens PLACES, says `places`; at a line of stdin starts EXECS in each, says `execs`; at the end of
//  stdin releases all. What they cost is looked at from outside.

#include "bench_call.h"

#include "codec.h"
#include "exec.h"

#include <stdio.h>
#include <string.h>

enum { PLACES_MAX = 64 };

static berth_bytes_t
s_text (const char *text)
{
    return (berth_bytes_t) { (const uint8_t *) text, strlen (text) };
}

static void
s_start (bench_t *self, const char *lease)
{
    berth_bytes_t args [] = { s_text ("-c"), s_text ("while sleep 1; do echo a line; done") };
    exec_start_t start = { 0 };
    berth_put (exec_start, &start, lease, lease);
    berth_put (exec_start, &start, command, s_text ("sh"));
    berth_put (exec_start, &start, args, ((berth_blobs_t) { BERTH_COUNT (args), args }));
    bench_call (self, "exec.start", berth_pack (&exec_start_schema, &start, self->arena));
}

static void
s_say (const char *word)
{
    printf ("%s\n", word);
    fflush (stdout);
}

int
main (int argc, char **argv)
{
    if (argc != 4)
        bench_die ("usage: bench_crowd ENDPOINT PLACES EXECS");
    long places = bench_number (argv [2]), execs = bench_number (argv [3]);
    if (places > PLACES_MAX)
        bench_die ("at most %d places", PLACES_MAX);
    bench_t *self = bench_connect (argv [1]);
    const char *environment = bench_environment (self, "sandbox"), *leases [PLACES_MAX];
    for (long index = 0; index < places; index++)
        leases [index] = bench_text (self, bench_call (self, "lease.acquire",
            bench_body (self, "companyId", self->company, "environmentId", environment, NULL)), "id");
    s_say ("places");
    while (getchar () != '\n')
        ;
    for (long index = 0; index < places * execs; index++)
        s_start (self, leases [index % places]);
    s_say ("execs");
    while (getchar () != EOF)
        ;
    for (long index = 0; index < places; index++)
        bench_call (self, "lease.release", bench_body (self, "leaseId", leases [index], NULL));
    return 0;
}
