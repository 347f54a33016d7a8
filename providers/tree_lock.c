//  tree_lock.c - owns the lock file that keeps a second merge out of a folder.
//
//  The kernel's lock on the file is what counts: it ends with its owner, so a file that a dead
//  owner left behind is simply taken over. The pid in it is for people.

#include "tree_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int
s_held (tree_lock_t *self, const char *shown, berth_error_t *err)
{
    char text [24] = "";
    ssize_t size = pread (self->file, text, sizeof text - 1, 0);
    long pid = size > 0 ? strtol (text, NULL, 10) : 0;
    return berth_fail (err, BERTH_CONFLICT, "process %ld is merging into '%.150s'", pid, shown);
}

int
tree_lock_take (tree_lock_t *self, int target, const char *shown, berth_error_t *err)
{
    *self = (tree_lock_t) { .parent = -1, .file = -1 };
    struct stat about, named;
    if (fstat (target, &about)
        || (self->parent = openat (target, "..", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return tree_fail (err, "cannot open the folder above", shown);
    //  Named by the folder itself, so that two spellings of its path meet in one lock.
    snprintf (self->name, sizeof self->name, ".berth-return-%llx-%llx.lock",
              (unsigned long long) about.st_dev, (unsigned long long) about.st_ino);
    int rc = -1;
    while (rc) {
        self->file = openat (self->parent, self->name,
                             O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (self->file < 0) {
            rc = tree_fail (err, "cannot lock for a merge", shown);
            break;
        }
        if (flock (self->file, LOCK_EX | LOCK_NB)) {
            rc = errno == EWOULDBLOCK ? s_held (self, shown, err)
                                      : tree_fail (err, "cannot lock for a merge", shown);
            break;
        }
        //  The owner before us may have removed the name between our two calls.
        if (fstat (self->file, &about) == 0
            && fstatat (self->parent, self->name, &named, AT_SYMLINK_NOFOLLOW) == 0
            && about.st_ino == named.st_ino && about.st_dev == named.st_dev)
            rc = 0;
        else
            close (self->file);
    }
    if (rc) {
        if (self->file >= 0)
            close (self->file);
        close (self->parent);
        self->file = self->parent = -1;
        return -1;
    }
    char text [24];
    int size = snprintf (text, sizeof text, "%ld\n", (long) getpid ());
    if (ftruncate (self->file, 0) || pwrite (self->file, text, (size_t) size, 0) != size) {
        int failed = tree_fail (err, "cannot lock for a merge", shown);
        tree_lock_release (self);
        return failed;
    }
    return 0;
}

void
tree_lock_release (tree_lock_t *self)
{
    if (self->file < 0)
        return;
    (void) unlinkat (self->parent, self->name, 0);      //  Ours until we close it
    close (self->file);
    close (self->parent);
    self->file = self->parent = -1;
}
