//  test_attach.c - an exec and our descriptors: no byte lost or doubled through a slow stdin, a
//  restart and a closed pipe; signals go the way they should.

#include "fixture.h"

#include "attach.h"
#include "clock.h"
#include "fake_bus.h"
#include "terminal.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define EXEC_ID "00000000-0000-7000-8000-000000000001"

enum { TOTAL = 1000000, TAKES = 3000, LOG_MAX = 1 << 21 };

//  An exec that writes TOTAL bytes by itself, every third piece to stderr, or repeats its stdin.
typedef struct {
    fake_bus_t *bus;
    char *folder, endpoint [300];
    berth_client_t *client;
    bool repeats;                       //  Its output is its stdin
    int dies_at;                        //  Data frames until the service dies; 0: never
    atomic_int frames, dead, signals [65];
    uint8_t log [LOG_MAX];
    size_t size;
    bool ended;
    uint64_t read_from [16];
    atomic_int reads;
    fake_asker_t reader;
    uint64_t next, credit;
    bool reading;
} exec_story_t;

static void
s_flow (exec_story_t *self, arena_t *arena)
{
    while (self->reading && !self->dead && self->next < self->size && self->credit) {
        //  Pieces of 1,000 bytes; every third is of stderr.
        size_t piece = (size_t) (self->next / 1000), end = (piece + 1) * 1000;
        size_t size = (end < self->size ? end : self->size) - (size_t) self->next;
        size = size < self->credit ? size : (size_t) self->credit;
        stream_chunk_t chunk = { .stream = piece % 3 == 2 && !self->repeats ? exec_stream_STDERR
                                                                            : exec_stream_STDOUT,
                                 .offset = self->next, .length = size };
        fake_bus_reply (self->bus, &self->reader, reply_status_STREAM,
                        berth_pack (&stream_chunk_schema, &chunk, arena),
                        (berth_bytes_t) { self->log + self->next, size });
        self->next += size;
        self->credit -= size;
        if (++self->frames == self->dies_at)
            self->dead = 1;             //  It says nothing from now on
    }
    if (self->reading && !self->dead && self->ended && self->next == self->size) {
        exec_read_end_t end = { .offset = self->next, .next = self->next, .eof = true };
        self->reading = false;
        fake_bus_reply (self->bus, &self->reader, reply_status_OK,
                        berth_pack (&exec_read_end_schema, &end, arena), (berth_bytes_t) { NULL, 0 });
    }
}

static void
s_write (exec_story_t *self, fake_bus_t *bus, const fake_asker_t *asker, berth_bytes_t body,
         berth_bytes_t data, arena_t *arena)
{
    uint64_t offset = any_number (body, "offset", 0);
    ENSURE (offset <= self->size);
    size_t known = self->size - (size_t) offset;
    size_t taken = data.size > known ? data.size - known : 0;
    bool all = taken <= TAKES;
    taken = all ? taken : TAKES;
    memcpy (self->log + self->size, data.data + known, taken);
    self->size += taken;
    bool eof = all && any_truth (body, "eof", false);
    self->ended = self->ended || eof;
    exec_written_t written = { .offset = self->size, .eof = eof };
    fake_bus_reply (bus, asker, reply_status_OK, berth_pack (&exec_written_schema, &written, arena),
                    (berth_bytes_t) { NULL, 0 });
}

static void
s_handle (void *context, fake_bus_t *bus, const fake_asker_t *asker, berth_bytes_t body,
          berth_bytes_t data, arena_t *arena)
{
    exec_story_t *self = context;
    self->bus = bus;
    if (self->dead)
        return;
    if (strcmp (asker->type, "exec.read") == 0) {
        self->reader = *asker;
        self->reading = true;
        self->credit = asker->credit;
        self->next = any_number (body, "from", 0);
        self->read_from [self->reads++ % 16] = self->next;
    }
    else if (strcmp (asker->type, "stream.credit") == 0)
        self->credit += any_number (body, "bytes", 0);
    else if (strcmp (asker->type, "stream.cancel") == 0)
        self->reading = false;
    else if (strcmp (asker->type, "exec.write") == 0)
        s_write (self, bus, asker, body, data, arena);
    else if (strcmp (asker->type, "exec.signal") == 0)
        self->signals [any_number (body, "signal", 0)]++;
    s_flow (self, arena);
}

static int
s_setup (void **state)
{
    exec_story_t *self = calloc (1, sizeof *self);
    berth_error_t err = { 0 };
    self->folder = fixture_folder_new ();
    snprintf (self->endpoint, sizeof self->endpoint, "ipc://%s/bus.sock", self->folder);
    self->bus = fake_bus_new (self->endpoint, s_handle, self);
    self->client = berth_client_new (self->endpoint, &err);
    for (size_t index = 0; index < TOTAL; index++)
        self->log [index] = (uint8_t) (index * 2654435761u >> 13);
    self->size = TOTAL;
    self->ended = true;
    *state = self;
    return self->client ? 0 : -1;
}

static int
s_teardown (void **state)
{
    exec_story_t *self = *state;
    berth_client_destroy (&self->client);
    fake_bus_destroy (&self->bus);
    fixture_folder_destroy (&self->folder);
    free (self);
    return 0;
}

//  ---- our descriptors: pipes that threads feed and empty

typedef struct {
    int fd;
    uint8_t *data;
    size_t size, most;                  //  most: of what is read, then the pipe is closed
    pthread_t thread;
} end_t;

static void *
s_empty (void *argument)
{
    end_t *self = argument;
    ssize_t size;
    while (self->size < self->most
           && (size = read (self->fd, self->data + self->size, self->most - self->size)) > 0)
        self->size += (size_t) size;
    close (self->fd);
    return NULL;
}

static void *
s_feed (void *argument)
{
    end_t *self = argument;
    for (size_t at = 0; at < self->size;) {
        ssize_t size = write (self->fd, self->data + at, self->size - at);
        if (size <= 0)
            break;
        at += (size_t) size;
    }
    close (self->fd);
    return NULL;
}

typedef struct {
    end_t in, out, err;
    int saved [3];
} plumbing_t;

static void
s_pipe (end_t *end, int fd, bool feeds, size_t most)
{
    int ends [2];
    assert_int_equal (pipe2 (ends, O_CLOEXEC), 0);
    assert_true (dup2 (ends [feeds ? 0 : 1], fd) == fd);
    close (ends [feeds ? 0 : 1]);
    end->fd = ends [feeds ? 1 : 0];
    if (!feeds) {
        end->most = most;
        end->data = malloc (LOG_MAX);
    }
    assert_int_equal (pthread_create (&end->thread, NULL, feeds ? s_feed : s_empty, end), 0);
}

//  attach_stream with stdin, stdout and stderr of our own.
static int
s_attach (exec_story_t *self, plumbing_t *pipes, attach_t *ask, size_t most, int *ret_signal,
          berth_error_t *err)
{
    ask->bus = self->client;
    ask->exec = EXEC_ID;
    ask->stream = exec_stream_ALL;
    ask->follow = true;
    fflush (stdout);
    fflush (stderr);
    for (int fd = 0; fd < 3; fd++)
        pipes->saved [fd] = fcntl (fd, F_DUPFD_CLOEXEC, 10);
    s_pipe (&pipes->in, 0, true, 0);
    s_pipe (&pipes->out, 1, false, most);
    s_pipe (&pipes->err, 2, false, LOG_MAX);
    int rc = attach_stream (ask, ret_signal, err);
    fflush (stderr);
    for (int fd = 0; fd < 3; fd++) {
        if (dup2 (pipes->saved [fd], fd) < 0)
            close (fd);                 //  It was none
        close (pipes->saved [fd]);
    }
    pthread_join (pipes->in.thread, NULL);
    pthread_join (pipes->out.thread, NULL);
    pthread_join (pipes->err.thread, NULL);
    return rc;
}

static void
s_free (plumbing_t *pipes)
{
    free (pipes->out.data);
    free (pipes->err.data);
}

//  The pieces of the log that belong to one of both.
static size_t
s_expected (const exec_story_t *self, bool of_stderr, uint8_t *bytes)
{
    size_t used = 0;
    for (size_t piece = 0; piece * 1000 < self->size; piece++)
        if ((piece % 3 == 2) == of_stderr) {
            memcpy (bytes + used, self->log + piece * 1000, 1000);
            used += 1000;
        }
    return used;
}

static void
s_is_whole (const exec_story_t *self, const plumbing_t *pipes, const char *noise)
{
    uint8_t *bytes = malloc (LOG_MAX);
    size_t size = s_expected (self, false, bytes), noise_size = strlen (noise);
    assert_int_equal (pipes->out.size, size);
    assert_memory_equal (pipes->out.data, bytes, size);
    size = s_expected (self, true, bytes);
    assert_int_equal (pipes->err.size, size + noise_size);
    if (!noise_size)
        assert_memory_equal (pipes->err.data, bytes, size);
    free (bytes);
}

//  ---- tests

static void
s_both_streams_come_whole (void **state)
{
    exec_story_t *self = *state;
    plumbing_t pipes = { .saved = { 0 } };
    attach_t ask = { .signals = -1 };
    berth_error_t err = { 0 };
    assert_ok (s_attach (self, &pipes, &ask, LOG_MAX, NULL, &err), err);
    s_is_whole (self, &pipes, "");
    s_free (&pipes);
}

static void *
s_revive (void *argument)
{
    exec_story_t *self = argument;
    while (!self->dead)
        sched_yield ();
    fake_bus_destroy (&self->bus);
    self->reading = false;
    self->dead = self->dies_at = 0;
    self->bus = fake_bus_new (self->endpoint, s_handle, self);
    return NULL;
}

static void
s_a_restart_is_read_over (void **state)
{
    exec_story_t *self = *state;
    self->dies_at = 123;
    pthread_t helper;
    plumbing_t pipes = { .saved = { 0 } };
    attach_t ask = { .signals = -1 };
    berth_error_t err = { 0 };
    assert_int_equal (pthread_create (&helper, NULL, s_revive, self), 0);
    int rc = s_attach (self, &pipes, &ask, LOG_MAX, NULL, &err);
    pthread_join (helper, NULL);
    assert_ok (rc, err);
    assert_int_equal (self->reads, 2);
    assert_in_range (self->read_from [1], 0, 123000);
    s_is_whole (self, &pipes, "");
    s_free (&pipes);
}

static void
s_stdin_arrives_whole (void **state)
{
    exec_story_t *self = *state;
    self->repeats = true;
    self->ended = false;
    self->size = 0;
    plumbing_t pipes = { .in = { .size = 30000 } };
    pipes.in.data = malloc (30000);
    for (size_t index = 0; index < 30000; index++)
        pipes.in.data [index] = (uint8_t) (index * 40503u >> 7);
    attach_t ask = { .signals = -1, .input = true };
    berth_error_t err = { 0 };
    assert_ok (s_attach (self, &pipes, &ask, LOG_MAX, NULL, &err), err);
    assert_int_equal (pipes.out.size, 30000);
    assert_memory_equal (pipes.out.data, pipes.in.data, 30000);
    free (pipes.in.data);
    s_free (&pipes);
}

static void
s_a_closed_stdout_abandons (void **state)
{
    exec_story_t *self = *state;
    plumbing_t pipes = { .saved = { 0 } };
    attach_t ask = { .signals = -1 };
    berth_error_t err = { 0 };
    int number = 0;
    assert_int_equal (s_attach (self, &pipes, &ask, 10, &number, &err), ATTACH_ABANDONED);
    assert_int_equal (number, SIGPIPE);
    assert_int_equal (pipes.out.size, 10);
    s_free (&pipes);
}

static void *
s_interrupt (void *argument)
{
    exec_story_t *self = argument;
    kill (getpid (), SIGINT);
    while (!self->signals [SIGINT])
        sched_yield ();
    kill (getpid (), SIGINT);
    return NULL;
}

static void
s_a_second_interrupt_abandons (void **state)
{
    exec_story_t *self = *state;
    self->ended = false;
    self->size = 0;                     //  It says nothing, and does not end
    int signals = terminal_signals ();  //  Threads made from now on have them blocked
    pthread_t helper;
    plumbing_t pipes = { .saved = { 0 } };
    attach_t ask = { .signals = signals };
    berth_error_t err = { 0 };
    int number = 0;
    assert_int_equal (pthread_create (&helper, NULL, s_interrupt, self), 0);
    int rc = s_attach (self, &pipes, &ask, LOG_MAX, &number, &err);
    pthread_join (helper, NULL);
    close (signals);
    assert_int_equal (rc, ATTACH_ABANDONED);
    assert_int_equal (number, SIGINT);
    assert_int_equal (self->signals [SIGINT], 1);
    s_free (&pipes);
}

static void
s_ends_have_exit_statuses (void **state)
{
    (void) state;
    exec_t exec = { .cause = exec_cause_EXITED, .exit_code = 3 };
    assert_int_equal (attach_status ("run", &exec), 3);
    exec = (exec_t) { .cause = exec_cause_SIGNALED, .signal = 9 };
    assert_int_equal (attach_status ("run", &exec), 137);
}

//  Threads of the buses must not take our signals: they are blocked from the start.
int
main (void)
{
    close (terminal_signals ());
    signal (SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests [] = {
        cmocka_unit_test_setup_teardown (s_both_streams_come_whole, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (s_a_restart_is_read_over, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (s_stdin_arrives_whole, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (s_a_closed_stdout_abandons, s_setup, s_teardown),
        cmocka_unit_test_setup_teardown (s_a_second_interrupt_abandons, s_setup, s_teardown),
        cmocka_unit_test (s_ends_have_exit_statuses),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
