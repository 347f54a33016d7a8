//  tree_removed.c - owns the list of paths that a place says are gone.

#include "tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tree_removed {
    char *data;
    const char **paths;                 //  Sorted
    size_t count;
};

static int
s_compare (const void *left, const void *right)
{
    return strcmp (*(const char *const *) left, *(const char *const *) right);
}

int
tree_removed_open (tree_removed_t **ret_self, const char *path, berth_error_t *err)
{
    int file = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat about;
    if (file < 0 || fstat (file, &about)) {
        int rc = tree_fail (err, "cannot read what was removed", path);
        if (file >= 0)
            close (file);
        return rc;
    }
    tree_removed_t *self = calloc (1, sizeof *self);
    size_t size = (size_t) about.st_size, got = 0;
    ENSURE (self);
    self->data = malloc (size + 1);
    ENSURE (self->data);
    while (got < size) {
        ssize_t done = read (file, self->data + got, size - got);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            break;
        got += (size_t) done;
    }
    close (file);
    if (got < size || (size && self->data [size - 1])) {
        tree_removed_destroy (&self);
        return berth_fail (err, BERTH_INVALID, "the list of what was removed '%.150s' is cut short",
                           path);
    }
    size_t room = 0;
    for (size_t at = 0; at < size; at += strlen (self->data + at) + 1) {
        if (self->count == room) {
            room = 2 * room + 64;
            self->paths = realloc (self->paths, room * sizeof *self->paths);
            ENSURE (self->paths);
        }
        self->paths [self->count++] = self->data + at;
    }
    if (self->count > 1)
        qsort (self->paths, self->count, sizeof *self->paths, s_compare);
    *ret_self = self;
    return 0;
}

bool
tree_removed_has (const tree_removed_t *self, const char *path)
{
    return self->count
        && bsearch (&path, self->paths, self->count, sizeof *self->paths, s_compare);
}

bool
tree_removed_below (const tree_removed_t *self, const char *path)
{
    size_t size = strlen (path), low = 0, high = self->count;
    while (low < high) {                //  The first that is not before "path/"
        size_t middle = low + (high - low) / 2;
        int order = strncmp (self->paths [middle], path, size);
        if (order < 0 || (order == 0 && (unsigned char) self->paths [middle] [size] < '/'))
            low = middle + 1;
        else
            high = middle;
    }
    return low < self->count && strncmp (self->paths [low], path, size) == 0
        && self->paths [low] [size] == '/';
}

void
tree_removed_destroy (tree_removed_t **self_p)
{
    tree_removed_t *self = *self_p;
    if (!self)
        return;
    free (self->paths);
    free (self->data);
    free (self);
    *self_p = NULL;
}
