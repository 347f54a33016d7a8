//  exec_chunks.c - owns buffers between the actor and the sockets' threads.

#include "exec_chunks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CHUNKS_MAGIC 0xc4a2c001u
#define WINDOW_MAGIC 0xc4a2c002u
#define CHUNK_MAGIC  0xc4a2c003u

enum { SPARE_MAX = 16 };            //  Warm buffers kept while somebody streams

typedef struct chunk {
    uint32_t magic;
    window_t *window;
    struct chunk *next;             //  Among the spare ones
    uint8_t data [];
} chunk_t;

struct chunks {
    uint32_t magic;
    atomic_int holders;             //  The actor and every window
    int wake;
    pthread_mutex_t lock;           //  Of the spare ones
    chunk_t *spare;
    size_t spare_count, windows;
};

struct window {
    uint32_t magic;
    atomic_int holders;             //  The reader and every chunk on the way
    atomic_int away;
    atomic_bool waits;
    chunks_t *chunks;
};

chunks_t *
chunks_new (void)
{
    chunks_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = CHUNKS_MAGIC;
    self->holders = 1;
    self->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    ENSURE (self->wake >= 0);
    ENSURE (pthread_mutex_init (&self->lock, NULL) == 0);
    return self;
}

static void
s_free_spare (chunks_t *self)
{
    while (self->spare) {
        chunk_t *chunk = self->spare;
        self->spare = chunk->next;
        free (chunk);
    }
    self->spare_count = 0;
}

static void
s_let_go (chunks_t *self)
{
    if (atomic_fetch_sub (&self->holders, 1) > 1)
        return;
    s_free_spare (self);
    close (self->wake);
    pthread_mutex_destroy (&self->lock);
    self->magic = 0;
    free (self);
}

void
chunks_destroy (chunks_t **self_p)
{
    chunks_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, CHUNKS_MAGIC);
    s_let_go (self);
    *self_p = NULL;
}

int
chunks_fd (const chunks_t *self)
{
    CHECK (self, CHUNKS_MAGIC);
    return self->wake;
}

void
chunks_wake (chunks_t *self)
{
    CHECK (self, CHUNKS_MAGIC);
    uint64_t one = 1;
    ENSURE (write (self->wake, &one, sizeof one) == sizeof one);
}

void
chunks_hush (chunks_t *self)
{
    CHECK (self, CHUNKS_MAGIC);
    uint64_t count;
    (void) !read (self->wake, &count, sizeof count);    //  Nothing there is fine
}

//  ---- windows

window_t *
window_new (chunks_t *chunks)
{
    CHECK (chunks, CHUNKS_MAGIC);
    window_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = WINDOW_MAGIC;
    self->holders = 1;
    self->chunks = chunks;
    atomic_fetch_add (&chunks->holders, 1);
    pthread_mutex_lock (&chunks->lock);
    chunks->windows++;
    pthread_mutex_unlock (&chunks->lock);
    return self;
}

static void
s_window_let_go (window_t *self)
{
    if (atomic_fetch_sub (&self->holders, 1) > 1)
        return;
    chunks_t *chunks = self->chunks;
    pthread_mutex_lock (&chunks->lock);
    if (--chunks->windows == 0)
        s_free_spare (chunks);          //  Nobody streams: nothing is kept warm
    pthread_mutex_unlock (&chunks->lock);
    self->magic = 0;
    free (self);
    s_let_go (chunks);
}

void
window_destroy (window_t **self_p)
{
    window_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, WINDOW_MAGIC);
    s_window_let_go (self);
    *self_p = NULL;
}

void *
window_take (window_t *self, int limit)
{
    CHECK (self, WINDOW_MAGIC);
    if (atomic_load (&self->away) >= limit) {
        atomic_store (&self->waits, true);
        if (atomic_load (&self->away) >= limit)
            return NULL;                //  Whoever comes home now sees `waits`
        atomic_store (&self->waits, false);
    }
    chunks_t *chunks = self->chunks;
    pthread_mutex_lock (&chunks->lock);
    chunk_t *chunk = chunks->spare;
    if (chunk) {
        chunks->spare = chunk->next;
        chunks->spare_count--;
    }
    pthread_mutex_unlock (&chunks->lock);
    if (!chunk)
        chunk = malloc (sizeof *chunk + BERTH_CHUNK_MAX);
    ENSURE (chunk);
    chunk->magic = CHUNK_MAGIC;
    chunk->window = self;
    atomic_fetch_add (&self->away, 1);
    atomic_fetch_add (&self->holders, 1);
    return chunk->data;
}

void
chunk_free (void *data, void *hint)
{
    (void) hint;
    chunk_t *chunk = (chunk_t *) ((uint8_t *) data - offsetof (chunk_t, data));
    CHECK (chunk, CHUNK_MAGIC);
    window_t *window = chunk->window;
    chunks_t *chunks = window->chunks;
    chunk->magic = 0;
    pthread_mutex_lock (&chunks->lock);
    bool keep = chunks->spare_count < SPARE_MAX;
    if (keep) {
        chunk->next = chunks->spare;
        chunks->spare = chunk;
        chunks->spare_count++;
    }
    pthread_mutex_unlock (&chunks->lock);
    if (!keep)
        free (chunk);
    atomic_fetch_sub (&window->away, 1);
    if (atomic_exchange (&window->waits, false))
        chunks_wake (chunks);
    s_window_let_go (window);
}
