//  ref_stream.c - how fast do bytes come through a pipe into a file, back, and over ipc?
//
//  ref_stream ENDPOINT FILE BYTES
//  Three processes: head writes the pipe; a pump appends each piece to the file, reads it back and
//  sends it in frames of 256 KiB; a DEALER counts. Prints the time from head's start to the end.

#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

enum { FRAME = 262144 };

static void
s_pump (const char *endpoint, const char *path, int in)
{
    static char piece [FRAME], peer [256];
    void *router = zmq_socket (zmq_ctx_new (), ZMQ_ROUTER);
    int mandatory = 1, depth = 16;
    zmq_setsockopt (router, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory);
    zmq_setsockopt (router, ZMQ_SNDHWM, &depth, sizeof depth);
    bench_zmq (zmq_bind (router, endpoint), endpoint);
    int size = bench_zmq (zmq_recv (router, peer, sizeof peer, 0), "receive");
    bench_zmq (zmq_recv (router, piece, sizeof piece, 0), "receive");

    int file = open (path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t written = 0, sent = 0;
    bool eof = false;
    while (sent < written || !eof) {
        while (!eof && written - sent < FRAME) {
            ssize_t got = read (in, piece, FRAME);
            if (got > 0 && pwrite (file, piece, (size_t) got, written) != got)
                bench_die ("cannot write '%s'", path);
            eof = got <= 0;
            written += got > 0 ? got : 0;
        }
        zmq_msg_t frame;
        size_t length = written - sent < FRAME ? (size_t) (written - sent) : FRAME;
        zmq_msg_init_size (&frame, length);
        if (pread (file, zmq_msg_data (&frame), length, sent) != (ssize_t) length)
            bench_die ("cannot read '%s'", path);
        sent += (off_t) length;
        bench_zmq (zmq_send (router, peer, (size_t) size, ZMQ_SNDMORE), "send");
        bench_zmq (zmq_msg_send (&frame, router, 0), "send");
    }
    pause ();                   //  The frames are still ours until the DEALER has counted them
}

int
main (int argc, char **argv)
{
    if (argc != 4)
        bench_die ("usage: ref_stream ENDPOINT FILE BYTES");
    long bytes = bench_number (argv [3]), counted = 0;
    int pipes [2];
    if (pipe2 (pipes, O_CLOEXEC))
        bench_die ("no pipe");
    pid_t pump = bench_fork ();
    if (pump == 0)
        s_pump (argv [1], argv [2], pipes [0]);

    void *dealer = zmq_socket (zmq_ctx_new (), ZMQ_DEALER);
    int patience_ms = 60000, soon_ms = 1, depth = 16;
    zmq_setsockopt (dealer, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    zmq_setsockopt (dealer, ZMQ_RECONNECT_IVL, &soon_ms, sizeof soon_ms);
    zmq_setsockopt (dealer, ZMQ_RCVHWM, &depth, sizeof depth);
    bench_zmq (zmq_connect (dealer, argv [1]), argv [1]);
    bench_zmq (zmq_send (dealer, "ready", 5, 0), "send");

    int64_t start = bench_now_ns ();
    pid_t head = bench_fork ();
    if (head == 0) {
        dup2 (pipes [1], STDOUT_FILENO);
        execl ("/usr/bin/head", "head", "-c", argv [3], "/dev/zero", NULL);
        _exit (127);
    }
    close (pipes [0]);
    close (pipes [1]);
    while (counted < bytes) {
        zmq_msg_t frame;
        zmq_msg_init (&frame);
        counted += bench_zmq (zmq_msg_recv (&frame, dealer, 0), "receive");
        zmq_msg_close (&frame);
    }
    printf ("%ld\n", (long) (bench_now_ns () - start));
    bench_reap (head);
    bench_reap (pump);
    return 0;
}
