//  waiters.c - owns the requests of one actor that wait for a subject.

#include "waiters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITERS_MAGIC 0xeffec002u

static waiter_t **
s_bucket (waiters_t *self, const char *subject)
{
    uint32_t hash = 2166136261u;
    for (; *subject; subject++)
        hash = (hash ^ (uint8_t) *subject) * 16777619u;
    return &self->buckets [hash % WAITERS_BUCKETS];
}

waiters_t *
waiters_new (void)
{
    waiters_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = WAITERS_MAGIC;
    self->next_ms = INT64_MAX;
    return self;
}

void
waiters_destroy (waiters_t **self_p)
{
    waiters_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, WAITERS_MAGIC);
    for (size_t bucket = 0; bucket < WAITERS_BUCKETS; bucket++)
        while (self->buckets [bucket])
            waiters_remove (self, &self->buckets [bucket]);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

void
waiters_add (waiters_t *self, const letter_t *letter, const char *subject)
{
    waiter_t *waiter = calloc (1, sizeof *waiter);
    ENSURE (waiter);
    ENSURE (strlen (subject) < sizeof waiter->subject);
    waiter->letter = *letter;
    snprintf (waiter->subject, sizeof waiter->subject, "%s", subject);
    waiter_t **last = s_bucket (self, subject);
    while (*last)
        last = &(*last)->next;          //  First come, first answered
    *last = waiter;
    self->count++;
    if (letter->deadline_ms && letter->deadline_ms < self->next_ms)
        self->next_ms = letter->deadline_ms;
}

waiter_t **
waiters_find (waiters_t *self, const char *subject, waiter_t **behind)
{
    waiter_t **link = behind ? behind : s_bucket (self, subject);
    while (*link && strcmp ((*link)->subject, subject))
        link = &(*link)->next;
    return *link ? link : NULL;
}

void
waiters_remove (waiters_t *self, waiter_t **link)
{
    waiter_t *waiter = *link;
    *link = waiter->next;
    free (waiter);
    self->count--;
}

bool
waiters_any (const waiters_t *self, const char *subject)
{
    return waiters_find ((waiters_t *) self, subject, NULL) != NULL;
}

int64_t
waiters_next (const waiters_t *self)
{
    return self->next_ms;
}

size_t
waiters_count (const waiters_t *self)
{
    return self->count;
}

bool
waiters_expired (waiters_t *self, int64_t now_mono_ms, arena_t *arena, letter_t *ret_letter,
                 const char **ret_subject)
{
    if (now_mono_ms < self->next_ms)
        return false;
    int64_t next = INT64_MAX;
    for (size_t bucket = 0; bucket < WAITERS_BUCKETS; bucket++)
        for (waiter_t **link = &self->buckets [bucket]; *link; link = &(*link)->next) {
            int64_t deadline = (*link)->letter.deadline_ms;
            if (deadline && deadline <= now_mono_ms) {
                *ret_letter = (*link)->letter;
                *ret_subject = arena_string (arena, (*link)->subject);
                waiters_remove (self, link);
                return true;
            }
            if (deadline && deadline < next)
                next = deadline;
        }
    self->next_ms = next;
    return false;
}

void
waiters_cancel (waiters_t *self, uint64_t ticket)
{
    for (size_t bucket = 0; bucket < WAITERS_BUCKETS; bucket++)
        for (waiter_t *waiter = self->buckets [bucket]; waiter; waiter = waiter->next)
            if (waiter->letter.answer_to == ACTOR_FRONT && waiter->letter.ticket == ticket) {
                waiter->letter.cancelled = true;
                waiter->letter.deadline_ms = self->next_ms = 1;
            }
}

size_t
waiters_forget (waiters_t *self, uint64_t ticket)
{
    size_t before = self->count;
    for (size_t bucket = 0; bucket < WAITERS_BUCKETS; bucket++)
        for (waiter_t **link = &self->buckets [bucket]; *link;) {
            const letter_t *letter = &(*link)->letter;
            if (letter->answer_to == ACTOR_FRONT && letter->ticket == ticket)
                waiters_remove (self, link);
            else
                link = &(*link)->next;
        }
    return before - self->count;
}
