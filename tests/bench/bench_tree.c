//  bench_tree.c - how long do files take to a place and home?
//
//  bench_tree realize SOURCE PLACE SNAPSHOT      as providers do it, for the first time and again
//  bench_tree return PLACE SNAPSHOT HOME         until it is on the disk

#include "bench.h"
#include "tree.h"

#include <stdio.h>
#include <string.h>

int
main (int argc, char **argv)
{
    if (argc != 5)
        bench_die ("usage: bench_tree realize|return FOLDER FOLDER FOLDER");
    berth_error_t err = { 0 };
    tree_options_t options = { .uid = -1, .gid = -1 };
    tree_result_t result = { 0 };
    int64_t begun_ns = bench_now_ns ();
    int rc = strcmp (argv [1], "realize") == 0
        ? tree_renew (argv [2], argv [3], argv [4], &options, NULL, &err)
        : tree_return (argv [2], argv [3], argv [4], false, &options, &result, &err);
    int64_t ended_ns = bench_now_ns ();
    if (rc)
        bench_die ("%s", err.text);
    printf ("%lld\n", (long long) (ended_ns - begun_ns));
    return 0;
}
