//  exec_chunks.h - buffers of streamed output that are handed to the sockets without a copy, and
//  come back from another thread when their bytes are out.
//
//  This is what bounds a stream beyond its client's credit: a client may grant a gigabyte and read
//  slowly, but no reader has more than its window of chunks on the way.

#ifndef BERTH_EXEC_CHUNKS_H_INCLUDED
#define BERTH_EXEC_CHUNKS_H_INCLUDED

#include "base.h"

typedef struct chunks chunks_t;
typedef struct window window_t;

chunks_t *chunks_new (void);
//  Chunks on the way keep what they need.
void chunks_destroy (chunks_t **self_p);

//  Can be read when chunks_wake was called, or when a chunk came home that a window waited for.
int chunks_fd (const chunks_t *self);
void chunks_wake (chunks_t *self);
//  Takes what made it readable.
void chunks_hush (chunks_t *self);

//  One reader's chunks.
window_t *window_new (chunks_t *chunks);
void window_destroy (window_t **self_p);

//  A buffer of BERTH_CHUNK_MAX bytes, or NULL if `limit` of them are on the way: the fd will say
//  when to ask again.
void *window_take (window_t *self, int limit);

//  Gives a buffer back; of any thread. The `data_free` of effects (hint is not used).
void chunk_free (void *data, void *hint);

#endif
