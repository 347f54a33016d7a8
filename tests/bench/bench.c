//  bench.c - owns nothing: the clock, and how to give up.

#include "bench.h"

#include <czmq.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

int64_t
bench_now_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

void
bench_beat (int64_t *beat_ns, int64_t interval_ns)
{
    *beat_ns += interval_ns;
    struct timespec until = { .tv_sec = *beat_ns / 1000000000, .tv_nsec = *beat_ns % 1000000000 };
    while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

long
bench_number (const char *text)
{
    char *end;
    errno = 0;
    long number = strtol (text, &end, 10);
    if (errno || *end || end == text || number <= 0)
        bench_die ("not a number above zero: '%s'", text);
    return number;
}

void
bench_die (const char *format, ...)
{
    va_list args;
    va_start (args, format);
    vfprintf (stderr, format, args);
    va_end (args);
    fputc ('\n', stderr);
    exit (1);
}

int
bench_zmq (int rc, const char *what)
{
    if (rc < 0)
        bench_die ("%s: %s", what, zmq_strerror (zmq_errno ()));
    return rc;
}

pid_t
bench_fork (void)
{
    pid_t parent = getpid (), pid = fork ();
    if (pid < 0)
        bench_die ("fork failed");
    if (pid == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        if (getppid () != parent)
            _exit (1);
    }
    return pid;
}

void
bench_reap (pid_t pid)
{
    kill (pid, SIGKILL);
    waitpid (pid, NULL, 0);
}

void
bench_secure (void *socket)
{
    const char *path = getenv ("BENCH_KEY_FILE");
    if (!path)
        return;
    zcert_t *cert = zcert_load (path);
    const char *server = cert ? zcert_meta (cert, "server-key") : NULL;
    if (!server)
        bench_die ("'%s' is no key file with a server's key", path);
    bench_zmq (zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, server, 41), "server key");
    bench_zmq (zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, zcert_public_txt (cert), 41), "public key");
    bench_zmq (zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, zcert_secret_txt (cert), 41), "secret key");
    zcert_destroy (&cert);
}
