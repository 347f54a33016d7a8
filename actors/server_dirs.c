//  server_dirs.c - owns nothing: makes directories and locks.

#include "server_dirs.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOCKET_PATH_MAX = 107, SHIM_NAME = 35, CHILD_WAIT_MS = 1000 };     //  /p/ and 32 digits

static int
s_make (const char *path, mode_t mode)
{
    char part [4096];
    if (snprintf (part, sizeof part, "%s", path) >= (int) sizeof part) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *slash = strchr (part + 1, '/'); slash; slash = strchr (slash + 1, '/')) {
        *slash = 0;
        if (mkdir (part, 0755) && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return mkdir (part, mode) && errno != EEXIST ? -1 : 0;
}

int
server_make_dir (const char *path, const char *what, berth_error_t *err)
{
    if (path [0] != '/')
        return berth_fail (err, BERTH_INVALID, "the %s directory '%s' must be an absolute path",
                           what, path);
    if (s_make (path, geteuid () == 0 ? 0711 : 0700)) {
        berth_error_set (err->remedy, sizeof err->remedy,
                         "name another with --%s, or give this user the right to write there", what);
        return berth_fail_errno (err, BERTH_FORBIDDEN, "cannot make the %s directory %s", what, path);
    }
    //  Its owner could put another store in the place of ours
    struct stat stat_of;
    if (stat (path, &stat_of) == 0 && stat_of.st_uid != geteuid () && stat_of.st_uid != 0) {
        berth_error_set (err->remedy, sizeof err->remedy,
                         "name another with --%s, or let user %u own it", what, geteuid ());
        return berth_fail (err, BERTH_FORBIDDEN, "the %s directory %s belongs to user %u", what, path,
                           stat_of.st_uid);
    }
    if (access (path, W_OK | X_OK)) {
        berth_error_set (err->remedy, sizeof err->remedy,
                         "name another with --%s, or give this user the right to write there", what);
        return berth_fail_errno (err, BERTH_FORBIDDEN, "the %s directory %s cannot be written", what,
                                 path);
    }
    return 0;
}

int
server_lock (const char *path, const char *name, int *ret_fd, berth_error_t *err)
{
    char file [4200];
    snprintf (file, sizeof file, "%s/%s", path, name);
    int fd = open (file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return berth_fail_errno (err, BERTH_FORBIDDEN, "cannot open the lock %s", file);
    int64_t deadline = berth_mono_ms () + CHILD_WAIT_MS;
    while (flock (fd, LOCK_EX | LOCK_NB)) {
        char pid [32] = "";
        ssize_t size = pread (fd, pid, sizeof pid - 1, 0);
        pid [size > 0 ? size : 0] = 0;
        pid [strcspn (pid, "\n")] = 0;
        long number = strtol (pid, NULL, 10);
        //  Killed behind a fork: its child has the lock until it closes what it came with
        if (number > 0 && kill ((pid_t) number, 0) && errno == ESRCH && berth_mono_ms () < deadline) {
            (void) poll (NULL, 0, 2);
            continue;
        }
        close (fd);
        berth_error_set (err->remedy, sizeof err->remedy,
                         "stop it (berth bus shutdown), or name other directories");
        return berth_fail (err, BERTH_CONFLICT, "another berthd (pid %s) uses %s",
                           pid [0] ? pid : "unknown", path);
    }
    char text [32];
    int size = snprintf (text, sizeof text, "%d\n", (int) getpid ());
    if (ftruncate (fd, 0) || pwrite (fd, text, (size_t) size, 0) != size) {
        close (fd);
        return berth_fail_errno (err, errno == ENOSPC ? BERTH_STORE_FULL : BERTH_INTERNAL,
                                 "cannot write the lock %s", file);
    }
    *ret_fd = fd;
    return 0;
}

int
server_endpoint (const char *runtime, const char *name, char *endpoint, size_t size,
                  berth_error_t *err)
{
    size_t longest = strlen (runtime) + SHIM_NAME;
    if (longest > SOCKET_PATH_MAX) {
        berth_error_set (err->remedy, sizeof err->remedy, "name a shorter one with --runtime");
        return berth_fail (err, BERTH_INVALID,
                           "the runtime directory %s is too long: sockets below it would have %zu"
                           " bytes and the system takes %d", runtime, longest, SOCKET_PATH_MAX);
    }
    snprintf (endpoint, size, "ipc://%s/%s", runtime, name);
    return 0;
}
