//  server_doors.c - owns the sockets of a service until front and publisher take them.

#include "server_doors.h"

#include "log.h"
#include "requests.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MOST = 107, HANDSHAKE_MS = 2000, HEARTBEAT_MS = 5000, SILENCE_MS = 15000,
       CURVE_MORE = 64, SUBSCRIPTION_MOST = 4096 };

//  Mode and owner of local sockets.
typedef struct {
    mode_t mode;
    uid_t owner;                    //  -1: as it is
    gid_t group;
} guard_t;

static const guard_t s_private = { 0600, (uid_t) -1, (gid_t) -1 };

//  ---- one socket

static bool
s_is_local (const char *endpoint)
{
    return strncmp (endpoint, "ipc://", 6) == 0;
}

static zsock_t *
s_socket (int type)
{
    zsock_t *socket = zsock_new (type);
    ENSURE (socket);
    //  Of one client that does not read: all its streams' windows and then some. Beyond it, its
    //  replies are dropped, and counted.
    zsock_set_sndhwm (socket, type == ZMQ_ROUTER ? 16 * BERTH_UNANSWERED_MAX : 100000);
    zsock_set_rcvhwm (socket, 1000);
    zsock_set_backlog (socket, 1024);
    zsock_set_linger (socket, 500);
    zsock_set_maxmsgsize (socket, type == ZMQ_ROUTER ? BERTH_FRAME_MAX : SUBSCRIPTION_MOST);
    if (type == ZMQ_ROUTER)
        zsock_set_router_mandatory (socket, 1);
    return socket;
}

static zsock_t *
s_failed (zsock_t **socket_p, const char *endpoint, berth_error_t *err)
{
    int failure = errno;
    zsock_destroy (socket_p);
    errno = failure;
    (void) berth_fail_errno (err, BERTH_FORBIDDEN, "cannot listen on %s", endpoint);
    return NULL;
}

static zsock_t *
s_bind_local (int type, const char *endpoint, const guard_t *guard, berth_error_t *err)
{
    const char *path = endpoint + 6;
    if (strlen (path) > PATH_MOST) {
        (void) berth_fail (err, BERTH_INVALID, "the socket's path is longer than %d bytes: %s",
                           PATH_MOST, path);
        return NULL;
    }
    zsock_t *socket = s_socket (type);
    zsock_set_handshake_ivl (socket, HANDSHAKE_MS);
    mode_t before = umask (0177);
    int rc = zsock_bind (socket, "%s", endpoint);
    int failure = errno;
    umask (before);
    errno = failure;
    //  Its owner first: who may open it is only said when it is theirs
    if (rc >= 0 && (guard->owner != (uid_t) -1 || guard->group != (gid_t) -1))
        rc = chown (path, guard->owner, guard->group);
    if (rc >= 0 && guard->mode != 0600)
        rc = chmod (path, guard->mode);
    return rc < 0 ? s_failed (&socket, endpoint, err) : socket;
}

static zsock_t *
s_bind_network (server_doors_t *self, int type, const char *endpoint, int *ret_port,
                berth_error_t *err)
{
    zsock_t *socket = s_socket (type);
    gate_guard (socket, self->certificate);
    zsock_set_handshake_ivl (socket, HANDSHAKE_MS);
    zsock_set_heartbeat_ivl (socket, HEARTBEAT_MS);
    zsock_set_heartbeat_timeout (socket, SILENCE_MS);
    zsock_set_tcp_keepalive (socket, 1);
    zsock_set_ipv6 (socket, strchr (endpoint, '[') != NULL);
    if (type == ZMQ_ROUTER)
        zsock_set_maxmsgsize (socket, BERTH_FRAME_MAX + CURVE_MORE);
    *ret_port = zsock_bind (socket, "%s", endpoint);
    return *ret_port <= 0 ? s_failed (&socket, endpoint, err) : socket;
}

//  ---- what a door's section says

static int
s_wrong (const configuration_door_t *door, const char *key, const char *must, berth_error_t *err)
{
    berth_error_set (err->field, sizeof err->field, "doors.%s.%s", door->id, key);
    return berth_fail (err, BERTH_INVALID, "of door '%s', %s must be %s", door->id, key, must);
}

static int
s_number (const char *text, unsigned base, unsigned long *ret_number)
{
    char *end;
    errno = 0;
    *ret_number = strtoul (text, &end, (int) base);
    return errno || *end || end == text || *text == '-' ? -1 : 0;
}

static int
s_guard (const configuration_door_t *door, guard_t *ret_guard, berth_error_t *err)
{
    unsigned long number;
    *ret_guard = s_private;
    if (door->mode) {
        if (s_number (door->mode, 8, &number) || number > 0777 || (number & 0111))
            return s_wrong (door, "mode", "an octal mode like 0660", err);
        ret_guard->mode = (mode_t) number;
    }
    if (door->owner) {
        struct passwd *user = getpwnam (door->owner);
        if (!user && s_number (door->owner, 10, &number))
            return s_wrong (door, "owner", "a user of this machine", err);
        ret_guard->owner = user ? user->pw_uid : (uid_t) number;
    }
    if (door->group) {
        struct group *group = getgrnam (door->group);
        if (!group && s_number (door->group, 10, &number))
            return s_wrong (door, "group", "a group of this machine", err);
        ret_guard->group = group ? group->gr_gid : (gid_t) number;
    }
    return 0;
}

static int
s_roles (const configuration_door_t *door, unsigned *ret_roles, berth_error_t *err)
{
    *ret_roles = 0;
    for (size_t index = 0; index < door->roles.count; index++) {
        unsigned bit = 0;
        while (role_text (bit) && strcmp (role_text (bit), door->roles.items [index]))
            bit++;
        if (!role_text (bit) || bit == ROLE_BIT_INTERNAL)
            return s_wrong (door, "roles", "operator, platform or observer", err);
        *ret_roles |= 1u << bit;
    }
    return *ret_roles ? 0 : s_wrong (door, "roles", "said of a local one", err);
}

static int
s_check (const configuration_door_t *door, bool *ret_local, berth_error_t *err)
{
    const char *ends [] = { door->bus, door->events };
    int local = 0, network = 0;
    for (size_t index = 0; index < 2; index++)
        if (ends [index]) {
            local += s_is_local (ends [index]);
            network += strncmp (ends [index], "tcp://", 6) == 0;
            if (local + network == 0)
                return s_wrong (door, index ? "events" : "bus", "ipc://PATH or tcp://ADDRESS:PORT",
                                err);
        }
    if (local + network == 0 || local + network != (door->bus != NULL) + (door->events != NULL)
        || (local && network))
        return s_wrong (door, "bus and events", "both ipc://PATH, or both tcp://ADDRESS:PORT", err);
    if (network && (door->roles.count || door->companies.count || door->mode || door->owner
                    || door->group))
        return s_wrong (door, "bus and events",
                        "local for roles, companies, mode or owner: over TCP a key has them", err);
    *ret_local = local > 0;
    return 0;
}

//  ---- doors

static int
s_open_local (server_doors_t *self, const char *principal, const char *bus, const char *events,
              const guard_t *guard, berth_error_t *err)
{
    zsock_t *socket;
    if (bus) {
        if (!(socket = s_bind_local (ZMQ_ROUTER, bus, guard, err)))
            return -1;
        self->doors [self->doors_count++] = door_new_local (&socket, self->trust, principal);
    }
    if (events) {
        if (!(socket = s_bind_local (ZMQ_XPUB, events, guard, err)))
            return -1;
        self->outlets [self->outlets_count++] =
            outlet_new_local (&socket, self->trust, principal, events + 6);
    }
    return 0;
}

int
server_doors_own (server_doors_t *self, const char *bus, const char *events, berth_error_t *err)
{
    trust_add_local (self->trust, "operator", ROLE_OPERATOR, (berth_strs_t) { 0, NULL });
    return s_open_local (self, "operator", bus, events, &s_private, err);
}

int
server_doors_key (server_doors_t *self, const char *state, berth_error_t *err)
{
    char *path = zsys_sprintf ("%s/server.key", state);
    self->certificate = gate_certificate (path, err);
    zstr_free (&path);
    return self->certificate ? 0 : -1;
}

static int
s_watch (server_doors_t *self, berth_error_t *err)
{
    if (self->gate)
        return 0;
    ENSURE (self->certificate);
    if (!(self->gate = gate_new (self->trust, err)))
        return -1;
    self->watch = zactor_new (gate_actor, self->gate);
    ENSURE (self->watch);
    if (trust_keys (self->trust) == 0)
        log_event ("no_keys", "hint=nobody gets in over the network yet: berth key new");
    return 0;
}

static int
s_open_network (server_doors_t *self, const configuration_door_t *door, berth_error_t *err)
{
    zsock_t *socket;
    int port;
    if (s_watch (self, err))
        return -1;
    if (door->bus) {
        if (!(socket = s_bind_network (self, ZMQ_ROUTER, door->bus, &port, err)))
            return -1;
        if (!*self->bus)
            snprintf (self->bus, sizeof self->bus, "%s", zsock_endpoint (socket));
        log_event ("listening", "door=%s bus=%s", door->id, zsock_endpoint (socket));
        self->doors [self->doors_count++] = door_new_network (&socket, self->trust, (uint16_t) port);
    }
    if (door->events) {
        if (!(socket = s_bind_network (self, ZMQ_XPUB, door->events, &port, err)))
            return -1;
        if (!*self->events)
            snprintf (self->events, sizeof self->events, "%s", zsock_endpoint (socket));
        log_event ("listening", "door=%s events=%s", door->id, zsock_endpoint (socket));
        self->outlets [self->outlets_count++] =
            outlet_new_network (&socket, self->trust, (uint16_t) port);
    }
    return 0;
}

int
server_doors_open (server_doors_t *self, const configuration_door_t *door, berth_error_t *err)
{
    bool local = false;
    guard_t guard;
    unsigned roles;
    if (s_check (door, &local, err))
        return -1;
    if (!local)
        return s_open_network (self, door, err);
    char principal [TRUST_NAME_SIZE];
    snprintf (principal, sizeof principal, "ipc:%s", door->id);
    standing_t known;
    if (trust_standing (self->trust, principal, &known))
        return berth_fail (err, BERTH_INVALID, "there are two doors '%s'", door->id);
    if (s_guard (door, &guard, err) || s_roles (door, &roles, err))
        return -1;
    trust_add_local (self->trust, principal, roles, door->companies);
    return s_open_local (self, principal, door->bus, door->events, &guard, err);
}

void
server_doors_close (server_doors_t *self)
{
    while (self->doors_count)
        door_destroy (&self->doors [--self->doors_count]);
    while (self->outlets_count)
        outlet_destroy (&self->outlets [--self->outlets_count]);
    zactor_destroy (&self->watch);
    gate_destroy (&self->gate);
    zcert_destroy (&self->certificate);
}
