//  exec_use.c - who reads an exec's output uses its lease, if that has an idleMs.
//
//  A lease finds its uses in the rows of its execs. One that runs is use by itself; of one that has
//  ended, reading is written down, at most every tenth of idleMs. What is not written yet will be
//  before its lease could end of it.

#include "exec_parts.h"

#include <stdlib.h>
#include <string.h>

struct exec_use {
    node_t node;                    //  Among all of them
    char exec [37];
    size_t readers;
    int64_t every_ms;               //  A tenth of idleMs
    int64_t used_ms, written_ms;    //  The last use; what of it the row says
    int64_t due_ms;
};

//  What one tick writes.
typedef struct wrote {
    const struct wrote *next;
    const exec_use_t *use;
    int64_t used_ms;
} wrote_t;

static void
s_due (execs_t *self, exec_use_t *use, int64_t mono_ms)
{
    use->due_ms = mono_ms;
    if (mono_ms < self->uses_due_ms)
        self->uses_due_ms = mono_ms;
}

exec_use_t *
use_open (execs_t *self, const exec_t *row, const request_t *req)
{
    if (!row->lease_idle_ms)
        return NULL;
    exec_use_t *use = NULL;
    for (node_t *node = self->uses.next; node != &self->uses && !use; node = node->next)
        if (strcmp (node_of (node, exec_use_t, node)->exec, row->id) == 0)
            use = node_of (node, exec_use_t, node);
    if (!use) {
        use = calloc (1, sizeof *use);
        ENSURE (use);
        node_init (&use->node);
        node_join (&use->node, &self->uses);
        memcpy (use->exec, row->id, sizeof use->exec);
        use->every_ms = (int64_t) row->lease_idle_ms / 10 + 1;
        if (row->boot && strcmp (row->boot, req->boot) == 0)
            use->written_ms = row->used_mono_ms;
    }
    use->readers++;
    s_due (self, use, req->mono_ms);
    return use;
}

void
use_close (execs_t *self, exec_use_t *use)
{
    if (!use)
        return;
    use->readers--;
    s_due (self, use, 0);           //  At once: that is its last use
}

void
uses_destroy (execs_t *self)
{
    while (node_linked (&self->uses)) {
        exec_use_t *use = node_of (self->uses.next, exec_use_t, node);
        node_leave (&use->node);
        free (use);
    }
}

//  Was it used until now? Then now; else when its last reader went.
static int64_t
s_used_ms (const exec_use_t *use, const request_t *req)
{
    return use->readers || use->due_ms == 0 ? req->mono_ms : use->used_ms;
}

//  Behind the commit.
static void
s_written (void *actor, const request_t *req, const void *what, effects_t *fx)
{
    (void) fx;
    execs_t *self = actor;
    self->uses_due_ms = INT64_MAX;
    for (node_t *node = self->uses.next, *next; node != &self->uses; node = next) {
        exec_use_t *use = node_of (node, exec_use_t, node);
        next = node->next;
        bool live = live_find (self, use->exec) != NULL;
        for (const wrote_t *wrote = what; wrote; wrote = wrote->next)
            if (wrote->use == use)
                use->written_ms = wrote->used_ms;
        if (use->due_ms <= req->mono_ms) {
            use->used_ms = s_used_ms (use, req);
            use->due_ms = (live ? req->mono_ms : use->written_ms) + use->every_ms;
        }
        if (!use->readers && (live || use->used_ms <= use->written_ms)) {
            node_leave (&use->node);
            free (use);
        }
        else
            s_due (self, use, use->due_ms);
    }
}

int
uses_tick (execs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    if (self->uses_due_ms > req->mono_ms)
        return 0;
    const wrote_t *wrote = NULL;
    for (node_t *node = self->uses.next; node != &self->uses; node = node->next) {
        const exec_use_t *use = node_of (node, exec_use_t, node);
        exec_t row;
        berth_error_t gone = { 0 };
        if (use->due_ms > req->mono_ms || s_used_ms (use, req) <= use->written_ms
            || req->mono_ms < use->written_ms + use->every_ms || live_find (self, use->exec))
            continue;
        wrote_t *one = arena_new_of (req->arena, wrote_t);
        *one = (wrote_t) { wrote, use, s_used_ms (use, req) };
        wrote = one;
        if (exec_get (txn, req->arena, use->exec, &row, &gone))
            continue;               //  Retention took it
        row.boot = req->boot;
        row.used_mono_ms = one->used_ms;
        if (exec_put (txn, req->arena, &row, err))
            return -1;
    }
    effects_call (fx, req, s_written, self, wrote);
    return 0;
}
