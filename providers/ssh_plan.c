//  ssh_plan.c - owns what a relay is told: the command line of ssh, its environment, the folders.
//
//  The user's ssh_config holds, with its agents, jump hosts and host aliases. Said here is what
//  Berth promises: nobody is asked, hosts are known, nothing is forwarded, one master for a place.

#include "ssh.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONTROL_MAX = 107 - 17 };        //  ssh makes the socket under a longer name first

static void
s_option (words_t *argv, const char *text)
{
    words_all (argv, "-o", text, NULL);
}

//  A file's name as ssh_config wants it: quoted, without tokens.
static const char *
s_file (const char *key, const char *path, arena_t *arena)
{
    char *text = arena_take (arena, strlen (key) + 2 * strlen (path) + 4);
    char *to = stpcpy (stpcpy (text, key), "=\"");
    for (; *path; path++) {
        *to++ = *path;
        if (*path == '%')
            *to++ = '%';
    }
    (void) stpcpy (to, "\"");
    return text;
}

static int
s_put (const char *path, const char *text, berth_error_t *err)
{
    int file = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t size = strlen (text);
    bool whole = file >= 0 && write (file, text, size) == (ssize_t) size
        && (!size || text [size - 1] == '\n' || write (file, "\n", 1) == 1);
    int rc = whole ? 0 : berth_fail_errno (err, BERTH_PROVIDER_ERROR, "cannot write '%s'", path);
    if (file >= 0)
        close (file);
    return rc;
}

//  Who is it that answers there?
static int
s_host_keys (const ssh_config_t *config, const place_t *place, words_t *argv, berth_error_t *err)
{
    arena_t *arena = argv->arena;
    if (!config->strict) {
        words_all (argv, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                   "-o", "GlobalKnownHostsFile=/dev/null", NULL);
        return 0;
    }
    s_option (argv, "StrictHostKeyChecking=yes");
    if (!config->known_hosts)
        return 0;
    const char *path = arena_printf (arena, "%s/known_hosts", place->folder);
    s_option (argv, s_file ("UserKnownHostsFile", path, arena));
    s_option (argv, "GlobalKnownHostsFile=/dev/null");
    return s_put (path, config->known_hosts, err);
}

static berth_blobs_t
s_env (arena_t *arena)
{
    static const char *const names [] = { "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK" };
    words_t env = { .arena = arena };
    words_all (&env, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C", NULL);
    for (size_t index = 0; index < BERTH_COUNT (names); index++)
        if (getenv (names [index]))
            words_set (&env, names [index], strlen (names [index]), getenv (names [index]));
    return words_blobs (&env);
}

const char *
ssh_control (const ssh_t *self, const place_t *place, arena_t *arena)
{
    //  The end of an id is random
    return arena_printf (arena, "%s/p/%s.m", self->runtime, place->id + 24);
}

int
ssh_plan (ssh_t *self, const ssh_config_t *config, uint64_t port, const place_t *place,
          arena_t *arena, shim_relay_t *ret_relay, berth_error_t *err)
{
    const char *control = ssh_control (self, place, arena);
    if (strlen (control) > CONTROL_MAX) {
        berth_error_set (err->remedy, sizeof err->remedy, "give berthd a shorter runtime directory");
        return berth_fail (err, BERTH_PROVIDER_ERROR,
                           "the runtime directory's name is too long for ssh's master connections");
    }
    const char *number = arena_printf (arena, "%llu", (unsigned long long) port);
    words_t argv = { .arena = arena };
    words_all (&argv, self->client, "-T", "-a", "-x", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
               "-o", "LogLevel=ERROR", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3",
               "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none",
               "-o", "ControlMaster=auto", "-o", "ControlPersist=60", NULL);
    s_option (&argv, s_file ("ControlPath", control, arena));
    if (s_host_keys (config, place, &argv, err))
        return -1;
    shim_relay_t relay = { 0 };
    if (config->key && *config->key) {
        const char *path = arena_printf (arena, "%s/key", place->folder);
        s_option (&argv, "IdentitiesOnly=yes");
        s_option (&argv, s_file ("IdentityFile", path, arena));
        berth_put (shim_relay, &relay, key, words_bytes (config->key));
        berth_put (shim_relay, &relay, key_path, words_bytes (path));
    }
    words_all (&argv, "-p", number, "-l", config->username, "--", config->host, NULL);
    relay.argv = words_blobs (&argv);
    relay.env = s_env (arena);
    relay.host = arena_printf (arena, "%s@%s:%s", config->username, config->host, number);
    relay.base = words_bytes (config->path);
    relay.program = words_bytes (self->program);
    relay.control = words_bytes (control);
    *ret_relay = relay;
    return 0;
}
