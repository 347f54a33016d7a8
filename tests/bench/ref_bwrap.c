//  ref_bwrap.c - how long does a bare sandbox take until its command's first byte, and its end?
//
//  ref_bwrap COUNT INTERVAL_MS FOLDER UID NETWORK COMMAND [ARGUMENT...]
//  FOLDER has the walls that bench_walls wrote: `args`, `filter`. Each sandbox is one fork that
//  makes a network namespace (NETWORK 1; else bwrap makes it), changes to UID and executes bwrap, as
//  anybody would without Berth.
//  Prints two numbers per line: until the first byte of stdout, until the end.

#include "bench.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_FD = 10, FILTER_FD = 11 };

typedef struct {
    char args [65536], filter [65536];
    size_t args_size, filter_size;
    uid_t uid;
    bool network;
    char **command;                 //  bwrap and its arguments
} walls_t;

static size_t
s_load (const char *folder, const char *name, char *data, size_t size)
{
    char path [4096];
    snprintf (path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen (path, "r");
    size_t got = file ? fread (data, 1, size, file) : 0;
    if (!got)
        bench_die ("cannot read %s", path);
    fclose (file);
    return got;
}

//  Puts the number of the filter's descriptor where it belongs.
static void
s_name_filter (walls_t *walls)
{
    static const char mark [] = "{SECCOMP_FD}";
    char *at = memmem (walls->args, walls->args_size, mark, sizeof mark);
    if (!at)
        bench_die ("the walls have no filter");
    char number [8];
    size_t size = (size_t) snprintf (number, sizeof number, "%d", FILTER_FD) + 1;
    memcpy (at, number, size);
    char *rest = at + sizeof mark;
    memmove (at + size, rest, walls->args_size - (size_t) (rest - walls->args));
    walls->args_size -= sizeof mark - size;
}

static void
s_memory_file (const char *data, size_t size, int number)
{
    int fd = memfd_create ("walls", 0);
    if (fd < 0 || write (fd, data, size) != (ssize_t) size || lseek (fd, 0, SEEK_SET)
        || dup2 (fd, number) != number)
        _exit (126);
    close (fd);
}

static void
s_run_one (const walls_t *walls, int64_t *ret_first_ns, int64_t *ret_end_ns)
{
    //  What a command finds in a place: the same command, so the same environment.
    static char *const environment [] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/home/berth",
        "LANG=C.UTF-8", "TERM=dumb", NULL
    };
    static char bytes [65536];
    int out [2], status;
    int64_t start = bench_now_ns ();
    if (pipe2 (out, O_CLOEXEC))
        bench_die ("no pipe");
    pid_t pid = fork ();
    if (pid < 0)
        bench_die ("fork failed");
    if (pid == 0) {
        dup2 (out [1], STDOUT_FILENO);
        s_memory_file (walls->args, walls->args_size, ARGS_FD);
        s_memory_file (walls->filter, walls->filter_size, FILTER_FD);
        if (walls->network && unshare (CLONE_NEWNET))
            _exit (126);
        if (geteuid () == 0
            && (setgroups (0, NULL) || setgid (walls->uid) || setuid (walls->uid)))
            _exit (126);
        execve (walls->command [0], walls->command, environment);
        _exit (127);
    }
    close (out [1]);
    if (read (out [0], bytes, 1) != 1)
        bench_die ("%s printed nothing", walls->command [0]);
    *ret_first_ns = bench_now_ns () - start;
    while (read (out [0], bytes, sizeof bytes) > 0)
        ;
    close (out [0]);
    if (waitpid (pid, &status, 0) != pid || status != 0)
        bench_die ("%s failed with status %d", walls->command [0], status);
    *ret_end_ns = bench_now_ns () - start;
}

int
main (int argc, char **argv)
{
    if (argc < 7)
        bench_die ("usage: ref_bwrap COUNT INTERVAL_MS FOLDER UID NETWORK COMMAND [ARGUMENT...]");
    long count = bench_number (argv [1]);
    int64_t interval = bench_number (argv [2]) * 1000000;
    static walls_t walls;
    walls.args_size = s_load (argv [3], "args", walls.args, sizeof walls.args);
    walls.filter_size = s_load (argv [3], "filter", walls.filter, sizeof walls.filter);
    walls.uid = (uid_t) bench_number (argv [4]);
    walls.network = argv [5][0] == '1';
    s_name_filter (&walls);
    walls.command = calloc ((size_t) argc + 4, sizeof *walls.command);
    char *front [] = { "/usr/bin/bwrap", "--args", "10", "--" };
    memcpy (walls.command, front, sizeof front);
    memcpy (walls.command + 4, argv + 6, (size_t) (argc - 6) * sizeof *argv);
    int64_t beat = bench_now_ns ();
    for (long index = -1; index < count; index++) {
        int64_t first, end;
        s_run_one (&walls, &first, &end);
        if (index >= 0)
            printf ("%ld %ld\n", (long) first, (long) end);
        bench_beat (&beat, interval);
    }
    free (walls.command);
    return 0;
}
