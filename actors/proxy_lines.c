//  proxy_lines.c - owns the calls that wait, and whose turn it is.

#include "proxy_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAGIC 0x11e50001u
#define BUCKETS 256

typedef struct line {
    struct line *next;              //  In its bucket
    struct line *behind;            //  Whose turn comes after
    char company [65];
    call_t *first, **last;
} line_t;

struct proxy_lines {
    uint32_t magic;
    line_t *buckets [BUCKETS];
    line_t *turn, **end;            //  Lines with something in them, in order
    size_t count;
};

proxy_lines_t *
proxy_lines_new (void)
{
    proxy_lines_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = LINES_MAGIC;
    self->end = &self->turn;
    return self;
}

void
proxy_lines_destroy (proxy_lines_t **self_p)
{
    proxy_lines_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, LINES_MAGIC);
    for (call_t *call; (call = proxy_lines_pop (self));)
        free (call);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

static line_t **
s_find (proxy_lines_t *self, const char *company)
{
    uint32_t hash = 2166136261u;
    for (const char *at = company; *at; at++)
        hash = (hash ^ (uint8_t) *at) * 16777619u;
    line_t **line = &self->buckets [hash % BUCKETS];
    while (*line && strcmp ((*line)->company, company))
        line = &(*line)->next;
    return line;
}

static void
s_join (proxy_lines_t *self, line_t *line)
{
    line->behind = NULL;
    *self->end = line;
    self->end = &line->behind;
}

//  Lines in which nobody is left have no turn.
static void
s_drop_empty (proxy_lines_t *self)
{
    line_t **at = &self->turn;
    while (*at) {
        line_t *line = *at;
        if (line->first) {
            at = &line->behind;
            continue;
        }
        *at = line->behind;
        *s_find (self, line->company) = line->next;
        free (line);
    }
    self->end = at;
}

void
proxy_lines_push (proxy_lines_t *self, const char *company, call_t **call_p)
{
    CHECK (self, LINES_MAGIC);
    line_t **at = s_find (self, company), *line = *at;
    if (!line) {
        line = *at = calloc (1, sizeof *line);
        ENSURE (line);
        snprintf (line->company, sizeof line->company, "%s", company);
        line->last = &line->first;
        s_join (self, line);
    }
    call_t *call = take (*call_p);
    call->next = NULL;
    *line->last = call;
    line->last = &call->next;
    self->count++;
}

call_t *
proxy_lines_pop (proxy_lines_t *self)
{
    CHECK (self, LINES_MAGIC);
    line_t *line = self->turn;
    if (!line)
        return NULL;
    self->turn = line->behind;
    if (!self->turn)
        self->end = &self->turn;
    call_t *call = line->first;
    line->first = call->next;
    self->count--;
    if (line->first)
        s_join (self, line);
    else {
        *s_find (self, line->company) = line->next;
        free (line);
    }
    return call;
}

call_t *
proxy_lines_expired (proxy_lines_t *self, int64_t mono_ms)
{
    CHECK (self, LINES_MAGIC);
    call_t *expired = NULL, **end = &expired;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        for (line_t *line = self->buckets [bucket]; line; line = line->next) {
            call_t **at = &line->first;
            while (*at) {
                call_t *call = *at;
                if (call->until_ms > mono_ms) {
                    at = &call->next;
                    continue;
                }
                *at = call->next;
                call->next = NULL;
                *end = call;
                end = &call->next;
                self->count--;
            }
            line->last = at;
        }
    s_drop_empty (self);
    return expired;
}

size_t
proxy_lines_count (const proxy_lines_t *self)
{
    return self->count;
}
