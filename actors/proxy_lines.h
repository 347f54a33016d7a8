//  proxy_lines.h - calls that wait for a provider: one line per company, and the lines take turns, so
//  that one company's thousand do not stand before another's one. Not locked: the proxy's lock is.

#ifndef BERTH_PROXY_LINES_H_INCLUDED
#define BERTH_PROXY_LINES_H_INCLUDED

#include "letter.h"

typedef struct proxy_lines proxy_lines_t;

typedef struct call {
    struct call *next;              //  In its line, or of those under way
    int64_t until_ms;               //  Its deadline, monotonic
    bool answered;                  //  Of one under way: its time is over, and that was said
    letter_t letter;
    size_t size;
    uint8_t body [];
} call_t;

proxy_lines_t *proxy_lines_new (void);
void proxy_lines_destroy (proxy_lines_t **self_p);      //  And the calls in it

//  Puts a call at the end of its company's line; takes it.
void proxy_lines_push (proxy_lines_t *self, const char *company, call_t **call_p);

//  Takes the next call by turns; NULL if none waits.
call_t *proxy_lines_pop (proxy_lines_t *self);

//  Takes the calls whose deadline is before `mono_ms`, as a list by `next`; NULL if there are none.
call_t *proxy_lines_expired (proxy_lines_t *self, int64_t mono_ms);

size_t proxy_lines_count (const proxy_lines_t *self);

#endif
