//  ref_roundtrip.c - how long do a request and its reply take over ipc, with nothing behind them?
//
//  ref_roundtrip ENDPOINT COUNT
//  A DEALER and a ROUTER in two processes; frames and sizes are those of lease.get.

#include "bench.h"

#include <stdio.h>
#include <zmq.h>

enum { ASK_HEADER = 48, ASK_BODY = 100, REPLY_HEADER = 48, REPLY_BODY = 850, WARM_UP = 200 };

static void
s_send (void *socket, const char *bytes, size_t header, size_t body)
{
    bench_zmq (zmq_send (socket, bytes, header, ZMQ_SNDMORE), "send");
    bench_zmq (zmq_send (socket, bytes, body, 0), "send");
}

static void
s_serve (const char *endpoint)
{
    static char peer [256], bytes [4096];
    void *router = zmq_socket (zmq_ctx_new (), ZMQ_ROUTER);
    bench_zmq (zmq_bind (router, endpoint), endpoint);
    while (true) {
        int size = bench_zmq (zmq_recv (router, peer, sizeof peer, 0), "receive");
        bench_zmq (zmq_recv (router, bytes, sizeof bytes, 0), "receive");
        bench_zmq (zmq_recv (router, bytes, sizeof bytes, 0), "receive");
        bench_zmq (zmq_send (router, peer, (size_t) size, ZMQ_SNDMORE), "send");
        s_send (router, bytes, REPLY_HEADER, REPLY_BODY);
    }
}

int
main (int argc, char **argv)
{
    if (argc != 3)
        bench_die ("usage: ref_roundtrip ENDPOINT COUNT");
    long count = bench_number (argv [2]);
    pid_t server = bench_fork ();
    if (server == 0)
        s_serve (argv [1]);

    static char bytes [4096];
    void *dealer = zmq_socket (zmq_ctx_new (), ZMQ_DEALER);
    int patience_ms = 10000, soon_ms = 1;
    bench_zmq (zmq_setsockopt (dealer, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms), "option");
    bench_zmq (zmq_setsockopt (dealer, ZMQ_RECONNECT_IVL, &soon_ms, sizeof soon_ms), "option");
    bench_zmq (zmq_connect (dealer, argv [1]), argv [1]);
    for (long index = -WARM_UP; index < count; index++) {
        int64_t start = bench_now_ns ();
        s_send (dealer, bytes, ASK_HEADER, ASK_BODY);
        bench_zmq (zmq_recv (dealer, bytes, sizeof bytes, 0), "receive");
        bench_zmq (zmq_recv (dealer, bytes, sizeof bytes, 0), "receive");
        if (index >= 0)
            printf ("%ld\n", (long) (bench_now_ns () - start));
    }
    bench_reap (server);
    return 0;
}
