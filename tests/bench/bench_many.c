//  bench_many.c - what does the service do for many clients at once?
//
//  bench_many OPERATION ENDPOINT COUNT CLIENTS
//  Each client has one request outstanding; the next goes out when its answer has come. Prints the
//  whole time. Operations: acquire, keyed (the same with an idempotency key each), renew, places
//  (acquire bubblewrap, release, COUNT times).

#include "bench_call.h"

#include "codec.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum { CLIENTS_MAX = 256, SILENCE_MS = 30000 };

//  One client, and what it asks next.
typedef struct {
    bench_t *bench;
    bench_ask_t ask;                //  What is outstanding
    bench_ask_t again;              //  What is sent again and again
    bool releasing;                 //  Of places: the answer to come is a release's
} client_t;

//  Returns whether a COUNTed operation has ended with this answer; sets the next ask.
typedef bool (next_fn) (client_t *self, const bench_reply_t *reply);

static bool
s_next_same (client_t *self, const bench_reply_t *reply)
{
    (void) reply;
    self->ask = self->again;
    return true;
}

static bool
s_next_keyed (client_t *self, const bench_reply_t *reply)
{
    (void) reply;
    self->ask = bench_keyed (self->bench, &self->again);
    return true;
}

static bool
s_next_place (client_t *self, const bench_reply_t *reply)
{
    bool ended = self->releasing;
    self->releasing = !ended;
    if (ended)
        self->ask = self->again;
    else
        self->ask = bench_ask (self->bench, "lease.release",
                               bench_body (self->bench, "leaseId",
                                           bench_text (self->bench, reply->body, "id"), NULL), 0);
    return ended;
}

static bench_ask_t
s_acquire_ask (bench_t *self, const char *environment)
{
    return bench_ask (self, "lease.acquire",
                      bench_body (self, "companyId", self->company, "environmentId", environment, NULL), 0);
}

//  One company and one environment for all: then their own request.
static void
s_prepare (client_t *clients, long count, const char *driver, bool renews)
{
    bench_t *first = clients [0].bench;
    const char *environment = bench_environment (first, driver);
    for (long index = 0; index < count; index++) {
        bench_t *bench = clients [index].bench;
        bench->company = first->company;
        bench_call (bench, "bus.ping", berth_empty_map);
        bench_ask_t acquire = s_acquire_ask (bench, environment);
        clients [index].again = acquire;
        if (renews) {
            bench_reply_t reply;
            bench_send (bench, &acquire);
            bench_receive (bench, &acquire, &reply);
            berth_bytes_t body = bench_body (bench, "leaseId", bench_text (bench, reply.body, "id"), NULL);
            clients [index].again = bench_ask (bench, "lease.renew", body, 0);
        }
        clients [index].ask = clients [index].again;
    }
}

static int64_t
s_drive (client_t *clients, long many, long count, next_fn *next, bool reads)
{
    zmq_pollitem_t items [CLIENTS_MAX];
    for (long index = 0; index < many; index++)
        items [index] = (zmq_pollitem_t) { clients [index].bench->socket, 0, ZMQ_POLLIN, 0 };
    int64_t start = bench_now_ns ();
    long begun = many, ended = 0;
    for (long index = 0; index < many; index++)
        bench_send (clients [index].bench, &clients [index].ask);
    while (ended < count) {
        if (bench_zmq (zmq_poll (items, (int) many, SILENCE_MS), "poll") == 0)
            bench_die ("no reply in %d s", SILENCE_MS / 1000);
        for (long index = 0; index < many; index++) {
            if (!(items [index].revents & ZMQ_POLLIN))
                continue;
            client_t *client = &clients [index];
            bench_reply_t reply = { 0 };
            bench_receive (client->bench, &client->ask, reads ? &reply : NULL);
            bool over = next (client, &reply);
            ended += over;
            if (!over || begun < count) {
                bench_send (client->bench, &client->ask);
                begun += over;
            }
        }
    }
    return bench_now_ns () - start;
}

int
main (int argc, char **argv)
{
    static const struct {
        const char *name, *driver;
        next_fn *next;
        bool renews, reads;
    } operations [] = {
        { "acquire", "local",   s_next_same,  false, false },
        { "keyed",   "local",   s_next_keyed, false, false },
        { "renew",   "local",   s_next_same,  true,  false },
        { "places",  "sandbox", s_next_place, false, true },
    };
    long count = argc == 5 ? bench_number (argv [3]) : 0, many = argc == 5 ? bench_number (argv [4]) : 0;
    if (argc != 5 || many > CLIENTS_MAX || count < many)
        bench_die ("usage: bench_many acquire|keyed|renew|places ENDPOINT COUNT CLIENTS "
                   "(at most %d, and COUNT)", CLIENTS_MAX);
    for (size_t index = 0; index < BERTH_COUNT (operations); index++) {
        if (strcmp (argv [1], operations [index].name))
            continue;
        static client_t clients [CLIENTS_MAX];
        for (long client = 0; client < many; client++)
            clients [client].bench = bench_connect (argv [2]);
        s_prepare (clients, many, operations [index].driver, operations [index].renews);
        if (operations [index].next == s_next_keyed)
            for (long client = 0; client < many; client++)
                (void) s_next_keyed (&clients [client], NULL);
        printf ("%ld\n", (long) s_drive (clients, many, count, operations [index].next,
                                         operations [index].reads));
        return 0;
    }
    bench_die ("no operation '%s'", argv [1]);
}
