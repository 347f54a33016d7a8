//  doctor.c - owns `berth doctor`: what is stuck, since when, why, and the one command that mends it.
//
//  --fix does what these commands would. What somebody wants so (drained, paused) it leaves, and it
//  never gives a place up: that is for people.

#include "output.h"
#include "service.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

BERTH_SCHEMA (doctor_options, DOCTOR_OPTIONS, SCHEMA_STRICT, "Options of berth doctor.");

enum { FINDINGS_MAX = 256, FIX_MS = 15000 };

#define DOCTOR_FINDING(F, T) \
    F (T, STR,   kind,      "kind",      REQUIRED, 32, "lease, place, run, exec, environment, provider, sweep, bus, store or actor.") \
    F (T, STR,   id,        "id",        REQUIRED, 512, "Which.") \
    F (T, STR,   state,     "state",     REQUIRED, 32, "In which state.") \
    F (T, TIME,  since,     "since",     NULLABLE, 0, "Since when, where known.") \
    F (T, STR,   why,       "why",       REQUIRED, 2048, "One sentence.") \
    F (T, STR,   company,   "companyId", NULLABLE, 64, "Whose; null: of no company.") \
    F (T, STR,   provider,  "provider",  NULLABLE, 64, "At which provider, where it is about one.") \
    F (T, STR,   command,   "command",   NULLABLE, 512, "What mends it.") \
    F (T, BOOL,  meant,     "meant",     REQUIRED, 0, "Somebody wants it so: --fix leaves it.") \
    F (T, BOOL,  fixed,     "fixed",     OPTIONAL, 0, "Of --fix: it is mended.") \
    F (T, STR,   result,    "result",    OPTIONAL, 512, "Of --fix: what came of it.")
BERTH_MESSAGE (doctor_finding, DOCTOR_FINDING);
BERTH_SCHEMA (doctor_finding, DOCTOR_FINDING, SCHEMA_ROW, "Something that does not move by itself.");

typedef struct {
    invocation_t *self;
    size_t count;
    doctor_finding_t items [FINDINGS_MAX];
} ward_t;

static void
s_add (ward_t *ward, doctor_finding_t finding)
{
    if (ward->count < FINDINGS_MAX)
        ward->items [ward->count++] = finding;
}

//  ---- looking

static void
s_look_at_stuck (ward_t *ward, const bus_stats_t *stats)
{
    for (size_t index = 0; index < stats->stuck.count; index++) {
        const bus_stuck_t *stuck = &stats->stuck.items [index];
        s_add (ward, (doctor_finding_t) {
            .kind = stuck->kind, .id = stuck->id, .state = stuck->state, .since = stuck->since,
            .why = stuck->why, .company = stuck->company, .provider = stuck->provider,
            .command = stuck->command, .meant = stuck->meant,
        });
    }
}

static void
s_look_at_holds (ward_t *ward, const bus_info_t *info, const bus_stats_t *stats)
{
    arena_t *arena = ward->self->arena;
    if (info->drained_since)
        s_add (ward, (doctor_finding_t) {
            .kind = "bus", .id = "bus", .state = "drained", .since = info->drained_since,
            .meant = true, .command = "berth bus undrain",
            .why = arena_printf (arena, "%s drained it%s%s: no new lease is taken", info->drained_by,
                                 info->drained_reason ? ", for " : "",
                                 info->drained_reason ? info->drained_reason : ""),
        });
    for (size_t index = 0; index < stats->providers.count; index++) {
        const bus_provider_t *provider = &stats->providers.items [index];
        bool paused = strcmp (provider->state, "paused") == 0;
        if (provider->hanging)
            s_add (ward, (doctor_finding_t) {
                .kind = "provider", .id = provider->name, .state = "hanging",
                .since = provider->hanging_since, .provider = provider->name,
                .why = arena_printf (arena, "%llu of its calls do not come back although their time is"
                                     " over; who asked was told so, and a new berthd is rid of them",
                                     (unsigned long long) provider->hanging),
                .command = "systemctl restart berthd",
            });
        if (strcmp (provider->state, "ready") == 0)
            continue;
        s_add (ward, (doctor_finding_t) {
            .kind = "provider", .id = provider->name, .state = provider->state, .meant = paused,
            .why = paused ? "an operator paused it: no new lease is taken"
                : provider->last_error ? provider->last_error : "it could not be opened at the start",
            .command = arena_printf (arena, paused ? "berth provider unpause %s"
                                                   : "berth provider probe %s", provider->name),
        });
    }
}

static void
s_look_at_rest (ward_t *ward, const bus_stats_t *stats)
{
    arena_t *arena = ward->self->arena;
    if (stats->store_fill != storage_fill_ROOMY)
        s_add (ward, (doctor_finding_t) {
            .kind = "store", .id = "store",
            .state = berth_enum_text (&storage_fill_enum, (int) stats->store_fill),
            .why = arena_printf (arena, "%s are in use and its disk has %s left: nothing new is taken",
                                 output_size (stats->store_used, arena),
                                 output_size (stats->disk_free, arena)),
            .command = "berth store stat",
        });
    for (size_t index = 0; index < stats->actors.count; index++) {
        const bus_actor_t *actor = &stats->actors.items [index];
        if (actor->serving_ms > BERTH_STALL_MS)
            s_add (ward, (doctor_finding_t) {
                .kind = "actor", .id = actor->name, .state = "stalled",
                .since = stats->now - (int64_t) actor->serving_ms,
                .why = "it is in one batch: its disk may be frozen", .command = "berth store stat",
            });
    }
}

//  ---- mending

static bool
s_is (const doctor_finding_t *finding, const char *kind)
{
    return strcmp (finding->kind, kind) == 0;
}

static int
s_mend_lease (ward_t *ward, doctor_finding_t *finding, const berth_ask_t *how, berth_error_t *err)
{
    invocation_t *self = ward->self;
    lease_release_t ask = { .id = finding->id };
    lease_t lease;
    if (berth_client_ask (self->bus, REQUEST_LEASE_RELEASE, &ask, how, self->arena, &lease, err))
        return -1;
    finding->result = arena_printf (self->arena, "it is %s",
                                    berth_enum_text (&lease_state_enum, (int) lease.state));
    return 0;
}

//  Looks at the places again, and acts at once on what two sweeps saw.
static int
s_mend_sweep (ward_t *ward, doctor_finding_t *finding, const berth_ask_t *how, berth_error_t *err)
{
    invocation_t *self = ward->self;
    provider_sweep_t ask = { .provider = finding->provider };
    berth_put (provider_sweep, &ask, now, !s_is (finding, "sweep"));
    sweep_t sweep;
    if (berth_client_ask (self->bus, REQUEST_PROVIDER_SWEEP, &ask, how, self->arena, &sweep, err))
        return -1;
    finding->result = arena_printf (self->arena, "its places were looked at, %llu were acted upon",
                                    (unsigned long long) sweep.acted);
    return 0;
}

//  Is there something that a program may do? Else its command shows, and a person decides.
static bool
s_mendable (const doctor_finding_t *finding)
{
    if (finding->meant)
        return false;
    return s_is (finding, "lease") || s_is (finding, "run") || s_is (finding, "sweep")
        || (s_is (finding, "place") && strcmp (finding->state, "orphan") == 0)
        || (s_is (finding, "exec") && strcmp (finding->state, "stalled"));
}

static int
s_mend (ward_t *ward, doctor_finding_t *finding, berth_error_t *err)
{
    invocation_t *self = ward->self;
    berth_ask_t how = service_ask (self, FIX_MS);
    if (s_is (finding, "lease") && strcmp (finding->state, "missing"))
        return s_mend_lease (ward, finding, &how, err);
    if (s_is (finding, "run")) {
        release_for_run_t ask = { .company = finding->company, .run = finding->id };
        run_released_t released;
        return berth_client_ask (self->bus, REQUEST_RUN_RELEASE, &ask, &how, self->arena, &released,
                                 err);
    }
    if (s_is (finding, "exec")) {
        exec_signal_t ask = { .id = finding->id, .signal = SIGKILL };
        exec_t exec;
        return berth_client_ask (self->bus, REQUEST_EXEC_SIGNAL, &ask, &how, self->arena, &exec, err);
    }
    return s_mend_sweep (ward, finding, &how, err);
}

//  Is that wanted? Asked once for all; where nobody can be asked, --yes says so.
static int
s_consent (const ward_t *ward, bool yes, berth_error_t *err)
{
    size_t count = 0;
    for (size_t index = 0; index < ward->count; index++)
        count += s_mendable (&ward->items [index]);
    if (yes || count == 0)
        return 0;
    if (!isatty (STDIN_FILENO) || !isatty (STDERR_FILENO)) {
        berth_error_set (err->remedy, sizeof err->remedy, "say --yes too");
        return berth_fail (err, BERTH_INVALID, "nobody can be asked whether to mend %zu things", count);
    }
    for (size_t index = 0; index < ward->count; index++)
        if (s_mendable (&ward->items [index]))
            fprintf (stderr, "%s %s: %s\n", ward->items [index].kind, ward->items [index].id,
                     ward->items [index].command ? ward->items [index].command : "");
    fprintf (stderr, "do this? [y/N] ");
    char answer [16] = "";
    if (fgets (answer, sizeof answer, stdin) && (answer [0] == 'y' || answer [0] == 'Y'))
        return 0;
    return berth_fail (err, BERTH_CONFLICT, "nothing was done");
}

static void
s_fix (ward_t *ward)
{
    arena_t *arena = ward->self->arena;
    for (size_t index = 0; index < ward->count; index++) {
        doctor_finding_t *finding = &ward->items [index];
        berth_error_t err = { 0 };
        int rc = s_mendable (finding) ? s_mend (ward, finding, &err) : 1;
        berth_put (doctor_finding, finding, fixed, rc == 0);
        if (rc < 0)
            finding->result = arena_printf (arena, "%s%s%s", err.text, err.cause [0] ? ": " : "",
                                            err.cause);
        else if (rc > 0)
            finding->result = finding->meant ? "left as it is: somebody wants it so"
                                             : "nothing that a program should do by itself";
    }
}

//  ---- telling

static void
s_print (const output_t *out, const doctor_finding_t *finding, bool fixing, arena_t *arena)
{
    if (out->json) {
        printf ("%s\n", output_json (&doctor_finding_schema,
                                     berth_pack (&doctor_finding_schema, finding, arena), arena));
        return;
    }
    if (out->quiet) {
        printf ("%s\n", finding->id);
        return;
    }
    printf ("%s %s is %s%s%s: %s\n", finding->kind, finding->id, finding->state,
            finding->since ? " for " : "",
            finding->since ? output_age (finding->since, out->now, arena) : "", finding->why);
    if (fixing)
        printf ("    %s%s%s\n", finding->fixed ? "mended" : "not mended",
                finding->result ? ": " : "", finding->result ? finding->result : "");
    if (finding->command && !finding->fixed)
        printf ("    %s\n", finding->command);
    if (fixing && !finding->fixed && !finding->meant && strcmp (finding->kind, "lease") == 0)
        printf ("    or give its place up: berth lease release %s --abandon\n", finding->id);
}

int
doctor_command (invocation_t *self, berth_error_t *err)
{
    arena_t *arena = self->arena;
    output_t out = output_stdout (self->common.json, self->common.quiet);
    berth_ask_t how = service_ask (self, 10000);
    doctor_options_t ask;
    bus_info_t info;
    bus_stats_t stats;
    if (berth_unpack (&doctor_options_schema, self->body, arena, &ask, err)
        || berth_client_ask (self->bus, REQUEST_BUS_INFO, NULL, &how, arena, &info, err)
        || berth_client_ask (self->bus, REQUEST_BUS_STATS, NULL, &how, arena, &stats, err))
        return -1;
    out.now = stats.now;
    ward_t *ward = arena_new_of (arena, ward_t);
    ward->self = self;
    s_look_at_stuck (ward, &stats);
    s_look_at_holds (ward, &info, &stats);
    s_look_at_rest (ward, &stats);
    if (ask.fix && s_consent (ward, ask.yes, err))
        return -1;
    if (ask.fix)
        s_fix (ward);
    size_t ill = 0;
    for (size_t index = 0; index < ward->count; index++) {
        const doctor_finding_t *finding = &ward->items [index];
        s_print (&out, finding, ask.fix, arena);
        ill += !finding->meant && !finding->fixed;
    }
    if (!ward->count && !out.json && !out.quiet)
        printf ("nothing is stuck\n");
    return ill ? 1 : 0;
}
