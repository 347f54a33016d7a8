//  tree_diff.c - owns the difference of two texts, line by line.
//
//  The shortest script by Myers' greedy search, behind what both begin and end with. Where the two
//  have little in common the middle is replaced as a whole: that is right, too, only longer.

#include "tree_diff.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

enum { STEPS_MAX = 1500, CONTEXT = 3 };

typedef struct {
    const char *text;
    size_t size;                        //  With its newline
    uint64_t hash;
} line_t;

typedef struct {
    line_t *items;
    size_t count;
    bool *gone;                         //  Of the old: deleted; of the new: added
} lines_t;

//  ---------------------------------------------------------------------------------------------
//  Text

static void
s_bytes (tree_patch_t *self, const char *data, size_t size)
{
    if (self->cut || self->size + size > self->max) {
        self->cut = true;
        return;
    }
    if (self->size + size > self->room) {
        self->room = 2 * self->room + size + 4096;
        self->text = realloc (self->text, self->room);
        ENSURE (self->text);
    }
    memcpy (self->text + self->size, data, size);
    self->size += size;
}

static void s_say (tree_patch_t *self, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

static void
s_say (tree_patch_t *self, const char *format, ...)
{
    char text [200];
    va_list args;
    va_start (args, format);
    int size = vsnprintf (text, sizeof text, format, args);
    va_end (args);
    s_bytes (self, text, (size_t) size < sizeof text ? (size_t) size : sizeof text - 1);
}

//  As git writes names: quoted where they hold what would break a line.
static void
s_name (tree_patch_t *self, const char *side, const char *path)
{
    bool quoted = false;
    for (const char *at = path; *at; at++)
        quoted |= (unsigned char) *at < ' ' || (unsigned char) *at >= 0x7f || strchr ("\"\\", *at);
    s_say (self, "%s%s", quoted ? "\"" : "", side);
    for (const char *at = path; *at; at++) {
        unsigned char byte = (unsigned char) *at;
        if (byte == '"' || byte == '\\')
            s_say (self, "\\%c", byte);
        else if (byte < ' ' || byte >= 0x7f)
            s_say (self, "\\%03o", byte);
        else
            s_bytes (self, at, 1);
    }
    if (quoted)
        s_say (self, "\"");
}

//  ---------------------------------------------------------------------------------------------
//  Lines

static lines_t
s_lines (const tree_diff_side_t *side)
{
    lines_t lines = { 0 };
    size_t count = 0;
    for (size_t at = 0; at < side->size; count++) {
        const char *end = memchr (side->data + at, '\n', side->size - at);
        at = end ? (size_t) (end - side->data) + 1 : side->size;
    }
    lines.items = calloc (count + 1, sizeof *lines.items);
    lines.gone = calloc (count + 1, sizeof *lines.gone);
    ENSURE (lines.items && lines.gone);
    for (size_t at = 0; at < side->size; lines.count++) {
        line_t *line = &lines.items [lines.count];
        const char *end = memchr (side->data + at, '\n', side->size - at);
        line->text = side->data + at;
        line->size = (end ? (size_t) (end - side->data) + 1 : side->size) - at;
        line->hash = XXH3_64bits (line->text, line->size);
        at += line->size;
    }
    return lines;
}

static void
s_free (lines_t *lines)
{
    free (lines->items);
    free (lines->gone);
}

static bool
s_equal (const line_t *a, const line_t *b)
{
    return a->hash == b->hash && a->size == b->size && memcmp (a->text, b->text, a->size) == 0;
}

//  The search: after `step` edits, how far along the old one gets on each diagonal.
typedef struct {
    const line_t *old, *new;
    int old_count, new_count;
    int *rows;                          //  One of 2 * step + 1 for each step
} search_t;

static int *
s_row (const search_t *self, int step)
{
    return self->rows + (size_t) step * (size_t) step + (size_t) step;  //  Its diagonal 0
}

//  -1: too many steps.
static int
s_search (search_t *self)
{
    for (int step = 0; step <= STEPS_MAX; step++) {
        self->rows = realloc (self->rows,
                              (size_t) (step + 1) * (size_t) (step + 1) * sizeof *self->rows);
        ENSURE (self->rows);
        int *row = s_row (self, step);
        const int *before = step ? s_row (self, step - 1) : NULL;
        for (int diagonal = -step; diagonal <= step; diagonal += 2) {
            int old = 0;
            if (step && (diagonal == -step
                         || (diagonal != step && before [diagonal - 1] < before [diagonal + 1])))
                old = before [diagonal + 1];
            else if (step)
                old = before [diagonal - 1] + 1;
            int new = old - diagonal;
            while (old < self->old_count && new < self->new_count && new >= 0
                   && s_equal (&self->old [old], &self->new [new]))
                old++, new++;
            row [diagonal] = old;
            if (old >= self->old_count && new >= self->new_count)
                return step;
        }
    }
    return -1;
}

static void
s_mark (search_t *self, int step, bool *old_gone, bool *new_gone)
{
    int old = self->old_count, new = self->new_count;
    for (; step > 0; step--) {
        const int *before = s_row (self, step - 1);
        int diagonal = old - new;
        bool down = diagonal == -step
                 || (diagonal != step && before [diagonal - 1] < before [diagonal + 1]);
        int from = down ? diagonal + 1 : diagonal - 1;
        old = before [from];
        new = old - from;
        if (down)
            new_gone [new] = true;
        else
            old_gone [old] = true;
    }
}

static void
s_compare (lines_t *old, lines_t *new)
{
    size_t head = 0, tail = 0;
    while (head < old->count && head < new->count && s_equal (&old->items [head], &new->items [head]))
        head++;
    while (tail < old->count - head && tail < new->count - head
           && s_equal (&old->items [old->count - tail - 1], &new->items [new->count - tail - 1]))
        tail++;
    search_t search = { .old = old->items + head, .new = new->items + head,
                        .old_count = (int) (old->count - head - tail),
                        .new_count = (int) (new->count - head - tail) };
    int steps = s_search (&search);
    if (steps >= 0)
        s_mark (&search, steps, old->gone + head, new->gone + head);
    else {
        memset (old->gone + head, true, (size_t) search.old_count);
        memset (new->gone + head, true, (size_t) search.new_count);
    }
    free (search.rows);
}

//  ---------------------------------------------------------------------------------------------
//  Hunks

static void
s_line (tree_patch_t *patch, char lead, const line_t *line)
{
    s_bytes (patch, &lead, 1);
    s_bytes (patch, line->text, line->size);
    if (line->text [line->size - 1] != '\n')
        s_say (patch, "\n\\ No newline at end of file\n");
}

static void
s_range (tree_patch_t *patch, char lead, size_t start, size_t count)
{
    s_say (patch, count == 1 ? "%c%zu" : "%c%zu,%zu", lead, count ? start + 1 : start, count);
}

static void
s_hunk (tree_patch_t *patch, const lines_t *old, size_t old_at, size_t old_end, const lines_t *new,
        size_t new_at, size_t new_end)
{
    s_say (patch, "@@ ");
    s_range (patch, '-', old_at, old_end - old_at);
    s_say (patch, " ");
    s_range (patch, '+', new_at, new_end - new_at);
    s_say (patch, " @@\n");
    while (old_at < old_end || new_at < new_end) {
        if (old_at < old_end && old->gone [old_at])
            s_line (patch, '-', &old->items [old_at++]);
        else if (new_at < new_end && new->gone [new_at])
            s_line (patch, '+', &new->items [new_at++]);
        else {
            s_line (patch, ' ', &old->items [old_at++]);
            new_at++;
        }
    }
}

static void
s_hunks (tree_patch_t *patch, const lines_t *old, const lines_t *new)
{
    size_t old_at = 0, new_at = 0;
    while (old_at < old->count || new_at < new->count) {
        //  To the next change...
        while (old_at < old->count && new_at < new->count && !old->gone [old_at]
               && !new->gone [new_at])
            old_at++, new_at++;
        if (old_at == old->count && new_at == new->count)
            return;
        size_t lead = old_at < CONTEXT ? old_at : CONTEXT;
        size_t old_start = old_at - lead, new_start = new_at - lead, same = 0;
        //  ... and on, until there is nothing for twice the context.
        while (same <= 2 * CONTEXT && (old_at < old->count || new_at < new->count)) {
            bool gone = old_at < old->count && old->gone [old_at];
            bool added = new_at < new->count && new->gone [new_at];
            same = gone || added ? 0 : same + 1;
            old_at += gone || (!added && old_at < old->count);
            new_at += added || (!gone && new_at < new->count);
        }
        size_t back = same > CONTEXT ? same - CONTEXT : 0;
        s_hunk (patch, old, old_start, old_at - back, new, new_start, new_at - back);
    }
}

//  ---------------------------------------------------------------------------------------------

static bool
s_binary (const tree_diff_side_t *side)
{
    return side->large || (side->size && memchr (side->data, 0, side->size));
}

static void
s_header (tree_patch_t *patch, const char *path, const tree_diff_side_t *old,
          const tree_diff_side_t *new)
{
    s_say (patch, "diff --git ");
    s_name (patch, "a/", path);
    s_say (patch, " ");
    s_name (patch, "b/", path);
    s_say (patch, "\n");
    if (!old->mode)
        s_say (patch, "new file mode %06o\n", (unsigned) new->mode);
    else if (!new->mode)
        s_say (patch, "deleted file mode %06o\n", (unsigned) old->mode);
    else if (old->mode != new->mode)
        s_say (patch, "old mode %06o\nnew mode %06o\n", (unsigned) old->mode, (unsigned) new->mode);
}

static void
s_file (tree_patch_t *patch, const char *path, const tree_diff_side_t *old,
        const tree_diff_side_t *new)
{
    s_header (patch, path, old, new);
    if (!s_binary (old) && !s_binary (new) && old->size == new->size
        && (old->size == 0 || memcmp (old->data, new->data, old->size) == 0))
        return;
    if (s_binary (old) || s_binary (new)) {
        s_say (patch, "Binary files ");
        s_name (patch, old->mode ? "a/" : "", old->mode ? path : "/dev/null");
        s_say (patch, " and ");
        s_name (patch, new->mode ? "b/" : "", new->mode ? path : "/dev/null");
        s_say (patch, " differ\n");
        return;
    }
    s_say (patch, "--- ");
    s_name (patch, old->mode ? "a/" : "", old->mode ? path : "/dev/null");
    s_say (patch, "\n+++ ");
    s_name (patch, new->mode ? "b/" : "", new->mode ? path : "/dev/null");
    s_say (patch, "\n");
    lines_t before = s_lines (old), after = s_lines (new);
    s_compare (&before, &after);
    s_hunks (patch, &before, &after);
    s_free (&before);
    s_free (&after);
}

//  git knows of a mode only what it is and whether it runs.
static mode_t
s_git_mode (mode_t mode)
{
    return !mode ? 0 : S_ISLNK (mode) ? 0120000 : mode & 0100 ? 0100755 : 0100644;
}

void
tree_diff (tree_patch_t *patch, const char *path, const tree_diff_side_t *old,
           const tree_diff_side_t *new)
{
    if (patch->cut)
        return;
    size_t start = patch->size;
    tree_diff_side_t left = *old, right = *new, none = { 0 };
    left.mode = s_git_mode (old->mode);
    right.mode = s_git_mode (new->mode);
    if (left.mode && right.mode && (left.mode == 0120000) != (right.mode == 0120000)) {
        s_file (patch, path, &left, &none);     //  A link that becomes a file, or back
        s_file (patch, path, &none, &right);
    }
    else
        s_file (patch, path, &left, &right);
    if (patch->cut)
        patch->size = start;            //  Half a file's is of no use
}

void
tree_patch_free (tree_patch_t *self)
{
    free (self->text);
    *self = (tree_patch_t) { .max = self->max };
}
