//  shim_peers.c - owns the connections of berthd: who may, what came, what is still to be sent.

#include "relay.h"

#include "clock.h"
#include "codec.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_ROOM = 4096 };

static void
s_forget (uint8_t **data, size_t *size, size_t *room)
{
    free (*data);
    *data = NULL;
    *size = *room = 0;
}

static bool
s_grow (uint8_t **data, size_t *room, size_t need)
{
    if (need <= *room)
        return true;
    size_t wanted = *room ? *room : FIRST_ROOM;
    while (wanted < need)
        wanted *= 2;
    uint8_t *more = realloc (*data, wanted);
    if (!more)
        return false;
    *data = more;
    *room = wanted;
    return true;
}

static void
s_leave (shim_t *self, peer_t *peer)
{
    peer->gone = true;
    watch_close (self, &peer->watch);
}

static void
s_flush (shim_t *self, peer_t *peer)
{
    size_t done = 0;
    while (done < peer->out_size) {
        ssize_t sent = send (peer->watch.fd, peer->out + done, peer->out_size - done,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            s_leave (self, peer);
            return;
        }
        if (sent < 0)
            break;
        done += (size_t) sent;
    }
    peer->out_size -= done;
    if (peer->out_size)
        memmove (peer->out, peer->out + done, peer->out_size);
    else
        s_forget (&peer->out, &peer->out_size, &peer->out_room);
    watch_set (self, &peer->watch, EPOLLIN | (peer->out_size ? EPOLLOUT : 0));
}

static void
s_send (shim_t *self, peer_t *peer, berth_bytes_t frame)
{
    if (peer->gone)
        return;
    size_t need = peer->out_size + 4 + frame.size;
    if (need > SHIM_OUT_MAX || !s_grow (&peer->out, &peer->out_room, need)) {
        shim_log (self, "peer dropped: it does not read");
        s_leave (self, peer);
        return;
    }
    uint32_t length = (uint32_t) frame.size;
    memcpy (peer->out + peer->out_size, &length, 4);
    memcpy (peer->out + peer->out_size + 4, frame.data, frame.size);
    bool idle = peer->out_size == 0;
    peer->out_size = need;
    if (idle)
        s_flush (self, peer);
}

void
shim_tell (shim_t *self, const shim_message_t *message)
{
    if (!self->peers)
        return;
    berth_bytes_t frame = berth_pack (&shim_message_schema, message, self->scratch);
    for (peer_t *peer = self->peers; peer; peer = peer->next)
        if (message->op == shim_op_OUTPUT && peer->out_size)
            peer->behind = true;        //  It gets the newest when it reads again
        else
            s_send (self, peer, frame);
}

void
shim_answer (shim_t *self, peer_t *peer, const shim_message_t *message)
{
    s_send (self, peer, berth_pack (&shim_message_schema, message, self->scratch));
}

void
shim_refuse (shim_t *self, peer_t *peer, const char *exec, const char *format, ...)
{
    char text [256];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_REFUSED);
    if (exec)
        berth_put (shim_message, &message, exec, exec);
    berth_put (shim_message, &message, error, text);
    shim_answer (self, peer, &message);
}

void
shim_hello (shim_t *self, peer_t *peer)
{
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_HELLO);
    berth_put (shim_message, &message, v, SHIM_VERSION);
    berth_put (shim_message, &message, place, self->open.place);
    berth_put (shim_message, &message, generation, self->generation);
    berth_put (shim_message, &message, boot, berth_boot_id ());
    berth_put (shim_message, &message, pid, getpid ());
    if (peer)
        shim_answer (self, peer, &message);
    else
        shim_tell (self, &message);
}

//  Handles the whole frames that are there; what is half stays.
static void
s_frames (shim_t *self, peer_t *peer)
{
    size_t at = 0;
    while (!peer->gone && peer->in_size - at >= 4) {
        uint32_t length;
        memcpy (&length, peer->in + at, 4);
        if (length == 0 || length > SHIM_FRAME_MAX) {
            shim_log (self, "peer dropped: a frame of %u bytes", length);
            s_leave (self, peer);
            return;
        }
        if (peer->in_size - at < 4 + (size_t) length)
            break;
        shim_message_t ask;
        berth_error_t err = { 0 };
        berth_bytes_t frame = { peer->in + at + 4, length };
        if (berth_unpack (&shim_message_schema, frame, self->scratch, &ask, &err))
            shim_refuse (self, peer, NULL, "%s", err.text);
        else
            shim_request (self, peer, &ask);
        at += 4 + length;
    }
    peer->in_size -= at;
    if (peer->in_size)
        memmove (peer->in, peer->in + at, peer->in_size);
    else
        s_forget (&peer->in, &peer->in_size, &peer->in_room);
}

static void
s_peer_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    peer_t *peer = (peer_t *) ((uint8_t *) self - offsetof (peer_t, watch));
    if (events & EPOLLOUT)
        s_flush (shim, peer);
    if (peer->gone || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    size_t need = peer->in_size + FIRST_ROOM;
    if (peer->in_size >= 4) {
        uint32_t length;
        memcpy (&length, peer->in, 4);
        if (4 + (size_t) length > need)
            need = 4 + (size_t) length;         //  At most SHIM_FRAME_MAX: s_frames looked
    }
    if (!s_grow (&peer->in, &peer->in_room, need)) {
        s_leave (shim, peer);
        return;
    }
    ssize_t got = recv (self->fd, peer->in + peer->in_size, peer->in_room - peer->in_size,
                        MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        s_leave (shim, peer);
        return;
    }
    peer->in_size += (size_t) got;
    s_frames (shim, peer);
}

void
shim_listener_ready (shim_t *shim, watch_t *self, uint32_t events)
{
    (void) events;
    int fd = accept4 (self->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct ucred who;
    socklen_t size = sizeof who;
    if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &who, &size) || who.uid != geteuid ()
    || shim->peers_count >= SHIM_CONNECTIONS_MAX) {
        close (fd);
        return;
    }
    peer_t *peer = calloc (1, sizeof *peer);
    ENSURE (peer);
    peer->watch = (watch_t) { .fd = fd, .ready = s_peer_ready };
    peer->next = shim->peers;
    shim->peers = peer;
    shim->peers_count++;
    watch_set (shim, &peer->watch, EPOLLIN);
    shim_hello (shim, peer);
}

void
shim_peers_settle (shim_t *self)
{
    for (peer_t **at = &self->peers; *at;) {
        peer_t *peer = *at;
        if (peer->gone) {
            *at = peer->next;
            free (peer->in);
            free (peer->out);
            free (peer);
            self->peers_count--;
            continue;
        }
        if (peer->behind && !peer->out_size) {
            peer->behind = false;
            for (child_t *child = self->children; child; child = child->next)
                shim_output_tell (self, child, true);
            for (relay_exec_t *exec = self->relay ? self->relay->execs : NULL; exec; exec = exec->next)
                relay_tell (self, exec);
        }
        at = &peer->next;
    }
}

void
shim_peers_end (shim_t *self, int64_t deadline)
{
    for (peer_t *peer = self->peers; peer; peer = peer->next)
        while (!peer->gone && peer->out_size) {
            int64_t left = deadline - berth_mono_ms ();
            struct pollfd wait = { .fd = peer->watch.fd, .events = POLLOUT };
            if (left <= 0 || poll (&wait, 1, (int) left) < 0)
                break;
            s_flush (self, peer);
        }
    for (peer_t *peer = self->peers; peer; peer = peer->next)
        s_leave (self, peer);
    shim_peers_settle (self);
}
