//  machine.c - owns the played files and the table of played descriptors.

#include "machine.h"

#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

bool machine_on;
int64_t machine_now_ms;
size_t machine_room;
void (*machine_closed) (fd_t *fd);
int (*machine_special) (void);
static fd_t s_fds [FDS];
static size_t s_fds_used;               //  No descriptor at or above it
static played_file_t s_nodes [NODES];

//  A wrapped call: its own name is the system's, __wrap_name is called instead.
#define WRAP(type, name, args)                                                                     \
    type __real_##name args;                                                                       \
    type __wrap_##name args;                                                                       \
    type __wrap_##name args

static int
s_fail (int number)
{
    errno = number;
    return -1;
}

int
machine_fds_end (void)
{
    return FD_FIRST + (int) s_fds_used;
}

fd_t *
machine_fd (int fd)
{
    bool ours = fd >= FD_FIRST && fd < FD_FIRST + FDS;
    return ours && s_fds [fd - FD_FIRST].kind != FD_FREE ? &s_fds [fd - FD_FIRST] : NULL;
}

int
machine_fd_new (fd_kind_t kind, size_t of)
{
    for (size_t index = 0; index < FDS; index++)
        if (s_fds [index].kind == FD_FREE) {
            s_fds [index] = (fd_t) { .kind = kind, .of = of };
            if (kind != FD_OTHER) {
                s_fds [index].node = of;
                s_nodes [of].open++;
            }
            if (index >= s_fds_used)
                s_fds_used = index + 1;
            return FD_FIRST + (int) index;
        }
    return s_fail (EMFILE);
}

static void
s_forget (played_file_t *node)
{
    if (!node->linked && !node->open)
        node->used = false;
}

static played_file_t *
s_find (const char *path)
{
    for (size_t index = 0; index < NODES; index++)
        if (s_nodes [index].used && s_nodes [index].linked && strcmp (s_nodes [index].path, path) == 0)
            return &s_nodes [index];
    return NULL;
}

//  A new node, whose folder must exist. NULL with errno.
static played_file_t *
s_make (const char *path, bool folder)
{
    char parent [sizeof s_nodes [0].path];
    const char *slash = strrchr (path, '/');
    if (strlen (path) >= sizeof parent || !slash || !slash [1]) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    snprintf (parent, sizeof parent, "%.*s", (int) (slash - path), path);
    const played_file_t *above = s_find (parent);
    if (strcmp (path, MACHINE_ROOT) != 0 && (!above || !above->folder)) {
        errno = above ? ENOTDIR : ENOENT;
        return NULL;
    }
    for (size_t index = 0; index < NODES; index++) {
        played_file_t *node = &s_nodes [index];
        if (node->used)
            continue;
        *node = (played_file_t) { .used = true, .linked = true, .folder = folder, .data = node->data };
        snprintf (node->path, sizeof node->path, "%s", path);
        if (!folder && !node->data)
            node->data = malloc (FILE_MAX);
        return node;
    }
    errno = ENOSPC;
    return NULL;
}

played_file_t *
machine_file (const char *path, bool make)
{
    played_file_t *node = s_find (path);
    return node || !make ? node : s_make (path, false);
}

void
machine_folder (const char *path)
{
    if (!s_find (path))
        FUZZ_MUST (s_make (path, true), "%s", path);
}

void
machine_begin (void)
{
    for (size_t index = 0; index < NODES; index++)
        s_nodes [index].used = false;
    machine_now_ms = 1000000;
    machine_room = SIZE_MAX;
    machine_on = true;
    machine_folder (MACHINE_ROOT);
}

void
machine_end (void)
{
    machine_on = false;
    for (size_t index = 0; index < s_fds_used; index++)
        FUZZ_MUST (s_fds [index].kind == FD_FREE, "descriptor %zu of kind %d/%d was left open: %s", index,
                   s_fds [index].kind, (int) s_fds [index].of,
                   s_fds [index].kind == FD_OTHER ? "" : s_nodes [s_fds [index].node].path);
    s_fds_used = 0;
}

//  The path of a name beneath a folder's descriptor.
static bool
s_path (int folder, const char *name, char path [400])
{
    const fd_t *fd = folder == AT_FDCWD ? NULL : machine_fd (folder);
    if (folder != AT_FDCWD && (!fd || fd->kind != FD_DIR)) {
        errno = ENOTDIR;
        return false;
    }
    if (!fd || name [0] == '/')
        snprintf (path, 400, "%.399s", name);
    else if (strcmp (name, ".") == 0)
        snprintf (path, 400, "%s", s_nodes [fd->node].path);
    else
        snprintf (path, 400, "%s/%.190s", s_nodes [fd->node].path, name);
    //  What was removed has no names beneath it
    if (fd && !s_nodes [fd->node].linked) {
        errno = ENOENT;
        return false;
    }
    return true;
}

//  ---- files

static int
s_open (int folder, const char *name, int flags)
{
    char path [400];
    if (!s_path (folder, name, path))
        return -1;
    played_file_t *node = s_find (path);
    if (!node && !(flags & O_CREAT))
        return s_fail (ENOENT);
    if (node && (flags & O_EXCL))
        return s_fail (EEXIST);
    if (!node && machine_room == 0)
        return s_fail (ENOSPC);
    if (!node && !(node = s_make (path, false)))
        return -1;
    if ((flags & O_DIRECTORY) && !node->folder)
        return s_fail (ENOTDIR);
    if (node->folder && (flags & O_ACCMODE) != O_RDONLY)
        return s_fail (EISDIR);
    if (flags & O_TRUNC)
        node->size = 0;
    int fd = machine_fd_new (node->folder ? FD_DIR : FD_FILE, (size_t) (node - s_nodes));
    if (fd >= 0 && (flags & O_APPEND))
        machine_fd (fd)->position = node->size;
    return fd;
}

int __real_open (const char *path, int flags, ...);
int __wrap_open (const char *path, int flags, ...);
int
__wrap_open (const char *path, int flags, ...)
{
    if (machine_on && machine_special && strcmp (path, "/dev/null") == 0)
        return machine_special ();
    return machine_on ? s_open (AT_FDCWD, path, flags) : __real_open (path, flags, 0600);
}

int __real_openat (int folder, const char *path, int flags, ...);
int __wrap_openat (int folder, const char *path, int flags, ...);
int
__wrap_openat (int folder, const char *path, int flags, ...)
{
    return machine_on ? s_open (folder, path, flags) : __real_openat (folder, path, flags, 0600);
}

WRAP (int, close, (int number))
{
    fd_t *fd = machine_fd (number);
    if (!fd) {
        FUZZ_MUST (!machine_on || number < FD_FIRST, "descriptor %d is closed, which is not open", number);
        return __real_close (number);
    }
    if (fd->kind == FD_OTHER) {
        if (machine_closed)
            machine_closed (fd);
    }
    else {
        s_nodes [fd->node].open--;
        s_forget (&s_nodes [fd->node]);
    }
    fd->kind = FD_FREE;
    fd->events = 0;
    return 0;
}

WRAP (int, mkdir, (const char *path, mode_t mode))
{
    if (!machine_on)
        return __real_mkdir (path, mode);
    if (s_find (path))
        return s_fail (EEXIST);
    if (machine_room == 0)
        return s_fail (ENOSPC);
    return s_make (path, true) ? 0 : -1;
}

static ssize_t
s_write (played_file_t *node, const void *data, size_t size, size_t at)
{
    if (at > FILE_MAX)
        return s_fail (EFBIG);
    size_t part = size < FILE_MAX - at ? size : FILE_MAX - at;
    size_t there = at < node->size ? node->size - at : 0;       //  What lies there costs nothing
    if (part > there && part - there > machine_room)
        part = there + machine_room;
    if (part < size && part == 0)
        return s_fail (ENOSPC);
    if (machine_room != SIZE_MAX && part > there)
        machine_room -= part - there;
    if (at > node->size)
        memset (node->data + node->size, 0, at - node->size);
    if (part)
        memcpy (node->data + at, data, part);
    if (at + part > node->size)
        node->size = at + part;
    return (ssize_t) part;
}

ssize_t
machine_write_file (int number, const void *data, size_t size)
{
    fd_t *fd = machine_fd (number);
    FUZZ_MUST (fd && fd->kind == FD_FILE, "descriptor %d is written, which is no file", number);
    ssize_t done = s_write (&s_nodes [fd->node], data, size, fd->position);
    if (done > 0)
        fd->position += (size_t) done;
    return done;
}

ssize_t
machine_read_file (int number, void *data, size_t size)
{
    fd_t *fd = machine_fd (number);
    FUZZ_MUST (fd && fd->kind == FD_FILE, "descriptor %d is read, which is no file", number);
    const played_file_t *node = &s_nodes [fd->node];
    size_t left = fd->position < node->size ? node->size - fd->position : 0;
    size_t part = size < left ? size : left;
    if (part)
        memcpy (data, node->data + fd->position, part);
    fd->position += part;
    return (ssize_t) part;
}

static played_file_t *
s_file (int number)
{
    fd_t *fd = machine_fd (number);
    FUZZ_MUST (fd, "descriptor %d is used, which is not open", number);
    return fd->kind == FD_FILE ? &s_nodes [fd->node] : NULL;
}

WRAP (ssize_t, pread, (int fd, void *data, size_t size, off_t at))
{
    if (!machine_on)
        return __real_pread (fd, data, size, at);
    const played_file_t *node = s_file (fd);
    if (!node || at < 0)
        return s_fail (EINVAL);
    size_t left = (size_t) at < node->size ? node->size - (size_t) at : 0;
    size_t part = size < left ? size : left;
    if (part)
        memcpy (data, node->data + at, part);
    return (ssize_t) part;
}

WRAP (ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at))
{
    if (!machine_on)
        return __real_pwrite (fd, data, size, at);
    played_file_t *node = s_file (fd);
    return node ? s_write (node, data, size, (size_t) at) : s_fail (EBADF);
}

WRAP (ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t at))
{
    if (!machine_on)
        return __real_pwritev (fd, parts, count, at);
    played_file_t *node = s_file (fd);
    ssize_t done = 0;
    for (int index = 0; node && index < count; index++) {
        ssize_t part = s_write (node, parts [index].iov_base, parts [index].iov_len, (size_t) (at + done));
        if (part < 0)
            return done ? done : -1;
        done += part;
        if ((size_t) part < parts [index].iov_len)
            break;
    }
    return node ? done : s_fail (EBADF);
}

WRAP (int, ftruncate, (int fd, off_t size))
{
    if (!machine_on)
        return __real_ftruncate (fd, size);
    played_file_t *node = s_file (fd);
    if (!node || size < 0 || size > FILE_MAX)
        return s_fail (EINVAL);
    if ((size_t) size > node->size)
        memset (node->data + node->size, 0, (size_t) size - node->size);
    node->size = (size_t) size;
    return 0;
}

WRAP (int, fstat, (int fd, struct stat *status))
{
    if (!machine_on)
        return __real_fstat (fd, status);
    const played_file_t *node = s_file (fd);
    memset (status, 0, sizeof *status);
    status->st_mode = node ? S_IFREG | 0600 : S_IFCHR | 0600;
    status->st_size = node ? (off_t) node->size : 0;
    status->st_nlink = node ? node->linked : 1;
    return 0;
}

WRAP (int, fdatasync, (int fd))
{
    return machine_on ? 0 : __real_fdatasync (fd);
}

WRAP (int, fsync, (int fd))
{
    return machine_on ? 0 : __real_fsync (fd);
}

//  ---- names

WRAP (int, access, (const char *path, int mode))
{
    if (!machine_on)
        return __real_access (path, mode);
    return s_find (path) ? 0 : s_fail (ENOENT);
}

WRAP (int, faccessat, (int folder, const char *name, int mode, int flags))
{
    char path [400];
    if (!machine_on)
        return __real_faccessat (folder, name, mode, flags);
    return s_path (folder, name, path) && s_find (path) ? 0 : s_fail (ENOENT);
}

static int
s_unlink (const char *path, bool folder)
{
    played_file_t *node = s_find (path);
    if (!node)
        return s_fail (ENOENT);
    if (node->folder != folder)
        return s_fail (folder ? ENOTDIR : EISDIR);
    size_t length = strlen (path);
    for (size_t index = 0; folder && index < NODES; index++)
        if (s_nodes [index].used && s_nodes [index].linked && &s_nodes [index] != node
            && strncmp (s_nodes [index].path, path, length) == 0 && s_nodes [index].path [length] == '/')
            return s_fail (ENOTEMPTY);
    node->linked = false;
    s_forget (node);
    return 0;
}

WRAP (int, unlinkat, (int folder, const char *name, int flags))
{
    char path [400];
    if (!machine_on)
        return __real_unlinkat (folder, name, flags);
    return s_path (folder, name, path) ? s_unlink (path, flags & AT_REMOVEDIR) : -1;
}

WRAP (int, unlink, (const char *path))
{
    return machine_on ? s_unlink (path, false) : __real_unlink (path);
}

WRAP (int, rmdir, (const char *path))
{
    return machine_on ? s_unlink (path, true) : __real_rmdir (path);
}

//  A folder takes what is in it along.
static int
s_rename (const char *from, const char *to, bool replace)
{
    played_file_t *node = s_find (from), *there = s_find (to);
    if (!node)
        return s_fail (ENOENT);
    if (there && (!replace || there->folder))
        return s_fail (EEXIST);
    size_t length = strlen (from);
    char parent [sizeof node->path];
    const char *slash = strrchr (to, '/');
    if (strlen (to) >= sizeof node->path - 40 || !slash)
        return s_fail (ENAMETOOLONG);
    snprintf (parent, sizeof parent, "%.*s", (int) (slash - to), to);
    if (!s_find (parent))
        return s_fail (ENOENT);
    if (there) {
        there->linked = false;
        s_forget (there);
    }
    for (size_t index = 0; index < NODES; index++) {
        played_file_t *one = &s_nodes [index];
        if (!one->used || !one->linked || strncmp (one->path, from, length) != 0
            || (one->path [length] != '/' && one->path [length]))
            continue;
        char path [sizeof one->path];
        snprintf (path, sizeof path, "%s%.39s", to, one->path + length);
        memcpy (one->path, path, sizeof path);
    }
    return 0;
}

WRAP (int, rename, (const char *from, const char *to))
{
    return machine_on ? s_rename (from, to, true) : __real_rename (from, to);
}

WRAP (int, renameat2, (int from_folder, const char *from, int to_folder, const char *to, unsigned flags))
{
    if (!machine_on)
        return __real_renameat2 (from_folder, from, to_folder, to, flags);
    return s_rename (from, to, !(flags & 1));
}

//  ---- lists

typedef struct {
    int fd;
    size_t next;
    struct dirent entry;
} list_t;

WRAP (DIR *, fdopendir, (int fd))
{
    if (!machine_on)
        return __real_fdopendir (fd);
    static list_t lists [4];
    for (size_t index = 0; index < BERTH_COUNT (lists); index++)
        if (!lists [index].fd) {
            lists [index].fd = fd;
            lists [index].next = 0;
            return (DIR *) &lists [index];
        }
    errno = ENOMEM;
    return NULL;
}

WRAP (struct dirent *, readdir, (DIR *dir))
{
    if (!machine_on)
        return __real_readdir (dir);
    list_t *self = (list_t *) dir;
    const fd_t *fd = machine_fd (self->fd);
    const char *base = s_nodes [fd->node].path;
    size_t length = strlen (base);
    while (self->next < NODES) {
        const played_file_t *node = &s_nodes [self->next++];
        if (!node->used || !node->linked || strncmp (node->path, base, length) != 0
            || node->path [length] != '/' || strchr (node->path + length + 1, '/'))
            continue;
        snprintf (self->entry.d_name, sizeof self->entry.d_name, "%s", node->path + length + 1);
        return &self->entry;
    }
    return NULL;
}

WRAP (int, closedir, (DIR *dir))
{
    if (!machine_on)
        return __real_closedir (dir);
    list_t *self = (list_t *) dir;
    int fd = self->fd;
    self->fd = 0;
    return close (fd);
}
