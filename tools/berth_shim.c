//  berth_shim.c - owns berth-shim: one process per place, parked, then open, then gone.
//
//  Started by the spawner only, with a control socket as descriptor 3. It stays outside of the
//  place's cgroup and outlives berthd. Read on in shim_open.c, then shim_loop.c.

#include "shim_plain.h"
#include "shim_state.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONTROL = 3 };

static void
s_set_up (shim_t *self, const char *install)
{
    snprintf (self->install, sizeof self->install, "%.16s", install);
    self->poll = epoll_create1 (EPOLL_CLOEXEC);
    self->keep = arena_new ();
    self->scratch = arena_new ();
    ENSURE (self->poll >= 0);
    self->launcher = self->args = self->seccomp = self->init_pidfd = self->log = -1;
    self->init.fd = self->log_pipe.fd = self->call.fd = self->listener.fd = -1;
    self->lock = -1;
    self->walls_watch.fd = -1;
    (void) setsid ();
    umask (077);
    signal (SIGHUP, SIG_IGN);
    signal (SIGINT, SIG_IGN);           //  A terminal's ^C is for the exec, through berthd
    signal (SIGPIPE, SIG_IGN);
    signal (SIGXFSZ, SIG_IGN);
    (void) prctl (PR_SET_CHILD_SUBREAPER, 1);
}

//  Behind the fork of the launcher: the place keeps the usual limit.
static void
s_many_files (void)
{
    struct rlimit files;
    if (getrlimit (RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void) setrlimit (RLIMIT_NOFILE, &files);
    }
}

#ifdef BERTH_FAR                        //  One of several programs in one file (far.c)
#include "far.h"
#define main berth_shim_main
#endif

int
main (int argc, char **argv)
{
    static shim_t shim;
    if (argc > 1 && strcmp (argv [1], "--plain") == 0)
        return shim_plain (argc, argv);
    if (argc != 2 || fcntl (CONTROL, F_SETFD, FD_CLOEXEC)) {
        fprintf (stderr, "berth-shim: started by berthd only\n");
        return 2;
    }
    s_set_up (&shim, argv [1]);
    berth_error_t err = { 0 };
    cgroup_make (&shim.cgroup, shim.install);
    if (shim_launcher_start (&shim, &err)) {
        fprintf (stderr, "berth-shim: %s\n", err.text);
        cgroup_remove (&shim.cgroup);
        return 1;
    }
    s_many_files ();
    bool opened = shim_open_place (&shim, CONTROL);
    if (opened)
        shim_run (&shim);
    arena_destroy (&shim.scratch);
    arena_destroy (&shim.keep);
    for (size_t index = 0; index < SHIM_ENDED_MAX; index++)
        free (shim.ended [index].folder);
    return 0;
}
