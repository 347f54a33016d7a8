//  bench.h - what the programs of tests/bench share: the clock, and how to give up.
//
//  Every program prints its samples, one per line, in nanoseconds, and nothing else: medians and
//  percentiles are made in one place, tests/bench/run.

#ifndef BERTH_BENCH_H_INCLUDED
#define BERTH_BENCH_H_INCLUDED

#include "base.h"

#include <sys/types.h>

//  Nanoseconds of CLOCK_MONOTONIC.
int64_t bench_now_ns (void);

//  Waits for the next beat of a fixed rhythm: `*beat_ns` grows by `interval_ns`.
void bench_beat (int64_t *beat_ns, int64_t interval_ns);

//  A number of the command line, above zero, or the end of the program.
long bench_number (const char *text);

//  Says why on stderr and exits with 1.
void bench_die (const char *format, ...) BERTH_PRINTF (1, 2) __attribute__ ((noreturn));

//  Dies with the text of ZeroMQ's error unless rc is zero or more; returns rc.
int bench_zmq (int rc, const char *what);

//  Makes a socket a client's with CURVE, by the key file that $BENCH_KEY_FILE names (zcert, with the
//  server's public key), if it names one.
void bench_secure (void *socket);

//  Forks a child that dies with its parent; 0 in the child.
pid_t bench_fork (void);

//  Ends a child and waits for it.
void bench_reap (pid_t pid);

#endif
