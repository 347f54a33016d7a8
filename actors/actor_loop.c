//  actor_loop.c - owns the turns of an actor's thread: what waits in its inboxes becomes a batch.

#include "actor_inside.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <poll.h>

static void
s_send (void *context, actor_code_t to, const char *provider, const letter_t *letter,
        reply_status_t status, berth_bytes_t body, berth_bytes_t data, data_free_fn *data_free)
{
    actor_t *self = context;
    int rc;
    if (to == ACTOR_FRONT)
        rc = post_answer (self->post, letter->ticket, status, body, data, data_free);
    else {
        letter_t stamped = *letter;
        if (stamped.type != REQUEST_STEP_DONE)
            stamped.answer_to = (uint8_t) self->spec.code;
        rc = post_letter (self->post, to, provider, INBOX_INTERNAL, &stamped, body, data, data_free);
    }
    if (rc)         //  Its row says what is due: the tick finds it again
        log_event ("effect_not_sent", "from=%s to=%s", self->stats->name, actor_text (to));
}

static size_t
s_fill (actor_t *self, zsock_t *inbox, unsigned look, size_t count)
{
    if (!(self->look & look))
        return count;
    void *socket = zsock_resolve (inbox);
    while (count < BERTH_BATCH_MAX) {
        item_t *item = &self->items [count];
        if (post_receive (socket, &item->letter, sizeof item->letter, &item->body, &item->data)) {
            self->look &= ~look;
            return count;
        }
        if (item->letter.magic != LETTER_MAGIC) {
            zmq_msg_close (&item->body);        //  A kick: it has no letter
            zmq_msg_close (&item->data);
            continue;
        }
        ENSURE (item->letter.type < REQUEST_COUNT);
        count++;
    }
    return count;
}

//  Tells the front door what was taken of its window; wakes it up if it waits for that.
static void
s_taken (actor_t *self, size_t from, size_t to)
{
    if (from == to)
        return;
    uint64_t bytes = 0;
    for (size_t index = from; index < to; index++)
        bytes += zmq_msg_size (&self->items [index].body) + zmq_msg_size (&self->items [index].data);
    self->stats->taken_bytes += bytes;
    self->stats->taken += to - from;
    static const berth_bytes_t none = { NULL, 0 };
    if (self->stats->wanted && atomic_exchange (&self->stats->wanted, false))
        (void) post_answer (self->post, 0, reply_status_OK, none, none, NULL);
}

//  The descriptor can be read: outside of any transaction.
static void
s_ready (actor_t *self)
{
    static const letter_t nobody = { .magic = LETTER_MAGIC };
    berth_error_t err = { 0 };
    batch_t batch = { self, berth_wall_ms (), berth_mono_ms (), s_send, self };
    request_t req = batch_request (&batch, &nobody);
    if (self->spec.ready (self->self, &req, NULL, self->effects, &err))
        batch_failed (self, &req, "ready", &err);
    batch_perform (&batch);
    arena_clear (self->arena);
}

//  What was asked may be a secret, in a body or in what is written to a stdin: its memory goes back clean.
static void
s_wipe (zmq_msg_t *frame)
{
    explicit_bzero (zmq_msg_data (frame), zmq_msg_size (frame));
    zmq_msg_close (frame);
}

static void
s_turn (actor_t *self)
{
    //  Steps first: what they finish makes room.
    size_t count = s_fill (self, self->internal, LOOK_INTERNAL, 0);
    size_t steps = count;
    count = s_fill (self, self->clients, LOOK_CLIENTS, count);
    s_taken (self, steps, count);
    batch_t batch = { self, berth_wall_ms (), berth_mono_ms (), s_send, self };
    unsigned due = actor_due (self, batch.mono_ms);
    if (count == 0 && due == 0)
        return;
    incoming_t *incoming = arena_array (self->arena, count + 1, incoming_t);
    for (size_t index = 0; index < count; index++) {
        item_t *item = &self->items [index];
        incoming [index].letter = item->letter;
        incoming [index].body =
            (berth_bytes_t) { zmq_msg_data (&item->body), zmq_msg_size (&item->body) };
        if (zmq_msg_size (&item->data))
            incoming [index].data =
                (berth_bytes_t) { zmq_msg_data (&item->data), zmq_msg_size (&item->data) };
    }
    batch_serve (&batch, incoming, count, due);
    for (size_t index = 0; index < count; index++) {
        s_wipe (&self->items [index].body);
        s_wipe (&self->items [index].data);
    }
    if (self->wrote)
        post_kick (self->post);
}

static long
s_timeout (actor_t *self)
{
    int64_t next = actor_next_ms (self);
    if (next == INT64_MAX)
        return -1;
    int64_t left = next - berth_mono_ms ();
    return left < 0 ? 0 : left > 3600000 ? 3600000 : (long) left;
}

void
actor_run_with (actor_t *self, zsock_t *pipe, const int *extra, size_t count, long every_ms,
                bool (*turn) (void *self), void *context)
{
    CHECK (self, ACTOR_MAGIC);
    self->post = post_new (self->wiring);
    zsock_signal (pipe, 0);
    actor_serve_start (self, berth_wall_ms (), berth_mono_ms (), s_send, self);
    if (self->wrote)
        post_kick (self->post);
    //  poll, not zmq_poll: that asks every socket twice in each wait, and the sum of it is a
    //  quarter of the time of a read.
    struct pollfd fds [4 + ACTOR_EXTRA_MAX] = {
        { zsock_fd (pipe), POLLIN, 0 },
        { zsock_fd (self->internal), POLLIN, 0 },
        { zsock_fd (self->clients), POLLIN, 0 },
        { self->spec.fd, POLLIN, 0 },           //  Below zero: passed over
    };
    ENSURE (count <= ACTOR_EXTRA_MAX);
    for (size_t index = 0; index < count; index++)
        fds [4 + index] = (struct pollfd) { extra [index], POLLIN, 0 };
    bool running = pipe_runs (pipe), again = turn != NULL;
    while (running) {
        long timeout = again || self->look ? 0 : s_timeout (self);
        if (turn && (timeout < 0 || timeout > every_ms))
            timeout = every_ms;
        if (poll (fds, 4 + count, (int) timeout) < 0 && errno != EINTR)
            break;
        if (fds [0].revents)
            running = pipe_runs (pipe);
        if (fds [1].revents)
            self->look |= LOOK_INTERNAL;
        if (fds [2].revents)
            self->look |= LOOK_CLIENTS;
        if (self->spec.ready && fds [3].revents)
            s_ready (self);
        s_turn (self);
        again = turn && turn (context);
    }
    zsock_destroy (&self->clients);
    zsock_destroy (&self->internal);
    post_destroy (&self->post);
}

void
actor_run (actor_t *self, zsock_t *pipe)
{
    actor_run_with (self, pipe, NULL, 0, 0, NULL, NULL);
}
