//  ref_bwrap.c - how long does a bare sandbox take until its command's first byte, and its end?
//
//  ref_bwrap COUNT INTERVAL_MS BWRAP [ARGUMENT...]
//  Prints two numbers per line: until the first byte of stdout, until the end.

#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void
s_run_one (char **command, int64_t *ret_first_ns, int64_t *ret_end_ns)
{
    static char *const environment [] = { "PATH=/usr/bin:/bin", NULL };
    static char bytes [65536];
    int out [2], status;
    int64_t start = bench_now_ns ();
    if (pipe2 (out, O_CLOEXEC))
        bench_die ("no pipe");
    pid_t pid = vfork ();
    if (pid < 0)
        bench_die ("fork failed");
    if (pid == 0) {
        dup2 (out [1], STDOUT_FILENO);
        execve (command [0], command, environment);
        _exit (127);
    }
    close (out [1]);
    if (read (out [0], bytes, 1) != 1)
        bench_die ("%s printed nothing", command [0]);
    *ret_first_ns = bench_now_ns () - start;
    while (read (out [0], bytes, sizeof bytes) > 0)
        ;
    close (out [0]);
    if (waitpid (pid, &status, 0) != pid || status != 0)
        bench_die ("%s failed with status %d", command [0], status);
    *ret_end_ns = bench_now_ns () - start;
}

int
main (int argc, char **argv)
{
    if (argc < 4)
        bench_die ("usage: ref_bwrap COUNT INTERVAL_MS BWRAP [ARGUMENT...]");
    long count = bench_number (argv [1]);
    int64_t interval = bench_number (argv [2]) * 1000000, beat = bench_now_ns ();
    for (long index = -1; index < count; index++) {
        int64_t first, end;
        s_run_one (argv + 3, &first, &end);
        if (index >= 0)
            printf ("%ld %ld\n", (long) first, (long) end);
        bench_beat (&beat, interval);
    }
    return 0;
}
