//  unread.c - owns a peer's counter, shared with the frames that libzmq holds.

#include "unread.h"

#include <stdatomic.h>
#include <stdlib.h>

#define UNREAD_MAGIC 0x04ead001u

enum { LARGE = 4096 };

struct unread {
    uint32_t magic;
    atomic_uint_fast64_t bytes;
    atomic_uint_fast64_t holders;   //  The peer, and each frame
};

typedef struct {
    zmq_msg_t frame;
    unread_t *owner;
    size_t size;
} holder_t;

static atomic_uint_fast64_t s_all;

unread_t *
unread_new (void)
{
    unread_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = UNREAD_MAGIC;
    self->holders = 1;
    return self;
}

static void
s_leave (unread_t *self)
{
    if (atomic_fetch_sub (&self->holders, 1) == 1) {
        self->magic = 0;
        free (self);
    }
}

void
unread_destroy (unread_t **self_p)
{
    unread_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, UNREAD_MAGIC);
    s_leave (self);
    *self_p = NULL;
}

//  In a thread of libzmq, when the bytes are out or will never be.
static void
s_out (void *data, void *hint)
{
    (void) data;
    holder_t *holder = hint;
    holder->owner->bytes -= holder->size;
    s_all -= holder->size;
    s_leave (holder->owner);
    zmq_msg_close (&holder->frame);
    free (holder);
}

void
unread_count (unread_t *self, zmq_msg_t *frame)
{
    CHECK (self, UNREAD_MAGIC);
    size_t size = zmq_msg_size (frame);
    if (size < LARGE)
        return;
    holder_t *holder = malloc (sizeof *holder);
    ENSURE (holder);
    holder->owner = self;
    holder->size = size;
    zmq_msg_init (&holder->frame);
    ENSURE (zmq_msg_move (&holder->frame, frame) == 0);
    self->holders++;
    self->bytes += size;
    s_all += size;
    ENSURE (zmq_msg_init_data (frame, zmq_msg_data (&holder->frame), size, s_out, holder) == 0);
}

uint64_t
unread_bytes (const unread_t *self)
{
    return self->bytes;
}

int
unread_check (const unread_t *self, berth_error_t *err)
{
    uint64_t most = s_all > BERTH_UNREAD_ALL ? BERTH_UNREAD_BYTES / 16 : BERTH_UNREAD_BYTES;
    if (self->bytes <= most)
        return 0;
    err->retry_after_ms = BERTH_BUSY_PACE_MS;
    err->limit_value = most;
    berth_error_set (err->limit, sizeof err->limit, "unreadBytes");
    berth_error_set (err->remedy, sizeof err->remedy, "read what was answered before asking more");
    return berth_fail (err, BERTH_BUSY, "this client has %llu bytes of answers that it does not read",
                       (unsigned long long) self->bytes);
}
