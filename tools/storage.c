//  storage.c - owns `berth store` and `berth events verify`: what stands behind the service, and whether
//  it is whole.

#include "attach.h"
#include "output.h"
#include "service.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONG_MS = 3600000 };

//  Asks for what takes its time, with progress on a terminal: 0, above that an exit status, or -1.
static int
s_ask_long (invocation_t *self, request_code_t code, const void *ask, void *ret_reply, berth_error_t *err)
{
    berth_ask_t how = service_ask (self, LONG_MS);
    how.credit = BERTH_CHUNK_MAX;
    int number = 0;
    int rc = attach_call (self->bus, code, ask, &how, terminal_signals (), self->arena, ret_reply, &number,
                          err);
    return rc > 0 ? 128 + number : rc;
}

//  ---- store stat

static void
s_fill (const output_t *out, const storage_stat_t *stat, arena_t *arena)
{
    static const char *const s_words [storage_fill_COUNT] = {
        [storage_fill_ROOMY] = "", [storage_fill_TIGHT] = ": TIGHT, nothing new is taken",
        [storage_fill_SHUT] = ": SHUT, nothing of clients is written",
    };
    output_line (out, "store", "%llu %% used, %s of %s%s", (unsigned long long) stat->percent,
                 output_size (stat->used, arena), output_size (stat->room, arena),
                 s_words [stat->fill]);
    output_line (out, "file", "%s, and %s held behind its end", output_size (stat->file, arena),
                 output_size (stat->reserve, arena));
    output_line (out, "may grow to", "%s; its disk has %s left", output_size (stat->max, arena),
                 output_size (stat->disk_free, arena));
    output_line (out, "schema", "%llu, epoch %llu", (unsigned long long) stat->schema,
                 (unsigned long long) stat->epoch);
    output_line (out, "activity", "entries %llu to %llu", (unsigned long long) stat->oldest_seq,
                 (unsigned long long) stat->seq);
    if (berth_has (storage_stat, stat, backup_ms))
        output_line (out, "backup", "runs since %s, %s so far", output_duration (stat->backup_ms, arena),
                     output_size (stat->backup_bytes, arena));
}

int
store_stat_command (invocation_t *self, berth_error_t *err)
{
    arena_t *arena = self->arena;
    output_t out = output_stdout (self->common.json, self->common.quiet);
    berth_ask_t how = service_ask (self, 10000);
    storage_stat_t stat;
    if (berth_client_ask (self->bus, REQUEST_STORE_STAT, NULL, &how, arena, &stat, err))
        return -1;
    int status = stat.fill == storage_fill_ROOMY ? 0 : 1;
    if (out.json)
        printf ("%s\n", output_json (&storage_stat_schema,
                                     berth_pack (&storage_stat_schema, &stat, arena), arena));
    if (out.json || out.quiet)
        return status;
    s_fill (&out, &stat, arena);
    for (size_t index = 0; index < stat.kept.count; index++) {
        const storage_kept_t *kept = &stat.kept.items [index];
        output_line (&out, index ? "" : "kept", "%-10s %-8s %llu removed so far", kept->name,
                     kept->kept_ms ? output_duration ((int64_t) kept->kept_ms, arena) : "for ever",
                     (unsigned long long) kept->removed);
    }
    for (size_t index = 0; index < stat.tables.count; index++) {
        const storage_table_t *table = &stat.tables.items [index];
        output_line (&out, index ? "" : "tables", "%-13s %10llu rows  %s", table->name,
                     (unsigned long long) table->rows, output_size (table->bytes, arena));
    }
    return status;
}

//  ---- store check

int
store_check_command (invocation_t *self, berth_error_t *err)
{
    arena_t *arena = self->arena;
    storage_checked_t checked;
    nothing_t nothing = { 0 };
    int rc = s_ask_long (self, REQUEST_STORE_CHECK, &nothing, &checked, err);
    if (rc)
        return rc;
    if (self->common.json)
        printf ("%s\n", output_json (&storage_checked_schema,
                                     berth_pack (&storage_checked_schema, &checked, arena), arena));
    else {
        for (size_t index = 0; index < checked.findings.count; index++) {
            const storage_finding_t *found = &checked.findings.items [index];
            printf ("%-9s %s %s: %s\n", found->kind, found->where, found->id, found->why);
        }
        if (checked.found > checked.findings.count)
            output_note ("%llu more were found",
                         (unsigned long long) (checked.found - checked.findings.count));
        output_note ("%s: %llu rows, %llu entries of indexes, %llu of the log, %llu keys, %llu spools in %s",
                     checked.ok ? "everything fits together" : "NOT everything fits together",
                     (unsigned long long) checked.rows, (unsigned long long) checked.index_entries,
                     (unsigned long long) checked.activity, (unsigned long long) checked.keys,
                     (unsigned long long) checked.spools,
                     output_duration ((int64_t) checked.took_ms, arena));
    }
    return checked.ok ? 0 : 1;
}

//  ---- store backup

//  Of this host, as the service reads it: it has another working folder.
static const char *
s_absolute (const char *path, arena_t *arena, berth_error_t *err)
{
    char folder [4096];
    if (path [0] == '/')
        return path;
    if (!getcwd (folder, sizeof folder)) {
        (void) berth_fail_errno (err, BERTH_INVALID, "'%s' is beneath no folder that can be named", path);
        return NULL;
    }
    return arena_printf (arena, "%s/%s", folder, path);
}

int
store_backup_command (invocation_t *self, berth_error_t *err)
{
    arena_t *arena = self->arena;
    storage_backup_t ask;
    storage_backed_up_t made;
    if (berth_unpack (&storage_backup_schema, self->body, arena, &ask, err))
        return -1;
    const char *path = s_absolute (arena_text (arena, (const char *) ask.path.data, ask.path.size), arena,
                                   err);
    if (!path)
        return -1;
    ask.path = (berth_bytes_t) { (const uint8_t *) path, strlen (path) };
    int rc = s_ask_long (self, REQUEST_STORE_BACKUP, &ask, &made, err);
    if (rc)
        return rc;
    if (self->common.json)
        printf ("%s\n", output_json (&storage_backed_up_schema,
                                     berth_pack (&storage_backed_up_schema, &made, arena), arena));
    else if (!self->common.quiet)
        output_note ("%s: %s in %s; restore it with: berthd --state EMPTY_FOLDER --restore FILE",
                     output_clean (made.path, arena), output_size (made.bytes, arena),
                     output_duration ((int64_t) made.took_ms, arena));
    return 0;
}

//  ---- events verify

int
verify_command (invocation_t *self, berth_error_t *err)
{
    activity_verify_ask_t ask;
    activity_verified_t part;
    uint64_t sum = 0, floor = 0;
    if (berth_unpack (&activity_verify_ask_schema, self->body, self->arena, &ask, err))
        return -1;
    uint64_t limit = ask.limit;
    do {
        own (arena) arena = arena_new ();
        berth_ask_t how = service_ask (self, 60000);
        if (limit)
            berth_put (activity_verify_ask, &ask, limit, limit);
        if (berth_client_ask (self->bus, REQUEST_ACTIVITY_VERIFY, &ask, &how, arena, &part, err))
            return -1;
        sum += part.verified;
        floor = part.floor;
        if (!part.ok && part.broken) {
            if (self->common.json)
                printf ("%s\n", output_json (&activity_verified_schema,
                                             berth_pack (&activity_verified_schema, &part, arena), arena));
            else
                printf ("entry %llu of company %s does not fit: %s\n",
                        (unsigned long long) part.broken->company_seq, ask.company, part.broken->why);
            return 1;
        }
        berth_put (activity_verify_ask, &ask, after, part.next);
        part.broken = NULL;
    } while (part.verified && part.next < part.head);
    if (self->common.json) {
        part.verified = sum;
        printf ("%s\n", output_json (&activity_verified_schema,
                                     berth_pack (&activity_verified_schema, &part, self->arena),
                                     self->arena));
    }
    else if (!self->common.quiet)
        printf ("%llu entries of company %s fit: %llu to %llu\n", (unsigned long long) sum, ask.company,
                (unsigned long long) (floor ? floor : part.head), (unsigned long long) part.head);
    return 0;
}
