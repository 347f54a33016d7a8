//  berthd.c - main of the service: options, one service, and the word to whoever started it.

#include "configure.h"
#include "daemon_options.h"
#include "provider.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
s_failed (const berth_error_t *err)
{
    fprintf (stderr, "berthd: %s (%s)\n", err->text, berth_code_text (err->code));
    if (err->remedy [0])
        fprintf (stderr, "  remedy: %s\n", err->remedy);
    return berth_code_exit (err->code);
}

static quota_limits_t
s_limits (const configuration_quotas_t *said)
{
    return said ? (quota_limits_t) { said->rate, said->burst, said->leases, said->execs,
                                     said->spool_bytes } : (quota_limits_t) { 0 };
}

static void
s_quotas (const configuration_t *said, server_options_t *options)
{
    quota_limits_t usual = s_limits (said->quotas);
    options->quotas = quotas_new (&usual);
    for (size_t index = 0; index < said->companies.count; index++) {
        quota_limits_t limits = s_limits (said->companies.items [index].quotas);
        quotas_limit (options->quotas, said->companies.items [index].id, &limits);
    }
}

//  What the file says.
static int
s_configure (const char *path, arena_t *arena, server_options_t *options, berth_error_t *err)
{
    configuration_t said;
    if (configure (path, arena, &said, err))
        return -1;
    options->state = said.state;
    options->runtime = said.runtime;
    options->store_max = said.store_max;
    options->keys_max = said.keys ? said.keys->max : 0;
    options->test_providers = said.test_providers;
    providers_add_faults ((size_t) said.test_faults);
    if (berth_has (configuration, &said, local_as_root))
        options->local_as_root = said.local_as_root;
    s_quotas (&said, options);
    options->doors = said.doors.items;
    options->doors_count = said.doors.count;
    options->roots = said.roots;
    options->local_over_tcp = said.local_over_tcp;
    options->master_key_file = said.master_key_file;
    retention_t *retention = arena_new_of (arena, retention_t);
    retention_of (said.retention, retention);
    options->retention = retention;
    sweep_how_t *sweep = arena_new_of (arena, sweep_how_t);
    *sweep = sweep_how (said.sweep);
    options->sweep = sweep;
    if (said.uids) {
        options->uid_first = (uint32_t) said.uids->first;
        options->uid_count = (uint32_t) said.uids->count;
    }
    return 0;
}

//  What the command line says, over it.
static void
s_override (const daemon_options_t *said, server_options_t *options)
{
    if (said->state)
        options->state = said->state;
    if (said->runtime)
        options->runtime = said->runtime;
    if (said->store_max)
        options->store_max = said->store_max;
    if (said->uids)
        (void) daemon_options_uids (said->uids, &options->uid_first, &options->uid_count);     //  Checked
    if (berth_has (daemon_options, said, local_root))
        options->local_as_root = said->local_root;
    if (berth_has (daemon_options, said, test_providers))
        options->test_providers = said->test_providers;
    if (berth_has (daemon_options, said, owner_fd))
        options->owner_fd = (int) said->owner_fd;
    options->ephemeral = said->ephemeral;
}

static const char *
s_environment (const char *name)
{
    const char *value = getenv (name);
    return value && *value ? value : NULL;
}

//  DESIGN section 3.
static int
s_directories (server_options_t *options, char *state, char *runtime, size_t size)
{
    const char *named = options->state ? options->state : s_environment ("BERTH_STATE");
    const char *home = s_environment ("HOME"), *xdg = s_environment ("XDG_STATE_HOME");
    if (named)
        snprintf (state, size, "%s", named);
    else if (geteuid () == 0)
        snprintf (state, size, "/var/lib/berth");
    else if (xdg)
        snprintf (state, size, "%s/berth", xdg);
    else if (home)
        snprintf (state, size, "%s/.local/state/berth", home);
    else {
        fputs ("berthd: no state directory: there is no $HOME; name one with --state\n", stderr);
        return -1;
    }
    const char *run = s_environment ("XDG_RUNTIME_DIR");
    if (options->runtime)
        snprintf (runtime, size, "%s", options->runtime);
    else if (named || (geteuid () && !run))
        snprintf (runtime, size, "%.*s/run", (int) (size - 5), state);
    else if (geteuid () == 0)
        snprintf (runtime, size, "/run/berth");
    else
        snprintf (runtime, size, "%s/berth", run);
    options->state = state;
    options->runtime = runtime;
    return 0;
}

//  sd_notify's protocol: one datagram to the socket that systemd named.
static void
s_notify (const char *text)
{
    const char *path = s_environment ("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (!path || strlen (path) >= sizeof address.sun_path)
        return;
    memcpy (address.sun_path, path, strlen (path));
    if (address.sun_path [0] == '@')
        address.sun_path [0] = 0;
    int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t length = (socklen_t) (offsetof (struct sockaddr_un, sun_path) + strlen (path));
    (void) !sendto (fd, text, strlen (text), MSG_NOSIGNAL, (struct sockaddr *) &address, length);
    close (fd);
}

static void
s_alive (void)
{
    s_notify ("WATCHDOG=1\n");
}

//  How often systemd wants to hear of us: half of what it told us, 0 if it does not.
static int64_t
s_watchdog_ms (void)
{
    const char *usec = s_environment ("WATCHDOG_USEC"), *pid = s_environment ("WATCHDOG_PID");
    if (!usec || !s_environment ("NOTIFY_SOCKET") || (pid && strtoll (pid, NULL, 10) != getpid ()))
        return 0;
    int64_t ms = strtoll (usec, NULL, 10) / 2000;
    return ms > 0 && ms < 3600000 ? ms : 0;
}

int
main (int argc, char **argv)
{
    server_options_t options = { .owner_fd = -1, .local_as_root = false, .alive = s_alive,
                                 .alive_ms = s_watchdog_ms () };
    daemon_options_t said = { 0 };
    char state [2048], runtime [2048];
    berth_error_t err = { 0 };
    own (arena) arena = arena_new ();
    if (argc > 0 && daemon_options_read (argv, arena, &said, &err))
        return s_failed (&err);
    if (said.help || said.version) {
        if (said.help)
            daemon_options_help ();
        else
            printf ("berthd %s\n", BERTH_VERSION);
        return fflush (stdout) ? 1 : 0;
    }
    if (said.config && s_configure (said.config, arena, &options, &err))
        return s_failed (&err);
    s_override (&said, &options);
    if (s_directories (&options, state, runtime, sizeof state)) {
        quotas_destroy (&options.quotas);
        return berth_code_exit (BERTH_INVALID);
    }

    if (said.restore) {
        bool restored = server_restore (&options, said.restore, &err) == 0;
        quotas_destroy (&options.quotas);
        if (!restored)
            return s_failed (&err);
        printf ("restored %s into %s; its first start begins a new epoch\n", said.restore, options.state);
        return fflush (stdout) ? 1 : 0;
    }
    own (server) server = NULL;
    if (server_start (&options, &server, &err))
        return s_failed (&err);
    s_notify ("READY=1\n");
    server_wait (server);
    s_notify ("STOPPING=1\n");
    return 0;
}
