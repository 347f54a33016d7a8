//  waiters.h - who waits for what: the inside of effects.h. For effects.c and waiters.c only.

#ifndef BERTH_WAITERS_H_INCLUDED
#define BERTH_WAITERS_H_INCLUDED

#include "effects.h"

//  Room for `<company>/<run> acquired-detached`
enum { WAITERS_BUCKETS = 1024, WAITERS_SUBJECT_MAX = 256 };

typedef struct waiter {
    struct waiter *next;            //  In its bucket
    letter_t letter;
    char subject [WAITERS_SUBJECT_MAX];
} waiter_t;

struct waiters {
    uint32_t magic;
    waiter_t *buckets [WAITERS_BUCKETS];
    size_t count;
    int64_t next_ms;                //  Not later than the next deadline
};

void waiters_add (waiters_t *self, const letter_t *letter, const char *subject);

//  The link to the first waiter of a subject, at or behind `behind` (NULL: from the start); NULL
//  if there is none. waiters_remove takes the waiter a link points to out of it.
waiter_t **waiters_find (waiters_t *self, const char *subject, waiter_t **behind);
void waiters_remove (waiters_t *self, waiter_t **link);

#endif
