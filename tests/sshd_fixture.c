//  sshd_fixture.c - owns an sshd for tests: an ordinary child process on a port of loopback.

#include "sshd_fixture.h"

#include "clock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char SSHD [] = "/usr/sbin/sshd";

bool
sshd_is_there (const char **ret_why)
{
    *ret_why = access (SSHD, X_OK) ? "no sshd is installed"
             : !getpwuid (geteuid ()) ? "this user has no account" : NULL;
    return !*ret_why;
}

static int
s_run (char *const argv [])
{
    pid_t pid = fork ();
    if (pid == 0) {
        int null = open ("/dev/null", O_RDWR);
        (void) dup2 (null, 0);
        (void) dup2 (null, 1);
        execvp (argv [0], argv);
        _exit (127);
    }
    int status = -1;
    (void) waitpid (pid, &status, 0);
    return status;
}

static const char *
s_text (sshd_t *self, const char *name)
{
    static char data [16384];
    FILE *file = fopen (fixture_path (self->arena, self->folder, name), "re");
    assert_non_null (file);
    size_t size = fread (data, 1, sizeof data, file);
    fclose (file);
    return arena_text (self->arena, data, size);
}

static void
s_key (sshd_t *self, const char *name)
{
    char *path = (char *) (uintptr_t) fixture_path (self->arena, self->folder, name);
    char *argv [] = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path, NULL };
    assert_int_equal (s_run (argv), 0);
}

static struct sockaddr_in
s_address (unsigned port)
{
    return (struct sockaddr_in) {
        .sin_family = AF_INET, .sin_port = htons ((uint16_t) port),
        .sin_addr.s_addr = htonl (INADDR_LOOPBACK)
    };
}

static unsigned
s_free_port (void)
{
    struct sockaddr_in address = s_address (0);
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (bind (fd, (struct sockaddr *) &address, size), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    close (fd);
    return ntohs (address.sin_port);
}

static bool
s_listens (unsigned port)
{
    struct sockaddr_in address = s_address (port);
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool yes = connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
    close (fd);
    return yes;
}

void
sshd_start (sshd_t *self)
{
    self->pid = fork ();
    if (self->pid == 0) {
        char *argv [] = {
            (char *) (uintptr_t) SSHD, "-D", "-f",
            (char *) (uintptr_t) fixture_path (self->arena, self->folder, "config"), "-E",
            (char *) (uintptr_t) fixture_path (self->arena, self->folder, "log"), NULL
        };
        execv (SSHD, argv);
        _exit (127);
    }
    int64_t until = berth_mono_ms () + 20000;
    while (!s_listens (self->port)) {
        if (berth_mono_ms () > until || waitpid (self->pid, NULL, WNOHANG) == self->pid)
            fail_msg ("sshd does not start: %s", s_text (self, "log"));
        (void) poll (NULL, 0, 5);               //  It tells nobody when it listens
    }
}

//  Processes whose parent is that one.
static size_t
s_children (int parent, int pids [], size_t room)
{
    size_t count = 0;
    DIR *folder = opendir ("/proc");
    assert_non_null (folder);
    struct dirent *entry;
    while ((entry = readdir (folder))) {
        char path [300], line [512];
        int ppid;
        if (!isdigit ((unsigned char) entry->d_name [0]))
            continue;
        snprintf (path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = fopen (path, "re");
        if (!file)
            continue;
        char *end = fgets (line, sizeof line, file) ? strrchr (line, ')') : NULL;
        if (end && sscanf (end + 1, " %*c %d", &ppid) == 1 && ppid == parent && count < room)
            pids [count++] = atoi (entry->d_name);
        fclose (file);
    }
    closedir (folder);
    return count;
}

static void
s_kill_below (int parent)
{
    int pids [256];
    size_t count = s_children (parent, pids, BERTH_COUNT (pids));
    for (size_t index = 0; index < count; index++) {
        int below [16];                         //  A monitor has one below it that talks
        size_t more = s_children (pids [index], below, BERTH_COUNT (below));
        char path [64], name [64] = "";
        (void) kill (pids [index], SIGKILL);
        for (size_t other = 0; other < more; other++) {
            snprintf (path, sizeof path, "/proc/%d/comm", below [other]);
            FILE *file = fopen (path, "re");
            if (file && fgets (name, sizeof name, file) && strncmp (name, "sshd", 4) == 0)
                (void) kill (below [other], SIGKILL);
            if (file)
                fclose (file);
        }
    }
}

void
sshd_cut (sshd_t *self)
{
    s_kill_below (self->pid);
}

void
sshd_stop (sshd_t *self)
{
    if (self->pid <= 0)
        return;
    (void) kill (self->pid, SIGSTOP);           //  No new one meanwhile
    s_kill_below (self->pid);
    (void) kill (self->pid, SIGKILL);
    (void) waitpid (self->pid, NULL, 0);
    self->pid = 0;
}

void
sshd_open (sshd_t *self, const char *lines)
{
    *self = (sshd_t) { .arena = arena_new (), .folder = fixture_folder_new () };
    struct passwd *user = getpwuid (geteuid ());
    assert_non_null (user);
    self->user = arena_string (self->arena, user->pw_name);
    s_key (self, "host");
    s_key (self, "other_host");
    s_key (self, "user");
    s_key (self, "other_user");
    self->key = s_text (self, "user");
    self->other_key = s_text (self, "other_user");
    self->port = s_free_port ();
    self->known_hosts = arena_printf (self->arena, "[127.0.0.1]:%u %s", self->port,
                                      s_text (self, "host.pub"));
    self->other_known_hosts = arena_printf (self->arena, "[127.0.0.1]:%u %s", self->port,
                                            s_text (self, "other_host.pub"));
    self->base = fixture_path (self->arena, self->folder, "places");
    if (geteuid () == 0 && mkdir ("/run/sshd", 0755) && errno != EEXIST)
        fail_msg ("cannot make /run/sshd");     //  Its own package makes it with its service
    FILE *file = fopen (fixture_path (self->arena, self->folder, "config"), "we");
    assert_non_null (file);
    fprintf (file, "%sPort %u\nListenAddress 127.0.0.1\nHostKey %s/host\nPidFile none\n"
             "AuthorizedKeysFile %s/user.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
             "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 500\n"
             //  What the user's own shell does at login is no part of a test
             "SetEnv SHLVL=1\n",
             lines, self->port, self->folder, self->folder);
    assert_int_equal (fclose (file), 0);
    sshd_start (self);
}

void
sshd_close (sshd_t *self)
{
    sshd_stop (self);
    fixture_folder_destroy (&self->folder);
    arena_destroy (&self->arena);
}

const char *
sshd_quoted (arena_t *arena, const char *text)
{
    char *copy = arena_take (arena, 2 * strlen (text) + 3), *to = copy;
    *to++ = '"';
    for (; *text; text++) {
        if (*text == '\n' || *text == '"' || *text == '\\')
            *to++ = '\\';
        *to++ = *text == '\n' ? 'n' : *text;
    }
    *to++ = '"';
    *to = 0;
    return copy;
}

const char *
sshd_config (sshd_t *self, const char *more)
{
    arena_t *arena = self->arena;
    const char *text = arena_printf (arena, "{\"host\":\"127.0.0.1\",\"username\":\"%s\"",
                                     self->user);
    if (!strstr (more, "\"port\""))
        text = arena_printf (arena, "%s,\"port\":%u", text, self->port);
    if (!strstr (more, "\"remoteWorkspacePath\""))
        text = arena_printf (arena, "%s,\"remoteWorkspacePath\":\"%s\"", text, self->base);
    if (!strstr (more, "\"privateKey\""))
        text = arena_printf (arena, "%s,\"privateKey\":%s", text, sshd_quoted (arena, self->key));
    if (!strstr (more, "\"knownHosts\""))
        text = arena_printf (arena, "%s,\"knownHosts\":%s", text,
                             sshd_quoted (arena, self->known_hosts));
    return arena_printf (arena, "%s%s%s}", text, *more ? "," : "", more);
}
