//  played_execs.c - owns what stands in for the actor's kit, its rows and its chunks.

#include "played_execs.h"

#include "fuzz.h"
#include "machine.h"

#include "codec.h"
#include "log.h"
#include "page.h"
#include "states.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

played_t played;
char played_execs [PLAYED_EXECS] [40];

int
played_exec (const char *id)
{
    for (int index = 0; index < PLAYED_EXECS; index++)
        if (strcmp (played_execs [index], id) == 0)
            return index;
    return -1;
}

void
played_id (char text [37])
{
    snprintf (text, 37, "0190a1b2-c3d4-7e5f-8a9b-%012x", ++played.ids);
}

berth_bytes_t
played_start (const char *id, arena_t *arena)
{
    shim_message_t start = { 0 };
    berth_put (shim_message, &start, op, shim_op_START);
    berth_put (shim_message, &start, exec, id);
    return berth_pack (&shim_message_schema, &start, arena);
}

//  ---- the kit

actor_t *
actor_new (const actor_spec_t *spec, void *self, store_t *store, wiring_t *wiring)
{
    (void) self, (void) store, (void) wiring;
    played.spec = *spec;
    return &played.actor;
}

void
actor_destroy (actor_t **self_p)
{
    *self_p = NULL;
}

void
actor_run (actor_t *self, zsock_t *pipe)
{
    (void) self, (void) pipe;
}

waiters_t *
actor_waiters (actor_t *self)
{
    return self->waiters;
}

//  ---- rows

int
exec_get (store_txn_t *txn, arena_t *arena, const char *id, exec_t *ret_row, berth_error_t *err)
{
    (void) txn;
    int index = played_exec (id);
    if (index < 0 || !played.rows [index].used)
        return berth_fail (err, BERTH_NOT_FOUND, "no exec '%s'", id);
    played_row_t *kept = &played.rows [index];
    berth_bytes_t packed = { arena_copy (arena, kept->row, kept->size), kept->size };
    return berth_unpack (&exec_schema, packed, arena, ret_row, err);
}

//  What is written must be readable, and an end be one.
int
exec_put (store_txn_t *txn, arena_t *arena, const exec_t *row, berth_error_t *err)
{
    (void) txn;
    played_row_t *kept = &played.rows [played_exec (row->id)];
    berth_bytes_t packed = berth_pack (&exec_schema, row, arena);
    FUZZ_MUST (packed.size <= sizeof kept->row, "a row of %zu bytes", packed.size);
    memcpy (kept->row, packed.data, packed.size);
    kept->size = packed.size;
    exec_t again;
    FUZZ_MUST (berth_unpack (&exec_schema, packed, arena, &again, err) == 0, "%s", err->text);
    if (again.state != exec_state_ENDED)
        return 0;
    FUZZ_MUST (again.cause > 0 && again.cause < exec_cause_COUNT, "exec %s ends without a cause", row->id);
    FUZZ_MUST (berth_has (exec, &again, exit_code) == (again.cause == exec_cause_EXITED),
               "exec %s: cause %s", row->id, berth_enum_text (&exec_cause_enum, again.cause));
    FUZZ_MUST (again.cause != exec_cause_SIGNALED || berth_has (exec, &again, signal),
               "exec %s was ended by no signal", row->id);
    FUZZ_MUST (berth_has (exec, &again, ended_at), "exec %s ends at no time", row->id);
    return 0;
}

int
lease_get (store_txn_t *txn, arena_t *arena, const char *id, lease_t *ret_row, berth_error_t *err)
{
    (void) txn, (void) arena, (void) ret_row;
    return berth_fail (err, BERTH_NOT_FOUND, "no lease '%s'", id);
}

int
activity_add (store_txn_t *txn, arena_t *arena, const activity_note_t *note, berth_error_t *err)
{
    (void) txn, (void) arena, (void) err;
    if (note->action == ACTION_EXEC_ENDED)
        FUZZ_MUST (played.rows [played_exec (note->entity)].ends++ == 0, "exec %s ends twice", note->entity);
    return 0;
}

//  The start of the actor looks at rows; here the script takes them up.
int
walk_begin (store_walk_t *self, store_txn_t *txn, store_index_t index, const store_key_t *prefix,
            const char *after, berth_error_t *err)
{
    (void) self, (void) txn, (void) index, (void) prefix, (void) after;
    return berth_fail (err, BERTH_INTERNAL, "no rows are walked here");
}

int
walk_next (store_walk_t *self, arena_t *arena, void *ret_row, berth_error_t *err)
{
    (void) self, (void) arena, (void) ret_row, (void) err;
    return 1;
}

void
walk_end (store_walk_t *self)
{
    (void) self;
}

void *
page_walk (store_txn_t *txn, arena_t *arena, const page_ask_t *ask, size_t *ret_count,
           const char **ret_next, berth_error_t *err)
{
    (void) txn, (void) arena, (void) ask, (void) ret_count, (void) ret_next;
    return (void) berth_fail (err, BERTH_INTERNAL, "no rows are listed here"), NULL;
}

void
key_id (store_key_t *self, const char *id)
{
    (void) self, (void) id;
}

void
key_text (store_key_t *self, const char *text)
{
    (void) self, (void) text;
}

//  ---- what has no part in this

int
driver_check (const request_t *req, const char *driver, berth_error_t *err)
{
    (void) req, (void) driver, (void) err;
    return 0;
}

quotas_t *
wiring_quotas (const wiring_t *self)
{
    (void) self;
    return NULL;
}

void
quota_spooling (quotas_t *self, const char *company, int64_t change)
{
    (void) self, (void) company, (void) change;
}

int
quota_lease (quotas_t *self, store_txn_t *txn, const char *company, berth_error_t *err)
{
    (void) self, (void) txn, (void) company, (void) err;
    return 0;
}

int
quota_exec (quotas_t *self, store_txn_t *txn, const char *company, uint64_t *spool_max, berth_error_t *err)
{
    (void) self, (void) txn, (void) company, (void) spool_max, (void) err;
    return 0;
}

void
log_event (const char *event, const char *format, ...)
{
    (void) event, (void) format;
}

int
exec_start_ask (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) actor, (void) req, (void) txn, (void) fx;
    return berth_fail (err, BERTH_INTERNAL, "the script begins execs here");
}

int
exec_rejoin (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    return exec_start_ask (actor, req, txn, fx, err);
}

void
execs_forget (execs_t *self, const request_t *req, store_txn_t *txn, effects_t *fx)
{
    (void) self, (void) req, (void) txn, (void) fx;
}

int64_t
execs_forget_next (const execs_t *self)
{
    (void) self;
    return INT64_MAX;
}

int
exec_dropped (execs_t *self, const request_t *req, store_txn_t *txn, const step_done_t *done,
              berth_error_t *err)
{
    (void) self, (void) req, (void) txn, (void) done, (void) err;
    return 0;
}

//  ---- chunks

struct chunks {
    int fd;
};

chunks_t *
chunks_new (void)
{
    static chunks_t chunks;
    size_t object = machine_object_new (OBJECT_PIPE);
    machine_object (object)->held = machine_object (object)->readable_end = true;
    chunks.fd = machine_descriptor (object);
    return &chunks;
}

void
chunks_destroy (chunks_t **self_p)
{
    if (*self_p)
        machine_object_of ((*self_p)->fd)->ended = true;
    if (*self_p)
        (void) close ((*self_p)->fd);
    *self_p = NULL;
}

int
chunks_fd (const chunks_t *self)
{
    return self->fd;
}

void
chunks_wake (chunks_t *self)
{
    (void) self;
    played.woken = true;
}

void
chunks_hush (chunks_t *self)
{
    (void) self;
}

window_t *
window_new (chunks_t *chunks)
{
    return (window_t *) chunks;
}

void
window_destroy (window_t **self_p)
{
    *self_p = NULL;
}

void *
window_take (window_t *self, int limit)
{
    (void) self, (void) limit;
    played.chunks++;
    return malloc (BERTH_CHUNK_MAX);
}

void
chunk_free (void *data, void *hint)
{
    (void) hint;
    played.chunks--;
    free (data);
}

int
execs_clear (void *actor, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) actor, (void) req, (void) txn, (void) fx;
    return berth_fail (err, BERTH_UNSUPPORTED, "no company is deleted here");
}
