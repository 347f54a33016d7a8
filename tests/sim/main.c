//  main.c - owns the command line: seasons of seeds, one after the other; of one that fails, the
//  fewest steps that show it.

#include "sim.h"

#include "log.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void __wrap_log_event (const char *event, const char *format, ...);
void __wrap_log_fault (const char *actor, const char *about, const berth_error_t *why);
_Noreturn void __wrap_berth_die (const berth_error_t *why);

enum { SEASON_STEPS = 4000 };

static sim_ask_t s_ask;             //  What runs now, for who dies in it
static bool s_loud;

//  ---- what the service says

void
__wrap_log_event (const char *event, const char *format, ...)
{
    (void) format;
    if (s_loud)
        printf ("         log: %s\n", event);
}

void
__wrap_log_fault (const char *actor, const char *about, const berth_error_t *why)
{
    if (s_loud)
        printf ("         log: %s %s: %s\n", actor, about, why->text);
}

static void
s_print_again (const sim_ask_t *ask)
{
    fprintf (stderr, "again: tests/sim/run --seed %llu --steps %llu", (unsigned long long) ask->seed,
             (unsigned long long) ask->steps);
#define WITHOUT_(name, text, doc)                                                                  \
    if (ask->without & CHAOS_##name & ~CHAOS_LOSE)                                                 \
        fprintf (stderr, " --without %s", text);
    CHAOS (WITHOUT_)
    fprintf (stderr, "%s%s --trace\n", ask->without & CHAOS_LOSE ? "" : " --with lose", ask->strict ? " --strict" : "");
}

_Noreturn void
__wrap_berth_die (const berth_error_t *why)
{
    fprintf (stderr, "BROKEN: the process ends: %s\n", why->text);
    s_print_again (&s_ask);
    _exit (1);
}

static void
s_died (int number)
{
    fprintf (stderr, "BROKEN: it dies by signal %d\n", number);
    s_print_again (&s_ask);
    _exit (1);
}

//  ---- one that fails

static bool
s_fails (sim_ask_t *ask, sim_result_t *result)
{
    s_ask = *ask;
    return !sim_run (ask, result);
}

//  The same thing, not another: promises are told by their number, what hangs by its words.
static bool
s_alike (const sim_result_t *one, const sim_result_t *two)
{
    return strncmp (one->why, two->why, 10) == 0;
}

static void
s_try (const sim_ask_t *ask, sim_ask_t *best, sim_result_t *shown)
{
    sim_result_t result;
    sim_ask_t one = *ask;
    if (s_fails (&one, &result) && s_alike (&result, shown) && result.step <= shown->step) {
        *best = one;
        best->steps = result.step;
        *shown = result;
    }
}

//  Fewer steps, and less that goes wrong, as long as the same thing shows.
static void
s_shrink (sim_ask_t *best, sim_result_t *shown)
{
    sim_ask_t ask = *best;
    ask.trace = false;
    ask.strict = true;
    s_try (&ask, best, shown);
    for (unsigned bit = 0; bit < CHAOS_COUNT; bit++) {
        ask = *best;
        ask.without |= 1u << bit;
        s_try (&ask, best, shown);
    }
    for (uint64_t step = best->steps / 2; step; step /= 2)
        for (;;) {
            uint64_t before = best->steps;
            ask = *best;
            if (ask.steps <= step)
                break;
            ask.steps -= step;
            sim_result_t result;
            //  What shows in the end only: the fewest steps before the end begins
            if (s_fails (&ask, &result) && s_alike (&result, shown)) {
                *best = ask;
                *shown = result;
            }
            if (best->steps == before)
                break;
        }
}

static int
s_report (const sim_ask_t *ask, const sim_result_t *result, bool shrink)
{
    fprintf (stderr, "BROKEN: seed %llu, step %llu: %s\n", (unsigned long long) ask->seed,
             (unsigned long long) result->step, result->why);
    sim_ask_t best = *ask;
    sim_result_t shown = *result;
    if (shrink) {
        s_shrink (&best, &shown);
        fprintf (stderr, "least:  %llu steps: %s\n", (unsigned long long) shown.step, shown.why);
    }
    s_print_again (&best);
    return 1;
}

//  ---- seasons

static void
s_add (sim_result_t *sums, const sim_result_t *one)
{
    sums->steps += one->steps;
    sums->requests += one->requests;
    sums->answers += one->answers;
    sums->retries += one->retries;
    sums->calls += one->calls;
    sums->leases += one->leases;
    sums->entries += one->entries;
    sums->crashes += one->crashes;
    sums->boots += one->boots;
    sums->expired += one->expired;
    sums->digest = sums->digest * 31 + one->digest;
}

static double
s_seconds (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void
s_print_sums (const sim_result_t *sums, uint64_t seasons, double seconds)
{
#define SUM(name) printf ("%12llu %s\n", (unsigned long long) sums->name, #name)
    printf ("%12llu seasons\n", (unsigned long long) seasons);
    SUM (steps);
    SUM (requests);
    SUM (answers);
    SUM (retries);
    SUM (calls);
    SUM (leases);
    SUM (expired);
    SUM (entries);
    SUM (crashes);
    SUM (boots);
    printf ("%12.1f seconds\n%12.0f steps in a minute\n%016llx digest\n", seconds,
            (double) sums->steps / seconds * 60, (unsigned long long) sums->digest);
}

static uint64_t
s_number (const char *text, const char *option)
{
    char *end;
    double number = strtod (text, &end);       //  1e7 is how such numbers are written
    uint64_t exact = strtoull (text, NULL, 10);
    if (*end || end == text || number < 0 || number > 1e19) {
        fprintf (stderr, "sim: --%s %s: no number\n", option, text);
        exit (2);
    }
    return strpbrk (text, "eE.") ? (uint64_t) number : exact;
}

static unsigned
s_chaos_of (const char *text)
{
#define CHAOS_OF_(name, word, doc)                                                                 \
    if (strcmp (text, word) == 0)                                                                  \
        return CHAOS_##name;
    CHAOS (CHAOS_OF_)
    fprintf (stderr, "sim: --without %s: nothing is called so\n", text);
    exit (2);
}

static int
s_help (void)
{
    printf ("usage: sim [--seed N] [--steps N] [--season N] [--seconds S] [--trace] [--strict]\n"
            "           [--without WHAT]... [--with lose] [--no-shrink]\n\n"
            "Seasons of --season steps (%d), of seed N and those behind it, until there are --steps\n"
            "(100,000), or --seconds are over. What can go wrong, and can be left out:\n", SEASON_STEPS);
#define CHAOS_HELP_(name, text, doc) printf ("  %-6s %s\n", text, doc);
    CHAOS (CHAOS_HELP_)
    return 0;
}

int
main (int argc, char **argv)
{
    static const struct option options [] = {
        { "seed", 1, NULL, 's' }, { "steps", 1, NULL, 'n' }, { "season", 1, NULL, 'm' },
        { "seconds", 1, NULL, 't' }, { "trace", 0, NULL, 'v' }, { "strict", 0, NULL, 'c' },
        { "without", 1, NULL, 'w' }, { "with", 1, NULL, 'i' }, { "no-shrink", 0, NULL, 'k' }, { "help", 0, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    sim_ask_t ask = { .seed = 1, .without = CHAOS_LOSE };
    uint64_t total = 100000, season = 0;
    double limit = 1e18;
    bool shrink = true;
    for (int option; (option = getopt_long (argc, argv, "", options, NULL)) != -1;)
        switch (option) {
            case 's': ask.seed = s_number (optarg, "seed"); break;
            case 'n': total = s_number (optarg, "steps"); break;
            case 'm': season = s_number (optarg, "season"); break;
            case 't': limit = (double) s_number (optarg, "seconds"); break;
            case 'v': ask.trace = s_loud = true; break;
            case 'c': ask.strict = true; break;
            case 'w': ask.without |= s_chaos_of (optarg); break;
            case 'i': ask.without &= ~s_chaos_of (optarg); break;
            case 'k': shrink = false; break;
            case 'h': return s_help ();
            default: return 2;
        }
    signal (SIGABRT, s_died);
    signal (SIGSEGV, s_died);
    //  Few steps are one season: how one that failed is run again
    season = season ? season : total < SEASON_STEPS ? total : SEASON_STEPS;
    sim_result_t sums = { .broken = false };
    double begun = s_seconds ();
    uint64_t seasons = 0;
    for (; sums.steps < total && s_seconds () - begun < limit; seasons++, ask.seed++) {
        sim_result_t result;
        ask.steps = season;
        if (s_fails (&ask, &result))
            return s_report (&ask, &result, shrink && !ask.trace);
        s_add (&sums, &result);
        if (total <= season)
            break;
    }
    s_print_sums (&sums, seasons ? seasons : 1, s_seconds () - begun);
    return 0;
}
