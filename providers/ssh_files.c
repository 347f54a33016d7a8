//  ssh_files.c - owns how files go to a place on another machine and come home: one stream each way.
//
//  The relay lends a session of its connection. Home come only differences to what was put there,
//  into the place's folder here, and from there by the same merge as from any other place.

#include "ssh.h"

#include "clock.h"
#include "codec.h"
#include "shim_link.h"
#include "tree_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AGAIN_MS = 250, LINE_MAX_ = 4096, NOISE_MAX = 1048576, ANSWER_MAX = 65536 };
enum { FAR_PUT = 'U', FAR_GET = 'Y', FAR_OPENED = 'o' };        //  As in tools/far_protocol.h

//  ---- a session

static int
s_wait (int fd, short events, int64_t deadline_ms, berth_error_t *err)
{
    for (;;) {
        int64_t left = deadline_ms - berth_mono_ms ();
        struct pollfd wait = { .fd = fd, .events = events };
        if (left <= 0)
            return berth_fail (err, BERTH_PROVIDER_TIMEOUT, "the files did not cross in time");
        if (poll (&wait, 1, left > INT32_MAX ? INT32_MAX : (int) left) > 0)
            return 0;
    }
}

static int
s_cut (berth_error_t *err)
{
    return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                       "the connection to the place was lost while files crossed");
}

static int
s_read (int fd, void *data, size_t size, int64_t deadline_ms, berth_error_t *err)
{
    for (size_t done = 0; done < size;) {
        if (s_wait (fd, POLLIN, deadline_ms, err))
            return -1;
        ssize_t got = recv (fd, (uint8_t *) data + done, size - done, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return s_cut (err);
        done += got > 0 ? (size_t) got : 0;
    }
    return 0;
}

static int
s_write (int fd, const void *data, size_t size, int64_t deadline_ms, berth_error_t *err)
{
    for (size_t done = 0; done < size;) {
        if (s_wait (fd, POLLOUT, deadline_ms, err))
            return -1;
        ssize_t sent = send (fd, (const uint8_t *) data + done, size - done,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return s_cut (err);
        done += sent > 0 ? (size_t) sent : 0;
    }
    return 0;
}

//  Asks the relay once. 1: it has no connection now.
static int
s_ask (const place_t *place, int64_t deadline_ms, arena_t *arena, int *ret_fd, const char **ret_first,
       berth_error_t *err)
{
    own (shim_link) link = NULL;
    shim_message_t message = { 0 };
    berth_put (shim_message, &message, op, shim_op_FILES);
    if (shim_link_open (place->socket, deadline_ms, &link, err)
        || shim_link_send (link, &message, err))
        return -1;
    do {
        if (shim_link_wait (link, deadline_ms, arena, &message, err))
            return -1;
        if (message.op == shim_op_REFUSED)
            return 1;
    } while (message.op != shim_op_FILES);
    *ret_first = arena_text (arena, (const char *) message.data.data, message.data.size);
    return shim_link_detach (&link, ret_fd, err);
}

//  Until the program speaks: everything before is the login shell's noise.
static int
s_await_program (int fd, const char *first, int64_t deadline_ms, berth_error_t *err)
{
    char line [LINE_MAX_], mark [64];
    size_t size = 0, noise = 0;
    snprintf (mark, sizeof mark, "%.*s", (int) strcspn (first, "\n"), first);
    if (s_write (fd, first, strlen (first), deadline_ms, err))
        return -1;
    while (noise++ < NOISE_MAX) {
        if (s_read (fd, line + size, 1, deadline_ms, err))
            return -1;
        if (line [size] != '\n') {
            size += size < sizeof line - 1;
            continue;
        }
        line [size] = 0;
        size_t length = strlen (mark);
        if (strncmp (line, mark, length) == 0 && strcmp (line + length, " go") == 0)
            return 0;
        if (strncmp (line, mark, length) == 0 && strncmp (line + length, " here", 5))
            return berth_fail (err, BERTH_PROVIDER_ERROR, "berth-shim is not on that machine any more");
        size = 0;
    }
    return berth_fail (err, BERTH_PROVIDER_ERROR, "the login shell there does not stop to talk");
}

//  A session that was asked for that: what follows on the descriptor is a stream.
static int
s_session (const place_t *place, uint8_t what, int64_t deadline_ms, arena_t *arena, int *ret_fd,
           berth_error_t *err)
{
    const char *first;
    int rc, fd = -1;
    while ((rc = s_ask (place, deadline_ms, arena, &fd, &first, err)) == 1) {
        if (deadline_ms - berth_mono_ms () <= AGAIN_MS)
            return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE, "the connection to the place is down");
        (void) poll (NULL, 0, AGAIN_MS);        //  The relay tries again and again, and tells nobody
    }
    if (rc)
        return -1;
    words_t none = { .arena = arena };
    shim_open_t open = {
        .place = place->id, .folder = words_bytes ("/"), .socket = words_bytes ("s"),
        .argv = words_blobs (&none), .env = words_blobs (&none), .exec_env = words_blobs (&none),
        .cwd = words_bytes ("/")
    };
    berth_put (shim_open, &open, v, SHIM_VERSION);
    berth_put (shim_open, &open, generation, place->record.generation);
    berth_put (shim_open, &open, pid_namespace, false);
    berth_bytes_t frame = berth_pack (&shim_open_schema, &open, arena);
    uint32_t length = (uint32_t) frame.size + 1;
    if (s_await_program (fd, first, deadline_ms, err) == 0
        && s_write (fd, &length, 4, deadline_ms, err) == 0
        && s_write (fd, &what, 1, deadline_ms, err) == 0
        && s_write (fd, frame.data, frame.size, deadline_ms, err) == 0) {
        *ret_fd = fd;
        return 0;
    }
    close (fd);
    return -1;
}

static int
s_answer (int fd, int64_t deadline_ms, arena_t *arena, uint64_t *ret_refused, berth_error_t *err)
{
    uint32_t length;
    uint8_t what;
    shim_opened_t opened;
    if (s_read (fd, &length, 4, deadline_ms, err) || s_read (fd, &what, 1, deadline_ms, err))
        return -1;
    if (what != FAR_OPENED || length < 2 || length > ANSWER_MAX)
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the other side says nonsense");
    uint8_t *data = arena_take (arena, length);
    if (s_read (fd, data, length - 1, deadline_ms, err)
        || berth_unpack (&shim_opened_schema, (berth_bytes_t) { data, length - 1 }, arena, &opened, err))
        return -1;
    if (ret_refused)
        *ret_refused = any_number (opened.metadata, "refused", 0);
    if (opened.ok)
        return 0;
    if (opened.cause)
        berth_error_set (err->cause, sizeof err->cause, "%s", opened.cause);
    return berth_fail (err, opened.code ? berth_code_of (opened.code) : BERTH_PROVIDER_ERROR, "%s",
                       opened.error ? opened.error : "the files were refused");
}

//  ---- progress

typedef struct {
    const char *phase;
    provider_progress_fn *progress;
    void *context;
} journey_t;

static int
s_progress (void *context, const tree_progress_t *done)
{
    journey_t *self = context;
    if (!self->progress)
        return 0;
    workspace_progress_t report = {
        .phase = self->phase, .files = done->files, .bytes = done->bytes,
        .total_files = done->total_files, .total_bytes = done->total_bytes
    };
    return self->progress (self->context, &report);
}

static int
s_crosses (const place_t *place, arena_t *arena, berth_error_t *err)
{
    return ssh_is_plain (place, arena)
        ? berth_fail (err, BERTH_UNSUPPORTED,
                      "no files cross to a machine where berth-shim cannot run") : 0;
}

//  ---- out

static int
s_put (ssh_t *self, const place_realize_t *ask, const place_t *place, journey_t *journey,
       int64_t deadline_ms, arena_t *arena, place_realized_t *ret_realized, berth_error_t *err)
{
    const char *source = places_path (ask->source, arena, "source", err);
    if (!source)
        return -1;
    (void) self;
    const char *const *excludes;
    if (tree_excludes (source, ask->no_links, ask->excludes.items, ask->excludes.count, arena,
                       &excludes, err))
        return -1;
    tree_options_t options = {
        .excludes = excludes, .uid = -1, .gid = -1, .deadline_mono_ms = deadline_ms,
        .progress = s_progress, .context = journey, .no_links = ask->no_links
    };
    tree_pack_t how = { .snapshot = arena_printf (arena, "%s/snapshot", place->folder) };
    int64_t started_ms = berth_mono_ms ();
    tree_progress_t done = { 0 };
    uint64_t refused = 0;
    int fd;
    if (s_session (place, FAR_PUT, deadline_ms, arena, &fd, err))
        return -1;
    int rc = s_answer (fd, deadline_ms, arena, NULL, err);
    if (rc) {
        close (fd);
        return -1;
    }
    rc = tree_pack (source, &how, fd, &options, &done, NULL, err);
    (void) shutdown (fd, SHUT_WR);
    if (rc == 0 || err->code == BERTH_PROVIDER_UNAVAILABLE) {
        //  Where the stream was refused over there, that answer says why
        berth_error_t why = { 0 };
        int answer = s_answer (fd, deadline_ms, arena, &refused, &why);
        if (answer && (rc == 0 || why.code != BERTH_PROVIDER_UNAVAILABLE)) {
            *err = why;
            rc = -1;
        }
    }
    close (fd);
    if (rc)
        return -1;
    place_opened_t opened = { 0 };
    if (berth_unpack (&place_opened_schema, place->record.opened, arena, &opened, err))
        return -1;
    const char *cwd = any_text (opened.metadata, "remoteCwd", arena);
    *ret_realized = (place_realized_t) { .cwd = words_bytes (cwd ? cwd : "/"), .how = "stream" };
    berth_put (place_realized, ret_realized, files, done.files);
    berth_put (place_realized, ret_realized, bytes, done.bytes);
    berth_put (place_realized, ret_realized, refused, done.refused + refused);
    berth_put (place_realized, ret_realized, ms, (uint64_t) (berth_mono_ms () - started_ms));
    return 0;
}

int
ssh_realize (void *object, const place_realize_t *ask, provider_progress_fn *progress,
             void *context, int64_t deadline_ms, arena_t *arena, place_realized_t *ret_realized,
             berth_error_t *err)
{
    ssh_t *self = object;
    CHECK (self, SSH_MAGIC);
    journey_t journey = { .phase = "copy", .progress = progress, .context = context };
    const char *id = places_id (ask->provider_lease, ask->lease);
    place_t place;
    if (places_claim (self->owner.places, id, deadline_ms, err))
        return -1;
    int rc = places_find (self->owner.places, id, arena, &place, err)
        || s_crosses (&place, arena, err) || s_put (self, ask, &place, &journey, deadline_ms, arena, ret_realized, err) ? -1 : 0;
    places_yield (self->owner.places, id);
    return rc;
}

//  ---- home

//  The folders above a path, where they are missing; never through a link.
static void
s_make_above (int folder, char *path)
{
    int at = dup (folder);
    for (char *slash; at >= 0 && (slash = strchr (path, '/')); path = slash + 1) {
        *slash = 0;
        if (!*path || strcmp (path, ".") == 0 || strcmp (path, "..") == 0)
            break;
        (void) mkdirat (at, path, 0755);
        int next = openat (at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close (at);
        at = next;
    }
    if (at >= 0)
        close (at);
}

//  A folder in which something was removed, and nothing else was done, did not come. The merge takes
//  a folder that is not there for one that is as it was: it shall look into these.
static int
s_stand_for_removed (int folder, const char *removed, berth_error_t *err)
{
    char *path = NULL;
    size_t room = 0;
    FILE *file = fopen (removed, "ae+");        //  Made if nothing was removed: that is said, too
    if (!file)
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot open '%s'", removed);
    rewind (file);
    while (getdelim (&path, &room, 0, file) > 0)
        s_make_above (folder, path);
    free (path);
    fclose (file);
    return 0;
}

//  What differs from what was put there, into the place's folder here.
static int
s_fetch (const place_t *place, journey_t *journey, int64_t deadline_ms, arena_t *arena,
         berth_error_t *err)
{
    const char *removed = arena_printf (arena, "%s/removed", place->folder);
    tree_options_t options = {
        .uid = -1, .gid = -1, .deadline_mono_ms = deadline_ms, .progress = s_progress,
        .context = journey
    };
    tree_progress_t done = { 0 };
    (void) unlink (removed);
    int fd, folder = -1;
    if (tree_empty (place->workspace, err)
        || s_session (place, FAR_GET, deadline_ms, arena, &fd, err))
        return -1;
    int rc = s_answer (fd, deadline_ms, arena, NULL, err);
    if (rc == 0 && (folder = open (place->workspace, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        rc = berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot open '%s'", place->workspace);
    if (rc == 0)
        rc = tree_unpack (fd, folder, removed, &options, &done, err);
    if (rc == 0)
        rc = s_stand_for_removed (folder, removed, err);
    if (folder >= 0)
        close (folder);
    close (fd);
    return rc;
}

int
ssh_give_back (void *object, const place_return_t *ask, provider_progress_fn *progress,
               void *context, int64_t deadline_ms, arena_t *arena,
               workspace_returned_t *ret_returned, berth_error_t *err)
{
    ssh_t *self = object;
    CHECK (self, SSH_MAGIC);
    journey_t journey = { .phase = "fetch", .progress = progress, .context = context };
    const char *id = places_id (ask->provider_lease, ask->lease);
    place_t place;
    if (places_claim (self->owner.places, id, deadline_ms, err))
        return -1;
    int rc = places_find (self->owner.places, id, arena, &place, err)
        || s_crosses (&place, arena, err) ? -1 : 0;
    if (rc == 0 && access (arena_printf (arena, "%s/snapshot", place.folder), F_OK))
        rc = berth_fail (err, BERTH_CONFLICT, "nothing was realized into this place");
    bool woken = false;
    if (rc == 0)
        rc = ssh_wake (self, &place, ask->config, &woken, deadline_ms, arena, err);
    if (rc == 0)
        rc = s_fetch (&place, &journey, deadline_ms, arena, err);
    berth_error_t ignored = { 0 };              //  What stays open is closed with the place
    if (woken)
        (void) ssh_sleep (self, &place, ask->config, deadline_ms, arena, &ignored);
    places_yield (self->owner.places, id);
    if (rc)
        return -1;
    return places_give_back (self->owner.places, ask, progress, context, deadline_ms, arena,
                             ret_returned, err);
}
