//  service.c - owns a private service: its process, the pipe whose end ends it, and its folder.

#include "service.h"

#include "clock.h"
#include "output.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PRIVATE_MAGIC 0x5e471ce1u

enum { START_MS = 20000, STOP_MS = 15000, PROBE_MS = 2000 };

struct private_service {
    uint32_t magic;
    pid_t pid;                  //  Of the process that watches it
    int owner;                  //  The write end: when it closes, the service ends
    char folder [64];
};

//  ---- finding

static const char *
s_environment (const char *name)
{
    const char *value = getenv (name);
    return value && *value ? value : NULL;
}

//  Where the sockets are (DESIGN section 3), as berthd finds it; NULL: nowhere.
static const char *
s_runtime (const invocation_t *self)
{
    const char *state = self->common.state ? self->common.state : s_environment ("BERTH_STATE");
    const char *user = s_environment ("XDG_RUNTIME_DIR"), *xdg = s_environment ("XDG_STATE_HOME");
    const char *home = s_environment ("HOME");
    if (self->common.runtime)
        return self->common.runtime;
    if (state)
        return arena_printf (self->arena, "%s/run", state);
    if (geteuid () == 0)
        return "/run/berth";
    if (user)
        return arena_printf (self->arena, "%s/berth", user);
    if (xdg)
        return arena_printf (self->arena, "%s/berth/run", xdg);
    return home ? arena_printf (self->arena, "%s/.local/state/berth/run", home) : NULL;
}

//  Over TCP nobody gets in without a key.
static int
s_key (invocation_t *self, berth_error_t *err)
{
    bool network = strncmp (self->endpoint, "tcp://", 6) == 0;
    const char *file = self->common.key_file ? self->common.key_file : s_environment ("BERTH_KEY_FILE");
    const char *server = self->common.server_key ? self->common.server_key
                                                 : s_environment ("BERTH_SERVER_KEY");
    if (network && !file) {
        berth_error_set (err->remedy, sizeof err->remedy, "on the service's machine: berth key new "
                         "NAME; then name its file with --key-file");
        return berth_fail (err, BERTH_INVALID, "over TCP nobody gets in without a key");
    }
    self->connect = (berth_connect_t) { .endpoint = self->endpoint,
                                        .key_file = network ? file : NULL,
                                        .server_key = network ? server : NULL };
    return 0;
}

int
service_find (invocation_t *self, bool *ret_named, berth_error_t *err)
{
    const char *named = self->common.endpoint ? self->common.endpoint : s_environment ("BERTH_ENDPOINT");
    *ret_named = named || self->common.state || self->common.runtime || s_environment ("BERTH_STATE");
    if (named) {
        self->endpoint = *named == '/' ? arena_printf (self->arena, "ipc://%s", named) : named;
        return s_key (self, err);
    }
    const char *runtime = s_runtime (self);
    if (!runtime) {
        berth_error_set (err->remedy, sizeof err->remedy, "name one with --endpoint or --runtime");
        return berth_fail (err, BERTH_UNREACHABLE, "no service to be found: neither XDG_RUNTIME_DIR nor HOME is set");
    }
    self->endpoint = arena_printf (self->arena, "ipc://%s/bus.sock", runtime);
    if (strlen (self->endpoint) - strlen ("ipc://") > 107)
        return berth_fail (err, BERTH_INVALID, "the socket's path is longer than 107 bytes: %s",
                           self->endpoint + strlen ("ipc://"));
    return s_key (self, err);
}

static int
s_nobody (const invocation_t *self, berth_error_t *err)
{
    *err = (berth_error_t) { 0 };
    berth_error_set (err->remedy, sizeof err->remedy, self->common.state
                     ? "start one: berthd --state %s &" : "start one: berthd &", self->common.state);
    return berth_fail (err, BERTH_UNREACHABLE, "no service answers at %s", self->endpoint);
}

//  Does somebody listen? Asked by the system, before ZeroMQ tries again and again: 0, or why not.
static int
s_knock (const char *endpoint)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strncmp (endpoint, "ipc://", 6) || endpoint [6] == '@'
        || strlen (endpoint + 6) >= sizeof address.sun_path)
        return 0;
    memcpy (address.sun_path, endpoint + 6, strlen (endpoint + 6));
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return 0;
    int rc = connect (fd, (struct sockaddr *) &address, sizeof address) ? errno : 0;
    close (fd);
    return rc == EAGAIN || rc == EINPROGRESS ? 0 : rc;
}

bool
service_listens (const invocation_t *self)
{
    return s_knock (self->endpoint) == 0;
}

const char *
service_beside (const invocation_t *self, const char *endpoint)
{
    const char *port = strrchr (endpoint, ':'), *end = strrchr (self->endpoint, ':');
    if (strncmp (self->endpoint, "tcp://", 6) || !port || !end)
        return endpoint;
    return arena_printf (self->arena, "%.*s%s", (int) (end - self->endpoint), self->endpoint, port);
}

bool
service_answers (const invocation_t *self)
{
    berth_error_t err = { 0 };
    if (s_knock (self->endpoint))
        return false;
    own (berth_client) bus = berth_client_open (&self->connect, &err);
    if (!bus)
        return false;
    berth_client_set_patience (bus, PROBE_MS);
    berth_ask_t ask = { .deadline_ms = PROBE_MS };
    return berth_client_ask (bus, REQUEST_BUS_PING, NULL, &ask, self->arena, NULL, &err) == 0;
}

static void
s_lost (void *context)
{
    (void) context;
    terminal_progress_clear ();
    output_note ("the service went away, trying again");
}

int
service_connect (invocation_t *self, berth_error_t *err)
{
    int closed = s_knock (self->endpoint);
    if (closed == EACCES || closed == EPERM) {
        berth_error_set (err->remedy, sizeof err->remedy, "become that user, or start one of your own: "
                         "berthd --state DIR &");
        return berth_fail (err, BERTH_FORBIDDEN, "the service at %s is another user's", self->endpoint);
    }
    if (closed)
        return s_nobody (self, err);
    self->bus = berth_client_open (&self->connect, err);
    if (!self->bus)
        return -1;
    berth_client_set_patience (self->bus, PROBE_MS);
    berth_ask_t ask = service_ask (self, PROBE_MS + 3000);
    if (berth_client_ask (self->bus, REQUEST_BUS_PING, NULL, &ask, self->arena, NULL, err)) {
        berth_client_destroy (&self->bus);
        return err->code == BERTH_UNREACHABLE ? s_nobody (self, err) : -1;
    }
    berth_client_set_patience (self->bus, 0);
    berth_client_on_loss (self->bus, s_lost, NULL);
    return 0;
}

berth_ask_t
service_ask (const invocation_t *self, int64_t usual_ms)
{
    return (berth_ask_t) { .deadline_ms = self->common.deadline_ms
                                        ? (int64_t) self->common.deadline_ms : usual_ms };
}

//  ---- a private one

//  berthd beside this program, else in PATH.
static const char *
s_program (arena_t *arena)
{
    char path [4000];
    ssize_t size = readlink ("/proc/self/exe", path, sizeof path - 1);
    if (size > 0) {
        path [size] = 0;
        char *slash = strrchr (path, '/');
        if (slash) {
            *slash = 0;
            const char *beside = arena_printf (arena, "%s/berthd", path);
            if (access (beside, X_OK) == 0)
                return beside;
        }
    }
    return "berthd";
}

static int
s_remove (const char *path, const struct stat *what, int type, struct FTW *where)
{
    (void) what;
    (void) type;
    (void) where;
    (void) remove (path);       //  What cannot be removed stays in the temporary folder
    return 0;
}

//  Becomes the service.
static void
s_become (const char *program, const char *folder, int owner, arena_t *arena)
{
    char number [16];
    snprintf (number, sizeof number, "%d", owner);
    if (fcntl (owner, F_SETFD, 0) == 0)
        execlp (program, "berthd", "--ephemeral", "--state", arena_printf (arena, "%s/state", folder),
                "--runtime", arena_printf (arena, "%s/run", folder), "--owner-fd", number, (char *) NULL);
    _exit (errno == ENOENT ? 127 : 126);
}

//  Between us and the service, in a session of its own so that Ctrl-C is ours: when the service has
//  ended and we are gone, it removes the folder. It ends as the service did.
static void
s_watch (const char *program, const char *folder, const int ends [2], arena_t *arena)
{
    sigset_t none;
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    signal (SIGPIPE, SIG_DFL);
    setsid ();
    close (ends [1]);
    int null = open ("/dev/null", O_RDONLY | O_CLOEXEC), status = 0;
    int log = open (arena_printf (arena, "%s/log", folder), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (null < 0 || log < 0 || dup2 (null, 0) < 0 || dup2 (log, 1) < 0 || dup2 (log, 2) < 0)
        _exit (126);
    pid_t service = fork ();
    if (service == 0)
        s_become (program, folder, ends [0], arena);
    while (service > 0 && waitpid (service, &status, 0) < 0 && errno == EINTR)
        ;
    struct pollfd owner = { .fd = ends [0] };
    if (poll (&owner, 1, 0) > 0)
        nftw (folder, s_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    _exit (service > 0 && WIFEXITED (status) ? WEXITSTATUS (status) : 126);
}

//  The last line of its log: why it did not come up.
static void
s_last_words (const private_service_t *self, char *text, size_t size)
{
    char path [128], line [512];
    snprintf (path, sizeof path, "%s/log", self->folder);
    FILE *file = fopen (path, "re");
    *text = 0;
    while (file && fgets (line, sizeof line, file))
        if (line [0] != '\n')
            berth_error_set (text, size, "%.*s", (int) strcspn (line, "\n"), line);
    if (file)
        fclose (file);
}

//  Waits until it answers or ends.
static int
s_await (private_service_t *self, invocation_t *invocation, berth_error_t *err)
{
    int process = (int) syscall (SYS_pidfd_open, self->pid, 0);
    struct pollfd end = { .fd = process, .events = POLLIN };
    int64_t until = berth_mono_ms () + START_MS;
    berth_ask_t ask = { .deadline_ms = START_MS };
    berth_client_set_patience (invocation->bus, START_MS);
    uint64_t call = berth_client_send (invocation->bus, "bus.ping", berth_empty_map, &ask, err);
    berth_reply_t reply = { .status = reply_status_ERROR };
    bool ended = false;
    while (!ended && !berth_client_next (invocation->bus, call, 0, &reply) && berth_mono_ms () < until) {
        berth_client_wait (invocation->bus, &end, 1, until);
        ended = end.revents != 0;
    }
    close (process);
    if (reply.status == reply_status_OK) {
        berth_client_set_patience (invocation->bus, PROBE_MS);      //  Nobody starts it again
        return 0;
    }
    int status = 0;
    bool missing = ended && waitpid (self->pid, &status, 0) == self->pid && WIFEXITED (status)
                && WEXITSTATUS (status) == 127;
    if (ended)
        self->pid = 0;
    *err = (berth_error_t) { 0 };
    s_last_words (self, err->cause, sizeof err->cause);
    if (missing) {
        berth_error_set (err->remedy, sizeof err->remedy, "put berthd beside berth, or into the PATH");
        return berth_fail (err, BERTH_UNREACHABLE, "there is no service, and no berthd to start one");
    }
    return berth_fail (err, BERTH_UNREACHABLE, ended ? "the private service ended while it started"
                       : "the private service did not start in %d s", START_MS / 1000);
}

private_service_t *
service_start (invocation_t *invocation, berth_error_t *err)
{
    const char *parent = s_environment ("TMPDIR"), *program = s_program (invocation->arena);
    private_service_t *self = calloc (1, sizeof *self);
    ENSURE (self);
    self->magic = PRIVATE_MAGIC;
    self->owner = -1;
    //  A long TMPDIR would leave no room for the sockets' names.
    snprintf (self->folder, sizeof self->folder, "%s/berth.XXXXXX",
              parent && strlen (parent) < 40 ? parent : "/tmp");
    int ends [2];
    if (!mkdtemp (self->folder) || chmod (self->folder, 0711)) {    //  Places have users of their own
        berth_fail_errno (err, BERTH_UNREACHABLE, "no folder for a private service '%s'", self->folder);
        free (self);
        return NULL;
    }
    if (pipe2 (ends, O_CLOEXEC)) {
        berth_fail_errno (err, BERTH_UNREACHABLE, "no pipe for a private service");
        service_stop (&self);
        return NULL;
    }
    self->owner = ends [1];
    self->pid = fork ();
    if (self->pid == 0)
        s_watch (program, self->folder, ends, invocation->arena);
    close (ends [0]);
    invocation->endpoint = arena_printf (invocation->arena, "ipc://%s/run/bus.sock", self->folder);
    invocation->bus = berth_client_new (invocation->endpoint, err);
    if (self->pid < 0)
        berth_fail_errno (err, BERTH_UNREACHABLE, "no process for a private service");
    if (self->pid < 0 || !invocation->bus || s_await (self, invocation, err)) {
        berth_client_destroy (&invocation->bus);
        service_stop (&self);
        return NULL;
    }
    return self;
}

void
service_stop (private_service_t **self_p)
{
    private_service_t *self = *self_p;
    if (!self)
        return;
    CHECK (self, PRIVATE_MAGIC);
    if (self->pid > 0 && waitpid (self->pid, NULL, WNOHANG) == self->pid) {
        char words [256];
        s_last_words (self, words, sizeof words);
        output_note ("the private service ended by itself; its last words: %s", words);
        self->pid = 0;
    }
    if (self->owner >= 0)
        close (self->owner);
    if (self->pid > 0) {
        int process = (int) syscall (SYS_pidfd_open, self->pid, 0);
        struct pollfd end = { .fd = process, .events = POLLIN };
        int64_t until = berth_mono_ms () + STOP_MS;
        while (berth_mono_ms () < until && poll (&end, 1, (int) (until - berth_mono_ms ())) < 0)
            ;                   //  A signal came
        if (!end.revents) {
            output_note ("the private service did not end in %d s; see %s/log", STOP_MS / 1000, self->folder);
            kill (-self->pid, SIGTERM);
            self->folder [0] = 0;
        }
        else
            waitpid (self->pid, NULL, 0);
        close (process);
    }
    if (self->folder [0])
        nftw (self->folder, s_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    self->magic = 0;
    free (self);
    *self_p = NULL;
}
