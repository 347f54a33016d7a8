//  berthd.c - main of the service: options, one service, and the word to whoever started it.

#include "configure.h"
#include "server.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const s_help =
    "berthd - leases places where work may run, and never forgets one\n"
    "\n"
    "  berthd [--state DIR] [--runtime DIR] [options]\n"
    "\n"
    "  --config FILE      a ZPL file with the keys state, runtime, storeMax, localAsRoot,\n"
    "                     testProviders, uids/first, uids/count; options win over it\n"
    "  --state DIR        where its state is ($BERTH_STATE, else $XDG_STATE_HOME/berth;\n"
    "                     root: /var/lib/berth)\n"
    "  --runtime DIR      where its sockets are (DIR/run of a named state directory, else\n"
    "                     $XDG_RUNTIME_DIR/berth; root: /run/berth)\n"
    "  --store-max BYTES  how large the store may grow (64 GiB)\n"
    "  --uids FIRST:COUNT host uids for places, when started by root (900000:50000)\n"
    "  --no-local-root    driver local may not run as root\n"
    "  --ephemeral        a private service: closes every place when it ends\n"
    "  --owner-fd N       end when descriptor N reaches its end of file\n"
    "  --test-providers   allow the providers fake and fault\n"
    "  --version, --help\n"
    "\n"
    "It runs in the foreground. SIGTERM stops it in at most ten seconds and leaves places and\n"
    "their commands alone for the next start; `berth bus shutdown --release` closes them first.\n";

enum { CONFIG = 256, STORE_MAX, UIDS, NO_LOCAL_ROOT, EPHEMERAL, OWNER_FD, TEST_PROVIDERS, VERSION };

static const struct option s_options [] = {
    { "config", required_argument, NULL, CONFIG },
    { "state", required_argument, NULL, 's' },
    { "runtime", required_argument, NULL, 'r' },
    { "store-max", required_argument, NULL, STORE_MAX },
    { "uids", required_argument, NULL, UIDS },
    { "no-local-root", no_argument, NULL, NO_LOCAL_ROOT },
    { "ephemeral", no_argument, NULL, EPHEMERAL },
    { "owner-fd", required_argument, NULL, OWNER_FD },
    { "test-providers", no_argument, NULL, TEST_PROVIDERS },
    { "version", no_argument, NULL, VERSION },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 }
};

static int
s_number (const char *text, uint64_t most, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull (text, &end, 10);
    if (errno || end == text || *end || *text == '-' || number > most)
        return -1;
    *ret_number = number;
    return 0;
}

static int
s_wrong (const char *option, const char *value)
{
    fprintf (stderr, "berthd: --%s cannot be '%s' (berthd --help)\n", option, value);
    return -1;
}

static int
s_uids (const char *text, server_options_t *options)
{
    char first [32];
    const char *colon = strchr (text, ':');
    uint64_t low, count;
    if (!colon || (size_t) (colon - text) >= sizeof first)
        return -1;
    snprintf (first, sizeof first, "%.*s", (int) (colon - text), text);
    if (s_number (first, 4000000000u, &low) || s_number (colon + 1, 100000000u, &count)
        || low < 1000 || count == 0)
        return -1;
    options->uid_first = (uint32_t) low;
    options->uid_count = (uint32_t) count;
    return 0;
}

//  What the file says, under the options: it is read before them, wherever it is named.
static int
s_configure (const char *path, arena_t *arena, server_options_t *options)
{
    configuration_t said;
    berth_error_t err = { 0 };
    if (configure (path, arena, &said, &err)) {
        fprintf (stderr, "berthd: %s (%s)\n", err.text, berth_code_text (err.code));
        if (err.remedy [0])
            fprintf (stderr, "  remedy: %s\n", err.remedy);
        return -1;
    }
    options->state = said.state;
    options->runtime = said.runtime;
    options->store_max = said.store_max;
    options->keys_max = said.keys ? said.keys->max : 0;
    options->test_providers = said.test_providers;
    if (berth_has (configuration, &said, local_as_root))
        options->local_as_root = said.local_as_root;
    if (said.uids) {
        options->uid_first = (uint32_t) said.uids->first;
        options->uid_count = (uint32_t) said.uids->count;
    }
    return 0;
}

//  The file that --config names, or NULL.
static const char *
s_config_path (int argc, char **argv)
{
    for (int index = 1; index < argc; index++) {
        if (strncmp (argv [index], "--config=", 9) == 0)
            return argv [index] + 9;
        if (strcmp (argv [index], "--config") == 0)
            return index + 1 < argc ? argv [index + 1] : NULL;
    }
    return NULL;
}

//  Fills *options; 1 when there is nothing more to do (help was shown).
static int
s_parse (int argc, char **argv, server_options_t *options)
{
    int option;
    uint64_t number;
    while ((option = getopt_long (argc, argv, "h", s_options, NULL)) != -1)
        switch (option) {
            case CONFIG: break;     //  Read before
            case 's': options->state = optarg; break;
            case 'r': options->runtime = optarg; break;
            case STORE_MAX:
                if (s_number (optarg, 1ull << 46, &options->store_max)
                    || options->store_max < 1 << 20)
                    return s_wrong ("store-max", optarg);
                break;
            case UIDS:
                if (s_uids (optarg, options))
                    return s_wrong ("uids", optarg);
                break;
            case OWNER_FD:
                if (s_number (optarg, 65535, &number))
                    return s_wrong ("owner-fd", optarg);
                options->owner_fd = (int) number;
                break;
            case NO_LOCAL_ROOT: options->local_as_root = false; break;
            case EPHEMERAL: options->ephemeral = true; break;
            case TEST_PROVIDERS: options->test_providers = true; break;
            case VERSION: printf ("berthd %s\n", BERTH_VERSION); return 1;
            case 'h': fputs (s_help, stdout); return 1;
            default: return -1;     //  getopt has said what is wrong
        }
    if (optind < argc)
        return s_wrong ("", argv [optind]);
    return 0;
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

int
main (int argc, char **argv)
{
    server_options_t options = { .owner_fd = -1, .local_as_root = true };
    char state [2048], runtime [2048];
    own (arena) arena = arena_new ();
    const char *config = s_config_path (argc, argv);
    if (config && s_configure (config, arena, &options))
        return berth_code_exit (BERTH_INVALID);
    int rc = s_parse (argc, argv, &options);
    if (rc)
        return rc > 0 ? 0 : berth_code_exit (BERTH_INVALID);
    if (s_directories (&options, state, runtime, sizeof state))
        return berth_code_exit (BERTH_INVALID);

    own (server) server = NULL;
    berth_error_t err = { 0 };
    if (server_start (&options, &server, &err)) {
        fprintf (stderr, "berthd: %s (%s)\n", err.text, berth_code_text (err.code));
        if (err.remedy [0])
            fprintf (stderr, "  remedy: %s\n", err.remedy);
        return berth_code_exit (err.code);
    }
    s_notify ("READY=1\n");
    server_wait (server);
    s_notify ("STOPPING=1\n");
    return 0;
}
