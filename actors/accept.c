//  accept.c - owns this process's accept4, and one descriptor to spare.

#include "accept.h"

#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int s_most = INT_MAX;             //  Descriptors of connections are below it
static atomic_int s_spare = -1;
static atomic_uint_fast64_t s_refused;
static atomic_uint_fast64_t s_count;
static atomic_uint_fast64_t s_births [ACCEPT_FILES_MAX];

static int
s_spare_new (void)
{
    return open ("/dev/null", O_RDONLY | O_CLOEXEC);
}

void
accept_guard (void)
{
    struct rlimit limit;
    if (getrlimit (RLIMIT_NOFILE, &limit))
        return;
    rlim_t wanted = limit.rlim_max < ACCEPT_FILES_MAX ? limit.rlim_max : ACCEPT_FILES_MAX;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted;
        (void) setrlimit (RLIMIT_NOFILE, &limit);       //  Else it stays as it is
        (void) getrlimit (RLIMIT_NOFILE, &limit);
    }
    rlim_t most = limit.rlim_cur / 4 * 3;
    s_most = most < BERTH_CONNECTIONS_MAX ? (int) most : BERTH_CONNECTIONS_MAX;
    if (s_spare < 0)
        s_spare = s_spare_new ();
}

uint64_t
accept_refused (void)
{
    return s_refused;
}

uint64_t
accept_count (void)
{
    return s_count;
}

uint64_t
accept_birth (int fd)
{
    return fd >= 0 && fd < ACCEPT_FILES_MAX && s_births [fd] ? s_births [fd] : UINT64_MAX;
}

//  No descriptor is left at all: the connection is taken with the spare one, so that it does not
//  wait, and wake the listener, for ever.
static void
s_shed (int listener)
{
    int spare = atomic_exchange (&s_spare, -1);
    if (spare >= 0)
        close (spare);
    int fd = (int) syscall (SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close (fd);
    if (spare >= 0)
        s_spare = s_spare_new ();
}

//  The lowest free number is given to a descriptor, so a high one says that there are many.
int
accept4 (int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    int fd = (int) syscall (SYS_accept4, listener, address, length, flags);
    bool none = fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (fd >= 0 && fd < ACCEPT_FILES_MAX && fd < s_most)
        s_births [fd] = ++s_count;
    if (fd < s_most && !none)
        return fd;
    if (none)
        s_shed (listener);
    else
        close (fd);
    s_refused++;
    errno = ECONNABORTED;
    return -1;
}
