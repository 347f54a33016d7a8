//  bench_publish.c - how fast does the publisher catch up on a log that is there already?
//
//  bench_publish ours|raw FOLDER ENDPOINT SUBSCRIBERS ENTRIES
//  ours: the actor itself, kicked behind one commit of that many entries. raw: a PUB socket that
//  sends messages of the same size. Subscribers are one process with a socket each.
//  Prints the time until the last of them heard its last message, and how many they heard in all.

#include "bench.h"

#include "activity_log.h"
#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "publisher.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUBSCRIBERS_MAX = 256, SILENCE_MS = 700, HWM = 100000 };
#define TOPIC "bench/environment.lease_acquired"

static berth_bytes_t
s_details (arena_t *arena)
{
    berth_bytes_t details = any_set_text (berth_empty_map, "provider", "local", arena);
    return any_set_text (details, "environmentId", "0190163d-4b2c-7abc-8def-0123456789ab", arena);
}

//  ---- the subscribers

static void
s_subscribe (const char *endpoint, long many, long entries, int report)
{
    void *context = zmq_ctx_new ();
    static zmq_pollitem_t items [SUBSCRIBERS_MAX];
    static long heard [SUBSCRIBERS_MAX];
    for (long index = 0; index < many; index++) {
        void *sub = zmq_socket (context, ZMQ_SUB);
        int hwm = HWM;
        zmq_setsockopt (sub, ZMQ_RCVHWM, &hwm, sizeof hwm);
        zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "bench/", 6);
        bench_zmq (zmq_connect (sub, endpoint), endpoint);
        items [index] = (zmq_pollitem_t) { sub, 0, ZMQ_POLLIN, 0 };
    }
    int64_t last_ns = 0, total = 0;
    long ready = 0;
    //  Each first hears a message that is no entry, so that all are known to be there
    while (ready < many) {
        if (zmq_poll (items, (int) many, 10000) <= 0)
            bench_die ("a subscriber hears nothing");
        ready = 0;
        for (long index = 0; index < many; index++) {
            char topic [64];
            while (zmq_recv (items [index].socket, topic, sizeof topic, ZMQ_DONTWAIT) >= 0) {
                (void) zmq_recv (items [index].socket, NULL, 0, 0);
                heard [index] = 1;
            }
            ready += heard [index];
        }
    }
    memset (heard, 0, sizeof heard);
    if (write (report, "r", 1) != 1)
        exit (1);
    for (long over = 0; over < many && zmq_poll (items, (int) many, total ? SILENCE_MS : 60000) > 0;) {
        for (long index = 0; index < many; index++) {
            char topic [64];
            for (int turn = 0; turn < 1000; turn++) {
                int size = zmq_recv (items [index].socket, topic, sizeof topic, ZMQ_DONTWAIT);
                if (size < 0)
                    break;
                (void) zmq_recv (items [index].socket, NULL, 0, 0);
                if (memchr (topic, '~', (size_t) size < sizeof topic ? (size_t) size : sizeof topic))
                    continue;
                total++;
                over += ++heard [index] == entries;
            }
        }
        last_ns = bench_now_ns ();
    }
    int64_t result [2] = { last_ns, total };
    if (write (report, result, sizeof result) != (ssize_t) sizeof result)
        exit (1);
    exit (0);
}

//  ---- ours

//  All in one commit: until then the publisher sees nothing of it.
static void
s_fill (store_t *store, long entries)
{
    berth_error_t err = { 0 };
    arena_t *arena = arena_new ();
    store_txn_t *txn;
    if (store_begin (store, &txn, &err))
        bench_die ("%s", err.text);
    for (long index = 0; index < entries; index++) {
        char id [BERTH_ID_SIZE];
        berth_id_new (id);
        arena_clear (arena);
        activity_note_t note = { .id = id, .company = "bench", .action = ACTION_LEASE_ACQUIRED,
                                 .entity = id, .details = s_details (arena), .now_ms = berth_wall_ms () };
        if (activity_add (txn, arena, &note, &err))
            bench_die ("%s", err.text);
    }
    if (store_commit (&txn, &err))
        bench_die ("%s", err.text);
    arena_destroy (&arena);
}

static void
s_await (int report, char expected)
{
    char byte;
    if (read (report, &byte, 1) != 1 || byte != expected)
        bench_die ("the subscribers ended");
}

static int64_t
s_ours (const char *folder, const char *endpoint, long entries, int report)
{
    berth_error_t err = { 0 };
    static context_t context;       //  The actor lives on behind us
    zsys_init ();
    if (store_open (folder, 0, &context.store, &err))
        bench_die ("%s", err.text);
    context.wiring = wiring_new ();
    context.trust = trust_new ();
    trust_add_local (context.trust, "operator", ROLE_OPERATOR, (berth_strs_t) { 0, NULL });
    zsock_t *xpub = zsock_new (ZMQ_XPUB);
    zsock_set_sndhwm (xpub, HWM);
    bench_zmq (zsock_bind (xpub, "%s", endpoint), endpoint);
    outlet_t *outlet = outlet_new_local (&xpub, context.trust, "operator", endpoint + strlen ("ipc://"));
    publisher_t *publisher = publisher_new (&context, &outlet, 1, &err);
    if (!publisher)
        bench_die ("%s", err.text);
    (void) zactor_new (publisher_actor, publisher);
    post_t *post = post_new (context.wiring);
    s_await (report, 'r');
    s_fill (context.store, entries);
    int64_t start = bench_now_ns ();
    post_kick (post);
    return start;
}

//  ---- raw

static void
s_send (void *pub, const char *topic, const void *body, size_t size)
{
    bench_zmq (zmq_send (pub, topic, strlen (topic), ZMQ_SNDMORE), "send");
    bench_zmq (zmq_send (pub, body, size, 0), "send");
}

//  The bytes of an entry like those of ours.
static berth_bytes_t
s_entry (void)
{
    static uint8_t hash [32];
    static const char id [] = "0190163d-4b2c-7abc-8def-0123456789ab";
    arena_t *arena = arena_new ();
    activity_t row = { .seq = 100000, .company_seq = 100000, .id = id, .company = "bench",
                       .actor_type = "system", .actor_id = "berth",
                       .action = action_text (ACTION_LEASE_ACQUIRED),
                       .entity_type = action_entity (ACTION_LEASE_ACQUIRED), .entity = id,
                       .details = s_details (arena), .created_at = berth_wall_ms (),
                       .hash = { hash, sizeof hash } };
    return berth_pack (&activity_schema, &row, arena);
}

static int64_t
s_raw (const char *endpoint, long entries, int report)
{
    void *pub = zmq_socket (zmq_ctx_new (), ZMQ_PUB);
    int hwm = HWM;
    zmq_setsockopt (pub, ZMQ_SNDHWM, &hwm, sizeof hwm);
    bench_zmq (zmq_bind (pub, endpoint), endpoint);
    berth_bytes_t body = s_entry ();
    for (struct pollfd ready = { report, POLLIN, 0 }; poll (&ready, 1, 10) == 0;)
        s_send (pub, "bench/~head", body.data, body.size);
    s_await (report, 'r');
    int64_t start = bench_now_ns ();
    for (long index = 0; index < entries; index++)
        s_send (pub, TOPIC, body.data, body.size);
    return start;
}

int
main (int argc, char **argv)
{
    bool ours = argc == 6 && strcmp (argv [1], "ours") == 0;
    if (argc != 6 || (!ours && strcmp (argv [1], "raw")))
        bench_die ("usage: bench_publish ours|raw FOLDER ENDPOINT SUBSCRIBERS ENTRIES");
    long many = bench_number (argv [4]), entries = bench_number (argv [5]);
    int report [2];
    if (many > SUBSCRIBERS_MAX || pipe (report))
        bench_die ("at most %d subscribers", SUBSCRIBERS_MAX);
    pid_t subscribers = bench_fork ();
    if (subscribers == 0)
        s_subscribe (argv [3], many, entries, report [1]);
    int64_t start = ours ? s_ours (argv [2], argv [3], entries, report [0])
                         : s_raw (argv [3], entries, report [0]);
    int64_t result [2];
    if (read (report [0], result, sizeof result) != (ssize_t) sizeof result)
        bench_die ("the subscribers ended");
    printf ("%ld %ld\n", (long) (result [0] - start), (long) result [1]);
    fflush (stdout);
    bench_reap (subscribers);
    _exit (0);                      //  The actor goes with us
}
