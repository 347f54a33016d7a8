//  shim_start.c - owns the way of a START: checked, recorded, packed, and handed to init.

#include "shim_state.h"

#include "clock.h"
#include "codec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *
s_text (shim_t *self, berth_bytes_t bytes)
{
    return arena_text (self->scratch, (const char *) bytes.data, bytes.size);
}

static bool
s_has_zero (berth_bytes_t bytes)
{
    return bytes.size && memchr (bytes.data, 0, bytes.size);
}

//  Name of an environment entry: bytes before '='; 0 if it has none.
static size_t
s_name_size (berth_bytes_t entry)
{
    const uint8_t *equals = entry.size ? memchr (entry.data, '=', entry.size) : NULL;
    return equals ? (size_t) (equals - entry.data) : 0;
}

//  What is wrong with a START, or NULL.
static const char *
s_wrong (const shim_message_t *ask)
{
    size_t size = ask->cwd.size;
    if (!ask->exec || !ask->argv.count || !ask->argv.items [0].size || !ask->spool.size)
        return "a start needs execId, argv and spool";
    if (s_has_zero (ask->cwd) || s_has_zero (ask->spool))
        return "cwd and spool hold no NUL";
    for (size_t index = 0; index < ask->argv.count; index++) {
        size += ask->argv.items [index].size + 1;
        if (s_has_zero (ask->argv.items [index]))
            return "an argument holds no NUL";
    }
    for (size_t index = 0; index < ask->env.count; index++) {
        size += ask->env.items [index].size + 1;
        if (!s_name_size (ask->env.items [index]) || s_has_zero (ask->env.items [index]))
            return "an entry of the environment is NAME=value";
    }
    if (size > INIT_BLOB_MAX / 2)
        return "arguments and environment are too large";
    return NULL;
}

//  Is a default of the place's said otherwise by this START?
static bool
s_overridden (const shim_message_t *ask, berth_bytes_t entry)
{
    size_t size = s_name_size (entry);
    for (size_t index = 0; index < ask->env.count; index++)
        if (s_name_size (ask->env.items [index]) == size
        && memcmp (ask->env.items [index].data, entry.data, size) == 0)
            return true;
    return false;
}

typedef struct {
    char *text;
    size_t size;
} blob_t;

static void
s_add (blob_t *blob, berth_bytes_t text)
{
    if (text.size)
        memcpy (blob->text + blob->size, text.data, text.size);
    blob->size += text.size;
    blob->text [blob->size++] = 0;
}

static berth_bytes_t
s_cwd (shim_t *self, const shim_message_t *ask)
{
    if (!ask->cwd.size)
        return self->open.cwd;
    if (ask->cwd.data [0] == '/')
        return ask->cwd;
    const char *path = arena_printf (self->scratch, "%s/%s", s_text (self, self->open.cwd),
                                     s_text (self, ask->cwd));
    return (berth_bytes_t) { (const uint8_t *) path, strlen (path) };
}

//  Everything the child is to be, as a file in memory: values do not stand in any argv.
static int
s_make_blob (shim_t *self, const shim_message_t *ask)
{
    static const berth_bytes_t top = { (const uint8_t *) "/", 1 };
    const berth_blobs_t *defaults = &self->open.exec_env, *wrap = &self->open.wrap;
    berth_bytes_t cwd = s_cwd (self, ask);
    size_t room = sizeof (init_blob_t) + 2 * (cwd.size + 1) + 1;
    for (size_t index = 0; index < wrap->count; index++)
        room += wrap->items [index].size + 1;
    for (size_t index = 0; index < ask->argv.count; index++)
        room += ask->argv.items [index].size + 1;
    for (size_t index = 0; index < ask->env.count; index++)
        room += ask->env.items [index].size + 1;
    for (size_t index = 0; index < defaults->count; index++)
        room += defaults->items [index].size + 1;
    int file = memfd_create ("start", MFD_CLOEXEC);
    if (file < 0 || ftruncate (file, (off_t) room)) {
        if (file >= 0)
            close (file);
        return -1;
    }
    blob_t blob = { .text = arena_take (self->scratch, room), .size = sizeof (init_blob_t) };
    init_blob_t head = { .argc = (uint32_t) ask->argv.count };
    s_add (&blob, wrap->count ? top : cwd);
    for (size_t index = 0; index < wrap->count; index++)
        s_add (&blob, wrap->items [index]);
    if (wrap->count) {
        s_add (&blob, cwd);
        head.argc += (uint32_t) wrap->count + 1;
    }
    for (size_t index = 0; index < ask->argv.count; index++)
        s_add (&blob, ask->argv.items [index]);
    for (size_t index = 0; index < defaults->count; index++)
        if (!s_overridden (ask, defaults->items [index])) {
            s_add (&blob, defaults->items [index]);
            head.envc++;
        }
    for (size_t index = 0; index < ask->env.count; index++) {
        s_add (&blob, ask->env.items [index]);
        head.envc++;
    }
    head.size = (uint32_t) (blob.size - sizeof head);
    memcpy (blob.text, &head, sizeof head);
    if (pwrite (file, blob.text, blob.size, 0) != (ssize_t) blob.size
    || ftruncate (file, (off_t) blob.size)) {
        close (file);
        return -1;
    }
    return file;
}

//  A pipe whose outer end is ours and does not wait. The inner end belongs to the place's user, so
//  that /dev/stdout can be opened again.
static int
s_make_pipe (shim_t *self, int outer, int fds [2])
{
    if (pipe2 (fds, O_CLOEXEC))
        return -1;
    if (fcntl (fds [outer], F_SETFL, O_NONBLOCK)
    || (berth_has (shim_open, &self->open, uid)
        && fchown (fds [0], (uid_t) self->open.uid, (gid_t) self->open.uid))) {
        close (fds [0]);
        close (fds [1]);
        return -1;
    }
    return 0;
}

enum { PART_BLOB, PART_STDIN, PART_STDOUT, PART_STDERR, PARTS };

//  Makes what the child gets. The outer ends are watches of the exec's afterwards.
static int
s_make_parts (shim_t *self, child_t *child, const shim_message_t *ask, int parts [PARTS])
{
    int fds [2];
    parts [PART_BLOB] = s_make_blob (self, ask);
    if (parts [PART_BLOB] < 0 || child->tty)
        return parts [PART_BLOB] < 0 ? -1 : 0;
    if (berth_has (shim_message, ask, stdin_open) && ask->stdin_open) {
        if (s_make_pipe (self, 1, fds))
            return -1;
        parts [PART_STDIN] = fds [0];
        shim_input_open (self, child, fds [1]);
    }
    else if ((parts [PART_STDIN] = open ("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
        return -1;
    for (int index = 0; index < 2; index++) {
        if (s_make_pipe (self, 0, fds))
            return -1;
        parts [PART_STDOUT + index] = fds [1];
        shim_output_open (self, child, index, fds [0]);
    }
    return 0;
}

static child_t *
s_new (shim_t *self, const shim_message_t *ask, const char *folder)
{
    child_t *child = calloc (1, sizeof *child);
    ENSURE (child);
    snprintf (child->id, sizeof child->id, "%s", ask->exec);
    berth_error_set (child->name, sizeof child->name, "%s", s_text (self, ask->argv.items [0]));
    berth_error_set (child->cwd, sizeof child->cwd, "%s", s_text (self, s_cwd (self, ask)));
    child->folder = strdup (folder);
    ENSURE (child->folder);
    child->tty = berth_has (shim_message, ask, tty) && ask->tty;
    child->timeout_ms = ask->timeout_ms;
    child->grace_ms = berth_has (shim_message, ask, grace_ms) ? ask->grace_ms : SHIM_GRACE_MS;
    child->out [0].watch.fd = child->out [1].watch.fd = child->in.watch.fd = -1;
    child->out [0].child = child->out [1].child = child->in.child = child;
    while (self->slots [child->slot] || self->owed [child->slot])
        child->slot++;
    return child;
}

static void
s_start (shim_t *self, child_t *child, const shim_message_t *ask)
{
    init_request_t request = {
        .op = INIT_START, .slot = child->slot, .flags = child->tty ? INIT_TTY : 0,
        .cols = (uint16_t) (ask->cols ? ask->cols : 80), .rows = (uint16_t) (ask->rows ? ask->rows : 24)
    };
    int parts [PARTS] = { -1, -1, -1, -1 };
    if (s_make_parts (self, child, ask, parts))
        shim_child_not_started (self, child, "no descriptors for the exec: %s", strerror (errno));
    else if (!shim_init_send (self, &request, parts, child->tty ? 1 : PARTS))
        shim_child_not_started (self, child, "the place's first process does not answer");
    for (int index = 0; index < PARTS; index++)
        if (parts [index] >= 0)
            close (parts [index]);
}

void
shim_child_start (shim_t *self, peer_t *peer, const shim_message_t *ask)
{
    const char *wrong = s_wrong (ask);
    if (wrong) {
        shim_refuse (self, peer, ask->exec, "invalid_request: %s", wrong);
        return;
    }
    if (self->open.wrap.count && berth_has (shim_message, ask, tty) && ask->tty) {
        shim_refuse (self, peer, ask->exec, "unsupported: there are no terminals in this place");
        return;
    }
    const char *folder = s_text (self, ask->spool);
    child_t *known = shim_child_find (self, ask->exec);
    if (known) {
        shim_message_t message;         //  One that is starting is answered when it has
        shim_fill_started (known, &message);
        if (known->state == CHILD_RUNNING || known->state == CHILD_EXITED)
            shim_answer (self, peer, &message);
        return;
    }
    if (shim_answer_ended (self, peer, folder))
        return;
    if (berth_has (shim_message, ask, generation) && ask->generation < self->generation) {
        shim_refuse (self, peer, ask->exec, "fenced: the place has generation %llu",
                     (unsigned long long) self->generation);
        return;
    }
    shim_init_settle (self);
    if (self->closing || self->children_count + self->owed_count >= SHIM_EXECS_MAX) {
        shim_refuse (self, peer, ask->exec, self->closing ? "conflict: the place is being closed"
                                                          : "busy: too many execs run in the place");
        return;
    }
    berth_error_t err = { 0 };
    int64_t now_ms = berth_wall_ms ();
    spool_t *spool = NULL;
    if (shim_spare_take (self, ask, folder, &spool, &err)) {
        shim_refuse (self, peer, ask->exec, "%s: %s", berth_code_text (err.code), err.text);
        return;
    }
    child_t *child = s_new (self, ask, folder);
    child->spool = spool;
    child->started_at = now_ms;
    child->start_by = berth_mono_ms () + SHIM_START_MS;
    child->next = self->children;
    self->children = child;
    self->slots [child->slot] = child;
    self->children_count++;
    s_start (self, child, ask);
    if (shim_child_find (self, ask->exec))      //  It did not end at once:
        spool_prepare (spool);                  //  while its process starts
}
