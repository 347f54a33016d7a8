//  peers.c - owns the peers and their unanswered requests.

#include "peers.h"

#include <stdlib.h>
#include <string.h>

#define PEERS_MAGIC 0x9ee25001u
#define BUCKETS 1024

struct peers {
    uint32_t magic;
    peer_t *buckets [BUCKETS];
    size_t count;
    pending_t *pending;             //  Slots; a ticket is its slot + a growing number above it
    size_t slots, used;
    size_t fresh;                   //  Slots from here on were never used
    uint32_t freed;                 //  The slot that was freed last, + 1; 0: none
    uint64_t serial;
};

#define SLOT_BITS 24

static void
s_peer_free (peer_t *peer)
{
    unread_destroy (&peer->unread);
    free (peer);
}

peers_t *
peers_new (void)
{
    peers_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = PEERS_MAGIC;
    self->slots = 64;
    self->pending = calloc (self->slots, sizeof *self->pending);
    ENSURE (self->pending);
    return self;
}

void
peers_destroy (peers_t **self_p)
{
    peers_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, PEERS_MAGIC);
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        while (self->buckets [bucket]) {
            peer_t *peer = self->buckets [bucket];
            self->buckets [bucket] = peer->next;
            s_peer_free (peer);
        }
    free (self->pending);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

//  Forgets the peer that was silent longest, of those that wait for nothing: it is remembered again
//  when it speaks. False: all of them wait.
static bool
s_make_room (peers_t *self)
{
    peer_t **oldest = NULL;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        for (peer_t **link = &self->buckets [bucket]; *link; link = &(*link)->next)
            if ((*link)->unanswered == 0 && (!oldest || (*link)->heard_ms < (*oldest)->heard_ms))
                oldest = link;
    if (!oldest)
        return false;
    peer_t *peer = *oldest;
    *oldest = peer->next;
    s_peer_free (peer);
    self->count--;
    return true;
}

peer_t *
peers_find (peers_t *self, unsigned door, const void *id, size_t size)
{
    CHECK (self, PEERS_MAGIC);
    if (size > sizeof ((peer_t *) NULL)->id)
        return NULL;
    uint32_t hash = 2166136261u + door;
    for (size_t index = 0; index < size; index++)
        hash = (hash ^ ((const uint8_t *) id) [index]) * 16777619u;
    peer_t **bucket = &self->buckets [hash % BUCKETS];
    for (peer_t *peer = *bucket; peer; peer = peer->next)
        if (peer->door == door && peer->id_size == size && memcmp (peer->id, id, size) == 0)
            return peer;
    if (self->count == BERTH_PEERS_MAX && !s_make_room (self))
        return NULL;
    peer_t *peer = calloc (1, sizeof *peer);
    ENSURE (peer);
    peer->unread = unread_new ();
    memcpy (peer->id, id, size);
    peer->id_size = size;
    peer->door = (uint8_t) door;
    peer->fd = -1;
    peer->next = *bucket;
    *bucket = peer;
    self->count++;
    return peer;
}

void
peers_each (peers_t *self, void (*visit) (void *context, peer_t *peer), void *context)
{
    CHECK (self, PEERS_MAGIC);
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        for (peer_t *peer = self->buckets [bucket]; peer; peer = peer->next)
            visit (context, peer);
}

static pending_t *
s_slot (peers_t *self)
{
    if (self->used == self->slots) {
        size_t slots = self->slots * 2;
        self->pending = realloc (self->pending, slots * sizeof *self->pending);
        ENSURE (self->pending && slots <= 1u << SLOT_BITS);
        memset (self->pending + self->slots, 0, (slots - self->slots) * sizeof *self->pending);
        self->slots = slots;
    }
    if (self->freed) {
        pending_t *pending = &self->pending [self->freed - 1];
        self->freed = pending->next_free;
        return pending;
    }
    return &self->pending [self->fresh++];
}

pending_t *
peers_add (peers_t *self, peer_t *peer, bool streams)
{
    if (peer->unanswered >= BERTH_UNANSWERED_MAX)
        return NULL;
    pending_t *pending = s_slot (self);
    size_t slot = (size_t) (pending - self->pending);
    *pending = (pending_t) {
        .ticket = ++self->serial << SLOT_BITS | slot,
        .peer = peer, .type = REQUEST_COUNT, .streams = streams,
    };
    self->used++;
    peer->unanswered++;
    peer->streaming += streams;
    return pending;
}

int
peers_refuse (berth_error_t *err)
{
    err->retry_after_ms = BERTH_BUSY_PACE_MS;
    err->limit_value = BERTH_UNANSWERED_MAX;
    berth_error_set (err->limit, sizeof err->limit, "unanswered");
    berth_error_set (err->remedy, sizeof err->remedy, "wait for answers before asking more");
    return berth_fail (err, BERTH_BUSY,
                       "%d requests of this peer, or too many peers, wait for their answers",
                       BERTH_UNANSWERED_MAX);
}

pending_t *
peers_pending (peers_t *self, uint64_t ticket)
{
    size_t slot = ticket & ((1u << SLOT_BITS) - 1);
    if (slot >= self->slots || ticket == 0 || self->pending [slot].ticket != ticket)
        return NULL;
    return &self->pending [slot];
}

pending_t *
peers_by_id (peers_t *self, const peer_t *peer, const void *id, size_t size)
{
    for (size_t slot = 0; slot < self->slots; slot++) {
        pending_t *pending = &self->pending [slot];
        if (pending->ticket && pending->peer == peer && pending->id_size == size
            && memcmp (pending->id, id, size) == 0)
            return pending;
    }
    return NULL;
}

void
peers_done (peers_t *self, pending_t *pending)
{
    pending->peer->unanswered--;
    pending->peer->streaming -= pending->streams;
    pending->ticket = 0;
    pending->next_free = self->freed;
    self->freed = (uint32_t) (pending - self->pending) + 1;
    self->used--;
}

bool
peers_take_gone (peers_t *self, peer_t *peer, pending_t *ret_pending)
{
    for (size_t slot = 0; peer->unanswered && slot < self->slots; slot++)
        if (self->pending [slot].ticket && self->pending [slot].peer == peer) {
            *ret_pending = self->pending [slot];
            peers_done (self, &self->pending [slot]);
            return true;
        }
    return false;
}

bool
peers_take_silent (peers_t *self, int64_t before_ms, pending_t *ret_pending)
{
    for (size_t slot = 0; slot < self->slots; slot++) {
        pending_t *pending = &self->pending [slot];
        if (pending->ticket && pending->streams && pending->peer->heard_ms < before_ms) {
            *ret_pending = *pending;
            peers_done (self, pending);
            return true;
        }
    }
    return false;
}

void
peers_sweep (peers_t *self, int64_t before_ms)
{
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        for (peer_t **link = &self->buckets [bucket]; *link;) {
            peer_t *peer = *link;
            if (peer->unanswered == 0 && peer->heard_ms < before_ms && !unread_bytes (peer->unread)) {
                *link = peer->next;
                s_peer_free (peer);
                self->count--;
            }
            else
                link = &peer->next;
        }
}

size_t
peers_count (const peers_t *self)
{
    return self->count;
}

size_t
peers_unanswered (const peers_t *self)
{
    return self->used;
}
