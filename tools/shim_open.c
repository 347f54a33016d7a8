//  shim_open.c - owns the way from a parked shim to an open place, and back where that fails.

#include "relay.h"

#include "clock.h"
#include "codec.h"
#include "process.h"
#include "shim_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    FRAME_WAIT_MS = 10000, WALLS_WAIT_MS = 60000,
    LOCK_WAIT_MS = 5000,            //  For a shim that is still opening the place,
    OPEN_WAIT_MS = 300              //  and for one that has: it may be about to see that nobody takes it
};

//  ---- the call

//  Waits for a call socket. False when the spawner is gone: there will be none.
static bool
s_wait_for_call (shim_t *self, int control, bool *ret_dress)
{
    uint8_t byte;
    union {
        char bytes [CMSG_SPACE (sizeof (int))];
        struct cmsghdr align;
    } rights;
    struct iovec part = { &byte, 1 };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes
    };
    ssize_t got;
    do
        got = recvmsg (control, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    close (control);
    if (got != 1 || !header || header->cmsg_type != SCM_RIGHTS)
        return false;
    memcpy (&self->call.fd, CMSG_DATA (header), sizeof (int));
    *ret_dress = byte == SHIM_CALL_DRESS;
    return true;
}

static bool
s_read_all (int fd, void *data, size_t size, int64_t deadline)
{
    for (size_t done = 0; done < size;) {
        int64_t left = deadline - berth_mono_ms ();
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        if (left <= 0 || poll (&wait, 1, (int) left) <= 0)
            return false;
        ssize_t got = read (fd, (uint8_t *) data + done, size - done);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
            return false;
        if (got > 0)
            done += (size_t) got;
    }
    return true;
}

static int
s_read_frame (shim_t *self, berth_bytes_t *ret_frame, berth_error_t *err)
{
    int64_t deadline = berth_mono_ms () + FRAME_WAIT_MS;
    uint32_t length;
    if (!s_read_all (self->call.fd, &length, sizeof length, deadline))
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the call ended before it said anything");
    if (length == 0 || length > SHIM_FRAME_MAX)
        return berth_fail (err, BERTH_INVALID, "a place is not described by %u bytes", length);
    uint8_t *data = arena_take (self->keep, length);
    if (!s_read_all (self->call.fd, data, length, deadline))
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the call ended in its middle");
    *ret_frame = (berth_bytes_t) { data, length };
    return 0;
}

static int
s_read_open (shim_t *self, berth_error_t *err)
{
    berth_bytes_t frame;
    if (s_read_frame (self, &frame, err)
        || berth_unpack (&shim_open_schema, frame, self->keep, &self->open, err))
        return -1;
    if (self->open.v < SHIM_VERSION_OLDEST || self->open.v > SHIM_VERSION)
        return berth_fail (err, BERTH_UNSUPPORTED, "this shim does not speak version %llu",
                           (unsigned long long) self->open.v);
    if (!self->open.argv.count && !self->open.relay)
        return berth_fail (err, BERTH_INVALID, "there is nothing to execute");
    self->generation = self->open.generation;
    return 0;
}

//  Executes what waits for its arguments, and waits for the rest of the call. False: it will not
//  come, or what was executed did not wait.
static bool
s_dress (shim_t *self, berth_bytes_t *ret_worn)
{
    shim_dress_t dress;
    berth_bytes_t frame;
    berth_error_t err = { 0 };
    if (s_read_frame (self, &frame, &err)
        || berth_unpack (&shim_dress_schema, frame, self->keep, &dress, &err)
        || shim_launch (self, &dress, &err))
        return false;
    shim_spare_make (self, dress.folder);
    shim_dress_t executed = dress;
    executed.folder = (berth_bytes_t) { NULL, 0 };
    executed.has &= ~(1ull << shim_dress_F_folder);
    *ret_worn = berth_pack (&shim_dress_schema, &executed, self->keep);
    struct pollfd wait [2] = {
        { .fd = self->call.fd, .events = POLLIN }, { .fd = self->walls_watch.fd, .events = POLLIN }
    };
    while (poll (wait, 2, -1) < 0)
        continue;
    return !wait [1].revents && !(wait [0].revents & POLLHUP);
}

void
shim_answer_call (shim_t *self)
{
    berth_bytes_t frame = berth_pack (&shim_opened_schema, &self->opened, self->scratch);
    uint8_t *data = arena_take (self->scratch, 4 + frame.size);
    uint32_t length = (uint32_t) frame.size;
    memcpy (data, &length, 4);
    memcpy (data + 4, frame.data, frame.size);
    //  Small: it fits the socket's buffer, and who is gone is seen later
    (void) send (self->call.fd, data, 4 + frame.size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

//  ---- what it leaves in its folder

static const char *
s_path (shim_t *self, const char *name)
{
    return arena_printf (self->scratch, "%.*s/%s", (int) self->open.folder.size,
                         (const char *) self->open.folder.data, name);
}

int
shim_write_record (shim_t *self, berth_error_t *err)
{
    pid_t walls = self->walls > 0 ? self->walls : getpid ();    //  Never 0, which is a group
    shim_record_t record = {
        .v = SHIM_VERSION, .place = self->open.place, .generation = self->generation,
        .boot = berth_boot_id (), .pid = getpid (), .start = berth_process_start (getpid ()),
        .walls_pid = walls, .walls_start = berth_process_start (walls),
        .ends_by = self->opened.ends_by, .cgroup = self->cgroup.name,
        .v2 = self->cgroup.v2, .memory = self->cgroup.memory, .pids = self->cgroup.pids,
        .socket = self->open.socket
    };
    berth_bytes_t frame = berth_pack (&shim_record_schema, &record, self->scratch);
    const char *fresh = s_path (self, "shim.msgpack.new");
    int file = open (fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the place's folder cannot be written");
    ssize_t done = write (file, frame.data, frame.size);
    close (file);
    if (done != (ssize_t) frame.size || rename (fresh, s_path (self, "shim.msgpack")))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the place's record cannot be written");
    return 0;
}

static int
s_open_log (shim_t *self, berth_error_t *err)
{
    self->log = open (s_path (self, "shim.log"),
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->log < 0)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR,
                                 "the place's folder '%.*s' cannot be written",
                                 (int) self->open.folder.size, (const char *) self->open.folder.data);
    struct stat status;
    if (fstat (self->log, &status) == 0)
        self->log_size = (size_t) status.st_size;
    (void) dup2 (self->log, STDERR_FILENO);     //  Where a bug of ours says where it is
    return 0;
}

//  A place that is open already stays open: then these walls are taken down again.
static bool
s_somebody_listens (shim_t *self)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy (address.sun_path, self->open.socket.data, self->open.socket.size);
    int probe = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = connect (probe, (struct sockaddr *) &address, sizeof address) == 0
                || errno == EAGAIN;
    close (probe);
    return listens;
}

//  One shim for a folder, until its end: one that a dead berthd had asked for may still be opening
//  the place, and would take the next one's socket and record along when it finds that nobody waits.
static int
s_lock (shim_t *self, berth_error_t *err)
{
    int64_t now = berth_mono_ms (), deadline = now + LOCK_WAIT_MS;
    self->lock = open (s_path (self, "."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->lock < 0)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the place's folder cannot be opened");
    while (flock (self->lock, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the place's folder cannot be locked");
        now = berth_mono_ms ();
        if (now >= deadline)
            return berth_fail (err, BERTH_CONFLICT, "the place is open already");
        if (now + OPEN_WAIT_MS < deadline && s_somebody_listens (self))
            deadline = now + OPEN_WAIT_MS;
        (void) poll (NULL, 0, 2);               //  A lock that is let go tells nobody
    }
    return 0;
}

static int
s_listen (shim_t *self, berth_error_t *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy (address.sun_path, self->open.socket.data, self->open.socket.size);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "no socket can be made");
    umask (0177);
    int rc = bind (fd, (struct sockaddr *) &address, sizeof address);
    if (rc && errno == EADDRINUSE) {
        int probe = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        bool used = connect (probe, (struct sockaddr *) &address, sizeof address) == 0
                 || errno != ECONNREFUSED;
        close (probe);
        if (used) {
            umask (077);
            close (fd);
            return berth_fail (err, BERTH_CONFLICT, "the place is open already");
        }
        (void) unlink (address.sun_path);
        rc = bind (fd, (struct sockaddr *) &address, sizeof address);
    }
    int saved = errno;
    umask (077);
    errno = saved;
    if (rc) {
        (void) berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the place's socket '%s' cannot be made",
                                 address.sun_path);
        close (fd);
        return -1;
    }
    self->listener = (watch_t) { .fd = fd, .ready = shim_listener_ready };
    return 0;
}

//  ---- the walls

//  What will hold the limits.
static int
s_limits_by (shim_t *self, bool *ret_by_rlimits, berth_error_t *err)
{
    const shim_limits_t *limits = self->open.limits;
    const char *by = cgroup_limits_by (&self->cgroup);
    bool wanted = limits && (limits->memory_bytes || limits->pids);
    *ret_by_rlimits = false;
    self->opened.limits_by = "none";
    if (!wanted)
        return 0;
    if (by) {
        self->opened.limits_by = by;
        return 0;
    }
    if (self->open.limits_required) {
        berth_error_set (err->remedy, sizeof err->remedy,
                         "delegate a cgroup with memory and pids to the service, or drop the limits");
        return berth_fail (err, BERTH_PROVIDER_ERROR,
                           "memory and processes cannot be limited: no cgroup for that can be made");
    }
    self->opened.limits_by = "rlimit";
    *ret_by_rlimits = true;
    return 0;
}

//  In force before anything of a client's runs.
static int
s_limit (shim_t *self, berth_error_t *err)
{
    const shim_limits_t *limits = self->open.limits;
    bool wanted = limits && (limits->memory_bytes || limits->pids);
    return wanted && cgroup_limits_by (&self->cgroup)
        ? cgroup_limit (&self->cgroup, limits->memory_bytes, limits->pids, err) : 0;
}

static int
s_walls_failed (shim_t *self, berth_error_t *err)
{
    while (self->log_pipe.fd >= 0) {            //  What they said before they went
        struct pollfd wait = { .fd = self->log_pipe.fd, .events = POLLIN };
        if (poll (&wait, 1, 0) <= 0)
            break;
        shim_log_ready (self, &self->log_pipe, POLLIN);
    }
    return berth_fail (err, BERTH_PROVIDER_ERROR, "the walls cannot be built: %s",
                       self->last_words [0] ? self->last_words : "they ended without a word");
}

//  Reads init's hello, and who it is as seen from here.
static int
s_read_hello (shim_t *self, berth_error_t *err)
{
    init_report_t report;
    union {
        char bytes [CMSG_SPACE (sizeof (struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec part = { &report, sizeof report };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = control.bytes, .msg_controllen = sizeof control.bytes
    };
    ssize_t got = recvmsg (self->init.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got <= 0)
        return s_walls_failed (self, err);
    if (got != (ssize_t) sizeof report || report.op != INIT_HELLO || report.value != INIT_VERSION)
        return berth_fail (err, BERTH_PROVIDER_ERROR, "what runs in the place is not this berth-init");
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    if (header && header->cmsg_type == SCM_CREDENTIALS) {
        struct ucred who;
        memcpy (&who, CMSG_DATA (header), sizeof who);
        if (who.pid > 0)
            self->init_pidfd = (int) syscall (SYS_pidfd_open, who.pid, 0);
    }
    int no = 0;
    (void) setsockopt (self->init.fd, SOL_SOCKET, SO_PASSCRED, &no, sizeof no);
    return 0;
}

static int
s_wait_for_init (shim_t *self, berth_error_t *err)
{
    int64_t deadline = berth_mono_ms () + WALLS_WAIT_MS;
    while (true) {
        int64_t left = deadline - berth_mono_ms ();
        struct pollfd wait [4] = {
            { .fd = self->init.fd, .events = POLLIN }, { .fd = self->log_pipe.fd, .events = POLLIN },
            { .fd = self->call.fd, .events = POLLIN }, { .fd = self->walls_watch.fd, .events = POLLIN }
        };
        if (left <= 0)
            return berth_fail (err, BERTH_PROVIDER_TIMEOUT, "the walls were not built in %d s",
                               WALLS_WAIT_MS / 1000);
        if (poll (wait, 4, (int) left) < 0)
            continue;
        if (wait [1].revents)
            shim_log_ready (self, &self->log_pipe, POLLIN);
        if (wait [2].revents)                   //  It has nothing more to say but that it is gone
            return berth_fail (err, BERTH_PROVIDER_TIMEOUT, "who asked for the place is gone");
        if (wait [0].revents)
            return s_read_hello (self, err);
        if (wait [3].revents)
            return s_walls_failed (self, err);
    }
}

//  worn: what is executed already.
static int
s_build (shim_t *self, berth_bytes_t worn, berth_error_t *err)
{
    bool by_rlimits;
    shim_dress_t dress = shim_dress_of (&self->open);
    berth_bytes_t asked = berth_pack (&shim_dress_schema, &dress, self->scratch);
    if (worn.size && (worn.size != asked.size || memcmp (worn.data, asked.data, asked.size)))
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the shim was told to execute something else");
    if (s_limits_by (self, &by_rlimits, err))
        return -1;
    const char *ends_by = cgroup_ends_by (&self->cgroup);
    self->opened.ends_by = ends_by ? ends_by : self->open.pid_namespace ? "pidns" : "pgroup";
    //  Socket, log, record and a spool are made while the walls are being built
    if ((!worn.size && shim_launch (self, &dress, err)) || shim_launch_on (self, by_rlimits, err)
        || s_limit (self, err) || s_listen (self, err)
        || s_open_log (self, err) || shim_write_record (self, err))
        return -1;
    shim_spare_make (self, self->open.folder);
    if (s_wait_for_init (self, err))
        return -1;
    if (listen (self->listener.fd, SHIM_CONNECTIONS_MAX))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the place's socket cannot listen");
    return 0;
}

//  The place is elsewhere: it is answered when that is known, in the loop.
static int
s_relay (shim_t *self, berth_error_t *err)
{
    return (!self->open.relay->end && s_listen (self, err)) || s_open_log (self, err)
        || relay_start (self, err) ? -1 : 0;
}

//  Takes back whatever was begun.
static void
s_undo (shim_t *self)
{
    if (self->launcher >= 0)
        close (self->launcher);                 //  It ends: there is nothing to launch
    self->launcher = -1;
    shim_launch_off (self);
    while (!shim_end_processes (self))
        continue;
    cgroup_remove (&self->cgroup);
    shim_spare_remove (self);
    if (self->listener.fd >= 0) {
        char path [128] = { 0 };
        memcpy (path, self->open.socket.data, self->open.socket.size);
        (void) unlink (path);
        (void) unlink (s_path (self, "shim.msgpack"));
    }
    shim_unlock (self);
}

bool
shim_open_place (shim_t *self, int control)
{
    berth_error_t err = { 0 };
    berth_bytes_t worn = { NULL, 0 };
    bool dress;
    self->walls_watch = (watch_t) {
        .fd = (int) syscall (SYS_pidfd_open, self->walls, 0), .ready = shim_walls_ready
    };
    self->opened.boot = berth_boot_id ();       //  Read while nobody waits
    if (!s_wait_for_call (self, control, &dress) || (dress && !s_dress (self, &worn))) {
        s_undo (self);
        return false;
    }
    berth_put (shim_opened, &self->opened, pid, getpid ());
    self->opened.cgroup = self->cgroup.name;
    if (s_read_open (self, &err) || s_lock (self, &err)
        || (self->open.relay ? s_relay (self, &err) : s_build (self, worn, &err))) {
        s_undo (self);                          //  Before it is told: nothing is left then
        self->opened.error = err.text;
        self->opened.remedy = err.remedy [0] ? err.remedy : NULL;
        shim_answer_call (self);
        return false;
    }
    self->init.ready = shim_init_ready;
    self->log_pipe.ready = shim_log_ready;
    self->call.ready = shim_call_ready;
    watch_set (self, &self->call, EPOLLIN);
    if (self->relay) {
        watch_set (self, &self->listener, EPOLLIN);
        return true;
    }
    watch_set (self, &self->init, EPOLLIN);
    watch_set (self, &self->log_pipe, EPOLLIN);
    watch_set (self, &self->walls_watch, EPOLLIN);
    watch_set (self, &self->listener, EPOLLIN);
    berth_put (shim_opened, &self->opened, ok, true);
    shim_answer_call (self);
    arena_clear (self->scratch);
    return true;
}
