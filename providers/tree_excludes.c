//  tree_excludes.c - owns what stays behind: what was asked for, and what the folder says itself.

#include "tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { IGNORE_SIZE = 65536, EXCLUDES_MAX = 2000 };

#define IGNORE_NAME ".berthignore"

//  Paperclip's, and what else is made again from what stays.
static const char *const s_heavy [] = {
    "node_modules", "dist", "build", "vendor", "target", ".next", ".nuxt", ".turbo", ".cache",
    ".parcel-cache", ".gradle", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache",
    ".pytest_cache", "coverage",
};

typedef struct {
    const char **items;
    size_t count;
} excludes_t;

//  False: there is no room, or it can't be meant.
static bool
s_add (excludes_t *self, const char *text)
{
    if (strcmp (text, "@heavy") == 0) {
        for (size_t index = 0; index < BERTH_COUNT (s_heavy); index++)
            if (!s_add (self, s_heavy [index]))
                return false;
        return true;
    }
    if (*text == '!' || *text == '@' || self->count == EXCLUDES_MAX
        || text [strspn (text, "./")] == 0)
        return false;
    self->items [self->count++] = text;
    return true;
}

static int
s_refuse (const char *text, unsigned line, berth_error_t *err)
{
    if (!line)
        berth_error_set (err->field, sizeof err->field, "excludes");
    berth_error_set (err->remedy, sizeof err->remedy,
                     "a name, a path from the top, a pattern of them, or @heavy; at most %d",
                     EXCLUDES_MAX);
    return line ? berth_fail (err, BERTH_INVALID, "line %u of " IGNORE_NAME " cannot be meant: '%.100s'",
                              line, text)
                : berth_fail (err, BERTH_INVALID, "exclude '%.100s' cannot be meant", text);
}

static int
s_lines (excludes_t *self, char *text, berth_error_t *err)
{
    unsigned number = 0;
    while (text) {
        char *line = strsep (&text, "\n");
        size_t size = strlen (line);
        while (size && strchr (" \t\r", line [size - 1]))
            line [--size] = 0;
        number++;
        if (size && *line != '#' && !s_add (self, line))
            return s_refuse (line, number, err);
    }
    return 0;
}

int
tree_excludes (const char *source, bool no_links, const char *const *given, size_t count,
               arena_t *arena, const char *const **ret_excludes, berth_error_t *err)
{
    excludes_t self = { .items = arena_array (arena, EXCLUDES_MAX + 1, const char *) };
    for (size_t index = 0; index < count; index++)
        if (!s_add (&self, given [index]))
            return s_refuse (given [index], 0, err);
    *ret_excludes = self.items;
    int folder = tree_open_host (source, no_links);
    if (folder < 0)
        return tree_fail (err, "cannot read the folder", source);
    int file = tree_open (folder, IGNORE_NAME, O_RDONLY), saved = errno;
    close (folder);
    if (file < 0) {
        errno = saved;
        //  A link of this name is followed nowhere.
        return errno == ENOENT || errno == ELOOP ? 0 : tree_fail (err, "cannot read", IGNORE_NAME);
    }
    char *text = arena_array (arena, IGNORE_SIZE + 1, char);
    struct stat about;
    size_t got = 0;
    ssize_t done = 0;
    int rc = 0;
    if (fstat (file, &about) || !S_ISREG (about.st_mode) || about.st_size > IGNORE_SIZE)
        rc = berth_fail (err, BERTH_INVALID, IGNORE_NAME " is no file of at most %d bytes",
                         IGNORE_SIZE);
    while (rc == 0 && got < IGNORE_SIZE && (done = read (file, text + got, IGNORE_SIZE - got)) > 0)
        got += (size_t) done;
    if (rc == 0 && done < 0)
        rc = tree_fail (err, "cannot read", IGNORE_NAME);
    close (file);
    text [got] = 0;
    return rc ? rc : s_lines (&self, text, err);
}
