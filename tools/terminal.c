//  terminal.c - owns the terminal's saved state.

#include "terminal.h"

#include "clock.h"
#include "output.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

static struct termios s_saved;
static volatile sig_atomic_t s_is_raw;
static bool s_has_progress;
static int64_t s_progress_at;

int
terminal_signals (void)
{
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    sigaddset (&set, SIGWINCH);
    if (sigprocmask (SIG_BLOCK, &set, NULL))
        return -1;
    return signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int
terminal_signal (int signals)
{
    struct signalfd_siginfo info;
    return signals >= 0 && read (signals, &info, sizeof info) == sizeof info ? (int) info.ssi_signo : 0;
}

bool
terminal_both (void)
{
    return isatty (STDIN_FILENO) && isatty (STDOUT_FILENO);
}

bool
terminal_size (uint64_t *ret_cols, uint64_t *ret_rows)
{
    struct winsize size = { 0 };
    if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
        return false;
    *ret_cols = size.ws_col;
    *ret_rows = size.ws_row;
    return true;
}

void
terminal_restore (void)
{
    if (s_is_raw) {
        s_is_raw = 0;
        (void) tcsetattr (STDIN_FILENO, TCSADRAIN, &s_saved);
    }
}

//  What ends us without an exit: put the terminal right, then end the same way.
static void
s_ended (int number)
{
    if (s_is_raw)
        (void) tcsetattr (STDIN_FILENO, TCSANOW, &s_saved);
    signal (number, SIG_DFL);
    raise (number);
}

void
terminal_raw (void)
{
    static bool prepared;
    static const int ends [] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGTERM };
    struct termios raw;
    if (s_is_raw || tcgetattr (STDIN_FILENO, &s_saved))
        return;
    if (!prepared) {
        prepared = true;
        atexit (terminal_restore);
        for (size_t index = 0; index < BERTH_COUNT (ends); index++)
            signal (ends [index], s_ended);
    }
    raw = s_saved;
    cfmakeraw (&raw);
    if (tcsetattr (STDIN_FILENO, TCSADRAIN, &raw) == 0)
        s_is_raw = 1;
}

long
terminal_hidden (const char *prompt, char *line, size_t size)
{
    int tty = open ("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios shown, hidden;
    if (tty < 0)
        return -1;
    if (tcgetattr (tty, &shown)) {
        close (tty);
        return -1;
    }
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t) ECHO;
    (void) tcsetattr (tty, TCSAFLUSH, &hidden);
    (void) !write (tty, prompt, strlen (prompt));
    ssize_t got = read (tty, line, size);
    (void) tcsetattr (tty, TCSAFLUSH, &shown);
    (void) !write (tty, "\n", 1);
    close (tty);
    return got > 0 && line [got - 1] == '\n' ? (long) got - 1 : -1;
}

void
terminal_progress (const workspace_progress_t *progress)
{
    int64_t now = berth_mono_ms ();
    if (!isatty (STDERR_FILENO) || (s_has_progress && now - s_progress_at < 50))
        return;
    own (arena) arena = arena_new ();
    const char *verb = strcmp (progress->phase, "copy") == 0 ? "copying"
                     : strcmp (progress->phase, "return") == 0 ? "bringing home"
                     : strcmp (progress->phase, "provision") == 0 ? "provisioning" : progress->phase;
    fprintf (stderr, "\r\033[Kberth: %s", verb);
    if (progress->total_files)
        fprintf (stderr, " %3u%%", (unsigned) (progress->total_bytes
                 ? progress->bytes * 100 / progress->total_bytes
                 : progress->files * 100 / progress->total_files));
    if (progress->files)
        fprintf (stderr, "  %llu files  %s", (unsigned long long) progress->files,
                 output_size (progress->bytes, arena));
    fflush (stderr);
    s_has_progress = true;
    s_progress_at = now;
}

void
terminal_progress_of (const char *what, uint64_t done, uint64_t total)
{
    int64_t now = berth_mono_ms ();
    if (!isatty (STDERR_FILENO) || (s_has_progress && now - s_progress_at < 50))
        return;
    fprintf (stderr, "\r\033[Kberth: %s %3u%%", what, (unsigned) (total ? done * 100 / total : 0));
    fflush (stderr);
    s_has_progress = true;
    s_progress_at = now;
}

void
terminal_progress_clear (void)
{
    if (s_has_progress)
        fprintf (stderr, "\r\033[K");
    s_has_progress = false;
}
