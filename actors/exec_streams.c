//  exec_streams.c - owns the readers: who reads what, from where, with which credit.
//
//  A reader is runnable (in the queue), starved (its window of chunks is on the way), or waits for
//  output or credit (in no queue). All take turns, one chunk each, a bounded number of chunks at a
//  time, so that nobody's gigabyte delays anybody's start.

#include "exec_parts.h"

#include "codec.h"

#include <stdlib.h>
#include <string.h>

#define STREAM_MAGIC 0x57234a01u

struct stream {
    uint32_t magic;
    stream_t *next;                 //  In its bucket
    node_t queue;                   //  Runnable or starved
    node_t of_live;                 //  Among the readers of an exec that has not ended
    live_t *live;                   //  NULL: it has ended
    letter_t letter;
    bool single;                    //  Without credit: one reply
    bool follow;
    bool block;                     //  What was read is told to the shim
    int of;                         //  SPOOL_STDOUT...
    uint64_t first, offset;         //  Of the first byte that was sent, and of the next
    uint64_t end;                   //  Where it stops; UINT64_MAX: nowhere
    uint64_t total;                 //  Bytes there will be, once it has ended
    uint64_t missing;
    uint64_t credit;
    int64_t deadline_ms;            //  Monotonic; 0: none
    bool begun;                     //  Something was sent
    spool_reader_t *reader;
    window_t *window;
    exec_use_t *use;                //  Of its lease, if that counts
    char exec [37];
};

//  ---- streams by the ticket of their request

static stream_t **
s_bucket (execs_t *self, uint64_t ticket)
{
    return &self->streams [ticket % EXEC_BUCKETS];
}

static stream_t *
s_find (execs_t *self, uint64_t ticket)
{
    stream_t *stream = *s_bucket (self, ticket);
    while (stream && (stream->letter.ticket != ticket || stream->letter.answer_to != ACTOR_FRONT))
        stream = stream->next;
    return stream;
}

static void
s_free (execs_t *self, stream_t *stream)
{
    CHECK (stream, STREAM_MAGIC);
    for (stream_t **at = s_bucket (self, stream->letter.ticket); *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    node_leave (&stream->queue);
    node_leave (&stream->of_live);
    spool_reader_destroy (&stream->reader);
    window_destroy (&stream->window);
    use_close (self, stream->use);
    stream->magic = 0;
    free (stream);
}

void
streams_destroy (execs_t *self)
{
    for (size_t bucket = 0; bucket < EXEC_BUCKETS; bucket++)
        while (self->streams [bucket])
            s_free (self, self->streams [bucket]);
}

static void
s_run (execs_t *self, stream_t *stream)
{
    if (!node_linked (&self->runnable))
        chunks_wake (self->chunks);         //  From nothing to something
    node_join (&stream->queue, &self->runnable);
}

void
streams_wake (execs_t *self, live_t *live)
{
    for (node_t *node = live->readers.next; node != &live->readers; node = node->next) {
        stream_t *stream = node_of (node, stream_t, of_live);
        if (!node_linked (&stream->queue))
            s_run (self, stream);
    }
}

static uint64_t
s_total (const uint64_t bytes [2], int of)
{
    return of == SPOOL_ALL ? bytes [0] + bytes [1] : bytes [of - 1];
}

void
streams_detach (execs_t *self, live_t *live)
{
    while (node_linked (&live->readers)) {
        stream_t *stream = node_of (live->readers.next, stream_t, of_live);
        node_leave (&stream->of_live);
        stream->live = NULL;
        stream->total = s_total (live->bytes, stream->of);
        if (!node_linked (&stream->queue))
            s_run (self, stream);
    }
}

//  ---- the end of a stream

static void
s_finish (execs_t *self, stream_t *stream, bool eof, const request_t *req, effects_t *fx)
{
    exec_read_end_t end = { .offset = stream->begun ? stream->first : stream->offset,
                            .next = stream->offset, .eof = eof };
    if (stream->missing)
        berth_put (exec_read_end, &end, missing, stream->missing);
    effects_reply_to (fx, &stream->letter, req->arena, &exec_read_end_schema, &end);
    s_free (self, stream);
}

static void
s_fail (execs_t *self, stream_t *stream, const berth_error_t *why, const request_t *req,
        effects_t *fx)
{
    effects_fail_to (fx, &stream->letter, req->arena, why);
    s_free (self, stream);
}

//  ---- sending

//  Under onFull block: what a reader has, the spool may forget.
static void
s_release (execs_t *self, stream_t *stream, bool idle, const request_t *req)
{
    live_t *live = stream->live;
    if (!live || !stream->block || !stream->reader)
        return;
    uint64_t at = spool_reader_at (stream->reader);
    for (int index = 0; index < 2; index++)
        if ((stream->of & (index + 1)) && at > live->read [index])
            live->read [index] = at;
    //  A stream that nothing was written to holds nobody up
    uint64_t both = UINT64_MAX;
    for (int index = 0; index < 2; index++)
        if (live->bytes [index] > 0 && live->read [index] < both)
            both = live->read [index];
    if (both == UINT64_MAX || both <= live->released)
        return;
    if (!idle && both - live->released < live->spool_max / 16)
        return;
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_RELEASE);
    berth_put (shim_message, &message, exec, live->id);
    berth_put (shim_message, &message, offset, both);
    if (link_send (self, live, &message, req, NULL) == 0)
        live->released = both;
}

static void
s_send_chunk (stream_t *stream, void *data, size_t size, int of, bool eof, const request_t *req,
              effects_t *fx)
{
    berth_bytes_t bytes = { data, size };
    if (!stream->begun)
        stream->first = stream->offset;
    stream->begun = true;
    uint64_t offset = stream->offset;
    stream->offset += size;
    if (stream->single) {
        exec_read_end_t end = { .offset = offset, .next = stream->offset, .eof = eof };
        if (stream->missing)
            berth_put (exec_read_end, &end, missing, stream->missing);
        effects_reply_data (fx, &stream->letter, req->arena, &exec_read_end_schema, &end, bytes,
                            chunk_free);
        return;
    }
    stream->credit -= size;
    stream_chunk_t chunk = { .stream = (exec_stream_t) of, .offset = offset, .length = size,
                             .eof = eof };
    effects_chunk (fx, &stream->letter, req->arena, &stream_chunk_schema, &chunk, bytes,
                   chunk_free);
}

//  Nothing is there now.
static void
s_idle (execs_t *self, stream_t *stream, bool ended, const request_t *req, effects_t *fx)
{
    if (ended || !stream->follow)
        s_finish (self, stream, ended, req, fx);
    else
        s_release (self, stream, true, req);        //  streams_wake goes on
}

//  How much may be sent in one chunk; 0: it has to wait.
static size_t
s_room (const stream_t *stream)
{
    uint64_t room = stream->end - stream->offset;
    if (!stream->single && stream->credit < room)
        room = stream->credit;
    return room < BERTH_CHUNK_MAX ? (size_t) room : BERTH_CHUNK_MAX;
}

//  Sends one chunk. It is in no queue now, and in the right one, or gone, afterwards.
static void
s_turn (execs_t *self, stream_t *stream, const request_t *req, effects_t *fx)
{
    berth_error_t err = { 0 };
    bool ended = !stream->live;     //  And its end is written: nobody hears of it before
    bool through = ended && stream->offset >= stream->total;
    if (stream->offset >= stream->end || through) {
        s_finish (self, stream, through, req, fx);
        return;
    }
    size_t room = s_room (stream);
    if (room == 0)
        return;                                     //  exec_credit goes on
    if (!stream->reader
        && spool_reader_open (exec_spool (self, stream->exec, req->arena), &stream->reader, &err)) {
        if (err.code == BERTH_NOT_FOUND)
            s_idle (self, stream, ended, req, fx);
        else
            s_fail (self, stream, &err, req, fx);
        return;
    }
    void *data = window_take (stream->window, STREAM_WINDOW);
    if (!data) {
        node_join (&stream->queue, &self->starved);
        return;
    }
    size_t size = 0;
    uint64_t from;
    int of;
    int rc = spool_read (stream->reader, stream->of, stream->offset, data, room, &size, &from, &of,
                         &err);
    if (rc == 0 && from > stream->offset) {
        stream->missing += from - stream->offset;
        stream->offset = from;
    }
    if (rc || size == 0) {
        chunk_free (data, NULL);
        if (rc)
            s_fail (self, stream, &err, req, fx);
        else
            s_idle (self, stream, ended, req, fx);
        return;
    }
    bool eof = ended && stream->offset + size >= stream->total;
    s_send_chunk (stream, data, size, of, eof, req, fx);
    if (stream->single) {
        s_release (self, stream, true, req);
        s_free (self, stream);
        return;
    }
    s_release (self, stream, false, req);
    node_join (&stream->queue, &self->runnable);
}

void
streams_ready (execs_t *self, const request_t *req, effects_t *fx)
{
    while (node_linked (&self->starved))
        node_join (self->starved.next, &self->runnable);
    for (int left = STREAM_TURN; left > 0 && node_linked (&self->runnable); left--) {
        stream_t *stream = node_of (self->runnable.next, stream_t, queue);
        CHECK (stream, STREAM_MAGIC);
        node_leave (&stream->queue);
        s_turn (self, stream, req, fx);
    }
    if (node_linked (&self->runnable))
        chunks_wake (self->chunks);
}

//  ---- requests

void
stream_open (execs_t *self, const exec_read_t *ask, const exec_t *row, const request_t *req,
             effects_t *fx)
{
    stream_t *stream = calloc (1, sizeof *stream);
    ENSURE (stream);
    stream->magic = STREAM_MAGIC;
    node_init (&stream->queue);
    node_init (&stream->of_live);
    stream->letter = *req->letter;
    stream->single = !req->letter->streams;
    stream->follow = ask->follow;
    stream->block = row->on_full == exec_on_full_BLOCK;
    stream->of = ask->stream ? (int) ask->stream : SPOOL_ALL;
    stream->offset = ask->from;
    stream->end = berth_has (exec_read, ask, limit) && ask->limit < UINT64_MAX - ask->from
                ? ask->from + ask->limit : UINT64_MAX;
    stream->credit = req->letter->credit;
    stream->deadline_ms = req->letter->deadline_ms;
    if (stream->single && stream->follow && !stream->deadline_ms)
        stream->deadline_ms = req->mono_ms + EXEC_FOLLOW_MS;
    if (stream->deadline_ms && stream->deadline_ms < self->streams_due_ms)
        self->streams_due_ms = stream->deadline_ms;
    memcpy (stream->exec, row->id, sizeof stream->exec);
    stream->window = window_new (self->chunks);
    stream->use = use_open (self, row, req);
    stream_t **bucket = s_bucket (self, stream->letter.ticket);
    stream->next = *bucket;
    *bucket = stream;
    stream->live = live_find (self, row->id);
    if (stream->live)
        node_join (&stream->of_live, &stream->live->readers);
    else {
        const uint64_t bytes [2] = { row->stdout_bytes, row->stderr_bytes };
        stream->total = s_total (bytes, stream->of);
    }
    s_turn (self, stream, req, fx);
    if (node_linked (&self->runnable))
        chunks_wake (self->chunks);
}

int
exec_credit (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    (void) fx;
    (void) err;
    execs_t *self = actor;
    stream_t *stream = s_find (self, req->letter->ticket);
    if (!stream)
        return 0;                   //  It has ended meanwhile
    CHECK (stream, STREAM_MAGIC);
    bool waited = stream->credit == 0;
    uint64_t more = req->letter->credit;
    stream->credit = stream->credit + more < stream->credit ? UINT64_MAX : stream->credit + more;
    if (waited && stream->credit && !node_linked (&stream->queue))
        s_run (self, stream);
    return 0;
}

int
exec_cancel (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    (void) err;
    execs_t *self = actor;
    stream_t *stream = s_find (self, req->letter->ticket);
    if (stream)
        s_finish (self, stream, false, req, fx);
    return 0;
}

void
streams_tick (execs_t *self, const request_t *req, effects_t *fx)
{
    berth_error_t err = { 0 };
    (void) berth_fail (&err, BERTH_DEADLINE_EXCEEDED, "the deadline passed while reading output");
    self->streams_due_ms = INT64_MAX;
    for (size_t bucket = 0; bucket < EXEC_BUCKETS; bucket++)
        for (stream_t *stream = self->streams [bucket], *next; stream; stream = next) {
            next = stream->next;
            if (!stream->deadline_ms)
                continue;
            if (stream->deadline_ms > req->mono_ms) {
                if (stream->deadline_ms < self->streams_due_ms)
                    self->streams_due_ms = stream->deadline_ms;
            }
            else if (stream->single && !stream->letter.deadline_ms)
                s_finish (self, stream, false, req, fx);    //  Our own patience: ask again
            else
                s_fail (self, stream, &err, req, fx);
        }
}
