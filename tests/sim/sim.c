//  sim.c - owns a season: what happens next, by dice, until the steps are used up; then everything
//  heals, and must come to an end.

#include "sim.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    CHECK_EVERY = 32,               //  Steps
    LATE_MAX_MS = 500,              //  A tick is served so late
    CALM_TURNS = 20000,             //  In which everything must have come to its end
    HEAL_MS = 3600000               //  Every retry comes within that
};

//  ---- the trace

void
sim_print (const sim_t *self, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    printf ("%8llu %12lld ", (unsigned long long) self->step, (long long) sim_mono_ms ());
    vprintf (format, args);
    putchar ('\n');
    va_end (args);
}

void
sim_broken (sim_t *self, const char *format, ...)
{
    if (self->result->broken)
        return;
    va_list args;
    va_start (args, format);
    vsnprintf (self->result->why, sizeof self->result->why, format, args);
    va_end (args);
    self->result->broken = true;
    self->result->step = self->step;
    sim_say (self, "BROKEN: %s", self->result->why);
}

void
sim_note (sim_t *self, const char *what, const char *about, uint64_t number)
{
    uint64_t mixed = self->result->digest ^ number;
    for (; *what; what++)
        mixed = (mixed ^ (uint8_t) *what) * 0x100000001b3;
    for (; *about; about++)
        mixed = (mixed ^ (uint8_t) *about) * 0x100000001b3;
    self->result->digest = mixed ^ mixed >> 29;
}

//  ---- dice

uint64_t
sim_below (sim_t *self, uint64_t bound)
{
    return fixture_below (&self->random, bound);
}

bool
sim_chance (sim_t *self, uint64_t one_in)
{
    return sim_below (self, one_in) == 0;
}

bool
sim_may (const sim_t *self, unsigned chaos)
{
    return !(self->ask->without & chaos);
}

//  ---- time

//  To the next moment at which something is due, at most so far; an actor that is due is served.
static void
s_pass (sim_t *self, int64_t most_ms)
{
    actor_code_t due = ACTOR_LEASES;
    int64_t next_ms = sim_cast_next_ms (self, &due), left_ms = most_ms;
    if (next_ms != INT64_MAX) {
        left_ms = next_ms - sim_mono_ms ();
        left_ms = left_ms < 0 ? 0 : left_ms;
        left_ms = left_ms < most_ms ? left_ms + (int64_t) sim_below (self, LATE_MAX_MS) : most_ms;
    }
    sim_clock_pass (left_ms);
    sim_note (self, "time", "", (uint64_t) left_ms);
    sim_say (self, "time passes: %lld ms%s%s", (long long) left_ms,
             next_ms <= sim_mono_ms () ? " to what is due to " : "",
             next_ms <= sim_mono_ms () ? actor_text (due) : "");
    self->step++;
    if (next_ms <= sim_mono_ms ())
        sim_cast_serve (self, due, sim_below (self, 4));
}

static int64_t
s_some_time (sim_t *self)
{
    static const int64_t spans_ms [] = { 20, 20, 200, 2000, 2000, 20000, 120000, 3600000 };
    return 1 + (int64_t) sim_below (self, (uint64_t) spans_ms [sim_below (self, BERTH_COUNT (spans_ms))]);
}

//  ---- what goes wrong

static void
s_crash (sim_t *self)
{
    sim_note (self, "crash", "", 0);
    sim_say (self, "CRASH");
    self->result->crashes++;
    sim_clock_pass ((int64_t) sim_below (self, 3000));
    sim_cast_restart (self);
}

//  In the middle of what it sends behind a commit.
static void
s_crash_behind_commit (sim_t *self)
{
    for (int tries = 0; tries < 8; tries++) {
        actor_code_t code = (actor_code_t) sim_below (self, ACTOR_COUNT);
        if (!sim_cast_has (code) || !self->inboxes [code].count)
            continue;
        self->dying = true;
        self->last_words = sim_below (self, 3);
        sim_cast_serve (self, code, 1 + sim_below (self, 3));
        break;
    }
    s_crash (self);
}

static void
s_boot (sim_t *self)
{
    sim_note (self, "boot", "", 0);
    sim_say (self, "BOOT");
    self->result->boots++;
    self->dying = false;
    self->spots_count = sim_chance (self, 2) ? self->spots_count : 0;   //  Places of this machine, or not
    sim_clock_boot (s_some_time (self));
    sim_model_boot (self);
    sim_cast_restart (self);
}

static void
s_jump (sim_t *self)
{
    static const int64_t spans_ms [] = { 5000, 600000, 7200000, 259200000 };
    int64_t span_ms = 1 + (int64_t) sim_below (self, (uint64_t) spans_ms [sim_below (self, 4)]);
    span_ms = sim_chance (self, 3) ? -span_ms : span_ms;
    sim_clock_jump (span_ms);
    sim_note (self, "jump", "", (uint64_t) span_ms);
    sim_say (self, "WALL CLOCK %+lld ms", (long long) span_ms);
}

static void
s_chaos (sim_t *self)
{
    self->step++;
    switch (sim_below (self, 8)) {
        case 0: case 1:
            if (sim_may (self, CHAOS_CRASH))
                s_crash (self);
            break;
        case 2: case 3: case 4:
            if (sim_may (self, CHAOS_CRASH))
                s_crash_behind_commit (self);
            break;
        case 5:
            if (sim_may (self, CHAOS_BOOT) && sim_chance (self, 2))
                s_boot (self);
            break;
        case 6:
            if (sim_may (self, CHAOS_JUMP))
                s_jump (self);
            break;
        default:
            if (sim_may (self, CHAOS_DIE))
                sim_provider_lose_place (self);
            break;
    }
}

//  ---- a step

static bool
s_deliver (sim_t *self)
{
    uint64_t seen = 0;
    actor_code_t chosen = ACTOR_FRONT;
    for (int code = 0; code < ACTOR_COUNT; code++)
        if (self->inboxes [code].count && sim_below (self, ++seen) == 0)
            chosen = (actor_code_t) code;
    if (seen)
        sim_cast_serve (self, chosen, 1 + sim_below (self, sim_chance (self, 3) ? 12 : 3));
    return seen > 0;
}

static void
s_step (sim_t *self)
{
    uint64_t luck = sim_below (self, 1000);
    if (luck < 4) {
        s_chaos (self);
        return;
    }
    bool calls = self->calls_count > 0;
    if (luck < 610 && luck >= 600) {
        self->step++;
        sim_provider_echo (self);
    }
    else if (luck >= 920)
        s_pass (self, s_some_time (self));
    else if (luck >= 610 && calls) {
        self->step++;
        sim_provider_turn (self);
    }
    else if (luck >= 220 && s_deliver (self))
        return;
    else if (luck < 660) {
        self->step++;
        sim_client_turn (self);
    }
    else
        s_pass (self, s_some_time (self));
}

//  ---- the end

//  Until nothing is on its way and no more time passes than that.
static void
s_settle (sim_t *self, int64_t for_ms)
{
    int64_t until_ms = sim_mono_ms () + for_ms;
    actor_code_t due = ACTOR_LEASES;
    for (int turn = 0; turn < CALM_TURNS && !self->result->broken; turn++) {
        arena_clear (self->scratch);
        if (s_deliver (self))
            continue;
        if (self->calls_count)
            sim_provider_turn (self);
        else if (sim_cast_next_ms (self, &due) <= until_ms)
            s_pass (self, INT64_MAX / 4);
        else {
            sim_clock_pass (until_ms > sim_mono_ms () ? until_ms - sim_mono_ms () : 0);
            return;
        }
    }
    sim_broken (self, "it does not come to rest");
}

static void
s_release_all (sim_t *self)
{
    for (size_t index = 0; index < self->leases_count; index++) {
        const sim_lease_t *lease = self->leases [index];
        if (lease_settled (lease->state))
            continue;
        sim_client_ask (self, REQUEST_LEASE_RELEASE,
                        any_set_text (berth_empty_map, "leaseId", lease->id, self->scratch), NULL, 0);
    }
}

static void
s_end (sim_t *self)
{
    self->calm = true;
    sim_say (self, "CALM");
    sim_client_ask (self, REQUEST_BUS_UNDRAIN, berth_empty_map, NULL, 0);
    sim_client_ask (self, REQUEST_PROVIDER_UNPAUSE,
                    any_set_text (berth_empty_map, "provider", "fault", self->scratch), NULL, 0);
    s_settle (self, HEAL_MS);
    if (!self->result->broken)
        sim_check (self);
    if (!self->result->broken)
        sim_check_settled (self);
    if (self->result->broken)
        return;
    s_release_all (self);
    s_settle (self, HEAL_MS);
    //  Places that were kept for the next lease go, and what a provider lied about.
    s_settle (self, 3 * (int64_t) HEAL_MS);
    if (!self->result->broken)
        sim_check (self);
    if (!self->result->broken)
        sim_check_settled (self);
    if (!self->result->broken)
        sim_check_end (self);
}

static void
s_free (sim_t *self)
{
    arena_destroy (&self->arena);
    arena_destroy (&self->scratch);
    free (self->spots);
    free (self->clients);
    free (self);
}

bool
sim_run (const sim_ask_t *ask, sim_result_t *ret_result)
{
    *ret_result = (sim_result_t) { .broken = false };
    sim_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->ask = ask;
    self->result = ret_result;
    self->random.state = ask->seed;
    self->arena = arena_new ();
    self->scratch = arena_new ();
    sim_clock_begin (ask->seed);
    sim_cast_open (self);
    sim_workload_begin (self);
    uint64_t checked = 0;
    while (self->step < ask->steps && !ret_result->broken) {
        arena_clear (self->scratch);
        s_step (self);
        if (ask->strict || self->step - checked >= CHECK_EVERY) {
            checked = self->step;
            sim_check (self);
        }
    }
    if (!ret_result->broken)
        s_end (self);
    ret_result->steps = self->step;
    if (!ret_result->broken)
        ret_result->step = self->step;
    sim_cast_close (self);
    s_free (self);
    return !ret_result->broken;
}
