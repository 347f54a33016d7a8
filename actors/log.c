//  log.c - owns the ring of the last failures.

#include "log.h"

#include "clock.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEPT 20

typedef struct {
    int64_t at;
    char actor [32];
    char code [64];
    char message [320];
} fault_t;

static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER;
static fault_t s_faults [KEPT];
static uint64_t s_count;

void
log_event (const char *event, const char *format, ...)
{
    char time [40], line [1024];
    berth_time_text (berth_wall_ms (), time, sizeof time);
    va_list args;
    va_start (args, format);
    vsnprintf (line, sizeof line, format, args);
    va_end (args);
    for (char *c = line; *c; c++)
        if ((unsigned char) *c < 0x20)
            *c = ' ';
    fprintf (stderr, "%s %s%s%s\n", time, event, line [0] ? " " : "", line);
}

void
log_fault (const char *actor, const char *about, const berth_error_t *why)
{
    log_event ("failure", "actor=%s about=%s code=%s message=\"%s\"%s%s%s", actor, about,
               berth_code_text (why->code), why->text, why->cause [0] ? " cause=\"" : "",
               why->cause, why->cause [0] ? "\"" : "");
    pthread_mutex_lock (&s_lock);
    fault_t *fault = &s_faults [s_count++ % KEPT];
    fault->at = berth_wall_ms ();
    snprintf (fault->actor, sizeof fault->actor, "%s", actor);
    snprintf (fault->code, sizeof fault->code, "%s", berth_code_text (why->code));
    snprintf (fault->message, sizeof fault->message, "%s", why->text);
    pthread_mutex_unlock (&s_lock);
}

size_t
log_faults (arena_t *arena, const bus_fault_t **ret_items)
{
    bus_fault_t *items = arena_array (arena, KEPT, bus_fault_t);
    pthread_mutex_lock (&s_lock);
    size_t count = s_count < KEPT ? (size_t) s_count : KEPT;
    for (size_t index = 0; index < count; index++) {
        const fault_t *fault = &s_faults [(s_count - 1 - index) % KEPT];
        items [index] = (bus_fault_t) {
            .at = fault->at,
            .actor = arena_string (arena, fault->actor),
            .code = arena_string (arena, fault->code),
            .message = arena_string (arena, fault->message),
        };
    }
    pthread_mutex_unlock (&s_lock);
    *ret_items = items;
    return count;
}

void
berth_die (const berth_error_t *why)
{
    log_event ("fatal", "code=%s message=\"%s\"", berth_code_text (why->code), why->text);
    _exit (berth_code_exit (BERTH_INTERNAL));
}
