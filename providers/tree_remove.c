//  tree_remove.c - owns how a folder goes away, whatever it holds and however deep.
//
//  A folder inside a folder is first moved up to the top and emptied there, so depth costs neither
//  stack nor descriptors nor long paths.

#include "tree_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    int top;
    const char *shown;
    unsigned long long moved, emptied;  //  Names given so far, and looked after
    berth_error_t *err;
} remove_t;

//  Its owner may have taken the rights to it away. Through a descriptor: the name could become a
//  link before chmod follows it.
static void
s_unlock (int folder, const char *name)
{
    int fd = openat (folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    char path [40];
    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    (void) chmod (path, 0700);          //  If it does not help, the next call says why
    close (fd);
}

static void
s_name (char *name, size_t size, unsigned long long number)
{
    snprintf (name, size, ".berth-remove-%llu", number);
}

static int
s_up (remove_t *self, int folder, const char *name)
{
    for (bool unlocked = false; ; ) {
        char up [48];
        s_name (up, sizeof up, self->moved++);
        if (renameat2 (folder, name, self->top, up, RENAME_NOREPLACE) == 0)
            return 0;
        //  Not every file system knows NOREPLACE; a folder replaces nothing but an empty folder.
        if (errno == EINVAL && renameat (folder, name, self->top, up) == 0)
            return 0;
        if (errno == EACCES && !unlocked) {
            unlocked = true;
            s_unlock (folder, name);
        }
        else if (errno != EEXIST && errno != ENOTEMPTY)
            return errno == ENOENT ? 0 : -1;
    }
}

static int
s_entry (remove_t *self, int folder, const struct dirent64 *entry)
{
    const char *name = entry->d_name;
    if (entry->d_type != DT_DIR) {
        if (unlinkat (folder, name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR)
            return -1;
    }
    if (unlinkat (folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno == ENOTDIR)
        return unlinkat (folder, name, 0) == 0 || errno == ENOENT ? 0 : -1;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return -1;
    return folder == self->top ? 1 : s_up (self, folder, name);
}

//  Empties an open folder. At the top, folders that hold something are emptied on the spot.
static int s_empty (remove_t *self, int folder);

static int
s_inside (remove_t *self, const char *name)
{
    int fd = tree_open_folder (self->top, name);
    if (fd < 0 && errno == EACCES) {
        s_unlock (self->top, name);
        fd = tree_open_folder (self->top, name);
    }
    if (fd < 0)
        return tree_swapped (errno) ? 0 : tree_fail (self->err, "cannot open", name);
    struct stat about;
    if (fstat (fd, &about) == 0 && (about.st_mode & 0700) != 0700)
        (void) fchmod (fd, 0700);       //  If it does not help, the next call says why
    int rc = s_empty (self, fd);
    close (fd);
    if (rc == 0 && unlinkat (self->top, name, AT_REMOVEDIR) && errno == EBUSY)
        rc = tree_fail (self->err, "cannot remove", name);
    return rc;
}

static int
s_empty (remove_t *self, int folder)
{
    //  Entries that appear or are skipped while the folder shrinks are met in the next round; a
    //  process that adds faster than we remove is not waited for.
    for (unsigned rounds = 0; rounds < 1000; rounds++) {
        bool found = false;
        _Alignas (struct dirent64) char buffer [32768];
        ssize_t size;
        if (lseek (folder, 0, SEEK_SET) < 0)
            return tree_fail (self->err, "cannot list", self->shown);
        while ((size = getdents64 (folder, buffer, sizeof buffer)) > 0)
            for (ssize_t at = 0; at < size;) {
                const struct dirent64 *entry = (const void *) (buffer + at);
                at += entry->d_reclen;
                const char *name = entry->d_name;
                if (name [0] == '.' && (!name [1] || (name [1] == '.' && !name [2])))
                    continue;
                found = true;
                int rc = s_entry (self, folder, entry);
                if (rc < 0)
                    return tree_fail (self->err, "cannot remove", name);
                if (rc > 0 && s_inside (self, name))
                    return -1;
            }
        if (size < 0)
            return tree_fail (self->err, "cannot list", self->shown);
        while (folder == self->top && self->emptied < self->moved) {
            char up [48];
            s_name (up, sizeof up, self->emptied++);
            if (s_inside (self, up))
                return -1;
        }
        if (!found)
            return 0;
    }
    return berth_fail (self->err, BERTH_CONFLICT, "'%.150s' is filled while it is removed",
                       self->shown);
}

//  Empties the folder of this name; 1 if it is not there.
static int
s_empty_at (int folder, const char *name, berth_error_t *err)
{
    remove_t self = { .shown = name, .err = err };
    self.top = openat (folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (self.top < 0 && errno == EACCES) {
        s_unlock (folder, name);
        self.top = openat (folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (self.top < 0)
        return errno == ENOENT ? 1 : tree_fail (err, "cannot empty the folder", name);
    struct stat about;
    if (fstat (self.top, &about) == 0 && (about.st_mode & 0700) != 0700)
        (void) fchmod (self.top, 0700);         //  If it does not help, the next call says why
    int rc = s_empty (&self, self.top);
    close (self.top);
    return rc;
}

int
tree_empty (const char *folder, berth_error_t *err)
{
    return s_empty_at (AT_FDCWD, folder, err) < 0 ? -1 : 0;
}

int
tree_remove_below (int folder, const char *name, berth_error_t *err)
{
    int rc = s_empty_at (folder, name, err);
    if (rc == 0 && unlinkat (folder, name, AT_REMOVEDIR) && errno != ENOENT)
        rc = tree_fail (err, "cannot remove the folder", name);
    return rc < 0 ? -1 : 0;
}

int
tree_remove (const char *folder, berth_error_t *err)
{
    return tree_remove_below (AT_FDCWD, folder, err);
}
