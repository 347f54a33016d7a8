//  shim_link.c - owns one connection to a shim: bytes on their way in and out.

#include "shim_link.h"

#include "cgroup.h"
#include "clock.h"
#include "codec.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINK_MAGIC 0x5811a4c1u

enum { UNSENT_MAX = 4 * 1048576, READ_SIZE = 16384, RECORD_MAX = 16384 };

struct shim_link {
    uint32_t magic;
    int fd;
    uint8_t *in, *out;
    size_t in_size, in_room, out_size, out_room;
};

static void
s_grow (uint8_t **data, size_t *room, size_t need)
{
    if (need <= *room)
        return;
    size_t wanted = *room ? *room : READ_SIZE;
    while (wanted < need)
        wanted *= 2;
    *data = realloc (*data, wanted);
    ENSURE (*data);
    *room = wanted;
}

static int
s_gone (berth_error_t *err)
{
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE, "the place's shim is gone");
}

static int
s_nonsense (berth_error_t *err)
{
    return berth_fail (err, BERTH_PROVIDER_ERROR, "the place's shim says nonsense");
}

static int
s_wait (int fd, short events, int64_t deadline, berth_error_t *err)
{
    while (true) {
        int64_t left = deadline - berth_mono_ms ();
        struct pollfd wait = { .fd = fd, .events = events };
        if (left <= 0)
            return berth_fail (err, BERTH_PROVIDER_TIMEOUT, "the place's shim did not answer in time");
        int count = poll (&wait, 1, left > INT32_MAX ? INT32_MAX : (int) left);
        if (count > 0)
            return 0;
        if (count < 0 && errno != EINTR)
            return berth_fail_errno (err, BERTH_INTERNAL, "waiting for the shim failed");
    }
}

shim_dress_t
shim_dress_of (const shim_open_t *open)
{
    shim_dress_t dress = { .v = SHIM_VERSION, .argv = open->argv, .env = open->env };
    berth_put (shim_dress, &dress, v, SHIM_VERSION);
    berth_put (shim_dress, &dress, seccomp, open->seccomp.size > 0);
    berth_put (shim_dress, &dress, own_network, open->own_network);
    if (berth_has (shim_open, open, uid))
        berth_put (shim_dress, &dress, uid, open->uid);
    return dress;
}

int
shim_link_open (const char *socket_path, int64_t deadline_mono_ms, shim_link_t **ret_self,
                berth_error_t *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen (socket_path) >= sizeof address.sun_path)
        return berth_fail (err, BERTH_INVALID, "the socket's path is longer than %zu bytes",
                           sizeof address.sun_path - 1);
    memcpy (address.sun_path, socket_path, strlen (socket_path));
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return berth_fail_errno (err, BERTH_INTERNAL, "no socket can be made");
    while (connect (fd, (struct sockaddr *) &address, sizeof address)) {
        if (errno == EINTR)
            continue;
        bool full = errno == EAGAIN;            //  Its queue of connections is; there is no event for that
        if (full && berth_mono_ms () < deadline_mono_ms) {
            (void) poll (NULL, 0, 1);
            continue;
        }
        int rc = full ? berth_fail (err, BERTH_PROVIDER_TIMEOUT, "the place's shim does not answer")
               : errno == ENOENT || errno == ECONNREFUSED
               ? berth_fail (err, BERTH_NOT_FOUND, "no shim listens for this place")
               : berth_fail_errno (err, BERTH_INTERNAL, "the place's shim cannot be reached");
        close (fd);
        return rc;
    }
    struct ucred who;
    socklen_t size = sizeof who;
    if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &who, &size) || who.uid != geteuid ()) {
        close (fd);
        return berth_fail (err, BERTH_FORBIDDEN, "the place's socket belongs to somebody else");
    }
    shim_link_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = LINK_MAGIC;
    self->fd = fd;
    *ret_self = self;
    return 0;
}

void
shim_link_destroy (shim_link_t **self_p)
{
    shim_link_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, LINK_MAGIC);
    if (self->fd >= 0)
        close (self->fd);
    free (self->in);
    free (self->out);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}

int
shim_link_detach (shim_link_t **self_p, int *ret_fd, berth_error_t *err)
{
    shim_link_t *self = *self_p;
    CHECK (self, LINK_MAGIC);
    if (self->out_size)
        return berth_fail (err, BERTH_BUSY, "the place's shim does not read");
    *ret_fd = self->fd;
    self->fd = -1;
    shim_link_destroy (self_p);
    return 0;
}

int
shim_link_fd (const shim_link_t *self)
{
    CHECK (self, LINK_MAGIC);
    return self->fd;
}

bool
shim_link_unsent (const shim_link_t *self)
{
    CHECK (self, LINK_MAGIC);
    return self->out_size > 0;
}

int
shim_link_flush (shim_link_t *self, berth_error_t *err)
{
    CHECK (self, LINK_MAGIC);
    size_t done = 0;
    while (done < self->out_size) {
        ssize_t sent = send (self->fd, self->out + done, self->out_size - done,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return s_gone (err);
        if (sent < 0)
            break;
        done += (size_t) sent;
    }
    self->out_size -= done;
    memmove (self->out, self->out + done, self->out_size);
    return 0;
}

int
shim_link_send (shim_link_t *self, const shim_message_t *message, berth_error_t *err)
{
    CHECK (self, LINK_MAGIC);
    arena_t *arena = arena_new ();
    berth_bytes_t frame = berth_pack (&shim_message_schema, message, arena);
    size_t need = self->out_size + 4 + frame.size;
    int rc = 0;
    if (frame.size > SHIM_FRAME_MAX)
        rc = berth_fail (err, BERTH_INVALID, "the message is too large for a shim");
    else if (need > UNSENT_MAX)
        rc = berth_fail (err, BERTH_BUSY, "the place's shim does not read");
    else {
        uint32_t length = (uint32_t) frame.size;
        s_grow (&self->out, &self->out_room, need);
        memcpy (self->out + self->out_size, &length, 4);
        memcpy (self->out + self->out_size + 4, frame.data, frame.size);
        self->out_size = need;
    }
    arena_destroy (&arena);
    return rc ? rc : shim_link_flush (self, err);
}

int
shim_link_receive (shim_link_t *self, arena_t *arena, shim_message_t *ret_message,
                   berth_error_t *err)
{
    CHECK (self, LINK_MAGIC);
    while (true) {
        uint32_t length = 0;
        if (self->in_size >= 4)
            memcpy (&length, self->in, 4);
        if (length > SHIM_FRAME_MAX || (self->in_size >= 4 && !length))
            return s_nonsense (err);
        if (self->in_size >= 4 && self->in_size >= 4 + (size_t) length) {
            uint8_t *copy = arena_copy (arena, self->in + 4, length);
            self->in_size -= 4 + (size_t) length;
            memmove (self->in, self->in + 4 + length, self->in_size);
            berth_error_t why = { 0 };
            if (berth_unpack (&shim_message_schema, (berth_bytes_t) { copy, length }, arena,
                              ret_message, &why)) {
                if (err)
                    berth_error_set (err->cause, sizeof err->cause, "%s", why.text);
                return s_nonsense (err);
            }
            return 1;
        }
        s_grow (&self->in, &self->in_room, self->in_size + READ_SIZE);
        ssize_t got = recv (self->fd, self->in + self->in_size, self->in_room - self->in_size,
                            MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return 0;
        if (got <= 0)
            return s_gone (err);
        self->in_size += (size_t) got;
    }
}

int
shim_link_wait (shim_link_t *self, int64_t deadline_mono_ms, arena_t *arena,
                shim_message_t *ret_message, berth_error_t *err)
{
    while (true) {
        int rc = shim_link_receive (self, arena, ret_message, err);
        if (rc)
            return rc > 0 ? 0 : -1;
        short events = POLLIN | (shim_link_unsent (self) ? POLLOUT : 0);
        if (s_wait (self->fd, events, deadline_mono_ms, err))
            return -1;
        if (shim_link_unsent (self) && shim_link_flush (self, err))
            return -1;
    }
}

int
shim_link_call_close (const char *socket_path, uint64_t grace_ms, int64_t deadline_mono_ms,
                      berth_error_t *err)
{
    own (shim_link) link = NULL;
    own (arena) arena = arena_new ();
    if (shim_link_open (socket_path, deadline_mono_ms, &link, err))
        return -1;
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_CLOSE);
    berth_put (shim_message, &message, grace_ms, grace_ms);
    if (shim_link_send (link, &message, err))
        return -1;
    do {
        arena_clear (arena);
        if (shim_link_wait (link, deadline_mono_ms, arena, &message, err))
            return -1;
    } while (message.op != shim_op_CLOSED);
    return 0;
}

//  ---- what a shim left

static int
s_read_record (const char *path, arena_t *arena, shim_record_t *ret_record, berth_error_t *err)
{
    uint8_t *data = arena_take (arena, RECORD_MAX);
    int file = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0 && errno == ENOENT)
        return berth_fail (err, BERTH_NOT_FOUND, "no shim left a record");
    ssize_t got = file < 0 ? -1 : read (file, data, RECORD_MAX);
    if (file >= 0)
        close (file);
    if (got < 0)
        return berth_fail_errno (err, BERTH_INTERNAL, "the shim's record cannot be read");
    if (berth_unpack (&shim_record_schema, (berth_bytes_t) { data, (size_t) got }, arena, ret_record,
                      err))
        return berth_fail (err, BERTH_INTERNAL, "the shim's record is damaged");
    return 0;
}

static void
s_take_path (char path [CGROUP_PATH], const char *text)
{
    snprintf (path, CGROUP_PATH, "%s", text ? text : "");
}

int
shim_link_bury (const char *folder, int64_t deadline_mono_ms, berth_error_t *err)
{
    own (arena) arena = arena_new ();
    const char *path = arena_printf (arena, "%s/shim.msgpack", folder);
    shim_record_t record;
    berth_error_t why = { 0 };
    if (s_read_record (path, arena, &record, &why)) {
        if (why.code == BERTH_NOT_FOUND)
            return 0;
        *err = why;
        return -1;
    }
    //  In another boot nothing lives on, and its numbers mean somebody else
    if (strcmp (record.boot, berth_boot_id ()) == 0) {
        if (berth_process_start (record.pid) == record.start)
            return berth_fail (err, BERTH_CONFLICT, "the place's shim lives (pid %lld)",
                               (long long) record.pid);
        cgroup_t cgroup = { 0 };
        s_take_path (cgroup.v2, record.v2);
        s_take_path (cgroup.memory, record.memory);
        s_take_path (cgroup.pids, record.pids);
        snprintf (cgroup.name, sizeof cgroup.name, "%s", record.cgroup ? record.cgroup : "");
        if (cgroup_end (&cgroup, deadline_mono_ms, err))
            return -1;
        cgroup_remove (&cgroup);
        if (berth_process_start (record.walls_pid) == record.walls_start)
            (void) kill ((pid_t) -record.walls_pid, SIGKILL);
    }
    const char *socket = arena_text (arena, (const char *) record.socket.data, record.socket.size);
    (void) unlink (socket);
    (void) unlink (path);
    return 0;
}
