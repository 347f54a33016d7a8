//  far_open.c - owns the places of the remote machine: found, opened, ended, removed.

#include "far.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "shim_link.h"
#include "tree.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPEN_MS = 60000, GRACE_MS = 2000, END_MS = 10000, CALL = 3, ANSWER_MAX = 65536 };

static const char SOCKET [] = "s";      //  In the place's folder, which is ours: never too long

static int
s_make (const char *path, berth_error_t *err)
{
    if (mkdir (path, 0700) == 0 || errno == EEXIST)
        return 0;
    berth_error_set (err->cause, sizeof err->cause, "%s: %s", path, strerror (errno));
    if (errno == ENOSPC || errno == EDQUOT)
        berth_error_set (err->remedy, sizeof err->remedy, "make room on the remote machine's disk");
    return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the place's folder cannot be made there");
}

int
far_place_enter (const shim_open_t *ask, bool make, arena_t *arena, far_place_t *ret_place,
                 berth_error_t *err)
{
    char *here = getcwd (NULL, 0);
    if (!here || !berth_id_is (ask->place)) {
        free (here);
        return berth_fail (err, BERTH_INVALID, "there is no such place");
    }
    far_place_t place = { .base = arena_string (arena, here) };
    free (here);
    const char *slash = strcmp (place.base, "/") ? "/" : "";
    place.folder = arena_printf (arena, "%s%s.berth/%s", place.base, slash, ask->place);
    place.workspace = arena_printf (arena, "%s%s%s", place.base, slash, ask->place);
    const char *spools = arena_printf (arena, "%s/spool", place.folder);
    if (make && (s_make (".berth", err) || s_make (place.folder, err) || s_make (spools, err)
                 || s_make (place.workspace, err))) {
        (void) tree_remove (place.folder, NULL);
        return -1;
    }
    if (chdir (place.folder))
        return errno == ENOENT ? berth_fail (err, BERTH_NOT_FOUND, "the place is not there any more")
             : berth_fail_errno (err, BERTH_PROVIDER_ERROR, "the place's folder cannot be entered");
    *ret_place = place;
    return 0;
}

//  ---- telling

static const char *
s_shell (void)
{
    return access ("/bin/bash", X_OK) == 0 || access ("/usr/bin/bash", X_OK) == 0 ? "bash" : "sh";
}

static const char *
s_ends_by (arena_t *arena)
{
    uint8_t *data = arena_take (arena, ANSWER_MAX);
    int file = open ("shim.msgpack", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = file < 0 ? -1 : read (file, data, ANSWER_MAX);
    shim_record_t record;
    if (file >= 0)
        close (file);
    return got > 0 && berth_unpack (&shim_record_schema, (berth_bytes_t) { data, (size_t) got },
                                    arena, &record, NULL) == 0 ? record.ends_by : "none";
}

void
far_tell (const far_place_t *place, arena_t *arena, shim_opened_t *ret_opened)
{
    berth_bytes_t map = any_set_text (berth_empty_map, "remoteCwd", place->workspace, arena);
    map = any_set_text (map, "shellCommand", s_shell (), arena);
    map = any_set_number (map, "uid", geteuid (), arena);
    berth_put (shim_opened, ret_opened, ok, true);
    berth_put (shim_opened, ret_opened, metadata, map);
    if (!ret_opened->ends_by)
        berth_put (shim_opened, ret_opened, ends_by, s_ends_by (arena));
    berth_put (shim_opened, ret_opened, limits_by, "none");
    berth_put (shim_opened, ret_opened, boot, berth_boot_id ());
}

//  ---- opening

static bool
s_listens (void)
{
    own (shim_link) link = NULL;
    return shim_link_open (SOCKET, berth_mono_ms () + 1000, &link, NULL) == 0;
}

//  What an exec finds of its environment: that of the session, and what the policy adds.
static berth_blobs_t
s_env (const shim_open_t *ask, arena_t *arena)
{
    static const char *const names [] = { "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG" };
    words_t env = { .arena = arena };
    words_all (&env, "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", "LANG=C.UTF-8", "TERM=dumb",
               NULL);
    for (size_t index = 0; index < BERTH_COUNT (names); index++)
        if (getenv (names [index]))
            words_set (&env, names [index], strlen (names [index]), getenv (names [index]));
    for (size_t index = 0; index < ask->exec_env.count; index++) {
        berth_bytes_t entry = ask->exec_env.items [index];
        const char *text = arena_text (arena, (const char *) entry.data, entry.size);
        const char *equals = strchr (text, '=');
        if (equals)
            words_set (&env, text, (size_t) (equals - text), equals + 1);
    }
    return words_blobs (&env);
}

//  The shim itself: what the spawner starts on berthd's host.
static void
s_become_shim (int control)
{
    int null = open ("/dev/null", O_RDWR);
    (void) dup2 (control, CALL);
    for (int fd = 0; fd < 3; fd++)
        (void) dup2 (null, fd);
    syscall (SYS_close_range, CALL + 1, ~0u, 0);
    (void) setsid ();                           //  The session's end is not the place's
    char *argv [] = { "berth-shim", "far", NULL };
    _exit (berth_shim_main (2, argv));
}

static bool
s_hand (int control, int call)
{
    union {
        char bytes [CMSG_SPACE (sizeof (int))];
        struct cmsghdr align;
    } rights;
    memset (&rights, 0, sizeof rights);
    uint8_t byte = SHIM_CALL_OPEN;
    struct iovec part = { &byte, 1 };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1,
        .msg_control = rights.bytes, .msg_controllen = sizeof rights.bytes
    };
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN (sizeof (int));
    memcpy (CMSG_DATA (header), &call, sizeof call);
    return sendmsg (control, &message, MSG_NOSIGNAL) == 1;
}

static bool
s_read (int fd, void *data, size_t size, int64_t deadline)
{
    for (size_t done = 0; done < size;) {
        int64_t left = deadline - berth_mono_ms ();
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        if (left <= 0 || poll (&wait, 1, (int) left) < 1)
            return false;
        ssize_t got = read (fd, (uint8_t *) data + done, size - done);
        if (got <= 0)
            return false;
        done += (size_t) got;
    }
    return true;
}

static int
s_call (int call, const shim_open_t *open, arena_t *arena, shim_opened_t *ret_opened,
        berth_error_t *err)
{
    int64_t deadline = berth_mono_ms () + OPEN_MS;
    berth_bytes_t frame = berth_pack (&shim_open_schema, open, arena);
    uint32_t length = (uint32_t) frame.size;
    if (write (call, &length, sizeof length) != (ssize_t) sizeof length
        || write (call, frame.data, frame.size) != (ssize_t) frame.size
        || !s_read (call, &length, sizeof length, deadline) || !length || length > ANSWER_MAX)
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the shim there ended without an answer");
    uint8_t *answer = arena_take (arena, length);
    if (!s_read (call, answer, length, deadline))
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the shim there did not answer in time");
    if (berth_unpack (&shim_opened_schema, (berth_bytes_t) { answer, length }, arena, ret_opened, err))
        return -1;
    if (!ret_opened->ok) {
        if (ret_opened->remedy)
            berth_error_set (err->remedy, sizeof err->remedy, "%s", ret_opened->remedy);
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the place cannot be opened there: %s",
                           ret_opened->error ? ret_opened->error : "it was not said why");
    }
    return 0;
}

int
far_open (const shim_open_t *ask, const far_place_t *place, arena_t *arena,
          shim_opened_t *ret_opened, int *ret_call, berth_error_t *err)
{
    *ret_call = -1;
    if (s_listens ())
        return 0;
    //  What a shim left that died there
    if (shim_link_bury (place->folder, berth_mono_ms () + END_MS, err))
        return -1;
    words_t argv = { .arena = arena }, env = { .arena = arena };
    //  Not by its name: who copies it at the same moment puts another file there
    words_all (&argv, "/proc/self/exe", "--init", "{INIT_FD}", NULL);
    words_all (&env, "PATH=/usr/bin:/bin", NULL);
    shim_open_t open = {
        .place = ask->place, .folder = words_bytes (place->folder), .socket = words_bytes (SOCKET),
        .spools = words_bytes ("spool"), .argv = words_blobs (&argv), .env = words_blobs (&env),
        .exec_env = s_env (ask, arena), .cwd = words_bytes (place->workspace)
    };
    berth_put (shim_open, &open, v, SHIM_VERSION);
    berth_put (shim_open, &open, generation, ask->generation);
    berth_put (shim_open, &open, pid_namespace, false);
    int control [2], call [2];
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control)
        || socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, call))
        return berth_fail_errno (err, BERTH_PROVIDER_ERROR, "no sockets can be made there");
    pid_t pid = fork ();
    if (pid == 0)
        s_become_shim (control [1]);
    close (control [1]);
    bool handed = pid > 0 && s_hand (control [0], call [1]);
    close (control [0]);
    close (call [1]);
    if (!handed) {
        close (call [0]);
        return berth_fail (err, BERTH_PROVIDER_ERROR, "the shim cannot be started there");
    }
    *ret_call = call [0];
    return s_call (call [0], &open, arena, ret_opened, err);
}

void
far_take (int *call_p)
{
    if (*call_p < 0)
        return;
    (void) !write (*call_p, "T", 1);
    close (*call_p);
    *call_p = -1;
}

static void
s_remove (const far_place_t *place, berth_error_t *err)
{
    (void) !chdir (place->base);
    if (tree_remove (place->workspace, err) == 0)
        (void) tree_remove (place->folder, err);
}

void
far_drop (int *call_p, const far_place_t *place)
{
    if (*call_p < 0)
        return;
    char rest [256];
    struct pollfd wait = { .fd = *call_p, .events = POLLIN };
    (void) shutdown (*call_p, SHUT_WR);
    while (poll (&wait, 1, END_MS) > 0 && read (*call_p, rest, sizeof rest) > 0)
        continue;
    close (*call_p);
    *call_p = -1;
    berth_error_t ignored = { 0 };              //  There is nobody left to tell
    s_remove (place, &ignored);
}

//  ---- the end

int
far_end (const shim_open_t *ask, arena_t *arena, berth_error_t *err)
{
    far_place_t place;
    berth_error_t why = { 0 };
    if (far_place_enter (ask, false, arena, &place, &why)) {
        if (why.code == BERTH_NOT_FOUND)
            return 0;
        *err = why;
        return -1;
    }
    if (shim_link_call_close (SOCKET, GRACE_MS, berth_mono_ms () + END_MS, &why)
        && shim_link_bury (place.folder, berth_mono_ms () + END_MS, err))
        return -1;
    if (ask->relay && ask->relay->keep)
        return 0;
    why = (berth_error_t) { 0 };
    s_remove (&place, &why);
    if (!why.code)
        return 0;
    berth_error_set (err->cause, sizeof err->cause, "%s", why.text);
    return berth_fail (err, BERTH_PROVIDER_ERROR, "the files of the place cannot be removed there");
}
