//  tree_put.c - owns every write into a home folder: beside first, then by rename.

#include "tree_diff.h"
#include "tree_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static put_t
s_failed (merge_t *self, const char *path)
{
    switch (errno) {
        case ENOSPC: case EDQUOT: case EIO: case EROFS: case ENOMEM: case EMFILE: case ENFILE:
            tree_fail (self->err, "cannot write", path);
            return PUT_FAILED;
        default:
            return PUT_REFUSED;
    }
}

static void
s_own (const merge_t *self, int folder, const char *name)
{
    //  Only root can give away; anybody else keeps what he writes.
    if (geteuid () == 0)
        (void) fchownat (folder, name, self->owner.st_uid, self->owner.st_gid,
                         AT_SYMLINK_NOFOLLOW);
}

//  Makes what is missing of a path, folder by folder. -1 with errno.
static int
s_make_path (merge_t *self, const char *path)
{
    int fd = tree_open_folder (self->home, "");
    char name [NAME_MAX + 1];
    while (fd >= 0 && *path) {
        size_t size = strcspn (path, "/");
        ENSURE (size < sizeof name);
        memcpy (name, path, size);
        name [size] = 0;
        path += path [size] ? size + 1 : size;
        if (mkdirat (fd, name, 0755) == 0) {
            s_own (self, fd, name);
            self->wrote = true;
        }
        //  If it could not be made, opening it says why.
        int next = tree_open_folder (fd, name);
        int saved = errno;
        close (fd);
        errno = saved;
        fd = next;
    }
    return fd;
}

put_t
merge_home (merge_t *self, merge_visit_t *visit)
{
    if (visit->home_fd >= 0 || self->dry)
        return PUT_DONE;
    visit->home_fd = s_make_path (self, visit->home);
    return visit->home_fd >= 0 ? PUT_DONE : s_failed (self, visit->home);
}

//  Is what stands there still what was looked at?
static bool
s_unchanged (int folder, const char *name, const merge_entry_t *expected)
{
    struct stat now;
    if (fstatat (folder, name, &now, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT && expected->kind == TREE_NONE;
    const struct stat *then = &expected->about;
    return expected->kind != TREE_NONE && now.st_ino == then->st_ino && now.st_dev == then->st_dev
        && now.st_size == then->st_size && now.st_mode == then->st_mode
        && now.st_mtim.tv_sec == then->st_mtim.tv_sec
        && now.st_mtim.tv_nsec == then->st_mtim.tv_nsec
        && now.st_ctim.tv_sec == then->st_ctim.tv_sec
        && now.st_ctim.tv_nsec == then->st_ctim.tv_nsec;
}

static put_t
s_name_it (merge_t *self, int folder, const char *to, const merge_entry_t *expected)
{
    int rc;
    if (!s_unchanged (folder, to, expected))
        rc = -1, errno = EEXIST;
    else if (expected->kind != TREE_NONE)
        rc = renameat (folder, TREE_TEMPORARY, folder, to);
    else {
        rc = renameat2 (folder, TREE_TEMPORARY, folder, to, RENAME_NOREPLACE);
        if (rc && errno == EINVAL)              //  Not every file system knows NOREPLACE
            rc = renameat (folder, TREE_TEMPORARY, folder, to);
    }
    if (rc == 0) {
        self->wrote = true;
        return PUT_DONE;
    }
    int saved = errno;
    (void) unlinkat (folder, TREE_TEMPORARY, 0);    //  The next merge makes it anew anyway
    errno = saved;
    return errno == EEXIST ? PUT_RACED : s_failed (self, to);
}

static put_t
s_write_file (merge_t *self, int from, int to, const char *path, mode_t mode, uint64_t *bytes)
{
    struct stat about;
    tree_content_t content;
    if (fstat (from, &about))
        return PUT_REFUSED;
    if (!S_ISREG (about.st_mode)) {
        errno = ELOOP;
        return PUT_REFUSED;
    }
    switch (tree_pump (&self->job, from, &about, to, &content, self->err)) {
        case PUMP_READ_FAILED: return PUT_REFUSED;
        case PUMP_WRITE_FAILED: return s_failed (self, path);
        case PUMP_STOPPED: return PUT_FAILED;
        case PUMP_DONE: break;
    }
    if (tree_finish (to, -1, -1, mode, &about.st_mtim))
        return s_failed (self, path);
    *bytes = content.size;
    return PUT_DONE;
}

static put_t
s_put_file (merge_t *self, merge_visit_t *visit, const char *name, const char *to, mode_t mode,
            const merge_entry_t *expected)
{
    int from = tree_open (visit->place_fd, name, O_RDONLY);
    if (from < 0)
        return PUT_REFUSED;
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int file = openat (visit->home_fd, TREE_TEMPORARY, flags, 0600);
    if (file < 0 && errno == EEXIST) {
        //  A merge that died here left it; the lock says that no other is at work.
        (void) unlinkat (visit->home_fd, TREE_TEMPORARY, 0);
        file = openat (visit->home_fd, TREE_TEMPORARY, flags, 0600);
    }
    put_t answer;
    uint64_t bytes = 0;
    if (file < 0)
        answer = s_failed (self, to);
    else {
        if (geteuid () == 0 && fchown (file, self->owner.st_uid, self->owner.st_gid))
            answer = s_failed (self, to);
        else
            answer = s_write_file (self, from, file, to, mode, &bytes);
        int saved = errno;
        if (close (file) && answer == PUT_DONE)
            answer = s_failed (self, to);
        else
            errno = saved;
        if (answer == PUT_DONE)
            answer = s_name_it (self, visit->home_fd, to, expected);
        else {
            saved = errno;
            (void) unlinkat (visit->home_fd, TREE_TEMPORARY, 0);
            errno = saved;
        }
    }
    int saved = errno;
    close (from);
    errno = saved;
    if (answer == PUT_DONE)
        self->result.bytes += bytes;
    return answer;
}

static put_t
s_put_link (merge_t *self, merge_visit_t *visit, const char *text, const char *to,
            const merge_entry_t *expected)
{
    if (symlinkat (text, visit->home_fd, TREE_TEMPORARY)) {
        if (errno == EEXIST)
            (void) unlinkat (visit->home_fd, TREE_TEMPORARY, 0);
        if (errno != EEXIST || symlinkat (text, visit->home_fd, TREE_TEMPORARY))
            return s_failed (self, to);
    }
    s_own (self, visit->home_fd, TREE_TEMPORARY);
    return s_name_it (self, visit->home_fd, to, expected);
}

//  ---------------------------------------------------------------------------------------------
//  As a diff, instead

//  Reads one side; false: there is none, or it cannot be read.
static bool
s_side (int folder, const char *name, const merge_entry_t *entry, tree_diff_side_t *ret_side,
        char **ret_data)
{
    *ret_side = (tree_diff_side_t) { 0 };
    *ret_data = NULL;
    if (entry->kind == TREE_LINK) {
        *ret_side = (tree_diff_side_t) { .mode = S_IFLNK | 0777, .data = entry->text,
                                         .size = strlen (entry->text) };
        return true;
    }
    if (entry->kind != TREE_FILE || folder < 0)
        return false;
    int file = tree_open (folder, name, O_RDONLY);
    struct stat about;
    if (file < 0)
        return false;
    bool there = fstat (file, &about) == 0 && S_ISREG (about.st_mode);
    ret_side->mode = about.st_mode;
    ret_side->large = about.st_size > TREE_DIFF_FILE_MAX;
    if (there && !ret_side->large) {
        *ret_data = malloc ((size_t) about.st_size + 1);
        ENSURE (*ret_data);
        ssize_t size = tree_read_all (file, *ret_data, (size_t) about.st_size, 0);
        ret_side->data = *ret_data;
        ret_side->size = size > 0 ? (size_t) size : 0;
    }
    close (file);
    return there;
}

static void
s_patch (merge_t *self, merge_visit_t *visit, const char *name, const merge_entry_t *theirs,
         const char *to, const merge_entry_t *expected)
{
    tree_diff_side_t old, new;
    char *old_data, *new_data;
    if (!self->job.options.patch)
        return;
    bool before = s_side (visit->home_fd, to, expected, &old, &old_data);
    bool after = theirs && s_side (visit->place_fd, name, theirs, &new, &new_data);
    if (!after)
        new = (tree_diff_side_t) { 0 }, new_data = NULL;
    if (before || after) {
        char *path = tree_join (visit->home, to);
        tree_diff (self->job.options.patch, path, &old, &new);
        free (path);
    }
    free (old_data);
    free (new_data);
}

put_t
merge_put (merge_t *self, merge_visit_t *visit, const char *name, const merge_entry_t *theirs,
           const char *to, const merge_entry_t *expected, const merge_entry_t *base)
{
    if (self->dry) {
        self->result.bytes += theirs->kind == TREE_FILE ? theirs->size : 0;
        s_patch (self, visit, name, theirs, to, expected);
        return PUT_DONE;
    }
    put_t answer = merge_home (self, visit);
    if (answer != PUT_DONE)
        return answer;
    if (theirs->kind == TREE_LINK)
        return s_put_link (self, visit, theirs->text, to, expected);
    //  A mode that the place did not touch stays as it is at home.
    mode_t mode = theirs->mode;
    if (base && base->kind == TREE_FILE && base->mode == mode && expected->kind == TREE_FILE)
        mode = expected->mode;
    return s_put_file (self, visit, name, to, mode, expected);
}

put_t
merge_unlink (merge_t *self, merge_visit_t *visit, const char *name, const merge_entry_t *expected)
{
    if (self->dry) {
        s_patch (self, visit, NULL, NULL, name, expected);
        return PUT_DONE;
    }
    if (!s_unchanged (visit->home_fd, name, expected))
        return PUT_RACED;
    if (unlinkat (visit->home_fd, name, 0) && errno != ENOENT)
        return s_failed (self, name);
    self->wrote = true;
    return PUT_DONE;
}

put_t
merge_make_folder (merge_t *self, merge_visit_t *visit, const char *name, mode_t mode)
{
    if (self->dry)
        return PUT_DONE;
    put_t answer = merge_home (self, visit);
    if (answer != PUT_DONE)
        return answer;
    if (mkdirat (visit->home_fd, name, 0700))
        return errno == EEXIST ? PUT_RACED : s_failed (self, name);
    s_own (self, visit->home_fd, name);
    self->wrote = true;
    int fd = tree_open_folder (visit->home_fd, name);
    if (fd >= 0) {
        (void) fchmod (fd, 0700 | mode);        //  Narrower ones follow when it is filled
        close (fd);
    }
    return PUT_DONE;
}

char *
merge_beside (merge_t *self, merge_visit_t *visit, const char *name, merge_entry_t *theirs,
              bool *ret_kept)
{
    for (unsigned number = 0; ; number++) {
        char tail [40], *beside;
        int size = number ? snprintf (tail, sizeof tail, ".berth-theirs.%u", number)
                          : snprintf (tail, sizeof tail, ".berth-theirs");
        size_t stem = strlen (name);
        if (stem + (size_t) size > NAME_MAX)
            stem = NAME_MAX - (size_t) size;
        beside = malloc (stem + (size_t) size + 1);
        ENSURE (beside);
        memcpy (beside, name, stem);
        memcpy (beside + stem, tail, (size_t) size + 1);

        struct stat about;
        merge_entry_t there;
        int error = merge_look (visit->home_fd, beside, &there);
        if (error) {
            free (beside);
            errno = error;
            return NULL;
        }
        //  A merge that is done again finds what it kept the first time.
        *ret_kept = there.kind != TREE_NONE && there.kind != TREE_FOLDER
            && merge_compare (self, &there, visit->home_fd, beside, theirs, visit->place_fd, name)
                == MERGE_SAME;
        bool taken = there.kind != TREE_NONE
            || (visit->place_fd >= 0
                && fstatat (visit->place_fd, beside, &about, AT_SYMLINK_NOFOLLOW) == 0);
        merge_entry_free (&there);
        if (*ret_kept || !taken)
            return beside;
        free (beside);
    }
}
