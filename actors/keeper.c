//  keeper.c - owns the requests about the store itself, the trimming of the log, and the look how much
//  room there is.

#include "keeper_inside.h"

#include "clock.h"
#include "codec.h"
#include "log.h"
#include "retries.h"
#include "spool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEPER_MAGIC 0x6ee9e001u

//  ---- store.stat

//  The end of the oldest row of each kind; 0: there is none.
static int64_t
s_oldest (store_txn_t *txn, arena_t *arena, kept_t kind)
{
    static const store_index_t s_indexes [KEPT_COUNT] = {
        [KEPT_LEASES] = INDEX_LEASE_SETTLED, [KEPT_RUNS] = INDEX_RUN_SETTLED,
        [KEPT_EXECS] = INDEX_EXEC_ENDED, [KEPT_SPOOLS] = INDEX_EXEC_OUTPUT,
        [KEPT_SECRET_EVENTS] = INDEX_SECRET_EVENT_AGE,
    };
    activity_t entry;
    if (kind == KEPT_ACTIVITY)
        return activity_first (txn, arena, &entry, NULL) == 0 ? entry.created_at : 0;
    store_walk_t walk;
    store_key_t key;
    int64_t oldest_ms = 0;
    if (walk_begin (&walk, txn, s_indexes [kind], NULL, NULL, NULL))
        return 0;
    if (walk_next_key (&walk, &key, NULL) == 0)
        for (size_t index = 0; index < 8 && index < key.size; index++)
            oldest_ms = oldest_ms << 8 | key.data [index];
    walk_end (&walk);
    return oldest_ms;
}

static void
s_kept (keeper_t *self, store_txn_t *txn, arena_t *arena, storage_stat_t *stat)
{
    storage_kept_t *kept = arena_array (arena, KEPT_COUNT, storage_kept_t);
    for (int kind = 0; kind < KEPT_COUNT; kind++) {
        kept [kind] = (storage_kept_t) {
            .name = kept_text ((kept_t) kind), .removed = retention_counted ((kept_t) kind),
            .kept_ms = (uint64_t) self->context->retention.kept_ms [kind],
        };
        int64_t oldest_ms = s_oldest (txn, arena, (kept_t) kind);
        if (oldest_ms)
            berth_put (storage_kept, &kept [kind], oldest_at, oldest_ms);
        else
            berth_clear (storage_kept, &kept [kind], oldest_at);
    }
    stat->kept.count = KEPT_COUNT;
    stat->kept.items = kept;
}

static void
s_tables (store_txn_t *txn, arena_t *arena, storage_stat_t *stat)
{
    storage_table_t *tables = arena_array (arena, 32, storage_table_t);
    store_size_t size;
    size_t count = 0;
    while (count < 32 && store_size_at (txn, count, &size)) {
        tables [count] = (storage_table_t) { .name = size.name, .rows = size.rows, .bytes = size.bytes };
        count++;
    }
    stat->tables.count = count;
    stat->tables.items = tables;
}

static int
s_stat (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    keeper_t *self = me;
    store_stat_t now;
    activity_t first;
    if (store_stat (self->context->store, &now, err))
        return -1;
    storage_stat_t stat = {
        .fill = (storage_fill_t) (storage_fill_ROOMY + (int) now.fill), .used = now.used_bytes,
        .room = now.room_bytes, .percent = now.room_bytes ? now.used_bytes * 100 / now.room_bytes : 0,
        .file = now.file_bytes, .max = now.max_bytes, .disk_free = now.disk_free,
        .reserve = now.reserve_bytes, .schema = now.schema, .epoch = now.epoch,
        .seq = store_last_seq (txn), .backup_bytes = now.backup_bytes,
        .oldest_seq = activity_first (txn, req->arena, &first, NULL) == 0 ? first.seq : 0,
    };
    if (now.backup_since_ms)
        berth_put (storage_stat, &stat, backup_ms, req->mono_ms - now.backup_since_ms);
    else
        berth_clear (storage_stat, &stat, backup_ms);
    s_kept (self, txn, req->arena, &stat);
    s_tables (txn, req->arena, &stat);
    effects_reply (fx, req, &storage_stat_schema, &stat);
    return 0;
}

//  ---- check and backup

static void
s_start (void *me, const request_t *req, const void *what, effects_t *fx)
{
    (void) me;
    job_t *job = *(job_t *const *) what;
    berth_error_t err = { 0 };
    if (job_start (job, &err))
        effects_settle_error (fx, req->arena, job->subject, &err);
}

static void
s_wait_for (job_t *job, const request_t *req, effects_t *fx)
{
    effects_wait (fx, req, job->subject);
    effects_call (fx, req, s_start, job->keeper, arena_copy (req->arena, &job, sizeof job));
}

static int
s_check (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    (void) err;
    keeper_t *self = me;
    s_wait_for (&self->check, req, fx);
    return 0;
}

static int
s_backup (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    keeper_t *self = me;
    const storage_backup_t *ask = req->body;
    job_t *job = &self->backup;
    const char *path = arena_text (req->arena, (const char *) ask->path.data, ask->path.size);
    if (path [0] != '/' || strlen (path) != ask->path.size || ask->path.size >= sizeof job->path) {
        berth_error_set (err->field, sizeof err->field, "path");
        return berth_fail (err, BERTH_INVALID, "field 'path' must be the absolute path of a file");
    }
    if (job->running && strcmp (job->path, path)) {
        berth_error_set (err->remedy, sizeof err->remedy, "wait for its end: `berth store stat` shows it");
        return berth_fail (err, BERTH_CONFLICT, "a backup to %s is being made: one at a time", job->path);
    }
    if (!job->running)
        snprintf (job->path, sizeof job->path, "%s", path);
    s_wait_for (job, req, fx);
    return 0;
}

static int
s_told (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) me;
    (void) txn;
    (void) err;
    const storage_told_t *told = req->body;
    effects_progress (fx, req->arena, told->subject, &storage_progress_schema, told->progress);
    return 0;
}

static int
s_done (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    keeper_t *self = me;
    const step_done_t *done = req->body;
    bool check = strcmp (done->subject, self->check.subject) == 0;
    const berth_schema_t *schema = check ? &storage_checked_schema : &storage_backed_up_schema;
    berth_error_t why = { 0 };
    if (!done->ok) {
        error_from_body (done->error, req->arena, &why);
        effects_settle_error (fx, req->arena, done->subject, &why);
        return 0;
    }
    void *result = arena_take (req->arena, schema->size);
    if (berth_unpack_own (schema, done->result, req->arena, result, err))
        return -1;
    effects_settle (fx, req->arena, done->subject, schema, result);
    return 0;
}

//  ---- output that is not kept any more

static void
s_remove_spool (void *me, const request_t *req, const void *what, effects_t *fx)
{
    const keeper_t *self = me;
    berth_error_t err = { 0 };
    nothing_t nothing = { 0 };
    const char *folder = arena_printf (req->arena, "%s/%s", self->spools, (const char *) what);
    if (spool_remove (folder, &err))
        effects_fail (fx, req, &err);
    else
        effects_reply (fx, req, &nothing_schema, &nothing);
}

static int
s_drop (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) txn;
    (void) err;
    const spool_drop_t *ask = req->body;
    effects_call (fx, req, s_remove_spool, me, arena_string (req->arena, ask->exec));
    return 0;
}

//  ---- the log, and keys

static int
s_trim (keeper_t *self, const request_t *req, store_txn_t *txn, berth_error_t *err)
{
    const retention_t *retention = &self->context->retention;
    size_t removed;
    int64_t oldest_ms;
    if (activity_trim (txn, req->arena, retention_before (retention, KEPT_ACTIVITY, req->now_ms),
                       BERTH_RETENTION_TURN, &removed, &oldest_ms, err))
        return -1;
    retention_count (KEPT_ACTIVITY, removed);
    self->trim_ms = retention_next (retention, KEPT_ACTIVITY, req->now_ms, req->mono_ms, oldest_ms,
                                    removed == BERTH_RETENTION_TURN);
    return 0;
}

//  Idempotency keys, which otherwise go only as new ones come.
static int
s_forget_keys (keeper_t *self, const request_t *req, store_txn_t *txn, berth_error_t *err)
{
    static const retention_t s_kept = { .kept_ms = { [KEPT_ACTIVITY] = RETRIES_KEPT_MS } };
    size_t removed;
    int64_t oldest_ms;
    if (retries_trim (txn, req->now_ms, BERTH_RETENTION_TURN, &removed, &oldest_ms, err))
        return -1;
    self->keys_ms = retention_next (&s_kept, KEPT_ACTIVITY, req->now_ms, req->mono_ms, oldest_ms,
                                    removed > 0);
    return 0;
}

static int
s_tick (void *me, const request_t *req, store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) fx;
    keeper_t *self = me;
    if (self->trim_ms <= req->mono_ms && s_trim (self, req, txn, err))
        return -1;
    return self->keys_ms <= req->mono_ms ? s_forget_keys (self, req, txn, err) : 0;
}

static int64_t
s_next_ms (void *me)
{
    const keeper_t *self = me;
    return self->trim_ms < self->keys_ms ? self->trim_ms : self->keys_ms;
}

//  ---- the actor

static handler_fn *const s_handlers [REQUEST_COUNT] = {
    [REQUEST_STORE_STAT] = s_stat,
    [REQUEST_STORE_CHECK] = s_check,
    [REQUEST_STORE_BACKUP] = s_backup,
    [REQUEST_STORE_TOLD] = s_told,
    [REQUEST_SPOOL_DROP] = s_drop,
    [REQUEST_STEP_DONE] = s_done,
};

keeper_t *
keeper_new (const context_t *context, berth_error_t *err)
{
    (void) err;
    keeper_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = KEEPER_MAGIC;
    self->context = context;
    ENSURE (asprintf (&self->spools, "%s/spool", context->host.state) > 0);
    self->check = (job_t) { .keeper = self, .subject = "check", .run = job_check };
    self->backup = (job_t) { .keeper = self, .subject = "backup", .run = job_backup };
    self->trim_ms = context->retention.kept_ms [KEPT_ACTIVITY] ? 0 : INT64_MAX;
    static const actor_spec_t spec = {
        .code = ACTOR_STORE, .handlers = s_handlers, .tick = s_tick, .next_ms = s_next_ms, .fd = -1,
    };
    self->actor = actor_new (&spec, self, context->store, context->wiring);
    return self;
}

bool
keeper_destroy (keeper_t **self_p)
{
    keeper_t *self = *self_p;
    if (!self)
        return true;
    CHECK (self, KEEPER_MAGIC);
    *self_p = NULL;
    if (!jobs_stop (self))
        return false;
    actor_destroy (&self->actor);
    free (self->spools);
    self->magic = 0;
    free (self);
    return true;
}

actor_t *
keeper_kit (keeper_t *self)
{
    CHECK (self, KEEPER_MAGIC);
    return self->actor;
}

//  How much room there is: outside of any transaction, because a disk that is frozen does not say.
static bool
s_look (void *me)
{
    keeper_t *self = me;
    static const char *const s_fills [] = { "store_roomy", "store_tight", "store_shut" };
    berth_error_t err = { 0 };
    store_stat_t stat;
    int64_t now_ms = berth_mono_ms ();
    if (now_ms < self->look_ms)
        return false;
    self->look_ms = now_ms + KEEPER_LOOK_MS;
    if (store_stat (self->context->store, &stat, &err))
        log_fault ("store", "stat", &err);
    else if ((int) stat.fill != self->fill) {
        self->fill = (int) stat.fill;
        log_event (s_fills [stat.fill], "used=%llu room=%llu diskFree=%llu",
                   (unsigned long long) stat.used_bytes, (unsigned long long) stat.room_bytes,
                   (unsigned long long) stat.disk_free);
    }
    return false;
}

void
keeper_actor (zsock_t *pipe, void *args)
{
    keeper_t *self = args;
    CHECK (self, KEEPER_MAGIC);
    actor_run_with (self->actor, pipe, NULL, 0, KEEPER_LOOK_MS, s_look, self);
}
