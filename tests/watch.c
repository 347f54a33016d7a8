//  watch.c - owns one running test: its time, and every process that it leaves behind.
//
//  watch SECONDS COMMAND... runs the command in a session of its own, as the subreaper of all that
//  it starts: whatever loses its parent becomes our child, so nothing escapes by leaving its
//  session, its cgroup or its environment behind. Exit status: the command's; 124 if it was late;
//  123 if processes were left, which are named on stdout and killed.

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_LEFT = 123,
    EXIT_LATE = 124,
    EXIT_BROKEN = 125,
    GRACE_MS = 3000         //  For what is just ending, and for a late test's own cleaning up
};

static int64_t
s_now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

//  Waits until the child ends (0: until there is none), a stop is asked for, or the time is over.
//  Returns true if it ended; *ret_status is its status.
static bool
s_wait (pid_t child, int64_t until_ms, int *ret_status, bool *ret_stop)
{
    sigset_t wanted;
    sigemptyset (&wanted);
    sigaddset (&wanted, SIGCHLD);
    sigaddset (&wanted, SIGTERM);
    sigaddset (&wanted, SIGINT);
    sigaddset (&wanted, SIGHUP);
    for (;;) {
        int status;
        pid_t ended;
        while ((ended = waitpid (-1, &status, WNOHANG)) > 0)
            if (ended == child) {
                *ret_status = status;
                return true;
            }
        if (ended < 0 && errno == ECHILD)
            return true;
        int64_t left_ms = until_ms - s_now_ms ();
        if (left_ms <= 0)
            return false;
        struct timespec left = { left_ms / 1000, left_ms % 1000 * 1000000 };
        int got = sigtimedwait (&wanted, NULL, &left);
        if (got == SIGTERM || got == SIGINT || got == SIGHUP) {
            *ret_stop = true;
            return false;
        }
    }
}

static pid_t
s_parent (const char *pid, char *name, size_t size)
{
    char path [64], line [512];
    snprintf (path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen (path, "re");
    if (!file)
        return -1;
    char *got = fgets (line, sizeof line, file);
    fclose (file);
    char *open = got ? strchr (line, '(') : NULL, *close = got ? strrchr (line, ')') : NULL;
    char state;
    int parent;
    if (!open || !close || sscanf (close + 1, " %c %d", &state, &parent) != 2 || state == 'Z')
        return -1;
    snprintf (name, size, "%.*s", (int) (close - open - 1), open + 1);
    return parent;
}

static void
s_say (const char *pid, const char *name)
{
    char path [64], line [200];
    snprintf (path, sizeof path, "/proc/%.20s/cmdline", pid);
    FILE *file = fopen (path, "re");
    size_t size = file ? fread (line, 1, sizeof line - 1, file) : 0;
    if (file)
        fclose (file);
    for (size_t index = 0; index < size; index++)
        if (iscntrl ((unsigned char) line [index]))
            line [index] = ' ';
    line [size] = 0;
    printf ("LEFT: process %s (%s) %s\n", pid, name, line);
}

//  Names and kills our children until there is none; their children become ours meanwhile.
static void
s_end_all (bool say)
{
    for (int round = 0; round < 100; round++) {
        DIR *proc = opendir ("/proc");
        if (!proc)
            return;
        struct dirent *entry;
        while ((entry = readdir (proc))) {
            char name [64];
            if (!isdigit ((unsigned char) entry->d_name [0])
                || s_parent (entry->d_name, name, sizeof name) != getpid ())
                continue;
            if (say)
                s_say (entry->d_name, name);
            kill ((pid_t) strtol (entry->d_name, NULL, 10), SIGKILL);
        }
        closedir (proc);
        int status;
        bool stop = false;
        if (s_wait (0, s_now_ms () + 50, &status, &stop))
            return;
    }
    printf ("LEFT: processes that cannot be killed\n");
}

int
main (int argc, char **argv)
{
    long seconds = argc > 2 ? strtol (argv [1], NULL, 10) : 0;
    if (seconds <= 0) {
        fprintf (stderr, "usage: watch SECONDS COMMAND...\n");
        return EXIT_BROKEN;
    }
    setvbuf (stdout, NULL, _IOLBF, 0);
    sigset_t ours, before;
    sigemptyset (&ours);
    sigaddset (&ours, SIGCHLD);
    sigaddset (&ours, SIGTERM);
    sigaddset (&ours, SIGINT);
    sigaddset (&ours, SIGHUP);
    sigprocmask (SIG_BLOCK, &ours, &before);
    if (prctl (PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L)) {
        perror ("watch: subreaper");
        return EXIT_BROKEN;
    }
    pid_t child = fork ();
    if (child < 0) {
        perror ("watch: fork");
        return EXIT_BROKEN;
    }
    if (child == 0) {
        setsid ();
        signal (SIGINT, SIG_DFL);           //  A shell's background job ignores it
        signal (SIGQUIT, SIG_DFL);
        sigprocmask (SIG_UNBLOCK, &ours, NULL);
        execvp (argv [2], argv + 2);
        perror (argv [2]);
        _exit (EXIT_BROKEN);
    }
    int status = 0;
    bool stop = false;
    if (!s_wait (child, s_now_ms () + seconds * 1000, &status, &stop)) {
        if (!stop)
            printf ("LATE: not done after %ld s\n", seconds);
        kill (-child, SIGTERM);
        bool again = false;
        s_wait (0, s_now_ms () + GRACE_MS, &status, &again);
        s_end_all (!stop);
        return stop ? 128 + SIGTERM : EXIT_LATE;
    }
    int nothing;
    if (!s_wait (0, s_now_ms () + GRACE_MS, &nothing, &stop)) {
        s_end_all (true);
        return EXIT_LEFT;
    }
    if (WIFSIGNALED (status)) {
        printf ("ended by signal %d (%s)\n", WTERMSIG (status), strsignal (WTERMSIG (status)));
        return 128 + WTERMSIG (status);
    }
    return WEXITSTATUS (status);
}
