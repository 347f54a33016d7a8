//  realization_record.c - owns the record of a realization, and the words of a failed provision.

#include "realizer_parts.h"

#include "codec.h"

#include <stdio.h>
#include <string.h>

#define RECORD_LOCAL(F, T) \
    F (T, ANY,   path,      "path",      NULLABLE, 0, "On the host.") \
    F (T, ANY,   source,    "source",    NULLABLE, 0, "Kind of source.") \
    F (T, ANY,   strategy,  "strategy",  NULLABLE, 0, "How it was made.") \
    F (T, ANY,   project,   "projectId", NULLABLE, 0, "Of the platform.") \
    F (T, ANY,   workspace, "projectWorkspaceId", NULLABLE, 0, "Of the platform.") \
    F (T, ANY,   repo_url,  "repoUrl",   NULLABLE, 0, "Its repository.") \
    F (T, ANY,   repo_ref,  "repoRef",   NULLABLE, 0, "Its ref.") \
    F (T, ANY,   branch,    "branchName", NULLABLE, 0, "Its branch.") \
    F (T, ANY,   worktree,  "worktreePath", NULLABLE, 0, "Its worktree.")
BERTH_MESSAGE (record_local, RECORD_LOCAL);
BERTH_SCHEMA (record_local, RECORD_LOCAL, SCHEMA_ROW, "The host's side.");

#define RECORD_REMOTE(F, T) \
    F (T, STR,   path,      "path",      NULLABLE, 0, "In the place.") \
    F (T, STR,   host,      "host",      OPTIONAL, 0, "Of ssh.") \
    F (T, U64,   port,      "port",      OPTIONAL, 0, "Of ssh.") \
    F (T, STR,   username,  "username",  OPTIONAL, 0, "Of ssh.") \
    F (T, STR,   sandbox,   "sandboxId", OPTIONAL, 0, "The provider's name of the place.")
BERTH_MESSAGE (record_remote, RECORD_REMOTE);
BERTH_SCHEMA (record_remote, RECORD_REMOTE, SCHEMA_ROW, "The place's side.");

#define RECORD_SYNC(F, T) \
    F (T, STR,   strategy,  "strategy",  REQUIRED, 0, "How files travel.") \
    F (T, STR,   prepare,   "prepare",   REQUIRED, 0, "In.") \
    F (T, STR,   back,      "syncBack",  NULLABLE, 0, "Out.")
BERTH_MESSAGE (record_sync, RECORD_SYNC);
BERTH_SCHEMA (record_sync, RECORD_SYNC, SCHEMA_ROW, "How files travel.");

#define RECORD_BOOTSTRAP(F, T) \
    F (T, ANY,   command,   "command",   NULLABLE, 0, "The provision command.")
BERTH_MESSAGE (record_bootstrap, RECORD_BOOTSTRAP);
BERTH_SCHEMA (record_bootstrap, RECORD_BOOTSTRAP, SCHEMA_ROW, "What made it ready.");

#define RECORD_BASIS(F, T) \
    F (T, ANY,   source,    "source",    NULLABLE, 0, "Of the request.") \
    F (T, ANY,   overlay,   "runtimeOverlay", NULLABLE, 0, "Of the request.") \
    F (T, STR,   driver,    "environmentDriver", REQUIRED, 0, "The driver.") \
    F (T, STR,   provider,  "provider",  NULLABLE, 0, "The provider.") \
    F (T, ANY,   metadata,  "providerMetadata", REQUIRED | OBJECT, 0, "The provider's own.")
BERTH_MESSAGE (record_basis, RECORD_BASIS);
BERTH_SCHEMA (record_basis, RECORD_BASIS, SCHEMA_ROW, "What it was made from.");

#define RECORD_REBUILD(F, T) \
    F (T, ANY,   workspace, "executionWorkspaceId", NULLABLE, 0, "The persisted workspace.") \
    F (T, ANY,   mode,      "mode",      NULLABLE, 0, "Its mode.") \
    F (T, ANY,   repo_url,  "repoUrl",   NULLABLE, 0, "Its repository.") \
    F (T, ANY,   repo_ref,  "repoRef",   NULLABLE, 0, "Its ref.") \
    F (T, ANY,   local,     "localPath", NULLABLE, 0, "On the host.") \
    F (T, STR,   remote,    "remotePath", NULLABLE, 0, "In the place.") \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 0, "The place.") \
    F (T, OBJ (record_basis), basis, "metadata", REQUIRED, 0, "What it was made from.")
BERTH_MESSAGE (record_rebuild, RECORD_REBUILD);
BERTH_SCHEMA (record_rebuild, RECORD_REBUILD, SCHEMA_ROW, "What it takes to do it again.");

#define RECORD_TRANSFER(F, T) \
    F (T, STR,   how,       "how",       REQUIRED, 0, "What was chosen: copy, stream, bundle, overlay...") \
    F (T, U64,   files,     "files",     REQUIRED, 0, "Files of the workspace.") \
    F (T, U64,   bytes,     "bytes",     REQUIRED, 0, "Bytes that went.") \
    F (T, U64,   saved_files, "savedFiles", REQUIRED, 0, "Files that were there already.") \
    F (T, U64,   saved_bytes, "savedBytes", REQUIRED, 0, "Bytes that did not have to go.") \
    F (T, U64,   ms,        "ms",        REQUIRED, 0, "Time it took.")
BERTH_MESSAGE (record_transfer, RECORD_TRANSFER);
BERTH_SCHEMA (record_transfer, RECORD_TRANSFER, SCHEMA_ROW, "How the files went, and what was saved.");

#define RECORD(F, T) \
    F (T, U64,   version,   "version",   REQUIRED, 0, "1.") \
    F (T, STR,   transport, "transport", REQUIRED, 0, "local, ssh, sandbox or plugin.") \
    F (T, STR,   provider,  "provider",  NULLABLE, 0, "Who keeps the place.") \
    F (T, STR,   env,       "environmentId", REQUIRED, 0, "The environment.") \
    F (T, STR,   lease,     "leaseId",   REQUIRED, 0, "The lease.") \
    F (T, STR,   provider_lease, "providerLeaseId", NULLABLE, 0, "The place.") \
    F (T, OBJ (record_local), local, "local", REQUIRED, 0, "The host's side.") \
    F (T, OBJ (record_remote), remote, "remote", REQUIRED, 0, "The place's side.") \
    F (T, OBJ (record_sync), sync, "sync", REQUIRED, 0, "How files travel.") \
    F (T, OBJ (record_transfer), transfer, "transfer", OPTIONAL, 0, "How they went: ours, beside Paperclip's.") \
    F (T, OBJ (record_bootstrap), bootstrap, "bootstrap", REQUIRED, 0, "What made it ready.") \
    F (T, OBJ (record_rebuild), rebuild, "rebuild", REQUIRED, 0, "What it takes to do it again.") \
    F (T, STR,   summary,   "summary",   REQUIRED, 0, "For people.")
BERTH_MESSAGE (record, RECORD);
BERTH_SCHEMA (record, RECORD, SCHEMA_ROW, "A realization, version 1.");

//  Paperclip's words for each transport.
static const struct { const char *transport; record_sync_t sync; } s_syncs [] = {
    { "local", { .strategy = "none",
        .prepare = "Use the realized local execution workspace directly." } },
    { "ssh", { .strategy = "ssh_git_import_export",
        .prepare = "Import the local git workspace to the remote SSH workspace before adapter "
                   "execution.",
        .back = "Export remote SSH workspace changes back to the local execution workspace after "
                "adapter execution." } },
    { "sandbox", { .strategy = "sandbox_archive_upload_download",
        .prepare = "Upload a workspace archive into the sandbox filesystem before adapter "
                   "execution.",
        .back = "Download a workspace archive from the sandbox and mirror it back locally after "
                "adapter execution." } },
    { "plugin", { .strategy = "provider_defined",
        .prepare = "Delegate workspace materialization to the plugin environment driver.",
        .back = "Delegate result synchronization to the plugin environment driver." } },
};

//  A text that is not empty, or NULL.
static const char *
s_text (berth_bytes_t map, const char *key, arena_t *arena)
{
    const char *text = any_text (map, key, arena);
    return text && *text ? text : NULL;
}

const char *
realization_path (const lease_t *lease, const place_realized_t *realized, arena_t *arena)
{
    const char *path = s_text (realized->metadata, "remoteCwd", arena);
    if (!path)
        path = s_text (lease->metadata, "remoteCwd", arena);
    if (!path)
        path = s_text (realized->metadata, "remotePath", arena);
    if (!path && realized->cwd.size)
        path = arena_text (arena, (const char *) realized->cwd.data, realized->cwd.size);
    return path;
}

static const char *
s_summary (const char *transport, const record_remote_t *remote, const char *local, arena_t *arena)
{
    if (strcmp (transport, "local") == 0)
        return arena_printf (arena, "Local workspace realized at %s.", local);
    if (strcmp (transport, "ssh") == 0)
        return arena_printf (arena, "SSH workspace realized at %s@%s:%u:%s.",
                             remote->username ? remote->username : "user",
                             remote->host ? remote->host : "host",
                             remote->port ? (unsigned) remote->port : 22u,
                             remote->path ? remote->path : local);
    if (strcmp (transport, "sandbox") == 0)
        return arena_printf (arena, "Sandbox workspace realized at %s%s%s.",
                             remote->path ? remote->path : "/", remote->sandbox ? " in " : "",
                             remote->sandbox ? remote->sandbox : "");
    return arena_printf (arena, "Plugin workspace realized at %s.",
                         remote->path ? remote->path : local);
}

berth_bytes_t
realization_record (const lease_t *lease, berth_bytes_t request, const place_realized_t *realized,
                    arena_t *arena)
{
    size_t kind = 0;
    for (size_t index = 0; index < BERTH_COUNT (s_syncs); index++)
        if (lease->driver && strcmp (lease->driver, s_syncs [index].transport) == 0)
            kind = index;
    const char *transport = s_syncs [kind].transport;
    const char *provider = lease->provider ? lease->provider : kind <= 1 ? transport : NULL;
    berth_bytes_t source = any_get (request, "source");
    berth_bytes_t overlay = any_get (request, "runtimeOverlay");
    const char *local_path = s_text (source, "localPath", arena);

    record_local_t local = {
        .path = any_get (source, "localPath"), .source = any_get (source, "kind"),
        .strategy = any_get (source, "strategy"), .project = any_get (source, "projectId"),
        .workspace = any_get (source, "projectWorkspaceId"),
        .repo_url = any_get (source, "repoUrl"), .repo_ref = any_get (source, "repoRef"),
        .branch = any_get (source, "branchName"), .worktree = any_get (source, "worktreePath"),
    };
    record_remote_t remote = {
        .path = realization_path (lease, realized, arena),
        .host = s_text (lease->metadata, "host", arena),
        .port = any_number (lease->metadata, "port", 0),
        .username = s_text (lease->metadata, "username", arena),
        .sandbox = s_text (lease->metadata, "sandboxId", arena),
    };
    if (!remote.sandbox)
        remote.sandbox = s_text (realized->metadata, "sandboxId", arena);
    record_bootstrap_t bootstrap = { .command = any_get (overlay, "provisionCommand") };
    record_basis_t basis = {
        .source = source, .overlay = overlay, .driver = lease->driver ? lease->driver : transport,
        .provider = provider,
        .metadata = realized->metadata.size ? realized->metadata : berth_empty_map,
    };
    record_rebuild_t rebuild = {
        .workspace = any_get (request, "executionWorkspaceId"),
        .mode = any_get (request, "requestedMode"), .repo_url = local.repo_url,
        .repo_ref = local.repo_ref, .local = local.path, .remote = remote.path,
        .provider_lease = lease->provider_lease, .basis = &basis,
    };
    record_transfer_t transfer = {
        .how = realized->how, .files = realized->files,
        .bytes = realized->bytes, .saved_files = realized->saved_files,
        .saved_bytes = realized->saved_bytes, .ms = realized->ms,
    };
    record_t record = {
        .version = 1, .transport = transport, .provider = provider, .env = lease->env,
        .lease = lease->id, .provider_lease = lease->provider_lease, .local = &local,
        .remote = &remote, .sync = &s_syncs [kind].sync,
        .transfer = realized->how ? &transfer : NULL, .bootstrap = &bootstrap,
        .rebuild = &rebuild,
        .summary = s_summary (transport, &remote, local_path ? local_path : "/", arena),
    };
    return berth_pack (&record_schema, &record, arena);
}

//  ---- a failed provision

enum { LINE_MAX_SHOWN = 160 };

//  The first line that is not blank, or NULL.
static const char *
s_first_line (berth_bytes_t output, arena_t *arena)
{
    const char *at = (const char *) output.data, *end = at + output.size;
    while (at < end) {
        const char *stop = memchr (at, '\n', (size_t) (end - at));
        const char *last = stop ? stop : end;
        while (at < last && strchr (" \t\r\v\f", *at) && *at)
            at++;
        while (last > at && strchr (" \t\r\v\f", last [-1]) && last [-1])
            last--;
        if (last > at) {
            size_t size = (size_t) (last - at);
            return arena_text (arena, at, size < LINE_MAX_SHOWN ? size : LINE_MAX_SHOWN);
        }
        at = (stop ? stop : end) + 1;
    }
    return NULL;
}

const char *
provision_failure (const exec_result_t *result, arena_t *arena)
{
    const exec_t *exec = result->exec;
    if (exec->timed_out || exec->cause == exec_cause_TIMED_OUT)
        return "provision command timed out";
    bool exited = exec->cause == exec_cause_EXITED;
    if (exited && exec->exit_code == 0)
        return NULL;
    const char *text = exited ? arena_printf (arena, "exit code %lld", (long long) exec->exit_code)
                              : "exit code null";
    if (exec->signal) {
        const char *name = sigabbrev_np ((int) exec->signal);
        text = name ? arena_printf (arena, "%s (signal SIG%s)", text, name)
                    : arena_printf (arena, "%s (signal %d)", text, (int) exec->signal);
    }
    const char *line = s_first_line (result->err, arena);
    if (!line)
        line = s_first_line (result->out, arena);
    if (!line)
        line = exec->reason;        //  An end that was not its own
    return line ? arena_printf (arena, "%s: %s", text, line) : text;
}
