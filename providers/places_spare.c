//  places_spare.c - owns what is made for the next place.

#include "places_spare.h"

#include "clock.h"
#include "codec.h"
#include "shim_link.h"
#include "tree.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPARE_MAGIC = 0x5ba4e, DRESS_MS = 1000 };

struct spare {
    unsigned magic;
    spawner_t *spawner;
    char *folder;
    pthread_mutex_t lock;           //  Of what follows
    enum { NONE, MAKING, READY } state;
    bool own_uid, last_own_uid;     //  The folder has a user of its own; the last place had one
    uint64_t uid;
    uint8_t *last;                  //  What the last place's shim executed, without a uid; packed
    size_t last_size;
    int call;                       //  Of the shim that waits; -1: none
    uint8_t *worn;                  //  With what; packed
    size_t worn_size;
};

spare_t *
spare_new (const char *folder, spawner_t *spawner)
{
    spare_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = SPARE_MAGIC;
    self->spawner = spawner;
    self->folder = strdup (folder);
    ENSURE (self->folder);
    self->call = -1;
    pthread_mutex_init (&self->lock, NULL);
    (void) tree_remove (self->folder, NULL);    //  If it is there all the same, nothing is made
    return self;
}

void
spare_destroy (spare_t **self_p)
{
    spare_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, SPARE_MAGIC);
    spawner_hang_up (&self->call);
    (void) tree_remove (self->folder, NULL);    //  Else the next start does
    pthread_mutex_destroy (&self->lock);
    free (self->folder);
    free (self->last);
    free (self->worn);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

bool
spare_begin (spare_t *self, bool *ret_own_uid)
{
    CHECK (self, SPARE_MAGIC);
    pthread_mutex_lock (&self->lock);
    bool wanted = self->state == NONE;
    if (wanted)
        self->state = MAKING;                   //  By the caller: nobody else touches it meanwhile
    *ret_own_uid = self->last_own_uid;
    pthread_mutex_unlock (&self->lock);
    return wanted;
}

const char *
spare_folder (const spare_t *self)
{
    return self->folder;
}

static void
s_keep (uint8_t **data, size_t *size, berth_bytes_t bytes)
{
    uint8_t *copy = malloc (bytes.size + 1);
    ENSURE (copy);
    memcpy (copy, bytes.data, bytes.size);
    free (*data);
    *data = copy;
    *size = bytes.size;
}

//  Under the lock: what the next shim is to execute. False if nobody knows.
static bool
s_next_dress (spare_t *self, const uint64_t *uid, arena_t *arena, berth_bytes_t *ret_dress,
              berth_bytes_t *ret_worn)
{
    shim_dress_t dress;
    berth_bytes_t last = { self->last, self->last_size };
    if (!self->last || berth_unpack (&shim_dress_schema, last, arena, &dress, NULL))
        return false;
    if (uid)
        berth_put (shim_dress, &dress, uid, *uid);
    *ret_worn = berth_pack (&shim_dress_schema, &dress, arena);
    berth_put (shim_dress, &dress, folder, ((berth_bytes_t) { (const uint8_t *) self->folder,
                                                              strlen (self->folder) }));
    *ret_dress = berth_pack (&shim_dress_schema, &dress, arena);
    return true;
}

void
spare_made (spare_t *self, const uint64_t *uid)
{
    CHECK (self, SPARE_MAGIC);
    own (arena) arena = arena_new ();
    berth_bytes_t dress, worn;
    pthread_mutex_lock (&self->lock);
    bool wanted = s_next_dress (self, uid, arena, &dress, &worn);
    int stale = self->call;                     //  It waits for another folder's user
    self->call = -1;
    pthread_mutex_unlock (&self->lock);
    spawner_hang_up (&stale);
    int call = -1;
    if (wanted && spawner_dress (self->spawner, dress, berth_mono_ms () + DRESS_MS, &call, NULL))
        call = -1;                              //  Places are opened without it
    pthread_mutex_lock (&self->lock);
    self->state = READY;
    self->own_uid = uid != NULL;
    self->uid = uid ? *uid : 0;
    self->call = call;
    if (call >= 0)
        s_keep (&self->worn, &self->worn_size, worn);
    pthread_mutex_unlock (&self->lock);
}

void
spare_failed (spare_t *self)
{
    CHECK (self, SPARE_MAGIC);
    pthread_mutex_lock (&self->lock);
    self->state = NONE;
    pthread_mutex_unlock (&self->lock);
}

bool
spare_take (spare_t *self, bool own_uid, const char *folder, uint64_t *ret_uid)
{
    CHECK (self, SPARE_MAGIC);
    pthread_mutex_lock (&self->lock);
    bool taken = self->state == READY && own_uid == self->own_uid
              && rename (self->folder, folder) == 0;
    if (taken) {
        *ret_uid = self->uid;
        self->state = NONE;
    }
    self->last_own_uid = own_uid;
    pthread_mutex_unlock (&self->lock);
    return taken;
}

int
spare_take_shim (spare_t *self, const shim_open_t *open, arena_t *arena)
{
    CHECK (self, SPARE_MAGIC);
    if (!open->args_fd.count)                   //  It would not wait
        return -1;
    shim_dress_t dress = shim_dress_of (open);
    berth_bytes_t asked = berth_pack (&shim_dress_schema, &dress, arena);
    dress.uid = 0;
    dress.has &= ~(1ull << shim_dress_F_uid);
    berth_bytes_t last = berth_pack (&shim_dress_schema, &dress, arena);
    int call = -1;
    pthread_mutex_lock (&self->lock);
    if (last.size != self->last_size || memcmp (last.data, self->last, last.size))
        s_keep (&self->last, &self->last_size, last);
    if (self->call >= 0 && asked.size == self->worn_size
        && memcmp (asked.data, self->worn, asked.size) == 0) {
        call = self->call;
        self->call = -1;
    }
    pthread_mutex_unlock (&self->lock);
    return call;
}
