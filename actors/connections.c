//  connections.c - owns nothing: it looks at descriptors, and shuts connections down.

#include "connections.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef union {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_un local;
    struct sockaddr_storage room;
} address_t;

static bool
s_end_of (const address_t *address, far_end_t *ret_end)
{
    memset (ret_end, 0, sizeof *ret_end);
    ret_end->family = address->any.sa_family;
    if (address->any.sa_family == AF_INET) {
        ret_end->port = ntohs (address->four.sin_port);
        memcpy (ret_end->address, &address->four.sin_addr, sizeof address->four.sin_addr);
        return true;
    }
    if (address->any.sa_family == AF_INET6) {
        ret_end->port = ntohs (address->six.sin6_port);
        memcpy (ret_end->address, &address->six.sin6_addr, sizeof address->six.sin6_addr);
        return true;
    }
    return false;
}

bool
connection_far (int fd, uint16_t port, far_end_t *ret_far)
{
    address_t ours, theirs;
    socklen_t ours_size = sizeof ours, theirs_size = sizeof theirs;
    far_end_t near;
    return getsockname (fd, &ours.any, &ours_size) == 0 && s_end_of (&ours, &near)
        && near.port == port && getpeername (fd, &theirs.any, &theirs_size) == 0
        && s_end_of (&theirs, ret_far);
}

static bool
s_end_if (int fd, uint16_t port, connection_keep_fn *keep, void *context)
{
    int copy = fcntl (fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return false;
    far_end_t far;
    bool ends = connection_far (copy, port, &far) && !(keep && keep (context, &far))
        && shutdown (copy, SHUT_RDWR) == 0;
    close (copy);
    return ends;
}

bool
connection_end (int fd, uint16_t port)
{
    return s_end_if (fd, port, NULL, NULL);
}

bool
connection_end_local (int fd, const char *path)
{
    int copy = fcntl (fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return false;
    address_t ours = { .room = { 0 } };
    socklen_t size = sizeof ours;
    bool ends = getsockname (copy, &ours.any, &size) == 0 && ours.any.sa_family == AF_UNIX
        && strncmp (ours.local.sun_path, path, sizeof ours.local.sun_path) == 0
        && shutdown (copy, SHUT_RDWR) == 0;
    close (copy);
    return ends;
}

size_t
connections_end (uint16_t port, connection_keep_fn *keep, void *context)
{
    DIR *folder = opendir ("/proc/self/fd");
    size_t ended = 0;
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir (folder));) {
        char *end;
        long fd = strtol (entry->d_name, &end, 10);
        if (*end == 0 && end != entry->d_name)
            ended += s_end_if ((int) fd, port, keep, context);
    }
    closedir (folder);
    return ended;
}
