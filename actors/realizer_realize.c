//  realizer_realize.c - owns the road of a realization: place > copy > provision > keep.

#include "realizer_parts.h"

#include "codec.h"
#include "registry.h"

#include <string.h>

enum {
    COPY_MS      = 300000,          //  Unless the ask says otherwise
    PROVISION_MS = 300000,
    SLACK_MS     = 120000           //  What an answer may take beyond its step's own deadline
};

//  Everything a step of this work needs.
typedef struct {
    work_t *work;
    const request_t *req;
    store_txn_t *txn;
    effects_t *fx;
    workspace_realize_t ask;
    lease_t lease;
    place_realized_t realized;
} step_t;

//  ---- failing

static void
s_fail (const step_t *step, const berth_error_t *why)
{
    effects_settle_error (step->fx, step->req->arena, step->work->subject, why);
    work_finish (step->work, step->req);
}

//  "Failed to provision workspace for environment "NAME" (DRIVER): CAUSE"
static void
s_fail_wrapped (const step_t *step, const char *verb, const berth_error_t *why)
{
    const lease_t *lease = &step->lease;
    environment_t env = { .name = lease->env };     //  If it is gone: its id
    (void) environment_find (step->txn, step->req->arena, NULL, lease->env, &env, NULL);
    berth_error_t out = *why;
    (void) berth_fail (&out, BERTH_WORKSPACE_REALIZATION_FAILED,
                       "Failed to %s workspace for environment \"%.100s\" (%s): %s", verb,
                       env.name ? env.name : lease->env, lease->driver ? lease->driver : "local",
                       why->text);
    if (!out.cause [0])
        berth_error_set (out.cause, sizeof out.cause, "%s", why->text);
    berth_error_set (out.environment_id, sizeof out.environment_id, "%s", lease->env);
    berth_error_set (out.lease_id, sizeof out.lease_id, "%s", lease->id);
    berth_error_set (out.driver, sizeof out.driver, "%s", lease->driver ? lease->driver : "local");
    if (lease->provider)
        berth_error_set (out.provider, sizeof out.provider, "%s", lease->provider);
    s_fail (step, &out);
}

//  A source that is not there, no folder, or not ours to read is the caller's to mend.
static bool
s_is_about_source (const step_t *step, const berth_error_t *why)
{
    if (why->code != BERTH_INVALID && why->code != BERTH_NOT_FOUND && why->code != BERTH_FORBIDDEN)
        return false;
    const char *source = arena_text (step->req->arena, (const char *) step->ask.source.data,
                                     step->ask.source.size);
    return strcmp (why->field, "source") == 0 || strstr (why->text, source);
}

//  ---- steps

static berth_bytes_t
s_details (const step_t *step)
{
    arena_t *arena = step->req->arena;
    berth_bytes_t details = any_set_text (berth_empty_map, "environmentId", step->lease.env, arena);
    details = any_set_text (details, "driver", step->lease.driver, arena);
    details = any_set_text (details, "provider", step->lease.provider, arena);
    details = any_set_text (details, "executionWorkspaceId", step->ask.workspace, arena);
    details = any_set_number (details, "files", step->realized.files, arena);
    details = any_set_number (details, "bytes", step->realized.bytes, arena);
    details = any_set_number (details, "savedFiles", step->realized.saved_files, arena);
    details = any_set_number (details, "savedBytes", step->realized.saved_bytes, arena);
    details = any_set_number (details, "refused", step->realized.refused, arena);
    details = any_set_number (details, "ms", step->realized.ms, arena);
    return any_set_truth (details, "provisioned", step->work->provisioned, arena);
}

static void
s_keep (step_t *step)
{
    arena_t *arena = step->req->arena;
    lease_realized_t keep = {
        .lease = step->lease.id, .source = step->ask.source, .return_mode = step->ask.return_mode,
        .record = realization_record (&step->lease, step->ask.request, &step->realized, arena),
        .realization = step->ask.realization, .details = s_details (step),
    };
    berth_put (lease_realized, &keep, no_links, step->ask.no_links);
    berth_put (lease_realized, &keep, returned, false);
    step->work->give_up_ms = step->req->mono_ms + SLACK_MS;
    effects_work (step->fx, arena, ACTOR_LEASES, NULL, REQUEST_LEASE_REALIZED, step->work->subject,
                  work_step (step->work, "keep", arena), step->req, 0, &keep);
}

static bool
s_is_blank (const char *text)
{
    return !text || text [strspn (text, " \t\r\n\v\f")] == 0;
}

static void
s_provision (step_t *step)
{
    arena_t *arena = step->req->arena;
    const letter_t *asker = &step->work->asker;
    bool local = !step->lease.driver || strcmp (step->lease.driver, "local") == 0;
    if (local || s_is_blank (step->ask.provision)) {
        s_keep (step);
        return;
    }
    workspace_progress_t progress = {
        .phase = "provision", .files = step->realized.files, .bytes = step->realized.bytes,
        .total_files = step->realized.files, .total_bytes = step->realized.bytes,
    };
    step_progress_t on = { .subject = asker->subject, .progress = &progress };
    effects_work (step->fx, arena, asker->answer_to, NULL, REQUEST_STEP_PROGRESS, asker->subject,
                  asker->step, NULL, 0, &on);

    berth_bytes_t cwd = step->realized.cwd;
    if (!cwd.size) {
        const char *path = realization_path (&step->lease, &step->realized, arena);
        cwd = path ? (berth_bytes_t) { (const uint8_t *) path, strlen (path) } : step->ask.source;
    }
    berth_bytes_t args [] = {
        { (const uint8_t *) "-lc", 3 },
        { (const uint8_t *) step->ask.provision, strlen (step->ask.provision) },
    };
    exec_start_t start = {
        .lease = step->lease.id, .company = step->lease.company,
        .generation = step->lease.generation, .command = { (const uint8_t *) "bash", 4 },
        .args = { BERTH_COUNT (args), args }, .cwd = cwd,
        .env = any_set_text (berth_empty_map, "SHELL", "/bin/bash", arena),
        .timeout_ms = PROVISION_MS,
    };
    step->work->give_up_ms = step->req->mono_ms + PROVISION_MS + SLACK_MS;
    effects_work (step->fx, arena, ACTOR_EXECS, NULL, REQUEST_EXEC_RUN_STEP, step->work->subject,
                  work_step (step->work, "provision", arena), step->req, 0, &start);
}

//  Where the provider has files to put, they are put; the built-in fake has none.
static void
s_copy (step_t *step, const provider_t *provider)
{
    arena_t *arena = step->req->arena;
    if (!provider || !provider->realize) {
        step->work->result = berth_pack (&place_realized_schema, &step->realized,
                                         step->work->arena);
        s_provision (step);
        return;
    }
    int64_t copy_ms = step->ask.timeout_ms ? (int64_t) step->ask.timeout_ms : COPY_MS;
    place_realize_t copy = {
        .lease = step->lease.id, .company = step->lease.company,
        .provider_lease = step->lease.provider_lease,
        .metadata = step->lease.metadata, .source = step->ask.source,
        .excludes = step->ask.excludes, .no_links = step->ask.no_links,
    };
    step->work->give_up_ms = step->req->mono_ms + copy_ms + SLACK_MS;
    effects_work (step->fx, arena, ACTOR_PROXY, provider->name, REQUEST_PLACE_REALIZE,
                  step->work->subject, work_step (step->work, "copy", arena), step->req,
                  step->req->mono_ms + copy_ms, &copy);
}

static const provider_t *
s_provider (const lease_t *lease)
{
    return provider_by_name (lease->provider ? lease->provider
                             : lease->driver ? lease->driver : "local");
}

//  ---- the order

static int
s_check (const request_t *req, store_txn_t *txn, const workspace_realize_t *ask, lease_t *ret_lease,
         berth_error_t *err)
{
    berth_error_set (err->lease_id, sizeof err->lease_id, "%s", ask->lease);
    if (ask->source.size == 0 || ask->source.data [0] != '/'
        || memchr (ask->source.data, 0, ask->source.size)) {
        berth_error_set (err->field, sizeof err->field, "executionWorkspace.cwd");
        return berth_fail (err, BERTH_INVALID,
                           "field 'executionWorkspace.cwd' must be an absolute path");
    }
    if (lease_get (txn, req->arena, ask->lease, ret_lease, err))
        return -1;
    if (ret_lease->state != lease_state_ACTIVE)
        return berth_fail (err, BERTH_CONFLICT,
                           "lease '%s' is %s: nothing can be put into its place", ret_lease->id,
                           berth_enum_text (&lease_state_enum, (int) ret_lease->state));
    return 0;
}

//  The files are in: the row of the persisted workspace.
static int
s_put_workspace (const request_t *req, store_txn_t *txn, const workspace_realize_t *ask,
                 const lease_t *lease, berth_error_t *err)
{
    arena_t *arena = req->arena;
    workspace_t row;
    berth_error_t why = { 0 };
    if (!ask->workspace)
        return 0;
    if (workspace_get (txn, arena, ask->workspace, &row, &why))
        return why.code == BERTH_NOT_FOUND ? 0 : berth_fail (err, why.code, "%s", why.text);
    row.metadata = any_set (row.metadata.size ? row.metadata : berth_empty_map,
                            "workspaceRealizationRequest", ask->request, arena);
    row.metadata = any_set (row.metadata, "workspaceRealization",
                            any_get (lease->metadata, "workspaceRealization"), arena);
    row.last_used_at = row.updated_at = req->now_ms;
    return workspace_put (txn, arena, &row, err);
}

//  Asked again after a restart that came behind its record: nothing is done a second time.
static int
s_known (const request_t *req, store_txn_t *txn, effects_t *fx, const step_t *step,
         berth_error_t *err)
{
    if (s_put_workspace (req, txn, &step->ask, &step->lease, err))
        return -1;
    effects_reply (fx, req, &lease_schema, &step->lease);
    return 0;
}

int
realizer_realize (void *args, const request_t *req, store_txn_t *txn, effects_t *fx,
                  berth_error_t *err)
{
    realizer_t *self = args;
    CHECK (self, REALIZER_MAGIC);
    const workspace_realize_t *ask = req->body;
    step_t step = { .req = req, .txn = txn, .fx = fx, .ask = *ask };
    if (s_check (req, txn, &step.ask, &step.lease, err))
        return -1;
    if (ask->realization && step.lease.realization
        && strcmp (ask->realization, step.lease.realization) == 0)
        return s_known (req, txn, fx, &step, err);
    const char *subject = arena_printf (req->arena, "realize/%s", step.lease.id);
    work_t *work = work_find (self, subject);
    if (work && (work->known || waiters_any (actor_waiters (self->actor), subject))) {
        effects_wait (fx, req, subject);            //  Asked again: it joins what runs
        return 0;
    }
    step.work = work_begin (self, subject, req);
    step.work->ask = berth_pack (&workspace_realize_schema, &step.ask, step.work->arena);
    effects_wait (fx, req, subject);
    const provider_t *provider = s_provider (&step.lease);
    if (provider && provider->realize && provider->opens_nothing
        && step.lease.place != place_state_OPEN) {
        lease_place_t place = { .lease = step.lease.id };
        step.work->give_up_ms = req->mono_ms + COPY_MS + SLACK_MS;
        effects_work (fx, req->arena, ACTOR_LEASES, NULL, REQUEST_LEASE_PLACE, subject,
                      work_step (step.work, "place", req->arena), req, 0, &place);
    }
    else
        s_copy (&step, provider);
    return 0;
}

//  ---- answers

static int
s_kept (step_t *step, const step_done_t *done, berth_error_t *err)
{
    const request_t *req = step->req;
    lease_t lease;
    if (berth_unpack_own (&lease_schema, done->result, req->arena, &lease, err)
        || s_put_workspace (req, step->txn, &step->ask, &lease, err))
        return -1;
    effects_settle (step->fx, req->arena, step->work->subject, &lease_schema, &lease);
    work_finish (step->work, req);
    return 0;
}

static int
s_failed (step_t *step, const step_done_t *done, const char *name)
{
    berth_error_t why;
    error_from_body (done->error, step->req->arena, &why);
    if (strcmp (name, "copy") == 0 && s_is_about_source (step, &why)) {
        berth_error_set (why.field, sizeof why.field, "executionWorkspace.cwd");
        s_fail (step, &why);
    }
    else
        s_fail_wrapped (step, strcmp (name, "provision") == 0 ? "provision" : "realize", &why);
    return 0;
}

static int
s_provisioned (step_t *step, const step_done_t *done, berth_error_t *err)
{
    exec_result_t result;
    if (berth_unpack_own (&exec_result_schema, done->result, step->req->arena, &result, err))
        return -1;
    const char *failure = provision_failure (&result, step->req->arena);
    if (failure) {
        berth_error_t why = { 0 };
        (void) berth_fail (&why, BERTH_WORKSPACE_REALIZATION_FAILED, "%s", failure);
        s_fail_wrapped (step, "provision", &why);
        return 0;
    }
    step->work->provisioned = true;
    s_keep (step);
    return 0;
}

int
realizer_realize_done (realizer_t *self, const request_t *req, work_t *work, const char *name,
                       store_txn_t *txn, effects_t *fx, berth_error_t *err)
{
    (void) self;
    const step_done_t *done = req->body;
    step_t step = { .work = work, .req = req, .txn = txn, .fx = fx };
    berth_error_t gone = { 0 };
    if (berth_unpack_own (&workspace_realize_schema, work->ask, req->arena, &step.ask, err))
        return -1;
    if (lease_get (txn, req->arena, step.ask.lease, &step.lease, &gone)) {
        s_fail (&step, &gone);
        return 0;
    }
    if (!done->ok)
        return s_failed (&step, done, name);
    if (step.lease.state != lease_state_ACTIVE) {
        (void) berth_fail (&gone, BERTH_CONFLICT, "the lease is %s",
                           berth_enum_text (&lease_state_enum, (int) step.lease.state));
        s_fail_wrapped (&step, "realize", &gone);
        return 0;
    }
    if (strcmp (name, "place") == 0) {
        s_copy (&step, s_provider (&step.lease));
        return 0;
    }
    if (strcmp (name, "copy") == 0)
        work->result = (berth_bytes_t) { arena_copy (work->arena, done->result.data,
                                                     done->result.size), done->result.size };
    if (berth_unpack_own (&place_realized_schema, work->result, req->arena, &step.realized, err))
        return -1;
    if (strcmp (name, "copy") == 0) {
        s_provision (&step);
        return 0;
    }
    return strcmp (name, "provision") == 0 ? s_provisioned (&step, done, err)
                                           : s_kept (&step, done, err);
}
