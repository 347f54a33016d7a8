//  bench_client.c - how long does the service take? One operation per call, samples on stdout.
//
//  bench_client OPERATION ENDPOINT [ARGUMENT...]; the table at the end lists the operations.

#include "bench_call.h"

#include "codec.h"
#include "exec.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum { WARM_UP = 200, WINDOW = 4 * 1024 * 1024, CLIENTS_MAX = 256 };

static void
s_print (int64_t start_ns)
{
    printf ("%ld\n", (long) (bench_now_ns () - start_ns));
}

//  ---- what the operations stand on

static bench_ask_t
s_acquire_ask (bench_t *self, const char *environment)
{
    return bench_ask (self, "lease.acquire",
                      bench_body (self, "companyId", self->company, "environmentId", environment, NULL), 0);
}

static const char *
s_acquire (bench_t *self, const char *environment)
{
    bench_ask_t ask = s_acquire_ask (self, environment);
    bench_reply_t reply;
    bench_send (self, &ask);
    bench_receive (self, &ask, &reply);
    return bench_text (self, reply.body, "id");
}

static void
s_release (bench_t *self, const char *lease)
{
    bench_call (self, "lease.release", bench_body (self, "leaseId", lease, NULL));
}

//  The body of an exec of `command` with at most two arguments.
static berth_bytes_t
s_exec (bench_t *self, const char *lease, const char *command, const char *one, const char *two)
{
    berth_bytes_t args [2] = {
        { (const uint8_t *) one, one ? strlen (one) : 0 }, { (const uint8_t *) two, two ? strlen (two) : 0 },
    };
    exec_start_t start = { 0 };
    berth_put (exec_start, &start, lease, lease);
    berth_put (exec_start, &start, command,
               ((berth_bytes_t) { (const uint8_t *) command, strlen (command) }));
    berth_put (exec_start, &start, args, ((berth_blobs_t) { (one != NULL) + (two != NULL), args }));
    berth_put (exec_start, &start, spool_max, 4ul << 30);
    berth_put (exec_start, &start, on_full, exec_on_full_BLOCK);
    return berth_pack (&exec_start_schema, &start, self->arena);
}

static bench_ask_t
s_read_ask (bench_t *self, const char *exec, uint64_t credit)
{
    exec_read_t read = { 0 };
    berth_put (exec_read, &read, id, exec);
    berth_put (exec_read, &read, stream, exec_stream_STDOUT);
    berth_put (exec_read, &read, follow, true);
    return bench_ask (self, "exec.read", berth_pack (&exec_read_schema, &read, self->arena), credit);
}

static void
s_credit (bench_t *self, const bench_ask_t *read, uint64_t bytes)
{
    berth_bytes_t body = any_set_number (bench_body (self, "id", read->id, NULL), "bytes", bytes, self->arena);
    bench_ask_t ask = bench_ask (self, "stream.credit", body, 0);
    bench_send (self, &ask);                //  Its reply, if any, has another id and is skipped
}

//  ---- operations

//  From the service's start to its first reply; then it is stopped.
static void
s_op_start (const char *endpoint, char **args)
{
    int64_t start = bench_now_ns ();
    pid_t service = bench_fork ();
    if (service == 0) {
        execv (args [0], args);
        _exit (127);
    }
    bench_t *self = bench_connect (endpoint);
    bench_call (self, "bus.ping", berth_empty_map);
    s_print (start);
    kill (service, SIGTERM);
    waitpid (service, NULL, 0);
}

static void
s_op_lease_get (const char *endpoint, char **args)
{
    bench_t *self = bench_connect (endpoint);
    const char *lease = s_acquire (self, bench_environment (self, "local"));
    bench_ask_t ask = bench_ask (self, "lease.get", bench_body (self, "leaseId", lease, NULL), 0);
    for (long index = -WARM_UP, count = bench_number (args [0]); index < count; index++) {
        int64_t start = bench_now_ns ();
        bench_send (self, &ask);
        bench_receive (self, &ask, NULL);
        if (index >= 0)
            s_print (start);
    }
}

//  Pages of 50.
static void
s_op_lease_list (const char *endpoint, char **args)
{
    bench_t *self = bench_connect (endpoint);
    bench_ask_t ask = bench_ask (self, "lease.list", bench_body (self, "companyId", self->company, NULL), 0);
    for (long index = -20, count = bench_number (args [0]); index < count; index++) {
        int64_t start = bench_now_ns ();
        bench_send (self, &ask);
        bench_receive (self, &ask, NULL);
        if (index >= 0)
            s_print (start);
    }
}

static void
s_op_acquire (const char *endpoint, char **args)
{
    bench_t *self = bench_connect (endpoint);
    bench_ask_t ask = s_acquire_ask (self, bench_environment (self, "local"));
    for (long index = -20, count = bench_number (args [0]); index < count; index++) {
        int64_t start = bench_now_ns ();
        bench_send (self, &ask);
        bench_receive (self, &ask, NULL);
        if (index >= 0)
            s_print (start);
    }
}

//  A company that floods: CLIENTS connections, WINDOW requests of TYPE on the way in each, sent again as
//  soon as they are answered, whatever the answer says. Says `flooding` when all of them have been
//  answered once, ends with its stdin; prints how many were done, and how many refused.
static void
s_op_flood (const char *endpoint, char **args)
{
    long clients = bench_number (args [0]), window = bench_number (args [1]);
    if (clients > CLIENTS_MAX)
        bench_die ("clients: at most %d", CLIENTS_MAX);
    bench_t *self [CLIENTS_MAX] = { NULL };
    zmq_pollitem_t items [CLIENTS_MAX + 1] = { 0 };
    for (long index = 0; index < clients; index++) {
        self [index] = bench_connect (endpoint);
        bench_call (self [index], "bus.ping", berth_empty_map);
        items [index] = (zmq_pollitem_t) { .socket = self [index]->socket, .events = ZMQ_POLLIN };
    }
    items [clients] = (zmq_pollitem_t) { .fd = STDIN_FILENO, .events = ZMQ_POLLIN };
    const char *environment = bench_environment (self [0], "local");
    berth_bytes_t body = strcmp (args [2], "lease.acquire") == 0
        ? bench_body (self [0], "companyId", self [0]->company, "environmentId", environment, NULL)
        : bench_body (self [0], "companyId", self [0]->company, "leaseId", s_acquire (self [0], environment),
                      NULL);
    bench_ask_t ask = bench_ask (self [0], args [2], body, 0);
    for (long index = 0; index < clients * window; index++)
        bench_send (self [index % clients], &ask);
    long done = 0, refused = 0;
    bool told = false;
    while (!(items [clients].revents & (ZMQ_POLLIN | ZMQ_POLLERR))) {
        bench_zmq (zmq_poll (items, (int) clients + 1, 30000), "poll");
        for (long index = 0; index < clients; index++)
            //  What is here, at most a window of it: then the others
            for (long turn = 0; (items [index].revents & ZMQ_POLLIN) && turn < window; turn++) {
                int ok = bench_receive_any (self [index]);
                if (ok < 0)
                    break;
                *(ok ? &done : &refused) += 1;
                bench_send (self [index], &ask);
            }
        if (!told && done + refused >= clients * window) {
            printf ("flooding\n");
            fflush (stdout);
            told = true;
        }
    }
    printf ("%ld %ld\n", done, refused);
}

//  Acquire, start, read: until the first byte. One beat apart; the place is released in between.
static void
s_op_first_byte (const char *endpoint, char **args)
{
    bench_t *self = bench_connect (endpoint);
    const char *environment = bench_environment (self, "sandbox");
    long count = bench_number (args [0]);
    int64_t interval = bench_number (args [1]) * 1000000, beat = bench_now_ns ();
    for (long index = -1; index < count; index++) {
        bench_reply_t reply;
        int64_t start = bench_now_ns ();
        const char *lease = s_acquire (self, environment);
        berth_bytes_t exec = bench_call (self, "exec.start", s_exec (self, lease, args [2], args [3], NULL));
        bench_ask_t read = s_read_ask (self, bench_text (self, exec, "id"), BERTH_CHUNK_MAX);
        bench_send (self, &read);
        bench_receive (self, &read, &reply);
        if (reply.data == 0)
            bench_die ("exec.read: no byte came first");
        if (index >= 0)
            s_print (start);
        while (reply.more)
            bench_receive (self, &read, &reply);
        s_release (self, lease);
        bench_beat (&beat, interval);
    }
}

//  One place; each exec from its start until its end and output are told.
static void
s_execs (const char *endpoint, char **args, const char *driver)
{
    bench_t *self = bench_connect (endpoint);
    const char *lease = s_acquire (self, bench_environment (self, driver));
    berth_bytes_t body = s_exec (self, lease, args [2], args [3], NULL);
    long count = bench_number (args [0]);
    int64_t interval = bench_number (args [1]) * 1000000, beat = bench_now_ns ();
    for (long index = -1; index < count; index++) {
        int64_t start = bench_now_ns ();
        bench_call (self, "exec.run", body);
        if (index >= 0)
            s_print (start);
        bench_beat (&beat, interval);
    }
    s_release (self, lease);
}

static void
s_op_second_exec (const char *endpoint, char **args)
{
    s_execs (endpoint, args, "sandbox");
}

//  The host of BENCH_SSH_PORT and the like.
static void
s_op_ssh_exec (const char *endpoint, char **args)
{
    s_execs (endpoint, args, "ssh");
}

//  SIZE execs at once, from the first start until the last end is told.
static void
s_op_ssh_crowd (const char *endpoint, char **args)
{
    bench_t *self = bench_connect (endpoint);
    const char *lease = s_acquire (self, bench_environment (self, "ssh"));
    berth_bytes_t body = s_exec (self, lease, args [2], args [3], NULL);
    long size = bench_number (args [1]);
    for (long index = -1, count = bench_number (args [0]); index < count; index++) {
        int64_t start = bench_now_ns ();
        for (long one = 0; one < size; one++) {
            bench_ask_t ask = bench_ask (self, "exec.run", body, 0);
            bench_send (self, &ask);
        }
        zmq_pollitem_t item = { .socket = self->socket, .events = ZMQ_POLLIN };
        for (long left = size; left;) {
            bench_zmq (zmq_poll (&item, 1, 30000), "poll");
            int ok = bench_receive_any (self);
            if (ok == 0)
                bench_die ("exec.run was refused");
            left -= ok > 0;
        }
        if (index >= 0)
            s_print (start);
    }
    s_release (self, lease);
}

//  BYTES of stdout, read with credit, from the start of the exec to the last byte.
static void
s_op_stdout (const char *endpoint, char **args)
{
    bench_t *self = bench_connect (endpoint);
    const char *lease = s_acquire (self, bench_environment (self, "sandbox"));
    uint64_t bytes = (uint64_t) bench_number (args [0]), counted = 0, owed = 0;
    char limit [32];
    snprintf (limit, sizeof limit, "--bytes=%lu", (unsigned long) bytes);

    int64_t start = bench_now_ns ();
    berth_bytes_t exec = bench_call (self, "exec.start", s_exec (self, lease, "head", limit, "/dev/zero"));
    bench_ask_t read = s_read_ask (self, bench_text (self, exec, "id"), WINDOW);
    bench_send (self, &read);
    while (counted < bytes) {
        bench_reply_t reply;
        bench_receive (self, &read, &reply);
        counted += reply.data;
        owed += reply.data;
        if (!reply.more)
            break;
        if (owed >= WINDOW / 4) {
            s_credit (self, &read, owed);
            owed = 0;
        }
    }
    if (counted != bytes)
        bench_die ("exec.read: %lu of %lu bytes came", (unsigned long) counted, (unsigned long) bytes);
    s_print (start);
}

//  Opens a place, says so, and releases it when stdin ends.
static void
s_op_place (const char *endpoint, char **args)
{
    (void) args;
    bench_t *self = bench_connect (endpoint);
    const char *lease = s_acquire (self, bench_environment (self, "sandbox"));
    bench_call (self, "exec.run", s_exec (self, lease, "true", NULL, NULL));
    printf ("open\n");
    fflush (stdout);
    while (getchar () != EOF)
        ;
    s_release (self, lease);
}

static void
s_op_ping (const char *endpoint, char **args)
{
    (void) args;
    bench_call (bench_connect (endpoint), "bus.ping", berth_empty_map);
}

static void
s_op_shutdown (const char *endpoint, char **args)
{
    (void) args;
    bench_t *self = bench_connect (endpoint);
    bench_call (self, "bus.shutdown", any_set_truth (berth_empty_map, "release", true, self->arena));
}

static const struct {
    const char *name, *arguments;
    int least;
    void (*run) (const char *endpoint, char **args);
} s_operations [] = {
    { "start",        "PROGRAM [ARGUMENT...]",         1, s_op_start },
    { "lease-get",    "COUNT",                         1, s_op_lease_get },
    { "lease-list",   "COUNT",                         1, s_op_lease_list },
    { "acquire",      "COUNT",                         1, s_op_acquire },
    { "flood",        "CLIENTS WINDOW TYPE",           3, s_op_flood },
    { "first-byte",   "COUNT INTERVAL_MS COMMAND ARG", 4, s_op_first_byte },
    { "second-exec",  "COUNT INTERVAL_MS COMMAND ARG", 4, s_op_second_exec },
    { "ssh-exec",     "COUNT INTERVAL_MS COMMAND ARG", 4, s_op_ssh_exec },
    { "ssh-crowd",    "COUNT SIZE COMMAND ARG",        4, s_op_ssh_crowd },
    { "stdout",       "BYTES",                         1, s_op_stdout },
    { "place",        "",                              0, s_op_place },
    { "ping",         "",                              0, s_op_ping },
    { "shutdown",     "",                              0, s_op_shutdown },
};

int
main (int argc, char **argv)
{
    for (size_t index = 0; argc > 2 && index < BERTH_COUNT (s_operations); index++)
        if (strcmp (argv [1], s_operations [index].name) == 0 && argc - 3 >= s_operations [index].least) {
            s_operations [index].run (argv [2], argv + 3);
            return 0;
        }
    for (size_t index = 0; index < BERTH_COUNT (s_operations); index++)
        fprintf (stderr, "usage: bench_client %s ENDPOINT %s\n", s_operations [index].name,
                 s_operations [index].arguments);
    return 2;
}
