//  tree_walk.c - owns a job's bounds, opening beneath a folder, and the list of its names.

#include "tree_walk.h"
#include "clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void
tree_job_start (tree_job_t *self, const tree_options_t *options)
{
    *self = (tree_job_t) { .options = { .uid = -1, .gid = -1 } };
    if (options)
        self->options = *options;
    if (!self->options.max_entries)
        self->options.max_entries = 10000000;
    self->buffer = aligned_alloc (4096, TREE_BUFFER);
    self->state = XXH3_createState ();
    ENSURE (self->buffer && self->state);
}

void
tree_job_end (tree_job_t *self)
{
    free (self->buffer);
    XXH3_freeState (self->state);
}

int
tree_job_tick (tree_job_t *self, berth_error_t *err)
{
    int64_t now_ms = berth_mono_ms ();
    if (self->options.deadline_mono_ms && now_ms >= self->options.deadline_mono_ms)
        return berth_fail (err, BERTH_DEADLINE_EXCEEDED,
                           "the deadline passed after %llu files of the folder",
                           (unsigned long long) self->done.files);
    if (!self->options.progress || now_ms < self->next_report_ms)
        return 0;
    self->next_report_ms = now_ms + 50;
    if (self->options.progress (self->options.context, &self->done))
        return berth_fail (err, BERTH_DEADLINE_EXCEEDED,
                           "the caller gave up after %llu files of the folder",
                           (unsigned long long) self->done.files);
    return 0;
}

void
tree_job_refuse (tree_job_t *self, const char *path, const char *reason)
{
    self->done.refused++;
    if (self->options.report)
        self->options.report (self->options.context, TREE_REFUSED, path, NULL, reason);
}

bool
tree_job_excludes (const tree_job_t *self, const char *path, const char *name)
{
    if (strcmp (name, TREE_TEMPORARY) == 0)
        return true;
    const char *const *exclude = self->options.excludes;
    for (; exclude && *exclude; exclude++) {
        const char *text = *exclude;
        bool whole = *text == '/';              //  From the top
        while (text [0] == '/' || (text [0] == '.' && text [1] == '/'))
            text += 1 + (text [0] == '.');
        size_t size = strlen (text);
        while (size > 1 && text [size - 1] == '/')
            size--;
        const char *against = whole || memchr (text, '/', size) ? path : name;
        if (strncmp (against, text, size) == 0 && against [size] == 0)
            return true;
        if (strcspn (text, "*?[") < size && text [size] == 0
            && fnmatch (text, against, FNM_PATHNAME) == 0)
            return true;
    }
    return false;
}

//  The end of a long path says more than its start. What is no text is for berth_fail to clean.
static void
s_show (const char *path, char *shown, size_t size)
{
    size_t length = strlen (path);
    bool cut = length >= size;
    if (cut)
        path += length - (size - 4);
    while (cut && (*path & 0xc0) == 0x80)
        path++;
    snprintf (shown, size, "%s%s", cut ? "..." : "", path);
}

int
tree_fail (berth_error_t *err, const char *what, const char *path)
{
    berth_code_t code = BERTH_PROVIDER_ERROR;
    if (errno == ENOENT || errno == ENOTDIR)
        code = BERTH_NOT_FOUND;
    else if (errno == EACCES || errno == EPERM || errno == EROFS)
        code = BERTH_FORBIDDEN;
    else if (errno == ENOSPC || errno == EDQUOT)
        code = BERTH_STORE_FULL;
    int saved = errno;
    char shown [140];
    s_show (*path ? path : ".", shown, sizeof shown);
    errno = saved;
    return berth_fail_errno (err, code, "%s '%s'", what, shown);
}

static int
s_openat2 (int folder, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t) (flags | O_CLOEXEC | O_NOFOLLOW | (flags & O_PATH ? 0 : O_NONBLOCK)),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    //  EAGAIN: a rename elsewhere kept the kernel from being sure; it asks to try again.
    for (unsigned tries = 0; ; tries++) {
        int fd = (int) syscall (SYS_openat2, folder, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || tries == 100)
            return fd;
    }
}

int
tree_open (int folder, const char *path, int flags)
{
    int base = folder;
    char piece [PATH_MAX];
    size_t length = strlen (path);
    while (length >= sizeof piece) {
        //  Whole names, as many as one call takes.
        size_t size = sizeof piece - 1;
        while (path [size] != '/')
            size--;
        memcpy (piece, path, size);
        piece [size] = 0;
        int next = s_openat2 (base, piece, O_PATH | O_DIRECTORY);
        int saved = errno;
        if (base != folder)
            close (base);
        errno = saved;
        if (next < 0)
            return -1;
        base = next;
        path += size + 1;
        length -= size + 1;
    }
    int fd = s_openat2 (base, path, flags);
    int saved = errno;
    if (base != folder)
        close (base);
    errno = saved;
    return fd;
}

int
tree_open_folder (int folder, const char *path)
{
    return tree_open (folder, *path ? path : ".", O_RDONLY | O_DIRECTORY);
}

int
tree_open_host (const char *path, bool no_links)
{
    if (!no_links)
        return open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int top = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return -1;
    int fd = tree_open_folder (top, path + strspn (path, "/")), failure = errno;
    close (top);
    errno = failure;
    return fd;
}

bool
tree_swapped (int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENXIO
        || error == EISDIR || error == EXDEV || error == ESTALE || error == ENODEV;
}

char *
tree_join (const char *path, const char *name)
{
    size_t left = strlen (path), right = strlen (name);
    char *joined = malloc (left + right + 2);
    ENSURE (joined);
    memcpy (joined, path, left);
    if (left)
        joined [left++] = '/';
    memcpy (joined + left, name, right + 1);
    return joined;
}

unsigned
tree_depth (const char *path)
{
    unsigned depth = *path != 0;
    while ((path = strchr (path, '/'))) {
        depth++;
        path++;
    }
    return depth;
}

tree_kind_t
tree_kind (mode_t mode)
{
    return S_ISREG (mode) ? TREE_FILE : S_ISDIR (mode) ? TREE_FOLDER
         : S_ISLNK (mode) ? TREE_LINK : TREE_OTHER;
}

void
tree_list_add (tree_list_t *self, const char *name, unsigned char type)
{
    size_t size = strlen (name) + 1;
    if (self->names_size + size > self->names_room) {
        self->names_room = 2 * self->names_room + size + 4096;
        self->names = realloc (self->names, self->names_room);
        ENSURE (self->names);
    }
    if (self->count == self->room) {
        self->room = 2 * self->room + 64;
        self->items = realloc (self->items, self->room * sizeof *self->items);
        ENSURE (self->items);
    }
    self->items [self->count++] = (tree_name_t) { self->names_size, type };
    memcpy (self->names + self->names_size, name, size);
    self->names_size += size;
}

static int
s_compare (const void *left, const void *right, void *names)
{
    const tree_name_t *a = left, *b = right;
    return strcmp ((const char *) names + a->name, (const char *) names + b->name);
}

int
tree_list (tree_job_t *job, int folder, tree_list_t *list, const char *path, berth_error_t *err)
{
    list->count = list->names_size = 0;
    _Alignas (struct dirent64) char buffer [32768];
    for (;;) {
        ssize_t size = getdents64 (folder, buffer, sizeof buffer);
        if (size < 0)
            return tree_fail (err, "cannot list", path);
        if (size == 0)
            break;
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry = (const void *) (buffer + at);
            at += entry->d_reclen;
            const char *name = entry->d_name;
            if (name [0] == '.' && (!name [1] || (name [1] == '.' && !name [2])))
                continue;
            if (++job->entries > job->options.max_entries)
                return berth_fail (err, BERTH_INVALID, "the folder holds more than %llu entries",
                                   (unsigned long long) job->options.max_entries);
            tree_list_add (list, name, entry->d_type);
        }
        if (tree_job_tick (job, err))
            return -1;
    }
    if (list->count > 1)
        qsort_r (list->items, list->count, sizeof *list->items, s_compare, list->names);
    return 0;
}

void
tree_list_free (tree_list_t *self)
{
    free (self->names);
    free (self->items);
    *self = (tree_list_t) { 0 };
}

void
tree_folders_push (tree_folders_t *self, char *path, mode_t mode)
{
    if (self->count == self->room) {
        self->room = 2 * self->room + 64;
        self->items = realloc (self->items, self->room * sizeof *self->items);
        ENSURE (self->items);
    }
    self->items [self->count++] = (tree_folder_t) { path, mode };
}

void
tree_folders_free (tree_folders_t *self)
{
    while (self->count)
        free (self->items [--self->count].path);
    free (self->items);
}
