//  ref_roundtrip.c - how long do a request and its reply take over ipc, with nothing behind them?
//
//  ref_roundtrip ENDPOINT COUNT [curve]
//  With `curve`, both ends encrypt (the endpoint is one of TCP then). A DEALER and a ROUTER in two processes; frames and sizes are those of lease.get.

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

//  Keys of both ends, made before the fork.
static char s_server_public [41], s_server_secret [41], s_public [41], s_secret [41];

static void
s_secure (void *socket, bool server)
{
    int yes = 1;
    if (server)
        bench_zmq (zmq_setsockopt (socket, ZMQ_CURVE_SERVER, &yes, sizeof yes), "option");
    else
        bench_zmq (zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, s_server_public, 41), "option");
    bench_zmq (zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, server ? s_server_public : s_public, 41),
               "option");
    bench_zmq (zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, server ? s_server_secret : s_secret, 41),
               "option");
}

static void
s_serve (const char *endpoint, bool curve)
{
    static char peer [256], bytes [4096];
    void *router = zmq_socket (zmq_ctx_new (), ZMQ_ROUTER);
    if (curve)
        s_secure (router, true);
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
    bool curve = argc == 4;
    if (argc != 3 && !curve)
        bench_die ("usage: ref_roundtrip ENDPOINT COUNT [curve]");
    if (curve && (zmq_curve_keypair (s_server_public, s_server_secret)
                  || zmq_curve_keypair (s_public, s_secret)))
        bench_die ("no CURVE here");
    long count = bench_number (argv [2]);
    pid_t server = bench_fork ();
    if (server == 0)
        s_serve (argv [1], curve);

    static char bytes [4096];
    void *dealer = zmq_socket (zmq_ctx_new (), ZMQ_DEALER);
    int patience_ms = 10000, soon_ms = 1;
    bench_zmq (zmq_setsockopt (dealer, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms), "option");
    bench_zmq (zmq_setsockopt (dealer, ZMQ_RECONNECT_IVL, &soon_ms, sizeof soon_ms), "option");
    if (curve)
        s_secure (dealer, false);
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
