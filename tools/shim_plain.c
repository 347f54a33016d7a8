//  shim_plain.c - owns one command on a machine where nothing of ours can run: by plain ssh.
//
//      berth-shim --plain AGENT COUNT SSH... CWD COMMAND...
//
//  COUNT words are ssh with its options and the host. What the command is to be (its environment,
//  which is ours, its folder, its words) goes ahead of its stdin, as a script that the remote sh reads
//  byte by byte: no value stands in an argv there.

#include "shim_plain.h"

#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { FIRST = 4, ARGUMENTS_MAX = 128 };

static void
s_quote (FILE *to, const char *text)
{
    (void) fputc ('\'', to);
    for (; *text; text++)
        if (*text == '\'')
            (void) fputs ("'\\''", to);
        else
            (void) fputc (*text, to);
    (void) fputc ('\'', to);
}

static bool
s_is_name (const char *entry)
{
    size_t size = strspn (entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return size && entry [size] == '=' && !(*entry >= '0' && *entry <= '9');
}

static char *
s_script (char **words, size_t *ret_size)
{
    char *text = NULL;
    FILE *to = open_memstream (&text, ret_size);
    ENSURE (to);
    for (char **entry = environ; *entry; entry++)
        if (s_is_name (*entry)) {
            fprintf (to, "export %.*s", (int) (strchr (*entry, '=') + 1 - *entry), *entry);
            s_quote (to, strchr (*entry, '=') + 1);
            (void) fputc ('\n', to);
        }
    (void) fputs ("mkdir -p -- ", to);
    s_quote (to, words [0]);
    (void) fputs (" && cd -- ", to);
    s_quote (to, words [0]);
    (void) fputs (" || exit 126\nexec", to);
    for (char **word = words + 1; *word; word++) {
        (void) fputc (' ', to);
        s_quote (to, *word);
    }
    (void) fputc ('\n', to);
    ENSURE (fclose (to) == 0);
    return text;
}

static bool
s_write (int fd, const char *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t sent = write (fd, data + done, size - done);
        if (sent < 0 && errno != EINTR)
            return false;
        done += sent > 0 ? (size_t) sent : 0;
    }
    return true;
}

//  The script, then whatever comes; ends with ssh, which is its parent.
static void
s_feed (int to, const char *script, size_t size)
{
    static char data [65536];
    ssize_t got;
    (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
    (void) signal (SIGPIPE, SIG_IGN);
    close (STDOUT_FILENO);
    close (STDERR_FILENO);
    bool open = s_write (to, script, size);
    while (open && ((got = read (STDIN_FILENO, data, sizeof data)) > 0 || (got < 0 && errno == EINTR)))
        open = got < 0 || s_write (to, data, (size_t) got);
    _exit (0);
}

int
shim_plain (int argc, char **argv)
{
    long count = argc > FIRST ? strtol (argv [3], NULL, 10) : 0;
    if (count < 1 || count > ARGUMENTS_MAX || argc < FIRST + count + 2) {
        fprintf (stderr, "berth-shim: started by berthd only\n");
        return 2;
    }
    size_t size;
    char *script = s_script (argv + FIRST + count, &size), *command, *agent;
    ENSURE (asprintf (&command, "exec /bin/sh -c 'eval \"$(dd bs=1 count=%zu 2>/dev/null)\"'", size) > 0);
    ENSURE (asprintf (&agent, "SSH_AUTH_SOCK=%s", argv [2]) > 0);
    char *ssh [ARGUMENTS_MAX + 2];
    memcpy (ssh, argv + FIRST, (size_t) count * sizeof *ssh);
    ssh [count] = command;
    ssh [count + 1] = NULL;
    char *env [] = { "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C",
                     *argv [2] ? agent : NULL, NULL };
    int pipe_fds [2];
    pid_t feeder = pipe2 (pipe_fds, O_CLOEXEC) ? -1 : fork ();
    if (feeder == 0) {
        close (pipe_fds [0]);
        s_feed (pipe_fds [1], script, size);
    }
    if (feeder > 0 && dup2 (pipe_fds [0], STDIN_FILENO) == 0)
        execve (ssh [0], ssh, env);
    fprintf (stderr, "berth-shim: ssh cannot be started: %s\n", strerror (errno));
    return 255;
}
