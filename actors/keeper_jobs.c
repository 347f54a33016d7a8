//  keeper_jobs.c - owns the threads of the keeper: a check in slices, a backup.

#include "keeper_inside.h"

#include "backup.h"
#include "check.h"
#include "clock.h"
#include "codec.h"
#include "log.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TELL_MS = 200, NICE = 10 };

//  ---- what a thread tells its actor

static void
s_post (job_t *self, request_code_t type, berth_bytes_t body)
{
    letter_t letter = { .magic = LETTER_MAGIC, .type = (uint16_t) type, .roles = ROLE_INTERNAL,
                        .answer_to = ACTOR_FRONT };
    if (post_letter (self->post, ACTOR_STORE, NULL, INBOX_INTERNAL, &letter, body,
                     (berth_bytes_t) { NULL, 0 }, NULL))
        log_event ("answer_not_sent", "from=store subject=%s", self->subject);
}

static void
s_tell (job_t *self, const char *phase, uint64_t done, uint64_t total)
{
    int64_t now_ms = berth_mono_ms ();
    if (now_ms - self->told_ms < TELL_MS)
        return;
    self->told_ms = now_ms;
    own (arena) arena = arena_new ();
    storage_progress_t progress = { .phase = phase, .done = done, .total = total };
    storage_told_t told = { .subject = self->subject, .progress = &progress };
    s_post (self, REQUEST_STORE_TOLD, berth_pack (&storage_told_schema, &told, arena));
}

static void
s_end (job_t *self, const berth_schema_t *schema, const void *result, const berth_error_t *why)
{
    own (arena) arena = arena_new ();
    step_done_t done = { .subject = self->subject, .step = self->subject, .ok = !why };
    if (why)
        done.error = effects_pack_error (why, arena);
    else
        done.result = berth_pack (schema, result, arena);
    //  Before it is told: whoever hears it may ask for the next one
    self->running = false;
    s_post (self, REQUEST_STEP_DONE, berth_pack (&step_done_schema, &done, arena));
    post_destroy (&self->post);
}

static void
s_begin (job_t *self)
{
    self->post = post_new (self->keeper->context->wiring);
    self->told_ms = berth_mono_ms ();
    //  Others first: only this thread becomes nicer
    (void) setpriority (PRIO_PROCESS, (id_t) syscall (SYS_gettid), NICE);
}

//  ---- the check

static void
s_result (const store_check_t *check, int64_t took_ms, arena_t *arena, storage_checked_t *ret_result)
{
    size_t count;
    const check_sums_t *sums = store_check_sums (check);
    const check_finding_t *found = store_check_findings (check, &count);
    storage_finding_t *findings = arena_array (arena, count + 1, storage_finding_t);
    for (size_t index = 0; index < count; index++)
        findings [index] = (storage_finding_t) {
            .kind = found [index].kind, .where = found [index].where,
            .id = arena_string (arena, found [index].id),
            .why = arena_string (arena, found [index].why),
        };
    *ret_result = (storage_checked_t) {
        .ok = sums->found == 0, .rows = sums->rows, .index_entries = sums->index_entries,
        .activity = sums->activity, .keys = sums->keys, .spools = sums->spools,
        .took_ms = (uint64_t) took_ms, .found = sums->found, .findings = { count, findings },
    };
}

void *
job_check (void *args)
{
    job_t *self = args;
    keeper_t *keeper = self->keeper;
    berth_error_t err = { 0 };
    int64_t begun_ms = berth_mono_ms (), lag_ms = 60000;
    int64_t before_ms = retention_before (&keeper->context->retention, KEPT_SPOOLS, berth_wall_ms ());
    s_begin (self);
    store_check_t *check = store_check_new (keeper->context->store, keeper->spools,
                                            before_ms == INT64_MIN ? INT64_MIN : before_ms + lag_ms);
    int rc = 0;
    while (rc == 0 && !keeper->stopping) {
        uint64_t done, total;
        rc = store_check_step (check, &err);
        const char *phase = store_check_phase (check, &done, &total);
        s_tell (self, phase, done, total);
    }
    if (rc == 0)
        rc = berth_fail (&err, BERTH_BUSY, "the service stops: the check was not ended");
    own (arena) arena = arena_new ();
    storage_checked_t result;
    s_result (check, berth_mono_ms () - begun_ms, arena, &result);
    if (rc > 0)
        log_event ("store_checked", "rows=%llu found=%llu ms=%llu", (unsigned long long) result.rows,
                   (unsigned long long) result.found, (unsigned long long) result.took_ms);
    s_end (self, &storage_checked_schema, &result, rc < 0 ? &err : NULL);
    store_check_destroy (&check);
    return NULL;
}

//  ---- the backup

static void
s_copied (void *context, uint64_t bytes, uint64_t total)
{
    s_tell (context, "copy", bytes, total);
}

void *
job_backup (void *args)
{
    job_t *self = args;
    store_t *store = self->keeper->context->store;
    berth_error_t err = { 0 };
    uint64_t bytes;
    store_stat_t stat = { 0 };
    s_begin (self);
    log_event ("backup_begun", "path=%s", self->path);
    int64_t begun_ms = berth_mono_ms ();
    int rc = store_stat (store, &stat, &err)
          || store_backup (store, self->path, berth_wall_ms (), &self->keeper->stopping, s_copied, self,
                           &bytes, &err) ? -1 : 0;
    if (rc)
        log_fault ("store", "backup", &err);
    else
        log_event ("backup_made", "path=%s bytes=%llu", self->path, (unsigned long long) bytes);
    storage_backed_up_t result = {
        .path = { (const uint8_t *) self->path, strlen (self->path) }, .bytes = rc ? 0 : bytes,
        .epoch = stat.epoch, .took_ms = (uint64_t) (berth_mono_ms () - begun_ms),
    };
    s_end (self, &storage_backed_up_schema, &result, rc ? &err : NULL);
    return NULL;
}

//  ---- start and end

int
job_start (job_t *self, berth_error_t *err)
{
    if (self->running)
        return 0;                   //  Its end answers this one too
    if (self->started)
        pthread_join (self->thread, NULL);
    self->running = true;
    int rc = pthread_create (&self->thread, NULL, self->run, self);
    self->started = rc == 0;
    if (rc == 0)
        return 0;
    self->running = false;
    return berth_fail (err, BERTH_BUSY, "no thread can be started for it: try again in a moment");
}

static bool
s_stop (job_t *self)
{
    struct timespec until;
    clock_gettime (CLOCK_REALTIME, &until);
    until.tv_sec += 2;
    if (self->started && pthread_timedjoin_np (self->thread, NULL, &until))
        return false;
    self->started = false;
    return true;
}

bool
jobs_stop (keeper_t *self)
{
    self->stopping = true;
    bool check = s_stop (&self->check), backup = s_stop (&self->backup);
    return check && backup;
}
